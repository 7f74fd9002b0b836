from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath.training.batches import MASK, TrainingBatch, Windows
from footpath.training.objectives import all_action, masked, next_item


def windows(lengths: list[int], seed: int) -> Windows:
    rng = np.random.default_rng(seed)
    shape = (len(lengths), max(lengths))
    real = np.arange(shape[1]) < np.array(lengths)[:, None]
    items, types, times = (
        np.where(real, rng.integers(1, 10**6, shape), 0),
        np.where(real, rng.integers(1, 4, shape), 0),
        np.where(real, 7, 0),
    )
    values = np.where(real, rng.random(shape), np.nan).astype(np.float32)
    return Windows(real, items, types, np.cumsum(times, axis=1) * real, values)


def asked(batch: TrainingBatch) -> dict[tuple[int, int], int]:
    length = batch.inputs.items.shape[1]
    return {divmod(p, length): i for p, i in zip(batch.real.tolist(), batch.targets.tolist(), strict=True)}


cases = given(st.lists(st.integers(2, 9), min_size=1, max_size=6), st.integers(0, 999), st.sampled_from([None, (1,), (1, 3), (9,)]))


@cases
@settings(max_examples=60, deadline=None)
def test_next_item_asks_for_the_event_right_after_where_it_is_of_a_target_type(
    lengths: list[int], seed: int, targets: tuple[int, ...] | None
) -> None:
    w = windows(lengths, seed)
    assert w.types is not None
    expected = {
        (b, t): w.items[b, t + 1] for b, n in enumerate(lengths) for t in range(n - 1) if targets is None or w.types[b, t + 1] in targets
    }
    batch = next_item(w, np.random.default_rng(0), targets=targets)
    assert asked(batch) == expected
    assert asked(all_action(w, np.random.default_rng(0), within=1, targets=targets)) == expected


@cases
@settings(max_examples=60, deadline=None)
def test_all_action_asks_for_one_of_the_next_events_of_a_target_type(
    lengths: list[int], seed: int, targets: tuple[int, ...] | None
) -> None:
    w = windows(lengths, seed)
    assert w.types is not None
    soon = {
        (b, t): {w.items[b, s] for s in range(t + 1, min(t + 4, n)) if targets is None or w.types[b, s] in targets}
        for b, n in enumerate(lengths)
        for t in range(n - 1)
    }
    found = asked(all_action(w, np.random.default_rng(seed), within=3, targets=targets))
    assert set(found) == {place for place, items in soon.items() if items}
    assert all(item in soon[place] for place, item in found.items())


def test_all_action_draws_uniformly() -> None:
    w = windows([5] * 6000, 0)
    found = asked(all_action(w, np.random.default_rng(1), within=3))
    shares = np.mean([[found[b, 0] == w.items[b, s] for s in (1, 2, 3)] for b in range(6000)], axis=0)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.025)  # four standard deviations


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_masked_hides_all_that_is_known_of_real_events_and_at_least_one_a_row(lengths: list[int], seed: int) -> None:
    w = windows(lengths, seed)
    batch = masked(w, np.random.default_rng(seed), share=0.3)
    hidden = np.zeros(w.real.shape, bool)
    for (b, t), item in asked(batch).items():
        assert item == w.items[b, t] > 0
        hidden[b, t] = True
    assert hidden.any(axis=1).all()
    np.testing.assert_array_equal(batch.inputs.items, np.where(hidden, MASK, w.items))
    np.testing.assert_array_equal(batch.inputs.types, np.where(hidden, 0, w.types))
    np.testing.assert_array_equal(batch.inputs.values, np.where(hidden, np.nan, w.values))


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_parts_of_all_ranks_are_the_batch(size: int) -> None:
    w, rng = windows([2, 5, 3, 8, 4], 3), np.random.default_rng(0)
    for batch in (next_item(w, rng, targets=(1, 2)), all_action(w, rng, within=3), masked(w, rng, share=0.4)):
        parts = [batch.rows_of(rank, size) for rank in range(size)]
        assert torch.equal(torch.cat([part.inputs.items for part in parts]), batch.inputs.items)
        whole, first = {}, 0
        for part in parts:
            whole |= {(b + first, t): item for (b, t), item in asked(part).items()}
            first += len(part.inputs.items)
        assert whole == asked(batch)
