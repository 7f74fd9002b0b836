from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command


def test_the_last_line_is_the_command_that_trains_with_the_best_settings(footpath: Command, store: Path, tmp_path: Path) -> None:
    done = footpath("tune", store, "--model", "ease", "--trials", 3, "--protocol", "loo", "--into", tmp_path / "t")
    assert done.code == 0, done.err
    best = footpath("tune", store, "--model", "ease", "--trials", 3, "--protocol", "loo", "--into", tmp_path / "t", "--json").json()["best"]
    assert done.out.strip().endswith(f"Next: footpath train {store} --model ease --set l2={best['parameters']['l2']} --into RUN")
    assert "the test part was not read" in done.out
    trained = footpath("train", store, "--model", "ease", "--set", f"l2={best['parameters']['l2']}", "--into", tmp_path / "run")
    assert trained.code == 0, trained.err


def test_nothing_to_tune_is_an_error_that_names_the_fields(footpath: Command, store: Path, tmp_path: Path) -> None:
    done = footpath("tune", store, "--model", "popularity", "--into", tmp_path / "t")
    assert done.code == 2
    assert "popularity has nothing to tune" in done.err
