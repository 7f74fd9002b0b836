"""The sentences of `footpath.llm.claims.templates` read back: from the wording of a template to the claim that it was rendered from.

Whether such a sentence is true is then a matter of rendering the claim again: word for word the same, or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Literal, cast

from footpath.llm.claims.claims import Claim, Scope
from footpath.llm.claims.wording import NOUNS, UNITS, WEEKDAYS, WEEKDAYS_ZH

Lang = Literal["en", "zh"]
_NUMBER: Final = r"(?:[\d,]+(?:\.\d+)?)"
_PERCENT: Final = r"[\d.]+(?:e-?\d+)?%"
_TIME: Final = r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?"
_MINUTE: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d"
_ID: Final = r'(?:[\w.\-:]+|"[^"]+")'
_ID_ZH: Final = r'(?:[A-Za-z0-9_.\-:]+|"[^"]+")'


def _any(words: Any) -> str:
    return "(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")"


_N: Final = _any(word for one, several, _ in NOUNS.values() for word in (one, several))
_NOUNS: Final = rf"{_N}(?:(?:, {_N})* or {_N})?"
_ALL: Final = rf"{_N}(?:(?:, {_N})* and {_N})?"
_N_ZH: Final = _any(chinese for _, _, chinese in NOUNS.values())
_COUNTED: Final = {word: kind for kind, words in NOUNS.items() if kind != "act" for word in words} | {
    word: kind for kind, words in UNITS.items() if kind in ("acts", "sessions", "items", "days") for word in words[:3]
}  # fmt: skip
_C: Final = _any(_COUNTED)
_CONDITION: Final = (
    rf'(?:no {_C}|(?:exactly|at least|at most|more than|fewer than|other than) [\d.]+ {_C}|\w+ (?:other than )?"[^"]+"|'
    r"\w+ (?:at least|at most|above|below) [\w.:\-]+)"
)
_RULE: Final = rf"{_CONDITION}(?: and {_CONDITION})*"
_CONDITION_ZH: Final = (
    rf"(?:没有{_C}|{_C}(?:恰好|至少|至多|超过|少于|不等于) [\d.]+ [次个天]|字段 \w+ (?:为|不为)“[^”]+”|字段 \w+ "
    rf"(?:不低于|不高于|高于|低于) [\w.:\-]+)"
)
_RULE_ZH: Final = rf"{_CONDITION_ZH}(?:且{_CONDITION_ZH})*"
_DAYS: Final = rf"(?:{'|'.join(WEEKDAYS)})s"
_DAYS_ZH: Final = "(?:" + "|".join(WEEKDAYS_ZH) + ")"


_SOME_DAYS: Final = rf"{_DAYS}(?:(?:, {_DAYS})* and {_DAYS})?"
_SOME_DAYS_ZH: Final = rf"{_DAYS_ZH}(?:、{_DAYS_ZH})*"
_SOME_HOURS: Final = r"\d+(?:(?:, \d+)* and \d+)?"
_SOME_HOURS_ZH: Final = r"\d+(?:、\d+)*"
_NOUNS_ZH: Final = rf"{_N_ZH}(?:或{_N_ZH})*"
_ALL_ZH: Final = rf"{_N_ZH}(?:、{_N_ZH})*"
_QUOTED: Final = r'[^"]+'
_QUOTED_ZH: Final = r"[^”]+"
_DECIMAL: Final = r"[-\d.]+"
_TWO: Final = r"\d\d"


class _Grammar:
    """How scopes read in one language."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang

    def acts(self, which: str = "") -> str:
        """A scope as acts."""

        def g(key: str, pattern: str) -> str:
            return f"(?P<{key}>{pattern})"

        def item(key: str) -> str:
            one, by_id, bare = (g(f"{key}{end}", pattern) for end, pattern in zip(("", "_id", "_only"), quoted, strict=True))
            return rf'(?:"{one}"(?: \({by_id}\))?|item {bare})' if self.lang == "en" else f"(?:“{one}”(?:（{by_id}）)?|商品 {bare})"

        english = self.lang == "en"
        quoted = (_QUOTED, "[^() ]+", "[^ ]+") if english else (_QUOTED_ZH, "[^（）]+", r"[A-Za-z0-9_.:\-]+")
        category, not_category = g("category", quoted[0]), g("not_category", quoted[0])
        brand, not_brand, query = g("brand", quoted[0]), g("not_brand", quoted[0]), g("query", quoted[0])
        exactly, low, high, least, most = (g(key, _DECIMAL) for key in ("is", "low", "high", "least", "most"))
        begin, end, begin_at, end_at, since, before = (g(key, _TIME) for key in ("from", "to", "from2", "before2", "on", "before"))
        hour, to_hour = g("h1", _TWO), g("h2", _TWO)
        if english:
            value = (
                rf"(?: with the value {exactly}| with a value from {low} to {high}| with a value of at least {least}|"
                rf" with a value of at most {most})?"
            )
            what = (
                rf'(?: of (?!anything but )(?!the brand "){item("item")})?(?: in the category "{category}")?(?: of the brand "{brand}")?'
                rf'(?: with the query "{query}")?{value}(?: of anything but {item("not_item")})?(?: outside the category "{not_category}")?'
                rf'(?: not of the brand "{not_brand}")?'
            )
            who = (
                rf"(?: by user {g('user', _ID)})?(?: by users with {g('rule', _RULE)})?(?: by users other than {g('not_user', _ID)})?"
                rf"(?: by users without any {g('without', _NOUNS)} there)?"
            )
            when = (
                rf"(?: from {begin} to {end}| from {begin_at} until before {end_at}| from {since} on| before {before})?"
                rf"(?: on {g('weekdays', _SOME_DAYS)})?(?: between {hour}:00 and {to_hour}:59| in the hours {g('hours', _SOME_HOURS)})?"
            )
            rest = rf"(?: except {g('except', _ALL)})?(?: in the {g('half', 'first|second')} half of each user's acts)?"
            return f"{g('noun', _NOUNS)}{what}{who}{when}{rest}"
        value = rf"(?:数值为 {exactly} |数值在 {low} 至 {high} 之间|数值不低于 {least} |数值不高于 {most} )"
        pieces = [
            f"对{item('item')}", f"在类别“{category}”中", f"对品牌“{brand}”", f"以“{query}”为搜索词",
            value, f"对{item('not_item')}以外商品",
            f"在类别“{not_category}”以外", f"对品牌“{not_brand}”以外商品",
        ]  # fmt: skip
        what = "".join(f"(?:{piece}、?)?" for piece in pieces)
        when = (
            rf"(?:{begin} 至 {end} 期间|{begin_at} 起至 {end_at} 之前|{since} 起|{before} 之前)?{g('weekdays', _SOME_DAYS_ZH)}?"
            rf"(?:{hour}:00 至 {to_hour}:59 之间|{g('hours', _SOME_HOURS_ZH)} 时)?"
        )
        who = (
            rf"(?:用户 {g('user', _ID_ZH)} (?!以外))?(?:{g('rule', _RULE_ZH)}的用户)?(?:用户 {g('not_user', _ID_ZH)} 以外的用户)?"
            rf"(?:其中没有{g('without', _NOUNS_ZH)}的用户)?"
        )
        noun = rf"{g('noun', _NOUNS_ZH)}(?:（不含{g('except', _ALL_ZH)}）)?"
        return f"{when}{who}{g('half', '(?:各用户)?[前后]半段')}?{what}的?{which}{noun}"

    def of(self, unit: str, which: str = "") -> str:
        """Users, sessions or days with acts; the acts themselves."""
        one, many, chinese, _ = UNITS[unit]
        if unit == "acts":
            return self.acts(which)
        if self.lang == "en":
            if unit != "users":
                return f"(?:{many}|{one})(?: with {self.acts()})?"
            return (
                rf"users?(?: with (?P<users_rule>{_RULE}))?(?:(?: and)? other than (?P<users_not>{_ID}))?(?:(?: and)? with {self.acts()})?"
                rf"(?:(?: and)? without any (?P<users_without>{_NOUNS}) there)?"
            )
        if unit != "users":
            return f"(?:有过{self.acts()}的)?{chinese}"
        return (
            rf"(?P<users_rule>{_RULE_ZH})?且?(?:不是用户 (?P<users_not>{_ID_ZH}) )?且?(?:有过{self.acts()})?且?"
            rf"(?:其中没有(?P<users_without>{_NOUNS_ZH}))?的?用户"
        )


