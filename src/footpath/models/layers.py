"""Blocks that models share. Every one maps (B, L, D) to (B, L, D), and state t depends on events 0..t only.

Right-padded input needs no mask beside the causal one: padding comes after all that is real.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from footpath.errors import ConfigError

_LONG: Final = 256  # up to here, plain products are two to eight times faster on CPU than the fused kernel, which saves memory above


class CausalSelfAttention(nn.Module):
    """Softmax attention of every event to itself and those before it; `heads` must divide `dim`."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise ConfigError(f"heads must divide dim, got {heads} heads and dim {dim}")
        self.heads = heads
        self.project = nn.Linear(dim, 3 * dim)
        self.combine = nn.Linear(dim, dim)
        self.later: Tensor
        self.register_buffer("later", torch.full((_LONG, _LONG), -torch.inf).triu(1), persistent=False)

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        b, length, dim = x.shape
        q, k, v = self.project(x).view(b, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4).contiguous()  # (B, H, L, D / H)
        if length > _LONG:
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            mixed = attention(q, k, v, self.later[:length, :length])
        return self.combine(mixed.transpose(1, 2).reshape(b, length, dim))


def attention(
    q: Float[Tensor, "B H L E"], k: Float[Tensor, "B H L E"], v: Float[Tensor, "B H L E"], bias: Float[Tensor, "L L"]
) -> Float[Tensor, "B H L E"]:
    """Scaled softmax attention by way of (B, H, L, L) weights; the bias is added to query-by-key scores, -inf hides a key."""
    scores = (q * q.shape[3] ** -0.5) @ k.transpose(2, 3) + bias  # (B, H, L, L)
    return scores.softmax(3) @ v


class AttentionBlock(nn.Module):
    """Attention, then a feed-forward layer of the same width; each reads a normalised copy and adds to its input."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = CausalSelfAttention(dim, heads)
        self.feed_forward = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dim, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
