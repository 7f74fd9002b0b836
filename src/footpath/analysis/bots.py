"""Users that look automatic, why they were flagged, and what every headline figure is with and without them."""

from __future__ import annotations

from typing import Any, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from footpath.analysis import words
from footpath.analysis.charts import bars
from footpath.analysis.trail import Trail, trail
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Result, say

SCHEMA: Final = {
    "metric": pa.string(),
    "value": pa.float64(),
    "without": pa.float64(),
    "difference": pa.float64(),
    "relative": pa.float64(),
    "n": pa.int64(),
    "n_without": pa.int64(),
}
FLAGGED: Final = {
    "user_id": pa.string(),
    "reason": pa.string(),
    "n_acts": pa.int64(),
    "share": pa.float64(),
}
CONVERSIONS: Final = (("view", "cart"), ("click", "cart"), ("cart", "purchase"), ("view", "purchase"), ("click", "purchase"))
"""Pairs of types of which the share of users that go from one to the other is a headline."""
MATTERS: Final = 0.02
"""A headline that moves by less than this share of itself is not worth a doubt."""


def bots(log: EventLog | Trail) -> Result:
    """Every headline figure with and without the users that the quality report suspects; nobody is removed from anything.

    parts: `flagged` (`user_id`, `reason`, `n_acts`, `share` of all acts). The rule behind the flags is that of the quality report.
    """
    t = trail(log)
    definition = say(
        "flagged: users that meet the quality report's rule for automatic acts (long runs without pauses, bursts, even pauses, no sleep); "
        "each headline is counted over everybody and over everybody else; a conversion is the share of users with the first act who "
        "also have the second; the click rate is clicks per impression",
        "被标记：符合质量报告自动化行为规则的用户（长时间无停顿、突发、间隔均匀、昼夜不停）；每项主要指标分别按全部用户与剔除后计算；"
        "转化率为有前一行为的用户中也有后一行为的比例；点击率为每次展示的点击数",
    )
    if not t.counts.acts:
        return t.nothing("bots", definition, say("no acts are left after the filters", "筛选后没有任何行为"), SCHEMA)
    warnings = []
    if t.log.bots is None:
        warnings.append(
            say(
                "suspected bots were never looked for in this log: it is analysed where it lies; ingest it to have them flagged",
                "该日志未做机器人检测（数据就地分析）；导入后即可标记",
            )
        )
    elif not t.log.has_clock:
        warnings.append(say("bots are told by their times, and this log has no clock", "机器人靠时间特征识别，而本日志没有时钟"))
    if t.settings["bots"] == "drop":
        warnings.append(say("suspected bots were left out of these acts already", "疑似机器人已从这些行为中剔除"))
    shown = _impressions(t)
    per_user, query = t.compute(lambda acts: _per_user(acts, t.types))
    everybody = {row["flagged"]: row for row in _sums(t, t.acts).to_pyarrow().to_pylist()}
    table = pa.Table.from_pylist(_rows(t, everybody, shown), schema=pa.schema(list(SCHEMA.items())))
    flagged = _flagged(t, per_user)
    if not flagged.num_rows and t.log.bots is not None and t.log.has_clock and t.settings["bots"] == "keep":
        definition = say(
            "no user of this log looks automatic, so that all figures are the same with and without; {definition}",
            "本日志中没有疑似机器人的用户，剔除前后的数字因此相同；{definition}",
            definition=definition,
        )
    cells = _cells(t, table, flagged)
    return Result(
        "bots",
        table,
        t.meta(definition, warnings=warnings),
        tuple(cells),
        _chart(table) if flagged.num_rows else None,
        {"flagged": flagged},
        tuple(_findings(t, table, flagged)),
        {"headlines": _sums(t, t.lazy), "users": query},
    )


