from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from planted_ratings import asked, drawn, rated_trails, regressed

from footpath.errors import ConfigError
from footpath.evaluation.predictions import gauc, rmse
from footpath.events.readers import read_events
from footpath.models.biased_mf import BiasedMF
from footpath.models.rating_knn import RatingKNN
from footpath.models.svdpp import SVDpp
from footpath.sequences.impression_splits import split_impressions
from footpath.sequences.impressions import Impressions, rated

NAN = float("nan")
TRAILS = drawn(15, 9, 0.5, seed=2)


def by_loops(rows: Impressions, model: SVDpp) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factors of users and items and implicit factors after the model's epochs; the latter from dense normal equations."""
    n_items, n_users = len(rows.vocabulary), len(rows.histories)
    of_items = np.random.default_rng(model.seed).normal(0, 0.1, (n_items, 1 + model.dim))
    of_items[:, 0] = 0
    rating = rows.label("rating").astype(float)
    mean = rating.mean()
    implicit, of_users, met = np.zeros((n_items, model.dim)), np.zeros((n_users, 1 + model.dim)), np.zeros((n_users, n_items))
    for u in range(n_users):
        met[u, rows.items[rows.rows == u]] = (rows.rows == u).sum() ** -0.5
    for _ in range(model.epochs):
        for u in range(n_users):
            own, told = rows.items[rows.rows == u], met[u] @ implicit
            left = rating[rows.rows == u] - mean - of_items[own, 0] - of_items[own, 1:] @ told
            of_users[u] = regressed(list(of_items[own]), list(left), model.bias_l2, model.l2, model.dim)
            of_users[u, 1:] += told
        gram = met.T @ met + model.implicit_l2 / model.l2 * np.eye(n_items)
        implicit = np.linalg.solve(gram, met.T @ of_users[:, 1:])
        for i in range(n_items):
            own = rows.rows[rows.items == i]
            left = rating[rows.items == i] - mean - of_users[own, 0]
            of_items[i] = regressed(list(of_users[own]), list(left), model.bias_l2, model.l2, model.dim)
    return of_users, of_items, implicit


def test_does_what_loops_over_people_and_items_do() -> None:
    rows = rated_trails(TRAILS)
    model = SVDpp(dim=3, epochs=4, l2=0.5, implicit_l2=0.7, bias_l2=2, seed=3).fit(rows)
    _, of_items, implicit = by_loops(rows, model)
    np.testing.assert_allclose(model.state()["of_items"], of_items, atol=1e-5)
    np.testing.assert_allclose(model.state()["implicit"], implicit, atol=1e-5)


def test_no_round_makes_the_penalised_error_larger() -> None:
    rows = rated_trails(TRAILS)
    rating = rows.label("rating").astype(float)
    losses = []
    for epochs in range(1, 7):
        model = SVDpp(dim=2, epochs=epochs, l2=1, implicit_l2=2, bias_l2=1).fit(rows)
        of_items, implicit = model.state()["of_items"], model.state()["implicit"]
        of_users, _, _ = by_loops(rows, model)  # those that the last step of the items was made from
        u, i = of_users[rows.rows], of_items[rows.items]
        gaps = rating - rating.mean() - u[:, 0] - i[:, 0] - (u[:, 1:] * i[:, 1:]).sum(axis=1)
        told = np.stack([implicit[rows.items[rows.rows == b]].sum(axis=0) / (rows.rows == b).sum() ** 0.5 for b in range(15)])
        own = of_users[:, 1:] - told
        losses.append((gaps**2).sum() + (own**2).sum() + (of_users[:, 0] ** 2).sum() + (of_items**2).sum() + 2 * (implicit**2).sum())
    assert (np.diff(losses) < 0).all()


def test_a_prediction_is_the_formula_of_the_paper() -> None:
    rows = rated_trails(TRAILS)
    model = SVDpp(dim=2, l2=0.5, implicit_l2=1, bias_l2=1).fit(rows)
    q, y = model.state()["of_items"], model.state()["implicit"]
    mean = rows.label("rating").astype(float).mean()
    i1, i2, i5, i7 = (model.items.index(item) for item in ("i1", "i2", "i5", "i7"))
    told = (y[i1] + y[i2] + y[i5]) / np.sqrt(3)  # i5 was met, and not rated
    left = [rating - mean - q[i, 0] - q[i, 1:] @ told for i, rating in ((i1, 5), (i2, 2))]
    user = regressed([q[i1], q[i2]], left, 1, 0.5, 2)
    expected = np.clip(mean + user[0] + q[i7, 0] + q[i7, 1:] @ (user[1:] + told), 1, 5)
    trail = [("i5", NAN), ("i1", 5.0), ("i2", 2.0), ("i5", NAN), ("new", 3.0)]
    assert model.predict(asked([trail], [(0, "i7", NAN)], model.items))[0, 0] == pytest.approx(expected, abs=1e-10)


