"""Frequency: how often each item (or event) is met, how unequal that is, and how much of the table of users and items is empty."""

from __future__ import annotations

from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from jaxtyping import Float64, Int64

from footpath.analysis.charts import lines
from footpath.analysis.trail import Trail, trail
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import gini, quantile_of, seeded, wilson

MOST_PAIRS: Final = 500_000
"""Pairs of user and label beyond which intervals are not drawn: a bootstrap over them would take longer than the rest together."""
SCHEMA: Final = {
    "rank": pa.int64(), "label": pa.string(), "title": pa.string(), "n": pa.int64(), "n_users": pa.int64(), "share": pa.float64(),
    "cumulative_share": pa.float64(),
}  # fmt: skip


def frequency(log: EventLog | Trail, *, by: str | None = None, resamples: int = 200, seed: int = 0, confidence: float = 0.95) -> Result:
    """Acts and users of each item or event, most first; Gini coefficient, share of the top, sparsity, users and items met once.

    by: a column, `category`, `brand`, `item_id` ...; without it `item_id` where the log has items, else what its steps are called.
    Acts without the label are left out and said. `half.labels`: how many of the most frequent make half of the acts. `sparsity`: share of
    pairs of a user and a label that never occur. `once.share`: users with one act of any kind, with a label or without.
    Intervals: the estimate plus and minus 1.96 standard errors of a bootstrap over users, for up to 500,000 pairs; one of percentiles
    would be off, since rare labels drop out of a resample.
    parts: `lorenz` (share of labels, least frequent first, and their share of acts), `users` (users by number of acts), `event_types`.
    """
    t = trail(log)
    if by is None and t.counts.items:
        by = "item_id"
    t = t if by is None else trail(t, by=by)
    what = say("item", "物品") if t.by == ("item_id",) else say("value of {by}", "{by} 的取值", by=" / ".join(t.by))
    definition = say(
        "Acts of each {what}, and users with such an act. Share: of all acts with one. Gini: 0 where all are met as often, near 1 where "
        "few have everything. Sparsity: pairs of user and {what} that never occur, of all pairs.",
        "每个{what}的行为数及有此行为的用户数。占比以含该字段的全部行为为分母。基尼系数：0 表示频次均等，接近 1 表示集中于少数。"
        "稀疏度：从未出现的用户与{what}组合占全部组合的比例。",
        what=what,
    )
    has_label = t.by == ("item_id",)

    def named(acts: ir.Table) -> ir.Table:
        return acts.filter(acts.item_id.notnull()) if has_label else acts

    def counted(acts: ir.Table) -> ir.Table:
        kept = named(acts)
        return kept.group_by("label").agg(n=kept.count().cast("int64"), n_users=kept.user_id.nunique().cast("int64"))

    rows, query = t.compute(counted)
    if not rows.num_rows:
        return t.nothing("frequency", definition, say("no act is left to count", "没有可统计的行为"), SCHEMA)
    rows = rows.sort_by([("n", "descending"), ("label", "ascending")])
    n = rows["n"].to_numpy().astype(np.int64)
    by_user, _ = t.compute(_acts_of_users)
    by_user = by_user.sort_by("acts")
    pairs = int(rows["n_users"].to_numpy().sum())
    users, labels, acts = int(by_user["n_users"].to_numpy().sum()), len(n), int(n.sum())
    with_label = int(named(t.acts).user_id.nunique().to_pyarrow().as_py())
    figures = _figures(n)
    errors = _errors(t, named, rows["label"].to_pylist(), resamples, seed) if pairs <= MOST_PAIRS and users > 1 else {}
    z = quantile_of(confidence)
    titles = t.titles(rows["label"].to_pylist()[:1000]) if has_label else {}
    table = pa.table(
        {
            "rank": pa.array(np.arange(1, labels + 1)),
            "label": rows["label"].cast(pa.string()),
            "title": pa.array([titles.get(label, label) for label in rows["label"].to_pylist()], pa.string()),
            "n": rows["n"],
            "n_users": rows["n_users"],
            "share": n / acts,
            "cumulative_share": np.cumsum(n) / acts,
        }
    )
    once = int(by_user["n_users"].to_numpy()[by_user["acts"].to_numpy() == 1].sum())
    low, high = wilson(once, users, confidence)
    cells = [Cell("labels", labels, "labels"), Cell("acts", acts, "acts"), Cell("users", users, "users")]
    for name, (value, unit, count) in figures.items():
        half = z * errors[name] if name in errors else None
        bounds = (
            (None, None) if half is None else (max(0.0, value - half), value + half if name == "half.labels" else min(1.0, value + half))
        )
        cells.append(Cell(name, int(value) if name == "half.labels" else value, unit, count, *bounds))
    cells += [
        Cell("sparsity", 1 - pairs / (with_label * labels), "share", with_label * labels),
        Cell("labels_once.share", float((n == 1).mean()), "share", labels),
        Cell("once.share", once / users, "share", users, float(low), float(high)),
    ]
    missing = t.counts.acts - acts
    warnings = []
    if missing:
        warnings.append(say("{n:,} acts name no item and are left out", "{n:,} 次行为没有物品，未计入", n=missing))
    if pairs > MOST_PAIRS:
        warnings.append(
            say("no intervals: more than {n:,} pairs of user and label", "用户与标签组合超过 {n:,} 个：不给出区间", n=MOST_PAIRS)
        )
    types = t.types
    parts = {
        "lorenz": _lorenz(n),
        "users": by_user.append_column("share", pa.array(by_user["n_users"].to_numpy() / users)),
        "event_types": pa.table(
            {"event_type": list(types), "n": list(types.values()), "share": [k / t.counts.acts for k in types.values()]}
        ),
    }
    meta = t.meta(definition, warnings=warnings, label=list(t.by), seed=seed, confidence=confidence)
    found = {cell.id: cell for cell in cells}
    return Result(
        "frequency",
        table,
        meta,
        tuple(cells),
        _chart(parts["lorenz"], what, has_label) if parts["lorenz"].num_rows > 2 else None,
        parts,
        _findings(found, has_label),
        {"counts": query},
    )


