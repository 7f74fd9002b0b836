"""Small logs that tests write by hand: acts of users at days and minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

import footpath as fp
from footpath.events.log import EventLog

MONDAY = datetime(2026, 3, 2)
"""A Monday, at midnight."""


def log_of(acts: list[tuple[str, datetime]], *, items: list[Any] | None = None, types: list[str] | None = None, **more: Any) -> EventLog:
    """Acts of (user, time); further columns by name."""
    rows: dict[str, Any] = {
        "user_id": pa.array([user for user, _ in acts], pa.string()),
        "item_id": pa.array(["x"] * len(acts) if items is None else items, pa.string()),
        "event_type": pa.array(["view"] * len(acts) if types is None else types, pa.string()),
        "timestamp": pa.array([at for _, at in acts], pa.timestamp("us")),
        **more,
    }
    return fp.read_events(pa.table(rows), zone="UTC")


def on_days(acts: list[tuple[str, float]], **more: Any) -> EventLog:
    """Acts of (user, days after a Monday); half days are noon, so that the log knows times."""
    return log_of([(user, MONDAY + timedelta(days=day)) for user, day in acts], **more)


def random_log(seed: int, *, users: int = 12, acts: int = 150, days: int = 60) -> EventLog:
    """Acts at random times, with a type each."""
    rng = np.random.default_rng(seed)
    at = [(f"u{rng.integers(users):02}", MONDAY + timedelta(seconds=int(rng.integers(days * 86_400)))) for _ in range(acts)]
    return log_of(at, items=[f"i{rng.integers(9)}" for _ in at], types=[str(rng.choice(["view", "cart"])) for _ in at])
