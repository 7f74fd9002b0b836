"""A rating departs from the biases as the user's ratings of similar items do.

Koren, "Factor in the neighbors: scalable and accurate collaborative filtering", TKDD 2010 (https://doi.org/10.1145/1644873.1644874),
sections 2.2 and 3.1; neighbours among items from Sarwar, Karypis, Konstan, Riedl, "Item-based collaborative filtering recommendation
algorithms", WWW 2001 (https://doi.org/10.1145/371920.372071).

**Differs from the paper:** correlations are of what the biases leave, and only positive ones count, as in the library Surprise
(KNNBaseline with pearson_baseline); the sum of weights is shrunk too, so that few or unlike neighbours move a prediction less; the
history's rated events are the user's ratings, one an item, the newest; predictions are clipped to the range of the training ratings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Float64, Int32, Int64

from footpath.errors import ConfigError
from footpath.models.histories import keep_stored, largest_per_row, pack, unpack
from footpath.models.rating_histories import (
    Ratings,
    check_above_zero,
    check_whole,
    history_ratings,
    in_parts,
    item_biases,
    training_ratings,
    user_biases,
)
from footpath.models.responses import check_impressions
from footpath.progress import Progress
from footpath.sequences.impressions import VALUE_TASK, Impressions
from footpath.sequences.vocabulary import Vocabulary

_PAIRS_AT_ONCE: Final = 2**22
SEARCH_SPACE: Final = {
    "neighbours": (10, 200, "log"),
    "shrinkage": (10.0, 500.0, "log"),
    "weight_shrinkage": (0.01, 1.0, "log"),
    "user_l2": (1.0, 30.0, "log"),
    "item_l2": (1.0, 30.0, "log"),
}


@dataclass
class RatingKNN:
    """neighbours: most similar items of the history that are listened to. epochs, user_l2, item_l2: of the biases.

    shrinkage: common raters at which a correlation counts half. weight_shrinkage: added to the sum of the neighbours' similarities; 0 for
    a plain weighted mean. Similarities of all pairs of items that two people rated are kept.
    """

    neighbours: int = 40
    shrinkage: float = 100.0
    weight_shrinkage: float = 0.1
    epochs: int = 10
    user_l2: float = 3.0
    item_l2: float = 3.0
    tasks: tuple[str, ...] = field(init=False, repr=False, compare=False, default=(VALUE_TASK,))
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _scale: Float64[np.ndarray, " 3"] = field(init=False, repr=False, compare=False)
    _item_biases: Float64[np.ndarray, " N"] = field(init=False, repr=False, compare=False)
    _similarity: sp.csr_matrix = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_whole(self, neighbours=1, epochs=1)
        check_above_zero(self, "shrinkage", "user_l2", "item_l2")
        if not 0 <= self.weight_shrinkage < np.inf:
            raise ConfigError(f"weight_shrinkage must be 0 or above and finite, got {self.weight_shrinkage}")

    def fit(self, train: Impressions, *, validation: Impressions | None = None, progress: Progress | None = None) -> Self:
        ratings, _ = training_ratings(self, train)
        mean, self._item_biases = item_biases(ratings, len(train.vocabulary), self.user_l2, self.item_l2, self.epochs)
        self._scale = np.array([mean, ratings.values.min(), ratings.values.max()])
        self._similarity = self._correlated(ratings, self._left(ratings), progress)
        self.items = train.vocabulary
        return self

    def _left(self, ratings: Ratings) -> Float64[np.ndarray, " E"]:
        """What the biases leave of each rating."""
        of_user = user_biases(ratings, self._scale[0], self._item_biases, self.user_l2)
        return ratings.values - self._scale[0] - of_user[ratings.users] - self._item_biases[ratings.items]

    def _correlated(self, ratings: Ratings, left: Float64[np.ndarray, " E"], progress: Progress | None) -> sp.csr_matrix:
        """(N, N) float32: shrunk correlations above 0 of what is left of the ratings by the people who rated both items."""
        n_items = len(self._item_biases)
        shape = (ratings.n_users, n_items)
        values = sp.csr_matrix((left, (ratings.users, ratings.items)), shape=shape)
        squares = sp.csr_matrix((left**2, (ratings.users, ratings.items)), shape=shape)
        ones = sp.csr_matrix((np.ones(len(left)), (ratings.users, ratings.items)), shape=shape)
        by_item = [matrix.T.tocsr() for matrix in (values, squares, ones)]
        rows, parts = max(1, _PAIRS_AT_ONCE // n_items), []
        for start in range(0, n_items, rows):
            own, own_squares, own_ones = (matrix[start : start + rows] for matrix in by_item)
            common, product = (own_ones @ ones).toarray(), (own @ values).toarray()
            power = (own_squares @ ones).toarray() * (own_ones @ squares).toarray()
            correlation = np.where(power > 0, product / np.sqrt(np.where(power > 0, power, 1)), 0)
            shrunk = correlation * np.maximum(common - 1, 0) / (np.maximum(common - 1, 0) + self.shrinkage)
            shrunk[np.arange(len(shrunk)), start + np.arange(len(shrunk))] = 0  # an item is not its own neighbour
            parts.append(sp.csr_matrix(np.maximum(shrunk, 0).astype(np.float32)))
            if progress is not None:
                progress("fitting rating_knn", min(start + rows, n_items), n_items)
        return sp.vstack(parts, format="csr")

    def predict(self, rows: Impressions) -> Float64[np.ndarray, "R M"]:
        check_impressions(self, rows)
        return np.concatenate([self._predicted(part) for part in in_parts(rows)])[:, None]

    def _predicted(self, rows: Impressions) -> Float64[np.ndarray, " R"]:
        mean, low, high = self._scale
        histories, which = rows.asked()
        ratings = history_ratings(histories)
        of_user = user_biases(ratings, mean, self._item_biases, self.user_l2)
        left = self._left(ratings)
        n = np.bincount(ratings.users, minlength=ratings.n_users)
        heard = n[which]
        offsets = np.concatenate([[0], np.cumsum(heard)])
        events = np.arange(offsets[-1]) + np.repeat((np.cumsum(n) - n)[which] - offsets[:-1], heard)  # of each row's history
        weight = _stored(self._similarity, np.repeat(rows.items, heard), ratings.items[events])
        pairs = sp.csr_matrix((weight, events, offsets), shape=(len(rows), len(left)))
        pairs = keep_stored(pairs, pairs.data > 0)
        pairs = keep_stored(pairs, largest_per_row(pairs, self.neighbours))
        weights = pairs.sum(axis=1, dtype=np.float64).A1
        moved = (pairs @ left) / np.where(weights > 0, weights + self.weight_shrinkage, 1)
        return np.clip(mean + of_user[which] + self._item_biases[rows.items] + moved, low, high)

    def state(self) -> Mapping[str, np.ndarray]:
        return {"scale": self._scale, "item_biases": self._item_biases, **pack("similarity", self._similarity)}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._scale, self._item_biases = items, state["scale"], state["item_biases"]
        self._similarity = unpack("similarity", state, len(items))
        return self


def _stored(matrix: sp.csr_matrix, rows: Int32[np.ndarray, " P"], columns: Int64[np.ndarray, " P"]) -> Float32[np.ndarray, " P"]:
    """The values at pairs of a row and a column."""
    if not len(rows):
        return np.zeros(0, np.float32)  # of no pair, SciPy makes a matrix
    return np.asarray(matrix[rows, columns]).ravel()
