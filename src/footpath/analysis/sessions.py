"""Sessions: how many, how long, how often, and how much their number depends on the pause that ends one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from footpath.analysis.charts import bars
from footpath.analysis.periods import Observation, day_number, observation, period_start
from footpath.analysis.trail import Trail, check_gap, trail
from footpath.errors import ConfigError
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, quantile_of, ratio_errors, wilson

GAPS: Final = (5.0, 15.0, 30.0, 60.0, 120.0)
QUANTILES: Final = (10, 25, 50, 75, 90, 99)
_LONG: Final = 20
SCHEMA: Final = {
    "measure": pa.string(), "unit": pa.string(), "n": pa.int64(), "mean": pa.float64(), "low": pa.float64(), "high": pa.float64(),
    **{f"p{q}": pa.float64() for q in QUANTILES}, "max": pa.float64(),
}  # fmt: skip


def sessions(log: EventLog | Trail, *, gap_minutes: float | None = None, gaps: Sequence[float] = GAPS, confidence: float = 0.95) -> Result:
    """Number of sessions, their length in acts, duration, share of one act only (bounce), sessions a user and a day.

    gap_minutes: a longer pause ends a session; without it the log's session ids, else 30. gaps: pauses in minutes to compare.
    table: one row a measure. `length` is in acts; `duration` in whole seconds from first to last act, so 0 for a bounce; `per_user` over
    users; `per_day` over days of the log, days without sessions included. Means a session have intervals over users (delta method).
    parts: `lengths`, `days` (a session belongs to the day of its first act), `gaps` (sessions and bounces by the clock alone).
    A log whose times are days only has no durations and no gaps. Raises NotInLogError for a log without sessions.
    """
    t = trail(log) if gap_minutes is None else trail(log, gap_minutes=gap_minutes)
    t.need_sessions("sessions")
    if not gaps:
        raise ConfigError("gaps must be minutes above 0, got none")
    for gap in gaps:
        check_gap("each of gaps", gap)
    gaps = list(dict.fromkeys(gaps))
    definition = say(
        "A session: {rule}. Length: its acts. Duration: from its first act to its last. Bounce: a session of one act. Per user: sessions "
        "of a user with any. Per day: sessions that begin on a day (UTC).",
        "会话：{rule}。长度为行为数；时长为首末行为之间的时间；跳出指只有一次行为的会话；人均以有会话的用户为分母；每日按会话开始日期（UTC）计。",
        rule=t.session_rule,
    )
    if not t.counts.acts:
        return t.nothing("sessions", definition, say("no acts are left to count", "没有可统计的行为"), SCHEMA)
    seen = observation(t) if t.log.has_clock else None
    timed = seen is not None and not seen.by_day

    def each(acts: ir.Table) -> ir.Table:
        second = acts.timestamp.epoch_seconds().cast("int64")
        made = acts.group_by("user_id", "session").agg(
            length=acts.count().cast("int64"), begin=second.min(), day=day_number(acts.timestamp).min(), end=second.max()
        )
        seconds = (made.end - made.begin).cast("int64") if timed else ibis.literal(0, "int64")
        return made.select("user_id", "session", "length", "day", seconds=seconds)

    def lengths(acts: ir.Table) -> ir.Table:
        made = each(acts)
        return made.group_by("length").agg(n=made.count().cast("int64"))

    def users(acts: ir.Table) -> ir.Table:
        made = each(acts)
        mine = made.group_by("user_id").agg(
            m=made.count().cast("float64"), acts=made.length.sum().cast("float64"), seconds=made.seconds.sum().cast("float64"),
            bounces=(made.length == 1).cast("int64").sum().cast("float64"),
        )  # fmt: skip
        sums = {"units": mine.count(), "m": mine.m.sum(), "mm": (mine.m * mine.m).sum()}
        for name in ("acts", "seconds", "bounces"):
            sums |= {name: mine[name].sum(), f"{name}_2": (mine[name] * mine[name]).sum(), f"{name}_m": (mine[name] * mine.m).sum()}
        return mine.aggregate(**sums)

    by_length, query = t.compute(lengths)
    sums, _ = t.compute(users)
    total = sums.to_pylist()[0]
    rows = [_row("length", "acts", by_length["length"], by_length["n"], _interval(total, "acts", confidence))]
    if timed:
        found, _ = t.compute(lambda acts: each(acts).group_by("seconds").agg(n=ibis._.count().cast("int64")))
        rows.append(_row("duration", "seconds", found["seconds"], found["n"], _interval(total, "seconds", confidence)))
    per_user, _ = t.compute(
        lambda acts: each(acts).group_by("user_id").agg(m=ibis._.count().cast("int64")).group_by("m").agg(n=ibis._.count().cast("int64"))
    )
    rows.append(_row("per_user", "sessions", per_user["m"], per_user["n"], None, confidence))
    parts = {"lengths": _lengths(by_length)}
    if seen is not None:
        found, _ = t.compute(
            lambda acts: each(acts).group_by("day").agg(n=ibis._.count().cast("int64"), n_users=ibis._.user_id.nunique().cast("int64"))
        )
        parts["days"] = days = _days(found, seen)
        ones = pa.array(np.ones(days.num_rows, np.int64))
        rows.append(_row("per_day", "sessions", days["n_sessions"], ones, None, None))
    if timed:
        found, _ = t.compute(lambda acts: _by_gap(acts, gaps))
        parts["gaps"] = _gaps(found, gaps, t.counts.users)
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in SCHEMA.items()})
    share, low, high = _interval(total, "bounces", confidence)
    n = int(total["m"])
    cells = [Cell("sessions", n, "sessions"), Cell("bounce.share", share, "share", n, low, high)]
    for row in rows:
        cells += [
            Cell(f"{row['measure']}.mean", row["mean"], row["unit"], row["n"], row["low"], row["high"]),
            Cell(f"{row['measure']}.median", row["p50"], row["unit"], row["n"]),
        ]
    cells += [Cell(f"gap{row['gap_minutes']:g}.sessions", row["n_sessions"], "sessions") for row in _list(parts.get("gaps"))]
    warnings = []
    if seen is not None and seen.by_day:
        warnings.append(
            say("all times are at midnight: the log knows days only, so durations and gaps are left out, and sessions by the clock "
                "are days",
                "所有时间均为零点：日志只精确到日，因此不统计时长与间隔；按时钟划分的会话即为一天")
        )  # fmt: skip
    findings = _findings(n, share, low, high, parts.get("gaps"), t)
    meta = t.meta(definition, warnings=warnings, confidence=confidence)
    return Result("sessions", table, meta, tuple(cells), _chart(by_length), parts, findings, {"lengths": query})


def _list(table: pa.Table | None) -> list[dict[str, Any]]:
    return [] if table is None else table.to_pylist()


def _interval(total: dict[str, Any], name: str, confidence: float) -> tuple[float, float | None, float | None]:
    """A mean over sessions with its interval over users."""
    value, error = ratio_errors(total["units"], total[name], total["m"], total[f"{name}_2"], total["mm"], total[f"{name}_m"])
    half = quantile_of(confidence) * float(error)
    if np.isnan(half):
        return float(value), None, None
    if name == "bounces" and half == 0:
        low, high = wilson(total[name], total["m"], confidence)
        return float(value), float(low), float(high)
    return float(value), max(0.0, float(value) - half), min(1.0, float(value) + half) if name == "bounces" else float(value) + half


def _row(
    measure: str,
    unit: str,
    values: pa.ChunkedArray,
    counts: pa.ChunkedArray | pa.Array,
    known: tuple[float, float | None, float | None] | None,
    confidence: float | None = None,
) -> dict[str, Any]:
    """A distribution from how often each value occurs; quantiles are values that occur."""
    value, n = values.to_numpy().astype(np.float64), counts.to_numpy().astype(np.int64)
    order = np.argsort(value)
    value, n = value[order], n[order]
    upto, total = np.cumsum(n), int(n.sum())
    mean = float(value @ n / total)
    low = high = None
    if known is not None:
        mean, low, high = known
    elif confidence is not None and total > 1:
        half = float(quantile_of(confidence) * np.sqrt(n @ (value - mean) ** 2 / (total - 1) / total))
        low, high = max(0.0, mean - half), mean + half
    at = {f"p{q}": float(value[np.searchsorted(upto, q / 100 * total)]) for q in QUANTILES}
    return {"measure": measure, "unit": unit, "n": total, "mean": mean, "low": low, "high": high, **at, "max": float(value[-1])}


def _lengths(rows: pa.Table) -> pa.Table:
    rows = rows.sort_by("length")
    n = rows["n"].to_numpy()
    return pa.table({"length": rows["length"], "n_sessions": n, "share": n / n.sum(), "cumulative_share": np.cumsum(n) / n.sum()})


def _days(rows: pa.Table, seen: Observation) -> pa.Table:
    """Every day between the first and the last session, those without any included."""
    day: Int64[np.ndarray, " D"] = rows["day"].to_numpy()
    every = np.arange(day.min(), day.max() + 1)
    n, n_users = np.zeros(len(every), np.int64), np.zeros(len(every), np.int64)
    n[day - every[0]], n_users[day - every[0]] = rows["n"].to_numpy(), rows["n_users"].to_numpy()
    return pa.table(
        {
            "day": pa.array([period_start(int(k), "day") for k in every], pa.date32()),
            "n_sessions": n,
            "n_users": n_users,
            "complete": [seen.is_whole(int(k), "day") for k in every],
        }
    )


def _by_gap(acts: ir.Table, gaps: Sequence[float]) -> ir.Table:
    """Sessions and bounces by the clock alone, for each gap, in one pass."""
    ordered = ibis.window(group_by="user_id", order_by="position")
    moved = acts.select(
        before=(acts.timestamp.epoch_seconds() - acts.timestamp.lag().over(ordered).epoch_seconds()).cast("int64"),
        after=(acts.timestamp.lead().over(ordered).epoch_seconds() - acts.timestamp.epoch_seconds()).cast("int64"),
    )
    found = {}
    for i, gap in enumerate(gaps):
        opens = (moved.before > round(gap * 60)).fill_null(True)
        closes = (moved.after > round(gap * 60)).fill_null(True)
        found[f"sessions_{i}"] = opens.cast("int64").sum()
        found[f"bounces_{i}"] = (opens & closes).cast("int64").sum()
    return moved.aggregate(**found)


def _gaps(found: pa.Table, gaps: Sequence[float], users: int) -> pa.Table:
    row = found.to_pylist()[0]
    n = np.array([row[f"sessions_{i}"] for i in range(len(gaps))], np.int64)
    bounces = np.array([row[f"bounces_{i}"] for i in range(len(gaps))], np.int64)
    return pa.table(
        {
            "gap_minutes": pa.array([float(gap) for gap in gaps]),
            "n_sessions": n,
            "n_users": np.full(len(gaps), users),
            "per_user": n / users,
            "bounces": bounces,
            "bounce_share": bounces / n,
        }
    )


def _chart(rows: pa.Table) -> dict[str, Any]:
    counted = dict(zip(rows["length"].to_pylist(), rows["n"].to_pylist(), strict=True))
    longest = max(counted)
    names = [str(length) for length in range(1, min(longest, _LONG) + 1)]
    values = [counted.get(length, 0) for length in range(1, min(longest, _LONG) + 1)]
    if longest > _LONG:
        names.append(f"> {_LONG}")
        values.append(sum(n for length, n in counted.items() if length > _LONG))
    series = say("sessions", "会话数")
    return bars(names, {series: values}, x_name=say("acts in the session", "会话中的行为数"), y_name=series)


def _findings(n: int, share: float, low: float | None, high: float | None, gaps: pa.Table | None, t: Trail) -> tuple[Finding, ...]:
    found = []
    if n >= SMALL and low is not None and low > 0.3:
        text = say(
            "{share:.0%} of {n:,} sessions end after a single act [{low:.0%}, {high:.0%}].",
            "{n:,} 个会话中有 {share:.0%} 只有一次行为即结束（区间 {low:.0%}–{high:.0%}）。",
            share=share, n=n, low=low, high=high,
        )  # fmt: skip
        day_sessions = gaps is None and t.log.has_clock
        if not day_sessions:
            found.append(Finding("finding", text, ("bounce.share",), None, 0.5 * share))
    by_gap = {row["gap_minutes"]: row for row in _list(gaps)}
    by_clock = t.settings["gap_minutes"] is not None or not str(t.session_rule).startswith("by the log")
    if by_clock and 15.0 in by_gap and 60.0 in by_gap and n >= SMALL:
        short, long = by_gap[15.0]["n_sessions"], by_gap[60.0]["n_sessions"]
        if short > 1.25 * long:
            text = say(
                "How many sessions there are depends on the pause that ends one: {short:,} at 15 minutes, {long:,} at 60 ({more:+.0%}).",
                "会话数取决于所用的间隔：15 分钟时为 {short:,} 个，60 分钟时为 {long:,} 个（相差 {more:+.0%}）。",
                short=short, long=long, more=short / long - 1,
            )  # fmt: skip
            found.append(Finding("doubt", Phrase(text, text.zh), ("gap15.sessions", "gap60.sessions"), None, min(1.0, short / long - 1)))
    return tuple(found)
