"""How long it takes until the next act, or until a first purchase, where many have not got there when the log ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float64, Int64

from footpath.analysis.charts import lines
from footpath.analysis.trail import CENTURY_DAYS, Trail, trail
from footpath.errors import ConfigError, did_you_mean
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import quantile_of

ALL: Final = "all"
MAX_SEGMENTS: Final = 8
GOALS: Final = ("purchase", "cart", "rating", "favourite", "click", "view")
"""The event where none is named: the first of these that occurs."""
MARKS: Final = (3_600, 86_400, 7 * 86_400, 30 * 86_400, 90 * 86_400)
"""Times at which the survival is a cell, in seconds."""
POINTS: Final = 200

SCHEMA: Final = {
    "segment": pa.string(),
    "seconds": pa.int64(),
    "at_risk": pa.int64(),
    "events": pa.int64(),
    "censored": pa.int64(),
    "survival": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
}
SEGMENTS: Final = {
    "segment": pa.string(),
    "n": pa.int64(),
    "events": pa.int64(),
    "expected": pa.float64(),
    "median_seconds": pa.float64(),
    "median_low_seconds": pa.float64(),
    "median_high_seconds": pa.float64(),
}
AT_RISK: Final = {"segment": pa.string(), "seconds": pa.int64(), "at_risk": pa.int64(), "survival": pa.float64()}


@dataclass(frozen=True, eq=False)
class Survival:
    """The Kaplan-Meier curve at each time at which something happens or is censored, ascending; those censored at a time are at risk at it.

    survival: the share that has not had the event by that time, that time included. low, high: log-log interval of Greenwood's variance.
    """

    seconds: Int64[np.ndarray, " T"]
    at_risk: Int64[np.ndarray, " T"]
    events: Int64[np.ndarray, " T"]
    censored: Int64[np.ndarray, " T"]
    survival: Float64[np.ndarray, " T"]
    low: Float64[np.ndarray, " T"]
    high: Float64[np.ndarray, " T"]

    @property
    def n(self) -> int:
        return int(self.at_risk[0]) if len(self.at_risk) else 0

    def at(self, seconds: float) -> tuple[float | None, float | None, float | None]:
        """Survival and its interval at a time; None beyond the last time at which anybody was watched."""
        if not len(self.seconds) or (seconds > self.seconds[-1] and self.survival[-1] > 0):
            return None, None, None
        place = int(np.searchsorted(self.seconds, seconds, side="right")) - 1
        if place < 0:
            return 1.0, 1.0, 1.0
        return float(self.survival[place]), float(self.low[place]), float(self.high[place])

    def median(self) -> tuple[float | None, float | None, float | None]:
        """The first time by which half have had the event, with its interval (Brookmeyer and Crowley, Biometrics 1982); None beyond."""
        found = []
        for curve in (self.survival, self.low, self.high):
            reached = np.flatnonzero(curve <= 0.5)
            found.append(float(self.seconds[reached[0]]) if len(reached) else None)
        return found[0], found[1], found[2]


def kaplan_meier(
    seconds: Int64[np.ndarray, " E"],
    events: Int64[np.ndarray, " E"],
    censored: Int64[np.ndarray, " E"],
    *,
    confidence: float = 0.95,
) -> Survival:
    """The curve of durations, each with how many had the event and how many were censored then.

    Kaplan and Meier, JASA 1958; Greenwood 1926; interval on the log(-log) scale: Kalbfleisch and Prentice, 1980.
    """
    times, place = np.unique(seconds, return_inverse=True)
    died = np.bincount(place, events, len(times)).astype(np.int64)
    lost = np.bincount(place, censored, len(times)).astype(np.int64)
    gone = died + lost
    at_risk = gone.sum() - np.cumsum(gone) + gone
    survival = np.cumprod(1 - np.divide(died, at_risk, out=np.zeros(len(times)), where=at_risk > 0))
    left = at_risk - died
    terms = np.divide(died, at_risk * left.astype(np.float64), out=np.zeros(len(times)), where=left > 0)
    inside = (survival > 0) & (survival < 1)
    safe = np.where(inside, survival, 0.5)
    half = quantile_of(confidence) * np.sqrt(np.cumsum(terms)) / np.abs(np.log(safe))
    low, high = np.where(inside, safe ** np.exp(half), survival), np.where(inside, safe ** np.exp(-half), survival)
    return Survival(times, at_risk, died, lost, survival, low, high)


def log_rank(curves: list[Survival]) -> tuple[float, list[float]]:
    """p of "all curves are one", and the events each would have had then; p is 1 where nothing tells them apart. Mantel, 1966."""
    from scipy.stats import chi2

    times = np.unique(np.concatenate([curve.seconds[curve.events > 0] for curve in curves]))
    at_risk = np.zeros((len(curves), len(times)))
    events = np.zeros_like(at_risk)
    for i, curve in enumerate(curves):
        place = np.searchsorted(curve.seconds, times, side="left")
        inside = place < len(curve.seconds)
        at_risk[i, inside] = curve.at_risk[place[inside]]
        exact = inside & (curve.seconds[np.minimum(place, len(curve.seconds) - 1)] == times)
        events[i, exact] = curve.events[place[exact]]
    n, d = at_risk.sum(axis=0), events.sum(axis=0)
    share = at_risk / n
    expected = share @ d
    factor = d * np.divide(n - d, n - 1, out=np.zeros(len(n)), where=n > 1)
    variance = np.diag(share @ factor) - (share * factor) @ share.T
    gap = (events.sum(axis=1) - expected)[:-1]
    inner = variance[:-1, :-1]
    if not len(times) or np.linalg.matrix_rank(inner) < len(gap):
        return 1.0, [float(e) for e in expected]
    return float(chi2.sf(gap @ np.linalg.solve(inner, gap), len(gap))), [float(e) for e in expected]


def time_to_next(
    log: EventLog | Trail, *, of: Literal["act", "session"] = "act", segment: str | None = None, confidence: float = 0.95
) -> Result:
    """How long until a user's next act, or from the end of a session to the begin of the next; the last of each user is censored at the
    end of the log.

    segment: a column of the user table or of the acts; segments are compared by the log-rank test. Durations are whole seconds up to an
    hour, whole minutes up to two days, then whole hours, rounded down. parts: `segments`, `at_risk`.
    """
    t = trail(log)
    t.need_clock("the time to the next act")
    if of not in ("act", "session"):
        raise ConfigError(f"of must be act or session, got {of!r}{did_you_mean(str(of), ('act', 'session'))}")
    _check_confidence(confidence)
    what = say("act", "行为") if of == "act" else say("session", "会话")
    definition = say(
        "from each {what} of a user to the next one of the same user; the last one is censored at the last act of the log; "
        "the curve is the share that is still without a next {what} (Kaplan-Meier, log-log intervals)",
        "从用户的每个{what}到同一用户的下一个{what}；最后一个在日志末尾删失；"
        "曲线为尚未出现下一个{what}的比例（Kaplan-Meier，log-log 区间）",
        what=what,
    )
    if not t.counts.acts:
        return t.nothing("time_to_next", definition, say("no acts are left after the filters", "筛选后没有任何行为"), SCHEMA)
    last = t.counts.last
    assert last is not None

    def durations(acts: ir.Table) -> ir.Table:
        rows = acts
        ordered = ibis.window(group_by="user_id", order_by="position")
        if of == "session":
            ends = acts.group_by(["user_id", "session"]).agg(
                begin=acts.timestamp.min(), end=acts.timestamp.max(), position=acts.position.min()
            )
            rows = ends.mutate(_next=ends.begin.lead().over(ordered), _here=ends.end)
        else:
            rows = acts.mutate(_next=acts.timestamp.lead().over(ordered), _here=acts.timestamp)
        return _counted(_segmented(t, acts, rows, segment), rows_end=last)

    warnings: list[str] = []
    if t.counts.users < t.counts.acts:
        warnings.append(
            say(
                "a user counts once for every {what}, and intervals and tests take them as independent: they are too narrow",
                "同一用户按每个{what}重复计入，区间与检验视其为独立，因而偏窄",
                what=what,
            )
        )  # fmt: skip
    return _survival("time_to_next", t, durations, definition, warnings, segment, None, confidence, what, {"of": of})


def time_to_event(
    log: EventLog | Trail,
    *,
    start: str = "first act",
    event: str | None = None,
    segment: str | None = None,
    horizon_days: float | None = None,
    confidence: float = 0.95,
) -> Result:
    """How long users take from a start to their first event of a type; who has not got there is censored at the end of the log.

    start: `first act`, or an event type (a user's first). event: a type; without it purchase, else the nearest to one that occurs. Where
    it is the start's own type, or the log has one type only, the next one counts. horizon_days: who takes longer is censored there.
    segment: a column of the user table or of the acts; compared by the log-rank test. Durations are rounded as in `time_to_next`.
    parts: `segments` (with the median), `at_risk`.
    """
    t = trail(log)
    t.need_clock("the time to an event")
    _check_confidence(confidence)
    if horizon_days is not None and not 0 < horizon_days <= CENTURY_DAYS:
        raise ConfigError(f"horizon_days must be above 0 and at most {CENTURY_DAYS:.0f}, got {horizon_days:g}")
    if t.counts.acts:
        t.need_types("the time to an event", [name for name in (event, None if start == "first act" else start) if name is not None])
    goal = event if event is not None else next((name for name in GOALS if name in t.types), next(iter(t.types), "purchase"))
    later = goal == start or (start == "first act" and len(t.types) <= 1)
    beginning = say("first act", "首次行为") if start == "first act" else say("first {start}", "首次 {start}", start=start)
    definition = say(
        "from a user's {beginning} to the first {goal} {after}; users without one are censored at the last act of the log{horizon}; "
        "the curve is the share of users that is still without (Kaplan-Meier, log-log intervals)",
        "从用户的{beginning}到{after}首次 {goal}；未发生者在日志末尾删失{horizon}；曲线为尚未发生的用户比例（Kaplan-Meier，log-log 区间）",
        beginning=beginning,
        goal=goal,
        after=say("after it", "其后") if later else say("at or after it", "其时或其后"),
        horizon="" if horizon_days is None else say(" or {days:g} days after the start", "或起点后 {days:g} 天", days=horizon_days),
    )
    if not t.counts.acts:
        return t.nothing("time_to_event", definition, say("no acts are left after the filters", "筛选后没有任何行为"), SCHEMA)
    last = t.counts.last
    assert last is not None

    def durations(acts: ir.Table) -> ir.Table:
        begins = acts if start == "first act" else acts.filter(acts.event_type == start)
        first = begins.group_by("user_id").agg(_from=begins.position.min(), _here=begins.timestamp.min())
        goals = acts.filter(acts.event_type == goal).select("user_id", "position", "timestamp")
        paired = goals.join(first, "user_id")
        after = paired.position > paired._from if later else paired.position >= paired._from
        reached = paired.filter(after)
        when = reached.group_by("user_id").agg(_next=reached.timestamp.min())
        rows = first.left_join(when, "user_id").select("user_id", "_here", "_next")
        return _counted(_segmented(t, acts, rows, segment), rows_end=last)

    return _survival(
        "time_to_event", t, durations, definition, [], segment, horizon_days, confidence, say("user", "用户"),
        {"start": start, "event": goal, "horizon_days": horizon_days},
    )  # fmt: skip


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must be between 0 and 1, got {confidence:g}")


def _segmented(t: Trail, acts: ir.Table, rows: ir.Table, segment: str | None) -> ir.Table:
    if segment is None:
        return rows.mutate(segment=ibis.literal(ALL))
    from dataclasses import replace

    given = replace(t, acts=acts).segments(segment)
    named = given.select(_user=given.user_id, _segment=given.segment)
    return rows.join(named, rows.user_id == named._user).mutate(segment=ibis._._segment).drop("_user", "_segment")


def _counted(rows: ir.Table, rows_end: datetime) -> ir.Table:
    """`segment`, `seconds` (made coarse), `events`, `censored`: a few thousand rows, however long the log."""
    end = ibis.literal(rows_end, type="timestamp")
    until = ibis.coalesce(rows._next, end)
    exact = until.truncate("s").epoch_seconds().cast("int64") - rows._here.truncate("s").epoch_seconds().cast("int64")
    spans = rows.mutate(_exact=ibis.greatest(exact, 0), _over=rows._next.notnull().cast("int64"))
    minute, hour = spans._exact - spans._exact % 60, spans._exact - spans._exact % 3_600
    seconds = ibis.cases((spans._exact <= 3_600, spans._exact), (spans._exact <= 172_800, minute), else_=hour)
    spans = spans.mutate(seconds=seconds.cast("int64"))
    return spans.group_by(["segment", "seconds"]).agg(
        events=spans._over.sum().cast("int64"), censored=(1 - spans._over).sum().cast("int64")
    )


def _survival(
    name: str,
    t: Trail,
    durations: Any,
    definition: Phrase,
    warnings: list[str],
    segment: str | None,
    horizon_days: float | None,
    confidence: float,
    who: Phrase,
    options: dict[str, Any],
) -> Result:
    rows, query = t.compute(durations)
    seconds, events, censored = (rows[c].to_numpy().astype(np.int64) for c in ("seconds", "events", "censored"))
    if horizon_days is not None:
        bound = round(horizon_days * 86_400)
        past = seconds > bound
        censored = np.where(past, censored + events, censored)
        events = np.where(past, 0, events)
        seconds = np.minimum(seconds, bound)
    names = np.array(rows["segment"].to_pylist(), object)
    groups = _groups(names, events + censored, segment, warnings)
    curves = {
        group: kaplan_meier(seconds[members], events[members], censored[members], confidence=confidence)
        for group, members in groups.items()
    }
    parted = [group for group in curves if group != ALL]
    p_value, expected = log_rank([curves[g] for g in parted]) if len(parted) > 1 else (None, [])
    overall = curves[ALL]
    if not int(overall.events.sum()):
        warnings.append(say("nobody reached the event before the log ended", "日志结束前无人发生该事件"))
    table = pa.Table.from_pylist([row for g, curve in curves.items() for row in _rows(g, curve)], schema=pa.schema(list(SCHEMA.items())))
    parts = {
        "segments": _segment_table(curves, dict(zip(parted, expected, strict=False))),
        "at_risk": _at_risk(curves),
    }
    return Result(
        name,
        table,
        t.meta(definition, warnings=warnings, confidence=confidence, segment=segment, log_rank_p=p_value, **options),
        _cells(overall, {g: curves[g] for g in parted}, p_value),
        _chart(curves, parted),
        parts,
        tuple(_findings(name, overall, {g: curves[g] for g in parted}, p_value, options)),
        {"durations": query},
    )


def _groups(
    names: np.ndarray, weights: Int64[np.ndarray, " E"], segment: str | None, warnings: list[str]
) -> dict[str, Bool[np.ndarray, " E"]]:
    groups: dict[str, Bool[np.ndarray, " E"]] = {ALL: np.ones(len(names), bool)}
    if segment is None:
        return groups
    sizes = {name: int(weights[names == name].sum()) for name in sorted(set(names))}
    kept = sorted(sizes, key=lambda name: (-sizes[name], name))[:MAX_SEGMENTS]
    if len(kept) < len(sizes):
        warnings.append(
            say("the {n} largest of {all:,} segments are shown", "仅显示 {all:,} 个分组中最大的 {n} 个", n=len(kept), all=len(sizes))
        )
    for name in kept:
        # a segment may be called as the whole is
        groups[name if name != ALL else f"{ALL} (segment)"] = names == name
    return groups


def _rows(group: str, curve: Survival) -> list[dict[str, Any]]:
    """The curve, thinned to steps of equal survival where it has more than some hundreds."""
    kept = np.arange(len(curve.seconds))
    if len(kept) > 2 * POINTS:
        # every step on a grid of time and every one on a grid of survival
        by_survival = np.searchsorted(-curve.survival, -np.linspace(1, float(curve.survival[-1]), POINTS))
        by_time = np.linspace(0, len(kept) - 1, POINTS).astype(int)
        kept = np.unique(np.concatenate([by_survival[by_survival < len(kept)], by_time, [len(kept) - 1]]))
    # what happens between kept times is counted at the next kept one
    events, censored = np.cumsum(curve.events)[kept], np.cumsum(curve.censored)[kept]
    return [
        {
            "segment": group,
            "seconds": int(curve.seconds[i]),
            "at_risk": int(curve.at_risk[i]),
            "events": int(d),
            "censored": int(c),
            "survival": float(curve.survival[i]),
            "low": float(curve.low[i]),
            "high": float(curve.high[i]),
        }
        for i, d, c in zip(kept, np.diff(events, prepend=0), np.diff(censored, prepend=0), strict=True)
    ]


def _segment_table(curves: dict[str, Survival], expected: dict[str, float]) -> pa.Table:
    rows = []
    for group, curve in curves.items():
        median, low, high = curve.median()
        rows.append(
            {
                "segment": group, "n": curve.n, "events": int(curve.events.sum()), "expected": expected.get(group),
                "median_seconds": median, "median_low_seconds": low, "median_high_seconds": high,
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=pa.schema(list(SEGMENTS.items())))


def _at_risk(curves: dict[str, Survival]) -> pa.Table:
    rows = []
    for group, curve in curves.items():
        for mark in (0, *MARKS):
            place = int(np.searchsorted(curve.seconds, mark, side="left"))
            left = int(curve.at_risk[place]) if place < len(curve.seconds) else 0
            rows.append({"segment": group, "seconds": mark, "at_risk": left, "survival": curve.at(mark)[0] if mark else 1.0})
    return pa.Table.from_pylist(rows, schema=pa.schema(list(AT_RISK.items())))


def _cells(overall: Survival, parted: dict[str, Survival], p_value: float | None) -> tuple[Cell, ...]:
    median, low, high = overall.median()
    n, events = overall.n, int(overall.events.sum())
    cells = [
        Cell("n", n, "spans"),
        Cell("events", events, "events", n),
        Cell("censored", n - events, "spans", n),
        Cell("median", median, "seconds", n, low, high, note="" if median is not None else "over half were censored before it"),
    ]
    for mark, name in zip(MARKS, ("1_hour", "1_day", "7_days", "30_days", "90_days"), strict=True):
        value, low, high = (None if figure is None else 1 - figure for figure in overall.at(mark))
        cells.append(Cell(f"within_{name}", value, "share", n, high, low))
    if p_value is not None:
        cells.append(Cell("log_rank_p", p_value, "p", n))
    for group, curve in parted.items():
        median, low, high = curve.median()
        cells.append(Cell(f"median.{group}", median, "seconds", curve.n, low, high))
    return tuple(cells)


def _chart(curves: dict[str, Survival], parted: list[str]) -> dict[str, Any] | None:
    shown = parted or [ALL]
    rows = {group: _rows(group, curves[group]) for group in shown}
    grid = sorted({row["seconds"] for group in shown for row in rows[group]})
    if not grid:
        return None
    first = curves[shown[0]]
    (begun, *_), (soon, *_), (end, *_) = first.at(0), first.at(grid[-1] // 50), first.at(grid[-1])
    at_once = begun is not None and soon is not None and end is not None and begun - soon > 0.5 * (begun - end) > 0
    size, unit = next(
        (size, unit)
        for size, unit in (
            (86_400, say("days", "天")),
            (3_600, say("hours", "小时")),
            (60, say("minutes", "分钟")),
            (1, say("seconds", "秒")),
        )
        if grid[-1] >= 3 * size or size == 1
    )
    if at_once:  # days would put the whole curve on the axis
        grid = [at for at in grid if at]
        size, unit = 1, say("time (logarithmic)", "时间（对数刻度）")
    values: dict[str, list[float | None]] = {}
    bands = {}
    for group in shown:
        name = say("still without", "尚未发生") if group == ALL else group
        points = [curves[group].at(at) for at in grid]
        values[name] = [point[0] for point in points]
        bands[name] = ([point[1] for point in points], [point[2] for point in points])
    return lines(
        [at / size for at in grid], values, bands=bands, format="share", steps=True,
        x_kind="log" if at_once else "value", x_format="seconds" if at_once else None,
        x_name=unit, y_name=say("still without", "尚未发生比例"),
    )  # fmt: skip


def span(seconds: float) -> Phrase:
    """A duration in the unit in which people would say it."""
    for size, english, chinese in ((86_400, "days", "天"), (3_600, "hours", "小时"), (60, "minutes", "分钟")):
        if seconds >= 2 * size:
            return say("{n:.1f} {unit}", "{n:.1f} {unit}", n=seconds / size, unit=Phrase(english, chinese))
    return say("{n:.0f} seconds", "{n:.0f} 秒", n=seconds)


def _findings(name: str, overall: Survival, parted: dict[str, Survival], p_value: float | None, options: dict[str, Any]) -> list[Finding]:
    found = []
    big = {g: c for g, c in parted.items() if c.n >= 30 and c.median()[0] is not None}
    if name == "time_to_event" and p_value is not None and p_value < 0.05 and len(big) > 1:
        ordered = sorted(big, key=lambda g: (big[g].median()[0], g))
        fast, slow = ordered[0], ordered[-1]
        quick, long = big[fast].median()[0], big[slow].median()[0]
        assert quick is not None
        assert long is not None
        if long > quick:
            found.append(
                Finding(
                    "finding",
                    say(
                        "Half of segment {fast} have their first {event} within {quick}, half of {slow} only within {long}",
                        "分组 {fast} 中一半用户在 {quick}内首次 {event}，而 {slow} 需要 {long}",
                        fast=fast, slow=slow, event=options["event"], quick=span(quick), long=span(long),
                    ),
                    (f"median.{fast}", f"median.{slow}", "log_rank_p"),
                    p_value,
                    min(1.0, float((long - quick) / long)),
                )
            )  # fmt: skip
    day, month = overall.at(86_400), overall.at(30 * 86_400)
    if name == "time_to_event" and day[0] is not None and month[0] is not None and overall.n >= 30:
        soon, all_ = 1 - day[0], 1 - month[0]
        left = int(overall.at_risk[min(len(overall.at_risk) - 1, int(np.searchsorted(overall.seconds, 86_400, side="right")))])
        if soon >= 0.05 and soon >= 0.5 * all_ and left >= 30:
            found.append(
                Finding(
                    "finding",
                    say(
                        "{event} comes at once or hardly: {soon:.0%} of users within a day, {late:.0%} of the rest within a month",
                        "{event} 要么很快发生，要么很少发生：{soon:.0%} 的用户一天内完成，其余用户一个月内仅 {late:.0%}",
                        event=options["event"], soon=soon, late=(all_ - soon) / (1 - soon) if soon < 1 else 0.0,
                    ),
                    ("within_1_day", "within_30_days"),
                    weight=min(1.0, float(soon)) / 2,
                )
            )  # fmt: skip
    return found
