"""The one metric layer: the acts of a log, filtered, labelled and cut into sessions, as one lazy Ibis table.

Every analysis counts on `Trail.acts`, so that a figure which appears twice is the same expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from footpath.errors import ConfigError, NotInLogError, did_you_mean
from footpath.events.contract import EVENT_COLUMNS, EVENT_TYPES
from footpath.events.log import EventLog
from footpath.result import Cell, Phrase, Result, say

CLOCK_GAP_MINUTES: Final = 30.0
"""A pause longer than this ends a session, as analytics tools have it, where nothing else is asked."""
CENTURY_DAYS: Final = 36_525.0
"""No window is longer."""
LONGEST_GAP_MINUTES: Final = CENTURY_DAYS * 24 * 60
ACT_COLUMNS: Final = ("user_id", "position", "item_id", "event_type", "timestamp", "session", "step", "label")
"""What every row of `Trail.acts` has; canonical and context columns of the log follow."""


@dataclass(frozen=True, eq=False)
class Counts:
    """How much a trail holds; sessions: of a trail without them one a user; first and last: None without a clock or without acts."""

    acts: int
    users: int
    items: int
    sessions: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, eq=False)
class Trail:
    """The acts that analyses count, one row an act, unique by (user_id, position).

    acts: `user_id`, `position` (order within the user), `item_id`, `event_type`, `timestamp` (UTC), `session` (0-based within the user),
    `step` (0-based within the session), `label` (what a step is called: see `by`), then the other columns of the log.
    lazy: the same expression on the log's own table, for SQL. session_rule, population: in words.
    """

    log: EventLog
    acts: ir.Table
    lazy: ir.Table
    by: tuple[str, ...]
    session_rule: Phrase
    has_sessions: bool
    population: Phrase
    settings: Mapping[str, Any]

    @cached_property
    def counts(self) -> Counts:
        t = self.acts
        row = t.aggregate(
            acts=t.count(), users=t.user_id.nunique(), items=t.item_id.nunique(), first=t.timestamp.min(), last=t.timestamp.max()
        ).to_pyarrow()
        acts, users, items, first, last = (row[name][0].as_py() for name in ("acts", "users", "items", "first", "last"))
        sessions = t.filter(t.step == 0).count().to_pyarrow().as_py() if self.settings["sessions"] else users
        return Counts(acts, users, items, sessions, first, last)

    @cached_property
    def types(self) -> dict[str, int]:
        """Acts of each event type, most first."""
        counted = self.acts.group_by("event_type").agg(n=self.acts.count()).to_pyarrow().to_pylist()
        return {row["event_type"]: row["n"] for row in sorted(counted, key=lambda row: (-row["n"], row["event_type"]))}

    def compute(self, build: Callable[[ir.Table], ir.Table]) -> tuple[pa.Table, ir.Table]:
        """The rows of an expression over the acts, and the same expression on the log's own table, for `Result.queries`."""
        return build(self.acts).to_pyarrow(), build(self.lazy)

    def need_clock(self, what: str) -> None:
        """Raises NotInLogError for a log without a clock."""
        if not self.log.has_clock:
            raise NotInLogError(
                f"{what} needs a clock, and log {self.log.name!r} has none; map a column to timestamp when it is ingested: "
                "footpath ingest FILE --column timestamp=NAME"
            )

    def need_items(self, what: str) -> None:
        """Raises NotInLogError for a log whose acts name no items."""
        if self.counts.acts and not self.counts.items:
            raise NotInLogError(f"{what} needs items, and no act of log {self.log.name!r} names one; map a column to item_id")

    def need_sessions(self, what: str) -> None:
        """Raises NotInLogError for a log with neither session ids nor a clock, ConfigError for a trail that was made without."""
        if not self.settings["sessions"]:
            raise ConfigError(f"{what} needs sessions, and this trail was made with sessions=False; leave that out")
        if not self.has_sessions:
            raise NotInLogError(f"{what} needs sessions, and log {self.log.name!r} has neither session ids nor a clock")

    def need_types(self, what: str, types: Sequence[str]) -> None:
        """Raises NotInLogError where an event type does not occur among the acts."""
        for name in types:
            if name not in self.types:
                there = ", ".join(self.types) or "none"
                raise NotInLogError(
                    f"{what} needs acts of type {name!r}, and there are none; there are: {there}{did_you_mean(name, self.types)}"
                )

    def need_column(self, what: str, column: str) -> None:
        """Raises NotInLogError where a column of the log is missing or has no value."""
        if column not in self.acts.columns or not int(self.acts[column].count().to_pyarrow().as_py()):
            raise NotInLogError(
                f"{what} needs the column {column!r}, which is empty in log {self.log.name!r}; map a column to it at ingest"
            )

    def segments(self, column: str) -> ir.Table:
        """`user_id` and `segment` of every user: by a column of the user table, else the first value of a column of the acts.

        Users without a value are in the segment `none`. Raises NotInLogError for a column that is in neither.
        """
        users = self.acts.select("user_id").distinct()
        if self.log.users is not None and column in self.log.users.columns:
            given = self.log.users.select("user_id", segment=self.log.users[column].cast("string"))
        elif column in self.acts.columns and column not in ("user_id", "position", "step"):
            valued = self.acts.filter(self.acts[column].notnull())
            given = valued.group_by("user_id").agg(segment=valued[column].cast("string").argmin(valued.position))
        else:
            known = [*([] if self.log.users is None else self.log.users.columns), *self.acts.columns]
            raise NotInLogError(f"no column {column!r} to segment users by{did_you_mean(column, known)}; there are: {', '.join(known)}")
        joined = users.left_join(given, "user_id")
        return joined.select("user_id", segment=joined.segment.fill_null("none"))

    def titles(self, item_ids: Sequence[str]) -> dict[str, str]:
        """The titles of some items; an item without a title goes by its id."""
        found = {item: item for item in item_ids}
        if self.log.items is not None and "title" in self.log.items.columns and item_ids:
            rows = self.log.items.filter(self.log.items.item_id.isin(list(found)) & self.log.items.title.notnull())
            found |= {row["item_id"]: row["title"] for row in rows.select("item_id", "title").to_pyarrow().to_pylist()}
        return found

    def shown(self, labels: Sequence[str]) -> dict[str, str]:
        """How labels read: items by their titles, all else as it is."""
        return self.titles(labels) if self.by == ("item_id",) else {label: label for label in labels}

    def spoken(self, label: str) -> str:
        """How a label reads in a sentence: an item without a title is called an item."""
        name = self.shown([label])[label]
        return say("item {id}", "商品 {id}", id=label) if self.by == ("item_id",) and name == label else name

    def categories(self) -> ir.Table:
        """`item_id` and `category` (the main one) of every item that has one. Raises NotInLogError where no item has."""
        found = main_categories(self.log)
        if found is None:
            raise NotInLogError(
                f"the items of log {self.log.name!r} have no categories; give an item table: footpath ingest FILE --items ITEMS"
            )
        return found

    def meta(self, definition: str, *, warnings: Sequence[str] = (), **more: Any) -> dict[str, Any]:
        """What every result says of itself: definition, population, window, zone, sessions, fingerprint, warnings."""
        n = self.counts
        window: str = say("no clock: acts are in order only", "无时钟：仅有先后次序")
        if n.first is not None and n.last is not None:
            window = say(
                "{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}",
                "{first:%Y-%m-%d %H:%M} 至 {last:%Y-%m-%d %H:%M}",
                first=n.first,
                last=n.last,
            )
        population = (
            say(
                "{acts:,} acts of {users:,} users in {sessions:,} sessions ({what})",
                "{users:,} 位用户、{sessions:,} 个会话中的 {acts:,} 次行为（{what}）",
                acts=n.acts, users=n.users, sessions=n.sessions, what=self.population,
            )
            if self.settings["sessions"]
            else say(
                "{acts:,} acts of {users:,} users ({what})",
                "{users:,} 位用户的 {acts:,} 次行为（{what}）",
                acts=n.acts, users=n.users, what=self.population,
            )
        )  # fmt: skip
        return {
            "definition": definition,
            "population": population,
            "window": window,
            "zone": "UTC" if self.log.has_clock else None,
            "sessions": self.session_rule,
            "settings": dict(self.settings),
            "fingerprint": self.log.fingerprint,
            "warnings": list(warnings),
            **more,
        }

    def nothing(self, name: str, definition: str, why: str, schema: Mapping[str, pa.DataType] | None = None) -> Result:
        """The result of an analysis that had nothing to measure, and says why."""
        table = pa.table({column: pa.array([], kind) for column, kind in (schema or {"measure": pa.string()}).items()})
        return Result(name, table, self.meta(definition, warnings=[why], empty=True), (Cell("acts", self.counts.acts, "acts"),))


