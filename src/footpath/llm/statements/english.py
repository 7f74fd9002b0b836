"""How English sentences state claims."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, cast

from footpath.llm.claims.claims import Claim, Scope
from footpath.llm.statements import both
from footpath.llm.statements import meanings as mean
from footpath.llm.statements.forms import (
    NONE,
    SOME,
    Folds,
    Found,
    Grammar,
    Reading,
    Said,
    claimed,
    complement,
    counted,
    denied,
    joined,
    merged,
)
from footpath.llm.statements.times import DAY
from footpath.llm.statements.tokens import Narrowing, Number, Token

FOLDS: Final = Folds()
FORMS: Final = Grammar()
fold, says = FOLDS.fold, FORMS.says
_PREPOSITIONS: Final = ("in", "of", "by", "from", "among", "with", "to")


_HIGHER: Final = ("higher", "lower", "greater", "exceeds", "exceeded", "below", "above")
_MORE: Final = {"more": Number(0, ">"), "fewer": Number(0, "<"), "exceed": Number(0, ">")}


# ---- folds: several tokens that are one


@fold("in|of|by|from|among|with|to x", "in|of|by|from|among|with|to in|of|by|from|among|with|to x")
def _preposition(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[-1:]


fold("users U", "users users", "sessions sessions", "segment G", "users G")(both.last_one)


@fold("G users", "G segment", "C cats", "B brands", "Q queries", "U users", "C items", "B items")
def _first_ones(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[:-1]


@fold("cats C", "brands B", "queries Q", "items I", "items of? C", "items of? B")
def _after_kind(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[1:]


fold("open x close")(both.bracketed)


@fold("N stars", "N value")
def _stars(t: tuple[Token, ...]) -> Sequence[Token] | None:
    number = cast(Number, t[0].value)
    if number.comparison not in ("=", ">=", "<=") or t[0].text.lower().startswith(("only", "just")):
        return None
    low = number.value if number.comparison in ("=", ">=") else None
    high = number.value if number.comparison in ("=", "<=") else None
    return [Token("S", t[0].text, Narrowing("value", (Scope(value_from=low, value_to=high),), number=number))]


fold("buyers")(both.buyers)


@fold("mostoften active users")
def _most_active(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("busiest", t[1].text), t[2]]


@fold("without v N")
def _without_one(t: tuple[Token, ...]) -> Sequence[Token] | None:
    """`without buying one`."""
    return t[:2] if cast(Number, t[2].value) == Number(1, "=", 1) else None


@fold("only v N times")
def _only_so_often(t: tuple[Token, ...]) -> Sequence[Token] | None:
    return t[1:] if cast(Number, t[2].value).comparison == "=" else None


@fold("not exceed N", "exceed N")
def _exceeds(t: tuple[Token, ...]) -> Sequence[Token] | None:
    number = cast(Number, t[-1].value)
    if number.comparison != "=":
        return None
    return [Token("N", t[-1].text, replace(number, comparison="<=" if t[0].kind == "not" else ">"))]


@fold("in? all days")
def _all_days(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("day", t[-1].text)]


@fold("without G|D|U|C|B")
def _leaving_out(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("except", t[0].text), t[1]]


@fold("in t only")
def _for_these_alone(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("R", t[1].text, Narrowing("types", (Scope(event_types=t[1].value),)))]


@fold("no S y")
def _no_such(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("N", t[0].text, NONE), *t[1:]]


@fold("active users|G")
def _active(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[1:]


@fold("users|G with any acts", "users|G who have any acts", "users|G who be active")
def _with_activity(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[:1]


@fold("in|of|by|from|among|with|to x")
def _preposition_again(t: tuple[Token, ...]) -> Sequence[Token]:
    """Before what was made of several tokens."""
    return t[-1:]


@fold("of all", "among all")
def _of_all(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[:1]


@fold(
    "users|G who not|never v any?",
    "users|G who aux not v any?",
    "users|G who have never v any?",
    "users|G who have not v any?",
    "users|G without any? t",
    "users|G with no t",
)
def _who_never(t: tuple[Token, ...]) -> Sequence[Token] | None:
    types = [token for token in t[1:] if token.kind in ("T", "V", "Y")]
    return _ruled(t, f"{types[0].value[0]}=0", types)


@fold("mostoften|busiest active? users with N t|acts")
def _record(t: tuple[Token, ...]) -> Sequence[Token]:
    """`the most active user with 737 ratings` says how many the most active one has."""
    return [*t[:-3], Token("comma", ","), *t[-3:]]


@fold("users|G who have? v N times", "users|G with N t", "users|G who do|have N t")
def _who_times(t: tuple[Token, ...]) -> Sequence[Token] | None:
    types = [token for token in t[1:] if token.kind in ("T", "V", "Y")]
    number = next(cast(Number, token.value) for token in t if token.kind == "N")
    rule = mean.times_rule(types[0].value, number)
    return None if rule is None else _ruled(t, rule, types)


def _ruled(t: tuple[Token, ...], rule: str, types: Sequence[Token]) -> Sequence[Token] | None:
    if len(types) != 1 or len(types[0].value) != 1:
        return None
    scope = Scope(segment=rule) if t[0].kind == "users" else joined(cast(Narrowing, t[0].value).scopes[0], Scope(segment=rule))
    return [Token("G", " ".join(token.text for token in t), Narrowing("segment", (scope,)))]


@fold("except in? N and D")
def _two_days(t: tuple[Token, ...]) -> Sequence[Token] | None:
    """`except on 8 and 17 October`."""
    window = cast(Narrowing, t[-1].value).window
    number = cast(Number, t[-3].value)
    if window is None or window.period is None or window.period.kind != "day" or not 1 <= number.value <= 28:
        return None
    begin = window.period.begin.replace(day=int(number.value))
    period = replace(window.period, begin=begin, end=begin + DAY)
    made = Narrowing("when", (Scope(since=begin, until=begin + DAY),), {"day": f"{begin:%Y-%m-%d}"}, replace(window, period=period))
    return [t[0], Token("D", t[-3].text, made), *t[-2:]]


@fold("except x and x and x", "except x and x", "except x", "except t")
def _left_out(t: tuple[Token, ...]) -> Sequence[Token]:
    return [mean.excepting([token for token in t[1:] if token.kind != "and"], " ".join(token.text for token in t))]


@fold("no t|acts|sessions")
def _no(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("N", t[0].text, NONE), t[1]]


@fold("no users|G")
def _no_user(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("nobody", t[0].text), *(t[1:] if t[1].kind == "G" else ())]


@fold("not all people")
def _not_all(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("P", "not all", Number(1, "<")), t[2]]


@fold("all people", "most people", "mostoften people")
def _all(t: tuple[Token, ...]) -> Sequence[Token] | None:
    if t[0].kind == "mostoften" and t[0].text.lower() != "most":
        return None
    return [Token("P", t[0].text, Number(1, "=") if t[0].kind == "all" else Number(0.5, ">")), t[1]]


fold("P of")(both.share_of)


@fold("none people|t")
def _none_of(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("P", t[0].text, Number(0, "=")), t[1]]


@fold("y or y")
def _either(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token(t[0].kind, f"{t[0].text} or {t[2].text}", tuple(dict.fromkeys((*t[0].value, *t[2].value))))]


@fold("counting among? t|v only?", "among t only")
def _counting(t: tuple[Token, ...]) -> Sequence[Token] | None:
    types = next(token for token in t if token.kind in ("T", "V", "Y"))
    return [Token("R", types.text, Narrowing("types", (Scope(event_types=types.value),)))]


@fold("x only comma")
def _only_in_front(t: tuple[Token, ...]) -> Sequence[Token]:
    return [t[0]]


# ---- counts


@says(
    "~ n=N @ t=t|acts ~",
    "~ numberof t=t|acts ~ n=N ~",
    "~ t=t|acts ~ n=N ~",
    "~ v=V|Y ~ n=N times ~",
    "~ n=N times v=V ~",
    "~ do n=N times v=y",
    "items be v=v ~ n=N times ~",
)
def _acts(f: Found) -> Iterator[Reading]:
    types = f.types("t") or f.types("v")
    yield from counted(f.scopes(types=types), f.number())


@says("s=S be do ~ n=N times ~")
def _stars_given(f: Found) -> Iterator[Reading]:
    yield from counted(f.scopes(types=("rating",), extra=f.all("s")), f.number())


@says("@ name=Q be do n=N times @")
def _entered(f: Found) -> Iterator[Reading]:
    yield from counted(f.scopes(types=("search",), extra=f.all("name")), f.number())


@says("~ not ~ v=V|Y ~ n=N times ~", "~ not ~ n=N t=t|acts ~")
def _not_so_many(f: Found) -> Iterator[Reading]:
    yield from counted(f.scopes(types=f.types("v") or f.types("t")), denied(f.number()))


@says("~ v=v ~ n=N d=distinct? items ~", "~ n=N d=distinct? items ~ v=v ~")
def _things(f: Found) -> Iterator[Reading]:
    """`bought 5 items` may count items or acts; what is put into the cart are acts."""
    types = f.types("v")
    if f.has("d") or types != ("cart",):
        yield from counted(f.scopes(types=types), f.number(), "items")
    if not f.has("d"):
        yield from counted(f.scopes(types=types), f.number())


says(
    "~ v=y|acts ~ n=N distinct? of=cats|brands|sessions|days ~",
    "~ n=N distinct? of=cats|brands|sessions|days ~ v=y|acts ~",
    "~ n=N distinct? of=cats|brands|sessions|days with|who|have ~ v=y|acts ~",
    "~ active ~ n=N distinct? of=days ~",
    "~ n=N distinct? of=sessions|days ~",
    "~ numberof of=sessions|days ~ n=N ~",
    "~ numberof of=sessions|days with ~ v=y|acts ~ n=N ~",
    "~ v=t ~ from? n=N distinct? of=cats|brands ~",
    "~ v=v from n=N distinct? of=cats|brands ~",
    "~ items from n=N distinct? of=cats|brands be v=v ~",
    "~ v=v items n=N distinct? of=days ~",
    "~ v=v items in n=N distinct? of=days ~",
)(both.units)


@says("~ no of=sessions ~ v=y ~")
def _no_units(f: Found) -> Iterator[Reading]:
    yield from counted(f.scopes(types=f.types("v")), NONE, mean.OF[f.one("of").kind])


says(
    "~ v=v by? n=N distinct w=people ~",
    "~ n=N w=people ~ v=a ~",
    "~ v=v ~ by? n=N w=people ~",
    "~ numberof w=people who ~ v=a ~ n=N ~",
    "~ n=N w=people who ~ v=a ~",
    "~ n=N w=people with ~ v=tt ~",
    "~ v=t be do by n=N w=people ~",
    "~ n=N w=people v=v items ~",
    "~ v=tt by? do? by? n=N distinct? w=people ~",
    "~ numberof w=people with ~ v=tt ~ n=N ~",
)(both.users)


@says("be n=N of=cats|brands", "~ have n=N of=cats|brands")
def _kinds(f: Found) -> Iterator[Reading]:
    """Of the whole log: how many have acts."""
    if not f.kinds("") & {"U", "G", "I"}:
        yield from counted(f.scopes(), f.number(), mean.OF[f.one("of").kind])


@says("~ v=v ~ n=N times ~ by m=N w=people ~")
def _times_by(f: Found) -> Iterator[Reading]:
    for scope in f.scopes(types=f.types("v"), extra=f.all("w")):
        yield [Said(claimed("count", scope, f.number())), Said(claimed("count", scope, f.number("m"), of="users"))]


@says("w=G n=N have|do? v=v ~")
def _of_group(f: Found) -> Iterator[Reading]:
    """`Of the loyal users, 15 bought something.`"""
    yield from mean.did(f.scopes(types=f.types("v"), extra=f.all("w")), f.number())


says("~ n=N distinct? w=people ~", "~ numberof w=people ~ n=N ~")(both.all_users)


says("~ n=N w=people ~ not|never ~ v=a ~", "~ n=N w=people who ~ not|never ~ v=a ~", "~ n=N w=people without ~ v=y ~")(both.users_not)


@says("~ n=N w=people ~ v=v ~ m=N times|items ~", "~ n=N w=people ~ do|have m=N v=t ~")
def _users_times(f: Found) -> Iterator[Reading]:
    yield from _with_times(f, f.number())


def _with_times(f: Found, number: Number) -> Iterator[Reading]:
    """Users with so many acts of a type over the whole log, so that nothing else may narrow them."""
    rule = mean.times_rule(f.types("v"), f.number("m"))
    for scope in f.scopes(extra=f.all("w")):
        if rule is not None and mean.only_who(scope):
            yield [Said(claimed("count", mean.with_rule(scope, rule), number, of="users"))]


@says("among ~base v=v n=N ~ v=v m=N times ~", "among users who v=v n=N v=v m=N times")
def _of_those(f: Found) -> Iterator[Reading]:
    if len(set(f.all("v")[0].value) | set(f.all("v")[1].value)) == 1:
        yield from _with_times(replace(f, kept={**f.kept, "v": f.all("v")[:1]}), f.number())


# ---- none and some


@says("~one v=v n=N times how=more|fewer than m=N t=t ~other", "~one do|have n=N t=t how=more|fewer than m=N t=t? ~other")
def _counts_compared(f: Found) -> Iterator[Reading]:
    """`Gift shoppers bought 73 times, fewer than the 91 purchases of bargain shoppers.`"""
    types = f.types("v") or f.types("t")
    if f.types("t") not in ((), types):
        return
    for reading in mean.more(Claim("count"), f.scopes("one", types=types), f.scopes("other"), _MORE[f.one("how").kind]):
        compared = reading[0].claim
        counts = [(compared.scope, f.number()), (compared.arguments["against"], f.number("m"))]
        yield [*reading, *(Said(claimed("count", scope, number)) for scope, number in counts)]


says("~ nobody ~ v=a ~", "~ v=v nothing ~", "~ nothing ~ v=v ~", "~ be? no v=acts ~", "~ nobody ~ have v=acts|t ~")(both.nobody)


says("~ nobody ~ v=v ~ m=N times|items ~")(both.nobody_times)


@says("~ not|never ~ v=a ~", "~ not|never ~ have any? v=acts|t ~", "~ without any? v=t|acts ~")
def _never(f: Found) -> Iterator[Reading]:
    if f.kinds("") & {"U", "I", "C", "B", "G", "Q"}:
        yield from mean.none_of(f.scopes(types=f.types("v")), f.all(""), f.types("v"))


@says("~ not|never ~ do s=S")
def _never_gave(f: Found) -> Iterator[Reading]:
    """`User 181 never gave five stars.`"""
    if f.kinds("") & {"U", "G", "I"}:
        yield from mean.none_of(f.scopes(types=("rating",), extra=f.all("s")), f.all(""), ("rating",))


@says("neither ~a nor ~b v=a ~")
def _neither(f: Found) -> Iterator[Reading]:
    for one in f.scopes("a", "", types=f.types("v")):
        for other in f.scopes("b", "", types=f.types("v")):
            yield [Said(claimed("count", scope, NONE)) for scope in (one, other)]


@says("~ v=v|active ~")
def _did(f: Found) -> Iterator[Reading]:
    if "U" in f.kinds("") or ("users" not in f.kinds("") and "G" not in f.kinds("") and f.kinds("") & {"I"}):
        yield from counted(f.scopes(types=f.types("v")), SOME)


says("~ v=y ~ day ~", "day ~ v=y ~")(both.every_day)


@says("~ v=v ~ only half=D", "~ have v=acts|t ~ only half=D")
def _only_in_half(f: Found) -> Iterator[Reading]:
    """`only in the second half`: then some, and none in the other."""
    for scope in f.scopes(types=f.types("v"), extra=f.all("half")):
        if scope.half is not None:
            other = replace(scope, half="second" if scope.half == "first" else "first")
            yield [Said(claimed("count", scope, SOME)), Said(claimed("count", other, NONE))]


@says("nothingbut v=y ~")
def _nothing_but(f: Found) -> Iterator[Reading]:
    yield from mean.exclusive(f.scopes(), [Scope(event_types=f.types("v"))])


says(
    "only who=G|U|C|B|I v=v ~",
    "only who=C|B|I ~ be v=v ~",
    "v=t ~ do|be only who=x ~",
    "v=t ~ only do|be who=x ~",
    "only who=G|U do v=t ~",
    "@ be v=v only who=G|U ~",
)(both.only)


says("~a v=v only part=C|B|I|Q ~")(both.only_on)


says("name=C|B|I be not only of=cats|brands|items who ~ v=v ~")(both.not_only)


@says("name=C|B|I be only of=cats|brands|items who ~ v=v ~")
def _the_only(f: Found) -> Iterator[Reading]:
    yield from mean.exclusive(f.scopes(types=f.types("v")), merged(f.all("name")))


says("~ no of=cats|brands ~ v=v n=N times ~", "~ no of=cats|brands ~ have n=N v=t ~", "~ no of=cats|brands ~ v=v ~")(both.no_name)


says("~ all of=cats|brands ~ v=v ~", "~ all of=cats|brands ~ v=v n=N times ~", "~ v=v from? all of=cats|brands ~")(both.each_name)


@says("~ v=y items without any? w=y any?", "~ v=y any? without any? w=y any?")
def _something_without(f: Found) -> Iterator[Reading]:
    if f.kinds("") & {"U", "I"}:
        for scope in f.scopes():
            one, other = (joined(scope, Scope(event_types=f.types(name))) for name in ("v", "w"))
            yield [Said(claimed("count", one, SOME)), Said(claimed("count", other, NONE))]


@says(
    "~ v=y n=N items without any? w=y any?",
    "~ v=y n=N times without any? w=y any?",
    "~ do|have n=N v=t without any? w=y any?",
)
def _without(f: Found) -> Iterator[Reading]:
    if not f.kinds("") & {"U", "I"}:
        return
    for scope in f.scopes():
        one, other = (joined(scope, Scope(event_types=f.types(name))) for name in ("v", "w"))
        yield [Said(claimed("count", one, f.number())), Said(claimed("count", other, NONE))]


# ---- shares


@says(
    "@whole n=P @whole whole=tt @whole be|do|have by? ~part",
    "of @whole whole=tt @whole do? @whole n=P be|do|have by? ~part",
    "shareof @whole whole=tt ~part be n=P",
    "~part do n=P of? @whole whole=tt @whole",
    "@whole n=P @whole whole=tt @whole ~part",
    "@whole n=P @whole whole=tt @whole be|do ~part same=t",
    "shareof ~part in? @whole whole=tt @whole be n=P",
    "~part be n=P @whole whole=tt @whole",
    "shareof ~part @whole whole=tt do|be n=P",
)
def _share_of_acts(f: Found) -> Iterator[Reading]:
    if not f.has("same") or f.types("same") == f.types("whole"):
        yield from mean.part_of(f.scopes("whole", types=f.types("whole")), f.scopes("part"), f.number(), "acts")


@says(
    "@whole n=P @whole whole=acts @whole be|do ~part what=t ~part",
    "what=t ~part be|do n=P @whole whole=acts @whole",
    "@whole what=t ~part be|do n=P @whole whole=acts @whole",
    "of @whole acts @whole n=P be what=t ~part",
    "shareof what=t @whole acts @whole be n=P",
)
def _share_of_types(f: Found) -> Iterator[Reading]:
    yield from mean.part_of(f.scopes("whole"), f.scopes("part", types=f.types("what")), f.number(), "acts")


@says(
    "shareof w=people who do what=t ~part be n=P",
    "@whole n=P w=people @whole have|be|do? v=a ~part",
    "@whole n=P w=people @whole have|be|do? have|be|do? v=a ~part",
    "@whole n=P w=people @whole have|do? v=a ~part once=N times",
    "of|among? w=people @whole n=P have|be|do? v=a ~part",
    "of|among @whole w=people n=P have|do? v=a ~part",
    "n=P w=people do|have any? what=t ~part",
    "shareof w=people who have|be? v=a ~part be n=P",
    "@whole n=P w=people have v=t ~part",
)
def _share_of_users(f: Found) -> Iterator[Reading]:
    if f.has("once") and f.number("once") != Number(1, ">=", 1):
        return
    types = f.types("v") or f.types("what")
    yield from mean.part_of(f.scopes("whole", extra=f.all("w")), f.scopes("part", types=types), f.number(), "users")


@says("@whole n=P have|do? v=a ~part", "@whole n=P have|do? v=a ~part once=N times")
def _share_among(f: Found) -> Iterator[Reading]:
    """`Among gift shoppers, 48.2% bought at least once.`"""
    if f.has("once") and f.number("once") != Number(1, ">=", 1):
        return
    if f.kinds("whole") & {"G"}:
        yield from mean.part_of(f.scopes("whole"), f.scopes("part", types=f.types("v")), f.number(), "users")


@says(
    "@whole n=P w=people @whole have|be|do? not|never v=a ~part",
    "@whole n=P w=people @whole have|aux not|never v=a ~part",
    "@whole n=P w=people @whole aux? not|never have? v=a ~part",
    "@whole n=P w=people @whole aux? not|never do v=tt ~part",
)
def _share_not(f: Found) -> Iterator[Reading]:
    yield from mean.part_of(f.scopes("whole", extra=f.all("w")), f.scopes("part", types=f.types("v")), complement(f.number()), "users")


@says("@whole n=P w=people @whole do|have none=N v=t ~part")
def _share_with_none(f: Found) -> Iterator[Reading]:
    """`51.8% of users made no purchase.`"""
    if f.number("none") == NONE:
        part = f.scopes("part", types=f.types("v"))
        yield from mean.part_of(f.scopes("whole", extra=f.all("w")), part, complement(f.number()), "users")


@says("@whole n=P @whole whole=tt @whole be not do? by? ~part same=t?", "of @whole whole=tt @whole n=P be not do? by? ~part same=t?")
def _share_of_acts_not(f: Found) -> Iterator[Reading]:
    if not f.has("same") or f.types("same") == f.types("whole"):
        yield from mean.part_of(f.scopes("whole", types=f.types("whole")), f.scopes("part"), complement(f.number()), "acts")


@says("n=N t=t be not do? by? part=x", "be n=N t=t not do? by? part=x")
def _acts_not(f: Found) -> Iterator[Reading]:
    """`280 purchases were not in the linen category.`"""
    rest = mean.left_out(f.all("part"))
    if rest is not None:
        yield from counted([joined(rest, Scope(event_types=f.types("t")))], f.number())


@says("~ n=N of m=N w=people not|never ~ v=a ~", "~ n=N of m=N w=people aux not|never ~ v=a ~")
def _so_many_of_not(f: Found) -> Iterator[Reading]:
    extra = [token for token in f.all("w") if token.kind == "G"]
    for base in merged(extra):
        for reading in mean.did_not(f.scopes(extra=extra), f.types("v"), f.number()):
            yield [*reading, Said(claimed("count", base, f.number("m"), of="users"))]


says(
    "shareof sessions with|have v=t ~part be n=P",
    "in? n=P sessions any? be v=v ~part",
    "@whole n=P whole=sessions @whole have|with|do v=tt ~part",
    "@whole n=P whole=sessions @whole have|with|do any? v=tt ~part",
)(both.share_of_sessions)


@says("n=P w=people @whole be part=G", "@whole n=P w=users be part=G")
def _share_of_group(f: Found) -> Iterator[Reading]:
    """`Most users are men.`"""
    yield from mean.part_of(f.scopes("whole", extra=f.all("w")), merged(f.all("part")), f.number(), "users")


@says("part=S be do in? n=P whole=t @whole", "part=S do n=P whole=t @whole")
def _share_of_stars(f: Found) -> Iterator[Reading]:
    if f.types("whole") == ("rating",):
        yield from mean.part_of(f.scopes("whole", types=f.types("whole")), merged(f.all("part")), f.number(), "acts")


@says("~part v=t do|be n=P @whole whole=t @whole", "~part v=t ~part do|be n=P @whole whole=t @whole")
def _share_of_same(f: Found) -> Iterator[Reading]:
    """`Weekend clicks make up 36% of all clicks.`"""
    if f.types("v") == f.types("whole"):
        yield from mean.part_of(f.scopes("whole", types=f.types("whole")), f.scopes("part"), f.number(), "acts")


@says(
    "~ n=N of m=N of=people|sessions ~ v=a ~",
    "~ of m=N of=people|sessions ~ n=N do|have? ~ v=a ~",
    "~ n=N of m=N of=people|sessions with ~ v=tt ~",
    "~ of? m=N of=people|sessions ~ n=N have|do ~ v=a ~",
)
def _so_many_of(f: Found) -> Iterator[Reading]:
    """`41 of 80 bargain shoppers bought`: both numbers."""
    unit = "sessions" if f.one("of").kind == "sessions" else "users"
    extra = [token for token in f.all("of") if token.kind == "G"]
    for base in merged(extra):
        for scope in f.scopes(types=f.types("v"), extra=extra):
            yield [Said(claimed("count", scope, f.number(), of=unit)), Said(claimed("count", base, f.number("m"), of=unit))]


@says("~part v=tt be do in? n=P whole=sessions @whole", "v=t be do in? n=P sessions @whole")
def _in_sessions(f: Found) -> Iterator[Reading]:
    yield from mean.part_of(f.scopes("whole"), f.scopes("part", types=f.types("v")), f.number(), "sessions")


# ---- what follows


says(
    "of a=tt @a n=P be directly b=t @b",
    "of a=tt @a n=P be directly inthesession? by? b=t @b",
    "n=P a=tt @a be? directly b=t @b",
    "n=P @a a=tt @a be? directly b=t @b",
    "n=P a=tt @a be? directly b=C|B",
    "@a n=P a=tt @a be? directly b=t @b",
    "n=P a=tt @a be? directly inthesession? by? b=t @b",
)(both.follows)


says("of a=tt @a n=P be not directly b=t @b", "n=P a=tt @a be? not directly b=t @b", "n=P a=tt @a aux? not directly b=t @b")(
    both.not_follows
)


@says(
    "in? n=P of? cases a=t @a be directly b=t @b",
    "a=t @a be directly b=t @b in? n=P of? cases",
    "b=t @b followsdirectly a=t @a in? n=P of? cases",
    "after a=t @a nextact be b=t @b in? n=P of? cases",
    "b=t @b followsdirectly n=P a=t @a",
    "after n=P a=t @a nextact be b=t @b",
)
def _follows_in_cases(f: Found) -> Iterator[Reading]:
    yield from both.following(f, f.number())


# ---- lists


@says(
    "@ name=name be ~ sup=mostoften v=v|frequent of=cats|brands|items|queries|users ~",
    "@ sup=mostoften v=v|frequent of=cats|brands|items|queries|users ~ be name=name",
    "@ name=name be ~ sup=selling of=cats|brands|items ~",
    "@ sup=selling of=cats|brands|items ~ be name=name",
    "@ sup=selling be name=I",
    "@ name=I be sup=selling",
    "@ of=cats|items|brands @ v=a mostoften be name=name",
    "nobody have more v=tt @ than name=U",
    "@ name=name be ~ sup=busiest|popular of=cats|brands|items|queries|users ~",
    "@ sup=busiest|popular of=cats|brands|items|queries|users ~ be name=name",
    "@ name=U be ~ sup=mostoften active? of=users ~",
    "@ sup=mostoften active? of=users ~ be name=U",
    "@ name=name be ~ sup=mostoften popular of=cats|brands|items|queries ~",
    "@ sup=mostoften popular of=cats|brands|items|queries ~ be name=name",
    "@ top of=queries ~ be name=Q",
    "@ name=Q be top of=queries ~",
)
def _best(f: Found) -> Iterator[Reading]:
    yield from _ranked(f, f.all("name"))


@says(
    "@ name=name be not ~ sup=mostoften v=v|frequent of=cats|brands|items|queries|users ~",
    "@ sup=mostoften v=v|frequent of=cats|brands|items|queries|users ~ be not name=name",
    "@ name=name be not ~ sup=selling|busiest of=cats|brands|items|users ~",
    "@ name=U be not sup=mostoften of=users ~",
    "@ sup=mostoften of=users ~ be not name=U",
    "@ sup=selling|busiest of=cats|brands|items|users ~ be not name=name",
)
def _not_best(f: Found) -> Iterator[Reading]:
    yield from _ranked(f, f.all("name"), "is not")


@says(
    "name=name and* name=name? and* name=name? and* name=name? and* name=name be n=N sup=mostoften v=v|frequent of=cats|brands|"
    "items|queries|users ~",
    "name=name and* name=name? and* name=name? and* name=name? and* name=name be top n=N of=cats|brands|items|queries|users by "
    "numberof? v=tt ~",
    "n=N sup=mostoften v=v|frequent of=cats|brands|items|queries|users ~ be name=name and* name=name? and* name=name? and* "
    "name=name? and* name=name?",
    "n=N sup=selling of=cats|brands|items ~ be name=name and* name=name? and* name=name? and* name=name? and* name=name?",
    "top n=N of=cats|brands|items|queries|users by numberof? v=tt ~ be name=name and* name=name? and* name=name? and* name=name? "
    "and* name=name?",
    "n=N of=cats|brands|items|queries|users withmost v=tt ~ be name=name and* name=name? and* name=name? and* name=name? and* name=name?",
    "top n=N v=v of=cats|brands|items|queries|users ~ be name=name and* name=name? and* name=name? and* name=name? and* name=name?",
)
def _list(f: Found) -> Iterator[Reading]:
    if f.number().value == len(f.all("name")) and f.number().comparison == "=":
        yield from _ranked(f, f.all("name"))


def _ranked(f: Found, names: Sequence[Token], how: str = "is") -> Iterator[Reading]:
    kind = f.one("of").kind if f.has("of") else f.one("name").kind
    if kind not in mean.BY:
        return
    by = mean.BY[kind]
    stated = mean.named(names, by)
    if stated is None:
        return
    types = f.types("v")
    if f.kinds("sup") & {"selling"}:
        types = ("purchase",)
    if kind == "queries" and types in ((), ("search",)):
        types = ("search",)
    if f.kinds("v") & {"frequent"} and kind != "queries":
        types = ()
    of = ("acts", "users") if f.kinds("sup") & {"popular"} and kind != "users" else ("acts",)
    for scope in f.scopes(types=types):
        yield from mean.best([scope], by, stated, of=of, how=how)  # type: ignore[arg-type]


says(
    "@ name=G be of=segment ~ withmost v=tt ~",
    "@ of=segment ~ withmost v=tt ~ be name=G",
    "@ name=G hasmost v=tt ~",
    "@ name=G v=v sup=mostoften ~",
    "@ name=G be sup=mostoften active? of=segment ~",
    "@ sup=mostoften active? of=segment be name=G",
)(both.best_segment)


@says(
    "@ name=name be of=cats|brands|items|queries|users ~ withmost v=tt ~",
    "@ of=cats|brands|items|queries|users ~ withmost v=tt ~ be name=name",
    "@ name=name be of=cats|brands|items with who ~ hasmost v=tt ~",
    "@ name=name be of=cats|brands|items who ~ v=v ~ mostoften ~",
    "@ name=name be of=queries who ~ v=v ~ mostoften ~",
    "@ name=name be of=cats|brands|items who be v=v ~ mostoften ~",
)
def _with_most(f: Found) -> Iterator[Reading]:
    yield from _ranked(f, f.all("name"))


@says(
    "@ name=name be not of=cats|brands|items|queries|users ~ withmost v=tt ~",
    "@ name=name be not of=cats|brands|items with who ~ hasmost v=tt ~",
    "@ name=name be not of=cats|brands|items|queries who ~ v=v ~ mostoften ~",
    "@ of=cats|brands|items|queries|users ~ withmost v=tt ~ be not name=name",
)
def _not_with_most(f: Found) -> Iterator[Reading]:
    yield from _ranked(f, f.all("name"), "is not")


@says("@ name=U v=v mostoften users", "nobody v=v more @ than name=U", "@ name=U have|do mostoften v=tt users?")
def _most_of_users(f: Found) -> Iterator[Reading]:
    stated = mean.named(f.all("name"), "user")
    if stated is not None:
        yield from mean.best(f.scopes(types=f.types("v")), "user", stated)


@says("~ v=v name=C|B mostoften kind=cats|brands")
def _most_of_kind(f: Found) -> Iterator[Reading]:
    by = mean.BY[f.one("kind").kind]
    stated = mean.named(f.all("name"), by)
    if stated is not None:
        yield from mean.best(f.scopes(types=f.types("v")), by, stated)


@says(
    "~ have|do mostoften v=tt name=C|B",
    "~ hasmost v=tt name=C|B",
    "@ name=name hasmost v=tt ~",
    "@ name=name do mostoften v=tt ~",
    "@ name=C|B|I|Q be v=v mostoften ~",
    "@ name=name do withmost v=tt ~",
)
def _has_most(f: Found) -> Iterator[Reading]:
    """`Linen had the most purchases`: of its kind."""
    kind = f.one("name").kind
    if kind in mean.BY:
        stated = mean.named(f.all("name"), mean.BY[kind])
        if stated is not None:
            yield from mean.best(f.scopes(types=f.types("v")), mean.BY[kind], stated)


@says(
    "@ name=U be not among n=N users withmost v=tt ~",
    "@ name=C be not among n=N cats withmost v=tt ~",
    "@ name=B be not among n=N brands withmost v=tt ~",
    "@ name=U be not among n=N mostoften? busiest? users",
    "@ name=I be not among n=N mostoften v=v items ~",
    "@ name=C be not among n=N mostoften v=v cats ~",
)
def _not_among(f: Found) -> Iterator[Reading]:
    yield from _placed(f, inside=False)


@says(
    "@ name=U be among n=N users withmost v=tt ~",
    "@ name=U be among n=N busiest users",
    "@ name=U be one=N of n=N busiest users",
    "@ name=C be one=N of n=N mostoften v=v cats ~",
    "@ name=B be one=N of n=N mostoften v=v brands ~",
    "@ name=I be one=N of n=N mostoften v=v items ~",
    "@ name=C be among n=N cats withmost v=tt ~",
    "@ name=B be among n=N brands withmost v=tt ~",
    "@ name=I be among n=N mostoften v=v items ~",
    "@ name=C be among n=N mostoften v=v cats ~",
)
def _among(f: Found) -> Iterator[Reading]:
    yield from _placed(f, inside=True)


def _placed(f: Found, *, inside: bool) -> Iterator[Reading]:
    by = mean.BY[f.one("name").kind]
    stated = mean.named(f.all("name"), by)
    if f.has("one") and f.number("one") != Number(1, "=", 1):
        return
    if stated is not None and f.number().comparison == "=":
        yield from mean.among_best(f.scopes(types=f.types("v")), by, stated[0], int(f.number().value), inside=inside)


says(
    "@ busiest by=hours|weekdays|days|months ~ be name=D",
    "@ name=D be @ busiest by=hours|weekdays|days|months ~",
    "@ busiest by=hours|weekdays|days|months in? v=tt ~ be name=D",
    "by=hours|weekdays|days|months withmost v=tt ~ be name=D",
    "@ name=D be by=hours|weekdays|days|months withmost v=tt ~",
    "v=tt ~ peaked name=D",
    "@ busiest by=hours|weekdays|days|months ~ be name=D",
    "by=hours|weekdays|days|months with who ~ hasmost v=tt ~ be name=D",
    "@ name=D be by=hours|weekdays|days|months with? who ~ v=v ~ mostoften ~",
    "busiest by=hours|weekdays|days|months in v=tt ~ be name=D",
    "mostoften active by=hours|weekdays|days|months ~ be name=D",
    "@ name=D be mostoften active by=hours|weekdays|days|months ~",
    "v=tt ~ busiest name=D",
)(both.rhythm)


says(
    "@ busiest by=hours|weekdays|days|months ~ be not name=D",
    "@ name=D be not @ busiest by=hours|weekdays|days|months ~",
    "by=hours|weekdays|days|months withmost v=tt ~ be not name=D",
    "@ name=D be not by=hours|weekdays|days|months withmost v=tt ~",
)(both.not_rhythm)


# ---- trends and comparisons


@says(
    "numberof? v=tt ~ dir=up|down by? n=P? window=D before=vsbefore?",
    "numberof? v=tt ~ window=D dir=up|down by? n=P? before=vsbefore?",
    "before=vsbefore numberof? v=tt ~ dir=up|down by? n=P? window=D",
    "window=D numberof? v=tt ~ dir=up|down by? n=P? before=vsbefore?",
    "numberof? w=people ~ dir=up|down by? n=P? window=D before=vsbefore?",
    "numberof? v=tt ~ dir=flat window=D before=vsbefore?",
    "window=D v=tt ~ dir=flat before=vsbefore?",
    "v=tt @ window=D be n=P? dir=more|fewer n=P? before=vsbefore",
    "numberof? v=tt ~ dir=up|down window=D by? n=P before=vsbefore?",
    "window=D numberof? w=people ~ dir=up|down by? n=P? before=vsbefore?",
)
def _trend(f: Found) -> Iterator[Reading]:
    yield from both.moved(f, {"more": "up", "fewer": "down"}.get(f.one("dir").kind, f.one("dir").kind))


says(
    "numberof? v=tt ~ not dir=up|down window=D before=vsbefore?",
    "numberof? v=tt ~ not dir=up|down before=vsbefore? window=D",
    "window=D numberof? v=tt ~ not dir=up|down before=vsbefore?",
)(both.no_trend)


@says(
    "how=more|fewer v=tt ~one open n=N close than ~other open m=N close",
    "~one do|have how=more|fewer v=tt ~one open n=N close than ~other open m=N close",
    "~one open n=N close do|have how=more|fewer v=tt ~one than ~other open m=N close",
    "be how=more|fewer v=tt ~one open n=N close than ~other open m=N close",
)
def _compared_with_counts(f: Found) -> Iterator[Reading]:
    """`More purchases in October (142) than in September (135).`"""
    for reading in mean.more(Claim("count"), f.scopes("one", types=f.types("v")), f.scopes("other"), _MORE[f.one("how").kind]):
        compared = reading[0].claim
        counts = [(compared.scope, f.number()), (compared.arguments["against"], f.number("m"))]
        yield [*reading, *(Said(claimed("count", scope, number)) for scope, number in counts)]


@says(
    "how=more|fewer v=tt ~one than ~other",
    "~one do|have how=more|fewer v=tt ~one than ~other",
    "~one v=v how=more|fewer ~one than ~other",
    "v=tt ~one be how=more|fewer ~one than ~other",
    "~one v=v ~one how=more|fewer than ~other",
    "how=more|fewer v=tt ~one than ~other aux?",
    "v=tt ~one how=exceed t=t? ~other",
    "v=tt be how=more|fewer ~one than ~other",
    "numberof v=tt ~one be how=more|fewer than ~other",
    "~one how=more|fewer v=tt than ~other",
    "~one how=more|fewer v=tt ~one than ~other",
    "~one v=v items? how=more|fewer than ~other",
)
def _compared(f: Found) -> Iterator[Reading]:
    yield from _measured(f, _MORE[f.one("how").kind])


@says(
    "~one not ~one do|have? how=more|fewer v=tt ~one than ~other",
    "~one not ~one v=v how=more|fewer ~one than ~other",
    "v=tt ~one be not how=more|fewer ~one than ~other",
    "v=tt ~one not how=exceed t=t? ~other",
    "not how=more|fewer v=tt ~one than ~other",
)
def _not_compared(f: Found) -> Iterator[Reading]:
    yield from _measured(f, denied(_MORE[f.one("how").kind]))


def _measured(f: Found, number: Number) -> Iterator[Reading]:
    if f.has("t") and f.types("t") != f.types("v"):
        return
    if f.types("v") == ("rating",) and f.one("how").text.lower() in _HIGHER and f.kinds("v") & {"V"}:
        return
    measure = Claim("count", arguments={"of": "acts"})
    types = f.types("v")
    yield from mean.more(measure, f.scopes("one", types=types), f.scopes("other"), number)


@says("numberof? v=tt @base dir=up|down from n=N d=D to m=N e=D", "numberof? v=tt @base dir=up|down from n=N d=D in? to m=N e=D")
def _from_to(f: Found) -> Iterator[Reading]:
    """`Purchases rose from 135 in September to 142 in October.`"""
    for base in f.scopes("base", types=f.types("v")):
        for before in merged(f.all("d")):
            for after in merged(f.all("e")):
                one, other = joined(base, after), joined(base, before)
                how = Number(0, ">" if f.one("dir").kind == "up" else "<")
                yield [Said(claimed("count", other, f.number())), Said(claimed("count", one, f.number("m"))),
                       Said(claimed("compare", one, how, measure=Claim("count"), against=other))]  # fmt: skip


@says(
    "be n=N how=more|fewer v=tt ~one than ~other",
    "n=N how=more|fewer v=tt ~one than ~other",
    "~one do|have n=N how=more|fewer v=tt ~one than ~other",
)
def _more_by(f: Found) -> Iterator[Reading]:
    number = f.number()
    if number.comparison == "=":
        sign = 1 if f.one("how").kind == "more" else -1
        yield from _measured(f, replace(number, value=sign * number.value))


@says(
    "~one do|have twice asmany v=tt ~one as ~other",
    "twice asmany v=tt ~one as ~other",
    "~one v=v twice asmany ~one as ~other",
    "~one do|have n=N times asmany v=tt ~one as ~other",
    "~one do|have n=N times? asmany v=tt ~one as ~other",
)
def _as_many(f: Found) -> Iterator[Reading]:
    number = f.number() if f.has("n") else Number(2, "about")
    yield from mean.more(Claim("count"), f.scopes("one", types=f.types("v")), f.scopes("other"), number, "ratio")


@says(
    "~one do how=more|fewer v=t average than ~other",
    "~one do how=more|fewer v=t than ~other average",
    "average v=t ~one be how=more|fewer than who ~other",
    "~one v=v how=more|fewer average than ~other",
    "~one v=v average how=more|fewer than ~other",
    "average v=t ~one be how=more|fewer than ~other",
    "average v=t ~one how=exceed ~other",
    "~one do|have how=more|fewer average v=t than ~other",
    "~one v=v average how=more|fewer ~one than ~other",
    "~one be v=v how=more|fewer average? than ~other",
    "~one v=v how=more|fewer than ~other average",
    "~one v=v how=more|fewer average than ~other",
)
def _rated_more(f: Found) -> Iterator[Reading]:
    yield from _by_value(f, _MORE[f.one("how").kind])


@says(
    "~one not v=v how=more|fewer average than ~other",
    "average v=t ~one be not how=more|fewer than ~other",
    "~one aux not v=v how=more|fewer average than ~other",
)
def _not_rated_more(f: Found) -> Iterator[Reading]:
    yield from _by_value(f, denied(_MORE[f.one("how").kind]))


def _by_value(f: Found, number: Number) -> Iterator[Reading]:
    if f.types("v") == ("rating",) and f.one("how").text.lower() in _HIGHER:
        measure = Claim("mean", arguments={"of": "value", "per": "act"})
        yield from mean.more(measure, f.scopes("one", types=f.types("v")), f.scopes("other"), number)


@says(
    "repeatrate be how=more|fewer @one than repeatrate? @other",
    "repeatrate @one be how=more|fewer than repeatrate? @other",
    "~one have how=more|fewer repeatrate than ~other",
)
def _repeats_more(f: Found) -> Iterator[Reading]:
    yield from mean.more(Claim("repeat_rate"), f.scopes("one"), f.scopes("other"), _MORE[f.one("how").kind])


@says(
    "shareof part=x be n=N lifttimes @one asoverall",
    "part=x be n=N times as? frequent @one asoverall",
    "shareof part=tt be n=N lifttimes @one asoverall",
    "shareof @one part=x be n=N lifttimes asoverall",
)
def _lift(f: Found) -> Iterator[Reading]:
    """The share in a scope over that in the whole log."""
    for scope in f.scopes("one"):
        for part in merged(f.all("part"), f.types("part")):
            if scope != Scope() and part != Scope():
                yield [Said(claimed("lift", scope, f.number(), part=part))]


# ---- means


says(
    "average sessions have|be n=N v=tt",
    "average ~ be|have n=N v=tt per|in|of? sessions ~",
    "~ sessions have average n=N v=tt",
    "~ sessions have n=N v=tt average",
    "~ average sessions have n=N v=tt",
    "be average n=N v=tt per sessions",
    "@ be n=N v=tt per sessions average",
    "sessions average n=N v=tt",
    "average numberof? v=tt per sessions be n=N",
    "all sessions have average n=N v=tt",
    "sessions have average n=N v=tt",
    "sessions have n=N v=tt average",
    "average sessions ~ have n=N v=tt",
    "be n=N v=tt per sessions average",
    "v=tt per sessions be n=N",
    "~ have average n=N v=tt per sessions",
)(both.per_session)


@says(
    "@ w=people have average n=N v=tt ~",
    "@ w=people have n=N v=tt average ~",
    "@ average w=people have n=N v=tt ~",
    "@ each=P w=people have average of? n=N v=tt",
)
def _had_on_average(f: Found) -> Iterator[Reading]:
    """Over all these users, as the templates say it."""
    if _of_each(f):
        yield from mean.average(f.scopes(extra=f.all("w")), f.number(), "acts", "user", f.types("v"), doers=False)


def _of_each(f: Found) -> bool:
    """`each user`, not `half of the users`."""
    return not f.has("each") or f.number("each") == Number(1, "=")


@says(
    "@ average w=people do n=N v=tt ~",
    "@ w=people do average n=N v=tt ~",
    "@ w=people do n=N v=tt average ~",
    "@ w=people do|have n=N v=tt per users average? ~",
    "@ w=people v=v n=N times average ~",
    "@ average w=people v=v n=N times ~",
    "@ all w=people v=v n=N times average ~",
    "@ w=people v=v average n=N times ~",
    "average v=tt per users be n=N",
    "average numberof? v=tt per w=people be n=N",
    "@ average w=people do|have n=N v=tt ~",
    "be average n=N v=tt per w=people",
    "@ each=P w=people v=v average n=N times ~",
    "@ each=P w=people v=v n=N times average ~",
    "@ average w=people v=v n=N times ~",
    "average v=tt per w=people be n=N",
    "@ be n=N v=tt per w=people average? ~",
)
def _per_user(f: Found) -> Iterator[Reading]:
    if _of_each(f):
        yield from mean.average(f.scopes(extra=f.all("w")), f.number(), "acts", "user", f.types("v"))


@says(
    "@ average w=people have n=N of=sessions|days|items",
    "@ w=people have average n=N of=sessions|days|items",
    "@ w=people have n=N of=sessions|days|items average",
    "@ each=P w=people have n=N of=sessions|days average",
    "@ each=P? w=people have average of? n=N of=sessions|days",
    "be n=N of=sessions|days per w=people average?",
    "average be? n=N of=sessions|days per w=people",
    "average of=sessions|days per w=people be n=N",
    "average numberof? of=sessions|days per w=people be n=N",
    "average w=people have n=N of=sessions|days",
    "@ w=people have n=N of=sessions|days average",
)
def _mean_of(f: Found) -> Iterator[Reading]:
    if _of_each(f):
        yield from mean.average(f.scopes(extra=f.all("w")), f.number(), mean.OF[f.one("of").kind], "user", ())


@says("@ w=people v=v n=N items average", "@ average w=people v=v n=N items ~", "@ w=people v=v average n=N items")
def _mean_items(f: Found) -> Iterator[Reading]:
    """Items or acts, of all users or of those who did: where these differ, it is not judged."""
    yield from mean.average(f.scopes(extra=f.all("w")), f.number(), "acts", "user", f.types("v"))
    for scope in f.scopes(types=f.types("v"), extra=f.all("w")):
        yield [Said(claimed("mean", scope, f.number(), of="items", per="user"))]


@says(
    "@ average n=S",
    "average v=t ~ be n=N",
    "~ be v=v n=N average",
    "~ be v=v average n=N",
    "~ have average v=t n=N",
    "~ have average v=t of n=N",
    "@ average v=t ~ be n=N",
    "average v=t @ be n=S",
    "~ average v=t of n=N",
    "~ do average v=t of n=N",
    "~ be v=v n=S average",
    "~ rated- n=N average",
    "average value @ be n=N",
    "~ v=v n=N average",
    "average of v=t ~ be n=N",
    "~ v=t average n=N",
    "~ be do n=S average",
    "average of v=t @ be n=S",
    "~ v=v average n=N",
    "@ v=v items n=N average",
    "average items be v=v n=N",
    "average @ be v=v n=N",
    "average @ items be v=v n=N",
    "~ be average v=v n=N",
    "~ have average v=t n=S",
)
def _mean_value(f: Found) -> Iterator[Reading]:
    if f.has("v") and f.types("v") != ("rating",):
        return
    number = cast(Narrowing, f.one("n").value).number if f.one("n").kind == "S" else f.number()
    if number is not None:
        yield from mean.valued(f.scopes(types=f.types("v")), number, "value")


says(
    "average price ~ v=v items ~ be n=N",
    "average price per v=t be n=N",
    "average v=t price be n=N",
    "average v=t cost n=N",
    "@ v=t cost n=N average",
    "average v=t @ cost n=N",
    "average price do? per v=t be n=N",
    "average price ~ v=t ~ be n=N",
    "average price ~ be n=N",
    "@ average price of? v=t ~ be n=N",
    "~ v=t ~ have average price of? n=N",
)(both.mean_price)


# ---- first, last, since when


@says("@ be? firstseen in? day=D", "day=D be when @ be? firstseen")
def _first_seen(f: Found) -> Iterator[Reading]:
    yield from mean.at_time("first", f.scopes(), f.one("day"))


@says("@ be? lastseen in? day=D")
def _last_seen(f: Found) -> Iterator[Reading]:
    yield from mean.at_time("last", f.scopes(), f.one("day"))


says(
    "@ which=first|last v=tt ~ be|do in? day=D",
    "which=first|last v=tt ~ be|do in? day=D",
    "@ which=first|last v=v ~ day=D",
    "@ v=v ~ which=last|first day=D",
    "@ do|have which=first|last v=tt ~ day=D",
)(both.edge_time)


says(
    "U=U which=first|last v=v name=I|C|B",
    "which=first|last items who U=U v=v be name=I",
    "U=U which=first|last v=tt be name=I|C|B",
    "which=first|last items v=v U=U be name=I",
    "which=first|last cats who U=U v=v be name=C",
    "@ name=I be which=first|last items who U=U v=v",
    "@ name=I be which=first|last items v=v U=U",
    "U=U which=first|last v=v items be name=I",
    "which=first|last v=tt U=U be name=I|C|B",
    "@ name=C be which=first|last cats who U=U v=v",
    "U=U which=first|last items v=v be name=I",
    "which=first|last items U=U v=v be name=I",
    "U=U which=first|last v=tt be in|of? name=I|C|B",
)(both.edge_name)


@says("@ which=first|last acts be v=y", "which=first|last acts @ be v=y")
def _edge_type(f: Found) -> Iterator[Reading]:
    """`u1's first act was a search.`"""
    if len(f.types("v")) == 1 and "U" in f.kinds(""):
        yield from mean.at_name(f.one("which").kind, f.scopes(), "event_type", f.types("v")[0])


says(
    "which=first|last items who U=U v=v be not name=I",
    "@ name=I be not which=first|last items who U=U v=v",
    "U=U which=first|last v=tt be not name=I|C|B",
    "U=U aux not v=v name=I which=first|last",
)(both.edge_not_name)


says(
    "@ have? be? inactive in? n=N days",
    "it have? be n=N days since @ lastseen",
    "@ have? be? not be? active in? n=N days",
    "@ last t?=acts be n=N days ago",
    "@ lastseen n=N days ago|beforetheend",
    "@ be lastseen n=N days ago|beforetheend",
    "@ last acts be n=N days ago|beforetheend",
    "last acts @ be n=N days ago|beforetheend",
    "@ have do nothing in? n=N days",
    "n=N days have passed since @ lastseen",
    "it have? be n=N days since @ last acts",
    "@ have? not aux? do any in? n=N days",
    "@ be? inactive n=N days beforetheend?",
)(both.recency)


@says(
    "@ lastseen n=N days-ago",
    "@ last acts be n=N days-ago",
    "@ be lastseen n=N days-ago",
    "last acts @ be n=N days-ago",
    "n=N days have do since last acts @",
    "n=N days have do since @ last acts",
)
def _recency_ago(f: Found) -> Iterator[Reading]:
    yield from both.recency(f)


@says(
    "@ last v=t be n=N days-ago",
    "@ last v=t be n=N days ago|beforetheend",
    "last v=t @ be n=N days ago|beforetheend",
    "@ last v=v n=N days ago|beforetheend",
)
def _recency_of(f: Found) -> Iterator[Reading]:
    yield from mean.since_last(f.scopes(types=f.types("v")), f.number())


# ---- repeats, lift


says(
    "n=P @ acts @ be repeats",
    "n=P @ acts @ in items be repeats",
    "of acts @ n=P be repeats",
    "n=P @ v=tt @ be repeats",
    "repeatrate @ be n=P",
    "@ repeatrate be n=P",
    "@ have repeatrate of? n=P",
    "@ revisit metbefore in? n=P of? acts",
    "n=P acts @ be|do in? metbefore",
    "@ n=P acts @ be|do in? metbefore",
    "repeatrate in? v=tt @ be n=P",
    "n=P v=tt @ be|do in? metbefore",
    "n=P @ v=tt @ be|do in? metbefore",
    "@ have repeatrate n=P",
    "n=P @ acts be in? metbefore",
)(both.repeats)
