"""Acts as integer codes: the same acts in the same order, and users drawn whole."""

from __future__ import annotations

import numpy as np
import pandas as pd

import footpath as fp
from footpath.analysis.coded_acts import code_acts
from footpath.analysis.trail import Trail, trail


def trail_of(n: int, users: int, seed: int = 0) -> Trail:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "user_id": [f"u{k:02}" for k in rng.integers(users, size=n)],
            "item_id": [f"i{k}" for k in range(n)],
            "event_type": rng.choice(["view", "cart", "search"], n, p=[0.6, 0.3, 0.1]),
            "timestamp": pd.Timestamp("2026-03-02") + pd.to_timedelta(rng.integers(0, 400, n), unit="min"),
        }
    )
    return trail(fp.read_events(frame, zone="UTC"))


def test_codes_spell_the_acts_of_the_trail_in_order() -> None:
    t = trail_of(300, 9)
    coded = code_acts(t)
    expected = t.acts.order_by("user_id", "position").to_pyarrow().to_pylist()
    assert [coded.users[int(code)].as_py() for code in coded.user] == [row["user_id"] for row in expected]
    assert [coded.labels[code] for code in coded.label] == [row["label"] for row in expected]
    assert [coded.kinds[code] for code in coded.kind] == [row["event_type"] for row in expected]
    pairs = [(row["user_id"], row["session"]) for row in expected]
    assert coded.session.tolist() == [sorted(set(pairs)).index(pair) for pair in pairs]
    assert coded.time is not None
    assert (np.diff(coded.time)[np.diff(coded.user) == 0] >= 0).all()
    assert coded.offsets.tolist() == [0, *np.cumsum(np.bincount(coded.user))]


def test_labels_are_numbered_by_how_frequent_they_are() -> None:
    coded = code_acts(trail_of(300, 9))
    assert coded.labels == ["view", "cart", "search"]
    assert not coded.is_sample
    assert coded.sampled == []


def test_users_are_drawn_whole_and_by_the_seed() -> None:
    t = trail_of(300, 30)
    whole, drawn, again = code_acts(t), code_acts(t, max_acts=100, seed=1), code_acts(t, max_acts=100, seed=1)
    assert drawn.users.equals(again.users)
    assert drawn.users.to_pylist() == sorted(drawn.users.to_pylist())
    assert 0 < len(drawn.label) <= 100
    sizes = dict(zip(whole.users.to_pylist(), np.diff(whole.offsets).tolist(), strict=True))
    assert np.diff(drawn.offsets).tolist() == [sizes[user] for user in drawn.users.to_pylist()]
    assert "drawn at random of 30" in drawn.sampled[0]


def test_one_user_at_least_is_kept_however_few_acts_are_asked_for() -> None:
    assert len(code_acts(trail_of(300, 2), max_acts=1).users) == 1
