"""Deletion tests: which events of a history carry an item, by scoring the history again without them.

Nothing is asked of a model but its scores, so what is found holds on the model that serves. Erasure: Li, Monroe, Jurafsky, "Understanding
neural networks through representation erasure", 2016 (arXiv:1612.08220). Sets of one's own acts without which the list is another: Tran,
Ghazimatin, Saha Roy, "Counterfactual explanations for neural recommenders", SIGIR 2021 (arXiv:2105.05008). A reason must be needed and must
suffice: DeYoung et al., "ERASER: a benchmark to evaluate rationalized NLP models", ACL 2020 (arXiv:1911.03429).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from footpath.errors import ConfigError
from footpath.recommender import Recommender, top_k
from footpath.sequences.dataset import SequenceDataset
from footpath.statistics import seeded

Events = tuple[int, ...]
"""Places in a history, from 0 for the oldest event, ascending."""

FALLEN: Final = 1e-9
"""A score that falls by no more has not fallen."""
_MEMORY_MIB: Final = 32
_BEAM: Final = 5
_SHORTLIST: Final = 20
_KEPT_WEIGHT: Final = 0.1
_ENOUGH: Final = 0.95


def because(
    model: Recommender,
    history: SequenceDataset,
    items: Int32[np.ndarray, " K"],
    *,
    last: int = 50,
    request_times: Int64[np.ndarray, " 1"] | None = None,
) -> Int32[np.ndarray, " K"]:
    """For each item, the history item without which its score falls most; 0 where no deletion lowers it.

    Leave-one-out: the model that recommends scores the history again without each of the items in its last `last` events (all of
    their occurrences), so a reason that is given holds on this model. Scores are centred over the catalogue: a deletion may move them all.
    history: one row; unknown items are no reasons. request_times: as `score` takes them, of that row.
    """
    recent = history.items[::-1][:last]
    distinct = np.unique(recent[recent > 0])
    if len(distinct) == 0 or len(items) == 0:
        return np.zeros(len(items), np.int32)
    keep = history.items[None, :] != np.concatenate([[-1], distinct])[:, None]  # row 0 deletes nothing
    parts = [_over_mean(table, items) for table in scores_of(model, history, keep, request_times)]
    centred = np.concatenate(parts)
    drop = centred[0] - centred[1:]  # (distinct, K)
    return np.where(drop.max(axis=0) > FALLEN, distinct[drop.argmax(axis=0)], 0).astype(np.int32)


def scores_of(
    model: Recommender, history: SequenceDataset, keep: Bool[np.ndarray, "S L"], request_times: Int64[np.ndarray, " 1"] | None = None
) -> Iterator[Float32[np.ndarray, "C N"]]:
    """The scores after one history with only the events that each row keeps, in chunks of rows that fit a memory budget."""
    rows = max(1, _MEMORY_MIB * 2**20 // (8 * history.n_items))
    for start in range(0, len(keep), rows):
        part = keep[start : start + rows]
        variants = history.take(np.zeros(len(part), np.int64)).where(part.ravel())
        yield model.score(variants, None if request_times is None else np.repeat(request_times, len(part)))


def _over_mean(table: Float32[np.ndarray, "C N"], items: Int32[np.ndarray, " K"]) -> Float64[np.ndarray, "C K"]:
    return table[:, items].astype(np.float64) - table[:, 1:].mean(axis=1, dtype=np.float64, keepdims=True)


@dataclass(frozen=True)
class Outcome:
    """What becomes of an item once a set of events is left out.

    drop: by how much its score falls, both scores over the mean of the catalogue, for a deletion may move them all. rank: its place among
    the candidates then. lead: its score less that of the best other candidate then. kept_rank: its place where nothing but the set is left.
    """

    drop: float
    rank: int
    lead: float
    kept_rank: int


@dataclass(frozen=True, eq=False)
class Trial:
    """One item after one history, to be asked about again with some of the events left out.

    history: one row. item: its index. repeat: whether items of the history are candidates; the item itself always is. The whole history
    settles what the candidates are: an item that is left out of it does not come back into the list, or it would stand in its own way.
    request_times: as `score` takes them, of that row; where None, the time of the newest event is kept for models that read it, or leaving
    that event out would change the moment too. Raises ConfigError.
    """

    model: Recommender
    history: SequenceDataset
    item: int
    repeat: bool = False
    request_times: Int64[np.ndarray, " 1"] | None = None

    def __post_init__(self) -> None:
        if len(self.history) != 1:
            raise ConfigError(f"a deletion test is of one history, got {len(self.history)}: take one row of them")
        if not 0 < self.item < self.history.n_items:
            raise ConfigError(f"the index of an item lies in 1 to {self.history.n_items - 1}, got {self.item}")

    @cached_property
    def candidates(self) -> Bool[np.ndarray, " N"]:
        """Which items compete; never padding."""
        allowed = np.ones(self.history.n_items, bool)
        if not self.repeat:
            allowed[self.history.items] = False
        allowed[0] = False
        allowed[self.item] = True
        return allowed

    @cached_property
    def asked(self) -> Int64[np.ndarray, " 1"] | None:
        """When the question is asked; None where the model would answer the whole history otherwise if it were told."""
        if self.request_times is not None or self.history.times is None or not self.history.n_events:
            return self.request_times
        newest = self.history.times[-1:]
        return newest if np.array_equal(self.model.score(self.history), self.model.score(self.history, newest)) else None

    @cached_property
    def whole(self) -> Outcome:
        """Nothing left out; kept_rank is the place after an empty history."""
        return self.without([()])[0]

    @cached_property
    def _score(self) -> float:
        return float(self._standing(np.ones((1, self.history.n_events), bool))[0, 0])

    def without(self, sets: Sequence[Events]) -> list[Outcome]:
        """What becomes of the item without each set, and with nothing but it, all in one batch."""
        only = np.zeros((len(sets), self.history.n_events), bool)
        for row, events in enumerate(sets):
            only[row, list(events)] = True
        left, kept = np.split(self._standing(np.concatenate([~only, only])), 2)
        return [
            Outcome(float(self._score - score), int(rank), lead, int(kept_rank))
            for (score, rank, lead), kept_rank in zip(left.tolist(), kept[:, 1], strict=True)
        ]

    def _standing(self, keep: Bool[np.ndarray, "S L"]) -> Float64[np.ndarray, "S 3"]:
        """Score over the mean, rank and lead with only the events that each row keeps; equal scores are ordered by index, as in lists."""
        parts = []
        for table in scores_of(self.model, self.history, keep, self.asked):
            own = table[:, self.item].copy()
            others = np.where(self.candidates, table, -np.inf)
            others[:, self.item] = -np.inf
            above = (others > own[:, None]).sum(axis=1) + (others[:, : self.item] == own[:, None]).sum(axis=1)
            score = _over_mean(table, np.array([self.item], np.int32))[:, 0]
            parts.append(np.stack([score, 1 + above, own - others.max(axis=1)], axis=1))
        return np.concatenate(parts).astype(np.float64)

    def best(self, events: Events, k: int) -> Int32[np.ndarray, " K"]:
        """The k best candidates without these events; fewer where there are fewer."""
        keep = np.ones((1, self.history.n_events), bool)
        keep[0, list(events)] = False
        (table,) = scores_of(self.model, self.history, keep, self.asked)
        found, _ = top_k(np.where(self.candidates, table, -np.inf).astype(np.float32), k)
        return found[0][found[0] > 0]

    def places(self, newest: int) -> Events:
        """The places of the newest events on known items."""
        return tuple(np.flatnonzero(self.history.items > 0)[-newest:].tolist())


@dataclass(frozen=True, eq=False)
class Search:
    """Every set of events that was left out, with what became of the item; `best` is empty where there is no event to leave out."""

    best: Events
    outcomes: dict[Events, Outcome]

    def smallest_beyond(self, k: int) -> Events | None:
        """Of the sets without which the item is not among the k best, a smallest, and of these the one that throws it back most."""
        beyond = [events for events, outcome in self.outcomes.items() if outcome.rank > k]
        return min(beyond, key=lambda events: (len(events), -self.outcomes[events].rank, events), default=None)


def search(trial: Trial, *, most: int = 3, newest: int = 50) -> Search:
    """The set of at most `most` of the newest events that carries an item, by a beam search over deletions.

    Every event alone, the events on one item together, the last ones, and those whose deletion alone costs most; then, size by size, the
    best sets with one of the best events more. A set is the better the further its deletion throws the item back and, at a tenth of the
    weight, the further forward the item stays with nothing but the set; both by the logarithm of the place. Between equals the lead over
    the best other item decides. An event is dropped from the best set where the others cost at least 95 % of that lead without it.
    Raises ConfigError.
    """
    check_bounds(most=most, newest=newest)
    places = trial.places(newest)
    alone: list[Events] = [(place,) for place in places]
    found: dict[Events, Outcome] = {}

    def look(sets: Sequence[Events]) -> None:
        new = [events for events in dict.fromkeys(sets) if events not in found]
        if new:
            found.update(zip(new, trial.without(new), strict=True))

    def worth(events: Events) -> tuple[float, float]:
        outcome = found[events]
        return float(np.log(outcome.rank) - _KEPT_WEIGHT * np.log(outcome.kept_rank)), -outcome.lead

    together = _on_one_item(trial, places, most)
    look([*alone, *together])
    moves = sorted([*alone, *together], key=worth, reverse=True)[:_SHORTLIST]
    fallen = [events[0] for events in sorted(alone, key=lambda events: -found[events].drop)]
    sizes = range(2, min(most, len(places)) + 1)
    look([*(places[-size:] for size in sizes), *(tuple(sorted(fallen[:size])) for size in sizes)])
    for size in range(1, most):
        frontier = sorted((events for events in found if len(events) == size), key=worth, reverse=True)[:_BEAM]
        grown = [tuple(sorted({*events, *move})) for events in frontier for move in moves if not set(move) & set(events)]
        look([events for events in grown if len(events) <= most])
    best = max(found, key=lambda events: (worth(events), -len(events)), default=())
    while len(best) > 1:
        fewer = [tuple(place for place in best if place != left) for left in best]
        look(fewer)
        nearest = min(fewer, key=lambda events: found[events].lead)
        if trial.whole.lead - found[nearest].lead < _ENOUGH * (trial.whole.lead - found[best].lead):
            break
        best = nearest
    return Search(best, found)


def check_bounds(**bounds: int) -> None:
    """Raises ConfigError for one below 1."""
    for name, value in bounds.items():
        if value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}")


def _on_one_item(trial: Trial, places: Events, most: int) -> list[Events]:
    """The events on one item together, where they are several: one of them alone may change nothing."""
    by_item: dict[int, list[int]] = {}
    for place in places:
        by_item.setdefault(int(trial.history.items[place]), []).append(place)
    return [tuple(held) for held in by_item.values() if 1 < len(held) <= most]


def drawn_sets(places: Events, size: int, draws: int, seed: int) -> list[Events]:
    """Random sets of as many of the events, each without repeats; a set may be drawn twice."""
    order = seeded(seed).random((draws, len(places))).argsort(axis=1)[:, :size]
    return [tuple(sorted(places[j] for j in row)) for row in order.tolist()]
