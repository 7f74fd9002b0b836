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
from footpath.events.clock import Clock, read_clock
from footpath.events.contract import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS
from footpath.events.mapping import DAYS, RELATIVE_DAYS, ColumnMap
from footpath.events.sources import Staged

ARRIVAL_BITS: Final = 40
"""Rows of one source are numbered in that many bits; the source's number stands above them."""
NULL_TEXTS: Final = ("", "NULL", "null", "None", "NaN", "nan", "NaT", "<NA>", "\\N")
"""Texts that stand for nothing, in ids and in numbers."""
SQL_TYPES: Final = {"string": "VARCHAR", "float64": "DOUBLE", "int64": "BIGINT", "timestamp": "TIMESTAMP"}
_IDS: Final = ("user_id", "item_id", "event_id", "session_id", "request_id", "policy")
_NUMBERS: Final = ("value", "price", "quantity", "slot", "propensity")
_NOTHING: Final = f"({', '.join(map(sql.text, NULL_TEXTS))})"
_SHOWN: Final = 5


@dataclass(frozen=True)
class Acts:
    """How the acts of one source were read.

    event_types: name in the file to canonical type and number of rows; the name is empty where no column tells.
    bad_values: numeric column to how many values are no numbers, and an example. clock: None for a log without one.
    """

    clock: Clock | None
    event_types: Mapping[str, tuple[str, int]]
    bad_values: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def build_acts(
    con: duckdb.DuckDBPyConnection,
    staged: Staged,
    columns: ColumnMap,
    view: str,
    *,
    source: int,
    split: str | None = None,
    time_unit: str | None = None,
    now: datetime | None = None,
) -> Acts:
    """Make a view of the acts of one event source: the canonical columns that it has, its context, `_order` and `_arrival`.

    source: its number in the log. split: of every act, where the user gave this source as one. Raises DataError, TimeError.
    """
    rows = _Rows(con, staged, columns)
    rows.refuse_none("there are no acts in it")
    picked: dict[str, str] = {name: rows.id(name) for name in _IDS if name == "item_id" or columns.columns.get(name)}
    rows.refuse_nulls("user_id", picked["user_id"])
    clock = None
    if columns.columns.get("timestamp"):
        clock = _clock(rows, time_unit, now)
        picked["timestamp"] = clock.sql
    types = rows.event_types(f"{view}_kinds")
    picked["event_type"] = "kinds._kind" if types else sql.text(columns.event_type)
    bad_values = {}
    for name in _NUMBERS:
        if columns.columns.get(name):
            picked[name] = rows.number(name)
            if (found := rows.bad_numbers(name, picked[name])) is not None:
                bad_values[name] = found
    if split is not None:
        picked["split"] = sql.text(split)
    elif columns.columns.get("split"):
        picked["split"] = rows.split()
    selected = [f"CAST({picked[name]} AS {SQL_TYPES[kind]}) AS {name}" for name, kind in EVENT_COLUMNS.items() if name in picked]
    selected += [f"{rows.context(column)} AS {sql.name(name)}" for column, name in _context(columns, types).items()]
    notes = []
    if columns.columns.get(DAYS):
        days = f"coalesce(greatest(try_cast({rows.value(DAYS)[0]} AS DOUBLE), 0), 0)"
        selected.append(f"sum({days}) OVER (PARTITION BY {picked['user_id']} ORDER BY s.rowid ROWS UNBOUNDED PRECEDING) AS {RELATIVE_DAYS}")
        notes.append(f"{RELATIVE_DAYS}: days since the user's first act, added up from {columns.columns[DAYS][0]}")
    selected.append(f"CAST({rows.order()} AS BIGINT) AS _order")
    selected.append(f"CAST({source} AS BIGINT) * {1 << ARRIVAL_BITS} + s.rowid AS _arrival")
    kinds = f"LEFT JOIN {view}_kinds AS kinds ON kinds._raw = {rows.raw_type()}" if types else ""
    # a view: to write text to disk once more would cost as much as all else together
    con.execute(f"CREATE VIEW {view} AS SELECT {', '.join(selected)} FROM {staged.table} AS s {kinds}")
    return Acts(clock, types or {"": (columns.event_type, staged.n_rows)}, bad_values, tuple(notes))


