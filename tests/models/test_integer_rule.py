from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from planted_logs import without_last

from footpath.models.integer_rule import IntegerRule
from footpath.recommender import recommend
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.vocabulary import Vocabulary


def test_recommends_the_next_indexes_after_the_largest_and_begins_again_after_the_last() -> None:
    vocabulary = Vocabulary(pa.array(["1", "2", "3", "4", "5"]))
    histories = SequenceDataset.from_lists([["3", "1"], ["1", "5"], []], vocabulary)
    found = recommend(IntegerRule().fit(histories), histories, 2)
    assert [found.items(b) for b in range(3)] == [["4", "5"], ["2", "3"], ["1", "2"]]


@pytest.mark.real
def test_scores_on_beauty_in_file_order_and_no_longer_once_shuffled(beauty: SequenceDataset) -> None:
    ordered = Vocabulary(pa.array(sorted(beauty.vocabulary.ids.to_pylist(), key=int)))
    items = ordered.encode(beauty.vocabulary.ids)[beauty.items - 1]
    recall = []
    for log in (dataclasses.replace(beauty, vocabulary=ordered, items=items), beauty):
        train, targets = without_last(log)
        recall.append((recommend(IntegerRule().fit(train), train, 10).indexes == targets[:, None]).any(axis=1).mean())
    assert recall[0] == pytest.approx(0.0463, abs=0.0005)
    assert recall[1] < 0.002
    assert np.isfinite(recall).all()
