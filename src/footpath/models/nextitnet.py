"""Dilated causal convolutions: each layer reaches twice as far back, so that a few reach the whole history.

Yuan, Karatzoglou, Arapakis, Jose, He, "A simple convolutional generative network for next item recommendation", WSDM 2019
(https://arxiv.org/abs/1808.05163).

**Differs from the paper:** input and output share one item table; dropout between blocks; validation chooses the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from torch import nn

from footpath.errors import ConfigError
from footpath.models.layers import NextItNetBlock
from footpath.models.sequence_model import SequenceModel

SEARCH_SPACE: Final = {
    "dim": [32, 64, 128],
    "blocks": (1, 4),
    "kernel": [2, 3, 5],
    "dropout": (0.0, 0.6),
    "learning_rate": (3e-4, 1e-2, "log"),
}


@dataclass
class NextItNet(SequenceModel):
    """kernel: places that a filter covers. Block b has dilations 4^b and 2 * 4^b: three blocks with kernel 3 reach 127 events."""

    blocks: int = 2
    dropout: float = 0.3
    learning_rate: float = 0.002
    kernel: int = 3
    positional: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel < 1:
            raise ConfigError(f"kernel must be at least 1, got {self.kernel}")

    def block(self, index: int) -> nn.Module:
        return NextItNetBlock(self.dim, self.dropout, self.kernel, 4**index)
