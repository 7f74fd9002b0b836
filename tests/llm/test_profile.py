"""Profiles: every line is a claim that is true when it is asked again, and nothing is said of what is not there."""

from __future__ import annotations

import pyarrow as pa
import pytest

import footpath as fp
from footpath.errors import ConfigError, DataError
from footpath.events.simulate import Simulated, Stories, simulate
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim, Scope, claim_from_dict
from footpath.llm.claims.profile import SECTIONS, Profile, profile
from footpath.llm.claims.profile_page import page
from footpath.llm.claims.templates import render
from tests.llm.log_by_hand import log_by_hand


@pytest.fixture(scope="module")
def hand() -> Checker:
    return Checker(log_by_hand())


@pytest.fixture(scope="module")
def shop() -> Simulated:
    return simulate(20_000, seed=3, stories=Stories.named({"drift": 1.5}, others=0.0))


@pytest.fixture(scope="module")
def checker(shop: Simulated) -> Checker:
    return Checker(shop.log)


def lines(found: Profile) -> list[str]:
    return [str(trait.text) for trait in found.traits]


def test_a_user_is_told_by_what_was_counted_by_hand(hand: Checker) -> None:
    said = lines(profile(hand, user="a"))
    assert 'The 2 categories with the most acts by user a were "tea" (3) and "ceramics" (2) (of 5 acts; fewer than 30 cases).' in said
    assert "There were 5 acts by user a." in said
    assert "There were 2 sessions with acts by user a." in said
    assert "There was 1 purchase by user a." in said
    assert "3 of 5 acts by user a that name an item were on items that the user had met before (60.0%; fewer than 30 cases)." in said
    assert any(line.startswith("The last act by user a was 0.9 days before the end of the log") for line in said)
    assert any("of the mix of categories moved" in line and "66.7%" in line for line in said)
    assert "The type of the last act by user a was cart, at 2026-03-10 12:05 UTC (of 5 acts)." in said
    assert "1 of 2 additions to the cart were directly followed in the same session by purchases (50.0%; fewer than 30 cases)." in said


def test_a_segment_is_told_as_a_group(hand: Checker) -> None:
    found = profile(hand, segment="segment=old")
    said = lines(found)
    assert 'There was 1 user with segment "old".' in said
    assert '1 of 1 users with segment "old" had purchases (100.0%; fewer than 30 cases).' in said
    assert 'Users with segment "old" had 5.00 acts on average (5 over 1 user; fewer than 30 cases).' in said
    assert [trait.section for trait in found.traits] == sorted((t.section for t in found.traits), key=list(SECTIONS).index)


@pytest.mark.parametrize("asked", [{"user": "u00006"}, {"segment": "segment=gift"}, {"segment": "purchase>=2"}])
def test_every_line_is_true_when_it_is_asked_again(shop: Simulated, checker: Checker, asked: dict[str, str]) -> None:
    """On a checker that has seen nothing, from the claim as JSON and with the value stated."""
    found = profile(checker, **asked)  # type: ignore[arg-type]
    fresh = Checker(shop.log)
    assert len(found.traits) > 15
    assert {trait.section for trait in found.traits} == set(SECTIONS)
    for trait in found.to_dict()["traits"]:
        claim = claim_from_dict(trait["claim"] | {"value": trait["value"]})
        verdict = fresh.check(claim)
        assert verdict.holds is True, trait
        assert verdict.cell == trait["cell"]
        assert str(render(claim, verdict)) == trait["text"]


def test_the_planted_drift_is_told(shop: Simulated, checker: Checker) -> None:
    """Users whose interests moved have more of a drift than those whose interests did not."""
    moved = set(shop.truth["drift"]["user_ids"])
    counts = {
        row["user_id"]: row["n"] for row in checker.trail.acts.group_by("user_id").agg(n=lambda t: t.count()).to_pyarrow().to_pylist()
    }
    busy = sorted((user for user in counts if counts[user] >= 30), key=lambda user: user)
    drifts = {user: float(str(checker.check(Claim("drift", Scope(user=user))).value)) for user in busy}
    those, others = ([drifts[user] for user in busy if (user in moved) is wanted] for wanted in (True, False))
    assert min(len(those), len(others)) >= 10
    assert sum(those) / len(those) > sum(others) / len(others) + 0.1


def test_a_user_who_was_only_shown_something_has_no_acts_and_nothing_more(hand: Checker) -> None:
    found = profile(hand, user="c")
    assert lines(found) == ["There were no acts by user c."]


def test_a_user_or_a_rule_that_the_log_has_not_is_an_error(hand: Checker) -> None:
    with pytest.raises(DataError, match="no user 'zz'"):
        profile(hand, user="zz")
    with pytest.raises(DataError, match="segment='nw'"):
        profile(hand, segment="segment=nw")
    with pytest.raises(ConfigError, match="either user or segment"):
        profile(hand)
    with pytest.raises(ConfigError, match="either user or segment"):
        profile(hand, user="a", segment="segment=new")


def test_a_log_of_bare_ids_without_a_clock_has_a_profile_too() -> None:
    log = fp.read_events(
        pa.table({"user_id": ["a", "a", "b"], "item_id": ["x", "x", "y"], "event_type": ["view"] * 3, "position": [0, 1, 0]})
    )
    said = lines(profile(log, user="a"))
    assert "There were 2 acts by user a." in said
    assert any("met before" in line for line in said)


def test_a_narrator_is_shown_only_where_it_is_right(hand: Checker) -> None:
    def narrate(found: Profile) -> list[tuple[str, list[Claim]]]:
        views = Scope(user="a", event_types=("view",))
        return [
            ("User a made 2 views.", [Claim("count", views, value=2)]),
            ("User a made 9 views.", [Claim("count", views, value=9)]),
            ("User a loves tea.", []),
        ]

    found = profile(hand, user="a", narrate=narrate)
    assert found.told is not None
    assert found.told.text == "User a made 2 views. There were 2 views by user a."
    assert found.told.refused == 2
    assert found.to_dict()["narrative"]["refused"] == 2
    assert "2 of 3 sentences were refused" in page(found, hand)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_shows_every_line_with_its_cell_and_asks_nothing_of_the_network(checker: Checker, lang: str) -> None:
    found = profile(checker, user="u00006")
    html = page(found, checker, lang=lang)  # type: ignore[arg-type]
    for trait in found.traits:
        assert f'id="{trait.verdict.cell}"' in html
    for name in ("chart-categories", "chart-hours", "chart-weekdays"):
        assert f'id="{name}"' in html
    assert "http://" not in html.split("<script>")[0]


def test_the_bars_of_the_page_are_shares_of_the_scope_and_of_the_log(hand: Checker) -> None:
    import json

    html = page(profile(hand, user="a"), hand)
    data = json.loads(html.split('id="footpath-data">')[1].split("</script>")[0])
    chart = data["charts"]["chart-categories"]
    assert chart["xAxis"]["data"] == ["tea", "ceramics"]
    assert [series["data"] for series in chart["series"]] == [[3 / 5, 2 / 5], [5 / 10, 4 / 10]]


def test_names_from_the_log_cannot_break_the_page() -> None:
    evil = "<script>alert(1)</script>"
    items = pa.table({"item_id": ["i"], "title": [evil], "category": [evil]})
    rows = pa.table({"user_id": [evil], "item_id": ["i"], "timestamp": [1_700_000_000]})
    checker = Checker(fp.read_events(rows, items=items, zone="UTC"))
    assert evil not in page(profile(checker, user=evil), checker)
