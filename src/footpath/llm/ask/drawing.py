"""The picture and the table beside a figure: by day, by name, or the parts that it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import pyarrow as pa

from footpath.analysis import charts
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim, Scope, Verdict
from footpath.llm.claims.wording import UNITS, WEEKDAYS, WEEKDAYS_ZH, acts, of_unit
from footpath.result import Phrase, say

MOST_BARS: Final = 20


@dataclass(frozen=True)
class Drawn:
    """A table, the chart of it where one helps, and what it shows. labels: of the columns; names: of values that are words."""

    title: Phrase
    table: pa.Table
    chart: Mapping[str, Any] | None = None
    labels: Mapping[str, Phrase] = field(default_factory=dict)
    names: Mapping[str, Phrase] = field(default_factory=dict)


def drawn(verdict: Verdict, checker: Checker) -> Drawn | None:
    """What to show beside a verdict; None where its sentence says all."""
    if verdict.value is None:
        return None
    claim = verdict.claim
    predicate = claim.predicate
    if predicate == "top":
        return _list(claim, verdict)
    if predicate == "rhythm":
        return _rhythm(claim, verdict)
    if predicate == "drift":
        return _drift(claim, verdict)
    if predicate == "trend":
        parts = [(Phrase("before", "之前"), verdict.parts["before"]), (Phrase("last", "最近"), verdict.parts["last"])]
        of = claim.arguments["of"]
        days = claim.arguments["window_days"]
        title = say("{what}, windows of {d:g} days", "{what}，每段 {d:g} 天", what=of_unit(of, claim.scope, verdict.names), d=days)
        return _bars(title, parts, UNITS[of][1], UNITS[of][2])
    if predicate in ("share", "follows", "repeat_rate"):
        hits, n = verdict.parts["hits"], verdict.n or 0
        of = str(verdict.parts.get("of", "acts"))
        title = say("{what}: the part and the rest", "{what}：所问部分与其余部分", what=of_unit(of, claim.scope, verdict.names))
        return _bars(title, [(Phrase("the part", "所问部分"), hits), (Phrase("the rest", "其余"), n - hits)], UNITS[of][1], UNITS[of][2])
    if predicate == "lift":
        v = verdict
        rows = [
            (Phrase("in the segment", "分群内"), v.parts["hits"] / (v.n or 1)),
            (Phrase("in what is compared with", "对照范围"), v.parts["against_hits"] / (v.parts["against_n"] or 1)),
        ]
        return _bars(Phrase("Share of acts", "行为占比"), rows, "share", "占比", format="share")
    if predicate == "compare":
        return _compared(claim, verdict)
    if predicate == "count" and checker.trail.log.has_clock and claim.arguments["of"] in ("acts", "users"):
        return _by_day(claim, verdict, checker)
    return None


def _list(claim: Claim, verdict: Verdict) -> Drawn:
    by, of = claim.arguments["by"], claim.arguments["of"]
    table = verdict.evidence
    names = table["title"].to_pylist() if "title" in table.column_names else table[by].to_pylist()
    title = say(
        "{what} by {by}",
        "{what}（按{zh}）",
        what=of_unit(of, claim.scope, verdict.names),
        by=_BY.get(by, (by, by))[0],
        zh=_BY.get(by, (by, by))[1],
    )
    chart = charts.bars(names, {str(UNITS[of][1]): table[of].to_pylist()}, horizontal=True, y_name=Phrase(UNITS[of][1], UNITS[of][2]))
    labels = {of: Phrase(UNITS[of][1], UNITS[of][2]), "title": Phrase("title", "标题"), by: Phrase(*_BY.get(by, (by, by)))}
    return Drawn(title, table, chart, labels)


_BY: Final = {
    "item": ("item", "商品"), "category": ("category", "类别"), "brand": ("brand", "品牌"), "event_type": ("type", "类型"),
    "user": ("user", "用户"), "query": ("query", "搜索词"), "day": ("day", "日期"), "month": ("month", "月份"),
}  # fmt: skip


def _rhythm(claim: Claim, verdict: Verdict) -> Drawn:
    by = claim.arguments["by"]
    counts = dict(zip(verdict.evidence[by].to_pylist(), verdict.evidence["acts"].to_pylist(), strict=True))
    size = 24 if by == "hour" else 7
    names = [f"{hour:02}" for hour in range(24)] if by == "hour" else [Phrase(a, b) for a, b in zip(WEEKDAYS, WEEKDAYS_ZH, strict=True)]
    values = [counts.get(place, 0) for place in range(size)]
    title = say(
        "{what} by {by} (UTC)",
        "{what}（按{zh}，UTC）",
        what=acts(claim.scope, verdict.names),
        by=by,
        zh={"hour": "小时", "weekday": "星期"}[by],
    )
    chart = charts.bars(
        cast("Sequence[str]", names),
        {"acts": values},
        x_name=Phrase(*{"hour": ("hour", "小时"), "weekday": ("weekday", "星期")}[by]),
        y_name=Phrase("acts", "行为"),
    )
    table = pa.table({by: pa.array([str(name) for name in names]), "acts": pa.array(values, pa.int64())})
    labels = {"acts": Phrase("acts", "行为"), by: Phrase(by, {"hour": "小时", "weekday": "星期"}[by])}
    return Drawn(title, table, chart, labels, {str(name): name for name in names if isinstance(name, Phrase)})


def _drift(claim: Claim, verdict: Verdict) -> Drawn:
    by = claim.arguments["by"]
    table = verdict.evidence
    n_first, n_second = verdict.parts["n_first"], verdict.parts["n_second"]
    series = {
        "first half": [n / n_first for n in table["first_half"].to_pylist()],
        "second half": [n / n_second for n in table["second_half"].to_pylist()],
    }
    title = say("Share of acts in each half, {what}", "前后半段的占比，{what}", what=acts(claim.scope, verdict.names))
    labels = {
        by: Phrase(*_BY[by]), "first_half": Phrase("first half", "前半段"), "second_half": Phrase("second half", "后半段"),
        "change": Phrase("change of share", "占比变化"),
    }  # fmt: skip
    chart = charts.bars(table[by].to_pylist(), {_HALVES[name]: values for name, values in series.items()}, format="share")
    return Drawn(title, table, chart, labels)


_HALVES: Final = {"first half": Phrase("first half", "前半段"), "second half": Phrase("second half", "后半段")}


def _compared(claim: Claim, verdict: Verdict) -> Drawn:
    measure = claim.arguments["measure"]
    here, there = verdict.parts["here"], verdict.parts["there"]
    share = measure.predicate in ("share", "trend", "follows", "repeat_rate", "novelty", "drift")
    sides = [_side(scope, verdict) for scope in (claim.scope, claim.arguments["against"])]
    rows = list(zip(sides, (here, there), strict=True))
    return _bars(Phrase("The two that are compared", "所比较的两者"), rows, "value", "数值", format="share" if share else "number")


def _side(scope: Scope, verdict: Verdict) -> Phrase:
    return Phrase("the whole log", "整个日志") if scope == Scope() else acts(scope, verdict.names)


def _bars(title: Phrase, rows: Sequence[tuple[Phrase, float]], unit: str, unit_zh: str, *, format: charts.Format = "count") -> Drawn:
    names = [name for name, _ in rows]
    values = [value for _, value in rows]
    column = "share" if format == "share" else unit
    chart = charts.bars(names, {Phrase(unit, unit_zh): values}, format=format, y_name=Phrase(unit, unit_zh), horizontal=True)
    return Drawn(
        title,
        pa.table({"part": pa.array([str(name) for name in names]), column: pa.array(values)}),
        chart,
        {column: Phrase(unit, unit_zh), "part": Phrase("part", "部分")},
        {str(name): name for name in names},
    )


def _by_day(claim: Claim, verdict: Verdict, checker: Checker) -> Drawn | None:
    of = claim.arguments["of"]
    within = checker.ground.within(claim.scope)
    measure = within.count() if of == "acts" else within.user_id.nunique()
    counted = within.group_by(day=within.timestamp.date()).agg(n=measure)
    table = counted.order_by("day").to_pyarrow()
    if table.num_rows < 2:
        return None
    title = say("{what} by day (UTC)", "{what}（按天，UTC）", what=of_unit(of, claim.scope, verdict.names))
    days = [f"{day:%Y-%m-%d}" for day in table["day"].to_pylist()]
    unit = Phrase(UNITS[of][1], UNITS[of][2])
    chart = charts.bars(days, {unit: table["n"].to_pylist()}, y_name=unit)
    return Drawn(title, pa.table({"day": pa.array(days), of: table["n"]}), chart, {"day": Phrase("day", "日期"), of: unit})
