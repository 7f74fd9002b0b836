"""Interest drift: distances against scipy, planted changes found, and none where only the mix of users or of sessions changes."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon

import footpath as fp
from footpath.analysis.drift import _best_splits, divergence, interest_drift
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog

START = datetime(2026, 3, 2, 9)  # a Monday
LABELS = ["hats", "shoes", "bags", "socks"]


def log_of(rows: list[tuple[str, str, float]]) -> EventLog:
    """Views of (user, what, days after the start)."""
    frame = pd.DataFrame(
        {
            "user_id": [user for user, _, _ in rows],
            "item_id": [what for _, what, _ in rows],
            "event_type": "view",
            "event_id": [f"e{n}" for n in range(len(rows))],
            "timestamp": [START + timedelta(days=days) for _, _, days in rows],
        }
    )
    return fp.read_events(frame, zone="UTC")


def shop(seed: int, *, drifting: float = 0.0, users: int = 90, newcomers: bool = False) -> EventLog:
    """Users with a taste of their own, a visit of three acts every other day for eight weeks; some move to another label in week five."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, float]] = []
    for k in range(users):
        taste, after = rng.permutation(4)[:2]
        moves = k < drifting * users
        first, last = ((0, 28) if k % 2 else (28, 56)) if newcomers else (0, 56)
        if newcomers:
            taste = 0 if k % 2 else 1
        for day in range(first, last, 2):
            like = after if moves and day >= 28 else taste
            # a visit stays with one label, so that acts of a visit are alike
            label = like if rng.random() < 0.7 else rng.integers(4)
            rows += [(f"u{k:02}", LABELS[label], day + 0.3 * rng.random() + step / 1_440) for step in range(3)]
    return log_of(sorted(rows, key=lambda row: row[2]))


def test_divergence_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    first, second = (rng.integers(0, 9, (20, 5)) + np.eye(5)[place] for place in (0, 1))
    expected = [jensenshannon(a, b, base=2) for a, b in zip(first, second, strict=True)]
    assert np.sqrt(divergence(first, second, weighted=False)) == pytest.approx(expected)
    assert divergence(np.array([3.0, 0]), np.array([0.0, 7]), weighted=False) == pytest.approx(1.0)


def test_weighted_divergence_is_what_a_side_tells_of_the_label() -> None:
    """The mutual information of side and label, worked by hand for 1 of 4 against 3 of 4 acts."""
    first, second = np.array([2.0, 0.0]), np.array([2.0, 4.0])
    entropy = 1.0  # 4 of 8 in all
    within = 2 / 8 * 0 + 6 / 8 * -(1 / 3 * np.log2(1 / 3) + 2 / 3 * np.log2(2 / 3))
    assert divergence(first, second, weighted=True) == pytest.approx(entropy - within)


def test_the_best_split_of_a_user_is_that_of_trying_each() -> None:
    rng = np.random.default_rng(8)
    sizes = [9, 4, 12]
    counts = rng.integers(0, 5, (sum(sizes), 3)).astype(float)
    user, begin = np.repeat([0, 1, 2], sizes), np.array([0, 9, 13])
    best, cut = _best_splits(counts, user, begin)
    for code, (start, size) in enumerate(zip(begin, sizes, strict=True)):
        sides = {at: (counts[start:at].sum(axis=0), counts[at : start + size].sum(axis=0)) for at in range(start + 1, start + size)}
        tried = {at: float(divergence(a, b, weighted=True)) for at, (a, b) in sides.items() if min(a.sum(), b.sum()) >= 5}
        assert best[code] == pytest.approx(max(tried.values()))
        assert tried[int(cut[code])] == pytest.approx(best[code])


@pytest.mark.parametrize("seed", range(3))
def test_a_third_that_moves_is_found_in_the_users_and_in_no_one_else(seed: int) -> None:
    found = interest_drift(shop(seed, drifting=1 / 3), by="item_id")
    users = {row["user_id"]: row for row in found.parts["users"].to_pylist()}
    drifted = {user for user, row in users.items() if row["drifted"]}
    truth = {f"u{k:02}" for k in range(30)}
    assert len(drifted & truth) >= 20
    assert len(drifted - truth) <= 4
    when = [abs((users[user]["changed_at"] - START).total_seconds() / 86_400 - 28) for user in drifted & truth]
    assert np.median(when) <= 4
    share = found.cell("drifted")
    assert share.n == 90
    assert any("have changed what they turn to" in finding.text for finding in found.findings)


@pytest.mark.parametrize("seed", range(3))
def test_a_shop_without_drift_raises_none(seed: int) -> None:
    found = interest_drift(shop(seed), by="item_id")
    assert found.findings == ()
    assert found.parts["users"].num_rows == 90


