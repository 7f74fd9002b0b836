from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

from footpath.errors import ConfigError, DataError
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.vocabulary import Vocabulary
from footpath.training.batches import TrainingBatches, history_batches, known_events, padded
from footpath.training.objectives import next_item

MAX_LEN = 5


@pytest.fixture
def sequences() -> SequenceDataset:
    rng = np.random.default_rng(0)
    return SequenceDataset.from_lists([[f"i{i}" for i in rng.integers(40, size=n)] for n in [0, 1, 2, 3, 3, 4, 6, 7, 12, 2, 1, 5]])


def _pairs(sequences: SequenceDataset) -> Counter[tuple[int, ...]]:
    """(history inside the window, next item), counted."""
    pairs: Counter[tuple[int, ...]] = Counter()
    for b in range(len(sequences)):
        window = sequences.history(b)[-MAX_LEN - 1 :].tolist()
        pairs.update(tuple(window[: t + 1]) for t in range(1, len(window)))
    return pairs


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_every_position_is_learned_once_an_epoch_from_what_came_before_it(sequences: SequenceDataset, batch_size: int) -> None:
    batches = TrainingBatches(sequences, MAX_LEN + 1, batch_size, next_item)
    found: Counter[tuple[int, ...]] = Counter()
    n_batches = 0
    for batch in batches.shuffled(np.random.default_rng(1)):
        n_batches += 1
        length = batch.inputs.items.shape[1]
        for place, target in zip(batch.real.tolist(), batch.targets.tolist(), strict=True):
            row, position = divmod(place, length)
            found[(*batch.inputs.items[row, : position + 1].tolist(), target)] += 1
    assert found == _pairs(sequences)
    assert n_batches == len(batches)


@pytest.mark.parametrize("window", [2, 3, 6])
def test_windows_of_all_events_make_each_event_but_the_first_a_target_once(sequences: SequenceDataset, window: int) -> None:
    found: Counter[tuple[int, int]] = Counter()
    for batch in TrainingBatches(sequences, window, 4, next_item, newest=False).shuffled(np.random.default_rng(1)):
        items = batch.inputs.items
        assert items.shape[1] < window
        found.update(zip(items.flatten()[batch.real].tolist(), batch.targets.tolist(), strict=True))
    rows = [sequences.history(b).tolist() for b in range(len(sequences))]
    assert found == Counter(pair for row in rows for pair in pairwise(row))


def test_windows_of_all_events_end_where_the_history_does() -> None:
    sequences = SequenceDataset.from_lists([list("abcdefgh"), list("ab")])
    batches = TrainingBatches(sequences, 4, 10, next_item, newest=False)
    assert list(zip(batches.rows.tolist(), batches.stops.tolist(), strict=True)) == [(0, 8), (0, 5), (0, 2), (1, 2)]
    assert batches.share == 1
    newest = TrainingBatches(sequences, 4, 10, next_item)
    assert list(zip(newest.rows.tolist(), newest.stops.tolist(), strict=True)) == [(0, 8), (1, 2)]
    assert newest.share == (3 + 1) / (7 + 1)


def test_the_last_position_of_the_model_is_an_input(sequences: SequenceDataset) -> None:
    widths = [
        batch.inputs.items.shape[1] for batch in TrainingBatches(sequences, MAX_LEN + 1, 2, next_item).shuffled(np.random.default_rng(0))
    ]
    assert max(widths) == MAX_LEN


def test_rows_are_padded_on_the_right_with_zeros_and_only_there(sequences: SequenceDataset) -> None:
    for batch in TrainingBatches(sequences, MAX_LEN + 1, 4, next_item).shuffled(np.random.default_rng(0)):
        real = torch.zeros(batch.inputs.items.numel(), dtype=torch.bool)
        real[batch.real] = True
        assert torch.equal(real.view_as(batch.inputs.items), batch.inputs.items > 0)
        assert (batch.inputs.items[:, 1:] > 0).logical_and(batch.inputs.items[:, :-1] == 0).sum() == 0


