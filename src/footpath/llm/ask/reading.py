"""What stands in a text about a log: its words by their one meaning, names, dates, numbers; whatever is not understood is said so.

Questions (`planner`) and statements (`statements`) are read by the same words, English and Chinese.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from footpath.events.log import EventLog
from footpath.llm.ask.dates import HAN_NUMBER, MONTHS, SMALL_NUMBERS, Calendar, Window, han_number
from footpath.llm.ask.lexicon import LONGEST, PHRASES
from footpath.llm.ask.names import Name, Names
from footpath.page.text import Lang

Kind = Literal[
    "act", "unit", "doer", "add", "into", "ask", "per", "not", "except", "only", "and", "or", "both", "compare", "suffix", "times",
    "different", "stars", "half", "weekdays", "gender", "age", "topic", "refuse", "link", "prep", "filler",
    "user", "item", "category", "brand", "query", "segment", "column",
    "window", "last", "prior", "hours", "vague", "number", "unknown", "stop",
]  # fmt: skip
"""act: an event type, or `act` for any. unit: what is counted. ask: what is wanted. names: user ... column. window: a `Window`.
last, prior: days up to the end of the log, days before those. vague: a time that cannot be placed; the value says why. number: a `Number`.
unknown: a word, or a name in quotes, that nothing here knows. stop: punctuation between clauses. The rest as in `lexicon`."""

NAMES: Final = ("user", "item", "category", "brand", "query", "segment", "column")


@dataclass(frozen=True)
class Number:
    """A number as it was written. digits: its last decimal place. percent: it was said in per cent, and value is the share."""

    value: float
    digits: float
    percent: bool = False


@dataclass(frozen=True)
class Found:
    """One understood, or not understood, piece of a text. text: as it stands there. ids: of items, all that have the title.

    meant: the word that a slip of the pen was read as, else empty.
    """

    kind: Kind
    value: Any
    start: int
    end: int
    text: str
    ids: tuple[str, ...] = ()
    meant: str = ""

    def is_(self, kind: Kind, *values: Any) -> bool:
        return self.kind == kind and (not values or self.value in values)


@dataclass(frozen=True)
class Reading:
    """A text, normalised, and its pieces in order; every letter and digit of it is in one piece."""

    text: str
    lang: Lang
    pieces: tuple[Found, ...]

    def of(self, *kinds: Kind) -> list[Found]:
        return [piece for piece in self.pieces if piece.kind in kinds]

    @property
    def content(self) -> list[Found]:
        """The pieces that carry meaning: all but fillers."""
        return [piece for piece in self.pieces if piece.kind != "filler"]


_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_NUMBER: Final = re.compile(r"(?<![\w.])[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\w.])[-+]?\d+(?:\.\d+)?|\d+(?:\.\d+)?")
_PERCENT: Final = re.compile(r" ?(?:%|per ?cent\b|percent\b)", re.IGNORECASE)
_HAN_PERCENT: Final = re.compile(rf"百分之({HAN_NUMBER}|\d+(?:\.\d+)?)(?!几)")
_LATIN: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\w+", re.UNICODE)
_ID_LIKE: Final = re.compile(r"(?=[A-Za-z0-9_\-]*\d)(?=[A-Za-z0-9_\-]*[A-Za-z_])[A-Za-z0-9][A-Za-z0-9_\-]*")
_ORDINARY: Final = re.compile(
    r"\d{1,2}(?:st|nd|rd|th|am|pm|h)|\d{4}-\d{1,2}-\d{1,2}T?|[a-z]+-\w+|\d+-(?:star|day|week|hour|point)s?|week-?\d", re.IGNORECASE
)
_STOPS: Final = ".!?;:。！？；：,，"
_SHORTEST_SLIP: Final = 4


def language(text: str) -> Lang:
    """`zh` where a text has Han characters outside of quotes or at least a third as many as Latin words; else `en`."""
    outside = re.sub(r"《[^》]*》|“[^”]*”|\"[^\"]*\"", " ", text)
    han, words = len(_HAN.findall(outside)), len(re.findall(r"[A-Za-z]+", outside))
    return "zh" if han and 3 * han >= words else "en"


def normalised(text: str) -> str:
    """NFC without control characters, full-width digits and letters made plain, blanks joined."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(chr(ord(c) - 0xFEE0) if "！" < c <= "～" and c not in "，；：？！（）" else c for c in text)
    text = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    text = re.sub(r"(?<![A-Za-z])(top)(?=\d)", r"\1 ", text, flags=re.IGNORECASE)
    return re.sub(r"\s+", " ", text).strip().replace("’", "'").replace("″", '"')


