"""Why an item is recommended: the event of the user's own history that carries it, by deletion."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int32, Int64

from footpath.recommender import Recommender
from footpath.sequences.dataset import SequenceDataset


def because(
    model: Recommender,
    history: SequenceDataset,
    items: Int32[np.ndarray, " K"],
    *,
    last: int = 50,
    request_times: Int64[np.ndarray, " 1"] | None = None,
) -> Int32[np.ndarray, " K"]:
    """For each item, the history item without which its score falls most; 0 where no deletion lowers it.

    Leave-one-out: the model that recommends scores the history again without each of the items in its last `last` events (all of
    their occurrences), so a reason that is given holds on this model. Scores are centred over the catalogue: a deletion may move them all.
    history: one row; unknown items are no reasons. request_times: as `score` takes them, of that row.
    """
    recent = history.items[::-1][:last]
    distinct = np.unique(recent[recent > 0])
    if len(distinct) == 0 or len(items) == 0:
        return np.zeros(len(items), np.int32)
    keep = history.items[None, :] != np.concatenate([[-1], distinct])[:, None]  # row 0 deletes nothing
    variants = history.take(np.zeros(len(keep), np.int64)).where(keep.ravel())
    times = None if request_times is None else np.repeat(request_times, len(variants))
    scores = model.score(variants, times)[:, 1:].astype(np.float64)
    centred = scores[:, items - 1] - scores.mean(axis=1, keepdims=True)
    drop = centred[0] - centred[1:]  # (distinct, K)
    return np.where(drop.max(axis=0) > 1e-9, distinct[drop.argmax(axis=0)], 0).astype(np.int32)
