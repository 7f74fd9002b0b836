"""Items that the same people take are alike; recommend what is most like the items of the history.

Deshpande, Karypis, "Item-based top-N recommendation algorithms", TOIS 2004 (https://doi.org/10.1145/963770.963776); BM25 weights from
Robertson, Zaragoza, "The probabilistic relevance framework: BM25 and beyond", FnTIR 2009 (https://doi.org/10.1561/1500000019).
Similarities are computed by `implicit`, and the ranking is that of its nearest-neighbour models.

**Differs from the paper:** similarities are not normalised per item; a user stands for a term and an item for a document in TF-IDF and
BM25; an item is among its own neighbours, which matters only where items of the history may be recommended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Self, get_args

import numpy as np
import scipy.sparse as sp
from implicit.nearest_neighbours import ItemItemRecommender, bm25_weight, normalize, tfidf_weight
from jaxtyping import Float32, Int64

from footpath.errors import ConfigError
from footpath.models.histories import check_histories, event_counts, fill_unreached, incidence, pack, unpack
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

Weighting = Literal["cosine", "tfidf", "bm25"]
SEARCH_SPACE: Final = {
    "weighting": ["bm25", "cosine", "tfidf"],
    "neighbours": (20, 500, "log"),
    "k1": (0.3, 5.0, "log"),
    "b": (0.0, 1.0),
}


@dataclass
class ItemKNN:
    """Scores are sums of the similarities between an item and the items of the history, each counted once.

    neighbours: similar items kept for each item. k1, b: saturation and length normalisation of BM25, unused by the others.
    Items that no item of the history is like follow in the order of popularity.
    """

    weighting: Weighting = "bm25"
    neighbours: int = 100
    k1: float = 1.2
    b: float = 0.75
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _similarity: sp.csr_matrix = field(init=False, repr=False, compare=False)
    _popularity: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.weighting not in get_args(Weighting):
            raise ConfigError(f"weighting must be one of {', '.join(get_args(Weighting))}, got {self.weighting!r}")
        if self.neighbours < 1:
            raise ConfigError(f"neighbours must be at least 1, got {self.neighbours}")
        if not 0 < self.k1 < np.inf:
            raise ConfigError(f"k1 must be above 0 and finite, got {self.k1}")
        if not 0 <= self.b <= 1:
            raise ConfigError(f"b must be in 0 to 1, got {self.b}")

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        neighbourhood = ItemItemRecommender(K=self.neighbours)
        # without the padding column, or the number of documents would be one more than there are items
        neighbourhood.fit(self._weighted(incidence(train)[:, 1:]), show_progress=False)
        similarity = neighbourhood.similarity
        self._similarity = sp.csr_matrix(
            (similarity.data.astype(np.float32), similarity.indices + 1, np.concatenate([[0], similarity.indptr])),
            shape=(train.n_items, train.n_items),
        )
        self.items, self._popularity = train.vocabulary, event_counts(train)
        return self

    def _weighted(self, by_user: sp.csr_matrix) -> sp.csr_matrix:
        by_item = by_user.T
        if self.weighting == "bm25":
            return _without_rounding(bm25_weight(by_item, self.k1, self.b)).T.tocsr()
        weighted = _without_rounding(tfidf_weight(by_item)) if self.weighting == "tfidf" else by_item.tocoo()
        return normalize(weighted).T.tocsr()

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        check_histories(self, histories)
        return fill_unreached((incidence(histories) @ self._similarity).toarray(), self._popularity)

    def state(self) -> Mapping[str, np.ndarray]:
        return {"popularity": self._popularity, **pack("similarity", self._similarity)}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._popularity, self._similarity = items, state["popularity"], unpack("similarity", state, len(items))
        return self


def _without_rounding(weighted: sp.coo_matrix) -> sp.coo_matrix:
    """Zeros where users took all items but one: their weight is log(1), and processors round log(N) - log1p(N - 1) to other last bits."""
    weighted.data[np.abs(weighted.data) < 1e-12] = 0.0
    weighted.eliminate_zeros()
    return weighted
