"""Intervals, paired tests, corrections, AUC and calibration: against hand figures, naive versions and planted truths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from footpath.errors import ConfigError, DataError
from footpath.statistics import (
    Interval,
    auc,
    auc_by_group,
    auc_interval,
    benjamini_hochberg,
    bootstrap_means,
    calibration,
    calibration_cells,
    drawn_interval,
    drawn_sums,
    gini,
    holm,
    paired_difference,
    ratio_interval,
    wilson,
)


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float64)[:, None]


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, (4_000, 1))
    found = bootstrap_means(values, resamples=4_000)[0]
    error = 1.96 * values.std() / np.sqrt(4_000)
    assert found.value == pytest.approx(values.mean(), abs=1e-12)
    assert found.low == pytest.approx(values.mean() - error, abs=error / 15)
    assert found.high == pytest.approx(values.mean() + error, abs=error / 15)
    assert found.n == 4_000


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    held = [
        found.low <= 0.2 <= found.high
        for _ in range(20)
        for found in bootstrap_means((rng.random((300, 30)) < 0.2).astype(float), resamples=400, seed=int(rng.integers(1 << 30)))
    ]
    assert 0.915 <= np.mean(held) <= 0.975


def test_missing_values_are_left_out_of_their_column_alone() -> None:
    values = np.array([[1.0, 5.0], [np.nan, 7.0], [3.0, 9.0]])
    first, second = bootstrap_means(values)
    assert (first.value, first.n) == (2.0, 2)
    assert (second.value, second.n) == (7.0, 3)


def test_a_column_without_values_has_no_mean() -> None:
    found = bootstrap_means(column(np.nan, np.nan))[0]
    assert found.to_dict() == {"value": None, "low": None, "high": None, "n": 0}


def test_equal_values_lie_in_their_own_interval() -> None:
    for found in bootstrap_means(np.tile([0.1, 4.3219280948, 1 / 3], (61, 1)), resamples=50):
        assert found.low <= found.value <= found.high
        assert found.high - found.low < 1e-12


def test_one_value_has_a_mean_and_no_interval() -> None:
    assert bootstrap_means(column(4.0))[0].to_dict() == {"value": 4.0, "low": None, "high": None, "n": 1}


def test_one_user_with_many_rows_has_no_interval_either() -> None:
    found = bootstrap_means(column(4.0, 6.0), groups=np.array([0, 0]))[0]
    assert (found.value, found.n) == (5.0, 2)
    assert np.isnan(found.low)


def test_columns_share_their_draws() -> None:
    values = np.random.default_rng(3).random((200, 1))
    first, second, third = bootstrap_means(np.concatenate([values, 10 * values, 1 - values], axis=1))
    assert (second.low, second.high) == pytest.approx((10 * first.low, 10 * first.high))
    assert (third.low, third.high) == pytest.approx((1 - first.high, 1 - first.low))


def test_the_same_seed_gives_the_same_interval_and_another_does_not() -> None:
    values = np.random.default_rng(4).random((500, 1))
    assert bootstrap_means(values, seed=1) == bootstrap_means(values, seed=1)
    assert bootstrap_means(values, seed=1) != bootstrap_means(values, seed=2)


def test_draws_in_many_chunks_are_draws_with_replacement() -> None:
    # 70,000 values need a chunk for every resample; the spread of the mean still is that of theory
    values = np.zeros((70_000, 1))
    values[:7_000] = 1
    found = bootstrap_means(values, resamples=200)[0]
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * 0.3 / np.sqrt(70_000), rel=0.15)


def test_repeats_of_a_user_make_the_interval_no_narrower() -> None:
    values = (np.random.default_rng(5).random(400) < 0.5).astype(float)
    users = np.arange(400)
    once = bootstrap_means(values[:, None], groups=users)[0]
    often = bootstrap_means(np.repeat(values, 25)[:, None], groups=np.repeat(users, 25))[0]
    blind = bootstrap_means(np.repeat(values, 25)[:, None])[0]
    assert (often.value, often.low, often.high) == pytest.approx((once.value, once.low, once.high))
    assert often.n == 10_000
    assert (blind.high - blind.low) == pytest.approx((once.high - once.low) / 5, rel=0.15)


def test_users_of_many_rows_weigh_as_many_rows() -> None:
    found = bootstrap_means(column(1.0, 1.0, 1.0, 0.0), groups=np.array([7, 7, 7, 2]))[0]
    assert found.value == 0.75
    assert (found.low, found.high) == (0.0, 1.0)


def test_weights_make_a_weighted_mean() -> None:
    found = bootstrap_means(column(1.0, 0.0, np.nan), weights=column(3.0, 1.0, 100.0))[0]
    assert (found.value, found.n) == (0.75, 2)


@pytest.mark.parametrize(
    ("option", "value", "message"), [("resamples", 0, "at least 1, got 0"), ("confidence", 1.0, "between 0 and 1, got 1")]
)
def test_impossible_draws_are_refused(option: str, value: float, message: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} must be {message}"):
        bootstrap_means(column(1.0, 2.0), **{option: value})


def exact_p(gap: np.ndarray) -> float:
    """Two-sided p over all ways to swap, by enumeration."""
    sums = [abs(sum(s * g for s, g in zip(signs, gap, strict=True))) for signs in itertools.product((-1, 1), repeat=len(gap))]
    return float(np.mean([s >= abs(gap.sum()) - 1e-9 for s in sums]))


@pytest.mark.parametrize("gap", [[1, 1, 1, -1, 1, 1], [0.5, 0.25, -0.1, 0.3, 0.7, 0.2, -0.2, 0.9], [1, -1, 1, -1]])
def test_the_permutation_p_value_is_that_of_all_swaps(gap: list[float]) -> None:
    first = np.array(gap)
    found = paired_difference(first, np.zeros(len(gap)), permutations=40_000)
    assert found.difference == pytest.approx(first.mean())
    assert found.p_value == pytest.approx(exact_p(first), abs=0.01)


def test_the_p_value_agrees_with_a_t_test_on_many_rows() -> None:
    rng = np.random.default_rng(6)
    first = rng.normal(size=2_000)
    second = first + rng.normal(0.015, 0.4, size=2_000)
    found = paired_difference(first, second, permutations=20_000)
    expected = stats.ttest_rel(first, second)
    assert found.p_value == pytest.approx(expected.pvalue, abs=0.015)
    bounds = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high), abs=0.002)


def test_two_equal_models_have_p_one_and_no_difference() -> None:
    values = np.random.default_rng(7).random(50)
    found = paired_difference(values, values)
    assert (found.difference, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_p_values_of_equal_models_are_uniform() -> None:
    rng = np.random.default_rng(8)
    p = [paired_difference(*rng.random((2, 40)), resamples=1, permutations=199, seed=seed).p_value for seed in range(300)]
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_rows_of_one_user_are_swapped_together() -> None:
    # two users of 50 equal rows each: 2 of the 4 swaps are as extreme, while rows on their own would seem beyond doubt
    first, users = np.ones(100), np.repeat([0, 1], 50)
    assert paired_difference(first, np.zeros(100), groups=users).p_value == pytest.approx(0.5, abs=0.03)
    assert paired_difference(first, np.zeros(100)).p_value == 1 / 10_000


def test_rows_where_either_is_missing_are_left_out_of_the_pairs() -> None:
    found = paired_difference(np.array([1.0, np.nan, 3.0, 2.0]), np.array([0.0, 5.0, np.nan, 2.0]))
    assert (found.difference, found.n) == (0.5, 2)
    empty = paired_difference(np.array([np.nan]), np.array([1.0]))
    assert empty.to_dict() == {"difference": None, "low": None, "high": None, "p_value": None, "n": 0}


def test_pairs_of_different_rows_are_refused() -> None:
    with pytest.raises(DataError, match="got 3 and 2"):
        paired_difference(np.zeros(3), np.zeros(2))


def test_holm_by_hand() -> None:
    # sorted .01 .02 .03 .04 times 4 3 2 1 is .04 .06 .06 .04, made rising
    assert holm([0.03, 0.01, np.nan, 0.04, 0.02]) == pytest.approx([0.06, 0.04, np.nan, 0.06, 0.06], nan_ok=True)
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_benjamini_hochberg_is_that_of_scipy(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p), abs=1e-12)


def test_benjamini_hochberg_leaves_missing_values_out() -> None:
    assert benjamini_hochberg([0.02, np.nan, 0.04]) == pytest.approx([0.04, np.nan, 0.04], nan_ok=True)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (1, 10), (10, 10), (37, 1_000)])
def test_wilson_is_that_of_scipy(successes: int, n: int) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_nothing_is_known_of_a_share_of_nothing() -> None:
    low, high = wilson([0, 5], [0, 10])
    assert (low[0], high[0]) == (0.0, 1.0)
    assert low[1] + high[1] == pytest.approx(1)


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(DataError, match="0 <= successes <= n"):
        wilson(3, 2)


def test_gini_by_hand() -> None:
    assert gini([2, 2, 2]) == pytest.approx(0)
    assert gini([0, 0, 0, 8]) == pytest.approx(0.75)
    # mean absolute difference of 1, 3 over twice the mean: 1 / 4
    assert gini([3, 1]) == pytest.approx(0.25)
    assert np.isnan(gini([0, 0]))
    assert np.isnan(gini([]))


def test_gini_of_a_debt_is_refused() -> None:
    with pytest.raises(DataError, match="got -1"):
        gini([3, -1])


def pairwise_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    positive, negative = scores[labels == 1], scores[labels == 0]
    wins = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    return float(np.mean(wins)) if wins else np.nan


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-2, 2), st.sampled_from([0, 1, 3])), min_size=1, max_size=40))
def test_auc_is_the_share_of_pairs_won(rows: list[tuple[int, int, int]]) -> None:
    labels, scores, groups = (np.array(part) for part in zip(*rows, strict=True))
    assert auc(labels, scores) == pytest.approx(pairwise_auc(labels, scores), nan_ok=True)
    values, sizes = auc_by_group(labels, scores, groups)
    for group in range(groups.max() + 1):
        inside = groups == group
        assert sizes[group] == inside.sum()
        assert values[group] == pytest.approx(pairwise_auc(labels[inside], scores[inside]), nan_ok=True)


def test_auc_of_nothing_is_undefined() -> None:
    assert np.isnan(auc([], []))


def test_auc_refuses_what_is_no_label_and_no_score() -> None:
    with pytest.raises(DataError, match="0 or 1, got 3 at row 1"):
        auc([1, 3], [0.1, 0.2])
    with pytest.raises(DataError, match="1 of 2 scores are NaN"):
        auc([1, 0], [0.1, np.nan])
    with pytest.raises(DataError, match="got 2, 1, 2"):
        auc([1, 0], [0.1])


def test_calibration_by_hand() -> None:
    # two bins: (.2, .4) with no event of two, (.6, .9, 1.0) with two events of three
    found = calibration([0, 0, 1, 0, 1], [0.2, 0.4, 0.6, 0.9, 1.0], bins=2)
    assert found.n.tolist() == [2, 3]
    assert found.predicted == pytest.approx([0.3, 2.5 / 3])
    assert found.observed == pytest.approx([0, 2 / 3])
    assert found.expected_error == pytest.approx((2 * 0.3 + 3 * (2.5 - 2) / 3) / 5)


def test_empty_bins_are_left_out_and_edges_belong_to_the_left() -> None:
    found = calibration([0, 1, 1], [0.0, 0.5, 1.0], bins=4)
    assert found.predicted.tolist() == [0.0, 0.5, 1.0]
    assert calibration([1, 1], [0.5, 0.45], bins=2).n.tolist() == [2]


def test_bins_of_equal_mass_part_small_predictions() -> None:
    p = np.linspace(0.001, 0.02, 100)
    assert calibration(np.zeros(100), p, bins=4).n.tolist() == [100]
    assert calibration(np.zeros(100), p, bins=4, equal="mass").n.tolist() == [25, 25, 25, 25]
    assert calibration([0, 1, 1], [0.5, 0.5, 0.5], bins=3, equal="mass").n.tolist() == [3]


def test_calibration_of_nothing_is_undefined() -> None:
    assert np.isnan(calibration([], []).expected_error)
    assert np.isnan(calibration([], [], equal="mass").expected_error)


def test_calibration_refuses_what_is_no_probability() -> None:
    with pytest.raises(DataError, match=r"between 0 and 1, got 1\.5 at row 1"):
        calibration([0, 1], [0.5, 1.5])
    with pytest.raises(DataError, match="got nan at row 0"):
        calibration([0], [np.nan])
    with pytest.raises(ConfigError, match="bins must be at least 1, got 0"):
        calibration([0], [0.5], bins=0)


def test_an_interval_prints_plain_types() -> None:
    assert Interval(0.5, 0.25, 0.75, 8).to_dict() == {"value": 0.5, "low": 0.25, "high": 0.75, "n": 8}


def test_the_interval_of_a_ratio_is_that_of_drawing_whole_users() -> None:
    rng = np.random.default_rng(2)
    shown = rng.integers(1, 40, 2_000).astype(np.float64)
    clicked = rng.binomial(shown.astype(np.int64), rng.beta(2, 18, 2_000)).astype(np.float64)
    found = ratio_interval(clicked, shown)
    drawn = bootstrap_means((clicked / shown)[:, None], weights=shown[:, None], resamples=4_000)[0]
    assert found.value == pytest.approx(clicked.sum() / shown.sum(), abs=1e-12)
    assert found.high - found.low == pytest.approx(drawn.high - drawn.low, rel=0.06)
    assert np.isnan(ratio_interval([1.0], [2.0]).low)
    assert np.isnan(ratio_interval([0.0, 0.0], [0.0, 0.0]).value)


def test_the_interval_of_an_auc_worked_by_hand() -> None:
    # positives 3, 2 and negatives 1, 2: shares of pairs won are 1 and 3/4 of the positives, 1 and 3/4 of the negatives
    found = auc_interval([1, 1, 0, 0], [3.0, 2.0, 1.0, 2.0])
    assert found.value == pytest.approx(7 / 8)
    half = 1.959964 * np.sqrt(2 * (2 * (1 / 8) ** 2) / 2)
    assert found.low == pytest.approx(7 / 8 - half)
    assert found.high == 1.0
    assert np.isnan(auc_interval([1, 0, 0], [3.0, 2.0, 1.0]).low)


def test_the_interval_of_an_auc_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    truth = stats.norm.cdf(1 / np.sqrt(2))
    labels = np.repeat([1, 0], [60, 140])
    found = [auc_interval(labels, rng.normal(labels, 1.0)) for _ in range(400)]
    assert np.mean([one.low <= truth <= one.high for one in found]) == pytest.approx(0.95, abs=0.03)


def clustered(rng: np.random.Generator, users: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and users; the rows of a user resemble one another in both."""
    of = np.repeat(np.arange(users), rng.poisson(8, users) + 1)
    user = rng.normal(0, 1.5, users)[of]
    return rng.random(len(of)) < 1 / (1 + np.exp(1 - user)), user + rng.normal(0, 1, len(of)), of


