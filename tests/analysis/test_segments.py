"""Segments: features worked by hand, planted kinds of users found again, and one cloud called one cloud."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

import footpath as fp
from footpath.analysis.coded_acts import code_acts
from footpath.analysis.segments import features_of, segments
from footpath.analysis.trail import trail
from footpath.errors import ConfigError
from footpath.events.log import EventLog

START = datetime(2026, 3, 2, 9)


def log_of(rows: list[tuple[str, str, float]]) -> EventLog:
    """Acts of (user, type, minutes after the start), each on an item of its own."""
    frame = pd.DataFrame(
        {
            "user_id": [user for user, _, _ in rows],
            "item_id": [f"i{n}" for n in range(len(rows))],
            "event_type": [kind for _, kind, _ in rows],
            "timestamp": [START + timedelta(minutes=minutes) for _, _, minutes in rows],
        }
    )
    return fp.read_events(frame, zone="UTC")


def shop(seed: int, odds: dict[str, list[float]], users: int = 80) -> tuple[EventLog, dict[str, int]]:
    """Users of each kind draw view, search, cart and favourite by its odds, in four sessions of five acts."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, float]] = []
    kinds: dict[str, int] = {}
    for code, p in enumerate(odds.values()):
        for k in range(users):
            user = f"u{code}{k:03}"
            kinds[user] = code
            drawn = rng.choice(["view", "search", "cart", "favourite"], 20, p=p)
            rows += [(user, kind, 1_000.0 * (n // 5) + n) for n, kind in enumerate(drawn)]
    return log_of(rows), kinds


TWO = {"searchers": [0.1, 0.8, 0.05, 0.05], "viewers": [0.8, 0.05, 0.1, 0.05]}


def test_features_are_those_worked_by_hand() -> None:
    log = log_of([("a", "view", 0), ("a", "search", 1), ("a", "view", 2), ("a", "view", 100), ("b", "search", 0)])
    found = features_of(code_acts(trail(log)), has_sessions=True)
    row = dict(zip(map(str, found.names), found.values[0], strict=True))
    assert row["view"] == 0.75
    assert row["sessions begun with view"] == 1.0
    assert row["sessions ended with view"] == 1.0
    assert row["view > search"] == 0.5  # of two steps within sessions
    assert row["pauses between acts"] == pytest.approx(np.log1p(60))
    assert row["time between sessions"] == pytest.approx(np.log1p(98 / 60))
    assert row["acts"] == pytest.approx(np.log(4))
    assert row["sessions"] == pytest.approx(np.log(2))
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize("seed", range(3))
def test_two_kinds_of_users_are_found_again(seed: int) -> None:
    log, kinds = shop(seed, TWO)
    found = segments(log)
    members = {row["user_id"]: row["segment"] for row in found.parts["members"].to_pylist()}
    assert set(members) == set(kinds)
    assert adjusted_rand_score([kinds[user] for user in members], list(members.values())) > 0.95
    assert found.cell("k").value == 2
    assert found.cell("stability").value > 0.95  # type: ignore[operator]
    assert "search" in found.table["name"][0].as_py()
    assert "are a group of their own" in found.findings[0].text
    assert found.findings[0].text.zh  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(3))
def test_users_of_one_kind_are_one_cloud_and_raise_no_finding(seed: int) -> None:
    log, _ = shop(seed, {"all": [0.4, 0.3, 0.2, 0.1]}, users=160)
    assert segments(log).findings == ()


def test_the_order_of_acts_alone_makes_segments() -> None:
    """Both kinds do the same acts as often, one in pairs and one in turns."""
    rows = []
    rng = np.random.default_rng(0)
    for k in range(120):
        for session in range(4):
            path = ["view", "search"] * 3 if k % 2 else ["view"] * 3 + ["search"] * 3
            if rng.random() < 0.3:
                path = path[1:] + path[:1]
            rows += [(f"u{k:03}", kind, 1_000.0 * session + step) for step, kind in enumerate(path)]
    members = segments(log_of(rows), k=2).parts["members"].to_pylist()
    assert adjusted_rand_score([int(row["user_id"][1:]) % 2 for row in members], [row["segment"] for row in members]) > 0.95


def test_the_profile_says_what_marks_a_segment() -> None:
    log, _ = shop(1, TWO)
    found = segments(log)
    rows = [row for row in found.parts["profile"].to_pylist() if row["feature"] == "search"]
    gaps = {row["segment"]: row["mean"] - row["mean_others"] for row in rows}
    assert gaps["1"] == pytest.approx(-gaps["2"])
    assert max(gaps.values()) == pytest.approx(0.75, abs=0.05)
    for row in rows:
        assert row["low"] <= row["difference"] <= row["high"]
        assert row["q_value"] < 1e-6
    assert found.table["n_users"].to_pylist() == [80, 80]


def test_the_same_seed_gives_the_same_segments() -> None:
    log, _ = shop(2, TWO, users=30)
    assert segments(log).parts["members"].equals(segments(log).parts["members"])


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([("a", "view", 0.0)], "1 users are too few"),
        ([(f"u{k}", "view", 0.0) for k in range(40)], "do not differ enough"),
    ],
)
def test_a_log_that_cannot_be_clustered_says_so(rows: list[tuple[str, str, float]], why: str) -> None:
    found = segments(log_of(rows))
    assert found.is_empty
    assert why in found.meta["warnings"][0]


def test_a_log_without_a_clock_or_with_one_session_each_has_segments_too() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        [(f"u{k}", f"i{rng.integers(5)}", n) for k in range(30) for n in range(4)], columns=["user_id", "item_id", "position"]
    )
    found = segments(fp.read_events(frame), k=3)
    assert found.table["n_users"].to_pylist() == sorted(found.table["n_users"].to_pylist(), reverse=True)
    assert sum(found.table["n_users"].to_pylist()) == 30


def test_what_cannot_be_is_refused() -> None:
    log, _ = shop(0, TWO, users=3)
    with pytest.raises(ConfigError, match="k must be at least 2, got 1"):
        segments(log, k=1)
    with pytest.raises(ConfigError, match="seeds must be at least 2, for stability to be seen, got 1"):
        segments(log, seeds=1)
