"""Who a user or a segment is, as checked claims: interests, habits, drift, and what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from footpath.analysis.trail import Trail
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim, Scope, Verdict
from footpath.llm.claims.templates import render
from footpath.llm.claims.told import Read, Told, accept
from footpath.result import Phrase, say

Section = Literal["interests", "habits", "drift", "next"]
SECTIONS: Final[dict[Section, Phrase]] = {
    "interests": Phrase("Interests", "兴趣"),
    "habits": Phrase("Habits", "习惯"),
    "drift": Phrase("Drift", "兴趣变化"),
    "next": Phrase("What comes next", "下一步"),
}
TOP: Final = 3
"""Categories, items and brands that are named, and next steps."""
LATELY_DAYS: Final = 28


@dataclass(frozen=True, eq=False)
class Trait:
    """One line of a profile: a claim that was computed, in words."""

    section: Section
    text: Phrase
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Profile:
    """The traits of a user or a segment, in order of their sections.

    who: in words. left_out: why what might be expected is not among them. told: the same in a model's words, where one was asked: sentences
    whose claims are true, and how many were refused.
    """

    who: Phrase
    scope: Scope
    traits: tuple[Trait, ...]
    left_out: tuple[Phrase, ...] = ()
    told: Told | None = None

    def of(self, section: Section) -> list[Trait]:
        return [trait for trait in self.traits if trait.section == section]

    def to_dict(self, *, evidence: bool = False) -> dict[str, Any]:
        """Plain types."""
        rows = [
            {"section": trait.section, "text": str(trait.text), "text_zh": trait.text.zh} | trait.verdict.to_dict(evidence=evidence)
            for trait in self.traits
        ]
        told: dict[str, Any] = {"who": str(self.who), "traits": rows, "left_out": [str(why) for why in self.left_out]}
        if self.told is not None:
            lines = [
                {"text": line.text, "source": line.source, "refused": line.refused, "cells": list(line.cells)} for line in self.told.lines
            ]
            told["narrative"] = {"lines": lines, "refused": self.told.refused}
        return told


Narrate = Callable[[Profile], Iterable[tuple[str, Sequence[Claim]]]]
"""Puts a profile into other words: sentences, each with the claims that it states. A language model may; what it says is checked."""


def profile(
    log: EventLog | Trail | Checker,
    *,
    user: str | None = None,
    segment: str | None = None,
    narrate: Narrate | None = None,
    read: Read | None = None,
    lang: Literal["en", "zh"] = "en",
) -> Profile:
    """The profile of a user or of the users whom a rule takes, each line a claim that was computed on the log.

    narrate: may put it into other words; its sentences are shown only where their claims are true (`told.accept`; read and
    lang go there). Raises ConfigError unless exactly one of user and segment is given, DataError for one that the log has not.
    """
    if (user is None) == (segment is None):
        raise ConfigError("a profile is of one user or of one segment: give either user or segment")
    checker = log if isinstance(log, Checker) else Checker(log)
    asked = checker.resolve(Claim("count", Scope(user=user, segment=segment)))
    scope = asked.scope
    who = say("user {id}", "用户 {id}", id=user) if user is not None else say("users with {rule}", "符合 {rule} 的用户", rule=scope.segment)
    writer = _Writer(checker, scope)
    if writer.add("habits", Claim("count", scope)).value:
        _interests(writer)
        _habits(writer)
        _drift(writer)
        _next(writer)
    order = list(SECTIONS)
    traits = tuple(sorted(writer.traits, key=lambda trait: order.index(trait.section)))
    found = Profile(who, scope, traits, tuple(writer.left_out))
    if narrate is None:
        return found
    return replace(found, told=accept(narrate(found), checker, lang=lang, read=read))


class _Writer:
    """Checks claims one by one, and keeps those that have a value."""

    def __init__(self, checker: Checker, scope: Scope) -> None:
        self.checker, self.scope = checker, scope
        self.traits: list[Trait] = []
        self.left_out: list[Phrase] = []

    def add(self, section: Section, claim: Claim) -> Verdict:
        """Raises NotInLogError where the log lacks what the claim needs."""
        verdict = self.checker.check(claim)
        text = render(claim, verdict)
        if verdict.value is None:
            self.left_out.append(text)
        else:
            self.traits.append(Trait(section, text, verdict))
        return verdict

    def try_to(self, section: Section, claim: Claim) -> Verdict | None:
        """As `add`; None where the log lacks what the claim needs, which is told."""
        try:
            return self.add(section, claim)
        except NotInLogError as error:
            said = Phrase(str(error), f"日志缺少所需内容：{error}")
            if str(said) not in map(str, self.left_out):
                self.left_out.append(said)
            return None

    def has(self, column: str) -> bool:
        return column in self.checker.ground.acts.columns


def _interests(w: _Writer) -> None:
    if w.checker.trail.counts.items == 0:
        return
    if w.has("category"):
        best = w.add("interests", Claim("top", w.scope, {"by": "category", "k": TOP}))
        for name in best.value if isinstance(best.value, tuple) else ():
            w.add("interests", Claim("lift", w.scope, {"part": Scope(category=name)}))  # it says both shares
    w.add("interests", Claim("top", w.scope, {"by": "item", "k": TOP}))
    for column in ("brand", "query"):
        if w.has(column):
            w.add("interests", Claim("top", w.scope, {"by": column, "k": TOP}))


def _habits(w: _Writer) -> None:
    single = w.scope.user is not None
    sessions, clock = w.checker.trail.has_sessions, w.checker.trail.log.has_clock
    bought = Scope(event_types=("purchase",))
    if not single:
        w.add("habits", Claim("count", w.scope, {"of": "users"}))
        w.add("habits", Claim("mean", w.scope, {"of": "acts", "per": "user"}))
    if sessions:
        w.add("habits", Claim("count", w.scope, {"of": "sessions"}))
        w.add("habits", Claim("mean", w.scope, {"of": "acts", "per": "session"}))
    if len(w.checker.trail.types) > 1:
        w.add("habits", Claim("top", w.scope, {"by": "event_type", "k": TOP}))
    if "purchase" in w.checker.trail.types:
        count = (
            Claim("count", replace(w.scope, event_types=("purchase",)))
            if single
            else Claim("share", w.scope, {"part": bought, "of": "users"})
        )
        w.add("habits", count)
    if w.has("value"):
        w.add("habits", Claim("mean", w.scope, {"of": "value"}))
    if clock:
        if single:
            w.add("habits", Claim("count", w.scope, {"of": "days"}))
            w.add("habits", Claim("first", w.scope))
            w.add("habits", Claim("recency", w.scope))
        w.add("habits", Claim("rhythm", w.scope, {"by": "hour"}))
        w.add("habits", Claim("rhythm", w.scope, {"by": "weekday"}))
    if w.checker.trail.counts.items:
        w.add("habits", Claim("repeat_rate", w.scope))


def _drift(w: _Writer) -> None:
    if w.has("category") or w.checker.trail.counts.items:
        w.try_to("drift", Claim("drift", w.scope, {"by": "category" if w.has("category") else "item"}))
    if w.checker.trail.log.has_clock:
        w.try_to("drift", Claim("trend", w.scope, {"window_days": LATELY_DAYS}))
        if w.checker.trail.counts.items:
            w.try_to("drift", Claim("novelty", w.scope, {"window_days": LATELY_DAYS}))


def _next(w: _Writer) -> None:
    """What follows, in the whole log, acts like the last one of a user; in a segment, acts of its most frequent kind."""
    trail = w.checker.trail
    if not trail.has_sessions:
        w.left_out.append(
            Phrase("What follows what within a session needs sessions, and the log has none.", "会话内的先后需要会话，而日志没有。")
        )
        return
    kind = "event_type" if len(trail.types) > 1 else "category"
    if kind == "category" and not w.has("category"):
        return
    asked = Claim("last", w.scope, {"by": kind}) if w.scope.user is not None else Claim("top", w.scope, {"by": kind, "k": 1})
    if asked.predicate == "last" and not trail.log.has_clock and w.scope.user is None:
        return
    now = w.add("next", asked).value
    here = now if isinstance(now, str) else now[0] if isinstance(now, tuple) else None
    if here is None:
        return
    whole = Scope() if w.scope.user is not None else w.scope
    names = list(trail.types) if kind == "event_type" else _categories(w)
    odds = [(name, w.checker.check(Claim("follows", whole, {"a": _act(kind, here), "b": _act(kind, name)}))) for name in names]
    ranked = sorted((pair for pair in odds if pair[1].value), key=lambda pair: (-float(str(pair[1].value)), pair[0]))
    for _, verdict in ranked[:TOP]:
        w.add("next", verdict.claim)


def _act(kind: str, name: str) -> Scope:
    return Scope(event_types=(name,)) if kind == "event_type" else Scope(category=name)


def _categories(w: _Writer) -> list[str]:
    """The most frequent categories of the log: those that anything is likely followed by."""
    value = w.checker.check(Claim("top", arguments={"by": "category", "k": 12})).value
    return list(value) if isinstance(value, tuple) else []
