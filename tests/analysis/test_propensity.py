"""Who will buy or leave: learned, calibrated and held to later truth, or refused."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

import footpath as fp
from footpath.analysis.propensity import propensity
from footpath.analysis.trail import trail
from footpath.errors import ConfigError, DataError, NotInLogError
from footpath.events.log import EventLog

START = datetime(2026, 1, 5)


def shop(seed: int = 0, *, churn: bool = True, users: int = 700, days: int = 70) -> EventLog:
    """Users who come now and then, search in vain one time in five, and (with churn) leave for good after two vain searches running."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[object]] = {c: [] for c in ("user_id", "item_id", "event_type", "timestamp", "n_results")}

    def add(*values: object) -> None:
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)

    for u in range(users):
        pace = float(rng.uniform(1.5, 5))
        keen = rng.random() < 0.3
        day = float(rng.uniform(0, 50))
        vain = 0
        while day < days:
            at = START + timedelta(days=day)
            add(f"u{u}", f"i{rng.integers(30)}", "view", at, None)
            if rng.random() < (0.6 if keen else 0.06):
                add(f"u{u}", f"i{rng.integers(30)}", "purchase", at + timedelta(minutes=3), None)
            if rng.random() < 0.6:
                failed = rng.random() < 0.25
                add(f"u{u}", None, "search", at + timedelta(minutes=5), 0 if failed else 8)
                vain = vain + 1 if failed else 0
                if churn and vain == 2:
                    break
            day += float(rng.exponential(pace))
    return fp.read_events(pd.DataFrame(columns), zone="UTC")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_vain_searches_mark_those_who_leave_and_nobody_where_they_do_not(seed: int) -> None:
    result = propensity(shop(seed))
    finding = next(f for f in result.findings if f.kind == "finding")
    assert "Users who lately searched twice in vain are" in finding.text
    assert "两次搜索无果" in finding.text.zh
    mark = next(row for row in result.parts["marks"].to_pylist() if row["feature"] == "last_failed_searches")
    assert mark["adjusted_ratio"] > 1.3
    assert finding.p_value == mark["p_value"]
    assert not [f for f in propensity(shop(seed + 20, churn=False)).findings if f.kind == "finding"]


def test_probabilities_of_a_purchase_order_users_and_say_what_happens() -> None:
    log = shop(4)
    result = propensity(log, event="purchase")
    auc = result.cell("auc")
    assert auc.low > 0.6
    assert result.cell("calibration_error").value < 0.1
    assert result.cell("top_decile_lift").value > 1.5
    rows = result.table.to_pylist()
    assert sum(row["n"] for row in rows) == result.cell("base_rate").n
    assert sum(row["n_positive"] for row in rows) / result.cell("base_rate").n == pytest.approx(result.cell("base_rate").value)
    again = propensity(log, event="purchase")
    assert again.parts["users"].equals(result.parts["users"])
    assert again.table.equals(result.table)
    p = result.parts["users"]["probability"].to_pylist()
    assert p == sorted(p, reverse=True)
    assert all(0 <= x <= 1 for x in p)
    assert "SELECT" in result.sql("spark")


def test_the_cases_are_those_of_a_naive_count_and_do_not_see_the_future() -> None:
    log = shop(5)
    frame = log.table.to_pyarrow().to_pandas()
    result = propensity(log)
    for row in result.parts["parts"].to_pylist():
        cut, week = row["cut"], timedelta(days=7)
        active = set(frame[(frame.timestamp >= cut - week) & (frame.timestamp < cut)].user_id)
        stayed = set(frame[(frame.timestamp >= cut) & (frame.timestamp < cut + week)].user_id)
        assert (row["n_users"], row["n_positive"]) == (len(active), len(active - stayed))
    cuts = result.parts["parts"]["cut"].to_pylist()
    assert all(b - a == timedelta(days=7) for a, b in itertools.pairwise(cuts))
    # what comes after the cut changes nothing of what was learned before it
    cut = cuts[-1]
    shuffled = frame.copy()
    late = shuffled.timestamp >= cut
    shuffled.loc[late, "event_type"] = np.random.default_rng(0).permutation(shuffled.loc[late, "event_type"].to_numpy())
    columns = ["user_id", "item_id", "event_type", "timestamp", "n_results"]
    other = propensity(fp.read_events(shuffled[columns], zone="UTC"))
    assert other.table["predicted"].to_pylist() == pytest.approx(result.table["predicted"].to_pylist())


def test_a_model_from_above_is_calibrated_and_tested_alike() -> None:
    log = shop(6)
    asked: list[datetime] = []

    def blind(users: Sequence[str], cut: datetime) -> np.ndarray:
        asked.append(cut)
        return np.full(len(users), 0.5)

    result = propensity(log, model=blind)
    assert result.cell("auc").value == 0.5
    assert len(asked) == 3
    assert result.meta["model"] == "blind"
    assert result.parts["users"]["probability"][0].as_py() == pytest.approx(result.parts["parts"]["base_rate"][-2].as_py(), abs=0.01)
    with pytest.raises(DataError, match="scores between 0 and 1"):
        propensity(log, model=lambda users, cut: np.full(len(users), 2.0))
    with pytest.raises(DataError, match="one score for each of"):
        propensity(log, model=lambda users, cut: np.zeros(1))


def test_too_few_cases_are_refused_with_their_number() -> None:
    result = propensity(shop(7, users=60))
    assert result.is_empty
    assert "no probability is given: the training part has" in result.meta["warnings"][0]
    assert result.parts["parts"].num_rows > 2
    for name in ('</script>"', "שלום 🛒"):
        one = fp.read_events(pd.DataFrame({"user_id": [name], "item_id": ["x"], "event_type": ["view"], "timestamp": [START]}), zone="UTC")
        assert propensity(one).is_empty


def test_wrong_options_and_logs_say_so() -> None:
    log = shop(8, users=30)
    with pytest.raises(ConfigError, match="event must be churn or an event type, got 'chrn'; did you mean 'churn'"):
        propensity(log, event="chrn")
    with pytest.raises(ConfigError, match="horizon_days must be above 0 and at most 36525, got 0"):
        propensity(log, horizon_days=0)
    with pytest.raises(ConfigError, match="cut must leave a horizon of 7 days .*got 2027-01-01".replace(".*", r"[\s\S]*")):
        propensity(log, cut="2027-01-01")
    with pytest.raises(ConfigError, match="cut must be a date or a time"):
        propensity(log, cut="soon")
    with pytest.raises(NotInLogError, match="'cart', and there are none"):
        propensity(log, event="cart")
    with pytest.raises(NotInLogError, match="needs a clock"):
        propensity(fp.read_events(pd.DataFrame({"user_id": ["a"], "item_id": ["x"], "position": [0]})))
    assert propensity(trail(log, since="2030-01-01")).is_empty
