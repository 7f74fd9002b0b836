"""The same rows from any file, frame or table are the same log."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.events.conftest import Rows, Write

from footpath.errors import DataError, TimeError
from footpath.events.readers import read_events, read_table

T = 1_700_000_000
ACTS: list[dict[str, Any]] = [
    {"user_id": "b", "item_id": "x", "event_type": "view", "timestamp": T + 5, "value": None, "price": 3.4},
    {"user_id": "a", "item_id": "y", "event_type": "cart", "timestamp": T + 9, "value": 2.0, "price": None},
    {"user_id": "a", "item_id": None, "event_type": "search", "timestamp": T + 3, "value": None, "price": None},
    {"user_id": "a", "item_id": "x", "event_type": "view", "timestamp": T + 1, "value": 0.25, "price": 1e-7},
]


def as_csv(acts: list[dict[str, Any]], folder: Path) -> Path:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(acts[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(acts)
    path = folder / "log.csv"
    path.write_text(out.getvalue(), encoding="utf-8", newline="")
    return path


def as_gzip(acts: list[dict[str, Any]], folder: Path) -> Path:
    path = folder / "log.csv.gz"
    path.write_bytes(gzip.compress(as_csv(acts, folder).read_bytes()))
    return path


def as_json(acts: list[dict[str, Any]], folder: Path) -> Path:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(act, ensure_ascii=False) + "\n" for act in acts), encoding="utf-8")
    return path


def as_parquet(acts: list[dict[str, Any]], folder: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(acts), folder / "log.parquet")
    return folder / "log.parquet"


def as_parts(acts: list[dict[str, Any]], folder: Path) -> Path:
    parts = folder / "parts"
    parts.mkdir(exist_ok=True)
    schema = pa.Table.from_pylist(acts).schema
    half = (len(acts) + 1) // 2
    pq.write_table(pa.Table.from_pylist(acts[:half], schema), parts / "part-0.parquet")
    pq.write_table(pa.Table.from_pylist(acts[half:], schema), parts / "part-1.parquet")
    (parts / "_SUCCESS").write_text("")
    (parts / ".part-0.parquet.crc").write_text("crc")
    return parts


def as_duckdb(acts: list[dict[str, Any]], folder: Path) -> str:
    path = folder / "log.duckdb"
    path.unlink(missing_ok=True)
    table = pa.Table.from_pylist(acts)
    with duckdb.connect(str(path)) as con:
        con.register("table_of_acts", table)
        con.execute("CREATE TABLE events AS SELECT * FROM table_of_acts")
        con.execute("CREATE TABLE others AS SELECT 1 AS one")
    return f"{path}#events"


def as_sqlite(acts: list[dict[str, Any]], folder: Path) -> Path:
    path = folder / "log.sqlite"
    path.unlink(missing_ok=True)
    columns = list(acts[0])
    with sqlite3.connect(path) as con:
        con.execute(f"CREATE TABLE events ({', '.join(columns)})")
        con.executemany(f"INSERT INTO events VALUES ({', '.join('?' * len(columns))})", [list(act.values()) for act in acts])
    con.close()
    return path


FORMATS: dict[str, Callable[[list[dict[str, Any]], Path], Any]] = {
    "csv": as_csv,
    "gzip": as_gzip,
    "jsonl": as_json,
    "parquet": as_parquet,
    "parquet folder": as_parts,
    "duckdb": as_duckdb,
    "sqlite": as_sqlite,
    "arrow": lambda acts, _: pa.Table.from_pylist(acts),
    "arrow batches": lambda acts, _: pa.Table.from_pylist(acts).to_reader(),
    "pandas": lambda acts, _: pd.DataFrame(acts),
    "polars": lambda acts, _: pl.DataFrame(acts),
    "lazy polars": lambda acts, _: pl.LazyFrame(acts),
    "ibis": lambda acts, _: ibis.memtable(pa.Table.from_pylist(acts)),
    "duckdb relation": lambda acts, _: duckdb.connect().from_arrow(pa.Table.from_pylist(acts)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_any_format_gives_the_same_log(tmp_path: Path, rows: Rows, name: str) -> None:
    log = read_events(FORMATS[name](ACTS, tmp_path))
    assert rows(log, "user_id", "item_id", "event_type", "timestamp", "value", "price", "position") == [
        ("a", "x", "view", datetime(2023, 11, 14, 22, 13, 21), 0.25, 1e-7, 0),
        ("a", None, "search", datetime(2023, 11, 14, 22, 13, 23), None, None, 1),
        ("a", "y", "cart", datetime(2023, 11, 14, 22, 13, 29), 2.0, None, 2),
        ("b", "x", "view", datetime(2023, 11, 14, 22, 13, 25), None, 3.4, 0),
    ]
    assert log.fingerprint == read_events(as_csv(ACTS, tmp_path)).fingerprint


IDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=6).filter(
    lambda text: text not in ("NULL", "null", "None", "NaN", "nan", "NaT", "<NA>", "\\N")
)
ACT = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["a", "b", "c,1", 'd"q', "007"]) | IDS,
        "item_id": st.none() | IDS,
        "event_type": st.sampled_from(["view", "cart", "signup"]),
        "timestamp": st.integers(T, T + 50),
        "value": st.none() | st.floats(-1e9, 1e9),
        "note": st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=8),
    }
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ACT, min_size=1, max_size=12))
def test_a_round_trip_through_any_format_keeps_the_fingerprint(tmp_path: Path, acts: list[dict[str, Any]]) -> None:
    found = {name: read_events(FORMATS[name](acts, tmp_path)).fingerprint for name in ("csv", "jsonl", "parquet", "pandas", "polars")}
    assert len(set(found.values())) == 1, found


def test_the_fingerprint_follows_what_the_rows_say(tmp_path: Path) -> None:
    plain = read_events(pa.Table.from_pylist(ACTS)).fingerprint
    for column, value in (("user_id", "c"), ("item_id", "z"), ("event_type", "view"), ("timestamp", T + 77), ("value", 2.5)):
        changed = [*ACTS[:1], {**ACTS[1], column: value}, *ACTS[2:]]
        assert read_events(pa.Table.from_pylist(changed)).fingerprint != plain
    swapped = [{**act, "user_id": {"a": "b", "b": "a"}[act["user_id"]]} for act in ACTS]
    assert read_events(pa.Table.from_pylist(swapped)).fingerprint != plain
    more_context = [{**act, "city": "Bern"} for act in ACTS]
    assert read_events(pa.Table.from_pylist(more_context)).fingerprint == plain


def test_ids_that_a_missing_value_made_floats_are_whole_again(rows: Rows) -> None:
    frame = pd.DataFrame({"user_id": [1.0, 2.0], "item_id": [10.0, float("nan")], "timestamp": [T, T]})
    assert rows(read_events(frame), "user_id", "item_id") == [("1", "10"), ("2", None)]


def test_single_precision_is_read_as_written(rows: Rows) -> None:
    table = pa.table({"user_id": [1], "item_id": [2], "timestamp": [T], "rating": pa.array([3.4], pa.float32())})
    assert rows(read_events(table), "value") == [3.4]


def test_categories_and_typed_times_of_frames_are_read(rows: Rows) -> None:
    moment = datetime(2023, 11, 14, 22, 13, 20)
    frame = pd.DataFrame(
        {
            "user_id": pd.Categorical(["a", "b"]),
            "item_id": pd.Categorical(["x", "x"]),
            "event_type": pd.Categorical(["view", "buy"]),
            "timestamp": pd.to_datetime([moment, moment + timedelta(seconds=1)]).tz_localize("Europe/Zurich"),
        }
    )
    log = read_events(frame)
    assert rows(log, "user_id", "event_type", "timestamp") == [
        ("a", "view", moment - timedelta(hours=1)),
        ("b", "purchase", moment - timedelta(hours=1) + timedelta(seconds=1)),
    ]
    frame["timestamp"] = frame["timestamp"].dt.tz_localize(None)
    with pytest.raises(TimeError, match=r"the frame of events: timestamp is '2023-11-14 22:13:20' in row 1, a time without a zone"):
        read_events(frame)


def test_nested_records_are_read_by_path(tmp_path: Path, rows: Rows) -> None:
    nested = [{"user": {"id": "a"}, "properties": {"item_id": "x", "tags": ["n", "m"]}, "timestamp": T, "deep": {"er": {"still": 1}}}]
    columns = {"user_id": "user.id"}
    for source in (as_json(nested, tmp_path), as_parquet(nested, tmp_path), pa.Table.from_pylist(nested)):
        log = read_events(source, columns=columns)
        assert rows(log, "user_id", "item_id", "deep.er.still") == [("a", "x", 1)]


def test_a_json_array_is_read_like_lines(write: Write, rows: Rows) -> None:
    log = read_events(
        write("log.json", json.dumps([{"user_id": "a", "item_id": 7, "timestamp": T}, {"user_id": "b", "item_id": "z", "timestamp": T}]))
    )
    assert rows(log, "user_id", "item_id") == [("a", "7"), ("b", "z")]


def test_a_broken_json_line_is_refused_with_its_number(write: Write) -> None:
    good = '{"user_id": "a", "item_id": "x", "timestamp": 1700000000}\n'
    with pytest.raises(DataError, match=r"log\.jsonl: line 3 is not a JSON object: Expecting ',' delimiter at column 17"):
        read_events(write("log.jsonl", good + "\n" + '{"user_id": "a" "b"}\n' + good))
    with pytest.raises(DataError, match=r"log\.jsonl: line 2 is not a JSON object: '\[1, 2\]'; one object a line is expected"):
        read_events(write("log.jsonl", good + "[1, 2]\n"))
    with pytest.raises(DataError, match=r"log\.jsonl\.gz: line 2 is not a JSON object"):
        read_events(write("log.jsonl.gz", gzip.compress((good + "{").encode())))


def test_folders_may_be_partitioned_by_name(tmp_path: Path, rows: Rows) -> None:
    for day in ("2023-11-14", "2023-11-15"):
        folder = tmp_path / "log" / f"day={day}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"user_id": ["a"], "item_id": [f"x{day}"], "timestamp": [T]}), folder / "part.parquet")
    assert sorted(str(day) for day in rows(read_events(tmp_path / "log"), "day")) == ["2023-11-14", "2023-11-15"]


def test_an_empty_part_of_a_folder_is_no_harm_but_a_folder_of_them_is(tmp_path: Path) -> None:
    folder = as_parts(ACTS, tmp_path)
    schema = pa.Table.from_pylist(ACTS).schema
    pq.write_table(pa.Table.from_pylist([], schema), folder / "part-2.parquet")
    assert read_events(folder).quality.cell("rows_read").value == 4
    (folder / "part-0.parquet").unlink()
    (folder / "part-1.parquet").unlink()
    with pytest.raises(DataError, match=r"part-2\.parquet has a header and no rows"):
        read_events(folder)


def test_a_broken_parquet_file_is_refused(write: Write) -> None:
    with pytest.raises(DataError, match=r"log\.parquet cannot be read as parquet"):
        read_events(write("log.parquet", b"PAR1 and then nothing"))


def test_a_table_of_a_database_is_read(tmp_path: Path) -> None:
    expected = read_events(as_csv(ACTS, tmp_path)).fingerprint
    duck, lite = as_duckdb(ACTS, tmp_path), as_sqlite(ACTS, tmp_path)
    path = Path(duck.partition("#")[0])
    assert read_table(path, "events").fingerprint == expected
    assert read_table(lite).fingerprint == expected
    assert read_table(f"duckdb://{path}", "events").fingerprint == expected
    with duckdb.connect(str(path), read_only=True) as con:
        assert read_table(con, "events").fingerprint == expected
        assert read_table(con.table("events"), name="shop").name == "shop"
    backend = ibis.duckdb.connect(path, read_only=True)
    assert read_table(backend, "events").fingerprint == expected
    assert read_table(backend.table("events").filter(ibis._.user_id == "a")).quality.cell("n_users").value == 1
    backend.disconnect()
    db = sqlite3.connect(lite)
    assert read_table(db, "events").fingerprint == expected
    db.close()


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    path = Path(as_duckdb(ACTS, tmp_path).partition("#")[0])
    with pytest.raises(DataError, match=r"log\.duckdb holds 2 tables \(events, others\); name one as .*log\.duckdb#TABLE"):
        read_events(path)
    with pytest.raises(DataError, match=r"log\.duckdb has no table 'event'; did you mean 'events'\?; it holds: events, others"):
        read_events(f"{path}#event")
    with pytest.raises(DataError, match=r"log\.csv is no database, so it has no table 'events'"):
        read_events(f"{as_csv(ACTS, tmp_path)}#events")
    with duckdb.connect() as con, pytest.raises(DataError, match=r"no table 'events' on that connection"):
        read_table(con, "events")
    with duckdb.connect() as con, pytest.raises(DataError, match=r"which table\? pass table=NAME"):
        read_table(con)
    with pytest.raises(DataError, match=r"no table 'event' in duckdb: "):
        read_table(f"duckdb://{path}", "event")
    with pytest.raises(DataError, match=r"int is no connection"):
        read_table(7, "events")


def test_what_is_no_source_is_refused() -> None:
    with pytest.raises(DataError, match=r"the frame of events is a builtins\.int, which is not a path"):
        read_events(7)
    with pytest.raises(DataError, match=r"no events source was given"):
        read_events([])


def test_the_time_unit_of_each_file_is_its_own(tmp_path: Path, write: Write, rows: Rows) -> None:
    seconds = write("a.csv", f"user_id,item_id,timestamp\na,x,{T}\n")
    milliseconds = write("b.csv", f"user_id,item_id,timestamp\na,y,{T}500\n")
    log = read_events([seconds, milliseconds])
    assert rows(log, "item_id", "timestamp") == [
        ("x", datetime(2023, 11, 14, 22, 13, 20)),
        ("y", datetime(2023, 11, 14, 22, 13, 20, 500000)),
    ]
    assert log.quality.cell("time_unit").value == "ms, s"