def build_rows(con: duckdb.DuckDBPyConnection, staged: Staged, columns: ColumnMap, table: str, *, key: str) -> int:
    """Make an item or user table under the contract, one row an id, the last filled value of each column; how many rows repeat an id.

    key: `item_id` or `user_id`. Raises DataError.
    """
    rows = _Rows(con, staged, columns)
    rows.refuse_none("there is nothing to read in it")
    id_ = rows.id(key)
    rows.refuse_nulls(key, id_)
    picked: dict[str, str] = {}
    for name, kind in (ITEM_COLUMNS if key == "item_id" else USER_COLUMNS).items():
        if name == key:
            continue
        if not columns.columns.get(name):
            picked[name] = f"CAST(NULL AS {SQL_TYPES[kind]})"
        elif name == "attributes":
            picked[name] = rows.tokens()
        elif kind == "float64":
            picked[name] = rows.number(name)
        else:
            picked[name] = f"nullif(trim(CAST({rows.value(name)[0]} AS VARCHAR)), '')"
    for column, name in columns.context.items():
        picked[name] = rows.context(column)
    last = "".join(f", arg_max({expression}, s.rowid) AS {sql.name(name)}" for name, expression in picked.items())
    con.execute(f"CREATE TABLE {table} AS SELECT {id_} AS {key}{last} FROM {staged.table} AS s GROUP BY 1 ORDER BY min(s.rowid)")
    return staged.n_rows - sql.row(con, f"SELECT count(*) FROM {table}")[0]


def _clock(rows: _Rows, time_unit: str | None, now: datetime | None) -> Clock:
    column, kind = rows.value("timestamp")
    return read_clock(
        rows.con,
        f"{rows.staged.table} AS s",
        column,
        kind,
        label=rows.staged.label,
        source=rows.columns.source_of("timestamp"),
        zone=rows.columns.zone,
        time_unit=time_unit,
        now=now,
    )


