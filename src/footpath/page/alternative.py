"""What a chart shows, in words, for those who do not see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from footpath.page.figures import Kind, show
from footpath.page.text import Lang

_KINDS = {
    "bar": ("Bar chart", "柱状图"),
    "line": ("Line chart", "折线图"),
    "heatmap": ("Heat map", "热力图"),
    "sankey": ("Flow chart", "桑基图"),
    "graph": ("Network", "网络图"),
    "scatter": ("Scatter plot", "散点图"),
    "interval": ("Figures with their intervals", "数值及其区间"),
    "band": ("Line chart", "折线图"),
    "reliability": ("Reliability diagram", "可靠性图"),
}


def describe(chart: Mapping[str, Any], lang: Lang = "en") -> str:
    """The kind of chart, its axes, and the ends of each series: a sentence or a few."""
    series = [s for s in chart.get("series", []) if s.get("renderItem") != "band"]
    if not series:
        return ""
    first = series[0]
    kind = first.get("renderItem") or first.get("type", "")
    english, chinese = _KINDS.get(kind, ("Chart", "图表"))
    x, y = chart.get("xAxis") or {}, chart.get("yAxis") or {}
    axes = [str(axis.get("name")) for axis in (y, x) if axis.get("name")]
    opening = chinese if lang == "zh" else english
    if axes:
        opening += ("：" if lang == "zh" else ": ") + ("，" if lang == "zh" else " by ").join(axes)
    if kind in ("sankey", "graph"):
        said = [_links(first, lang)]
    elif kind == "heatmap":
        said = [_cells(first, x, y, chart.get("visualMap", {}).get("format", "number"), lang)]
    else:
        said = [_ends(s, x, y, kind, lang) for s in series[:6]]
        if len(series) > 6:
            said.append(f"另有 {len(series) - 6} 个系列" if lang == "zh" else f"and {len(series) - 6} more series")
    mark, stop = ("；", "。") if lang == "zh" else ("; ", ".")
    return opening + stop + (" " if lang == "en" else "") + mark.join(part for part in said if part) + stop


def _ends(series: Mapping[str, Any], x: Mapping[str, Any], y: Mapping[str, Any], kind: str, lang: Lang) -> str:
    names_axis = y if y.get("type") == "category" else x
    values_axis = x if names_axis is y else y
    format: Kind = values_axis.get("format", "number")
    names = names_axis.get("data") or []
    pairs: list[tuple[Any, float]] = []
    for i, point in enumerate(series.get("data", [])):
        if isinstance(point, Mapping):
            point = point.get("value")
        if isinstance(point, Sequence) and not isinstance(point, str):
            if len(point) < 2 or not isinstance(point[1], int | float):
                continue
            at = names[point[0]] if names and isinstance(point[0], int) and point[0] < len(names) else point[0]
            pairs.append((at, point[1]))
        elif isinstance(point, int | float):
            pairs.append((names[i] if i < len(names) else i, point))
    title = str(series.get("name") or "")
    if not pairs:
        return f"{title}: –" if title else ""
    top, bottom = max(pairs, key=lambda p: p[1]), min(pairs, key=lambda p: p[1])
    head = f"{title}: " if title else ""
    high, low = show(top[1], format, lang), show(bottom[1], format, lang)
    at_kind: Kind = names_axis.get("format", "number") if names_axis is not values_axis else "number"
    high_at, low_at = show(top[0], at_kind, lang), show(bottom[0], at_kind, lang)
    if lang == "zh":
        return f"{head}{len(pairs)} 个值，最高 {high}（{high_at}），最低 {low}（{low_at}）"
    return f"{head}{len(pairs)} values, highest {high} at {high_at}, lowest {low} at {low_at}"


def _cells(series: Mapping[str, Any], x: Mapping[str, Any], y: Mapping[str, Any], format: Kind, lang: Lang) -> str:
    known = [cell for cell in series.get("data", []) if len(cell) > 2 and isinstance(cell[2], int | float)]
    columns, rows = x.get("data", []), y.get("data", [])
    if not known:
        return ""
    cells = max(known, key=lambda c: c[2]), min(known, key=lambda c: c[2])
    ends = [(show(cell[2], format, lang), f"{show(rows[cell[1]])} / {show(columns[cell[0]])}") for cell in cells]
    (high, high_at), (low, low_at) = ends
    size = f"{len(rows)} × {len(columns)}"
    if lang == "zh":
        return f"{size} 格，最高 {high}（{high_at}），最低 {low}（{low_at}）"
    return f"{size} cells, highest {high} at {high_at}, lowest {low} at {low_at}"


def _links(series: Mapping[str, Any], lang: Lang) -> str:
    labels = {node.get("name"): node.get("label", node.get("name")) for node in series.get("data", [])}
    links = [link for link in series.get("links", []) if isinstance(link.get("value"), int | float)]
    widest = sorted(links, key=lambda link: -link["value"])[:3]
    said = [
        f"{labels.get(link['source'], link['source'])} → {labels.get(link['target'], link['target'])} ({show(link['value'], 'number')})"
        for link in widest
    ]
    if lang == "zh":
        return f"{len(labels)} 个节点、{len(links)} 条连线，最宽的是 " + "、".join(said) if said else f"{len(labels)} 个节点"
    return f"{len(labels)} nodes and {len(links)} links, the widest " + ", ".join(said) if said else f"{len(labels)} nodes"
