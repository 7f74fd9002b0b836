"""How far back the next step looks: at nothing, at the last act, or at the last two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from jaxtyping import Float64, Int64
from scipy.stats import chi2, norm
from scipy.stats import t as student

from footpath.analysis.charts import intervals
from footpath.analysis.trail import Trail, following, frequent_labels, gathered, scoped, trail
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, benjamini_hochberg, wilson

OTHER: Final = "(other)"
ENDED: Final = "(ended)"
GROUPS: Final = 20
"""Users are dealt to as many groups, each held out once."""
PRIOR: Final = 5.0
"""How many acts the shorter memory counts as, where a longer one is estimated."""

SCHEMA: Final = {
    "order": pa.int64(),
    "n": pa.int64(),
    "parameters": pa.int64(),
    "log_likelihood": pa.float64(),
    "bic": pa.float64(),
    "g": pa.float64(),
    "degrees": pa.int64(),
    "p_value": pa.float64(),
    "log_loss": pa.float64(),
    "gain": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "n_users": pa.int64(),
}
CONTEXTS: Final = {
    "before": pa.string(),
    "last": pa.string(),
    "next": pa.string(),
    "n": pa.int64(),
    "n_context": pa.int64(),
    "probability": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "n_otherwise": pa.int64(),
    "otherwise": pa.float64(),
    "p_value": pa.float64(),
    "q_value": pa.float64(),
}


@dataclass(frozen=True, eq=False)
class _Triples:
    """Counts of (two before, last, next), one row a triple that occurs and a group of users."""

    group: Int64[np.ndarray, " R"]
    codes: Int64[np.ndarray, "R 3"]
    n: Float64[np.ndarray, " R"]
    names: list[str]


def markov_order(
    log: EventLog | Trail,
    *,
    by: str | Sequence[str] | None = None,
    within: Literal["session", "history"] = "session",
    max_labels: int = 30,
    seed: int = 0,
    confidence: float = 0.95,
) -> Result:
    """Whether the next act depends on the last one, and on the one before that: G-tests, BIC and held-out log-loss of orders 0, 1, 2.

    All three orders predict the same acts: every act, and the end of the session as `(ended)`, after at least two acts of a session.
    g, p_value: likelihood ratio against the order below; parameters and degrees count what occurs: for each context that occurs, the
    labels that occur after its last act, less one. The test takes acts for independent, so a p-value that is small says little in a
    large log; read `log_loss` (nats an act, on users left out, each order smoothed by the one below) and `gain` over the order below
    with its interval over 20 groups of users (dealt by `seed`); null with fewer than 20 users.
    parts: `contexts`, where the act before the last changes most what comes next. max_labels: labels told apart; others are `(other)`.

    Anderson and Goodman, Ann. Math. Stat. 1957; Singer et al., PLoS ONE 2014 (doi:10.1371/journal.pone.0102070).
    """
    t = trail(log) if by is None else trail(log, by=by)
    where = (
        say("within a session ({rule})", "在同一会话内（{rule}）", rule=t.session_rule)
        if within == "session"
        else say("within a user's acts", "在同一用户的行为序列中")
    )
    definition = say(
        "What comes next {where}, the end included, after at least two acts: guessed from the overall mix "
        "(order 0), from the last act (1) and from "
        "the last two (2). Log-loss in nats an act, on users left out, lower is better.",
        "{where}，在至少两次行为之后，下一步（含结束）的预测：仅凭总体分布（0 阶）、凭上一步（1 "
        "阶）、凭上两步（2 阶）。对数损失以 nat 计，在留出用户上计算，越低越好。",
        where=where,
    )
    labels = frequent_labels(t.acts, max_labels)

    def triples(acts: ir.Table) -> ir.Table:
        found = following(gathered(scoped(acts, within), labels, OTHER))
        found = found.mutate(before=found.label.lag().over(ibis.window(group_by=["user_id", "session"], order_by="position")))
        found = found.filter(found.before.notnull())
        users = found.select("user_id").distinct()
        # numbered in order of ids: the same groups from every engine
        dealt = users.mutate(_place=ibis.row_number().over(ibis.window(order_by="user_id")))
        dealt = dealt.select(_user="user_id", group=((dealt._place * 7 + seed) % GROUPS).cast("int64"))
        joined = found.inner_join(dealt, found.user_id == dealt["_user"])
        counted = joined.group_by("group", "before", "label", "next_label")
        return counted.agg(n=joined.count().cast("int64"), n_users=joined.user_id.nunique())

    rows, query = t.compute(triples)
    if not rows.num_rows:
        return t.nothing("markov_order", definition, say("no session has two acts", "没有任何会话包含两次行为"), SCHEMA)
    counts = _triples(rows)
    if len(np.unique(counts.codes[:, 2])) < 2:
        return t.nothing("markov_order", definition, say("only one thing ever comes next", "下一步只有一种可能"), SCHEMA)
    table = _orders(counts, t.counts.users, confidence)
    contexts = _contexts(counts, confidence)
    orders = table.to_pylist()
    gaining = [row["order"] for row in orders[1:] if row["low"] is not None and row["low"] > 0]
    known = orders[0]["log_loss"] is not None
    cells = [
        Cell(
            "best_order",
            max(gaining, default=0) if known else None,
            "order",
            orders[0]["n"],
            note="the highest that gains over the one below",
        )
    ]
    for row in orders:
        k = row["order"]
        cells.append(Cell(f"order{k}.log_loss", row["log_loss"], "nats", row["n"]))
        cells.append(Cell(f"order{k}.bic", row["bic"], "", row["n"]))
        if k:
            cells.append(Cell(f"order{k}.gain", row["gain"], "nats", row["n"], row["low"], row["high"]))
            cells.append(Cell(f"order{k}.g", row["g"], "", row["n"], note=f"{row['degrees']} degrees of freedom"))
    findings, more = _findings(orders, contexts, t)
    warnings = []
    if t.counts.users < GROUPS:
        warnings.append(
            say(
                "fewer than {groups} users: no log-loss on users left out",
                "用户少于 {groups} 位：不计算留出用户的对数损失",
                groups=GROUPS,
            )
        )
    names: list[Any] = [
        say("knowing the last act, against nothing", "知道上一步（相对一无所知）"),
        say("knowing the last two acts, against one", "知道前两步（相对只知道上一步）"),
    ]
    drawn = [(row["gain"], row["low"], row["high"]) for row in orders[1:]]
    chart = (
        None
        if any(value is None for value, _, _ in drawn)
        else intervals(
            names, {say("gain", "增益"): drawn}, format="number", x_name=say("log-loss saved, nats per act", "对数损失的减少（nat/次行为）")
        )
    )
    return Result(
        "markov_order",
        table,
        t.meta(definition, warnings=warnings, within=within, seed=seed, confidence=confidence),
        (*cells, *more),
        chart,
        {"contexts": contexts},
        findings,
        {"triples": query},
    )


def _triples(rows: pa.Table) -> _Triples:
    columns = [[name or ENDED for name in rows[c].to_pylist()] for c in ("before", "label", "next_label")]
    names = sorted(set().union(*columns))
    place = {name: i for i, name in enumerate(names)}
    codes = np.array([[place[name] for name in column] for column in columns], np.int64).T
    order = np.lexsort((*codes.T[::-1], rows["group"].to_numpy()))
    return _Triples(rows["group"].to_numpy()[order], codes[order], rows["n"].to_numpy().astype(np.float64)[order], names)


def _cube(counts: _Triples, kept: Any = slice(None)) -> Float64[np.ndarray, "L L L"]:
    size = len(counts.names)
    flat = np.ravel_multi_index(tuple(counts.codes[kept].T), (size,) * 3)
    return np.bincount(flat, counts.n[kept], size**3).reshape((size,) * 3)


def _orders(counts: _Triples, n_users: int, confidence: float) -> pa.Table:
    cube = _cube(counts)
    n = cube.sum()
    pairs, nexts = cube.sum(axis=0), cube.sum(axis=(0, 1))
    lasts = pairs.sum(axis=1)
    contexts = cube.sum(axis=2)
    likelihoods = (_log_likelihood(nexts, n), _log_likelihood(pairs, lasts[:, None]), _log_likelihood(cube, contexts[:, :, None]))
    after = np.maximum((pairs > 0).sum(axis=1) - 1, 0)
    parameters = (int((nexts > 0).sum() - 1), int(after.sum()), int(((contexts > 0).sum(axis=0) * after).sum()))
    losses = _held_out(counts) if n_users >= GROUPS else None
    made: list[dict[str, Any]] = []
    for k in range(3):
        g = degrees = p = gain = low = high = None
        if k:
            g, degrees = max(0.0, 2 * (likelihoods[k] - likelihoods[k - 1])), max(0, parameters[k] - parameters[k - 1])
            p = float(chi2.sf(g, degrees)) if degrees > 0 else None
            if losses is not None:
                gain, low, high = _gain(losses[0], losses[k] - losses[k + 1], confidence)
        loss = None if losses is None else float(losses[k + 1].sum() / losses[0].sum())
        bic = -2 * likelihoods[k] + parameters[k] * np.log(n)
        made.append(
            dict(
                zip(
                    SCHEMA,
                    (k, int(n), parameters[k], likelihoods[k], float(bic), g, degrees, p, loss, gain, low, high, n_users),
                    strict=True,
                )
            )
        )
    return pa.Table.from_pylist(made, schema=pa.schema(list(SCHEMA.items())))


def _log_likelihood(n: Float64[np.ndarray, ...], of: Any) -> float:
    kept = n > 0
    return float((n[kept] * np.log(n[kept] / np.broadcast_to(of, n.shape)[kept])).sum())


def _held_out(counts: _Triples) -> tuple[Float64[np.ndarray, " G"], ...]:
    """For each group of users the acts, and the summed losses of orders 0, 1 and 2 that were fitted on all other groups."""
    cube, size = _cube(counts), len(counts.names)
    sums: list[list[float]] = [[], [], [], []]
    for group in np.unique(counts.group):
        mine = counts.group == group
        rest = cube - _cube(counts, mine)
        a, b, c = counts.codes[mine].T
        n = counts.n[mine]
        nexts = rest.sum(axis=(0, 1))
        zero = (nexts[c] + 1 / size) / (nexts.sum() + 1)
        pairs = rest.sum(axis=0)
        one = (pairs[b, c] + PRIOR * zero) / (pairs.sum(axis=1)[b] + PRIOR)
        two = (rest[a, b, c] + PRIOR * one) / (rest.sum(axis=2)[a, b] + PRIOR)
        for place, value in enumerate((n.sum(), *(-(n * np.log(p)).sum() for p in (zero, one, two)))):
            sums[place].append(float(value))
    return tuple(np.array(column) for column in sums)


def _gain(n: Float64[np.ndarray, " G"], gains: Float64[np.ndarray, " G"], confidence: float) -> tuple[float, float | None, float | None]:
    """The mean gain an act, and its interval from the groups: a ratio estimate with Student's t."""
    mean = float(gains.sum() / n.sum())
    if len(n) < 2:
        return mean, None, None
    residuals = gains - mean * n
    error = float(np.sqrt(len(n) / (len(n) - 1) * (residuals**2).sum()) / n.sum())
    half = float(student.ppf((1 + confidence) / 2, len(n) - 1)) * error
    return mean, mean - half, mean + half


