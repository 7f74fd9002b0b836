"""A model's lists beside what was right: all that the metrics of a ranking read."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int32, Int64

from footpath.errors import ConfigError, DataError
from footpath.progress import Progress
from footpath.recommender import Recommender, recommend
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.split import Holdout


@dataclass(frozen=True, eq=False)
class Rankings:
    """The K best items after each of B histories, out of the whole catalogue, and the items that were relevant.

    items: best first, 0 where a list is shorter than K. hits: whether the item is relevant.
    offsets, relevant: compressed rows of the distinct relevant items, listed or not.
    item_frequency: events of each item in what the model was fitted on.
    ties: whether the score at a place equals that at the next, the last place being compared with the best item left out.
    item_features: what is known of items; only diversity reads it.
    """

    items: Int32[np.ndarray, "B K"]
    hits: Bool[np.ndarray, "B K"]
    offsets: Int64[np.ndarray, " B+1"]
    relevant: Int32[np.ndarray, " R"]
    item_frequency: Int64[np.ndarray, " N"]
    ties: Bool[np.ndarray, "B K"]
    item_features: ItemFeatures | None = None

    def __len__(self) -> int:
        """B: the number of lists."""
        return len(self.items)

    @property
    def k(self) -> int:
        return self.items.shape[1]

    @property
    def n_items(self) -> int:
        """N: items of the catalogue and index 0."""
        return len(self.item_frequency)

    @property
    def n_relevant(self) -> Int64[np.ndarray, " B"]:
        """Distinct relevant items of each history."""
        return np.diff(self.offsets)

    @property
    def lengths(self) -> Int64[np.ndarray, " B"]:
        """Items listed, at most K."""
        return np.count_nonzero(self.items, axis=1)

    @property
    def tied(self) -> Bool[np.ndarray, " B"]:
        """Whether any two neighbours among the K + 1 best scores are equal: there, the shuffled indexes decide the order."""
        return np.logical_or.reduce(self.ties, axis=1)

    @property
    def flat(self) -> Bool[np.ndarray, " B"]:
        """Whether all listed scores are equal, two or more: the list says nothing."""
        neighbours = np.count_nonzero(self.ties[:, :-1], axis=1)
        return (neighbours > 0) & (neighbours == self.lengths - 1)

    def top(self, k: int) -> Rankings:
        """The same lists cut to k places."""
        if not 1 <= k <= self.k:
            raise ConfigError(f"these lists have {self.k} places; they cannot be cut to {k}")
        if k == self.k:
            return self
        return dataclasses.replace(self, items=self.items[:, :k], hits=self.hits[:, :k], ties=self.ties[:, :k])


def rank(
    model: Recommender,
    holdout: Holdout,
    k: int,
    *,
    trained_on: SequenceDataset,
    repeat: bool = False,
    memory_mib: int = 32,
    progress: Progress | None = None,
) -> Rankings:
    """The K best items of the whole catalogue after each history of a holdout, asked at its request times, and whether they hit.

    trained_on: what the model was fitted on; its item frequencies are what novelty and popularity are measured by.
    repeat: whether items of the history may be listed. k may exceed the catalogue: lists are shorter then.
    Scores are held in chunks of at most memory_mib. Raises ConfigError, NotFittedError.
    """
    found = recommend(
        model, holdout.histories, k + 1, repeat=repeat, request_times=holdout.request_times, memory_mib=memory_mib, progress=progress
    )
    if trained_on.n_items != holdout.histories.n_items:
        raise ConfigError(f"trained_on knows {trained_on.n_items - 1} items and the holdout {holdout.histories.n_items - 1}")
    known = found.indexes > 0
    ties = (found.scores[:, :-1] == found.scores[:, 1:]) & known[:, 1:]
    return judge(found.indexes[:, :k], holdout, trained_on, ties)


def judge(
    items: Int32[np.ndarray, "B K"],
    holdout: Holdout,
    trained_on: SequenceDataset,
    ties: Bool[np.ndarray, "B K"] | None = None,
) -> Rankings:
    """Lists from anywhere beside the relevant items of a holdout; without `ties`, none are assumed."""
    if len(items) != len(holdout):
        raise DataError(f"a holdout of {len(holdout)} histories needs as many lists, got {len(items)}")
    rows = np.repeat(np.arange(len(holdout)), np.diff(holdout.offsets))
    n_items = trained_on.n_items
    pairs = np.unique(rows * n_items + holdout.items)  # (row, item), each once
    counts = np.bincount(pairs // n_items, minlength=len(holdout))
    hits = np.isin(np.arange(len(items))[:, None] * n_items + items, pairs) & (items > 0)
    frequency = np.bincount(trained_on.items, minlength=n_items).astype(np.int64)
    frequency[0] = 0
    return Rankings(
        items=items,
        hits=hits,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        relevant=(pairs % n_items).astype(np.int32),
        item_frequency=frequency,
        ties=np.zeros(items.shape, bool) if ties is None else ties,
        item_features=trained_on.item_features,
    )
