"""The command line in this process, and a small log to use it on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from footpath.cli.main import main


@dataclass(frozen=True)
class Printed:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Printed]


@pytest.fixture
def footpath(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `footpath ARG ...` and give its exit status and what it printed."""

    def run(*arguments: object) -> Printed:
        monkeypatch.setattr(sys, "argv", ["footpath", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code or 0
        captured = capsys.readouterr()
        assert isinstance(code, int)
        return Printed(code, captured.out, captured.err)

    return run


def write_ring(path: Path, *, users: int = 40, items: int = 12, length: int = 8, seed: int = 1) -> Path:
    """Users who walk around a ring of items, one step an hour, from different places; the next item is certain."""
    rng = np.random.default_rng(seed)
    rows = ["user_id,item_id,timestamp"]
    for user in range(users):
        start, first = rng.integers(items), rng.integers(0, 20)
        rows += [f"u{user},i{(start + step) % items},{1_700_000_000 + 3600 * (first + step)}" for step in range(length)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    return write_ring(tmp_path / "ring.csv")


@pytest.fixture
def titles(tmp_path: Path) -> Path:
    path = tmp_path / "titles.csv"
    path.write_text("item_id,title\n" + "".join(f"i{i},Stop {i}\n" for i in range(12)), encoding="utf-8")
    return path


@pytest.fixture
def store(footpath: Command, ring: Path, titles: Path, tmp_path: Path) -> Path:
    done = footpath("ingest", ring, "--items", titles, "--into", tmp_path / "store")
    assert done.code == 0, done.err
    return tmp_path / "store"
