"""The quality report: the first page of every run, as a `Result`.

Nothing here changes the log. Suspected bots are flagged with the rule that they met, never removed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa

from footpath.events import sql
from footpath.events.contract import EVENT_COLUMNS
from footpath.events.reports import SourceReport
from footpath.result import Cell, Result

BOT_RULE: Final = (
    "a user with at least 100 acts and at least three times the median of all users, and one of: acts in at least 60 different seconds in "
    "a row, each at most 2 s after the one before; at least 100 acts at different times within one minute; at least 100 pauses that are "
    "all but equal (standard deviation at most 5 % of the mean); acts in each of 24 hours in a row"
)
_FIND_BOTS: Final = """
WITH counts AS (SELECT user_id, count(*) AS n FROM events GROUP BY 1),
heavy AS (SELECT user_id, n FROM counts WHERE n >= greatest(100, 3 * (SELECT median(n) FROM counts))),
times AS (
    SELECT DISTINCT user_id, heavy.n, epoch_us(log.timestamp) AS t FROM log JOIN heavy USING (user_id) WHERE log.timestamp IS NOT NULL
),
bursts AS (SELECT user_id, max(m) AS burst FROM (SELECT user_id, count(*) AS m FROM times GROUP BY user_id, t // 60000000) GROUP BY 1),
seconds AS (SELECT DISTINCT user_id, n, t // 1000000 AS s FROM times),
pauses AS (SELECT *, s - lag(s) OVER (PARTITION BY user_id ORDER BY s) AS pause FROM seconds),
runs AS (SELECT *, count(*) FILTER (pause IS NULL OR pause > 2) OVER (PARTITION BY user_id ORDER BY s) AS run FROM pauses),
longest AS (SELECT user_id, max(m) AS run FROM (SELECT user_id, count(*) AS m FROM runs GROUP BY user_id, run) GROUP BY 1),
hours AS (SELECT DISTINCT user_id, s // 3600 AS h FROM seconds),
watches AS (SELECT user_id, h - row_number() OVER (PARTITION BY user_id ORDER BY h) AS watch FROM hours),
awake AS (SELECT user_id, max(m) AS hours FROM (SELECT user_id, count(*) AS m FROM watches GROUP BY user_id, watch) GROUP BY 1),
beats AS (
    SELECT user_id, any_value(n) AS n, count(pause) AS beats, count(pause) >= 100 AND stddev_pop(pause) <= 0.05 * avg(pause) AS even
    FROM pauses GROUP BY 1
)
SELECT user_id, concat_ws('; ',
    CASE WHEN run >= 60 THEN 'acts in ' || run || ' different seconds in a row with pauses of at most 2 s' END,
    CASE WHEN burst >= 100 THEN burst || ' acts at different times within one minute' END,
    CASE WHEN even THEN beats || ' pauses that are all but equal' END,
    CASE WHEN hours >= 24 THEN 'acts in each of ' || hours || ' hours in a row' END) AS reason, n AS n_events
FROM beats JOIN longest USING (user_id) JOIN bursts USING (user_id) JOIN awake USING (user_id)
WHERE run >= 60 OR burst >= 100 OR even OR hours >= 24
ORDER BY n DESC, user_id
"""
_SECTIONS: Final = {
    "rows": "Rows",
    "order": "Order",
    "time": "Time",
    "size": "Size",
    "events": "Event mix",
    "tail": "Long tail",
    "nulls": "Empty values",
    "suspects": "Suspects",
}


def fingerprint(con: duckdb.DuckDBPyConnection) -> str:
    """A hash of the canonical rows in order, independent of file format, number of threads and context columns.

    Each row holds its user and position, so rows can be hashed alone and joined in any order.
    """
    there = [r[0] for r in con.execute("DESCRIBE events").fetchall() if r[0] in EVENT_COLUMNS]
    n, *counts = sql.row(con, f"SELECT count(*), {', '.join(f'count({c})' for c in there)} FROM events")
    filled = [(c, m) for c, m in zip(there, counts, strict=True) if m]
    filled.sort(key=lambda pair: list(EVENT_COLUMNS).index(pair[0]))
    texts = [f"CAST({f'epoch_us({c})' if c == 'timestamp' else c} AS VARCHAR)" for c, _ in filled]
    fields = [text if m == n else f"coalesce({text}, chr(30))" for text, (_, m) in zip(texts, filled, strict=True)]
    (mixed,) = sql.row(con, f"SELECT CAST(bit_xor(md5_number(concat_ws(chr(31), {', '.join(fields)}))) AS VARCHAR) FROM events")
    return hashlib.sha256(json.dumps([n, [c for c, _ in filled], mixed]).encode()).hexdigest()[:32]


def find_bots(con: duckdb.DuckDBPyConnection) -> None:
    """Write the table `bots` of the users that meet `BOT_RULE`; empty for a log without a clock."""
    con.execute("CREATE TABLE bots (user_id VARCHAR, reason VARCHAR, n_events BIGINT)")
    con.execute(f"INSERT INTO bots {_FIND_BOTS}")


def quality(con: duckdb.DuckDBPyConnection, name: str, reports: Sequence[SourceReport], print_of_data: str) -> Result:
    """The quality of the log in the tables `events`, `items` and `bots`.

    Cells: rows_read, rows_kept, rows_dropped, duplicates, ties, out_of_order, n_users, n_items, events_per_user, sparsity, null_COLUMN,
    events_TYPE, first, last, days, gaps, time_unit, implausible_times, top_1_share, top_10_share, gini, bad_values, suspected_bots,
    described_items, titled_items; those of a clock, of items or of columns only where the log has them.
    """
    acts = [report for report in reports if report.role in ("events", "test")]
    with_clock = any(report.clock is not None for report in acts)
    cells = _rows(con, acts)
    cells += _size(con)
    cells += _clock(con, acts) if with_clock else []
    cells += _mix(con) + _tail(con) + _nulls(con) + _items(con, any(report.role == "items" or report.facts for report in reports))
    bad = {c: found for report in acts for c, found in report.bad_values.items()}
    n_bad = sum(n for report in acts for n, _ in report.bad_values.values())
    shown = "; ".join(f"{c}: {example}" for c, (_, example) in bad.items())
    cells.append(("suspects", Cell("bad_values", n_bad, "values", note=f"no numbers, count as missing: {shown}" if bad else "")))
    (n_bots,) = sql.row(con, "SELECT count(*) FROM bots")
    cells.append(("suspects", Cell("suspected_bots", n_bots, "users", note="flagged, not removed" if with_clock else "needs a clock")))
    table = pa.table(
        {
            "section": pa.array([_SECTIONS[section] for section, _ in cells], pa.string()),
            "measure": pa.array([cell.id for _, cell in cells], pa.string()),
            "value": pa.array([_shown(cell.value) for _, cell in cells], pa.string()),
            "unit": pa.array([cell.unit for _, cell in cells], pa.string()),
            "note": pa.array([cell.note for _, cell in cells], pa.string()),
        }
    )
    by_id = {cell.id: cell for _, cell in cells}
    first, last = (by_id[c].value if c in by_id else None for c in ("first", "last"))
    meta: dict[str, Any] = {
        "definition": "What was read, what was kept, and what in the log may mislead.",
        "population": f"all {by_id['rows_kept'].value:,} acts of the log {name}",
        "window": f"{first} to {last}" if with_clock else "no clock: acts are in order only",
        "zone": "UTC" if with_clock else None,
        "fingerprint": print_of_data,
        "bot_rule": BOT_RULE,
        "mapping": [report.to_dict() for report in reports],
        "warnings": _warnings(by_id, acts),
    }
    return Result("quality", table, meta, tuple(cell for _, cell in cells), _chart(con, with_clock))


_Cells = list[tuple[str, Cell]]


def _rows(con: duckdb.DuckDBPyConnection, acts: Sequence[SourceReport]) -> _Cells:
    read = sum(report.rows_read for report in acts)
    kept, ties, late, ids = sql.row(
        con, "SELECT count(*), count(*) FILTER (_tie), count(*) FILTER (_late), (SELECT count(event_id) FROM log) FROM events"
    )
    by_id = "the same event id" if ids == kept else "the same user, item, type and time" + (", or the same event id" if ids else "")
    return [
        ("rows", Cell("rows_read", read, "rows")),
        ("rows", Cell("rows_kept", kept, "rows")),
        ("rows", Cell("rows_dropped", read - kept, "rows", note="all of them repeats" if read > kept else "")),
        ("rows", Cell("duplicates", read - kept, "rows", n=read, note=f"{by_id} as an earlier row")),
        (
            "order",
            Cell("ties", ties, "acts", n=kept, note="same user and same time as the act before: their order is the order of arrival"),
        ),
        ("order", Cell("out_of_order", late, "acts", n=kept, note="arrived after a later act of the same user")),
    ]


def _size(con: duckdb.DuckDBPyConnection) -> _Cells:
    n, users, items, pairs = sql.row(
        con,
        "SELECT count(*), count(DISTINCT user_id), count(DISTINCT item_id), "
        "(SELECT count(*) FROM (SELECT DISTINCT user_id, item_id FROM events WHERE item_id IS NOT NULL)) FROM events",
    )
    median, longest = sql.row(con, "SELECT median(n), max(n) FROM (SELECT count(*) AS n FROM events GROUP BY user_id)")
    return [
        ("size", Cell("n_users", users, "users")),
        ("size", Cell("n_items", items, "items")),
        (
            "size",
            Cell("events_per_user", round(n / users, 2) if users else None, "acts", n=users, note=f"median {median:g}, most {longest:,}"),
        ),
        ("size", Cell("sparsity", 1 - pairs / (users * items) if items else None, "share", note="of user-item pairs without an act")),
    ]


def _clock(con: duckdb.DuckDBPyConnection, acts: Sequence[SourceReport]) -> _Cells:
    first, last, days, gaps, odd = sql.row(
        con,
        """WITH days AS (SELECT DISTINCT CAST(timestamp AS DATE) AS day FROM events WHERE timestamp IS NOT NULL),
        steps AS (SELECT day - lag(day) OVER (ORDER BY day) AS step FROM days)
        SELECT min(timestamp), max(timestamp), (SELECT count(*) FROM days), (SELECT coalesce(sum(step - 1), 0) FROM steps),
        count(*) FILTER (timestamp < TIMESTAMP '1990-01-01' OR timestamp > (now() AT TIME ZONE 'UTC') + INTERVAL 1 DAY) FROM events""",
    )
    units = sorted({report.time_unit for report in acts if report.time_unit is not None})
    clocks = "; ".join(dict.fromkeys(report.clock for report in acts if report.clock is not None))
    return [
        ("time", Cell("time_unit", ", ".join(units) or "none", note=clocks)),
        ("time", Cell("first", f"{first.isoformat()}Z")),
        ("time", Cell("last", f"{last.isoformat()}Z")),
        ("time", Cell("days", days, "days", note="with at least one act (UTC)")),
        ("time", Cell("gaps", int(gaps), "days", note="without an act, between the first and the last")),
        ("time", Cell("implausible_times", odd, "acts", note="before 1990 or more than a day ahead")),
    ]


def _mix(con: duckdb.DuckDBPyConnection) -> _Cells:
    mix = con.execute("SELECT event_type, count(*), sum(count(*)) OVER () FROM events GROUP BY 1 ORDER BY count(*) DESC, 1").fetchall()
    return [("events", Cell(f"events_{kind}", n, "acts", n=int(of), note=f"{n / float(of):.1%}")) for kind, n, of in mix]


def _tail(con: duckdb.DuckDBPyConnection) -> _Cells:
    n, of, top_1, top_10, weighted = sql.row(
        con,
        """WITH counts AS (
            SELECT count(*) AS c, row_number() OVER (ORDER BY count(*), item_id) AS rank, count(*) OVER () AS n
            FROM events WHERE item_id IS NOT NULL GROUP BY item_id
        )
        SELECT any_value(n), sum(c), sum(c) FILTER (rank > n - greatest(1, round(n * 0.01))),
            sum(c) FILTER (rank > n - greatest(1, round(n * 0.1))), sum(c * rank) FROM counts""",
    )
    if not n:
        return []
    n, of = int(n), int(of)
    gini = 2 * float(weighted) / (n * of) - (n + 1) / n
    return [
        ("tail", Cell("top_1_share", float(top_1) / of, "share", n=of, note="of acts on the most frequent 1 % of items")),
        ("tail", Cell("top_10_share", float(top_10) / of, "share", n=of, note="of acts on the most frequent 10 % of items")),
        ("tail", Cell("gini", max(0.0, gini), note="of acts over items: 0 all equal, 1 all on one")),
    ]


def _nulls(con: duckdb.DuckDBPyConnection) -> _Cells:
    columns = [r[0] for r in con.execute("DESCRIBE log").fetchall()]
    n, *filled = sql.row(con, f"SELECT count(*), {', '.join(f'count({sql.name(c)})' for c in columns)} FROM log")
    found: _Cells = []
    for column, there in zip(columns, filled, strict=True):
        absent = there == 0 and column in EVENT_COLUMNS and column != "item_id"
        context = column not in EVENT_COLUMNS
        if column not in ("user_id", "event_type", "position") and not absent and (there < n or not context):
            found.append(("nulls", Cell(f"null_{column}", n - there, "acts", n=n, note="context" if context else "")))
    return found


def _items(con: duckdb.DuckDBPyConnection, there: bool) -> _Cells:
    if not there:
        return []
    titled, rows = sql.row(
        con,
        "SELECT count(*) FILTER (title IS NOT NULL AND item_id IN (SELECT item_id FROM events)), "
        "count(*) FILTER (item_id IN (SELECT item_id FROM events)) FROM items",
    )
    return [
        ("size", Cell("described_items", rows, "items", note="of the log that the item table knows")),
        ("size", Cell("titled_items", titled, "items", note="of the log that have a title")),
    ]


def _warnings(cells: dict[str, Cell], acts: Sequence[SourceReport]) -> list[str]:
    found = []
    kept = int(cells["rows_kept"].value or 0)
    ties = int(cells["ties"].value or 0)
    if ties > 0.1 * kept:
        found.append(
            f"{ties / kept:.0%} of acts share the time of the act before them: they stand in the order of arrival, and metrics depend on it"
        )
    if int(cells["out_of_order"].value or 0) > 0:
        found.append(f"{cells['out_of_order'].value:,} acts arrived after a later act of their user and were put in order of time")
    if (dropped := int(cells["duplicates"].value or 0)) > 0:
        found.append(f"{dropped:,} {'repeat was' if dropped == 1 else 'repeats were'} dropped")
    if "implausible_times" in cells and int(cells["implausible_times"].value or 0):
        found.append(f"{cells['implausible_times'].value:,} acts lie before 1990 or more than a day ahead")
    if int(cells["bad_values"].value or 0):
        found.append(f"{cells['bad_values'].value:,} values are no numbers and count as missing ({cells['bad_values'].note})")
    if int(cells["suspected_bots"].value or 0):
        found.append(f"{cells['suspected_bots'].value:,} users look like bots; they were flagged, not removed")
    others = sum(n for report in acts for raw, (kind, n) in report.event_types.items() if kind == "other" and raw)
    if others:
        found.append(
            f"{others:,} acts have event names that mean nothing known; they count as 'other' (--event-type NAME=TYPE says what one means)"
        )
    return found


def _chart(con: duckdb.DuckDBPyConnection, with_clock: bool) -> dict[str, Any]:
    """Acts a day, or without a clock acts an item from the most to the least frequent, at about a hundred ranks."""
    if with_clock:
        days = con.execute(
            "SELECT strftime(timestamp, '%Y-%m-%d'), count(*) FROM events WHERE timestamp IS NOT NULL GROUP BY 1 ORDER BY 1"
        ).fetchall()
        return {
            "title": {"text": "Acts a day (UTC)"},
            "tooltip": {"trigger": "axis"},
            "xAxis": {"type": "time"},
            "yAxis": {"type": "value", "name": "acts"},
            "series": [{"type": "bar", "name": "acts", "data": [[day, n] for day, n in days]}],
        }
    ranks = con.execute(
        """WITH counts AS (SELECT count(*) AS c, row_number() OVER (ORDER BY count(*) DESC, item_id) AS rank, count(*) OVER () AS n
            FROM events WHERE item_id IS NOT NULL GROUP BY item_id)
        SELECT rank, c FROM counts WHERE (rank - 1) % greatest(1, n // 100) = 0 ORDER BY rank"""
    ).fetchall()
    return {
        "title": {"text": "Acts an item, most frequent first"},
        "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "log", "name": "rank of the item"},
        "yAxis": {"type": "log", "name": "acts"},
        "series": [{"type": "line", "name": "acts", "showSymbol": False, "data": [[rank, n] for rank, n in ranks]}],
    }


def _shown(value: float | int | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else value
