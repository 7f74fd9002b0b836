"""Hierarchical sequential transduction units: attention whose weights are not normalised, so that how often counts, with time and gates.

Zhai et al., "Actions speak louder than words: trillion-parameter sequential transducers for generative recommendations", ICML 2024
(https://arxiv.org/abs/2402.17152).

**Differs from the paper:** sums over the history are divided by its true length up to each event, and not by the longest length, so
that a state depends on nothing but its past; the loss is the softmax over all items where it is affordable, on dot products instead of
cosines; validation chooses the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import nn

from footpath.models.layers import HSTUBlock
from footpath.models.sequence_model import SequenceModel

SEARCH_SPACE: Final = {
    "dim": [32, 64, 128],
    "blocks": (1, 6),
    "heads": [1, 2, 4],
    "dropout": (0.0, 0.6),
    "learning_rate": (3e-4, 5e-3, "log"),
    "max_len": [50, 100, 200],
}


@dataclass
class HSTU(SequenceModel):
    """heads: of attention. time_bias: gaps of time are weighed where the log has a clock."""

    blocks: int = 2
    heads: int = 1
    time_bias: bool = True

    def block(self, index: int) -> nn.Module:
        return HSTUBlock(self.dim, self.heads, self.dropout, self.max_len, time_bias=self.time_bias)
