"""What a fitted model knows of users and items, as vectors that other programs read.

DIR/users.parquet   user_id, vector, n_events and, where the log has a clock, last_time (UTC): users ascend by id
DIR/items.parquet   item_id, vector, n_events, in the order of the model's vocabulary
DIR/embed.json      run, model, store and its fingerprint, until, counts

A user's dot product with an item is the model's score, but for rounding.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32

from footpath.errors import ConfigError, DataError, NotInLogError, RunError, StoreError
from footpath.events.log import EventLog
from footpath.events.store import open_store
from footpath.experiments.runs import Run
from footpath.models import catalog
from footpath.models.storage import replace_directory
from footpath.progress import Progress
from footpath.recommender import Embedder
from footpath.sequences.build import to_sequences
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.vocabulary import Vocabulary

_USERS_AT_ONCE: Final = 8_192
_EPOCH: Final = datetime(1970, 1, 1)


@dataclass(frozen=True, eq=False)
class Embedding:
    """What `embed` wrote, and where: the content of embed.json."""

    path: Path
    record: dict[str, Any]


def embed(
    run: Run,
    into: Path,
    *,
    store: Path | None = None,
    until: datetime | str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Embedding:
    """Write the vectors of all users and items of a run's log, all or nothing.

    until: only events before that moment are read (ISO 8601, UTC where it names no zone); the question is asked at that moment where the
    model reads it. Users without an event on an item that the model knows have no vector; they are counted. Vectors are of the run as it
    was fitted, on all events: only what the model reads of a user ends at `until`.
    Raises ConfigError (a model without vectors, a moment that cannot be read), RunError, StoreError, DataError, NotInLogError.
    """
    model = embedder(run)
    moment = None if until is None else parsed(until)
    _check_target(into, overwrite=overwrite)
    log = log_of(run, store)
    histories = histories_before(log, run.model.items, moment, event_types=run.record["data"]["event_types"])
    known = np.bincount(histories.rows[histories.items > 0], minlength=len(histories))
    some = histories.take(np.flatnonzero(known))
    if not len(some):
        raise DataError(f"none of the {len(histories):,} users{_before(moment)} has an event on an item that the run {run.path} knows")
    into.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
    try:
        _write_users(building / "users.parquet", model, some, moment, progress)
        pq.write_table(_items(model.item_vectors(), some), building / "items.parquet")
        record = {
            "footpath": version("footpath"),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "run": str(run.path),
            "model": run.record["model"],
            "store": {"name": log.name, "fingerprint": log.fingerprint},
            "until": None if moment is None else moment.replace(tzinfo=UTC).isoformat(),
            "dim": int(model.item_vectors().shape[1]),
            "n_users": len(some),
            "n_items": some.n_items - 1,
            "n_events": int(known.sum()),
            "n_users_without_known_items": len(histories) - len(some),
        }
        (building / "embed.json").write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        building.chmod(0o755)
        replace_directory(into, building)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Embedding(into, record)


def embedder(run: Run) -> Embedder:
    """The model of a run, where it has vectors; raises ConfigError, which names those that do."""
    if isinstance(run.model, Embedder):
        return run.model
    families: dict[str, list[str]] = {}
    for model in catalog.describe():
        if model["inherited"] and model["name"] in catalog.names("items"):  # from SequenceModel, which has both
            families.setdefault(model["family"], []).append(model["name"])
    there_are = "; ".join(f"{family}: {', '.join(names)}" for family, names in families.items())
    raise ConfigError(
        f"{run.path} is a run of {run.record['model']}, which has no vectors of users and items; train one that has ({there_are})"
    )


def log_of(run: Run, store: Path | None = None) -> EventLog:
    """The log that a run was fitted on; raises RunError where the store has gone, StoreError where it holds other events."""
    path = store or run.store_path()
    log = open_store(path)
    fitted_on = run.record["data"]["fingerprint"]
    if log.fingerprint != fitted_on:
        raise StoreError(
            f"{path} holds other events (fingerprint {log.fingerprint[:12]}) than those that {run.path} was fitted on "
            f"({fitted_on[:12]}, {run.record['data']['name']}): pass --store with that store, or train the run again on this one"
        )
    return log


def parsed(moment: datetime | str) -> datetime:
    """A moment as naive UTC; raises ConfigError."""
    try:
        at = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
    except ValueError:
        raise ConfigError(f"until must be a date or a time such as 2026-01-31T12:00, got {moment!r}") from None
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)


def before(log: EventLog, moment: datetime | None) -> EventLog:
    """The log as it was at a moment: events before it only. Raises NotInLogError without a clock, ConfigError where nothing is before."""
    if moment is None:
        return log
    if not log.has_clock:
        raise NotInLogError(f"log {log.name!r} has no clock, so no moment divides it: leave --until out")
    table = log.table.filter(log.table.timestamp < ibis.literal(moment, type="timestamp"))
    if not table.count().to_pyarrow().as_py():
        first = log.table.timestamp.min().to_pyarrow().as_py()
        raise ConfigError(f"no event of {log.name!r} is before {moment:%Y-%m-%d %H:%M}: the first is at {first:%Y-%m-%d %H:%M}")
    return dataclasses.replace(log, table=table)


def histories_before(
    log: EventLog, vocabulary: Vocabulary, moment: datetime | None, *, event_types: list[str] | None = None
) -> SequenceDataset:
    """The histories of all users before a moment, in a vocabulary that stands already; items that it lacks become 0."""
    found = to_sequences(before(log, moment), event_types=event_types)
    indexes = np.concatenate([[0], vocabulary.encode(found.vocabulary.ids)]).astype(np.int32)
    return dataclasses.replace(found, vocabulary=vocabulary, items=indexes[found.items], item_features=None)


def vectors(
    model: Embedder, histories: SequenceDataset, moment: datetime | None = None, progress: Progress | None = None
) -> Float32[np.ndarray, "B D"]:
    """The vector of every history, asked at a moment where one is given and the model reads it."""
    parts = []
    for start in range(0, len(histories), _USERS_AT_ONCE):
        parts.append(_states(model, histories.between(start, start + _USERS_AT_ONCE), moment))
        if progress is not None:
            progress("embedding users", min(start + _USERS_AT_ONCE, len(histories)), len(histories))
    return np.concatenate(parts) if parts else np.zeros((0, model.item_vectors().shape[1]), np.float32)


def _states(model: Embedder, histories: SequenceDataset, moment: datetime | None) -> Float32[np.ndarray, "B D"]:
    asked = None if moment is None else np.full(len(histories), (moment - _EPOCH) // timedelta(microseconds=1), np.int64)
    return model.states(histories, asked)


def _write_users(path: Path, model: Embedder, users: SequenceDataset, moment: datetime | None, progress: Progress | None) -> None:
    """A row group for each few thousand users, so that memory does not grow with them."""
    known = users if (users.items > 0).all() else users.where(users.items > 0)
    writer = None
    try:
        for start in range(0, len(users), _USERS_AT_ONCE):
            part, counted = users.between(start, start + _USERS_AT_ONCE), known.between(start, start + _USERS_AT_ONCE)
            columns: dict[str, pa.Array] = {
                "user_id": part.users,
                "vector": _fixed(_states(model, part, moment)),
                "n_events": pa.array(counted.lengths),
            }
            if counted.times is not None:
                columns["last_time"] = pa.array(counted.times[counted.offsets[1:] - 1]).cast(pa.timestamp("us", "UTC"))
            table = pa.table(columns)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
            if progress is not None:
                progress("embedding users", start + len(part), len(users))
    finally:
        if writer is not None:
            writer.close()


def _items(table: Float32[np.ndarray, "N D"], histories: SequenceDataset) -> pa.Table:
    counts = np.bincount(histories.items, minlength=histories.n_items)[1:]
    return pa.table({"item_id": histories.vocabulary.ids, "vector": _fixed(table[1:]), "n_events": pa.array(counts)})


def _fixed(rows: Float32[np.ndarray, "B D"]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows, np.float32).reshape(-1)), rows.shape[1])


def _before(moment: datetime | None) -> str:
    return "" if moment is None else f" before {moment:%Y-%m-%d %H:%M}"


def _check_target(into: Path, *, overwrite: bool) -> None:
    if into.exists() and not overwrite:
        raise RunError(f"{into} exists already; choose another directory or pass --overwrite")
    if into.exists() and not (into / "embed.json").is_file():
        raise RunError(f"{into} exists and was not written by `footpath embed`, so it is not overwritten; choose another directory")
