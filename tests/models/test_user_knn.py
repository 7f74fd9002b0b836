from __future__ import annotations

import numpy as np
import pytest
from planted_logs import clusters

from footpath.models import user_knn
from footpath.models.user_knn import UserKNN
from footpath.sequences.dataset import SequenceDataset


def by_loops(train: SequenceDataset, histories: SequenceDataset, neighbours: int) -> np.ndarray:
    scores = np.zeros((len(histories), train.n_items))
    for b in range(len(histories)):
        mine = set(histories.history(b).tolist())
        cosines = []
        for u in range(len(train)):
            theirs = set(train.history(u).tolist())
            if shared := mine & theirs:
                cosines.append((-len(shared) / np.sqrt(len(mine) * len(theirs)), u))
        for minus_cosine, u in sorted(cosines)[:neighbours]:
            for item in set(train.history(u).tolist()):
                scores[b, item] -= minus_cosine
    return scores


@pytest.mark.parametrize("neighbours", [1, 7, 1000])
def test_scores_are_those_of_plain_loops(neighbours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_knn, "_ROWS", 16)  # several chunks
    generator = np.random.default_rng(1)
    # rows of different lengths, so that few cosines are equal
    train = SequenceDataset.from_lists(
        [[f"i{i}" for i in generator.choice(30, generator.integers(2, 12), replace=False)] for _ in range(80)]
    )
    histories = train.prefixes(np.arange(50), np.minimum(train.lengths[:50], 5))
    expected = by_loops(train, histories, neighbours)
    scores = UserKNN(neighbours).fit(train).score(histories)
    np.testing.assert_allclose(np.maximum(scores, 0), expected, atol=1e-5)


def test_a_repeat_counts_once() -> None:
    train = clusters()
    once = SequenceDataset.from_lists([["c0-1", "c0-2"]], train.vocabulary)
    twice = SequenceDataset.from_lists([["c0-1", "c0-2", "c0-1", "c0-1"]], train.vocabulary)
    model = UserKNN().fit(train)
    np.testing.assert_array_equal(model.score(once), model.score(twice))
