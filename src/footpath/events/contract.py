"""The event contract: one row is one act.

Canonical columns come first; any other column of the input is kept behind them as context.
"""

from __future__ import annotations

from typing import Final

EVENT_TYPES: Final = (
    "other",
    "view",
    "click",
    "cart",
    "favourite",
    "purchase",
    "rating",
    "impression",
    "remove",
    "search",
)
"""Canonical event types; the place of a type in this tuple is its code in a `SequenceDataset`, so it is only ever added to."""

EVENT_COLUMNS: Final[dict[str, str]] = {
    "user_id": "string",
    "item_id": "string",
    "event_type": "string",
    "timestamp": "timestamp",
    "event_id": "string",
    "session_id": "string",
    "value": "float64",
    "price": "float64",
    "quantity": "float64",
    "position": "int64",
    "request_id": "string",
    "slot": "int64",
    "propensity": "float64",
    "policy": "string",
    "split": "string",
}
"""Canonical columns of an event table and their Ibis types.

After reading, `position` is never null: the 0-based place of an act among the acts of its user, in a stable order by time
(or by the order column of a log without a clock), then arrival. `timestamp` is UTC without a zone, in microseconds.
`split` is train, validation or test where the log comes with a split, else null.
"""

ITEM_COLUMNS: Final[dict[str, str]] = {
    "item_id": "string",
    "title": "string",
    "text": "string",
    "category": "string",
    "attributes": "string",
    "brand": "string",
    "price": "float64",
}
"""Canonical columns of an item table; `attributes` are tokens separated by spaces (a token's own spaces become underscores)."""

USER_COLUMNS: Final[dict[str, str]] = {"user_id": "string"}
"""Canonical columns of a user table; all else is context."""

HIDDEN_COLUMNS: Final[dict[str, str]] = {"_order": "int64", "_tie": "boolean", "_late": "boolean", "_arrival": "int64"}
"""Columns behind the table `events`, by which files that are added later find their place; the view `log` does not show them.

`_order` is the order column as read. `_tie`: same user and same time as the act before. `_late`: arrived after a later act of its user.
`_arrival` is the number of the source in the high bits and the row in the low 40.
"""
