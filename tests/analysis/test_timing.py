"""Time to the next act and to a first event, with those who were not watched to the end."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import footpath as fp
from footpath.analysis.timing import kaplan_meier, log_rank, time_to_event, time_to_next
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog

START = datetime(2026, 3, 2)
HOSTILE = ['</script><script>alert("x")</script>', "it's", "שלום", "🛒"]


def log_of(rows: list[tuple[str, str, float]], **more: list[object]) -> EventLog:
    """Acts of (user, type, days after the start)."""
    frame = pd.DataFrame(
        {
            "user_id": [user for user, _, _ in rows],
            "item_id": ["x" for _ in rows],
            "event_type": [kind for _, kind, _ in rows],
            "timestamp": [START + timedelta(days=days) for _, _, days in rows],
            **more,
        }
    )
    return fp.read_events(frame, zone="UTC")


def codes(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


# the remissions of the 6-MP arm of Freireich et al., 1963, as in every textbook on survival
REMISSION = codes(6, 6, 6, 7, 10, 13, 16, 22, 23)
RELAPSE_EXTRA = codes(6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)
PLACEBO = codes(1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)


def test_the_curve_is_that_of_the_textbook() -> None:
    seconds = np.concatenate([REMISSION, RELAPSE_EXTRA])
    events = np.repeat([1, 0], [len(REMISSION), len(RELAPSE_EXTRA)])
    curve = kaplan_meier(seconds, events, 1 - events)
    expected = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    at_risk = {6: 21, 7: 17, 10: 15, 13: 12, 16: 11, 22: 7, 23: 6}
    for time, share in expected.items():
        assert curve.at(time)[0] == pytest.approx(share, abs=5e-4)
        assert curve.at_risk[curve.seconds == time].tolist() == [at_risk[time]]
    assert curve.median()[0] == 23
    # log-log limits at 6 weeks from Greenwood's variance, by hand
    s, se = 18 / 21, math.sqrt(3 / (21 * 18))
    assert curve.at(6)[1] == pytest.approx(s ** math.exp(1.959964 * se / abs(math.log(s))))
    assert curve.at(6)[2] == pytest.approx(s ** math.exp(-1.959964 * se / abs(math.log(s))))


def test_the_log_rank_test_is_that_of_the_textbook() -> None:
    seconds = np.concatenate([REMISSION, RELAPSE_EXTRA])
    events = np.repeat([1, 0], [len(REMISSION), len(RELAPSE_EXTRA)])
    curves = [kaplan_meier(seconds, events, 1 - events), kaplan_meier(PLACEBO, np.ones(21, np.int64), np.zeros(21, np.int64))]
    p, expected = log_rank(curves)
    assert p == pytest.approx(4.17e-5, rel=0.01)  # chi square 16.79
    assert expected == pytest.approx([19.25, 10.75], abs=0.01)


def test_the_time_to_a_purchase_worked_by_hand() -> None:
    # a buys after 1 day, b after 3, c never in 2 days, d at once, e never in 4: survival 4/5 at 0, 3/5 at 1, 3/10 at 3
    rows = [("a", "view", 0), ("a", "purchase", 1), ("b", "view", 0), ("b", "purchase", 3), ("c", "view", 2), ("d", "purchase", 4)]
    log = log_of([*rows, ("e", "view", 0)])
    result = time_to_event(log)
    steps = {row["seconds"] / 86_400: row["survival"] for row in result.table.to_pylist()}
    assert steps == pytest.approx({0: 4 / 5, 1: 3 / 5, 2: 3 / 5, 3: 3 / 10, 4: 3 / 10})
    assert (result.cell("n").value, result.cell("events").value, result.cell("censored").value) == (5, 3, 2)
    assert result.cell("median").value == 3 * 86_400
    at_risk = {row["seconds"]: row["at_risk"] for row in result.parts["at_risk"].to_pylist()}
    assert (at_risk[0], at_risk[3_600], at_risk[86_400]) == (5, 4, 4)
    assert "censored at the last act" in result.meta["definition"]


def test_a_horizon_censors_who_takes_longer() -> None:
    log = log_of([("a", "view", 0), ("a", "purchase", 1), ("b", "view", 0), ("b", "purchase", 3), ("c", "view", 4)])
    result = time_to_event(log, horizon_days=2)
    assert result.cell("events").value == 1
    assert max(row["seconds"] for row in result.table.to_pylist()) == 2 * 86_400


def test_from_a_type_only_what_comes_after_its_first_act_counts() -> None:
    log = log_of([("a", "purchase", 0), ("a", "cart", 1), ("a", "purchase", 2), ("b", "purchase", 0)])
    result = time_to_event(log, start="cart")
    assert (result.cell("n").value, result.cell("median").value) == (1, 86_400)
    again = time_to_event(log, start="purchase")
    assert (again.cell("n").value, again.cell("events").value) == (2, 1)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40)), min_size=1, max_size=30))
def test_the_time_to_the_next_act_is_that_of_a_naive_count(acts: list[tuple[str, int]]) -> None:
    log = log_of([(user, "view", days / 4) for user, days in set(acts)])
    last = max(days for _, days in acts)
    expected: dict[int, list[int]] = {}
    for user in {user for user, _ in acts}:
        times = sorted({days for name, days in acts if name == user})
        for here, there in zip(times, [*times[1:], None], strict=True):
            span = (last if there is None else there) - here
            expected.setdefault(span * 21_600, [0, 0])[there is None] += 1
    found = {row["seconds"]: [row["events"], row["censored"]] for row in time_to_next(log).table.to_pylist()}
    assert found == expected


def test_segments_that_differ_are_told_apart_and_equal_ones_are_not() -> None:
    rng = np.random.default_rng(4)
    rows, channel = [], []
    for user in range(400):
        fast = user % 2
        rows += [(f"u{user}", "view", 0.0), (f"u{user}", "purchase", float(rng.exponential(2 if fast else 6)))]
        channel += ["fast" if fast else "slow"] * 2
    shuffled = [str(c) for pair in rng.permutation(np.array(channel).reshape(-1, 2)) for c in pair]
    found = time_to_event(log_of(rows, channel=channel, lot=shuffled), segment="channel")
    finding = next(f for f in found.findings if "segment fast" in f.text)
    assert finding.p_value is not None
    assert finding.p_value < 1e-6
    assert found.cell("median.fast").value < found.cell("median.slow").value
    assert "fast" in finding.text.zh
    other = time_to_event(log_of(rows, channel=channel, lot=shuffled), segment="lot")
    assert other.meta["log_rank_p"] > 0.05
    assert not [f for f in other.findings if "segment" in f.text]


def test_long_durations_are_coarse_and_the_table_stays_short() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"u{user}", "view", float(day)) for user in range(300) for day in rng.uniform(0, 200, 12)]
    result = time_to_next(log_of(rows))
    assert result.table.num_rows < 500
    assert all(row["seconds"] % 3_600 == 0 for row in result.table.to_pylist() if row["seconds"] > 172_800)
    assert sum(result.table["events"].to_pylist()) + sum(result.table["censored"].to_pylist()) == 3_600


def test_few_acts_hostile_names_and_one_moment_give_a_result() -> None:
    for log in (log_of([("a", "view", 0)]), log_of([(name, "view", 0) for name in HOSTILE], kind=HOSTILE)):
        for result in (time_to_next(log), time_to_next(log, of="session"), time_to_event(log)):
            result.to_dict()
            assert "SELECT" in result.sql("spark")
            assert result.cell("n").value == result.table["at_risk"][0].as_py()
    assert time_to_next(log_of([(name, "view", 0) for name in HOSTILE], kind=HOSTILE), segment="kind").meta["log_rank_p"] == 1.0


def test_an_empty_log_and_wrong_options_say_so() -> None:
    from footpath.analysis.trail import trail

    log = log_of([("a", "view", 0)])
    assert time_to_next(trail(log, since="2027-01-01")).is_empty
    assert time_to_event(trail(log, since="2027-01-01")).is_empty
    with pytest.raises(ConfigError, match="horizon_days must be above 0 and at most 36525, got -1"):
        time_to_event(log, horizon_days=-1)
    with pytest.raises(ConfigError, match="of must be act or session, got 'sessions'; did you mean 'session'"):
        time_to_next(log, of="sessions")  # type: ignore[arg-type]
    with pytest.raises(NotInLogError, match="'purchase', and there are none"):
        time_to_event(log, event="purchase")
    with pytest.raises(NotInLogError, match="needs a clock"):
        time_to_next(fp.read_events(pd.DataFrame({"user_id": ["a"], "item_id": ["x"], "position": [0]})))


def test_a_curve_that_falls_at_once_is_drawn_on_a_logarithmic_axis() -> None:
    soon = [(f"u{u}", "view", day) for u in range(40) for day in (0.0, 30 / 86_400 * (1 + u / 40))] + [("u0", "view", 60.0)]
    chart = time_to_next(log_of(soon)).chart
    assert chart is not None
    assert chart["xAxis"]["type"] == "log"
    assert min(point[0] for point in chart["series"][0]["data"]) > 0
    slowly = [(f"u{u}", "view", day) for u in range(40) for day in (0.0, 1.0 + u)]
    chart = time_to_next(log_of(slowly)).chart
    assert chart is not None
    assert (chart["xAxis"]["type"], chart["xAxis"]["name"]) == ("value", "days")
