"""Questions answered from a log: question to plan, plan to computation, and an answer in which every figure is a cell that was computed.

Nothing is answered that was not understood to the last word. A language model may propose a plan; it is checked like any other, and no
figure comes from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import pyarrow as pa

from footpath.errors import FootpathError
from footpath.events.log import EventLog
from footpath.llm.ask.cell_words import sentence_of
from footpath.llm.ask.drawing import Drawn, drawn
from footpath.llm.ask.examples import examples
from footpath.llm.ask.names import Names
from footpath.llm.ask.planner import plan as planned
from footpath.llm.ask.plans import AnalysisPlan, ClaimPlan, Plan, RefusalPlan, plan_to_dict
from footpath.llm.ask.proposals import NOT_ASKED, Proposal, propose
from footpath.llm.ask.reading import Reading, language
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import DEAD_BAND, Comparison, Scope, Value, Verdict
from footpath.llm.claims.predicates import compute
from footpath.llm.claims.templates import render, shown
from footpath.llm.claims.wording import UNITS, WEEKDAYS, WEEKDAYS_ZH, acts, joined, number_of, of_unit, percent
from footpath.page.text import Lang, plain
from footpath.result import Phrase, Result, in_language, say
from footpath.statistics import SMALL

if TYPE_CHECKING:
    from footpath.llm.gateway.gateway import Gateway


@dataclass(frozen=True)
class Cited:
    """A figure of an answer. place: the number that it has in the text. n: the denominator; is_small: fewer than 30 are behind it."""

    place: int
    cell: str
    value: Any
    shown: Any
    n: int | None
    definition: Phrase

    @property
    def is_small(self) -> bool:
        return self.n is not None and self.n < SMALL


@dataclass(frozen=True, eq=False)
class Answer:
    """What is said to a question. value: the figure, name, names or time that was asked for, None where it is refused.

    also: other ways to write the value, such as the id of an item, `2024-10` for October, `up` for a rise.
    text: in the language of the question, with `[1]` after what a cell bears out. refused: why nothing is answered, else empty; close:
    names that are written nearly alike; can_ask: questions that this log answers. proposal: what a language model had to do with it.
    """

    question: str
    lang: Lang
    plan: Plan
    reading: Reading
    text: str
    value: Any = None
    also: tuple[str, ...] = ()
    cells: tuple[Cited, ...] = ()
    refused: str = ""
    close: tuple[str, ...] = ()
    can_ask: tuple[str, ...] = ()
    notes: tuple[Phrase, ...] = ()
    proposal: Proposal = NOT_ASKED
    verdict: Verdict | None = field(default=None, repr=False)
    result: Result | None = field(default=None, repr=False)
    checker: Checker | None = field(default=None, repr=False)

    @cached_property
    def drawn(self) -> Drawn | None:
        """The table and the picture that belong to the answer, made when first asked for."""
        if self.result is not None:
            from footpath.analysis import catalog

            title = catalog.entry(self.result.name).title
            return Drawn(title, self.result.table, self.result.chart)
        return None if self.verdict is None or self.checker is None else drawn(self.verdict, self.checker)

    @property
    def table(self) -> pa.Table | None:
        return None if self.drawn is None else self.drawn.table

    @property
    def chart(self) -> Mapping[str, Any] | None:
        return None if self.drawn is None else self.drawn.chart

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: plain types only."""
        cells = [
            {"place": c.place, "cell": c.cell, "value": plain(c.value), "shown": in_language(c.shown, self.lang), "n": c.n,
             "small": c.is_small, "definition": in_language(c.definition, self.lang)}
            for c in self.cells
        ]  # fmt: skip
        told: dict[str, Any] = {
            "question": self.question, "lang": self.lang, "answered": not self.refused, "text": self.text, "value": plain(self.value),
            "cells": cells, "plan": plan_to_dict(self.plan), "model": self.proposal.to_dict(),
        }  # fmt: skip
        if self.refused:
            told |= {"refused": self.refused, "close": list(self.close), "can_ask": list(self.can_ask)}
        if self.notes:
            told["notes"] = [in_language(note, self.lang) for note in self.notes]
        return told


