"""Errors of ratings and probabilities: by hand, and a model that knows users only."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

from footpath.errors import ConfigError, DataError
from footpath.evaluation.predictions import (
    ece,
    gauc,
    lift,
    lift_interval,
    log_loss,
    log_losses,
    mae,
    normalised_entropy,
    probability_intervals,
    rating_intervals,
    rmse,
)
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


def test_log_loss_is_that_of_scikit_learn_and_the_mean_of_its_rows() -> None:
    rng = np.random.default_rng(1)
    labels, p = rng.random(400) < 0.2, rng.random(400)
    assert log_loss(labels, p) == pytest.approx(theirs.log_loss(labels, p))
    assert log_losses(labels, p).mean() == pytest.approx(log_loss(labels, p))


def test_normalised_entropy_of_the_rate_is_one_and_by_hand() -> None:
    assert normalised_entropy([1, 0, 0, 0], np.full(4, 0.25)) == pytest.approx(1)
    # loss of (.5, .25): (ln 2 + ln 4/3) / 2 over ln 2
    assert normalised_entropy([1, 0], [0.5, 0.25]) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2 / math.log(2))
    assert np.isnan(normalised_entropy([0, 0], [0.1, 0.2]))
    assert np.isnan(normalised_entropy([], []))


def test_lift_by_hand() -> None:
    labels, scores = [1, 1, 0, 1, 0, 0, 0, 0, 0, 0], np.arange(10, 0, -1)
    assert lift(labels, scores, 0.2) == pytest.approx(1 / 0.3)
    assert lift(labels, scores, 0.4) == pytest.approx(0.75 / 0.3)
    assert lift(labels, -scores, 0.5) == 0
    assert np.isnan(lift([0, 0], [1, 2]))
    assert np.isnan(lift([], []))


def test_ties_at_the_edge_count_as_often_as_there_is_room() -> None:
    # room for 3 of 6: the best, and two of the four that tie, of which one in four is positive
    assert lift([1, 1, 0, 0, 0, 0], [9, 5, 5, 5, 5, 1], 0.5) == pytest.approx((1 + 2 * 0.25) / 3 / (2 / 6))
    assert lift([1, 0, 0, 1], np.zeros(4), 0.1) == pytest.approx(1)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), min_size=2, max_size=12), st.sampled_from([0.1, 0.25, 0.5, 0.9]))
def test_lift_is_the_mean_over_random_orders_of_ties(rows: list[tuple[int, int]], share: float) -> None:
    labels, scores = np.array(rows).T
    room, by_score = share * len(rows), np.argsort(-scores, kind="stable")
    expected, taken = 0.0, 0.0
    for score in np.unique(scores)[::-1]:
        tied = labels[by_score][scores[by_score] == score]
        part = min(len(tied), max(0.0, room - taken))
        expected, taken = expected + part * tied.mean(), taken + len(tied)
    if labels.any():
        assert lift(labels, scores, share) == pytest.approx(expected / room / labels.mean())


def users_and_clicks(rng: np.random.Generator, n_users: int, boast: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions and users; boast 1: the predictions are the truth."""
    users = np.repeat(np.arange(n_users), rng.poisson(15, n_users) + 1)
    z = -2 + rng.normal(0, 1, n_users)[users] + rng.normal(0, 0.7, len(users))
    p, truth = 1 / (1 + np.exp(2 - boast * (z + 2))), 1 / (1 + np.exp(-z))
    return (rng.random(len(users)) < truth).astype(float), p, users


