"""The history is read anew for each item: events that are like the item weigh more.

Zhou, Zhu, Song, Fan, Zhu, Ma, Yan, Jin, Li, Gai, "Deep interest network for click-through rate prediction", KDD 2018
(https://arxiv.org/abs/1706.06978).

**Differs from the paper:** events also carry their type, age and place; AdamW instead of SGD with mini-batch-aware regularisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from footpath.models.neural_click_model import Joined, NeuralClickModel, fields_of, widths
from footpath.models.response_layers import ColumnVectors, HistoryVectors, TargetAttention, perceptron
from footpath.training.impression_batches import ImpressionBatch

SEARCH_SPACE: Final = {
    "dim": [8, 16, 32],
    "attention": ["16", "32", "64,16"],
    "hidden": ["32", "64,32", "128,64"],
    "activation": ["dice", "relu"],
    "dropout": (0.0, 0.5),
    "learning_rate": (0.0005, 0.01, "log"),
    "l2": (0.001, 3.0, "log"),
}


@dataclass
class DIN(NeuralClickModel):
    """attention: widths of the layers that weigh an event. activation: between layers. softmax: whether weights of a history sum to 1."""

    attention: str = "32"
    activation: Literal["dice", "relu"] = "dice"
    softmax: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        widths(self.attention, "attention")

    def network(self, history: HistoryVectors, columns: ColumnVectors, tasks: int) -> Joined:
        attention = TargetAttention(self.dim, widths(self.attention, "attention"), active=self.activation, softmax=self.softmax)
        return _Network(history, columns, tasks, attention, widths(self.hidden, "hidden"), self.dropout, self.activation)


class _Network(Joined):
    def __init__(
        self,
        history: HistoryVectors,
        columns: ColumnVectors,
        tasks: int,
        attention: TargetAttention,
        hidden: tuple[int, ...],
        dropout: float,
        activation: str,
    ) -> None:
        super().__init__(history, columns)
        self.attention = attention
        self.deep = perceptron((2 + columns.n_columns) * self.dim, hidden, tasks, dropout=dropout, active=activation)

    def forward(self, batch: ImpressionBatch) -> Float[Tensor, "R M"]:
        target, history, columns = fields_of(self, batch)
        interest = self.attention(target, history, batch.real, batch.question)
        return self.deep(torch.cat([target, interest, columns.flatten(1)], 1))
