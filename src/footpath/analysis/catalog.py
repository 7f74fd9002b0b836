"""All analyses in the order in which a report tells them: the only place where they are listed."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from footpath.errors import ConfigError, did_you_mean
from footpath.result import Phrase, Result


@dataclass(frozen=True)
class Analysis:
    """One analysis: name, group and title as a report shows them, where its function is, and what to ask after it, with the command."""

    name: str
    group: Phrase
    title: Phrase
    about: Phrase
    home: str
    next: Phrase | None = None

    @property
    def function(self) -> Callable[..., Result]:
        """Loaded when it is first asked for."""
        module, _, function = self.home.rpartition(".")
        return getattr(importlib.import_module(f"footpath.analysis.{module}"), function)

    @property
    def options(self) -> dict[str, inspect.Parameter]:
        """The keyword options of the function."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


BASICS: Final = Phrase("What is there", "概况")
JOURNEYS: Final = Phrase("How people move", "行为路径")
RETURNS: Final = Phrase("Who comes back", "回访与留存")
TASTES: Final = Phrase("What they are after", "兴趣与偏好")
PEOPLE: Final = Phrase("Kinds of people", "用户群体")
RATES: Final = Phrase("Rates, tests and outlook", "转化率、实验与预测")
TRUST: Final = Phrase("What to distrust", "异常与可信度")

