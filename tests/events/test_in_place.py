"""A log that is analysed where it lies."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest

from footpath.analysis.trail import trail
from footpath.errors import ColumnError, DataError
from footpath.events.contract import EVENT_COLUMNS
from footpath.events.in_place import log_in_place

START = datetime(2026, 3, 2, 9)


def acts(**changed: Any) -> ibis.Table:
    rows = {
        "user_id": ["b", "a", "a"],
        "item_id": ["y", "x", None],
        "event_type": ["view", "cart", "search"],
        "timestamp": [START, START + timedelta(minutes=5), START],
        **changed,
    }
    return ibis.memtable(pa.table({name: column for name, column in rows.items() if column is not None}))


def test_a_table_under_the_contract_is_a_log_whose_order_is_its_time() -> None:
    log = log_in_place(acts(), name="warehouse")
    assert set(EVENT_COLUMNS) <= set(log.table.columns)
    rows = trail(log).acts.order_by("user_id", "position").to_pyarrow().to_pylist()
    assert [(row["user_id"], row["event_type"], row["step"]) for row in rows] == [("a", "search", 0), ("a", "cart", 1), ("b", "view", 0)]
    assert log.has_clock
    assert "not dropped" in log.quality.meta["warnings"][0]


def test_other_columns_stay_as_context() -> None:
    assert "channel" in log_in_place(acts(channel=["web", "app", "app"])).table.columns


def test_a_log_without_a_clock_goes_by_its_position() -> None:
    log = log_in_place(acts(timestamp=None, position=[0, 1, 0]))
    assert not log.has_clock
    assert trail(log).counts.sessions == 2


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"user_id": None}, ColumnError, "needs the column 'user_id'"),
        ({"value": ["a", "b", "c"]}, ColumnError, "column 'value' must be of type float64, got string"),
        ({"event_type": ["view", "cart", "buy"]}, DataError, "event type 'buy' is not one of the contract's"),
        ({"user_id": ["b", None, "a"]}, DataError, "1 of 3 rows have no user_id"),
        ({"timestamp": None}, ColumnError, "needs `timestamp` or `position`"),
        ({"timestamp": [START, START, START]}, DataError, "1 times several acts have the same user_id, timestamp"),
        ({"position": [0, 0, 0]}, DataError, "1 times several acts have the same user_id, position"),
    ],
)
def test_what_breaks_the_contract_is_refused_with_its_value(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        log_in_place(acts(**changed))


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        log_in_place(acts().filter(ibis.literal(False)))
