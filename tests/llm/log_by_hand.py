"""A log of two people, small enough to be counted by hand, and one who was only shown something."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

import footpath as fp
from footpath.events.log import EventLog

ACTS = [
    # user, time, type, item, value, query
    ("a", "2026-03-02T00:00", "view", "x", None, None),
    ("a", "2026-03-02T00:10", "cart", "x", None, None),
    ("a", "2026-03-02T00:20", "purchase", "x", 5.0, None),
    ("a", "2026-03-10T12:00", "view", "y", None, None),
    ("a", "2026-03-10T12:05", "cart", "y", None, None),
    ("b", "2026-03-03T09:00", "search", None, None, "mug"),
    ("b", "2026-03-03T09:01", "view", "y", None, None),
    ("b", "2026-03-11T09:00", "view", "x", None, None),
    ("b", "2026-03-11T09:02", "view", "y", None, None),
    ("b", "2026-03-11T09:10", "purchase", "x", 3.0, None),
    ("c", "2026-03-05T08:00", "impression", "z", None, None),
]
"""2026-03-02 is a Monday; the log ends on Wednesday, 2026-03-11, at 09:10."""
ITEMS = {
    "item_id": ["x", "y", "z"],
    "title": ["Tea", "Mug", "Tea"],
    "category": ["tea", "ceramics", "tea"],
    "brand": ["Kiyo", "Hollin", "Kiyo"],
}
USERS = {"user_id": ["a", "b", "c"], "segment": ["new", "old", "old"], "age": [20, 41, 33]}


def log_by_hand(*, name: str = "hand") -> EventLog:
    rows = {
        "user_id": pa.array([row[0] for row in ACTS], pa.string()),
        "timestamp": pa.array([datetime.fromisoformat(row[1]) for row in ACTS], pa.timestamp("us")),
        "event_type": pa.array([row[2] for row in ACTS], pa.string()),
        "item_id": pa.array([row[3] for row in ACTS], pa.string()),
        "value": pa.array([row[4] for row in ACTS], pa.float64()),
        "query": pa.array([row[5] for row in ACTS], pa.string()),
    }
    return fp.read_events(pa.table(rows), items=pa.table(ITEMS), users=pa.table(USERS), zone="UTC", name=name)
