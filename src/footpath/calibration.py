"""Probabilities that mean what they say: a rising function from what a model gives to what then happens, fitted on rows it has not seen.

Platt, Advances in Large Margin Classifiers, 1999; Zadrozny and Elkan, KDD 2002 (doi:10.1145/775047.775151);
Niculescu-Mizil and Caruana, ICML 2005 (doi:10.1145/1102351.1102430).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from footpath.errors import ConfigError, DataError, did_you_mean
from footpath.statistics import check_labels, check_probabilities

Form = Literal["isotonic", "platt"]
Method = Literal["auto", "isotonic", "platt"]

ENOUGH_FOR_ISOTONIC: Final = 500
"""Rows of each class from which on `auto` lets the data draw the curve; with fewer it would draw their noise."""
_NEAREST: Final = 1e-6  # to 0 and 1, before log odds are taken
_STEPS: Final = 100


@dataclass(frozen=True)
class Calibrator:
    """A function from probability to probability that never falls.

    isotonic: straight lines between `knots`, where it has `values`, and level outside them. platt: the log odds times `slope`, which is
    at least 0, plus `intercept`. n, n_positive: the rows it was fitted on. Raises DataError for parts that make no such function.
    """

    method: Form
    n: int
    n_positive: int
    knots: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if self.method not in get_args(Form):
            raise DataError(f"a calibrator is isotonic or platt, got {self.method!r}")
        if not (math.isfinite(self.slope) and self.slope >= 0 and math.isfinite(self.intercept)):
            raise DataError(f"a calibrator needs a slope of at least 0 and a finite intercept, got {self.slope} and {self.intercept}")
        if self.method == "platt":
            return
        x, y = np.array(self.knots, np.float64), np.array(self.values, np.float64)
        if not len(x) or len(x) != len(y):
            raise DataError(f"an isotonic calibrator needs a value for each of its knots, got {len(x)} knots and {len(y)} values")
        if not ((np.diff(x) > 0).all() and (np.diff(y) >= 0).all() and y[0] >= 0 and y[-1] <= 1):
            raise DataError("an isotonic calibrator needs rising knots, and values between 0 and 1 that never fall")

    def __call__(self, probabilities: ArrayLike) -> Float64[np.ndarray, " E"]:
        """Calibrated probabilities. Raises DataError where one is not a number between 0 and 1."""
        p = np.asarray(probabilities, np.float64)
        check_probabilities(p)
        if self.method == "isotonic":
            return np.interp(p, self.knots, self.values)
        return expit(self.slope * _log_odds(p) + self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, of the method's own parts."""
        own = ("knots", "values") if self.method == "isotonic" else ("slope", "intercept")
        parts = {name: getattr(self, name) for name in ("method", "n", "n_positive", *own)}
        return {name: list(part) if isinstance(part, tuple) else part for name, part in parts.items()}

    @classmethod
    def from_dict(cls, parts: Mapping[str, Any]) -> Calibrator:
        """The inverse of `to_dict`; raises DataError for anything else."""
        given: dict[str, Any] = {name: tuple(part) if isinstance(part, list) else part for name, part in parts.items()}
        try:
            return cls(**given)
        except (TypeError, ValueError) as error:
            raise DataError(f"this is no calibrator that was kept: {error}") from error


def fit_calibrator(labels: ArrayLike, probabilities: ArrayLike, method: Method = "auto") -> Calibrator:
    """The calibrator of rows that the model was not fitted on. auto: isotonic with 500 rows of both classes or more, else Platt's.

    Neither ever says 0 or 1, which a single mistake would make infinitely wrong: with P positives and N negatives, isotonic values stay
    within 1 / (N + 2) and (P + 1) / (P + 2), which are the targets that Platt's fit has in place of 0 and 1. Neither turns an order
    around: where it is wrong, everybody gets the same. Raises ConfigError for another method, and DataError for rows of one class, and
    for probabilities that are none.
    """
    known = get_args(Method)
    if method not in known:
        raise ConfigError(f"no calibration method {method!r}{did_you_mean(method, known)}; there are: {', '.join(known)}")
    positive, p = check_labels(labels), np.asarray(probabilities, np.float64)
    if len(positive) != len(p):
        raise DataError(f"labels and probabilities must be as long as one another, got {len(positive)} and {len(p)}")
    check_probabilities(p)
    n, n_positive = len(positive), int(positive.sum())
    fewest = min(n_positive, n - n_positive)
    if not fewest:
        only = f"all {n:,} labels are {int(n_positive > 0)}" if n else "there are no labels"
        raise DataError(f"calibration needs rows with label 0 and with label 1, and {only}: use a longer part, or leave it uncalibrated")
    low, high = 1 / (n - n_positive + 2), (n_positive + 1) / (n_positive + 2)
    if method == "isotonic" or (method == "auto" and fewest >= ENOUGH_FOR_ISOTONIC):
        from sklearn.isotonic import IsotonicRegression

        curve = IsotonicRegression(y_min=low, y_max=high).fit(p, positive.astype(np.float64))
        return Calibrator("isotonic", n, n_positive, tuple(curve.X_thresholds_.tolist()), tuple(curve.y_thresholds_.tolist()))
    slope, intercept = _platt(_log_odds(p), np.where(positive, high, low))
    return Calibrator("platt", n, n_positive, slope=slope, intercept=intercept)


def _platt(x: Float64[np.ndarray, " E"], target: Float64[np.ndarray, " E"]) -> tuple[float, float]:
    """Slope, at least 0, and intercept of the most likely logistic curve, by Newton's method with halved steps.

    Lin, Lin and Weng, Machine Learning 2007 (doi:10.1007/s10994-007-5018-6).
    """
    level = (0.0, float(logit(target.mean())))
    if np.ptp(x) == 0:
        return level
    design = np.stack([x, np.ones(len(x))], axis=1)

    def loss(at: Float64[np.ndarray, " 2"]) -> float:
        z = design @ at
        return float(np.sum(np.logaddexp(0, z) - target * z))

    at = np.array(level)
    now = loss(at)
    for _ in range(_STEPS):
        given = expit(design @ at)
        slope_of_loss = design.T @ (given - target)
        bend = design.T @ (design * (given * (1 - given))[:, None]) + 1e-12 * np.eye(2)
        step = np.linalg.solve(bend, slope_of_loss)
        share = 1.0
        while (new := loss(at - share * step)) > now and share > 1e-10:
            share /= 2
        at, before, now = at - share * step, now, new
        if before - now <= 1e-12 * len(x):
            break
    return level if at[0] <= 0 else (float(at[0]), float(at[1]))


def _log_odds(p: Float64[np.ndarray, " E"]) -> Float64[np.ndarray, " E"]:
    return logit(np.clip(p, _NEAREST, 1 - _NEAREST))
