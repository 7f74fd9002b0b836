"""A thousand true sentences about the shop and a thousand false ones: no false one is shown, and hardly a true one is refused.

The truth is worked out with pandas from the raw rows, not by what is under test.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from footpath.events.simulate import simulate
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim, Scope
from footpath.llm.claims.told import accept

WANTED = 1_000
NOUNS = {"view": "views", "click": "clicks", "cart": "additions to the cart", "purchase": "purchases", "search": "searches"}
NOUNS_ZH = {"view": "浏览", "click": "点击", "cart": "加购", "purchase": "购买", "search": "搜索"}
SEGMENTS = ("regular", "bargain", "gift", "loyal")
MONTHS = {"2024-09": (datetime(2024, 9, 1), datetime(2024, 10, 1)), "2024-10": (datetime(2024, 10, 1), datetime(2024, 11, 1))}


class Case(NamedTuple):
    """What is true, and what is not, each as a sentence and the claim that a model would propose with it."""

    kind: str
    true: tuple[str, Claim]
    false: tuple[str, Claim]


class Shop:
    """The log as pandas has it, beside the checker."""

    def __init__(self) -> None:
        log = simulate(30_000, seed=11).log
        self.checker = Checker(log)
        assert log.items is not None
        assert log.users is not None
        frame = pd.DataFrame(log.table.to_pyarrow().to_pydict())
        frame = frame[frame.event_type != "impression"].sort_values(["user_id", "position"])
        late = frame.groupby("user_id").timestamp.diff() > pd.Timedelta(minutes=30)
        frame["session"] = late.groupby(frame.user_id).cumsum()
        items = pd.DataFrame(log.items.to_pyarrow().to_pydict()).set_index("item_id")
        frame["category"] = frame.item_id.map(items.category)
        frame["brand"] = frame.item_id.map(items.brand)
        frame["again"] = frame.item_id.notna() & (frame.groupby(["user_id", "item_id"]).cumcount() > 0)
        frame["segment"] = frame.user_id.map(pd.DataFrame(log.users.to_pyarrow().to_pydict()).set_index("user_id").segment)
        frame["next_type"] = frame.groupby(["user_id", "session"]).event_type.shift(-1)
        self.acts, self.titles = frame, items.title.to_dict()
        self.end = frame.timestamp.max()
        self.users = sorted(frame.user_id.unique())
        self.categories = sorted(items.category.unique())

    def of(self, **equal: Any) -> pd.DataFrame:
        found = self.acts
        for column, value in equal.items():
            found = found[found[column] == value]
        return found


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop()


def counts(shop: Shop) -> Iterator[Case]:
    """A wrong number; and the right number of somebody else."""
    table = shop.acts.groupby(["user_id", "event_type"]).size()
    for i, ((user, kind), n) in enumerate(table.items()):
        if kind not in NOUNS:
            continue
        n = int(n)
        scope = Scope(user=user, event_types=(kind,))
        other = next(u for u in shop.users[i % len(shop.users) :] + shop.users if table.get((u, kind), 0) != n)
        if i % 2:
            true = f"User {user} made {n:,} {NOUNS[kind]}."
            false = (f"User {other} made {n:,} {NOUNS[kind]}.", Claim("count", Scope(user=other, event_types=(kind,)), value=n))
        else:
            true = f"用户 {user} 共有 {n:,} 次{NOUNS_ZH[kind]}。"
            false = (f"用户 {user} 共有 {n + 1:,} 次{NOUNS_ZH[kind]}。", Claim("count", scope, value=n + 1))
        yield Case("count", (true, Claim("count", scope, value=n)), false)


def windows(shop: Shop) -> Iterator[Case]:
    """The right number of another month."""
    month = shop.acts.timestamp.dt.strftime("%Y-%m")
    for category, kind in itertools.product(shop.categories, ("view", "click", "cart", "purchase")):
        rows = shop.acts[(shop.acts.category == category) & (shop.acts.event_type == kind)]
        by_month = {name: int((month[rows.index] == name).sum()) for name in MONTHS}
        for name, other in (("2024-09", "2024-10"), ("2024-10", "2024-09")):
            if by_month[name] == by_month[other]:
                continue
            scopes = [Scope(category=category, event_types=(kind,), since=a, until=b) for a, b in (MONTHS[name], MONTHS[other])]
            text = 'From {a:%Y-%m-%d} to {b:%Y-%m-%d} there were {n} {what} in the category "{category}".'
            texts = [
                text.format(a=a, b=b - timedelta(days=1), n=by_month[name], what=NOUNS[kind], category=category)
                for a, b in (MONTHS[name], MONTHS[other])
            ]
            claims = [Claim("count", scope, value=by_month[name]) for scope in scopes]
            yield Case("window", (texts[0], claims[0]), (texts[1], claims[1]))


def shares(shop: Shop) -> Iterator[Case]:
    """A share that is one point off."""
    for user in shop.users:
        rows = shop.of(user_id=user)
        for category in rows.category.value_counts().index[:2]:
            share = float((rows.category == category).mean())
            wrong = round(share + 0.01, 3)
            text = 'Of the acts of user {u}, {s:.1%} were in the category "{c}".'
            claims = [
                Claim("share", Scope(user=user), {"part": Scope(category=category)}, value=s, digits=0.001)
                for s in (round(share, 3), wrong)
            ]
            yield Case(
                "share", (text.format(u=user, s=share, c=category), claims[0]), (text.format(u=user, s=wrong, c=category), claims[1])
            )


def tops(shop: Shop) -> Iterator[Case]:
    """A wrong category, item or user at the top."""
    for user in shop.users:
        ranked = shop.of(user_id=user).category.value_counts()
        if len(ranked) < 2 or ranked.iloc[0] == ranked.iloc[1]:
            continue
        texts = [f'User {user} has most acts in the category "{name}".' for name in ranked.index[:2]]
        claims = [Claim("top", Scope(user=user), {"by": "category", "k": 1}, value=name) for name in ranked.index[:2]]
        yield Case("top", (texts[0], claims[0]), (texts[1], claims[1]))
    for category in shop.categories:
        ranked = shop.of(category=category, event_type="view").item_id.value_counts()
        if ranked.iloc[0] == ranked.iloc[1]:
            continue
        names = [shop.titles[item] for item in ranked.index[:2]]
        scope = Scope(category=category, event_types=("view",))
        texts = [f"类别“{category}”中浏览最多的商品是“{name}”。" for name in names]
        claims = [Claim("top", scope, {"by": "item", "k": 1}, value=name) for name in names]
        yield Case("top", (texts[0], claims[0]), (texts[1], claims[1]))


def trends(shop: Shop) -> Iterator[Case]:
    """The other direction."""
    for category, days in itertools.product(shop.categories, (3, 7, 10, 14, 21, 28)):
        rows = shop.of(category=category)
        begin, before = shop.end - timedelta(days=days), shop.end - timedelta(days=2 * days)
        now = int((rows.timestamp >= begin).sum())
        then = int(((rows.timestamp >= before) & (rows.timestamp < begin)).sum())
        if not then or abs(now / then - 1) < 0.05:
            continue
        up = now > then
        words = ("rose", "fell") if up else ("fell", "rose")
        ways = ("up", "down") if up else ("down", "up")
        texts = [f'Acts in the category "{category}" {word} in the last {days} days.' for word in words]
        claims = [Claim("trend", Scope(category=category), {"window_days": days}, way) for way in ways]
        yield Case("trend", (texts[0], claims[0]), (texts[1], claims[1]))


def edges(shop: Shop) -> Iterator[Case]:
    """A date that is a day off, and a user whom nobody knows."""
    for i, user in enumerate(shop.users):
        first = shop.of(user_id=user).timestamp.min().to_pydatetime()
        day = datetime(first.year, first.month, first.day)
        other = user if i % 2 else f"x{user}"
        wrong = day + timedelta(days=1) if i % 2 else day
        text = "The first act of user {u} was on {d:%Y-%m-%d}."
        true = (text.format(u=user, d=day), Claim("first", Scope(user=user), value=day, digits=86_400))
        yield Case("first", true, (text.format(u=other, d=wrong), Claim("first", Scope(user=other), value=wrong, digits=86_400)))


def recencies(shop: Shop) -> Iterator[Case]:
    """A day too many."""
    for user in shop.users[::3]:
        days = (shop.end - shop.of(user_id=user).timestamp.max()) / pd.Timedelta(days=1)
        texts = [f"用户 {user} 的最近一次行为距日志末尾 {value:.1f} 天。" for value in (days, days + 1)]
        claims = [Claim("recency", Scope(user=user), value=round(value, 1), digits=0.1) for value in (days, days + 1)]
        yield Case("recency", (texts[0], claims[0]), (texts[1], claims[1]))


def followed(shop: Shop) -> Iterator[Case]:
    """What follows what, the wrong way round or in another segment."""
    for segment, (a, b) in itertools.product(SEGMENTS, itertools.permutations(NOUNS, 2)):
        shares = []
        for one, other in ((a, b), (b, a)):
            rows = shop.of(event_type=one, segment=segment)
            shares.append(float((rows.next_type == other).mean()))
        if round(shares[0], 3) == round(shares[1], 3):
            continue
        share = round(shares[0], 3)
        text = "Of the {a} of users with segment {s}, {v:.1%} were directly followed by {b}."
        claims = [
            Claim("follows", Scope(segment=f"segment={segment}"), {"a": Scope(event_types=(x,)), "b": Scope(event_types=(y,))}, value=share,
                  digits=0.001) for x, y in ((a, b), (b, a))
        ]  # fmt: skip
        texts = [text.format(a=NOUNS[x], b=NOUNS[y], s=segment, v=share) for x, y in ((a, b), (b, a))]
        yield Case("follows", (texts[0], claims[0]), (texts[1], claims[1]))


def repeats(shop: Shop) -> Iterator[Case]:
    for user in shop.users[1::3]:
        rows = shop.of(user_id=user)
        rows = rows[rows.item_id.notna()]
        if not len(rows):
            continue
        share = float(rows.again.mean())
        wrong = round(share + (0.02 if share < 0.9 else -0.02), 3)
        claims = [Claim("repeat_rate", Scope(user=user), value=value, digits=0.001) for value in (round(share, 3), wrong)]
        texts = [f"{value:.1%} of the acts of user {user} on items were repeats." for value in (share, wrong)]
        yield Case("repeat", (texts[0], claims[0]), (texts[1], claims[1]))


def lifts(shop: Shop) -> Iterator[Case]:
    """The lift of a category in the wrong segment."""
    for category, segment in itertools.product(shop.categories, SEGMENTS):
        overall = float((shop.acts.category == category).mean())
        values = {name: float((shop.of(segment=name).category == category).mean()) / overall for name in SEGMENTS}
        other = next((name for name in SEGMENTS if round(values[name], 2) != round(values[segment], 2)), None)
        if other is None:
            continue
        value = round(values[segment], 2)
        text = "类别“{c}”在 {s} 用户行为中的占比是整个日志的 {v:.2f} 倍。"
        claims = [Claim("lift", Scope(segment=f"segment={name}"), {"part": Scope(category=category)}, value=value, digits=0.01)
                  for name in (segment, other)]  # fmt: skip
        texts = [text.format(c=category, s=name, v=value) for name in (segment, other)]
        yield Case("lift", (texts[0], claims[0]), (texts[1], claims[1]))


def comparisons(shop: Shop) -> Iterator[Case]:
    """Two segments, swapped."""
    for kind, (a, b) in itertools.product(NOUNS, itertools.combinations(SEGMENTS, 2)):
        shares = [float((shop.of(segment=name).event_type == kind).mean()) for name in (a, b)]
        if abs(shares[0] - shares[1]) < 1e-9:
            continue
        high, low = (a, b) if shares[0] > shares[1] else (b, a)
        measure = Claim("share", arguments={"part": Scope(event_types=(kind,))})
        text = "The share of {k} is larger among users with segment {x} than among users with segment {y}: above 0."
        claims = [
            Claim("compare", Scope(segment=f"segment={x}"), {"measure": measure, "against": Scope(segment=f"segment={y}")}, ">", 0)
            for x, y in ((high, low), (low, high))
        ]
        texts = [text.format(k=NOUNS[kind], x=x, y=y) for x, y in ((high, low), (low, high))]
        yield Case("compare", (texts[0], claims[0]), (texts[1], claims[1]))


def hours(shop: Shop) -> Iterator[Case]:
    for category, by in itertools.product(shop.categories, ("hour", "weekday")):
        times = shop.of(category=category).timestamp.dt
        ranked = (times.hour if by == "hour" else times.day_of_week).value_counts()
        if ranked.iloc[0] == ranked.iloc[1]:
            continue
        claims = [Claim("rhythm", Scope(category=category), {"by": by}, value=int(place)) for place in ranked.index[:2]]
        texts = [f'The {by} with the most acts in the category "{category}" was number {int(place)}.' for place in ranked.index[:2]]
        yield Case("rhythm", (texts[0], claims[0]), (texts[1], claims[1]))


def means(shop: Shop) -> Iterator[Case]:
    for segment, kind in itertools.product(SEGMENTS, NOUNS):
        rows = shop.of(segment=segment)
        value = float((rows.event_type == kind).sum() / rows.user_id.nunique())
        wrong = round(value * 1.1 + 0.02, 2)
        claims = [Claim("mean", Scope(segment=f"segment={segment}"), {"part": Scope(event_types=(kind,))}, value=v, digits=0.01)
                  for v in (round(value, 2), wrong)]  # fmt: skip
        texts = [f"Users with segment {segment} had {v:.2f} {NOUNS[kind]} on average." for v in (value, wrong)]
        yield Case("mean", (texts[0], claims[0]), (texts[1], claims[1]))


def drifts(shop: Shop) -> Iterator[Case]:
    for user in shop.users[2::3]:
        rows = shop.of(user_id=user)
        half = len(rows) // 2
        parts = [part.category.dropna() for part in (rows.iloc[:half], rows.iloc[half:])]
        if not all(len(part) for part in parts):
            continue
        one, other = (part.value_counts(normalize=True) for part in parts)
        value = float(one.sub(other, fill_value=0).abs().sum() / 2)
        wrong = round(value + (0.03 if value < 0.9 else -0.03), 3)
        claims = [Claim("drift", Scope(user=user), value=v, digits=0.001) for v in (round(value, 3), wrong)]
        texts = [f"The mix of categories of user {user} moved by {v:.1%} between the halves." for v in (value, wrong)]
        yield Case("drift", (texts[0], claims[0]), (texts[1], claims[1]))


KINDS = (
    counts, windows, shares, tops, trends, edges, recencies, followed, repeats, lifts, comparisons, hours, means, drifts,
)  # fmt: skip


@pytest.fixture(scope="module")
def cases(shop: Shop) -> list[Case]:
    """A thousand, of every kind: the rare kinds whole, the others in turn."""
    piles = [list(kind(shop)) for kind in KINDS]
    rng = np.random.default_rng(0)
    for pile in piles:
        rng.shuffle(pile)  # type: ignore[arg-type]
    picked = [case for turn in itertools.zip_longest(*piles) for case in turn if case is not None]
    return picked[:WANTED]


@pytest.mark.slow
def test_of_a_thousand_false_sentences_none_is_shown(shop: Shop, cases: list[Case]) -> None:
    told = accept([(text, [claim]) for text, claim in (case.false for case in cases)], shop.checker)
    shown = [(line.sentence, line.verdicts[0].value) for line in told.lines if line.source == "sentence"]
    assert (len(told.lines), shown) == (WANTED, [])
    assert told.refused == WANTED


@pytest.mark.slow
def test_of_a_thousand_true_sentences_at_least_950_are_shown(shop: Shop, cases: list[Case]) -> None:
    assert {case.kind for case in cases} >= {"count", "window", "share", "top", "trend", "first", "follows", "lift", "compare"}
    told = accept([(text, [claim]) for text, claim in (case.true for case in cases)], shop.checker)
    shown = sum(line.source == "sentence" for line in told.lines)
    assert shown >= 950, [(line.sentence, line.refused) for line in told.lines if line.refused][:20]


@pytest.mark.slow
def test_a_false_sentence_with_the_claim_of_a_true_one_is_not_shown(shop: Shop, cases: list[Case]) -> None:
    """A model may propose a true claim with a sentence that says something else."""
    told = accept([(case.false[0], [case.true[1]]) for case in cases], shop.checker)
    assert [(line.sentence, line.claims) for line in told.lines if line.source == "sentence"] == []


@pytest.mark.slow
def test_a_true_sentence_with_a_cause_added_is_not_shown(shop: Shop, cases: list[Case]) -> None:
    causes = (" because of the price", " due to the season", ", which led to this", "，这是因为价格", "，由此导致流失")
    told = accept([(case.true[0].rstrip(".。") + causes[i % len(causes)], [case.true[1]]) for i, case in enumerate(cases)], shop.checker)
    assert told.refused == WANTED