def answer(question: str, log: EventLog | Checker, *, gateway: Gateway | None = None, lang: Lang | None = None) -> Answer:
    """Answer a question about a log. For many questions make one `Analyst`, so that the log is prepared once."""
    return Analyst(log).answer(question, gateway=gateway, lang=lang)


class Analyst:
    """Answers questions about one log; what was prepared for one serves the next."""

    def __init__(self, log: EventLog | Checker) -> None:
        self.log = log.trail.log if isinstance(log, Checker) else log
        self.names = Names.of(self.log)
        self._given = log if isinstance(log, Checker) else None
        self._results: dict[tuple[str, tuple[tuple[str, str], ...]], Result] = {}

    @cached_property
    def checker(self) -> Checker:
        return self._given or Checker(self.log)

    def answer(self, question: str, *, gateway: Gateway | None = None, lang: Lang | None = None) -> Answer:
        """The answer, or a refusal that says why and what can be asked; nothing is raised for what a question says."""
        plan, reading = planned(question, self.names, lang=lang)
        proposal = NOT_ASKED
        if gateway is not None and gateway.has_model and isinstance(plan, RefusalPlan):
            proposal = propose(reading, self.names, gateway)
            plan = proposal.plan or plan
        spoken = lang or (reading.lang if reading.pieces else language(question))
        base = Answer(question, spoken, plan, reading, "", proposal=proposal, notes=_slips(reading))
        try:
            if isinstance(plan, ClaimPlan):
                return self._of_claim(plan, base)
            if isinstance(plan, AnalysisPlan):
                return self._of_analysis(plan, base)
        except FootpathError as error:
            return self._refused(base, say("{error}", "{error}", error=str(error)))
        return self._refused(base, Phrase(plan.reason, plan.reason_zh or plan.reason), plan.close)

    def _refused(self, base: Answer, reason: Phrase, close: Sequence[str] = ()) -> Answer:
        why = in_language(reason, base.lang)
        can_ask = tuple(in_language(list(examples(self.names)), base.lang))
        head = say("I cannot answer this: {why}.", "无法回答：{why}。", why=reason)
        near = say(" Close are: {names}.", " 相近的有：{names}。", names=", ".join(close)) if close else Phrase("", "")
        text = in_language(say("{head}{near}", "{head}{near}", head=head, near=near), base.lang)
        return replace(base, text=text, refused=why, close=tuple(close), can_ask=can_ask)

    # ---- claims

    def _of_claim(self, plan: ClaimPlan, base: Answer) -> Answer:
        verdict = self.checker.check(plan.asked())
        if verdict.value is None:
            return self._refused(base, Phrase(str(verdict.why), in_language(verdict.why, "zh")))
        doubt = self._other_mean(verdict)
        if doubt is not None:
            return self._refused(base, doubt)
        sentence = render(verdict.claim, verdict)
        if not borne_out(verdict, sentence, self.checker):
            return self._refused(base, Phrase("the figure could not be computed twice alike", "数值两次计算不一致"))
        if plan.asks == "fewest":
            return self._fewest(plan, verdict, base)
        value, lead = _asked_for(plan, verdict, self.checker)
        text = _with_place(lead, sentence, base.lang)
        cited = Cited(1, verdict.cell, verdict.value, shown(verdict), verdict.n, definition(verdict))
        notes = (*base.notes, *_ties(verdict))
        also = _also(plan, verdict, value)
        return replace(base, text=text, value=value, also=also, cells=(cited,), verdict=verdict, checker=self.checker, notes=notes)

    def _other_mean(self, verdict: Verdict) -> Phrase | None:
        """A mean of some acts per user is over all users, or over those who have such acts: where the two differ, neither is shown."""
        claim = verdict.claim
        if claim.predicate != "mean" or claim.arguments["part"] == Scope():
            return None
        inner = joined(claim.scope, claim.arguments["part"])
        if inner is None or inner == claim.scope:
            return None
        other = self.checker.check(replace(claim, scope=inner))
        if other.value == verdict.value:
            return None
        per = claim.arguments["per"]
        return say(
            "it may be over all {n} or over the {m} with such acts: {a:.2f} or {b:.2f}; say which, such as per buyer",
            "分母可以是全部（{n_zh}），也可以是有此行为者（{m_zh}）：{a:.2f} 或 {b:.2f}；请说明是哪一种，例如“每位购买者”",
            n=number_of(verdict.n or 0, UNIT_OF[per]), m=number_of(other.n or 0, UNIT_OF[per]),
            n_zh=number_of(verdict.n or 0, UNIT_OF[per]), m_zh=number_of(other.n or 0, UNIT_OF[per]), a=verdict.value, b=other.value,
        )  # fmt: skip

    def _fewest(self, plan: ClaimPlan, verdict: Verdict, base: Answer) -> Answer:
        """The last name of a list that is shown whole, or the hour or weekday with fewest acts; not where several share the place."""
        by = verdict.claim.arguments["by"]
        counted = verdict.claim.arguments.get("of", "acts")
        table = verdict.evidence
        counts = dict(zip(table[by].to_pylist(), table[counted].to_pylist(), strict=True))
        size = {"hour": 24, "weekday": 7}.get(by, verdict.evidence_total)
        least = [name for name, n in counts.items() if n == min(counts.values())]
        if len(counts) != size or len(least) != 1:
            reason = say("{n} of them have fewest, or none at all", "有 {n} 个并列最少，或者为零", n=max(len(least), size - len(counts)))
            return self._refused(base, reason)
        name, n = least[0], counts[least[0]]
        told = Phrase(f'"{name}"', f"“{name}”")
        if by == "hour":
            told = Phrase(f"{name:02}:00 to {name:02}:59 UTC", f"{name} 时（UTC）")
        elif by == "weekday":
            told = Phrase(WEEKDAYS[name], WEEKDAYS_ZH[name])
        what = of_unit(counted, verdict.claim.scope, verdict.names)
        sentence = say(
            "{name} had the fewest {what}: {n:,} of {total:,}.", "{what}最少的是{name}：{total:,} 次中的 {n:,} 次。",
            name=told, what=what, n=n, total=verdict.n or 0,
        )  # fmt: skip
        cited = Cited(1, verdict.cell, n, f"{n:,}", verdict.n, definition(verdict))
        return replace(base, text=_with_place(None, sentence, base.lang), value=name, cells=(cited,), verdict=verdict, checker=self.checker)

    # ---- analyses

    def _of_analysis(self, plan: AnalysisPlan, base: Answer) -> Answer:
        result = self._result(plan)
        cell = next((cell for cell in result.cells if cell.id == plan.cell), None)
        if cell is None or cell.value is None:
            known = [cell.id for cell in result.cells if cell.id.rpartition(".")[0] == plan.cell.rpartition(".")[0]]
            why = "; ".join(str(warning) for warning in result.meta.get("warnings", [])) if result.is_empty else ""
            reason = say(
                "the analysis {name} gives no {cell} for this log{why}{known}", "分析 {name} 对这份日志没有给出 {cell}{why}{known}",
                name=plan.analysis, cell=plan.cell, why=f": {why}" if why else "", known=f" ({', '.join(known[:8])})" if known else "",
            )  # fmt: skip
            return self._refused(base, reason)
        sentence, said = sentence_of(plan.analysis, cell)
        text = _with_place(None, sentence, base.lang)
        about = Phrase(*(in_language(result.meta.get("definition", ""), lang) for lang in ("en", "zh")))
        cited = Cited(1, f"{plan.analysis}.{cell.id}", cell.value, said, cell.n, about)
        return replace(base, text=text, value=cell.value, cells=(cited,), result=result)

    def _result(self, plan: AnalysisPlan) -> Result:
        from footpath.analysis import catalog

        key = (plan.analysis, tuple(sorted(plan.options.items())))
        if key not in self._results:
            analysis = catalog.entry(plan.analysis)
            options = {name: catalog.option(analysis, name, value) for name, value in plan.options.items()}
            self._results[key] = analysis.function(self.log, **options)
        return self._results[key]


