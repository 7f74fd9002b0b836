"""Lifecycle: of those active in a period, who is new, who stayed, who came back, and who has gone quiet."""

from __future__ import annotations

import itertools
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from footpath.analysis.charts import bars
from footpath.analysis.periods import (
    PERIODS,
    Observation,
    Period,
    check_period,
    fitting_period,
    last_day,
    observation,
    period_number,
    period_of,
    period_start,
    shift,
    since_of,
    whole_history,
)
from footpath.analysis.trail import Trail, trail
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, wilson

SCHEMA: Final = {
    "period": pa.date32(), "new": pa.int64(), "returning": pa.int64(), "resurrecting": pa.int64(), "dormant": pa.int64(),
    "n_users": pa.int64(), "n_previous": pa.int64(), "returning_share": pa.float64(), "low": pa.float64(), "high": pa.float64(),
    "quick_ratio": pa.float64(), "complete": pa.bool_(),
}  # fmt: skip
STATES: Final = {
    "new": Phrase("new", "新增"),
    "returning": Phrase("returning", "持续活跃"),
    "resurrecting": Phrase("resurrecting", "回流"),
    "dormant": Phrase("dormant", "沉睡"),
}


def lifecycle(log: EventLog | Trail, *, period: Period | None = None, confidence: float = 0.95) -> Result:
    """New, returning, resurrecting and dormant users of each period.

    New: the first act of the whole log, also before `since`, is in the period. Returning: active in the period before too.
    Resurrecting: active before, but not in the period before. Dormant: active in the period before, and not in this one.
    period: calendar, UTC, weeks from Monday; without it weeks, or days where the log holds fewer than four weeks.
    `returning_share` is of `n_previous`, those active in the period before; `quick_ratio` is (new + resurrecting) / dormant.
    A period that the log did not see from beginning to end is not `complete`.
    """
    t = trail(log)
    t.need_clock("lifecycle")
    seen, since = observation(t), since_of(t)
    period = fitting_period(seen) if period is None else period
    check_period(period)
    definition = say(
        "For each {period} (UTC): new, first act of the whole log; returning, active in the {period} before too; resurrecting, "
        "active earlier but not in the {period} before; dormant, active in the {period} before and not in this one. Share "
        "returning: of those active in the {period} before.",
        "按{period}（UTC）统计：新增，整个日志中的首次行为发生在该{period}；持续活跃，上一{period}也活跃；"
        "回流，更早活跃过但上一{period}不活跃；"
        "沉睡，上一{period}活跃而该{period}不活跃。持续率以上一{period}的活跃用户为分母。",
        period=PERIODS[period],
    )  # fmt: skip
    if seen is None or not t.counts.acts:
        return t.nothing("lifecycle", definition, say("no acts are left to count", "没有可统计的行为"), SCHEMA)

    def states(acts: ir.Table) -> ir.Table:
        active = acts.select("user_id", period=period_number(acts.timestamp, period)).distinct()
        ordered = ibis.window(group_by="user_id", order_by="period")
        placed = active.mutate(before=active.period.lag().over(ordered), after=active.period.lead().over(ordered))
        is_new, follows = placed.before.isnull(), placed.before == placed.period - 1
        kept = placed.after == placed.period + 1
        return placed.group_by("period").agg(
            n_users=placed.count().cast("int64"),
            new=is_new.cast("int64").sum(),
            returning=follows.fill_null(False).cast("int64").sum(),
            lost=(~kept.fill_null(False)).cast("int64").sum(),
        )

    rows, query = whole_history(t).compute(states)
    counted = {row["period"]: row for row in rows.to_pylist()}
    first = period_of(since.date(), period) if since is not None else min(counted)
    table = _table(counted, first, period_of(last_day(seen), period), period, seen, confidence)
    complete = [row for row in table.to_pylist() if row["complete"]]
    findings, cells = _findings(table, period)
    warnings = []
    if not complete:
        warnings.append(
            say("the log has no whole {period}: no row is complete", "日志中没有完整的{period}：没有完整的行", period=PERIODS[period])
        )
    if since is None:
        warnings.append(
            say("in the first {period}s everybody seems new, for the log does not know who came before it began",
                "最初几{period}里几乎所有用户都显得是新增，因为日志不知道此前的用户", period=PERIODS[period])
        )  # fmt: skip
    totals = {name: sum(row[name] for row in complete[1:]) for name in STATES}
    previous = sum(row["n_previous"] for row in complete[1:])
    shown: list[Cell] = [Cell("periods", table.num_rows, f"{period}s"), Cell("periods.complete", len(complete), f"{period}s")]
    if previous:
        low, high = wilson(totals["returning"], previous, confidence)
        shown.append(Cell("returning.share", totals["returning"] / previous, "share", previous, float(low), float(high)))
    if totals["dormant"]:
        ratio = (totals["new"] + totals["resurrecting"]) / totals["dormant"]
        shown.append(Cell("quick_ratio", ratio, "ratio", totals["dormant"]))
    meta = t.meta(definition, warnings=warnings, period=period, confidence=confidence)
    return Result("lifecycle", table, meta, (*shown, *cells), _chart(table), {}, findings, {"states": query})


