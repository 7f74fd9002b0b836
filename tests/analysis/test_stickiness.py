"""Stickiness: windows counted naively, a ratio worked by hand, and logs that are too short for a month."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath.analysis.stickiness import stickiness
from footpath.analysis.trail import trail
from footpath.errors import ConfigError
from tests.analysis.logs_by_hand import on_days, random_log


@settings(deadline=None, max_examples=6)
@given(st.integers(0, 10_000))
def test_daily_weekly_and_monthly_users_are_those_of_a_naive_count(seed: int) -> None:
    log = random_log(seed, acts=100, days=50)
    days: set[tuple[str, Any]] = {(act["user_id"], act["timestamp"].date()) for act in log.table.to_pyarrow().to_pylist()}
    result = stickiness(log)
    dau, mau = 0, 0
    for row in result.table.to_pylist():
        for name, width in (("dau", 1), ("wau", 7), ("mau", 30)):
            inside = {user for user, day in days if row["day"] - timedelta(days=width) < day <= row["day"]}
            assert row[name] == len(inside)
        if row["complete"]:
            dau, mau = dau + row["dau"], mau + row["mau"]
    assert result.cell("dau_mau").value == pytest.approx(dau / mau)


def test_days_active_by_hand() -> None:
    # whole weeks 0 and 1: ann is active on 3 days and on 1, bob on 1 day of the second
    log = on_days([("ann", 0), ("ann", 1.5), ("ann", 1.6), ("ann", 2.5), ("ann", 8.5), ("bob", 10.5), ("bob", 14.5)])
    result = stickiness(log)
    assert result.parts["days_active"].to_pylist() == [
        {"active_days": 1, "n": 2, "share": pytest.approx(2 / 3)}, {"active_days": 3, "n": 1, "share": pytest.approx(1 / 3)},
    ]  # fmt: skip
    assert result.cell("one_day.share").value == pytest.approx(2 / 3)
    assert any("shorter than 30 whole days" in warning for warning in result.meta["warnings"])
    assert not any(row["complete"] for row in result.table.to_pylist())
    assert result.chart is not None


def test_users_of_one_day_a_week_are_found_and_daily_users_are_not() -> None:
    once = on_days([(f"u{i}", 7 * week + i % 7 + 0.5 * (i + week > 0)) for i in range(50) for week in range(6)])
    (finding,) = stickiness(once).findings
    assert finding.text.startswith("100% of those who come in a week come on one day")
    daily = on_days([(f"u{i}", day + 0.5 * (i + day > 0)) for i in range(40) for day in range(36)])
    result = stickiness(daily)
    assert result.findings == ()
    assert result.cell("dau_mau").value == 1.0
    assert result.cell("dau_mau").low == pytest.approx(1.0)


def test_bad_options_and_nothing_left() -> None:
    log = on_days([("a", 0.5)])
    with pytest.raises(ConfigError, match="week or month, got 'day'"):
        stickiness(log, period="day")
    with pytest.raises(ConfigError, match="above 7, the window of weekly users; got 7"):
        stickiness(log, month_days=7)
    assert stickiness(log).table["dau"].to_pylist() == [1]
    assert stickiness(trail(log, users=["nobody"])).is_empty
