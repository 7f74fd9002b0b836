from __future__ import annotations

import pytest
import torch

from footpath.errors import ConfigError
from footpath.models.esasrec import ESASRec
from footpath.models.layers import LiGRBlock


def test_shut_gates_let_an_event_through_as_it_is_and_open_ones_add_the_whole_answer() -> None:
    torch.manual_seed(0)
    block = ESASRec(dim=8, heads=2).block(0).eval()
    assert isinstance(block, LiGRBlock)
    x = torch.randn(3, 5, 8)

    def answered(gate: float) -> torch.Tensor:
        with torch.inference_mode():
            for linear in (block.attention_gate, block.feed_forward_gate):
                linear.weight.zero_()
                linear.bias.fill_(gate)
            return block(x)

    assert torch.equal(answered(-torch.inf), x)
    with torch.inference_mode():
        attended = x + block.attention(block.attention_norm(x))
        whole = attended + block.feed_forward(block.feed_forward_norm(attended))
    torch.testing.assert_close(answered(torch.inf), whole)
    assert (whole - x).abs().max() > 0.1


def test_the_feed_forward_layer_is_as_wide_as_asked() -> None:
    block = ESASRec(dim=8, expansion=3).block(0)
    assert isinstance(block, LiGRBlock)
    assert block.feed_forward.narrow.weight.shape == (8, 24)
    assert block.feed_forward.widen.weight.shape == (48, 8)  # gates and values side by side
    with pytest.raises(ConfigError, match="expansion must be at least 1, got 0"):
        ESASRec(expansion=0)
