"""The one way in which every model recommends: order, ties, masks, chunks and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath.errors import ConfigError, NotFittedError
from footpath.progress import Progress
from footpath.recommender import Recommender, hyperparameters, masked, recommend, refit, top_k
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

LETTERS = Vocabulary.build(["a", "b", "c", "d", "e"])


@dataclass
class Table:
    """Gives the same row of scores after every history."""

    by_id: dict[str, float] = field(default_factory=dict)
    items: Vocabulary = field(init=False)

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        self.items = train.vocabulary
        return self

    def score(self, histories: SequenceDataset, request_times: np.ndarray | None = None) -> np.ndarray:
        row = np.zeros(len(self.items), np.float32)
        for id, score in self.by_id.items():
            row[self.items.index(id)] = score
        return np.broadcast_to(row, (len(histories), len(row)))

    def state(self) -> Mapping[str, np.ndarray]:
        return {}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items = items
        return self


def fitted(by_id: Mapping[str, float]) -> Table:
    return Table(dict(by_id)).fit(SequenceDataset.from_lists([["a"]], LETTERS))


def sorted_rows(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Top k by a plain sort of (score, index) pairs, row by row."""
    indexes, values = [], []
    for row in scores:
        order = sorted(range(len(row)), key=lambda i: (-row[i] if not np.isnan(row[i]) else np.inf, i))[:k]
        kept = [-np.inf if np.isnan(row[i]) else row[i] for i in order]
        indexes.append([0 if value == -np.inf else i for i, value in zip(order, kept, strict=True)])
        values.append(kept)
    return np.array(indexes, np.int32), np.array(values, np.float32)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(0, 6), st.integers(2, 400)),
    k=st.integers(1, 30),
    levels=st.sampled_from([1, 2, 5, 40, 10**6]),
    absent=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
    not_a_number=st.booleans(),
)
def test_top_k_is_a_plain_sort_by_score_then_index(
    seed: int, shape: tuple[int, int], k: int, levels: int, absent: float, not_a_number: bool
) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(-levels, levels, shape) / 3).astype(np.float32)
    scores[rng.random(shape) < absent] = np.nan if not_a_number else -np.inf
    indexes, values = top_k(scores, k)
    expected_indexes, expected_values = sorted_rows(scores, min(k, shape[1]))
    np.testing.assert_array_equal(indexes, expected_indexes.reshape(indexes.shape))
    np.testing.assert_array_equal(values, expected_values.reshape(values.shape))


def test_ties_at_the_bar_go_to_the_first_columns_however_far_they_lie() -> None:
    scores = np.zeros((3, 5_000), np.float32)
    scores[0, 3_000] = 1.0
    scores[1, :4_990] = -1.0
    scores[2] = np.arange(5_000) % 2
    indexes, _ = top_k(scores, 4)
    assert indexes.tolist() == [[3_000, 0, 1, 2], [4_990, 4_991, 4_992, 4_993], [1, 3, 5, 7]]


def test_negative_zero_ties_with_zero() -> None:
    indexes, _ = top_k(np.array([[-0.0, 0.0, -1.0]], np.float32), 2)
    assert indexes.tolist() == [[0, 1]]


def test_infinite_scores_lead() -> None:
    indexes, values = top_k(np.array([[0.0, np.inf, 3.0, -np.inf]], np.float32), 4)
    assert indexes.tolist() == [[1, 2, 0, 0]]
    assert values.tolist() == [[np.inf, 3.0, 0.0, -np.inf]]


def test_padding_and_seen_items_are_masked() -> None:
    histories = SequenceDataset.from_lists([["a", "c"], []], LETTERS)
    seen = [LETTERS.index("a"), LETTERS.index("c")]
    scores = masked(np.ones((2, 6), np.float32), histories, repeat=False)
    assert np.flatnonzero(np.isneginf(scores[0])).tolist() == sorted([0, *seen])
    assert np.flatnonzero(np.isneginf(scores[1])).tolist() == [0]


def test_only_padding_is_masked_where_repeats_are_allowed() -> None:
    histories = SequenceDataset.from_lists([["a", "c"]], LETTERS)
    scores = masked(np.ones((1, 6), np.float32), histories, repeat=True)
    assert np.flatnonzero(np.isneginf(scores[0])).tolist() == [0]


def test_recommends_the_best_unseen_items_best_first() -> None:
    model = fitted({"a": 5, "b": 4, "c": 3, "d": 2, "e": 1})
    found = recommend(model, SequenceDataset.from_lists([["a"], []], LETTERS), 3)
    assert [found.items(0), found.items(1)] == [["b", "c", "d"], ["a", "b", "c"]]
    assert found.scores[0].tolist() == [4, 3, 2]


