from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath.errors import ConfigError, DataError
from footpath.events.readers import read_events
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impression_splits import ImpressionSplit, kfold, split_impressions
from footpath.sequences.impressions import CHOSEN, VALUE_TASK, Impressions, chosen_of, from_table, rated
from footpath.sequences.splits import iso_time
from footpath.sequences.vocabulary import Vocabulary

Event = tuple[str, int, bool]  # of a user, at a second, a rating or no
NOTHING = pa.table({})


def of_lists(lists: list[tuple[str, list[int]]], **columns: Any) -> Impressions:
    """A list for each user and times of its rows, whose item is the number of the row; nobody did anything."""
    users = [user for user, times in lists for _ in times]
    times = np.array([time for _, times in lists for time in times], np.int64)
    n = len(times)
    histories = SequenceDataset.from_lists([[]] * len(set(users)), Vocabulary.build([str(i) for i in range(n)]), sorted(set(users)))
    return Impressions(
        histories,
        np.array([sorted(set(users)).index(user) for user in users], np.int64),
        np.zeros(n, np.int64),
        histories.vocabulary.encode([str(i) for i in range(n)]),
        {"click": np.zeros(n, np.float32)},
        NOTHING,
        NOTHING,
        NOTHING,
        times,
        np.array([number for number, (_, times) in enumerate(lists) for _ in times], np.int64),
        **columns,
    )


def alone(times: list[int], **columns: Any) -> Impressions:
    """Rows of one user that are lists of their own."""
    return dataclasses.replace(of_lists([("u", [time]) for time in times], **columns), requests=None)


def ids(rows: Impressions | None) -> list[int]:
    return [] if rows is None else [int(str(id)) for id in rows.vocabulary.decode(rows.items)]


def parts(split: ImpressionSplit) -> tuple[list[int], list[int], list[int]]:
    return ids(split.train), ids(split.validation), ids(split.test)


# ---- by time


def test_time_trains_before_the_first_cut_chooses_before_the_second_and_asks_after_it() -> None:
    made = split_impressions(alone([9, 0, 1, 2, 3, 4, 5, 6, 7, 8]), quantiles=(0.5, 0.8))
    # of ten times in order the cuts are those at 0.5 * 9 and 0.8 * 9, rounded down: 4 and 7; what is at a cut is after it
    assert parts(made) == ([1, 2, 3, 4], [5, 6, 7], [0, 8, 9])
    assert ids(made.refit) == [1, 2, 3, 4, 5, 6, 7]
    assert made.causal
    assert made.details["cuts"] == [iso_time(4), iso_time(7)]
    assert (made.details["n_train"], made.details["n_validation"], made.details["n_test"]) == (4, 3, 3)
    assert made.details["protocol"] == "time"


def test_rows_of_one_moment_are_in_one_part() -> None:
    made = split_impressions(alone([0, 1, 2, 3, 3, 3, 3, 3, 8, 9]), quantiles=(0.5, 0.9))
    assert parts(made) == ([0, 1, 2], [3, 4, 5, 6, 7], [8, 9])


def test_time_never_parts_a_list_whose_rows_have_times_of_their_own() -> None:
    made = split_impressions(of_lists([("u", [0, 1, 9]), ("u", [2, 3]), ("v", [5, 6]), ("v", [7, 8])]), quantiles=(0.4, 0.7))
    assert parts(made) == ([0, 1, 2], [3, 4], [5, 6, 7, 8])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=4), min_size=3, max_size=15),
    st.sampled_from(["time", "kfold", "user-tail"]),
    st.integers(0, 3),
)
def test_no_protocol_parts_a_list(lists: list[list[int]], protocol: Any, seed: int) -> None:
    rows = of_lists([("uv"[number % 2], times) for number, times in enumerate(lists)])
    try:
        made = split_impressions(rows, protocol, seed=seed, folds=3)
    except DataError as error:
        assert f"protocol '{protocol}' leaves" in str(error)  # noqa: PT017
        return
    found = [set() if part is None else set(part.requests.tolist()) for part in (made.train, made.validation, made.test)]  # type: ignore[union-attr]
    assert sum(len(part) for part in found) == len(set.union(*found)) == len(lists)
    assert len(made.refit) == len(made.train) + (0 if made.validation is None else len(made.validation))


