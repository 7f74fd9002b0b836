"""What the columns of tables are called on a page, in both languages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from footpath.result import Phrase

_WORDS: Final = {
    "act_share": "行为占比", "active": "活跃", "active_days": "活跃天数", "acts": "行为数", "acts_per_user": "人均行为数",
    "adjusted_ratio": "校正比值", "after": "此后", "age": "第几期", "amount": "金额", "analysis": "分析", "anomalous": "异常",
    "arm": "分组", "at_risk": "仍在观察", "auc": "AUC", "average": "平均", "base_rate": "基准率", "base_share": "平时占比",
    "before": "此前", "bic": "BIC", "bin": "分箱", "bounce": "跳出", "bounce_rate": "跳出率", "bounces": "跳出数", "brand": "品牌",
    "brier": "Brier 分数", "by_hour": "按小时", "by_weekday": "按星期", "calibration": "校准", "categories": "类别", "category": "类别",
    "cell": "指标", "censored": "删失数", "change": "变化", "change_point": "变点", "changed_at": "变化时间", "changes": "变化",
    "click_rate": "点击率", "clicks": "点击数", "cluster": "分群", "cohort": "同期群", "column": "列", "complete": "窗口完整",
    "complete_week": "周完整", "contexts": "上下文", "contributors": "贡献因素", "control": "对照组", "conversion": "转化",
    "conversion_rate": "转化率", "conversions": "转化数", "converted": "已转化", "count": "次数", "covered": "累计覆盖",
    "ctr": "点击率", "cumulative_share": "累计占比", "curve": "曲线", "cut": "切分时间", "cutoff": "切分时间", "cvr": "转化率",
    "date": "日期", "dau": "日活", "dau_mau": "日活/月活", "dau_wau": "日活/周活", "day": "日", "days": "天数",
    "days_active": "活跃天数", "decile": "十分位", "degrees": "自由度", "denominator": "分母", "difference": "差值",
    "differences": "差异", "dimension": "维度", "distance": "距离", "dormant": "沉睡", "drifted": "已漂移", "drop": "流失",
    "dropped": "流失", "duration": "时长", "end": "结束", "event": "事件", "event_type": "行为类型", "event_types": "行为类型",
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
    "reason": "原因", "reasons": "原因", "recency": "最近一次", "recency_days": "距最近一次天数", "recency_score": "最近得分",
    "relative": "相对变化", "repeat": "重复", "repeat_share": "重复占比", "repeat_share_first_half": "前半段重复占比",
    "repeat_share_second_half": "后半段重复占比", "resurrected": "回流", "resurrecting": "回流", "retained": "留存",
    "retention": "留存率", "returning": "持续", "risk_ratio": "风险比", "score": "得分", "scores": "得分", "seconds": "时长",
    "segment": "分组", "segments": "分组", "session": "会话", "session_id": "会话编号", "sessions": "会话数",
    "sessions_per_user": "人均会话数", "share": "占比", "share_others": "其他人占比", "shares": "占比", "shrank_most": "下降最多",
    "significant": "显著", "since_last": "距上次", "size": "规模", "slot": "位置", "source": "起点", "span": "时段", "start": "开始",
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
_ENDINGS: Final = {
    "_low": "下限", "_high": "上限", "_share": "占比", "_rate": "率", "_seconds": "时长", "_days": "天数", "_users": "用户数",
    "_rest": "（其余）", "_id": "编号", "_p_value": " p 值", "_q_value": " q 值",
}  # fmt: skip


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
