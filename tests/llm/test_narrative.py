"""The narrative of a report: every sentence is computed again, and what the report has otherwise is refused and told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from footpath.analysis.report import Report, Sentence, analyze
from footpath.analysis.trail import Trail, trail
from footpath.events.simulate import simulate
from footpath.llm.claims.checker import Checker
from footpath.llm.claims.narrative import narrative
from tests.analysis.logs_by_hand import on_days
from tests.llm.log_by_hand import log_by_hand


@pytest.fixture(scope="module")
def acts() -> Trail:
    return trail(log_by_hand())


@pytest.fixture(scope="module")
def report(acts: Trail) -> Report:
    return analyze(acts, only=["sessions"])


def test_the_story_says_what_was_counted_by_hand(report: Report, acts: Trail) -> None:
    told = narrative(report, acts)
    said = [str(sentence.text) for sentence in told.sentences]
    assert told.refused == ()
    assert said[:4] == [
        "There were 2 items.",
        "Users had 5.00 acts on average (10 over 2 users; fewer than 30 cases).",
        "Sessions had 2.50 acts on average (10 over 4 sessions; fewer than 30 cases).",
        "Users had 2.00 sessions on average (4 over 2 users; fewer than 30 cases).",
    ]
    assert told.sentences[3].analysis == "sessions"


def test_figures_of_few_cases_are_left_out_but_where_the_report_has_them(report: Report, acts: Trail) -> None:
    assert all(sentence.n is None or sentence.n >= 30 or sentence.analysis for sentence in narrative(report, acts).sentences)


def test_a_figure_of_the_report_that_is_not_what_is_computed_again_is_refused_and_told(report: Report, acts: Trail) -> None:
    wrong = [replace(h, value=12) if h.id == "acts" else h for h in report.headlines]
    told = narrative(replace(report, headlines=wrong), acts)
    assert [str(text) for text in told.refused] == ["the report has headlines.acts = 12; computed again: There were 10 acts."]
    assert told.refused[0].zh == "报告中 headlines.acts = 12；重新计算的结果：行为共 10 次。"
    assert not any("12" in sentence.text for sentence in told.sentences)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_draws_sentences_with_their_cells_and_counts_the_refused(report: Report, acts: Trail, tmp_path: Path, lang: str) -> None:
    wrong = [replace(h, value=12) if h.id == "acts" else h for h in report.headlines]
    told = narrative(replace(report, headlines=wrong), acts)
    path = replace(report, narrative=told).html(tmp_path / "report.html", lang=lang)  # type: ignore[arg-type]
    html = path.read_text(encoding="utf-8")
    for sentence in told.sentences:
        assert f'<li id="{sentence.cell}">' in html
        assert (sentence.text.zh if lang == "zh" else str(sentence.text)) in html
    total = len(told.sentences) + 1
    assert {"en": f"1 of {total} statements were refused", "zh": f"{total} 条陈述中有 1 条被拒绝"}[lang] in html
    assert html.index('class="finding"') < html.index('class="narrative"')


def test_a_report_without_a_narrative_has_none_on_its_page_and_in_its_json(report: Report, tmp_path: Path) -> None:
    assert 'class="narrative"' not in report.html(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "narrative" not in report.to_dict()


def test_the_json_has_both_languages_and_the_cell(report: Report, acts: Trail) -> None:
    told = replace(report, narrative=narrative(report, acts)).to_dict()["narrative"]
    assert told["refused"] == []
    assert told["sentences"][0]["text"] == "There were 2 items."
    assert told["sentences"][0]["text_zh"] == "日志涉及的商品共 2 个。"


def test_unusual_days_are_told_with_the_counts_that_the_report_has() -> None:
    days = [("u", float(day)) for day in range(60) for _ in range(3)] + [(f"v{n}", 40.0) for n in range(80)]
    acts = trail(on_days(days, items=[f"i{n % 7}" for n in range(len(days))]))
    found = analyze(acts, only=["anomalies"])
    told = narrative(found, acts)
    assert told.refused == ()
    said = {str(sentence.text) for sentence in told.sentences if sentence.analysis == "anomalies"}
    assert "There were 83 acts on 2026-04-11." in said


def test_the_story_of_the_shop_is_true_of_the_trail_that_the_report_was_cut_from() -> None:
    log = simulate(8_000, seed=5).log
    for settings in ({}, {"gap_minutes": 5.0}, {"bots": "drop"}, {"since": "2024-10-01"}):
        acts = trail(log, **settings)  # type: ignore[arg-type]
        told = narrative(analyze(acts, only=["sessions", "anomalies"]), Checker(acts))
        assert told.refused == ()
        assert len(told.sentences) >= 10


def test_an_empty_trail_has_no_story(acts: Trail) -> None:
    nothing = trail(acts, since="2030-01-01")
    assert narrative(analyze(nothing, only=["sessions"]), nothing).sentences == ()


def test_a_name_from_the_log_cannot_break_the_page(report: Report, tmp_path: Path) -> None:
    from footpath.analysis.report import Narrative
    from footpath.result import Phrase

    evil = Phrase("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>")
    html = replace(report, narrative=Narrative([Sentence(evil, "count-1")])).html(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<img src=x" not in html
