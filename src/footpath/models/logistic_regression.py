"""Logistic regression on what is known of an impression: one weight a category, one an amount, no crosses and no order of events.

Source: Richardson, Dominowska, Ragno, "Predicting clicks: estimating the click-through rate for new ads", WWW 2007
(https://doi.org/10.1145/1242572.1242643). Fitted by scikit-learn.

**Differs from the paper:** the features are those of the log (item, context, user and item columns, hour, weekday, length of the history
and time since it ended) instead of those of an advertisement; one model a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float64

from footpath.errors import ConfigError
from footpath.models.features import Features, codes_of
from footpath.models.responses import check_impressions, labelled, named_columns
from footpath.progress import Progress
from footpath.sequences.impressions import Impressions
from footpath.sequences.vocabulary import Vocabulary

SEARCH_SPACE: Final = {"l2": (0.01, 100.0, "log")}


@dataclass
class LogisticRegression:
    """The probability is a logistic of a sum of weights. l2: penalty on half the sum of their squares; the log-loss is a sum over rows.

    without: columns that are not read, separated by commas.
    """

    l2: float = 1.0
    without: str = ""
    items: Vocabulary = field(init=False, repr=False, compare=False)
    tasks: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _features: Features = field(init=False, repr=False, compare=False)
    _weights: Float64[np.ndarray, "M W"] = field(init=False, repr=False, compare=False)
    _biases: Float64[np.ndarray, " M"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.l2 < np.inf:
            raise ConfigError(f"l2 must be above 0 and finite, got {self.l2}")

    def fit(self, train: Impressions, *, validation: Impressions | None = None, progress: Progress | None = None) -> Self:
        """Raises DataError where a task has labels of one class only, or a column alone tells a label."""
        from sklearn.linear_model import LogisticRegression as Solver

        labels = labelled(train, "LogisticRegression")
        self._features = Features.fit(train, without=named_columns(self.without))
        design = self._design(train)
        weights, biases = [], []
        for number, label in enumerate(labels.values(), start=1):
            known = ~np.isnan(label)
            solver = Solver(C=1 / self.l2, max_iter=1_000, tol=1e-6).fit(design[known], label[known] > 0)
            weights.append(solver.coef_[0])
            biases.append(solver.intercept_[0])
            if progress is not None:
                progress("fitting", number, len(labels))
        self._weights, self._biases = np.stack(weights), np.array(biases)
        self.items, self.tasks = train.vocabulary, tuple(labels)
        return self

    def predict(self, rows: Impressions) -> Float64[np.ndarray, "R M"]:
        from scipy.special import expit

        check_impressions(self, rows)
        return np.asarray(expit(self._design(rows) @ self._weights.T + self._biases), np.float64)

    def state(self) -> Mapping[str, np.ndarray]:
        tasks = np.frombuffer("\n".join(self.tasks).encode(), np.uint8)
        return {"tasks": tasks, "weights": self._weights, "biases": self._biases, **self._features.state()}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self.tasks = items, tuple(bytes(np.asarray(state["tasks"])).decode().split("\n"))
        self._weights, self._biases = np.array(state["weights"]), np.array(state["biases"])
        self._features = Features.restore(state)
        return self

    def _design(self, rows: Impressions) -> sp.csr_matrix:
        """One column an item and a category, 0 for unknown ones, then the amounts, and whether each is missing."""
        encoded = self._features.encode(rows)
        codes = np.concatenate([rows.items[:, None], encoded.codes], axis=1)  # (R, 1 + C)
        sizes = np.concatenate([[rows.histories.n_items], codes_of(self._features)])
        places = codes + np.cumsum(sizes) - sizes
        known = (codes > 0).astype(np.float64)
        r, c = codes.shape
        one_hot = sp.csr_matrix((known.ravel(), places.ravel(), np.arange(0, r * c + 1, c)), shape=(r, int(sizes.sum())))
        return sp.hstack(
            [one_hot, sp.csr_matrix(encoded.amounts.astype(np.float64)), sp.csr_matrix(encoded.missing.astype(np.float64))]
        ).tocsr()
