"""Where one sentence ends and the next begins, in English and Chinese."""

from __future__ import annotations

import re
from typing import Final

_ABBREVIATIONS: Final = frozenset(
    ["no", "nos", "vs", "approx", "ca", "e.g", "i.e", "etc", "mr", "mrs", "ms", "dr", "st", "jan", "feb", "mar", "apr", "jun", "jul", "aug",
     "sep", "sept", "oct", "nov", "dec", "a.m", "p.m", "u.s", "inc", "fig", "min", "max", "vol"]
)  # fmt: skip
_ENDS: Final = re.compile(r"[.!?]+(?=\s|$)|[。！？；]+|\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)])\s)|\n|;(?=\s)")
_QUOTES: Final = {'"': '"', "“": "”", "《": "》", "「": "」", "『": "』"}
_MARKS: Final = re.compile(r"^(?:[-*•]|\d{1,2}[.)])\s+")
_LAST_WORD: Final = re.compile(r"([A-Za-z][A-Za-z.]*)$")


def split_sentences(text: str) -> list[str]:
    """The sentences of a text without the marks of a list; decimals, abbreviations and what stands in quotes do not end one."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    quoted = _quoted(text)
    found, begin = [], 0
    for end in _ENDS.finditer(text):
        if any(start < end.start() < stop - 1 for start, stop in quoted) or _is_abbreviation(text, end):
            continue
        stop = end.end()
        while stop < len(text) and text[stop] in "\"”》」』)）'’" and not any(start == stop for start, _ in quoted):
            stop += 1
        found.append(text[begin:stop])
        begin = stop
    found.append(text[begin:])
    trimmed = (_MARKS.sub("", sentence.strip()) for sentence in found)
    return [sentence for sentence in trimmed if any(character.isalnum() for character in sentence)]


def _is_abbreviation(text: str, end: re.Match[str]) -> bool:
    if end[0] != ".":
        return False
    word = _LAST_WORD.search(text[max(0, end.start() - 12) : end.start()])
    after = text[end.end() :].lstrip()
    if word is None or not after:
        return False
    last = word[1].lower()
    if last in ("no", "nos"):  # `No. 141` is a name, `She said no.` an end
        return after[0].isdigit()
    return last in _ABBREVIATIONS and not (after[0].isupper() and last in ("etc", "a.m", "p.m", "min", "max"))


def _quoted(text: str) -> list[tuple[int, int]]:
    """Begin and end of what stands in quotes; one that is not closed within its line holds nothing together."""
    spans, at = [], 0
    while at < len(text):
        closing = _QUOTES.get(text[at])
        if closing is not None:
            stop = text.find(closing, at + 1)
            line = text.find("\n", at)
            if stop > 0 and (line < 0 or stop < line):
                spans.append((at, stop + 1))
                at = stop
        at += 1
    return spans
