"""Small impressions of ratings, written out, and a ridge regression without tricks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impressions import Impressions
from footpath.sequences.vocabulary import Vocabulary

Trail = Sequence[tuple[str, float]]


def asked(trails: Sequence[Trail], questions: Sequence[tuple[int, str, float]], vocabulary: Vocabulary | None = None) -> Impressions:
    """An impression for each (trail, item, label), which sees all of its trail; a trail holds (item, value), oldest first."""
    values = np.array([value for trail in trails for _, value in trail], np.float32)
    histories = SequenceDataset.from_lists([[item for item, _ in trail] for trail in trails], vocabulary, values=values)
    rows = np.array([row for row, _, _ in questions], np.int64)
    label = np.array([label for _, _, label in questions], np.float32)
    return Impressions(
        histories,
        rows,
        histories.lengths[rows],
        histories.vocabulary.encode([item for _, item, _ in questions]),
        {"rating": label},
        pa.table({}),
        pa.table({}),
        pa.table({}),
    )


def rated_trails(trails: Sequence[Trail]) -> Impressions:
    """An impression for each event that has a value, which sees the events of its trail before it."""
    events = [(b, n, item, value) for b, trail in enumerate(trails) for n, (item, value) in enumerate(trail) if value == value]
    made = asked(trails, [(b, item, value) for b, _, item, value in events])
    lengths = np.array([n for _, n, _, _ in events], np.int64)
    own = made.histories.offsets[made.rows] + lengths
    return Impressions(
        made.histories,
        made.rows,
        lengths,
        made.items,
        made.labels,
        pa.table({}),
        pa.table({}),
        pa.table({}),
        events=own,
    )


def drawn(n_users: int, n_items: int, chance: float, seed: int) -> list[list[tuple[str, float]]]:
    """Trails of whole ratings from 1 to 5, each item with this chance in each trail; that of a user with at least one."""
    rng = np.random.default_rng(seed)
    trails = []
    for _ in range(n_users):
        taken = np.flatnonzero(rng.random(n_items) < chance)
        taken = taken if len(taken) else np.array([int(rng.integers(n_items))])
        trails.append([(f"i{i}", float(rng.integers(1, 6))) for i in rng.permutation(taken)])
    return trails


def regressed(factors: list[np.ndarray], left: list[float], bias_l2: float, l2: float, dim: int) -> np.ndarray:
    """A bias and a vector, from plain normal equations."""
    gram, moment = np.diag([bias_l2, *[l2] * dim]), np.zeros(1 + dim)
    for factor, value in zip(factors, left, strict=True):
        x = np.array([1, *factor[1:]])
        gram, moment = gram + np.outer(x, x), moment + value * x
    return np.linalg.solve(gram, moment)
