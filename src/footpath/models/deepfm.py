"""Products of all pairs of fields and a deep network, side by side on the same vectors.

Guo, Tang, Ye, Li, He, "DeepFM: a factorization-machine based neural network for CTR prediction", IJCAI 2017 (https://arxiv.org/abs/1703.04247).

**Differs from the paper:** first-order weights are a linear layer on the vectors instead of a number a category, so that no table is added;
the history is one field, the mean of its events' vectors; amounts are a learned vector times a standard score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from footpath.models.neural_click_model import Joined, NeuralClickModel, fields_of, widths
from footpath.models.response_layers import ColumnVectors, HistoryVectors, factorised_pairs, mean_of_history, perceptron
from footpath.training.impression_batches import ImpressionBatch

SEARCH_SPACE: Final = {
    "dim": [8, 16, 32],
    "hidden": ["32", "64,32", "128,64"],
    "dropout": (0.0, 0.5),
    "learning_rate": (0.0005, 0.01, "log"),
    "l2": (0.001, 3.0, "log"),
}


@dataclass
class DeepFM(NeuralClickModel):
    """First order, pairs and a deep network are added up."""

    def network(self, history: HistoryVectors, columns: ColumnVectors, tasks: int) -> Joined:
        return _Network(history, columns, tasks, widths(self.hidden, "hidden"), self.dropout)


class _Network(Joined):
    def __init__(self, history: HistoryVectors, columns: ColumnVectors, tasks: int, hidden: tuple[int, ...], dropout: float) -> None:
        super().__init__(history, columns)
        width = (2 + columns.n_columns) * self.dim
        self.linear = nn.Linear(width, tasks)
        self.pairs = nn.Parameter(torch.ones(tasks))
        self.deep = perceptron(width, hidden, tasks, dropout=dropout)

    def forward(self, batch: ImpressionBatch) -> Float[Tensor, "R M"]:
        target, history, columns = fields_of(self, batch)
        mean = mean_of_history(history, batch.real)[batch.question]
        fields = torch.cat([target[:, None], mean[:, None], columns], 1)  # (R, K, D)
        flat = fields.flatten(1)
        return self.linear(flat) + factorised_pairs(fields)[:, None] * self.pairs + self.deep(flat)
