"""The report: what it runs, what it keeps of what analyses say, and what it writes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import footpath as fp
from footpath.analysis import catalog
from footpath.analysis.report import analyze
from footpath.analysis.trail import Trail
from footpath.analysis.words import label
from footpath.errors import ConfigError, NotInLogError
from footpath.events.log import EventLog
from footpath.result import Cell, Finding, Phrase, Result, say

Catalog = Callable[..., None]


def shop(*, users: int = 12, clock: bool = True) -> EventLog:
    rng = np.random.default_rng(0)
    rows = [
        {"user_id": f"u{u}", "item_id": f"i{rng.integers(5)}", "event_type": ("view", "cart", "purchase")[step % 3], "at": step}
        for u in range(users)
        for step in range(9)
    ]
    frame = pd.DataFrame(rows)
    if clock:
        frame["timestamp"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(frame["at"] * 11, unit="h")
    else:
        frame["position"] = frame["at"]
    return fp.read_events(frame.drop(columns="at"))


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """Put functions into the catalog in place of the analyses."""

    def put(*functions: Callable[..., Result]) -> None:
        module = ModuleType("footpath.analysis.by_hand")
        for function in functions:
            setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, "footpath.analysis.by_hand", module)
        group = Phrase("Group", "组")
        made = [
            catalog.Analysis(f.__name__, group, say("Title", "标题"), say("About.", "说明。"), f"by_hand.{f.__name__}") for f in functions
        ]
        monkeypatch.setattr(catalog, "ANALYSES", tuple(made))

    return put


def saying(name: str, *findings: Finding) -> Callable[..., Result]:
    def analysis(log: EventLog | Trail) -> Result:
        return Result(name, pa.table({"n": [1]}), {"definition": "d"}, (Cell("one", 1, n=1), Cell("many", 2, n=100)), findings=findings)

    analysis.__name__ = name
    return analysis


def finding(text: str, weight: float, p: float | None = None, kind: Any = "finding") -> Finding:
    return Finding(kind, text, p_value=p, weight=weight)


def test_p_values_are_corrected_over_all_findings_of_the_log(listed: Catalog) -> None:
    # q of the three: 0.01 * 3 / 1 = 0.03; 0.04 * 3 / 2 = 0.06; 0.9
    listed(saying("a", finding("holds", 0.1, 0.01), finding("alone it would hold", 0.9, 0.04)), saying("b", finding("no", 1.0, 0.9)))
    found = analyze(shop())
    assert [(s.finding.text, s.q_value) for s in found.findings] == [("holds", pytest.approx(0.03))]


def test_a_finding_that_rests_on_an_interval_needs_no_p_value(listed: Catalog) -> None:
    listed(saying("a", finding("an interval", 0.2)), saying("b", finding("no", 1.0, 0.5)))
    assert [s.finding.text for s in analyze(shop()).findings] == ["an interval"]


def test_three_findings_of_three_analyses_go_before_two_of_one(listed: Catalog) -> None:
    listed(
        saying("a", finding("a1", 0.9), finding("a2", 0.8)),
        saying("b", finding("b1", 0.2)),
        saying("c", finding("c1", 0.1)),
        saying("d", finding("d1", 0.05)),
    )
    assert [s.finding.text for s in analyze(shop()).findings] == ["a1", "b1", "c1"]


def test_two_of_one_analysis_are_shown_where_there_are_no_others(listed: Catalog) -> None:
    listed(saying("a", finding("a1", 0.9), finding("a2", 0.8), finding("a3", 0.7)), saying("b", finding("b1", 0.75)))
    assert [s.finding.text for s in analyze(shop()).findings] == ["a1", "a2", "b1"]


def test_an_analysis_that_the_log_does_not_allow_is_listed_with_its_reason(listed: Catalog, tmp_path: Path) -> None:
    def needs(log: EventLog | Trail) -> Result:
        raise NotInLogError("needs <prices>, and there are none")

    listed(needs, saying("a"))
    found = analyze(shop())
    assert found.not_measured == {"needs": "needs <prices>, and there are none"}
    assert "Needs &lt;prices&gt;, and there are none." in found.html(tmp_path / "r.html").read_text(encoding="utf-8")


def test_doubts_tell_small_cells_and_a_missing_clock(listed: Catalog) -> None:
    listed(saying("a", finding("a doubt of its own", 0.9, kind="doubt")))
    texts = [str(s.finding.text) for s in analyze(shop(clock=False)).doubts]
    assert texts[0] == "a doubt of its own"
    assert any("1 of 2 figures rest on fewer than 30 cases" in text for text in texts)
    assert any("has no clock" in text for text in texts)


def test_doubts_tell_of_single_sessions_of_few_busy_users_and_of_items_hardly_met(listed: Catalog) -> None:
    listed(saying("a"))
    start = 1_767_225_600
    once = [{"user_id": f"u{u}", "item_id": f"i{u}", "timestamp": start + u} for u in range(40)]
    texts = [str(s.finding.text) for s in analyze(fp.read_events(pd.DataFrame(once))).doubts]
    assert any("40 of 40 users have one session only" in text for text in texts)
    assert any("100% of 40 items have fewer than 5 acts" in text for text in texts)
    assert not any("busiest tenth" in text for text in texts)
    busy = [{"user_id": f"u{u}", "item_id": "i", "timestamp": start + 86_400 * day + 7_000 * u} for u in range(4) for day in range(40)]
    texts = [str(s.finding.text) for s in analyze(fp.read_events(pd.DataFrame([*once, *busy]))).doubts]
    assert any("The busiest tenth of users made 82% of all acts" in text for text in texts)
    assert not any("one session only" in text for text in texts)


def test_the_headlines_stand_with_and_without_suspected_bots(listed: Catalog) -> None:
    listed(saying("a"))
    people = pd.DataFrame(
        [{"user_id": f"u{u}", "item_id": "i", "timestamp": 1_767_225_600 + 86_400 * d} for u in range(20) for d in range(5)]
    )
    robot = pd.DataFrame([{"user_id": "robot", "item_id": f"i{s % 7}", "timestamp": 1_767_225_600 + s} for s in range(300)])
    found = analyze(fp.read_events(pd.concat([people, robot])))
    figures = {h.id: (h.value, h.without_bots) for h in found.headlines}
    assert figures["users"] == (21, 20)
    assert figures["acts"] == (400, 100)
    assert any("75.0% of all acts come from users that look like bots" in str(s.finding.text) for s in found.doubts)
    assert "--bots drop" in str(found.questions[0].finding.text)
    dropped = analyze(fp.read_events(pd.concat([people, robot])), bots="drop")
    assert {h.id: (h.value, h.without_bots) for h in dropped.headlines}["acts"] == (100, None)


def test_options_reach_the_analysis_that_they_name(listed: Catalog) -> None:
    seen: list[Any] = []

    def funnel(log: EventLog | Trail, *, steps: list[str] | None = None, hours: float = 1.0, seed: int = 7) -> Result:
        seen.append((steps, hours, seed))
        return Result("funnel", pa.table({"n": [1]}))

    funnel.__annotations__ = {"steps": "Sequence[str] | None", "hours": "float", "seed": "int"}
    listed(funnel)
    analyze(shop(), options={"funnel.steps": "view,cart", "funnel.hours": "2"}, seed=3)
    assert seen == [(["view", "cart"], 2.0, 3)]
    with pytest.raises(ConfigError, match=r"funnel.hours takes float, got 'two'"):
        analyze(shop(), options={"funnel.hours": "two"})
    with pytest.raises(ConfigError, match=r"options are named ANALYSIS.OPTION, such as funnel.steps, got 'steps'"):
        analyze(shop(), options={"steps": "a"})
    with pytest.raises(ConfigError, match="only needs at least one analysis"):
        analyze(shop(), only=[])
    with pytest.raises(ConfigError, match="lang must be en or zh, got 'fr'"):
        analyze(shop(), lang="fr")  # type: ignore[arg-type]


def test_tables_are_written_whole_and_only_over_tables(listed: Catalog, tmp_path: Path) -> None:
    def a(log: EventLog | Trail) -> Result:
        return Result(
            "a", pa.table({"x": ["=1", "y"]}), cells=(Cell("c", 1.5, n=40, low=1.0, high=2.0),), parts={"who": pa.table({"user_id": ["u"]})}
        )

    listed(a)
    found = analyze(shop())
    found.tables(tmp_path / "t")
    found.tables(tmp_path / "t", format="csv")
    names = sorted(path.name for path in (tmp_path / "t").iterdir())
    assert names == ["a.csv", "a.who.csv", "cells.csv", "footpath-tables.json", "statements.csv"]
    assert (tmp_path / "t" / "a.csv").read_text().splitlines() == ['"x"', '"\'=1"', '"y"']
    found.tables(tmp_path / "p")
    assert pq.read_table(tmp_path / "p" / "cells.parquet").to_pylist()[0] | {"note": ""} == {
        "analysis": "a", "id": "c", "value": 1.5, "text": None, "unit": "", "n": 40, "low": 1.0, "high": 2.0, "note": "",
    }  # fmt: skip
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="holds files that are not tables of a report"):
        found.tables(tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "p", "t"]


def test_what_json_prints_is_plain_and_has_no_nan(listed: Catalog) -> None:
    def a(log: EventLog | Trail) -> Result:
        return Result("a", pa.table({"x": [float("nan")], "at": [pd.Timestamp("2026-01-02")]}), {"definition": say("d", "丁")})

    listed(a)
    told = analyze(shop()).to_dict()
    assert told["results"]["a"]["table"] == [{"x": None, "at": "2026-01-02T00:00:00"}]
    assert told["headlines"]["acts"] == {"value": 108, "without_bots": None}


def test_the_same_log_gives_the_same_file(tmp_path: Path) -> None:
    one, two = (analyze(shop(), only=["funnel", "transitions"]).html(tmp_path / f"{i}.html").read_bytes() for i in range(2))
    assert one == two


def test_the_whole_report_of_a_small_shop_opens_in_both_languages(tmp_path: Path) -> None:
    found = analyze(shop())
    english = found.html(tmp_path / "en.html").read_text(encoding="utf-8")
    chinese = found.html(tmp_path / "zh.html", lang="zh").read_text(encoding="utf-8")
    assert len(english) < 5_000_000
    assert "How to make this report again" in english
    assert "如何重现本报告" in chinese
    assert all(f'id="{name}"' in english for name in found.results)
    assert set(found.results) | set(found.not_measured) == set(catalog.names())


@pytest.mark.parametrize(
    "rows",
    [
        [{"user_id": "u", "item_id": "i", "timestamp": 1_767_225_600}],
        [{"user_id": "u", "item_id": f"i{i}", "timestamp": 1_767_225_600 + i} for i in range(9)],
        [{"user_id": f"u{i}", "item_id": "i", "timestamp": 1_767_225_600} for i in range(9)],
        [{"user_id": f"u{i % 3}", "item_id": None, "event_type": "search", "timestamp": 1_767_225_600 + i} for i in range(9)],
        [{"user_id": "</script>", "item_id": "<b>", "timestamp": 1_767_225_600 + 4000 * i} for i in range(9)],
    ],
    ids=["one event", "one user", "identical times", "no items", "hostile names"],
)
def test_a_poor_log_still_has_a_report(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    found = analyze(fp.read_events(pd.DataFrame(rows)))
    text = found.html(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "NaN" not in text.partition("<body>")[2].partition("var echarts")[0]


def test_no_acts_after_filters_is_said(tmp_path: Path) -> None:
    found = analyze(shop(), since="2030-01-01")
    assert {h.id: h.value for h in found.headlines}["acts"] == 0
    assert all(result.is_empty for result in found.results.values())
    assert "Nothing to measure" in found.html(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "No act of the log is left after the filters" in str(found.doubts[0].finding.text)


def test_columns_are_called_by_words() -> None:
    assert label("n_users").zh == "用户数"
    assert label("share_low").zh == "占比下限"
    assert str(label("from_first")) == "from first"
    assert label("something_else").zh == "something else"


def test_what_two_analyses_say_of_the_same_figures_is_said_once(listed: Catalog) -> None:
    listed(
        saying("a", finding("From 2024-10-14 on, 22.7% of 397 sessions", 0.9)),
        saying("b", finding("In the week of 2024-10-14, 23% of 397 sessions", 0.8)),
        saying("c", finding("something else, 7 days, 30%", 0.1)),
        saying("d", finding("yet another, 7 days, 30%", 0.05)),
    )
    assert [s.analysis for s in analyze(shop()).findings] == ["a", "c", "d"]


def test_a_finding_that_only_bots_make_is_not_on_the_front_page(listed: Catalog, tmp_path: Path) -> None:
    def crowd(log: EventLog | Trail) -> Result:
        n = len(log.acts.user_id.to_pyarrow()) if isinstance(log, Trail) else 0
        said = (finding("acts come in a rush", 0.9),) if n > 200 else ()
        return Result("crowd", pa.table({"n": [n]}), findings=said)

    listed(crowd, saying("a", finding("people come on Mondays", 0.1)))
    people = pd.DataFrame(
        [{"user_id": f"u{u}", "item_id": "i", "timestamp": 1_767_225_600 + 86_400 * d} for u in range(20) for d in range(5)]
    )
    robot = pd.DataFrame([{"user_id": "robot", "item_id": f"i{s % 7}", "timestamp": 1_767_225_600 + s} for s in range(300)])
    found = analyze(fp.read_events(pd.concat([people, robot])))
    assert [(s.analysis, s.stands) for s in found.findings] == [("a", True)]
    assert "It does not hold without suspected bots" in found.html(tmp_path / "r.html").read_text(encoding="utf-8")
    assert [s.stands for s in analyze(shop()).findings] == [None]
