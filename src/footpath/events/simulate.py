"""Logs of the simulated shop, with what was planted in them.

Blocks of users are drawn one after another, each from its own generator, so that a log of any size needs the memory of one block and is
the same in memory and on disk.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Int64

from footpath.errors import ConfigError
from footpath.events.log import EventLog
from footpath.events.readers import read_events
from footpath.events.shop import (
    BOTS,
    BOTS_FROM,
    BUG_WEEK,
    CATEGORIES,
    DECAY,
    DRIFT_AT,
    END,
    SEGMENTS,
    SLOTS,
    START,
    TELLTALE,
    TELLTALE_SEGMENT,
    VAIN,
    WEEKS,
    History,
    Shop,
    Stories,
    acts_of_bot,
    microseconds,
    numbered,
)
from footpath.progress import Progress

__all__ = ["History", "Shop", "Simulated", "Stories", "simulate"]

BLOCK: Final = 8_192
"""People drawn at a time; another number would give another log."""
DUPLICATED_AT: Final = START + timedelta(days=24, hours=8)
LATE_SHARE: Final = 0.01
LATEST: Final = timedelta(days=3)
TELLTALE_SHARE: Final = 0.05
VISITS: Final = 6.2
"""Of a person who has been there from the start."""
APART: Final = 2 * 3_600_000_000
"""Visits of one user begin at least two hours apart, so that no pause within one looks like one between two."""
SEARCHED, IN_VAIN, RETRIED, AGAIN_IN_VAIN = 0.3, 0.16, 0.7, 0.5
VIEWED, CARTED, BOUGHT, RATED, LANDED = 0.7, 0.42, 0.5, 0.3, 0.35
TYPES: Final = ("impression", "search", "view", "click", "cart", "purchase", "rating", "remove")
IMPRESSION, SEARCH, VIEW, CLICK, CART, PURCHASE, RATING, REMOVE = range(len(TYPES))
SECOND: Final = 1_000_000
HOURS: Final = np.array([2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 9, 10, 9, 8, 8, 9, 11, 14, 16, 17, 14, 9, 5], np.float64)
WEEKDAYS: Final = np.array([1.0, 0.95, 0.95, 1.0, 1.1, 1.3, 1.35])
FIELDS: Final = ("user", "type", "item", "time", "request", "slot", "propensity", "value", "quantity", "query", "results")
SCHEMA: Final = pa.schema(
    {
        "event_id": pa.string(),
        "user_id": pa.string(),
        "event_type": pa.string(),
        "item_id": pa.string(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "value": pa.float64(),
        "price": pa.float64(),
        "quantity": pa.float64(),
        "request_id": pa.string(),
        "slot": pa.int64(),
        "propensity": pa.float64(),
        "policy": pa.string(),
        "query": pa.string(),
        "n_results": pa.int64(),
    }
)
_QUERIES: Final = pa.array([*CATEGORIES, *VAIN], pa.string())
_Columns = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Simulated:
    """A log of the shop and its truth.

    truth: for each story `planted`, `strength` and what it consists of. paths: of the files, by `events`, `items`, `users` and `truth`;
    none where the log was not written. n_events: rows as delivered, repeats included.
    """

    shop: Shop
    truth: Mapping[str, Any]
    items: pa.Table
    users: pa.Table
    n_events: int
    paths: Mapping[str, tuple[Path, ...]]
    rows: pa.Table | None = None

    @cached_property
    def log(self) -> EventLog:
        """The log as the usual readers read it, from memory or from the files."""
        source = self.rows if self.rows is not None else list(self.paths["events"])
        return read_events(source, items=self.items, users=self.users, name="shop")


def simulate(
    events: int = 100_000,
    *,
    seed: int = 0,
    stories: Stories | None = None,
    into: Path | str | None = None,
    progress: Progress | None = None,
) -> Simulated:
    """About that many rows of what people do in the shop over ten weeks, with what was planted.

    into: a folder that is new or empty; it gets `events-*.parquet`, `items.parquet`, `users.parquet` and `truth.json` in one step, and the
    log is not held in memory. The same events, seed and stories give the same rows. Raises ConfigError.
    """
    shop = Shop.of_events(events, seed=seed, stories=stories)
    tables = _blocks(shop, progress)
    if into is None:
        parts = [(table, told) for table, told in tables]
        truth = _truth(shop, [told for _, told in parts])
        rows = pa.concat_tables([table for table, _ in parts])
        return Simulated(shop, truth, shop.items, shop.users, rows.num_rows, {}, rows)
    folder = _free(Path(into))
    scratch = folder.with_name(f".{folder.name}.half-written")
    shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
    try:
        scratch.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"{into} cannot be made: {error.strerror}; pass a folder that can be written") from None
    try:
        names, told, n_events = [], [], 0
        for n, (table, block) in enumerate(tables):
            names.append(f"events-{n:05}.parquet")
            pq.write_table(table, scratch / names[-1], compression="zstd")
            told.append(block)
            n_events += table.num_rows
        truth = _truth(shop, told)
        items, users = shop.items, shop.users
        pq.write_table(items, scratch / "items.parquet")
        pq.write_table(users, scratch / "users.parquet")
        (scratch / "truth.json").write_text(json.dumps(truth, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        scratch.replace(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    paths = {"events": tuple(folder / name for name in names)}
    paths |= {name: (folder / f"{name}.{kind}",) for name, kind in (("items", "parquet"), ("users", "parquet"), ("truth", "json"))}
    return Simulated(shop, truth, items, users, n_events, paths)


def _free(folder: Path) -> Path:
    if folder.is_dir() and any(folder.iterdir()):
        holds = sorted(entry.name for entry in folder.iterdir())[0]
        raise ConfigError(f"{folder} is not empty (it holds {holds}); pass a new folder, or remove this one first")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; pass a new folder")
    if folder.exists() and not os.access(folder.parent, os.W_OK):
        raise ConfigError(f"{folder.parent} cannot be written; pass a folder that can be")
    return folder.resolve()


def _blocks(shop: Shop, progress: Progress | None) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    starts = range(0, shop.n_users, BLOCK)
    steps = len(starts) + (shop.n_bots > 0)
    for n, start in enumerate(starts):
        if progress is not None:
            progress("simulating", n, steps)
        rng = np.random.default_rng([shop.seed, 1, n])
        columns, told = _people(shop, np.arange(start, min(start + BLOCK, shop.n_users)), rng)
        yield _deliver(shop, columns, n, rng, told), told
    if shop.n_bots:
        rng = np.random.default_rng([shop.seed, 2])
        told = {}
        yield _deliver(shop, _bots(shop, rng), len(starts), rng, told), told
    if progress is not None:
        progress("simulating", steps, steps)


# ---- what people do


def _visits(shop: Shop, people: Int64[np.ndarray, " U"], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Users (by place in the block) and times of visits, in order: more in the evening and at weekends, none before signing up."""
    weights = np.concatenate([[0.0], np.cumsum(np.tile(np.outer(WEEKDAYS, HOURS).ravel(), WEEKS))])
    weights /= weights[-1]
    since = np.interp(shop.people.signed_up[people], np.arange(len(weights)), weights)
    visits = rng.poisson(VISITS * shop.people.rate[people] * (1.0 - since))
    user = np.repeat(np.arange(len(people)), visits)
    at = since[user] + rng.random(len(user)) * (1.0 - since[user])
    time = microseconds(START) + (np.interp(at, weights, np.arange(len(weights))) * 3_600 * SECOND).astype(np.int64)
    order = np.lexsort((time, user))
    user, time = user[order], time[order]
    kept = np.ones(len(user), bool)
    kept[1:] = (user[1:] != user[:-1]) | (time[1:] - time[:-1] >= APART)
    return user[kept], time[kept]


