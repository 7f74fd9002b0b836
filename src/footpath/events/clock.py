"""What time it was: units by magnitude, zones by rule, and no date that cannot be."""

from __future__ import annotations

import math
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb

from footpath.errors import ConfigError, TimeError, did_you_mean
from footpath.events import sql

EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
"""A log whose median is before this, or more than a day ahead, is refused: the unit or the column is wrong."""
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_UNIT_NAMES: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_NUMBERS: Final = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
    "FLOAT",
    "DOUBLE",
)
_SHOWN: Final = 3
_EMPTY: Final = "is empty; a log with a clock needs a time in every row"
_ELSE: Final = "map another column with --column timestamp=COLUMN, or pass --column timestamp=- for a log without a clock"


@dataclass(frozen=True)
class Clock:
    """How a column is read as a time.

    sql: an expression that gives microseconds since 1970 UTC as a TIMESTAMP. unit: of numbers, else None. zone: that naive times were
    read in, None where they carry their own. whole_days: the clock tells days only.
    """

    sql: str
    unit: str | None
    zone: str | None
    whole_days: bool
    note: str


def check_zone(zone: str) -> str:
    """A zone that the time zone database knows; raises ConfigError."""
    known = zoneinfo.available_timezones()
    if zone not in known:
        raise ConfigError(f"no time zone {zone!r}{did_you_mean(zone, known)}; pass one such as UTC or Europe/Berlin")
    return zone


def check_unit(unit: str) -> str:
    """A unit of time stamps; raises ConfigError."""
    if unit not in _PER_SECOND:
        raise ConfigError(f"no time unit {unit!r}; pass one of {', '.join(_PER_SECOND)}")
    return unit


def read_clock(
    con: duckdb.DuckDBPyConnection,
    table: str,
    column: str,
    kind: str,
    *,
    label: str,
    source: str,
    zone: str | None = None,
    time_unit: str | None = None,
    now: datetime | None = None,
) -> Clock:
    """How to read a column as a time.

    table: what stands behind FROM, with the alias `s`. column: an SQL expression, and kind: its DuckDB type. label: the file, and source:
    the column, as messages name them. zone: of times without one. time_unit: of numbers, where magnitude should not decide.
    Raises TimeError with row and value.
    """
    return _Reading(con, table, column, kind, label, source, zone, time_unit, now or datetime.now(UTC)).clock()


