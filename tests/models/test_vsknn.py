from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planted_logs import next_events

from footpath.errors import ConfigError
from footpath.models import vsknn
from footpath.models.vsknn import VSKNN
from footpath.recommender import recommend
from footpath.sequences.dataset import SequenceDataset


def sessions(n: int, seed: int, *, clock: bool) -> SequenceDataset:
    generator = np.random.default_rng(seed)
    rows = [[f"i{i}" for i in generator.integers(0, 40, generator.integers(1, 12))] for _ in range(n)]
    n_events = sum(map(len, rows))
    return SequenceDataset.from_lists(rows, times=generator.permutation(n_events).astype(np.int64) if clock else None)


def by_loops(model: VSKNN, train: SequenceDataset, histories: SequenceDataset) -> np.ndarray:
    scores = np.zeros((len(histories), train.n_items))
    order = list(range(len(train)))
    if train.times is not None:
        order.sort(key=lambda s: -int(train.times[train.offsets[s + 1] - 1]))
    for b in range(len(histories)):
        latest_first: list[int] = []
        for item in reversed(histories.history(b).tolist()):
            if item and item not in latest_first:
                latest_first.append(item)
        latest_first = latest_first[: model.max_len]
        n = len(latest_first)
        candidates = [s for s in order if set(latest_first) & set(train.history(s).tolist())]
        if train.times is not None:
            candidates = candidates[: model.recent_sessions]
        similar = []
        for rank, s in enumerate(candidates):
            theirs = set(train.history(s).tolist())
            shared = [step for step, item in enumerate(latest_first) if item in theirs]
            similar.append((-sum(1 - step / n for step in shared) / np.sqrt(len(theirs)), rank, s, min(shared) + 1))
        for minus_similarity, _, s, steps in sorted(similar)[: model.neighbours]:
            for item in set(train.history(s).tolist()):
                scores[b, item] -= minus_similarity / steps
    return scores


@pytest.mark.parametrize("clock", [True, False])
@pytest.mark.parametrize("model", [VSKNN(), VSKNN(5, 20, 4), VSKNN(10, 30, 1)], ids=str)
def test_scores_are_those_of_plain_loops(model: VSKNN, clock: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vsknn, "_ROWS", 16)  # several chunks
    train = sessions(90, 1, clock=clock)
    histories = train.prefixes(np.arange(50), np.minimum(train.lengths[:50], 7))
    expected = by_loops(model, train, histories)
    scores = model.fit(train).score(histories)
    # sums of float32 may order two nearly equal neighbours otherwise: such rows are rare, and the rest is equal
    same = np.isclose(np.maximum(scores, 0), expected, atol=1e-5).all(axis=1)
    assert same.mean() > 0.95


def test_the_latest_item_decides_between_two_sessions() -> None:
    train = SequenceDataset.from_lists([["a", "x"], ["b", "y"]])
    histories = SequenceDataset.from_lists([["a", "b"], ["b", "a"], ["b", "a", "b"]], train.vocabulary)
    found = recommend(VSKNN().fit(train), histories, 1)
    assert [found.items(b) for b in range(3)] == [["y"], ["x"], ["y"]]


def test_with_a_clock_older_sessions_make_room_for_newer_ones() -> None:
    train = SequenceDataset.from_lists([["a", "old"], ["a", "new"], ["a", "newer"]], times=np.array([0, 1, 10, 11, 20, 21]))
    histories = SequenceDataset.from_lists([["a"]], train.vocabulary)
    scores = VSKNN(neighbours=2, recent_sessions=2).fit(train).score(histories)[0]
    assert scores[train.vocabulary.index("old")] < 0 < scores[train.vocabulary.index("new")]
    clockless = VSKNN(neighbours=3, recent_sessions=3).fit(dataclasses.replace(train, times=None)).score(histories)[0]
    assert clockless[train.vocabulary.index("old")] == pytest.approx(clockless[train.vocabulary.index("newer")])


def test_fewer_candidates_than_neighbours_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"recent_sessions must be at least neighbours, 100, got 50"):
        VSKNN(recent_sessions=50)


@pytest.mark.real
def test_reaches_the_measured_quality_on_yoochoose(yoochoose: tuple[SequenceDataset, SequenceDataset]) -> None:
    train, test = yoochoose
    histories, targets = next_events(test)
    hit = recommend(VSKNN().fit(train), histories, 20, repeat=True).indexes == targets[:, None]
    assert hit.any(axis=1).mean() >= 0.67
    assert (hit / np.log2(np.arange(2, 22))).sum(axis=1).mean() >= 0.42
    assert (hit / np.arange(1, 21)).sum(axis=1).mean() >= 0.36
