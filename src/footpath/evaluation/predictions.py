"""How good predictions are, one number a row: ratings (rmse, mae) and probabilities (auc, gauc, lift, log_loss, normalised_entropy, ece).

`auc` and calibration curves live in `footpath.statistics`, for analyses need them too. Intervals draw users, or add up what each adds to
the error before squaring it, for rows of one user are no witnesses of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import ArrayLike
from scipy.special import xlog1py, xlogy

from footpath.errors import ConfigError, DataError
from footpath.statistics import (
    Interval,
    auc_by_group,
    bootstrap_means,
    calibration,
    calibration_cells,
    check_labels,
    check_probabilities,
    drawn_interval,
    drawn_sums,
    quantile_of,
)


def rmse(truth: ArrayLike, predicted: ArrayLike) -> float:
    """The root of the mean squared error, in the unit of the values; NaN without rows."""
    gaps = _gaps(truth, predicted)
    return float(np.sqrt(np.mean(gaps**2))) if len(gaps) else np.nan


def mae(truth: ArrayLike, predicted: ArrayLike) -> float:
    """The mean absolute error, in the unit of the values; NaN without rows."""
    gaps = _gaps(truth, predicted)
    return float(np.mean(np.abs(gaps))) if len(gaps) else np.nan


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The mean negative log likelihood in nats, probabilities kept 1e-15 away from 0 and 1; NaN without rows."""
    losses = log_losses(labels, probabilities)
    return float(losses.mean()) if len(losses) else np.nan


def log_losses(labels: ArrayLike, probabilities: ArrayLike) -> Float64[np.ndarray, " E"]:
    """What each row adds to the log-loss."""
    y, p = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    _gaps(y, p)
    check_probabilities(p)
    given = np.where(check_labels(y), p, 1 - p)  # the probability given to what happened
    return -np.log(np.clip(given, 1e-15, 1 - 1e-15))


