"""Stickiness: how many of the users of a month come on a day, and on how many days of a period they come."""

from __future__ import annotations

from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from footpath.analysis.charts import lines
from footpath.analysis.periods import (
    PERIODS,
    Observation,
    Period,
    check_period,
    day_number,
    observation,
    period_number,
    period_of,
    period_start,
)
from footpath.analysis.trail import Trail, trail
from footpath.errors import ConfigError
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Result, say
from footpath.statistics import SMALL, quantile_of, ratio_errors

WEEK: Final = 7
SCHEMA: Final = {
    "day": pa.date32(), "dau": pa.int64(), "wau": pa.int64(), "mau": pa.int64(), "dau_wau": pa.float64(), "dau_mau": pa.float64(),
    "complete_week": pa.bool_(), "complete": pa.bool_(),
}  # fmt: skip


def stickiness(log: EventLog | Trail, *, period: Period | None = None, month_days: int = 30, confidence: float = 0.95) -> Result:
    """Users active on each day (DAU), in the 7 (WAU) and the 30 (MAU) days that end with it, and days active in a period.

    month_days: length of the window of MAU. period: of `days_active`: calendar weeks or months, UTC; without it weeks.
    Stickiness is DAU / MAU over days whose window lies within the log (`complete`): the sum of DAU over the sum of MAU, with
    an interval over users (delta method).
    parts: `days_active`, over whole periods: user-periods with so many active days, and their share.
    """
    t = trail(log)
    t.need_clock("stickiness")
    if month_days <= WEEK:
        raise ConfigError(f"month_days must be above 7, the window of weekly users; got {month_days}")
    period = "week" if period is None else period
    check_period(period)
    if period == "day":
        raise ConfigError("period must be week or month, got 'day': a user is active on one day of a day at most")
    definition = say(
        "DAU: users with an act on a day (UTC). WAU and MAU: in the 7 and the {month} days that end with it. Stickiness: the sum of DAU "
        "over the sum of MAU, over days whose window lies within the log. Days active: of users with an act in a whole {period}.",
        "DAU：当日（UTC）有行为的用户数。WAU、MAU：截至当日的 7 天与 {month} 天内有行为的用户数。"
        "粘性：窗口完整的各日 DAU 之和除以 MAU 之和。"
        "活跃天数：以在完整{period}中有行为的用户为分母。",
        month=month_days, period=PERIODS[period],
    )  # fmt: skip
    seen = observation(t)
    if seen is None or not t.counts.acts:
        return t.nothing("stickiness", definition, say("no acts are left to count", "没有可统计的行为"), SCHEMA)

    def daily(acts: ir.Table) -> ir.Table:
        days = _days(acts)
        return days.group_by("day").agg(dau=days.count().cast("int64"))

    rows, query = t.compute(daily)
    table = _table(t, rows, month_days, seen)
    complete = {name: [row["day"] for row in table.to_pylist() if row[name]] for name in ("complete_week", "complete")}
    cells: list[Cell] = []
    for name, width, flag in (("dau_wau", WEEK, "complete_week"), ("dau_mau", month_days, "complete")):
        if complete[flag]:
            cells.append(_ratio(t, name, width, period_of(complete[flag][0], "day"), period_of(complete[flag][-1], "day"), confidence))
    whole = [row for row in table.to_pylist() if seen.is_whole(period_of(row["day"], "day"), "day")]
    if whole:
        cells.append(Cell("dau.mean", sum(row["dau"] for row in whole) / len(whole), "users", len(whole)))
    active, one_day = _active_days(t, seen, period, confidence)
    warnings = []
    if not complete["complete"]:
        warnings.append(
            say("the log is shorter than {n} whole days: DAU / MAU is not measured", "日志不足 {n} 个完整的日：不统计 DAU / MAU",
                n=month_days)
        )  # fmt: skip
    if not active.num_rows:
        warnings.append(
            say("the log has no whole {period}: days active are not measured", "日志中没有完整的{period}：不统计活跃天数",
                period=PERIODS[period])
        )  # fmt: skip
    cells += [] if one_day is None else [one_day]
    findings: tuple[Finding, ...] = ()
    if one_day is not None and one_day.n is not None and one_day.n >= SMALL and one_day.low is not None and one_day.low > 0.5:
        text = say(
            "{share:.0%} of those who come in a {period} come on one day of it only [{low:.0%}, {high:.0%}].",
            "在某{period}活跃的用户中，{share:.0%} 只在其中一天活跃（区间 {low:.0%}–{high:.0%}）。",
            share=one_day.value, period=PERIODS[period], low=one_day.low, high=one_day.high,
        )  # fmt: skip
        findings = (Finding("finding", text, (one_day.id,), None, 0.4 * float(one_day.value or 0)),)
    meta = t.meta(definition, warnings=warnings, period=period, month_days=month_days, confidence=confidence)
    return Result("stickiness", table, meta, tuple(cells), _chart(table), {"days_active": active}, findings, {"daily": query})


def _days(acts: ir.Table) -> ir.Table:
    """One row a user and active day, with the user's next active day."""
    days = acts.select("user_id", day=day_number(acts.timestamp)).distinct()
    return days.mutate(next_day=days.day.lead().over(ibis.window(group_by="user_id", order_by="day")))


def _spans(days: ir.Table, width: int) -> ir.Table:
    """`begin` and `end` (left out) of the days on which a user counts because of one active day and no later one."""
    end = days.day + width
    return days.mutate(end=ibis.ifelse(days.next_day.notnull() & (days.next_day < end), days.next_day, end).cast("int64"))


