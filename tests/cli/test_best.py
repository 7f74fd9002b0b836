from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command


def test_it_leaves_a_run_that_recommends(footpath: Command, store: Path, tmp_path: Path) -> None:
    done = footpath("best", store, "--minutes", 0.08, "--protocol", "loo", "--into", tmp_path / "run")
    assert done.code == 0, done.err
    assert "looked at once on test" in done.out
    assert done.out.strip().endswith(f"Next: footpath recommend {tmp_path / 'run'} --user ID, or --history a,b,c")
    answer = footpath("recommend", tmp_path / "run", "--history", "i3,i4", "--json")
    assert answer.json()["items"][0]["item_id"] == "i5"
    assert "# " in (tmp_path / "run" / "MODEL_CARD.md").read_text()


def test_no_minutes_is_an_error(footpath: Command, store: Path, tmp_path: Path) -> None:
    done = footpath("best", store, "--minutes", -1, "--into", tmp_path / "run")
    assert done.code == 2
    assert "minutes must be above 0, got -1" in done.err
