from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from footpath.errors import ConfigError, DataError
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.vocabulary import Vocabulary

HISTORIES = [["a", "b", "c"], [], ["b"], ["c", "a"]]


@pytest.fixture
def data() -> SequenceDataset:
    return SequenceDataset.from_lists(HISTORIES, times=np.arange(6) * 10, users=["u", "v", "w", "x"])


def lists(data: SequenceDataset) -> list[list[str | None]]:
    return [data.vocabulary.decode(data.history(b)) for b in range(len(data))]


def times(data: SequenceDataset) -> list[int]:
    assert data.times is not None
    return data.times.tolist()


def test_lists_become_rows(data: SequenceDataset) -> None:
    assert lists(data) == HISTORIES
    assert (len(data), data.n_events, data.n_items) == (4, 6, 4)
    assert data.lengths.tolist() == [3, 0, 1, 2]
    assert data.rows.tolist() == [0, 0, 0, 2, 3, 3]
    assert (data.row_of("w"), data.row_of("nobody")) == (2, None)


def test_unknown_items_of_a_given_vocabulary_become_0(data: SequenceDataset) -> None:
    assert lists(SequenceDataset.from_lists([["a", "z"]], data.vocabulary)) == [["a", None]]


def test_a_range_of_rows_is_a_view(data: SequenceDataset) -> None:
    part = data.between(1, 3)
    assert (lists(part), part.users.to_pylist(), times(part)) == ([[], ["b"]], ["v", "w"], [30])
    assert np.shares_memory(part.items, data.items)
    assert lists(data.between(3, 99)) == [["c", "a"]]
    assert lists(data.between(3, 1)) == []


def test_rows_can_be_taken_in_any_order_and_again(data: SequenceDataset) -> None:
    taken = data.take(np.array([3, 0, 3]))
    assert (lists(taken), taken.users.to_pylist()) == ([["c", "a"], ["a", "b", "c"], ["c", "a"]], ["x", "u", "x"])
    assert times(taken) == [40, 50, 0, 10, 20, 40, 50]


def test_prefixes_and_ends(data: SequenceDataset) -> None:
    assert lists(data.prefixes(np.array([0, 0, 3]), np.array([2, 0, 1]))) == [["a", "b"], [], ["c"]]
    assert lists(data.last(2)) == [["b", "c"], [], ["b"], ["c", "a"]]
    with pytest.raises(ConfigError, match="a prefix cannot be longer than its row"):
        data.prefixes(np.array([2]), np.array([2]))


def test_events_can_be_chosen_and_rows_stay(data: SequenceDataset) -> None:
    chosen = data.where(np.array([False, True, False, False, True, True]))
    assert (lists(chosen), times(chosen)) == ([["b"], [], [], ["c", "a"]], [10, 40, 50])


def test_chunks_put_together_are_the_whole(data: SequenceDataset) -> None:
    assert [row for chunk in data.chunks(3) for row in lists(chunk)] == HISTORIES
    assert [len(chunk) for chunk in data.chunks(3)] == [3, 1]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"offsets": np.array([0, 1])}, "2 users need 3 offsets, got 2"),
        ({"offsets": np.array([0, 1, 3])}, "offsets must run from 0 to 2, got 0 to 3"),
        ({"offsets": np.array([1, 1, 2])}, "offsets must run from 0 to 2, got 1 to 2"),
        ({"times": np.array([1])}, "times has 1 entries for 2 events"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: dict[str, np.ndarray], words: str) -> None:
    fitting = {"offsets": np.array([0, 1, 2]), "items": np.array([1, 1], np.int32)}
    with pytest.raises(DataError, match=words):
        SequenceDataset(Vocabulary.build(["a"]), pa.array(["u", "v"]), **(fitting | columns))
