"""How often what is shown is clicked, and what is clicked is bought: by item, category, slot, policy, segment or day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from jaxtyping import Float64
from scipy.special import ndtr

from footpath.analysis import words
from footpath.analysis.charts import intervals, lines
from footpath.analysis.trail import Trail, main_categories, trail, with_impressions
from footpath.errors import ConfigError, NotInLogError, did_you_mean
from footpath.events.contract import EVENT_TYPES
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, bootstrap_means, quantile_of, ratio_errors, ratio_interval, wilson

MAX_ROWS: Final = 1_000
SHOWN_ROWS: Final = 30
BOOTSTRAPPED: Final = 20_000
"""Users up to which the headline's interval is drawn; above, the delta method gives the same and costs nothing."""
KEYS: Final = ("item", "category", "slot", "policy", "segment", "day")
SCHEMA: Final = {
    "measure": pa.string(),
    "value": pa.string(),
    "title": pa.string(),
    "n": pa.int64(),
    "n_users": pa.int64(),
    "acted": pa.int64(),
    "rate": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "cluster_low": pa.float64(),
    "cluster_high": pa.float64(),
    "lift": pa.float64(),
    "p_value": pa.float64(),
    "small": pa.bool_(),
    "complete": pa.bool_(),
}


@dataclass(frozen=True)
class Measure:
    """One rate: of what is shown, what share is acted upon. link: how an act finds what it answers: `request`, `pair` or `user`."""

    name: str
    shown: str
    acted: str
    link: str

    @property
    def unit(self) -> Phrase:
        a = "an" if self.shown[:1] in "aeiou" else "a"
        if self.link == "request":
            return say("items with {a} {shown} in a request", "请求中有 {shown} 的物品", shown=self.shown, a=a)
        if self.link == "pair":
            return say("pairs of a user and an item with {a} {shown}", "有 {shown} 的用户—物品对", shown=self.shown, a=a)
        return say("users with {a} {shown}", "有 {shown} 的用户", shown=self.shown, a=a)


