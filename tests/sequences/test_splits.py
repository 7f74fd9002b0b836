from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footpath.errors import ConfigError, DataError
from footpath.events.contract import EVENT_TYPES
from footpath.events.log import EventLog
from footpath.sequences import splits
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.leakage import check_leakage
from footpath.sequences.prepare import prepare
from footpath.sequences.split import Holdout
from footpath.sequences.splits import (
    from_iso_time,
    iso_time,
    split,
    split_as_given,
    split_by_time,
    split_cold_items,
    split_labels,
    split_last_out,
)

MakeLog = Callable[..., EventLog]
Event = tuple[str, str, int]

events = st.lists(st.tuples(st.sampled_from("uvwxy"), st.sampled_from("abcdefgh"), st.integers(0, 40)), min_size=1, max_size=60)


def dataset(rows: list[Event], clock: bool = True) -> SequenceDataset:
    users, items, times = zip(*rows, strict=True)
    return prepare(pa.array(users), pa.array(items), np.array(times) if clock else None)


def events_of(data: SequenceDataset) -> list[Event]:
    """(user, item, time) in the order of the rows."""
    users = data.users.take(pa.array(data.rows)).to_pylist()
    times = [0] * data.n_events if data.times is None else data.times.tolist()
    return list(zip(users, data.vocabulary.decode(data.items), times, strict=True))


def questions(holdout: Holdout) -> list[tuple[str, list[str], list[str]]]:
    """(user, history, answers) of each question."""
    decode = holdout.histories.vocabulary.decode
    answers = [decode(holdout.items[a:b]) for a, b in zip(holdout.offsets[:-1], holdout.offsets[1:], strict=True)]
    histories = [decode(holdout.histories.history(b)) for b in range(len(holdout))]
    return list(zip(holdout.histories.users.to_pylist(), histories, answers, strict=True))


def by_user(rows: list[Event]) -> dict[str, list[Event]]:
    """Naive sequences: rows by user, each stable by time."""
    ordered = sorted(rows, key=lambda row: (row[0], row[2]))
    return {user: [row for row in ordered if row[0] == user] for user in sorted({row[0] for row in rows})}


def test_loo_keeps_the_last_event_for_test_and_the_one_before_for_validation() -> None:
    made = split_last_out(dataset([("u", item, n) for n, item in enumerate("abcd")] + [("v", "a", 9), ("v", "d", 10)]))
    assert questions(made.test) == [("u", ["a", "b", "c"], ["d"])]
    assert made.validation is not None
    assert questions(made.validation) == [("u", ["a", "b"], ["c"])]
    assert [event[:2] for event in events_of(made.train)] == [("u", "a"), ("u", "b"), ("v", "a"), ("v", "d")]
    assert [event[:2] for event in events_of(made.refit)] == [("u", "a"), ("u", "b"), ("u", "c"), ("v", "a"), ("v", "d")]
    assert made.test.request_times is not None
    assert made.test.request_times.tolist() == [3]


def test_loo_keeps_the_whole_catalogue_and_says_what_is_cold() -> None:
    made = split_last_out(dataset([("u", item, n) for n, item in enumerate("abcd")]))
    assert sorted(made.train.vocabulary.ids.to_pylist()) == ["a", "b", "c", "d"]
    assert made.details["cold_share"] == made.details["cold_share_refit"] == 1.0
    assert (made.details["n_train_events"], made.details["n_refit_events"], made.details["n_items"]) == (2, 3, 4)


@given(events, st.booleans())
def test_loo_parts_the_events_as_a_loop_over_users_does(rows: list[Event], repeat: bool) -> None:
    naive = by_user(rows)
    long = {user: own for user, own in naive.items() if len(own) >= 3}
    expected = [
        (user, [e[1] for e in own[:-1]], [own[-1][1]]) for user, own in long.items() if repeat or own[-1][1] not in [e[1] for e in own[:-1]]
    ]
    if not expected:
        with pytest.raises(DataError, match=r"at least 3 events|nothing to ask"):
            split_last_out(dataset(rows), repeat=repeat)
        return
    made = split_last_out(dataset(rows), repeat=repeat)
    assert questions(made.test) == expected
    assert made.test.counts["seen_targets"] == len(long) - len(expected)
    assert events_of(made.train) == [e for user, own in naive.items() for e in (own[:-2] if user in long else own)]
    assert events_of(made.refit) == [e for user, own in naive.items() for e in (own[:-1] if user in long else own)]
    assert {f.verdict for f in check_leakage(made)} <= {"clean", "by design"}


