"""Interest drift: whether what people turn to changes over time more than the order of their own visits would have it change.

Distance: the square root of the Jensen-Shannon divergence in bits, 0 to 1 (Endres and Schindelin, IEEE Trans. Inf. Theory 2003,
doi:10.1109/TIT.2003.813506). Change points: the split of the largest divergence, weighted by the acts on each side (Bernaola-Galván,
Román-Roldán, Oliver, Phys. Rev. E 1996, doi:10.1103/PhysRevE.53.5181).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Float64, Int64
from scipy import stats

from footpath.analysis import charts
from footpath.analysis.coded_acts import CodedActs, code_acts
from footpath.analysis.trail import Trail, main_categories, trail
from footpath.errors import ConfigError
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import benjamini_hochberg, seeded, wilson

MAX_ACTS: Final = 250_000
MAX_LABELS: Final = 30
"""Labels counted by themselves; rarer ones are one label, `other`."""
MIN_ACTS: Final = 20
MIN_DAYS: Final = 4
MIN_SIDE: Final = 5
"""Acts on each side of a user's split."""
STAGE: Final = 50
ENOUGH: Final = 10
"""Users whose split was matched by more shuffles than this, looked at after every STAGE of them, are not shuffled further."""
MAX_SPLITS: Final = 3
LEVEL: Final = 0.01
"""Of the p-value of a change of the population; one log in a hundred without any has one."""
OTHER: Final = "other"
Period = Literal["day", "week", "month"]
_SCHEMA: Final = {
    "period": pa.timestamp("us"), "n": pa.int64(), "n_users": pa.int64(), "distance": pa.float64(), "null_low": pa.float64(),
    "null_high": pa.float64(), "p_value": pa.float64(), "q_value": pa.float64(), "change_point": pa.bool_(), "complete": pa.bool_(),
}  # fmt: skip


def interest_drift(
    log: EventLog | Trail,
    *,
    by: str | None = None,
    period: Period | None = None,
    bots: Literal["drop", "keep"] = "drop",
    permutations: int = 200,
    seed: int = 0,
) -> Result:
    """Label shares over time, the distance of each period to the former against shuffled time, and change points.

    by: what interest is: `category` where items have one, else what a step is called. period: weeks begin on Monday; by default days for
    less than four weeks, months for more than two years, else weeks. Time is shuffled by exchanging whole days within each user, so that
    neither who is active when nor what goes together on one day counts as drift. bots: suspected bots are left out unless they are kept,
    for the few acts of people are lost among their many.
    Parts: `shares` (period, label), `changes` (change points of the population) and `users` (best split of each user with 20 acts on 4
    days or more; corrected over them). Raises NotInLogError for a log without a clock, ConfigError for a period or a number of
    permutations that cannot be.
    """
    if period not in (None, "day", "week", "month"):
        raise ConfigError(f"period must be day, week or month, got {period!r}")
    if permutations < 19:
        raise ConfigError(f"permutations must be at least 19, for a p-value of 0.05 to be possible, got {permutations}")
    t = _labelled(log, by, bots)
    t.need_clock("interest drift")
    if not t.counts.acts:
        return t.nothing("interest_drift", _DEFINITION, say("no acts are left after the filters", "筛选后没有任何行为"), _SCHEMA)
    acts = code_acts(t, max_acts=MAX_ACTS, seed=seed)
    blocks = _blocks(acts)
    if blocks.n_labels < 2:
        why = say("all acts have one label, {label}", "所有行为只有一个标签：{label}", label=blocks.labels[0])
        return t.nothing("interest_drift", _DEFINITION, why, _SCHEMA)
    first, last = t.counts.first, t.counts.last
    assert first is not None
    assert last is not None
    assert acts.time is not None
    period = period or _fitting(last - first)
    starts = _starts(first, last, period)
    place = np.searchsorted(starts[:-1], acts.time, side="right") - 1
    population = _population(blocks, place, len(starts) - 1, permutations, seed)
    users = _users(acts, blocks, permutations, seed)
    return _result(t, acts, blocks, starts, place, population, users, period, permutations, seed)