@cache
def _scope_pattern(lang: Lang, unit: str, which: str) -> re.Pattern[str]:
    return re.compile(_Grammar(lang).of(unit, which), re.IGNORECASE if lang == "en" else 0)


class _Read:
    """What a template's groups hold. scopes: the unit of each scope, and the word before its noun."""

    def __init__(self, m: re.Match[str], lang: Lang, scopes: Mapping[str, tuple[str, str]]) -> None:
        self.lang, self.found, self.scopes = lang, m.groupdict(), scopes

    def __getitem__(self, name: str) -> str:
        return cast(str, self.found[name])

    def has(self, name: str) -> bool:
        return self.found.get(name) is not None

    def number(self, name: str) -> float:
        text = self[name].replace(",", "")
        return float(text[:-1]) / 100 if text.endswith("%") else float(text) if "." in text else int(text)

    def digits(self, name: str) -> float:
        text = self[name]
        plain = text.rstrip("%")
        return 10.0 ** -len(plain.partition(".")[2]) * (0.01 if text.endswith("%") else 1.0)

    def scope(self, name: str) -> Scope:
        """Raises ValueError for a text that is no scope."""
        m = _scope_pattern(self.lang, *self.scopes[name]).fullmatch(self[name])
        if m is None:
            raise ValueError(f"{self[name]!r} is no scope")
        made: dict[str, Any] = {}
        found = m.groupdict()

        def get(key: str) -> str | None:
            return found.get(key)

        if get("noun"):
            made["event_types"] = _types(cast(str, get("noun")))
        for key in ("item", "not_item"):
            named = get(f"{key}_id") or get(f"{key}_only") or get(key)
            if named:
                made[key] = named
        for key in ("category", "brand", "query", "not_category", "not_brand"):
            if get(key):
                made[key] = get(key)
        for key in ("user", "not_user"):
            if get(key):
                made[key] = cast(str, get(key)).strip('"')
        for low, high in (("low", "high"), ("is", "is"), ("least", ""), ("", "most")):
            if low and get(low):
                made["value_from"] = float(cast(str, get(low)))
            if high and get(high):
                made["value_to"] = float(cast(str, get(high)))
        rule = get("rule") or get("users_rule")
        if rule:
            made["segment"] = _rule(rule, self.lang)
        if get("users_not"):
            made["not_user"] = cast(str, get("users_not")).strip('"')
        without = get("without") or get("users_without")
        if without:
            made["without_event_types"] = _types(without)
        if get("from"):
            made["since"], made["until"] = _moment(cast(str, get("from"))), _moment(cast(str, get("to"))) + timedelta(days=1)
        elif get("from2"):
            made["since"], made["until"] = _moment(cast(str, get("from2"))), _moment(cast(str, get("before2")))
        elif get("on"):
            made["since"] = _moment(cast(str, get("on")))
        elif get("before"):
            made["until"] = _moment(cast(str, get("before")))
        if get("weekdays"):
            known = [f"{day}s" for day in WEEKDAYS] if self.lang == "en" else list(WEEKDAYS_ZH)
            made["weekdays"] = tuple(i for i, day in enumerate(known) if day in re.split(r", | and |、", cast(str, get("weekdays"))))
        if get("h1"):
            first, last = int(cast(str, get("h1"))), int(cast(str, get("h2")))
            made["hours"] = tuple(sorted((first + step) % 24 for step in range((last - first) % 24 + 1)))
        elif get("hours"):
            made["hours"] = tuple(int(hour) for hour in re.findall(r"\d+", cast(str, get("hours"))))
        if get("except"):
            made["not_event_types"] = _types(cast(str, get("except")))
        if get("half"):
            made["half"] = "first" if cast(str, get("half")).endswith(("first", "前半段")) else "second"
        return Scope(**made)


