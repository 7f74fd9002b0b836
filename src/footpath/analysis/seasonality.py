"""Seasonality: at which hours and on which days of the week people act."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from jaxtyping import Int64
from scipy.stats import friedmanchisquare

from footpath.analysis.charts import bars, heatmap
from footpath.analysis.periods import observation
from footpath.analysis.trail import Trail, trail
from footpath.errors import ConfigError, NotInLogError, did_you_mean
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, ratio_interval

QUARTER: Final = 900
"""Seconds: every zone of today lies a whole number of quarters of an hour from UTC."""
FEWEST_DAYS: Final = 14
FEWEST_WEEKS: Final = 4
"""Whole days for a test of hours, whole weeks for one of weekdays."""
WEEKDAYS: Final = (
    Phrase("Monday", "周一"), Phrase("Tuesday", "周二"), Phrase("Wednesday", "周三"), Phrase("Thursday", "周四"), Phrase("Friday", "周五"),
    Phrase("Saturday", "周六"), Phrase("Sunday", "周日"),
)  # fmt: skip
WHAT: Final = {
    "both": Phrase("hour and day of the week", "小时与星期几"),
    "hour": Phrase("hour", "小时"),
    "weekday": Phrase("day of the week", "星期几"),
}
SCHEMA: Final = {
    "weekday": pa.string(), "hour": pa.int64(), "n": pa.int64(), "n_days": pa.int64(), "per_day": pa.float64(), "share": pa.float64(),
    "index": pa.float64(),
}  # fmt: skip


def seasonality(
    log: EventLog | Trail, *, part: Literal["both", "hour", "weekday"] | None = None, zone: str = "UTC", confidence: float = 0.95
) -> Result:
    """Acts by hour and day of the week, and whether these differ by more than days do.

    part: `both`, `hour` or `weekday`; without it both, or weekday where the log knows days only. zone: an IANA name; the clock of the
    log is UTC. `n_days`: days of that weekday in the log; `per_day`: acts on one of them (in that hour); `index`: per_day over that of
    the average hour (and day), so 1 where nothing stands out.
    parts: `weekdays`, over whole weeks (from Monday), and `hours`, over whole days, with index and interval. Days, and weeks, are what is
    drawn and tested, for the acts of one hang together: Friedman's test of hours within days, from 14 whole days, and of weekdays
    within weeks, from 4 whole weeks, so that growth from week to week is no weekday. Friedman, JASA 1937.
    Raises NotInLogError for hours of a log that knows days only.
    """
    t = trail(log)
    t.need_clock("seasonality")
    seen = observation(t)
    by_day = seen is not None and seen.by_day
    if part not in (None, "both", "hour", "weekday"):
        raise ConfigError(f"part must be both, hour or weekday, got {part!r}{did_you_mean(str(part), ('both', 'hour', 'weekday'))}")
    if by_day and (part in ("both", "hour") or zone != "UTC"):
        what = "hours of the day" if zone == "UTC" else f"zone {zone!r}"
        raise NotInLogError(f"{what}: all times of log {t.log.name!r} are at midnight, it knows days only; use part='weekday' in UTC")
    chosen = part or ("weekday" if by_day else "both")
    place = _zone(zone)
    definition = say(
        "Acts by {what} in zone {zone}. Per day: acts over the days of that weekday in the log. Index: per day over the average of all, 1 "
        "where nothing stands out.",
        "按{what}统计行为数（时区 {zone}）。日均：行为数除以日志中该星期几的天数。指数：日均与总体平均之比，1 表示无差异。",
        what=WHAT[chosen], zone=zone,
    )  # fmt: skip
    if seen is None or not t.counts.acts:
        return t.nothing("seasonality", definition, say("no acts are left to count", "没有可统计的行为"), SCHEMA)

    def quarters(acts: ir.Table) -> ir.Table:
        timed = acts.mutate(quarter=(acts.timestamp.epoch_seconds().cast("int64") // QUARTER).cast("int64"))
        return timed.group_by("quarter").agg(n=timed.count().cast("int64"))

    rows, query = t.compute(quarters)
    counts, first, whole = _grid(rows, place, seen.begin, seen.end)
    weekday = (first + np.arange(len(counts))) % 7
    days = np.bincount(weekday, minlength=7)
    table = _table(counts, weekday, days, chosen)
    parts: dict[str, pa.Table] = {}
    p_values: dict[str, float | None] = {}
    inside, weeks = counts[whole], _weeks(counts.sum(axis=1), whole, first)
    if chosen != "hour":
        parts["weekdays"] = _indexes("weekday", [str(name) for name in WEEKDAYS], weeks, confidence)
        p_values["weekday"] = _friedman(weeks, FEWEST_WEEKS)
    if chosen != "weekday":
        parts["hours"] = _indexes("hour", list(range(24)), inside, confidence)
        p_values["hour"] = _friedman(inside, FEWEST_DAYS)
    drawn = {"weekday": len(weeks), "hour": len(inside)}
    cells = [Cell("days", len(counts), "days"), Cell("days.whole", len(inside), "days"), Cell("weeks.whole", len(weeks), "weeks")]
    cells += [Cell(f"{name}.p_value", p, "p", drawn[name]) for name, p in p_values.items() if p is not None]
    findings, more = _findings(parts, p_values, zone)
    warnings = []
    if by_day:
        warnings.append(
            say("all times are at midnight: the log knows days only, and hours are left out",
                "所有时间均为零点：日志只精确到日，不统计小时")
        )  # fmt: skip
    if chosen != "weekday" and len(inside) < FEWEST_DAYS:
        warnings.append(
            say("{n} whole days are too few to test hours; {least} are needed", "完整的日只有 {n} 天，不足以检验小时差异（需 {least} 天）",
                n=len(inside), least=FEWEST_DAYS)
        )  # fmt: skip
    if chosen != "hour" and len(weeks) < FEWEST_WEEKS:
        warnings.append(
            say("{n} whole weeks are too few to test weekdays; {least} are needed",
                "完整的周只有 {n} 周，不足以检验星期差异（需 {least} 周）",
                n=len(weeks), least=FEWEST_WEEKS)
        )  # fmt: skip
    meta = t.meta(definition, warnings=warnings, part=chosen, confidence=confidence) | {"zone": zone}
    return Result("seasonality", table, meta, (*cells, *more), _chart(table, chosen), parts, findings, {"quarters": query})


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        raise ConfigError(f"no zone {name!r}; an IANA name is needed, such as Europe/Berlin{did_you_mean(str(name), known)}") from None


def _grid(rows: pa.Table, zone: zoneinfo.ZoneInfo, begin: datetime, end: datetime) -> tuple[Int64[np.ndarray, "D 24"], int, np.ndarray]:
    """Acts of each day and hour of a zone; the weekday of the first day (Monday is 0); which days the log saw from begin to end."""

    def local(moment: datetime) -> datetime:
        return moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)

    quarter = rows["quarter"].to_numpy()
    # a zone's distance from UTC changes at whole quarters, so one look-up a quarter is enough
    at = [local(datetime(1970, 1, 1) + timedelta(seconds=int(q) * QUARTER)) for q in quarter]
    first, last = local(begin).date(), local(end - timedelta(microseconds=1)).date()
    first, last = min([first, *(moment.date() for moment in at)]), max([last, *(moment.date() for moment in at)])
    counts = np.zeros(((last - first).days + 1, 24), np.int64)
    np.add.at(counts, ([(moment.date() - first).days for moment in at], [moment.hour for moment in at]), rows["n"].to_numpy())
    starts = [datetime(first.year, first.month, first.day) + timedelta(days=i) for i in range(len(counts))]
    whole = np.array([local(begin) <= start and start + timedelta(days=1) <= local(end) for start in starts])
    return counts, first.weekday(), whole


def _table(counts: Int64[np.ndarray, "D 24"], weekday: np.ndarray, days: np.ndarray, part: str) -> pa.Table:
    total = int(counts.sum())
    by_weekday = np.array([counts[weekday == day].sum(axis=0) for day in range(7)])
    rows: list[dict[str, Any]] = []
    for day in range(7) if part != "hour" else [None]:
        for hour in range(24) if part != "weekday" else [None]:
            picked = by_weekday if day is None else by_weekday[day : day + 1]
            n = int(picked.sum() if hour is None else picked[:, hour].sum())
            n_days = int(len(counts) if day is None else days[day])
            average = total / len(counts) / (1 if hour is None else 24)
            per_day = n / n_days if n_days else None
            rows.append(
                {
                    "weekday": None if day is None else str(WEEKDAYS[day]),
                    "hour": hour,
                    "n": n,
                    "n_days": n_days,
                    "per_day": per_day,
                    "share": n / total,
                    "index": None if per_day is None else per_day / average,
                }
            )
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in SCHEMA.items()})
    return table.drop_columns([name for name, gone in (("weekday", part == "hour"), ("hour", part == "weekday")) if gone])


def _weeks(acts: Int64[np.ndarray, " D"], whole: np.ndarray, first: int) -> Int64[np.ndarray, "W 7"]:
    """Acts of the days of each week that the log saw whole, from Monday."""
    monday = -first % 7
    n = max(0, (len(acts) - monday) // 7)
    cut = slice(monday, monday + 7 * n)
    return acts[cut].reshape(n, 7)[whole[cut].reshape(n, 7).all(axis=1)]


def _friedman(counts: Int64[np.ndarray, "R C"], fewest: int) -> float | None:
    """The p-value of no difference between columns; None with too few rows, or where the columns are alike in each."""
    if len(counts) < fewest or (counts == counts[:, :1]).all():
        return None
    return float(friedmanchisquare(*counts.T).pvalue)


def _indexes(name: str, names: list[Any], counts: Int64[np.ndarray, "R C"], confidence: float) -> pa.Table:
    """Each column's acts over those of the average column, with an interval over rows (delta method)."""
    acts = counts.sum(axis=1).astype(np.float64)
    rows = []
    for place in range(len(names)):
        found = ratio_interval(float(len(names)) * counts[:, place], acts, confidence=confidence) if acts.sum() else None
        known = found is not None and not np.isnan(found.low)
        rows.append(
            {
                "n": int(counts[:, place].sum()),
                "n_rows": len(counts),
                "index": None if found is None else found.value,
                "low": max(0.0, found.low) if found is not None and known else None,
                "high": found.high if found is not None and known else None,
            }
        )
    kinds = {"n": pa.int64(), "n_rows": pa.int64(), "index": pa.float64(), "low": pa.float64(), "high": pa.float64()}
    columns = {column: pa.array([row[column] for row in rows], kind) for column, kind in kinds.items()}
    columns[{"weekday": "n_weeks", "hour": "n_days"}[name]] = columns.pop("n_rows")
    return pa.table({name: names, **columns})


