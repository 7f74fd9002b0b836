"""Evaluating a fitted model on a split: figures, intervals by user, paired comparisons, the printed shape, refusals."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from footpath.errors import ConfigError, DataError, NotFittedError
from footpath.evaluation.metrics import DEFAULT_METRICS
from footpath.evaluation.protocol import Report, compare_paired, evaluate
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout, Split
from footpath.sequences.splits import split_last_out
from footpath.sequences.vocabulary import Vocabulary

IDS = [f"i{i}" for i in range(20)]
VOCABULARY = Vocabulary.build(IDS)
USERS = [f"u{u}" for u in range(60)]

Make = Callable[..., Holdout]


@pytest.fixture
def ring() -> Split:
    """User u walks the ring of items from item u; the last event is the test item."""
    return split_last_out(SequenceDataset.from_lists([[IDS[(u + step) % 20] for step in range(5)] for u in range(60)], VOCABULARY, USERS))


def lists_that_hit(users: list[str], place: int = 0) -> dict[str, list[str]]:
    """Lists with the right answer of the ring at a place, behind wrong ones."""
    answers = {f"u{u}": (u + 4) % 20 for u in range(60)}
    wrong = {user: [IDS[(answer + 1 + j) % 20] for j in range(place)] for user, answer in answers.items()}
    return {user: [*wrong[user], IDS[answers[user]]] for user in users}


def test_figures_are_means_over_users(scripted: type, ring: Split) -> None:
    model = scripted(lists_that_hit(USERS[:45], place=1)).fit(ring.train)
    row = evaluate(model, ring, k=3, metrics=["recall", "mrr", "ndcg@1", "hr@3"])
    assert list(row.metrics) == ["recall@3", "mrr@3", "ndcg@1", "hr@3"]
    found = dict(zip(IDS, row.per_list["mrr@3"], strict=False))
    assert found["i0"] == 0.5
    lucky = row.per_list["recall@3"][45:].mean()  # whose lists are ties in the order of shuffled indexes
    assert row.metrics["recall@3"].value == pytest.approx((45 + 15 * lucky) / 60)
    assert row.metrics["recall@3"].low < row.metrics["recall@3"].value < row.metrics["recall@3"].high
    assert row.metrics["recall@3"].n == 60
    assert row.metrics["ndcg@1"].value <= 15 / 60


def test_all_default_metrics_come_with_intervals_but_those_of_all_lists(scripted: type, ring: Split) -> None:
    row = evaluate(scripted(lists_that_hit(USERS[:50])).fit(ring.train), ring, k=5)
    assert list(row.metrics) == [f"{name}@5" for name in DEFAULT_METRICS]
    for name, interval in row.metrics.items():
        if name in ("coverage@5", "gini@5"):
            assert np.isnan(interval.low)
        else:
            assert interval.low <= interval.value <= interval.high, name


def test_the_test_part_asks_with_the_validation_event_in_the_history(scripted: type, ring: Split) -> None:
    # the validation event is masked: listing it first costs nothing
    lists = {user: [IDS[(u + 3) % 20], IDS[(u + 4) % 20]] for u, user in enumerate(USERS)}
    assert evaluate(scripted(lists).fit(ring.train), ring, metrics=["mrr"]).metrics["mrr@10"].value == 1.0


def test_frequencies_follow_what_was_fitted_on(scripted: type) -> None:
    # item b is a validation event and nothing else: it is novel to a held model and less so to a refitted one
    parts = split_last_out(SequenceDataset.from_lists([["a", "b", "c"], ["a", "c"], ["a", "c"]]))
    model = scripted({"0": ["c"]}).fit(parts.train)
    held, again = (
        evaluate(model, parts, k=1, metrics=["novelty"], fitted_on=kind).metrics["novelty@1"].value for kind in ("train", "refit")
    )
    assert held == pytest.approx(-np.log2(2 / 5))
    assert again == pytest.approx(-np.log2(2 / 6))


def prefixes_of_two_sessions(make_holdout: Make) -> Split:
    """Session long is asked 30 times and always right, session short 10 times and always wrong."""
    train = SequenceDataset.from_lists([IDS], VOCABULARY)
    users = ["long"] * 30 + ["short"] * 10
    asked = make_holdout(VOCABULARY, [["i0"]] * 40, [["i1"]] * 40, users)
    return Split("given", train, None, asked, train)


def test_questions_of_one_user_are_drawn_together(scripted: type, make_holdout: Make) -> None:
    parts = prefixes_of_two_sessions(make_holdout)
    model = scripted({"long": ["i1"], "short": IDS[2:12]}).fit(parts.train)
    row = evaluate(model, parts, k=5, metrics=["hr"])
    assert (row.n_histories, row.n_users) == (40, 2)
    hit = row.metrics["hr@5"]
    assert (hit.value, hit.low, hit.high, hit.n) == (0.75, 0.0, 1.0, 40)


def test_whether_repeats_may_be_listed_is_the_split_s_choice(scripted: type, make_holdout: Make) -> None:
    train = SequenceDataset.from_lists([IDS], VOCABULARY)
    asked = make_holdout(VOCABULARY, [["i3"]], [["i3"]])
    model = scripted({"0": ["i3"]}).fit(train)
    for repeat in (False, True):
        row = evaluate(model, Split("given", train, None, asked, train, repeat=repeat), metrics=["hr"])
        assert row.metrics["hr@10"].value == float(repeat)


def test_request_times_reach_the_model(scripted: type, make_holdout: Make) -> None:
    class Clock(scripted):  # type: ignore[misc, valid-type]
        def score(self, histories: SequenceDataset, request_times: np.ndarray | None = None) -> np.ndarray:
            assert request_times is not None
            scores = np.zeros((len(histories), len(self.items)), np.float32)
            scores[np.arange(len(histories)), request_times] = 1
            return scores

    train = SequenceDataset.from_lists([IDS], VOCABULARY)
    times = VOCABULARY.encode(["i4", "i2"]).astype(np.int64)
    asked = make_holdout(VOCABULARY, [["i0"], ["i0"]], [["i4"], ["i2"]], request_times=times)
    assert evaluate(Clock().fit(train), Split("time", train, None, asked, train), k=1, metrics=["hr"]).metrics["hr@1"].value == 1


def test_debiased_figures_are_weighted_over_all_answers(scripted: type, make_holdout: Make) -> None:
    train = SequenceDataset.from_lists([["i0"] * 16 + ["i1"]], VOCABULARY)
    asked = make_holdout(VOCABULARY, [["i5"], ["i5"]], [["i0"], ["i1"]])
    row = evaluate(
        scripted({"0": ["i0"], "1": ["i2"]}).fit(train), Split("given", train, None, asked, train), k=1, metrics=["debiased_ndcg"]
    )
    assert row.metrics["debiased_ndcg@1"].value == pytest.approx(0.25 / 1.25)


def test_the_same_seed_gives_the_same_intervals(scripted: type, ring: Split) -> None:
    model = scripted(lists_that_hit(USERS[:30])).fit(ring.train)
    first, again, other = (evaluate(model, ring, seed=seed).metrics for seed in (1, 1, 2))
    assert {name: interval.to_dict() for name, interval in first.items()} == {name: interval.to_dict() for name, interval in again.items()}
    assert first["recall@10"].low != other["recall@10"].low or first["ndcg@10"].low != other["ndcg@10"].low


def test_a_small_memory_changes_no_figure(scripted: type, ring: Split) -> None:
    model = scripted(lists_that_hit(USERS[:30], place=2)).fit(ring.train)
    assert evaluate(model, ring, memory_mib=1).per_list["ndcg@10"].tolist() == evaluate(model, ring).per_list["ndcg@10"].tolist()


def test_time_is_cpu_time_of_ranking(scripted: type, ring: Split) -> None:
    row = evaluate(scripted().fit(ring.train), ring, fit_cpu_s=1.5)
    assert row.fit_cpu_s == 1.5
    assert 0 <= row.score_cpu_s < 5


def test_what_is_printed_is_plain(scripted: type, ring: Split) -> None:
    row = evaluate(scripted(lists_that_hit(USERS)).fit(ring.train), ring, name="mine", metrics=["recall@10", "coverage@10"], fit_cpu_s=0.5)
    report = json.loads(json.dumps(Report("loo", "ring", [row], {"warnings": []}).to_dict()))
    assert list(report) == ["protocol", "data", "rows", "audit"]
    printed = report["rows"][0]
    assert printed["model"] == "mine"
    assert printed["metrics"]["recall@10"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 60}
    assert printed["metrics"]["coverage@10"] == {"value": 1.0, "low": None, "high": None, "n": 60}
    assert printed["fit_cpu_s"] == 0.5
    assert printed["score_cpu_s"] >= 0
    assert printed["fitted_on"] == "train"
    assert printed["settings"]["lists"]["u0"] == ["i4"]


def test_a_better_model_is_told_from_an_equal_one(scripted: type, ring: Split) -> None:
    rows = [
        evaluate(scripted(lists_that_hit(users, place)).fit(ring.train), ring, k=3, name=name)
        for name, users, place in [("base", USERS, 2), ("better", USERS, 0), ("same", USERS, 2)]
    ]
    better, same = compare_paired(rows, "base", "mrr@3")
    assert (better.model, better.reference) == ("better", "base")
    assert better.test.difference == pytest.approx(1 - 1 / 3)
    assert better.test.p_value == 1 / 10_000
    assert better.p_adjusted == 2 / 10_000
    assert (same.test.difference, same.test.p_value, same.p_adjusted) == (0.0, 1.0, 1.0)
    printed = Report("loo", "ring", rows, {}, [better, same]).to_dict()["comparisons"]
    assert json.loads(json.dumps(printed))[0] == {
        "model": "better",
        "reference": "base",
        "metric": "mrr@3",
        "difference": better.test.difference,
        "low": better.test.low,
        "high": better.test.high,
        "p_value": 1 / 10_000,
        "n": 60,
        "p_adjusted": 2 / 10_000,
    }


def test_pairs_of_one_user_count_as_one(scripted: type, make_holdout: Make) -> None:
    parts = prefixes_of_two_sessions(make_holdout)
    rows = [
        evaluate(scripted(lists).fit(parts.train), parts, k=1, name=name, metrics=["hr"])
        for name, lists in [("all", {"long": ["i1"], "short": ["i1"]}), ("none", {"long": ["i2"], "short": ["i2"]})]
    ]
    assert compare_paired(rows, "none", "hr@1")[0].test.p_value == pytest.approx(0.5, abs=0.03)


def test_weighted_figures_differ_by_their_weighted_pairs(scripted: type, make_holdout: Make) -> None:
    train = SequenceDataset.from_lists([["i0"] * 16 + ["i1"] + ["i2"] * 4], VOCABULARY)
    asked = make_holdout(VOCABULARY, [["i5"]] * 3, [["i0"], ["i1"], ["i2"]])
    parts = Split("given", train, None, asked, train)
    rows = [
        evaluate(scripted(lists).fit(train), parts, k=1, name=name, metrics=["debiased_ndcg"])
        for name, lists in [("popular", {user: ["i0"] for user in "012"}), ("rare", {user: ["i1"] for user in "012"})]
    ]
    values = [row.metrics["debiased_ndcg@1"].value for row in rows]
    assert compare_paired(rows, "popular", "debiased_ndcg@1")[0].test.difference == pytest.approx(values[1] - values[0])


def test_comparisons_name_what_is_missing(scripted: type, ring: Split) -> None:
    model = scripted().fit(ring.train)
    rows = [evaluate(model, ring, name="popularity", metrics=["recall"]), evaluate(model, ring, name="ease", metrics=["ndcg"])]
    with pytest.raises(ConfigError, match=r"no row 'popularty' to compare with; did you mean 'popularity'\?; rows: popularity, ease"):
        compare_paired(rows, "popularty", "recall@10")
    with pytest.raises(ConfigError, match=r"row 'popularity' has no metric 'recal@10' of lists; did you mean 'recall@10'\?"):
        compare_paired(rows, "popularity", "recal@10")
    with pytest.raises(ConfigError, match="row 'ease' has no metric 'recall@10'"):
        compare_paired(rows, "popularity", "recall@10")


def test_rows_of_different_questions_are_not_compared(scripted: type, ring: Split, make_holdout: Make) -> None:
    other = dataclasses.replace(ring, test=make_holdout(VOCABULARY, [["i0"]], [["i1"]]))
    model = scripted().fit(ring.train)
    rows = [evaluate(model, ring, name="a"), evaluate(model, other, name="b")]
    with pytest.raises(ConfigError, match="'b' and 'a' were asked different questions"):
        compare_paired(rows, "a", "recall@10")


def test_a_split_with_nothing_to_ask_says_why(scripted: type, ring: Split, make_holdout: Make) -> None:
    empty = make_holdout(VOCABULARY, [], [], counts={"unknown_users": 3, "seen_targets": 0})
    with pytest.raises(DataError, match=r"protocol 'loo' leaves no target to ask for: 0 test histories .* \(3 unknown_users\)"):
        evaluate(scripted().fit(ring.train), dataclasses.replace(ring, test=empty))
    blank = make_holdout(VOCABULARY, [["i0"]], [[]])
    with pytest.raises(DataError, match=r"1 test histories without relevant items \(nothing was left out\)"):
        evaluate(scripted().fit(ring.train), dataclasses.replace(ring, test=blank))


def test_impossible_options_are_refused(scripted: type, ring: Split) -> None:
    model = scripted().fit(ring.train)
    with pytest.raises(ConfigError, match="k must be at least 1, got 0"):
        evaluate(model, ring, k=0)
    with pytest.raises(ConfigError, match="no metric 'recal'"):
        evaluate(model, ring, metrics=["recal"])
    with pytest.raises(ConfigError, match="fitted_on must be 'train' or 'refit', got 'test'"):
        evaluate(model, ring, fitted_on="test")  # type: ignore[arg-type]
    with pytest.raises(NotFittedError, match="Scripted is not fitted"):
        evaluate(scripted(), ring)


def test_lists_longer_than_the_catalogue_are_allowed(scripted: type, ring: Split) -> None:
    row = evaluate(scripted(lists_that_hit(USERS)).fit(ring.train), ring, k=50, metrics=["recall", "precision", "coverage"])
    values = [row.metrics[name].value for name in ("recall@50", "precision@50", "coverage@50")]
    assert values == pytest.approx([1.0, 1 / 50, 1.0])
