"""How good predictions are, one number a row: ratings (rmse, mae) and probabilities (auc, gauc, log_loss, ece).

`auc` and calibration curves live in `footpath.statistics`, for analyses need them too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import ArrayLike

from footpath.errors import DataError
from footpath.statistics import auc_by_group, bootstrap_means, calibration, check_labels, check_probabilities


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
    y, p = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    _gaps(y, p)
    check_probabilities(p)
    given = np.where(check_labels(y), p, 1 - p)  # the probability given to what happened
    return float(-np.mean(np.log(np.clip(given, 1e-15, 1 - 1e-15)))) if len(y) else np.nan


def ece(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 15) -> float:
    """The expected calibration error, in [0, 1], over bins of equal width. Guo et al., ICML 2017 (arXiv:1706.04599)."""
    return calibration(labels, probabilities, bins=bins).expected_error


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
    seed: int = 0,
) -> GroupedAUC:
    """Whether a model orders the rows of one user, and not only users; `users` are codes from 0.

    A model that scores by user alone has 0.5 here, however high its AUC. Zhu et al., KDD 2017 (arXiv:1703.02091).
    """
    per_user, n = auc_by_group(labels, scores, users)
    seen = n > 0
    interval = bootstrap_means(per_user[seen][:, None], weights=n[seen][:, None].astype(np.float64), resamples=resamples, seed=seed)[0]
    return GroupedAUC(interval.value, interval.low, interval.high, interval.n, int(seen.sum()) - interval.n)


def _gaps(truth: ArrayLike, predicted: ArrayLike) -> Float64[np.ndarray, " E"]:
    truth, predicted = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if len(truth) != len(predicted):
        raise DataError(f"{len(truth)} true values need as many predictions, got {len(predicted)}")
    gaps = truth - predicted
    if np.isnan(gaps).any():
        row = int(np.flatnonzero(np.isnan(gaps))[0])
        raise DataError(f"a true value or a prediction is NaN at row {row}: leave such rows out, and say how many")
    return gaps
