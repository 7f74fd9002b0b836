"""The Chinese page: every word of ours on it is Chinese; only names from the log, commands and terms of art are not."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import footpath as fp
import footpath.analysis
from footpath.analysis import words
from footpath.analysis.report import Report, analyze
from footpath.events.contract import EVENT_TYPES
from footpath.events.simulate import simulate
from footpath.result import Phrase

# people, methods, units and abbreviations that Chinese texts write in Latin letters as well
TERMS = set(
    re.findall(
        r"\w+",
        "A/B AUC BIC Benjamini-Hochberg Brier DAU Fisher Footpath Jensen-Shannon Kaplan-Meier MAU Python Rand UTC WAU Wilson delta k-means "
        "log-log nat",
    )
)
SKIPPED = ("script", "style", "code", "pre", "title")
WORD = re.compile(r"[A-Za-z]{2,}")


class Texts(HTMLParser):
    """What a reader sees or hears: the texts of elements and the labels of regions; not code, which is typed as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.texts: list[str] = []
        self.data = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SKIPPED:
            self.inside.append(tag)
        self.texts += [value for name, value in attrs if name in ("aria-label", "title") and value]
        if dict(attrs).get("id") == "footpath-data":
            self.inside.append("data")

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == "data":
            self.inside.pop()
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside[-1] == "data":
            self.data += data
        elif not self.inside and data.strip():
            self.texts.append(data.strip())


def strings(value: Any, name: str = "") -> Iterator[str]:
    """The texts of charts that are drawn: names of axes and series, categories, tooltips."""
    if isinstance(value, dict):
        for key, part in value.items():
            if not (key == "name" and "label" in value):  # the id of a node that is shown by its label
                yield from strings(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part, name)
    elif isinstance(value, str) and name not in ("type", "renderItem", "format", "layout", "stack", "step", "source", "target", "of"):
        yield value


def seen(page: str) -> list[str]:
    parser = Texts()
    parser.feed(page)
    return [*parser.texts, *strings(json.loads(parser.data)["charts"])]


def foreign(texts: list[str], names: set[str]) -> dict[str, str]:
    """Latin words that are neither names from the log nor terms of art, each with a text that it stands in."""
    found: dict[str, str] = {}
    for text in texts:
        for word in WORD.findall(text):
            if word not in names and word not in TERMS:
                found.setdefault(word, text)
    return found


def names_of(log: Any) -> set[str]:
    """Every word of the texts in a log, its item table and its user table, and of the names of its columns and types."""
    found = set(EVENT_TYPES) | {log.name}
    for table in (log.table, log.items, log.users):
        if table is not None:
            found |= {part for column in table.columns for part in WORD.findall(column)}
            for column, kind in table.schema().items():
                if kind.is_string():
                    values = table.select(column).distinct().to_pyarrow()[column].to_pylist()
                    found |= {part for value in values if value is not None for part in WORD.findall(str(value))}
    return found


@pytest.fixture(scope="module")
def shop() -> Report:
    return analyze(simulate(events=30_000, seed=3).log)


@pytest.fixture(scope="module")
def names() -> set[str]:
    return names_of(simulate(events=30_000, seed=3).log)


def test_nothing_of_ours_on_the_chinese_page_of_the_shop_is_english(shop: Report, names: set[str], tmp_path: Path) -> None:
    texts = seen(shop.html(tmp_path / "zh.html", lang="zh").read_text(encoding="utf-8"))
    assert foreign(texts, names) == {}
    assert sum(bool(re.search("[\u4e00-\u9fff]", text)) for text in texts) > 500  # and it is not that there is nothing


def test_that_would_be_seen(shop: Report, names: set[str], tmp_path: Path) -> None:
    """The same eyes find the words of the English page, and one untranslated sentence, axis or cell in the Chinese one."""
    english = foreign(seen(shop.html(tmp_path / "en.html", lang="en").read_text(encoding="utf-8")), names)
    assert len(english) > 300
    assert {"Definition", "standard", "share", "whisker"} - set(english) == {"whisker"}
    chinese = shop.html(tmp_path / "zh.html", lang="zh").read_text(encoding="utf-8")
    assert set(foreign(seen(chinese.replace("<td>", "<td>guardrail ", 1)), names)) == {"guardrail"}
    assert set(foreign(seen(chinese.replace('"name":"', '"name":"quite untranslated ', 1)), names)) == {"quite", "untranslated"}


def test_what_a_poor_log_lacks_is_said_in_chinese(tmp_path: Path) -> None:
    rows = [{"user_id": f"u{i % 40}", "item_id": None, "event_type": "search", "position": i // 40} for i in range(400)]
    log = fp.read_events(pd.DataFrame(rows))
    found = analyze(log)
    assert len(found.not_measured) > 8
    assert all(isinstance(reason, Phrase) for reason in found.not_measured.values())
    texts = seen(found.html(tmp_path / "zh.html", lang="zh").read_text(encoding="utf-8"))
    assert foreign(texts, names_of(log) | {"timestamp", "policy", "click", "view"}) == {}


def raised() -> list[tuple[str, str]]:
    """What each NotInLogError of the analyses says, with `x` where a value stands."""
    found = []
    for path in sorted(Path(footpath.analysis.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "NotInLogError" and node.args:
                said = node.args[0]
                parts = said.values if isinstance(said, ast.JoinedStr) else [said]
                texts = []
                for part in parts:
                    hint = isinstance(part, ast.FormattedValue) and "did_you_mean" in ast.dump(part)
                    texts.append(str(part.value) if isinstance(part, ast.Constant) else "" if hint else "x")
                found.append((path.name, "".join(texts)))
    return found


@pytest.mark.parametrize(("file", "message"), raised())
def test_every_reason_has_its_chinese(file: str, message: str) -> None:
    if file == "reconcile.py" or message.startswith(("since and until", "sessions by a gap")):
        return  # of options that are asked for, not of analyses that a report leaves out
    reason = words.reason(message)
    assert isinstance(reason, Phrase), message
    assert re.search("[\u4e00-\u9fff]{4}", reason.zh)


def test_values_of_the_log_stay_as_they_are() -> None:
    assert words.value("anomalies", "metric", "view") == "view"
    assert not isinstance(words.value("anomalies", "metric", "view"), Phrase)
    assert words.value("anomalies", "metric", "cart_to_purchase").zh == "cart 到 purchase 的转化率"
    assert words.value("funnel", "step", "all") == "all"
    assert words.value("bots", "reason", "120 acts at different times within one minute; acts in each of 30 hours in a row").zh == (
        "一分钟内有 120 次不同时刻的行为；连续 30 小时每小时都有行为"
    )
    assert words.value("paths", "path", "{view} → (ended)").zh == "{view} → （已结束）"
    assert words.value("exploration", "n", 3) == 3
