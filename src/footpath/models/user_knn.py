"""People who took the same items are alike; recommend what the most similar of them took.

Sarwar, Karypis, Konstan, Riedl, "Analysis of recommendation algorithms for e-commerce", EC 2000
(https://doi.org/10.1145/352871.352887).

**Differs from the paper:** the neighbours of a history are searched among the training rows when it is scored, so that a history never seen
before needs no model of its own; what neighbours took is weighted by their similarity; no dimensions are reduced; an event is an event,
whatever its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Int64

from footpath.errors import ConfigError
from footpath.models.histories import check_histories, event_counts, fill_unreached, incidence, keep_stored, largest_per_row, pack, unpack
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

_ROWS = 512  # histories compared with all training rows at a time: B x training rows similarities in memory
SEARCH_SPACE: Final = {"neighbours": (20, 1000, "log")}


@dataclass
class UserKNN:
    """Scores are sums of the cosines of the neighbours that took an item, each history a set of items.

    neighbours: training rows kept for each history. Items that no neighbour took follow in the order of popularity.
    """

    neighbours: int = 100
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _taken: sp.csr_matrix = field(init=False, repr=False, compare=False)
    _directions: sp.csr_matrix = field(init=False, repr=False, compare=False)
    _popularity: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ConfigError(f"neighbours must be at least 1, got {self.neighbours}")

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        return self._remember(train.vocabulary, incidence(train), event_counts(train))

    def _remember(self, items: Vocabulary, taken: sp.csr_matrix, popularity: Float32[np.ndarray, " N"]) -> Self:
        self.items, self._taken, self._popularity = items, taken, popularity
        self._directions = _unit_rows(taken).T.tocsr()  # (N, training rows)
        return self

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        check_histories(self, histories)
        scores = np.zeros((len(histories), len(self.items)), np.float32)
        for start in range(0, len(histories), _ROWS):
            cosines = _unit_rows(incidence(histories.between(start, start + _ROWS))) @ self._directions
            cosines.sort_indices()
            nearest = keep_stored(cosines, largest_per_row(cosines, self.neighbours))
            (nearest @ self._taken).toarray(out=scores[start : start + _ROWS])
        return fill_unreached(scores, self._popularity)

    def state(self) -> Mapping[str, np.ndarray]:
        return {"popularity": self._popularity, **pack("taken", self._taken)}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        return self._remember(items, unpack("taken", state, len(items)), state["popularity"])


def _unit_rows(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Rows of ones divided by their length."""
    counts = np.diff(matrix.indptr)
    data = np.repeat(1 / np.sqrt(np.maximum(counts, 1), dtype=np.float32), counts)
    return sp.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)
