"""What of a model's sentences may be shown: those whose claims are all true; of the others what can be said instead, and why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from footpath.errors import FootpathError
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim, Verdict
from footpath.llm.claims.literal import unsaid
from footpath.llm.claims.templates import render
from footpath.result import Phrase, say

Read = Callable[[str], Sequence[Claim] | None]
"""Reads a sentence into the claims that it states; None or nothing where it cannot."""

CAUSES: Final = re.compile(
    r"\b(because|caus\w+|due to|owing to|thanks to|led to|lead[s]? to|therefore|hence|thus|as a result|result(s|ed)? (in|from)|"
    r"driven by|drove|explain(s|ed)?|so that|consequently|why)\b|因为|由于|导致|因此|所以|从而|使得|归因|原因|得益于|引起|促使|造成",
    re.IGNORECASE,
)
"""Words of cause: a log shows what came after what, never why, so no sentence with one is shown."""


@dataclass(frozen=True, eq=False)
class Line:
    """One sentence of a model, and what became of it.

    text: what is shown; empty where nothing true was left to say. refused: why the sentence itself is not shown; empty where it is.
    claims, verdicts: those that were checked, in order; there are fewer verdicts where a claim could not be checked at all.
    """

    sentence: str
    text: str
    source: Literal["sentence", "template", "nothing"]
    refused: str
    claims: tuple[Claim, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        return tuple(verdict.cell for verdict in self.verdicts)


@dataclass(frozen=True, eq=False)
class Told:
    """What may be shown of several sentences, with their claims and verdicts, and how many sentences were refused."""

    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        return " ".join(line.text for line in self.lines if line.text)

    @property
    def refused(self) -> int:
        """Sentences that are not shown as they were written."""
        return sum(bool(line.refused) for line in self.lines)

    @property
    def claims(self) -> tuple[Claim, ...]:
        return tuple(claim for line in self.lines for claim in line.claims)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(verdict for line in self.lines for verdict in line.verdicts)

    def note(self) -> Phrase:
        """How many sentences were refused, for the reader."""
        n, total = self.refused, len(self.lines)
        return say(
            "{n:,} of {total:,} sentences were refused: what they state is not what the log says, or cannot be checked.",
            "{total:,} 句中有 {n:,} 句被拒绝：其内容与日志不符，或无法核对。",
            n=n, total=total,
        )  # fmt: skip


def accept(
    proposed: Iterable[tuple[str, Sequence[Claim]]],
    checker: Checker,
    *,
    lang: Literal["en", "zh"] = "en",
    read: Read | None = None,
    causes: re.Pattern[str] | None = CAUSES,
) -> Told:
    """Check sentences with the claims that a model proposed for them, and let pass those that are true to the letter.

    A sentence is shown as written only if every claim checks true and no word of cause is in it. With `read`, it must also read into
    claims by itself, and those are what is checked, beside the proposed ones. Without, every figure, date and quoted name in the sentence
    must be one of its claims', what each claim states and of whom must stand in the sentence, and neither a negation nor a direction
    may speak against them. Otherwise the templates of its claims are shown, with the values that were computed, and the refusal is told.
    """
    return Told(tuple(_line(sentence, tuple(claims), checker, lang, read, causes) for sentence, claims in proposed))


def _line(
    sentence: str, claims: tuple[Claim, ...], checker: Checker, lang: Literal["en", "zh"], read: Read | None, causes: re.Pattern[str] | None
) -> Line:
    why = ""
    if causes is not None and (found := causes.search(sentence)) is not None:
        why = f"it tells of a cause ({found[0]!r}), and a log does not show causes"
    if read is not None:
        try:
            said = tuple(read(sentence) or ())
        except FootpathError as error:
            said, why = (), why or str(error)
        if not said:
            why = why or "it cannot be read as claims"
        claims = (*said, *(claim for claim in claims if claim not in said))
    verdicts: list[Verdict] = []
    for claim in claims:
        try:
            verdict = checker.check(claim)
        except FootpathError as error:
            why = why or str(error)
            continue
        verdicts.append(verdict)
        if not verdict.holds:
            why = why or _untrue(verdict)
    if not claims:
        why = why or "it states nothing that can be checked"
    if not why and read is None:
        why = unsaid(sentence, verdicts, checker)
    if not why:
        return Line(sentence, sentence, "sentence", "", claims, tuple(verdicts))
    instead = [render(verdict.claim, verdict) for verdict in verdicts if verdict.value is not None]
    unique = list(dict.fromkeys(phrase.zh if lang == "zh" else str(phrase) for phrase in instead))
    text = ("" if lang == "zh" else " ").join(unique)
    return Line(sentence, text, "template" if text else "nothing", why, claims, tuple(verdicts))


def _untrue(verdict: Verdict) -> str:
    if verdict.holds is None:
        return f"it cannot be checked: {verdict.why or 'its claim states nothing'}"
    return f"the log says otherwise: {render(verdict.claim, verdict)}"
