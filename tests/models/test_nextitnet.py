from __future__ import annotations

import numpy as np
import pytest
from planted_logs import RING, ring

from footpath.errors import ConfigError
from footpath.models.nextitnet import NextItNet
from footpath.sequences.dataset import SequenceDataset


@pytest.mark.parametrize(
    ("blocks", "kernel", "reach"),
    [(1, 2, 4), (1, 3, 7), (2, 2, 16), (3, 3, 127)],  # 1 + (kernel - 1) * (dilations 1 + 2, + 4 + 8, + 16 + 32)
)
def test_the_reach_is_that_of_all_dilations_together(blocks: int, kernel: int, reach: int) -> None:
    log = ring()
    model = NextItNet(dim=8, blocks=blocks, kernel=kernel, max_len=200, epochs=2, batch_size=16).fit(log)
    items = np.random.default_rng(0).integers(RING, size=(20, reach + 3))

    def difference(back: int) -> float:
        other = items.copy()
        other[:, -back] = (other[:, -back] + 5) % RING
        first, second = (SequenceDataset.from_lists([[f"r{i}" for i in row] for row in rows], log.vocabulary) for rows in (items, other))
        return float(np.abs(model.score(first) - model.score(second)).max())

    assert difference(reach) > 1e-4
    assert difference(reach + 1) < 1e-6


def test_a_filter_covers_at_least_a_place() -> None:
    with pytest.raises(ConfigError, match="kernel must be at least 1, got 0"):
        NextItNet(kernel=0)
