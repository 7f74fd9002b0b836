"""Calendar periods, and how much of them a log has seen: what retention, lifecycle, stickiness and seasonality share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

import ibis.expr.types as ir
import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from footpath.analysis.trail import Trail, trail
from footpath.errors import ConfigError, did_you_mean
from footpath.result import Phrase

Period = Literal["day", "week", "month"]
PERIODS: Final = {"day": Phrase("day", "日"), "week": Phrase("week", "周"), "month": Phrase("month", "月")}
_EPOCH: Final = date(1970, 1, 1).toordinal()
_MONDAY: Final = 3
"""Days from the Monday before 1970 began, a Thursday, to its first day."""


def check_period(period: str) -> None:
    """Raises ConfigError for what is no period."""
    if period not in PERIODS:
        raise ConfigError(f"period must be day, week or month, got {period!r}{did_you_mean(str(period), PERIODS)}")


def day_number(timestamp: ir.TimestampValue) -> ir.IntegerValue:
    """Days since 1970 began, in UTC."""
    return (timestamp.epoch_seconds().cast("int64") // 86_400).cast("int64")


def period_number(timestamp: ir.TimestampValue, period: Period) -> ir.IntegerValue:
    """The number of the calendar period (UTC, weeks from Monday) of a time: such numbers differ by 1 from one period to the next."""
    if period == "month":
        return (timestamp.year().cast("int64") * 12 + timestamp.month().cast("int64") - 1).cast("int64")
    if period == "week":
        return ((day_number(timestamp) + _MONDAY) // 7).cast("int64")
    return day_number(timestamp)


def period_of(day: date, period: Period) -> int:
    """`period_number` of one day, outside the engine."""
    number = day.toordinal() - _EPOCH
    return {"day": number, "week": (number + _MONDAY) // 7, "month": day.year * 12 + day.month - 1}[period]


def period_start(number: int, period: Period) -> date:
    """The first day of the period of that number."""
    if period == "month":
        return date(number // 12, number % 12 + 1, 1)
    return date.fromordinal(_EPOCH + (number if period == "day" else 7 * number - _MONDAY))


@dataclass(frozen=True)
class Observation:
    """From when to when (left out) a log looks on, and whether its times are days only. UTC."""

    begin: datetime
    end: datetime
    by_day: bool

    def is_complete(self, number: int, period: Period) -> bool:
        """Whether a period had ended when the log did."""
        return datetime.combine(period_start(number + 1, period), datetime.min.time()) <= self.end

    def is_whole(self, number: int, period: Period) -> bool:
        """Whether the log saw a period from its beginning to its end."""
        return self.is_complete(number, period) and datetime.combine(period_start(number, period), datetime.min.time()) >= self.begin


def observation(t: Trail) -> Observation | None:
    """When a log begins and ends: its acts of every type and user, within `since` and `until`; None without acts.

    A log whose times are all at midnight knows days only: its last day counts as seen to its end.
    """
    table = t.log.table
    second = table.timestamp.epoch_seconds().cast("int64") % 86_400
    row = table.aggregate(first=table.timestamp.min(), last=table.timestamp.max(), latest=second.max()).to_pyarrow().to_pylist()[0]
    if row["first"] is None:
        return None
    by_day = row["latest"] == 0
    begin, end = row["first"], row["last"] + (timedelta(days=1) if by_day else timedelta(0))
    since, until = (None if t.settings[name] is None else _moment(t.settings[name]) for name in ("since", "until"))
    return Observation(max(begin, since or begin), min(end, until or end), by_day)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else (moment - (moment.utcoffset() or timedelta(0))).replace(tzinfo=None)


def whole_history(t: Trail) -> Trail:
    """The same acts from the beginning of the log, whatever `since` leaves out: who is new is told by all that came before."""
    s = t.settings
    if s["since"] is None:
        return t
    return trail(t.log, **{name: s[name] for name in ("by", "gap_minutes", "sessions", "event_types", "bots", "until", "users")})


def fitting_period(seen: Observation | None) -> Period:
    """Weeks, or days where a log holds fewer than four weeks."""
    return "week" if seen is None or seen.end - seen.begin >= timedelta(weeks=4) else "day"


def last_day(seen: Observation) -> date:
    """The last day of which a log has seen anything."""
    return (seen.end - timedelta(microseconds=1)).date()


def since_of(t: Trail) -> datetime | None:
    """The moment before which acts are not counted, if one was asked for."""
    return None if t.settings["since"] is None else _moment(t.settings["since"])


@dataclass(frozen=True)
class Shift:
    """How a share differs between earlier and later groups: both shares, their difference with its interval, and the p-value of none."""

    early: float
    late: float
    n_early: int
    n_late: int
    low: float
    high: float
    p_value: float

    @property
    def difference(self) -> float:
        return self.late - self.early


def shift(successes: Sequence[int], n: Sequence[int], confidence: float = 0.95) -> Shift | None:
    """Whether a share differs between the earlier and the later half of some groups, in order of time; None with fewer than two a half.

    Groups differ by more than chance (holidays, campaigns), so the binomial variance is multiplied by the dispersion of the groups
    around their half where that is above 1, and the statistic is compared with Student's t. McCullagh and Nelder, 1989, 4.5.
    """
    k, m = np.asarray(successes, np.float64), np.asarray(n, np.float64)
    k, m = k[m > 0], m[m > 0]
    half = len(m) // 2
    if half < 2:
        return None
    halves = ((k[:half], m[:half]), (k[half:], m[half:]))
    shares = [float(kk.sum() / mm.sum()) for kk, mm in halves]
    freedom = len(m) - 2
    residual, variance = 0.0, 0.0
    for share, (kk, mm) in zip(shares, halves, strict=True):
        binomial = share * (1 - share)
        residual += float(((kk - mm * share) ** 2 / (mm * binomial)).sum()) if binomial > 0 else 0.0
        variance += binomial / float(mm.sum())
    error = float(np.sqrt(max(1.0, residual / freedom) * variance))
    if error == 0:
        return None
    gap = shares[1] - shares[0]
    bound = max(float(student.isf((1 - confidence) / 2, freedom)), float(norm.isf((1 - confidence) / 2))) * error
    p = float(2 * student.sf(abs(gap) / error, freedom))
    return Shift(shares[0], shares[1], int(halves[0][1].sum()), int(halves[1][1].sum()), gap - bound, gap + bound, p)