def _types(text: str) -> tuple[str, ...]:
    words = {word: kind for kind, forms in NOUNS.items() for word in forms}
    found = [words[part] for part in re.split(r", | or | and |或|、", text.lower())]
    return () if found == ["act"] else tuple(found)


_SIGNS: Final = {
    "exactly": "=", "at least": ">=", "at most": "<=", "more than": ">", "fewer than": "<", "other than": "!=", "above": ">", "below": "<",
    "恰好": "=", "至少": ">=", "至多": "<=", "超过": ">", "少于": "<", "不等于": "!=",
    "不低于": ">=", "不高于": "<=", "高于": ">", "低于": "<",
}  # fmt: skip


def _rule(text: str, lang: Lang) -> str:
    pattern = _CONDITION if lang == "en" else _CONDITION_ZH
    return " and ".join(_condition(part) for part in re.findall(pattern, text))


def _condition(text: str) -> str:
    none = re.fullmatch(rf"(?:no |没有)({_C})", text)
    if none:
        return f"{_COUNTED[none[1]]}=0"
    counted = re.fullmatch(rf"(exactly|at least|at most|more than|fewer than|other than) ([\d.]+) ({_C})", text)
    if counted:
        return f"{_COUNTED[counted[3]]}{_SIGNS[counted[1]]}{counted[2]}"
    counted = re.fullmatch(rf"({_C})(恰好|至少|至多|超过|少于|不等于) ([\d.]+) [次个天]", text)
    if counted:
        return f"{_COUNTED[counted[1]]}{_SIGNS[counted[2]]}{counted[3]}"
    named = re.fullmatch(r'(?:字段 )?(\w+) (other than |为|不为)?["“]([^"”]+)["”]', text)
    if named:
        return f"{named[1]}{'!=' if named[2] in ('other than ', '不为') else '='}{named[3]}"
    ordered = re.fullmatch(r"(?:字段 )?(\w+) (at least|at most|above|below|不低于|不高于|高于|低于) ([\w.:\-]+)", text)
    assert ordered is not None
    return f"{ordered[1]}{_SIGNS[ordered[2]]}{ordered[3]}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