ANALYSES: Final[tuple[Analysis, ...]] = (
    Analysis(
        "sessions",
        BASICS,
        Phrase("Sessions", "会话"),
        Phrase(
            "How often people come, how long they stay and how many leave after one act.",
            "用户来访多频繁、停留多久、有多少人只做一次行为就离开。",
        ),
        "sessions.sessions",
        Phrase(
            "Do sessions look the same where a pause of an hour ends them? `footpath analyze STORE --only sessions --gap-minutes 60`",
            "若以一小时的停顿划分会话，情况是否相同？`footpath analyze STORE --only sessions --gap-minutes 60`",
        ),
    ),
    Analysis(
        "frequency",
        BASICS,
        Phrase("Frequency and the long tail", "频次与长尾"),
        Phrase(
            "How acts are spread over users and items, and how much the most popular items take.",
            "行为在用户与物品间如何分布，热门物品占了多少。",
        ),
        "frequency.frequency",
        Phrase(
            "How long is it from one session to the next? `footpath analyze STORE --only time_to_next --set time_to_next.of=session`",
            "从一次会话到下一次会话要多久？`footpath analyze STORE --only time_to_next --set time_to_next.of=session`",
        ),
    ),
    Analysis(
        "seasonality",
        BASICS,
        Phrase("Hours and weekdays", "时段与星期规律"),
        Phrase("When in the day and the week people act.", "用户在一天和一周中的什么时候活跃。"),
        "seasonality.seasonality",
        Phrase(
            "Hours are UTC here: when is it where the users live? "
            "`footpath analyze STORE --only seasonality --set seasonality.zone=America/New_York`",
            "此处按 UTC 计时：在用户所在地是几点？`footpath analyze STORE --only seasonality --set seasonality.zone=Asia/Shanghai`",
        ),
    ),
    Analysis(
        "funnel",
        JOURNEYS,
        Phrase("Funnel", "漏斗"),
        Phrase("How far people get along a chain of steps, and where they are lost.", "用户沿着一串步骤走了多远，在哪里流失。"),
        "funnels.funnel",
        Phrase(
            "How does the funnel look session by session rather than user by user? "
            "`footpath analyze STORE --only funnel --set funnel.count=sessions`",
            "按会话而非按用户统计，漏斗是什么样？`footpath analyze STORE --only funnel --set funnel.count=sessions`",
        ),
    ),
    Analysis(
        "paths",
        JOURNEYS,
        Phrase("Paths", "路径"),
        Phrase("The routes that people take, step after step.", "用户一步一步走过的路线。"),
        "paths.paths",
        Phrase(
            "Where do people begin, and where do they end? `footpath analyze STORE --only paths --set paths.edges_only=true`",
            "用户从哪里开始，又在哪里结束？`footpath analyze STORE --only paths --set paths.edges_only=true`",
        ),
    ),
    Analysis(
        "transitions",
        JOURNEYS,
        Phrase("Transitions", "转移"),
        Phrase("What follows what, more often than chance would have it.", "什么行为之后接着什么行为，比随机情况更常见的有哪些。"),
        "transitions.transitions",
        Phrase(
            "Which longer routes are these steps a part of? `footpath analyze STORE --only paths --set paths.max_steps=8`",
            "这些步骤属于哪些更长的路线？`footpath analyze STORE --only paths --set paths.max_steps=8`",
        ),
    ),
    Analysis(
        "step_matrix",
        JOURNEYS,
        Phrase("Step matrix", "步骤矩阵"),
        Phrase("What people do at each step of a session.", "用户在会话的每一步做什么。"),
        "step_matrix.step_matrix",
        Phrase(
            "How do sessions go on after the tenth step? `footpath analyze STORE --only step_matrix --set step_matrix.max_steps=20`",
            "第十步之后会话如何继续？`footpath analyze STORE --only step_matrix --set step_matrix.max_steps=20`",
        ),
    ),
    Analysis(
        "markov_order",
        JOURNEYS,
        Phrase("How far back the past matters", "历史影响有多远"),
        Phrase("Whether the act before the last one still says something about the next.", "上一步之前的行为是否仍能说明下一步。"),
        "markov_order.markov_order",
        Phrase(
            "Do two steps count across whole histories too, not only within a session? "
            "`footpath analyze STORE --only markov_order --set markov_order.within=history`",
            "跨越整个历史而不只在会话内，前两步是否同样重要？"
            "`footpath analyze STORE --only markov_order --set markov_order.within=history`",
        ),
    ),
    Analysis(
        "patterns",
        JOURNEYS,
        Phrase("Patterns", "序列模式"),
        Phrase("Sequences that mark one group of trails against the others.", "把一组用户的轨迹与其他人区分开来的行为序列。"),
        "patterns.patterns",
        Phrase(
            "Do the patterns mark users as well as sessions? `footpath analyze STORE --only patterns --set patterns.unit=user`",
            "这些模式能否区分用户，而不只是会话？`footpath analyze STORE --only patterns --set patterns.unit=user`",
        ),
    ),
    Analysis(
        "retention",
        RETURNS,
        Phrase("Retention", "留存"),
        Phrase("Of those who came first at the same time, how many act again later.", "同一时期首次到来的用户，后来有多少再次活跃。"),
        "retention.retention",
        Phrase(
            "How many come back at all, in that period or later? "
            "`footpath analyze STORE --only retention --set retention.mode=on_or_after`",
            "在该时期或之后，总共有多少人回来？`footpath analyze STORE --only retention --set retention.mode=on_or_after`",
        ),
    ),
    Analysis(
        "lifecycle",
        RETURNS,
        Phrase("Lifecycle", "生命周期"),
        Phrase("New, returning, resurrected and dormant users, period by period.", "各时期的新增、持续、回流与沉睡用户。"),
        "lifecycle.lifecycle",
        Phrase(
            "Do new, returning and dormant users look the same month by month? "
            "`footpath analyze STORE --only lifecycle --set lifecycle.period=month`",
            "按月来看，新增、持续与沉睡用户是否仍是如此？`footpath analyze STORE --only lifecycle --set lifecycle.period=month`",
        ),
    ),
    Analysis(
        "stickiness",
        RETURNS,
        Phrase("Stickiness", "粘性"),
        Phrase("On how many days of a period people act.", "用户在一个周期内活跃多少天。"),
        "stickiness.stickiness",
        Phrase(
            "On how many days of a month do people come? `footpath analyze STORE --only stickiness --set stickiness.period=month`",
            "用户在一个月中有几天会来？`footpath analyze STORE --only stickiness --set stickiness.period=month`",
        ),
    ),
    Analysis(
        "time_to_next",
        RETURNS,
        Phrase("Time to the next act", "距下一次行为的时间"),
        Phrase("How long people pause, with those counted who have not come back yet.", "用户停顿多久，尚未回来的用户也计入。"),
        "timing.time_to_next",
        Phrase(
            "How long is it between sessions rather than acts? `footpath analyze STORE --only time_to_next --set time_to_next.of=session`",
            "会话之间（而非行为之间）间隔多久？`footpath analyze STORE --only time_to_next --set time_to_next.of=session`",
        ),
    ),
    Analysis(
        "time_to_event",
        RETURNS,
        Phrase("Time to conversion", "转化所需时间"),
        Phrase("How long it takes until people convert, with those counted who have not yet.", "用户多久才转化，尚未转化的用户也计入。"),
        "timing.time_to_event",
        Phrase(
            "How many get there within a week? `footpath analyze STORE --only time_to_event --set time_to_event.horizon_days=7`",
            "一周之内有多少人做到？`footpath analyze STORE --only time_to_event --set time_to_event.horizon_days=7`",
        ),
    ),
    Analysis(
        "interest_drift",
        TASTES,
        Phrase("Interest drift", "兴趣漂移"),
        Phrase(
            "Whether people turn to other categories over time, against what chance would do.",
            "用户的兴趣类别是否随时间改变，并与随机波动相比较。",
        ),
        "drift.interest_drift",
        Phrase(
            "Do people turn to other items too, not only to other categories? "
            "`footpath analyze STORE --only interest_drift --set interest_drift.by=item_id`",
            "用户转向的是其他物品，还是只换了类别？`footpath analyze STORE --only interest_drift --set interest_drift.by=item_id`",
        ),
    ),
    Analysis(
        "exploration",
        TASTES,
        Phrase("New or again", "探索与重复"),
        Phrase("How much of what people do is with items that are new to them.", "用户的行为有多少是针对自己未接触过的物品。"),
        "exploration.exploration",
        Phrase(
            "How well can the next item be foretold from what a user had before? "
            "`footpath evaluate STORE --models popularity,markov,item_knn`",
            "凭用户此前的物品，能多准确地预测下一个？`footpath evaluate STORE --models popularity,markov,item_knn`",
        ),
    ),
    Analysis(
        "segments",
        PEOPLE,
        Phrase("Segments", "用户分群"),
        Phrase("Groups of users whose sequences are alike, and what marks each.", "行为序列相似的用户群，以及各群的特征。"),
        "segments.segments",
        Phrase(
            "Do the segments stay apart when there are five of them? `footpath analyze STORE --only segments --set segments.k=5`",
            "分成五群时是否依然分明？`footpath analyze STORE --only segments --set segments.k=5`",
        ),
    ),
    Analysis(
        "rfm",
        PEOPLE,
        Phrase("Recency, frequency, value", "最近、频次与价值"),
        Phrase("Users by how lately, how often and for how much they act.", "按最近一次、频次与金额划分用户。"),
        "rfm.rfm",
        Phrase(
            "Which users will buy next? `footpath analyze STORE --only propensity --set propensity.event=purchase --tables lists`",
            "哪些用户接下来会购买？`footpath analyze STORE --only propensity --set propensity.event=purchase --tables lists`",
        ),
    ),
    Analysis(
        "rates",
        RATES,
        Phrase("Click and conversion rates", "点击率与转化率"),
        Phrase("Rates by item, category, slot, policy and day, with their denominators.", "按物品、类别、位置、策略与日期的比率及其分母。"),
        "rates.rates",
        Phrase(
            "Do the rates move from day to day? `footpath analyze STORE --only rates --set rates.by=day`",
            "这些比率是否逐日变化？`footpath analyze STORE --only rates --set rates.by=day`",
        ),
    ),
    Analysis(
        "ab_test",
        RATES,
        Phrase("A/B test", "A/B 实验"),
        Phrase("Whether a variant differs from the other, after its samples were checked.", "先检查样本分配，再比较不同版本的差异。"),
        "ab_test.ab_test",
        Phrase(
            "Does the test read the same with suspected bots counted? `footpath analyze STORE --only ab_test --set ab_test.bots=keep`",
            "计入疑似机器人后，实验结论是否相同？`footpath analyze STORE --only ab_test --set ab_test.bots=keep`",
        ),
    ),
    Analysis(
        "propensity",
        RATES,
        Phrase("Who will act next", "谁会采取行动"),
        Phrase("How well the past of a user tells what comes in the days after.", "用户过去的行为能多好地预示其后若干天的行为。"),
        "propensity.propensity",
        Phrase(
            "Which users will buy next? `footpath analyze STORE --only propensity --set propensity.event=purchase --tables lists`",
            "哪些用户接下来会购买？`footpath analyze STORE --only propensity --set propensity.event=purchase --tables lists`",
        ),
    ),
    Analysis(
        "anomalies",
        TRUST,
        Phrase("Unusual days", "异常日期"),
        Phrase("Days that do not fit what came before, and who made them so.", "与以往不符的日期，以及造成异常的因素。"),
        "anomalies.anomalies",
        Phrase(
            "Which whole weeks stand out, rather than days? `footpath analyze STORE --only anomalies --set anomalies.period=week`",
            "从整周而不是单日来看，哪些异常？`footpath analyze STORE --only anomalies --set anomalies.period=week`",
        ),
    ),
    Analysis(
        "bots",
        TRUST,
        Phrase("Suspected bots", "疑似机器人"),
        Phrase("Users that act like machines, and what the figures are without them.", "行为像机器的用户，以及去掉他们后的数字。"),
        "bots.bots",
        Phrase(
            "Do the findings stand without them? `footpath analyze STORE --bots drop --report without-bots.html`",
            "去掉他们后结论是否仍成立？`footpath analyze STORE --bots drop --report without-bots.html`",
        ),
    ),
)


