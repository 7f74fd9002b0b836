"""A profile as one HTML page: its lines with their cells, what they rest on, and two pictures beside the whole log."""

from __future__ import annotations

from typing import Any, Final

from footpath.analysis.charts import bars
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.claims import Claim, Scope, Verdict
from footpath.llm.claims.profile import SECTIONS, Profile, Trait
from footpath.llm.claims.templates import shown
from footpath.llm.claims.wording import WEEKDAYS, WEEKDAYS_ZH
from footpath.page.alternative import describe
from footpath.page.document import document
from footpath.page.figures import html_table
from footpath.page.text import Lang, escape, prose, sentence
from footpath.result import Phrase, in_language, say

WORDS: Final = {
    "title": Phrase("Profile of", "画像："),
    "skip": Phrase("Skip to the figures", "跳到图表"),
    "theme": Phrase("Light / dark", "浅色 / 深色"),
    "evidence": Phrase("What it rests on", "依据"),
    "left_out": Phrase("Left out", "未列出"),
    "data": Phrase("Data, and the chart in words", "图表数据与文字说明"),
    "categories": Phrase("Categories beside the whole log", "类别占比与整个日志对照"),
    "hours": Phrase("Hours beside the whole log (UTC)", "各时段占比与整个日志对照（UTC）"),
    "weekdays": Phrase("Weekdays beside the whole log (UTC)", "各星期占比与整个日志对照（UTC）"),
    "all": Phrase("the whole log", "整个日志"),
    "of": Phrase("Of a log with ", "所在日志："),
    "foot": Phrase(
        "Every line is a claim that was computed on the log; its cell names the value. Figures with fewer than 30 cases say so.",
        "每一行都是在日志上算出的断言；其编号指向该数值。样本不足 30 的数字均已注明。",
    ),
}


def page(profile: Profile, checker: Checker, *, lang: Lang = "en") -> str:
    """The page as one HTML document that asks nothing of the network."""
    said = in_language(WORDS, lang)
    who = in_language(profile.who, lang)
    title = f"{said['title']}{' ' if lang == 'en' else ''}{who}"
    charts: dict[str, Any] = {}
    meta = in_language(checker.trail.meta(""), lang)
    lead = said["of"] + "<br>".join(escape(sentence(meta[key], lang)) for key in ("population", "window", "sessions"))
    figures = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in _headlines(profile, lang))
    pictures = "".join(_picture(name, chart, said, charts, lang) for name, chart in _charts(profile, checker).items())
    told = ""
    if profile.told is not None:
        lines = "".join(f"<li>{escape(line.text)}<small>{_cells(line.cells)}</small></li>" for line in profile.told.lines if line.text)
        note = f'<p class="about">{prose(in_language(profile.told.note(), lang))}</p>' if profile.told.refused else ""
        told = f'<article><ul class="said">{lines}</ul>{note}</article>'
    sections = "".join(
        f'<section class="group" id="{name}"><h2>{escape(in_language(heading, lang))}</h2><article><ul class="claims">'
        f"{''.join(_trait(trait, said, lang) for trait in profile.of(name))}</ul></article></section>"
        for name, heading in SECTIONS.items()
        if profile.of(name)
    )
    left = "".join(f"<li>{prose(sentence(in_language(why, lang), lang))}</li>" for why in profile.left_out)
    left = (
        f'<section class="group"><h2>{escape(said["left_out"])}</h2><article><ul class="said">{left}</ul></article></section>'
        if left
        else ""
    )
    body = (
        f'<a class="skip" href="#figures">{escape(said["skip"])}</a><header class="top"><div class="brand"><span>Footpath</span>'
        f'<button id="theme" type="button" hidden>{escape(said["theme"])}</button></div><h1>{escape(title)}</h1>'
        f'<p class="lead">{lead}</p></header><main>'
        f'<dl class="figures">{figures}</dl>{told}<div id="figures"><section class="group">{pictures}</section>{sections}{left}</div>'
        f"</main><footer><p>{escape(said['foot'])}</p></footer>"
    )
    return document(title, body, charts, lang=lang)


