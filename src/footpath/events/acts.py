"""Staged rows turned into acts under the contract, items and users: typed, checked, with what was found wrong counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import duckdb

from footpath.errors import DataError
from footpath.events import sql
from footpath.events.aliases import EVENT_NAMES, SPLIT_NAMES, plain
from footpath.events.clock import read_clock
from footpath.events.contract import EVENT_COLUMNS, ITEM_COLUMNS
from footpath.events.mapping import DAYS, RELATIVE_DAYS, ColumnMap
from footpath.events.sources import Staged

ARRIVAL_BITS: Final = 40
"""Rows of one source are numbered in that many bits; the source's number stands above them."""
NULL_TEXTS: Final = ("", "NULL", "null", "None", "NaN", "nan", "NaT", "<NA>", "\\N")
"""Texts that stand for nothing in an id."""
_FLOATS: Final = ("FLOAT", "DOUBLE")
_SQL_TYPES: Final = {"string": "VARCHAR", "float64": "DOUBLE", "int64": "BIGINT", "timestamp": "TIMESTAMP"}
_EMPTY: Final = "''"
_SHOWN: Final = 5


@dataclass(frozen=True)
class Acts:
    """The acts of one source as a table with `_order` and `_arrival`.

    event_types: name in the file to canonical type and number of rows. bad_values: column to (rows, an example).
    clock: how times were read, in words; None for a log without one. whole_days: the clock tells days only.
    """

    table: str
    clock: str | None
    zone: str | None
    time_unit: str | None
    whole_days: bool
    event_types: Mapping[str, tuple[str, int]]
    bad_values: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def build_acts(
    con: duckdb.DuckDBPyConnection,
    staged: Staged,
    columns: ColumnMap,
    table: str,
    *,
    source: int,
    split: str | None = None,
    time_unit: str | None = None,
    now: datetime | None = None,
) -> Acts:
    """The acts of one event source.

    source: its number in the log. split: of every act, where the user gave this source as one. Raises DataError, TimeError.
    """
    if not staged.n_rows:
        raise DataError(f"{staged.label} has a header and no rows: there are no acts in it")
    ids = {n: _id(con, staged, columns, n) for n in ("user_id", "item_id", "event_id", "session_id", "request_id", "policy")}
    _refuse_null_users(con, staged, columns, ids["user_id"])
    notes: list[str] = []
    clock = None
    if columns.columns.get("timestamp"):
        (column, kind) = _value(staged, columns, "timestamp")
        clock = read_clock(
            con, staged.table, column, kind, label=staged.label, source=columns.source_of("timestamp"), zone=columns.zone, time_unit=time_unit, now=now
        )  # fmt: skip
    order = _order(con, staged, columns)
    types = _event_types(con, staged, columns, table)
    numbers, bad_values = _numbers(con, staged, columns)
    context = dict(columns.context)
    if (types and any(kind == "other" for kind, _ in types.values())) or len({kind for kind, _ in types.values()}) < len(types):
        for name in columns.columns.get("event_type", ()):
            context[name] = _free(name, context)
    picked = {
        **ids,
        "event_type": "kinds._kind" if types else sql.text(columns.event_type),
        "timestamp": clock.sql if clock is not None else "NULL",
        **numbers,
        "split": sql.text(split) if split is not None else _split(con, staged, columns),
    }
    ordered = [
        f"CAST({picked.get(name, 'NULL')} AS {_SQL_TYPES[kind]}) AS {name}" for name, kind in EVENT_COLUMNS.items() if name != "position"
    ]
    ordered += [f"{_context(con, staged, column)} AS {sql.name(name)}" for column, name in context.items()]
    if columns.columns.get(DAYS):
        days = f"coalesce(greatest(try_cast({_value(staged, columns, DAYS)[0]} AS DOUBLE), 0), 0)"
        ordered.append(f"sum({days}) OVER (PARTITION BY {ids['user_id']} ORDER BY s.rowid ROWS UNBOUNDED PRECEDING) AS {RELATIVE_DAYS}")
        notes.append(f"{RELATIVE_DAYS}: days since the user's first act, added up from {columns.columns[DAYS][0]}")
    ordered.append(f"CAST({order} AS BIGINT) AS _order")
    ordered.append(f"CAST({source} AS BIGINT) * {1 << ARRIVAL_BITS} + s.rowid AS _arrival")
    joined = f"LEFT JOIN {table}_kinds AS kinds ON kinds._raw = {_raw_type(staged, columns)}" if types else ""
    con.execute(f"CREATE TABLE {table} AS SELECT {', '.join(ordered)} FROM {staged.table} AS s {joined}")
    if types:
        con.execute(f"DROP TABLE {table}_kinds")
    return Acts(
        table,
        None if clock is None else clock.note,
        None if clock is None else clock.zone,
        None if clock is None else clock.unit,
        clock is not None and clock.whole_days,
        types or {"": (columns.event_type, staged.n_rows)},
        bad_values,
        tuple(notes),
    )


