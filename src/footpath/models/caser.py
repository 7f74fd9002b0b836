"""Convolutions over the last few events: filters across time read orders of items, filters across dimensions weigh places.

Tang and Wang, "Personalized top-n sequential recommendation via convolutional sequence embedding", WSDM 2018
(https://arxiv.org/abs/1809.07426).

**Differs from the paper:** there is no vector of the user, so that a new user is a short history; every position of a sequence is
learned from at once, and not one window at a time; the loss is the softmax over all items; input and output share one item table;
validation chooses the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from torch import nn

from footpath.errors import ConfigError
from footpath.models.layers import CaserBlock
from footpath.models.sequence_model import SequenceModel

SEARCH_SPACE: Final = {
    "dim": [32, 64, 128],
    "reach": (2, 10),
    "horizontal": [4, 8, 16, 32],
    "vertical": [1, 2, 4, 8],
    "dropout": (0.0, 0.6),
    "learning_rate": (3e-4, 1e-2, "log"),
}


@dataclass
class Caser(SequenceModel):
    """reach: events that a window holds (L of the paper). horizontal: filters of each height. vertical: filters over all places."""

    dropout: float = 0.3
    learning_rate: float = 0.002
    reach: int = 5
    horizontal: int = 16
    vertical: int = 4
    positional: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("reach", "horizontal", "vertical"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")

    def block(self, index: int) -> nn.Module:
        return CaserBlock(self.dim, self.dropout, self.reach, self.horizontal, self.vertical)