def _acts_of_users(acts: ir.Table) -> ir.Table:
    users = acts.group_by("user_id").agg(acts=acts.count().cast("int64"))
    return users.group_by("acts").agg(n_users=users.count().cast("int64"))


def _figures(n: Int64[np.ndarray, " N"]) -> dict[str, tuple[float, str, int]]:
    """Value, unit and denominator of what is said of the long tail; n: acts of each label, most first."""
    total, labels = int(n.sum()), len(n)
    upto = np.cumsum(n)

    def top(share: float) -> float:
        return float(upto[max(1, int(np.ceil(share * labels))) - 1] / total)

    found = {"gini": (gini(n), "index", labels)}
    if labels >= 10:
        found["top10.share"] = (top(0.1), "share", total)
    if labels >= 100:
        found["top1.share"] = (top(0.01), "share", total)
    found["half.labels"] = (float(np.searchsorted(upto, total / 2) + 1), "labels", labels)
    return found


def _errors(t: Trail, named: Any, labels: list[str], resamples: int, seed: int) -> dict[str, float]:
    """Standard errors by drawing users with replacement. Labels and users are coded in order, so that the same seed gives the same."""
    rows, _ = t.compute(lambda acts: named(acts).group_by("user_id", "label").agg(n=ibis._.count().cast("int64")))
    users = rows["user_id"].combine_chunks().dictionary_encode()
    order = np.argsort(np.array(users.dictionary.to_pylist(), object))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    user = place[users.indices.to_numpy()]
    codes = {label: i for i, label in enumerate(labels)}
    label = np.array([codes[name] for name in rows["label"].to_pylist()], np.int64)
    n = rows["n"].to_numpy().astype(np.float64)
    rng = seeded(seed)
    drawn: dict[str, list[float]] = {}
    for _ in range(resamples):
        times = np.bincount(rng.integers(0, len(order), len(order)), minlength=len(order))
        made: Float64[np.ndarray, " N"] = np.bincount(label, n * times[user], len(labels))
        ranked = np.sort(made)[::-1]
        for name, (value, _, _) in _figures(ranked).items():
            drawn.setdefault(name, []).append(value)
    return {name: float(np.std(values, ddof=1)) for name, values in drawn.items()} if resamples > 1 else {}


def _lorenz(n: Int64[np.ndarray, " N"]) -> pa.Table:
    """At most 101 points from (0, 0) to (1, 1), least frequent labels first."""
    upto = np.concatenate([[0], np.cumsum(n[::-1])])
    at = np.unique(np.linspace(0, len(n), min(101, len(n) + 1)).round().astype(np.int64))
    return pa.table({"label_share": at / len(n), "act_share": upto[at] / upto[-1]})


def _chart(lorenz: pa.Table, what: Phrase, items: bool) -> dict[str, Any]:
    x = lorenz["label_share"].to_pylist()
    series: dict[str, Any] = {
        say("share of acts", "行为占比"): lorenz["act_share"].to_pylist(),
        say("all alike", "完全均等"): list(x),
    }
    x_name = say("share of items, least frequent first", "物品占比（由低频到高频）")
    if not items:
        x_name = say("share of labels, least frequent first", "标签占比（由低频到高频）")
    return lines(x, series, format="share", x_kind="value", x_format="share", x_name=x_name, y_name=say("share of acts", "行为占比"))


def _findings(cells: dict[str, Cell], items: bool) -> tuple[Finding, ...]:
    found = []
    once = cells["once.share"]
    if not once.is_small and once.low is not None and once.low > 0.25:
        text = say(
            "{share:.1%} of {n:,} users act only once [{low:.1%}, {high:.1%}].",
            "{n:,} 位用户中有 {share:.1%} 只行动过一次（区间 {low:.1%}–{high:.1%}）。",
            share=once.value, n=once.n, low=once.low, high=once.high,
        )  # fmt: skip
        found.append(Finding("finding", text, (once.id,), None, 0.6 * float(once.value or 0)))
    top = cells.get("top1.share")
    if items and top is not None and isinstance(top.value, float) and top.value > 0.1 and (top.low is None or top.low > 0.1):
        half, total = int(cells["half.labels"].value or 0), int(cells["labels"].value or 0)
        bounds = "" if top.low is None else f" [{top.low:.1%}, {top.high:.1%}]"
        bounds_zh = "" if top.low is None else f"（区间 {top.low:.1%}–{top.high:.1%}）"
        text = say(
            "The top 1% of items hold {share:.1%} of all acts{bounds}; {half:,} of {total:,} items make half of them.",
            "前 1% 的物品占全部行为的 {share:.1%}{bounds}；{total:,} 个物品中的 {half:,} 个占去一半行为。",
            share=top.value, bounds=Phrase(bounds, bounds_zh), half=half, total=total,
        )  # fmt: skip
        found.append(Finding("finding", text, (top.id, "half.labels"), None, 0.8 * top.value))
    return tuple(found)
