from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from footpath.errors import ConfigError
from footpath.training import distributed
from footpath.training.device import device, precision
from footpath.training.distributed import World, leave, same_everywhere, shard, summed, world
from footpath.training.loop import Epoch, GradientStep

sys.path.insert(0, str(Path(__file__).parent))
from small_training import Network, fit

SCRIPT = Path(__file__).with_name("small_training.py")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes under torchrun learned."""
    directory = tmp_path_factory.mktemp("together")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", SCRIPT, "together", directory, "all"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return directory


def _read(directory: Path, case: str, rank: int) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    return load_file(directory / f"{case}.{rank}.safetensors"), json.loads((directory / f"{case}.{rank}.json").read_text())


@pytest.mark.parametrize("sparse", [False, True], ids=["plain", "sparse"])
def test_two_processes_learn_what_one_learns(together: Path, sparse: bool) -> None:
    alone, weights = fit(sparse=sparse)
    found, history = _read(together, "sparse" if sparse else "plain", 0)
    assert max((found[name] - weights[name]).abs().max().item() for name in weights) < 1e-5
    assert history["best_epoch"] == alone.best_epoch
    epochs = [Epoch(**epoch) for epoch in history["epochs"]]
    assert [epoch.loss for epoch in epochs] == pytest.approx([epoch.loss for epoch in alone.epochs], abs=1e-5)
    assert [epoch.validation for epoch in epochs] == pytest.approx([epoch.validation for epoch in alone.epochs], abs=1e-9)
    moved = (weights["table.weight"] - Network(0.0, sparse).table.weight).abs().max().item()
    assert moved > 0.1  # so that equal weights say something


@pytest.mark.parametrize("case", ["plain", "sparse", "dropout", "resumed"])
def test_every_process_ends_with_the_same_weights_and_figures(together: Path, case: str) -> None:
    (first, first_history), (second, second_history) = (_read(together, case, rank) for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first_history == second_history


def test_two_processes_that_were_stopped_go_on_to_the_last_bit_with_dropout(together: Path) -> None:
    undisturbed, history = _read(together, "dropout", 0)
    resumed, resumed_history = _read(together, "resumed", 0)
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)
    assert [epoch["loss"] for epoch in history["epochs"]] == [epoch["loss"] for epoch in resumed_history["epochs"]]
    assert (together / "kept" / "checkpoint.safetensors").is_file()


def _apart(directory: Path, case: str, watched: int = 2) -> list[tuple[int, str]]:
    """Exit code and errors of two processes without torchrun, which would end both; only the first `watched` are waited for."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    settings = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    started = [
        subprocess.Popen(
            [sys.executable, SCRIPT, "together", directory, case], env=settings | {"RANK": str(rank)}, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=120)[1] for process in started[:watched]]
        return [(process.returncode, text) for process, text in zip(started, errors, strict=False)]
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_different_data_end_every_process_with_a_sentence(tmp_path: Path) -> None:
    for code, errors in _apart(tmp_path, "other data"):
        assert code == 1
        assert (
            "ConfigError: processes that train one model must have the same data and settings; process 1 of 2 differs from process 0 in "
            "data (rows of seed 0, not rows of seed 1); start all with the same files and options"
        ) in errors


@pytest.mark.slow
def test_a_process_that_dies_leaves_none_waiting(tmp_path: Path) -> None:
    (code, errors), (dead, _) = _apart(tmp_path, "one dies")
    assert dead == 9
    assert code == 1
    assert "RunError: process 0 of 2 lost the others while summing gradients" in errors


@pytest.mark.slow
def test_a_process_that_hangs_is_given_up(tmp_path: Path) -> None:
    [(code, errors)] = _apart(tmp_path, "one hangs", watched=1)  # for ten minutes, and the other waits 20 seconds for it
    assert code == 1
    assert "RunError: process 0 of 2 lost the others while summing gradients" in errors


def test_outside_torchrun_one_process_is_alone() -> None:
    assert world() == World(0, 1)
    same_everywhere("anything")
    figures = np.array([1.0, 2.0])
    assert summed(figures) is figures
    leave()
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(("rows", "size"), [(10, 3), (2, 4), (0, 2), (7, 1)])
def test_shards_hold_every_row_once(rows: int, size: int) -> None:
    parts = [shard(np.arange(rows), World(rank, size)) for rank in range(size)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "_joined", World(0, 2))
    network = Network(0.0, False)
    step: GradientStep[float] = GradientStep(network, lambda batch: network.out.weight.sum(), learning_rate=0.1)
    with pytest.raises(ConfigError, match="cannot share a batch of type float"):
        step(1.0)


def test_importing_the_loop_loads_no_more_of_torch_than_torch_does() -> None:
    code = (
        "import sys, torch; before = set(sys.modules); import footpath.training.loop; "
        "print([m for m in sys.modules if m not in before and m.startswith(('torch.', 'torchgen', 'sympy'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_gpu_is_taken_where_there_is_one_and_each_process_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device() == device("cuda") == torch.device("cuda", 0)
    assert device("cuda:1") == torch.device("cuda", 1)
    assert device("cpu") == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert device() == torch.device("cuda", 1)
    with pytest.raises(ConfigError, match=r"'cuda:2' is not there: torch finds 2"):
        device("cuda:2")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ConfigError, match="process 2 of this machine has no GPU of its own, there are 2: use --nproc-per-node 2"):
        device()


def test_a_gpu_that_is_asked_for_and_absent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device() == torch.device("cpu")
    for name in ("cuda", "cuda:0"):
        with pytest.raises(ConfigError, match=f"device '{name}' asks for a GPU, and torch .* finds none here: use device='auto' or 'cpu'"):
            device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:0", "auto:1", ""])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"must be auto, cpu, cuda or cuda:INDEX, got '{name}'"):
        device(name)


def test_a_gpu_without_bf16_is_refused_where_bf16_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    here = torch.device("cuda", 1)
    monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert precision("bf16", here) == "bf16"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert precision("single", here) == "single"
    with pytest.raises(ConfigError, match="precision 'bf16' needs a GPU that has it, and cuda:1 has not: set FOOTPATH_PRECISION=single"):
        precision("bf16", here)


@pytest.mark.parametrize("name", ["half", "BF16", "fp16", ""])
def test_an_unknown_precision_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"precision must be single or bf16, got '{name}': set FOOTPATH_PRECISION to one"):
        precision(name, torch.device("cpu"))