def build_rows(con: duckdb.DuckDBPyConnection, staged: Staged, columns: ColumnMap, table: str, *, key: str) -> int:
    """An item or user table under the contract, one row an id, the last filled value of each column; how many rows repeat an id.

    key: `item_id` or `user_id`. Raises DataError.
    """
    if not staged.n_rows:
        raise DataError(f"{staged.label} has a header and no rows: there is nothing to read in it")
    id_sql = _id(con, staged, columns, key)
    nulls = con.execute(
        f"SELECT s.rowid, count(*) OVER () FROM {staged.table} AS s WHERE {id_sql} IS NULL ORDER BY s.rowid LIMIT {_SHOWN}"
    ).fetchall()
    if nulls:
        raise DataError(_missing(staged, columns.source_of(key), nulls))
    canonical = ITEM_COLUMNS if key == "item_id" else {"user_id": "string"}
    picked: dict[str, str] = {}
    for name, kind in canonical.items():
        if name == key:
            continue
        if not columns.columns.get(name):
            picked[name] = f"CAST(NULL AS {_SQL_TYPES[kind]})"
        elif name == "attributes":
            picked[name] = _tokens(con, staged, columns)
        elif kind == "float64":
            picked[name] = _number(*_value(staged, columns, name))
        else:
            picked[name] = f"nullif(trim(CAST({_value(staged, columns, name)[0]} AS VARCHAR)), '')"
    for column, name in columns.context.items():
        picked[name] = _context(con, staged, column)
    last = ", ".join(f"arg_max({expression}, s.rowid) AS {sql.name(name)}" for name, expression in picked.items())
    con.execute(
        f"CREATE TABLE {table} AS SELECT {id_sql} AS {key}{', ' if last else ''}{last} FROM {staged.table} AS s GROUP BY 1 ORDER BY min(s.rowid)"
    )
    (n,) = sql.row(con, f"SELECT count(*) FROM {table}")
    return staged.n_rows - n


def _value(staged: Staged, columns: ColumnMap, canonical: str) -> tuple[str, str]:
    """The expression of a mapped column and its type; of several columns, the first that is filled."""
    names = columns.columns[canonical]
    if len(names) == 1:
        return f"s.{sql.name(names[0])}" if canonical != "timestamp" else sql.name(names[0]), staged.columns[names[0]]
    same = len({staged.columns[c] for c in names}) == 1
    if same and staged.columns[names[0]] != "VARCHAR":
        return f"coalesce({', '.join(sql.name(c) for c in names)})", staged.columns[names[0]]
    return f"coalesce({', '.join(f'nullif(trim(CAST({sql.name(c)} AS VARCHAR)), {_EMPTY})' for c in names)})", "VARCHAR"


def _id(con: duckdb.DuckDBPyConnection, staged: Staged, columns: ColumnMap, canonical: str) -> str:
    if not columns.columns.get(canonical):
        return "CAST(NULL AS VARCHAR)"
    value, kind = _value(staged, columns, canonical)
    if kind in _FLOATS:  # whole numbers that a missing value has turned into floats
        (whole,) = sql.row(con, f"SELECT bool_and(isnan({value}) OR {value} = trunc({value})) FROM {staged.table} AS s")
        return f"CASE WHEN NOT isnan({value}) THEN CAST({f'CAST({value} AS BIGINT)' if whole else value} AS VARCHAR) END"
    if kind != "VARCHAR" and not kind.startswith("ENUM"):
        return f"CAST({value} AS VARCHAR)"
    trimmed = f"trim(CAST({value} AS VARCHAR))"
    return f"CASE WHEN {trimmed} NOT IN ({', '.join(map(sql.text, NULL_TEXTS))}) THEN {trimmed} END"


