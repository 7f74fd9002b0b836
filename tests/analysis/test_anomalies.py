"""Days and weeks that stand out, on shops where it is known which do."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import footpath as fp
from footpath.analysis.anomalies import _expected, _spreads_apart, anomalies
from footpath.analysis.trail import trail
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog

START = datetime(2026, 3, 2)
WEEKDAY = (1.0, 1.0, 1.1, 1.2, 1.3, 0.6, 0.5)


def shop(seed: int = 0, *, bug: bool = False, rush: bool = False, days: int = 56, app_only: bool = False) -> EventLog:
    """Eight weeks of sessions with a weekly rhythm; in a bug week half of the purchases fail (all of the app's, with app_only);
    a rush has five times the visits on one day."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[object]] = {c: [] for c in ("user_id", "item_id", "event_type", "timestamp")}

    def add(*values: object) -> None:
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)

    for day in range(days):
        broken = bug and 24 <= day < 31
        for _ in range(rng.poisson(40 * WEEKDAY[day % 7] * (5 if rush and day == 40 else 1))):
            user = int(rng.integers(300))
            at = START + timedelta(days=day, minutes=float(rng.uniform(0, 1_400)))
            add(f"u{user}", "x", "view", at)
            if rng.random() < 0.6:
                add(f"u{user}", "x", "cart", at + timedelta(minutes=2))
                fails = broken and (user % 2 == 0 if app_only else rng.random() < 0.5)
                if rng.random() < 0.5 and not fails:
                    add(f"u{user}", "x", "purchase", at + timedelta(minutes=5))
    users = pd.DataFrame({"user_id": [f"u{u}" for u in range(300)], "device": ["app", "web"] * 150})
    return fp.read_events(pd.DataFrame(columns), users=users, zone="UTC")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_bug_week_is_found_as_a_run_and_a_quiet_shop_raises_nothing(seed: int) -> None:
    result = anomalies(shop(seed, bug=True))
    run = next(row for row in result.table.to_pylist() if row["span"] == "run" and row["metric"] == "cart_to_purchase")
    assert abs((run["start"] - date(2026, 3, 26)).days) <= 1
    assert run["observed"] == pytest.approx(0.25, abs=0.11)
    assert run["expected"] == pytest.approx(0.5, abs=0.03)
    finding = result.findings[0]
    assert finding.text.startswith(f"From {run['start']} to {run['end']} the cart-to-purchase conversion was")
    assert "cart 到 purchase 的转化率" in finding.text.zh
    assert set(finding.cells) <= {cell.id for cell in result.cells}
    quiet = anomalies(shop(seed + 10))
    assert not quiet.findings
    assert not any(quiet.table["anomalous"].to_pylist())


def test_who_makes_up_the_gap_is_said() -> None:
    result = anomalies(shop(3, bug=True, app_only=True), metrics=["cart_to_purchase"])
    assert "of the gap is device app, usually" in result.findings[0].text
    parts = [row for row in result.parts["contributors"].to_pylist() if row["dimension"] == "device"]
    first = {row["value"]: row for row in parts[:2]}
    assert first["app"]["gap_share"] > 0.8
    assert first["app"]["base_share"] == pytest.approx(0.5, abs=0.1)
    assert sum(row["gap_share"] for row in first.values()) == pytest.approx(1.0)


def test_a_rush_of_one_day_is_a_day_and_not_a_run() -> None:
    result = anomalies(shop(1, rush=True))
    found = [row for row in result.table.to_pylist() if row["anomalous"]]
    assert {row["start"] for row in found} == {date(2026, 3, 2) + timedelta(days=40)}
    assert {row["span"] for row in found} == {"day"}
    assert result.findings[0].text.startswith("On 2026-04-11 there were")


