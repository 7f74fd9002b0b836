"""How figures read on a page, and what may stand in one."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from footpath.page.alternative import describe
from footpath.page.document import asset, document
from footpath.page.figures import Kind, html_table, kinds, show
from footpath.page.text import bdi, embed_json, prose

HOSTILE = ["</script><script>alert(1)</script>", '"quoted" & <b>', "שלום", "🛒", "\u2028", "=1+1", "\ud800"]


@pytest.mark.parametrize(
    ("value", "kind", "english", "chinese"),
    [
        (0.1234, "share", "12.3%", "12.3%"),
        (0.00042, "share", "0.042%", "0.042%"),
        (1234567, "count", "1,234,567", "1,234,567"),
        (90.0, "seconds", "1.5 min", "1.5 分钟"),
        (259200.0, "seconds", "3.0 days", "3.0 天"),
        (0.0001, "p", "< 0.001", "< 0.001"),
        (None, "number", "–", "–"),
        (float("nan"), "number", "–", "–"),
        (float("inf"), "share", "–", "–"),
        (True, "flag", "yes", "是"),
        (datetime(2026, 1, 2, 3, 4), "time", "2026-01-02 03:04", "2026-01-02 03:04"),
    ],
)
def test_figures_read_as_people_write_them(value: object, kind: Kind, english: str, chinese: str) -> None:
    assert (show(value, kind, "en"), show(value, kind, "zh")) == (english, chinese)


def test_the_bounds_of_a_share_are_shares_and_those_of_a_mean_are_not() -> None:
    assert kinds({"share": [0.2], "low": [0.1], "high": [0.3]})["low"] == "share"
    assert kinds({"mean": [0.2], "low": [0.1], "high": [0.3]})["low"] == "number"
    mixed = kinds({"share": [0.2], "low": [0.1], "lift": [0.9], "lift_low": [0.8], "high": [0.95]})
    assert [mixed[name] for name in ("low", "lift_low", "high")] == ["share", "number", "number"]


def test_rows_with_fewer_than_30_behind_them_are_grey_and_a_cut_table_says_its_total() -> None:
    table = html_table({"step": ["a", "b"], "n": [29, 30]}, total=70, labels={"step": "Step"}, caption="Funnel")
    assert table.count("class=small") == 1
    assert "the first 2 of 70 rows" in table
    assert '<th scope="col">Step</th>' in table


def test_text_that_is_a_figure_stands_to_the_right_where_it_is_said_to_be_one() -> None:
    table = html_table({"name": ["a"], "rate": ["0.0007924"]}, total=1, labels={}, caption="Settings", right=["rate"])
    assert "<td class=number>0.0007924</td>" in table
    assert '<th scope="row">' in table


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text(name: str) -> None:
    page = document(name, f"<p>{bdi(name)}</p>", {"c": {"series": [{"type": "bar", "name": name, "data": [1]}]}})
    data = page.partition('id="footpath-data">')[2].partition("</script>")[0]
    seen = json.loads(data)["charts"]["c"]["series"][0]["name"]
    assert seen == name.encode("utf-8", "replace").decode()
    assert "<script>alert" not in page
    assert "\u2028" not in data
    assert page.count("</script>") == 4
    page.encode("utf-8")


def test_what_is_between_backticks_is_code() -> None:
    assert prose("run `a <b>` now") == "run <code>a &lt;b&gt;</code> now"


def test_json_has_no_nan() -> None:
    assert embed_json({"a": [float("nan"), 1.5]}) == '{"a":[null,1.5]}'


def test_the_page_asks_nothing_of_the_network() -> None:
    page = document("t", "<p>x</p>", {})
    assert "default-src 'none'" in page
    assert all("</script" not in asset(name) for name in ("echarts.min.js", "charts.js", "report.js"))
    assert "<link" not in page
    assert 'src="' not in page
    assert len(page) < 1_000_000


def test_a_chart_is_told_in_words_in_both_languages() -> None:
    chart = {
        "xAxis": {"type": "category", "data": ["Mon", "Tue"], "name": "day"},
        "yAxis": {"type": "value", "name": "share of acts", "format": "share"},
        "series": [{"type": "bar", "name": "2026", "data": [0.25, 0.75]}],
    }
    assert describe(chart) == "Bar chart: share of acts by day. 2026: 2 values, highest 75.0% at Tue, lowest 25.0% at Mon."
    assert describe(chart, "zh").startswith("柱状图：share of acts，day。2026: 2 个值，最高 75.0%（Tue）")