def test_an_auc_over_users_of_one_row_each_is_that_of_delong() -> None:
    rng = np.random.default_rng(11)
    labels, scores = rng.random(300) < 0.3, rng.normal(size=300).round(1)
    assert auc_interval(labels, scores, groups=rng.permutation(300)) == auc_interval(labels, scores)


def test_an_auc_over_users_has_the_interval_of_drawing_users() -> None:
    rng = np.random.default_rng(12)
    labels, scores, users = clustered(rng, 200)
    found, blind = auc_interval(labels, scores, groups=users), auc_interval(labels, scores)
    rows_of = [np.flatnonzero(users == user) for user in range(200)]
    drawn = []
    for _ in range(600):
        rows = np.concatenate([rows_of[user] for user in rng.integers(0, 200, 200)])
        drawn.append(auc(labels[rows], scores[rows]))
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.std(drawn), rel=0.1)
    assert found.high - found.low > 1.3 * (blind.high - blind.low)


def test_an_auc_over_users_covers_the_truth_where_that_over_rows_does_not() -> None:
    rng = np.random.default_rng(13)
    labels, scores, _ = clustered(rng, 100_000)
    truth = auc(labels, scores)
    held = []
    for _ in range(300):
        labels, scores, users = clustered(rng)
        held.append([one.low <= truth <= one.high for one in (auc_interval(labels, scores, groups=users), auc_interval(labels, scores))])
    over_users, over_rows = np.mean(held, axis=0)
    assert over_users == pytest.approx(0.95, abs=0.03)
    assert over_rows < 0.88


