"""A blend of models: what it learns from answers, what it keeps, what it refuses."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from planted_logs import clusters

from footpath.errors import ConfigError, DataError, MissingExtraError, NotFittedError, RunError
from footpath.evaluation.metrics import ndcg
from footpath.evaluation.rankings import rank
from footpath.models import catalog, mixture
from footpath.models.catalog import Entry
from footpath.models.ease import EASE
from footpath.models.item_knn import ItemKNN
from footpath.models.markov import Markov
from footpath.models.mixture import Evidence, Mixture, gather_evidence, learn_weights, on_one_scale
from footpath.models.popularity import Popularity
from footpath.recommender import Iterative, Recommender, Settled, hyperparameters, masked, refit
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary


@dataclasses.dataclass
class Planted:
    """Stands for any member: a table that says something about the last item of a history, and keeps what it was fitted on."""

    seed: int = 0
    scale: float = 1.0
    shift: float = 0.0
    note: str = ""
    items: Vocabulary = dataclasses.field(init=False, repr=False, compare=False)
    fitted_on: SequenceDataset = dataclasses.field(init=False, repr=False, compare=False)
    validated_on: Holdout | None = dataclasses.field(init=False, repr=False, compare=False)
    asked: int = dataclasses.field(init=False, repr=False, compare=False, default=0)

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Any = None) -> Self:
        self.items, self.fitted_on, self.validated_on = train.vocabulary, train, validation
        if progress is not None:
            progress("fitting planted", 1, 1)
        return self

    def score(self, histories: SequenceDataset, request_times: np.ndarray | None = None) -> np.ndarray:
        self.asked += len(histories)
        table = np.random.default_rng(self.seed).normal(size=(histories.n_items, histories.n_items))
        last = np.array([histories.history(b)[-1] if histories.lengths[b] else 0 for b in range(len(histories))], np.int64)
        return (table[last] * self.scale + self.shift).astype(np.float32)

    def state(self) -> Mapping[str, np.ndarray]:
        return {"nothing": np.zeros(1)}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items = items
        return self


@dataclasses.dataclass
class Trained(Planted):
    """As one that is trained by epochs, of which validation chooses the third."""

    epochs: int = 10
    told: tuple[Any, Path | None] | None = dataclasses.field(init=False, repr=False, compare=False, default=None)

    def observed(self, *, watch: Any = None, checkpoint: Path | None = None) -> Self:
        self.told = (watch, checkpoint)
        return self

    def settled(self) -> Self:
        return dataclasses.replace(self, epochs=3 if self.validated_on is not None else self.epochs)


@dataclasses.dataclass
class Noise(Planted):
    """Says something else about every history, and nothing that is true."""

    def score(self, histories: SequenceDataset, request_times: np.ndarray | None = None) -> np.ndarray:
        rows = [np.random.default_rng(histories.history(b)).normal(size=histories.n_items) for b in range(len(histories))]
        return np.array(rows, np.float32).reshape(len(histories), histories.n_items)


@pytest.fixture(autouse=True)
def planted_models(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("footpath.models.planted")
    module.Planted, module.Trained, module.Noise = Planted, Trained, Noise  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "footpath.models.planted", module)
    monkeypatch.setitem(catalog._MODELS, "planted", Entry("planted", "Planted", "sequence", "a test"))
    monkeypatch.setitem(catalog._MODELS, "trained", Entry("planted", "Trained", "sequence", "a test"))
    monkeypatch.setitem(catalog._MODELS, "noise", Entry("planted", "Noise", "sequence", "a test"))


def holdout(histories: SequenceDataset, answers: list[list[str]], times: np.ndarray | None = None) -> Holdout:
    flat = [id for row in answers for id in row]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in answers])]).astype(np.int64)
    return Holdout(histories, offsets, histories.vocabulary.encode(flat), times)


def two_kinds(n_users: int, seed: int, vocabulary: Vocabulary | None = None) -> tuple[SequenceDataset, list[str]]:
    """Half of the users walk on a ring amid noise, half stay in a cluster but pass through a common place: histories and what follows.

    Only the last item tells of the first half, and of the second half it tells nothing.
    """
    generator = np.random.default_rng(seed)
    rows, answers = [], []
    for user in range(n_users):
        if user % 2:
            noise = [f"noise{i}" for i in generator.permutation(12)[:3]]
            step = int(generator.integers(30))
            rows.append([*noise, f"ring{step}"])
            answers.append(f"ring{(step + 1) % 30}")
        else:
            cluster = int(generator.integers(6))
            chosen = [f"c{cluster}-{i}" for i in generator.permutation(6)[:4]]
            rows.append([*chosen[:3], "hub"])
            answers.append(chosen[3])
    return SequenceDataset.from_lists(rows, vocabulary), answers


def whole(histories: SequenceDataset, answers: list[str]) -> SequenceDataset:
    ids = histories.vocabulary.decode(histories.items)
    rows = [[*ids[histories.offsets[b] : histories.offsets[b + 1]], answer] for b, answer in enumerate(answers)]
    return SequenceDataset.from_lists(rows)  # type: ignore[arg-type]


def reciprocal_ranks(model: Recommender, histories: SequenceDataset, answers: list[str]) -> np.ndarray:
    scores = masked(model.score(histories), histories, repeat=False)
    own = scores[np.arange(len(answers)), histories.vocabulary.encode(answers)]
    return 1 / (1 + (scores > own[:, None]).sum(axis=1))


@pytest.fixture(scope="module")
def mixed() -> tuple[SequenceDataset, Holdout, SequenceDataset, list[str]]:
    """Training sequences, a validation, test histories and their answers."""
    train = whole(*two_kinds(500, seed=1))
    histories, answers = two_kinds(300, seed=2, vocabulary=train.vocabulary)
    return train, holdout(histories, [[answer] for answer in answers]), *two_kinds(400, seed=3, vocabulary=train.vocabulary)


@pytest.fixture(scope="module")
def blend(mixed: tuple[SequenceDataset, Holdout, SequenceDataset, list[str]]) -> Mixture:
    return Mixture(models="markov,item_knn").fit(mixed[0], validation=mixed[1])


@pytest.mark.parametrize("normalise", ["zscore", "softmax", "rank"])
def test_two_experts_each_right_on_half_of_the_users_are_better_together(
    normalise: Any, mixed: tuple[SequenceDataset, Holdout, SequenceDataset, list[str]]
) -> None:
    train, validation, histories, answers = mixed
    blend = Mixture(models="markov,item_knn", normalise=normalise).fit(train, validation=validation)
    both = reciprocal_ranks(blend, histories, answers)
    for alone in (Markov(), ItemKNN()):
        gain = both - reciprocal_ranks(alone.fit(train), histories, answers)
        if normalise == "rank":  # an expert that is sure does not say so by its ranks
            assert gain.mean() > 0.01
        else:
            assert gain.mean() > 0.05
            assert gain.mean() > 4 * gain.std() / np.sqrt(len(gain))


def test_a_useless_member_gets_no_weight_and_does_no_harm(mixed: tuple[SequenceDataset, Holdout, SequenceDataset, list[str]]) -> None:
    train, validation, histories, answers = mixed
    blend = Mixture(models="markov,noise").fit(train, validation=validation)
    weights = blend.weights_by_member()
    assert weights["noise"] < 0.02 * weights["markov"]
    best = reciprocal_ranks(Markov().fit(train), histories, answers).mean()
    assert reciprocal_ranks(blend, histories, answers).mean() >= best - 0.002


def test_what_is_worse_than_chance_gets_weight_zero_and_is_not_asked() -> None:
    vocabulary = Vocabulary.build([f"i{i}" for i in range(60)])
    train = SequenceDataset.from_lists([[f"i{i}"] for i in range(60)], vocabulary)
    scores = masked(Planted().fit(train).score(train), train, repeat=False)
    scores[np.isneginf(scores)] = np.inf
    worst = vocabulary.decode((1 + scores[:, 1:].argmin(axis=1)).astype(np.int32))
    blend = Mixture(models="planted,planted", fields="planted-2.scale=-1").fit(
        train, validation=holdout(train, [[str(id)] for id in worst])
    )
    assert blend.weights_by_member() == {"planted": 0, "planted-2": 1}
    member = blend._members[0]
    assert isinstance(member, Planted)
    before = member.asked
    blend.score(train)
    assert member.asked == before


def test_a_blend_is_never_worse_at_the_validation_answers_than_its_best_member() -> None:
    for seed in range(8):
        generator = np.random.default_rng(seed)
        vocabulary = Vocabulary.build([f"i{i}" for i in range(80)])
        train = SequenceDataset.from_lists([[f"i{i}"] for i in range(80)], vocabulary)
        mixture = Mixture(models="planted,planted,noise", fields=f"planted.seed={seed},planted-2.seed={seed + 50}").fit(
            train, validation=None
        )
        rows = generator.integers(80, size=60)
        histories = train.take(np.arange(80)).take(rows)
        table = masked(mixture._members[0].score(histories) + generator.normal(size=(60, 81)), histories, repeat=False)
        asked = Holdout(histories, np.arange(61), table.argmax(axis=1).astype(np.int32))
        blended = mixture.blend(mixture._members, asked)
        best = max(ndcg_of(member, asked).mean() for member in mixture._members)
        assert ndcg_of(blended, asked).mean() >= best - 1e-9


def ndcg_of(model: Recommender, asked: Holdout) -> np.ndarray:
    return ndcg(rank(model, asked, 10, trained_on=asked.histories))


def test_where_all_miss_every_answer_they_count_the_same() -> None:
    vocabulary = Vocabulary.build([f"i{i}" for i in range(60)])
    train = SequenceDataset.from_lists([[f"i{i}"] for i in range(60)], vocabulary)
    scores = masked(Planted().fit(train).score(train), train, repeat=False)
    scores[np.isneginf(scores)] = np.inf
    worst = vocabulary.decode((1 + scores[:, 1:].argmin(axis=1)).astype(np.int32))
    blend = Mixture(models="planted,planted", fields="planted-2.scale=3").fit(train, validation=holdout(train, [[str(id)] for id in worst]))
    assert blend.weights_by_member() == pytest.approx({"planted": 0.5, "planted-2": 0.5}, rel=1e-5)


def test_answers_that_repeat_a_seen_item_let_seen_items_be_candidates() -> None:
    train = SequenceDataset.from_lists([["a", "b"], ["b", "c"], ["c", "d"]] * 4)
    member: list[Recommender] = [Markov().fit(train)]
    fresh = gather_evidence(member, holdout(SequenceDataset.from_lists([["a", "b"]], train.vocabulary), [["c"]]))
    again = gather_evidence(member, holdout(SequenceDataset.from_lists([["a", "b"]], train.vocabulary), [["a", "c"]]))
    assert (fresh.values["zscore"] > -1e29).sum() == 2
    assert (again.values["zscore"] > -1e29).sum() == 4


@pytest.mark.parametrize("scale", ["zscore", "softmax", "rank"])
@pytest.mark.parametrize("n_answers", [2, 15])
def test_the_ndcg_of_the_candidates_is_that_of_the_blend(scale: Any, n_answers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "_TOP", 90)
    generator = np.random.default_rng(5)
    vocabulary = Vocabulary.build([f"i{i}" for i in range(300)])
    histories = SequenceDataset.from_lists([[f"i{b}", f"i{b + 1}"] for b in range(100)], vocabulary)
    answers = [[f"i{i}" for i in generator.permutation(300) if i not in (b, b + 1)][:n_answers] for b in range(100)]
    asked = holdout(histories, answers)
    members: list[Recommender] = [Planted(seed=1, scale=9).fit(histories), Popularity().fit(histories), Planted(seed=2).fit(histories)]
    evidence = gather_evidence(members, asked)
    assert evidence.values[scale].shape == (3, 100, 270)
    weights = np.array([0.3, 0.2, 0.5])
    blend = Mixture(models="planted,popularity,planted", normalise=scale, weights=",".join(map(str, weights / evidence.spreads[scale])))
    expected = ndcg_of(blend.blend(members, asked), asked)
    assert expected.any()
    np.testing.assert_allclose(evidence.ndcg(scale, weights.tolist()), expected)


@pytest.mark.parametrize("digits", [None, 1, 0])
def test_ranks_are_those_of_the_textbook_with_no_few_and_many_equal_scores(digits: int | None) -> None:
    scores = np.random.default_rng(3).normal(size=(4, 50)).astype(np.float32)
    scores = scores if digits is None else np.round(scores, digits)
    scores = np.maximum(scores, 0) if digits == 0 else scores  # half of a row, as where most items were never seen together
    greater = (scores[:, None, 1:] > scores[:, 1:, None]).sum(axis=2)
    as_great = (scores[:, None, 1:] == scores[:, 1:, None]).sum(axis=2)
    expected = 60 / (60 + greater + (as_great + 1) / 2)
    np.testing.assert_allclose(mixture.on_one_scale(scores, "rank")[:, 1:], expected)


def test_selection_finds_the_weights_of_a_grid(mixed: tuple[SequenceDataset, Holdout, SequenceDataset, list[str]]) -> None:
    train, validation, *_ = mixed
    evidence = gather_evidence([Markov().fit(train), ItemKNN().fit(train)], validation, ["zscore"])
    scale, weights = learn_weights(evidence)
    assert scale == "zscore"
    assert weights.sum() == pytest.approx(1)
    grid = [evidence.ndcg("zscore", [w, 1 - w]).mean() for w in np.linspace(0, 1, 101)]
    values = weights * evidence.spreads["zscore"]
    found = evidence.ndcg("zscore", (values / values.sum()).tolist()).mean()
    assert found >= max(grid) - 0.01
    assert found > max(grid[0], grid[-1]) + 0.05


def test_the_scale_is_chosen_and_kept_in_settled_and_saved_mixtures(mixed: Any) -> None:
    """A member that is right about half of the histories says so by the size of its scores, which only softmax hears."""
    generator = np.random.default_rng(1)
    n = 200
    values = {}
    sure = np.arange(n) % 2 == 0
    for scale in ("zscore", "softmax"):
        table = generator.normal(size=(2, n, 40)).astype(np.float32)
        table[0, sure, 7], table[1, ~sure, 7] = 5, 5
        if scale == "softmax":
            table[0, ~sure] *= 0.1
            table[1, sure] *= 0.1
        else:
            table[0, ~sure] *= 3
            table[1, sure] *= 3
        values[scale] = table
    spreads = {scale: np.ones(2) for scale in values}
    evidence = Evidence(values, spreads, np.arange(n), np.full(n, 7), np.ones(n))  # type: ignore[arg-type]
    assert learn_weights(evidence)[0] == "softmax"
    train, validation, histories, _ = mixed
    model = Mixture(models="markov,item_knn").fit(train, validation=validation)
    assert model.settled().normalise == model._scale
    scales: tuple[Any, ...] = ("zscore", "softmax", "rank")
    for scale in scales:
        fixed = Mixture(models="markov,item_knn", normalise=scale).fit(train, validation=validation)
        assert fixed._scale == fixed.settled().normalise == scale
        again = Mixture(models="markov,item_knn").restore(fixed.items, fixed.state())
        assert again.score(histories).tobytes() == fixed.score(histories).tobytes()
    assert Mixture(models="markov", weights="1").fit(train, validation=validation)._scale == "zscore"


@given(arrays(np.float32, (3, 9), elements=st.integers(-5, 5)), st.sampled_from(["zscore", "softmax", "rank"]))
def test_some_columns_have_the_scale_of_all(scores: np.ndarray, scale: Any) -> None:
    columns = np.array([[0, 1, 4], [2, 3, 8], [0, 0, 5]])
    expected = np.take_along_axis(on_one_scale(scores, scale), columns, axis=1)
    np.testing.assert_allclose(on_one_scale(scores, scale, columns), expected, rtol=1e-12)


def test_at_most_two_thousand_histories_are_asked_and_the_seed_chooses_them() -> None:
    vocabulary = Vocabulary.build([f"i{i}" for i in range(40)])
    histories = SequenceDataset.from_lists([[f"i{b % 20}"] for b in range(2100)], vocabulary)
    asked = holdout(histories, [[f"i{20 + b % 20}"] for b in range(2100)])
    member: list[Recommender] = [Planted().fit(histories)]
    first, again, other = (gather_evidence(member, asked, seed=seed).values["zscore"] for seed in (0, 0, 1))
    assert first.shape == (1, 2000, 40)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@given(
    arrays(np.float32, (3, 6), elements=st.integers(-1000, 1000)),
    st.sampled_from([0.25, 2.0, 512.0]),
    st.integers(-1000, 1000),
)
def test_standard_scores_do_not_know_the_scale_and_the_shift_of_a_member(scores: np.ndarray, scale: float, shift: int) -> None:
    np.testing.assert_allclose(
        on_one_scale(scores * np.float32(scale) + np.float32(shift), "zscore"), on_one_scale(scores, "zscore"), atol=1e-6
    )


def test_a_member_scaled_and_shifted_gives_the_same_blend(mixed: tuple[SequenceDataset, Holdout, SequenceDataset, list[str]]) -> None:
    train, validation, histories, _ = mixed
    for weights in ("1,0.5", None):
        models: dict[str, Any] = {"models": "markov,planted", "normalise": "zscore", "weights": weights}
        plain = Mixture(**models).fit(train, validation=validation)
        other = Mixture(**models, fields="planted.scale=64,planted.shift=-7").fit(train, validation=validation)
        assert other.weights_by_member() == pytest.approx(plain.weights_by_member(), rel=1e-4)
        np.testing.assert_allclose(other.score(histories), plain.score(histories), rtol=1e-4, atol=1e-4)


def test_each_scale_by_hand() -> None:
    scores = np.array([[99, 1, 2, 3, 2]], np.float32)  # mean 2, variance 1/2
    np.testing.assert_allclose(on_one_scale(scores, "zscore")[0], np.array([0, -1, 0, 1, 0]) * np.sqrt(2))
    total = np.exp(1) + 2 * np.exp(2) + np.exp(3)
    np.testing.assert_allclose(np.exp(on_one_scale(scores, "softmax")[0, 1:]), np.exp([1, 2, 3, 2]) / total)
    np.testing.assert_allclose(on_one_scale(scores, "rank")[0], [0, 60 / 64, 60 / 62.5, 60 / 61, 60 / 62.5])


@pytest.mark.parametrize("normalise", ["zscore", "softmax", "rank"])
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_what_has_no_score_ranks_below_what_has_and_leaves_the_rest_alone(normalise: Any, bad: float) -> None:
    scores = np.array([[0, 3, bad, 1, 2, bad], [0, bad, bad, bad, bad, bad], [0, 5, 5, 5, bad, 5]], np.float32)
    scaled = on_one_scale(scores, normalise)
    assert np.isfinite(scaled).all()
    assert scaled[0, 1] > scaled[0, 4] > scaled[0, 3] > scaled[0, 2] == scaled[0, 5]
    assert len(set(scaled[1, 1:])) == 1
    assert scaled[2, 1] == scaled[2, 5] > scaled[2, 4]
    if normalise == "zscore":
        finite = on_one_scale(scores[:1, [0, 1, 3, 4]], "zscore")
        np.testing.assert_allclose(scaled[0, [1, 3, 4]], finite[0, 1:])


def test_a_score_of_plus_infinity_ranks_first() -> None:
    scaled = on_one_scale(np.array([[0, 3, np.inf, 1]], np.float32), "zscore")
    assert np.isfinite(scaled).all()
    assert scaled[0].argmax() == 2


def test_equal_scores_say_nothing() -> None:
    assert on_one_scale(np.full((2, 1000), 0.1, np.float32), "zscore").any() == False  # noqa: E712


def test_one_bad_score_of_a_member_does_not_poison_the_blend(monkeypatch: pytest.MonkeyPatch, mixed: Any) -> None:
    train, _, histories, _ = mixed
    blend = Mixture(models="markov,popularity", weights="1,1").fit(train)
    plain = blend.score(histories)
    assert np.isfinite(plain).all()
    item = train.vocabulary.index("hub")
    score = Popularity.score

    def broken(self: Popularity, *args: Any) -> np.ndarray:
        table = score(self, *args)
        table[:, item] = np.nan
        return table

    monkeypatch.setattr(Popularity, "score", broken)
    found = blend.score(histories)
    assert np.isfinite(found).all()
    others = np.delete(score(Popularity().fit(train), histories), item, axis=1)
    lowest = on_one_scale(others, "zscore")[:, 1:].min(axis=1)
    expected = on_one_scale(Markov().fit(train).score(histories), "zscore")[:, item] + lowest - 1
    np.testing.assert_allclose(found[:, item], expected, rtol=1e-4, atol=1e-4)


def test_the_score_is_the_weighted_sum(mixed: Any) -> None:
    train, _, histories, _ = mixed
    blend = Mixture(models="markov,ease", fields="ease.l2=100", weights="0.25,2").fit(train)
    expected = 0.25 * on_one_scale(Markov().fit(train).score(histories), "zscore")
    expected += 2 * on_one_scale(EASE(l2=100).fit(train).score(histories), "zscore")
    np.testing.assert_allclose(blend.score(histories), expected, rtol=1e-5, atol=1e-5)


def test_request_times_reach_the_members(monkeypatch: pytest.MonkeyPatch, mixed: Any) -> None:
    train, *_ = mixed
    blend = Mixture(models="planted,markov", weights="1,1").fit(train)
    histories = SequenceDataset.from_lists([["hub", "c0-1"], ["hub"], ["c0-2"]], train.vocabulary)
    got: list[list[int]] = []
    score = Planted.score

    def listening(self: Planted, histories: SequenceDataset, request_times: np.ndarray | None = None) -> np.ndarray:
        assert request_times is not None
        got.append(request_times.tolist())
        return score(self, histories, request_times)

    monkeypatch.setattr(Planted, "score", listening)
    blend.score(histories, np.array([10, 20, 30]))
    assert got == [[10, 20, 30]]


def test_state_and_restore_change_nothing(blend: Mixture, mixed: Any) -> None:
    _, _, histories, _ = mixed
    state = {name: np.array(array) for name, array in blend.state().items()}
    assert {name.split(".")[0] for name in state} == {"0", "1", "weights", "scale"}
    again = Mixture(**hyperparameters(blend)).restore(blend.items, state)
    assert again.score(histories).tobytes() == blend.score(histories).tobytes()
    assert again.weights_by_member() == blend.weights_by_member()


def test_the_weights_of_other_members_are_not_restored(blend: Mixture) -> None:
    with pytest.raises(RunError, match=r"weights of Mixture must have shape \(1,\) for the models 'markov', got \(2,\)"):
        Mixture(models="markov").restore(blend.items, blend.state())


def test_refit_keeps_the_weights_and_fits_the_members_on_everything(blend: Mixture, mixed: Any) -> None:
    train, _, histories, _ = mixed
    some = train.between(0, 200)
    again = refit(blend, some)
    assert isinstance(again, Mixture)
    assert again.weights_by_member() == pytest.approx(blend.weights_by_member(), rel=1e-5)
    weights = list(again.weights_by_member().values())
    expected = weights[0] * on_one_scale(Markov().fit(some).score(histories), "zscore")
    expected += weights[1] * on_one_scale(ItemKNN().fit(some).score(histories), "zscore")
    np.testing.assert_allclose(again.score(histories), expected, rtol=1e-4, atol=1e-4)


def test_settled_members_keep_what_validation_chose_and_what_was_given(mixed: Any) -> None:
    train, validation, *_ = mixed
    fields = "trained.note=view,purchase, trained-2.scale=0.1,trained-2.seed=7"
    model = Mixture(models="trained,trained,markov", fields=fields, seed=4).fit(train, validation=validation)
    settled = model.settled()
    first, second, _ = settled._members
    assert (first.epochs, first.note, first.seed) == (3, "view,purchase", 4)  # type: ignore[attr-defined]
    assert (second.epochs, second.scale, second.seed) == (3, 0.1, 7)  # type: ignore[attr-defined]
    assert isinstance(model, Settled)
    assert settled.weights is not None
    assert hyperparameters(settled.fit(train).settled()) == hyperparameters(settled)


def test_without_validation_a_tenth_gives_its_last_event_and_the_members_are_fitted_twice() -> None:
    train = clusters(n_users=300)
    held_on: list[int] = []

    def progress(what: str, done: int, total: int) -> None:
        if what.startswith("trained: "):
            held_on.append(1)

    model = Mixture(models="trained,item_knn").fit(train, progress=progress)
    assert len(held_on) == 2
    member = model._members[0]
    assert isinstance(member, Trained)
    assert member.fitted_on is train
    assert member.epochs == 3  # as the tenth chose, in the first fit
    assert model.weights_by_member()["item_knn"] > 5 * model.weights_by_member()["trained"]


def test_the_held_tenth_is_drawn_by_the_seed_and_absent_from_what_is_fitted() -> None:
    train = dataclasses.replace(clusters(n_users=300), times=np.arange(clusters(n_users=300).n_events))
    held, asked = mixture._last_events_of_a_tenth(train, 0)
    assert len(asked) == 30
    assert held.n_events == train.n_events - 30
    assert asked.request_times is not None
    for b, user in enumerate(asked.histories.users.to_pylist()):
        row = train.row_of(user)
        assert row is not None
        assert train.history(row).tolist() == [*asked.histories.history(b).tolist(), asked.items[b]]
        assert held.history(row).tolist() == asked.histories.history(b).tolist()
        assert asked.request_times[b] == train.offsets[row + 1] - 1
    other = mixture._last_events_of_a_tenth(train, 1)[1].histories.users
    assert other != asked.histories.users
    assert mixture._last_events_of_a_tenth(train, 0)[1].histories.users == asked.histories.users


def test_too_few_histories_to_hold_any_out_weigh_all_members_alike() -> None:
    tiny = clusters(n_users=5)
    model = Mixture(models="popularity,item_knn", normalise="zscore").fit(tiny)
    assert model.weights_by_member() == pytest.approx({"popularity": 1.0, "item_knn": 1.0})
    raw = Mixture(models="planted,planted", fields="planted-2.scale=100", normalise="softmax").fit(tiny).weights_by_member()
    assert raw["planted"] == pytest.approx(100 * raw["planted-2"], rel=1e-3) or raw["planted"] > 50 * raw["planted-2"]


def test_shares_tell_how_much_each_member_has_to_say_on_every_scale(mixed: Any) -> None:
    """A member whose scores are a hundred times as large has as much to say with a hundredth of the weight."""
    train, _, histories, _ = mixed
    for normalise, weights in (("softmax", "1,0.01"), ("zscore", "1,1"), ("rank", "1,1")):
        blend = Mixture(models="planted,planted", fields="planted-2.scale=100", normalise=normalise, weights=weights).fit(train)
        assert blend.shares(histories) == pytest.approx({"planted": 0.5, "planted-2": 0.5}, abs=0.01)
    blend = Mixture(models="planted,markov,planted", normalise="zscore", weights="3,0,1").fit(train)
    assert blend.shares(histories) == pytest.approx({"planted": 0.75, "markov": 0.0, "planted-2": 0.25})
    everything = SequenceDataset.from_lists([["a"], ["a"]])
    nothing_to_order = Mixture(models="popularity,popularity", weights="1,3").fit(everything)
    assert nothing_to_order.shares(everything) == {"popularity": 0.25, "popularity-2": 0.75}
    assert nothing_to_order.shares(everything.between(0, 0)) == {"popularity": 0.25, "popularity-2": 0.75}
    with pytest.raises(ConfigError, match="vocabulary"):
        blend.shares(everything)


def test_members_that_are_fitted_already_are_blended_without_fitting(blend: Mixture, mixed: Any) -> None:
    train, validation, histories, _ = mixed
    fresh = Mixture(models="markov,item_knn")
    blended = fresh.blend([Markov().fit(train), ItemKNN().fit(train)], validation)
    assert blended.weights_by_member() == blend.weights_by_member()
    assert blended.score(histories).tobytes() == blend.score(histories).tobytes()
    with pytest.raises(NotFittedError):
        fresh.score(histories)
    fixed = Mixture(models="markov", weights="2").blend([Markov().fit(train)], validation)
    assert fixed.weights_by_member() == {"markov": 2.0}


def test_members_that_are_not_those_of_the_mixture_are_not_blended(mixed: Any) -> None:
    train, validation, *_ = mixed
    fresh = Mixture(models="markov,item_knn")
    with pytest.raises(ConfigError, match="members must be Markov, ItemKNN, as models says, got ItemKNN"):
        fresh.blend([ItemKNN().fit(train)], validation)
    with pytest.raises(NotFittedError, match="ItemKNN is not fitted"):
        fresh.blend([Markov().fit(train), ItemKNN()], validation)
    with pytest.raises(ConfigError, match="vocabulary"):
        fresh.blend([Markov().fit(train), ItemKNN().fit(clusters(8))], validation)


def test_fixed_weights_are_not_learned_again(mixed: Any) -> None:
    train, validation, *_ = mixed
    model = Mixture(models="markov,planted", weights="0.25,0.75")
    assert model.fit(train, validation=validation).weights_by_member() == {"markov": 0.25, "planted": 0.75}
    member = model._members[1]
    assert isinstance(member, Planted)
    assert member.validated_on is validation
    assert model.fit(train).weights_by_member() == {"markov": 0.25, "planted": 0.75}


def test_the_same_seed_gives_the_same_weights_and_scores(mixed: Any) -> None:
    train, validation, histories, _ = mixed
    first, again = (Mixture(models="markov,item_knn,planted").fit(train, validation=validation) for _ in range(2))
    assert first.weights_by_member() == again.weights_by_member()
    assert first.score(histories).tobytes() == again.score(histories).tobytes()


def test_the_seed_is_that_of_every_member_without_its_own() -> None:
    model = Mixture(models="planted,planted,markov", fields="planted-2.seed=5", seed=3)
    assert [getattr(member, "seed", None) for member in model._members] == [3, 5, None]


def test_members_trained_by_epochs_are_watched_and_keep_progress_in_their_own_directories(tmp_path: Path, mixed: Any) -> None:
    train, validation, *_ = mixed

    def watch(figures: Any) -> bool:
        return False

    model = Mixture(models="trained,markov,trained")
    assert isinstance(model, Iterative)
    model.observed(watch=watch, checkpoint=tmp_path).fit(train, validation=validation)
    assert [member.told for member in model._members if isinstance(member, Trained)] == [
        (watch, tmp_path / "trained"),
        (watch, tmp_path / "trained-2"),
    ]
    model.fit(train, validation=validation)  # the settings were those of one fit
    assert [member.told for member in model._members if isinstance(member, Trained)] == [(None, None)] * 2
    model.observed(checkpoint=tmp_path).fit(train)  # is fitted twice, and the second may not go on from the first
    assert [member.told for member in model._members if isinstance(member, Trained)] == [
        (None, tmp_path / "trained" / "refit"),
        (None, tmp_path / "trained-2" / "refit"),
    ]


def test_progress_is_told_under_the_names_of_the_members(mixed: Any) -> None:
    train, validation, *_ = mixed
    told: list[str] = []
    Mixture(models="planted,ease").fit(train, validation=validation, progress=lambda what, done, total: told.append(what))
    assert told[:3] == ["planted: fitting planted", "ease: fitting ease", "ease: fitting ease"]
    assert set(told[3:]) == {"weighing the members"}


@given(st.lists(st.floats(0, 1e6).filter(lambda x: x == 0 or x > 1e-12), min_size=3, max_size=3).filter(any))
def test_weights_are_written_and_read_to_six_digits(row: list[float]) -> None:
    train = SequenceDataset.from_lists([["a", "b"]])
    models = "popularity,popularity,popularity"
    settled = Mixture(models=models, weights=",".join(map(repr, row))).fit(train).settled()
    again = settled.fit(train)
    np.testing.assert_allclose(list(again.weights_by_member().values()), row, rtol=1e-5)
    assert again.settled().weights == settled.weights


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"models": ""}, r"models must be names .* got ''"),
        ({"models": "ease,,markov"}, r"models must be names .* got 'ease,,markov'"),
        ({"models": "eaze"}, r"models names 'eaze': no model 'eaze'.*did you mean 'ease'"),
        ({"models": "ease,mixture"}, r"models cannot hold a mixture, got 'ease,mixture'"),
        ({"fields": "l2=3"}, r"fields must be of the form .* got 'l2=3'"),
        ({"fields": "ease.l2"}, r"fields must be of the form .* got 'ease.l2'"),
        ({"fields": "eaze.l2=3"}, r"fields name 'eaze', the members are ease, markov; did you mean 'ease'"),
        ({"fields": "ease-2.l2=3"}, r"fields name 'ease-2', the members are ease, markov"),
        ({"fields": "ease.l3=3"}, r"fields of ease: ease has no hyper-parameter 'l3', it takes l2, memory_gib"),
        ({"fields": "ease.l2=much"}, r"fields of ease: ease.l2 must be a number, got 'much'"),
        ({"fields": "markov.back_off=2,ease.l2=-1"}, r"fields of ease: l2 must be above 0 and finite, got -1"),
        ({"normalise": "minmax"}, r"normalise must be auto, zscore, softmax or rank, got 'minmax'"),
        ({"seed": -1}, r"seed must be at least 0, got -1"),
        ({"weights": -1}, r"weights must be text .* got -1"),
        ({"weights": "half,half"}, r"weights must be numbers .* got 'half,half'"),
        ({"weights": ""}, r"weights must be numbers .* got ''"),
        ({"weights": "1,1,1"}, r"weights must be 2 numbers, one for each of the models, got 3 in '1,1,1'"),
        ({"weights": "1,-0.5"}, r"weights must be at least 0 and finite, got '1,-0.5'"),
        ({"weights": "1,nan"}, r"weights must be at least 0 and finite, got '1,nan'"),
        ({"weights": "inf,1"}, r"weights must be at least 0 and finite, got 'inf,1'"),
        ({"weights": "0,0"}, r"weights must not all be 0, got '0,0'"),
    ],
)
def test_a_bad_setting_is_refused_with_its_value(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Mixture(**{"models": "ease,markov"} | settings)


def test_a_member_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "footpath.models.sasrec", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "footpath.models.sasrec")
    with pytest.raises(MissingExtraError, match=r"sasrec needs torch.*footpath\[models\]"):
        Mixture(models="ease,sasrec")


def test_an_unfitted_mixture_says_so(mixed: Any) -> None:
    model = Mixture(models="markov")
    with pytest.raises(NotFittedError, match="Mixture is not fitted"):
        model.score(mixed[2])
    with pytest.raises(NotFittedError, match="Mixture is not fitted"):
        model.shares(mixed[2])
    for ask in (model.settled, model.state, model.weights_by_member):
        with pytest.raises(NotFittedError, match="Mixture is not fitted"):
            ask()


def test_a_validation_of_another_vocabulary_or_without_answers_is_refused(mixed: Any) -> None:
    train, *_ = mixed
    other = SequenceDataset.from_lists([["hub"]])
    with pytest.raises(ConfigError, match=r"validation histories are encoded with a vocabulary of 1 items"):
        Mixture(models="markov").fit(train, validation=holdout(other, [["hub"]]))
    with pytest.raises(DataError, match=r"none of the 0 validation histories has an answer"):
        Mixture(models="markov").fit(train, validation=holdout(train.between(0, 0), []))
    with pytest.raises(DataError, match=r"none of the 2 validation histories has an answer"):
        Mixture(models="markov").fit(train, validation=holdout(train.between(0, 2), [[], []]))


def test_a_failed_fit_leaves_a_fitted_mixture_as_it_was(mixed: Any) -> None:
    train, validation, histories, _ = mixed
    model = Mixture(models="markov").fit(train, validation=validation)
    before = model.score(histories)
    with pytest.raises(DataError):
        model.fit(train.between(0, 3), validation=holdout(train.between(0, 0), []))
    np.testing.assert_array_equal(model.score(histories), before)


def test_histories_without_answers_and_unknown_users_are_passed_over(mixed: Any) -> None:
    train, validation, *_ = mixed
    ids = [str(id) for id in train.vocabulary.decode(validation.items)]
    padded = SequenceDataset(
        train.vocabulary,
        pa.array([*validation.histories.users.to_pylist(), "nobody"], pa.string()),
        np.append(validation.histories.offsets, validation.histories.n_events),
        validation.histories.items,
    )
    with_nobody = Mixture(models="markov,item_knn").fit(train, validation=holdout(padded, [*([id] for id in ids), []]))
    assert with_nobody.weights_by_member() == Mixture(models="markov,item_knn").fit(train, validation=validation).weights_by_member()
