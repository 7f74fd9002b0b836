"""Every claim as a sentence, in English and Chinese, with the value that was computed, its unit and its denominator; no model is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, cast

from footpath.llm.claims.claims import DEAD_BAND, Claim, Scope, Verdict
from footpath.llm.claims.wording import UNITS, WEEKDAYS, WEEKDAYS_ZH, acts, joined, listed, number_of, of_unit, percent, quoted
from footpath.result import Phrase, say
from footpath.statistics import SMALL

_FEW: Final = Phrase("; fewer than 30 cases", "；不足 30 例")


def render(claim: Claim, verdict: Verdict) -> Phrase:
    """The sentence that a verdict bears out, whatever the claim stated; `.zh` is the Chinese one.

    Shares have one decimal and their denominator; one with fewer than 30 cases leads with the counts and says so. Where the value is
    undefined the sentence says why.
    """
    claim = verdict.claim
    if verdict.value is None:
        return say("Nothing can be said of {what}: {why}.", "无法就{what}得出数值：{why}。", what=_asked(claim, verdict), why=verdict.why)
    return _capital(_TEMPLATES[claim.predicate](claim, verdict))


def _count(claim: Claim, v: Verdict) -> Phrase:
    n, of = cast(int, v.value), claim.arguments["of"]
    verb = "was" if n == 1 else "were"
    many = n != 1
    shown = f"{n:,}" if n else "no"
    if of == "acts":
        what = acts(claim.scope, v.names, many=many)
        return Phrase(f"There {verb} {shown} {what}.", f"{what.zh}共 {n:,} 次。")
    one, several, chinese, measure = UNITS[of]
    if of in ("users", "sessions"):
        what = of_unit(of, claim.scope, v.names)
        english = str(what).removeprefix(several)
        return Phrase(f"There {verb} {shown} {several if many else one}{english}.", f"{what.zh}共 {n:,} {measure}。")
    what = Phrase("", "") if claim.scope == Scope() else say(" with {acts}", "{acts}", acts=acts(claim.scope, v.names))
    if of == "days":
        told = acts(claim.scope, v.names)
        return Phrase(f"There {verb} {shown} {several if many else one} with {told}.", f"有{told.zh}的日子共 {n:,} 天。")
    return Phrase(f"There {verb} {shown} {several if many else one}{what}.", f"{what.zh or '日志'}涉及的{chinese}共 {n:,} {measure}。")


def _share(claim: Claim, v: Verdict) -> Phrase:
    of, part = claim.arguments["of"], claim.arguments["part"]
    whole, inside = of_unit(of, claim.scope, v.names), acts(part, v.names)
    verb = Phrase("were", "是") if of == "acts" else Phrase("had", "有过")
    return _ratio(v, of, whole, verb, inside)


def _mean(claim: Claim, v: Verdict) -> Phrase:
    of, per, part = (claim.arguments[name] for name in ("of", "per", "part"))
    n = v.n or 0
    if of in ("value", "price"):
        what = acts(joined(claim.scope, part) or claim.scope, v.names)
        chinese = {"value": "数值", "price": "价格"}[of]
        few = _FEW if n < SMALL else Phrase("", "")
        return say(
            "The mean {of} of {what} was {value:.2f} (over {n} with a {of}{few}).",
            "{what}的平均{zh}为 {value:.2f}（基于 {count:,} 次有{zh}的行为{few}）。",
            of=of, zh=chinese, what=what, value=v.value, n=number_of(n, "acts"), count=n, few=few,
        )  # fmt: skip
    unit = {"user": "users", "session": "sessions", "day": "days"}[per]
    inside = acts(part, v.names)
    if of != "acts":
        inside = Phrase(str(UNITS[of][1]), UNITS[of][2]) if part == Scope() else of_unit(of, part, v.names)
    measure = UNITS[of][3]
    few = _FEW if n < SMALL else Phrase("", "")
    return say(
        "{whole} had {value:.2f} {inside} on average ({total:,} over {n}{few}).",
        "{whole}平均有 {value:.2f} {measure}{inside}（{n}共 {total:,} {measure}{few}）。",
        whole=of_unit(unit, claim.scope, v.names) if unit != "days" else say("days with {a}", "有{a}的日子", a=acts(claim.scope, v.names)),
        value=v.value, inside=inside, total=v.parts["total"], n=number_of(n, unit), measure=measure, few=few,
    )  # fmt: skip


def _top(claim: Claim, v: Verdict) -> Phrase:
    by, of = claim.arguments["by"], claim.arguments["of"]
    names = cast("tuple[str, ...]", v.value)
    shown = [_name(by, name, v) for name in names]
    counted = [Phrase(f"{name} ({n:,})", f"{name.zh}（{n:,}）") for name, n in zip(shown, v.parts["counts"], strict=True)]
    one, many, chinese = _LISTED.get(by, (f"value of {by}", f"values of {by}", f"字段 {by} 的取值"))
    what = of_unit(of, claim.scope, v.names)
    measure = UNITS[of][3]
    few = _FEW if (v.n or 0) < SMALL else Phrase("", "")
    if len(names) == 1:
        return say(
            "The {one} with the most {what} was {name} ({k:,} of {n}{few}).",
            "{what}最多的{zh}是{name}（{total:,} {measure}中的 {k:,} {measure}{few}）。",
            one=one, zh=chinese, what=what, name=shown[0], k=v.parts["counts"][0], n=number_of(v.n or 0, of), total=v.n or 0,
            measure=measure, few=few,
        )  # fmt: skip
    return say(
        "The {k} {many} with the most {what} were {names} (of {n}{few}).",
        "{what}最多的 {k} 个{zh}依次为{names}（共 {total:,} {measure}{few}）。",
        k=len(names), many=many, zh=chinese, what=what, names=listed(counted), n=number_of(v.n or 0, of), total=v.n or 0, measure=measure,
        few=few,
    )  # fmt: skip


def _trend(claim: Claim, v: Verdict) -> Phrase:
    of, days = claim.arguments["of"], claim.arguments["window_days"]
    value = cast(float, v.value)
    what = of_unit(of, claim.scope, v.names)
    if of != "acts":
        what = say("the number of {what}", "{what}数", what=what)
    verb, direction = ("fell by", "下降") if value < 0 else ("rose by", "上升")
    if not value:
        verb, direction = "changed by", "变化"
    flat = Phrase(" (no clear change)", "（无明显变化）") if 0 < abs(value) <= DEAD_BAND else Phrase("", "")
    few = _FEW if (v.n or 0) < SMALL else Phrase("", "")
    window = (
        say("the last {d:g} days", "最近 {d:g} 天", d=days)
        if claim.scope.until is None
        else say("the last {d:g} days of that time", "该时段最后 {d:g} 天", d=days)
    )
    return say(
        "{what} {verb} {value}{flat} in {window}, to {last} from {before:,} in the {d:g} days before{few}.",
        "{window}的{what}较此前 {d:g} 天{direction} {value}{flat}（由 {before:,} {measure}到 {count:,} {measure}{few}）。",
        what=what, verb=verb, direction=direction, value=percent(abs(value)), flat=flat, window=window, last=f"{v.parts['last']:,}",
        count=v.parts["last"], before=v.parts["before"], d=days, measure=UNITS[of][3], few=few,
    )  # fmt: skip


def _edge(claim: Claim, v: Verdict) -> Phrase:
    by = claim.arguments["by"]
    which, chinese = {"first": ("first", "首次"), "last": ("last", "最近一次")}[claim.predicate]
    what = acts(claim.scope, v.names, many=False, which=chinese)
    if by == "time":
        return say(
            "The {which} {what} was at {time:%Y-%m-%d %H:%M} UTC (of {n}).",
            "{what}发生于 {time:%Y-%m-%d %H:%M}（UTC，共 {count:,} 次）。",
            which=which, what=what, time=v.value, n=number_of(v.n or 0, "acts"), count=v.n or 0,
        )  # fmt: skip
    has = {"item": ("item", "商品"), "category": ("category", "类别"), "event_type": ("type", "类型")}[by]
    when = cast("datetime | None", v.parts.get("time"))
    at = Phrase("", "") if when is None else Phrase(f", at {when:%Y-%m-%d %H:%M} UTC", f"，时间 {when:%Y-%m-%d %H:%M}（UTC）")
    return say(
        "The {has} of the {which} {what} was {name}{at} (of {n}).",
        "{what}的{kind}是{name}{at}（共 {count:,} 次）。",
        has=has[0], kind=has[1], which=which, what=what, name=_name(by, str(v.value), v), at=at, n=number_of(v.n or 0, "acts"),
        count=v.n or 0,
    )  # fmt: skip


def _recency(claim: Claim, v: Verdict) -> Phrase:
    return say(
        "The last {what} was {value:.1f} days before the end of the log (of {n}; the log ends at {end:%Y-%m-%d %H:%M} UTC).",
        "{what}距日志末尾 {value:.1f} 天（共 {count:,} 次；日志止于 {end:%Y-%m-%d %H:%M}，UTC）。",
        what=acts(claim.scope, v.names, many=False, which="最近一次"), value=v.value, n=number_of(v.n or 0, "acts"), count=v.n or 0,
        end=v.parts["end"],
    )  # fmt: skip


def _rhythm(claim: Claim, v: Verdict) -> Phrase:
    by, place = claim.arguments["by"], cast(int, v.value)
    few = _FEW if (v.n or 0) < SMALL else Phrase("", "")
    name = (
        Phrase(WEEKDAYS[place], WEEKDAYS_ZH[place])
        if by == "weekday"
        else Phrase(f"{place:02}:00 to {place:02}:59 UTC", f" {place} 时（UTC）")
    )
    return say(
        "The {by} with the most {what} was {name} ({k:,} of {n}{few}).",
        "{what}最多的{zh}是{name}（{count:,} 次中的 {k:,} 次{few}）。",
        by=by, zh={"hour": "时段", "weekday": "星期"}[by], what=acts(claim.scope, v.names), name=name, k=v.parts["acts"],
        n=number_of(v.n or 0, "acts"), count=v.n or 0, few=few,
    )  # fmt: skip


def _follows(claim: Claim, v: Verdict) -> Phrase:
    a, b, within = (claim.arguments[name] for name in ("a", "b", "within"))
    whole = _both(claim.scope, a, v)
    where = Phrase("in the same session", "在同一会话内") if within == "session" else Phrase("by the same user", "由同一用户")
    verb = say("were directly followed {where} by", "{where}紧接着发生了", where=where)
    return _ratio(v, "acts", whole, verb, acts(b, v.names))


def _repeat_rate(claim: Claim, v: Verdict) -> Phrase:
    by = claim.arguments["by"]
    things, chinese = {"item": ("items", "商品"), "category": ("categories", "类别")}[by]
    whole = say("{acts} that name {a}", "有{zh}的{acts}", acts=acts(claim.scope, v.names), a=f"a{'n' * (by == 'item')} {by}", zh=chinese)
    return _ratio(
        v, "acts", whole, Phrase("were on", "属于"), Phrase(f"{things} that the user had met before", f"用户此前接触过的{chinese}")
    )


def _novelty(claim: Claim, v: Verdict) -> Phrase:
    by, days = claim.arguments["by"], claim.arguments["window_days"]
    things, chinese = {"item": ("items", "商品"), "category": ("categories", "类别")}[by]
    whole = say(
        "{acts} in the last {d:g} days that name {a}", "最近 {d:g} 天有{zh}的{acts}",
        acts=acts(claim.scope, v.names), d=days, a={"item": "an item", "category": "a category"}[by], zh=chinese,
    )  # fmt: skip
    told = Phrase(f"{things} that the user had not met before these days", f"用户在此之前未接触过的{chinese}")
    return _ratio(v, "acts", whole, Phrase("were on", "属于"), told)


def _drift(claim: Claim, v: Verdict) -> Phrase:
    by, parts = claim.arguments["by"], v.parts
    things, chinese = {"item": ("items", "商品"), "category": ("categories", "类别")}[by]
    few = _FEW if min(parts["n_first"], parts["n_second"]) < SMALL else Phrase("", "")
    moved = [
        Phrase(f"{_name(by, parts[end], v)} from {a} to {b}", f"{_name(by, parts[end], v).zh}由 {a} 变为 {b}")
        for end in ("more", "less")
        for a, b in [(percent(parts[f"{end}_first"]), percent(parts[f"{end}_second"]))]
    ]
    if not v.value:
        moved = []
    detail = say("; {m}", "；{m}", m=listed(moved, last_zh="，")) if moved else Phrase("", "")
    return say(
        "Between the first and the second half of {what}, {value} of the mix of {things} moved "
        "(total variation, {a:,} and {b:,} acts{few}{detail}).",
        "{what}的前半段与后半段之间，{zh}构成变动了 {value}（总变差，前 {a:,} 次、后 {b:,} 次{few}{detail}）。",
        what=acts(claim.scope, v.names), value=percent(cast(float, v.value)), things=things, zh=chinese, a=parts["n_first"],
        b=parts["n_second"], few=few, detail=detail,
    )  # fmt: skip


def _lift(claim: Claim, v: Verdict) -> Phrase:
    part, against, of = (claim.arguments[name] for name in ("part", "against", "of"))
    hits, other, other_n, n = v.parts["hits"], v.parts["against_hits"], v.parts["against_n"], v.n or 1
    few = _FEW if min(n, other_n) < SMALL else Phrase("", "")
    inside = acts(part, v.names) if of == "acts" else of_unit(of, part, v.names)
    there = Phrase("the whole log", "整个日志") if against == Scope() else of_unit(of, against, v.names)
    return say(
        "The share of {part} was {value:.2f} times as high among {here} as in {there} ({a} of {n} against {b} of {m:,}{few}).",
        "在{here}中，{part}的占比是{there}的 {value:.2f} 倍（{count:,} {measure}中占 {a}，对照 {m:,} {measure}中占 {b}{few}）。",
        part=inside, value=v.value, here=of_unit(of, claim.scope, v.names), there=there, a=percent(hits / n), n=number_of(n, of), count=n,
        b=percent(other / other_n), m=other_n, measure=UNITS[of][3], few=few,
    )  # fmt: skip


def _compare(claim: Claim, v: Verdict) -> Phrase:
    measure, against, how = (claim.arguments[name] for name in ("measure", "against", "how"))
    here, there, value = v.parts["here"], v.parts["there"], cast(float, v.value)
    shares = measure.predicate in _IN_PERCENT
    figures = [_figure(measure, figure, n) for figure, n in ((here, v.parts["n_here"]), (there, v.parts["n_there"]))]
    if how == "ratio":
        told = say("{v:.2f} times as high", "前者为后者的 {v:.2f} 倍", v=value)
    elif not value:
        told = Phrase("no difference", "两者相同")
    else:
        size = abs(value)
        if shares:
            told = say("{v:.1f} percentage points {d}", "前者{zh} {v:.1f} 个百分点", v=100 * size, **_direction(value))
        elif isinstance(value, int):
            told = say("{v:,} {d}", "前者{zh} {v:,}", v=size, **_direction(value))
        else:
            told = say("{v:.2f} {d}", "前者{zh} {v:.2f}", v=size, **_direction(value))
    n_least = min(v.parts["n_here"] or 0, v.parts["n_there"] or 0)
    few = _FEW if measure.predicate not in ("count", "recency") and n_least < SMALL else Phrase("", "")
    one, other = (_subject(measure, scope, v) for scope in (claim.scope, against))
    if measure.predicate == "count":
        return say(
            "The number of {one} was {a}, against {b} for {other}: {told}.", "{one}数为 {a}，{other}数为 {b}：{told}。",
            one=one, other=other, a=figures[0], b=figures[1], told=told,
        )  # fmt: skip
    return say(
        "{label} for {one} was {a}, against {b} for {other}: {told}{few}.", "{one}的{label}为 {a}，{other}为 {b}：{told}{few}。",
        label=_label(measure, v), one=one, other=other, a=figures[0], b=figures[1], told=told, few=few,
    )  # fmt: skip


def _subject(measure: Claim, scope: Scope, v: Verdict) -> Phrase:
    """Whose figure it is: users, sessions or acts of a scope."""
    unit = measure.arguments.get("of", "acts")
    if measure.predicate == "mean":
        unit = {"user": "users", "session": "sessions"}.get(measure.arguments["per"], "acts")
    if scope == Scope() and measure.predicate != "count":
        return Phrase("the whole log", "整个日志")
    return of_unit(unit, scope, v.names)


_TEMPLATES: Final[Mapping[str, Callable[[Claim, Verdict], Phrase]]] = {
    "count": _count, "share": _share, "mean": _mean, "top": _top, "trend": _trend, "first": _edge, "last": _edge, "recency": _recency,
    "rhythm": _rhythm, "follows": _follows, "repeat_rate": _repeat_rate, "novelty": _novelty, "drift": _drift, "lift": _lift,
    "compare": _compare,
}  # fmt: skip
_LISTED: Final = {
    "item": ("item", "items", "商品"), "category": ("category", "categories", "类别"), "brand": ("brand", "brands", "品牌"),
    "event_type": ("type of act", "types of act", "行为类型"), "user": ("user", "users", "用户"), "query": ("query", "queries", "搜索词"),
    "day": ("day", "days", "日期"), "month": ("month", "months", "月份"),
}  # fmt: skip
_IN_PERCENT: Final = ("share", "trend", "follows", "repeat_rate", "novelty", "drift")


def _ratio(v: Verdict, of: str, whole: Phrase, verb: Phrase, told: Phrase) -> Phrase:
    """A share with its counts; of few cases the counts first."""
    hits, n, share, measure = v.parts["hits"], v.n or 0, percent(cast(float, v.value)), UNITS[of][3]
    if n < SMALL:
        return say(
            "{hits:,} of {n:,} {whole} {verb} {told} ({share}{few}).",
            "{n:,} {measure}{whole}中有 {hits:,} {measure}{verb}{told}（{share}{few}）。",
            hits=hits, n=n, whole=whole, verb=verb, told=told, share=share, few=_FEW, measure=measure,
        )  # fmt: skip
    return say(
        "{share} of {whole} {verb} {told} ({hits:,} of {n:,}).",
        "{whole}中有 {share} {verb}{told}（{n:,} {measure}中的 {hits:,} {measure}）。",
        share=share, whole=whole, verb=verb, told=told, hits=hits, n=n, measure=measure,
    )  # fmt: skip


def _both(scope: Scope, part: Scope, v: Verdict) -> Phrase:
    merged = joined(scope, part)
    if merged is not None:
        return acts(merged, v.names)
    return say("{part} among {scope}", "{scope}之中的{part}", part=acts(part, v.names), scope=acts(scope, v.names))


def _name(by: str, name: str, v: Verdict) -> Phrase:
    if by == "item":
        return cast(Phrase, v.names.get(name, quoted(name)))
    if by in ("user", "day", "month", "event_type"):
        return Phrase(name, quoted(name).zh)
    return quoted(name)


def _direction(value: float) -> dict[str, str]:
    return {"d": "higher", "zh": "高"} if value > 0 else {"d": "lower", "zh": "低"}


def _figure(measure: Claim, value: float, n: int | None) -> Phrase:
    over = Phrase("", "") if n is None or measure.predicate in ("count", "recency") else Phrase(f" (n = {n:,})", f"（n = {n:,}）")
    if measure.predicate in _IN_PERCENT:
        shown = percent(value)
    elif isinstance(value, int):
        shown = f"{value:,}"
    else:
        shown = f"{value:.1f} days" if measure.predicate == "recency" else f"{value:.2f}"
    return Phrase(f"{shown}{over}", f"{shown.replace(' days', ' 天')}{over.zh}")


def _label(measure: Claim, v: Verdict) -> Phrase:
    """What a measure is called in a comparison."""
    m, a = measure.predicate, measure.arguments
    if m == "count":
        return say("the number of {of}", "{zh}数", of=UNITS[a["of"]][1], zh=UNITS[a["of"]][2])
    if m in ("share", "lift"):
        word = Phrase("share", "占比") if m == "share" else Phrase("lift", "提升度")
        part = acts(a["part"], v.names) if a["of"] == "acts" else of_unit(a["of"], a["part"], v.names)
        return say("the {word} of {part}", "{part}{word}", word=word, part=part)
    if m == "mean":
        if a["of"] in ("value", "price"):
            return say("the mean {of}", "平均{zh}", of=a["of"], zh={"value": "数值", "price": "价格"}[a["of"]])
        what = acts(a["part"], v.names) if a["of"] == "acts" else of_unit(a["of"], a["part"], v.names)
        if a["of"] != "acts" and a["part"] == Scope():
            what = Phrase(UNITS[a["of"]][1], UNITS[a["of"]][2])
        per = {"user": "每位用户", "session": "每个会话", "day": "每天"}[a["per"]]
        return say("the mean number of {what} per {per}", "{zh}平均{what}数", what=what, per=a["per"], zh=per)
    if m == "follows":
        return say("the share of {a} directly followed by {b}", "{a}之后紧接{b}的占比", a=acts(a["a"], v.names), b=acts(a["b"], v.names))
    things = {"item": ("items", "商品"), "category": ("categories", "类别")}.get(a.get("by", "item"), ("items", "商品"))
    days = a.get("window_days", 0)
    return {
        "trend": say("the change over the last {d:g} days", "最近 {d:g} 天的变化", d=days),
        "recency": Phrase("the time since the last act", "距最近一次的时间"),
        "repeat_rate": Phrase(f"the share of {things[0]} met before", f"重复{things[1]}占比"),
        "novelty": say("the share of new {t} over the last {d:g} days", "最近 {d:g} 天新{z}占比", t=things[0], z=things[1], d=days),
        "drift": Phrase(f"the drift of {things[0]}", f"{things[1]}偏移"),
    }[m]


def _asked(claim: Claim, v: Verdict) -> Phrase:
    """What a claim without a value asked."""
    a = claim.arguments
    if claim.predicate == "share":
        return say(
            "the share of {part} in {whole}", "{whole}中{part}的占比", part=acts(a["part"], v.names), whole=acts(claim.scope, v.names)
        )
    if claim.predicate == "follows":
        return say("what follows {a}", "{a}之后的行为", a=_both(claim.scope, a["a"], v))
    if claim.predicate == "lift":
        return say(
            "the lift of {part} among {here}", "{here}中{part}的提升度", part=acts(a["part"], v.names), here=acts(claim.scope, v.names)
        )
    if claim.predicate == "compare":
        return say(
            "{label} for {here} against {there}", "{here}与{there}的{label}之比较", label=_label(a["measure"], v),
            here=acts(claim.scope, v.names), there=acts(a["against"], v.names),
        )  # fmt: skip
    here = acts(claim.scope, v.names)
    if claim.predicate in _MEASURED:
        return say("{label} for {here}", "{here}的{label}", label=_label(claim, v), here=here)
    if claim.predicate in ("first", "last"):
        which = {"first": Phrase("first", "首次"), "last": Phrase("last", "最近一次")}[claim.predicate]
        return say("the {which} of {here}", "{which}{here}", which=which, here=here)
    return here


_MEASURED: Final = ("mean", "trend", "recency", "repeat_rate", "novelty", "drift")


def _capital(text: Phrase) -> Phrase:
    english = str(text)
    lower = english[:1].islower() and not any(character.isdigit() or character == "_" for character in english.split(" ")[0])
    return Phrase(english[:1].upper() + english[1:] if lower else english, text.zh.strip())


def shown(verdict: Verdict) -> Any:
    """The value with its unit, as a table shows it: `12.3%`, `4.31 acts per user`, `1,234 acts`."""
    value, unit = verdict.value, verdict.unit
    if value is None:
        return Phrase("undefined", "无定义")
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if unit in ("share", "relative"):
        return percent(cast(float, value))
    if unit == "weekday":
        return Phrase(WEEKDAYS[cast(int, value)], WEEKDAYS_ZH[cast(int, value)])
    if unit == "hour":
        return f"{value:02}:00"
    if isinstance(value, tuple):
        return listed([verdict.names.get(name, name) for name in value])
    if isinstance(value, int):
        return number_of(value, unit) if unit in UNITS else f"{value:,}"
    if isinstance(value, float):
        return f"{value:.1f} days" if unit == "days" else f"{value:.2f} {unit}"
    return verdict.names.get(value, value)
