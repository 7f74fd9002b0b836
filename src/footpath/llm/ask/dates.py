"""Dates, windows and times of day in a text, English or Chinese, as the conventions of questions define them; all UTC."""

# ruff: noqa: E501  (tables of patterns, one a line)
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
SMALL_NUMBERS: Final = {
    name: number
    for number, names in enumerate(
        [
            "zero|no",
            "one|a|an|single",
            "two|couple of",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
    for name in names.split("|")
    if name not in ("no", "single")
} | {
    "twenty-one": 21,
    "twenty-eight": 28,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "ninety": 90,
    "hundred": 100,
    "fortnight": 14,
}
ORDINALS: Final = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5}
HAN_DIGITS: Final = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_HAN_TENS: Final = {"十": 10, "百": 100, "千": 1_000, "万": 10_000}
HAN_NUMBER: Final = "[零〇一二两三四五六七八九十百千万]+"


@dataclass(frozen=True)
class Window:
    """From since (included) until before until. edge: how its end was said where that can mean two things: `until`."""

    since: datetime | None
    until: datetime | None
    edge: Literal["", "until"] = ""


@dataclass(frozen=True)
class Dated:
    """What was found at a place of a text. kind: as in `footpath.llm.ask.reading.Found`."""

    kind: Literal["window", "last", "prior", "hours", "vague"]
    value: Any
    start: int
    end: int


class UnclearError(ValueError):
    """A date that may be several, or none."""


def han_number(text: str) -> int | None:
    """`十五` is 15, `两百` 200; None where it is no number."""
    if text and all(character in HAN_DIGITS for character in text):
        return int("".join(str(HAN_DIGITS[character]) for character in text))
    total = part = 0
    digit: int | None = None
    for character in text:
        if character in HAN_DIGITS:
            digit = HAN_DIGITS[character]
        elif character in _HAN_TENS:
            unit = _HAN_TENS[character]
            if unit == 10_000:
                total, part, digit = (total + part + (digit or 0)) * unit, 0, None
            else:
                part, digit = part + (1 if digit is None else digit) * unit, None
        else:
            return None
    return total + part + (digit or 0) if text else None


def whole_number(text: str) -> int | None:
    """Digits, a small number as an English word, or a Chinese numeral."""
    text = text.strip().lower()
    if re.fullmatch(r"\d{1,9}", text):
        return int(text)
    if text in SMALL_NUMBERS:
        return SMALL_NUMBERS[text]
    return han_number(text) if re.fullmatch(HAN_NUMBER, text) else None


_MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|"
    r"dec(?:ember)?)\b\.?"
)
_NTH: Final = r"\d{1,2}(?:st|nd|rd|th)?"
_YEAR: Final = r"(?:1[89]|20)\d\d"
_NAMED_DAY: Final = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,? (?:the )?"
DAY: Final = (
    rf"(?:{_NAMED_DAY})?(?:{_YEAR}[-/]\d{{1,2}}[-/]\d{{1,2}}|(?:the )?{_NTH} (?:of )?{_MONTH}(?:,? ?{_YEAR})?|"
    rf"{_MONTH} (?:the )?{_NTH}(?!\d)(?:,? {_YEAR})?)"
)
HAN_DAY: Final = (
    rf"(?:{_YEAR}[-/.]\d{{1,2}}[-/.]\d{{1,2}}日?|(?:{_YEAR} ?年 ?)?(?:\d{{1,2}}|{HAN_NUMBER}) ?月 ?(?:\d{{1,2}}|{HAN_NUMBER}) ?[日号])"
)
HAN_MONTH: Final = rf"(?:{_YEAR} ?年 ?)?(?:\d{{1,2}}|{HAN_NUMBER}) ?月份?"
_COUNT: Final = rf"(?:\d{{1,5}}|{'|'.join(sorted((n for n in SMALL_NUMBERS if n not in ('fortnight',)), key=len, reverse=True))})"
_HAN_COUNT: Final = rf"(?:\d{{1,5}}|{HAN_NUMBER})"
_PERIOD: Final = r"(?:days?|weeks?|hours?|fortnights?)"
_TO: Final = r"(?: ?(?:to|until|till|through|thru|and|–|—|-|~) ?)"
_HAN_TO: Final = "(?: ?(?:到|至|-|–|—|~|～) ?)"
_HAN_AND: Final = "(?: ?(?:和|与) ?)"
_LAST: Final = r"(?:last|past|latest|most recent|final|recent)"


