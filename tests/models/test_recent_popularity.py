from __future__ import annotations

import numpy as np
import pytest
from planted_logs import next_events

from footpath.errors import ConfigError
from footpath.models.popularity import Popularity
from footpath.models.recent_popularity import RecentPopularity
from footpath.recommender import recommend
from footpath.sequences.dataset import SequenceDataset

DAY = 86_400_000_000


def ranking(model: RecentPopularity, train: SequenceDataset) -> list[str]:
    nobody = SequenceDataset.from_lists([[]], train.vocabulary)
    return recommend(model.fit(train), nobody, train.n_items - 1).items(0)


def test_only_events_of_the_last_days_count_and_the_rest_follow_by_all_time() -> None:
    times = np.array([0, 1, 2, 3, 4, 9, 10, 10]) * DAY
    train = SequenceDataset.from_lists([["old", "old", "old", "older", "older", "b", "b", "a"]], times=times)
    assert ranking(RecentPopularity(window_days=2), train) == ["b", "a", "old", "older"]
    assert ranking(RecentPopularity(window_days=100), train)[0] == "old"


def test_the_window_ends_with_the_last_event_and_leaves_its_start_out() -> None:
    train = SequenceDataset.from_lists([["a", "a", "b"]], times=np.array([0, 0, 2]) * DAY)
    assert ranking(RecentPopularity(window_days=2), train) == ["b", "a"]
    assert ranking(RecentPopularity(window_days=2.001), train) == ["a", "b"]


def test_without_a_clock_the_last_share_of_each_row_counts() -> None:
    train = SequenceDataset.from_lists([["a"] * 8 + ["b", "b"], ["a", "c"], ["b"]])
    scores = RecentPopularity(window_share=0.2).fit(train).score(train.between(0, 1))[0]
    counts = {id: int(scores[train.vocabulary.index(id)]) for id in "abc"}
    assert counts == {"a": 0, "b": 3, "c": 1}  # two of ten, one of two, one of one


@pytest.mark.parametrize("share", [0, 1.01])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=rf"window_share must be above 0 and at most 1, got {share}"):
        RecentPopularity(window_share=share)


@pytest.mark.real
def test_beats_popularity_on_yoochoose(yoochoose: tuple[SequenceDataset, SequenceDataset]) -> None:
    train, test = yoochoose
    histories, targets = next_events(test)
    hits = [
        (recommend(model.fit(train), histories, 20, repeat=True).indexes == targets[:, None]).any(axis=1).mean()
        for model in (Popularity(), RecentPopularity())
    ]
    assert hits[0] == pytest.approx(0.0894, abs=0.0005)
    assert hits[1] > hits[0] + 0.02
