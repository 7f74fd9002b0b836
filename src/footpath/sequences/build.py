"""An event log to sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32, Int8, Int64

from footpath.errors import ConfigError, DataError, did_you_mean
from footpath.events.contract import EVENT_TYPES
from footpath.events.log import EventLog
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.prepare import Clock, arrange, encode
from footpath.sequences.storage import kept_on_disk
from footpath.sequences.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Aligned:
    """Sequences with further columns of the log, one entry an event, in the order of the sequences.

    places: of each event among all acts of its user, where `position` is among the columns that were asked for.
    counts: events of the log that are not in the sequences, by reason (`without_item`, `impressions` or `other_types`, `below_core`).
    """

    dataset: SequenceDataset
    columns: Mapping[str, pa.Array] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    places: Int64[np.ndarray, " E"] | None = None


def to_sequences(
    log: EventLog,
    *,
    event_types: Sequence[str] | None = None,
    core: int = 1,
    seed: int = 0,
    directory: str | Path | None = None,
    above_mib: int = 1024,
) -> SequenceDataset:
    """The acts of each user on items, in the order of the log; rows ascend by user id.

    Acts without an item are left out. event_types: only these; without it all but impressions, which are what the product showed and not
    what people did. core: users and items with fewer acts are
    dropped, again and again until none is left that has fewer. seed: of the shuffled vocabulary. directory: where arrays of more
    than `above_mib` in all are saved, to be mapped into memory from there. Raises ConfigError, DataError.
    """
    return kept_on_disk(aligned(log, (), event_types=event_types, core=core, seed=seed).dataset, directory, above_mib)


def aligned(log: EventLog, columns: Sequence[str], *, event_types: Sequence[str] | None = None, core: int = 1, seed: int = 0) -> Aligned:
    """The sequences of a log and, event by event, further columns of it."""
    for name in event_types or ():
        if name not in EVENT_TYPES:
            raise ConfigError(f"no event type {name!r}{did_you_mean(name, EVENT_TYPES)}; there are: {', '.join(EVENT_TYPES)}")
    wanted = ["user_id", "item_id", "event_type", "position", "value", *(["timestamp"] if log.has_clock else [])]
    further = [name for name in columns if name not in wanted]
    wanted += further
    acts = log.table
    typed = acts.filter(_chosen(acts, event_types))
    n_acts, n_typed = acts.count().to_pyarrow().as_py(), typed.count().to_pyarrow().as_py()
    table = _in_dictionaries(typed.filter(typed.item_id.notnull()).select(wanted))
    if not table.num_rows:
        of_types = " but impressions" if event_types is None and n_typed < n_acts else ""
        of_types = f" of type {', '.join(event_types)}" if event_types is not None else of_types
        raise DataError(f"log {log.name!r} has no act{of_types} on an item among its {n_acts} acts, so there are no sequences")
    users, items = encode(table["user_id"], "user_id"), encode(table["item_id"], "item_id")
    positions = np.from_dlpack(table["position"].combine_chunks())
    arranged = arrange(users, items, positions, core=core)
    values = _values(table["value"])
    dataset = arranged.dataset(
        seed,
        times=Clock.read(table["timestamp"], "us").microseconds(arranged) if log.has_clock else None,
        types=arranged.numbers(_type_codes(table["event_type"])),
        values=None if values is None else arranged.numbers(values),
    )
    if log.items is not None:
        dataset = replace(dataset, item_features=item_features(log.items, dataset.vocabulary))
    counts = {
        "impressions" if event_types is None else "other_types": n_acts - n_typed,
        "without_item": n_typed - table.num_rows,
        "below_core": table.num_rows - dataset.n_events,
    }
    places = arranged.numbers(positions) if "position" in columns else None
    return Aligned(dataset, {name: arranged.strings(table[name]) for name in further}, counts, places)


def acts_of(
    log: EventLog, user: str, vocabulary: Vocabulary, *, event_types: Sequence[str] | None = None
) -> tuple[list[str], SequenceDataset]:
    """The item ids of one user's acts, oldest first, and a row of them with all that `to_sequences` reads of an act.

    Empty for a user who is not in the log. event_types: as in `to_sequences`.
    """
    acts = log.table
    chosen = acts.filter((acts.user_id == user) & acts.item_id.notnull() & _chosen(acts, event_types)).order_by("position")
    found = chosen.select("item_id", "event_type", "value", *(["timestamp"] if log.has_clock else [])).to_pyarrow()
    ids = found["item_id"].to_pylist()
    columns: dict[str, np.ndarray] = {"types": _type_codes(found["event_type"]), "values": _numbers(found["value"])}
    if log.has_clock:
        columns["times"] = found["timestamp"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    return ids, SequenceDataset.from_lists([ids], vocabulary, [user], **columns)


def _chosen(acts: ibis.Table, event_types: Sequence[str] | None) -> ibis.expr.types.BooleanValue:
    """Of these types; without any, all but impressions."""
    return acts.event_type != "impression" if event_types is None else acts.event_type.isin(list(event_types))


def _in_dictionaries(acts: ibis.Table) -> pa.Table:
    """A table in memory, a million rows at a time, with every string held once a batch instead of once a row."""
    with acts.to_pyarrow_batches(chunk_size=1_000_000) as reader:
        batches = [
            pa.table([c.dictionary_encode() if pa.types.is_string(c.type) else c for c in batch.columns], batch.schema.names)
            for batch in reader
        ]
        return pa.concat_tables(batches) if batches else reader.schema.empty_table()


def item_features(items: ibis.Table, vocabulary: Vocabulary) -> ItemFeatures:
    """What an item table says of each item of a vocabulary; the first row where an item has several.

    A column `vectors`, lists of as many numbers each, becomes the features' vectors; zeros where it is null.
    """
    wanted = [name for name in ("item_id", "title", "text", "category", "attributes", "vectors") if name in items.columns]
    table = items.select(wanted).to_pyarrow()
    rows = pc.index_in(vocabulary.ids, value_set=table["item_id"].combine_chunks()).cast(pa.int64())

    def of(name: str) -> list[str]:
        if name not in wanted:
            return [""] * len(vocabulary)
        return ["", *pc.fill_null(table[name].cast(pa.string()).combine_chunks().take(rows), "").to_pylist()]

    attributes = [tuple(dict.fromkeys(tokens.split())) for tokens in of("attributes")]
    vectors = _vectors(table["vectors"].combine_chunks().take(rows)) if "vectors" in wanted else None
    return ItemFeatures(of("title"), of("text"), of("category"), attributes, vectors)


def _vectors(column: pa.Array) -> Float32[np.ndarray, "N D"]:
    """Row 0 is padding. Raises DataError where vectors differ in width."""
    widths = pc.unique(pc.drop_null(pc.list_value_length(column))).to_pylist()
    if len(widths) != 1:
        raise DataError(f"the column vectors of the item table holds lists of {len(widths)} lengths: all must be equally long")
    found = np.zeros((len(column) + 1, widths[0]), np.float32)
    filled = column.is_valid().to_numpy(zero_copy_only=False)
    found[1:][filled] = pc.list_flatten(column.drop_null()).cast(pa.float32()).to_numpy(zero_copy_only=False).reshape(-1, widths[0])
    return found


def _type_codes(names: pa.ChunkedArray) -> Int8[np.ndarray, " E"]:
    codes = pc.index_in(names.cast(pa.string()), value_set=pa.array(EVENT_TYPES))
    if codes.null_count:
        unknown = pc.unique(names.filter(pc.is_null(codes)))[0].as_py()
        raise DataError(f"event type {unknown!r} is not in the contract; there are: {', '.join(EVENT_TYPES)}")
    return codes.to_numpy().astype(np.int8)


def _values(column: pa.ChunkedArray) -> np.ndarray | None:
    return None if column.null_count == len(column) else _numbers(column)


def _numbers(column: pa.ChunkedArray) -> Float32[np.ndarray, " E"]:
    return pc.fill_null(column.cast(pa.float32()), np.float32(np.nan)).to_numpy()
