"""The picture of reliability: what it says beside each diagram, and that it is drawn in a browser, with nothing outside the window."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from footpath.analysis import charts
from footpath.errors import ConfigError
from footpath.evaluation.responses import ResponseReport, compare_responses, evaluate_references, evaluate_responses, response_report
from footpath.experiments.reliability import DRAWN, reliability_page, write_reliability
from footpath.page.alternative import describe
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impression_splits import split_impressions
from footpath.sequences.impressions import Impressions
from footpath.sequences.vocabulary import Vocabulary
from footpath.statistics import wilson

CHROMIUM = Path("/usr/bin/chromium")


class Told:
    """Knows the log odds of both acts, and distorts them."""

    tasks = ("click", "cart")

    def __init__(self, times: float, plus: float) -> None:
        self.times, self.plus = times, plus

    def predict(self, rows: Impressions) -> np.ndarray:
        p = 1 / (1 + np.exp(-self.times * rows.context["odds"].to_numpy() - self.plus))
        return np.stack([p, 0.3 * p], axis=1)


def report(*, calibrated: bool = True, n_models: int = 2) -> ResponseReport:
    rng = np.random.default_rng(0)
    n_users, shown = 60, 40
    rows, vocabulary = np.repeat(np.arange(n_users), shown), Vocabulary.build(["a", "b"])
    odds = -2 + rng.normal(0, 1, n_users)[rows] + rng.normal(0, 0.7, len(rows))
    click = (rng.random(len(rows)) < 1 / (1 + np.exp(-odds))).astype(np.float32)
    made = Impressions(
        SequenceDataset.from_lists([[]] * n_users, vocabulary),
        rows,
        np.zeros(len(rows), np.int64),
        rng.integers(1, 3, len(rows)).astype(np.int32),
        {"click": click, "cart": np.where(rng.random(len(rows)) < 0.3, click, 0).astype(np.float32)},
        pa.table({"odds": odds}),
        pa.table({}),
        pa.table({}),
        rng.permutation(len(rows)).astype(np.int64),
    )
    split = split_impressions(made, quantiles=(0.4, 0.6))
    found = evaluate_references(split, names=["base_rate"])
    for number in range(n_models):
        told = Told(1 + number, 0.2 * number)
        found += evaluate_responses(told, split, name=f"told_{number}", calibrator="platt" if calibrated else None)
    return response_report(found, split, compare_responses(found, "base_rate", permutations=99), data="made </script>")


def drawn(page: str) -> dict[str, Any]:
    data = re.search(r'<script type="application/json" id="footpath-data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    return json.loads(data[1])["charts"]


def test_every_dot_stands_above_its_rows_within_wilsons_interval() -> None:
    made = report()
    row = next(row for row in made.rows if (row.model, row.task) == ("told_1", "click"))
    chart = next(chart for chart in drawn(reliability_page(made)).values() if [s["name"] for s in chart["series"]] == ["before", "after"])
    assert sorted({s["renderItem"] for s in chart["series"]}) == ["reliability"]
    for series in chart["series"]:
        assert sum(point[4] for point in series["data"]) == row.n
        for _, observed, low, high, n in series["data"]:
            assert (low, high) == pytest.approx(wilson(round(observed * n), n))
            assert chart["top"] >= observed
    assert chart["n_name"] == "test rows"


def test_each_figure_names_protocol_part_and_rows() -> None:
    made = report()
    page = reliability_page(made, commands=["footpath models"])
    n = made.rows[0].n
    abouts = re.findall(r'<article id="task-\d+-\d+".*?<p class="about">(.*?)</p>', page, re.DOTALL)
    assert len(abouts) == 6  # three models on two tasks
    for about in abouts:
        assert "Calibration error" in about
        assert f"Protocol time, test part: {n:,} rows, " in about
    assert sum("before and" in about and "validation rows" in about for about in abouts) == 4
    assert "made &lt;/script&gt;" in page
    assert "footpath models" in page
    for warning in made.warnings:
        assert warning.split(":")[0] in page


def test_tasks_share_a_scale_and_rare_acts_are_drawn_by_the_root() -> None:
    made = report()
    found = drawn(reliability_page(made))
    of_task = {place: [chart for name, chart in found.items() if re.fullmatch(rf"chart-task-{place}-\d", name)] for place in (0, 1)}
    for charts_of in of_task.values():
        assert len({chart["top"] for chart in charts_of}) == 1
    base = {row.task: row.base for row in made.rows}
    assert (base["click"] > 0.15, base["cart"] > 0.15) == (True, False)
    assert [charts_of[0]["scale"] for charts_of in of_task.values()] == ["linear", "root"]


def test_without_a_calibrator_there_is_one_curve_without_a_name() -> None:
    found = drawn(reliability_page(report(calibrated=False)))
    assert [[s["name"] for s in chart["series"]] for name, chart in found.items() if name == "chart-task-0-0"] == [[""]]


def test_the_models_that_are_not_drawn_are_named() -> None:
    page = reliability_page(report(n_models=7))
    assert f"Drawn below are the {DRAWN} models of 8 with the lowest log-loss: all but" in page
    assert len([name for name in drawn(page) if re.fullmatch(r"chart-task-0-\d", name)]) == DRAWN


def test_ratings_have_no_reliability() -> None:
    made = report()
    ratings = ResponseReport(
        made.protocol, made.causal, made.data, [dataclasses.replace(made.rows[0], task="rating")], (), made.details, ()
    )
    with pytest.raises(ConfigError, match="the report has rows of rating alone"):
        reliability_page(ratings)


def test_the_chart_in_words() -> None:
    words = describe(charts.reliability({"after": [(0.1, 0.2, 0.1, 0.3, 40), (0.4, 0.5, 0.4, 0.6, 41)]}))
    assert words == "Reliability diagram: observed by predicted. after: 2 values, highest 50.0% at 40.0%, lowest 20.0% at 10.0%."


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        assert os.environ.get("CI") != "true", "CI needs the Debian package chromium: apt-get install chromium"
        pytest.skip("the browser tests need the Debian package chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield running
        running.close()


SEEN = """() => [...document.querySelectorAll('.chart')].map(chart => {
    const paths = [...chart.querySelectorAll('svg path')], texts = [...chart.querySelectorAll('svg text')];
    const box = chart.getBoundingClientRect();
    const seen = [...paths, ...texts].map(shape => shape.getBoundingClientRect()).filter(b => b.width + b.height);
    const beyond = seen.filter(b => b.left < box.left - 2 || b.right > box.right + 2 || b.top < box.top - 2 || b.bottom > box.bottom + 2);
    const dots = paths.filter(path => path.getAttribute('d').includes('A'));
    return {id: chart.id, dots: dots.length, outside: beyond.length, bad: chart.innerHTML.includes('NaN')};
})"""
FIFTH_DOT = """() => {
    const place = document.querySelector('#chart-task-0-0');
    place.scrollIntoView({behavior: 'instant', block: 'center'});
    const round = [...place.querySelectorAll('svg path')].filter(path => path.getAttribute('d').includes('A'));
    const dots = round.map(path => path.getBoundingClientRect()).filter(b => Math.abs(b.width - 8) < 2 && Math.abs(b.height - 8) < 2);
    return [dots[4].x + dots[4].width / 2, dots[4].y + dots[4].height / 2];
}"""


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 1100), ("light", 390), ("dark", 390)])
@pytest.mark.parametrize("calibrated", [True, False])
def test_the_picture_is_drawn_offline_within_the_window(browser: Any, tmp_path: Path, scheme: str, width: int, calibrated: bool) -> None:
    path = write_reliability(report(calibrated=calibrated), tmp_path / "reliability.html")
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn=yes]", state="attached")
    seen = page.evaluate(SEEN)
    assert [chart for chart in seen if chart["bad"] or chart["outside"]] == []
    told = next(chart for chart in seen if chart["id"] == "chart-task-0-0")
    assert told["dots"] >= (20 if calibrated else 10)
    page.mouse.move(*page.evaluate(FIFTH_DOT))
    page.wait_for_selector("#chart-task-0-0 >> text=/test rows: /")
    assert "predicted: " in page.inner_text("#chart-task-0-0")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    context.close()
