"""Units by magnitude, zones by rule, dates that cannot be refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.events.conftest import Rows, Write

from footpath.errors import ConfigError, TimeError
from footpath.events import sql
from footpath.events.clock import Clock, read_clock
from footpath.events.readers import read_events

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def times(values: list[object], kind: str = "VARCHAR", **options: str) -> tuple[list[datetime], Clock]:
    """What a column of these values is read as, and how."""
    con = sql.connect()
    con.execute(f"CREATE TABLE log (t {kind})")
    con.executemany("INSERT INTO log VALUES (?)", [[value] for value in values])
    clock = read_clock(con, "log AS s", "s.t", kind, label="log.csv", source="timestamp (column 't')", now=NOW, **options)  # type: ignore[arg-type]
    return [r[0] for r in con.execute(f"SELECT {clock.sql} FROM log AS s ORDER BY s.rowid").fetchall()], clock


@pytest.mark.parametrize(
    ("value", "unit", "time"),
    [
        ("1396437466", "s", datetime(2014, 4, 2, 11, 17, 46)),
        ("1396437466.94", "s", datetime(2014, 4, 2, 11, 17, 46, 940000)),
        ("1396437466940", "ms", datetime(2014, 4, 2, 11, 17, 46, 940000)),
        ("1396437466940.25", "ms", datetime(2014, 4, 2, 11, 17, 46, 940250)),
        ("1396437466940123", "us", datetime(2014, 4, 2, 11, 17, 46, 940123)),
        ("1396437466940123999", "ns", datetime(2014, 4, 2, 11, 17, 46, 940123)),
        ("881250949", "s", datetime(1997, 12, 4, 15, 55, 49)),
        ("1.396437466e9", "s", datetime(2014, 4, 2, 11, 17, 46)),
    ],
)
def test_the_unit_of_numbers_is_found_by_magnitude_and_said(value: str, unit: str, time: datetime) -> None:
    found, clock = times([value, value])
    assert found == [time, time]
    assert clock.unit == unit
    assert f"by magnitude: the median is {time:%Y-%m-%d %H:%M:%S} UTC" in clock.note


@pytest.mark.parametrize("kind", ["BIGINT", "DOUBLE", "DECIMAL(18, 3)", "HUGEINT", "VARCHAR"])
def test_numbers_of_any_type_are_the_same_times(kind: str) -> None:
    assert times([1396437466, 1396437500], kind)[0] == [datetime(2014, 4, 2, 11, 17, 46), datetime(2014, 4, 2, 11, 18, 20)]


@pytest.mark.parametrize(
    "value",
    [
        "2019-10-01 02:00:00 UTC",
        "2019-10-01T02:00:00Z",
        "2019-10-01T02:00:00.000+00:00",
        "2019-10-01 04:00:00+02",
        "2019-10-01T04:00:00+0200",
        "2019-09-30 22:00:00-04:00",
        "2019-10-01 02:00:00 GMT",
        "2019-10-01 02:00:00 +0000 UTC",
    ],
)
def test_times_with_a_zone_need_nothing(value: str) -> None:
    found, clock = times([value])
    assert found == [datetime(2019, 10, 1, 2)]
    assert clock.zone is None


def test_times_without_a_zone_need_one() -> None:
    with pytest.raises(
        TimeError, match=r"log\.csv: timestamp \(column 't'\) is '2019-10-01 02:00:00' in row 2, a time without a zone; .*--zone UTC"
    ):
        times(["2019-10-01T02:00:00Z", "2019-10-01 02:00:00"])
    assert times(["2019-10-01 02:00:00"], zone="UTC")[0] == [datetime(2019, 10, 1, 2)]
    assert times(["2019-10-01 02:00:00", "2019-01-01 02:00:00"], zone="Europe/Berlin")[0] == [
        datetime(2019, 10, 1),
        datetime(2019, 1, 1, 1),
    ]
    mixed, clock = times(["2019-10-01T02:00:00Z", "2019-10-01 02:00:00"], zone="Europe/Berlin")
    assert mixed == [datetime(2019, 10, 1, 2), datetime(2019, 10, 1)]
    assert clock.note == "1 times without a zone, read as Europe/Berlin"


@pytest.mark.parametrize("kind", ["TIMESTAMP", "DATE", "TIMESTAMP_NS", "TIMESTAMP_S"])
def test_typed_times_without_a_zone_need_one_too(kind: str) -> None:
    with pytest.raises(TimeError, match=r"a time without a zone; say which zone it is in: --zone UTC"):
        times(["2019-10-01"], kind)
    assert times(["2019-10-01"], kind, zone="UTC")[0] == [datetime(2019, 10, 1)]
    assert times(["2019-10-01"], kind, zone="Asia/Tokyo")[0] == [datetime(2019, 9, 30, 15)]


def test_typed_times_with_a_zone_need_nothing() -> None:
    assert times(["2019-10-01 04:00:00+02"], "TIMESTAMP WITH TIME ZONE")[0] == [datetime(2019, 10, 1, 2)]


def test_whole_numbers_that_are_dates_are_dates() -> None:
    found, clock = times(["19970101", "19980630"], zone="UTC")
    assert found == [datetime(1997, 1, 1), datetime(1998, 6, 30)]
    assert clock.whole_days
    with pytest.raises(TimeError, match=r"is '19970101' in row 1, a time without a zone"):
        times(["19970101"])
    with pytest.raises(TimeError, match=r"has the median 1997130\d, which is 1970-08-20 .* in seconds and no date"):
        times(["19971301", "19971302", "19971303"], zone="UTC")


@pytest.mark.parametrize(
    ("values", "zone", "whole"),
    [
        (["1252800000", "1252886400"], None, True),
        (["1252800000", "1252886401"], None, False),
        (["1252800000", "1252800000.5"], None, False),
        (["2019-10-01", "2019-10-02"], "UTC", True),
        (["2019-10-01", "2019-10-02"], "Asia/Tokyo", True),
        (["2019-10-01", "2019-10-02 01:00"], "UTC", False),
    ],
)
def test_a_clock_of_whole_days_is_known(values: list[object], zone: str | None, whole: bool) -> None:
    options = {} if zone is None else {"zone": zone}
    assert times(values, **options)[1].whole_days is whole


def test_mixed_units_are_refused_with_rows() -> None:
    values: list[object] = [str(1396437466 + n) for n in range(20)]
    values[4], values[11] = "1396437466940", "1396437470000"
    with pytest.raises(
        TimeError,
        match=r"mixes units: 18 values are seconds, 2 look like milliseconds, in row 5 \(1396437466940\), 12 \(1396437470000\); write all",
    ):
        times(values)
    with pytest.raises(TimeError, match=r"mixes units: 2 values are milliseconds, 1 look like seconds, in row 1 \(1396437466\)"):
        times(["1396437466", "1396437466000", "1396437467000"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0", r"has the median 0, which is 1970-01-01 00:00:00 UTC in seconds and no date from 1990 to tomorrow"),
        ("500000000", r"has the median 500000000, which is 1985-11-05"),
        ("7000000000", r"has the median 7000000000, which is 2191-"),
        ("-5", r"has the median -5"),
        ("1985-11-05T00:00:00Z", r"the median of timestamp \(column 't'\) is 1985-11-05 00:00:00 UTC \(.*before 1990\)"),
        ("2026-11-26T00:00:00Z", r"is 2026-11-26 00:00:00 UTC \(.*more than a day ahead\), so the unit or the column is wrong"),
        ("1e30", r"has the median 1e\+30, which is 1e\+30 s after 1970"),
    ],
)
def test_impossible_medians_are_refused(value: str, message: str) -> None:
    with pytest.raises(TimeError, match=message):
        times([value, value, value])


def test_a_day_ahead_is_still_possible() -> None:
    tomorrow = NOW + timedelta(hours=23)
    assert times([str(int(tomorrow.timestamp()))])[0] == [tomorrow.replace(tzinfo=None)]


def test_a_unit_may_be_told_where_it_is_possible() -> None:
    assert times(["1396437466940"], time_unit="ms")[1].note == "milliseconds since 1970 UTC (as told)"
    with pytest.raises(TimeError, match=r"is 1970-01-17 03:53:57 UTC \(read as milliseconds \(as told\), before 1990\)"):
        times(["1396437466"], time_unit="ms")
    with pytest.raises(ConfigError, match=r"no time unit 'minutes'; pass one of s, ms, us, ns"):
        read_events("log.csv", time_unit="minutes")


def test_single_odd_times_are_kept_and_absurd_ones_refused() -> None:
    good: list[object] = ["1396437466", "1396437467", "1396437468"]
    assert times([*good, "0"])[0][-1] == datetime(1970, 1, 1)
    with pytest.raises(TimeError, match=r"in row 4: '99999999999' is no time from 1900 to 2200 in seconds \(1 such rows: 4\)"):
        times([*good, "99999999999"])
    with pytest.raises(TimeError, match=r"in row 4: 'inf' is not a finite number"):
        times([*good, "inf"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["2019-10-01T00:00:00Z", "soon"], r"in row 2: 'soon' is not a time; write times as 2026-01-31T12:00:00Z or as numbers \(1 such"),
        (["11/12/2019 3:02:11 AM"], r"in row 1: '11/12/2019 3:02:11 AM' is not a time"),
        (["1396437466", "1396437467", "never"], r"in row 3: 'never' is not a number as the other values are"),
        (["1396437466", ""], r"in row 2: is empty; a log with a clock needs a time in every row \(1 such rows: 2\)"),
        (["1396437466", None], r"in row 2: is empty"),
        (["2019-10-01T00:00:00Z", "infinity"], r"in row 2: 'infinity' is not a time"),
    ],
)
def test_what_is_no_time_is_refused_with_row_and_value(values: list[object], message: str) -> None:
    with pytest.raises(TimeError, match=message):
        times(values, zone="UTC")


def test_a_type_that_tells_no_time_is_refused() -> None:
    with pytest.raises(TimeError, match=r"timestamp \(column 't'\) is of type boolean, which tells no time"):
        times([True], "BOOLEAN")


def test_an_unknown_zone_suggests_a_known_one(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'\?"):
        read_events(write("log.csv", "user_id,item_id,timestamp\na,x,1700000000\n"), zone="Europe/Berln")


def test_a_log_may_deny_its_clock(write: Write, rows: Rows) -> None:
    path = write("log.csv", "user_id,item_id,timestamp,position\na,x,7,1\na,y,3,0\n")
    log = read_events(path, columns={"timestamp": "-"})
    assert not log.has_clock
    assert rows(log, "item_id", "timestamp", "position", "context_timestamp") == [("y", None, 0, 3), ("x", None, 1, 7)]