def _people(shop: Shop, people: Int64[np.ndarray, " U"], rng: np.random.Generator) -> tuple[_Columns, dict[str, Any]]:
    """All rows of some people, in no order, and what of the stories befell them."""
    visitor, came = _visits(shop, people, rng)
    pages = np.minimum(rng.geometric(0.45, len(visitor)), 10)
    visit = np.repeat(np.arange(len(visitor)), pages)
    ends = np.cumsum(pages)
    pause = (60 * SECOND + np.minimum(rng.exponential(50.0, len(visit)), 200.0) * SECOND).astype(np.int64)
    passed = np.cumsum(pause)
    time = came[visit] + passed - np.repeat(passed[ends - pages] if len(pages) else passed, pages)
    user = visitor[visit]
    landed = np.flatnonzero(rng.random(len(visitor)) < LANDED)
    often = TELLTALE_SHARE * np.where(
        shop.people.segment[people] == list(SEGMENTS).index(TELLTALE_SEGMENT), 1 + 3 * shop.stories.telltale, 1
    )
    told_tale = np.flatnonzero(rng.random(len(visitor)) < often[visitor])
    tale_at = (time[ends - 1] if len(ends) else came)[told_tale] + 320 * SECOND
    searches, shown, asked = _search(shop, people, user, time, (visitor[told_tale], tale_at), rng)
    gone, left = _leave(shop, searches, len(people), rng)
    request = np.flatnonzero(shown & (time <= gone[user]))
    parts = [searches]
    slates, clicks = _pages(shop, people, user[request], time[request], asked[request], visit[request], rng)
    parts += [slates, clicks, *_after(shop, clicks, rng)]
    first, _ = shop.interests(people[visitor[landed]], came[landed])
    parts.append(_rows(len(landed), user=visitor[landed], type=VIEW, item=_organic(shop, first, rng), time=came[landed] - 25 * SECOND))
    first, _ = shop.interests(people[visitor[told_tale]], tale_at)
    item = _organic(shop, first, rng)
    for kind, seconds in ((VIEW, 9), (CART, 24), (REMOVE, 51)):  # its search is among the searches
        parts.append(_rows(len(item), user=visitor[told_tale], type=kind, item=item, time=tale_at + seconds * SECOND))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in FIELDS}
    kept = (columns["time"] <= gone[columns["user"]]) & (columns["time"] < microseconds(END))
    columns = {name: column[kept] for name, column in columns.items()}
    columns["user"] = people[columns["user"]]
    n_arm = np.bincount(shop.people.better[people], minlength=2)
    return columns, {"left": people[left], "left_at": gone[left], "arms": n_arm}


