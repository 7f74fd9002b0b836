from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath.errors import ColumnError, ConfigError, DataError, NotInLogError
from footpath.events.contract import EVENT_COLUMNS
from footpath.events.log import EventLog
from footpath.events.readers import read_events
from footpath.result import Result
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impressions import (
    CHOSEN,
    LIKED,
    VALUE_TASK,
    Impressions,
    chosen,
    chosen_of,
    from_table,
    rated,
    shown,
    trails_of,
)
from footpath.sequences.vocabulary import Vocabulary

SECOND = 1_000_000
ARROW = {"string": pa.string(), "timestamp": pa.timestamp("us"), "float64": pa.float64(), "int64": pa.int64()}
Row = dict[str, Any]


def log_of(
    rows: Sequence[Row],
    *,
    clock: bool = True,
    items: Mapping[str, Sequence[Any]] | None = None,
    users: Mapping[str, Sequence[Any]] | None = None,
) -> EventLog:
    """A log of acts in the order of their arrival, `t` in seconds; without a clock that order counts. Other columns than the contract's
    are context."""
    ordered = sorted(rows, key=lambda row: row["t"]) if clock else rows
    places: Counter[str] = Counter()
    acts = []
    for row in ordered:
        act = {"event_type": "view", **row, "position": places[row["user_id"]]}
        act["timestamp"] = act.pop("t") * SECOND if clock else act.pop("t", None) and None
        places[row["user_id"]] += 1
        acts.append(act)
    free = [name for name in dict.fromkeys(name for act in acts for name in act) if name not in EVENT_COLUMNS]
    columns = {name: pa.array([act.get(name) for act in acts], ARROW[kind]) for name, kind in EVENT_COLUMNS.items()}
    columns |= {name: pa.array([act.get(name) for act in acts]) for name in free}
    backwards = pa.table(columns).take(pa.array(range(len(acts))[::-1]))  # what reads a log must go by position
    return EventLog(
        "shop",
        ibis.memtable(backwards),
        Result("quality", pa.table({})),
        "abc",
        clock,
        None if items is None else ibis.memtable(pa.table(dict(items))),
        None if users is None else ibis.memtable(pa.table(dict(users))),
    )


def act(user: str, item: str | None, t: int, kind: str = "view", request: str | None = None, **more: Any) -> Row:
    return {"user_id": user, "item_id": item, "t": t, "event_type": kind, "request_id": request, **more}


def impression(user: str, item: str | None, t: int, request: str | None = None, **more: Any) -> Row:
    return act(user, item, t, "impression", request, **more)


def history_of(rows: Impressions, place: int) -> tuple[str, ...]:
    start = rows.histories.offsets[rows.rows[place]]
    return tuple(str(id) for id in rows.vocabulary.decode(rows.histories.items[start : start + rows.lengths[place]]))


def told(rows: Impressions, task: str = "click") -> list[tuple[str, str, tuple[str, ...], float]]:
    """(user, item, history, label) of each impression."""
    users, ids = rows.histories.users.to_pylist(), rows.vocabulary.decode(rows.items)
    label = rows.label(task).tolist()
    return [(users[row], str(ids[place]), history_of(rows, place), label[place]) for place, row in enumerate(rows.rows)]


# ---- what the log says was shown


def test_a_click_is_the_label_of_its_item_on_its_list_alone() -> None:
    log = log_of(
        [
            impression("u", "a", 1, "r"),
            impression("u", "b", 1, "r"),
            act("u", "b", 2, "click", "r"),
            impression("u", "b", 5, "s"),
            impression("u", "c", 5, "s"),
            act("u", "c", 6, "click", "s"),
        ]
    )
    made = shown(log)
    assert told(made) == [("u", "a", (), 0), ("u", "b", (), 1), ("u", "b", ("b",), 0), ("u", "c", ("b",), 1)]
    assert made.requests is not None
    assert made.times is not None
    assert made.requests.tolist() == [0, 0, 1, 1]
    assert made.times.tolist() == [1 * SECOND, 1 * SECOND, 5 * SECOND, 5 * SECOND]
    assert made.about["labels"] == "an act of that type with the same user, request and item"
    assert made.causal


def test_each_type_of_act_is_a_label_of_its_own() -> None:
    log = log_of(
        [impression("u", "a", 1, "r"), impression("u", "b", 1, "r"), act("u", "a", 2, "click", "r"), act("u", "b", 3, "cart", "r")]
    )
    made = shown(log, labels=("click", "cart"))
    assert {task: made.label(task).tolist() for task in made.tasks} == {"click": [1, 0], "cart": [0, 1]}


def test_no_act_on_a_list_is_in_the_history_of_another_item_of_it() -> None:
    scrolled = [
        impression("u", "a", 10, "r"),
        act("u", "a", 11, "click", "r"),
        impression("u", "b", 12, "r"),
        act("u", "b", 13, "click", "r"),
    ]
    made = shown(log_of([act("u", "z", 5), *scrolled]))
    assert told(made) == [("u", "a", ("z",), 1), ("u", "b", ("z",), 1)]
    assert made.times is not None
    assert made.times.tolist() == [10 * SECOND, 10 * SECOND]


