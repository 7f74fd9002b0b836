"""The trail of one user: sessions, categories over time, repeats, where interest changed, and what others do next from there."""

from __future__ import annotations

from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from jaxtyping import Float64, Int64

from footpath.analysis.charts import bars
from footpath.analysis.periods import PERIODS, Period, period_of, period_start
from footpath.analysis.trail import Trail, following, trail
from footpath.errors import DataError, NotInLogError
from footpath.events.log import EventLog
from footpath.result import Cell, Result, say
from footpath.statistics import seeded, wilson

MOST_ACTS: Final = 2_000
"""Acts in which changes are looked for, the latest ones."""
FEWEST_ACTS: Final = 10
"""On each side of a change."""
LEVEL: Final = 0.05
SCHEMA: Final = {
    "position": pa.int64(), "timestamp": pa.timestamp("us"), "session": pa.int64(), "step": pa.int64(), "event_type": pa.string(),
    "item_id": pa.string(), "title": pa.string(), "label": pa.string(), "category": pa.string(), "repeat": pa.bool_(),
}  # fmt: skip


def user_timeline(log: EventLog | Trail, user_id: str, *, permutations: int = 499, seed: int = 0, confidence: float = 0.95) -> Result:
    """All acts of one user in order, with what they add up to.

    `repeat`: the user has met the item before; null for acts without one. The repeat share is of acts with an item.
    parts: `sessions`; `categories`, acts by period and category (or label, where items have none); `drift`, places where the mix of
    categories changes more than it does when the user's sessions are shuffled (likelihood ratio, binary segmentation, at least 10 acts
    on each side, among the latest 2,000); `next_steps`, what all users do next after this user's last label: the odds of first order,
    as `transitions` counts them.
    Raises DataError for a user who is not in the log, with the closest ids. Scott and Knott, Biometrics 1974 (binary segmentation).
    """
    t = trail(log)
    definition = say(
        "All acts of user {user} in order. Repeat: an item met before. Drift: a change of the mix of categories that shuffling the user's "
        "sessions seldom gives (p < 0.05). Next steps: of all acts of all users with the last label that are followed by another.",
        "用户 {user} 的全部行为（按先后）。重复：此前已接触过的物品。偏移点：类别构成的变化大于打乱会话所得（p < 0.05）。"
        "下一步：以全体用户中该标签且其后还有行为者为分母。",
        user=user_id,
    )  # fmt: skip

    def mine(acts: ir.Table) -> ir.Table:
        kept = acts.filter(acts.user_id == user_id)
        return kept.select("position", "timestamp", "session", "step", "event_type", "item_id", "label")

    rows, query = t.compute(mine)
    if not rows.num_rows:
        _check_known(t, user_id)
        return t.nothing("user_timeline", definition, say("no acts of this user are left", "该用户没有剩余的行为"), SCHEMA)
    rows = rows.sort_by("position")
    table, named = _table(t, rows)
    acts = table.to_pylist()
    sessions = _sessions(acts, t.has_sessions, t.log.has_clock)
    drift = _drift(acts, permutations, seed)
    last = acts[-1]["label"]
    steps, open_share, n_last, steps_query = _next_steps(t, last, confidence)
    with_item = [row for row in acts if row["repeat"] is not None]
    repeats = sum(row["repeat"] for row in with_item)
    cells = [
        Cell("acts", len(acts), "acts"),
        Cell("items", len({row["item_id"] for row in with_item}), "items"),
        Cell("last.label", last),
        Cell("drift.points", drift.num_rows, "changes", len(acts)),
    ]
    if t.has_sessions:
        cells.append(Cell("sessions", sessions.num_rows, "sessions"))
    if t.log.has_clock:
        cells += [Cell("first", str(acts[0]["timestamp"]), "UTC"), Cell("last", str(acts[-1]["timestamp"]), "UTC")]
    if with_item:
        low, high = wilson(repeats, len(with_item), confidence)
        cells.append(Cell("repeat.share", repeats / len(with_item), "share", len(with_item), float(low), float(high)))
    if open_share is not None:
        cells.append(Cell("ends.share", open_share, "share", n_last, note="of acts with the last label, those that end a session"))
    cells += [
        Cell(f"next{rank}.probability", row["probability"], "share", row["n_from"], row["low"], row["high"], row["label"])
        for rank, row in enumerate(steps.slice(0, 3).to_pylist(), 1)
    ]
    warnings = []
    if len(acts) > MOST_ACTS:
        warnings.append(say("changes are looked for in the latest {n:,} acts", "仅在最近 {n:,} 次行为中寻找偏移点", n=MOST_ACTS))
    if not named:
        warnings.append(say("the items have no categories; labels stand for them", "物品没有类别，以步骤标签代替"))
    if not steps.num_rows:
        warnings.append(say("no {label} is followed by an act in the same session", "{label} 之后同一会话内没有其他行为", label=last))
    categories, chart = _categories(acts, t.log.has_clock)
    meta = t.meta(definition, warnings=warnings, user_id=user_id, seed=seed, permutations=permutations)
    parts = {"sessions": sessions, "categories": categories, "drift": drift, "next_steps": steps}
    return Result("user_timeline", table, meta, tuple(cells), chart, parts, (), {"acts": query, "next_steps": steps_query})