def _table(t: Trail, rows: pa.Table, month_days: int, seen: Observation) -> pa.Table:
    day = rows["day"].to_numpy()
    first, last = int(day.min()), int(day.max())
    n = last - first + 1
    dau = np.zeros(n, np.int64)
    dau[day - first] = rows["dau"].to_numpy()
    counts = {}
    for width in (WEEK, month_days):
        ends = _ends(t, width)
        change = np.zeros(n + month_days + 1, np.int64)
        change[:n] += dau
        change[ends["end"].to_numpy() - first] -= ends["n"].to_numpy()
        counts[width] = np.cumsum(change)[:n]
    starts = np.arange(first, last + 1)
    full = {w: [seen.is_whole(int(k), "day") and seen.is_whole(int(k) - w + 1, "day") for k in starts] for w in (WEEK, month_days)}
    columns: dict[str, Any] = {
        "day": [period_start(int(k), "day") for k in starts],
        "dau": dau,
        "wau": counts[WEEK],
        "mau": counts[month_days],
        "dau_wau": _share(dau, counts[WEEK]),
        "dau_mau": _share(dau, counts[month_days]),
        "complete_week": full[WEEK],
        "complete": full[month_days],
    }
    return pa.table({name: pa.array(columns[name], kind, from_pandas=True) for name, kind in SCHEMA.items()})


def _ends(t: Trail, width: int) -> pa.Table:
    rows, _ = t.compute(lambda acts: _spans(_days(acts), width).group_by("end").agg(n=ibis._.count().cast("int64")))
    return rows


def _share(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(b > 0, a / np.maximum(b, 1), np.nan)


def _ratio(t: Trail, name: str, width: int, first: int, last: int, confidence: float) -> Cell:
    """The sum of DAU over that of users in the window, for days first to last, with an interval over users."""

    def sums(acts: ir.Table) -> ir.Table:
        days = _spans(_days(acts), width)
        inside = ((days.day >= first) & (days.day <= last)).cast("int64")
        begin = ibis.ifelse(days.day > first, days.day, ibis.literal(first, "int64"))
        end = ibis.ifelse(days.end < last + 1, days.end, ibis.literal(last + 1, "int64"))
        held = ibis.ifelse(end > begin, end - begin, ibis.literal(0, "int64"))
        mine = days.mutate(inside=inside, held=held).group_by("user_id")
        users = mine.agg(k=ibis._.inside.sum().cast("float64"), n=ibis._.held.sum().cast("float64"))
        users = users.filter(users.n > 0)
        return users.aggregate(
            units=users.count(), k=users.k.sum(), n=users.n.sum(), kk=(users.k * users.k).sum(), nn=(users.n * users.n).sum(),
            kn=(users.k * users.n).sum(),
        )  # fmt: skip

    rows, _ = t.compute(sums)
    return _cell(name, rows.to_pylist()[0], confidence)


def _cell(name: str, row: dict[str, Any], confidence: float) -> Cell:
    if not row["units"]:
        return Cell(name, None, "share", 0)
    value, error = ratio_errors(row["units"], row["k"], row["n"], row["kk"], row["nn"], row["kn"])
    half = quantile_of(confidence) * float(error)
    if np.isnan(half):
        return Cell(name, float(value), "share", int(row["units"]))
    return Cell(name, float(value), "share", int(row["units"]), max(0.0, float(value) - half), min(1.0, float(value) + half))


def _active_days(t: Trail, seen: Observation, period: Period, confidence: float) -> tuple[pa.Table, Cell | None]:
    begin, end = period_of(seen.begin.date(), period), period_of(seen.end.date(), period)
    whole = [k for k in range(begin, end + 1) if seen.is_whole(k, period)]
    empty = pa.table({"active_days": pa.array([], pa.int64()), "n": pa.array([], pa.int64()), "share": pa.array([], pa.float64())})
    if not whole:
        return empty, None

    def spells(acts: ir.Table) -> ir.Table:
        days = acts.select("user_id", period=period_number(acts.timestamp, period), day=day_number(acts.timestamp)).distinct()
        days = days.filter((days.period >= whole[0]) & (days.period <= whole[-1]))
        return days.group_by("user_id", "period").agg(active_days=days.count().cast("int64"))

    rows, _ = t.compute(lambda acts: spells(acts).group_by("active_days").agg(n=ibis._.count().cast("int64")))
    if not rows.num_rows:
        return empty, None
    rows = rows.sort_by("active_days")
    n = rows["n"].to_numpy()

    def sums(acts: ir.Table) -> ir.Table:
        made = spells(acts)
        users = made.group_by("user_id").agg(k=(made.active_days == 1).cast("int64").sum().cast("float64"), n=made.count().cast("float64"))
        return users.aggregate(
            units=users.count(), k=users.k.sum(), n=users.n.sum(), kk=(users.k * users.k).sum(), nn=(users.n * users.n).sum(),
            kn=(users.k * users.n).sum(),
        )  # fmt: skip

    total, _ = t.compute(sums)
    return rows.append_column("share", pa.array(n / n.sum())), _cell("one_day.share", total.to_pylist()[0], confidence)


def _chart(table: pa.Table) -> dict[str, Any]:
    days = [day.isoformat() for day in table["day"].to_pylist()]
    whole = {"wau": table["complete_week"].to_pylist(), "mau": table["complete"].to_pylist()}
    series: dict[str, Any] = {
        say("daily users", "日活跃用户"): table["dau"].to_pylist(),
        say("weekly users", "周活跃用户"): [n if w else None for n, w in zip(table["wau"].to_pylist(), whole["wau"], strict=True)],
        say("monthly users", "月活跃用户"): [n if w else None for n, w in zip(table["mau"].to_pylist(), whole["mau"], strict=True)],
    }
    shown = {name: values for name, values in series.items() if any(value is not None for value in values)}
    return lines(days, shown, x_kind="time", x_name=say("day", "日"), y_name=say("users", "用户数"))