def test_other_users_with_other_tastes_are_no_drift() -> None:
    """Week five brings new users who like something else, and nobody changes."""
    found = interest_drift(shop(0, newcomers=True), by="item_id")
    assert found.findings == ()
    rows = found.table.to_pylist()
    assert rows[4]["distance"] > 0.3
    assert rows[4]["null_low"] <= rows[4]["distance"] <= rows[4]["null_high"]


def test_a_change_of_the_population_is_dated_and_named() -> None:
    rng = np.random.default_rng(4)
    rows = []
    for k in range(40):
        for day in range(0, 56, 4):
            odds = [0.4, 0.3, 0.2, 0.1] if day < 28 else [0.1, 0.3, 0.2, 0.4]
            rows += [(f"u{k:02}", LABELS[label], day + step / 1_440) for step, label in enumerate(rng.choice(4, 3, p=odds))]
    found = interest_drift(log_of(rows), by="item_id")
    change = found.parts["changes"].to_pylist()[0]
    assert change["period"] == datetime(2026, 3, 30)
    assert (change["grew_most"], change["shrank_most"], change["significant"]) == ("socks", "hats", True)
    assert [row["period"] for row in found.table.to_pylist() if row["change_point"]] == [datetime(2026, 3, 30)]
    assert "“socks” went from" in found.findings[0].text


def test_shares_are_those_of_a_naive_count_and_weeks_begin_on_monday() -> None:
    rng = np.random.default_rng(5)
    rows = [(f"u{rng.integers(9)}", LABELS[rng.integers(4)], float(rng.uniform(0, 30))) for _ in range(300)]
    found = interest_drift(log_of(rows), by="item_id", period="week", permutations=19)
    counted: dict[tuple[datetime, str], int] = {}
    for _, what, days in rows:
        moment = START + timedelta(days=days)
        week = datetime(moment.year, moment.month, moment.day) - timedelta(days=moment.weekday())
        counted[week, what] = counted.get((week, what), 0) + 1
    shares = {(row["period"], row["label"]): row["count"] for row in found.parts["shares"].to_pylist() if row["count"]}
    assert shares == counted
    assert sum(found.table["n"].to_pylist()) == 300


@pytest.mark.parametrize(("period", "n"), [("day", 40), ("week", 6), ("month", 2)])
def test_periods_cover_the_log_and_unfinished_ones_are_marked(period: str, n: int) -> None:
    rows = [(f"u{k % 7}", LABELS[k % 4], k / 10) for k in range(400)]
    found = interest_drift(log_of(rows), by="item_id", period=period, permutations=19)  # type: ignore[arg-type]
    table = found.table.to_pylist()
    assert len(table) == n + (period == "day")  # from nine in the morning
    assert table[-1]["complete"] is False


def test_the_same_seed_gives_the_same_answer() -> None:
    first, second = (interest_drift(shop(1), by="item_id", permutations=19, seed=3) for _ in range(2))
    assert first.table.equals(second.table)
    assert first.parts["users"].equals(second.parts["users"])


def test_users_who_never_come_back_tell_nothing_and_that_is_said() -> None:
    rows = [(f"u{k:03}", LABELS[k % 4 if k < 100 else 0], k / 4) for k in range(200)]
    found = interest_drift(log_of(rows), by="item_id", period="week")
    assert "only 0 of 200 users come back" in found.meta["warnings"][0]
    assert found.table["p_value"].null_count == found.table.num_rows
    assert found.findings == ()


@pytest.mark.parametrize("rows", [[("a", "hats", 0.0)], [("a", "hats", 0.0), ("b", "hats", 9.0)]])
def test_one_label_has_nothing_to_drift_from(rows: list[tuple[str, str, float]]) -> None:
    found = interest_drift(log_of(rows))
    assert found.is_empty
    assert "hats" in found.meta["warnings"][0] or "other" in found.meta["warnings"][0]


def test_identical_moments_and_hostile_names_have_an_answer() -> None:
    rows = [(f"</script>{k % 3}", ('"x"', "שלום", "🦊")[k % 3], 0.0) for k in range(60)]
    found = interest_drift(log_of(rows), by="item_id", permutations=19)
    assert found.table.num_rows == 1
    assert found.chart is None
    assert found.findings == ()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 'year'"):
        interest_drift(shop(0, users=2), period="year")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="got 5"):
        interest_drift(shop(0, users=2), permutations=5)
    clockless = fp.read_events(pd.DataFrame({"user_id": ["a"] * 3, "item_id": ["x", "y", "x"], "position": [1, 2, 3]}))
    with pytest.raises(NotInLogError, match="interest drift needs a clock"):
        interest_drift(clockless)
