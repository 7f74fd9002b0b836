"""From sources to one log: every source staged, mapped and checked, then all acts in one order, without repeats.

The same for a log in memory and for a store on disk; what is in the store already is one source more.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb

from footpath.errors import DataError, StoreError
from footpath.events import sql
from footpath.events.acts import ARRIVAL_BITS, SQL_TYPES, build_acts, build_rows
from footpath.events.aliases import EVENT_ALIASES, plain
from footpath.events.contract import EVENT_COLUMNS, HIDDEN_COLUMNS, ITEM_COLUMNS
from footpath.events.files import say_separator
from footpath.events.inputs import Input
from footpath.events.mapping import Options, map_events, map_table
from footpath.events.reports import SourceReport, SourceRole
from footpath.events.sources import Staged, prepare, stage_database, stage_file, stage_frame
from footpath.progress import Progress

_PLAIN: Final = ("user_id", "item_id", "event_type", "timestamp")


@dataclass(frozen=True)
class Assembled:
    """What `assemble` leaves in the main database: `events`, `items` and `users` where there are any.

    reports: every source of the log, those of the store first. changed: anything new was added.
    """

    reports: tuple[SourceReport, ...]
    new: tuple[SourceReport, ...]
    changed: bool
    has_clock: bool
    has_items: bool
    has_users: bool


def assemble(
    con: duckdb.DuckDBPyConnection,
    inputs: Sequence[Input],
    options: Options,
    *,
    scratch: Path,
    known: Sequence[SourceReport] = (),
    progress: Progress | None = None,
    now: datetime | None = None,
) -> Assembled:
    """Stage, map, check and join all inputs into the main database of a connection that has a schema or database `staging`.

    known: the sources of the log attached as `old`. scratch: a folder for what must be rewritten before it can be read.
    Raises DataError, ColumnError, TimeError, StoreError; the main database is untouched unless all inputs are good.
    """
    con.execute("PRAGMA force_compression = 'uncompressed'")  # what is staged is read a few times and thrown away
    steps = len(inputs) + 2
    reports: list[SourceReport] = []
    tables: dict[str, list[str]] = {"events": [], "items": [], "users": []}
    split_given = any(given.role == "test" for given in inputs)
    with_items = any(given.role == "items" for given in inputs)
    for n, given in enumerate(inputs):
        if progress is not None:
            progress("reading", n, steps)
        staged = prepare(con, _stage(con, given, f"staging.s{n}", scratch, options, progress))
        if given.part and not staged.n_rows and (reports or n + 1 < len(inputs)):
            continue  # engines that write folders write empty parts; the last one is read, so that a folder of nothing is refused
        source = len(known) + sum(not report.already_in_store for report in reports)
        report = _build(con, staged, given.role, options, f"staging.t{n}", source, [*known, *reports], with_items, now)
        reports.append(report)
        if report.already_in_store:
            con.execute(f"DROP TABLE {staged.table}")
        else:
            tables["events" if given.role == "test" else given.role].append(f"staging.t{n}")
    fresh = [report for report in reports if not report.already_in_store]
    everything = (*known, *fresh)
    if not fresh:
        return Assembled(everything, tuple(reports), False, *_abilities(everything))
    if not any(report.role in ("events", "test") for report in everything):
        raise DataError("only item or user tables were given; pass a file of events too")
    _same_clock(everything)
    con.execute("PRAGMA force_compression = 'auto'")
    if progress is not None:
        progress("ordering", steps - 2, steps)
    if tables["events"] or not known:
        parts = [*(["old.events"] if known else []), *tables["events"]]
        _write_events(con, parts, everything, split_given)
        (n_events,) = sql.row(con, "SELECT count(*) FROM events")
        if not n_events:
            raise DataError("no act is left after reading: all rows were dropped")
    else:
        con.execute("CREATE TABLE events AS SELECT * FROM old.events ORDER BY user_id, position")
    _show_log(con)
    for role, key in (("items", "item_id"), ("users", "user_id")):
        given_before = ["old." + role] if any(r.role == role for r in known) else []
        if tables[role] or given_before:
            _write_rows(con, [*given_before, *tables[role]], role, key)
        else:
            _derive_rows(con, everything, role, key)
    everything, new = _with_kept(con, everything, reports)
    return Assembled(everything, new, True, *_abilities(everything))


def assemble_items(con: duckdb.DuckDBPyConnection, inputs: Sequence[Input], options: Options, *, scratch: Path) -> None:
    """Item tables alone, mapped and checked as beside a log, in the table `items` of the main database. Raises DataError, ColumnError."""
    for n, given in enumerate(inputs):
        staged = prepare(con, _stage(con, given, f"staging.s{n}", scratch, options, None))
        _build(con, staged, "items", options, f"staging.t{n}", n, (), True, None)
    _write_rows(con, [f"staging.t{n}" for n in range(len(inputs))], "items", "item_id")


def _abilities(reports: Sequence[SourceReport]) -> tuple[bool, bool, bool]:
    acts = [r for r in reports if r.role in ("events", "test")]
    items = any(r.role == "items" or r.facts for r in reports)
    users = any(r.role == "users" or r.user_facts for r in reports)
    return any(r.clock is not None for r in acts), items, users


def _stage(con: duckdb.DuckDBPyConnection, given: Input, table: str, scratch: Path, options: Options, progress: Progress | None) -> Staged:
    preset = options.preset if given.role in ("events", "test") else None
    if given.file is None:
        return stage_frame(con, given.frame, table, given.label, preset)
    if given.file.kind in ("duckdb", "sqlite"):
        return stage_database(con, given.file.path, given.table, given.file.kind, table, preset)
    staged = stage_file(con, given.file, table, scratch, preset, progress)
    if given.orders is None:
        return staged
    orders = prepare(con, stage_file(con, given.orders, f"{table}_orders", scratch, preset, progress))
    own = ", ".join(f"o.{sql.name(c)}" for c in orders.columns if c not in staged.columns)
    con.execute(
        f"CREATE TABLE {table}_joined AS SELECT b.*, {own} FROM {staged.table} AS b JOIN {orders.table} AS o USING (order_id) "
        "ORDER BY b.rowid"
    )
    (n_rows,) = sql.row(con, f"SELECT count(*) FROM {table}_joined")
    columns = con.execute(f"DESCRIBE {table}_joined").fetchall()
    if n_rows < staged.n_rows:
        raise DataError(f"{staged.label}: {staged.n_rows - n_rows} rows are of orders that {orders.label} lacks; use files of one edition")
    both = hashlib.sha256((staged.sha256 + orders.sha256).encode()).hexdigest()
    return dataclasses.replace(staged, table=f"{table}_joined", columns={c[0]: c[1] for c in columns}, sha256=both)


def _build(
    con: duckdb.DuckDBPyConnection,
    staged: Staged,
    role: SourceRole,
    options: Options,
    table: str,
    source: int,
    known: Sequence[SourceReport],
    with_items: bool,
    now: datetime | None,
) -> SourceReport:
    acts = role in ("events", "test")
    if role == "events" or role == "test":
        columns = map_events(staged, options, _split_values(con, staged), with_items=with_items)
    else:
        columns = map_table(staged, options, role)
    told = [columns.columns, columns.event_type, columns.event_types, options.zone, options.time_unit] if acts else [columns.columns]
    identity = hashlib.sha256(json.dumps([staged.sha256, role, told], sort_keys=True).encode()).hexdigest()
    report = SourceReport(
        source=staged.label,
        role=role,
        format=staged.format,
        sha256=staged.sha256,
        identity=identity,
        how=columns.how,
        columns={name: " else ".join(names) for name, names in columns.columns.items()},
        context=dict(columns.context),
        rows_read=staged.n_rows,
        rows_kept=staged.n_rows,
        separator=None if staged.layout is None else say_separator(staged.layout.separator),
        header=None if staged.layout is None else staged.layout.header,
        notes=columns.notes,
    )
    for other in known:
        if other.identity == identity:
            return dataclasses.replace(report, already_in_store=True)
        if other.sha256 == staged.sha256 and acts and other.role in ("events", "test"):
            raise StoreError(
                f"{staged.label} is in the log already, as {other.source} ({other.role}, {_mapped(other)}), and would now be read another "
                f"way ({role}, {_mapped(report)}); read it the same way, or start a new store"
            )
    if not acts:
        repeats = build_rows(con, staged, columns, table, key="item_id" if role == "items" else "user_id")
        notes = [*columns.notes, *([f"{repeats} rows repeat an id: the last filled value of each column counts"] if repeats else [])]
        return dataclasses.replace(report, rows_kept=staged.n_rows - repeats, rows_dropped=repeats, notes=tuple(notes))
    split = "test" if role == "test" else None
    built = build_acts(con, staged, columns, table, source=source, split=split, time_unit=options.time_unit, now=now)
    return dataclasses.replace(
        report,
        event_types=built.event_types,
        clock=None if built.clock is None else built.clock.note,
        time_unit=None if built.clock is None else built.clock.unit,
        zone=None if built.clock is None else built.clock.zone,
        bad_values=built.bad_values,
        whole_days=built.clock is not None and built.clock.whole_days,
        facts={canonical: columns.context.get(c, c) for canonical, c in columns.facts.items()},
        user_facts=tuple(columns.context[c] for c in columns.user_facts),
        notes=(*columns.notes, *built.notes),
    )


def _mapped(report: SourceReport) -> str:
    return ", ".join(f"{name}={column}" for name, column in report.columns.items() if name in _PLAIN)


def _split_values(con: duckdb.DuckDBPyConnection, staged: Staged) -> dict[str, list[str]]:
    names = {alias for names in EVENT_ALIASES["split"] for alias in names}
    return {
        column: [
            str(r[0]).strip().lower()
            for r in con.execute(f"SELECT DISTINCT {sql.name(column)} AS v FROM {staged.table} WHERE v IS NOT NULL LIMIT 20").fetchall()
        ]
        for column in staged.columns
        if plain(column.rsplit(".", 1)[-1]) in names
    }


def _same_clock(reports: Sequence[SourceReport]) -> None:
    acts = [report for report in reports if report.role in ("events", "test")]
    timed = [report for report in acts if report.clock is not None]
    if timed and len(timed) < len(acts):
        other = next(report for report in acts if report.clock is None)
        raise DataError(
            f"{timed[0].source} has a clock and {other.source} has none: they cannot be put into one order; give both a time, or neither "
            "(--column timestamp=-)"
        )


def _write_events(con: duckdb.DuckDBPyConnection, parts: Sequence[str], reports: Sequence[SourceReport], split_given: bool) -> None:
    """All acts in one order, each repeat but the first dropped: the table `events`, of the columns that any source has."""
    union = " UNION ALL BY NAME ".join(
        f"SELECT * {'EXCLUDE (position, _tie, _late) ' if part == 'old.events' else ''}FROM {part}" for part in parts
    )
    con.execute(f"CREATE VIEW staging.acts AS {union}")
    there = [r[0] for r in con.execute("DESCRIBE staging.acts").fetchall()]
    columns = [c for c in EVENT_COLUMNS if c in there]
    if split_given:
        columns[columns.index("split")] = "coalesce(split, 'train') AS split"
    columns += [sql.name(c) for c in there if c not in EVENT_COLUMNS and c not in HIDDEN_COLUMNS]
    moment = _moment(there)
    once = "WHERE NOT EXISTS (FROM staging.repeats AS r WHERE r._arrival = acts._arrival)" if _find_repeats(con, there, reports) else ""
    order = f"{'timestamp, ' if 'timestamp' in there else ''}_order, _arrival"
    con.execute(
        f"CREATE TABLE events AS SELECT {', '.join(columns)}, row_number() OVER w - 1 AS position, _order, "
        f"coalesce({moment} = lag({moment}) OVER w, false) AS _tie, "
        "coalesce(_arrival > min(_arrival) OVER (w ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING), false) AS _late, _arrival "
        f"FROM staging.acts {once} WINDOW w AS (PARTITION BY user_id ORDER BY {order}) ORDER BY user_id, position"
    )


def _moment(columns: Sequence[str]) -> str:
    """What orders acts, as a number: the time, or without a clock the order column."""
    return "epoch_us(timestamp)" if "timestamp" in columns else "_order"


def _find_repeats(con: duckdb.DuckDBPyConnection, columns: Sequence[str], reports: Sequence[SourceReport]) -> int:
    """Write the arrivals of acts that an earlier one says already: the same event id, or the same user, item, type and time.

    A clock of whole days cannot tell two acts without an item apart, and a log in order of arrival tells nothing: there all are kept.
    """
    days = [n for n, report in enumerate(reports) if report.whole_days]
    rules = [("event_id", "event_id IS NOT NULL")] if "event_id" in columns else []
    wanted = f"{_moment(columns)} IS NOT NULL"
    if "event_id" in columns:
        wanted += " AND event_id IS NULL"
    if days:
        wanted += f" AND NOT (item_id IS NULL AND _arrival >> {ARRIVAL_BITS} IN ({', '.join(map(str, days))}))"
    rules.append((f"user_id, item_id, event_type, {_moment(columns)}", wanted))
    con.execute("CREATE TABLE staging.repeats (_arrival BIGINT)")
    for key, wanted in rules:
        # hashes first: a log has few repeats, and then few rows are compared in full
        con.execute(
            f"CREATE OR REPLACE TABLE staging.alike AS SELECT hash({key}) AS h FROM staging.acts WHERE {wanted} "
            "GROUP BY 1 HAVING count(*) > 1"
        )
        if sql.row(con, "SELECT count(*) FROM staging.alike")[0]:
            con.execute(
                f"INSERT INTO staging.repeats SELECT _arrival FROM staging.acts WHERE {wanted} AND hash({key}) IN (FROM staging.alike) "
                f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY _arrival) > 1"
            )
    return int(sql.row(con, "SELECT count(*) FROM staging.repeats")[0])


def _show_log(con: duckdb.DuckDBPyConnection) -> None:
    """The view `log`: every canonical column, then the context, without what is hidden."""
    there = [r[0] for r in con.execute("DESCRIBE events").fetchall()]
    canonical = [name if name in there else f"CAST(NULL AS {SQL_TYPES[kind]}) AS {name}" for name, kind in EVENT_COLUMNS.items()]
    context = [sql.name(c) for c in there if c not in EVENT_COLUMNS and c not in HIDDEN_COLUMNS]
    con.execute(f"CREATE VIEW log AS SELECT {', '.join([*canonical, *context])} FROM events")


def _write_rows(con: duckdb.DuckDBPyConnection, parts: Sequence[str], role: str, key: str) -> None:
    union = " UNION ALL BY NAME ".join(f"SELECT *, {n} AS _part, rowid AS _row FROM {part}" for n, part in enumerate(parts))
    con.execute(f"CREATE TABLE staging.{role} AS {union}")
    columns = [r[0] for r in con.execute(f"DESCRIBE staging.{role}").fetchall() if r[0] not in (key, "_part", "_row")]
    last = "".join(f", arg_max({sql.name(c)}, _part) AS {sql.name(c)}" for c in columns)
    con.execute(f"CREATE TABLE {role} AS SELECT {key}{last} FROM staging.{role} GROUP BY {key} ORDER BY min(_part), min(_row)")


def _derive_rows(con: duckdb.DuckDBPyConnection, reports: Sequence[SourceReport], role: str, key: str) -> None:
    """Item and user tables from what the acts tell: the latest filled value of each column."""
    told: dict[str, list[str]] = {}
    for report in reports:
        facts = report.facts.items() if role == "items" else [(c, c) for c in report.user_facts]
        for name, column in facts:
            if column not in told.setdefault(name, []):
                told[name].append(column)
    if not told:
        return
    there = [r[0] for r in con.execute("DESCRIBE events").fetchall()]
    moment = f"coalesce({_moment(there)}, 0)::HUGEINT * 4611686018427387904 + _arrival"
    picked = []
    for name in ITEM_COLUMNS if role == "items" else told:
        if name == key:
            continue
        kind = "DOUBLE" if name == "price" else "VARCHAR"
        values = [f"CAST({sql.name(c)} AS {kind})" for c in told.get(name, [])]
        value = f"coalesce({', '.join(values)})" if values else f"CAST(NULL AS {kind})"
        if name == "attributes" and values:
            value = f"replace(replace(replace({value}, ' ', '_'), '|', ' '), ',', ' ')"
        picked.append(f"arg_max({value}, {moment}) AS {sql.name(name)}")
    con.execute(
        f"CREATE TABLE {role} AS SELECT {key}, {', '.join(picked)} FROM events WHERE {key} IS NOT NULL GROUP BY {key} ORDER BY {key}"
    )


def _with_kept(
    con: duckdb.DuckDBPyConnection, everything: Sequence[SourceReport], reports: Sequence[SourceReport]
) -> tuple[tuple[SourceReport, ...], tuple[SourceReport, ...]]:
    """The reports with the number of rows of each event source that are in the log."""
    kept = dict(con.execute(f"SELECT _arrival >> {ARRIVAL_BITS}, count(*) FROM events GROUP BY 1").fetchall())
    counted = []
    for n, report in enumerate(everything):
        if report.role in ("events", "test"):
            report = dataclasses.replace(report, rows_kept=kept.get(n, 0), rows_dropped=report.rows_read - kept.get(n, 0))
        counted.append(report)
    by_identity = {report.identity: report for report in counted}
    new = tuple(report if report.already_in_store else by_identity[report.identity] for report in reports)
    return tuple(counted), new