def _contexts(counts: _Triples, confidence: float) -> pa.Table:
    """Triples whose next label is more or less likely after (before, last) than after the same last act with another one before."""
    cube = _cube(counts)
    contexts, pairs, lasts = cube.sum(axis=2), cube.sum(axis=0), cube.sum(axis=(0, 2))
    of = contexts[:, :, None] + 0 * cube
    rest_n, rest_of = pairs[None] - cube, lasts[None, :, None] - of
    usable = (of >= SMALL) & (rest_of >= SMALL) & (pairs[None] + 0 * cube > 0)
    a, b, c = np.nonzero(usable)
    n, of, rest_n, rest_of = (array[usable] for array in (cube, of, rest_n, rest_of))
    pooled = (n + rest_n) / (of + rest_of)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (n / of - rest_n / rest_of) / np.sqrt(pooled * (1 - pooled) * (1 / of + 1 / rest_of))
    p = np.where(np.isfinite(z), 2 * norm.sf(np.abs(z)), np.nan)
    q = benjamini_hochberg(p)
    low, high = wilson(n, of, confidence)
    gain = np.abs(n - of * rest_n / np.maximum(rest_of, 1))
    order = np.lexsort((c, b, a, -gain))[:200]
    name = np.array(counts.names, object)
    columns = {
        "before": name[a],
        "last": name[b],
        "next": name[c],
        "n": n,
        "n_context": of,
        "probability": n / np.maximum(of, 1),
        "low": low,
        "high": high,
        "n_otherwise": rest_of,
        "otherwise": rest_n / np.maximum(rest_of, 1),
        "p_value": p,
        "q_value": q,
    }
    made = {
        key: pa.array(
            np.asarray(column)[order].astype(np.int64) if CONTEXTS[key] == pa.int64() else np.asarray(column)[order],
            CONTEXTS[key],
            from_pandas=True,
        )
        for key, column in columns.items()
    }
    return pa.table(made)


