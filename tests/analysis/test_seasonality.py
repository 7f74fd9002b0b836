"""Seasonality: counts by hand in two zones, peaks that are planted, and logs that know days only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from footpath.analysis.seasonality import seasonality
from footpath.analysis.trail import trail
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog
from tests.analysis.logs_by_hand import MONDAY, log_of, on_days


def cells(log: EventLog, **options: Any) -> dict[tuple[str, int], int]:
    return {(row["weekday"], row["hour"]): row["n"] for row in seasonality(log, **options).table.to_pylist() if row["n"]}


def test_acts_fall_on_their_hour_and_weekday_in_each_zone() -> None:
    log = log_of([("a", MONDAY + timedelta(hours=23, minutes=50)), ("a", MONDAY + timedelta(days=1, hours=1)), ("b", MONDAY)])
    assert cells(log) == {("Monday", 0): 1, ("Monday", 23): 1, ("Tuesday", 1): 1}
    assert cells(log, zone="Asia/Kathmandu") == {("Monday", 5): 1, ("Tuesday", 5): 1, ("Tuesday", 6): 1}  # 5:45 ahead


def test_a_zone_keeps_its_summer_time() -> None:
    log = log_of([("a", datetime(2026, 1, 5, 12)), ("a", datetime(2026, 7, 6, 12, 30))])  # Mondays
    assert cells(log, zone="Europe/Berlin") == {("Monday", 13): 1, ("Monday", 14): 1}


def test_figures_are_of_days_of_that_weekday() -> None:
    log = on_days([("a", 0.5), ("b", 0.5), ("a", 7.5), ("a", 2.5)])  # eight days, two Mondays
    rows = {row["weekday"]: row for row in seasonality(log, part="weekday").table.to_pylist()}
    assert (rows["Monday"]["n"], rows["Monday"]["n_days"], rows["Monday"]["per_day"], rows["Monday"]["share"]) == (3, 2, 1.5, 0.75)
    assert rows["Monday"]["index"] == 1.5 / (4 / 8)
    assert rows["Tuesday"]["n"] == 0
    hours = {row["hour"]: row for row in seasonality(log, part="hour").table.to_pylist()}
    assert (hours[12]["n"], hours[12]["n_days"]) == (4, 8)
    assert seasonality(log).cell("weeks.whole").value == 0  # it begins at noon of the first Monday


def shop(seed: int, *, saturday: float = 1.0, evening: float = 1.0, growth: float = 0.0) -> EventLog:
    """Ten weeks of about 60 acts a day; Saturdays and the hour from 20:00 may have more, and so may later weeks."""
    rng = np.random.default_rng(seed)
    acts = [("u0", MONDAY)]
    for day in range(71):
        for _ in range(rng.poisson(60 * (saturday if day % 7 == 5 else 1) * (1 + growth * day))):
            hour = 20 if rng.random() < (evening - 1) / (23 + evening) else rng.integers(24)
            acts.append((f"u{rng.integers(80)}", MONDAY + timedelta(days=day, hours=int(hour), seconds=int(rng.integers(3600)))))
    return log_of(acts)


def test_a_planted_saturday_and_evening_are_found() -> None:
    for seed in range(2):
        result = seasonality(shop(seed, saturday=1.6, evening=3))
        weekday, hour = result.findings
        assert weekday.text.startswith("Saturday is the strongest day: 1.")
        assert weekday.text.zh.startswith("周六")  # type: ignore[attr-defined]
        assert hour.text.startswith("The hour from 20:00 (UTC)")
        assert result.cell("weekday.peak").value == pytest.approx(1.6 * 7 / 7.6, rel=0.08)
        assert all((finding.p_value or 1) < 0.01 for finding in result.findings)


def test_even_days_and_steady_growth_raise_none() -> None:
    for seed in range(3):
        assert seasonality(shop(seed)).findings == ()
        assert seasonality(shop(seed, growth=0.03)).findings == ()


def test_a_log_of_days_has_weekdays_and_no_hours() -> None:
    log = log_of([("a", MONDAY + timedelta(days=k)) for k in range(40)])
    result = seasonality(log)
    assert result.table.column_names[0] == "weekday"
    assert "hour" not in result.table.column_names
    assert "knows days only" in result.meta["warnings"][0]
    assert result.cell("days.whole").value == 40
    with pytest.raises(NotInLogError, match=r"hours of the day: all times of log .* are at midnight"):
        seasonality(log, part="hour")
    with pytest.raises(NotInLogError, match="zone 'Asia/Tokyo'"):
        seasonality(log, zone="Asia/Tokyo")


def test_bad_options_one_event_and_nothing_left() -> None:
    log = on_days([("a", 0.5)])
    with pytest.raises(ConfigError, match=r"no zone 'Europe/Berlim'; .* did you mean 'Europe/Berlin'"):
        seasonality(log, zone="Europe/Berlim")
    with pytest.raises(ConfigError, match=r"no zone '\.\./etc/passwd'"):
        seasonality(log, zone="../etc/passwd")
    with pytest.raises(ConfigError, match="both, hour or weekday, got 'day'"):
        seasonality(log, part="day")  # type: ignore[arg-type]
    assert sum(seasonality(log).table["n"].to_pylist()) == 1
    assert seasonality(trail(log, users=["nobody"])).is_empty
    for dialect in ("duckdb", "spark", "postgres"):
        assert "SELECT" in seasonality(log).sql(dialect)