def _refuse_null_users(con: duckdb.DuckDBPyConnection, staged: Staged, columns: ColumnMap, user: str) -> None:
    nulls = con.execute(
        f"SELECT s.rowid, count(*) OVER () FROM {staged.table} AS s WHERE {user} IS NULL ORDER BY s.rowid LIMIT {_SHOWN}"
    ).fetchall()
    if nulls:
        raise DataError(_missing(staged, columns.source_of("user_id"), nulls))


def _missing(staged: Staged, source: str, nulls: list[tuple]) -> str:
    count = nulls[0][1]
    rows = ", ".join(str(row + 1) for row, _ in nulls) + (", ..." if count > len(nulls) else "")
    many = "1 row has" if count == 1 else f"{count} rows have"
    return f"{staged.label}: {many} no {source}: row {rows} of {staged.n_rows}; remove those rows, or map another column with --column"


def _order(con: duckdb.DuckDBPyConnection, staged: Staged, columns: ColumnMap) -> str:
    if not columns.columns.get("position"):
        return "NULL"
    value, _ = _value(staged, columns, "position")
    number = f"try_cast(CAST({value} AS VARCHAR) AS DOUBLE)"
    wrong = con.execute(
        f"SELECT s.rowid, CAST({value} AS VARCHAR), count(*) OVER () FROM {staged.table} AS s "
        f"WHERE coalesce({number} <> trunc({number}) OR NOT isfinite({number}) OR abs({number}) > 9e15, true) ORDER BY s.rowid LIMIT 1"
    ).fetchone()
    if wrong is not None:
        row, shown, count = wrong
        raise DataError(
            f"{staged.label}: {columns.source_of('position')} in row {row + 1} is {shown!r}, not a whole number ({count} such rows); "
            "an order column needs one in every row"
        )
    return f"CAST({number} AS BIGINT)"


def _raw_type(staged: Staged, columns: ColumnMap) -> str:
    return f"coalesce(trim(CAST({_value(staged, columns, 'event_type')[0]} AS VARCHAR)), '')"


