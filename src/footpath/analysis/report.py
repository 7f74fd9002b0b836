"""Every view of a log that it allows, and what stands out in them: one report."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa

from footpath.analysis import catalog, words
from footpath.analysis.report_page import page
from footpath.analysis.trail import Trail, trail
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog
from footpath.page.files import write_csv, write_parquet, write_text
from footpath.page.text import Lang, plain
from footpath.progress import Progress
from footpath.result import Cell, Finding, Phrase, Result, say
from footpath.statistics import SMALL, benjamini_hochberg

LEVEL: Final = 0.05
"""Findings with a corrected p-value at or above this are left out."""
SHOWN: Final = 3
NOTABLE_BOTS: Final = 0.01
"""Share of acts by suspected bots from which on the findings of the front page are asked again without them."""
MOST_CHECKED: Final = 3_000_000
"""Acts up to which that is done."""
RARELY: Final = 5
"""Acts below which nothing can be said of an item by itself."""
_MARK: Final = "footpath-tables.json"


@dataclass(frozen=True)
class Headline:
    """One figure of the front page, and the same without suspected bots (None where none are suspected)."""

    id: str
    title: Phrase
    value: float | None
    kind: Literal["count", "number"] = "count"
    without_bots: float | None = None


@dataclass(frozen=True)
class Statement:
    """A finding, a doubt or a question, and the analysis that it comes from.

    q_value: the p-value of its test after Benjamini and Hochberg's correction over all statements of the log; None where none was needed.
    stands: whether the analysis says the same without suspected bots; None where that was not asked.
    """

    analysis: str
    finding: Finding
    q_value: float | None = None
    stands: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        zh = getattr(self.finding.text, "zh", str(self.finding.text))
        told = {
            "analysis": self.analysis,
            "text": str(self.finding.text),
            "text_zh": zh,
            "cells": [f"{self.analysis}.{id}" for id in self.finding.cells],
        }
        return told | {
            "p_value": self.finding.p_value,
            "q_value": self.q_value,
            "weight": self.finding.weight,
            "stands_without_bots": self.stands,
        }


@dataclass(frozen=True)
class Sentence:
    """One sentence of a narrative: a claim that was computed on the log, under the id by which it can be asked for again.

    n: the denominator behind it. analysis: where the report has the same figure, or nothing.
    """

    text: Phrase
    cell: str
    n: int | None = None
    analysis: str = ""


@dataclass(frozen=True)
class Narrative:
    """What the figures of a report come to, in words. refused: what was proposed and did not check true, with the reason."""

    sentences: Sequence[Sentence]
    refused: Sequence[Phrase] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        told = [
            {"text": str(s.text), "text_zh": s.text.zh, "cell": s.cell, "n": s.n, "analysis": s.analysis or None} for s in self.sentences
        ]
        return {"sentences": told, "refused": [{"text": str(text), "text_zh": text.zh} for text in self.refused]}


@dataclass(frozen=True, eq=False)
class Report:
    """The results of all analyses of a log, and what stands out in them.

    results: by name, in the order of the catalog. not_measured: why, for those that the log does not allow.
    findings, doubts, questions: at most three each, weightiest first. statements: all that hold, of which these are.
    source: what the commands call the store. settings: how the acts were chosen and cut. seconds: how long each analysis took.
    event_types: those of the acts, most frequent first. narrative: in words, from whoever checks them; None where nobody was asked.
    """

    name: str
    results: Mapping[str, Result]
    not_measured: Mapping[str, str]
    headlines: Sequence[Headline]
    findings: Sequence[Statement]
    doubts: Sequence[Statement]
    questions: Sequence[Statement]
    statements: Sequence[Statement]
    meta: Mapping[str, Any]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    fingerprint: str
    seed: int = 0
    lang: Lang = "en"
    source: str = "STORE"
    arguments: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    event_types: Sequence[str] = ()
    narrative: Narrative | None = None

    def html(self, path: str | os.PathLike, *, lang: Lang | None = None) -> Path:
        """Write the report as one HTML file that asks nothing of the network; an older file stays until the new one is whole."""
        return write_text(path, page(self, lang or self.lang))

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: plain types only."""
        return plain(
            {
                "data": self.name,
                "fingerprint": self.fingerprint,
                "settings": self.settings,
                "seed": self.seed,
                "versions": self.versions,
                "headlines": {h.id: {"value": h.value, "without_bots": h.without_bots} for h in self.headlines},
                "findings": [s.to_dict() for s in self.findings],
                "doubts": [s.to_dict() for s in self.doubts],
                "questions": [s.to_dict() for s in self.questions],
                **({} if self.narrative is None else {"narrative": self.narrative.to_dict()}),
                "not_measured": self.not_measured,
                "results": {name: result.to_dict() for name, result in self.results.items()},
            }
        )

    def tables(self, folder: str | os.PathLike, *, format: Literal["parquet", "csv"] = "parquet") -> Path:
        """Write every table whole into a folder, with all cells and statements: all files or none.

        A folder that this wrote before is replaced; one that holds anything else is refused with ConfigError.
        """
        if format not in ("parquet", "csv"):
            raise ConfigError(f"tables are written as parquet or csv, not {format!r}")
        target = check_folder(folder)
        write = write_csv if format == "csv" else write_parquet
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".footpath.") as scratch:
            fresh = Path(scratch) / "tables"
            fresh.mkdir()
            tables = self._tables()
            for name, table in tables.items():
                write(fresh / f"{name}.{format}", table)
            told = {"data": self.name, "fingerprint": self.fingerprint, "settings": plain(self.settings), "tables": list(tables)}
            write_text(fresh / _MARK, json.dumps(told, ensure_ascii=False, indent=2) + "\n")
            if target.is_dir():
                target.rename(Path(scratch) / "before")
            try:
                fresh.rename(target)
            except OSError:
                if (Path(scratch) / "before").is_dir():
                    (Path(scratch) / "before").rename(target)
                raise
            shutil.rmtree(Path(scratch) / "before", ignore_errors=True)
        return target

    def _tables(self) -> dict[str, pa.Table]:
        found = {}
        for name, result in self.results.items():
            found[name] = result.table
            found |= {f"{name}.{part}": table for part, table in result.parts.items()}
        cells = [(name, cell) for name, result in self.results.items() for cell in result.cells]
        found["cells"] = pa.table(
            {
                "analysis": pa.array([name for name, _ in cells], pa.string()),
                "id": pa.array([cell.id for _, cell in cells], pa.string()),
                "value": pa.array([_number(cell.value) for _, cell in cells], pa.float64()),
                "text": pa.array([cell.value if isinstance(cell.value, str) else None for _, cell in cells], pa.string()),
                "unit": pa.array([cell.unit for _, cell in cells], pa.string()),
                "n": pa.array([cell.n for _, cell in cells], pa.int64()),
                "low": pa.array([_number(cell.low) for _, cell in cells], pa.float64()),
                "high": pa.array([_number(cell.high) for _, cell in cells], pa.float64()),
                "note": pa.array([cell.note for _, cell in cells], pa.string()),
            }
        )
        found["statements"] = pa.table(
            {
                "kind": pa.array([s.finding.kind for s in self.statements], pa.string()),
                "analysis": pa.array([s.analysis for s in self.statements], pa.string()),
                "text": pa.array([str(s.finding.text) for s in self.statements], pa.string()),
                "text_zh": pa.array([getattr(s.finding.text, "zh", str(s.finding.text)) for s in self.statements], pa.string()),
                "p_value": pa.array([s.finding.p_value for s in self.statements], pa.float64()),
                "q_value": pa.array([s.q_value for s in self.statements], pa.float64()),
                "weight": pa.array([s.finding.weight for s in self.statements], pa.float64()),
            }
        )
        return found


