"""What is learned from a window of events: the next item, any item soon to come, or items that were hidden.

Each objective turns windows into inputs, places in them, and the item to be named at each place. A loss then says how badly it was named.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Int64

from footpath.errors import ConfigError
from footpath.training.batches import MASK, TrainingBatch, Windows, as_events

_LAST_ONLY: Final = 0.1


def next_item(windows: Windows, rng: np.random.Generator, *, targets: tuple[int, ...] | None = None) -> TrainingBatch:
    """At every event, the one right after it: `targets[t] = items[t + 1]`. With `targets`, only where that is of one of these types.

    Kang and McAuley, ICDM 2018 (https://arxiv.org/abs/1808.09781).
    """
    asked = windows.real[:, 1:] & _of_types(windows, targets)[:, 1:]
    return _shifted(windows, asked, windows.items[:, 1:])


def all_action(windows: Windows, rng: np.random.Generator, *, within: int, targets: tuple[int, ...] | None = None) -> TrainingBatch:
    """At every event, one of the next `within` events, drawn anew each epoch; with `targets`, one of these types among them.

    The dense all-action loss of Pancha, Zhai, Leskovec, Rosenberg, "PinnerFormer", KDD 2022 (https://arxiv.org/abs/2205.04507), with
    the window counted in events instead of days. within = 1 is `next_item`.
    """
    if within < 1:
        raise ConfigError(f"within must be at least 1 event, got {within}")
    wanted = windows.real & _of_types(windows, targets)
    length = windows.items.shape[1]
    before = np.concatenate([np.zeros((len(wanted), 1), np.int64), np.cumsum(wanted, axis=1)], axis=1)  # wanted events before place t
    stops = np.minimum(np.arange(1, length) + within, length)
    n = before[:, stops] - before[:, 1:length]  # (B, L - 1): wanted among the next events
    chosen = before[:, 1:length] + (rng.random(n.shape) * n).astype(np.int64)  # the number of the wanted event in its row
    places = np.argsort(~wanted, axis=1, kind="stable")  # (B, L): the places of wanted events first
    items = np.take_along_axis(windows.items, np.take_along_axis(places, np.minimum(chosen, length - 1), axis=1), axis=1)
    return _shifted(windows, (n > 0) & windows.real[:, :-1], items)


def masked(windows: Windows, rng: np.random.Generator, *, share: float) -> TrainingBatch:
    """A random share of the events is hidden and has to be named from those on both sides; at least one of each row is.

    One row in ten hides its last event alone, which is the question at serving. What else is known of a hidden event (its type and
    value) is hidden with it. Sun et al., "BERT4Rec", CIKM 2019 (https://arxiv.org/abs/1904.06690).
    """
    if not 0 < share < 1:
        raise ConfigError(f"share of masked events must be above 0 and below 1, got {share}")
    rows = np.arange(len(windows.real))
    last = windows.real.sum(axis=1) - 1
    hidden = windows.real & (rng.random(windows.real.shape) < share)
    alone = (rng.random(len(rows)) < _LAST_ONLY) | ~hidden.any(axis=1)
    hidden[alone] = False
    hidden[rows[alone], last[alone]] = True
    shown = Windows(
        windows.real,
        np.where(hidden, MASK, windows.items),
        None if windows.types is None else np.where(hidden, 0, windows.types),
        windows.times,
        None if windows.values is None else np.where(hidden, np.float32(np.nan), windows.values),
    )
    return TrainingBatch(as_events(shown), torch.from_numpy(np.flatnonzero(hidden)), torch.from_numpy(windows.items[hidden]))


def _of_types(windows: Windows, targets: tuple[int, ...] | None) -> Bool[np.ndarray, "B L"]:
    if targets is None:
        return windows.real
    if windows.types is None:
        raise ConfigError("targets choose event types, and these sequences hold none: leave targets out")
    return np.isin(windows.types, targets)


def _shifted(windows: Windows, asked: Bool[np.ndarray, "B K"], items: Int64[np.ndarray, "B K"]) -> TrainingBatch:
    """All but the last event of each row as inputs; what comes right after an input also says when the question was asked."""
    real = windows.real[:, 1:]  # the last event of a row is no input: nothing follows it
    inputs = Windows(
        real,
        np.where(real, windows.items[:, :-1], 0),
        None if windows.types is None else np.where(real, windows.types[:, :-1], 0),
        None if windows.times is None else np.where(real, windows.times[:, :-1], 0),
        None if windows.values is None else np.where(real, windows.values[:, :-1], np.float32(np.nan)),
    )
    requests = None if windows.times is None else windows.times[:, 1:].copy()
    places = asked & real
    return TrainingBatch(as_events(inputs, requests), torch.from_numpy(np.flatnonzero(places)), torch.from_numpy(items[places]))
