from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath.errors import ConfigError, DataError
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impressions import Impressions
from footpath.sequences.vocabulary import Vocabulary
from footpath.training.impression_batches import Columns, ImpressionBatch, ImpressionBatches

NOTHING = pa.table({})
VOCABULARY = Vocabulary.build([f"i{n}" for n in range(8)])


def rows_of(trails: list[list[int]], questions: list[tuple[int, int, int]], *, clock: bool = True, **columns: Any) -> Impressions:
    """Trails of item indexes; (trail, length, item) of each row. An event is one second after the one before it, a question half after."""
    events = np.array([item for trail in trails for item in trail], np.int32)
    offsets = np.concatenate([[0], np.cumsum([len(trail) for trail in trails], dtype=np.int64)]).astype(np.int64)
    times = np.concatenate([np.arange(1, len(trail) + 1) * 1_000_000 for trail in trails]).astype(np.int64) if trails else None
    histories = SequenceDataset(
        VOCABULARY, pa.array([f"u{n}" for n in range(len(trails))]), offsets, events, times if clock else None, **columns
    )
    rows, lengths, items = (np.array(column, np.int64) for column in zip(*questions, strict=True))
    asked = lengths * 1_000_000 + 500_000 if clock else None
    return Impressions(histories, rows, lengths, items.astype(np.int32), {}, NOTHING, NOTHING, NOTHING, asked)


def batches_of(rows: Impressions, *, max_len: int = 3, batch_size: int = 4, **more: Any) -> ImpressionBatches:
    """The columns and the label of a row hold its number, by which it is found again."""
    number = torch.arange(len(rows))
    columns = Columns(number[:, None], number[:, None].float(), number[:, None] % 2 == 0)
    return ImpressionBatches(rows, columns, np.arange(len(rows), dtype=np.float32)[:, None], max_len, batch_size, **more)


def numbers(batch: ImpressionBatch) -> list[int]:
    found = batch.columns.codes[:, 0].tolist()
    assert batch.labels[:, 0].tolist() == batch.columns.amounts[:, 0].tolist() == found, "a row keeps what belongs to it"
    assert batch.columns.missing[:, 0].tolist() == [n % 2 == 0 for n in found]
    return found


def seen(batch: ImpressionBatch, place: int) -> list[int]:
    """The items that the question of a row shows."""
    question = int(batch.question[place])
    return batch.events.items[question, : int(batch.lengths[question])].tolist()


def naive(rows: Impressions, number: int, max_len: int, known: np.ndarray) -> list[int]:
    trail = rows.histories.history(int(rows.rows[number]))[: rows.lengths[number]].tolist()
    return [item for item in trail if known[item]][-max_len:]


@st.composite
def impressions(draw: st.DrawFn) -> Impressions:
    trails = draw(st.lists(st.lists(st.integers(0, 8), max_size=7), min_size=1, max_size=5))
    place = st.integers(0, len(trails) - 1).flatmap(
        lambda row: st.tuples(st.just(row), st.integers(0, len(trails[row])), st.integers(0, 8))
    )
    return rows_of(trails, draw(st.lists(place, min_size=1, max_size=30)), clock=draw(st.booleans()))


@settings(max_examples=80, deadline=None)
@given(impressions(), st.integers(1, 4), st.integers(1, 9), st.sets(st.integers(1, 8)) | st.none(), st.integers(0, 3))
def test_every_impression_comes_once_an_epoch_after_its_newest_known_events(
    rows: Impressions, max_len: int, batch_size: int, of_known: set[int] | None, seed: int
) -> None:
    known = np.isin(np.arange(9), list(range(1, 9) if of_known is None else of_known))
    made = batches_of(rows, max_len=max_len, batch_size=batch_size, known=None if of_known is None else known)
    found: list[int] = []
    for batch in made.shuffled(np.random.default_rng(seed)):
        own = numbers(batch)
        found += own
        for place, number in enumerate(own):
            assert seen(batch, place) == naive(rows, number, max_len, known)
            item = int(rows.items[number])
            assert batch.items[place] == (item if of_known is None or known[item] else 0)
            if rows.times is not None:
                assert batch.requests is not None
                assert batch.requests[batch.question[place]] == rows.times[number]
        assert batch.n_real == len(own)
        assert (batch.events.items[~batch.real] == 0).all(), "padding holds nothing"
        assert batch.events.items.shape[1] == max(1, int(batch.lengths.max()))
        assert batch.question.unique().tolist() == list(range(len(batch.lengths))), "no question without a row"
    assert sorted(found) == list(range(len(rows)))