def _marked(t: Trail, acts: ir.Table) -> ir.Table:
    """`user_id` and `flagged` of every user of the acts."""
    users = acts.select("user_id").distinct()
    if t.log.bots is None:
        return users.mutate(flagged=ibis.literal(0, "int64"))
    suspects = t.log.bots.select(_suspect=t.log.bots.user_id).distinct()
    joined = users.left_join(suspects, users.user_id == suspects._suspect)
    return joined.select("user_id", flagged=joined._suspect.notnull().cast("int64"))


def _per_user(acts: ir.Table, types: dict[str, int]) -> ir.Table:
    kinds = {f"n_{name}": (acts.event_type == name).cast("int64").sum() for name in types}
    return acts.group_by("user_id").agg(n_acts=acts.count(), n_sessions=(acts.step == 0).cast("int64").sum(), **kinds)


def _sums(t: Trail, acts: ir.Table) -> ir.Table:
    """One row for people and one for suspects: users, acts, sessions, and the users that go from one type to another."""
    users = _per_user(acts, t.types)
    marked = _marked(t, acts)
    users = users.join(marked, "user_id")
    both: dict[str, Any] = {}
    for first, then in _pairs(t):
        both[f"both_{first}_{then}"] = ((users[f"n_{first}"] > 0) & (users[f"n_{then}"] > 0)).cast("int64").sum()
    for name in t.types:
        both[f"users_{name}"] = (users[f"n_{name}"] > 0).cast("int64").sum()
        both[f"acts_{name}"] = users[f"n_{name}"].sum().cast("int64")
    return users.group_by("flagged").agg(
        users=users.count(), acts=users.n_acts.sum().cast("int64"), sessions=users.n_sessions.sum().cast("int64"), **both
    )


def _pairs(t: Trail) -> list[tuple[str, str]]:
    return [(a, b) for a, b in CONVERSIONS if a in t.types and b in t.types]


def _impressions(t: Trail) -> dict[int, int]:
    """Impressions of people (0) and of suspects (1), within the window and the users of the trail."""
    there = t.log.table.filter(t.log.table.event_type == "impression").limit(1).count().to_pyarrow().as_py()
    if not there:
        return {}
    shown = trail(t, event_types=["impression"], cache=False).acts
    per_user = shown.group_by("user_id").agg(n=shown.count())
    joined = per_user.join(_marked(t, shown), "user_id")
    rows = joined.group_by("flagged").agg(n=joined.n.sum().cast("int64")).to_pyarrow().to_pylist()
    return {row["flagged"]: row["n"] for row in rows}


def _rows(t: Trail, sums: dict[int, dict[str, Any]], shown: dict[int, int]) -> list[dict[str, Any]]:
    def total(name: str, without: bool) -> int:
        return sum(int(row[name]) for flag, row in sums.items() if not (without and flag))

    def impressions(without: bool) -> int:
        return sum(n for flag, n in shown.items() if not (without and flag))

    rows = []

    def add(metric: str, tops: tuple[float, float], under: tuple[int, int] | None = None) -> None:
        value, without = (top if under is None else (top / n if n else None) for top, n in zip(tops, under or (1, 1), strict=True))
        gap = None if value is None or without is None else without - value
        n, n_without = under or (total("users", False), total("users", True))
        rows.append(
            {
                "metric": metric, "value": value, "without": without, "difference": gap,
                "relative": gap / value if gap is not None and value else None, "n": n, "n_without": n_without,
            }
        )  # fmt: skip

    def pair(name: str) -> tuple[int, int]:
        return total(name, False), total(name, True)

    for name in ("users", "sessions", "acts"):
        add(name, pair(name))
    add("acts_per_session", pair("acts"), pair("sessions"))
    add("acts_per_user", pair("acts"), pair("users"))
    for first, then in _pairs(t):
        add(f"conversion_{first}_{then}", pair(f"both_{first}_{then}"), pair(f"users_{first}"))
    if shown and "click" in t.types:
        add("click_rate", pair("acts_click"), (impressions(False), impressions(True)))
    return rows