def normalised_entropy(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The log-loss over that of the rate of these labels, given to every row: 1 says nothing, 0 is certain; NaN with one class only.

    Comparable between logs of different rates, as the log-loss is not. He et al., ADKDD 2014 (doi:10.1145/2648584.2648589), who take the
    rate of the training rows; that of the rows themselves is the best that a constant can be, so that a rate that shifts costs too.
    """
    y = np.asarray(labels, np.float64)
    return float(_over_entropy(np.array(log_loss(y, probabilities)), y.mean())) if len(y) else np.nan


def ece(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 15, equal: Literal["width", "mass"] = "width") -> float:
    """The expected calibration error, in [0, 1], over bins of equal width, or of equal mass. Guo et al., ICML 2017 (arXiv:1706.04599)."""
    return calibration(labels, probabilities, bins=bins, equal=equal).expected_error


def lift(labels: ArrayLike, scores: ArrayLike, share: float = 0.1) -> float:
    """How many times the rate of all rows that of the top share is; 1 for a random order, at most 1 / share; NaN without positives.

    Of rows that tie at the edge as many count as there is room for, at the mean of their labels. Provost and Fawcett, Data Science for
    Business, 2013, chapter 8.
    """
    positive, top = _top(labels, scores, share)
    return float(top @ positive / (share * positive.sum())) if positive.any() else np.nan


def lift_interval(
    labels: ArrayLike,
    scores: ArrayLike,
    users: Int64[np.ndarray, " E"] | None = None,
    *,
    share: float = 0.1,
    confidence: float = 0.95,
) -> Interval:
    """The lift with its interval by the delta method over users (codes from 0; every row for itself without them), within [0, 1 / share].

    In another sample the edge of the top share lies elsewhere too: what that moves is the rate at the edge, taken from the twentieth of
    the rows that is nearest and all that tie with them. NaN with fewer than two users.
    """
    positive, top = _top(labels, scores, share)
    users = np.arange(len(positive)) if users is None else users
    value, n, n_users = lift(positive, scores, share), len(positive), len(np.unique(users))
    if np.isnan(value) or n_users < 2:
        return Interval(value, n=n)
    ordered = np.sort(np.asarray(scores, np.float64))[::-1]
    near = [ordered[int(np.clip(round((share + side) * n), 0, n - 1))] for side in (0.025, -0.025)]
    at_edge = float(positive[(scores >= near[0]) & (scores <= near[1])].mean())
    captured = share * value
    of_user = np.bincount(users, positive * (top - captured) - at_edge * (top - share)) / positive.sum()
    half = quantile_of(confidence) * float(np.sqrt(n_users / (n_users - 1) * (of_user @ of_user))) / share
    return Interval(value, max(0.0, value - half), min(1 / share, value + half), n)


def probability_intervals(
    labels: ArrayLike,
    probabilities: ArrayLike,
    users: Int64[np.ndarray, " E"] | None = None,
    *,
    bins: int = 15,
    equal: Literal["width", "mass"] = "width",
    resamples: int = 1_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """`log_loss`, `normalised_entropy` and `ece` with bootstrap intervals that draw users (codes from 0; rows without them).

    Chance moves each bin, which adds to the calibration error of a model that has none, so that percentiles would leave 0 out of its
    interval. The interval of `ece` reaches as far to both sides, cut at 0, as the resampled bins move in all; that holds the truth at least
    as often as it says. The bins are those of all rows.
    """
    losses, y = log_losses(labels, probabilities), np.asarray(labels, np.float64)
    p, n = np.asarray(probabilities, np.float64), len(y)
    if not n:
        return {name: Interval(np.nan) for name in ("log_loss", "normalised_entropy", "ece")}
    cells = calibration_cells(p, bins=bins, equal=equal)
    codes = np.arange(n) if users is None else np.unique(users, return_inverse=True)[1]
    n_users, n_cells = int(codes.max()) + 1, int(cells.max()) + 1
    gaps = np.bincount(codes * n_cells + cells, p - y, n_users * n_cells).reshape(n_users, n_cells)
    sums = np.column_stack([np.bincount(codes), np.bincount(codes, losses), np.bincount(codes, y), gaps])
    loss, rate, *gaps_of_all = (sums.sum(axis=0)[1:] / n).tolist()
    entropy, error = float(_over_entropy(np.array(loss), np.array(rate))), float(np.abs(gaps_of_all).sum())
    if n_users < 2:
        return {"log_loss": Interval(loss, n=n), "normalised_entropy": Interval(entropy, n=n), "ece": Interval(error, n=n)}
    drawn = drawn_sums(sums, resamples=resamples, seed=seed)
    means = drawn[:, 1:] / drawn[:, :1]
    reach = float(np.quantile(np.abs(means[:, 2:] - gaps_of_all).sum(axis=1), confidence))
    return {
        "log_loss": drawn_interval(loss, means[:, 0], n, confidence=confidence),
        "normalised_entropy": drawn_interval(entropy, _over_entropy(means[:, 0], means[:, 1]), n, confidence=confidence),
        "ece": Interval(error, max(0.0, error - reach), min(1.0, error + reach), n),
    }


def rating_intervals(
    truth: ArrayLike,
    predicted: ArrayLike,
    users: Int64[np.ndarray, " E"] | None = None,
    *,
    resamples: int = 1_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """`rmse` and `mae` with bootstrap intervals that draw users (codes from 0; rows without them)."""
    gaps = _gaps(truth, predicted)
    columns = np.column_stack([gaps**2, np.abs(gaps)])
    squared, absolute = bootstrap_means(columns, groups=users, resamples=resamples, confidence=confidence, seed=seed)
    value, low, high = np.sqrt([squared.value, squared.low, squared.high]).tolist()
    return {"rmse": Interval(value, low, high, squared.n), "mae": absolute}


@dataclass(frozen=True)
class GroupedAUC:
    """The mean of the users' AUCs, weighted by their rows, with an interval that draws users.

    n_groups: users that count. n_one_class: users with positives only or negatives only, who have no AUC and are left out.
    """

    value: float
    low: float
    high: float
    n_groups: int
    n_one_class: int


def gauc(
    labels: ArrayLike,
    scores: ArrayLike,
    users: Int64[np.ndarray, " E"],
    *,
    resamples: int = 1_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> GroupedAUC:
    """Whether a model orders the rows of one user, and not only users; `users` are codes from 0.

    A model that scores by user alone has 0.5 here, however high its AUC. Zhu et al., KDD 2017 (arXiv:1703.02091).
    """
    per_user, n = auc_by_group(labels, scores, users)
    seen = n > 0
    weights = n[seen][:, None].astype(np.float64)
    interval = bootstrap_means(per_user[seen][:, None], weights=weights, resamples=resamples, confidence=confidence, seed=seed)[0]
    return GroupedAUC(interval.value, interval.low, interval.high, interval.n, int(seen.sum()) - interval.n)


def _top(labels: ArrayLike, scores: ArrayLike, share: float) -> tuple[Bool[np.ndarray, " E"], Float64[np.ndarray, " E"]]:
    """Labels, and how much of each row is within the top share: 1 or 0, and a part of those that tie at its edge."""
    if not 0 < share < 1:
        raise ConfigError(f"share must be between 0 and 1, got {share:g}")
    positive, score = check_labels(labels), np.asarray(scores, np.float64)
    _gaps(positive, score)
    if not len(score):
        return positive, score
    room = share * len(score)
    edge = np.partition(score, len(score) - math.ceil(room))[len(score) - math.ceil(room)]
    above, tied = score > edge, score == edge
    return positive, above + tied * ((room - above.sum()) / tied.sum())


def _over_entropy(loss: Float64[np.ndarray, "*shape"], rate: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    entropy = -(xlogy(rate, rate) + xlog1py(1 - rate, -rate))
    return np.divide(loss, entropy, out=np.full(np.shape(loss), np.nan), where=entropy > 0)


def _gaps(truth: ArrayLike, predicted: ArrayLike) -> Float64[np.ndarray, " E"]:
    truth, predicted = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if len(truth) != len(predicted):
        raise DataError(f"{len(truth)} true values need as many predictions, got {len(predicted)}")
    gaps = truth - predicted
    if np.isnan(gaps).any():
        row = int(np.flatnonzero(np.isnan(gaps))[0])
        raise DataError(f"a true value or a prediction is NaN at row {row}: leave such rows out, and say how many")
    return gaps
