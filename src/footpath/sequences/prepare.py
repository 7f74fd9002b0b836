"""Columns of events to encoded sequences: the fast path.

Nothing here copies a column without need: ids become 32-bit codes chunk by chunk, the k-core keeps counts instead of tables, and
the order comes from one counting sort by user and sorts of packed 64-bit keys over blocks that fit the cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Int32, Int64
from scipy.sparse import csr_array

from footpath.errors import ColumnError, ConfigError, DataError, did_you_mean
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.storage import kept_on_disk
from footpath.sequences.vocabulary import Vocabulary, arrow_numbers

Column: TypeAlias = np.ndarray | pa.Array | pa.ChunkedArray
Unit = Literal["s", "ms", "us", "ns"]

_MICROSECONDS: Final = {"s": 1_000_000, "ms": 1_000, "us": 1}
_COUNTED_AT_ONCE: Final = 1 << 20
_BLOCK_EVENTS: Final = 1 << 16
_BLOCK_ROWS: Final = 1 << 11
_FEWEST_ROW_BITS: Final = 6


@dataclass(frozen=True, eq=False)
class Encoded:
    """A column of ids as codes, one an event.

    Code c stands for `ids[c]`, or for the number `low + c` where `ids` is None; not every code need occur.
    """

    codes: Int32[np.ndarray, " E"]
    n_codes: int
    low: int = 0
    ids: pa.Array | None = None

    def ids_of(self, codes: Int64[np.ndarray, " C"]) -> pa.Array:
        """The ids of some codes, of the column's own type."""
        return arrow_numbers(codes + self.low) if self.ids is None else self.ids.take(arrow_numbers(codes))


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Which events stay, in which order, and whose they are.

    kept: the events that stay, None where all do. order: places among those, by (user, key, arrival). user_ids: B strings.
    item_codes: the codes of the E events that stay, in order. present: the codes that occur among them, ascending.
    """

    kept: Bool[np.ndarray, " input"] | None
    order: Int32[np.ndarray, " E"] | Int64[np.ndarray, " E"]
    offsets: Int64[np.ndarray, " B+1"]
    user_ids: pa.StringArray
    item_codes: Int32[np.ndarray, " E"]
    present: Int64[np.ndarray, " C"]
    item_ids: pa.StringArray

    def numbers(self, column: np.ndarray) -> np.ndarray:
        """A further column of the input, event by event."""
        return (column if self.kept is None else column[self.kept])[self.order]

    def strings(self, column: pa.ChunkedArray) -> pa.Array:
        """A further column of the input, event by event."""
        staying = column if self.kept is None else column.filter(pa.array(self.kept))
        return staying.combine_chunks().take(arrow_numbers(self.order))

    def dataset(self, seed: int, **columns: Any) -> SequenceDataset:
        """The sequences, with a vocabulary shuffled by that seed."""
        vocabulary = Vocabulary.build(self.item_ids, seed)
        index = np.zeros(int(self.present[-1]) + 1, np.int32)
        index[self.present] = vocabulary.encode(self.item_ids)
        return SequenceDataset(vocabulary, self.user_ids, self.offsets, index[self.item_codes], **columns)


def prepare(
    users: Column,
    items: Column,
    times: Column | None = None,
    types: np.ndarray | None = None,
    values: np.ndarray | None = None,
    *,
    positions: np.ndarray | None = None,
    unit: Unit = "us",
    core: int = 1,
    seed: int = 0,
    directory: str | Path | None = None,
    above_mib: int = 1024,
) -> SequenceDataset:
    """Sequences by user, oldest first: by `positions` where given, else by time, and among equals in order of arrival.

    users, items: integers or strings (plain or dictionary-encoded), one an event. times: integers in `unit` since 1970 UTC, or
    timestamps. core: users and items with fewer events are dropped, again and again until none is left that has fewer.
    Rows ascend by user id, integers as numbers, strings by code point. directory: where arrays of more than `above_mib` in all are
    saved, to be mapped into memory from there. Raises ConfigError, ColumnError, DataError.
    """
    n_events = len(users)
    if not n_events:
        raise DataError("there are no events to prepare")
    for name, column in (("items", items), ("times", times), ("types", types), ("values", values), ("positions", positions)):
        if column is not None and len(column) != n_events:
            raise ColumnError(f"{name} has {len(column)} rows for the {n_events} rows of users")
    clock = None if times is None else Clock.read(times, unit)
    keys = positions if positions is not None else None if clock is None else clock.ticks
    arranged = arrange(encode(users, "users"), encode(items, "items"), keys, core=core)
    data = arranged.dataset(
        seed,
        times=None if clock is None else clock.microseconds(arranged),
        types=None if types is None else arranged.numbers(types).astype(np.int8, copy=False),
        values=None if values is None else arranged.numbers(values).astype(np.float32, copy=False),
    )
    return kept_on_disk(data, directory, above_mib)


def prepare_parquet(
    path: str | Path,
    *,
    user: str = "user_id",
    item: str = "item_id",
    time: str | None = "timestamp",
    unit: Unit = "us",
    core: int = 1,
    seed: int = 0,
    directory: str | Path | None = None,
    above_mib: int = 1024,
) -> SequenceDataset:
    """What `prepare` makes of three columns of a Parquet file or folder, read one after the other and a row group at a time.

    user, item, time: names of columns; without a time the order of the rows counts. A folder's files are read in order of name.
    Raises ColumnError, DataError.
    """
    table = _ParquetColumns.open(Path(path))
    clock = None if time is None else table.clock(time, unit)
    arranged = arrange(table.encode(user), table.encode(item), None if clock is None else clock.ticks, core=core)
    return kept_on_disk(arranged.dataset(seed, times=None if clock is None else clock.microseconds(arranged)), directory, above_mib)


def arrange(users: Encoded, items: Encoded, keys: np.ndarray | None, *, core: int = 1) -> Arrangement:
    """The k-core of the events in a stable order by (user, key, arrival); by (user, arrival) without keys."""
    if core < 1:
        raise ConfigError(f"core must be at least 1, got {core}")
    rows, item_codes = users.codes, items.codes
    kept, user_counts, item_counts = k_core(users, items, core)
    if kept is not None:
        rows, item_codes = rows[kept], item_codes[kept]
        keys = None if keys is None else keys[kept]
    if not len(rows):
        raise DataError(f"core={core} leaves none of {len(users.codes)} events; lower it")
    present = np.flatnonzero(user_counts)
    user_ids = users.ids_of(present)
    n_rows = users.n_codes
    if users.ids is not None:
        ascending = np.from_dlpack(pc.sort_indices(user_ids)).astype(np.int64)
        user_ids = user_ids.take(arrow_numbers(ascending))
        rank = np.zeros(users.n_codes, np.int32)
        rank[present[ascending]] = np.arange(len(present), dtype=np.int32)
        rows, n_rows = rank[rows], len(present)
        user_counts = user_counts[present[ascending]]
    order = stable_order(rows, keys, n_rows)
    item_present = np.flatnonzero(item_counts)
    return Arrangement(
        kept,
        order,
        np.concatenate([[0], np.cumsum(user_counts[user_counts > 0])]).astype(np.int64),
        user_ids.cast(pa.string()),
        item_codes[order],
        item_present,
        items.ids_of(item_present).cast(pa.string()),
    )


def k_core(
    users: Encoded, items: Encoded, core: int
) -> tuple[Bool[np.ndarray, " E"] | None, Int64[np.ndarray, " U"], Int64[np.ndarray, " I"]]:
    """Which events stay once every user and item left has at least `core` (None: all), and how many each code then has."""
    user_counts, item_counts = _counts(users.codes, users.n_codes), _counts(items.codes, items.n_codes)
    kept = None
    while core > 1:
        stays = (user_counts >= core)[users.codes]
        stays &= (item_counts >= core)[items.codes]
        dropped = np.flatnonzero(~stays if kept is None else kept & ~stays)
        if not len(dropped):
            break
        kept = stays
        user_counts -= _counts(users.codes[dropped], users.n_codes)
        item_counts -= _counts(items.codes[dropped], items.n_codes)
    return kept, user_counts, item_counts


def stable_order(rows: Int32[np.ndarray, " E"], keys: np.ndarray | None, n_rows: int) -> Int32[np.ndarray, " E"] | Int64[np.ndarray, " E"]:
    """The places of the events by (row, key, arrival)."""
    n_events = len(rows)
    if keys is None or not np.any(keys[1:] < keys[:-1]):
        return _by_row(rows, np.zeros(n_events, np.int8), n_rows).indices
    low, high = int(keys.min()), int(keys.max())
    place_bits = (n_events - 1).bit_length()
    row_bits = 63 - place_bits - (high - low).bit_length()
    if row_bits < _FEWEST_ROW_BITS and high - low < 2**63:
        keys = keys - low
        keys //= np.gcd.reduce(keys)
        low, high = 0, int(keys.max())
        row_bits = 63 - place_bits - high.bit_length()
    if row_bits < _FEWEST_ROW_BITS:
        by_key = np.argsort(keys, kind="stable")
        return by_key[_by_row(rows[by_key], np.zeros(n_events, np.int8), n_rows).indices]
    by_row = _by_row(rows, keys, n_rows)
    order = by_row.indices
    offsets = by_row.indptr.astype(np.int64)
    for first, last in _blocks(offsets, min(1 << row_bits, _BLOCK_ROWS)):
        block = slice(offsets[first], offsets[last])
        packed = by_row.data[block].astype(np.int64)
        packed -= low
        packed <<= place_bits
        packed |= order[block]
        packed |= np.repeat(np.arange(last - first, dtype=np.int64) << (63 - row_bits), np.diff(offsets[first : last + 1]))
        packed.sort()
        packed &= (1 << place_bits) - 1
        order[block] = packed
    return order


def encode(column: Column, name: str) -> Encoded:
    """Ids as codes: numbers of a narrow range by subtraction, all others by a dictionary. Raises ColumnError."""
    chunks = _chunks(column, name)
    if isinstance(chunks[0], np.ndarray):
        low, high = _span(chunks)
        n_events = sum(len(c) for c in chunks)
        if _is_narrow(low, high, n_events):
            return Encoded(_shrunk(chunks, n_events, low, high), high - low + 1, low)
        chunks = [arrow_numbers(c) for c in chunks]
    return _by_dictionary(pa.chunked_array(chunks), name)


@dataclass(frozen=True, eq=False)
class Clock:
    """Times as small numbers: a tick is `step` microseconds (below 1 for nanoseconds), tick 0 is `low` ticks after 1970 UTC."""

    ticks: Int32[np.ndarray, " E"] | Int64[np.ndarray, " E"]
    low: int
    unit: Unit

    @classmethod
    def read(cls, times: Column, unit: Unit) -> Clock:
        if not isinstance(times, np.ndarray) and pa.types.is_timestamp(times.type):
            unit, times = times.type.unit, times.cast(pa.int64())
        elif isinstance(times, np.ndarray) and times.dtype.kind == "M":
            _refuse_nulls(int(np.isnat(times).sum()), "times")
            unit, times = "us", times.astype("datetime64[us]").view(np.int64)
        chunks = _chunks(times, "times")
        if not isinstance(chunks[0], np.ndarray):
            raise ColumnError(f"times must be integers or timestamps, got {chunks[0].type}")
        low, high = _span(chunks)
        return cls.of(chunks, len(times), low, high, unit)

    @classmethod
    def of(cls, chunks: Iterable[np.ndarray], n_events: int, low: int, high: int, unit: Unit) -> Clock:
        if unit not in ("s", "ms", "us", "ns"):
            raise ConfigError(f"no time unit {unit!r}; there are: s, ms, us, ns")
        if max(abs(low), abs(high)) * _MICROSECONDS.get(unit, 1) >= 2**62:
            raise ColumnError(f"times from {low} to {high} in {unit!r} lie beyond what microseconds can hold; is the unit right?")
        return cls(_shrunk(chunks, n_events, low, high), low, unit)

    def microseconds(self, arranged: Arrangement) -> Int64[np.ndarray, " E"]:
        """Microseconds since 1970 UTC, event by event; parts of one are cut off."""
        times = arranged.numbers(self.ticks).astype(np.int64)
        times += self.low
        if self.unit == "ns":
            times //= 1_000
        elif self.unit != "us":
            times *= _MICROSECONDS[self.unit]
        return times


@dataclass(frozen=True, eq=False)
class _ParquetColumns:
    """Parquet files with the same columns, one after the other."""

    files: list[Path]
    schema: pa.Schema
    n_rows: int

    @classmethod
    def open(cls, path: Path) -> _ParquetColumns:
        files = sorted(path.glob("**/*.parquet")) if path.is_dir() else [path]
        if not files:
            raise DataError(f"folder {path} holds no .parquet file")
        heads = []
        for file in files:
            try:
                heads.append(pq.read_metadata(file))
            except FileNotFoundError:
                raise DataError(f"no Parquet file {file}") from None
            except (pa.ArrowInvalid, OSError) as error:
                raise DataError(f"{file} cannot be read as Parquet: {error}") from None
        if not any(head.num_rows for head in heads):
            raise DataError(f"{path} holds no rows")
        return cls(files, pq.read_schema(files[0]), sum(head.num_rows for head in heads))

    def encode(self, name: str) -> Encoded:
        kind = self._type(name)
        if not pa.types.is_integer(kind):
            return encode(pa.chunked_array(list(self._chunks(name))), name)
        span = self._span(name)
        if span is None or not _is_narrow(*span, self.n_rows):
            return encode(pa.chunked_array(list(self._chunks(name))), name)
        low, high = span
        return Encoded(_shrunk(self._numbers(name), self.n_rows, low, high), high - low + 1, low)

    def clock(self, name: str, unit: Unit) -> Clock:
        kind = self._type(name)
        span = self._span(name) if pa.types.is_integer(kind) else None
        if span is None:
            return Clock.read(pa.chunked_array(list(self._chunks(name))), unit)
        return Clock.of(self._numbers(name), self.n_rows, *span, unit)

    def _type(self, name: str) -> pa.DataType:
        if name not in self.schema.names:
            names = self.schema.names
            raise ColumnError(f"{self.files[0]} has no column {name!r}{did_you_mean(name, names)}; it has: {', '.join(names)}")
        return self.schema.field(name).type

    def _span(self, name: str) -> tuple[int, int] | None:
        """The smallest and largest number of a column, where the files say so in full."""
        found = []
        for file in self.files:
            head = pq.read_metadata(file)
            place = [head.schema.column(c).path for c in range(head.num_columns)].index(name)
            for group in range(head.num_row_groups):
                statistics = head.row_group(group).column(place).statistics
                if statistics is None or not statistics.has_min_max or not isinstance(statistics.min, int):
                    return None
                found += [statistics.min, statistics.max]
        return (min(found), max(found)) if found else None

    def _chunks(self, name: str) -> Iterator[pa.Array]:
        for file in self.files:
            parquet = pq.ParquetFile(file, read_dictionary=[name] if _is_text(self._type(name)) else None)
            for group in range(parquet.num_row_groups):
                chunks = parquet.read_row_group(group, columns=[name], use_threads=False)[name].chunks
                _refuse_nulls(sum(chunk.null_count for chunk in chunks), name)
                yield from chunks

    def _numbers(self, name: str) -> Iterator[np.ndarray]:
        return (np.from_dlpack(chunk) for chunk in self._chunks(name))


def _chunks(column: Column, name: str) -> list[Any]:
    """Numpy arrays of integers, or Arrow arrays of anything else; never with a null."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind in "iu":
            return [column]
        column = pa.array(column)
    _refuse_nulls(column.null_count, name)
    chunks = [chunk for chunk in (column.chunks if isinstance(column, pa.ChunkedArray) else [column]) if len(chunk)]
    return [np.from_dlpack(chunk) for chunk in chunks] if pa.types.is_integer(column.type) else chunks


