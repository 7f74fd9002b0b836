"""What follows what: how often each act leads to each other, and how far that is from chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from jaxtyping import Float64, Int64
from scipy.stats import norm

from footpath.analysis.charts import network
from footpath.analysis.trail import Trail, following, frequent_labels, gathered, scoped, trail
from footpath.errors import ConfigError
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, benjamini_hochberg, wilson

OTHER: Final = "(other)"
NODES: Final = 14
"""Names of items that find room around a circle."""

SCHEMA: Final = {
    "from_label": pa.string(),
    "to_label": pa.string(),
    "n": pa.int64(),
    "n_users": pa.int64(),
    "n_from": pa.int64(),
    "n_to": pa.int64(),
    "probability": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "expected": pa.float64(),
    "lift": pa.float64(),
    "lift_low": pa.float64(),
    "lift_high": pa.float64(),
    "p_value": pa.float64(),
    "q_value": pa.float64(),
}


def transitions(
    log: EventLog | Trail,
    *,
    by: str | Sequence[str] | None = None,
    within: Literal["session", "history"] = "session",
    top: int = 15,
    max_labels: int = 100,
    confidence: float = 0.95,
) -> Result:
    """How often each label follows each, its probability, and its lift over chance with p- and q-value.

    A transition is a pair of acts that follow one another within a session (`within='history'`: within a user's acts, whatever the
    pause). Chance: `from` and `to` independent, with the totals they have. The test and the interval of the lift allow for users who
    do the same again and again: the variance of observed minus expected is summed over users, not over acts; they are null with fewer
    than 30 users. Benjamini-Hochberg over all pairs of the matrix.
    top: pairs in the chart, those with most acts. max_labels: labels told apart; all others are `(other)`.
    parts: `matrix`, one row a pair of labels, also of pairs that never occur (n 0), of the `top` most frequent labels.

    Liang and Zeger, Biometrika 1986 (the variance by clusters); Agresti, Categorical Data Analysis, 3.3 (residuals of independence).
    """
    t = trail(log) if by is None else trail(log, by=by)
    if top < 1:
        raise ConfigError(f"top must be at least 1, got {top}")
    definition = say(
        "Pairs of acts that follow one another {where}. Probability: of all acts of the first label that are followed by another act. "
        "Lift: the count over what it would be if what comes next did not depend on what came before.",
        "{where}前后相继的两次行为。概率以其后还有行为的前一类行为为分母。提升度：实际次数与前后相互独立时期望次数之比。",
        where=_where(t, within),
    )
    labels = frequent_labels(t.acts, max_labels + 1)
    rare = len(labels) > max_labels
    labels = labels[:max_labels]

    of_users = _of_users(t.acts, within).cache()  # one window for all that is counted below
    told_apart = _gathered(of_users, labels).cache() if rare else of_users
    lazy = _of_users(t.lazy, within)
    rows, query = _counts(told_apart).to_pyarrow(), _counts(_gathered(lazy, labels) if rare else lazy)
    if not rows.num_rows:
        why = say("no act is followed by another {where}", "{where}没有任何行为后面还有其他行为", where=_where(t, within))
        return t.nothing("transitions", definition, why, SCHEMA)
    names = sorted({*rows["from_label"].to_pylist(), *rows["to_label"].to_pylist()})
    place = {name: i for i, name in enumerate(names)}
    i = np.array([place[name] for name in rows["from_label"].to_pylist()])
    j = np.array([place[name] for name in rows["to_label"].to_pylist()])
    n = np.zeros((len(names),) * 2, np.int64)
    n_users = np.zeros_like(n)
    n[i, j], n_users[i, j] = rows["n"].to_numpy(), rows["n_users"].to_numpy()
    variance = _variance(told_apart, place, n) if t.counts.users >= SMALL else np.full(n.shape, np.nan)
    table = _table(names, n, n_users, variance, confidence)
    frequent = set([name for name in labels if name in place][:top])
    kept = np.array(
        [a in frequent and b in frequent for a, b in zip(table["from_label"].to_pylist(), table["to_label"].to_pylist(), strict=True)]
    )
    observed = table.filter(pa.array(table["n"].to_numpy() > 0))
    warnings = []
    first = observed.slice(0, top).to_pylist()
    drawn = _drawn(observed, top) if rare else first
    if rare and OTHER in place:
        at = place[OTHER]
        warnings.append(
            say(
                "labels beyond the {max_labels} most frequent are counted together as (other): {share:.0%} of all transitions begin or end "
                "there, and nothing is said of them",
                "最常见的 {max_labels} 个标签之外的均合并为（其他）：{share:.0%} 的转移由此开始或到此结束，对它们无从判断",
                max_labels=max_labels,
                share=float((n[at, :].sum() + n[:, at].sum() - n[at, at]) / n.sum()),
            )
        )
    if rare and drawn:
        definition = say(
            "{definition} The chart shows the {pairs} most frequent pairs of two labels and leaves (other) out: {share:.1%} of all "
            "transitions.",
            "{definition}图中为最常见的 {pairs} 对不同标签之间的转移，略去（其他）：共占全部转移的 {share:.1%}。",
            definition=definition,
            pairs=sum(row["from_label"] != row["to_label"] for row in drawn),
            share=sum(row["n"] for row in drawn) / int(n.sum()),
        )
    if t.counts.users < SMALL:
        warnings.append(
            say(
                "fewer than {small} users: lifts are not tested",
                "用户少于 {small} 位：不检验提升度",
                small=SMALL,
            )
        )
    shown = t.shown(names)
    cells = [
        cell
        for rank, row in enumerate(first, 1)
        for cell in (
            Cell(
                f"pair{rank}.probability",
                row["probability"],
                "share",
                row["n_from"],
                row["low"],
                row["high"],
                f"{row['from_label']} → {row['to_label']}",
            ),
            Cell(
                f"pair{rank}.lift",
                row["lift"],
                "times",
                row["n"],
                row["lift_low"],
                row["lift_high"],
                f"{row['from_label']} → {row['to_label']}",
            ),
        )
    ]
    borne = [*_strongest(observed, int(n.sum()), t), *_repeats(t, of_users, confidence)]
    return Result(
        "transitions",
        observed,
        t.meta(definition, warnings=warnings, within=within, confidence=confidence),
        (Cell("transitions", int(n.sum()), "transitions"), Cell("labels", len(names), "labels"), *cells, *(cell for _, cell in borne)),
        _chart(drawn or first, shown) if len(names) > 1 else None,
        {"matrix": table.filter(pa.array(kept))},
        tuple(finding for finding, _ in borne),
        {"transitions": query},
    )


def _where(t: Trail, within: str) -> Phrase:
    if within == "session" and t.has_sessions:
        return say("within a session ({rule})", "在同一会话内（{rule}）", rule=t.session_rule)
    return say("within a user's acts", "在同一用户的行为序列中")


def _of_users(acts: ir.Table, within: str) -> ir.Table:
    """How often each user goes from each label to each: `user_id`, `label`, `next_label`, `n`."""
    found = following(scoped(acts.select("user_id", "session", "step", "position", "label"), within))
    found = found.filter(found.next_label.notnull())
    return found.group_by("user_id", "label", "next_label").agg(n=found.count().cast("int64"))


def _gathered(cells: ir.Table, labels: Sequence[str]) -> ir.Table:
    """The same with every label that is not among these called `OTHER`."""
    named = gathered(cells, labels, OTHER)
    named = named.mutate(next_label=ibis.ifelse(named.next_label.isin(list(labels)), named.next_label, OTHER))
    return named.group_by("user_id", "label", "next_label").agg(n=named.n.sum().cast("int64"))


def _counts(cells: ir.Table) -> ir.Table:
    return cells.group_by(from_label="label", to_label="next_label").agg(n=cells.n.sum().cast("int64"), n_users=cells.count())


def _variance(cells: ir.Table, place: dict[str, int], n: Int64[np.ndarray, "L L"]) -> Float64[np.ndarray, "L L"]:
    """The variance of observed minus expected for each pair, summed over users.

    With a and b the shares of the two labels, a user's part in observed minus expected is n_uij - b n_ui - a n_uj + a b n_u, to first
    order; its squares are summed from sums of products, so that no row of a user leaves the engine.
    """
    cells = cells.mutate(n=cells.n.cast("float64"))
    begun = cells.group_by("user_id", "label").agg(n_from=cells.n.sum())
    ended = cells.group_by("user_id", "next_label").agg(n_to=cells.n.sum())
    users = begun.group_by("user_id").agg(n_user=begun.n_from.sum()).cache()
    begun = begun.inner_join(users, "user_id").select("user_id", "label", "n_from", "n_user").cache()
    ended = ended.inner_join(users, "user_id").select("user_id", "next_label", "n_to", "n_user").cache()
    wide = cells.inner_join(begun, ["user_id", "label"]).select("user_id", "label", "next_label", "n", "n_from", "n_user")
    wide = wide.inner_join(ended.drop("n_user"), ["user_id", "next_label"])
    pairs = wide.group_by("label", "next_label").agg(
        nn=(wide.n * wide.n).sum(), nf=(wide.n * wide.n_from).sum(), nt=(wide.n * wide.n_to).sum(), nu=(wide.n * wide.n_user).sum()
    )
    of_from = begun.group_by("label").agg(ff=(begun.n_from * begun.n_from).sum(), fu=(begun.n_from * begun.n_user).sum())
    of_to = ended.group_by("next_label").agg(tt=(ended.n_to * ended.n_to).sum(), tu=(ended.n_to * ended.n_user).sum())
    both = begun.inner_join(ended.select("user_id", "next_label", "n_to"), "user_id")
    products = both.group_by("label", "next_label").agg(ft=(both.n_from * both.n_to).sum())
    uu = float((users.n_user * users.n_user).sum().to_pyarrow().as_py())

    def matrix(rows: pa.Table, column: str) -> Float64[np.ndarray, "L L"]:
        made = np.zeros(n.shape)
        where = [[place[name] for name in rows[side].to_pylist()] for side in ("label", "next_label")]
        made[where[0], where[1]] = rows[column].to_numpy()
        return made

    def margin(rows: pa.Table, side: str, column: str) -> Float64[np.ndarray, " L"]:
        made = np.zeros(len(n))
        made[[place[name] for name in rows[side].to_pylist()]] = rows[column].to_numpy()
        return made

    sums, crossed, froms, tos = (expr.to_pyarrow() for expr in (pairs, products, of_from, of_to))
    nn, nf, nt, nu = (matrix(sums, column) for column in ("nn", "nf", "nt", "nu"))
    ft = matrix(crossed, "ft")
    ff, fu = (margin(froms, "label", column)[:, None] for column in ("ff", "fu"))
    tt, tu = (margin(tos, "next_label", column)[None, :] for column in ("tt", "tu"))
    a, b = n.sum(axis=1)[:, None] / n.sum(), n.sum(axis=0)[None, :] / n.sum()
    total = nn + b**2 * ff + a**2 * tt + (a * b) ** 2 * uu
    total += -2 * b * nf - 2 * a * nt + 2 * a * b * nu + 2 * a * b * ft - 2 * a * b**2 * fu - 2 * a**2 * b * tu
    return np.maximum(total, 0.0)


def _table(
    names: list[str],
    n: Int64[np.ndarray, "L L"],
    n_users: Int64[np.ndarray, "L L"],
    variance: Float64[np.ndarray, "L L"],
    confidence: float,
) -> pa.Table:
    """All pairs of labels, those with most acts first."""
    n_from, n_to, total = n.sum(axis=1)[:, None], n.sum(axis=0)[None, :], n.sum()
    expected = n_from * n_to / total
    error = np.sqrt(variance)
    with np.errstate(invalid="ignore", divide="ignore"):
        probability, lift, spread = n / n_from, n / expected, error / expected
        p = np.where(error > 1e-9, 2 * norm.sf(np.abs(n - expected) / error), np.nan)
    low, high = wilson(n, np.broadcast_to(n_from, n.shape), confidence)
    p[expected < 5] = np.nan  # too few to be near a normal
    q = benjamini_hochberg(p.ravel()).reshape(p.shape)
    z = float(norm.isf((1 - confidence) / 2))
    known = n_from + 0 * n > 0
    columns: dict[str, Any] = {
        "n": n,
        "n_users": n_users,
        "n_from": n_from + 0 * n,
        "n_to": n_to + 0 * n,
        "probability": probability,
        "low": np.where(known, low, np.nan),
        "high": np.where(known, high, np.nan),
        "expected": expected,
        "lift": lift,
        "lift_low": np.where(np.isnan(p), np.nan, np.maximum(0.0, lift - z * spread)),
        "lift_high": np.where(np.isnan(p), np.nan, lift + z * spread),
        "p_value": p,
        "q_value": q,
    }
    order = sorted(((a, b) for a in range(len(names)) for b in range(len(names))), key=lambda ab: (-n[ab], ab))
    a, b = np.array(order).T
    made = {"from_label": pa.array([names[k] for k in a], pa.string()), "to_label": pa.array([names[k] for k in b], pa.string())}
    made |= {name: pa.array(column[a, b], SCHEMA[name], from_pandas=True) for name, column in columns.items()}
    return pa.table(made)


def _drawn(observed: pa.Table, top: int) -> list[dict[str, Any]]:
    """Of very many labels: the most frequent pairs of two that have names, and how often each of these comes again at once."""
    named = [row for row in observed.to_pylist() if OTHER not in (row["from_label"], row["to_label"])]
    pairs: list[dict[str, Any]] = []
    on: set[str] = set()
    for row in named:
        ends = {row["from_label"], row["to_label"]}
        if len(pairs) < top and len(ends) == 2 and len(on | ends) <= NODES:
            pairs.append(row)
            on |= ends
    return [row for row in named if row in pairs or (row["from_label"] == row["to_label"] and row["from_label"] in on)]


def _chart(first: list[dict[str, Any]], shown: dict[str, str]) -> dict[str, Any]:
    acts: dict[str, int] = {}
    for row in first:
        acts[row["from_label"]] = max(acts.get(row["from_label"], 0), row["n_from"])
        acts[row["to_label"]] = max(acts.get(row["to_label"], 0), row["n_to"])
    links = [
        {
            "source": row["from_label"],
            "target": row["to_label"],
            "value": row["n"],
            "text": say(
                "{n:,} times, {p:.1%} of what follows, lift {lift:.2f}",
                "{n:,} 次，占其后行为的 {p:.1%}，提升度 {lift:.2f}",
                n=row["n"],
                p=row["probability"],
                lift=row["lift"],
            ),
        }
        for row in first
    ]
    return network([{"name": name, "label": shown[name], "value": n} for name, n in acts.items()], links)


def _strongest(table: pa.Table, total: int, t: Trail) -> list[tuple[Finding, Cell]]:
    """The pair of two labels that adds most acts to what chance expects; its p-value is corrected for the pairs it was chosen from."""
    strong = [
        row
        for row in table.to_pylist()
        if row["q_value"] is not None and row["q_value"] < 0.05 and row["n"] >= SMALL and row["lift_low"] > 1.2
        and row["from_label"] != row["to_label"] and OTHER not in (row["from_label"], row["to_label"])
    ]  # fmt: skip
    if not strong:
        return []
    row = min(strong, key=lambda row: (row["expected"] - row["n"], row["from_label"], row["to_label"]))
    text = say(
        "After {a}, {b} follows {lift:.1f} times as often as chance [{low:.1f}, {high:.1f}]: {p:.0%} of {n:,} times.",
        "{a} 之后接着出现 {b} 的频率是随机情形的 {lift:.1f} 倍（区间 {low:.1f}–{high:.1f}）：{n:,} 次中占 {p:.0%}。",
        a=t.spoken(row["from_label"]), b=t.spoken(row["to_label"]), lift=row["lift"], low=row["lift_low"], high=row["lift_high"],
        p=row["probability"], n=row["n_from"],
    )  # fmt: skip
    pair = f"{row['from_label']} → {row['to_label']}"
    cell = Cell("strongest_pair.lift", row["lift"], "times", row["n"], row["lift_low"], row["lift_high"], pair)
    return [(Finding("finding", text, (cell.id,), row["q_value"], min(1.0, (row["n"] - row["expected"]) / total)), cell)]


def _repeats(t: Trail, cells: ir.Table, confidence: float) -> list[tuple[Finding, Cell]]:
    """How often the same label comes again, over all labels, against what chance expects; the interval is over users."""
    cells = cells.mutate(n=cells.n.cast("float64"))
    users = cells.group_by("user_id").agg(n=cells.n.sum(), same=ibis.ifelse(cells.label == cells.next_label, cells.n, 0.0).sum())
    sums = users.aggregate(
        users=users.count(), n=users.n.sum(), same=users.same.sum(), nn=(users.n * users.n).sum(),
        ns=(users.n * users.same).sum(), ss=(users.same * users.same).sum(),
    ).to_pyarrow().to_pylist()[0]  # fmt: skip
    begun = cells.group_by("label").agg(n_from=cells.n.sum())
    ended = cells.group_by(_next="next_label").agg(n_to=cells.n.sum())
    both = begun.inner_join(ended, begun.label == ended["_next"])
    product = (both.n_from * both.n_to).sum().to_pyarrow().as_py()
    n, same = sums["n"], sums["same"]
    if sums["users"] < SMALL or same < SMALL or not product:
        return []
    share, chance = same / n, product / n**2
    error = np.sqrt(max(0.0, sums["ss"] - 2 * share * sums["ns"] + share**2 * sums["nn"])) / n
    half = float(norm.isf((1 - confidence) / 2)) * error
    if error < 1e-12 or share - half < 1.2 * chance:
        return []
    what = {"item_id": say("item", "商品"), "category": say("category", "类别")}.get(" / ".join(t.by), say("kind of act", "行为"))
    text = say(
        "In {share:.0%} [{low:.0%}, {high:.0%}] of {n:,} cases the next act is the same {what} again; chance would give {chance:.1%}.",
        "在 {n:,} 次中，有 {share:.0%}（区间 {low:.0%}–{high:.0%}）下一步仍是同一{what}，而随机情形下应为 {chance:.1%}。",
        share=share, low=max(0.0, share - half), high=min(1.0, share + half), n=int(n), what=what, chance=chance,
    )  # fmt: skip
    cell = Cell("repeated", share, "share", int(n), max(0.0, share - half), min(1.0, share + half), "the same label again")
    p = float(2 * norm.sf((share - chance) / error))
    return [(Finding("finding", text, (cell.id,), p, min(1.0, share - chance)), cell)]
