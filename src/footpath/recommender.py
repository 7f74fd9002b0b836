"""All that a model must be, and the one way in which any model recommends.

Models score histories, not user ids: a new user is a short history, and an empty history gets an answer too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int32, Int64

from footpath.errors import ConfigError
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary


@runtime_checkable
class Recommender(Protocol):
    """A dataclass whose init fields are its hyper-parameters and which fits, scores, and gives away its state."""

    items: Vocabulary

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        """Learn from the training sequences; validation may only choose when to stop."""
        ...

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        """A score for every item after every history, higher is better; column 0 means nothing. Raises NotFittedError."""
        ...

    def state(self) -> Mapping[str, np.ndarray]:
        """What fit learned, as named arrays."""
        ...

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `state`, on a model with the same hyper-parameters."""
        ...


@runtime_checkable
class Settled(Protocol):
    """A model whose validation chose something, such as the number of epochs."""

    def settled(self) -> Self:
        """An unfitted model with that choice written into its hyper-parameters, to be fitted on all events."""
        ...


def hyperparameters(model: Recommender) -> dict[str, Any]:
    """The init fields of a model by name."""
    return {f.name: getattr(model, f.name) for f in dataclasses.fields(model) if f.init}  # type: ignore[arg-type]


def refit(model: Recommender, events: SequenceDataset, progress: Progress | None = None) -> Recommender:
    """A fresh model with the settings that validation chose, fitted on all of these events, as one does before serving."""
    fresh = model.settled() if isinstance(model, Settled) else type(model)(**hyperparameters(model))
    return fresh.fit(events, progress=progress)


@dataclass(frozen=True, eq=False)
class Recommendations:
    """The best K items after each of B histories; index 0 and score -inf where there were fewer than K candidates."""

    vocabulary: Vocabulary
    users: pa.StringArray
    indexes: Int32[np.ndarray, "B K"]
    scores: Float32[np.ndarray, "B K"]

    def items(self, b: int) -> list[str]:
        """The item ids of one list, best first."""
        row = self.indexes[b]
        return [id for id in self.vocabulary.decode(row[row > 0]) if id is not None]


def recommend(
    model: Recommender,
    histories: SequenceDataset,
    k: int = 10,
    *,
    repeat: bool = False,
    candidates: Sequence[str] | None = None,
    request_times: Int64[np.ndarray, " B"] | None = None,
    memory_mib: int = 256,
    progress: Progress | None = None,
) -> Recommendations:
    """The K best items after each history, in chunks that keep scores under a memory budget.

    repeat: whether items of the history may be recommended. candidates: only these item ids; unknown ones are refused.
    Equal scores are ordered by index, which is shuffled when the vocabulary is built. Raises ConfigError, NotFittedError.
    """
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}")
    if memory_mib < 1:
        raise ConfigError(f"memory_mib must be at least 1, got {memory_mib}")
    n_items = len(model.items)
    allowed = None
    if candidates is not None:
        allowed = np.zeros(n_items, bool)
        allowed[model.items.encode(list(candidates))] = True
        if allowed[0]:
            unknown = [id for id in candidates if id not in model.items]
            raise ConfigError(f"{len(unknown)} of {len(candidates)} candidates are unknown to the model, such as {unknown[0]!r}")
    k_found = min(k, n_items - 1)
    indexes = np.zeros((len(histories), k), np.int32)
    scores = np.full((len(histories), k), -np.inf, np.float32)
    rows = max(1, memory_mib * 2**20 // (8 * n_items))
    for start in range(0, len(histories), rows):
        chunk = histories.between(start, start + rows)
        stop = start + len(chunk)
        times = None if request_times is None else request_times[start:stop]
        table = masked(model.score(chunk, times), chunk, repeat=repeat)
        if allowed is not None:
            table[:, ~allowed] = -np.inf
        indexes[start:stop, :k_found], scores[start:stop, :k_found] = top_k(table, k_found)
        if progress is not None:
            progress("recommending", stop, len(histories))
    return Recommendations(model.items, histories.users, indexes, scores)


def masked(scores: Float32[np.ndarray, "B N"], histories: SequenceDataset, *, repeat: bool) -> Float32[np.ndarray, "B N"]:
    """Scores with -inf at padding and, unless repeats are allowed, at the items of each history; written in place."""
    scores = scores if scores.flags.writeable else scores.copy()
    scores[:, 0] = -np.inf
    if not repeat:
        scores[histories.rows, histories.items] = -np.inf
    return scores


def top_k(scores: Float32[np.ndarray, "B N"], k: int) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
    """The k largest of each row, largest first, ties by index; index 0 where the score is -inf or NaN."""
    scores = np.where(np.isnan(scores), np.float32(-np.inf), scores)
    if k < scores.shape[1]:
        bar = np.partition(scores, -k, axis=1)[:, -k, None]
        # everything above the bar, then the first of those on it: argpartition alone would pick among ties at random
        above, on = scores > bar, scores == bar
        room = k - above.sum(axis=1, keepdims=True)
        chosen = above | (on & (np.cumsum(on, axis=1) <= room))
        found = np.nonzero(chosen)[1].reshape(len(scores), k)
    else:
        found = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    values = np.take_along_axis(scores, found, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    values = np.take_along_axis(values, order, axis=1)
    indexes = np.take_along_axis(found, order, axis=1)
    return np.where(np.isneginf(values), 0, indexes).astype(np.int32), values.astype(np.float32)
