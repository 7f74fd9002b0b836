"""Periods: calendar numbers against the calendar, what of a log is whole, and a test of two halves that holds its level."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import ibis
import numpy as np
import pyarrow as pa
import pytest

from footpath.analysis.periods import observation, period_number, period_of, period_start, shift
from footpath.analysis.trail import trail
from tests.analysis.logs_by_hand import MONDAY, log_of


def test_numbers_inside_and_outside_the_engine_are_those_of_the_calendar() -> None:
    days = [date(1969, 12, 28) + timedelta(days=17 * k) for k in range(1_300)]
    table = ibis.memtable(pa.table({"k": range(len(days)), "at": [datetime(d.year, d.month, d.day, 23, 59) for d in days]}))
    for period in ("day", "week", "month"):
        found = table.select("k", n=period_number(table.at, period)).order_by("k").to_pyarrow()["n"].to_pylist()  # type: ignore[arg-type]
        assert found == [period_of(day, period) for day in days]  # type: ignore[arg-type]
    for day in days:
        assert period_start(period_of(day, "day"), "day") == day
        assert period_start(period_of(day, "week"), "week") == day - timedelta(days=day.weekday())
        assert period_start(period_of(day, "month"), "month") == day.replace(day=1)


def test_a_log_of_times_has_not_seen_its_last_day_and_a_log_of_days_has() -> None:
    timed = observation(trail(log_of([("a", MONDAY), ("a", MONDAY + timedelta(days=6, hours=22))])))
    assert timed is not None
    assert not timed.by_day
    assert not timed.is_complete(period_of(MONDAY.date(), "week"), "week")
    days = observation(trail(log_of([("a", MONDAY), ("a", MONDAY + timedelta(days=6))])))
    assert days is not None
    assert days.by_day
    assert days.is_whole(period_of(MONDAY.date(), "week"), "week")


def test_since_and_until_bound_what_was_seen() -> None:
    log = log_of([("a", MONDAY), ("a", MONDAY + timedelta(days=30, hours=1))])
    seen = observation(trail(log, since="2026-03-04", until="2026-03-16"))
    assert seen is not None
    assert (seen.begin, seen.end) == (datetime(2026, 3, 4), datetime(2026, 3, 16))
    assert seen.is_complete(period_of(MONDAY.date(), "week"), "week")
    assert not seen.is_whole(period_of(MONDAY.date(), "week"), "week")


def test_a_shift_by_hand() -> None:
    # shares .5 and .25 of 200 each; the groups of a half are alike, so the variance is binomial: .25/200 + .1875/200
    found = shift([50, 50, 25, 25], [100, 100, 100, 100])
    assert found is not None
    assert found.difference == -0.25
    assert found.high - found.difference == pytest.approx(4.302653 * np.sqrt(0.4375 / 200))  # Student's t with 2 degrees
    assert shift([1, 1, 1], [2, 2, 2]) is None
    assert shift([0, 0, 0, 0], [9, 9, 9, 9]) is None


def test_groups_that_differ_by_more_than_chance_raise_no_more_alarms() -> None:
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(400):
        n = rng.integers(80, 200, 12)
        found = shift(rng.binomial(n, rng.beta(8, 12, 12)).tolist(), n.tolist())
        p_values.append(1.0 if found is None else found.p_value)
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.03)
