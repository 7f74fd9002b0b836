"""Deletion tests on models whose arithmetic fits on a page, and on the models of the catalog."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from footpath.errors import ConfigError, DataError, NotFittedError
from footpath.events.contract import EVENT_TYPES
from footpath.events.readers import read_events
from footpath.llm.explain.deletion import Trial, because, drawn_sets, search
from footpath.llm.explain.evidence import Likeness, most_alike, pattern
from footpath.llm.explain.explain import chart, explain, result_of
from footpath.llm.explain.faithfulness import faithfulness
from footpath.models import catalog
from footpath.progress import Progress
from footpath.recommender import recommend
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.splits import split
from footpath.sequences.vocabulary import Vocabulary
from tests.models.planted_logs import clusters, ring

IDS = [*"abcdefgh", "x", "y", "z"]
ITEMS = Vocabulary.build(IDS)
X = ITEMS.index("x")


@dataclass
class ByHand:
    """Scores as a function of the ids of a history; what it does not name scores 0. rows: how many histories were asked about."""

    rule: Any
    items: Vocabulary = field(default_factory=lambda: ITEMS)
    rows: int = 0

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        return self

    def score(self, histories: SequenceDataset, request_times: np.ndarray | None = None) -> np.ndarray:
        self.rows += len(histories)
        scores = np.zeros((len(histories), len(self.items)), np.float32)
        for b in range(len(histories)):
            for id, score in self.rule([id for id in self.items.decode(histories.history(b)) if id]).items():
                scores[b, self.items.index(id)] = score
        return scores

    def state(self) -> Mapping[str, np.ndarray]:
        return {}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        return self


def history(*ids: str, **columns: object) -> SequenceDataset:
    return SequenceDataset.from_lists([list(ids)], ITEMS, ["ann"], **columns)


def additive(**weights: float) -> ByHand:
    """x gets the weight of every event; y always has 2.5, z 1.5, and each other item -1."""
    others = dict.fromkeys("abcdefgh", -1.0)
    return ByHand(lambda ids: others | {"x": sum(weights.get(id, 0) for id in ids), "y": 2.5, "z": 1.5})


def test_the_events_that_carry_an_item_are_cited_with_the_fall_worked_by_hand() -> None:
    found = explain(additive(b=3, c=2), history("a", "b", "c", "d"), "x", k=1, draws=20)
    assert [citation.event.item_id for citation in found.cited] == ["b", "c"]
    assert [citation.event.place for citation in found.cited] == [2, 3]
    assert found.basis == "events"
    assert found.outcome is not None
    # x: 5 of the sum over 11 items 5 + 2.5 + 1.5 - 8, then 0 of -4; 5 - 1/11 less 0 + 4/11
    assert found.outcome.drop == pytest.approx(5 - 5 / 11)
    assert (found.rank, found.outcome.rank, found.outcome.kept_rank, found.empty_rank) == (1, 3, 1, 3)
    alone = [event.outcome for event in found.events if event.outcome is not None]
    assert [outcome.drop for outcome in alone] == pytest.approx([0, 3 - 3 / 11, 2 - 2 / 11, 0])
    assert [outcome.rank for outcome in alone] == [1, 2, 1, 1]


def test_without_these_you_would_see_another_item() -> None:
    found = explain(additive(b=3, c=2), history("a", "b", "c", "d"), "x", k=1)
    assert found.alternative is not None
    assert [event.item_id for event in found.alternative.events] == ["b"]  # one is enough: 2 is below y's 2.5
    assert found.alternative.rank == 2
    assert found.alternative.instead == found.alternative.in_its_place == ("y", "")
    assert "Without “b” it would stand at place 2, not among the first 1, and “y” would be listed instead" in found.sentences


def test_an_item_that_any_of_two_events_carries_falls_only_without_both() -> None:
    either = ByHand(lambda ids: {"x": 5.0 if {"f", "g"} & set(ids) else 0.0, "y": 2.0})
    found = explain(either, history("a", "b", "c", "d", "e", "f", "g", "h"), "x")
    assert [citation.event.item_id for citation in found.cited] == ["f", "g"]
    assert all(citation.event.outcome is not None and citation.event.outcome.drop == 0 for citation in found.cited)


def test_events_are_left_out_and_not_items_and_repeats_of_one_item_go_together() -> None:
    present = ByHand(lambda ids: {"x": 5.0 if "b" in ids else 0.0, "y": 2.0})
    found = explain(present, history("a", "b", "c", "b", "d"), "x")
    assert [citation.event.place for citation in found.cited] == [2, 4]
    assert found.n_repeated == 1
    assert "1 of these 5 events repeat an item of an earlier one; events are left out, not items" in found.limits
    assert "Without “b” (2 times) (2 of 5 events) its score falls by" in found.sentences[1]


def test_an_item_that_is_left_out_of_the_history_does_not_come_back_into_the_list() -> None:
    loud = ByHand(lambda ids: {"b": 100.0, "x": 5.0 if "b" in ids else 1.0, "y": 2.0})
    trial = Trial(loud, history("a", "b"), X)
    assert [outcome.rank for outcome in trial.without([(0,), (1,)])] == [1, 2]  # b, with 100, is no candidate after either
    repeated = Trial(loud, history("a", "b"), X, repeat=True)
    assert [outcome.rank for outcome in repeated.without([(0,), (1,)])] == [2, 3]


def test_equal_scores_rank_by_index_as_in_lists() -> None:
    level = ByHand(lambda ids: {})
    asked = history("a", "b")
    listed = recommend(level, asked, 9).items(0)
    assert [Trial(level, asked, ITEMS.index(id)).whole.rank for id in listed] == list(range(1, 10))


def test_leaving_out_the_newest_event_does_not_change_when_the_question_is_asked() -> None:
    class Clocked(ByHand):
        def score(self, histories: SequenceDataset, request_times: np.ndarray | None = None) -> np.ndarray:
            assert histories.times is not None
            newest = [int(histories.times[stop - 1]) if stop > start else 0 for start, stop in itertools.pairwise(histories.offsets)]
            scores = super().score(histories)
            scores[:, X] = newest if request_times is None else request_times
            return scores

    asked = history("a", "b", "c", times=np.array([10, 20, 30], np.int64))
    outcomes = Trial(Clocked(lambda ids: {}), asked, X).without([(0,), (1,), (2,)])
    assert [outcome.drop for outcome in outcomes] == [0, 0, 0]


@pytest.mark.parametrize("seed", range(8))
def test_the_search_tries_the_set_that_is_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    held = list("abcdef")
    weights = {id: dict(zip(IDS, rng.normal(size=len(IDS)), strict=True)) for id in held}
    model = ByHand(lambda ids: {j: sum(weights[id][j] for id in ids) for j in IDS})

    def place(ids: list[str]) -> int:
        scores = {j: np.float32(sum(weights[id][j] for id in ids)) for j in ("g", "h", "x", "y", "z")}
        return sorted(scores, key=lambda j: (-scores[j], ITEMS.index(j))).index("x") + 1

    def worth(left_out: tuple[int, ...]) -> float:
        kept = [held[i] for i in left_out]
        rest = [id for i, id in enumerate(held) if i not in left_out]
        return float(np.log(place(rest)) - 0.1 * np.log(place(kept)))

    best = max(worth(events) for size in (1, 2) for events in itertools.combinations(range(6), size))
    tried = search(Trial(model, history(*held), X), most=2).outcomes
    assert max(worth(events) for events in tried) == pytest.approx(best)
    for events, outcome in tried.items():
        assert outcome.rank == place([id for i, id in enumerate(held) if i not in events])


def test_cost_does_not_grow_with_the_length_of_the_history() -> None:
    asked = []
    for length in (60, 2_000):
        model = additive(a=1, b=2)
        found = explain(model, history(*(IDS[i % 8] for i in range(length))), "x")
        assert len(found.events) == 50
        assert f"Only the newest 50 of {length:,} events on known items were left out in turn; the older ones stayed" in found.limits
        asked.append(model.rows)
    assert asked[0] == asked[1] < 1_000


def test_where_no_event_matters_it_says_so_and_cites_nothing() -> None:
    constant = ByHand(lambda ids: {"x": 5.0, "y": 2.0})
    found = explain(constant, history("a", "b", "c", "d"), "x")
    assert (found.basis, found.cited, found.alternative) == ("nothing", (), None)
    assert found.sentences[1].startswith(
        "No event of the history carries it: leaving out any of 14 sets of at most 3 events lowers neither"
    )
    assert found.sentences[2] == "After an empty history it stands at place 1"


def test_an_item_that_the_whole_history_carries_together_is_said_not_to_be_carried_by_few() -> None:
    found = explain(additive(a=4, b=4, c=4, d=1, e=1, f=1, g=1, h=1), history(*"abcdefgh"), "x")
    assert found.basis == "history"  # without the best three it still has 5 to y's 2.5
    assert [citation.event.item_id for citation in found.cited] == ["a", "b", "c"]
    few, _, without = found.sentences[1].partition(". ")
    assert few == "The events that weigh most throw it no further back than as many random ones do on average"
    assert without.startswith("Without “a”, “b” and “c” (3 of 8 events) its score falls by 10.91")  # 12 less 12 / 11
    assert found.sentences[1].endswith("and it stays at place 1")


def test_events_that_weigh_no_more_than_random_ones_are_not_cited() -> None:
    found = explain(additive(**dict.fromkeys("abcdefgh", 2.0)), history(*"abcdefgh"), "x")
    assert (found.basis, found.cited) == ("nothing", ())
    assert "100% of 48 other random sets leave it no larger a lead" in found.sentences[1]  # two of 50 are the cited ones


@pytest.mark.parametrize("ids", [(), ("unknown", "foreign")])
def test_a_history_without_known_items_gets_an_honest_answer(ids: tuple[str, ...]) -> None:
    found = explain(additive(b=3), history(*ids), "y")
    assert (found.basis, found.cited, found.events, found.outcome, found.rank) == ("nothing", (), (), None, 1)
    assert found.sentences[1].startswith("The history holds no event on an item that the model knows")
    assert result_of(found).is_empty
    assert chart(found) is None
    assert any("2 of 2 events are on items that the model does not know" in text for text in found.limits) == bool(ids)


def test_the_only_event_has_no_others_to_be_compared_with() -> None:
    found = explain(additive(b=3), history("b"), "x")
    assert (found.basis, found.random, found.last) == ("events", None, None)
    assert "The history has no other events to compare them with" in found.sentences


def test_an_item_that_was_not_recommended_is_explained_and_said_to_be_none() -> None:
    found = explain(additive(b=1), history("a", "b"), "x", k=1)
    assert (
        found.sentences[0]
        == "“x” stands at place 3 of 9 candidates after a history of 2 events: not among the first 1, so it was not recommended"
    )
    assert found.sentences[0].zh == "在 2 个事件的历史之后，“x” 排在 9 个候选中的第 3 位：不在前 1 位，所以没有推荐它"
    assert found.alternative is None


@pytest.mark.parametrize(("repeat", "says"), [(False, "lists leave it out"), (True, "lists may repeat it")])
def test_an_item_of_the_history_is_said_to_be_there(repeat: bool, says: str) -> None:
    found = explain(additive(b=3), history("a", "x", "b", "x"), "x", repeat=repeat)
    assert found.seen == 2
    assert f"The history holds it already, in 2 of 4 events; {says}" in found.sentences


def test_random_sets_are_of_the_same_number_seeded_and_drawn_evenly() -> None:
    sets = drawn_sets((2, 5, 7, 9), 2, 6_000, seed=3)
    assert sets == drawn_sets((2, 5, 7, 9), 2, 6_000, seed=3)
    counts = {events: sets.count(events) for events in itertools.combinations((2, 5, 7, 9), 2)}
    assert sum(counts.values()) == 6_000
    assert all(900 < count < 1_100 for count in counts.values())  # 1,000 each, a standard deviation of 29


def test_the_random_sets_cost_what_their_own_deletions_cost() -> None:
    model, asked = additive(b=3, c=2, d=1), history("a", "b", "c", "d")
    found = explain(model, asked, "x", most=2, draws=40, seed=7)
    assert found.random is not None
    assert found.outcome is not None
    weight = {"a": 0, "b": 3, "c": 2, "d": 1}
    lost = [sum(weight["abcd"[place]] for place in events) for events in drawn_sets((0, 1, 2, 3), 2, 40, seed=7)]
    places = [1 + (6 - loss < 2.5) + (6 - loss < 1.5) for loss in lost]
    assert found.outcome.drop == pytest.approx(5 - 5 / 11)
    assert found.random.mean_drop == pytest.approx(np.mean(lost) * 10 / 11)
    assert found.random.mean_rank == np.mean(places)
    assert found.random.less == np.mean(np.array(lost) < 5)
    assert found.random.nearer == np.mean(np.array(places) < 3)


def test_users_of_the_log_are_counted_by_hand_without_the_one_who_asks() -> None:
    log = SequenceDataset.from_lists(
        [["b", "x"], ["x", "b"], ["b", "a", "x", "b"], ["b", "b"], ["x"], ["a"], [], ["b", "x"]],
        ITEMS,
        ["one", "two", "three", "four", "five", "six", "seven", "ann"],
    )
    counts = pattern(log, ITEMS.index("b"), X, user="ann")
    assert (counts.n_users, counts.n_with, counts.n_item) == (6, 4, 4)
    assert (counts.n_both, counts.n_later, counts.n_next) == (3, 2, 1)  # one, two, three; one, three; one
    assert counts.lift == pytest.approx((3 / 4) / (4 / 6))
    assert pattern(log, ITEMS.index("b"), X).n_next == 2
    assert np.isnan(pattern(log, ITEMS.index("h"), X).lift)


def test_patterns_are_said_with_denominators_and_a_share_only_where_enough_had_it() -> None:
    few = [["b", "x"]] * 3 + [["a"]] * 3
    many = [["b", "x"]] * 30 + [["b", "a"]] * 10 + [["a"]] * 40
    said = []
    for rows in (few, many):
        log = SequenceDataset.from_lists(rows, ITEMS)
        said.append(explain(additive(b=3), history("a", "b"), "x", log=log, most=1).evidence[0])
    assert said[0].startswith(
        "Of 3 other users who had “b”, 3 had “x” too, 3 of them later and 3 as the very next event; of all 6 other users 3 had it"
    )
    assert said[0].endswith("fewer than 30 had the first, too few to compare shares")
    assert said[1].endswith("of all 80 other users 30 had it: 2 times the share")  # 30 / 40 against 30 / 80
    assert said[1].zh.endswith("其他全部 80 位用户中，30 位有它：比例之比为 2")


def test_words_and_categories_are_compared_and_counted() -> None:
    known = ["", *(id or "" for id in ITEMS.decode(np.arange(1, len(ITEMS), dtype=np.int32)))]
    titles = {"b": "red tea", "x": "green tea", "c": "lamp"}
    kinds = {"b": "drinks", "x": "drinks", "y": "drinks", "c": "home"}
    features = ItemFeatures([titles.get(id, "") for id in known], [""] * len(known), [kinds.get(id, "") for id in known], [()] * len(known))
    found = explain(additive(b=3, c=2), history("a", "b", "c"), "x", features=features)
    by_id = {citation.event.item_id: citation for citation in found.cited}
    assert (by_id["b"].category, by_id["b"].n_in_category) == ("drinks", 3)
    assert by_id["c"].category is None
    assert by_id["b"].words is not None
    assert 0.2 < by_id["b"].words < 0.9
    assert by_id["c"].words == 0
    assert found.title == "green tea"
    assert any("both are of the category “drinks”, with 3 of 11 items" in text for text in found.evidence)
    assert found.alike_by == "the words about them"


def test_likeness_by_users_is_the_cosine_of_who_had_them() -> None:
    log = SequenceDataset.from_lists([["b", "x"], ["b"], ["b", "x", "x"], ["x"], ["c", "x"]], ITEMS)
    likeness = Likeness(additive(), log)
    found = likeness.of(ITEMS.encode(["b", "c", "a"]), X)
    assert found == pytest.approx([2 / np.sqrt(3 * 4), 1 / np.sqrt(1 * 4), 0])
    assert most_alike((3, 5, 8), np.array([0.5, 0.5, 0.1], np.float32), 1) == (5,)
    assert Likeness(additive()).by is None


def test_because_names_the_item_whose_deletion_costs_most() -> None:
    model = additive(b=3, c=2)
    found = because(model, history("c", "b", "b", "a"), ITEMS.encode(["x", "y"]))
    assert ITEMS.decode(found) == ["b", None]  # both events on b go: 6 of 8; y falls by nothing but the mean
    assert because(model, history(), ITEMS.encode(["x"])).tolist() == [0]


MODELS: dict[str, dict[str, Any]] = {
    "item_knn": {},
    "ease": {"l2": 10.0},
    "markov": {},
    "vsknn": {},
    "popularity": {},
    "sasrec": {"dim": 8, "epochs": 2, "batch_size": 16, "max_len": 8, "patience": None},
    "gru4rec": {"dim": 8, "epochs": 2, "batch_size": 16, "max_len": 8, "patience": None},
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_told_of_any_model_is_what_the_model_says_of_a_shorter_history(name: str) -> None:
    """Written-out histories without the events, scored and ranked by sorting, give the same falls and places."""
    train = ring() if name in ("markov", "sasrec", "gru4rec") else clusters()
    model = catalog.recommender(name, **MODELS[name]).fit(train)
    asked = train.between(3, 4)
    item = recommend(model, asked, 1).items(0)[0]
    found = explain(model, asked, item, log=train)
    ids = [id for id in train.vocabulary.decode(asked.items) if id]
    index = train.vocabulary.index(item)

    def standing(kept: list[str]) -> tuple[float, int]:
        scores = model.score(SequenceDataset.from_lists([kept], train.vocabulary))[0].astype(np.float64)
        allowed = [j for j in range(1, len(scores)) if j not in set(asked.items.tolist())]
        order = sorted(allowed, key=lambda j: (-np.float32(scores[j]), j))
        return scores[index] - scores[1:].mean(), 1 + order.index(index)

    whole = standing(ids)
    assert found.rank == whole[1] == 1
    for event in found.events:
        assert event.outcome is not None
        score, place = standing([id for i, id in enumerate(ids) if i != event.place - 1])
        assert event.outcome.drop == pytest.approx(whole[0] - score, abs=1e-4)
        assert event.outcome.rank == place
    assert found.outcome is not None
    left_out = {citation.event.place - 1 for citation in found.cited}
    if name == "popularity":
        assert (found.basis, found.empty_rank) == ("nothing", 1)
    elif left_out:
        assert found.outcome.rank == standing([id for i, id in enumerate(ids) if i not in left_out])[1]
        assert found.outcome.kept_rank == standing([id for i, id in enumerate(ids) if i in left_out])[1]
    assert json.loads(json.dumps(found.to_dict()))["rank"] == 1


def test_a_chain_is_carried_by_the_last_event() -> None:
    model, train = catalog.recommender("markov").fit(ring()), ring()
    found = explain(model, train.between(0, 1), "r7", log=train, repeat=True)
    assert [citation.event.item_id for citation in found.cited] == ["r6"]
    assert found.cited[0].pattern is not None
    assert found.cited[0].pattern.n_next == found.cited[0].pattern.n_later > 0


def test_types_and_times_go_with_the_events() -> None:
    asked = history(
        "a", "b", types=np.array([0, EVENT_TYPES.index("favourite")], np.int8), times=np.array([1_000_000, 2_000_000], np.int64)
    )
    event = explain(additive(b=3), asked, "x", most=1).cited[0].event
    assert (event.event_type, event.time) == ("favourite", 2_000_000)


def test_cells_hold_the_figures_of_the_sentences() -> None:
    found = explain(additive(b=3, c=2), history("a", "b", "c", "d"), "x", k=1)
    result = result_of(found)
    assert (result.cell("rank").value, result.cell("rank").n) == (1, 9 - 2)  # 11 items less the four of the history
    assert result.cell("rank.without").value == 3
    assert result.cell("alternative.rank").value == 2
    assert result.table.column("cited").to_pylist() == [False, True, True, False]
    json.dumps(result.to_dict(), default=str)


def test_the_chart_shows_the_cited_events_and_the_newest_others() -> None:
    found = explain(additive(b=3), history("b", *(["a"] * 30)), "x", most=1)
    drawn = chart(found, newest=5)
    assert drawn is not None
    assert drawn["yAxis"]["data"] == ["1. b", "28. a", "29. a", "30. a", "31. a"]
    cited, others = drawn["series"]
    assert [value is None for value in cited["data"]] == [False, True, True, True, True]
    assert [value is None for value in others["data"]] == [True, False, False, False, False]
    everything = chart(explain(additive(b=3), history("a", "b", "c"), "x"))
    assert everything is not None
    assert len(everything["yAxis"]["data"]) == 3


def test_a_model_of_the_last_event_is_faithful_and_its_citations_are_the_last_events() -> None:
    train = ring()
    result = faithfulness(catalog.recommender("markov").fit(train), train, users=20, most=1, log=train, repeat=True)
    assert result.table.num_rows == 20
    assert result.table["n_cited"].to_pylist() == [1] * 20
    for name in ("beyond_random", "level_with_last", "kept", "basis_events"):
        assert result.cell(name).value == 1, name
    assert result.cell("beyond_last").value == 0  # as far is not further
    assert result.cell("unmoved").value == 0


def test_a_model_that_reads_no_history_is_found_unfaithful() -> None:
    train = ring()
    result = faithfulness(catalog.recommender("popularity").fit(train), train, users=20, log=train)
    for name in ("beyond_random", "beyond_one_draw", "beyond_last", "basis_events"):
        assert result.cell(name).value == 0, name
    assert result.cell("unmoved").value == result.cell("basis_nothing").value == 1
    assert result.cell("beyond_random").n == 20


def test_users_of_faithfulness_are_drawn_with_a_seed_among_those_with_enough_events() -> None:
    model = additive(b=3)
    rows = [["a", "b", "c", "d", "e"]] * 30 + [["a", "b"]] * 30
    histories = SequenceDataset.from_lists(rows, ITEMS)
    first, again, other = (faithfulness(model, histories, users=10, draws=5, seed=seed) for seed in (0, 0, 1))
    assert first.table.equals(again.table)
    assert first.table["user_id"].to_pylist() != other.table["user_id"].to_pylist()
    assert all(int(user) < 30 for user in first.table["user_id"].to_pylist())
    assert first.meta["population"] == "10 of 30 histories with at least 5 known events"
    assert first.cell("beyond_alike").value is None  # nothing to measure likeness by


def test_bad_input_names_the_value_and_the_rule() -> None:
    model, asked = additive(b=3), history("a", "b")
    with pytest.raises(ConfigError, match="the model knows no item 'xx' among its 11; did you mean 'x'"):
        explain(model, asked, "xx")
    for name in ("k", "most", "newest", "draws"):
        with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
            explain(model, asked, "x", **{name: 0})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a deletion test is of one history, got 2"):
        explain(model, SequenceDataset.from_lists([["a"], ["b"]], ITEMS), "x")
    with pytest.raises(DataError, match="none of the 1 histories has 5 events on items that the model knows"):
        faithfulness(model, asked)
    with pytest.raises(NotFittedError, match="ItemKNN is not fitted"):
        explain(catalog.recommender("item_knn"), asked, "x")
    with pytest.raises(ConfigError, match="another vocabulary"):
        explain(catalog.recommender("item_knn").fit(clusters()), asked, "c0-1")
    with pytest.raises(ConfigError, match="the index of an item lies in 1 to 11, got 0"):
        Trial(model, asked, 0)


def test_an_event_that_costs_the_item_nothing_is_not_cited_beside_one_that_does() -> None:
    """Without b and a the fillers c to h pass x too, and its place is further back; but its lead falls by b alone."""
    fillers = dict.fromkeys("cdefgh", 3.0)
    model = ByHand(lambda ids: {"x": 5.0 if "b" in ids else 2.0, "y": 4.0} | ({} if "a" in ids else fillers))
    found = explain(model, history("a", "b"), "x")
    assert found.lowest == 8
    assert [citation.event.item_id for citation in found.cited] == ["b"]
    assert found.outcome is not None
    assert found.outcome.rank == 2


def test_the_tables_of_the_page_are_those_of_the_measured_rows() -> None:
    """`python benchmarks/explain.py --table` writes them; in a process of its own, for it sets threads where it is imported."""
    root = Path(__file__).resolve().parents[2]
    code = "import sys; sys.path.insert(0, 'benchmarks'); import explain; print(explain.MARK + explain.tables(explain.read_results()))"
    printed = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert (root / "docs" / "explain.md").read_text(encoding="utf-8").endswith(printed)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(("name", "events"), [("item_knn", "amazon-beauty/interactions.csv.gz"), ("sasrec", "ml-100k/ml-100k.inter.gz")])
def test_explanations_on_real_logs_are_faithful_and_suffice(real_data: Path, name: str, events: str) -> None:
    parts = split(read_events(real_data / events), "loo")
    model = catalog.recommender(name).fit(parts.train, validation=parts.validation)
    result = faithfulness(model, parts.test.histories, users=150, seed=1, log=parts.train)
    assert result.cell("beyond_random").value >= 0.8  # type: ignore[operator]
    assert result.cell("kept").value >= 0.6  # type: ignore[operator]
