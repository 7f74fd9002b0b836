"""Reconcile: two figures that count users, and the users that are in one of them and not in the other."""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from footpath.analysis.charts import bars
from footpath.errors import ConfigError, NotInLogError
from footpath.result import Cell, Finding, Result, say
from footpath.statistics import SMALL


def reconcile(first: Any, second: Any, *, names: tuple[str, str] | None = None) -> Result:
    """Which users two figures share, and which are in one only.

    first, second: a result with `user_id` in its table or in one of its parts, a table with `user_id` (Arrow, or a frame that gives itself
    as Arrow), or an Ibis table. Repeats count once; rows without a user are left out; both are said.
    names: what the two are called; without it the names of the results, else first and second.
    table: `both`, `only_first`, `only_second` with users and their share of all users in either. parts: the three lists of `user_id`.
    Raises ConfigError where it is not clear which users are meant, NotInLogError where there is no `user_id`.
    """
    called = names or _names(first, second)
    if len(called) != 2 or called[0] == called[1]:
        raise ConfigError(f"names must be two different texts, got {called!r}")
    ids, warnings = [], []
    for given, name in zip((first, second), called, strict=True):
        column = _users(given, name)
        known = pc.drop_null(column)
        unique = pc.unique(known)
        if len(known) < len(column):
            warnings.append(say("{name}: {n:,} rows without a user are left out", "{name}：{n:,} 行没有用户，未计入",
                                name=name, n=len(column) - len(known)))  # fmt: skip
        if len(unique) < len(known):
            warnings.append(say("{name}: {n:,} rows repeat a user and count once", "{name}：{n:,} 行为重复用户，只计一次",
                                name=name, n=len(known) - len(unique)))  # fmt: skip
        ids.append(unique.sort())
    a, b = ids
    in_b, in_a = pc.is_in(a, value_set=b), pc.is_in(b, value_set=a)
    lists = {"both": a.filter(in_b), "only_first": a.filter(pc.invert(in_b)), "only_second": b.filter(pc.invert(in_a))}
    total = sum(len(part) for part in lists.values())
    counts = {name: len(part) for name, part in lists.items()}
    table = pa.table(
        {
            "where": ["both", "only_first", "only_second"],
            "name": [f"{called[0]} & {called[1]}", *called],
            "n_users": list(counts.values()),
            "n": [total] * 3,
            "share": pa.array([n / total if total else None for n in counts.values()], pa.float64()),
        }
    )
    definition = say(
        "Users in both of {first} and {second}, in {first} only, in {second} only. Shares are of the users in either.",
        "同时属于{first}与{second}的用户、仅属于{first}的用户、仅属于{second}的用户。占比以二者并集的用户为分母。",
        first=called[0], second=called[1],
    )  # fmt: skip
    if not total:
        warnings.append(say("neither holds a user", "二者均没有用户"))
    cells = [Cell("first", len(a), "users"), Cell("second", len(b), "users")]
    cells += [Cell(name, n, "users") for name, n in counts.items()]
    if total:
        cells.append(Cell("agreement", counts["both"] / total, "share", total))
    meta: dict[str, Any] = {"definition": definition, "names": list(called), "warnings": warnings} | ({} if total else {"empty": True})
    parts = {name: pa.table({"user_id": part}) for name, part in lists.items()}
    chart = None
    if total:
        series: dict[str, Any] = {say("users", "用户数"): list(counts.values())}
        labels = [
            say("in both", "二者皆有"),
            *(say("only in {name}", "仅在{name}", name=name) for name in called),
        ]
        chart = bars(labels, series, horizontal=True)
    return Result("reconcile", table, meta, tuple(cells), chart, parts, _findings(counts, len(a), len(b), called, total))


def _names(first: Any, second: Any) -> tuple[str, str]:
    given = tuple(one.name if isinstance(one, Result) else "" for one in (first, second))
    return (given[0], given[1]) if all(given) and given[0] != given[1] else ("first", "second")


def _users(given: Any, name: str) -> pa.Array:
    if isinstance(given, Result):
        if "user_id" in given.table.column_names:
            return _column(given.table)
        holding = [part for part, table in given.parts.items() if "user_id" in table.column_names]
        if not holding:
            raise NotInLogError(f"{name}: the result {given.name!r} lists no users; give a table with user_id")
        if len(holding) > 1:
            raise ConfigError(
                f"{name}: the result {given.name!r} lists users in {', '.join(holding)}; give one, such as parts[{holding[0]!r}]"
            )
        return _column(given.parts[holding[0]])
    columns = list(given.columns) if isinstance(given, ir.Table) else None
    if columns is not None:
        if "user_id" not in columns:
            raise NotInLogError(f"{name}: the table has no column user_id; it has: {', '.join(columns)}")
        return _column(given.select("user_id").to_pyarrow())
    if not isinstance(given, pa.Table) and not hasattr(given, "__arrow_c_stream__"):
        raise ConfigError(f"{name} must be a result, a table with user_id or an Ibis table, got {type(given).__name__}")
    table = given if isinstance(given, pa.Table) else pa.table(given)
    if "user_id" not in table.column_names:
        raise NotInLogError(f"{name}: the table has no column user_id; it has: {', '.join(table.column_names)}")
    return _column(table)


def _column(table: pa.Table) -> pa.Array:
    return table["user_id"].cast(pa.string()).combine_chunks()


def _findings(counts: dict[str, int], first: int, second: int, names: tuple[str, str], total: int) -> tuple[Finding, ...]:
    differ = counts["only_first"] + counts["only_second"]
    if total < SMALL or not differ:
        return ()
    text = say(
        "{a} counts {first:,} users and {b} {second:,}: {both:,} are in both, {only_a:,} in {a} only, {only_b:,} in {b} only.",
        "{a} 计 {first:,} 位用户，{b} 计 {second:,} 位：{both:,} 位同属二者，{only_a:,} 位仅在 {a}，{only_b:,} 位仅在 {b}。",
        a=names[0], b=names[1], first=first, second=second, both=counts["both"], only_a=counts["only_first"], only_b=counts["only_second"],
    )  # fmt: skip
    return (Finding("doubt", text, ("first", "second", *counts), None, differ / total),)
