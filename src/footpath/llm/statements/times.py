"""Windows in a sentence, in English and Chinese: dates, the last days, weekdays, hours, halves of somebody's acts.

What they mean stands in docs/claims.md. Where a wording leaves two windows open (`until 15 October`), both are given, and a statement is
only judged if it is as true in the one as in the other.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from footpath.llm.ask.dates import HAN_NUMBER, MONTHS, SMALL_NUMBERS, whole_number
from footpath.llm.claims.claims import Scope

DAY: Final = timedelta(days=1)
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Period:
    """A day, a month or a year: begin, and end, left out."""

    begin: datetime
    end: datetime
    kind: str


@dataclass(frozen=True)
class Window:
    """Where it ends in the text, and what it may mean.

    days: of `the last N days`, or of `the N days before` (then before). period: of a single day, month or year. hour, weekday: of one.
    """

    stop: int
    scopes: tuple[Scope, ...]
    days: float | None = None
    before: bool = False
    period: Period | None = None
    hour: int | None = None
    weekday: int | None = None


_MONTH: Final = "|".join([*MONTHS, *(rf"{name[:3]}\b\.?" for name in MONTHS), r"sept\b\.?"])


def _date_pattern(p: str) -> str:
    """A day, a month or a year, as groups that begin with p."""
    day = rf"(?P<{p}d{{n}}>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?(?!\d|:|%|\.\d)"
    year = rf"(?P<{p}y{{n}}>(?:19|20)\d\d)(?!\d)"
    month = rf"(?P<{p}n{{n}}>{_MONTH})(?![a-z])"
    forms = (
        rf"(?P<{p}y0>\d{{4}})[-/](?P<{p}m0>\d\d?)[-/](?P<{p}d0>\d\d?)(?!\d)",
        rf"(?P<{p}y1>\d{{4}})-(?P<{p}m1>\d\d)(?![\d-])",
        rf"{day.format(n=2)}(?: of)? {month.format(n=2)}(?:,? {year.format(n=2)})?",
        rf"{month.format(n=3)} {day.format(n=3)}(?:,? {year.format(n=3)})?",
        rf"{month.format(n=4)}(?:,? (?:of )?{year.format(n=4)})?",
        rf"(?P<{p}y5>\d{{4}}) ?年 ?(?P<{p}m5>1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九]) ?月(?:份)? ?(?:(?P<{p}d5>[12]\d|3[01]|"
        rf"0?[1-9]) ?[日号])?",
        rf"(?P<{p}m6>1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九]) ?月(?:份)? ?(?:(?P<{p}d6>[12]\d|3[01]|0?[1-9]) ?[日号])?",
        rf"(?P<{p}y7>(?:19|20)\d\d) ?年",
    )
    return f"(?:{'|'.join(forms)})"


_YEAR: Final = r"(?P<{p}y8>(?:19|20)\d\d)(?![\d:%,.]\d|\d| ?[a-z%次位个部名条])"


@dataclass(frozen=True)
class Calendar:
    """The first and the newest act of a log, which say what year a month is of and when the last days begin."""

    first: datetime
    last: datetime

    def periods(self, match: re.Match[str], p: str) -> list[Period]:
        """What a date that was matched may be: several where its year is not said and the log has several."""
        found = {name[len(p)]: value for name, value in match.groupdict().items() if value and re.fullmatch(rf"{p}[ymnd]\d", name)}
        year = int(found["y"]) if "y" in found else None
        month = None
        if "n" in found:
            month = 1 + next(i for i, name in enumerate(MONTHS) if name[:3] == found["n"][:3])
        elif "m" in found:
            month = int(found["m"]) if found["m"].isdigit() else whole_number(found["m"])
        day = int(found["d"]) if "d" in found else None
        years = [year] if year is not None else self._years(month, day)
        return [period for one in years if (period := _period(one, month, day)) is not None]

    def _years(self, month: int | None, day: int | None) -> list[int]:
        years = list(range(self.first.year, self.last.year + 1))
        inside = []
        for year in years:
            period = _period(year, month, day)
            if period is not None and period.begin <= self.last and period.end > self.first:
                inside.append(year)
        return inside or years


def _period(year: int, month: int | None, day: int | None) -> Period | None:
    try:
        if month is None:
            return Period(datetime(year, 1, 1), datetime(year + 1, 1, 1), "year")
        if day is None:
            begin = datetime(year, month, 1)
            return Period(begin, begin + calendar.monthrange(year, month)[1] * DAY, "month")
        return Period(datetime(year, month, day), datetime(year, month, day) + DAY, "day")
    except (ValueError, OverflowError):
        return None


_IN: Final = r"(?:(?:in|on|during|throughout|within|over|for|of|at|across) )?(?:the (?:month|year|day) of )?(?:all of )?(?:the )?"
_NUM: Final = rf"(?P<n>\d{{1,5}}|{'|'.join(sorted(SMALL_NUMBERS, key=len, reverse=True))}|{HAN_NUMBER})"
_HOUR: Final = r"(?P<{p}h>2[0-4]|[01]?\d)(?::(?P<{p}mm>[0-5]\d))?(?: ?(?P<{p}ap>am|pm|a\.m\.|p\.m\.)(?![a-z]))?(?: ?o'clock)?"
_ZH_HOUR: Final = r"(?P<{p}zap>凌晨|早上|上午|中午|下午|晚上|夜里)?(?P<{p}zh>2[0-4]|[01]?\d) ?(?:点|时|:00)"
_UTC: Final = r"(?: ?\(?（?utc\)?）?)?"
Reader = Callable[[Calendar, "re.Match[str]"], Window | None]
_READERS: Final[list[tuple[re.Pattern[str], Reader]]] = []


def _reads(*patterns: str) -> Callable[[Reader], Reader]:
    def keep(function: Reader) -> Reader:
        for pattern in patterns:
            given = pattern.replace("<A>", _date_pattern("a")).replace("<B>", _date_pattern("b"))
            given = given.replace("<AY>", f"(?:{_date_pattern('a')}|{_YEAR.format(p='a')})")
            for p in "ab":
                given = given.replace(f"<H{p}>", _HOUR.format(p=p)).replace(f"<Z{p}>", _ZH_HOUR.format(p=p))
            _READERS.append((re.compile(given.replace("<IN>", _IN).replace("<N>", _NUM).replace("<UTC>", _UTC)), function))
        return function

    return keep


def _scopes(periods: list[Period], make: Callable[[Period], Scope]) -> tuple[Scope, ...]:
    return tuple(make(period) for period in periods)


@_reads(r"<IN><AY>(?: ?(?:期间|间|内|里|中|当天|那天|当月|全月|整月|这天|这一天|这个月|一天|全天))?")
def _inside(known: Calendar, m: re.Match[str]) -> Window | None:
    periods = known.periods(m, "a")
    scopes = _scopes(periods, lambda p: Scope(since=p.begin, until=p.end))
    return Window(m.end(), scopes, period=periods[0] if len(periods) == 1 else None) if periods else None


@_reads(
    r"(?:between|from) (?:the )?<A> ?(?:and|to|until|till|through|-|–) (?:the )?<B>(?: inclusive)?",
    r"<IN><A> ?(?:to|until|till|through|-|–) ?(?:the )?<B>(?: inclusive)?",
    r"(?:between|from) (?:the )?(?P<first>[12]\d|3[01]|[1-9])(?:st|nd|rd|th)? ?(?:and|to|until|through|-|–) ?<B>",
    r"<IN>(?P<first>[12]\d|3[01]|[1-9])(?:st|nd|rd|th)? ?(?:to|until|through|-|–) ?<B>",
    r"(?:between|from) <A> ?(?:and|to|until|through|-|–) ?(?P<final>[12]\d|3[01]|[1-9])(?:st|nd|rd|th)?(?!\d|:)",
    r"<IN><A> ?(?:to|-|–) ?(?P<final>[12]\d|3[01]|[1-9])(?:st|nd|rd|th)?(?!\d|:|-)",
    r"(?:自|从|在)? ?<A> ?(?:到|至|-|—|–|~|～) ?<B>(?: ?(?:期间|之间|间|内|这段时间|这段时间内))?",
    r"(?:自|从|在)? ?<A> ?(?:到|至|-|—|–|~|～) ?(?P<final>[12]\d|3[01]|[1-9]) ?[日号](?: ?(?:期间|之间|间|内))?",
)
def _between(known: Calendar, m: re.Match[str]) -> Window | None:
    given = m.groupdict()
    one = known.periods(m, "a") if any(name.startswith("a") and value for name, value in given.items()) else []
    other = known.periods(m, "b") if any(name.startswith("b") and value for name, value in given.items()) else []
    pairs: list[tuple[datetime, datetime]] = []
    if given.get("first"):
        pairs = [(p.begin.replace(day=1) + (int(given["first"]) - 1) * DAY, p.end) for p in other if p.kind == "day"]
    elif given.get("final"):
        pairs = [(p.begin, p.begin.replace(day=1) + int(given["final"]) * DAY) for p in one if p.kind == "day"]
    else:
        # `1 October to 5 November 2024`, `October to November 2024`: the year of the one is that of the other, where only it is said
        pairs = [
            (p.begin, q.end) for p in one for q in other if p.begin < q.end and (len(one) * len(other) == 1 or p.begin.year == q.begin.year)
        ]
    found = tuple(Scope(since=since, until=until) for since, until in pairs if since < until)
    return Window(m.end(), found) if found else None


@_reads(
    r"(?:before|prior to|earlier than) (?:the )?<AY>", r"(?:在)?<AY> ?(?:之前|以前|前)(?!\d| \d|半|一)",
    r"(?:before|prior to) (?:the )?(?:start|beginning) of (?:the )?<AY>",
)  # fmt: skip
def _before(known: Calendar, m: re.Match[str]) -> Window | None:
    return _given(m, _scopes(known.periods(m, "a"), lambda p: Scope(until=p.begin)))


@_reads(
    r"(?:until|till|up to|up until|through|by|to) (?:and including )?(?:the )?end of (?:the )?<AY>",
    r"(?:截至|截止到?|直到|到) ?<A> ?(?:底|末|月底|月末|结束)(?:为止|时)?", r"up to and including (?:the )?<AY>", r"through (?:the )?<AY>",
    r"(?:截至|截止到?|直到) ?<A>(?:为止)?(?!底|末)", r"<A> ?(?:底|末)(?:为止|之前|前|以前)",
)  # fmt: skip
def _to_the_end(known: Calendar, m: re.Match[str]) -> Window | None:
    return _given(m, _scopes(known.periods(m, "a"), lambda p: Scope(until=p.end)))


@_reads(r"(?:until|till|up to|up until|by) (?:the )?<AY>")
def _until(known: Calendar, m: re.Match[str]) -> Window | None:
    periods = known.periods(m, "a")
    return _given(m, (*_scopes(periods, lambda p: Scope(until=p.end)), *_scopes(periods, lambda p: Scope(until=p.begin))))


@_reads(
    r"(?:ever )?(?:since|as of|starting|starting on|starting from|beginning|beginning on) (?:the (?:start|beginning) of )?(?:the "
    r")?<AY>(?: (?:on|onwards|onward))?",
    r"from (?:the (?:start|beginning) of )?(?:the )?<AY>(?: (?:on|onwards|onward))?",
    r"(?:自|从) ?<A> ?(?:以来|起|开始|之后起|至今|以后)?", r"<A> ?(?:以来|起|开始|至今)",
)  # fmt: skip
def _since(known: Calendar, m: re.Match[str]) -> Window | None:
    return _given(m, _scopes(known.periods(m, "a"), lambda p: Scope(since=p.begin)))


@_reads(
    r"(?:after|following|later than) (?:the end of )?(?:the )?<AY>",
    r"(?:在|自|从)? ?<A> ?(?:之后|以后|过后|后)(?!半|续)",
    r"<A> ?(?:底|末) ?(?:之后|以后|后)",
)
def _after(known: Calendar, m: re.Match[str]) -> Window | None:
    return _given(m, _scopes(known.periods(m, "a"), lambda p: Scope(since=p.end)))


_FIRST_WEEKS: Final = {"first": 0, "1st": 0, "second": 7, "2nd": 7, "third": 14, "3rd": 14, "一": 0, "二": 7, "三": 14, "首": 0}


@_reads(
    r"<IN>(?P<which>first|second|third|1st|2nd|3rd) week of (?:the )?<A>", r"<IN><A>'s (?P<which>first|second|third) week",
    r"(?:在)?<A> ?的?第(?P<which>[一二三])个?(?:周|星期)(?:内|里|中)?", r"(?:在)?<A> ?的?(?P<which>首)周(?:内|里|中)?",
)  # fmt: skip
def _week_of(known: Calendar, m: re.Match[str]) -> Window | None:
    begin = _FIRST_WEEKS[m["which"]]
    return _part_of_month(known, m, lambda p: (begin, begin + 7))


@_reads(
    r"<IN>(?P<which>first|last|final) <N> days of (?:the )?<A>", r"<IN>(?P<which>last|final) (?P<w>week) of (?:the )?<A>",
    r"(?:在)?<A> ?的?(?P<which>前|头|最后|末) ?<N> ?天(?:内|里|中)?", r"(?:在)?<A> ?的?(?P<which>最后)一(?P<w>周)(?:内|里|中)?",
)  # fmt: skip
def _days_of(known: Calendar, m: re.Match[str]) -> Window | None:
    n = 7 if m.groupdict().get("w") else _whole(m["n"])
    if n is None:
        return None
    return _part_of_month(known, m, lambda p: (0, n) if m["which"] in ("first", "前", "头") else (_length(p) - n, _length(p)))


@_reads(r"<IN>(?P<which>first|second) half of <A>", r"(?:在)?<A> ?的?(?P<which>上旬|中旬|下旬|上半月|下半月)(?:内|里|中|期间)?")
def _piece_of(known: Calendar, m: re.Match[str]) -> Window | None:
    pieces = {
        "first": (0, 15),
        "second": (15, 31),
        "上旬": (0, 10),
        "中旬": (10, 20),
        "下旬": (20, 31),
        "上半月": (0, 15),
        "下半月": (15, 31),
    }
    begin, end = pieces[m["which"]]
    return _part_of_month(known, m, lambda p: (begin, min(end, _length(p))))


def _part_of_month(known: Calendar, m: re.Match[str], days: Callable[[Period], tuple[int, int]]) -> Window | None:
    periods = [p for p in known.periods(m, "a") if p.kind == "month"]
    made = [(p.begin + days(p)[0] * DAY, p.begin + days(p)[1] * DAY) for p in periods if 0 <= days(p)[0] < days(p)[1] <= _length(p)]
    return _given(m, tuple(Scope(since=since, until=until) for since, until in made))


@_reads(
    r"(?:(?:in|over|during|within|for|of|across|throughout) )?(?:the )?(?:last|past|final|latest|most recent) (?:<N> )?(?P<unit>days|"
    r"day|weeks|week|fortnight)(?: of (?:the|this) (?:log|data))?",
    r"(?:在)?(?:最近|过去|近|最后|刚过去)的? ?<N>? ?(?:个)?(?P<unit>天|日|周|星期|礼拜)(?:里|内|中|间|期间)?",
    r"(?:在)?(?P<unit>上周|上一周)",
)  # fmt: skip
def _last_days(known: Calendar, m: re.Match[str]) -> Window | None:
    days = _days(m)
    return None if days is None else Window(m.end(), (Scope(since=known.last - days * DAY),), days=days)


_AGAINST: Final = r"(?:,? ?(?:compared|relative|in comparison) (?:with|to) |,? ?(?:versus|vs\.?|against|than|from) )"


@_reads(
    rf"{_AGAINST}(?:in |over |during )?(?:the )?(?:<N> )?(?P<unit>days|day|weeks|week|period|time) (?:just )?(?:before|earlier|prior|"
    rf"preceding)(?: (?:that|these|those|them|it))?",
    rf"{_AGAINST}(?:in |over |during )?(?:the )?(?:previous|preceding|prior|earlier) (?:<N> )?(?P<unit>days|day|weeks|week|period|"
    rf"fortnight)",
    r"(?:相比|比|较|与|和|同|相比于|相较于)? ?(?:再|更)?(?:之前|此前|前|上|前面|再往前)的? ?<N>? ?(?:个)?(?P<unit>天|日|周|星期|"
    r"时期)(?: ?(?:相比|相较|比))?",
)  # fmt: skip
def _days_before(known: Calendar, m: re.Match[str]) -> Window | None:
    days = 0.0 if m["unit"] in ("period", "time", "时期") else _days(m)
    return None if days is None else Window(m.end(), (), days=days, before=True)


def _days(m: re.Match[str]) -> float | None:
    given = m.groupdict().get("n")
    unit = m["unit"]
    if given is None and unit in ("days", "weeks", "天", "日"):
        return None
    n = 1 if given is None else _whole(given)
    size = {"week": 7, "weeks": 7, "周": 7, "星期": 7, "礼拜": 7, "上周": 7, "上一周": 7, "fortnight": 14}.get(unit, 1)
    return None if not n else float(n * size)


def _whole(text: str | None) -> int | None:
    return None if text is None else whole_number(text)


_WEEKDAY: Final = rf"(?:{'|'.join(WEEKDAYS)})s?"
_ZH_WEEKDAY: Final = r"(?:周|星期|礼拜)[一二三四五六日天]"


@_reads(
    r"(?:(?:on|at|during|over|in) )?(?:the )?(?P<end>weekends?|周末)(?:, saturday and sunday)?(?: ?(?:期间|里|中|两天))?",
    r"(?:(?:on|during) )?(?:the )?(?P<work>weekdays|working days|workdays|工作日)(?:,? ?\(?monday (?:to|through) "
    r"friday\)?)?(?:（周一至周五）)?",
    rf"(?:(?:on|from) )?(?P<a>{_WEEKDAY}) ?(?:to|through|-|–) "
    rf"?(?P<b>{_WEEKDAY})", rf"(?P<a>{_ZH_WEEKDAY}) ?(?:到|至|-) ?(?P<b>{_ZH_WEEKDAY})",
    rf"(?:on )?(?P<some>{_WEEKDAY}(?:(?:, | and | or |, and "
    rf"){_WEEKDAY})*)", rf"(?:在)?(?P<some>{_ZH_WEEKDAY}(?:(?:、|和|或){_ZH_WEEKDAY})*)",
)  # fmt: skip
def _weekdays(known: Calendar, m: re.Match[str]) -> Window | None:
    given = m.groupdict()
    if given.get("end"):
        days = [5, 6]
    elif given.get("work"):
        days = [0, 1, 2, 3, 4]
    elif given.get("a"):
        a, b = _weekday(m["a"]), _weekday(m["b"])
        days = [(a + step) % 7 for step in range((b - a) % 7 + 1)]
    else:
        days = [_weekday(name) for name in re.findall(rf"{_WEEKDAY}|{_ZH_WEEKDAY}", m["some"])]
    return Window(m.end(), (Scope(weekdays=tuple(sorted(set(days)))),), weekday=days[0] if len(days) == 1 else None)


def _weekday(name: str) -> int:
    if name[-1] in "一二三四五六日天":
        return {"天": 6}.get(name[-1], "一二三四五六日".find(name[-1]))
    return next(i for i, known in enumerate(WEEKDAYS) if name.startswith(known))


@_reads(
    r"(?:(?:in|at|during) )?(?:the )?(?:hours? )?(?:between|from) <Ha> ?(?:and|to|until|-|–) ?<Hb><UTC>", r"<Ha> ?(?:to|-|–) ?<Hb><UTC>",
    r"(?:在)?<Za>(?:到|至|-|—|–)<Zb>(?:之间|期间)?<UTC>(?:之间|期间)?",
    r"(?:在)?(?P<ah>2[0-4]|[01]?\d):(?P<amm>00) ?(?:到|至) ?(?P<bh>2[0-4]|[01]?\d):(?P<bmm>00|59)(?: ?之间| ?期间)?<UTC>(?: ?之间| ?期间)?",
)  # fmt: skip
def _hours(known: Calendar, m: re.Match[str]) -> Window | None:
    given = m.groupdict()
    if not any(given.get(name) for name in ("amm", "bmm", "aap", "bap", "azh")) and "o'clock" not in m[0]:
        return None
    begin, end = _hour(given, "a", given.get("bap")), _hour(given, "b", None)
    if begin is None or end is None or given.get("amm") not in (None, "00") or given.get("bmm") not in (None, "00", "59"):
        return None
    if given.get("bmm") == "59":
        end += 1
    n = (end - begin) % 24
    hours = tuple(sorted((begin + step) % 24 for step in range(n)))
    return Window(m.end(), (Scope(hours=hours),), hour=hours[0] if n == 1 else None) if n else None


@_reads(
    r"(?:(?:in|at|during) )?(?:the )?(?:hour (?:from|of|starting at|beginning at) )?<Ha>(?: hour)?<UTC>",
    r"(?:在)?<Za>(?:这一小时|这个小时|时段|这一时段)?<UTC>",
)
def _one_hour(known: Calendar, m: re.Match[str]) -> Window | None:
    given = m.groupdict()
    if not any(given.get(name) for name in ("amm", "aap", "azh")) and "o'clock" not in m[0]:
        return None
    hour = _hour(given, "a", None)
    if hour is None or given.get("amm") not in (None, "00"):
        return None
    return Window(m.end(), (Scope(hours=(hour % 24,)),), hour=hour % 24)


def _hour(given: dict[str, str | None], p: str, other_half: str | None) -> int | None:
    if given.get(f"{p}zh"):
        hour, part = int(given[f"{p}zh"] or 0), given.get(f"{p}zap")
        late = part in ("下午", "晚上", "夜里") and hour < 12
        return hour + 12 if late else hour
    if given.get(f"{p}h") is None:
        return None
    hour, half = int(given[f"{p}h"] or 0), given.get(f"{p}ap")
    if half is None and other_half is not None and hour <= 12:
        half = other_half
    if half is None:
        return hour
    return None if not 1 <= hour <= 12 else hour % 12 + (12 if half.startswith("p") else 0)


@_reads(
    r"(?:in|during|over) the (?P<which>first|second) half of (?:their|his|her|its|each user's|the user's|all (?:of "
    r")?(?:their|his|her|its)) (?:acts|activity|actions|history|activities)",
    r"(?:在)?(?:其|各用户|每位用户|他|她)?(?:的)?(?P<zh>前|后)半段(?:的)?(?:行为|活动|历史)?(?:中|里)?",
)  # fmt: skip
def _half(known: Calendar, m: re.Match[str]) -> Window | None:
    first = (m.groupdict().get("which") or m.groupdict().get("zh")) in ("first", "前")
    return Window(m.end(), (Scope(half="first" if first else "second"),))


def _given(m: re.Match[str], scopes: tuple[Scope, ...]) -> Window | None:
    return Window(m.end(), scopes) if scopes else None


def _length(period: Period) -> int:
    return (period.end - period.begin).days


def window_at(text: str, at: int, known: Calendar) -> Window | None:
    """The longest window that begins at a place of a text in lower case."""
    best: Window | None = None
    for pattern, read in _READERS:
        found = pattern.match(text, at)
        if found is None or found.end() <= at or (best is not None and found.end() <= best.stop):
            continue
        window = read(known, found)
        if window is not None:
            best = window
    return best
