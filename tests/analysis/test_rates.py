"""Click and conversion rates with the denominators that belong to them."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

import footpath as fp
from footpath.analysis.rates import rates
from footpath.analysis.trail import trail
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog
from footpath.statistics import wilson

START = datetime(2026, 3, 2, 8)
CURVE = (0.30, 0.20, 0.10, 0.05)


def read(rows: list[dict[str, object]], **more: object) -> EventLog:
    return fp.read_events(pd.DataFrame(rows), zone="UTC", **more)


def row(user: str, item: str | None, kind: str, minutes: float, request: str | None = None, **more: object) -> dict[str, object]:
    return {
        "user_id": user, "item_id": item, "event_type": kind, "timestamp": START + timedelta(minutes=minutes), "request_id": request, **more
    }  # fmt: skip


def feed(users: int, seed: int = 0, spread: float = 0.0) -> list[dict[str, object]]:
    """Requests of four slots whose click rate falls along `CURVE`; spread: how much users differ in it."""
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(users):
        keen = np.exp(rng.normal(0, spread))
        for r in range(int(rng.integers(2, 6))):
            request = f"r{u}_{r}"
            for slot, rate in enumerate(CURVE):
                item = f"i{rng.integers(20)}_{slot}"
                at = r * 600 + slot / 60
                rows.append(row(f"u{u}", item, "impression", at, request, slot=slot))
                if rng.random() < rate * keen:
                    rows.append(row(f"u{u}", item, "click", at + 1, request, slot=slot))
    return rows


def test_rates_by_slot_are_those_of_a_naive_join() -> None:
    rows = feed(120)
    result = rates(read(rows))
    clicked = {(r["request_id"], r["item_id"]) for r in rows if r["event_type"] == "click"}
    for slot in range(4):
        shown = [(r["request_id"], r["item_id"]) for r in rows if r["event_type"] == "impression" and r["slot"] == slot]
        (found,) = [r for r in result.table.to_pylist() if r["value"] == str(slot)]
        hits = len(set(shown) & clicked)
        assert (found["n"], found["acted"]) == (len(shown), hits)
        assert found["low"], found["high"] == pytest.approx(wilson(hits, len(shown)))
    assert [r["value"] for r in result.table.to_pylist()] == ["0", "1", "2", "3"]
    (doubt,) = result.findings
    assert doubt.kind == "doubt"
    assert "Slot 0 gets" in doubt.text
    assert "joined by request id and item" in result.meta["definition"]


def test_a_repeated_showing_counts_once_and_a_click_before_it_or_elsewhere_answers_nothing() -> None:
    rows = [
        row("a", "x", "impression", 0, "r1"), row("a", "x", "impression", 1, "r1"), row("a", "x", "click", 2, "r1"),
        row("a", "y", "click", 3, "r1"), row("a", "y", "impression", 4, "r1"), row("b", "x", "click", 5, "r1"),
        row("a", "x", "impression", 6, "r2"),
    ]  # fmt: skip
    result = rates(read(rows), by="item")
    found = {r["value"]: (r["n"], r["acted"]) for r in result.table.to_pylist()}
    assert found == {"x": (2, 1), "y": (1, 0)}
    assert result.cell("click_rate").value == pytest.approx(1 / 3)
    assert any("1 of 3 acts of type click" in w for w in result.meta["warnings"])


def test_users_that_differ_make_the_interval_over_users_wider_than_wilsons() -> None:
    result = rates(read(feed(200, 1, spread=1.2)))
    first = result.table.to_pylist()[0]
    assert first["cluster_high"] - first["cluster_low"] > 1.15 * (first["high"] - first["low"])
    cell = result.cell("click_rate")
    assert cell.low is not None
    assert cell.low < cell.value < cell.high


def test_without_impressions_purchases_are_counted_per_viewed_item() -> None:
    rows = [
        row("a", "x", "view", 0),
        row("a", "x", "view", 1),
        row("a", "x", "purchase", 2),
        row("a", "y", "view", 3),
        row("b", "x", "view", 4),
    ]
    result = rates(read(rows))
    assert result.cell("conversion_rate").value == pytest.approx(1 / 3)
    assert "pairs of a user and an item with a view" in result.meta["definition"]
    with pytest.raises(NotInLogError, match="has: view"):
        rates(read([row("a", "x", "view", 0)]))


def test_by_user_where_acts_name_no_items() -> None:
    rows = [row("a", None, "view", 0), row("a", None, "purchase", 2), row("b", None, "view", 3)]
    result = rates(read(rows))
    assert result.meta["by"] == "day"
    assert result.cell("conversion_rate").value == 1 / 2
    assert result.table.to_pylist()[0]["complete"] is False


def test_a_category_that_stands_out_is_found_and_one_that_does_not_is_not() -> None:
    for lift, expected in ((2.0, 1), (1.0, 0)):
        rng = np.random.default_rng(7)
        rows = []
        for u in range(300):
            for k, item in enumerate(("x", "y", "z")):
                rows.append(row(f"u{u}", item, "impression", k, f"r{u}"))
                if rng.random() < 0.2 * (lift if item == "x" else 1):
                    rows.append(row(f"u{u}", item, "click", k + 1, f"r{u}"))
        items = pd.DataFrame({"item_id": ["x", "y", "z"], "category": ["שלום 🛒", "B", "B"]})
        found = rates(read(rows, items=items), by="category").findings
        assert len(found) == expected
        if expected:
            assert "שלום 🛒" in found[0].text
            assert found[0].p_value < 1e-4


def test_by_segment_policy_and_day() -> None:
    rows = [r | {"policy": "A", "device": "web" if r["user_id"] < "u5" else "app"} for r in feed(40)]
    log = read(rows)
    assert set(rates(log, segment="device").table["value"].to_pylist()) == {"web", "app"}
    assert rates(log, by="policy").table["value"].to_pylist() == ["A"]
    days = rates(log, by="day").table["value"].to_pylist()
    assert days == sorted(days)
    for by in ("segment", "policy", "day", "slot", "item"):
        result = rates(log, by=by, segment="device" if by == "segment" else None)
        assert sum(result.table["n"].to_pylist()) == result.cell("click_rate_n").value
        assert "SELECT" in result.sql("spark")
        result.to_dict()


def test_wrong_options_and_empty_logs_say_so() -> None:
    log = read([row("</script>", "x", "view", 0), row("</script>", "x", "purchase", 1)])
    assert rates(log).cell("conversion_rate").low is None
    with pytest.raises(ConfigError, match=r"by must be one of .*, got 'slots'; did you mean 'slot'"):
        rates(log, by="slots")
    with pytest.raises(ConfigError, match=r"no event type 'clik'; .*did you mean 'click'"):
        rates(log, acted="clik")
    with pytest.raises(NotInLogError, match=r"needs? the column 'slot'"):
        rates(log, by="slot")
    with pytest.raises(NotInLogError, match="by category need items with categories"):
        rates(log, by="category")
    with pytest.raises(ConfigError, match="must differ, got 'view'"):
        rates(log, shown="view", acted="view")
    assert rates(trail(log, since="2030-01-01")).is_empty


def test_where_nobody_acts_the_interval_over_users_is_not_a_point() -> None:
    rows = [row(f"u{n}", "x", "impression", n, f"r{n}", slot=0) for n in range(40)] + [row("u0", "y", "impression", 50, "r0", slot=1)]
    rows += [row("u0", "y", "click", 51, "r0", slot=1)]
    found = rates(read(rows)).table.to_pylist()[0]
    assert (found["acted"], found["cluster_low"]) == (0, 0.0)
    assert found["cluster_high"] == pytest.approx(wilson(0, 40)[1])