def _findings(orders: list[dict[str, Any]], contexts: pa.Table, t: Trail) -> tuple[tuple[Finding, ...], list[Cell]]:
    """A second act that matters on users left out, by at least one hundredth of the loss, with the context where it does most."""
    second = orders[2]
    if second["low"] is None or second["low"] <= 0 or second["gain"] < 0.01 * orders[1]["log_loss"] or second["n"] < SMALL:
        return (), []
    told = [
        row
        for row in contexts.to_pylist()
        if row["q_value"] is not None and row["q_value"] < 0.05 and row["probability"] > row["otherwise"]
        and OTHER not in (row["before"], row["last"], row["next"])
    ]  # fmt: skip
    if not told:
        return (), []
    row = told[0]
    after: str | Phrase = t.spoken(row["next"])
    if row["next"] == ENDED:
        after = say("the end of the session", "会话结束")
    cell = Cell(
        "context",
        row["probability"],
        "share",
        row["n_context"],
        row["low"],
        row["high"],
        f"{row['before']} → {row['last']} → {row['next']}",
    )
    text = say(
        "Two steps count, not one: after {before} and then {last}, {after} follows in {p:.0%} [{low:.0%}, "
        "{high:.0%}] of {n:,} cases, against {rest:.0%} after {last} otherwise.",
        "要看两步而非一步：先 {before} 再 {last} 之后，{n:,} 次中有 {p:.0%}（区间 "
        "{low:.0%}–{high:.0%}）接着是{after}，而其他 {last} 之后为 {rest:.0%}。",
        before=t.spoken(row["before"]),
        last=t.spoken(row["last"]),
        after=after,
        p=row["probability"],
        low=row["low"],
        high=row["high"],
        n=row["n_context"],
        rest=row["otherwise"],
    )
    weight = min(1.0, second["gain"] / max(orders[0]["log_loss"], 1e-9) * 4)
    return (Finding("finding", text, ("context",), row["q_value"], weight),), [cell]
