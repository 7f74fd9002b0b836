"""Names of a log in a text: users, items by title or id, categories, brands, search queries, and values of the columns of users."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final, Literal

import ibis
import ibis.expr.types as ir

from footpath.analysis.trail import Trail, main_categories
from footpath.events.log import EventLog
from footpath.llm.ask.lexicon import PHRASES

MOST_VALUES: Final = 2_000
"""Categories, brands and queries beyond are known when they stand in quotes only."""
MOST_SEGMENTS: Final = 60
"""A text column of users with more values names no segments."""
NameKind = Literal["user", "item", "category", "brand", "query", "segment", "column"]
SPOKEN: Final[Mapping[str, tuple[str, ...]]] = {
    "茶": ("tea",), "茶叶": ("tea",), "咖啡": ("coffee",), "玩具": ("toys", "toy"), "蜂蜜": ("honey",), "陶瓷": ("ceramics",),
    "纸品": ("paper",),
    "肥皂": ("soap",), "香皂": ("soap",), "灯具": ("lamps",), "图书": ("books",), "书籍": ("books",), "园艺": ("garden",),
    "刀具": ("knives",),
    "亚麻": ("linen",), "学生": ("student",), "工程师": ("engineer",), "作家": ("writer",), "教师": ("educator", "teacher"),
    "程序员": ("programmer",), "医生": ("doctor",), "律师": ("lawyer",), "艺术家": ("artist",), "科学家": ("scientist",),
    "图书管理员": ("librarian",), "技术员": ("technician",), "高管": ("executive",), "家庭主妇": ("homemaker",), "退休人员": ("retired",),
}  # fmt: skip
"""Everyday Chinese words for names that logs have in English; they count only where the log has such a name."""
_COLUMNS: Final = {
    "segment": (
        "segments",
        "group",
        "groups",
        "customer type",
        "type of customer",
        "type of customers",
        "kind of customer",
        "kind of customers",
        "type of user",
        "type of users",
        "kind of user",
        "kind of users",
        "kind of shopper",
        "kind of shoppers",
        "type of shopper",
        "group of customers",
        "group of users",
        "group of shoppers",
        "user group",
        "shopper segment",
        "shopper group",
        "客户群",
        "哪类用户",
        "哪种用户",
        "哪一类用户",
        "哪类顾客",
        "哪类客户",
        "用户群体",
        "顾客群体",
        "群体",
        "customer segment",
        "customer group",
        "user segment",
        "分群",
        "细分",
        "客群",
        "人群",
        "用户群",
        "用户分群",
        "用户类型",
        "细分群体",
        "用户细分",
    ),
    "occupation": ("occupations", "job", "jobs", "profession", "professions", "职业"),
    "gender": ("genders", "sex", "性别"),
    "device": ("devices", "设备"),
    "country": ("countries", "国家"),
}
_QUOTES: Final = re.compile(r"《([^》]+)》|“([^”]+)”|「([^」]+)」|‘([^’]+)’|\"([^\"]+)\"|(?<![A-Za-z])'([^']+)'(?![A-Za-z])")
_WORD: Final = re.compile(r"[\w][\w.\-]*", re.UNICODE)
_ID: Final = re.compile(r"(?=[A-Za-z0-9_\-]*\d)[A-Za-z0-9][A-Za-z0-9_\-]*")


@dataclass(frozen=True)
class Name:
    """A name at a place of a text.

    kind: of what. value: the id, or the name as the log spells it; of a segment the rule `column=value`, of a column its name. ids: of all
    items that have the title. start, end: in the text.
    """

    kind: NameKind
    value: str
    start: int
    end: int
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Names:
    """What a log calls things. first, last: when its acts begin and end, None without a clock."""

    log: EventLog
    first: datetime | None
    last: datetime | None
    seen: dict[str, list[Name]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, log: EventLog | Trail) -> Names:
        log = log.log if isinstance(log, Trail) else log
        if not log.has_clock:
            return cls(log, None, None)
        acts = log.table.filter(log.table.event_type != "impression")
        row = acts.aggregate(first=acts.timestamp.min(), last=acts.timestamp.max()).to_pyarrow().to_pylist()[0]
        return cls(log, row["first"], row["last"])

    @cached_property
    def types(self) -> dict[str, int]:
        """Rows of each event type, impressions too."""
        t = self.log.table
        return {row["event_type"]: row["n"] for row in t.group_by("event_type").agg(n=t.count()).to_pyarrow().to_pylist()}

    @cached_property
    def several_categories(self) -> bool:
        """Items have several categories each, so that a category can be meant in two ways."""
        items = self.log.items
        if items is None:
            return False
        if _filled(items, "category"):
            return bool(_one(items.filter(items.category.contains("|") | items.category.contains(">")), lambda t: t.count()) > 0)
        return _filled(items, "attributes")

    @cached_property
    def categories(self) -> list[str]:
        if self.several_categories:
            return []
        known = main_categories(self.log)
        return [] if known is None else _values(known, "category")

    @cached_property
    def brands(self) -> list[str]:
        items = self.log.items
        return _values(items, "brand") if items is not None and _filled(items, "brand") else []

    @cached_property
    def queries(self) -> list[str]:
        return _values(self.log.table, "query") if "query" in self.log.table.columns else []

    @cached_property
    def columns(self) -> dict[str, list[str]]:
        """Columns of the user table that name segments, with their values."""
        users = self.log.users
        if users is None:
            return {}
        found = {}
        for name in users.columns:
            if name != "user_id" and users[name].type().is_string():
                values = _values(users, name, MOST_SEGMENTS + 1)
                if 0 < len(values) <= MOST_SEGMENTS:
                    found[name] = values
        return found

    @cached_property
    def numbers(self) -> list[str]:
        """Columns of the user table that are numbers, such as age."""
        users = self.log.users
        return [] if users is None else [name for name in users.columns if users[name].type().is_numeric()]

    @cached_property
    def has_titles(self) -> bool:
        return self.log.items is not None and "title" in self.log.items.columns

    def in_text(self, text: str) -> list[Name]:
        """Names in a text that do not overlap, the longest first where they would, by place. What stands in quotes is one name or none."""
        if text not in self.seen:
            self.seen[text] = sorted(_apart(self._found(text)), key=lambda name: name.start)
        return self.seen[text]

    def close(self, name: str, kinds: Iterable[NameKind] = ("user", "item", "category", "brand", "query", "segment")) -> list[str]:
        """Names that are written nearly alike, closest first, at most five."""
        known: list[str] = []
        for kind in kinds:
            known += self._all(kind)
        near = difflib.get_close_matches(name.lower(), sorted({word.lower() for word in known}), n=5, cutoff=0.6)
        spelled = {word.lower(): word for word in reversed(known)}
        return [spelled[word] for word in near]

    def _all(self, kind: NameKind) -> list[str]:
        if kind in ("user", "item"):
            return _values(self.log.table, "user_id" if kind == "user" else "item_id", 20_000)
        if kind == "segment":
            return [value for values in self.columns.values() for value in values]
        return {"category": self.categories, "brand": self.brands, "query": self.queries, "column": list(self.columns)}[kind]

    # ---- finding

    def _found(self, text: str) -> Iterator[Name]:
        quoted = [(m.start(), m.end(), next(group for group in m.groups() if group is not None).strip()) for m in _QUOTES.finditer(text)]
        for start, end, name in quoted:
            yield from self._named(name, start, end)
        bare = "".join(character if not any(a <= i < b for a, b, _ in quoted) else "\n" for i, character in enumerate(text))
        yield from self._ids(bare)
        yield from self._titles(bare)
        lowered = bare.lower()
        for value, kind, meant in self._listed():
            for start, end in _places(lowered, value):
                yield Name(kind, meant, start, end)

    def _named(self, name: str, start: int, end: int) -> Iterator[Name]:
        """What a name in quotes means, all of it."""
        t = self.log.table
        items = self._with_title(name)
        if items:
            yield Name("item", items[0] if len(items) == 1 else name, start, end, tuple(items))
        known = [Name(kind, meant, start, end) for value, kind, meant in self._listed() if name.lower() == value]
        yield from known
        if known or items:
            return
        for kind, column in (("user", "user_id"), ("item", "item_id")):
            if _one(t.filter(t[column] == name).limit(1), lambda t: t.count()):
                yield Name("user" if kind == "user" else "item", name, start, end, (name,))
                return
        if "query" in t.columns and _one(t.filter(t["query"] == name).limit(1), lambda t: t.count()):
            yield Name("query", name, start, end)

    def _with_title(self, name: str) -> list[str]:
        items = self.log.items
        if items is None or not self.has_titles:
            return []
        for same in (items.title == name, items.title.lower().strip() == name.lower().strip()):
            found = items.filter(same).select("item_id").order_by("item_id").limit(50).to_pyarrow()["item_id"].to_pylist()
            if found:
                return [str(item) for item in found]
        turned = _turned(name)
        return [] if turned is None else self._with_title(turned)

    def _ids(self, text: str) -> Iterator[Name]:
        """Users and items by their ids: one that is only a number, or a word of the language, must say what it is."""
        words: dict[str, list[tuple[int, int]]] = {}
        for pattern in (_WORD, _ID):
            for m in pattern.finditer(text):
                word = m[0].rstrip(".-")
                words.setdefault(word, [])
                if (m.start(), m.start() + len(word)) not in words[word]:
                    words[word].append((m.start(), m.start() + len(word)))
        if not words:
            return
        t = self.log.table
        for kind, column, before in (("user", "user_id", _USER_BEFORE), ("item", "item_id", _ITEM_BEFORE)):
            known = t.filter(t[column].isin(list(words))).select(name=t[column]).distinct().to_pyarrow()["name"].to_pylist()
            for name in known:
                for start, end in words[name]:
                    said = before.search(text[:start])
                    if said is None and (name.isdecimal() or name.lower() in PHRASES or len(name) < 2):
                        continue
                    yield Name("user" if kind == "user" else "item", name, start, end, (name,))

    def _titles(self, text: str) -> Iterator[Name]:
        """Titles without quotes: of several words in any case, of one word as the log spells it unless it is a word of the language."""
        items = self.log.items
        if items is None or not self.has_titles or not text.strip():
            return
        lowered = text.lower()
        inside = ibis.literal(lowered).contains(_spoken_title(items))
        rows = items.filter(items.title.notnull() & (items.title.length() > 1) & inside).select("item_id", "title").to_pyarrow().to_pylist()
        ids: dict[str, list[str]] = {}
        for row in rows:
            ids.setdefault(row["title"], []).append(row["item_id"])
        han = re.search(r"[\u4e00-\u9fff]", text) is not None
        for title, found in ids.items():
            spoken = _unturned(title)
            plain = all(word in PHRASES or word.isdigit() for word in re.findall(r"\w+", spoken.lower()))
            single = len(spoken.split()) == 1
            for start, end in _places(lowered, spoken.lower()):
                exact = text[start:end] == spoken
                if (plain and (single or not exact)) or (single and not exact and not han):
                    continue
                yield Name("item", found[0] if len(found) == 1 else title, start, end, tuple(sorted(found)))

    def _listed(self) -> Iterator[tuple[str, NameKind, str]]:
        """Lower-cased ways to say a category, brand, query, segment or column, the kind, and what is meant."""
        yield from self._said

    @cached_property
    def _said(self) -> list[tuple[str, NameKind, str]]:
        found: list[tuple[str, NameKind, str]] = []
        for kind, values in (("category", self.categories), ("brand", self.brands), ("query", self.queries)):
            found += [(said, _KINDS[kind], value) for value in values for said in _ways(value)]
        for column, values in self.columns.items():
            for value in values:
                rule = f"{column}={value}"
                ways = [said for said in _ways(value) if len(said) > 1 and said not in PHRASES]
                found += [(said, "segment", rule) for said in ways]
                joined = (
                    f"{column} {value}",
                    f"{column}={value}",
                    f"{column} = {value}",
                    f"{column}为{value}",
                    f"{column} 为 {value}",
                    f"{column}是{value}",
                )
                found += [(said.lower(), "segment", rule) for said in joined]
            found += [(said, "column", column) for said in (column.lower().replace("_", " "), *_COLUMNS.get(column.lower(), ()))]
        return found


_KINDS: Final[dict[str, NameKind]] = {"category": "category", "brand": "brand", "query": "query"}
_USER_BEFORE: Final = re.compile(
    r"(?:\b(?:users?|customers?|shoppers?|visitors?|persons?|clients?|user id|id)(?:'s)?[ #:]*|(?:用户|顾客|客户|会员|编号)[ 为是：:#]*)$",
    re.IGNORECASE,
)
_ITEM_BEFORE: Final = re.compile(
    r"(?:\b(?:items?|products?|articles?|films?|movies?|item id)[ #:]*|(?:商品|产品|物品|电影|影片)[ 为是：:#]*)$", re.IGNORECASE
)


def _ways(value: str) -> list[str]:
    """How a name may be written: as it is, one or several of it, in Chinese where that is an everyday word."""
    low = value.lower()
    plain = "".join(c for c in unicodedata.normalize("NFD", low) if not unicodedata.combining(c)).replace("ø", "o").replace("å", "a")
    ways = list(dict.fromkeys((low, plain, low.replace(" & ", " and "), low.replace("&", "和"))))
    if re.fullmatch(r"[a-z]{3,}", low):
        if low.endswith("y") and low[-2] not in "aeiou":
            ways.append(low[:-1] + "ies")
        elif low.endswith("man"):
            ways.append(low[:-3] + "men")
        elif not low.endswith("s"):
            ways.append(low + "s")
        elif low.endswith("s") and not low.endswith("ss") and len(low) > 4:
            ways.append(low[:-1])
    return [*ways, *(word for word, spoken in SPOKEN.items() if low in spoken)]


def _places(text: str, name: str) -> Iterator[tuple[int, int]]:
    """Where a name stands in a text as whole words."""
    if not name:
        return
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        before, after = text[at - 1 : at], text[end : end + 1]
        if not (_latin(name[0]) and before and _latin(before)) and not (_latin(name[-1]) and after and _latin(after)):
            yield at, end
        at = text.find(name, at + 1)


def _latin(character: str) -> bool:
    return (character.isalnum() or character == "_") and not "\u3400" <= character <= "\u9fff"


def _apart(names: Iterable[Name]) -> list[Name]:
    kept: list[Name] = []
    for name in sorted(names, key=lambda n: (n.start - n.end, n.start)):
        apart = all(name.end <= o.start or name.start >= o.end or (name.start, name.end) == (o.start, o.end) for o in kept)
        told = any((name.kind, name.value, name.start) == (other.kind, other.value, other.start) for other in kept)
        if apart and not told:
            kept.append(name)
    return kept


def _turned(name: str) -> str | None:
    """`The Godfather` as tables sort it: `Godfather, The`."""
    found = re.fullmatch(r"(The|A|An) (.+)", name, re.IGNORECASE)
    return None if found is None else f"{found[2]}, {found[1]}"


def _unturned(title: str) -> str:
    found = re.fullmatch(r"(.+), (The|A|An)", title)
    return title if found is None else f"{found[2]} {found[1]}"


def _spoken_title(items: ir.Table) -> ir.StringValue:
    return items.title.lower().re_replace(r"^(.+), (the|a|an)$", r"\2 \1")


def _filled(table: ir.Table, column: str) -> bool:
    return column in table.columns and int(table[column].count().to_pyarrow().as_py()) > 0


def _values(table: ir.Table, column: str, most: int = MOST_VALUES) -> list[str]:
    named = table.filter(table[column].notnull()).select(name=table[column].cast("string")).distinct().order_by("name").limit(most)
    return [value for value in named.to_pyarrow()["name"].to_pylist() if value.strip()]


def _one(table: ir.Table, measure: Callable[[ir.Table], ir.Value]) -> int:
    return int(table.aggregate(n=measure(table)).to_pyarrow()["n"][0].as_py())
