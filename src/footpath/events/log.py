"""The event log: what people did, checked, in order."""

from __future__ import annotations

from dataclasses import dataclass

import ibis

from footpath.result import Result


@dataclass(frozen=True, eq=False)
class EventLog:
    """An Ibis table of acts under the contract, with what is known of items and users.

    table: the canonical columns of `footpath.events.contract`, then context columns; unique by (user_id, position).
    bots: suspected automatic users (`user_id`, `reason`, `n_events`); flagged, never removed.
    empty: canonical columns that are known to hold nothing, so that nobody has to look.
    fingerprint: a hash of the canonical rows in order; the same rows from any file format give the same one.
    """

    name: str
    table: ibis.Table
    quality: Result
    fingerprint: str
    has_clock: bool
    items: ibis.Table | None = None
    users: ibis.Table | None = None
    bots: ibis.Table | None = None
    empty: frozenset[str] = frozenset()