UNIT_OF: Final = {"user": "users", "session": "sessions", "day": "days"}


def _slips(reading: Reading) -> tuple[Phrase, ...]:
    return tuple(
        say("{text!r} was read as {meant!r}", "“{text}”读作“{meant}”", text=piece.text, meant=piece.meant)
        for piece in reading.pieces
        if piece.meant and piece.kind != "segment"
    )


def _with_place(lead: Phrase | None, sentence: Phrase, lang: Lang) -> str:
    """The sentence with its place `[1]` before the full stop, after what is said first."""
    text = in_language(sentence, lang)
    stop = text[-1] if text and text[-1] in ".。" else ""
    placed = f"{text.removesuffix(stop)} [1]{stop}"
    return placed if lead is None else f"{in_language(lead, lang)}{'' if lang == 'zh' else ' '}{placed}"


def _asked_for(plan: ClaimPlan, verdict: Verdict, checker: Checker) -> tuple[Any, Phrase | None]:
    """The value that was asked for, and what is said before the sentence."""
    if plan.asks == "which":
        difference = cast(float, verdict.value)
        sides = (verdict.claim.scope, verdict.claim.arguments["against"])
        items = [scope.item for scope in sides]
        titles = checker.trail.titles([item for item in items if item is not None])
        labels = [titles.get(label, label) if items[i] == label else label for i, label in enumerate(plan.labels)]
        names = [_label(label, verdict) for label in labels]
        if not difference:
            return None, say("{a} and {b} are level.", "{a} 与 {b} 相同。", a=names[0], b=names[1])
        first = (difference > 0) != plan.fewer
        return labels[0 if first else 1], say("{a}.", "{a}。", a=names[0 if first else 1])
    if plan.asks == "relative":
        change = cast(float, verdict.value) - 1
        verb = ("up", "上升") if change > 0 else ("down", "下降")
        told = say("{v} {verb}.", "{zh} {v}。", v=percent(abs(change)), verb=verb[0], zh=verb[1])
        return change, told if change else Phrase("No change.", "没有变化。")
    if plan.asks == "gap":
        return abs(cast(float, verdict.value)), None
    if plan.asks in ("more", "less"):
        name = verdict.parts[plan.asks]
        return name, say("{name}.", "{name}。", name=verdict.names.get(name, name))
    value: Any = verdict.value
    if verdict.claim.arguments.get("by") == "item" and verdict.claim.predicate in ("top", "first", "last"):
        ids = value if isinstance(value, tuple) else (value,)
        titles = checker.trail.titles(list(ids))
        named = [titles[item] for item in ids]
        value = named if isinstance(value, tuple) else named[0]
    if verdict.claim.predicate == "top":
        listed = list(value)
        value = listed[0] if verdict.claim.arguments["k"] == 1 else listed
    return value, None


