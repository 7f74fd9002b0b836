"""The figure that stops training: NDCG over the whole catalogue, in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from footpath.sequences.split import Holdout

ScoreChunks = Iterator[tuple[Int64[np.ndarray, " C"], Float32[Tensor, "C N"]]]
"""Rows of the histories, each row once, and a score of every item for each; a chunk may be written to."""

_K: Final = 10


def validation_ndcg(holdout: Holdout, chunks: ScoreChunks) -> float:
    """Mean NDCG@10 with binary gains of a full ranking, over the rows that have a relevant item; NaN where none has.

    Items of a history are out of its ranking, unless somewhere a relevant item is one of them: then all stay in.
    """
    histories = holdout.histories
    n_items = histories.n_items
    rows = np.repeat(np.arange(len(holdout)), np.diff(holdout.offsets))
    relevant = np.unique(rows * n_items + holdout.items)  # a key for each (row, item)
    repeats = bool(np.isin(relevant, histories.rows * np.int64(n_items) + histories.items).any())
    if not len(relevant):
        return float("nan")
    n_relevant = np.bincount(relevant // n_items, minlength=len(holdout))
    discounts = 1 / np.log2(np.arange(2, _K + 2))
    ideal = np.concatenate([[0], np.cumsum(discounts)])[np.minimum(n_relevant, _K)]
    gains = np.zeros(len(holdout))
    for chunk_rows, scores in chunks:
        scores[:, 0] = -torch.inf
        if not repeats:
            seen = histories.take(chunk_rows)
            scores[torch.from_numpy(seen.rows.astype(np.int64)), torch.from_numpy(seen.items.astype(np.int64))] = -torch.inf
        best = scores.topk(min(_K, n_items), dim=1).indices.numpy()
        keys = chunk_rows[:, None] * n_items + best
        hits = relevant[np.minimum(np.searchsorted(relevant, keys), len(relevant) - 1)] == keys
        gains[chunk_rows] = hits @ discounts[: hits.shape[1]]
    asked = n_relevant > 0
    return float((gains[asked] / ideal[asked]).mean())
