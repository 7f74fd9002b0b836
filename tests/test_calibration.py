"""Calibrators: rising, kept as they are, never certain, and those of scikit-learn and of a naive fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from footpath.calibration import Calibrator, fit_calibrator
from footpath.errors import ConfigError, DataError
from footpath.statistics import calibration


def boasts(n: int = 8_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and predictions whose log odds are twice too far from 0 and shifted."""
    rng = np.random.default_rng(seed)
    z = rng.normal(-1.5, 1.0, n)
    return (rng.random(n) < expit(z)).astype(float), expit(2 * z + 0.5)


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_what_is_said_is_what_happens_on_new_rows(method: str) -> None:
    calibrated = fit_calibrator(*boasts(), method)  # type: ignore[arg-type]
    labels, p = boasts(seed=1)
    assert calibration(labels, p, equal="mass").expected_error > 0.07
    assert calibration(labels, calibrated(p), equal="mass").expected_error < 0.02


def test_platt_finds_the_distortion_that_was_planted() -> None:
    calibrated = fit_calibrator(*boasts(100_000), "platt")
    assert (calibrated.slope, calibrated.intercept) == (pytest.approx(0.5, abs=0.02), pytest.approx(-0.25, abs=0.02))


def test_platt_is_the_likeliest_curve_of_smoothed_targets() -> None:
    labels, p = boasts(300, seed=2)
    n_positive = labels.sum()
    target = np.where(labels == 1, (n_positive + 1) / (n_positive + 2), 1 / (300 - n_positive + 2))

    def loss(at: np.ndarray) -> float:
        q = expit(at[0] * logit(p) + at[1])
        return -float(np.sum(target * np.log(q) + (1 - target) * np.log(1 - q)))

    naive = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    found = fit_calibrator(labels, p, "platt")
    assert (found.slope, found.intercept) == pytest.approx(tuple(naive), abs=1e-5)


def test_platt_of_parted_classes_stays_finite() -> None:
    found = fit_calibrator([0] * 20 + [1] * 20, [0.2] * 20 + [0.8] * 20, "platt")
    assert found([0.2, 0.8]) == pytest.approx([1 / 22, 21 / 22])


def test_isotonic_is_that_of_scikit_learn_within_its_bounds() -> None:
    labels, p = boasts(5_000, seed=3)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(p, labels)
    asked = np.linspace(0, 1, 501)
    low, high = 1 / (5_000 - labels.sum() + 2), (labels.sum() + 1) / (labels.sum() + 2)
    np.testing.assert_allclose(fit_calibrator(labels, p, "isotonic")(asked), np.clip(theirs.predict(asked), low, high), atol=1e-12)


def test_isotonic_by_hand() -> None:
    # 1 before 0 is out of order: both get 1/2; the bounds are 1 / (2 + 2) and (2 + 1) / (2 + 2)
    found = fit_calibrator([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], "isotonic")
    assert found([0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 1.0]) == pytest.approx([0.25, 0.25, 0.5, 0.5, 0.5, 0.625, 0.75, 0.75])
    assert (found.n, found.n_positive) == (4, 2)


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_a_calibrator_never_turns_an_order_around_and_is_never_certain(method: str) -> None:
    labels, p = boasts(2_000, seed=4)
    for given in (p, 1 - p):
        q = fit_calibrator(labels, given, method)(np.linspace(0, 1, 1_001))  # type: ignore[arg-type]
        assert (np.diff(q) >= 0).all()
        assert 0 < q[0] <= q[-1] < 1
    assert np.ptp(q[100:900]) < 0.02  # from the wrong order nothing is learned but the rate


def test_auto_draws_the_curve_where_both_classes_have_enough() -> None:
    p = np.linspace(0.01, 0.99, 2_000)
    for n_positive, method in ((499, "platt"), (500, "isotonic"), (1_501, "platt")):
        assert fit_calibrator(np.arange(2_000) >= 2_000 - n_positive, p).method == method


def test_equal_predictions_get_the_rate() -> None:
    for method in ("isotonic", "platt"):
        assert fit_calibrator([0, 0, 0, 1] * 50, np.full(200, 0.5), method)(0.5) == pytest.approx(0.25, abs=0.01)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_a_calibrator_that_was_kept_is_the_same(method: str) -> None:
    labels, p = boasts(1_000, seed=5)
    found = fit_calibrator(labels, p, method)  # type: ignore[arg-type]
    kept = json.loads(json.dumps(found.to_dict()))
    assert Calibrator.from_dict(kept) == found
    assert Calibrator.from_dict(kept)(p).tolist() == found(p).tolist()
    assert ("slope" in kept) == (method == "platt")


def test_one_class_cannot_be_calibrated_on() -> None:
    with pytest.raises(DataError, match="all 3 labels are 0"):
        fit_calibrator([0, 0, 0], [0.1, 0.2, 0.3])
    with pytest.raises(DataError, match="all 2 labels are 1"):
        fit_calibrator([1, 1], [0.1, 0.2], "platt")
    with pytest.raises(DataError, match="there are no labels"):
        fit_calibrator([], [])


def test_what_is_no_probability_no_label_or_no_method_is_refused() -> None:
    with pytest.raises(DataError, match="got nan at row 1"):
        fit_calibrator([0, 1], [0.1, np.nan])
    with pytest.raises(DataError, match="got nan at row 0"):
        fit_calibrator([0, 1], [0.1, 0.3])([np.nan])
    with pytest.raises(DataError, match="0 or 1, got 2"):
        fit_calibrator([0, 2], [0.1, 0.3])
    with pytest.raises(DataError, match="got 2 and 1"):
        fit_calibrator([0, 1], [0.1])
    with pytest.raises(ConfigError, match="no calibration method 'isotonc'; did you mean 'isotonic'"):
        fit_calibrator([0, 1], [0.1, 0.3], "isotonc")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"method": "spline"}, "isotonic or platt, got 'spline'"),
        ({"method": "platt", "slope": -1.0}, "slope of at least 0 and a finite intercept, got -1.0"),
        ({"method": "isotonic", "knots": [0.1], "values": []}, "got 1 knots and 0 values"),
        ({"method": "isotonic", "knots": [0.1, 0.2], "values": [0.5, 0.4]}, "values between 0 and 1 that never fall"),
        ({"method": "isotonic", "knots": [0.2, 0.2], "values": [0.4, 0.5]}, "rising knots"),
        ({"method": "platt", "colour": "red"}, "colour"),
    ],
)
def test_a_damaged_calibrator_is_refused(parts: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Calibrator.from_dict({"n": 2, "n_positive": 1, **parts})
