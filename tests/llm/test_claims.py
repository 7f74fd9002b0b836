"""Claims: every predicate on a log that is counted by hand, how statements are held to values, and what is refused."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from footpath.errors import ConfigError, DataError, NotInLogError
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import ARGUMENTS, PREDICATES, Claim, Scope, agrees, canonical, check, claim_from_dict, claim_to_dict
from tests.analysis.logs_by_hand import on_days
from tests.llm.log_by_hand import log_by_hand

VIEW, CART, BOUGHT = (Scope(event_types=(kind,)) for kind in ("view", "cart", "purchase"))
A, B, TEA = Scope(user="a"), Scope(user="b"), Scope(category="tea")


@pytest.fixture(scope="module")
def hand() -> Checker:
    return Checker(log_by_hand())


def day(number: int, hour: int = 0) -> datetime:
    return datetime(2026, 3, number, hour)


@pytest.mark.parametrize(
    ("claim", "value", "n"),
    [
        (Claim("count"), 10, 10),
        (Claim("count", Scope(event_types=("impression",))), 1, 1),
        (Claim("count", arguments={"of": "users"}), 2, 10),
        (Claim("count", arguments={"of": "items"}), 2, 10),
        (Claim("count", arguments={"of": "categories"}), 2, 10),
        (Claim("count", arguments={"of": "brands"}), 2, 10),
        (Claim("count", arguments={"of": "sessions"}), 4, 10),
        (Claim("count", arguments={"of": "days"}), 4, 10),
        (Claim("count", Scope(user="c")), 0, 0),
        (Claim("count", Scope(event_types=("favourite",))), 0, 0),
        (Claim("share", arguments={"part": BOUGHT}), 2 / 10, 10),
        (Claim("share", arguments={"part": BOUGHT, "of": "users"}), 1.0, 2),
        (Claim("share", arguments={"part": BOUGHT, "of": "sessions"}), 2 / 4, 4),
        (Claim("share", A, {"part": TEA}), 3 / 5, 5),
        (Claim("mean"), 5.0, 2),
        (Claim("mean", arguments={"part": BOUGHT}), 1.0, 2),
        (Claim("mean", arguments={"of": "items"}), 2.0, 2),
        (Claim("mean", arguments={"of": "sessions"}), 2.0, 2),
        (Claim("mean", arguments={"of": "days"}), 2.0, 2),
        (Claim("mean", arguments={"per": "day"}), 10 / 4, 4),
        (Claim("mean", arguments={"of": "users", "per": "day"}), 1.0, 4),
        (Claim("mean", arguments={"per": "session"}), 10 / 4, 4),
        (Claim("mean", arguments={"of": "value"}), 4.0, 2),
        (Claim("top", arguments={"k": 2}), ("x", "y"), 10),
        (Claim("top", arguments={"by": "category", "k": 1}), ("tea",), 10),
        (Claim("top", VIEW, {"by": "item"}), ("y", "x"), 5),
        (Claim("top", arguments={"by": "segment", "of": "users", "k": 2}), ("new", "old"), 2),
        (Claim("top", arguments={"by": "query"}), ("mug",), 10),
        (Claim("top", arguments={"by": "day", "k": 1}), ("2026-03-02",), 10),
        (Claim("top", arguments={"by": "month"}), ("2026-03",), 10),
        (Claim("trend"), 0.0, 5),
        (Claim("trend", Scope(user="b", event_types=("view",))), 1.0, 1),
        (Claim("first", A), datetime(2026, 3, 2), 5),
        (Claim("first", B, {"by": "category"}), "ceramics", 4),
        (Claim("last", arguments={"by": "item"}), "x", 9),
        (Claim("last", A, {"by": "event_type"}), "cart", 5),
        (Claim("recency", A), (20 * 60 + 65) / 1440, 5),
        (Claim("rhythm"), 9, 10),
        (Claim("rhythm", arguments={"by": "weekday"}), 1, 10),
        (Claim("follows", arguments={"a": CART, "b": BOUGHT}), 1 / 2, 2),
        (Claim("follows", arguments={"a": VIEW, "b": CART}), 2 / 5, 5),
        (Claim("follows", arguments={"a": VIEW, "b": VIEW}), 1 / 5, 5),
        (Claim("follows", arguments={"a": VIEW, "b": VIEW, "within": "history"}), 2 / 5, 5),
        (Claim("repeat_rate"), 5 / 9, 9),
        (Claim("repeat_rate", Scope(since=day(10))), 3 / 5, 5),
        (Claim("repeat_rate", arguments={"by": "category"}), 5 / 9, 9),
        (Claim("novelty"), 4 / 5, 5),
        (Claim("drift", A), 2 / 3, 5),
        (Claim("drift", B), 2 / 3, 4),
        (Claim("lift", Scope(segment="segment=new"), {"part": TEA}), (3 / 5) / (5 / 10), 5),
        (Claim("lift", A, {"part": TEA, "against": B}), (3 / 5) / (2 / 5), 5),
        (Claim("compare", A, {"measure": Claim("share", arguments={"part": TEA}), "against": B}), 1 / 5, 5),
        (Claim("compare", A, {"measure": Claim("share", arguments={"part": TEA}), "against": B, "how": "ratio"}), 3 / 2, 5),
        (Claim("compare", A, {"measure": Claim("count"), "against": Scope(event_types=("view",))}), 0, 5),
    ],
    ids=lambda part: f"{part.predicate}-{part.scope.user or ''}" if isinstance(part, Claim) else "",
)  # fmt: skip
def test_every_predicate_says_what_was_counted_by_hand(hand: Checker, claim: Claim, value: Any, n: int) -> None:
    verdict = hand.check(claim)
    assert verdict.value == (value if not isinstance(value, float) else pytest.approx(value, abs=1e-12))
    assert type(verdict.value) is type(value)
    assert verdict.n == n
    assert verdict.holds is None


def test_every_predicate_is_among_those_that_were_counted_by_hand() -> None:
    parametrized = test_every_predicate_says_what_was_counted_by_hand.pytestmark[0].args[1]
    assert {case[0].predicate for case in parametrized} == set(PREDICATES) == set(ARGUMENTS)


@pytest.mark.parametrize(
    ("scope", "n"),
    [
        (Scope(item="x"), 5), (Scope(item="Mug"), 4), (Scope(brand="Hollin"), 4), (Scope(query="mug"), 1),
        (Scope(since=day(3), until=day(11)), 4), (Scope(since=datetime(2026, 3, 11, 9, 10)), 1), (Scope(until=datetime(2026, 3, 2)), 0),
        (Scope(hours=(9,)), 5), (Scope(weekdays=(0,)), 3), (Scope(weekdays=(0, 2), hours=(0,)), 3),
        (Scope(not_event_types=("view", "search")), 4), (Scope(not_category="tea"), 5), (Scope(not_item="x"), 5),
        (Scope(not_brand="Kiyo"), 5), (Scope(not_user="a"), 5), (Scope(event_types=("view", "cart")), 7),
        (Scope(without_event_types=("cart",)), 5), (Scope(until=day(3), without_event_types=("purchase",)), 0),
        (Scope(since=day(10), without_event_types=("purchase",)), 2), (Scope(item="y", without_event_types=("cart",)), 2),
        (Scope(value_from=4), 1), (Scope(value_to=4), 1), (Scope(value_from=3, value_to=5), 2),
        (Scope(user="a", half="first"), 2), (Scope(user="a", half="second"), 3), (Scope(half="first", event_types=("view",)), 2),
        (Scope(event_types=("impression", "view")), 6), (Scope(segment="segment=old", event_types=("impression",)), 1),
    ],
)  # fmt: skip
def test_every_field_of_a_scope_narrows(hand: Checker, scope: Scope, n: int) -> None:
    if scope.segment is not None:
        n = 0  # c has no acts, and is nobody of whom a rule could tell
    assert hand.check(Claim("count", scope)).value == n


@pytest.mark.parametrize(
    ("rule", "users"),
    [
        ("segment=new", {"a"}), ("segment!=new", {"b"}), ("age>=30", {"b"}), ("age<30", {"a"}), ("age=20", {"a"}), ("age!=20", {"b"}),
        ("purchase>=1", {"a", "b"}), ("cart>=2", {"a"}), ("cart=0", {"b"}), ("search>0", {"b"}), ("acts>=6", set()),
        ("sessions=2", {"a", "b"}), ("items=2", {"a", "b"}), ("days<=1", set()), ("cart=0 and age>=30", {"b"}),
        ("cart=0 and age<30", set()), ("view>2 and segment=old", {"b"}), ("impression=0", {"a", "b"}),
    ],
)  # fmt: skip
def test_a_segment_rule_takes_the_users_that_it_says(hand: Checker, rule: str, users: set[str]) -> None:
    assert {user for user in "ab" if hand.check(Claim("count", Scope(user=user, segment=rule))).value} == users
    assert hand.check(Claim("count", Scope(segment=rule), {"of": "users"})).value == len(users)


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        (Claim("share", A, {"part": TEA}, value=0.6), True),
        (Claim("share", A, {"part": CART}, value=0.39, digits=0.01), False),
        (Claim("repeat_rate", value=0.56, digits=0.01), True),
        (Claim("repeat_rate", value=0.55, digits=0.01), False),
        (Claim("repeat_rate", value=0.556), False),
        (Claim("repeat_rate", comparison="about", value=0.52), True),
        (Claim("repeat_rate", comparison="about", value=0.62), False),
        (Claim("count", comparison=">", value=9), True),
        (Claim("count", comparison=">", value=10), False),
        (Claim("count", comparison=">=", value=10), True),
        (Claim("count", comparison="<", value=10), False),
        (Claim("count", comparison="<=", value=10), True),
        (Claim("count", comparison="is not", value=10), False),
        (Claim("trend", comparison="flat"), True),
        (Claim("trend", comparison="up"), False),
        (Claim("trend", Scope(user="b", event_types=("view",)), comparison="up"), True),
        (Claim("trend", Scope(user="b", event_types=("view",)), comparison="up", value=1.0, digits=0.01), True),
        (Claim("trend", Scope(user="b", event_types=("view",)), comparison="up", value=0.9, digits=0.01), False),
        (Claim("trend", Scope(user="b", event_types=("view",)), comparison="down"), False),
        (Claim("top", value=("x", "y")), True),
        (Claim("top", value=("y", "x")), False),
        (Claim("top", arguments={"of": "users"}, value=("y", "x")), True),  # both were met by both
        (Claim("top", value="x"), True),
        (Claim("top", value="y"), False),
        (Claim("top", comparison="is not", value="y"), True),
        (Claim("top", value=("x", "x")), False),
        (Claim("top", arguments={"k": 3}, value=("x", "y")), True),  # there are no more
        (Claim("top", arguments={"k": 2}, value=("x",)), False),
        (Claim("top", value=("no such item",)), False),
        (Claim("top", value=("y",), arguments={"k": 1}, comparison="is"), False),
        (Claim("top", VIEW, value=("Mug",)), True),
        (Claim("first", A, value=datetime(2026, 3, 2), digits=86_400), True),
        (Claim("last", A, value=datetime(2026, 3, 10), digits=86_400), True),
        (Claim("last", A, value=datetime(2026, 3, 10)), False),
        (Claim("last", A, value=datetime(2026, 3, 10, 12, 5), digits=60), True),
        (Claim("last", A, value=datetime(2026, 3, 11), digits=86_400), False),
        (Claim("last", A, comparison="<", value=datetime(2026, 3, 11), digits=86_400), True),
        (Claim("last", A, comparison=">", value=datetime(2026, 3, 10), digits=86_400), False),
        (Claim("last", A, {"by": "item"}, value="Mug"), True),
        (Claim("last", A, {"by": "item"}, value="x"), False),
        (Claim("rhythm", value=9), True),
        (Claim("rhythm", value=12), False),
        (Claim("rhythm", Scope(since=day(3), until=day(4)), {"by": "weekday"}, "is", 1), True),
        (Claim("compare", A, {"measure": Claim("share", arguments={"part": TEA}), "against": B}, ">", 0), True),
        (Claim("compare", B, {"measure": Claim("share", arguments={"part": TEA}), "against": A}, ">", 0), False),
        (Claim("compare", B, {"measure": Claim("share", arguments={"part": TEA}), "against": A}, "down", 0.2), True),
        (Claim("compare", A, {"measure": Claim("mean", arguments={"part": CART}), "against": Scope()}, "up"), True),
        (Claim("compare", A, {"measure": Claim("count"), "against": B}, "flat"), True),
        (Claim("compare", A, {"measure": Claim("count"), "against": B, "how": "ratio"}, "up"), False),
        (Claim("compare", A, {"measure": Claim("count"), "against": B, "how": "ratio"}, "flat"), True),
        (Claim("compare", A, {"measure": Claim("count"), "against": VIEW, "how": "ratio"}, "flat"), True),
        (Claim("compare", VIEW, {"measure": Claim("count"), "against": CART, "how": "ratio"}, "up", 1.5), True),
    ],
)  # fmt: skip
def test_a_statement_is_held_to_the_value(hand: Checker, claim: Claim, holds: bool) -> None:
    assert hand.check(claim).holds is holds


def test_a_title_that_two_items_have_cannot_be_checked_and_names_their_ids(hand: Checker) -> None:
    verdict = hand.check(Claim("top", value=("Tea",)))
    assert verdict.holds is None
    assert "2 items have the title 'Tea'; name one by its id: x, z" in verdict.why
    with pytest.raises(DataError, match=r"2 items have the title 'Tea'.*x, z"):
        hand.check(Claim("count", Scope(item="Tea")))


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        (Claim("share", Scope(user="c"), {"part": TEA}, value=0.5), "no act is in the scope"),
        (Claim("recency", Scope(user="c")), "no act is in the scope"),
        (Claim("first", Scope(user="c"), {"by": "item"}, value="x"), "no act is in the scope"),
        (Claim("top", Scope(user="c")), "no act is in the scope"),
        (Claim("trend", A, {"window_days": 0.1}), "nothing is in the window before"),
        (Claim("trend", Scope(since=day(10))), "begins within the two windows"),
        (Claim("lift", A, {"part": Scope(query="mug"), "against": A}), "not above 0"),
        (Claim("drift", Scope(event_types=("search",))), "one half of the acts has no category"),
        (Claim("compare", A, {"measure": Claim("count"), "against": Scope(user="c"), "how": "ratio"}), "is 0"),
    ],
)  # fmt: skip
def test_what_is_undefined_holds_neither_way_and_says_why(hand: Checker, claim: Claim, why: str) -> None:
    verdict = hand.check(claim)
    assert verdict.value is None
    assert verdict.holds is None
    assert why in verdict.why


@pytest.mark.parametrize(
    ("scope", "error", "message"),
    [
        (Scope(user="aa"), DataError, "no user 'aa'.*close are: 'a'"),
        (Scope(item="w"), DataError, "no item 'w'"),
        (Scope(category="tee"), DataError, "no category 'tee'.*'tea'"),
        (Scope(brand="Kijo"), DataError, "no brand 'Kijo'.*'Kiyo'"),
        (Scope(query="mugs"), DataError, "no search query 'mugs'.*'mug'"),
        (Scope(not_category="tee"), DataError, "'tee'.*'tea'"),
        (Scope(segment="segment=nw"), DataError, "segment='nw'.*new, old.*did you mean 'new'"),
        (Scope(segment="segmnt=new"), NotInLogError, "no column 'segmnt'.*did you mean 'segment'"),
        (Scope(segment="new"), ConfigError, "'new' is none"),
        (Scope(segment="purchase>=many"), ConfigError, "'many'.*must be a number"),
        (Scope(segment="age>=old"), ConfigError, "'old'.*must be a number"),
        (Scope(segment="segment>new"), ConfigError, "needs numbers or dates"),
        (Scope(event_types=("purchse",)), ConfigError, "did you mean 'purchase'"),
        (Scope(hours=(24,)), ConfigError, "0 to 23, got 24"),
        (Scope(weekdays=(7,)), ConfigError, "0 to 6, got 7"),
        (Scope(since=day(4), until=day(3)), ConfigError, "begin before it ends"),
        (Scope(event_types=("view",), not_event_types=("view",)), ConfigError, "both ask for event type 'view'"),
        (Scope(user=""), ConfigError, "user of a scope must be a text"),
    ],
)  # fmt: skip
def test_a_scope_that_the_log_has_not_is_a_typed_error_with_what_is_close(
    hand: Checker, scope: Scope, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        hand.check(Claim("count", scope))


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (Claim("count", arguments={"of": "user"}), "count.of must be one of.*did you mean 'users'"),
        (Claim("count", arguments={"off": "users"}), "takes no argument 'off'.*did you mean 'of'"),
        (Claim("share"), "share needs the argument part"),
        (Claim("share", arguments={"part": Scope(event_types=("impression",))}), "impressions are not among the acts of the scope"),
        (Claim("top", arguments={"k": 0}), "whole number from 1 to 1,000, got 0"),
        (Claim("top", arguments={"by": "user", "of": "users"}), "every user would count once"),
        (Claim("trend", arguments={"window_days": -1}), "above 0"),
        (Claim("mean", arguments={"of": "value", "per": "user"}), "mean of value per user cannot be"),
        (Claim("mean", arguments={"of": "days", "per": "day"}), "mean of days per day cannot be"),
        (Claim("count", value="ten"), "count is stated as a number, got 'ten'"),
        (Claim("count", value=True), "got True"),
        (Claim("count", value=float("nan")), "got nan"),
        (Claim("count", comparison="up"), "only a trend or a comparison can be up"),
        (Claim("top", value=3), "stated as a list of names, got 3"),
        (Claim("count", comparison=">"), "needs a value"),
        (Claim("count", value=10, digits=-1), "digits must be a number above 0"),
        (Claim("compare", arguments={"measure": Claim("top")}), "must be one of count, share"),
        (Claim("compare", arguments={"measure": Claim("count", A)}), "has no scope"),
        (Claim("follows", arguments={"a": Scope(event_types=("impression",)), "b": VIEW}), "leaves impressions out"),
        (Claim("cuont"), "no predicate 'cuont'.*did you mean 'count'"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_a_claim_that_cannot_be_is_a_typed_error(hand: Checker, claim: Claim, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        hand.check(claim)


def test_claims_that_ask_the_same_have_one_cell_whatever_was_stated(hand: Checker) -> None:
    asked = hand.check(Claim("count", Scope(item="y", event_types=("view", "cart"))))
    stated = hand.check(Claim("count", Scope(item="Mug", event_types=("cart", "view", "cart")), {"of": "acts"}, "=", 7))
    other = hand.check(Claim("count", Scope(item="x", event_types=("view", "cart"))))
    assert asked.cell == stated.cell
    assert asked.cell != other.cell
    assert asked.cell.startswith("count-")


def test_a_cell_is_the_same_on_the_same_rows_and_another_on_other_rows() -> None:
    first, again = (check(Claim("count"), log_by_hand(name=name)) for name in ("one", "two"))
    other = check(Claim("count"), on_days([("a", 0), ("a", 1)]))
    assert first.cell == again.cell != other.cell


def test_the_evidence_of_a_count_are_its_rows_with_titles(hand: Checker) -> None:
    verdict = hand.check(Claim("count", Scope(user="b", event_types=("view",))))
    rows = verdict.evidence.to_pylist()
    assert [(row["timestamp"].day, row["item_id"], row["title"]) for row in rows] == [(3, "y", "Mug"), (11, "x", "Tea"), (11, "y", "Mug")]
    assert verdict.evidence_total == 3


def test_the_evidence_is_at_most_twenty_rows_and_says_how_many_there_are() -> None:
    verdict = check(Claim("count"), on_days([("a", n) for n in range(50)]))
    assert (verdict.evidence.num_rows, verdict.evidence_total) == (20, 50)


def test_the_evidence_of_what_follows_are_the_acts_that_were_followed(hand: Checker) -> None:
    verdict = hand.check(Claim("follows", arguments={"a": CART, "b": BOUGHT}))
    assert [(row["user_id"], row["position"]) for row in verdict.evidence.to_pylist()] == [("a", 1)]


@pytest.mark.parametrize(
    "claim",
    [
        Claim("count", Scope(user="a", since=day(2), hours=(1, 2), segment="b=1 and a=2"), {"of": "users"}, ">=", 3),
        Claim("top", TEA, {"by": "brand"}, "is", ("Kiyo", "Hollin")),
        Claim("first", A, {}, "is", day(2), 86_400.0),
        Claim("compare", A, {"measure": Claim("share", arguments={"part": TEA, "of": "users"}), "against": B}, "up", 0.25),
        Claim("follows", Scope(not_event_types=("remove",)), {"a": CART, "b": BOUGHT, "within": "history"}, "about", 0.5, 0.1),
    ],
    ids=lambda claim: claim.predicate,
)  # fmt: skip
def test_a_claim_survives_json(claim: Claim) -> None:
    told = json.loads(json.dumps(claim_to_dict(canonical(claim))))
    assert claim_from_dict(told) == canonical(claim)


@pytest.mark.parametrize(
    "garbage",
    [
        None, [], "count", 7, {}, {"predicate": None}, {"predicate": "drop table"}, {"predicate": ["count"]},
        {"predicate": "count", "scope": "all"}, {"predicate": "count", "scope": {"user": 7}}, {"predicate": "count", "scope": {"usr": "a"}},
        {"predicate": "count", "arguments": []}, {"predicate": "count", "arguments": {"of": ["acts"]}}, {"predicate": "count", "value": {}},
        {"predicate": "count", "value": 10**400}, {"predicate": "count", "scope": {"since": "soon"}},
        {"predicate": "count", "scope": {"since": "0001-01-01T00:00:00+14:00"}},
        {"predicate": "count", "scope": {"event_types": [["view"]]}},
        {"predicate": "count", "scope": {"hours": ["nine"]}}, {"predicate": "count", "comparison": "is like", "value": 1},
        {"predicate": "count", "comparison": {}, "value": 1}, {"predicate": "count", "value": 1, "digits": "two"},
        {"predicate": "top", "value": [1, 2]}, {"predicate": "first", "value": "yesterday"},
        {"predicate": "trend", "arguments": {"window_days": 1e300}},
        {"predicate": "share", "arguments": {"part": "views"}}, {"predicate": "compare", "arguments": {"measure": "count"}},
        {"predicate": "compare", "arguments": {"measure": {"predicate": "compare", "arguments": {"measure": {"predicate": "count"}}}}},
        {"predicate": "count", "scope": {"segment": 3}}, {"predicate": "count", "scope": {"half": "third"}},
        {"predicate": "count", "extra": 1},
    ],
    ids=str,
)  # fmt: skip
def test_garbage_is_a_typed_error(garbage: Any) -> None:
    with pytest.raises(ConfigError):
        claim_from_dict(garbage)


def test_a_number_on_the_edge_of_rounding_is_true_both_ways() -> None:
    for stated in (0.12, 0.13):
        assert agrees(canonical(Claim("repeat_rate", value=stated, digits=0.01)), 0.125)
    assert not agrees(canonical(Claim("repeat_rate", value=0.14, digits=0.01)), 0.125)


def test_a_log_without_a_clock_answers_what_needs_none() -> None:
    import pyarrow as pa

    import footpath as fp

    log = fp.read_events(
        pa.table({"user_id": ["a", "a", "b"], "item_id": ["x", "x", "y"], "event_type": ["view"] * 3, "position": [0, 1, 0]})
    )
    checker = Checker(log)
    assert checker.check(Claim("repeat_rate")).value == pytest.approx(1 / 3)
    assert checker.check(Claim("last", A, {"by": "item"})).value == "x"
    assert checker.check(Claim("count", A)).evidence.num_rows == 2
    for claim in (Claim("trend"), Claim("recency"), Claim("rhythm"), Claim("first"), Claim("count", arguments={"of": "days"})):
        with pytest.raises(NotInLogError, match="clock"):
            checker.check(claim)
    with pytest.raises(NotInLogError, match="sessions"):
        checker.check(Claim("follows", arguments={"a": VIEW, "b": VIEW}))
    assert checker.check(Claim("follows", arguments={"a": VIEW, "b": VIEW, "within": "history"})).value == pytest.approx(1 / 3)
    with pytest.raises(NotInLogError, match="no category"):
        checker.check(Claim("top", arguments={"by": "category"}))
    with pytest.raises(NotInLogError, match="no query"):
        checker.check(Claim("count", Scope(query="tea")))


def test_an_empty_part_of_a_log_has_counts_of_nought(hand: Checker) -> None:
    nowhere = Scope(since=datetime(2030, 1, 1))
    assert hand.check(Claim("count", nowhere, value=0)).holds is True
    assert hand.check(Claim("count", nowhere, {"of": "sessions"})).value == 0
    assert hand.check(Claim("share", nowhere, {"part": BOUGHT}, value=0.0)).holds is None


def test_names_with_quotes_and_commands_in_them_are_names() -> None:
    odd = "x'); DROP TABLE log; --"
    log = on_days([("a", 0), (odd, 1)], items=["i", odd])
    checker = Checker(log)
    assert checker.check(Claim("count", Scope(user=odd, item=odd))).value == 1
    with pytest.raises(DataError, match="no user"):
        checker.check(Claim("count", Scope(user="' OR 1=1 --")))