def test_loo_without_a_long_user_is_refused() -> None:
    with pytest.raises(DataError, match="at least 3 events, and the longest of these 1 has 2"):
        split_last_out(dataset([("u", "a", 1), ("u", "b", 2)]))


def test_a_seen_target_is_left_out_unless_repeats_are_allowed() -> None:
    rows = [("u", "a", 1), ("u", "b", 2), ("u", "a", 3), ("v", "a", 1), ("v", "b", 2), ("v", "c", 3)]
    made = split_last_out(dataset(rows))
    assert questions(made.test) == [("v", ["a", "b"], ["c"])]
    assert made.details["seen_targets"] == 1
    assert len(split_last_out(dataset(rows), repeat=True).test) == 2


def ten_days() -> list[Event]:
    """Ten events at times 0 to 9; the cuts at .5 and .8 are at 4 and 7."""
    return [
        ("u", "a", 0),
        ("v", "b", 1),
        ("u", "c", 2),
        ("v", "c", 3),
        ("u", "b", 4),  # validation: first after the first cut
        ("u", "d", 5),
        ("w", "a", 6),  # no history before the first cut
        ("u", "new", 7),  # unknown before the second cut
        ("v", "d", 8),
        ("w", "b", 9),
    ]


def test_time_asks_at_each_cut_for_the_first_event_after_it() -> None:
    made = split_by_time(dataset(ten_days()), quantiles=(0.5, 0.8))
    assert made.details["cuts"] == ["1970-01-01T00:00:00.000004+00:00", "1970-01-01T00:00:00.000007+00:00"]
    assert made.validation is not None
    assert questions(made.validation) == [("u", ["a", "c"], ["b"])]
    assert made.validation.counts["unknown_users"] == 1
    assert questions(made.test) == [("v", ["b", "c"], ["d"]), ("w", ["a"], ["b"])]
    assert made.test.counts["unknown_items"] == 1
    assert made.test.request_times is not None
    assert made.test.request_times.tolist() == [8, 9]
    assert [t for *_, t in events_of(made.train)] == [0, 2, 1, 3]
    assert sorted(t for *_, t in events_of(made.refit)) == [0, 1, 2, 3, 4, 5, 6]
    assert "new" not in made.refit.vocabulary
    assert made.details["n_train_events"] == 4
    # d is met only between the cuts: cold for the model that validation saw, known to the one refitted
    assert made.details["cold_share"] == 0.5
    assert made.details["cold_share_refit"] == 0.0


def test_time_can_ask_for_all_that_follows() -> None:
    rows = [*ten_days(), ("v", "e2", 8), ("v", "d", 9), ("v", "a", 9), ("v", "c", 9)]
    made = split_by_time(dataset(rows), quantiles=(0.4, 0.6), targets="all")
    assert made.details["cuts"][1] == iso_time(7)
    assert questions(made.test) == [("v", ["b", "c"], ["d", "a"]), ("w", ["a"], ["b"])]
    assert made.test.counts | {"asked_events": 0} == {
        "asked_events": 0,
        "without_history": 0,
        "unknown_users": 0,
        "unknown_items": 2,
        "repeated_targets": 1,
        "seen_targets": 1,
    }
    assert made.test.request_times is not None
    assert made.test.request_times.tolist() == [8, 9]


@given(events, st.booleans(), st.sampled_from(["first", "all", "each"]))
def test_time_parts_the_events_as_a_loop_over_users_does(rows: list[Event], repeat: bool, targets: Any) -> None:
    times = sorted(time for *_, time in rows)
    low, high = times[int(0.5 * (len(rows) - 1))], times[int(0.8 * (len(rows) - 1))]

    def ask(cut: int, end: float) -> list[tuple[str, list[str], list[str]]]:
        known = {item for _, item, time in rows if time < cut}
        asked = []
        for user, own in by_user(rows).items():
            if targets == "each":
                for place, (_, item, time) in enumerate(own):
                    history = [i for _, i, _ in own[:place] if i in known]
                    if cut <= time < end and item in known and history and (repeat or item not in history):
                        asked.append((user, history, [item]))
                continue
            history = [item for _, item, time in own if time < cut]
            later = [item for _, item, time in own if cut <= time < end][: 1 if targets == "first" else None]
            answers = list(dict.fromkeys(i for i in later if i in known and (repeat or i not in history)))
            if history and answers:
                asked.append((user, history, answers))
        return asked

    expected = ask(high, np.inf)
    if low == high or low == times[0] or not expected:
        with pytest.raises(DataError, match=r"cannot be cut|nothing to ask"):
            split_by_time(dataset(rows), quantiles=(0.5, 0.8), repeat=repeat, targets=targets)
        return
    made = split_by_time(dataset(rows), quantiles=(0.5, 0.8), repeat=repeat, targets=targets)
    assert questions(made.test) == expected
    assert ([] if made.validation is None else questions(made.validation)) == ask(low, high)
    assert events_of(made.train) == [e for own in by_user(rows).values() for e in own if e[2] < low]
    assert events_of(made.refit) == [e for own in by_user(rows).values() for e in own if e[2] < high]
    assert set(made.train.vocabulary.ids.to_pylist()) == {item for _, item, time in rows if time < high}
    assert {f.verdict for f in check_leakage(made)} == {"clean"}


