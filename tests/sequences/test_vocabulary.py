from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from footpath.errors import DataError
from footpath.sequences.vocabulary import Vocabulary, arrow_numbers


def test_unknown_and_null_ids_are_index_0() -> None:
    vocabulary = Vocabulary.build(["b", "a"])
    indexes = vocabulary.encode(["a", "x", None, "b"])
    assert indexes.tolist() == [vocabulary.index("a"), 0, 0, vocabulary.index("b")]
    assert sorted(indexes.tolist()) == [0, 0, 1, 2]
    assert vocabulary.decode(indexes) == ["a", None, None, "b"]
    assert (vocabulary.index("x"), "a" in vocabulary, "x" in vocabulary, len(vocabulary)) == (0, True, False, 3)


def test_chunks_and_plain_arrays_give_the_same() -> None:
    ids = [str(n) for n in range(50)]
    chunks = pa.chunked_array([ids[:20], ids[20:]])
    assert Vocabulary.build(chunks) == Vocabulary.build(reversed(ids))
    np.testing.assert_array_equal(Vocabulary.build(ids).encode(chunks), Vocabulary.build(ids).encode(ids))
    assert Vocabulary.build(ids).encode(ids).dtype == np.int32


def test_repeats_and_nulls_add_nothing() -> None:
    assert Vocabulary.build(pa.array(["a", None, "a", "b"])) == Vocabulary.build(["b", "a"])


def test_the_order_is_shuffled_by_the_seed() -> None:
    ids = [f"{n:03}" for n in range(200)]
    first, second = Vocabulary.build(ids), Vocabulary.build(ids, seed=1)
    assert first != second
    assert first.ids.to_pylist() != ids
    assert abs(np.corrcoef(first.encode(ids), np.arange(200))[0, 1]) < 0.25


def test_a_null_or_a_repeated_id_is_refused() -> None:
    with pytest.raises(DataError, match="cannot hold a null id"):
        Vocabulary(pa.array(["a", None]))
    with pytest.raises(DataError, match="vocabulary of 3 ids repeats 1 of them"):
        Vocabulary(pa.array(["a", "b", "a"])).index("a")


def test_numbers_cross_to_arrow_without_a_copy() -> None:
    numbers = np.arange(10, dtype=np.int32)
    crossed = arrow_numbers(numbers)
    numbers[3] = 99
    assert crossed.to_pylist() == [0, 1, 2, 99, 4, 5, 6, 7, 8, 9]
    assert arrow_numbers(np.arange(10)[::3]).to_pylist() == [0, 3, 6, 9]
