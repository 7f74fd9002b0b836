"""A sentence as tokens: names of the log, windows, numbers, and the words of the closed list; what is none of these is not understood."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from footpath.llm.ask.dates import HAN_NUMBER, SMALL_NUMBERS, whole_number
from footpath.llm.ask.names import Name, Names
from footpath.llm.ask.reading import normalised
from footpath.llm.claims.claims import Comparison, Scope
from footpath.llm.claims.scopes import Ground
from footpath.llm.statements.times import Calendar, Window, window_at
from footpath.llm.statements.words import CHINESE, CHINESE_OF, ENGLISH, NOUNS_OF, VERBS_OF

_UNKNOWN_COST: Final = 50
"""Tokens that one word may be read as before it is rather not understood."""


@dataclass(frozen=True)
class Number:
    """A number as stated: what binds it, and its last decimal place. Shares are fractions of 1."""

    value: float
    comparison: Comparison = "="
    digits: float | None = None


@dataclass(frozen=True)
class Narrowing:
    """What a name or a window takes of the acts: in one reading or in several.

    slot: the field of a scope, `when`, `value`, `except` or `column`. names: how it may be stated as one of a list, by what the list goes
    by. others: what else the same word may name; of what is left out, the names. number: of stars, as stated.
    """

    slot: str
    scopes: tuple[Scope, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    window: Window | None = None
    others: tuple[tuple[str, Narrowing], ...] = ()
    number: Number | None = None


@dataclass(frozen=True)
class Token:
    """kind: as in `footpath.llm.statements.words`, or one of

    N P number, share; T V Y event types as a noun, as a verb, as either; U G I C B Q S D R user, segment, item, category, brand, query,
    stars, window, event types that alone count; X what is left out; `comma`, `open`, `close`; `unknown`.
    """

    kind: str
    text: str
    value: Any = None


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The names and the clock of one log."""

    names: Names

    @classmethod
    def of(cls, ground: Ground) -> Vocabulary:
        return cls(Names.of(ground.trail))

    @cached_property
    def calendar(self) -> Calendar | None:
        return None if self.names.first is None or self.names.last is None else Calendar(self.names.first, self.names.last)

    def at(self, text: str) -> Mapping[int, list[tuple[int, Token]]]:
        """The names of a text as tokens, by where they begin: a word that may name several things is one token with others."""
        found: dict[int, dict[int, list[tuple[str, Narrowing]]]] = {}
        for name in self.names.in_text(text):
            if name.kind in _CODES:
                found.setdefault(name.start, {}).setdefault(name.end, []).append((_CODES[name.kind], _narrowing(name)))
        for match in _GENDERS.finditer(text):
            for column, values in self.names.columns.items():
                value = "F" if match["f"] else "M"
                if column in ("gender", "sex") and value in values:
                    made = Narrowing("segment", (Scope(segment=f"{column}={value}"),), {column: value})
                    found.setdefault(match.start(), {}).setdefault(match.end(), []).append(("G", made))
        return {
            begin: [
                (end, Token(made[0][0], text[begin:end], _also(made[0][1], [*made[1:], *self._query(text[begin:end])])))
                for end, made in ends.items()
            ]
            for begin, ends in found.items()
        }

    def _query(self, text: str) -> list[tuple[str, Narrowing]]:
        """What the word is as a search query, if it is one."""
        name = self._queries.get(text.strip('"“”《》「」『』').lower())
        return [] if name is None else [("Q", Narrowing("query", (Scope(query=name),), {"query": name}))]

    @cached_property
    def _queries(self) -> Mapping[str, str]:
        return {name.lower(): name for name in self.names.queries}


_GENDERS: Final = re.compile(
    r"(?P<f>\b(?:women|woman|females?)\b|女性用户|女性|女用户)|(?P<m>\b(?:men|man|males?)\b|男性用户|男性|男用户)", re.IGNORECASE
)
_CODES: Final = {"column": "segment", "user": "U", "item": "I", "category": "C", "brand": "B", "query": "Q", "segment": "G"}


