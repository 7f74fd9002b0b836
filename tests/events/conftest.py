"""What the tests of the event log share: small files, and a log's rows in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from footpath.events.log import EventLog

FIXTURES = Path(__file__).parent / "fixtures"

Write = Callable[[str, str | bytes], Path]
Rows = Callable[..., list[Any]]


@pytest.fixture
def fixtures() -> Path:
    return FIXTURES


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file of that name and content, and give its path."""

    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


@pytest.fixture
def rows() -> Rows:
    """The rows of a log in order of user and position: tuples of the columns asked for, or values of a single one."""

    def listed(log: EventLog, *columns: str) -> list[Any]:
        table = log.table.order_by(["user_id", "position"]).select(*columns).to_pyarrow().to_pylist()
        return [row[columns[0]] if len(columns) == 1 else tuple(row[c] for c in columns) for row in table]

    return listed