@settings(max_examples=40, deadline=None)
@given(impressions(), st.integers(1, 9))
def test_in_order_tells_which_rows_a_batch_holds_and_leaves_none_out(rows: Impressions, batch_size: int) -> None:
    made = batches_of(rows, batch_size=batch_size)
    found: list[int] = []
    lengths: list[int] = []
    for places, batch in made.in_order():
        assert places.tolist() == numbers(batch)
        found += places.tolist()
        lengths += batch.lengths.tolist()
    assert sorted(found) == list(range(len(rows)))
    assert lengths == sorted(lengths), "shortest histories first"
    again = [places.tolist() for places, _ in made.in_order()]
    assert [number for part in again for number in part] == found


@settings(max_examples=40, deadline=None)
@given(impressions(), st.integers(1, 5))
def test_the_parts_of_all_ranks_add_up_to_the_batch(rows: Impressions, size: int) -> None:
    for batch in batches_of(rows, batch_size=7).shuffled(np.random.default_rng(0)):
        parts = [batch.rows_of(rank, size) for rank in range(size)]
        assert [number for part in parts for number in numbers(part)] == numbers(batch)
        assert torch.cat([part.question for part in parts]).tolist() == batch.question.tolist()
        assert torch.cat([part.items for part in parts]).tolist() == batch.items.tolist()
        assert max(part.n_real for part in parts) - min(part.n_real for part in parts) <= 1
        assert all(part.events is batch.events for part in parts)


def test_a_history_is_laid_out_once_however_many_items_are_asked_about_after_it() -> None:
    made = batches_of(rows_of([[1, 2, 3], [4]], [(0, 2, 5), (1, 1, 5), (0, 2, 6), (0, 3, 5), (0, 2, 7)]), batch_size=100)
    assert made.n_questions == 3
    (batch,) = made.shuffled(np.random.default_rng(0))
    assert sorted(batch.lengths.tolist()) == [1, 2, 3]
    by_question = [
        sorted(n for n, q in zip(numbers(batch), batch.question.tolist(), strict=True) if q == question) for question in range(3)
    ]
    assert sorted(by_question) == [[0, 2, 4], [1], [3]]


def test_the_same_history_at_another_moment_is_another_question() -> None:
    rows = rows_of([[1, 2]], [(0, 2, 5), (0, 2, 6)])
    later = dataclasses.replace(rows, times=np.array([2_500_000, 9_000_000]))
    assert batches_of(rows).n_questions == 1
    assert batches_of(later).n_questions == 2
    assert batches_of(rows_of([[1, 2]], [(0, 2, 5), (0, 2, 6)], clock=False)).n_questions == 1


def test_a_question_is_never_parted() -> None:
    rows = rows_of([[1], [2], [3]], [(trail, 1, 5) for trail in (0, 1, 2) for _ in range(5)])
    for size in (1, 4, 6):
        sizes = [batch.n_real for batch in batches_of(rows, batch_size=size).shuffled(np.random.default_rng(0))]
        assert all(n % 5 == 0 for n in sizes)
        assert sum(sizes) == 15


def test_batches_are_of_about_the_size_that_is_asked_for() -> None:
    rows = rows_of([[1, 2, 3]] * 103, [(trail, trail % 4, 5) for trail in range(103)])
    made = batches_of(rows, batch_size=10)
    sizes = [batch.n_real for batch in made.shuffled(np.random.default_rng(0))]
    assert len(sizes) == len(made) == 10
    assert set(sizes) <= {10, 11}


def test_batches_come_in_another_order_each_epoch_and_the_same_for_the_same_seed() -> None:
    rows = rows_of([[1, 2, 3]] * 60, [(trail, trail % 4, 5) for trail in range(60)])
    made = batches_of(rows, batch_size=5)
    rng = np.random.default_rng(0)
    first, second = ([numbers(batch) for batch in made.shuffled(rng)] for _ in range(2))
    assert [numbers(batch) for batch in made.shuffled(np.random.default_rng(0))] == first
    assert first != second
    assert {tuple(sorted(part)) for part in first} != {tuple(sorted(part)) for part in second}, "not only the order of batches differs"
    shortest = [int(rows.lengths[part].min()) for part in first]
    assert shortest != sorted(shortest), "lengths do not come in order"


