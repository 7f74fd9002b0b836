"""Questions to plans: many ways to ask one thing give one plan; what cannot be planned is refused, with the word in the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from footpath.errors import ConfigError
from footpath.events.simulate import simulate
from footpath.llm.ask.examples import examples
from footpath.llm.ask.names import Names
from footpath.llm.ask.planner import LONGEST_QUESTION, plan
from footpath.llm.ask.plans import ClaimPlan, RefusalPlan, plan_from_dict, plan_to_dict
from footpath.llm.claims.claims import claim_from_dict
from tests.llm.shop_of_two import shop

PARAPHRASES = [json.loads(line) for line in (Path(__file__).parent / "paraphrases.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def names() -> Names:
    return Names.of(simulate(30_000, seed=11).log)


@pytest.fixture(scope="module")
def small() -> Names:
    return Names.of(shop())


def test_every_paraphrase_has_the_plan_that_was_written_down_for_it(names: Names) -> None:
    """They were written down from what the planner said when most had been read: they guard what works and prove nothing else."""
    wrong = []
    for row in PARAPHRASES:
        wanted = {name: value for name, value in row.items() if name != "question"}
        found, _ = plan(row["question"], names)
        if plan_to_dict(found) != plan_to_dict(plan_from_dict(wanted)):
            wrong.append(row["question"])
    assert wrong == []
    assert len(PARAPHRASES) > 250


SAME: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"predicate": "count", "scope": {"event_types": ["purchase"]}, "arguments": {"of": "users"}},
        ["How many users bought something?", "number of customers who ordered anything", "有多少用户买过东西？", "下单的用户有多少？"],
    ),
    (
        {"predicate": "share", "scope": {"event_types": ["view"]}, "arguments": {"part": {"category": "tea"}}},
        ["What share of views are tea?", "share of tea in views", "浏览中 tea 占多少？", "tea 占全部浏览的比例是多少？"],
    ),
    (
        {"predicate": "follows", "arguments": {"a": {"event_types": ["cart"]}, "b": {"event_types": ["purchase"]}}},
        [
            "How often is a cart directly followed by a purchase?",
            "How often does a purchase directly follow a cart?",
            "加购之后紧接着购买的比例？",
        ],
    ),
]


@pytest.mark.parametrize(("claim", "questions"), SAME)
def test_one_thing_asked_in_many_ways_is_one_claim(claim: dict[str, Any], questions: list[str], small: Names) -> None:
    for question in questions:
        found, _ = plan(question, small)
        assert isinstance(found, ClaimPlan), question
        assert found.asked() == claim_from_dict(claim), question


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("How many cheap purchases were there?", "cheap"),
        ("How many users from Germany bought tea?", "Germany"),
        ("便宜的商品被浏览了多少次？", "便宜"),
        ("How many views did u99999 have?", "u99999"),
        ("How often was “Red tea” viewed?", "Red tea"),
        ("How often was Twin cup viewed?", "2 items"),
        ("Why did purchases fall?", "cause"),
        ("How many purchases will there be?", "not in the log"),
        ("Which product is the best?", "opinion"),
        ("How many ratings were there?", "no ratings"),
        ("How many views were there in 2019?", "outside the log"),
        ("How many views yesterday?", "not defined"),
        ("How many items did u1 buy?", "different items"),
        ("How many sessions have at least two purchases?", "at least two purchases"),
        ("top rated products", "no ratings|highest rating"),
    ],
)
def test_a_question_with_anything_that_is_not_understood_is_refused_and_told_why(question: str, word: str, small: Names) -> None:
    found, _ = plan(question, small)
    assert isinstance(found, RefusalPlan)
    assert any(part in found.reason for part in word.split("|")), found.reason
    assert found.reason_zh


@pytest.mark.parametrize(
    "question",
    [
        "How many users bought tea and bowls?",
        "How many purchases did loyal and gift customers make?",
        "10月和11月一共有多少次购买？",
        "How many users viewed and then bought?",
        "How many views and purchases did users who clicked have?",
        "How many users bought at least 2 times in October?",
        "How often is a cart followed by a purchase?",
        "What share of purchases by loyal users in October?",
        "How many more times did tea sell?",
        "Which hour has most users?",
        "How did purchases change from September to October?",
        "购买用户占购买过 tea 的用户的比例是多少？",
        "有多少用户只浏览没有购买？",
    ],
)
def test_what_one_figure_cannot_answer_or_may_mean_two_things_is_refused(question: str, small: Names) -> None:
    found, _ = plan(question, small)
    assert isinstance(found, RefusalPlan), plan_to_dict(found)


@pytest.mark.parametrize(
    "question", ["", "   ", "?", "🙂🙂", "a" * 10_000, "你好", "SELECT * FROM acts; DROP TABLE acts", "\x00\x01", "购买" * 300]
)
def test_no_question_at_all_is_refused_without_an_error(question: str, small: Names) -> None:
    found, _ = plan(question, small)
    assert isinstance(found, RefusalPlan)


def test_a_question_may_have_as_many_characters_as_stated(small: Names) -> None:
    found, _ = plan("How many views? " + " " * LONGEST_QUESTION, small)
    assert isinstance(found, RefusalPlan)
    assert f"{LONGEST_QUESTION}" in found.reason


def test_the_questions_that_are_offered_can_all_be_asked(names: Names, small: Names) -> None:
    for asked in (names, small, Names.of(shop(clock=False)), Names.of(shop(types=False)), Names.of(shop(items=False))):
        offered = examples(asked)
        assert 2 <= len(offered) <= 5
        for phrase in offered:
            for text in (str(phrase), phrase.zh):
                found, _ = plan(text, asked)
                assert isinstance(found, ClaimPlan), text


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "claim", "claim": {"predicate": "sum"}},
        {"kind": "claim", "claim": {"predicate": "count", "value": 3}},
        {"kind": "claim", "claim": {"predicate": "count"}, "asks": "which", "labels": ["a", "b"]},
        {"kind": "analysis", "analysis": "crystal_ball", "cell": "x"},
        {"kind": "analysis", "analysis": "funnel", "cell": "x", "options": {"magic": "1"}},
        {"kind": "sql", "query": "DROP TABLE acts"},
        {},
    ],
)
def test_what_is_no_plan_is_refused_as_such(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="no plan"):
        plan_from_dict(given)
