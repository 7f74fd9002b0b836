"""The same list for everyone: the items with the most events. The row that every table of results needs.

Cremonesi, Koren, Turrin, "Performance of recommender algorithms on top-N recommendation tasks", RecSys 2010
(https://doi.org/10.1145/1864708.1864721), where it is called TopPop.

**Differs from the paper:** counts events, repeats included, rather than users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from jaxtyping import Float32, Int64

from footpath.models.histories import check_histories, event_counts
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary


@dataclass
class Popularity:
    """Scores are the events of each item in the training sequences."""

    items: Vocabulary = field(init=False, repr=False, compare=False)
    _counts: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        self.items, self._counts = train.vocabulary, event_counts(train)
        return self

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        check_histories(self, histories)
        return np.tile(self._counts, (len(histories), 1))

    def state(self) -> Mapping[str, np.ndarray]:
        return {"counts": self._counts}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._counts = items, state["counts"]
        return self