def test_an_act_that_another_clock_puts_before_its_list_is_not_in_the_history_of_the_list() -> None:
    made = shown(log_of([act("u", "z", 5), act("u", "a", 9, "click", "r"), impression("u", "a", 10, "r"), impression("u", "b", 10, "r")]))
    assert told(made) == [("u", "a", ("z",), 1), ("u", "b", ("z",), 0)]


def test_an_act_of_the_request_on_what_it_did_not_show_stays_in_the_history() -> None:
    asked_from = [act("u", "z", 5, "view", "r"), impression("u", "a", 10, "r"), act("u", "a", 11, "click", "r")]
    assert told(shown(log_of(asked_from))) == [("u", "a", ("z",), 1)]


def test_an_event_of_the_same_moment_is_not_before_it() -> None:
    log = log_of([act("u", "y", 4), act("u", "z", 5), impression("u", "a", 5, "r"), act("u", "a", 6, "click", "r")])
    assert told(shown(log)) == [("u", "a", ("y",), 1)]


def test_a_request_id_that_two_users_share_is_two_lists() -> None:
    log = log_of([impression("u", "a", 1, "r"), act("u", "a", 2, "click", "r"), act("v", "z", 8), impression("v", "a", 9, "r")])
    made = shown(log)
    assert told(made) == [("u", "a", (), 1), ("v", "a", ("z",), 0)]
    assert made.requests is not None
    assert len(set(made.requests.tolist())) == 2
    assert made.times is not None
    assert made.times.tolist() == [1 * SECOND, 9 * SECOND]


def test_impressions_without_a_request_are_lists_of_their_own_and_nobody_acted_on_them() -> None:
    log = log_of(
        [
            impression("u", "a", 1, None),
            act("u", "a", 2, "click", ""),
            impression("u", "b", 3, None),
            impression("u", "c", 4, "r"),
            act("u", "c", 5, "click", "r"),
        ]
    )
    made = shown(log)
    assert told(made) == [("u", "a", (), 0), ("u", "b", ("a",), 0), ("u", "c", ("a",), 1)]
    assert made.requests is not None
    assert len(set(made.requests.tolist())) == 3


def test_impressions_without_an_item_are_left_out_and_counted() -> None:
    made = shown(log_of([impression("u", None, 1, "r"), impression("u", "a", 2, "r"), act("u", "a", 3, "click", "r")]))
    assert told(made) == [("u", "a", (), 1)]
    assert made.about["left_out"] == {"impressions_without_item": 1}


def test_users_who_did_nothing_but_look_have_an_empty_history() -> None:
    log = log_of([impression("u", "a", 1, "r"), act("u", "a", 2, "click", "r"), impression("w", "a", 3, "r"), impression("t", "b", 4, "r")])
    made = shown(log)
    assert told(made) == [("u", "a", (), 1), ("w", "a", (), 0), ("t", "b", (), 0)]
    assert made.about["users_without_acts"] == 2


def test_where_nobody_acted_the_items_still_have_their_facts() -> None:
    log = log_of([impression("u", "a", 1, value=1.0)], items={"item_id": ["a"], "title": ["Boots"], "category": ["shoes"], "price": [9.5]})
    made = shown(log)
    assert made.histories.n_events == 0
    assert made.histories.item_features is not None
    assert made.histories.item_features.titles[1] == "Boots"
    assert made.item_columns["price"].to_pylist() == [None, 9.5]


def test_a_value_of_0_or_1_is_the_label_where_no_act_names_a_request() -> None:
    log = log_of([impression("u", "a", 1, value=1.0), impression("u", "b", 2, value=0.0), impression("u", "c", 3), act("u", "a", 4)])
    made = shown(log)
    assert np.array_equal(made.label("click"), [1, 0, np.nan], equal_nan=True)
    assert made.about["labels"] == "click: the value of the impression"


def test_the_value_of_an_impression_is_no_label_of_acts_that_others_name_requests_for() -> None:
    rows = [impression("u", "a", 1, "r", value=1.0), act("u", "a", 2, "click", "r")]
    with pytest.raises(NotInLogError, match="log 'shop' has no purchase that names the request it followed on among 1 acts that do"):
        shown(log_of(rows), labels=("purchase",))


def test_two_labels_cannot_come_from_one_value() -> None:
    rows = [impression("u", "a", 1, "r", value=1.0)]
    with pytest.raises(NotInLogError, match="no click or cart that names the request it followed on, and no value of 0 or 1"):
        shown(log_of(rows), labels=("click", "cart"))


def test_a_value_that_is_no_answer_is_no_label() -> None:
    with pytest.raises(NotInLogError, match="log 'shop' has no click that names the request"):
        shown(log_of([impression("u", "a", 1, "r", value=0.5)]))


def test_without_a_clock_the_place_of_an_act_says_what_came_before() -> None:
    rows = [
        act("u", "z", 0),
        impression("u", "a", 0, "r"),
        act("u", "a", 0, "click", "r"),
        impression("u", "b", 0, "r"),
        act("u", "y", 0),
        impression("u", "a", 0, "s"),
    ]
    made = shown(log_of(rows, clock=False))
    assert made.times is None
    assert told(made) == [("u", "a", ("z",), 1), ("u", "b", ("z",), 0), ("u", "a", ("z", "a", "y"), 0)]


