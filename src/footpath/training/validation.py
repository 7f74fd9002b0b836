"""The figure that stops training: NDCG over the whole catalogue, in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.training.distributed import shard, summed, world

ScoreChunks = Iterator[tuple[Int64[np.ndarray, " C"], Float32[Tensor, "C N"]]]
"""Rows of the histories, each row once, and a score of every item for each; a chunk may be written to."""

_K: Final = 10


def validation_ndcg(holdout: Holdout, chunks: ScoreChunks) -> float:
    """Mean NDCG@10 with binary gains of a full ranking, over the rows that have a relevant item; NaN where none has.

    Items of a history are out of its ranking, unless somewhere a relevant item is one of them: then all stay in.
    Several processes each bring the chunks of their own rows, as `own_chunks` gives them, and get the same figure.
    Raises ValueError where a row with a relevant item is in no chunk, or in several.
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
    gains, times_scored = np.zeros(len(holdout)), np.zeros(len(holdout))
    for chunk_rows, scores in chunks:
        scores[:, 0] = -torch.inf
        if not repeats:
            seen = histories.take(chunk_rows)
            scores[torch.from_numpy(seen.rows.astype(np.int64)), torch.from_numpy(seen.items.astype(np.int64))] = -torch.inf
        best = scores.topk(min(_K, n_items), dim=1).indices.cpu().numpy()
        keys = chunk_rows[:, None] * n_items + best
        hits = relevant[np.minimum(np.searchsorted(relevant, keys), len(relevant) - 1)] == keys
        gains[chunk_rows] = hits @ discounts[: hits.shape[1]]
        times_scored[chunk_rows] += 1
    gains, times_scored = summed(np.stack([gains, times_scored]))
    asked = n_relevant > 0
    if (times_scored[asked] != 1).any():
        row = int(np.flatnonzero(asked & (times_scored != 1))[0])
        raise ValueError(f"row {row} of {len(holdout)} was scored {int(times_scored[row])} times, not once: its figure would be wrong")
    return float((gains[asked] / ideal[asked]).mean())


def own_chunks(
    holdout: Holdout, scores: Callable[[SequenceDataset, Int64[np.ndarray, " S"] | None], ScoreChunks], *, asked: bool = False
) -> ScoreChunks:
    """The chunks of this process's share of the rows, all of them outside torchrun, numbered as in the holdout.

    scores: gives chunks for histories and their request times. asked: leave out rows without a relevant item, which no figure needs.
    """
    n_rows = len(holdout)
    rows = np.flatnonzero(np.diff(holdout.offsets)) if asked else np.arange(n_rows)
    rows = shard(rows, world())
    whole = len(rows) == n_rows
    histories = holdout.histories if whole else holdout.histories.take(rows)
    times = holdout.request_times if whole or holdout.request_times is None else holdout.request_times[rows]
    for chunk_rows, chunk in scores(histories, times):
        yield rows[chunk_rows], chunk
