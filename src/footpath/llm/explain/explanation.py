"""What an explanation holds: an item, the events that carry it, what leaving them out comes to, and what it is compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from footpath.llm.explain.deletion import Outcome
from footpath.llm.explain.evidence import Pattern
from footpath.page.text import plain
from footpath.result import Phrase

Basis = Literal["events", "history", "nothing"]
"""What a place in the list rests on.

events   without the cited events the item goes further back than without random ones of the same number
history  leaving the cited events out lowers the score more than random ones do, but moves the item no further back: no few events carry it
nothing  neither: as of a model that reads no history
"""


@dataclass(frozen=True)
class Event:
    """One event of the history. place: from 1 for the oldest. outcome: of leaving it out alone, None where it was not tried."""

    place: int
    item_id: str
    title: str
    event_type: str | None
    time: int | None
    outcome: Outcome | None


@dataclass(frozen=True)
class Citation:
    """An event that carries the item, with what the log and the item table say of the two.

    pattern, words, category: None without a log, words about both, a category that they share. alike: by `Explanation.alike_by`.
    words: the cosine of their words. n_in_category: items in that category.
    """

    event: Event
    pattern: Pattern | None
    alike: float
    words: float | None
    category: str | None
    n_in_category: int


@dataclass(frozen=True)
class RandomSets:
    """As many random events left out, `draws` times.

    Shares of the draws against the cited events. less: that cost the score less. nearer: that throw the item back less far. ahead: of
    the `others`, which are not by chance the cited events themselves, that leave it a larger lead over the best other item.
    """

    draws: int
    less: float
    nearer: float
    others: int
    ahead: float
    mean_drop: float
    mean_rank: float
    median_rank: float


@dataclass(frozen=True)
class Alternative:
    """A smallest set found without which the item is not among the k best, and what the list then holds.

    instead: the best item that was not in the list before. in_its_place: what stands where the item stood. Each an id and a title.
    """

    events: tuple[Event, ...]
    rank: int
    instead: tuple[str, str] | None
    in_its_place: tuple[str, str] | None


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why an item stands where it stands after one history.

    rank: its place among n_candidates, 1 is best; n_items is the whole catalogue. seen: how many events of the history are on it.
    empty_rank: its place after an empty history. outcome: of leaving out the n_left_out events that throw it back furthest; its kept_rank
    is the place with nothing but them. cited: these events, unless basis is `nothing`. random, alike, last: as many random events left
    out, those most like the item (by `alike_by`), and the newest; None where the history has no others. lowest, largest_drop: the place
    furthest back and the largest fall of the score over the n_sets that were tried. events: those that could be left out, oldest first;
    n_repeated of them are on an item of an earlier one.
    sentences: what deletions show; evidence: what the log and the item table say; limits: what was not looked at.
    """

    item_id: str
    title: str
    k: int
    most: int
    seed: int
    rank: int
    n_candidates: int
    n_items: int
    seen: int
    repeat: bool
    empty_rank: int
    basis: Basis
    cited: tuple[Citation, ...]
    n_left_out: int
    outcome: Outcome | None
    random: RandomSets | None
    alike_by: Phrase | None
    alike: Outcome | None
    last: Outcome | None
    alternative: Alternative | None
    lowest: int
    largest_drop: float
    n_sets: int
    n_events: int
    n_unknown: int
    n_repeated: int
    events: tuple[Event, ...]
    sentences: tuple[Phrase, ...] = ()
    evidence: tuple[Phrase, ...] = ()
    limits: tuple[Phrase, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain types; texts in both languages, the Chinese ones under names that end in `_zh`."""
        texts = {name: getattr(self, name) for name in ("sentences", "evidence", "limits")}
        return _plain(vars(self)) | {f"{name}_zh": [text.zh for text in held] for name, held in texts.items()}


def _plain(value: Any) -> Any:
    """Plain JSON types; dataclasses as mappings."""
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if dataclasses.is_dataclass(value):
        shown = {name: _plain(part) for name, part in vars(value).items()}
        return shown | ({"lift": plain(value.lift)} if isinstance(value, Pattern) else {})
    return plain(value)
