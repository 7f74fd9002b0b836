"""The read-out of an A/B test: are the arms what they should be, then what differs, by how much, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from jaxtyping import Float64
from scipy.special import chdtrc, ndtr, ndtri

from footpath.analysis.charts import intervals
from footpath.analysis.trail import Trail, trail, with_impressions
from footpath.errors import ConfigError, NotInLogError, did_you_mean
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, holm, ratio_errors

MISMATCH: Final = 0.001
"""A sample-ratio p below this is no chance: what assigns or records users treats the arms differently (Fabijan et al., KDD 2019)."""
CONTROLS: Final = ("control", "a", "base", "baseline", "default", "logging", "old")
SCHEMA: Final = {
    "metric": pa.string(),
    "role": pa.string(),
    "arm": pa.string(),
    "n_users": pa.int64(),
    "n": pa.int64(),
    "value": pa.float64(),
    "value_low": pa.float64(),
    "value_high": pa.float64(),
    "difference": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "relative": pa.float64(),
    "relative_low": pa.float64(),
    "relative_high": pa.float64(),
    "p_value": pa.float64(),
    "q_value": pa.float64(),
}
ARMS: Final = {"arm": pa.string(), "n_users": pa.int64(), "share": pa.float64(), "expected_share": pa.float64()}


@dataclass(frozen=True)
class Metric:
    """A ratio of sums over users: top / under; `users` under it makes it a mean per user."""

    name: str
    top: str
    under: str
    unit: str
    said: Phrase
    needs: tuple[str, ...] = ()


METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric(
            "click_rate", "clicked", "shown", "share",
            say("click rate (items clicked per item shown in a request)", "点击率（被点击物品数 / 展示物品数）"), ("impression", "click"),
        ),
        Metric(
            "purchase_rate", "buyers", "users", "share",
            say("purchase rate (users with a purchase)", "购买率（有购买的用户比例）"), ("purchase",),
        ),
        Metric(
            "cart_rate", "carters", "users", "share",
            say("cart rate (users with something in the cart)", "加购率（有加购的用户比例）"), ("cart",),
        ),
        Metric("purchases_per_user", "purchases", "users", "acts", say("purchases per user", "人均购买次数"), ("purchase",)),
        Metric("sessions_per_user", "sessions", "users", "sessions", say("sessions per user", "人均会话数")),
        Metric("acts_per_user", "acts", "users", "acts", say("acts per user", "人均行为数")),
    )
}  # fmt: skip


def ab_test(
    log: EventLog | Trail,
    *,
    arm: str = "policy",
    metric: str | None = None,
    guardrails: Sequence[str] = ("purchase_rate", "sessions_per_user", "acts_per_user"),
    control: str | None = None,
    ratio: Mapping[str, float] | None = None,
    bots: Literal["drop", "keep"] = "drop",
    confidence: float = 0.95,
) -> Result:
    """Difference of each arm to the control in one metric and in guardrails, with the user as the unit; the sample ratio comes first.

    arm: a column of the acts or of the user table. Users with acts in two arms are counted and left out. metric: click_rate where the log
    has impressions and clicks, else purchase_rate; see `METRICS`. control: an arm called control, a, base, default or logging, else the
    first by name. ratio: the planned share of users of each arm, equal without it. Acts count from the first one with an arm to a day
    after the last.
    Intervals and p by the delta method over users; relative ones by the delta method of the log of the ratio; q: Holm over arms for the
    metric, and over arms and guardrails for those. Where the arms' sizes could not come from the plan (chi-square p < 0.001) nothing is
    compared. parts: `arms`. Raises NotInLogError without the column, ConfigError for unknown metrics or arms.

    Kohavi, Tang and Xu, Trustworthy Online Controlled Experiments, 2020; Deng, Knoblich and Lu, KDD 2018.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must be between 0 and 1, got {confidence:g}")
    for name in (metric, *guardrails):
        if name is not None and name not in METRICS:
            raise ConfigError(f"no metric {name!r}; known are {', '.join(METRICS)}{did_you_mean(name, METRICS)}")
    t = trail(log, bots=bots) if bots == "drop" else trail(log)
    plain = say("users by {arm}", "按 {arm} 分组的用户", arm=arm)
    wide = with_impressions(t)
    if not wide.counts.acts:
        return t.nothing("ab_test", plain, say("no acts are left after the filters", "筛选后没有任何行为"), SCHEMA)
    if arm not in wide.acts.columns and (t.log.users is None or arm not in t.log.users.columns):
        known = [*wide.acts.columns, *([] if t.log.users is None else t.log.users.columns)]
        raise NotInLogError(
            f"an A/B read-out needs a column that says which arm a user is in, and log {t.log.name!r} has no {arm!r}"
            f"{did_you_mean(arm, known)}; map one to policy at ingest, or name another: ab_test(log, arm='COLUMN')"
        )
    main = _main_metric(wide, metric)
    watched = [METRICS[name] for name in guardrails if name != main.name and all(kind in wide.types for kind in METRICS[name].needs)]
    definition = _definition(main, watched, arm, bots)
    assigned, n_several = _assigned(wide, arm)
    arms = sorted(assigned)
    if len(arms) < 2:
        why = say(
            "a test needs users in two arms, and the column {arm} has {n}",
            "实验至少需要两组用户，而列 {arm} 只有 {n} 组",
            arm=arm,
            n=len(arms),
        )
        return t.nothing("ab_test", definition, why, SCHEMA)
    base = _control(arms, control)
    planned = _planned(arms, ratio)
    ratio_p = _sample_ratio(np.array([assigned[a] for a in arms], np.float64), np.array([planned[a] for a in arms]))
    arm_table = pa.Table.from_pylist(
        [{"arm": a, "n_users": assigned[a], "share": assigned[a] / sum(assigned.values()), "expected_share": planned[a]} for a in arms],
        schema=pa.schema(list(ARMS.items())),
    )
    warnings = _warnings(t, n_several, bots, assigned)
    cells = [Cell("sample_ratio_p", ratio_p, "p", sum(assigned.values())), Cell("users_in_several_arms", n_several, "users")]
    cells += [Cell(f"users.{a}", assigned[a], "users") for a in arms]
    about = {"arm": arm, "control": base, "metric": main.name, "sample_ratio_p": ratio_p, "confidence": confidence}

    if ratio_p < MISMATCH:
        sizes = ", ".join(f"{a}: {assigned[a]:,}" for a in arms)
        doubt = say(
            "The arms of {arm} cannot be compared: their sizes ({sizes}) are not the planned ones (p = {p:.1g}), so who is in which arm is "
            "no chance; find out why before reading any difference",
            "{arm} 的各组不可比较：各组人数（{sizes}）与计划不符（p = {p:.1g}），说明分组并非随机；在查明原因之前不要解读任何差异",
            arm=arm, sizes=sizes, p=ratio_p,
        )  # fmt: skip
        table = pa.schema(list(SCHEMA.items())).empty_table()
        kept = ("sample_ratio_p", *(f"users.{a}" for a in arms))
        finding = Finding("doubt", doubt, kept, ratio_p, 0.9)
        meta = t.meta(definition, warnings=[doubt, *warnings], empty=True, **about)
        return Result("ab_test", table, meta, tuple(cells), None, {"arms": arm_table}, (finding,))

    def sums(acts: ir.Table, wide_acts: ir.Table) -> ir.Table:
        return _sums(_users(wide, t, acts, wide_acts, arm), [main, *watched])

    totals = {row["arm"]: row for row in sums(t.acts, wide.acts).to_pyarrow().to_pylist()}
    rows = _rows(totals, [main, *watched], arms, base, confidence)
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(SCHEMA.items())))
    cells += _metric_cells(rows, base)
    return Result(
        "ab_test",
        table,
        t.meta(definition, warnings=warnings, **about),
        tuple(cells),
        _chart(rows, base),
        {"arms": arm_table},
        tuple(_findings(rows, main, base, 1 - confidence)),
        {"users_of_arms": sums(t.lazy, wide.lazy)},
    )