def test_time_needs_a_clock() -> None:
    with pytest.raises(
        ConfigError, match="protocol 'time' needs a clock, which these impressions lack; ratings can use kfold or user-tail"
    ):
        split_impressions(dataclasses.replace(alone([1, 2]), times=None))


@pytest.mark.parametrize("quantiles", [(0.9, 0.8), (0.5, 0.5), (0.0, 0.5), (0.5, 1.0)])
def test_quantiles_must_rise_between_0_and_1(quantiles: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match=f"quantiles must rise between 0 and 1, got {quantiles[0]} and {quantiles[1]}"):
        split_impressions(alone([1, 2, 3]), quantiles=quantiles)


def test_times_that_are_all_equal_leave_nothing_to_learn_from() -> None:
    with pytest.raises(DataError, match="protocol 'time' leaves 0 impressions to learn from and 3 to ask about"):
        split_impressions(alone([5, 5, 5]))


def test_a_protocol_that_there_is_not_is_named() -> None:
    with pytest.raises(ConfigError, match="no protocol 'tyme' for impressions; did you mean 'time'"):
        split_impressions(alone([1, 2]), "tyme")  # type: ignore[arg-type]


def test_nothing_cannot_be_split() -> None:
    with pytest.raises(DataError, match="there are no impressions to split"):
        split_impressions(alone([1]).take(np.array([], np.int64)))


# ---- as the source has it


def given_as(labels: list[int], lists: list[int] | None = None) -> Impressions:
    rows = alone(list(range(len(labels))), given=np.array(labels, np.int8))
    return rows if lists is None else dataclasses.replace(rows, requests=np.array(lists))


def test_given_is_what_the_source_says() -> None:
    made = split_impressions(given_as([0, 0, 1, 2, 2]), "given")
    assert parts(made) == ([0, 1], [2], [3, 4])
    assert made.causal
    assert made.details["validation_rule"] == "validation labels of the source"


def test_without_validation_labels_the_last_tenth_of_training_rows_validates() -> None:
    made = split_impressions(given_as([0] * 20 + [2]), "given")
    assert parts(made) == (list(range(18)), [18, 19], [20])
    assert made.details["validation_rule"] == "last tenth of the training impressions"


def test_few_training_rows_leave_no_validation() -> None:
    assert split_impressions(given_as([0] * 9 + [2]), "given").validation is None


def test_the_last_tenth_takes_the_whole_of_a_list_and_nothing_of_the_test() -> None:
    # the list of row 18 reaches back to row 15; that of row 19 is shared with a test row, and the source parted it
    made = split_impressions(given_as([0] * 20 + [2, 2], [*range(15), 90, 16, 17, 90, 91, 91, 92]), "given")
    assert parts(made) == ([*range(15), 16, 17], [15, 18, 19], [20, 21])


def test_a_source_that_trains_on_what_came_after_its_test_is_not_causal() -> None:
    made = split_impressions(given_as([0, 2, 0, 2]), "given")
    assert not made.causal
    assert made.details["causal"] is False
    assert made.train.causal, "each row still sees only what came before it"


def test_given_needs_a_split() -> None:
    with pytest.raises(ConfigError, match="protocol 'given' reads the split that a log comes with, and these impressions have none"):
        split_impressions(alone([1, 2]), "given")


def test_given_without_training_rows_is_refused() -> None:
    with pytest.raises(DataError, match="protocol 'given' leaves 0 impressions to learn from and 2 to ask about"):
        split_impressions(given_as([2, 2]), "given")


@pytest.mark.real
def test_the_given_split_of_movielens_is_causal(real_data: Path) -> None:
    rows = rated(read_events(real_data / "ml-1m-2001-2003" / "interactions.csv.gz"))
    made = split_impressions(rows, "given")
    assert made.validation is not None
    assert (len(made.train), len(made.validation), len(made.test)) == (33_891, 10_401, 7_331)
    assert made.causal
    assert made.test.times is not None
    assert made.refit.times is not None
    assert made.refit.times.max() <= made.test.times.min()


# ---- ratings in random parts


