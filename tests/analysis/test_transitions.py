"""Transitions: counts and lifts worked by hand, and tests that hold their level where users have habits."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import footpath as fp
from footpath.analysis.trail import trail
from footpath.analysis.transitions import OTHER, transitions
from footpath.errors import ConfigError
from footpath.events.log import EventLog

START = datetime(2026, 3, 2, 9)


def log_of(sequences: list[list[str]], users: list[str] | None = None) -> EventLog:
    """One sequence a user, a minute between acts; labels are in the context column `what`."""
    rows: dict[str, list[Any]] = {"user_id": [], "item_id": [], "timestamp": [], "what": []}
    for i, labels in enumerate(sequences):
        for minute, label in enumerate(labels):
            rows["user_id"].append(f"u{i:04}" if users is None else users[i])
            rows["item_id"].append("x")
            rows["timestamp"].append(START + timedelta(minutes=minute, microseconds=minute))
            rows["what"].append(label)
    return fp.read_events(pa.table(rows), zone="UTC")


def test_counts_probabilities_and_lifts_are_those_of_the_hand() -> None:
    # pairs: a→b 3, a→a 1, b→a 2; from a 4, from b 2; to a 3, to b 3
    result = transitions(log_of([["a", "b", "a", "b"], ["a", "a", "b", "a"]]), by="what")
    rows = {(row["from_label"], row["to_label"]): row for row in result.table.to_pylist()}
    assert {pair: row["n"] for pair, row in rows.items()} == {("a", "b"): 3, ("b", "a"): 2, ("a", "a"): 1}
    assert rows["a", "b"]["probability"] == 0.75
    assert rows["a", "b"]["expected"] == 2
    assert rows["a", "b"]["lift"] == 1.5
    assert rows["a", "b"]["n_users"] == 2
    assert rows["a", "b"]["p_value"] is None  # fewer than 30 users
    matrix = result.parts["matrix"].to_pylist()
    assert [row["n"] for row in matrix if (row["from_label"], row["to_label"]) == ("b", "b")] == [0]
    assert sum(row["expected"] for row in matrix) == pytest.approx(6)


def test_a_transition_is_within_a_session_unless_the_history_is_asked_for() -> None:
    rows = {"user_id": ["u", "u"], "item_id": ["x", "y"], "timestamp": [START, START + timedelta(hours=5)]}
    log = fp.read_events(pa.table(rows), zone="UTC")
    nothing = transitions(log)
    assert nothing.is_empty
    assert "no act is followed by another" in nothing.meta["warnings"][0]
    assert transitions(log, within="history").table["n"].to_pylist() == [1]


def robust(sequences: list[list[str]], a: str, b: str) -> float:
    """The variance of observed minus expected, summed over users one by one."""
    pairs = [list(itertools.pairwise(labels)) for labels in sequences]
    every = [pair for mine in pairs for pair in mine]
    share_a = np.mean([x == a for x, _ in every])
    share_b = np.mean([y == b for _, y in every])
    return float(sum(sum(((x == a) - share_a) * ((y == b) - share_b) for x, y in mine) ** 2 for mine in pairs))


def test_the_variance_is_that_of_users_one_by_one() -> None:
    rng = np.random.default_rng(1)
    sequences = [list(rng.choice(list("abc"), size=rng.integers(2, 20))) for _ in range(60)]
    for row in transitions(log_of(sequences), by="what").table.to_pylist():
        error = np.sqrt(robust(sequences, row["from_label"], row["to_label"])) / row["expected"]
        assert row["lift_high"] - row["lift"] == pytest.approx(1.959964 * error, rel=1e-6)


def test_the_test_holds_its_level_where_users_have_habits() -> None:
    rng = np.random.default_rng(2)
    alarms = []
    for _ in range(12):
        # each user's acts are independent; users differ in how long they stay, not in what they like
        sequences = [list(rng.choice(list("abcd"), size=rng.integers(2, 60))) for _ in range(80)]
        alarms += [row["p_value"] < 0.05 for row in transitions(log_of(sequences), by="what").table.to_pylist()]
    assert np.mean(alarms) < 0.09


def test_acts_that_follow_by_chance_raise_no_finding() -> None:
    rng = np.random.default_rng(3)
    assert transitions(log_of([list(rng.choice(list("abcd"), size=20)) for _ in range(100)]), by="what").findings == ()


def test_a_pair_that_goes_together_and_a_habit_of_repeating_are_found() -> None:
    rng = np.random.default_rng(4)
    sequences = []
    for _ in range(200):
        labels: list[str] = []
        while len(labels) < 12:
            label = str(rng.choice(list("abcd")))
            labels += ["a", "b"] if label == "a" and rng.random() < 0.7 else ["c"] * 4 if label == "c" and rng.random() < 0.8 else [label]
        sequences.append(labels)
    result = transitions(log_of(sequences), by="what")
    pair, repeat = result.findings
    assert pair.text.startswith("After a, b follows ")
    same = [x == y for labels in sequences for x, y in itertools.pairwise(labels)]
    assert result.cell("repeated").value == pytest.approx(np.mean(same))
    assert repeat.text.startswith(f"In {np.mean(same):.0%} [")
    assert repeat.text.zh.startswith("在 ")
    assert pair.text.zh.startswith("a 之后")
    for finding in result.findings:
        cell = result.cell(finding.cells[0])
        assert cell.low is not None
        assert cell.low > (1.2 if finding is pair else 0.3)
        assert not cell.is_small
    assert result.chart is not None
    links = result.chart["series"][0]["links"]
    assert "次" in links[0]["text"].zh


def test_rare_labels_are_counted_together_and_it_is_said() -> None:
    result = transitions(log_of([["a", "b", "a", "c", "a", "d"]]), by="what", max_labels=2, top=1)
    assert {row["from_label"] for row in result.table.to_pylist()} == {"a", "b", OTHER}
    assert any("2 most frequent" in warning for warning in result.meta["warnings"])
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        transitions(log_of([["a", "b"]]), top=0)


def test_the_chart_of_very_many_labels_leaves_the_rest_out_and_says_what_it_draws() -> None:
    result = transitions(log_of([["a", "b", "b", "a", "b", "c", "a", "d"]]), by="what", max_labels=2)
    assert result.chart is not None
    series = result.chart["series"][0]
    assert {node["name"] for node in series["data"]} == {"a", "b"}
    assert {(link["source"], link["target"]) for link in series["links"]} == {("a", "b"), ("b", "a"), ("b", "b")}
    assert "the 2 most frequent pairs of two labels and leaves (other) out: 57.1% of all transitions" in result.meta["definition"]
    assert "43% of all transitions begin or end there" in result.meta["warnings"][0]
    assert OTHER not in result.meta["warnings"][0].zh


def test_one_label_only_is_what_chance_expects() -> None:
    result = transitions(log_of([["a", "a", "a"]] * 40), by="what")
    row = result.table.to_pylist()[0]
    assert (row["lift"], row["p_value"], row["probability"]) == (1, None, 1)
    assert result.findings == ()
    assert result.chart is None


def test_hostile_names_and_nothing_left() -> None:
    names = ["</script>", "'\"; --", "‮عربى🛒"]
    log = log_of([names])
    rows = transitions(log, by="what").table.to_pylist()
    assert {(row["from_label"], row["to_label"]) for row in rows} == set(itertools.pairwise(names))
    assert transitions(trail(log, users=["nobody"])).is_empty
