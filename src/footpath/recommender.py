"""All that a model must be, and the one way in which any model recommends.

Models score histories, not user ids: a new user is a short history, and an empty history gets an answer too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, Self, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Float64, Int32, Int64

from footpath.errors import ConfigError, NotFittedError
from footpath.progress import Progress
from footpath.rules import ListRules, Rules
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.impressions import Impressions
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


class EpochFigures(Protocol):
    """What one epoch of training came to; validation is None where nothing was asked of the model."""

    @property
    def number(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def validation(self) -> float | None: ...
    @property
    def cpu_seconds(self) -> float: ...


Watch = Callable[[EpochFigures], bool]
"""Called after each epoch; training stops where it returns True, and keeps the best weights so far."""


@runtime_checkable
class Iterative(Protocol):
    """A model that is trained by epochs, which can be watched, and gone on with after a kill."""

    def observed(self, *, watch: Watch | None = None, checkpoint: Path | None = None) -> Self:
        """The same model, whose next `fit` calls `watch` and keeps its progress in `checkpoint`, a directory."""
        ...


@runtime_checkable
class Retriever(Protocol):
    """A model that finds the best items without a score for every item, for catalogues too large for B x N."""

    def retrieve(
        self, histories: SequenceDataset, k: int, *, request_times: Int64[np.ndarray, " B"] | None = None, exclude_seen: bool = True
    ) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
        """What the k largest scores of each row would be, but for rounding; index 0 and score -inf where there are fewer items."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """A model whose score of an item after a history is the dot product of a vector of each."""

    def states(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B D"]:
        """A vector for every history; zeros where nothing is known of it. Raises NotFittedError."""
        ...

    def item_vectors(self) -> Float32[np.ndarray, "N D"]:
        """A vector for every item of the vocabulary; row 0 is zero. Raises NotFittedError."""
        ...


@runtime_checkable
class TakesNewItems(Protocol):
    """A fitted model that can take in items which came after its fit, by what is written about them."""

    def with_items(self, ids: Sequence[str], features: ItemFeatures) -> Self:
        """The same model with further items behind those it knows, which keep their indexes and their scores; nothing is learned.

        features: of the new items, in the order of `ids` after a row 0 of padding. Raises NotFittedError, ConfigError (this model was not
        fitted on text, or on other text), DataError (an id is known already).
        """
        ...


@runtime_checkable
class ClickModel(Protocol):
    """A dataclass whose init fields are its hyper-parameters and which says how likely an act on an item is, or how it will be rated."""

    items: Vocabulary
    tasks: tuple[str, ...]

    def fit(self, train: Impressions, *, validation: Impressions | None = None, progress: Progress | None = None) -> Self:
        """Learn all tasks that the impressions have labels of; validation may only choose when to stop."""
        ...

    def predict(self, rows: Impressions) -> Float64[np.ndarray, "R M"]:
        """A column for each of `tasks`: a probability, or for `rating` a value. Labels are not read. Raises NotFittedError, ConfigError."""
        ...

    def state(self) -> Mapping[str, np.ndarray]:
        """What fit learned, as named arrays."""
        ...

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `state`, on a model with the same hyper-parameters."""
        ...


RETRIEVE_FROM: Final = 2**17
"""Items; with more, `recommend` asks a Retriever to retrieve."""
_RETRIEVED_AT_ONCE: Final = 1024


