"""Tables and texts on disk: whole or not at all, and harmless in a spreadsheet."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from footpath.errors import ConfigError
from footpath.page.files import check_target, write_csv, write_parquet, write_text
from footpath.result import Result


def test_formulas_are_made_safe_in_csv_and_numbers_are_left_alone(tmp_path: Path) -> None:
    table = pa.table({"name": ["=1+1", "+a", "-b", "@c", "plain", None], "x": [-1.5, float("nan"), 0.0, 1.0, 2.0, None]})
    lines = write_csv(tmp_path / "t.csv", table).read_text().splitlines()
    assert lines == ['"name","x"', '"\'=1+1",-1.5', '"\'+a",', '"\'-b",0', '"\'@c",1', '"plain",2', ","]


def test_lists_become_text_in_csv(tmp_path: Path) -> None:
    assert '"view, cart"' in write_csv(tmp_path / "t.csv", pa.table({"path": [["view", "cart"]]})).read_text()


def test_parquet_keeps_the_table(tmp_path: Path) -> None:
    table = pa.table({"a": [["x"], []], "n": [1, 2]})
    assert pq.read_table(write_parquet(tmp_path / "t.parquet", table)).equals(table)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.html", "old")
    with pytest.raises(AttributeError):
        write_text(path, 3)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no folder .*nowhere; make it first"):
        write_text(tmp_path / "nowhere" / "a.html", "x")


def test_a_result_writes_and_shows_itself(tmp_path: Path) -> None:
    result = Result(
        "rates",
        pa.table({"item": ["<b>", "y"], "share": [0.5, float("nan")], "n": [100, 3]}),
        {"definition": "clicks over impressions <i>", "warnings": ["a & b"]},
        chart={"xAxis": {"type": "category", "data": ["<b>"]}, "yAxis": {"type": "value"}, "series": [{"type": "bar", "data": [1]}]},
    )
    assert result.to_csv(tmp_path / "r.csv").read_text().splitlines()[1] == '"<b>",0.5,100'
    assert pq.read_table(result.to_parquet(tmp_path / "r.parquet")).num_rows == 2
    shown = result._repr_html_()
    assert "clicks over impressions &lt;i&gt;" in shown
    assert "a &amp; b" in shown
    assert "&lt;b&gt;" in shown
    assert "nan" not in shown.partition("</iframe>")[2]
    assert "<iframe sandbox" in shown


def test_a_path_that_cannot_be_written_is_told_apart_from_a_bug(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 300 + ".html")
    for write in (check_target, lambda path: write_text(path, "a")):
        with pytest.raises(ConfigError, match=r"cannot write .*x\.html: File name too long; give a path that can be written"):
            write(long)
    with pytest.raises(ConfigError, match=r"there is no folder .*nowhere; make it first"):
        check_target(tmp_path / "nowhere" / "a.html")
    assert check_target(tmp_path / "a.html") == tmp_path / "a.html"
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = write_text(tmp_path / "a.html", "older")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match=r"cannot write .*a\.html: No space left on device; what stood there before is as it was"):
        write_text(target, "newer")
    assert target.read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
