from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from footpath.models.histories import (
    event_counts,
    fill_unreached,
    incidence,
    keep_stored,
    largest_per_row,
    pack,
    unpack,
    without_known_items,
)
from footpath.sequences.dataset import SequenceDataset


@pytest.fixture
def histories() -> SequenceDataset:
    known = SequenceDataset.from_lists([["a", "b", "c"]])
    return SequenceDataset.from_lists([["a", "b", "a"], [], ["new"], ["c", "new"]], known.vocabulary)


def test_incidence_is_one_where_a_known_item_occurs(histories: SequenceDataset) -> None:
    at = histories.vocabulary.index
    expected = np.zeros((4, 4), np.float32)
    expected[[0, 0, 3], [at("a"), at("b"), at("c")]] = 1
    np.testing.assert_array_equal(incidence(histories).toarray(), expected)


def test_counts_are_events_and_nothing_at_the_unknown_index(histories: SequenceDataset) -> None:
    counts = event_counts(histories)
    assert {id: counts[histories.vocabulary.index(id)] for id in "abc"} == {"a": 2, "b": 1, "c": 1}
    assert counts[0] == 0


def test_rows_of_unknown_items_alone_are_as_good_as_empty(histories: SequenceDataset) -> None:
    assert without_known_items(histories).tolist() == [False, True, True, False]


def test_what_was_not_reached_follows_in_the_order_of_popularity() -> None:
    scores = np.array([[0, 0.5, 0, 0, 1e-9]], np.float32)
    filled = fill_unreached(scores, np.array([0, 9, 3, 8, 0], np.float32))
    assert filled is scores
    np.testing.assert_allclose(filled, [[-1, 0.5, -0.7, -0.2, 1e-9]], rtol=1e-6)


@given(arrays(np.float32, (6, 9), elements=st.sampled_from([0, 0.125, 0.25, 1, 3, 1e-30])), st.integers(1, 12))
def test_the_largest_of_each_row_are_those_of_a_stable_sort(dense: np.ndarray, k: int) -> None:
    matrix = sp.csr_matrix(dense)
    kept = keep_stored(matrix, largest_per_row(matrix, k)).toarray()
    expected = np.zeros_like(dense)
    for row, wanted in zip(dense, expected, strict=True):
        best = np.argsort(-row, kind="stable")[:k]
        wanted[best] = row[best]
    np.testing.assert_array_equal(kept, expected)


def test_a_packed_matrix_unpacks_to_itself() -> None:
    matrix = sp.random_array((5, 7), density=0.3, format="csr", rng=np.random.default_rng(0), dtype=np.float32)
    again = unpack("m", pack("m", sp.csr_matrix(matrix)), 7)
    assert again.shape == (5, 7)
    np.testing.assert_array_equal(again.toarray(), matrix.toarray())
