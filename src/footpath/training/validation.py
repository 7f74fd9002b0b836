"""The figure that stops training: NDCG over the whole catalogue, in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import numpy as np
import torch
from jaxtyping import Float32, Int32, Int64
from torch import Tensor

from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.training.distributed import shard, summed, world

ScoreChunks = Iterator[tuple[Int64[np.ndarray, " C"], Float32[Tensor, "C N"]]]
"""Rows of the histories, each row once, and a score of every item for each; a chunk may be written to."""

ListChunks = Iterator[tuple[Int64[np.ndarray, " C"], Int32[np.ndarray, "C K"]]]
"""Rows of the histories, each row once, and the best items of each, best first, 0 where there are fewer."""

VALIDATION_K: Final = 10
_Chunk = TypeVar("_Chunk")


def validation_ndcg(holdout: Holdout, chunks: ScoreChunks) -> float:
    """Mean NDCG@10 with binary gains of a full ranking, over the rows that have a relevant item; NaN where none has.

    Items of a history are out of its ranking, unless somewhere a relevant item is one of them: then all stay in.
    Several processes each bring the chunks of their own rows, as `own_chunks` gives them, and get the same figure.
    Raises ValueError where a row with a relevant item is in no chunk, or in several.
    """
    histories, masked = holdout.histories, not asks_for_seen(holdout)

    def lists() -> ListChunks:
        for rows, scores in chunks:
            scores[:, 0] = -torch.inf
            if masked:
                seen = histories.take(rows)
                scores[torch.from_numpy(seen.rows.astype(np.int64)), torch.from_numpy(seen.items.astype(np.int64))] = -torch.inf
            yield rows, scores.topk(min(VALIDATION_K, histories.n_items), dim=1).indices.cpu().numpy().astype(np.int32)

    return ndcg_of_lists(holdout, lists())


def ndcg_of_lists(holdout: Holdout, lists: ListChunks) -> float:
    """`validation_ndcg` of rankings that were made elsewhere; what comes after the tenth item is not read."""
    n_items = holdout.histories.n_items
    relevant = _relevant(holdout)
    if not len(relevant):
        return float("nan")
    n_relevant = np.bincount(relevant // n_items, minlength=len(holdout))
    discounts = 1 / np.log2(np.arange(2, VALIDATION_K + 2))
    ideal = np.concatenate([[0], np.cumsum(discounts)])[np.minimum(n_relevant, VALIDATION_K)]
    gains, times_listed = np.zeros(len(holdout)), np.zeros(len(holdout))
    for rows, best in lists:
        best = best[:, :VALIDATION_K]
        keys = rows[:, None] * n_items + best
        hits = (relevant[np.minimum(np.searchsorted(relevant, keys), len(relevant) - 1)] == keys) & (best > 0)
        gains[rows] = hits @ discounts[: hits.shape[1]]
        times_listed[rows] += 1
    gains, times_listed = summed(np.stack([gains, times_listed]))
    asked = n_relevant > 0
    if (times_listed[asked] != 1).any():
        row = int(np.flatnonzero(asked & (times_listed != 1))[0])
        raise ValueError(f"row {row} of {len(holdout)} was scored {int(times_listed[row])} times, not once: its figure would be wrong")
    return float((gains[asked] / ideal[asked]).mean())


def asks_for_seen(holdout: Holdout) -> bool:
    """Whether some relevant item is in its history, so that items of histories have to stay in the rankings."""
    histories = holdout.histories
    return bool(np.isin(_relevant(holdout), histories.rows * np.int64(histories.n_items) + histories.items).any())


def _relevant(holdout: Holdout) -> Int64[np.ndarray, " R"]:
    """A key for each (row, item), ascending."""
    rows = np.repeat(np.arange(len(holdout)), np.diff(holdout.offsets))
    return np.unique(rows * holdout.histories.n_items + holdout.items)


def own_chunks(
    holdout: Holdout,
    made: Callable[[SequenceDataset, Int64[np.ndarray, " S"] | None], Iterator[tuple[Int64[np.ndarray, " C"], _Chunk]]],
    *,
    asked: bool = False,
) -> Iterator[tuple[Int64[np.ndarray, " C"], _Chunk]]:
    """The chunks, of scores or of lists, of this process's share of the rows, all of them outside torchrun, numbered as in the holdout.

    made: gives chunks for histories and their request times. asked: leave out rows without a relevant item, which no figure needs.
    """
    n_rows = len(holdout)
    rows = np.flatnonzero(np.diff(holdout.offsets)) if asked else np.arange(n_rows)
    rows = shard(rows, world())
    whole = len(rows) == n_rows
    histories = holdout.histories if whole else holdout.histories.take(rows)
    times = holdout.request_times if whole or holdout.request_times is None else holdout.request_times[rows]
    for chunk_rows, chunk in made(histories, times):
        yield rows[chunk_rows], chunk
