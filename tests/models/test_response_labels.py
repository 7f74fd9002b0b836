from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from planted_impressions import tastes

from footpath.errors import ConfigError, DataError, NotFittedError
from footpath.models.responses import check_impressions, labelled
from footpath.sequences.impressions import VALUE_TASK, Impressions, from_table
from footpath.sequences.vocabulary import Vocabulary


def rows_with(**labels: list[float]) -> Impressions:
    return from_table(pa.table(labels), labels=list(labels))


def fitted_on(items: Vocabulary | None) -> Any:
    return SimpleNamespace() if items is None else SimpleNamespace(items=items)


def test_impressions_of_the_models_own_vocabulary_are_let_through() -> None:
    rows = tastes(3)
    same, equal = rows.vocabulary, Vocabulary(pa.array(rows.vocabulary.ids.to_pylist()))
    assert equal is not same
    assert [check_impressions(fitted_on(vocabulary), rows) for vocabulary in (same, equal)] == [None, None]  # type: ignore[func-returns-value]


def test_a_model_that_was_not_fitted_is_named() -> None:
    with pytest.raises(NotFittedError, match=r"SimpleNamespace is not fitted: call fit\(train\) or load a saved model"):
        check_impressions(fitted_on(None), tastes(3))


def test_another_vocabulary_is_refused_with_the_size_of_both() -> None:
    with pytest.raises(ConfigError, match=r"SimpleNamespace knows 2 items and the impressions .* another vocabulary, of 18; "):
        check_impressions(fitted_on(Vocabulary.build(["a", "b"])), tastes(3))


def test_the_same_items_in_another_order_are_another_vocabulary() -> None:
    rows = tastes(3)
    with pytest.raises(ConfigError, match=r"knows 18 items .* of 18"):
        check_impressions(fitted_on(Vocabulary.build(rows.vocabulary.ids, seed=1)), rows)


def test_labels_are_those_that_a_model_can_learn() -> None:
    rows = rows_with(click=[0, 1, np.nan], rating=[3, 4, 5])
    assert list(labelled(rows, "Model")) == ["click"]
    assert list(labelled(rows, "Model", values=True)) == ["click", VALUE_TASK]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"rating": [3.0, 4.0]}, "no labels for Model to learn from in 2 impressions: they have rating"),
        ({"click": [0.0, 0.0, np.nan]}, "task 'click' has only 0 in 3 training impressions, so there is nothing to tell apart"),
        ({"cart": [1.0, 1.0]}, "task 'cart' has only 1 in 2 training impressions"),
        ({"click": [np.nan, np.nan]}, "task 'click' has unknown labels in 2 training impressions"),
    ],
)
def test_labels_that_teach_nothing_are_refused(labels: dict[str, list[float]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        labelled(rows_with(**labels), "Model")


def test_impressions_without_labels_or_without_rows_are_refused() -> None:
    with pytest.raises(DataError, match="no labels for Model to learn from in 2 impressions: they have none"):
        labelled(dataclasses.replace(rows_with(click=[0, 1]), labels={}), "Model")
    with pytest.raises(DataError, match="no labels for Model to learn from in 0 impressions: they have click"):
        labelled(rows_with(click=[0, 1]).take(np.array([], np.int64)), "Model")


def test_ratings_of_which_none_is_known_are_refused() -> None:
    with pytest.raises(DataError, match="no labels of 'rating' for Model to learn from: all of 2 are unknown"):
        labelled(rows_with(rating=[np.nan, np.nan]), "Model", values=True)


def test_labels_that_were_set_by_hand_are_checked_too() -> None:
    wrong = dataclasses.replace(rows_with(click=[0, 1]), labels={"click": np.array([0, 3], np.float32)})
    with pytest.raises(DataError, match="a label of 'click' must be 0 or 1, or empty where nobody knows, got 3 at row 1"):
        labelled(wrong, "Model")
