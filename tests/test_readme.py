"""What README prints is what happens: its commands and its Python run, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"<!-- run -->\n```(\w+)\n(.*?)```", re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_blocks_of_readme_run_in_order(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    printed = []
    for language, text in blocks("README.md"):
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    commands, python, shop, asked = printed
    assert "fitted on 100,000 events of 943 users and 1,682 items of ml-100k" in commands
    assert "For user 42, by ease, from 183 events" in commands
    assert "recall@10" in python
    assert "What stands out" in shop
    assert (tmp_path / "shop.html").stat().st_size > 500_000
    readme, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))
    english, in_chinese = [line for line in asked.splitlines() if line.endswith(("[1].", "[1]。"))]
    assert english in readme
    assert in_chinese in chinese
    start = asked.index("false         In October 2024")
    assert asked[start : asked.index("\n\n", start)] in readme
    ranked = [line.split("  ")[-1].strip() for line in commands.splitlines() if re.match(r"[1-5]  \d", line)]
    assert len(ranked) == 5
    assert all(reason in readme for reason in ranked), "README shows other recommendations than the commands print"


def test_both_readmes_show_the_same_commands() -> None:
    english, chinese = blocks("README.md"), blocks("README.zh.md")
    assert len(english) == 4
    assert [text for _, text in chinese] == [text for _, text in english]
