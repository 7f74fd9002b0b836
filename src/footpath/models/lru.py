"""A diagonal linear recurrence: each number of the state decays and turns at its own learned pace.

Yue, Wang, He, Zeng, McAuley, Wang, "Linear recurrent units for sequential recommendation", WSDM 2024 (https://arxiv.org/abs/2310.02367);
Orvieto et al., "Resurrecting recurrent neural networks for long sequences", ICML 2023 (https://arxiv.org/abs/2303.06349).

**Differs from the paper:** rows are padded on the right; validation chooses the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from torch import nn

from footpath.models.layers import LRUBlock
from footpath.models.sequence_model import SequenceModel

SEARCH_SPACE: Final = {
    "dim": [32, 64, 128],
    "blocks": (1, 4),
    "dropout": (0.0, 0.6),
    "learning_rate": (3e-4, 1e-2, "log"),
    "l2": (1e-6, 1e-1, "log"),
}


@dataclass
class LRU(SequenceModel):
    """Linear recurrent units with a feed-forward layer each; without positions: order is all in the recurrence."""

    blocks: int = 2
    learning_rate: float = 0.002
    positional: ClassVar[bool] = False

    def block(self, index: int) -> nn.Module:
        return LRUBlock(self.dim, self.dropout)