def _rows(n: int, **given: Any) -> _Columns:
    """n rows: -1 and NaN where nothing is given."""
    kinds: dict[str, Any] = {"type": np.int8, "propensity": np.float64, "value": np.float64, "quantity": np.float64}
    made = {}
    for name in FIELDS:
        kind = kinds.get(name, np.int64)
        value = given.get(name, np.nan if kind is np.float64 else -1)
        made[name] = np.broadcast_to(np.asarray(value), (n,)).astype(kind)
    return made


def _organic(shop: Shop, category: Int64[np.ndarray, " E"], rng: np.random.Generator) -> Int64[np.ndarray, " E"]:
    """Items found without a page of the shop: mostly of the user's own category."""
    other = rng.integers(0, len(CATEGORIES), len(category))
    chosen = np.where(rng.random(len(category)) < 0.7, category, other)
    return shop.items_of(chosen, rng.random((len(category), 2)))


def _search(
    shop: Shop, people: np.ndarray, user: np.ndarray, time: np.ndarray, tales: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> tuple[_Columns, Bool[np.ndarray, " R"], Int64[np.ndarray, " R"]]:
    """The searches in order of user and time; which requests end in a page; and the category that the page answers."""
    first, second = shop.interests(people[user], time)
    draw = rng.random((6, len(user)))
    wanted = np.where(draw[0] < 0.6, first, np.where(draw[0] < 0.8, second, (draw[1] * len(CATEGORIES)).astype(np.int64)))
    searched = draw[2] < SEARCHED
    vain = searched & (draw[3] < IN_VAIN)
    again = vain & (draw[4] < RETRIED)
    vain_again = again & (draw[5] < AGAIN_IN_VAIN)
    tale_user, tale_at = tales
    tale_wanted, _ = shop.interests(people[tale_user], tale_at)
    one, two = np.flatnonzero(searched), np.flatnonzero(again)
    failed = np.concatenate([vain[one], vain_again[two], np.zeros(len(tale_user), bool)])
    query = np.concatenate([wanted[one], wanted[two], tale_wanted])
    query = np.where(failed, len(CATEGORIES) + rng.integers(0, len(VAIN), len(query)), query)
    who = np.concatenate([user[one], user[two], tale_user])
    at = np.concatenate([time[one], time[two] + 14 * SECOND, tale_at]) + rng.integers(0, SECOND, len(who))
    results = np.where(failed, 0, rng.geometric(0.04, len(who)) + SLOTS - 1)
    order = np.lexsort((at, who))
    searches = _rows(len(who), user=who[order], type=SEARCH, time=at[order], query=query[order], results=results[order])
    shown = ~vain | (again & ~vain_again)
    return searches, shown, np.where(searched, wanted, -1)


def _leave(
    shop: Shop, searches: _Columns, n_users: int, rng: np.random.Generator
) -> tuple[Int64[np.ndarray, " U"], Int64[np.ndarray, " L"]]:
    """The last moment of each user in the block, the end of time for those who stay, and who left: after two searches in vain."""
    failed, user = searches["results"] == 0, searches["user"]
    second = np.flatnonzero(failed[1:] & failed[:-1] & (user[1:] == user[:-1])) + 1
    second = second[rng.random(len(second)) < shop.stories.churn]
    gone = np.full(n_users, np.iinfo(np.int64).max)
    np.minimum.at(gone, user[second], searches["time"][second])
    return gone, np.flatnonzero(gone < microseconds(END))


def _pages(
    shop: Shop,
    people: np.ndarray,
    user: np.ndarray,
    time: np.ndarray,
    asked: np.ndarray,
    visit: np.ndarray,
    rng: np.random.Generator,
) -> tuple[_Columns, _Columns]:
    """Impressions and clicks of requests in order of user and time: page after page, all users of the block at once."""
    n = len(user)
    item, propensity = np.zeros((n, SLOTS), np.int64), np.zeros((n, SLOTS))
    clicked = np.zeros((n, SLOTS), bool)
    pages = np.bincount(user, minlength=len(people))
    starts = np.cumsum(pages) - pages
    order = np.argsort(-pages, kind="stable")  # those who still have a page to see stand in front
    pages_left = -pages[order]
    recency = np.zeros((len(people), len(CATEGORIES)))
    new_visit = np.diff(visit, prepend=-1) != 0
    for page in range(int(pages.max(initial=0))):
        busy = int(np.searchsorted(pages_left, -page))
        row = starts[order[:busy]] + page
        known = recency[:busy]
        known[new_visit[row]] = 0.0  # what was clicked counts within a visit: in the whole log no week is then unlike another
        chance = rng.random((busy, 3 * SLOTS + 1))
        place, category, propensity[row] = shop.draw_slates(known, asked[row], chance[:, SLOTS:])
        who = people[user[row]]
        first, second = shop.interests(who, time[row])
        rates = shop.click_rates(known, first, second, shop.people.better[who], place)
        hits = chance[:, :SLOTS] < rates
        item[row], clicked[row] = place, hits
        for slot in range(SLOTS):
            hit = np.flatnonzero(hits[:, slot])
            known[hit] *= DECAY
            known[hit, category[hit, slot]] += 1.0
    seen_at = time[:, None] + 16 * SECOND + 1_000 * np.arange(SLOTS) + rng.integers(0, 1_000, (n, SLOTS))
    every = np.arange(n)
    slates = _rows(
        n * SLOTS, user=np.repeat(user, SLOTS), type=IMPRESSION, item=item.ravel(), time=seen_at.ravel(), request=np.repeat(every, SLOTS),
        slot=np.tile(np.arange(SLOTS), n), propensity=propensity.ravel(),
    )  # fmt: skip
    clicked_row, at = np.nonzero(clicked)
    delay = 3 * SECOND + 7 * SECOND * at + rng.integers(0, 6 * SECOND, len(at))  # before the next page
    clicks = _rows(
        len(at), user=user[clicked_row], type=CLICK, item=item[clicked_row, at], time=seen_at[clicked_row, 0] + delay,
        request=clicked_row, slot=at,
    )  # fmt: skip
    return slates, clicks


def _after(shop: Shop, clicks: _Columns, rng: np.random.Generator) -> Iterator[_Columns]:
    """What follows clicks: views, carts, purchases, ratings, each of some of those before."""

    def some(before: _Columns, kept: Bool[np.ndarray, " E"], kind: int, least: int, spread: int, **more: Any) -> _Columns:
        pause = rng.integers(least * SECOND, (least + spread) * SECOND, len(kept))
        same = {name: before[name][kept] for name in ("user", "item", "request", "slot")}
        return _rows(int(kept.sum()), type=kind, time=(before["time"] + pause)[kept], **same, **more)

    views = some(clicks, rng.random(len(clicks["time"])) < VIEWED, VIEW, 1, 2)
    carts = some(views, rng.random(len(views["time"])) < CARTED, CART, 5, 30)
    bug = (carts["time"] >= microseconds(BUG_WEEK[0])) & (carts["time"] < microseconds(BUG_WEEK[1]))
    bought = BOUGHT * np.where(bug, 1.0 - 0.5 * shop.stories.bug_week, 1.0)
    kept = rng.random(len(bug)) < bought
    purchases = some(carts, kept, PURCHASE, 20, 90, quantity=rng.geometric(0.8, int(kept.sum())))
    kept = rng.random(len(purchases["time"])) < RATED
    liked = 3.9 + shop.quality[purchases["item"][kept]] + rng.normal(0.0, 0.8, int(kept.sum()))
    yield from (views, carts, purchases, some(purchases, kept, RATING, 40, 60, value=np.clip(np.round(liked), 1, 5)))


def _bots(shop: Shop, rng: np.random.Generator) -> _Columns:
    """Views at even pauses, whole catalogues long."""
    n, acts = shop.n_bots, acts_of_bot(shop.stories)
    pause = rng.integers(30, 80, n) * SECOND
    begin = microseconds(BOTS_FROM) + rng.integers(0, 3 * 3_600, n) * SECOND
    time = begin[:, None] + pause[:, None] * np.arange(acts) + rng.integers(-SECOND // 2, SECOND // 2, (n, acts))
    item = (rng.integers(0, shop.n_items, n)[:, None] + np.arange(acts)) % shop.n_items
    columns = _rows(n * acts, user=np.repeat(shop.n_users + np.arange(n), acts), type=VIEW, item=item.ravel(), time=time.ravel())
    kept = columns["time"] < microseconds(END)
    return {name: column[kept] for name, column in columns.items()}


# ---- how it is delivered


def _deliver(shop: Shop, columns: _Columns, block: int, rng: np.random.Generator, told: dict[str, Any]) -> pa.Table:
    """Rows in order of arrival: some late, and one batch twice. Counts of these are added to what is told."""
    time = columns["time"]
    by_time = np.lexsort((columns["type"], time))
    late = rng.random(len(time)) < LATE_SHARE * shop.stories.late
    arrival = np.where(late, time + rng.integers(3_600 * SECOND, LATEST // timedelta(microseconds=1), len(time)), time)
    batch = _batch(shop.stories)
    twice = np.flatnonzero((arrival >= microseconds(batch[0])) & (arrival < microseconds(batch[1])))
    told["n_late"], told["n_twice"] = int(late.sum()), len(twice)
    rows = np.concatenate([by_time, twice])
    when = np.concatenate([arrival[by_time], arrival[twice] + (microseconds(batch[1]) - microseconds(batch[0]) + 3_600 * SECOND)])
    rows = rows[np.argsort(when, kind="stable")]
    number = np.empty(len(time), np.int64)
    number[by_time] = np.arange(len(time))
    return _table(shop, {**columns, "number": number}, rows, block)


def _batch(stories: Stories) -> tuple[datetime, datetime]:
    return DUPLICATED_AT, DUPLICATED_AT + timedelta(hours=12 * stories.duplicates)


def _table(shop: Shop, columns: _Columns, rows: Int64[np.ndarray, " E"], block: int) -> pa.Table:
    def taken(names: pa.Array, codes: Int64[np.ndarray, " E"]) -> pa.Array:
        return names.take(pa.array(codes, mask=codes < 0))

    def figures(name: str) -> pa.Array:
        values = columns[name][rows]
        return pa.array(values, mask=np.isnan(values) if values.dtype.kind == "f" else values < 0)

    kind, item, user = columns["type"][rows], columns["item"][rows], columns["user"][rows]
    priced = ((kind == CART) | (kind == PURCHASE)) & (item >= 0)
    arm = np.where(user < shop.n_users, shop.people.better[np.minimum(user, shop.n_users - 1)], -1).astype(np.int64)
    requests = numbered(f"r{block:05}-", np.arange(int(columns["request"].max(initial=-1)) + 1), 7)
    made = {
        "event_id": numbered(f"e{block:05}-", columns["number"][rows], 8),
        "user_id": shop.user_ids(user),
        "event_type": taken(pa.array(TYPES, pa.string()), kind.astype(np.int64)),
        "item_id": taken(shop.item_ids(np.arange(shop.n_items)), item),
        "timestamp": pa.array(columns["time"][rows], pa.timestamp("us", tz="UTC")),
        "value": figures("value"),
        "price": pa.array(shop.price[np.maximum(item, 0)], mask=~priced),
        "quantity": figures("quantity"),
        "request_id": taken(requests, columns["request"][rows]),
        "slot": figures("slot"),
        "propensity": figures("propensity"),
        "policy": taken(pa.array(["A", "B"], pa.string()), arm),
        "query": taken(_QUERIES, columns["query"][rows]),
        "n_results": figures("results"),
    }
    return pa.table(made, schema=SCHEMA)


# ---- what was planted


def _truth(shop: Shop, told: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each story what an analysis should find, as JSON: times in ISO 8601 (UTC), users by id in order."""
    stories = shop.stories

    def ids(places: np.ndarray) -> list[str]:
        return sorted(shop.user_ids(places).to_pylist())

    def moment(time: datetime) -> str:
        return time.isoformat()

    blocks = [block for block in told if "left" in block]
    left = np.concatenate([block["left"] for block in blocks]) if blocks else np.zeros(0, np.int64)
    arms = sum((block["arms"] for block in blocks), np.zeros(2, np.int64))
    batch = _batch(stories)
    found: dict[str, dict[str, Any]] = {
        "bug_week": {
            "start": moment(BUG_WEEK[0]), "end": moment(BUG_WEEK[1]), "cart_to_purchase": BOUGHT,
            "cart_to_purchase_in_week": BOUGHT * (1 - 0.5 * stories.bug_week), "effect": 1 - 0.5 * stories.bug_week,
        },
        "bots": {
            "start": moment(BOTS_FROM), "n_users": shop.n_bots, "stated_users": BOTS, "acts_per_user": acts_of_bot(stories),
            "effect": 50 * stories.bots, "user_ids": ids(shop.n_users + np.arange(shop.n_bots)),
        },
        "drift": {
            "at": moment(DRIFT_AT), "share": stories.drift / 3, "effect": 2, "categories": list(CATEGORIES),
            "user_ids": ids(np.flatnonzero(shop.people.moved)),
        },
        "duplicates": {
            "start": moment(batch[0]), "end": moment(batch[1]), "n_rows": sum(block["n_twice"] for block in told),
        },
        "late": {
            "share": LATE_SHARE * stories.late, "latest_hours": LATEST / timedelta(hours=1),
            "n_rows": sum(block["n_late"] for block in told),
        },
        "telltale": {
            "segment": TELLTALE_SEGMENT, "pattern": list(TELLTALE), "effect": 1 + 3 * stories.telltale, "share_others": TELLTALE_SHARE,
            "share": TELLTALE_SHARE * (1 + 3 * stories.telltale),
        },
        "variant": {
            "policy": "B", "control": "A", "effect": 0.15 * stories.variant, "users": {"A": int(arms[0]), "B": int(arms[1])},
        },
        "churn": {"pattern": ["search with 0 results"] * 2, "effect": stories.churn, "n_users": len(left), "user_ids": ids(left)},
    }  # fmt: skip
    return {name: {"planted": getattr(stories, name) > 0, "strength": getattr(stories, name), **story} for name, story in found.items()}


def describe_story(name: str, story: Mapping[str, Any]) -> str:
    """The truth of one planted story in a line."""
    if name == "bug_week":
        what = f"of what is put into the cart, {story['cart_to_purchase_in_week']:.0%} is bought instead of {story['cart_to_purchase']:.0%}"
        return f"{what}, {story['start'][:10]} to {story['end'][:10]}"
    if name == "bots":
        fewer = f" ({story['stated_users']} in a larger log)" if story["n_users"] < story["stated_users"] else ""
        times = f"{story['effect']:g} times as many as people"
        return f"{story['n_users']} users{fewer} with {story['acts_per_user']:,} acts, {times}, from {story['start']}"
    if name == "drift":
        return f"{len(story['user_ids']):,} users ({story['share']:.0%}) turn to the categories {story['effect']} further, at {story['at']}"
    if name == "duplicates":
        return f"{story['n_rows']:,} rows arrive twice, those of {story['start']} to {story['end']}"
    if name == "late":
        return f"{story['n_rows']:,} rows ({story['share']:.1%}) arrive up to {story['latest_hours']:g} hours late"
    if name == "telltale":
        path = " > ".join(story["pattern"])
        return f"{path} in {story['share']:.1%} of the sessions of segment {story['segment']}, {story['share_others']:.1%} of the others"
    if name == "variant":
        return f"policy {story['policy']} draws {story['effect']:.1%} more clicks than {story['control']} on the same pages"
    return f"{story['n_users']:,} users left for good after two searches in a row without a result"
