from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from footpath.errors import ConfigError, DataError
from footpath.events.contract import EVENT_TYPES
from footpath.events.log import EventLog
from footpath.sequences.build import aligned, to_sequences

MakeLog = Callable[..., EventLog]

SHOP = [
    {"user_id": "bo", "item_id": "tea", "timestamp": 5, "value": 2.0, "event_type": "purchase", "session_id": "s2"},
    {"user_id": "al", "item_id": "cup", "timestamp": 3, "event_type": "cart", "session_id": "s1"},
    {"user_id": "al", "item_id": None, "timestamp": 2, "event_type": "search", "session_id": "s1"},
    {"user_id": "al", "item_id": "tea", "timestamp": 1, "session_id": "s1"},
    {"user_id": "cy", "item_id": None, "timestamp": 1, "event_type": "search"},
]


def test_sequences_are_the_acts_on_items_in_the_order_of_the_log(make_log: MakeLog) -> None:
    data = to_sequences(make_log(SHOP))
    assert data.users.to_pylist() == ["al", "bo"]
    assert [data.vocabulary.decode(data.history(b)) for b in range(2)] == [["tea", "cup"], ["tea"]]
    assert data.times is not None
    assert data.types is not None
    assert data.values is not None
    assert data.times.tolist() == [1_000_000, 3_000_000, 5_000_000]
    assert [EVENT_TYPES[code] for code in data.types] == ["view", "cart", "purchase"]
    np.testing.assert_array_equal(data.values, np.array([np.nan, np.nan, 2.0], np.float32))
    assert data.item_features is None


def test_what_is_left_out_is_counted(make_log: MakeLog) -> None:
    read = aligned(make_log(SHOP), (), event_types=["view", "search", "cart"])
    assert read.counts == {"other_types": 1, "without_item": 2, "below_core": 0}
    assert [read.dataset.vocabulary.decode(read.dataset.history(0))] == [["tea", "cup"]]


def test_what_was_only_shown_is_no_act_unless_asked_for(make_log: MakeLog) -> None:
    shown = [{"user_id": "al", "item_id": "pot", "timestamp": 2, "event_type": "impression"}]
    read = aligned(make_log([*SHOP, *shown]), ())
    assert read.counts["impressions"] == 1
    assert "pot" not in read.dataset.vocabulary
    asked = aligned(make_log([*SHOP, *shown]), (), event_types=["impression"])
    assert [asked.dataset.vocabulary.decode(asked.dataset.history(0))] == [["pot"]]
    with pytest.raises(DataError, match="has no act but impressions on an item among its 1 acts"):
        to_sequences(make_log(shown))


def test_the_core_is_counted_and_parts_other_columns_too(make_log: MakeLog) -> None:
    rows = [{"user_id": user, "item_id": "tea", "timestamp": n, "session_id": str(n)} for n, user in enumerate(["bo", "al", "al"])]
    read = aligned(make_log(rows), ("session_id",), core=2)
    assert read.counts["below_core"] == 1
    assert read.columns["session_id"].to_pylist() == ["1", "2"]
    assert read.dataset.users.to_pylist() == ["al"]


def test_further_columns_follow_their_events(make_log: MakeLog) -> None:
    read = aligned(make_log(SHOP), ("session_id", "split"))
    assert read.columns["session_id"].to_pylist() == ["s1", "s1", "s2"]
    assert read.columns["split"].null_count == 3
    # only al and tea have two acts, and once bo and cup are gone nobody has
    with pytest.raises(DataError, match="core=2 leaves none of 3 events"):
        aligned(make_log(SHOP), ("session_id",), core=2)


def test_a_log_without_a_clock_gives_order_alone(make_log: MakeLog) -> None:
    rows = [{"user_id": "al", "item_id": item} for item in ("c", "a", "b")]
    data = to_sequences(make_log(rows, has_clock=False))
    assert data.times is None
    assert data.values is None
    assert data.vocabulary.decode(data.history(0)) == ["c", "a", "b"]


def test_item_features_stand_in_the_order_of_the_vocabulary(make_log: MakeLog) -> None:
    items = [
        {"item_id": "tea", "title": "Green tea", "category": "drinks", "attributes": "green hot green"},
        {"item_id": "cup", "text": "holds 200 ml"},
        {"item_id": "pot", "title": "never met"},
        {"item_id": "tea", "title": "a second row"},
    ]
    data = to_sequences(make_log(SHOP, items=items))
    features = data.item_features
    assert features is not None
    tea, cup = data.vocabulary.index("tea"), data.vocabulary.index("cup")
    assert (features.titles[tea], features.categories[tea], features.attributes[tea]) == ("Green tea", "drinks", ("green", "hot"))
    assert (features.titles[cup], features.texts[cup], features.attributes[cup]) == ("", "holds 200 ml", ())
    assert (features.titles[0], features.texts[0], features.categories[0], features.attributes[0]) == ("", "", "", ())
    assert len(features.titles) == len(features.texts) == len(features.categories) == len(features.attributes) == data.n_items


def test_a_large_log_goes_to_the_directory(make_log: MakeLog, tmp_path: Path) -> None:
    data = to_sequences(make_log(SHOP), directory=tmp_path / "sequences", above_mib=0)
    assert isinstance(data.items, np.memmap)
    assert [data.vocabulary.decode(data.history(b)) for b in range(2)] == [["tea", "cup"], ["tea"]]


def test_an_unknown_event_type_is_answered_with_the_closest(make_log: MakeLog) -> None:
    with pytest.raises(ConfigError, match=r"no event type 'purchace'; did you mean 'purchase'\?"):
        to_sequences(make_log(SHOP), event_types=["purchace"])


def test_a_log_without_acts_on_items_has_no_sequences(make_log: MakeLog) -> None:
    with pytest.raises(DataError, match="log 'shop' has no act of type search, impression on an item among its 5 acts"):
        to_sequences(make_log(SHOP), event_types=["search", "impression"])


def test_an_event_type_outside_the_contract_is_refused(make_log: MakeLog) -> None:
    with pytest.raises(DataError, match="event type 'stare' is not in the contract"):
        to_sequences(make_log([{"user_id": "al", "item_id": "tea", "timestamp": 1, "event_type": "stare"}]))
