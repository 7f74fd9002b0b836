"""Paths: worked by hand, and reconciled with transitions, the step matrix and a naive version on random logs."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import footpath as fp
from footpath.analysis.paths import ENDED, OTHER, paths
from footpath.analysis.step_matrix import step_matrix
from footpath.analysis.trail import trail
from footpath.analysis.transitions import transitions
from footpath.errors import ConfigError
from footpath.events.log import EventLog
from footpath.result import Result

START = datetime(2026, 3, 2, 9)
TYPES = ("view", "cart", "purchase", "search")


def log_of(sessions: dict[str, list[list[str]]]) -> EventLog:
    """Acts of each user's sessions, a minute apart; sessions are two hours apart. Labels are held in a context column `what`."""
    rows: dict[str, list[Any]] = {"user_id": [], "event_type": [], "timestamp": [], "what": []}
    for user, mine in sessions.items():
        for number, labels in enumerate(mine):
            for minute, label in enumerate(labels):
                rows["user_id"].append(user)
                rows["event_type"].append(label if label in TYPES else "other")
                rows["timestamp"].append(START + timedelta(hours=2 * number, minutes=minute))
                rows["what"].append(label)
    return fp.read_events(pa.table(rows), columns={"item_id": "-"}, zone="UTC")


SESSIONS = {
    "a": [["search", "view", "view", "cart", "purchase"], ["view"]],
    "b": [["view", "cart"], ["view", "view", "cart"]],
    "c": [["search", "search", "view"], ["cart", "view", "cart", "purchase"]],
}


@pytest.fixture(scope="module")
def log() -> EventLog:
    return log_of(SESSIONS)


def shown(result: Result) -> list[tuple[str, int]]:
    return [(row["path"], row["n"]) for row in result.table.to_pylist()]


def test_repeats_in_a_row_are_one_step_unless_they_are_asked_for(log: EventLog) -> None:
    assert shown(paths(log)) == [
        ("view → cart", 2),
        ("cart → view → cart → purchase", 1),
        ("search → view", 1),
        ("search → view → cart → purchase", 1),
        ("view", 1),
    ]
    assert ("search → search → view", 1) in shown(paths(log, collapse_repeats=False))


def test_the_rest_is_other_and_the_covered_share_adds_up(log: EventLog) -> None:
    result = paths(log, top=2)
    assert shown(result) == [("view → cart", 2), ("cart → view → cart → purchase", 1), ("(other)", 3)]
    assert result.table["covered"].to_pylist() == pytest.approx([2 / 6, 3 / 6, 1])
    assert result.cell("covered").value == 0.5
    assert result.cell("distinct_paths").value == 5


def test_paths_from_an_act_begin_at_its_first_time(log: EventLog) -> None:
    result = paths(log, start="cart")
    assert shown(result) == [("cart", 2), ("cart → purchase", 1), ("cart → view → cart → purchase", 1)]
    assert (result.cell("sessions").value, result.cell("anchored").value) == (4, pytest.approx(4 / 6))


def test_paths_to_an_act_are_the_last_steps_before_its_first_time(log: EventLog) -> None:
    result = paths(log, end="cart", max_steps=2)
    assert shown(result) == [("view → cart", 3), ("cart", 1)]
    assert result.chart is not None
    nodes = {node["name"] for node in result.chart["series"][0]["data"]}
    assert nodes == {"0:view", "1:cart"}


def test_paths_between_two_acts_end_at_the_first_end_after_the_first_start(log: EventLog) -> None:
    assert shown(paths(log, start="view", end="purchase")) == [("view → cart → purchase", 2)]
    assert shown(paths(log, start="view", end="purchase", max_steps=2)) == [("view → cart → …", 2)]
    assert shown(paths(log, start="cart", end="cart")) == [("cart → view → cart", 1)]


def test_only_sessions_that_begin_or_end_so(log: EventLog) -> None:
    assert shown(paths(log, start="cart", edges_only=True)) == [("cart → view → cart → purchase", 1)]
    assert shown(paths(log, end="cart", edges_only=True)) == [("view → cart", 2)]
    assert shown(paths(log, start="view", end="cart", edges_only=True)) == [("view → cart", 2)]
    with pytest.raises(ConfigError, match="edges_only needs a start or an end"):
        paths(log, edges_only=True)


def test_the_nodes_of_the_sankey_carry_their_step_so_that_it_has_no_cycle(log: EventLog) -> None:
    result = paths(log)
    assert result.chart is not None
    series = result.chart["series"][0]
    names = [node["name"] for node in series["data"]]
    assert names[0] == "0:cart"
    assert len(names) == len(set(names))
    for link in series["links"]:
        assert int(link["target"].split(":")[0]) == int(link["source"].split(":")[0]) + 1
        assert {link["source"], link["target"]} <= set(names)
    first = [row for row in result.parts["links"].to_pylist() if row["step"] == 0]
    assert sum(row["n"] for row in first) == 6
    assert sum(row["share"] for row in first) == pytest.approx(1)


