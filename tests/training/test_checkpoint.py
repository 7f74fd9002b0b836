from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from footpath.errors import ConfigError, RunError
from footpath.training import checkpoint as checkpoint_file
from footpath.training.checkpoint import Checkpoint
from footpath.training.loop import Epoch, GradientStep, History, isolated_seed, train

sys.path.insert(0, str(Path(__file__).parent))
from small_training import RaggedBatches, Stopped, fit, stop_at

SCRIPT = Path(__file__).with_name("small_training.py")


@pytest.fixture(autouse=True)
def _every_epoch_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_file, "_SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(checkpoint_file, "_SHARE_OF_TIME", 1e9)


def _figures(history: History) -> list[tuple[int, float, float | None]]:
    return [(epoch.number, epoch.loss, epoch.validation) for epoch in history.epochs]


def _equal(one: tuple[History, dict[str, Tensor]], other: tuple[History, dict[str, Tensor]]) -> bool:
    weights = all(torch.equal(one[1][name], other[1][name]) for name in one[1])
    return weights and _figures(one[0]) == _figures(other[0]) and one[0].best_epoch == other[0].best_epoch


def test_a_training_killed_in_the_middle_of_an_epoch_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, SCRIPT, "slow", tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "3 3\n":
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    batches: list[int] = []
    resumed = fit(tmp_path, dropout=0.3, at_batch=batches.append)
    assert len(batches) == 15  # epochs 3 to 5 of 5 batches: two were kept
    assert _equal(resumed, fit(dropout=0.3))


@pytest.mark.parametrize("batch", [2, 5, 11, 24])
@pytest.mark.parametrize("sparse", [False, True])
def test_wherever_it_stops_it_goes_on_to_the_last_bit(tmp_path: Path, batch: int, sparse: bool) -> None:
    settings: dict[str, Any] = {"dropout": 0.2, "sparse": sparse}
    with pytest.raises(Stopped):
        fit(tmp_path, **settings, at_batch=stop_at(batch))
    assert _equal(fit(tmp_path, **settings), fit(**settings))


def test_a_finished_training_returns_at_once_with_the_same_history_and_weights(tmp_path: Path) -> None:
    first = fit(tmp_path)
    again = fit(tmp_path, at_batch=stop_at(0))
    assert _equal(first, again)
    assert first[0] == again[0]  # CPU-seconds too


def _falling(directory: Path | None, figures: dict[int, float], stop_after: int | None = None) -> tuple[History, float, list[int]]:
    point, watched = nn.Linear(1, 1), []
    nn.init.zeros_(point.weight)
    step: GradientStep[Any] = GradientStep(point, lambda batch: point.weight.sum(), learning_rate=1.0)

    def watch(epoch: Epoch) -> bool:
        watched.append(epoch.number)
        if epoch.number == stop_after:
            raise Stopped
        return epoch.number == 4

    figure = iter(range(len(figures) + 1))
    history = train(
        point, RaggedBatches(), step, epochs=9, seed=0, evaluate=lambda: figures[round(-point.weight.item() / 5) + 0 * next(figure)],
        watch=watch, checkpoint=directory,
    )  # fmt: skip
    return history, point.weight.item(), watched


def test_the_best_weights_survive_a_kill_after_worse_epochs(tmp_path: Path) -> None:
    figures = {1: 0.1, 2: 0.9, 3: 0.3, 4: 0.2}
    with pytest.raises(Stopped):
        _falling(tmp_path, figures, stop_after=4)  # three epochs are kept, the second is the best
    history, weight, watched = _falling(tmp_path, figures)
    assert history.best_epoch == 2
    assert weight == pytest.approx(-10, abs=1e-3)  # Adam moves by 1 in each of ten steps
    assert watched == [4]
    assert [epoch.validation for epoch in history.epochs] == [0.1, 0.9, 0.3, 0.2]


