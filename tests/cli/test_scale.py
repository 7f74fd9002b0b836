from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command


def test_every_model_gets_a_verdict_and_what_it_keeps(footpath: Command, store: Path, tmp_path: Path) -> None:
    asked = ("scale", store, "--models", "item_knn,markov", "--shares", "0.5,1", "--protocol", "loo", "--into", tmp_path / "s")
    done = footpath(*asked)
    assert done.code == 0, done.err
    assert "markov keeps" in done.out
    assert "with 50 % of the users" in done.out
    told = footpath(*asked, "--json").json()
    assert set(told["verdicts"]) == {"item_knn", "markov"}
    assert len(told["cells"]) == 4


def test_shares_that_are_no_numbers_are_refused(footpath: Command, store: Path, tmp_path: Path) -> None:
    done = footpath("scale", store, "--model", "ease", "--shares", "half,1", "--into", tmp_path / "s")
    assert done.code == 2
    assert "--shares takes numbers between commas, got 'half'" in done.err
