"""Whether a sentence says no more than its claims, word by word, where nobody can read it: what no claim is known to mean is too much."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, cast

from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim, Scope, Verdict, claim_to_dict
from footpath.llm.claims.templates import render
from footpath.llm.claims.wording import NOUNS

_NEGATIONS: Final = re.compile(
    r"\b(not|no|never|none|nobody|without|neither|nor|hardly|n't)\b|n't\b|没有|没|不|未|无|并非|除了|以外", re.IGNORECASE
)
_UP: Final = re.compile(
    r"\b(rose|rise[sn]?|rising|grew|grow\w*|increas\w+|up|higher|more|gain\w*|climb\w*)\b|上升|增长|增加|上涨|升|高于|更多",
    re.IGNORECASE,
)
_DOWN: Final = re.compile(
    r"\b(fell|fall\w*|declin\w+|decreas\w+|drop\w*|down|lower|less|fewer|shrank|shrink\w*)\b|下降|减少|下跌|降|低于|更少", re.IGNORECASE
)
_WORDS: Final = {
    "view": ("viewed", "viewing", "looked at"),
    "click": ("clicked", "clicking"),
    "cart": ("added to the cart", "added to their cart", "carts", "cart additions"),
    "favourite": ("favourited", "favorites", "liked"),
    "purchase": ("purchased", "bought", "buying", "ordered", "orders"),
    "rating": ("rated",),
    "impression": ("shown", "impressed"),
    "remove": ("removed", "removing"),
    "search": ("searched", "searching", "search for"),
}
_SMALL_WORDS: Final = (
    "a an the of in on by to from and or with was were is are be been being had has have made make makes do did done does there that this "
    "these those what which who whose at it its as for into while also among between during user users act acts item items category "
    "categories brand session sessions day days log number times time share utc per cent percent value values segment things"
)
"""Words that say nothing by themselves, and what every claim may be of."""
_SMALL_LETTERS: Final = "的了在是有共次位个中对为和与至从到于其这该用户行商品类别牌会话日志天条者内之时期间里所被并且也则即达约点第"
_OF: Final = {
    "count": "total together altogether counted",
    "share": "",
    "mean": "mean average averaged",
    "top": "most top 最多第一",
    "first": "first earliest seen 首次最早",
    "last": "last latest newest most recent met 最后最近",
    "recency": "last ago since before end 最近距末尾",
    "rhythm": "busiest peak hour weekday most",
    "follows": "followed follows directly next right after",
    "novelty": "new met before",
    "repeat_rate": "repeat repeats repeated again met before",
    "drift": "drift drifted mix moved shifted changed halves half",
    "lift": "lift times as high often",
    "trend": "change changed",
    "compare": "than larger higher greater lower smaller more fewer less",
}
"""Further words for what a predicate says."""
_HOW: Final = {
    ">": "more than above over larger higher greater exceeds 超过多大高于", "<": "less fewer than below under smaller lower 不到少低于",
    ">=": "at least 至少", "<=": "at most 至多", "about": "about around roughly approximately nearly almost some 约大", "is not": "not 不",
}  # fmt: skip
_FLAT: Final = re.compile(r"\b(flat|stable|steady|unchanged|no clear change|constant)\b|持平|稳定|不变|没有变化", re.IGNORECASE)
_FIGURE: Final = re.compile(r"\d[\d,]*(?:\.\d+)?")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?")


def unsaid(sentence: str, verdicts: Sequence[Verdict], checker: Checker) -> str:
    """Why a sentence says more, or other things, than its claims; empty where it does not."""
    left, allowed = sentence, set()
    for verdict in verdicts:
        for name, other in _names(verdict, checker):
            if _place(name, sentence) is None and (not other or _place(other, sentence) is None):
                return f"it does not name {name!r}, of which its claim is"
        kinds = {kind for scope in _scopes(verdict.claim) for kind in scope.event_types}
        for kind in sorted(kinds):
            if _said(kind, sentence) is None:
                return f"it does not tell of {NOUNS[kind][1]}, of which its claim is"
        if not _in_order(verdict.claim, sentence):
            return "it does not name the two that its claim compares or puts in order in that order"
        for day in sorted(_days(verdict.claim)):
            if day not in sentence:
                return f"it does not say {day}, which bounds its claim"
        missing = _missing(sentence, verdict)
        if missing:
            return missing
        allowed |= _figures(verdict, _texts(verdict, checker))
    for verdict in verdicts:
        for text in _texts(verdict, checker):
            left = re.sub(_word(text), " ", left, flags=re.IGNORECASE)
    quotes = re.search(r'"([^"]*\w[^"]*)"|“([^”]*\w[^”]*)”', left)
    if quotes is not None:
        return f"it names {quotes[1] or quotes[2]!r}, of which no claim is"
    for day in _DAY.findall(left):
        if day.replace("T", " ") not in allowed:
            return f"it says {day}, which no claim states"
    for figure in _FIGURE.findall(_DAY.sub(" ", left)):
        if figure.replace(",", "").rstrip(".") not in allowed:
            return f"it says {figure}, which no claim states"
    nothing = any(verdict.claim.value == 0 for verdict in verdicts)
    denials = len(_NEGATIONS.findall(left))
    if denials and not any(_denies(verdict.claim) for verdict in verdicts):
        return "it denies something, and none of its claims does"
    if denials + (nothing and re.search(r"(?<![\d.])0(?![\d.])", left) is not None) > 1:
        return "it denies something twice"
    strange = _strange(left, verdicts)
    return f"it says {strange!r}, which no claim is known to mean" if strange else ""


def _strange(left: str, verdicts: Sequence[Verdict]) -> str:
    """The first word, or Chinese character, of a sentence without its names that says more than its claims; else nothing."""
    known, letters = set(_SMALL_WORDS.split()), set(_SMALL_LETTERS)
    for verdict in verdicts:
        claim, text = verdict.claim, render(verdict.claim, verdict)
        kinds = {kind for scope in _scopes(claim) for kind in scope.event_types}
        spoken = [str(text), _OF.get(claim.predicate, ""), _HOW.get(claim.comparison or "", "")]
        spoken += [word for kind in kinds for word in (*NOUNS[kind][:2], *_WORDS.get(kind, ()))]
        spoken += ["no not none never nobody without", "没有未无不"] if _denies(claim) else []
        measured = [value.predicate for value in claim.arguments.values() if isinstance(value, Claim)]
        spoken += [_OF.get(name, "") for name in measured]
        known |= {word for part in spoken for word in re.findall(r"[a-z']+", part.lower())}
        letters |= set(text.zh) | set("".join(spoken))
    for word in re.findall(r"[A-Za-z']+", left):
        if word.lower() not in known and not _moves(word, verdicts):
            return word
    return next(
        (letter for letter in left if "\u4e00" <= letter <= "\u9fff" and letter not in letters and not _moves(letter, verdicts)), ""
    )


def _denies(claim: Claim) -> bool:
    return claim.value == 0 or claim.comparison == "is not" or any(_takes_away(scope) for scope in _scopes(claim))


def _moves(word: str, verdicts: Sequence[Verdict]) -> bool:
    """Whether a word is of a direction, and one of the claims is of one; that it is the right one was seen before."""
    moved = any(v.claim.predicate == "trend" or v.claim.comparison in ("up", "down", "flat") for v in verdicts)
    return moved and any(pattern.search(word) for pattern in (_UP, _DOWN, _FLAT))


def _word(name: str) -> str:
    """The pattern of a name as a word of its own."""
    return rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])"


def _place(name: str, sentence: str) -> int | None:
    """Where a name stands in a sentence as a word of its own."""
    found = re.search(_word(name), sentence, re.IGNORECASE)
    return None if found is None else found.start()


def _said(kind: str, sentence: str) -> int | None:
    """Where a sentence first tells of acts of a type."""
    one, many, chinese = NOUNS[kind]
    places = [_place(word, sentence) for word in (kind, one, many, *_WORDS.get(kind, ()))]
    known = [place for place in (*places, *(i for i in [sentence.find(chinese)] if i >= 0)) if place is not None]
    return min(known, default=None)


def _in_order(claim: Claim, sentence: str) -> bool:
    """Whether what comes first in a claim of two scopes comes first in the sentence; true where they differ in nothing that has a name."""
    pair = {"follows": ("a", "b"), "compare": (None, "against"), "lift": (None, "against")}.get(claim.predicate)
    if pair is None:
        return True
    one, other = (claim.scope if name is None else claim.arguments[name] for name in pair)
    places = []
    for scope, beside in ((one, other), (other, one)):
        kinds = [_said(kind, sentence) for kind in scope.event_types if kind not in beside.event_types]
        texts = [scope.user, scope.category, scope.brand, scope.query, *([] if scope.segment is None else [_value_of(scope.segment)])]
        apart = [beside.user, beside.category, beside.brand, beside.query, *([] if beside.segment is None else [_value_of(beside.segment)])]
        names = [_place(text, sentence) for text in texts if text is not None and text not in apart]
        places.append(min((place for place in (*kinds, *names) if place is not None), default=None))
    if None in places:
        return claim.predicate == "lift" or places[1] is None
    return cast(int, places[0]) < cast(int, places[1])


def _value_of(rule: str) -> str:
    return re.split(r"[!<>]?=|[<>]", rule)[-1].strip()


def _missing(sentence: str, verdict: Verdict) -> str:
    claim = verdict.claim
    up, down, flat = (pattern.search(sentence) is not None for pattern in (_UP, _DOWN, _FLAT))
    moved = claim.predicate == "trend" or claim.comparison in ("up", "down", "flat")
    if moved:
        value = verdict.value if isinstance(verdict.value, int | float) else 0.0
        if (value > 0 and down and not up) or (value < 0 and up and not down):
            return "its direction is not that of its claim"
        if claim.comparison in ("up", "down", "flat") and not {"up": up, "down": down, "flat": flat}[claim.comparison]:
            return f"it does not say that it went {claim.comparison}"
    stated = claim.value
    if stated is None:
        return ""
    if isinstance(stated, str | tuple):
        for name in (stated,) if isinstance(stated, str) else stated:
            if _place(name, sentence) is None and _place(str(verdict.names.get(name, name)).strip('"'), sentence) is None:
                return f"it does not say {name!r}, which its claim states"
        return ""
    if isinstance(stated, datetime):
        return ""
    said = {figure.replace(",", "") for figure in _FIGURE.findall(sentence)}
    words = (stated == 0 and _NEGATIONS.search(sentence)) or claim.predicate == "rhythm"
    return "" if said & _written(float(stated)) or words else f"it does not say {stated:g}, which its claim states"


def _written(number: float) -> set[str]:
    """How a number may be written: as it is, or as per cent, to up to four places."""
    forms = {f"{part:.{places}f}" for part in (abs(number), 100 * abs(number)) for places in range(5) if _exact(part, places)}
    return forms | ({str(int(abs(number)))} if float(number).is_integer() else set())


def _exact(number: float, places: int) -> bool:
    return abs(round(number, places) - number) < 1e-9 * max(1.0, number)


def _figures(verdict: Verdict, names: Sequence[str]) -> set[str]:
    """Every figure and date that a sentence on this verdict may say: what is stated, computed, asked for. names: no figures of it."""
    sentence = render(verdict.claim, verdict)
    texts = [str(sentence), sentence.zh, str(claim_to_dict(verdict.claim))]
    for name in names:
        texts = [re.sub(_word(name), " ", text) for text in texts]
    found = {figure.replace(",", "").rstrip(".") for text in texts for figure in _FIGURE.findall(_DAY.sub(" ", text))}
    found |= {day[:length] for text in texts[:2] for day in _DAY.findall(text) for length in (10, 16, 19)}
    found |= _days(verdict.claim)
    if isinstance(verdict.claim.value, int | float):
        found |= _written(float(verdict.claim.value))
    for scope in _scopes(verdict.claim):
        found |= {str(hour) for hour in scope.hours} | {f"{hour:02}" for hour in scope.hours}
    return found


def _days(claim: Claim) -> set[str]:
    """The days that bound the scopes of a claim, the last one included."""
    bounds = [(scope.since, 0) for scope in _scopes(claim)] + [(scope.until, 1) for scope in _scopes(claim)]
    found = {f"{moment - timedelta(microseconds=before):%Y-%m-%d}" for moment, before in bounds if moment is not None}
    return found | ({f"{claim.value:%Y-%m-%d}"} if isinstance(claim.value, datetime) else set())


def _scopes(claim: Claim) -> list[Scope]:
    inner = [value for value in claim.arguments.values() if isinstance(value, Scope)]
    return [claim.scope, *inner, *(scope for value in claim.arguments.values() if isinstance(value, Claim) for scope in _scopes(value))]


def _takes_away(scope: Scope) -> bool:
    left_out = (scope.not_event_types, scope.not_category, scope.not_item, scope.not_brand, scope.not_user, scope.without_event_types)
    return any(value not in (None, ()) for value in left_out) or any(mark in (scope.segment or "") for mark in ("!=", "=0"))


def _names(verdict: Verdict, checker: Checker) -> list[tuple[str, str]]:
    """Of whom and of what a claim is: each name, and the title of an item."""
    found: list[tuple[str, str]] = []
    for scope in _scopes(verdict.claim):
        fields = ("user", "category", "brand", "query", "not_category", "not_brand", "not_user")
        found += [(getattr(scope, field), "") for field in fields if getattr(scope, field) is not None]
        found += [(item, checker.trail.titles([item])[item]) for item in (scope.item, scope.not_item) if item is not None]
        conditions = [] if scope.segment is None else [rule for rule in scope.segment.split(" and ") if "=0" not in rule]
        found += [(_value_of(condition), "") for condition in conditions]
    return found


def _texts(verdict: Verdict, checker: Checker) -> list[str]:
    """Names that stand in a sentence and are no figures of it, the longest first."""
    names = [name for pair in _names(verdict, checker) for name in pair if name and not _FIGURE.fullmatch(name)]
    for value in (verdict.value, verdict.claim.value):
        named = value if isinstance(value, tuple) else (value,) if isinstance(value, str) else ()
        names += [*named, *(str(verdict.names.get(name, "")).strip('"') for name in named)]
    names += [str(name).strip('"') for name in verdict.names.values()]
    return sorted({name for name in names if name}, key=len, reverse=True)
