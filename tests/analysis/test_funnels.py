"""Funnels: worked by hand, and against a naive second implementation on random logs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from footpath.analysis.funnels import funnel
from footpath.analysis.trail import trail
from footpath.analysis.transitions import transitions
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog
from footpath.result import Result

START = datetime(2026, 3, 2, 9)
Rows = list[tuple[str, str, float]]


def log_of(rows: Rows, *, clock: bool = True, users: dict[str, list[Any]] | None = None) -> EventLog:
    """Acts of (user, type, minutes after the start), in order of time within a user."""
    ordered = sorted(rows, key=lambda row: (row[0], row[2]))
    seen: dict[str, int] = {}
    positions = []
    for user, _, _ in ordered:
        positions.append(seen.get(user, 0))
        seen[user] = positions[-1] + 1
    times = [START + timedelta(minutes=minutes) if clock else None for _, _, minutes in ordered]
    table = pa.table(
        {
            "user_id": pa.array([user for user, _, _ in ordered], pa.string()),
            "position": pa.array(positions, pa.int64()),
            "item_id": pa.array([None] * len(ordered), pa.string()),
            "event_type": pa.array([kind for _, kind, _ in ordered], pa.string()),
            "timestamp": pa.array(times, pa.timestamp("us")),
        }
    )
    known = None if users is None else ibis.memtable(pa.table(users))
    return EventLog("hand", ibis.memtable(table), Result("quality", pa.table({})), "0", clock, users=known)


def reached(result: Result, segment: str = "all") -> list[int]:
    return [row["n"] for row in result.table.to_pylist() if row["segment"] == segment]


SHOP: Rows = [
    ("a", "view", 0), ("a", "cart", 1), ("a", "purchase", 3),
    ("b", "view", 0), ("b", "search", 1), ("b", "cart", 2),
    ("c", "view", 0), ("c", "cart", 100), ("c", "purchase", 101),
    ("d", "cart", 0), ("d", "view", 1),
    ("e", "purchase", 5),
]  # fmt: skip


def test_steps_come_from_the_log_and_a_step_in_another_session_does_not_count() -> None:
    result = funnel(log_of(SHOP))
    assert result.meta["steps"] == ["view", "cart", "purchase"]
    assert reached(result) == [4, 2, 1]
    row = result.table.to_pylist()[1]
    assert (row["n_previous"], row["from_previous"], row["from_first"]) == (4, 0.5, 0.5)
    assert row["low"] == pytest.approx(0.1500, abs=1e-4)  # Wilson, 2 of 4
    assert row["high"] == pytest.approx(0.8500, abs=1e-4)


def test_times_run_from_the_first_step_and_from_the_one_before() -> None:
    rows = funnel(log_of(SHOP)).table.to_pylist()
    assert (rows[1]["quartile_1_seconds"], rows[1]["median_seconds"], rows[1]["quartile_3_seconds"]) == (75, 90, 105)
    assert (rows[2]["median_seconds"], rows[2]["median_seconds_from_previous"]) == (180, 120)


def test_who_dropped_and_where() -> None:
    assert funnel(log_of(SHOP)).parts["dropped"].to_pylist() == [
        {"user_id": "b", "reached": "cart", "dropped_at": "purchase"},
        {"user_id": "c", "reached": "view", "dropped_at": "cart"},
        {"user_id": "d", "reached": "view", "dropped_at": "cart"},
    ]


def test_orders_and_scopes_differ_as_they_say() -> None:
    log = log_of(SHOP)
    assert reached(funnel(log, order="strict")) == [4, 1, 1]
    assert reached(funnel(log, order="any")) == [4, 3, 1]
    assert reached(funnel(log, within="history")) == [4, 3, 2]
    assert reached(funnel(log, within="window", window_hours=1)) == [4, 2, 1]
    assert reached(funnel(log, within="window", window_hours=2)) == [4, 3, 2]


def test_a_window_may_begin_at_any_act_of_the_first_step_not_only_the_first() -> None:
    log = log_of([("a", "view", 0), ("a", "view", 300), ("a", "cart", 310)])
    result = funnel(log, steps=["view", "cart"], within="window", window_hours=1)
    assert reached(result) == [1, 1]
    assert result.cell("step2.median_seconds").value == 600


def test_a_window_that_is_still_open_at_the_end_of_the_log_is_marked() -> None:
    log = log_of([("a", "view", 0), ("b", "view", 0), ("b", "cart", 1), ("c", "view", 5_000), ("b", "search", 5_010)])
    row = funnel(log, steps=["view", "cart"], within="window", window_hours=24).table.to_pylist()[1]
    assert (row["n"], row["n_open"], row["complete"]) == (1, 1, False)


def test_sessions_are_counted_where_they_are_asked_for() -> None:
    log = log_of([("a", "view", 0), ("a", "cart", 1), ("a", "view", 100), ("a", "view", 200)])
    result = funnel(log, steps=["view", "cart"], count="sessions")
    assert reached(result) == [3, 1]
    assert result.parts["dropped"]["session"].to_pylist() == [1, 2]
    assert any("not independent" in warning for warning in result.meta["warnings"])


def test_a_step_that_never_occurs_shows_nought_and_is_named() -> None:
    result = funnel(log_of(SHOP), steps=["view", "carts"])
    assert reached(result) == [4, 0]
    assert "'carts' never occurs" in result.meta["warnings"][0]
    assert "'cart'" in result.meta["warnings"][0]
    assert result.table.to_pylist()[1]["median_seconds"] is None


def test_a_first_step_that_never_occurs_leaves_no_share() -> None:
    rows = funnel(log_of(SHOP), steps=["nowhere", "cart"]).table.to_pylist()
    assert [row["n"] for row in rows] == [0, 0]
    assert rows[1]["from_previous"] is None


def test_the_query_counts_what_the_table_shows() -> None:
    log = log_of(SHOP, users={"user_id": list("abcd"), "plan": ["free", "paid", "free", None]})
    result = funnel(log, segment="plan")
    counted = {row["segment"]: [row[f"step_{k}"] for k in (1, 2, 3)] for row in result.queries["funnel"].to_pyarrow().to_pylist()}
    assert counted == {"free": [2, 1, 1], "paid": [1, 1, 0], "none": [1, 0, 0]}
    assert {name: reached(result, name) for name in counted} == counted
    assert reached(result) == [4, 2, 1]
    for dialect in ("duckdb", "spark", "postgres"):
        assert "hand" not in result.sql(dialect)


def planted(shares: dict[str, float], users: int = 400) -> EventLog:
    """Users of two plans that go on from view to cart with these chances."""
    rng = np.random.default_rng(5)
    rows: Rows = []
    plans = {"user_id": [], "plan": []}
    for plan, share in shares.items():
        for i in range(users):
            user = f"{plan}{i}"
            plans["user_id"].append(user)
            plans["plan"].append(plan)
            rows.append((user, "view", 0))
            if rng.random() < share:
                rows.append((user, "cart", 1))
    return log_of(rows, users=plans)


def test_segments_that_differ_are_found_with_their_test() -> None:
    result = funnel(planted({"free": 0.2, "paid": 0.5}), segment="plan")
    row = result.parts["differences"].to_pylist()[0]
    table = [[row["n"], row["n_previous"] - row["n"]], [row["n_rest"], row["n_previous_rest"] - row["n_rest"]]]
    assert row["p_value"] == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
    assert row["low"] < row["difference"] < row["high"]
    assert len(result.findings) == 1
    assert "go on to cart" in result.findings[0].text
    assert "继续到 cart" in result.findings[0].text.zh


def test_segments_that_do_not_differ_raise_nothing() -> None:
    assert funnel(planted({"free": 0.3, "paid": 0.3}), segment="plan").findings == ()


def test_newcombes_interval_is_that_of_his_paper() -> None:
    rows: Rows = []
    plans = {"user_id": [], "plan": []}
    for plan, n, of in (("a", 56, 70), ("b", 48, 80)):
        for i in range(of):
            plans["user_id"].append(f"{plan}{i}")
            plans["plan"].append(plan)
            rows.append((f"{plan}{i}", "view", 0))
            if i < n:
                rows.append((f"{plan}{i}", "cart", 1))
    row = next(r for r in funnel(log_of(rows, users=plans), segment="plan").parts["differences"].to_pylist() if r["segment"] == "a")
    assert (row["difference"], row["low"], row["high"]) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def weekly(bad_week: int | None) -> EventLog:
    rng = np.random.default_rng(7)
    rows: Rows = []
    for week in range(10):
        for i in range(300):
            minute = week * 7 * 24 * 60 + float(rng.integers(0, 6 * 24 * 60))
            rows.append((f"u{week}_{i}", "cart", minute))
            if rng.random() < (0.2 if week == bad_week else 0.4):
                rows.append((f"u{week}_{i}", "purchase", minute + 1))
    return log_of(rows)


def test_a_week_in_which_fewer_go_on_is_found() -> None:
    result = funnel(weekly(6))
    assert len(result.findings) == 1
    assert "In the week of 2026-04-13" in result.findings[0].text
    assert result.parts["weeks"].num_rows == 10


def test_weeks_that_are_alike_raise_nothing() -> None:
    assert funnel(weekly(None)).findings == ()


def test_a_funnel_that_misses_most_buyers_is_doubted() -> None:
    rows = [row for i in range(50) for row in ((f"a{i}", "cart", 0), (f"b{i}", "purchase", 0))]
    result = funnel(log_of([*rows, ("c", "cart", 0), ("c", "purchase", 1)]))
    assert [finding.kind for finding in result.findings] == ["doubt"]
    assert "98% of the 51 users with a purchase" in result.findings[0].text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "sorted"}, "order must be one of ordered, strict, any, got 'sorted'"),
        ({"within": "sessions"}, "got 'sessions'; did you mean 'session'"),
        ({"window_hours": 3}, "window_hours=3 goes with within='window'"),
        ({"within": "window", "window_hours": 0}, "got 0"),
        ({"steps": ["view"]}, r"at least two steps, got \['view'\]"),
        ({"steps": ["view", "view"], "order": "any"}, "every step must be another"),
        ({"count": "sessions", "within": "history"}, "goes with within='session'"),
        ({"confidence": 95}, "between 0 and 1, got 95"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        funnel(log_of(SHOP), **options)


def test_an_unknown_segment_is_named() -> None:
    with pytest.raises(NotInLogError, match="'plam'"):
        funnel(log_of(SHOP, users={"user_id": ["a"], "plan": ["x"]}), segment="plam")


def test_a_log_without_a_clock_has_order_but_no_times_and_no_window() -> None:
    log = log_of(SHOP, clock=False)
    result = funnel(log)
    assert reached(result) == [4, 3, 2]
    assert result.table["median_seconds"].null_count == 3
    with pytest.raises(NotInLogError, match="window needs a clock"):
        funnel(log, within="window")


@pytest.mark.parametrize("rows", [[], [("a", "purchase", 0.0)], [("a", "purchase", 0.0), ("b", "purchase", 0.0)]])
def test_a_log_without_two_kinds_of_steps_says_so(rows: Rows) -> None:
    result = funnel(log_of(rows))
    assert result.is_empty
    assert "at least two kinds" in result.meta["warnings"][0]
    assert funnel(log_of(rows), steps=["</script>", "‮'\"🛒"]).table["n"].to_pylist() in ([], [0, 0])


def test_hostile_names_are_steps_as_any_other() -> None:
    names = ["</script>", "'; DROP TABLE events; --\"", "‮عربى🛒"]
    log = log_of([("a", name, float(i)) for i, name in enumerate(names)])
    assert reached(funnel(log, steps=names)) == [1, 1, 1]


def test_identical_timestamps_go_by_position() -> None:
    log = log_of([("a", "view", 0), ("a", "cart", 0), ("b", "cart", 0), ("b", "view", 0)])
    assert reached(funnel(log)) == [2, 1]


KINDS = ("view", "cart", "purchase", "search")
random_logs = st.lists(
    st.tuples(st.sampled_from("abcdefghij"), st.sampled_from(KINDS), st.integers(0, 240).map(float)), min_size=1, max_size=150
)


def sequences(rows: Rows, within: str) -> dict[str, list[list[tuple[str, float]]]]:
    """The acts of each user, cut after pauses of more than 30 minutes where chains stay within sessions."""
    found: dict[str, list[list[tuple[str, float]]]] = {}
    for user, kind, minutes in sorted(rows, key=lambda row: (row[0], row[2])):
        mine = found.setdefault(user, [[]])
        if within == "session" and mine[-1] and minutes - mine[-1][-1][1] > 30:
            mine.append([])
        mine[-1].append((kind, minutes))
    return found


def ends_chain(acts: list[tuple[str, float]], steps: list[str], order: str) -> bool:
    """Whether a chain of the steps begins at the first of the acts and ends at the last."""
    kinds = [kind for kind, _ in acts]
    if order == "any":
        return set(steps) <= set(kinds) and kinds[-1] in steps and kinds[0] in steps
    if order == "strict":
        return kinds == steps
    if len(steps) == 1:
        return len(kinds) == 1 and kinds == steps
    inner = iter(kinds[1:-1])
    return len(kinds) > 1 and kinds[0] == steps[0] and kinds[-1] == steps[-1] and all(step in inner for step in steps[1:-1])


def naive(rows: Rows, steps: list[str], order: str, within: str, hours: float) -> list[tuple[int, list[float]]]:
    """Users that reach each step, and their seconds since the latest beginning of the first chain that ends with it."""
    made = []
    for k in range(1, len(steps) + 1):
        seconds = []
        for parts in sequences(rows, within).values():
            spans = [
                [acts[j][1] - acts[i][1] for i in range(j, -1, -1) if ends_chain(acts[i : j + 1], steps[:k], order)]
                for acts in parts
                for j in range(len(acts))
            ]
            spans = [[span for span in found if within != "window" or span <= hours * 60] for found in spans]
            reaching = [min(found) * 60 for found in spans if found]
            seconds += reaching[:1]
        made.append((len(seconds), sorted(seconds)))
    return made


@settings(max_examples=5, deadline=None, derandomize=True)
@given(random_logs, st.lists(st.sampled_from(KINDS[:3]), min_size=2, max_size=3, unique=True), st.sampled_from([0.25, 1.0]))
def test_every_order_and_scope_counts_and_times_as_the_naive_one(rows: Rows, steps: list[str], hours: float) -> None:
    log = trail(log_of(rows))
    for order in ("ordered", "strict", "any"):
        for within in ("session", "window", "history"):
            result = funnel(log, steps=steps, order=order, within=within, window_hours=hours if within == "window" else None)
            expected = naive(rows, steps, order, within, hours)
            found = result.table.to_pylist()
            assert [row["n"] for row in found] == [n for n, _ in expected], (order, within)
            for row, (n, seconds) in zip(found[1:], expected[1:], strict=True):
                assert row["median_seconds"] == (pytest.approx(np.median(seconds)) if n else None), (order, within)
            lost = result.parts["dropped"].num_rows
            assert lost == found[0]["n"] - found[-1]["n"]


@settings(max_examples=5, deadline=None, derandomize=True)
@given(random_logs)
def test_a_step_may_come_twice(rows: Rows) -> None:
    expected = naive(rows, ["view", "view", "cart"], "ordered", "session", 0)
    assert reached(funnel(log_of(rows), steps=["view", "view", "cart"])) == [n for n, _ in expected]


@settings(max_examples=5, deadline=None, derandomize=True)
@given(random_logs)
def test_a_strict_funnel_of_two_steps_has_the_users_of_the_transition(rows: Rows) -> None:
    log = trail(log_of(rows))
    pairs = {(row["from_label"], row["to_label"]): row["n_users"] for row in transitions(log).table.to_pylist()}
    for first, second in (("view", "cart"), ("cart", "view"), ("view", "view")):
        assert reached(funnel(log, steps=[first, second], order="strict"))[1] == pairs.get((first, second), 0)
