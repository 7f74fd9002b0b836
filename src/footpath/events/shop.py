"""A shop whose truth is known: who wants what, what a page shows, and how likely each item on it is clicked.

The logs of `footpath.events.simulate` are drawn from the very functions that stand here, so that a policy can be tried on the shop and a
prediction can be held to the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float64, Int64
from scipy.special import expit, ndtri

from footpath.errors import ConfigError, DataError, did_you_mean

START: Final = datetime(2024, 9, 2)
"""A Monday; all times are UTC."""
WEEKS: Final = 10
END: Final = START + timedelta(weeks=WEEKS)
DRIFT_AT: Final = START + timedelta(weeks=5)
BUG_WEEK: Final = (START + timedelta(weeks=6), START + timedelta(weeks=7))
BOTS_FROM: Final = START + timedelta(days=52, hours=3)
SLOTS: Final = 5
EXAMINED: Final = (1.0, 0.8, 0.66, 0.57, 0.5)
"""How likely each slot is looked at; a slot that is not looked at is not clicked."""
DECAY: Final = 0.6
"""Weight of a category that was clicked n clicks ago: DECAY ** n."""
BASE, FIRST, SECOND, RECENT, QUALITY, TEMPTED = -2.4, 3.0, 1.5, 0.4, 0.5, 0.6
LEARNED: Final = 0.6
"""Share of a page that follows the last clicks; of a search, the share that follows the query."""
SEGMENTS: Final = {"regular": 0.5, "bargain": 0.2, "gift": 0.2, "loyal": 0.1}
TELLTALE_SEGMENT: Final = "gift"
TELLTALE: Final = ("search", "view", "cart", "remove")
"""The path of the tell-tale sessions; nothing is removed from a cart anywhere else."""
BOTS: Final = 40
MOST_OF_EVENTS_BOTS: Final = 0.1
EVENTS_PER_USER: Final = 77.5
LOST_BY_CHURN: Final = 10.6
ACTS_PER_USER: Final = 19.0
"""What a person does in the whole log, impressions not counted."""
FEWEST_EVENTS: Final = 1_000
MOST_EVENTS: Final = 1_000_000_000

_LIMITS: Final[Mapping[str, float]] = {
    "bug_week": 2.0, "bots": 10.0, "drift": 3.0, "duplicates": 4.0, "late": 20.0, "telltale": 5.0, "variant": 4.0, "churn": 1.0,
}  # fmt: skip
_GOODS: Final[Mapping[str, tuple[float, tuple[str, ...], tuple[str, ...]]]] = {
    "tea": (9.0, ("Darjeeling", "Sencha", "Lapsang", "Jasmine", "Rooibos", "龙井"), ("loose leaf", "in tins", "sampler", "thé d'été")),
    "coffee": (12.0, ("Yirgacheffe", "Sumatra", "Huila", "Sidamo", "Café crème"), ("whole beans", "for filter", "espresso roast")),
    "ceramics": (28.0, ("Stoneware", "Raku", "Celadon", "Porcelain", "Majolica"), ("bowl", "mug", "vase", "plate", "teapot")),
    "knives": (64.0, ("Santoku", "Nakiri", "Paring", "Fillet", "三徳"), ("16 cm", "21 cm", "with saya", "in carbon steel")),
    "linen": (35.0, ("Washed", "Herringbone", "Waffle", "Gingham", "Crème brûlée"), ("apron", "tablecloth", "towel", "napkins")),
    "books": (18.0, ("A Field Guide to", "The Craft of", "Notes on", "Éloge de", "Über"), ("bread", "gardens", "rivers", "glazing")),
    "lamps": (85.0, ("Paper", "Brass", "Opal", "Åland", "Smoked glass"), ("pendant", "desk lamp", "lantern", "floor lamp")),
    "garden": (22.0, ("Copper", "Ash-handled", "Galvanised", "Japanese", "Façade"), ("trowel", "watering can", "secateurs", "planter")),
    "soap": (7.0, ("Olive", "Pine tar", "Oatmeal", "Crêpe rose", "Salt"), ("bar", "shampoo bar", "hand wash", "shaving set")),
    "toys": (16.0, ("Wooden", "Felt", "Tin", "Älgen", "Stacking"), ("train", "rings", "bear", "puzzle", "kite")),
    "paper": (11.0, ("Laid", "Dotted", "Washi", "Kraft", "Grained"), ("notebook", "envelopes", "planner", "letter set")),
    "honey": (14.0, ("Acacia", "Heather", "Chestnut", "Mānuka", "Linden"), ("250 g", "500 g", "comb", "gift jar")),
}
CATEGORIES: Final = tuple(_GOODS)
VAIN: Final = ("gift wrapping", "spare lids", "cast iron", "oat milk", "opening hours", "wellington boots")
"""What people search for and the shop does not have."""
_BRANDS: Final = ("Fjord & Daughters", "Hollin", "Maison Été", "Kiyo", "Northgate", "Ruta 9", "Ølstykke", "Plain Goods")


@dataclass(frozen=True)
class Stories:
    """How strong each planted story is: 1 the stated effect, 0 absent, between and above in proportion.

    bug_week: in one calendar week the probability that what is in the cart is bought halves. bots: 40 users (fewer in a log of under
    about 380 thousand events) act 50 times as often as people, at even pauses, in one burst. drift: a third of the users turn to the
    categories two further, at one moment. duplicates: all rows of 12 hours are delivered twice. late: 1 % of the rows arrive up to three
    days late. telltale: in sessions of the segment `gift` one path is four times as frequent. variant: policy B draws 15 % more clicks.
    churn: after two failed searches in a row a user never comes back.
    """

    bug_week: float = 1.0
    bots: float = 1.0
    drift: float = 1.0
    duplicates: float = 1.0
    late: float = 1.0
    telltale: float = 1.0
    variant: float = 1.0
    churn: float = 1.0

    def __post_init__(self) -> None:
        for name, most in _LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                raise ConfigError(f"story {name} must be between 0 (absent) and {most:g}, where 1 is the stated effect; got {value!r}")

    @classmethod
    def none(cls) -> Stories:
        """A shop without any story: what an analysis finds there is chance."""
        return cls(**dict.fromkeys(_LIMITS, 0.0))

    @classmethod
    def named(cls, strengths: Mapping[str, float], *, others: float = 1.0) -> Stories:
        """Strengths by name. Raises ConfigError for a story that there is not."""
        for name in strengths:
            if name not in _LIMITS:
                raise ConfigError(f"no story {name!r}{did_you_mean(name, _LIMITS)}; there are: {', '.join(_LIMITS)}")
        return cls(**{**dict.fromkeys(_LIMITS, others), **strengths})


@dataclass(frozen=True)
class History:
    """What the shop knows when it answers: who it is, and the items that were clicked in this visit, oldest first.

    user_id: None, or an id that the shop has not, is somebody without settled interests, under policy A.
    """

    user_id: str | None = None
    items: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Response:
    """clicked: one draw for each slot. probability: what they were drawn from. history: the one after it."""

    clicked: Bool[np.ndarray, " K"]
    probability: Float64[np.ndarray, " K"]
    history: History


@dataclass(frozen=True, eq=False)
class People:
    """Arrays over people, in the order in which they are simulated; bots come after them in `number` only.

    number: of the user id. rate: visits expected in the whole log, relative to the mean. signed_up, first, second: hours from the start
    (negative before it) and the two categories that are liked. moved: whose interests move at `DRIFT_AT`. better: under policy B.
    """

    number: Int64[np.ndarray, " U"]
    rate: Float64[np.ndarray, " U"]
    signed_up: Float64[np.ndarray, " U"]
    first: Int64[np.ndarray, " U"]
    second: Int64[np.ndarray, " U"]
    moved: Bool[np.ndarray, " U"]
    better: Bool[np.ndarray, " U"]
    segment: Int64[np.ndarray, " U"]


@dataclass(eq=False)
class Shop:
    """The environment: items, people, the logging policies, and the true probability of a click.

    n_users: people. n_items: at least 60, at best a few hundred or more. n_bots: none where the story `bots` is 0. Raises ConfigError.
    """

    n_users: int = 1_200
    n_items: int = 480
    n_bots: int = 8
    seed: int = 0
    stories: Stories = field(default_factory=Stories)

    def __post_init__(self) -> None:
        for name, least in (("n_users", 1), ("n_items", SLOTS * len(CATEGORIES)), ("n_bots", 0), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
        if not isinstance(self.stories, Stories):
            raise _no_stories(self.stories)
        if not self.stories.bots:
            self.n_bots = 0
        rng = np.random.default_rng([self.seed, 0])
        self._stock(rng)
        self._invite(rng)

    @classmethod
    def of_events(cls, events: int, *, seed: int = 0, stories: Stories | None = None) -> Shop:
        """A shop whose log has about that many rows, from a thousand to a billion. Raises ConfigError."""
        if isinstance(events, bool) or not isinstance(events, int | np.integer) or not FEWEST_EVENTS <= events <= MOST_EVENTS:
            raise ConfigError(f"events must be a whole number from {FEWEST_EVENTS:,} to {MOST_EVENTS:,}, got {events!r}")
        stories = Stories() if stories is None else stories
        n_items = int(np.clip(1.5 * events**0.5, 240, 20_000))
        if not isinstance(stories, Stories):
            raise _no_stories(stories)
        n_bots = int(np.clip(MOST_OF_EVENTS_BOTS * events / (50 * ACTS_PER_USER), 1, BOTS))
        by_bots = n_bots * acts_of_bot(stories)
        per_user = EVENTS_PER_USER - LOST_BY_CHURN * stories.churn
        return cls(max(1, round((events - by_bots) / per_user)), n_items, n_bots, seed, stories)

    def _stock(self, rng: np.random.Generator) -> None:
        n, kinds = self.n_items, len(CATEGORIES)
        category = np.arange(n) % kinds
        cell = (np.arange(n) // kinds % SLOTS) * kinds + category  # of a shelf and a category: no slate shows an item twice
        weight = 1.0 / (np.arange(n) // (kinds * SLOTS) + 2.0)  # Zipf within a cell
        order = np.argsort(cell, kind="stable")
        self.category: Int64[np.ndarray, " N"] = category[order]
        self._cell: Int64[np.ndarray, " N"] = cell[order]
        sums = np.bincount(cell, weight, minlength=kinds * SLOTS)
        self._within: Float64[np.ndarray, " N"] = weight[order] / sums[self._cell]
        self._shelf_sums: Float64[np.ndarray, " N"] = np.cumsum(self._within)
        self._cell_last: Int64[np.ndarray, " S"] = np.searchsorted(self._cell, np.arange(kinds * SLOTS), side="right") - 1
        self._cell_first: Int64[np.ndarray, " S"] = np.searchsorted(self._cell, np.arange(kinds * SLOTS))
        self.quality: Float64[np.ndarray, " N"] = rng.normal(0.0, QUALITY, n)
        popular = 1.0 / (np.arange(kinds) + 1.5)
        popular = np.concatenate([rng.permutation(popular[: kinds // 2]), rng.permutation(popular[kinds // 2 :])]) / popular.sum()
        ring = np.argsort(np.arange(kinds) // 2 % 2, kind="stable")  # two popular ones, two others, and so on: who drifts by two is seen
        self._popular: Float64[np.ndarray, " C"] = popular[np.argsort(ring)]
        self.item_number: Int64[np.ndarray, " N"] = rng.permutation(n)
        self._digits = max(4, len(str(n)))
        self.price: Float64[np.ndarray, " N"] = np.round(
            np.array([_GOODS[c][0] for c in CATEGORIES])[self.category] * np.exp(rng.normal(0.0, 0.4, n)), 2
        )
        heads, tails, brands = rng.integers(0, 2**31, (3, n))
        self._titles: list[str] = []
        for i, c in enumerate(self.category.tolist()):
            _, first, second = _GOODS[CATEGORIES[c]]
            self._titles.append(f"{first[heads[i] % len(first)]} {second[tails[i] % len(second)]} No. {self.item_number[i] + 1}")
        self._brands = [_BRANDS[b % len(_BRANDS)] for b in brands.tolist()]

    def _invite(self, rng: np.random.Generator) -> None:
        n, kinds = self.n_users, len(CATEGORIES)
        rate = np.exp(0.7 * ndtri((rng.permutation(n) + 0.5) / n))  # every quantile once: the size of a log hardly varies
        new = rng.random(n) < 0.4
        signed_up = np.where(new, rng.random(n) * 0.7 * WEEKS * 168, -rng.random(n) * 180 * 24)
        first = np.searchsorted(np.cumsum(self._popular), rng.random(n)).clip(max=kinds - 1)
        second = (first + rng.integers(1, kinds, n)) % kinds
        self.people = People(
            number=np.random.default_rng([self.seed, 4]).permutation(n + self.n_bots),
            rate=rate / rate.mean(),
            signed_up=signed_up,
            first=first,
            second=second,
            moved=rng.random(n) < self.stories.drift / 3.0,
            better=rng.random(n) < 0.5,
            segment=np.searchsorted(np.cumsum(list(SEGMENTS.values())), rng.random(n)).clip(max=len(SEGMENTS) - 1),
        )
        self._places: dict[str, int] | None = None

    # ---- names

    @property
    def items(self) -> pa.Table:
        """`item_id`, `title`, `category`, `brand`, `price`, by id."""
        table = pa.table(
            {
                "item_id": self.item_ids(np.arange(self.n_items)),
                "title": pa.array(self._titles, pa.string()),
                "category": pa.array([CATEGORIES[c] for c in self.category.tolist()], pa.string()),
                "brand": pa.array(self._brands, pa.string()),
                "price": pa.array(self.price),
            }
        )
        return table.sort_by("item_id")

    @property
    def users(self) -> pa.Table:
        """`user_id`, `segment`, `signed_up`, by id; bots are among them."""
        rng = np.random.default_rng([self.seed, 3])
        names = pa.array(list(SEGMENTS), pa.string())
        segment = np.concatenate([self.people.segment, rng.integers(0, len(SEGMENTS), self.n_bots)])
        hours = np.concatenate([self.people.signed_up, np.full(self.n_bots, (BOTS_FROM - START) / timedelta(hours=1) - 1)])
        table = pa.table(
            {
                "user_id": self.user_ids(np.arange(self.n_users + self.n_bots)),
                "segment": names.take(pa.array(segment)),
                "signed_up": pa.array(microseconds(START) + (hours * 3.6e9).astype(np.int64), pa.timestamp("us", tz="UTC")),
            }
        )
        return table.sort_by("user_id")

    def item_ids(self, places: Int64[np.ndarray, " E"]) -> pa.StringArray:
        """The ids of items by their place in the arrays of the shop."""
        return numbered("i", self.item_number[places], self._digits)

    def user_ids(self, places: Int64[np.ndarray, " E"]) -> pa.StringArray:
        """The ids of people, then of bots, by their place."""
        return numbered("u", self.people.number[places], max(5, len(str(self.n_users + self.n_bots))))

    def item_places(self, items: Sequence[str]) -> Int64[np.ndarray, " K"]:
        """The places of items by id. Raises DataError for an item that the shop has not."""
        if not hasattr(self, "_place_of_item"):
            self._place_of_item = {name: i for i, name in enumerate(self.item_ids(np.arange(self.n_items)).to_pylist())}
        for item in items:
            if item not in self._place_of_item:
                raise DataError(f"the shop has no item {item!r}; its ids are in shop.items")
        return np.array([self._place_of_item[item] for item in items], np.int64)

    def _user_place(self, user_id: str | None) -> int:
        if self._places is None:
            self._places = {name: i for i, name in enumerate(self.user_ids(np.arange(self.n_users)).to_pylist())}
        return -1 if user_id is None else self._places.get(user_id, -1)

    # ---- the truth

    def click_probability(
        self, history: History, slate: Sequence[str], time: datetime | None = None, *, policy: str | None = None
    ) -> Float64[np.ndarray, " K"]:
        """How likely each item of a slate, first slot first, is clicked by that user at that time: the truth, not an estimate.

        time: UTC; the end of the log without it. policy: A or B; without it the user's own. Raises DataError, ConfigError.
        """
        if len(slate) > SLOTS:
            raise ConfigError(f"a slate has at most {SLOTS} items, got {len(slate)}")
        if policy not in (None, "A", "B"):
            raise ConfigError(f"policy must be A or B, got {policy!r}")
        places = self.item_places(slate)
        user = np.array([self._user_place(history.user_id)])
        first, second = self.interests(user, np.array([microseconds(END if time is None else time)]))
        better = np.array([policy == "B" if policy is not None else bool(user[0] >= 0 and self.people.better[user[0]])])
        return self.click_rates(self._recency(history), first, second, better, places[None, :])[0]

    def respond(
        self,
        user: str | None,
        slate: Sequence[str],
        *,
        history: History | Sequence[str] = (),
        time: datetime | None = None,
        policy: str | None = None,
        rng: np.random.Generator | int = 0,
    ) -> Response:
        """Which items of a slate the user clicks, drawn with `click_probability`, and the history after it.

        history: the items clicked before in this visit, oldest first. rng: a generator or a seed; pass one generator through an episode.
        """
        before = History(user, tuple(history.items if isinstance(history, History) else history))
        probability = self.click_probability(before, slate, time, policy=policy)
        clicked = np.random.default_rng(rng).random(len(slate)) < probability
        chosen = tuple(item for item, hit in zip(slate, clicked.tolist(), strict=True) if hit)
        return Response(clicked, probability, History(user, before.items + chosen))

    def show(
        self, history: History, *, query: str | None = None, rng: np.random.Generator | int = 0
    ) -> tuple[tuple[str, ...], Float64[np.ndarray, " K"]]:
        """A slate as the logging policy shows it, and its exact propensities. query: a category, where it answers a search."""
        asked = np.array([_category_of(query)])
        places, _, propensity = self.draw_slates(self._recency(history), asked, np.random.default_rng(rng).random((1, 2 * SLOTS + 1)))
        return tuple(self.item_ids(places[0]).to_pylist()), propensity[0]

    def propensity(self, history: History, slate: Sequence[str], *, query: str | None = None) -> Float64[np.ndarray, " K"]:
        """How likely the logging policy, of A as of B, shows each item in its slot; every slot has the same distribution."""
        places = self.item_places(slate)
        mix = self.shelf_mix(self._recency(history), np.array([_category_of(query)]))[0]
        return mix[self.category[places]] / SLOTS * self._within[places]

    # ---- the same over many at once, which the logs are written with

    def interests(
        self, users: Int64[np.ndarray, " A"], time: Int64[np.ndarray, " A"]
    ) -> tuple[Int64[np.ndarray, " A"], Int64[np.ndarray, " A"]]:
        """The first and second category of users by place, -1 for none; time in microseconds."""
        first, second = (np.where(users >= 0, kind[users], -1) for kind in (self.people.first, self.people.second))
        moved = (users >= 0) & self.people.moved[users] & (time >= microseconds(DRIFT_AT))
        kinds = len(CATEGORIES)
        return np.where(moved, (first + 2) % kinds, first), np.where(moved, (second + 2) % kinds, second)

    def click_rates(
        self,
        recency: Float64[np.ndarray, "A C"],
        first: Int64[np.ndarray, " A"],
        second: Int64[np.ndarray, " A"],
        better: Bool[np.ndarray, " A"],
        places: Int64[np.ndarray, "A K"],
    ) -> Float64[np.ndarray, "A K"]:
        """Examination of the slot times a logistic in interest, recent clicks and the item, times what policy B adds."""
        category = self.category[places]
        pull = BASE + self.quality[places] + RECENT * np.take_along_axis(recency, category, axis=1)
        pull += FIRST * (category == first[:, None]) + SECOND * (category == second[:, None])
        rates = TEMPTED * expit(pull) * np.array(EXAMINED[: places.shape[1]])
        return rates * (1.0 + 0.15 * self.stories.variant * better)[:, None]

    def shelf_mix(self, recency: Float64[np.ndarray, "A C"], asked: Int64[np.ndarray, " A"]) -> Float64[np.ndarray, "A C"]:
        """Share of each category on a page: all alike, and what was clicked last; on a search also what was asked for."""
        total = recency.sum(axis=1, keepdims=True)
        share = np.divide(recency, total, out=np.full(recency.shape, 1.0 / len(CATEGORIES)), where=total > 0)
        mix = (1.0 - LEARNED) / len(CATEGORIES) + LEARNED * share
        searched = np.flatnonzero(asked >= 0)
        mix[searched] *= 1.0 - LEARNED
        mix[searched, asked[searched]] += LEARNED
        return mix

    def draw_slates(
        self, recency: Float64[np.ndarray, "A C"], asked: Int64[np.ndarray, " A"], chance: Float64[np.ndarray, "A R"]
    ) -> tuple[Int64[np.ndarray, "A K"], Int64[np.ndarray, "A K"], Float64[np.ndarray, "A K"]]:
        """Items by place, their categories, and propensities; chance: 2 * SLOTS + 1 uniform numbers each.

        Items stand on as many shelves as there are slots, and each slot is filled from one shelf, which one by a turn of chance: so no item
        is there twice, and the probability of an item in a slot is exactly 1 / SLOTS times that of its category times that within it.
        """
        mix = self.shelf_mix(recency, asked)
        sums = np.cumsum(mix, axis=1)
        sums /= sums[:, -1:]
        category = (chance[:, :SLOTS, None] >= sums[:, None, :-1]).sum(axis=2)
        turn = np.minimum((chance[:, -1] * SLOTS).astype(np.int64), SLOTS - 1)
        shelf = (np.arange(SLOTS) + turn[:, None]) % SLOTS
        cell = shelf * len(CATEGORIES) + category
        places = np.searchsorted(self._shelf_sums, cell + chance[:, SLOTS : 2 * SLOTS], side="right")  # the weights of a cell sum to 1
        places = np.clip(places, self._cell_first[cell], self._cell_last[cell])
        return places, category, np.take_along_axis(mix, category, axis=1) / SLOTS * self._within[places]

    def items_of(self, category: Int64[np.ndarray, " A"], chance: Float64[np.ndarray, "A 2"]) -> Int64[np.ndarray, " A"]:
        """Items of given categories by popularity alone."""
        cell = np.minimum((chance[:, 0] * SLOTS).astype(np.int64), SLOTS - 1) * len(CATEGORIES) + category
        places = np.searchsorted(self._shelf_sums, cell + chance[:, 1], side="right")
        return np.clip(places, self._cell_first[cell], self._cell_last[cell])

    def _recency(self, history: History) -> Float64[np.ndarray, "1 C"]:
        recency = np.zeros((1, len(CATEGORIES)))
        for category in self.category[self.item_places(history.items)].tolist():
            recency *= DECAY
            recency[0, category] += 1.0
        return recency

    def describe(self) -> dict[str, Any]:
        """Hyper-parameters as JSON."""
        told = {f.name: getattr(self.stories, f.name) for f in fields(self.stories)}
        return {"n_users": self.n_users, "n_items": self.n_items, "n_bots": self.n_bots, "seed": int(self.seed), "stories": told}


def _no_stories(given: Any) -> ConfigError:
    return ConfigError(f"stories must be Stories(...), such as Stories(bots=0.5) or Stories.none(), got {given!r}")


def acts_of_bot(stories: Stories) -> int:
    """Acts of one bot: 50 times what a person does, in proportion to the story."""
    return round(50 * ACTS_PER_USER * stories.bots)


def _category_of(query: str | None) -> int:
    if query is None:
        return -1
    if query not in CATEGORIES:
        raise ConfigError(f"query must be a category of the shop, got {query!r}{did_you_mean(query, CATEGORIES)}; {', '.join(CATEGORIES)}")
    return CATEGORIES.index(query)


def microseconds(time: datetime) -> int:
    """Since 1970, of a UTC time with or without a zone."""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def numbered(prefix: str, numbers: Int64[np.ndarray, " E"], width: int) -> pa.StringArray:
    """Ids such as u00042, made a column of digits at a time."""
    n, before = len(numbers), len(prefix)
    text = np.empty((n, before + width), np.uint8)
    text[:, :before] = np.frombuffer(prefix.encode(), np.uint8)
    rest = np.asarray(numbers, np.int64)
    for place in range(width - 1, -1, -1):
        higher = rest // 10
        text[:, before + place] = 48 + (rest - 10 * higher)
        rest = higher
    offsets = np.arange(n + 1, dtype=np.int32) * (before + width)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))