def test_questions_of_nearly_the_same_length_are_put_together() -> None:
    trails = [[1] * (1 + trail % 50) for trail in range(500)]
    rows = rows_of(trails, [(trail, len(events), 5) for trail, events in enumerate(trails)])
    padding = Counter[str]()
    for batch in batches_of(rows, max_len=50, batch_size=25).shuffled(np.random.default_rng(0)):
        padding["real"] += int(batch.lengths.sum())
        padding["all"] += batch.events.items.numel()
    assert padding["real"] > 0.85 * padding["all"], "in random order half would be padding"


def test_types_times_and_values_stay_beside_their_items() -> None:
    n = 5
    rows = rows_of([[1, 0, 2], [3, 4]], [(0, 3, 5), (1, 1, 5)], types=np.arange(n, dtype=np.int8), values=np.arange(n, dtype=np.float32))
    (_, batch), *_ = batches_of(rows, batch_size=2).in_order()
    assert batch.events.items.tolist() == [[3, 0], [1, 2]]
    assert batch.events.types is not None
    assert batch.events.times is not None
    assert batch.events.values is not None
    assert batch.events.types.tolist() == [[3, 0], [0, 2]]
    assert batch.events.times.tolist() == [[1_000_000, 0], [1_000_000, 3_000_000]]
    assert torch.equal(batch.events.values.isnan(), torch.tensor([[False, True], [False, False]]))
    assert batch.events.values[1].tolist() == [0, 2]


def test_where_all_histories_are_empty_one_column_of_padding_stands_for_them() -> None:
    lone = rows_of([[1, 2], []], [(0, 0, 5), (1, 0, 6)], types=np.ones(2, np.int8), values=np.ones(2, np.float32))
    (_, batch), *_ = batches_of(lone, batch_size=2).in_order()
    assert batch.events.items.tolist() == [[0], [0]]
    assert batch.lengths.tolist() == [0, 0]
    assert not batch.real.any()
    assert batch.events.types is not None
    assert batch.events.values is not None
    assert batch.events.types.tolist() == [[0], [0]]
    assert batch.events.values.isnan().all()


def test_trails_without_an_event_make_batches_too() -> None:
    (_, batch), *_ = batches_of(rows_of([[], []], [(0, 0, 5), (1, 0, 0)], clock=False), batch_size=2).in_order()
    assert (batch.events.types, batch.events.times, batch.events.values, batch.requests) == (None, None, None, None)
    assert batch.items.tolist() == [5, 0]


def test_labels_that_nobody_knows_stay_unknown() -> None:
    rows = rows_of([[1]], [(0, 1, 5), (0, 1, 6), (0, 1, 7)])
    label = np.array([[1, np.nan], [np.nan, np.nan], [0, 1]], np.float32)
    columns = Columns(torch.zeros(3, 0, dtype=torch.int64), torch.zeros(3, 0), torch.zeros(3, 0, dtype=torch.bool))
    (places, batch), *_ = ImpressionBatches(rows, columns, label, 3, 10).in_order()
    np.testing.assert_array_equal(batch.labels.numpy(), label[places])


def test_a_batch_may_have_nothing_to_learn() -> None:
    made = dataclasses.replace(batches_of(rows_of([[1]], [(0, 1, 5)])), labels=np.zeros((1, 0), np.float32))
    assert next(iter(made.in_order()))[1].labels.shape == (1, 0)


def test_a_batch_on_its_own_device_is_itself() -> None:
    (_, batch), *_ = batches_of(rows_of([[1]], [(0, 1, 5)])).in_order()
    assert batch.to(torch.device("cpu")) is batch
    elsewhere = batch.to(torch.device("meta"))
    assert elsewhere.items.device.type == elsewhere.columns.codes.device.type == elsewhere.events.items.device.type == "meta"


@pytest.mark.parametrize(("max_len", "batch_size"), [(0, 4), (3, 0)])
def test_sizes_must_be_at_least_1(max_len: int, batch_size: int) -> None:
    with pytest.raises(ConfigError, match=f"max_len and batch_size must be at least 1, got {max_len} and {batch_size}"):
        batches_of(rows_of([[1]], [(0, 1, 5)]), max_len=max_len, batch_size=batch_size)


def test_no_impressions_make_no_batches() -> None:
    rows = rows_of([[1]], [(0, 1, 5)]).take(np.array([], np.int64))
    with pytest.raises(DataError, match="there are no impressions to make batches of"):
        batches_of(rows)
