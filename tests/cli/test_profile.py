"""`footpath profile`: checked lines on the terminal, as JSON and as a page; what cannot be asked."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.conftest import Command


def test_every_line_has_its_cell(footpath: Command, store: Path) -> None:
    printed = footpath("profile", store, "--user", "u3")
    assert printed.code == 0
    assert "User u3" in printed.out
    assert re.search(r"- There were 8 acts by user u3\.  \[count-[0-9a-f]{10}\]", printed.out)
    lines = [line for line in printed.out.splitlines() if line.startswith("  - ")]
    assert all(re.search(r"\[[a-z_]+-[0-9a-f]{10}\]$", line) for line in lines)
    assert printed.out.rstrip().splitlines()[-1].startswith("Next: footpath user ")


def test_the_lines_are_the_same_in_json_and_in_chinese(footpath: Command, store: Path) -> None:
    told = footpath("profile", store, "--user", "u3", "--json").json()
    chinese = footpath("profile", store, "--user", "u3", "--lang", "zh").out
    assert told["who"] == "user u3"
    assert "evidence" not in told["traits"][0]
    for trait in told["traits"]:
        assert f"{trait['text_zh']}  [{trait['cell']}]" in chinese


def test_evidence_comes_on_demand(footpath: Command, store: Path) -> None:
    told = footpath("profile", store, "--user", "u3", "--json", "--evidence").json()
    count = next(trait for trait in told["traits"] if trait["claim"]["predicate"] == "count")
    assert (len(count["evidence"]), count["evidence_total"]) == (8, 8)
    assert "8 of 8 rows behind it" in footpath("profile", store, "--user", "u3", "--evidence").out


def test_the_page_is_written(footpath: Command, store: Path, tmp_path: Path) -> None:
    printed = footpath("profile", store, "--segment", "acts>=8", "--html", tmp_path / "profile.html")
    assert f"written: {tmp_path / 'profile.html'}" in printed.out
    assert "users with acts&gt;=8" in (tmp_path / "profile.html").read_text(encoding="utf-8")


def test_what_cannot_be_asked_is_refused(footpath: Command, store: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (["--user", "u3x"], "no user 'u3x'"),
        (["--segment", "device=phone"], "no column 'device'"),
        (["--segment", "loyal"], "a segment is a rule such as"),
        ([], "give either --user ID or --segment RULE"),
        (["--user", "u3", "--segment", "acts>=1"], "give either --user ID or --segment RULE"),
        (["--user", "u3", "--lang", "fr"], "--lang must be en or zh, got 'fr'"),
        (["--user", "u3", "--html", str(tmp_path / "no" / "where.html")], "there is no folder"),
    ):
        refused = footpath("profile", store, *arguments)
        assert refused.code == 2
        assert message in refused.err.replace("\n", " ")