def test_a_search_is_an_event_on_its_words_in_the_category_that_is_called_so() -> None:
    log = log_of(
        [
            act("u", None, 1, "search", query="  Red Shoes "),
            act("u", None, 2, "search", query=" "),
            act("u", None, 3, "search", query="blue"),
            impression("u", "a", 4, "r", query="red"),
            act("u", "a", 5, "click", "r"),
        ],
        items={"item_id": ["a"], "title": ["Boots"], "category": ["Red shoes"]},
    )
    made = shown(log)
    assert told(made) == [("u", "a", ("search: red shoes", "search: blue"), 1)]
    features = made.histories.item_features
    assert features is not None
    found = {id: (features.titles[i], features.categories[i]) for i, id in enumerate(made.vocabulary.ids.to_pylist(), start=1)}
    assert found == {"a": ("Boots", "Red shoes"), "search: red shoes": ("red shoes", "Red shoes"), "search: blue": ("blue", "")}
    assert made.context["query"].to_pylist() == ["red"]
    assert told(shown(log, queries=False)) == [("u", "a", (), 1)]


def test_only_the_types_that_are_asked_for_are_in_histories() -> None:
    log = log_of(
        [
            impression("u", "a", 1, "q"),
            act("u", "y", 2),
            act("u", "z", 3, "cart"),
            impression("u", "b", 4, "r"),
            impression("u", "c", 5, "r"),
            act("u", "c", 6, "click", "r"),
        ]
    )
    assert [row[2] for row in told(shown(log, history_types=("cart",)))] == [(), ("z",), ("z",)]
    assert [row[2] for row in told(shown(log, history_types=("impression",)))] == [(), ("a",), ("a",)], "not those of the own list"


def test_the_context_is_what_impressions_fill_beside_the_contract() -> None:
    log = log_of(
        [
            impression("u", "a", 1, "r", slot=3, device="phone", propensity=0.5),
            act("u", "a", 2, "click", "r", dwell=12.0),
        ]
    )
    made = shown(log)
    assert made.context.to_pydict() == {"slot": [3], "device": ["phone"]}
    assert shown(log, context=("device",)).context.column_names == ["device"]
    assert shown(log, context=()).context.num_columns == 0


def test_what_item_and_user_tables_say_is_aligned_with_items_and_trails() -> None:
    log = log_of(
        [impression("u", "a", 1, "r"), act("u", "a", 2, "click", "r"), impression("v", "b", 3, "s")],
        items={"item_id": ["b", "a", "a"], "price": [2.0, 1.0, 9.0], "empty": pa.nulls(3, pa.string())},  # type: ignore[dict-item]
        users={"user_id": ["v", "u"], "age": [50, 20]},
    )
    made = shown(log)
    assert made.item_columns.column_names == ["price"]
    assert made.item_columns["price"].take(pa.array(made.items)).to_pylist() == [1.0, 2.0]
    assert made.user_columns["age"].take(pa.array(made.rows)).to_pylist() == [20, 50]


def test_the_split_of_the_source_comes_along() -> None:
    log = log_of([impression("u", "a", 1, "r", split="train"), act("u", "a", 2, "click", "r"), impression("u", "b", 3, "s", split="test")])
    made = shown(log)
    assert made.given is not None
    assert made.given.tolist() == [0, 2]
    unlabelled = shown(log_of([impression("u", "a", 1, "r"), act("u", "a", 2, "click", "r")]))
    assert unlabelled.given is None


def test_rows_in_any_order_give_the_same_impressions() -> None:
    rows = [row for u in "vuw" for t in (1, 5) for row in (impression(u, "a", t, f"r{t}"), act(u, "a", t + 1, "click", f"r{t}"))]
    expected, shuffled = shown(log_of(rows)), shown(log_of(rows[::-1]))
    assert told(shuffled) == told(expected)
    assert expected.vocabulary == shuffled.vocabulary


events = st.lists(
    st.tuples(
        st.sampled_from("uv"),
        st.sampled_from(["a", "b", "c", None]),
        st.sampled_from(["impression", "impression", "click", "click", "view"]),
        st.sampled_from(["r", "s", None]),
        st.integers(0, 6),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=15, deadline=None)
@given(events)
def test_impressions_are_those_of_a_loop_over_the_log(drawn: list[tuple[str, str | None, str, str | None, int]]) -> None:
    log = log_of([act(user, item, t, kind, request) for user, item, kind, request, t in drawn])
    ordered = sorted(drawn, key=lambda e: e[4])
    asked = [e for e in ordered if e[2] == "impression" and e[1] is not None]
    expected = []
    for user, item, _, request, t in asked:
        of_list = [e for e in asked if e[0] == user and e[3] == request] if request else [(user, item, "", request, t)]
        on_items = {e[1] for e in of_list}
        acts = [e for e in ordered if e[2] != "impression" and e[0] == user and request and e[3] == request and e[1] in on_items]
        moment = min(e[4] for e in [*of_list, *acts])
        history = tuple(e[1] for e in ordered if e[0] == user and e[2] != "impression" and e[1] and e[4] < moment)
        expected.append((user, item, history, float(any(e[1] == item and e[2] == "click" for e in acts))))
    if not asked or not any(e[2] == "click" and e[1] and e[3] for e in drawn):
        with pytest.raises(NotInLogError):
            shown(log)
        return
    assert sorted(told(shown(log)), key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"labels": ()}, ConfigError, "labels must name at least one event type"),
        ({"labels": ("clik",)}, ConfigError, "labels must be event types, got 'clik'; did you mean 'click'"),
        ({"history_types": ("vew",)}, ConfigError, "history_types must be event types, got 'vew'; did you mean 'view'"),
        ({"context": ("devise",)}, ColumnError, "no column 'devise' for the context in log 'shop'; did you mean 'device'"),
        ({"context": ("value",)}, ConfigError, "column 'value' says who, what or when, or is known only afterwards"),
    ],
)
def test_what_cannot_be_asked_of_a_log_is_named(options: Row, error: type[Exception], said: str) -> None:
    log = log_of([impression("u", "a", 1, "r", device="phone"), act("u", "a", 2, "click", "r")])
    with pytest.raises(error, match=said):
        shown(log, **options)