def test_rows_of_like_length_share_a_batch() -> None:
    rng = np.random.default_rng(0)
    sequences = SequenceDataset.from_lists([["a"] * n for n in rng.integers(2, 50, size=2_000)])
    batches = list(TrainingBatches(sequences, 51, 32, next_item).shuffled(rng))
    share_real = sum(len(batch.real) for batch in batches) / sum(batch.inputs.items.numel() for batch in batches)
    assert share_real > 0.85
    widths = [batch.inputs.items.shape[1] for batch in batches]
    assert widths != sorted(widths)


def test_few_lengths_are_four_to_a_doubling_and_change_nothing_that_is_learned() -> None:
    rng = np.random.default_rng(0)
    sequences = SequenceDataset.from_lists([[f"i{i}" for i in rng.integers(40, size=n)] for n in range(2, 80)])
    tight, wide = (
        list(TrainingBatches(sequences, 51, 1, next_item, few_lengths=few).shuffled(np.random.default_rng(0))) for few in (False, True)
    )
    for one, other in zip(tight, wide, strict=True):
        length = one.inputs.items.shape[1]
        assert torch.equal(one.inputs.items, other.inputs.items[:, :length])
        assert not other.inputs.items[:, length:].any()
        assert torch.equal(one.real, other.real)
        assert torch.equal(one.targets, other.targets)
    expected = {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 50}  # 56 is cut to the window
    assert {batch.inputs.items.shape[1] for batch in wide} == expected


def test_the_order_is_of_the_seed_and_differs_between_epochs(sequences: SequenceDataset) -> None:
    def order(rng: np.random.Generator) -> list[list[int]]:
        return [batch.inputs.items.flatten().tolist() for batch in batches.shuffled(rng)]

    batches = TrainingBatches(sequences, MAX_LEN + 1, 2, next_item)
    rng = np.random.default_rng(3)
    first, second = order(rng), order(rng)
    assert first == order(np.random.default_rng(3))
    assert first != second


def test_unknown_items_are_dropped_before_the_window_is_cut() -> None:
    vocabulary = Vocabulary.build(["a", "b", "c"])
    sequences = SequenceDataset.from_lists([["a", "?", "b", "?", "?", "c"], ["?", "?"]], vocabulary)
    a, b, c = vocabulary.encode(["a", "b", "c"]).tolist()
    (batch,) = TrainingBatches(sequences, 3, 10, next_item).shuffled(np.random.default_rng(0))
    assert batch.inputs.items.tolist() == [[a, b]]
    assert batch.targets.tolist() == [b, c]
    (history,) = history_batches(sequences, max_len=2, batch_size=10)
    assert history.inputs.items.tolist() == [[b, c]]
    assert history.rows.tolist() == [0]


def test_known_sequences_are_not_copied(sequences: SequenceDataset) -> None:
    assert known_events(sequences) is sequences


def test_every_history_with_events_is_asked_once_and_ends_at_its_newest_event(sequences: SequenceDataset) -> None:
    rows = []
    for batch in history_batches(sequences, max_len=MAX_LEN, batch_size=4):
        for row, place, inputs in zip(batch.rows.tolist(), batch.last.tolist(), batch.inputs.items, strict=True):
            window = sequences.history(row)[-MAX_LEN:].tolist()
            assert inputs[inputs > 0].tolist() == window
            assert batch.inputs.items.flatten()[place] == window[-1]
            rows.append(row)
    assert sorted(rows) == [b for b in range(len(sequences)) if sequences.lengths[b] > 0]


def test_sequences_without_a_next_item_are_refused() -> None:
    with pytest.raises(DataError, match=r"none of 2 sequences has two known events, the longest has 1"):
        TrainingBatches(SequenceDataset.from_lists([["a"], []]), 6, 2, next_item)


def test_impossible_sizes_are_refused(sequences: SequenceDataset) -> None:
    with pytest.raises(ConfigError, match="got 1 and 2"):
        TrainingBatches(sequences, 1, 2, next_item)