def _also(plan: ClaimPlan, verdict: Verdict, value: Any) -> tuple[str, ...]:
    """Other ways to write an answer that is a name."""
    claim = verdict.claim
    if claim.predicate == "trend" and isinstance(value, float):
        return ("up",) if value > DEAD_BAND else ("down",) if value < -DEAD_BAND else ("flat",)
    if plan.asks == "which" and value is not None:
        first = (cast(float, verdict.value) > 0) != plan.fewer
        side = claim.scope if first else claim.arguments["against"]
        label = plan.labels[0 if first else 1]
        if side.since is not None and side.until is not None and side.since.day == side.until.day == 1:
            return (f"{side.since:%Y-%m}", f"{side.since:%B}", f"{side.since:%B %Y}", str(side.since.month), f"{side.since.month}月")
        names = [label] if label != value else []
        if len(side.weekdays) == 1:
            names += [WEEKDAYS[side.weekdays[0]], WEEKDAYS_ZH[side.weekdays[0]], str(side.weekdays[0])]
        elif side.weekdays:
            names += ["weekend", "周末"] if side.weekdays == (5, 6) else ["weekday", "工作日"]
        return tuple(names)
    if claim.predicate == "top" and claim.arguments["by"] == "month" and isinstance(value, str):
        month = datetime.fromisoformat(f"{value}-01")
        return (str(month.month), f"{month:%B}", f"{month.month}月")
    if isinstance(verdict.value, str):
        return (verdict.value,) if verdict.value != value else ()
    if isinstance(verdict.value, tuple) and len(verdict.value) == 1 and verdict.value[0] != value:
        return verdict.value
    return ()


