"""Impressions as padded batches, in which a history is laid out once however many items were shown after it.

Rows that ask after the same history at the same moment are one question; questions of nearly the same length are put together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor

from footpath.errors import ConfigError, DataError
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impressions import Impressions
from footpath.training.batches import Events, as_events, padded

_EVENTS_AT_ONCE: Final = 2**20
_JITTER: Final = 0.1  # lengths are compared after each was stretched by up to this share, so that batches differ between epochs


@dataclass(frozen=True, eq=False)
class Columns:
    """What is known of R impressions beside their histories: codes of C categories, F standard scores and which of them are missing."""

    codes: Int64[Tensor, "R C"]
    amounts: Float[Tensor, "R F"]
    missing: Bool[Tensor, "R F"]

    def at(self, index: Tensor | slice) -> Columns:
        return Columns(self.codes[index], self.amounts[index], self.missing[index])


@dataclass(frozen=True, eq=False)
class ImpressionBatch:
    """R impressions of Q questions.

    events: the newest events of each history, oldest first, padded right; one column of padding where all are empty. lengths: how many are
    real. requests: when each question is asked; None without a clock. question: of each impression. items: asked about; 0 for unknown.
    labels: one column a task, NaN where unknown; no columns where nothing is learned. found: for each row, older events of the item's
    category that were looked up in the whole history, oldest first; None without lookup. n_found: how many are real.
    """

    events: Events
    lengths: Int64[Tensor, " Q"]
    requests: Int64[Tensor, " Q"] | None
    question: Int64[Tensor, " R"]
    items: Int64[Tensor, " R"]
    columns: Columns
    labels: Float[Tensor, "R M"]
    found: Events | None = None
    n_found: Int64[Tensor, " R"] | None = None

    @property
    def n_real(self) -> int:
        """R: how many rows are learned from."""
        return len(self.items)

    @property
    def real(self) -> Bool[Tensor, "Q L"]:
        """Which places hold an event."""
        return torch.arange(self.events.items.shape[1], device=self.lengths.device) < self.lengths[:, None]

    def rows_of(self, rank: int, size: int) -> ImpressionBatch:
        """The part of this batch that is the rank's, of so many: its share of the rows, with all questions."""
        r = len(self.items)
        part = slice(rank * r // size, (rank + 1) * r // size)
        return dataclasses.replace(
            self,
            question=self.question[part],
            items=self.items[part],
            columns=self.columns.at(part),
            labels=self.labels[part],
            found=None if self.found is None else self.found.at(part),
            n_found=None if self.n_found is None else self.n_found[part],
        )

    def to(self, device: torch.device) -> ImpressionBatch:
        if device.type == "cpu":
            return self
        columns = Columns(*(getattr(self.columns, f.name).to(device) for f in dataclasses.fields(Columns)))
        return ImpressionBatch(
            self.events.to(device),
            self.lengths.to(device),
            None if self.requests is None else self.requests.to(device),
            self.question.to(device),
            self.items.to(device),
            columns,
            self.labels.to(device),
            None if self.found is None else self.found.to(device),
            None if self.n_found is None else self.n_found.to(device),
        )


@dataclass(frozen=True, eq=False)
class ImpressionBatches:
    """Impressions in batches of whole questions, of nearly `batch_size` rows each where questions are small.

    columns: encoded, a row for each impression. labels: by task, NaN where unknown. known: which items the model knows; events on others
    are left out and they are asked about as unknown; None for all. lookup: how many older events of the item's category are looked up for
    each row, beyond the newest `max_len`; categories: of items, 0 for none. Raises DataError without impressions.
    """

    rows: Impressions
    columns: Columns
    labels: Float[np.ndarray, "R M"]
    max_len: int
    batch_size: int
    known: Bool[np.ndarray, " N"] | None = None
    lookup: int = 0
    categories: Int64[np.ndarray, " N"] | None = None
    _trails: SequenceDataset = field(init=False, repr=False)
    _row: Int64[np.ndarray, " Q"] = field(init=False, repr=False)
    _stop: Int64[np.ndarray, " Q"] = field(init=False, repr=False)
    _moment: Int64[np.ndarray, " Q"] | None = field(init=False, repr=False)
    _starts: Int64[np.ndarray, " Q+1"] = field(init=False, repr=False)
    _order: Int64[np.ndarray, " R"] = field(init=False, repr=False)
    _lookup: _Lookup | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.max_len < 1 or self.batch_size < 1:
            raise ConfigError(f"max_len and batch_size must be at least 1, got {self.max_len} and {self.batch_size}")
        if not len(self.rows):
            raise DataError("there are no impressions to make batches of")
        rows = self.rows
        trails, lengths = rows.histories, rows.lengths
        unread = (trails.items <= 0) if self.known is None else _looked_up(~self.known, trails.items)
        if unread.any():
            before = np.concatenate([[0], np.cumsum(~unread)])
            starts = trails.offsets[rows.rows]
            lengths = before[starts + lengths] - before[starts]
            trails = trails.where(~unread)
        keys = (lengths, rows.rows) if rows.times is None else (rows.times, lengths, rows.rows)
        order = np.lexsort(keys)
        fresh = np.ones(len(order), bool)
        fresh[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
        first = np.flatnonzero(fresh)
        at = order[first]
        found = {"_trails": trails, "_row": rows.rows[at], "_stop": lengths[at], "_order": order}
        found |= {"_moment": None if rows.times is None else rows.times[at], "_starts": np.append(first, len(order))}
        found |= {"_lookup": _Lookup(trails, self.categories) if self.lookup and self.categories is not None else None}
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def n_questions(self) -> int:
        """Q: distinct histories and moments."""
        return len(self._row)

    def __len__(self) -> int:
        """Batches of an epoch, about: whole questions are put together until there are rows enough."""
        return max(1, round(len(self.rows) / self.batch_size))

    def shuffled(self, rng: np.random.Generator) -> Iterator[ImpressionBatch]:
        """Every impression once, batches in random order."""
        lengths = np.minimum(self._stop, self.max_len)
        order = np.argsort(lengths * rng.uniform(1, 1 + _JITTER, len(lengths)) + rng.uniform(0, 1, len(lengths)))
        yield from (self._batch(order[part]) for part in self._parts(order, rng))

    def in_order(self) -> Iterator[tuple[Int64[np.ndarray, " R"], ImpressionBatch]]:
        """Which impressions a batch holds, and the batch; shortest histories first."""
        order = np.argsort(np.minimum(self._stop, self.max_len), kind="stable")
        for part in self._parts(order, None):
            yield self._rows_of(order[part]), self._batch(order[part])

    def _parts(self, order: Int64[np.ndarray, " Q"], rng: np.random.Generator | None) -> list[slice]:
        """Slices of the order with an even share of rows each."""
        rows = np.concatenate([[0], np.cumsum(np.diff(self._starts)[order])])
        bounds = np.searchsorted(rows, np.linspace(0, rows[-1], len(self) + 1)[1:-1], side="left")
        bounds = np.unique(np.concatenate([[0], bounds, [len(order)]]))
        parts = [slice(int(a), int(b)) for a, b in pairwise(bounds)]
        if rng is not None:
            rng.shuffle(parts)
        return parts

    def _rows_of(self, questions: Int64[np.ndarray, " q"]) -> Int64[np.ndarray, " r"]:
        starts, counts = self._starts[questions], np.diff(self._starts)[questions]
        inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._order[np.repeat(starts, counts) + inside]

    def _batch(self, questions: Int64[np.ndarray, " q"]) -> ImpressionBatch:
        counts = np.diff(self._starts)[questions]
        rows = self._rows_of(questions)
        stops = self._stop[questions]
        lengths = np.minimum(stops, self.max_len)
        if lengths.max(initial=0):
            events = as_events(padded(self._trails, self._row[questions], self.max_len, stops))
        else:
            nothing = torch.zeros(len(questions), 1, dtype=torch.int64)
            has = self._trails
            events = Events(
                nothing,
                None if has.types is None else nothing,
                None if has.times is None else nothing,
                None if has.values is None else torch.full(nothing.shape, torch.nan),
            )
        items = self.rows.items[rows].astype(np.int64)
        if self.known is not None:
            items = np.where(self.known[items], items, 0)
        older, n_older = (None, None) if self._lookup is None else self._older(questions, counts, items)
        return ImpressionBatch(
            events,
            torch.from_numpy(lengths),
            None if self._moment is None else torch.from_numpy(self._moment[questions]),
            torch.from_numpy(np.repeat(np.arange(len(questions)), counts)),
            torch.from_numpy(items),
            self.columns.at(torch.from_numpy(rows)),
            torch.from_numpy(self.labels[rows]),
            older,
            n_older,
        )

    def _older(
        self, questions: Int64[np.ndarray, " q"], counts: Int64[np.ndarray, " q"], items: Int64[np.ndarray, " r"]
    ) -> tuple[Events, Int64[Tensor, " r"]]:
        """What was looked up for each row, as padded columns of `lookup` places."""
        assert self._lookup is not None
        assert self.categories is not None
        trails = self._trails
        before = np.maximum(0, np.repeat(self._stop[questions], counts) - self.max_len)
        places, n = self._lookup(np.repeat(self._row[questions], counts), before, self.categories[items], self.lookup)
        real = np.arange(self.lookup) < n[:, None]
        at = np.where(real, places, 0)

        def column(values: np.ndarray | None, kind: type, padding: float) -> Tensor | None:
            return None if values is None else torch.from_numpy(np.where(real, values[at], padding).astype(kind))

        events = Events(
            column(trails.items, np.int64, 0),  # type: ignore[arg-type]
            column(trails.types, np.int64, 0),
            column(trails.times, np.int64, 0),
            column(trails.values, np.float32, np.nan),
        )
        return events, torch.from_numpy(n)


def _looked_up(table: Bool[np.ndarray, " N"], items: Int32[np.ndarray, " E"]) -> Bool[np.ndarray, " E"]:
    """`table[items]` a part at a time, for numpy makes 64-bit numbers of all items that it is given."""
    found = np.empty(len(items), bool)
    for start in range(0, len(items), _EVENTS_AT_ONCE):
        part = slice(start, start + _EVENTS_AT_ONCE)
        found[part] = table[items[part]]
    return found


class _Lookup:
    """The events of every trail by category, so that the newest ones before any place are found by one search."""

    def __init__(self, trails: SequenceDataset, categories: Int64[np.ndarray, " N"]) -> None:
        self._offsets, self._rows = trails.offsets, len(trails)
        category = categories[trails.items]
        self._wide = int(trails.lengths.max(initial=0)) + 1
        place = np.arange(trails.n_events) - trails.offsets[:-1][trails.rows]
        kept = np.flatnonzero(category > 0)
        keys = (category[kept] * self._rows + trails.rows[kept]) * self._wide + place[kept]
        order = np.argsort(keys, kind="stable")
        self._keys, self._events = keys[order], kept[order]

    def __call__(
        self, rows: Int64[np.ndarray, " r"], before: Int64[np.ndarray, " r"], categories: Int64[np.ndarray, " r"], k: int
    ) -> tuple[Int64[np.ndarray, "r k"], Int64[np.ndarray, " r"]]:
        """The newest k events of the category among the first `before` of the row, oldest first, and how many there are."""
        base = (categories * self._rows + rows) * self._wide
        stop = np.searchsorted(self._keys, base + before)
        start = np.maximum(np.searchsorted(self._keys, base), stop - k)
        n = np.where(categories > 0, stop - start, 0)
        at = start[:, None] + np.arange(k)
        return self._events[np.minimum(at, max(0, len(self._events) - 1))] if len(self._events) else np.zeros(at.shape, np.int64), n