_DEFINITION: Final = say(
    "Shares of labels in each period; distance to the period before: square root of the Jensen-Shannon divergence (0 the same, 1 nothing "
    "in common).",
    "各时段内各标签的占比；与前一时段的距离为 Jensen-Shannon 散度的平方根（0 为相同，1 为毫无共同之处）。",
)


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Label codes of the acts; block b (the acts of one user on one day) is `offsets[b]:offsets[b + 1]` and of user `user[b]`."""

    label: Int64[np.ndarray, " E"]
    offsets: Int64[np.ndarray, " S1"]
    user: Int64[np.ndarray, " S"]
    labels: list[str]

    @property
    def can_shuffle(self) -> bool:
        """Whether any user has two days to exchange."""
        return len(np.unique(self.user)) < len(self.user)

    @property
    def n_labels(self) -> int:
        return len(self.labels)

    def shuffled(self, rng: np.random.Generator) -> Int64[np.ndarray, " E"]:
        """The labels with the days of each user in another order; a user keeps their places."""
        order = np.argsort(self.user + rng.random(len(self.user)))
        sizes = np.diff(self.offsets)[order]
        begin = np.repeat(self.offsets[:-1][order] - (np.cumsum(sizes) - sizes), sizes)
        return self.label[begin + np.arange(len(self.label))]


@dataclass(frozen=True, eq=False)
class _Population:
    distance: Float64[np.ndarray, " P"]
    low: Float64[np.ndarray, " P"]
    high: Float64[np.ndarray, " P"]
    p: Float64[np.ndarray, " P"]
    changes: list[tuple[int, float, float]]
    """(period that begins after the change, distance between both sides, p-value)"""


def _labelled(log: EventLog | Trail, by: str | None, bots: Literal["drop", "keep"]) -> Trail:
    t = trail(log)
    suspects = t.log.bots
    if bots != "keep" and suspects is not None and suspects.count().to_pyarrow().as_py():
        t = trail(t, bots=bots)
    if by is not None:
        return trail(t, by=by)
    return trail(t, by="category") if t.counts.acts and main_categories(t.log) is not None else t


def _blocks(acts: CodedActs) -> _Blocks:
    """A user's acts of one day (UTC) are one block: what is alike within a day is no drift."""
    label = acts.label.astype(np.int64)
    labels = list(acts.labels)
    if len(labels) > MAX_LABELS:
        label, labels = np.minimum(label, MAX_LABELS - 1), [*labels[: MAX_LABELS - 1], OTHER]
    assert acts.time is not None
    begins = np.ones(len(label), bool)
    day = acts.time // 86_400_000_000
    begins[1:] = (acts.user[1:] != acts.user[:-1]) | (day[1:] != day[:-1])
    starts = np.flatnonzero(begins)
    return _Blocks(label, np.append(starts, len(label)), acts.user[starts].astype(np.int64), labels)


def _fitting(span: Any) -> Period:
    days = span.total_seconds() / 86_400
    return "day" if days < 28 else "week" if days <= 730 else "month"