def rating_rows(events: list[Event]) -> Impressions:
    """A row for each rating, which sees the events of its user strictly before it; the item of an event is its number in the trails."""
    ordered = sorted(events, key=lambda event: event[:2])
    users = sorted({user for user, _, _ in ordered})
    trails = [[str(i) for i, event in enumerate(ordered) if event[0] == user] for user in users]
    times = np.array([time for _, time, _ in ordered], np.int64)
    histories = SequenceDataset.from_lists(trails, Vocabulary.build([str(i) for i in range(len(ordered))]), users, times=times)
    own = np.array([i for i, event in enumerate(ordered) if event[2]], np.int64)
    rows = histories.rows[own].astype(np.int64)
    lengths = [sum(e[0] == ordered[i][0] and e[1] < ordered[i][1] for e in ordered) for i in own]
    return Impressions(
        histories,
        rows,
        np.array(lengths, np.int64),
        histories.items[own],
        {VALUE_TASK: np.arange(len(own), dtype=np.float32)},
        NOTHING,
        NOTHING,
        NOTHING,
        times[own],
        events=own,
    )


def histories_of(rows: Impressions | None) -> dict[int, list[int]]:
    """By row, what it sees."""
    if rows is None:
        return {}
    starts = rows.histories.offsets[rows.rows]
    seen = [rows.histories.items[a : a + n] for a, n in zip(starts, rows.lengths, strict=True)]
    return {id: [int(str(i)) for i in rows.vocabulary.decode(items)] for id, items in zip(ids(rows), seen, strict=True)}


events = st.lists(st.tuples(st.sampled_from("uvw"), st.integers(0, 8), st.sampled_from([True, True, False])), min_size=4, max_size=40)


@settings(max_examples=80, deadline=None)
@given(events, st.sampled_from(["kfold", "user-tail"]), st.integers(0, 5))
def test_a_rating_sees_no_rating_of_a_later_part_and_never_itself(drawn: list[Event], protocol: Any, seed: int) -> None:
    if not any(is_rating for *_, is_rating in drawn):
        return
    rows = rating_rows(drawn)
    try:
        made = split_impressions(rows, protocol, seed=seed, folds=3)
    except DataError:
        return
    ordered = sorted(drawn, key=lambda event: event[:2])
    train, validation, test = (set(part) for part in parts(made))
    assert train | validation | test == {i for i, event in enumerate(ordered) if event[2]}
    assert train.isdisjoint(validation)
    assert test.isdisjoint(train | validation)

    def naive(row: int, shown: set[int]) -> list[int]:
        """Events that are no ratings and shown ratings of the user: before a row that is itself shown, else all."""
        of_user = [i for i, event in enumerate(ordered) if event[0] == ordered[row][0] and (not event[2] or i in shown)]
        return [i for i in of_user if ordered[i][1] < ordered[row][1]] if row in shown else of_user

    assert histories_of(made.train) == {row: naive(row, train) for row in train}
    assert histories_of(made.validation) == {row: naive(row, train) for row in validation}
    assert histories_of(made.test) == {row: naive(row, train | validation) for row in test}
    assert histories_of(made.refit) == {row: naive(row, train | validation) for row in train | validation}
    for part, shown in ((made.train, train), (made.refit, train | validation)):
        assert part.events is not None
        assert (part.histories.items[part.events] == part.items).all(), "each is told which event it is"
        assert set(ids(part)) == shown
    assert made.test.events is not None
    assert (made.test.events == -1).all()
    assert not made.causal


def test_every_rating_is_tested_in_one_fold() -> None:
    rows = rating_rows([("u", i, True) for i in range(23)])
    tested = [ids(made.test) for made in kfold(rows, 4, seed=7)]
    assert sorted(len(part) for part in tested) == [5, 6, 6, 6]
    assert sorted(id for part in tested for id in part) == list(range(23))