def _main_metric(t: Trail, metric: str | None) -> Metric:
    if metric is None:
        metric = next(
            (name for name in ("click_rate", "purchase_rate") if all(kind in t.types for kind in METRICS[name].needs)), "acts_per_user"
        )
    t.need_types(f"the metric {metric}", METRICS[metric].needs)
    return METRICS[metric]


def _definition(main: Metric, watched: list[Metric], arm: str, bots: str) -> Phrase:
    names = [metric.said for metric in watched]
    return say(
        "users by {arm}; {main} of each arm against the control, the user as the unit (delta method); guardrails: {watched}; "
        "acts from the first one with an arm to a day after the last; users in two arms are left out{bots}",
        "按 {arm} 分组的用户；各组{main}与对照组之差，以用户为单位（delta 方法）；护栏指标：{watched}；"
        "统计首个带分组的行为至末个之后一天内的行为；跨组用户不计入{bots}",
        arm=arm,
        main=main.said,
        watched=Phrase(", ".join(names) or "none", "、".join(name.zh for name in names) or "无"),
        bots=say(", and so are suspected bots", "，疑似机器人亦不计入") if bots == "drop" else "",
    )


def _arms_of(t: Trail, acts: ir.Table, arm: str) -> ir.Table:
    """`user_id`, `arm`, `arms` (how many) of every user with an arm."""
    if arm in acts.columns:
        named = acts.filter(acts[arm].notnull())
        text = named[arm].cast("string")
        return named.group_by("user_id").agg(arm=text.min(), arms=text.nunique().cast("int64"))
    given = replace(t, acts=acts).segments(arm)
    given = given.filter(given.segment != "none")
    return given.select("user_id", arm=given.segment, arms=ibis.literal(1, "int64"))


