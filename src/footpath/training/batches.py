"""Sequences as padded batches that hold next to no padding: rows of nearly the same length are put together.

Right padded, oldest first: position t of a row is the t-th event of its window, so a causal mask alone keeps padding out of every state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from footpath.errors import ConfigError, DataError
from footpath.sequences.dataset import SequenceDataset

MASK: Final = -1
"""In place of an item that is to be guessed."""

_JITTER: Final = 0.1  # lengths are compared after each was stretched by up to this share, so that batches differ between epochs


@dataclass(frozen=True, eq=False)
class Events:
    """B windows of L events; 0, and NaN among the values, where padded. A column that the log lacks is None.

    items: indexes, or MASK. types: codes of EVENT_TYPES. times: when each happened, in microseconds. values: NaN where absent.
    requests: the moment at which the state after each event is asked what comes next.
    """

    items: Int64[Tensor, "B L"]
    types: Int64[Tensor, "B L"] | None = None
    times: Int64[Tensor, "B L"] | None = None
    values: Float[Tensor, "B L"] | None = None
    requests: Int64[Tensor, "B L"] | None = None

    def at(self, index: slice | tuple[slice, slice]) -> Events:
        """Rows, or rows and positions, of every column."""
        return self._each(lambda column: column[index])

    def to(self, device: torch.device) -> Events:
        return self._each(lambda column: column.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Events:
        columns = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return Events(**{name: None if column is None else change(column) for name, column in columns.items()})  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """B windows of L input events, and what is to be said at T of their places.

    real: those places in the flattened (B * L) inputs, rising. targets: the item to be named at each.
    """

    inputs: Events
    real: Int64[Tensor, " T"]
    targets: Int64[Tensor, " T"]

    @property
    def n_real(self) -> int:
        """T: how many places are learned from."""
        return len(self.real)

    def rows_of(self, rank: int, size: int) -> TrainingBatch:
        """The part of this batch that is the rank's, of so many; together the parts are the batch."""
        b, length = self.inputs.items.shape
        first, last = rank * b // size, (rank + 1) * b // size
        start, stop = torch.searchsorted(self.real, torch.tensor([first * length, last * length])).tolist()
        return TrainingBatch(self.inputs.at(slice(first, last)), self.real[start:stop] - first * length, self.targets[start:stop])

    def to(self, device: torch.device) -> TrainingBatch:
        return TrainingBatch(self.inputs.to(device), self.real.to(device), self.targets.to(device))


@dataclass(frozen=True, eq=False)
class HistoryBatch:
    """B histories of at most L events, none of them empty.

    rows: the row of each in the dataset. last: the place of its newest event in the flattened (B * L) inputs.
    """

    rows: Int64[np.ndarray, " B"]
    inputs: Events
    last: Int64[Tensor, " B"]


@dataclass(frozen=True, eq=False)
class Windows:
    """The newest events of B rows as padded numpy columns; `real` says which places hold an event."""

    real: Bool[np.ndarray, "B L"]
    items: Int64[np.ndarray, "B L"]
    types: Int64[np.ndarray, "B L"] | None
    times: Int64[np.ndarray, "B L"] | None
    values: Float[np.ndarray, "B L"] | None


Objective = Callable[[Windows, np.random.Generator], TrainingBatch]
"""What a model is to learn from windows; `footpath.training.objectives` has them."""


