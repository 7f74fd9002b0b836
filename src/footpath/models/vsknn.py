"""Sessions that share the latest items are alike; recommend what the most similar of them went on with.

Ludewig, Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018 (https://arxiv.org/abs/1803.09587), V-SKNN and, for
the position of the last shared item, S-SKNN; Jannach, Ludewig, "When recurrent neural networks meet the neighborhood for session-based
recommendation", RecSys 2017 (https://doi.org/10.1145/3109859.3109872), for the recent sessions and the cosine.

**Differs from the paper:** a session is a row, whatever a row is; only its last `max_len` distinct items are compared; similarities are
divided by the square root of the neighbour's length (the 2018 paper takes the plain dot product, under which long rows win); without a
clock no session is more recent than another, and all that share an item are candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Int64

from footpath.errors import ConfigError
from footpath.models.histories import check_histories, event_counts, fill_unreached, incidence, keep_stored, largest_per_row, pack, unpack
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

_ROWS = 512  # histories compared with all sessions at a time
SEARCH_SPACE: Final = {"neighbours": [50, 100, 200, 500], "recent_sessions": [500, 1000, 2500, 5000], "max_len": (3, 50, "log")}


@dataclass
class VSKNN:
    """Scores are sums over the neighbours that hold an item of similarity / (steps back to the last shared item).

    neighbours: sessions kept for each history, out of the `recent_sessions` latest ones that share an item with it.
    max_len: distinct items of a history that are compared, at most 50; the latest weighs 1, the one before it less by 1 / their number ...
    Items in no neighbour follow in the order of popularity.
    """

    neighbours: int = 100
    recent_sessions: int = 1000
    max_len: int = 10
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _sessions: sp.csr_matrix = field(init=False, repr=False, compare=False)
    _by_item: sp.csr_matrix = field(init=False, repr=False, compare=False)
    _holds: sp.csr_matrix = field(init=False, repr=False, compare=False)
    _candidates: int = field(init=False, repr=False, compare=False)
    _popularity: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ConfigError(f"neighbours must be at least 1, got {self.neighbours}")
        if self.recent_sessions < self.neighbours:
            raise ConfigError(f"recent_sessions must be at least neighbours, {self.neighbours}, got {self.recent_sessions}")
        if not 1 <= self.max_len <= 50:
            raise ConfigError(f"max_len must be in 1 to 50, got {self.max_len}")

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        rows = np.flatnonzero(train.lengths)
        if train.times is not None:
            rows = rows[np.argsort(-train.times[train.offsets[1:][rows] - 1], kind="stable")]
        sessions = incidence(train)[rows]
        candidates = len(rows) if train.times is None else self.recent_sessions
        return self._remember(train.vocabulary, sessions, candidates, event_counts(train))

    def _remember(self, items: Vocabulary, sessions: sp.csr_matrix, candidates: int, popularity: Float32[np.ndarray, " N"]) -> Self:
        self.items, self._sessions, self._candidates, self._popularity = items, sessions, candidates, popularity
        lengths = np.maximum(np.diff(sessions.indptr), 1)
        self._by_item = (sp.diags_array(1 / np.sqrt(lengths, dtype=np.float32)) @ sessions).T.tocsr()  # (N, sessions), latest first
        self._holds = sessions.T.tocsr().astype(np.float64)
        return self

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        check_histories(self, histories)
        scores = np.zeros((len(histories), len(self.items)), np.float32)
        for start in range(0, len(histories), _ROWS):
            neighbourhood = self._neighbourhood(_latest_distinct(histories.between(start, start + _ROWS)).last(self.max_len))
            (neighbourhood @ self._sessions).toarray(out=scores[start : start + _ROWS])
        return fill_unreached(scores, self._popularity)

    def _neighbourhood(self, histories: SequenceDataset) -> sp.csr_matrix:
        """(B, sessions): the weight of each neighbour."""
        shape = (len(histories), histories.n_items)
        back = histories.offsets[1:][histories.rows] - 1 - np.arange(histories.n_events)  # 0 at the latest item
        decay = (1 - back / histories.lengths[histories.rows]).astype(np.float32)
        similarity = sp.csr_matrix((decay, histories.items, histories.offsets), shape=shape) @ self._by_item
        # a sum of distinct powers of two has the exponent of the largest: that of the latest shared item
        powers = sp.csr_matrix((np.exp2(-back.astype(np.float64)), histories.items, histories.offsets), shape=shape)
        shared = powers @ self._holds
        similarity.sort_indices()
        shared.sort_indices()
        steps = 2 - np.frexp(shared.data)[1]  # 1 at the latest item
        recent = np.arange(similarity.nnz) - np.repeat(similarity.indptr[:-1], np.diff(similarity.indptr)) < self._candidates
        similarity, steps = keep_stored(similarity, recent), steps[recent]
        nearest = largest_per_row(similarity, self.neighbours)
        similarity.data /= steps
        return keep_stored(similarity, nearest)

    def state(self) -> Mapping[str, np.ndarray]:
        return {"popularity": self._popularity, "candidates": np.array(self._candidates), **pack("sessions", self._sessions)}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        return self._remember(items, unpack("sessions", state, len(items)), int(state["candidates"]), state["popularity"])


def _latest_distinct(histories: SequenceDataset) -> SequenceDataset:
    """Each known item of a row once, where it occurs last."""
    keys = histories.rows.astype(np.int64) * histories.n_items + histories.items
    _, from_end = np.unique(keys[::-1], return_index=True)
    latest = np.zeros(histories.n_events, bool)
    latest[histories.n_events - 1 - from_end] = True
    return histories.where(latest & (histories.items > 0))
