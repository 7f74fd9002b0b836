"""How a scope reads in a sentence, in English and Chinese: acts of which kind, on what, by whom, when."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, time, timedelta
from typing import Any, Final

from footpath.llm.claims.claims import Scope
from footpath.page.figures import show
from footpath.result import Phrase, say

NOUNS: Final[Mapping[str, tuple[str, str, str]]] = {
    "act": ("act", "acts", "行为"),
    "view": ("view", "views", "浏览"),
    "click": ("click", "clicks", "点击"),
    "cart": ("addition to the cart", "additions to the cart", "加购"),
    "favourite": ("favourite", "favourites", "收藏"),
    "purchase": ("purchase", "purchases", "购买"),
    "rating": ("rating", "ratings", "评分"),
    "impression": ("impression", "impressions", "展示"),
    "remove": ("removal", "removals", "移除"),
    "search": ("search", "searches", "搜索"),
    "other": ("other act", "other acts", "其他行为"),
}
"""An event type as one and as several in English, and in Chinese."""
UNITS: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "acts": ("act", "acts", "行为", "次"),
    "users": ("user", "users", "用户", "位"),
    "items": ("item", "items", "商品", "个"),
    "categories": ("category", "categories", "类别", "个"),
    "brands": ("brand", "brands", "品牌", "个"),
    "sessions": ("session", "sessions", "会话", "个"),
    "days": ("day", "days", "日期", "天"),
}
"""What is counted: one, several, in Chinese, and its Chinese measure word."""
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WEEKDAYS_ZH: Final = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
LONGEST_NAME: Final = 120
"""Letters of a name from the log that a sentence shows."""
_PLAIN_ID: Final = re.compile(r"[\w.\-:]+")
_CONDITION: Final = re.compile(r"(?P<name>.+?)\s*(?P<sign>!=|>=|<=|=|>|<)\s*(?P<value>.+)", re.DOTALL)
_SIGNS: Final = {
    "=": ("exactly", "恰好"), "!=": ("other than", "不等于"), ">=": ("at least", "至少"), "<=": ("at most", "至多"),
    ">": ("more than", "超过"), "<": ("fewer than", "少于"),
}  # fmt: skip


def quoted(name: str) -> Phrase:
    """A name from the log, in quotes, on one line."""
    shown = " ".join(str(name).split())
    shown = shown if len(shown) <= LONGEST_NAME else f"{shown[:LONGEST_NAME]}…"
    return Phrase(f'"{shown}"', f"“{shown}”")


def acts(scope: Scope, names: Mapping[str, Any], *, many: bool = True, which: str = "") -> Phrase:
    """The acts that a scope takes: `purchases in the category "tea" by user u1 from 2024-10-01 to 2024-10-31`.

    names: how items read, by id. many: as several; else as one. which: a Chinese word before the noun, such as the first or the last.
    """
    what, who, when = _what(scope, names), _who(scope), _when(scope)
    english = [_noun(scope.event_types, many), *map(str, (*what, *who, *when)), *_except(scope)]
    half = {None: "", "first": "前半段", "second": "后半段"}[scope.half]
    if half:
        english.append(f"in the {scope.half} half of each user's acts")
        half = half if who else f"各用户{half}"
    left_out = "、".join(NOUNS[kind][2] for kind in scope.not_event_types)
    noun = f"{which}{_noun_zh(scope.event_types)}{f'（不含{left_out}）' if left_out else ''}"
    before = "".join(part.zh for part in when) + "".join(part.zh for part in who) + half
    on = "、".join(part.zh.removesuffix("的") for part in what)
    return Phrase(" ".join(english), f"{before}{on}{'的' if on or before else ''}{noun}")


def of_unit(unit: str, scope: Scope, names: Mapping[str, Any]) -> Phrase:
    """Acts of a scope, or users, items, sessions or days with such acts."""
    if unit == "acts":
        return acts(scope, names)
    _, many, chinese, _ = UNITS[unit]
    if scope == Scope():
        return Phrase(many, chinese)
    if unit != "users" or scope.user is not None:
        return say("{many} with {acts}", "有过{acts}的{zh}", many=many, zh=chinese, acts=acts(scope, names))
    rest = replace(scope, segment=None, not_user=None, without_event_types=())
    said = [] if scope.segment is None else [say("with {rule}", "{rule}", rule=segment(scope.segment))]
    if scope.not_user is not None:
        said.append(say("other than {id}", "不是用户 {id} ", id=_id(scope.not_user)))
    if rest != Scope() or not said:
        said.append(say("with {acts}", "有过{acts}", acts=acts(rest, names)))
    if scope.without_event_types:
        said.append(Phrase(f"without any {_noun(scope.without_event_types, True)} there", f"其中没有{_noun_zh(scope.without_event_types)}"))
    return Phrase(f"users {' and '.join(said)}", f"{'且'.join(part.zh for part in said)}的用户")


def number_of(n: int, unit: str) -> Phrase:
    """`1 user`, `12 users`, `12 位用户`."""
    one, many, chinese, measure = UNITS[unit]
    return Phrase(f"{n:,} {one if n == 1 else many}", f"{n:,} {measure}{chinese if unit != 'days' else ''}")


def joined(scope: Scope, part: Scope) -> Scope | None:
    """One scope for both, or None where they narrow the same thing differently."""
    merged = {}
    for f in fields(Scope):
        one, other = getattr(scope, f.name), getattr(part, f.name)
        if one in (None, ()) or other in (None, ()) or one == other:
            merged[f.name] = other if one in (None, ()) else one
        else:
            return None
    if merged["without_event_types"]:  # it is said of the scope that it stands in
        return None
    return Scope(**merged)


def segment(rule: str) -> Phrase:
    """A rule in words: `segment "loyal" and at least 3 purchases`."""
    found = [_condition(condition) for condition in rule.split(" and ")]
    return Phrase(" and ".join(found), "且".join(part.zh for part in found))


def day_or_time(moment: datetime) -> str:
    if moment.time() == time():
        return f"{moment:%Y-%m-%d}"
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment.second else f"{moment:%Y-%m-%d %H:%M}"


def listed(words: Sequence[Any], *, last: str = "and", last_zh: str = "、") -> Phrase:
    """`a, b and c`; `a、b、c`."""
    english, chinese = [str(word) for word in words], [getattr(word, "zh", str(word)) for word in words]
    head = ", ".join(english[:-1])
    return Phrase(f"{head} {last} {english[-1]}" if head else english[-1], last_zh.join(chinese))


def _noun(types: Sequence[str], many: bool) -> str:
    return str(listed([NOUNS[kind][1 if many else 0] for kind in types or ("act",)], last="or"))


def _noun_zh(types: Sequence[str]) -> str:
    return "或".join(NOUNS[kind][2] for kind in types or ("act",))


def _what(scope: Scope, names: Mapping[str, Any]) -> list[Phrase]:
    said = []
    if scope.item is not None:
        said.append(say("of {item}", "对{item}的", item=names.get(scope.item, quoted(scope.item))))
    if scope.category is not None:
        said.append(say("in the category {name}", "在类别{name}中的", name=quoted(scope.category)))
    if scope.brand is not None:
        said.append(say("of the brand {name}", "对品牌{name}的", name=quoted(scope.brand)))
    if scope.query is not None:
        said.append(say("with the query {name}", "以{name}为搜索词的", name=quoted(scope.query)))
    low, high = scope.value_from, scope.value_to
    if low is not None and low == high:
        said.append(say("with the value {n}", "数值为 {n} 的", n=f"{low:g}"))
    elif low is not None and high is not None:
        said.append(say("with a value from {low} to {high}", "数值在 {low} 至 {high} 之间的", low=f"{low:g}", high=f"{high:g}"))
    elif low is not None:
        said.append(say("with a value of at least {n}", "数值不低于 {n} 的", n=f"{low:g}"))
    elif high is not None:
        said.append(say("with a value of at most {n}", "数值不高于 {n} 的", n=f"{high:g}"))
    if scope.not_item is not None:
        said.append(say("of anything but {item}", "对{item}以外商品的", item=names.get(scope.not_item, quoted(scope.not_item))))
    if scope.not_category is not None:
        said.append(say("outside the category {name}", "在类别{name}以外的", name=quoted(scope.not_category)))
    if scope.not_brand is not None:
        said.append(say("not of the brand {name}", "对品牌{name}以外商品的", name=quoted(scope.not_brand)))
    return said


def _who(scope: Scope) -> list[Phrase]:
    said = []
    if scope.user is not None:
        said.append(say("by user {id}", "用户 {id} ", id=_id(scope.user)))
    if scope.segment is not None:
        said.append(say("by users with {rule}", "{rule}的用户", rule=segment(scope.segment)))
    if scope.not_user is not None:
        said.append(say("by users other than {id}", "用户 {id} 以外的用户", id=_id(scope.not_user)))
    if scope.without_event_types:
        nouns = _noun(scope.without_event_types, True)
        said.append(Phrase(f"by users without any {nouns} there", f"其中没有{_noun_zh(scope.without_event_types)}的用户"))
    return said


def _when(scope: Scope) -> list[Phrase]:
    said = []
    since, until = scope.since, scope.until
    if since is not None and until is not None:
        if since.time() == time() == until.time() and until - since == timedelta(days=1):
            said.append(say("on {a}", "{a} 当天", a=day_or_time(since)))
        elif since.time() == time() == until.time():
            said.append(say("from {a} to {b}", "{a} 至 {b} 期间", a=day_or_time(since), b=day_or_time(until - timedelta(days=1))))
        else:
            said.append(say("from {a} until before {b}", "{a} 起至 {b} 之前", a=day_or_time(since), b=day_or_time(until)))
    elif since is not None:
        said.append(say("from {a} on", "{a} 起", a=day_or_time(since)))
    elif until is not None:
        said.append(say("before {b}", "{b} 之前", b=day_or_time(until)))
    if scope.weekdays:
        days = Phrase(str(listed([f"{WEEKDAYS[day]}s" for day in scope.weekdays])), "、".join(WEEKDAYS_ZH[day] for day in scope.weekdays))
        said.append(say("on {days}", "{days}", days=days))
    if scope.hours:
        said.append(_hours(scope.hours))
    return said


def _hours(hours: Sequence[int]) -> Phrase:
    """One stretch of hours, also across midnight, or a list of them."""
    for start in hours:
        if (start - 1) % 24 not in hours and all((start + step) % 24 in hours for step in range(len(hours))):
            end = (start + len(hours) - 1) % 24
            return say("between {a:02}:00 and {b:02}:59", "{a:02}:00 至 {b:02}:59 之间", a=start, b=end)
    return say("in the hours {hours}", "{zh} 时", hours=str(listed(hours)), zh="、".join(map(str, hours)))


def _except(scope: Scope) -> list[str]:
    return [f"except {_noun(scope.not_event_types, True).replace(' or ', ' and ')}"] if scope.not_event_types else []


def _id(name: str) -> str:
    return name if _PLAIN_ID.fullmatch(name) and len(name) <= LONGEST_NAME else str(quoted(name))


def _condition(condition: str) -> Phrase:
    parsed = _CONDITION.fullmatch(condition)
    if parsed is None:
        return Phrase(condition, condition)
    name, sign, value = (parsed[part].strip() for part in ("name", "sign", "value"))
    unit = UNITS.get(name) if name in ("acts", "sessions", "items", "days") else None
    one, many, chinese, measure = unit if unit is not None else (*NOUNS.get(name, ("", "", "")), "次")
    if one:
        english, word = _SIGNS[sign]
        if (sign, value) in (("=", "0"), ("<", "1")):
            return Phrase(f"no {many}", f"没有{chinese}")
        noun = one if value == "1" else many
        return Phrase(f"{english} {value} {noun}", f"{chinese}{word} {value} {measure}")
    if sign == "=":
        return say("{name} {value}", "字段 {name} 为{value}", name=name, value=quoted(value))
    if sign == "!=":
        return say("{name} other than {value}", "字段 {name} 不为{value}", name=name, value=quoted(value))
    english, word = {">=": ("at least", "不低于"), "<=": ("at most", "不高于"), ">": ("above", "高于"), "<": ("below", "低于")}[sign]
    return Phrase(f"{name} {english} {value}", f"字段 {name} {word} {value}")


def percent(share: float) -> str:
    return show(float(share), "share")
