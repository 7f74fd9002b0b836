from __future__ import annotations

import numpy as np
import pytest
import torch

from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary
from footpath.training import validation
from footpath.training.distributed import World
from footpath.training.validation import asks_for_seen, ndcg_of_lists, own_chunks, validation_ndcg

VOCABULARY = Vocabulary.build([f"i{i:02}" for i in range(30)])


def _holdout(histories: list[list[int]], relevant: list[list[int]]) -> Holdout:
    offsets = np.cumsum([0, *map(len, histories)])
    users = SequenceDataset.from_lists([[] for _ in histories]).users
    dataset = SequenceDataset(VOCABULARY, users, offsets, np.array([i for h in histories for i in h], np.int32))
    return Holdout(dataset, np.cumsum([0, *map(len, relevant)]), np.array([i for r in relevant for i in r], np.int32))


def _naive(holdout: Holdout, scores: np.ndarray, masked: bool) -> float:
    figures = []
    for b in range(len(holdout)):
        relevant = set(holdout.items[holdout.offsets[b] : holdout.offsets[b + 1]].tolist())
        if relevant:
            barred = {0} | (set(holdout.histories.history(b).tolist()) if masked else set())
            ranking = [i for i in np.argsort(-scores[b]) if i not in barred][:10]
            gain = sum(1 / np.log2(place + 2) for place, i in enumerate(ranking) if i in relevant)
            figures.append(gain / sum(1 / np.log2(place + 2) for place in range(min(10, len(relevant)))))
    return float(np.mean(figures))


def _chunks(scores: np.ndarray, order: list[list[int]]):
    for rows in order:
        yield np.array(rows), torch.from_numpy(scores[rows].copy())


@pytest.mark.parametrize(
    ("relevant", "masked"),
    [([[5], [7], [1]], True), ([[5, 6, 9], [], list(range(15, 29))], True), ([[5], [3], [1]], False)],
    ids=["one target", "many and none", "a repeat: nothing is masked"],
)
def test_it_equals_a_naive_ranking(relevant: list[list[int]], masked: bool) -> None:
    scores = np.random.default_rng(4).normal(size=(3, 31)).astype(np.float32)
    scores[:, 0] = 99  # padding never wins
    scores[0, [5, 6]] += 2
    scores[1, [3, 7]] += 2
    holdout = _holdout([[2, 3, 3], [3, 4], []], relevant)
    figure = validation_ndcg(holdout, _chunks(scores, [[2, 0], [1]]))
    assert figure == pytest.approx(_naive(holdout, scores, masked), abs=1e-9)
    assert figure > 0


def test_by_hand_a_target_in_third_place_is_worth_a_half() -> None:
    scores = np.linspace(1, 0, 31, dtype=np.float32)[None]  # item 1 leads
    assert validation_ndcg(_holdout([[]], [[3]]), _chunks(scores, [[0]])) == pytest.approx(1 / np.log2(4))
    assert validation_ndcg(_holdout([[1, 2]], [[3]]), _chunks(scores, [[0]])) == pytest.approx(1.0)


def test_a_holdout_without_targets_has_no_figure() -> None:
    assert np.isnan(validation_ndcg(_holdout([[1]], [[]]), _chunks(np.zeros((1, 31), np.float32), [[0]])))


def test_lists_made_elsewhere_have_the_figure_of_their_scores() -> None:
    scores = np.random.default_rng(6).normal(size=(40, 31)).astype(np.float32)
    for relevant, repeats in ([[b % 25 + 5] for b in range(40)], False), ([[1 + b % 2] for b in range(40)], True):
        holdout = _holdout([[1, 2, 2]] * 40, relevant)
        assert asks_for_seen(holdout) == repeats
        masked = scores.copy()
        masked[:, [0] if repeats else [0, 1, 2]] = -np.inf
        lists = np.argsort(-masked, axis=1)[:, :12].astype(np.int32)
        figure = ndcg_of_lists(holdout, iter([(np.arange(20), lists[:20]), (np.arange(20, 40), lists[20:])]))
        assert figure == validation_ndcg(holdout, _chunks(scores, [list(range(40))]))
        assert 0 < figure < 1
    with pytest.raises(ValueError, match="row 39 of 40 was scored 0 times"):
        ndcg_of_lists(holdout, iter([(np.arange(39), lists[:39])]))
    assert ndcg_of_lists(_holdout([[]], [[0]]), iter([(np.arange(1), np.zeros((1, 10), np.int32))])) == 0  # places without an item


def test_a_row_that_is_scored_twice_or_never_is_refused() -> None:
    holdout, scores = _holdout([[1], [2], [3]], [[4], [], [5]]), np.zeros((3, 31), np.float32)
    with pytest.raises(ValueError, match="row 2 of 3 was scored 2 times"):
        validation_ndcg(holdout, _chunks(scores, [[0, 2], [1, 2]]))
    with pytest.raises(ValueError, match="row 0 of 3 was scored 0 times"):
        validation_ndcg(holdout, _chunks(scores, [[1, 2]]))
    assert validation_ndcg(holdout, _chunks(scores, [[0, 2]])) >= 0  # nothing is asked of row 1


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_the_shares_of_all_processes_are_the_holdout(monkeypatch: pytest.MonkeyPatch, size: int, asked: bool) -> None:
    drawn = np.random.default_rng(size)
    scores = drawn.normal(size=(7, 31)).astype(np.float32)
    whole = _holdout([[row + 1] * row for row in range(7)], [[20 + row] * (row != 3) for row in range(7)])
    holdout = Holdout(whole.histories, whole.offsets, whole.items, np.arange(7) * 10)

    def of(histories: SequenceDataset, times: np.ndarray | None) -> validation.ScoreChunks:
        assert times is not None
        assert histories.lengths.tolist() == (times // 10).tolist()  # each history with its own request time
        for place in reversed(range(len(histories))):
            yield np.array([place]), torch.from_numpy(scores[times[[place]] // 10].copy())

    chunks = []
    for rank in range(size):
        monkeypatch.setattr(validation, "world", lambda rank=rank: World(rank, size))
        chunks += list(own_chunks(holdout, of, asked=asked))
    assert sorted(int(rows[0]) for rows, _ in chunks) == [row for row in range(7) if row != 3 or not asked]
    assert validation_ndcg(holdout, iter(chunks)) == pytest.approx(_naive(holdout, scores, True), abs=1e-9)
