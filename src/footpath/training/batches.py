"""Sequences as padded batches that hold next to no padding: rows of nearly the same length are put together.

Right padded, oldest first: position t of a row is the t-th event of its window, so a causal mask alone keeps padding out of every state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Int64

from footpath.errors import ConfigError, DataError
from footpath.sequences.dataset import SequenceDataset

_JITTER: Final = 0.1  # lengths are compared after each was stretched by up to this share, so that batches differ between epochs


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """B windows of L input events, and what followed each of their T real ones.

    inputs: item indexes, 0 where padded. real: the places of real events in the flattened (B * L) inputs, row by row.
    targets: the item that came next, at each real place.
    """

    inputs: Int64[torch.Tensor, "B L"]
    real: Int64[torch.Tensor, " T"]
    targets: Int64[torch.Tensor, " T"]


@dataclass(frozen=True, eq=False)
class HistoryBatch:
    """B histories of at most L events, none of them empty.

    rows: the row of each in the dataset. last: the place of its newest event in the flattened (B * L) inputs.
    """

    rows: Int64[np.ndarray, " B"]
    inputs: Int64[torch.Tensor, "B L"]
    last: Int64[torch.Tensor, " B"]


@dataclass(frozen=True, eq=False)
class NextItemBatches:
    """The last `max_len + 1` known events of every row; all but the last are inputs, all but the first are targets.

    max_len + 1: the last position must be an input once, or its embedding never trains.
    Raises DataError where no row has two known events.
    """

    sequences: SequenceDataset
    max_len: int
    batch_size: int

    def __post_init__(self) -> None:
        if self.max_len < 1 or self.batch_size < 1:
            raise ConfigError(f"max_len and batch_size must be at least 1, got {self.max_len} and {self.batch_size}")
        windows = known_events(self.sequences).last(self.max_len + 1)
        windows = windows.take(np.flatnonzero(windows.lengths > 1))
        if not len(windows):
            longest = int(self.sequences.lengths.max(initial=0))
            raise DataError(
                f"none of {len(self.sequences)} sequences has two known events, the longest has {longest} events: there is no next item "
                "to learn; check the user column, or fit on more of the log"
            )
        object.__setattr__(self, "sequences", windows)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.sequences) // self.batch_size)

    @property
    def n_targets(self) -> int:
        """Positions that are learned from in an epoch."""
        return self.sequences.n_events - len(self.sequences)

    def shuffled(self, rng: np.random.Generator) -> Iterator[TrainingBatch]:
        """Every position once, rows of nearly equal length together, batches in random order."""
        lengths = self.sequences.lengths
        order = np.argsort(lengths * rng.uniform(1, 1 + _JITTER, len(lengths)) + rng.uniform(0, 1, len(lengths)))
        starts = np.arange(0, len(order), self.batch_size)
        rng.shuffle(starts)
        for start in starts:
            rows = order[start : start + self.batch_size]
            events, real = _padded(self.sequences, rows, self.max_len + 1)
            inputs, targets = events[:, :-1], events[:, 1:]
            kept = real[:, 1:]
            yield TrainingBatch(
                torch.from_numpy(np.where(kept, inputs, 0)),
                torch.from_numpy(np.flatnonzero(kept)),
                torch.from_numpy(targets[kept]),
            )


def history_batches(histories: SequenceDataset, *, max_len: int, batch_size: int) -> Iterator[HistoryBatch]:
    """The last `max_len` known events of every history that has any, shortest first."""
    known = known_events(histories)
    lengths = np.minimum(known.lengths, max_len)
    order = np.argsort(lengths, kind="stable")
    order = order[np.searchsorted(lengths[order], 1) :]
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        inputs, _ = _padded(known, rows, max_len)
        last = np.arange(len(rows)) * inputs.shape[1] + lengths[rows] - 1
        yield HistoryBatch(rows, torch.from_numpy(inputs), torch.from_numpy(last))


def known_events(sequences: SequenceDataset) -> SequenceDataset:
    """The events on items that the vocabulary knows; rows may become empty and stay."""
    known = sequences.items > 0
    return sequences if known.all() else sequences.where(known)


def _padded(sequences: SequenceDataset, rows: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """(B, L) item indexes of the last `length` events of these rows, as wide as the longest needs, and which of them are real."""
    stops = sequences.offsets[rows + 1, None]
    starts = np.maximum(sequences.offsets[rows, None], stops - length)
    places = starts + np.arange((stops - starts).max())
    real = places < stops
    events = sequences.items[np.minimum(places, len(sequences.items) - 1)].astype(np.int64)
    events[~real] = 0
    return events, real
