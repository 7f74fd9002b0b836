"""What followed the last item most often follows it again.

Rendle, Freudenthaler, Schmidt-Thieme, "Factorizing personalized Markov chains for next-basket recommendation", WWW 2010
(https://doi.org/10.1145/1772690.1772773), section 4.1: the chain that is neither personalised nor factorised; smoothed as in MacKay and
Peto, "A hierarchical Dirichlet language model", Natural Language Engineering 1995 (https://doi.org/10.1017/S1351324900000218).

**Differs from the paper:** items, not baskets; rows of the chain are backed off to popularity by a fixed number of pseudo-events, so that
items never seen after the last one are ordered too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Int64

from footpath.errors import ConfigError
from footpath.models.histories import check_histories, event_counts, pack, unpack
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

SEARCH_SPACE: Final = {"back_off": (0.05, 50.0, "log")}


@dataclass
class Markov:
    """Scores are P(next item | last known item), a repeat of the same item included.

    back_off: pseudo-events after every item that are spread by popularity; an unknown or empty history is popularity alone.
    """

    back_off: float = 1.0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _transitions: sp.csr_matrix = field(init=False, repr=False, compare=False)
    _popularity: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.back_off < np.inf:
            raise ConfigError(f"back_off must be above 0 and finite, got {self.back_off}")

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        known = train.where(train.items > 0)
        same_row = known.rows[1:] == known.rows[:-1]
        before, after = known.items[:-1][same_row], known.items[1:][same_row]
        shape = (train.n_items, train.n_items)
        self._transitions = sp.csr_matrix((np.ones(len(after), np.float32), (before, after)), shape=shape)
        counts = event_counts(train)
        self.items, self._popularity = train.vocabulary, counts / max(counts.sum(), 1)
        return self

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        check_histories(self, histories)
        known = histories.where(histories.items > 0)
        last = np.zeros(len(histories), np.int64)
        some = known.lengths > 0
        last[some] = known.items[known.offsets[1:][some] - 1]
        scores = self._transitions[last].toarray()
        total = scores.sum(axis=1, keepdims=True) + np.float32(self.back_off)
        scores += np.float32(self.back_off) * self._popularity
        scores /= total
        return scores

    def state(self) -> Mapping[str, np.ndarray]:
        return {"popularity": self._popularity, **pack("transitions", self._transitions)}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._popularity, self._transitions = items, state["popularity"], unpack("transitions", state, len(items))
        return self
