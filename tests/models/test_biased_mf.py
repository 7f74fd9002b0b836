from __future__ import annotations

import numpy as np
import pytest
from planted_ratings import asked, drawn, rated_trails, regressed

from footpath.evaluation.predictions import rmse
from footpath.models import rating_histories
from footpath.models.biased_mf import BiasedMF
from footpath.models.rating_bias import RatingBias
from footpath.sequences.impressions import Impressions

NAN = float("nan")
TRAILS = drawn(15, 9, 0.5, seed=2)


def by_loops(rows: Impressions, model: BiasedMF) -> tuple[np.ndarray, np.ndarray]:
    """Factors of users and items after the model's epochs, one person and one item at a time."""
    of_items = np.random.default_rng(model.seed).normal(0, 0.1, (len(rows.vocabulary), 1 + model.dim))
    of_items[:, 0] = 0
    rating, mean = rows.label("rating").astype(float), float(rows.label("rating").astype(float).mean())
    of_users = np.zeros((len(rows.histories), 1 + model.dim))
    for _ in range(model.epochs):
        for u in range(len(of_users)):
            own = np.flatnonzero(rows.rows == u)
            left = [rating[n] - mean - of_items[rows.items[n], 0] for n in own]
            of_users[u] = regressed([of_items[rows.items[n]] for n in own], left, model.bias_l2, model.l2, model.dim)
        for i in range(len(of_items)):
            own = np.flatnonzero(rows.items == i)
            left = [rating[n] - mean - of_users[rows.rows[n], 0] for n in own]
            of_items[i] = regressed([of_users[rows.rows[n]] for n in own], left, model.bias_l2, model.l2, model.dim)
    return of_users, of_items


@pytest.mark.parametrize("numbers_at_once", [2**21, 40])
def test_does_what_loops_over_people_and_items_do(monkeypatch: pytest.MonkeyPatch, numbers_at_once: int) -> None:
    monkeypatch.setattr(rating_histories, "_NUMBERS_AT_ONCE", numbers_at_once)
    rows = rated_trails(TRAILS)
    model = BiasedMF(dim=3, epochs=4, l2=0.5, bias_l2=2, seed=3).fit(rows)
    _, of_items = by_loops(rows, model)
    np.testing.assert_allclose(model.state()["of_items"], of_items, atol=1e-10)
    mean = float(rows.label("rating").astype(float).mean())
    trail = [("i1", 5.0), ("i4", 2.0)]
    i1, i4, i7 = (of_items[model.items.index(item)] for item in ("i1", "i4", "i7"))
    user = regressed([i1, i4], [5 - mean - i1[0], 2 - mean - i4[0]], 2, 0.5, 3)
    expected = np.clip(mean + user[0] + i7[0] + user[1:] @ i7[1:], 1, 5)
    assert model.predict(asked([trail], [(0, "i7", NAN)], model.items))[0, 0] == pytest.approx(expected, abs=1e-10)


def test_a_stranger_with_the_ratings_of_a_known_user_gets_the_same_predictions() -> None:
    model = BiasedMF(dim=3).fit(rated_trails(TRAILS))
    stranger = asked([[], TRAILS[4][::-1]], [(1, f"i{n}", NAN) for n in range(9)], model.items)
    known = asked(TRAILS, [(4, f"i{n}", NAN) for n in range(9)], model.items)
    np.testing.assert_allclose(model.predict(stranger), model.predict(known), rtol=1e-12)


def test_no_round_makes_the_penalised_error_larger() -> None:
    rows = rated_trails(TRAILS)
    rating = rows.label("rating").astype(float)
    losses = []
    for epochs in range(1, 7):
        model = BiasedMF(dim=2, epochs=epochs, l2=1, bias_l2=1).fit(rows)
        of_items = model.state()["of_items"]
        of_users, _ = by_loops(rows, model)  # those that the last step of the items was made from
        u, i = of_users[rows.rows], of_items[rows.items]
        gaps = rating - rating.mean() - u[:, 0] - i[:, 0] - (u[:, 1:] * i[:, 1:]).sum(axis=1)
        losses.append((gaps**2).sum() + (of_users**2).sum() + (of_items**2).sum())
    assert (np.diff(losses) < 0).all()


def test_learns_a_planted_product_that_biases_cannot() -> None:
    rng = np.random.default_rng(0)
    side, kind = rng.choice([-1, 1], 60), rng.choice([-1, 1], 20)
    trails = [[(f"i{i}", 3.0 + side[u] * kind[i]) for i in rng.permutation(20)[:12]] for u in range(60)]
    questions = [(u, f"i{i}", 3.0 + side[u] * kind[i]) for u in range(60) for i in range(20)]
    train = rated_trails(trails)
    test = asked(trails, questions, train.vocabulary)
    truth = test.label("rating")
    assert rmse(truth, BiasedMF(dim=2, l2=1).fit(train).predict(test)[:, 0]) < 0.15
    assert rmse(truth, RatingBias().fit(train).predict(test)[:, 0]) > 0.7


def test_an_empty_history_gets_the_mean_and_the_bias_of_the_item() -> None:
    rows = rated_trails(TRAILS)
    model = BiasedMF(dim=2).fit(rows)
    predicted = model.predict(asked([[]], [(0, "i3", NAN), (0, "new", NAN)], model.items))[:, 0]
    mean = rows.label("rating").astype(float).mean()
    np.testing.assert_allclose(predicted, [mean + model.state()["of_items"][model.items.index("i3"), 0], mean])


def test_impressions_in_parts_are_answered_as_together(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rated_trails(TRAILS)
    model = BiasedMF(dim=2).fit(rows)
    together = model.predict(rows)
    monkeypatch.setattr(rating_histories, "_EVENTS_AT_ONCE", 7)
    assert len(list(rating_histories.in_parts(rows))) > 5
    np.testing.assert_allclose(model.predict(rows), together, rtol=1e-10)


def test_predictions_stay_within_the_ratings_that_were_learned_from() -> None:
    model = BiasedMF(dim=2, bias_l2=0.01).fit(rated_trails([[("i1", 5.0), ("i2", 1.0)] for _ in range(30)]))
    predicted = model.predict(asked([[("i2", 9.0)], [("i1", -9.0)]], [(0, "i1", NAN), (1, "i2", NAN)], model.items))[:, 0]
    np.testing.assert_array_equal(predicted, [5, 1])
