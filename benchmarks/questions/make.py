"""Check the questions and sentences of this folder against the logs they speak of.

    python benchmarks/questions/make.py /path/to/ml-100k [--work DIR]

The argument is the folder with `ml-100k.inter.gz`, `ml-100k.item.gz` and `ml-100k.user.gz`. Both stores are rebuilt: the shop from the
simulator (30,000 events, seed 11), ml-100k from its files. Every SQL is run and compared with the stored answer or truth; the command
prints what does not agree and ends with 1. Nothing here counts by `footpath.analysis` or `footpath.llm`, but for the rows with a `cell`.

Tables that the SQL reads, all times UTC without a zone:

acts   every row of the log, impressions too: `user_id item_id event_type timestamp position value price quantity slot policy ...` of the
       contract, `query n_results` (shop); `title category brand attributes` of the item; all columns of the user table (shop: `segment
       signed_up`; ml-100k: `age gender occupation zip_code`); `day` (date), `month`, `hour` (0-23), `weekday` (0 is Monday).
       Null for impressions: `session` (a number, unique in the log: a pause of more than 30 minutes between two acts of a user ends one),
       `is_repeat` (the user has met the item before; null without an item), `nth` (1, 2, ... within the user), `half` (1 or 2 of the
       user's acts), `next_type next_item next_category` (of the next act of the user in the session; null at its end).
did    `acts` without impressions.
items  `item_id title category brand price attributes ...`
users  `user_id` and the columns above.

Macros: `newest()`, the time of the newest act; `near(x, stated, digit)`, x rounds to what was stated with that last decimal place.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from footpath.analysis.catalog import entry
from footpath.events.log import EventLog
from footpath.events.simulate import simulate
from footpath.events.store import ingest, open_store

HERE: Final = Path(__file__).resolve().parent
EVENTS, SEED = 30_000, 11
QUESTIONS: Final = ("tuned.jsonl", "held.jsonl")
FRESH: Final = "fresh.jsonl"
SENTENCES: Final = ("sentences_checkable.jsonl", "sentences_hard.jsonl")

TABLES: Final = """
CREATE TABLE acts AS
WITH joined AS (
    SELECT l.*, i.* EXCLUDE (item_id, price, text), u.* EXCLUDE (user_id), l.timestamp::DATE AS day, month(l.timestamp) AS month,
        hour(l.timestamp) AS hour, isodow(l.timestamp) - 1 AS weekday
    FROM log l LEFT JOIN items i USING (item_id) LEFT JOIN users u USING (user_id)
), gaps AS (
    SELECT *, coalesce(timestamp - lag(timestamp) OVER one > INTERVAL 30 MINUTE, true) AS begins,
        row_number() OVER one AS nth, count(*) OVER (PARTITION BY user_id) AS n,
        CASE WHEN item_id IS NOT NULL THEN row_number() OVER (PARTITION BY user_id, item_id ORDER BY position) > 1 END AS is_repeat
    FROM joined WHERE event_type <> 'impression' WINDOW one AS (PARTITION BY user_id ORDER BY position)
), cut AS (
    SELECT * EXCLUDE (begins, n), CASE WHEN nth <= n // 2 THEN 1 ELSE 2 END AS half,
        sum(begins::INT) OVER (ORDER BY user_id, position ROWS UNBOUNDED PRECEDING)::BIGINT AS session
    FROM gaps
)
SELECT *, lead(event_type) OVER walk AS next_type, lead(item_id) OVER walk AS next_item, lead(category) OVER walk AS next_category
FROM cut WINDOW walk AS (PARTITION BY session ORDER BY position)
UNION ALL BY NAME SELECT * FROM joined WHERE event_type = 'impression';
CREATE VIEW did AS SELECT * FROM acts WHERE event_type <> 'impression';
CREATE MACRO newest() AS (SELECT max(timestamp) FROM acts WHERE event_type <> 'impression');
CREATE MACRO near(x, stated, digit) AS abs(x - stated) <= digit / 2 + 1e-9;
"""


def stores(ml_100k: Path, work: Path) -> dict[str, EventLog]:
    """Both logs, read into stores under `work` where they are not there yet."""
    if not (work / "shop" / "store.json").is_file():
        simulate(EVENTS, seed=SEED, into=work / "simulated")
        files = work / "simulated"
        ingest(
            sorted(files.glob("events-*.parquet")), work / "shop", items=files / "items.parquet", users=files / "users.parquet", name="shop"
        )
    if not (work / "ml-100k" / "store.json").is_file():
        ingest(ml_100k / "ml-100k.inter.gz", work / "ml-100k", name="ml-100k")
    return {name: open_store(work / name) for name in ("shop", "ml-100k")}


def tables(log: EventLog) -> duckdb.DuckDBPyConnection:
    """A database in memory with the tables that the module names."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    for name, table in (("log", log.table), ("items", log.items), ("users", log.users)):
        if table is not None:
            con.register("given", table.to_pyarrow())
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            con.unregister("given")
    con.execute(TABLES)
    return con


