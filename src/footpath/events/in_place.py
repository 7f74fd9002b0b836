"""A log that stays where it lies: a table of Spark, PostgreSQL or a warehouse under the contract, analysed there and not copied."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from footpath.errors import ColumnError, DataError, did_you_mean
from footpath.events.contract import EVENT_COLUMNS, EVENT_TYPES
from footpath.events.log import EventLog
from footpath.result import Cell, Result

_NEEDED: Final = ("user_id", "event_type")


def log_in_place(table: ir.Table, *, name: str = "log", items: ir.Table | None = None, users: ir.Table | None = None) -> EventLog:
    """An event log on an Ibis table of any engine; nothing is copied, so its columns and types must be those of the contract already.

    Columns of the contract that are missing are empty. Without `position` the order of a user's acts is by timestamp, then event id:
    together they must be unique. Nothing is dropped: repeats and suspected bots are found only by `read_events` and `ingest`, and the
    report says so.
    Raises ColumnError for a missing or mistyped column; DataError for an unknown event type, an empty user or acts whose order is open.
    """
    for column in _NEEDED:
        if column not in table.columns:
            raise ColumnError(
                f"a log in place needs the column {column!r}{did_you_mean(column, table.columns)}; rename it: table.rename(...)"
            )
    for column, kind in EVENT_COLUMNS.items():
        if column in table.columns and not _fits(table[column].type(), kind):
            raise ColumnError(
                f"column {column!r} must be of type {kind}, got {table[column].type()}; cast it: table.cast({{{column!r}: {kind!r}}})"
            )
    missing = {c: ibis.null(kind) for c, kind in EVENT_COLUMNS.items() if c not in table.columns and c != "position"}
    if "timestamp" in table.columns:
        table = table.mutate(timestamp=table.timestamp.cast("timestamp"))
    acts = table.mutate(**missing)
    if "position" not in table.columns:
        if "timestamp" not in table.columns:
            raise ColumnError("a log in place needs `timestamp` or `position`, or the order of acts is unknown")
        order = [acts.timestamp, acts.event_id] if "event_id" in table.columns else [acts.timestamp]
        acts = acts.mutate(position=ibis.row_number().over(ibis.window(group_by="user_id", order_by=order)).cast("int64"))
    acts = acts.select(*EVENT_COLUMNS, *(c for c in acts.columns if c not in EVENT_COLUMNS))
    counts = _checked(table)
    cells = (
        Cell("rows_kept", counts["rows"], "rows"),
        Cell("n_users", counts["users"], "users"),
        Cell("n_items", counts["items"], "items"),
    )
    shape = json.dumps([str(table.schema()), {k: str(v) for k, v in counts.items()}])
    fingerprint = hashlib.sha256(shape.encode()).hexdigest()[:32]
    warning = f"{name} is analysed where it lies: repeats were not dropped and suspected bots were not looked for"
    meta = {
        "definition": "What a log in place holds.",
        "population": f"all {counts['rows']:,} acts of the log {name}",
        "fingerprint": fingerprint,
        "warnings": [warning],
    }
    shown = pa.table({"measure": [cell.id for cell in cells], "value": [str(cell.value) for cell in cells]})
    has_clock = "timestamp" in table.columns and counts["timed"] == counts["rows"]
    return EventLog(name, acts, Result("quality", shown, meta, cells), fingerprint, has_clock, items, users, empty=frozenset(missing))


def _fits(kind: ibis.DataType, wanted: str) -> bool:
    if wanted == "float64":
        return bool(kind.is_numeric())
    if wanted == "int64":
        return bool(kind.is_integer())
    return bool(kind.is_timestamp()) if wanted == "timestamp" else bool(kind.is_string())


def _checked(given: ir.Table) -> dict[str, Any]:
    """Sizes of the table as it is given, for a position that is numbered here would cost a sort. Raises DataError."""
    timed = "timestamp" in given.columns
    per_kind = given.group_by("event_type").agg(
        rows=given.count(),
        nameless=given.user_id.isnull().cast("int64").sum(),
        **({"timed": given.timestamp.count(), "first": given.timestamp.min(), "last": given.timestamp.max()} if timed else {}),
    )
    kinds = per_kind.to_pyarrow().to_pylist()
    if not kinds:
        raise DataError("the table has no rows")
    rows, nameless = (sum(row[name] for row in kinds) for name in ("rows", "nameless"))
    if nameless:
        raise DataError(f"{nameless} of {rows} rows have no user_id; leave them out: table.filter(table.user_id.notnull())")
    for kind in sorted(str(row["event_type"]) for row in kinds):
        if kind not in EVENT_TYPES:
            close = did_you_mean(kind, EVENT_TYPES)
            raise DataError(f"event type {kind!r} is not one of the contract's ({', '.join(EVENT_TYPES)}){close}")
    key = ["user_id", "position"]
    if "position" not in given.columns:
        key = ["user_id", "timestamp", *(["event_id"] if "event_id" in given.columns else [])]
    repeated = given.group_by(key).agg(n=given.count())
    ties = repeated.filter(repeated.n > 1).count().to_pyarrow().as_py()
    if ties:
        raise DataError(
            f"{ties} times several acts have the same {', '.join(key)}, so their order is open; add a unique event_id or position"
        )
    items = {"items": given.item_id.nunique()} if "item_id" in given.columns else {}
    sizes = given.aggregate(users=given.user_id.nunique(), **items).to_pyarrow().to_pylist()[0]
    times = [row for row in kinds if row.get("first") is not None]
    return {
        "rows": rows,
        "users": sizes["users"],
        "items": sizes.get("items", 0),
        "timed": sum(row.get("timed", 0) for row in kinds),
        "first": min((row["first"] for row in times), default=None),
        "last": max((row["last"] for row in times), default=None),
    }