def _span(chunks: list[np.ndarray]) -> tuple[int, int]:
    return min(int(chunk.min()) for chunk in chunks), max(int(chunk.max()) for chunk in chunks)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _refuse_nulls(n_nulls: int, name: str) -> None:
    if n_nulls:
        raise ColumnError(f"{name} has {n_nulls} nulls; leave those rows out first")


def _is_narrow(low: int, high: int, n_events: int) -> bool:
    """Is a table over the whole range of ids smaller than the events themselves?"""
    return high - low < min(max(2 * n_events, 1 << 16), 2**31 - 1) and high < 2**63


def _by_dictionary(column: pa.ChunkedArray, name: str) -> Encoded:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    codes = np.empty(len(column), np.int32)
    start = 0
    for chunk in column.chunks:
        codes[start : start + len(chunk)] = np.from_dlpack(chunk.indices)
        start += len(chunk)
    ids = column.chunk(0).dictionary
    _refuse_nulls(ids.null_count, f"the dictionary of {name}")
    if not (pa.types.is_integer(ids.type) or _is_text(ids.type)):
        raise ColumnError(f"{name} must hold integers or strings, got {ids.type}")
    return Encoded(codes, len(ids), ids=ids)


def _shrunk(chunks: Iterable[np.ndarray], n_events: int, low: int, high: int) -> Int32[np.ndarray, " E"] | Int64[np.ndarray, " E"]:
    """Numbers less the lowest, in 32 bits where they fit."""
    numbers = np.empty(n_events, np.int32 if high - low < 2**31 else np.int64)
    start = 0
    for chunk in chunks:
        np.subtract(chunk, low, out=numbers[start : start + len(chunk)], dtype=np.int64, casting="unsafe")
        start += len(chunk)
    return numbers


