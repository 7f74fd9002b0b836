"""How well a fitted model does on the test part of a split, with intervals, and whether one does better than another."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float64, Int64

from footpath.errors import ConfigError, DataError, did_you_mean
from footpath.evaluation.metrics import OF_ALL_LISTS, PER_LIST, WEIGHTS, parse_metrics
from footpath.evaluation.rankings import rank
from footpath.progress import Progress
from footpath.recommender import Recommender, hyperparameters
from footpath.sequences.split import Holdout, Split
from footpath.statistics import Interval, PairedDifference, bootstrap_means, holm, paired_difference

FittedOn = Literal["train", "refit"]
"""The events a model saw: `Split.train`, or those and the validation events (`Split.refit`)."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One row of a table of results.

    metrics: by name, such as `ndcg@10`. Those of one list are means over lists, in an interval that draws users with replacement,
    each with all of its lists; those of all lists together (coverage, gini) have no interval, for fewer distinct users
    give a smaller coverage and the interval would miss the value. per_list, weights: what the means were taken of, (B,) each.
    tie_rate: the share of lists in which two neighbours among the K + 1 best scores are equal, K being the largest cut-off asked for;
    flat_rate: in which all listed are. There the shuffled indexes decide.
    score_cpu_s: CPU-seconds of this process, all threads, to score and rank every history. fit_cpu_s: as the caller measured it.
    holdout: a fingerprint of the questions and their answers; rows compare only where it is the same.
    """

    model: str
    protocol: str
    fitted_on: FittedOn
    repeat: bool
    metrics: Mapping[str, Interval]
    per_list: Mapping[str, Float64[np.ndarray, " B"]]
    weights: Mapping[str, Float64[np.ndarray, " B"]]
    users: pa.StringArray
    holdout: str
    n_targets: int
    tie_rate: float
    flat_rate: float
    score_cpu_s: float
    fit_cpu_s: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_histories(self) -> int:
        return len(self.users)

    @property
    def n_users(self) -> int:
        return pc.count_distinct(self.users).as_py()

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: plain types only."""
        return {
            "model": self.model,
            "metrics": {name: interval.to_dict() for name, interval in self.metrics.items()},
            "fit_cpu_s": self.fit_cpu_s,
            "score_cpu_s": self.score_cpu_s,
            "fitted_on": self.fitted_on,
            "n_histories": self.n_histories,
            "n_users": self.n_users,
            "tie_rate": self.tie_rate,
            "settings": dict(self.settings),
        }


@dataclass(frozen=True)
class Comparison:
    """Whether a model differs from the reference on the same users; p_adjusted: by Holm over the compared models."""

    model: str
    reference: str
    metric: str
    test: PairedDifference
    p_adjusted: float

    def to_dict(self) -> dict[str, Any]:
        """Plain types only."""
        adjusted = None if np.isnan(self.p_adjusted) else self.p_adjusted
        return {"model": self.model, "reference": self.reference, "metric": self.metric, **self.test.to_dict(), "p_adjusted": adjusted}


@dataclass(frozen=True, eq=False)
class Report:
    """A table of results with what it was measured on and its audit stamp."""

    protocol: str
    data: str
    rows: Sequence[Evaluation]
    audit: Mapping[str, Any]
    comparisons: Sequence[Comparison] = ()

    def to_dict(self) -> dict[str, Any]:
        """What `evaluate --json` prints: plain types only."""
        printed: dict[str, Any] = {
            "protocol": self.protocol,
            "data": self.data,
            "rows": [row.to_dict() for row in self.rows],
            "audit": dict(self.audit),
        }
        if self.comparisons:
            printed["comparisons"] = [comparison.to_dict() for comparison in self.comparisons]
        return printed


