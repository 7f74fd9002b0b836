"""Charts as plain ECharts options: data only, no functions and no colours, so that a page or a notebook can theme them.

`format` says how values read: `count`, `share` (0 to 1, shown in per cent), `seconds`, `number`. The page gives axes, tooltips and the
series type `interval` (`[x, value, low, high]`, drawn as a dot with whiskers) their functions by these names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Format = Literal["count", "share", "seconds", "number"]
Numbers = Sequence[float | int | None]


def bars(
    names: Sequence[str],
    series: Mapping[str, Numbers],
    *,
    format: Format = "count",
    horizontal: bool = False,
    stacked: bool = False,
    x_name: str = "",
    y_name: str = "",
    texts: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Bars, one for each name and series; `horizontal` for long names.

    x_name: of the axis of names, y_name: of that of values. texts: what stands at the end of each bar of a single series, else its value.
    """
    names_axis = {"type": "category", "data": list(names), "name": x_name, **({"inverse": True} if horizontal else {})}
    values_axis = {"type": "value", "name": y_name, "format": format}
    drawn = [
        {"type": "bar", "name": name, "data": list(values), **({"stack": "all"} if stacked else {})} for name, values in series.items()
    ]
    x, y = (values_axis, names_axis) if horizontal else (names_axis, values_axis)
    return {"xAxis": x, "yAxis": y, "series": drawn, **({} if texts is None else {"texts": list(texts)})}


def lines(
    x: Sequence[Any],
    series: Mapping[str, Numbers],
    *,
    bands: Mapping[str, tuple[Numbers, Numbers]] | None = None,
    format: Format = "count",
    steps: bool = False,
    x_kind: Literal["category", "time", "value", "log"] = "category",
    x_format: Format | None = None,
    x_name: str = "",
    y_name: str = "",
    from_zero: bool = True,
) -> dict[str, Any]:
    """Lines over x (above 0 for log); bands: (low, high) of a series, drawn as a shade behind it. x_format: how the values of x read.

    from_zero: whether the axis of values holds 0, however far it lies from them.
    """
    drawn: list[dict[str, Any]] = []
    for name, values in series.items():
        points = list(values) if x_kind == "category" else [[at, value] for at, value in zip(x, values, strict=True)]
        drawn.append({"type": "line", "name": name, "data": points, "showSymbol": len(x) <= 40, **({"step": "end"} if steps else {})})
        if bands and name in bands:
            low, high = bands[name]
            rows = [[at, lo, hi] for at, lo, hi in zip(x, low, high, strict=True)]
            drawn.append({"type": "custom", "renderItem": "band", "name": name, "of": name, "data": rows})
    axis = {"type": x_kind, "name": x_name, **({"data": list(x)} if x_kind == "category" else {})}
    if x_format is not None:
        axis["format"] = x_format
    values_axis = {"type": "value", "name": y_name, "format": format, **({} if from_zero else {"scale": True})}
    return {"xAxis": axis, "yAxis": values_axis, "series": drawn}


def intervals(
    names: Sequence[str],
    series: Mapping[str, Sequence[tuple[float | None, float | None, float | None]]],
    *,
    format: Format = "share",
    horizontal: bool = True,
    x_name: str = "",
    y_name: str = "",
    reference: float | None = None,
) -> dict[str, Any]:
    """Figures with their intervals, one row a name: (value, low, high).

    x_name: of the axis of values, y_name: of that of names. reference: a value to compare with, drawn as a line.
    """
    drawn = [
        {"type": "custom", "renderItem": "interval", "name": name, "data": [[i, *row] for i, row in enumerate(rows)]}
        for name, rows in series.items()
    ]
    names_axis = {"type": "category", "data": list(names), "name": y_name, **({"inverse": True} if horizontal else {})}
    values_axis = {"type": "value", "name": x_name, "format": format, "scale": True}
    x, y = (values_axis, names_axis) if horizontal else (names_axis, values_axis)
    return {"xAxis": x, "yAxis": y, "series": drawn, "horizontal": horizontal, **({} if reference is None else {"reference": reference})}


def heatmap(
    x: Sequence[str],
    y: Sequence[str],
    values: Sequence[tuple[int, int, float | None]],
    *,
    format: Format = "share",
    x_name: str = "",
    y_name: str = "",
    low: float | None = None,
    high: float | None = None,
    name: str = "",
) -> dict[str, Any]:
    """Cells of (place in x, place in y, value); low and high: the ends of the colour scale, else those of the values.

    name: what the values are, beside the scale.
    """
    known = [value for _, _, value in values if value is not None]
    scale = {"min": low if low is not None else min(known, default=0), "max": high if high is not None else max(known, default=1)}
    return {
        "xAxis": {"type": "category", "data": list(x), "name": x_name},
        "yAxis": {"type": "category", "data": list(y), "name": y_name, "inverse": True},
        "visualMap": {**scale, "format": format, "name": name},
        "series": [{"type": "heatmap", "data": [list(value) for value in values]}],
    }


def sankey(nodes: Sequence[Mapping[str, Any]], links: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """nodes: `name` (unique id that carries the step), `label`; links: `source`, `target`, `value`. A Sankey takes no cycles."""
    return {"series": [{"type": "sankey", "data": [dict(n) for n in nodes], "links": [dict(link) for link in links]}]}


def network(nodes: Sequence[Mapping[str, Any]], links: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A directed graph on a circle. nodes: `name`, `value`; links: `source`, `target`, `value` (their width), `text` (in the tooltip)."""
    return {"series": [{"type": "graph", "layout": "circular", "data": [dict(n) for n in nodes], "links": [dict(link) for link in links]}]}


def points(
    series: Mapping[str, Sequence[Sequence[float | str | None]]], *, x_name: str = "", y_name: str = "", format: Format = "number"
) -> dict[str, Any]:
    """Dots: (x, y) or (x, y, what it is)."""
    drawn = [{"type": "scatter", "name": name, "data": [list(row) for row in rows]} for name, rows in series.items()]
    return {"xAxis": {"type": "value", "name": x_name}, "yAxis": {"type": "value", "name": y_name, "format": format}, "series": drawn}


def reliability(
    series: Mapping[str, Sequence[tuple[float, float, float, float, int]]],
    *,
    x_name: str = "predicted",
    y_name: str = "observed",
    n_name: str = "rows",
    top: float | None = None,
    scale: Literal["linear", "root"] = "linear",
) -> dict[str, Any]:
    """What was said against what happened, above the rows behind each dot: (predicted, observed, low, high, n), smallest predictions first.

    Shares, in a square, beside the line on which both are equal. top: where both axes end, else at the largest share. scale: by its square
    root a small share has the room that it needs, and the same number of rows has an interval of about the same length everywhere.
    """
    drawn = [
        {"type": "custom", "renderItem": "reliability", "name": name, "data": [list(row) for row in rows]} for name, rows in series.items()
    ]
    largest = max((max(row[0], row[1]) for rows in series.values() for row in rows), default=1.0)
    return {
        "xAxis": {"type": "value", "name": x_name, "format": "share"},
        "yAxis": {"type": "value", "name": y_name, "format": "share"},
        "series": drawn,
        "n_name": n_name,
        "top": largest if top is None else top,
        "scale": scale,
    }
