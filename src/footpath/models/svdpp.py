"""Matrix factorisation whose users are also told by what they rated, or only met, whatever the value: SVD++.

Koren, "Factorization meets the neighborhood: a multifaceted collaborative filtering model", KDD 2008
(https://doi.org/10.1145/1401890.1401944), section 4.

**Differs from the paper:** fitted by alternating least squares with a closed form for each of the three kinds of vectors (the implicit
ones by conjugate gradients), with one penalty for both biases, one for the vectors of users and items and one for the implicit
vectors; a user's bias and vector are computed from the rated events of the history by the same regression, one rating an item, the
newest; events without a value count as implicit feedback beside the rated ones; predictions are clipped to the range of the training
ratings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float64

from footpath.models.histories import incidence
from footpath.models.rating_histories import (
    Ratings,
    check_above_zero,
    check_whole,
    history_ratings,
    in_parts,
    products,
    ridge,
    training_ratings,
)
from footpath.models.responses import check_impressions
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impressions import VALUE_TASK, Impressions
from footpath.sequences.vocabulary import Vocabulary

SEARCH_SPACE: Final = {
    "dim": [20, 40, 80],
    "l2": (5.0, 50.0, "log"),
    "implicit_l2": (10.0, 500.0, "log"),
    "bias_l2": (1.0, 30.0, "log"),
    "epochs": (5, 30),
}


@dataclass
class SVDpp:
    """l2, implicit_l2, bias_l2: penalties of each vector, implicit vector and bias, not multiplied by the number of ratings.

    Without known items a history has no bias and no vector: the mean and the item's bias are the answer.
    """

    dim: int = 40
    epochs: int = 15
    l2: float = 16.0
    implicit_l2: float = 60.0
    bias_l2: float = 5.0
    seed: int = 0
    tasks: tuple[str, ...] = field(init=False, repr=False, compare=False, default=(VALUE_TASK,))
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _scale: Float64[np.ndarray, " 3"] = field(init=False, repr=False, compare=False)
    _of_items: Float64[np.ndarray, "N D+1"] = field(init=False, repr=False, compare=False)
    _implicit: Float64[np.ndarray, "N D"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_whole(self, dim=1, epochs=1, seed=0)
        check_above_zero(self, "l2", "implicit_l2", "bias_l2")

    def fit(self, train: Impressions, *, validation: Impressions | None = None, progress: Progress | None = None) -> Self:
        ratings, trails = training_ratings(self, train)
        mean, n_items = ratings.values.mean(), len(train.vocabulary)
        lengths = np.zeros(len(train.histories), np.int64)
        np.maximum.at(lengths, train.rows, train.lengths)  # only what a training impression saw
        met = _met(ratings, train.histories.prefixes(trails, lengths[trails]))
        by_item = np.argsort(ratings.items, kind="stable")
        items, raters = ratings.items[by_item], ratings.users[by_item]
        of_items = np.random.default_rng(self.seed).normal(0, 0.1, (n_items, 1 + self.dim))
        of_items[:, 0] = 0
        implicit = np.zeros((n_items, self.dim))
        for epoch in range(self.epochs):
            of_users = self._of_users(ratings, met, mean, of_items, implicit)
            implicit = _regressed(met, of_users[:, 1:], self.implicit_l2 / self.l2, implicit)
            rest = ratings.values[by_item] - mean - of_users[raters, 0]
            of_items = ridge(items, n_items, raters, of_users, rest, self.bias_l2, self.l2)
            if progress is not None:
                progress("fitting svdpp", epoch + 1, self.epochs)
        self.items, self._of_items, self._implicit = train.vocabulary, of_items, implicit
        self._scale = np.array([mean, ratings.values.min(), ratings.values.max()])
        return self

    def _of_users(
        self,
        ratings: Ratings,
        met: sp.csr_matrix,
        mean: float,
        of_items: Float64[np.ndarray, "N D+1"],
        implicit: Float64[np.ndarray, "N D"],
    ) -> Float64[np.ndarray, "B D+1"]:
        """Bias and vector of each user: the implicit part, and by ridge on what it leaves of the ratings the rest."""
        told = np.zeros((ratings.n_users, 1 + self.dim))
        told[:, 1:] = met @ implicit
        rest = ratings.values - mean - products(told, ratings.users, of_items, ratings.items)
        return told + ridge(ratings.users, ratings.n_users, ratings.items, of_items, rest, self.bias_l2, self.l2)

    def predict(self, rows: Impressions) -> Float64[np.ndarray, "R M"]:
        check_impressions(self, rows)
        return np.concatenate([self._predicted(part) for part in in_parts(rows)])[:, None]

    def _predicted(self, rows: Impressions) -> Float64[np.ndarray, " R"]:
        mean, low, high = self._scale
        histories, which = rows.asked()
        ratings = history_ratings(histories)
        of_users = self._of_users(ratings, _met(ratings, histories), mean, self._of_items, self._implicit)
        return np.clip(mean + products(of_users, which, self._of_items, rows.items), low, high)

    def state(self) -> Mapping[str, np.ndarray]:
        return {"scale": self._scale, "of_items": self._of_items, "implicit": self._implicit}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._scale, self._of_items, self._implicit = items, state["scale"], state["of_items"], state["implicit"]
        return self


def _met(ratings: Ratings, histories: SequenceDataset) -> sp.csr_matrix:
    """(B, N), |N(u)|^-1/2 where the user rated the item or the history has it without a value."""
    unrated = np.ones(histories.n_events, bool) if histories.values is None else np.isnan(histories.values)
    ones = np.ones(len(ratings.items))
    met = sp.csr_matrix((ones, (ratings.users, ratings.items)), shape=(ratings.n_users, histories.n_items))
    met = (met + incidence(histories.where(unrated)).astype(np.float64)).tocsr()
    n = np.diff(met.indptr)
    met.data = np.repeat(np.maximum(n, 1) ** -0.5, n)
    return met


def _regressed(
    met: sp.csr_matrix, vectors: Float64[np.ndarray, "B D"], l2: float, start: Float64[np.ndarray, "N D"]
) -> Float64[np.ndarray, "N D"]:
    """The y that makes |vectors - met y|^2 + l2 |y|^2 least, by conjugate gradients, all columns at once."""
    transposed = met.T.tocsr()
    y = start.copy()
    residual = transposed @ (vectors - met @ y) - l2 * y
    enough = 1e-12 * np.sum((transposed @ vectors) ** 2, axis=0)
    direction, size = residual, np.sum(residual**2, axis=0)
    for _ in range(100):
        moving = size > enough
        if not moving.any():
            break
        image = transposed @ (met @ direction) + l2 * direction
        step = np.where(moving, size / np.where(moving, np.sum(direction * image, axis=0), 1), 0)
        y += step * direction
        residual = residual - step * image
        before, size = size, np.where(moving, np.sum(residual**2, axis=0), size)
        direction = residual + np.where(moving, size / np.where(moving, before, 1), 0) * direction
    return y
