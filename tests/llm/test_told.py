"""What of a model's sentences is shown, and what is said instead."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from footpath.errors import ConfigError
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim, Scope
from footpath.llm.claims.told import CAUSES, accept
from tests.llm.log_by_hand import log_by_hand

A = Scope(user="a")
VIEWS = Claim("count", Scope(user="b", event_types=("view",)), value=3)
TEA = Claim("share", A, {"part": Scope(category="tea")}, value=0.6)


@pytest.fixture(scope="module")
def hand() -> Checker:
    return Checker(log_by_hand())


@pytest.mark.parametrize(
    ("sentence", "claim"),
    [
        ("User b made 3 views.", VIEWS),
        ("用户 b 共有 3 次浏览。", VIEWS),
        ('60% of what user a did was in the category "tea".', TEA),
        ("60.0 % of what user a did was in the category tea.", TEA),
        ("User b viewed things 3 times.", VIEWS),
        ("About 60% of what user a did was in the category tea.", Claim("share", A, TEA.arguments, "about", 0.6)),
        ("User b made more than 2 views.", Claim("count", VIEWS.scope, comparison=">", value=2)),
        ('User a met "Mug" last.', Claim("last", A, {"by": "item"}, value="y")),
        ("User a was first seen on 2026-03-02.", Claim("first", A, value=datetime(2026, 3, 2), digits=86_400)),
        ("Views by user b rose in the last 7 days.", Claim("trend", VIEWS.scope, comparison="up")),
        (
            "User b made no purchase of the Mug.",
            Claim("count", Scope(user="b", item="y", event_types=("purchase",)), value=0),
        ),
    ],
)
def test_a_true_sentence_is_shown_as_it_was_written(hand: Checker, sentence: str, claim: Claim) -> None:
    told = accept([(sentence, [claim])], hand)
    assert (told.text, told.refused, told.lines[0].source) == (sentence, 0, "sentence")
    assert told.verdicts[0].holds is True


@pytest.mark.parametrize(
    ("sentence", "claim", "why"),
    [
        ("User b made 4 views.", Claim("count", VIEWS.scope, value=4), "the log says otherwise: There were 3 views by user b."),
        ("User b made 4 views.", VIEWS, "does not say 3"),
        ("User b made 3 views and 9 clicks.", VIEWS, "says 9, which no claim states"),
        ("User c made 3 views.", VIEWS, "does not name 'b'"),
        ("Users aab made 3 views.", VIEWS, "does not name 'b'"),
        ("User b made 3 clicks.", VIEWS, "does not tell of views"),
        ("User b did not make 3 views.", VIEWS, "denies"),
        ('User b made 3 views, mostly of "Cake".', VIEWS, "names 'Cake'"),
        ("User b made 3 views since 2026-03-01.", VIEWS, "says 2026-03-01"),
        ("User b made 3 views, more than anyone.", VIEWS, "says 'more'"),
        ("Only user b made 3 views.", VIEWS, "says 'Only'"),
        ("User b happily made 3 views.", VIEWS, "says 'happily'"),
        ("User b made 3 views, twice those of user b.", VIEWS, "says 'twice'"),
        ("用户 b 共有 3 次浏览，全站最多。", VIEWS, "says '全'"),
        (
            "User b did not make 0 purchases of the Mug.",
            Claim("count", Scope(user="b", item="y", event_types=("purchase",)), value=0),
            "twice",
        ),
        (
            "User b never made no purchase of the Mug.",
            Claim("count", Scope(user="b", item="y", event_types=("purchase",)), value=0),
            "twice",
        ),
        ("User b made 3 views because tea is good.", VIEWS, "a cause ('because')"),
        ("由于促销，用户 b 共有 3 次浏览。", VIEWS, "a cause"),
        ("Views by user b fell in the last 7 days.", Claim("trend", VIEWS.scope, comparison="up"), "direction"),
        ("Views by user b in the last 7 days.", Claim("trend", VIEWS.scope, comparison="up"), "went up"),
        ("User zz made 3 views.", Claim("count", Scope(user="zz"), value=3), "no user 'zz'"),
        ("All is well.", None, "states nothing"),
        ("User c met tea.", Claim("share", Scope(user="c"), {"part": Scope(category="tea")}, value=0.5), "cannot be checked"),
        (
            "Purchases were directly followed by additions to the cart in 50% of cases.",
            Claim("follows", arguments={"a": Scope(event_types=("cart",)), "b": Scope(event_types=("purchase",))}, value=0.5),
            "in that order",
        ),
    ],
)
def test_a_sentence_that_says_more_or_other_than_is_true_is_refused_with_the_reason(
    hand: Checker, sentence: str, claim: Claim | None, why: str
) -> None:
    told = accept([(sentence, [] if claim is None else [claim])], hand)
    assert told.refused == 1
    assert told.text != sentence
    assert why in told.lines[0].refused


def test_instead_of_a_false_sentence_its_template_is_shown_with_the_right_value(hand: Checker) -> None:
    told = accept([("User b made 4 views.", [Claim("count", VIEWS.scope, value=4)])], hand, lang="zh")
    assert (told.text, told.lines[0].source) == ("用户 b 的浏览共 3 次。", "template")
    assert told.note() == "1 of 1 sentences were refused: what they state is not what the log says, or cannot be checked."


def test_one_false_claim_refuses_the_whole_sentence(hand: Checker) -> None:
    both = [VIEWS, Claim("count", Scope(user="b", event_types=("purchase",)), value=2)]
    told = accept([("User b made 3 views and 2 purchases.", both)], hand)
    assert told.text == "There were 3 views by user b. There was 1 purchase by user b."
    assert told.lines[0].cells == tuple(verdict.cell for verdict in told.verdicts)


def test_a_claim_that_states_nothing_bears_no_sentence_out(hand: Checker) -> None:
    told = accept([("User b made 3 views.", [Claim("count", VIEWS.scope)])], hand)
    assert told.refused == 1
    assert told.text == "There were 3 views by user b."


def test_with_a_reader_the_sentence_itself_is_what_is_checked(hand: Checker) -> None:
    """The proposed claim is true, but the sentence reads as another."""

    def read(sentence: str) -> list[Claim] | None:
        found = re.fullmatch(r"User b made (\d+) views\.", sentence)
        return [Claim("count", VIEWS.scope, value=int(found[1]))] if found else None

    assert accept([("User b made 3 views.", [VIEWS])], hand, read=read).refused == 0
    assert accept([("User b made 4 views.", [VIEWS])], hand, read=read).refused == 1
    assert "cannot be read" in accept([("User b, 3 views.", [VIEWS])], hand, read=read).lines[0].refused


def test_a_reader_that_fails_refuses(hand: Checker) -> None:
    def read(sentence: str) -> list[Claim]:
        raise ConfigError(f"cannot read {sentence!r}")

    assert accept([("User b made 3 views.", [VIEWS])], hand, read=read).lines[0].refused == "cannot read 'User b made 3 views.'"


def test_the_words_of_cause_can_be_others(hand: Checker) -> None:
    sentence = "User b made 3 views, thanks to the weather."

    def read(sentence: str) -> list[Claim]:
        return [VIEWS]

    assert accept([(sentence, [VIEWS])], hand, read=read).refused == 1
    assert accept([(sentence, [VIEWS])], hand, read=read, causes=None).refused == 0


@pytest.mark.parametrize("word", ["because", "due to", "led to", "caused", "therefore", "因为", "导致", "因此", "归因于"])
def test_words_of_cause_are_known(word: str) -> None:
    assert CAUSES.search(f"x {word} y")


def test_no_sentence_at_all_is_nothing(hand: Checker) -> None:
    told = accept([], hand)
    assert (told.text, told.refused, told.claims) == ("", 0, ())
