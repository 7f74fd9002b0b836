"""What the columns of tables and their values are called on a page, and why something was not measured, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from footpath.result import Phrase, say

_WORDS: Final = {
    "act_share": "行为占比", "acted": "后续行为数", "active": "活跃", "active_days": "活跃天数", "acts": "行为数",
    "acts_per_user": "人均行为数",
    "adjusted_ratio": "校正比值", "after": "此后", "age": "第几期", "amount": "金额", "analysis": "分析", "anomalous": "异常",
    "arm": "分组", "arms": "各分组", "at_risk": "仍在观察", "auc": "AUC 值", "average": "平均", "base_rate": "基准率",
    "base_share": "平时占比",
    "before": "此前", "bic": "BIC 准则", "bin": "分箱", "bounce": "跳出", "bounce_rate": "跳出率", "bounces": "跳出数", "brand": "品牌",
    "brier": "Brier 分数", "by_hour": "按小时", "by_weekday": "按星期", "calibration": "校准", "categories": "类别", "category": "类别",
    "cell": "指标", "censored": "删失数", "change": "变化", "change_point": "变点", "changed_at": "变化时间", "changes": "变化",
    "click_rate": "点击率", "clicks": "点击数", "cluster": "分群", "cohort": "同期群", "column": "列", "complete": "窗口完整",
    "complete_week": "周完整", "contexts": "上下文", "contributors": "贡献因素", "control": "对照组", "conversion": "转化",
    "conversion_rate": "转化率", "conversions": "转化数", "converted": "已转化", "count": "次数", "covered": "累计覆盖",
    "ctr": "点击率", "cumulative_share": "累计占比", "curve": "曲线", "cut": "切分时间", "cutoff": "切分时间", "cvr": "转化率",
    "date": "日期", "dau": "日活", "dau_mau": "日活/月活", "dau_wau": "日活/周活", "day": "日", "days": "天数",
    "days_active": "活跃天数", "decile": "十分位", "degrees": "自由度", "denominator": "分母", "difference": "差值",
    "differences": "差异", "dimension": "维度", "distance": "距离", "dormant": "沉睡", "drifted": "已漂移", "drop": "流失",
    "dropped": "流失用户", "dropped_at": "流失于", "duration": "时长", "end": "结束", "event": "事件", "event_type": "行为类型",
    "event_types": "行为类型",
    "events": "事件数", "example_users": "示例用户", "examples": "示例", "expected": "期望值", "feature": "特征", "features": "特征",
    "first": "首次", "flagged": "已标记", "flags": "标记", "frequency": "频次", "frequency_score": "频次得分", "from": "起点",
    "from_first": "占首步比例", "from_label": "起点", "from_previous": "占上一步比例", "g": "G 统计量", "gain": "增益", "gap": "缺口",
    "gap_minutes": "间隔（分钟）", "gap_share": "缺口占比", "gaps": "间隔取值", "gini": "基尼系数", "grew_most": "增长最多",
    "group": "组", "guardrail": "护栏指标", "high": "上限", "horizon_days": "预测天数", "hour": "小时", "hours": "小时", "id": "标识",
    "importance": "重要性", "impressions": "展示数", "index": "指数", "item": "物品", "item_id": "物品编号", "items": "物品数",
    "label": "步骤", "labels": "步骤", "last": "最近", "length": "长度", "lengths": "长度分布", "lift": "提升度", "links": "连线",
    "log_likelihood": "对数似然", "log_loss": "对数损失", "lorenz": "洛伦兹曲线", "low": "下限", "marks": "显著特征", "matrix": "矩阵",
    "mau": "月活", "max": "最大值", "mean": "均值", "mean_others": "其他人均值", "measure": "指标", "median": "中位数",
    "median_high_seconds": "中位数上限", "median_low_seconds": "中位数下限", "median_seconds": "时长中位数",
    "median_seconds_from_previous": "距上一步时长中位数", "members": "成员", "metric": "指标", "min": "最小值", "monetary": "金额",
    "monetary_score": "金额得分", "month": "月", "n": "样本数", "n_acts": "行为数", "n_alike": "相近模式数", "n_cohorts": "同期群数",
    "n_context": "该上下文次数", "n_events": "行为数", "n_first": "首步人数", "n_items": "物品数", "n_open": "窗口未结束",
    "n_otherwise": "其他情形次数", "n_positive": "正例数", "n_previous": "上一步人数", "n_repeats": "重复次数", "n_sessions": "会话数",
    "n_users": "用户数", "n_without": "去除后样本数", "name": "名称", "new": "新增", "next": "下一步", "next_step": "下一步",
    "nth": "第几次", "null_high": "随机带上限", "null_low": "随机带下限", "numerator": "分子", "observed": "观测值",
    "odds_ratio": "优势比", "order": "阶数", "order_value": "金额", "others": "其他人", "otherwise": "其他情形", "outliers": "离群",
    "p10": "第 10 百分位", "p25": "第 25 百分位", "p50": "中位数", "p75": "第 75 百分位", "p90": "第 90 百分位", "p99": "第 99 百分位",
    "p_value": "p 值", "parameters": "参数个数", "part": "部分", "parts": "各部分", "path": "路径", "pattern": "模式",
    "per_day": "每日", "per_user": "每位用户", "percentile": "百分位", "period": "时期", "policy": "策略", "position": "位置",
    "predicted": "预测值", "previous": "上一步", "price": "价格", "probability": "概率", "profile": "特征", "q_value": "q 值",
    "quartile_1": "下四分位数", "quartile_1_seconds": "下四分位时长", "quartile_3": "上四分位数", "quartile_3_seconds": "上四分位时长",
    "quick_ratio": "速动比", "rank": "排名", "rate": "比率", "rate_others": "其他人比率", "ratio": "比值", "ratio_test": "样本比例检验",
    "reached": "走到", "reason": "原因", "reasons": "原因", "recency": "最近一次", "recency_days": "距最近一次天数",
    "recency_score": "最近得分",
    "relative": "相对变化", "repeat": "重复", "repeat_share": "重复占比", "repeat_share_first_half": "前半段重复占比",
    "repeat_share_second_half": "后半段重复占比", "resurrected": "回流", "resurrecting": "回流", "retained": "留存",
    "retention": "留存率", "returning": "持续", "risk_ratio": "风险比", "role": "角色", "score": "得分", "scores": "得分",
    "seconds": "时长",
    "segment": "分组", "segments": "分组", "session": "会话", "session_id": "会话编号", "sessions": "会话数",
    "sessions_per_user": "人均会话数", "share": "占比", "share_others": "其他人占比", "shares": "占比", "shrank_most": "下降最多",
    "significant": "显著", "since_last": "距上次", "size": "规模", "slot": "位置", "small": "样本少于 30", "source": "起点",
    "span": "时段", "start": "开始",
    "state": "状态", "status": "状态", "step": "步骤", "step_number": "第几步", "stickiness": "粘性", "support": "支持度",
    "support_others": "其他人支持度", "survival": "未发生比例", "target": "终点", "threshold": "阈值", "time": "时间",
    "timestamp": "时间", "title": "标题", "to": "终点", "to_label": "终点", "top_after": "此后最多", "top_before": "此前最多",
    "total": "合计", "transition": "转移", "treatment": "实验组", "type": "类型", "unit": "单位", "user": "用户", "user_id": "用户编号",
    "user_type": "用户类型", "users": "用户数", "value": "数值", "variant": "版本", "wau": "周活", "week": "周", "weekday": "星期",
    "weekdays": "星期", "weeks": "各周", "window": "窗口", "without": "去除后", "year": "年", "z": "z 值",
}  # fmt: skip
_ENGLISH: Final = {
    "n": "n",
    "p_value": "p",
    "q_value": "q",
    "n_users": "users",
    "n_sessions": "sessions",
    "n_acts": "acts",
    "ctr": "CTR",
    "cvr": "CVR",
}
EVENTS: Final = {
    "other": "其他", "view": "浏览", "click": "点击", "cart": "加购", "favourite": "收藏", "purchase": "购买", "rating": "评分",
    "impression": "展示", "remove": "移除", "search": "搜索",
}  # fmt: skip
"""What the canonical event types mean; on a Chinese page they stand as they are, with this beside them once."""
_ENDINGS: Final = {
    "_low": "下限", "_high": "上限", "_share": "占比", "_rate": "率", "_seconds": "时长", "_days": "天数", "_users": "用户数",
    "_rest": "（其余）", "_id": "编号", "_p_value": " p 值", "_q_value": " q 值",
}  # fmt: skip


_PARTS: Final = {
    "days": ("day by day", "各日"), "users": ("users", "用户"), "gaps": ("other pauses between sessions", "换用其他会话间隔"),
    "lengths": ("lengths of sessions", "会话长度分布"), "segments": ("segments", "分组"), "shares": ("shares in each period", "各时期占比"),
    "changes": ("points of change", "变化点"), "dropped": ("users who dropped out", "流失用户"), "weeks": ("week by week", "各周"),
    "links": ("links of the chart", "图中连线"), "matrix": ("all pairs", "全部转移"), "contexts": ("what follows which two acts",
    "各上下文"),
    "lorenz": ("the curve", "洛伦兹曲线"), "since_last": ("time since the last one", "距上一次"), "flagged": ("flagged users",
    "已标记用户"),
    "profile": ("what marks each segment", "各群特征"), "members": ("who is in which segment", "各群成员"), "marks": ("what tells most",
    "显著特征"),
    "parts": ("training, calibration and test", "训练、校准与测试"), "arms": ("sizes of the arms", "各组规模"), "hours": ("hour by hour",
    "各小时"),
    "weekdays": ("day of the week", "各星期"), "at_risk": ("still observed", "仍在观察"), "mean": ("mean over cohorts", "各同期群均值"),
    "days_active": ("days active in a week", "活跃天数分布"), "contributors": ("who made it so", "贡献因素"), "categories": ("categories",
    "类别"),
}  # fmt: skip


def part(name: str) -> Phrase:
    """What a further table is headed."""
    return Phrase(*_PARTS[name]) if name in _PARTS else label(name)


def label(name: str) -> Phrase:
    """How a column is headed; a name that the glossary lacks stands as it is, without underscores."""
    english = _ENGLISH.get(name, name.replace("_", " "))
    if name in _WORDS:
        return Phrase(english, _WORDS[name])
    for ending, chinese in _ENDINGS.items():
        stem = name.removesuffix(ending)
        if stem != name and stem in _WORDS:
            return Phrase(english, _WORDS[stem] + chinese)
    if name.startswith("n_") and name[2:] in _WORDS:
        return Phrase(english, _WORDS[name[2:]] + "数")
    return Phrase(english, english)


def labels(names: Iterable[str], lang: Literal["en", "zh"]) -> dict[str, str]:
    """The headings of some columns in one language."""
    return {name: label(name).zh if lang == "zh" else str(label(name)) for name in names}


def _told(**words: str) -> dict[str, Phrase]:
    return {name: Phrase(name.replace("_", " "), chinese) for name, chinese in words.items()}


_COUNTS: Final = _told(
    acts="行为数", users="用户数", sessions="会话数", items="物品数", seconds="秒", acts_per_session="每会话行为数",
    acts_per_user="人均行为数",
    sessions_per_user="人均会话数", purchases_per_user="人均购买次数", click_rate="点击率", conversion_rate="转化率",
    purchase_rate="购买率", cart_rate="加购率", length="长度（行为数）", duration="时长", per_user="每位用户会话数", per_day="每日会话数",
)  # fmt: skip
_FEATURES: Final = {
    **_told(
        acts="行为数", recent_acts="近期行为数", sessions="会话数", recent_sessions="近期会话数", days_since_last="距最近一次天数",
        days_since_first="距首次天数", mean_pause_days="平均停顿天数", items="物品数", repeat_share="重复占比", categories="类别数",
        failed_searches="无果搜索次数", recent_failed_searches="近期无果搜索次数",
    ),
    "last_failed_searches": Phrase("failed searches among the last 5 acts", "最近 5 次行为中的无果搜索"),
    "same step twice in a row": Phrase("same step twice in a row", "连续两次相同步骤"),
    "return to what they had before": Phrase("return to what they had before", "回到此前有过的内容"),
    "pauses between acts": Phrase("pauses between acts", "行为间的停顿"),
    "time between sessions": Phrase("time between sessions", "会话间隔"),
    "acts per session": Phrase("acts per session", "每会话行为数"),
}  # fmt: skip
_RESTS: Final = {
    "(other)": Phrase("(other)", "（其他）"),
    "(ended)": Phrase("(ended)", "（已结束）"),
}
_DRIFT: Final = {"other": Phrase("(other)", "（其他）"), "none": Phrase("(no category)", "（无类别）")}
_VALUES: Final[Mapping[tuple[str, str], Mapping[str, Phrase]]] = {
    ("sessions", "measure"): _COUNTS,
    ("sessions", "unit"): _COUNTS,
    ("rates", "measure"): _COUNTS,
    ("ab_test", "metric"): _COUNTS,
    ("ab_test", "role"): _told(metric="主要指标", guardrail="护栏指标"),
    ("anomalies", "metric"): {name: _COUNTS[name] for name in ("acts", "users", "sessions")},
    ("anomalies", "span"): _told(day="单日", week="单周", run="连续时段"),
    ("anomalies", "dimension"): _told(category="类别", event_type="行为类型", item_id="物品", policy="策略", segment="分组",
    user_id="用户"),
    ("bots", "metric"): _COUNTS,
    ("patterns", "group"): {"long": Phrase("long sessions", "长会话"), "short": Phrase("short sessions", "短会话")},
    ("propensity", "part"): {
        "train": Phrase("training", "训练"), "calibration": Phrase("calibration", "校准"), "test": Phrase("test", "测试"),
    },
    ("propensity", "feature"): _FEATURES,
    ("segments", "feature"): _FEATURES,
    ("rfm", "segment"): _told(
        champions="核心用户", promising="潜力用户", recent="近期用户", loyal="忠诚用户", cooling="降温用户", fading="渐远用户",
        at_risk="流失风险", hibernating="休眠用户", lost="已流失",
    ),
    ("seasonality", "weekday"): _told(
        Monday="周一", Tuesday="周二", Wednesday="周三", Thursday="周四", Friday="周五", Saturday="周六", Sunday="周日",
    ),
    ("exploration", "since_last"): {
        "1 hour or less": Phrase("1 hour or less", "1 小时以内"), "1 hour to 1 day": Phrase("1 hour to 1 day", "1 小时至 1 天"),
        "1 to 7 days": Phrase("1 to 7 days", "1 至 7 天"), "7 to 30 days": Phrase("7 to 30 days", "7 至 30 天"),
        "more than 30 days": Phrase("more than 30 days", "超过 30 天"),
    },
    **{(name, "segment"): _told(all="全部") for name in ("funnel", "time_to_next", "time_to_event")},
    **{("interest_drift", column): _DRIFT for column in ("label", "grew_most", "shrank_most", "top_before", "top_after")},
    **{
        (name, column): _RESTS
        for name in ("paths", "transitions", "step_matrix", "markov_order", "patterns")
        for column in ("path", "label", "from_label", "to_label", "before", "last", "next", "step", "pattern")
    },
}  # fmt: skip
_MADE: Final[Mapping[tuple[str, str], tuple[tuple[str, str, str], ...]]] = {
    ("anomalies", "metric"): ((r"(\w+)_to_(\w+)", r"\1-to-\2 conversion", r"\1 到 \2 的转化率"),),
    ("bots", "metric"): ((r"conversion_(\w+)_(\w+)", r"\1-to-\2 conversion", r"\1 到 \2 的转化率"),),
    ("bots", "reason"): (
        (r"acts in (\d+) different seconds in a row with pauses of at most 2 s", r"\g<0>", r"连续 \1 秒有行为，间隔不超过 2 秒"),
        (r"(\d+) acts at different times within one minute", r"\g<0>", r"一分钟内有 \1 次不同时刻的行为"),
        (r"(\d+) pauses that are all but equal", r"\g<0>", r"\1 次间隔几乎完全相等"),
        (r"acts in each of (\d+) hours in a row", r"\g<0>", r"连续 \1 小时每小时都有行为"),
    ),
    ("exploration", "since_last"): (
        (r"(\d+) to (\d+) consumptions", r"\g<0>", r"\1 至 \2 次消费"),
        (r"(\d+) consumptions or more", r"\g<0>", r"\1 次消费或更多"),
    ),
    ("propensity", "feature"): (
        (r"before_last_(\w+)", r"\1 before the last act", r"倒数第二次行为为 \1"),
        (r"last_(\w+)", r"\1 as the last act", r"最近一次行为为 \1"),
        (r"(\w+)_acts", r"acts of type \1", r"\1 次数"),
        (r"(\w+)_recent", r"recent acts of type \1", r"近期 \1 次数"),
    ),
    ("segments", "feature"): (
        (r"sessions begun with (.+)", r"\g<0>", r"以 \1 开始的会话"),
        (r"sessions ended with (.+)", r"\g<0>", r"以 \1 结束的会话"),
    ),
}
_REASONS: Final = tuple(
    (re.compile(pattern, re.DOTALL), chinese)
    for pattern, chinese in (
        (r"(.+) needs a clock, and log (.+?) has none(?:; map .*)?",
         r"需要时间戳，而日志 \2 没有；导入时请把一列映射为 timestamp：`footpath ingest FILE --column timestamp=NAME`"),
        (r"(.+) need a clock, and log (.+) has none", r"需要时间戳，而日志 \2 没有"),
        (r"(.+) needs items, and no act of log (.+) names one; map a column to item_id",
         r"需要物品，而日志 \2 的行为均未指明物品；导入时请把一列映射为 `item_id`"),
        (r"(.+) needs sessions, and log (.+) has neither session ids nor a clock", r"需要会话，而日志 \2 既无会话编号也无时间戳"),
        (r"(.+) needs acts of type (.+?), and there are none; there are: (.+?)(?:; did you mean .*)?",
         r"需要类型为 \2 的行为，而日志中没有；现有类型：\3"),
        (r"(.+) needs the column (.+), which is empty in log (.+); map a column to it at ingest",
         r"需要列 \2，而它在日志 \3 中为空；导入时请映射一列"),
        (r"no column (.+?) to segment users by(?:; did you mean .*?)?; there are: (.+)", r"没有可用于划分用户的列 \1；现有列：\2"),
        (r"no column (.+?) to name steps by(?:; did you mean .*?)?; there are: (.+)", r"没有可用于命名步骤的列 \1；现有列：\2"),
        (r"the items of log (.+) have no (\w+); give an item table: (.+)", r"日志 \1 的物品没有 \2；请提供物品表：`\3`"),
        (r"rates need impressions beside clicks, or clicks or views beside purchases, and log (.+) has: (.+); name other types: (.+)",
         r"需要展示与点击，或者点击（浏览）与购买，而日志 \1 只有：\2；也可指定其他类型：`\3`"),
        (r"rates by category need items with categories, and log (.+) has none; give an item table: --items",
         r"按类别计算比率需要物品类别，而日志 \1 没有；请用 `--items` 提供物品表"),
        (r"rates by segment need a column to segment users by: (.+)", r"按分组计算比率需要一个划分用户的列：`\1`"),
        (r"an A/B read-out needs a column that says which arm a user is in, and log (.+) has no (.+?)(?:; did you mean .*?)?; "
         r"map one to policy at ingest, or name another: (.+)",
         r"A/B 实验需要一列说明用户属于哪一组，而日志 \1 没有 \2；导入时请把一列映射为 `policy`，或指定另一列：`\3`"),
        (r"(.+): all times of log (.+) are at midnight, it knows days only; use part='weekday' in UTC",
         r"日志 \2 的时间全为零点，只精确到日；请改用星期：`part='weekday'`（UTC）"),
    )
)  # fmt: skip


def value(analysis: str, column: str, text: Any) -> Any:
    """How a value of a table reads: a phrase where it is a word of ours, and as it is where it comes from the log."""
    if not isinstance(text, str):
        return text
    known = _VALUES.get((analysis, column), {}).get(text)
    if known is not None:
        return known
    for mark, rest in _RESTS.items():
        if mark in text and _RESTS is _VALUES.get((analysis, column)):
            return say(text.replace("{", "{{").replace("}", "}}"), text.replace("{", "{{").replace("}", "}}").replace(mark, rest.zh))
    made = _MADE.get((analysis, column), ())
    parts = [_made(part, made) for part in text.split("; ")] if column == "reason" else [_made(text, made)]
    if any(isinstance(part, Phrase) for part in parts):
        return Phrase("; ".join(parts), "；".join(getattr(part, "zh", part) for part in parts))
    return text


def _made(text: str, patterns: Iterable[tuple[str, str, str]]) -> str:
    for pattern, english, chinese in patterns:
        found = re.fullmatch(pattern, text)
        if found is not None:
            return Phrase(found.expand(english), found.expand(chinese))
    return text


def reason(text: str) -> str:
    """Why an analysis could not be: the message of its error, with its Chinese where it is one of ours."""
    for pattern, chinese in _REASONS:
        found = pattern.fullmatch(text)
        if found is not None:
            return Phrase(text, found.expand(chinese))
    return text
