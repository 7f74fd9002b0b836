"""Which column is which: told, known or guessed; and what is asked for where nobody can tell."""

from __future__ import annotations

import pytest
from tests.events.conftest import Rows, Write

from footpath.errors import ColumnError, ConfigError, DataError
from footpath.events.aliases import EVENT_ALIASES, EVENT_NAMES, plain
from footpath.events.contract import EVENT_COLUMNS, EVENT_TYPES
from footpath.events.readers import read_events
from footpath.events.reports import SourceReport

T = 1_700_000_000


@pytest.mark.parametrize(
    ("user", "item", "time"),
    [
        ("user_id", "item_id", "timestamp"),
        ("userId", "movieId", "ts"),
        ("visitorid", "itemid", "time"),
        ("customer", "sku", "created_at"),
        ("user_pseudo_id", "product_id", "event_timestamp"),
        ("anonymousId", "productId", "timestamp"),
        ("distinct_id", "content_id", "event_time"),
        ("domain_userid", "asin", "collector_tstamp"),
        ("User", "Item", "Time_Stamp"),
        ("session_id", "track_id", "unix_timestamp"),
    ],
)
def test_the_usual_names_are_guessed(write: Write, rows: Rows, user: str, item: str, time: str) -> None:
    log = read_events(write("log.csv", f"{time},{user},{item}\n{T},a,x\n{T + 1},a,y\n"))
    assert rows(log, "user_id", "item_id") == [("a", "x"), ("a", "y")]
    assert log.quality.meta["mapping"][0]["columns"]["user_id"] == user


def test_other_columns_are_kept_as_typed_context(write: Write, rows: Rows) -> None:
    log = read_events(write("log.csv", f"user_id,item_id,timestamp,age,zip,share,City Name,empty\na,x,{T},31,02139,0.5,Bern,\n"))
    schema = log.table.schema()
    assert list(schema) == [*EVENT_COLUMNS, "age", "zip", "share", "City_Name", "empty"]
    assert rows(log, "age", "zip", "share", "City_Name", "empty") == [(31, "02139", 0.5, "Bern", None)]


def test_a_context_column_never_takes_a_canonical_name(write: Write, rows: Rows) -> None:
    log = read_events(
        write("log.csv", f"visitor,thing,when,user_id,position\na,x,{T},real,7\n"),
        columns={"user_id": "visitor", "item_id": "thing", "timestamp": "when", "position": "-"},
    )
    assert rows(log, "user_id", "position", "context_user_id", "context_position") == [("a", 0, "real", 7)]


def test_columns_may_be_told(write: Write, rows: Rows) -> None:
    path = write("log.csv", f"who,what,when\na,x,{T}\n")
    log = read_events(path, columns={"user_id": "who", "item_id": "what", "timestamp": "when"})
    assert rows(log, "user_id", "item_id") == [("a", "x")]


def test_a_missing_column_is_named_with_what_was_seen_and_how_to_pass_it(write: Write) -> None:
    with pytest.raises(ColumnError, match=r"no user_id column among who, item_id, timestamp; say which one it is: --column user_id=who"):
        read_events(write("log.csv", f"who,item_id,timestamp\na,x,{T}\n"))
    with pytest.raises(
        ColumnError, match=r"no item_id column among user_id, what, timestamp; .*--column item_id=what \(--column item_id=- for"
    ):
        read_events(write("log.csv", f"user_id,what,timestamp\na,x,{T}\n"))
    with pytest.raises(
        ColumnError, match=r"no timestamp column among user_id, item_id, when; .*--column timestamp=when, or, for a log without"
    ):
        read_events(write("log.csv", f"user_id,item_id,when\na,x,{T}\n"))


def test_a_log_may_do_without_items(write: Write, rows: Rows) -> None:
    log = read_events(write("log.csv", f"user_id,timestamp\na,{T}\n"), columns={"item_id": "-"})
    assert rows(log, "item_id") == [None]


def test_two_columns_that_could_be_the_user_are_ambiguous(write: Write, rows: Rows) -> None:
    path = write("log.csv", f"visitor,customer_id,item_id,timestamp\na,b,x,{T}\n")
    with pytest.raises(
        ColumnError, match=r"'visitor' and 'customer_id' could both be user_id; say which one it is: --column user_id=visitor"
    ):
        read_events(path)
    assert rows(read_events(path, columns={"user_id": "customer_id"}), "user_id", "visitor") == [("b", "a")]