def _headlines(profile: Profile, lang: Lang) -> list[tuple[str, str]]:
    """The figures that are looked for first."""
    names = {
        ("count", "acts"): Phrase("Acts", "行为数"),
        ("count", "users"): Phrase("Users", "用户数"),
        ("count", "sessions"): Phrase("Sessions", "会话数"),
        ("repeat_rate", None): Phrase("Met before", "重复占比"),
        ("recency", None): Phrase("Days since the last act", "距最近一次（天）"),
    }
    found = []
    for trait in profile.traits:
        claim = trait.verdict.claim
        key = (claim.predicate, claim.arguments.get("of"))
        if key in names and claim.scope == profile.scope:
            value = trait.verdict.value
            shape = f"{value:.1f}" if isinstance(value, float) and key[0] == "recency" else f"{value:,}" if isinstance(value, int) else None
            found.append((in_language(names[key], lang), shape or str(in_language(shown(trait.verdict), lang))))
    return found


def _trait(trait: Trait, said: dict[str, str], lang: Lang) -> str:
    v = trait.verdict
    n = "" if v.n is None else f" · n = {v.n:,}"
    rows = v.evidence
    folded = ""
    if rows.num_rows:
        columns = {name: rows[name].to_pylist() for name in rows.column_names}
        table = html_table(columns, total=v.evidence_total, labels={}, caption=in_language(trait.text, lang), lang=lang)
        folded = f"<details><summary>{escape(said['evidence'])}</summary>{table}</details>"
    small = f"<small><code>{escape(v.cell)}</code>{n}</small>"
    return f'<li id="{escape(v.cell)}">{escape(in_language(trait.text, lang))} {small}{folded}</li>'


def _cells(cells: tuple[str, ...]) -> str:
    return " ".join(f'<a href="#{escape(cell)}">{escape(cell)}</a>' for cell in cells)


def _charts(profile: Profile, checker: Checker) -> dict[str, dict[str, Any]]:
    """Shares of the scope beside those of the whole log, from the evidence of the very claims that are shown."""
    found: dict[str, dict[str, Any]] = {}
    whole: str = WORDS["all"]
    axis = say("share of acts", "行为占比")
    for trait in profile.traits:
        claim, v = trait.verdict.claim, trait.verdict
        by = claim.arguments.get("by")
        if claim.predicate == "top" and by == "category":
            counts = _counts(v.evidence.to_pylist(), "category")
            names = list(counts)[:12]
            others = [checker.check(Claim("share", Scope(), {"part": Scope(category=name)})).value for name in names]
            series: dict[str, Any] = {profile.who: [counts[name] / (v.n or 1) for name in names], whole: others}
            found["categories"] = bars(names, series, format="share", y_name=axis)
        if claim.predicate == "rhythm":
            hour = by == "hour"
            both = [_counts(row.evidence.to_pylist(), str(by)) for row in (v, _all(checker, claim))]
            totals = [v.n or 1, _all(checker, claim).n or 1]
            places = range(24 if hour else 7)
            labels = [f"{place:02}" if hour else Phrase(WEEKDAYS[place], WEEKDAYS_ZH[place]) for place in places]
            series = {
                name: [counts.get(place, 0) / n for place in places]
                for name, counts, n in zip((profile.who, whole), both, totals, strict=True)
            }
            found["hours" if hour else "weekdays"] = bars(labels, series, format="share", y_name=axis)
    return found


def _all(checker: Checker, claim: Claim) -> Verdict:
    return checker.check(Claim(claim.predicate, Scope(), claim.arguments))


def _counts(rows: list[dict[str, Any]], column: str) -> dict[Any, int]:
    return {row[column]: row["acts"] for row in rows}


def _picture(name: str, chart: dict[str, Any], said: dict[str, str], charts: dict[str, Any], lang: Lang) -> str:
    drawn = in_language(chart, lang)
    charts[f"chart-{name}"] = drawn
    words = describe(drawn, lang)
    return (
        f'<article id="{name}" aria-labelledby="{name}-title"><h3 id="{name}-title">{escape(said[name])}</h3>'
        f'<figure><div class="chart" id="chart-{name}" role="img" aria-label="{escape(words)}"></div></figure>'
        f"<details><summary>{escape(said['data'])}</summary><p>{escape(words)}</p></details></article>"
    )
