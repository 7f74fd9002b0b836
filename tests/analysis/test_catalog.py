"""The catalog: every analysis is in it, and its options take what a command line gives."""

from __future__ import annotations

from pathlib import Path

import pytest

import footpath.analysis
from footpath.analysis import catalog
from footpath.errors import ConfigError
from footpath.models import catalog as models

NOT_ANALYSES = {"__init__", "trail", "charts", "catalog", "coded_acts", "periods", "reconcile", "report", "report_page", "user", "words"}
DOCS = Path(__file__).resolve().parents[2] / "docs" / "analysis" / "report.md"


def test_every_analysis_file_is_in_the_catalog() -> None:
    files = {path.stem for path in Path(footpath.analysis.__file__).parent.glob("*.py")} - NOT_ANALYSES
    assert files == {analysis.home.partition(".")[0] for analysis in catalog.ANALYSES}


@pytest.mark.parametrize("name", catalog.names())
def test_every_analysis_takes_keyword_options_and_is_documented(name: str) -> None:
    analysis = catalog.entry(name)
    assert analysis.function.__name__ == name
    assert analysis.function.__doc__
    assert f"| `{name}` | {analysis.about} |" in DOCS.read_text(encoding="utf-8")
    assert all(text.zh and text.zh != text for text in (analysis.title, analysis.about, analysis.group))


@pytest.mark.parametrize("name", catalog.names())
def test_what_to_ask_after_an_analysis_is_a_command_that_exists(name: str) -> None:
    asked = catalog.entry(name).next
    assert asked is not None
    command = str(asked).split("`")[1]
    assert f"`{command.replace('America/New_York', 'Asia/Shanghai')}`" in asked.zh
    words = command.split()
    if words[1] == "evaluate":
        assert words[2:4] == ["STORE", "--models"]
        assert set(words[4].split(",")) <= set(models.names())
        return
    assert words[:3] == ["footpath", "analyze", "STORE"]
    for flag, value in zip(words[3::2], words[4::2], strict=True):
        if flag == "--only":
            catalog.entry(value)
        elif flag == "--set":
            option, _, text = value.partition("=")
            analysis, _, option = option.partition(".")
            catalog.option(catalog.entry(analysis), option, text)
        else:
            assert flag in ("--gap-minutes", "--bots", "--report", "--tables")


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no analysis 'funel'; there are: .*did you mean 'funnel'"):
        catalog.entry("funel")


def test_texts_become_what_an_option_takes() -> None:
    funnel = catalog.entry("funnel")
    assert catalog.option(funnel, "steps", "view, cart,purchase") == ["view", "cart", "purchase"]
    assert catalog.option(funnel, "steps", ["view", "cart"]) == ["view", "cart"]
    assert catalog.option(funnel, "order", "strict") == "strict"
    with pytest.raises(ConfigError, match=r"funnel has no option 'stepps'; it has: .*did you mean 'steps'"):
        catalog.option(funnel, "stepps", "a")


def test_what_is_for_programs_and_what_is_too_large_is_refused_by_name() -> None:
    assert catalog.option(catalog.entry("ab_test"), "ratio", "A:1,B:3") == {"A": 1.0, "B": 3.0}
    with pytest.raises(ConfigError, match=r"ab_test\.ratio takes numbers by name, such as A:1,B:3, got 'x:y'"):
        catalog.option(catalog.entry("ab_test"), "ratio", "x:y")
    with pytest.raises(ConfigError, match=r"propensity has no option 'model' here: it takes a function"):
        catalog.option(catalog.entry("propensity"), "model", "boosting")
    with pytest.raises(ConfigError, match=r"paths\.top must be at most 1,000,000, got 1000001"):
        catalog.option(catalog.entry("paths"), "top", "1000001")
