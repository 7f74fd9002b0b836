"""How a figure reads: counts with separators, shares in per cent, durations in a unit that fits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Literal

from footpath.page.text import Lang, bdi, escape
from footpath.statistics import SMALL

Kind = Literal["text", "count", "share", "seconds", "number", "p", "time", "date", "flag", "plain"]

_SHARES: Final = (
    "share",
    "rate",
    "probability",
    "sparsity",
    "coverage",
    "support",
    "confidence",
    "survival",
    "covered",
    "from_first",
    "from_previous",
    "otherwise",
    "retained",
    "observed",
    "predicted",
)
_P_VALUES: Final = ("p_value", "q_value", "p", "q")
WIDE: Final = 12
"""Columns beyond which a table is set smaller on paper."""
ON_PAPER: Final = 15
"""Rows of a table that paper shows; the style sheet of the page hides the others there."""
_BOUNDS: Final = ("low", "high")
_DENOMINATORS: Final = ("n", "n_users", "at_risk", "n_sessions", "n_acts", "n_cases")
_UNITS: Final = {"en": (" s", " min", " h", " days"), "zh": (" 秒", " 分钟", " 小时", " 天")}


def show(value: Any, kind: Kind = "number", lang: Lang = "en") -> str:
    """A figure as text; an en dash where there is none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return {"en": ("no", "yes"), "zh": ("否", "是")}[lang][value]
    if isinstance(value, timedelta):
        return show(value.total_seconds(), "seconds", lang)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if kind == "date" else f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return ("、" if lang == "zh" else ", ").join(show(part, kind, lang) for part in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {show(part, kind, lang)}" for name, part in value.items())
    if not isinstance(value, int | float):
        return str(value)
    if kind == "share":
        return f"{100 * value:.1f}%" if abs(value) >= 0.001 or value == 0 else f"{100 * value:.2g}%"
    if kind == "seconds":
        return _duration(float(value), lang)
    if kind == "p":
        return "< 0.001" if value < 0.001 else f"{value:.3f}"
    if isinstance(value, int):
        return str(value) if kind == "plain" else f"{value:,}"
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def kinds(table: Mapping[str, Sequence[Any]]) -> dict[str, Kind]:
    """What each column holds, by its name and its values."""
    found: dict[str, Kind] = {}
    for name, values in table.items():
        known = [value for value in values if value is not None]
        found[name] = _kind(name, known)
    base = ""
    for name, values in table.items():  # bounds and differences are of the kind of what they stand beside
        if name in _BOUNDS or name.endswith(("_low", "_high")):
            stem = name.removesuffix("_low").removesuffix("_high")
            beside = stem if stem != name and stem in found else base
            if found.get(beside) == "share" and _within_one(values):
                found[name] = "share"
        elif found[name] in ("share", "number", "seconds"):
            base = name
    if "share" in found.values():
        found |= {name: "share" for name in ("difference", "change", "gap") if found.get(name) == "number" and _within_one(table[name])}
    return found


def is_small(row: Mapping[str, Any]) -> bool:
    """Fewer than 30 stand behind the row."""
    for name in _DENOMINATORS:
        if name in row:
            value = row[name]
            return isinstance(value, int | float) and not isinstance(value, bool) and value < SMALL
    return False


def html_table(
    table: Mapping[str, Sequence[Any]],
    *,
    total: int,
    labels: Mapping[str, str],
    caption: str,
    lang: Lang = "en",
    right: Sequence[str] = (),
) -> str:
    """A table in HTML, numbers to the right, small cells greyed; total: the rows of the whole of which these are the first.

    right: columns of text that are figures all the same.
    """
    kind = kinds(table)
    texts = {name for name, found in kind.items() if found in ("text", "flag")} - {*right}
    head = "".join(
        f'<th scope="col"{"" if name in texts else " class=number"}>{escape(labels.get(name, name.replace("_", " ")))}</th>'
        for name in table
    )
    names = list(table)
    rows = []
    for values in zip(*table.values(), strict=True):
        row = dict(zip(names, values, strict=True))
        cells = []
        for i, (name, value) in enumerate(row.items()):
            shown = bdi(show(value, kind[name], lang)) if name in texts else escape(show(value, kind[name], lang))
            cells.append(
                f'<th scope="row">{shown}</th>'
                if i == 0 and name in texts
                else f"<td{'' if name in texts else ' class=number'}>{shown}</td>"
            )
        rows.append(f"<tr{' class=small' if is_small(row) else ''}>{''.join(cells)}</tr>")
    n_shown = len(rows)
    cut = n_shown > ON_PAPER
    said = "" if n_shown >= total else _first(n_shown, total, lang)
    on_paper = _first(ON_PAPER, total, lang) if cut else said
    grey = (
        {"en": "grey: fewer than 30 behind the figure", "zh": "灰色：样本少于 30"}[lang]
        if any("class=small" in row for row in rows)
        else ""
    )
    notes = escape(" · ".join(note for note in (said, grey) if note))
    if cut:
        notes = f'<b class="screen">{notes}</b><b class="paper">{escape(" · ".join(note for note in (on_paper, grey) if note))}</b>'
    chosen = [name for name, holds in (("wide", len(names) > WIDE), ("cut", cut)) if holds]
    classes = f' class="{" ".join(chosen)}"' if chosen else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table{classes}>'
        f"<caption><span>{escape(caption)}</span> {notes}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _first(n: int, total: int, lang: Lang) -> str:
    return {"en": f"the first {n:,} of {total:,} rows", "zh": f"共 {total:,} 行，此处显示前 {n:,} 行"}[lang]


def _within_one(values: Sequence[Any]) -> bool:
    return all(-1 <= value <= 1 for value in values if isinstance(value, int | float))


def _kind(name: str, known: Sequence[Any]) -> Kind:
    if any(isinstance(value, datetime) for value in known):
        return "date" if all(value.time() == time() for value in known) else "time"
    if any(isinstance(value, date) for value in known):
        return "date"
    if known and all(isinstance(value, bool) for value in known):
        return "flag"
    if any(not isinstance(value, int | float) or isinstance(value, bool) for value in known):
        return "text"
    if name in _P_VALUES or name.endswith(("_p_value", "_q_value")):
        return "p"
    if name.endswith("seconds"):
        return "seconds"
    if known and any(isinstance(value, float) for value in known):
        is_share = any(name == mark or f"_{mark}_" in f"_{name}_" for mark in _SHARES)
        return "share" if is_share and all(-1 <= value <= 1 for value in known) else "number"
    return "plain" if name in ("year", "hour", "weekday", "step", "rank", "order", "cluster", "position") else "count"


def _duration(seconds: float, lang: Lang) -> str:
    s, minute, hour, day = _UNITS[lang]
    size = abs(seconds)
    if size < 90:
        return f"{seconds:.3g}{s}"
    if size < 90 * 60:
        return f"{seconds / 60:.3g}{minute}"
    if size < 48 * 3600:
        return f"{seconds / 3600:.3g}{hour}"
    return f"{seconds / 86400:,.1f}{day}"
