"""Logs written as rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ibis
import pyarrow as pa
import pytest

from footpath.events.contract import EVENT_COLUMNS, ITEM_COLUMNS
from footpath.events.log import EventLog
from footpath.result import Result

_ARROW = {"string": pa.string(), "timestamp": pa.timestamp("us"), "float64": pa.float64(), "int64": pa.int64()}


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> ibis.Table:
    schema = pa.schema([(name, _ARROW[kind]) for name, kind in columns.items()])
    return ibis.memtable(pa.Table.from_pylist([{name: row.get(name) for name in columns} for row in rows], schema))


@pytest.fixture
def make_log() -> Callable[..., EventLog]:
    """A log of rows in the order of their arrival: dicts of canonical columns; times in seconds."""

    def make(rows: Sequence[Mapping[str, Any]], *, has_clock: bool = True, items: Sequence[Mapping[str, Any]] | None = None) -> EventLog:
        positions: Counter[str] = Counter()
        acts = []
        for row in sorted(rows, key=lambda row: row["timestamp"]) if has_clock else rows:
            act = {"event_type": "view", **row, "position": positions[row["user_id"]]}
            if has_clock:
                act["timestamp"] = row["timestamp"] * 1_000_000
            positions[row["user_id"]] += 1
            acts.append(act)
        # last act first: what reads a log must go by position, not by the order of rows
        return EventLog(
            "shop",
            _table(acts[::-1], EVENT_COLUMNS),
            Result("quality", pa.table({})),
            "abc",
            has_clock,
            items=None if items is None else _table(items, ITEM_COLUMNS),
        )

    return make