def _chart(table: pa.Table, part: str) -> dict[str, Any]:
    rows = table.to_pylist()
    acts = say("acts", "行为数")
    if part == "both":
        days = [str(name) for name in WEEKDAYS]
        values = [(row["hour"], days.index(row["weekday"]), row["per_day"]) for row in rows]
        hours = [f"{hour:02}" for hour in range(24)]
        return heatmap(
            hours, WEEKDAYS, values, format="number", x_name=say("hour", "小时"), low=0.0, name=say("acts per day", "日均行为数")
        )
    names = list(WEEKDAYS) if part == "weekday" else [f"{row['hour']:02}" for row in rows]
    series: dict[str, Any] = {say("acts a day", "日均行为数"): [row["per_day"] for row in rows]}
    return bars(names, series, format="number", x_name=WHAT[part], y_name=acts)


def _findings(parts: dict[str, pa.Table], p_values: dict[str, float | None], zone: str) -> tuple[tuple[Finding, ...], list[Cell]]:
    """The strongest weekday and hour, where weeks and days bear out that they differ."""
    found: list[Finding] = []
    cells: list[Cell] = []
    for part, name in (("weekdays", "weekday"), ("hours", "hour")):
        rows = [row for row in parts[part].to_pylist() if row["index"] is not None] if part in parts else []
        if not rows:
            continue
        peak, trough = max(rows, key=lambda row: row["index"]), min(rows, key=lambda row: row["index"])
        for place, row in (("peak", peak), ("trough", trough)):
            cells.append(Cell(f"{name}.{place}", row["index"], "times", row["n"], row["low"], row["high"], str(row[name])))
        p = p_values.get(name)
        if p is None or p > 0.05 or trough["n"] < SMALL or peak["low"] < 1 or trough["high"] > 1:
            continue
        if peak["index"] < 1.2 * trough["index"]:
            continue
        if name == "weekday":
            day, weak = (next(phrase for phrase in WEEKDAYS if str(phrase) == row["weekday"]) for row in (peak, trough))
            text = say(
                "{day} is the strongest day: {index:.2f} times the acts of an average day [{low:.2f}, {high:.2f}]; {weak} is the "
                "weakest: {least:.2f} times.",
                "{day}最为活跃：行为数是日均的 {index:.2f} 倍（区间 {low:.2f}–{high:.2f}）；{weak}最少，为 {least:.2f} 倍。",
                day=day, weak=weak, least=trough["index"], index=peak["index"], low=peak["low"], high=peak["high"],
            )  # fmt: skip
        else:
            text = say(
                "The hour from {hour:02}:00 ({zone}) is the strongest: {index:.1f} times the acts of an average hour "
                "[{low:.1f}, {high:.1f}].",
                "{hour:02}:00 起的一小时（{zone}）最为活跃：行为数是平均每小时的 {index:.1f} 倍（区间 {low:.1f}–{high:.1f}）。",
                hour=peak["hour"], zone=zone, index=peak["index"], low=peak["low"], high=peak["high"],
            )  # fmt: skip
        share = peak["n"] / sum(row["n"] for row in rows)
        found.append(Finding("finding", text, (f"{name}.peak", f"{name}.trough"), p, min(1.0, share * (peak["index"] - trough["index"]))))
    return tuple(found), cells