def trail(
    log: EventLog | Trail,
    *,
    by: str | Sequence[str] | None = None,
    gap_minutes: float | None = None,
    sessions: bool = True,
    event_types: Sequence[str] | None = None,
    bots: Literal["keep", "drop"] = "keep",
    since: datetime | str | None = None,
    until: datetime | str | None = None,
    users: Sequence[str] | None = None,
    cache: bool = True,
) -> Trail:
    """The acts of a log, ready to be counted. A trail passes through as it is where nothing else is asked of it.

    by: what a step is called: a column of the log, `category` or `brand` of the item, `item_id`, or several joined; without it
    `event_type` where the log has several types, else `category` where items have one, else `item_id`.
    gap_minutes: a pause longer than this ends a session, in whole seconds; without it the log's session ids where every act has one,
    else 30. sessions: without them a user's acts are one sequence, and there is less to prepare.
    event_types: those counted; without it all but impressions, which are what the product showed and not what people did.
    bots: `drop` leaves out users that the quality report suspects. since (included), until (left out): UTC. users: only these.
    cache: compute once into a temporary table, for many analyses on one trail.
    Raises ConfigError for an option that cannot be, NotInLogError for a column or type that the log lacks.
    """
    if isinstance(log, Trail):
        if all(option is None for option in (by, gap_minutes, event_types, since, until, users)) and bots == "keep" and sessions:
            return log
        return _retrailed(log, by, gap_minutes, sessions, event_types, bots, since, until, users, cache)
    table, said = _kept(log, event_types, bots, since, until, users)
    columns = _columns(log)
    table = table.select(*columns)
    table, rule, has_sessions = _sessions(log, table, gap_minutes, sessions)
    names = _names(log, table, by)
    lazy = _labelled(log, table, names).select(*ACT_COLUMNS, *(c for c in columns if c not in ACT_COLUMNS))
    settings = {
        "by": list(names),
        "gap_minutes": gap_minutes,
        "sessions": sessions,
        "event_types": None if event_types is None else list(event_types),
        "bots": bots,
        "since": None if since is None else str(since),
        "until": None if until is None else str(until),
        "users": None if users is None else list(users),
    }
    return Trail(log, lazy.cache() if cache else lazy, lazy, names, rule, has_sessions, said, settings)


