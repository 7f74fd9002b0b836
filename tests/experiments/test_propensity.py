"""Heads that foresee an event of a user, given to the analysis from above."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from footpath.errors import ConfigError, DataError, NotInLogError
from footpath.events.log import EventLog
from footpath.events.readers import read_events
from footpath.experiments.propensity import propensity, propensity_head

START = datetime(2024, 1, 1, tzinfo=UTC)


def buyers(n_users: int = 240, weeks: int = 16, seed: int = 0) -> EventLog:
    """Everybody looks at something every other day; who put something into the cart in one week mostly buys in the next."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        for week in range(weeks):
            keen = rng.random() < 0.3
            for day in range(0, 7, 2):
                when = START + timedelta(days=7 * week + day, minutes=int(rng.integers(600)))
                kind = "cart" if keen and day == 4 else "view"
                rows.append({"user_id": f"u{user:03}", "item_id": f"i{rng.integers(12)}", "event_type": kind, "timestamp": when})
            if rng.random() < (0.85 if keen else 0.08) and week + 1 < weeks:
                when = START + timedelta(days=7 * (week + 1), minutes=int(rng.integers(60, 5000)))
                rows.append({"user_id": f"u{user:03}", "item_id": f"i{rng.integers(12)}", "event_type": "purchase", "timestamp": when})
    return read_events(pa.Table.from_pylist(rows), name="buyers")


@pytest.fixture(scope="module")
def log() -> EventLog:
    return buyers()


CUT = datetime(2024, 1, 1) + timedelta(days=7 * 14)
QUICK = {"epochs": 25, "dim": 8, "batch_size": 64, "learning_rate": 0.01}


@pytest.mark.parametrize(("model", "fields"), [("response_head", QUICK), ("gradient_boosting", {"trees": 60})])
def test_a_head_tells_who_will_buy(log: EventLog, model: str, fields: dict) -> None:
    result = propensity(log, event="purchase", horizon_days=7, cut=CUT, model=model, fields=fields)
    cells = {cell.id: cell.value for cell in result.cells}
    assert cells["auc"] > 0.75
    assert model in str(result.meta)


def test_nothing_from_a_horizon_before_the_cut_on_is_learned_from(log: EventLog) -> None:
    until = CUT - timedelta(days=7)
    rows = log.table.filter(log.table.timestamp < until).to_pyarrow().select(["user_id", "item_id", "event_type", "timestamp"])
    early = read_events(rows, zone="UTC")
    users = [f"u{user:03}" for user in range(40)]
    moment = CUT - timedelta(days=14)
    fields = {"trees": 40}
    scores = [
        propensity_head(part, event="purchase", horizon_days=7, cut=CUT, model="gradient_boosting", fields=fields)(users, moment)
        for part in (log, early)
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-9)


def test_churn_is_a_horizon_without_any_act(log: EventLog) -> None:
    rows = log.table.to_pyarrow().select(["user_id", "item_id", "event_type", "timestamp"]).to_pylist()
    gone = {f"u{user:03}": START.replace(tzinfo=None) + timedelta(days=7 * (8 + user % 7)) for user in range(0, 240, 2)}
    stayed = [row for row in rows if row["timestamp"] < gone.get(row["user_id"], datetime(2100, 1, 1))]
    log = read_events(pa.Table.from_pylist(stayed), zone="UTC")
    head = propensity_head(log, event="churn", horizon_days=7, cut=CUT, model="gradient_boosting", fields={"trees": 20})
    assert 0.02 < head.rate < 0.3
    assert head.__name__ == "gradient_boosting"


def test_what_cannot_be_is_refused(log: EventLog) -> None:
    with pytest.raises(ConfigError, match=r"event must be churn or an event type, got 'purchas'; did you mean 'purchase'\?"):
        propensity_head(log, event="purchas", horizon_days=7, cut=CUT)
    with pytest.raises(ConfigError, match=r"horizon_days must be above 0, got -1"):
        propensity_head(log, horizon_days=-1, cut=CUT)
    with pytest.raises(NotInLogError, match=r"holds no favourite"):
        propensity_head(log, event="favourite", horizon_days=7, cut=CUT)
    with pytest.raises(DataError, match=r"has no act before"):
        propensity_head(log, event="purchase", horizon_days=400, cut=CUT)