def evaluate(
    model: Recommender,
    split: Split,
    *,
    name: str | None = None,
    k: int = 10,
    metrics: Sequence[str] | None = None,
    fitted_on: FittedOn = "train",
    fit_cpu_s: float | None = None,
    resamples: int = 1_000,
    confidence: float = 0.95,
    seed: int = 0,
    memory_mib: int = 32,
    progress: Progress | None = None,
) -> Evaluation:
    """Rank the whole catalogue after every test history and measure the lists.

    name: what the row is called, else the model's class. metrics: names such as `recall` (at k) or `recall@20`; None gives
    the default ones. fitted_on: what the caller fitted the model on. Whether seen items may be listed is the split's `repeat`.
    Raises ConfigError, NotFittedError, and DataError where the split leaves nothing to ask.
    """
    asked = parse_metrics(metrics, k)
    if fitted_on not in ("train", "refit"):
        raise ConfigError(f"fitted_on must be 'train' or 'refit', got {fitted_on!r}")
    if not len(split.test.items):
        raise DataError(_nothing_to_ask(split))
    trained_on = split.refit if fitted_on == "refit" else split.train
    started = time.process_time()
    rankings = rank(
        model,
        split.test,
        max(metric.k for metric in asked),
        trained_on=trained_on,
        repeat=split.repeat,
        memory_mib=memory_mib,
        progress=progress,
    )
    score_cpu_s = time.process_time() - started

    cuts = {metric.k: rankings.top(metric.k) for metric in asked}
    of_lists = [metric for metric in asked if metric.name in PER_LIST]
    per_list = {str(metric): PER_LIST[metric.name](cuts[metric.k]) for metric in of_lists}
    weights = {str(metric): WEIGHTS[metric.name](cuts[metric.k]) for metric in of_lists if metric.name in WEIGHTS}
    intervals: dict[str, Interval] = {}
    if per_list:
        means = bootstrap_means(
            np.stack(list(per_list.values()), axis=1),
            weights=np.stack([weights.get(written, np.ones(len(rankings))) for written in per_list], axis=1),
            groups=_groups(split.test.histories.users),
            resamples=resamples,
            confidence=confidence,
            seed=seed,
        )
        intervals = dict(zip(per_list, means, strict=True))
    for metric in asked:
        if metric.name in OF_ALL_LISTS:
            intervals[str(metric)] = Interval(OF_ALL_LISTS[metric.name](cuts[metric.k]), n=len(rankings))
    return Evaluation(
        model=type(model).__name__ if name is None else name,
        protocol=split.protocol,
        fitted_on=fitted_on,
        repeat=split.repeat,
        metrics={str(metric): intervals[str(metric)] for metric in asked},
        per_list=per_list,
        weights=weights,
        users=split.test.histories.users,
        holdout=_fingerprint(split.test),
        n_targets=len(rankings.relevant),
        tie_rate=float(rankings.tied.mean()),
        flat_rate=float(rankings.flat.mean()),
        score_cpu_s=score_cpu_s,
        fit_cpu_s=fit_cpu_s,
        settings=hyperparameters(model),
    )


def compare_paired(
    rows: Sequence[Evaluation],
    reference: str,
    metric: str,
    *,
    resamples: int = 1_000,
    permutations: int = 9_999,
    seed: int = 0,
) -> list[Comparison]:
    """Every other row against the row of that name, on one metric of lists; the p-values are adjusted for their number (Holm).

    Raises ConfigError where the reference or the metric is not there, or where rows were asked different questions.
    """
    names = [row.model for row in rows]
    if reference not in names:
        raise ConfigError(f"no row {reference!r} to compare with{did_you_mean(reference, names)}; rows: {', '.join(names)}")
    base = rows[names.index(reference)]
    if metric not in base.per_list:
        known = list(base.per_list)
        raise ConfigError(f"row {reference!r} has no metric {metric!r} of lists{did_you_mean(metric, known)}; it has: {', '.join(known)}")
    others = [row for row in rows if row is not base]
    tests = []
    for row in others:
        if row.holdout != base.holdout or row.repeat != base.repeat:
            raise ConfigError(f"{row.model!r} and {reference!r} were asked different questions: evaluate both on the same split")
        if metric not in row.per_list:
            raise ConfigError(f"row {row.model!r} has no metric {metric!r}; evaluate every model with the same metrics")
        tests.append(
            paired_difference(
                row.per_list[metric],
                base.per_list[metric],
                weights=base.weights.get(metric),
                groups=_groups(base.users),
                resamples=resamples,
                permutations=permutations,
                seed=seed,
            )
        )
    adjusted = holm([test.p_value for test in tests])
    return [Comparison(row.model, reference, metric, test, float(p)) for row, test, p in zip(others, tests, adjusted, strict=True)]


def _groups(users: pa.StringArray) -> Int64[np.ndarray, " B"] | None:
    """The user of each row as a code; None where every row is a user of its own."""
    encoded = users.dictionary_encode()
    return None if len(encoded.dictionary) == len(users) else encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _fingerprint(holdout: Holdout) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in (holdout.histories.offsets, holdout.histories.items, holdout.offsets, holdout.items):
        digest.update(array.tobytes())
    return digest.hexdigest()


def _nothing_to_ask(split: Split) -> str:
    reasons = ", ".join(f"{count} {why}" for why, count in split.test.counts.items() if count) or "nothing was left out"
    return (
        f"protocol {split.protocol!r} leaves no target to ask for: {len(split.test)} test histories without relevant items ({reasons}); "
        "use another protocol or a larger log"
    )
