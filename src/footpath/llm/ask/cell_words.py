"""How a cell of an analysis reads as an answer: a sentence in both languages with the value and its denominator."""

from __future__ import annotations

import re
from typing import Final

from footpath.page.figures import Kind, show
from footpath.result import Cell, Phrase, say

_SENTENCES: Final[tuple[tuple[str, str, Kind, str, str], ...]] = (
    (r"funnel\.step2\.from_previous", "", "share",
     "{v} of the users with a view went on to a cart in the same session ({n}).", "浏览过的用户中有 {v} 在同一会话内加购（{n}）。"),
    (r"funnel\.step3\.from_previous", "", "share",
     "{v} of the users who got from a view to a cart went on to a purchase in the same session ({n}).",
     "由浏览走到加购的用户中有 {v} 在同一会话内购买（{n}）。"),
    (r"funnel\.step3\.from_first", "", "share",
     "{v} of the users with a view got over a cart to a purchase in the same session ({n}).",
     "浏览过的用户中有 {v} 在同一会话内经加购走到购买（{n}）。"),
    (r"retention\.mean\.age(\d+)", "", "share",
     "{v} of new users were active again {k} week(s) after the week of their first act ({n}; weeks that had ended).",
     "新用户中有 {v} 在首次行为那一周之后的第 {k} 周再次活跃（{n}；仅计已结束的周）。"),
    (r"sessions\.bounce\.share", "", "share",
     "{v} of the sessions had a single act ({n}).", "{v} 的会话只有一次行为（{n}）。"),
    (r"sessions\.length\.median", "", "number", "The median session had {v} acts ({n}).", "会话行为数的中位数为 {v}（{n}）。"),
    (r"sessions\.duration\.median", "", "seconds",
     "The median session lasted {v} from its first act to its last ({n}).", "会话从首个行为到末个行为的时长，中位数为 {v}（{n}）。"),
    (r"sessions\.duration\.mean", "", "seconds",
     "A session lasted {v} on average, from its first act to its last ({n}).", "会话从首个行为到末个行为平均持续 {v}（{n}）。"),
    (r"sessions\.per_user\.median", "", "number", "The median user had {v} sessions ({n}).", "每位用户会话数的中位数为 {v}（{n}）。"),
    (r"stickiness\.dau_mau", "", "share",
     "Stickiness was {v}: the sum of daily over the sum of monthly active users ({n}).", "用户粘性为 {v}：日活之和除以月活之和（{n}）。"),
    (r"stickiness\.dau_wau", "", "share",
     "Daily over weekly active users was {v} ({n}).", "日活之和除以周活之和为 {v}（{n}）。"),
    (r"stickiness\.dau\.mean", "", "number", "{v} users were active on an average day ({n}).", "平均每天有 {v} 位活跃用户（{n}）。"),
    (r"rates\.click_rate", "", "share",
     "{v} of the items with an impression in a request were clicked ({n}).", "请求中曝光的商品有 {v} 被点击（{n}）。"),
    (r"rates\.click_rate\.(.+)", "", "share",
     "In slot {k}, {v} of the items with an impression in a request were clicked ({n}).",
     "在 {k} 号展位，请求中曝光的商品有 {v} 被点击（{n}）。"),
    (r"bots\.flagged", "", "count", "{v} users are suspected to be bots ({n}).", "有 {v} 位用户疑似机器人（{n}）。"),
    (r"bots\.flagged_share", "", "share", "{v} of the acts are by suspected bots ({n}).", "{v} 的行为来自疑似机器人（{n}）。"),
    (r"frequency\.gini", "", "number",
     "The Gini index of acts over items is {v}: 0 where all are met as often, near 1 where few have everything ({n}).",
     "行为在商品间分布的基尼系数为 {v}：0 表示各商品相同，接近 1 表示集中于少数（{n}）。"),
)  # fmt: skip
_BEHIND: Final = {
    "funnel": ("users", "位用户"), "retention": ("users", "位用户"), "sessions": ("sessions", "个会话"), "stickiness": ("users", "位用户"),
    "rates": ("units behind it", "个单位"), "bots": ("users", "位用户"), "frequency": ("items", "个商品"),
}  # fmt: skip
KNOWN: Final = tuple(pattern for pattern, *_ in _SENTENCES)


def sentence_of(analysis: str, cell: Cell) -> tuple[Phrase, str]:
    """The sentence of a cell that has a value, and the value as it reads there. Raises KeyError for a cell that no question asks for."""
    name = f"{analysis}.{cell.id}"
    for pattern, _, kind, english, chinese in _SENTENCES:
        match = re.fullmatch(pattern, name)
        if match is None:
            continue
        shown = (show(cell.value, kind, "en"), show(cell.value, kind, "zh"))
        noun, noun_zh = _BEHIND[analysis]
        if name in ("sessions.per_user.median",):
            noun, noun_zh = "users", "位用户"
        if name == "bots.flagged_share":
            noun, noun_zh = "acts", "次行为"
        behind = Phrase("no denominator", "无分母") if cell.n is None else Phrase(f"of {cell.n:,} {noun}", f"共 {cell.n:,} {noun_zh}")
        if cell.n is not None and cell.is_small:
            behind = Phrase(f"{behind}; fewer than 30 cases", f"{behind.zh}；不足 30 例")
        k = match[1] if match.groups() else ""
        told = say(english, chinese, v=Phrase(*shown), n=behind, k=k)
        return Phrase(str(told).replace("1 week(s)", "one week").replace("week(s)", "weeks"), told.zh), shown[0]
    raise KeyError(name)
