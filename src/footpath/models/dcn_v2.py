"""Explicit crosses of features, layer by layer, beside a deep network.

Wang, Shivanna, Cheng, Jain, Lin, Hong, Chi, "DCN V2: improved deep & cross network and practical lessons for web-scale learning to rank
systems", WWW 2021 (https://arxiv.org/abs/2008.13535).

**Differs from the paper:** full matrices, no mixture of low-rank ones; the history is one field, the mean of its events' vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from footpath.models.neural_click_model import Joined, NeuralClickModel, fields_of, widths
from footpath.models.response_layers import ColumnVectors, CrossNetwork, HistoryVectors, mean_of_history, perceptron
from footpath.training.impression_batches import ImpressionBatch

SEARCH_SPACE: Final = {
    "dim": [8, 16, 32],
    "crosses": (1, 4),
    "hidden": ["32", "64,32", "128,64"],
    "dropout": (0.0, 0.5),
    "learning_rate": (0.0005, 0.01, "log"),
    "l2": (0.001, 3.0, "log"),
}


@dataclass
class DCNv2(NeuralClickModel):
    """crosses: layers of the cross network. structure: with a deep network in parallel, or crosses alone."""

    crosses: int = 2
    structure: Literal["parallel", "cross"] = "parallel"

    positive: ClassVar[tuple[str, ...]] = (*NeuralClickModel.positive, "crosses")

    def network(self, history: HistoryVectors, columns: ColumnVectors, tasks: int) -> Joined:
        hidden = widths(self.hidden, "hidden") if self.structure == "parallel" else ()
        return _Network(history, columns, tasks, self.crosses, hidden, self.dropout)


class _Network(Joined):
    def __init__(
        self, history: HistoryVectors, columns: ColumnVectors, tasks: int, crosses: int, hidden: tuple[int, ...], dropout: float
    ) -> None:
        super().__init__(history, columns)
        width = (2 + columns.n_columns) * self.dim
        self.cross = CrossNetwork(width, crosses)
        self.deep = perceptron(width, hidden, 0, dropout=dropout) if hidden else None
        self.last = nn.Linear(width + (hidden[-1] if hidden else 0), tasks)

    def forward(self, batch: ImpressionBatch) -> Float[Tensor, "R M"]:
        target, history, columns = fields_of(self, batch)
        mean = mean_of_history(history, batch.real)[batch.question]
        flat = torch.cat([target[:, None], mean[:, None], columns], 1).flatten(1)  # (R, K * D)
        crossed = self.cross(flat)
        return self.last(crossed if self.deep is None else torch.cat([crossed, self.deep(flat)], 1))
