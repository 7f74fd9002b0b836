"""Days and weeks that are not like the others, in counts and in conversions, and what makes up most of the gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float64
from scipy.special import bdtr, bdtrc, stdtr

from footpath.analysis.charts import lines
from footpath.analysis.trail import Trail, main_categories, trail
from footpath.errors import ConfigError, NotInLogError, did_you_mean
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, benjamini_hochberg, wilson

RUN_DAYS: Final = 7
NEAR_WEEKS: Final = 4
TAIL: Final = 12
"""Degrees of freedom of the t distribution of deviations: counts of days have heavier tails than the normal."""
CONVERSIONS: Final = (("view", "cart"), ("click", "cart"), ("cart", "purchase"), ("view", "purchase"), ("click", "purchase"))
EXPLAINED: Final = 3
MAX_VALUES: Final = 20
SCHEMA: Final = {
    "metric": pa.string(),
    "span": pa.string(),
    "start": pa.date32(),
    "end": pa.date32(),
    "n": pa.int64(),
    "observed": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "expected": pa.float64(),
    "relative": pa.float64(),
    "z": pa.float64(),
    "p_value": pa.float64(),
    "q_value": pa.float64(),
    "anomalous": pa.bool_(),
    "complete": pa.bool_(),
}
CONTRIBUTORS: Final = {
    "metric": pa.string(),
    "start": pa.date32(),
    "end": pa.date32(),
    "dimension": pa.string(),
    "value": pa.string(),
    "n": pa.int64(),
    "observed": pa.float64(),
    "expected": pa.float64(),
    "gap": pa.float64(),
    "gap_share": pa.float64(),
    "base_share": pa.float64(),
}


@dataclass(frozen=True)
class Metric:
    """A count a period, or (with `under`) a share: of sessions with `under`, those with a later `top`."""

    name: str
    top: str
    under: str | None = None

    @property
    def is_rate(self) -> bool:
        return self.under is not None

    @property
    def said(self) -> Phrase:
        if self.under is not None:
            return say("{under}-to-{top} conversion", "{under} 到 {top} 的转化率", under=self.under, top=self.top)
        named = {"acts": say("acts", "行为数"), "users": say("users", "用户数"), "sessions": say("sessions", "会话数")}
        return named.get(self.name) or say("acts of type {top}", "{top} 次数", top=self.top)


@dataclass(frozen=True, eq=False)
class Tested:
    """One metric over spans of periods: `start` and `end` are places on the grid, the end included."""

    metric: Metric
    span: str
    start: np.ndarray
    end: np.ndarray
    n: Float64[np.ndarray, " T"]
    observed: Float64[np.ndarray, " T"]
    expected: Float64[np.ndarray, " T"]
    z: Float64[np.ndarray, " T"]
    p: Float64[np.ndarray, " T"]


def anomalies(
    log: EventLog | Trail,
    *,
    period: Literal["day", "week"] = "day",
    metrics: Sequence[str] | None = None,
    level: float = 0.01,
) -> Result:
    """Counts and conversions of each day (or week) against what the others let expect, and runs of seven days that stand out together.

    metrics: `acts`, `users`, `sessions`, an event type, or a conversion such as `cart_to_purchase` (sessions with a cart and a later
    purchase, on the day on which they begin); all of them without it. Counts are expected to be the median of the same weekday within
    four weeks either way, and deviate as days usually do (median absolute deviation, at least Poisson's; t with 12 degrees of freedom).
    Conversions are held against all other periods: exact binomial test, and a z test with the spread between periods; the larger p counts.
    Runs stand only where the run without its most extreme day does too. anomalous: q < level (Benjamini-Hochberg over everything tested).
    A first or last day that the log does not cover is not complete and its counts are not tested.
    parts: `contributors`: of each of the three strongest, what share of the gap each category, type, policy and segment makes up, beside
    the share of all acts (or sessions) it usually has. Raises NotInLogError without a clock, ConfigError for unknown options.
    """
    t = trail(log)
    t.need_clock("finding anomalies")
    if period not in ("day", "week"):
        raise ConfigError(f"period must be day or week, got {period!r}{did_you_mean(str(period), ('day', 'week'))}")
    if not 0 < level < 1:
        raise ConfigError(f"level must be between 0 and 1, got {level:g}")
    definition = _definition(period, level)
    if not t.counts.acts:
        return t.nothing("anomalies", definition, say("no acts are left after the filters", "筛选后没有任何行为"), SCHEMA)
    chosen = _metrics(t, metrics)
    rows, query = t.compute(partial(_by_day, metrics=chosen))
    grid, columns, complete = _grid(t, rows, chosen, period)
    tested = []
    for metric in chosen:
        tested += _test(metric, columns, complete, period)
    table, picked = _table(tested, grid, complete, level, period)
    contributors = _contributors(t, picked)
    warnings = _warnings(t, grid, complete, period)
    return Result(
        "anomalies",
        table,
        t.meta(definition, warnings=warnings, period=period, level=level, metrics=[m.name for m in chosen]),
        _cells(table, picked),
        _chart(table, chosen, picked, period),
        {"contributors": contributors},
        tuple(_findings(picked, contributors)),
        {"periods": query},
    )


def _definition(period: str, level: float) -> Phrase:
    return say(
        "counts and conversions by {period} (UTC); a conversion is the share of sessions beginning then with the first act that also have "
        "the second later. Counts are expected to be the median of the same weekday within four weeks either way, conversions the share of "
        "all other {period}s; anomalous: q < {level:g} over everything tested",
        "按{period}（UTC）统计的行为数与转化率；转化率为当期开始且含前一行为的会话中其后也有后一行为的比例。计数的期望为前后四周内星期几相同的各日的"
        "中位数，转化率的期望为其余各{period}的比例；q < {level:g}（对全部检验校正）视为异常",
        period=Phrase(period, {"day": "日", "week": "周"}[period]),
        level=level,
    )


def _metrics(t: Trail, names: Sequence[str] | None) -> list[Metric]:
    known = {name: Metric(name, name) for name in ("acts", "users", "sessions")}
    if len(t.types) > 1:
        known |= {name: Metric(name, name) for name in t.types}
    if t.has_sessions:
        known |= {f"{a}_to_{b}": Metric(f"{a}_to_{b}", b, a) for a, b in CONVERSIONS if a in t.types and b in t.types}
    if names is None:
        return list(known.values())
    chosen = []
    for name in [names] if isinstance(names, str) else names:
        first, to, then = name.partition("_to_")
        if to and t.has_sessions and first in t.types and then in t.types and first != then:
            chosen.append(Metric(name, then, first))
        elif name in known or name in t.types:
            chosen.append(known.get(name, Metric(name, name)))
        else:
            raise ConfigError(f"no metric {name!r}; known are {', '.join(known)}{did_you_mean(name, known)}")
    if not chosen:
        raise ConfigError("metrics needs at least one name, got none")
    return chosen


def _sessions(acts: ir.Table, metric: Metric, value: bool = False) -> ir.Table:
    """Sessions that hold the first act of a conversion: when they begin (`began`), whether they convert (`k`)."""
    under = acts.event_type == metric.under
    made: dict[str, Any] = {
        "began": acts.timestamp.min(),
        "_first": acts.position.min(where=under),
        "_last": acts.position.max(where=acts.event_type == metric.top),
    }
    if value:
        made["value"] = acts._value.argmin(acts.position, where=under)
    found = acts.group_by(["user_id", "session"]).agg(**made)
    found = found.filter(found._first.notnull())
    return found.mutate(k=(found._last > found._first).fill_null(False).cast("int64"))


def _by_day(acts: ir.Table, metrics: Sequence[Metric]) -> ir.Table:
    """`metric`, `day`, `k`, `n`: counts in k; of conversions, sessions in n and converted ones in k."""
    parts = []
    dated = acts.mutate(day=acts.timestamp.date())
    for metric in metrics:
        if metric.is_rate:
            found = _sessions(acts, metric)
            found = found.mutate(day=found.began.date())
            counted = found.group_by("day").agg(k=found.k.sum().cast("int64"), n=found.count())
        else:
            kept, measure = _counted(dated, metric)
            counted = kept.group_by("day").agg(k=measure.cast("int64")).mutate(n=ibis.literal(0, "int64"))
        parts.append(counted.select("day", "k", "n", metric=ibis.literal(metric.name)))
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def _counted(acts: ir.Table, metric: Metric) -> tuple[ir.Table, Any]:
    if metric.name == "acts":
        return acts, acts.count()
    if metric.name == "users":
        return acts, acts.user_id.nunique()
    kept = acts.filter(acts.step == 0) if metric.name == "sessions" else acts.filter(acts.event_type == metric.top)
    return kept, kept.count()


def _grid(
    t: Trail, rows: pa.Table, metrics: Sequence[Metric], period: str
) -> tuple[list[date], dict[str, tuple[np.ndarray, np.ndarray]], Bool[np.ndarray, " P"]]:
    """The first day of each period, (k, n) of each metric on it, and whether the log covers the whole of it."""
    first, last = t.counts.first, t.counts.last
    assert first is not None
    assert last is not None
    size = 1 if period == "day" else 7
    begin = first.date() - timedelta(days=first.weekday() if period == "week" else 0)
    n = (last.date() - begin).days // size + 1
    grid = [begin + timedelta(days=size * i) for i in range(n)]
    columns = {metric.name: (np.zeros(n), np.zeros(n)) for metric in metrics}
    for row in rows.to_pylist():
        place = (row["day"] - begin).days // size
        columns[row["metric"]][0][place] += row["k"]
        columns[row["metric"]][1][place] += row["n"]
    complete = np.ones(n, bool)
    # a log of dates has no hours, and its days are whole
    dates_only = first.time() == last.time() == time(0) and t.acts.timestamp.time().nunique().to_pyarrow().as_py() == 1
    covered = (first if not dates_only else datetime.combine(first.date(), time(0)), last + timedelta(days=1) if dates_only else last)
    if covered[0] > datetime.combine(grid[0], time(1)):
        complete[0] = False
    if covered[1] < datetime.combine(grid[-1], time(23)) + timedelta(days=size - 1):
        complete[-1] = False
    return grid, columns, complete


def _test(metric: Metric, columns: dict[str, tuple[np.ndarray, np.ndarray]], complete: Bool[np.ndarray, " P"], period: str) -> list[Tested]:
    k, n = columns[metric.name]
    places = np.arange(len(k))
    if metric.is_rate:
        expected, z, p = _rates(k, n)
        made = [Tested(metric, period, places, places, n, _share(k, n), expected, z, p)]
        return made + (_rate_runs(metric, k, n) if period == "day" else [])
    expected = _expected(k, complete, period)
    known = ~np.isnan(expected) & complete
    residual = np.where(known, (k - expected) / np.sqrt(np.maximum(expected, 1.0)), np.nan)
    spread = _spread(residual)
    z = residual / spread
    made = [Tested(metric, period, places, places, k, k, expected, z, _tails(z))]
    return made + (_count_runs(metric, k, expected, known, spread) if period == "day" else [])


def _expected(k: Float64[np.ndarray, " P"], complete: Bool[np.ndarray, " P"], period: str) -> Float64[np.ndarray, " P"]:
    """The median of the same weekday (or of the weeks) nearby; NaN where fewer than three of them are known."""
    step = 7 if period == "day" else 1
    away = np.concatenate([np.arange(-NEAR_WEEKS, 0), np.arange(1, NEAR_WEEKS + 1)]) * step
    padded = np.pad(np.where(complete, k, np.nan), NEAR_WEEKS * step, constant_values=np.nan)
    near = np.sort(padded[np.arange(len(k))[:, None] + NEAR_WEEKS * step + away], axis=1)  # unknown ones last
    known = np.count_nonzero(~np.isnan(near), axis=1)
    rows, middle = np.arange(len(k)), np.maximum(known - 1, 0)
    return np.where(known >= 3, (near[rows, middle // 2] + near[rows, (middle + 1) // 2]) / 2, np.nan)


def _spread(z: Float64[np.ndarray, " P"]) -> float:
    known = np.abs(z[~np.isnan(z)])
    return max(1.0, 1.4826 * float(np.median(known))) if len(known) else 1.0


def _spreads_apart(z: Float64[np.ndarray, " R"], days: int) -> Float64[np.ndarray, " R"]:
    """The spread of all values but those fewer than `days` places away, for each place: one sort serves them all."""
    size = np.abs(z)
    order = np.argsort(size, kind="stable")  # NaN last
    n_known = int(np.count_nonzero(~np.isnan(size)))
    if not n_known:
        return np.ones(len(z))
    rank = np.empty(len(z), np.int64)
    rank[order] = np.arange(len(z))
    rank[np.isnan(size)] = len(z)
    close = np.pad(rank, days - 1, constant_values=len(z))
    left_out = np.sort(np.lib.stride_tricks.sliding_window_view(close, 2 * days - 1), axis=1)  # (R, 2 days - 1)
    left = n_known - np.count_nonzero(left_out < len(z), axis=1)
    lower, upper = np.maximum(left - 1, 0) // 2, left // 2
    for place in range(left_out.shape[1]):  # the middle of what is left: one further for each left out at or before it
        lower += left_out[:, place] <= lower
        upper += left_out[:, place] <= upper
    values = np.append(size[order], np.nan)
    middle = (values[np.minimum(lower, len(z))] + values[np.minimum(upper, len(z))]) / 2
    return np.where(left > 0, np.maximum(1.0, 1.4826 * np.where(left > 0, middle, 0.0)), 1.0)


def _tails(z: Float64[np.ndarray, " P"]) -> Float64[np.ndarray, " P"]:
    return 2 * stdtr(TAIL, -np.abs(z))


def _share(k: Float64[np.ndarray, " P"], n: Float64[np.ndarray, " P"]) -> Float64[np.ndarray, " P"]:
    return np.divide(k, n, out=np.full(len(k), np.nan), where=n > 0)


def _rates(
    k: Float64[np.ndarray, " T"], n: Float64[np.ndarray, " T"], totals: tuple[float, float] | None = None, spread: Any = None
) -> tuple[Float64[np.ndarray, " T"], Float64[np.ndarray, " T"], Float64[np.ndarray, " T"]]:
    """The share of all others, z over the spread between spans, and p; NaN where a span or the others hold nothing."""
    all_k, all_n = totals or (float(k.sum()), float(n.sum()))
    rest = _share(all_k - k, all_n - n)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = n * rest * (1 - rest) * (1 + n / (all_n - n))
        z = np.where((n > 0) & (variance > 0), (k - n * rest) / np.sqrt(variance), np.nan)
    if spread is None:
        usual = z[(n >= 5) & ~np.isnan(z)]
        spread = _spread(usual) if len(usual) >= 5 else 1.0
    z = z / spread
    p = np.full(len(k), np.nan)
    known = ~np.isnan(z)
    below = bdtr(k[known], n[known].astype(int), rest[known])
    above = np.where(k[known] > 0, bdtrc(np.maximum(k[known] - 1, 0), n[known].astype(int), rest[known]), 1.0)
    exact = np.minimum(1.0, 2 * np.minimum(below, above))
    p[known] = np.maximum(exact, 2 * stdtr(10 * TAIL, -np.abs(z[known])))
    return rest, z, p


def _windows(values: np.ndarray, days: int) -> np.ndarray:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return sums[days:] - sums[:-days]


def _rate_runs(metric: Metric, k: Float64[np.ndarray, " P"], n: Float64[np.ndarray, " P"]) -> list[Tested]:
    days = RUN_DAYS
    if len(k) < 3 * days:
        return []
    tops, unders = _windows(k, days), _windows(n, days)
    totals = float(k.sum()), float(n.sum())
    starts = np.arange(len(tops))
    spread = np.ones(len(tops))
    enough = np.flatnonzero(unders >= 5)
    for i in np.flatnonzero(unders > 0):
        # how runs that share no day with this one scatter around what is left without it: a bad week does not hide itself
        left = (totals[0] - tops[i]) / max(totals[1] - unders[i], 1.0)
        apart = enough[np.abs(enough - i) >= days]
        if 0 < left < 1 and len(apart) >= days:
            spread[i] = _spread((tops[apart] - unders[apart] * left) / np.sqrt(unders[apart] * left * (1 - left)))
    rest, z, p = _rates(tops, unders, totals, spread)
    gaps = k - n * np.repeat(totals[0] / max(totals[1], 1), len(k))
    for i in np.flatnonzero(p < 0.05):
        day = i + int(np.argmax(np.sign(z[i]) * gaps[i : i + days]))
        kept = np.array([tops[i] - k[day]]), np.array([unders[i] - n[day]])
        one_less = _rates(*kept, (totals[0] - k[day], totals[1] - n[day]), spread[i])
        if not (one_less[2][0] < 0.05 and np.sign(one_less[1][0]) == np.sign(z[i])):
            p[i] = 1.0
    return [Tested(metric, "run", starts, starts + days - 1, unders, _share(tops, unders), rest, z, p)]


def _count_runs(
    metric: Metric, k: Float64[np.ndarray, " P"], expected: Float64[np.ndarray, " P"], known: Bool[np.ndarray, " P"], spread: float
) -> list[Tested]:
    days = RUN_DAYS
    if len(k) < 5 * days:
        return []
    gaps, sizes = np.where(known, k - expected, 0.0), np.where(known, np.maximum(expected, 1.0), 0.0)
    whole = _windows(known.astype(float), days) == days
    gap, size = _windows(gaps, days), _windows(sizes, days)
    z = np.where(whole, gap / np.sqrt(np.maximum(size, 1.0)), np.nan)
    starts = np.arange(len(gap))
    z = z / np.maximum(spread, _spreads_apart(z, days))
    p = _tails(z)
    for i in np.flatnonzero(p < 0.05):
        own = gaps[i : i + days]
        worst = i + int(np.argmax(np.sign(z[i]) * own))
        left = (gap[i] - gaps[worst]) / np.sqrt(max(size[i] - sizes[worst], 1.0)) / spread
        if not (_tails(np.array([left]))[0] < 0.05 and np.sign(left) == np.sign(z[i])):
            p[i] = 1.0
    observed = _windows(k, days)
    return [Tested(metric, "run", starts, starts + days - 1, observed, observed, np.where(whole, observed - gap, np.nan), z, p)]


def _table(
    tested: list[Tested], grid: list[date], complete: Bool[np.ndarray, " P"], level: float, period: str
) -> tuple[pa.Table, list[dict[str, Any]]]:
    """All periods, and of runs those that stand out, none overlapping another of its metric; and the anomalies, strongest first."""
    q_values = benjamini_hochberg(np.concatenate([part.p for part in tested])) if tested else np.zeros(0)
    size = timedelta(days=(1 if period == "day" else 7) - 1)
    rows, picked, at = [], [], 0
    for part in tested:
        q = q_values[at : at + len(part.p)]
        at += len(part.p)
        low, high = wilson(np.rint(part.observed * part.n), part.n) if part.metric.is_rate else (part.n, part.n)
        order = list(range(len(part.p)))
        taken: set[int] = set()
        if part.span == "run":
            order = [int(i) for i in np.lexsort((part.start, part.p)) if q[i] < level]
        for i in order:
            covered = set(range(int(part.start[i]), int(part.end[i]) + 1))
            if part.span == "run" and covered & taken:
                continue
            taken |= covered
            row = {
                "metric": part.metric.name, "span": part.span, "start": grid[part.start[i]], "end": grid[part.end[i]] + size,
                "n": round(part.n[i]), "observed": _none(part.observed[i]),
                "low": float(low[i]) if part.metric.is_rate and part.n[i] else None,
                "high": float(high[i]) if part.metric.is_rate and part.n[i] else None,
                "expected": _none(part.expected[i]),
                "relative": part.observed[i] / part.expected[i] - 1 if part.expected[i] > 0 and part.n[i] > 0 else None,
                "z": _none(part.z[i]), "p_value": _none(part.p[i]), "q_value": _none(q[i]), "anomalous": bool(q[i] < level),
                "complete": all(bool(complete[j]) for j in covered),
            }  # fmt: skip
            rows.append(row)
            if row["anomalous"]:
                picked.append(row | {"said": part.metric})
    picked.sort(key=lambda row: (row["p_value"], row["span"] != "run", row["metric"], row["start"]))
    return pa.Table.from_pylist(rows, schema=pa.schema(list(SCHEMA.items()))), picked


def _none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _warnings(t: Trail, grid: list[date], complete: Bool[np.ndarray, " P"], period: str) -> list[Phrase]:
    warnings = []
    for place, name in ((0, say("first", "首")), (len(grid) - 1, say("last", "末"))):
        if not complete[place] and (place or len(grid) > 1 or name == "first"):
            warnings.append(
                say(
                    "the {name} {period} ({day}) is not complete: its counts are not tested",
                    "{name}{period}（{day}）不完整，其计数不做检验",
                    name=name, period=Phrase(period, {"day": "日", "week": "周"}[period]), day=f"{grid[place]:%Y-%m-%d}",
                )
            )  # fmt: skip
    if len(grid) < (28 if period == "day" else 4):
        warnings.append(
            say(
                "the log spans {n} {period}s: counts need at least four weeks to be expected from the same weekday",
                "日志仅覆盖 {n} 个{period}：按相同的星期几推算计数期望至少需要四周",
                n=len(grid), period=Phrase(period, {"day": "日", "week": "周"}[period]),
            )
        )  # fmt: skip
    return warnings


def _dimensions(t: Trail) -> list[str]:
    """What a gap may be made up of: type, category, policy and small columns of the user table."""
    found = ["event_type"] if len(t.types) > 1 else []
    if main_categories(t.log) is not None:
        found.append("category")
    if "policy" in t.acts.columns:
        found.append("policy")
    if t.log.users is not None:
        columns = [c for c in t.log.users.columns if c != "user_id"]
        sizes = t.log.users.aggregate(**{c: t.log.users[c].nunique() for c in columns}).to_pyarrow().to_pylist()[0] if columns else {}
        found += [c for c in columns if 2 <= (sizes[c] or 0) <= MAX_VALUES][:EXPLAINED]
    return found


def _valued(t: Trail, acts: ir.Table, dimension: str) -> ir.Table:
    """The acts with `_value`, what they are along a dimension."""
    if dimension in ("event_type", "policy"):
        return acts.mutate(_value=acts[dimension].cast("string").fill_null("none"))
    if dimension == "category":
        found = main_categories(t.log)
        assert found is not None
        lookup = found.select(_key=found.item_id, _value=found.category)
        joined = acts.left_join(lookup, acts.item_id == lookup._key).drop("_key")
        return joined.mutate(_value=joined._value.fill_null("none"))
    given = replace(t, acts=acts).segments(dimension)
    named = given.select(_key=given.user_id, _value=given.segment)
    return acts.join(named, acts.user_id == named._key).drop("_key")


def _contributors(t: Trail, picked: list[dict[str, Any]]) -> pa.Table:
    rows: list[dict[str, Any]] = []
    dimensions = _dimensions(t) if picked else []
    first, last = t.counts.first, t.counts.last
    assert first is not None
    assert last is not None
    days = (last.date() - first.date()).days + 1
    for anomaly in picked[:EXPLAINED]:
        metric: Metric = anomaly["said"]
        begin = ibis.literal(datetime.combine(anomaly["start"], time(0)), type="timestamp")
        end = ibis.literal(datetime.combine(anomaly["end"] + timedelta(days=1), time(0)), type="timestamp")
        width = (anomaly["end"] - anomaly["start"]).days + 1
        for dimension in dimensions:
            if dimension == "event_type" and (metric.is_rate or metric.name not in ("acts", "users", "sessions")):
                continue
            try:
                valued = _valued(t, t.acts, dimension)
            except NotInLogError:
                continue
            if metric.is_rate:
                found = _sessions(valued, metric, value=True)
                inside = ((found.began >= begin) & (found.began < end)).cast("int64")
                made = found.group_by([found.value.name("value"), inside.name("inside")]).agg(
                    k=found.k.sum().cast("int64"), n=found.count()
                )
            else:
                inside = ((valued.timestamp >= begin) & (valued.timestamp < end)).cast("int64")
                kept, measure = _counted(valued.mutate(inside=inside, value=valued._value), metric)
                made = kept.group_by(["value", "inside"]).agg(k=measure.cast("int64")).mutate(n=ibis.literal(0, "int64"))
            rows += _gaps(anomaly, dimension, made.to_pyarrow().to_pylist(), metric.is_rate, width / max(1, days - width))
    return pa.Table.from_pylist(rows, schema=pa.schema(list(CONTRIBUTORS.items())))


def _gaps(anomaly: dict[str, Any], dimension: str, found: list[dict[str, Any]], is_rate: bool, scale: float) -> list[dict[str, Any]]:
    """What each value adds to the gap; of a conversion, sessions that converted less what its own usual share lets expect."""
    by = {(row["value"], row["inside"]): (row["k"], row["n"]) for row in found}
    nothing = (0, 0)
    made = []
    for value in sorted({value for value, _ in by}):
        (k, n), (rest_k, rest_n) = by.get((value, 1), nothing), by.get((value, 0), nothing)
        if is_rate:
            usual = rest_k / rest_n if rest_n else None
            expected, base, shown = (n * usual if usual is not None else 0.0), n, (k / n if n else None, usual)
        else:
            expected = rest_k * scale
            n, base, shown = k, expected, (k, expected)
        made.append((value, n, k - expected, base, shown))
    gap, total = sum(row[2] for row in made), sum(row[3] for row in made)
    made.sort(key=lambda row: (-(row[2] / gap) if gap else 0.0, row[0]))
    return [
        {
            "metric": anomaly["metric"], "start": anomaly["start"], "end": anomaly["end"], "dimension": dimension, "value": value, "n": n,
            "observed": shown[0], "expected": shown[1], "gap": own, "gap_share": own / gap if gap else None,
            "base_share": base / total if total else None,
        }
        for value, n, own, base, shown in made[:MAX_VALUES]
    ]  # fmt: skip


def _id(row: dict[str, Any]) -> str:
    return f"{row['metric']}.{row['start']}" + (f"_{row['end']}" if row["end"] != row["start"] else "")


def _cells(table: pa.Table, picked: list[dict[str, Any]]) -> tuple[Cell, ...]:
    cells = [
        Cell("tested", sum(p is not None for p in table["p_value"].to_pylist()), "tests"),
        Cell("anomalies", len(picked), "spans"),
    ]
    for row in picked[:20]:
        unit = "share" if row["said"].is_rate else row["metric"] if row["metric"] in ("acts", "users", "sessions") else "acts"
        n = max(row["n"], round(row["expected"] or 0)) if not row["said"].is_rate else row["n"]
        cells.append(Cell(_id(row), row["observed"], unit, n, row["low"], row["high"]))
        cells.append(Cell(f"{_id(row)}.expected", row["expected"], unit, n))
    return tuple(cells)


def _chart(table: pa.Table, metrics: list[Metric], picked: list[dict[str, Any]], period: str) -> dict[str, Any] | None:
    rates_first = sorted(picked, key=lambda row: not row["said"].is_rate)
    metric = rates_first[0]["said"] if rates_first else metrics[0]
    rows = [row for row in table.to_pylist() if row["metric"] == metric.name and row["span"] == period]
    if not rows:
        return None
    series = {metric.said: [row["observed"] for row in rows]}
    if any(row["expected"] is not None for row in rows):
        series[say("expected", "期望值")] = [row["expected"] for row in rows]
    bands = {metric.said: ([row["low"] for row in rows], [row["high"] for row in rows])} if metric.is_rate else None
    return lines(
        [str(row["start"]) for row in rows], series, bands=bands, format="share" if metric.is_rate else "count",
        x_name=Phrase(period, {"day": "日", "week": "周"}[period]), y_name=metric.said,
    )  # fmt: skip


def _findings(picked: list[dict[str, Any]], contributors: pa.Table) -> list[Finding]:
    explained = contributors.to_pylist()
    strong = [
        row for row in picked
        if row["relative"] is not None and abs(row["relative"]) >= 0.2 and row["expected"] is not None
        and (row["n"] >= SMALL if row["said"].is_rate else max(row["n"], row["expected"]) >= SMALL)
    ]  # fmt: skip
    # of what happens at the same time one is said: conversions first, then the wider span
    strong.sort(key=lambda row: (not row["said"].is_rate, row["span"] != "run", row["p_value"], row["metric"], row["start"]))
    found: list[Finding] = []
    told: list[tuple[bool, date, date]] = []
    for row in strong:
        rate = row["said"].is_rate
        if any(kind == rate and start <= row["end"] and row["start"] <= end for kind, start, end in told):
            continue
        told.append((rate, row["start"], row["end"]))
        text = _sentence(row, _main_part(explained, row))
        weight = min(1.0, abs(row["relative"])) * (0.9 if rate else 0.6) * (1.0 if row["span"] == "run" else 0.7)
        found.append(Finding("finding", text, (_id(row), f"{_id(row)}.expected"), row["p_value"], weight))
    return found[:3]


def _main_part(explained: list[dict[str, Any]], anomaly: dict[str, Any]) -> dict[str, Any] | None:
    """The value that makes up half of the gap or more, and far more than its usual share."""
    own = [
        row for row in explained
        if (row["metric"], row["start"], row["end"]) == (anomaly["metric"], anomaly["start"], anomaly["end"]) and row["n"] >= SMALL
        and row["gap_share"] is not None and row["base_share"] is not None
        and row["gap_share"] >= 0.5 and row["gap_share"] >= 1.5 * row["base_share"] and row["value"] != "none"
    ]  # fmt: skip
    return max(own, key=lambda row: (row["gap_share"] - row["base_share"], row["value"]), default=None)


def _sentence(row: dict[str, Any], part: dict[str, Any] | None) -> Phrase:
    one = row["start"] == row["end"]
    when = (
        say("On {start}", "{start}", start=row["start"]) if one
        else say("From {start} to {end}", "{start} 至 {end}", start=row["start"], end=row["end"])
    )  # fmt: skip
    if row["said"].is_rate:
        text = say(
            "{when} the {metric} was {observed:.1%} [{low:.1%}, {high:.1%}] of {n:,} sessions, {expected:.1%} at other times",
            "{when}，{metric}为 {observed:.1%} [{low:.1%}, {high:.1%}]（{n:,} 个会话），其余时间为 {expected:.1%}",
            when=when, metric=row["said"].said, observed=row["observed"], low=row["low"], high=row["high"], n=row["n"],
            expected=row["expected"],
        )  # fmt: skip
    else:
        text = say(
            "{when} there were {observed:,.0f} {metric} where {expected:,.0f} were to be expected",
            "{when}，{metric}为 {observed:,.0f}，而期望为 {expected:,.0f}",
            when=when, metric=row["said"].said, observed=row["observed"], expected=row["expected"],
        )  # fmt: skip
    if part is None:
        return text
    return say(
        "{text}; {share:.0%} of the gap is {dimension} {value}, usually {base:.0%}",
        "{text}；其中 {dimension} {value} 占差额的 {share:.0%}（平时占 {base:.0%}）",
        text=text, share=min(1.0, part["gap_share"]), dimension=part["dimension"].replace("_", " "), value=part["value"],
        base=part["base_share"],
    )  # fmt: skip
