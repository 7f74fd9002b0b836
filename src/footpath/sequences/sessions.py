"""Where one visit ends and the next begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int32

from footpath.errors import ConfigError, DataError
from footpath.events.log import EventLog
from footpath.sequences.build import aligned
from footpath.sequences.dataset import SequenceDataset

_MICROSECONDS_PER_MINUTE: Final = 60_000_000


def sessionize(
    log: EventLog,
    gap_minutes: float | None = None,
    *,
    event_types: Sequence[str] | None = None,
    core: int = 1,
    seed: int = 0,
) -> tuple[SequenceDataset, Int32[np.ndarray, " E"]]:
    """The sequences of a log, and the session of each event.

    By the log's session ids where every act has one, else by gaps of 30 minutes; a given `gap_minutes` goes by gaps in any case.
    Raises ConfigError for a log with neither session ids nor a clock.
    """
    read = aligned(log, ("session_id",), event_types=event_types, core=core, seed=seed)
    ids = read.columns["session_id"]
    if gap_minutes is None and not ids.null_count:
        return read.dataset, sessions_by_id(read.dataset, ids)
    if read.dataset.times is None:
        lacking = f"{ids.null_count} of its {len(ids)} acts have no session id" if ids.null_count else "its session ids were set aside"
        raise ConfigError(
            f"log {log.name!r} has no clock to find gaps of {gap_minutes or 30:g} minutes in, and {lacking}; "
            "map a column to session_id or to timestamp when it is ingested"
        )
    return read.dataset, sessions_by_gap(read.dataset, 30.0 if gap_minutes is None else gap_minutes)


def sessions_by_gap(data: SequenceDataset, gap_minutes: float = 30.0) -> Int32[np.ndarray, " E"]:
    """The session of each event, counted from 0 over all rows: a new one begins after a pause longer than the gap."""
    if data.times is None:
        raise ConfigError(f"sessions by a gap of {gap_minutes:g} minutes need a clock, which these events lack; use their session ids")
    if not gap_minutes > 0:
        raise ConfigError(f"gap_minutes must be above 0, got {gap_minutes:g}")
    begins = np.diff(data.times, prepend=data.times[:1]) > round(gap_minutes * _MICROSECONDS_PER_MINUTE)
    begins[data.offsets[:-1][data.lengths > 0]] = True
    return np.cumsum(begins, dtype=np.int32) - np.int32(1)


def sessions_by_id(data: SequenceDataset, session_ids: pa.Array) -> Int32[np.ndarray, " E"]:
    """The session of each event, counted from 0 in order of first events; an id that two users share is two sessions."""
    if len(session_ids) != data.n_events:
        raise DataError(f"{len(session_ids)} session ids for {data.n_events} events")
    if session_ids.null_count:
        raise DataError(f"{session_ids.null_count} of {len(session_ids)} events have no session id; use sessions_by_gap")
    codes = pc.dictionary_encode(session_ids).indices.to_numpy().astype(np.int64)
    pairs = data.rows * np.int64(max(len(codes), 1)) + codes
    _, first, place = np.unique(pairs, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int32)
    number[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return number[place]
