"""`footpath analyze`, as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command


def test_analyze_prints_what_stands_out_and_writes_the_report_and_its_tables(footpath: Command, store: Path, tmp_path: Path) -> None:
    done = footpath(
        "analyze", store, "--report", tmp_path / "r.html", "--tables", tmp_path / "t", "--format", "csv", "--only", "funnel,transitions"
    )
    assert done.code == 0, done.err
    for heading in ("What stands out", "What to doubt", "What to ask next"):
        assert heading in done.out
    assert "320" in done.out
    assert done.out.rstrip().splitlines()[-1] == f"Next: open {tmp_path / 'r.html'}"
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert {"transitions.csv", "cells.csv", "statements.csv"} <= {path.name for path in (tmp_path / "t").iterdir()}


def test_the_page_names_the_store_and_the_options_in_its_commands(footpath: Command, store: Path, tmp_path: Path) -> None:
    done = footpath("analyze", store, "--report", tmp_path / "r.html", "--only", "transitions", "--by", "item_id", "--gap-minutes", "90")
    assert done.code == 0, done.err
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"footpath analyze {store} --only transitions --by item_id --gap-minutes 90.0" in text


def test_analyze_speaks_chinese(footpath: Command, store: Path, tmp_path: Path) -> None:
    done = footpath("analyze", store, "--lang", "zh", "--only", "transitions", "--report", tmp_path / "r.html")
    assert done.code == 0, done.err
    assert "主要发现" in done.out
    assert "存疑之处" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_json_is_one_object_with_results_by_name(footpath: Command, store: Path) -> None:
    printed = footpath("analyze", store, "--only", "transitions", "--json").json()
    assert printed["data"] == "ring"
    assert printed["headlines"]["users"]["value"] == 40
    assert list(printed["results"]) == ["transitions"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "funel"], "no analysis 'funel'"),
        (["--set", "funnel.stepps=a"], "funnel has no option 'stepps'"),
        (["--set", "steps"], "--set takes NAME=VALUE, got 'steps'"),
        (["--format", "xlsx"], "--format must be parquet or csv, got 'xlsx'"),
        (["--lang", "fr"], "lang must be en or zh, got 'fr'"),
        (["--bots", "kill"], "bots must be keep or drop, got 'kill'"),
        (["--by", "colour"], "no column 'colour' to name steps by"),
        (["--since", "soon"], "since must be a date or a time such as 2026-01-31"),
        (["--only", "transitions", "--report", "/nowhere/at/all.html"], "there is no folder /nowhere/at; make it first"),
        (["--report", "/proc/report.html"], "cannot write /proc/report.html: No such file or directory; give a path that can be written"),
        (["--tables", "/proc/tables"], "cannot write the folder /proc/tables: No such file or directory"),
        (["--tables", "/proc/version/tables"], "cannot write the folder /proc/version/tables"),
        (["--gap-minutes", "inf"], "at most a hundred years (52596000), got inf"),
        (["--seed", "-1"], "seed must be a whole number of at least 0, got -1"),
    ],
)
def test_what_cannot_be_is_said_and_exits_with_2(footpath: Command, store: Path, arguments: list[str], message: str) -> None:
    done = footpath("analyze", store, *arguments)
    assert done.code == 2
    assert message in done.err.replace("\n", " ")
    assert done.out == ""