def check_gap(option: str, minutes: float) -> None:
    """Raises ConfigError for a pause that cannot end a session."""
    if not 0.5 / 60 < minutes <= LONGEST_GAP_MINUTES:
        raise ConfigError(
            f"{option} must be at least one second (0.0167) and at most a hundred years ({LONGEST_GAP_MINUTES:.0f}), got {minutes:g}"
        )


def with_impressions(t: Trail) -> Trail:
    """The acts of a trail and the impressions, which other analyses leave out, straight from the log: a log has many of them.

    Without sessions, `step` is null, and a step is called by its event type. A trail of chosen types stays as it is.
    """
    if t.settings["event_types"] is not None:
        return t
    s = t.settings
    table, said = _kept(t.log, EVENT_TYPES, s["bots"], s["since"], s["until"], s["users"])
    table = table.mutate(session=ibis.literal(0, "int64"), step=ibis.null("int64"), label=table.event_type)
    table = table.select(*ACT_COLUMNS, *(c for c in t.lazy.columns if c not in ACT_COLUMNS))
    rule = say("no sessions: a user's acts are one sequence", "无会话：每位用户的行为为一条序列")
    settings = {**s, "by": ["event_type"], "sessions": False, "gap_minutes": None, "event_types": list(EVENT_TYPES)}
    return Trail(t.log, table, table, ("event_type",), rule, False, said, settings)