def test_the_canonical_name_wins_and_its_rival_is_said(write: Write, rows: Rows) -> None:
    log = read_events(write("log.csv", f"user_id,visitor,item_id,timestamp\na,b,x,{T}\n"))
    assert rows(log, "user_id", "visitor") == [("a", "b")]
    assert "visitor could be user_id too; user_id was taken" in log.quality.meta["mapping"][0]["notes"]


def test_optional_columns_that_could_both_be_one_are_kept_as_context(write: Write, rows: Rows) -> None:
    log = read_events(write("log.csv", f"user_id,item_id,timestamp,stars,score\na,x,{T},4,9\n"))
    assert rows(log, "value", "stars", "score") == [(None, 4, 9)]
    assert any("stars and score could both be value" in note for note in log.quality.meta["mapping"][0]["notes"])


def test_a_column_may_be_told_only_once(write: Write, rows: Rows) -> None:
    path = write("log.csv", f"who,item_id,timestamp\na,x,{T}\n")
    with pytest.raises(ColumnError, match=r"column 'who' is given for user_id and for item_id"):
        read_events(path, columns={"user_id": "who", "item_id": "who"})
    log = read_events(path, columns={"user_id": "who", "session_id": "who"})  # a session may be the user
    assert rows(log, "user_id", "session_id") == [("a", "a")]


def test_an_unknown_name_suggests_a_known_one(write: Write) -> None:
    path = write("log.csv", f"who,item_id,timestamp\na,x,{T}\n")
    with pytest.raises(
        ColumnError, match=r"no column name 'userid'; did you mean 'user_id'\?; names that --column NAME=COLUMN takes: user_id, item_id"
    ):
        read_events(path, columns={"userid": "who"})
    with pytest.raises(ColumnError, match=r"no column name 'shops\.user_id'"):
        read_events(path, columns={"shops.user_id": "who"})


def test_an_unknown_column_suggests_one_of_the_file(write: Write) -> None:
    path = write("log.csv", f"visitor,item_id,timestamp\na,x,{T}\n")
    with pytest.raises(
        ColumnError, match=r"has no column 'visiter' \(given for user_id\); did you mean 'visitor'\?; it has visitor, item_id, timestamp"
    ):
        read_events(path, columns={"user_id": "visiter"})


def test_event_names_are_mapped_and_the_unknown_are_other_and_kept(write: Write, rows: Rows) -> None:
    names = ["page_view", "Add To Cart", "ORDER", "wishlist", "signup", "pv"]
    lines = "".join(f"a,x,{T + n},{name}\n" for n, name in enumerate(names))
    log = read_events(write("log.csv", f"user_id,item_id,timestamp,event\n{lines}"))
    assert rows(log, "event_type", "event") == list(zip(["view", "cart", "purchase", "favourite", "other", "view"], names, strict=True))
    assert log.quality.meta["mapping"][0]["event_types"]["signup"] == ["other", 1]
    assert any("1 acts have event names that mean nothing known" in warning for warning in log.quality.meta["warnings"])


def test_event_names_may_be_told(write: Write, rows: Rows) -> None:
    path = write("log.csv", f"user_id,item_id,timestamp,event_type\na,x,{T},signup\na,x,{T + 1},view\n")
    log = read_events(path, event_types={"signup": "click", "view": "impression"})
    assert rows(log, "event_type") == ["click", "impression"]
    with pytest.raises(ConfigError, match=r"no event type 'clik' \(for 'signup'\); did you mean 'click'\?"):
        read_events(path, event_types={"signup": "clik"})


def test_without_an_event_column_the_type_is_other_and_said(write: Write, rows: Rows) -> None:
    log = read_events(write("log.csv", f"user_id,item_id,timestamp\na,x,{T}\n"))
    assert rows(log, "event_type") == ["other"]
    assert log.quality.meta["mapping"][0]["event_types"] == {"": ["other", 1]}
    rated = read_events(write("rated.csv", f"user_id,item_id,rating,timestamp\na,x,4,{T}\n"))
    assert rows(rated, "event_type", "value") == [("rating", 4.0)]