def _assigned(t: Trail, arm: str) -> tuple[dict[str, int], int]:
    found = _arms_of(t, t.acts, arm)
    single = (found.arms == 1).cast("int64")
    rows = found.group_by("arm").agg(one=single.sum().cast("int64"), several=(1 - single).sum().cast("int64")).to_pyarrow().to_pylist()
    return {row["arm"]: row["one"] for row in rows if row["one"]}, sum(row["several"] for row in rows)


def _control(arms: list[str], control: str | None) -> str:
    if control is not None:
        if control not in arms:
            raise ConfigError(f"no arm {control!r} with users of its own; there are: {', '.join(arms)}{did_you_mean(control, arms)}")
        return control
    by_name = {name.lower(): name for name in reversed(arms)}
    return next((by_name[name] for name in CONTROLS if name in by_name), arms[0])


def _planned(arms: list[str], ratio: Mapping[str, float] | None) -> dict[str, float]:
    if ratio is None:
        return dict.fromkeys(arms, 1 / len(arms))
    for name in arms:
        if name not in ratio or not ratio[name] > 0:
            raise ConfigError(f"ratio needs a share above 0 for every arm with users, and {name!r} has {ratio.get(name)}")
    total = sum(ratio[name] for name in arms)
    return {name: ratio[name] / total for name in arms}


def _sample_ratio(found: Float64[np.ndarray, " A"], planned: Float64[np.ndarray, " A"]) -> float:
    expected = planned * found.sum()
    return float(chdtrc(len(found) - 1, ((found - expected) ** 2 / expected).sum()))


def _warnings(t: Trail, n_several: int, bots: str, assigned: dict[str, int]) -> list[Phrase]:
    warnings = []
    if n_several:
        warnings.append(
            say(
                "{n:,} users have acts in two or more arms and are left out; many of them mean that users change arms",
                "{n:,} 位用户在两个或以上的组中有行为，未计入；若为数众多，说明用户会换组",
                n=n_several,
            )
        )  # fmt: skip
    if min(assigned.values()) < SMALL:
        warnings.append(say("an arm has under 30 users: nothing can be said yet", "有一组不足 30 位用户：尚不能下结论"))
    if not t.has_sessions:
        warnings.append(say("the log has no sessions: each user counts as one", "日志没有会话：每位用户计为一个会话"))
    return warnings