Make = Callable[[_Read], Claim]


@dataclass(frozen=True)
class _Template:
    pattern: re.Pattern[str]
    scopes: Mapping[str, tuple[str, str]]
    make: Make


_FEW: Final = {"en": "(?:; fewer than 30 cases)?", "zh": "(?:；不足 30 例)?"}


class _Templates:
    """The templates of both languages."""

    def __init__(self) -> None:
        self.of: dict[Lang, list[_Template]] = {"en": [], "zh": []}

    def add(self, lang: Lang, pattern: str, make: Make) -> None:
        """`<name:unit:which>` is a scope as acts or as a unit with acts, `#n#` a number, `%p%` a share, `~few~` the note on few cases."""
        scopes: dict[str, tuple[str, str]] = {}

        def scope(m: re.Match[str]) -> str:
            unit = m[2] or "acts"
            scopes[m[1]] = (unit, m[3] or "")
            end = UNITS[unit][2] if lang == "zh" and unit != "acts" else ""  # where a second scope follows, the first ends at its noun
            return f"(?P<{m[1]}>.*?{end})" if end else f"(?P<{m[1]}>.+?)"

        text = re.sub(r"(?<!P)<(\w+):?(\w+)?:?([^>]*)>", scope, pattern)
        text = re.sub(r"#(\w)#", lambda m: f"(?P<{m[1]}>{_NUMBER})", text)
        text = re.sub(r"%(\w)%", lambda m: f"(?P<{m[1]}>{_PERCENT})", text).replace("~few~", _FEW[lang])
        self.of[lang].append(_Template(re.compile(text, re.IGNORECASE if lang == "en" else 0), scopes, make))


def read_back(sentence: str, lang: Lang) -> Iterator[Claim]:
    """The claims that a sentence may be the template of, each with the value that it states."""
    for template in _known().of[lang]:
        m = template.pattern.fullmatch(sentence.strip())
        if m is not None:
            try:
                yield template.make(_Read(m, lang, template.scopes))
            except (KeyError, ValueError, OverflowError):
                continue


def _stating(claim: Claim, r: _Read, name: str, exact: bool = False) -> Claim:
    return replace(claim, comparison="=", value=r.number(name), digits=None if exact else r.digits(name))


def _counts(of: str) -> Make:
    return lambda r: replace(
        Claim("count", r.scope("a") if r.has("a") else Scope(), {"of": of}), comparison="=", value=0 if r["n"] in ("no",) else r.number("n")
    )


def _shares(of: str) -> Make:
    return lambda r: _stating(Claim("share", r.scope("a"), {"part": r.scope("b"), "of": of}), r, "p")


def _means(of: str, per: str) -> Make:
    def make(r: _Read) -> Claim:
        part = r.scope("b") if r.has("b") else Scope()
        return _stating(Claim("mean", r.scope("a"), {"of": of, "per": per, "part": part}), r, "v")

    return make


_BY: Final = {
    "en": {"item": "items?", "category": "categor(?:y|ies)", "brand": "brands?", "event_type": "types? of act", "user": "users?",
           "query": "quer(?:y|ies)", "day": "days?", "month": "months?"},
    "zh": {"item": "商品", "category": "类别", "brand": "品牌", "event_type": "行为类型", "user": "用户", "query": "搜索词",
           "day": "日期", "month": "月份"},
}  # fmt: skip