def _narrowing(name: Name) -> Narrowing:
    if name.kind == "column":
        return Narrowing("column", (), {"column": name.value})
    if name.kind == "segment":
        column, _, value = name.value.partition("=")
        return Narrowing("segment", (Scope(segment=name.value),), {column: value})
    return Narrowing(name.kind, (only(name.kind, name.value),), {name.kind: name.value})


def only(slot: str, name: str) -> Scope:
    """The scope that narrows one thing."""
    given: dict[str, Any] = {slot: name}
    return Scope(**given)


def _also(made: Narrowing, others: Sequence[tuple[str, Narrowing]]) -> Narrowing:
    return replace(made, others=tuple(others))


_QUOTED: Final = re.compile(r'"([^"\n]+)"|“([^”\n]+)”|《([^》\n]+)》|「([^」\n]+)」|『([^』\n]+)』')
_HAN: Final = r"\u4e00-\u9fff"
_DIGITS: Final = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_BEFORE: Final[Mapping[Comparison, str]] = {
    ">": "more than|over|above|exceeding|in excess of|greater than|higher than|超过|多于|高于|大于|不止|逾",
    ">=": "at least|no fewer than|no less than|not fewer than|not less than|a minimum of|至少|不少于|不低于|起码",
    "<": "fewer than|less than|under|below|not even|lower than|不足|少于|低于|不到|小于",
    "<=": "at most|no more than|not more than|a maximum of|not exceeding|不超过|至多|最多|不多于|不高于|没有超过|没超过|未超过",
    "about": "about|around|roughly|approximately|approx.|nearly|almost|close to|some|~|约|大约|大概|近|将近|约为|约有|大约有|差不多",
    "=": "exactly|precisely|only|just|a total of|恰好|正好|刚好|只有|仅有|只|仅|共|整整|恰",
}  # fmt: skip
_BINDS: Final = "|".join(re.escape(word) for words in _BEFORE.values() for word in sorted(words.split("|"), key=len, reverse=True))
_WORD_NUMBERS: Final = "|".join(
    sorted((word for word in SMALL_NUMBERS if word not in ("a", "an", "couple of", "fortnight", "zero")), key=len, reverse=True)
)
_FRACTIONS: Final[Mapping[str, float]] = {
    "one half": 1 / 2, "a half": 1 / 2, "half": 1 / 2, "a third": 1 / 3, "one third": 1 / 3, "one-third": 1 / 3, "two thirds": 2 / 3,
    "two-thirds": 2 / 3, "a quarter": 1 / 4, "one quarter": 1 / 4, "three quarters": 3 / 4, "three-quarters": 3 / 4, "a fifth": 1 / 5,
    "one fifth": 1 / 5, "a tenth": 1 / 10, "one tenth": 1 / 10, "一半": 1 / 2, "半数": 1 / 2, "三分之一": 1 / 3, "三分之二": 2 / 3,
    "四分之一": 1 / 4, "四分之三": 3 / 4, "五分之一": 1 / 5, "十分之一": 1 / 10,
}  # fmt: skip
_FRACTION: Final = "|".join(sorted(_FRACTIONS, key=len, reverse=True))
_NUMBER: Final = re.compile(
    rf"(?P<bind>(?:(?:{_BINDS})\s?)*)(?:(?P<fraction>{_FRACTION})|百分之(?P<zhp>{_DIGITS}|{HAN_NUMBER})|(?P<digits>{_DIGITS})|"
    rf"(?P<word>(?:{_WORD_NUMBERS})(?![a-z\-])|{HAN_NUMBER}))"
    r"(?P<percent>\s?%|\s?percent(?!age)|\s?per cent)?(?P<after>\s?(?:or more|or above|or fewer|or less|or so)(?![a-z]))?"
)
_TIMES: Final = re.compile(
    r"(?P<bind>(?:(?:at least|at most|more than|fewer than|less than|exactly|only|just|no more than|not more than|about|precisely) )?)"
    r"(?P<word>once|twice|thrice)(?![a-z])"
)


def _bound(text: str) -> Comparison | None:
    """What the words before a number bind it by; None where they contradict one another."""
    found: set[Comparison] = set()
    left = text.strip()
    while left:
        for how, words in _BEFORE.items():
            word = next((word for word in sorted(words.split("|"), key=len, reverse=True) if left.startswith(word)), None)
            if word is not None:
                found.add(how)
                left = left[len(word) :].strip()
                break
        else:
            return None
    strict = found - {"="}
    if len(strict) > 1:
        return None
    return next(iter(strict), "=")