def test_the_map_is_printed(write: Write) -> None:
    path = write("log.csv", f"visitor,item,ts,event,city\na,x,{T},buy,Bern\na,y,{T + 9},signup,Bern\n")
    report = SourceReport.from_dict(read_events(path).quality.meta["mapping"][0])
    assert report.describe() == [
        f"{path}: events, csv, separator ',', a header; columns by guess",
        "  user_id    <- visitor",
        "  item_id    <- item",
        "  event_type <- event",
        "  timestamp  <- ts",
        "  time: seconds since 1970 UTC (by magnitude: the median is 2023-11-14 22:13:20 UTC)",
        "  'buy' -> purchase: 1 rows",
        "  'signup' -> other: 1 rows",
        "  kept as context: city",
        "  2 rows read, 2 kept, 0 dropped",
    ]


def test_a_position_beside_a_propensity_is_the_slot(write: Write, rows: Rows) -> None:
    log = read_events(write("log.csv", f"user_id,item_id,timestamp,position,pscore\na,x,{T},3,0.25\n"))
    assert rows(log, "position", "slot", "propensity") == [(0, 3, 0.25)]
    assert any("position stands beside propensity" in note for note in log.quality.meta["mapping"][0]["notes"])


def test_without_a_user_column_each_session_is_a_user(write: Write, rows: Rows) -> None:
    log = read_events(write("log.csv", f"session_id,item_id,timestamp\ns1,x,{T}\ns2,y,{T}\n"))
    assert rows(log, "user_id", "session_id") == [("s1", "s1"), ("s2", "s2")]


def test_splits_are_mapped(write: Write, rows: Rows) -> None:
    lines = "".join(f"a,x{n},{T + n},{split}\n" for n, split in enumerate(["train", "valid", "TEST", "val", ""]))
    log = read_events(write("log.csv", f"user_id,item_id,timestamp,split\n{lines}"))
    assert rows(log, "split") == ["train", "validation", "test", "validation", None]
    other = read_events(write("other.csv", f"user_id,item_id,timestamp,split\na,x,{T},north\n"))
    assert rows(other, "split", "context_split") == [(None, "north")]
    with pytest.raises(DataError, match=r"split is .north. in row 1; a split is one of train, training, valid"):
        read_events(write("other.csv", f"user_id,item_id,timestamp,split\na,x,{T},north\n"), columns={"split": "split"})


def test_acts_tell_of_items_and_users_where_no_table_does(write: Write) -> None:
    lines = f"a,x,{T},Old name,toys,5,F\nb,x,{T + 9},New name,,7.5,M\na,y,{T + 5},,toys,,F\n"
    path = write("log.csv", f"user_id,item_id,timestamp,title,category,price,gender\n{lines}")
    log = read_events(path)
    assert log.items is not None
    assert log.items.select("item_id", "title", "category", "price").to_pyarrow().to_pylist() == [
        {"item_id": "x", "title": "New name", "category": "toys", "price": 7.5},  # the latest that is filled
        {"item_id": "y", "title": None, "category": "toys", "price": None},
    ]
    assert log.users is not None
    assert log.users.to_pyarrow().to_pylist() == [{"user_id": "a", "gender": "F"}, {"user_id": "b", "gender": "M"}]
    items = write("items.csv", "item_id,title\nx,From the table\n")
    told = read_events(path, items=items)
    assert told.items is not None
    assert told.items.select("item_id", "title").to_pyarrow().to_pylist() == [{"item_id": "x", "title": "From the table"}]


def test_a_price_alone_makes_no_item_table(write: Write) -> None:
    assert read_events(write("log.csv", f"user_id,item_id,timestamp,price\na,x,{T},5\n")).items is None


def test_item_columns_may_be_told(write: Write) -> None:
    events = write("log.csv", f"user_id,item_id,timestamp,label_text\na,x,{T},Blue\n")
    log = read_events(events, columns={"title": "label_text"})
    assert log.items is not None
    assert log.items.title.to_pyarrow().to_pylist() == ["Blue"]
    items = write("items.csv", "key,label_text\nx,Green\n")
    log = read_events(events, items=items, columns={"items.item_id": "key", "title": "label_text"})
    assert log.items is not None
    assert log.items.title.to_pyarrow().to_pylist() == ["Green"]
    with pytest.raises(ColumnError, match=r"items\.csv has no column 'name' \(given for title\)"):
        read_events(events, items=items, columns={"title": "name"})


