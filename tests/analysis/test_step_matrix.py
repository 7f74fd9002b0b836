"""The step matrix, worked by hand; that it reconciles with paths stands in test_paths.py."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pytest

import footpath as fp
from footpath.analysis.step_matrix import step_matrix
from footpath.analysis.trail import trail
from footpath.errors import ConfigError
from footpath.events.log import EventLog

START = datetime(2026, 3, 2, 9)


def log_of(sequences: dict[str, list[str]]) -> EventLog:
    rows = [(user, label, START + timedelta(minutes=k)) for user, labels in sequences.items() for k, label in enumerate(labels)]
    users, labels, times = zip(*rows, strict=True)
    return fp.read_events(pa.table({"user_id": users, "event_type": labels, "timestamp": times}), columns={"item_id": "-"}, zone="UTC")


LOG = {"a": ["view", "cart", "purchase"], "b": ["view", "view"], "c": ["view"], "d": ["search", "view", "view"]}


def test_each_step_sums_to_one_with_those_who_have_left() -> None:
    result = step_matrix(log_of(LOG))
    shares = {(row["step"], row["label"]): row["share"] for row in result.table.to_pylist()}
    assert (shares[0, "view"], shares[0, "search"], shares[0, "(ended)"]) == (0.75, 0.25, 0)
    assert (shares[1, "view"], shares[1, "cart"], shares[1, "(ended)"]) == (0.5, 0.25, 0.25)
    assert shares[2, "(ended)"] == 0.5
    for step in range(3):
        assert sum(share for (at, _), share in shares.items() if at == step) == pytest.approx(1)
    assert set(result.table["n_sessions"].to_pylist()) == {4}
    assert result.cell("step2.ended").value == 0.5


def test_rare_labels_are_other_and_late_steps_are_left_out() -> None:
    result = step_matrix(log_of(LOG), top=1, max_steps=2)
    assert set(result.table["label"].to_pylist()) == {"view", "(other)", "(ended)"}
    assert set(result.table["step"].to_pylist()) == {0, 1}
    assert result.chart is not None
    assert result.chart["yAxis"]["data"][-1].zh == "（已结束）"


def test_the_whole_history_is_one_session_where_it_is_asked_for() -> None:
    rows = {"user_id": ["u"] * 2, "event_type": ["view", "cart"], "timestamp": [START, START + timedelta(days=1)]}
    log = fp.read_events(pa.table(rows), columns={"item_id": "-"}, zone="UTC")
    assert set(step_matrix(log).table["step"].to_pylist()) == {0}
    history = step_matrix(log, within="history")
    assert set(history.table["step"].to_pylist()) == {0, 1}
    assert set(history.table["n_sessions"].to_pylist()) == {1}


def test_options_and_emptiness() -> None:
    log = log_of(LOG)
    with pytest.raises(ConfigError, match="max_steps must be at least 1, got 0"):
        step_matrix(log, max_steps=0)
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        step_matrix(log, top=0)
    assert step_matrix(trail(log, users=["nobody"])).is_empty