def rates(
    log: EventLog | Trail,
    *,
    by: str | None = None,
    shown: str | None = None,
    acted: str | None = None,
    segment: str | None = None,
    confidence: float = 0.95,
) -> Result:
    """Click-through and conversion rates with their denominators, by `item`, `category`, `slot`, `policy`, `segment` or `day`.

    shown, acted: event types; without them click_rate is impression to click and conversion_rate click (else view) to purchase, as far as
    the log has them. An act answers what was shown by request id and item where both carry them, else by user and item, else by user;
    each shown unit counts once. by: without it slot, else category, else item, else day, as far as the log has them.
    segment: the column that names segments (any column of the user table or of the acts), which makes `by` segment.
    low, high: Wilson's, as if units were independent. cluster_low, cluster_high: users as the units of chance (delta method); of the
    headline a bootstrap over users. lift: over everything else, p_value its test over users. Units that begin on the last, unfinished day
    are not complete. Raises NotInLogError where the log has nothing shown to be acted upon, ConfigError for an unknown `by` or type.

    Wilson, JASA 1927; Deng, Knoblich and Lu, KDD 2018.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must be between 0 and 1, got {confidence:g}")
    for option, name in (("shown", shown), ("acted", acted)):
        if name is not None and name not in EVENT_TYPES:
            raise ConfigError(f"{option}: no event type {name!r}; known are {', '.join(EVENT_TYPES)}{did_you_mean(name, EVENT_TYPES)}")
    t = trail(log)
    key = _key_asked(by, segment)
    definition = say(
        "the share of what was shown that was acted upon, each shown unit counted once, by {by}",
        "已展示单位中被响应的比例，每个展示单位只计一次，按 {by} 细分",
        by=key or "-",
    )
    wide = with_impressions(t)
    if not wide.counts.acts:
        return t.nothing("rates", definition, say("no acts are left after the filters", "筛选后没有任何行为"), SCHEMA)
    measures = _measures(wide, shown, acted)
    key = key or _default_key(wide, measures)
    column = _segment_column(wide, segment) if key == "segment" else segment
    _check_key(wide, key)
    warnings: list[str] = []
    rows: list[dict[str, Any]] = []
    cells: list[Cell] = []
    queries: dict[str, ir.Table] = {}
    for measure in measures:
        pairs = _pairs(wide, wide.acts, measure, key, column)
        per_user = pairs.cache()  # a log has far fewer of them than impressions
        found, users = _by_value(per_user).to_pyarrow(), _by_user(per_user).to_pyarrow()
        queries[measure.name] = _by_value(pairs)
        cells += _headline(measure, users, confidence)
        rows += _rows(wide, measure, found, key, confidence, warnings)
        warnings += _unlinked(wide, measure, users)
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(SCHEMA.items())))
    definition = _definition(measures, key, column)
    cells += _value_cells(rows)
    return Result(
        "rates",
        table,
        wide.meta(definition, warnings=list(dict.fromkeys(warnings)), by=key, segment=column, confidence=confidence,
                  measures=[vars(m) for m in measures]),
        tuple(cells),
        _chart(rows, measures, key),
        {},
        tuple(_findings(rows, measures, key, column)),
        queries,
    )  # fmt: skip


def _key_asked(by: str | None, segment: str | None) -> str | None:
    if by is None:
        return None if segment is None else "segment"
    if by not in KEYS:
        raise ConfigError(f"by must be one of {', '.join(KEYS)}, got {by!r}{did_you_mean(by, KEYS)}")
    if segment is not None and by != "segment":
        raise ConfigError(f"segment={segment!r} goes with by='segment', got by={by!r}")
    return by


def _measures(t: Trail, shown: str | None, acted: str | None) -> list[Measure]:
    pairs: list[tuple[str, str, str]] = []
    if shown is not None or acted is not None:
        base = shown or ("impression" if "impression" in t.types and acted != "purchase" else "click" if "click" in t.types else "view")
        goal = acted or ("click" if base == "impression" and "click" in t.types else "purchase")
        if base == goal:
            raise ConfigError(f"shown and acted must differ, got {base!r} for both")
        t.need_types("a rate", [base, goal])
        pairs = [("click_rate" if goal == "click" else "conversion_rate" if goal == "purchase" else f"{goal}_rate", base, goal)]
    else:
        if "impression" in t.types and "click" in t.types:
            pairs.append(("click_rate", "impression", "click"))
        seen = next((name for name in ("click", "view", "impression") if name in t.types), None)
        if seen is not None and "purchase" in t.types:
            pairs.append(("conversion_rate", seen, "purchase"))
    if not pairs:
        raise NotInLogError(
            f"rates need impressions beside clicks, or clicks or views beside purchases, and log {t.log.name!r} has: "
            f"{', '.join(t.types)}; name other types: rates(log, shown=..., acted=...)"
        )
    return [Measure(name, a, b, _link(t, a, b)) for name, a, b in pairs]


def _link(t: Trail, shown: str, acted: str) -> str:
    """By request where most acts of both kinds name one, else by item where most name one, else by user."""
    share = {}
    for column in ("request_id", "item_id"):
        if column not in t.acts.columns:
            share[column] = 0.0
            continue
        counted = t.acts.filter(t.acts.event_type.isin([shown, acted]))
        table = counted.group_by("event_type").agg(n=counted.count(), named=counted[column].count()).to_pyarrow().to_pylist()
        share[column] = min(row["named"] / row["n"] for row in table)
    if share["request_id"] > 0.5 and share["item_id"] > 0.5:
        return "request"
    return "pair" if share["item_id"] > 0.5 else "user"


def _default_key(t: Trail, measures: list[Measure]) -> str:
    linked = any(m.link == "request" for m in measures)
    if linked and "slot" in t.acts.columns:
        return "slot"
    if all(m.link != "user" for m in measures):
        return "category" if main_categories(t.log) is not None else "item"
    return "day" if t.log.has_clock else "segment"


def _check_key(t: Trail, key: str) -> None:
    if key in ("slot", "policy"):
        t.need_column(f"rates by {key}", key)
    if key == "day":
        t.need_clock("rates by day")
    if key in ("item", "category"):
        t.need_items(f"rates by {key}")
    if key == "category" and main_categories(t.log) is None:
        raise NotInLogError(f"rates by category need items with categories, and log {t.log.name!r} has none; give an item table: --items")


def _segment_column(t: Trail, segment: str | None) -> str:
    if segment is not None:
        t.segments(segment)
        return segment
    columns = [] if t.log.users is None else [c for c in t.log.users.columns if c != "user_id"]
    if "segment" in columns:
        return "segment"
    for column in columns:
        assert t.log.users is not None
        if 2 <= int(t.log.users[column].nunique().to_pyarrow().as_py() or 0) <= 20:
            return column
    raise NotInLogError("rates by segment need a column to segment users by: rates(log, segment='COLUMN')")


def _group(measure: Measure) -> list[str]:
    return {"request": ["user_id", "request_id", "item_id"], "pair": ["user_id", "item_id"], "user": ["user_id"]}[measure.link]


def _units(acts: ir.Table, measure: Measure, extra: dict[str, str] | None = None) -> ir.Table:
    """One row a shown unit: `acted` (0 or 1); an act before the first showing answers nothing. extra: columns of the first showing."""
    named = acts.filter(acts.event_type.isin([measure.shown, measure.acted]))
    for column in _group(measure)[1:]:
        named = named.filter(named[column].notnull())
    is_shown, is_acted = named.event_type == measure.shown, named.event_type == measure.acted
    made: dict[str, Any] = {"_shown": named.position.min(where=is_shown), "_last": named.position.max(where=is_acted)}
    for name, column in (extra or {}).items():
        made[name] = named[column].argmin(named.position, where=is_shown)
    units = named.group_by(_group(measure)).agg(**made)
    units = units.filter(units._shown.notnull())
    return units.mutate(acted=(units._last > units._shown).fill_null(False).cast("int64"))


def _by_user(pairs: ir.Table) -> ir.Table:
    """`user_id`, `n` shown units, `acted` ones."""
    return pairs.group_by("user_id").agg(n=pairs.n.sum().cast("int64"), acted=pairs.k.sum().cast("int64"))


def _pairs(t: Trail, acts: ir.Table, measure: Measure, key: str, column: str | None) -> ir.Table:
    """One row a value of the key and a user: `n` shown units, `k` of them acted upon."""
    if key in ("slot", "policy"):
        units = _units(acts, measure, {"_value": key})
        units = units.mutate(_value=units._value.cast("string"))
    elif key == "day":
        units = _units(acts, measure, {"_time": "timestamp"})
        units = units.mutate(_value=units._time.strftime("%Y-%m-%d"))
    elif key == "segment":
        assert column is not None
        units = _units(acts, measure)
        given = replace(t, acts=acts).segments(column)
        named = given.select(_user=given.user_id, _value=given.segment)
        units = units.join(named, units.user_id == named._user)
    else:
        units = _units(acts, measure, {"_item": "item_id"} if measure.link == "user" else {})
        item = units._item if measure.link == "user" else units.item_id
        units = units.mutate(_value=item)
        if key == "category":
            found = main_categories(t.log)
            assert found is not None
            lookup = found.select(_key=found.item_id, _category=found.category)
            joined = units.left_join(lookup, units._value == lookup._key)
            units = joined.mutate(_value=joined._category)
    units = units.mutate(value=units._value.fill_null("none"))
    return units.group_by(["value", "user_id"]).agg(n=units.count(), k=units.acted.sum().cast("int64"))


def _by_value(users: ir.Table) -> ir.Table:
    """One row a value of the key: sums over users and of their squares and products, which is all that the intervals need."""
    return users.group_by("value").agg(
        n_users=users.count(),
        n=users.n.sum().cast("int64"),
        acted=users.k.sum().cast("int64"),
        nn=(users.n * users.n).sum().cast("float64"),
        kk=(users.k * users.k).sum().cast("float64"),
        kn=(users.k * users.n).sum().cast("float64"),
    )


def _headline(measure: Measure, users: pa.Table, confidence: float) -> list[Cell]:
    n, k = users["n"].to_numpy().astype(np.float64), users["acted"].to_numpy().astype(np.float64)
    if 0 < len(n) <= BOOTSTRAPPED:
        order = np.lexsort((k, n))  # the same draws whatever order the engine gave
        found = bootstrap_means((k / n)[order, None], weights=n[order, None], confidence=confidence)[0]
    else:
        found = ratio_interval(k, n, confidence=confidence)
    low, high = (None if np.isnan(bound) else float(min(max(bound, 0.0), 1.0)) for bound in (found.low, found.high))
    value = None if np.isnan(found.value) else float(found.value)
    total = int(n.sum())
    return [
        Cell(measure.name, value, "share", total, low, high, note=f"{measure.shown} to {measure.acted}"),
        Cell(f"{measure.name}_n", total, str(measure.unit)),
        Cell(f"{measure.name}_users", len(n), "users"),
    ]


def _rows(t: Trail, measure: Measure, found: pa.Table, key: str, confidence: float, warnings: list[str]) -> list[dict[str, Any]]:
    rows = found.to_pylist()
    if key == "slot":
        rows.sort(key=lambda row: (not row["value"].lstrip("-").isdigit(), int(row["value"]) if row["value"].lstrip("-").isdigit() else 0))
    elif key == "day":
        rows.sort(key=lambda row: row["value"])
    else:
        rows.sort(key=lambda row: (-row["n"], row["value"]))
    if not rows:
        warnings.append(say("nothing was shown that {acted} could answer", "没有可供 {acted} 响应的展示", acted=measure.acted))
        return []
    columns = {c: np.array([row[c] for row in rows], np.float64) for c in ("n_users", "n", "acted", "nn", "kk", "kn")}
    rate, error = ratio_errors(columns["n_users"], columns["acted"], columns["n"], columns["kk"], columns["nn"], columns["kn"])
    low, high = wilson(columns["acted"], columns["n"], confidence)
    half = quantile_of(confidence) * error
    lift, p = _against_rest(columns, rate, error)
    around = np.stack([np.maximum(0.0, rate - half), np.minimum(1.0, rate + half)])
    # where none or all acted nothing is known of the spread between users; as many users as units would tell no more than this
    extreme = (columns["acted"] == 0) | (columns["acted"] == columns["n"])
    users_acted = np.where(columns["acted"] == 0, 0.0, columns["n_users"])
    around = np.where(extreme & ~np.isnan(half), np.stack(wilson(users_acted, columns["n_users"], confidence)), around)
    titles = t.titles([row["value"] for row in rows[:MAX_ROWS]]) if key == "item" else {}
    last = t.counts.last
    if len(rows) > MAX_ROWS:
        warnings.append(
            say(
                "the {n:,} with most shown of {all:,} stand in the table",
                "表中仅列展示最多的 {n:,} 个（共 {all:,} 个）",
                n=MAX_ROWS,
                all=len(rows),
            )
        )
    made = []
    for i, row in enumerate(rows[:MAX_ROWS]):
        made.append(
            {
                "measure": measure.name, "value": row["value"], "title": titles.get(row["value"]), "n": row["n"],
                "n_users": row["n_users"], "acted": row["acted"], "rate": _none(rate[i]), "low": float(low[i]), "high": float(high[i]),
                "cluster_low": _none(around[0, i]), "cluster_high": _none(around[1, i]),
                "lift": _none(lift[i]), "p_value": _none(p[i]), "small": row["n"] < SMALL or row["n_users"] < SMALL,
                "complete": not (key == "day" and last is not None and row["value"] == f"{last:%Y-%m-%d}" and last.hour < 23),
            }
        )  # fmt: skip
    if sum(row["small"] for row in made):
        warnings.append(
            say(
                "{n:,} of {all:,} rows are small (under 30 shown or under 30 users): read them by their intervals",
                "{all:,} 行中有 {n:,} 行样本过小（展示或用户不足 30），请结合区间阅读",
                n=sum(row["small"] for row in made), all=len(made),
            )
        )  # fmt: skip
    return made


def _none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _against_rest(
    columns: dict[str, Float64[np.ndarray, " V"]], rate: Float64[np.ndarray, " V"], error: Float64[np.ndarray, " V"]
) -> tuple[Float64[np.ndarray, " V"], Float64[np.ndarray, " V"]]:
    """The rate over that of all other values, and p of "they are equal", the two taken as independent."""
    rest = {name: column.sum() - column for name, column in columns.items()}
    # a user with several values has one row in each, so the rest's spread is a little too small or too large
    other, spread = ratio_errors(rest["n_users"], rest["acted"], rest["n"], rest["kk"], rest["nn"], rest["kn"])
    with np.errstate(invalid="ignore", divide="ignore"):
        lift = np.where(other > 0, rate / other, np.nan)
        total = np.hypot(error, spread)
        z = np.where(total > 0, (rate - other) / total, np.nan)
    return lift, 2 * ndtr(-np.abs(z))


def _unlinked(t: Trail, measure: Measure, users: pa.Table) -> list[Phrase]:
    """Acts that answer nothing shown stay out of the rate, and are said."""
    if measure.link != "request":
        return []
    named = t.acts.filter(t.acts.event_type.isin([measure.shown, measure.acted]))
    is_acted = (named.event_type == measure.acted).cast("int64")
    groups = named.group_by(_group(measure)).agg(acted=is_acted.sum().cast("int64"), shown=(1 - is_acted).sum().cast("int64"))
    row = groups.aggregate(alone=groups.acted.sum(where=groups.shown == 0).cast("int64"), all=groups.acted.sum().cast("int64"))
    counted = row.to_pyarrow().to_pylist()[0]
    if not counted["alone"]:
        return []
    return [
        say(
            "{n:,} of {all:,} acts of type {acted} answer nothing that was shown in their request and are left out",
            "{all:,} 次 {acted} 中有 {n:,} 次在其请求中找不到对应展示，未计入",
            n=counted["alone"], all=counted["all"], acted=measure.acted,
        )
    ]  # fmt: skip


def _definition(measures: list[Measure], key: str, column: str | None) -> Phrase:
    parts = [
        say(
            "{name}: of {unit}, the share with a later {acted} ({link})",
            "{name}：{unit}中，其后有 {acted} 的比例（{link}）",
            name=words.value("rates", "measure", m.name), unit=m.unit, acted=m.acted,
            link={
                "request": say("joined by request id and item", "按请求编号与物品关联"),
                "pair": say("joined by user and item", "按用户与物品关联"),
                "user": say("joined by user", "按用户关联"),
            }[m.link],
        )
        for m in measures
    ]  # fmt: skip
    what = Phrase("; ".join(parts), "；".join(p.zh for p in parts))
    by = say("segment ({column})", "分组（{column}）", column=column) if key == "segment" else Phrase(key, _KEYS_ZH[key])
    return say(
        "{what}. By {by}; intervals: Wilson's over units, and wider ones over users, whose acts hang together",
        "{what}。按{by}细分；区间：按单位的 Wilson 区间，及考虑同一用户内相关性的按用户区间",
        what=what, by=by,
    )  # fmt: skip


_KEYS_ZH: Final = {"item": "物品", "category": "类别", "slot": "展示位", "policy": "策略", "segment": "分组", "day": "日"}


def _value_cells(rows: list[dict[str, Any]]) -> list[Cell]:
    cells = []
    for name in dict.fromkeys(row["measure"] for row in rows):
        for row in [row for row in rows if row["measure"] == name][:SHOWN_ROWS]:
            low, high = (row["cluster_low"], row["cluster_high"]) if row["cluster_low"] is not None else (row["low"], row["high"])
            cells.append(Cell(f"{name}.{row['value']}", row["rate"], "share", min(row["n"], row["n_users"]), low, high))
    return cells


def _chart(rows: list[dict[str, Any]], measures: list[Measure], key: str) -> dict[str, Any] | None:
    if not rows:
        return None
    first = next((m.name for m in measures if any(row["measure"] == m.name for row in rows)), measures[0].name)
    kept = [row for row in rows if row["measure"] == first]
    called = words.value("rates", "measure", first)
    label = say("{name} by {key}", "{name}（按{zh}）", name=called, key=key, zh=_KEYS_ZH[key])
    if key in ("slot", "day"):
        kept = kept if key == "day" else kept[:100]
        bounds = ([row["cluster_low"] for row in kept], [row["cluster_high"] for row in kept])
        return lines(
            [row["value"] for row in kept], {label: [row["rate"] for row in kept]}, bands={label: bounds}, format="share",
            x_name=Phrase(key, _KEYS_ZH[key]), y_name=called,
        )  # fmt: skip
    kept = [row for row in kept if not row["small"]][:SHOWN_ROWS] or kept[:SHOWN_ROWS]
    return intervals(
        [row["title"] or row["value"] for row in kept],
        {label: [(row["rate"], row["cluster_low"], row["cluster_high"]) for row in kept]},
        x_name=called,
    )


def _distance(row: dict[str, Any], total: int) -> float:
    """How far a value is from the others, times the smaller of the two parts; of two values both are as far."""
    return round(abs(float(np.log(max(row["lift"], 0.01)))) * min(row["n"], total - row["n"]) / total, 6)


def _findings(rows: list[dict[str, Any]], measures: list[Measure], key: str, column: str | None) -> list[Finding]:
    found = []
    for measure in measures:
        kept = [row for row in rows if row["measure"] == measure.name and not row["small"]]
        if len(kept) < 2:
            continue
        if key == "slot" and measure.link == "request":
            first, last = kept[0], kept[-1]
            if (first["cluster_low"] or 0) > (last["cluster_high"] or 1) and last["rate"]:
                found.append(
                    Finding(
                        "doubt",
                        say(
                            "Slot {a} gets {times:.1f} times as many {acted}s per showing as slot {b} ({p:.1%} against {q:.1%}): "
                            "compare items within a slot only",
                            "展示位 {a} 每次展示的 {acted} 数是展示位 {b} 的 {times:.1f} 倍（{p:.1%} 对 {q:.1%}）："
                            "物品之间只宜在同一展示位内比较",
                            a=first["value"], b=last["value"], times=first["rate"] / last["rate"], acted=measure.acted,
                            p=first["rate"], q=last["rate"],
                        ),
                        (f"{measure.name}.{first['value']}", f"{measure.name}.{last['value']}"),
                        weight=0.3,
                    )
                )  # fmt: skip
            continue
        if key in ("category", "segment"):
            among = kept[:SHOWN_ROWS]
            tests = len(among)
            sure = [
                row for row in among
                if row["p_value"] is not None and row["lift"] is not None and row["p_value"] * tests < 0.01
                and (row["lift"] >= 1.25 or row["lift"] <= 0.8)
            ]  # fmt: skip
            if sure:
                total = sum(row["n"] for row in kept)
                best = max(sure, key=lambda row: (_distance(row, total), row["lift"] > 1, row["value"]))
                found.append(
                    Finding(
                        "finding",
                        say(
                            "The {name} of {what} {value} is {rate:.1%} [{low:.1%}, {high:.1%}], {lift:.2f} times that of the others",
                            "{what} {value} 的 {name} 为 {rate:.1%} [{low:.1%}, {high:.1%}]，是其余的 {lift:.2f} 倍",
                            name=measure.name.replace("_", " "), what=Phrase(column or key, column or _KEYS_ZH[key]), value=best["value"],
                            rate=best["rate"], low=best["cluster_low"], high=best["cluster_high"], lift=best["lift"],
                        ),
                        (f"{measure.name}.{best['value']}",),
                        min(1.0, best["p_value"] * tests),
                        min(1.0, best["n"] / total * abs(best["lift"] - 1)),
                    )
                )  # fmt: skip
    return found[:3]
