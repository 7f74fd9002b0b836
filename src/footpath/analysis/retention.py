"""Retention: of those who came for the first time in a period, how many come back in the periods after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from footpath.analysis.charts import heatmap
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
from footpath.errors import ConfigError, did_you_mean
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, wilson

DWINDLED: Final = 0.8
"""Of the mean size of earlier cohorts: below it, later ones that come back less may only lack those who came before the log began."""
SCHEMA: Final = {
    "cohort": pa.date32(), "age": pa.int64(), "n": pa.int64(), "retained": pa.int64(), "share": pa.float64(), "low": pa.float64(),
    "high": pa.float64(), "complete": pa.bool_(),
}  # fmt: skip
MEAN_SCHEMA: Final = {
    "age": pa.int64(), "n": pa.int64(), "n_cohorts": pa.int64(), "retained": pa.int64(), "share": pa.float64(), "low": pa.float64(),
    "high": pa.float64(),
}  # fmt: skip


def retention(
    log: EventLog | Trail,
    *,
    period: Period | None = None,
    start: str = "any",
    returning: str = "any",
    mode: Literal["on", "on_or_after"] = "on",
    periods: int = 8,
    confidence: float = 0.95,
) -> Result:
    """The cohort triangle: users by the period of their first act, and the share who act again 0, 1, 2 ... periods later.

    period: calendar days, weeks (from Monday) or months, UTC; without it weeks, or days where the log holds fewer than four weeks.
    start: the event type whose first act begins a user's time; returning: the event type that counts as coming back;
    `any` for all. mode: `on` counts who acts in just that period, `on_or_after` who acts in it or later.
    First acts are looked for in the whole log, also before `since`.
    A cell is `complete` where its period was over when the log ended; others are left out of the mean. At age 0 the first act itself
    counts where its type is that of coming back, so that with `any` all of a cohort are retained.
    parts: `mean`, one row an age: over complete cells, weighted by users, with Wilson's interval. Who is behind a cell: `retained_users`.
    """
    t = trail(log)
    t.need_clock("retention")
    seen = observation(t)
    period = fitting_period(seen) if period is None else period
    _check(t, period, start, returning, mode)
    if periods < 1:
        raise ConfigError(f"periods must be at least 1, got {periods}")
    definition = _definition(period, start, returning, mode)
    whole = whole_history(t)
    if seen is None or not t.counts.acts:
        return t.nothing("retention", definition, say("no acts are left to count", "没有可统计的行为"), SCHEMA)
    base = _builder(period, start, returning, mode, since_of(t), periods)

    def triangle(acts: ir.Table) -> ir.Table:
        cells = base(acts)
        return cells.group_by("cohort", "age").agg(n=cells.user_id.nunique())

    rows, query = whole.compute(triangle)
    counted = {(row["cohort"], row["age"]): row["n"] for row in rows.to_pylist()}
    sizes = {cohort: n for (cohort, age), n in counted.items() if age == -1}
    if not sizes:
        why = say("nobody has a first act of type {start} in this window", "此时间窗内没有用户首次发生 {start} 行为", start=start)
        return t.nothing("retention", definition, why, SCHEMA)
    last = period_of(last_day(seen), period)
    table = _triangle(counted, sizes, last, periods, period, seen, confidence)
    mean = _mean(table, confidence)
    warnings = _warnings(t, table, seen, period, mode)
    findings, cells = _findings(table, period)
    ages = mean.to_pylist()
    cells = (
        Cell("cohorts", len(sizes), "cohorts"),
        Cell("users", sum(sizes.values()), "users"),
        *(Cell(f"mean.age{row['age']}", row["share"], "share", row["n"], row["low"], row["high"]) for row in ages),
        *cells,
    )
    meta = t.meta(definition, warnings=warnings, period=period, start=start, returning=returning, mode=mode, confidence=confidence)
    return Result("retention", table, meta, cells, _chart(table, mean, period), {"mean": mean}, findings, {"triangle": query})


def retained_users(
    log: EventLog | Trail,
    cohort: date | str,
    age: int,
    *,
    period: Period | None = None,
    start: str = "any",
    returning: str = "any",
    mode: Literal["on", "on_or_after"] = "on",
) -> pa.Table:
    """`user_id` of the users behind one cell of `retention`, in order: the same expression, not grouped.

    cohort: a day of the cohort's period. age -1 gives the whole cohort.
    """
    t = trail(log)
    t.need_clock("retention")
    period = fitting_period(observation(t)) if period is None else period
    _check(t, period, start, returning, mode)
    if age < -1:
        raise ConfigError(f"age must be -1 (the whole cohort) or more, got {age}")
    try:
        day = date.fromisoformat(cohort) if isinstance(cohort, str) else cohort
    except ValueError:
        raise ConfigError(f"cohort must be a date such as 2026-01-31, got {cohort!r}") from None
    base = _builder(period, start, returning, mode, since_of(t), age)

    def users(acts: ir.Table) -> ir.Table:
        cells = base(acts)
        return cells.filter((cells.cohort == period_of(day, period)) & (cells.age == age)).select("user_id").distinct()

    rows, _ = whole_history(t).compute(users)
    return rows.sort_by("user_id")


def _builder(period: Period, start: str, returning: str, mode: str, since: datetime | None, oldest: int) -> Callable[[ir.Table], ir.Table]:
    """One row for each user, cohort and age at which they count as retained; age -1 is the cohort itself."""

    def build(acts: ir.Table) -> ir.Table:
        begun = acts if start == "any" else acts.filter(acts.event_type == start)
        first = begun.group_by("user_id").agg(first_position=begun.position.min(), first_time=begun.timestamp.min())
        if since is not None:
            first = first.filter(first.first_time >= ibis.literal(since))
        first = first.mutate(cohort=period_number(first.first_time, period)).select("user_id", "first_position", "cohort")
        back = acts if returning == "any" else acts.filter(acts.event_type == returning)
        back = back.select("user_id", "position", now=period_number(back.timestamp, period))
        joined = first.inner_join(back, "user_id")
        joined = joined.filter(joined.position >= joined.first_position)
        ages = joined.mutate(age=(joined.now - joined.cohort).cast("int64")).select("user_id", "cohort", "age").distinct()
        if mode == "on_or_after":
            latest = ages.group_by("user_id", "cohort").agg(latest=ages.age.max())
            steps = ibis.range(0, oldest + 1).unnest().name("age").as_table()
            steps = steps.mutate(age=steps.age.cast("int64"))
            crossed = latest.cross_join(steps)
            ages = crossed.filter(crossed.age <= crossed.latest).select("user_id", "cohort", "age")
        else:
            ages = ages.filter(ages.age <= oldest)
        return ages.union(first.select("user_id", "cohort", age=ibis.literal(-1, "int64")))

    return build


def _check(t: Trail, period: str, start: str, returning: str, mode: str) -> None:
    check_period(period)
    if mode not in ("on", "on_or_after"):
        raise ConfigError(f"mode must be on or on_or_after, got {mode!r}{did_you_mean(str(mode), ('on', 'on_or_after'))}")
    t.need_types("retention", [kind for kind in (start, returning) if kind != "any"])


def _definition(period: Period, start: str, returning: str, mode: str) -> Phrase:
    any_act = Phrase("act of any type", "任意类型行为")
    first = any_act if start == "any" else say("{kind}", "{kind} 行为", kind=start)
    again = any_act if returning == "any" else say("{kind}", "{kind} 行为", kind=returning)
    when = say("in that {period}", "恰在该{period}", period=PERIODS[period])
    if mode == "on_or_after":
        when = say("in that {period} or a later one", "在该{period}或之后", period=PERIODS[period])
    return say(
        "Cohort: users by the {period} (UTC) of their first {first} in the whole log. Share: of the n users of a cohort, those with an "
        "{again} {when}, so many {period}s after. The mean is over cells whose {period} had ended when the log did, weighted by users.",
        "同期群：按用户在整个日志中首次{first}所在的{period}（UTC）划分。"
        "留存率：同期群 n 位用户中，若干{period}之后{when}有{again}者所占比例。"
        "均值只含日志结束前已完整的格子，按用户数加权。",
        period=PERIODS[period], first=first, again=again, when=when,
    )  # fmt: skip


def _triangle(
    counted: dict[tuple[int, int], int],
    sizes: dict[int, int],
    last: int,
    periods: int,
    period: Period,
    seen: Observation,
    confidence: float,
) -> pa.Table:
    keys = [(cohort, age) for cohort in sorted(sizes) for age in range(min(periods, last - cohort) + 1)]
    n = np.array([sizes[cohort] for cohort, _ in keys], np.int64)
    retained = np.array([counted.get(key, 0) for key in keys], np.int64)
    low, high = wilson(retained, n, confidence)
    columns: dict[str, Any] = {
        "cohort": [period_start(cohort, period) for cohort, _ in keys],
        "age": [age for _, age in keys],
        "n": n,
        "retained": retained,
        "share": retained / n,
        "low": low,
        "high": high,
        "complete": [seen.is_complete(cohort + age, period) for cohort, age in keys],
    }
    return pa.table({name: pa.array(columns[name], kind) for name, kind in SCHEMA.items()})


def _mean(table: pa.Table, confidence: float) -> pa.Table:
    rows = [row for row in table.to_pylist() if row["complete"]]
    ages = sorted({row["age"] for row in rows})
    n = np.array([sum(row["n"] for row in rows if row["age"] == age) for age in ages], np.int64)
    retained = np.array([sum(row["retained"] for row in rows if row["age"] == age) for age in ages], np.int64)
    low, high = wilson(retained, n, confidence)
    share = retained / n
    cohorts = [sum(row["age"] == age for row in rows) for age in ages]
    columns: dict[str, Any] = {"age": ages, "n": n, "n_cohorts": cohorts, "retained": retained, "share": share, "low": low, "high": high}
    return pa.table({name: pa.array(columns[name], kind) for name, kind in MEAN_SCHEMA.items()})


def _warnings(t: Trail, table: pa.Table, seen: Observation, period: Period, mode: str) -> list[str]:
    warnings: list[str] = []
    rows = table.to_pylist()
    open_cells = sum(not row["complete"] for row in rows)
    if open_cells == len(rows):
        warnings.append(
            say("the log ends before one {period} is over: no cell is complete", "日志不足一个完整的{period}：没有完整的格子",
                period=PERIODS[period])
        )  # fmt: skip
    elif open_cells:
        warnings.append(
            say("{n} cells lie in a {period} that was not over when the log ended; they are left out of the mean",
                "{n} 个格子所在的{period}在日志结束时尚未完整，不计入均值", n=open_cells, period=PERIODS[period])
        )  # fmt: skip
    if since_of(t) is None:
        first = min(row["cohort"] for row in rows)
        warnings.append(
            say("the first cohort ({cohort}) may hold users who came before the log began",
                "首个同期群（{cohort}）可能包含日志开始之前就已到来的用户", cohort=first)
        )  # fmt: skip
    if mode == "on_or_after":
        warnings.append(
            say("earlier cohorts had more time to come back at all: on_or_after flatters them",
                "较早的同期群有更长的回访时间：on_or_after 口径对其有利")
        )  # fmt: skip
    return warnings


def _chart(table: pa.Table, mean: pa.Table, period: Period) -> dict[str, Any] | None:
    rows = [row for row in table.to_pylist() if row["age"] > 0]
    if not rows:
        return None
    cohorts = sorted({row["cohort"] for row in rows})[-30:]
    names: list[str] = [cohort.isoformat() for cohort in cohorts]
    ages = sorted({row["age"] for row in rows})
    values = [
        (row["age"] - ages[0], cohorts.index(row["cohort"]), row["share"] if row["complete"] else None)
        for row in rows
        if row["cohort"] in cohorts
    ]
    means = {row["age"]: row["share"] for row in mean.to_pylist()}
    values += [(age - ages[0], len(names), means.get(age)) for age in ages]
    names.append(say("mean", "均值"))
    known = [value for _, _, value in values if value is not None]
    if not known:
        return None
    after = say("{period}s after the first act", "首次行为之后的第几{period}", period=PERIODS[period])
    first = say("{period} of the first act", "首次行为所在{period}", period=PERIODS[period])
    return heatmap(
        [str(age) for age in ages], names, values, x_name=after, y_name=first, low=0.0, name=say("share who act again", "留存率")
    )


def _findings(table: pa.Table, period: Period) -> tuple[tuple[Finding, ...], tuple[Cell, ...]]:
    """Whether later cohorts come back more or less than earlier ones, at the first age at which both halves have at least two."""
    rows = [row for row in table.to_pylist() if row["complete"] and row["age"] > 0]
    first = min(table["cohort"].to_pylist())
    for age in sorted({row["age"] for row in rows}):
        # the first cohort holds those who came before the log began
        at = [row for row in rows if row["age"] == age and row["cohort"] != first]
        found = shift([row["retained"] for row in at], [row["n"] for row in at])
        if found is None:
            continue
        half = len(at) // 2
        cells = (
            Cell("early.share", found.early, "share", found.n_early, note=f"cohorts {at[0]['cohort']} to {at[half - 1]['cohort']}"),
            Cell("late.share", found.late, "share", found.n_late, note=f"cohorts {at[half]['cohort']} to {at[-1]['cohort']}"),
            Cell("late_less_early", found.difference, "share", found.n_early + found.n_late, found.low, found.high, f"age {age}"),
        )
        small = min(found.n_early, found.n_late) < SMALL
        # heavy users of a log that begins in the middle of things have their first act early: cohorts then dwindle as they get worse
        dwindled = found.difference < 0 and found.n_late / (len(at) - half) < DWINDLED * found.n_early / half
        if dwindled or small or found.low <= 0 <= found.high or abs(found.difference) < 0.1 * max(found.early, found.late):
            return (), cells
        more = found.difference > 0
        text = say(
            "Of those who came first from {begin} on, {late:.1%} came back after {age} {period}{plural}, {than} than the {early:.1%} "
            "of those before (difference {low:+.1%} to {high:+.1%}).",
            "{begin} 及之后首次到来的用户在第 {age} {period}的留存率为 {late:.1%}，{than}此前用户的 {early:.1%}"
            "（差值区间 {low:+.1%} 至 {high:+.1%}）。",
            begin=at[half]["cohort"], late=found.late, early=found.early, age=age, period=PERIODS[period], plural="" if age == 1 else "s",
            than=Phrase("more", "高于") if more else Phrase("fewer", "低于"), low=found.low, high=found.high,
        )  # fmt: skip
        weight = min(1.0, abs(found.difference) / max(found.early, found.late))
        ids = tuple(cell.id for cell in cells)
        return (Finding("finding", text, ids, found.p_value, weight),), cells
    return (), ()