def test_a_fold_follows_from_the_seed_alone() -> None:
    rows = rating_rows([("u", i, True) for i in range(50)])
    first, again, other = (parts(split_impressions(rows, "kfold", seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first[2] != other[2]


@pytest.mark.parametrize(("fold", "folds"), [(0, 1), (5, 5), (-1, 5)])
def test_a_fold_must_be_one_of_at_least_two(fold: int, folds: int) -> None:
    with pytest.raises(ConfigError, match=f"kfold needs at least 2 folds and one of them, counted from 0, got fold {fold} of {folds}"):
        split_impressions(rating_rows([("u", 1, True)]), "kfold", fold=fold, folds=folds)


def test_user_tail_asks_about_the_last_fifth_of_each_user() -> None:
    events = [("u", i, True) for i in range(10)] + [("v", i, True) for i in range(4)] + [("w", i, True) for i in range(5)]
    made = split_impressions(rating_rows(events), "user-tail")
    assert ids(made.test) == [8, 9, 18], "two of ten, none of four, one of five"
    assert made.details["tail"] == "last 20 % of each user"


def test_which_rating_of_one_second_is_in_the_tail_is_left_to_the_seed() -> None:
    rows = rating_rows([("u", 3, True)] * 5)
    tails = {ids(split_impressions(rows, "user-tail", seed=seed).test)[0] for seed in range(40)}
    assert tails == {0, 1, 2, 3, 4}


def test_about_a_tenth_of_the_training_ratings_validates() -> None:
    made = split_impressions(rating_rows([("u", i, True) for i in range(2_000)]), "kfold")
    assert made.validation is not None
    # of 1,600 each with a chance of 0.1: 160 expected, with a standard deviation of 12
    assert abs(len(made.validation) - 160) < 4 * 12


def test_what_is_no_rating_never_sees_what_came_after_it() -> None:
    acted = SequenceDataset.from_lists([list("abcdefghij")], users=["u"], times=np.arange(10))
    table = pa.table({"user_id": ["u"] * 10, "item_id": list("abcdefghij"), "timestamp": np.arange(10), "click": [1] * 10})
    rows = from_table(table, labels=["click"], trails=acted)
    for protocol in ("kfold", "user-tail"):
        made = split_impressions(rows, protocol)  # type: ignore[arg-type]
        assert made.test.times is not None
        assert made.test.lengths.tolist() == made.test.times.tolist(), "the click on the row's own item is among the rest"
        assert made.train.times is not None
        assert made.train.lengths.tolist() == made.train.times.tolist()


def test_a_chosen_item_and_those_drawn_beside_it_are_asked_after_what_came_before_them() -> None:
    data = SequenceDataset.from_lists([list("abcdefghijkl"), list("lkjihgfedcba")])
    rows = chosen_of(data, negatives=3)
    for protocol in ("kfold", "user-tail"):
        made = split_impressions(rows, protocol)  # type: ignore[arg-type]
        assert made.test.label(CHOSEN).reshape(-1, 4).sum(axis=1).tolist() == [1] * (len(made.test) // 4)
        for part in (made.train, made.test):
            assert part.requests is not None
            own = part.requests % 11 + 1  # eleven acts a user are asked about, the second to the twelfth
            assert part.lengths.tolist() == own.tolist()


def test_a_rating_that_no_history_holds_sees_what_came_before_it() -> None:
    rows = rating_rows([("u", i, i % 2 == 1) for i in range(20)])
    unknown = dataclasses.replace(rows, events=np.full(len(rows), -1))
    made = split_impressions(unknown, "kfold")
    assert histories_of(made.test) == {row: list(range(row)) for row in ids(made.test)}


@pytest.mark.real
@pytest.mark.parametrize("protocol", ["kfold", "user-tail"])
def test_no_tested_rating_of_movielens_is_in_a_history(real_data: Path, protocol: Any) -> None:
    rows = rated(read_events(real_data / "ml-100k" / "ml-100k.inter.gz"))
    made = split_impressions(rows, protocol)
    user_items = rows.rows * rows.histories.n_items + rows.items
    assert len(np.unique(user_items)) == 100_000, "nobody rates an item twice, so a pair says which rating it is"
    tested = made.test.rows * rows.histories.n_items + made.test.items
    for part in (made.train, made.test, made.refit, made.validation):
        assert part is not None
        held = part.histories.rows.astype(np.int64) * rows.histories.n_items + part.histories.items
        assert not np.isin(tested, held).any()
    assert len(made.test) == (20_000 if protocol == "kfold" else sum(n // 5 for n in np.bincount(rows.rows)))
    assert (made.test.lengths == made.test.histories.lengths[made.test.rows]).all()
