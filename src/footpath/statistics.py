"""What analyses and evaluations both need: intervals, paired tests, corrections for many tests, AUC and calibration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import ArrayLike
from scipy.special import ndtri

from footpath.errors import ConfigError, DataError

SMALL: Final = 30
"""A figure with fewer rows behind it is a small cell: greyed, and left out of findings."""
_CHUNK = 1 << 16
"""Numbers drawn at a time: half a MiB of float64, which stays in cache."""


def quantile_of(confidence: float) -> float:
    """How many standard errors an interval reaches either way. Raises ConfigError unless the confidence is between 0 and 1."""
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must be between 0 and 1, got {confidence:g}")
    return float(ndtri((1 + confidence) / 2))


def seeded(seed: int, *stream: int) -> np.random.Generator:
    """The generator of a seed, or of one of its streams. Raises ConfigError for a seed below 0."""
    if seed < 0:
        raise ConfigError(f"seed must be a whole number of at least 0, got {seed}")
    return np.random.default_rng([seed, *stream] if stream else seed)


@dataclass(frozen=True)
class Interval:
    """A figure with its interval: NaN where undefined. n: the rows behind it."""

    value: float
    low: float = np.nan
    high: float = np.nan
    n: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain types; None where undefined."""
        return {name: None if np.isnan(number) else number for name, number in vars(self).items()}


