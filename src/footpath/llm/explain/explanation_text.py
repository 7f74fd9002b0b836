"""An explanation in sentences, English and Chinese: templates around computed figures, each with its denominator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from footpath.llm.explain.deletion import FALLEN, Outcome
from footpath.llm.explain.evidence import Pattern
from footpath.llm.explain.explanation import Alternative, Citation, Event, Explanation
from footpath.result import Phrase, say
from footpath.statistics import SMALL


def sentences(of: Explanation) -> Iterator[Phrase]:
    """What leaving events out shows, or that it shows nothing."""
    yield _place(of)
    if of.seen:
        yield say(
            "The history holds it already, in {n:,} of {all:,} events; lists {may}",
            "历史中已有它（{all:,} 个事件中的 {n:,} 个）；列表{may}",
            n=of.seen,
            all=of.n_events,
            may=Phrase("may repeat it", "可以再次列出它") if of.repeat else Phrase("leave it out", "不再列出它"),
        )
    yield from _what_carries(of)
    if of.alternative is not None:
        yield _instead(of, of.alternative)
    elif of.rank <= of.k and of.basis != "nothing":
        yield say(
            "None of the {n:,} sets of at most {most} events that were tried takes it out of the first {k}; "
            "the furthest back it goes is place {lowest:,}",
            "试过的 {n:,} 组事件（每组至多 {most} 个）都不能让它离开前 {k} 位；最远退到第 {lowest:,} 位",
            n=of.n_sets,
            most=of.most,
            k=of.k,
            lowest=of.lowest,
        )


def evidence(of: Explanation) -> Iterator[Phrase]:
    """What the log and the item table say of the item and each item of the cited events."""
    told: set[str] = set()
    for citation in of.cited:
        if citation.event.item_id not in told:
            yield from _about(of, citation)
        told.add(citation.event.item_id)


def _place(of: Explanation) -> Phrase:
    place = say(
        "{item} stands at place {rank:,} of {n:,} candidates after a history of {events:,} {noun}",
        "在 {events:,} 个事件的历史之后，{item} 排在 {n:,} 个候选中的第 {rank:,} 位",
        item=_named(of.title or of.item_id),
        rank=of.rank,
        n=of.n_candidates,
        events=of.n_events,
        noun="event" if of.n_events == 1 else "events",
    )
    if of.rank <= of.k:
        return place
    not_listed = Phrase("it was not recommended", "没有推荐它")
    return say("{place}: not among the first {k}, so {so}", "{place}：不在前 {k} 位，所以{so}", place=place, k=of.k, so=not_listed)


def _what_carries(of: Explanation) -> Iterator[Phrase]:
    if of.outcome is None:
        yield say(
            "The history holds no event on an item that the model knows: the place is what the model gives everybody without one",
            "历史中没有模型认识的物品：这个名次是模型给所有这类用户的",
        )
        return
    empty = say("after an empty history it stands at place {rank:,}", "历史为空时它排第 {rank:,} 位", rank=of.empty_rank)
    if of.basis == "nothing":
        yield _nothing(of, of.outcome)
        yield Phrase(empty[0].upper() + empty[1:], empty.zh)
        return
    n, outcome = len(of.cited), of.outcome
    moves = say("it goes from place {rank:,} to place {after:,}", "从第 {rank:,} 位到第 {after:,} 位", rank=of.rank, after=outcome.rank)
    stays = say("it stays at place {rank:,}", "仍在第 {rank:,} 位", rank=of.rank)
    without = say(
        "Without {events} ({n} of {all:,} events) its score falls by {drop:.4g} and {then}",
        "删去{events}（{all:,} 个事件中的 {n} 个）后，它的分数下降 {drop:.4g}，{then}",
        events=_listed([citation.event for citation in of.cited]),
        n=n,
        all=of.n_events,
        drop=outcome.drop,
        then=stays if outcome.rank == of.rank else moves,
    )
    if of.basis == "history":
        few = Phrase(
            "The events that weigh most throw it no further back than as many random ones do on average",
            "分量最重的事件并不比同样多的随机事件使它平均后退得更远",
        )
        without = say("{few}. {without}", "{few}。{without}", few=few, without=without)
    yield without
    yield from _alone(of)
    yield from _beside(of, n)
    yield say(
        "With nothing but {those} it stands at place {kept:,}; {empty}",
        "只保留{those}时，它排第 {kept:,} 位；{empty}",
        those=Phrase("that event", "这个事件") if n == 1 else Phrase(f"these {n} events", f"这 {n} 个事件"),
        kept=outcome.kept_rank,
        empty=empty,
    )


def _alone(of: Explanation) -> Iterator[Phrase]:
    """The event that costs most by itself, which a list of recommendations names, where others together carry more."""
    tried = [(event.outcome.drop, event) for event in of.events if event.outcome is not None]
    drop, most = max(tried, key=lambda one: one[0], default=(0.0, None))
    cited = {citation.event.item_id for citation in of.cited}
    if most is None or most.outcome is None or drop <= FALLEN or most.item_id in cited:
        return
    yield say(
        "Of single events {event} costs it most score, {drop:.4g}; it then stands at place {rank:,}",
        "若只删去一个事件，{event}使它的分数下降最多，为 {drop:.4g}；这时它排第 {rank:,} 位",
        event=_named(most.title or most.item_id),
        drop=drop,
        rank=most.outcome.rank,
    )


def _nothing(of: Explanation, outcome: Outcome) -> Phrase:
    """How the set that weighs most fails the test."""
    if of.largest_drop <= FALLEN and of.lowest <= of.rank:
        return say(
            "No event of the history carries it: leaving out any of {n:,} sets of at most {most} events lowers neither its score nor "
            "its place",
            "历史中没有事件支撑它：试删 {n:,} 组事件（每组至多 {most} 个），分数和名次都不下降",
            n=of.n_sets,
            most=of.most,
        )
    if of.random is None:
        return say(
            "The history does not carry it: without its {n} {noun} the score falls by {drop:.4g} and the place is {rank:,}",
            "历史不支撑它：删去全部 {n} 个事件后，分数下降 {drop:.4g}，排第 {rank:,} 位",
            n=of.n_left_out,
            noun="event" if of.n_left_out == 1 else "events",
            drop=outcome.drop,
            rank=outcome.rank,
        )
    return say(
        "No few events of the history carry it: without the {n} that weigh most it stands at place {rank:,}, without {n} random ones at "
        "place {mean:,.1f} on average, and {level:.0%} of {draws} other random sets leave it no larger a lead over the best other item",
        "历史中没有哪几个事件支撑它：删去分量最重的 {n} 个后排第 {rank:,} 位，随机删去 {n} 个后平均排第 {mean:,.1f} 位；"
        "在 {draws} 组其他随机事件中，{level:.0%} 使它的领先同样小或更小",
        n=of.n_left_out,
        rank=outcome.rank,
        mean=of.random.mean_rank,
        level=1 - of.random.ahead,
        draws=of.random.others,
    )


def _beside(of: Explanation, n: int) -> Iterator[Phrase]:
    if of.random is None:
        yield Phrase("The history has no other events to compare them with", "历史中没有其他事件可比")
        return
    yield say(
        "Of {draws} random sets of {n} of its events, {nearer:.0%} throw it back less far and {less:.0%} cost it less score; "
        "on average it then stands at place {mean:,.1f}",
        "随机删去其中 {n} 个事件，共 {draws} 次：{nearer:.0%} 的后退更少，{less:.0%} 的分数下降更小；平均排第 {mean:,.1f} 位",
        draws=of.random.draws,
        n=n,
        nearer=of.random.nearer,
        less=of.random.less,
        mean=of.random.mean_rank,
    )
    if of.last is not None:
        yield say(
            "Without {newest} it stands at place {rank:,}",
            "删去{newest}后，它排第 {rank:,} 位",
            newest=Phrase("the newest event", "最新的事件") if n == 1 else Phrase(f"the {n} newest events", f"最新的 {n} 个事件"),
            rank=of.last.rank,
        )
    if of.alike is not None and of.alike_by is not None:
        yield say(
            "Without {those} most like it, by {by}, it stands at place {rank:,}",
            "按{by}，删去与它最相似的{those}后，它排第 {rank:,} 位",
            those=Phrase("the event", "事件") if n == 1 else Phrase(f"the {n} events", f" {n} 个事件"),
            by=of.alike_by,
            rank=of.alike.rank,
        )


def _instead(of: Explanation, other: Alternative) -> Phrase:
    said = say(
        "Without {events} it would stand at place {rank:,}, not among the first {k}",
        "若没有{events}，它会排第 {rank:,} 位，不在前 {k} 位",
        events=_listed(other.events),
        rank=other.rank,
        k=of.k,
    )
    if other.instead is not None:
        new = _named(other.instead[1] or other.instead[0])
        said = say("{said}, and {new} would be listed instead", "{said}，{new}会进入列表", said=said, new=new)
    if other.in_its_place not in (None, other.instead):
        assert other.in_its_place is not None
        at = _named(other.in_its_place[1] or other.in_its_place[0])
        said = say("{said}; in its place would stand {at}", "{said}；原来的位置会是{at}", said=said, at=at)
    return said


def _about(of: Explanation, citation: Citation) -> Iterator[Phrase]:
    two = {"cited": _named(citation.event.title or citation.event.item_id), "item": _named(of.title or of.item_id)}
    if citation.pattern is not None:
        yield _pattern(citation.pattern, two)
    alike = []
    if citation.category is not None:
        alike.append(
            say(
                "both are of the category {category}, with {n:,} of {all:,} items",
                "同属类别{category}，有全部 {all:,} 件中的 {n:,} 件",
                category=_named(citation.category),
                n=citation.n_in_category,
                all=of.n_items,
            )
        )
    if citation.words is not None:
        alike.append(say("their words have a cosine of {cosine:.2f}", "描述文字的余弦为 {cosine:.2f}", cosine=citation.words))
    if of.alike_by is not None:
        alike.append(say("the cosine by {by} is {cosine:.2f}", "按{by}，余弦为 {cosine:.2f}", by=of.alike_by, cosine=citation.alike))
    if alike:
        listed = Phrase("; ".join(alike), "；".join(text.zh for text in alike))
        yield say("{cited} and {item}: {alike}", "{cited}和{item}：{alike}", **two, alike=listed)


def _pattern(p: Pattern, two: dict[str, Phrase]) -> Phrase:
    if not p.n_with:
        return say("None of the {n:,} other users of the log had {cited}", "日志中其他 {n:,} 位用户都没有{cited}", n=p.n_users, **two)
    counts = say(
        "Of {n:,} other users who had {cited}, {both:,} had {item} too, {later:,} of them later and {next:,} as the very next event; "
        "of all {all:,} other users {base:,} had it",
        "在其他 {n:,} 位有{cited}的用户中，{both:,} 位也有{item}，其中 {later:,} 位在其后，{next:,} 位紧接其后；"
        "其他全部 {all:,} 位用户中，{base:,} 位有它",
        n=p.n_with,
        both=p.n_both,
        later=p.n_later,
        next=p.n_next,
        all=p.n_users,
        base=p.n_item,
        **two,
    )
    if np.isnan(p.lift):
        return counts
    if p.n_with < SMALL:
        return say(
            "{counts}; fewer than {few} had the first, too few to compare shares",
            "{counts}；前者不足 {few} 人，不比较比例",
            counts=counts,
            few=SMALL,
        )
    return say("{counts}: {lift:.3g} times the share", "{counts}：比例之比为 {lift:.3g}", counts=counts, lift=p.lift)


def limits(of: Explanation) -> Iterator[Phrase]:
    """What was not looked at, and what counts as an event."""
    if of.n_unknown:
        yield say(
            "{n:,} of {all:,} events are on items that the model does not know",
            "{all:,} 个事件中有 {n:,} 个的物品是模型不认识的",
            n=of.n_unknown,
            all=of.n_events,
        )
    known = of.n_events - of.n_unknown
    if len(of.events) < known:
        yield say(
            "Only the newest {n:,} of {all:,} events on known items were left out in turn; the older ones stayed",
            "{all:,} 个已知物品的事件中，只试删了最新的 {n:,} 个；更早的一直保留",
            n=len(of.events),
            all=known,
        )
    if of.n_repeated:
        yield say(
            "{n:,} of these {all:,} events repeat an item of an earlier one; events are left out, not items",
            "这 {all:,} 个事件中有 {n:,} 个重复了较早的物品；删去的是事件，不是物品",
            n=of.n_repeated,
            all=len(of.events),
        )


def _named(title: str) -> Phrase:
    return Phrase(f"“{title}”", f"“{title}”")


def _listed(events: Sequence[Event]) -> Phrase:
    """Titles, or ids where there are none; an item of several events once, with their number."""
    counts: dict[str, int] = {}
    for event in events:
        name = event.title or event.item_id
        counts[name] = counts.get(name, 0) + 1
    names = [f"“{name}”" + (f" ({count} times)" if count > 1 else "") for name, count in counts.items()]
    chinese = [f"“{name}”" + (f"（{count} 次）" if count > 1 else "") for name, count in counts.items()]
    return Phrase(names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}", "、".join(chinese))