def test_time_keeps_item_features_with_their_items() -> None:
    data = dataset(ten_days())
    names = [id or "" for id in data.vocabulary.decode(np.arange(data.n_items))]
    vectors = np.arange(data.n_items, dtype=np.float32)[:, None]
    featured = SequenceDataset(
        data.vocabulary,
        data.users,
        data.offsets,
        data.items,
        data.times,
        item_features=ItemFeatures(names, names, names, [(name,) for name in names], vectors),
    )
    kept = split_by_time(featured, quantiles=(0.5, 0.8)).train
    assert kept.n_items == 5
    features = kept.item_features
    assert features is not None
    assert features.vectors is not None
    for index, id in enumerate(kept.vocabulary.ids.to_pylist(), start=1):
        assert features.titles[index] == features.texts[index] == features.categories[index] == features.attributes[index][0] == id
        assert features.vectors[index, 0] == data.vocabulary.index(id)
    assert features.titles[0] == ""


def test_time_needs_a_clock() -> None:
    with pytest.raises(ConfigError, match="needs a clock, which these events lack; use protocol 'loo'"):
        split_by_time(dataset(ten_days(), clock=False))


def test_time_refuses_rows_that_run_backwards() -> None:
    data = prepare(pa.array(["u", "u"]), pa.array(["a", "b"]), np.array([2, 1]), positions=np.array([0, 1]))
    with pytest.raises(DataError, match="times of user 'u' go backwards"):
        split_by_time(data)


@pytest.mark.parametrize("quantiles", [(0.9, 0.8), (0.5, 0.5), (0.0, 0.5), (0.5, 1.0)])
def test_quantiles_must_rise_between_0_and_1(quantiles: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match=f"quantiles must rise between 0 and 1, got {quantiles[0]} and {quantiles[1]}"):
        split_by_time(dataset(ten_days()), quantiles=quantiles)


def test_times_that_are_all_equal_cannot_be_cut() -> None:
    with pytest.raises(DataError, match=r"cannot be cut at 0\.8 and 0\.9, where the cuts are 1970-01-01T00:00:00\.000003"):
        split_by_time(dataset([("u", "a", 3), ("v", "a", 3)]))


def test_time_can_ask_before_each_event_of_new_users_too() -> None:
    rows = [*ten_days(), ("n", "d", 8), ("n", "a", 9), ("n", "b", 9)]
    made = split_by_time(dataset(rows), quantiles=(0.4, 0.6), targets="each")
    assert made.details["cuts"][1] == iso_time(7)
    assert [asked for asked in questions(made.test) if asked[0] == "n"] == [("n", ["d"], ["a"]), ("n", ["d", "a"], ["b"])]
    assert made.details["targets"] == "each"
    assert made.test.counts["unknown_users"] == 0


def test_targets_are_first_all_or_each() -> None:
    with pytest.raises(ConfigError, match="targets must be 'first', 'all' or 'each', got 'last'"):
        split_by_time(dataset(ten_days()), targets="last")  # type: ignore[arg-type]


@given(st.integers(-(10**16), 10**16))
def test_iso_times_are_exact(microseconds: int) -> None:
    assert from_iso_time(iso_time(microseconds)) == microseconds


def labelled(*rows: tuple[str, str, int, str | None]) -> list[dict[str, Any]]:
    return [{"user_id": u, "item_id": i, "timestamp": t, "split": label} for u, i, t, label in rows]


