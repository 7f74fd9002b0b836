"""True sentences about the simulated shop, spoiled in a thousand ways: none is judged true. And every template reads back as its claim.

The sentences of `test_mutations` are true and false by pandas, not by what is under test.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from footpath.errors import FootpathError
from footpath.llm.claims.claims import Claim, Scope
from footpath.llm.claims.templates import render
from footpath.llm.statements.forms import NoScopeError, joined
from footpath.llm.statements.statements import Reader, UnreadError
from tests.llm.test_mutations import KINDS, Case, Shop

pytestmark = pytest.mark.slow
TYPES = ("view", "click", "cart", "purchase", "search", "remove", "rating")
WHO = (Scope(), Scope(user="u00085"), Scope(segment="segment=loyal"), Scope(segment="purchase>=3"), Scope(segment="segment!=gift"),
       Scope(not_user="u00085"), Scope(segment="purchase=0"), Scope(segment="purchase>=2 and segment=bargain"))  # fmt: skip
WHAT = (Scope(), Scope(category="tea"), Scope(brand="Kiyo"), Scope(item="i0010"), Scope(not_category="tea"), Scope(not_brand="Kiyo"))
WHEN = (Scope(), Scope(since=datetime(2024, 10, 1), until=datetime(2024, 11, 1)), Scope(since=datetime(2024, 10, 10)),
        Scope(until=datetime(2024, 10, 10)), Scope(weekdays=(5, 6)), Scope(hours=(20,)), Scope(hours=(0, 22, 23)), Scope(half="second"),
        Scope(since=datetime(2024, 10, 1, 12, 30)))  # fmt: skip


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop()


@pytest.fixture(scope="module")
def reader(shop: Shop) -> Reader:
    return Reader.of(shop.checker)


@pytest.fixture(scope="module")
def cases(shop: Shop) -> list[Case]:
    piles = [list(kind(shop)) for kind in KINDS]
    rng = np.random.default_rng(1)
    for pile in piles:
        rng.shuffle(pile)  # type: ignore[arg-type]
    return [case for turn in itertools.zip_longest(*piles) for case in turn if case is not None][:220]


def scopes(rng: random.Random) -> Iterator[Scope]:
    while True:
        scope = Scope(event_types=rng.choice([(), *((kind,) for kind in TYPES), ("cart", "purchase")]))
        for pool in (WHO, WHAT, WHEN):
            if rng.random() < 0.45:
                try:
                    scope = joined(scope, rng.choice(pool))
                except NoScopeError:
                    continue
        yield scope


def asked(n: int) -> Iterator[Claim]:
    """Claims of every predicate over many scopes."""
    rng = random.Random(0)
    drawn = scopes(rng)
    purchase, linen = Scope(event_types=("purchase",)), Scope(category="linen")
    measures = (Claim("count"), Claim("share", arguments={"part": purchase, "of": "users"}), Claim("mean"), Claim("repeat_rate"),
                Claim("recency"))  # fmt: skip
    for turn in range(n):
        scope = next(drawn)
        kind = turn % 14
        if kind == 0:
            yield Claim("count", scope, {"of": rng.choice(["acts", "users", "items", "categories", "sessions", "days", "brands"])})
        elif kind == 1:
            yield Claim(
                "share",
                replace(scope, category=None, segment=None),
                {"part": rng.choice([linen, purchase, WHO[2]]), "of": rng.choice(["acts", "users"])},
            )
        elif kind == 2:
            of, per = rng.choice(
                [("acts", "user"), ("acts", "session"), ("sessions", "user"), ("items", "user"), ("price", "act"), ("acts", "day")]
            )
            yield Claim("mean", scope, {"of": of, "per": per})
        elif kind == 3:
            yield Claim(
                "top",
                scope,
                {"by": rng.choice(["item", "category", "brand", "user", "query", "day", "month", "segment"]), "k": rng.choice([1, 2, 3])},
            )
        elif kind == 4:
            yield Claim("trend", replace(scope, since=None), {"of": rng.choice(["acts", "users"]), "window_days": rng.choice([7, 14])})
        elif kind in (5, 6):
            yield Claim("first" if kind == 5 else "last", scope, {"by": rng.choice(["time", "item", "category", "event_type"])})
        elif kind == 7:
            yield Claim("recency", scope)
        elif kind == 8:
            yield Claim("rhythm", replace(scope, hours=()), {"by": rng.choice(["hour", "weekday"])})
        elif kind == 9:
            a, b = (Scope(event_types=(rng.choice(TYPES),)) for _ in range(2))
            yield Claim("follows", Scope(), {"a": joined(replace(scope, event_types=()), a), "b": b})
        elif kind == 10:
            yield Claim("repeat_rate", scope, {"by": rng.choice(["item", "category"])})
        elif kind == 11:
            yield Claim("novelty", replace(scope, until=None, since=None), {"by": rng.choice(["item", "category"]), "window_days": 7})
        elif kind == 12:
            yield Claim("lift", replace(scope, category=None), {"part": linen, "of": rng.choice(["acts", "users"])})
        else:
            one, other = (replace(scope, user=None, not_user=None, segment=f"segment={name}") for name in ("loyal", "gift"))
            yield Claim("compare", one, {"measure": rng.choice(measures), "against": other, "how": rng.choice(["difference", "ratio"])})


@pytest.fixture(scope="module")
def rendered(reader: Reader) -> list[tuple[Claim, str, str]]:
    """What is true, in both languages, with the claim that it was rendered from."""
    found = []
    for claim in asked(590):
        try:
            verdict = reader.checker.check(claim)
        except FootpathError:
            continue
        if verdict.value is not None:
            phrase = render(verdict.claim, verdict)
            found.append((verdict.claim, str(phrase), phrase.zh))
    return found


def test_of_sentences_that_pandas_holds_false_none_is_judged_true(reader: Reader, cases: list[Case]) -> None:
    verdicts = [(case.false[0], reader.judge(case.false[0]).verdict) for case in cases]
    assert [sentence for sentence, verdict in verdicts if verdict == "true"] == []
    assert sum(verdict == "false" for _, verdict in verdicts) > 130


def test_of_sentences_that_pandas_holds_true_none_is_judged_false(reader: Reader, cases: list[Case]) -> None:
    verdicts = [(case.true[0], reader.judge(case.true[0]).verdict) for case in cases]
    assert [sentence for sentence, verdict in verdicts if verdict == "false"] == []
    assert sum(verdict == "true" for _, verdict in verdicts) > 130


def asks(claim: Claim, reader: Reader) -> Claim:
    return replace(reader.checker.resolve(claim), comparison=None, value=None, digits=None)


def test_of_a_thousand_rendered_claims_at_least_950_read_back_as_they_were(reader: Reader, rendered: list[tuple[Claim, str, str]]) -> None:
    """A list of fewer names than were asked for reads back as a shorter list."""
    told: Counter[str] = Counter()
    strayed = []
    for claim, *sentences in rendered:
        for lang, sentence in zip(("en", "zh"), sentences, strict=True):
            try:
                found = reader.read(sentence, lang)  # type: ignore[arg-type]
            except UnreadError:
                told["unread"] += 1
                continue
            want = asks(claim, reader)
            equal = any(_same(want, asks(one.claim, reader)) for reading in found for one in reading)
            told["equal" if equal else "other"] += 1
            if reader.judge(sentence, lang).verdict == "false":  # type: ignore[arg-type]
                strayed.append(sentence)
    assert strayed == []
    assert told.total() >= 1_000
    assert told["equal"] >= 0.95 * told.total(), told


def _same(one: Claim, other: Claim) -> bool:
    if one.predicate == "top" and other.predicate == "top":
        one, other = (replace(claim, arguments={**claim.arguments, "k": 1}) for claim in (one, other))
    return one == other


def spoiled(sentence: str, lang: str) -> Iterator[tuple[str, str]]:
    """A true sentence made false, or one that no log can bear out."""
    numbers = list(
        re.finditer(r"(?<![\w.\-:№])\d[\d,]*(?:\.\d+)?(?![\w\-:]|\.\d)", re.sub(r"[\"“][^\"”]*[\"”]", lambda m: "_" * len(m[0]), sentence))
    )
    if numbers:
        number = numbers[len(sentence) % len(numbers)]
        text = number[0].replace(",", "")
        wrong = f"{float(text) + 3:.{len(text.partition('.')[2])}f}"
        yield "number", sentence[: number.start()] + wrong + sentence[number.end() :]
    end = sentence[-1]
    yield "cause", sentence[:-1] + (f" because of the price{end}" if lang == "en" else f"，因为价格变化{end}")
    yield "cause", sentence[:-1] + (f", which led to more visits{end}" if lang == "en" else f"，由此导致流失{end}")
    if "u00085" in sentence:
        yield "invented", sentence.replace("u00085", "x99999")
    if lang == "en":
        for verb in (" were ", " was ", " had "):
            if verb in sentence:
                yield "denied", sentence.replace(verb, f"{verb}not ", 1)
                yield "never", sentence.replace(verb, f"{verb}never ", 1)
                break
        for one, other in (("rose by", "fell by"), ("fell by", "rose by"), ("higher", "lower"), ("lower", "higher")):
            if one in sentence:
                yield "direction", sentence.replace(one, other)
                break
    else:
        for one, other in (
            ("上升", "下降"),
            ("下降", "上升"),
            ("前者高", "前者低"),
            ("前者低", "前者高"),
            ("共 ", "并非共 "),
            ("中有 ", "中没有 "),
        ):
            if one in sentence:
                yield "turned", sentence.replace(one, other, 1)
                break


def test_of_a_thousand_spoiled_sentences_none_is_judged_true(reader: Reader, rendered: list[tuple[Claim, str, str]]) -> None:
    counts: Counter[str] = Counter()
    shown = []
    for claim, english, chinese in rendered[:190]:
        for lang, sentence in (("en", english), ("zh", chinese)):
            for kind, wrong in spoiled(sentence, lang):
                counts[kind] += 1
                if reader.judge(wrong).verdict == "true":
                    shown.append((claim.predicate, kind, wrong))
    assert shown == []
    assert counts.total() >= 1_000
    assert min(counts[kind] for kind in ("number", "cause", "invented", "denied", "never", "direction", "turned")) >= 5, counts
