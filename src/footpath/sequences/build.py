"""An event log to sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int8

from footpath.errors import ConfigError, DataError, did_you_mean
from footpath.events.contract import EVENT_TYPES
from footpath.events.log import EventLog
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.prepare import arrange, microseconds
from footpath.sequences.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Aligned:
    """Sequences with further columns of the log, one entry an event, in the order of the sequences.

    counts: events of the log that are not in the sequences, by reason (`without_item`, `other_types`, `below_core`).
    """

    dataset: SequenceDataset
    columns: Mapping[str, pa.Array] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


def sequences(log: EventLog, *, event_types: Sequence[str] | None = None, core: int = 1, seed: int = 0) -> SequenceDataset:
    """The acts of each user on items, in the order of the log.

    Acts without an item are left out. event_types: only these; all by default. core: users and items with fewer acts are
    dropped until none is left. seed: of the shuffled vocabulary. Raises ConfigError, DataError.
    """
    return aligned(log, (), event_types=event_types, core=core, seed=seed).dataset


def aligned(log: EventLog, columns: Sequence[str], *, event_types: Sequence[str] | None = None, core: int = 1, seed: int = 0) -> Aligned:
    """The sequences of a log and, event by event, further columns of it."""
    for name in event_types or ():
        if name not in EVENT_TYPES:
            raise ConfigError(f"no event type {name!r}{did_you_mean(name, EVENT_TYPES)}; there are: {', '.join(EVENT_TYPES)}")
    wanted = ["user_id", "item_id", "event_type", "position", "value", *(["timestamp"] if log.has_clock else []), *columns]
    acts = log.table
    n_acts = acts.count().execute()
    if event_types is not None:
        acts = acts.filter(acts.event_type.isin(list(event_types)))
    n_typed = acts.count().execute()
    table = acts.filter(acts.item_id.notnull()).select(wanted).to_pyarrow()
    if not table.num_rows:
        of_types = "" if event_types is None else f" of type {', '.join(event_types)}"
        raise DataError(
            f"log {log.name!r} has no act{of_types} on an item, so there are no sequences; its {n_acts} acts are of other kinds"
        )
    arranged = arrange(table["user_id"], table["item_id"], table["position"].to_numpy(), core=core)
    order = arranged.order
    if not len(order):
        raise DataError(
            f"log {log.name!r} has no user and item left with core={core}; its {table.num_rows} acts are too sparse: lower core"
        )
    vocabulary = Vocabulary.build(arranged.item_ids, seed)
    values = _values(table["value"])
    dataset = SequenceDataset(
        vocabulary,
        arranged.user_ids,
        arranged.offsets,
        vocabulary.encode(arranged.item_ids)[arranged.item_codes],
        times=microseconds(table["timestamp"])[order] if log.has_clock else None,
        types=_type_codes(table["event_type"])[order],
        values=None if values is None else values[order],
        item_features=None if log.items is None else item_features(log.items, vocabulary),
    )
    taken = pa.array(order)
    counts = {
        "other_types": int(n_acts - n_typed),
        "without_item": int(n_typed - table.num_rows),
        "below_core": int(table.num_rows - len(order)),
    }
    return Aligned(dataset, {name: table[name].combine_chunks().take(taken) for name in columns}, counts)


def item_features(items: ibis.Table, vocabulary: Vocabulary) -> ItemFeatures:
    """What an item table says of each item of a vocabulary; the first row where an item has several."""
    wanted = [name for name in ("item_id", "title", "text", "category", "attributes") if name in items.columns]
    table = items.select(wanted).to_pyarrow()
    rows = pc.index_in(vocabulary.ids, value_set=table["item_id"].combine_chunks()).cast(pa.int64())

    def of(name: str) -> list[str]:
        if name not in wanted:
            return [""] * len(vocabulary)
        return ["", *pc.fill_null(table[name].cast(pa.string()).combine_chunks().take(rows), "").to_pylist()]

    attributes = [tuple(dict.fromkeys(tokens.split())) for tokens in of("attributes")]
    return ItemFeatures(of("title"), of("text"), of("category"), attributes)


def _type_codes(names: pa.ChunkedArray) -> Int8[np.ndarray, " E"]:
    codes = pc.index_in(names.cast(pa.string()), value_set=pa.array(EVENT_TYPES))
    if codes.null_count:
        unknown = pc.unique(names.filter(pc.is_null(codes)))[0].as_py()
        raise DataError(f"event type {unknown!r} is not in the contract; there are: {', '.join(EVENT_TYPES)}")
    return codes.to_numpy().astype(np.int8)


def _values(column: pa.ChunkedArray) -> np.ndarray | None:
    if column.null_count == len(column):
        return None
    return pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy().astype(np.float32)
