from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from footpath.errors import ConfigError, RunError
from footpath.events.store import open_store
from footpath.experiments import runs
from footpath.experiments.compare import compare_runs
from footpath.recommender import recommend
from footpath.sequences.build import to_sequences
from footpath.sequences.splits import iso_time
from footpath.training.device import device
from tests.experiments.made_logs import ring, store

SETTINGS = {"dim": "8", "epochs": "6", "batch_size": "16", "learning_rate": "0.01", "dropout": "0.2"}
SAME = ("loss", "validation_ndcg@10")


def figures(run: runs.Run) -> dict[str, list[tuple[object, ...]]]:
    """All of the epochs but their seconds."""
    return {name: [tuple(epoch[part] for part in SAME) for epoch in epochs] for name, epochs in run.record["epochs"].items()}


def weights(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "model" / "weights.safetensors")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return store(tmp_path, ring())


def test_a_run_keeps_its_learning_curves_as_figures_and_as_a_page(log: Path, tmp_path: Path) -> None:
    run = runs.train(log, "gru4rec", tmp_path / "run", fields=SETTINGS)
    held, again = run.record["epochs"]["held"], run.record["epochs"]["refit"]
    best = max(held, key=lambda epoch: epoch["validation_ndcg@10"])["epoch"]
    assert len(again) == best == run.record["hyperparameters"]["epochs"]
    assert all(epoch["validation_ndcg@10"] is None for epoch in again)
    page = (tmp_path / "run" / "learning-curves.html").read_text(encoding="utf-8")
    assert f"Epoch {best} was the best of {len(held)} on validation" in page
    assert run.record["fitted_with"] == {"device": str(device()), "precision": "single", "share_of_events": 1.0}
    assert not (tmp_path / ".run.unfinished").exists()


def test_a_model_without_epochs_has_no_curves(log: Path, tmp_path: Path) -> None:
    run = runs.train(log, "markov", tmp_path / "run")
    assert run.record["epochs"] == {"refit": []}
    assert run.record["fitted_with"] is None
    assert not (tmp_path / "run" / "learning-curves.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("part", ["held", "refit"])
def test_a_run_that_is_killed_and_trained_again_is_the_run_that_was_never_killed(log: Path, tmp_path: Path, part: str) -> None:
    code = (
        "import sys, time, pathlib; from footpath.experiments import runs\n"
        "slow = lambda *_: time.sleep(0.02)\n"
        "runs.train(pathlib.Path(sys.argv[1]), 'gru4rec', pathlib.Path(sys.argv[2]), "
        "fields=dict(pair.split('=') for pair in sys.argv[3:]), progress=slow)"
    )
    fields = [f"{name}={value}" for name, value in SETTINGS.items()]
    process = subprocess.Popen([sys.executable, "-c", code, str(log), str(tmp_path / "run"), *fields], env=os.environ)
    kept, deadline = tmp_path / ".run.unfinished" / part / "checkpoint.safetensors", time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and not kept.is_file():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "run").exists()
    resumed = runs.train(log, "gru4rec", tmp_path / "run", fields=SETTINGS)
    undisturbed = runs.train(log, "gru4rec", tmp_path / "other", fields=SETTINGS)
    assert figures(resumed) == figures(undisturbed)
    one, other = weights(tmp_path / "run"), weights(tmp_path / "other")
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_an_unfinished_training_of_other_settings_is_not_gone_on_with(log: Path, tmp_path: Path) -> None:
    runs.train(log, "gru4rec", tmp_path / "other", fields=SETTINGS)
    first = runs.train
    with pytest.raises(KeyboardInterrupt):
        first(log, "gru4rec", tmp_path / "run", fields=SETTINGS, progress=_interrupt_late)
    with pytest.raises(RunError, match=r"dim"):
        runs.train(log, "gru4rec", tmp_path / "run", fields=SETTINGS | {"dim": "16"})
    shutil.rmtree(tmp_path / ".run.unfinished")
    runs.train(log, "gru4rec", tmp_path / "run", fields=SETTINGS | {"dim": "16"})


