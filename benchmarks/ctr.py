"""What the models of responses cost: CPU-seconds a million rows with histories of 50 events, DIN beside torch-rechub's DIN.

    python benchmarks/ctr.py [--rows 1000000] [--history 50] [--items 3000] [--epochs 1] [--models din] [--repeats 1]
                             [--rechub PYTHON] [--json FILE]

Rows are made up. Items are in groups, and popular as Zipf has it. Every row has a history of its own, which leans to one group, a slot that
says nothing, and an item; the log odds of a click are -3 plus ten times the share of the history that is in the item's group. The first
90 % train, the rest are predicted. All models: width 16, layers of 64 and 32 on top, batches of 1,024, learning rate 0.001, no dropout, no
decay, items and the slot as all that is read; attention of 36 where a model has one, and else its defaults. --models all: every neural
one. PYTHON: one that has torch-rechub, as benchmarks/peers/rechub_din.py says; it learns from the same rows in the same run, with its own
DataLoader, and with slices of whole tensors so that the figure is of its model alone. Every side runs in a process of its own with one
thread; --repeats: so often, turn by turn, and the median counts. CPU-seconds are user and system, from rows in memory to a fitted model
and to predictions, without imports. Intervals are DeLong's. Compare figures of one run alone: shared machines differ from hour to hour.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads would spin, and be counted

import argparse
import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import torch

from footpath.models import catalog
from footpath.models.neural_click_model import NeuralClickModel
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.impressions import Impressions
from footpath.sequences.vocabulary import Vocabulary
from footpath.statistics import auc, auc_interval

PEER: Final = Path(__file__).parent / "peers" / "rechub_din.py"
PEERS: Final = {"torch-rechub DIN": "own", "torch-rechub DIN, batches cut from tensors": "slices"}
NEURAL: Final = ("din", "deepfm", "dcn_v2", "dien", "bst", "response_head")
SETTINGS: Final[dict[str, Any]] = {
    "dim": 16,
    "hidden": "64,32",
    "inputs": "none",
    "attention": "36",
    "dropout": 0.0,
    "input_dropout": 0.0,
    "l2": 0.0,
    "batch_size": 1024,
    "learning_rate": 0.001,
    "schedule": "constant",
}
GROUPS: Final = 20
SLOTS: Final = 10
ROWS_AT_ONCE: Final = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--history", type=int, default=50, help="events of each history")
    parser.add_argument("--items", type=int, default=3_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--models", default="din", help="names of the catalog, separated by commas, or all")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--rechub", metavar="PYTHON", help="an interpreter that has torch-rechub")
    parser.add_argument("--seed", type=int, default=0, help="of the rows, and of the models")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side is not None:
        torch.set_num_threads(1)
        print(json.dumps(on_side(arguments.side[0], Path(arguments.side[1]), arguments.epochs, arguments.seed)))
        return
    names = NEURAL if arguments.models == "all" else tuple(arguments.models.split(","))
    report: dict[str, Any] = {"rows": arguments.rows, "history": arguments.history, "items": arguments.items, "epochs": arguments.epochs}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npz"
        truth = write_rows(path, arguments.rows, arguments.history, arguments.items, arguments.seed)
        with np.load(path) as file:
            label = file["label"][int(file["n_train"]) :]
        report |= {"clicks": float(label.mean()), "AUC of the truth": auc(label, truth[-len(label) :])}
        del truth
        sides: dict[str, list[dict[str, float]]] = {}
        for _ in range(arguments.repeats):
            for side in (*names, *(PEERS if arguments.rechub else ())):
                sides.setdefault(side, []).append(measured(side, path, label, arguments))
                print(side, sides[side][-1], file=sys.stderr, flush=True)
    report["sides"] = {side: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for side, runs in sides.items()}
    report["runs"] = sides
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(report))


def write_rows(path: Path, rows: int, history: int, items: int, seed: int) -> np.ndarray:
    """Rows as benchmarks/peers/rechub_din.py reads them; gives the log odds by which labels were drawn."""
    rng = np.random.default_rng(seed)
    weight = 1 / np.arange(1, items + 1)
    popular = np.cumsum(weight) / weight.sum()
    group_of = rng.integers(GROUPS, size=items)
    members = [np.flatnonzero(group_of == group) for group in range(GROUPS)]
    within = [np.cumsum(weight[of]) / weight[of].sum() for of in members]
    found = {name: np.empty(rows, np.int32) for name in ("item", "slot")}
    found |= {"history": np.empty((rows, history), np.int32), "label": np.empty(rows, np.uint8)}
    truth = np.empty(rows)
    for start in range(0, rows, ROWS_AT_ONCE):
        n = min(ROWS_AT_ONCE, rows - start)
        leaning, taste = rng.uniform(0, 0.5, (n, 1)), rng.integers(GROUPS, size=n)
        events = np.minimum(np.searchsorted(popular, rng.random((n, history + 1))), items - 1)
        of_taste = rng.random((n, history + 1)) < np.hstack([np.repeat(leaning, history, 1), np.full((n, 1), 0.5)])
        for group, (of, shares) in enumerate(zip(members, within, strict=True)):
            chosen = of_taste & (taste == group)[:, None]
            events[chosen] = of[np.minimum(np.searchsorted(shares, rng.random(int(chosen.sum()))), len(of) - 1)]
        share = (group_of[events[:, :-1]] == group_of[events[:, -1:]]).mean(axis=1)
        part = slice(start, start + n)
        truth[part] = -3 + 10 * share
        found["history"][part], found["item"][part] = events[:, :-1] + 1, events[:, -1] + 1
        found["slot"][part] = rng.integers(SLOTS, size=n)
        found["label"][part] = rng.random(n) < 1 / (1 + np.exp(-truth[part]))
    np.savez(path, **found, n_train=rows * 9 // 10)
    return truth


def measured(side: str, path: Path, label: np.ndarray, arguments: argparse.Namespace) -> dict[str, float]:
    scores = path.with_name("scores.npy")
    also = ["--epochs", str(arguments.epochs), "--seed", str(arguments.seed)]
    if side in PEERS:
        command = [arguments.rechub, str(PEER), str(path), "--batches", PEERS[side], "--scores", str(scores), *also]
    else:
        command = [sys.executable, __file__, "--side", side, str(path), *also]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    told = json.loads(lines[-1])
    found = auc_interval(label, np.load(scores))
    n_train = arguments.rows - len(label)
    return {
        "CPU-s a million, training": told["cpu_seconds_train"] / (n_train * arguments.epochs) * 1e6,
        "CPU-s a million, predicting": told["cpu_seconds_predict"] / len(label) * 1e6,
        "AUC": found.value,
        "low": found.low,
        "high": found.high,
        "peak MiB": told["peak_mib"],
    }


def on_side(name: str, path: Path, epochs: int, seed: int) -> dict[str, float]:
    """One model of this library on the rows: what it cost. What it predicts is written beside them."""
    known = {field.name for field in dataclasses.fields(catalog.model_class(name))}
    settings = {setting: value for setting, value in SETTINGS.items() if setting in known}
    model = catalog.click_model(name, **settings, epochs=epochs, seed=seed)
    assert isinstance(model, NeuralClickModel)
    train, rest = read(path)
    start = time.process_time()
    model.fit(train)
    fitted = time.process_time()
    scores = model.predict(rest)[:, 0]
    predicted = time.process_time()
    np.save(path.with_name("scores.npy"), scores)
    return {
        "cpu_seconds_train": fitted - start,
        "cpu_seconds_predict": predicted - fitted,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def read(path: Path) -> tuple[Impressions, Impressions]:
    with np.load(path) as file:
        found = {name: file[name] for name in file.files}
    n, history = found["history"].shape
    vocabulary = Vocabulary(pa.array([str(item) for item in range(1, 1 + int(max(found["history"].max(), found["item"].max())))]))
    trails = SequenceDataset(
        vocabulary,
        pa.array(np.arange(n)).cast(pa.string()),
        np.arange(n + 1, dtype=np.int64) * history,
        found["history"].reshape(-1),
    )
    rows = Impressions(
        trails,
        np.arange(n),
        np.full(n, history),
        found["item"],
        {"click": found["label"].astype(np.float32)},
        pa.table({"slot": found["slot"]}),
        pa.table({}),
        pa.table({}),
    )
    n_train = int(found["n_train"])
    return rows.take(np.arange(n_train)), rows.take(np.arange(n_train, n))


def table(report: dict[str, Any]) -> str:
    """Markdown; each peer's CPU-seconds are also given to those of the first model."""
    sides: dict[str, dict[str, float]] = report["sides"]
    first, ours = next(iter(sides.items()))
    lines = [
        f"{report['rows']:,} rows, histories of {report['history']}, {report['items']:,} items, {report['epochs']} epoch(s); "
        f"{report['clicks']:.0%} clicks; AUC of the truth {report['AUC of the truth']:.4f}\n",
        f"| | training CPU-s a million | to {first} | predicting CPU-s a million | to {first} | AUC | peak MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for side, found in sides.items():
        training, predicting = found["CPU-s a million, training"], found["CPU-s a million, predicting"]
        ratios = [f"{found[key] / ours[key]:.1f}" for key in ("CPU-s a million, training", "CPU-s a million, predicting")]
        area = f"{found['AUC']:.4f} [{found['low']:.4f}, {found['high']:.4f}]"
        lines.append(f"| {side} | {training:.1f} | {ratios[0]} | {predicting:.1f} | {ratios[1]} | {area} | {found['peak MiB']:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
