"""One linear model in closed form: every item is predicted from all others by ridge regression with a zero diagonal.

Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019 (https://arxiv.org/abs/1905.03375).

**Differs from the paper:** the inverse is taken from a Cholesky factor in double precision; a history without known items is answered by
popularity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from jaxtyping import Float32, Int64
from scipy.linalg import lapack

from footpath.errors import ConfigError
from footpath.models.histories import check_histories, event_counts, incidence, without_known_items
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

_BYTES_AN_ENTRY = 12  # the Gram matrix in double precision beside the weights in single
_COLUMNS = 1024
SEARCH_SPACE: Final = {"l2": (5.0, 5000.0, "log")}


@dataclass
class EASE:
    """Scores are the history, each item counted once, times a dense item-to-item matrix.

    l2: ridge penalty. memory_gib: fitting needs 12 N^2 bytes; more than this many GiB is refused.
    """

    l2: float = 250.0
    memory_gib: float = 4.0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _weights: Float32[np.ndarray, "N N"] = field(init=False, repr=False, compare=False)
    _popularity: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.l2 < np.inf:
            raise ConfigError(f"l2 must be above 0 and finite, got {self.l2}")
        if not self.memory_gib > 0:
            raise ConfigError(f"memory_gib must be above 0, got {self.memory_gib}")

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        needed = _BYTES_AN_ENTRY * train.n_items**2 / 2**30
        if needed > self.memory_gib:
            raise ConfigError(
                f"EASE on {train.n_items - 1:,} items needs {needed:.1f} GiB and memory_gib is {self.memory_gib:g}; "
                "raise memory_gib, drop rare items first, or use item_knn, which is sparse"
            )
        if progress is not None:
            progress("fitting ease", 0, 1)
        history = incidence(train).astype(np.float64)
        by_item, columns = history.T.tocsr(), history.tocsc()
        gram = np.empty((train.n_items, train.n_items), order="F")
        for start in range(0, train.n_items, _COLUMNS):  # as a sparse matrix, all of it could take more memory than dense
            gram[:, start : start + _COLUMNS] = (by_item @ columns[:, start : start + _COLUMNS]).toarray(order="F")
        gram[np.diag_indices_from(gram)] += self.l2
        self.items, self._popularity, self._weights = train.vocabulary, event_counts(train), _item_weights(gram, self.l2)
        if progress is not None:
            progress("fitting ease", 1, 1)
        return self

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        check_histories(self, histories)
        history = incidence(histories).astype(np.float64)
        used = np.unique(history.indices)
        history = history[:, used]
        scores = np.empty((len(histories), len(self.items)), np.float32)
        for start in range(0, len(self.items), _COLUMNS):  # summed in double precision, without a second matrix of all weights
            scores[:, start : start + _COLUMNS] = history @ self._weights[used, start : start + _COLUMNS]
        scores[without_known_items(histories)] = self._popularity
        return scores

    def state(self) -> Mapping[str, np.ndarray]:
        return {"weights": self._weights, "popularity": self._popularity}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._weights, self._popularity = items, state["weights"], state["popularity"]
        return self


def _item_weights(gram: np.ndarray, l2: float) -> Float32[np.ndarray, "N N"]:
    """`-P[i, j] / P[j, j]` off the diagonal, where P is the inverse of the Gram matrix plus l2, which is overwritten."""
    smallest_pivot = np.finfo(np.float64).eps * len(gram) * gram.diagonal().max()
    factor, failed = lapack.dpotrf(gram, lower=1, overwrite_a=1)
    if failed or factor.diagonal().min() ** 2 < smallest_pivot:
        raise ConfigError(f"l2 is too small for this log, got {l2:g}: the Gram matrix is singular to double precision; raise l2")
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)  # only the lower triangle holds
    diagonal = inverse.diagonal().copy()
    weights = np.empty(inverse.shape, np.float32)
    for j in range(len(inverse)):
        column = inverse[j:, j]
        weights[j:, j] = column / -diagonal[j]
        weights[j, j:] = column / -diagonal[j:]
    np.fill_diagonal(weights, 0)
    return weights
