"""What claims are checked against: the acts of a log with their items, segments of users, and which acts a scope takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from footpath.analysis.trail import Trail, main_categories, trail, with_impressions
from footpath.errors import ConfigError, DataError, NotInLogError, did_you_mean
from footpath.events.contract import EVENT_TYPES
from footpath.events.log import EventLog
from footpath.llm.claims.claims import Scope, canonical_segment
from footpath.llm.claims.wording import quoted
from footpath.result import Phrase, say

COUNTED: Final = (*EVENT_TYPES, "acts", "sessions", "items", "days")
"""What a rule may count of a user: `purchase>=3`, `sessions>=2`."""
_CONDITION: Final = re.compile(r"(?P<name>.+?)\s*(?P<sign>!=|>=|<=|=|>|<)\s*(?P<value>.+)", re.DOTALL)
_CLOSE: Final = 3
_KEPT: Final = (
    "user_id", "position", "item_id", "event_type", "timestamp", "session", "category", "brand", "query", "value", "price",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Ground:
    """A log made ready for claims. acts: those of the trail, with the main `category` and the `brand` of their items.

    seen: what was asked before, so that a name is looked up once.
    """

    trail: Trail
    seen: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, log: EventLog | Trail) -> Ground:
        """Of a log the trail of all acts but impressions, with sessions."""
        return cls(log if isinstance(log, Trail) else trail(log, by="event_type"))

    @cached_property
    def catalog(self) -> ir.Table | None:
        """`item_id` with `category` (the main one) and `brand` of the items, where any has one."""
        items, found = self.trail.log.items, main_categories(self.trail.log)
        if items is not None and "brand" in items.columns and int(items.brand.count().to_pyarrow().as_py()):
            brands = items.filter(items.brand.notnull()).select("item_id", "brand")
            found = brands if found is None else found.outer_join(brands, "item_id").select(
                item_id=ibis.coalesce(ibis._.item_id, ibis._.item_id_right), category=ibis._.category, brand=ibis._.brand
            )  # fmt: skip
        return None if found is None else found.cache()

    @cached_property
    def acts(self) -> ir.Table:
        return self._with_catalog(self.trail.acts).cache() if self.catalog is not None else self._with_catalog(self.trail.acts)

    @cached_property
    def shown(self) -> ir.Table:
        """The acts and the impressions; without sessions."""
        return self._with_catalog(with_impressions(self.trail).acts)

    def _with_catalog(self, acts: ir.Table) -> ir.Table:
        catalog = self.catalog
        acts = acts.select(*(name for name in _KEPT if name in acts.columns))  # a query is compiled the faster the fewer columns there are
        for name in ("category", "brand"):
            if catalog is None or name not in catalog.columns:
                continue
            known = catalog.select(_item=catalog.item_id, _known=catalog[name])
            joined = acts.left_join(known, acts.item_id == known._item)
            own = [joined[name].cast("string")] if name in acts.columns else []
            acts = joined.mutate(**{name: ibis.coalesce(joined._known, *own)}).drop("_item", "_known")
        return acts

    @cached_property
    def end(self) -> datetime:
        """The newest act of the log. Raises NotInLogError where the log has no clock or no acts."""
        self.trail.need_clock("a window or the time since")
        if self.trail.counts.last is None:
            raise NotInLogError(f"log {self.trail.log.name!r} has no acts, so there is no last day to count back from")
        return self.trail.counts.last

    def need(self, column: str) -> None:
        """Raises NotInLogError where the acts have no such column: category and brand of items, query, value, price."""
        if column not in self.acts.columns:
            of_items = column in ("category", "brand")
            hint = "give an item table: footpath ingest FILE --items ITEMS" if of_items else "map a column to it at ingest"
            raise NotInLogError(f"the acts of log {self.trail.log.name!r} have no {column}; {hint}")

    def users(self, rule: str) -> ir.Table:
        """`user_id` of the users with acts who fulfil a rule.

        Conditions are joined by ` and `: `column=value` and `column!=value` of the user table or else of the acts (a user's first value;
        `none` where there is none), `>=`, `<=`, `>`, `<` of columns that are numbers or dates, and of counts over the whole log: an event
        type, `acts`, `sessions`, `items` or `days`. Raises ConfigError for a rule that cannot be read, DataError for a value that nobody
        has, NotInLogError for a column that is not there.
        """
        rule = canonical_segment(rule)
        key = ("segment", rule)
        if key not in self.seen:
            people = self.acts.select("user_id").distinct()
            for condition in rule.split(" and "):
                kept = self._condition(condition)
                people = people.filter(people.user_id.isin(kept.user_id))
            self.seen[key] = people.cache()
        return self.seen[key]

    def _condition(self, condition: str) -> ir.Table:
        parsed = _CONDITION.fullmatch(condition.strip())
        if parsed is None:
            raise ConfigError(
                f"a segment is a rule such as segment=loyal, device!=phone or purchase>=3, joined by ' and '; {condition!r} is none"
            )
        name, sign, value = (parsed[part].strip() for part in ("name", "sign", "value"))
        if name in COUNTED:
            return self._counted(name, sign, _number(condition, value))
        return self._valued(name, sign, value, condition)

    def _counted(self, name: str, sign: str, number: float) -> ir.Table:
        acts = self.shown if name == "impression" else self.acts
        if name == "sessions":
            self.trail.need_sessions("a segment by sessions")
        if name == "days":
            self.trail.need_clock("a segment by days")
        measures: dict[str, ir.Value] = {"acts": acts.count(), "sessions": acts.session.nunique(), "items": acts.item_id.nunique()}
        measures |= {"days": acts.timestamp.date().nunique()} if name == "days" else {}
        counted = acts.group_by("user_id").agg(n=measures.get(name, (acts.event_type == name).sum()))
        return counted.filter(_compared(counted.n.fill_null(0).cast("float64"), sign, number)).select("user_id")

    def _valued(self, column: str, sign: str, value: str, condition: str) -> ir.Table:
        owner = self.trail.log.users if self.trail.log.users is not None and column in self.trail.log.users.columns else self.trail.acts
        known = self.trail.segments(column)  # raises for a column that is not there
        if column == "user_id":
            raise ConfigError(f"the segment rule {condition!r} is a single user; use user instead")
        kind = owner[column].type()
        people = known.select("user_id", value=known.segment)
        if kind.is_numeric() and not kind.is_boolean():
            number = _number(condition, value)
            figures = people.mutate(figure=people.value.nullif("none").cast("float64"))
            self._known_value(figures, column, sign, value, figures.figure == number)
            return figures.filter(_compared(figures.figure, sign, number).fill_null(sign == "!=")).select("user_id")
        if sign not in ("=", "!="):
            if not kind.is_temporal():
                raise ConfigError(f"{sign} in {condition!r} needs numbers or dates, and {column} holds texts; use = or !=")
            moment = _date(condition, value)
            dated = people.mutate(at=people.value.nullif("none").cast("timestamp"))
            return dated.filter(_compared(dated.at, sign, ibis.literal(moment)).fill_null(False)).select("user_id")
        self._known_value(people, column, sign, value, people.value == value)
        return people.filter(people.value == value if sign == "=" else people.value != value).select("user_id")

    def _known_value(self, people: ir.Table, column: str, sign: str, value: str, matches: ir.BooleanValue) -> None:
        if sign not in ("=", "!=") or bool(people.aggregate(n=matches.fill_null(False).sum()).to_pyarrow()["n"][0].as_py()):
            return
        values = people.select("value").distinct().order_by("value").limit(50).to_pyarrow()["value"].to_pylist()
        shown = ", ".join(values[:12]) + (", ..." if len(values) > 12 else "")
        raise DataError(f"no user has {column}={value!r}; values are: {shown}{did_you_mean(value, values)}")

    def item(self, name: str) -> str:
        """The id of an item, from its id or from a title that it alone has. Raises DataError with what is close."""
        key = ("item", name)
        if key not in self.seen:
            self.seen[key] = self._item(name)
        return self.seen[key]

    def _item(self, name: str) -> str:
        log = self.trail.log
        if _any(log.table, log.table.item_id == name) or (log.items is not None and _any(log.items, log.items.item_id == name)):
            return name
        titled: list[str] = []
        if log.items is not None and "title" in log.items.columns:
            titled = log.items.filter(log.items.title == name).select("item_id").order_by("item_id").to_pyarrow()["item_id"].to_pylist()
            if not titled:
                same = log.items.title.lower().strip() == name.lower().strip()
                titled = log.items.filter(same).select("item_id").order_by("item_id").to_pyarrow()["item_id"].to_pylist()
        if len(titled) == 1:
            return str(titled[0])
        if titled:
            shown = ", ".join(titled[:5]) + (", ..." if len(titled) > 5 else "")
            raise DataError(f"{len(titled)} items have the title {name!r}; name one by its id: {shown}")
        near = [] if log.items is None or "title" not in log.items.columns else _close(log.items, "title", name)
        close = _close(log.table if log.items is None else log.items, "item_id", name) + near
        raise DataError(f"no item {name!r} in log {log.name!r}; {_hint(close)}")

    def names(self, items: Sequence[str]) -> dict[str, Phrase]:
        """How items read in a sentence: by their titles in quotes, with the id where several have the title; else by the id."""
        wanted = [item for item in dict.fromkeys(items) if ("name", item) not in self.seen]
        if wanted:
            titles = self.trail.titles(wanted)
            shared: set[str] = set()
            known = self.trail.log.items
            if known is not None and "title" in known.columns:
                same = known.filter(known.title.isin(sorted(set(titles.values())))).group_by("title").agg(n=lambda t: t.count())
                shared = {row["title"] for row in same.filter(same.n > 1).to_pyarrow().to_pylist()}
            for item in wanted:
                self.seen["name", item] = _name(item, titles[item], titles[item] in shared)
        return {item: self.seen["name", item] for item in items}

    def titled(self, item: str, title: str) -> bool:
        """Whether a name that was stated means an item: its id, or a title that it alone has."""
        try:
            return self.item(title) == item
        except DataError:
            return False

    def known(self, column: str, name: str) -> None:
        """Raises DataError, with what is close, for a user, category, brand or query that the log has not."""
        key = (column, name)
        if key in self.seen:
            return
        if column == "user_id":
            table = self.trail.log.table
        elif column == "query":
            self.need("query")
            table = self.acts
        else:
            self.need(column)
            table = self.acts if self.catalog is None or column not in self.catalog.columns else self.catalog
        if not _any(table, table[column].cast("string") == name):
            where = f"in log {self.trail.log.name!r}"
            raise DataError(f"no {_SPOKEN.get(column, column)} {name!r} {where}; {_hint(_close(table, column, name))}")
        self.seen[key] = True

    def resolve(self, scope: Scope) -> Scope:
        """A canonical scope with its titles turned into ids. Raises what `known`, `item` and `users` do for names that the log has not."""
        changed: dict[str, Any] = {
            name: self.item(getattr(scope, name)) for name in ("item", "not_item") if getattr(scope, name) is not None
        }
        for name, column in _COLUMNS.items():
            if getattr(scope, name) is not None:
                self.known(column, getattr(scope, name))
        if scope.segment is not None:
            self.users(scope.segment)
        if scope.since is not None or scope.until is not None or scope.hours or scope.weekdays:
            self.trail.need_clock("a window of time")
        if scope.value_from is not None or scope.value_to is not None:
            self.need("value")
        return replace(scope, **changed)

    def base(self, *scopes: Scope) -> ir.Table:
        """The acts that these scopes may take from; with the impressions where one names them, and `half` where one needs it."""
        table = self.shown if any("impression" in scope.event_types for scope in scopes) else self.acts
        if any(scope.half is not None for scope in scopes):
            counts = table.event_type != "impression"
            mine = ibis.window(group_by="user_id")
            before = ibis.cumulative_window(group_by="user_id", order_by="position")
            place = counts.cast("int64").sum().over(before)
            first = place <= (counts.cast("int64").sum().over(mine) // 2)
            table = table.mutate(half=ibis.ifelse(counts, ibis.ifelse(first, "first", "second"), ibis.null("string")))
        return table

    def condition(self, acts: ir.Table, scope: Scope) -> ir.BooleanValue:
        """Which of the acts that `base` gave a scope takes; never null."""
        s, parts = scope, []
        for name, column in (("user", "user_id"), ("item", "item_id"), ("category", "category"), ("brand", "brand"), ("query", "query")):
            if getattr(s, name) is not None:
                parts.append(acts[column] == getattr(s, name))
        for name, column in (("not_user", "user_id"), ("not_item", "item_id"), ("not_category", "category"), ("not_brand", "brand")):
            if getattr(s, name) is not None:
                parts.append(~(acts[column] == getattr(s, name)).fill_null(False))
        if s.event_types:
            parts.append(acts.event_type.isin(s.event_types))
        elif "impression" not in s.event_types:
            parts.append(acts.event_type != "impression")
        if s.not_event_types:
            parts.append(acts.event_type.notin(s.not_event_types))
        if s.segment is not None:
            parts.append(acts.user_id.isin(self.users(s.segment).user_id))
        if s.since is not None:
            parts.append(acts.timestamp >= ibis.literal(s.since))
        if s.until is not None:
            parts.append(acts.timestamp < ibis.literal(s.until))
        if s.hours:
            parts.append(acts.timestamp.hour().isin(s.hours))
        if s.weekdays:
            parts.append(acts.timestamp.day_of_week.index().isin(s.weekdays))
        if s.value_from is not None:
            parts.append(acts.value >= s.value_from)
        if s.value_to is not None:
            parts.append(acts.value <= s.value_to)
        if s.half is not None:
            parts.append(acts.half == s.half)
        if s.without_event_types:
            did = self.within(replace(s, event_types=s.without_event_types, not_event_types=(), without_event_types=()))
            parts.append(acts.user_id.notin(did.user_id))
        if not parts:
            return ibis.literal(True)
        every = parts[0]
        for part in parts[1:]:
            every = every & part
        return every.fill_null(False)

    def within(self, *scopes: Scope) -> ir.Table:
        """The acts that all of these scopes take."""
        acts = self.base(*scopes)
        for scope in scopes:
            if scope != Scope() or "impression" in {kind for other in scopes for kind in other.event_types}:
                acts = acts.filter(self.condition(acts, scope))
        return acts

    def window(self, scope: Scope, days: float) -> tuple[datetime, datetime, bool]:
        """Begin and end of the last days, and whether the end is included: it is the newest act of the log, or else `until`."""
        end = self.end if scope.until is None else scope.until
        try:
            return end - timedelta(days=days), end, scope.until is None
        except OverflowError:
            raise ConfigError(f"a window of {days:g} days before {end} begins before all calendars; choose a shorter one") from None


_SPOKEN: Final = {"user_id": "user", "query": "search query"}
_COLUMNS: Final = {
    "user": "user_id", "not_user": "user_id", "category": "category", "not_category": "category", "brand": "brand", "not_brand": "brand",
    "query": "query",
}  # fmt: skip


def narrows(scope: Scope) -> bool:
    """Whether a scope takes less than all acts."""
    return any(getattr(scope, f.name) not in (None, ()) for f in fields(scope))


def _compared(left: Any, sign: str, right: Any) -> Any:
    signs = {"=": left == right, "!=": left != right, ">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right}
    return signs[sign]


def _number(condition: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ConfigError(f"{value!r} in the segment rule {condition!r} must be a number") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ConfigError(f"{value!r} in the segment rule {condition!r} must be a finite number")
    return number


def _date(condition: str, value: str) -> datetime:
    try:
        return datetime.fromisoformat(value).replace(tzinfo=None)
    except ValueError:
        raise ConfigError(f"{value!r} in the segment rule {condition!r} must be a date such as 2026-01-31") from None


def _name(item: str, title: str, shared: bool) -> Phrase:
    if title == item:
        return say("item {id}", "商品 {id}", id=item)
    if shared:
        return say("{title} ({id})", "{title}（{id}）", title=quoted(title), id=item)
    return quoted(title)


def _any(table: ir.Table, condition: ir.BooleanValue) -> bool:
    return table.filter(condition).limit(1).count().to_pyarrow().as_py() > 0


def _close(table: ir.Table, column: str, name: str) -> list[str]:
    """Names of a column that are written nearly alike, closest first; else the first ones."""
    names = table.filter(table[column].notnull()).select(name=table[column].cast("string")).distinct()
    near = names.mutate(distance=names.name.lower().levenshtein(name.lower()).cast("int64"))
    rows = near.order_by(near.distance, near.name).limit(_CLOSE).to_pyarrow().to_pylist()
    return [row["name"] for row in rows if row["distance"] <= max(1, (len(name) + 1) // 2)]


def _hint(close: Sequence[str]) -> str:
    return f"close are: {', '.join(map(repr, close[:_CLOSE]))}" if close else "nothing is written nearly like it"


Evidence = tuple[pa.Table, int]