class Calendar:
    """Reads dates of a log that runs from `first` to `last`: a day or month without a year is the one that lies in the log."""

    def __init__(self, first: datetime | None, last: datetime | None) -> None:
        self.first, self.last = first, last
        self._rules: list[tuple[re.Pattern[str], Callable[[re.Match[str]], Dated | None]]] = [
            (re.compile(pattern, re.IGNORECASE), rule) for pattern, rule in self._english() + self._chinese()
        ]

    def at(self, text: str, start: int) -> Dated | None:
        """The longest date, window or time of day that begins at a place of a text."""
        best: Dated | None = None
        for pattern, rule in self._rules:
            match = pattern.match(text, start)
            if match is None or not match[0]:
                continue
            if best is not None and match.end() <= best.end:
                continue
            if match[0][-1].isascii() and match[0][-1].isalnum() and re.match(r"[A-Za-z0-9_]", text[match.end() : match.end() + 1]):
                continue
            try:
                found = rule(match)
            except UnclearError as error:
                found = Dated("vague", str(error), match.start(), match.end())
            except (ValueError, OverflowError):
                found = Dated("vague", f"{match[0].strip()!r} is no date", match.start(), match.end())
            if found is not None:
                best = found
        return best

    # ---- rules

    def _english(self) -> list[tuple[str, Callable[[re.Match[str]], Dated | None]]]:
        day, month = DAY, rf"{_MONTH}(?: (?:of )?{_YEAR})?"
        return [
            (rf"(?:(?:in|on|during|of|at|for) )?(?:the )?(?:whole |entire )?(?:between|from) ({day}){_TO}({day})(?: inclusive)?", self._days),
            (rf"({day})(?: ?(?:to|until|till|through|–|—|~) ?)({day})", self._days),
            (rf"(?:between|from) (?:the )?({_NTH}){_TO}(?:the )?({day})", self._days_of_one_month),
            (rf"(?:(?:on|in|during) )?(?:the )?({_NTH})(?: ?(?:to|through|–|—|-) ?)(?:the )?({_NTH} (?:of )?{_MONTH}(?:,? ?{_YEAR})?)",
             self._days_of_one_month),
            (rf"(?:(?:on|in|during|between|from) )?({_MONTH}) ({_NTH})(?: ?(?:to|through|–|—|-|and) ?)({_NTH})(?!\d)(?:,? ({_YEAR}))?",
             self._month_with_days),
            (rf"(?:between|from) ({month}){_TO}({month})", self._months),
            (rf"({month}) (?:to|through) ({month})", self._months),
            (rf"before (?:the )?({day})", lambda m: self._window(m, None, self.day(m[1]))),
            (rf"(?:until|till|up to|by) (?:the )?({day})", lambda m: self._window(m, None, _next(self.day(m[1])), "until")),
            (rf"(?:since|from|starting(?: on| from)?|as of) (?:the )?({day})(?: on(?:wards?)?| onwards?)?",
             lambda m: self._window(m, self.day(m[1]), None)),
            (rf"after (?:the )?({day})", lambda m: self._window(m, _next(self.day(m[1])), None)),
            (rf"(?:(?:on|in|during|for) )?(?:the )?week (?:of|beginning|starting) (?:the )?({day})", lambda m: self._week(m, m[1])),
            (rf"(?:(?:on|for|of|from) )?({day})", lambda m: self._one_day(m, m[1])),
            (r"(?:on |in )?(\d{1,2})([./])(\d{1,2})[./](20\d\d|19\d\d)(?!\d)", self._numbers),
            (r"(?:on )?(20\d\d)(0[1-9]|1[0-2])([0-3]\d)(?!\d)", lambda m: self._one_day(m, f"{m[1]}-{m[2]}-{m[3]}")),
            (r"in the (\d{1,2}):00 hour", lambda m: Dated("hours", (_hour(m[1], None),), m.start(), m.end())),
            (rf"before ({month})", lambda m: self._window(m, None, self.month(m[1])[0])),
            (rf"(?:since|starting in|from) ({month})(?: on(?:wards?)?| onwards?)?", lambda m: self._window(m, self.month(m[1])[0], None)),
            (rf"after ({month})", lambda m: self._window(m, self.month(m[1])[1], None)),
            (rf"(?:until|till|up to|by|before) the end of ({month})", lambda m: self._window(m, None, self.month(m[1])[1])),
            (rf"(?:(?:in|on|during|over) )?(?:the )?({_NTH}) and (?:the )?({_NTH} (?:of )?{_MONTH}(?:,? ?{_YEAR})?)", self._two_days),
            (rf"(?:until|till|up to) ({month})", lambda m: self._window(m, None, self.month(m[1])[1], "until")),
            (rf"(?:(?:in|during|over|of|for|throughout) )?(?:the )?(?:whole |entire )?(?:month of )?({month})", lambda m: self._whole(m, m[1])),
            (rf"(?:(?:in|during|over|of) )?(?:the )?(first|last|1st) ({_COUNT}) (days|weeks) (?:of|in) ({month})",
             lambda m: self._part(m, m[4], m[1], _period(m[2], m[3]))),
            (rf"(?:(?:in|during|over|of) )?(?:the )?({'|'.join(ORDINALS)}|last) week (?:of|in) ({month})",
             lambda m: self._nth_week(m, m[2], m[1])),
            (rf"(?:(?:in|during|over|of) )?(?:the )?(first|second) half (?:of|in) ({month})", lambda m: self._half(m, m[2], m[1])),
            (rf"(?:(?:in|during|of|over) )?(?:the )?(?:year )?({_YEAR})(?![-/\d])", self._year),
            (rf"(?:(?:in|during|over|of|for|within|on) )?(?:the |our |its |their )?{_LAST} ({_COUNT})[ -]({_PERIOD})(?: of (?:the|this) (?:log|data|period))?",
             lambda m: Dated("last", _period(m[1], m[2]), m.start(), m.end())),
            (rf"({_COUNT})[- ]day (?:trend|change|window)(?: of| in)?", lambda m: Dated("last", _period(m[1], "days"), m.start(), m.end())),
            (r"(?:(?:in|during|over|of|for|within) )?(?:the )?(?:last|past|latest|final|most recent) (week|fortnight|day)(?: of (?:the|this) (?:log|data|period))?",
             lambda m: Dated("last", _period("1", m[1]), m.start(), m.end())),
            (rf"(?:(?:in|during|over|of|for|with|against|than|to) )*(?:the )?({_COUNT}) ({_PERIOD}) (?:before|prior|earlier|preceding)(?: (?:that|these|those|it|this|them|then))?",
             lambda m: Dated("prior", _period(m[1], m[2]), m.start(), m.end())),
            (rf"(?:(?:in|during|over|of|for|with|against|than|to) )*(?:the )?(?:previous|preceding|prior) ({_COUNT}) ({_PERIOD})",
             lambda m: Dated("prior", _period(m[1], m[2]), m.start(), m.end())),
            (r"(?:(?:in|during|over|of|for|with|against|than|to) )*(?:the )?(?:(?:previous|preceding|prior) (week|fortnight)|(?:one|week|fortnight) before(?: (?:that|it|then))?)",
             lambda m: Dated("prior", 14.0 if "fortnight" in m[0].lower() else 7.0 if "week" in m[0].lower() else None, m.start(), m.end())),
            (rf"(?:(?:in|during|over|of|for|with|against|than|to) )*the ({_COUNT}) (?:before|prior)(?: (?:that|these|those|them))?\b",
             lambda m: Dated("prior", None, m.start(), m.end())),
            (r"week[- ](?:on|over)[- ]week|weekly change(?: in| of)?", lambda m: Dated("last", 7.0, m.start(), m.end())),
            (r"(?:today|yesterday|this (?:week|month|year)|(?:last|past|previous) (?:month|year|quarter)|recently|nowadays|lately|these days)\b",
             lambda m: Dated("vague", f"{m[0]!r} is not defined for a log; give dates, or the last N days", m.start(), m.end())),
            (r"(?:between|from) (\d{1,2})(?::(\d\d))? ?(am|pm|h|o'clock)? ?(?:and|to|until|till|-|–) ?(\d{1,2})(?::(\d\d))? ?(am|pm|h|o'clock)?(?: utc)?",
             self._hours_between),
            (r"(?:(?:at|in the hour of|during the|in the) )?(\d{1,2})(?::00)? ?(am|pm|o'clock)(?: hour)?(?: utc)?",
             lambda m: Dated("hours", (_hour(m[1], m[2]),), m.start(), m.end())),
            (r"(after|from|since|before) (\d{1,2})(?::00 ?(am|pm)?| ?(am|pm|o'clock))(?: on)?(?: utc)?", self._hours_open),
            (r"(?:(?:at|in) )?(?:the )?hour (\d{1,2})\b", lambda m: Dated("hours", (_hour(m[1], None),), m.start(), m.end())),
        ]  # fmt: skip

    def _chinese(self) -> list[tuple[str, Callable[[re.Match[str]], Dated | None]]]:
        day, month = HAN_DAY, HAN_MONTH
        return [
            (rf"(?:从|自|在)? ?({day}) ?(?:那天|当天)?{_HAN_TO}({day})(?:这段时间)?(?:之间|期间|间|为止|止)?(?:内|里)?", self._days),
            (rf"(?:从|自|在)? ?((?:{_YEAR} ?年 ?)?({_HAN_COUNT}) ?月 ?)(\d{{1,2}}|{HAN_NUMBER}) ?[日号]?{_HAN_TO}(\d{{1,2}}|{HAN_NUMBER}) ?[日号](?:之间|期间|间)?(?:内|里)?",
             self._han_days_of_month),
            (rf"(?:从|自|在)? ?({month}){_HAN_TO}({month})(?:之间|期间|间)?(?:内|里)?", self._months),
            (rf"(?:在)? ?({day}){_HAN_AND}({day})(?:之间|期间)", self._days),
            (rf"(?:在)? ?({day}) ?(?:之前|以前|前)", lambda m: self._window(m, None, self.day(m[1]))),
            (rf"(?:在)?(?:截至|截止到?|直到|到) ?({day})(?:为止|止)?", lambda m: self._window(m, None, _next(self.day(m[1])), "until")),
            (rf"(?:从|自|自从) ?({day}) ?(?:起|开始|以来|之后|以后|算起)?(?:至今)?", lambda m: self._window(m, self.day(m[1]), None) if re.search("从|自", m[0]) and re.search("起|开始|以来|至今", m[0]) else None),
            (rf"({day}) ?(?:起|以来|开始)", lambda m: self._window(m, self.day(m[1]), None)),
            (rf"(?:在|从|自)? ?({day}) ?(?:之后|以后|后)", lambda m: self._window(m, _next(self.day(m[1])), None)),
            (rf"(?:在)? ?({day}) ?(?:开始)?的?(?:那一?周|那个星期|当周|所在周|所在的?(?:那一)?周)", lambda m: self._week(m, m[1])),
            (rf"(?:在|于)? ?({day}) ?(?:那一?天|当天|当日|这一?天|全天)?", lambda m: self._one_day(m, m[1])),
            (rf"(?:截至|截止到?|到) ?({month})(?:底|末)(?:为止|止)?", lambda m: self._window(m, None, self.month(m[1])[1])),
            (rf"(?:在)? ?({month}) ?(?:之前|以前|前)", lambda m: self._window(m, None, self.month(m[1])[0])),
            (rf"(?:从|自)? ?({month}) ?(?:起|开始|以来)", lambda m: self._window(m, self.month(m[1])[0], None)),
            (rf"(?:在)? ?({month}) ?(?:之后|以后|后)", lambda m: self._window(m, self.month(m[1])[1], None)),
            (rf"(?:在)? ?({month})的?(上旬|中旬|下旬|上半月|下半月|前半月|后半月)", lambda m: self._third(m, m[1], m[2])),
            (rf"(?:在)? ?({month})的?(?:第({_HAN_COUNT})|(最后)一?)(?:个)?(?:周|星期)", lambda m: self._nth_week(m, m[1], m[2] or "last")),
            (rf"(?:在)? ?({month})的?(前|头|最后|后) ?({_HAN_COUNT}) ?(天|日|周|个星期)",
             lambda m: self._part(m, m[1], "last" if "后" in m[2] else "first", _period(m[3], m[4]))),
            (rf"(?:在|整个)? ?({month})(?:整月|全月|当月|这个月|那个月|里|间|期间)?", lambda m: self._whole(m, m[1])),
            (rf"(?:在|整个)? ?({_YEAR}) ?年(?:全年|里|间)?", self._year),
            (rf"(?:在)?(?:最近|近|过去|最后|最新)(?:的)? ?({_HAN_COUNT}) ?(天|日|周|个星期|星期|个?小时)(?:里|内|之内|中|以来)?",
             lambda m: Dated("last", _period(m[1], m[2]), m.start(), m.end())),
            (r"(?:在)?(?:上周|上星期|上个星期|上一周|最近一?周|最后一?周|过去一?周|近一?周)(?:里|内)?", lambda m: Dated("last", 7.0, m.start(), m.end())),
            (rf"(?:与|和|较|比|同|跟)?(?:再?之前|此前|再往前|往前|前面|再前|更早|前)(?:的|那)? ?({_HAN_COUNT}) ?(天|日|周|个星期|星期)",
             lambda m: Dated("prior", _period(m[1], m[2]), m.start(), m.end())),
            (r"(?:与|和|较|比|同|跟)?(?:前一周|之前那周|之前一周|再前一周|上上周|再上周)", lambda m: Dated("prior", 7.0, m.start(), m.end())),
            (r"(?:今天|昨天|前天|本周|这周|本月|这个月|上个?月|今年|去年|最近|近期|近来)",
             lambda m: Dated("vague", f"“{m[0]}”在日志中没有定义；请给出日期，或“最近 N 天”", m.start(), m.end())),
            (rf"(凌晨|早上|上午|中午|下午|傍晚|晚上|夜里)? ?({_HAN_COUNT}) ?[点时](?:整)?{_HAN_TO}(凌晨|早上|上午|中午|下午|傍晚|晚上|夜里)? ?({_HAN_COUNT}) ?[点时](?:整)?(?:之间|期间)?", self._han_hours),
            (rf"(凌晨|早上|上午|中午|下午|傍晚|晚上|夜里)? ?({_HAN_COUNT}) ?[点时](?:整|钟)?(?:左右)?(?!间)(?:多)?",
             lambda m: None if "左右" in m[0] or "多" in m[0] else Dated("hours", (_han_hour(m[1], m[2]),), m.start(), m.end())),
        ]  # fmt: skip

    # ---- what the rules make

    def day(self, text: str) -> datetime:
        """The day that a text names. Raises UnclearError where it may be several days, or none."""
        text = re.sub(rf"^{_NAMED_DAY}", "", text.strip().lower(), flags=re.IGNORECASE)
        numbers = re.fullmatch(rf"({_YEAR})[-/.](\d{{1,2}})[-/.](\d{{1,2}})日?", text)
        if numbers:
            return self._date(int(numbers[1]), int(numbers[2]), int(numbers[3]), text)
        han = re.fullmatch(rf"(?:({_YEAR}) ?年 ?)?(\d{{1,2}}|{HAN_NUMBER}) ?月 ?(\d{{1,2}}|{HAN_NUMBER}) ?[日号]", text)
        if han:
            month, day = whole_number(han[2]), whole_number(han[3])
            return self._date(None if han[1] is None else int(han[1]), month or 0, day or 0, text)
        year = re.search(rf"\b{_YEAR}\b", text)
        name = re.search(_MONTH, text)
        rest = text if year is None else text.replace(year[0], " ")
        number = re.search(r"\d{1,2}", rest)
        if name is None or number is None:
            raise UnclearError(f"{text!r} is no date")
        return self._date(None if year is None else int(year[0]), _month_number(name[0]), int(number[0]), text)

    def month(self, text: str) -> tuple[datetime, datetime]:
        """Begin of a month and of the next. Raises UnclearError."""
        year = re.search(rf"{_YEAR}", text)
        han = re.search(rf"(\d{{1,2}}|{HAN_NUMBER}) ?月", text)
        number = whole_number(han[1]) if han else _month_number(text)
        if not number or not 1 <= number <= 12:
            raise UnclearError(f"{text.strip()!r} is no month")
        begin = self._date(None if year is None else int(year[0]), number, 1, text, whole_month=True)
        return begin, _next_month(begin)

    def _date(self, year: int | None, month: int, day: int, text: str, *, whole_month: bool = False) -> datetime:
        if year is not None:
            return datetime(year, month, day)
        if self.first is None or self.last is None:
            raise UnclearError(f"{text.strip()!r} needs a year: the log has no clock")
        found = []
        for candidate in range(self.first.year, self.last.year + 1):
            try:
                begin = datetime(candidate, month, day)
            except ValueError:
                continue
            end = _next_month(begin) if whole_month else _next(begin)
            if begin <= self.last and end > self.first:
                found.append(begin)
        if len(found) == 1:
            return found[0]
        if not found:
            span = f"{self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}"
            raise UnclearError(f"{text.strip()!r} is outside the log, which runs from {span}")
        raise UnclearError(f"{text.strip()!r} may be in {' or '.join(f'{when.year}' for when in found)}; add the year")

    def _window(self, m: re.Match[str], since: datetime | None, until: datetime | None, edge: Literal["", "until"] = "") -> Dated:
        return Dated("window", Window(since, until, edge), m.start(), m.end())

    def _one_day(self, m: re.Match[str], text: str) -> Dated:
        day = self.day(text)
        return self._window(m, day, _next(day))

    def _days(self, m: re.Match[str]) -> Dated:
        one, other = m[1], m[2]
        last = self.day(other)
        stated, of_last = re.search(_YEAR, one), re.search(_YEAR, other)
        first = self.day(one) if stated or not of_last else self._in_year(one, last)
        if first > last:
            raise UnclearError(f"{m[0].strip()!r} ends before it begins")
        return self._window(m, first, _next(last))

    def _in_year(self, text: str, last: datetime) -> datetime:
        own = Calendar(datetime(last.year, 1, 1), datetime(last.year, 12, 31, 23))
        return own.day(text)

    def _days_of_one_month(self, m: re.Match[str]) -> Dated:
        last = self.day(m[2])
        number = re.search(r"\d+", m[1])
        first = last.replace(day=int(number[0])) if number else last
        if first > last:
            raise UnclearError(f"{m[0].strip()!r} ends before it begins")
        return self._window(m, first, _next(last))

    def _numbers(self, m: re.Match[str]) -> Dated:
        one, other, year = int(m[1]), int(m[3]), int(m[4])
        if m[2] == "." or one > 12:
            day, month = one, other
        elif other > 12:
            day, month = other, one
        else:
            raise UnclearError(f"{m[0].strip()!r} may be day and month, or month and day; write {year}-MM-DD")
        begin = datetime(year, month, day)
        return self._window(m, begin, _next(begin))

    def _two_days(self, m: re.Match[str]) -> Dated | None:
        last = self.day(m[2])
        number = re.search(r"\d+", m[1])
        if number is None or int(number[0]) + 1 != last.day:
            return None  # two days that are no window
        return self._window(m, last - timedelta(days=1), _next(last))

    def _month_with_days(self, m: re.Match[str]) -> Dated:
        first, last = (self.day(f"{n} {m[1]}{f' {m[4]}' if m[4] else ''}") for n in (m[2], m[3]))
        if first > last:
            raise UnclearError(f"{m[0].strip()!r} ends before it begins")
        return self._window(m, first, _next(last))

    def _han_days_of_month(self, m: re.Match[str]) -> Dated:
        first, last = (self.day(f"{m[1].strip()}{n}日") for n in (m[3], m[4]))
        if first > last:
            raise UnclearError(f"{m[0].strip()!r} ends before it begins")
        return self._window(m, first, _next(last))

    def _months(self, m: re.Match[str]) -> Dated:
        first, last = self.month(m[1])[0], self.month(m[2])[1]
        year = re.search(_YEAR, m[2])
        if year and not re.search(_YEAR, m[1]):
            first = first.replace(year=int(year[0]))
        if first >= last:
            raise UnclearError(f"{m[0].strip()!r} ends before it begins")
        return self._window(m, first, last)

    def _week(self, m: re.Match[str], text: str) -> Dated:
        day = self.day(text)
        if day.weekday() != 0:
            raise UnclearError(f"{text.strip()!r} is no Monday; give the first and the last day of the week")
        return self._window(m, day, day + timedelta(days=7))

    def _whole(self, m: re.Match[str], text: str) -> Dated | None:
        if text.strip() == "may" or text.strip() == "march":  # the words, unless they are written as names
            return None
        return self._window(m, *self.month(text))

    def _part(self, m: re.Match[str], text: str, end: str, days: float) -> Dated:
        begin, after = self.month(text)
        if timedelta(days=days) > after - begin:
            raise UnclearError(f"{m[0].strip()!r} is longer than the month")
        if end.lower() == "last":
            return self._window(m, after - timedelta(days=days), after)
        return self._window(m, begin, begin + timedelta(days=days))

    def _nth_week(self, m: re.Match[str], text: str, which: str) -> Dated:
        begin, after = self.month(text)
        if which.lower() == "last":
            return self._window(m, after - timedelta(days=7), after)
        nth = ORDINALS.get(which.lower()) or whole_number(which) or 0
        if nth != 1:
            raise UnclearError(f"{m[0].strip()!r} may be counted from the first day or from Monday; give its days")
        return self._window(m, begin, begin + timedelta(days=7))

    def _half(self, m: re.Match[str], text: str, which: str) -> Dated:
        begin, after = self.month(text)
        middle = begin + timedelta(days=15)
        return self._window(m, begin, middle) if which.lower() == "first" else self._window(m, middle, after)

    def _third(self, m: re.Match[str], text: str, which: str) -> Dated:
        begin, after = self.month(text)
        cuts = {
            "上旬": (0, 10),
            "中旬": (10, 20),
            "下旬": (20, None),
            "上半月": (0, 15),
            "前半月": (0, 15),
            "下半月": (15, None),
            "后半月": (15, None),
        }
        low, high = cuts[which]
        return self._window(m, begin + timedelta(days=low), after if high is None else begin + timedelta(days=high))

    def _year(self, m: re.Match[str]) -> Dated:
        year = int(m[1])
        return self._window(m, datetime(year, 1, 1), datetime(year + 1, 1, 1))

    def _hours_between(self, m: re.Match[str]) -> Dated | None:
        if not any(m[i] for i in (2, 3, 5, 6)):
            return None  # numbers, but no times of day
        begin, end = _hour(m[1], m[3] or (m[6] if m[6] in ("am", "pm") and int(m[1]) < int(m[4]) else None)), _hour(m[4], m[6])
        return Dated("hours", _stretch(begin, m[2], end, m[5]), m.start(), m.end())

    def _hours_open(self, m: re.Match[str]) -> Dated:
        hour = _hour(m[2], m[3] or m[4])
        hours = tuple(range(hour)) if m[1].lower() == "before" else tuple(range(hour, 24))
        return Dated("hours", hours, m.start(), m.end())

    def _han_hours(self, m: re.Match[str]) -> Dated:
        begin, end = _han_hour(m[1], m[2]), _han_hour(m[3] or m[1], m[4])
        return Dated("hours", _stretch(begin, None, end, None), m.start(), m.end())