def test_positives_of_one_user_have_an_auc_and_no_interval() -> None:
    found = auc_interval([1, 1, 0, 0], [0.9, 0.8, 0.1, 0.2], groups=np.array([0, 0, 1, 2]))
    assert found.to_dict() == {"value": 1.0, "low": None, "high": None, "n": 4}


def test_drawn_sums_are_those_behind_the_interval_of_a_mean() -> None:
    values = np.random.default_rng(14).random((300, 1))
    draws = drawn_sums(values, seed=5)[:, 0] / 300
    mean = bootstrap_means(values, seed=5)[0]
    assert drawn_interval(mean.value, draws, 300) == Interval(*(pytest.approx(x) for x in (mean.value, mean.low, mean.high)), 300)  # type: ignore[arg-type]
    assert np.isnan(drawn_interval(1.0, np.full(10, np.nan), 1).low)


def test_cells_are_the_bins_of_calibration() -> None:
    p = np.random.default_rng(15).beta(1, 20, 500)
    for equal in ("width", "mass"):
        counts = np.bincount(calibration_cells(p, bins=7, equal=equal))  # type: ignore[arg-type]
        assert counts[counts > 0].tolist() == calibration(np.zeros(500), p, bins=7, equal=equal).n.tolist()  # type: ignore[arg-type]
