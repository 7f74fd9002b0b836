"""What the forms of sentences are written in: patterns over kinds of tokens, and what they found.

A form is a pattern over all tokens of a clause, none left over, and a function that makes the claims which such a clause states. A pattern:

    N users     tokens of these kinds, in this order; `a|b` one of several, `a?` perhaps, `a*` any number
    n=N         the same, kept under a name
    ~ or ~part  any number of names, windows and words without weight, kept for the scope (of that name)
    @ or @part  the same without verbs

Kinds with one small letter are groups: `t` an event type as a noun, `v` as a verb, `y` either, `a` either or `acts` or `active`, `tt` a
noun or `acts`; `people` users of all kinds or of a segment, `x` all that narrows a scope, `name` what may stand in a list.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, cast

from footpath.llm.claims.claims import Claim, Comparison, Predicate, Scope
from footpath.llm.statements.tokens import Narrowing, Number, Token

ADJUNCTS: Final = ("D", "G", "U", "I", "C", "B", "Q", "S", "X", "R")
"""Kinds of tokens that narrow a scope."""
_FILLERS: Final = ("be", "do", "have", "aux", "in", "users", "any")
_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "t": ("T", "Y"), "v": ("V", "Y"), "y": ("T", "V", "Y"), "a": ("T", "V", "Y", "acts", "active"), "tt": ("T", "Y", "acts"),
    "people": ("users", "G"), "x": ADJUNCTS, "name": ("C", "B", "I", "Q", "U", "G", "D"),
}  # fmt: skip


class NoScopeError(Exception):
    """Two words of a clause narrow the same thing in different ways."""


@dataclass(frozen=True)
class Each:
    """A claim for every name that a log has, but for some. slot: `category`, `brand`; or `day`: for every day."""

    slot: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Said:
    """A claim as a sentence states it.

    figures: what it says of the denominator (`n`) and the parts of the value. implied: not said in so many words, so that it makes no
    sentence false. each: it is said of every name of a kind. member, stranger: a name that is among those of a list, or is not. rendered:
    the whole sentence, where it is that of a template: true if the template says the same, word for word.
    """

    claim: Claim
    figures: Mapping[str, float] = field(default_factory=dict)
    implied: bool = False
    each: Each | None = None
    member: str | None = None
    stranger: str | None = None
    rendered: str = ""


@dataclass(frozen=True)
class Found:
    """Which tokens a form found under which name."""

    kept: Mapping[str, tuple[Token, ...]]

    def has(self, name: str) -> bool:
        return bool(self.kept.get(name))

    def all(self, name: str) -> tuple[Token, ...]:
        return self.kept.get(name, ())

    def one(self, name: str) -> Token:
        return self.kept[name][0]

    def number(self, name: str = "n") -> Number:
        return cast(Number, self.one(name).value)

    def types(self, name: str) -> tuple[str, ...]:
        return types_of(self.all(name))

    def kinds(self, *names: str) -> set[str]:
        return {token.kind for name in names for token in self.all(name)}

    def scopes(self, *names: str, types: Sequence[str] = (), extra: Iterable[Token] = ()) -> list[Scope]:
        """What the soups of these names (without any: those without a name) take, in every reading. Raises NoScopeError."""
        tokens = [token for name in (names or ("",)) for token in self.all(name)]
        return merged([*tokens, *extra], types)


def types_of(tokens: Iterable[Token]) -> tuple[str, ...]:
    """The event types that tokens name; none for acts of any."""
    found: list[str] = []
    for token in tokens:
        if token.kind in ("T", "V", "Y"):
            found += [kind for kind in token.value if kind not in found]
    return tuple(found)


def merged(tokens: Iterable[Token], types: Sequence[str] = ()) -> list[Scope]:
    """The scopes that tokens narrow to together. Raises NoScopeError where two disagree."""
    choices = [cast(Narrowing, token.value).scopes for token in tokens if token.kind in ADJUNCTS]
    found = []
    for choice in itertools.product(*choices):
        scope = Scope(event_types=tuple(types))
        for other in choice:
            scope = joined(scope, other)
        if scope not in found:
            found.append(scope)
    return found


def joined(one: Scope, other: Scope) -> Scope:
    """Both scopes at once. Raises NoScopeError where they narrow the same thing differently."""
    changed: dict[str, Any] = {}
    for f in fields(Scope):
        mine, theirs = getattr(one, f.name), getattr(other, f.name)
        if theirs in (None, ()) or mine == theirs:
            continue
        if mine in (None, ()):
            changed[f.name] = theirs
        elif f.name == "segment":
            changed[f.name] = " and ".join(sorted({*mine.split(" and "), *theirs.split(" and ")}))
        elif f.name == "weekdays" and set(mine) & set(theirs):
            changed[f.name] = tuple(sorted(set(mine) & set(theirs)))
        else:
            raise NoScopeError(f.name)
    return replace(one, **changed)


Reading = list[Said]
Form = Callable[[Found], Iterator[Reading]]


@dataclass(frozen=True, eq=False)
class Grammar:
    """The forms of one language."""

    forms: list[tuple[re.Pattern[str], Mapping[str, str], Form]] = field(default_factory=list)

    def says(self, *patterns: str) -> Callable[[Form], Form]:
        """Registers a function as what sentences of these patterns state."""

        def keep(form: Form) -> Form:
            for pattern in patterns:
                compiled, names = compiled_pattern(pattern)
                self.forms.append((compiled, names, form))
            return form

        return keep

    def readings(self, tokens: Sequence[Token]) -> list[Reading]:
        """Every reading that a form has of all these tokens."""
        text = "".join(f"{token.kind} " for token in tokens)
        found: list[Reading] = []
        for pattern, names, form in self.forms:
            match = pattern.fullmatch(text)
            if match is None:
                continue
            kept: dict[str, tuple[Token, ...]] = {}
            places: set[int] = set()
            for group, name in names.items():
                if match[group]:
                    begin = text.count(" ", 0, match.start(group))
                    end = begin + match[group].count(" ")
                    kept[name] = (*kept.get(name, ()), *tokens[begin:end])
                    places.update(range(begin, end))
            if any(token.value is not None and place not in places for place, token in enumerate(tokens)):
                continue  # a name, a window, a number or a type would be passed over
            try:
                made = list(form(Found(kept)))
            except NoScopeError:
                continue
            found += [reading for reading in made if reading not in found]
        return found


def compiled_pattern(pattern: str) -> tuple[re.Pattern[str], Mapping[str, str]]:
    """A pattern as a regular expression over `kind kind ... `, and which group is kept under which name."""
    parts, names = [], {}
    for place, element in enumerate(pattern.split()):
        group = f"g{place}"
        if element[0] in "~@":
            kinds = ADJUNCTS + (_FILLERS if element[0] == "~" else ("in",))
            parts.append(f"(?P<{group}>(?:(?:{'|'.join(kinds)}) )*)")
            names[group] = element[1:]
            continue
        name, _, kind = element.rpartition("=")
        many = kind[-1] if kind[-1] in "?*+" else ""
        kind = kind.rstrip("?*+")
        kinds = tuple(itertools.chain.from_iterable(_GROUPS.get(one, (one,)) for one in kind.split("|")))
        body = f"(?:{'|'.join(map(re.escape, kinds))}) "
        parts.append(f"(?P<{group}>(?:{body}){many})" if name else f"(?:{body}){many}")
        if name:
            names[group] = name
    return re.compile("".join(parts)), names


Rewrite = Callable[[tuple[Token, ...]], Sequence[Token] | None]


@dataclass(frozen=True, eq=False)
class Folds:
    """Rules that make one token of several, in order, as often as they apply."""

    rules: list[tuple[re.Pattern[str], Rewrite]] = field(default_factory=list)

    def fold(self, *patterns: str) -> Callable[[Rewrite], Rewrite]:
        def keep(rule: Rewrite) -> Rewrite:
            for pattern in patterns:
                compiled, _ = compiled_pattern(pattern)
                self.rules.append((re.compile(rf"(?<!\S){compiled.pattern}"), rule))
            return rule

        return keep

    def __call__(self, tokens: Sequence[Token]) -> list[Token]:
        found = list(tokens)
        for pattern, rule in self.rules:
            start = 0
            while True:
                text = "".join(f"{token.kind} " for token in found)
                offset = sum(len(token.kind) + 1 for token in found[:start])
                match = pattern.search(text, offset)
                if match is None:
                    break
                begin = text.count(" ", 0, match.start())
                end = begin + match[0].count(" ")
                made = rule(tuple(found[begin:end]))
                if made is None or list(made) == found[begin:end]:
                    start = begin + 1
                else:
                    found[begin:end] = made
                    start = begin if len(made) < end - begin else begin + len(made)
                if start >= len(found):
                    break
        return found


# ---- claims


def stated(number: Number) -> dict[str, Any]:
    exact = number.comparison in ("=", "about", "is not")
    return {"comparison": number.comparison, "value": number.value, "digits": number.digits if exact else None}


def denied(number: Number) -> Number:
    """`did not buy 9 times`, `not more than 9`."""
    turned: Mapping[str, Comparison] = {"=": "is not", "about": "is not", "is not": "=", ">": "<=", ">=": "<", "<": ">=", "<=": ">"}
    return replace(number, comparison=turned[number.comparison])


def complement(number: Number) -> Number:
    """The share of what was not done, as the share of what was."""
    turned: Mapping[str, Comparison] = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
    how = turned.get(number.comparison, number.comparison)
    return Number(1 - number.value, how, number.digits)


NONE: Final = Number(0, "=", None)
SOME: Final = Number(0, ">", None)


def claimed(predicate: Predicate, scope: Scope, number: Number | None = None, /, **arguments: Any) -> Claim:
    return Claim(predicate, scope, arguments, **(stated(number) if number is not None else {}))


def counted(scopes: Iterable[Scope], number: Number, of: str = "acts") -> Iterator[Reading]:
    """One reading a scope: how many there are."""
    for scope in scopes:
        yield [Said(claimed("count", scope, number, of=of))]
