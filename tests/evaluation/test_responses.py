"""Evaluating predictions of acts and ratings on a split: figures, references, calibration, comparisons, the printed shape, refusals."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit
from sklearn import metrics as theirs

from footpath.calibration import Calibrator, fit_calibrator
from footpath.errors import ConfigError, DataError, NotFittedError
from footpath.evaluation.references import REFERENCES, Reference
from footpath.evaluation.responses import (
    ResponseEvaluation,
    compare_responses,
    evaluate_references,
    evaluate_responses,
    response_report,
)
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impression_splits import ImpressionSplit, split_impressions
from footpath.sequences.impressions import Impressions
from footpath.sequences.vocabulary import Vocabulary

N_USERS, N_ITEMS, SHOWN = 120, 12, 60


def impressions(n_users: int = N_USERS, shown: int = SHOWN, seed: int = 0) -> Impressions:
    """Users and items that are clicked more and less; the log odds of each click are in the context. rating: the same, from 1 to 5."""
    rng = np.random.default_rng(seed)
    vocabulary = Vocabulary.build([f"i{i}" for i in range(N_ITEMS)])
    rows, items = np.repeat(np.arange(n_users), shown), rng.integers(1, N_ITEMS + 1, n_users * shown)
    odds = -1.5 + rng.normal(0, 1, n_users)[rows] + rng.normal(0, 1, N_ITEMS + 1)[items] + rng.normal(0, 0.5, len(rows))
    click = (rng.random(len(rows)) < expit(odds)).astype(np.float32)
    cart = np.where(rng.random(len(rows)) < 0.4, click, 0).astype(np.float32)
    rating = np.clip(np.round(3.5 + 0.6 * odds), 1, 5).astype(np.float32)
    return by_hand(
        rows, vocabulary.encode([f"i{i - 1}" for i in items]), {"click": click, "cart": cart, "rating": rating}, vocabulary, odds
    )


def by_hand(rows: Any, items: Any, labels: dict[str, Any], vocabulary: Vocabulary, odds: Any = None) -> Impressions:
    """Impressions without histories, one after another."""
    n_users = int(max(rows)) + 1
    return Impressions(
        SequenceDataset.from_lists([[]] * n_users, vocabulary),
        np.asarray(rows, np.int64),
        np.zeros(len(rows), np.int64),
        np.asarray(items, np.int32),
        {task: np.asarray(label, np.float32) for task, label in labels.items()},
        pa.table({}) if odds is None else pa.table({"odds": np.asarray(odds, np.float64)}),
        pa.table({}),
        pa.table({}),
        np.random.default_rng(9).permutation(len(rows)).astype(np.int64),
    )


class Told:
    """Knows the log odds of a click, and distorts them."""

    def __init__(self, times: float = 1.0, plus: float = 0.0, tasks: tuple[str, ...] = ("click",)) -> None:
        self.times, self.plus, self.tasks, self.asked = times, plus, tasks, 0

    def predict(self, rows: Impressions) -> np.ndarray:
        assert not rows.labels, "the model must not see the answers"
        self.asked += len(rows)
        p = expit(self.times * rows.context["odds"].to_numpy() + self.plus)
        columns = {"click": p, "cart": 0.4 * p, "rating": 3.5 + 0.6 * rows.context["odds"].to_numpy()}
        return np.stack([columns[task] for task in self.tasks], axis=1)


@pytest.fixture(scope="module")
def split() -> ImpressionSplit:
    return split_impressions(impressions())


def only(rows: list[ResponseEvaluation]) -> ResponseEvaluation:
    assert len(rows) == 1
    return rows[0]


def test_figures_of_acts_are_those_of_scikit_learn(split: ImpressionSplit) -> None:
    row = only(evaluate_responses(Told(), split))
    labels, p = split.test.label("click"), expit(split.test.context["odds"].to_numpy())
    assert list(row.metrics) == ["auc", "gauc", "log_loss", "normalised_entropy", "ece", "lift@10%"]
    assert row.metrics["auc"].value == pytest.approx(theirs.roc_auc_score(labels, p))
    assert row.metrics["log_loss"].value == pytest.approx(theirs.log_loss(labels, p))
    assert (row.n, row.n_positive, row.n_users) == (len(labels), labels.sum(), len(set(split.test.rows.tolist())))
    assert row.base == pytest.approx(labels.mean())
    per_user = [(labels[split.test.rows == u], p[split.test.rows == u]) for u in np.unique(split.test.rows)]
    both = [(theirs.roc_auc_score(y, q), len(y)) for y, q in per_user if 0 < y.sum() < len(y)]
    assert row.metrics["gauc"].value == pytest.approx(np.average([a for a, _ in both], weights=[n for _, n in both]))
    assert (row.metrics["gauc"].n, row.n_one_class) == (len(both), len(per_user) - len(both))
    for name, interval in row.metrics.items():
        assert interval.low <= interval.value <= interval.high, name
    assert row.calibration is not None
    assert row.calibration.n.sum() == row.n
    assert row.metrics["ece"].value == pytest.approx(row.calibration.expected_error)
    assert (row.protocol, row.causal, row.fitted_on, row.model) == ("time", True, "train", "Told")
    assert row.warnings == []


def test_a_row_for_each_task_and_predictions_are_asked_once(split: ImpressionSplit) -> None:
    model = Told(tasks=("click", "cart", "rating"))
    rows = evaluate_responses(model, split, name="told", threshold=4, fit_cpu_s=1.5)
    assert [row.task for row in rows] == ["click", "cart", "rating"]
    assert model.asked == len(split.test)
    assert {row.model for row in rows} == {"told"}
    assert {row.fit_cpu_s for row in rows} == {1.5}
    assert all(row.predict_cpu_s == rows[0].predict_cpu_s >= 0 for row in rows)
    assert [row.task for row in evaluate_responses(model, split, tasks=["cart"])] == ["cart"]
    assert evaluate_responses(Told(), split, share=0.25)[0].metrics["lift@25%"].value < rows[0].metrics["lift@10%"].value


def test_ratings_have_errors_and_an_order_of_what_is_liked(split: ImpressionSplit) -> None:
    row = only(evaluate_responses(Told(tasks=("rating",)), split, threshold=4))
    truth, value = split.test.label("rating").astype(float), 3.5 + 0.6 * split.test.context["odds"].to_numpy()
    assert list(row.metrics) == ["rmse", "mae", "auc", "gauc"]
    assert row.metrics["rmse"].value == pytest.approx(theirs.root_mean_squared_error(truth, value))
    assert row.metrics["mae"].value == pytest.approx(theirs.mean_absolute_error(truth, value))
    assert row.metrics["auc"].value == pytest.approx(theirs.roc_auc_score(truth >= 4, value))
    assert (row.n_positive, row.threshold, row.calibration) == ((truth >= 4).sum(), 4, None)
    assert list(only(evaluate_responses(Told(tasks=("rating",)), split)).metrics) == ["rmse", "mae"]
    assert row.losses.mean() == pytest.approx(row.metrics["rmse"].value ** 2)


def test_references_by_hand() -> None:
    vocabulary = Vocabulary.build(["a", "b"])
    a, b = vocabulary.encode(["a", "b"])
    train = by_hand([0, 0, 0, 1, 2], [a, a, b, b, 0], {"click": [1, 1, 0, 0, np.nan], "rating": [5, 4, 3, 2, 1]}, vocabulary)
    asked = by_hand([0, 1, 2, 3], [a, b, 0, a], {"click": [1, 0, 0, 0]}, vocabulary)

    def predicted(name: str) -> np.ndarray:
        return Reference(name, smoothing=2).fit(train).predict(asked)  # type: ignore[arg-type]

    # of clicks 2 of 4, of ratings 3 on average; two rows at these are added to each user's and item's
    np.testing.assert_allclose(predicted("base_rate"), [[1 / 2, 3]] * 4)
    np.testing.assert_allclose(predicted("user_mean"), [[3 / 5, 18 / 5], [1 / 3, 8 / 3], [1 / 2, 7 / 3], [1 / 2, 3]])
    np.testing.assert_allclose(predicted("item_mean"), [[3 / 4, 15 / 4], [1 / 4, 11 / 4], [1 / 2, 3], [3 / 4, 15 / 4]])


def test_references_know_no_more_than_their_names_say(split: ImpressionSplit) -> None:
    rows = {(row.model, row.task): row for row in evaluate_references(split, tasks=["click", "rating"])}
    assert {name for name, _ in rows} == set(REFERENCES)
    base, user, item = (rows[name, "click"].metrics for name in REFERENCES)
    assert base["auc"].value == base["gauc"].value == user["gauc"].value == 0.5
    assert base["lift@10%"].value == pytest.approx(1)
    assert base["normalised_entropy"].value == pytest.approx(1, abs=0.01)
    assert user["auc"].low > 0.6
    assert item["gauc"].low > 0.6
    assert max(user["log_loss"].value, item["log_loss"].value) < base["log_loss"].value
    assert rows["item_mean", "rating"].metrics["rmse"].value < rows["base_rate", "rating"].metrics["rmse"].value
    again = evaluate_references(split, names=["base_rate"], fitted_on="refit", tasks=["click"])[0]
    p = -np.log(1 - split.refit.label("click").mean(dtype=float))
    assert again.losses[split.test.label("click") == 0] == pytest.approx(p)


def test_a_calibrator_is_fitted_on_validation_and_mends_the_errors(split: ImpressionSplit) -> None:
    told, boast = (only(evaluate_responses(Told(*distorted), split, calibrator="auto")) for distorted in ((1, 0), (2.5, 1)))
    assert split.validation is not None
    assert boast.calibrator is not None
    assert (boast.calibrator.n, boast.calibrator.method) == (len(split.validation), "platt")
    assert boast.metrics["ece"].value < 0.5 * boast.uncalibrated["ece"].value
    assert boast.metrics["log_loss"].value < boast.uncalibrated["log_loss"].value
    assert boast.metrics["log_loss"].value == pytest.approx(told.metrics["log_loss"].value, rel=0.02)
    assert boast.metrics["auc"].value == told.metrics["auc"].value  # of the predictions as they were given
    assert list(boast.uncalibrated) == ["log_loss", "normalised_entropy", "ece"]
    assert boast.calibration_before is not None
    assert boast.calibration_before.expected_error == pytest.approx(boast.uncalibrated["ece"].value)
    bare = only(evaluate_responses(Told(2.5, 1), split))
    assert (bare.uncalibrated, bare.calibrator, bare.calibration_before) == ({}, None, None)
    assert bare.metrics["log_loss"] == boast.uncalibrated["log_loss"]


def test_a_calibrator_does_not_see_the_test_labels(split: ImpressionSplit) -> None:
    flipped = dataclasses.replace(split.test, labels={"click": 1 - split.test.label("click")})
    other = dataclasses.replace(split, test=flipped)
    first, second = (only(evaluate_responses(Told(2, 0), parts, calibrator="isotonic")) for parts in (split, other))
    assert first.calibrator == second.calibrator
    assert "Calibration raises the log-loss" not in str(first.warnings)


def test_calibration_that_makes_it_worse_is_said(split: ImpressionSplit) -> None:
    wrong = Calibrator("platt", 10, 5, slope=0.1, intercept=2.0)
    row = only(evaluate_responses(Told(), split, calibrator=wrong))
    assert any(warning.startswith("Calibration raises the log-loss of Told on click from") for warning in row.warnings)


def test_a_model_that_saw_the_validation_rows_is_not_calibrated_on_them(split: ImpressionSplit) -> None:
    with pytest.raises(ConfigError, match=r"fitted_on='refit'\) cannot be calibrated on them"):
        evaluate_responses(Told(), split, fitted_on="refit", calibrator="auto")
    earlier = only(evaluate_responses(Told(2, 1), split, calibrator="platt")).calibrator
    assert earlier is not None
    row = only(evaluate_responses(Told(2, 1), split, fitted_on="refit", calibrator={"click": earlier}))
    assert row.calibrator == earlier


def test_a_task_that_cannot_be_calibrated_stays_as_it_is_and_says_so(split: ImpressionSplit) -> None:
    assert split.validation is not None
    labels = {"click": split.validation.label("click"), "cart": np.zeros(len(split.validation), np.float32)}
    parts = dataclasses.replace(split, validation=dataclasses.replace(split.validation, labels=labels))
    click, cart = evaluate_responses(Told(tasks=("click", "cart")), parts, calibrator="auto")
    assert click.calibrator is not None
    assert cart.calibrator is None
    assert cart.warnings[0].startswith("No calibration of Told on cart: calibration needs rows with label 0 and with label 1, and all")


def test_calibrators_that_fit_no_task_are_refused(split: ImpressionSplit) -> None:
    known = fit_calibrator([0, 1], [0.2, 0.8])
    with pytest.raises(ConfigError, match=r"one calibrator for 2 tasks \(click, cart\)"):
        evaluate_responses(Told(tasks=("click", "cart")), split, calibrator=known)
    with pytest.raises(ConfigError, match="a calibrator for task 'clik', which is not asked; did you mean 'click'"):
        evaluate_responses(Told(), split, calibrator={"clik": known})
    with pytest.raises(ConfigError, match="'rating' is of values, which are no probabilities"):
        evaluate_responses(Told(tasks=("rating",)), split, calibrator="auto")
    with pytest.raises(ConfigError, match="no calibration method 'plat'; did you mean 'platt'"):
        evaluate_responses(Told(), split, calibrator="plat")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="'time' left no validation rows"):
        evaluate_responses(Told(), dataclasses.replace(split, validation=None), calibrator="auto")


def test_a_better_model_is_told_from_an_equal_one(split: ImpressionSplit) -> None:
    rows = evaluate_references(split, tasks=["click"])
    rows += evaluate_responses(Told(), split, name="told") + evaluate_responses(Told(), split, name="same")
    found = {one.model: one for one in compare_responses(rows, "told", permutations=999)}
    assert set(found) == {*REFERENCES, "same"}
    told, base = rows[3].metrics["log_loss"].value, rows[0].metrics["log_loss"].value
    assert found["base_rate"].test.difference == pytest.approx(base - told)
    assert found["base_rate"].test.p_value == 1 / 1_000
    assert found["base_rate"].p_adjusted == 4 / 1_000
    assert (found["same"].test.difference, found["same"].test.p_value) == (0.0, 1.0)
    assert found["same"].loss == "log_loss"


def test_rows_of_one_user_are_one_witness() -> None:
    vocabulary = Vocabulary.build(["a"])
    rows = by_hand(np.repeat([0, 1], 40), np.ones(80), {"click": np.tile([0, 1], 40)}, vocabulary, np.tile([-1.0, 1.0], 40))
    parts = ImpressionSplit("time", rows, None, rows, True, rows)
    both = [*evaluate_responses(Told(), parts, name="good"), *evaluate_responses(Told(0.1), parts, name="poor")]
    assert compare_responses(both, "poor")[0].test.p_value == pytest.approx(0.5, abs=0.03)


def test_each_task_is_compared_with_its_own_reference_and_all_are_adjusted_together(split: ImpressionSplit) -> None:
    rows = evaluate_references(split, names=["base_rate"], tasks=["click", "rating"])
    rows += evaluate_responses(Told(tasks=("click", "rating")), split)
    click, rating = compare_responses(rows, "base_rate", permutations=999)
    assert ([click.task, click.loss], [rating.task, rating.loss]) == (["click", "log_loss"], ["rating", "squared_error"])
    assert click.p_adjusted == rating.p_adjusted == 2 / 1_000
    with pytest.raises(ConfigError, match="no row 'base_rat' of task 'click' to compare with; did you mean 'base_rate'"):
        compare_responses(rows, "base_rat")
    with pytest.raises(ConfigError, match="no row 'other' of task 'cart'"):
        compare_responses(evaluate_responses(Told(tasks=("cart",)), split), "other")


def test_rows_that_were_asked_something_else_do_not_mix(split: ImpressionSplit) -> None:
    other = dataclasses.replace(split, test=split.test.take(np.arange(100)))
    rows = [*evaluate_responses(Told(), split, name="all"), *evaluate_responses(Told(), other, name="some")]
    with pytest.raises(ConfigError, match="'some' and 'all' were asked different rows of 'click'"):
        compare_responses(rows, "all")
    with pytest.raises(ConfigError, match="were asked different rows"):
        response_report(rows, split)


def test_the_printed_report_is_plain(split: ImpressionSplit) -> None:
    rows = evaluate_references(split, tasks=["click"]) + evaluate_responses(Told(2, 1), split, name="told", calibrator="auto")
    report = response_report(rows, split, compare_responses(rows, "base_rate", permutations=99), data="made")
    printed = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert list(printed) == ["protocol", "causal", "data", "rows", "comparisons", "split", "warnings"]
    assert (printed["protocol"], printed["causal"], printed["data"]) == ("time", True, "made")
    base, told = printed["rows"][0], printed["rows"][-1]
    assert told["metrics"]["gauc"].keys() == {"value", "low", "high", "n"}
    assert base["settings"] == {"of": "base_rate", "smoothing": 10.0}
    assert (base["calibrator"], told["calibrator"]["method"]) == (None, "platt")
    assert sum(told["calibration"]["n"]) == told["n"] == len(split.test)
    assert (base["calibration_before"], sum(told["calibration_before"]["n"])) == (None, told["n"])
    assert printed["comparisons"][0].keys() == {
        "model", "reference", "task", "loss", "difference", "low", "high", "p_value", "n", "p_adjusted",
    }  # fmt: skip
    assert printed["split"]["n_test"] == len(split.test)
    assert report.tasks == ("click",)
    assert report.warnings == []


def test_one_class_has_no_order_and_is_said(split: ImpressionSplit) -> None:
    silent = dataclasses.replace(split, test=dataclasses.replace(split.test, labels={"click": np.zeros(len(split.test), np.float32)}))
    row = only(evaluate_responses(Told(), silent))
    assert {name for name, interval in row.metrics.items() if np.isnan(interval.value)} == {"auc", "gauc", "normalised_entropy", "lift@10%"}
    assert row.metrics["log_loss"].value > 0
    assert row.warnings == [f"One class: all {row.n:,} test labels of click are 0, where AUC, GAUC and lift say nothing."]
    printed = response_report([row], silent).to_dict()
    json.dumps(printed, allow_nan=False)
    assert printed["rows"][0]["metrics"]["auc"] == {"value": None, "low": None, "high": None, "n": row.n}
    assert row.warnings[0] in printed["warnings"]


def test_a_report_says_what_makes_it_say_less() -> None:
    rows = impressions(20, 30, seed=3)
    unknown = rows.label("click").copy()
    unknown[::10] = np.nan
    parts = split_impressions(dataclasses.replace(rows, labels={"click": unknown}), "kfold")
    held, again = (evaluate_responses(Told(), parts, name=kind, fitted_on=kind) for kind in ("train", "refit"))  # type: ignore[arg-type]
    warnings = response_report([*held, *again], parts).warnings
    n, missing = len(parts.test), int(np.isnan(parts.test.label("click")).sum())
    assert held[0].n == n - missing
    for said in (
        "Not causal: protocol 'kfold' lets a model learn from what came after a test row",
        "Some rows are fitted on the validation rows too and others are not",
        "click: no row base_rate, user_mean, item_mean",
        "click: only 20 users were asked",
        f"click: {missing} of {n} test rows have no label and were left out.",
    ):
        assert any(warning.startswith(said) for warning in warnings), said
    alone = by_hand(np.arange(40), np.ones(40), {"click": np.tile([0, 1], 20)}, Vocabulary.build(["a"]), np.zeros(40))
    row = only(evaluate_responses(Told(), ImpressionSplit("time", alone, None, alone, True, alone)))
    assert row.warnings == ["No GAUC of click: no user has test rows of both classes."]
    assert row.n_one_class == 40
    with pytest.raises(ConfigError, match="a report needs a row"):
        response_report([], parts)


class Broken:
    tasks = ("click",)

    def __init__(self, column: Any) -> None:
        self.column = column

    def predict(self, rows: Impressions) -> np.ndarray:
        return np.asarray(self.column(len(rows)))


def test_predictions_that_are_none_are_refused_with_their_row(split: ImpressionSplit) -> None:
    def holed(n: int) -> np.ndarray:
        p = np.full((n, 1), 0.5)
        p[[7, 9]] = np.nan
        return p

    with pytest.raises(DataError, match=rf"Broken predicts nan for task 'click' at row 7 \(2 of {len(split.test)} rows\)"):
        evaluate_responses(Broken(holed), split)
    with pytest.raises(DataError, match=r"between 0 and 1, got 1\.5 at row 0"):
        evaluate_responses(Broken(lambda n: np.full((n, 1), 1.5)), split)
    with pytest.raises(ConfigError, match=rf"a column for each task, \({len(split.test)}, 1\), got \({len(split.test)},\)"):
        evaluate_responses(Broken(lambda n: np.full(n, 0.5)), split)


def test_tasks_that_are_not_there_are_refused(split: ImpressionSplit) -> None:
    with pytest.raises(ConfigError, match="no labels of task 'clik'; did you mean 'click'"):
        evaluate_responses(Told(), split, tasks=["clik"])
    with pytest.raises(ConfigError, match="Told has no task 'cart'; it answers: click"):
        evaluate_responses(Told(), split, tasks=["cart"])
    with pytest.raises(ConfigError, match="tasks must name one at least"):
        evaluate_responses(Told(), split, tasks=[])
    with pytest.raises(ConfigError, match="Told answers favourite, and the test rows have labels of click, cart, rating"):
        evaluate_responses(Told(tasks=("favourite",)), split)
    with pytest.raises(ConfigError, match="fitted_on must be 'train' or 'refit', got 'all'"):
        evaluate_responses(Told(), split, fitted_on="all")  # type: ignore[arg-type]
    with pytest.raises(NotFittedError, match="Reference is not fitted"):
        evaluate_responses(Reference("base_rate"), split)
    with pytest.raises(NotFittedError, match="item_mean is not fitted"):
        Reference("item_mean").predict(split.test)
    with pytest.raises(ConfigError, match="no reference 'user_men'; did you mean 'user_mean'"):
        Reference("user_men")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="smoothing must be above 0, got 0"):
        Reference("user_mean", smoothing=0)
    unlabelled = np.full(len(split.train), np.nan, np.float32)
    with pytest.raises(DataError, match="no training row has a label of 'click'"):
        Reference("base_rate").fit(dataclasses.replace(split.train, labels={"click": unlabelled}))
    nobody = dataclasses.replace(split.test, labels={"click": np.full(len(split.test), np.nan, np.float32)})
    with pytest.raises(DataError, match="no test row has a label of 'click'"):
        evaluate_responses(Told(), dataclasses.replace(split, test=nobody))


def test_progress_is_told_and_the_same_seed_gives_the_same_intervals(split: ImpressionSplit) -> None:
    told: list[tuple[str, int, int]] = []
    first, again, other = (
        only(evaluate_responses(Told(), split, name="m", seed=seed, progress=lambda *step: told.append(step))) for seed in (1, 1, 2)
    )
    assert told[0] == ("predicting with m", len(split.test), len(split.test))
    assert first.metrics == again.metrics
    assert first.metrics["log_loss"].low != other.metrics["log_loss"].low