@pytest.mark.parametrize("boast", [1.0, 1.6])
def test_intervals_over_users_hold_the_truth_as_often_as_they_say(boast: float) -> None:
    rng = np.random.default_rng(2)
    labels, p, _ = users_and_clicks(rng, 40_000, boast)
    true = {"log_loss": log_loss(labels, p), "normalised_entropy": normalised_entropy(labels, p), "lift": lift(labels, p)}
    true["ece"] = ece(labels, p, bins=10, equal="mass") if boast > 1 else 0.0
    held: dict[str, list[bool]] = {name: [] for name in true}
    for trial in range(150):
        labels, p, users = users_and_clicks(rng, 150, boast)
        found = probability_intervals(labels, p, users, bins=10, equal="mass", resamples=300, seed=trial)
        found["lift"] = lift_interval(labels, p, users)
        for name, value in true.items():
            assert found[name].low <= found[name].value <= found[name].high
            held[name].append(found[name].low <= value <= found[name].high)
    coverage = {name: np.mean(each) for name, each in held.items()}
    assert {name: share for name, share in coverage.items() if not 0.89 <= share <= 1} == {}
    assert max(coverage["log_loss"], coverage["lift"]) < 0.99


def test_intervals_belong_to_the_figures_and_are_wider_where_users_repeat_themselves() -> None:
    rng = np.random.default_rng(3)
    labels, p, users = users_and_clicks(rng, 200)
    found = probability_intervals(labels, p, users)
    assert found["log_loss"].value == pytest.approx(log_loss(labels, p))
    assert found["normalised_entropy"].value == pytest.approx(normalised_entropy(labels, p))
    assert found["ece"].value == pytest.approx(ece(labels, p))
    assert {interval.n for interval in found.values()} == {len(labels)}
    blind = probability_intervals(labels, p)
    assert found["log_loss"].high - found["log_loss"].low > blind["log_loss"].high - blind["log_loss"].low
    lifted = lift_interval(labels, p, users)
    assert (lifted.value, lifted.n) == (lift(labels, p), len(labels))


def test_the_interval_of_a_lift_is_that_of_drawing_users() -> None:
    rng = np.random.default_rng(4)
    labels, p, users = users_and_clicks(rng, 400)
    p = p.round(2)
    rows_of = [np.flatnonzero(users == user) for user in range(400)]
    drawn = []
    for _ in range(600):
        rows = np.concatenate([rows_of[user] for user in rng.integers(0, 400, 400)])
        drawn.append(lift(labels[rows], p[rows]))
    found = lift_interval(labels, p, users)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.std(drawn), rel=0.12)
    same = lift_interval(labels, np.zeros(len(labels)), users)
    assert (same.low, same.value, same.high) == pytest.approx((1, 1, 1))


def test_ratings_have_intervals_over_users() -> None:
    rng = np.random.default_rng(5)
    users = np.repeat(np.arange(100), 20)
    truth = rng.integers(1, 6, 2_000).astype(float)
    predicted = truth + rng.normal(0, 1, 100)[users]
    found = rating_intervals(truth, predicted, users)
    assert (found["rmse"].value, found["mae"].value) == pytest.approx((rmse(truth, predicted), mae(truth, predicted)))
    assert found["rmse"].low < found["rmse"].value < found["rmse"].high
    blind = rating_intervals(truth, predicted)
    assert found["rmse"].high - found["rmse"].low > 3 * (blind["rmse"].high - blind["rmse"].low)


def test_one_user_has_figures_and_no_interval() -> None:
    labels, p, one = [1, 0, 0], [0.5, 0.25, 0.1], np.zeros(3, np.int64)
    figures = [*probability_intervals(labels, p, one).values(), lift_interval(labels, p, one), *rating_intervals(labels, p, one).values()]
    assert not np.isnan([figure.value for figure in figures]).any()
    assert np.isnan([figure.low for figure in figures]).all()
    assert np.isnan([figure.value for figure in probability_intervals([], []).values()]).all()


def test_an_impossible_share_is_refused() -> None:
    with pytest.raises(ConfigError, match="share must be between 0 and 1, got 1"):
        lift([1, 0], [0.5, 0.2], 1.0)
    with pytest.raises(DataError, match="NaN at row 1"):
        lift([1, 0], [0.5, np.nan])
