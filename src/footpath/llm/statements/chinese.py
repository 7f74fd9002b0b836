"""How Chinese sentences state claims."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, cast

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
from footpath.llm.statements.tokens import Narrowing, Number, Token

FOLDS: Final = Folds()
FORMS: Final = Grammar()
fold, says = FOLDS.fold, FORMS.says
_MORE: Final = {"more": Number(0, ">"), "fewer": Number(0, "<")}


# ---- folds: several tokens that are one


fold(
    "users U",
    "users users",
    "sessions sessions",
    "segment G",
    "users G",
    "ge sessions|cats|brands|items|days|users|queries|months",
    "wo x",
    "queries Q",
    "items I",
    "cats C",
    "brands B",
    "cats cats",
    "items items",
)(both.last_one)


@fold("G users", "G segment", "C cats", "B brands", "Q queries", "U users", "x de", "C items", "B items", "I items")
def _first_one(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[:1]


@fold("users de? active de? users", "active de? people", "all active de? people")
def _active(t: tuple[Token, ...]) -> Sequence[Token]:
    return [*t[: t[0].kind == "all"], t[-1]]


@fold("G users", "users users")
def _once_more(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[:1]


fold("open x close")(both.bracketed)


@fold("do N times value", "do N value")
def _gave_points(t: tuple[Token, ...]) -> Sequence[Token] | None:
    """`打了 7,801 次分` are ratings, `打过 5 分` those with five stars."""
    if not t[0].text.startswith(("打", "给", "评")):
        return None
    return [Token("Y", t[0].text, ("rating",)), *(t[1:3] if t[2].kind == "times" else t[1:])]


@fold("N value")
def _stars(t: tuple[Token, ...]) -> Sequence[Token] | None:
    number = cast(Number, t[0].value)
    low = number.value if number.comparison in ("=", ">=") else None
    high = number.value if number.comparison in ("=", "<=") else None
    scopes = (Scope(value_from=low, value_to=high),) if number.comparison in ("=", ">=", "<=") else ()
    return [Token("S", t[0].text, Narrowing("value", scopes, number=number))]


fold("buyers")(both.buyers)


@fold("atleast v N times", "atmost v N times", "only v N times|items", "atleast v N items")
def _bound(t: tuple[Token, ...]) -> Sequence[Token] | None:
    number = cast(Number, t[2].value)
    if number.comparison != "=":
        return None
    how: Any = {"atleast": ">=", "atmost": "<=", "only": "="}[t[0].kind]
    return [t[1], Token("N", t[2].text, replace(number, comparison=how)), t[3]]


@fold("except x and x and x", "except x and x", "except x", "except y")
def _left_out(t: tuple[Token, ...]) -> Sequence[Token]:
    return [mean.excepting([token for token in t[1:] if token.kind != "and"], "".join(token.text for token in t))]


@fold("X outside")
def _outside(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[:1]


@fold("counting y")
def _counting(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("R", t[1].text, Narrowing("types", (Scope(event_types=t[1].value),)))]


@fold("y any? without|but y any? de people", "y any? but not|never y any? de people", "y any? not|never y any? de people")
def _did_and_not(t: tuple[Token, ...]) -> Sequence[Token] | None:
    types = [token.value for token in t if token.kind in ("T", "V", "Y")]
    if any(len(one) != 1 for one in types) or not any(token.kind in ("without", "not", "never") for token in t):
        return None
    return [_who(t, f"{types[0][0]}>=1 and {types[1][0]}=0")]


@fold("y N times de people", "y numberof? N times de people")
def _who_times(t: tuple[Token, ...]) -> Sequence[Token] | None:
    number = next(cast(Number, token.value) for token in t if token.kind == "N")
    rule = mean.times_rule(t[0].value, number)
    return None if rule is None else [_who(t, rule)]


@fold("not|never y any? de people")
def _who_never(t: tuple[Token, ...]) -> Sequence[Token] | None:
    return [_who(t, f"{t[1].value[0]}=0")] if len(t[1].value) == 1 else None


def _who(t: tuple[Token, ...], rule: str) -> Token:
    scope = Scope(segment=rule)
    if t[-1].kind == "G":
        scope = joined(cast(Narrowing, t[-1].value).scopes[0], scope)
    return Token("G", "".join(token.text for token in t), Narrowing("segment", (scope,)))


@fold("not all people")
def _not_all(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("P", "不是所有", Number(1, "<")), t[2]]


@fold("all people y|acts|not|never|do|active", "all people y|acts|not|never|do|active", "most de? people")
def _all(t: tuple[Token, ...]) -> Sequence[Token]:
    if t[0].kind == "most":
        return [Token("P", t[0].text, Number(0.5, ">")), t[-1]]
    return [Token("P", t[0].text, Number(1, "=")), *t[1:]]


@fold("all people", "all de? repeatrate", "all acts")
def _whole(t: tuple[Token, ...]) -> Sequence[Token] | None:
    """`全部用户中有 48.2%`: users; `每位` says more."""
    return None if t[0].text.startswith("每") else t[-1:]


@fold("v items", "items do v")
def _any_item(t: tuple[Token, ...]) -> Sequence[Token]:
    return [token for token in t if token.kind in ("Y", "V")]


@fold("de N days")
def _that_day(t: tuple[Token, ...]) -> Sequence[Token] | None:
    return [t[0], t[2]] if t[1].text == "一" else None


@fold("atleast have? N")
def _at_least(t: tuple[Token, ...]) -> Sequence[Token] | None:
    number = cast(Number, t[-1].value)
    return [Token("N", t[-1].text, replace(number, comparison=">="))] if number.comparison == "=" else None


@fold("mostoften v N times")
def _at_most(t: tuple[Token, ...]) -> Sequence[Token] | None:
    number = cast(Number, t[2].value)
    if t[0].text != "最多" or number.comparison != "=":
        return None
    return [t[1], Token("N", t[2].text, replace(number, comparison="<=")), t[3]]


@fold("all y", "all de y")
def _all_acts(t: tuple[Token, ...]) -> Sequence[Token]:
    return t[-1:]


fold("P de")(both.share_of)


@fold("no users")
def _no_user(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("nobody", t[0].text)]


@fold("no y|acts|sessions")
def _no(t: tuple[Token, ...]) -> Sequence[Token]:
    return [Token("N", t[0].text, NONE), Token("times", ""), t[1]] if t[1].kind != "sessions" else [Token("N", t[0].text, NONE), t[1]]


@fold("y and y")
def _either(t: tuple[Token, ...]) -> Sequence[Token] | None:
    if t[1].text != "或":
        return None
    return [Token(t[0].kind, f"{t[0].text}或{t[2].text}", tuple(dict.fromkeys((*t[0].value, *t[2].value))))]


@fold("wo")
def _light(t: tuple[Token, ...]) -> Sequence[Token]:
    return ()


# ---- counts


@says(
    "~ n=N times v=y|acts ~",
    "~ v=y|acts ~ numberof? ~ n=N times ~",
    "~ v=y|acts numberof ~ n=N ~",
    "~ v=y|acts de? numberof? be n=N ~",
    "~ v=y n=N times ~",
    "~ numberof be n=N times v=y",
    "~ n=N times de v=y|acts ~",
    "~ n=N ge? @ v=y",
    "~ v=y ~ numberof be n=N",
    "~ v=y|acts numberof ~ n=N times? ~",
    "@ v=y|acts be n=N times?",
)
def _acts(f: Found) -> Iterator[Reading]:
    yield from counted(f.scopes(types=f.types("v")), f.number())


@says("~ not ~ v=y ~ n=N times ~")
def _not_so_many(f: Found) -> Iterator[Reading]:
    yield from counted(f.scopes(types=f.types("v")), denied(f.number()))


@says(
    "~ n=N ge d=distinct de? items ~ v=y ~",
    "~ v=y n=N items d=distinct de? items",
    "~ v=y ~ n=N d=distinct? de? items ~",
    "~ n=N d=distinct? de? items ~ v=y ~",
    "~ v=y de? d=distinct? items numberof? be|have n=N ge|items? ~",
)
def _things(f: Found) -> Iterator[Reading]:
    """`购买了 5 件商品` may count items or acts; what is put into the cart are acts."""
    types = f.types("v")
    if f.has("d") or types != ("cart",):
        yield from counted(f.scopes(types=types), f.number(), "items")
    if not f.has("d"):
        yield from counted(f.scopes(types=types), f.number())


says(
    "~ v=y|acts ~ n=N distinct? de? of=cats|brands|sessions|days ~",
    "~ n=N distinct? de? of=cats|brands|sessions|days ~ v=y|acts ~",
    "~ v=a de? of=sessions|days|cats|brands numberof? be|have n=N ge|days? ~",
    "~ n=N of=sessions|days ~",
    "~ of=sessions|days numberof? be|have n=N ge|days? ~",
    "~ active ~ n=N of=days ~",
    "~ active of=days numberof? be|have n=N days?",
    "~ active of=days n=N days?",
    "~ have v=y de of=sessions ~ n=N ge? ~",
    "~ all n=N de? of=cats|brands ~ v=y ~",
    "~ v=y ~ all n=N ge? of=cats|brands ~",
    "~ v=y times? all n=N of=cats|brands",
    "~ v=y de? of=sessions ~ n=N ge? ~",
    "have? n=N of=cats|brands",
    "~ v=y de? of=cats|brands have n=N ge?",
)(both.units)


says(
    "~ n=N distinct? w=people ~ v=a ~",
    "~ v=a any? de? w=people ~ n=N users? ~",
    "~ v=a any? de? headcount ~ n=N users? ~",
    "~ n=N w=users v=a ~",
    "~ w=G ~ n=N users? v=a ~",
    "~ v=a de? w=people headcount? be|have n=N users? ~",
    "~ have n=N w=users v=a ~",
    "~ n=N w=people do v=a ~",
    "~ v=a any? de w=people headcount ~ n=N users?",
)(both.users)


says("~ w=people numberof be? n=N users?", "~ n=N w=people ~", "~ w=people headcount? be|have n=N users? ~", "w=G ~ n=N users")(
    both.all_users
)


says("~ n=N w=people ~ not|never ~ v=a ~", "~ not|never v=a any? de w=people ~ n=N users? ~", "~ have n=N w=people ~ not|never ~ v=a ~")(
    both.users_not
)


@says("~ n=N w=people v=y ~ m=N times|items ~")
def _users_times(f: Found) -> Iterator[Reading]:
    rule = mean.times_rule(f.types("v"), f.number("m"))
    for scope in f.scopes(extra=f.all("w")):
        if rule is not None and mean.only_who(scope):
            yield [Said(claimed("count", mean.with_rule(scope, rule), f.number(), of="users"))]


@says("~ m=N of=people|sessions have n=N ge|users? do|have? ~ v=y ~")
def _so_many_of(f: Found) -> Iterator[Reading]:
    """`80 位 bargain 用户中有 42 位购买过`: both numbers."""
    unit = "sessions" if f.one("of").kind == "sessions" else "users"
    extra = [token for token in f.all("of") if token.kind == "G"]
    for base in merged(extra):
        for scope in f.scopes(types=f.types("v"), extra=extra):
            yield [Said(claimed("count", scope, f.number(), of=unit)), Said(claimed("count", base, f.number("m"), of=unit))]


# ---- none and some


says("~ nobody ~ v=a ~", "~ nobody ~ have v=y|acts ~", "~ nobody ~ v=acts ~", "~ v=y nobody ~", "~ nothing ~ v=y ~")(both.nobody)


says("~ nobody ~ v=y ~ m=N times|items ~", "~ nobody ~ v=y numberof m=N times ~")(both.nobody_times)


@says("~ not|never ~ v=a ~", "~ not|never ~ do v=acts|y ~", "~ inactive ~", "~ never ~ v=acts ~")
def _never(f: Found) -> Iterator[Reading]:
    if f.kinds("") & {"U", "I", "C", "B", "G", "Q"} or ("D" in f.kinds("") and "users" not in f.kinds("")):
        yield from mean.none_of(f.scopes(types=f.types("v")), f.all(""), f.types("v"))


@says("u=U and u=U not|never ~ v=a ~", "u=U and u=U and u=U not|never ~ v=a ~")
def _neither(f: Found) -> Iterator[Reading]:
    for rest in f.scopes(types=f.types("v")):
        yield [Said(claimed("count", joined(rest, merged([user])[0]), NONE)) for user in f.all("u")]


@says(
    "a=x and a=x n=N? ge|brands|cats|users? each n=N times v=y ~",
    "a=x and a=x v=y numberof? each be? n=N times",
    "a=x and a=x n=N brands|cats each n=N times v=y",
    "a=x and a=x each v=y n=N times",
    "a=x and a=x each have? n=N times v=y",
)
def _each_so_many(f: Found) -> Iterator[Reading]:
    numbers = f.all("n")
    if len(numbers) == 2 and cast(Number, numbers[0].value).value != len(f.all("a")):
        return
    for rest in f.scopes(types=f.types("v")):
        yield [Said(claimed("count", joined(rest, merged([one])[0]), cast(Number, numbers[-1].value))) for one in f.all("a")]


@says("~ v=y ~", "~ v=active ~", "~ have v=acts ~", "~ v=acts ~")
def _did(f: Found) -> Iterator[Reading]:
    if "U" in f.kinds("") and not f.kinds("") & {"users"}:
        yield from counted(f.scopes(types=f.types("v")), SOME)


says("only who=G|U|C|B|I ~ v=y ~", "v=y ~ only do|be who=x ~", "v=y only do|be who=x", "only who=G|U do v=y ~", "~ v=y only do|be who=x")(
    both.only
)


says("~a only v=y part=C|B|I|Q ~", "~a v=y de? only part=C|B|I|Q ~")(both.only_on)


@says("~ only have? v=y de? acts", "~ de? acts only v=y", "~ acts all be v=y")
def _only_types(f: Found) -> Iterator[Reading]:
    yield from mean.exclusive(f.scopes(), [Scope(event_types=f.types("v"))])


says("name=C|B|I not be? ~ v=y de? theonly de? of=cats|brands|items", "name=C|B|I not ~ theonly v=y de? of=cats|brands|items")(
    both.not_only
)


says("~ none of=cats|brands de? v=y numberof? n=N times? ~", "~ none of=cats|brands v=y ~ n=N times ~", "~ none of=cats|brands ~ v=y ~")(
    both.no_name
)


says("~ all of=cats|brands ~ v=y ~", "~ all of=cats|brands ~ v=y numberof? n=N times ~", "~ v=y all of=cats|brands ~")(both.each_name)


says("~ all days ~ v=y|acts ~")(both.every_day)


# ---- shares


@says(
    "~part v=y? accounts whole=y|acts @whole n=P",
    "~part v=y? accounts @whole whole=y|acts de? n=P",
    "~part v=y? accounts @whole whole=y|acts numberof? de? n=P",
    "whole=y|acts @whole have? n=P be|do ~part",
    "@whole whole=y|acts have? n=P be|do ~part v=y?",
    "@whole whole=y|acts de? n=P be|do ~part",
    "@whole n=P whole=y|acts be|do ~part",
    "n=P @whole whole=y|acts be|do ~part",
    "~part v=y? accounts? whole=y|acts de? accounts n=P",
    "~part do n=P @whole whole=y|acts",
    "n=P whole=y|acts @whole be|do ~part",
    "@whole whole=y|acts ~part v=y? accounts n=P",
)
def _share_of_acts(f: Found) -> Iterator[Reading]:
    """`周末的点击占全部点击的 36%`."""
    types = f.types("whole")
    if f.has("v") and f.one("whole").kind != "acts" and f.types("v") != types:
        return
    part = f.scopes("part", types=f.types("v") if f.one("whole").kind == "acts" else ())
    yield from mean.part_of(f.scopes("whole", types=types), part, f.number(), "acts")


@says(
    "@whole v=y accounts acts de? n=P",
    "@whole acts have? n=P be v=y",
    "@whole v=y accounts @whole acts de? n=P",
    "@whole n=P acts be v=y",
    "@whole acts have? n=P do v=y",
    "@whole acts v=y accounts n=P",
)
def _share_of_types(f: Found) -> Iterator[Reading]:
    yield from mean.part_of(f.scopes("whole"), [Scope(event_types=f.types("v"))], f.number(), "acts")


@says(
    "@whole n=P w=people @whole ~part v=a any? ~part",
    "@whole w=people have? n=P w2=users? ~part v=a any? ~part",
    "@whole have? n=P w=users? ~part v=a any? ~part",
    "@whole n=P w=people have v=y ~part",
    "@whole v=y de? w=people accounts n=P",
    "@whole v=y users accounts w=people de? n=P",
)
def _share_of_users(f: Found) -> Iterator[Reading]:
    if f.has("w") or f.kinds("whole") & {"G"}:
        yield from mean.part_of(f.scopes("whole", extra=f.all("w")), f.scopes("part", types=f.types("v")), f.number(), "users")


@says("@whole n=P w=users? v=y m=N times", "@whole n=P w=people v=y m=N times")
def _share_once(f: Found) -> Iterator[Reading]:
    """`39.5% 的人至少买过一次`."""
    if f.number("m") == Number(1, ">=", 1) and (f.has("w") or f.kinds("whole") & {"G"}):
        yield from mean.part_of(f.scopes("whole", extra=f.all("w")), [Scope(event_types=f.types("v"))], f.number(), "users")


@says(
    "@whole n=P w=people @whole not|never ~part v=a any? ~part",
    "@whole w=people have? n=P users? not|never ~part v=a any? ~part",
    "@whole n=P users? not|never ~part v=a any? ~part",
)
def _share_not(f: Found) -> Iterator[Reading]:
    if f.has("w") or f.kinds("whole") & {"G"}:
        yield from mean.part_of(f.scopes("whole", extra=f.all("w")), f.scopes("part", types=f.types("v")), complement(f.number()), "users")


says(
    "@whole n=P sessions have ~part v=y ~part",
    "@whole sessions have? n=P have ~part v=y ~part",
    "@whole have v=y de sessions accounts n=P",
    "@whole n=P sessions do ~part v=y ~part",
)(both.share_of_sessions)


# ---- what follows


says(
    "n=P @a a=y|acts after? directly b=y @b",
    "@a n=P @a a=y|acts after? directly b=y @b",
    "@a a=y|acts after? have? n=P directly b=y @b",
    "@a a=y|acts after? directly b=y have|be? n=P",
    "@a a=y|acts after? have? n=P de? acts? be b=y",
    "@a a=y|acts after? directly b=y accounts|be? n=P",
    "@a a=y after? n=P directly b=y",
    "@a a=y after directly b=y de? accounts n=P",
    "@a a=y after? directly b=y de? ratio be? n=P",
)(both.follows)


says("n=P @a a=y|acts after? not directly b=y @b", "@a a=y|acts after? have? n=P not directly b=y @b")(both.not_follows)


# ---- lists

_KINDS: Final = "of=cats|brands|items|queries|users"


@says(
    f"@ v=y|acts numberof? sup=mostoften de? {_KINDS} be name=name",
    f"@ sup=mostoften v=y|acts de? {_KINDS} be name=name",
    f"@ name=name be ~ v=y|acts numberof? sup=mostoften de? {_KINDS}",
    f"@ sup=selling de? {_KINDS} be name=name",
    f"@ name=name be ~ sup=selling de? {_KINDS}",
    f"@ sup=frequent de? {_KINDS} be name=name",
    f"@ name=name be ~ sup=frequent de? {_KINDS}",
    f"@ do? v=y|acts numberof? sup=mostoften de? {_KINDS} be name=name",
    f"@ sup=busiest|popular de? {_KINDS} be name=name",
    f"@ name=name be ~ sup=busiest|popular de? {_KINDS}",
    f"@ name=name be ~ sup=mostoften v=y|acts de? {_KINDS}",
    f"@ name=name be ~ do v=y sup=mostoften de? {_KINDS}",
    "@ v=y|acts sup=mostoften de? be name=name",
    f"@ {_KINDS} v=y|acts numberof? sup=mostoften de? be name=name",
    f"@ v=y|acts sup=mostoften de? {_KINDS} name=name",
    "@ v=y|acts numberof? sup=mostoften de be name=name",
)
def _best(f: Found) -> Iterator[Reading]:
    yield from _ranked(f, f.all("name"))


@says(
    f"@ v=y|acts numberof? sup=mostoften de? {_KINDS} not be? name=name",
    f"@ sup=mostoften v=y|acts de? {_KINDS} not be? name=name",
    f"@ sup=selling de? {_KINDS} not be? name=name",
    f"@ name=name not be? ~ v=y|acts numberof? sup=mostoften de? {_KINDS}",
    f"@ name=name not be? ~ sup=selling|busiest de? {_KINDS}",
    f"@ name=name not be? ~ sup=mostoften v=y|acts de? {_KINDS}",
    f"@ do? v=y numberof? sup=mostoften de? {_KINDS} not be? name=name",
    f"@ sup=frequent|busiest de? {_KINDS} not be? name=name",
    f"@ name=name not be? ~ sup=frequent de? {_KINDS}",
)
def _not_best(f: Found) -> Iterator[Reading]:
    yield from _ranked(f, f.all("name"), "is not")


_LIST: Final = "name=name and|comma* name=name? and|comma* name=name? and|comma* name=name? and|comma* name=name?"


@says(
    f"{_LIST} be do? v=y|acts numberof? sup=mostoften de? n=N {_KINDS}",
    f"@ do? v=y|acts numberof? sup=mostoften de? n=N {_KINDS} be|inorder* {_LIST}",
    f"@ sup=selling de? n=N {_KINDS} be|inorder* {_LIST}",
    f"@ do? v=y numberof? top n=N de? {_KINDS} be|inorder* {_LIST}",
    f"@ sup=frequent|busiest de? n=N {_KINDS} be|inorder* {_LIST}",
    f"@ do? v=y numberof? sup=mostoften de? {_KINDS} be|inorder* name=name and|but? followed name=name",
    f"@ sup=frequent|selling de? {_KINDS} be|inorder* name=name and|but? followed name=name",
    f"@ do? v=y sup=mostoften de? n=N ge? {_KINDS} be|inorder* {_LIST}",
)
def _list(f: Found) -> Iterator[Reading]:
    if not f.has("n") or (f.number().value == len(f.all("name")) and f.number().comparison == "="):
        yield from _ranked(f, f.all("name"))


def _ranked(f: Found, names: Sequence[Token], how: str = "is") -> Iterator[Reading]:
    kind = f.one("of").kind if f.has("of") else f.one("name").kind
    if kind not in mean.BY:
        return
    stated = mean.named(names, mean.BY[kind])
    if stated is None:
        return
    types = ("purchase",) if f.kinds("sup") & {"selling"} else f.types("v")
    if kind == "queries" and types in ((), ("search",)):
        types = ("search",)
    of = ("acts", "users") if f.kinds("sup") & {"popular"} and kind != "users" else ("acts",)
    for scope in f.scopes(types=types):
        yield from mean.best([scope], mean.BY[kind], stated, of=of, how=how)  # type: ignore[arg-type]


@says("@ name=C|B|I|Q|U v=y numberof? mostoften")
def _has_most(f: Found) -> Iterator[Reading]:
    yield from _ranked(f, f.all("name"))


says(
    "@ v=y|acts numberof? sup=mostoften de? of=segment be name=G",
    "@ name=G be v=y|acts numberof? sup=mostoften de? of=segment",
    "@ name=G v=y numberof? sup=mostoften",
)(both.best_segment)


@says(
    "name=U not v=y|acts numberof? mostoften de? n=N users",
    "name=C not v=y mostoften de? n=N cats",
    "name=B not v=y mostoften de? n=N brands",
    "name=I not v=y mostoften de? n=N items",
    "name=U not busiest de? n=N users",
)
def _not_among(f: Found) -> Iterator[Reading]:
    yield from _placed(f, inside=False)


@says(
    "name=U be v=y|acts numberof? mostoften de? n=N users of?",
    "name=C be v=y mostoften de? n=N cats of?",
    "name=B be v=y mostoften de? n=N brands of?",
    "name=I be v=y mostoften de? n=N items of?",
)
def _among(f: Found) -> Iterator[Reading]:
    yield from _placed(f, inside=True)


def _placed(f: Found, *, inside: bool) -> Iterator[Reading]:
    by = mean.BY[f.one("name").kind]
    stated = mean.named(f.all("name"), by)
    if stated is not None and f.number().comparison == "=" and f.number().value > 1:
        yield from mean.among_best(f.scopes(types=f.types("v")), by, stated[0], int(f.number().value), inside=inside)


_TIMES: Final = "by=hours|weekdays|days|months"


says(
    f"@ v=y|acts numberof? mostoften de? {_TIMES} be name=D",
    f"@ users? busiest de? {_TIMES} be name=D",
    f"name=D be ~ v=y|acts numberof? mostoften de? {_TIMES}",
    f"name=D be ~ busiest de? {_TIMES}",
    f"@ v=y|acts busiest de? {_TIMES}? be name=D",
    f"@ v=y numberof? mostoften de? {_TIMES}? be name=D",
    f"@ v=y de? busiest {_TIMES}? be name=D",
    "name=D de? v=y|acts numberof? mostoften",
)(both.rhythm)


says(
    f"@ v=y|acts numberof? mostoften de? {_TIMES} not be? name=D",
    f"@ busiest de? {_TIMES} not be? name=D",
    f"name=D not be? ~ v=y|acts numberof? mostoften de? {_TIMES}",
    f"name=D not be? ~ busiest de? {_TIMES}",
)(both.not_rhythm)


# ---- trends and comparisons


@says(
    "window=D @ v=y|acts numberof? before=vsbefore? than? dir=up|down n=P?",
    "window=D @ v=y numberof? before=vsbefore? than? dir=flat",
    "before=vsbefore window=D @ v=y|acts numberof? dir=up|down n=P?",
    "window=D @ w=people headcount? before=vsbefore? dir=up|down n=P?",
    "@ v=y numberof? window=D before=vsbefore? than? dir=up|down n=P?",
    "@ v=y numberof? window=D dir=up|down n=P?",
    "window=D before=vsbefore @ v=y|acts numberof? dir=up|down n=P?",
    "window=D @ v=y headcount before=vsbefore? dir=up|down n=P?",
)
def _trend(f: Found) -> Iterator[Reading]:
    yield from both.moved(f, f.one("dir").kind)


says(
    "window=D @ v=y|acts numberof? before=vsbefore? than? not dir=up|down",
    "@ v=y|acts numberof? window=D before=vsbefore? not dir=up|down",
    "window=D before=vsbefore @ v=y|acts numberof? not dir=up|down",
)(both.no_trend)


@says(
    "~one v=y|acts numberof? how=more|fewer ~other",
    "~one v=y|acts numberof? than ~other how=more|fewer",
    "~one v=y|acts numberof? how=more|fewer ~other t=y numberof?",
    "~one than ~other v=y|acts numberof? how=more|fewer",
    "~one v=y de? numberof? than ~other do? how=more|fewer",
    "~one v=y de? numberof? how=more|fewer than? ~other",
    "~one v=y numberof? than ~other t=y? numberof? how=more|fewer",
    "~one than ~other v=y how=more|fewer",
)
def _compared(f: Found) -> Iterator[Reading]:
    yield from _measured(f, _MORE[f.one("how").kind])


@says(
    "~one v=y|acts numberof? not how=more|fewer ~other",
    "~one v=y|acts numberof? not than ~other how=more|fewer",
    "~one v=y numberof? not how=more|fewer ~other t=y numberof?",
)
def _not_compared(f: Found) -> Iterator[Reading]:
    yield from _measured(f, denied(_MORE[f.one("how").kind]))


def _measured(f: Found, number: Number) -> Iterator[Reading]:
    if not (f.has("t") and f.types("t") != f.types("v")):
        yield from mean.more(Claim("count"), f.scopes("one", types=f.types("v")), f.scopes("other"), number)


@says(
    "v=y numberof? @base d=D n=N times? dir=up|down e=D m=N times?",
    "v=y numberof? @base from? d=D n=N times? dir=up|down to? e=D m=N times?",
)
def _from_to(f: Found) -> Iterator[Reading]:
    """`购买次数从9月的 135 次增加到10月的 142 次`."""
    for base in f.scopes("base", types=f.types("v")):
        for before in merged(f.all("d")):
            for after in merged(f.all("e")):
                one, other = joined(base, after), joined(base, before)
                how = Number(0, ">" if f.one("dir").kind == "up" else "<")
                yield [Said(claimed("count", other, f.number())), Said(claimed("count", one, f.number("m"))),
                       Said(claimed("compare", one, how, measure=Claim("count"), against=other))]  # fmt: skip


@says(
    "~one v=y numberof? than ~other how=up|more n=N times",
    "~one v=y numberof? than ~other how=down|fewer n=N times",
    "~one than ~other how=more|fewer v=y n=N times",
    "~one v=y numberof? than ~other how=more|fewer n=N times",
)
def _more_by(f: Found) -> Iterator[Reading]:
    number = f.number()
    if number.comparison == "=":
        sign = 1 if f.one("how").kind in ("more", "up") else -1
        yield from _measured(f, replace(number, value=sign * number.value))


@says("~one v=y numberof? be ~other de? n=N timesas", "~one v=y numberof? be ~other t=y? numberof? de? n=N timesas")
def _as_many(f: Found) -> Iterator[Reading]:
    if not (f.has("t") and f.types("t") != f.types("v")):
        yield from mean.more(Claim("count"), f.scopes("one", types=f.types("v")), f.scopes("other"), f.number(), "ratio")


@says(
    "~one average v=y how=more|fewer ~other",
    "~one average v=y than ~other how=more|fewer",
    "~one v=y average how=more|fewer ~other",
    "~one average v=y how=more|fewer than? ~other",
    "~one average v=y than ~other average? t=y? how=more|fewer",
)
def _rated_more(f: Found) -> Iterator[Reading]:
    yield from _by_value(f, _MORE[f.one("how").kind])


@says("~one average v=y not how=more|fewer ~other", "~one average v=y not than ~other how=more|fewer")
def _not_rated_more(f: Found) -> Iterator[Reading]:
    yield from _by_value(f, denied(_MORE[f.one("how").kind]))


def _by_value(f: Found, number: Number) -> Iterator[Reading]:
    if f.types("v") == ("rating",):
        measure = Claim("mean", arguments={"of": "value", "per": "act"})
        yield from mean.more(measure, f.scopes("one", types=f.types("v")), f.scopes("other"), number)


@says(
    "@one repeatrate how=more|fewer @other",
    "@one repeatrate than @other how=more|fewer",
    "@one repeatrate than @other repeatrate? how=more|fewer",
    "@one repeatrate how=more|fewer @other repeatrate",
)
def _repeats_more(f: Found) -> Iterator[Reading]:
    yield from mean.more(Claim("repeat_rate"), f.scopes("one"), f.scopes("other"), _MORE[f.one("how").kind])


# ---- means


says(
    "@ persession average? have? n=N times v=y|acts",
    "@ persession average? v=y|acts n=N times",
    "@ persession average? have? n=N ge? v=y|acts",
    "@ sessions average have? n=N times v=y|acts",
    "@ sessions average v=acts numberof? be n=N times?",
    "@ persession de? average? v=acts numberof? be? n=N times?",
    "average all sessions have n=N times v=y|acts",
    "all sessions average have n=N times v=y|acts",
    "all sessions average v=y n=N times",
    "@ persession v=acts numberof be? n=N times?",
)(both.per_session)


@says(
    "@ peruser v=y|acts n=N times",
    "@ average v=y|acts n=N times",
    "@ each=P? w=people average v=y|acts n=N times",
    "all w=people average v=y|acts n=N times",
    "@ peruser have? n=N times v=y|acts",
    "@ average all w=people v=y n=N times",
    "@ each=P w=people average v=y n=N times",
    "@ peruser v=y numberof? be n=N times?",
    "@ peruser v=y n=N items",
    "@ w=people peruser v=y n=N times",
    "@ w=people average v=y|acts n=N times",
    "average each=P w=people v=y n=N times",
    "@ peruser average? v=y n=N times|items",
    "@ w=users v=y peruser n=N times",
)
def _per_user(f: Found) -> Iterator[Reading]:
    if not f.has("each") or f.number("each") == Number(1, "="):
        yield from mean.average(f.scopes(extra=f.all("w")), f.number(), "acts", "user", f.types("v"))


@says(
    "@ peruser average? have? n=N of=sessions|days",
    "@ peruser of=sessions numberof be? n=N ge?",
    "@ w=people average have? n=N of=sessions|days",
    "@ all w=people average have n=N of=sessions|days",
)
def _mean_of(f: Found) -> Iterator[Reading]:
    yield from mean.average(f.scopes(extra=f.all("w")), f.number(), mean.OF[f.one("of").kind], "user", ())


@says(
    "@ v=y? de? average value be? n=N|S",
    "@ average v=y be? n=N",
    "@ v=y average be? n=N",
    "@ average v=y be? n=S",
    "@ average n=S",
    "@ v=y average be? n=S",
    "@ do v=y average n=S",
    "@ average be n=S",
    "@ average v=y do n=N",
    "@ average v=y n=N",
    "@ v=y de? average be n=N|S",
    "@ average do? v=y be? n=N|S",
)
def _mean_value(f: Found) -> Iterator[Reading]:
    number = cast(Narrowing, f.one("n").value).number if f.one("n").kind == "S" else f.number()
    if number is not None and (not f.has("v") or f.types("v") == ("rating",)):
        yield from mean.valued(f.scopes(types=f.types("v")), number, "value")


says(
    "all times v=y de? average price be? n=N",
    "average all times price be? n=N",
    "@ v=y de? average price be? n=N",
    "@ average v=y price be? n=N",
    "@ v=y price average be? n=N",
    "@ average price be? n=N",
)(both.mean_price)


# ---- first, last, since when


@says(
    "@ which=firstseen|lastseen do|be|in* day=D",
    "@ day=D be? which=firstseen|lastseen",
    "@ which=firstseen|lastseen de? days|hours? be* day=D",
)
def _seen(f: Found) -> Iterator[Reading]:
    yield from mean.at_time(f.one("which").kind.removesuffix("seen"), f.scopes(), f.one("day"))


says(
    "@ which=first|last v=y|acts do|be* day=D",
    "@ which=first|last de? v=y|acts be|do* day=D",
    "@ day=D which=first v=y",
    "@ which=first|last times? v=y|acts do|be* day=D",
    "@ which=first|last v=y de? days be day=D",
    "@ v=y which=first|last do|be* day=D",
)(both.edge_time)


says(
    "U=U which=first|last ge|items? v=y de? items be name=I",
    "U=U which=first|last v=y de? be name=I",
    "U=U v=y de? which=first|last items? be name=I",
    "U=U which=first|last v=y de? cats be name=C",
    "U=U which=first|last v=y name=I",
    "U=U v=y de? which=first|last cats be name=C",
    "name=I be U=U which=first|last v=y de? items",
    "U=U which=first|last do v=y de? items be name=I",
    "which=first|last v=y U=U de? items be name=I",
)(both.edge_name)


says(
    "U=U which=first|last v=y de? items not be? name=I",
    "name=I not be? U=U which=first|last v=y de? items",
    "U=U v=y de? which=first|last items? not be? name=I",
)(both.edge_not_name)


says(
    "@ sofar? have? n=N days inactive|active?",
    "@ sofar? have? n=N days not|never do? acts|active",
    "@ lastseen sofar be? n=N days",
    "@ last acts sofar be? n=N days",
    "@ lastseen be? n=N days before",
    "@ lastseen be? beforeend n=N days",
    "@ last acts be? beforeend n=N days",
    "@ sofar n=N days inactive",
    "@ lastseen do? sofar have? n=N days",
    "@ last acts do? be? n=N days before",
    "@ inactive be? n=N days",
    "@ n=N days inactive sofar?",
)(both.recency)


@says("@ last v=y sofar be? n=N days", "@ last v=y be? n=N days before", "@ last de? v=y sofar have? n=N days", "@ n=N days not v=y")
def _recency_of(f: Found) -> Iterator[Reading]:
    if f.kinds("") & {"U"}:
        yield from mean.since_last(f.scopes(types=f.types("v")), f.number())


# ---- repeats


says(
    "@ repeatrate be? n=P",
    "@ acts have? n=P be|do? metbefore",
    "@ n=P acts be|do metbefore",
    "@ v=y repeatrate be? n=P",
    "@ acts n=P be metbefore",
    "@ v=y have? n=P be metbefore",
    "@ n=P v=y be|do metbefore",
)(both.repeats)