def _counts(codes: Int32[np.ndarray, " E"], n_codes: int) -> Int64[np.ndarray, " C"]:
    # in pieces, because bincount widens its whole input to 64 bits first
    counts = np.zeros(n_codes, np.int64)
    for start in range(0, len(codes), _COUNTED_AT_ONCE):
        counts += np.bincount(codes[start : start + _COUNTED_AT_ONCE], minlength=n_codes)
    return counts


def _by_row(rows: Int32[np.ndarray, " E"], data: np.ndarray, n_rows: int) -> Any:
    """A stable counting sort: a sparse matrix with `data` at (event, row), turned into columns. indices: events, indptr: offsets."""
    places = np.arange(len(rows) + 1, dtype=np.int32 if len(rows) < 2**31 - 1 else np.int64)
    return csr_array((data, rows, places), shape=(len(rows), n_rows)).tocsc()


def _blocks(offsets: Int64[np.ndarray, " B+1"], n_rows: int) -> Iterator[tuple[int, int]]:
    """First and last row of parts of at most `n_rows` rows, whose events fit the cache together (a single row may be longer)."""
    first = 0
    while first < len(offsets) - 1:
        within = int(np.searchsorted(offsets, offsets[first] + _BLOCK_EVENTS, side="right")) - 1
        last = min(max(within, first + 1), first + n_rows, len(offsets) - 1)
        yield first, last
        first = last
