from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from footpath.errors import ConfigError
from footpath.models.layers import AttentionBlock, CausalSelfAttention, attention

B, L, D, H = 3, 7, 8, 2


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(B, L, D, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def block() -> AttentionBlock:
    torch.manual_seed(0)
    return AttentionBlock(D, H, dropout=0.5).eval()


@pytest.mark.parametrize("length", [1, L, 60])
def test_plain_causal_attention_equals_torchs(length: int) -> None:
    q, k, v = torch.randn(3, B, H, length, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    later = torch.full((length, length), -torch.inf, dtype=torch.float64).triu(1)
    torch.testing.assert_close(attention(q, k, v, later), F.scaled_dot_product_attention(q, k, v, is_causal=True))


def test_long_and_short_sequences_take_different_ways_to_the_same_states() -> None:
    torch.manual_seed(0)
    layer = CausalSelfAttention(D, H)
    x = torch.randn(1, 300, D)
    with torch.no_grad():
        torch.testing.assert_close(layer(x)[:, :200], layer(x[:, :200]), atol=1e-5, rtol=1e-5)


def test_a_later_event_changes_no_earlier_state(x: torch.Tensor, block: AttentionBlock) -> None:
    changed = x.clone()
    changed[:, 4] += 10
    before, after = block(x), block(changed)
    assert torch.equal(before[:, :4], after[:, :4])
    assert (before[:, 4:] != after[:, 4:]).any(dim=2).all()


def test_padding_on_the_right_changes_no_state(x: torch.Tensor, block: AttentionBlock) -> None:
    padded = torch.cat([x, torch.full((B, 5, D), 3.0)], 1)
    torch.testing.assert_close(block(padded)[:, :L], block(x))


def test_the_first_state_sees_itself_alone(x: torch.Tensor) -> None:
    torch.manual_seed(0)
    layer = CausalSelfAttention(D, H)
    alone = layer.combine(layer.project(x[:, 0])[:, 2 * D :])  # the only weight is 1, so the value goes through
    torch.testing.assert_close(layer(x)[:, 0], alone)


def test_dropout_acts_in_training_only(x: torch.Tensor, block: AttentionBlock) -> None:
    assert torch.equal(block(x), block(x))
    block.train()
    assert not torch.equal(block(x), block(x))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ConfigError, match="got 3 heads and dim 8"):
        CausalSelfAttention(8, 3)