def _context(columns: ColumnMap, types: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    """The context columns, with the event names as written where the canonical type says less than they do."""
    context = dict(columns.context)
    kinds = [kind for kind, _ in types.values()]
    if "other" in kinds or len(set(kinds)) < len(kinds):
        taken = {name.lower() for name in (*context.values(), *EVENT_COLUMNS)}
        for name in columns.columns["event_type"]:
            context[name] = name if name.lower() not in taken else f"original_{name}"
    return context


@dataclass(frozen=True)
class _Rows:
    """SQL expressions over the staged rows `s` of one source, and what they find wrong."""

    con: duckdb.DuckDBPyConnection
    staged: Staged
    columns: ColumnMap

    def refuse_none(self, what: str) -> None:
        if not self.staged.n_rows:
            raise DataError(f"{self.staged.label} has a header and no rows: {what}")

    def refuse_nulls(self, canonical: str, value: str) -> None:
        if not self._count(f"{value} IS NULL"):
            return
        found = self.con.execute(
            f"SELECT s.rowid, count(*) OVER () FROM {self.staged.table} AS s WHERE {value} IS NULL ORDER BY s.rowid LIMIT {_SHOWN}"
        ).fetchall()
        count = found[0][1]
        listed = ", ".join(str(row + 1) for row, _ in found) + (", ..." if count > len(found) else "")
        raise DataError(
            f"{self.staged.label}: {'1 row has' if count == 1 else f'{count} rows have'} no {self.columns.source_of(canonical)}: "
            f"row {listed} of {self.staged.n_rows}; remove such rows, or map another column with --column"
        )

    def value(self, canonical: str) -> tuple[str, str]:
        """The expression of a mapped column and its type; of several columns, the first that is filled."""
        names = self.columns.columns[canonical]
        kinds = [self.staged.columns[name] for name in names]
        quoted = [f"s.{sql.name(name)}" for name in names]
        if len(names) == 1:
            return quoted[0], kinds[0]
        if len(set(kinds)) == 1 and kinds[0] != "VARCHAR":
            return f"coalesce({', '.join(quoted)})", kinds[0]
        filled = [f"nullif(trim(CAST({column} AS VARCHAR)), '')" for column in quoted]
        return f"coalesce({', '.join(filled)})", "VARCHAR"

    def id(self, canonical: str) -> str:
        """An id as text without space around it, null where the text stands for nothing."""
        if not self.columns.columns.get(canonical):
            return "CAST(NULL AS VARCHAR)"
        value, kind = self.value(canonical)
        if kind in ("FLOAT", "DOUBLE"):  # whole numbers that a missing value has turned into floats
            whole = not self._count(f"NOT isnan({value}) AND {value} <> trunc({value})")
            text = f"CAST(CAST({value} AS HUGEINT) AS VARCHAR)" if whole else f"CAST({value} AS VARCHAR)"
            return f"CASE WHEN isfinite({value}) THEN {text} END"
        if kind != "VARCHAR" and not kind.startswith("ENUM"):
            return f"CAST({value} AS VARCHAR)"
        text = value if kind == "VARCHAR" else f"CAST({value} AS VARCHAR)"
        cleaned = f"CASE WHEN trim({text}) NOT IN {_NOTHING} THEN trim({text}) END"
        return cleaned if self._count(f"{text} IS DISTINCT FROM {cleaned}") else text

    def number(self, canonical: str) -> str:
        value, kind = self.value(canonical)
        exact = f"CAST({value} AS VARCHAR)" if kind == "FLOAT" else value  # 3.4 in single precision is 3.4, not 3.4000000953
        number = f"try_cast({exact} AS DOUBLE)"
        if EVENT_COLUMNS.get(canonical) == "int64":
            return f"CASE WHEN {number} = trunc({number}) AND abs({number}) < 9e15 THEN CAST({number} AS BIGINT) END"
        return f"CASE WHEN isfinite({number}) THEN {number} END"

    def bad_numbers(self, canonical: str, number: str) -> tuple[int, str] | None:
        given = f"CAST({self.value(canonical)[0]} AS VARCHAR)"
        wrong = f"{number} IS NULL AND trim({given}) NOT IN {_NOTHING}"
        count = self._count(wrong)
        if not count:
            return None
        row, shown = self._first(wrong, given)
        return count, f"{shown!r} in row {row + 1} of {self.staged.label}"

    def order(self) -> str:
        """The order column as a whole number, null where there is none."""
        if not self.columns.columns.get("position"):
            return "NULL"
        given = f"CAST({self.value('position')[0]} AS VARCHAR)"
        number = f"try_cast({given} AS DOUBLE)"
        wrong = f"coalesce({number} <> trunc({number}) OR NOT isfinite({number}) OR abs({number}) > 9e15, true)"
        count = self._count(wrong)
        if count:
            row, shown = self._first(wrong, given)
            raise DataError(
                f"{self.staged.label}: {self.columns.source_of('position')} in row {row + 1} is {shown!r}, not a whole number "
                f"({count} such rows); an order column needs one in every row"
            )
        return f"CAST({number} AS BIGINT)"

    def raw_type(self) -> str:
        return f"coalesce(trim(CAST({self.value('event_type')[0]} AS VARCHAR)), '')"

    def event_types(self, table: str) -> dict[str, tuple[str, int]]:
        """Event names to canonical types and numbers of rows, also written to a table; empty where no column tells."""
        if not self.columns.columns.get("event_type"):
            return {}
        counts = self.con.execute(
            f"SELECT {self.raw_type()} AS raw, count(*) FROM {self.staged.table} AS s GROUP BY 1 ORDER BY 2 DESC, 1"
        ).fetchall()
        told = self.columns.event_types
        known = {**EVENT_NAMES, **{plain(raw): kind for raw, kind in told.items()}}
        types = {raw: (told.get(raw) or known.get(plain(raw), "other"), n) for raw, n in counts}
        self.con.execute(f"CREATE TABLE {table} (_raw VARCHAR, _kind VARCHAR)")
        self.con.executemany(f"INSERT INTO {table} VALUES (?, ?)", [(raw, kind) for raw, (kind, _) in types.items()])
        return types

    def split(self) -> str:
        value = f"lower(trim(CAST({self.value('split')[0]} AS VARCHAR)))"
        wrong = f"{value} NOT IN ({', '.join(map(sql.text, SPLIT_NAMES))}, '')"
        if self._count(wrong):
            row, shown = self._first(wrong, value)
            raise DataError(
                f"{self.staged.label}: {self.columns.source_of('split')} is {shown!r} in row {row + 1}; "
                f"a split is one of {', '.join(SPLIT_NAMES)}"
            )
        cases = " ".join(f"WHEN {sql.text(raw)} THEN {sql.text(kind)}" for raw, kind in SPLIT_NAMES.items())
        return f"CASE {value} {cases} END"

    def context(self, column: str) -> str:
        """A context column in the narrowest of whole number, number and text that loses nothing."""
        value, kind = f"s.{sql.name(column)}", self.staged.columns[column]
        if kind.startswith("ENUM"):
            return f"CAST({value} AS VARCHAR)"
        if kind != "VARCHAR":
            return value
        filled = f"nullif({value}, '')"
        whole = "CAST(try_cast(v AS BIGINT) AS VARCHAR) = v"
        # 007 and twenty digits are names, not numbers
        number = "isfinite(try_cast(v AS DOUBLE)) AND (v NOT LIKE '0_%' OR v LIKE '0.%') AND (contains(v, '.') OR length(v) < 16)"
        for limit in ("LIMIT 1000", ""):
            n_whole, n_numbers, n = sql.row(
                self.con,
                f"SELECT count(*) FILTER ({whole}), count(*) FILTER ({number}), count(v) "
                f"FROM (SELECT {filled} AS v FROM {self.staged.table} AS s {limit})",
            )
            if not n or (n_whole < n and n_numbers < n):
                return filled
        return f"CAST({filled} AS {'BIGINT' if n_whole == n else 'DOUBLE'})"

    def tokens(self) -> str:
        """Attributes as tokens separated by spaces, from a list, a JSON list, or text parted by `|`, commas or spaces."""
        value, kind = self.value("attributes")
        if kind.endswith("[]"):
            parts = f"CAST({value} AS VARCHAR[])"
        else:
            given = f"trim(CAST({value} AS VARCHAR))"
            listed, piped, commas = sql.row(
                self.con,
                f"SELECT bool_and({given} LIKE '[%]' OR {given} = ''), bool_or(contains({given}, '|')), bool_or(contains({given}, ',')) "
                f"FROM {self.staged.table} AS s",
            )
            if listed:  # JSON, or the way Python prints a list
                bare = f"trim(regexp_replace({given}, '[\\[\\]]', '', 'g'), ' ''\"')"
                parts = f"string_split_regex({bare}, '[''\"]?\\s*,\\s*[''\"]?')"
            elif piped or commas:
                parts = f"string_split({given}, {sql.text('|' if piped else ',')})"
            else:
                parts = f"string_split_regex({given}, '\\s+')"
        cleaned = f"list_transform({parts}, lambda part: regexp_replace(trim(part), '\\s+', '_', 'g'))"
        joined = f"nullif(array_to_string(list_filter({cleaned}, lambda part: part <> ''), ' '), '')"
        return f"CASE WHEN {joined} <> '(no_genres_listed)' THEN {joined} END"

    def _count(self, wrong: str) -> int:
        return int(sql.row(self.con, f"SELECT count(*) FILTER ({wrong}) FROM {self.staged.table} AS s")[0])

    def _first(self, wrong: str, shown: str) -> tuple:
        return sql.row(self.con, f"SELECT s.rowid, {shown} FROM {self.staged.table} AS s WHERE {wrong} ORDER BY s.rowid LIMIT 1")