def plain(value: Any) -> Any:
    """As JSON holds it: days and times in ISO form, to the second."""
    if isinstance(value, datetime):
        return value.replace(microsecond=0, tzinfo=None).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def answer(con: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """The value of a query: that of its single row, without the column `s`, or the first column as a list where there are several rows."""
    found = con.execute(sql)
    names = [column[0] for column in found.description]
    rows = found.fetchall()
    if len(rows) != 1:
        return [plain(row[0]) for row in rows]
    values = [plain(value) for name, value in zip(names, rows[0], strict=True) if name != "s"]
    return values[0] if len(values) == 1 else values


def cell(log: EventLog, name: str, known: dict[str, Any]) -> Any:
    """The value of `analysis.cell` with default options."""
    analysis = name.partition(".")[0]
    if analysis not in known:
        known[analysis] = entry(analysis).function(log)
    return next(cell.value for cell in known[analysis].cells if f"{analysis}.{cell.id}" == name)


def same(found: Any, stored: Any) -> bool:
    if isinstance(found, float) and isinstance(stored, int | float):
        return math.isclose(found, stored, rel_tol=1e-9, abs_tol=1e-12)
    return bool(found == stored)


def holds(con: duckdb.DuckDBPyConnection, row: dict[str, Any]) -> bool:
    """Whether the statement is true: its condition over the single row of its SQL."""
    ((truth,),) = con.execute(f"SELECT ({row['holds']}) FROM ({row['sql']})").fetchall()
    return bool(truth)


def read(name: str) -> Iterator[dict[str, Any]]:
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def wrong(logs: dict[str, EventLog]) -> Iterator[str]:
    """What does not agree, a line each."""
    databases = {name: tables(log) for name, log in logs.items()}
    known: dict[str, dict[str, Any]] = {name: {} for name in logs}
    for name in (*QUESTIONS, FRESH, *SENTENCES):
        for row in read(name):
            con = databases[row["data"]]
            for source, stored in zip(row.get("sources", [row]), row.get("answers", [row["answer"]]), strict=True):
                if "cell" in source:
                    found = cell(logs[row["data"]], source["cell"], known[row["data"]])
                elif "sql" in source:
                    found = answer(con, source["sql"])
                else:
                    continue
                if not same(found, stored):
                    yield f"{name} {row['id']}: the log gives {found!r}, the file says {stored!r}"
            if "holds" in row and holds(con, row) is not row["true"]:
                yield f"{name} {row['id']}: marked {row['true']}, and the log says otherwise: {row['text']}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ml_100k", type=Path, help="the folder with ml-100k.inter.gz")
    parser.add_argument("--work", type=Path, help="where the stores are built and kept; without it a folder that is removed again")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = told.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        found = list(wrong(stores(told.ml_100k, work)))
    counts = ", ".join(f"{name} {sum(1 for _ in read(name))}" for name in (*QUESTIONS, FRESH, *SENTENCES))
    sys.stdout.write("".join(f"{line}\n" for line in found) + f"{counts}: {len(found)} do not agree\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
