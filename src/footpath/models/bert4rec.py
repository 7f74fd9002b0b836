"""Attention both ways: events are hidden and guessed from those before and after; to recommend, the one after the last is hidden.

Sun et al., "BERT4Rec: Sequential recommendation with bidirectional encoder representations from transformer", CIKM 2019
(https://arxiv.org/abs/1904.06690); how long it has to be trained: Petrov and Macdonald, "A systematic review and replicability study of
BERT4Rec", RecSys 2022 (https://arxiv.org/abs/2207.07483).

**Differs from the paper:** layers are normalised before, dropout is on inputs and on what blocks add; the output is the item table
without a projection before it and without biases; one row in ten hides its last event alone; validation chooses the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from footpath.errors import ConfigError
from footpath.models.layers import Dropout, feed_forward
from footpath.models.sequence_model import SequenceModel
from footpath.training.batches import Objective
from footpath.training.objectives import masked

SEARCH_SPACE: Final = {
    "dim": [64, 128, 256],
    "blocks": (1, 4),
    "heads": [1, 2, 4],
    "dropout": (0.0, 0.5),
    "mask_share": (0.1, 0.6),
    "learning_rate": (3e-4, 5e-3, "log"),
    "max_len": [50, 100, 200],
}


@dataclass
class BERT4Rec(SequenceModel):
    """mask_share: of a row's events that are hidden in training. max_len counts the place that is asked about."""

    blocks: int = 2
    dropout: float = 0.2
    epochs: int = 300
    patience: int | None = 20
    learning_rate: float = 0.001
    heads: int = 2
    mask_share: float = 0.2
    causal: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.mask_share < 1:
            raise ConfigError(f"mask_share must be above 0 and below 1, got {self.mask_share}")
        if self.max_len < 2:
            raise ConfigError(f"max_len must be at least 2, an event and the question, got {self.max_len}")
        if self.within > 1 or self.targets or self.request_time:
            raise ConfigError("BERT4Rec guesses hidden events of every type at any place: leave within, targets and request_time out")

    def objective(self) -> Objective:
        return partial(masked, share=self.mask_share)

    def block(self, index: int) -> nn.Module:
        return BidirectionalBlock(self.dim, self.heads, self.dropout)


class BidirectionalBlock(nn.Module):
    """Softmax attention of every event to all real ones, then a feed-forward layer of four times the width."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.project, self.combine = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.feed_forward = feed_forward(dim, 4 * dim, nn.GELU(), dropout)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "B L D"], real: Bool[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        b, length, dim = x.shape
        q, k, v = self.project(self.attention_norm(x)).view(b, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        hidden = torch.zeros(b, 1, 1, length, device=x.device, dtype=x.dtype).masked_fill(~real[:, None, None], -torch.inf)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=hidden)
        x = x + self.dropout(self.combine(mixed.transpose(1, 2).reshape(b, length, dim)))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
