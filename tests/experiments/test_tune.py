from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from footpath.errors import ConfigError, RunError
from footpath.events.store import open_store
from footpath.experiments import tune, validation
from footpath.experiments.tune import Tuning
from footpath.sequences.splits import from_iso_time
from tests.experiments.made_logs import clusters, ring, store


def told(found: Tuning) -> list[tuple[object, ...]]:
    """All of a study but the seconds that it took."""
    return [(trial.parameters, trial.state, trial.ndcg) for trial in found.trials]


@pytest.fixture
def of_clusters(tmp_path: Path) -> Path:
    return store(tmp_path, clusters(users=60, n_clusters=4, size=8, length=5))


def test_a_study_that_is_gone_on_with_is_the_study_that_was_never_stopped(of_clusters: Path, tmp_path: Path) -> None:
    whole = tune.tune(of_clusters, "item_knn", tmp_path / "whole", trials=8, protocol="loo")
    tune.tune(of_clusters, "item_knn", tmp_path / "parts", trials=3, protocol="loo")
    gone_on = tune.tune(of_clusters, "item_knn", tmp_path / "parts", trials=8, protocol="loo")
    assert told(gone_on) == told(whole)
    assert len(whole.trials) == 8
    assert whole.trials[0].parameters == {"weighting": "bm25", "neighbours": 100, "k1": 1.2, "b": 0.75}
    best = json.loads((tmp_path / "whole" / "best.json").read_text())
    assert best["ndcg"] == whole.best.ndcg == max(trial.ndcg or 0 for trial in whole.trials)
    assert f"--set neighbours={best['parameters']['neighbours']}" in best["command"]
    assert whole.command.startswith(f"footpath train {of_clusters} --model item_knn --set ")


def test_a_study_that_is_killed_runs_its_trial_again_and_ends_as_it_would_have(of_clusters: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from footpath.experiments import tune\n"
        "tune.tune(pathlib.Path(sys.argv[1]), 'bpr', pathlib.Path(sys.argv[2]), trials=6, protocol='loo')"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, str(of_clusters), str(tmp_path / "killed")], env=os.environ)
    journal, deadline = tmp_path / "killed" / "study.journal", time.monotonic() + 60
    while time.monotonic() < deadline and killed.poll() is None:
        if journal.is_file() and journal.read_bytes().count(b'"cpu_s"') >= 2:  # two trials are done, the third runs
            break
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    gone_on = tune.tune(of_clusters, "bpr", tmp_path / "killed", trials=6, protocol="loo")
    assert len(gone_on.trials) == 6
    assert told(gone_on) == told(tune.tune(of_clusters, "bpr", tmp_path / "whole", trials=6, protocol="loo"))


def test_a_journal_whose_last_line_was_cut_off_is_read(of_clusters: Path, tmp_path: Path) -> None:
    tune.tune(of_clusters, "markov", tmp_path / "t", trials=2, protocol="loo")
    with (tmp_path / "t" / "study.journal").open("a") as file:
        file.write('{"op_code": 4, "wor')
    assert len(tune.tune(of_clusters, "markov", tmp_path / "t", trials=3, protocol="loo").trials) == 3


def test_what_is_in_the_test_part_changes_nothing(tmp_path: Path) -> None:
    rows = ring(users=80, length=10)
    parts, _ = validation.choose_split(open_store(store(tmp_path, rows)), "time")
    cut = from_iso_time(parts.details["cuts"][1]) // 1_000_000
    garbage = [(user, item if at < cut else f"i{at // 3600 * 5 % 12}", at) for user, item, at in rows]
    assert garbage != rows
    true = tune.tune(store(tmp_path, rows, "true"), "item_knn", tmp_path / "a", trials=6, protocol="time")
    false = tune.tune(store(tmp_path, garbage, "false"), "item_knn", tmp_path / "b", trials=6, protocol="time")
    assert told(true) == told(false)


def test_trials_below_the_median_are_pruned_and_say_after_how_many_epochs(tmp_path: Path) -> None:
    made = store(tmp_path, ring(users=40))
    fixed = {"epochs": "14", "dim": "16", "blocks": "1", "max_len": "10", "dropout": "0.1", "patience": "none", "l2": "0"}
    found = tune.tune(made, "sasrec", tmp_path / "t", trials=12, fixed=fixed, protocol="loo")
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned
    assert all(trial.epochs is not None and trial.epochs < 14 for trial in pruned)
    assert all(trial.epochs == 14 for trial in found.trials if trial.state == "finished")
    assert found.best.state == "finished"
    assert all((trial.ndcg or 0) < (found.best.ndcg or 0) for trial in pruned)


def test_settings_that_cannot_be_fitted_are_failed_trials_that_say_why(of_clusters: Path, tmp_path: Path) -> None:
    found = tune.tune(of_clusters, "vsknn", tmp_path / "t", trials=2, fixed={"recent_sessions": "100"}, protocol="loo")
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert all("recent_sessions" in trial.note for trial in failed)
    assert found.best.ndcg is not None


def test_another_model_or_store_in_the_same_directory_is_refused_by_name(of_clusters: Path, tmp_path: Path) -> None:
    tune.tune(of_clusters, "markov", tmp_path / "t", trials=1, protocol="loo")
    with pytest.raises(RunError, match="model was 'markov' and is now 'ease'"):
        tune.tune(of_clusters, "ease", tmp_path / "t", trials=1, protocol="loo")
    with pytest.raises(RunError, match="fingerprint was"):
        tune.tune(store(tmp_path, ring(), "other"), "markov", tmp_path / "t", trials=1, protocol="loo")
    with pytest.raises(RunError, match="exists and is not a tuning"):
        tune.tune(of_clusters, "markov", of_clusters, trials=1, protocol="loo")


def test_options_that_cannot_be_used_are_refused(of_clusters: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trials must be at least 1, got 0"):
        tune.tune(of_clusters, "ease", tmp_path / "t", trials=0)
    with pytest.raises(ConfigError, match="above 0 minutes, got -1"):
        tune.tune(of_clusters, "ease", tmp_path / "t", timeout_minutes=-1)
    with pytest.raises(ConfigError, match="no protocol 'tine' to choose by; did you mean 'time'"):
        tune.tune(of_clusters, "ease", tmp_path / "t", protocol="tine")


def test_the_picture_holds_every_trial_and_the_command(of_clusters: Path, tmp_path: Path) -> None:
    found = tune.tune(of_clusters, "item_knn", tmp_path / "t", trials=5, protocol="loo")
    page = (tmp_path / "t" / "tuning.html").read_text()
    assert found.command in page
    assert "The best so far" in page
    for trial in found.trials:
        assert str(trial.parameters["neighbours"]) in page


def test_settings_stand_in_the_picture_as_they_are_given(of_clusters: Path, tmp_path: Path) -> None:
    found = tune.tune(of_clusters, "bpr", tmp_path / "t", trials=2, protocol="loo")
    table = (tmp_path / "t" / "tuning.html").read_text().split('id="table"')[1].split("</article>")[0]
    for trial in found.trials:
        assert f">{trial.parameters['learning_rate']:.4g}<" in table
