from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.experiments.made_logs import shop


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


def test_a_model_of_responses_is_tuned_by_log_loss_and_the_command_keeps_its_examples(footpath: Command, tmp_path: Path) -> None:
    log = shop(tmp_path)
    options = ("--model", "gradient_boosting", "--trials", 2, "--label", "click", "--context", "slot", "--into", tmp_path / "t")
    done = footpath("tune", log, *options)
    assert done.code == 0, done.err
    assert "log-loss of `click` on the validation part of the time split" in done.out
    assert "lower is better; the test part was not read" in done.out
    assert done.out.strip().endswith("--label click --context slot --into RUN")
    told = footpath("tune", log, *options, "--json").json()
    assert [trial["value"] for trial in told["trials"]] != []
    assert told["best"]["value"] == min(trial["value"] for trial in told["trials"])
    rows = [line.split() for line in done.out.splitlines() if line[:1] in "12" and " finished" in line]
    assert [int(row[0]) for row in rows] == [trial["number"] for trial in sorted(told["trials"], key=lambda trial: trial["value"])]


def test_examples_of_ratings_need_a_threshold_to_be_liked(footpath: Command, tmp_path: Path) -> None:
    log = shop(tmp_path)
    options = ("--model", "logistic_regression", "--trials", 1, "--examples", "ratings", "--into", tmp_path / "t")
    done = footpath("tune", log, *options)
    assert done.code == 2
    assert "threshold" in done.err
    done = footpath("tune", log, *options, "--threshold", 4)
    assert done.code == 0, done.err
    assert "log-loss of `liked`" in done.out
    assert "--examples ratings --threshold 4 --into RUN" in done.out


def test_examples_of_what_came_next_take_a_number_of_negatives(footpath: Command, store: Path, tmp_path: Path) -> None:
    options = ("--model", "logistic_regression", "--trials", 1, "--negatives", 2, "--into", tmp_path / "t")
    done = footpath("tune", store, *options)
    assert done.code == 0, done.err
    assert "log-loss of `chosen`" in done.out
    assert "--negatives 2 --into RUN" in done.out


def test_examples_are_not_for_models_that_say_what_comes_next(footpath: Command, store: Path, tmp_path: Path) -> None:
    done = footpath("tune", store, "--model", "ease", "--label", "click", "--into", tmp_path / "t")
    assert done.code == 2
    assert "leave out labels (--label)" in done.err