LARGEST_WHOLE: Final = 1_000_000
"""Whole numbers beyond are no options: of steps, labels, days, draws."""


def names() -> list[str]:
    """All names, in the order of a report."""
    return [analysis.name for analysis in ANALYSES]


def entry(name: str) -> Analysis:
    """The analysis of that name. Raises ConfigError."""
    for analysis in ANALYSES:
        if analysis.name == name:
            return analysis
    raise ConfigError(f"no analysis {name!r}; there are: {', '.join(names())}{did_you_mean(name, names())}")


def option(analysis: Analysis, name: str, value: Any) -> Any:
    """A value for an option of an analysis: texts, as a command line gives them, become what the option takes.

    Raises ConfigError for an option that the analysis lacks or that takes a function, a text that cannot be its value, and whole numbers
    beyond `LARGEST_WHOLE`.
    """
    if name not in analysis.options:
        known = ", ".join(analysis.options) or "none"
        raise ConfigError(f"{analysis.name} has no option {name!r}; it has: {known}{did_you_mean(name, analysis.options)}")
    if not isinstance(value, str):
        return value
    if is_code(analysis.options[name]):
        raise ConfigError(f"{analysis.name} has no option {name!r} here: it takes a function, and is for programs")
    if is_mapping(analysis.options[name]):
        return _weights(f"{analysis.name}.{name}", value)
    kinds = [kind.strip() for kind in str(analysis.options[name].annotation).split("|")]
    if value.lower() == "none" and "None" in kinds:
        return None
    if value.lower() in ("true", "false") and "bool" in kinds:
        return value.lower() == "true"
    for kind, read in (("int", int), ("float", float)):
        if kind in kinds:
            try:
                number = read(value)
            except ValueError:
                continue
            if kind == "int" and abs(number) > LARGEST_WHOLE:
                raise ConfigError(f"{analysis.name}.{name} must be at most {LARGEST_WHOLE:,}, got {number}")
            return number
    many = any(kind.startswith(("Sequence", "list", "tuple")) for kind in kinds)
    if many and ("," in value or "str" not in kinds):
        return _split(value, kinds)
    if not any(kind in kinds for kind in ("int", "float", "bool")) or "str" in kinds:
        return value
    raise ConfigError(f"{analysis.name}.{name} takes {' or '.join(kinds)}, got {value!r}")


def is_code(option: inspect.Parameter) -> bool:
    """Takes a function: for programs, not for a command line or a tool."""
    return str(option.annotation).startswith("Model")


def is_mapping(option: inspect.Parameter) -> bool:
    """Takes numbers by name, written as `A:1,B:3`."""
    return str(option.annotation).startswith("Mapping")


def _weights(name: str, text: str) -> dict[str, float] | None:
    if text.lower() == "none":
        return None
    try:
        return {label: float(weight) for label, colon, weight in (part.rpartition(":") for part in text.split(",")) if colon or weight}
    except ValueError:
        raise ConfigError(f"{name} takes numbers by name, such as A:1,B:3, got {text!r}") from None


def _split(value: str, kinds: Sequence[str]) -> list[Any]:
    parts = [part.strip() for part in value.split(",") if part.strip()]
    for kind, read in (("[int", int), ("[float", float)):
        if any(kind in one for one in kinds):
            try:
                return [read(part) for part in parts]
            except ValueError:
                raise ConfigError(f"a list of numbers is needed, such as 1,2,3; got {value!r}") from None
    return list(parts)