def read(text: str, names: Names | EventLog, *, lang: Lang | None = None) -> Reading:
    """The pieces of a text about a log. Names before dates before phrases before numbers; the longest of a kind."""
    names = names if isinstance(names, Names) else Names.of(names)
    text = re.sub(r"\b(?:12 )?noon\b", "12:00", re.sub(r"\bmidnight\b", "0:00", _months_spelled(normalised(text))))
    calendar = Calendar(names.first, names.last)
    places = {name.start: name for name in reversed(_settled(text, names))}
    pieces: list[Found] = []
    at = 0
    while at < len(text):
        piece = _piece(text, at, places, calendar, names)
        if piece is None:
            at += 1
            continue
        if piece.kind == "unknown" and pieces and pieces[-1].kind == "unknown" and pieces[-1].end == at and _HAN.match(piece.text):
            before = pieces.pop()  # Han characters in a row are told as one word
            piece = Found("unknown", before.value + piece.value, before.start, piece.end, before.text + piece.text)
        pieces.append(piece)
        at = piece.end
    return Reading(text, lang or language(text), tuple(pieces))


def _settled(text: str, names: Names) -> list[Name]:
    """One name a place: of a query and a category that are spelled alike the query where the text is about searches."""
    about_search = re.search(r"\b(search\w*|quer\w+)\b|搜|检索|查询", text, re.IGNORECASE) is not None
    kept: dict[tuple[int, int], Name] = {}
    for name in names.in_text(text):
        other = kept.get((name.start, name.end))
        if other is None or (name.kind == "query") == about_search:
            kept[name.start, name.end] = name
    return list(kept.values())


def _piece(text: str, at: int, places: dict[int, Name], calendar: Calendar, names: Names) -> Found | None:
    character = text[at]
    if at in places:
        name = places[at]
        year = re.match(r"[》”\"]? ?[(（]\d{4}[)）]", text[name.end :]) if name.kind == "item" and len(name.ids) == 1 else None
        end = name.end + (year.end() if year is not None else 0)  # Fargo (1996)
        return Found(name.kind, name.value, name.start, end, text[name.start : name.end], name.ids)
    if character == " ":
        return None
    quoted = _unknown_quote(text, at)
    if quoted is not None:
        return quoted
    id_like = _ID_LIKE.match(text, at)
    if id_like is not None and not _ORDINARY.fullmatch(id_like[0]) and (at == 0 or not _is_latin(text[at - 1])):
        return Found("unknown", id_like[0], at, id_like.end(), id_like[0])
    begins = at == 0 or not (_is_latin(text[at - 1]) and _is_latin(character))
    dated = calendar.at(text, at) if begins else None
    phrase = _phrase(text, at) if begins else None
    if dated is not None and (phrase is None or dated.end >= phrase.end) and not _hides_name(dated.start, dated.end, places):
        return Found(dated.kind, dated.value, dated.start, dated.end, text[dated.start : dated.end])
    if phrase is not None and not _hides_name(phrase.start, phrase.end, places):
        return phrase
    number = _number(text, at)
    if number is not None:
        return number
    if not character.isalnum():
        return Found("stop", character, at, at + 1, character) if character in _STOPS else _odd(text, at)
    if _HAN.match(character):
        return Found("unknown", character, at, at + 1, character)
    word = _LATIN.match(text, at)
    found = text[at : at + 1] if word is None else word[0]
    if "'" in found and not found.endswith("n't"):  # the possessive of an unknown word
        found = found.partition("'")[0] or found
    return _slip(text, at, found, names)


def _unknown_quote(text: str, at: int) -> Found | None:
    """A name in quotes that the log has not: no word of it is read as anything else."""
    for opening, closing in (("《", "》"), ("“", "”"), ("「", "」"), ('"', '"'), ("‘", "’")):
        if text[at] == opening:
            end = text.find(closing, at + 1)
            if end > at:
                return Found("unknown", text[at + 1 : end].strip(), at, end + 1, text[at : end + 1])
    return None


def _odd(text: str, at: int) -> Found | None:
    """Signs: per cent, and, comparisons; emoji are not understood; dashes, slashes and brackets say nothing."""
    if unicodedata.category(text[at]) in ("So", "Sk") and text[at] not in "^`´¨":
        return Found("unknown", text[at], at, at + 1, text[at])
    return None


def _phrase(text: str, at: int) -> Found | None:
    """The longest phrase of the lexicon that begins at a place."""
    lowered = text[at : at + LONGEST + 1].lower()
    for length in range(min(LONGEST, len(lowered)), 0, -1):
        meaning = PHRASES.get(lowered[:length])
        if meaning is None:
            continue
        if length < len(lowered) and _is_latin(lowered[length - 1]) and _is_latin(lowered[length]):
            continue
        kind, value = meaning
        end = at + length
        if kind == "weekdays":
            return Found("weekdays", tuple(int(day) for day in value), at, end, text[at:end])
        return Found(kind, value, at, end, text[at:end])  # type: ignore[arg-type]  # the lexicon holds kinds only
    return None


