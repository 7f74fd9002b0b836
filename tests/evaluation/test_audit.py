"""The audit stamp: planted defects are found, a sound table is left in peace."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from footpath.errors import ConfigError
from footpath.evaluation.audit import audit
from footpath.evaluation.protocol import evaluate
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout, Split
from footpath.sequences.splits import split_by_time, split_last_out
from footpath.sequences.vocabulary import Vocabulary

Make = Callable[..., Holdout]

IDS = [f"i{i}" for i in range(200)]
USERS = [f"u{u}" for u in range(100)]


def walks(seed: int = 0, days_apart: int = 0) -> SequenceDataset:
    """A hundred users, eight different items each, an act a day; each user begins some days after the one before."""
    rng = np.random.default_rng(seed)
    histories = [[IDS[i] for i in rng.choice(200, 8, replace=False)] for _ in USERS]
    data = SequenceDataset.from_lists(histories, Vocabulary.build(IDS), USERS)
    days = np.tile(np.arange(8), 100) + days_apart * np.repeat(np.arange(100), 8)
    return dataclasses.replace(data, times=(days * 86_400_000_000 + data.rows).astype(np.int64))


@pytest.fixture(scope="module")
def by_time() -> Split:
    return split_by_time(walks(), quantiles=(0.7, 0.85))


def random_lists(split: Split, seed: int, n: int = 30) -> dict[str, list[str]]:
    rng = np.random.default_rng(seed)
    return {user: rng.permutation(split.train.vocabulary.ids.to_pylist())[:n].tolist() for user in USERS}


def answers(split: Split) -> dict[str, list[str]]:
    right = split.test.histories.vocabulary.decode(split.test.items)
    return {user: [id] for user, id in zip(split.test.histories.users.to_pylist(), right, strict=True) if id is not None}


def test_a_sound_table_has_no_warnings(scripted: type, by_time: Split) -> None:
    rows = [
        evaluate(scripted(random_lists(by_time, seed)).fit(by_time.train), by_time, name=name)
        for seed, name in enumerate(["popularity", "integer_rule", "mine"])
    ]
    stamp = audit(rows, by_time)
    assert stamp["warnings"] == []
    assert (stamp["protocol"], stamp["repeat"], stamp["ranking"]) == ("time", False, "whole catalogue")
    assert stamp["n_targets"] == stamp["n_histories"] == stamp["n_users"] == len(by_time.test)
    assert stamp["leakage"]["verdict"] == "clean"
    assert stamp["popularity_rows"] == ["popularity"]
    assert stamp["fitted_after_cut"].startswith("nothing")
    assert stamp["ties"]["mine"] == {"tie_rate": 0.0, "flat_rate": 0.0}
    assert stamp["left_out"] == dict(by_time.test.counts)
    assert json.loads(json.dumps(stamp)) == stamp


def test_the_integer_rule_may_score_by_chance_alone(scripted: type, by_time: Split) -> None:
    row = evaluate(scripted(random_lists(by_time, 9)).fit(by_time.train), by_time, name="integer_rule")
    order = audit([row], by_time)["id_order"]
    assert order["metric"] == "recall@10"
    assert order["chance"] == 10 / (by_time.test.histories.n_items - 1)
    assert order["value"] == row.metrics["recall@10"].value
    assert order["verdict"] == "near chance"


def test_an_integer_rule_that_scores_is_named(scripted: type, by_time: Split) -> None:
    row = evaluate(scripted(answers(by_time)).fit(by_time.train), by_time, name="integer_rule", k=5)
    stamp = audit([row], by_time)
    assert stamp["id_order"]["verdict"] == "above chance"
    assert any("integer rule has recall@5 1.0000 where a random list has 0.02" in warning for warning in stamp["warnings"])


def test_a_table_without_reference_rows_says_so(scripted: type, by_time: Split) -> None:
    stamp = audit([evaluate(scripted(random_lists(by_time, 1)).fit(by_time.train), by_time, name="mine")], by_time)
    assert stamp["id_order"] == {"verdict": "no row"}
    assert [warning.split(":")[0] for warning in stamp["warnings"]] == ["No integer_rule row", "No popularity row"]


def test_an_integer_rule_without_recall_is_not_measured(scripted: type, by_time: Split) -> None:
    row = evaluate(scripted(random_lists(by_time, 1)).fit(by_time.train), by_time, name="integer_rule", metrics=["ndcg"])
    stamp = audit([row], by_time)
    assert stamp["id_order"] == {"verdict": "not measured"}
    assert any(warning.startswith("The integer_rule row has no recall") for warning in stamp["warnings"])


def test_a_model_whose_scores_all_tie_is_named(scripted: type, by_time: Split) -> None:
    stamp = audit([evaluate(scripted().fit(by_time.train), by_time, name="constant")], by_time)
    assert stamp["ties"]["constant"] == {"tie_rate": 1.0, "flat_rate": 1.0}
    assert "constant: all scores are equal in 100.0% of the lists, whose order therefore says nothing." in stamp["warnings"]
    assert "constant: neighbouring scores are equal in 100.0% of the lists; there, shuffled item numbers decide." in stamp["warnings"]


def test_leave_one_out_says_that_it_leaks_across_users(scripted: type) -> None:
    parts = split_last_out(walks(days_apart=3))
    stamp = audit([evaluate(scripted(random_lists(parts, 1)).fit(parts.train), parts, name="mine")], parts)
    assert stamp["leakage"]["verdict"] == "by design"
    assert any(warning.startswith("By design: ") and "leaks across users" in warning for warning in stamp["warnings"])


def test_a_target_that_was_fitted_on_is_a_leak(scripted: type) -> None:
    parts = split_last_out(walks())
    leaking = dataclasses.replace(parts, refit=walks())
    row = evaluate(scripted(random_lists(leaking, 1)).fit(leaking.train), leaking, fitted_on="refit", name="mine")
    stamp = audit([row], leaking)
    assert stamp["leakage"]["verdict"] == "leak"
    assert any(warning.startswith("Leak: 100 of 100 test questions") for warning in stamp["warnings"])


def test_rows_fitted_on_different_events_do_not_compare(scripted: type, by_time: Split) -> None:
    model = scripted(random_lists(by_time, 1)).fit(by_time.train)
    held, again = (evaluate(model, by_time, fitted_on=kind, name=kind) for kind in ("train", "refit"))
    stamp = audit([held, again], by_time)
    assert stamp["fitted_on"] == {"train": "train", "refit": "refit"}
    assert any("they do not compare" in warning for warning in stamp["warnings"])
    assert audit([again], by_time)["fitted_after_cut"].startswith("the validation events")


def test_the_cold_share_is_that_of_targets_never_fitted_on(scripted: type) -> None:
    # d is nowhere but in the test, c in validation and test
    parts = split_last_out(SequenceDataset.from_lists([["a", "b", "c", "d"], ["b", "a", "c"], ["a", "c", "b"], ["b", "b", "a", "c"]]))
    model = scripted().fit(parts.train)
    rows = [evaluate(model, parts, fitted_on=kind, name=kind) for kind in ("train", "refit")]
    assert audit(rows, parts)["cold_target_share"] == {"train": 3 / 4, "refit": 1 / 4}


def test_much_that_was_left_out_and_few_users_are_told(scripted: type, make_holdout: Make) -> None:
    train = SequenceDataset.from_lists([IDS], Vocabulary.build(IDS))
    counts = {"asked_events": 40, "unknown_items": 10, "without_history": 1, "seen_targets": 0}
    asked = make_holdout(train.vocabulary, [["i0"]] * 29, [["i1"]] * 29, counts=counts)
    parts = Split("given", train, None, asked, train)
    warnings = audit([evaluate(scripted(random_lists(parts, 1)).fit(train), parts)], parts)["warnings"]
    assert "10 of 40 events (25%) were not asked for: unknown items." in warnings
    assert "Only 29 users were asked: intervals of so few are too narrow." in warnings
    assert not any("without history" in warning for warning in warnings)


def test_rows_of_different_questions_are_refused(scripted: type, by_time: Split) -> None:
    other = split_last_out(walks(1))
    rows = [evaluate(scripted().fit(parts.train), parts, name=name) for name, parts in [("a", by_time), ("b", other)]]
    with pytest.raises(ConfigError, match="'b' and 'a' were asked different questions"):
        audit(rows, by_time)


def test_no_rows_are_refused(by_time: Split) -> None:
    with pytest.raises(ConfigError, match="needs a row at least"):
        audit([], by_time)
