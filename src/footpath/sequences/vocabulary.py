"""The only border between ids, which are strings outside, and indexes, which are integers inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int32

from footpath.errors import DataError


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """N - 1 ids at indexes 1 to N - 1; index 0 is padding and "unknown".

    ids: strings, unique, without null; `ids[i - 1]` is the id at index i.
    """

    ids: pa.StringArray

    @classmethod
    def build(cls, ids: pa.Array | Iterable[str], seed: int = 0) -> Vocabulary:
        """The distinct ids in an order that depends on the set of ids and the seed alone.

        In public files ids are numbered in file order, and a rule on the integers alone scores; a shuffle ends that.
        """
        array = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(list(ids), pa.string())
        distinct = pc.drop_null(pc.unique(array)).cast(pa.string())
        ordered = distinct.take(pc.sort_indices(distinct))
        if isinstance(ordered, pa.ChunkedArray):
            ordered = ordered.combine_chunks()
        return cls(ordered.take(arrow_numbers(np.random.default_rng(seed).permutation(len(ordered)))))

    def __post_init__(self) -> None:
        if self.ids.null_count:
            raise DataError("a vocabulary cannot hold a null id")

    def __len__(self) -> int:
        """N: the number of ids plus one for index 0."""
        return len(self.ids) + 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.ids.equals(other.ids)

    __hash__ = None  # type: ignore[assignment]  # arrays inside: compared by value, never a key

    def __contains__(self, id: object) -> bool:
        return id in self._index

    @cached_property
    def _index(self) -> dict[str, int]:
        index = {id: i for i, id in enumerate(self.ids.to_pylist(), start=1)}
        if len(index) != len(self.ids):
            raise DataError(f"a vocabulary of {len(self.ids)} ids repeats {len(self.ids) - len(index)} of them")
        return index

    def index(self, id: str) -> int:
        """The index of one id, 0 where it is unknown."""
        return self._index.get(id, 0)

    def extended(self, ids: Sequence[str]) -> Vocabulary:
        """The same indexes, and further ids at the indexes after them; raises DataError where one of these is known or repeated."""
        known = [id for id in ids if id in self]
        if known:
            raise DataError(f"{len(known)} of {len(ids)} new ids are known already, the first is {known[0]!r}: leave them out")
        if len(set(ids)) < len(ids):
            raise DataError(f"{len(ids)} new ids repeat {len(ids) - len(set(ids))} of them: give each once")
        return Vocabulary(pa.concat_arrays([self.ids, pa.array(ids, pa.string())]))

    def encode(self, ids: pa.Array | Sequence[str | None]) -> Int32[np.ndarray, " E"]:
        """Indexes of many ids, 0 where unknown or null."""
        if not isinstance(ids, pa.Array | pa.ChunkedArray):
            ids = pa.array(ids, pa.string())
        found = pc.index_in(ids.cast(pa.string()), value_set=self.ids)
        if isinstance(found, pa.ChunkedArray):
            found = found.combine_chunks()
        if found.null_count:
            found = pc.fill_null(found, -1)
        return np.add(np.from_dlpack(found), 1, dtype=np.int32)

    def decode(self, indexes: Int32[np.ndarray, " E"]) -> list[str | None]:
        """Ids of many indexes, None where the index is 0."""
        flat = np.asarray(indexes)
        return self.ids.take(pa.array(flat - 1, mask=flat == 0)).to_pylist()


def arrow_numbers(numbers: np.ndarray) -> pa.Array:
    """An Arrow array over the same memory; `pa.array` would load pandas first, where it is installed, which takes a second."""
    numbers = np.ascontiguousarray(numbers)
    return pa.Array.from_buffers(pa.from_numpy_dtype(numbers.dtype), len(numbers), [None, pa.py_buffer(numbers)])
