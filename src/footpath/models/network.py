"""One encoder, many blocks: events become vectors, blocks turn vectors into states, states times the item table are scores.

State t depends on events 0..t only, unless the blocks look both ways (`causal` is False). `step` gives the same state one event at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from footpath.models.item_table import ItemTable
from footpath.models.layers import Clock, Dropout, State
from footpath.sequences.long_history import trail_occasions
from footpath.training.batches import MASK, Events

SideInput = Literal["type", "value", "gap", "category"]

_TYPES: Final = 32  # room for event types that the contract will add
_GAPS: Final = 40  # doublings of a second: the last bucket begins after 17,000 years
_SECOND: Final = 1_000_000
_SMALL: Final = 1e-8  # added to the variance of item vectors, which in a large table start at 1e-6
_AGES: Final = 32  # doublings of one event: the last bucket begins after two thousand million


class SideInputs(nn.Module):
    """What is known of an event beside its item, as a vector that is added to the item's.

    type: of the event. value: standardised by `mean` and `deviation`, and whether there is one. gap: time since the event before, in
    doublings of a second, 0 for the first. category: of the item, by `categories`, a number for each item.
    """

    def __init__(
        self,
        names: Sequence[SideInput],
        dim: int,
        *,
        categories: Int64[Tensor, " N"] | None = None,
        mean: float = 0.0,
        deviation: float = 1.0,
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.categories: Tensor
        self.scale: Tensor
        if "type" in names:
            self.types = nn.Embedding(_TYPES, dim)
        if "value" in names:
            self.value = nn.Linear(2, dim)
            self.register_buffer("scale", torch.tensor([mean, deviation]))
        if "gap" in names:
            self.gaps = nn.Embedding(_GAPS, dim)
        if "category" in names:
            assert categories is not None
            self.register_buffer("categories", categories)
            self.category = nn.Embedding(int(categories.max()) + 1, dim)

    def forward(self, events: Events, before: Int64[Tensor, " B"] | None = None) -> Float[Tensor, "B L D"]:
        """before: when the event before the first of each row happened; None where that is the very first."""
        parts = []
        if "type" in self.names:
            assert events.types is not None
            parts.append(self.types(events.types))
        if "value" in self.names:
            assert events.values is not None
            present = ~events.values.isnan()
            standard = torch.where(present, (events.values - self.scale[0]) / self.scale[1], 0)
            parts.append(self.value(torch.stack([standard, present.to(standard.dtype)], 2)))
        if "gap" in self.names:
            assert events.times is not None
            first = events.times[:, :1] if before is None else before[:, None]
            parts.append(self.gaps(_doublings(events.times - torch.cat([first, events.times[:, :-1]], 1))))
        if "category" in self.names:
            parts.append(self.category(self.categories[events.items.clamp(min=0)]))
        return torch.stack(parts).sum(0)


def _doublings(microseconds: Int64[Tensor, "B L"]) -> Int64[Tensor, "B L"]:
    """How often a second has to be doubled to reach each gap: 0 below one second."""
    seconds = (microseconds / _SECOND).clamp(min=0.5)
    return (seconds.log2() + 1).floor().long().clamp(0, _GAPS - 1)


class Recall(nn.Module):
    """What followed earlier occasions of an event in the whole history, added to its state as far as attention and a gate let it.

    k: occasions an event. categories: of items; with them, occasions of the same category are looked up where the item has too few.
    A state attends to its occasions by their items, what followed each, and how many events ago it was, in doublings, or to none of them;
    the vectors of what followed, each normalised, are added in proportion. The gate is zero at the start, so that a new model is what it
    would be without; a state without occasions stays what it is.
    Hard search as in SIM (Pi et al., CIKM 2020, https://arxiv.org/abs/2006.05639); attention to retrieved pairs beside that to the window,
    and a gate, as in Memorizing transformers (Wu et al., ICLR 2022, https://arxiv.org/abs/2203.08913).
    """

    def __init__(self, dim: int, k: int, categories: Int64[Tensor, " N"] | None = None) -> None:
        super().__init__()
        self.k = k
        self.query = nn.Linear(dim, 2 * dim, bias=False)
        self.age = nn.Parameter(torch.zeros(2 * _AGES))  # of occasions of the same category, then of the same item
        self.gate = nn.Parameter(torch.zeros(dim))
        self.categories: Tensor | None
        self.register_buffer("categories", categories)

    def forward(
        self, states: Float[Tensor, "T D"], items: Int64[Tensor, " T"], recalled: Int64[Tensor, "T K 3"], table: ItemTable
    ) -> Float[Tensor, "T D"]:
        """items: of the events whose states these are. recalled: as `occasions` of footpath.sequences.long_history gives them."""
        asking, slots = torch.nonzero(recalled[:, :, 0], as_tuple=True)  # J occasions in all, by state
        if not len(asking):
            return states
        earlier, followed, ago = recalled[asking, slots].unbind(1)
        of_earlier, of_followed = F.layer_norm(table(torch.stack([earlier, followed])), (states.shape[1],), eps=_SMALL)  # (J, D) each
        to_earlier, to_followed = self.query(states).index_select(0, asking).chunk(2, 1)
        same = earlier == items[asking]
        age = self.age.index_select(0, torch.frexp(ago.float()).exponent.long() - 1 + _AGES * same)
        scores = (to_earlier * of_earlier + to_followed * of_followed).sum(1) / math.sqrt(states.shape[1]) + age
        of_states = scores.new_full(recalled.shape[:2], -torch.inf).index_put((asking, slots), scores)  # (T, K)
        weights = F.pad(of_states, (1, 0)).softmax(1)[asking, slots + 1]  # the first is that of attending to none
        return states.index_add(0, asking, self.gate * weights[:, None] * of_followed)

    def occasions(self, trail: Int64[Tensor, "B n"]) -> Int64[Tensor, "B K 3"]:
        """Of the last event of each history."""
        categories = None if self.categories is None else self.categories.numpy()
        return torch.from_numpy(np.stack([trail_occasions(row, self.k, categories=categories) for row in trail.numpy()]))


@dataclass(frozen=True)
class Reading:
    """How far a history has been read: the states of all blocks, and the window itself for when it has to be read anew.

    events: at most max_len of them, (B, n). output: the state after the last event, (B, D). trail: the items of all events, with recall.
    """

    events: Events
    caches: tuple[State, ...]
    output: Float[Tensor, "B D"]
    trail: Int64[Tensor, "B n"] | None = None

    @property
    def n_events(self) -> int:
        return self.events.items.shape[1]


class Network(nn.Module):
    """Item vectors, positions and side inputs in; blocks; a last normalisation where wanted.

    positions: whether place t of the window adds a learned vector. scale_items: item vectors times the root of D, as in "Attention is all
    you need", where they start small. use_requests: time-aware blocks learn when the question is asked, and not only when events happened.
    recall: adds to states what the history says beyond the window; only `at` and `step` do, which are given or keep the whole of it.
    """

    def __init__(
        self,
        items: ItemTable,
        blocks: Sequence[nn.Module],
        *,
        max_len: int,
        dropout: float,
        positions: bool = True,
        side: SideInputs | None = None,
        normalise: bool = True,
        causal: bool = True,
        scale_items: bool = False,
        use_requests: bool = False,
        recall: Recall | None = None,
    ) -> None:
        super().__init__()
        dim = items.dim
        self.max_len, self.causal, self.use_requests = max_len, causal, use_requests
        self.items = items
        self.positions = nn.Embedding(max_len, dim) if positions else None
        self.side = side
        self.mask = None if causal else nn.Parameter(torch.zeros(dim))
        self.dropout = Dropout(dropout)
        self.blocks: Any = nn.ModuleList(blocks)  # each a block of layers.py, with initial and step, where causal
        self.norm = nn.LayerNorm(dim) if normalise else nn.Identity()
        self.recall = recall
        self._scale = math.sqrt(dim) if scale_items else 1.0

    def forward(self, events: Events) -> Float[Tensor, "B L D"]:
        x = self._embedded(events)
        if self.causal:
            clock = self._clock(events)
            for block in self.blocks:
                x = block(x, clock)
        else:
            real = events.items != 0
            for block in self.blocks:
                x = block(x, real)
        return self.norm(x)

    def at(self, events: Events, places: Int64[Tensor, " T"], recalled: Int64[Tensor, "T K 3"] | None = None) -> Float[Tensor, "T D"]:
        """The states at these places of the flattened (B * L) events, with what is recalled there; single precision under autocast too."""
        states = self(events).flatten(0, 1)[places].float()
        if self.recall is None or recalled is None:
            return states
        return self.recall(states, events.items.flatten()[places], recalled, self.items)

    def step(self, reading: Reading | None, event: Events) -> Reading:
        """Read one more event of each row, (B, 1); equal to `at` the last place of the window that the event ends.

        event.requests: when the next question is asked. Once the window is full, it moves on and is read anew, since every place in it
        changes. Where request times are used, the event before is read again, now that it is known when its question was answered.
        """
        after = self._one_more(reading, event)
        if self.recall is None:
            return after
        trail = event.items if reading is None or reading.trail is None else torch.cat([reading.trail, event.items], 1)
        output = self.recall(after.output, event.items[:, 0], self.recall.occasions(trail), self.items)
        return replace(after, output=output, trail=trail)

    def _one_more(self, reading: Reading | None, event: Events) -> Reading:
        if reading is None and not self.causal:
            return self.read(event)
        if reading is None:
            caches = tuple(block.initial(len(event.items)) for block in self.blocks)
            return self._read(event, caches, event, 0, None)
        window = _joined(reading.events, event)
        n = window.items.shape[1]
        if n > self.max_len or not self.causal:
            return self.read(window.at((slice(None), slice(max(0, n - self.max_len), n))))
        caches = reading.caches
        if self.use_requests and event.times is not None:
            before = window.at((slice(None), slice(n - 2, n - 1)))
            earlier = None if n < 3 or window.times is None else window.times[:, n - 3]
            _, caches = self._stepped(before, caches, n - 2, earlier)
        earlier = None if window.times is None else window.times[:, n - 2]
        return self._read(window, caches, event, n - 1, earlier)

    def read(self, events: Events) -> Reading:
        """A whole window, (B, n) without padding, one event after another where the blocks are causal; nothing is recalled."""
        if not self.causal:
            return Reading(events, (), self(self.asked(events))[:, -1])
        n = events.items.shape[1]
        reading = None
        for t in range(n):
            reading = self._one_more(reading, events.at((slice(None), slice(t, t + 1))))
        assert reading is not None
        return reading

    def asked(self, events: Events) -> Events:
        """The last max_len - 1 events and the question: one more place, whose item is masked."""
        kept = events.at((slice(None), slice(max(0, events.items.shape[1] - self.max_len + 1), None)))
        b = len(kept.items)
        question = Events(
            torch.full((b, 1), MASK),
            None if kept.types is None else torch.zeros(b, 1, dtype=torch.int64),
            None if kept.times is None else (kept.times if kept.requests is None else kept.requests)[:, -1:],
            None if kept.values is None else torch.full((b, 1), torch.nan),
            None if kept.requests is None else kept.requests[:, -1:],
        )
        return _joined(kept, question, settle=False)

    def _read(self, window: Events, caches: tuple[State, ...], event: Events, place: int, before: Tensor | None) -> Reading:
        output, after = self._stepped(event, caches, place, before)
        # where requests matter, the caches stay before this event until it is known when the question after it came
        return Reading(window, caches if self.use_requests and event.times is not None else after, output)

    def _stepped(
        self, event: Events, caches: tuple[State, ...], place: int, before: Tensor | None
    ) -> tuple[Float[Tensor, "B D"], tuple[State, ...]]:
        x, clock, after = self._embedded(event, place, before)[:, 0], self._clock(event), []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block.step(x, cache, clock)
            after.append(cache)
        return self.norm(x), tuple(after)

    def _embedded(self, events: Events, place: int = 0, before: Tensor | None = None) -> Float[Tensor, "B L D"]:
        length = events.items.shape[1]
        if self.mask is None:
            x = self.items(events.items)
        else:
            x = torch.where((events.items == MASK)[:, :, None], self.mask, self.items(events.items.clamp(min=0)))
        if self._scale != 1.0:
            x = x * self._scale
        if self.positions is not None:
            x = x + self.positions.weight[place : place + length]
        if self.side is not None:
            x = x + self.side(events, before)
        return self.dropout(x)

    def _clock(self, events: Events) -> Clock | None:
        if events.times is None:
            return None
        requests = events.requests if self.use_requests else None
        return Clock(events.times, events.times if requests is None else requests)


def _joined(window: Events, event: Events, *, settle: bool = True) -> Events:
    """One more event behind the window; settle: the question before it was asked at its time."""
    columns: Mapping[str, Tensor | None] = {
        name: None if (old := getattr(window, name)) is None else torch.cat([old, getattr(event, name)], 1)
        for name in ("items", "types", "times", "values")
    }
    requests = None
    if window.requests is not None and event.requests is not None and event.times is not None:
        past = torch.cat([window.requests[:, :-1], event.times], 1) if settle else window.requests
        requests = torch.cat([past, event.requests], 1)
    return Events(**columns, requests=requests)  # type: ignore[arg-type]


def category_numbers(categories: Sequence[str]) -> Int64[np.ndarray, " N"]:
    """A number for each item's category, in the order of the alphabet; 0 where it has none."""
    names = {name: number for number, name in enumerate(sorted({name for name in categories if name}), start=1)}
    return np.array([names.get(name, 0) for name in categories], np.int64)


def side_input_names(text: str) -> tuple[SideInput, ...]:
    """The names in a comma-separated list; raises ValueError with the first that there is not."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in get_args(SideInput):
            raise ValueError(name)
    return tuple(dict.fromkeys(names))  # type: ignore[arg-type]