@settings(max_examples=5, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["cart", "purchase"]), st.integers(0, 60)), min_size=1, max_size=40))
def test_counts_of_days_are_those_of_a_naive_count(acts: list[tuple[str, str, int]]) -> None:
    acts = list(dict.fromkeys(acts))
    frame = pd.DataFrame({"user_id": [u for u, _, _ in acts], "item_id": "x", "event_type": [k for _, k, _ in acts],
                          "timestamp": [START + timedelta(hours=3 * h) for _, _, h in acts]})  # fmt: skip
    rows = anomalies(fp.read_events(frame, zone="UTC"), metrics=["acts", "users", "sessions"]).table.to_pylist()
    for row in rows:
        mine = [(u, h) for u, _, h in acts if (START + timedelta(hours=3 * h)).date() == row["start"]]
        naive = {"acts": len(mine), "users": len({u for u, _ in mine}), "sessions": len(set(mine))}
        assert row["observed"] == naive[row["metric"]]


def test_a_last_day_that_is_not_over_is_marked_and_not_tested() -> None:
    frame = shop(2).table.to_pyarrow().to_pandas()
    cut = frame[frame.timestamp < pd.Timestamp("2026-04-20 09:00")][["user_id", "item_id", "event_type", "timestamp"]]
    result = anomalies(fp.read_events(cut, zone="UTC"), metrics=["acts"])
    last = result.table.to_pylist()[-1]
    assert last["start"] == date(2026, 4, 20)
    assert (last["complete"], last["p_value"]) == (False, None)
    assert any("the last day (2026-04-20) is not complete" in w for w in result.meta["warnings"])
    assert not result.findings


def test_weeks_can_be_the_period() -> None:
    result = anomalies(shop(1, bug=True), period="week", metrics=["cart_to_purchase", "acts"])
    assert {row["span"] for row in result.table.to_pylist()} == {"week"}
    assert all(row["start"].weekday() == 0 for row in result.table.to_pylist())
    worst = min((row for row in result.table.to_pylist() if row["metric"] == "cart_to_purchase"), key=lambda row: row["p_value"])
    assert worst["start"] == date(2026, 3, 23)
    assert "SELECT" in result.sql("spark")


def test_short_logs_hostile_names_and_wrong_options_say_so() -> None:
    names = ['</script>"', "it's", "שלום", "🛒"]
    log = fp.read_events(
        pd.DataFrame({"user_id": names, "item_id": names, "event_type": "view", "timestamp": [START] * 4}),
        users=pd.DataFrame({"user_id": names, "kind": names}), zone="UTC",
    )  # fmt: skip
    result = anomalies(log)
    assert any("the log spans 1 days" in w for w in result.meta["warnings"])
    assert not any(result.table["anomalous"].to_pylist())
    result.to_dict()
    assert anomalies(trail(log, since="2030-01-01")).is_empty
    with pytest.raises(ConfigError, match="period must be day or week, got 'weeks'; did you mean 'week'"):
        anomalies(log, period="weeks")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no metric 'act'; known are acts, users, sessions; did you mean 'acts'"):
        anomalies(log, metrics=["act"])
    with pytest.raises(NotInLogError, match="needs a clock"):
        anomalies(fp.read_events(pd.DataFrame({"user_id": ["a"], "item_id": ["x"], "position": [0]})))


@pytest.mark.parametrize("n", [1, 8, 35, 90])
@pytest.mark.parametrize("known", [0.0, 0.3, 1.0])
def test_what_is_expected_and_how_runs_scatter_is_as_a_naive_loop_has_it(n: int, known: float) -> None:
    rng = np.random.default_rng(n)
    counts, complete = rng.poisson(5, n).astype(float), rng.random(n) < known
    expected = np.full(n, np.nan)
    for i in range(n):
        near = [counts[j] for j in range(i - 28, i + 29, 7) if j != i and 0 <= j < n and complete[j]]
        if len(near) >= 3:
            expected[i] = np.median(near)
    np.testing.assert_array_equal(_expected(counts, complete, "day"), expected)
    z = np.where(complete, rng.normal(0, 3, n), np.nan)
    apart = [np.abs([z[j] for j in range(n) if abs(i - j) >= 7 and complete[j]]) for i in range(n)]
    naive = [max(1.0, 1.4826 * float(np.median(values))) if len(values) else 1.0 for values in apart]
    np.testing.assert_allclose(_spreads_apart(z, 7), naive, rtol=1e-12)
