"""A rating is the mean, plus how much more the user gives than others, plus how much more the item gets.

Koren, Bell, Volinsky, "Matrix factorization techniques for recommender systems", IEEE Computer 2009
(https://doi.org/10.1109/MC.2009.263); the alternation is that of Koren, "Factor in the neighbors: scalable and accurate collaborative
filtering", TKDD 2010 (https://doi.org/10.1145/1644873.1644874), section 2.1, repeated.

**Differs from the paper:** a user's bias is computed from the rated events of the history, one rating an item, the newest; the two
biases take turns for several rounds, and not one; predictions are clipped to the range of the training ratings.
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
    item_biases,
    training_ratings,
    user_biases,
)
from footpath.models.responses import check_impressions
from footpath.progress import Progress
from footpath.sequences.impressions import VALUE_TASK, Impressions
from footpath.sequences.vocabulary import Vocabulary

SEARCH_SPACE: Final = {"user_l2": (1.0, 30.0, "log"), "item_l2": (1.0, 30.0, "log")}


@dataclass
class RatingBias:
    """user_l2, item_l2: as many ratings at the mean, added to those of every user and item."""

    epochs: int = 10
    user_l2: float = 3.0
    item_l2: float = 3.0
    tasks: tuple[str, ...] = field(init=False, repr=False, compare=False, default=(VALUE_TASK,))
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _scale: Float64[np.ndarray, " 3"] = field(init=False, repr=False, compare=False)
    _item_biases: Float64[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_whole(self, epochs=1)
        check_above_zero(self, "user_l2", "item_l2")

    def fit(self, train: Impressions, *, validation: Impressions | None = None, progress: Progress | None = None) -> Self:
        ratings, _ = training_ratings(self, train)
        mean, self._item_biases = item_biases(ratings, len(train.vocabulary), self.user_l2, self.item_l2, self.epochs)
        self._scale = np.array([mean, ratings.values.min(), ratings.values.max()])
        self.items = train.vocabulary
        return self

    def predict(self, rows: Impressions) -> Float64[np.ndarray, "R M"]:
        check_impressions(self, rows)
        return np.concatenate([self._predicted(part) for part in in_parts(rows)])[:, None]

    def _predicted(self, rows: Impressions) -> Float64[np.ndarray, " R"]:
        mean, low, high = self._scale
        histories, which = rows.asked()
        of_user = user_biases(history_ratings(histories), mean, self._item_biases, self.user_l2)
        return np.clip(mean + of_user[which] + self._item_biases[rows.items], low, high)

    def state(self) -> Mapping[str, np.ndarray]:
        return {"scale": self._scale, "item_biases": self._item_biases}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._scale, self._item_biases = items, state["scale"], state["item_biases"]
        return self
