"""Whether what somebody wrote about a log is true: each sentence parsed into claims, every word of it, and checked.

A sentence is only judged where every word has a meaning here and the whole of it is of a known form. All readings that the wording leaves
open are checked, and it is true, or false, only if it is so in each. No model is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal

from footpath.analysis.trail import Trail
from footpath.errors import FootpathError
from footpath.events.log import EventLog
from footpath.llm.ask.reading import language
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim, Comparison, Scope, Verdict
from footpath.llm.claims.templates import render
from footpath.llm.claims.told import CAUSES
from footpath.llm.statements.clauses import readings
from footpath.llm.statements.forms import Reading, Said, joined
from footpath.llm.statements.read_back import read_back
from footpath.llm.statements.sentences import split_sentences
from footpath.llm.statements.tokens import Vocabulary, only, tokens
from footpath.result import Phrase, say

Judgement = Literal["true", "false", "not checkable"]
MOST_READINGS: Final = 16
"""Readings of one sentence; with more it is not judged."""
LONGEST_SENTENCE: Final = 600
"""Letters of a sentence that is read."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One sentence and what the log says to it.

    claims: what it states, as it was read. verdicts: of these, with values and evidence. right: what is true instead, where it is false.
    why: why it cannot be checked, or which claim is not so.
    """

    sentence: str
    verdict: Judgement
    claims: tuple[Claim, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    right: tuple[Phrase, ...] = ()
    why: str = ""

    def to_dict(self, *, evidence: bool = False, lang: Literal["en", "zh"] = "en") -> dict[str, Any]:
        """Plain types. evidence: with the rows that bear each claim out."""
        told: dict[str, Any] = {"sentence": self.sentence, "verdict": self.verdict}
        told |= {"claims": [verdict.to_dict(evidence=evidence) for verdict in self.verdicts]} if self.verdicts else {}
        told |= {"right": [phrase.zh if lang == "zh" else str(phrase) for phrase in self.right]} if self.right else {}
        why = self.why.zh if lang == "zh" and isinstance(self.why, Phrase) else str(self.why)
        return told | ({"why": why} if self.why else {})


def check_claims(text: str, log: EventLog | Trail | Checker, *, lang: Literal["en", "zh"] | None = None) -> list[Judged]:
    """Each sentence of a text: true, false with what is right, or not checkable with the words that were not understood.

    lang: of the sentences; found for each by its script without it.
    """
    checker = log if isinstance(log, Checker) else Checker(log)
    reader = Reader.of(checker)
    return [reader.judge(sentence, lang) for sentence in split_sentences(text)]


@dataclass(frozen=True, eq=False)
class Reader:
    """Judges sentences about one log."""

    checker: Checker
    vocabulary: Vocabulary

    @classmethod
    def of(cls, checker: Checker) -> Reader:
        return cls(checker, Vocabulary.of(checker.ground))

    def judge(self, sentence: str, lang: Literal["en", "zh"] | None = None) -> Judged:
        """One sentence."""
        try:
            found = self.read(sentence, lang)
        except UnreadError as error:
            return Judged(sentence, "not checkable", why=error.args[0])
        judged = [self._judge(sentence, reading) for reading in found]
        verdicts = {one.verdict for one in judged}
        if len(verdicts) == 1:
            return judged[0]
        doubtful = next((one for one in judged if one.verdict == "not checkable"), None)
        if doubtful is not None and len(judged) > 1 and {"true", "false"} - verdicts:
            return doubtful
        why = say("it can be read in several ways, and is true in one and false in another", "此句有多种读法，有的为真，有的为假")
        return replace(judged[0], verdict="not checkable", why=why, right=())

    def read(self, sentence: str, lang: Literal["en", "zh"] | None = None) -> list[Reading]:
        """What a sentence states, in every reading of it. Raises UnreadError."""
        if len(sentence) > LONGEST_SENTENCE:
            raise UnreadError(say("it is longer than {n} letters", "句子超过 {n} 个字符", n=LONGEST_SENTENCE))
        cause = CAUSES.search(sentence)
        if cause is not None:
            raise UnreadError(
                say("it tells of a cause ({word!r}), and a log shows none", "句中有因果用词（{word}），而日志不显示因果", word=cause[0])
            )
        lang = lang or language(sentence)
        again: list[Reading] = [[Said(claim, rendered=sentence.strip())] for claim in read_back(sentence, lang)]
        if again:
            return again
        made = tokens(sentence, self.vocabulary)
        strange = [token.text for token in made if token.kind == "unknown"]
        if strange:
            raise UnreadError(say("not understood: {words}", "未能理解：{words}", words=", ".join(map(repr, strange))))
        found = readings(made, lang)
        if not found:
            raise UnreadError(
                say("every word is understood, but not what they say together", "每个词都能理解，但整句的说法不在可核对的句式之内")
            )
        if len(found) > MOST_READINGS:
            raise UnreadError(say("it can be read in too many ways", "此句的读法过多"))
        return found

    def _judge(self, sentence: str, reading: Reading) -> Judged:
        claims, verdicts, right, false, doubt = [], [], [], False, ""
        try:
            said = [one for each in reading for one in self._expanded(each)]
            for one in said:
                verdict = self.checker.check(one.claim)
                holds = self._holds(one, verdict)
                if not one.implied or holds is not True:
                    claims.append(one.claim)
                    verdicts.append(verdict)
                if holds is None:
                    doubt = doubt or str(verdict.why) or "undefined"
                elif not holds and one.implied:
                    doubt = doubt or say("what it excepts is as the others", "所排除者与其余并无不同")
                elif not holds:
                    false = True
                    right.append(render(verdict.claim, verdict))
        except FootpathError as error:
            return Judged(sentence, "not checkable", tuple(claims), tuple(verdicts), why=str(error))
        if false:
            return Judged(sentence, "false", tuple(claims), tuple(verdicts), tuple(dict.fromkeys(right)))
        if doubt:
            return Judged(sentence, "not checkable", tuple(claims), tuple(verdicts), why=doubt)
        return Judged(sentence, "true", tuple(claims), tuple(verdicts))

    def _expanded(self, said: Said) -> Iterator[Said]:
        """A claim that is made of every name, as one a name."""
        if said.each is None:
            yield said
            return
        if said.each.slot == "day":
            days = self._days(said.claim.scope)
            value = days + (said.claim.value if isinstance(said.claim.value, int) else 0)
            yield replace(said, each=None, claim=replace(said.claim, value=value))
            return
        names = {"category": self.vocabulary.names.categories, "brand": self.vocabulary.names.brands}[said.each.slot]
        if not 0 < len(names) <= MOST_NAMES:
            raise UnsaidError(f"the log has {len(names)} of these; up to {MOST_NAMES} are checked one by one")
        for name in names:
            scope = joined(said.claim.scope, only(said.each.slot, name))
            claim = replace(said.claim, scope=scope)
            if name in said.each.names:
                turned = _OPPOSITE[claim.comparison or "="]
                yield Said(replace(claim, comparison=turned), implied=True)
            else:
                yield Said(claim)

    def _days(self, scope: Scope) -> int:
        """Calendar days of the log that a window takes."""
        known = self.vocabulary.calendar
        if known is None or scope.hours or scope.weekdays or scope.half:
            raise UnsaidError("days cannot be counted here")
        first = known.first if scope.since is None else max(known.first, scope.since)
        last = known.last if scope.until is None else min(known.last, scope.until - timedelta(microseconds=1))
        return max(0, (last.date() - first.date()).days + 1)

    def _holds(self, said: Said, verdict: Verdict) -> bool | None:
        """Whether a claim is true, with all the figures that the sentence says of it."""
        if said.member is not None or said.stranger is not None:
            return self._placed(said, verdict)
        if said.rendered:
            return _same_words(said.rendered, verdict)
        if verdict.holds is not True:
            return verdict.holds
        for name, stated in said.figures.items():
            value = verdict.n if name == "n" else verdict.parts.get(name)
            if value is None or abs(value - stated) > 1e-9:
                return False
        return True

    def _placed(self, said: Said, verdict: Verdict) -> bool | None:
        """Whether a name is in a list; where the last of the list shares its count with others, it cannot be said of these."""
        if not isinstance(verdict.value, tuple):
            return None
        name = said.member or said.stranger or ""
        if said.claim.arguments["by"] == "item":
            name = self.checker.ground.item(name)
        further = self.checker.check(replace(said.claim, arguments={**said.claim.arguments, "k": len(verdict.value) + 1}))
        counts = dict(zip(further.value if isinstance(further.value, tuple) else (), further.parts["counts"], strict=True))
        least = verdict.parts["counts"][-1]
        beyond = counts.get(name) if name not in verdict.value else None
        if beyond == least or (len(counts) > len(verdict.value) and counts.get(name) == least == list(counts.values())[-1]):
            return None
        inside = name in verdict.value
        return inside if said.member is not None else not inside


def _same_words(sentence: str, verdict: Verdict) -> bool | None:
    """Whether a sentence is the template of its claim. Where it differs in more than figures and the claim holds, nothing is said."""
    phrase = render(verdict.claim, verdict)
    if sentence in (str(phrase), phrase.zh):
        return True
    masked = {re.sub(r"\d[\d,.]*", "#", text) for text in (str(phrase), phrase.zh)}
    if re.sub(r"\d[\d,.]*", "#", sentence) in masked:
        return False
    return False if verdict.holds is False else None


MOST_NAMES: Final = 40
"""Names of a kind that a sentence about every one of them is checked with."""
_OPPOSITE: Final[Mapping[Comparison, Comparison]] = {
    "=": "is not", "is not": "=", ">": "<=", ">=": "<", "<": ">=", "<=": ">", "about": "is not",
}  # fmt: skip


class UnreadError(Exception):
    """A sentence is no statement that can be read; the reason in both languages."""


class UnsaidError(FootpathError):
    """A sentence is read, but cannot be worked out on this log."""
