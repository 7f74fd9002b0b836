"""A log on disk: a folder with `store.json` and the DuckDB file of the current generation.

An ingest writes a new generation beside the old one and then replaces `store.json` in one step, so that a kill at any moment leaves the
store as it was. What a killed ingest left behind is removed by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from ibis.common.exceptions import TableNotFound

from footpath.errors import StoreError
from footpath.events import sql
from footpath.events.assembly import Assembled, assemble
from footpath.events.log import EventLog
from footpath.events.readers import as_log, gather_all, inspect, name_of, options_of
from footpath.events.reports import SourceReport
from footpath.progress import Progress
from footpath.result import Cell, Result

STORE_VERSION: Final = 1
"""The format of a store; a store of a newer one is refused."""
_INDEX: Final = "store.json"
_LOCK: Final = "lock"
_OURS: Final = re.compile(r"(events|staging)-\d+\.duckdb(\.wal)?|store\.json(\.new)?|lock|scratch-\d+|(events|staging)-\d+\.duckdb\.tmp")


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    sources: one report for each file, frame or table that was given. changed: the store holds more than before.
    quality, fingerprint: of the whole log afterwards.
    """

    path: Path
    name: str
    sources: tuple[SourceReport, ...]
    quality: Result
    fingerprint: str
    generation: int
    changed: bool
    n_events: int

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "store": str(self.path),
            "name": self.name,
            "changed": self.changed,
            "generation": self.generation,
            "n_events": self.n_events,
            "fingerprint": self.fingerprint,
            "sources": [source.to_dict() for source in self.sources],
            "quality": self.quality.to_dict(),
        }


@dataclass(frozen=True)
class _Index:
    """What `store.json` says."""

    name: str
    generation: int
    fingerprint: str
    has_clock: bool
    has_items: bool
    has_users: bool
    n_events: int
    sources: tuple[SourceReport, ...]
    quality: Result

    @property
    def database(self) -> str:
        return f"events-{self.generation}.duckdb"


