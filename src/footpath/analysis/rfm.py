"""Recency, frequency and money: scores of each user, and named segments of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float64, Int64

from footpath.analysis.charts import bars
from footpath.analysis.periods import observation
from footpath.analysis.trail import Trail, trail
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, ratio_interval, wilson

LARGEST: Final = 1e100
"""Nobody spends as much; squares of larger amounts are beyond a float."""
SCORES: Final = 5
_EPOCH: Final = datetime(1970, 1, 1)
SEGMENTS: Final = {
    "champions": Phrase("champions: lately and often", "核心用户：近期且频繁"),
    "promising": Phrase("promising: lately, a few times", "潜力用户：近期，次数不多"),
    "recent": Phrase("recent: lately, seldom", "近期用户：近期，次数很少"),
    "loyal": Phrase("loyal: some time ago, often", "忠诚用户：有一段时间未来，曾频繁"),
    "cooling": Phrase("cooling: some time ago, a few times", "降温用户：有一段时间未来，次数不多"),
    "fading": Phrase("fading: some time ago, seldom", "渐远用户：有一段时间未来，次数很少"),
    "at_risk": Phrase("at risk: long ago, often", "流失风险：久未到来，曾频繁"),
    "hibernating": Phrase("hibernating: long ago, a few times", "休眠用户：久未到来，次数不多"),
    "lost": Phrase("lost: long ago, seldom", "已流失：久未到来，次数很少"),
}
_GRID: Final = (
    ("lost", "hibernating", "at_risk"),
    ("fading", "cooling", "loyal"),
    ("recent", "promising", "champions"),
)
_BAND: Final = np.array([0, 0, 0, 1, 2, 2])  # of a recency score of 1 to 5: long ago, some time ago, lately
_FREQUENCY_BAND: Final = np.array([0, 0, 1, 1, 2, 2])  # seldom, a few times, often
MONEY: Final[dict[str | None, Phrase]] = {
    "price": Phrase("price times quantity", "价格 × 数量"),
    "value": Phrase("the value of the purchase", "购买金额（value）"),
    None: Phrase("not known", "未知"),
}
SCHEMA: Final = {
    "segment": pa.string(), "n_users": pa.int64(), "n": pa.int64(), "share": pa.float64(), "low": pa.float64(), "high": pa.float64(),
    "recency_days": pa.float64(), "frequency": pa.float64(), "monetary": pa.float64(), "monetary_share": pa.float64(),
    "monetary_low": pa.float64(), "monetary_high": pa.float64(),
}  # fmt: skip


def rfm(log: EventLog | Trail, *, event_type: str | None = None, confidence: float = 0.95) -> Result:
    """Users by how lately, how often and for how much they bought, scored 1 to 5, in nine named segments.

    event_type: the acts that count; without it `purchase` where the log has any, else all. Recency: days from a user's last such act to
    the end of the log. Frequency: sessions with such an act. Monetary: price times quantity (1 where none is given), or `value` of
    purchases where there are no prices; null where the log has neither. A score is 1 + floor(5 s), s the share of users that are
    worse: equal users have equal scores, and the best have 5. The segment is from recency (1-2, 3, 4-5) and frequency (1, 2-3, 4-5).
    table: one row a segment; means over its users. parts: `users`, with scores and segment.
    Raises NotInLogError without a clock. Fader, Hardie and Lee, JMR 2005, on what the three tell.
    """
    t = trail(log)
    t.need_clock("rfm")
    if event_type is not None:
        t.need_types("rfm", [event_type])
    kind = event_type or ("purchase" if "purchase" in t.types else None)
    money = _money(t, kind)
    definition = say(
        "Of {what}: recency, days from a user's last to the end of the log; frequency, sessions with any; monetary, {money}. Scores 1 to 5 "
        "by the share of users that are worse; segments by recency (1-2, 3, 4-5) and frequency (1, 2-3, 4-5). Shares "
        "are of all users with any.",
        "统计{what}。近度：用户最近一次距日志结束的天数；频度：含该行为的会话数；金额：{money}。按劣于该用户者的比例打 1–5 分；"
        "按近度（1–2、3、4–5）与频度（1、2–3、4–5）分群。占比以有该行为的全部用户为分母。",
        what=say("all acts", "全部行为") if kind is None else say("acts of type {kind}", " {kind} 行为", kind=kind),
        money=MONEY[money],
    )  # fmt: skip
    seen = observation(t)
    if seen is None or not t.counts.acts:
        return t.nothing("rfm", definition, say("no acts are left to count", "没有可统计的行为"), SCHEMA)

    def users(acts: ir.Table) -> ir.Table:
        kept = acts if kind is None else acts.filter(acts.event_type == kind)
        amount = _amount(kept, money)
        figures: dict[str, Any] = {
            "last": kept.timestamp.epoch_seconds().cast("int64").max(),
            "frequency": kept.session.nunique().cast("int64"),
        }
        if amount is not None:
            figures["monetary"] = amount.sum().cast("float64")
        return kept.group_by("user_id").agg(**figures)

    rows, query = t.compute(users)
    rows = rows.sort_by("user_id")
    last, often = rows["last"].to_numpy(), rows["frequency"].to_numpy()
    recency = (int((seen.end - _EPOCH).total_seconds()) - last) / 86_400
    spent = None if money is None else np.nan_to_num(rows["monetary"].to_numpy(zero_copy_only=False).astype(np.float64))
    too_large = spent is not None and not float(np.abs(spent).max()) < LARGEST
    if spent is not None:
        # sums in another order may differ in the last bits
        spent = None if too_large else np.round(spent, 9)
    r, f = _scores(-recency), _scores(often)
    segment = np.array(_GRID)[_BAND[r], _FREQUENCY_BAND[f]]
    table = _table(segment, recency, often, spent, confidence)
    parts = {
        "users": pa.table(
            {
                "user_id": rows["user_id"],
                "recency_days": recency,
                "frequency": often,
                "monetary": pa.nulls(len(r), pa.float64()) if spent is None else pa.array(spent),
                "recency_score": r,
                "frequency_score": f,
                "monetary_score": pa.nulls(len(r), pa.int64()) if spent is None else pa.array(_scores(spent)),
                "segment": pa.array(segment.tolist(), pa.string()),
            }
        )
    }
    cells = [Cell("users", len(r), "users"), Cell("once.share", float((often == 1).mean()), "share", len(r))]
    for row in table.to_pylist():
        cells.append(Cell(f"{row['segment']}.share", row["share"], "share", row["n"], row["low"], row["high"]))
        if row["n_users"] and row["monetary_share"] is not None:
            cells.append(
                Cell(
                    f"{row['segment']}.monetary_share",
                    row["monetary_share"],
                    "share",
                    row["n_users"],
                    row["monetary_low"],
                    row["monetary_high"],
                )
            )
        if row["n_users"]:
            cells.append(Cell(f"{row['segment']}.recency", row["recency_days"], "days", row["n_users"]))
    warnings = []
    if too_large:
        warnings.append(
            say(
                "amounts of {limit:g} and more are no money: the monetary part is left out",
                "存在不小于 {limit:g} 的金额，不合常理：不统计金额",
                limit=LARGEST,
            )
        )
    if money is None:
        warnings.append(
            say("the log has no prices and no values of purchases: the monetary part is left out", "日志没有价格或购买金额：不统计金额")
        )
    if kind is None:
        warnings.append(say("the log has no purchases: all acts are counted", "日志没有购买行为：统计全部行为"))
    meta = t.meta(definition, warnings=warnings, event_type=kind, monetary=money, confidence=confidence)
    return Result("rfm", table, meta, tuple(cells), _chart(table), parts, _findings(table), {"users": query})


def _money(t: Trail, kind: str | None) -> str | None:
    """Where money is from. A value of anything but a purchase, such as a rating, is none."""
    for column in ("price", "value"):
        if column not in t.acts.columns or (column == "value" and kind != "purchase"):
            continue
        if int(t.acts[column].count().to_pyarrow().as_py()):
            return column
    return None


def _amount(acts: ir.Table, money: str | None) -> ir.FloatingValue | None:
    if money is None or money == "value":
        return None if money is None else acts.value
    return acts.price * acts.quantity.fill_null(1.0) if "quantity" in acts.columns else acts.price


def _scores(values: np.ndarray) -> Int64[np.ndarray, " U"]:
    """1 to 5, higher for higher values; the best have 5, and all have 1 where they are equal."""
    worse = np.searchsorted(np.sort(values), values, side="left") / len(values)
    scores = 1 + np.floor(SCORES * worse + 1e-9).astype(np.int64)
    if values.max() > values.min():
        scores[values == values.max()] = SCORES
    return scores


def _table(
    segment: np.ndarray,
    recency: Float64[np.ndarray, " U"],
    often: Int64[np.ndarray, " U"],
    spent: Float64[np.ndarray, " U"] | None,
    confidence: float,
) -> pa.Table:
    rows = []
    for name in SEGMENTS:
        mine: Bool[np.ndarray, " U"] = segment == name
        n, total = int(mine.sum()), len(mine)
        low, high = wilson(n, total, confidence)
        row: dict[str, Any] = {"segment": name, "n_users": n, "n": total, "share": n / total, "low": float(low), "high": float(high)}
        if n:
            row |= {"recency_days": float(recency[mine].mean()), "frequency": float(often[mine].mean())}
        if n and spent is not None:
            row["monetary"] = float(spent[mine].mean())
        if spent is not None and spent.sum() > 0:
            part = ratio_interval(spent * mine, spent, confidence=confidence)
            row["monetary_share"] = part.value
            if not np.isnan(part.low):
                row |= {"monetary_low": max(0.0, part.low), "monetary_high": min(1.0, part.high)}
        rows.append(row)
    return pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in SCHEMA.items()})


def _chart(table: pa.Table) -> dict[str, Any]:
    rows = [row for row in table.to_pylist() if row["n_users"]]
    series: dict[str, Any] = {say("share of users", "用户占比"): [row["share"] for row in rows]}
    if any(row["monetary_share"] is not None for row in rows):
        series[say("share of money", "金额占比")] = [row["monetary_share"] for row in rows]
    return bars([SEGMENTS[row["segment"]] for row in rows], series, format="share", horizontal=True)


def _findings(table: pa.Table) -> tuple[Finding, ...]:
    """How much of the money a small part of the users brings, and how much of it came from people who have stayed away."""
    rows = {row["segment"]: row for row in table.to_pylist() if row["n_users"] >= SMALL and row["monetary_low"] is not None}
    found = []
    best, risk = rows.get("champions"), rows.get("at_risk")
    if best is not None and best["monetary_low"] > 1.5 * best["share"]:
        text = say(
            "Those who buy often and lately are {share:.0%} of the users and bring {money:.1%} of the money [{low:.1%}, {high:.1%}].",
            "近期且频繁购买的用户占 {share:.0%}，带来 {money:.1%} 的金额（区间 {low:.1%}–{high:.1%}）。",
            share=best["share"], money=best["monetary_share"], low=best["monetary_low"], high=best["monetary_high"],
        )  # fmt: skip
        weight = min(1.0, best["monetary_share"] - best["share"])
        found.append(Finding("finding", text, ("champions.share", "champions.monetary_share"), None, weight))
    if risk is not None and risk["monetary_low"] > 0.03:
        text = say(
            "{n:,} users who bought often have been away for {days:.0f} days on average; {money:.1%} of the money was theirs "
            "[{low:.1%}, {high:.1%}]. They are listed in the table of users, segment at risk.",
            "{n:,} 位曾频繁购买的用户平均已有 {days:.0f} 天未来，他们贡献过 {money:.1%} 的金额（区间 {low:.1%}–{high:.1%}）。"
            "名单见用户附表中“流失风险”一群。",
            n=risk["n_users"], days=risk["recency_days"], money=risk["monetary_share"], low=risk["monetary_low"],
            high=risk["monetary_high"],
        )  # fmt: skip
        ids = ("at_risk.share", "at_risk.monetary_share", "at_risk.recency")
        found.append(Finding("finding", text, ids, None, min(1.0, risk["monetary_share"])))
    return tuple(found)