def _tops(by: str, of: str, several: bool) -> Make:
    def make(r: _Read) -> Claim:
        column = r["column"] if by == "column" else by
        names = _listed_names(r["names"], r.lang, several)
        return Claim("top", r.scope("a"), {"by": column, "of": of, "k": len(names)}, "is", tuple(names))

    return make


_NAMED: Final = {
    "en": r'(?:"([^"]+)"(?: \(([^() ]+)\))?|item ([^ ]+)|([^\s",()]+))',
    "zh": r"(?:“([^”]+)”(?:（([^（）\d,][^（）]*)）)?|商品 ([^ 、（]+)|([^“”、（）\s]+))",
}  # fmt: skip


def _listed_names(text: str, lang: Lang, several: bool = False) -> list[str]:
    counted = {"en": r" \([\d,]+\)(?=, | and |$)", "zh": r"（[\d,]+）(?=、|$)"}[lang]
    if several:
        text = re.sub(counted, "", text)
    parts = re.split(r", (?=\"|item |[^ ,]+(?:,| and ))| and (?=\"|item |[^ ]+$)", text) if lang == "en" else re.split(r"、", text)
    found = []
    for part in parts:
        m = re.fullmatch(_NAMED[lang], part.strip())
        if m is None:
            raise ValueError(part)
        found.append(m[2] or m[3] or m[1] or m[4])
    return found


def _trends(of: str) -> Make:
    def make(r: _Read) -> Claim:
        word = r["way"].lower()
        claim = Claim("trend", r.scope("a"), {"of": of, "window_days": float(r["d"])})
        size = r.number("p")
        if word in ("rose by", "上升"):
            return replace(claim, comparison="=", value=size, digits=r.digits("p"))
        return replace(claim, comparison="=", value=-size, digits=r.digits("p"))

    return make


def _edges(which: str, by: str) -> Make:
    def make(r: _Read) -> Claim:
        claim = Claim(cast(Any, which), r.scope("a"), {"by": by}, "is")
        if by == "time":
            return replace(claim, value=_moment(r["t"]), digits=60.0)
        return replace(claim, value=_listed_names(r["name"], r.lang)[0])

    return make


def _rhythms(by: str) -> Make:
    def make(r: _Read) -> Claim:
        days = WEEKDAYS if r.lang == "en" else WEEKDAYS_ZH
        place = days.index(r["name"]) if by == "weekday" else int(r["name"])
        return Claim("rhythm", r.scope("a"), {"by": by}, "is", place)

    return make


def _followed(within: str) -> Make:
    return lambda r: _stating(Claim("follows", Scope(), {"a": r.scope("a"), "b": r.scope("b"), "within": within}), r, "p")


def _lifts(of: str) -> Make:
    def make(r: _Read) -> Claim:
        against = Scope() if r.has("whole") else r.scope("c")
        return _stating(Claim("lift", r.scope("a"), {"part": r.scope("b"), "against": against, "of": of}), r, "v")

    return make


def _compared(measure: Callable[[_Read], Claim]) -> Make:
    def make(r: _Read) -> Claim:
        here, there = (Scope() if r.has(f"whole_{name}") else r.scope(name) for name in "ac")
        told, how = r["told"], "ratio" if "times" in r["told"] or "倍" in r["told"] else "difference"
        claim = Claim("compare", here, {"measure": measure(r), "against": there, "how": how})
        number = re.search(_NUMBER, told)
        if number is None:
            return replace(claim, comparison="=", value=0)
        text = number[0].replace(",", "")
        size, digits = float(text), 10.0 ** -len(text.partition(".")[2])
        scale = 0.01 if "percentage" in told or "百分点" in told else 1.0
        sign = -1 if "lower" in told or "低" in told else 1
        return replace(claim, comparison="=", value=sign * size * scale, digits=digits * scale)

    return make


@cache
def _known() -> _Templates:
    templates = _Templates()
    _register(templates.add)
    _register_comparisons(templates.add)
    return templates


