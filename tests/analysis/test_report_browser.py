"""The report in a browser with the network off: every chart drawn, no error, nothing wider than the window."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import footpath as fp
from footpath.page.document import document, frame
from tests.analysis.reports_by_hand import CHARTS, catalog_by_hand, report

CHROMIUM = Path("/usr/bin/chromium")
DRAWN = """() => [...document.querySelectorAll('.chart')].map(chart => {
    const shapes = [...chart.querySelectorAll('svg path, svg polyline, svg circle, svg text')].filter(shape => {
        const box = shape.getBBox();
        return box.width + box.height > 0;
    });
    const box = chart.getBoundingClientRect();
    return {id: chart.id, shapes: shapes.length, width: box.width, height: box.height, bad: chart.innerHTML.includes('NaN')};
})"""

pytestmark = pytest.mark.browser


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


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    with catalog_by_hand():
        return {"en": report().html(folder / "en.html"), "zh": report().html(folder / "zh.html", lang="zh")}


@pytest.fixture
def page_file(files: dict[str, Path]) -> Path:
    return files["en"]


def opened(browser: Any, path: Path, *, scheme: str = "light", width: int = 1400) -> tuple[Any, list[str], list[str]]:
    """The page, what its console complained of, and every address that it asked for."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn=yes]", state="attached")
    return page, complaints, asked