def _event_types(con: duckdb.DuckDBPyConnection, staged: Staged, columns: ColumnMap, table: str) -> dict[str, tuple[str, int]]:
    if not columns.columns.get("event_type"):
        return {}
    counts = con.execute(
        f"SELECT {_raw_type(staged, columns)} AS raw, count(*) FROM {staged.table} AS s GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    own = {**EVENT_NAMES, **{plain(raw): kind for raw, kind in columns.event_types.items()}}
    types = {raw: (columns.event_types.get(raw) or own.get(plain(raw), "other"), n) for raw, n in counts}
    con.execute(f"CREATE TABLE {table}_kinds (_raw VARCHAR, _kind VARCHAR)")
    con.executemany(f"INSERT INTO {table}_kinds VALUES (?, ?)", [(raw, kind) for raw, (kind, _) in types.items()])
    return types


def _free(name: str, context: Mapping[str, str]) -> str:
    taken = {n.lower() for n in (*context.values(), *EVENT_COLUMNS)}
    return name if name.lower() not in taken else f"original_{name}"


def _number(value: str, kind: str) -> str:
    exact = f"CAST({value} AS VARCHAR)" if kind == "FLOAT" else value  # 3.4 in single precision is 3.4, not 3.4000000953
    number = f"try_cast({exact} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def _numbers(con: duckdb.DuckDBPyConnection, staged: Staged, columns: ColumnMap) -> tuple[dict[str, str], dict[str, tuple[int, str]]]:
    """Expressions of the numeric columns, and how many of their values are no numbers."""
    picked, bad = {}, {}
    for name in ("value", "price", "quantity", "slot", "propensity"):
        if not columns.columns.get(name):
            continue
        value, kind = _value(staged, columns, name)
        number = _number(value, kind)
        if EVENT_COLUMNS[name] == "int64":
            number = f"CASE WHEN {number} = trunc({number}) AND abs({number}) < 9e15 THEN CAST({number} AS BIGINT) END"
        given = f"CAST({value} AS VARCHAR)"
        wrong = con.execute(
            f"SELECT s.rowid, {given}, count(*) OVER () FROM {staged.table} AS s "
            f"WHERE {number} IS NULL AND trim({given}) NOT IN ({', '.join(map(sql.text, NULL_TEXTS))}) ORDER BY s.rowid LIMIT 1"
        ).fetchone()
        if wrong is not None:
            bad[name] = (int(wrong[2]), f"{wrong[1]!r} in row {wrong[0] + 1} of {staged.label}")
        picked[name] = number
    return picked, bad


def _split(con: duckdb.DuckDBPyConnection, staged: Staged, columns: ColumnMap) -> str:
    if not columns.columns.get("split"):
        return "NULL"
    value = f"lower(trim(CAST({_value(staged, columns, 'split')[0]} AS VARCHAR)))"
    known = ", ".join(map(sql.text, SPLIT_NAMES))
    wrong = con.execute(
        f"SELECT s.rowid, {value} FROM {staged.table} AS s WHERE {value} NOT IN ({known}, '') ORDER BY s.rowid LIMIT 1"
    ).fetchone()
    if wrong is not None:
        raise DataError(
            f"{staged.label}: {columns.source_of('split')} is {wrong[1]!r} in row {wrong[0] + 1}; a split is one of {', '.join(SPLIT_NAMES)}"
        )
    cases = " ".join(f"WHEN {sql.text(raw)} THEN {sql.text(kind)}" for raw, kind in SPLIT_NAMES.items())
    return f"CASE {value} {cases} END"


def _context(con: duckdb.DuckDBPyConnection, staged: Staged, column: str) -> str:
    """A context column in the narrowest of whole number, number and text that loses nothing."""
    value = f"s.{sql.name(column)}"
    if staged.columns[column].startswith("ENUM"):
        return f"CAST({value} AS VARCHAR)"
    if staged.columns[column] != "VARCHAR":
        return value
    filled = f"nullif({value}, '')"
    for limit in ("LIMIT 1000", ""):
        whole, number, n = sql.row(
            con,
            f"SELECT count(*) FILTER (CAST(try_cast(v AS BIGINT) AS VARCHAR) = v), "
            f"count(*) FILTER (isfinite(try_cast(v AS DOUBLE)) AND (v NOT LIKE '0_%' OR v LIKE '0.%') AND (contains(v, '.') OR length(v) < 16)), count(v) "
            f"FROM (SELECT {filled} AS v FROM {staged.table} AS s {limit})",
        )
        if not n or (whole < n and number < n):
            return filled
    return f"CAST({filled} AS {'BIGINT' if whole == n else 'DOUBLE'})"


def _tokens(con: duckdb.DuckDBPyConnection, staged: Staged, columns: ColumnMap) -> str:
    """Attributes as tokens separated by spaces, from a list, a JSON list, or text parted by `|`, commas or spaces."""
    value, kind = _value(staged, columns, "attributes")
    if kind.endswith("[]"):
        parts = f"CAST({value} AS VARCHAR[])"
    else:
        given = f"trim(CAST({value} AS VARCHAR))"
        listed, piped, commas = sql.row(
            con,
            f"SELECT bool_and({given} LIKE '[%]' OR {given} = ''), bool_or(contains({given}, '|')), bool_or(contains({given}, ',')) FROM {staged.table} AS s",
        )
        if listed:
            # JSON, or the way Python prints a list
            parts = f"string_split_regex(trim(regexp_replace({given}, '[\\[\\]]', '', 'g'), ' ''\"'), '[''\"]?\\s*,\\s*[''\"]?')"
        elif piped or commas:
            parts = f"string_split({given}, {sql.text('|' if piped else ',')})"
        else:
            parts = f"string_split_regex({given}, '\\s+')"
    cleaned = f"list_transform({parts}, lambda part: regexp_replace(trim(part), '\\s+', '_', 'g'))"
    joined = f"nullif(array_to_string(list_filter({cleaned}, lambda part: part <> ''), ' '), '')"
    return f"CASE WHEN {joined} <> '(no_genres_listed)' THEN {joined} END"
