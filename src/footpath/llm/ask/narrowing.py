"""From pieces of a text to scopes: what narrows the acts, each thing once; what cannot be said as a scope is refused, never dropped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from footpath.llm.ask.dates import inside
from footpath.llm.ask.names import Names
from footpath.llm.ask.reading import Found, Kind, Number, Reading, window_of
from footpath.llm.claims.claims import Scope
from footpath.llm.claims.wording import NOUNS
from footpath.result import Phrase, say

RULE: Final = "counted"
"""The `meant` of a segment that counts acts over the whole log."""
SCOPE_KINDS: Final = (
    "act", "user", "item", "category", "brand", "query", "segment", "window", "last", "hours", "weekdays", "stars", "half",
)  # fmt: skip
"""Kinds of pieces that a scope is made of."""


class RefusedError(ValueError):
    """Why a question is not answered, in both languages, with names that are written nearly alike."""

    def __init__(self, reason: Phrase, close: Sequence[str] = ()) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.close = tuple(close)


def refuse(english: str, chinese: str, close: Sequence[str] = (), **values: Any) -> RefusedError:
    return RefusedError(say(english, chinese, **values), close)


def composed(reading: Reading, names: Names) -> list[Found]:
    """The pieces that carry meaning, with what belongs together as one: `at least 3 purchases`, `5 stars`, `except views`, `user u1`."""
    pieces = [piece for piece in reading.pieces if piece.kind not in ("filler", "stop")]
    pieces = _doers(pieces)
    pieces = _added(pieces)
    pieces = _fallen(pieces)
    pieces = _stars(pieces, names)
    pieces = _ages(pieces, names)
    pieces = _of_people(_counted(pieces), names)
    pieces = _genders(pieces, names)
    pieces = _nouns_of_names(pieces)
    pieces = _excepted(pieces)
    pieces = _weekdays(pieces)
    return _halves(_joined_acts(pieces))


def _halves(pieces: list[Found]) -> list[Found]:
    """`in the second half compared with the first`: the other half."""
    halves = [piece for piece in pieces if piece.kind == "half"]
    if len(halves) != 1 or halves[0].value == "both":
        return pieces
    other = "first" if halves[0].value == "second" else "second"
    return [
        replace(piece, kind="half", value=other)
        if piece.is_("ask", other) and piece.start > halves[0].start and piece.text.lower().removeprefix("the ") == other
        else piece
        for piece in pieces
    ]


def _made(kind: Kind, value: Any, parts: Sequence[Found], meant: str = "") -> Found:
    text = " ".join(part.text for part in parts)
    return Found(kind, value, parts[0].start, parts[-1].end, text, parts[0].ids if len(parts) == 1 else (), meant)


def _rewrite(pieces: list[Found], rule: Callable[[list[Found], int], tuple[int, Found] | None]) -> list[Found]:
    """Replace runs of pieces: the rule says how many from a place on, and by what."""
    made: list[Found] = []
    at = 0
    while at < len(pieces):
        found = rule(pieces, at)
        if found is None:
            made.append(pieces[at])
            at += 1
        else:
            made.append(found[1])
            at += found[0]
    return made


def _kinds(pieces: list[Found], at: int, *kinds: str) -> bool:
    return at + len(kinds) <= len(pieces) and all(pieces[at + i].kind == kind for i, kind in enumerate(kinds))


def _bounds(sign: str, number: float) -> tuple[float | None, float | None] | None:
    """From and to of a value, both included; None for signs that leave the bound out."""
    return {">=": (number, None), "<=": (None, number), "=": (number, number)}.get(sign)


def _whole(piece: Found) -> int | None:
    number = piece.value
    return int(number.value) if isinstance(number, Number) and not number.percent and number.value == int(number.value) >= 0 else None


DOER: Final = "doer"
"""The `meant` of an act that says who people are, `buyers`, rather than what is counted of them."""


def _doers(pieces: list[Found]) -> list[Found]:
    """`buyers` are users who bought."""
    made: list[Found] = []
    for piece in pieces:
        if piece.kind == "doer":
            made += [replace(piece, kind="unit", value="users"), replace(piece, kind="act", meant=DOER, start=piece.end)]
        else:
            made.append(piece)
    return made


def _added(pieces: list[Found]) -> list[Found]:
    """`added tea to the cart`, `removed it from the cart`: the act stands where the cart is named."""
    verbs = [piece for piece in pieces if piece.kind == "add"]
    places = [piece for piece in pieces if piece.kind == "into"]
    removed = [piece for piece in pieces if piece.is_("act", "remove")]
    if len(places) == 1 and places[0].value == "remove" and len(removed) == 1 and not verbs:
        return [piece for piece in pieces if piece is not places[0]]
    if len(verbs) == len(places) == 1 and verbs[0].start < places[0].start:
        kind = {("add", "cart"): "cart", ("remove", "remove"): "remove"}.get((verbs[0].value, places[0].value))
        if kind is not None:
            act = replace(verbs[0], kind="act", value=kind, text=f"{verbs[0].text} {places[0].text}")
            return [act if piece is verbs[0] else piece for piece in pieces if piece is not places[0]]
    if any(piece.is_("topic", "funnel") for piece in pieces):  # from view to cart
        return [replace(piece, kind="act", value="cart") if piece.kind == "into" else piece for piece in pieces]
    return pieces


def _fallen(pieces: list[Found]) -> list[Found]:
    """`purchases that fall on weekends` do not decline."""
    made = []
    for i, piece in enumerate(pieces):
        if piece.is_("ask", "trend") and piece.text.lower() in ("fall", "fell", "fallen", "falls"):
            after = next((other for other in pieces[i + 1 :] if other.kind not in ("prep", "link")), None)
            if (
                after is not None
                and after.kind in ("hours", "weekdays", "window")
                and any(other.is_("ask", "share", "count") for other in pieces)
            ):
                piece = replace(piece, kind="link", value="link")
        made.append(piece)
    return made


def _stars(pieces: list[Found], names: Names) -> list[Found]:
    def rule(pieces: list[Found], at: int) -> tuple[int, Found] | None:
        for kinds in (("compare", "number", "stars"), ("number", "stars", "suffix"), ("number", "suffix", "stars"), ("number", "stars")):
            if not _kinds(pieces, at, *kinds):
                continue
            run = pieces[at : at + len(kinds)]
            number = next(piece for piece in run if piece.kind == "number")
            sign = next((piece.value for piece in run if piece.kind in ("compare", "suffix")), "=")
            bounds = _bounds(sign, number.value.value)
            return None if bounds is None or number.value.percent else (len(run), _made("stars", bounds, run))
        return None

    def beside_ratings(pieces: list[Found], at: int) -> tuple[int, Found] | None:
        """`ratings of 4 or more`, `rated 5`."""
        if not pieces[at].is_("act", "rating"):
            return None
        step = at + 1
        while step < len(pieces) and (pieces[step].kind in ("prep", "link") or pieces[step].is_("unit", "items")):
            step += 1
        for kinds in (("number", "suffix"), ("compare", "number"), ("number",)):
            run = pieces[step : step + len(kinds)]
            after = pieces[step + len(kinds)].kind if step + len(kinds) < len(pieces) else ""
            if not _kinds(pieces, step, *kinds) or after in ("times", "unit", "suffix", "age", "stars") or (step == at + 1 and after):
                continue
            number = next(piece for piece in run if piece.kind == "number")
            sign = next((piece.value for piece in run if piece.kind in ("compare", "suffix")), "=")
            bounds = _bounds(sign, number.value.value)
            if bounds is not None and not number.value.percent and 0 <= number.value.value <= 10:
                return step + len(kinds) - at, _made("stars", bounds, pieces[at : step + len(kinds)], "rated")
        return None

    if not names.types.get("rating"):
        return pieces
    pieces = _rewrite(pieces, rule)
    made: list[Found] = []
    for piece in _rewrite(pieces, beside_ratings):
        if piece.meant == "rated":  # the act stays beside the stars
            made.append(Found("act", "rating", piece.start, piece.start, "rating"))
        made.append(replace(piece, meant="") if piece.meant == "rated" else piece)
    return made


def _ages(pieces: list[Found], names: Names) -> list[Found]:
    if "age" not in names.numbers:
        return pieces

    def rule(pieces: list[Found], at: int) -> tuple[int, Found] | None:
        patterns: tuple[tuple[tuple[str, ...], bool], ...] = (
            (("age", "compare", "number", "age"), False), (("compare", "number", "age"), False), (("number", "age", "suffix"), False),
            (("number", "suffix", "age"), False), (("age", "number", "suffix"), False), (("age", "number", "age"), False),
            (("age", "compare", "number"), False), (("number", "age"), False), (("age", "number"), False),
            (("compare", "number"), True), (("prep", "number"), True),
        )  # fmt: skip
        for kinds, of_users in patterns:
            if not _kinds(pieces, at, *kinds):
                continue
            run = pieces[at : at + len(kinds)]
            after = pieces[at + len(kinds)] if at + len(kinds) < len(pieces) else None
            if of_users:  # users under 18
                if (
                    at == 0
                    or not pieces[at - 1].is_("unit", "users")
                    or (after is not None and after.kind in ("act", "times", "stars", "unit"))
                ):
                    continue
                if run[0].kind == "prep" and run[0].text.lower() != "over":
                    continue
            number = _whole(next(piece for piece in run if piece.kind == "number"))
            signs = [piece.value for piece in run if piece.kind in ("compare", "suffix") or (piece.kind == "age" and piece.value != "age")]
            signs += [">"] if run[0].kind == "prep" else []
            sign = signs[0] if signs else "="
            if number is None or len(signs) > 1 or (sign == "<=" and re.search("[一-鿿]", run[-1].text)):
                return None  # 以下 includes or not
            return len(run), _made("segment", f"age{sign}{number}", run)
        return None

    return _rewrite(pieces, rule)


def _counted(pieces: list[Found]) -> list[Found]:
    """`at least 3 purchases`, `bought at least twice`, `购买 3 次以上`: a rule on the acts of each user in the whole log."""

    def number_of(run: Sequence[Found], /) -> tuple[str, int] | None:
        sign = next((piece.value for piece in run if piece.kind in ("compare", "suffix")), None)
        number: int | None = None
        for piece in run:
            if piece.kind == "number":
                number = _whole(piece)
            elif piece.is_("times", "once", "twice"):
                number = {"once": 1, "twice": 2}[piece.value]
        return None if sign is None or number is None else (str(sign), number)

    counts = (
        ("compare", "number", "times"), ("number", "times", "suffix"), ("number", "suffix", "times"), ("compare", "times"),
        ("compare", "number"), ("number", "suffix"),
    )  # fmt: skip

    def rule(pieces: list[Found], at: int) -> tuple[int, Found] | None:
        for kinds in counts:
            if _kinds(pieces, at, *kinds):  # at least 3 purchases, 3 or more times bought
                run = pieces[at : at + len(kinds)]
                told = number_of(run)
                after = at + len(kinds)
                if told is not None and after < len(pieces) and pieces[after].kind == "act":
                    name = pieces[after].value
                    return len(kinds) + 1, _made("segment", f"{_counts(name)}{told[0]}{told[1]}", [*run, pieces[after]], RULE)
                if told is not None and after < len(pieces) and pieces[after].is_("unit", "sessions", "days"):
                    return len(kinds) + 1, _made("segment", f"{pieces[after].value}{told[0]}{told[1]}", [*run, pieces[after]], RULE)
        if _kinds(pieces, at, "compare", "act"):  # 至少购买 3 次
            step = at + 2 + (at + 2 < len(pieces) and pieces[at + 2].is_("unit", "items"))
            if _kinds(pieces, step, "number", "times"):
                told = number_of([pieces[at], *pieces[step : step + 2]])
                if told is not None:
                    run = pieces[at : step + 2]
                    return step + 2 - at, _made("segment", f"{_counts(pieces[at + 1].value)}{told[0]}{told[1]}", run, RULE)
        if pieces[at].kind == "act":  # bought something at least 3 times
            step = at + 1
            while step < len(pieces) and (pieces[step].is_("unit", "items") or pieces[step].kind == "link"):
                step += 1
            for kinds in (*counts[:4], ("number", "suffix")):
                if _kinds(pieces, step, *kinds):
                    run = pieces[step : step + len(kinds)]
                    if len(kinds) == 2 and run[-1].kind == "suffix" and not run[-1].text.startswith("次"):
                        continue
                    told = number_of(run)
                    if told is not None:
                        made = _made("segment", f"{_counts(pieces[at].value)}{told[0]}{told[1]}", [pieces[at], *run], RULE)
                        return step + len(kinds) - at, made
        return None

    return _rewrite(pieces, rule)


def _of_people(pieces: list[Found], names: Names) -> list[Found]:
    """A rule counts the acts of a user, so it must stand beside users; `at least one` is the act itself, of sessions and days too."""
    made: list[Found] = []
    for i, piece in enumerate(pieces):
        if piece.kind != "segment" or piece.meant != RULE:
            made.append(piece)
            continue
        name = re.split("[<>=]", piece.value)[0]
        act = "act" if name == "acts" else name
        if piece.value.endswith(">=1") and act in (*names.types, "act"):
            made.append(replace(piece, kind="act", value=act, meant=""))
            continue
        before = next((other for other in reversed(pieces[:i]) if other.kind not in ("link", "prep", "act")), None)
        after = next((other for other in pieces[i + 1 :] if other.kind not in ("link", "prep") and not other.is_("unit", "items")), None)
        people = any(other is not None and (other.is_("unit", "users") or other.is_("ask", "who", "users") or other.kind == "segment")
                     for other in (before, after))  # fmt: skip
        made.append(piece if people else replace(piece, kind="unknown", value=piece.text))
    return made


def _counts(act: str) -> str:
    return "acts" if act == "act" else act


def _genders(pieces: list[Found], names: Names) -> list[Found]:
    values = {value.lower()[:1]: value for value in names.columns.get("gender", [])}
    made = []
    for piece in pieces:
        letter = str(piece.value).lower()
        if piece.kind == "gender" and letter in values and len(values) == len(names.columns["gender"]):
            piece = replace(piece, kind="segment", value=f"gender={values[letter]}")
        elif piece.kind == "gender":
            piece = replace(piece, kind="unknown", value=piece.text)
        made.append(piece)
    return made


_OWN_NOUNS: Final = {"user": "users", "item": "items", "category": "categories", "brand": "brands", "query": "queries", "segment": "users"}


def _nouns_of_names(pieces: list[Found]) -> list[Found]:
    """`user u1`, `the tea category`, `the segment loyal`: the noun goes with the name. Users of a segment stay: they may be counted."""
    drop: set[int] = set()
    for i, piece in enumerate(pieces):
        if piece.kind not in _OWN_NOUNS:
            continue
        for j in (i - 1, i + 1):
            if not 0 <= j < len(pieces) or j in drop:
                continue
            other = pieces[j]
            is_noun = other.is_("unit", _OWN_NOUNS[piece.kind]) and piece.kind not in ("segment",)
            beside = j == i - 1 or piece.kind in ("category", "brand", "query")
            if is_noun and beside and (_touches(other, piece) or piece.kind in ("user", "item")):
                drop.add(j)
            if other.kind == "column" and piece.kind == "segment" and piece.value.startswith(f"{other.value}="):
                drop.add(j)
    return [piece for i, piece in enumerate(pieces) if i not in drop]


def _touches(one: Found, other: Found) -> bool:
    first, second = sorted((one, other), key=lambda piece: piece.start)
    return second.start - first.end <= 5


def of_release(pieces: Sequence[Found], names: Names) -> Found | None:
    """A year beside items that have years of their own: `movies from 1997` may be when they were made."""
    items = names.log.items
    if items is None or not any("year" in column for column in items.columns):
        return None
    for i, piece in enumerate(pieces):
        bare = re.fullmatch(r"(?:of |the |from )*\d{4}(?: ?年)?", piece.text.strip().lower()) is not None
        if piece.kind == "window" and bare:
            around = [other for other in pieces[max(0, i - 2) : i + 3] if other.is_("unit", "items")]
            if around:
                return piece
    return None


def _excepted(pieces: list[Found]) -> list[Found]:
    """`except views`, `除了浏览以外`: one piece of the kind `except` whose value is what is left out."""
    made: list[Found] = []
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        if piece.kind == "except":
            after = pieces[at + 1] if at + 1 < len(pieces) else None
            step = 2
            if after is not None and after.kind == "segment" and after.meant != RULE and re.fullmatch(r"[^!<>=]+=[^!<>=]+", after.value):
                end = at + 2
                while end < len(pieces) and (pieces[end].kind in ("column", "except") or pieces[end].is_("unit", "users")):
                    end += 1
                rule = after.value.replace("=", "!=")
                made.append(_made("segment", rule, pieces[at:end], "except"))
                at = end
                continue
            if after is not None and after.kind == "weekdays":
                days = tuple(day for day in range(7) if day not in after.value)
                end = at + 3 if at + 2 < len(pieces) and pieces[at + 2].kind == "except" else at + 2
                made.append(_made("weekdays", days, pieces[at:end]))
                at = end
                continue
            if after is not None and after.kind in ("act", "category", "brand", "item", "user") and after.value != "act":
                run = [piece, after]
                if at + 2 < len(pieces) and pieces[at + 2].is_("unit", _OWN_NOUNS.get(after.kind, "")):
                    step += 1
                if at + step < len(pieces) and pieces[at + step].kind == "except":
                    run.append(pieces[at + step])
                    step += 1
                made.append(Found("except", after, run[0].start, run[-1].end, " ".join(part.text for part in run), after.ids))
                at += step
                continue
        made.append(piece)
        at += 1
    return made


def _weekdays(pieces: list[Found]) -> list[Found]:
    def rule(pieces: list[Found], at: int) -> tuple[int, Found] | None:
        if pieces[at].kind != "weekdays":
            return None
        end = at + 1
        days = set(pieces[at].value)
        while end < len(pieces):
            if pieces[end].kind == "weekdays":
                days |= set(pieces[end].value)
                end += 1
            elif pieces[end].kind in ("and",) and end + 1 < len(pieces) and pieces[end + 1].kind == "weekdays":
                end += 1
            else:
                break
        return (end - at, _made("weekdays", tuple(sorted(days)), pieces[at:end])) if end > at + 1 else None

    return _rewrite(pieces, rule)


def _joined_acts(pieces: list[Found]) -> list[Found]:
    """`click events` is one act; `views and clicks` are two together, the value a tuple; `A or B` too."""

    def rule(pieces: list[Found], at: int) -> tuple[int, Found] | None:
        if pieces[at].kind != "act" or pieces[at].meant == DOER:
            return None
        joins: set[str] = set()
        end, acts = at + 1, [pieces[at].value]
        while end < len(pieces):
            if pieces[end].kind == "act" and "act" in (pieces[end].value, acts[-1]) and not joins:
                acts = [value for value in (*acts, pieces[end].value) if value != "act"] or ["act"]
                end += 1
            elif pieces[end].kind in ("and", "or") and end + 1 < len(pieces) and pieces[end + 1].kind == "act":
                joins.add(pieces[end].kind)
                acts.append(pieces[end + 1].value)
                end += 2
            else:
                break
        if end == at + 1:
            return None
        value = acts[0] if len(set(acts)) == 1 else tuple(dict.fromkeys(acts))
        return end - at, _made("act", value, pieces[at:end], "+".join(sorted(joins)))

    return _rewrite(pieces, rule)


def shared(piece: Found) -> RefusedError:
    """The refusal of a title that several items have."""
    ids = ", ".join(piece.ids[:5])
    return refuse(
        "{n} items have the title {title!r}: name one by its id, such as item {ids}",
        "有 {n} 个商品的标题都是“{title}”：请用编号指明其中一个，例如商品 {ids}",
        n=len(piece.ids), title=piece.value, ids=ids,
    )  # fmt: skip


def scope_of(pieces: Iterable[Found], names: Names, *, users: bool = False) -> Scope:
    """The scope of pieces of `SCOPE_KINDS`, generic nouns, links and prepositions among them. Raises RefusedError for any other.

    users: it is people who are counted, so that acts of several kinds joined by `and` are not acts of one person at once.
    """
    found: dict[str, Any] = {}
    rules: list[Found] = []
    said_impression = False

    def put(name: str, value: Any, piece: Found) -> None:
        if found.get(name, value) != value:
            raise refuse("I cannot take {a} and {b} together", "无法同时按 {a} 与 {b} 限定", a=found[name], b=value)
        found[name] = value

    for piece in pieces:
        kind, value = piece.kind, piece.value
        if kind == "act":
            types = value if isinstance(value, tuple) else () if value == "act" else (value,)
            if users and isinstance(value, tuple) and "and" in piece.meant:
                raise refuse(
                    "{text!r} of users may mean either or both: ask about one of them",
                    "用户的“{text}”可以指其一或同时：请只问其中一种", text=piece.text,
                )  # fmt: skip
            for name in types:
                if not names.types.get(name):
                    there = ", ".join(str(NOUNS[kind][1]) for kind in names.types if kind in NOUNS)
                    there_zh = "、".join(NOUNS[kind][2] for kind in names.types if kind in NOUNS)
                    raise refuse(
                        "this log has no {what}; it has {there}", "这份日志里没有{what_zh}；有：{there_zh}",
                        what=NOUNS[name][1], what_zh=NOUNS[name][2], there=there, there_zh=there_zh,
                    )  # fmt: skip
            said_impression = said_impression or "impression" in types
            put("event_types", tuple(sorted(types)), piece)  # none for acts of any kind: purchases and those together cannot be
        elif kind == "item":
            if len(piece.ids) > 1:
                raise shared(piece)
            put("item", value, piece)
        elif kind in ("user", "category", "brand", "query"):
            put(kind, value, piece)
        elif kind == "segment":
            rules.append(piece)
        elif kind == "window":
            window = window_of(piece)
            if window.edge:
                raise refuse(
                    "{text!r} may or may not include that day: say before it, or from one day to another",
                    "“{text}”是否包含当天不明确：请用“…之前”，或写明起止日期", text=piece.text,
                )  # fmt: skip
            if names.first is None or names.last is None:
                raise refuse(
                    "this log has no clock, so nothing can be said of {text!r}", "这份日志没有时间，无法回答“{text}”", text=piece.text
                )
            if not inside(window, names.first, names.last):
                raise refuse(
                    "{text!r} lies outside the log, which runs from {a:%Y-%m-%d} to {b:%Y-%m-%d}",
                    "“{text}”不在日志范围内；日志从 {a:%Y-%m-%d} 到 {b:%Y-%m-%d}", text=piece.text, a=names.first, b=names.last,
                )  # fmt: skip
            put("window", (window.since, window.until), piece)
        elif kind == "last":
            if names.last is None:
                raise refuse(
                    "this log has no clock, so nothing can be said of {text!r}", "这份日志没有时间，无法回答“{text}”", text=piece.text
                )
            put("window", (names.last - timedelta(days=value), None), piece)
        elif kind in ("hours", "weekdays"):
            put(kind, value, piece)
        elif kind == "stars":
            put("value_from", value[0], piece)
            put("value_to", value[1], piece)
        elif kind == "half" and value != "both":
            put("half", value, piece)
        elif kind == "except" and isinstance(value, Found):
            if len(value.ids) > 1:
                raise shared(value)
            if value.kind == "act":
                put("not_event_types", value.value if isinstance(value.value, tuple) else (value.value,), piece)
            else:
                put(f"not_{value.kind}", value.value, piece)
        elif kind in ("link", "prep") or piece.is_("unit", "users", "items") or (kind == "number" and piece.text.lower() in ("one", "一")):
            continue
        else:
            raise not_understood(piece)
    since, until = found.pop("window", (None, None))
    if rules:
        found["segment"] = _rules(rules, narrowed=bool(since or until or set(found) - {"event_types"}))
    if "half" in found and said_impression:
        raise refuse("halves are of what people did, and impressions are not", "前后半段针对用户行为，而曝光不是行为")
    return Scope(since=since, until=until, **found)


def _rules(rules: Sequence[Found], *, narrowed: bool) -> str:
    columns = [re.split(r"[!<>=]", piece.value)[0] for piece in rules]
    if len(set(columns)) != len(columns) or any(piece.kind == "segment" and len(rules) > 3 for piece in rules):
        together = " / ".join(piece.text for piece in rules)
        raise refuse("I cannot take {what} together", "无法同时按 {what} 限定", what=together)
    counted = [piece for piece in rules if piece.meant == RULE]
    if counted and narrowed:
        raise refuse(
            "{text!r} counts over the whole log, and the question narrows it: ask for one of the two",
            "“{text}”按整个日志计数，而问题又限定了范围：请只问其中之一", text=counted[0].text,
        )  # fmt: skip
    return " and ".join(piece.value for piece in rules)


def not_understood(piece: Found) -> RefusedError:
    if piece.kind == "vague":
        return refuse("{why}", "{why}", why=piece.value)
    return refuse("I do not know what {text!r} means here", "无法理解这里的“{text}”", text=piece.text)


def unknown(reading: Reading, names: Names) -> RefusedError | None:
    """The refusal of the first word that is not understood, with close names; None where all are."""
    before: Found | None = None
    for piece in reading.pieces:
        if piece.kind == "vague":
            return not_understood(piece)
        named = before is not None and before.kind == "unit" and before.value in _NAMED and piece.start - before.end <= 2
        if piece.kind == "unknown" or (piece.kind == "number" and named and not _is_counted(reading, piece)):
            word = str(piece.value) if piece.kind == "unknown" else piece.text
            close = [name for name in names.close(word) if name.lower() != word.lower()]
            if before is not None and named and re.search(r"\d", word):
                what, what_zh = _NAMED[before.value]
                error = refuse(
                    "there is no {what} {word!r} in this log", "这份日志里没有{what_zh}“{word}”", what=what, what_zh=what_zh, word=word
                )
            elif re.search(r"\d", word) or word != piece.text:
                error = refuse("nothing in this log is called {word!r}", "这份日志里没有叫“{word}”的", word=word)
            else:
                error = not_understood(piece)
            return RefusedError(error.reason, close)
        before = piece if piece.kind != "filler" else before
    return None


_NAMED: Final = {"users": ("user", "用户"), "items": ("item", "商品")}


def _is_counted(reading: Reading, number: Found) -> bool:
    """A number after a noun that counts rather than names: `users 3 or more`, `items 5 times`."""
    after = next((piece for piece in reading.pieces if piece.start >= number.end and piece.kind != "filler"), None)
    return after is not None and after.kind in ("suffix", "times", "stars", "age", "unit")
