"""Two stages: who learns from what, whose order stands, what diversity and caps do to a list, what is refused."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
import pytest
from planted_logs import RING, clusters, ring

from footpath import recommender
from footpath.errors import ConfigError, DataError, NotFittedError, RunError
from footpath.evaluation.protocol import evaluate
from footpath.models import catalog, storage, two_stage
from footpath.models.catalog import Entry
from footpath.models.item_knn import ItemKNN
from footpath.models.popularity import Popularity
from footpath.models.two_stage import RANK, SCORE, TwoStage
from footpath.recommender import masked, recommend, refit, top_k
from footpath.rules import Rules
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.impressions import Impressions
from footpath.sequences.split import Holdout, Split
from footpath.sequences.vocabulary import Vocabulary

GROUPS, SIZE = 6, 20


@dataclasses.dataclass
class Follows:
    """A ranker that knows how often an item was taken after the newest of a history, out of how often it was asked about there."""

    prior: float = 1.0
    items: Vocabulary = dataclasses.field(init=False, repr=False, compare=False)
    tasks: tuple[str, ...] = dataclasses.field(init=False, repr=False, compare=False)
    learned_from: Impressions = dataclasses.field(init=False, repr=False, compare=False)
    validated_on: Impressions | None = dataclasses.field(init=False, repr=False, compare=False, default=None)
    asked: list[Impressions] = dataclasses.field(init=False, repr=False, compare=False, default_factory=list)
    rates: np.ndarray = dataclasses.field(init=False, repr=False, compare=False)

    def fit(self, train: Impressions, *, validation: Impressions | None = None, progress: Any = None) -> Self:
        self.items, self.tasks, self.learned_from, self.validated_on = train.vocabulary, train.tasks, train, validation
        n = train.histories.n_items
        shown, taken = np.zeros((n, n)), np.zeros((n, n))
        np.add.at(shown, (newest(train), train.items), 1)
        np.add.at(taken, (newest(train), train.items), train.label(train.tasks[-1]))
        self.rates = (taken + self.prior * 0.2) / (shown + self.prior)
        return self

    def predict(self, rows: Impressions) -> np.ndarray:
        self.asked.append(rows)
        rate = self.rates[newest(rows), rows.items]
        return np.stack([rate**2, rate][-len(self.tasks) :], axis=1)

    def settled(self) -> Self:
        return dataclasses.replace(self, prior=2.0 if self.validated_on is not None else self.prior)

    def state(self) -> Mapping[str, np.ndarray]:
        return {"rates": self.rates, "tasks": np.array(len(self.tasks))}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self.rates, self.tasks = items, state["rates"], ("view", "chosen")[-int(state["tasks"]) :]
        return self


@dataclasses.dataclass
class Kept(ItemKNN):
    """Keeps what it was fitted on."""

    fitted_on: SequenceDataset = dataclasses.field(init=False, repr=False, compare=False)
    validated_on: Holdout | None = dataclasses.field(init=False, repr=False, compare=False)
    all_fits: list[SequenceDataset] = dataclasses.field(init=False, repr=False, compare=False, default_factory=list)

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Any = None) -> Self:
        self.fitted_on, self.validated_on = train, validation
        FITS.append(train)
        return super().fit(train, validation=validation, progress=progress)


@dataclasses.dataclass
class Indexed(Popularity):
    """Retrieves, as a model for large catalogues does."""

    def retrieve(
        self, histories: SequenceDataset, k: int, *, request_times: np.ndarray | None = None, exclude_seen: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        return top_k(masked(self.score(histories).copy(), histories, repeat=not exclude_seen), k)


FITS: list[SequenceDataset] = []


def newest(rows: Impressions) -> np.ndarray:
    histories = rows.histories
    last = np.maximum(histories.offsets[rows.rows] + rows.lengths - 1, 0)
    return np.where(rows.lengths > 0, histories.items[last] if histories.n_events else 0, 0)


@pytest.fixture(autouse=True)
def planted_models(monkeypatch: pytest.MonkeyPatch) -> None:
    FITS.clear()
    module = ModuleType("footpath.models.planted")
    vars(module).update({name: value for name, value in globals().items() if not name.startswith("__")})  # annotations are looked up there
    for name, made, family in (("follows", Follows, "response"), ("kept", Kept, "neighbours"), ("indexed", Indexed, "popularity")):
        monkeypatch.setitem(catalog._MODELS, name, Entry("planted", made.__name__, family, "a test"))  # type: ignore[arg-type]
        monkeypatch.setattr(made, "__module__", "footpath.models.planted")
    monkeypatch.setitem(sys.modules, "footpath.models.planted", module)


def walks(n_users: int = 240, seed: int = 0) -> Split:
    """Users stay in one of six groups of twenty items, wander through eight of them, and then go three steps around its ring.

    The last step is the answer. Who knows the group knows twelve to sixteen items; which of them is next, only the newest item tells.
    """
    rng = np.random.default_rng(seed)
    rows, answers = [], []
    for user in range(n_users):
        start = int(rng.integers(SIZE))
        steps = [(start + step) % SIZE for step in range(3)]
        wander = [int(i) for i in rng.permutation(SIZE) if i not in steps][:8]
        row = [f"g{user % GROUPS}-{i:02}" for i in (*wander, *steps)]
        rows.append(row[:-1])
        answers.append(row[-1])
    vocabulary = Vocabulary.build([f"g{group}-{i:02}" for group in range(GROUPS) for i in range(SIZE)])
    ids = [str(id) for id in vocabulary.decode(np.arange(1, len(vocabulary), dtype=np.int32))]
    n = len(ids) + 1
    features = ItemFeatures([""] * n, [""] * n, ["", *(id[:2] for id in ids)], [()] * n)
    train = SequenceDataset.from_lists(rows, vocabulary, item_features=features)
    test = Holdout(train, np.arange(n_users + 1), vocabulary.encode(answers))
    return Split("loo", train, None, test, train)


def two(**fields: Any) -> TwoStage:
    return TwoStage(**{"candidates": "item_knn", "ranker": "follows", "n_candidates": 40, "negatives": 8, **fields})


def categories_listed(model: TwoStage, data: SequenceDataset, k: int = 10) -> list[list[str]]:
    found = recommend(model, data, k)
    return [[id[:2] for id in found.items(b)] for b in range(len(data))]


def test_a_ranker_puts_what_the_first_stage_finds_into_a_better_order() -> None:
    parts = walks()
    first = evaluate(ItemKNN().fit(parts.train), parts, metrics=["recall@40", "ndcg@10"])
    model = two().fit(parts.train)
    both = evaluate(model, parts, metrics=["recall@40", "ndcg@10"])
    assert first.metrics["recall@40"].value == 1
    assert first.metrics["ndcg@10"].value < 0.7
    assert both.metrics["ndcg@10"].value > first.metrics["ndcg@10"].value + 0.2
    assert both.metrics["ndcg@10"].value > 0.85
    assert both.metrics["recall@40"].value == 1
    assert model.recall == 1


def test_candidates_stand_first_with_their_probabilities_and_all_others_follow_in_the_order_of_the_first_stage() -> None:
    parts = walks()
    model = two(n_candidates=10).fit(parts.train)
    some = parts.train.between(0, 12)
    scores = masked(model.score(some), some, repeat=False)
    first = masked(ItemKNN().fit(parts.train).score(some), some, repeat=False)
    indexes, values = top_k(scores, some.n_items - 1)
    for b in range(len(some)):
        listed = indexes[b][indexes[b] > 0]
        known = top_k(first[b : b + 1], some.n_items - 1)[0][0]
        assert set(listed[:10]) == set(known[:10])
        assert listed[10:].tolist() == known[known > 0][10:].tolist()
        rate = model._ranker.rates[some.history(b)[-1], listed[:10]]  # type: ignore[attr-defined]
        assert (np.diff(rate) <= 0).all()
        np.testing.assert_allclose(values[b, :10], rate, atol=1e-6)
        assert (np.diff(values[b][: len(listed)]) < 0).all()
        assert values[b, 10] < 0


def test_seen_items_are_ranked_too_and_never_empty_a_list() -> None:
    parts = walks()
    model = two(n_candidates=5).fit(parts.train)
    some = parts.train.between(0, 12)
    assert all(len(row) == 10 for row in categories_listed(model, some))
    scores = model.score(some)
    candidates = (scores > 0).sum(axis=1)
    unseen = (masked(scores.copy(), some, repeat=False) > 0).sum(axis=1)
    assert unseen.tolist() == [5] * 12
    assert (candidates > 5).any()
    assert (candidates <= 10).all()
    with_repeats = recommend(model, some, 10, repeat=True)
    assert any(set(with_repeats.indexes[b]) & set(some.history(b)) for b in range(12))


def test_the_first_stage_that_makes_the_rows_has_not_seen_what_the_ranker_learns_from() -> None:
    train = walks().train
    model = two(candidates="kept").fit(train)
    older, everything = FITS
    assert everything is train
    assert older.lengths.tolist() == [8] * len(train)
    np.testing.assert_array_equal(older.items, train.prefixes(np.arange(len(train)), np.full(len(train), 8)).items)
    rows = model._ranker.learned_from  # type: ignore[attr-defined]
    own = rows.events[rows.label("chosen") > 0]
    assert len(own) == 2 * len(train)
    assert (own - train.offsets[train.rows[own]] >= 8).all()
    assert (train.items[own] == rows.items[rows.label("chosen") > 0]).all()


def test_negatives_are_candidates_that_the_user_does_not_take_later() -> None:
    train = walks().train
    model = two(candidates="kept", n_candidates=8, negatives=6).fit(train)
    rows = model._ranker.learned_from  # type: ignore[attr-defined]
    table = ItemKNN().fit(FITS[0]).score(train.prefixes(rows.rows, rows.lengths))
    table[:, 0] = -np.inf
    unseen = top_k(masked(table.copy(), train.prefixes(rows.rows, rows.lengths), repeat=False), 8)[0]
    every = top_k(table, 8)[0]
    negative = rows.label("chosen") == 0
    counts = np.bincount(rows.requests)
    assert counts.max() == 7
    for r, item in enumerate(rows.items):
        assert item in unseen[r] or item in every[r]
        if negative[r]:
            assert item not in train.history(int(rows.rows[r]))[8:]
    per_act = [rows.items[rows.requests == request] for request in np.unique(rows.requests)]
    assert all(len(set(act.tolist())) == len(act) for act in per_act)
    assert 0 < model.recall < 1
    assert model.recall == pytest.approx((~negative).sum() / (2 * len(train)))


def test_the_ranker_is_told_place_and_score_of_the_first_stage_alike_in_training_and_serving() -> None:
    train = walks().train
    model = two(candidates="popularity", n_candidates=30).fit(train)
    ranker: Any = model._ranker
    some = train.between(0, 3)
    model.score(some)
    for rows, first, part in (
        (ranker.learned_from, Popularity().fit(train.prefixes(np.arange(len(train)), np.full(len(train), 8))), None),
        (ranker.asked[-1], Popularity().fit(train), some),
    ):
        histories = train.prefixes(rows.rows, rows.lengths) if part is None else part.take(rows.rows)
        table = first.score(histories)
        for r in range(0, len(rows), 7):
            seen = histories.history(r)
            order = sorted(range(1, train.n_items), key=lambda i: (-table[r, i], i))
            unseen = [i for i in order if i not in seen][:30]
            candidates = [i for i in order if i in unseen or (i in seen and i in order[:30])]
            place = candidates.index(rows.items[r])
            assert rows.context[RANK][r].as_py() == pytest.approx(np.log2(1 + place))
            values = table[r, candidates].astype(float)
            assert rows.context[SCORE][r].as_py() == pytest.approx((values[place] - values.mean()) / values.std(), abs=1e-6)


def timed(parts: Split) -> SequenceDataset:
    """The training sequences with a clock on which the last two acts of every user happen at once."""
    times = np.arange(parts.train.n_events, dtype=np.int64) * 1_000_000
    times[parts.train.offsets[1:] - 1] -= 1_000_000
    return dataclasses.replace(parts.train, times=times)


def test_acts_at_the_same_moment_do_not_see_one_another_and_requests_come_after_the_history() -> None:
    train = timed(walks())
    model = two().fit(train)
    rows = model._ranker.learned_from  # type: ignore[attr-defined]
    assert set(rows.lengths.tolist()) == {8}
    some = train.between(0, 5)
    asked = train.times[train.offsets[1:6] - 1]  # type: ignore[index]
    model.score(some, asked)
    told = model._ranker.asked[-1]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(told.times, (asked + 1)[told.rows])
    model.score(some)
    assert model._ranker.asked[-1].times is None  # type: ignore[attr-defined]
    later = model.score(some, asked + 5_000_000)
    np.testing.assert_array_equal(model._ranker.asked[-1].times, (asked + 5_000_000)[told.rows])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(later, model.score(some))


def test_validation_answers_that_are_candidates_become_rows_for_the_ranker() -> None:
    parts = walks()
    model = two(candidates="kept").fit(parts.train, validation=parts.test)
    ranker: Any = model._ranker
    rows = ranker.validated_on
    right = rows.label("chosen") > 0
    assert rows.items[right].tolist() == parts.test.items.tolist()
    assert rows.lengths.tolist() == [10] * len(rows)
    assert (np.bincount(rows.requests) == 9).all()
    assert model.settled().fields == "ranker.prior=2.0"
    assert refit(model, parts.train)._ranker.prior == 2.0  # type: ignore[attr-defined]


def test_a_validation_of_which_nothing_is_found_is_left_out() -> None:
    parts = walks()
    nobody = SequenceDataset.from_lists([[], []], parts.train.vocabulary)
    empty = Holdout(nobody, np.array([0, 1, 2]), np.array([1, 2], np.int32))
    assert two().fit(parts.train, validation=empty)._ranker.validated_on is None  # type: ignore[attr-defined]


def test_of_nobody_the_first_stage_alone_speaks() -> None:
    parts = walks()
    model = two().fit(parts.train)
    strangers = SequenceDataset.from_lists([[], ["new"]], parts.train.vocabulary)
    found = recommend(model, strangers, 20)
    assert found.items(0) == found.items(1) == recommend(Popularity().fit(parts.train), strangers, 20).items(0)


@pytest.mark.parametrize("diversify", ["mmr", "dpp"])
def test_diversity_lists_more_categories_and_costs_rank(diversify: Any) -> None:
    parts = walks()
    rows = {
        diversity: two(diversity=diversity, diversify=diversify, n_candidates=100, listed=20).fit(parts.train)
        for diversity in (0.0, 0.9, 1.0)
    }
    distinct = {d: np.mean([len(set(row)) for row in categories_listed(model, parts.test.histories)]) for d, model in rows.items()}
    ndcg = {d: evaluate(model, parts, metrics=["ndcg"]).metrics["ndcg@10"].value for d, model in rows.items()}
    assert distinct[0.0] < 3 < distinct[0.9]
    assert distinct[1.0] == GROUPS
    assert ndcg[0.0] >= ndcg[0.9] > 0.8 * ndcg[0.0]


def test_diversity_reads_who_took_what_where_nothing_is_written() -> None:
    parts = walks()
    bare = dataclasses.replace(parts.train, item_features=None)
    plain, diverse = (two(diversity=d, n_candidates=100).fit(bare) for d in (0.0, 0.9))
    assert plain._vectors.shape == (bare.n_items, 0)
    assert diverse._vectors.shape == (bare.n_items, 32)
    few = [np.mean([len(set(row)) for row in categories_listed(model, bare)]) for model in (plain, diverse)]
    assert few[1] > few[0] + 1


@pytest.mark.parametrize("diversity", [0.0, 0.5])
def test_a_cap_holds_over_the_head_of_the_list(diversity: float) -> None:
    parts = walks()
    model = two(per_category=2, n_candidates=100, listed=12, diversity=diversity).fit(parts.train)
    free = two(n_candidates=100).fit(parts.train)
    for row, uncapped in zip(categories_listed(model, parts.train, 12), categories_listed(free, parts.train, 12), strict=True):
        assert max(row.count(category) for category in row) == 2
        assert max(uncapped.count(category) for category in uncapped) > 2


def test_rules_hold_for_it_as_for_every_model() -> None:
    parts = walks()
    model = two(n_candidates=30).fit(parts.train)
    plain = recommend(model, parts.train, 10)
    best = plain.items(0)
    rules = Rules(exclude=best[:2], pin={2: "g5-00"}, per_category=3)
    found = recommend(model, parts.train, 10, rules=rules)
    for b in range(len(parts.train)):
        row = found.items(b)
        assert not set(best[:2]) & set(row)
        assert row[1] == "g5-00"
        assert len(row) == 10
        assert max([id[:2] for id in row].count(group) for group in {id[:2] for id in row}) <= 3


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("k", [1, 12, 60, 200])
@pytest.mark.parametrize("candidates", ["indexed", "popularity"])
def test_retrieving_is_the_best_of_all_scores(candidates: str, k: int, exclude_seen: bool) -> None:
    parts = walks()
    model = two(candidates=candidates, n_candidates=12).fit(parts.train)
    some = SequenceDataset.from_lists([[], ["g0-01", "new", "g0-02"], *(["g1-05"] * n for n in range(4))], parts.train.vocabulary)
    wanted = top_k(masked(model.score(some), some, repeat=not exclude_seen), k)
    found = model.retrieve(some, k, exclude_seen=exclude_seen)
    n = wanted[0].shape[1]
    np.testing.assert_array_equal(found[0][:, :n], wanted[0])
    np.testing.assert_allclose(found[1][:, :n], wanted[1], atol=1e-6)
    assert (found[0][:, n:] == 0).all()
    with pytest.raises(ConfigError, match="k must be at least 1, got 0"):
        model.retrieve(some, 0)


def test_a_large_catalogue_is_ranked_without_a_score_for_every_item(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = walks()
    expected = recommend(two(candidates="popularity").fit(parts.train), parts.train, 10)
    for module in (recommender, two_stage):
        monkeypatch.setattr(module, "RETRIEVE_FROM", 10)
    model = two(candidates="indexed").fit(parts.train)
    monkeypatch.setattr(TwoStage, "score", None)
    found = recommend(model, parts.train, 10)
    np.testing.assert_array_equal(found.indexes, expected.indexes)


def test_fitted_models_are_joined_and_saved_as_one(tmp_path: Path) -> None:
    parts = walks()
    trained = two().fit(parts.train)
    ranker = Follows(prior=3.0).fit(
        dataclasses.replace(
            trained._ranker.learned_from,
            labels={"view": trained._ranker.learned_from.label("chosen")}
            | {  # type: ignore[attr-defined]
                "chosen": trained._ranker.learned_from.label("chosen")
            },
        )  # type: ignore[attr-defined]
    )
    first = ItemKNN("cosine", neighbours=30).fit(parts.train)
    joined = TwoStage.of(first, ranker, task="chosen", n_candidates=40)
    assert (joined.candidates, joined.ranker) == ("item_knn", "follows")
    assert joined.fields == "candidates.weighting=cosine,candidates.neighbours=30,ranker.prior=3.0"
    assert np.isnan(joined.recall)
    assert evaluate(joined, parts, metrics=["ndcg"]).metrics["ndcg@10"].value > 0.9
    seen = TwoStage.of(first, ranker, n_candidates=40)
    assert (joined.score(parts.train) > seen.score(parts.train)).any()
    storage.save_model(joined, tmp_path / "model")
    loaded = storage.load_model(tmp_path / "model")
    assert isinstance(loaded, TwoStage)
    assert loaded.score(parts.train).tobytes() == joined.score(parts.train).tobytes()
    diverse = TwoStage.of(first, ranker, data=parts.train, diversity=0.5, per_category=2)
    assert diverse._codes.any()


def test_what_cannot_be_joined_is_refused() -> None:
    parts = walks()
    model = two().fit(parts.train)
    first, ranker = model._first, model._ranker
    with pytest.raises(NotFittedError, match=r"Popularity is not fitted, and TwoStage.of joins fitted models"):
        TwoStage.of(Popularity(), ranker)
    with pytest.raises(ConfigError, match=r"ItemKNN knows 36 items and the ranker has another vocabulary, of 120"):
        TwoStage.of(ItemKNN().fit(clusters()), ranker)
    with pytest.raises(ConfigError, match=r"ItemKNN knows 120 items and data has another vocabulary, of 36"):
        TwoStage.of(first, ranker, data=clusters())
    with pytest.raises(ConfigError, match=r"Follows has no task 'click'; it has: chosen"):
        TwoStage.of(first, ranker, task="click")
    with pytest.raises(ConfigError, match=r"diversity=0.5 and per_category=0 need to know how alike items are: pass data="):
        TwoStage.of(first, ranker, diversity=0.5)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"candidates": "follows"}, r"candidates is 'follows': follows answers another question"),
        ({"ranker": "item_knn"}, r"ranker is 'item_knn': item_knn answers another question"),
        ({"candidates": "two_stage"}, r"candidates cannot be two_stage itself"),
        ({"fields": "candidates.neighbours=0"}, r"candidates is 'item_knn': neighbours must be at least 1, got 0"),
        ({"fields": "ranker.nothing=0"}, r"ranker is 'follows': follows has no hyper-parameter 'nothing'"),
        ({"fields": "first.neighbours=3"}, r"fields must be of the form .*, got 'first.neighbours=3'"),
        ({"newest": 1.0}, r"newest must be above 0 and below 1, a share of the events, got 1.0"),
        ({"diversity": 1.5}, r"diversity must be in 0 to 1, got 1.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        two(**fields)


def test_fields_reach_both_models() -> None:
    model = two(candidates="mixture", fields="candidates.models=markov,popularity, candidates.fields=markov.back_off=0.5 ,ranker.prior=4")
    assert (model._first.models, model._first.fields) == ("markov,popularity", "markov.back_off=0.5")  # type: ignore[attr-defined]
    assert model._ranker.prior == 4  # type: ignore[attr-defined]


def test_a_log_without_anything_to_learn_from_is_refused() -> None:
    singles = SequenceDataset.from_lists([["a"], ["b"], ["c"]])
    with pytest.raises(DataError, match=r"none of 3 histories has an act after another one"):
        two().fit(singles)
    parts = walks()
    nowhere = SequenceDataset.from_lists([["a", "b"], ["c", "d"], ["e", "f"], ["a"], ["c"], ["e"]])
    with pytest.raises(DataError, match=r"popularity finds none of 3 acts among its 1 candidates"):
        two(candidates="popularity", n_candidates=1).fit(nowhere)
    bare = dataclasses.replace(parts.train, item_features=None)
    with pytest.raises(ConfigError, match=r"per_category=2 needs categories, and the items of the log have none"):
        two(per_category=2).fit(bare)


def test_validation_of_another_vocabulary_is_refused() -> None:
    other = clusters()
    with pytest.raises(ConfigError, match=r"vocabulary of 36 items, the training sequences with another of 120"):
        two().fit(walks().train, validation=Holdout(other, np.zeros(len(other) + 1, np.int64), np.zeros(0, np.int32)))


def test_a_state_of_other_items_is_refused() -> None:
    model = two().fit(walks().train)
    with pytest.raises(RunError, match=r"codes of TwoStage must have shape \(37,\) for its items, got \(121,\)"):
        two().restore(clusters().vocabulary, model.state())


def test_an_unfitted_model_has_no_state_no_recall_and_nothing_settled() -> None:
    for ask in (lambda m: m.state(), lambda m: m.recall, lambda m: m.settled()):
        with pytest.raises(NotFittedError, match=r"TwoStage is not fitted: call fit\(train\), or join fitted models with TwoStage.of"):
            ask(two())


def test_a_first_stage_that_tells_the_answer_is_no_column_recorded_after_the_act() -> None:
    train = ring()
    model = TwoStage(candidates="markov", negatives=5).fit(train)
    found = recommend(model, train.prefixes(np.arange(RING), np.full(RING, 4)), 1)
    assert [found.items(b) for b in range(RING)] == [[f"r{(b + 4) % RING}"] for b in range(RING)]


def test_neither_stage_loads_torch_unless_it_needs_it() -> None:
    code = (
        "import sys; from footpath.models import catalog; from footpath.sequences.dataset import SequenceDataset\n"
        "catalog.create('two_stage').fit(SequenceDataset.from_lists([['a', 'b', 'c']] * 9)); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_progress_names_the_stages() -> None:
    told: set[str] = set()
    two(ranker="gradient_boosting").fit(walks().train, progress=lambda what, done, total: told.add(what))
    assert {"finding candidates", "ranker: growing trees"} <= told
