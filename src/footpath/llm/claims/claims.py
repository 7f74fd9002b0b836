"""Claims: statements about a log that can be computed, and are, before anybody reads them.

A claim is `(predicate, arguments, scope)` and, where it was stated by somebody, what was stated. `check` computes the value, compares it
with the statement, and returns the rows that bear it out. Nothing here knows of language models: they may propose claims, and no more.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

import pyarrow as pa

from footpath.errors import ConfigError, did_you_mean
from footpath.events.contract import EVENT_TYPES

if TYPE_CHECKING:
    from footpath.analysis.trail import Trail
    from footpath.events.log import EventLog
    from footpath.llm.claims.checker import Checker

Predicate = Literal[
    "count", "share", "mean", "top", "trend", "first", "last", "recency", "rhythm", "follows", "repeat_rate", "novelty", "drift", "lift",
    "compare",
]  # fmt: skip
"""What can be said of the acts of a scope; `ARGUMENTS` has what each takes.

count      of: acts | users | items | categories | brands | sessions | days
share      part (a scope within the scope), of: acts | users | sessions                             0 to 1
mean       of: acts | sessions | items | days | users (then per: user | session | day, and part: what is counted there; the whole scope
           without it), value | price (then per act)
top        by: item | category | brand | event_type | user | query | day | month | a column of users or acts, of: acts | users, k: names
trend      of: acts | users | sessions, window_days                 (last window - the one before) / the one before
first      by: time | item | category | event_type                  of the oldest act that has one
last       by: time | item | category | event_type                  of the newest act that has one
recency    -                                                         days from the newest act to the end of the log
rhythm     by: hour | weekday                                        the hour (0-23, UTC) or weekday (0 Monday) with most acts
follows    a, b (scopes), within: session | history                  share of acts in a directly followed by one in b
repeat_rate by: item | category                                      share of acts on what the user has met before
novelty    by: item | category, window_days                          share of acts of the last window on what was not met before it
drift      by: category | item                                       total variation between the first and the second half of the acts
lift       part, against (a scope; the whole log without it), of     share of part in scope / share of part in against
compare    measure (a claim's predicate and arguments), against, how: difference | ratio
                                                                     value in scope - value in against, or the one by the other
"""

Comparison = Literal["=", "about", ">", ">=", "<", "<=", "up", "down", "flat", "is", "is not"]
"""How a statement binds a value. `about` and `=` allow for the rounding of the number as stated; is, is not: of names."""

Value = float | int | str | tuple[str, ...] | datetime

ABOUT: Final = 0.10
"""`about` allows a stated number to be this far from the value, relative to the value."""
DEAD_BAND: Final = 0.02
"""A trend, or a ratio of two figures, within this of no change is flat: neither up nor down."""
LONGEST_WINDOW_DAYS: Final = 36_525.0
LARGEST: Final = 1e18
"""Numbers beyond are no figures of a log."""


@dataclass(frozen=True)
class Scope:
    """Whose acts, on what, of which kind, when: every field narrows, and an empty scope is the whole log but its impressions.

    user: an id. segment: a rule, as `footpath.llm.claims.scopes` reads it, such as `device=phone` or `purchase>=2`. event_types: any of
    these; with `impression` among them impressions count too. item (an id, or a title that only one item has), category, brand, query:
    as the log spells them. since: included; until: left out; both UTC without a zone. hours: of the day, 0 to 23; weekdays: 0 is Monday.
    not_*: left out. without_event_types: only users who have no act of these types in the scope (of any type, otherwise as it is).
    value_from, value_to: both included, of the column `value`, such as stars. half: of the acts of each user, by order, impressions
    left out; the middle act of an odd number is in the second.
    """

    user: str | None = None
    segment: str | None = None
    event_types: tuple[str, ...] = ()
    item: str | None = None
    category: str | None = None
    brand: str | None = None
    query: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    hours: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    not_event_types: tuple[str, ...] = ()
    not_category: str | None = None
    not_item: str | None = None
    not_brand: str | None = None
    not_user: str | None = None
    without_event_types: tuple[str, ...] = ()
    value_from: float | None = None
    value_to: float | None = None
    half: Literal["first", "second"] | None = None


@dataclass(frozen=True)
class Claim:
    """A predicate with its arguments over a scope and, where it is a statement, the comparison and the value that were stated.

    arguments: plain values and scopes, by the names that `Predicate` lists. value: None where nothing was stated, and the claim asks.
    digits: how exactly a number was stated, as its last decimal place (0.01 for `12.34`), of a time in seconds (86,400 for a date); None
    for exactly. Of `up` and `down` value is the size where one was stated, and may be None.
    """

    predicate: Predicate
    scope: Scope = field(default_factory=Scope)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    comparison: Comparison | None = None
    value: Value | None = None
    digits: float | None = None

    @property
    def states(self) -> bool:
        """Something was stated that can be true or false."""
        return self.value is not None or self.comparison in ("up", "down", "flat")


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the log says to a claim.

    claim: in canonical form. value: as computed; None where it is undefined, and `why` then says so. holds: whether the statement is
    true; None where nothing was stated, or it cannot be said. n: the denominator behind the value. cell: an id under which prose may
    point at the value; equal claims on one log have equal ids, whatever was stated. parts: the figures behind the value, such as the
    numerator of a share. names: how the items of claim and value read. gather: finds the evidence when it is first asked for.
    """

    claim: Claim
    value: Value | None
    holds: bool | None
    n: int | None
    cell: str
    unit: str = ""
    why: str = ""
    parts: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    gather: Callable[[], tuple[pa.Table, int]] = field(default=lambda: (pa.table({}), 0), repr=False)

    @cached_property
    def _gathered(self) -> tuple[pa.Table, int]:
        return self.gather()

    @property
    def evidence(self) -> pa.Table:
        """Up to 20 rows of the log, or of the counts, that bear the value out."""
        return self._gathered[0]

    @property
    def evidence_total(self) -> int:
        """How many such rows there are."""
        return self._gathered[1]

    def to_dict(self, *, evidence: bool = False) -> dict[str, Any]:
        """Plain types, times in ISO 8601; with the evidence on demand."""
        told = {
            "cell": self.cell, "claim": claim_to_dict(self.claim), "value": _plain(self.value), "unit": self.unit, "n": self.n,
            "holds": self.holds, "parts": {name: _plain(part) for name, part in self.parts.items()},
        }  # fmt: skip
        told |= {"why": str(self.why)} if self.why else {}
        if evidence:
            rows = [{name: _plain(cell) for name, cell in row.items()} for row in self.evidence.to_pylist()]
            told |= {"evidence": rows, "evidence_total": self.evidence_total}
        return told


PREDICATES: Final[tuple[str, ...]] = get_args(Predicate)


@dataclass(frozen=True)
class Argument:
    """What an argument may be; required where there is no default.

    kind: `choice` (one of choices), `column` (one of choices, or a column of users or acts), `whole` (1 to 1,000), `days` (above 0),
    `scope`, `measure`.
    """

    kind: Literal["choice", "column", "whole", "days", "scope", "measure"]
    choices: tuple[str, ...] = ()
    default: Any = None
    required: bool = False


_OF: Final = Argument("choice", ("acts", "users", "sessions"), "acts")
_BY_ITEM: Final = Argument("choice", ("item", "category"), "item")
_BY_ACT: Final = Argument("choice", ("time", "item", "category", "event_type"), "time")
_WINDOW: Final = Argument("days", default=7)
_SCOPE: Final = Argument("scope", default=Scope())
_NEEDED: Final = Argument("scope", required=True)

ARGUMENTS: Final[Mapping[str, Mapping[str, Argument]]] = {
    "count": {"of": Argument("choice", ("acts", "users", "items", "categories", "brands", "sessions", "days"), "acts")},
    "share": {"part": _NEEDED, "of": _OF},
    "mean": {
        "of": Argument("choice", ("acts", "sessions", "items", "days", "users", "value", "price"), "acts"),
        "per": Argument("choice", ("user", "session", "day", "act"), "user"),
        "part": _SCOPE,
    },
    "top": {
        "by": Argument("column", ("item", "category", "brand", "event_type", "user", "query", "day", "month"), "item"),
        "of": Argument("choice", ("acts", "users"), "acts"),
        "k": Argument("whole", default=3),
    },
    "trend": {"of": _OF, "window_days": _WINDOW},
    "first": {"by": _BY_ACT},
    "last": {"by": _BY_ACT},
    "recency": {},
    "rhythm": {"by": Argument("choice", ("hour", "weekday"), "hour")},
    "follows": {"a": _NEEDED, "b": _NEEDED, "within": Argument("choice", ("session", "history"), "session")},
    "repeat_rate": {"by": _BY_ITEM},
    "novelty": {"by": _BY_ITEM, "window_days": _WINDOW},
    "drift": {"by": Argument("choice", ("category", "item"), "category")},
    "lift": {"part": _NEEDED, "against": _SCOPE, "of": _OF},
    "compare": {
        "measure": Argument("measure", required=True),
        "against": _SCOPE,
        "how": Argument("choice", ("difference", "ratio"), "difference"),
    },
}
"""What each predicate takes beside its scope."""

MEASURES: Final = ("count", "share", "mean", "trend", "recency", "follows", "repeat_rate", "novelty", "drift", "lift")
"""Predicates whose values are numbers that may be compared."""
_ORDERED: Final = ("=", "about", ">", ">=", "<", "<=", "is", "is not")
_NAMED: Final = ("is", "is not", "=")


def check(claim: Claim, log: EventLog | Trail | Checker) -> Verdict:
    """Compute a claim on a log and compare it with what was stated.

    For many claims make one `checker.Checker` and pass it, so that the trail is prepared once. Raises ConfigError for a claim
    that cannot be, DataError for users, items, categories, brands, queries and segments that the log has not.
    """
    from footpath.llm.claims.checker import Checker

    return (log if isinstance(log, Checker) else Checker(log)).check(claim)


def canonical(claim: Claim) -> Claim:
    """The claim with every argument in place and every set in order: claims that ask the same are equal. Raises ConfigError.

    Spelling of names is the log's matter: `Checker.check` also turns titles into ids.
    """
    if not isinstance(claim, Claim):
        raise ConfigError(f"a claim is a Claim, got {type(claim).__name__}; claim_from_dict makes one of a mapping")
    if claim.predicate not in PREDICATES:
        raise _unknown_predicate(claim.predicate)
    arguments = _arguments(claim.predicate, claim.arguments)
    value, comparison = _stated(claim)
    if claim.predicate == "top" and isinstance(value, tuple) and claim.arguments.get("k") is None:
        arguments["k"] = len(value)
    digits = claim.digits
    if digits is not None and (not _is_number(digits) or digits <= 0):
        raise ConfigError(f"digits must be a number above 0, such as 0.01, got {digits!r}")
    return Claim(claim.predicate, canonical_scope(claim.scope), arguments, comparison, value, None if digits is None else float(digits))


def canonical_scope(scope: Scope) -> Scope:
    """The scope with its sets in order and its times in UTC without a zone. Raises ConfigError for what no scope can be."""
    if not isinstance(scope, Scope):
        raise ConfigError(f"a scope is a Scope, got {type(scope).__name__}")
    for name in _TEXTS:
        text = getattr(scope, name)
        if text is not None and not (isinstance(text, str) and text.strip()):
            raise ConfigError(f"{name} of a scope must be a text, got {text!r}")
    given: dict[str, Any] = {name: _types(name, getattr(scope, name)) for name in _TYPES}
    both = sorted(set(given["event_types"]) & set(given["not_event_types"]))
    if both:
        raise ConfigError(f"a scope cannot both ask for event type {both[0]!r} and leave it out")
    given |= {"hours": _places("hours", scope.hours, 24), "weekdays": _places("weekdays", scope.weekdays, 7)}
    given |= {name: _moment(name, getattr(scope, name)) for name in ("since", "until")}
    if given["since"] is not None and given["until"] is not None and given["since"] >= given["until"]:
        raise ConfigError(f"a scope must begin before it ends, got since={given['since']} and until={given['until']}")
    for name in ("value_from", "value_to"):
        number = getattr(scope, name)
        if number is not None and not _is_number(number):
            raise ConfigError(f"{name} of a scope must be a number, got {number!r}")
        given[name] = None if number is None else float(number)
    if scope.half not in (None, "first", "second"):
        raise ConfigError(f"half of a scope must be first or second, got {scope.half!r}")
    if scope.segment is not None:
        given["segment"] = canonical_segment(scope.segment)
    return replace(scope, **given)


def canonical_segment(rule: str) -> str:
    """A segment rule without needless spaces, its conditions in order."""
    return " and ".join(sorted({" ".join(part.split()) for part in rule.split(" and ")}))


def cell_of(claim: Claim, fingerprint: str) -> str:
    """The id of what a canonical claim asks of one log: the predicate and ten hexadecimal digits."""
    asked = claim_to_dict(replace(claim, comparison=None, value=None, digits=None))
    text = json.dumps([fingerprint, asked], sort_keys=True, ensure_ascii=False)
    return f"{claim.predicate}-{hashlib.sha256(text.encode('utf-8')).hexdigest()[:10]}"


def claim_to_dict(claim: Claim) -> dict[str, Any]:
    """Plain types that JSON can hold; what is at its default is left out."""
    told: dict[str, Any] = {"predicate": claim.predicate}
    scope = scope_to_dict(claim.scope)
    told |= {"scope": scope} if scope else {}
    arguments = {}
    for name, value in claim.arguments.items():
        known = ARGUMENTS.get(claim.predicate, {}).get(name)
        if known is not None and not known.required and value == known.default and name != "k":  # a stated list would give another
            continue
        if isinstance(value, Scope):
            arguments[name] = scope_to_dict(value)
        elif isinstance(value, Claim):
            arguments[name] = claim_to_dict(value)
        else:
            arguments[name] = value
    told |= {"arguments": arguments} if arguments else {}
    for name in ("comparison", "value", "digits"):
        if getattr(claim, name) is not None:
            told[name] = _plain(getattr(claim, name))
    return told


def scope_to_dict(scope: Scope) -> dict[str, Any]:
    """The fields that narrow, in plain types."""
    return {f.name: _plain(getattr(scope, f.name)) for f in fields(scope) if getattr(scope, f.name) not in (None, ())}


def claim_from_dict(given: Any) -> Claim:
    """The canonical claim that a mapping describes, as a model or a program wrote it. Raises ConfigError for anything else."""
    given = _mapping("a claim", given, ("predicate", "scope", "arguments", "comparison", "value", "digits"))
    predicate = given.get("predicate")
    if not isinstance(predicate, str) or predicate not in PREDICATES:
        raise _unknown_predicate(predicate)
    comparison = given.get("comparison")
    if comparison is not None and comparison not in get_args(Comparison):
        raise ConfigError(f"no comparison {comparison!r}; there are: {', '.join(get_args(Comparison))}")
    arguments = given.get("arguments")
    value = given.get("value")
    value = tuple(value) if isinstance(value, list) else value
    scope = scope_from_dict(given["scope"]) if given.get("scope") is not None else Scope()
    return canonical(
        Claim(cast(Predicate, predicate), scope, {} if arguments is None else arguments, comparison, value, given.get("digits"))
    )


def scope_from_dict(given: Any) -> Scope:
    """The canonical scope that a mapping describes; times are ISO 8601. Raises ConfigError."""
    given = _mapping("a scope", given, tuple(f.name for f in fields(Scope)))
    made = {name: value for name, value in given.items() if value is not None}
    for name in (*_TYPES, "hours", "weekdays"):
        if isinstance(made.get(name), list):
            made[name] = tuple(made[name])
        elif isinstance(made.get(name), str | int):
            made[name] = (made[name],)
    return canonical_scope(Scope(**made))


def agrees(claim: Claim, value: Value, same: Callable[[Value], bool] | None = None) -> bool:
    """Whether a computed value bears out what a canonical claim states.

    same: whether a stated name or list is as good as the value, where ties and titles allow for others. A number stated to a last place
    is true where the value rounds to it; `about` allows 10 % of the value beside; a time stated to the day or the minute is true where the
    value lies in it; `up` and `down` need more than 2 % of a trend or a ratio, any difference of a comparison, or the size that is stated
    with them.
    """
    stated, how = claim.value, claim.comparison
    if how in ("up", "down", "flat"):
        if isinstance(value, str | tuple | datetime):
            return False
        ratio = claim.arguments.get("how") == "ratio"
        band = DEAD_BAND if claim.predicate == "trend" or ratio else 0.0
        moved = value - 1.0 if ratio else value
        if how == "flat":
            return abs(moved) <= band
        signed = moved if how == "up" else -moved
        return signed > band if stated is None else signed > 0 and _close(cast(float, stated), signed, claim.digits, 0.0)
    if isinstance(value, datetime):
        return isinstance(stated, datetime) and _times(how or "is", stated, value, claim.digits)
    if isinstance(value, str | tuple):
        equal = same(cast(Value, stated)) if same is not None else stated == value
        return equal is (how != "is not")
    if not isinstance(stated, int | float):
        return False
    equal = _close(stated, value, claim.digits, ABOUT if how == "about" else 0.0) or (same is not None and same(stated))
    orders = {">": value > stated, ">=": value >= stated, "<": value < stated, "<=": value <= stated, "is not": not equal}
    return orders.get(how or "=", equal)


_TEXTS: Final = ("user", "segment", "item", "category", "brand", "query", "not_category", "not_item", "not_brand", "not_user")
_TYPES: Final = ("event_types", "not_event_types", "without_event_types")


def _close(stated: float, value: float, digits: float | None, relative: float) -> bool:
    """Whether a value rounds to what is stated to a last place; both neighbours of a half are right."""
    room = max(relative * abs(value), 0.0 if digits is None else digits / 2)
    return abs(value - stated) <= room + 1e-9 * max(1e-3, abs(value))


def _times(how: str, stated: datetime, value: datetime, digits: float | None) -> bool:
    step = timedelta(seconds=digits) if digits else timedelta(microseconds=1)
    start = stated if not digits else datetime(1970, 1, 1) + ((stated - datetime(1970, 1, 1)) // step) * step
    inside = start <= value < start + step
    day = timedelta(days=1)
    orders = {
        ">": value >= start + step, ">=": value >= start, "<": value < start, "<=": value < start + step, "is not": not inside,
        "about": inside or abs(value - stated) <= day,
    }  # fmt: skip
    return orders.get(how, inside)


def _unknown_predicate(given: Any) -> ConfigError:
    return ConfigError(f"no predicate {given!r}; there are: {', '.join(PREDICATES)}{did_you_mean(str(given), PREDICATES)}")


def _arguments(predicate: str, given: Any) -> dict[str, Any]:
    known = ARGUMENTS[predicate]
    if not isinstance(given, Mapping):
        raise ConfigError(f"arguments of {predicate} must be a mapping, got {type(given).__name__}")
    for name in given:
        if name not in known:
            there = ", ".join(known) or "none"
            raise ConfigError(f"{predicate} takes no argument {name!r}; it takes {there}{did_you_mean(str(name), known)}")
    found = {}
    for name, argument in known.items():
        if given.get(name) is None:
            if argument.required:
                raise ConfigError(f"{predicate} needs the argument {name}")
            found[name] = argument.default
        else:
            found[name] = _argument(f"{predicate}.{name}", argument, given[name])
    if predicate == "mean":
        if (found["of"] in ("value", "price")) != (found["per"] == "act") and given.get("per") is not None:
            what = f"mean of {found['of']} per {found['per']} cannot be"
            raise ConfigError(f"{what}; value and price are per act, all else per user, session or day")
        found["per"] = "act" if found["of"] in ("value", "price") else found["per"]
        if (found["of"], found["per"]) in _NEVER:
            raise ConfigError(f"mean of {found['of']} per {found['per']} cannot be; choose another per")
    if predicate == "follows":
        for name in ("a", "b"):
            if "impression" in found[name].event_types:
                raise ConfigError("follows leaves impressions out: they are what was shown, not what people did next")
    return found


_NEVER: Final = (("users", "user"), ("users", "session"), ("sessions", "session"), ("days", "day"))


def _argument(name: str, argument: Argument, value: Any) -> Any:
    if argument.kind in ("choice", "column"):
        open_ended = argument.kind == "column" and isinstance(value, str) and value
        if value not in argument.choices and not open_ended:
            close = did_you_mean(str(value), argument.choices)
            raise ConfigError(f"{name} must be one of {', '.join(argument.choices)}, got {value!r}{close}")
        return value
    if argument.kind == "whole":
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000:
            raise ConfigError(f"{name} must be a whole number from 1 to 1,000, got {value!r}")
        return value
    if argument.kind == "days":
        if not _is_number(value) or not 0 < value <= LONGEST_WINDOW_DAYS:
            raise ConfigError(f"{name} must be a number of days above 0 and at most {LONGEST_WINDOW_DAYS:.0f}, got {value!r}")
        return int(value) if float(value).is_integer() else float(value)
    if argument.kind == "scope":
        return scope_from_dict(value) if isinstance(value, Mapping) else canonical_scope(value)
    measure = value if isinstance(value, Claim) else claim_from_dict(value)
    measure = canonical(measure)
    if measure.predicate not in MEASURES:
        raise ConfigError(f"{name} must be one of {', '.join(MEASURES)}, which are numbers, got {measure.predicate!r}")
    if measure.scope != Scope() or measure.states:
        raise ConfigError(f"{name} has no scope and states nothing of its own: the scopes are those that are compared")
    return measure


def _stated(claim: Claim) -> tuple[Value | None, Comparison | None]:
    """What is stated and how, of the kind that the predicate has. Raises ConfigError."""
    value, how = claim.value, claim.comparison
    if how is not None and how not in get_args(Comparison):
        raise ConfigError(f"no comparison {how!r}; there are: {', '.join(get_args(Comparison))}")
    if how in ("up", "down", "flat"):
        if claim.predicate not in ("trend", "compare"):
            raise ConfigError(f"only a trend or a comparison can be {how}, not {claim.predicate}")
        if value is not None and (how == "flat" or not _is_number(value) or cast(float, value) < 0):
            raise ConfigError(f"the size of {how} must be a number of at least 0, or left out, got {value!r}")
        return (None if value is None else float(cast(float, value))), how
    if value is None:
        if how is not None:
            raise ConfigError(f"the comparison {how!r} needs a value")
        return None, None
    by = claim.arguments.get("by", "time") if isinstance(claim.arguments, Mapping) else "time"
    if claim.predicate == "top":
        names = (value,) if isinstance(value, str) else value
        if not isinstance(names, tuple) or not names or not all(isinstance(name, str) and name for name in names):
            raise ConfigError(f"a top list is stated as a list of names, got {value!r}")
        return names, _how(how, _NAMED, "is", claim.predicate)
    if claim.predicate in ("first", "last"):
        if by == "time":
            return _moment("value", value), _how(how, _ORDERED, "is", claim.predicate)
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{claim.predicate} by {by} is stated as a name, got {value!r}")
        return value, _how(how, _NAMED, "is", claim.predicate)
    if not _is_number(value):
        raise ConfigError(f"{claim.predicate} is stated as a number, got {value!r}")
    return cast(float, value), _how(how, _ORDERED, "=", claim.predicate)


def _how(how: Comparison | None, allowed: Sequence[str], default: str, predicate: str) -> Comparison:
    if how is not None and how not in allowed:
        raise ConfigError(f"{predicate} cannot be stated with {how!r}; it can with {', '.join(allowed)}")
    return cast(Comparison, how or default)


def _types(name: str, given: Any) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigError(f"{name} of a scope must be a list of event types, got {given!r}")
    for kind in given:
        if kind not in EVENT_TYPES:
            raise ConfigError(f"no event type {kind!r}; known are {', '.join(EVENT_TYPES)}{did_you_mean(str(kind), EVENT_TYPES)}")
    return tuple(sorted(set(given)))


def _places(name: str, given: Any, size: int) -> tuple[int, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigError(f"{name} of a scope must be a list of whole numbers, got {given!r}")
    for place in given:
        if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < size:
            raise ConfigError(f"{name} of a scope are whole numbers from 0 to {size - 1}, got {place!r}")
    found = tuple(sorted(set(given)))
    return () if len(found) == size else found


def _moment(name: str, value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ConfigError(f"{name} must be a date or a time such as 2026-01-31 or 2026-01-31T12:00, got {value!r}") from None
    if not isinstance(value, datetime):
        raise ConfigError(f"{name} must be a date or a time such as 2026-01-31 or 2026-01-31T12:00, got {value!r}")
    try:
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise ConfigError(f"{name} must be a time between the years 1 and 9999, got {value}") from None


def _mapping(what: str, given: Any, known: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{what} is a mapping with {', '.join(known)}, got {type(given).__name__}")
    for name in given:
        if name not in known:
            raise ConfigError(f"{what} has no {name!r}; it has {', '.join(known)}{did_you_mean(str(name), known)}")
    return given


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
