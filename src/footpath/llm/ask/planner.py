"""Questions to plans by rules: every piece of a question is used exactly once, or the question is refused.

Each rule below owns some words that ask (`most`, `share`, `followed by`) and hands the rest to a scope, which refuses what it cannot say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from footpath.llm.ask.dates import Calendar
from footpath.llm.ask.names import Names
from footpath.llm.ask.narrowing import (
    DOER,
    RULE,
    SCOPE_KINDS,
    RefusedError,
    composed,
    not_understood,
    of_release,
    refuse,
    scope_of,
    unknown,
)
from footpath.llm.ask.plans import AnalysisPlan, Asks, Plan, RefusalPlan, plan_of
from footpath.llm.ask.reading import Found, Kind, Number, Reading, read
from footpath.llm.claims.claims import Claim, Predicate, Scope
from footpath.page.text import Lang

LONGEST_QUESTION: Final = 500
DEFAULT_K: Final = 5
"""Names in a list where a question asks for several and does not say how many."""
MOST_K: Final = 100
MOST_NAMES: Final = 1_000
"""Names of a list of which the last one is asked for."""


def plan(question: str, names: Names, *, lang: Lang | None = None) -> tuple[Plan, Reading]:
    """The plan of a question, which is a refusal where a word or the whole is not understood; and how it was read."""
    if len(question) > LONGEST_QUESTION:
        error = refuse(
            "a question may have {most} characters, and this has {n:,}", "问题最多 {most} 个字符，这里有 {n:,} 个",
            most=LONGEST_QUESTION, n=len(question),
        )  # fmt: skip
        return _refusal(error), Reading(question[:LONGEST_QUESTION], lang or "en", ())
    reading = read(question, names, lang=lang)
    try:
        return _planned(reading, names), reading
    except RefusedError as error:
        return _refusal(error), reading


def _refusal(error: RefusedError) -> RefusalPlan:
    return RefusalPlan(reason=str(error.reason), reason_zh=error.reason.zh, close=error.close)


def _planned(reading: Reading, names: Names) -> Plan:
    if not reading.content:
        raise refuse("there is no question", "没有问题")
    for piece in reading.of("refuse"):
        raise _REFUSED[piece.value](piece)
    wrong = unknown(reading, names)
    if wrong is not None:
        raise wrong
    for piece in reading.of("only"):
        raise refuse(
            "{text!r} ties two things together, which one figure cannot answer: ask for one of them",
            "“{text}”把两件事连在一起，一个数字无法回答：请只问其中之一", text=piece.text,
        )  # fmt: skip
    pieces = _timed(composed(reading, names))
    made = of_release(pieces, names)
    if made is not None:
        raise refuse(
            "{text!r} beside items may be when they were made or when the acts were: say in {text}, or give dates",
            "“{text}”可以指作品的年份或行为发生的年份：请写明日期", text=made.text.strip(),
        )  # fmt: skip
    for piece in pieces:
        if piece.kind == "unknown":
            raise not_understood(piece)
    question = Question(pieces, names, reading)
    together = did_both(question)
    if together is not None:
        return together
    for piece in question.all("both"):
        raise refuse(
            "{text!r} ties two things together, which one figure cannot answer: ask for one of them",
            "“{text}”把两件事连在一起，一个数字无法回答：请只问其中之一", text=piece.text,
        )  # fmt: skip
    for rule in RULES:
        found = rule(question)
        if found is not None:
            return found
    raise refuse("I can read the words of this question, but not what it asks for", "能读懂这个问题的词，但不明白要问什么")


def _timed(pieces: list[Found]) -> list[Found]:
    """`how long` where no session is spoken of asks how long ago; `stars` without a number is the score."""
    sessions = any(piece.is_("unit", "sessions") or piece.is_("per", "sessions") or piece.is_("topic", "median") for piece in pieces)
    counted = [piece for piece in pieces if piece.is_("unit", "days", "users") or piece.is_("ask", "often", "days", "users")]
    made: list[Found] = []
    for piece in pieces:
        if piece.is_("unit", "sessions") and piece.text.lower() in ("visit", "访问") and counted:
            piece = replace(piece, kind="act", value="act")  # on how many days did they visit
        if piece.is_("ask", "who") and piece.text.lower() == "who" and any(other.is_("unit", "users") for other in made):
            piece = replace(piece, kind="link", value="link")  # users who bought
        if piece.is_("topic", "seconds", "length") and not sessions:
            piece = replace(piece, kind="ask", value="long")
        elif piece.kind == "stars" and piece.value == "stars":
            piece = replace(piece, kind="ask", value="score")
        made.append(piece)
    return made


_REFUSED: Final[dict[str, Callable[[Found], RefusedError]]] = {
    "cause": lambda piece: refuse(
        "{text!r} asks for a cause, and a log shows what happened, never why", "“{text}”问的是原因，而日志只记录发生了什么，不说明为什么",
        text=piece.text,
    ),
    "future": lambda piece: refuse(
        "{text!r} asks about what is not in the log: it only holds what has happened",
        "“{text}”问的是日志之外的事：日志只记录已经发生的行为",
        text=piece.text,
    ),
    "opinion": lambda piece: refuse(
        "{text!r} asks for an opinion, which no count can give", "“{text}”问的是看法，统计无法回答", text=piece.text,
    ),
}  # fmt: skip


@dataclass
class Question:
    """The composed pieces of a question; `rest` is what no rule has taken yet."""

    pieces: list[Found]
    names: Names
    reading: Reading

    @property
    def zh(self) -> bool:
        return self.reading.lang == "zh"

    def has(self, kind: Kind, *values: Any) -> bool:
        return any(piece.is_(kind, *values) for piece in self.pieces)

    def first(self, kind: Kind, *values: Any) -> Found | None:
        return next((piece for piece in self.pieces if piece.is_(kind, *values)), None)

    def all(self, kind: Kind, *values: Any) -> list[Found]:
        return [piece for piece in self.pieces if piece.is_(kind, *values)]

    def without(self, *taken: Found | None) -> list[Found]:
        drop = {id(piece) for piece in taken if piece is not None}
        return [piece for piece in self.pieces if id(piece) not in drop]

    def without_asks(self, *values: str, also: Sequence[Found] = ()) -> list[Found]:
        """All pieces but words that ask by these values, and some more."""
        drop = {id(piece) for piece in also}
        return [piece for piece in self.pieces if id(piece) not in drop and not piece.is_("ask", *values)]

    def at(self, piece: Found) -> int:
        return next(i for i, other in enumerate(self.pieces) if other is piece)

    def after(self, piece: Found, *, skip: Sequence[str] = ("link", "prep", "different")) -> Found | None:
        """The next piece, links and prepositions left out."""
        return next((other for other in self.pieces[self.at(piece) + 1 :] if other.kind not in skip), None)

    def before(self, piece: Found, *, skip: Sequence[str] = ("link", "prep", "different")) -> Found | None:
        return next((other for other in reversed(self.pieces[: self.at(piece)]) if other.kind not in skip), None)

    def scope(self, pieces: Sequence[Found], *, users: bool = False) -> Scope:
        return scope_of(pieces, self.names, users=users)


def _claim(predicate: Predicate, scope: Scope, asks: Asks = "value", **arguments: Any) -> Plan:
    labels = arguments.pop("labels", ())
    fewer = arguments.pop("fewer", False)
    return plan_of(Claim(predicate, scope, arguments), asks, labels=labels, fewer=fewer)


def did_both(q: Question) -> Plan | None:
    """Users who did one kind of act and another: `both viewed and bought`, `users who added to the cart also bought`."""
    users = q.has("unit", "users") or q.has("ask", "users")
    joined = [piece for piece in q.all("act") if isinstance(piece.value, tuple)]
    acts = q.all("act")
    counts, shares = q.has("ask", "count", "users"), q.has("ask", "share")
    if not users or q.has("not") or not (counts or shares) or not (q.has("both") or (joined and "and" in joined[0].meant)):
        return None
    if any(piece.text.lower() in ("then", "and then", "然后") for piece in q.all("both")):
        return None  # an order
    kinds = [kind for act in acts for kind in (act.value if isinstance(act.value, tuple) else (act.value,))]
    if len(kinds) != 2 or len(set(kinds)) != 2 or "act" in kinds or "impression" in kinds:
        return None
    if counts and shares and not q.zh:
        return None
    asked = ("count", "users", "share", "which", "much", "overall")
    rest = [piece for piece in q.without_asks(*asked, also=[*acts, *q.all("both")]) if piece.kind not in ("and", "different")]
    if any(piece.kind not in ("link", "prep", "segment") and not piece.is_("unit", "users", "items") for piece in rest):
        return None
    for act in acts:
        q.scope([act])
    scope = q.scope(rest, users=True)
    rule = f"{kinds[0]}>=1" if scope.segment is None else f"{scope.segment} and {kinds[0]}>=1"
    if not shares:
        return _claim("count", replace(scope, segment=rule, event_types=(kinds[1],)), of="users")
    if joined or q.zh:
        return None  # of all users, or of those who did the first?
    return _claim("share", replace(scope, segment=rule), part=Scope(event_types=(kinds[1],)), of="users")


# ---- analyses of the catalog


def analysis(q: Question) -> Plan | None:
    topics = {piece.value for piece in q.all("topic")}
    for needed, rule in _TOPICS:
        if needed <= topics:
            return rule(q)
    return None


_ASKING: Final = ("link", "prep", "times", "different")
_ASK_WORDS: Final = ("which", "count", "share", "much", "often", "mean", "chance", "days")


def _only(
    q: Question, *allowed: tuple[Kind, tuple[Any, ...]], asks: Sequence[str] = _ASK_WORDS, generic: Sequence[str] = ("users", "items")
) -> None:
    """Raises RefusedError where there is a piece beside these: an analysis has no other scope."""
    for piece in q.pieces:
        fits = piece.kind in _ASKING or piece.is_("ask", *asks) or piece.is_("unit", *generic) or piece.kind == "per"
        if not fits and not any(piece.is_(kind, *values) for kind, values in allowed):
            if piece.kind in SCOPE_KINDS:
                raise refuse(
                    "this figure is of the whole log, and the question narrows it by {text!r}",
                    "这一指标针对整个日志，而问题用“{text}”作了限定",
                    text=piece.text,
                )  # fmt: skip
            raise not_understood(piece)


def _funnel(q: Question) -> Plan:
    _only(q, ("topic", ("funnel",)), ("act", ()), ("ask", ("overall", "followed")), ("compare", (">",)), ("and", ()), ("ask", ("later",)))
    acts = tuple(act for piece in q.all("act") for act in (piece.value if isinstance(piece.value, tuple) else (piece.value,)))
    if q.has("ask", "share") and not q.has("unit", "users"):
        raise refuse("conversion is of users: ask what share of users convert", "转化率针对用户：请问有多少比例的用户转化")
    cells = {
        ("view", "cart"): "step2.from_previous", ("cart", "purchase"): "step3.from_previous", ("view", "purchase"): "step3.from_first",
        ("view", "cart", "purchase"): "step3.from_first",
    }  # fmt: skip
    for name in acts:
        if not q.names.types.get(name):
            raise refuse("this log has no acts of the type {name}", "这份日志没有“{name}”类行为", name=name)
    if acts not in cells:
        raise refuse(
            "conversion is told from view to cart, from cart to purchase, or from view to purchase",
            "转化率可以问：从浏览到加购、从加购到购买、从浏览到购买",
        )  # fmt: skip
    return AnalysisPlan(analysis="funnel", cell=cells[acts])


def _retention(q: Question) -> Plan:
    ages = {"later": 1, "later2": 2, "later3": 3, "later4": 4}
    found = {ages[piece.value] for piece in q.all("topic", *ages)}
    if len(found) != 1:
        raise refuse("retention is told by weeks: say after how many weeks", "留存按周统计：请说明几周之后")
    _only(q, ("topic", ("retention", "new users", *ages)), ("ask", ("first", "later", "overall")), ("act", ("act",)), ("unit", ("days",)))
    return AnalysisPlan(analysis="retention", cell=f"mean.age{found.pop()}")


def _weekly_retention(q: Question) -> Plan:
    _only(q, ("topic", ("weekly", "new users", "retention")), ("ask", ("overall", "mean")))
    return AnalysisPlan(analysis="retention", cell="mean.age1")


def _bounce(q: Question) -> Plan:
    _only(q, ("topic", ("bounce",)), ("unit", ("sessions",)), ("ask", ("overall",)), ("act", ("act",)))
    if q.has("ask", "count") and not q.has("ask", "share") and not re.search("率|rate", q.reading.text):
        raise refuse("I can tell the share of such sessions, not their number", "可以回答这类会话的占比，而非个数")
    return AnalysisPlan(analysis="sessions", cell="bounce.share")


def _median(q: Question) -> Plan:
    _only(q, ("topic", ("median", "length", "seconds")), ("unit", ("sessions",)), ("act", ("act",)), ("ask", ("last",)), ("per", ()))
    if not q.has("unit", "sessions") and not q.has("per", "sessions"):
        raise refuse("medians are told of sessions: their length in acts, or how long they last", "中位数针对会话：行为数或时长")
    by_acts = q.has("act", "act") or any(re.search("length|长度", piece.text.lower()) for piece in q.all("topic", "length"))
    in_time = (
        q.has("topic", "seconds")
        or re.search(r"\blasts?\b|duration|时长|持续|多久|多长时间|\bseconds?\b|\bminutes?\b|分钟|秒", q.reading.text.lower()) is not None
    )
    by_acts = q.has("act", "act") or (by_acts and not in_time)
    per_user = re.search(r"sessions (?:per|does|do|has|have|a user)|每位用户|每个用户|人均", q.reading.text.lower()) is not None
    if per_user and not by_acts and not in_time:
        return AnalysisPlan(analysis="sessions", cell="per_user.median")
    if by_acts == in_time:
        raise refuse(
            "the length of a session may be its acts or its time: say which", "会话长度可以指行为数或时长：请说明是哪一种",
        )  # fmt: skip
    return AnalysisPlan(analysis="sessions", cell="length.median" if by_acts else "duration.median")


def _duration(q: Question) -> Plan:
    by_length = any(re.search("length|长度", piece.text.lower()) for piece in q.all("topic", "length"))
    in_acts = (q.has("act", "act") or by_length) and not re.search("second|minute|秒|分钟", q.reading.text.lower())
    if q.has("ask", "mean") and in_acts and q.has("unit", "sessions"):
        taken = [*q.all("topic"), *q.all("unit", "sessions"), *q.all("act", "act")]
        rest = [piece for piece in q.without_asks("mean", "which", "much", "overall", also=taken) if piece.kind != "per"]
        return _claim("mean", q.scope(rest), of="acts", per="session", part=Scope())
    _only(q, ("topic", ("length", "seconds")), ("unit", ("sessions",)), ("ask", ("last",)), ("per", ("sessions",)))
    if not (q.has("ask", "mean") and q.has("unit", "sessions")):
        raise refuse("how long sessions last is told as a mean or a median: say which", "会话时长可问平均值或中位数：请说明是哪一种")
    return AnalysisPlan(analysis="sessions", cell="duration.mean")


def _stickiness(cell: str) -> Callable[[Question], Plan]:
    def rule(q: Question) -> Plan:
        _only(q, ("topic", ("stickiness", "wau", "dau")), ("ask", ("overall", "ratio")), ("per", ("days",)))
        return AnalysisPlan(analysis="stickiness", cell=cell)

    return rule


def _click_rate(q: Question) -> Plan:
    numbers = q.all("number")
    _only(
        q, ("topic", ("ctr", "slot", "policy")), ("ask", ("overall", "first", "last")), ("number", ()), ("unknown", ("A", "B")),
        ("act", ("impression",)),
    )  # fmt: skip
    if q.has("topic", "slot") and not numbers and q.has("ask", "first") and not q.has("ask", "last") and not q.has("topic", "policy"):
        return AnalysisPlan(analysis="rates", cell="click_rate.0")
    if q.has("topic", "slot"):
        if len(numbers) != 1 or q.has("ask", "first", "last") or q.has("topic", "policy"):
            raise refuse("slots are numbered from 0: say which one, such as slot 0", "展位从 0 开始编号：请说明哪一个，例如 0 号位")
        return AnalysisPlan(analysis="rates", cell=f"click_rate.{int(numbers[0].value.value)}")
    if numbers or q.has("topic", "policy") or q.has("ask", "first", "last"):
        raise refuse("click rates are told for all, or by slot", "点击率可问整体，或按展位")
    return AnalysisPlan(analysis="rates", cell="click_rate")


def _bots(q: Question) -> Plan:
    _only(q, ("topic", ("bots",)), ("and", ()), ("act", ("act",)), ("ask", ("overall",)))
    if q.has("ask", "share"):
        share_of_acts = q.has("act", "act") and not re.search(r"share of (?:all )?users|用户占", q.reading.text.lower())
        if not share_of_acts:
            raise refuse("I can tell the share of acts by suspected bots, or how many there are", "可以回答疑似机器人的行为占比，或其个数")
        return AnalysisPlan(analysis="bots", cell="flagged_share")
    if q.has("act") or not (q.has("ask", "count") or q.has("link")):
        raise refuse("I can tell how many suspected bots there are, or their share of acts", "可以回答疑似机器人的个数，或其行为占比")
    return AnalysisPlan(analysis="bots", cell="flagged")


def _gini(q: Question) -> Plan:
    _only(q, ("topic", ("gini",)), ("act", ("act",)))
    return AnalysisPlan(analysis="frequency", cell="gini")


_TOPICS: Final[tuple[tuple[frozenset[str], Callable[[Question], Plan]], ...]] = (
    (frozenset({"funnel"}), _funnel),
    (frozenset({"weekly"}), _weekly_retention),
    (frozenset({"retention"}), _retention),
    (frozenset({"bounce"}), _bounce),
    (frozenset({"median"}), _median),
    (frozenset({"wau"}), _stickiness("dau_wau")),
    (frozenset({"stickiness"}), _stickiness("dau_mau")),
    (frozenset({"dau"}), _stickiness("dau.mean")),
    (frozenset({"ctr"}), _click_rate),
    (frozenset({"bots"}), _bots),
    (frozenset({"gini"}), _gini),
    (frozenset({"length"}), _duration),
    (frozenset({"seconds"}), _duration),
)


# ---- predicates


def trend(q: Question) -> Plan | None:
    last = q.first("last")
    changed = any("变" in piece.text for piece in q.all("ask", "much"))
    moved = changed or q.has("ask", "trend") or (q.has("ask", "more", "fewer") and q.has("prior"))
    if last is None or not (moved or q.has("prior")):
        return None
    prior = q.first("prior")
    if prior is not None and prior.value not in (None, last.value):
        raise refuse("a trend compares two windows of the same length", "趋势比较的是两个等长的时段")
    if (
        q.has("ask", "more", "fewer", "difference")
        and q.has("ask", "count", "often")
        and not q.has("ask", "trend", "share")
        and not changed
    ):
        return _difference_of_windows(q, last)
    asked = ("trend", "much", "more", "fewer", "than", "count", "which", "share", "often", "difference", "last")
    users = _counts_users(q)
    rest = [piece for piece in q.without_asks(*asked, also=[last, *q.all("prior")]) if piece.kind not in ("and", "or", "times")]
    sessions = [piece for piece in rest if piece.is_("unit", "sessions")]
    of = "users" if users else "sessions" if sessions and not q.has("act") else "acts"
    rest = [piece for piece in rest if piece not in sessions] if of == "sessions" else rest
    return _claim("trend", q.scope(rest, users=users), of=of, window_days=last.value)


def _difference_of_windows(q: Question, last: Found) -> Plan:
    """`how many more in the last 7 days than in the 7 days before`."""
    end = q.names.last
    if end is None:
        raise not_understood(last)
    users = _counts_users(q)
    asked = ("much", "more", "fewer", "than", "count", "which", "often", "difference")
    rest = [piece for piece in q.without_asks(*asked, also=[last, *q.all("prior")]) if piece.kind not in ("and", "times")]
    scope = q.scope(rest, users=users)
    begin = end - timedelta(days=last.value)
    measure = Claim("count", Scope(), {"of": "users" if users else "acts"})
    against = replace(scope, since=begin - timedelta(days=last.value), until=begin)
    asks: Asks = "gap" if q.has("ask", "fewer", "difference") else "value"
    return _claim("compare", replace(scope, since=begin), asks, measure=measure, against=against, how="difference")


def _counts_users(q: Question) -> bool:
    """Whether people are counted rather than acts: `number of users who ...`, `how many users`, `购买人数`."""
    for piece in q.all("unit", "users"):
        before = q.before(piece, skip=("link", "prep", "different", "segment"))
        if before is not None and before.is_("ask", "count"):
            return True
        if piece.text.lower() in ("人数", "用户数", "顾客数", "用户数量"):
            return True
    if q.has("ask", "users"):
        return True
    return bool(q.all("unit", "users")) and all(act.is_("act", "act") for act in q.all("act"))


def follows(q: Question) -> Plan | None:
    cue = q.first("ask", "followed", "follows", "after", "next")
    loose = q.first("ask", "follow")
    if cue is None or (loose is not None and cue.value == "next"):
        at_once = q.has("ask", "at once", "next") or (
            loose is not None and loose.text.lower() in ("follows", "follow") and q.has("ask", "next")
        )
        if loose is None:
            return None
        if not at_once:
            raise refuse(
                "I can tell what directly follows: ask how often a cart is directly followed by a purchase",
                "可以回答紧接着发生的行为：请问加购之后紧接着购买的比例",
            )  # fmt: skip
        cue = replace(loose, value="followed" if loose.text.lower().endswith(("followed by", "followed")) else "follows")
        q = Question([cue if piece is loose else piece for piece in q.pieces], q.names, q.reading)
    later = q.first("ask", "later")
    acts = [act for act in q.all("act") if not (act.is_("act", "act") and q.has("ask", "next", "at once"))]
    if len(acts) != 2 or any(isinstance(act.value, tuple) or act.value == "act" for act in acts):
        raise refuse(
            "say which act directly follows which, such as a purchase after a cart", "请说明哪种行为紧接着哪种行为，例如加购之后购买"
        )
    one, other = acts
    place = q.at(cue)
    if cue.value == "followed" and q.at(one) < place < q.at(other):
        a, b = one, other
    elif cue.value == "follows" and q.at(one) < place < q.at(other):
        a, b = other, one
        if q.has("ask", "share"):
            raise refuse("I can tell how often {b} directly follows {a}, of all {a}", "可以回答{a}之后紧接{b}的比例", a=a.text, b=b.text)
    elif cue.value == "after" and q.after(cue) is not None and q.after(cue) in acts:
        a = one if q.after(cue) is one else other
        b = other if a is one else one
        if q.has("ask", "share") and a is other:
            raise refuse("I can tell how often {b} directly follows {a}, of all {a}", "可以回答{a}之后紧接{b}的比例", a=a.text, b=b.text)
    elif later is not None and cue.value in ("next", "followed"):
        named = q.before(later) if q.zh else q.after(later)
        if named not in acts:
            return None
        a = one if named is one else other
        b = other if a is one else one
    else:
        raise refuse(
            "say which act directly follows which, such as a purchase after a cart", "请说明哪种行为紧接着哪种行为，例如加购之后购买"
        )
    things = [piece for piece in q.pieces if piece.kind in ("category", "brand", "item")]
    if things:
        raise refuse("say which act directly follows which, without what it is on", "请只说明哪种行为紧接着哪种行为，不带商品")
    asked = ("followed", "follows", "after", "next", "later", "often", "share", "count", "which", "chance", "much", "at once")
    rest = [piece for piece in q.without_asks(*asked, also=acts) if piece.kind != "times" and not piece.is_("act", "act")]
    kinds = [Scope(event_types=(act.value,)) for act in (a, b)]
    for act in (a, b):
        q.scope([act])  # the log has such acts
    return _claim("follows", q.scope(rest), a=kinds[0], b=kinds[1], within="session")


def lift(q: Question) -> Plan | None:
    cues = q.all("ask", "lift")
    if not cues and not (q.has("ask", "ratio") and q.has("ask", "overall")):
        return None
    parts = [piece for piece in q.pieces if piece.kind in ("category", "brand", "item")]
    whole = [piece for piece in q.pieces if piece.kind == "segment"]
    acts = [piece for piece in q.all("act") if piece.value != "act"]
    if not parts and len(acts) == 1:
        parts = acts
    if len(parts) != 1 or len(whole) != 1:
        raise refuse(
            "lift compares one category, brand or item in one segment with the whole log",
            "提升度比较一个分群与整个日志中某一类别、品牌或商品的占比",
        )
    asked = ("lift", "overall", "than", "much", "more", "which", "count", "ratio", "share", "often")
    rest = [piece for piece in q.without_asks(*asked, also=[*parts, *whole]) if piece.kind not in ("and", "times")]
    rest = [piece for piece in rest if not piece.is_("unit", "categories", "brands")]
    for act in (piece for piece in rest if piece.kind == "act" and piece.value != "act"):
        before = q.before(act, skip=())
        if not q.zh and (before is None or before.kind != "prep"):
            raise refuse(
                "say among which acts: among the purchases of a segment, or among all its acts",
                "请说明范围：某分群的购买之中，或其全部行为之中",
            )
    narrowed = q.scope(rest)
    part, segment = q.scope(parts), q.scope(whole)
    return _claim("lift", replace(narrowed, segment=segment.segment), part=part, against=narrowed, of="acts")


def drift(q: Question) -> Plan | None:
    halves = {piece.value for piece in q.all("half")}
    toward, away = q.has("ask", "drift"), q.has("ask", "away")
    interests = q.has("ask", "interests")
    both = halves >= {"first", "second"} or "both" in halves
    gains = toward or away or (both and q.has("ask", "more", "fewer", "top", "trend") and not interests)
    if not (gains or (interests and (q.has("ask", "trend", "much") or q.has("ask", "difference")))):
        return None
    if toward and away:
        return None
    asked = ("drift", "away", "interests", "which", "top", "more", "fewer", "than", "trend", "much", "share", "count", "difference")
    taken = [*q.all("half"), *q.all("unit", "categories")]
    names_items = not q.has("unit", "categories") and q.has("unit", "items")
    rest = [piece for piece in q.without_asks(*asked, also=taken) if piece.kind not in ("and", "times")]
    if not any(piece.kind in ("user", "segment") for piece in rest):
        raise refuse("say whose interests: a user or a segment", "请说明是谁的兴趣：某位用户或某个分群")
    if not gains:
        return _claim("drift", q.scope(rest), by="category")
    if not (q.has("unit", "categories") or names_items) or not q.has("ask", "which"):
        raise refuse("ask which category gained or lost most between the two halves", "请问前后半段之间哪个类别增加或减少最多")
    less = away or q.has("ask", "fewer")
    if q.has("ask", "trend") and not (toward or away) and not q.has("ask", "more", "fewer"):
        grows = re.search(r"grow|grew|gr?own|rise|rose|risen|increase|增|升|涨", " ".join(p.text.lower() for p in q.all("ask", "trend")))
        falls = re.search(r"shrink|shrank|fall|fell|drop|declin|decrease|减|降|跌", " ".join(p.text.lower() for p in q.all("ask", "trend")))
        if (grows is None) == (falls is None):
            return None
        less = falls is not None
    return _claim("drift", q.scope(rest), "less" if less else "more", by="item" if names_items else "category")


def repeat_rate(q: Question) -> Plan | None:
    if not q.has("ask", "repeat"):
        return None
    rated = any(re.search("rate|share|率|比|占", piece.text.lower()) for piece in q.all("ask", "repeat"))
    if not rated and not q.has("ask", "share", "often", "much"):
        raise refuse("I can tell the share of repeats, not their number", "可以回答重复行为的占比，而非次数")
    asked = ("repeat", "which", "share", "much", "count", "often", "overall")
    by = "category" if q.has("unit", "categories") else "item"
    taken = q.all("unit", "categories")
    rest = [piece for piece in q.without_asks(*asked, also=taken) if piece.kind != "times"]
    return _claim("repeat_rate", q.scope(rest), by=by)


def recency(q: Question) -> Plan | None:
    since = q.has("ask", "since")
    inactive = q.has("ask", "inactive") and (q.has("ask", "days", "long") or q.has("unit", "days"))
    ended = q.has("ask", "end") and (q.has("ask", "days", "long") or q.has("unit", "days"))
    if not since and not inactive and not ended:
        return None
    if not any(piece.kind in ("user", "segment", "act", "item", "category", "brand") for piece in q.pieces):
        raise refuse("say whose last act: a user, a segment or a kind of act", "请说明是谁的最近一次行为：用户、分群或某类行为")
    asked = ("since", "inactive", "last", "when", "days", "count", "appear", "much", "which", "often", "long", "end", "before", "than")
    taken = [*q.all("unit", "days"), *(q.all("not") if inactive or q.zh else [])]
    rest = [piece for piece in q.without_asks(*asked, also=taken) if piece.kind != "times" and not (ended and piece.kind == "and")]
    return _claim("recency", q.scope(rest))


def compare(q: Question) -> Plan | None:
    if q.has("ask", "trend") and len(q.all("window")) == 1:
        q = _both_months(q)
    sides = _sides(q)
    if sides is None:
        return None
    one, other, joins = sides
    side_ids = {id(piece) for piece in (one, other, *joins)}
    nouns = _NOUNS_OF_SIDES.get(one.kind, ())
    rest = [piece for piece in q.pieces if id(piece) not in side_ids and not piece.is_("unit", *nouns or ("",))]
    if one.kind == "segment":
        rest = [piece for piece in rest if not piece.is_("column", one.value.split("=")[0])]
    if q.has("half") or q.has("ask", "drift", "away", "lift", "followed", "follows"):
        return None
    asks: Asks = "value"
    how = "difference"
    fewer = any(piece.is_("ask", "fewer", "worse", "least") for piece in rest)
    wants = [piece for piece in rest if piece.is_("ask", "more", "fewer", "better", "worse", "top", "busiest", "least")]
    chosen = any(piece.is_("ask", "which", "who") for piece in rest) or any(join.kind == "or" for join in joins) or _asks_who(rest)
    sized = any(piece.is_("ask", "much", "count", "often", "difference") for piece in rest)
    if any(piece.is_("ask", "ratio") for piece in rest):
        how = "ratio"
    elif any(piece.is_("ask", "trend") or (piece.is_("ask", "much") and "变" in piece.text) for piece in rest):
        if one.kind != "window" or re.search("per ?cent|%|百分", q.reading.text.lower()) is None:
            raise refuse(
                "a change between two times may be a difference or a share: ask by how many percent, or how many more",
                "两段时间之间的变化可以指差值或百分比：请问变化了百分之几，或多了多少次",
            )  # fmt: skip
        how, asks = "ratio", "relative"
    elif chosen and not (sized and _measured_by_count(rest) is None):
        asks = "which"
    elif not any(piece.is_("ask", "difference", "much", "count", "often") for piece in rest):
        return None
    against_one_another = any(piece.is_("ask", "more", "fewer", "better", "worse", "difference") for piece in rest)
    if asks == "value" and how == "difference" and not against_one_another:
        return None  # of one and the other together
    if asks == "value" and how == "difference" and any(piece.is_("ask", "difference") for piece in rest) and not wants:
        asks = "gap"
    if (
        any("compar" in join.text.lower() and not join.text.lower().startswith("compared ") for join in joins)
        and not wants
        and how != "ratio"
    ):
        return None  # how do they compare: by a difference, or by a ratio?
    if asks == "value" and how == "difference" and fewer:
        asks = "gap"  # how many fewer
    if asks == "which" and not wants:
        return None
    measure, scope_pieces = _measure(q, rest)
    if measure is None:
        return None
    base_pieces = [piece for piece in scope_pieces if piece.kind not in ("and", "or", "per", "times", "different")]
    of_users = measure.arguments.get("of") == "users"
    scopes = [q.scope([*base_pieces, side], users=of_users) for side in (one, other)]
    if asks == "relative" and measure.predicate != "count":
        return None
    if how == "ratio" and asks != "relative" and q.has("ask", "more"):
        return None  # "three times more" can mean two things
    labels = tuple(_label(side) for side in (one, other)) if asks == "which" else ()
    if (
        asks == "relative"
        and how == "ratio"
        and one.value.since is not None
        and other.value.since is not None
        and one.value.since < other.value.since
    ):
        scopes.reverse()  # a change is told of the later against the earlier
    return _claim("compare", scopes[0], asks, measure=measure, against=scopes[1], how=how, labels=labels, fewer=fewer)


def _both_months(q: Question) -> Question:
    """`changed from September to October`: two times that are compared, not one that holds both."""
    window = q.first("window")
    if window is None:
        return q
    said = re.fullmatch(r"(?:from|between) (.+?) (?:to|and) (.+)|(?:从)?(.+?)(?:到|至)(.+)", window.text.strip(), re.IGNORECASE)
    if said is None:
        return q
    one, other = (text for text in said.groups() if text is not None)
    calendar = Calendar(q.names.first, q.names.last)
    times = [calendar.at(text.strip(), 0) for text in (one, other)]
    if any(time is None or time.kind != "window" for time in times):
        return q
    made = [
        Found("window", time.value, window.start, window.end, text)
        for time, text in zip(times, (one, other), strict=True)
        if time is not None
    ]
    at = q.at(window)
    join = Found("and", "and", window.start, window.start, "to")
    return Question([*q.pieces[:at], made[0], join, made[1], *q.pieces[at + 1 :]], q.names, q.reading)


def _asks_who(rest: Sequence[Found]) -> bool:
    return any(piece.is_("unit", "users") and piece.text == "谁" for piece in rest)


def _measured_by_count(rest: Sequence[Found]) -> Found | None:
    """`how many users` that is what is compared rather than by how much."""
    return next((piece for piece in rest if piece.is_("ask", "mean")), None)


_NOUNS_OF_SIDES: Final[dict[str, tuple[str, ...]]] = {
    "category": ("categories", "items"), "brand": ("brands", "items"), "item": ("items",), "window": ("months", "dates", "days"),
    "weekdays": ("weekdays", "days"), "query": ("queries",), "hours": ("hours",), "user": ("users",),
}  # fmt: skip
_SIDES: Final = ("segment", "category", "brand", "item", "user", "window", "weekdays", "query", "hours")


def _sides(q: Question) -> tuple[Found, Found, list[Found]] | None:
    """Two pieces of one kind with `or`, `and`, `than` between them, or that are set against one another."""
    for kind in _SIDES:
        pieces = q.all(kind)
        if len(pieces) != 2:
            continue
        one, other = pieces
        between = q.pieces[q.at(one) + 1 : q.at(other)]
        joins = [piece for piece in q.pieces if piece.kind in ("and", "or") or piece.is_("ask", "than")]
        inside = [piece for piece in between if piece in joins]
        if not inside and not joins and not q.has("ask", "ratio"):
            return None
        if kind == "segment" and one.value.split("=")[0] != other.value.split("=")[0]:
            return None
        return one, other, joins
    return None


def _label(side: Found) -> str:
    if side.kind == "segment" and "=" in side.value and side.meant != RULE:
        return str(side.value.partition("=")[2])
    if side.kind in ("category", "brand", "user", "query", "item"):
        return str(side.value)
    text = re.sub(r"^(?:in|on|during|between|from|for|of|over|at|在|于) ?", "", side.text.strip(), flags=re.IGNORECASE)
    return text or side.text


def _measure(q: Question, rest: Sequence[Found]) -> tuple[Claim | None, list[Found]]:
    """What is compared, and the pieces that narrow both sides alike."""
    asked = (
        "which",
        "who",
        "more",
        "fewer",
        "better",
        "worse",
        "much",
        "difference",
        "ratio",
        "trend",
        "overall",
        "top",
        "busiest",
        "than",
        "count",
        "often",
        "least",
        "users",
    )
    left = [piece for piece in rest if not piece.is_("ask", *asked)]
    if any(piece.is_("ask", "repeat") for piece in left):
        return Claim("repeat_rate", Scope(), {"by": "item"}), [p for p in left if not p.is_("ask", "repeat", "share")]
    means = [piece for piece in left if piece.is_("ask", "mean", "score", "price")]
    better = any(piece.is_("ask", "better", "worse") for piece in rest)
    if means or better:
        counted = next((piece for piece in rest if piece.is_("ask", "count", "often")), None)
        per = next((piece for piece in left if piece.kind == "per"), None)
        without = [piece for piece in left if piece not in means and piece is not per]
        if any(piece.is_("ask", "price") for piece in means):
            price = next(piece for piece in means if piece.is_("ask", "price"))
            bought = (per is not None and per.value == "purchases") or _of_purchases(price)
            if bought and not any(piece.kind == "act" for piece in without):
                without.append(Found("act", "purchase", price.start, price.end, price.text))
            if len([piece for piece in without if piece.is_("act", "purchase", "cart")]) != 1:
                return None, []
            return Claim("mean", Scope(), {"of": "price"}), without
        rated = better or any(piece.is_("ask", "score") for piece in means) or any(piece.is_("act", "rating") for piece in without)
        if rated and counted is None and per is None:
            if not q.names.types.get("rating"):
                raise refuse("this log has no ratings", "这份日志里没有评分")
            kept = [piece for piece in without if not piece.is_("act", "rating")]
            rating = Found("act", "rating", 0, 0, "rating")
            return Claim("mean", Scope(), {"of": "value"}), [*kept, rating]
        if per is not None and per.value in ("users", "sessions", "days"):
            return _mean_per(q, without, per.value.removesuffix("s"))
        return None, []
    if any(piece.kind == "per" for piece in left):
        per = next(piece for piece in left if piece.kind == "per")
        if per.value in ("users", "sessions", "days"):
            return _mean_per(q, [piece for piece in left if piece is not per], per.value.removesuffix("s"))
        return None, []
    if any(piece.is_("ask", "share") for piece in left) and re.search("per ?cent|%|百分", q.reading.text.lower()) is None:
        return None, []
    left = [piece for piece in left if not piece.is_("ask", "share")]
    users = [piece for piece in left if piece.is_("unit", "users") and piece.text != "谁"]
    wanted = [piece for piece in rest if piece.is_("ask", "more", "fewer", "top", "count", "users")]
    of_users = any(piece.is_("ask", "users") for piece in rest) or any(
        (before := q.before(piece, skip=("link", "prep", "different"))) is not None and before in wanted for piece in users
    )
    sessions = [piece for piece in left if piece.is_("unit", "sessions")]
    if sessions:
        return Claim("count", Scope(), {"of": "sessions"}), [piece for piece in left if piece not in sessions]
    if not of_users and not any(piece.kind == "act" for piece in left):
        if not users:
            return None, []
        of_users = True
    return Claim("count", Scope(), {"of": "users" if of_users else "acts"}), left


def _of_purchases(price: Found) -> bool:
    """Whether the word for a price is of what was bought: `price paid`, `购买价格`."""
    return re.search("paid|pay|购买|成交", price.text.lower()) is not None


def _mean_per(q: Question, left: Sequence[Found], per: str) -> tuple[Claim | None, list[Found]]:
    acts = [piece for piece in left if piece.kind == "act"]
    sessions = [piece for piece in left if piece.is_("unit", "sessions")]
    if sessions and not acts:
        return Claim("mean", Scope(), {"of": "sessions", "per": per}), [piece for piece in left if piece not in sessions]
    if len(acts) != 1:
        return None, []
    return Claim("mean", Scope(), {"of": "acts", "per": per, "part": q.scope(acts)}), [piece for piece in left if piece not in acts]


def share(q: Question) -> Plan | None:
    cues = q.all("ask", "share")
    if not cues:
        return None
    cut = _share_zh(q, cues) if q.zh else _share_en(q, cues)
    if cut is None:
        raise refuse(
            "I cannot tell what this is a share of: say it as the share of all clicks on weekends, or of users who bought something",
            "无法判断这是谁占谁的比例：请说成“周末的点击占全部点击的比例”，或“购买过的用户占比”",
        )  # fmt: skip
    whole, part = cut
    return _shared(q, whole, part)


def _clean(pieces: Sequence[Found]) -> list[Found]:
    pieces = [_as_users(piece) for piece in pieces]
    if any(piece.kind == "segment" for piece in pieces) and any(piece.kind == "act" for piece in pieces[:1]):
        pieces = [piece for piece in pieces if not piece.is_("unit", "users")]
    asked = ("share", "count", "which", "much", "overall", "often", "than")
    return [piece for piece in pieces if not piece.is_("ask", *asked) and piece.kind not in ("link", "prep", "times", "different")]


def _share_en(q: Question, cues: Sequence[Found]) -> tuple[list[Found], list[Found]] | None:
    """Pieces of the whole and of the part: `share of WHOLE that PART`, `share of PART in WHOLE`, `of WHOLE, what share PART`."""
    if len(cues) != 1:
        return None
    at = q.at(cues[0])
    head = _clean(q.pieces[:at])
    rest = q.pieces[at + 1 :]
    if head and not rest_of(rest):
        return None
    if any(piece.kind in ("act", "unit") for piece in head):
        # of all purchases, what share were on weekends
        if q.pieces[0].kind == "prep" or q.pieces[0].kind in ("act", "unit"):
            part = _clean(rest)
            if any(piece.kind == "segment" for piece in part):
                part = [piece for piece in part if not piece.is_("unit", "users")]
            return (head, part) if part and not any(piece.kind == "unit" for piece in part) else None
        return None
    if any(piece.kind not in ("window", "last", "segment", "hours", "weekdays") for piece in head):
        return None
    body = list(rest)
    while (body and body[0].kind in ("prep", "link")) or (
        body and body[0].is_("ask", "overall") and body[0].text.lower().startswith("all ")
    ):
        if body[0].kind == "ask":
            body[0] = Found("unit", "users", body[0].start, body[0].end, body[0].text)
            break
        body = body[1:]
    if not body:
        return None
    first = next((i for i, piece in enumerate(body) if piece.is_("act") or piece.is_("unit", "users", "sessions", "acts")), None)
    if first is None:
        return None
    before = body[:first]
    noun = body[first]
    after = body[first + 1 :]
    if noun.is_("unit", "users") and after and after[0].kind == "act" and not _is_verb(after[0]):
        before, noun, after = [*before], after[0], after[1:]  # customers' purchases
    if noun.is_("unit", "users", "sessions"):
        return _share_of_people(head, before, noun, after)
    if any(piece.kind in ("link", "prep") for piece in before):
        # share of tea in all purchases: the part comes first
        names = [piece for piece in before if piece.kind in SCOPE_KINDS]
        if len(names) == 1 and before[-1].kind == "prep" and not any(piece.kind == "link" for piece in before):
            return ([*head, noun, *_clean(after)], names)
        return None
    after = [piece for piece in after if not (piece.is_("unit", "users", "items") and any(other.kind in SCOPE_KINDS for other in after))]
    link = next((i for i, piece in enumerate(after) if piece.kind == "link"), None)
    if link is not None:
        return [*head, *before, noun, *_clean(after[:link])], _clean(after[link:])
    modifiers = _clean(after)
    if not before and len(modifiers) == 1:
        return [*head, noun], modifiers
    if before and not modifiers and len(_clean(before)) == 1:
        return [*head, noun], _clean(before)
    if len(_clean(before)) == 1 and before[0].kind == "stars" and modifiers == [replace(noun)]:
        return [*head, noun], before
    of_all = [i for i, piece in enumerate(after) if piece.kind == "prep"]
    if before and len(_clean(before)) == 1 and len(modifiers) == 1 and modifiers[0].kind == "act" and of_all:
        return [*head, modifiers[0]], [*_clean(before), noun] if modifiers[0].value != noun.value else _clean(before)
    if not before and len(modifiers) == 1 and of_all:
        return None
    return None


def _as_users(piece: Found) -> Found:
    """`all users` as the people that are counted."""
    people = re.search(r"users|customers|shoppers|people|用户|人", piece.text.lower()) is not None
    return replace(piece, kind="unit", value="users") if piece.is_("ask", "overall") and people else piece


def rest_of(pieces: Sequence[Found]) -> list[Found]:
    return [piece for piece in pieces if piece.kind not in ("link", "prep")]


def _share_of_people(
    head: Sequence[Found], before: Sequence[Found], noun: Found, after: Sequence[Found]
) -> tuple[list[Found], list[Found]] | None:
    """People and sessions: who they are stands before, what they did comes after; a time is of both."""
    if any(piece.kind not in ("segment", "window", "last", "prep", "link", "user") for piece in before):
        return None
    whole, part = [*head, *_clean(before), noun], []
    seen_act = False
    for piece in _clean(after):
        seen_act = seen_act or piece.kind == "act"
        if piece.kind in ("window", "last") and seen_act:
            raise refuse(
                "{text!r} may narrow all users or only what they did: begin with the time, as in: in October, what share of users",
                "“{text}”可以限定全部用户，也可以只限定其行为：请把时间放在最前", text=piece.text.strip(),
            )  # fmt: skip
        if piece.kind in ("window", "last"):
            whole.append(piece)
        elif piece.kind == "segment" and not seen_act and piece.meant != RULE:
            part.append(piece)
        else:
            part.append(piece)
    segments = [piece for piece in whole if piece.kind == "segment"]
    part = [piece for piece in part if not piece.is_("unit", "users")]
    if not part and len(segments) == 1:  # share of women among users
        return [piece for piece in whole if piece is not segments[0]], segments
    return (whole, part) if part else None


def _share_zh(q: Question, cues: Sequence[Found]) -> tuple[list[Found], list[Found]] | None:
    """Pieces of the whole and of the part: `PART 占 WHOLE 的比例`, `WHOLE 中 PART 的占比`."""
    takes = [cue for cue in cues if cue.text in ("占", "占据")]
    tail = [cue for cue in cues if cue not in takes]
    if len(takes) > 1 or len(tail) > 1:
        return None
    if takes:
        at = q.at(takes[0])
        part_side, whole_side = q.pieces[:at], q.pieces[at + 1 :]
        whole = _clean(whole_side)
        if whole:
            if any(piece.kind not in (*SCOPE_KINDS, "unit") for piece in whole):
                return None
            part = _clean(part_side)
            split = _cut_zh(part_side)
            if split is not None:
                return None  # 在 A 中，B 占 C: two wholes
            return _without_same(whole, part)
        pieces = part_side
    else:
        led = _led_zh(q, cues[0])
        if led is not None:
            return led
        pieces = [piece for piece in q.pieces if piece not in cues]
    cut = _cut_zh(pieces)
    if cut is not None:
        return cut
    return _modified(_clean(pieces))


def _led_zh(q: Question, cue: Found) -> tuple[list[Found], list[Found]] | None:
    """`多少比例的用户买过东西`: the whole follows the word for share, then the part."""
    at = q.at(cue)
    before, after = _clean(q.pieces[:at]), list(q.pieces[at + 1 :])
    asked = at > 0 and q.pieces[at - 1].is_("ask", "count", "which", "much")
    percent = cue.text.startswith("百分之")
    if not after or not (asked or percent):
        return None
    if any(piece.kind not in ("window", "last") for piece in before):
        part = [piece for piece in before if not piece.is_("unit", "users")]
        nouns = _clean(after)
        alone = len(nouns) == 1 and nouns[0].kind == "act" and all(piece.kind in SCOPE_KINDS and piece.kind != "act" for piece in part)
        return (nouns, part) if alone and len(part) == 1 else None  # loyal 用户贡献了百分之多少的购买
    noun = next((i for i, piece in enumerate(after) if piece.kind == "act" or piece.is_("unit", "users", "sessions")), None)
    if noun is None or any(piece.kind not in ("segment", "window", "last") for piece in after[:noun]):
        return None
    whole, part = [*before, *after[: noun + 1]], _clean(after[noun + 1 :])
    part = [piece for piece in part if not piece.is_("unit", "items") and not piece.is_("unit", "users")]
    return (whole, part) if part else None


def _cut_zh(pieces: Sequence[Found]) -> tuple[list[Found], list[Found]] | None:
    """`A 中 B`: A is the whole, B the part."""
    pieces = [_as_users(piece) for piece in pieces]
    cuts = [
        i for i, piece in enumerate(pieces)
        if (piece.is_("prep", "in") and piece.text not in ("在", "于", "对于", "对"))
        or (piece.kind == "link" and piece.text in ("中有", "里有"))
    ]  # fmt: skip
    cuts = [i for i in cuts if _clean(pieces[:i]) and _clean(pieces[i + 1 :])]
    cuts = [i for i in cuts if any(piece.kind in ("act", "unit") for piece in pieces[:i])]
    if len(cuts) != 1:
        return None
    whole, part = _clean(pieces[: cuts[0]]), _clean(pieces[cuts[0] + 1 :])
    return _without_same(whole, part)


def _without_same(whole: Sequence[Found], part: Sequence[Found]) -> tuple[list[Found], list[Found]] | None:
    """The part without what it has in common with the whole: of all purchases, the purchases of loyal users."""
    of_users = any(piece.is_("unit", "users") for piece in whole) and not any(piece.kind == "act" for piece in whole)
    of_sessions = any(piece.is_("unit", "sessions") for piece in whole)
    keys = {(piece.kind, str(piece.value)) for piece in whole}
    left = [piece for piece in part if (piece.kind, str(piece.value)) not in keys]
    if of_users or of_sessions:
        return (list(whole), left) if left else None
    acts = [piece for piece in part if piece.kind == "act"]
    whole_acts = [piece for piece in whole if piece.kind == "act"]
    if not whole_acts:
        return None
    if acts and any(act.value != whole_acts[0].value for act in acts) and whole_acts[0].value != "act":
        return None
    return (list(whole), left) if left else None


def _modified(pieces: Sequence[Found]) -> tuple[list[Found], list[Found]] | None:
    """`周末的点击占比`, `购买过的用户占比`: one modifier before its noun."""
    if not pieces:
        return None
    noun = _as_users(pieces[-1])
    pieces = [*pieces[:-1], noun]
    others = [piece for piece in pieces if piece is not noun]
    if noun.is_("unit", "users", "sessions"):
        segments = [piece for piece in others if piece.kind == "segment"]
        acts = [piece for piece in others if piece.kind == "act"]
        whole = [noun, *(piece for piece in others if piece.kind in ("window", "last") or (piece in segments and acts))]
        part = [piece for piece in others if piece not in whole]
        return (whole, part) if part else None
    if noun.kind == "act" and noun.text[-1] not in "过了":
        users = [piece for piece in others if piece.is_("unit", "users", "items")]
        modifiers = [piece for piece in others if piece not in users]
        return ([noun], modifiers) if len(modifiers) == 1 and modifiers[0].kind in SCOPE_KINDS and modifiers[0].kind != "act" else None
    if noun.kind in ("act", "category", "brand"):
        return None
    return None


def _shared(q: Question, whole: list[Found], part: list[Found]) -> Plan:
    units = [piece for piece in whole if piece.is_("unit", "users", "sessions")]
    of = "acts"
    acts = [piece for piece in whole if piece.kind == "act"]
    if q.zh and units and acts and acts[-1].start < units[-1].start:
        raise refuse("say the share of all users, or of all acts", "请说明是占全部用户还是占全部行为的比例")  # 购买用户
    if units and not any(piece.kind == "act" for piece in whole):
        of = str(units[0].value)
        if len({unit.value for unit in units}) > 1:
            raise refuse("a share is of users, of sessions or of acts: not of two", "占比的对象只能是用户、会话或行为之一")
        whole = [piece for piece in whole if piece not in units]
    without = any(piece.kind in ("not", "except") and not isinstance(piece.value, Found) for piece in part)
    part = [piece for piece in part if not (piece.is_("unit", "users", "items"))]
    negated = [piece for piece in part if piece.kind == "not"]
    if negated:
        if of != "users" or len(negated) != 1 or [piece.kind for piece in part if piece.kind != "not"] != ["act"]:
            raise not_understood(negated[0])
        act = next(piece for piece in part if piece.kind == "act")
        inner = q.scope([act])
        if not inner.event_types:
            raise not_understood(negated[0])
        return _claim("share", q.scope(whole), part=Scope(without_event_types=inner.event_types), of="users")
    if without:
        raise not_understood(next(piece for piece in part if piece.kind in ("not", "except")))
    narrowed = q.scope(part, users=of == "users")
    whole_scope = q.scope(whole, users=of == "users")
    if narrowed == Scope():
        raise refuse("say what part is asked for", "请说明问的是哪一部分")
    if of == "acts" and not whole_scope.event_types and not any(piece.kind == "act" for piece in whole):
        raise refuse("say what it is a share of", "请说明是占什么的比例")
    if narrowed.event_types and "impression" in narrowed.event_types and of == "acts":
        raise refuse("impressions are not among acts: they are what was shown", "曝光不属于行为：它是展示给用户的内容")
    return _claim("share", whole_scope, part=narrowed, of=of)


def mean(q: Question) -> Plan | None:
    cue = q.first("ask", "mean")
    per = q.first("per")
    score, price = q.first("ask", "score"), q.first("ask", "price")
    counted = q.first("ask", "count") or q.first("ask", "often")
    if counted is not None and q.zh and counted.value == "count" and q.after(counted) is None:
        counted = None  # 是多少: asks, and counts nothing
    if cue is None and per is None and score is None:
        return None
    asked = ("mean", "score", "price", "which", "much", "count", "often", "overall", "days")
    if price is not None:
        if q.has("age"):
            return None
        acts = q.all("act")
        if per is not None and per.value != "purchases" and not per.is_("per", "per"):
            raise not_understood(per)
        rest = [piece for piece in q.without_asks(*asked, also=[p for p in (per,) if p is not None]) if piece.kind != "times"]
        if not acts and ((per is not None and per.value == "purchases") or _of_purchases(price)):
            rest.append(Found("act", "purchase", price.start, price.end, price.text))
        scope = q.scope(rest)
        if len(scope.event_types) != 1 or scope.event_types[0] not in ("purchase", "cart"):
            raise refuse("say the price of what: of purchases or of carts", "请说明是什么的价格：购买的还是加购的")
        return _claim("mean", scope, of="price")
    rated = score is not None or (cue is not None and counted is None and per is None and q.has("act", "rating"))
    if rated and not q.has("unit", "sessions", "days"):
        if not q.names.types.get("rating"):
            raise refuse("this log has no ratings", "这份日志里没有评分")
        if per is not None:
            raise not_understood(per)
        rest = [piece for piece in q.without_asks(*asked) if piece.kind != "times"]
        rest = [*(piece for piece in rest if not piece.is_("act", "rating")), Found("act", "rating", 0, 0, "rating")]
        return _claim("mean", q.scope(rest), of="value")
    return _mean_of_counts(q, cue, per, counted)


def _mean_of_counts(q: Question, cue: Found | None, per: Found | None, counted: Found | None) -> Plan | None:
    """`how many acts does a session have on average`, `clicks per user`, `平均每位用户浏览多少次`."""
    taken: list[Found] = [piece for piece in (cue, counted) if piece is not None]
    units = {"users": "user", "sessions": "session", "days": "day"}
    over: str | None = None
    if per is not None:
        taken.append(per)
        if per.value in units:
            over = units[per.value]
        elif per.is_("per", "per"):
            noun = q.after(per)
            if noun is None or not noun.is_("unit", *units):
                raise refuse("means are told per user, per session or per day", "平均值可以按用户、会话或天计算")
            over = units[noun.value]
            taken.append(noun)
        else:
            raise refuse("means are told per user, per session or per day", "平均值可以按用户、会话或天计算")
    left = _with_doers(q, [piece for piece in q.pieces if piece not in taken])
    counts = [piece for piece in left if piece.is_("unit", "users", "sessions", "days", "items") or piece.is_("ask", "days", "users")]
    acts = [piece for piece in left if piece.kind == "act" and piece.meant != DOER]
    if over is None:
        # how many acts does a session have on average: the other noun is what it is per
        target = None if counted is None else q.after(counted)
        holders = [piece for piece in counts if piece is not target and piece.is_("unit", *units)]
        if target is None and len(acts) == 1 and len(holders) == 1:
            target = acts[0]
        if target is None or len(holders) != 1 or cue is None:
            raise refuse("say per what: per user, per session or per day", "请说明按什么平均：每位用户、每个会话还是每天")
        over = units[holders[0].value]
        left = [piece for piece in left if piece is not holders[0]]
        counts = [piece for piece in counts if piece is not holders[0]]
    asked = ("which", "much", "count", "often", "overall", "mean")
    left = [piece for piece in left if not piece.is_("ask", *asked) and piece.kind not in ("times",)]
    of = "acts"
    wanted = [piece for piece in counts if piece in left and not piece.is_("unit", "items") and not (piece.is_("unit", "users") and acts)]
    kinds = counted is not None and re.search("种|款|部", counted.text) is not None
    different = q.has("different") or kinds
    named = None if counted is None else q.after(counted)
    if named is not None and named.is_("unit", "items") and not different and not q.has("act", "rating"):
        raise refuse(
            "say whether different items are meant, or acts: how many different items, or how many times",
            "请说明问的是不同商品的个数，还是次数：多少种商品，或多少次",
        )  # fmt: skip
    if different and any(piece.is_("unit", "items") for piece in left):
        of = "items"
        left = [piece for piece in left if piece.kind != "different" and not piece.is_("unit", "items")]
    elif wanted:
        if len(wanted) > 1:
            raise not_understood(wanted[1])
        of = {"ask": "days" if wanted[0].value == "days" else "users"}.get(wanted[0].kind, str(wanted[0].value))
        left = [piece for piece in left if piece is not wanted[0]]
    if of == "acts" and not acts:
        raise refuse("say what is counted, such as clicks per user", "请说明统计什么，例如每位用户的点击数")
    inner = [
        piece
        for piece in left
        if piece.meant != DOER and piece.kind in ("act", "category", "brand", "item", "query", "stars", "hours", "weekdays")
    ]
    outer = [piece for piece in left if piece not in inner]
    part = q.scope(inner, users=of == "users")
    if (of, over) in (("users", "user"), ("users", "session"), ("sessions", "session"), ("days", "day")):
        raise refuse("a mean of {of} per {over} says nothing", "按“{over}”平均“{of}”没有意义", of=of, over=over)
    return _claim("mean", q.scope(outer), of=of, per=over, part=part)


def _with_doers(q: Question, left: Sequence[Found]) -> list[Found]:
    """`a customer who bought something`: the act says who they are."""
    made = []
    for piece in left:
        before = None if piece.kind != "act" or piece.meant == DOER else q.before(piece, skip=("link",))
        if before is not None and (
            before.is_("ask", "who") or (before.is_("unit", "users") and any(p.text.lower() in ("who", "that") for p in q.all("link")))
        ):
            who = q.before(before, skip=("link",)) if before.is_("ask", "who") else before
            if who is not None and who.is_("unit", "users"):
                piece = replace(piece, meant=DOER)
        made.append(piece)
    return [piece for piece in made if not piece.is_("ask", "who")]


def rhythm(q: Question) -> Plan | None:
    by = {"hours": "hour", "weekdays": "weekday"}
    nouns = q.all("unit", *by)
    clock = [piece for piece in q.all("ask", "when") if piece.text.lower() in ("what time", "at what time")]
    if not nouns and clock and not q.has("ask", "first", "last"):
        nouns = [replace(clock[0], kind="unit", value="hours")]
    if len(nouns) != 1 or not (q.has("ask", "top", "busiest", "more", "least")):
        return None
    if q.has("ask", "mean", "share") or (q.has("ask", "least") and q.has("ask", "top", "busiest", "more")):
        return None
    if _most_people(q):
        raise refuse(
            "busiest times are told by acts, not by users: ask when most purchases are made",
            "高峰时段按行为计，不按用户计：请问何时购买最多",
        )
    asked = ("top", "busiest", "least", "which", "when", "count", "overall", "often")
    rest = [piece for piece in q.without_asks(*asked, also=nouns) if piece.kind != "times"]
    rest = [piece for piece in rest if not (piece.is_("unit", "days", "dates"))] if q.zh else rest
    return _claim("rhythm", q.scope(rest), "fewest" if q.has("ask", "least") else "value", by=by[nouns[0].value])


def _most_people(q: Question) -> bool:
    """`most users`, `用户最多`: people are counted."""
    for piece in q.all("unit", "users"):
        before, after = q.before(piece), q.after(piece)
        if not q.zh and before is not None and before.is_("ask", "top", "count"):
            return True
        if q.zh and (piece.text in ("人数", "用户数", "顾客数", "用户数量") or (after is not None and after.is_("ask", "top"))):
            return True
    return q.has("ask", "users")


_BY: Final = {
    "items": "item", "categories": "category", "brands": "brand", "queries": "query", "types": "event_type", "days": "day", "dates": "day",
    "months": "month",
}  # fmt: skip


def top(q: Question) -> Plan | None:
    cues = q.all("ask", "top", "sold", "busiest", "least")
    if not cues and q.has("column") and q.has("ask", "which") and len(q.all("ask", "more")) == 1 and not q.all("segment"):
        q = Question([replace(piece, value="top") if piece.is_("ask", "more") else piece for piece in q.pieces], q.names, q.reading)
        cues = q.all("ask", "top")
    if not cues or (q.has("ask", "least") and len({cue.value for cue in cues}) > 1):
        return None
    if q.has("ask", "mean", "share", "first", "last", "more", "fewer", "score", "difference", "ratio"):
        return None
    if _highest_rated(q, cues):
        raise refuse(
            "the highest rating may be of few people: I can list what was rated most often, or the average rating of one item",
            "“评分最高”无法排序：可以问评分次数最多的商品，或某个商品的平均评分",
        )  # fmt: skip
    by, noun = _listed_by(q)
    if by is None:
        return None
    k, taken = _how_many(q, noun)
    taken += [noun] if noun is not None else []
    adjacent = [
        piece for piece in q.all("unit", "users")
        if piece is not noun and (
            ((before := q.before(piece, skip=("link", "prep", "different"))) is not None and before.is_("ask", "top", "count"))
            or piece.text in ("人数", "用户数", "顾客数")
            or (q.zh and (after := q.after(piece, skip=("link", "prep"))) is not None and after.is_("ask", "top") and piece.text == "人")
            or (q.zh and before is not None and before.is_("ask", "top"))
        )
    ]  # fmt: skip
    of = "users" if adjacent and by not in ("user",) else "acts"
    fewest = q.has("ask", "least")
    if fewest and (k != 1 or by not in ("category", "brand", "event_type", "month", *q.names.columns)):
        return None
    asked = ("top", "sold", "busiest", "least", "which", "who", "when", "count", "often", "overall")
    rest = [piece for piece in q.without_asks(*asked, also=[*taken, *adjacent]) if piece.kind not in ("times", "different")]
    acts = [piece for piece in rest if piece.kind == "act"]
    if q.has("ask", "sold"):
        if any(act.value != "purchase" for act in acts):
            return None
        rest.append(Found("act", "purchase", cues[0].start, cues[0].end, cues[0].text))
    if by == "query" and not acts and q.names.types.get("search"):
        rest.append(Found("act", "search", noun.start if noun else 0, noun.end if noun else 0, "search"))
    scope = q.scope(rest, users=of == "users")
    if q.has("ask", "busiest") and by not in ("day", "month", "user"):
        return None
    if getattr(scope, by, None) is not None:
        raise refuse("the question already names one {by}", "问题中已经指定了一个{by}", by=by)
    if (
        by == "user"
        and not q.has("act", "rating")
        and any((before := q.before(piece)) is not None and before.is_("ask", "top") for piece in q.all("unit", "items"))
    ):
        raise refuse("say whether different items are meant, or acts", "请说明问的是不同商品的个数，还是次数")
    return _claim("top", scope, "fewest" if fewest else "value", by=by, of=of, k=MOST_NAMES if fewest else k)


def _highest_rated(q: Question, cues: Sequence[Found]) -> bool:
    """`top rated`, `评分最高`: by the value of ratings, not by their number."""
    for cue in cues:
        if cue.text.lower().removeprefix("the ") in ("top", "highest", "最高", "最大", "最", "largest", "greatest", "biggest"):
            beside = [other for other in (q.before(cue, skip=("number",)), q.after(cue, skip=("number",))) if other is not None]
            if any(act.is_("act", "rating") and act.text.lower() not in ("ratings", "评分次数", "评分数", "评分量") for act in beside):
                return True
    return q.has("ask", "score")


_IS_WHAT: Final = ("what is", "what's", "what was", "what are", "what were", "what're")


def _listed_by(q: Question) -> tuple[str | None, Found | None]:
    """What a list goes by, and the piece that says so."""
    column = q.first("column")
    if column is not None:
        if len(q.all("column")) > 1 or q.all("unit", *(name for name in _BY if name != "items")):
            return None, None
        return str(column.value), column
    who = q.first("ask", "who") or next((piece for piece in q.all("unit", "users") if piece.text == "谁"), None)
    nouns = q.all("unit", *(name for name in _BY if name != "items"))
    if len(nouns) > 1:
        return None, None
    if nouns:
        return _BY[nouns[0].value], nouns[0]
    if who is not None:
        return "user", who
    when = q.first("ask", "when")
    if when is not None:
        is_day = re.search(r"day|date|天|日|号", when.text.lower()) is not None
        return ("day", when) if is_day else (None, None)
    which = q.first("ask", "which")
    users, items = q.all("unit", "users"), q.all("unit", "items")
    if which is not None and which.text not in ("什么",) and which.text.lower() not in _IS_WHAT:
        noun = q.after(which, skip=("link", "prep", "number", "different", "segment", "ask", "act", "category", "brand"))
        if noun is not None and noun.is_("unit", "users"):
            if re.fullmatch("哪.*[类种]", which.text):
                return None, None  # a kind of users, not a user
            return "user", noun
        if noun is not None and noun.is_("unit", "items"):
            return "item", noun
    active = next(
        (
            piece
            for piece in users
            if (b := q.before(piece, skip=("number", "link", "prep"))) is not None and b.is_("ask", "busiest", "top")
        ),
        None,
    )
    if items:
        return "item", items[0]
    if active is not None and not items:
        return "user", active
    had = next((piece for piece in users if not q.zh and (a := q.after(piece)) is not None and a.is_("ask", "top")), None)
    if had is not None and not any(piece.kind == "act" for piece in q.pieces[: q.at(had)]):
        return "user", had  # the user with the most clicks
    if users and q.zh and q.has("ask", "busiest", "top"):
        return "user", users[0]
    if q.has("ask", "sold"):
        return "item", None
    bare = which is not None and which.text.lower().startswith(("what", "什么"))
    searched = (
        which is not None and (after := q.after(which, skip=("link", "prep", "number", "ask"))) is not None and after.is_("act", "search")
    )
    if searched:
        return "query", q.first("act", "search")
    if bare and any(piece.is_("act", "view", "click", "cart", "purchase", "rating") for piece in q.pieces):
        return "item", None
    if bare and q.has("act", "search"):
        return "query", None
    return None, None


_PLURAL: Final = re.compile(r"(?<!s)s$|people|categories|queries|哪些|哪几")


def _how_many(q: Question, noun: Found | None) -> tuple[int, list[Found]]:
    """The length of the list, and the pieces that say so."""
    numbers = q.all("number")
    if len(numbers) > 1:
        raise not_understood(numbers[1])
    if numbers:
        number = numbers[0].value
        if not isinstance(number, Number) or number.percent or number.value != int(number.value) or not 1 <= number.value <= MOST_K:
            raise refuse("a list may have 1 to {most} names", "列表可以有 1 到 {most} 个名称", most=MOST_K)
        beside = [
            piece for piece in (q.before(numbers[0], skip=("link",)), q.after(numbers[0], skip=("link", "prep"))) if piece is not None
        ]
        if not any(
            piece is noun or piece.kind == "ask" or piece.kind in ("unit", "column", "act", "category", "segment") for piece in beside
        ):
            raise not_understood(numbers[0])
        return int(number.value), numbers
    text = "" if noun is None else noun.text.lower()
    if q.zh:
        plural = re.search("哪些|哪几|有哪", q.reading.text) is not None
    else:
        plural = (_PLURAL.search(text) is not None and text not in ("s",)) or any(
            piece.text.lower().endswith("sellers") for piece in q.all("ask", "sold")
        )
        plural = plural and not (noun is not None and (noun.is_("ask", "who", "when") or (noun.kind == "column" and " " in text)))
    return (DEFAULT_K if plural else 1), []


def edge(q: Question) -> Plan | None:
    """The first or last act, and what of it is asked: when, on which item, in which category, of which kind."""
    cues = q.all("ask", "first", "last")
    if not cues or len({piece.value for piece in cues}) != 1:
        return None
    predicate: Predicate = "first" if cues[0].value == "first" else "last"
    if q.has("ask", "top", "count", "often", "share", "mean", "more", "fewer"):
        return None
    when = q.first("ask", "when")
    noun = q.first("unit", "categories") or q.first("unit", "types")
    which = q.first("ask", "which")
    items = q.all("unit", "items")
    dates = q.all("unit", "dates")
    if when is not None or dates or (which is None and not items and not q.zh):
        by, taken = "time", [*([when] if when else []), *dates]
        if when is None and not dates and q.zh:
            return None
    elif noun is not None:
        by, taken = {"categories": "category", "types": "event_type"}[noun.value], [noun]
    elif items or which is not None:
        vague = any(act.is_("act", "act") for act in q.all("act")) or not q.all("act")
        if vague and not (items and re.search(r"item|product|film|movie|商品|电影|产品|影片", items[0].text.lower())):
            return None
        by, taken = "item", items
    else:
        return None
    if by == "time" and when is None and not dates and not q.has("act"):
        return None
    rest = q.without_asks("first", "last", "when", "which", "appear", "who", also=taken)
    rest = [piece for piece in rest if piece.kind != "times"]
    if q.has("ask", "who") and by == "time":
        return None
    if not any(piece.kind in ("user", "segment", "act", "item", "category", "brand", "query") for piece in rest):
        return None
    return _claim(predicate, q.scope(rest), by=by)


def count(q: Question) -> Plan | None:
    asks = q.all("ask", "count", "often", "users", "days", "pieces")
    if len(asks) != 1:
        if len(asks) == 2 and q.has("ask", "often") and q.has("ask", "count"):  # 次数是多少
            asks = q.all("ask", "often")
        else:
            return None
    ask = asks[0]
    if any(
        piece.kind == "ask" and piece.value not in ("count", "often", "users", "days", "pieces", "overall", "which") for piece in q.pieces
    ):
        return None
    of, taken = _counted(q, ask)
    if of is None:
        return None
    rest = [
        piece
        for piece in q.without_asks("count", "often", "users", "days", "pieces", "overall", "which", also=taken)
        if piece.kind != "times"
    ]
    different = [piece for piece in rest if piece.kind == "different"]
    rest = [piece for piece in rest if piece.kind != "different"]
    if different and of not in ("users", "items", "categories", "brands", "days", "sessions"):
        raise not_understood(different[0])
    negated = [piece for piece in rest if piece.kind == "not"]
    if negated:
        return _who_did_not(q, of, rest, negated)
    scope = q.scope(rest, users=of in ("users", "sessions", "days"))
    if of == "items":
        told = bool(different) or re.search("种|款|部", ask.text) is not None or scope.event_types == ("rating",)
        if not told:
            raise refuse(
                "say whether different items are meant, or acts: how many different items, or how many times",
                "请说明问的是不同商品的个数，还是次数：多少种商品，或多少次",
            )  # fmt: skip
    if of == "acts" and not any(piece.kind in ("act", "stars") for piece in rest):
        return None
    return _claim("count", scope, of=of)


def fragment(q: Question) -> Plan | None:
    """`clicks on 3 October?`: a noun that can be counted, and what narrows it."""
    acts = q.all("act")
    if any(piece.kind not in (*SCOPE_KINDS, "prep", "unit", "different") for piece in q.pieces) or len(acts) > 1:
        return None
    counted = [piece for piece in q.pieces if piece.kind == "unit" and re.search("数$|数量$|^sessions$", piece.text.lower()) is not None]
    if len(counted) == 1 and counted[0].value in ("users", "sessions", "days", "categories", "brands"):
        return _claim("count", q.scope(q.without(counted[0], q.first("different")), users=True), of=counted[0].value)
    if len(acts) != 1 or q.has("different"):
        return None
    is_noun = re.search(r"(?:s$|s (?:on|at|for)$|量$|数$)", acts[0].text.lower()) is not None and not isinstance(acts[0].value, tuple)
    if not is_noun or any(piece.kind == "unit" and not piece.is_("unit", "users", "items") for piece in q.pieces):
        return None
    if q.has("unit", "users") and not q.has("segment"):
        return None
    return _claim("count", q.scope(q.pieces), of="acts")


def _counted(q: Question, ask: Found) -> tuple[str | None, list[Found]]:
    """What is counted, and the piece that says so."""
    if ask.value == "often":
        return "acts", []
    if ask.value == "users":
        return "users", []
    if ask.value == "days":
        return "days", []
    if ask.value == "pieces":
        raise refuse(
            "say whether different items are meant, or times: 多少种 or 多少次", "请说明问的是不同商品的个数（多少种），还是次数（多少次）"
        )
    segment = q.after(ask)
    if segment is not None and segment.kind == "segment" and segment.meant != RULE:
        noun = q.after(segment)
        if noun is None or (noun.kind == "act" and _is_verb(noun)):
            return "users", []
        if noun.kind == "act" and (q.zh or not re.search("s$", noun.text.lower())):
            return None, []
        if noun.kind not in ("act", "unit", "segment", "category"):
            return "users", []
    after = q.after(ask, skip=("link", "prep", "different", "segment", "category", "brand", "user"))
    if after is None or (q.zh and after.kind not in ("unit", "act", "times", "stars")):
        after = q.before(ask)
    if after is None:
        return None, []
    if after.is_("unit", "users", "items", "sessions", "days", "categories", "brands"):
        named = q.after(ask)
        if after.value == "items" and named is not None and named.kind in ("category", "brand") and not q.has("different"):
            return "items", [after]
        return str(after.value), [after]
    if after.kind == "act":
        if q.zh and after.value == "act" and q.first("unit", "users") is not None and q.after(ask) is None:
            return "acts", []
        return "acts", []
    if after.kind == "segment" and after.meant == RULE:
        return None, []
    if after.kind in ("stars",):
        return "acts", []
    return None, []


def _is_verb(act: Found) -> bool:
    """Whether an act is what somebody did, not a thing that can be counted: `rated`, `bought`, `评过分`."""
    first = act.text.lower().split()[0]
    return first.endswith("ed") or first in ("bought", "sold", "put", "took") or "过" in act.text or "了" in act.text


def _who_did_not(q: Question, of: str, rest: list[Found], negated: list[Found]) -> Plan:
    """`How many users never bought anything`, `viewed but did not buy`."""
    if of != "users" or len(negated) != 1:
        raise not_understood(negated[0])
    place = next(i for i, piece in enumerate(rest) if piece is negated[0])
    did, did_not = rest[:place], rest[place + 1 :]
    acts = [piece for piece in did_not if piece.kind == "act"]
    after = [
        piece for piece in did_not if piece not in acts and piece.kind not in ("link", "prep") and not piece.is_("unit", "items", "users")
    ]
    if len(acts) != 1 or any(piece.kind not in ("window", "last") for piece in after):
        raise not_understood(negated[0])
    others = [piece for piece in did if piece.kind == "act"]
    if others and after:
        raise refuse("say the time of both, or ask about one of them", "请分别说明时间，或只问其中之一")
    inner = q.scope(acts)
    if not inner.event_types:
        raise not_understood(negated[0])
    kept = [piece for piece in did if piece.kind != "and"]
    if len([piece for piece in kept if piece.kind == "act"]) > 1:
        raise not_understood(negated[0])
    scope = q.scope([*kept, *after], users=True)
    return _claim("count", replace(scope, without_event_types=inner.event_types), of="users")


RULES: Final[tuple[Callable[[Question], Plan | None], ...]] = (
    analysis, trend, compare, follows, lift, drift, repeat_rate, recency, share, mean, rhythm, top, edge, count, fragment,
)  # fmt: skip
