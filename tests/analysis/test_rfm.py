"""Recency, frequency and money: scores and segments worked by hand, where money is from, ties."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from footpath.analysis.rfm import SEGMENTS, rfm
from footpath.analysis.trail import trail
from footpath.errors import NotInLogError
from footpath.events.log import EventLog
from tests.analysis.logs_by_hand import MONDAY, log_of, on_days


def bought(rows: list[tuple[str, float, float]], **more: Any) -> EventLog:
    """Purchases of (user, day, price)."""
    acts = [(user, MONDAY + timedelta(days=day)) for user, day, _ in rows]
    return log_of(acts, types=["purchase"] * len(rows), price=pa.array([price for *_, price in rows]), **more)


def test_scores_and_segments_are_those_of_the_hand() -> None:
    # ten users; u9 buys on five days and last of all, u0 once and first; the others once, a day later each
    rows = [(f"u{i}", float(i), 10.0) for i in range(10)] + [("u9", 9.5 - day, 20.0) for day in range(4)]
    result = rfm(bought(rows))
    users = {row["user_id"]: row for row in result.parts["users"].to_pylist()}
    assert users["u9"]["frequency"] == 5
    assert users["u9"]["monetary"] == 90
    assert users["u9"]["recency_days"] == 0
    assert (users["u9"]["recency_score"], users["u9"]["frequency_score"], users["u9"]["monetary_score"]) == (5, 5, 5)
    assert users["u9"]["segment"] == "champions"
    assert users["u0"]["recency_days"] == 9.5
    assert [users[f"u{i}"]["recency_score"] for i in range(10)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert {users[f"u{i}"]["frequency_score"] for i in range(9)} == {1}
    assert [users[f"u{i}"]["segment"] for i in (0, 4, 8)] == ["lost", "fading", "recent"]
    best = result.table.to_pylist()[0]
    assert (best["segment"], best["n_users"], best["share"], best["monetary_share"]) == ("champions", 1, 0.1, 0.5)
    assert result.table["segment"].to_pylist() == list(SEGMENTS)
    assert sum(result.table["n_users"].to_pylist()) == 10


def test_a_price_counts_as_often_as_things_were_bought() -> None:
    log = bought([("a", 0.5, 3.0), ("a", 1.5, 4.0), ("b", 2.5, 1.0)], quantity=pa.array([2.0, None, 1.0]))
    assert rfm(log).parts["users"]["monetary"].to_pylist() == [10.0, 1.0]


def test_the_value_of_a_purchase_is_money_and_that_of_a_rating_is_not() -> None:
    acts = [("a", MONDAY), ("a", MONDAY + timedelta(days=1, hours=1)), ("b", MONDAY)]
    paid = rfm(log_of(acts, types=["purchase"] * 3, value=pa.array([5.0, 6.0, 7.0])))
    assert paid.meta["monetary"] == "value"
    assert paid.parts["users"]["monetary"].to_pylist() == [11.0, 7.0]
    rated = rfm(log_of(acts, types=["rating"] * 3, value=pa.array([5.0, 4.0, 3.0])))
    assert rated.meta["monetary"] is None
    assert rated.table["monetary_share"].to_pylist() == [None] * 9
    assert any("monetary part is left out" in warning for warning in rated.meta["warnings"])


def test_equal_users_are_in_one_segment() -> None:
    users = rfm(on_days([(f"u{i}", 0.5) for i in range(20)])).parts["users"]
    assert set(users["segment"].to_pylist()) == {"lost"}
    assert set(users["frequency_score"].to_pylist()) == {1}


def test_a_few_who_bring_much_are_found_and_equal_buyers_raise_none() -> None:
    rng = np.random.default_rng(1)
    often = [(f"u{i}", float(d) + 0.5, 10.0) for i in range(60) for d in sorted(rng.choice(60, 20, replace=False))]
    once = [(f"v{i}", float(rng.integers(60)) + 0.25, 10.0) for i in range(240)]
    result = rfm(bought(often + once))
    finding = result.findings[0]
    cell = result.cell("champions.monetary_share")
    assert cell.low is not None
    assert cell.low > 1.5 * float(result.cell("champions.share").value or 0)
    assert f"{cell.value:.1%} of the money" in finding.text
    assert not any(result.cell(id).is_small for id in finding.cells)
    assert rfm(bought(once)).findings == ()


def test_what_the_log_lacks_and_nothing_left() -> None:
    log = on_days([("a", 0.5)])
    with pytest.raises(NotInLogError, match="'purchase', and there are none"):
        rfm(log, event_type="purchase")
    assert rfm(log).cell("users").value == 1
    assert any("no purchases" in warning for warning in rfm(log).meta["warnings"])
    assert rfm(trail(log, users=["nobody"])).is_empty
    for dialect in ("duckdb", "spark", "postgres"):
        assert "SELECT" in rfm(log).sql(dialect)


@pytest.mark.parametrize("price", [1e300, -1e300, 1e160])
def test_amounts_that_no_one_spends_are_left_out_with_a_warning(price: float) -> None:
    result = rfm(bought([(f"u{i}", float(i), price) for i in range(10)]))
    assert any("amounts of 1e+100 and more are no money" in warning for warning in result.meta["warnings"])
    assert result.table["monetary"].null_count == result.table["monetary_share"].null_count == result.table.num_rows
    assert result.parts["users"]["monetary_score"].null_count == 10