def test_a_log_without_impressions_says_what_it_can_be_asked_for() -> None:
    with pytest.raises(NotInLogError, match=r"log 'shop' has no impressions.*examples=next.*examples=ratings"):
        shown(log_of([act("u", "a", 1)]))
    with pytest.raises(NotInLogError, match="log 'shop' has no impressions on items among its 2, so nobody knows"):
        shown(log_of([impression("u", None, 1, "r"), impression("u", None, 2, "r")]))


@pytest.mark.real
def test_the_open_bandit_log_has_38_clicks_in_10000_impressions(real_data: Path) -> None:
    made = shown(read_events(real_data / "obd" / "random_all.csv.gz", items=real_data / "obd" / "item_context_all.csv.gz"))
    label = made.label("click")
    assert (len(made), int(label.sum()), made.tasks) == (10_000, 38, ("click",))
    assert made.about["labels"] == "click: the value of the impression"
    assert made.about["users_without_acts"] == len(made.histories)
    assert {"slot", "policy"} <= set(made.context.column_names)
    assert not {"value", "click", "propensity", "propensity_score"} & set(made.context.column_names)
    assert made.times is not None
    assert (np.diff(made.times) >= 0).all()


# ---- ratings


def rating(user: str, item: str, t: int, value: float | None, **more: Any) -> Row:
    return act(user, item, t, "rating", value=value, **more)


def test_a_rating_is_asked_after_what_came_before_it_and_not_after_itself() -> None:
    made = rated(log_of([rating("u", "a", 1, 5.0), act("u", "z", 2), rating("u", "b", 3, 2.0), rating("u", "c", 4, None)]), threshold=4)
    assert told(made, VALUE_TASK) == [("u", "a", (), 5), ("u", "b", ("a", "z"), 2)]
    assert made.label(LIKED).tolist() == [1, 0]
    assert made.events is not None
    assert made.vocabulary.decode(made.histories.items[made.events]) == ["a", "b"]
    assert made.about["labels"] == "the rating; liked: at least 4"
    assert made.requests is None


def test_ratings_of_one_second_do_not_see_one_another() -> None:
    made = rated(log_of([rating("u", "a", 1, 5.0), rating("u", "b", 2, 4.0), rating("u", "c", 2, 3.0), rating("u", "d", 3, 1.0)]))
    assert told(made, VALUE_TASK) == [("u", "a", (), 5), ("u", "b", ("a",), 4), ("u", "c", ("a",), 3), ("u", "d", ("a", "b", "c"), 1)]
    assert made.events is not None
    assert made.vocabulary.decode(made.histories.items[made.events]) == ["a", "b", "c", "d"]


def test_without_a_clock_ratings_come_one_after_another() -> None:
    made = rated(log_of([rating("u", "a", 0, 5.0), rating("u", "b", 0, 4.0), rating("v", "a", 0, 3.0)], clock=False))
    assert sorted(told(made, VALUE_TASK)) == [("u", "a", (), 5), ("u", "b", ("a",), 4), ("v", "a", (), 3)]
    assert made.times is None


def test_in_a_log_without_ratings_every_act_with_a_value_is_one_but_impressions() -> None:
    made = rated(log_of([act("u", "a", 1, "purchase", value=7.0), act("u", "b", 2), impression("u", "c", 3, value=1.0)]))
    assert told(made, VALUE_TASK) == [("u", "a", (), 7)]
    assert made.about["source"] == "acts of the log with a value, which has no ratings"


def test_ratings_that_no_history_holds_have_no_event() -> None:
    made = rated(log_of([act("u", "z", 1), rating("u", "a", 2, 5.0)]), history_types=("view",))
    assert told(made, VALUE_TASK) == [("u", "a", ("z",), 5)]
    assert made.events is not None
    assert made.events.tolist() == [-1]


def test_the_context_of_ratings_is_what_is_asked_for() -> None:
    log = log_of([rating("u", "a", 1, 5.0, device="phone")])
    assert rated(log).context.num_columns == 0
    assert rated(log, context=("device",)).context.to_pydict() == {"device": ["phone"]}


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_must_be_finite(threshold: float) -> None:
    with pytest.raises(ConfigError, match=f"threshold must be a finite number, got {threshold}"):
        rated(log_of([rating("u", "a", 1, 5.0)]), threshold=threshold)


def test_a_log_without_values_has_no_ratings() -> None:
    with pytest.raises(NotInLogError, match="log 'shop' has no ratings with a value"):
        rated(log_of([act("u", "a", 1), rating("u", "a", 2, None)]))


