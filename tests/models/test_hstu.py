from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from planted_logs import ring
from torch import nn

from footpath.errors import ConfigError
from footpath.models.hstu import HSTU
from footpath.models.layers import HSTUBlock
from footpath.sequences.dataset import SequenceDataset


def test_an_event_that_is_there_twice_weighs_twice() -> None:
    # without normalisations, what is added to the last event is its gate times a sum over events, by how many there are; a softmax would
    # make each event's weight depend on its company
    torch.manual_seed(0)
    block = HSTU(dim=8, heads=2).block(0).eval().double()
    assert isinstance(block, HSTUBlock)
    block.norm = nn.Identity()  # type: ignore[assignment]
    block.combine = nn.Identity()  # type: ignore[assignment]
    a, b, last = 5 * torch.randn(3, 8, dtype=torch.float64)

    def added(*events: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return (block(torch.stack([*events, last])[None])[0, -1] - last) * (len(events) + 1)

    of_a, of_b = added(a) - added(), added(b) - added()
    torch.testing.assert_close(added(a, a) - added(), 2 * of_a)
    torch.testing.assert_close(added(a, b, a) - added(), 2 * of_a + of_b)
    assert of_a.abs().max() > 0.01


def with_times(log: SequenceDataset, gap: int) -> SequenceDataset:
    return dataclasses.replace(log, times=np.arange(log.n_events, dtype=np.int64) * gap * 1_000_000)


def test_gaps_of_time_count_where_the_log_has_a_clock_and_the_bias_is_wanted() -> None:
    log = ring()
    settings = {"dim": 8, "blocks": 1, "epochs": 3, "batch_size": 16}
    timed = HSTU(**settings).fit(with_times(log, 60))  # type: ignore[arg-type]
    assert np.abs(timed.score(with_times(log, 60)) - timed.score(with_times(log, 6_000))).max() > 1e-3
    assert timed.state()["blocks.0.time_bias.weight"].any()

    without_clock = HSTU(**settings).fit(log)  # type: ignore[arg-type]
    assert not without_clock.state()["blocks.0.time_bias.weight"].any()

    without_bias = HSTU(**settings, time_bias=False).fit(with_times(log, 60))  # type: ignore[arg-type]
    assert "blocks.0.time_bias.weight" not in without_bias.state()
    np.testing.assert_array_equal(without_bias.score(with_times(log, 60)), without_bias.score(with_times(log, 6_000)))


def test_heads_divide_the_width() -> None:
    with pytest.raises(ConfigError, match="heads must be at least 1 and divide dim, got 0 heads and dim 64"):
        HSTU(heads=0)
