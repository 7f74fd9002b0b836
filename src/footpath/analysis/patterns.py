"""Which paths one group of people walks and another does not: closed sequential patterns, contrasted and tested.

Pei et al., PrefixSpan, ICDE 2001 (doi:10.1109/ICDE.2001.914830); Wang and Han, BIDE, ICDE 2004 (doi:10.1109/ICDE.2004.1319986);
Bay and Pazzani, contrast sets, Data Mining and Knowledge Discovery 2001 (doi:10.1023/A:1011429418057).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float64, Int64
from scipy import sparse, stats

from footpath.analysis import charts
from footpath.analysis.coded_acts import CodedActs, code_acts
from footpath.analysis.trail import LONGEST_GAP_MINUTES, Trail, trail
from footpath.errors import ConfigError
from footpath.events.contract import EVENT_TYPES
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import benjamini_hochberg, seeded

ARROW: Final = " > "
MAX_TESTED: Final = 5_000
"""Patterns tried before closing; where more are frequent enough, the least support is raised until no more are."""
MAX_GROUPS: Final = 10
MATTERS: Final = 1.5
"""The risk ratio that a finding surely has."""
ALIKE: Final = 0.7
"""Two patterns whose sequences overlap by this much (Jaccard) tell one story; the weaker is folded into the stronger."""
CONTAINED: Final = 0.9
"""Share of a pattern's sequences that a wider pattern holds too, from where it is asked whether the narrow one says more."""
_SCHEMA: Final = {
    "rank": pa.int64(), "pattern": pa.string(), "length": pa.int64(), "group": pa.string(), "support": pa.int64(), "n": pa.int64(),
    "share": pa.float64(), "support_others": pa.int64(), "n_others": pa.int64(), "share_others": pa.float64(),
    "risk_ratio": pa.float64(), "low": pa.float64(), "high": pa.float64(), "p_value": pa.float64(), "q_value": pa.float64(),
    "n_alike": pa.int64(), "example_users": pa.list_(pa.string()),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sequences:
    """Label codes of sequences as compressed rows: those of sequence s are `offsets[s]:offsets[s + 1]`; step: place in the sequence."""

    label: Int64[np.ndarray, " E"]
    offsets: Int64[np.ndarray, " S1"]
    time: Int64[np.ndarray, " E"] | None = None

    @property
    def n(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, eq=False)
class _Groups:
    """group: of each sequence; code 0 and up are contrasted with all others each, -1 is never contrasted itself. tested: which codes."""

    sequences: Sequences
    group: Int64[np.ndarray, " S"]
    user: Int64[np.ndarray, " S"]
    names: list[str]
    tested: list[int]
    definition: Phrase
    among: Phrase
    warnings: Sequence[str]


class Miner:
    """Prefix growth over sequences: the places where a pattern can end, one of each sequence where only order counts.

    Without limits the earliest end is enough; with a gap or a time span all ends are kept, each with its latest possible start.
    """

    def __init__(self, sequences: Sequences, *, max_gap: int | None = None, max_span: int | None = None, least: int = 1) -> None:
        sizes = np.diff(sequences.offsets)
        seq = np.repeat(np.arange(sequences.n), sizes)
        step = np.arange(len(seq)) - np.repeat(sequences.offsets[:-1], sizes)
        label = sequences.label.astype(np.int64)
        n_labels = int(label.max()) + 1 if len(label) else 0
        self.least = least
        self.limited = max_gap is not None or max_span is not None
        pairs = np.unique(label * max(1, sequences.n) + seq)
        kept = (np.bincount(pairs // max(1, sequences.n), minlength=n_labels) >= least)[label]  # labels too rare are in no pattern
        self.label, self.seq, step = label[kept], seq[kept], step[kept]
        counts = np.bincount(self.seq, minlength=sequences.n)
        self.start = np.cumsum(counts) - counts
        self.stop = self.start + counts
        self.n, self.n_labels = sequences.n, n_labels
        self.last = self.stop[self.seq]
        if max_gap is not None:
            wide = int(step.max(initial=0)) + max_gap + 2
            key = self.seq * wide + step
            self.last = np.minimum(self.last, np.searchsorted(key, key + max_gap, side="right"))
        self.span_end = self.stop[self.seq]
        if max_span is not None and sequences.time is not None:
            self.span_end = _span_ends(sequences.time[kept], self.seq, self.stop, max_span)
        self.before = _previous_same(self.label, self.seq)

    def root(self) -> tuple[np.ndarray, np.ndarray]:
        """Before any act: (ends, starts)."""
        if self.limited:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return self.start - 1, np.arange(self.n)

    def grow(self, state: tuple[np.ndarray, np.ndarray] | None) -> list[tuple[int, tuple[np.ndarray, np.ndarray], np.ndarray]]:
        """Each label that follows, the new state, and the sequences that hold the longer pattern, ascending."""
        if self.limited:
            return self._grow_limited(state)
        ends, owners = self.root() if state is None else state
        sizes = self.stop[owners] - ends - 1
        q, of = _ranges(ends + 1, sizes)
        first = self.before[q] <= ends[of]  # the label does not occur between the end and here
        q = q[first]
        return [(code, (rows, self.seq[rows]), self.seq[rows]) for code, rows in _by_label(self.label[q], q, self.least)]

    def _grow_limited(self, state: tuple[np.ndarray, np.ndarray] | None) -> list[tuple[int, tuple[np.ndarray, np.ndarray], np.ndarray]]:
        if state is None:
            q = np.arange(len(self.label))
            starts = q
        else:
            ends, since = state
            sizes = np.maximum(0, np.minimum(self.last[ends], self.span_end[since]) - ends - 1)
            q, of = _ranges(ends + 1, sizes)
            starts = since[of]
            order = np.lexsort((starts, q))
            q, starts = q[order], starts[order]
            latest = np.ones(len(q), bool)
            latest[:-1] = q[1:] != q[:-1]
            q, starts = q[latest], starts[latest]
        found = []
        for code, rows in _by_label(self.label[q], np.arange(len(q)), self.least):
            found.append((code, (q[rows], starts[rows]), np.unique(self.seq[q[rows]])))
        return found

    def holders(self, pattern: Sequence[int]) -> Int64[np.ndarray, " H"]:
        """The sequences that hold a pattern, ascending."""
        if self.limited:
            state, seqs = None, np.zeros(0, np.int64)
            for code in pattern:
                state, seqs = next(((s, held) for c, s, held in self.grow(state) if c == code), (None, np.zeros(0, np.int64)))
                if state is None:
                    return seqs
            return seqs
        ends, owners = self.root()
        for code in pattern:
            places = np.append(np.flatnonzero(self.label == code), len(self.label))
            ends = places[np.searchsorted(places, ends, side="right")]
            kept = ends < self.stop[owners]
            ends, owners = ends[kept], owners[kept]
        return owners


def frequent_patterns(
    miner: Miner, measure: Callable[[np.ndarray], Any], *, least: int, max_length: int, limit: int | None = None
) -> dict[tuple[int, ...], tuple[int, Any]] | None:
    """Each pattern that `least` sequences or more hold, with their number and measure(sequences); None where there are more than limit."""
    found: dict[tuple[int, ...], tuple[int, Any]] = {}
    stack: list[tuple[tuple[int, ...], Any]] = [((), None)]
    while stack:
        prefix, state = stack.pop()
        for code, grown, seqs in miner.grow(state):
            if len(seqs) < least:
                continue
            pattern = (*prefix, code)
            found[pattern] = (len(seqs), measure(seqs))
            if limit is not None and len(found) > limit:
                return None
            if len(pattern) < max_length:
                stack.append((pattern, grown))
    return found


def closed(found: dict[tuple[int, ...], tuple[int, Any]]) -> list[tuple[int, ...]]:
    """The patterns that no pattern of one act more is held as often as, in the order of their codes."""
    open_ones = {
        shorter
        for pattern, (support, _) in found.items()
        for place in range(len(pattern))
        if (shorter := pattern[:place] + pattern[place + 1 :]) in found and found[shorter][0] == support
    }
    return sorted(pattern for pattern in found if pattern not in open_ones)


def patterns(
    log: EventLog | Trail,
    *,
    by: str | Sequence[str] | None = None,
    contrast: str | None = None,
    min_support: float | None = None,
    max_length: int = 4,
    max_gap: int | None = None,
    max_minutes: float | None = None,
    top: int = 20,
    unit: Literal["session", "user"] | None = None,
    seed: int = 0,
) -> Result:
    """Closed sequential patterns that one group walks more or less often than the others, tested, corrected and ranked.

    contrast: an event type (who gets there against who does not, on what they did before and over as many acts), `long_sessions` (above the
    median against the rest, on equally long beginnings), `leaving` (sessions after which a user stays away against those after which
    they come back) or a column of users or acts (each value against all others); without it `purchase` where other acts occur beside
    it, else `long_sessions`.
    min_support: share of the smallest group whose number of sequences must hold a pattern (groups together, so that choosing patterns
    says nothing of the contrast); without it the largest of 0.2 to 0.002 that leaves 100 patterns. max_gap: steps from one element to
    the next, 1 for neighbours. max_minutes: from the first element to the last. unit: what holds a pattern.
    Raises ConfigError for an option that cannot be, NotInLogError where the log lacks what the contrast needs.
    """
    _check(min_support, max_length, max_gap, max_minutes, top, unit)
    t = trail(log) if by is None else trail(log, by=by)
    if max_minutes is not None:
        t.need_clock("a limit in minutes")
    if not t.counts.acts:
        return t.nothing("patterns", _DEFINITION, say("no acts are left after the filters", "筛选后没有任何行为"), _SCHEMA)
    contrast = _contrast(t, contrast)
    acts = code_acts(t, seed=seed)
    groups = _grouped(t, acts, contrast, unit, seed)
    sizes = [int((groups.group == code).sum()) for code in groups.tested]
    if not sizes or min(sizes) == 0 or min(len(groups.group) - size for size in sizes) == 0:
        why = say("there are no two groups to compare: {what}", "没有可供比较的两个群体：{what}", what=groups.definition)
        return t.nothing("patterns", _DEFINITION, why, _SCHEMA)
    span = None if max_minutes is None else round(max_minutes * 60_000_000)
    smallest = min(min(size, len(groups.group) - size) for size in sizes)
    mined = _mined(groups, min_support, smallest, max_length, max_gap, span)
    rows = _tested(groups, mined.found, mined.closed, sizes)
    shown = _ranked(groups, mined.miner, rows, top)
    return _result(t, acts, groups, mined, shown, len(rows), contrast, max_length, max_gap, max_minutes, seed)


_DEFINITION: Final = say(
    "Closed sequential patterns: acts in this order, others may lie between; held by a sequence or not, however often.",
    "闭合序列模式：按此先后次序发生的行为（其间可有其他行为）；每条序列只计有或无，不计次数。",
)


def _check(min_support: float | None, max_length: int, max_gap: int | None, max_minutes: float | None, top: int, unit: str | None) -> None:
    if min_support is not None and not 0 < min_support <= 1:
        raise ConfigError(f"min_support is a share of the smallest group, above 0 and at most 1, got {min_support:g}")
    for name, value in (("max_length", max_length), ("max_gap", max_gap), ("top", top)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}")
    if max_minutes is not None and not 0 <= max_minutes <= LONGEST_GAP_MINUTES:
        raise ConfigError(f"max_minutes must be 0 or more and at most {LONGEST_GAP_MINUTES:.0f}, got {max_minutes:g}")
    if unit not in (None, "session", "user"):
        raise ConfigError(f"unit must be session or user, got {unit!r}")


def _contrast(t: Trail, contrast: str | None) -> str:
    if contrast is not None:
        return contrast
    return "purchase" if "purchase" in t.types and len(t.types) > 1 else "long_sessions"


def _grouped(t: Trail, acts: CodedActs, contrast: str, unit: str | None, seed: int) -> _Groups:
    if contrast == "long_sessions":
        return _long_sessions(t, acts, unit)
    if contrast == "leaving":
        return _leaving(t, acts, unit)
    if contrast in t.types or contrast in EVENT_TYPES:
        t.need_types(f"the contrast {contrast!r}", [contrast])
        return _outcome(t, acts, contrast, unit, seed)
    return _column(t, acts, contrast, unit)


def _cut(acts: CodedActs, unit: str | None, default: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Acts by sequence (the order to take them in), the sequence code of each, and the unit."""
    chosen = unit or default
    if chosen == "user":
        return np.arange(len(acts.user)), acts.user.astype(np.int64), chosen
    return np.argsort(acts.session, kind="stable"), np.sort(acts.session).astype(np.int64), chosen


def _sequences(acts: CodedActs, order: np.ndarray, seq: np.ndarray, kept_acts: np.ndarray, kept_seqs: np.ndarray) -> tuple[Sequences, Any]:
    """The kept acts of the kept sequences as rows, and the user of each row. kept_acts: aligned with order."""
    n = len(kept_seqs)
    new = np.cumsum(kept_seqs) - 1
    chosen = kept_acts & kept_seqs[seq]
    offsets = np.zeros(int(kept_seqs.sum()) + 1, np.int64)
    np.cumsum(np.bincount(new[seq[chosen]], minlength=len(offsets) - 1), out=offsets[1:])
    user = np.zeros(n, np.int64)
    user[seq] = acts.user[order]
    rows = order[chosen]
    return Sequences(acts.label[rows].astype(np.int64), offsets, None if acts.time is None else acts.time[rows]), user[kept_seqs]


def _outcome(t: Trail, acts: CodedActs, outcome: str, unit: str | None, seed: int) -> _Groups:
    """Those who get there, up to there, against those who never do, cut at as many acts: who is seen for longer shows more of anything."""
    order, seq, what = _cut(acts, unit, "session" if t.has_sessions else "user")
    is_outcome = acts.kind[order] == acts.kinds.index(outcome)
    sizes = np.bincount(seq)
    step = np.arange(len(seq)) - (np.cumsum(sizes) - sizes)[seq]
    first = sizes.copy()
    np.minimum.at(first, seq[is_outcome], step[is_outcome])
    reached = first < sizes
    cut = matched_cuts(first, reached, sizes, seed)
    kept = cut > 0
    sequences, user = _sequences(acts, order, seq, step < cut[seq], kept)
    group = np.where(reached[kept], 0, 1)
    warnings = []
    none, unmatched = int((reached & (first == 0)).sum()), int((reached & (first > 0) & ~kept).sum())
    if none or unmatched:
        warnings.append(
            say(
                "of {all:,} {unit} with {outcome}, {none:,} without an act before it and {unmatched:,} longer than those without "
                "{outcome} are left out",
                "{all:,} 个有 {outcome} 的{unit}中，{none:,} 个此前没有任何行为，{unmatched:,} 个长于任何没有 {outcome} 的{unit}，均未计入",
                none=none, unmatched=unmatched, all=int(reached.sum()), unit=_UNITS[what], outcome=outcome,
            )
        )  # fmt: skip
    definition = say(
        "{begin} with {outcome}, up to the first and without it, against those that go on without, cut at random so that both sides are "
        "equally long.",
        "有 {outcome} 的{begin}（计至首次发生之前，不含其本身）与没有的相比；后者随机截断，使两组长度分布一致。",
        begin=_BEGIN[what], outcome=outcome,
    )  # fmt: skip
    among = say("{unit} that lead to {outcome}", "发生 {outcome} 的{unit}", unit=_UNITS[what], outcome=outcome)
    return _Groups(sequences, group, user, [outcome, f"no {outcome}"], [0], definition, among, warnings)


def matched_cuts(
    first: Int64[np.ndarray, " S"], reached: Bool[np.ndarray, " S"], sizes: Int64[np.ndarray, " S"], seed: int
) -> Int64[np.ndarray, " S"]:
    """How many acts of each sequence count: of those that reach the outcome what is before it, of the others, drawn at random, as many.

    A sequence stands against one that reached the outcome after n acts where it has more than n: it was there to reach it too. Each
    number of acts has the same share on both sides; 0 leaves a sequence out. Sampling as in nested case-control studies.
    """
    longest = max(1, int(first.max(initial=0)))
    cases = np.bincount(first[reached & (first > 0)], minlength=longest + 1)
    others = ~reached & (sizes > 1)
    there = np.cumsum(np.bincount(np.minimum(sizes[others] - 1, longest), minlength=longest + 1)[::-1])[::-1]  # with more than n acts
    best, ratio, limit = 0.0, 0.0, 0
    for end in range(1, min(longest, 200) + 1):
        if not cases[end]:
            continue
        wanted = np.cumsum(cases[1 : end + 1][::-1])[::-1]
        each = float((there[1 : end + 1] / wanted).min())
        worth = wanted[0] * each / (1 + each)  # the size of two groups that tell as much
        if worth > best:
            best, ratio, limit = worth, each, end
    cut = np.where(reached & (first <= limit), first, 0)
    rng = seeded(seed, 4)
    pool = rng.permutation(np.flatnonzero(others))
    for n in range(limit, 0, -1):
        free = pool[(sizes[pool] > n) & (cut[pool] == 0)] if cases[n] else pool[:0]
        cut[free[: round(ratio * int(cases[n]))]] = n
    return cut


_UNITS: Final = {"session": say("sessions", "会话"), "user": say("users", "用户")}
_BEGIN: Final = {"session": say("Sessions", "会话"), "user": say("Users", "用户")}


def _long_sessions(t: Trail, acts: CodedActs, unit: str | None) -> _Groups:
    order, seq, what = _cut(acts, unit, "session")
    sizes = np.bincount(seq)
    several = sizes[sizes >= 2]
    prefix = max(2, int(np.median(several)) // 2) if len(several) else 2
    kept = sizes >= prefix
    step = np.arange(len(seq)) - (np.cumsum(sizes) - sizes)[seq]
    sequences, user = _sequences(acts, order, seq, step < prefix, kept)
    median = float(np.median(sizes[kept])) if kept.any() else 0.0
    group = np.where(sizes[kept] > median, 0, 1)
    definition = say(
        "{begin} of more than {median:g} acts (the median) against shorter ones; only the first {prefix} acts count, of {unit} that have "
        "as many, so that length itself explains nothing.",
        "行为数超过中位数 {median:g} 的{unit}与较短者相比；只计前 {prefix} 次行为（且仅限至少有这么多行为的{unit}），以排除长度的影响。",
        begin=_BEGIN[what], unit=_UNITS[what], median=median, prefix=prefix,
    )  # fmt: skip
    among = say("long {unit}", "较长的{unit}", unit=_UNITS[what])
    return _Groups(sequences, group, user, ["long", "short"], [0], definition, among, [])


def _leaving(t: Trail, acts: CodedActs, unit: str | None) -> _Groups:
    t.need_clock("the contrast 'leaving'")
    t.need_sessions("the contrast 'leaving'")
    if unit == "user":
        raise ConfigError("the contrast 'leaving' is between sessions; unit must be session, got 'user'")
    assert acts.time is not None
    order, seq, _ = _cut(acts, "session", "session")
    n = int(seq.max()) + 1
    time = acts.time[order]
    begin, end = np.full(n, np.iinfo(np.int64).max), np.full(n, np.iinfo(np.int64).min)
    np.minimum.at(begin, seq, time)
    np.maximum.at(end, seq, time)
    day = 86_400_000_000
    horizon = int(min(30 * day, max(day, (time.max() - time.min()) // 4 // day * day)))
    user = np.zeros(n, np.int64)
    user[seq] = acts.user[order]
    after = np.full(n, np.iinfo(np.int64).max)
    same = user[1:] == user[:-1]
    after[:-1][same] = begin[1:][same]
    away = (after - np.minimum(end, after)) > horizon
    kept = end + horizon <= time.max()  # later sessions cannot be judged yet
    sequences, users = _sequences(acts, order, seq, np.ones(len(seq), bool), kept)
    group = np.where(away[kept], 0, 1)
    definition = say(
        "Sessions after which the user stayed away for more than {hours:,.0f} hours against those after which they came back; "
        "sessions of the last {hours:,.0f} hours cannot be judged and are left out.",
        "用户此后 {hours:,.0f} 小时以上未再出现的会话，与此后返回的会话相比；最后 {hours:,.0f} 小时的会话尚无法判断，未计入。",
        hours=24 * horizon / day,
    )
    among = say("the sessions after which users stay away", "用户此后不再回来的会话")
    return _Groups(sequences, group, users, ["stays away", "comes back"], [0], definition, among, [])


def _column(t: Trail, acts: CodedActs, column: str, unit: str | None) -> _Groups:
    given = t.segments(column).to_pyarrow()
    value_of = dict(zip(given["user_id"].to_pylist(), given["segment"].to_pylist(), strict=True))
    of_user = [value_of[user] for user in acts.users.to_pylist()]
    counted: dict[str, int] = {}
    for value in of_user:
        counted[value] = counted.get(value, 0) + 1
    names = sorted(counted, key=lambda value: (-counted[value], value))
    order, seq, what = _cut(acts, unit, "session" if t.has_sessions else "user")
    n = int(seq.max()) + 1
    sequences, user = _sequences(acts, order, seq, np.ones(len(seq), bool), np.ones(n, bool))
    code_of = {name: code for code, name in enumerate(names)}
    group = np.array([code_of[value] for value in of_user], np.int64)[user]
    tested = [code for code, name in enumerate(names[:MAX_GROUPS]) if name != "none" and counted[name] >= 10]
    if len(names) == 2 and len(tested) == 2:
        tested = tested[1:]  # the smaller against the larger says it all
    warnings = []
    if len(names) > MAX_GROUPS:
        warnings.append(
            say(
                "{column} has {n:,} values; only the {kept} largest are compared with the others",
                "{column} 有 {n:,} 个取值；仅将最大的 {kept} 个与其余相比",
                column=column, n=len(names), kept=MAX_GROUPS,
            )
        )  # fmt: skip
    definition = say(
        "{begin} by {column}, each value against all others.",
        "按 {column} 划分的{begin}，每个取值与其余相比。",
        begin=_BEGIN[what],
        column=column,
    )
    return _Groups(sequences, group, user, names, tested, definition, say("{unit}", "{unit}", unit=_UNITS[what]), warnings)


@dataclass(frozen=True, eq=False)
class _Mined:
    miner: Miner
    found: dict[tuple[int, ...], tuple[int, Any]]
    closed: list[tuple[int, ...]]
    least: int
    raised: bool


def _mined(groups: _Groups, min_support: float | None, smallest: int, max_length: int, max_gap: int | None, max_span: int | None) -> _Mined:
    measure = _measure(groups)
    floor = min(10, smallest)

    def mine(least: int) -> tuple[Miner, Any]:
        miner = Miner(groups.sequences, max_gap=max_gap, max_span=max_span, least=least)
        return miner, frequent_patterns(miner, measure, least=least, max_length=max_length, limit=MAX_TESTED)

    best: _Mined | None = None
    for share in (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002) if min_support is None else (min_support,):
        least = max(floor, int(np.ceil(share * smallest)))
        miner, found = mine(least)
        raised = False
        while found is None and min_support is not None:  # said, and never a raw list of thousands
            least, raised = max(least + 1, int(least * 1.5)), True
            miner, found = mine(least)
        if found is None and best is None:
            while found is None:
                least, raised = max(least + 1, int(least * 1.5)), True
                miner, found = mine(least)
        if found is None:
            break
        best = _Mined(miner, found, closed(found), least, raised)
        if len(best.closed) >= 100 or least == floor:
            break
    assert best is not None
    return best


def _measure(groups: _Groups) -> Callable[[np.ndarray], Any]:
    """Sequences of each group among those that hold a pattern, and the variance of the difference of shares with users as clusters."""
    n_groups = len(groups.names)
    n_users = int(groups.user.max()) + 1
    clustered = len(np.unique(groups.user)) < len(groups.user)
    loads = {}
    for code in groups.tested if clustered else []:
        inside = groups.group == code
        n_in, n_out = int(inside.sum()), int((~inside).sum())
        a = np.bincount(groups.user[inside], minlength=n_users) / max(1, n_in)
        b = np.bincount(groups.user[~inside], minlength=n_users) / max(1, n_out)
        loads[code] = (n_in, n_out, a, b, float(a @ a), float(a @ b), float(b @ b))

    def measure(seqs: np.ndarray) -> tuple[np.ndarray, dict[int, float]]:
        counts = np.bincount(groups.group[seqs], minlength=n_groups)
        variances = {}
        for code, (n_in, n_out, a, b, aa, ab, bb) in loads.items():
            weight = np.where(groups.group[seqs] == code, 1 / max(1, n_in), -1 / max(1, n_out))
            v = np.bincount(groups.user[seqs], weight, minlength=n_users)
            p, q = counts[code] / max(1, n_in), (len(seqs) - counts[code]) / max(1, n_out)
            variances[code] = float(v @ v - 2 * p * (v @ a) + 2 * q * (v @ b) + p * p * aa - 2 * p * q * ab + q * q * bb)
        return counts, variances

    return measure


def _tested(
    groups: _Groups, found: dict[tuple[int, ...], tuple[int, Any]], kept: list[tuple[int, ...]], sizes: list[int]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for pattern in kept:
        support, (counts, variances) = found[pattern]
        for code, n_in in zip(groups.tested, sizes, strict=True):
            n_out, ours = len(groups.group) - n_in, int(counts[code])
            rows.append(
                {"pattern": pattern, "code": code, "a": ours, "b": support - ours, "n": n_in, "m": n_out, "variance": variances.get(code)}
            )
    if not rows:
        return rows
    a, b, n, m = (np.array([row[name] for row in rows], np.float64) for name in ("a", "b", "n", "m"))
    p_values = two_shares(a, n, b, m)
    pa_, pb_ = a / n, b / m
    pooled = (a + b) / (n + m)
    plain = pooled * (1 - pooled) * (1 / n + 1 / m)
    clustered = np.array([np.nan if row["variance"] is None else max(row["variance"], 0.0) for row in rows])
    # users with several sequences widen everything; they never narrow it
    inflation = np.ones(len(rows))
    known = ~np.isnan(clustered) & (plain > 0)
    inflation[known] = np.maximum(1.0, clustered[known] / plain[known])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.abs(pa_ - pb_) / np.sqrt(plain * inflation)
    p_values = np.where(inflation > 1, np.maximum(p_values, 2 * stats.norm.sf(np.nan_to_num(z))), p_values)
    ratio = ((a + 0.5) / (n + 0.5)) / ((b + 0.5) / (m + 0.5))
    error = np.sqrt(np.maximum(0.0, 1 / (a + 0.5) - 1 / (n + 0.5) + 1 / (b + 0.5) - 1 / (m + 0.5)) * inflation)
    low, high = ratio * np.exp(-1.959964 * error), ratio * np.exp(1.959964 * error)
    q_values = benjamini_hochberg(p_values)
    for i, row in enumerate(rows):
        row |= {"ratio": float(ratio[i]), "low": float(low[i]), "high": float(high[i]), "p": float(p_values[i]), "q": float(q_values[i])}
    return rows


def two_shares(
    a: Float64[np.ndarray, " P"], n: Float64[np.ndarray, " P"], b: Float64[np.ndarray, " P"], m: Float64[np.ndarray, " P"]
) -> Float64[np.ndarray, " P"]:
    """Two-sided p-values of "a of n and b of m are the same share": chi-square, Fisher's exact test where a count expected is below 5."""
    total = a + b
    with np.errstate(divide="ignore", invalid="ignore"):
        share = total / (n + m)
        z = (a / n - b / m) / np.sqrt(share * (1 - share) * (1 / n + 1 / m))
    p = 2 * stats.norm.sf(np.abs(z))
    p = np.where(np.isnan(p), 1.0, p)
    rare = np.minimum(np.minimum(n, m) * share, np.minimum(n, m) * (1 - share)) < 5
    for i in np.flatnonzero(rare):
        p[i] = stats.fisher_exact([[int(a[i]), int(n[i] - a[i])], [int(b[i]), int(m[i] - b[i])]])[1]
    return p


def _ranked(groups: _Groups, miner: Miner, rows: list[dict[str, Any]], top: int) -> list[dict[str, Any]]:
    """The patterns whose effect is surely largest, each with those alike folded in."""

    def sureness(row: dict[str, Any]) -> float:
        return float(max(np.log(row["low"]), -np.log(row["high"]), 0.0))

    rows = sorted(rows, key=lambda row: (row["q"] >= 0.05, -sureness(row), row["p"], len(row["pattern"]), row["pattern"], row["code"]))
    rows = rows[: 10 * top]
    explained = np.zeros(len(rows), np.int64)
    shown: list[dict[str, Any]] = []
    for code in {row["code"] for row in rows}:
        for way in (True, False):
            at = [i for i, row in enumerate(rows) if row["code"] == code and (row["ratio"] >= 1) == way]
            _explain(at, [miner.holders(rows[i]["pattern"]) for i in at], groups.group == code, way, explained)
    for i, row in enumerate(rows):
        if explained[i] >= 0 and len(shown) < top:
            shown.append(row | {"held": miner.holders(row["pattern"]), "alike": int(explained[i])})
    return shown


def _explain(at: list[int], held: list[np.ndarray], inside: Bool[np.ndarray, " S"], more: bool, explained: np.ndarray) -> None:
    """Fold patterns into others: into one that nearly the same sequences hold, and into a wider one, among whose holders the group does
    not hold the narrow one any more often (less often, without `more`) than the rest, at 5 % over all candidates. `explained` gets how
    many were folded into a pattern, -1 for those that were.
    """
    if not at:
        return
    rows = np.repeat(np.arange(len(at)), [len(one) for one in held])
    columns = np.concatenate(held)
    holds = sparse.csr_array((np.ones(len(rows), np.int64), (rows, columns)), (len(at), len(inside)))
    both = (holds @ holds.T).toarray()
    both_in = (holds[:, inside] @ holds[:, inside].T).toarray()
    size, size_in = np.diag(both), np.diag(both_in)
    for i, place in enumerate(at):
        for j, other in enumerate(at):
            if i == j or explained[other] < 0:
                continue
            same = both[i, j] >= ALIKE * (size[i] + size[j] - both[i, j])
            alike = same and j < i  # of two that are nearly the same the surer stays
            if not same and size[j] > size[i] and both[i, j] >= CONTAINED * size[i]:
                a, n, b, m = both_in[i, j], size_in[j], both[i, j] - both_in[i, j], size[j] - size_in[j]
                adds = (a * m > b * n) == more
                alike = not adds or bool(two_shares(*(np.array([float(count)]) for count in (a, n, b, m)))[0] >= 0.05 / len(at))
            if alike:
                explained[other] += 1 + explained[place]
                explained[place] = -1
                break


def _result(
    t: Trail, acts: CodedActs, groups: _Groups, mined: _Mined, shown: list[dict[str, Any]], n_tested: int, contrast: str,
    max_length: int, max_gap: int | None, max_minutes: float | None, seed: int,
) -> Result:  # fmt: skip
    names = _names(t, acts, {code for row in shown for code in row["pattern"]})
    table, cells = [], [Cell("n_tested", n_tested, "patterns"), Cell("min_support", mined.least, "sequences", len(groups.group))]
    for rank, row in enumerate(shown, start=1):
        inside = groups.group[row["held"]] == row["code"]
        walkers = np.unique(groups.user[row["held"][inside if row["ratio"] >= 1 else ~inside]])[:3]
        table.append({
            "rank": rank, "pattern": ARROW.join(names[code] for code in row["pattern"]), "length": len(row["pattern"]),
            "group": groups.names[row["code"]], "support": row["a"], "n": row["n"], "share": row["a"] / row["n"],
            "support_others": row["b"], "n_others": row["m"], "share_others": row["b"] / row["m"], "risk_ratio": row["ratio"],
            "low": row["low"], "high": row["high"], "p_value": row["p"], "q_value": row["q"], "n_alike": row["alike"],
            "example_users": [acts.users[int(user)].as_py() for user in walkers],
        })  # fmt: skip
        least = min(row["n"], row["m"])
        cells += [
            Cell(f"share_{rank}", row["a"] / row["n"], "share", row["n"]),
            Cell(f"share_others_{rank}", row["b"] / row["m"], "share", row["m"]),
            Cell(f"risk_ratio_{rank}", row["ratio"], "ratio", least, row["low"], row["high"]),
        ]
    limits = say("up to {n} acts", "最多 {n} 次行为", n=max_length)
    if max_gap is not None:
        limits = say("{so}, {gap} steps apart at most", "{so}，相邻元素至多相隔 {gap} 步", so=limits, gap=max_gap)
    if max_minutes is not None:
        limits = say("{so}, within {minutes:g} minutes", "{so}，总跨度至多 {minutes:g} 分钟", so=limits, minutes=max_minutes)
    definition = say(
        "{what} {groups} Patterns of {limits}, held by {least:,} sequences or more; {tested:,} closed ones were tested (chi-square, "
        "Fisher's exact test for few; users as clusters), corrected by Benjamini and Hochberg over all of them, and ranked by how large "
        "their effect surely is. Risk ratio: share of the group over share of the others, half a case added to each.",
        "{what}{groups}模式含{limits}，至少出现于 {least:,} 条序列；共检验 {tested:,} 个闭合模式"
        "（卡方检验，频数少时用 Fisher 精确检验；以用户为聚类），"
        "对全部检验作 Benjamini-Hochberg 校正，按效应的可靠大小排序。风险比：该群体占比除以其余占比，各加半例。",
        what=_DEFINITION, groups=groups.definition, limits=limits, least=mined.least, tested=n_tested,
    )  # fmt: skip
    warnings: list[str] = [*acts.sampled, *groups.warnings]
    if mined.raised:
        warnings.append(
            say(
                "more than {n:,} patterns were frequent; the least support was raised to {least:,} sequences",
                "频繁模式超过 {n:,} 个；最低支持度已提高到 {least:,} 条序列",
                n=MAX_TESTED, least=mined.least,
            )
        )  # fmt: skip
    if not shown:
        warnings.append(say("no pattern is held by enough sequences", "没有任何模式出现于足够多的序列"))
    chart = None
    if table:
        rows = [(row["risk_ratio"], row["low"], row["high"]) for row in table]
        labelled = [row["pattern"] if len(groups.tested) == 1 else f"{row['group']}: {row['pattern']}" for row in table]
        chart = charts.intervals(
            labelled,
            {say("risk ratio", "风险比"): rows},
            format="number",
            x_name=say("times as frequent as among the others", "相对其余的倍数"),
            reference=1.0,
        )
    meta = t.meta(
        definition,
        warnings=warnings,
        seed=seed,
        contrast=contrast,
        n_tested=n_tested,
        min_support=mined.least,
        **({} if table else {"empty": True}),
    )
    columns = {name: pa.array([row[name] for row in table], kind) for name, kind in _SCHEMA.items()}
    findings = _findings(groups, table, contrast)
    return Result("patterns", pa.table(columns), meta, tuple(cells), chart, {}, findings, {"labels": acts.labels_query})


def _names(t: Trail, acts: CodedActs, codes: set[int]) -> dict[int, str]:
    """What a step is called: titles where steps are items."""
    ids = {code: acts.labels[code] for code in codes}
    if t.by == ("item_id",):
        titles = t.titles(sorted(set(ids.values())))
        return {code: titles[item] for code, item in ids.items()}
    return ids


def _findings(groups: _Groups, table: list[dict[str, Any]], contrast: str) -> tuple[Finding, ...]:
    for line in table:
        strong = line["low"] >= MATTERS  # what the others do more often is told from their side
        known = contrast == "purchase" and any(part == "cart" for part in line["pattern"].split(ARROW))  # no news before a purchase
        if line["q_value"] >= 0.05 or not strong or known or min(line["n"], line["n_others"]) < 30 or line["length"] < 2:
            continue
        if line["support"] + line["support_others"] < 30:
            continue
        of = groups.among
        if len(groups.tested) > 1 or contrast not in ("long_sessions", "leaving", *EVENT_TYPES):
            of = say(
                "the {unit} of {column} {value}", "{column} 为 {value} 的{unit}", unit=groups.among, column=contrast, value=line["group"]
            )
        text = say(
            "{share:.1%} of {of} show “{pattern}”, against {others:.1%} of the rest: {ratio:.2g} times as often [{low:.2g}, {high:.2g}].",
            "{of}中有 {share:.1%} 出现「{pattern}」，其余为 {others:.1%}：是其 {ratio:.2g} 倍 [{low:.2g}, {high:.2g}]。",
            share=line["share"], of=of, pattern=line["pattern"], others=line["share_others"], ratio=line["risk_ratio"],
            low=line["low"], high=line["high"],
        )  # fmt: skip
        rank = line["rank"]
        effect = abs(np.log(line["risk_ratio"]))
        weight = float(min(1.0, (line["support"] + line["support_others"]) / (line["n"] + line["n_others"]) * effect))
        ids = (f"share_{rank}", f"share_others_{rank}", f"risk_ratio_{rank}")
        # it is the best of all that were tested: only the corrected value says how surprising that is
        return (Finding("finding", text, ids, line["q_value"], weight),)
    return ()


def _ranges(start: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All places of the ranges one after the other, and the range of each."""
    of = np.repeat(np.arange(len(sizes)), sizes)
    return np.arange(len(of)) - (np.cumsum(sizes) - sizes)[of] + start[of], of


def _by_label(labels: np.ndarray, rows: np.ndarray, least: int) -> list[tuple[int, np.ndarray]]:
    """Rows of each label that has enough, ascending codes, rows in their order."""
    enough = (np.bincount(labels) >= least)[labels]
    labels, rows = labels[enough], rows[enough]
    if not len(rows):
        return []
    order = np.argsort(labels, kind="stable")
    codes, starts = np.unique(labels[order], return_index=True)
    return [(int(code), part) for code, part in zip(codes, np.split(rows[order], starts[1:]), strict=True)]


def _previous_same(label: np.ndarray, seq: np.ndarray) -> np.ndarray:
    """The place before with the same label in the same sequence, or -1."""
    order = np.lexsort((np.arange(len(label)), label, seq))
    before = np.full(len(label), -1, np.int64)
    same = (label[order][1:] == label[order][:-1]) & (seq[order][1:] == seq[order][:-1])
    before[order[1:][same]] = order[:-1][same]
    return before


def _span_ends(time: np.ndarray, seq: np.ndarray, stop: np.ndarray, span: int) -> np.ndarray:
    """For each place, the first later one that is more than the span after it, or the end of its sequence."""
    ends = np.empty(len(time), np.int64)
    if not len(time):
        return ends
    relative = time - time.min()
    wide = int(relative.max()) + span + 1
    if (int(seq.max()) + 1) * wide < np.iinfo(np.int64).max:
        key = seq * wide + relative
        return np.minimum(np.searchsorted(key, key + span, side="right"), stop[seq])
    for begin in np.unique(seq, return_index=True)[1]:
        end = stop[seq[begin]]
        ends[begin:end] = begin + np.searchsorted(time[begin:end], time[begin:end] + span, side="right")
    return ends
