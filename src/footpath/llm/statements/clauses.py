"""A sentence of one clause or several, as readings: what the second clause leaves unsaid it takes from the first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final, Literal, cast

from footpath.llm.claims.claims import Scope
from footpath.llm.statements.forms import ADJUNCTS, Grammar, Reading
from footpath.llm.statements.tokens import Narrowing, Token

MOST_CLAUSES: Final = 4
_BETWEEN: Final = ("comma", "but", "and")
_COUNTED: Final = ("items", "times", "T", "Y", "acts", "sessions")
_ENTITIES: Final = ("U", "G", "I", "C", "B", "Q")


def readings(tokens: Sequence[Token], lang: Literal["en", "zh"]) -> list[Reading]:
    """Every reading of a sentence; none where it is of no known form."""
    from footpath.llm.statements import chinese as statement_chinese
    from footpath.llm.statements import english as statement_english

    known = statement_chinese if lang == "zh" else statement_english
    folded = known.FOLDS(_as_queries(_trimmed(tokens)))
    return _clauses(folded, known.FORMS, MOST_CLAUSES)


def _as_queries(tokens: list[Token]) -> list[Token]:
    """Where a sentence is about searches, a word that may be a query or a category is the query."""
    about = any(token.kind == "queries" or (token.kind in ("T", "V", "Y") and token.value == ("search",)) for token in tokens)
    if not about or any(token.kind in ("cats", "brands", "items") for token in tokens):
        return tokens
    return [_query(token) if token.kind in ("C", "B", "G") else token for token in tokens]


def _query(token: Token) -> Token:
    made = next((other for kind, other in cast(Narrowing, token.value).others if kind == "Q"), None)
    return token if made is None else Token("Q", token.text, made)


def _trimmed(tokens: Sequence[Token]) -> list[Token]:
    """Without commas at the ends."""
    found = list(tokens)
    while found and found[0].kind in ("comma", "but", "and"):
        found.pop(0)
    while found and found[-1].kind in ("comma", "but"):
        found.pop()
    return found


def _clauses(tokens: list[Token], forms: Grammar, most: int) -> list[Reading]:
    whole = forms.readings([token for token in tokens if token.kind != "comma"])
    if whole or most <= 1:
        return whole
    for place, token in enumerate(tokens):
        if token.kind not in _BETWEEN or not 0 < place < len(tokens) - 1:
            continue
        if tokens[place - 1].kind == tokens[place + 1].kind and tokens[place - 1].kind in ADJUNCTS:
            continue  # `linen and tea` belong together
        left = _trimmed(tokens[:place])
        first = forms.readings([token for token in left if token.kind != "comma"])
        if not first:
            continue
        right = _resolved(left, _trimmed(tokens[place + 1 :]))
        if not right:
            continue
        second: list[Reading] = []
        for completed in _completed(left, right):
            second += [reading for reading in _clauses(completed, forms, most - 1) if reading not in second]
        if second:
            return [[*one, *other] for one, other in itertools.product(first, second)]
    return []


def _resolved(left: list[Token], right: list[Token]) -> list[Token]:
    """Words of a second clause that only the first gives a meaning: `thereafter`, and a bare measure word."""
    found = list(right)
    units = [token for token in left if token.kind in ("sessions", "users", "items", "cats", "brands")]
    for place, token in enumerate(found):
        if token.kind == "thereafter" or (token.kind == "after" and place == 0):
            ends = [scope.until for one in left if one.kind == "D" for scope in cast(Narrowing, one.value).scopes]
            if len(ends) != 1 or ends[0] is None:
                return []
            found[place] = Token("D", token.text, Narrowing("when", (Scope(since=ends[0]),)))
        elif token.kind == "N" and place == len(found) - 1 and _unit_after(left) is not None:
            found.append(cast(Token, _unit_after(left)))
        elif token.kind == "ge" and place and found[place - 1].kind == "N" and units:
            found[place] = units[0]
    return found


def _unit_after(tokens: list[Token]) -> Token | None:
    """What the last number of a clause counts."""
    places = [place for place, token in enumerate(tokens[:-1]) if token.kind == "N" and tokens[place + 1].kind in _COUNTED]
    return tokens[places[-1] + 1] if places else None


def _completed(left: list[Token], right: list[Token]) -> Iterator[list[Token]]:
    """The second clause with what it takes from the first: whom and what it is about, where it names neither, and perhaps its windows."""
    slots = {_slot(token) for token in right if token.kind in ADJUNCTS}
    carried = [token for token in left if token.kind in _ENTITIES and _slot(token) not in slots]
    names_any = any(token.kind in _ENTITIES for token in right)
    windows = [token for token in left if token.kind in ("D", "S", "X", "R") and _slot(token) not in slots]
    leading = list(itertools.takewhile(lambda token: token.kind in ADJUNCTS or token.kind in ("users", "comma"), left))
    subject = [token for token in leading if token in carried]
    rest = [token for token in carried if token not in subject]
    if names_any:
        bases: list[list[Token]] = [[], subject] if subject else [[]]
    else:
        bases = [subject or carried]
        if subject and rest:
            bases.append([*subject, *rest])
    ends = [right]
    kinds = [token for token in left if token.kind in ("T", "V", "Y")]
    if kinds and not any(token.kind in ("T", "V", "Y", "acts", "active") for token in right) and len({token.value for token in kinds}) == 1:
        ends = [[*right, kinds[0]]]
        bases = [subject] if subject else bases
    if right[0].kind == "with":
        ends = [end[1:] for end in ends]
    for base, end in itertools.product(bases, ends):
        if not (windows and right[0].kind == "with"):
            yield [*base, *end]
        if windows:
            yield [*windows, *base, *end]


def _slot(token: Token) -> str:
    return token.value.slot if isinstance(token.value, Narrowing) else token.kind