def test_a_checkpoint_of_other_data_or_settings_is_refused_and_kept(tmp_path: Path) -> None:
    fit(tmp_path)
    content = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(
        RunError, match=r"another training, with data \(rows of seed 0, not rows of seed 1\): go on with .* or choose another"
    ):
        fit(tmp_path, seed=1)
    with pytest.raises(RunError, match=r"with epochs \(5, not 6\): "):
        fit(tmp_path, epochs=6)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == content


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "a bit", "noise"])
def test_a_damaged_file_is_refused_with_the_next_step(tmp_path: Path, damage: str) -> None:
    fit(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    content = bytearray(path.read_bytes())
    if damage == "foreign":
        from safetensors.numpy import save_file

        save_file({"x": np.zeros(3)}, path)
    else:
        content[-1] ^= 1
        path.write_bytes({"cut": content[:-9], "empty": b"", "a bit": content, "noise": b"\xff" * 400}[damage])
    with pytest.raises(RunError, match=r"checkpoint\.safetensors is damaged.*: .*delete .* to train from the beginning"):
        fit(tmp_path)


def test_a_newer_format_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(checkpoint_file, "FORMAT", 2)
        fit(tmp_path)
    with pytest.raises(RunError, match="which is newer: upgrade footpath"):
        fit(tmp_path)


def test_what_a_training_needs_and_the_file_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        fit(tmp_path, at_batch=stop_at(7))
    kept = Checkpoint(tmp_path, "")
    with pytest.MonkeyPatch.context() as any_fingerprint:
        any_fingerprint.setattr(checkpoint_file, "differences", lambda one, other: one)
        with pytest.raises(RunError) as refused:
            kept.read()
    fingerprint = str(refused.value).split("another training, with ")[1].split(": go on with")[0]
    kept = Checkpoint(tmp_path, fingerprint)
    saved = kept.read()
    assert saved is not None
    kept.write({name: tensor for name, tensor in saved.tensors.items() if name != "step.steps"}, saved.record)
    with pytest.raises(RunError, match=r"does not hold what this training needs \(KeyError\('steps'\)\): delete it"):
        fit(tmp_path)


def test_a_directory_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written to .*file/kept/checkpoint\.safetensors .*choose another directory"):
        fit(tmp_path / "file" / "kept")


def test_a_step_that_cannot_be_resumed_is_refused_before_it_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"without state\(\) and load\(\) cannot go on from"):
        train(nn.Linear(1, 1), RaggedBatches(), lambda batch: 0.0, epochs=1, seed=0, checkpoint=tmp_path)


def test_tensors_of_any_type_and_shape_come_back_as_they_were(tmp_path: Path) -> None:
    tensors = {
        "half": torch.randn(3, 2).bfloat16(),
        "transposed": torch.arange(6.0).view(2, 3).T,
        "scalar": torch.tensor(3),
        "flags": torch.tensor([True, False]),
        "nothing": torch.empty(0, 4),
    }
    record = {"x": [1.1, None, 2**127], "y": {"a": True}}
    kept = Checkpoint(tmp_path / "new", "f")
    assert kept.read() is None
    kept.write(tensors, record)
    saved = Checkpoint(tmp_path / "new", "f").read()
    assert saved is not None
    assert saved.record == record
    assert saved.tensors.keys() == tensors.keys()
    assert all(torch.equal(saved.tensors[name], tensor) and saved.tensors[name].dtype == tensor.dtype for name, tensor in tensors.items())


def test_a_weight_with_two_names_is_kept_once(tmp_path: Path) -> None:
    def tied(directory: Path | None, stop: int | None = None) -> Tensor:
        with isolated_seed(0):
            module = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh(), nn.Linear(4, 4, bias=False))
            module[2].weight = module[0].weight
            calls = iter(range(99))

            def loss(batch: Any) -> Tensor:
                if next(calls) == stop:
                    raise Stopped
                return (module(torch.ones(1, 4)) - 1).square().sum()

            train(module, RaggedBatches(), GradientStep(module, loss, learning_rate=0.1), epochs=3, seed=0, checkpoint=directory)
        assert module[0].weight is module[2].weight
        return module[0].weight.detach()

    with pytest.raises(Stopped):
        tied(tmp_path, stop=8)
    assert torch.equal(tied(tmp_path), tied(None))


def test_writing_takes_turns_with_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 0.0, 0.3, 2.0, 2.2, 3.4])  # asked; written from 0 to 0.3; asked ...
    monkeypatch.setattr(checkpoint_file, "_SECONDS_BETWEEN", 2.0)
    monkeypatch.setattr(checkpoint_file, "_SHARE_OF_TIME", 0.1)
    monkeypatch.setattr(checkpoint_file, "time", SimpleNamespace(monotonic=lambda: next(now)))
    kept = Checkpoint(tmp_path, "")
    assert kept.is_due()
    kept.write({}, {})
    assert not kept.is_due()  # 1.7 s after
    assert not kept.is_due()  # 1.9 s after
    assert kept.is_due()  # 3.1 s after, more than ten times what the last one took