def _interrupt_late(what: str, done: int, total: int) -> None:
    if done > total // 2:
        raise KeyboardInterrupt


@pytest.mark.slow
def test_two_processes_train_the_model_that_one_trains(log: Path, tmp_path: Path) -> None:
    options = [part for name, value in (SETTINGS | {"dropout": "0"}).items() for part in ("--set", f"{name}={value}")]
    command = ["-m", "footpath", "train", str(log), "--model", "gru4rec", *options, "--into"]
    together = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--standalone"]
    printed = subprocess.run([*together, *command, str(tmp_path / "two")], capture_output=True, text=True, check=True).stdout
    assert printed.count("gru4rec fitted on") == 1
    subprocess.run([sys.executable, *command, str(tmp_path / "one")], capture_output=True, check=True)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(one[name], two[name], atol=1e-5)
    curves = [json.loads((tmp_path / run / "run.json").read_text())["epochs"] for run in ("one", "two")]
    for a, b in zip(curves[0]["held"], curves[1]["held"], strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)
        assert a["validation_ndcg@10"] == pytest.approx(b["validation_ndcg@10"], abs=1e-5)


def test_runs_are_compared_in_pairs_with_the_first(log: Path, tmp_path: Path) -> None:
    favourites = runs.train(log, "popularity", tmp_path / "favourites")
    steps = runs.train(log, "markov", tmp_path / "steps")
    report = compare_runs([favourites, steps], protocol="loo", references=False)
    assert [row.model for row in report.rows] == ["favourites", "steps"]
    (found,) = report.comparisons
    assert (found.model, found.reference) == ("steps", "favourites")
    assert found.test.low > 0.2


def test_runs_of_other_events_are_not_compared(log: Path, tmp_path: Path) -> None:
    one = runs.train(log, "markov", tmp_path / "one")
    core = runs.train(log, "markov", tmp_path / "core", core=2)
    with pytest.raises(ConfigError, match=r"core was fitted on other events .* core 2, .* core 1"):
        compare_runs([one, core])
    elsewhere = store(tmp_path, ring(seed=2), "elsewhere")
    with pytest.raises(ConfigError, match=r"the store elsewhere now holds"):
        compare_runs([one, one], store=elsewhere)
    with pytest.raises(ConfigError, match="at least two runs, got 1"):
        compare_runs([one])
    with pytest.raises(ConfigError, match="'one' is named 2 times"):
        compare_runs([one, one], protocol="loo")


def test_a_user_is_answered_from_all_that_the_model_reads_of_an_act(log: Path, tmp_path: Path) -> None:
    run = runs.train(log, "hstu", tmp_path / "run", fields=SETTINGS | {"inputs": "type,gap", "request_time": "true", "epochs": "2"})
    events = to_sequences(open_store(log), seed=run.record["data"]["seed"])
    row = events.between(3, 4)
    assert row.times is not None
    later = int(row.times[-1]) + 7_200_000_000
    expected = recommend(run.model, row, 5, repeat=True, request_times=np.array([later]))
    user = str(row.users[0])
    found = runs.recommend_from(run, user=user, k=5, repeat=True, at=iso_time(later))
    assert [item["item_id"] for item in found["items"]] == expected.items(0)
    np.testing.assert_allclose([item["score"] for item in found["items"]], expected.scores[0], rtol=1e-5)
    early = runs.recommend_from(run, user=user, k=5, repeat=True)
    assert [item["score"] for item in early["items"]] != [item["score"] for item in found["items"]]
    assert runs.recommend_from(run, user="nobody", k=5)["basis"] == "no known event: what most users do"
    with pytest.raises(ConfigError, match="hold none, as a history of ids never does: ask about a user of the log"):
        runs.recommend_from(run, history=["r1"])
    with pytest.raises(ConfigError, match="--at takes a moment such as 2026-01-31T12:00:00, got 'soon'"):
        runs.recommend_from(run, user=user, at="soon")