def _label(label: str, verdict: Verdict) -> Phrase:
    named = verdict.names.get(label, label)
    return named if isinstance(named, Phrase) else Phrase(str(named), str(named))


def _ties(verdict: Verdict) -> tuple[Phrase, ...]:
    """That a name on a list, or an hour, shares its count with one that is not told."""
    if verdict.claim.predicate != "top":
        return ()
    counts = verdict.evidence[verdict.claim.arguments["of"]].to_pylist()
    k = len(cast("tuple[str, ...]", verdict.value))
    if len(counts) > k and counts[k] == counts[k - 1]:
        n = sum(count == counts[k - 1] for count in counts)
        return (
            say(
                "{n} names share the last count; of equal ones those that come first by name are listed",
                "末位计数有 {n} 个名称并列；并列者按名称先后列出", n=n,
            ),
        )  # fmt: skip
    return ()


# ---- what is shown was computed


def borne_out(verdict: Verdict, sentence: Phrase, checker: Checker) -> bool:
    """Whether the value comes out the same when computed once more, and the figure as it is shown is true of it, in both languages."""
    again = compute(checker.ground, verdict.claim)
    if (again.value, again.n) != (verdict.value, verdict.n) or dict(again.parts) != dict(verdict.parts):
        return False
    told = _as_stated(verdict)
    if told is None:
        return False
    comparison, value, digits, words = told
    if not all(word in str(sentence) and word_zh in sentence.zh for word, word_zh in words):
        return False
    return checker.check(replace(verdict.claim, comparison=comparison, value=value, digits=digits)).holds is True


Stated = tuple[Comparison, Value, float | None, list[tuple[str, str]]]


def _as_stated(verdict: Verdict) -> Stated | None:
    """How the sentence of a verdict states its value: comparison, value, last place, and the words for it in English and Chinese."""
    value, claim = verdict.value, verdict.claim
    if isinstance(value, tuple):
        return "is", value, None, [_named(verdict, name) for name in value]
    if isinstance(value, datetime):
        minute = f"{value:%Y-%m-%d %H:%M}"
        return "is", value, 60.0, [(minute, minute)]
    if isinstance(value, str):
        return "is", value, None, [_named(verdict, value)]
    if value is None:
        return None
    if claim.predicate == "rhythm":
        place = int(value)
        if claim.arguments["by"] == "hour":
            return "=", place, None, [(f"{place:02}:00", f"{place} 时")]
        return "=", place, None, [(WEEKDAYS[place], WEEKDAYS_ZH[place])]
    if claim.predicate == "compare":
        here = verdict.parts["here"]
        measured = claim.arguments["measure"].predicate
        if claim.arguments["how"] == "ratio":
            return _decimal(value, f"{value:.2f}", 0.01)
        if not value:
            return "=", value, None, [("no difference", "相同")]
        if measured in ("share", "trend", "follows", "repeat_rate", "novelty", "drift"):
            return "=", round(value, 3), 0.001, [(f"{100 * abs(value):.1f}",) * 2]
        if isinstance(here, int) and isinstance(value, int):
            return "=", value, None, [(f"{abs(value):,}",) * 2]
        return "=", round(value, 2), 0.01, [(f"{abs(value):.2f}",) * 2]
    if verdict.unit in ("share", "relative"):
        words = percent(abs(value))
        places = len(words.removesuffix("%").partition(".")[2])
        if not value and claim.predicate == "trend":
            return "=", value, None, [("did not change", "没有变化")]
        if "e" in words:
            return "=", value, None, [(words, words)]
        stated = float(words.removesuffix("%")) / 100
        return "=", -stated if value < 0 else stated, 10.0**-places / 100, [(words, words)]
    if isinstance(value, int):
        return "=", value, None, [("no " if not value else f"{value:,}", f"{value:,}")]
    if claim.predicate == "recency":
        return _decimal(value, f"{value:.1f}", 0.1)
    return _decimal(value, f"{value:.2f}", 0.01)


def _decimal(value: float, words: str, digits: float) -> Stated:
    return "=", float(words), digits, [(words, words)]


def _named(verdict: Verdict, name: str) -> tuple[str, str]:
    named = verdict.names.get(name)
    if isinstance(named, Phrase):
        return str(named), named.zh
    short = " ".join(name.split())[:100]
    return short, short


