"""`footpath check-claims`: a text judged on the terminal and as JSON; what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text("User u3 has 8 acts. User u3 has 9 acts. u3 is a fine person.", encoding="utf-8")
    return file


def test_each_sentence_is_printed_with_its_verdict_and_what_is_right(footpath: Command, store: Path, text: Path) -> None:
    printed = footpath("check-claims", store, text)
    assert printed.code == 0
    lines = printed.out.splitlines()
    assert lines[0] == "true          User u3 has 8 acts."
    assert "false         User u3 has 9 acts." in lines
    assert "              There were 8 acts by user u3." in lines
    assert "not checkable u3 is a fine person." in lines
    assert "Not understood: 'fine'." in printed.out
    assert "1 true, 1 false, 1 not checkable of 3 sentences" in printed.out
    assert lines[-1].startswith("Next: footpath check-claims ")


def test_as_json_with_evidence(footpath: Command, store: Path, text: Path) -> None:
    told = footpath("check-claims", store, text, "--json", "--evidence").json()
    assert told["counts"] == {"true": 1, "false": 1, "not checkable": 1}
    assert told["sentences"][0]["claims"][0]["evidence_total"] == 8
    assert told["sentences"][1]["right"] == ["There were 8 acts by user u3."]


def test_in_chinese(footpath: Command, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "文.txt"
    file.write_text("用户 u3 共有 9 次行为。", encoding="utf-8")
    told = footpath("check-claims", store, file, "--json").json()
    assert told["sentences"] == [told["sentences"][0] | {"verdict": "false", "right": ["用户 u3 的行为共 8 次。"]}]
    assert footpath("check-claims", store, file).out.startswith("假")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"\xff\xfe\x00", "give a text in UTF-8"), (b"word " * 50_000, "at most 200,000 are checked")],
)
def test_what_is_no_text_is_said_so(footpath: Command, store: Path, tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.txt"
    file.write_bytes(content)
    printed = footpath("check-claims", store, file)
    assert printed.code == 2
    assert message in printed.err


def test_a_missing_file_and_a_wrong_language_are_named(footpath: Command, store: Path, text: Path) -> None:
    assert "nowhere.txt" in footpath("check-claims", store, "nowhere.txt").err
    assert "'fr'" in footpath("check-claims", store, text, "--lang", "fr").err
