"""A transformer over the history with the item that is asked about at its end.

Chen, Zhao, Li, Huang, Ou, "Behavior sequence transformer for e-commerce recommendation in Alibaba", DLP-KDD 2019
(https://arxiv.org/abs/1905.06874).

**Differs from the paper:** instead of all outputs one after another, which need a fixed length, the output at the item and the mean of
those at the history go on; time enters as age, by quarters of a doubling of a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from footpath.models.layers import Dropout, feed_forward
from footpath.models.neural_click_model import Joined, NeuralClickModel, fields_of, widths
from footpath.models.response_layers import ColumnVectors, HistoryVectors, mean_of_history, perceptron
from footpath.training.impression_batches import ImpressionBatch

SEARCH_SPACE: Final = {
    "dim": [16, 32, 64],
    "blocks": (1, 3),
    "heads": [1, 2, 4],
    "hidden": ["32", "64,32", "128,64"],
    "dropout": (0.0, 0.5),
    "learning_rate": (0.0005, 0.01, "log"),
    "l2": (0.001, 3.0, "log"),
}


@dataclass
class BST(NeuralClickModel):
    """blocks: of the transformer. heads: of its attention, which must divide dim."""

    blocks: int = 1
    heads: int = 2

    positive: ClassVar[tuple[str, ...]] = (*NeuralClickModel.positive, "blocks")

    def network(self, history: HistoryVectors, columns: ColumnVectors, tasks: int) -> Joined:
        return _Network(history, columns, tasks, self.blocks, self.heads, widths(self.hidden, "hidden"), self.dropout)


class _Block(nn.Module):
    """Attention among the places of a row, then a feed-forward layer, each added and normalised."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.read, self.write = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.feed_forward = feed_forward(dim, 4 * dim, nn.LeakyReLU(), dropout)
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "R L D"], shown: Bool[Tensor, "R L"]) -> Float[Tensor, "R L D"]:
        r, length, dim = x.shape
        q, k, v = self.read(x).view(r, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=shown[:, None, None, :])
        x = self.attention_norm(x + self.dropout(self.write(read.transpose(1, 2).reshape(r, length, dim))))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


class _Network(Joined):
    def __init__(
        self,
        history: HistoryVectors,
        columns: ColumnVectors,
        tasks: int,
        blocks: int,
        heads: int,
        hidden: tuple[int, ...],
        dropout: float,
    ) -> None:
        super().__init__(history, columns)
        self.blocks = nn.ModuleList([_Block(self.dim, heads, dropout) for _ in range(blocks)])
        self.deep = perceptron((3 + columns.n_columns) * self.dim, hidden, tasks, dropout=dropout)

    def forward(self, batch: ImpressionBatch) -> Float[Tensor, "R M"]:
        target, history, columns = fields_of(self, batch)
        x = torch.cat([target[:, None], history[batch.question]], 1)  # the item first, so that padding stays at the end
        shown = F.pad(batch.real[batch.question], (1, 0), value=True)
        for block in self.blocks:
            x = block(x, shown)
        mean = mean_of_history(x[:, 1:], shown[:, 1:])
        return self.deep(torch.cat([target, x[:, 0], mean, columns.flatten(1)], 1))