def ingest(
    sources: Any,
    into: Path | str,
    *,
    preset: str | None = None,
    columns: Mapping[str, str] | None = None,
    event_types: Mapping[str, str] | None = None,
    items: Any = None,
    users: Any = None,
    test: Any = None,
    separator: str | None = None,
    header: bool | None = None,
    zone: str | None = None,
    time_unit: str | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Read sources into a store, new or there already, in one step: all of them or nothing.

    Takes what `read_events` takes. A file whose content is in the store already, read the same way, changes nothing.
    Raises DataError, ColumnError, TimeError, ConfigError, StoreError; the store is then as it was before.
    """
    options = options_of(preset, columns, event_types, separator, header, zone, time_unit)
    path = Path(into)
    with _locked(path):
        before = _read_index(path) if (path / _INDEX).exists() else None
        _remove_leftovers(path, before)
        inputs = gather_all(sources, items, users, test, options)
        title = name or (before.name if before is not None else name_of(inputs))
        generation = 1 if before is None else before.generation + 1
        scratch = path / f"scratch-{generation}"
        scratch.mkdir()
        con = sql.connect(path / f"events-{generation}.duckdb")
        try:
            con.execute(f"SET temp_directory = {sql.text(scratch / 'spilled')}")
            con.execute(f"ATTACH {sql.text(path / f'staging-{generation}.duckdb')} AS staging")
            if before is not None:
                _attach_old(con, path, before)
            known = () if before is None else before.sources
            done = assemble(con, inputs, options, scratch=scratch, known=known, progress=progress)
            if not done.changed and before is not None:
                return _report(path, before, done.new, changed=False)
            index = _publish(con, path, title, generation, done)
        finally:
            con.close()
            _remove_leftovers(path, _read_index(path) if (path / _INDEX).exists() else None)
        if progress is not None:
            progress("done", 1, 1)
        return _report(path, index, done.new, changed=True)


def open_store(path: Path | str) -> EventLog:
    """The log of a store, read-only; any number of readers may open it, also while an ingest runs. Raises StoreError."""
    folder = Path(path)
    index = _read_index(folder)
    while True:
        try:
            con = sql.connect(folder / index.database, read_only=True)
            break
        except duckdb.Error as error:
            again = _read_index(folder)
            if again.generation != index.generation:  # an ingest has moved on between the two reads
                index = again
                continue
            raise StoreError(
                f"{folder} is damaged: {index.database} cannot be opened ({str(error).splitlines()[0]}); ingest the files into a new store"
            ) from None
    done = Assembled(index.sources, (), False, index.has_clock, index.has_items, index.has_users)
    try:
        return as_log(con, index.name, index.quality, index.fingerprint, done)
    except (duckdb.Error, TableNotFound):
        con.close()
        raise StoreError(f"{folder} is damaged: {index.database} lacks a table of the log; ingest the files into a new store") from None


def _report(path: Path, index: _Index, sources: tuple[SourceReport, ...], *, changed: bool) -> IngestReport:
    return IngestReport(path, index.name, sources, index.quality, index.fingerprint, index.generation, changed, index.n_events)


def _attach_old(con: duckdb.DuckDBPyConnection, path: Path, before: _Index) -> None:
    try:
        con.execute(f"ATTACH {sql.text(path / before.database)} AS old (READ_ONLY)")
        con.execute("SELECT 1 FROM old.events LIMIT 1")
    except duckdb.Error as error:
        raise StoreError(
            f"{path} is damaged: {before.database} cannot be opened ({str(error).splitlines()[0]}); ingest the files into a new store"
        ) from None


def _publish(con: duckdb.DuckDBPyConnection, path: Path, name: str, generation: int, done: Assembled) -> _Index:
    """Write the tables through to the disk, then make them the store in one step."""
    result, data = inspect(con, name, done.reports)
    (n_events,) = sql.row(con, "SELECT count(*) FROM events")
    index = _Index(name, generation, data, done.has_clock, done.has_items, done.has_users, n_events, done.reports, result)
    con.execute("CHECKPOINT")
    con.close()
    _sync(path / index.database)
    fresh = path / f"{_INDEX}.new"
    fresh.write_text(json.dumps(_to_json(index), ensure_ascii=False, indent=1), encoding="utf-8")
    _sync(fresh)
    fresh.replace(path / _INDEX)
    _sync(path)
    return index


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the store for one ingest; a folder that was made for a first ingest and got no store goes again."""
    if path.is_file():
        raise StoreError(f"{path} is a file; a store is a folder: pass another path")
    made = _make_folder(path)
    foreign = [p.name for p in path.iterdir() if not _OURS.fullmatch(p.name)]
    if foreign and not (path / _INDEX).exists():
        raise StoreError(f"{path} is not a store and not empty (it holds {foreign[0]}); pass a new folder, or that of a store")
    with (path / _LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise StoreError(f"{path} is being written by another ingest (process {owner}); wait for it to end and try again") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield
        finally:
            if not (path / _INDEX).exists():
                _remove_leftovers(path, None)
                (path / _LOCK).unlink(missing_ok=True)
                for folder in made:
                    with contextlib.suppress(OSError):
                        folder.rmdir()


def _make_folder(path: Path) -> list[Path]:
    """Make a folder and its parents; those that were not there, innermost first."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error.strerror}; pass a folder that can be written") from None
    if not os.access(path, os.W_OK):
        raise StoreError(f"{path} cannot be written; pass a folder that can be")
    return missing


def _remove_leftovers(path: Path, current: _Index | None) -> None:
    keep = {_INDEX, _LOCK} | ({current.database} if current is not None else set())
    for entry in path.iterdir():
        if entry.name in keep or not _OURS.fullmatch(entry.name):
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _read_index(path: Path) -> _Index:
    try:
        told = json.loads((path / _INDEX).read_text(encoding="utf-8"))
        version = int(told["version"])
    except FileNotFoundError:
        what = "does not exist" if not path.exists() else f"has no {_INDEX}"
        raise StoreError(f"{path} is not a store: it {what}; make one with `footpath ingest FILE --into {path}`") from None
    except NotADirectoryError:
        raise StoreError(f"{path} is a file, not a store; make a store with `footpath ingest {path} --into FOLDER`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path / _INDEX} is damaged ({error}); ingest the files into a new store") from None
    if version > STORE_VERSION:
        raise StoreError(
            f"{path} was written by a newer Footpath: its store version is {version}, this one reads up to version {STORE_VERSION}; "
            "upgrade Footpath"
        )
    try:
        return _from_json(told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path / _INDEX} is damaged ({type(error).__name__}: {error}); ingest the files into a new store") from None


def _to_json(index: _Index) -> dict[str, Any]:
    result = index.quality
    return {
        "version": STORE_VERSION,
        "name": index.name,
        "generation": index.generation,
        "database": index.database,
        "fingerprint": index.fingerprint,
        "has_clock": index.has_clock,
        "has_items": index.has_items,
        "has_users": index.has_users,
        "n_events": index.n_events,
        "sources": [source.to_dict() for source in index.sources],
        "quality": {
            "name": result.name,
            "meta": {key: value for key, value in result.meta.items() if key != "mapping"},
            "table": result.table.to_pylist(),
            "cells": [vars(cell) for cell in result.cells],
            "chart": result.chart,
        },
    }


def _from_json(told: Mapping[str, Any]) -> _Index:
    quality = told["quality"]
    result = Result(
        quality["name"],
        pa.Table.from_pylist(quality["table"]),
        {**quality["meta"], "mapping": list(told["sources"])},
        tuple(Cell(**cell) for cell in quality["cells"]),
        quality["chart"],
    )
    return _Index(
        told["name"],
        int(told["generation"]),
        told["fingerprint"],
        bool(told["has_clock"]),
        bool(told["has_items"]),
        bool(told["has_users"]),
        int(told["n_events"]),
        tuple(SourceReport.from_dict(source) for source in told["sources"]),
        result,
    )
