from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from footpath.sequences import leakage
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.leakage import Finding, check_leakage
from footpath.sequences.prepare import prepare
from footpath.sequences.split import Split
from footpath.sequences.splits import split_as_given, split_by_time, split_cold_items, split_last_out


def three_users(clock: bool = True) -> SequenceDataset:
    """u, v and w walk a, b, c, d, e one after the other; u at times 0 to 4, v at 5 to 9, w at 10 to 14."""
    users, items = pa.array([u for u in "uvw" for _ in "abcde"]), pa.array(list("abcde") * 3)
    return prepare(users, items, np.arange(15) if clock else None)


def of(split: Split, check: str) -> Finding:
    [finding] = [finding for finding in check_leakage(split) if finding.check == check]
    return finding


def test_leave_one_out_is_clean_within_users_and_says_that_it_leaks_across_them() -> None:
    findings = {finding.check: finding for finding in check_leakage(split_last_out(three_users()))}
    across = findings.pop("test: future of other users")
    # of 12 refit events 8 are later than u's question at 4, 4 later than v's at 9, none later than w's
    assert across.share == pytest.approx(1 / 3)
    assert across.verdict == "by design"
    assert across.statement == (
        "on average 33.3% of the refit events are later than a test question; "
        "protocol 'loo' cuts each user apart, so it leaks across users by design"
    )
    assert {finding.verdict for finding in findings.values()} == {"clean"}


def test_without_a_clock_what_cannot_be_checked_is_said() -> None:
    made = split_last_out(three_users(clock=False))
    assert of(made, "test: history before the question").verdict == "not checked"
    across = of(made, "test: future of other users")
    assert across.verdict == "by design"
    assert across.share is None
    assert "without a clock" in across.statement
    labels = np.array([0] * 12 + [2] * 3, np.int8)
    assert of(split_as_given(three_users(clock=False), labels), "test: future of other users").verdict == "not checked"


def test_a_cut_in_time_is_clean() -> None:
    data = prepare(np.tile([1, 2, 3], 20), np.arange(60) % 7, np.arange(60))
    findings = check_leakage(split_by_time(data, quantiles=(0.5, 0.8), repeat=True))
    assert {finding.verdict for finding in findings} == {"clean"}
    assert {finding.check for finding in findings} >= {"train: before the cut", "refit: before the cut", "validation: own future"}


def test_an_answer_that_was_fitted_on_is_found() -> None:
    made = split_last_out(three_users())
    leaking = dataclasses.replace(made, refit=three_users(), train=made.refit)
    found = of(leaking, "test: own future")
    assert (found.verdict, found.share) == ("leak", 1.0)
    assert found.statement == "3 of 3 test questions, one a user, do not show 3 events of that user that refit holds"
    assert of(leaking, "validation: own future").statement.startswith("3 of 3 validation questions, one a user")


def test_a_repeated_event_of_the_future_is_found_though_its_item_is_in_the_history() -> None:
    data = prepare(pa.array(["u"] * 4), pa.array(["a", "b", "a", "c"]), np.arange(4))
    made = split_last_out(data)
    assert of(made, "test: own future").verdict == "clean"
    twice = dataclasses.replace(made, refit=data.where(np.array([True, True, True, False])).take(np.array([0])))
    assert of(twice, "test: own future").verdict == "clean"
    again = prepare(pa.array(["u"] * 5), pa.array(["a", "b", "a", "a", "c"]), np.arange(5)).where(np.array([True] * 4 + [False]))
    assert again.vocabulary == data.vocabulary
    assert of(dataclasses.replace(made, refit=again), "test: own future").statement.startswith(
        "1 of 1 test questions, one a user, do not show 1 events"
    )


def test_users_are_checked_in_parts_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = split_last_out(three_users())
    leaking = dataclasses.replace(made, refit=three_users())
    at_once = check_leakage(leaking)
    monkeypatch.setattr(leakage, "_USERS_AT_ONCE", 1)
    assert check_leakage(leaking) == at_once


def test_a_history_from_after_the_question_is_found() -> None:
    made = split_last_out(three_users())
    assert made.test.request_times is not None
    early = dataclasses.replace(made, test=dataclasses.replace(made.test, request_times=made.test.request_times - 2))
    found = of(early, "test: history before the question")
    assert (found.verdict, found.statement) == ("leak", "3 of 12 events in test histories are later than their question")


def test_a_target_in_the_history_is_found_unless_repeats_are_allowed() -> None:
    made = split_last_out(prepare(pa.array(["u"] * 3), pa.array(["a", "b", "a"])), repeat=True)
    assert of(made, "test: seen targets").verdict == "clean"
    found = of(dataclasses.replace(made, repeat=False), "test: seen targets")
    assert (found.verdict, found.statement) == ("leak", "1 of 1 test targets are in their history; repeats are not allowed")


def test_an_event_fitted_on_after_the_cut_is_found() -> None:
    data = prepare(np.tile([1, 2, 3], 20), np.arange(60) % 7, np.arange(60))
    made = split_by_time(data, quantiles=(0.5, 0.8), repeat=True)
    leaking = dataclasses.replace(made, train=data)
    found = of(leaking, "train: before the cut")
    assert (found.verdict, found.share) == ("leak", pytest.approx(31 / 60))
    assert of(dataclasses.replace(made, refit=data), "test: future of other users").verdict == "leak"


def test_cold_items_show_a_users_later_events_by_design() -> None:
    made = split_cold_items(prepare(np.tile([1, 2, 3], 20), np.arange(60) % 11, np.arange(60)))
    assert of(made, "test: own future").verdict == "by design"
    assert of(made, "test: seen targets").verdict == "clean"