def _users(wide: Trail, t: Trail, acts: ir.Table, wide_acts: ir.Table, arm: str) -> ir.Table:
    """One row a user with one arm: `arm` and the sums that the metrics are made of."""
    arms = _arms_of(wide, wide_acts, arm)
    arms = arms.filter(arms.arms == 1).select("user_id", "arm")
    if arm in wide_acts.columns and t.log.has_clock:
        named = wide_acts.filter(wide_acts[arm].notnull())
        window = named.aggregate(_begin=named.timestamp.min(), _end=named.timestamp.max() + ibis.interval(days=1))
        acts, wide_acts = (_within(table, window) for table in (acts, wide_acts))

    counted = acts.filter(acts.event_type != "impression") if "impression" in t.types else acts
    per_user = counted.group_by("user_id").agg(
        acts=counted.count(),
        purchases=(counted.event_type == "purchase").cast("int64").sum(),
        carts=(counted.event_type == "cart").cast("int64").sum(),
    )
    sessions = counted.select("user_id", "session").distinct()
    per_user_sessions = sessions.group_by("user_id").agg(sessions=sessions.count())
    users = arms
    for part in (per_user, per_user_sessions, _clicks(wide_acts)):
        columns = [c for c in part.columns if c != "user_id"]
        named_part = part.rename(_user="user_id")
        joined = users.left_join(named_part, users.user_id == named_part._user).drop("_user")
        users = joined.mutate(**{c: joined[c].fill_null(0).cast("float64") for c in columns})
    return users.mutate(users=ibis.literal(1.0), buyers=(users.purchases > 0).cast("float64"), carters=(users.carts > 0).cast("float64"))


def _within(table: ir.Table, window: ir.Table) -> ir.Table:
    joined = table.cross_join(window)
    return joined.filter((joined.timestamp >= joined._begin) & (joined.timestamp <= joined._end)).drop("_begin", "_end")


def _clicks(acts: ir.Table) -> ir.Table:
    """`user_id`, `shown`, `clicked`: items shown in a request, and those of them clicked later; without request ids, per user and item."""
    kept = acts.filter(acts.event_type.isin(["impression", "click"]) & acts.item_id.notnull())
    keys = ["user_id", "item_id"]
    if "request_id" in kept.columns:
        keys = ["user_id", "request_id", "item_id"]
    first = kept.position.min(where=kept.event_type == "impression")
    last = kept.position.max(where=kept.event_type == "click")
    units = kept.group_by(keys).agg(_first=first, _last=last)
    units = units.filter(units._first.notnull())
    return units.group_by("user_id").agg(shown=units.count(), clicked=(units._last > units._first).fill_null(False).cast("int64").sum())


def _sums(users: ir.Table, metrics: list[Metric]) -> ir.Table:
    """One row an arm: of each metric the sums and sums of products over users that the delta method needs."""
    made: dict[str, Any] = {"n_users": users.count()}
    for metric in metrics:
        k, n = users[metric.top], users[metric.under]
        for name, value in (("k", k), ("n", n), ("kk", k * k), ("nn", n * n), ("kn", k * n)):
            made[f"{metric.name}_{name}"] = value.sum()
    return users.group_by("arm").agg(**made)


def _rows(totals: dict[str, dict[str, Any]], metrics: list[Metric], arms: list[str], base: str, confidence: float) -> list[dict[str, Any]]:
    z = float(ndtri((1 + confidence) / 2))
    figures: dict[tuple[str, str], tuple[float, float]] = {}
    for metric in metrics:
        for a in arms:
            sums = totals[a]
            value, error = ratio_errors(sums["n_users"], *(sums[f"{metric.name}_{name}"] for name in ("k", "n", "kk", "nn", "kn")))
            figures[metric.name, a] = float(value), float(error)
    rows = []
    for i, metric in enumerate(metrics):
        for a in [base, *(a for a in arms if a != base)]:
            new, spread = figures[metric.name, a]
            row = {
                "metric": metric.name, "role": "metric" if i == 0 else "guardrail", "arm": a, "n_users": totals[a]["n_users"],
                "n": round(totals[a][f"{metric.name}_n"]), "value": _none(new),
                "value_low": _none(new - z * spread), "value_high": _none(new + z * spread),
            }  # fmt: skip
            if a != base:
                row |= _difference(*figures[metric.name, base], new, spread, z)
            rows.append(row)
    for role in ("metric", "guardrail"):
        tested = [row for row in rows if row["role"] == role and row.get("p_value") is not None]
        for row, q in zip(tested, holm([row["p_value"] for row in tested]), strict=True):
            row["q_value"] = float(q)
    return rows


