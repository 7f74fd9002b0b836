"""Columns of events to encoded sequences: the fast path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int32, Int64

from footpath.errors import ColumnError, ConfigError
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.vocabulary import Vocabulary

Column: TypeAlias = np.ndarray | pa.Array | pa.ChunkedArray
Unit = Literal["s", "ms", "us", "ns"]

_MICROSECONDS: Final = {"s": 1_000_000, "ms": 1_000, "us": 1}


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Which events stay, in which order, and whose they are.

    order: places in the input of the E events that stay, by (user, key, arrival). user_ids: B strings, ascending.
    item_ids: distinct ids of the events that stay; item_codes: the place in `item_ids` of each event, in order.
    """

    order: Int32[np.ndarray, " E"] | Int64[np.ndarray, " E"]
    offsets: Int64[np.ndarray, " B+1"]
    user_ids: pa.StringArray
    item_codes: Int32[np.ndarray, " E"]
    item_ids: pa.StringArray


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
) -> SequenceDataset:
    """Sequences by user, oldest first: by `positions` where given, else by time, and among equals in order of arrival.

    users, items: integers or strings (plain or dictionary-encoded), one an event. times: integers in `unit` since 1970 UTC, or
    timestamps. core: users and items with fewer events are dropped, again and again until none is left that has fewer.
    Rows ascend by user id (integers as numbers, strings by code point). Raises ConfigError, ColumnError.
    """
    clock = None if times is None else microseconds(times, unit)
    arranged = arrange(users, items, clock if positions is None else positions, core=core)
    vocabulary = Vocabulary.build(arranged.item_ids, seed)
    index = vocabulary.encode(arranged.item_ids)
    order = arranged.order
    return SequenceDataset(
        vocabulary,
        arranged.user_ids,
        arranged.offsets,
        index[arranged.item_codes],
        times=None if clock is None else clock[order],
        types=None if types is None else np.asarray(types)[order].astype(np.int8, copy=False),
        values=None if values is None else np.asarray(values)[order].astype(np.float32, copy=False),
    )


def arrange(users: Column, items: Column, keys: np.ndarray | None, *, core: int = 1) -> Arrangement:
    """The k-core of the events in a stable order by (user, key, arrival); by (user, arrival) without keys."""
    if core < 1:
        raise ConfigError(f"core must be at least 1, got {core}")
    n_events = len(users)
    for name, column in (("items", items), ("the order of events", keys)):
        if column is not None and len(column) != n_events:
            raise ColumnError(f"{name} has {len(column)} rows for {n_events} rows of users")
    user_codes, user_ids = encode(users, "users")
    item_codes, item_ids = encode(items, "items")
    kept = k_core(user_codes, item_codes, core)
    user_codes, item_codes = user_codes[kept], item_codes[kept]
    order = np.lexsort((user_codes,) if keys is None else (keys[kept], user_codes))
    counts = np.bincount(user_codes, minlength=len(user_ids))
    present = np.flatnonzero(counts)
    offsets = np.concatenate([[0], np.cumsum(counts[present])]).astype(np.int64)
    item_present = np.bincount(item_codes, minlength=len(item_ids)) > 0
    dense = (np.cumsum(item_present) - 1).astype(np.int32)
    return Arrangement(
        kept[order],
        offsets,
        user_ids.take(pa.array(present)),
        dense[item_codes[order]],
        item_ids.filter(pa.array(item_present)),
    )


def encode(column: Column, name: str) -> tuple[Int32[np.ndarray, " E"], pa.StringArray]:
    """Codes in ascending order of the ids, and the ids as strings."""
    array = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
    if array.null_count:
        raise ColumnError(f"{name} has {array.null_count} nulls; leave those rows out first")
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    if isinstance(array, pa.ChunkedArray):
        array = array.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    ids = array.dictionary
    sorting = pc.sort_indices(ids)
    rank = np.empty(len(ids), np.int32)
    rank[sorting.to_numpy()] = np.arange(len(ids), dtype=np.int32)
    return rank[array.indices.to_numpy()], ids.take(sorting).cast(pa.string())


def k_core(users: np.ndarray, items: np.ndarray, core: int) -> Int64[np.ndarray, " E"]:
    """Places of the events that stay once every user and every item left has at least `core` events."""
    kept = np.arange(len(users))
    while True:
        stays = (np.bincount(users[kept]) >= core)[users[kept]] & (np.bincount(items[kept]) >= core)[items[kept]]
        if stays.all():
            return kept
        kept = kept[stays]


def microseconds(times: Column, unit: Unit = "us") -> Int64[np.ndarray, " E"]:
    """Times as microseconds since 1970 UTC; parts of a microsecond are cut off."""
    array = times if isinstance(times, pa.Array | pa.ChunkedArray) else pa.array(times)
    if array.null_count:
        raise ColumnError(f"times has {array.null_count} nulls; leave those rows out first")
    if pa.types.is_timestamp(array.type):
        return pc.cast(array, pa.timestamp("us", array.type.tz), safe=False).cast(pa.int64()).to_numpy()
    if not pa.types.is_integer(array.type):
        raise ColumnError(f"times must be integers or timestamps, got {array.type}")
    numbers = np.asarray(array.to_numpy(), np.int64)
    return numbers // 1_000 if unit == "ns" else numbers * _MICROSECONDS[unit]