def views_tell(seed: int) -> tuple[Impressions, Impressions]:
    """People of two kinds look at other things, which they never rate, and disagree about what they do rate; half of them rated little."""
    rng = np.random.default_rng(seed)
    trails, questions = [], []
    for u in range(80):
        kind = rng.choice([-1, 1])
        views = [(f"v{kind}-{n}", NAN) for n in rng.permutation(6)[:4]]
        ratings = [(f"i{n}", float(3 + kind * (-1) ** n)) for n in rng.permutation(8)]
        kept = 1 if u % 2 else 6
        trails.append([*views, *ratings[:kept]])
        questions += [(u, *rating) for rating in ratings[kept:]]
    train = rated_trails(trails)
    return train, asked(trails, questions, train.vocabulary)


def test_learns_taste_from_what_was_met_and_not_rated() -> None:
    train, test = views_tell(0)
    truth = test.label("rating")
    told = rmse(truth, SVDpp(dim=4, l2=2, implicit_l2=2).fit(train).predict(test)[:, 0])
    untold = rmse(truth, BiasedMF(dim=4, l2=2).fit(train).predict(test)[:, 0])
    assert told < 0.75 * untold


def test_what_no_training_impression_saw_is_not_learned_from() -> None:
    trail = [("i0", NAN), ("i1", 4.0), ("i2", NAN), ("i1", 2.0)]
    later = SVDpp(dim=2).fit(rated_trails([[*trail, ("i3", NAN), ("i4", NAN)], *TRAILS])).state()
    for name, array in SVDpp(dim=2).fit(rated_trails([trail, *TRAILS])).state().items():
        np.testing.assert_array_equal(array, later[name], err_msg=name)


def test_a_rating_that_is_no_label_is_not_learned_from_even_as_met() -> None:
    labels = [(b, item, value) for b, trail in enumerate(TRAILS) for item, value in trail if item != "i3"]
    within = SVDpp(dim=2).fit(asked(TRAILS, labels)).state()
    vocabulary = asked(TRAILS, labels).vocabulary
    without = [[event for event in trail if event[0] != "i3"] for trail in TRAILS]
    for name, array in SVDpp(dim=2).fit(asked(without, labels, vocabulary)).state().items():
        np.testing.assert_array_equal(array, within[name], err_msg=name)


def test_predictions_stay_within_the_ratings_that_were_learned_from() -> None:
    trails = [[("i1", 5.0), ("i2", 1.0)] for _ in range(30)]
    model = SVDpp(dim=2, bias_l2=0.01).fit(rated_trails(trails))
    predicted = model.predict(asked([[("i2", 9.0)], [("i1", -9.0)]], [(0, "i1", NAN), (1, "i2", NAN)], model.items))[:, 0]
    np.testing.assert_array_equal(predicted, [5, 1])


def test_an_empty_history_gets_the_mean_and_the_bias_of_the_item() -> None:
    rows = rated_trails(TRAILS)
    model = SVDpp(dim=2).fit(rows)
    predicted = model.predict(asked([[]], [(0, "i3", NAN), (0, "new", NAN)], model.items))[:, 0]
    mean = rows.label("rating").astype(float).mean()
    np.testing.assert_allclose(predicted, [mean + model.state()["of_items"][model.items.index("i3"), 0], mean])


def test_a_penalty_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"implicit_l2 must be above 0 and finite, got 0"):
        SVDpp(implicit_l2=0)


@pytest.mark.real
def test_rating_models_reach_their_measured_quality_on_ml_100k(real_data: Path) -> None:
    rows = rated(read_events(real_data / "ml-100k" / "ml-100k.inter.gz"), threshold=4)
    parts = split_impressions(rows, "kfold")
    truth = parts.test.label("rating")
    for model, worst in ((SVDpp(), 0.900), (BiasedMF(), 0.914), (RatingKNN(), 0.911)):
        assert rmse(truth, model.fit(parts.refit).predict(parts.test)[:, 0]) < worst
    tails = split_impressions(rows, "user-tail")
    predicted = SVDpp().fit(tails.refit).predict(tails.test)[:, 0]
    assert rmse(tails.test.label("rating"), predicted) < 0.965
    assert gauc(tails.test.label("liked"), predicted, tails.test.rows).value > 0.725