def test_given_asks_for_every_test_event_but_the_first_of_a_session(make_log: MakeLog) -> None:
    log = make_log(
        labelled(
            ("s1", "a", 1, "train"),
            ("s1", "b", 2, "train"),
            ("s2", "c", 3, "train"),
            ("t1", "a", 4, "test"),
            ("t1", "new", 5, "test"),
            ("t1", "c", 6, "test"),
            ("t1", "b", 7, "test"),
            ("t2", "b", 8, "test"),
        )
    )
    made = split(log, "given", repeat=True)
    assert questions(made.test) == [("t1", ["a"], ["c"]), ("t1", ["a", "c"], ["b"])]
    assert made.test.counts == {"asked_events": 5, "without_history": 2, "unknown_users": 1, "unknown_items": 1, "seen_targets": 0}
    assert sorted(made.train.vocabulary.ids.to_pylist()) == ["a", "b", "c"]
    # the last tenth of two training sessions is the later one, whole
    assert made.details["validation_rule"] == "last tenth of the training rows"
    assert [event[:2] for event in events_of(made.train)] == [("s1", "a"), ("s1", "b")]
    assert made.details["n_refit_events"] == 3
    assert made.details["fingerprint"] == "abc"


def test_given_shows_what_the_user_did_in_training(make_log: MakeLog) -> None:
    log = make_log(
        labelled(
            ("u", "a", 1, "train"),
            ("u", "b", 2, "validation"),
            ("u", "c", 3, "test"),
            ("u", "d", 4, None),
            ("u", "b", 5, "test"),
            ("v", "c", 1, "train"),
        )
    )
    made = split(log, "given", repeat=True)
    assert questions(made.test) == [("u", ["a", "b"], ["c"]), ("u", ["a", "b", "c", "d"], ["b"])]
    assert made.details["validation_rule"] == "validation labels of the log"
    assert made.validation is None, "b is the only validation item, and training never sees it"
    # d is fitted on and comes after the first question about u
    assert [f.verdict for f in check_leakage(made) if f.check == "test: own future"] == ["leak"]


def test_given_validation_labels_are_asked_with_the_items_of_training(make_log: MakeLog) -> None:
    log = make_log(labelled(("u", "a", 1, "train"), ("u", "b", 2, "train"), ("u", "a", 3, "validation"), ("u", "b", 4, "test")))
    made = split(log, "given", repeat=True)
    assert made.validation is not None
    assert questions(made.validation) == [("u", ["a", "b"], ["a"])]
    assert questions(made.test) == [("u", ["a", "b", "a"], ["b"])]


@given(st.lists(st.tuples(events.map(lambda rows: rows[0]), st.sampled_from([0, 0, 1, 2])), min_size=1, max_size=60))
def test_given_asks_what_a_loop_over_users_asks(rows: list[tuple[Event, int]]) -> None:
    ordered = sorted(rows, key=lambda row: (row[0][0], row[0][2]))
    labels = np.array([label for _, label in ordered], np.int8)
    known = {event[1] for event, label in ordered if label != 2}
    expected = []
    for user in sorted({event[0] for event, _ in ordered}):
        own = [(event[1], label) for event, label in ordered if event[0] == user]
        for place, (item, label) in enumerate(own):
            history = [i for i, _ in own[:place] if i in known]
            if label == 2 and item in known and history:
                expected.append((user, history, [item]))
    n_fitted = int((labels == 0).sum() if (labels == 1).any() else len({e[0] for e, label in ordered if label == 0}) - 1)
    if not expected or not n_fitted:
        with pytest.raises(DataError, match=r"nothing to ask|there are none|no event is left"):
            split_as_given(dataset([event for event, _ in ordered]), labels, repeat=True)
        return
    made = split_as_given(dataset([event for event, _ in ordered]), labels, repeat=True)
    assert questions(made.test) == expected
    assert events_of(made.refit) == [event for event, label in ordered if label != 2]


def test_validation_is_the_last_tenth_of_the_rows_in_time() -> None:
    rows = [(f"u{n:02}", item, n) for n in range(20) for item in "ab"] + [("z", "a", 30), ("z", "b", 31)]
    rows[0] = ("u00", "a", 99)  # the first user comes back last
    data = dataset(rows)
    labels = np.where(data.users.take(pa.array(data.rows)).to_numpy(zero_copy_only=False) == "z", 2, 0).astype(np.int8)
    made = split_as_given(data, labels)
    assert made.validation is not None
    assert sorted(set(made.validation.histories.users.to_pylist())) == ["u00", "u19"]
    assert {"u00", "u19"}.isdisjoint(made.train.users.to_pylist())
    assert len(made.refit) == 20
    without_clock = SequenceDataset(data.vocabulary, data.users, data.offsets, data.items)
    by_row = split_as_given(without_clock, labels).validation
    assert by_row is not None
    assert by_row.histories.users.to_pylist() == ["u18", "u19"]