@dataclass(frozen=True)
class PairedDifference:
    """The mean of first minus second on the same rows, its interval, and the two-sided p-value of "there is none"."""

    difference: float
    low: float
    high: float
    p_value: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Plain types; None where undefined."""
        return {name: None if np.isnan(number) else number for name, number in vars(self).items()}


def bootstrap_means(
    values: Float64[np.ndarray, "E M"],
    *,
    weights: Float64[np.ndarray, "E M"] | None = None,
    groups: Int64[np.ndarray, " E"] | None = None,
    resamples: int = 1_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Interval]:
    """The mean of each column with its percentile bootstrap interval; NaNs are left out of a column and n says how many are in.

    weights: the mean is sum(w v) / sum(w). groups: what is drawn with replacement, such as the user of each row (codes from 0);
    without them every row is drawn alone. All columns share the draws, and the same seed and groups give the same draws.
    The interval is NaN with fewer than two groups, for nothing is known of their spread. Efron and Tibshirani, 1993, chapter 13;
    clusters as in Field and Welsh, JRSS B 2007.
    """
    _check_draws("resamples", resamples, confidence)
    present = ~np.isnan(values)
    mass = present.astype(np.float64) if weights is None else np.where(present, weights, 0.0)
    parts = np.concatenate([np.where(present, values, 0.0) * mass, mass], axis=1)
    clusters, n_clusters = _sums(parts, groups), _sums(present.astype(np.float64), groups)
    sums, masses = np.split(clusters.sum(axis=0), 2)
    means = _ratio(sums, masses)
    draws = _ratio(*np.split(drawn_sums(clusters, resamples=resamples, seed=seed), 2, axis=1))
    low, high = _percentiles(draws, confidence)
    bounds = np.fmin(low, means), np.fmax(high, means)  # equal values sum to the same but for the last bits
    spread = (n_clusters > 0).sum(axis=0) > 1
    return [
        Interval(float(mean), float(low) if known else np.nan, float(high) if known else np.nan, int(n))
        for mean, low, high, known, n in zip(means, *bounds, spread, present.sum(axis=0), strict=True)
    ]


def drawn_sums(sums: Float64[np.ndarray, "G M"], *, resamples: int = 1_000, seed: int = 0) -> Float64[np.ndarray, "R M"]:
    """What the columns sum to in each bootstrap resample of G groups: for the interval of what is computed from several sums.

    The draws are those of `bootstrap_means` with as many groups and the same seed.
    """
    return np.concatenate([counts @ sums for counts in _resampled(len(sums), resamples, seed)])


def drawn_interval(value: float, draws: Float64[np.ndarray, " R"], n: int, *, confidence: float = 0.95) -> Interval:
    """The percentile interval of a figure from its resamples; resamples in which it is undefined are left out."""
    _check_draws("resamples", len(draws), confidence)
    low, high = _percentiles(draws[:, None], confidence)[:, 0]
    if np.isnan(low):
        return Interval(value, n=n)
    return Interval(value, float(np.fmin(low, value)), float(np.fmax(high, value)), n)


def paired_difference(
    first: Float64[np.ndarray, " E"],
    second: Float64[np.ndarray, " E"],
    *,
    weights: Float64[np.ndarray, " E"] | None = None,
    groups: Int64[np.ndarray, " E"] | None = None,
    resamples: int = 1_000,
    permutations: int = 9_999,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Whether first differs from second on the same rows; rows where either is NaN are left out.

    Interval: percentile bootstrap of the mean difference. p: a permutation test that swaps the two within a group (a row, or all
    rows of a user), (1 + swaps at least as extreme) / (1 + permutations); never below 1 / (1 + permutations).
    Smucker, Allan, Carterette, CIKM 2007; Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 2010.
    """
    _check_draws("permutations", permutations, confidence)
    if len(first) != len(second):
        raise DataError(f"a paired test needs the same rows on both sides, got {len(first)} and {len(second)}")
    gap = first - second
    kept = weights if weights is None else weights[:, None]
    interval = bootstrap_means(gap[:, None], weights=kept, groups=groups, resamples=resamples, confidence=confidence, seed=seed)[0]
    if interval.n == 0:
        return PairedDifference(np.nan, np.nan, np.nan, np.nan, 0)
    mass = np.where(np.isnan(gap), 0.0, 1.0 if weights is None else weights)
    swapped = _sums((np.nan_to_num(gap) * mass)[:, None], groups)[:, 0]
    swapped = swapped[swapped != 0]  # swapping equal values changes nothing
    total = swapped.sum()
    bar = abs(total) - 1e-12 * np.abs(swapped).sum()  # sums of the same numbers in another order may differ in the last bits
    rng = seeded(seed, 1)
    rows = max(1, _CHUNK // max(1, len(swapped)))
    extreme = 0
    for start in range(0, permutations, rows):
        drawn = min(rows, permutations - start)
        packed = rng.integers(0, 256, (drawn, -(-len(swapped) // 8)), np.uint8)
        kept_sign = np.unpackbits(packed, axis=1, count=len(swapped))
        extreme += int((np.abs(2 * (kept_sign @ swapped) - total) >= bar).sum())
    return PairedDifference(interval.value, interval.low, interval.high, (1 + extreme) / (1 + permutations), interval.n)


def holm(p_values: ArrayLike) -> Float64[np.ndarray, " M"]:
    """p-values adjusted so that the chance of one false alarm or more among them stays below the level; NaNs stay and do not count.

    Holm, Scandinavian Journal of Statistics 1979.
    """
    p = np.asarray(p_values, np.float64)
    adjusted, order = p.copy(), np.argsort(p)[: (~np.isnan(p)).sum()]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> Float64[np.ndarray, " M"]:
    """p-values adjusted so that the expected share of false alarms among all alarms stays below the level; NaNs stay and do not count.

    Benjamini and Hochberg, JRSS B 1995.
    """
    p = np.asarray(p_values, np.float64)
    adjusted, order = p.copy(), np.argsort(p)[: (~np.isnan(p)).sum()]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted


def wilson(
    successes: ArrayLike, n: ArrayLike, confidence: float = 0.95
) -> tuple[Float64[np.ndarray, "*shape"], Float64[np.ndarray, "*shape"]]:
    """The interval of a share, elementwise; (0, 1) where n is 0. Wilson, JASA 1927 (doi:10.1080/01621459.1927.10502953)."""
    successes, n = np.asarray(successes, np.float64), np.asarray(n, np.float64)
    if np.any(successes < 0) or np.any(successes > n):
        raise DataError("a share needs 0 <= successes <= n")
    z2 = quantile_of(confidence) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(n > 0, successes / n, 0.5)
    centre = (share * n + z2 / 2) / (n + z2)
    half = np.sqrt(z2 * (share * (1 - share) * n + z2 / 4)) / (n + z2)
    # at no or only successes the bound is exact, and rounding must not cross it
    low = np.where(successes == 0, 0.0, np.maximum(0.0, centre - half))
    high = np.where(successes == n, 1.0, np.minimum(1.0, centre + half))
    return low[()], high[()]


def gini(amounts: ArrayLike) -> float:
    """How unequal amounts are: 0 where all are the same, 1 - 1/n where one has everything, NaN where there is nothing to share."""
    ordered = np.sort(np.asarray(amounts, np.float64))
    n, total = len(ordered), ordered.sum()
    if n == 0 or total == 0:
        return np.nan
    if ordered[0] < 0:
        raise DataError(f"the Gini coefficient is of amounts of 0 or more, got {ordered[0]:g}")
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """The chance that a positive scores above a negative, ties counting half; NaN where there is one class only.

    Hanley and McNeil, Radiology 1982 (doi:10.1148/radiology.143.1.7063747).
    """
    positive = check_labels(labels)
    return float(auc_by_group(positive, scores, np.zeros(len(positive), np.int64))[0][0]) if len(positive) else np.nan


def auc_by_group(
    labels: ArrayLike, scores: ArrayLike, groups: Int64[np.ndarray, " E"]
) -> tuple[Float64[np.ndarray, " G"], Int64[np.ndarray, " G"]]:
    """The AUC within each group (codes from 0) and its number of rows; NaN where a group has one class only."""
    positive, scores = check_labels(labels), np.asarray(scores, np.float64)
    _check_lengths("labels, scores and groups", len(positive), len(scores), len(groups))
    if np.isnan(scores).any():
        raise DataError(f"{int(np.isnan(scores).sum())} of {len(scores)} scores are NaN; AUC needs a score for every row")
    order = np.lexsort((scores, groups))
    group, score = groups[order], scores[order]
    new_tie = np.ones(len(order), bool)  # the first row of each run of equal scores within a group
    new_tie[1:] = (group[1:] != group[:-1]) | (score[1:] != score[:-1])
    first = np.flatnonzero(new_tie)
    last = np.append(first[1:], len(order)) - 1
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    ranks = ((first + last) / 2 + 1)[np.cumsum(new_tie) - 1] - starts[group]  # of a run, the mean of its places
    n_positive = np.bincount(groups, positive, len(sizes))
    pairs = n_positive * (sizes - n_positive)
    wins = np.bincount(group, ranks * positive[order], len(sizes)) - n_positive * (n_positive + 1) / 2
    return _ratio(wins, pairs), sizes


def ratio_interval(numerators: ArrayLike, denominators: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """The ratio of two sums over users (or other independent units) with its interval by the delta method; n is the number of units.

    The interval is NaN with fewer than two units, the value too where the denominators sum to 0.
    Deng, Knoblich and Lu, KDD 2018 (arXiv:1803.06336).
    """
    k, n = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    _check_lengths("numerators and denominators", len(k), len(n))
    value, error = ratio_errors(len(k), k.sum(), n.sum(), k @ k, n @ n, k @ n)
    half = quantile_of(confidence) * float(error)
    return Interval(float(value), float(value) - half, float(value) + half, len(k))


def ratio_errors(
    units: ArrayLike, k: ArrayLike, n: ArrayLike, kk: ArrayLike, nn: ArrayLike, kn: ArrayLike
) -> tuple[Float64[np.ndarray, "*shape"], Float64[np.ndarray, "*shape"]]:
    """Sum(k) / sum(n) over independent units and its standard error by the delta method, elementwise, from sums and sums of products.

    NaN with fewer than two units or where n sums to 0.
    """
    m, k, n, kk, nn, kn = (np.asarray(a, np.float64) for a in (units, k, n, kk, nn, kn))
    value = _ratio(k, n)
    # sum over units of (k_u - r n_u)^2; rounding must not take it below 0
    squares = np.maximum(0.0, kk - 2 * value * kn + value**2 * nn)
    error = np.where(m > 1, np.sqrt(_ratio(squares * m, m - 1)) * _ratio(np.ones_like(n), n), np.nan)
    return value[()], error[()]


def auc_interval(
    labels: ArrayLike, scores: ArrayLike, *, groups: Int64[np.ndarray, " E"] | None = None, confidence: float = 0.95
) -> Interval:
    """The AUC with DeLong's interval, within [0, 1]; NaN with fewer than two rows of a class.

    groups: what is independent, such as the user of each row (codes from 0), for rows of one user resemble one another and DeLong takes
    every row for a witness of its own; then NaN with fewer than two groups that have a class. Obuchowski's variance adds up each group's
    part before squaring, and is DeLong's where every group is one row; a bootstrap of groups agrees and costs a thousand times as much.
    DeLong, DeLong and Clarke-Pearson, Biometrics 1988, by mid-ranks as in Sun and Xu, IEEE SPL 2014; Obuchowski, Biometrics 1997.
    """
    positive, scores = check_labels(labels), np.asarray(scores, np.float64)
    groups = np.arange(len(positive)) if groups is None else groups
    _check_lengths("labels, scores and groups", len(positive), len(scores), len(groups))
    value, m, n = auc(positive, scores), int(positive.sum()), int((~positive).sum())
    with_positive, with_negative = len(np.unique(groups[positive])), len(np.unique(groups[~positive]))
    if min(with_positive, with_negative) < 2:
        return Interval(value, n=len(positive))
    ranks, n_groups = _mid_ranks(scores), len(np.unique(groups))
    of_positive = (ranks[positive] - _mid_ranks(scores[positive])) / n - value
    of_negative = 1 - (ranks[~positive] - _mid_ranks(scores[~positive])) / m - value
    a = np.bincount(groups[positive], of_positive, int(groups.max()) + 1) / m
    b = np.bincount(groups[~positive], of_negative, int(groups.max()) + 1) / n
    factors = (count / (count - 1) for count in (with_positive, with_negative, n_groups))
    variance = sum(factor * part for factor, part in zip(factors, (a @ a, b @ b, 2 * (a @ b)), strict=True))
    half = quantile_of(confidence) * float(np.sqrt(max(0.0, variance)))
    return Interval(value, max(0.0, value - half), min(1.0, value + half), len(positive))


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predicted probability beside observed share, for each bin that is not empty, smallest predictions first."""

    n: Int64[np.ndarray, " bins"]
    predicted: Float64[np.ndarray, " bins"]
    observed: Float64[np.ndarray, " bins"]

    @property
    def expected_error(self) -> float:
        """The mean distance of the two, weighted by rows, in [0, 1]; NaN without rows."""
        return float(np.abs(self.predicted - self.observed) @ self.n / self.n.sum()) if len(self.n) else np.nan


def calibration(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 15, equal: Literal["width", "mass"] = "width") -> Calibration:
    """Whether events that are given probability p happen in a share p of cases.

    equal: bins of equal width over [0, 1], closed on the right, as in Guo et al., ICML 2017 (arXiv:1706.04599); or of equal mass
    (quantiles; equal predictions stay together), which tells more where predictions are all small, as click rates are.
    """
    positive, p = check_labels(labels), np.asarray(probabilities, np.float64)
    _check_lengths("labels and probabilities", len(positive), len(p))
    check_probabilities(p)
    cell = calibration_cells(p, bins=bins, equal=equal)
    n = np.bincount(cell)
    kept = n > 0
    means = [np.bincount(cell, column)[kept] / n[kept] for column in (p, positive.astype(np.float64))]
    return Calibration(n[kept], *means)


def calibration_cells(
    probabilities: Float64[np.ndarray, " E"], *, bins: int = 15, equal: Literal["width", "mass"] = "width"
) -> Int64[np.ndarray, " E"]:
    """The bin of each probability, from 0; some may be empty."""
    if bins < 1:
        raise ConfigError(f"bins must be at least 1, got {bins}")
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    if equal == "mass" and len(probabilities):
        edges = np.unique(np.quantile(probabilities, edges, method="inverted_cdf"))
    return np.searchsorted(edges, probabilities, side="left")


def check_probabilities(probabilities: Float64[np.ndarray, " E"]) -> None:
    """Raises DataError where one is not a number between 0 and 1."""
    wrong = ~((probabilities >= 0) & (probabilities <= 1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"a probability must be between 0 and 1, got {probabilities[row]:g} at row {row}")


def check_labels(labels: ArrayLike) -> Bool[np.ndarray, " E"]:
    """Labels as booleans. Raises DataError where one is neither 0 nor 1."""
    array = np.asarray(labels)
    wrong = ~((array == 0) | (array == 1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"a label must be 0 or 1, got {array[row]} at row {row}")
    return array.astype(bool)


def _check_lengths(what: str, *lengths: int) -> None:
    if len(set(lengths)) > 1:
        raise DataError(f"{what} must be as long as one another, got {', '.join(map(str, lengths))}")


def _check_draws(name: str, draws: int, confidence: float) -> None:
    if draws < 1:
        raise ConfigError(f"{name} must be at least 1, got {draws}")
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must be between 0 and 1, got {confidence:g}")


def _sums(columns: Float64[np.ndarray, "E M"], groups: Int64[np.ndarray, " E"] | None) -> Float64[np.ndarray, "G M"]:
    if groups is None:
        return columns
    return np.stack([np.bincount(groups, column) for column in columns.T], axis=1)


def _resampled(n: int, resamples: int, seed: int) -> Iterator[Float64[np.ndarray, "R n"]]:
    """How often each of n things is drawn in each of the resamples, some resamples at a time."""
    rng = seeded(seed)
    rows = max(1, _CHUNK // max(1, n))
    for start in range(0, resamples, rows):
        drawn = min(rows, resamples - start)
        cells = rng.integers(0, max(1, n), (drawn, n)) + n * np.arange(drawn)[:, None]
        yield np.bincount(cells.ravel(), minlength=drawn * n).reshape(drawn, n).astype(np.float64)


def _mid_ranks(values: Float64[np.ndarray, " E"]) -> Float64[np.ndarray, " E"]:
    """Places from 1, equal values sharing the mean of theirs; `scipy.stats` has this too, and takes two seconds to load."""
    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    return ((ends - sizes + 1 + ends) / 2)[place]


def _ratio(sums: Float64[np.ndarray, "*shape"], masses: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    return np.divide(sums, masses, out=np.full(np.shape(sums), np.nan), where=masses != 0)


def _percentiles(draws: Float64[np.ndarray, "R M"], confidence: float) -> Float64[np.ndarray, "2 M"]:
    """The middle share of each column; resamples without any row of a column are left out of it."""
    bounds = np.full((2, draws.shape[1]), np.nan)
    for m, column in enumerate(draws.T):
        known = column[~np.isnan(column)]
        if len(known):
            bounds[:, m] = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return bounds
