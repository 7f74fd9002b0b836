"""Questions that a log answers, to show where one cannot be: made of its own names, so that each can be asked as it stands."""

from __future__ import annotations

from typing import Final

from footpath.llm.ask.names import Names
from footpath.llm.claims.wording import NOUNS
from footpath.result import Phrase, say

_VERBS: Final = {
    "purchase": ("bought something", "bought", "购买过商品"), "rating": ("rated something", "rated", "评分过"),
    "view": ("viewed something", "viewed", "浏览过商品"), "click": ("clicked on something", "clicked", "点击过商品"),
    "cart": ("added something to the cart", "added to the cart", "加购过商品"),
}  # fmt: skip


def examples(names: Names) -> list[Phrase]:
    """Three to five questions in both languages."""
    kind = next((name for name in _VERBS if names.types.get(name)), None)
    found: list[Phrase] = []
    user = _first(names, "user_id")
    if kind is not None:
        active, passive, chinese = _VERBS[kind]
        noun, noun_zh = NOUNS[kind][1:]
        found.append(say("How many users {did}?", "有多少用户{zh}？", did=active, zh=chinese))
        found.append(say("What share of all users {did}?", "{zh}的用户占全部用户的比例是多少？", did=active, zh=chinese))
        if _first(names, "item_id") is not None:
            found.append(say("Which five items were {done} most often?", "{zh}最多的五个商品是哪些？", done=passive, zh=noun_zh))
        if names.last is not None:
            found.append(
                say("Did {what} go up or down over the last 14 days?", "最近14天的{zh}和之前14天相比变化了多少？", what=noun, zh=noun_zh)
            )
            found.append(say("On which weekday are most {what} made?", "星期几的{zh}最多？", what=noun, zh=noun_zh))
    else:
        found.append(Phrase("How many users were active?", "有多少用户有行为？"))
        if _first(names, "item_id") is not None:
            found.append(Phrase("Which five items have the most acts?", "行为最多的五个商品是哪些？"))
        if names.last is not None:
            found.append(Phrase("Which hour is the busiest?", "哪个小时行为最多？"))
    if user is not None and len(found) < 5:
        found.append(say("How many acts does user {id} have?", "用户 {id} 有多少次行为？", id=user))
    return found[:5]


def _first(names: Names, column: str) -> str | None:
    table = names.log.table
    rows = table.filter(table[column].notnull()).select(name=table[column]).limit(1).to_pyarrow()["name"].to_pylist()
    return str(rows[0]) if rows else None
