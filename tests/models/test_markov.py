from __future__ import annotations

import numpy as np
import pytest
from planted_logs import next_events

from footpath.models.markov import Markov
from footpath.recommender import recommend
from footpath.sequences.dataset import SequenceDataset


def test_scores_are_smoothed_transition_probabilities() -> None:
    train = SequenceDataset.from_lists([["a", "b", "a", "c"], ["a", "b", "b"]])
    row = Markov(back_off=2).fit(train).score(SequenceDataset.from_lists([["c", "a"]], train.vocabulary))[0]
    # after "a": b twice, c once; popularity a 3/7, b 3/7, c 1/7
    expected = {"a": (0 + 2 * 3 / 7) / 5, "b": (2 + 2 * 3 / 7) / 5, "c": (1 + 2 * 1 / 7) / 5}
    for id, probability in expected.items():
        assert row[train.vocabulary.index(id)] == pytest.approx(probability, abs=1e-6)
    assert row.sum() == pytest.approx(1, abs=1e-6)


def test_a_repeat_of_the_same_item_is_a_transition() -> None:
    train = SequenceDataset.from_lists([["a", "a", "a"], ["b"]])
    assert recommend(Markov().fit(train), train.between(0, 1), 1, repeat=True).items(0) == ["a"]


def test_only_the_last_known_item_matters() -> None:
    train = SequenceDataset.from_lists([["a", "b"], ["b", "c"], ["c", "a"]])
    histories = SequenceDataset.from_lists([["c", "a"], ["b", "b", "a", "unknown"], ["unknown"]], train.vocabulary)
    scores = Markov().fit(train).score(histories)
    np.testing.assert_array_equal(scores[0], scores[1])
    assert scores[2][1:] == pytest.approx(1 / 3)


def test_an_unknown_item_between_two_others_does_not_part_them() -> None:
    vocabulary = SequenceDataset.from_lists([["a", "b"]]).vocabulary
    train = SequenceDataset.from_lists([["a", "unknown", "b"], ["a"]], vocabulary)
    row = Markov(back_off=1).fit(train).score(SequenceDataset.from_lists([["a"]], vocabulary))[0]
    assert row[vocabulary.index("b")] == pytest.approx((1 + 1 / 3) / 2)


@pytest.mark.real
def test_reaches_the_measured_hit_rate_on_yoochoose(yoochoose: tuple[SequenceDataset, SequenceDataset]) -> None:
    train, test = yoochoose
    histories, targets = next_events(test)
    found = recommend(Markov().fit(train), histories, 20, repeat=True)
    assert (found.indexes == targets[:, None]).any(axis=1).mean() >= 0.57