def _register(add: Callable[[Lang, str, Make], None]) -> None:
    for unit in ("users", "sessions", "items", "categories", "brands", "days", "acts"):
        one, many, chinese, measure = UNITS[unit]
        if unit == "acts":
            add("en", r"There (?:was|were) (?P<n>no|[\d,]+) <a>\.", _counts(unit))
            add("zh", rf"<a>共 #n# {measure}。", _counts(unit))
        elif unit == "users":
            add("en", r"There (?:was|were) (?P<n>no|[\d,]+) <a:users>\.", _counts(unit))
            add("zh", rf"<a:users>共 #n# {measure}。", _counts(unit))
        else:
            add("en", rf"There (?:was|were) (?P<n>no|[\d,]+) (?:{one}|{many})(?: with <a>)?\.", _counts(unit))
            zh = {"sessions": r"(?:有过<a>的)?会话", "days": r"有<a>的日子"}.get(unit, rf"(?:日志|<a>)涉及的{chinese}")
            add("zh", rf"{zh}共 #n# {measure}。", _counts(unit))
    for unit in ("acts", "users", "sessions"):
        measure = UNITS[unit][3]
        en, zh = ("were", "是") if unit == "acts" else ("had", "有过")
        add("en", rf"%p% of <a:{unit}> {en} <b> \(#h# of #n#\)\.", _shares(unit))
        add("en", rf"#h# of #n# <a:{unit}> {en} <b> \(%p%~few~\)\.", _shares(unit))
        add("zh", rf"<a:{unit}>中有 %p% {zh}<b>（#n# {measure}中的 #h# {measure}）。", _shares(unit))
        add("zh", rf"#n# {measure}<a:{unit}>中有 #h# {measure}{zh}<b>（%p%~few~）。", _shares(unit))
    for of, chinese in (("value", "数值"), ("price", "价格")):
        add("en", rf"The mean {of} of <a> was #v# \(over #n# acts? with a {of}~few~\)\.", _means(of, "act"))
        add("zh", rf"<a>的平均{chinese}为 #v#（基于 #n# 次有{chinese}的行为~few~）。", _means(of, "act"))
    for per, unit in (("user", "users"), ("session", "sessions"), ("day", "days")):
        one, many, zh_unit, zh_n = UNITS[unit]
        for of in ("acts", "sessions", "items", "days", "users"):
            measure = UNITS[of][3]
            whole = f"<a:{unit}>" if unit != "days" else "days with <a>"
            whole_zh = f"<a:{unit}>" if unit != "days" else "有<a>的日子"
            inside, inside_zh = ("<b>", "<b>") if of == "acts" else (UNITS[of][1], UNITS[of][2])
            add("en", rf"{whole} had #v# {inside} on average \(#t# over #n# (?:{one}|{many})~few~\)\.", _means(of, per))
            add(
                "zh",
                rf"{whole_zh}平均有 #v# {measure}{inside_zh}（#n# {zh_n}{zh_unit if unit != 'days' else ''}共 #t# {measure}~few~）。",
                _means(of, per),
            )
    for of in ("acts", "users", "sessions"):
        measure = UNITS[of][3]
        en, zh = ("<a>", "<a>") if of == "acts" else (f"the number of <a:{of}>", f"<a:{of}>数")
        add(
            "en",
            rf"{en} (?P<way>fell by|rose by|changed by) %p%(?: \(no clear change\))? in the last (?P<d>[\d.]+) days(?: of that time)?, "
            rf"to #l# from #f# in the [\d.]+ days before~few~\.", _trends(of),
        )  # fmt: skip
        add(
            "zh",
            rf"(?:最近|该时段最后) (?P<d>[\d.]+) 天的{zh}较此前 [\d.]+ 天(?P<way>下降|上升|变化) %p%(?:（无明显变化）)?"
            rf"（由 #f# {measure}到 #l# {measure}~few~）。", _trends(of),
        )  # fmt: skip
        for by, (one, zh_by) in {by: (_BY["en"][by], _BY["zh"][by]) for by in _BY["en"]}.items() | {
            ("column", (r"values? of (?P<column>\w+)", r"字段 (?P<column>\w+) 的取值"))
        }:
            if of == "sessions":
                continue
            unit_en = f"(?:{UNITS[of][0]}|{UNITS[of][1]})"
            add("en", rf"The {one} with the most <a:{of}> was (?P<names>.+) \(#k# of #n# {unit_en}~few~\)\.", _tops(by, of, False))
            add("en", rf"The #k# {one} with the most <a:{of}> were (?P<names>.+) \(of #n# {unit_en}~few~\)\.", _tops(by, of, True))
            add("zh", rf"<a:{of}>最多的{zh_by}是(?P<names>.+)（#n# {measure}中的 #k# {measure}~few~）。", _tops(by, of, False))
            add("zh", rf"<a:{of}>最多的 #k# 个{zh_by}依次为(?P<names>.+)（共 #n# {measure}~few~）。", _tops(by, of, True))
    for which, zh_which in (("first", "首次"), ("last", "最近一次")):
        add("en", rf"The {which} <a> was at (?P<t>{_MINUTE}) UTC \(of #n# acts?\)\.", _edges(which, "time"))
        add("zh", rf"<a:acts:{zh_which}>发生于 (?P<t>{_MINUTE})（UTC，共 #n# 次）。", _edges(which, "time"))
        for by, has, zh_has in (("item", "item", "商品"), ("category", "category", "类别"), ("event_type", "type", "类型")):
            add("en", rf"The {has} of the {which} <a> was (?P<name>.+?)(?:, at {_MINUTE} UTC)? \(of #n# acts?\)\.", _edges(which, by))
            add("zh", rf"<a:acts:{zh_which}>的{zh_has}是(?P<name>.+?)(?:，时间 {_MINUTE}（UTC）)?（共 #n# 次）。", _edges(which, by))
    recent: Make = lambda r: _stating(Claim("recency", r.scope("a")), r, "v")  # noqa: E731
    add("en", rf"The last <a> was #v# days before the end of the log \(of #n# acts?; the log ends at {_MINUTE} UTC\)\.", recent)
    add("zh", rf"<a:acts:最近一次>距日志末尾 #v# 天（共 #n# 次；日志止于 {_MINUTE}，UTC）。", recent)
    add("en", r"The hour with the most <a> was (?P<name>\d\d):00 to \d\d:59 UTC \(#k# of #n# acts?~few~\)\.", _rhythms("hour"))
    add("en", rf"The weekday with the most <a> was (?P<name>{'|'.join(WEEKDAYS)}) \(#k# of #n# acts?~few~\)\.", _rhythms("weekday"))
    add("zh", r"<a>最多的时段是 (?P<name>\d+) 时（UTC）（#n# 次中的 #k# 次~few~）。", _rhythms("hour"))
    add("zh", rf"<a>最多的星期是(?P<name>{_DAYS_ZH})（#n# 次中的 #k# 次~few~）。", _rhythms("weekday"))
    for within, en, zh in (("session", "in the same session", "在同一会话内"), ("history", "by the same user", "由同一用户")):
        add("en", rf"%p% of <a> were directly followed {en} by <b> \(#h# of #n#\)\.", _followed(within))
        add("en", rf"#h# of #n# <a> were directly followed {en} by <b> \(%p%~few~\)\.", _followed(within))
        add("zh", rf"<a>中有 %p% {zh}紧接着发生了<b>（#n# 次中的 #h# 次）。", _followed(within))
        add("zh", rf"#n# 次<a>中有 #h# 次{zh}紧接着发生了<b>（%p%~few~）。", _followed(within))
    for by, an, things, zh in (("item", "an item", "items", "商品"), ("category", "a category", "categories", "类别")):
        met: Make = lambda r, by=by: _stating(Claim("repeat_rate", r.scope("a"), {"by": by}), r, "p")  # type: ignore[misc]  # noqa: E731
        new: Make = lambda r, by=by: _stating(Claim("novelty", r.scope("a"), {"by": by, "window_days": float(r["d"])}), r, "p")  # type: ignore[misc]  # noqa: E731
        old, fresh = f"{things} that the user had met before", f"{things} that the user had not met before these days"
        old_zh, fresh_zh = f"用户此前接触过的{zh}", f"用户在此之前未接触过的{zh}"
        last, last_zh = r"<a> in the last (?P<d>[\d.]+) days", r"最近 (?P<d>[\d.]+) 天有"
        for whole, whole_zh, told, told_zh, make in (("<a>", "有", old, old_zh, met), (last, last_zh, fresh, fresh_zh, new)):
            add("en", rf"%p% of {whole} that name {an} were on {told} \(#h# of #n#\)\.", make)
            add("en", rf"#h# of #n# {whole} that name {an} were on {told} \(%p%~few~\)\.", make)
            add("zh", rf"{whole_zh}{zh}的<a>中有 %p% 属于{told_zh}（#n# 次中的 #h# 次）。", make)
            add("zh", rf"#n# 次{whole_zh}{zh}的<a>中有 #h# 次属于{told_zh}（%p%~few~）。", make)
        drifted: Make = lambda r, by=by: _stating(Claim("drift", r.scope("a"), {"by": by}), r, "p")  # type: ignore[misc]  # noqa: E731
        add("en", rf"Between the first and the second half of <a>, %p% of the mix of {things} moved \(total variation, .+\)\.", drifted)
        add("zh", rf"<a>的前半段与后半段之间，{zh}构成变动了 %p%（总变差，.+）。", drifted)
    for of in ("acts", "users", "sessions"):
        measure = UNITS[of][3]
        add(
            "en",
            rf"The share of <b:{of}> was #v# times as high among <a:{of}> as in (?:(?P<whole>the whole log)|<c:{of}>) \(%x% of #n# \w+ "
            r"against %y% of #m#~few~\)\.", _lifts(of),
        )  # fmt: skip
        add(
            "zh",
            rf"在<a:{of}>中，<b:{of}>的占比是(?:(?P<whole>整个日志)|<c:{of}>)的 #v# 倍（#n# {measure}中占 %x%，对照 #m# {measure}中占 "
            rf"%y%~few~）。", _lifts(of),
        )  # fmt: skip