@dataclass(frozen=True)
class _Reading:
    con: duckdb.DuckDBPyConnection
    table: str
    column: str
    kind: str
    label: str
    source: str
    zone: str | None
    time_unit: str | None
    now: datetime

    @property
    def latest(self) -> datetime:
        return self.now + timedelta(days=1)

    def clock(self) -> Clock:
        if self.kind == "VARCHAR":
            return self._text()
        if self.kind.startswith((*_NUMBERS, "DECIMAL")):
            self._refuse(f"{self.column} IS NULL", _EMPTY)
            return self._numbers(self.column)
        if self.kind == "TIMESTAMP WITH TIME ZONE":
            return self._moments(f"(({self.column}) AT TIME ZONE 'UTC')", None, "times with their own zone")
        if self.kind == "DATE" or self.kind.startswith("TIMESTAMP"):
            zone = self._zone_for_naive(self.column)
            naive = f"CAST({self.column} AS TIMESTAMP)"
            return self._moments(_in_zone(naive, zone), zone, f"times without a zone, read as {zone}", naive)
        raise TimeError(f"{self.label}: {self.source} is of type {self.kind.lower()}, which tells no time; {_ELSE}")

    def _text(self) -> Clock:
        value = f"nullif(trim({self.column}), '')"
        n, n_filled, n_plain, n_numbers = sql.row(
            self.con,
            f"SELECT count(*), count({value}), count(*) FILTER ({value} = {self.column}), count(try_cast({value} AS DOUBLE)) "
            f"FROM {self.table}",
        )
        if n_plain == n:
            value = self.column
        if n_filled < n:
            self._refuse(f"{value} IS NULL", _EMPTY)
        if n_numbers == n:
            return self._numbers(value)
        if n_numbers > n // 2:
            self._refuse(f"try_cast({value} AS DOUBLE) IS NULL", "is not a number as the other values are")
        moment = f"replace({value}, ' +0000 UTC', 'Z')"
        tail = f"substr({moment}, 11)"
        aware = f"(contains({tail}, '+') OR contains({tail}, '-') OR regexp_matches({tail}, '(?i)(Z|UTC|GMT)$'))"
        (n_aware,) = sql.row(self.con, f"SELECT count(*) FILTER ({aware}) FROM {self.table}")
        with_zone = f"(try_cast({moment} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')"
        if n_aware == n:
            return self._moments(with_zone, None, "times with their own zone")
        zone = self._zone_for_naive(f"CASE WHEN NOT {aware} THEN {value} END")
        local = f"try_cast({moment} AS TIMESTAMP)"
        naive = _in_zone(local, zone)
        if n_aware == 0:
            return self._moments(naive, zone, f"times without a zone, read as {zone}", local)
        return self._moments(
            f"CASE WHEN {aware} THEN {with_zone} ELSE {naive} END", zone, f"{n - n_aware} times without a zone, read as {zone}"
        )

    def _zone_for_naive(self, value: str) -> str:
        if self.zone is not None:
            return self.zone
        row, shown = sql.row(
            self.con, f"SELECT s.rowid, CAST({value} AS VARCHAR) FROM {self.table} WHERE {value} IS NOT NULL ORDER BY s.rowid LIMIT 1"
        )
        raise TimeError(
            f"{self.label}: {self.source} is {shown!r} in row {row + 1}, a time without a zone; say which zone it is in: --zone UTC"
        )

    def _moments(self, moment: str, zone: str | None, note: str, local: str | None = None) -> Clock:
        """local: the same moment before a zone was applied, where midnight is midnight."""
        self._refuse(f"{moment} IS NULL OR NOT isfinite({moment})", "is not a time; write times as 2026-01-31T12:00:00Z or as numbers")
        middle, whole_days = sql.row(
            self.con,
            f"SELECT quantile_disc(epoch_us({moment}), 0.5), bool_and(epoch_us({local or moment}) % 86400000000 = 0) FROM {self.table}",
        )
        self._check_median(middle / 1e6, f"{note}, ")
        return Clock(moment, None, zone, bool(whole_days), note + ("; whole days" if whole_days else ""))

    def _numbers(self, value: str) -> Clock:
        number = f"try_cast({value} AS DOUBLE)"
        low, middle, high, n_whole, n = sql.row(
            self.con,
            f"SELECT min({number}), quantile_disc({number}, 0.5), max({number}), count(*) FILTER ({number} = trunc({number})), count(*) "
            f"FROM {self.table}",
        )
        if not (math.isfinite(low) and math.isfinite(high)):
            self._refuse(f"NOT isfinite({number})", "is not a finite number")
        if self.time_unit is None and n_whole == n and low >= 19_000_101 and high <= 22_001_231:
            day = f"try_strptime(CAST(CAST({number} AS BIGINT) AS VARCHAR), '%Y%m%d')"
            (n_days,) = sql.row(self.con, f"SELECT count({day}) FROM {self.table}")
            if n_days == n:
                zone = self._zone_for_naive(value)
                return self._moments(_in_zone(day, zone), zone, f"dates written as YYYYMMDD, read as {zone}", day)
        unit = self.time_unit or self._unit_of(middle)
        if unit is None:
            raise TimeError(
                f"{self.label}: {self.source} has the median {middle:.15g}, which is {_say(middle)} in seconds and no date from 1990 to "
                f"tomorrow in seconds, milli-, micro- or nanoseconds; {_ELSE}"
            )
        self._check_median(middle / _PER_SECOND[unit], f"read as {_UNIT_NAMES[unit]}{' (as told)' if self.time_unit else ''}, ")
        if low < 0 or not EARLIEST.timestamp() <= low / _PER_SECOND[unit] or high / _PER_SECOND[unit] > self.latest.timestamp():
            self._refuse_other_units(value, number, unit, n)
        whole = f"try_cast({value} AS BIGINT)"
        factor = 10**6 // _PER_SECOND[unit] if unit != "ns" else 1
        exact = f"{whole} // 1000" if unit == "ns" else f"{whole} * {factor}"
        rounded = f"CAST(round({number} {'/ 1000' if unit == 'ns' else f'* {factor}'}) AS BIGINT)"
        micros = exact if n_whole == n else f"CASE WHEN {number} = trunc({number}) THEN {exact} ELSE {rounded} END"
        whole_days = n_whole == n and middle % (86_400 * _PER_SECOND[unit]) == 0
        if whole_days:
            (whole_days,) = sql.row(self.con, f"SELECT bool_and(({micros}) % 86400000000 = 0) FROM {self.table}")
        how = "as told" if self.time_unit else f"by magnitude: the median is {_say(middle / _PER_SECOND[unit])}"
        note = f"{_UNIT_NAMES[unit]} since 1970 UTC ({how})" + ("; whole days" if whole_days else "")
        return Clock(f"make_timestamp({micros})", unit, None, bool(whole_days), note)

    def _unit_of(self, number: float) -> str | None:
        return next((u for u, per in _PER_SECOND.items() if EARLIEST.timestamp() <= number / per <= self.latest.timestamp()), None)

    def _refuse_other_units(self, value: str, number: str, unit: str, n: int) -> None:
        for other, per in _PER_SECOND.items():
            if other == unit:
                continue
            looks = f"{number} / {per} BETWEEN {EARLIEST.timestamp()} AND {self.latest.timestamp()}"
            found = self._rows(looks, value)
            if found:
                count = found[0][2]
                rows = ", ".join(f"{row + 1} ({shown})" for row, shown, _ in found)
                raise TimeError(
                    f"{self.label}: {self.source} mixes units: {n - count} values are {_UNIT_NAMES[unit]}, {count} look like "
                    f"{_UNIT_NAMES[other]}, in row {rows}{', ...' if count > _SHOWN else ''}; write all times in one unit"
                )
        first, last = datetime(1900, 1, 1, tzinfo=UTC).timestamp(), datetime(2200, 1, 1, tzinfo=UTC).timestamp()
        self._refuse(
            f"NOT ({number} / {_PER_SECOND[unit]} BETWEEN {first} AND {last})", f"is no time from 1900 to 2200 in {_UNIT_NAMES[unit]}"
        )

    def _check_median(self, seconds: float, note: str) -> None:
        if not EARLIEST.timestamp() <= seconds <= self.latest.timestamp():
            side = "before 1990" if seconds < EARLIEST.timestamp() else "more than a day ahead"
            raise TimeError(
                f"{self.label}: the median of {self.source} is {_say(seconds)} ({note}{side}), so the unit or the column is wrong; "
                f"{_ELSE}, or tell the unit with --time-unit s|ms|us|ns"
            )

    def _refuse(self, wrong: str, what: str) -> None:
        found = self._rows(wrong, self.column)
        if found:
            row, shown, count = found[0]
            rows = ", ".join(str(r[0] + 1) for r in found) + (", ..." if count > _SHOWN else "")
            told = "" if shown is None or not str(shown).strip() else f"{shown!r} "
            raise TimeError(f"{self.label}: {self.source} in row {row + 1}: {told}{what} ({count} such rows: {rows})")

    def _rows(self, wrong: str, shown: str) -> list[tuple]:
        if not sql.row(self.con, f"SELECT count(*) FILTER ({wrong}) FROM {self.table}")[0]:
            return []
        return self.con.execute(
            f"SELECT s.rowid, CAST({shown} AS VARCHAR), count(*) OVER () FROM {self.table} WHERE {wrong} ORDER BY s.rowid LIMIT {_SHOWN}"
        ).fetchall()


def _in_zone(naive: str, zone: str) -> str:
    return naive if zone == "UTC" else f"(timezone({sql.text(zone)}, {naive}) AT TIME ZONE 'UTC')"


def _say(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.6g} s after 1970"