def _check_known(t: Trail, user_id: str) -> None:
    table = t.log.table
    if int(table.filter(table.user_id == user_id).count().to_pyarrow().as_py()):
        return
    users = table.select("user_id").distinct()
    near = users.mutate(distance=users.user_id.levenshtein(user_id).cast("int64"))
    near = near.order_by(near.distance, near.user_id).limit(3)
    close = [row["user_id"] for row in near.to_pyarrow().to_pylist() if row["distance"] <= max(1, (len(user_id) + 1) // 2)]
    shown = close or [row["user_id"] for row in users.order_by("user_id").limit(3).to_pyarrow().to_pylist()]
    hint = (
        f"close are: {', '.join(map(repr, shown))}" if close else f"ids look like {', '.join(map(repr, shown)) or 'nothing: it is empty'}"
    )
    raise DataError(f"no user {user_id!r} in log {t.log.name!r}; {hint}")


def _table(t: Trail, rows: pa.Table) -> tuple[pa.Table, bool]:
    """The acts with titles, categories and repeats; whether items have categories."""
    items = rows["item_id"].to_pylist()
    known = sorted({item for item in items if item is not None})
    titles = t.titles(known)
    try:
        found = t.categories()
        found = found.filter(found.item_id.isin(known)) if known else found.limit(0)
        category = {row["item_id"]: row["category"] for row in found.to_pyarrow().to_pylist()}
        named = True
    except NotInLogError:
        category, named = {}, False
    met: set[str] = set()
    repeat: list[bool | None] = []
    for item in items:
        repeat.append(None if item is None else item in met)
        met |= set() if item is None else {item}
    labels = rows["label"].to_pylist()
    columns: dict[str, Any] = {
        **{name: rows[name].combine_chunks().cast(SCHEMA[name]) for name in ("position", "timestamp", "session", "step", "event_type")},
        "item_id": items,
        "title": [None if item is None else titles[item] for item in items],
        "label": labels,
        "category": [category.get(item) for item in items] if named else labels,
        "repeat": repeat,
    }
    made = {name: columns[name] if isinstance(columns[name], pa.Array) else pa.array(columns[name], SCHEMA[name]) for name in SCHEMA}
    return pa.table(made), named


def _sessions(acts: list[dict[str, Any]], has_sessions: bool, has_clock: bool) -> pa.Table:
    grouped: dict[int, list[dict[str, Any]]] = {}
    for row in acts:
        grouped.setdefault(row["session"], []).append(row)
    kinds = {"session": pa.int64(), "begin": pa.timestamp("us"), "seconds": pa.float64(), "acts": pa.int64(), "items": pa.int64()}
    rows = [
        {
            "session": session,
            "begin": mine[0]["timestamp"],
            "seconds": (mine[-1]["timestamp"] - mine[0]["timestamp"]).total_seconds() if has_clock else None,
            "acts": len(mine),
            "items": len({row["item_id"] for row in mine} - {None}),
        }
        for session, mine in grouped.items()
        if has_sessions
    ]
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})