@pytest.mark.real
def test_the_ratings_of_one_second_of_movielens_do_not_see_one_another(real_data: Path) -> None:
    made = rated(read_events(real_data / "ml-100k" / "ml-100k.inter.gz"), threshold=4)
    assert len(made) == 100_000
    assert made.label(LIKED).sum() == 34_174 + 21_201  # ratings of 4 and 5
    trails, times = made.histories, made.times
    assert times is not None
    assert trails.times is not None
    assert made.events is not None
    for place in np.random.default_rng(0).permutation(len(made))[:500]:
        own = trails.times[trails.offsets[made.rows[place]] : trails.offsets[made.rows[place] + 1]]
        assert made.lengths[place] == (own < times[place]).sum()
    assert (trails.items[made.events] == made.items).all()
    assert (np.sort(made.events) == np.arange(trails.n_events)).all()


# ---- what was acted on next, beside drawn items


def test_an_act_is_asked_beside_items_that_were_not_it_after_the_same_history() -> None:
    made = chosen(log_of([act("u", "a", 1), act("u", "b", 2), act("u", "c", 3)]), negatives=3)
    assert made.label(CHOSEN).tolist() == [1, 0, 0, 0] * 2
    assert [row[:3] for row in told(made, CHOSEN) if row[3]] == [("u", "b", ("a",)), ("u", "c", ("a", "b"))]
    assert {row[2] for row in told(made, CHOSEN)[:4]} == {("a",)}
    assert made.requests is not None
    assert made.requests.tolist() == [0] * 4 + [1] * 4
    assert made.events is not None
    assert (made.events >= 0).tolist() == [True, False, False, False] * 2
    assert made.vocabulary.decode(made.histories.items[made.events[[0, 4]]]) == ["b", "c"]
    assert "beside 3 items each drawn uniformly" in made.about["source"]


def test_acts_of_one_moment_are_not_in_one_anothers_history() -> None:
    made = chosen(log_of([act("u", "a", 1), act("u", "b", 2), act("u", "c", 2)]), negatives=1)
    assert [row[2] for row in told(made, CHOSEN) if row[3]] == [("a",), ("a",)]


def one_item_often() -> SequenceDataset:
    """60 acts on a, 30 on b, 10 on c, one of d; x is never acted on."""
    acts = [*"a" * 60, *"b" * 30, *"c" * 10, "d"]
    order = np.random.default_rng(3).permutation(len(acts))
    return SequenceDataset.from_lists([[acts[i] for i in order]], Vocabulary.build([*"abcdx"]))


@pytest.mark.parametrize("sampling", ["uniform", "popularity"])
def test_drawn_items_are_never_the_one_that_was_chosen_and_come_in_their_proportions(sampling: Any) -> None:
    data = one_item_often()
    made = chosen_of(data, negatives=200, sampling=sampling, seed=5)
    items = made.items.reshape(-1, 201)
    assert (items[:, 1:] != items[:, :1]).all()
    weight = dict.fromkeys("abcdx", 1.0) if sampling == "uniform" else {"a": 60.0, "b": 30.0, "c": 10.0, "d": 1.0, "x": 0.0}
    drawn = Counter(made.vocabulary.decode(items[:, 1:].ravel()))
    positives = made.vocabulary.decode(items[:, 0])
    for id, own in weight.items():
        p = [0 if positive == id else own / (sum(weight.values()) - weight[str(positive)]) for positive in positives]
        expected, spread = 200 * sum(p), np.sqrt(200 * sum(q * (1 - q) for q in p))
        assert abs(drawn[id] - expected) <= 4 * spread, f"{id}: {drawn[id]} draws, {expected:.0f} expected"


