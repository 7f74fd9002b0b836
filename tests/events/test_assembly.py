"""One order for all acts: time, then arrival; repeats dropped; several sources joined."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest
from tests.events.conftest import Rows, Write

from footpath.errors import DataError, StoreError
from footpath.events import sql
from footpath.events.readers import read_events

T = 1_700_000_000
HEADER = "user_id,item_id,event_type,timestamp"


def test_order_is_by_user_time_and_arrival(write: Write, rows: Rows) -> None:
    acts = [("b", "1", T + 9), ("a", "2", T + 5), ("a", "3", T + 1), ("b", "4", T + 9), ("a", "5", T + 5), ("a", "6", T + 9)]
    log = read_events(write("log.csv", "user_id,item_id,timestamp\n" + "".join(f"{u},{i},{t}\n" for u, i, t in acts)))
    assert rows(log, "user_id", "item_id", "position") == [
        ("a", "3", 0),
        ("a", "2", 1),
        ("a", "5", 2),
        ("a", "6", 3),
        ("b", "1", 0),
        ("b", "4", 1),
    ]
    assert log.quality.cell("ties").value == 2  # 5 after 2, and 4 after 1
    assert log.quality.cell("out_of_order").value == 1  # 3 came after 2


def test_the_table_stands_in_order_of_user_and_position(write: Write) -> None:
    shuffled = random.Random(0).sample(range(3000), 3000)
    log = read_events(write("log.csv", "user_id,item_id,timestamp\n" + "".join(f"u{n % 70:02},{n},{T + n}\n" for n in shuffled)))
    table = log.table.select("user_id", "position").to_pyarrow().to_pylist()
    assert table == sorted(table, key=lambda row: (row["user_id"], row["position"]))


def test_out_of_order_counts_acts_that_arrived_after_a_later_one(write: Write) -> None:
    # against a naive second count
    draw = random.Random(1)
    acts = [(draw.choice("abc"), T + draw.randrange(40)) for _ in range(300)]
    path = write("log.csv", "user_id,item_id,timestamp\n" + "".join(f"{u},{n},{t}\n" for n, (u, t) in enumerate(acts)))
    late = sum(any(other == u and before > t for other, before in acts[:n]) for n, (u, t) in enumerate(acts))
    ties = sum(len(times) - len(set(times)) for times in ([t for u, t in acts if u == user] for user in "abc"))
    log = read_events(path)
    assert (log.quality.cell("out_of_order").value, log.quality.cell("ties").value) == (late, ties)


def test_exact_repeats_are_dropped_and_counted(write: Write, rows: Rows) -> None:
    lines = [
        f"a,x,view,{T}",
        f"a,x,cart,{T}",
        f"a,x,view,{T}",
        f"a,y,view,{T}",
        f"b,x,view,{T}",
        f"a,x,view,{T + 1}",
        f"a,x,view,{T}",
        f"a,,search,{T}",
    ]
    log = read_events(write("log.csv", "\n".join([HEADER, *lines, f"a,,search,{T}"])))
    assert rows(log, "user_id", "item_id", "event_type") == [
        ("a", "x", "view"),
        ("a", "x", "cart"),
        ("a", "y", "view"),
        ("a", None, "search"),
        ("a", "x", "view"),
        ("b", "x", "view"),
    ]
    assert [log.quality.cell(c).value for c in ("rows_read", "rows_kept", "rows_dropped", "duplicates")] == [9, 6, 3, 3]
    report = log.quality.meta["mapping"][0]
    assert (report["rows_read"], report["rows_kept"], report["rows_dropped"]) == (9, 6, 3)
    assert "3 repeats were dropped" in log.quality.meta["warnings"]


def test_an_event_id_decides_where_there_is_one(write: Write, rows: Rows) -> None:
    lines = [f"a,x,{T},e1", f"a,x,{T},e2", f"b,y,{T + 9},e1", f"c,z,{T},", f"c,z,{T},"]
    log = read_events(write("log.csv", "\n".join(["user_id,item_id,timestamp,event_id", *lines])))
    assert rows(log, "user_id", "event_id") == [("a", "e1"), ("a", "e2"), ("c", None)]
    assert log.quality.cell("duplicates").value == 2


def test_a_clock_of_days_cannot_call_acts_without_items_repeats(write: Write) -> None:
    lines = ["00001 19970101 1 11.77", "00001 19970101 1 11.77", "00001 19970101 2 9.00"]
    assert read_events(write("CDNOW_master.txt", "\n".join(lines))).quality.cell("rows_kept").value == 3
    reviews = "user_id,item_id,day\na,x,2020-01-01\na,x,2020-01-01\n"
    assert read_events(write("log.csv", reviews), zone="UTC").quality.cell("rows_kept").value == 1


def test_an_order_column_orders_and_tells_repeats_apart(write: Write, rows: Rows) -> None:
    log = read_events(write("log.csv", "user_id,item_id,position\na,x,7\na,y,-1\na,x,9\na,x,7\n"))
    assert rows(log, "item_id", "position", "timestamp") == [("y", 0, None), ("x", 1, None), ("x", 2, None)]
    assert not log.has_clock
    assert log.quality.cell("duplicates").value == 1
    assert log.quality.meta["window"] == "no clock: acts are in order only"


@pytest.mark.parametrize("value", ["", "first", "1.5", "inf"])
def test_an_order_column_needs_a_whole_number_in_every_row(write: Write, value: str) -> None:
    with pytest.raises(
        DataError, match=r"position in row 2 is .*, not a whole number \(1 such rows\); an order column needs one in every row"
    ):
        read_events(write("log.csv", f"user_id,item_id,position\na,x,1\na,y,{value}\n"))


def test_a_relative_clock_orders_by_arrival_and_adds_up(write: Write, rows: Rows) -> None:
    path = write("log.csv", "user_id,item_id,gap\na,x,\na,y,2\nb,x,\na,x,0.5\na,x,0.5\n")
    log = read_events(path, columns={"days_since_last": "gap"})
    assert rows(log, "user_id", "item_id", "relative_days") == [
        ("a", "x", 0.0),
        ("a", "y", 2.0),
        ("a", "x", 2.5),
        ("a", "x", 3.0),  # nothing tells it from a repeat, so it is kept
        ("b", "x", 0.0),
    ]
    assert not log.has_clock


def test_a_test_file_splits_the_log(write: Write, rows: Rows) -> None:
    train = write("train.csv", f"user_id,item_id,timestamp\na,x,{T}\n")
    test = write("test.csv", f"user_id,item_id,timestamp\na,y,{T + 9}\nb,x,{T}\n")
    log = read_events(train, test=test)
    assert rows(log, "user_id", "item_id", "split") == [("a", "x", "train"), ("a", "y", "test"), ("b", "x", "test")]
    assert rows(read_events([train, test]), "split") == [None, None, None]


def test_sources_of_different_columns_join_by_name(write: Write, rows: Rows) -> None:
    one = write("one.csv", f"user_id,item_id,timestamp,price,city\na,x,{T},5,1\n")
    two = write("two.csv", f"visitor,item_id,timestamp,event,city\na,y,{T + 1},buy,Bern\n")
    log = read_events([one, two])
    assert rows(log, "item_id", "event_type", "price", "city") == [("x", "other", 5.0, "1"), ("y", "purchase", None, "Bern")]


def test_a_clock_and_an_order_cannot_be_joined(write: Write) -> None:
    timed = write("timed.csv", f"user_id,item_id,timestamp\na,x,{T}\n")
    ordered = write("ordered.csv", "user_id,item_id,position\na,x,1\n")
    with pytest.raises(DataError, match=r"timed\.csv has a clock and .*ordered\.csv has none: they cannot be put into one order"):
        read_events([ordered, timed])


def test_the_same_file_twice_counts_once(write: Write) -> None:
    path = write("log.csv", f"user_id,item_id,timestamp\na,x,{T}\n")
    log = read_events([path, path])
    assert (log.quality.cell("rows_read").value, len(log.quality.meta["mapping"])) == (1, 1)
    with pytest.raises(
        StoreError, match=r"log\.csv is in the log already, as .*log\.csv \(events, user_id=user_id.*\), and would now be read another way"
    ):
        read_events(path, test=path)


def test_items_alone_are_no_log(fixtures: Path) -> None:
    with pytest.raises(DataError, match=r"only item or user tables were given; pass a file of events too"):
        read_events(fixtures / "recbole" / "films.item")


@pytest.mark.parametrize("threads", [1, 4])
def test_the_fingerprint_does_not_depend_on_threads(write: Write, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    draw = random.Random(2)
    lines = "".join(
        f"u{draw.randrange(300)},i{draw.randrange(90)},{draw.choice(['view', 'cart'])},{T + draw.randrange(500)}\n" for _ in range(20_000)
    )
    path = write("log.csv", f"{HEADER}\n{lines}")
    plain = sql.connect

    def connect(*args: object, **options: object) -> object:
        con = plain(*args, **options)  # type: ignore[arg-type]
        con.execute(f"SET threads = {threads}")
        return con

    monkeypatch.setattr(sql, "connect", connect)
    log = read_events(path)
    assert log.fingerprint == "dad3df2ece7c46b108027c8b4fb3c2b1"
    # against a naive second implementation
    acts = {}
    for n, line in enumerate(lines.splitlines()):
        user, item, kind, time = line.split(",")
        acts.setdefault((user, item, kind, int(time)), n)
    assert log.quality.cell("rows_kept").value == len(acts)
    by_hand = [(user, item) for (user, item, _, time), n in sorted(acts.items(), key=lambda act: (act[0][0], act[0][3], act[1]))]
    table = log.table.select("user_id", "item_id").to_pyarrow()
    assert list(zip(*(table[c].to_pylist() for c in ("user_id", "item_id")), strict=True)) == by_hand


def test_the_fingerprint_is_that_of_a_second_implementation(write: Write) -> None:
    log = read_events(write("log.csv", f"user_id,item_id,timestamp,rating\nb,é,{T}.5,4.5\na,,{T + 1},\n"))
    acts = [("a", chr(30), "rating", (T + 1) * 10**6, chr(30), 0), ("b", "é", "rating", T * 10**6 + 500_000, 4.5, 0)]
    mixed = 0
    for act in acts:
        mixed ^= int.from_bytes(hashlib.md5(chr(31).join(map(str, act)).encode()).digest(), "little")
    told = [2, ["user_id", "item_id", "event_type", "timestamp", "value", "position"], str(mixed)]
    assert log.fingerprint == hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def test_progress_names_what_is_done(write: Write) -> None:
    seen: list[str] = []
    read_events(write("log.csv", f"user_id,item_id,timestamp\na,x,{T}\n"), progress=lambda what, done, of: seen.append(what))
    assert seen == ["reading", "checking log.csv", "ordering"]
