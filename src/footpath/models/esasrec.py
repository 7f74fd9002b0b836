"""SASRec with gates: each layer's answer is weighed by a gate that its input opens, and feed-forward layers are gated too.

Tikhonovich, Zelinskiy, Petrov, Spirina, Semenov, Savchenko, Kuliev, "eSASRec: Enhancing transformer-based recommendations in a modular
fashion", RecSys 2025 (https://arxiv.org/abs/2508.06450); LiGR blocks of Borisyuk et al., "From features to transformers: redefining
ranking for scalable impact", 2025 (https://arxiv.org/abs/2502.03417).

**Differs from the paper:** the loss is the softmax over all items where it is affordable, instead of over sampled ones; validation
chooses the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import nn

from footpath.errors import ConfigError
from footpath.models.layers import LiGRBlock
from footpath.models.sequence_model import SequenceModel

SEARCH_SPACE: Final = {
    "dim": [64, 128, 256],
    "blocks": (1, 4),
    "dropout": (0.0, 0.6),
    "learning_rate": (3e-4, 5e-3, "log"),
    "max_len": [50, 100, 200],
    "l2": (1e-6, 1e-1, "log"),
}


@dataclass
class ESASRec(SequenceModel):
    """heads: of attention. expansion: width of the feed-forward layer in multiples of dim."""

    heads: int = 1
    expansion: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.expansion < 1:
            raise ConfigError(f"expansion must be at least 1, got {self.expansion}")

    def block(self, index: int) -> nn.Module:
        return LiGRBlock(self.dim, self.heads, self.dropout, expansion=self.expansion, time_bias=self.request_time)
