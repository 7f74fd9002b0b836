"""Rules of lists: what is excluded, pinned and capped, for any model and for ranked lists from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath import recommender
from footpath.errors import ConfigError
from footpath.recommender import masked, recommend, top_k
from footpath.rules import Rules, apply_rules, category_codes, parse_pins, within_cap
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.vocabulary import Vocabulary

IDS = ["a1", "a2", "a3", "b1", "b2", "c1", "loose"]
ITEMS = Vocabulary.build(IDS)
CATEGORY = {id: id[0] for id in IDS if id != "loose"}


@dataclass
class InOrder:
    """Likes items in the order of IDS, whatever the history."""

    items: Vocabulary = field(default_factory=lambda: ITEMS)
    asked: list[int] = field(default_factory=list)

    def fit(self, train: SequenceDataset, **_: Any) -> Self:
        return self

    def score(self, histories: SequenceDataset, request_times: np.ndarray | None = None) -> np.ndarray:
        row = np.zeros(len(self.items), np.float32)
        row[self.items.encode(IDS)] = np.arange(len(IDS), 0, -1)
        return np.tile(row, (len(histories), 1))

    def state(self) -> Mapping[str, np.ndarray]:
        return {}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        return self

    def retrieve(
        self, histories: SequenceDataset, k: int, *, request_times: np.ndarray | None = None, exclude_seen: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append(k)
        return top_k(masked(self.score(histories), histories, repeat=not exclude_seen), k)


def histories(*rows: list[str], categories: bool = True) -> SequenceDataset:
    known = ["", *(CATEGORY.get(str(id), "") for id in ITEMS.ids.to_pylist())]
    n = len(known)
    features = ItemFeatures([""] * n, [""] * n, known, [()] * n) if categories else None
    return SequenceDataset.from_lists(rows, ITEMS, item_features=features)


def listed(rules: Rules | None, k: int, *rows: list[str], **options: Any) -> list[list[str]]:
    asked = histories(*(rows or ([],)))
    found = recommend(InOrder(), asked, k, rules=rules, **options)
    return [found.items(b) for b in range(len(asked))]


def test_without_rules_nothing_changes() -> None:
    assert listed(Rules(), 4, ["a1"], []) == listed(None, 4, ["a1"], []) == [["a2", "a3", "b1", "b2"], ["a1", "a2", "a3", "b1"]]


def test_what_is_excluded_is_never_listed_and_the_list_is_as_long() -> None:
    assert listed(Rules(exclude=["a2", "b1"]), 4, ["a1"]) == [["a3", "b2", "c1", "loose"]]


def test_pins_stand_at_their_places_seen_or_not_and_are_listed_once() -> None:
    assert listed(Rules(pin={1: "c1", 3: "a1"}), 4, ["a1"], ["b1"]) == [["c1", "a2", "a1", "a3"], ["c1", "a2", "a1", "a3"]]
    assert listed(Rules(pin={2: "c1"}), 3, candidates=["a3", "b1"]) == [["a3", "c1", "b1"]]


def test_a_pin_has_the_score_that_the_model_gives_it() -> None:
    found = recommend(InOrder(), histories(["a1"]), 3, rules=Rules(pin={2: "a1"}))
    assert found.items(0) == ["a2", "a1", "a3"]
    assert found.scores[0].tolist() == [6, 7, 5]


def test_a_list_too_short_to_reach_a_pin_ends_with_it() -> None:
    assert listed(Rules(pin={6: "c1"}), 6, candidates=["a1", "b1"]) == [["a1", "b1", "c1"]]


def test_a_cap_holds_pins_counted_and_leaves_items_without_a_category_alone() -> None:
    assert listed(Rules(per_category=1), 4) == [["a1", "b1", "c1", "loose"]]
    assert listed(Rules(per_category=1, pin={4: "a3"}), 4) == [["b1", "c1", "loose", "a3"]]
    assert listed(Rules(per_category=2), 5, ["a1"]) == [["a2", "a3", "b1", "b2", "c1"]]


def test_a_list_that_a_cap_leaves_short_stays_short_unless_told_to_fill() -> None:
    assert listed(Rules(per_category=1), 6) == [["a1", "b1", "c1", "loose"]]
    assert listed(Rules(per_category=1, fill=True), 6) == [["a1", "b1", "c1", "loose", "a2", "a3"]]


def test_categories_of_the_rules_stand_before_those_of_the_items() -> None:
    assert listed(Rules(per_category=1, categories=dict.fromkeys(IDS, "all")), 3) == [["a1"]]


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize(
    "rules", [Rules(per_category=1, pin={2: "b2"}, exclude=["a1"]), Rules(per_category=2, fill=True), Rules(pin={1: "loose"})]
)
def test_a_retriever_gives_the_same_lists(rules: Rules, repeat: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (["a1"], [], ["b1", "c1"])
    expected = [listed(rules, k, *rows, repeat=repeat) for k in (3, 6)]
    monkeypatch.setattr(recommender, "RETRIEVE_FROM", 3)
    assert [listed(rules, k, *rows, repeat=repeat) for k in (3, 6)] == expected


def test_a_retriever_is_asked_for_more_only_as_long_as_that_can_change_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommender, "RETRIEVE_FROM", 3)
    model = InOrder()
    found = recommend(model, histories([]), 2, rules=Rules(per_category=1))
    assert found.items(0) == ["a1", "b1"]
    assert model.asked == [2, 7]
    model.asked.clear()
    recommend(model, histories([]), 3, rules=Rules(per_category=1, categories=dict.fromkeys(IDS, "all")))
    assert model.asked == [3]  # no list can hold more than one
    assert np.isnan(recommend(model, histories([]), 2, rules=Rules(pin={1: "c1"})).scores[0, 0])


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 12), cap=st.sampled_from([None, 1, 2, 3]), fill=st.booleans())
def test_lists_are_those_of_a_plain_walk_down_the_ranking(seed: int, k: int, cap: int | None, fill: bool) -> None:
    rng = np.random.default_rng(seed)
    ids = [f"i{n}" for n in range(14)]
    items = Vocabulary.build(ids)
    categories = {id: str(rng.choice(["x", "y", "z", ""])) for id in ids}
    shuffled = [str(id) for id in rng.permutation(ids)]
    exclude, pinned = shuffled[: rng.integers(4)], shuffled[4 : 4 + int(rng.integers(min(k, 3)))]
    if cap is not None:
        pinned = pinned[:1]
        categories[shuffled[13]] = "x"
    pin = dict(zip(rng.permutation(np.arange(1, k + 1))[: len(pinned)].tolist(), pinned, strict=True))
    ranked = [str(id) for id in rng.permutation(ids)[: rng.integers(1, 15)]]
    rules = Rules(exclude, pin, cap, fill, categories)
    indexes = np.zeros((1, 14), np.int32)
    indexes[0, : len(ranked)] = items.encode(ranked)
    scores = np.where(indexes > 0, -np.arange(14.0), -np.inf).astype(np.float32)
    found, values = apply_rules(rules, indexes, scores, k, items)
    assert [id for id in items.decode(found[0]) if id] == walk(ranked, rules, k)
    for index, value in zip(found[0], values[0], strict=True):
        place = np.flatnonzero(indexes[0] == index)
        assert value == -np.inf if index == 0 else (np.isnan(value) if not len(place) else value == -place[0])


def walk(ranked: list[str], rules: Rules, k: int) -> list[str]:
    taken: dict[str, int] = {}
    assert rules.categories is not None
    for id in rules.pin.values():
        taken[rules.categories[id]] = taken.get(rules.categories[id], 0) + 1
    kept, left = [], []
    for id in ranked:
        if id in rules.exclude or id in rules.pin.values():
            continue
        category = rules.categories[id]
        if rules.per_category is not None and category and taken.get(category, 0) >= rules.per_category:
            left.append(id)
            continue
        taken[category] = taken.get(category, 0) + 1
        kept.append(id)
    rest = iter([*kept, *(left if rules.fill else [])])
    places = [rules.pin[place] if place in rules.pin else next(rest, "") for place in range(1, k + 1)]
    return [id for id in places if id]


def test_a_cap_counts_in_each_row_for_itself_and_skips_code_0() -> None:
    codes = np.array([[1, 2, 1, 1, 0, 0, 2], [2, 2, 2, 0, 1, 1, 1]])
    assert within_cap(codes, 1).astype(int).tolist() == [[1, 1, 0, 0, 1, 1, 0], [1, 0, 0, 1, 1, 0, 0]]
    assert within_cap(codes, 2).astype(int).tolist() == [[1, 1, 1, 0, 1, 1, 1], [1, 1, 0, 1, 1, 1, 0]]
    assert category_codes(["", "b", "a", "b", ""]).tolist() == [0, 2, 1, 2, 0]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"exclude": "a1"}, r"exclude must be a collection of item ids, got the text 'a1'"),
        ({"pin": {0: "a1"}}, r"counted from 1, got 0 for 'a1'"),
        ({"pin": {"2": "a1"}}, r"counted from 1, got '2' for 'a1'"),
        ({"pin": {3: "a1", 1: "a1"}}, r"item 'a1' is pinned to places 1, 3; an item is listed once"),
        ({"pin": {1: "a1"}, "exclude": ["b1", "a1"]}, r"item 'a1' is pinned and excluded at once"),
        ({"per_category": 0}, r"per_category must be at least 1, got 0"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Rules(**fields)


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (Rules(exclude=["a1", "ghost"]), r"1 of 2 excluded items are unknown to the model: 'ghost'"),
        (Rules(pin={1: "ghost"}), r"1 of 1 pinned items are unknown to the model: 'ghost'"),
        (Rules(pin={4: "a1"}), r"item 'a1' is pinned to place 4 of a list of 3"),
        (Rules(per_category=1, pin={1: "a1", 2: "a2"}), r"2 items of category 'a' are pinned, and per_category allows 1"),
        (Rules(per_category=2, categories={"ghost": "a"}), r"per_category=2 needs categories, and none are known"),
    ],
)
def test_rules_that_do_not_fit_the_items_or_the_list_are_refused(rules: Rules, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        listed(rules, 3)


def test_a_cap_without_categories_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"per_category=2 needs categories"):
        recommend(InOrder(), histories([], categories=False), 3, rules=Rules(per_category=2))


def test_pins_are_read_from_text() -> None:
    assert parse_pins(["1=a1", " 3 =x=y"]) == {1: "a1", 3: "x=y"}
    with pytest.raises(ConfigError, match=r"two items are pinned to place 1: 'a' and 'b'"):
        parse_pins(["1=a", "1=b"])
    for text in ("a1", "1=", "first=a1", "-1=a"):
        with pytest.raises(ConfigError, match=rf"such as 1=item-7, got '{text}'"):
            parse_pins([text])
