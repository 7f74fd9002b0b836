"""Do frozen vectors of users know what hand-made features know? Logistic regressions on either and on both, held to a later cut in time.

Alain and Bengio, Understanding intermediate layers using linear classifier probes, 2016 (arXiv:1610.01644).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float32, Float64, Int64

from footpath.analysis.trail import main_categories
from footpath.errors import ConfigError, DataError, NotInLogError
from footpath.events.contract import EVENT_TYPES
from footpath.events.log import EventLog
from footpath.experiments.embed import before, embedder, histories_before, log_of, parsed, vectors
from footpath.experiments.runs import Run
from footpath.models import catalog
from footpath.progress import Progress
from footpath.recommender import Embedder
from footpath.sequences.build import to_sequences
from footpath.statistics import Interval, auc, bootstrap_means, seeded

MIN_CASES: Final = 10
"""Users with and without the outcome that each part needs."""
LOOKBACK: Final = 4
"""Horizons before a cut in which a user must have acted to be asked about; about leaving, one."""
TOP_CATEGORIES: Final = 20
"""The most frequent of the fitting part; all others are one class more."""
STRENGTH: Final = 0.1
"""Inverse of the L2 penalty of every regression, on standardised columns: fixed, so that nothing is chosen."""
DEFAULT_DAYS: Final = 7.0
_DAY: Final = 86_400 * 10**6
_EPOCH: Final = datetime(1970, 1, 1)
_IMPRESSION, _PURCHASE = EVENT_TYPES.index("impression"), EVENT_TYPES.index("purchase")

Name = Literal["churn", "purchase", "category"]
NAMES: Final[tuple[Name, ...]] = ("churn", "purchase", "category")


@dataclass(frozen=True, eq=False)
class Part:
    """Users at one cut: what the encoder and the features say of them before it, and what they did after it."""

    vectors: Float32[np.ndarray, "U D"]
    features: Float64[np.ndarray, "U F"]
    labels: Int64[np.ndarray, " U"]


@dataclass(frozen=True)
class Probe:
    """One question with its answers. figure: the area under the ROC curve, or the share of classes that were named rightly.

    base: the share of positives among the tested users, or the accuracy of naming the commonest class of the fitting part.
    gain: of both over features alone. refused: why there is no answer; the figures are NaN then.
    """

    name: Name
    figure: Literal["auc", "accuracy"]
    n_fit: int
    n_test: int
    base: float
    vectors: Interval = field(default_factory=lambda: Interval(np.nan))
    features: Interval = field(default_factory=lambda: Interval(np.nan))
    both: Interval = field(default_factory=lambda: Interval(np.nan))
    gain: Interval = field(default_factory=lambda: Interval(np.nan))
    refused: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain types; None where undefined."""
        return asdict(self) | {name: getattr(self, name).to_dict() for name in ("vectors", "features", "both", "gain")}


@dataclass(frozen=True)
class Probes:
    """The answers, the cuts (UTC) between which they were found, and what was probed."""

    probes: Sequence[Probe]
    first_cut: datetime
    second_cut: datetime
    end: datetime
    horizon_days: float
    record: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        cuts = {name: getattr(self, name).replace(tzinfo=UTC).isoformat() for name in ("first_cut", "second_cut", "end")}
        return dict(self.record) | cuts | {"horizon_days": self.horizon_days, "probes": [probe.to_dict() for probe in self.probes]}


