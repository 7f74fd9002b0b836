"""One user's trail: repeats, sessions, a planted change of interest, next steps as transitions counts them."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

import footpath as fp
from footpath.analysis.trail import trail
from footpath.analysis.transitions import transitions
from footpath.analysis.user import user_timeline
from footpath.errors import DataError
from tests.analysis.logs_by_hand import MONDAY, log_of, on_days, random_log


def test_repeats_and_sessions_are_those_of_the_hand() -> None:
    minutes = (0, 5, 10, 100, 104)
    acts = [("ann", MONDAY + timedelta(minutes=m)) for m in minutes] + [("bob", MONDAY)]
    log = log_of(acts, items=["x", "y", "x", None, "y", "z"], types=["view", "view", "cart", "search", "view", "view"])
    result = user_timeline(log, "ann")
    assert result.table["repeat"].to_pylist() == [False, False, True, None, True]
    assert (result.cell("repeat.share").value, result.cell("repeat.share").n) == (0.5, 4)
    assert [(row["acts"], row["seconds"], row["items"]) for row in result.parts["sessions"].to_pylist()] == [(3, 600.0, 2), (2, 240.0, 1)]
    assert result.cell("last.label").value == "view"
    assert result.cell("ends.share").value == pytest.approx(2 / 4)  # of four views one ends a session of ann's, one is bob's only act
    assert sum(result.parts["categories"]["n"].to_pylist()) == 5


def test_next_steps_are_those_of_transitions() -> None:
    log = random_log(4, users=5, acts=300, days=3)
    result = user_timeline(log, "u01")
    last = result.cell("last.label").value
    expected = {row["to_label"]: row for row in transitions(log).table.to_pylist() if row["from_label"] == last}
    found = {row["label"]: row for row in result.parts["next_steps"].to_pylist()}
    assert set(found) == set(expected)
    for label, row in found.items():
        assert (row["n"], row["n_from"], row["n_users"]) == tuple(expected[label][name] for name in ("n", "n_from", "n_users"))
        assert row["probability"] == pytest.approx(expected[label]["probability"])
        assert row["low"] == pytest.approx(expected[label]["low"])


def test_a_change_of_interest_is_found_where_it_is_and_none_where_there_is_none() -> None:
    rng = np.random.default_rng(1)
    for changed in (True, False):
        acts, what = [], []
        for session in range(24):
            taste = [0.7, 0.2, 0.1] if not changed or session < 12 else [0.1, 0.2, 0.7]
            for act in range(4):
                acts.append(("ann", MONDAY + timedelta(days=session, minutes=act)))
                what.append(str(rng.choice(["a", "b", "c"], p=taste)))
        log = log_of(acts, items=[f"i{k}" for k in range(len(acts))], what=what)
        drift = user_timeline(trail(log, by="what"), "ann").parts["drift"].to_pylist()
        if changed:
            (point,) = drift
            assert abs(point["position"] - 48) <= 4
            assert (point["more"], point["less"]) == ("c", "a")
            assert point["p_value"] < 0.05
        else:
            assert drift == []


def test_changes_raise_false_alarms_no_more_often_than_they_say() -> None:
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        acts, what = [], []
        for session in range(15):
            mood = str(rng.choice(["a", "b", "c"]))  # the acts of a session hang together
            for act in range(4):
                acts.append(("ann", MONDAY + timedelta(days=session, minutes=act)))
                what.append(mood if rng.random() < 0.7 else str(rng.choice(["a", "b", "c"])))
        log = log_of(acts, items=[f"i{k}" for k in range(len(acts))], what=what)
        alarms += user_timeline(trail(log, by="what"), "ann", permutations=99).parts["drift"].num_rows > 0
    assert alarms <= 5


def test_an_unknown_user_is_told_the_closest() -> None:
    log = on_days([("ann", 0.5), ("anna", 0.5), ("bob", 1.5)])
    with pytest.raises(DataError, match=r"no user 'amn' in log .*; close are: 'ann', 'anna'"):
        user_timeline(log, "amn")
    with pytest.raises(DataError, match="ids look like 'ann', 'anna', 'bob'"):
        user_timeline(log, "zzzzzzzz")


def test_a_user_whose_acts_are_all_left_out_is_not_unknown() -> None:
    log = on_days([("ann", 0.5), ("bob", 9.5)])
    result = user_timeline(trail(log, since="2026-03-09"), "ann")
    assert result.is_empty
    assert result.meta["warnings"] == ["no acts of this user are left"]


def test_hostile_names_one_event_no_items_and_no_clock() -> None:
    for name in ("</script>", "'\"; DROP TABLE log; --", "‮عربى🛒"):
        assert user_timeline(on_days([(name, 0.5)]), name).cell("acts").value == 1
    bare = fp.read_events(pa.table({"user_id": ["a", "a"], "item_id": ["x", "x"], "position": [0, 1]}))
    result = user_timeline(bare, "a")
    assert result.cell("repeat.share").value == 0.5
    assert result.parts["sessions"].num_rows == 0
    assert result.table["timestamp"].to_pylist() == [None, None]
    same = log_of([("a", MONDAY + timedelta(hours=9))] * 3, items=["x", "y", "z"])
    assert user_timeline(same, "a").table["item_id"].to_pylist() == ["x", "y", "z"]
    for dialect in ("duckdb", "spark", "postgres"):
        assert "SELECT" in result.sql(dialect)