def test_the_seed_decides_what_is_drawn() -> None:
    data = one_item_often()
    first, again, other = (chosen_of(data, seed=seed).items for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_only_acts_of_target_types_are_asked_about() -> None:
    log = log_of([act("u", "a", 1), act("u", "b", 2, "cart"), act("u", "c", 3), act("u", "a", 4, "purchase")])
    made = chosen(log, negatives=1, target_types=("cart", "purchase"))
    assert [row[:3] for row in told(made, CHOSEN) if row[3]] == [("u", "b", ("a",)), ("u", "a", ("a", "b", "c"))]


def test_acts_on_unknown_items_are_not_asked_about() -> None:
    data = SequenceDataset.from_lists([["a", "?", "b"]], Vocabulary.build(["a", "b", "c"]))
    made = chosen_of(data, negatives=1)
    assert made.lengths.tolist() == [2, 2]
    assert made.vocabulary.decode(made.items[:1]) == ["b"]


def test_the_split_of_chosen_acts_is_that_of_the_source() -> None:
    log = log_of([act("u", "a", 1, split="train"), act("u", "b", 2, split="train"), act("u", "c", 3, split="test")])
    made = chosen(log, negatives=1)
    assert made.given is not None
    assert made.given.tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"negatives": 0}, "negatives must be at least 1, got 0"),
        ({"sampling": "often"}, "sampling must be one of uniform, popularity, got 'often'"),
        ({"target_types": ("clik",)}, "target_types must be event types, got 'clik'; did you mean 'click'"),
        ({"history_types": ("view",), "target_types": ("cart",)}, "history_types lacks 'cart'"),
    ],
)
def test_an_impossible_choice_is_named(options: Row, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        chosen(log_of([act("u", "a", 1), act("u", "b", 2)]), **options)


def test_nothing_is_chosen_where_nobody_acted_twice() -> None:
    with pytest.raises(DataError, match="none of 2 histories has an act after another one"):
        chosen(log_of([act("u", "a", 1), act("v", "b", 1)]))


def test_nothing_can_be_drawn_from_one_item() -> None:
    with pytest.raises(DataError, match="at least two items, and the vocabulary has 1"):
        chosen(log_of([act("u", "a", 1), act("u", "a", 2)]))


def test_an_item_with_all_acts_leaves_nothing_to_draw_by_popularity() -> None:
    data = SequenceDataset.from_lists([["a", "a"]], Vocabulary.build(["a", "b"]))
    with pytest.raises(DataError, match="item 'a' has all acts, so that none other can be drawn by popularity"):
        chosen_of(data, sampling="popularity")


def test_an_item_with_nearly_all_acts_does_not_stop_drawing_by_popularity() -> None:
    data = SequenceDataset.from_lists([["a"] * 5_000 + ["b"]])
    made = chosen_of(data, negatives=1, sampling="popularity")
    assert set(made.vocabulary.decode(made.items.reshape(-1, 2)[:-1, 1])) == {"b"}


# ---- rows of a table


def trails() -> SequenceDataset:
    """u did a, b, c at seconds 1, 2 and 3; v did c at 5."""
    times = np.array([1, 2, 3, 5]) * SECOND
    return SequenceDataset.from_lists([["a", "b", "c"], ["c"]], Vocabulary.build([*"abc"]), ["u", "v"], times=times)


def test_a_row_sees_what_is_strictly_older_than_its_time() -> None:
    table = pa.table(
        {"user_id": ["u", "u", "v", "w"], "item_id": ["c", "new", "a", None], "timestamp": [3 * SECOND, 4 * SECOND, 5 * SECOND, 9]}
    )
    made = from_table(table, trails=trails())
    assert [history_of(made, i) for i in range(4)] == [("a", "b"), ("a", "b", "c"), (), ()]
    assert made.vocabulary.decode(made.items) == ["c", None, "a", None]
    assert made.histories.users.to_pylist() == ["u", "v", "w"]


def test_a_row_without_a_time_sees_all_of_its_trail() -> None:
    made = from_table(pa.table({"user_id": ["v", "u"], "item_id": ["a", "a"]}), trails=trails())
    assert [history_of(made, i) for i in range(2)] == [("c",), ("a", "b", "c")]
    assert made.times is None


def test_rows_without_users_have_no_history_whatever_the_users_of_the_trails_are_called() -> None:
    numbered = dataclasses.replace(trails(), users=pa.array(["0", "1"]))
    made = from_table(pa.table({"item_id": ["a", "b"], "timestamp": [9 * SECOND, 9 * SECOND]}), trails=numbered)
    assert made.lengths.tolist() == [0, 0]
    assert len(set(made.rows.tolist())) == 2, "each row is a user of its own"


def test_a_table_without_items_asks_about_the_user_alone() -> None:
    made = from_table(pa.table({"user_id": ["u"], "age": [3]}), trails=trails())
    assert made.items.tolist() == [0]
    assert made.context.column_names == ["age"]


def test_numbers_as_ids_are_the_same_users_and_items_whether_some_are_missing_or_not() -> None:
    numbered = dataclasses.replace(trails(), vocabulary=Vocabulary(pa.array(["7", "8", "10000000000000000"])), users=pa.array(["1", "2"]))
    table = pa.table({"user_id": [2.0, 1.0, 1.0], "item_id": pa.array([7.0, None, 1e16])})
    made = from_table(table, trails=numbered)
    assert made.rows.tolist() == [1, 0, 0]
    assert made.items.tolist() == [1, 0, 3]


def test_columns_that_are_not_named_become_the_context() -> None:
    table = pa.table({"who": ["u"], "what": ["a"], "when": [1], "list": ["r"], "click": [1], "device": ["phone"], "hour": [3]})
    made = from_table(table, labels=["click"], user="who", item="what", time="when", request="list")
    assert made.context.column_names == ["device", "hour"]
    assert from_table(table, labels=["click"], context=["device"]).context.column_names == ["device"]
    assert made.label("click").tolist() == [1]


def test_a_request_is_one_list_of_one_user_and_asked_about_at_the_first_of_its_times() -> None:
    table = pa.table(
        {
            "user_id": ["u", "u", "v", "u", "u"],
            "item_id": ["a", "b", "a", "c", "c"],
            "timestamp": [4 * SECOND, 2 * SECOND, 9 * SECOND, 9 * SECOND, 9 * SECOND],
            "request_id": ["r", "r", "r", None, None],
        }
    )
    made = from_table(table, trails=trails())
    assert made.requests is not None
    assert made.times is not None
    assert made.requests[0] == made.requests[1]
    assert len(set(made.requests.tolist())) == 4, "users do not share a list, and rows without one are alone"
    assert made.times.tolist() == [2 * SECOND, 2 * SECOND, 9 * SECOND, 9 * SECOND, 9 * SECOND]
    assert [history_of(made, i) for i in range(2)] == [("a",), ("a",)], "an act between two rows of a list is in neither's history"


def test_without_users_a_request_is_a_list_by_itself() -> None:
    made = from_table(pa.table({"request_id": ["r", "s", "r", None], "timestamp": [9, 5, 3, 1]}))
    assert made.requests is not None
    assert made.times is not None
    assert made.requests.tolist() == [0, 1, 0, 2]
    assert made.times.tolist() == [3, 5, 3, 1]


def test_columns_of_users_are_empty_for_users_without_a_trail() -> None:
    made = from_table(pa.table({"user_id": ["w", "v"]}), trails=trails(), user_columns=pa.table({"age": [20, 30]}))
    assert made.user_columns["age"].take(pa.array(made.rows)).to_pylist() == [None, 30]


NOON = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["2026-01-31 12:00:00"]),
        pa.array(["2026-01-31T12:00:00Z"]),
        pa.array(["2026-01-31T14:00:00.000000+02:00"]),
        pa.array(["2026-01-31 07:00-05"]),
        pa.array(["2026-01-31 12:00"], pa.large_string()),
        pa.array([NOON]),
        pa.array([NOON * 1_000 + 7], pa.timestamp("ns")),
        pa.array([NOON // SECOND], pa.timestamp("s", "America/New_York")),
    ],
    ids=lambda column: f"{column.type} {column[0]}",
)
def test_a_time_is_read_as_utc_where_it_names_no_zone(column: pa.Array) -> None:
    made = from_table(pa.table({"timestamp": column}))
    assert made.times is not None
    assert made.times.tolist() == [NOON]


