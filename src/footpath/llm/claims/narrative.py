"""The story of a report in words: claims that were computed again, and compared with the figures that the report shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from footpath.analysis.report import Narrative, Report, Sentence
from footpath.analysis.trail import Trail
from footpath.errors import FootpathError
from footpath.events.contract import EVENT_TYPES
from footpath.events.log import EventLog
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim, Scope
from footpath.llm.claims.templates import render
from footpath.result import Phrase, say
from footpath.statistics import SMALL

LATELY_DAYS: Final = 28
_SPAN: Final = re.compile(r"(?P<what>\w+)\.(?P<begin>\d{4}-\d\d-\d\d)(?:_(?P<end>\d{4}-\d\d-\d\d))?")
_EXACT: Final = 1e-6


@dataclass(frozen=True)
class _Proposed:
    """A claim that the story would tell, and the cell of the report whose value it states; none where the report has no such figure.

    silent: only told where it is refused, since another sentence says the same figure.
    """

    claim: Claim
    analysis: str = ""
    cell: str = ""
    silent: bool = False


def narrative(report: Report, log: EventLog | Trail | Checker) -> Narrative:
    """What a report comes to, in sentences whose every figure was computed for it, in order of a reader's questions.

    log: the one of the report, or better its trail, cut as the report's was. Where the report has the same figure, the claim states it; a
    claim that then does not check true is refused, and told as refused. Small cells and undefined values are left out.
    """
    checker = log if isinstance(log, Checker) else Checker(log)
    sentences: list[Sentence] = []
    refused: list[Phrase] = []
    for proposed in _proposed(report, checker):
        try:
            verdict = checker.check(proposed.claim)
        except FootpathError as error:
            if proposed.cell:
                refused.append(_refusal(proposed, str(error), str(error)))
            continue
        text = render(verdict.claim, verdict)
        if verdict.holds is False:
            refused.append(_refusal(proposed, str(text), text.zh))
        elif not proposed.silent and verdict.value is not None and (verdict.n is None or verdict.n >= SMALL or proposed.cell):
            said = {sentence.cell for sentence in sentences}
            if verdict.cell not in said:
                sentences.append(Sentence(text, verdict.cell, verdict.n, proposed.analysis))
    return Narrative(tuple(sentences), tuple(refused))


def _refusal(proposed: _Proposed, english: str, chinese: str) -> Phrase:
    return say(
        "the report has {cell} = {value}; computed again: {en}",
        "报告中 {cell} = {value}；重新计算的结果：{zh}",
        cell=f"{proposed.analysis}.{proposed.cell}", value=proposed.claim.value, en=english, zh=chinese,
    )  # fmt: skip


def _proposed(report: Report, checker: Checker) -> Iterator[_Proposed]:
    trail, whole = checker.trail, Scope()
    if not trail.counts.acts:
        return
    has_category = "category" in checker.ground.acts.columns
    yield from _headlines(report)
    yield from _of_sessions(report)
    if len(trail.types) > 1:
        yield _Proposed(Claim("top", whole, {"by": "event_type", "k": min(3, len(trail.types))}))
    if has_category:
        yield _Proposed(Claim("top", whole, {"by": "category", "k": 3}))
    elif trail.counts.items:
        yield _Proposed(Claim("top", whole, {"by": "item", "k": 3}))
    if "purchase" in trail.types and len(trail.types) > 1:
        yield _Proposed(Claim("share", whole, {"part": Scope(event_types=("purchase",)), "of": "users"}))
    if trail.has_sessions and {"cart", "purchase"} <= trail.types.keys():
        yield _Proposed(Claim("follows", whole, {"a": Scope(event_types=("cart",)), "b": Scope(event_types=("purchase",))}))
    if trail.counts.items:
        yield _Proposed(Claim("repeat_rate", whole))
    if trail.log.has_clock:
        yield _Proposed(Claim("rhythm", whole, {"by": "weekday"}))
        yield _Proposed(Claim("trend", whole, {"window_days": LATELY_DAYS}))
    if has_category and trail.log.has_clock:
        yield _Proposed(Claim("drift", whole))
    yield from _unusual_days(report)


def _headlines(report: Report) -> Iterator[_Proposed]:
    """The counts of the front page."""
    for headline in report.headlines:
        if headline.value is None:
            continue
        if headline.id in ("acts", "users", "items", "sessions"):
            claim = Claim("count", Scope(), {"of": headline.id}, "=", int(headline.value))
            yield _Proposed(claim, "headlines", headline.id, silent=headline.id != "items")
        elif headline.id in ("acts_a_user", "acts_a_session"):
            per = headline.id.removeprefix("acts_a_")
            yield _Proposed(Claim("mean", Scope(), {"of": "acts", "per": per}, "=", headline.value, _EXACT), "headlines", headline.id)


def _of_sessions(report: Report) -> Iterator[_Proposed]:
    result = report.results.get("sessions")
    for cell in () if result is None else result.cells:
        if cell.id == "per_user.mean" and isinstance(cell.value, int | float):
            claim = Claim("mean", Scope(), {"of": "sessions", "per": "user"}, "=", cell.value, _EXACT)
            yield _Proposed(claim, "sessions", cell.id)


def _unusual_days(report: Report) -> Iterator[_Proposed]:
    """Days and weeks that stand out: how many acts there were."""
    result = report.results.get("anomalies")
    for cell in () if result is None else result.cells:
        found = _SPAN.fullmatch(cell.id)
        if found is None or not isinstance(cell.value, int | float) or found["what"] not in (*EVENT_TYPES, "acts"):
            continue
        begin = datetime.fromisoformat(found["begin"])
        end = datetime.fromisoformat(found["end"] or found["begin"]) + timedelta(days=1)
        kinds = () if found["what"] == "acts" else (found["what"],)
        scope = Scope(event_types=kinds, since=begin, until=end)
        yield _Proposed(Claim("count", scope, {}, "=", int(cell.value)), "anomalies", cell.id)