def number_at(text: str, at: int) -> tuple[int, list[Token]] | None:
    """The number, share or `twice` that begins at a place of a text in lower case, and where it ends."""
    once = _TIMES.match(text, at)
    if once is not None:
        how = _bound(once["bind"])
        n = {"once": 1, "twice": 2, "thrice": 3}[once["word"]]
        return None if how is None else (once.end(), [Token("N", once[0], Number(n, how, 1)), Token("times", "")])
    m = _NUMBER.match(text, at)
    if m is None:
        return None
    how = _bound(m["bind"])
    after = (m["after"] or "").strip()
    if how is None or (after and how not in ("=",)):
        return None
    how = {"or more": ">=", "or above": ">=", "or fewer": "<=", "or less": "<=", "or so": "about", "": how}[after]  # type: ignore[assignment]
    assert how is not None
    if m["fraction"]:
        if m["percent"]:
            return None
        return m.end(), [Token("P", m[0], Number(_FRACTIONS[m["fraction"]], "about" if how == "=" else how))]
    written = m["digits"] or m["zhp"]
    if written and written[0].isdigit():
        plain = written.replace(",", "")
        value, digits = float(plain), 10.0 ** -len(plain.partition(".")[2])
    else:
        word = whole_number(m["word"] or m["zhp"])
        if word is None:
            return None
        value, digits = float(word), 1.0
    if m["percent"] or m["zhp"]:
        return m.end(), [Token("P", m[0], Number(value / 100, how, digits / 100))]
    return m.end(), [Token("N", m[0], Number(int(value) if value.is_integer() and digits == 1 else value, how, digits))]


def _table() -> Mapping[str, tuple[str, Any]]:
    table: dict[str, tuple[str, Any]] = {}
    for words in (ENGLISH, CHINESE):
        for kind, listed in words.items():
            for word in listed.split("|"):
                table.setdefault(word, (kind, None))
    nouns = {word: (kind,) for kind, listed in NOUNS_OF.items() for word in listed.split("|")}
    verbs = {word: (kind,) for kind, listed in VERBS_OF.items() for word in listed.split("|")}
    for word in {*nouns, *verbs}:
        kind = "Y" if nouns.get(word) == verbs.get(word) else "T" if word in nouns else "V"
        table[word] = (kind, nouns.get(word, verbs.get(word)))
    for kind, listed in CHINESE_OF.items():
        for word in listed.split("|"):
            table[word] = ("Y", (kind,))
    return table


_WORDS: Final = _table()
_LONGEST_WORD: Final = max(len(word) for word in _WORDS)
_CART: Final = re.compile(
    r"\b(?P<verb>added|add|adds|adding|put|puts|putting|placed|places|placing)(?P<mid>(?: (?!and\b|but\b|or\b|to\b|in\b|"
    r"into\b)[^,.;()]{1,60}?)??) "
    r"(?:to|in|into) (?:the |a |their |his |her |its )?(?:shopping )?(?:carts?|baskets?)\b",
    re.IGNORECASE,
)
_PLAIN: Final = str.maketrans("’‘，；：（）％\u00a0", "'',;:()% ")
_ZH_CART: Final = re.compile(r"把(?P<mid>[^，。把]{0,40}?)(?:加入|放进|放入|加进)(?:了)?购物车")


def tidy(sentence: str) -> str:
    """One spelling for quotes, spaces and contractions, and for what is put into the cart."""
    text = normalised(sentence).translate(_PLAIN)
    text = re.sub(r"\s+", " ", text).strip().rstrip(".。!！;；:： ")
    text = re.sub(r"\b(\d|one|two|three|four|five)-stars?\b", r"\1 star", text, flags=re.IGNORECASE)
    text = re.sub(r"\b([Cc])an't\b", r"\1an not", text)
    text = re.sub(r"n't\b", " not", text)
    text = _CART.sub(lambda m: f"carted{m['mid']}", text)
    return _ZH_CART.sub(lambda m: f"加购{m['mid']}", text)