@pytest.mark.parametrize(
    ("lang", "scheme", "width"),
    [("en", "light", 1400), ("en", "dark", 390), ("en", "light", 390), ("zh", "light", 390), ("zh", "dark", 1400)],
)
def test_every_chart_is_drawn_offline_without_a_complaint(browser: Any, files: dict[str, Path], lang: str, scheme: str, width: int) -> None:
    page_file = files[lang]
    page, complaints, asked = opened(browser, page_file, scheme=scheme, width=width)
    charts = page.evaluate(DRAWN)
    assert {chart["id"] for chart in charts} == {f"chart-{name}" for name, chart in CHARTS.items() if chart is not None}
    assert [chart for chart in charts if chart["shapes"] < 4 or chart["height"] < 100 or chart["bad"]] == []
    assert complaints == []
    assert asked == [page_file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.broken") is None
    page.context.close()


@pytest.mark.parametrize(("lang", "width"), [("en", 1400), ("zh", 390)])
def test_the_whole_report_of_a_log_is_drawn(browser: Any, tmp_path: Path, lang: Any, width: int) -> None:
    rng = np.random.default_rng(0)
    n = 1500
    log = fp.read_events(
        pd.DataFrame(
            {
                "user_id": [f"u{u}" for u in rng.integers(0, 80, n)],
                "item_id": [f"item {i} </b>" for i in rng.integers(0, 40, n)],
                "event_type": rng.choice(["view", "cart", "purchase"], n, p=[0.7, 0.2, 0.1]),
                "timestamp": 1_767_225_600 + rng.integers(0, 40 * 86_400, n),
                "price": rng.integers(1, 50, n).astype(float),
            }
        )
    )
    found = fp.analyze(log, lang=lang)
    path = found.html(tmp_path / "report.html")
    page, complaints, _ = opened(browser, path, width=width)
    charts = page.evaluate(DRAWN)
    expected = {f"chart-{name}" for name, result in found.results.items() if result.chart is not None and not result.is_empty}
    assert {chart["id"] for chart in charts} == expected
    assert [chart for chart in charts if chart["shapes"] < 4 or chart["height"] < 100 or chart["bad"]] == []
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert path.stat().st_size < 5_000_000
    page.context.close()


def test_the_switch_turns_light_into_dark_and_draws_again(browser: Any, page_file: Path) -> None:
    page, complaints, _ = opened(browser, page_file)
    before = page.evaluate("getComputedStyle(document.body).backgroundColor"), page.inner_html("#chart-bars")
    page.click("#theme")
    after = page.evaluate("getComputedStyle(document.body).backgroundColor"), page.inner_html("#chart-bars")
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert complaints == []
    page.context.close()


def test_what_hovers_over_a_chart_is_text(browser: Any, page_file: Path) -> None:
    page, complaints, _ = opened(browser, page_file)
    for name in ("bars", "dots", "net", "flow", "signed", "interval", "lines"):
        page.locator(f"#chart-{name}").scroll_into_view_if_needed()
        box = page.locator(f"#chart-{name}").bounding_box()
        for across in (0.3, 0.5, 0.7):
            for down in (0.2, 0.4, 0.6, 0.8):
                page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
    assert page.evaluate("document.querySelectorAll('.chart img, .chart script').length") == 0
    assert page.evaluate("window.broken") is None
    assert complaints == []
    page.context.close()


def test_paper_is_white_and_shows_what_was_folded(browser: Any, page_file: Path) -> None:
    page, complaints, _ = opened(browser, page_file, scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.set_viewport_size({"width": 640, "height": 900})  # about a sheet; what is drawn for it is whole there
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('.chart')].map(chart => {
            const svg = chart.querySelector('svg').getBoundingClientRect(), box = chart.getBoundingClientRect();
            return [svg.width - box.width, svg.height - box.height, box.height];
        })"""
    )
    assert sizes
    assert [size for size in sizes if abs(size[0]) > 1 or abs(size[1]) > 1 or size[2] < 100] == []
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("[...document.querySelectorAll('.chart svg')].some(svg => svg.hasAttribute('viewBox'))") is False
    assert page.pdf()[:4] == b"%PDF"
    assert complaints == []
    page.context.close()


def test_every_chart_has_a_name_a_caption_and_a_table(browser: Any, page_file: Path) -> None:
    page, _, _ = opened(browser, page_file)
    told = page.evaluate(
        """() => [...document.querySelectorAll('article:has(.chart)')].map(article => ({
            label: article.querySelector('.chart').getAttribute('aria-label').length,
            caption: article.querySelector('figcaption').textContent.length,
            heads: article.querySelectorAll('table th[scope=col]').length,
        }))"""
    )
    assert all(one["label"] > 20 and one["caption"] > 10 and one["heads"] > 0 for one in told)
    page.context.close()


def test_a_frame_for_a_notebook_draws_its_chart(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "cell.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><body>{frame(CHARTS['bars'])}</body>", encoding="utf-8")
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    inside = page.frame_locator("iframe")
    inside.locator("#chart svg path").first.wait_for(state="attached")
    assert inside.locator("#chart svg path").count() > 4
    context.close()


def test_a_page_without_charts_opens(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "empty.html"
    path.write_text(document("nothing", "<p>nothing</p>", {}), encoding="utf-8")
    page, complaints, _ = opened(browser, path)
    assert complaints == []
    page.context.close()


CONTRASTS = """() => {
    const parts = text => {
        const numbers = text.match(/[\\d.]+/g).map(Number);
        const [r, g, b, a = 1] = text.startsWith('color(') ? [...numbers.slice(0, 3).map(c => 255 * c), ...numbers.slice(3)] : numbers;
        return [r, g, b, a];
    };
    const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat([1]);
    const ground = element => {
        const layers = [];
        for (let e = element; e; e = e.parentElement) layers.push(parts(getComputedStyle(e).backgroundColor));
        return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
    };
    const light = c => {
        const [r, g, b] = c.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
    document.querySelectorAll('details').forEach(d => (d.open = true));
    const found = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
        if (!own || element.matches('script, style') || !element.getClientRects().length) continue;
        if (element.closest('#chart-heat, #chart-signed')) continue;  // on cells of their own colour
        const drawn = element.closest('svg');
        const under = ground(drawn ? drawn.closest('article') : element);
        const ink = parts(getComputedStyle(element)[drawn ? 'fill' : 'color']);
        found.push([contrast(over(ink, under), under), element.textContent.trim().slice(0, 40), element.tagName]);
    }
    return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(browser: Any, page_file: Path, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1, tables and the texts of charts included."""
    page, _, _ = opened(browser, page_file, scheme=scheme)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 300
    assert [each for each in found if each[0] < 4.5] == []
    page.context.close()


def test_the_same_step_again_is_drawn_as_a_loop_and_said(browser: Any, page_file: Path) -> None:
    page, _, _ = opened(browser, page_file)
    drawn = page.evaluate("""() => {
        const place = document.getElementById('chart-net');
        const series = echarts.getInstanceByDom(place).getOption().series[0];
        const paths = [...place.querySelectorAll('svg path')];
        const round = paths.filter(p => p.getAttribute('d').includes('A') && ['none', 'transparent'].includes(p.getAttribute('fill')));
        return {
            of: series.data.filter(n => n.of !== undefined).map(n => n.of), links: series.links.length, round: round.length,
            size: round.length ? round[0].getBoundingClientRect().width : 0, said: place.parentElement.textContent,
        };
    }""")
    assert drawn["of"] == ["view"]
    assert drawn["links"] == 3  # the other three go from one step to another
    assert drawn["round"] == 1
    assert drawn["size"] > 12
    assert "A loop at a step is the same step again." in drawn["said"]
    page.context.close()


@pytest.mark.parametrize(("lang", "said"), [("en", "en"), ("zh", "zh-Hans")])
def test_the_page_says_its_language_and_can_be_read_with_the_keyboard(browser: Any, files: dict[str, Path], lang: str, said: str) -> None:
    page, _, _ = opened(browser, files[lang])
    assert page.evaluate("document.documentElement.lang") == said
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName + (getComputedStyle(document.activeElement).outlineStyle)"))
    assert reached <= {"Asolid", "BUTTONsolid", "SUMMARYsolid", "DIVsolid"}
    assert "BUTTONsolid" in reached
    page.context.close()
