"""Sequences in compressed rows: what models are fitted on and asked about."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int8, Int32, Int64

from footpath.errors import ConfigError, DataError
from footpath.sequences.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class ItemFeatures:
    """What is known of each item, in the order of the vocabulary; row 0 is padding.

    titles, texts, categories: N strings each, empty where unknown; texts hold free text beside the title.
    attributes: N tuples of tokens (genres, brands, attribute ids). vectors: optional text or image vectors.
    """

    titles: Sequence[str]
    texts: Sequence[str]
    categories: Sequence[str]
    attributes: Sequence[tuple[str, ...]]
    vectors: Float32[np.ndarray, "N D"] | None = None


@dataclass(frozen=True, eq=False)
class SequenceDataset:
    """B histories, oldest event first, as compressed rows.

    offsets: row b is the events `offsets[b]:offsets[b + 1]`. items: indexes in the vocabulary, 0 where unknown.
    times: microseconds since 1970 UTC; None for a log without a clock. types: codes of `footpath.events.contract.EVENT_TYPES`.
    values: rating, watch time ... as the event type declares; NaN where absent. Arrays may be memory-mapped and are never written to.
    """

    vocabulary: Vocabulary
    users: pa.StringArray
    offsets: Int64[np.ndarray, " B+1"]
    items: Int32[np.ndarray, " E"]
    times: Int64[np.ndarray, " E"] | None = None
    types: Int8[np.ndarray, " E"] | None = None
    values: Float32[np.ndarray, " E"] | None = None
    item_features: ItemFeatures | None = None

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.users) + 1:
            raise DataError(f"{len(self.users)} users need {len(self.users) + 1} offsets, got {len(self.offsets)}")
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.items):
            raise DataError(f"offsets must run from 0 to {len(self.items)}, got {self.offsets[0]} to {self.offsets[-1]}")
        for name in ("times", "types", "values"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.items):
                raise DataError(f"{name} has {len(column)} entries for {len(self.items)} events")

    @classmethod
    def from_lists(
        cls,
        histories: Iterable[Sequence[str]],
        vocabulary: Vocabulary | None = None,
        users: Sequence[str] | None = None,
        **columns: object,
    ) -> SequenceDataset:
        """Histories given as lists of item ids; ids that the vocabulary lacks become 0."""
        rows = [list(row) for row in histories]
        flat = pa.array([id for row in rows for id in row], pa.string())
        vocabulary = Vocabulary.build(flat) if vocabulary is None else vocabulary
        names = [str(b) for b in range(len(rows))] if users is None else list(users)
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]).astype(np.int64)
        return cls(vocabulary, pa.array(names, pa.string()), offsets, vocabulary.encode(flat), **columns)  # type: ignore[arg-type]

    def __len__(self) -> int:
        """B: the number of histories."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """N: items of the vocabulary and index 0."""
        return len(self.vocabulary)

    @property
    def n_events(self) -> int:
        return len(self.items)

    @property
    def lengths(self) -> Int64[np.ndarray, " B"]:
        return np.diff(self.offsets)

    @cached_property
    def rows(self) -> Int32[np.ndarray, " E"]:
        """The row of each event."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.lengths)

    @cached_property
    def _row_of_user(self) -> dict[str, int]:
        return {user: b for b, user in enumerate(self.users.to_pylist())}

    def row_of(self, user_id: str) -> int | None:
        """The row of one user, None where the user is unknown."""
        return self._row_of_user.get(user_id)

    def history(self, b: int) -> Int32[np.ndarray, " L"]:
        """The items of one row, oldest first."""
        return self.items[self.offsets[b] : self.offsets[b + 1]]

    def between(self, start: int, stop: int) -> SequenceDataset:
        """Rows start to stop, without a copy."""
        start, stop, _ = slice(start, stop).indices(len(self))
        stop = max(start, stop)
        low, high = int(self.offsets[start]), int(self.offsets[stop])
        return self._with_events(self.users[start:stop], self.offsets[start : stop + 1] - low, slice(low, high))

    def take(self, rows: np.ndarray) -> SequenceDataset:
        """The rows of these numbers, in this order; a row may be taken more than once."""
        rows = np.asarray(rows, dtype=np.int64)
        return self._ranges(rows, self.offsets[rows], self.offsets[rows + 1])

    def prefixes(self, rows: np.ndarray, lengths: np.ndarray) -> SequenceDataset:
        """The first `lengths[j]` events of row `rows[j]`, for every j."""
        rows = np.asarray(rows, dtype=np.int64)
        if np.any(lengths > self.lengths[rows]):
            raise ConfigError("a prefix cannot be longer than its row")
        return self._ranges(rows, self.offsets[rows], self.offsets[rows] + lengths)

    def last(self, length: int) -> SequenceDataset:
        """Every row cut to its last `length` events."""
        kept = np.minimum(self.lengths, length)
        return self._ranges(np.arange(len(self)), self.offsets[1:] - kept, self.offsets[1:])

    def where(self, keep: np.ndarray) -> SequenceDataset:
        """Only the events where `keep` is true; rows may become empty and stay."""
        counts = np.bincount(self.rows[keep], minlength=len(self))
        return self._with_events(self.users, _offsets(counts), keep)

    def chunks(self, rows: int) -> Iterator[SequenceDataset]:
        """The dataset in parts of at most that many rows."""
        for start in range(0, len(self), rows):
            yield self.between(start, start + rows)

    def _ranges(self, rows: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> SequenceDataset:
        lengths = stops - starts
        offsets = _offsets(lengths)
        events = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return self._with_events(self.users.take(pa.array(rows)), offsets, events)

    def _with_events(self, users: pa.StringArray, offsets: np.ndarray, events: np.ndarray | slice) -> SequenceDataset:
        columns: dict[str, Any] = {
            name: None if (column := getattr(self, name)) is None else column[events] for name in ("items", "times", "types", "values")
        }
        return dataclasses.replace(self, users=users, offsets=offsets, **columns)


def _offsets(lengths: np.ndarray) -> Int64[np.ndarray, " B+1"]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
