"""Headlines with and without users that look automatic."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

import footpath as fp
from footpath.analysis.bots import bots
from footpath.analysis.trail import trail
from footpath.events.log import EventLog

START = datetime(2026, 3, 2)


def shop(n_bots: int, seed: int = 0) -> EventLog:
    """Forty people with some views and a click or a purchase, and bots that view once a second without end."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(40):
        for visit in range(3):
            begin = START + timedelta(days=int(rng.integers(0, 20)), seconds=visit * 7_000)
            kinds = ["impression", "click", "view", "cart"] + (["purchase"] if user % 2 else [])
            rows += [(f"u{user}", f"i{k}", kind, begin + timedelta(minutes=k * (1 + rng.random()))) for k, kind in enumerate(kinds)]
    for bot in range(n_bots):
        rows += [(f"bot{bot}", f"i{k % 5}", "view", START + timedelta(days=3, seconds=k)) for k in range(200)]
    return fp.read_events(pd.DataFrame(rows, columns=["user_id", "item_id", "event_type", "timestamp"]), zone="UTC")


def test_flagged_users_have_their_reason_and_every_headline_stands_twice() -> None:
    result = bots(shop(4))
    flagged = result.parts["flagged"].to_pylist()
    assert [row["user_id"] for row in flagged] == ["bot0", "bot1", "bot2", "bot3"]
    assert "seconds in a row" in flagged[0]["reason"]
    people = 40 * 3 * 3 + 20 * 3  # clicks, views, carts of everybody, purchases of half
    rows = {row["metric"]: row for row in result.table.to_pylist()}
    assert (rows["users"]["value"], rows["users"]["without"]) == (44, 40)
    assert (rows["acts"]["value"], rows["acts"]["without"]) == (people + 800, people)
    assert rows["sessions"]["value"] - rows["sessions"]["without"] == 4
    assert rows["conversion_view_purchase"]["value"] == pytest.approx(20 / 44)
    assert rows["conversion_view_purchase"]["without"] == pytest.approx(1 / 2)
    assert rows["click_rate"]["value"] == rows["click_rate"]["without"] == 1.0
    assert result.cell("flagged_share").value == pytest.approx(800 / (people + 800))
    assert result.cell("acts_per_user_without").value == pytest.approx(people / 40)


def test_without_suspects_both_columns_are_one_and_nothing_is_found() -> None:
    result = bots(shop(0))
    assert result.parts["flagged"].num_rows == 0
    assert not result.findings
    assert all(row["difference"] == 0 for row in result.table.to_pylist())


def test_the_doubt_says_who_and_how_much() -> None:
    (doubt,) = bots(shop(4)).findings
    assert doubt.kind == "doubt"
    assert "4 users look automatic and made 65.6% of all acts" in doubt.text
    assert "4 位用户" in doubt.text.zh
    assert set(doubt.cells) <= {cell.id for cell in bots(shop(4)).cells}


def test_logs_without_acts_or_clock_say_why() -> None:
    log = shop(1)
    assert bots(trail(log, since="2030-01-01")).is_empty
    dropped = bots(trail(log, bots="drop"))
    assert any("left out of these acts already" in w for w in dropped.meta["warnings"])
    no_clock = fp.read_events(pd.DataFrame({"user_id": ["</script>"], "item_id": ["x"], "position": [0]}))
    result = bots(no_clock)
    assert any("no clock" in w for w in result.meta["warnings"])
    assert result.cell("acts").value == 1
    assert "SELECT" in result.sql("spark")
