"""Frequency: counts and shares worked by hand, intervals, hostile names, logs without items."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import footpath as fp
from footpath.analysis.frequency import frequency
from footpath.analysis.trail import trail
from footpath.events.log import EventLog
from footpath.statistics import gini


def log_of(pairs: list[tuple[str, str | None]]) -> EventLog:
    rows = {
        "user_id": pa.array([user for user, _ in pairs], pa.string()),
        "item_id": pa.array([item for _, item in pairs], pa.string()),
        "position": pa.array(range(len(pairs))),
    }
    return fp.read_events(pa.table(rows), columns={"timestamp": "-"})


def test_counts_shares_and_emptiness_are_those_of_the_hand() -> None:
    pairs = [("a", "x"), ("a", "x"), ("a", "y"), ("b", "x"), ("c", "z"), ("c", None)]
    result = frequency(log_of(pairs))
    rows = [(row["label"], row["n"], row["n_users"], row["cumulative_share"]) for row in result.table.to_pylist()]
    assert rows == [("x", 3, 2, 0.6), ("y", 1, 1, 0.8), ("z", 1, 1, 1.0)]
    assert result.cell("gini").value == pytest.approx(gini([3, 1, 1]))
    assert result.cell("half.labels").value == 1
    assert result.cell("sparsity").value == pytest.approx(1 - 4 / 9)
    assert result.cell("labels_once.share").value == pytest.approx(2 / 3)
    assert result.cell("once.share").value == pytest.approx(1 / 3)  # b; c has an act without an item besides
    assert "1 acts name no item" in result.meta["warnings"][0]


@settings(deadline=None, max_examples=6)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("uvwxyz")), min_size=1, max_size=60))
def test_counts_are_those_of_a_naive_count(pairs: list[tuple[str, str]]) -> None:
    result = frequency(log_of(list(pairs)), resamples=5)
    counts = {item: sum(other == item for _, other in pairs) for _, item in pairs}
    assert {row["label"]: row["n"] for row in result.table.to_pylist()} == counts
    assert result.cell("gini").value == pytest.approx(gini(list(counts.values())), abs=1e-12)
    lorenz = result.parts["lorenz"].to_pylist()
    assert lorenz[0] == {"label_share": 0, "act_share": 0}
    assert lorenz[-1] == {"label_share": 1, "act_share": 1}


def test_a_long_tail_is_found_and_an_even_log_raises_none() -> None:
    rng = np.random.default_rng(1)
    weights = 1 / np.arange(1, 301) ** 1.2
    long = [(f"u{user}", f"i{item}") for user in range(200) for item in rng.choice(300, 25, p=weights / weights.sum())]
    result = frequency(log_of(long))
    (finding,) = result.findings
    top = result.cell("top1.share")
    assert top.low is not None
    assert top.low < top.value < (top.high or 0)  # type: ignore[operator]
    assert f"{top.value:.1%}" in finding.text
    assert "前 1%" in finding.text.zh  # type: ignore[attr-defined]
    even = [(f"u{user}", f"i{item}") for user in range(200) for item in rng.choice(300, 25)]
    assert frequency(log_of(even)).findings == ()


def test_the_same_seed_gives_the_same_interval_and_users_of_one_act_are_found() -> None:
    pairs = [(f"u{i}", f"i{i % 7}") for i in range(100)]
    first, second = frequency(log_of(pairs)), frequency(log_of(pairs))
    assert first.cell("gini") == second.cell("gini")
    assert first.findings[0].text.startswith("100.0% of 100 users act only once")


def test_without_items_it_is_the_events_that_are_counted() -> None:
    log = fp.read_events(
        pa.table({"user_id": ["a", "a", "b"], "event_type": ["search", "search", "login"], "position": [0, 1, 2]}),
        columns={"item_id": "-", "timestamp": "-"},
    )
    result = frequency(log)
    assert [(row["label"], row["n"]) for row in result.table.to_pylist()] == [("search", 2), ("other", 1)]
    assert frequency(log, by="event_type").table == result.table


def test_hostile_names_and_nothing_left() -> None:
    names = ["</script>", "'\"; --", "‮عربى🛒", ""]
    log = log_of([("a", name) for name in names[:3]])
    assert sorted(row["label"] for row in frequency(log).table.to_pylist()) == sorted(names[:3])
    assert frequency(trail(log, users=["nobody"])).is_empty
    assert frequency(log_of([("a", "x")])).cell("gini").value == 0
    for dialect in ("duckdb", "spark", "postgres"):
        assert "SELECT" in frequency(log).sql(dialect)
