"""Every preset reads its ten rows by itself: the right columns, event names, times and titles."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.events.conftest import Rows, Write

from footpath.errors import ColumnError, ConfigError, DataError
from footpath.events.presets import FORMS, PRESETS
from footpath.events.readers import read_events

# of each: the preset that is found, one user's acts as (item, type, value), the first time of the log, and what the tables say
EXPECTED: dict[str, dict[str, Any]] = {
    "recbole/films.inter": {
        "preset": "recbole",
        "user": "7",
        "acts": [("11", "rating", 5.0), ("12", "rating", 3.0), ("14", "rating", 2.0)],
        "first": datetime(1998, 4, 22, 23, 10),
        "titles": {"11": 'The "Quiet" Harbour', "12": "Northwind, The", "13": "Paper Moons", "14": "Été"},
        "attributes": {"11": "Drama Romance"},
        "users": 4,
    },
    "movielens-dat/ratings.dat": {
        "preset": "movielens",
        "user": "7",
        "acts": [("11", "rating", 5.0), ("12", "rating", 3.0), ("14", "rating", 2.0)],
        "first": datetime(2000, 12, 31, 22, 0),
        "titles": {"13": "Paper Moons: A Tale (1996)", "14": "Été (1997)"},
        "attributes": {"11": "Drama Romance"},
        "users": 4,
    },
    "movielens-csv": {
        "preset": "movielens",
        "user": "7",
        "acts": [("11", "rating", 5.5), ("12", "rating", 3.5), ("14", "rating", 2.5)],
        "first": datetime(2005, 4, 2, 23, 20),
        "titles": {"12": "Northwind, The (1991)"},
        "attributes": {"11": "Drama Romance", "14": None},
    },
    "movielens-100k": {
        "preset": "movielens",
        "user": "7",
        "acts": [("11", "rating", 5.0), ("12", "rating", 3.0), ("14", "rating", 2.0)],
        "first": datetime(1998, 4, 22, 23, 10),
        "titles": {"11": "Quiet Harbour", "14": "Été"},
        "attributes": {"11": "Drama Romance"},
        "users": 4,
    },
    "retailrocket": {
        "preset": "retailrocket",
        "user": "7",
        "acts": [("11", "view", None), ("12", "cart", None), ("14", "cart", None)],
        "first": datetime(2015, 6, 2, 4, 40),
    },
    "rees46": {
        "preset": "rees46",
        "user": "9",
        "acts": [("12", "view", None), ("13", "remove", None), ("14", "view", None)],
        "first": datetime(2019, 10, 1),
        "brands": {"11": "aqua", "13": "zen"},
    },
    "taobao/UserBehavior.csv": {
        "preset": "taobao",
        "user": "8",
        "acts": [("11", "cart", None), ("13", "purchase", None)],
        "first": datetime(2017, 11, 24, 17, 21, 10),
    },
    "yoochoose/yoochoose-clicks.dat": {
        "preset": "yoochoose",
        "user": "8",
        "acts": [("11", "click", None), ("13", "click", None)],
        "first": datetime(2014, 4, 7, 10, 50, 9, 277000),
    },
    "yoochoose/yoochoose-buys.dat": {
        "preset": "yoochoose",
        "user": "8",
        "acts": [("11", "purchase", None), ("13", "purchase", None)],
        "first": datetime(2014, 4, 7, 11, 50, 9, 277000),
    },
    "yoochoose-tsv/train.tsv": {
        "preset": "yoochoose",
        "user": "8",
        "acts": [("11", "click", None), ("13", "click", None)],
        "first": datetime(2014, 4, 2, 11, 17, 46, 940000),
    },
    "amazon-2023": {
        "preset": "amazon-reviews",
        "user": "AE8",
        "acts": [("B011", "rating", 4.0), ("B013", "rating", 2.0)],
        "first": datetime(2019, 2, 11, 6, 22, 38, 332000),
    },
    "amazon-2014": {
        "preset": "amazon-reviews",
        "user": "A8",
        "acts": [("B011", "rating", 4.0), ("B013", "rating", 2.0)],
        "first": datetime(2009, 9, 13),
    },
    "instacart-sample": {
        "preset": "instacart",
        "user": "2",
        "acts": [("140", "purchase", None), ("104", "purchase", None), ("140", "purchase", None)],
        "first": None,
    },
    "instacart": {
        "preset": "instacart",
        "user": "2",
        "acts": [("140", "purchase", None), ("104", "purchase", None), ("140", "purchase", None)],
        "first": None,
        "titles": {"140": "Bread, Brown"},
    },
    "cdnow": {
        "preset": "cdnow",
        "user": "00002",
        "acts": [(None, "purchase", 12.0), (None, "purchase", 77.0)],
        "first": datetime(1997, 1, 1),
    },
    "obd": {
        "preset": "obd",
        "user": "4cdc4eaa25bcad47",
        "acts": [("11", "impression", 0.0), ("12", "impression", 0.0), ("14", "impression", 0.0)],
        "first": datetime(2019, 11, 24, 0, 0, 10, 762830),
    },
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_preset_reads_its_files_by_itself(fixtures: Path, rows: Rows, name: str) -> None:
    expected = EXPECTED[name]
    log = read_events(fixtures / name)
    found = [row[1:] for row in rows(log, "user_id", "item_id", "event_type", "value") if row[0] == expected["user"]]
    assert found == expected["acts"]
    assert log.table.count().to_pyarrow().as_py() == 10
    assert log.has_clock == (expected["first"] is not None)
    times = rows(log, "timestamp")
    assert (min(times) if log.has_clock else None) == expected["first"]
    reports = log.quality.meta["mapping"]
    assert {report["how"] for report in reports} == {expected["preset"]}
    assert sum(report["rows_read"] for report in reports if report["role"] == "events") == 10
    items = {} if log.items is None else {row["item_id"]: row for row in log.items.to_pyarrow().to_pylist()}
    for column, wanted in (("title", "titles"), ("attributes", "attributes"), ("brand", "brands")):
        for item, value in expected.get(wanted, {}).items():
            assert items[item][column] == value
    assert (None if log.users is None else log.users.count().to_pyarrow().as_py()) == expected.get("users")


def test_every_preset_has_a_fixture() -> None:
    trackers = {"ga4", "segment", "snowplow", "posthog", "amplitude", "mixpanel", "metarank"}
    assert {expected["preset"] for expected in EXPECTED.values()} | trackers == set(PRESETS)


# file: how it is read, then of user 8 (or its like): its name, items and types
TRACKERS = {
    "ga4.jsonl": ("ga4", "8.1", [("sku11", "purchase"), (None, "other")]),
    "segment.jsonl": ("segment", "anon8", [("p11", "purchase"), ("p13", "other")]),
    "snowplow.tsv": ("snowplow", "d8", [("p11", "view"), ("p13", "cart")]),
    "posthog.jsonl": ("posthog", "d8", [("p11", "view"), ("p13", "purchase")]),
    "amplitude.csv": ("amplitude", "dev8", [("p11", "view"), ("p13", "purchase")]),
    "mixpanel.jsonl": ("mixpanel", "d8", [("p11", "view"), ("p13", "purchase")]),
    "gorse.csv": ("guess", "8", [("11", "view"), ("13", "favourite")]),
    "metarank.jsonl": ("metarank", "u8", [("p11", "click"), ("p13", "purchase")]),
}


@pytest.mark.parametrize("name", TRACKERS)
def test_the_export_of_a_tracker_is_recognised(fixtures: Path, rows: Rows, name: str) -> None:
    how, user, acts = TRACKERS[name]
    log = read_events(fixtures / "trackers" / name)
    assert [row[1:] for row in rows(log, "user_id", "item_id", "event_type") if row[0] == user] == acts
    assert log.quality.meta["mapping"][0]["how"] == how
    assert log.quality.cell("n_users").value == 4
    assert log.has_clock


def test_a_folder_of_a_data_set_leaves_alone_what_is_no_part_of_it(fixtures: Path) -> None:
    sources = [Path(report["source"]).name for report in read_events(fixtures / "movielens-csv").quality.meta["mapping"]]
    assert sources == ["movies.csv", "ratings.csv"]  # tags.csv is neither


def test_clicks_and_purchases_of_one_folder_become_one_log(fixtures: Path, rows: Rows) -> None:
    log = read_events(fixtures / "yoochoose")
    assert [row[1:] for row in rows(log, "user_id", "item_id", "event_type", "price", "quantity", "session_id") if row[0] == "8"] == [
        ("11", "click", None, None, "8"),
        ("13", "click", None, None, "8"),
        ("11", "purchase", 1146.0, 1.0, "8"),
        ("13", "purchase", 1346.0, 2.0, "8"),
    ]


def test_instacart_baskets_are_dated_by_their_orders(fixtures: Path, rows: Rows) -> None:
    for edition in ("instacart", "instacart-sample"):
        log = read_events(fixtures / edition)
        assert rows(log, "user_id", "item_id", "session_id", "position", "relative_days") == [
            ("1", "196", "501", 0, 0.0),
            ("1", "140", "501", 1, 0.0),
            ("1", "124", "501", 2, 0.0),
            ("1", "196", "502", 3, 15.0),
            ("1", "104", "502", 4, 15.0),
            ("1", "196", "503", 5, 36.0),
            ("1", "124", "503", 6, 36.0),
            ("2", "140", "601", 0, 0.0),
            ("2", "104", "601", 1, 0.0),
            ("2", "140", "602", 2, 30.0),
        ]


def test_baskets_without_their_orders_are_refused(fixtures: Path, write: Write) -> None:
    baskets = write("order_products__prior.csv", (fixtures / "instacart" / "order_products__prior.csv").read_bytes())
    with pytest.raises(DataError, match=r"order_products__prior\.csv lists the baskets of orders; orders\.csv must be given too"):
        read_events(baskets)
    write("orders.csv", "order_id,user_id,order_number,days_since_prior_order\n501,1,1,\n")
    with pytest.raises(DataError, match=r"order_products__prior\.csv: 4 rows are of orders that .*orders\.csv lacks"):
        read_events(baskets)
    with pytest.raises(DataError, match=r"orders\.csv lists orders without products"):
        read_events(baskets.with_name("orders.csv"))


def test_item_files_among_events_are_taken_for_what_they_are(fixtures: Path) -> None:
    folder = fixtures / "recbole"
    together = read_events([folder / "films.inter", folder / "films.item"])
    assert together.items is not None
    assert together.items.count().to_pyarrow().as_py() == 4


def test_a_preset_on_a_foreign_file_names_what_it_expects(write: Write) -> None:
    path = write("log.csv", "who,what,when\n1,2,1700000000\n")
    with pytest.raises(ColumnError, match=r"does not look like a retailrocket event file: it has the columns who, what, when"):
        read_events(path, preset="retailrocket")


def test_a_preset_named_by_hand_reads_a_frame_or_a_headed_file(write: Write, rows: Rows) -> None:
    path = write("log.csv", "user_id,item_id,category_id,behaviour,timestamp\n1,2,3,fav,1511544070\n")
    assert rows(read_events(path, preset="taobao"), "user_id", "event_type") == [("1", "favourite")]


def test_a_file_with_another_number_of_columns_than_its_preset_is_refused(write: Write) -> None:
    path = write("ratings.dat", "1::2::5\n1::3::4\n")
    with pytest.raises(ColumnError, match=r"has 3 columns where the preset movielens expects 4 \(user_id, item_id, rating, timestamp\)"):
        read_events(path)


def test_an_unknown_preset_suggests_a_known_one(fixtures: Path) -> None:
    with pytest.raises(ConfigError, match=r"no preset 'movilens'; did you mean 'movielens'\?"):
        read_events(fixtures / "taobao" / "UserBehavior.csv", preset="movilens")


def test_every_form_is_found_by_something() -> None:
    assert all(form.files or form.needs or form.looks for form in FORMS)


def test_the_policy_of_a_bandit_log_is_read_from_its_name(fixtures: Path, rows: Rows) -> None:
    log = read_events(fixtures / "obd")
    assert set(rows(log, "policy", "propensity")) == {("random", 0.0125)}
    assert Counter(rows(log, "slot")) == {1: 4, 2: 3, 3: 3}
    assert sum(rows(log, "value")) == 1
