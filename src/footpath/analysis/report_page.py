"""The pages of a report: front page, a figure an analysis, what was not measured, and how to make it again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from footpath.analysis import catalog, words
from footpath.page.alternative import describe
from footpath.page.document import document
from footpath.page.figures import html_table, show
from footpath.page.text import Lang, bdi, escape, prose, sentence
from footpath.result import Phrase, Result, in_language, say

if TYPE_CHECKING:
    from footpath.analysis.report import Headline, Report, Statement

ROWS: Final = 50
"""Rows of a table that a page shows; the tables on disk are whole."""
PART_ROWS: Final = 12

WORDS: Final = {
    "title": say("The trail of {name}", "{name} 的行为轨迹", name="{name}"),
    "skip": say("Skip to the figures", "跳到图表"),
    "theme": say("Light / dark", "浅色 / 深色"),
    "findings": say("What stands out", "主要发现"),
    "doubts": say("What to doubt", "存疑之处"),
    "questions": say("What to ask next", "下一步"),
    "no_findings": say(
        "Nothing stands out: no difference in this log is larger than chance would make it.", "没有突出之处：日志中的差异均未超出随机波动。"
    ),
    "no_doubts": say("Nothing was found that would make the figures misleading.", "未发现会使数字产生误导的情况。"),
    "no_questions": say("None.", "无。"),
    "narrative": say("In words", "概述"),
    "refused": say(
        "{n} of {total} statements were refused: the figure that they state is not the one that was computed again.",
        "{total} 条陈述中有 {n} 条被拒绝：其数值与重新计算的结果不符。",
        n="{n}",
        total="{total}",
    ),
    "contents": say("Contents", "目录"),
    "only_bots": say("It does not hold without suspected bots, and is not on the front page.", "去除疑似机器人后不成立，故未列入首页。"),
    "stands": say("holds without suspected bots", "去除疑似机器人后仍成立"),
    "without_bots": say("{value} without suspected bots", "去除疑似机器人后为 {value}", value="{value}"),
    "loops": say("A loop at a step is the same step again.", "节点上的圆环表示同一步骤紧接着再次出现。"),
    "both": say("Data, and the chart in words", "图表数据与文字说明"),
    "table": say("Data", "数据表"),
    "part": say("Table: {name}", "附表：{name}", name="{name}"),
    "measured": say("How it was measured", "统计口径"),
    "definition": say("Definition", "定义"),
    "population": say("Population", "统计范围"),
    "window": say("Window", "时间窗口"),
    "zone": say("Time zone", "时区"),
    "sessions": say("Sessions", "会话划分"),
    "command": say("Command", "命令"),
    "nothing": say("Nothing to measure", "没有可统计的数据"),
    "not_measured": say("Not measured", "未能统计"),
    "not_measured_about": say("What this log does not allow, and what would.", "这份日志不支持的分析，以及所需的条件。"),
    "again": say("How to make this report again", "如何重现本报告"),
    "fingerprint": say("Fingerprint of the data", "数据指纹"),
    "settings": say("Settings", "设置"),
    "seed": say("Seed", "随机种子"),
    "versions": say("Versions", "版本"),
    "correction": say(
        "Findings: at most three, the weightiest first. Those with a test behind them have p-values corrected over all findings of "
        "this log (Benjamini and Hochberg) and q below .05; the others rest on an interval or a plain count. Figures with fewer than "
        "30 cases behind them are grey, and no finding rests on them.",
        "主要发现最多三条，按重要性排列。有检验支持的发现，其 p 值已在本日志全部发现中校正（Benjamini–Hochberg），且 q 值小于 0.05；"
        "其余以区间或计数为依据。样本少于 30 的数字以灰色显示，不作为结论依据。",
    ),
    "and_python": say("In Python", "在 Python 中"),
}


def page(report: Report, lang: Lang) -> str:
    """The whole report as one HTML document."""
    said = in_language(WORDS, lang)
    charts: dict[str, Any] = {}
    title = said["title"].replace("{name}", report.name)
    groups: dict[str, list[str]] = {}
    for analysis in catalog.ANALYSES:
        if analysis.name in report.results:
            group = in_language(analysis.group, lang)
            figure = _figure(analysis, report.results[analysis.name], report, charts, said, lang)
            groups.setdefault(group, []).append(figure)
    body = [
        f'<a class="skip" href="#figures">{escape(said["skip"])}</a>',
        _front(report, said, lang),
        _contents(report, said, lang),
        '<div id="figures">',
        *(f'<section class="group"><h2>{escape(group)}</h2>{"".join(figures)}</section>' for group, figures in groups.items()),
        "</div>",
        _not_measured(report, said, lang),
        _again(report, said),
        "</main>",
        f"<footer><p>{escape(said['correction'])}</p></footer>",
    ]
    return document(title, "\n".join(body), charts, lang=lang)


def _front(report: Report, said: Mapping[str, str], lang: Lang) -> str:
    name = said["title"].partition("{name}")
    meta = in_language(dict(report.meta), lang)
    window = " · ".join(str(meta[key]) for key in ("window", "zone") if meta.get(key))
    lines = [escape(window), *(escape(sentence(meta[key], lang)) for key in ("population", "sessions") if meta.get(key))]
    if lang == "zh" and report.event_types:
        glossed = "、".join(f"<code>{escape(name)}</code> {words.EVENTS[name]}" for name in report.event_types if name in words.EVENTS)
        lines += [f"行为类型按日志原名显示：{glossed}。"] if glossed else []
    figures = "".join(_headline(h, said, lang) for h in report.headlines)
    columns = [
        _statements("finding", report.findings, report, said, lang),
        _statements("doubt", report.doubts, report, said, lang),
        _statements("question", report.questions, report, said, lang),
    ]
    switch = f'<button id="theme" type="button" hidden>{escape(said["theme"])}</button>'
    return (
        f'<header class="top"><div class="brand"><span>Footpath</span>{switch}</div>'
        f"<h1>{escape(name[0])}{bdi(report.name)}{escape(name[2])}</h1>"
        f'<p class="lead">{"<br>".join(lines)}</p></header><main>'
        f'<dl class="figures">{figures}</dl><div class="front">{"".join(columns)}</div>{_narrative(report, said, lang)}'
    )


def _narrative(report: Report, said: Mapping[str, str], lang: Lang) -> str:
    """The checked sentences, each with the cell that it says, and what was refused."""
    told = report.narrative
    if told is None or not (told.sentences or told.refused):
        return ""
    items = ""
    for s in told.sentences:
        notes = [f"<code>{escape(s.cell)}</code>"]
        if s.analysis in report.results:
            notes.append(f'<a href="#{escape(s.analysis)}">{escape(in_language(catalog.entry(s.analysis).title, lang))}</a>')
        items += f'<li id="{escape(s.cell)}">{escape(in_language(s.text, lang))} <small>{" · ".join(notes)}</small></li>'
    refused = ""
    if told.refused:
        total = len(told.refused) + len(told.sentences)
        heading = said["refused"].replace("{n}", str(len(told.refused))).replace("{total}", str(total))
        listed = "".join(f"<li>{escape(sentence(in_language(text, lang), lang))}</li>" for text in told.refused)
        refused = _folded(heading, f"<ul>{listed}</ul>")
    heading = f'<h2 id="narrative-title">{escape(said["narrative"])}</h2>'
    return f'<section class="narrative" aria-labelledby="narrative-title">{heading}<ul class="said">{items}</ul>{refused}</section>'


def _headline(h: Headline, said: Mapping[str, str], lang: Lang) -> str:
    other = ""
    if h.without_bots is not None:
        other = f"<small>{escape(said['without_bots'].replace('{value}', show(h.without_bots, h.kind, lang)))}</small>"
    return f"<div><dt>{escape(in_language(h.title, lang))}</dt><dd>{escape(show(h.value, h.kind, lang))}{other}</dd></div>"


def _statements(kind: str, statements: Sequence[Statement], report: Report, said: Mapping[str, str], lang: Lang) -> str:
    items = []
    for s in statements:
        text = _with_source(in_language(s.finding.text, lang), report)
        notes = []
        if s.analysis in report.results:
            notes.append(f'<a href="#{escape(s.analysis)}">{escape(in_language(catalog.entry(s.analysis).title, lang))}</a>')
        if s.q_value is not None:
            notes.append("q " + ("&lt; 0.001" if s.q_value < 0.001 else f"= {s.q_value:.3f}"))
        if s.stands:
            notes.append(escape(said["stands"]))
        small = f"<small>{' · '.join(notes)}</small>" if notes else ""
        items.append(f"<li>{prose(sentence(text, lang))}{small}</li>")
    listed = f"<ol>{''.join(items)}</ol>" if items else f'<p class="none">{escape(said[f"no_{kind}s"])}</p>'
    return f'<section class="{kind}"><h2>{escape(said[f"{kind}s"])}</h2>{listed}</section>'


def _with_source(text: str, report: Report) -> str:
    return text.replace("STORE", shlex.quote(report.source))


def _contents(report: Report, said: Mapping[str, str], lang: Lang) -> str:
    groups: dict[str, list[str]] = {}
    for analysis in catalog.ANALYSES:
        if analysis.name in report.results:
            link = f'<a href="#{analysis.name}">{escape(in_language(analysis.title, lang))}</a>'
            groups.setdefault(in_language(analysis.group, lang), []).append(link)
    rows = "".join(f"<dt>{escape(group)}</dt><dd>{' '.join(links)}</dd>" for group, links in groups.items())
    return f'<nav aria-label="{escape(said["contents"])}"><dl>{rows}</dl></nav>'


def _figure(analysis: catalog.Analysis, result: Result, report: Report, charts: dict[str, Any], said: Mapping[str, str], lang: Lang) -> str:
    title = in_language(analysis.title, lang)
    meta = in_language(dict(result.meta), lang)
    parts = [
        f'<article id="{analysis.name}" aria-labelledby="{analysis.name}-title"><h3 id="{analysis.name}-title">{escape(title)}</h3>',
        f'<p class="about">{escape(in_language(analysis.about, lang))}</p>',
    ]
    alternative = ""
    held = [s for s in report.statements if s.analysis == analysis.name]
    if held:
        texts = [(s, sentence(_with_source(in_language(s.finding.text, lang), report), lang)) for s in held]
        shown = "".join(f'<li class="{s.finding.kind}">{prose(text)}{_alone(s, said)}</li>' for s, text in texts)
        parts.append(f'<ul class="said">{shown}</ul>')
    if result.is_empty:
        why = " ".join(prose(sentence(warning, lang)) for warning in meta.get("warnings", []))
        parts.append(f'<p class="warning"><strong>{escape(sentence(said["nothing"], lang))}</strong> {why}</p>')
    elif result.chart is not None:
        chart = in_language(result.chart, lang)
        charts[f"chart-{analysis.name}"] = chart
        alternative = describe(chart, lang)
        caption = sentence(meta.get("definition", ""), lang)
        if any(link["source"] == link["target"] for series in chart["series"] for link in series.get("links", [])):
            caption += (" " if lang == "en" else "") + said["loops"]
        parts.append(
            f'<figure><div class="chart" id="chart-{analysis.name}" role="img" aria-label="{escape(alternative)}"></div>'
            f"<figcaption>{prose(caption)}</figcaption></figure>"
        )
    elif meta.get("definition"):
        parts.append(f'<p class="about">{prose(sentence(meta.get("definition", ""), lang))}</p>')
    if not result.is_empty:
        parts += [f'<p class="warning">{prose(sentence(warning, lang))}</p>' for warning in meta.get("warnings", [])]
    inside = f'<p id="chart-{analysis.name}-words">{escape(alternative)}</p>' if alternative else ""
    if result.table.num_rows:
        inside += _table(result, result.table, ROWS, title, lang)
    if inside:
        parts.append(_folded(said["both" if alternative else "table"], inside, opened=not alternative))
    for name, part in result.parts.items():
        if part.num_rows:
            heading = said["part"].replace("{name}", in_language(words.part(name), lang))
            parts.append(_folded(heading, _table(result, part, PART_ROWS, heading, lang)))
    notes = {key: meta.get(key) for key in ("definition", "population", "window", "zone", "sessions")}
    told = {key: str(value) if key in ("window", "zone") else sentence(value, lang) for key, value in notes.items() if value}
    listed = "".join(f"<dt>{escape(said[key])}</dt><dd>{prose(value)}</dd>" for key, value in told.items())
    command = f"footpath analyze {shlex.quote(report.source)} --only {analysis.name}{report.arguments and ' ' + report.arguments}"
    listed += f"<dt>{escape(said['command'])}</dt><dd><code>{escape(command)}</code></dd>"
    parts.append(_folded(said["measured"], f'<dl class="notes">{listed}</dl>'))
    return "".join(parts) + "</article>"


def _folded(summary: str, inside: str, *, opened: bool = False) -> str:
    return f"<details{' open' if opened else ''}><summary>{escape(summary)}</summary>{inside}</details>"


def _table(result: Result, table: pa.Table, rows: int, caption: str, lang: Lang) -> str:
    shown = table.slice(0, rows)
    phrases = _phrases(result.chart)
    columns: dict[str, list[Any]] = {}
    for name in _telling(shown):
        values = shown[name].to_pylist()
        if pa.types.is_string(table.schema.field(name).type):
            read = (words.value(result.name, name, value) for value in values)
            values = [in_language(phrases.get(value, value) if (result.name, name) in _CHARTED else value, lang) for value in read]
        columns[name] = values
    return html_table(columns, total=table.num_rows, labels=words.labels(columns, lang), caption=caption, lang=lang)


_CHARTED: Final = (("segments", "name"),)
"""Columns of texts that an analysis makes up, and its chart shows in both languages."""


def _phrases(chart: Mapping[str, Any] | None) -> dict[str, Phrase]:
    """What a chart calls its series and names, in both languages, by the English; a number before a series is left out."""
    found: dict[str, Phrase] = {}
    for series in (chart or {}).get("series", []):
        name = series.get("name")
        if isinstance(name, Phrase):
            _, colon, english = str(name).partition(": ")
            found[english if colon else str(name)] = Phrase(english, name.zh.partition("：")[2]) if colon else name
    return found


def _telling(table: pa.Table) -> list[str]:
    """The columns that tell something: not those without a value, nor those that say again what another says."""
    named = [name for name in table.column_names if not table.num_rows or table[name].null_count < table.num_rows]
    if "path" in named:
        named = [name for name in named if name != "labels"]
    if "label" in named and "title" in named and table["label"].equals(table["title"]):
        named.remove("title")
    return named


def _alone(statement: Statement, said: Mapping[str, str]) -> str:
    return f" <small>{escape(said['only_bots'])}</small>" if statement.stands is False else ""


_COMMAND: Final = re.compile(r"(?<=: )(footpath [^`;]+|\w+\(log, [^`]*\))$")
"""What to run or to write, at the end of a reason."""


def _needed(reason: str) -> str:
    """What several analyses may lack alike: the reason without the name of the analysis."""
    _, verb, rest = reason.partition(" needs a clock, and ")
    return f"they need a clock, and {rest}" if verb else reason


def _not_measured(report: Report, said: Mapping[str, str], lang: Lang) -> str:
    if not report.not_measured:
        return ""
    same: dict[str, list[str]] = {}
    for name, reason in report.not_measured.items():
        same.setdefault(_needed(reason), []).append(name)
    mark = "、" if lang == "zh" else ", "
    rows = ""
    for needed, names in same.items():
        reason = in_language(report.not_measured[names[0]], lang)
        if lang == "en":
            reason = _COMMAND.sub(r"`\1`", needed if len(names) > 1 else reason)
        titles = mark.join(in_language(catalog.entry(name).title, lang) for name in names)
        rows += f"<dt>{escape(titles)}</dt><dd>{prose(sentence(reason, lang))}</dd>"
    return (
        f'<section class="group" id="not-measured"><h2>{escape(said["not_measured"])}</h2><article>'
        f'<p class="about">{escape(said["not_measured_about"])}</p><dl class="unmeasured">{rows}</dl></article></section>'
    )


def _again(report: Report, said: Mapping[str, str]) -> str:
    store = shlex.quote(report.source)
    extra = f" {report.arguments}" if report.arguments else ""
    commands = [f"footpath analyze {store}{extra} --report report.html", f"footpath analyze {store}{extra} --tables tables --format csv"]
    python = f"import footpath as fp\n\nlog = fp.open_store({report.source!r})\nfp.analyze(log, seed={report.seed}).html('report.html')"
    settings = "; ".join(
        f"{name} = {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}"
        for name, value in report.settings.items()
        if value is not None
    )
    rows = {
        "fingerprint": report.fingerprint,
        "settings": settings,
        "seed": str(report.seed),
        "versions": ", ".join(f"{name} {number}" for name, number in report.versions.items()),
    }
    listed = "".join(f"<dt>{escape(said[key])}</dt><dd><code>{escape(value)}</code></dd>" for key, value in rows.items())
    shell = escape("\n".join(commands))
    return (
        f'<section class="group" id="again"><h2>{escape(said["again"])}</h2><article><pre><code>{shell}</code></pre>'
        f"<details><summary>{escape(said['and_python'])}</summary><pre><code>{escape(python)}</code></pre></details>"
        f'<dl class="notes">{listed}</dl></article></section>'
    )