def _flagged(t: Trail, per_user: pa.Table) -> pa.Table:
    schema = pa.schema(list(FLAGGED.items()))
    if t.log.bots is None:
        return schema.empty_table()
    suspects = {row["user_id"]: row for row in t.log.bots.to_pyarrow().to_pylist()}
    kept = per_user.filter(pc.is_in(per_user["user_id"].cast(pa.string()), value_set=pa.array(list(suspects), pa.string())))
    rows = [
        {"user_id": row["user_id"], "reason": suspects[row["user_id"]]["reason"], "n_acts": row["n_acts"],
         "share": row["n_acts"] / t.counts.acts}
        for row in kept.select(["user_id", "n_acts"]).to_pylist()
    ]  # fmt: skip
    return pa.Table.from_pylist(sorted(rows, key=lambda row: (-row["n_acts"], row["user_id"])), schema=schema)


def _cells(t: Trail, table: pa.Table, flagged: pa.Table) -> list[Cell]:
    n_acts = sum(flagged["n_acts"].to_pylist())
    cells = [
        Cell("flagged", flagged.num_rows, "users", t.counts.users),
        Cell("flagged_share", n_acts / t.counts.acts, "share", t.counts.acts, note="of acts"),
    ]
    for row in table.to_pylist():
        counted = row["metric"] in ("users", "sessions", "acts")
        unit = row["metric"] if counted else "acts" if row["metric"].startswith("acts_per") else "share"
        cells.append(Cell(row["metric"], row["value"], unit, None if counted else row["n"]))
        cells.append(Cell(f"{row['metric']}_without", row["without"], unit, None if counted else row["n_without"]))
    return cells


def _chart(table: pa.Table) -> dict[str, Any]:
    rows = [row for row in table.to_pylist() if row["relative"] is not None]
    return bars(
        [words.value("bots", "metric", row["metric"]) for row in rows],
        {say("change without the flagged users", "剔除被标记用户后的变化"): [row["relative"] for row in rows]},
        format="share",
        horizontal=True,
        y_name=say("relative change without the flagged users", "剔除被标记用户后的相对变化"),
    )


def _findings(t: Trail, table: pa.Table, flagged: pa.Table) -> list[Finding]:
    n, acts = flagged.num_rows, sum(flagged["n_acts"].to_pylist())
    share = acts / t.counts.acts
    if not n or share < MATTERS / 2 or t.counts.users < 30:
        return []
    moved = [
        row for row in table.to_pylist()
        if row["relative"] is not None and abs(row["relative"]) >= MATTERS and row["metric"] not in ("users", "sessions", "acts")
        and min(row["n"], row["n_without"]) >= 30
    ]  # fmt: skip
    worst = max(moved, key=lambda row: (abs(row["relative"]), row["metric"]), default=None)
    cells = ["flagged", "flagged_share"]
    text = say(
        "{n:,} users look automatic and made {share:.1%} of all acts",
        "{n:,} 位用户疑似机器人，产生了全部行为的 {share:.1%}",
        n=n, share=share,
    )  # fmt: skip
    if worst is not None:
        kind = NAMES.get(worst["metric"]) or say(
            "conversion from {a} to {b}", "{a} 到 {b} 的转化率", a=worst["metric"].split("_")[1], b=worst["metric"].split("_")[2]
        )
        shape = "{old:.2f} to {new:.2f}" if worst["metric"].startswith("acts") else "{old:.1%} to {new:.1%}"
        chinese = shape.replace(" to ", " 变为 ")
        text = say(
            "{start}; without them {what} goes from " + shape,
            "{start}；剔除后{what}由 " + chinese,
            start=text, what=kind, old=worst["value"], new=worst["without"],
        )  # fmt: skip
        cells += [worst["metric"], f"{worst['metric']}_without"]
    weight = min(1.0, share + (abs(worst["relative"]) if worst is not None else 0.0))
    return [Finding("doubt", text, tuple(cells), weight=weight)]


NAMES: Final = {
    "acts_per_session": say("acts per session", "每会话行为数"),
    "acts_per_user": say("acts per user", "人均行为数"),
    "click_rate": say("the click rate", "点击率"),
}
