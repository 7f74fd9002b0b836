"""One HTML document that holds all it needs: styles, scripts, data; no request ever leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from footpath.page.text import Lang, embed_json, escape

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


@cache
def asset(name: str) -> str:
    """The text of a file that a page is drawn with."""
    return files("footpath.page").joinpath("assets", name).read_text(encoding="utf-8")


def document(
    title: str, body: str, charts: Mapping[str, Any], *, lang: Lang = "en", scripts: tuple[str, ...] = ("charts.js", "report.js")
) -> str:
    """A whole page. charts: by the id of the element that each is drawn into; body is HTML already."""
    data = embed_json({"lang": lang, "charts": charts})
    code = "\n".join(f"<script>{asset(name)}</script>" for name in ("echarts.min.js", *scripts))
    return (
        f'<!doctype html>\n<html lang="{"zh-Hans" if lang == "zh" else "en"}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{asset('report.css')}</style>\n</head>\n<body>\n{body}\n"
        f'<script type="application/json" id="footpath-data">{data}</script>\n{code}\n</body>\n</html>\n'
    )


def frame(chart: Mapping[str, Any], *, lang: Lang = "en", height: int = 400) -> str:
    """A chart for a notebook: a frame of its own, so that no style or script of the two touches the other."""
    body = '<div class="bare"><div class="chart" id="chart"></div></div>'
    page = document("Footpath", body, {"chart": chart}, lang=lang, scripts=("charts.js",))
    style = f"width:100%;height:{height}px;border:0"
    return f'<iframe sandbox="allow-scripts" title="Footpath" loading="lazy" style="{style}" srcdoc="{escape(page)}"></iframe>'
