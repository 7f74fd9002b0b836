"""What sentences of either language state, where only the wording differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from footpath.llm.claims.claims import Scope
from footpath.llm.statements import meanings as mean
from footpath.llm.statements.forms import NONE, SOME, Found, Reading, Said, claimed, complement, counted, denied, joined, merged
from footpath.llm.statements.tokens import Narrowing, Number, Token


def last_one(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[-1:]


def bracketed(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[1:2]


def buyers(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("G", t[0].text, Narrowing("segment", (Scope(segment="purchase>=1"),)))]


def share_of(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[:1]


def units(f: Found) -> Iterator[Reading]:
    yield from counted(f.scopes(types=f.types("v")), f.number(), mean.OF[f.one("of").kind])


def users(f: Found) -> Iterator[Reading]:
    yield from mean.did(f.scopes(types=f.types("v"), extra=f.all("w")), f.number())


def all_users(f: Found) -> Iterator[Reading]:
    yield from mean.did(f.scopes(extra=f.all("w")), f.number())


def users_not(f: Found) -> Iterator[Reading]:
    yield from mean.did_not(f.scopes(extra=f.all("w")), f.types("v"), f.number())


def nobody(f: Found) -> Iterator[Reading]:
    yield from mean.none_of(f.scopes(types=f.types("v")), f.all(""), f.types("v"))


def nobody_times(f: Found) -> Iterator[Reading]:
    rule = mean.times_rule(f.types("v"), f.number("m"))
    for scope in f.scopes():
        if rule is not None and mean.only_who(scope):
            said = [Said(claimed("count", mean.with_rule(scope, rule), NONE, of="users"))]
            if scope.not_user is not None:
                excepted = joined(replace(scope, not_user=None), Scope(user=scope.not_user, segment=rule))
                said.append(Said(claimed("count", excepted, SOME, of="users"), implied=True))
            yield said


def every_day(f: Found) -> Iterator[Reading]:
    yield from mean.every_day(f.all(""), f.types("v"))


def only(f: Found) -> Iterator[Reading]:
    yield from mean.exclusive(f.scopes(types=f.types("v")), merged(f.all("who")))


def only_on(f: Found) -> Iterator[Reading]:
    yield from mean.exclusive(f.scopes("a", "", types=f.types("v")), merged(f.all("part")))


def not_only(f: Found) -> Iterator[Reading]:
    of = mean.OF[f.one("of").kind]
    for scope in f.scopes(types=f.types("v")):
        for inside in merged(f.all("name"), f.types("v")):
            one = joined(scope, inside)
            yield [Said(claimed("count", scope, Number(1, ">"), of=of)), Said(claimed("count", one, SOME))]


def no_name(f: Found) -> Iterator[Reading]:
    number = denied(f.number()) if f.has("n") else NONE
    yield from mean.each_name(f.all(""), f.one("of").kind, f.types("v"), number)


def each_name(f: Found) -> Iterator[Reading]:
    yield from mean.each_name(f.all(""), f.one("of").kind, f.types("v"), f.number() if f.has("n") else SOME)


def share_of_sessions(f: Found) -> Iterator[Reading]:
    yield from mean.part_of(f.scopes("whole"), f.scopes("part", types=f.types("v")), f.number(), "sessions")


def follows(f: Found) -> Iterator[Reading]:
    yield from following(f, f.number())


def not_follows(f: Found) -> Iterator[Reading]:
    yield from following(f, complement(f.number()))


def following(f: Found, number: Number) -> Iterator[Reading]:
    for a in f.scopes("a", types=f.types("a")):
        for b in f.scopes("b", types=f.types("b")):
            who = Scope(user=a.user, segment=a.segment)
            yield from mean.followed([who], replace(a, user=None, segment=None), b, number)


def best_segment(f: Found) -> Iterator[Reading]:
    """Among the values of the column that the name is of."""
    names = cast(Narrowing, f.one("name").value).names
    column = next(iter(names), None)
    meant = cast(Narrowing, f.one("of").value).names["column"] if f.has("of") and f.one("of").value is not None else column
    if column is not None and meant == column:
        yield from mean.best(f.scopes(types=f.types("v")), column, [names[column]])


def rhythm(f: Found) -> Iterator[Reading]:
    yield from when_most(f, "is")


def not_rhythm(f: Found) -> Iterator[Reading]:
    yield from when_most(f, "is not")


def when_most(f: Found, how: str) -> Iterator[Reading]:
    known = {"hours": "hour", "weekdays": "weekday", "days": "day", "months": "month"}
    names = cast(Narrowing, f.one("name").value).names
    by = known[f.one("by").kind] if f.has("by") else next((one for one in ("hour", "weekday") if one in names), "")
    if by == "day" and "weekday" in names:
        by = "weekday"
    if by:
        yield from mean.busiest(f.scopes(types=f.types("v")), by, f.one("name"), how)  # type: ignore[arg-type]


def no_trend(f: Found) -> Iterator[Reading]:
    yield from moved(f, f"not {f.one('dir').kind}")


def moved(f: Found, direction: str) -> Iterator[Reading]:
    of = "users" if f.has("w") else "acts"
    scopes = f.scopes(types=f.types("v"), extra=[token for token in f.all("w") if token.kind == "G"])
    before = f.one("before") if f.has("before") else None
    yield from mean.moved(scopes, f.one("window"), before, direction, f.number() if f.has("n") else None, of)


def per_session(f: Found) -> Iterator[Reading]:
    yield from mean.average(f.scopes(), f.number(), "acts", "session", f.types("v"), doers=False)


def mean_price(f: Found) -> Iterator[Reading]:
    yield from mean.valued(f.scopes(types=f.types("v")), f.number(), "price")


def edge_time(f: Found) -> Iterator[Reading]:
    yield from mean.at_time(f.one("which").kind, f.scopes(types=f.types("v")), f.one("day"))


def edge_name(f: Found) -> Iterator[Reading]:
    yield from edge(f, "is")


def edge_not_name(f: Found) -> Iterator[Reading]:
    yield from edge(f, "is not")


def edge(f: Found, how: str) -> Iterator[Reading]:
    by = mean.BY[f.one("name").kind]
    stated = mean.named(f.all("name"), by)
    if stated is not None:
        yield from mean.at_name(f.one("which").kind, merged(f.all("U"), f.types("v")), by, stated[0], how)  # type: ignore[arg-type]


def recency(f: Found) -> Iterator[Reading]:
    if f.kinds("") & {"U"}:
        yield from mean.since_last(f.scopes(), f.number())


def repeats(f: Found) -> Iterator[Reading]:
    yield from mean.again(f.scopes(types=f.types("v")), f.number())
