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
    """One analysis: name, group and title as a report shows them, and where its function is."""

    name: str
    group: Phrase
    title: Phrase
    about: Phrase
    home: str

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
        "funnel",
        JOURNEYS,
        Phrase("Funnel", "漏斗"),
        Phrase("How far people get along a chain of steps, and where they are lost.", "用户沿着一串步骤走了多远，在哪里流失。"),
        "funnels.funnel",
    ),
    Analysis(
        "paths",
        JOURNEYS,
        Phrase("Paths", "路径"),
        Phrase("The routes that people take, step after step.", "用户一步一步走过的路线。"),
        "paths.paths",
    ),
    Analysis(
        "transitions",
        JOURNEYS,
        Phrase("Transitions", "转移"),
        Phrase("What follows what, more often than chance would have it.", "什么行为之后接着什么行为，比随机情况更常见的有哪些。"),
        "transitions.transitions",
    ),
    Analysis(
        "step_matrix",
        JOURNEYS,
        Phrase("Step matrix", "步骤矩阵"),
        Phrase("What people do at each step of a session.", "用户在会话的每一步做什么。"),
        "step_matrix.step_matrix",
    ),
    Analysis(
        "markov_order",
        JOURNEYS,
        Phrase("How far back the past matters", "历史影响有多远"),
        Phrase("Whether the act before the last one still says something about the next.", "上一步之前的行为是否仍能说明下一步。"),
        "markov_order.markov_order",
    ),
    Analysis(
        "patterns",
        JOURNEYS,
        Phrase("Patterns", "序列模式"),
        Phrase("Sequences that mark one group of trails against the others.", "把一组用户的轨迹与其他人区分开来的行为序列。"),
        "patterns.patterns",
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
    ),
    Analysis(
        "exploration",
        TASTES,
        Phrase("New or again", "探索与重复"),
        Phrase("How much of what people do is with items that are new to them.", "用户的行为有多少是针对自己未接触过的物品。"),
        "exploration.exploration",
    ),
    Analysis(
        "segments",
        PEOPLE,
        Phrase("Segments", "用户分群"),
        Phrase("Groups of users whose sequences are alike, and what marks each.", "行为序列相似的用户群，以及各群的特征。"),
        "segments.segments",
    ),
)


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

    Raises ConfigError for an option that the analysis lacks, or a text that cannot be its value.
    """
    if name not in analysis.options:
        known = ", ".join(analysis.options) or "none"
        raise ConfigError(f"{analysis.name} has no option {name!r}; it has: {known}{did_you_mean(name, analysis.options)}")
    if not isinstance(value, str):
        return value
    kinds = [kind.strip() for kind in str(analysis.options[name].annotation).split("|")]
    if value.lower() == "none" and "None" in kinds:
        return None
    if value.lower() in ("true", "false") and "bool" in kinds:
        return value.lower() == "true"
    for kind, read in (("int", int), ("float", float)):
        if kind in kinds:
            try:
                return read(value)
            except ValueError:
                continue
    many = any(kind.startswith(("Sequence", "list", "tuple")) for kind in kinds)
    if many and ("," in value or "str" not in kinds):
        return _split(value, kinds)
    if not any(kind in kinds for kind in ("int", "float", "bool")) or "str" in kinds:
        return value
    raise ConfigError(f"{analysis.name}.{name} takes {' or '.join(kinds)}, got {value!r}")


def _split(value: str, kinds: Sequence[str]) -> list[Any]:
    parts = [part.strip() for part in value.split(",") if part.strip()]
    for kind, read in (("[int", int), ("[float", float)):
        if any(kind in one for one in kinds):
            try:
                return [read(part) for part in parts]
            except ValueError:
                raise ConfigError(f"a list of numbers is needed, such as 1,2,3; got {value!r}") from None
    return list(parts)
