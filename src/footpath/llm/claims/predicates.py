"""What each predicate computes: one function a predicate, from a canonical claim and the ground it stands on to a value and its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, cast

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from footpath.errors import ConfigError, NotInLogError, did_you_mean
from footpath.llm.claims.claims import Claim, Scope, Value
from footpath.llm.claims.scopes import Ground, narrows
from footpath.result import Phrase, say

EVIDENCE_ROWS: Final = 20
MOST_NAMES: Final = 2_000
"""Names that are counted apart from one another in a list, those with the most acts."""
NONE_IN_SCOPE: Final = Phrase("no act is in the scope", "范围内没有任何行为")
_COLUMNS: Final = ("position", "timestamp", "user_id", "event_type", "item_id", "title", "category", "query", "value")


@dataclass(frozen=True)
class Computed:
    """A value and what stands behind it.

    n: the denominator. parts: the figures that a sentence about the value says. items: those that it names. ties: names and hours that are
    as good as the value. counts: of every name, for lists. gather: the evidence, when it is asked for.
    """

    value: Value | None
    n: int | None
    unit: str
    gather: Callable[[], tuple[pa.Table, int]]
    why: str = ""
    parts: Mapping[str, Any] = field(default_factory=dict)
    items: tuple[str, ...] = ()
    ties: frozenset[Any] = frozenset()
    counts: Mapping[str, int] | None = None


def count(ground: Ground, claim: Claim) -> Computed:
    of = claim.arguments["of"]
    acts = ground.within(claim.scope)
    if of == "acts":
        n = _one(acts, n=acts.count())["n"]
        return Computed(n, n, of, _rows(ground, acts))
    row = _one(acts, n=_unit(ground, acts, of, claim.scope), acts=acts.count())
    return Computed(row["n"], row["acts"], of, _rows(ground, acts), parts={"acts": row["acts"]})


def share(ground: Ground, claim: Claim) -> Computed:
    of, part = claim.arguments["of"], claim.arguments["part"]
    hits, n, inside = _share(ground, claim.scope, part, of)
    return _ratio(hits, n, "share", _rows(ground, inside), of=of)


def mean(ground: Ground, claim: Claim) -> Computed:
    of, per, part = (claim.arguments[name] for name in ("of", "per", "part"))
    if of in ("value", "price"):
        ground.need(of)
        acts = ground.within(claim.scope, part)
        acts = acts.filter(acts[of].notnull())
        row = _one(acts, n=acts.count(), total=acts[of].sum())
        value = row["total"] / row["n"] if row["n"] else None
        return Computed(value, row["n"], f"{of} per act", _rows(ground, acts), _if_none(row["n"]), {"total": row["total"] or 0.0})
    inside = ground.within(claim.scope, part)
    unit = {"user": "users", "session": "sessions", "day": "days"}[per]
    whole = ground.within(claim.scope)
    n = _one(whole, n=_unit(ground, whole, unit, claim.scope))["n"]
    total = _total(ground, inside, of, per, part)
    value = total / n if n else None
    return Computed(value, n, f"{of} per {per}", _rows(ground, inside), _if_none(n), {"total": total})


def top(ground: Ground, claim: Claim) -> Computed:
    by, of, k = (claim.arguments[name] for name in ("by", "of", "k"))
    acts = ground.within(claim.scope)
    named = _named(ground, acts, by)
    total = _one(acts, n=acts.count() if of == "acts" else acts.user_id.nunique())["n"]
    if by == "user" and of == "users":
        raise ConfigError("top by user counts acts; by number of users every user would count once")
    measure = named.count() if of == "acts" else named.user_id.nunique()
    counted = named.group_by("name").agg(n=measure)
    rows = counted.order_by(counted.n.desc(), counted.name).limit(max(MOST_NAMES, k)).to_pyarrow().to_pylist()
    counts = {row["name"]: row["n"] for row in rows}
    names = tuple(counts)[:k]
    shown = rows[: max(k, EVIDENCE_ROWS)]

    def gather() -> tuple[pa.Table, int]:
        table = pa.table({by: pa.array([row["name"] for row in shown], pa.string()), of: pa.array([row["n"] for row in shown], pa.int64())})
        if by == "item":
            titles = ground.trail.titles([row["name"] for row in shown])
            table = table.append_column("title", pa.array([titles[row["name"]] for row in shown], pa.string()))
        return table.slice(0, EVIDENCE_ROWS), len(rows)

    items = names if by == "item" else ()
    parts = {"counts": [counts[name] for name in names], "names": len(rows)}
    return Computed(names or None, total, "names", gather, _if_none(len(names)), parts, items, counts=counts)


def trend(ground: Ground, claim: Claim) -> Computed:
    of, days = claim.arguments["of"], claim.arguments["window_days"]
    begin, end, closed = ground.window(claim.scope, days)
    before = begin - timedelta(days=days)
    if claim.scope.since is not None and claim.scope.since > before:
        inside = say("the scope begins within the two windows that are compared", "范围的起点落在所比较的两个窗口之内")
        return Computed(None, None, "relative", lambda: (pa.table({}), 0), inside)
    acts = ground.within(claim.scope)
    late, early = _inside(acts, begin, end, closed), _inside(acts, before, begin, False)
    row = _one(acts, now=_unit(ground, acts, of, claim.scope, where=late), then=_unit(ground, acts, of, claim.scope, where=early))
    now, then, latest = row["now"], row["then"], acts.filter(late)
    why: str = (
        "" if then else say("nothing is in the window before, so nothing can be compared with it", "之前的窗口内没有任何行为，无从比较")
    )
    value = (now - then) / then if then else None
    return Computed(value, then, "relative", _rows(ground, latest), why, {"last": now, "before": then, "begin": begin, "end": end})


def first(ground: Ground, claim: Claim) -> Computed:
    return _edge(ground, claim, newest=False)


def last(ground: Ground, claim: Claim) -> Computed:
    return _edge(ground, claim, newest=True)


def recency(ground: Ground, claim: Claim) -> Computed:
    end = ground.end
    acts = ground.within(claim.scope)
    row = _one(acts, n=acts.count(), last=acts.timestamp.max())
    value = None if row["last"] is None else (end - row["last"]) / timedelta(days=1)
    return Computed(value, row["n"], "days", _rows(ground, acts, newest=True), _if_none(row["n"]), {"last": row["last"], "end": end})


def rhythm(ground: Ground, claim: Claim) -> Computed:
    by = claim.arguments["by"]
    ground.trail.need_clock(f"the {by} with most acts")
    acts = ground.within(claim.scope)
    place = acts.timestamp.hour() if by == "hour" else acts.timestamp.day_of_week.index()
    counted = acts.group_by(place=place.cast("int64")).agg(n=acts.count()).order_by("place").to_pyarrow()
    counts = {row["place"]: row["n"] for row in counted.to_pylist()}
    n = sum(counts.values())
    most = max(counts.values(), default=0)
    best = [place for place, number in counts.items() if number == most]
    table = counted.rename_columns([by, "acts"])
    best_ties = frozenset(best)
    return Computed(best[0] if best else None, n, by, lambda: (table, table.num_rows), _if_none(n), {"acts": most}, ties=best_ties)


def follows(ground: Ground, claim: Claim) -> Computed:
    a, b, within = (claim.arguments[name] for name in ("a", "b", "within"))
    scope = claim.scope
    if within == "session":
        ground.trail.need_sessions("what follows within a session")
    if "impression" in scope.event_types:
        raise ConfigError("follows leaves impressions out: they are what was shown, not what people did next")
    acts = ground.base(scope, a, b)
    keys = ["user_id", "session"] if within == "session" else ["user_id"]
    ordered = ibis.window(group_by=keys, order_by="position")
    marked = acts.mutate(_is_a=ground.condition(acts, scope) & ground.condition(acts, a), _is_b=ground.condition(acts, b))
    marked = marked.mutate(_next_b=marked._is_b.lead().over(ordered).fill_null(False))
    marked = marked.filter(marked._is_a)
    row = _one(marked, n=marked.count(), hits=marked._next_b.cast("int64").sum())
    return _ratio(row["hits"] or 0, row["n"], "share", _rows(ground, marked.filter(marked._next_b)), of="acts")


def repeat_rate(ground: Ground, claim: Claim) -> Computed:
    acts = _met(ground, claim)
    row = _one(acts, n=acts.count(), hits=acts._again.cast("int64").sum())
    return _ratio(row["hits"] or 0, row["n"], "share", _rows(ground, acts.filter(acts._again)), of="acts")


def novelty(ground: Ground, claim: Claim) -> Computed:
    days = claim.arguments["window_days"]
    begin, end, closed = ground.window(claim.scope, days)
    acts = _met(ground, claim)
    acts = acts.filter(_inside(acts, begin, end, closed))
    acts = acts.mutate(_new=acts._first_time >= ibis.literal(begin))
    row = _one(acts, n=acts.count(), hits=acts._new.cast("int64").sum())
    return _ratio(row["hits"] or 0, row["n"], "share", _rows(ground, acts.filter(acts._new)), of="acts", begin=begin, end=end)


def drift(ground: Ground, claim: Claim) -> Computed:
    by = claim.arguments["by"]
    column = _column(ground, by)
    acts = ground.within(claim.scope)
    order = ["position"] if claim.scope.user is not None else _in_time(ground, acts)
    place = ibis.row_number().over(ibis.window(order_by=order))
    halved = acts.mutate(_first=place < (ibis.literal(1) * acts.count().over(ibis.window()) // 2))
    named = halved.filter(halved[column].notnull()).group_by(name=ibis._[column])
    counted = named.agg(first=ibis._._first.cast("int64").sum(), n=ibis._.count())
    rows = counted.order_by(counted.n.desc(), counted.name).to_pyarrow().to_pylist()
    before = {row["name"]: row["first"] for row in rows}
    after = {row["name"]: row["n"] - row["first"] for row in rows}
    n_before, n_after = sum(before.values()), sum(after.values())
    parts: dict[str, Any] = {"n_first": n_before, "n_second": n_after}
    if not n_before or not n_after:
        why = say("one half of the acts has no {what}", "有一半的行为没有{zh}", what=by, zh={"category": "类别", "item": "商品"}[by])
        return Computed(None, n_before + n_after, "share", lambda: (pa.table({}), 0), Phrase(str(why), why.zh), parts)
    gaps = {name: after[name] / n_after - before[name] / n_before for name in before}
    more, less = max(gaps, key=lambda name: (gaps[name], name)), min(gaps, key=lambda name: (gaps[name], name))
    ranked = sorted(gaps, key=lambda name: (-abs(gaps[name]), name))[:EVIDENCE_ROWS]
    parts |= {"more": more, "less": less}
    for end, name in (("more", more), ("less", less)):
        parts |= {f"{end}_first": before[name] / n_before, f"{end}_second": after[name] / n_after}
    table = pa.table(
        {
            by: pa.array(ranked, pa.string()),
            "first_half": pa.array([before[name] for name in ranked], pa.int64()),
            "second_half": pa.array([after[name] for name in ranked], pa.int64()),
            "change": pa.array([gaps[name] for name in ranked], pa.float64()),
        }
    )
    items = (more, less) if by == "item" else ()
    value = min(1.0, sum(abs(gap) for gap in gaps.values()) / 2)
    return Computed(value, n_before + n_after, "share", lambda: (table, len(gaps)), "", parts, items)


def lift(ground: Ground, claim: Claim) -> Computed:
    part, against, of = (claim.arguments[name] for name in ("part", "against", "of"))
    hits, n, inside = _share(ground, claim.scope, part, of)
    other_hits, other_n, _ = _share(ground, against, part, of)
    parts = {"hits": hits, "against_hits": other_hits, "against_n": other_n}
    why: str = _if_none(n)
    if n and not other_hits:
        why = say("the share in what is compared with is not above 0", "对照范围内的占比不大于 0")
    value = hits / n / (other_hits / other_n) if n and other_hits else None
    return Computed(value, n, "times", _rows(ground, inside), why, parts)


def compare(ground: Ground, claim: Claim) -> Computed:
    measure, against, how = (claim.arguments[name] for name in ("measure", "against", "how"))
    here = compute(ground, replace(measure, scope=claim.scope))
    there = compute(ground, replace(measure, scope=against))
    parts = {"here": here.value, "there": there.value, "n_here": here.n, "n_there": there.n}
    parts |= {f"{name}_here": part for name, part in here.parts.items()} | {f"{name}_there": part for name, part in there.parts.items()}
    unit = here.unit if how == "difference" else "times"
    if here.value is None or there.value is None:
        return Computed(None, here.n, unit, here.gather, here.why or there.why, parts)
    one, other = cast(float, here.value), cast(float, there.value)  # measures are numbers: `canonical` sees to it
    if how == "difference":
        return Computed(one - other, here.n, unit, here.gather, "", parts)
    if not other:
        return Computed(None, here.n, unit, here.gather, say("what is compared with is 0", "对照值为 0"), parts)
    return Computed(one / other, here.n, unit, here.gather, "", parts)


COMPUTE: Final[Mapping[str, Callable[[Ground, Claim], Computed]]] = {
    function.__name__: function
    for function in (
        count, share, mean, top, trend, first, last, recency, rhythm, follows, repeat_rate, novelty, drift, lift, compare,
    )
}  # fmt: skip


def compute(ground: Ground, claim: Claim) -> Computed:
    """The value of a canonical claim whose names were resolved. Raises DataError where the log lacks what it needs."""
    return COMPUTE[claim.predicate](ground, claim)


# ---- what several predicates count with


def _one(table: ir.Table, **measures: Any) -> dict[str, Any]:
    row: dict[str, Any] = table.aggregate(**measures).to_pyarrow().to_pylist()[0]
    return row


def _unit(ground: Ground, acts: ir.Table, of: str, *scopes: Scope, where: ir.BooleanValue | None = None) -> ir.Value:
    """How many of a unit there are among acts, those that a condition takes."""
    if of == "acts":
        return acts.count(where=where)
    if of == "users":
        return acts.user_id.nunique(where=where)
    if of == "items":
        ground.trail.need_items("a count of items")
        return acts.item_id.nunique(where=where)
    if of in ("categories", "brands"):
        column = {"categories": "category", "brands": "brand"}[of]
        ground.need(column)
        return acts[column].nunique(where=where)
    if of == "days":
        ground.trail.need_clock("a count of days")
        return acts.timestamp.date().nunique(where=where)
    _need_sessions(ground, *scopes)
    return _session(acts).nunique(where=where)


def _need_sessions(ground: Ground, *scopes: Scope) -> None:
    ground.trail.need_sessions("a count of sessions")
    if any("impression" in scope.event_types for scope in scopes):
        raise NotInLogError("sessions are of what people did: impressions are in none; leave impression out of the scope")


def _session(acts: ir.Table) -> ir.StringValue:
    return acts.user_id.concat("\x1f", acts.session.cast("string"))


def _total(ground: Ground, acts: ir.Table, of: str, per: str, part: Scope) -> int:
    """What is counted of each user, session or day, summed over them."""
    if of == "acts":
        return int(_one(acts, n=acts.count())["n"])
    if of == "sessions":
        _need_sessions(ground, part)
    column = {"items": acts.item_id, "days": acts.timestamp.date() if ground.trail.log.has_clock else None, "users": acts.user_id}
    counted = _session(acts) if of == "sessions" else column[of]
    if counted is None:
        ground.trail.need_clock("a mean of days")
    unit = {"user": lambda: acts.user_id, "session": lambda: _session(acts), "day": lambda: acts.timestamp.date()}[per]()
    pairs = acts.select(unit=unit, counted=counted).distinct()
    return int(_one(pairs, n=pairs.counted.count())["n"])


def _share(ground: Ground, scope: Scope, part: Scope, of: str) -> tuple[int, int, ir.Table]:
    """How many of a unit have acts in a part of the scope, how many in the scope, and the acts of the part."""
    if "impression" in part.event_types and "impression" not in scope.event_types:
        raise ConfigError("impressions are not among the acts of the scope; name impression in its event_types to ask for their share")
    acts = ground.base(scope, part)
    acts = acts.filter(ground.condition(acts, scope)) if narrows(scope) else acts
    within = ground.condition(acts, part)
    row = _one(acts, n=_unit(ground, acts, of, scope, part), hits=_unit(ground, acts, of, scope, part, where=within))
    return row["hits"], row["n"], acts.filter(within)


def _ratio(hits: int, n: int, unit: str, gather: Callable[[], tuple[pa.Table, int]], **parts: Any) -> Computed:
    return Computed(hits / n if n else None, n, unit, gather, _if_none(n), {"hits": hits} | parts)


def _if_none(n: int) -> str:
    return "" if n else NONE_IN_SCOPE


def _inside(acts: ir.Table, begin: datetime, end: datetime, closed: bool) -> ir.BooleanValue:
    upper = acts.timestamp <= ibis.literal(end) if closed else acts.timestamp < ibis.literal(end)
    return (acts.timestamp >= ibis.literal(begin)) & upper


def _column(ground: Ground, by: str) -> str:
    if by == "item":
        ground.trail.need_items("a claim about items")
        return "item_id"
    if by in ("category", "brand", "query"):
        ground.need(by)
    return {"user": "user_id"}.get(by, by)


def _named(ground: Ground, acts: ir.Table, by: str) -> ir.Table:
    """The acts with the `name` that a list goes by, those that have one."""
    if by in ("day", "month"):
        ground.trail.need_clock(f"a list by {by}")
        named = acts.mutate(name=acts.timestamp.strftime("%Y-%m-%d" if by == "day" else "%Y-%m"))
    elif by in ("item", "category", "brand", "event_type", "user", "query"):
        named = acts.mutate(name=acts[_column(ground, by)])
    else:
        known = ground.trail.segments(by)
        if by in ("user_id", "timestamp", "item_id"):
            raise ConfigError(f"no list by {by!r}{did_you_mean(by, ('user', 'item', 'day'))}")
        people = known.select(_user=known.user_id, name=known.segment)
        named = acts.drop("name") if "name" in acts.columns else acts
        named = named.inner_join(people, named.user_id == people._user).drop("_user")
    return named.filter(named.name.notnull())


def _met(ground: Ground, claim: Claim) -> ir.Table:
    """The acts of a scope that name an item or category, with whether the user has met it before (`_again`) and when first."""
    column = _column(ground, claim.arguments["by"])
    scope = claim.scope
    if "impression" in scope.event_types:
        raise ConfigError("what was met before is told of acts, and impressions are none; leave impression out of the scope")
    acts = ground.base(scope)
    acts = acts.filter(acts[column].notnull())
    if scope.user is not None:
        acts = acts.filter(acts.user_id == scope.user)
    mine = ibis.window(group_by=["user_id", column])
    marked = acts.mutate(_again=acts.position > acts.position.min().over(mine), _first_time=acts.timestamp.min().over(mine))
    return marked.filter(ground.condition(marked, scope))


def _in_time(ground: Ground, acts: ir.Table) -> list[Any]:
    ground.trail.need_clock("the order of acts of several users")
    return [acts.timestamp, acts.user_id, acts.position]


def _edge(ground: Ground, claim: Claim, *, newest: bool) -> Computed:
    """The oldest or newest act of a scope that has what is asked for, and the acts that share its time."""
    by, scope = claim.arguments["by"], claim.scope
    acts = ground.within(scope)
    if by == "time":
        ground.trail.need_clock("a time")
    else:
        acts = acts.filter(acts[_column(ground, by)].notnull())
    keys = [acts.position] if scope.user is not None else _in_time(ground, acts)
    ranked = acts.order_by([key.desc() for key in keys] if newest else keys)
    column = {"time": "timestamp", "item": "item_id"}.get(by, by)
    rows = ranked.select("timestamp", "user_id", name=ranked[column]).limit(EVIDENCE_ROWS).to_pyarrow().to_pylist()
    n = _one(acts, n=acts.count())["n"]
    gather = _rows(ground, acts, newest=newest)
    if not rows:
        return Computed(None, 0, by, gather, NONE_IN_SCOPE)
    value = rows[0]["name"]
    tied = rows[:1] if scope.user is not None else [row for row in rows if row["timestamp"] == rows[0]["timestamp"]]
    ties = frozenset(row["name"] for row in tied) if by != "time" else frozenset()
    unit = "UTC" if by == "time" else by
    items = (value,) if by == "item" else ()
    return Computed(value, n, unit, gather, "", {"time": rows[0]["timestamp"], "user": rows[0]["user_id"]}, items, ties)


def _rows(ground: Ground, acts: ir.Table, *, newest: bool = False) -> Callable[[], tuple[pa.Table, int]]:
    """Finds the first acts of a table, oldest or newest first, with the titles of their items, and how many there are."""

    def gather() -> tuple[pa.Table, int]:
        keys: Sequence[Any] = [acts.timestamp, acts.user_id, acts.position] if ground.trail.log.has_clock else [acts.user_id, acts.position]
        ranked = acts.order_by([key.desc() for key in keys] if newest else list(keys))
        kept = [name for name in _COLUMNS if name in acts.columns]
        table: pa.Table = ranked.select(*kept).limit(EVIDENCE_ROWS).to_pyarrow()
        items = table["item_id"].to_pylist()
        titles = ground.trail.titles(sorted({item for item in items if item is not None}))
        place = kept.index("item_id") + 1
        table = table.add_column(place, "title", pa.array([None if item is None else titles[item] for item in items], pa.string()))
        return table, int(acts.count().to_pyarrow().as_py())

    return gather
