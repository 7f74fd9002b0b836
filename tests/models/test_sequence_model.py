"""What every sequence model of the catalog does beyond the shared contract: serving one event at a time is scoring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from footpath.events.contract import EVENT_TYPES
from footpath.models import catalog
from footpath.models.sequence_model import Act, SequenceModel
from footpath.sequences.dataset import SequenceDataset

SEQUENCE_MODELS = [name for name in catalog.names() if catalog.entry(name).family in ("recurrence", "convolution", "attention")]
TINY: dict[str, Any] = {"dim": 8, "max_len": 4, "epochs": 2, "batch_size": 16, "inputs": "type,value,gap"}


def timed(seed: int = 0, n: int = 24) -> SequenceDataset:
    rng = np.random.default_rng(seed)
    rows = [[f"i{i}" for i in rng.integers(9, size=rng.integers(2, 9))] for _ in range(n)]
    size = sum(map(len, rows))
    times = np.concatenate([np.cumsum(rng.integers(1, 10**10, size=len(row))) for row in rows])
    values = np.where(rng.random(size) < 0.3, np.nan, rng.random(size)).astype(np.float32)
    return SequenceDataset.from_lists(rows, times=times, types=rng.integers(1, 6, size).astype(np.int8), values=values)


@pytest.mark.parametrize("later", [0, 5_000_000, 10**12])
@pytest.mark.parametrize(
    ("name", "request_time"), [(n, False) for n in SEQUENCE_MODELS] + [(n, True) for n in ("sasrec", "esasrec", "hstu")]
)
def test_reading_one_act_after_another_scores_as_the_whole_history_does(name: str, request_time: bool, later: int) -> None:
    log = timed()
    model = catalog.create(name, **TINY, request_time=request_time).fit(log)
    assert isinstance(model, SequenceModel)
    assert log.times is not None
    assert log.types is not None
    assert log.values is not None
    ends = log.times[log.offsets[1:] - 1] + later
    expected = model.score(log, ends)
    assert {len(log.history(b)) > 4 for b in range(8)} == {True, False}
    for b in range(8):
        reading = None
        for e in range(log.offsets[b], log.offsets[b + 1]):
            time = int(log.times[e])
            last = e == log.offsets[b + 1] - 1
            act = Act(str(log.vocabulary.decode(log.items[e : e + 1])[0]), EVENT_TYPES[log.types[e]], time, float(log.values[e]))
            before = model.score_reading(reading)
            after = model.step(model.step(reading, Act("unknown", time=time)), act, int(ends[b]) if last else None)
            np.testing.assert_array_equal(model.score_reading(reading), before)
            reading = after
        np.testing.assert_allclose(model.score_reading(reading), expected[b], atol=1e-4)
