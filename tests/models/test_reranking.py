"""Diverse lists against second, naive implementations; candidates and their scores."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_logs import clusters

from footpath.errors import ConfigError
from footpath.models.reranking import Candidates, dpp, falling, likeness_vectors, merged, mmr, scores_above
from footpath.recommender import masked, top_k
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.vocabulary import Vocabulary

TRADE_OFFS = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])


def items(seed: int, n: int, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, width))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return rng.random(n), vectors @ vectors.T


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), k=st.integers(1, 14), trade_off=TRADE_OFFS)
def test_marginal_relevance_is_its_definition(seed: int, n: int, k: int, trade_off: float) -> None:
    relevance, similarity = items(seed, n)
    chosen: list[int] = []
    while len(chosen) < min(k, n):
        rest = [i for i in range(n) if i not in chosen]
        gains = [trade_off * relevance[i] - (1 - trade_off) * max((similarity[i, j] for j in chosen), default=0.0) for i in rest]
        chosen.append(rest[int(np.argmax(gains))])
    assert mmr(relevance, similarity, k, trade_off).tolist() == chosen


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 9), k=st.integers(1, 6), trade_off=TRADE_OFFS)
def test_each_item_of_a_determinantal_list_is_the_best_by_determinants(seed: int, n: int, k: int, trade_off: float) -> None:
    relevance, similarity = items(seed, n, width=12)
    chosen = dpp(relevance, similarity, k, trade_off).tolist()
    assert len(set(chosen)) == len(chosen) == min(k, n)
    for length in range(len(chosen)):
        before = chosen[:length]
        values = {i: value(relevance, similarity, [*before, i], trade_off) for i in range(n) if i not in before}
        assert values[chosen[length]] == pytest.approx(max(values.values()), abs=1e-8)


def value(relevance: np.ndarray, similarity: np.ndarray, subset: list[int], trade_off: float) -> float:
    log_det = np.linalg.slogdet(similarity[np.ix_(subset, subset)])[1]
    return float(trade_off * relevance[subset].sum() + (1 - trade_off) * log_det)


def test_a_determinantal_list_comes_close_to_the_best_of_all_subsets() -> None:
    found, best = [], []
    for seed in range(20):
        relevance, similarity = items(seed, 9, width=12)
        chosen = dpp(relevance, similarity, 4, 0.5).tolist()
        found.append(value(relevance, similarity, chosen, 0.5))
        best.append(max(value(relevance, similarity, list(subset), 0.5) for subset in combinations(range(9), 4)))
    assert (np.array(found) <= np.array(best) + 1e-9).all()
    assert np.mean(np.array(best) - np.array(found)) < 0.05
    assert np.isclose(found, best).sum() >= 8


@pytest.mark.parametrize("diversify", [mmr, dpp])
def test_twins_are_kept_apart_unless_relevance_is_all_that_counts(diversify: Callable[..., np.ndarray]) -> None:
    relevance = np.array([1.0, 0.9, 0.8])
    similarity = np.array([[1.0, 0.99, 0.0], [0.99, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert diversify(relevance, similarity, 3, 0.5).tolist() == [0, 2, 1]
    assert diversify(relevance, similarity, 3, 1.0).tolist() == [0, 1, 2]


def test_where_nothing_adds_volume_relevance_goes_on() -> None:
    relevance = np.array([0.3, 0.9, 0.2, 0.8])
    assert dpp(relevance, np.ones((4, 4)), 4, 0.5).tolist() == [1, 3, 0, 2]
    assert dpp(relevance, np.ones((4, 4)), 3, 0.0).tolist() == [0, 1, 3]


@pytest.mark.parametrize("diversify", [mmr, dpp])
@pytest.mark.parametrize(
    ("k", "trade_off", "n", "says"),
    [
        (0, 0.5, 3, "k must be at least 1, got 0"),
        (1, 1.5, 3, "trade_off must be in 0 to 1, got 1.5"),
        (1, float("nan"), 3, "trade_off must be in 0 to 1, got nan"),
        (1, 0.5, 2, r"must have shape \(3, 3\), got \(2, 2\)"),
    ],
)
def test_what_cannot_be_chosen_is_refused(diversify: Callable[..., np.ndarray], k: int, trade_off: float, n: int, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        diversify(np.ones(3), np.eye(n), k, trade_off)


def made(seed: int, n_users: int = 6, n: int = 12) -> tuple[np.ndarray, SequenceDataset]:
    rng = np.random.default_rng(seed)
    vocabulary = Vocabulary.build([f"i{i}" for i in range(n)])
    rows = [[f"i{i}" for i in rng.integers(0, n, rng.integers(0, 6))] for _ in range(n_users)]
    table = rng.integers(0, 5, (n_users, n + 1)).astype(np.float32)
    table[:, 0] = -np.inf
    return table, SequenceDataset.from_lists(rows, vocabulary)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1, 3, 20])
def test_candidates_are_the_best_unseen_and_the_seen_among_the_best_of_all(seed: int, n: int) -> None:
    table, histories = made(seed)
    found = merged(top_k(table, n), top_k(masked(table.copy(), histories, repeat=False), n), histories)
    for b in range(len(histories)):
        order = sorted(range(1, table.shape[1]), key=lambda i: (-table[b, i], i))
        seen = set(histories.history(b).tolist())
        wanted = {i for i in order[:n] if i in seen} | set([i for i in order if i not in seen][:n])
        real = found.items[b] > 0
        assert found.items[b][real].tolist() == [i for i in order if i in wanted]
        np.testing.assert_array_equal(found.scores[b][real], table[b, found.items[b][real]])
        assert not real[real.sum() :].any()


def test_standard_scores_are_of_the_candidates_of_one_history() -> None:
    found = Candidates(np.array([[3, 1, 0], [2, 3, 1], [1, 2, 3]], np.int32), np.array([[4.0, 2.0, 0.0], [5.0, 5.0, 5.0], [1e9, 1.0, 1.0]]))
    np.testing.assert_allclose(found.standard, [[1, -1, 0], [0, 0, 0], [np.sqrt(2), -np.sqrt(0.5), -np.sqrt(0.5)]], atol=1e-6)


def test_scores_fall_strictly_along_the_order_and_stay_where_they_can() -> None:
    likely = np.array([[0.5, 0.9, 0.5, 0.0], [0.2, 0.8, -np.inf, -np.inf]])
    order = np.array([[1, 0, 2, 3], [0, 1, 2, 3]])  # in the second row, the less likely one was moved up
    scores = falling(likely, order)
    assert (np.diff(np.take_along_axis(scores, order, axis=1)[0]) < 0).all()
    np.testing.assert_allclose(scores[0], likely[0], atol=1e-7)
    assert scores[0, 3] > 0
    np.testing.assert_allclose(scores[1, :2], [0.2, 0.2], rtol=1e-6)
    assert scores[1, 0] > scores[1, 1]
    assert np.isneginf(scores[1, 2:]).all()


@pytest.mark.parametrize("lowest", [0.25, -3.0])
def test_all_other_items_follow_in_their_order(lowest: float) -> None:
    table, _ = made(1, n_users=2)
    found = Candidates(np.array([[4, 2], [1, 0]], np.int32), np.zeros((2, 2)))
    answers = np.array([[0.5, lowest], [0.75, -np.inf]], np.float32)
    scores = scores_above(table, found, answers)
    assert np.isfinite(scores).all()
    for b, ranked in enumerate(([4, 2], [1])):
        others = sorted((i for i in range(1, table.shape[1]) if i not in ranked), key=lambda i: (-table[b, i], i))
        assert np.argsort(-scores[b]).tolist() == [*ranked, *others, 0]
    assert scores[0, [4, 2]].tolist() == [0.5, lowest]


def test_items_are_alike_by_what_is_written_or_else_by_who_took_them() -> None:
    log = clusters()
    written = likeness_vectors(log, 0, or_takers=False)
    ids = [str(id) for id in log.vocabulary.decode(np.arange(1, log.n_items, dtype=np.int32))]
    same = np.array([[a[:2] == b[:2] for b in ids] for a in ids])
    own = np.eye(len(ids), dtype=bool)
    for vectors in (written, likeness_vectors(SequenceDataset(log.vocabulary, log.users, log.offsets, log.items), 0, or_takers=True)):
        assert vectors.shape[1] <= 32
        cosines = vectors[1:] @ vectors[1:].T
        taken = (np.bincount(log.items, minlength=log.n_items)[1:] > 0) if vectors is not written else np.ones(len(ids), bool)
        pairs = taken[:, None] & taken
        assert cosines[same & ~own & pairs].mean() > cosines[~same & pairs].mean() + 0.1
        np.testing.assert_allclose(np.linalg.norm(vectors[1:][taken], axis=1), 1, atol=1e-5)


def test_items_of_which_only_the_category_is_known_have_no_vectors() -> None:
    log = clusters()
    n = log.n_items
    features = ItemFeatures([""] * n, [""] * n, ["", *["a"] * (n - 1)], [()] * n)
    known = SequenceDataset(log.vocabulary, log.users, log.offsets, log.items, item_features=features)
    assert likeness_vectors(known, 0, or_takers=False).shape == (n, 0)


def test_wide_vectors_of_items_are_made_narrow() -> None:
    log = clusters()
    n = log.n_items
    features = ItemFeatures([""] * n, [""] * n, [""] * n, [()] * n, np.random.default_rng(0).normal(size=(n, 50)).astype(np.float32))
    known = SequenceDataset(log.vocabulary, log.users, log.offsets, log.items, item_features=features)
    assert likeness_vectors(known, 0, or_takers=False).shape == (n, 32)
