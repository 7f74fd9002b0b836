"""Retention: a triangle worked by hand, naive counts on random logs, and cohorts that do differ."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath.analysis.retention import retained_users, retention
from footpath.analysis.trail import trail
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog
from tests.analysis.logs_by_hand import MONDAY, log_of, on_days, random_log

# weeks begin on days 0, 7, 14, 21; the log ends on day 22.5, within the fourth week
WORKED = [("ann", 0.5), ("ann", 8.5), ("ann", 15.5), ("bob", 1.5), ("bob", 16.5), ("cleo", 7.5), ("cleo", 22.5), ("dan", 9.5)]


def cells(log: EventLog, **options: Any) -> dict[tuple[int, int], tuple[int, int, bool]]:
    """(cohort in weeks, age) to (n, retained, complete)."""
    rows = retention(log, period="week", **options).table.to_pylist()
    return {((row["cohort"] - MONDAY.date()).days // 7, row["age"]): (row["n"], row["retained"], row["complete"]) for row in rows}


def test_the_triangle_is_that_of_the_hand() -> None:
    assert cells(on_days(WORKED)) == {
        (0, 0): (2, 2, True), (0, 1): (2, 1, True), (0, 2): (2, 2, True), (0, 3): (2, 0, False),
        (1, 0): (2, 2, True), (1, 1): (2, 0, True), (1, 2): (2, 1, False),
    }  # fmt: skip


def test_on_or_after_counts_who_comes_later_too() -> None:
    found = cells(on_days(WORKED), mode="on_or_after")
    assert found[0, 1] == (2, 2, True)  # bob is not there in the week after, but in the one after that
    assert found[0, 3] == (2, 0, False)
    assert found[1, 1] == (2, 1, True)


def test_the_mean_is_over_complete_cells_and_weighted_by_users() -> None:
    mean = {row["age"]: row for row in retention(on_days(WORKED), period="week").parts["mean"].to_pylist()}
    assert (mean[1]["n"], mean[1]["retained"], mean[1]["share"], mean[1]["n_cohorts"]) == (4, 1, 0.25, 2)
    assert (mean[2]["n"], mean[2]["retained"]) == (2, 2)  # the cell of the second cohort is not over
    assert 3 not in mean


def test_the_users_of_a_cell_are_as_many_as_it_says() -> None:
    log = on_days(WORKED)
    assert retained_users(log, "2026-03-02", 2, period="week")["user_id"].to_pylist() == ["ann", "bob"]
    assert retained_users(log, date(2026, 3, 11), -1, period="week")["user_id"].to_pylist() == ["cleo", "dan"]
    assert retained_users(log, "2026-03-02", 1, period="week", mode="on_or_after")["user_id"].to_pylist() == ["ann", "bob"]
    with pytest.raises(ConfigError, match="such as 2026-01-31, got 'march'"):
        retained_users(log, "march", 1)
    with pytest.raises(ConfigError, match="or more, got -2"):
        retained_users(log, "2026-03-02", -2)


def test_a_start_and_a_return_of_their_own_types() -> None:
    log = on_days(
        [("ann", 0.5), ("ann", 1.5), ("ann", 8.5), ("bob", 0.5), ("bob", 8.5), ("bob", 15.5)],
        types=["view", "cart", "purchase", "cart", "view", "purchase"],
    )
    found = cells(log, start="cart", returning="purchase")
    assert found[0, 0] == (2, 0, True)
    assert found[0, 1] == (2, 1, True)
    assert found[0, 2] == (2, 1, False)


def test_first_acts_are_those_of_the_whole_log_also_before_since() -> None:
    log = on_days(WORKED)
    later = retention(trail(log, since="2026-03-09"), period="week").table.to_pylist()
    assert {row["cohort"] for row in later} == {date(2026, 3, 9)}
    assert later[0]["n"] == 2  # cleo and dan; ann and bob came before


def naive(acts: list[dict[str, Any]], mode: str, start: str, returning: str) -> dict[tuple[date, int], int]:
    """Users of each cohort and age, one user after the other."""
    found: dict[tuple[date, int], int] = {}
    for user in {act["user_id"] for act in acts}:
        mine = sorted((act for act in acts if act["user_id"] == user), key=lambda act: act["position"])
        begun = [act for act in mine if start in ("any", act["event_type"])]
        if not begun:
            continue
        monday = [act["timestamp"].date() - timedelta(days=act["timestamp"].weekday()) for act in mine]
        first = begun[0]["timestamp"].date() - timedelta(days=begun[0]["timestamp"].weekday())
        ages = {
            (at - first).days // 7
            for act, at in zip(mine, monday, strict=True)
            if act["position"] >= begun[0]["position"] and returning in ("any", act["event_type"])
        }
        for age in range(9):
            if age in ages if mode == "on" else any(other >= age for other in ages):
                found[first, age] = found.get((first, age), 0) + 1
    return found


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10_000), st.sampled_from(["on", "on_or_after"]), st.sampled_from(["any", "view"]), st.sampled_from(["any", "cart"]))
def test_counts_are_those_of_one_user_after_the_other(seed: int, mode: Any, start: str, returning: str) -> None:
    log = random_log(seed)
    acts = log.table.to_pyarrow().to_pylist()
    rows = retention(log, period="week", mode=mode, start=start, returning=returning).table.to_pylist()
    expected = naive(acts, mode, start, returning)
    assert {(row["cohort"], row["age"]): row["retained"] for row in rows if row["retained"]} == expected


def cohorts(shares: list[float], seed: int, size: int = 60) -> EventLog:
    rng = np.random.default_rng(seed)
    acts = []
    for week, share in enumerate(shares):
        for i in range(size):
            acts.append((f"u{week}-{i}", week * 7 + float(rng.uniform(0.1, 6.9))))
            if rng.random() < share:
                acts.append((f"u{week}-{i}", week * 7 + 7 + float(rng.uniform(0.1, 6.9))))
    return on_days([*acts, ("last", len(shares) * 7 + 7.5)])


def test_later_cohorts_that_come_back_less_are_found() -> None:
    for seed in range(3):
        result = retention(cohorts([0.5] * 5 + [0.25] * 5, seed), period="week")
        (finding,) = result.findings
        assert "fewer than" in finding.text
        assert "低于" in finding.text.zh  # type: ignore[attr-defined]
        assert finding.p_value is not None
        assert finding.p_value < 0.01
        assert all(not result.cell(id).is_small for id in finding.cells)


def test_cohorts_alike_raise_no_finding() -> None:
    assert [retention(cohorts([0.4] * 10, seed), period="week").findings for seed in range(3)] == [()] * 3


def test_a_log_that_begins_in_the_middle_of_things_raises_none() -> None:
    # the same users all along, some of them busy, so that these are met first: nothing has changed
    rng = np.random.default_rng(1)
    acts = [(f"u{user}", float(day)) for user, rate in enumerate(rng.gamma(0.7, 6, 900)) for day in rng.uniform(0, 84, rng.poisson(rate))]
    result = retention(on_days(acts), period="week")
    assert float(result.cell("late_less_early").high or 0) < 0
    assert result.findings == ()


def test_a_log_shorter_than_a_period_says_so() -> None:
    result = retention(on_days([("a", 0.5), ("b", 1.5), ("a", 2.5)]), period="month")
    assert any("no cell is complete" in warning for warning in result.meta["warnings"])
    assert result.parts["mean"].num_rows == 0
    assert retention(on_days([("a", 0.5), ("a", 1.5), ("b", 2.5)])).meta["period"] == "day"


def test_one_event_one_user_and_identical_times() -> None:
    assert retention(on_days([("a", 0.5)])).table["retained"].to_pylist() == [1]
    same = log_of([("a", MONDAY + timedelta(hours=9))] * 3, items=["x", "y", "z"])
    assert retention(same).table.num_rows == 1


def test_bad_options_nothing_left_and_no_clock() -> None:
    log = on_days(WORKED)
    with pytest.raises(ConfigError, match="day, week or month, got 'weak'; did you mean 'week'"):
        retention(log, period="weak")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="on or on_or_after, got 'after'"):
        retention(log, mode="after")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="periods must be at least 1, got 0"):
        retention(log, periods=0)
    with pytest.raises(NotInLogError, match="'purchase', and there are none"):
        retention(log, start="purchase")
    empty = retention(trail(log, users=["nobody"]))
    assert empty.is_empty
    assert empty.meta["warnings"] == ["no acts are left to count"]


def test_months_and_days_are_calendar_ones() -> None:
    log = log_of([("a", datetime(2025, 12, 31, 12)), ("a", datetime(2026, 1, 1, 12)), ("b", datetime(2026, 2, 1, 12))])
    month = retention(log, period="month").table.to_pylist()
    assert [(row["cohort"], row["age"], row["retained"]) for row in month][:2] == [(date(2025, 12, 1), 0, 1), (date(2025, 12, 1), 1, 1)]
    day = retention(log, period="day").table.to_pylist()
    assert [(row["cohort"], row["age"], row["retained"]) for row in day][:2] == [(date(2025, 12, 31), 0, 1), (date(2025, 12, 31), 1, 1)]
    for dialect in ("duckdb", "spark", "postgres"):
        assert "SELECT" in retention(log).sql(dialect)