def following(acts: ir.Table) -> ir.Table:
    """The acts with `next_label`: what comes next in the same session, null at its end. Transitions, paths and step matrix share it."""
    ordered = ibis.window(group_by=["user_id", "session"], order_by="position")
    return acts.mutate(next_label=acts.label.lead().over(ordered))


def scoped(acts: ir.Table, within: str) -> ir.Table:
    """The acts as they are (`session`), or with the whole of a user's acts as one session (`history`)."""
    if within == "session":
        return acts
    if within != "history":
        raise ConfigError(f"within must be session or history, got {within!r}{did_you_mean(within, ('session', 'history'))}")
    place = ibis.row_number().over(ibis.window(group_by="user_id", order_by="position"))
    return acts.mutate(session=ibis.literal(0, "int64"), step=place.cast("int64"))


def frequent_labels(acts: ir.Table, top: int) -> list[str]:
    """The labels with the most acts, most first; equal counts go by name."""
    if top < 1:
        raise ConfigError(f"the number of labels to tell apart must be at least 1, got {top}")
    counted = acts.group_by("label").agg(n=acts.count())
    found: list[str] = counted.order_by(counted.n.desc(), counted.label).limit(top).to_pyarrow()["label"].to_pylist()
    return found


def gathered(acts: ir.Table, labels: Sequence[str], rest: str) -> ir.Table:
    """The acts with every label that is not among these called `rest`."""
    return acts.mutate(label=ibis.ifelse(acts.label.isin(list(labels)), acts.label, rest))


def main_categories(log: EventLog) -> ir.Table | None:
    """`item_id` and `category`: the first of an item's categories, or of its attributes where no item has a category, or None.

    Categories are separated by `|`, `>` or `,` where most have one, else by a space where the words of long ones occur alone too.
    """
    if log.items is None:
        return None
    for column in ("category", "attributes"):
        if column not in log.items.columns:
            continue
        described = log.items.filter(log.items[column].notnull())
        values = [value for value in described.select(column).distinct().limit(10_000).to_pyarrow().column(0).to_pylist() if value]
        if values:
            separator = " " if column == "attributes" else _separator(values)
            text = described[column]
            return described.select("item_id", category=text if separator is None else text.split(separator)[0].strip())
    return None


def _separator(values: Sequence[str]) -> str | None:
    for mark in ("|", ">", ","):
        if 2 * sum(mark in value for value in values) > len(values):
            return mark
    single = {value for value in values if " " not in value}
    words = [word for value in values if " " in value for word in value.split()]
    return " " if words and sum(word in single for word in words) >= 0.8 * len(words) else None


def _retrailed(
    old: Trail,
    by: str | Sequence[str] | None,
    gap_minutes: float | None,
    sessions: bool,
    event_types: Sequence[str] | None,
    bots: Literal["keep", "drop"],
    since: datetime | str | None,
    until: datetime | str | None,
    users: Sequence[str] | None,
    cache: bool,
) -> Trail:
    """The same log with some settings changed; what is not asked stays as it was. A new label alone needs no new sessions."""
    kept = old.settings
    unchanged = all(option is None for option in (gap_minutes, event_types, since, until, users)) and bots in ("keep", kept["bots"])
    unchanged = unchanged and sessions in (True, kept["sessions"])
    if unchanged and by is not None:
        names = _names(old.log, old.lazy, by)
        if names == old.by:
            return old
        rest = [c for c in old.lazy.columns if c not in ACT_COLUMNS]
        acts, lazy = (_labelled(old.log, table.drop("label"), names).select(*ACT_COLUMNS, *rest) for table in (old.acts, old.lazy))
        return replace(old, acts=acts, lazy=lazy, by=names, settings={**kept, "by": list(names)})
    return trail(
        old.log,
        by=by if by is not None else kept["by"],
        gap_minutes=kept["gap_minutes"] if gap_minutes is None and sessions else gap_minutes,
        sessions=sessions and (kept["sessions"] or gap_minutes is not None),
        event_types=kept["event_types"] if event_types is None else event_types,
        bots="drop" if "drop" in (bots, kept["bots"]) else "keep",
        since=kept["since"] if since is None else since,
        until=kept["until"] if until is None else until,
        users=kept["users"] if users is None else users,
        cache=cache,
    )


