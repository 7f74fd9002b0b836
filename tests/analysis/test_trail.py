"""The metric layer: what is counted, how it is named, where a session ends."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

import footpath as fp
from footpath.analysis.trail import ACT_COLUMNS, main_categories, trail
from footpath.analysis.transitions import transitions
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog
from footpath.sequences.sessions import sessionize

START = datetime(2026, 3, 2, 9)


def log_of(rows: list[tuple[str, str | None, str, float]], **more: list[object]) -> EventLog:
    """Acts of (user, item, type, minutes after the start)."""
    frame = pd.DataFrame(
        {
            "user_id": [user for user, _, _, _ in rows],
            "item_id": [item for _, item, _, _ in rows],
            "event_type": [kind for _, _, kind, _ in rows],
            "timestamp": [START + timedelta(minutes=minutes) for _, _, _, minutes in rows],
            **more,
        }
    )
    return fp.read_events(frame, zone="UTC")


def test_a_pause_longer_than_the_gap_ends_a_session_and_one_as_long_does_not() -> None:
    log = log_of([("a", "x", "view", 0), ("a", "y", "view", 30), ("a", "z", "view", 60.02), ("b", "x", "cart", 1)])
    rows = trail(log).acts.order_by("user_id", "position").to_pyarrow().to_pylist()
    assert [(row["user_id"], row["session"], row["step"]) for row in rows] == [("a", 0, 0), ("a", 0, 1), ("a", 1, 0), ("b", 0, 0)]


def test_sessions_are_those_of_sessionize_on_random_logs() -> None:
    rng = np.random.default_rng(3)
    rows = [(f"u{rng.integers(9)}", f"i{rng.integers(20)}", "view", float(rng.integers(0, 6_000)) / 4) for _ in range(500)]
    log = log_of(rows)
    data, sessions = sessionize(log, 20)
    expected = {
        user: (sessions[a:b] - sessions[a]).tolist() for user, a, b in zip(data.users, data.offsets[:-1], data.offsets[1:], strict=True)
    }
    found: dict[str, list[int]] = {}
    for row in trail(log, gap_minutes=20).acts.order_by("user_id", "position").to_pyarrow().to_pylist():
        found.setdefault(row["user_id"], []).append(row["session"])
    assert found == {str(user): rows for user, rows in expected.items()}


def test_session_ids_of_the_log_are_kept_also_where_two_visits_interleave() -> None:
    rows = [("a", "x", "view", 0), ("a", "y", "view", 1), ("a", "z", "view", 2), ("a", "w", "view", 3)]
    log = log_of(rows, session_id=["late", "phone", "late", "phone"])
    made = trail(log).acts.order_by("position").to_pyarrow().to_pylist()
    assert [(row["session"], row["step"]) for row in made] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert "session ids" in trail(log).session_rule


def test_without_sessions_the_acts_of_a_user_are_one_sequence() -> None:
    log = log_of([("a", "x", "view", 0), ("a", "y", "cart", 90), ("b", "x", "view", 1), ("a", "z", "view", 200)])
    made = trail(log, sessions=False)
    rows = made.acts.order_by("user_id", "position").to_pyarrow().to_pylist()
    assert [(row["user_id"], row["session"], row["step"]) for row in rows] == [("a", 0, 0), ("a", 0, 1), ("a", 0, 2), ("b", 0, 0)]
    assert not made.has_sessions
    assert transitions(made).table.equals(transitions(trail(log), within="history").table)
    with pytest.raises(ConfigError, match="leave that out"):
        made.need_sessions("counting sessions")
    with pytest.raises(ConfigError, match="contradict"):
        trail(log, sessions=False, gap_minutes=20)


def test_a_trail_made_anew_keeps_whether_it_has_sessions_unless_a_gap_is_asked_for() -> None:
    log = log_of([("a", "x", "view", 0), ("a", "y", "cart", 90)])
    made = trail(log, sessions=False)
    assert not trail(made, users=["a"]).has_sessions
    assert trail(made, gap_minutes=60).counts.sessions == 2
    assert trail(trail(log, gap_minutes=60), sessions=False).counts.sessions == 1


def test_impressions_are_not_acts_unless_they_are_asked_for() -> None:
    log = log_of([("a", "x", "impression", 0), ("a", "x", "click", 1), ("b", "y", "impression", 2)])
    assert trail(log).counts.acts == 1
    assert trail(log, event_types=["impression", "click"]).counts.acts == 3


def test_steps_are_named_by_type_else_by_category_else_by_item() -> None:
    typed = log_of([("a", "x", "view", 0), ("a", "x", "cart", 1)])
    assert trail(typed).by == ("event_type",)
    one_type = [("a", "x", "view", 0.0), ("a", "y", "view", 1.0)]
    assert trail(log_of(one_type)).by == ("item_id",)
    items = pd.DataFrame({"item_id": ["x", "y"], "category": ["Shoes|Red", "Hats|Blue"]})
    frame = log_of(one_type).table.select("user_id", "item_id", "event_type", "timestamp").to_pyarrow()
    log = fp.read_events(frame, items=items, zone="UTC")
    made = trail(log)
    assert made.by == ("category",)
    assert made.acts.order_by("position").label.to_pyarrow().to_pylist() == ["Shoes", "Hats"]
    both = trail(made, by=["event_type", "category"])
    assert both.acts.order_by("position").label.to_pyarrow().to_pylist() == ["view / Shoes", "view / Hats"]


def test_a_comma_in_few_categories_does_not_split_the_others() -> None:
    items = pd.DataFrame({"item_id": ["x", "y", "z"], "category": ["Home, garden", "Hats", "Shoes"]})
    log = fp.read_events(
        pd.DataFrame({"user_id": ["a"], "item_id": ["x"], "event_type": ["view"], "timestamp": [START]}), items=items, zone="UTC"
    )
    found = main_categories(log)
    assert found is not None
    assert sorted(found.to_pyarrow()["category"].to_pylist()) == ["Hats", "Home, garden", "Shoes"]


def test_a_window_keeps_its_first_moment_and_leaves_out_its_last() -> None:
    log = log_of([("a", "x", "view", minutes) for minutes in (0, 60, 120)])
    made = trail(log, since="2026-03-02T10:00", until="2026-03-02T11:00")
    assert made.counts.acts == 1
    assert "since 2026-03-02T10:00" in made.population


def test_segments_come_from_the_user_table_or_from_the_first_act() -> None:
    rows = [("a", "x", "view", 0.0), ("a", "y", "view", 1.0), ("b", "y", "view", 2.0)]
    log = log_of(rows, channel=["web", "app", None])
    found = trail(log).segments("channel").to_pyarrow().to_pylist()
    assert sorted((row["user_id"], row["segment"]) for row in found) == [("a", "web"), ("b", "none")]
    with pytest.raises(NotInLogError, match=r"'chanel'.*did you mean 'channel'"):
        trail(log).segments("chanel")


def test_every_row_has_what_analyses_count_on() -> None:
    assert set(ACT_COLUMNS) <= set(trail(log_of([("a", "x", "view", 0)])).acts.columns)


def test_what_a_log_lacks_is_said_with_what_to_do() -> None:
    ordered = fp.read_events(pd.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "y"], "position": [0, 1]}))
    made = trail(ordered)
    assert not made.has_sessions
    assert made.counts.sessions == 1
    for need in (made.need_clock, made.need_sessions):
        with pytest.raises(NotInLogError, match="retention needs"):
            need("retention")
    with pytest.raises(NotInLogError, match=r"'cart'.*there are: other"):
        made.need_types("a funnel", ["cart"])
    with pytest.raises(NotInLogError, match="has none"):
        trail(ordered, gap_minutes=10)
    with pytest.raises(ConfigError, match=r"'views'.*did you mean 'view'"):
        trail(ordered, event_types=["views"])
    with pytest.raises(ConfigError, match=r"gap_minutes must be at least one second.*got 0"):
        trail(log_of([("a", "x", "view", 0)]), gap_minutes=0)
    with pytest.raises(ConfigError, match="'yesterday'"):
        trail(log_of([("a", "x", "view", 0)]), since="yesterday")


def test_nothing_left_after_a_filter_is_an_empty_result_that_says_so() -> None:
    made = trail(log_of([("a", "x", "view", 0)]), event_types=["cart"])
    result = made.nothing("funnel", "shares", "no act is left")
    assert made.counts.acts == 0
    assert result.is_empty
    assert result.meta["warnings"] == ["no act is left"]
    assert result.table.num_rows == 0
