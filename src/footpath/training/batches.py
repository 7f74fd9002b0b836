"""Sequences as padded batches that hold next to no padding: rows of nearly the same length are put together.

Right padded, oldest first: position t of a row is the t-th event of its window, so a causal mask alone keeps padding out of every state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from footpath.errors import ConfigError, DataError
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.long_history import occasions

MASK: Final = -1
"""In place of an item that is to be guessed."""

_ROWS_AT_ONCE: Final = 4096
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
    recalled: earlier occasions in the whole history, as `footpath.sequences.long_history.occasions` gives them; None without recall.
    """

    inputs: Events
    real: Int64[Tensor, " T"]
    targets: Int64[Tensor, " T"]
    recalled: Int64[Tensor, "T K 3"] | None = None

    @property
    def n_real(self) -> int:
        """T: how many places are learned from."""
        return len(self.real)

    def rows_of(self, rank: int, size: int) -> TrainingBatch:
        """The part of this batch that is the rank's, of so many; together the parts are the batch."""
        b, length = self.inputs.items.shape
        first, last = rank * b // size, (rank + 1) * b // size
        start, stop = torch.searchsorted(self.real, torch.tensor([first * length, last * length])).tolist()
        recalled = None if self.recalled is None else self.recalled[start:stop]
        inputs = self.inputs.at(slice(first, last))
        return TrainingBatch(inputs, self.real[start:stop] - first * length, self.targets[start:stop], recalled)

    def to(self, device: torch.device) -> TrainingBatch:
        recalled = None if self.recalled is None else self.recalled.to(device)
        return TrainingBatch(self.inputs.to(device), self.real.to(device), self.targets.to(device), recalled)


@dataclass(frozen=True, eq=False)
class HistoryBatch:
    """B histories of at most L events, none of them empty.

    rows: the row of each in the dataset. last: the place of its newest event in the flattened (B * L) inputs.
    recalled: earlier occasions of that event in the whole history; None without recall.
    """

    rows: Int64[np.ndarray, " B"]
    inputs: Events
    last: Int64[Tensor, " B"]
    recalled: Int64[Tensor, "B K 3"] | None = None


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
    """The known events of every row in windows, as batches of an objective.

    window: for next-item objectives one more than a model's longest input, or the embedding of its last position never trains.
    newest: the last `window` events of a row alone; else all, in windows that end where the row does and share one event with the
    one before, so that every event but a row's first is a target once an epoch.
    targets: codes of the event types that may be a target; None for all. Rows with nothing to learn are left out.
    recall: how many earlier occasions of each input are looked up in the whole row, however long; categories: of items, for these.
    few_lengths: rows are padded until inputs have one of four lengths to a doubling, for products that are compiled for each shape.
    Arrays may be memory-mapped: a batch reads its own rows alone. Raises DataError where there is nothing to learn.
    """

    sequences: SequenceDataset
    window: int
    batch_size: int
    objective: Objective
    targets: tuple[int, ...] | None = None
    recall: int = 0
    categories: Int64[np.ndarray, " N"] | None = None
    newest: bool = True
    few_lengths: bool = False
    rows: Int64[np.ndarray, " W"] = field(init=False)
    """Of each window: the row that it is in, and how many events of the row there are up to its end."""
    stops: Int64[np.ndarray, " W"] = field(init=False)

    def __post_init__(self) -> None:
        if self.window < 2 or self.batch_size < 1:
            raise ConfigError(f"window must be at least 2 and batch_size at least 1, got {self.window} and {self.batch_size}")
        known = known_events(self.sequences)
        rows = np.flatnonzero(known.lengths > 1)
        if not len(rows):
            longest = int(self.sequences.lengths.max(initial=0))
            raise DataError(
                f"none of {len(self.sequences)} sequences has two known events, the longest has {longest} events: there is no next item "
                "to learn; check the user column, or fit on more of the log"
            )
        lengths = known.lengths[rows]
        back = np.zeros(len(rows), np.int64) if self.newest else np.maximum(lengths - 2, 0) // (self.window - 1)  # windows before the last
        rows, lengths = np.repeat(rows, back + 1), np.repeat(lengths, back + 1)
        before = np.arange(len(rows)) - np.repeat(np.cumsum(back + 1) - back - 1, back + 1)
        stops = lengths - before * (self.window - 1)
        if self.targets is not None:
            if known.types is None:
                raise ConfigError("targets choose event types, and these sequences hold none: leave targets out")
            kept = _have_a_target(known, rows, stops, self.window, self.targets)
            rows, stops = rows[kept], stops[kept]
            if not len(rows):
                raise DataError("none of the sequences has an event of the target types after another event: choose other targets")
        object.__setattr__(self, "sequences", known)
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "stops", stops)

    @property
    def share(self) -> float:
        """Of all events but the first of each row, how many are in a window with one before them, of target types or not; in (0, 1]."""
        lengths = self.sequences.lengths[self.sequences.lengths > 1]
        return float((np.minimum(lengths, self.window) - 1).sum() / (lengths - 1).sum()) if self.newest else 1.0

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.rows) // self.batch_size)

    def shuffled(self, rng: np.random.Generator) -> Iterator[TrainingBatch]:
        """Every window once, those of nearly equal length together, batches in random order."""
        lengths = np.minimum(self.stops, self.window)
        order = np.argsort(lengths * rng.uniform(1, 1 + _JITTER, len(lengths)) + rng.uniform(0, 1, len(lengths)))
        starts = np.arange(0, len(order), self.batch_size)
        rng.shuffle(starts)
        for start in starts:
            some = order[start : start + self.batch_size]
            rows, stops = self.rows[some], self.stops[some]
            batch = self.objective(padded(self.sequences, rows, self.window, stops, few_lengths=self.few_lengths), rng)
            if self.recall:
                row, place = np.divmod(batch.real.numpy(), batch.inputs.items.shape[1])
                first = self.sequences.offsets[rows] + np.maximum(0, stops - self.window)
                found = occasions(self.sequences, first[row] + place, self.recall, categories=self.categories)
                batch = dataclasses.replace(batch, recalled=torch.from_numpy(found))
            yield batch