def test_times_with_and_without_a_zone_may_stand_in_one_column() -> None:
    made = from_table(pa.table({"timestamp": ["2026-01-31T13:00:00+01:00", "2026-01-31 12:00:00", "2026-01-31"]}))
    assert made.times is not None
    assert made.times.tolist() == [NOON, NOON, NOON - 12 * 3600 * SECOND]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_a_date_is_its_first_moment(kind: pa.DataType) -> None:
    made = from_table(pa.table({"timestamp": pa.array([date(1970, 1, 3)], kind)}))
    assert made.times is not None
    assert made.times.tolist() == [2 * 86_400 * SECOND]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array(["yesterday"]), "column 'timestamp' must hold times, such as 2026-01-31T12:00:00Z, or microseconds: .*yesterday"),
        (pa.array([1.5]), "column 'timestamp' must hold times.* 1.5"),
        (pa.array([[1]]), "column 'timestamp' must hold times"),
        (pa.array([1, None]), "column 'timestamp' needs a time in every row, and row 1 has none"),
    ],
    ids=["words", "fraction", "list", "null"],
)
def test_what_is_no_time_is_refused(column: pa.Array, said: str) -> None:
    with pytest.raises(DataError, match=said):
        from_table(pa.table({"timestamp": column}))


@pytest.mark.parametrize(
    "column",
    [pa.array([1, 0, None]), pa.array([True, False, None]), pa.array(["1", "0", None]), pa.array([1.0, 0.0, float("nan")])],
    ids=lambda column: str(column.type),
)
def test_a_label_is_unknown_where_it_is_empty(column: pa.Array) -> None:
    label = from_table(pa.table({"click": column}), labels=["click"]).label("click")
    assert np.array_equal(label, [1, 0, np.nan], equal_nan=True)
    assert label.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("click", pa.array(["yes"]), "labels of 'click' must be numbers, and the column is not .*yes"),
        ("click", pa.array([[1]]), "labels of 'click' must be numbers"),
        ("click", pa.array([0, 2]), "a label of 'click' must be 0 or 1, or empty where nobody knows, got 2 at row 1"),
        ("click", pa.array([0.5]), "a label of 'click' must be 0 or 1.*got 0.5 at row 0"),
        ("click", pa.array([-1]), "got -1 at row 0"),
        ("click", pa.array([float("inf")]), "got inf at row 0"),
        ("rating", pa.array([3.5, float("-inf")]), "a label of 'rating' must be a finite number, got -inf at row 1"),
    ],
)
def test_what_is_no_label_is_refused(name: str, column: pa.Array, said: str) -> None:
    with pytest.raises(DataError, match=said):
        from_table(pa.table({name: column}), labels=[name])


def test_a_rating_may_be_any_finite_number() -> None:
    assert from_table(pa.table({"rating": [-3.5, 12.0]}), labels=["rating"]).label("rating").tolist() == [-3.5, 12]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"labels": ["clik"]}, ColumnError, "no column 'clik' to take labels from; did you mean 'click'"),
        ({"context": ["devise"]}, ColumnError, "no column 'devise' for the context; did you mean 'device'"),
        ({"labels": ["click"], "context": ["click"]}, ConfigError, "column 'click' is a label, which nobody knew before"),
        ({"user": "nobody"}, DataError, "an impression needs a user, and row 1 has none"),
    ],
)
def test_a_table_that_cannot_be_read_so_says_which_column(options: Row, error: type[Exception], said: str) -> None:
    table = pa.table({"click": [0, 1], "device": ["phone", "web"], "nobody": ["u", None]})
    with pytest.raises(error, match=said):
        from_table(table, **options)


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(ColumnError, match="the table has 2 columns 'age'"):
        from_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["age", "age"]))


def test_a_table_without_rows_is_no_impression() -> None:
    empty = pa.table({"user_id": pa.array([], pa.string()), "timestamp": pa.array([], pa.int64()), "request_id": pa.array([], pa.string())})
    assert len(from_table(empty)) == 0


# ---- what a fitted model is asked from


