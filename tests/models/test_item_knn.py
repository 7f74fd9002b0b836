from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, ItemItemRecommender, TFIDFRecommender
from planted_logs import clusters, without_last

from footpath.errors import ConfigError
from footpath.models.item_knn import ItemKNN, Weighting
from footpath.recommender import recommend
from footpath.sequences.dataset import SequenceDataset

# implicit converts the weights that it has made itself, and warns about that
quiet = pytest.mark.filterwarnings("ignore:Method expects CSR input:implicit.utils.ParameterWarning")
WEIGHTINGS: list[Weighting] = ["cosine", "tfidf", "bm25"]


def implicit_model(weighting: Weighting, k: int) -> ItemItemRecommender:
    if weighting == "bm25":
        return BM25Recommender(K=k, K1=1.2, B=0.75)
    return CosineRecommender(K=k) if weighting == "cosine" else TFIDFRecommender(K=k)


def assert_ranks_as_implicit(log: SequenceDataset, weighting: Weighting, k: int, *, repeat: bool) -> None:
    """The same items at the same scores wherever implicit has evidence; the order of equal scores is free."""
    matrix = sp.csr_matrix((np.ones(log.n_events), (log.rows, log.items - 1)), (len(log), log.n_items - 1))
    matrix.data[:] = 1
    theirs = implicit_model(weighting, 100)
    theirs.fit(matrix, show_progress=False)
    ours = recommend(ItemKNN(weighting).fit(log), log, k, repeat=repeat)
    compared = 0
    for b in range(len(log)):
        items, scores = theirs.recommend(b, matrix[b], N=k, filter_already_liked_items=not repeat)
        evidence = scores > 0
        items, scores = items[evidence] + 1, scores[evidence]
        np.testing.assert_allclose(ours.scores[b, : len(scores)], scores, rtol=1e-4)
        tied = np.abs(np.subtract.outer(scores, scores)) <= 1e-4 * scores[:, None]
        place = {int(item): rank for rank, item in enumerate(ours.indexes[b])}
        for rank, item in enumerate(items):
            if len(items) < k or not tied[rank, -1]:  # equals of the last one may have been cut off
                assert tied[rank, place[int(item)]]
        compared += len(items)
    assert compared > len(log)


@quiet
@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_ranks_as_implicit_does(weighting: Weighting, repeat: bool) -> None:
    assert_ranks_as_implicit(clusters(200, seed=3), weighting, 10, repeat=repeat)


@quiet
@pytest.mark.real
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_ranks_as_implicit_does_on_ml_100k(weighting: Weighting, ml_100k: SequenceDataset) -> None:
    assert_ranks_as_implicit(ml_100k, weighting, 10, repeat=False)


def test_cosine_by_hand() -> None:
    train = SequenceDataset.from_lists([["a", "b"], ["a", "b"], ["a", "c"], ["d"]])
    scores = ItemKNN("cosine").fit(train).score(SequenceDataset.from_lists([["b", "c", "b"]], train.vocabulary))[0]
    at = train.vocabulary.index
    assert scores[at("a")] == pytest.approx(2 / np.sqrt(3 * 2) + 1 / np.sqrt(3 * 1), abs=1e-6)
    assert scores[at("b")] == pytest.approx(1, abs=1e-6)  # itself, once, though it occurs twice
    assert -1 <= scores[at("d")] < 0  # no evidence: after all others


def test_items_without_evidence_follow_by_popularity() -> None:
    train = SequenceDataset.from_lists([["a", "b"], ["x", "y"], ["x", "z"], ["x", "y"]])
    found = recommend(ItemKNN().fit(train), SequenceDataset.from_lists([["a"]], train.vocabulary), 4)
    assert found.items(0) == ["b", "x", "y", "z"]


def test_only_the_nearest_neighbours_are_kept() -> None:
    train = SequenceDataset.from_lists([["a", "b"], ["a", "b"], ["a", "c"], ["d", "c"], ["d", "c"]])
    scores = ItemKNN("cosine", neighbours=2).fit(train).score(SequenceDataset.from_lists([["a"]], train.vocabulary))[0]
    assert scores[train.vocabulary.index("b")] > 0
    assert scores[train.vocabulary.index("c")] < 0  # third, after a itself and b


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_users_who_took_all_items_but_one_say_nothing_under_idf(weighting: Weighting) -> None:
    train = SequenceDataset.from_lists([["a", "b"], ["a", "b"], ["a", "c"]])  # log(3 items) - log(1 + 2)
    scores = ItemKNN(weighting).fit(train).score(SequenceDataset.from_lists([["b"]], train.vocabulary))[0]
    if weighting == "cosine":
        assert scores[train.vocabulary.index("a")] == pytest.approx(2 / np.sqrt(6))
    else:
        assert scores[train.vocabulary.index("a")] > scores[train.vocabulary.index("c")]
        assert (scores < 0).all()


def test_an_unknown_weighting_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"weighting must be one of cosine, tfidf, bm25, got 'bm26'"):
        ItemKNN("bm26")  # type: ignore[arg-type]


def test_b_above_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"b must be in 0 to 1, got 1.5"):
        ItemKNN(b=1.5)


@pytest.mark.real
def test_reaches_the_measured_quality_on_beauty(beauty: SequenceDataset) -> None:
    train, targets = without_last(beauty)
    hit = recommend(ItemKNN().fit(train), train, 10).indexes == targets[:, None]
    ndcg = (hit / np.log2(np.arange(2, 12))).sum(axis=1)
    assert hit.any(axis=1).mean() >= 0.0660
    assert ndcg.mean() >= 0.0380