def _columns(log: EventLog) -> list[str]:
    """Columns that hold anything, so that a cached trail carries no empty ones; what every act needs is always there."""
    always = {"user_id", "position", "item_id", "event_type", "timestamp"}
    canonical = [c for c in log.table.columns if c in EVENT_COLUMNS and c not in always and c not in log.empty]
    filled = log.table.aggregate(**{c: log.table[c].count() for c in canonical}).to_pyarrow().to_pylist()[0] if canonical else {}
    return [c for c in log.table.columns if not c.startswith("_") and (c in always or c not in EVENT_COLUMNS or filled.get(c))]


def _kept(
    log: EventLog,
    event_types: Sequence[str] | None,
    bots: str,
    since: datetime | str | None,
    until: datetime | str | None,
    users: Sequence[str] | None,
) -> tuple[ir.Table, Phrase]:
    table, said = log.table, []
    if bots not in ("keep", "drop"):
        raise ConfigError(f"bots must be keep or drop, got {bots!r}")
    if event_types is None:
        table = table.filter(table.event_type != "impression")
        said.append(say("all event types but impressions", "除展示外的所有行为类型"))
    else:
        for name in event_types:
            if name not in EVENT_TYPES:
                raise ConfigError(f"no event type {name!r}; known are {', '.join(EVENT_TYPES)}{did_you_mean(name, EVENT_TYPES)}")
        table = table.filter(table.event_type.isin(list(event_types)))
        every = set(event_types) >= set(EVENT_TYPES)
        named = say("event types {names}", "行为类型 {names}", names=", ".join(event_types))
        said.append(say("all event types", "所有行为类型") if every else named)
    if users is not None:
        table = table.filter(table.user_id.isin(list(users)))
        said.append(say("{n:,} chosen users", "选定的 {n:,} 位用户", n=len(users)))
    if bots == "drop" and log.bots is not None:
        table = table.anti_join(log.bots, "user_id")
        said.append(say("without suspected bots", "不含疑似机器人"))
    if since is not None or until is not None:
        if not log.has_clock:
            raise NotInLogError(f"since and until need a clock, and log {log.name!r} has none")
        if since is not None:
            table = table.filter(table.timestamp >= ibis.literal(_time("since", since)))
            said.append(say("since {time}", "自 {time} 起", time=since))
        if until is not None:
            table = table.filter(table.timestamp < ibis.literal(_time("until", until)))
            said.append(say("until {time}", "至 {time} 止", time=until))
    return table, Phrase("; ".join(said), "；".join(part.zh for part in said))


def _time(name: str, value: datetime | str) -> datetime:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except ValueError:
        raise ConfigError(f"{name} must be a date or a time such as 2026-01-31 or 2026-01-31T12:00, got {value!r}") from None
    if time.tzinfo is not None:
        from datetime import UTC

        return time.astimezone(UTC).replace(tzinfo=None)
    return time


