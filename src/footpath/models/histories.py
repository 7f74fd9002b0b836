"""What the classic models share: histories as sparse rows, the checks before scoring, the answer where nothing is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float32

from footpath.errors import ConfigError, NotFittedError
from footpath.recommender import Recommender
from footpath.sequences.dataset import SequenceDataset

_EVENTS_AT_ONCE: Final = 2**18  # a log that is memory-mapped never has to be in memory as a whole


def check_histories(model: Recommender, histories: SequenceDataset) -> None:
    """Raises NotFittedError before `fit`, ConfigError where histories are encoded with another vocabulary than the model's."""
    name, items, given = type(model).__name__, getattr(model, "items", None), histories.vocabulary
    if items is None:
        raise NotFittedError(f"{name} is not fitted: call fit(train) or load a saved model before it scores")
    if given is not items and given != items:
        raise ConfigError(
            f"{name} knows {len(items) - 1} items and the histories are encoded with another vocabulary, of {len(given) - 1}; "
            "encode them with the vocabulary of the model (its field `items`)"
        )


def incidence(histories: SequenceDataset) -> sp.csr_matrix:
    """(B, N) float32, 1 where the item occurs in the history, once or more; unknown items are left out."""
    known = histories.items > 0
    rows, items = histories.rows[known], histories.items[known]
    matrix = sp.csr_matrix((np.ones(len(items), np.float32), (rows, items)), shape=(len(histories), histories.n_items))
    matrix.data[:] = 1  # building it has added up repeats
    return matrix


def without_known_items(histories: SequenceDataset) -> Bool[np.ndarray, " B"]:
    """The rows that are empty or hold nothing but unknown items."""
    rows = max(1, _EVENTS_AT_ONCE * len(histories) // max(1, histories.n_events))
    known = [np.bincount(part.rows[part.items > 0], minlength=len(part)) for part in histories.chunks(rows)]
    return np.concatenate([np.zeros(0, np.int64), *known]) == 0


def event_counts(sequences: SequenceDataset) -> Float32[np.ndarray, " N"]:
    """Events of each item, repeats included; 0 at index 0."""
    counts = np.zeros(sequences.n_items, np.int64)
    for start in range(0, sequences.n_events, _EVENTS_AT_ONCE):
        counts += np.bincount(sequences.items[start : start + _EVENTS_AT_ONCE], minlength=sequences.n_items)
    counts[0] = 0
    return counts.astype(np.float32)


def fill_unreached(scores: Float32[np.ndarray, "B N"], popularity: Float32[np.ndarray, " N"]) -> Float32[np.ndarray, "B N"]:
    """Zeros, which a model that only adds up evidence leaves at items it has none for, become [-1, 0) by popularity; in place."""
    order = popularity / (popularity.max() + 1) - 1
    np.copyto(scores, order, where=scores == 0)
    return scores


def largest_per_row(matrix: sp.csr_matrix, k: int) -> Bool[np.ndarray, " nnz"]:
    """Which stored values are among the k largest of their row; the first of equal ones, so that the choice never depends on the batch.

    Values are float32 and above 0: then their bits are ordered as they are, and one sort of integers finds the bar of every row.
    """
    counts = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    falling = ~matrix.data.view(np.uint32)
    keys = np.sort(rows << np.uint64(32) | falling)
    last_kept = matrix.indptr[:-1] + np.minimum(counts, k) - 1
    bar = np.repeat(keys[np.maximum(last_kept, 0)[counts > 0]].astype(np.uint32), counts[counts > 0])
    above, on = falling < bar, falling == bar
    room = np.minimum(counts, k) - np.bincount(rows[above].astype(np.int64), minlength=len(counts))
    before_row = np.concatenate([[0], np.cumsum(on)])[matrix.indptr[:-1]]
    return above | (on & (np.cumsum(on) - np.repeat(before_row, counts) <= np.repeat(room, counts)))


def keep_stored(matrix: sp.csr_matrix, keep: Bool[np.ndarray, " nnz"]) -> sp.csr_matrix:
    """The matrix without the stored values that are not to be kept."""
    indptr = np.concatenate([[0], np.cumsum(keep)])[matrix.indptr]
    return sp.csr_matrix((matrix.data[keep], matrix.indices[keep], indptr), shape=matrix.shape)


def pack(name: str, matrix: sp.csr_matrix) -> dict[str, np.ndarray]:
    """A sparse matrix as the three arrays of its compressed rows."""
    return {f"{name}.data": matrix.data, f"{name}.indices": matrix.indices, f"{name}.indptr": matrix.indptr}


def unpack(name: str, state: Mapping[str, np.ndarray], n_columns: int) -> sp.csr_matrix:
    """The inverse of `pack`."""
    data, indices, indptr = (state[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
    return sp.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, n_columns))
