"""The means of training labels, which every table of responses needs: what does not beat them has learned nothing of who sees what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, Self, get_args

import numpy as np
from jaxtyping import Float64, Int64

from footpath.errors import ConfigError, DataError, NotFittedError, did_you_mean
from footpath.sequences.impressions import Impressions

ReferenceName = Literal["base_rate", "user_mean", "item_mean"]
REFERENCES: Final[tuple[ReferenceName, ...]] = get_args(ReferenceName)


@dataclass
class Reference:
    """The mean of the training labels: of all (`base_rate`), of the user's (`user_mean`), of the item's (`item_mean`).

    smoothing: rows at the mean of all that are added to those of each user or item, so that few rows say little. One of whom nothing is
    known gets the mean of all. `base_rate` and `user_mean` tell no two items of one user apart: their GAUC is 0.5.
    """

    of: ReferenceName
    smoothing: float = 10.0
    tasks: tuple[str, ...] = field(init=False, default=())
    _base: Float64[np.ndarray, " M"] = field(init=False, repr=False)
    _means: Float64[np.ndarray, "G M"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.of not in REFERENCES:
            raise ConfigError(f"no reference {self.of!r}{did_you_mean(self.of, REFERENCES)}; there are: {', '.join(REFERENCES)}")
        if not 0 < self.smoothing < np.inf:
            raise ConfigError(f"smoothing must be above 0, got {self.smoothing:g}")

    def fit(self, train: Impressions) -> Self:
        """Raises DataError for a task without a label."""
        for task, label in train.labels.items():
            if np.isnan(label).all():
                raise DataError(f"no training row has a label of {task!r}")
        self.tasks = train.tasks
        self._base = np.array([np.nanmean(label, dtype=np.float64) for label in train.labels.values()])
        groups = self._groups(train)
        size = int(groups.max(initial=0)) + 1
        means = []
        for label, base in zip(train.labels.values(), self._base, strict=True):
            known = ~np.isnan(label)
            sums, n = np.bincount(groups[known], label[known], size), np.bincount(groups[known], minlength=size)
            means.append((sums + self.smoothing * base) / (n + self.smoothing))
        self._means = np.stack(means, axis=1)
        if self.of == "item_mean":
            self._means[0] = self._base  # unknown items have nothing in common
        return self

    def predict(self, rows: Impressions) -> Float64[np.ndarray, "R M"]:
        if not self.tasks:
            raise NotFittedError(f"{self.of} is not fitted: call fit(train) before it predicts")
        if self.of == "base_rate":
            return np.tile(self._base, (len(rows), 1))
        groups = self._groups(rows)
        known = groups < len(self._means)
        return np.where(known[:, None], self._means[np.where(known, groups, 0)], self._base)

    def _groups(self, rows: Impressions) -> Int64[np.ndarray, " R"]:
        return rows.rows if self.of == "user_mean" else rows.items.astype(np.int64)