def probe(
    run: Run,
    *,
    store: Path | None = None,
    until: datetime | str | None = None,
    horizon_days: float | None = None,
    resamples: int = 1_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Probes:
    """Who will leave, who will buy, and of what category the next act is: asked of vectors, of hand-made features, and of both.

    The second cut lies one horizon before the end of the log (before `until`, where given), the first one another horizon earlier.
    Regressions are fitted on what was known at the first cut and on what happened up to the second, and judged by what was known at the
    second and what happened after it. The encoder of the run has read all events, so one with its settings is fitted on those before the
    first cut; what the settings were chosen on (the number of epochs, for one) may be later.
    horizon_days: 7, or a fifth of a log of less than 35 days. Intervals are by bootstrap over users, 95 %.
    Raises ConfigError, NotInLogError without a clock, DataError where no question can be asked, RunError, StoreError.
    """
    embedder(run)
    log = log_of(run, store)
    if not log.has_clock:
        raise NotInLogError(f"log {log.name!r} has no clock, and probes are divided in time: `footpath embed` without --probe needs none")
    log = before(log, None if until is None else parsed(until))
    acts = _read(log)
    start, last = (_EPOCH + timedelta(microseconds=int(moment)) for moment in (acts.times.min(), acts.times.max()))
    days = min(DEFAULT_DAYS, (last - start) / timedelta(days=5)) if horizon_days is None else horizon_days
    if not 0 < days < float("inf"):
        raise ConfigError(f"horizon_days must be above 0 and finite, got {days:g}")
    horizon = timedelta(days=min(days, 36_500))
    end = last + timedelta(microseconds=1)
    if end - 3 * horizon < start:
        raise ConfigError(
            f"horizon_days must fit three times into the log, once before each cut and once after the second; it spans "
            f"{(last - start) / timedelta(days=1):.3g} days, got {days:g}"
        )
    second, first = end - horizon, end - 2 * horizon
    data = run.record["data"]
    past = to_sequences(before(log, first), event_types=data["event_types"], core=data["core"], seed=data["seed"])
    model = catalog.create(run.record["model"], **run.record["hyperparameters"]).fit(past, progress=progress)
    assert isinstance(model, Embedder)
    found: list[tuple[Float32[np.ndarray, "U D"], Float64[np.ndarray, "U F"], Mapping[Name, _Asked]]] = []
    for cut in (first, second):
        histories = histories_before(log, model.items, cut, event_types=data["event_types"])
        table = np.zeros((len(acts.users), model.item_vectors().shape[1]), np.float32)
        table[pc.index_in(histories.users, value_set=acts.users).to_numpy()] = vectors(model, histories, cut, progress)
        at, width = (cut - _EPOCH) // timedelta(microseconds=1), horizon // timedelta(microseconds=1)
        found.append((table, _features(acts, at, width, (first - _EPOCH) // timedelta(microseconds=1)), _asked(acts, at, width)))
    probes = []
    for name in NAMES:
        parts = [Part(table[ask.users], made[ask.users], ask.labels) for table, made, asked in found for ask in [asked[name]]]
        probes.append(judge(name, parts[0], parts[1], resamples=resamples, seed=seed))
    if all(one.refused for one in probes):
        raise DataError(f"log {log.name!r} answers no probe: " + "; ".join(f"{one.name}: {one.refused}" for one in probes))
    record = {
        "run": str(run.path),
        "model": run.record["model"],
        "store": {"name": log.name, "fingerprint": log.fingerprint},
        "encoder": {"fitted_before": first.replace(tzinfo=UTC).isoformat(), "n_events": past.n_events, "n_users": len(past)},
        "n_vector_columns": int(found[0][0].shape[1]),
        "n_feature_columns": int(found[0][1].shape[1]),
    }
    return Probes(probes, first, second, end, days, record)


def judge(name: Name, fit: Part, test: Part, *, resamples: int = 1_000, seed: int = 0) -> Probe:
    """Three regressions, fitted on one part and held to the other. Labels of `category` are classes, negative where there is none."""
    figure: Literal["auc", "accuracy"] = "accuracy" if name == "category" else "auc"
    if name == "category":
        fit, test = _with_classes(fit, test)
        base = float((test.labels == np.bincount(fit.labels).argmax()).mean()) if len(fit.labels) and len(test.labels) else np.nan
    else:
        base = float(test.labels.mean()) if len(test.labels) else np.nan
    if refused := _too_few(name, fit, test):
        return Probe(name, figure, len(fit.labels), len(test.labels), base, refused=refused)
    tables = [(part.vectors, part.features, np.concatenate([part.vectors, part.features], axis=1)) for part in (fit, test)]
    answer = _named if name == "category" else _scored
    answers = np.stack([answer(known, fit.labels, asked) for known, asked in zip(*tables, strict=True)], axis=1).astype(np.float64)
    if name == "category":
        right = (answers == test.labels[:, None]).astype(np.float64)
        intervals = bootstrap_means(np.column_stack([right, right[:, 2] - right[:, 1]]), resamples=resamples, seed=seed)
    else:
        intervals = auc_intervals(test.labels.astype(bool), answers, resamples=resamples, seed=seed)
    of_vectors, of_features, of_both, gain = intervals
    return Probe(name, figure, len(fit.labels), len(test.labels), base, of_vectors, of_features, of_both, gain)


def auc_intervals(
    labels: Bool[np.ndarray, " E"], scores: Float64[np.ndarray, "E 3"], *, resamples: int = 1_000, seed: int = 0
) -> list[Interval]:
    """The area under the ROC curve of each column, and of the third less the second: 95 % bootstrap over rows, the same for all."""
    rng = seeded(seed)
    n, rows = len(labels), max(1, (1 << 20) // len(labels))
    draws = []
    for start in range(0, resamples, rows):
        drawn = min(rows, resamples - start)
        cells = rng.integers(0, n, (drawn, n)) + n * np.arange(drawn)[:, None]
        counts = np.bincount(cells.ravel(), minlength=drawn * n).reshape(drawn, n).astype(np.float64)
        draws.append(np.stack([_weighted_auc(labels, column, counts) for column in scores.T], axis=1))
    drawn_areas = np.concatenate(draws)
    areas = np.array([auc(labels, column) for column in scores.T])
    values, of_draws = np.append(areas, areas[2] - areas[1]), np.column_stack([drawn_areas, drawn_areas[:, 2] - drawn_areas[:, 1]])
    of_draws = of_draws[~np.isnan(of_draws).any(axis=1)]  # a draw may hold one class only
    low, high = np.quantile(of_draws, [0.025, 0.975], axis=0) if len(of_draws) else np.full((2, 4), np.nan)
    return [Interval(float(value), float(a), float(b), n) for value, a, b in zip(values, low, high, strict=True)]


def _weighted_auc(
    labels: Bool[np.ndarray, " E"], scores: Float64[np.ndarray, " E"], counts: Float64[np.ndarray, "R E"]
) -> Float64[np.ndarray, " R"]:
    """The area where row e stands counts[r, e] times; NaN where a class is missing."""
    order = np.argsort(scores, kind="stable")
    first_of_tie = np.flatnonzero(np.append(True, np.diff(scores[order]) > 0))
    positive = np.add.reduceat(np.where(labels[order], counts[:, order], 0.0), first_of_tie, axis=1)
    negative = np.add.reduceat(np.where(labels[order], 0.0, counts[:, order]), first_of_tie, axis=1)
    wins = (positive * (np.cumsum(negative, axis=1) - negative / 2)).sum(axis=1)
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return np.divide(wins, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)


def _with_classes(fit: Part, test: Part) -> tuple[Part, Part]:
    """Users who have a category; the most frequent of the fitting part are classes 0, 1 ..., all others the last."""
    known = fit.labels[fit.labels >= 0]
    top = np.argsort(-np.bincount(known), kind="stable")[:TOP_CATEGORIES] if len(known) else np.zeros(0, np.int64)
    size = int(max(fit.labels.max(initial=0), test.labels.max(initial=0))) + 1
    classes = np.full(size, len(top), np.int64)
    classes[top] = np.arange(len(top))

    def renamed(part: Part) -> Part:
        kept = part.labels >= 0
        return Part(part.vectors[kept], part.features[kept], classes[part.labels[kept]])

    return renamed(fit), renamed(test)


def _too_few(name: Name, fit: Part, test: Part) -> str:
    """Why nothing can be said, or nothing."""
    for which, part in (("fitting", fit), ("test", test)):
        n = len(part.labels)
        if name == "category":
            classes = len(np.unique(part.labels))
            if n < 2 * MIN_CASES or classes < 2:
                return f"the {which} part has {n:,} users with a next category and {classes} categories; it needs {2 * MIN_CASES} and 2"
        else:
            positive = int(part.labels.sum())
            if min(positive, n - positive) < MIN_CASES:
                return f"the {which} part has {positive:,} users with {name} and {n - positive:,} without; it needs {MIN_CASES} of each"
    return ""


def _regression(known: np.ndarray, labels: Int64[np.ndarray, " U"]) -> tuple[Callable[[np.ndarray], np.ndarray], Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scale = StandardScaler().fit(known.astype(np.float64))
    return scale.transform, LogisticRegression(C=STRENGTH, max_iter=2_000).fit(scale.transform(known.astype(np.float64)), labels)


def _scored(known: np.ndarray, labels: Int64[np.ndarray, " U"], asked: np.ndarray) -> np.ndarray:
    scaled, fitted = _regression(known, labels)
    return np.asarray(fitted.decision_function(scaled(asked.astype(np.float64))))


def _named(known: np.ndarray, labels: Int64[np.ndarray, " U"], asked: np.ndarray) -> np.ndarray:
    scaled, fitted = _regression(known, labels)
    return np.asarray(fitted.predict(scaled(asked.astype(np.float64))))


@dataclass(frozen=True, eq=False)
class _Acts:
    """All rows of a log by user and order. rows: the user of each. categories: of its item, -1 where unknown."""

    users: pa.StringArray
    rows: Int64[np.ndarray, " E"]
    times: Int64[np.ndarray, " E"]
    types: Int64[np.ndarray, " E"]
    categories: Int64[np.ndarray, " E"]


@dataclass(frozen=True, eq=False)
class _Asked:
    users: Int64[np.ndarray, " U"]
    labels: Int64[np.ndarray, " U"]


def _read(log: EventLog) -> _Acts:
    table = log.table.select("user_id", "item_id", "event_type", "timestamp", "position").to_pyarrow()
    users = pc.unique(table["user_id"].combine_chunks()).sort()
    rows = pc.index_in(table["user_id"], value_set=users).to_numpy().astype(np.int64)
    order = np.lexsort((table["position"].to_numpy(), rows))
    categories = np.full(len(rows), -1, np.int64)
    if (found := main_categories(log)) is not None:
        items = found.to_pyarrow()
        items = items.filter(pc.and_(pc.is_valid(items["category"]), pc.not_equal(items["category"], "")))
        names = pc.unique(items["category"].combine_chunks()).sort()
        codes = pc.index_in(items["category"], value_set=names).to_numpy()
        places = pc.fill_null(pc.index_in(table["item_id"], value_set=items["item_id"].combine_chunks()), -1).to_numpy()
        categories = np.append(codes, -1)[places].astype(np.int64)
    times = table["timestamp"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    types = pc.index_in(table["event_type"], value_set=pa.array(EVENT_TYPES)).to_numpy().astype(np.int64)
    return _Acts(users, rows[order], times[order], types[order], categories[order])


def _own(acts: _Acts) -> Bool[np.ndarray, " E"]:
    """What people did, not what they were shown."""
    return acts.types != _IMPRESSION


def _asked(acts: _Acts, cut: int, horizon: int) -> dict[Name, _Asked]:
    """Who is asked at a cut, and what then happened within the horizon."""
    n, own = len(acts.users), _own(acts)
    came = own & (acts.times >= cut) & (acts.times < cut + horizon)
    returned = np.bincount(acts.rows[came], minlength=n) > 0
    bought = np.bincount(acts.rows[came & (acts.types == _PURCHASE)], minlength=n) > 0
    named = np.flatnonzero(came & (acts.categories >= 0))
    category = np.full(n, -1, np.int64)
    category[acts.rows[named][::-1]] = acts.categories[named][::-1]  # the earliest is written last

    def active(horizons: int) -> Int64[np.ndarray, " U"]:
        lately = own & (acts.times < cut) & (acts.times >= cut - horizons * horizon)
        return np.unique(acts.rows[lately])

    lately, longer = active(1), active(LOOKBACK)
    return {
        "churn": _Asked(lately, (~returned[lately]).astype(np.int64)),
        "purchase": _Asked(longer, bought[longer].astype(np.int64)),
        "category": _Asked(longer, category[longer]),
    }


def _features(acts: _Acts, cut: int, horizon: int, first_cut: int) -> Float64[np.ndarray, "U F"]:
    """Of acts before a cut: per event type, all and within a horizon; recency, age, pace, mean gap; the last type; categories.

    Counts and durations as log(1 + x), days. The columns are the same at every cut: types of the whole log, the commonest categories
    before the first cut.
    """
    n, past = len(acts.users), acts.times < cut
    rows, times, types, categories = acts.rows[past], acts.times[past], acts.types[past], acts.categories[past]
    own, recent = types != _IMPRESSION, times >= cut - horizon

    def count(which: Bool[np.ndarray, " E"]) -> Float64[np.ndarray, " U"]:
        return np.bincount(rows[which], minlength=n).astype(np.float64)

    columns = []
    last_type = np.full(n, -1)
    last_type[rows[own]] = types[own]  # rows are in order, and the last one written stays
    for kind in np.unique(acts.types):
        columns += [np.log1p(count(types == kind)), np.log1p(count((types == kind) & recent)), last_type == kind]
    first, last = np.full(n, cut), np.full(n, cut)
    last[rows[own]] = times[own]
    first[rows[own][::-1]] = times[own][::-1]
    total = count(own)
    span = (last - first) / _DAY
    columns += [np.log1p((cut - last) / _DAY), np.log1p((cut - first) / _DAY)]
    columns += [np.log1p(total / np.maximum(1.0, (cut - first) / _DAY)), np.log1p(span / np.maximum(1.0, total - 1))]
    known = acts.categories[(acts.times < first_cut) & (acts.categories >= 0) & _own(acts)]
    named, last_category = own & (categories >= 0), np.full(n, -1)
    last_category[rows[named]] = categories[named]
    of_any = np.maximum(1.0, count(named))
    for category in np.argsort(-np.bincount(known), kind="stable")[:TOP_CATEGORIES] if len(known) else ():
        columns += [count(named & (categories == category)) / of_any, last_category == category]
    return np.column_stack(columns).astype(np.float64)
