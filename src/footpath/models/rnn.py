"""A plain recurrent network over the history: each state is a squashed sum of the event and the state before.

Elman, "Finding structure in time", Cognitive Science 1990 (https://doi.org/10.1207/s15516709cog1402_1); as a recommender, the plain cell
of Hidasi, Karatzoglou, Baltrunas, Tikk, "Session-based recommendations with recurrent neural networks", ICLR 2016
(https://arxiv.org/abs/1511.06939).

**Differs from the paper:** the loss is the softmax over all items; input and output share one item table; validation chooses the epoch.
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
class RNN(SequenceModel):
    """h = tanh(W x + U h' + b), without positions: order is all in the recurrence."""

    dropout: float = 0.3
    learning_rate: float = 0.002
    clip_norm: float | None = 5.0
    positional: ClassVar[bool] = False

    def block(self, index: int) -> nn.Module:
        return RecurrentBlock(self.dim, self.dropout, "rnn")
