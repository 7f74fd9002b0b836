"""Who gets how far along a chain of steps, how long that takes, and who is lost where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float64
from scipy.stats import fisher_exact, norm

from footpath.analysis.charts import bars
from footpath.analysis.trail import CENTURY_DAYS, Trail, trail
from footpath.errors import ConfigError, did_you_mean
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, benjamini_hochberg, holm, wilson

Order = Literal["ordered", "strict", "any"]
Within = Literal["session", "window", "history"]

DEFAULT_WINDOW_HOURS: Final = 168.0
DEFAULT_STEPS: Final[tuple[tuple[str, ...], ...]] = (("view", "click"), ("cart",), ("purchase",))
"""Of each group the first that occurs in the log."""
OTHER_STEPS: Final[tuple[str, ...]] = ("search", "view", "click", "favourite", "cart", "purchase", "rating")
"""Steps where fewer than two of the defaults occur, in the order in which people usually come to them."""
MAX_SEGMENTS: Final = 12
ALL: Final = "all"

SCHEMA: Final = {
    "segment": pa.string(),
    "step_number": pa.int64(),
    "step": pa.string(),
    "n": pa.int64(),
    "n_first": pa.int64(),
    "from_first": pa.float64(),
    "from_first_low": pa.float64(),
    "from_first_high": pa.float64(),
    "n_previous": pa.int64(),
    "from_previous": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "median_seconds": pa.float64(),
    "quartile_1_seconds": pa.float64(),
    "quartile_3_seconds": pa.float64(),
    "median_seconds_from_previous": pa.float64(),
    "n_open": pa.int64(),
    "complete": pa.bool_(),
}
DIFFERENCES: Final = {
    "segment": pa.string(),
    "step_number": pa.int64(),
    "step": pa.string(),
    "n": pa.int64(),
    "n_previous": pa.int64(),
    "from_previous": pa.float64(),
    "n_rest": pa.int64(),
    "n_previous_rest": pa.int64(),
    "from_previous_rest": pa.float64(),
    "difference": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "p_value": pa.float64(),
    "q_value": pa.float64(),
}
WEEKS: Final = {
    "week": pa.date32(),
    "step_number": pa.int64(),
    "step": pa.string(),
    "n": pa.int64(),
    "n_previous": pa.int64(),
    "from_previous": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "from_previous_rest": pa.float64(),
    "p_value": pa.float64(),
    "q_value": pa.float64(),
    "complete": pa.bool_(),
}


@dataclass(frozen=True)
class Steps:
    """The names of the steps, and whether each is a label or an event type."""

    names: tuple[str, ...]
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def match(self, acts: ir.Table, k: int) -> ir.BooleanValue:
        found: ir.BooleanValue = acts[self.columns[k]] == self.names[k]
        return found


def funnel(
    log: EventLog | Trail,
    *,
    steps: Sequence[str] | None = None,
    order: Order = "ordered",
    within: Within = "session",
    window_hours: float | None = None,
    count: Literal["users", "sessions"] = "users",
    segment: str | None = None,
    by: str | Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Result:
    """Users (or sessions) that reach each step, their conversion with Wilson intervals, and their time to convert.

    steps: values of the label (see `by` of `trail`) or event types; a label wins where both are called so. Without it view or click,
    cart and purchase, as far as the log has them.
    order: `ordered`: each step later than the one before, whatever lies between; `strict`: nothing lies between; `any`: all steps up
    to this one, in whatever order. within: one session, `window_hours` from the act of the first step (168 without it), or the whole
    history. Every act of the first step may begin a chain, not only a user's first.
    segment: a column of the user table or of the acts (a user's first value). Segments are compared with all others: difference with
    Newcombe's interval, score test (Fisher's where an expected count is under 5), Benjamini-Hochberg over segments and steps.
    parts: `dropped` (`user_id`, `reached`, `dropped_at`), `differences` by segment, `weeks` (sessions only): conversion of each week
    against all other weeks, spread between weeks allowed for. n_open: units that had not gone on when the log ended and whose window
    was still open. Raises ConfigError for options that cannot be, NotInLogError for a window without a clock or an unknown column.

    Newcombe, Statistics in Medicine 1998, method 10.
    """
    t = trail(log) if by is None else trail(log, by=by)
    hours = _check(order, within, window_hours, count, confidence)
    if within == "window":
        t.need_clock("a funnel within a window")
    definition = _definition(order, within, hours, count, t)
    found, warnings = _resolve(t, steps, order)
    if found is None:
        return t.nothing("funnel", definition, warnings[0], SCHEMA)

    def sessions(acts: ir.Table) -> ir.Table:
        return _sessions_of(acts, found, order, within, hours, t.log.has_clock)

    def units(chained: ir.Table, acts: ir.Table) -> ir.Table:
        made = chained if count == "sessions" else _users_of(chained, len(found), t.log.has_clock)
        return made if segment is None else _with_segment(replace(t, acts=acts), made, segment)

    by_week = within == "session" and t.log.has_clock and t.has_sessions
    chained = sessions(t.acts).cache() if by_week else sessions(t.acts)
    rows, query = units(chained, t.acts).to_pyarrow(), units(sessions(t.lazy), t.lazy)
    reached = np.stack([rows[f"reached_{k}"].to_numpy() == 1 for k in range(len(found))], axis=1)
    groups = _groups(rows, reached, segment, warnings)
    last = t.counts.last
    open_until = None if within != "window" or last is None else last - timedelta(hours=hours)
    still_open = np.zeros(len(reached), bool) if open_until is None else _later(rows["began"], open_until)
    table = pa.Table.from_pylist(
        [
            row
            for name, members in groups.items()
            for row in _rows(name, found, rows, reached, members, still_open, t.log.has_clock, confidence)
        ],
        schema=pa.schema(list(SCHEMA.items())),
    )
    overall = [row for row in table.to_pylist() if row["segment"] == ALL]
    if count == "sessions":
        warnings.append(
            say(
                "sessions of one user are not independent: intervals of sessions are narrower than they should "
                "be, and segments are not tested",
                "同一用户的会话并不独立：按会话计的区间偏窄，且不对分群做检验",
            )
        )
    n_open = max(row["n_open"] for row in overall)
    if n_open:
        warnings.append(
            say(
                "{n:,} {who} had not gone on when the log ended and still had time: their conversion may yet come",
                "日志结束时有 {n:,} 个{who}尚未继续但窗口未到期，其转化仍可能发生",
                n=n_open,
                who=_who(count),
            )
        )
    differences = _differences(found, reached, {k: v for k, v in groups.items() if k != ALL}, count, confidence)
    parts = {"dropped": _dropped(rows, reached, found)}
    if segment is not None:
        parts["differences"] = differences
    weeks = None
    if by_week:
        weeks = _weeks(t, chained, found, confidence)
        if weeks.num_rows:
            parts["weeks"] = weeks

    split = query if segment is not None else query.mutate(segment=ibis.literal(ALL))
    counts = split.group_by("segment").agg(**{f"step_{k + 1}": split[f"reached_{k}"].sum().cast("int64") for k in range(len(found))})
    unchained = _unchained(rows, reached)
    borne = [
        *([] if weeks is None else _strange_week(weeks, found)),
        *_strange_segment(differences, found, max(1, overall[0]["n"])),
        *_doubts(overall, unchained, found, within, count),
    ][:3]
    return Result(
        "funnel",
        table,
        t.meta(
            definition,
            warnings=warnings,
            steps=list(found.names),
            order=order,
            within=within,
            window_hours=hours if within == "window" else None,
            count=count,
            confidence=confidence,
        ),
        (*_cells(overall, unchained, count), *(cell for _, cells in borne for cell in cells)),
        _chart(table, found, segment),
        parts,
        tuple(finding for finding, _ in borne),
        {"funnel": counts, "units": query},
    )


def _check(order: str, within: str, window_hours: float | None, count: str, confidence: float) -> float:
    for name, value, known in (
        ("order", order, ("ordered", "strict", "any")),
        ("within", within, ("session", "window", "history")),
        ("count", count, ("users", "sessions")),
    ):
        if value not in known:
            raise ConfigError(f"{name} must be one of {', '.join(known)}, got {value!r}{did_you_mean(str(value), known)}")
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must be between 0 and 1, got {confidence:g}")
    if window_hours is not None and within != "window":
        raise ConfigError(f"window_hours={window_hours:g} goes with within='window', got within={within!r}")
    if window_hours is not None and not 0.5 / 3600 < window_hours <= CENTURY_DAYS * 24:
        most = CENTURY_DAYS * 24
        raise ConfigError(f"window_hours must be at least one second (0.00028) and at most {most:.0f}, got {window_hours:g}")
    if count == "sessions" and within != "session":
        raise ConfigError(f"count='sessions' goes with within='session', got within={within!r}; count users instead")
    return DEFAULT_WINDOW_HOURS if window_hours is None else window_hours


def _resolve(t: Trail, steps: Sequence[str] | None, order: str) -> tuple[Steps | None, list[str]]:
    """The steps, and warnings: of those that never occur, or the one reason why there is no funnel."""
    if steps is None:
        chosen = [next((name for name in group if name in t.types), None) for group in DEFAULT_STEPS]
        names = [name for name in chosen if name is not None]
        if len(names) < 2:
            names = [name for name in OTHER_STEPS if name in t.types]
        if len(names) < 2:
            there = ", ".join(t.types)
            return None, [
                say(
                    "a funnel needs at least two kinds of steps, and the event types of this log are: {there}; "
                    "name the steps yourself: `funnel(log, by=..., steps=[...])`",
                    "漏斗至少需要两类步骤，而本日志的行为类型只有：{there}；请自行指定步骤：`funnel(log, by=..., steps=[...])`",
                    there=there or "-",
                )
            ]
        return Steps(tuple(names), ("event_type",) * len(names)), []
    names = [steps] if isinstance(steps, str) else [str(name) for name in steps]
    if len(names) < 2:
        raise ConfigError(f"a funnel needs at least two steps, got {names}")
    if order == "any" and len(set(names)) < len(names):
        raise ConfigError(f"where the order is any, every step must be another, got {names}")
    if not t.counts.acts:
        return None, [say("no acts are left after the filters", "筛选后没有任何行为")]
    labelled = t.acts.filter(t.acts.label.isin(names)).select("label").distinct().to_pyarrow()["label"].to_pylist()
    columns = tuple("label" if name in labelled or name not in t.types else "event_type" for name in names)
    warnings: list[str] = []
    for name in dict.fromkeys(names):
        if name not in labelled and name not in t.types:
            near = did_you_mean(name, t.types)
            warnings.append(
                say("the step {name!r} never occurs in this log{near}", "步骤 {name!r} 在本日志中从未出现{near}", name=name, near=near)
            )
    return Steps(tuple(names), columns), warnings


def _sessions_of(acts: ir.Table, steps: Steps, order: Order, within: Within, hours: float, has_clock: bool) -> ir.Table:
    """One row a session (a user, where chains may cross sessions): `reached_k`, and of the first act that reaches step k its
    `position_k`, `seconds_k` since its chain began and `gap_k` since the step before; `began`: the last act of the first step."""
    group = ["user_id", "session"] if within == "session" else ["user_id"]
    # only what chains need, so that no text but the ids goes through the windows
    table = acts.select(
        *group,
        "position",
        _clock=acts.timestamp if has_clock else acts.position,
        **{f"_is_{k}": steps.match(acts, k) for k in range(len(steps))},
    )
    if order != "strict":
        wanted = table["_is_0"]
        for k in range(1, len(steps)):
            wanted = wanted | table[f"_is_{k}"]
        table = table.filter(wanted)
    table = {"ordered": _ordered, "strict": _strict, "any": _any_order}[order](table, len(steps), group)
    reaches = []
    for k in range(len(steps)):
        reach = table[f"_start_{k}"].notnull()
        if within == "window":
            reach = reach & (table._clock <= table[f"_start_{k}"] + ibis.interval(seconds=round(hours * 3600)))
        reaches.append(reach.fill_null(False))
    table = table.mutate(**{f"_reach_{k}": reach for k, reach in enumerate(reaches)})
    measures: dict[str, Any] = {}
    for k in range(len(steps)):
        reach = table[f"_reach_{k}"]
        measures[f"reached_{k}"] = reach.cast("int64").max()
        measures[f"position_{k}"] = table.position.min(where=reach)
        if has_clock:
            # starts never go back along a session, so the least of each is that of the first act that reaches the step
            measures[f"_at_{k}"] = table._clock.min(where=reach)
            measures[f"_from_{k}"] = table[f"_start_{k}"].min(where=reach)
            measures[f"_past_{k}"] = table[f"_past_{k}"].min(where=reach)
    first, end = table["_is_0"], table[f"_is_{len(steps) - 1}"]
    made = table.group_by(group).agg(**measures, began=table._clock.max(where=first), ended=end.cast("int64").max())
    for k in range(len(steps)):
        if has_clock:
            at, start, past = (_seconds(made[f"_{name}_{k}"]) for name in ("at", "from", "past"))
            made = made.mutate(**{f"seconds_{k}": at - start, f"gap_{k}": at - past})
    return made.drop(*(c for c in made.columns if c.startswith("_")))


def _seconds(time: Any) -> Any:
    """Whole seconds, which all engines give alike."""
    return time.truncate("s").epoch_seconds().cast("int64")


def _ordered(table: ir.Table, n_steps: int, group: list[str]) -> ir.Table:
    """`_start_k`: where the act is of step k, the latest beginning of a chain that ends with it.

    Later beginnings are never worse: whatever lies between is later than the beginning and no later than the act.
    """
    before = ibis.window(group_by=group, order_by="position", preceding=(None, 1))
    nothing = ibis.null(table._clock.type())
    table = table.mutate(_start_0=ibis.ifelse(table["_is_0"], table._clock, nothing), _past_0=nothing)
    for k in range(1, n_steps):
        came = ibis.ifelse(table[f"_start_{k - 1}"].notnull(), table._clock, nothing)
        table = table.mutate(_came=came)
        here = table[f"_is_{k}"]
        table = table.mutate(
            **{
                f"_start_{k}": ibis.ifelse(here, table[f"_start_{k - 1}"].max().over(before), nothing),
                f"_past_{k}": ibis.ifelse(here, table._came.max().over(before), nothing),
            }
        )
    return table


def _strict(table: ir.Table, n_steps: int, group: list[str]) -> ir.Table:
    ordered = ibis.window(group_by=group, order_by="position")
    nothing = ibis.null(table._clock.type())
    table = table.mutate(_start_0=ibis.ifelse(table["_is_0"], table._clock, nothing), _past_0=nothing)
    for k in range(1, n_steps):
        here, before = table[f"_is_{k}"], table[f"_start_{k - 1}"].lag().over(ordered)
        start = ibis.ifelse(here, before, nothing)
        past = ibis.ifelse(here & before.notnull(), table._clock.lag().over(ordered), nothing)
        table = table.mutate(**{f"_start_{k}": start, f"_past_{k}": past})
    return table


def _any_order(table: ir.Table, n_steps: int, group: list[str]) -> ir.Table:
    """`_start_k`: the earliest of the latest acts of steps 0 to k so far; null until all of them were done."""
    so_far = ibis.cumulative_window(group_by=group, order_by="position")
    nothing = ibis.null(table._clock.type())
    table = table.mutate(**{f"_here_{k}": ibis.ifelse(table[f"_is_{k}"], table._clock, nothing) for k in range(n_steps)})
    table = table.mutate(**{f"_last_{k}": table[f"_here_{k}"].max().over(so_far) for k in range(n_steps)})
    starts: dict[str, Any] = {}
    for k in range(n_steps):
        lasts = [table[f"_last_{j}"] for j in range(k + 1)]
        all_done = lasts[0].notnull()
        for last in lasts[1:]:
            all_done = all_done & last.notnull()
        starts[f"_start_{k}"] = ibis.ifelse(all_done, ibis.least(*lasts) if k else lasts[0], nothing)
        starts[f"_past_{k}"] = nothing
    return table.mutate(**starts)


def _users_of(sessions: ir.Table, n_steps: int, has_clock: bool) -> ir.Table:
    """One row a user: a step is reached where any session reaches it, timed where that is first."""
    if "session" not in sessions.columns:
        return sessions
    measures: dict[str, Any] = {"began": sessions.began.max(), "ended": sessions.ended.max()}
    for k in range(n_steps):
        place = sessions[f"position_{k}"]
        measures[f"reached_{k}"] = sessions[f"reached_{k}"].max()
        measures[f"position_{k}"] = place.min()
        if has_clock:
            for name in (f"seconds_{k}", f"gap_{k}"):
                measures[name] = sessions[name].argmin(place, where=place.notnull())
    return sessions.group_by("user_id").agg(**measures)


def _with_segment(t: Trail, units: ir.Table, column: str) -> ir.Table:
    segments = t.segments(column).rename(_user="user_id")
    return units.left_join(segments, units.user_id == segments["_user"]).drop("_user")


def _groups(
    rows: pa.Table, reached: Bool[np.ndarray, "U K"], segment: str | None, warnings: list[str]
) -> dict[str, Bool[np.ndarray, " U"]]:
    """Who is in each segment, those with most units at the first step first."""
    groups = {ALL: np.ones(len(reached), bool)}
    if segment is None:
        return groups
    coded = pc.fill_null(rows["segment"], "none").combine_chunks().dictionary_encode()
    names: list[str] = coded.dictionary.to_pylist()
    codes = coded.indices.to_numpy()
    begun = np.bincount(codes[reached[:, 0]], minlength=len(names))
    order = sorted(range(len(names)), key=lambda i: (-begun[i], names[i]))
    for i in order[:MAX_SEGMENTS]:
        groups[f"{names[i]} (segment)" if names[i] == ALL else names[i]] = codes == i
    if len(names) > MAX_SEGMENTS:
        warnings.append(
            say(
                "{n:,} segments; the {shown} with most users are shown",
                "共 {n:,} 个分群，仅列出用户最多的 {shown} 个",
                n=len(names),
                shown=MAX_SEGMENTS,
            )
        )
    return groups


def _later(times: pa.ChunkedArray, than: datetime) -> Bool[np.ndarray, " U"]:
    later: Bool[np.ndarray, " U"] = pc.fill_null(pc.greater(times, pa.scalar(than, times.type)), False).to_numpy()
    return later


def _share(n: int, of: int, confidence: float) -> tuple[float | None, float | None, float | None]:
    if not of:
        return None, None, None
    low, high = wilson(n, of, confidence)
    return n / of, float(low), float(high)


def _rows(
    name: str,
    steps: Steps,
    rows: pa.Table,
    reached: Bool[np.ndarray, "U K"],
    members: Bool[np.ndarray, " U"],
    still_open: Bool[np.ndarray, " U"],
    has_clock: bool,
    confidence: float,
) -> list[dict[str, Any]]:
    made = []
    for k in range(len(steps)):
        here = reached[:, k] & members
        n, n_first = int(here.sum()), int((reached[:, 0] & members).sum())
        previous = reached[:, k - 1] & members if k else here
        quartiles: list[float | None] = [None] * 3
        gap = None
        if k and n and has_clock:
            quartiles = [float(q) for q in np.quantile(_numbers(rows[f"seconds_{k}"], here), [0.25, 0.5, 0.75])]
            gaps = _numbers(rows[f"gap_{k}"], here)
            gap = float(np.median(gaps)) if len(gaps) else None
        n_open = int((previous & ~reached[:, k] & still_open).sum()) if k else 0
        n_previous = int(previous.sum()) if k else n
        first, share = _share(n, n_first, confidence), _share(n, n_previous, confidence)
        made.append(
            dict(
                zip(
                    SCHEMA,
                    (
                        name,
                        k + 1,
                        steps.names[k],
                        n,
                        n_first,
                        *first,
                        n_previous,
                        *share,
                        quartiles[1],
                        quartiles[0],
                        quartiles[2],
                        gap,
                        n_open,
                        n_open == 0,
                    ),
                    strict=True,
                )
            )
        )
    return made


def _numbers(column: pa.ChunkedArray, kept: Bool[np.ndarray, " U"]) -> Float64[np.ndarray, " N"]:
    chosen = column.filter(pa.array(kept)).drop_null()
    return chosen.to_numpy().astype(np.float64)


def _dropped(rows: pa.Table, reached: Bool[np.ndarray, "U K"], steps: Steps) -> pa.Table:
    """Who began and did not get through: the last step reached and the one that was not."""
    lost = reached[:, 0] & ~reached[:, -1]
    depth = reached.sum(axis=1)[lost]
    names = pa.array(steps.names, pa.string())
    columns: dict[str, Any] = {"user_id": rows["user_id"].filter(pa.array(lost))}
    if "session" in rows.column_names:
        columns["session"] = rows["session"].filter(pa.array(lost))
    columns |= {"reached": names.take(pa.array(depth - 1)), "dropped_at": names.take(pa.array(depth))}
    table = pa.table(columns)
    return table.sort_by([(name, "ascending") for name in columns if name in ("user_id", "session")])


def _unchained(rows: pa.Table, reached: Bool[np.ndarray, "U K"]) -> tuple[int, int]:
    """Units that did the last step, and those of them that did not come through the funnel."""
    ended = rows["ended"].to_numpy() == 1
    return int(ended.sum()), int((ended & ~reached[:, -1]).sum())


def _test(n: int, of: int, n_rest: int, of_rest: int) -> float | None:
    """The two-sided p-value of "both shares are the same"."""
    if not of or not of_rest:
        return None
    total, hits = of + of_rest, n + n_rest
    if min(of, of_rest) * min(hits, total - hits) < 5 * total:
        return float(fisher_exact([[n, of - n], [n_rest, of_rest - n_rest]]).pvalue)
    pooled = hits / total
    z = (n / of - n_rest / of_rest) / np.sqrt(pooled * (1 - pooled) * (1 / of + 1 / of_rest))
    return float(2 * norm.sf(abs(z)))


def _newcombe(n: int, of: int, n_rest: int, of_rest: int, confidence: float) -> tuple[float, float, float]:
    """The difference of two shares and its interval."""
    share, rest = n / of, n_rest / of_rest
    (low, low_rest), (high, high_rest) = wilson([n, n_rest], [of, of_rest], confidence)
    difference = share - rest
    below = np.hypot(share - low, high_rest - rest)
    above = np.hypot(high - share, rest - low_rest)
    return difference, float(difference - below), float(difference + above)


def _differences(
    steps: Steps, reached: Bool[np.ndarray, "U K"], groups: dict[str, Bool[np.ndarray, " U"]], count: str, confidence: float
) -> pa.Table:
    made: list[dict[str, Any]] = []
    for name, members in groups.items():
        for k in range(1, len(steps)):
            before, here = reached[:, k - 1], reached[:, k]
            of, n = int((before & members).sum()), int((here & members).sum())
            of_rest, n_rest = int((before & ~members).sum()), int((here & ~members).sum())
            gap: tuple[float | None, float | None, float | None] = (None, None, None)
            if of and of_rest:
                gap = _newcombe(n, of, n_rest, of_rest, confidence)
            p = _test(n, of, n_rest, of_rest) if count == "users" else None
            shares = (n / of if of else None), (n_rest / of_rest if of_rest else None)
            made.append(
                dict(
                    zip(
                        DIFFERENCES, (name, k + 1, steps.names[k], n, of, shares[0], n_rest, of_rest, shares[1], *gap, p, None), strict=True
                    )
                )
            )
    _adjust(made, benjamini_hochberg)
    return pa.Table.from_pylist(made, schema=pa.schema(list(DIFFERENCES.items())))


def _adjust(rows: list[dict[str, Any]], correct: Any) -> None:
    adjusted = correct([np.nan if row["p_value"] is None else row["p_value"] for row in rows])
    for row, q in zip(rows, adjusted, strict=True):
        row["q_value"] = None if np.isnan(q) else float(q)


def _weeks(t: Trail, chained: ir.Table, steps: Steps, confidence: float) -> pa.Table:
    """Conversion of the sessions that begin a chain in each calendar week (from Monday, UTC), against those of all other weeks.

    The test is that of two shares, its variance multiplied by the spread between weeks (at least 1): the squared deviations'
    median over that of chi-squared with one degree. Corrected by Holm over weeks and steps. Null with fewer than four weeks.
    """

    begun = chained.filter(chained.reached_0 == 1).mutate(week=ibis._.began.truncate("W").cast("date"))
    by_week = begun.group_by("week").agg(**{f"n_{k}": begun[f"reached_{k}"].sum().cast("int64") for k in range(len(steps))})
    rows = sorted(by_week.to_pyarrow().to_pylist(), key=lambda row: row["week"])
    made: list[dict[str, Any]] = []
    first, last = t.counts.first, t.counts.last
    assert first is not None
    assert last is not None
    for k in range(1, len(steps)):
        of = np.array([row[f"n_{k - 1}"] for row in rows], np.float64)
        n = np.array([row[f"n_{k}"] for row in rows], np.float64)
        rest, p = _against_others(n, of)
        low, high = wilson(n, of, confidence)
        for i, row in enumerate(rows):
            monday = datetime(row["week"].year, row["week"].month, row["week"].day)
            whole = first <= monday + timedelta(days=1) and last >= monday + timedelta(days=6)
            known = of[i] > 0
            values = (
                row["week"],
                k + 1,
                steps.names[k],
                int(n[i]),
                int(of[i]),
                n[i] / of[i] if known else None,
                float(low[i]) if known else None,
                float(high[i]) if known else None,
                None if np.isnan(rest[i]) else float(rest[i]),
                None if np.isnan(p[i]) else float(p[i]),
                None,
                whole,
            )
            made.append(dict(zip(WEEKS, values, strict=True)))
    _adjust(made, holm)
    return pa.Table.from_pylist(made, schema=pa.schema(list(WEEKS.items())))


def _against_others(
    n: Float64[np.ndarray, " W"], of: Float64[np.ndarray, " W"]
) -> tuple[Float64[np.ndarray, " W"], Float64[np.ndarray, " W"]]:
    """The share of all other weeks, and the p-value of each week."""
    others, others_n = of.sum() - of, n.sum() - n
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = np.where(others > 0, others_n / others, np.nan)
        pooled = n.sum() / of.sum() if of.sum() else np.nan
        z = (n / of - rest) / np.sqrt(pooled * (1 - pooled) * (1 / of + 1 / others))
    z[~np.isfinite(z) | (of < SMALL)] = np.nan
    usable = z[~np.isnan(z)]
    if len(usable) < 4:
        return rest, np.full(len(n), np.nan)
    spread = max(1.0, float(np.median(usable**2)) / 0.4549)  # the median of chi-squared with one degree of freedom
    return rest, 2 * norm.sf(np.abs(z) / np.sqrt(spread))


def _cells(overall: list[dict[str, Any]], unchained: tuple[int, int], count: str) -> tuple[Cell, ...]:
    unit = "share"
    cells = [Cell("step1.n", overall[0]["n"], "units")]
    for row in overall[1:]:
        k = row["step_number"]
        cells += [
            Cell(f"step{k}.n", row["n"], count, row["n_first"]),
            Cell(f"step{k}.from_previous", row["from_previous"], unit, row["n_previous"], row["low"], row["high"]),
            Cell(f"step{k}.from_first", row["from_first"], unit, row["n_first"], row["from_first_low"], row["from_first_high"]),
            Cell(
                f"step{k}.median_seconds",
                row["median_seconds"],
                "seconds",
                row["n"],
                row["quartile_1_seconds"],
                row["quartile_3_seconds"],
                "quartiles as low and high",
            ),
        ]
    n, outside = unchained
    low, high = wilson(outside, n) if n else (None, None)
    note = "did the last step without the funnel"
    cells.append(
        Cell(
            "outside",
            outside / n if n else None,
            "share",
            n,
            None if low is None else float(low),
            None if high is None else float(high),
            note,
        )
    )
    return tuple(cells)


def _chart(table: pa.Table, steps: Steps, segment: str | None) -> dict[str, Any]:
    rows = table.to_pylist()
    names = [f"{k + 1}. {name}" for k, name in enumerate(steps.names)]
    if segment is None:
        reached: Phrase = say("reached", "到达")
        texts = [f"{row['n']:,}" + ("" if row["from_first"] is None else f" · {row['from_first']:.1%}") for row in rows]
        values_name = say("reached, and the share of those at the first step", "到达数及其占第一步的比例")
        return bars(names, {reached: [row["n"] for row in rows]}, horizontal=True, y_name=values_name, texts=texts)
    series = {
        row["segment"]: [r["from_first"] for r in rows if r["segment"] == row["segment"]]
        for row in rows
        if row["step_number"] == 1 and row["segment"] != ALL
    }
    return bars(names, series, format="share", x_name=say("step", "步骤"), y_name=say("share of the first step", "占第一步的比例"))


def _who(count: str) -> Phrase:
    return say("users", "用户") if count == "users" else say("sessions", "会话")


def _definition(order: str, within: str, hours: float, count: str, t: Trail) -> Phrase:
    how = {
        "ordered": say("each step later than the one before, whatever lies between", "各步须先后发生，中间可有其他行为"),
        "strict": say("each step right after the one before, nothing between", "各步须紧接前一步，中间不得有其他行为"),
        "any": say("all steps up to this one, in whatever order", "该步及之前各步均已发生，顺序不限"),
    }[order]
    where = {
        "session": say("within one session ({rule})", "在同一会话内（{rule}）", rule=t.session_rule),
        "window": say(
            "within {hours:g} hours of the act of the first step; every such act may begin a chain",
            "自第一步起 {hours:g} 小时内；每次第一步都可作为起点",
            hours=hours,
        ),
        "history": say("within a user's whole history", "在用户全部历史内"),
    }[within]
    who = _who(count)
    return say(
        "{who} that reach each step: {how}; {where}. Conversion is of those at the step before and of those at "
        "the first, with Wilson intervals. "
        "Time to convert runs from the beginning of the shortest chain that ends with the first act that reaches the step.",
        "到达每一步的{who}：{how}；{where}。转化率分别以前一步与第一步为分母，附 Wilson 区间。转化用时："
        "以首次到达该步的行为为终点，取最短链条的起点起算。",
        who=who,
        how=how,
        where=where,
    )


Borne = tuple[Finding, tuple[Cell, ...]]
"""A finding, and the cells that it says which are not cells of the funnel itself."""


def _strange_week(weeks: pa.Table, steps: Steps) -> list[Borne]:
    """The week that is furthest from the others, by a quarter at least, corrected for the weeks and steps it was chosen from."""
    rows = weeks.to_pylist()
    strange = [
        row
        for row in rows
        if row["q_value"] is not None and row["q_value"] < 0.01 and row["n_previous"] >= SMALL and row["from_previous_rest"]
        and abs(np.log(max(row["from_previous"], 1e-9) / row["from_previous_rest"])) > np.log(1.25)
    ]  # fmt: skip
    if not strange:
        return []
    row = min(strange, key=lambda row: (row["p_value"], row["week"]))
    total = sum(other["n_previous"] for other in rows if other["step_number"] == row["step_number"])
    text = say(
        "In the week of {week:%Y-%m-%d}, {share:.0%} [{low:.0%}, {high:.0%}] of {n:,} sessions "
        "went on from {before} to {step}, against {rest:.0%} in the other weeks.",
        "{week:%Y-%m-%d} 起的一周内，{n:,} 个会话中有 {share:.0%}（区间 "
        "{low:.0%}–{high:.0%}）从 {before} 走到 {step}，其余各周为 {rest:.0%}。",
        week=row["week"], share=row["from_previous"], low=row["low"], high=row["high"], n=row["n_previous"],
        before=steps.names[row["step_number"] - 2], step=row["step"], rest=row["from_previous_rest"],
    )  # fmt: skip
    cells = (
        Cell("strange_week.from_previous", row["from_previous"], "share", row["n_previous"], row["low"], row["high"], str(row["week"])),
        Cell("strange_week.rest", row["from_previous_rest"], "share", total - row["n_previous"], note="all other weeks"),
    )
    weight = min(1.0, row["n_previous"] / total * abs(row["from_previous"] / row["from_previous_rest"] - 1) * 4)
    return [(Finding("finding", text, tuple(cell.id for cell in cells), row["q_value"], weight), cells)]


def _strange_segment(differences: pa.Table, steps: Steps, begun: int) -> list[Borne]:
    """The segment whose difference from the others moves most users, corrected for the segments and steps it was chosen from."""
    marked = [
        row
        for row in differences.to_pylist()
        if row["q_value"] is not None and row["q_value"] < 0.05 and min(row["n_previous"], row["n_previous_rest"]) >= SMALL
    ]
    if not marked:
        return []
    row = min(marked, key=lambda row: (-abs(row["difference"]) * row["n_previous"], row["segment"]))
    text = say(
        "Of the {n:,} {segment} users at {before}, {share:.1%} go on to {step}, against {rest:.1%} "
        "of the others: {points:+.1f} points [{low:+.1f}, {high:+.1f}].",
        "在 {before} 的 {n:,} 位 {segment} 用户中，{share:.1%} 继续到 {step}，其他用户为 "
        "{rest:.1%}：相差 {points:+.1f} 个百分点（区间 {low:+.1f} 至 {high:+.1f}）。",
        n=row["n_previous"], segment=row["segment"], before=steps.names[row["step_number"] - 2], step=row["step"],
        share=row["from_previous"], rest=row["from_previous_rest"],
        points=100 * row["difference"], low=100 * row["low"], high=100 * row["high"],
    )  # fmt: skip
    cells = (
        Cell("segment.from_previous", row["from_previous"], "share", row["n_previous"], note=row["segment"]),
        Cell("segment.rest", row["from_previous_rest"], "share", row["n_previous_rest"], note="all others"),
        Cell("segment.difference", row["difference"], "share", row["n_previous"], row["low"], row["high"], row["segment"]),
    )
    weight = min(1.0, row["n_previous"] / begun * abs(row["difference"]) * 2)
    return [(Finding("finding", text, tuple(cell.id for cell in cells), row["q_value"], weight), cells)]


def _doubts(overall: list[dict[str, Any]], unchained: tuple[int, int], steps: Steps, within: str, count: str) -> list[Borne]:
    """Where the funnel does not see how most came to its last step, and where its windows were still open."""
    found: list[Borne] = []
    n, outside = unchained
    if n >= SMALL and outside / n > 0.2:
        where = {
            "session": say("within one session", "在同一会话内"),
            "window": say("within the window", "在窗口期内"),
            "history": say("in that order", "按此顺序"),
        }[within]
        text = say(
            "{share:.0%} of the {n:,} {who} with a {step} did not come through {before} {where}: the funnel does not see their way.",
            "在 {n:,} 个有 {step} 的{who}中，{share:.0%} 并未{where}经过 {before}：漏斗看不到他们的路径。",
            share=outside / n, n=n, who=_who(count), step=steps.names[-1], before=" → ".join(steps.names[:-1]), where=where,
        )  # fmt: skip
        found.append((Finding("doubt", text, ("outside",), None, outside / n), ()))
    worst = max(overall[1:], key=lambda row: row["n_open"])
    if worst["n_previous"] >= SMALL and worst["n_open"] > 0.1 * worst["n_previous"]:
        k = worst["step_number"]
        text = say(
            "{n:,} of {of:,} {who} at {before} had not gone on to {step} when the log ended, and still "
            "had time to: the conversion of {share:.0%} is a lower bound.",
            "日志结束时，{before} 的 {of:,} 个{who}中有 {n:,} 个尚未到 {step} 但窗口未到期：{share:.0%} 的转化率只是下限。",
            n=worst["n_open"], of=worst["n_previous"], who=_who(count), before=steps.names[k - 2], step=worst["step"],
            share=worst["from_previous"],
        )  # fmt: skip
        cell = Cell(f"step{k}.n_open", worst["n_open"], count, worst["n_previous"])
        found.append((Finding("doubt", text, (cell.id, f"step{k}.from_previous"), None, worst["n_open"] / worst["n_previous"]), (cell,)))
    return found
