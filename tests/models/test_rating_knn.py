from __future__ import annotations

import numpy as np
import pytest
from planted_ratings import asked, drawn, rated_trails

from footpath.errors import ConfigError
from footpath.evaluation.predictions import rmse
from footpath.models import rating_knn
from footpath.models.rating_bias import RatingBias
from footpath.models.rating_knn import RatingKNN

NAN = float("nan")


def by_loops(trails: list[list[tuple[str, float]]], user: list[tuple[str, float]], item: str, model: RatingKNN) -> float:
    """A prediction, straight from the definition, for the biases that the model found."""
    mean = float(np.mean([value for trail in trails for _, value in trail]))
    biases = {i: float(model.state()["item_biases"][model.items.index(i)]) for trail in trails for i, _ in trail}

    def left(trail: list[tuple[str, float]]) -> tuple[float, dict[str, float]]:
        bias = sum(value - mean - biases[i] for i, value in trail) / (len(trail) + model.user_l2)
        return bias, {i: value - mean - bias - biases[i] for i, value in trail}

    of = [left(trail)[1] for trail in trails]

    def similarity(i: str, j: str) -> float:
        both = [(rest[i], rest[j]) for rest in of if i in rest and j in rest]
        power = sum(x * x for x, _ in both) * sum(y * y for _, y in both)
        if len(both) < 2 or power == 0:
            return 0
        return sum(x * y for x, y in both) / np.sqrt(power) * (len(both) - 1) / (len(both) - 1 + model.shrinkage)

    bias, rest = left(user)
    near = sorted(((similarity(item, j), rest[j]) for j in rest if j != item), key=lambda pair: -pair[0])[: model.neighbours]
    near = [pair for pair in near if pair[0] > 0]
    moved = sum(s * x for s, x in near) / (sum(s for s, _ in near) + model.weight_shrinkage) if near else 0
    return float(np.clip(mean + bias + biases[item] + moved, 1, 5))


@pytest.mark.parametrize("pairs_at_once", [2**22, 30])
def test_does_what_loops_over_neighbours_do(monkeypatch: pytest.MonkeyPatch, pairs_at_once: int) -> None:
    monkeypatch.setattr(rating_knn, "_PAIRS_AT_ONCE", pairs_at_once)
    trails = drawn(25, 10, 0.6, seed=4)
    for model in (RatingKNN(neighbours=2, shrinkage=3, weight_shrinkage=0), RatingKNN(neighbours=4, shrinkage=1, weight_shrinkage=0.3)):
        model.fit(rated_trails(trails))
        questions = [(b, f"i{i}", NAN) for b in range(25) for i in range(10)]
        predicted = model.predict(asked(trails, questions, model.items))[:, 0]
        expected = [by_loops(trails, trails[b], item, model) for b, item, _ in questions]
        np.testing.assert_allclose(predicted, expected, rtol=1e-5)


def test_a_similarity_by_hand() -> None:
    """Biases are held at almost nothing, so that deviations from the mean of 3 are what is left."""
    trails = [[("a", 5.0), ("b", 4.0)], [("a", 1.0), ("b", 2.0)], [("a", 4.0), ("c", 2.0)], [("a", 2.0), ("c", 4.0)]]
    model = RatingKNN(shrinkage=1, weight_shrinkage=0.5, user_l2=1e12, item_l2=1e12).fit(rated_trails(trails))
    asked_after_b = asked([[("b", 5.0)], [("c", 5.0)]], [(0, "a", NAN), (1, "a", NAN)], model.items)
    # a and b: (2 * 1 + 2 * 1) / sqrt((4 + 4) * (1 + 1)) = 1, of two common raters: 1 * 1 / (1 + 1); then 0.5 * 2 / (0.5 + 0.5)
    # a and c: -1, which does not count
    np.testing.assert_allclose(model.predict(asked_after_b)[:, 0], [3 + 1, 3], rtol=1e-6)


def test_learns_which_items_are_liked_by_the_same_people() -> None:
    rng = np.random.default_rng(0)
    side = rng.choice([-1, 1], 60)
    trails = [[(f"i{i}", 3.0 + side[u] * (-1) ** i) for i in rng.permutation(10)[:6]] for u in range(60)]
    train = rated_trails(trails)
    test = asked(trails, [(u, f"i{i}", 3.0 + side[u] * (-1) ** i) for u in range(60) for i in range(10)], train.vocabulary)
    truth = test.label("rating")
    assert rmse(truth, RatingKNN(weight_shrinkage=0).fit(train).predict(test)[:, 0]) < 0.3
    assert rmse(truth, RatingBias().fit(train).predict(test)[:, 0]) > 0.8


def test_without_neighbours_the_biases_answer() -> None:
    trails = drawn(20, 6, 0.7, seed=5)
    train = rated_trails(trails)
    lone = asked([[], [("i1", 5.0)], [("new", 1.0)]], [(0, "i2", NAN), (1, "new", NAN), (2, "i2", NAN)], train.vocabulary)
    np.testing.assert_allclose(RatingKNN().fit(train).predict(lone), RatingBias().fit(train).predict(lone), rtol=1e-12)


def test_items_whose_ratings_are_all_as_expected_are_like_none() -> None:
    model = RatingKNN().fit(rated_trails([[("a", 3.0), ("b", 3.0)], [("a", 3.0), ("b", 3.0)]]))
    assert len(model.state()["similarity.data"]) == 0


def test_a_weight_shrinkage_below_zero_is_refused_and_zero_is_not() -> None:
    assert RatingKNN(weight_shrinkage=0).weight_shrinkage == 0
    with pytest.raises(ConfigError, match=r"weight_shrinkage must be 0 or above and finite, got -0.1"):
        RatingKNN(weight_shrinkage=-0.1)