def test_given_needs_a_split_column(make_log: MakeLog) -> None:
    with pytest.raises(ConfigError, match=r"log 'shop' comes without the split .* ingest it with --test FILE"):
        split(make_log(labelled(("u", "a", 1, None))), "given")
    with pytest.raises(ConfigError, match="which sequences lack; pass the log"):
        split(dataset(ten_days()), "given")
    with pytest.raises(DataError, match="split 'dev' in log 'shop' is not one of train, validation, test"):
        split_labels(pa.array(["train", "dev"]), "shop")


def test_given_needs_test_and_training_events() -> None:
    data = dataset([("u", "a", 1), ("u", "b", 2)])
    with pytest.raises(DataError, match="needs events labelled test"):
        split_as_given(data, np.array([0, 0], np.int8))
    with pytest.raises(DataError, match="no event is left to train on: 1 are not test"):
        split_as_given(data, np.array([0, 2], np.int8))


@given(events, st.integers(0, 3))
def test_cold_items_are_never_trained_on_and_alone_are_asked(rows: list[Event], seed: int) -> None:
    # enough of every item that some withheld one has an event before it
    rows = [*rows, *(("u", item, 50 + n) for n, item in enumerate("abcdefghabcdefgh"))]
    data = dataset(rows)
    made = split_cold_items(data, share=0.3, seed=seed)
    n_withheld = made.details["n_cold_items"]
    assert n_withheld == 2
    asked = {answers[0] for _, _, answers in questions(made.test)}
    trained = {item for _, item, _ in events_of(made.train)}
    refitted = {item for _, item, _ in events_of(made.refit)}
    assert asked.isdisjoint(refitted)
    assert trained <= refitted
    assert len(refitted) == data.n_items - 1 - n_withheld
    assert len(trained) == data.n_items - 1 - 2 * n_withheld
    assert made.details["cold_share_refit"] == 1.0
    expected = []
    for user, own in by_user(rows).items():
        for place, (_, item, _) in enumerate(own):
            history = [i for _, i, _ in own[:place] if i in refitted]
            if item not in refitted and history:
                expected.append((user, history, [item]))
    assert questions(made.test) == expected
    assert made.train.n_items == data.n_items


def test_cold_items_depend_on_the_seed_and_on_nothing_else() -> None:
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 30, 600), rng.integers(0, 40, 600)
    data = prepare(users, items)
    first, again, other = (split_cold_items(data, seed=seed) for seed in (0, 0, 1))
    assert questions(first.test) == questions(again.test)
    assert {a for _, _, [a] in questions(first.test)} != {a for _, _, [a] in questions(other.test)}


@pytest.mark.parametrize("share", [0.0, 0.5, -1.0])
def test_a_cold_share_leaves_items_to_train_on(share: float) -> None:
    with pytest.raises(ConfigError, match=f"cold_items must lie between 0 and 0.5 and leave items to train on, got {share} of 5 items"):
        split(dataset(ten_days()), "cold", cold_items=share)


def test_split_chooses_the_protocol_and_says_what_it_did(make_log: MakeLog) -> None:
    rows = [{"user_id": u, "item_id": i, "timestamp": t} for u, i, t in ten_days()]
    rows += [{"user_id": "u", "item_id": None, "timestamp": 3, "event_type": "search"}]
    log = make_log(rows)
    made = {name: split(log, name, quantiles=(0.5, 0.8), seed=3, cold_items=0.4) for name in ("time", "loo", "cold")}  # type: ignore[arg-type]
    assert {name: each.protocol for name, each in made.items()} == {"time": "time", "loo": "loo", "cold": "cold"}
    details = made["time"].details
    assert (details["seed"], details["log"], details["core"], details["event_types"]) == (3, "shop", 1, "all")
    assert details["left_out"] == {"impressions": 0, "without_item": 1, "below_core": 0}
    assert details["targets"] == "first"
    assert questions(made["time"].test) == questions(split_by_time(dataset(ten_days()), quantiles=(0.5, 0.8)).test)