def _starts(first: datetime, last: datetime, period: Period) -> Int64[np.ndarray, " P1"]:
    """Beginnings of the periods in microseconds since 1970, and the end of the last."""
    if period == "month":
        begin = np.datetime64(first.replace(tzinfo=None), "M")
        end = np.datetime64(last.replace(tzinfo=None), "M") + 2
        return np.arange(begin, end).astype("datetime64[us]").astype(np.int64)
    day = np.datetime64(first.replace(tzinfo=None), "D")
    if period == "week":
        day = day - (day.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    step = 7 if period == "week" else 1
    n = (np.datetime64(last.replace(tzinfo=None), "D") - day).astype(np.int64) // step + 1
    return (day + step * np.arange(n + 1)).astype("datetime64[us]").astype(np.int64)


def divergence(first: Float64[np.ndarray, "*R L"], second: Float64[np.ndarray, "*R L"], *, weighted: bool) -> Float64[np.ndarray, "*R"]:
    """Jensen-Shannon divergence in bits of two rows of counts; weighted: by the counts of each, else half and half; 0 beside nothing."""
    n, m = first.sum(axis=-1), second.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = first / n[..., None], second / m[..., None]
        w = (n / (n + m))[..., None] if weighted else np.full((*n.shape, 1), 0.5)
    found = entropy(w * p + (1 - w) * q) - w[..., 0] * entropy(p) - (1 - w[..., 0]) * entropy(q)
    return np.where((n > 0) & (m > 0), np.clip(np.nan_to_num(found), 0.0, 1.0), 0.0)


def entropy(shares: Float64[np.ndarray, "*R L"]) -> Float64[np.ndarray, "*R"]:
    """In bits."""
    logs = np.zeros_like(shares)
    np.log2(shares, out=logs, where=shares > 0)
    return -(shares * logs).sum(axis=-1)


def _counts(label: np.ndarray, place: np.ndarray, n_places: int, n_labels: int) -> Float64[np.ndarray, "P L"]:
    return np.bincount(place * n_labels + label, minlength=n_places * n_labels).reshape(n_places, n_labels).astype(np.float64)


def _splits(counts: Float64[np.ndarray, "P L"]) -> Float64[np.ndarray, " P"]:
    """The weighted divergence of what is before each period from what is not; 0 at the first."""
    before = np.cumsum(counts, axis=0) - counts
    return divergence(before, counts.sum(axis=0) - before, weighted=True)


def _population(blocks: _Blocks, place: np.ndarray, n_places: int, permutations: int, seed: int) -> _Population:
    rng = seeded(seed, 1)
    shape = (n_places, blocks.n_labels)
    observed = _counts(blocks.label, place, *shape)
    distance = np.full(n_places, np.nan)
    distance[1:] = np.sqrt(divergence(observed[:-1], observed[1:], weighted=False))
    few = observed.sum(axis=1) < 30
    few[1:] |= few[:-1]
    distance[few] = np.nan
    if not blocks.can_shuffle:
        unknown = np.full(n_places, np.nan)
        return _Population(distance, unknown, unknown, unknown, [])
    drawn = np.stack([_counts(blocks.shuffled(rng), place, *shape) for _ in range(permutations)])
    null = np.sqrt(divergence(drawn[:, :-1], drawn[:, 1:], weighted=False))
    low, high, p = (np.full(n_places, np.nan) for _ in range(3))
    low[1:], high[1:] = np.quantile(null, [0.025, 0.975], axis=0)
    p[1:] = (1 + (null >= np.nan_to_num(distance[1:]) - 1e-12).sum(axis=0)) / (1 + permutations)
    for figure in (low, high, p):
        figure[few] = np.nan
    return _Population(distance, low, high, p, _changes(observed, drawn))


def _changes(observed: np.ndarray, drawn: np.ndarray) -> list[tuple[int, float, float]]:
    """The split of the largest divergence, then those of either side, as long as chance does not explain them."""
    found: list[tuple[int, float, float]] = []
    parts = [(0, len(observed))]
    tried = False
    while parts and len(found) < MAX_SPLITS:
        begin, end = parts.pop(0)
        if end - begin < 2:
            continue
        here = _splits(observed[begin:end])
        cut = int(np.argmax(here))
        null = np.stack([_splits(one[begin:end]).max() for one in drawn])
        p = float((1 + (null >= here[cut] - 1e-12).sum()) / (1 + len(drawn)))
        if tried and p > LEVEL:
            continue
        tried = True
        before, after = observed[begin : begin + cut].sum(axis=0), observed[begin + cut : end].sum(axis=0)
        distance = float(np.sqrt(divergence(before, after, weighted=False)))
        if cut == 0:
            continue
        found.append((begin + cut, distance, p))
        if p <= LEVEL:
            parts += [(begin, begin + cut), (begin + cut, end)]
    return found


def _users(acts: CodedActs, blocks: _Blocks, permutations: int, seed: int) -> dict[str, np.ndarray]:
    """The best split between days of each user with enough acts, and how often shuffled days split as well."""
    n_users = len(acts.users)
    sizes = np.diff(blocks.offsets)
    n_acts, n_days = np.bincount(blocks.user, sizes, n_users), np.bincount(blocks.user, minlength=n_users)
    enough = (n_acts >= MIN_ACTS) & (n_days >= MIN_DAYS)
    kept = enough[blocks.user]
    n_labels = min(blocks.n_labels, 12)
    of_act = np.repeat(np.arange(len(sizes)), sizes)
    counts = _counts(np.minimum(blocks.label, n_labels - 1), of_act, len(sizes), n_labels)[kept]
    chosen = np.flatnonzero(enough)
    user = np.searchsorted(chosen, blocks.user[kept])
    size = n_days[chosen]
    begin = np.cumsum(size) - size
    rng = seeded(seed, 2)
    best, cut = _best_splits(counts, user, begin)
    extreme, drawn = np.zeros(len(chosen)), np.zeros(len(chosen))
    open_ones = np.ones(len(chosen), bool)
    for done in range(permutations if len(chosen) else 0):
        if done % STAGE == 0:
            # what has been reached often enough is by chance, and more draws would not say otherwise (Besag and Clifford, 1991)
            open_ones = extreme <= ENOUGH
            rows = open_ones[user]
            counts_here, user_here = counts[rows], np.searchsorted(np.flatnonzero(open_ones), user[rows])
            size_here = size[open_ones]
            begin_here, best_here = np.cumsum(size_here) - size_here, best[open_ones] - 1e-12
        if not len(begin_here):
            break
        order = np.argsort(user_here + rng.random(len(user_here)))
        extreme[open_ones] += _best_splits(counts_here[order], user_here, begin_here)[0] >= best_here
        drawn[open_ones] += 1
    p = (1 + extreme) / (1 + drawn)
    before = np.cumsum(counts, axis=0) - counts
    start = before[begin] if len(begin) else before
    left = before[cut] - start if len(begin) else before
    total = np.add.reduceat(counts, begin, axis=0) if len(begin) else counts
    return {
        "user": chosen, "n": n_acts[chosen].astype(np.int64), "p": p, "q": benjamini_hochberg(p), "block": np.flatnonzero(kept)[cut],
        "distance": np.sqrt(divergence(left, total - left, weighted=False)), "before": left, "after": total - left,
    }  # fmt: skip


def _best_splits(counts: np.ndarray, user: np.ndarray, begin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest weighted divergence of each user over the splits before a day, and the block of that day."""
    if not len(begin):
        return np.zeros(0), np.zeros(0, np.int64)
    before = np.cumsum(counts, axis=0) - counts
    left = (before - before[begin][user]).astype(np.int64)
    total = np.add.reduceat(counts, begin, axis=0).astype(np.int64)
    right = total[user] - left
    n_left, n = left.sum(axis=1), total.sum(axis=1)
    # the divergence from n log n of whole numbers, by look-up
    terms = _n_log_n(int(n.max()))
    whole = (terms[n] - terms[total].sum(axis=1))[user]
    sides = terms[n_left] - terms[left].sum(axis=1) + terms[n[user] - n_left] - terms[right].sum(axis=1)
    found = np.maximum(0.0, (whole - sides) / n[user])
    found[(n_left < MIN_SIDE) | (n[user] - n_left < MIN_SIDE)] = 0.0
    best = np.maximum.reduceat(found, begin)
    at = np.flatnonzero(found == best[user])
    first = at[np.unique(user[at], return_index=True)[1]]
    return best, first


def _n_log_n(largest: int) -> Float64[np.ndarray, " N"]:
    numbers = np.arange(largest + 1, dtype=np.float64)
    return numbers * np.log2(np.maximum(numbers, 1.0))


def _result(
    t: Trail, acts: CodedActs, blocks: _Blocks, starts: np.ndarray, place: np.ndarray, population: _Population,
    users: dict[str, np.ndarray], period: Period, permutations: int, seed: int,
) -> Result:  # fmt: skip
    assert acts.time is not None
    n_places = len(starts) - 1
    counts = _counts(blocks.label, place, n_places, blocks.n_labels)
    n = counts.sum(axis=1).astype(np.int64)
    pairs = np.unique(place.astype(np.int64) * len(acts.users) + acts.user)
    n_users = np.bincount(pairs // max(1, len(acts.users)), minlength=n_places)
    changed = {at for at, _, p in population.changes if p <= LEVEL}
    first, last = t.counts.first, t.counts.last
    assert first is not None
    assert last is not None
    ends = [np.datetime64(moment.replace(tzinfo=None), "us").astype(np.int64) for moment in (first, last)]
    # a twentieth of a period may lack at either end of the log
    complete = [bool(a + (b - a) / 20 > ends[0] and b - (b - a) / 20 <= ends[1]) for a, b in pairwise(starts)]
    table = pa.table(
        {
            "period": pa.array(starts[:-1], pa.timestamp("us")),
            "n": n,
            "n_users": n_users.astype(np.int64),
            "distance": _known(population.distance),
            "null_low": _known(population.low),
            "null_high": _known(population.high),
            "p_value": _known(population.p),
            "q_value": _known(benjamini_hochberg(population.p)),
            "change_point": pa.array([at in changed for at in range(n_places)]),
            "complete": pa.array(complete),
        }
    )
    parts = {"shares": _share_table(blocks, starts, counts), "changes": _change_table(blocks, starts, counts, population)}
    parts["users"] = _user_table(acts, blocks, users)
    cells, findings = _say(blocks, starts, counts, population, users, len(acts.users))
    warnings: list[Phrase] = [*acts.sampled]
    several = int((np.bincount(blocks.user) > 1).sum())
    if 2 * several < len(acts.users):
        warnings.append(
            say(
                "only {several:,} of {all:,} users come back on another day, and time can be shuffled within these alone: "
                "change from one set of users to "
                "the next is not told from drift",
                "{all:,} 位用户中仅 {several:,} 位在多天出现，只能在其内部打乱时间：无法区分兴趣变化与用户更替",
                several=several, all=len(acts.users),
            )
        )  # fmt: skip
    definition = say(
        "{what} Labels: {by}; periods: {period}. Band: 95% of {n} shuffles that exchange whole days within each user. Change point: "
        "the split of the largest weighted divergence, p over the same shuffles. Users: those of {acts} acts or more on {days} days "
        "or more, tested alike, corrected by Benjamini and Hochberg.",
        "{what}标签：{by}；时段：{period}。零假设带：在每位用户内部交换整天的行为，共 {n} 次打乱的 95% 区间。变化点：加权散度最大的分割，"
        "p 值来自同样的打乱。用户：至少 {days} 天、{acts} 次行为者，以同样方法检验，并作 Benjamini-Hochberg 校正。",
        what=_DEFINITION, by=" / ".join(t.by), period=_PERIODS[period], n=permutations, acts=MIN_ACTS, days=MIN_DAYS,
    )  # fmt: skip
    names = [str(start)[:10] for start in starts[:-1].astype("datetime64[us]")]
    name = say("distance to the period before", "与前一时段的距离")
    chart = None
    if n_places > 1 and not np.isnan(population.distance).all():
        band: dict[str, Any] | None = {name: (_plain(population.low), _plain(population.high))} if blocks.can_shuffle else None
        chart = charts.lines(names, {name: _plain(population.distance)}, bands=band, format="number", y_name=name)
    meta = t.meta(definition, warnings=warnings, seed=seed, period=period, permutations=permutations)
    return Result("interest_drift", table, meta, cells, chart, parts, findings, {"labels": acts.labels_query})


_PERIODS: Final = {"day": say("days", "天"), "week": say("weeks from Monday", "自然周（周一起）"), "month": say("months", "月")}


def _plain(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _known(values: np.ndarray) -> pa.Array:
    return pa.array(_plain(values), pa.float64())


def _share_table(blocks: _Blocks, starts: np.ndarray, counts: np.ndarray) -> pa.Table:
    n_places, n_labels = counts.shape
    n = counts.sum(axis=1)
    low, high = wilson(counts, n[:, None])
    filled = np.repeat(n > 0, n_labels)
    with np.errstate(invalid="ignore"):
        share = counts / n[:, None]
    return pa.table(
        {
            "period": pa.array(np.repeat(starts[:-1], n_labels)[filled], pa.timestamp("us")),
            "label": pa.array(blocks.labels * n_places).filter(pa.array(filled)),
            "count": counts.ravel()[filled].astype(np.int64),
            "n": np.repeat(n, n_labels)[filled].astype(np.int64),
            "share": share.ravel()[filled],
            "low": low.ravel()[filled],
            "high": high.ravel()[filled],
        }
    )


def _change_table(blocks: _Blocks, starts: np.ndarray, counts: np.ndarray, population: _Population) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for at, distance, p in population.changes:
        grown, shrunk, _, _ = _moved(blocks, counts, at)
        row = {
            "period": int(starts[at]),
            "distance": distance,
            "p_value": p,
            "significant": p <= LEVEL,
            "grew_most": grown,
            "shrank_most": shrunk,
        }
        rows.append(row)
    kinds = {
        "period": pa.timestamp("us"), "distance": pa.float64(), "p_value": pa.float64(), "significant": pa.bool_(),
        "grew_most": pa.string(), "shrank_most": pa.string(),
    }  # fmt: skip
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})


def _moved(blocks: _Blocks, counts: np.ndarray, at: int) -> tuple[str, str, float, float]:
    """The labels whose share grew and shrank most from before a period to after, and the share of the first on both sides."""
    before, after = counts[:at].sum(axis=0), counts[at:].sum(axis=0)
    shares = before / max(1.0, before.sum()), after / max(1.0, after.sum())
    gap = shares[1] - shares[0]
    up, down = int(np.argmax(gap)), int(np.argmin(gap))
    return blocks.labels[up], blocks.labels[down], float(shares[0][up]), float(shares[1][up])


def _user_table(acts: CodedActs, blocks: _Blocks, users: dict[str, np.ndarray]) -> pa.Table:
    assert acts.time is not None
    begin = acts.time[blocks.offsets[:-1]]
    n_labels = users["before"].shape[1] if users["before"].ndim == 2 else 0
    labels = blocks.labels if n_labels == blocks.n_labels else [*blocks.labels[: n_labels - 1], OTHER]
    some = len(users["user"]) > 0
    tops = {side: [labels[int(code)] for code in users[side].argmax(axis=1)] if some else [] for side in ("before", "after")}
    table = pa.table(
        {
            "user_id": acts.users.take(pa.array(users["user"], pa.int64())),
            "n": users["n"],
            "changed_at": pa.array(begin[users["block"]], pa.timestamp("us")),
            "distance": users["distance"],
            "p_value": users["p"],
            "q_value": users["q"],
            "drifted": users["q"] < 0.05,
            "top_before": pa.array(tops["before"], pa.string()),
            "top_after": pa.array(tops["after"], pa.string()),
        }
    )
    return table.sort_by([("p_value", "ascending"), ("distance", "descending"), ("user_id", "ascending")])


def _say(
    blocks: _Blocks, starts: np.ndarray, counts: np.ndarray, population: _Population, users: dict[str, np.ndarray], n_all: int
) -> tuple[tuple[Cell, ...], tuple[Finding, ...]]:
    cells: list[Cell] = []
    findings: list[Finding] = []
    for rank, (at, distance, p) in enumerate(population.changes, start=1):
        n = int(min(counts[:at].sum(), counts[at:].sum()))
        grown, shrunk, before, after = _moved(blocks, counts, at)
        n_before, n_after = int(counts[:at].sum()), int(counts[at:].sum())
        cells += [
            Cell(f"change_{rank}", distance, "distance", n, note=grown),
            Cell(f"share_before_{rank}", before, "share", n_before),
            Cell(f"share_after_{rank}", after, "share", n_after),
        ]
        if rank == 1 and p <= LEVEL and n >= 30 and abs(after - before) >= 0.01:
            text = say(
                "Interests shifted in the period from {when}: “{grown}” went from {before:.1%} to {after:.1%} of acts, most at the cost of "
                "“{shrunk}”; shuffled time does not explain it (p = {p:.3f}).",
                "兴趣自 {when} 起发生变化：「{grown}」占行为的比例由 {before:.1%} 升至 {after:.1%}，主要取代了「{shrunk}」；"
                "打乱时间无法解释这一变化（p = {p:.3f}）。",
                when=str(starts[at : at + 1].astype("datetime64[us]")[0])[:10], grown=grown, shrunk=shrunk, before=before, after=after, p=p,
            )  # fmt: skip
            ids = (f"change_{rank}", f"share_before_{rank}", f"share_after_{rank}")
            findings.append(Finding("finding", text, ids, p, float(min(1.0, distance))))
    n = len(users["user"])
    drifted = int((users["q"] < 0.05).sum())
    low, high = wilson(drifted, n)
    cells.append(Cell("users_tested", n, "users", n_all))
    cells.append(Cell("drifted", drifted / n if n else None, "share", n, float(low) if n else None, float(high) if n else None))
    if n >= 30 and drifted >= 5 and drifted / n >= 0.02:
        # by chance one in twenty would be below 0.05
        p = float(stats.binom.sf(int((users["p"] <= 0.05).sum()) - 1, n, 0.05))
        text = say(
            "{share:.1%} [{low:.1%}, {high:.1%}] of the {n:,} users with enough days of activity have changed what they turn to, more than "
            "their own days in another order would show.",
            "在 {n:,} 位活跃天数足够的用户中，{share:.1%} [{low:.1%}, {high:.1%}] 的兴趣发生了变化，超出打乱其自身日期次序所能解释的程度。",
            share=drifted / n, low=low, high=high, n=n,
        )  # fmt: skip
        findings.append(Finding("finding", text, ("drifted",), p, float(drifted / n)))
    return tuple(cells), tuple(findings)
