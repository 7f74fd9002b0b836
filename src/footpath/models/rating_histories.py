"""What the rating models share: ratings as triplets, biases, one ridge regression a user or an item, the checks.

A user is a history: all that belongs to one is computed from the rated events of the history that an impression sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float64, Int64

from footpath.errors import ConfigError, DataError
from footpath.recommender import ClickModel
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impressions import VALUE_TASK, Impressions, check_label

_EVENTS_AT_ONCE: Final = 2**21
_NUMBERS_AT_ONCE: Final = 2**21


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of known items, ordered by user and item; the newest where a user rated an item more than once.

    users: numbers below n_users, which also counts those without a rating.
    """

    users: Int64[np.ndarray, " E"]
    items: Int64[np.ndarray, " E"]
    values: Float64[np.ndarray, " E"]
    n_users: int

    @classmethod
    def newest(cls, users: np.ndarray, items: np.ndarray, values: np.ndarray, n_users: int) -> Ratings:
        """From rows in the order of time; those of the unknown item or without a value are left out."""
        kept = (items > 0) & ~np.isnan(values)
        users, items, values = (np.asarray(column)[kept] for column in (users, items, values))
        pairs = users.astype(np.int64) << 32 | items.astype(np.int64)
        last = len(pairs) - 1 - np.unique(pairs[::-1], return_index=True)[1]
        return cls(users[last].astype(np.int64), items[last].astype(np.int64), values[last].astype(np.float64), n_users)


def training_ratings(model: ClickModel, train: Impressions) -> tuple[Ratings, Int64[np.ndarray, " B"]]:
    """The labels, and the trail of each user; what the trails hold beyond them is not learned from.

    Raises DataError without labels, or where one is infinite.
    """
    label = train.labels.get(VALUE_TASK)
    if label is None or np.isnan(label).all():
        raise DataError(
            f"{type(model).__name__} learns from ratings, and there are no labels of task {VALUE_TASK!r} among {len(train)} impressions: "
            "make impressions of ratings (examples=ratings)"
        )
    check_label(label, VALUE_TASK)
    moments = train.times if train.times is not None else train.lengths
    order = np.argsort(moments, kind="stable")
    order = order[~np.isnan(label[order])]
    trails, users = np.unique(train.rows[order], return_inverse=True)
    ratings = Ratings.newest(users, train.items[order], label[order], len(trails))
    if not len(ratings.values):
        raise DataError(f"{type(model).__name__} learns from ratings of known items, and there are no labels on any of those")
    return ratings, trails


def history_ratings(histories: SequenceDataset) -> Ratings:
    """The rated events of histories, a user for each; none where events have no values."""
    values = histories.values if histories.values is not None else np.full(histories.n_events, np.nan, np.float32)
    return Ratings.newest(histories.rows, histories.items, values, len(histories))


def in_parts(rows: Impressions) -> Iterator[Impressions]:
    """The impressions in parts that see a bounded number of events; at least one part."""
    part = np.cumsum(rows.lengths + 1) // _EVENTS_AT_ONCE
    for places in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(part)) + 1):
        yield rows.take(places)


def item_biases(ratings: Ratings, n_items: int, user_l2: float, item_l2: float, epochs: int) -> tuple[float, Float64[np.ndarray, " N"]]:
    """The mean of all ratings, and how much more each item gets, 0 without ratings; users and items take turns."""
    mean = float(ratings.values.mean())
    n = np.bincount(ratings.items, minlength=n_items)
    of_user = np.zeros(ratings.n_users)
    for _ in range(epochs):
        rest = ratings.values - mean - of_user[ratings.users]
        of_item = np.bincount(ratings.items, rest, n_items) / (n + item_l2)
        of_user = user_biases(ratings, mean, of_item, user_l2)
    return mean, of_item


def user_biases(ratings: Ratings, mean: float, of_item: Float64[np.ndarray, " N"], user_l2: float) -> Float64[np.ndarray, " B"]:
    """How much more each user gives than the mean and the items' biases say; 0 without ratings."""
    rest = ratings.values - mean - of_item[ratings.items]
    return np.bincount(ratings.users, rest, ratings.n_users) / (np.bincount(ratings.users, minlength=ratings.n_users) + user_l2)


def ridge(
    groups: Int64[np.ndarray, " E"],
    n_groups: int,
    others: Int64[np.ndarray, " E"],
    factors: Float64[np.ndarray, "F D+1"],
    targets: Float64[np.ndarray, " E"],
    bias_l2: float,
    l2: float,
) -> Float64[np.ndarray, "G D+1"]:
    """For each group a bias and a vector: targets regressed on 1 and on the factors of the other side, column 0 of which is not read.

    groups ascend. bias_l2, l2: penalties of the bias and of the vector; a group without rows gets zeros.
    """
    width = factors.shape[1]
    n = np.bincount(groups, minlength=n_groups)
    starts = np.cumsum(n) - n
    penalty = np.diag([bias_l2, *np.full(width - 1, l2)])
    found = np.zeros((n_groups, width))
    by_size = np.argsort(n, kind="stable")[int((n == 0).sum()) :]  # alike in size, so that padding is short
    start = 0
    while start < len(by_size):
        room = _NUMBERS_AT_ONCE // (width * max(width, int(n[by_size[start]])))
        ids = by_size[start : start + max(1, min(room, 64))]
        start += len(ids)
        places = np.arange(n[ids[-1]])
        real = places < n[ids][:, None]  # (G, L)
        rows = np.where(real, starts[ids][:, None] + places, 0)
        x = factors[others[rows]]  # (G, L, D + 1)
        x[..., 0] = 1
        x *= real[..., None]
        y = np.where(real, targets[rows], 0.0)[..., None]
        across = x.transpose(0, 2, 1)
        found[ids] = np.linalg.solve(across @ x + penalty, across @ y)[..., 0]
    return found


def products(
    users: Float64[np.ndarray, "B D+1"], u: Int64[np.ndarray, " E"], items: Float64[np.ndarray, "N D+1"], i: Int64[np.ndarray, " E"]
) -> Float64[np.ndarray, " E"]:
    """The sum of both biases, which are column 0, and of the product of the vectors, for each pair."""
    found = users[u, 0] + items[i, 0]
    pairs = max(1, _NUMBERS_AT_ONCE // users.shape[1])
    for start in range(0, len(u), pairs):
        part = slice(start, start + pairs)
        found[part] += np.einsum("ed,ed->e", users[u[part], 1:], items[i[part], 1:])
    return found


def check_whole(model: Any, **least: int) -> None:
    """Raises ConfigError where a field is below its least value."""
    for name, bound in least.items():
        if not getattr(model, name) >= bound:
            raise ConfigError(f"{name} must be at least {bound}, got {getattr(model, name)}")


def check_above_zero(model: Any, *names: str) -> None:
    """Raises ConfigError where a field is not above 0 and finite."""
    for name in names:
        if not 0 < getattr(model, name) < np.inf:
            raise ConfigError(f"{name} must be above 0 and finite, got {getattr(model, name)}")