def _number(text: str, at: int) -> Found | None:
    percent = _HAN_PERCENT.match(text, at)
    if percent is not None:
        digits = han_number(percent[1]) if not percent[1][0].isdigit() else None
        value = float(percent[1]) if digits is None else float(digits)
        places = len(percent[1].partition(".")[2]) if digits is None else 0
        return Found("number", Number(value / 100, 10.0**-places / 100, True), at, percent.end(), percent[0])
    match = _NUMBER.match(text, at)
    if match is not None and not (match.end() < len(text) and _is_latin(text[match.end()])):
        return _written(text, at, match.end(), match[0])
    if match is not None and match[0].isdigit() and re.match(r"(?:st|nd|rd|th|x|s)\b", text[match.end() :]) is None:
        word = _ID_LIKE.match(text, at)
        return None if word is not None else _written(text, at, match.end(), match[0])
    han = re.compile(HAN_NUMBER).match(text, at)
    if han is not None:
        counted = han_number(han[0])
        if counted is not None:
            return Found("number", Number(float(counted), 1.0), at, han.end(), han[0])
    word = _LATIN.match(text, at)
    if word is not None and "-" in word[0] and word[0].lower() not in SMALL_NUMBERS:
        word = re.compile(r"[A-Za-z]+(?=-(?:star|point)s?\b)").match(text, at)  # five-star
    if word is not None and word[0].lower() in SMALL_NUMBERS and word[0].lower() not in ("a", "an"):
        return Found("number", Number(float(SMALL_NUMBERS[word[0].lower()]), 1.0), at, word.end(), word[0])
    return None


def _written(text: str, at: int, end: int, written: str) -> Found:
    places = len(written.partition(".")[2])
    percent = _PERCENT.match(text, end)
    value = float(written.replace(",", ""))
    if percent is not None:
        return Found("number", Number(value / 100, 10.0**-places / 100, True), at, percent.end(), text[at : percent.end()])
    return Found("number", Number(value, 10.0**-places), at, end, text[at:end])


def _months_spelled(text: str) -> str:
    """The text with the names of months that have a slip of the pen put right."""

    def right(match: re.Match[str]) -> str:
        low = match[0].lower()
        if len(low) < 6 or low in MONTHS:
            return match[0]
        near = [
            month for month in MONTHS if len(month) > 5 and (_one_left_out(low, month) or _one_left_out(month, low) or _swapped(low, month))
        ]
        return near[0].capitalize() if len(near) == 1 else match[0]

    return re.sub(r"[A-Za-z]+", right, text)


def _swapped(word: str, known: str) -> bool:
    return any(word[:i] + word[i + 1] + word[i] + word[i + 2 :] == known for i in range(len(word) - 1))


_LATIN_WORDS: Final = sorted({word for word in PHRASES if re.fullmatch(r"[a-z]{4,}", word)})
_NO_SLIPS: Final = frozenset(
    re.findall(
        r"\w+",
        """starts start older cats charts later hose there where here then than these those them every very ever never moth mouth brought
        buys lift left list last least late fast cast past part port sort short users uses used user more most must mist first fist act acts
        fact tact share shares shave shape shapes chart charter rates rate rated rater hate date dates data weak weeks week string strings
        buyer buyers seller sellers cheap cheaper old young man men month months mouths""",
    )
)


def _slip(text: str, at: int, word: str, names: Names) -> Found:
    """An unknown word, unless it is a known one with two letters swapped, one doubled or one left out."""
    low = word.lower()
    end = at + len(word)
    unknown = Found("unknown", word, at, end, word)
    if len(low) < _SHORTEST_SLIP or low in _NO_SLIPS or not low.isascii() or not low.isalpha():
        return unknown
    swapped = {low[:i] + low[i + 1] + low[i] + low[i + 2 :] for i in range(len(low) - 1)} - {low}
    longer = len(low) >= _SHORTEST_SLIP + 1
    doubled = {low[:i] + low[i + 1 :] for i in range(1, len(low)) if low[i] == low[i - 1]} if longer else set()
    missing = {known for known in _LATIN_WORDS if len(known) == len(low) + 1 and len(known) >= 6 and _one_left_out(low, known)}
    known = sorted({candidate for candidate in swapped | doubled if candidate in PHRASES} | missing)
    meanings = {PHRASES[candidate] for candidate in known}
    if len(meanings) != 1:
        return unknown
    kind, value = PHRASES[known[0]]
    if kind == "weekdays":
        return Found("weekdays", tuple(int(day) for day in value), at, end, word, meant=known[0])
    return Found(kind, value, at, end, word, meant=known[0])  # type: ignore[arg-type]


def _one_left_out(word: str, known: str) -> bool:
    return word[0] == known[0] and any(known[:i] + known[i + 1 :] == word for i in range(1, len(known)))


def _hides_name(start: int, end: int, places: dict[int, Name]) -> bool:
    return any(start < place < end for place in places)


def _is_latin(character: str) -> bool:
    return (character.isalnum() or character == "_") and not _HAN.match(character)


def understood(reading: Reading) -> Iterator[Found]:
    """The pieces that nothing here understands."""
    return (piece for piece in reading.pieces if piece.kind in ("unknown", "vague"))


def window_of(piece: Found) -> Window:
    """The window of a piece. Raises TypeError for any other."""
    if not isinstance(piece.value, Window):
        raise TypeError(f"{piece.text!r} is no window")
    return piece.value
