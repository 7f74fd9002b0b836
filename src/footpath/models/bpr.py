"""People and items as vectors, learned so that what was taken ranks above what was not.

Rendle, Freudenthaler, Gantner, Schmidt-Thieme, "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009
(https://arxiv.org/abs/1205.2618), by `implicit`.

**Differs from the paper:** a user has no stored vector: a history is folded in as the mean vector of its items, times the ratio of the
average length of the learned user vectors to that of such means (on validation this beat the bare mean and a ridge regression of user
vectors on means); items have a bias; one thread, so that a seed gives the same model again; a history without known items is answered by
popularity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import scipy.sparse as sp
from implicit.cpu.bpr import BayesianPersonalizedRanking
from jaxtyping import Float32, Int64

from footpath.errors import ConfigError
from footpath.models.histories import check_histories, event_counts, incidence, without_known_items
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

SEARCH_SPACE: Final = {"dim": [32, 64, 128], "epochs": (30, 200), "learning_rate": (0.005, 0.2, "log"), "l2": (1e-5, 0.05, "log")}


@dataclass
class BPR:
    """Scores are products of the vector folded in for a history, each item counted once, and the vectors of the items, plus their biases.

    dim: length of the vectors. epochs: each draws as many (event, item not taken) pairs as there are events. l2: penalty on the vectors.
    """

    dim: int = 64
    epochs: int = 100
    learning_rate: float = 0.03
    l2: float = 0.0005
    seed: int = 0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _factors: Float32[np.ndarray, "N D"] = field(init=False, repr=False, compare=False)
    _biases: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)
    _scale: float = field(init=False, repr=False, compare=False)
    _popularity: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("dim", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < np.inf:
            raise ConfigError(f"learning_rate must be above 0 and finite, got {self.learning_rate}")
        if not 0 <= self.l2 < np.inf:
            raise ConfigError(f"l2 must be at least 0 and finite, got {self.l2}")
        if self.seed < 0:
            raise ConfigError(f"seed must be at least 0, got {self.seed}")

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        def told(epoch: int, seconds: float, *_: object) -> None:
            if progress is not None:
                progress("fitting bpr", epoch + 1, self.epochs)

        taken = incidence(train)
        solver = BayesianPersonalizedRanking(
            self.dim, self.learning_rate, self.l2, iterations=self.epochs, num_threads=1, random_state=self.seed
        )
        solver.fit(taken, show_progress=False, callback=told)
        self._factors = np.ascontiguousarray(solver.item_factors[:, :-1])
        self._biases = np.ascontiguousarray(solver.item_factors[:, -1])
        lengths, means = (np.linalg.norm(vectors, axis=1).mean() for vectors in (solver.user_factors[:, :-1], self._means(taken)))
        self._scale = float(lengths / means) if means else 1.0
        self.items, self._popularity = train.vocabulary, event_counts(train)
        return self

    def _means(self, taken: sp.csr_matrix) -> Float32[np.ndarray, "B D"]:
        return (taken @ self._factors) / np.maximum(np.diff(taken.indptr), 1).astype(np.float32)[:, None]

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        check_histories(self, histories)
        scores = (np.float32(self._scale) * self._means(incidence(histories))) @ self._factors.T
        scores += self._biases
        scores[without_known_items(histories)] = self._popularity
        return scores

    def state(self) -> Mapping[str, np.ndarray]:
        return {"factors": self._factors, "biases": self._biases, "scale": np.array(self._scale), "popularity": self._popularity}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._factors, self._biases = items, state["factors"], state["biases"]
        self._scale, self._popularity = float(state["scale"]), state["popularity"]
        return self
