from __future__ import annotations

from footpath.models.popularity import Popularity
from footpath.sequences.dataset import SequenceDataset


def test_scores_are_the_events_of_each_item_for_everyone() -> None:
    train = SequenceDataset.from_lists([["a", "b", "a"], ["a", "c"], ["b"]])
    scores = Popularity().fit(train).score(train)
    for row in scores:
        assert {id: row[train.vocabulary.index(id)] for id in "abc"} == {"a": 3, "b": 2, "c": 1}


def test_unknown_items_are_not_counted() -> None:
    train = SequenceDataset.from_lists([["a", "b"], ["a"]])
    holed = SequenceDataset.from_lists([["a", "zzz", "zzz", "zzz"]], train.vocabulary)
    assert Popularity().fit(holed).score(holed)[0, 0] == 0
