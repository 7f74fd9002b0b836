"""What a log and an item table say of two items: who had both, in which order, and how alike they are. No model is asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Int32, Int64

from footpath.models.item_text import tfidf
from footpath.recommender import Embedder, Recommender
from footpath.result import Phrase
from footpath.sequences.dataset import ItemFeatures, SequenceDataset

BY_VECTORS: Final = Phrase("the model's item vectors", "模型的物品向量")
BY_USERS: Final = Phrase("the users they share", "共同的用户")
BY_WORDS: Final = Phrase("the words about them", "描述文字")


@dataclass(frozen=True)
class Pattern:
    """Users of the log other than the one who is asked about, counted.

    n_users: with any event. n_with: who had the first item, n_item: the second, n_both: both, n_later: the second at some time after the
    first, n_next: the second as the very next event after the first.
    """

    n_users: int
    n_with: int
    n_item: int
    n_both: int
    n_later: int
    n_next: int

    @property
    def lift(self) -> float:
        """The share of the second item among those who had the first, over its share among all; NaN where nobody had one of them."""
        if not (self.n_with and self.n_item):
            return np.nan
        return (self.n_both / self.n_with) / (self.n_item / self.n_users)


def pattern(log: SequenceDataset, first: int, second: int, *, user: str | None = None) -> Pattern:
    """Who had both items in a log, and in which order; user: left out of all counts."""
    own = None if user is None else log.row_of(user)
    left_out = np.array([] if own is None else [own], np.int64)
    firsts, seconds = np.flatnonzero(log.items == first), np.flatnonzero(log.items == second)
    with_first, begins = np.unique(log.rows[firsts], return_index=True)
    with_second, ends = np.unique(log.rows[seconds][::-1], return_index=True)
    both, i, j = np.intersect1d(with_first, with_second, return_indices=True)
    later = both[firsts[begins[i]] < seconds[::-1][ends[j]]]
    before = seconds[seconds > 0] - 1
    following = log.rows[before[(log.items[before] == first) & (log.rows[before] == log.rows[before + 1])]]
    users = np.flatnonzero(log.lengths)
    counts = [len(np.setdiff1d(rows, left_out)) for rows in (users, with_first, with_second, both, later, following)]
    return Pattern(*counts)


@dataclass(frozen=True, eq=False)
class Likeness:
    """How alike items are, in -1 to 1: by the model's own item vectors, else by the users they share in a log, else by their words."""

    model: Recommender
    log: SequenceDataset | None = None
    features: ItemFeatures | None = None

    @cached_property
    def _rows(self) -> tuple[Phrase, Float32[np.ndarray, "N D"] | sp.csr_matrix] | None:
        if isinstance(self.model, Embedder):
            return BY_VECTORS, _unit(self.model.item_vectors())
        if self.log is not None:
            known = self.log.items > 0
            at = (self.log.items[known], self.log.rows[known])
            by_item = sp.csr_matrix((np.ones(len(at[0]), np.float32), at), shape=(self.log.n_items, len(self.log)))
            by_item.data[:] = 1  # building it has added up repeats
            counts = np.maximum(1, np.diff(by_item.indptr))
            return BY_USERS, sp.csr_matrix(sp.diags_array(1 / np.sqrt(counts)) @ by_item)
        return None if self._words is None else (BY_WORDS, self._words)

    @cached_property
    def _words(self) -> sp.csr_matrix | None:
        if self.features is None:
            return None
        rows = tfidf(self.features)
        return rows if rows.nnz else None

    @property
    def by(self) -> Phrase | None:
        """What it is measured by; None where there is nothing to measure it by."""
        return None if self._rows is None else self._rows[0]

    def of(self, items: Int32[np.ndarray, " L"], item: int) -> Float32[np.ndarray, " L"]:
        """Of each of some items with one. Zeros where there is nothing to measure it by."""
        return np.zeros(len(items), np.float32) if self._rows is None else _products(self._rows[1], items, item)

    def of_words(self, first: int, second: int) -> float | None:
        """The cosine of the words about two items; None where one of them has none."""
        words = self._words
        if words is None or not (words.indptr[first + 1] > words.indptr[first] and words.indptr[second + 1] > words.indptr[second]):
            return None
        return float(_products(words, np.array([first], np.int32), second)[0])


def _products(rows: Float32[np.ndarray, "N D"] | sp.csr_matrix, items: Int32[np.ndarray, " L"], item: int) -> Float32[np.ndarray, " L"]:
    if isinstance(rows, np.ndarray):
        return rows[items] @ rows[item]
    return np.asarray((rows[items] @ rows[[item]].T).todense(), np.float32).ravel()


def _unit(vectors: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N D"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors, dtype=np.float32), where=lengths > 0)


def most_alike(places: tuple[int, ...], alike: Float32[np.ndarray, " P"], size: int) -> tuple[int, ...]:
    """The places with the largest values, the newest of equals."""
    order: Int64[np.ndarray, " P"] = np.lexsort((-np.asarray(places), -alike))
    return tuple(sorted(places[i] for i in order[:size].tolist()))
