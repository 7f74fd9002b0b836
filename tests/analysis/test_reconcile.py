"""Reconcile: lists worked by hand, from results, Arrow and Ibis tables."""

from __future__ import annotations

import ibis
import pyarrow as pa
import pytest

from footpath.analysis.reconcile import reconcile
from footpath.analysis.retention import retained_users
from footpath.analysis.rfm import rfm
from footpath.errors import ConfigError, NotInLogError
from footpath.result import Result
from tests.analysis.logs_by_hand import on_days


def users(*ids: str | None) -> pa.Table:
    return pa.table({"user_id": pa.array(ids, pa.string())})


def test_who_is_in_one_and_not_in_the_other() -> None:
    result = reconcile(users("b", "a", "c"), users("c", "d", "a", "e"), names=("funnel", "path"))
    assert [row["n_users"] for row in result.table.to_pylist()] == [2, 1, 2]
    assert [row["share"] for row in result.table.to_pylist()] == [0.4, 0.2, 0.4]
    assert {name: part["user_id"].to_pylist() for name, part in result.parts.items()} == {
        "both": ["a", "c"], "only_first": ["b"], "only_second": ["d", "e"],
    }  # fmt: skip
    assert "only in funnel" in [str(name) for name in result.chart["yAxis"]["data"]]  # type: ignore[index]
    assert result.findings == ()  # fewer than 30 users


def test_repeats_and_rows_without_a_user_are_said() -> None:
    result = reconcile(users("a", "a", None), users("a"))
    assert result.cell("both").value == 1
    assert result.meta["warnings"] == ["first: 1 rows without a user are left out", "first: 1 rows repeat a user and count once"]


def test_results_and_ibis_tables_are_taken_too() -> None:
    log = on_days([("ann", 0.5), ("ann", 8.5), ("bob", 1.5), ("cleo", 9.5)])
    cell = retained_users(log, "2026-03-02", 1, period="week")
    result = reconcile(rfm(log), cell, names=("all", "back"))
    assert result.parts["only_first"]["user_id"].to_pylist() == ["bob", "cleo"]
    assert reconcile(log.table, ibis.memtable(users("ann"))).cell("only_first").value == 2


def test_a_difference_of_many_users_is_a_doubt() -> None:
    result = reconcile(users(*(f"u{i}" for i in range(50))), users(*(f"u{i}" for i in range(10, 60))))
    (doubt,) = result.findings
    assert doubt.kind == "doubt"
    assert "first counts 50 users and second 50: 40 are in both, 10 in first only" in doubt.text
    assert reconcile(users(*(f"u{i}" for i in range(50))), users(*(f"u{i}" for i in range(50)))).findings == ()


def test_what_lists_no_users_or_too_many_is_refused() -> None:
    nobody = Result("paths", pa.table({"n": [1]}))
    with pytest.raises(NotInLogError, match="'paths' lists no users"):
        reconcile(nobody, users("a"))
    both = Result("funnel", pa.table({"n": [1]}), parts={"dropped": users("a"), "done": users("b")})
    with pytest.raises(ConfigError, match=r"lists users in dropped, done; give one, such as parts\['dropped'\]"):
        reconcile(users("a"), both)
    with pytest.raises(NotInLogError, match="no column user_id; it has: n"):
        reconcile(pa.table({"n": [1]}), users("a"))
    with pytest.raises(NotInLogError, match="no column user_id; it has: n"):
        reconcile(ibis.memtable(pa.table({"n": [1]})), users("a"))
    with pytest.raises(ConfigError, match="got list"):
        reconcile(["a"], users("a"))
    with pytest.raises(ConfigError, match="two different texts"):
        reconcile(users("a"), users("a"), names=("x", "x"))


def test_nobody_at_all() -> None:
    result = reconcile(users(), users())
    assert result.is_empty
    assert result.chart is None
    assert result.meta["warnings"] == ["neither holds a user"]
