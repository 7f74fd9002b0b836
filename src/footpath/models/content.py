"""Recommend what reads like the history: items as weighted words, a history as the mean of its items.

Pazzani, Billsus, "Content-based recommendation systems", in The Adaptive Web, Springer 2007
(https://doi.org/10.1007/978-3-540-72079-9_10); TF-IDF as in Salton, Buckley, "Term-weighting approaches in automatic text retrieval",
IPM 1988 (https://doi.org/10.1016/0306-4573(88)90021-0).

**Differs from the paper:** the profile learns from what was taken alone, and later events count more; nothing is learned from dislikes;
vectors of an encoder may stand beside words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Int64

from footpath.errors import ConfigError, NotFittedError
from footpath.models.histories import check_histories, event_counts, fill_unreached, pack, unpack
from footpath.models.item_text import Whitening, WordWeights, text_vectors, unit_rows
from footpath.progress import Progress
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

SEARCH_SPACE: Final = {"half_life_events": (0.5, 50.0, "log")}


@dataclass
class ContentBased:
    """Scores are cosines between an item and the mean of the history's items, weighted by recency, repeats included.

    half_life_events: so many events back, an event weighs half. Items are TF-IDF of title, text, category and attributes.
    vector_weight: where the item features hold vectors too, how much their cosine, of whitened vectors, is added to that of words; it is
    all there is where nothing is written. An item without events is recommended like any other; a history of which nothing is known
    is answered by popularity, and so is, after the rest, every item that has nothing in common with it.
    """

    half_life_events: float = 3.0
    vector_weight: float = 0.5
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _rows: sp.csr_matrix = field(init=False, repr=False, compare=False)
    _words: WordWeights | None = field(init=False, repr=False, compare=False, default=None)
    _vectors: Float32[np.ndarray, "N D"] | None = field(init=False, repr=False, compare=False, default=None)
    _whitening: Whitening | None = field(init=False, repr=False, compare=False, default=None)
    _popularity: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.half_life_events > 0:
            raise ConfigError(f"half_life_events must be above 0, got {self.half_life_events}")
        if not 0 <= self.vector_weight < float("inf"):
            raise ConfigError(f"vector_weight must be at least 0 and finite, got {self.vector_weight}")

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        """Raises ConfigError where nothing is known of the items."""
        features = train.item_features
        if features is None:
            raise ConfigError(
                "content needs an item table (titles, texts, categories, attributes or vectors), and this log has none: add one"
            )
        words = WordWeights.of(features)
        rows, whitening, vectors = words.rows(features), None, None
        if features.vectors is not None:
            own = text_vectors(features)
            whitening = Whitening.of_sample(own)
            vectors = unit_rows(whitening.apply(own))
        if not rows.nnz and vectors is None:
            raise ConfigError(
                f"content needs words, and the item table is empty for all {train.n_items - 1} items of the log: check its item ids"
            )
        self.items, self._popularity = train.vocabulary, event_counts(train)
        self._words, self._rows, self._whitening, self._vectors = words, rows, whitening, vectors
        return self

    def with_items(self, ids: Sequence[str], features: ItemFeatures) -> Self:
        """The same model with further items, described as those of the fit were: by the words that it knows, and by vectors if it has some.

        features: in the order of `ids` after a row 0 of padding. Raises NotFittedError, ConfigError, DataError.
        """
        if not hasattr(self, "_rows"):
            raise NotFittedError("ContentBased is not fitted: call fit(train) before it takes in new items")
        if self._words is None:
            raise ConfigError("this model was saved by a version that did not keep its words: fit and save it again")
        vectors = None
        if self._vectors is not None and self._whitening is not None:
            width = self._vectors.shape[1]
            if features.vectors is None or features.vectors.shape[1] != width:
                raise ConfigError(
                    f"this model was fitted with item vectors of {width} numbers: encode the new items as those of the fit were"
                )
            vectors = np.concatenate([self._vectors, unit_rows(self._whitening.apply(features.vectors))[1:]])
        extended = type(self)(self.half_life_events, self.vector_weight)
        extended.items, extended._words, extended._whitening = self.items.extended(ids), self._words, self._whitening
        extended._rows = sp.vstack([self._rows, self._words.rows(features)[1:]], format="csr")
        extended._vectors, extended._popularity = vectors, np.pad(self._popularity, (0, len(ids)))
        return extended

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        check_histories(self, histories)
        recency = self._recency(histories)
        scores = (unit_rows(recency @ self._rows) @ self._rows.T).toarray()
        if self._vectors is not None:
            alone = self._rows.nnz == 0
            scores += (1 if alone else self.vector_weight) * (unit_rows(recency @ self._vectors) @ self._vectors.T)
        return fill_unreached(scores, self._popularity)

    def _recency(self, histories: SequenceDataset) -> sp.csr_matrix:
        """(B, N): how much each item weighs in the profile."""
        known = histories.where(histories.items > 0)
        back = known.offsets[1:][known.rows] - 1 - np.arange(known.n_events)
        weights = np.exp2(-back / self.half_life_events).astype(np.float32)
        return sp.csr_matrix((weights, (known.rows, known.items)), shape=(len(known), known.n_items))

    def state(self) -> Mapping[str, np.ndarray]:
        found = {"popularity": self._popularity, "width": np.array(self._rows.shape[1]), **pack("tfidf", self._rows)}
        if self._words is not None:
            found |= self._words.state()
        if self._vectors is not None:
            found["vectors"] = self._vectors
        if self._whitening is not None:
            found |= {"mean": self._whitening.mean, "matrix": self._whitening.matrix}
        return found

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._popularity, self._vectors = items, state["popularity"], state.get("vectors")
        if "tfidf.data" in state:
            self._rows = unpack("tfidf", state, int(state["width"]))
        else:  # of a version that read vectors alone
            self._rows = sp.csr_matrix((len(items), 0), dtype=np.float32)
        self._words = WordWeights.restored(state) if "words" in state else None
        self._whitening = Whitening(state["mean"], state["matrix"]) if "mean" in state else None
        return self
