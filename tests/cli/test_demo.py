"""The demo where nothing can be fetched: it says so, and shows the main job on the simulated shop."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from footpath.cli import demo
from footpath.errors import FetchError, UnreachableError
from footpath.events import fetch
from tests.cli.conftest import Command

pytestmark = pytest.mark.slow


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SHOP_EVENTS", 20_000)
    monkeypatch.setattr(demo, "MODELS", ("popularity", "item_knn"))
    monkeypatch.setattr(demo, "MODEL", "item_knn")


@pytest.mark.usefixtures("small")
def test_where_nothing_can_be_reached_the_demo_goes_on_with_the_shop(
    footpath: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> NoReturn:
        raise UnreachableError("ml-100k cannot be had: the network is off")

    monkeypatch.setattr(fetch, "fetch", unreachable)
    left = tmp_path / "demo" / "shop" / "events-00007.parquet"  # of an earlier run
    left.parent.mkdir(parents=True)
    left.write_text("no Parquet")
    printed = footpath("demo", "--into", tmp_path / "demo", "--json")
    assert printed.code == 0
    assert "the network is off" in printed.err
    assert "simulated shop" in printed.err
    told = printed.json()
    assert told["data"] == "shop"
    assert Path(told["report"]).stat().st_size > 100_000
    assert len(told["recommendations"]) == 3
    assert not left.exists()


@pytest.mark.usefixtures("small")
def test_a_copy_that_is_damaged_stops_the_demo_instead(footpath: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object, **__: object) -> NoReturn:
        raise FetchError("demo/data is there and was not made by fetch, so it is left alone; pass another folder")

    monkeypatch.setattr(fetch, "fetch", damaged)
    printed = footpath("demo", "--into", tmp_path / "demo")
    assert printed.code != 0
    assert "left alone" in printed.err
    assert not (tmp_path / "demo" / "store").exists()