def _next(day: datetime) -> datetime:
    return day + timedelta(days=1)


def _next_month(begin: datetime) -> datetime:
    return datetime(begin.year + begin.month // 12, begin.month % 12 + 1, 1)


def _month_number(text: str) -> int:
    found = re.search(_MONTH, text.lower())
    return 0 if found is None else 1 + next(i for i, name in enumerate(MONTHS) if name.startswith(found[0][:3]))


def _period(count: str, unit: str) -> float:
    number, unit = whole_number(count), unit.lower()
    if not number:
        raise UnclearError(f"{count} {unit} is no window")
    days = 14 if "fortnight" in unit else 7 if "week" in unit or "周" in unit or "星期" in unit else 1
    return number / 24 if "hour" in unit or "时" in unit else float(number * days)


def _hour(text: str, half: str | None) -> int:
    hour = int(text)
    if half in ("am", "pm"):
        if not 1 <= hour <= 12:
            raise UnclearError(f"{text} {half} is no time of day")
        return hour % 12 + (12 if half == "pm" else 0)
    if not 0 <= hour <= 24:
        raise UnclearError(f"{text} is no hour of a day")
    return hour


def _han_hour(half: str | None, text: str) -> int:
    hour = whole_number(text)
    if hour is None or not 0 <= hour <= 24:
        raise UnclearError(f"{text} 点不是一天中的时刻")
    late = half in ("下午", "傍晚", "晚上", "夜里") and 1 <= hour < 12 and not (half == "夜里" and hour < 6)
    return hour + 12 if late else hour


def _stretch(begin: int, begin_minutes: str | None, end: int, end_minutes: str | None) -> tuple[int, ...]:
    """Whole hours from begin on, before end; `21:59` ends with hour 21."""
    if begin_minutes not in (None, "00") or end_minutes not in (None, "00", "59"):
        raise UnclearError("times of day are told by whole hours here")
    end = end + 1 if end_minutes == "59" else end
    hours = tuple(hour % 24 for hour in range(begin, end if end > begin else end + 24))
    if not hours or len(hours) > 23:
        raise UnclearError("a stretch of hours must be shorter than a day")
    return tuple(sorted(hours))


def inside(window: Window, first: datetime, last: datetime) -> bool:
    """Whether a window has any time in common with a log."""
    return (window.until is None or window.until > first) and (window.since is None or window.since <= last)


def days_of(window: Window) -> Iterator[datetime]:
    """The days of a closed window."""
    if window.since is not None and window.until is not None:
        day = window.since
        while day < window.until:
            yield day
            day += timedelta(days=1)
