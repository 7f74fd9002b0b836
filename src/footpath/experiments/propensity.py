"""Heads that foresee an event of a user within a horizon, for the analysis `propensity`, which calibrates them and holds them to what came.

The analysis does not know models: it takes a function from users and a moment to scores. Here such a function is made of any model of
responses, which is asked about no item, only about what the user did before the moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
from jaxtyping import Float64, Int64

from footpath.analysis.propensity import CUTS, LOOKBACK
from footpath.analysis.propensity import propensity as held_to_the_log
from footpath.errors import ConfigError, DataError, NotInLogError, did_you_mean
from footpath.events.contract import EVENT_TYPES
from footpath.events.log import EventLog
from footpath.models import catalog
from footpath.progress import Progress
from footpath.recommender import ClickModel
from footpath.result import Result
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impressions import Impressions, from_table, trails_of

CHURN: Final = "churn"


@dataclass(frozen=True, eq=False)
class PropensityHead:
    """A fitted model as a function of users and a moment. n, rate: the training rows and how many of them had the event."""

    name: str
    model: ClickModel
    trails: SequenceDataset
    user_columns: pa.Table
    n: int
    rate: float

    @property
    def __name__(self) -> str:
        """By which the analysis calls it."""
        return self.name

    def __call__(self, users: Sequence[str], moment: datetime) -> Float64[np.ndarray, " U"]:
        """Scores in [0, 1], from what the users did strictly before the moment."""
        return self.model.predict(_rows(self.trails, self.user_columns, list(users), np.full(len(users), _us(moment))))[:, 0]


def propensity_head(
    log: EventLog,
    *,
    event: str = CHURN,
    horizon_days: float,
    cut: datetime | str,
    model: str = "response_head",
    fields: Mapping[str, object] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> PropensityHead:
    """Learn at the four cuts that lie two to five horizons before `cut`, as the analysis `propensity` does with its trees.

    A row is a user with an act within the lookback before a cut (one horizon for churn, four for others), its label whether the event
    came within the horizon after it (for churn: whether no act came). So nothing from a horizon before `cut` on is learned from.
    Raises NotInLogError without a clock or the event, ConfigError, and DataError where the log holds one outcome only.
    """
    if event != CHURN and event not in EVENT_TYPES:
        known = (CHURN, *EVENT_TYPES)
        raise ConfigError(f"event must be churn or an event type, got {event!r}{did_you_mean(event, known)}")
    if not horizon_days > 0:
        raise ConfigError(f"horizon_days must be above 0, got {horizon_days:g}")
    if not log.has_clock:
        raise NotInLogError(f"log {log.name!r} has no clock, so nothing can be foreseen within {horizon_days:g} days")
    fresh = catalog.click_model(model, **(fields or {}))
    at = _us(datetime.fromisoformat(cut) if isinstance(cut, str) else cut)
    horizon = timedelta(days=horizon_days) // timedelta(microseconds=1)
    users, times, came = _acts(log, event)
    names, codes = np.unique(users, return_inverse=True)
    asked: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for moment in (at - horizon * (2 + i) for i in range(CUTS)):
        if moment <= times.min(initial=at):
            continue
        active = (times < moment) & (times >= moment - horizon * (1 if event == CHURN else LOOKBACK))
        rows = np.unique(codes[active])
        after = (times >= moment) & (times < moment + horizon) & came
        had = np.isin(rows, codes[after])
        asked.append((rows, np.full(len(rows), moment), ~had if event == CHURN else had))
    if not asked or not sum(len(rows) for rows, _, _ in asked):
        raise DataError(
            f"log {log.name!r} has no act before {horizon_days * 2:g} days before {cut}: a shorter horizon, or a later cut, may leave some"
        )
    who, when, label = (np.concatenate(parts) for parts in zip(*asked, strict=True))
    trails, user_columns = trails_of(log)
    train = _rows(trails, user_columns, names[who].tolist(), when, {event: label.astype(np.float32)})
    fitted = fresh.fit(train, progress=progress)
    return PropensityHead(model, fitted, train.histories, train.user_columns, len(train), float(label.mean()))


def propensity(
    log: EventLog,
    *,
    event: str = CHURN,
    horizon_days: float = 14.0,
    cut: datetime | str | None = None,
    model: str = "response_head",
    fields: Mapping[str, object] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Result:
    """The analysis `propensity`, its scores those of a model of responses; cut: one horizon before the end of the log where None."""
    at = cut
    if at is None:
        _, times, _ = _acts(log, event)
        at = datetime.fromtimestamp(times.max() / 1e6, UTC).replace(tzinfo=None) - timedelta(days=horizon_days)
    head = propensity_head(log, event=event, horizon_days=horizon_days, cut=at, model=model, fields=fields, seed=seed, progress=progress)
    return held_to_the_log(log, event=event, horizon_days=horizon_days, cut=at, model=head, seed=seed)


def _acts(log: EventLog, event: str) -> tuple[np.ndarray, Int64[np.ndarray, " E"], np.ndarray]:
    """Users and times of everything that people did, and which of it is the event (any act, where it is churn)."""
    acts = log.table.filter(log.table.event_type != "impression")
    found = acts.select("user_id", "timestamp", "event_type").to_pyarrow()
    if not found.num_rows:
        raise NotInLogError(f"log {log.name!r} holds no act")
    kinds = (
        found["event_type"].to_numpy(zero_copy_only=False) if isinstance(found["event_type"], pa.Array) else found["event_type"].to_numpy()
    )
    came = np.ones(len(kinds), bool) if event == CHURN else kinds == event
    if not came.any():
        raise NotInLogError(f"log {log.name!r} holds no {event}")
    times = found["timestamp"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    return found["user_id"].to_numpy().astype(str), times, came


def _rows(
    trails: SequenceDataset,
    user_columns: pa.Table,
    users: Sequence[str],
    moments: Int64[np.ndarray, " U"],
    labels: Mapping[str, np.ndarray] | None = None,
) -> Impressions:
    table = pa.table({"user_id": pa.array(users, pa.string()), "timestamp": pa.array(moments), **(labels or {})})
    return from_table(table, labels=list(labels or {}), trails=trails, user_columns=user_columns)


def _us(moment: datetime) -> int:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