def test_trails_of_a_log_are_those_of_a_models_items_and_of_the_users_who_are_asked_about() -> None:
    log = log_of(
        [act("u", "a", 1), act("u", "new", 2), act("v", "b", 3), act("u", None, 4, "search", query="Hat"), impression("u", "b", 5, "r")],
        users={"user_id": ["u"], "age": [20]},
    )
    vocabulary = Vocabulary.build(["a", "b", "search: hat"])
    found, columns = trails_of(log, vocabulary, users=["w", "u"])
    assert found.users.to_pylist() == ["u", "w"]
    assert vocabulary.decode(found.history(0)) == ["a", None, "search: hat"]
    assert columns["age"].to_pylist() == [20, None]
    everyone, _ = trails_of(log, Vocabulary.build(["a", "b"]))
    assert everyone.users.to_pylist() == ["u", "v"]
    assert everyone.lengths.tolist() == [2, 1], "a search is no event for a model that knows none"


def test_trails_of_nobody_are_empty() -> None:
    found, _ = trails_of(log_of([act("u", "a", 1)]), Vocabulary.build(["a"]), users=[])
    assert len(found) == 0
    lookers, _ = trails_of(log_of([impression("u", "a", 1)]), Vocabulary.build(["a"]), users=["u"])
    assert lookers.lengths.tolist() == [0]
    with pytest.raises(ConfigError, match="history_types must be event types, got 'vew'"):
        trails_of(log_of([act("u", "a", 1)]), Vocabulary.build(["a"]), history_types=["vew"])


# ---- the rows themselves


def four() -> Impressions:
    """u is asked at 3 s about a and b, v at 6 s about a; the last row knows no click."""
    table = pa.table(
        {
            "user_id": ["u", "u", "v", "v"],
            "item_id": ["a", "b", "a", "c"],
            "timestamp": [3 * SECOND, 3 * SECOND, 6 * SECOND, 6 * SECOND],
            "click": [1, 0, 1, None],
            "cart": [0, None, 1, None],
            "device": ["phone", "web", None, "web"],
        }
    )
    return from_table(table, labels=["click", "cart"], trails=trails())


def test_rows_are_taken_by_place_or_by_mask() -> None:
    rows = four()
    by_place, by_mask = rows.take(np.array([2, 0])), rows.take(np.array([True, False, True, False]))
    assert by_place.label("click").tolist() == [1, 1]
    assert by_place.context["device"].to_pylist() == [None, "phone"]
    assert by_mask.context["device"].to_pylist() == ["phone", None]
    assert by_place.times is not None
    assert by_place.times.tolist() == [6 * SECOND, 3 * SECOND]
    assert len(rows.take(np.array([]))) == 0


def test_chunks_add_up_to_the_whole() -> None:
    parts = list(four().chunks(3))
    assert [len(part) for part in parts] == [3, 1]
    assert [id for part in parts for id in part.items.tolist()] == four().items.tolist()


def test_a_history_is_laid_out_once_however_many_items_were_shown_after_it() -> None:
    histories, which = four().asked()
    assert [histories.vocabulary.decode(histories.history(b)) for b in which] == [["a", "b"], ["a", "b"], ["c"], ["c"]]
    assert len(histories) == 2


def test_rows_of_a_task_are_those_where_it_is_known() -> None:
    rows = four()
    assert len(rows.with_tasks(["click", "cart"])) == 3
    assert len(rows.with_tasks(["cart"])) == 2
    assert rows.with_tasks(["cart", "click"]).tasks == ("cart", "click")
    assert len(rows.with_tasks([])) == 4


def test_a_task_that_is_not_there_is_named_beside_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no labels of task 'clik'; did you mean 'click'.; there are: click, cart"):
        four().label("clik")
    with pytest.raises(ConfigError, match="no labels of task 'click', and these impressions have no labels"):
        dataclasses.replace(four(), labels={}).label("click")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lengths": np.zeros(2, np.int64)}, "lengths has 2 entries for 4 impressions"),
        ({"items": np.zeros(5, np.int32)}, "items has 5 entries for 4 impressions"),
        ({"labels": {"click": np.zeros(3, np.float32)}}, "labels of click has 3 entries for 4 impressions"),
        ({"given": np.zeros(1, np.int8)}, "given has 1 entries for 4 impressions"),
        ({"context": pa.table({"x": [1]})}, "columns x have 1 rows for 4 impressions"),
        ({"item_columns": pa.table({"x": [1]})}, "columns x have 1 rows for 4 items and padding"),
        ({"user_columns": pa.table({"x": [1], "y": [2]})}, "columns x, y have 1 rows for 2 trails"),
        ({"lengths": np.array([2, 2, 1, 9])}, "impression 3 sees 9 events, and its trail has 1"),
        ({"lengths": np.array([2, -1, 1, 1])}, "impression 1 sees -1 events, and its trail has 3"),
        ({"lengths": np.array([2, 3, 1, 1])}, "history of impression 1 ends with an event at 3000000 us, .* impression at 3000000 us"),
        ({"events": np.array([-1, 1, -1, -1])}, "the history of impression 1 holds the impression itself"),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(change: Row, said: str) -> None:
    with pytest.raises(DataError, match=said):
        dataclasses.replace(four(), **change)


def test_an_impression_may_see_what_came_later_only_where_it_says_so() -> None:
    late = dataclasses.replace(four(), lengths=np.array([3, 3, 1, 1]), causal=False)
    assert history_of(late, 0) == ("a", "b", "c")
