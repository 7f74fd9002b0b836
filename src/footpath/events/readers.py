"""Read a log into memory, from files, frames or database tables."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import ibis
from ibis.common.exceptions import TableNotFound

from footpath.errors import DataError
from footpath.events import sql
from footpath.events.assembly import Assembled, assemble, assemble_items
from footpath.events.clock import check_unit, check_zone
from footpath.events.inputs import Input, gather
from footpath.events.log import EventLog
from footpath.events.mapping import Options
from footpath.events.presets import forms_of
from footpath.events.quality import find_bots, fingerprint, quality
from footpath.events.reports import SourceReport
from footpath.events.sources import cursor_table
from footpath.progress import Progress
from footpath.result import Result


def read_events(
    source: Any,
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
) -> EventLog:
    """A log in memory.

    source: a path, a folder, a pandas, polars or Arrow frame, an Ibis or DuckDB table, or a list of these; `shop.duckdb#events` is a
    table of a database file. items, users, test: likewise; acts of `test` get the split test, and the others train where they have none.
    preset: how the files of a public data set are read; found by itself where it can be. columns: canonical name to the column of the
    source, `-` for none. event_types: name in the source to canonical type. zone: of times that are written without one.
    time_unit: s, ms, us or ns, where magnitude should not decide. What was decided stands in `quality.meta["mapping"]`.
    Raises DataError, ColumnError, TimeError, ConfigError.
    """
    options = options_of(preset, columns, event_types, separator, header, zone, time_unit)
    inputs = gather_all(source, items, users, test, options)
    con = sql.connect()
    con.execute("CREATE SCHEMA staging")
    with tempfile.TemporaryDirectory(prefix="footpath-") as scratch:
        done = assemble(con, inputs, options, scratch=Path(scratch), progress=progress)
    con.execute("DROP SCHEMA staging CASCADE")
    title = name or name_of(inputs)
    result, data = inspect(con, title, done.reports)
    return as_log(con, title, result, data, done)


def read_items(source: Any) -> ibis.Table:
    """An item table without a log, under the contract: `item_id`, `title`, `text`, `category` ... one row an id.

    source: a path, a folder, a frame, or a list of these. Raises DataError, ColumnError.
    """
    options = options_of(None, None, None, None, None, None, None)
    inputs = [given for given in gather(source, "items", options) if given.role == "items"]
    con = sql.connect()
    con.execute("CREATE SCHEMA staging")
    with tempfile.TemporaryDirectory(prefix="footpath-") as scratch:
        assemble_items(con, inputs, options, scratch=Path(scratch))
    con.execute("DROP SCHEMA staging CASCADE")
    return ibis.duckdb.from_connection(con).table("items")


def read_table(source: Any, table: str | None = None, **options: Any) -> EventLog:
    """A log from a database: an Ibis table of any backend, a DuckDB relation, or one `table` of a connection or an Ibis URL.

    source: an Ibis table or backend, a DuckDB or DB-API connection, a path to a DuckDB or SQLite file, or a URL that `ibis.connect` takes.
    Rows move through Arrow. options: as of `read_events`. Raises DataError, ColumnError, TimeError, ConfigError.
    """
    if isinstance(source, ibis.Table | duckdb.DuckDBPyRelation):
        return read_events(source, **{"name": table, **options})
    if isinstance(source, Path) or (isinstance(source, str) and "://" not in source):
        return read_events(str(source) if table is None else f"{source}#{table}", **{"name": table, **options})
    if table is None:
        raise DataError("which table? pass table=NAME beside a connection")
    if isinstance(source, str):
        source = ibis.connect(source)
    if isinstance(source, ibis.BaseBackend):
        try:
            rows: Any = source.table(table)
        except (TableNotFound, duckdb.Error) as error:
            raise DataError(f"no table {table!r} in {source.name}: {str(error).splitlines()[0]}") from None
    else:
        rows = _rows_of(source, table)
    return read_events(rows, **{"name": table, **options})


def _rows_of(connection: Any, table: str) -> Any:
    if isinstance(connection, duckdb.DuckDBPyConnection):
        try:
            return connection.table(table)
        except duckdb.Error as error:
            raise DataError(f"no table {table!r} on that connection: {str(error).splitlines()[0]}") from None
    if not hasattr(connection, "cursor"):
        raise DataError(f"{type(connection).__name__} is no connection; pass a DB-API, DuckDB or Ibis connection, or an Ibis table")
    cursor = connection.cursor()
    cursor.execute(f"SELECT * FROM {sql.name(table)}")
    return cursor_table(cursor)


def options_of(
    preset: str | None,
    columns: Mapping[str, str] | None,
    event_types: Mapping[str, str] | None,
    separator: str | None,
    header: bool | None,
    zone: str | None,
    time_unit: str | None,
) -> Options:
    """What the user said, checked. Raises ConfigError, ColumnError."""
    forms_of(preset)
    return Options(
        preset,
        dict(columns or {}),
        dict(event_types or {}),
        separator,
        header,
        None if zone is None else check_zone(zone),
        None if time_unit is None else check_unit(time_unit),
    )


def gather_all(source: Any, items: Any, users: Any, test: Any, options: Options) -> list[Input]:
    """The inputs of one reading, in the order in which they arrive."""
    found = gather(source, "events", options)
    if items is not None:
        found = [given for given in found if given.role != "items"] + gather(items, "items", options)
    if users is not None:
        found = [given for given in found if given.role != "users"] + gather(users, "users", options)
    if test is not None:
        found += [given for given in gather(test, "test", options) if given.role == "test"]
    return found


def name_of(inputs: list[Input]) -> str:
    """What a log is called that was not named: the name of the first event file up to its first dot."""
    files = [given.file for given in inputs if given.role == "events" and given.file is not None]
    return files[0].path.name.split(".")[0] if files else "log"


def inspect(con: duckdb.DuckDBPyConnection, name: str, reports: tuple[SourceReport, ...]) -> tuple[Result, str]:
    """The quality report and the fingerprint of the tables in the main database; writes the table `bots`."""
    find_bots(con)
    data = fingerprint(con)
    return quality(con, name, reports, data), data


def as_log(con: duckdb.DuckDBPyConnection, name: str, result: Result, data: str, done: Assembled) -> EventLog:
    """The tables of a connection as a log."""
    backend = ibis.duckdb.from_connection(con)
    return EventLog(
        name=name,
        table=backend.table("log"),
        quality=result,
        fingerprint=data,
        has_clock=done.has_clock,
        items=backend.table("items") if done.has_items else None,
        users=backend.table("users") if done.has_users else None,
        bots=backend.table("bots"),
    )
