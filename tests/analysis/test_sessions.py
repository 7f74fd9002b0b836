"""Sessions: figures worked by hand, gaps against cutting anew, and logs without a clock or with days only."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import footpath as fp
from footpath.analysis.sessions import sessions
from footpath.analysis.trail import trail
from footpath.errors import ConfigError, NotInLogError
from tests.analysis.logs_by_hand import MONDAY, log_of, on_days, random_log


def at(*minutes: float) -> list[tuple[str, object]]:
    return [("ann", MONDAY + timedelta(minutes=m)) for m in minutes]


def test_lengths_durations_and_bounces_are_those_of_the_hand() -> None:
    # ann: a session of 3 acts in 20 minutes, one of one act; bob: one of 2 acts in 5 minutes
    acts = [*at(0, 10, 20, 100), ("bob", MONDAY + timedelta(minutes=7)), ("bob", MONDAY + timedelta(minutes=12))]
    result = sessions(log_of(acts))  # type: ignore[arg-type]
    rows = {row["measure"]: row for row in result.table.to_pylist()}
    assert result.cell("sessions").value == 3
    assert result.cell("bounce.share").value == pytest.approx(1 / 3)
    assert (rows["length"]["mean"], rows["length"]["p50"], rows["length"]["max"]) == (2.0, 2.0, 3.0)
    assert (rows["duration"]["mean"], rows["duration"]["p50"], rows["duration"]["max"]) == (500.0, 300.0, 1200.0)
    assert (rows["per_user"]["mean"], rows["per_user"]["n"]) == (1.5, 2)
    assert rows["per_day"]["mean"] == 3
    gaps = {row["gap_minutes"]: row for row in result.parts["gaps"].to_pylist()}
    assert [gaps[g]["n_sessions"] for g in (5, 15, 30, 60, 120)] == [5, 3, 3, 3, 2]
    assert gaps[5]["bounces"] == 4


@settings(deadline=None, max_examples=2)
@given(st.integers(0, 10_000))
def test_the_gaps_are_what_cutting_anew_gives(seed: int) -> None:
    log = random_log(seed, users=4, acts=200, days=2)
    found = sessions(log).parts["gaps"].to_pylist()
    for row in found:
        cut = sessions(log, gap_minutes=row["gap_minutes"])
        assert row["n_sessions"] == cut.cell("sessions").value == trail(log, gap_minutes=row["gap_minutes"]).counts.sessions
        assert row["bounce_share"] == pytest.approx(cut.cell("bounce.share").value)
        assert sum(cut.parts["days"]["n_sessions"].to_pylist()) == row["n_sessions"]


def test_the_interval_of_bounces_is_over_users() -> None:
    rng = np.random.default_rng(1)
    acts = []
    for user in range(60):
        bouncer = rng.random() < 0.5
        for day in range(10):
            acts += [(f"u{user}", day + 0.5)] + ([] if bouncer else [(f"u{user}", day + 0.501)])
    cell = sessions(on_days(acts)).cell("bounce.share")
    assert cell.n == 600
    assert cell.low is not None
    assert cell.high is not None
    # users bounce always or never, so 600 sessions are worth no more than 60
    assert cell.high - cell.low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 60), rel=0.1)


def test_many_bounces_and_a_number_that_hangs_on_the_gap_are_said() -> None:
    acts = [(f"u{i}", i / 50 + 0.01 * k) for i in range(300) for k in range(4)]  # pauses of 14.4 minutes
    result = sessions(on_days(acts), gap_minutes=10)
    (bounces,) = result.findings  # at 15 minutes and above all pauses are within, so the gap is no doubt
    assert bounces.text.startswith("100% of 1,200 sessions end after a single act")
    far = [(f"u{i}", i / 50 + 0.02 * k) for i in range(300) for k in range(4)]  # 28.8 minutes
    kinds = [finding.kind for finding in sessions(on_days(far)).findings]
    assert kinds == ["doubt"]


def test_a_log_of_days_has_no_durations_and_says_so() -> None:
    log = log_of([("a", MONDAY + timedelta(days=k)) for k in range(5)])
    result = sessions(log)
    assert {row["measure"] for row in result.table.to_pylist()} == {"length", "per_user", "per_day"}
    assert "gaps" not in result.parts
    assert "knows days only" in result.meta["warnings"][0]
    assert result.findings == ()


def test_a_log_without_a_clock_has_sessions_by_its_ids_or_none() -> None:
    rows = {"user_id": ["a", "a", "b"], "item_id": ["x", "y", "z"], "session_id": ["1", "1", "2"], "position": [1, 2, 1]}
    result = sessions(fp.read_events(pa.table(rows)))
    assert result.cell("sessions").value == 2
    assert set(result.parts) == {"lengths"}
    with pytest.raises(NotInLogError, match="neither session ids nor a clock"):
        sessions(fp.read_events(pa.table({k: v for k, v in rows.items() if k != "session_id"})))


def test_one_event_identical_times_bad_options_and_nothing_left() -> None:
    one = on_days([("a", 0.5)])
    result = sessions(one)
    assert result.cell("length.mean").value == 1
    assert result.cell("length.mean").low is None
    same = log_of([("a", MONDAY + timedelta(hours=3))] * 3, items=["x", "y", "z"])
    assert sessions(same).cell("duration.mean").value == 0
    with pytest.raises(ConfigError, match=r"each of gaps must be at least one second .*got 0"):
        sessions(one, gaps=(5, 0))
    assert sessions(trail(one, users=["nobody"])).is_empty
    for dialect in ("duckdb", "spark", "postgres"):
        assert "SELECT" in result.sql(dialect)
