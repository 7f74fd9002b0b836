"""Causal self-attention over the history: the state after the last event scores every item.

Kang and McAuley, "Self-attentive sequential recommendation", ICDM 2018 (https://arxiv.org/abs/1808.09781).

**Differs from the paper:**

- the loss is the softmax over all items, or over sampled ones, instead of binary cross-entropy with one negative, which overrates
  popular items (Klenitskiy and Vasilev, RecSys 2023, https://arxiv.org/abs/2309.07602; Petrov and Macdonald, RecSys 2023,
  https://arxiv.org/abs/2308.07192);
- layers are normalised before, on keys and values as well as on queries; weights start from Xavier's normal distribution;
- dropout is on inputs and on what blocks add, not on attention weights;
- sequences are padded on the right, so position 0 is the oldest event of the window;
- weight decay is AdamW's; validation chooses the epoch;
- a history without known items is answered by popularity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import nn

from footpath.models.layers import AttentionBlock
from footpath.models.sequence_model import SequenceModel

SEARCH_SPACE: Final = {
    "dim": [32, 64, 128, 256],
    "blocks": (1, 3),
    "dropout": (0.0, 0.6),
    "learning_rate": (3e-4, 1e-2, "log"),
    "max_len": [50, 100, 200],
    "l2": (1e-6, 1e-1, "log"),
}


@dataclass
class SASRec(SequenceModel):
    """heads: of attention, which must divide dim."""

    heads: int = 1

    def block(self, index: int) -> nn.Module:
        return AttentionBlock(self.dim, self.heads, self.dropout, time_bias=self.request_time)
