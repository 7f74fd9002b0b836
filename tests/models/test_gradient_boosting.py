from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planted_impressions import SECOND, tastes

from footpath.errors import NotFittedError
from footpath.models.gradient_boosting import GradientBoosting, _of_history, _rates_before


def test_the_rate_of_an_item_is_of_strictly_earlier_rows() -> None:
    items = np.array([1, 1, 2, 1, 1])
    label = np.array([1, 0, 1, 1, 0], np.float32)
    times = np.array([10, 20, 20, 20, 30])
    before, after = _rates_before(items, label, times, 3)
    base = 3 / 5
    assert before[:, 1].tolist() == [0, 1, 0, 1, 3]  # the two rows of item 1 at 20 do not see one another
    np.testing.assert_allclose(
        before[:, 0], [(hits + 20 * base) / (n + 20) for hits, n in ((0, 0), (1, 1), (0, 0), (1, 1), (2, 3))], rtol=1e-6
    )
    assert after[:, 1].tolist() == [0, 4, 1]


def test_without_times_a_row_never_sees_its_own_label() -> None:
    rng = np.random.default_rng(0)
    items, label = rng.integers(1, 4, 200), rng.integers(0, 2, 200).astype(np.float32)
    before, _ = _rates_before(items, label, None, 4)
    for row in (0, 17, 199):
        other = label.copy()
        other[row] = 1 - other[row]
        changed, _ = _rates_before(items, other, None, 4)
        base = (other.sum() - label.sum()) / 200 * 20 / (before[row, 1] + 20)  # the prior alone moves
        np.testing.assert_allclose(changed[row, 0] - before[row, 0], base, atol=1e-6)


def test_counts_and_recency_by_hand() -> None:
    rows = tastes(3, shown=12)
    categories = np.array([0, *(int(id[1]) + 1 for id in rows.vocabulary.ids.to_pylist())])
    found = _of_history(rows, 0, categories, 200)
    click = 2
    for r in range(len(rows)):
        trail = rows.histories.history(int(rows.rows[r]))[: rows.lengths[r]]
        same = [categories[i] == categories[rows.items[r]] for i in trail]
        assert found[r, 3 * click : 3 * click + 3].tolist() == [len(trail), sum(same), int((trail == rows.items[r]).sum())]
        assert found[r, 30:33].tolist() == [sum(same[::-1][:n]) for n in (1, 3, 10)]
        ago = same[::-1].index(True) + 1 if any(same) else np.nan
        np.testing.assert_equal(found[r, 33], np.float32(ago))


def test_validation_chooses_the_number_of_trees() -> None:
    rows = tastes(60)
    assert rows.times is not None
    late = rows.times >= 1800 * SECOND
    held = GradientBoosting(trees=400, fewest=5).fit(rows.take(~late), validation=rows.take(late))
    settled = held.settled()
    assert settled.trees < 400
    assert dataclasses.replace(settled, trees=400) == GradientBoosting(trees=400, fewest=5)
    with pytest.raises(NotFittedError, match="no number of trees is chosen"):
        GradientBoosting().settled()


def test_features_are_named() -> None:
    model = GradientBoosting(trees=5).fit(tastes(20))
    names = model.names()
    assert len(names) == len(set(names)) == model._boosters[0].num_feature()
    assert {"favourite", "noise", "user.age", "item.price", "click.category", "rate"} <= set(names)
