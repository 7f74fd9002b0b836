"""Recommend what reads like the history: items as weighted words, a history as the mean of its items.

Pazzani, Billsus, "Content-based recommendation systems", in The Adaptive Web, Springer 2007
(https://doi.org/10.1007/978-3-540-72079-9_10); TF-IDF as in Salton, Buckley, "Term-weighting approaches in automatic text retrieval",
IPM 1988 (https://doi.org/10.1016/0306-4573(88)90021-0).

**Differs from the paper:** the profile learns from what was taken alone, and later events count more; nothing is learned from dislikes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Int64

from footpath.errors import ConfigError
from footpath.models.histories import check_histories, event_counts, fill_unreached, pack, unpack
from footpath.models.item_text import tfidf, unit_rows
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

SEARCH_SPACE: Final = {"half_life_events": (0.5, 50.0, "log")}


@dataclass
class ContentBased:
    """Scores are cosines between an item and the mean of the history's items, weighted by recency, repeats included.

    half_life_events: so many events back, an event weighs half. Items are their text vectors where the item features have some, else TF-IDF
    of title, text, category and attributes. An item without events is recommended like any other; a history of which nothing is known
    is answered by popularity, and so is, after the rest, every item that shares no word with it.
    """

    half_life_events: float = 3.0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _vectors: Float32[np.ndarray, "N D"] | sp.csr_matrix = field(init=False, repr=False, compare=False)
    _popularity: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.half_life_events > 0:
            raise ConfigError(f"half_life_events must be above 0, got {self.half_life_events}")

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        """Raises ConfigError where nothing is known of the items."""
        features = train.item_features
        if features is None:
            raise ConfigError(
                "content needs an item table (titles, texts, categories, attributes or vectors), and this log has none: add one"
            )
        vectors = unit_rows(features.vectors) if features.vectors is not None else tfidf(features)
        if not abs(vectors).sum():
            raise ConfigError(
                f"content needs words, and the item table is empty for all {train.n_items - 1} items of the log: check its item ids"
            )
        self.items, self._vectors, self._popularity = train.vocabulary, vectors, event_counts(train)
        return self

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        check_histories(self, histories)
        profiles = unit_rows(self._recency(histories) @ self._vectors)
        scores = profiles @ self._vectors.T
        if sp.issparse(scores):
            return fill_unreached(scores.toarray(), self._popularity)
        scores[~profiles.any(axis=1)] = self._popularity
        return scores

    def _recency(self, histories: SequenceDataset) -> sp.csr_matrix:
        """(B, N): how much each item weighs in the profile."""
        known = histories.where(histories.items > 0)
        back = known.offsets[1:][known.rows] - 1 - np.arange(known.n_events)
        weights = np.exp2(-back / self.half_life_events).astype(np.float32)
        return sp.csr_matrix((weights, (known.rows, known.items)), shape=(len(known), known.n_items))

    def state(self) -> Mapping[str, np.ndarray]:
        vectors = pack("tfidf", self._vectors) if sp.issparse(self._vectors) else {"vectors": self._vectors}
        return {"popularity": self._popularity, "width": np.array(self._vectors.shape[1]), **vectors}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._popularity = items, state["popularity"]
        self._vectors = state["vectors"] if "vectors" in state else unpack("tfidf", state, int(state["width"]))
        return self