def check_folder(folder: str | os.PathLike) -> Path:
    """The folder for the tables of a report, its parents made. Raises ConfigError where it cannot be written, or holds anything else."""
    target = Path(folder)
    try:
        if target.exists() and not target.is_dir():
            raise ConfigError(f"{target} is a file; give a folder for the tables")
        if target.is_dir() and any(target.iterdir()) and not (target / _MARK).is_file():
            raise ConfigError(f"the folder {target} holds files that are not tables of a report; give a new or an empty one")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".footpath."):
            pass
    except OSError as error:
        raise ConfigError(f"cannot write the folder {target}: {error.strerror}; give a path that can be written") from None
    return target


def analyze(
    log: EventLog | Trail,
    *,
    only: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    by: str | Sequence[str] | None = None,
    gap_minutes: float | None = None,
    event_types: Sequence[str] | None = None,
    bots: Literal["keep", "drop"] = "keep",
    since: datetime | str | None = None,
    until: datetime | str | None = None,
    lang: Lang = "en",
    seed: int = 0,
    source: str = "STORE",
    arguments: str = "",
    progress: Progress | None = None,
) -> Report:
    """Run the analyses of the catalog on one trail and say what stands out.

    only: names of analyses. options: `{"funnel.steps": ["view", "purchase"]}`; texts become what an option takes.
    by, gap_minutes, event_types, bots, since, until: as `trail` takes them. source, arguments: how the commands on the page name the
    store, and what they add. An analysis that the log does not allow is listed in `not_measured` with the reason.
    Raises ConfigError for a name or an option that does not exist or cannot be.
    """
    if lang not in ("en", "zh"):
        raise ConfigError(f"lang must be en or zh, got {lang!r}")
    if seed < 0:
        raise ConfigError(f"seed must be a whole number of at least 0, got {seed}")
    chosen = [catalog.entry(name) for name in dict.fromkeys(only)] if only is not None else list(catalog.ANALYSES)
    if not chosen:
        raise ConfigError(f"only needs at least one analysis, got none; there are: {', '.join(catalog.names())}")
    wanted = _options(chosen, options or {})
    t = trail(log, by=by, gap_minutes=gap_minutes, event_types=event_types, bots=bots, since=since, until=until)
    results: dict[str, Result] = {}
    refused: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for done, analysis in enumerate(chosen):
        if progress is not None:
            progress("analyses", done, len(chosen))
        started = time.perf_counter()
        given = {"seed": seed} if "seed" in analysis.options else {}
        try:
            results[analysis.name] = analysis.function(t, **given | wanted[analysis.name])
        except NotInLogError as error:
            refused[analysis.name] = words.reason(str(error))
        seconds[analysis.name] = time.perf_counter() - started
    if progress is not None:
        progress("analyses", len(chosen), len(chosen))
    headlines, bot_share = _headlines(t)
    held = _corrected([(name, finding) for name, result in results.items() for finding in result.findings])
    findings = _ranked([s for s in held if s.finding.kind == "finding"])
    if bot_share >= NOTABLE_BOTS and t.counts.acts <= MOST_CHECKED:
        people = trail(log, by=by, gap_minutes=gap_minutes, event_types=event_types, bots="drop", since=since, until=until)

        def again(name: str) -> Result:
            given = {"seed": seed} if "seed" in catalog.entry(name).options else {}
            return catalog.entry(name).function(people, **given | wanted[name])

        findings = _checked(findings, results, again)
    doubts = [s for s in held if s.finding.kind == "doubt"] + _doubts(t, results, bot_share)
    questions = [s for s in held if s.finding.kind == "question"]
    top = _top([s for s in findings if s.stands is not False])
    doubted = _top(doubts)
    doubted += [s for s in _cautions(results, top) if not any(_same(s, other) for other in doubted)][: SHOWN - len(doubted)]
    asked = _top(questions)
    said = {str(s.finding.text) for s in asked}
    for s in _questions(t, top, bot_share, refused):
        if str(s.finding.text) not in said and len(asked) < SHOWN:
            asked.append(s)
            said.add(str(s.finding.text))
    return Report(
        name=t.log.name,
        results=results,
        not_measured=refused,
        headlines=headlines,
        findings=top,
        doubts=doubted,
        questions=asked,
        statements=_ranked([*findings, *doubts, *questions]),
        meta=t.meta(""),
        settings=dict(t.settings) | ({"options": dict(options)} if options else {}),
        versions={name: version(name) for name in ("footpath", "duckdb", "ibis-framework", "numpy", "scipy", "scikit-learn", "lightgbm")},
        fingerprint=t.log.fingerprint,
        seed=seed,
        lang=lang,
        source=source,
        arguments=arguments,
        seconds=seconds,
        event_types=list(t.types),
    )


