"""Anything that holds rows, staged as a DuckDB table whose `rowid` is the order of arrival.

Text keeps every column as text, so that one set of rules decides what a value means, whatever file it came from.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis
import pyarrow as pa

from footpath.errors import DataError, did_you_mean
from footpath.events import sql
from footpath.events.files import SPACE, Layout, SourceFile, read_through, say_separator, sniff_separator, unpacked
from footpath.events.presets import Form, form_by_header, forms_of
from footpath.progress import Progress

_MOST_COLUMNS: Final = 256
_SHOWN: Final = 3


@dataclass(frozen=True)
class Staged:
    """Rows of one source in a DuckDB table.

    types: DuckDB type names, column by column. first_line: the line of a text file on which row 1 stands, None where rows are not lines.
    """

    table: str
    label: str
    format: str
    columns: Mapping[str, str]
    n_rows: int
    sha256: str
    form: Form | None
    layout: Layout | None = None

    def place(self, row: int) -> str:
        """How a message names a row, given its `rowid`."""
        return f"row {row + 1}"


def stage_file(
    con: duckdb.DuckDBPyConnection, file: SourceFile, table: str, scratch: Path, preset: str | None, progress: Progress | None
) -> Staged:
    """A file as a table. Raises DataError with file, row and column."""
    content = read_through(file, progress)
    try:
        if file.kind == "parquet":
            _stage_parquet(con, file, table)
        elif file.kind == "json":
            _stage_json(con, file, table)
        else:
            _stage_text(con, file, table, scratch, content.mixed_line_ends)
    except duckdb.Error as error:
        raise DataError(f"{file.label} cannot be read as {file.kind}: {_first_line(error)}") from None
    return _staged(con, table, file.label, _format_name(file), content.sha256, preset, file)


def stage_frame(con: duckdb.DuckDBPyConnection, frame: Any, table: str, label: str, preset: str | None) -> Staged:
    """A pandas, polars or Arrow frame, a DuckDB relation or an Ibis table of any backend, as a table. Raises DataError."""
    try:
        con.register("incoming", _arrow_reader(frame, label))
        try:
            con.execute(f"CREATE TABLE {table}_nested AS SELECT * FROM incoming")
        finally:
            con.unregister("incoming")
        _flatten(con, f"{table}_nested", table)
        con.execute(f"DROP TABLE {table}_nested")
    except (pa.ArrowException, duckdb.Error) as error:
        raise DataError(f"{label} cannot be read as a table: {_first_line(error)}") from None
    return _staged(con, table, label, "frame", _hash_of_rows(con, table), preset, None)


def stage_database(con: duckdb.DuckDBPyConnection, path: Path, wanted: str | None, kind: str, table: str, preset: str | None) -> Staged:
    """A table of a DuckDB or SQLite file. Raises DataError."""
    label = str(path) if wanted is None else f"{path}#{wanted}"
    if kind == "sqlite":
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")]
            rows = cursor_table(db.execute(f"SELECT * FROM {sql.name(_chosen_table(path, wanted, names))}"))
        return stage_frame(con, rows, table, label, preset)
    try:
        con.execute(f"ATTACH {sql.text(path)} AS foreign_log (READ_ONLY)")
    except duckdb.Error as error:
        raise DataError(f"{path} cannot be opened as a DuckDB file: {_first_line(error)}") from None
    try:
        found = con.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = 'foreign_log' UNION ALL "
            "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE database_name = 'foreign_log' AND NOT internal ORDER BY 1"
        ).fetchall()
        chosen = _chosen_table(path, wanted, [r[0].removeprefix("main.") for r in found])
        schema, _, own = chosen.rpartition(".")
        _flatten(con, f"foreign_log.{sql.name(schema or 'main')}.{sql.name(own)}", table)
    finally:
        con.execute("DETACH foreign_log")
    return _staged(con, table, label, "table", _hash_of_rows(con, table), preset, None)


def _hash_of_rows(con: duckdb.DuckDBPyConnection, table: str) -> str:
    """A hash of names, types and rows in order, where there are no bytes of a file to hash."""
    columns = con.execute(f"DESCRIBE {table}").fetchall()
    texts = ", ".join(f"coalesce(CAST({sql.name(c[0])} AS VARCHAR), chr(30))" for c in columns)
    (mixed,) = sql.row(con, f"SELECT CAST(bit_xor(md5_number(concat_ws(chr(31), rowid, {texts}))) AS VARCHAR) FROM {table}")
    return hashlib.sha256(repr(([c[:2] for c in columns], mixed)).encode()).hexdigest()


def _chosen_table(path: Path, wanted: str | None, names: Sequence[str]) -> str:
    if wanted is not None:
        if wanted not in names:
            raise DataError(f"{path} has no table {wanted!r}{did_you_mean(wanted, names)}; it holds: {', '.join(names) or 'none'}")
        return wanted
    if len(names) != 1:
        raise DataError(f"{path} holds {len(names)} tables ({', '.join(names) or 'none'}); name one as {path}#TABLE")
    return names[0]


def _staged(
    con: duckdb.DuckDBPyConnection, table: str, label: str, format: str, sha256: str, preset: str | None, file: SourceFile | None
) -> Staged:
    columns = {r[0]: r[1] for r in con.execute(f"DESCRIBE {table}").fetchall()}
    (n_rows,) = sql.row(con, f"SELECT count(*) FROM {table}")
    form = file.form if file is not None and file.form is not None else None
    if form is None and (file is None or file.kind != "text"):
        form = form_by_header(forms_of(preset), list(columns), told=preset is not None)
    return Staged(table, label, format, columns, n_rows, sha256, form, None if file is None else file.layout)


def prepare(con: duckdb.DuckDBPyConnection, staged: Staged) -> Staged:
    """Run the query that a form asks for before anything else."""
    if staged.form is None or staged.form.prepare is None:
        return staged
    query = staged.form.prepare.format(table=staged.table, label=sql.text(Path(staged.label).name))
    con.execute(f"CREATE TABLE {staged.table}_prepared AS {query}")
    con.execute(f"DROP TABLE {staged.table}")
    columns = {r[0]: r[1] for r in con.execute(f"DESCRIBE {staged.table}_prepared").fetchall()}
    return dataclasses.replace(staged, table=f"{staged.table}_prepared", columns=columns)


def _format_name(file: SourceFile) -> str:
    if file.layout is None:
        return file.kind
    return "white space" if file.layout.separator == SPACE else {",": "csv", "\t": "tsv"}.get(file.layout.separator, "text")


def _stage_text(con: duckdb.DuckDBPyConnection, file: SourceFile, table: str, scratch: Path, mixed_line_ends: bool) -> None:
    layout = file.layout
    if layout is None:
        raise DataError(f"{file.label} has no layout")
    path, gzipped = file.path, file.gzipped
    if mixed_line_ends:  # DuckDB splits lines by the first kind it meets
        path, gzipped = _with_one_line_end(file, scratch), False
    if layout.separator == SPACE:
        _stage_white_space(con, file, path, gzipped, table, layout)
        return
    mark = '"' if layout.quoted else ""
    columns = ", ".join(f"{sql.text(column)}: 'VARCHAR'" for column in layout.columns)
    con.execute(
        f"CREATE TABLE {table} AS SELECT * FROM read_csv({sql.path(path)}, delim={sql.text(layout.separator)}, quote={sql.text(mark)}, "
        f"escape={sql.text(mark)}, header=false, skip={layout.header_lines}, auto_detect=false, "
        f"columns={{{columns}}}, nullstr='', strict_mode=true, "
        f"encoding={sql.text(layout.encoding)}, compression={sql.text('gzip' if gzipped else 'none')}, "
        f"store_rejects=true, rejects_table='refused', rejects_scan='refused_scan', rejects_limit=1000)"
    )
    refused = con.execute(
        "SELECT DISTINCT ON (line) line, error_type, csv_line, error_message FROM refused ORDER BY line LIMIT 1000"
    ).fetchall()
    con.execute("DROP TABLE refused")
    con.execute("DROP TABLE refused_scan")
    if refused:
        raise _refused_rows(file, layout, refused)


def _refused_rows(file: SourceFile, layout: Layout, refused: Sequence[tuple]) -> DataError:
    line, kind, content, message = refused[0]
    lines = ", ".join(str(r[0]) for r in refused[:_SHOWN]) + (", ..." if len(refused) > _SHOWN else "")
    shown = (content or "").strip()[:80]
    many = f"{len(refused)}{'+' if len(refused) == 1000 else ''}"
    if kind in ("MISSING COLUMNS", "TOO MANY COLUMNS"):
        found = message.rsplit(" ", 1)[-1]
        with file.path.open("rb"):
            seen = sniff_separator([r[2] + "\n" for r in refused[:200] if r[2]] or [","])
        hint = f"; those lines look separated by {say_separator(seen)}" if seen is not None and seen != layout.separator else ""
        return DataError(
            f"{file.label}: line {line} has {found} fields where {len(layout.columns)} are expected: {shown!r} ({many} such lines: {lines})"
            f"{hint}; mend the lines, or pass --separator (read as {say_separator(layout.separator)})"
        )
    if kind == "UNQUOTED VALUE":
        return DataError(
            f"{file.label}: line {line} has a quotation mark that is not closed, or is followed by text: {shown!r} ({many} such lines: "
            f"{lines}); close it, or double quotation marks inside a quoted field"
        )
    return DataError(f"{file.label}: line {line} cannot be read ({kind.lower()}): {shown!r} ({many} such lines: {lines})")


def _stage_white_space(con: duckdb.DuckDBPyConnection, file: SourceFile, path: Path, gzipped: bool, table: str, layout: Layout) -> None:
    con.execute(
        f"CREATE TABLE {table}_lines AS SELECT string_split_regex(trim(line, ' \t'), '[ \t]+') AS f, line FROM read_csv({sql.path(path)}, "
        f"delim='\x1f', quote='', escape='', header=false, skip={layout.header_lines}, auto_detect=false, columns={{'line': 'VARCHAR'}}, "
        f"compression={sql.text('gzip' if gzipped else 'none')})"
    )
    n = len(layout.columns)
    bad = con.execute(
        f"SELECT rowid + 1 + {layout.header_lines}, len(f), line, count(*) OVER () FROM {table}_lines "
        f"WHERE trim(line, ' \t') <> '' AND len(f) <> {n} ORDER BY rowid LIMIT {_SHOWN}"
    ).fetchall()
    if bad:
        line, found, content, many = bad[0]
        raise DataError(
            f"{file.label}: line {line} has {found} fields where {n} are expected: {content.strip()[:80]!r} ({many} such lines); "
            "mend the lines, or pass --separator (read as white space)"
        )
    fields = ", ".join(f"f[{i}] AS {sql.name(c)}" for i, c in enumerate(layout.columns, start=1))
    con.execute(f"CREATE TABLE {table} AS SELECT {fields} FROM {table}_lines WHERE trim(line, ' \t') <> ''")
    con.execute(f"DROP TABLE {table}_lines")


def _with_one_line_end(file: SourceFile, scratch: Path) -> Path:
    path = scratch / "one-line-end.txt"
    with path.open("wb") as out:
        held = b""
        for chunk, _ in unpacked(file):
            chunk = held + chunk
            held = b"\r" if chunk.endswith(b"\r") else b""
            out.write((chunk[:-1] if held else chunk).replace(b"\r\n", b"\n"))
        out.write(held)
    return path


def _stage_json(con: duckdb.DuckDBPyConnection, file: SourceFile, table: str) -> None:
    packed = sql.text("gzip" if file.gzipped else "uncompressed")
    source = f"{sql.path(file.path)}, compression={packed}, maximum_object_size=67108864"
    try:
        shape = json.loads(sql.row(con, f"SELECT json_group_structure(json) FROM read_json_objects({source}, format='auto')")[0] or "null")
    except duckdb.Error as error:
        raise _bad_json(file, error) from None
    if not isinstance(shape, dict):
        raise _bad_json(file, None)
    leaves = list(_leaves(shape, ()))
    if len(leaves) > _MOST_COLUMNS:
        leaves = [(key,) for key in shape]
    columns = ", ".join(f"{sql.text(key)}: 'VARCHAR'" for key in shape)
    picked = []
    for path in leaves:
        pointer = "/" + "/".join(key.replace("~", "~0").replace("/", "~1") for key in path[1:])
        value = sql.name(path[0]) if len(path) == 1 else f"json_extract_string({sql.name(path[0])}, {sql.text(pointer)})"
        picked.append(f"{value} AS {sql.name('.'.join(path))}")
    con.execute(f"CREATE TABLE {table} AS SELECT {', '.join(picked)} FROM read_json({source}, format='auto', columns={{{columns}}})")


def _leaves(shape: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key, inner in shape.items():
        if isinstance(inner, dict) and inner:
            yield from _leaves(inner, (*path, key))
        else:
            yield (*path, key)


def _bad_json(file: SourceFile, error: duckdb.Error | None) -> DataError:
    opener = gzip.open if file.gzipped else open
    with opener(file.path, "rt", encoding="utf-8-sig") as lines:
        return _first_bad_line(file, lines, error)


def _first_bad_line(file: SourceFile, lines: Iterable[str], error: duckdb.Error | None) -> DataError:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as problem:
            return DataError(
                f"{file.label}: line {number} is not a JSON object: {problem.msg} at column {problem.colno}; one object a line is expected"
            )
        if not isinstance(value, dict):
            return DataError(f"{file.label}: line {number} is not a JSON object: {line.strip()[:80]!r}; one object a line is expected")
    return DataError(f"{file.label} is not JSON with one object a line: {'' if error is None else _first_line(error)}")


def _stage_parquet(con: duckdb.DuckDBPyConnection, file: SourceFile, table: str) -> None:
    partitioned = "true" if any("=" in part for part in file.path.parts[:-1]) else "false"
    _flatten(con, f"read_parquet({sql.path(file.path)}, hive_partitioning={partitioned})", table)


def _flatten(con: duckdb.DuckDBPyConnection, source: str, table: str) -> None:
    """Copy rows, with the fields of structs as columns of their own."""
    rows = con.sql(f"SELECT * FROM {source}")
    picked = [f for column, kind in zip(rows.columns, rows.types, strict=True) for f in _fields(sql.name(column), column, kind)]
    con.execute(f"CREATE TABLE {table} AS SELECT {', '.join(picked)} FROM {source}")


def _fields(expression: str, label: str, kind: Any) -> list[str]:
    if kind.id != "struct":
        return [f"{expression} AS {sql.name(label)}"]
    found = []
    for field, inner in kind.children:
        found += _fields(f"{expression}.{sql.name(field)}", f"{label}.{field}", inner)
    return found


def _arrow_reader(frame: Any, label: str) -> pa.RecordBatchReader:
    if isinstance(frame, pa.RecordBatchReader):
        return frame
    if isinstance(frame, pa.Table | pa.RecordBatch):
        table = frame if isinstance(frame, pa.Table) else pa.Table.from_batches([frame])
        return table.to_reader()
    if isinstance(frame, ibis.Table):
        return frame.to_pyarrow_batches()
    kind = type(frame)
    home = kind.__module__.split(".")[0]
    if home == "pandas":
        return pa.Table.from_pandas(frame, preserve_index=False).to_reader()
    if home == "polars":
        collected = frame.collect() if kind.__name__ == "LazyFrame" else frame
        return pa.RecordBatchReader.from_stream(collected)
    if isinstance(frame, duckdb.DuckDBPyRelation):
        return frame.fetch_record_batch()
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(frame)
    raise DataError(
        f"{label} is a {home}.{kind.__name__}, which is not a path, a pandas, polars or Arrow frame, or an Ibis or DuckDB table"
    )


def cursor_table(cursor: Any) -> pa.Table:
    names = [d[0] for d in cursor.description]
    rows = cursor.fetchall()
    try:
        return pa.table({n: pa.array([r[i] for r in rows]) for i, n in enumerate(names)})
    except pa.ArrowException:  # columns that mix types, as SQLite allows
        return pa.table({n: pa.array([None if r[i] is None else str(r[i]) for r in rows], pa.string()) for i, n in enumerate(names)})


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]