@dataclass(frozen=True, eq=False)
class TrainingBatches:
    """The last `window` known events of every row, as batches of an objective.

    window: for next-item objectives one more than a model's longest input, or the embedding of its last position never trains.
    targets: codes of the event types that may be a target; None for all. Rows with nothing to learn are left out.
    Raises DataError where there is nothing to learn.
    """

    sequences: SequenceDataset
    window: int
    batch_size: int
    objective: Objective
    targets: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.window < 2 or self.batch_size < 1:
            raise ConfigError(f"window must be at least 2 and batch_size at least 1, got {self.window} and {self.batch_size}")
        windows = known_events(self.sequences).last(self.window)
        windows = windows.take(np.flatnonzero(windows.lengths > 1))
        if not len(windows):
            longest = int(self.sequences.lengths.max(initial=0))
            raise DataError(
                f"none of {len(self.sequences)} sequences has two known events, the longest has {longest} events: there is no next item "
                "to learn; check the user column, or fit on more of the log"
            )
        if self.targets is not None:
            if windows.types is None:
                raise ConfigError("targets choose event types, and these sequences hold none: leave targets out")
            wanted = np.isin(windows.types, self.targets)
            wanted[windows.offsets[:-1]] = False  # nothing comes before the first event of a window
            windows = windows.take(np.flatnonzero(np.bincount(windows.rows[wanted], minlength=len(windows))))
            if not len(windows):
                raise DataError("none of the sequences has an event of the target types after another event: choose other targets")
        object.__setattr__(self, "sequences", windows)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.sequences) // self.batch_size)

    def shuffled(self, rng: np.random.Generator) -> Iterator[TrainingBatch]:
        """Every row once, rows of nearly equal length together, batches in random order."""
        lengths = self.sequences.lengths
        order = np.argsort(lengths * rng.uniform(1, 1 + _JITTER, len(lengths)) + rng.uniform(0, 1, len(lengths)))
        starts = np.arange(0, len(order), self.batch_size)
        rng.shuffle(starts)
        for start in starts:
            yield self.objective(padded(self.sequences, order[start : start + self.batch_size], self.window), rng)


def history_batches(
    histories: SequenceDataset, *, max_len: int, batch_size: int, request_times: Int64[np.ndarray, " B"] | None = None
) -> Iterator[HistoryBatch]:
    """The last `max_len` known events of every history that has any, shortest first.

    Where no request time is given, the question is asked at the time of the newest event.
    """
    known = known_events(histories)
    lengths = np.minimum(known.lengths, max_len)
    order = np.argsort(lengths, kind="stable")
    order = order[np.searchsorted(lengths[order], 1) :]
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        windows = padded(known, rows, max_len)
        b, length = windows.items.shape
        newest = lengths[rows] - 1
        requests = None
        if windows.times is not None:
            requests = np.concatenate([windows.times[:, 1:], np.zeros((b, 1), np.int64)], axis=1)
            asked = windows.times[np.arange(b), newest] if request_times is None else request_times[rows]
            requests[np.arange(b), newest] = asked
        yield HistoryBatch(rows, as_events(windows, requests), torch.from_numpy(np.arange(b) * length + newest))


def known_events(sequences: SequenceDataset) -> SequenceDataset:
    """The events on items that the vocabulary knows; rows may become empty and stay."""
    known = sequences.items > 0
    return sequences if known.all() else sequences.where(known)


def padded(sequences: SequenceDataset, rows: np.ndarray, length: int) -> Windows:
    """The last `length` events of these rows, as wide as the longest of them needs."""
    stops = sequences.offsets[rows + 1, None]
    starts = np.maximum(sequences.offsets[rows, None], stops - length)
    places = starts + np.arange((stops - starts).max())
    real = places < stops
    places = np.minimum(places, len(sequences.items) - 1)

    def column(values: np.ndarray | None, dtype: type, padding: float) -> np.ndarray | None:
        if values is None:
            return None
        found = values[places].astype(dtype)
        found[~real] = padding
        return found

    items = column(sequences.items, np.int64, 0)
    assert items is not None
    return Windows(
        real,
        items,
        column(sequences.types, np.int64, 0),
        column(sequences.times, np.int64, 0),
        column(sequences.values, np.float32, np.nan),
    )


def as_events(windows: Windows, requests: Int64[np.ndarray, "B L"] | None = None) -> Events:
    """The same columns for torch."""
    columns = (windows.items, windows.types, windows.times, windows.values, requests)
    return Events(*(None if column is None else torch.from_numpy(column) for column in columns))  # type: ignore[arg-type]