def _options(chosen: Sequence[catalog.Analysis], options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    wanted: dict[str, dict[str, Any]] = {analysis.name: {} for analysis in chosen}
    for name, value in options.items():
        owner, dot, option = name.partition(".")
        if not dot or not option:
            raise ConfigError(f"options are named ANALYSIS.OPTION, such as funnel.steps, got {name!r}")
        analysis = catalog.entry(owner)
        if owner not in wanted:
            raise ConfigError(f"the option {name!r} is of an analysis that is not run; add {owner} to only")
        wanted[owner][option] = catalog.option(analysis, option, value)
    return wanted


def _corrected(found: Sequence[tuple[str, Finding]]) -> list[Statement]:
    """Those that hold: a corrected p-value below the level, or an interval or a plain count behind them. Benjamini and Hochberg, 1995."""
    adjusted = benjamini_hochberg([np.nan if f.p_value is None else f.p_value for _, f in found])
    kept = [Statement(name, f, None if f.p_value is None else float(q)) for (name, f), q in zip(found, adjusted, strict=True)]
    return [s for s in kept if s.q_value is None or s.q_value < LEVEL]


def _ranked(statements: Sequence[Statement]) -> list[Statement]:
    return sorted(statements, key=lambda s: (-s.finding.weight, s.analysis, str(s.finding.text)))


def _top(statements: Sequence[Statement]) -> list[Statement]:
    """The weightiest three, one of each analysis while there are others, and none that says again what a weightier one says."""
    ranked: list[Statement] = []
    for s in _ranked(statements):
        if not any(_same(s, other) for other in ranked):
            ranked.append(s)
    best = {s.analysis: s for s in reversed(ranked)}
    first = [s for s in ranked if best[s.analysis] is s]
    return _ranked([*first, *(s for s in ranked if s not in first)][:SHOWN])


_FIGURES = re.compile(r"\d{4}-\d\d-\d\d|\d[\d,]*(?:\.\d+)?")


def _same(one: Statement, other: Statement) -> bool:
    """Two statements of different analyses that share two figures which hardly agree by chance: of three digits or more."""
    if one.analysis == other.analysis:
        return str(one.finding.text) == str(other.finding.text)
    shared = set(_FIGURES.findall(str(one.finding.text))) & set(_FIGURES.findall(str(other.finding.text)))
    return sum(len(re.sub(r"\D", "", figure)) >= 3 for figure in shared) >= 2


def _checked(findings: Sequence[Statement], results: Mapping[str, Result], again: Callable[[str], Result]) -> list[Statement]:
    """The findings, ranked, with `stands` known for those that the front page needs: is the same said without suspected bots?"""
    done: list[Statement] = []
    fresh: dict[str, Result | None] = {}
    for s in findings:
        standing = [other for other in done if other.stands]
        if len({other.analysis for other in standing}) >= SHOWN:
            done.append(s)
            continue
        if s.analysis not in fresh:
            try:
                fresh[s.analysis] = again(s.analysis)
            except NotInLogError:  # only bots did what the analysis needs
                fresh[s.analysis] = None
        done.append(replace(s, stands=_stands(s.finding, results[s.analysis], fresh[s.analysis])))
    return done


def _stands(finding: Finding, result: Result, without: Result | None) -> bool:
    """Whether a result without suspected bots has a finding on the same cells with figures within a quarter of the former."""
    if without is None or not any(f.kind == finding.kind and f.cells == finding.cells for f in without.findings):
        return False
    before, after = ({cell.id: cell.value for cell in one.cells} for one in (result, without))
    for id in finding.cells:
        old, new = before.get(id), after.get(id)
        if isinstance(old, int | float) and isinstance(new, int | float) and abs(new - old) > 0.25 * abs(old):
            return False
    return True


def _headlines(t: Trail) -> tuple[list[Headline], float]:
    """The counts of the front page, with and without suspected bots, and the share of acts that those did."""
    n = t.counts
    titles = {
        "acts": Phrase("Acts", "行为数"),
        "users": Phrase("Users", "用户数"),
        "items": Phrase("Items", "物品数"),
        "sessions": Phrase("Sessions", "会话数"),
        "acts_a_user": Phrase("Acts per user", "人均行为数"),
        "acts_a_session": Phrase("Acts per session", "每会话行为数"),
    }
    figures = _figures(n.acts, n.users, n.items, n.sessions)
    without: dict[str, float | None] = {}
    bot_share = 0.0
    if t.log.bots is not None and t.settings["bots"] == "keep" and n.acts:
        rest = t.acts.anti_join(t.log.bots, "user_id")
        row = rest.aggregate(
            acts=rest.count(), users=rest.user_id.nunique(), items=rest.item_id.nunique(), sessions=(rest.step == 0).cast("int64").sum()
        ).to_pyarrow()
        acts, users, items, sessions = (int(row[name][0].as_py() or 0) for name in ("acts", "users", "items", "sessions"))
        if acts < n.acts:
            without = _figures(acts, users, items, sessions)
            bot_share = 1 - acts / n.acts
    hidden = set() if t.has_sessions else {"sessions", "acts_a_session"}
    hidden |= set() if n.items else {"items"}
    return [
        Headline(id, title, figures[id], "number" if id.startswith("acts_a") else "count", without.get(id))
        for id, title in titles.items()
        if id not in hidden
    ], bot_share


def _figures(acts: int, users: int, items: int, sessions: int) -> dict[str, float | None]:
    return {
        "acts": acts,
        "users": users,
        "items": items,
        "sessions": sessions,
        "acts_a_user": acts / users if users else None,
        "acts_a_session": acts / sessions if sessions else None,
    }


def _doubts(t: Trail, results: Mapping[str, Result], bot_share: float) -> list[Statement]:
    """What may mislead: suspected bots, what the quality report warns of, unfinished windows, small cells."""
    found = []

    def doubt(analysis: str, weight: float, text: str) -> None:
        found.append(Statement(analysis, Finding("doubt", text, weight=weight)))

    quality = {cell.id: cell for cell in t.log.quality.cells}
    if not t.counts.acts:
        doubt(
            "quality",
            1.0,
            say(
                "No act of the log is left after the filters ({what}): nothing was measured; widen them.",
                "筛选后没有任何行为（{what}）：未作任何度量，请放宽筛选条件。",
                what=t.population,
            ),
        )
    for name, weight, text in _thin(t):
        doubt(name, weight, text)
    if bot_share > 0 and not ("bots" in results and any(f.kind == "doubt" for f in results["bots"].findings)):
        doubt(
            "quality",
            0.3 + min(0.6, bot_share * 3),
            say(
                "{share:.1%} of all acts come from users that look like bots; they are counted, and figures without them stand beside",
                "{share:.1%} 的行为来自疑似机器人的用户；此处仍计入，旁边列出去除后的数字",
                share=bot_share,
            ),
        )
    for warning, weight in _quality_warnings(t.log.quality, quality):
        doubt("quality", weight, warning)
    unfinished = []
    for name, result in results.items():
        if "complete" in result.table.column_names:
            states = result.table["complete"].to_pylist()
            open_rows = sum(state is False for state in states)
            if open_rows >= 0.1 * len(states) and len(states) > 2:  # the last period of a log is hardly ever whole
                unfinished.append((open_rows / len(states), name, open_rows, len(states)))
    if unfinished:
        share, name, n, total = max(unfinished)
        doubt(
            name,
            0.15 + 0.3 * share,
            say(
                "{title}: {n:,} of {total:,} windows reach beyond the days of the log; they are marked, and no finding rests on them",
                "{title}：{total:,} 个窗口中有 {n:,} 个超出日志的起止时间；已标出，结论不以其为依据",
                title=catalog.entry(name).title, n=n, total=total,
            ),
        )  # fmt: skip
    counted = [cell for result in results.values() for cell in result.cells if cell.n is not None]
    small = [cell for cell in counted if cell.is_small]
    if len(small) >= 0.05 * max(1, len(counted)) and small:
        doubt(
            "cells",
            0.1 + 0.4 * len(small) / len(counted),
            say(
                "{n:,} of {total:,} figures rest on fewer than 30 cases; they are grey, and no finding rests on them",
                "{total:,} 个数字中有 {n:,} 个的样本少于 30；以灰色显示，结论不以其为依据",
                n=len(small), total=len(counted),
            ),
        )  # fmt: skip
    if not t.log.has_clock:
        doubt(
            "clock",
            0.5,
            say(
                "The log has no clock: nothing here can say when, how long or how often, only what came after what",
                "日志没有时间：此处无法说明何时、多久、多频繁，只能说明先后次序",
            ),
        )
    return found


def _thin(t: Trail) -> list[tuple[str, float, Phrase]]:
    """Where the figures speak for few: users of one session, acts of the busiest users, items hardly met. With the analysis to look at."""
    n = t.counts
    if n.users < SMALL:
        return []
    found: list[tuple[str, float, Phrase]] = []
    users = t.acts.group_by("user_id").agg(n=t.acts.count().cast("int64"), n_sessions=(t.acts.step == 0).cast("int64").sum())
    once = int(users.filter(users.n_sessions <= 1).count().to_pyarrow().as_py())
    if t.has_sessions and once >= 0.95 * n.users:
        text = say(
            "{once:,} of {users:,} users have one session only: the log hardly shows who comes back; if its user ids name visits, map "
            "another column to `user_id` before retention, lifecycle or churn are read",
            "{users:,} 位用户中有 {once:,} 位只有一次会话：日志几乎看不出谁会回来；若用户编号实为访问编号，"
            "请先改用其他列作为 `user_id`，再看留存、生命周期与流失",
            once=once, users=n.users,
        )  # fmt: skip
        found.append(("retention", 0.9, text))
    people = users if t.log.bots is None else users.anti_join(t.log.bots, "user_id")  # bots are told of elsewhere
    n_people, n_acts = (
        int(value or 0) for value in people.aggregate(a=people.count(), b=people.n.sum()).to_pyarrow().to_pylist()[0].values()
    )
    busiest = people.order_by(people.n.desc(), people.user_id).limit(max(1, n_people // 10))
    share = int(busiest.n.sum().to_pyarrow().as_py() or 0) / max(1, n_acts)
    if share >= 0.5:
        text = say(
            "The busiest tenth of users made {share:.0%} of all acts: what is counted by act speaks for them first; weigh by user before "
            "it is taken for everybody",
            "最活跃的十分之一用户产生了 {share:.0%} 的行为：按行为计数的结果首先反映他们；若要代表全体，请按用户加权",
            share=share,
        )  # fmt: skip
        found.append(("frequency", 0.1 + 0.3 * share, text))
    if n.items >= SMALL:
        items = t.acts.filter(t.acts.item_id.notnull()).group_by("item_id").agg(n=lambda met: met.count().cast("int64"))
        rare = int(items.filter(items.n < RARELY).count().to_pyarrow().as_py()) / n.items
        if rare >= 0.5:
            text = say(
                "{rare:.0%} of {items:,} items have fewer than {few} acts: nothing can be said of each alone; ask by category, or of the "
                "popular ones only",
                "{items:,} 个物品中有 {rare:.0%} 的行为数不足 {few} 次：无法逐个评价；请按类别分析，或只看热门物品",
                rare=rare, items=n.items, few=RARELY,
            )  # fmt: skip
            found.append(("frequency", 0.15 + 0.3 * rare, text))
    return found


def _quality_warnings(quality: Result, cells: Mapping[str, Cell]) -> list[tuple[str, float]]:
    """The warnings of the quality report in both languages with their weights; one that has no figure stands as it is."""
    rows = _count(cells, "rows_kept") or 1
    known: list[tuple[str, Phrase, float]] = []

    def add(cell: str, part: str, english: str, chinese: str, weight: float) -> None:
        n = _count(cells, cell)
        if n:
            # one repeat among a million rows misleads nobody, and a file that was not sorted at all has no late acts
            silent = 1000 * n < rows or (cell == "out_of_order" and 4 * n > rows)
            size = 0.0 if silent else weight * min(1.0, 0.2 + n / rows)
            known.append((part, say(english, chinese, n=n, share=min(1.0, n / rows)), size))

    add(
        "ties", "share the time of the act before them",
        "{share:.0%} of acts have the same time as the act before them: they stand in order of arrival, and paths depend on it",
        "{share:.0%} 的行为与上一行为时间相同：其先后取自到达次序，路径与转移受其影响", 0.8,
    )  # fmt: skip
    add("duplicates", "dropped", "{n:,} repeated rows were dropped", "已去除 {n:,} 行重复记录", 0.5)
    add(
        "out_of_order", "arrived after a later act",
        "{n:,} acts arrived after a later act of their user and were put in order of time", "{n:,} 次行为晚到，已按时间重新排序", 0.5,
    )  # fmt: skip
    add(
        "implausible_times", "lie before 1990", "{n:,} acts lie before 1990 or in the future", "{n:,} 次行为的时间早于 1990 年或在未来", 0.8
    )
    others = re.match(
        r"([\d,]+) acts have event names that mean nothing known", next((w for w in _listed(quality) if "event names" in w), "")
    )
    if others is not None:
        n = int(others[1].replace(",", ""))
        unknown = say(
            "{n:,} acts have event names that mean nothing known; they count as other", "{n:,} 次行为的名称无法识别，计为 other", n=n
        )
        known.append(("event names", unknown, 0.5 * min(1.0, 0.2 + n / rows)))
    add("bad_values", "are no numbers", "{n:,} values are no numbers and count as missing", "{n:,} 个值不是数字，按缺失处理", 0.4)
    said = []
    for warning in _listed(quality):
        if "look like bots" in warning:
            continue
        match = next(((phrase, weight) for part, phrase, weight in known if part in warning), None)
        said.append(match or (warning, 0.3))
    return [(warning, weight) for warning, weight in said if weight > 0]


def _listed(quality: Result) -> list[str]:
    return list(quality.meta.get("warnings", []))


def _cautions(results: Mapping[str, Result], top: Sequence[Statement]) -> list[Statement]:
    """What the analyses warn of, those behind the findings first: doubts for a front page that has too few."""
    behind = list(dict.fromkeys(s.analysis for s in top))
    found: dict[str, Statement] = {}
    for name in [*behind, *(name for name in results if name not in behind)]:
        for warning in [] if results[name].is_empty else list(results[name].meta.get("warnings", []))[:1]:
            if isinstance(warning, Phrase):
                found.setdefault(str(warning).partition(":")[0], Statement(name, Finding("doubt", warning)))
    return list(found.values())


def _count(cells: Mapping[str, Cell], id: str) -> int:
    value = cells[id].value if id in cells else None
    return int(value) if isinstance(value, int | float) else 0


def _questions(t: Trail, top: Sequence[Statement], bot_share: float, refused: Mapping[str, str]) -> list[Statement]:
    """What to look at next where the analyses ask too little themselves."""
    asked = []

    def ask(text: str) -> None:
        asked.append(Statement("report", Finding("question", text)))

    if bot_share >= 0.01:
        ask(
            say(
                "What does the whole report say without suspected bots? `footpath analyze STORE --bots drop --report without-bots.html`",
                "去掉疑似机器人后，整份报告会怎样？`footpath analyze STORE --bots drop --report without-bots.html`",
            )
        )
    for statement in top:
        following = catalog.entry(statement.analysis).next
        if following is not None and not _idle(following, t, refused):
            asked.append(Statement(statement.analysis, Finding("question", following)))
    n = t.counts
    if n.first is not None and n.last is not None and (n.last - n.first).days >= 4:
        ask(
            say(
                "Do the findings hold in the second half of the time? "
                "`footpath analyze STORE --since {middle:%Y-%m-%d} --report later.html`",
                "在后半段时间里，结论是否仍然成立？`footpath analyze STORE --since {middle:%Y-%m-%d} --report later.html`",
                middle=n.first + (n.last - n.first) / 2,
            )
        )
    if n.items and not any("footpath evaluate" in str(s.finding.text) for s in asked):
        ask(
            say(
                "How well can the next item of a user be foretold? `footpath evaluate STORE`",
                "用户的下一个物品能预测得多准？`footpath evaluate STORE`",
            )
        )
    ask(
        say(
            "Can the log be trusted? `footpath quality STORE`",
            "这份日志是否可信？`footpath quality STORE`",
        )
    )
    return asked


def _idle(question: str, t: Trail, refused: Mapping[str, str]) -> bool:
    """Whether the log does not allow what a question leads to."""
    leads = re.search(r"--only (\w+)", question)
    event = re.search(r"event=(\w+)", question)
    return (leads is not None and leads[1] in refused) or (event is not None and event[1] not in t.types)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None
