"""One HTML file that shows an experiment, in the style of the report: headlines, charts with their tables, what to run next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from footpath.page.alternative import describe
from footpath.page.document import document
from footpath.page.figures import html_table
from footpath.page.text import Lang, bdi, escape, prose, sentence
from footpath.result import in_language

_WORDS: Final[dict[str, dict[Lang, str]]] = {
    "skip": {"en": "Skip to the figures", "zh": "跳到图表"},
    "theme": {"en": "Light / dark", "zh": "浅色 / 深色"},
    "next": {"en": "What to run next", "zh": "下一步运行"},
    "both": {"en": "Data, and the chart in words", "zh": "数据与图表的文字说明"},
    "data": {"en": "Data", "zh": "数据"},
}


@dataclass(frozen=True)
class Figure:
    """A chart, a table or both, under a title. table: columns by name; right: those of text that are figures; notes: sentences below.

    half: beside the next one that is, where there is room.
    """

    id: str
    title: str
    about: str
    chart: Mapping[str, Any] | None = None
    table: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    half: bool = False
    right: Sequence[str] = ()


def picture(
    title: str,
    lead: Sequence[str],
    headlines: Mapping[str, tuple[str, str]],
    figures: Sequence[Figure],
    *,
    said: Sequence[str] = (),
    commands: Sequence[str] = (),
    notes: Sequence[str] = (),
    lang: Lang = "en",
) -> str:
    """The page; charts may hold phrases, all other texts are in its language already.

    headlines: name to (figure, what stands small below it). said: what the figures come to. commands: what to run next.
    """
    charts: dict[str, Any] = {}
    large = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}{f'<small>{escape(small)}</small>' if small else ''}</dd></div>"
        for name, (value, small) in headlines.items()
    )
    first = "".join(f"<li>{prose(sentence(text, lang))}</li>" for text in said)
    body = [
        f'<a class="skip" href="#figures">{_WORDS["skip"][lang]}</a>',
        '<header class="top"><div class="brand"><span>Footpath</span>'
        f'<button id="theme" type="button" hidden>{_WORDS["theme"][lang]}</button></div>',
        f'<h1>{bdi(title)}</h1><p class="lead">{"<br>".join(prose(sentence(line, lang)) for line in lead)}</p></header><main>',
        f'<dl class="figures">{large}</dl>' if large else "",
        f'<article><ul class="said">{first}</ul></article>' if first else "",
        '<div id="figures"><section class="group">',
        *_rows(figures, charts, lang),
        "</section></div>",
    ]
    if commands:
        shell = escape("\n".join(commands))
        body.append(
            f'<section class="group" id="next"><h2>{_WORDS["next"][lang]}</h2><article><pre><code>{shell}</code></pre></article></section>'
        )
    body.append(f"</main><footer>{''.join(f'<p>{prose(sentence(note, lang))}</p>' for note in notes)}</footer>")
    return document(title, "\n".join(body), charts, lang=lang)


def _rows(figures: Sequence[Figure], charts: dict[str, Any], lang: Lang) -> Iterator[str]:
    for half, group in groupby(figures, lambda figure: figure.half):
        drawn = "".join(_figure(figure, charts, lang) for figure in group)
        yield f'<div class="halves">{drawn}</div>' if half else drawn


def _figure(figure: Figure, charts: dict[str, Any], lang: Lang) -> str:
    parts = [
        f'<article id="{figure.id}" aria-labelledby="{figure.id}-title"><h3 id="{figure.id}-title">{escape(figure.title)}</h3>',
        f'<p class="about">{prose(sentence(figure.about, lang))}</p>',
    ]
    inside = ""
    if figure.chart is not None:
        charts[f"chart-{figure.id}"] = in_language(figure.chart, lang)
        words = describe(charts[f"chart-{figure.id}"], lang)
        parts.append(f'<figure><div class="chart" id="chart-{figure.id}" role="img" aria-label="{escape(words)}"></div></figure>')
        inside = f'<p id="chart-{figure.id}-words">{escape(words)}</p>'
    if figure.table:
        n = len(next(iter(figure.table.values())))
        inside += html_table(figure.table, total=n, labels=figure.labels, caption=figure.title, lang=lang, right=figure.right)
    if inside:
        summary = _WORDS["both" if figure.chart is not None else "data"][lang]
        parts.append(f"<details{'' if figure.chart is not None else ' open'}><summary>{summary}</summary>{inside}</details>")
    parts += [f'<p class="about">{prose(sentence(note, lang))}</p>' for note in figure.notes]
    return "".join(parts) + "</article>"
