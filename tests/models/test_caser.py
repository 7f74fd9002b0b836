from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planted_logs import RING, ring

from footpath.errors import ConfigError
from footpath.models.caser import Caser
from footpath.sequences.dataset import SequenceDataset


@pytest.mark.parametrize(("blocks", "reads"), [(1, 4), (2, 7)])
def test_the_last_few_events_are_read_and_none_before_them(blocks: int, reads: int) -> None:
    log = ring()
    model = Caser(dim=8, blocks=blocks, reach=4, epochs=2, batch_size=16).fit(log)
    items = np.random.default_rng(0).integers(RING, size=(30, 12))

    def scores(rows: np.ndarray) -> np.ndarray:
        return model.score(SequenceDataset.from_lists([[f"r{i}" for i in row] for row in rows], log.vocabulary))

    changed = []
    for back in range(1, 13):
        other = items.copy()
        other[:, -back] = (other[:, -back] + 5) % RING
        changed.append(float(np.abs(scores(other) - scores(items)).max()))
    assert np.flatnonzero(np.array(changed) > 1e-5).tolist() == list(range(reads))


@pytest.mark.parametrize("settings", [{"reach": 0}, {"horizontal": 0}, {"vertical": -3}])
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    (field, value), *_ = settings.items()
    with pytest.raises(ConfigError, match=f"{field} must be at least 1, got {value}"):
        Caser(**settings)