def history_batches(
    histories: SequenceDataset,
    *,
    max_len: int,
    batch_size: int,
    request_times: Int64[np.ndarray, " B"] | None = None,
    recall: int = 0,
    categories: Int64[np.ndarray, " N"] | None = None,
) -> Iterator[HistoryBatch]:
    """The last `max_len` known events of every history that has any, shortest first, so that there is next to no padding.

    Where no request time is given, the question is asked at the time of the newest event.
    recall: how many earlier occasions of that event are looked up in the whole history; categories: of items, for these.
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
        recalled = None
        if recall:
            recalled = torch.from_numpy(occasions(known, known.offsets[rows + 1] - 1, recall, categories=categories))
        yield HistoryBatch(rows, as_events(windows, requests), torch.from_numpy(np.arange(b) * length + newest), recalled)


def known_events(sequences: SequenceDataset) -> SequenceDataset:
    """The events on items that the vocabulary knows; rows may become empty and stay."""
    return sequences if sequences.items.min(initial=1) > 0 else sequences.where(sequences.items > 0)


def _have_a_target(
    sequences: SequenceDataset, rows: Int64[np.ndarray, " W"], stops: Int64[np.ndarray, " W"], window: int, targets: tuple[int, ...]
) -> Bool[np.ndarray, " W"]:
    """Whether each window holds an event of a target type that is not its first."""
    assert sequences.types is not None
    found = np.empty(len(rows), bool)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        windows = padded(sequences, some, window, stops[start : start + _ROWS_AT_ONCE])
        found[start : start + len(some)] = (windows.real & np.isin(windows.types, targets))[:, 1:].any(axis=1)  # type: ignore[arg-type]
    return found


def padded(
    sequences: SequenceDataset, rows: np.ndarray, length: int, up_to: Int64[np.ndarray, " R"] | None = None, *, few_lengths: bool = False
) -> Windows:
    """The last `length` events of these rows, as wide as the longest of them needs, or, with few lengths, up to a quarter wider.

    up_to: only of so many events of each row; None for all.
    """
    stops = sequences.offsets[rows + 1, None] if up_to is None else (sequences.offsets[rows] + up_to)[:, None]
    starts = np.maximum(sequences.offsets[rows, None], stops - length)
    width = int((stops - starts).max())
    if few_lengths:
        step = max(1, 2 ** ((width - 1).bit_length() - 3))
        width = min(length, 1 - (1 - width) // step * step)  # inputs are one event shorter
    places = starts + np.arange(width)
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
