"""Exploration against repeats: worked by hand, and against a naive count on random logs."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import footpath as fp
from footpath.analysis.exploration import NTH, exploration
from footpath.errors import NotInLogError
from footpath.events.log import EventLog

START = datetime(2026, 3, 2, 9)


def log_of(rows: list[tuple[str, str | None, float]], items: pd.DataFrame | None = None) -> EventLog:
    """Views of (user, item, hours after the start)."""
    frame = pd.DataFrame(
        {
            "user_id": [user for user, _, _ in rows],
            "item_id": [item for _, item, _ in rows],
            "event_type": "view",
            "event_id": [f"e{n}" for n in range(len(rows))],
            "timestamp": [START + timedelta(hours=hours) for _, _, hours in rows],
        }
    )
    return fp.read_events(frame, zone="UTC") if items is None else fp.read_events(frame, items=items, zone="UTC")


def naive(rows: list[tuple[str, str | None, float]]) -> dict[str, tuple[int, int]]:
    """(consumptions, repeats) of each class of nth."""
    counted: dict[str, tuple[int, int]] = {}
    histories: dict[str, list[str]] = {}
    for user, item, _ in rows:
        history = histories.setdefault(user, [])
        if item is None or (history and history[-1] == item):
            continue
        nth = len(history) + 1
        begin = 1
        for end in (*NTH, None):
            if end is None or nth <= end:
                name = f"{begin}+" if end is None else f"{end}" if end == begin else f"{begin}-{end}"
                break
            begin = end + 1
        n, repeats = counted.get(name, (0, 0))
        counted[name] = (n + 1, repeats + (item in history))
        history.append(item)
    return counted


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", "z", "w"])), min_size=1, max_size=60))
def test_repeats_are_those_of_a_naive_count(acts: list[tuple[str, str]]) -> None:
    rows: list[tuple[str, str | None, float]] = [(user, item, float(n)) for n, (user, item) in enumerate(acts)]
    table = exploration(log_of(rows)).table.to_pylist()
    assert {row["nth"]: (row["n"], row["n_repeats"]) for row in table} == naive(rows)


def test_acts_in_a_row_on_one_item_are_one_consumption() -> None:
    found = exploration(log_of([("a", "x", 0), ("a", "x", 1), ("a", "y", 2), ("a", "x", 50)]))
    assert found.table["n"].to_pylist() == [1, 1, 1]
    assert found.table["n_repeats"].to_pylist() == [0, 0, 1]
    since = {row["since_last"]: row["n_repeats"] for row in found.parts["since_last"].to_pylist()}
    # from the first act of x, 50 hours before
    assert since["1 to 7 days"] == 1
    assert sum(since.values()) == 1


def test_new_categories_are_counted_where_items_have_some() -> None:
    items = pd.DataFrame({"item_id": ["x", "y", "z"], "category": ["shoes", "shoes", "hats"]})
    found = exploration(log_of([("a", "x", 0), ("a", "y", 1), ("a", "z", 2)], items)).parts["categories"]
    assert found["n_new"].to_pylist() == [1, 0, 1]


def test_users_who_come_back_to_what_they_know_are_found_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    settled: list[tuple[str, str | None, float]] = []
    even: list[tuple[str, str | None, float]] = []
    for k in range(60):
        for n in range(30):
            settled.append((f"u{k:02}", f"i{n}" if n < 15 else f"i{rng.integers(15)}", float(n)))
            even.append((f"u{k:02}", f"i{n}", float(n)))
    found = exploration(log_of(settled))
    assert "more" in found.findings[0].text
    assert "更多" in found.findings[0].text.zh  # type: ignore[attr-defined]
    change = found.cell("change")
    assert change.low is not None
    assert change.low > 0.5
    assert found.parts["users"].num_rows == 60
    assert exploration(log_of(even)).findings == ()


def test_a_log_without_items_is_told_so() -> None:
    with pytest.raises(NotInLogError, match="needs items"):
        exploration(log_of([("a", None, 0.0), ("b", None, 1.0)]))


def test_one_act_and_acts_of_one_moment_have_an_answer_without_gaps() -> None:
    for rows in ([("a", "x", 0.0)], [("a", "x", 0.0), ("a", "y", 0.0), ("a", "x", 0.0)]):
        found = exploration(log_of(rows))
        assert not found.is_empty
        assert found.findings == ()
        assert found.chart is not None


def test_without_a_clock_time_is_counted_in_consumptions() -> None:
    frame = pd.DataFrame({"user_id": ["a"] * 3, "item_id": ["x", "y", "x"], "position": [1, 2, 3]})
    found = exploration(fp.read_events(frame)).parts["since_last"]
    assert found["since_last"][0].as_py() == "1 to 5 consumptions"
    assert found["n_repeats"].to_pylist() == [1, 0, 0, 0, 0]


def test_the_query_is_given_for_other_engines() -> None:
    found = exploration(log_of([("a", "x", 0.0), ("a", "y", 1.0)]))
    for dialect in ("duckdb", "spark", "postgres"):
        for query in found.queries:
            assert "SELECT" in found.sql(dialect, query=query)
