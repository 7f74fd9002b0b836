"""What a list must and must not hold, whatever a model says: items left out, items at fixed places, so many of a category at most."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from footpath.errors import ConfigError
from footpath.sequences.vocabulary import Vocabulary

_NAMED: Final = 3  # ids that an error names


@dataclass(frozen=True)
class Rules:
    """Rules for lists of recommendations. In what order they hold: pins stand, what is excluded is never listed, then the cap.

    exclude: ids of items that are never listed. pin: item ids by place, from 1; they stand there for everybody, seen or not.
    per_category: so many items of one category at most, pinned ones counted; items without a category are not capped.
    fill: whether a list that the cap leaves short takes at its end what the cap left out, best first; else it stays short.
    categories: by item id; where None, those of the histories' item features. Raises ConfigError.
    """

    exclude: Collection[str] = ()
    pin: Mapping[int, str] = field(default_factory=dict)
    per_category: int | None = None
    fill: bool = False
    categories: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.exclude, str):
            raise ConfigError(f"exclude must be a collection of item ids, got the text {self.exclude!r}; put it into a list")
        for place, id in self.pin.items():
            if isinstance(place, bool) or not isinstance(place, int) or place < 1:
                raise ConfigError(f"places of pinned items are counted from 1, got {place!r} for {id!r}")
        if twice := _repeated(self.pin.values()):
            places = ", ".join(str(place) for place, id in sorted(self.pin.items()) if id == twice)
            raise ConfigError(f"item {twice!r} is pinned to places {places}; an item is listed once")
        if both := sorted(set(self.exclude) & set(self.pin.values())):
            raise ConfigError(f"item {both[0]!r} is pinned and excluded at once; take it out of one of them")
        if self.per_category is not None and self.per_category < 1:
            raise ConfigError(f"per_category must be at least 1, got {self.per_category}; leave it out for no cap")

    def encoded(self, items: Vocabulary, k: int, categories: Sequence[str] | None = None) -> ListRules:
        """The rules in indexes, for lists of k. categories: in the order of the vocabulary, used where the rules have none.

        Raises ConfigError for unknown ids, pins behind the end of the list or above the cap, and a cap without categories.
        """
        excluded = _indexes(items, self.exclude, "excluded")
        places = sorted(self.pin)
        pinned = _indexes(items, [self.pin[place] for place in places], "pinned")
        if places and places[-1] > k:
            raise ConfigError(f"item {self.pin[places[-1]]!r} is pinned to place {places[-1]} of a list of {k}; ask for a longer list")
        codes = None
        if self.per_category is not None:
            if self.categories is not None:
                categories = ["", *(self.categories.get(id, "") for id in items.ids.to_pylist())]
            if categories is None or not any(categories):
                raise ConfigError(
                    f"per_category={self.per_category} needs categories, and none are known: give Rules(categories=...), "
                    "or histories with item features"
                )
            codes = category_codes(categories)
            counts = np.bincount(codes[pinned[codes[pinned] > 0]])
            if counts.max(initial=0) > self.per_category:
                full = categories[pinned[codes[pinned] == counts.argmax()][0]]
                raise ConfigError(f"{counts.max()} items of category {full!r} are pinned, and per_category allows {self.per_category}")
        return ListRules(excluded, np.array(places, np.int64) - 1, pinned, codes, self.per_category or 0, self.fill)


@dataclass(frozen=True, eq=False)
class ListRules:
    """Rules in indexes of a vocabulary. places: of `pinned`, from 0, ascending. codes: of the category of each item, 0 for none."""

    excluded: Int32[np.ndarray, " X"]
    places: Int64[np.ndarray, " P"]
    pinned: Int32[np.ndarray, " P"]
    codes: Int64[np.ndarray, " N"] | None
    cap: int
    fill: bool

    @property
    def set_apart(self) -> Int32[np.ndarray, " S"]:
        """What is excluded or pinned, and so does not take part in the ranking."""
        return np.concatenate([self.excluded, self.pinned])

    def apply(
        self,
        indexes: Int32[np.ndarray, "B C"],
        scores: Float32[np.ndarray, "B C"],
        k: int,
        pinned_scores: Float32[np.ndarray, "B P"] | None = None,
    ) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"], Bool[np.ndarray, " B"]]:
        """Lists of k from ranked items, index 0 where there is none, and which of them more ranked items would not change.

        pinned_scores: of the pinned items; NaN where None. A list too short to reach a pin's place ends with the pin.
        """
        exhausted = indexes[:, -1:].any(axis=1) == 0
        indexes = np.where(np.isin(indexes, self.set_apart), 0, indexes)
        n_free = wanted = k - len(self.pinned)
        left_out = np.zeros(indexes.shape, bool)
        if self.codes is not None:
            pins = np.broadcast_to(self.pinned, (len(indexes), len(self.pinned)))
            within = within_cap(self.codes[np.concatenate([pins, indexes], axis=1)], self.cap)
            left_out = ~within[:, len(self.pinned) :] & (indexes > 0)
            wanted = min(n_free, self._reachable())
        kept = (indexes > 0) & ~left_out
        complete = exhausted | (kept.sum(axis=1) >= wanted)
        order = np.argsort(np.where(kept, 0, np.where(left_out & self.fill, 1, 2)), axis=1, kind="stable")[:, :n_free]
        usable = kept | (left_out & self.fill)
        free = np.setdiff1d(np.arange(k), self.places)[: order.shape[1]]
        listed, values = np.zeros((len(indexes), k), np.int32), np.full((len(indexes), k), -np.inf, np.float32)
        listed[:, free] = np.take_along_axis(np.where(usable, indexes, 0), order, axis=1)
        values[:, free] = np.take_along_axis(np.where(usable, scores, -np.inf), order, axis=1)
        listed[:, self.places] = self.pinned
        values[:, self.places] = np.nan if pinned_scores is None else pinned_scores
        closed = np.argsort(listed == 0, axis=1, kind="stable")
        return np.take_along_axis(listed, closed, axis=1), np.take_along_axis(values, closed, axis=1), complete

    def _reachable(self) -> int:
        """The most items beside the pinned ones that any list can hold under the cap."""
        assert self.codes is not None
        free = np.ones(len(self.codes), bool)
        free[0] = False
        free[self.set_apart] = False
        counts = np.bincount(self.codes[free], minlength=1)
        taken = np.bincount(self.codes[self.pinned], minlength=len(counts))[: len(counts)]
        return int(counts[0] + np.minimum(counts[1:], np.maximum(self.cap - taken[1:], 0)).sum())


def apply_rules(
    rules: Rules,
    indexes: Int32[np.ndarray, "B C"],
    scores: Float32[np.ndarray, "B C"],
    k: int,
    items: Vocabulary,
    *,
    categories: Sequence[str] | None = None,
) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
    """Lists of k from ranked lists, best first, index 0 where there are fewer; `recommend(..., rules=...)` does this for any model.

    A list is as long as what is ranked allows: give more than k, for rules take items away. Scores of pinned items that are not ranked are
    NaN. Raises ConfigError.
    """
    encoded = rules.encoded(items, k, categories)
    found = [np.where(indexes == item, scores, -np.inf).max(axis=1, initial=-np.inf) for item in encoded.pinned]
    pinned = np.stack(found, axis=1).astype(np.float32) if found else np.zeros((len(indexes), 0), np.float32)
    pinned[np.isneginf(pinned)] = np.nan
    listed, values, _ = encoded.apply(indexes, scores, k, pinned)
    return listed, values


def parse_pins(texts: Iterable[str]) -> dict[int, str]:
    """Pins written as `1=item`; raises ConfigError where one is not, or where two are for one place."""
    pins: dict[int, str] = {}
    for text in texts:
        place, equals, id = text.partition("=")
        if not equals or not id or not place.strip().isdecimal():
            raise ConfigError(f"a pin must be a place and an item id, such as 1=item-7, got {text!r}")
        if int(place) in pins:
            raise ConfigError(f"two items are pinned to place {int(place)}: {pins[int(place)]!r} and {id!r}")
        pins[int(place)] = id
    return pins


def category_codes(categories: Sequence[str]) -> Int64[np.ndarray, " N"]:
    """A number from 1 for each category, 0 where there is none."""
    numbers = {name: code for code, name in enumerate(sorted({name for name in categories if name}), start=1)}
    return np.array([numbers.get(name, 0) for name in categories], np.int64)


def within_cap(codes: Int64[np.ndarray, "B C"], cap: int) -> Bool[np.ndarray, "B C"]:
    """Whether fewer than `cap` items of the same category come before in the row; always where the code is 0."""
    order = np.argsort(codes, axis=1, kind="stable")
    along = np.take_along_axis(codes, order, axis=1)
    places = np.broadcast_to(np.arange(codes.shape[1]), codes.shape)
    fresh = np.ones(codes.shape, bool)
    fresh[:, 1:] = along[:, 1:] != along[:, :-1]
    nth = np.empty(codes.shape, np.int64)
    np.put_along_axis(nth, order, places - np.maximum.accumulate(np.where(fresh, places, 0), axis=1), axis=1)
    return (nth < cap) | (codes == 0)


def _indexes(items: Vocabulary, ids: Collection[Any], what: str) -> Int32[np.ndarray, " n"]:
    found = items.encode([str(id) for id in ids])
    if unknown := [id for id, index in zip(ids, found, strict=True) if index == 0]:
        named = ", ".join(repr(id) for id in unknown[:_NAMED]) + (", ..." if len(unknown) > _NAMED else "")
        raise ConfigError(f"{len(unknown)} of {len(ids)} {what} items are unknown to the model: {named}")
    return found


def _repeated(ids: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for id in ids:
        if id in seen:
            return id
        seen.add(id)
    return None
