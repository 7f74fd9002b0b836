"""Text that is safe inside SQL, and connections that never reach for the network."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path

import duckdb

MEMORY_LIMIT = "1GiB"
"""What DuckDB may hold when a store is written, before it spills to disk beside the store."""
READ_LIMIT = "2GiB"
"""What it may hold when one is read: a trail of tens of millions of acts does not fit, and is spilled to the folder for temporary files."""

_OFFLINE = "SET autoinstall_known_extensions = false; SET autoload_known_extensions = false; SET TimeZone = 'UTC'"


def name(text: str) -> str:
    """An identifier, quoted."""
    return '"' + text.replace('"', '""') + '"'


def text(value: str | Path) -> str:
    """A string literal, quoted."""
    return "'" + str(value).replace("'", "''") + "'"


def path(value: Path) -> str:
    """A file path as a string literal in which `*`, `?` and `[` mean themselves."""
    return text("".join(f"[{c}]" if c in "*?[" else c for c in str(value)))


def connect(database: Path | None = None, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection in UTC that loads no extension beyond those built in; in memory without a path."""
    con = duckdb.connect(":memory:" if database is None else str(database), read_only=read_only)
    con.execute(_OFFLINE)
    if not read_only:
        con.execute("SET preserve_insertion_order = true")
    if read_only:
        con.execute(f"SET memory_limit = '{READ_LIMIT}'; SET temp_directory = {text(_spill_folder())}")
    elif database is not None:
        con.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        con.execute("PRAGMA disable_checkpoint_on_shutdown")  # what is to stay is checkpointed by name; the rest is thrown away
    return con


def _spill_folder() -> Path:
    """One that no other connection has; DuckDB makes it when it is needed, and removes it."""
    return Path(tempfile.gettempdir()) / f"footpath-{uuid.uuid4().hex}.spilled"


def row(con: duckdb.DuckDBPyConnection, query: str) -> tuple:
    """The first row of a query that has one."""
    found = con.execute(query).fetchone()
    if found is None:
        raise ValueError(f"no row from: {query}")
    return found
