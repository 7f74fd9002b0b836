"""People and items as vectors whose product says what was taken; the vectors come from least squares, side by side in turn.

Hu, Koren, Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008 (https://doi.org/10.1109/ICDM.2008.22), by
`implicit`, whose conjugate gradients are those of Takács, Pilászy, Tikk, "Applications of the conjugate gradient method for implicit
feedback collaborative filtering", RecSys 2011 (https://doi.org/10.1145/2043932.2043987).

**Differs from the paper:** a user has no stored vector: each history is folded in when it is scored, by the paper's own equation for a user
with the items fixed; confidence is `alpha` at every item of the history and 1 elsewhere, however often an item occurs; a history without
known items is answered by popularity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from jaxtyping import Float32, Int64
from threadpoolctl import threadpool_limits

from footpath.errors import ConfigError
from footpath.models.histories import check_histories, event_counts, incidence, without_known_items
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

SEARCH_SPACE: Final = {"dim": [32, 64, 128, 256], "epochs": (5, 30), "alpha": (1.0, 60.0, "log"), "l2": (0.1, 100.0, "log")}


@dataclass
class ALS:
    """Scores are products of the vector folded in for a history, each item counted once, and the vectors of the items.

    dim: length of the vectors. alpha: confidence in an event, against 1 for its absence. l2: penalty on the vectors.
    """

    dim: int = 128
    epochs: int = 15
    alpha: float = 10.0
    l2: float = 10.0
    seed: int = 0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _factors: Float32[np.ndarray, "N D"] = field(init=False, repr=False, compare=False)
    _popularity: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("dim", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.alpha < np.inf:
            raise ConfigError(f"alpha must be above 0 and finite, got {self.alpha}")
        if not 0 < self.l2 < np.inf:
            raise ConfigError(f"l2 must be above 0 and finite, got {self.l2}")
        if self.seed < 0:
            raise ConfigError(f"seed must be at least 0, got {self.seed}")

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        def told(epoch: int, seconds: float, loss: float | None) -> None:
            if progress is not None:
                progress("fitting als", epoch + 1, self.epochs)

        with threadpool_limits(1, "blas"):  # implicit runs threads of its own, and BLAS threads under them slow it down
            solver = self._solver()
            solver.fit(incidence(train), show_progress=False, callback=told)
        self.items, self._factors, self._popularity = train.vocabulary, solver.item_factors, event_counts(train)
        return self

    def _solver(self) -> AlternatingLeastSquares:
        return AlternatingLeastSquares(self.dim, self.l2, self.alpha, iterations=self.epochs, random_state=self.seed)

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        check_histories(self, histories)
        with threadpool_limits(1, "blas"):
            solver = self._solver()
            solver.item_factors = self._factors
            vectors = solver.recalculate_user(np.arange(len(histories)), incidence(histories))
        scores = vectors @ self._factors.T
        scores[without_known_items(histories)] = self._popularity
        return scores

    def state(self) -> Mapping[str, np.ndarray]:
        return {"factors": self._factors, "popularity": self._popularity}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._factors, self._popularity = items, state["factors"], state["popularity"]
        return self
