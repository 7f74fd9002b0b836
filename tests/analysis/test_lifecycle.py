"""Lifecycle: states worked by hand, sums that must hold, and new users told by the whole history."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath.analysis.lifecycle import lifecycle
from footpath.analysis.trail import trail
from footpath.errors import ConfigError
from tests.analysis.logs_by_hand import on_days, random_log

# ann: weeks 0 1 3; bob: 0; cleo: 1 2; the first day is a Monday
WORKED = [("ann", 0), ("ann", 8.5), ("ann", 22.5), ("bob", 1.5), ("cleo", 9.5), ("cleo", 16.5), ("dan", 28.5)]
STATES = ("new", "returning", "resurrecting", "dormant", "n_users", "n_previous")


def states(rows: list[dict[str, Any]]) -> list[tuple[int, ...]]:
    return [tuple(row[name] for name in STATES) for row in rows]


def test_the_states_are_those_of_the_hand() -> None:
    rows = lifecycle(on_days(WORKED), period="week").table.to_pylist()
    assert states(rows) == [(2, 0, 0, 0, 2, 0), (1, 1, 0, 1, 2, 2), (0, 1, 0, 1, 1, 2), (0, 0, 1, 1, 1, 1), (1, 0, 0, 1, 1, 1)]
    assert [row["complete"] for row in rows] == [True, True, True, True, False]
    assert rows[1]["returning_share"] == 0.5
    assert rows[1]["quick_ratio"] == 1.0
    assert rows[0]["returning_share"] is None


def test_who_is_new_is_told_by_the_whole_history() -> None:
    rows = lifecycle(trail(on_days(WORKED), since="2026-03-16"), period="week").table.to_pylist()
    assert [row["period"] for row in rows] == [date(2026, 3, 16), date(2026, 3, 23), date(2026, 3, 30)]
    assert states(rows) == [(0, 1, 0, 1, 1, 2), (0, 0, 1, 1, 1, 1), (1, 0, 0, 1, 1, 1)]


@settings(deadline=None, max_examples=6)
@given(st.integers(0, 10_000), st.sampled_from(["day", "week", "month"]))
def test_states_add_up(seed: int, period: Any) -> None:
    log = random_log(seed, acts=120)
    rows = lifecycle(log, period=period).table.to_pylist()
    assert sum(row["new"] for row in rows) == trail(log).counts.users
    for row in rows:
        assert row["new"] + row["returning"] + row["resurrecting"] == row["n_users"]
        assert row["returning"] + row["dormant"] == row["n_previous"]
    for before, now in itertools.pairwise(rows):
        assert now["n_previous"] == before["n_users"]


def weekly(shares: list[float], seed: int) -> list[tuple[str, float]]:
    """400 users, each active in a week with the chance of that week."""
    rng = np.random.default_rng(seed)
    acts = [(f"u{user}", week * 7 + 0.5) for week, share in enumerate(shares) for user in range(400) if rng.random() < share]
    return [*acts, ("last", len(shares) * 7 + 0.5)]


def test_a_drop_of_those_who_stay_is_found_and_none_where_there_is_none() -> None:
    for seed in range(3):
        (finding,) = lifecycle(on_days(weekly([0.6] * 6 + [0.3] * 6, seed)), period="week").findings
        assert "fewer than" in finding.text
        assert lifecycle(on_days(weekly([0.5] * 12, seed)), period="week").findings == ()


def test_little_or_nothing_to_go_by() -> None:
    one = lifecycle(on_days([("a", 0.5)]))
    assert states(one.table.to_pylist()) == [(1, 0, 0, 0, 1, 0)]
    assert any("no whole day" in warning for warning in one.meta["warnings"])
    assert lifecycle(trail(on_days(WORKED), users=["nobody"])).is_empty
    with pytest.raises(ConfigError, match="got 'year'"):
        lifecycle(on_days(WORKED), period="year")  # type: ignore[arg-type]
