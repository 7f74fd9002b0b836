from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footpath.errors import ConfigError
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.long_history import occasions, select_history, trail_occasions
from footpath.sequences.vocabulary import Vocabulary

N_ITEMS = 6
VOCABULARY = Vocabulary.build([f"i{i}" for i in range(N_ITEMS)])
TRAILS = st.lists(st.lists(st.integers(1, N_ITEMS), max_size=14), min_size=1, max_size=4)
CATEGORIES = st.none() | st.lists(st.integers(0, 2), min_size=N_ITEMS + 1, max_size=N_ITEMS + 1).map(
    lambda found: np.array([0, *found[1:]])
)


def sequences(trails: list[list[int]]) -> SequenceDataset:
    flat = np.array([item for trail in trails for item in trail], np.int32)
    users = SequenceDataset.from_lists([[] for _ in trails]).users
    return SequenceDataset(VOCABULARY, users, np.concatenate([[0], np.cumsum([len(trail) for trail in trails])]).astype(np.int64), flat)


def looked_up(trail: list[int], k: int, categories: np.ndarray | None) -> list[list[int]]:
    """The definition, one event after another, newest first."""
    target, past = trail[-1], len(trail) - 1
    same = [j for j in reversed(range(past)) if trail[j] == target]
    alike = []
    if categories is not None and categories[target]:
        alike = [j for j in reversed(range(past)) if trail[j] != target and categories[trail[j]] == categories[target]]
    return [[trail[j], trail[j + 1], past - j] for j in [*same, *alike][:k]]


def test_newest_events_on_the_item_come_first_then_those_of_its_category() -> None:
    trail = np.array([1, 2, 1, 3, 4, 1, 3, 2], np.int32)
    categories = np.array([0, 7, 5, 7, 5, 0, 0])  # of items 0 to 6
    assert select_history(trail, 1, 2).tolist() == [5, 2]
    assert select_history(trail, 1, 9).tolist() == [5, 2, 0]
    assert select_history(trail, 1, 5, categories=categories).tolist() == [5, 2, 0, 6, 3]
    assert select_history(trail, 1, 4, categories=categories).tolist() == [5, 2, 0, 6]
    assert select_history(trail, 4, 9, categories=categories).tolist() == [4, 7, 1]
    assert select_history(trail, 5, 9, categories=categories).tolist() == []  # no category is not a category
    assert select_history(trail[:0], 1, 3, categories=categories).tolist() == []


def test_what_followed_and_how_long_ago_is_told_with_each() -> None:
    trail = np.array([1, 2, 3, 1, 1], np.int32)
    assert trail_occasions(trail, 3).tolist() == [[1, 1, 1], [1, 2, 4], [0, 0, 0]]


@given(TRAILS, st.integers(1, 5), CATEGORIES)
def test_all_events_at_once_get_what_each_gets_alone(trails: list[list[int]], k: int, categories: np.ndarray | None) -> None:
    data = sequences(trails)
    found = occasions(data, np.arange(data.n_events), k, categories=categories)
    assert found.shape == (data.n_events, k, 3)
    expected = [looked_up(trail[: t + 1], k, categories) for trail in trails for t in range(len(trail))]
    for got, wanted in zip(found.tolist(), expected, strict=True):
        assert got == wanted + [[0, 0, 0]] * (k - len(wanted))


@given(TRAILS, st.integers(1, 5), CATEGORIES, st.randoms(use_true_random=False))
def test_any_choice_of_events_in_any_order_gets_the_same(
    trails: list[list[int]], k: int, categories: np.ndarray | None, random: object
) -> None:
    data = sequences(trails)
    everything = occasions(data, np.arange(data.n_events), k, categories=categories)
    rng = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    chosen = rng.integers(data.n_events, size=rng.integers(1, 8)) if data.n_events else np.zeros(0, np.int64)
    np.testing.assert_array_equal(occasions(data, chosen, k, categories=categories), everything[chosen])
    one_a_row = data.offsets[1:][data.lengths > 0] - 1
    np.testing.assert_array_equal(occasions(data, one_a_row, k, categories=categories), everything[one_a_row])


def test_nothing_selected_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be at least 1, got 0"):
        select_history(np.array([1], np.int32), 1, 0)
    with pytest.raises(ConfigError, match="must be at least 1, got -2"):
        occasions(sequences([[1, 2]]), np.array([1]), -2)