def hyperparameters(model: Recommender | ClickModel) -> dict[str, Any]:
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
    rules: Rules | None = None,
    request_times: Int64[np.ndarray, " B"] | None = None,
    memory_mib: int = 32,
    progress: Progress | None = None,
) -> Recommendations:
    """The K best items after each history, in chunks that keep scores under a memory budget.

    memory_mib: small by default, for memory in small pieces is used again while large ones are fetched anew, at several times the price.
    repeat: whether items of the history may be recommended. candidates: only these item ids; unknown ones are refused.
    rules: what lists must and must not hold. Pinned items are listed whether seen, among the candidates or not, with the score that the
    model gives them, NaN where it retrieves.
    Equal scores are ordered by index, which is shuffled when the vocabulary is built. Above `RETRIEVE_FROM` items a Retriever is asked
    to retrieve: the same lists, but for items whose scores differ by rounding alone. Raises ConfigError (also where the histories
    were built with another vocabulary than the model's), NotFittedError.
    """
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}")
    if memory_mib < 1:
        raise ConfigError(f"memory_mib must be at least 1, got {memory_mib}")
    if len(getattr(model, "items", ())) < 2:  # before fit, items are absent or empty
        raise NotFittedError(f"{type(model).__name__} is not fitted: call fit(train) before it recommends")
    if model.items is not histories.vocabulary and model.items != histories.vocabulary:
        raise ConfigError(
            f"the histories use a vocabulary of {histories.n_items - 1} items, {type(model).__name__} was fitted on another of "
            f"{len(model.items) - 1}: build the histories with the model's vocabulary (model.items)"
        )
    n_items = len(model.items)
    allowed = None
    if candidates is not None:
        allowed = np.zeros(n_items, bool)
        allowed[model.items.encode(list(candidates))] = True
        if allowed[0]:
            unknown = [id for id in candidates if id not in model.items]
            raise ConfigError(f"{len(unknown)} of {len(candidates)} candidates are unknown to the model, such as {unknown[0]!r}")
    k_found = min(k, n_items - 1)
    listing = None
    if rules is not None:
        features = histories.item_features
        listing = rules.encoded(model.items, k, None if features is None else features.categories)
    indexes = np.zeros((len(histories), k), np.int32)
    scores = np.full((len(histories), k), -np.inf, np.float32)
    if candidates is None and n_items > RETRIEVE_FROM and isinstance(model, Retriever):
        for start in range(0, len(histories), _RETRIEVED_AT_ONCE):
            chunk = histories.between(start, start + _RETRIEVED_AT_ONCE)
            stop = start + len(chunk)
            times = None if request_times is None else request_times[start:stop]
            retrieve = partial(model.retrieve, chunk, request_times=times, exclude_seen=not repeat)
            if listing is None:
                indexes[start:stop, :k_found], scores[start:stop, :k_found] = retrieve(k_found)
            else:
                indexes[start:stop], scores[start:stop] = _ruled(listing, retrieve, k, n_items - 1)
            if progress is not None:
                progress("recommending", stop, len(histories))
        return Recommendations(model.items, histories.users, indexes, scores)
    rows = max(1, memory_mib * 2**20 // (8 * n_items))
    for start in range(0, len(histories), rows):
        chunk = histories.between(start, start + rows)
        stop = start + len(chunk)
        times = None if request_times is None else request_times[start:stop]
        table = model.score(chunk, times)
        if table.shape != (len(chunk), n_items):
            raise ConfigError(
                f"{type(model).__name__}.score must return a row for each history and a column for each item, "
                f"{(len(chunk), n_items)}, got {table.shape}"
            )
        pinned = None if listing is None else table[:, listing.pinned]
        table = masked(table, chunk, repeat=repeat)
        if allowed is not None:
            table[:, ~allowed] = -np.inf
        if listing is None:
            indexes[start:stop, :k_found], scores[start:stop, :k_found] = top_k(table, k_found)
        else:
            table[:, listing.set_apart] = -np.inf
            indexes[start:stop], scores[start:stop] = _ruled(listing, partial(top_k, table), k, n_items - 1, pinned)
        if progress is not None:
            progress("recommending", stop, len(histories))
    return Recommendations(model.items, histories.users, indexes, scores)


def _ruled(
    listing: ListRules,
    best: Callable[[int], tuple[Int32[np.ndarray, "B C"], Float32[np.ndarray, "B C"]]],
    k: int,
    most: int,
    pinned_scores: Float32[np.ndarray, "B P"] | None = None,
) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
    """Lists under rules, from as many of the best items as it takes."""
    asked = min(most, k + len(listing.set_apart))
    while True:
        indexes, scores, complete = listing.apply(*best(asked), k, pinned_scores)
        if asked == most or complete.all():
            return indexes, scores
        asked = min(most, 4 * asked)


def masked(scores: Float32[np.ndarray, "B N"], histories: SequenceDataset, *, repeat: bool) -> Float32[np.ndarray, "B N"]:
    """Scores with -inf at padding and, unless repeats are allowed, at the items of each history; written in place."""
    scores = scores if scores.flags.writeable else scores.copy()
    scores[:, 0] = -np.inf
    if not repeat:
        scores[histories.rows, histories.items] = -np.inf
    return scores


def top_k(scores: Float32[np.ndarray, "B N"], k: int) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
    """The k largest of each row, largest first, ties by index; index 0 and score -inf where the score is -inf or NaN.

    One pass takes the maxima of groups of columns; only the k groups with the largest maxima can hold more than the k-th of these.
    """
    n = scores.shape[1]
    k = min(k, n)
    width = max(1, round((n / k) ** 0.5))  # then group maxima are about as many as columns in k groups
    groups = n // width
    if groups <= k:
        columns = np.broadcast_to(np.arange(n), scores.shape)
        return _best(scores, columns, k)
    maxima = np.fmax.reduce(scores[:, : width * groups].reshape(len(scores), width, groups), axis=1)  # group g: columns g, g + groups ...
    maxima[np.isnan(maxima)] = -np.inf
    best = np.argpartition(maxima, groups - k, axis=1)[:, groups - k :]
    bar = np.take_along_axis(maxima, best, axis=1).min(axis=1, keepdims=True)
    rest = np.broadcast_to(np.arange(width * groups, n), (len(scores), n - width * groups))
    columns = np.concatenate([(best[:, None, :] + groups * np.arange(width)[:, None]).reshape(len(scores), k * width), rest], axis=1)
    indexes, values = _best(scores, columns, k)
    # where more than k groups reach the bar and so does the k-th value, the first columns on the bar may lie in a group left out
    doubtful = (values[:, -1:] == bar) & np.isfinite(bar) & ((maxima >= bar).sum(axis=1, keepdims=True) > k)
    above = (values > bar).sum(axis=1)
    for b in np.flatnonzero(doubtful):
        on = (scores[b, :512] == bar[b]).nonzero()[0]  # sparse scores tie everywhere: the beginning of the row mostly suffices
        if len(on) < k - above[b]:
            on = (scores[b] == bar[b]).nonzero()[0]
        indexes[b, above[b] :] = on[: k - above[b]]
    return indexes, values


def _best(
    scores: Float32[np.ndarray, "B N"], columns: Int64[np.ndarray, "B C"], k: int
) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
    """The k largest of each row among its columns, by one integer key that orders by score, then by smaller column."""
    flat, starts = scores.reshape(-1), scores.shape[1] * np.arange(len(scores))[:, None]
    values = flat.take(starts + columns).astype(np.float32, copy=False) + np.float32(0)  # -0 becomes 0
    values[np.isnan(values)] = -np.inf
    bits = values.view(np.uint32)
    ascending = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))  # the order of floats, as unsigned integers
    keys = ascending.astype(np.uint64) << np.uint64(32) | (0xFFFFFFFF - columns).astype(np.uint64)
    keys = np.sort(np.partition(keys, keys.shape[1] - k, axis=1)[:, keys.shape[1] - k :], axis=1)[:, ::-1]
    found = 0xFFFFFFFF - (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    values = flat.take(starts + found).astype(np.float32, copy=False)
    nothing = np.isnan(values) | np.isneginf(values)
    values[nothing], found[nothing] = -np.inf, 0
    return found.astype(np.int32), values