def test_repeats_are_recommended_where_allowed() -> None:
    model = fitted({"a": 5, "b": 4, "c": 3})
    assert recommend(model, SequenceDataset.from_lists([["a"]], LETTERS), 2, repeat=True).items(0) == ["a", "b"]


def test_only_candidates_are_recommended() -> None:
    model = fitted({"a": 5, "b": 4, "c": 3})
    assert recommend(model, SequenceDataset.from_lists([[]], LETTERS), 3, candidates=["c", "b"]).items(0) == ["b", "c"]


def test_a_list_longer_than_the_catalogue_ends_with_nothing() -> None:
    found = recommend(fitted({"a": 5}), SequenceDataset.from_lists([["a", "b"]], LETTERS), 8)
    assert found.indexes.shape == (1, 8)
    assert sorted(found.items(0)) == ["c", "d", "e"]
    assert found.scores[0, 3:].tolist() == [-np.inf] * 5


def test_chunks_change_nothing() -> None:
    ids = [f"i{i}" for i in range(3_000)]
    vocabulary = Vocabulary.build(ids)
    rng = np.random.default_rng(3)
    histories = SequenceDataset.from_lists([rng.choice(ids, 5).tolist() for _ in range(150)], vocabulary)
    model = Table({id: float(i) for i, id in enumerate(ids)}).fit(histories)
    steps: list[tuple[int, int]] = []
    chunked = recommend(model, histories, 7, memory_mib=1, progress=lambda _, done, total: steps.append((done, total)))
    assert len(steps) == 4
    assert steps[-1] == (150, 150)
    np.testing.assert_array_equal(chunked.indexes, recommend(model, histories, 7).indexes)


def test_request_times_travel_with_their_histories() -> None:
    class Clock(Table):
        def score(self, histories: SequenceDataset, request_times: np.ndarray | None = None) -> np.ndarray:
            assert request_times is not None
            scores = np.zeros((len(histories), len(self.items)), np.float32)
            scores[np.arange(len(histories)), request_times] = 1
            return scores

    histories = SequenceDataset.from_lists([[]] * 4, LETTERS)
    model = Clock().fit(histories)
    assert recommend(model, histories, 1, request_times=np.array([4, 2, 5, 1])).indexes[:, 0].tolist() == [4, 2, 5, 1]


def test_a_refitted_model_keeps_its_hyperparameters() -> None:
    model = fitted({"a": 2.0})
    again = refit(model, SequenceDataset.from_lists([["a"]], LETTERS))
    assert isinstance(again, Recommender)
    assert again is not model
    assert hyperparameters(again) == {"by_id": {"a": 2.0}}


@pytest.mark.parametrize(("option", "value"), [("k", 0), ("memory_mib", -2)])
def test_an_impossible_size_is_refused(option: str, value: int) -> None:
    with pytest.raises(ConfigError, match=rf"{option} must be at least 1, got {value}"):
        recommend(fitted({}), SequenceDataset.from_lists([[]], LETTERS), **{option: value})


def test_unknown_candidates_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"1 of 2 candidates are unknown to the model, such as 'z'"):
        recommend(fitted({}), SequenceDataset.from_lists([[]], LETTERS), candidates=["a", "z"])


def test_an_unfitted_model_is_refused() -> None:
    with pytest.raises(NotFittedError, match=r"Table is not fitted: call fit"):
        recommend(Table(), SequenceDataset.from_lists([[]], LETTERS))
    with pytest.raises(NotFittedError, match=r"Table is not fitted: call fit"):
        recommend(Table().restore(Vocabulary.build([]), {}), SequenceDataset.from_lists([[]], LETTERS))


def test_histories_of_another_vocabulary_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"vocabulary of 1 items, Table was fitted on another of 5"):
        recommend(fitted({}), SequenceDataset.from_lists([["a"]]))


def test_scores_of_the_wrong_shape_are_refused() -> None:
    class Narrow(Table):
        def score(self, histories: SequenceDataset, request_times: np.ndarray | None = None) -> np.ndarray:
            return np.zeros((len(histories), 5), np.float32)

    model = Narrow().fit(SequenceDataset.from_lists([["a"]], LETTERS))
    with pytest.raises(ConfigError, match=r"\(1, 6\), got \(1, 5\)"):
        recommend(model, SequenceDataset.from_lists([[]], LETTERS))
