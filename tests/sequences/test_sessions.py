from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from footpath.errors import ConfigError, DataError
from footpath.events.log import EventLog
from footpath.sequences.prepare import prepare
from footpath.sequences.sessions import sessionize, sessions_by_gap, sessions_by_id

MakeLog = Callable[..., EventLog]
MINUTE = 60


def acts(*rows: tuple[str, int, str | None]) -> list[dict[str, Any]]:
    return [{"user_id": user, "item_id": "a", "timestamp": time, "session_id": session} for user, time, session in rows]


def test_a_session_ends_after_more_than_thirty_minutes(make_log: MakeLog) -> None:
    log = make_log(acts(("al", 0, None), ("al", 30 * MINUTE, None), ("al", 60 * MINUTE + 1, None), ("bo", 60 * MINUTE + 2, None)))
    _, numbers = sessionize(log)
    assert numbers.tolist() == [0, 0, 1, 2]


def test_the_gap_is_a_setting_and_outweighs_session_ids(make_log: MakeLog) -> None:
    log = make_log(acts(("al", 0, "x"), ("al", 10 * MINUTE, "x"), ("al", 21 * MINUTE, "x")))
    assert sessionize(log)[1].tolist() == [0, 0, 0]
    assert sessionize(log, gap_minutes=10)[1].tolist() == [0, 0, 1]
    assert sessionize(log, gap_minutes=0.5)[1].tolist() == [0, 1, 2]


def test_session_ids_may_interleave_and_belong_to_one_user_each(make_log: MakeLog) -> None:
    log = make_log(acts(("al", 0, "y"), ("al", 1, "x"), ("al", 2, "y"), ("bo", 3, "y")))
    data, numbers = sessionize(log)
    assert data.n_events == 4
    assert numbers.tolist() == [0, 1, 0, 2]


def test_ids_that_are_not_everywhere_give_way_to_gaps(make_log: MakeLog) -> None:
    assert sessionize(make_log(acts(("al", 0, "x"), ("al", 1, None), ("al", 2, "y"))))[1].tolist() == [0, 0, 0]


def test_without_a_clock_session_ids_are_enough(make_log: MakeLog) -> None:
    rows = acts(("al", 0, "x"), ("al", 0, "y"))
    assert sessionize(make_log(rows, has_clock=False))[1].tolist() == [0, 1]


def test_without_either_the_missing_columns_are_named(make_log: MakeLog) -> None:
    log = make_log(acts(("al", 0, "x"), ("al", 0, None)), has_clock=False)
    with pytest.raises(ConfigError, match=r"'shop' has no clock to find gaps of 30 minutes in, and 1 of its 2 acts have no session id"):
        sessionize(log)
    with pytest.raises(ConfigError, match=r"gaps of 5 minutes in, and its session ids were set aside"):
        sessionize(make_log(acts(("al", 0, "x")), has_clock=False), gap_minutes=5)


def test_a_gap_needs_a_clock_and_a_length() -> None:
    data = prepare(np.array([1, 1]), np.array([1, 2]))
    with pytest.raises(ConfigError, match="gap of 30 minutes need a clock"):
        sessions_by_gap(data)
    timed = prepare(np.array([1, 1]), np.array([1, 2]), np.array([1, 2]))
    with pytest.raises(ConfigError, match="gap_minutes must be above 0, got -1"):
        sessions_by_gap(timed, -1)


def test_session_ids_must_be_one_an_event() -> None:
    data = prepare(np.array([1, 1]), np.array([1, 2]))
    with pytest.raises(DataError, match="1 session ids for 2 events"):
        sessions_by_id(data, pa.array(["x"]))
    with pytest.raises(DataError, match="1 of 2 events have no session id"):
        sessions_by_id(data, pa.array(["x", None]))


def test_empty_rows_hold_no_session() -> None:
    data = prepare(np.array([1, 2, 3]), np.array([1, 2, 3]), np.array([1, 2, 3]))
    middle_gone = data.where(np.array([True, False, True]))
    assert sessions_by_gap(middle_gone).tolist() == [0, 1]
    last_gone = data.where(np.array([True, True, False]))
    assert sessions_by_gap(last_gone).tolist() == [0, 1]
