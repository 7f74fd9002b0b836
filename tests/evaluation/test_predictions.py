"""Errors of ratings and probabilities: by hand, and a model that knows users only."""

from __future__ import annotations

import math

import numpy as np
import pytest

from footpath.errors import DataError
from footpath.evaluation.predictions import ece, gauc, log_loss, mae, rmse
from footpath.statistics import auc


def test_rmse_and_mae_by_hand() -> None:
    assert rmse([5, 1, 3], [4, 1, 1]) == pytest.approx(math.sqrt(5 / 3))
    assert mae([5, 1, 3], [4, 1, 1]) == 1.0


def test_log_loss_by_hand() -> None:
    assert log_loss([1, 0, 1], [0.5, 0.25, 1.0]) == pytest.approx((math.log(2) - math.log(0.75)) / 3)
    assert log_loss([1], [1e-12]) == pytest.approx(12 * math.log(10))


def test_a_certain_mistake_costs_a_finite_loss() -> None:
    assert log_loss([1], [0.0]) == pytest.approx(15 * math.log(10))


def test_ece_of_a_calibrated_coin_is_zero_and_of_a_boast_its_excess() -> None:
    assert ece([0, 1] * 50, np.full(100, 0.5)) == pytest.approx(0)
    assert ece([0, 1] * 50, np.full(100, 0.9)) == pytest.approx(0.4)


def test_nothing_has_no_error() -> None:
    assert np.isnan([rmse([], []), mae([], []), log_loss([], []), ece([], [])]).all()


def test_a_model_that_knows_users_only_has_a_high_auc_and_a_gauc_of_one_half() -> None:
    rng = np.random.default_rng(0)
    taste = rng.random(50)
    users = np.repeat(np.arange(50), 40)
    labels = (rng.random(2_000) < taste[users]).astype(int)
    assert auc(labels, taste[users]) > 0.75
    found = gauc(labels, taste[users], users)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_gauc_weighs_users_by_their_rows_and_counts_those_left_out() -> None:
    # user 0: three rows, all pairs right; user 2: two rows, wrong; users 1 and 4 have one class; user 3 is nowhere
    users = np.array([0, 0, 0, 1, 1, 2, 2, 4])
    labels = [1, 0, 0, 1, 1, 0, 1, 0]
    found = gauc(labels, [0.9, 0.1, 0.2, 0.5, 0.6, 0.8, 0.3, 0.1], users)
    assert found.value == pytest.approx(3 / 5)
    assert (found.n_groups, found.n_one_class) == (2, 2)
    assert (found.low, found.high) == (0.0, 1.0)


def test_predictions_and_truth_must_match() -> None:
    with pytest.raises(DataError, match="2 true values need as many predictions, got 1"):
        rmse([1, 2], [1])
    with pytest.raises(DataError, match="NaN at row 1: leave such rows out"):
        mae([1, 2], [1, np.nan])
    with pytest.raises(DataError, match="0 or 1, got 2"):
        log_loss([2], [0.5])
    with pytest.raises(DataError, match=r"between 0 and 1, got -0\.5 at row 0"):
        log_loss([1], [-0.5])