def tokens(sentence: str, known: Vocabulary) -> list[Token]:
    """The tokens of a sentence, the fewest that cover it; each word that is not understood is one of the kind `unknown`."""
    text = tidy(sentence)
    low = text.lower() if len(text.lower()) == len(text) else text
    names = known.at(text)
    best: list[tuple[int, int, list[Token]] | None] = [None] * len(text) + [(0, 0, [])]
    for at in range(len(text) - 1, -1, -1):
        if text[at] == " ":
            rest = best[at + 1]
            best[at] = None if rest is None else (rest[0], at + 1, [])
        elif not at or _begins(text, at):
            options = []
            for stop, made in _spans(text, low, at, known, names):
                rest = best[stop]
                if rest is not None:
                    unknown = sum(token.kind == "unknown" for token in made)
                    options.append((rest[0] + 1 + _UNKNOWN_COST * unknown, -stop, made))
            if options:
                cost, stop, made = min(options, key=lambda option: option[:2])
                best[at] = (cost, -stop, made)
    found: list[Token] = []
    at = 0
    while at < len(text):
        step = best[at]
        if step is None:  # nothing begins here: it cannot be read
            return [Token("unknown", text[at:])]
        found += step[2]
        at = step[1]
    return found


def _begins(text: str, at: int) -> bool:
    """Whether a word may begin here: not in the midst of Latin letters or digits."""
    one, other = text[at - 1], text[at]
    if _is_han(one) or _is_han(other):
        return True
    return not ((one.isalnum() or one == "_") and (other.isalnum() or other == "_"))


def _ends(text: str, at: int) -> bool:
    return at >= len(text) or _begins(text, at)


def _is_han(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


def _spans(
    text: str, low: str, at: int, known: Vocabulary, names: Mapping[int, list[tuple[int, Token]]]
) -> Iterator[tuple[int, list[Token]]]:
    """Every way to read what begins at a place: where it ends, and its tokens."""
    named = names.get(at, [])
    yield from ((end, [token]) for end, token in named)
    quoted = _QUOTED.match(text, at)
    if quoted is not None:
        if not any(end == quoted.end() for end, _ in named):
            yield quoted.end(), [Token("unknown", quoted[0])]
        return
    if text[at] in ",、;():":
        yield at + 1, [Token(_MARKS[text[at]], text[at])]
        return
    inside = [start for start in names if start > at]
    if known.calendar is not None:
        window = window_at(low, at, known.calendar)
        if window is not None and _ends(text, window.stop):
            yield window.stop, [_window(text[at : window.stop], window)]
    number = number_at(low, at)
    if number is not None and _ends(text, number[0]):
        yield number
    for stop in range(min(len(text), at + _LONGEST_WORD), at, -1):
        word = _WORDS.get(low[at:stop])
        if word is not None and _ends(text, stop) and not any(at < start < stop < end for start in inside for end, _ in names[start]):
            yield stop, [] if word[0] == "-" else [Token(word[0], text[at:stop], word[1])]
    word_end = _WORD.match(text, at)
    if word_end is not None:
        yield word_end.end(), [Token("unknown", word_end[0])]
    elif text[at] in "–—-" and not re.match(r"[–—-]\d", text[at:]):
        yield at + 1, [Token("comma", text[at])]
    else:
        yield at + 1, [] if text[at] in "'*_" else [Token("unknown", text[at])]


_MARKS: Final = {"、": "and", ";": "comma", ":": "comma", ",": "comma", "(": "open", ")": "close"}
_WORD: Final = re.compile(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+(?:[-'.][^\W\u4e00-\u9fff]+)*")


def _window(text: str, window: Window) -> Token:
    if window.before:
        return Token("vsbefore", text, Narrowing("when", (), {}, window))
    names = {}
    if window.hour is not None:
        names["hour"] = str(window.hour)
    if window.weekday is not None:
        names["weekday"] = str(window.weekday)
    if window.period is not None and window.period.kind in ("day", "month"):
        names[window.period.kind] = f"{window.period.begin:%Y-%m-%d}" if window.period.kind == "day" else f"{window.period.begin:%Y-%m}"
    return Token("D", text, Narrowing("when", window.scopes, names, window))