def _register_comparisons(add: Callable[[Lang, str, Make], None]) -> None:
    told, told_zh = r"(?P<told>[^:]+?)", r"(?P<told>[^：]+?)"
    figure, figure_zh = r"[\d.,%]+(?: days)?(?: \(n = [\d,]+\))?", r"[\d.,%]+(?: 天)?(?:（n = [\d,]+）)?"
    for of in UNITS:
        if of == "items":
            continue
        measure = _measure("count", of=of)
        a, c = (f"<{name}:{of}>" if of in ("acts", "users", "sessions") else f"{UNITS[of][1]} with <{name}>" for name in "ac")
        add("en", rf"The number of {a} was [\d,]+, against [\d,]+ for {c}: {told}\.", _compared(measure))
        a, c = (f"<{name}:{of}>" if of in ("acts", "users", "sessions") else f"有过<{name}>的{UNITS[of][2]}" for name in "ac")
        add("zh", rf"{a}数为 [\d,]+，{c}数为 [\d,]+：{told_zh}。", _compared(measure))
    shares = [("users", "<b:users>"), ("acts", "<b>"), ("sessions", "<b:sessions>")]
    labels = [(of, f"the share of {b}", f"{b}占比", _measure("share", "b", of=of)) for of, b in shares]
    for per, unit, zh_per in (("user", "users", "每位用户"), ("session", "sessions", "每个会话"), ("day", "acts", "每天")):
        labels.append((unit, f"the mean number of <b> per {per}", f"{zh_per}平均<b>数", _measure("mean", "b", of="acts", per=per)))
        labels += [
            (unit, f"the mean number of {of} per {per}", f"{zh_per}平均{UNITS[of][2]}数", _measure("mean", of=of, per=per))
            for of in ("sessions", "items", "days")
        ]
    for of, zh in (("value", "数值"), ("price", "价格")):
        labels.append(("acts", f"the mean {of}", f"平均{zh}", _measure("mean", of=of, per="act")))
    labels.append(("acts", "the time since the last act", "距最近一次的时间", _measure("recency")))
    for by, things, zh in (("item", "items", "商品"), ("category", "categories", "类别")):
        labels.append(("acts", f"the share of {things} met before", f"重复{zh}占比", _measure("repeat_rate", by=by)))
        labels.append(("acts", f"the drift of {things}", f"{zh}偏移", _measure("drift", by=by)))
    for unit, en, zh, measure in labels:
        a, c = (rf"(?:(?P<whole_{name}>the whole log)|<{name}:{unit}>)" for name in "ac")
        add("en", rf"{en} for {a} was {figure}, against {figure} for {c}: {told}~few~\.", _compared(measure))
        a, c = (rf"(?:(?P<whole_{name}>整个日志)|<{name}:{unit}>)" for name in "ac")
        add("zh", rf"{a}的{zh}为 {figure_zh}，{c}为 {figure_zh}：{told_zh}~few~。", _compared(measure))


def _measure(predicate: str, part: str = "", **arguments: Any) -> Callable[[_Read], Claim]:
    def make(r: _Read) -> Claim:
        inside = {"part": r.scope(part)} if part else {}
        return Claim(cast(Any, predicate), arguments=arguments | inside)

    return make