def _table(counted: dict[int, dict[str, int]], first: int, last: int, period: Period, seen: Observation, confidence: float) -> pa.Table:
    numbers = list(range(first, last + 1))
    nobody = {"n_users": 0, "new": 0, "returning": 0, "lost": 0}
    n, new, stayed = (np.array([counted.get(k, nobody)[name] for k in numbers], np.int64) for name in ("n_users", "new", "returning"))
    before = [counted.get(k - 1, nobody) for k in numbers]
    previous = np.array([row["n_users"] for row in before], np.int64)
    dormant = np.array([row["lost"] for row in before], np.int64)
    back = n - new - stayed
    low, high = wilson(stayed, previous, confidence)
    known, lost = previous > 0, dormant > 0
    columns: dict[str, Any] = {
        "period": [period_start(k, period) for k in numbers],
        "new": new,
        "returning": stayed,
        "resurrecting": back,
        "dormant": dormant,
        "n_users": n,
        "n_previous": previous,
        "returning_share": np.where(known, stayed / np.maximum(previous, 1), np.nan),
        "low": np.where(known, low, np.nan),
        "high": np.where(known, high, np.nan),
        "quick_ratio": np.where(lost, (new + back) / np.maximum(dormant, 1), np.nan),
        "complete": [seen.is_whole(k, period) for k in numbers],
    }
    return pa.table({name: pa.array(columns[name], kind, from_pandas=True) for name, kind in SCHEMA.items()})


def _chart(table: pa.Table) -> dict[str, Any] | None:
    shown = table.slice(max(0, table.num_rows - 60))
    names = [f"{row['period']}{'' if row['complete'] else ' *'}" for row in shown.to_pylist()]
    sign = {"dormant": -1}
    series: dict[str, Any] = {STATES[name]: [sign.get(name, 1) * n for n in shown[name].to_pylist()] for name in STATES}
    return bars(names, series, stacked=True, x_name=say("period (* not whole)", "时期（* 不完整）"), y_name=say("users", "用户数"))


def _findings(table: pa.Table, period: Period) -> tuple[tuple[Finding, ...], tuple[Cell, ...]]:
    """Whether the share that stays from one period to the next has changed between the earlier and the later half."""
    rows = table.to_pylist()
    pairs = [now for before, now in itertools.pairwise(rows) if before["complete"] and now["complete"]]
    found = shift([row["returning"] for row in pairs], [row["n_previous"] for row in pairs])
    if found is None:
        return (), ()
    kept = [row for row in pairs if row["n_previous"] > 0]
    half = len(kept) // 2
    cells = (
        Cell("early.returning_share", found.early, "share", found.n_early, note=f"{kept[0]['period']} to {kept[half - 1]['period']}"),
        Cell("late.returning_share", found.late, "share", found.n_late, note=f"{kept[half]['period']} to {kept[-1]['period']}"),
        Cell("late_less_early", found.difference, "share", found.n_early + found.n_late, found.low, found.high),
        *(
            Cell(f"{name}.new_share", new / n, "share", n)
            for name, part in (("early", kept[:half]), ("late", kept[half:]))
            for new, n in [(sum(row["new"] for row in part), max(1, sum(row["n_users"] for row in part)))]
        ),
    )
    small = min(found.n_early, found.n_late) < SMALL
    if small or found.low <= 0 <= found.high or abs(found.difference) < 0.1 * max(found.early, found.late):
        return (), cells
    text = say(
        "From {begin} on, {late:.1%} of the users of one {period} were active in the next, {than} than the {early:.1%} before "
        "(difference {low:+.1%} to {high:+.1%}); new users were {new_late:.0%} of the active, and {new_early:.0%} before.",
        "自 {begin} 起，某{period}的活跃用户有 {late:.1%} 在下一{period}仍活跃，"
        "{than}此前的 {early:.1%}（差值区间 {low:+.1%} 至 {high:+.1%}）；"
        "活跃用户中新增占 {new_late:.0%}，此前为 {new_early:.0%}。",
        begin=kept[half]["period"], late=found.late, early=found.early, period=PERIODS[period], low=found.low, high=found.high,
        new_early=cells[3].value, new_late=cells[4].value, than=Phrase("more", "高于") if found.difference > 0 else Phrase("fewer", "低于"),
    )  # fmt: skip
    weight = min(1.0, abs(found.difference) / max(found.early, found.late))
    return (Finding("finding", text, tuple(cell.id for cell in cells), found.p_value, weight),), cells