def _difference(old: float, old_error: float, new: float, new_error: float, z: float) -> dict[str, float | None]:
    gap, error = new - old, float(np.hypot(old_error, new_error))
    found = {"difference": _none(gap), "low": _none(gap - z * error), "high": _none(gap + z * error)}
    if error > 0:
        found["p_value"] = _none(float(2 * ndtr(-abs(gap) / error)))
    if old > 0 and new == 0:
        found["relative"], found["relative_low"] = -1.0, -1.0
        found["relative_high"] = _none(min(0.0, (gap + z * error) / old))
    if old > 0 and new > 0:
        # on the log scale the interval of a ratio cannot cross 0
        spread = float(np.hypot(old_error / old, new_error / new))
        found["relative"] = new / old - 1
        found["relative_low"] = _none(new / old * float(np.exp(-z * spread)) - 1)
        found["relative_high"] = _none(new / old * float(np.exp(z * spread)) - 1)
    return found


def _none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _metric_cells(rows: list[dict[str, Any]], base: str) -> list[Cell]:
    cells = []
    for row in rows:
        unit = METRICS[row["metric"]].unit
        cells.append(Cell(f"{row['metric']}.{row['arm']}", row["value"], unit, row["n_users"], row["value_low"], row["value_high"]))
        if row["arm"] != base:
            name = f"{row['metric']}.{row['arm']}"
            cells.append(Cell(f"{name}.difference", row.get("difference"), unit, row["n_users"], row.get("low"), row.get("high")))
            cells.append(
                Cell(f"{name}.relative", row.get("relative"), "share", row["n_users"], row.get("relative_low"), row.get("relative_high"))
            )
    return cells


def _chart(rows: list[dict[str, Any]], base: str) -> dict[str, Any] | None:
    kept = [row for row in rows if row["arm"] != base and row.get("relative") is not None]
    if not kept:
        return None
    several = len({row["arm"] for row in kept}) > 1
    names = [METRICS[row["metric"]].said if not several else f"{row['metric']} ({row['arm']})" for row in kept]
    label = say("relative to {base}", "相对于 {base}", base=base)
    return intervals(
        names, {label: [(row["relative"], row["relative_low"], row["relative_high"]) for row in kept]},
        x_name=say("relative difference", "相对差异"),
    )  # fmt: skip


def _findings(rows: list[dict[str, Any]], main: Metric, base: str, level: float) -> list[Finding]:
    found = []
    sizes = {row["arm"]: row["n_users"] for row in rows}
    named = main.said.split(" (")[0]
    named_zh = main.said.zh.split("（")[0]
    for row in rows:
        if row["arm"] == base or row.get("q_value") is None or row.get("relative") is None:
            continue
        if min(sizes[base], row["n_users"]) < SMALL or row["q_value"] >= level:
            continue
        kept = (f"{row['metric']}.{base}", f"{row['metric']}.{row['arm']}", f"{row['metric']}.{row['arm']}.relative")
        values = {
            "arm": row["arm"], "base": base, "relative": row["relative"], "low": row["relative_low"], "high": row["relative_high"],
            "old": _shown(next(r["value"] for r in rows if r["metric"] == row["metric"] and r["arm"] == base), row["metric"]),
            "new": _shown(row["value"], row["metric"]),
        }  # fmt: skip
        if row["role"] == "metric":
            text = say(
                "{arm} has a {metric} of {new} against {old} for {base}: {relative:+.1%} [{low:+.1%}, {high:+.1%}]",
                "{arm} 的{metric}为 {new}，{base} 为 {old}：相对变化 {relative:+.1%} [{low:+.1%}, {high:+.1%}]",
                metric=Phrase(named, named_zh), **values,
            )  # fmt: skip
            found.append(Finding("finding", text, kept, row["p_value"], min(1.0, 0.5 + abs(row["relative"]))))
        elif row["relative"] < 0:
            said = METRICS[row["metric"]].said
            text = say(
                "A guardrail fell: the {metric} of {arm} is {relative:+.1%} against {base} [{low:+.1%}, {high:+.1%}]",
                "护栏指标下降：{arm} 的{metric}相对 {base} 变化 {relative:+.1%} [{low:+.1%}, {high:+.1%}]",
                metric=Phrase(said.split(" (")[0], said.zh.split("（")[0]), **values,
            )  # fmt: skip
            found.append(Finding("doubt", text, kept, row["p_value"], min(1.0, 0.5 + abs(row["relative"]))))
    return found[:3]


def _shown(value: float, metric: str) -> str:
    return f"{value:.1%}" if METRICS[metric].unit == "share" else f"{value:.2f}"