def with_columns(rows: list[list[str]], vocabulary: Vocabulary | None = None) -> SequenceDataset:
    """Event number e happens at 100 e microseconds, is worth e, and is of type e modulo 3."""
    size = sum(map(len, rows))
    numbers = np.arange(size)
    return SequenceDataset.from_lists(
        rows, vocabulary, times=numbers * 100, types=(numbers % 3).astype(np.int8), values=numbers.astype(np.float32)
    )


def test_every_column_is_cut_and_padded_as_the_items_are() -> None:
    vocabulary = Vocabulary.build(["a", "b", "c"])
    log = with_columns([["a", "b", "?", "c", "a"], ["b"]], vocabulary)  # events 0 to 4, and 5
    windows = padded(known_events(log), np.array([0, 1]), 3)
    assert windows.real.tolist() == [[True, True, True], [True, False, False]]
    assert windows.items.tolist() == [vocabulary.encode(["b", "c", "a"]).tolist(), [*vocabulary.encode(["b"]).tolist(), 0, 0]]
    assert windows.times is not None
    assert windows.types is not None
    assert windows.times.tolist() == [[100, 300, 400], [500, 0, 0]]
    assert windows.types.tolist() == [[1, 0, 1], [2, 0, 0]]
    np.testing.assert_array_equal(windows.values, np.array([[1, 3, 4], [5, np.nan, np.nan]], np.float32))


def test_a_question_is_asked_at_the_next_event_and_the_last_one_when_it_is_said() -> None:
    log = with_columns([["a", "b", "c"], [], ["b", "c"]])
    for given, last in ((None, [400, 200]), (np.array([7_000, 8_000, 9_000]), [9_000, 7_000])):
        (batch,) = history_batches(log, max_len=5, batch_size=10, request_times=given)
        assert batch.rows.tolist() == [2, 0]
        assert batch.inputs.requests is not None
        assert batch.inputs.requests.tolist() == [[400, last[0], 0], [100, 200, last[1]]]
    (without,) = history_batches(SequenceDataset.from_lists([["a"]]), max_len=5, batch_size=10, request_times=np.array([3]))
    assert without.inputs.requests is None


def test_rows_without_an_event_of_a_target_type_after_another_are_left_out() -> None:
    log = with_columns([["a", "b"], ["c", "b", "a"], ["a", "c"]])  # types 0 1, 2 0 1, 2 0
    chosen = TrainingBatches(log, 3, 10, partial(next_item, targets=(1,)), targets=(1,))
    (batch,) = chosen.shuffled(np.random.default_rng(0))
    asked = {int(batch.inputs.items.flatten()[place]): int(target) for place, target in zip(batch.real, batch.targets, strict=True)}
    a, b = log.vocabulary.encode(["a", "b"]).tolist()
    assert asked == {a: b, b: a}
    assert len(batch.inputs.items) == 2
    with pytest.raises(DataError, match="none of the sequences has an event of the target types after another event"):
        TrainingBatches(log, 3, 10, next_item, targets=(2,))  # only the first event of a row is
    with pytest.raises(ConfigError, match="targets choose event types, and these sequences hold none"):
        TrainingBatches(SequenceDataset.from_lists([["a", "b"]]), 3, 10, next_item, targets=(1,))


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_parts_of_a_batch_are_the_batch(sequences: SequenceDataset, size: int) -> None:
    for batch in TrainingBatches(sequences, MAX_LEN + 1, 5, next_item).shuffled(np.random.default_rng(0)):
        length = batch.inputs.items.shape[1]
        parts = [batch.rows_of(rank, size) for rank in range(size)]
        assert torch.equal(torch.cat([part.inputs.items for part in parts]), batch.inputs.items)
        assert torch.equal(torch.cat([part.targets for part in parts]), batch.targets)
        starts = np.cumsum([0, *(len(part.inputs.items) for part in parts)]) * length
        assert torch.equal(torch.cat([part.real + start for part, start in zip(parts, starts.tolist(), strict=False)]), batch.real)
        assert sum(part.n_real for part in parts) == batch.n_real
        assert max(len(part.inputs.items) for part in parts) - min(len(part.inputs.items) for part in parts) <= 1