def definition(verdict: Verdict) -> Phrase:
    """What a cell of a claim counts, in words."""
    claim = verdict.claim
    a = claim.arguments
    of = a.get("of", "acts")
    whole = acts(claim.scope, verdict.names)
    if claim.predicate == "count":
        if of == "acts":
            return say("number of {what}", "{what}的次数", what=whole)
        return say("number of different {of} with {what}", "有{what}的不同{zh}数", of=UNITS[of][1], zh=UNITS[of][2], what=whole)
    if claim.predicate == "share":
        part = acts(a["part"], verdict.names)
        who = of_unit(of, claim.scope, verdict.names)
        return say("share of {who}: those with {part}", "{who}中有{part}者的占比", who=who, part=part)
    if claim.predicate == "mean":
        if of in ("value", "price"):
            return say("mean of the column {of} over {what}", "{what}的 {of} 列均值", of=of, what=whole)
        part = acts(a["part"], verdict.names) if a["part"] != Scope() else whole
        return say("{of} per {per}: {part}, over all {per}s with {what}", "每{zh_per}的{zh}数：{part}，分母为有{what}者",
                   of=UNITS[of][1], per=a["per"], part=part, what=whole, zh=UNITS[of][2],
                   zh_per={"user": "位用户", "session": "个会话", "day": "天"}[a["per"]])  # fmt: skip
    if claim.predicate == "top":
        unit = of_unit(of, claim.scope, verdict.names)
        return say(
            "names of {by} by number of {what}, most first, equal ones by name",
            "按{what}数由多到少排列的 {by}，并列按名称",
            by=a["by"],
            what=unit,
        )
    if claim.predicate == "trend":
        return say(
            "{what} of the last {d:g} days of the log less those of the {d:g} days before, relative to the latter",
            "日志最后 {d:g} 天的{what}减去此前 {d:g} 天的，再除以后者", what=of_unit(of, claim.scope, verdict.names), d=a["window_days"],
        )  # fmt: skip
    if claim.predicate in ("first", "last"):
        which = {"first": ("oldest", "最早"), "last": ("newest", "最新")}[claim.predicate]
        return say("{by} of the {which} of {what}", "{what}中{zh}一次的 {by}", by=a["by"], which=which[0], zh=which[1], what=whole)
    if claim.predicate == "recency":
        return say(
            "days of 24 hours from the newest of {what} to the newest act of the log",
            "{what}中最新一次到日志最新行为的天数（24 小时为一天）",
            what=whole,
        )
    if claim.predicate == "rhythm":
        return say("the {by} (UTC) with most {what}", "{what}最多的 {by}（UTC）", by=a["by"], what=whole)
    if claim.predicate == "follows":
        one, other = (acts(a[name], verdict.names) for name in ("a", "b"))
        return say(
            "share of {one} whose next act by the same user in the same session, impressions left out, is one of {other}; among {what}",
            "{one}之后、同一用户在同一会话中的下一次行为（不计曝光）为{other}的占比；范围：{what}", one=one, other=other, what=whole,
        )  # fmt: skip
    if claim.predicate == "repeat_rate":
        return say(
            "share of {what} with {by} on one that the same user has met earlier in the log",
            "{what}中对象（{by}）此前已被同一用户接触过的占比",
            what=whole, by=a["by"],
        )  # fmt: skip
    if claim.predicate == "drift":
        return say(
            "total variation of the shares of {by} between the first and the second half, by order, of {what}",
            "{what}按先后分为两半，{by} 占比的总变差", by=a["by"], what=whole,
        )  # fmt: skip
    if claim.predicate == "lift":
        return say("share of {part} in {what} divided by that in {other}", "{part}在{what}中的占比除以在{other}中的占比",
                   part=acts(a["part"], verdict.names), what=whole, other=acts(a["against"], verdict.names))  # fmt: skip
    if claim.predicate == "compare":
        return say("{measure} in {one} against {other}", "{one}与{other}的 {measure} 之比较",
                   measure=a["measure"].predicate, one=whole, other=acts(a["against"], verdict.names))  # fmt: skip
    return say("{what}", "{what}", what=whole)
