"""What the forms of both languages mean, as claims: each function gives the readings that a wording leaves open, most often one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final, cast

from footpath.llm.claims.claims import DEAD_BAND, Claim, Comparison, Scope
from footpath.llm.statements.forms import NONE, SOME, Each, NoScopeError, Reading, Said, claimed, joined, merged
from footpath.llm.statements.tokens import Narrowing, Number, Token

SLOTS: Final[Mapping[str, tuple[str, ...]]] = {
    "who": ("user", "segment", "not_user"), "what": ("item", "category", "brand", "query", "not_item", "not_category", "not_brand"),
    "when": ("since", "until", "hours", "weekdays", "half"), "value": ("value_from", "value_to"),
}  # fmt: skip
BY: Final[Mapping[str, str]] = {
    "items": "item", "cats": "category", "brands": "brand", "users": "user", "queries": "query", "days": "day", "months": "month",
    "types": "event_type", "I": "item", "C": "category", "B": "brand", "U": "user", "Q": "query",
}  # fmt: skip
OF: Final[Mapping[str, str]] = {"items": "items", "cats": "categories", "brands": "brands", "sessions": "sessions", "days": "days"}
EVERYBODY: Final = Number(1, "=", None)


def used(scope: Scope) -> set[str]:
    """Which kinds of narrowing a scope has: who, what, when, value, types."""
    found = {slot for slot, names in SLOTS.items() if any(getattr(scope, name) not in (None, ()) for name in names)}
    return found | ({"types"} if scope.event_types or scope.not_event_types else set())


def only_who(scope: Scope) -> bool:
    return used(scope) <= {"who"}


def did(scopes: Iterable[Scope], number: Number) -> Iterator[Reading]:
    """So many users have an act in a scope."""
    for scope in scopes:
        yield [Said(claimed("count", scope, number, of="users"))]


def did_not(scopes: Iterable[Scope], types: Sequence[str], number: Number) -> Iterator[Reading]:
    """So many users have none of these acts. Among whom, where a window is named: all who ever acted, or those who did in the window."""
    for scope in scopes:
        who = Scope(user=scope.user, segment=scope.segment, not_user=scope.not_user)
        if only_who(scope) and types:
            yield [Said(claimed("count", replace(who, without_event_types=tuple(types)), number, of="users"))]
            continue
        inside = joined(scope, Scope(event_types=tuple(types)))
        when = replace(who, since=scope.since, until=scope.until, hours=scope.hours, weekdays=scope.weekdays, half=scope.half)
        for base in (who, when) if "when" in used(scope) else (who,):
            if used(inside) == used(base):
                continue
            yield [Said(claimed("compare", base, number, measure=Claim("count", arguments={"of": "users"}), against=inside))]


def times_rule(types: Sequence[str], number: Number) -> str | None:
    """A segment rule for users with so many acts of a type: `purchase>=2`."""
    if len(types) > 1 or number.comparison in ("about", "is not"):
        return None
    return f"{types[0] if types else 'acts'}{number.comparison}{number.value:g}"


def with_rule(scope: Scope, rule: str) -> Scope:
    return joined(scope, Scope(segment=rule))


def part_of(
    wholes: Iterable[Scope], inner: Iterable[Scope], number: Number, of: str, figures: Mapping[str, float] | None = None
) -> Iterator[Reading]:
    """A share: of the acts, users or sessions of the whole, so much is in the part."""
    inner = list(inner)
    for whole in wholes:
        for part in inner:
            if part == Scope():
                continue
            if of == "acts" and part.event_types and whole.event_types and part.event_types != whole.event_types:
                continue
            yield [Said(claimed("share", whole, number, part=part, of=of), figures or {})]


def best(
    scopes: Iterable[Scope], by: str, names: Sequence[str], *, of: Sequence[str] = ("acts",), how: Comparison = "is"
) -> Iterator[Reading]:
    """A list of those with most."""
    for scope in scopes:
        for unit in of:
            yield [Said(Claim("top", scope, {"by": by, "of": unit, "k": len(names)}, how, tuple(names)))]


def named(tokens: Sequence[Token], by: str) -> list[str] | None:
    """The names that tokens state in a list that goes by something; None where one is no such name."""
    found = []
    for token in tokens:
        made = cast(Narrowing, token.value)
        name = made.names.get(by) or next((other.names[by] for _, other in made.others if by in other.names), None)
        if name is None:
            return None
        found.append(name)
    return found or None


def busiest(scopes: Iterable[Scope], by: str, token: Token, how: Comparison = "is") -> Iterator[Reading]:
    """The hour or weekday, the day or month with most acts."""
    name = cast(Narrowing, token.value).names.get(by)
    if name is None:
        return
    for scope in scopes:
        if by in ("hour", "weekday"):
            yield [Said(Claim("rhythm", scope, {"by": by}, "is" if how == "is" else "is not", int(name)))]
        else:
            yield [Said(Claim("top", scope, {"by": by, "k": 1}, how, (name,)))]


def window_days(token: Token) -> float | None:
    window = cast(Narrowing, token.value).window
    return None if window is None or window.before else window.days


def before_days(token: Token) -> float | None:
    window = cast(Narrowing, token.value).window
    return None if window is None or not window.before else window.days


def moved(
    scopes: Iterable[Scope], window: Token, before: Token | None, direction: str, size: Number | None, of: str = "acts"
) -> Iterator[Reading]:
    """A trend over the last days against the days before. direction: up, down, flat, `not up`, `not down`."""
    days = window_days(window)
    if days is None or (before is not None and before_days(before) not in (0.0, days)):
        return
    for scope in scopes:
        arguments = {"of": of, "window_days": days}
        if direction in ("up", "down") and size is None:
            yield [Said(Claim("trend", scope, arguments, cast(Comparison, direction)))]
        elif direction in ("up", "down") and size is not None and size.comparison in ("=", "about"):
            if size.comparison == "=":
                yield [Said(Claim("trend", scope, arguments, cast(Comparison, direction), size.value, size.digits))]
            else:
                sign = 1 if direction == "up" else -1
                yield [Said(Claim("trend", scope, arguments, "about", sign * size.value, size.digits))]
        elif direction in ("up", "down") and size is not None:
            turned: Mapping[Comparison, Comparison] = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
            how = size.comparison if direction == "up" else turned[size.comparison]
            claims = [Said(Claim("trend", scope, arguments, how, size.value if direction == "up" else -size.value))]
            yield [Said(Claim("trend", scope, arguments, cast(Comparison, direction))), *claims]
        elif direction == "flat" and size is None:
            yield [Said(Claim("trend", scope, arguments, "flat"))]
        elif size is None:  # a rise within the dead band is one reading of `did not increase`, and none the other
            how = "<=" if direction == "not up" else ">="
            for edge in (0.0, DEAD_BAND if how == "<=" else -DEAD_BAND):
                yield [Said(Claim("trend", scope, arguments, how, edge))]


def more(measure: Claim, one: Iterable[Scope], other: Iterable[Scope], number: Number, how: str = "difference") -> Iterator[Reading]:
    """Two scopes compared by a measure. What the other leaves unsaid is as in the one, but for what is contrasted."""
    others = list(other)
    for here in one:
        for there in others:
            contrast = used(there)
            if not contrast or not contrast <= used(here):
                continue
            shared = _without(here, contrast)
            against = joined(shared, there)
            if here != against:
                yield [Said(claimed("compare", here, number, measure=measure, against=against, how=how))]


def _without(scope: Scope, slots: set[str]) -> Scope:
    names = {name for slot in slots if slot in SLOTS for name in SLOTS[slot]}
    if "types" in slots:
        names |= {"event_types", "not_event_types"}
    cleared: dict[str, Any] = {f.name: f.default for f in fields(Scope) if f.name in names}
    return replace(scope, **cleared)


def average(
    scopes: Iterable[Scope], number: Number, of: str, per: str, types: Sequence[str], *, doers: bool | None = None
) -> Iterator[Reading]:
    """Acts per user, session or day. Of users either all of the scope, or (doers) only those who did; both where nothing says which."""
    for scope in scopes:
        part = Scope(event_types=tuple(types))
        if not types:
            yield [Said(claimed("mean", scope, number, of=of, per=per))]
            continue
        if doers is not True:
            yield [Said(claimed("mean", scope, number, of=of, per=per, part=part))]
        if doers is not False:
            yield [Said(claimed("mean", joined(scope, part), number, of=of, per=per))]


def valued(scopes: Iterable[Scope], number: Number, of: str) -> Iterator[Reading]:
    for scope in scopes:
        yield [Said(claimed("mean", scope, number, of=of, per="act"))]


def followed(scopes: Iterable[Scope], a: Scope, b: Scope, number: Number, within: str = "session") -> Iterator[Reading]:
    for scope in scopes:
        yield [Said(claimed("follows", scope, number, a=a, b=b, within=within))]


def at_time(which: str, scopes: Iterable[Scope], token: Token) -> Iterator[Reading]:
    """The first or last act of a scope was on a day, or in a month."""
    made = cast(Narrowing, token.value)
    period = None if made.window is None else made.window.period
    if period is None:
        return
    for scope in scopes:
        if period.kind == "day":
            yield [Said(Claim(cast(Any, which), scope, {"by": "time"}, "is", period.begin, 86_400.0))]
        else:
            bounds: tuple[tuple[Comparison, datetime], ...] = ((">=", period.begin), ("<", period.end))
            yield [Said(Claim(cast(Any, which), scope, {"by": "time"}, how, edge)) for how, edge in bounds]


def at_name(which: str, scopes: Iterable[Scope], by: str, name: str, how: Comparison = "is") -> Iterator[Reading]:
    for scope in scopes:
        yield [Said(Claim(cast(Any, which), scope, {"by": by}, how, name))]


def since_last(scopes: Iterable[Scope], number: Number) -> Iterator[Reading]:
    for scope in scopes:
        yield [Said(claimed("recency", scope, number))]


def again(scopes: Iterable[Scope], number: Number, by: str = "item") -> Iterator[Reading]:
    for scope in scopes:
        yield [Said(claimed("repeat_rate", scope, number, by=by))]


def exclusive(scopes: Iterable[Scope], part: Iterable[Scope]) -> Iterator[Reading]:
    """Of the acts of a scope all are in the part, and there are some."""
    inner = list(part)
    for scope in scopes:
        for inside in inner:
            if inside != Scope():
                yield [Said(claimed("share", scope, EVERYBODY, part=inside, of="acts"))]


def none_of(scopes: Iterable[Scope], tokens: Sequence[Token], types: Sequence[str]) -> Iterator[Reading]:
    """No act in a scope; and of those who are excepted there is some, which is implied."""
    kept = [token for token in tokens if token.kind != "X"]
    excepted = [original for token in tokens if token.kind == "X" for _, original in cast(Narrowing, token.value).others]
    for scope in scopes:
        said = [Said(claimed("count", scope, NONE, of="acts"))]
        for original in excepted:
            bases = merged(kept, types)[:1]
            said += [
                Said(claimed("count", joined(base, inside), SOME, of="acts"), implied=True)
                for base in bases
                for inside in original.scopes[:1]
            ]
        yield said


def left_out(tokens: Sequence[Token]) -> Scope | None:
    """All but what these tokens name; None where no scope can say that."""
    if len(tokens) == 1 and tokens[0].kind in ("T", "Y"):
        return Scope(not_event_types=tokens[0].value)
    found = Scope()
    for token in tokens:
        made = cast(Narrowing, token.value)
        if len(made.scopes) != 1:
            return None
        inside = made.scopes[0]
        if made.slot in ("user", "item", "category", "brand"):
            other = Scope(**{f"not_{made.slot}": getattr(inside, made.slot)})
        elif made.slot == "segment" and inside.segment is not None and " and " not in inside.segment and _EQUAL.fullmatch(inside.segment):
            other = Scope(segment=inside.segment.replace("=", "!=", 1))
        elif made.slot == "when" and inside == Scope(weekdays=inside.weekdays):
            other = Scope(weekdays=tuple(day for day in range(7) if day not in inside.weekdays))
        elif made.slot == "when" and inside == Scope(hours=inside.hours):
            other = Scope(hours=tuple(hour for hour in range(24) if hour not in inside.hours))
        else:
            return None
        try:
            found = joined(found, other)
        except NoScopeError:
            return None
    return found


_EQUAL: Final = re.compile(r"[^<>=!]+=[^<>=!]+")


def excepting(tokens: Sequence[Token], text: str) -> Token:
    """One token for what is left out; it has no scope where none can say it, and may still be taken from a list of names."""
    scope = left_out(tokens)
    originals = tuple((token.kind, token.value) for token in tokens if isinstance(token.value, Narrowing))
    return Token("X", text, Narrowing("except", () if scope is None else (scope,), {}, None, originals))


def each_name(tokens: Sequence[Token], kind: str, types: Sequence[str], number: Number) -> Iterator[Reading]:
    """Of every category, or brand, of the log: so many acts. The excepted ones are not as the others, which is implied."""
    slot = BY[kind]
    names = []
    for token in tokens:
        if token.kind == "X":
            for _, original in cast(Narrowing, token.value).others:
                if original.slot != slot:
                    return
                names.append(original.names[slot])
    for scope in merged([token for token in tokens if token.kind != "X"], types):
        yield [Said(claimed("count", scope, number), each=Each(slot, tuple(names)))]


def every_day(tokens: Sequence[Token], types: Sequence[str]) -> Iterator[Reading]:
    """On every day from the first to the last of the log, or of the window, there is some such act; on the excepted ones none (implied)."""
    kept = [token for token in tokens if token.kind != "X"]
    days = [original for token in tokens if token.kind == "X" for _, original in cast(Narrowing, token.value).others]
    if any(day.window is None or day.window.period is None or day.window.period.kind != "day" or len(day.scopes) != 1 for day in days):
        return
    for scope in merged(kept, types):
        said = [Said(claimed("count", scope, Number(-len(days), ">="), of="days"), each=Each("day", ()))]
        said += [Said(claimed("count", joined(scope, day.scopes[0]), NONE), implied=True) for day in days]
        yield said


def among_best(scopes: Iterable[Scope], by: str, name: str, k: int, *, inside: bool) -> Iterator[Reading]:
    """A name is among the first of a list, or is not."""
    for scope in scopes:
        yield [Said(Claim("top", scope, {"by": by, "k": k}), member=name if inside else None, stranger=None if inside else name)]