@pytest.mark.parametrize(
    ("written", "tokens"),
    [
        ("Drama|Sci Fi", "Drama Sci_Fi"),
        ('"Drama, Sci Fi"', "Drama Sci_Fi"),
        ("drama war", "drama war"),
        ("\"['Drama', 'Sci Fi']\"", "Drama Sci_Fi"),
        ('"[""Drama"", ""Sci Fi""]"', "Drama Sci_Fi"),
        ("", None),
    ],
)
def test_attributes_become_tokens(write: Write, written: str, tokens: str | None) -> None:
    events = write("log.csv", f"user_id,item_id,timestamp\na,x,{T}\n")
    log = read_events(events, items=write("items.csv", f"item_id,genres\nx,{written}\n"))
    assert log.items is not None
    assert log.items.attributes.to_pyarrow().to_pylist() == [tokens]


def test_an_item_or_user_table_without_an_id_is_refused(write: Write) -> None:
    events = write("log.csv", f"user_id,item_id,timestamp\na,x,{T}\n")
    with pytest.raises(ColumnError, match=r"items\.csv: no item_id column among colour, size; .*--column items\.item_id=colour"):
        read_events(events, items=write("items.csv", "colour,size\nred,4\n"))
    with pytest.raises(ColumnError, match=r"users\.csv: no user_id column among colour, size; .*--column users\.user_id=colour"):
        read_events(events, users=write("users.csv", "colour,size\nred,4\n"))
    with pytest.raises(DataError, match=r"items\.csv: 1 row has no item_id: row 2 of 2"):
        read_events(events, items=write("items.csv", "item_id,title\nx,A\n,B\n"))


def test_repeated_items_keep_the_last_filled_values(write: Write) -> None:
    events = write("log.csv", f"user_id,item_id,timestamp\na,x,{T}\n")
    log = read_events(events, items=write("items.csv", "item_id,title,brand\nx,One,Acme\ny,Else,\nx,Two,\n"))
    assert log.items is not None
    assert log.items.select("item_id", "title", "brand").to_pyarrow().to_pylist() == [
        {"item_id": "x", "title": "Two", "brand": "Acme"},
        {"item_id": "y", "title": "Else", "brand": None},
    ]
    report = next(r for r in log.quality.meta["mapping"] if r["role"] == "items")
    assert (report["rows_read"], report["rows_kept"]) == (3, 2)


def test_numbers_that_are_none_count_as_missing_and_are_said(write: Write, rows: Rows) -> None:
    path = write("log.csv", f"user_id,item_id,timestamp,rating,price\na,x,{T},four,1.5\na,y,{T + 1},nan,inf\na,z,{T + 2},3,\n")
    log = read_events(path)
    assert rows(log, "value", "price") == [(None, 1.5), (None, None), (3.0, None)]
    assert log.quality.cell("bad_values").value == 2  # four and inf
    assert "'four' in row 1" in log.quality.cell("bad_values").note


def test_a_null_user_is_refused_with_its_rows(write: Write) -> None:
    lines = "".join(f"{'' if n % 2 else 'a'},x{n},{T + n}\n" for n in range(14))
    with pytest.raises(DataError, match=r"log\.csv: 7 rows have no user_id \(column 'visitor'\): row 2, 4, 6, 8, 10, \.\.\. of 14"):
        read_events(write("log.csv", f"visitor,item_id,timestamp\n{lines}"))
    with pytest.raises(DataError, match=r"log\.csv: 1 row has no user_id: row 1 of 1"):
        read_events(write("log.csv", f"user_id,item_id,timestamp\nNULL,x,{T}\n"))


def test_all_aliases_are_plain_and_mean_one_thing() -> None:
    for ranks in EVENT_ALIASES.values():
        names = [name for rank in ranks for name in rank]
        assert names == [plain(name) for name in names]
        assert len(set(names)) == len(names)
    assert set(EVENT_NAMES.values()) == set(EVENT_TYPES)
    assert all(EVENT_NAMES[kind] == kind for kind in EVENT_TYPES)