def _sessions(log: EventLog, table: ir.Table, gap_minutes: float | None, wanted: bool) -> tuple[ir.Table, Phrase, bool]:
    """The table with `session` and `step`; how sessions were cut; whether there are any."""
    if gap_minutes is not None and not wanted:
        raise ConfigError(f"gap_minutes={gap_minutes:g} and sessions=False contradict one another; leave one of them out")
    if gap_minutes is not None:
        check_gap("gap_minutes", gap_minutes)
    ordered = ibis.window(group_by="user_id", order_by="position")
    so_far = ibis.cumulative_window(group_by="user_id", order_by="position")
    given = wanted and gap_minutes is None and "session_id" in table.columns
    has_ids = given and not bool(table.session_id.isnull().any().to_pyarrow().as_py())
    if has_ids:
        first = table.position.min().over(ibis.window(group_by=["user_id", "session_id"]))
        begins = table.mutate(_begins=(table.position == first).cast("int64"))
        # acts of two interleaved sessions go by the session they name
        numbered = begins.mutate(_opened=begins._begins.sum().over(so_far))
        session = numbered._opened.min().over(ibis.window(group_by=["user_id", "session_id"])) - 1
        table = numbered.mutate(session=session.cast("int64")).drop("_begins", "_opened")
        rule = say("by the log's session ids", "按日志自带的会话编号")
    elif log.has_clock and wanted:
        gap = CLOCK_GAP_MINUTES if gap_minutes is None else gap_minutes
        before = table.timestamp.lag().over(ordered)
        late = (table.timestamp > before + ibis.interval(seconds=round(gap * 60))).fill_null(True)
        # a running sum of floats takes DuckDB a third of the time of one of integers, and is exact for counts
        table = table.mutate(_new=late.cast("float64"))
        table = table.mutate(session=(table._new.sum().over(so_far) - 1).cast("int64")).drop("_new")
        rule = say("a pause longer than {gap:g} minutes ends a session", "间隔超过 {gap:g} 分钟即结束会话", gap=gap)
    elif gap_minutes is not None:
        raise NotInLogError(f"sessions by a gap of {gap_minutes:g} minutes need a clock, and log {log.name!r} has none")
    else:
        table = table.mutate(session=ibis.literal(0, "int64"))
        rule = say("no sessions: a user's acts are one sequence", "无会话：每位用户的行为为一条序列")
    within = ["user_id", "session"] if wanted else ["user_id"]
    steps = ibis.row_number().over(ibis.window(group_by=within, order_by="position"))
    return table.mutate(step=steps.cast("int64")), rule, wanted and (has_ids or log.has_clock)


def _names(log: EventLog, table: ir.Table, by: str | Sequence[str] | None) -> tuple[str, ...]:
    """The columns whose values name a step."""
    if by is None:
        types = table.event_type.as_table().distinct().limit(2).to_pyarrow().num_rows
        if types > 1:
            return ("event_type",)
        if main_categories(log) is not None:
            return ("category",)
        return ("item_id",) if int(table.item_id.count().to_pyarrow().as_py()) else ("event_type",)
    names = (by,) if isinstance(by, str) else tuple(by)
    of_items = [] if log.items is None else ["category", *(c for c in ("brand",) if c in log.items.columns)]
    for name in names:
        if name not in table.columns and name not in of_items:
            known = [*of_items, *(c for c in table.columns if c not in ("session", "step", "position", "label"))]
            raise NotInLogError(f"no column {name!r} to name steps by{did_you_mean(name, known)}; there are: {', '.join(known)}")
    if not names:
        raise ConfigError("by needs at least one column to name steps by, got none")
    return names


def _labelled(log: EventLog, table: ir.Table, names: tuple[str, ...]) -> ir.Table:
    parts: list[Any] = []
    for name in names:
        if name in table.columns:
            parts.append(table[name].cast("string").fill_null("none"))
            continue
        assert log.items is not None
        found = main_categories(log) if name == "category" else log.items.select("item_id", name)
        if found is None:
            raise NotInLogError(f"the items of log {log.name!r} have no {name}; give an item table: footpath ingest FILE --items ITEMS")
        lookup = found.filter(found[name].notnull()).select(_item=found.item_id, **{f"_{name}": found[name].cast("string")})
        table = table.left_join(lookup, table.item_id == lookup._item).drop("_item")
        parts.append(table[f"_{name}"].fill_null("none"))
    label = parts[0]
    for part in parts[1:]:
        label = label.concat(" / ").concat(part)
    return table.mutate(label=label)
