"""A gated recurrent network over the session: two gates decide what of the state is kept and what is rewritten.

Hidasi, Karatzoglou, Baltrunas, Tikk, "Session-based recommendations with recurrent neural networks", ICLR 2016
(https://arxiv.org/abs/1511.06939); Hidasi, Karatzoglou, "Recurrent neural networks with top-k gains for session-based recommendations",
CIKM 2018 (https://arxiv.org/abs/1706.03847).

**Differs from the paper:** the loss is the softmax over all items, or over sampled ones, instead of TOP1 or BPR-max; input and output
share one item table ("constrained embedding" of the second paper); whole sequences are batches instead of session-parallel ones, so no
state is carried over a cut; AdamW instead of Adagrad with momentum; validation chooses the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from torch import nn

from footpath.models.layers import RecurrentBlock
from footpath.models.sequence_model import SequenceModel

SEARCH_SPACE: Final = {
    "dim": [32, 64, 128, 256],
    "dropout": (0.0, 0.6),
    "learning_rate": (3e-4, 1e-2, "log"),
    "batch_size": [64, 128, 256],
    "l2": (1e-6, 1e-1, "log"),
}


@dataclass
class GRU4Rec(SequenceModel):
    """Update and reset gates; without positions: order is all in the recurrence."""

    dropout: float = 0.3
    learning_rate: float = 0.002
    clip_norm: float | None = 5.0
    positional: ClassVar[bool] = False

    def block(self, index: int) -> nn.Module:
        return RecurrentBlock(self.dim, self.dropout, "gru")
