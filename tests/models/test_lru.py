from __future__ import annotations

import numpy as np
import pytest
import torch
from planted_logs import ring

from footpath.errors import ConfigError
from footpath.models.layers import LRUBlock
from footpath.models.lru import LRU


def test_what_differs_between_two_users_turns_and_fades_by_the_learned_factors() -> None:
    model = LRU(dim=6, blocks=1, epochs=3, batch_size=16).fit(ring())
    weights = {name: array for name, array in model.state().items() if name.startswith("blocks.0.")}
    factor = np.exp(-np.exp(weights["blocks.0.nu"]) + 1j * np.exp(weights["blocks.0.theta"]))
    assert (np.abs(factor) < 1).all()
    block = model.block(0)
    assert isinstance(block, LRUBlock)
    block.load_state_dict({name.removeprefix("blocks.0."): torch.from_numpy(array) for name, array in weights.items()})
    block.eval()
    torch.manual_seed(0)
    state, apart = block.initial(2), []
    with torch.inference_mode():
        for x in (torch.randn(2, 6), *torch.randn(20, 1, 6).expand(20, 2, 6)):  # another first event, then the same twenty
            _, state = block.step(x, state)
            apart.append((state["h"][0] - state["h"][1]).numpy())
    assert np.abs(apart[0]).min() > 1e-3
    np.testing.assert_allclose(apart[20], factor**20 * apart[0], rtol=1e-3, atol=1e-5)


def test_the_longest_window_is_at_least_an_event() -> None:
    with pytest.raises(ConfigError, match="max_len must be at least 1, got 0"):
        LRU(max_len=0)
    assert not LRU.positional
