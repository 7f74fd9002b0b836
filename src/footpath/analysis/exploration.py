"""Exploration against repeat consumption: when people go back to what they had, and when they try something new.

Anderson, Kumar, Tomkins, Vassilvitskii, The dynamics of repeat consumption, WWW 2014 (doi:10.1145/2566486.2568018).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from footpath.analysis import charts
from footpath.analysis.trail import Trail, trail
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import paired_difference, seeded, wilson

NTH: Final = (1, 2, 3, 4, 5, 10, 20, 50, 100)
"""Upper ends of the classes of nth consumption; one more class holds the rest."""
SINCE_DAYS: Final = (1 / 24, 1.0, 7.0, 30.0)
SINCE_STEPS: Final = (5, 20, 50, 200)
LONG: Final = 20
"""Consumptions that a user needs for the comparison of the two halves of their history."""
MAX_PAIRED: Final = 5_000
"""Users drawn for that comparison where more have as many."""
_SCHEMA: Final = {
    "nth": pa.string(), "n": pa.int64(), "n_users": pa.int64(), "n_repeats": pa.int64(), "share": pa.float64(),
    "low": pa.float64(), "high": pa.float64(),
}  # fmt: skip
_DEFINITION: Final = say(
    "A consumption is an act on an item, consecutive acts of a user on one item being one. It is a repeat where the user had the item "
    "before, and exploration where not. Shares are over all nth consumptions of all users; users with long histories alone stand behind "
    "large n.",
    "一次消费指对某物品的一次行为，用户对同一物品的连续行为计为一次。若用户此前消费过该物品，则为重复消费，否则为探索。"
    "占比的分母为所有用户的第 n 次消费；n 较大时仅含历史较长的用户。",
)


def exploration(log: EventLog | Trail, *, event_types: Sequence[str] | None = None, seed: int = 0) -> Result:
    """The share of repeats by nth consumption, new categories along the way, and the time since the last consumption of the same item.

    event_types: what counts as consumption; all of the trail by default.
    Parts: `since_last` (repeats by the time, or without a clock by the consumptions, since the last one of the item), `categories` (share
    of consumptions in a category that is new to the user, by nth consumption; where items have categories), `users` (repeat share of each
    half of a user's history, users with 20 consumptions or more). Raises NotInLogError for a log without items.
    """
    t = trail(log) if event_types is None else trail(log, event_types=event_types)
    if not t.counts.acts:
        return t.nothing("exploration", _DEFINITION, say("no acts are left after the filters", "筛选后没有任何行为"), _SCHEMA)
    t.need_items("exploration")
    runs, lazy = _consumed(t.acts).cache(), _consumed(t.lazy)
    by_nth, query = _by_nth(runs).to_pyarrow(), _by_nth(lazy)
    classes = _classes(NTH)
    table = _shares(by_nth, classes, "n_repeats", "share")
    since_of = _since_days if t.log.has_clock else _since_steps
    since = since_of(runs).to_pyarrow()
    halves = _halves(runs).to_pyarrow().sort_by("user_id")
    parts = {"since_last": _since_last(t, since), "users": _user_shares(halves)}
    queries = {"by_nth": query, "since_last": since_of(lazy), "halves": _halves(lazy)}
    categories = _with_categories(t)
    if categories is not None:
        rows, queries["categories"] = categories
        parts["categories"] = _shares(rows, classes, "n_new", "share")
    n = int(np.sum(by_nth["n"].to_numpy()))
    repeats = int(np.sum(by_nth["n_repeats"].to_numpy()))
    cells, findings = _cells(halves, n, repeats, parts["since_last"], seed)
    names = table["nth"].to_pylist()
    rows = list(zip(table["share"].to_pylist(), table["low"].to_pylist(), table["high"].to_pylist(), strict=True))
    series: dict[str, Any] = {say("repeat share", "重复消费占比"): rows}
    if "categories" in parts:
        new = parts["categories"]
        series[say("in a category new to the user", "用户首次接触的类别占比")] = list(
            zip(new["share"].to_pylist(), new["low"].to_pylist(), new["high"].to_pylist(), strict=True)
        )
    x_name = say("which consumption of a user, from the first on", "用户的第几次消费")
    y_name = say("share of consumptions", "占消费次数的比例")
    chart = charts.intervals(names, series, horizontal=False, x_name=y_name, y_name=x_name) if n else None
    return Result("exploration", table, t.meta(_DEFINITION, seed=seed), cells, chart, parts, findings, queries)


def _consumed(acts: ir.Table) -> ir.Table:
    """One row a consumption: `nth` (from 1) of the user, `again` (0 or 1), and what was before."""
    acts = acts.filter(acts.item_id.notnull())
    ordered = ibis.window(group_by="user_id", order_by="position")
    acts = acts.mutate(_former=acts.item_id.lag().over(ordered))
    runs = acts.filter(acts._former.isnull() | (acts._former != acts.item_id))
    runs = runs.mutate(nth=(ibis.row_number().over(ordered) + 1).cast("int64"))
    of_item = ibis.window(group_by=["user_id", "item_id"], order_by="position")
    return runs.mutate(
        again=(ibis.row_number().over(of_item) > 0).cast("int64"),
        last_time=runs.timestamp.lag().over(of_item),
        last_nth=runs.nth.lag().over(of_item),
    )


def _class_of(value: ir.Value, ends: Sequence[float]) -> ir.Value:
    branches = [(value <= end, ibis.literal(place, "int64")) for place, end in enumerate(ends)]
    return ibis.cases(*branches, else_=ibis.literal(len(ends), "int64"))


def _by_nth(runs: ir.Table) -> ir.Table:
    runs = runs.mutate(place=_class_of(runs.nth, NTH))
    return runs.group_by("place").agg(n=runs.count(), n_users=runs.user_id.nunique(), n_repeats=runs.again.sum().cast("int64"))


def _since_days(runs: ir.Table) -> ir.Table:
    repeats = runs.filter(runs.again == 1)
    seconds = repeats.timestamp.epoch_seconds() - repeats.last_time.epoch_seconds()
    repeats = repeats.mutate(place=_class_of(seconds, [round(days * 86_400) for days in SINCE_DAYS]))
    return repeats.group_by("place").agg(n=repeats.count(), n_users=repeats.user_id.nunique())


def _since_steps(runs: ir.Table) -> ir.Table:
    repeats = runs.filter(runs.again == 1)
    repeats = repeats.mutate(place=_class_of(repeats.nth - repeats.last_nth, SINCE_STEPS))
    return repeats.group_by("place").agg(n=repeats.count(), n_users=repeats.user_id.nunique())


def _halves(runs: ir.Table) -> ir.Table:
    """Repeats in each half of the histories that are long enough; the middle consumption of an odd number is in the second."""
    sized = runs.mutate(total=runs.nth.max().over(ibis.window(group_by="user_id")))
    sized = sized.filter(sized.total >= LONG)
    early = (2 * sized.nth <= sized.total).cast("int64")
    return sized.group_by("user_id").agg(
        n=sized.count(),
        n_early=early.sum().cast("int64"),
        repeats_early=(early * sized.again).sum().cast("int64"),
        repeats=sized.again.sum().cast("int64"),
    )


def _with_categories(t: Trail) -> tuple[pa.Table, ir.Table] | None:
    """Consumptions by nth class and how many are in a category new to the user; consumptions without a category do not count."""
    if t.log.items is None or not {"category", "attributes"} & set(t.log.items.columns):
        return None
    labelled = trail(t, by="category")

    def build(acts: ir.Table) -> ir.Table:
        runs = _consumed(acts)
        known = runs.filter(runs.label != "none")
        of_category = ibis.window(group_by=["user_id", "label"], order_by="position")
        known = known.mutate(new=(ibis.row_number().over(of_category) == 0).cast("int64"), place=_class_of(known.nth, NTH))
        return known.group_by("place").agg(n=known.count(), n_users=known.user_id.nunique(), n_new=known.new.sum().cast("int64"))

    return labelled.compute(build)


def _classes(ends: Sequence[int]) -> list[str]:
    names, begin = [], 1
    for end in ends:
        names.append(f"{end}" if end == begin else f"{begin}-{end}")
        begin = end + 1
    return [*names, f"{begin}+"]


def _shares(rows: pa.Table, classes: Sequence[str], count: str, share: str) -> pa.Table:
    rows = rows.sort_by("place")
    n, k = rows["n"].to_numpy().astype(np.int64), rows[count].to_numpy().astype(np.int64)
    low, high = wilson(k, n)
    return pa.table(
        {
            "nth": pa.array([classes[place] for place in rows["place"].to_pylist()], pa.string()),
            "n": n,
            "n_users": rows["n_users"].to_numpy().astype(np.int64),
            count: k,
            share: k / n,
            "low": np.atleast_1d(low),
            "high": np.atleast_1d(high),
        }
    )


def _since_last(t: Trail, rows: pa.Table) -> pa.Table:
    if t.log.has_clock:
        names = ["1 hour or less", "1 hour to 1 day", "1 to 7 days", "7 to 30 days", "more than 30 days"]
    else:
        ends = ["1", *(str(end + 1) for end in SINCE_STEPS)]
        names = [f"{a} to {b} consumptions" for a, b in zip(ends, SINCE_STEPS, strict=False)] + [f"{ends[-1]} consumptions or more"]
    counted = {row["place"]: row for row in rows.to_pylist()}
    n = np.array([counted.get(place, {}).get("n", 0) for place in range(len(names))], np.int64)
    users = np.array([counted.get(place, {}).get("n_users", 0) for place in range(len(names))], np.int64)
    total = int(n.sum())
    low, high = wilson(n, np.full(len(n), total))
    shares = [int(k) / total if total else None for k in n]
    return pa.table(
        {
            "since_last": names,
            "n_repeats": n,
            "n_users": users,
            "n": np.full(len(n), total),
            "share": pa.array(shares, pa.float64()),
            "low": pa.array([float(x) if total else None for x in low], pa.float64()),
            "high": pa.array([float(x) if total else None for x in high], pa.float64()),
        }
    )


def _user_shares(halves: pa.Table) -> pa.Table:
    n, n_early = (halves[name].to_numpy().astype(np.float64) for name in ("n", "n_early"))
    repeats, early = (halves[name].to_numpy().astype(np.float64) for name in ("repeats", "repeats_early"))
    return pa.table(
        {
            "user_id": halves["user_id"],
            "n": halves["n"],
            "repeat_share": repeats / n,
            "repeat_share_first_half": early / n_early,
            "repeat_share_second_half": (repeats - early) / (n - n_early),
        }
    )


def _cells(halves: pa.Table, n: int, repeats: int, since: pa.Table, seed: int) -> tuple[tuple[Cell, ...], tuple[Finding, ...]]:
    low, high = wilson(repeats, n)
    cells = [Cell("repeat_share", repeats / n if n else None, "share", n, float(low) if n else None, float(high) if n else None)]
    findings: list[Finding] = []
    shares = since["share"].to_pylist()
    if repeats:
        cells += [Cell(f"since_last_{place}", share, "share", repeats) for place, share in enumerate(shares)]
    if halves.num_rows < 2:
        return tuple(cells), ()
    of_users = _user_shares(halves)
    first, second = (of_users[f"repeat_share_{half}_half"].to_numpy() for half in ("first", "second"))
    drawn = np.sort(seeded(seed).permutation(len(first))[:MAX_PAIRED])
    first, second = first[drawn], second[drawn]
    gap = paired_difference(second, first, resamples=500, permutations=1_999, seed=seed)
    n_users = len(first)
    cells += [
        Cell("repeat_share_first_half", float(first.mean()), "share", n_users),
        Cell("repeat_share_second_half", float(second.mean()), "share", n_users),
        Cell("change", gap.difference, "share", n_users, gap.low, gap.high),
    ]
    if n_users >= 30 and gap.p_value < 0.05 and abs(gap.difference) >= 0.02 and repeats >= 30:
        way: Phrase = say("more", "更多") if gap.difference > 0 else say("less", "更少")
        text = say(
            "Users go back to what they know {way} as they go on: repeats are {first:.1%} of the first half of a history and {second:.1%} "
            "of the second ({gap:+.1f} points [{low:+.1f}, {high:+.1f}], {n:,} users).",
            "用户越往后重复消费{way}：历史前半段的重复占比为 {first:.1%}，后半段为 {second:.1%}"
            "（变化 {gap:+.1f} 个百分点 [{low:+.1f}, {high:+.1f}]，{n:,} 位用户）。",
            way=way, first=first.mean(), second=second.mean(), gap=100 * gap.difference, low=100 * gap.low, high=100 * gap.high,
            n=n_users,
        )  # fmt: skip
        ids = ("repeat_share_first_half", "repeat_share_second_half", "change")
        findings.append(Finding("finding", text, ids, gap.p_value, float(min(1.0, abs(gap.difference)))))
    return tuple(cells), tuple(findings)
