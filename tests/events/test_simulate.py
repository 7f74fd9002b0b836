"""The simulated shop: its log obeys the contract, is drawn from the stated truth, and holds each planted story, or none."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from footpath.events.simulate import History, Simulated, Stories, simulate

ALL = ("bug_week", "bots", "drift", "duplicates", "late", "telltale", "variant", "churn")


@pytest.fixture(scope="module")
def shop() -> Simulated:
    return simulate(60_000, seed=3)


@pytest.fixture(scope="module")
def control() -> Simulated:
    return simulate(60_000, seed=3, stories=Stories.none())


def rows_of(simulated: Simulated, *kinds: str) -> pa.Table:
    """Rows as delivered, once each, in order of time."""
    assert simulated.rows is not None
    table = simulated.rows.group_by(["event_id"], use_threads=False).aggregate([(c, "first") for c in simulated.rows.column_names[1:]])
    table = table.rename_columns([c.removesuffix("_first") for c in table.column_names])
    if kinds:
        table = table.filter(pc.is_in(table["event_type"], pa.array(kinds)))
    return table.sort_by([("timestamp", "ascending")])


def pages_of(simulated: Simulated) -> list[tuple[dict[str, Any], list[str], list[float], list[bool], History]]:
    """Every page of people: its first row, items and propensities by slot, which were clicked, and the history that it met."""
    clicked: Mapping[str, set[str]] = defaultdict(set)
    for row in rows_of(simulated, "click").select(["request_id", "item_id"]).to_pylist():
        clicked[row["request_id"]].add(row["item_id"])
    pages: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows_of(simulated, "impression").to_pylist():
        pages[row["request_id"]].append(row)
    known: dict[str, tuple[str, ...]] = {}
    found = []
    for request, rows in pages.items():
        rows.sort(key=lambda row: row["slot"])
        user = rows[0]["user_id"]
        items = [row["item_id"] for row in rows]
        hits = [item in clicked[request] for item in items]
        found.append((rows[0], items, [row["propensity"] for row in rows], hits, History(user, known.get(user, ()))))
        known[user] = known.get(user, ()) + tuple(item for item, hit in zip(items, hits, strict=True) if hit)
    return found


def test_clicks_come_as_often_as_the_truth_says(shop: Simulated) -> None:
    truth, hits = [], []
    for first, items, _, clicked, history in pages_of(shop)[:4_000]:
        truth.append(shop.shop.click_probability(history, items, first["timestamp"]))
        hits.append(clicked)
    p, y = np.concatenate(truth), np.concatenate(hits)
    by_truth = np.array_split(np.argsort(p), 8)
    for part in by_truth:
        expected, spread = p[part].sum(), math.sqrt((p[part] * (1 - p[part])).sum())
        assert abs(y[part].sum() - expected) < 4 * spread
    assert p[by_truth[-1]].mean() > 4 * p[by_truth[0]].mean()


def test_every_story_says_whether_it_is_planted(shop: Simulated, control: Simulated) -> None:
    assert tuple(shop.truth) == ALL
    assert all(story["planted"] for story in shop.truth.values())
    assert not any(story["planted"] for story in control.truth.values())
    assert json.loads(json.dumps(shop.truth)) == shop.truth


def test_the_same_seed_gives_the_same_rows_and_another_does_not(shop: Simulated) -> None:
    again, other = simulate(60_000, seed=3), simulate(60_000, seed=4)
    assert shop.rows is not None
    assert shop.rows.equals(again.rows)
    assert not shop.rows.equals(other.rows)