def _categories(acts: list[dict[str, Any]], has_clock: bool) -> tuple[pa.Table, dict[str, Any] | None]:
    """Acts by period (of time, else tenths of the acts) and category, most frequent first; and their chart."""
    period: Period = "day"
    if has_clock:
        span = (acts[-1]["timestamp"] - acts[0]["timestamp"]).days
        period = "day" if span <= 31 else "week" if span <= 400 else "month"
    size = max(1, -(-len(acts) // 10))
    counted: dict[tuple[Any, str], int] = {}
    for i, row in enumerate(acts):
        if row["category"] is None:
            continue
        at = period_of(row["timestamp"].date(), period) if has_clock else i // size
        counted[at, row["category"]] = counted.get((at, row["category"]), 0) + 1
    totals: dict[str, int] = {}
    of_period: dict[Any, int] = {}
    for (at, name), n in counted.items():
        totals[name] = totals.get(name, 0) + n
        of_period[at] = of_period.get(at, 0) + n
    order = sorted(totals, key=lambda name: (-totals[name], name))
    keys = sorted(counted, key=lambda key: (key[0], order.index(key[1])))
    begin = [period_start(at, period).isoformat() if has_clock else str(at * size) for at, _ in keys]
    table = pa.table(
        {
            "begin": pa.array(begin, pa.string()),
            "category": pa.array([name for _, name in keys], pa.string()),
            "n": pa.array([counted[key] for key in keys], pa.int64()),
            "share": pa.array([counted[key] / of_period[key[0]] for key in keys], pa.float64()),
        }
    )
    if not counted:
        return table, None
    periods = sorted(of_period)
    names = [period_start(at, period).isoformat() if has_clock else str(at * size) for at in periods]
    series: dict[str, Any] = {name: [counted.get((at, name), 0) for at in periods] for name in order[:8]}
    if len(order) > 8:
        rest = {at: sum(counted.get((at, name), 0) for name in order[8:]) for at in periods}
        series[say("others", "其他")] = [rest[at] for at in periods]
    x_name = say("{period} from", "{period}起始", period=PERIODS[period]) if has_clock else say("acts from number", "自第几次行为起")
    return table, bars(names, series, stacked=True, x_name=x_name, y_name=say("acts", "行为数"))


def _drift(acts: list[dict[str, Any]], permutations: int, seed: int) -> pa.Table:
    """Where the mix of categories changes, by binary segmentation; sessions are what is shuffled."""
    kept = [(i, row) for i, row in enumerate(acts) if row["category"] is not None][-MOST_ACTS:]
    totals: dict[str, int] = {}
    for _, row in kept:
        totals[row["category"]] = totals.get(row["category"], 0) + 1
    names = sorted(totals, key=lambda name: (-totals[name], name))
    code = {name: min(place, 20) for place, name in enumerate(names)}  # the 20 most frequent, and the rest as one
    codes = np.array([code[row["category"]] for _, row in kept], np.int64)
    sessions = np.array([row["session"] for _, row in kept], np.int64)
    found: list[tuple[int, float, float, int, int]] = []
    if len(set(codes.tolist())) > 1 and permutations:
        _split(codes, sessions, 0, len(codes), permutations, seeded(seed), found)
    rows = []
    for at, statistic, p, begin, end in sorted(found):
        before, after = (np.bincount(part, minlength=21) / len(part) for part in (codes[begin:at], codes[at:end]))
        gap = after - before
        shown = [*names[:20], "(other)"]
        rows.append(
            {
                "position": kept[at][1]["position"],
                "timestamp": kept[at][1]["timestamp"],
                "statistic": statistic,
                "p_value": p,
                "n_before": at - begin,
                "n_after": end - at,
                "more": shown[int(np.argmax(gap))],
                "more_before": float(before[np.argmax(gap)]),
                "more_after": float(after[np.argmax(gap)]),
                "less": shown[int(np.argmin(gap))],
                "less_before": float(before[np.argmin(gap)]),
                "less_after": float(after[np.argmin(gap)]),
            }
        )
    kinds = {
        "position": pa.int64(), "timestamp": pa.timestamp("us"), "statistic": pa.float64(), "p_value": pa.float64(), "n_before": pa.int64(),
        "n_after": pa.int64(), "more": pa.string(), "more_before": pa.float64(), "more_after": pa.float64(), "less": pa.string(),
        "less_before": pa.float64(), "less_after": pa.float64(),
    }  # fmt: skip
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})


