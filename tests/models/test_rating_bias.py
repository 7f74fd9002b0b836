from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planted_ratings import asked, drawn, rated_trails

from footpath.errors import ConfigError, DataError
from footpath.models.rating_bias import RatingBias

NAN = float("nan")
TRAILS = [[("a", 5.0), ("b", 3.0)], [("a", 4.0)]]


@pytest.fixture
def model() -> RatingBias:
    """Mean 4; one round with a ridge of 1: a gets (1 + 0) / (2 + 1) more than the mean, b gets -1 / (1 + 1)."""
    return RatingBias(epochs=1, user_l2=1, item_l2=1).fit(rated_trails(TRAILS))


def predicted(model: RatingBias, trail: list[tuple[str, float]], item: str) -> float:
    return float(model.predict(asked([trail], [(0, item, NAN)], model.items))[0, 0])


def test_biases_by_hand(model: RatingBias) -> None:
    # the user gave 5 where 4 + 1/3 was due, and 3 where 4 - 1/2 was: (2/3 - 1/2) / (2 + 1) more
    assert predicted(model, TRAILS[0], "a") == pytest.approx(4 + 1 / 3 + 1 / 18)
    assert predicted(model, TRAILS[0], "b") == pytest.approx(4 - 1 / 2 + 1 / 18)


def test_an_empty_history_gets_the_mean_and_the_bias_of_the_item(model: RatingBias) -> None:
    assert predicted(model, [], "a") == pytest.approx(4 + 1 / 3)


def test_an_unknown_item_has_no_bias_when_asked_about_and_none_of_its_ratings_is_read(model: RatingBias) -> None:
    assert predicted(model, TRAILS[0], "new") == pytest.approx(4 + 1 / 18)
    assert predicted(model, [*TRAILS[0], ("new", 1.0)], "a") == predicted(model, TRAILS[0], "a")


def test_events_without_a_value_say_nothing(model: RatingBias) -> None:
    assert predicted(model, [("a", NAN), *TRAILS[0], ("b", NAN)], "a") == predicted(model, TRAILS[0], "a")
    without = asked([[("a", NAN)]], [(0, "a", NAN)], model.items)
    bare = dataclasses.replace(without, histories=dataclasses.replace(without.histories, values=None))
    assert model.predict(bare)[0, 0] == pytest.approx(4 + 1 / 3)


def test_the_newest_of_two_ratings_of_an_item_counts(model: RatingBias) -> None:
    assert predicted(model, [("a", 1.0), ("b", 3.0), ("a", 5.0)], "a") == predicted(model, TRAILS[0], "a")
    again = RatingBias(epochs=1, user_l2=1, item_l2=1).fit(rated_trails([[("b", 1.0), *TRAILS[0]], TRAILS[1]]))
    np.testing.assert_array_equal(again.state()["item_biases"], model.state()["item_biases"])


def test_labels_are_learned_from_and_not_the_values_of_the_trails(model: RatingBias) -> None:
    known = [(0, "a", 5.0), (0, "b", 3.0), (1, "a", 4.0), (1, "b", NAN)]
    other = RatingBias(epochs=1, user_l2=1, item_l2=1).fit(asked([[("b", 1.0)], [("b", 2.0), ("a", 1.0)]], known))
    at = [other.items.index(item) for item in "ab"]
    np.testing.assert_allclose(other.state()["item_biases"][at], [1 / 3, -1 / 2])


def test_predictions_stay_within_the_ratings_that_were_learned_from() -> None:
    model = RatingBias(user_l2=0.01, item_l2=0.01).fit(rated_trails([[("a", 5.0), ("b", 1.0)], [("a", 5.0), ("c", 3.0)]]))
    assert predicted(model, [("b", 5.0)], "a") == 5
    assert predicted(model, [("a", 1.0)], "b") == 1


def test_the_rounds_lead_to_the_ridge_solution_of_both_biases_together() -> None:
    trails = drawn(12, 8, 0.5, seed=1)
    rows = rated_trails(trails)
    model = RatingBias(epochs=500, user_l2=2, item_l2=3).fit(rows)
    x = np.zeros((len(rows), 12 + 9))
    x[np.arange(len(rows)), rows.rows] = 1
    x[np.arange(len(rows)), 12 + rows.items] = 1
    y = rows.label("rating") - rows.label("rating").mean()
    both = np.linalg.solve(x.T @ x + np.diag([2] * 12 + [3] * 9), x.T @ y)
    np.testing.assert_allclose(model.state()["item_biases"], both[12:], atol=1e-6)


def test_an_infinite_rating_is_refused() -> None:
    with pytest.raises(DataError, match=r"a label of 'rating' must be a finite number, got inf at row 0"):
        RatingBias().fit(asked([[]], [(0, "a", np.inf)], rated_trails(TRAILS).vocabulary))


def test_ratings_of_unknown_items_alone_are_no_labels() -> None:
    with pytest.raises(DataError, match=r"RatingBias learns from ratings of known items, and there are no labels on any of those"):
        RatingBias().fit(asked([[]], [(0, "new", 3.0)], rated_trails(TRAILS).vocabulary))


def test_a_ridge_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"item_l2 must be above 0 and finite, got 0"):
        RatingBias(item_l2=0)
    with pytest.raises(ConfigError, match=r"epochs must be at least 1, got 0"):
        RatingBias(epochs=0)
