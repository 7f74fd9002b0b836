"""What a long history says of the event that was just seen: earlier occasions of the same item, or of its category, in the whole trail.

Hard search of Pi et al., "Search-based user interest modeling with lifelong sequential behavior data", CIKM 2020
(https://arxiv.org/abs/2006.05639), with equal items before equal categories. Here the target is the newest event instead of a candidate, so
that one search serves all items, and what followed each occasion is found with it, as the memory of Wu, Rabe, Hutchins, Szegedy,
"Memorizing transformers", ICLR 2022 (https://arxiv.org/abs/2203.08913), holds values beside keys.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int32, Int64

from footpath.errors import ConfigError
from footpath.sequences.dataset import SequenceDataset


def select_history(
    items: Int32[np.ndarray, " L"], target: int, k: int, *, categories: Int64[np.ndarray, " N"] | None = None
) -> Int64[np.ndarray, " J"]:
    """Places in one trail, oldest event first, of at most k events on the target, newest first; then of others of its category.

    categories: a number for each item, 0 where it has none. One pass over the trail. Raises ConfigError where k is below 1.
    """
    _check(k)
    found = np.flatnonzero(items == target)[: -k - 1 : -1]
    if categories is None or len(found) == k or categories[target] == 0:
        return found
    alike = np.flatnonzero((categories[items] == categories[target]) & (items != target))
    return np.concatenate([found, alike[: -(k - len(found)) - 1 : -1]])


def occasions(
    sequences: SequenceDataset, events: Int64[np.ndarray, " T"], k: int, *, categories: Int64[np.ndarray, " N"] | None = None
) -> Int64[np.ndarray, "T K 3"]:
    """For each event, what `select_history` finds before it in its row with its own item as target.

    events: numbers in the flat columns of the sequences. For each of at most k occasions: the item, the item that followed it, and how
    many events ago it was; zeros behind the last. What followed lies no later than the event itself.
    Only rows that are asked about are read: in one pass where each is asked about once, else by a sort. Raises ConfigError where k is
    below 1.
    """
    _check(k)
    rows = np.searchsorted(sequences.offsets, events, side="right") - 1
    distinct, row = np.unique(rows, return_inverse=True)
    found = np.zeros((len(events), k, 3), np.int64)
    if len(distinct) == len(events):
        for number, (event, start) in enumerate(zip(events, sequences.offsets[rows], strict=True)):
            found[number] = trail_occasions(sequences.items[start : event + 1], k, categories=categories)
        return found
    starts, stops = sequences.offsets[distinct], sequences.offsets[distinct + 1]
    trail = np.concatenate([sequences.items[start:stop] for start, stop in zip(starts, stops, strict=True)])
    lengths = stops - starts
    row_of = np.repeat(np.arange(len(distinct)), lengths)
    asked = (np.cumsum(lengths) - lengths - starts)[row] + events  # places in the trail
    places = np.full((len(events), k), -1)
    previous = _previous(trail, row_of)
    at = asked
    for j in range(k):
        at = np.where(at >= 0, previous[at], -1)
        if (at < 0).all():
            break
        places[:, j] = at
    if categories is not None:
        _fill_by_category(places, asked, trail, row_of, categories)
    there = places >= 0
    found[there] = np.stack([trail[places], trail[places + 1], asked[:, None] - places], axis=2)[there]
    return found


def trail_occasions(
    items: Int32[np.ndarray, " L"], k: int, *, categories: Int64[np.ndarray, " N"] | None = None
) -> Int64[np.ndarray, "K 3"]:
    """`occasions` of the last event of one trail."""
    chosen = select_history(items[:-1], int(items[-1]), k, categories=categories)
    found = np.zeros((k, 3), np.int64)
    found[: len(chosen)] = np.stack([items[chosen], items[chosen + 1], len(items) - 1 - chosen], axis=1)
    return found


def _fill_by_category(
    places: Int64[np.ndarray, "T K"],
    asked: Int64[np.ndarray, " T"],
    trail: Int32[np.ndarray, " n"],
    row_of: Int64[np.ndarray, " n"],
    categories: Int64[np.ndarray, " N"],
) -> None:
    """Put the newest earlier events of the same category and another item where places are left; in place."""
    group = categories[trail]
    alike = _previous(group, row_of)
    alike[group == 0] = -1
    other = _last_that_differs(trail, alike, group, row_of)
    n_found = (places >= 0).sum(axis=1)
    at = other[asked]
    while (wanted := (at >= 0) & (n_found < places.shape[1])).any():
        left = np.flatnonzero(wanted)
        places[left, n_found[left]] = at[left]
        n_found[left] += 1
        at = np.where(wanted, alike[at], -1)
        at = np.where((at >= 0) & (trail[at] == trail[asked]), other[at], at)


def _in_groups(group: np.ndarray, row_of: np.ndarray) -> tuple[Int64[np.ndarray, " n"], np.ndarray]:
    """Places by group, row and place, in one packed sort; and whether each is of the group and row of the one before it."""
    bits = len(group).bit_length()
    order = np.sort((group.astype(np.int64) << bits) | np.arange(len(group))) & ((1 << bits) - 1)
    sorted_group, sorted_row = group[order], row_of[order]
    same = np.zeros(len(group), bool)
    same[1:] = (sorted_group[1:] == sorted_group[:-1]) & (sorted_row[1:] == sorted_row[:-1])
    return order, same


def _previous(group: np.ndarray, row_of: np.ndarray) -> Int64[np.ndarray, " n"]:
    """The place of the event before each one in its group and row, -1 where there is none."""
    order, same = _in_groups(group, row_of)
    previous = np.full(len(group), -1)
    previous[order[same]] = order[np.flatnonzero(same) - 1]
    return previous


def _last_that_differs(trail: np.ndarray, alike: Int64[np.ndarray, " n"], group: np.ndarray, row_of: np.ndarray) -> Int64[np.ndarray, " n"]:
    """The place of the newest earlier event of the same group and row on another item, -1 where there is none; alike: the one before."""
    order, _ = _in_groups(group, row_of)
    before = alike[order]
    starts = (before < 0) | (trail[order] != trail[before])  # of runs of one item within a group
    run = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    other = np.empty(len(order), np.int64)
    other[order] = before[run]
    return other


def _check(k: int) -> None:
    if k < 1:
        raise ConfigError(f"k, how many events are selected, must be at least 1, got {k}")
