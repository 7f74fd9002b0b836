"""A rating is the mean, a bias of the user, a bias of the item, and the product of a vector of each.

Koren, Bell, Volinsky, "Matrix factorization techniques for recommender systems", IEEE Computer 2009
(https://doi.org/10.1109/MC.2009.263).

**Differs from the paper:** fitted by alternating least squares, a user's bias and vector together, then an item's, with one penalty for
both biases and one for both vectors; a user's are then computed from the rated events of the history by the same regression, one rating
an item, the newest; predictions are clipped to the range of the training ratings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from jaxtyping import Float64

from footpath.models.rating_histories import (
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
from footpath.sequences.impressions import VALUE_TASK, Impressions
from footpath.sequences.vocabulary import Vocabulary

SEARCH_SPACE: Final = {"dim": [10, 20, 40, 80], "l2": (3.0, 50.0, "log"), "bias_l2": (1.0, 30.0, "log"), "epochs": (5, 30)}


@dataclass
class BiasedMF:
    """l2, bias_l2: penalties of each vector and each bias, not multiplied by the number of ratings.

    Without ratings of known items a history has no bias and no vector: the mean and the item's bias are the answer.
    """

    dim: int = 40
    epochs: int = 15
    l2: float = 14.0
    bias_l2: float = 5.0
    seed: int = 0
    tasks: tuple[str, ...] = field(init=False, repr=False, compare=False, default=(VALUE_TASK,))
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _scale: Float64[np.ndarray, " 3"] = field(init=False, repr=False, compare=False)
    _of_items: Float64[np.ndarray, "N D+1"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_whole(self, dim=1, epochs=1, seed=0)
        check_above_zero(self, "l2", "bias_l2")

    def fit(self, train: Impressions, *, validation: Impressions | None = None, progress: Progress | None = None) -> Self:
        ratings, _ = training_ratings(self, train)
        mean, n_items = ratings.values.mean(), len(train.vocabulary)
        by_item = np.argsort(ratings.items, kind="stable")
        items, raters = ratings.items[by_item], ratings.users[by_item]
        of_items = np.random.default_rng(self.seed).normal(0, 0.1, (n_items, 1 + self.dim))
        of_items[:, 0] = 0
        for epoch in range(self.epochs):
            rest = ratings.values - mean - of_items[ratings.items, 0]
            of_users = ridge(ratings.users, ratings.n_users, ratings.items, of_items, rest, self.bias_l2, self.l2)
            rest = ratings.values[by_item] - mean - of_users[raters, 0]
            of_items = ridge(items, n_items, raters, of_users, rest, self.bias_l2, self.l2)
            if progress is not None:
                progress("fitting biased_mf", epoch + 1, self.epochs)
        self.items, self._of_items = train.vocabulary, of_items
        self._scale = np.array([mean, ratings.values.min(), ratings.values.max()])
        return self

    def predict(self, rows: Impressions) -> Float64[np.ndarray, "R M"]:
        check_impressions(self, rows)
        return np.concatenate([self._predicted(part) for part in in_parts(rows)])[:, None]

    def _predicted(self, rows: Impressions) -> Float64[np.ndarray, " R"]:
        mean, low, high = self._scale
        histories, which = rows.asked()
        ratings = history_ratings(histories)
        rest = ratings.values - mean - self._of_items[ratings.items, 0]
        of_users = ridge(ratings.users, ratings.n_users, ratings.items, self._of_items, rest, self.bias_l2, self.l2)
        return np.clip(mean + products(of_users, which, self._of_items, rows.items), low, high)

    def state(self) -> Mapping[str, np.ndarray]:
        return {"scale": self._scale, "of_items": self._of_items}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._scale, self._of_items = items, state["scale"], state["of_items"]
        return self