def test_an_anchor_that_never_occurs_says_so(log: EventLog) -> None:
    result = paths(log, start="vew")
    assert result.is_empty
    assert "no act is called 'vew'; did you mean 'view'?" in result.meta["warnings"][0]
    never = paths(log, start="purchase", end="search")
    assert never.is_empty
    assert never.meta["warnings"] == ["no session has such a path"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_steps": 1}, "at least 2 and at most 100, got 1"),
        ({"top": 0}, "at least 1, got 0"),
        ({"within": "sesion"}, "did you mean 'session'"),
    ],
)
def test_options_that_cannot_be_are_named(log: EventLog, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        paths(log, **options)


def test_hostile_names_are_labels_as_any_other() -> None:
    names = ["</script>", "a → b", "'\"; --", "‮عربى🛒"]
    result = paths(log_of({"a": [names]}), by="what")
    assert result.table["labels"].to_pylist() == [names]
    assert result.queries["paths"].to_pyarrow().num_rows == 1


def test_many_paths_of_their_own_are_doubted() -> None:
    sessions = {f"u{i}": [[f"x{i}", f"y{i}"]] for i in range(60)}
    result = paths(log_of(sessions), by="what")
    assert "The 10 most frequent of 60 paths cover only 17% of 60 sessions" in result.findings[0].text
    assert "60 条路径" in result.findings[0].text.zh


def test_very_many_labels_are_shown_as_bars_of_the_most_frequent_paths_and_it_is_said_why() -> None:
    sessions = {f"u{i}": [[f"x{i % 30}", f"y{i}"]] for i in range(60)}
    result = paths(log_of(sessions), by="what", top=3)
    assert result.chart is not None
    assert result.chart["series"][0]["type"] == "bar"
    assert result.chart["yAxis"]["data"] == [row["path"] for row in result.table.to_pylist()[:3]]
    steps = result.parts["links"].to_pylist()
    named = sum(row["n"] for row in steps if row["from_label"] != OTHER) / sum(row["n"] for row in steps)
    assert f"the 3 most frequent labels are only {named:.1%} of the steps" in result.meta["definition"]
    assert "不足以画出步骤之间的流向" in result.meta["definition"].zh


def test_one_label_has_no_picture_of_steps() -> None:
    result = paths(log_of({f"u{i}": [["view", "view"], ["view"]] for i in range(40)}))
    assert shown(result) == [("view", 80)]
    assert result.chart is None


def test_one_act_is_a_path_without_a_picture_of_steps() -> None:
    result = paths(log_of({"a": [["view"]]}))
    assert shown(result) == [("view", 1)]
    nothing = paths(trail(log_of({"a": [["view"]]}), event_types=["cart"]))
    assert nothing.is_empty
    assert nothing.meta["warnings"] == ["no acts are left after the filters"]


random_sessions = st.dictionaries(
    st.sampled_from("abcdefgh"), st.lists(st.lists(st.sampled_from(TYPES), min_size=1, max_size=9), min_size=1, max_size=4), min_size=1
)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(random_sessions)
def test_paths_transitions_and_step_matrix_reconcile_with_each_other_and_with_a_naive_count(sessions: dict[str, list[list[str]]]) -> None:
    made = trail(log_of(sessions))
    flat = [labels for mine in sessions.values() for labels in mine]
    collapsed = [[label for k, label in enumerate(labels) if k == 0 or labels[k - 1] != label] for labels in flat]

    found = paths(made, max_steps=3, top=10_000).table.to_pylist()
    assert {tuple(row["labels"]): row["n"] for row in found} == Counter(tuple(labels[:3]) for labels in collapsed)

    pairs = transitions(made).table.to_pylist()
    expected = Counter(pair for labels in flat for pair in itertools.pairwise(labels))
    assert {(row["from_label"], row["to_label"]): row["n"] for row in pairs} == expected
    assert sum(row["n"] for row in pairs) == made.counts.acts - made.counts.sessions

    matrix = {(row["step"], row["label"]): row["n"] for row in step_matrix(made, max_steps=4).table.to_pylist()}
    for step in range(4):
        if step < max(map(len, flat)):
            here = Counter(labels[step] if step < len(labels) else ENDED for labels in flat)
            assert {label: n for (at, label), n in matrix.items() if at == step and n} == here

    two = paths(made, max_steps=2, top=10_000, collapse_repeats=False).table.to_pylist()
    for label in TYPES:
        assert sum(row["n"] for row in two if row["labels"][0] == label) == matrix.get((0, label), 0)
        assert sum(row["n"] for row in two if row["labels"][1:] == [label]) == matrix.get((1, label), 0)

    links = paths(made, max_steps=3, collapse_repeats=False).parts["links"].to_pylist()
    for row in links:
        at = Counter((labels[row["step"]], [*labels, ENDED][row["step"] + 1]) for labels in flat if len(labels) > row["step"])
        assert row["n"] == at[row["from_label"], row["to_label"]]


def naive_between(labels: list[str], start: str, end: str) -> list[str] | None:
    if start not in labels:
        return None
    rest = labels[labels.index(start) :]
    return rest[: rest.index(end, 1) + 1] if end in rest[1:] else None


@settings(max_examples=6, deadline=None, derandomize=True)
@given(random_sessions, st.sampled_from(TYPES[:2]), st.sampled_from(TYPES[:2]))
def test_paths_between_two_acts_are_the_naive_ones(sessions: dict[str, list[list[str]]], start: str, end: str) -> None:
    cut = [naive_between(labels, start, end) for mine in sessions.values() for labels in mine]
    expected = Counter(tuple(labels) for labels in cut if labels)
    present = {label for mine in sessions.values() for labels in mine for label in labels}
    result = paths(log_of(sessions), start=start, end=end, max_steps=9, top=10_000, collapse_repeats=False)
    if not expected or not {start, end} <= present:
        assert result.is_empty
    else:
        assert {tuple(row["labels"]): row["n"] for row in result.table.to_pylist()} == expected
