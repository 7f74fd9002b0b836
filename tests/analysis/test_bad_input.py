"""Bad input, across all analyses: each gives a result that says so, or an error with the value and the next step."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import footpath as fp
from footpath.analysis import catalog
from footpath.analysis.report import analyze
from footpath.analysis.trail import Trail, trail
from footpath.errors import ConfigError, FootpathError
from footpath.events.log import EventLog
from footpath.page.text import plain
from footpath.result import Result, in_language
from tests.analysis.logs_by_hand import MONDAY, log_of

HOSTILE = (
    "</script><script>alert(1)",
    "a\"b'c`d",
    "\u202eevil",
    "😀👩‍👩‍👧",
    "line\nbreak\r\n\ttab",
    "L" * 3000,
    "שלום",
    "%s {0} {n} {",
    "=1+1",
    "\x01",
)
NO_NUMBER = re.compile(r"(?<![\w/])(nan|inf|NaN|Infinity|NaT)(?!\w)")


def _many(*, days: float = 40, **more: Any) -> EventLog:
    rng = np.random.default_rng(0)
    at = [(f"u{rng.integers(40):02}", MONDAY + timedelta(seconds=int(s))) for s in np.sort(rng.integers(int(days * 86_400), size=400))]
    return log_of(at, items=[f"i{rng.integers(9)}" for _ in at], types=[str(rng.choice(["view", "cart", "purchase"])) for _ in at], **more)


@cache
def _one_user() -> EventLog:
    return log_of([("a", MONDAY)] * 500)


def _huge_values() -> EventLog:
    numbers = pa.array([1e300, -1e300, 0.0, None] * 100, pa.float64())
    return _many(value=numbers, price=numbers, quantity=numbers)


def _hostile() -> EventLog:
    rng = np.random.default_rng(1)
    n = 400
    rows = {
        "user_id": [f"u{i}" for i in rng.integers(40, size=n)],
        "item_id": [HOSTILE[i] for i in rng.integers(len(HOSTILE), size=n)],
        "event_type": [("view", "cart")[i] for i in rng.integers(2, size=n)],
        "timestamp": [MONDAY + timedelta(minutes=60 * i) for i in range(n)],
        "policy": [HOSTILE[i] for i in rng.integers(3, size=n)],
    }
    items = pa.table({"item_id": HOSTILE, "title": HOSTILE[::-1], "category": HOSTILE})
    return fp.read_events(pa.table(rows), items=items, zone="UTC", name=HOSTILE[0])


def _context() -> EventLog:
    names = ("n", "label", "step", "session", "next_label", "t", "first", "last", "day", "title", "category", "segment", "x \"'<b>")
    return _many(**{name: pa.array([str(i % 3) for i in range(400)]) for name in names})


LOGS: dict[str, tuple[Callable[[], EventLog], tuple[str, ...]]] = {
    "no clock": (
        lambda: fp.read_events(pa.table({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "position": [0, 1, 0]})),
        ("retention", "funnel", "ab_test"),
    ),
    "huge values": (_huge_values, ("rfm", "bots")),
    "hostile names": (_hostile, ("paths", "transitions", "rates", "ab_test", "patterns", "interest_drift")),
    "context columns": (_context, ("sessions", "paths", "retention", "rates")),
}
"""Logs, and the analyses that they are hardest on."""


def _is_sound(result: Result) -> None:
    for name, table in {"": result.table, **result.parts}.items():
        for column in table.column_names:
            if pa.types.is_floating(table[column].type):
                assert np.isfinite(table[column].drop_null().to_numpy()).all(), (name, column)
    for cell in result.cells:
        assert all(isinstance(v, str) or v is None or np.isfinite(v) for v in (cell.value, cell.low, cell.high)), cell
    for finding in result.findings:
        assert not any(result.cell(id).is_small for id in finding.cells)
    assert len({cell.id for cell in result.cells}) == len(result.cells)
    assert result.table.num_rows or result.is_empty
    assert not result.is_empty or (result.meta["warnings"] and result.chart is None)
    if result.chart is not None:
        assert result.chart["series"]
    for lang in ("en", "zh"):
        json.dumps(in_language(result.chart, lang), allow_nan=False)
        texts = [*(f.text for f in result.findings), *result.meta["warnings"], result.meta["definition"], result.meta["population"]]
        assert not any(NO_NUMBER.search(in_language(text, lang)) for text in texts)
    json.dumps(plain(result.to_dict()), allow_nan=False)
    assert "<script>alert(1)" not in result._repr_html_()
    for query in result.queries:
        assert all(result.sql(dialect, query=query) for dialect in ("duckdb", "spark", "postgres"))


def _is_sound_or_refused(analysis: catalog.Analysis, t: Trail) -> None:
    reason = ""
    try:
        _is_sound(analysis.function(t))
    except FootpathError as error:
        reason = str(error)
    assert not reason or 20 < len(reason) < 700


@pytest.mark.parametrize("kind", LOGS)
def test_an_analysis_of_a_bad_log_is_sound_or_refuses_with_a_reason(kind: str) -> None:
    make, names = LOGS[kind]
    t = trail(make())
    for name in names:
        _is_sound_or_refused(catalog.entry(name), t)


def test_a_stray_date_a_century_ago_leaves_the_anomalies_sound() -> None:
    acts = [("a", datetime(1931, 1, 1, 5)), *(("b", MONDAY + timedelta(hours=i)) for i in range(900))]
    found = catalog.entry("anomalies").function(log_of(acts), metrics=["acts"])
    _is_sound(found)
    days = [row for row in found.table.to_pylist() if row["span"] == "day"]
    assert len(days) == (MONDAY + timedelta(hours=899)).toordinal() - datetime(1931, 1, 1).toordinal() + 1
    assert sum(row["observed"] for row in days) == len(acts)


def test_a_context_column_may_have_any_name() -> None:
    log = _context()
    assert log.quality.cell("events_view").n == 400
    assert "n" in log.table.columns


def test_a_confidence_or_a_seed_that_cannot_be_is_refused_by_name() -> None:
    t, dense = trail(_many()), trail(_many(days=1))
    for analysis in catalog.ANALYSES:
        if "confidence" in analysis.options and analysis.name != "ab_test":
            for confidence in (1.0, float("nan")):
                with pytest.raises(ConfigError, match=f"confidence must be between 0 and 1, got {confidence:g}"):
                    analysis.function(dense if analysis.name in ("transitions", "markov_order") else t, confidence=confidence)
    for name in ("frequency", "patterns", "interest_drift"):
        with pytest.raises(ConfigError, match="seed must be a whole number of at least 0, got -1"):
            catalog.entry(name).function(t, seed=-1)
    with pytest.raises(ConfigError, match="seed must be a whole number of at least 0, got -1"):
        analyze(t, only=["sessions"], seed=-1)


@pytest.mark.parametrize("minutes", [float("inf"), float("nan"), 1e300, 0.001])
def test_a_pause_that_cannot_end_a_session_is_refused(minutes: float) -> None:
    with pytest.raises(ConfigError, match=f"gap_minutes must be at least one second.* a hundred years.*got {re.escape(f'{minutes:g}')}"):
        trail(_one_user(), gap_minutes=minutes)
    with pytest.raises(ConfigError, match="each of gaps must be at least one second"):
        catalog.entry("sessions").function(_one_user(), gaps=[30, minutes])


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300])
@pytest.mark.parametrize(
    ("name", "option", "more"),
    [
        ("funnel", "window_hours", {"within": "window"}),
        ("patterns", "max_minutes", {}),
        ("propensity", "horizon_days", {}),
        ("time_to_event", "horizon_days", {}),
    ],
)
def test_a_window_that_cannot_be_is_refused_by_name(name: str, option: str, more: dict[str, Any], value: float) -> None:
    with pytest.raises(ConfigError, match=rf"{option} must be .* at most \d+, got {re.escape(f'{value:g}')}"):
        catalog.entry(name).function(_one_user(), **{option: value}, **more)


def test_paths_too_long_to_draw_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_steps must be at least 2 and at most 100, got 1000"):
        catalog.entry("paths").function(_one_user(), max_steps=1000)
