"""A store takes all of an ingest or nothing, whatever kills it, and any number of readers."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.events.conftest import Rows, Write

from footpath.errors import ColumnError, DataError, StoreError, TimeError
from footpath.events import store as stores
from footpath.events.readers import read_events
from footpath.events.store import STORE_VERSION, ingest, open_store

T = 1_700_000_000


def lines(n: int, seed: int = 0) -> str:
    draw = random.Random(seed)
    kinds = ["view", "cart", "purchase"]
    return "".join(
        f"u{draw.randrange(n // 9 + 1)},i{draw.randrange(90)},{draw.choice(kinds)},{T + draw.randrange(90_000)}\n" for _ in range(n)
    )


def log_file(write: Write, name: str, n: int, seed: int = 0) -> Path:
    return write(name, f"user_id,item_id,event_type,timestamp\n{lines(n, seed)}")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "lock"}


def test_a_store_holds_what_reading_gives(fixtures: Path, tmp_path: Path, rows: Rows) -> None:
    report = ingest(fixtures / "recbole" / "films.inter", tmp_path / "store")
    log = open_store(tmp_path / "store")
    read = read_events(fixtures / "recbole" / "films.inter")
    assert report.fingerprint == log.fingerprint == read.fingerprint
    assert (report.changed, report.generation, report.n_events, report.name) == (True, 1, 10, "films")
    assert log.table.schema() == read.table.schema()
    assert log.table.to_pyarrow().equals(read.table.to_pyarrow())
    assert log.items is not None
    assert read.items is not None
    assert log.items.to_pyarrow().equals(read.items.to_pyarrow())
    assert log.users is not None
    assert (log.name, log.has_clock) == ("films", True)
    assert log.quality.to_dict() == read.quality.to_dict() == report.quality.to_dict()
    assert log.quality.table.equals(read.quality.table)
    assert log.quality.chart == read.quality.chart
    assert [source.role for source in report.sources] == ["events", "items", "users"]
    json.dumps(report.to_dict())


def test_adding_a_file_again_changes_nothing(write: Write, tmp_path: Path) -> None:
    path = log_file(write, "log.csv", 50)
    first = ingest(path, tmp_path / "store")
    before = content(tmp_path / "store")
    moved = path.rename(path.with_name("renamed.csv"))
    again = ingest(moved, tmp_path / "store")
    assert not again.changed
    assert [source.already_in_store for source in again.sources] == [True]
    assert again.sources[0].describe() == [f"{moved}: events, in the log already: nothing to read"]
    assert (again.fingerprint, again.generation) == (first.fingerprint, 1)
    assert content(tmp_path / "store") == before


def test_files_added_one_by_one_are_the_log_of_all_at_once(write: Write, tmp_path: Path) -> None:
    parts = [log_file(write, f"part{n}.csv", 80, n) for n in range(3)]
    for part in parts:
        report = ingest(part, tmp_path / "store")
    assert report.generation == 3
    together = read_events(parts)
    log = open_store(tmp_path / "store")
    assert log.fingerprint == together.fingerprint
    assert log.table.to_pyarrow().equals(together.table.to_pyarrow())
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["events-3.duckdb", "lock", "store.json"]
    for cell in ("rows_read", "rows_kept", "duplicates", "ties", "out_of_order"):
        assert log.quality.cell(cell).value == together.quality.cell(cell).value


def test_repeats_of_an_earlier_file_are_dropped(write: Write, tmp_path: Path) -> None:
    ingest(write("one.csv", f"user_id,item_id,timestamp\na,x,{T}\na,y,{T + 1}\n"), tmp_path / "store")
    report = ingest(write("two.csv", f"user_id,item_id,timestamp\na,y,{T + 1}\na,z,{T + 2}\n"), tmp_path / "store")
    assert (report.sources[0].rows_read, report.sources[0].rows_kept, report.sources[0].rows_dropped) == (2, 1, 1)
    assert report.n_events == 3


def test_an_order_column_places_what_is_added_later(write: Write, tmp_path: Path, rows: Rows) -> None:
    ingest(write("one.csv", "user_id,item_id,position\na,x,0\na,z,10\n"), tmp_path / "store")
    ingest(write("two.csv", "user_id,item_id,position\na,y,5\n"), tmp_path / "store")
    assert rows(open_store(tmp_path / "store"), "item_id", "position") == [("x", 0), ("y", 1), ("z", 2)]


def test_a_table_of_items_may_come_later(write: Write, tmp_path: Path) -> None:
    events = write("log.csv", f"user_id,item_id,timestamp,title\na,x,{T},Told by the act\n")
    ingest(events, tmp_path / "store")
    log = open_store(tmp_path / "store")
    assert log.items is not None
    assert log.items.title.to_pyarrow().to_pylist() == ["Told by the act"]
    report = ingest(events, tmp_path / "store", items=write("items.csv", "item_id,title,brand\nx,Told by the table,B\n"))
    assert [source.already_in_store for source in report.sources] == [True, False]
    report = ingest(events, tmp_path / "store", items=write("more.csv", "item_id,title,brand\nx,Newer,\ny,Other,\n"))
    log = open_store(tmp_path / "store")
    assert log.items is not None
    assert log.items.select("item_id", "title", "brand").to_pyarrow().to_pylist() == [
        {"item_id": "x", "title": "Newer", "brand": "B"},
        {"item_id": "y", "title": "Other", "brand": None},
    ]
    assert report.n_events == 1


def test_a_test_file_may_come_later(write: Write, tmp_path: Path, rows: Rows) -> None:
    train = write("train.csv", f"user_id,item_id,timestamp\na,x,{T}\n")
    ingest(train, tmp_path / "store")
    ingest(train, tmp_path / "store", test=write("test.csv", f"user_id,item_id,timestamp\na,y,{T + 1}\n"))
    assert rows(open_store(tmp_path / "store"), "item_id", "split") == [("x", "train"), ("y", "test")]


def test_frames_are_known_again(tmp_path: Path) -> None:
    frame = pa.table({"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": [T, T]})
    assert ingest(frame, tmp_path / "store").changed
    assert not ingest(frame, tmp_path / "store").changed
    assert ingest(frame.slice(0, 1), tmp_path / "store").n_events == 2


def test_a_file_read_another_way_is_refused(write: Write, tmp_path: Path) -> None:
    path = write("log.csv", f"user_id,visitor,item_id,timestamp\na,b,x,{T}\n")
    ingest(path, tmp_path / "store")
    before = content(tmp_path / "store")
    with pytest.raises(
        StoreError, match=r"log\.csv is in the log already, as .*\(events, user_id=user_id, .*read another way \(events, user_id=visitor"
    ):
        ingest(path, tmp_path / "store", columns={"user_id": "visitor"})
    assert content(tmp_path / "store") == before


BAD: dict[str, tuple[type[Exception], dict[str, Any]]] = {
    "a column that is missing": (ColumnError, {"sources": "who,item_id,timestamp\na,x,1700000000\n"}),
    "a clock that is impossible": (TimeError, {"sources": "user_id,item_id,timestamp\na,x,7\n"}),
    "a null user": (DataError, {"sources": "user_id,item_id,timestamp\n,x,1700000000\n"}),
    "an empty file": (DataError, {"sources": ""}),
    "rows of another length": (DataError, {"sources": "user_id,item_id,timestamp\na,x\n"}),
    "a foreign encoding": (DataError, {"sources": "user_id,item_id,timestamp\n\udce9,x,1700000000\n"}),
    "items without an id": (ColumnError, {"sources": "user_id,item_id,timestamp\na,x,1700000000\n", "items": "colour,size\n1,2\n"}),
    "users without an id": (ColumnError, {"sources": "user_id,item_id,timestamp\na,x,1700000000\n", "users": "colour,size\n1,2\n"}),
    "a test file of bad times": (
        TimeError,
        {"sources": "user_id,item_id,timestamp\na,x,1700000000\n", "test": "user_id,item_id,timestamp\na,x,soon\n"},
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_leaves_the_store_as_it_was(write: Write, tmp_path: Path, name: str) -> None:
    error, given = BAD[name]
    files = {role: write(f"{role}.csv", text.encode("utf-8", "surrogateescape")) for role, text in given.items()}
    sources = files.pop("sources")
    with pytest.raises(error):
        ingest(sources, tmp_path / "deep" / "store", **files)
    assert not (tmp_path / "deep").exists()  # a first ingest that fails leaves no folder behind
    good = log_file(write, "good.csv", 20)
    ingest(good, tmp_path / "store")
    before = content(tmp_path / "store")
    with pytest.raises(error):
        ingest([good, sources], tmp_path / "store", **files)
    assert content(tmp_path / "store") == before


def test_what_is_no_store_is_named(write: Write, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere is not a store: it does not exist; make one with `footpath ingest FILE --into"):
        open_store(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match=r"empty is not a store: it has no store\.json"):
        open_store(tmp_path / "empty")
    path = log_file(write, "log.csv", 5)
    with pytest.raises(StoreError, match=r"log\.csv is a file, not a store; make a store with"):
        open_store(path)
    with pytest.raises(StoreError, match=r"log\.csv is a file; a store is a folder"):
        ingest(path, path)
    with pytest.raises(StoreError, match=r"is not a store and not empty \(it holds .*\); pass a new folder"):
        ingest(path, tmp_path)
    assert path.exists()


def test_a_newer_store_is_refused_with_both_versions(write: Write, tmp_path: Path) -> None:
    path = log_file(write, "log.csv", 5)
    ingest(path, tmp_path / "store")
    index = tmp_path / "store" / "store.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "version": 99}))
    message = rf"store was written by a newer Footpath: its store version is 99, this one reads up to version {STORE_VERSION}; upgrade"
    with pytest.raises(StoreError, match=message):
        open_store(tmp_path / "store")
    with pytest.raises(StoreError, match=message):
        ingest(path, tmp_path / "store")


def test_a_damaged_store_is_named(write: Write, tmp_path: Path) -> None:
    path = log_file(write, "log.csv", 50)
    ingest(path, tmp_path / "store")
    index, database = tmp_path / "store" / "store.json", tmp_path / "store" / "events-1.duckdb"
    told = index.read_text()
    for damage in ("", "{", "[]", '{"version": 1}', '{"version": "x"}'):
        index.write_text(damage)
        with pytest.raises(StoreError, match=r"store\.json is damaged"):
            open_store(tmp_path / "store")
    index.write_text(told)
    whole = database.read_bytes()
    database.write_bytes(b"\0" * 4096 + whole[4096:])
    with pytest.raises(StoreError, match=r"store is damaged: events-1\.duckdb cannot be opened"):
        open_store(tmp_path / "store")
    with pytest.raises(StoreError, match=r"store is damaged: events-1\.duckdb cannot be opened"):
        ingest(log_file(write, "more.csv", 5, 1), tmp_path / "store")
    database.unlink()
    with pytest.raises(StoreError, match=r"store is damaged: events-1\.duckdb cannot be opened"):
        open_store(tmp_path / "store")
    with stores.sql.connect(database) as con:
        con.execute("CREATE TABLE other AS SELECT 1 AS one")
        con.execute("CHECKPOINT")
    with pytest.raises(StoreError, match=r"store is damaged: events-1\.duckdb lacks a table of the log"):
        open_store(tmp_path / "store")


def test_two_ingests_at_once_are_refused(write: Write, tmp_path: Path) -> None:
    path = log_file(write, "log.csv", 5)
    ingest(path, tmp_path / "store")
    with (tmp_path / "store" / "lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match=r"store is being written by another ingest \(process 4711\); wait for it to end"):
            ingest(log_file(write, "more.csv", 5, 1), tmp_path / "store")
        assert open_store(tmp_path / "store").table.count().to_pyarrow().as_py() == 5  # reading goes on
    assert ingest(log_file(write, "more.csv", 5, 1), tmp_path / "store").changed


def test_a_reader_keeps_its_log_while_the_store_moves_on(write: Write, tmp_path: Path) -> None:
    ingest(log_file(write, "log.csv", 40), tmp_path / "store")
    readers = [open_store(tmp_path / "store") for _ in range(3)]
    n = readers[0].table.count().to_pyarrow().as_py()
    ingest(log_file(write, "more.csv", 40, 1), tmp_path / "store")
    assert [reader.table.count().to_pyarrow().as_py() for reader in readers] == [n, n, n]
    assert open_store(tmp_path / "store").table.count().to_pyarrow().as_py() > n


def test_a_reader_that_meets_a_store_moving_on_tries_again(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(log_file(write, "log.csv", 40), tmp_path / "store")
    stale = stores._read_index(tmp_path / "store")
    ingest(log_file(write, "more.csv", 40, 1), tmp_path / "store")
    fresh = stores._read_index(tmp_path / "store")
    told = iter([stale, fresh])
    monkeypatch.setattr(stores, "_read_index", lambda _: next(told))
    assert open_store(tmp_path / "store").fingerprint == fresh.fingerprint


def test_leftovers_of_a_killed_ingest_are_removed(write: Write, tmp_path: Path) -> None:
    path = log_file(write, "log.csv", 5)
    folder = tmp_path / "store"
    folder.mkdir()
    for name in ("events-1.duckdb", "events-1.duckdb.wal", "staging-1.duckdb", "store.json.new", "lock"):
        (folder / name).write_text("half")
    (folder / "scratch-1").mkdir()
    (folder / "scratch-1" / "one-line-end.txt").write_text("half")
    ingest(path, folder)
    assert sorted(entry.name for entry in folder.iterdir()) == ["events-1.duckdb", "lock", "store.json"]
    assert open_store(folder).table.count().to_pyarrow().as_py() == 5


INGEST = "import sys; from footpath.events.store import ingest; ingest(sys.argv[2:], sys.argv[1])"


def test_ten_kills_at_random_moments_leave_the_store_as_it_was(write: Write, tmp_path: Path) -> None:
    first, second = log_file(write, "first.csv", 500), log_file(write, "second.csv", 30_000, 1)
    ingest([first, second], tmp_path / "undisturbed")
    expected = open_store(tmp_path / "undisturbed").fingerprint
    folder = tmp_path / "store"
    ingest(first, folder)
    before = open_store(folder).fingerprint
    draw = random.Random(5)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = 0
    for attempt in range(10):
        began = time.monotonic()
        child = subprocess.Popen([sys.executable, "-c", INGEST, str(folder), str(second)], env=environment)
        # the folder tells when the work begins; a moment after that is anywhere in it
        while not (folder / "events-2.duckdb").exists() and child.poll() is None and time.monotonic() - began < 60:
            time.sleep(0.002)
        time.sleep(draw.random() * 0.4 * (attempt > 0))
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            killed += 1
        child.wait()
        log = open_store(folder)
        assert log.fingerprint in (before, expected)
        if log.fingerprint == expected:  # it was done before the kill: begin again
            ingest(first, tmp_path / f"again{attempt}")
            folder = tmp_path / f"again{attempt}"
    assert killed >= 5
    assert ingest(second, folder).fingerprint == expected
    assert sorted(entry.name for entry in folder.iterdir()) == ["events-2.duckdb", "lock", "store.json"]


def test_a_first_ingest_that_is_killed_leaves_no_store(write: Write, tmp_path: Path) -> None:
    path = log_file(write, "log.csv", 30_000)
    folder = tmp_path / "store"
    child = subprocess.Popen([sys.executable, "-c", INGEST, str(folder), str(path)], env={**os.environ, "OMP_NUM_THREADS": "1"})
    while not (folder / "events-1.duckdb").exists():
        assert child.poll() is None
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    with pytest.raises(StoreError, match=r"store is not a store: it has no store\.json"):
        open_store(folder)
    assert ingest(path, folder).fingerprint == read_events(path).fingerprint