def test_the_seed_shuffles_the_vocabulary_of_a_cut_log_too() -> None:
    rows = [("u", f"i{n}", n) for n in range(50)] + [("v", f"i{n % 30}", n) for n in range(50)]
    first, second = (split_by_time(dataset(rows), quantiles=(0.5, 0.8), repeat=True, seed=seed) for seed in (0, 1))
    assert set(first.train.vocabulary.ids.to_pylist()) == set(second.train.vocabulary.ids.to_pylist())
    assert first.train.vocabulary != second.train.vocabulary


def test_event_types_and_core_choose_before_the_split(make_log: MakeLog) -> None:
    rows = [
        {"user_id": "u", "item_id": i, "timestamp": n, "event_type": k}
        for n, (i, k) in enumerate(zip("abcd", ["view", "cart"] * 2, strict=True))
    ]
    rows += [{"user_id": "u", "item_id": "e", "timestamp": 9}]
    made = split(make_log(rows), "loo", event_types=["view"])
    assert questions(made.test) == [("u", ["a", "c"], ["e"])]
    assert made.details["event_types"] == ["view"]
    with pytest.raises(ConfigError, match="choose the events of a log, and these are sequences already"):
        split(dataset(ten_days()), "loo", core=2)


def test_an_unknown_protocol_is_answered_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"no protocol 'tiem'; did you mean 'time'\?; there are: time, loo, given, cold"):
        split(dataset(ten_days()), "tiem")  # type: ignore[arg-type]


def test_histories_that_no_memory_holds_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "_MOST_SHOWN", 3)
    data = dataset([("u", item, n) for n, item in enumerate("abcde")])
    with pytest.raises(DataError, match="the histories of 1 questions hold 4 events in all, more than the 3"):
        split_last_out(data)


def test_nothing_to_ask_says_why() -> None:
    with pytest.raises(DataError, match=r"leaves nothing to ask: 1 asked_events, 0 without_history, .* 1 seen_targets"):
        split_last_out(dataset([("u", "a", 1), ("u", "b", 2), ("u", "a", 3)]))


def _typed(rows: list[tuple[str, str, int, str]]) -> SequenceDataset:
    plain = dataset([(user, item, time) for user, item, time, _ in rows])
    names = {(user, item, time): kind for user, item, time, kind in rows}
    kinds = [EVENT_TYPES.index(names[event]) for event in events_of(plain)]
    return dataclasses.replace(plain, types=np.array(kinds, np.int8))


SHOPPING = [
    ("u", "a", 1, "view"),
    ("u", "b", 2, "view"),
    ("u", "c", 3, "purchase"),
    ("v", "c", 4, "view"),
    ("v", "b", 5, "view"),
    ("w", "a", 6, "view"),
    ("w", "b", 7, "purchase"),
    ("u", "d", 8, "view"),
    ("v", "d", 8, "purchase"),
    ("u", "a", 9, "view"),
    ("u", "b", 10, "purchase"),
    ("v", "a", 11, "view"),
    ("v", "c", 12, "purchase"),
    ("w", "c", 13, "view"),
]


def test_target_types_choose_what_is_asked_and_leave_histories_whole() -> None:
    parts = split(_typed(SHOPPING), "time", quantiles=(0.4, 0.7), repeat=True, target_types=["purchase"])
    assert questions(parts.test) == [("u", ["a", "b", "c", "d"], ["b"]), ("v", ["c", "b", "d"], ["c"])]
    assert parts.details["target_types"] == ["purchase"]
    everything = split(_typed(SHOPPING), "time", quantiles=(0.4, 0.7), repeat=True)
    assert questions(everything.test) == [("u", ["a", "b", "c", "d"], ["a"]), ("v", ["c", "b", "d"], ["a"]), ("w", ["a", "b"], ["c"])]
    assert parts.refit.n_events == everything.refit.n_events


def test_target_types_that_cannot_be_asked_about_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no event type 'purchas'; did you mean 'purchase'"):
        split(_typed(SHOPPING), "time", target_types=["purchas"])
    with pytest.raises(ConfigError, match=r"target types purchase need the types of events"):
        split(dataset([row[:3] for row in SHOPPING]), "time", target_types=["purchase"])
    with pytest.raises(ConfigError, match=r"protocol 'loo' asks about the last event"):
        split(_typed(SHOPPING), "loo", target_types=["purchase"])
    with pytest.raises(DataError, match=r"leaves nothing to ask: 0 asked_events"):
        split(_typed(SHOPPING), "time", target_types=["rating"])