def _split(
    codes: Int64[np.ndarray, " A"],
    sessions: Int64[np.ndarray, " A"],
    begin: int,
    end: int,
    permutations: int,
    rng: np.random.Generator,
    found: list[tuple[int, float, float, int, int]],
) -> None:
    part, of_part = codes[begin:end], sessions[begin:end]
    if len(part) < 2 * FEWEST_ACTS:
        return
    observed = _ratios(part)
    best = int(np.argmax(observed))
    bar = observed[best] * (1 - 1e-9)
    blocks = np.split(part, np.flatnonzero(np.diff(of_part)) + 1)
    if len(blocks) < 4:  # too few ways to shuffle
        return
    extreme = 0
    for _ in range(permutations):
        extreme += bool(_ratios(np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])).max() >= bar)
    p = (1 + extreme) / (1 + permutations)
    if p >= LEVEL:
        return
    at = begin + FEWEST_ACTS + best
    found.append((at, float(observed[best]), p, begin, end))
    _split(codes, sessions, begin, at, permutations, rng, found)
    _split(codes, sessions, at, end, permutations, rng, found)


def _ratios(codes: Int64[np.ndarray, " A"]) -> Float64[np.ndarray, " S"]:
    """Twice the gain in log-likelihood of two mixes over one, for each place with at least ten acts on both sides."""
    width = int(codes.max()) + 1
    upto = np.cumsum(np.eye(width)[codes], axis=0)
    left = upto[FEWEST_ACTS - 1 : len(codes) - FEWEST_ACTS]
    right = upto[-1] - left

    def likelihood(counts: Float64[np.ndarray, "S C"]) -> Float64[np.ndarray, " S"]:
        n = counts.sum(axis=1, keepdims=True)
        return (counts * np.log(np.maximum(counts, 1) / n)).sum(axis=1)

    return 2 * (likelihood(left) + likelihood(right) - likelihood(upto[-1:]))


def _next_steps(t: Trail, label: str, confidence: float) -> tuple[pa.Table, float | None, int, ir.Table]:
    """What follows a label in all trails; the share of its acts that end a session; how many acts have it."""

    def steps(acts: ir.Table) -> ir.Table:
        found = following(acts)
        found = found.filter(found.label == label)
        return found.group_by("next_label").agg(n=found.count().cast("int64"), n_users=found.user_id.nunique().cast("int64"))

    def overall(acts: ir.Table) -> ir.Table:
        found = following(acts)
        found = found.filter(found.next_label.notnull())
        return found.group_by("next_label").agg(n=ibis._.count().cast("int64"))

    rows, query = t.compute(steps)
    told = rows.to_pylist()
    ends = sum(row["n"] for row in told if row["next_label"] is None)
    told = sorted((row for row in told if row["next_label"] is not None), key=lambda row: (-row["n"], row["next_label"]))
    n_from, n_all = sum(row["n"] for row in told), sum(row["n"] for row in told) + ends
    everywhere = {row["next_label"]: row["n"] for row in t.compute(overall)[0].to_pylist()} if told else {}
    total = sum(everywhere.values())
    low, high = wilson([row["n"] for row in told], [n_from] * len(told), confidence)
    kinds = {
        "label": pa.string(), "n": pa.int64(), "n_users": pa.int64(), "n_from": pa.int64(), "probability": pa.float64(),
        "low": pa.float64(), "high": pa.float64(), "lift": pa.float64(),
    }  # fmt: skip
    made = [
        {
            "label": row["next_label"],
            "n": row["n"],
            "n_users": row["n_users"],
            "n_from": n_from,
            "probability": row["n"] / n_from,
            "low": float(low[i]),
            "high": float(high[i]),
            "lift": row["n"] / n_from / (everywhere[row["next_label"]] / total),
        }
        for i, row in enumerate(told)
    ]
    table = pa.table({name: pa.array([row[name] for row in made], kind) for name, kind in kinds.items()})
    return table, ends / n_all if t.has_sessions and n_all else None, n_all, query
