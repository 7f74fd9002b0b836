"""What training SASRec costs: CPU-seconds and peak memory beside the arithmetic it needs and beside RecBole's SASRec.

    python benchmarks/train.py DATA [--recbole PYTHON] [--parts ...] [--epochs 3] [--write benchmarks/train.json]
    python benchmarks/train.py --table [benchmarks/train.json]

DATA: a CSV (or .csv.gz) with columns user_id, item_id, position. PYTHON: that of RecBole's own environment, as
benchmarks/peers/recbole_sasrec.py says. The parts, each in a process of its own with one thread:

    softmax    width 64, 2 blocks, 2 heads, length 50, batches of 128, softmax over all items, on all but the last two events of each
               user: an epoch, full-rank evaluation, peak memory, one user; and the arithmetic of real positions at this machine's rate
    sampled    the same with 256 negatives that a batch shares
    recbole    an epoch and the evaluation of the same task by RecBole
    default    SASRec() fitted on all but the last two events with validation, and fitted again with the validation events
    stopwatch  training until NDCG@10 of the last event (seen items masked, whole catalogue) is 0.040: this shape, SASRec(), RecBole
    variants   the same training steps as they are, with the loss in bf16, with the network too, and with the network compiled
    precision  SASRec() for twelve epochs in single precision and in bf16: CPU-seconds, and NDCG@10 of the validation events by epoch

The stopwatch looks at the last event after each epoch, and only stops there: no setting and no model is chosen by it. Evaluation is not
part of its seconds. Compare figures of one run alone: shared machines differ from hour to hour. Results are merged into --write by part.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads would spin, and be counted

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import torch

from footpath.models.histories import event_counts
from footpath.models.sasrec import SASRec
from footpath.recommender import recommend
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary
from footpath.training.batches import TrainingBatches
from footpath.training.loop import Epoch, GradientStep, isolated_seed
from footpath.training.validation import ScoreChunks, validation_ndcg

SHAPE = SASRec(dim=64, blocks=2, heads=2, max_len=50, batch_size=128)
REACH = 0.040
CAP = 60  # epochs of the stopwatch
PEER_CAP = 25
PRECISION = "medium"  # of RecBole's products, as the loss has it for its own
PARTS = ("softmax", "sampled", "recbole", "default", "stopwatch", "variants", "precision")
HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--recbole", help="a python that has RecBole; without it there are no rows of it")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--epochs", type=int, default=3, help="timed epochs; the middle one counts")
    parser.add_argument("--write", type=Path, default=HERE / "train.json")
    parser.add_argument("--table", action="store_true", help="print what is written, and measure nothing")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side is not None:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        print(json.dumps(MEASURES[arguments.side](read(arguments.data), arguments.epochs)))
        return
    if not arguments.table:
        if arguments.data is None:
            parser.error("DATA is needed, a CSV with columns user_id, item_id, position")
        for part in arguments.parts.split(","):
            for side in [name for name in (*MEASURES, "recbole", "stopwatch: RecBole") if name.split(":")[0] == part]:
                found = measured(side, arguments)
                if found is not None:
                    keep(arguments.write, side, found)
    print(table(json.loads(arguments.write.read_text())))


def measured(side: str, arguments: argparse.Namespace) -> dict[str, Any] | None:
    if side in MEASURES:
        command = [sys.executable, __file__, str(arguments.data), "--side", side, "--epochs", str(arguments.epochs)]
    elif arguments.recbole is None:
        return None
    else:
        command = [
            arguments.recbole,
            "-W",
            "ignore",
            str(HERE / "peers" / "recbole_sasrec.py"),
            str(arguments.data),
            "--precision",
            PRECISION,
        ]
        command += ["--epochs", str(PEER_CAP), "--until", str(REACH)] if side != "recbole" else []
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    found: dict[str, Any] = json.loads(lines[-1])
    if side == "stopwatch: RecBole":
        found["NDCG@10 by epoch"] = [json.loads(line)["NDCG@10"] for line in lines[:-1]]
    return found


def keep(path: Path, side: str, found: dict[str, Any]) -> None:
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[side] = found | {"measured": time.strftime("%Y-%m-%d %H:%M", time.gmtime())}
    path.write_text(json.dumps(kept, indent=1) + "\n")


def table(kept: dict[str, Any]) -> str:
    """Markdown, of the parts that there are."""
    lines = []
    ours, peer = kept.get("softmax"), kept.get("recbole")
    if ours is not None:
        columns = {"softmax over all": ours, "256 shared negatives": kept.get("sampled", {}), "RecBole, softmax over all": peer or {}}
        rows = ["epoch CPU-s", "floor CPU-s", "evaluation CPU-s", "peak MiB", "one user ms"]
        lines += [
            "| | " + " | ".join(columns) + (" | RecBole : Footpath |" if peer else " |"),
            "|---" * (len(columns) + (2 if peer else 1)) + "|",
        ]
        for row in rows:
            cells = [
                f"{column[row]:.{2 if column[row] < 10 else 1 if column[row] < 100 else 0}f}" if row in column else ""
                for column in columns.values()
            ]
            ratio = [f"{peer[row] / ours[row]:.1f}" if row in peer and row in ours else ""] if peer else []
            lines.append("| " + " | ".join([row, *cells, *ratio]) + " |")
        lines.append(f"\nThe floor is {ours['TFLOP']:.2f} TFLOP at {ours['GFLOP a second']:.0f} GFLOP a CPU-second.")
    if found := kept.get("default"):
        lines.append(
            f"\nSASRec() fitted ({found['epochs']} epochs, the best {found['best epoch']}) and refitted: {found['CPU-s']:.0f} CPU-s, "
            f"of which {found['evaluation CPU-s']:.0f} for validation; "
            f"NDCG@10 {found['held NDCG@10']:.4f} held, {found['refit NDCG@10']:.4f} refit."
        )
    watches = {name: found for name, found in kept.items() if name.startswith("stopwatch: ")}
    if watches:
        lines += [f"\n| until a held NDCG@10 of {REACH:.3f} | training CPU-s | epochs | NDCG@10 |", "|---|---|---|---|"]
        for name, found in watches.items():
            seconds = f"{found['training CPU-s']:.0f}" + ("" if found["reached"] else ", not reached")
            lines.append(f"| {name.removeprefix('stopwatch: ')} | {seconds} | {found['epochs']} | {found['NDCG@10 by epoch'][-1]:.4f} |")
    if found := kept.get("variants"):
        base = found["as it is"]
        lines += ["\n| the same training steps | CPU-s an epoch | to the first |", "|---|---|---|"]
        lines += [
            f"| {name} | {value:.2f} | {value / base:.2f} |" for name, value in found.items() if name not in ("measured", *PRODUCTS, *ASIDE)
        ]
        lines.append("\n" + "; ".join(f"{name}: {found[name]:.1f}" for name in (*PRODUCTS, *ASIDE)))
    precisions = {name.removeprefix("precision: "): found for name, found in kept.items() if name.startswith("precision: ")}
    if precisions:
        first = next(iter(precisions.values()))["validation NDCG@10"]
        lines += [
            f"\n| epoch | {' | '.join(str(number) for number in range(1, len(first) + 1))} | CPU-s an epoch | peak MiB |",
            "|---" * (len(first) + 3) + "|",
        ]
        for name, found in precisions.items():
            figures = " | ".join(f"{figure:.4f}" for figure in found["validation NDCG@10"])
            lines.append(f"| {name} | {figures} | {found['epoch CPU-s']:.1f} | {found['peak MiB']:.0f} |")
    return "\n".join(lines)


def read(path: Path) -> tuple[SequenceDataset, Holdout, Holdout]:
    """All but the last two events of every user, and the questions for the second-last and the last one."""
    types = pa.csv.ConvertOptions(column_types={"user_id": pa.string(), "item_id": pa.string()})
    events = pa.csv.read_csv(path, convert_options=types)
    users = events["user_id"].combine_chunks().dictionary_encode()
    codes, ids = users.indices.to_numpy(), events["item_id"].combine_chunks()
    order = np.lexsort((events["position"].to_numpy(), codes))
    vocabulary = Vocabulary.build(ids)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(codes))]).astype(np.int64)
    log = SequenceDataset(vocabulary, users.dictionary, offsets, vocabulary.encode(ids)[order])
    rows = np.flatnonzero(log.lengths >= 3)

    def question(back: int) -> Holdout:
        histories = log.prefixes(rows, log.lengths[rows] - back)
        return Holdout(histories, np.arange(len(rows) + 1), log.items[log.offsets[rows + 1] - back])

    return log.prefixes(rows, log.lengths[rows] - 2), question(2), question(1)


Data = tuple[SequenceDataset, Holdout, Holdout]


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def figure(model: SASRec, question: Holdout) -> float:
    popularity = np.zeros(question.histories.n_items, np.float32)

    def chunks() -> ScoreChunks:
        return model._score_chunks(model._network, question.histories, popularity, None)

    with torch.inference_mode():
        return validation_ndcg(question, chunks())


def softmax(data: Data, epochs: int, negatives: int = 0) -> dict[str, float]:
    train, _, test = data
    model = replace(SHAPE, epochs=epochs, negatives=negatives).fit(train)
    assert model.history is not None
    evaluation = min(cpu_seconds(lambda: figure(model, test)) for _ in range(2))
    peak = peak_mib()
    users = [test.histories.between(b, b + 1) for b in range(300)]
    found = {
        "epoch CPU-s": statistics.median(epoch.cpu_seconds for epoch in model.history.epochs),
        "evaluation CPU-s": evaluation,
        "peak MiB": peak,
        "one user ms": 1e3 * statistics.median(cpu_seconds(lambda user=user: recommend(model, user, 10)) for user in users),
        "one user, scores alone, ms": 1e3 * statistics.median(cpu_seconds(lambda user=user: model.score(user)) for user in users),
    }
    flop, rate = arithmetic(train, negatives), fp32_rate()
    return found | {"floor CPU-s": flop / rate, "TFLOP": flop / 1e12, "GFLOP a second": rate / 1e9}


def arithmetic(train: SequenceDataset, negatives: int) -> float:
    """Multiplications and additions of an epoch's matrix products at real positions, forward and backward."""
    lengths = np.minimum(train.lengths, SHAPE.max_len + 1) - 1
    positions, dim = int(lengths.sum()), SHAPE.dim
    scores = 2 * positions * dim * (negatives + 1 if negatives else train.n_items - 1)
    weights = 2 * positions * 6 * dim * dim  # keys, queries, values, their mixture, and two layers
    attention = 2 * 2 * int((lengths * (lengths + 1) // 2).sum()) * dim
    return 3.0 * (scores + SHAPE.blocks * (weights + attention))


def fp32_rate() -> float:
    """The fastest of square products, by both ways that torch has, per CPU-second."""
    before, best = torch.get_float32_matmul_precision(), 0.0
    for precision in ("highest", "medium"):
        torch.set_float32_matmul_precision(precision)
        best = max(best, product_rate(2048, 2048, 2048, torch.float32))
    torch.set_float32_matmul_precision(before)
    return best


def product_rate(m: int, k: int, n: int, dtype: torch.dtype) -> float:
    a, b, out = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype), torch.empty(m, n, dtype=dtype)
    repeats = max(1, 2**33 // (m * k * n))
    work = lambda: [torch.mm(a, b, out=out) for _ in range(repeats)]  # noqa: E731
    work()
    return 2 * m * k * n * repeats / min(cpu_seconds(work) for _ in range(5))


def default(data: Data, epochs: int) -> dict[str, float]:
    train, validation, test = data
    after_validation = test.histories
    start = time.process_time()
    held = SASRec().fit(train, validation=validation)
    between = time.process_time()
    assert held.history is not None
    held_figure = figure(held, test)
    again = time.process_time()
    refit = held.settled().fit(after_validation)
    seconds = between - start + time.process_time() - again
    return {
        "CPU-s": seconds,
        "evaluation CPU-s": between - start - sum(epoch.cpu_seconds for epoch in held.history.epochs),
        "epochs": len(held.history.epochs),
        "best epoch": held.history.best_epoch,
        "held NDCG@10": held_figure,
        "refit NDCG@10": figure(refit, test),
    }


def stopwatch(data: Data, model: SASRec) -> dict[str, Any]:
    train, _, test = data

    def watch(epoch: Epoch) -> bool:
        assert epoch.validation is not None
        print(f"{epoch.number} {epoch.cpu_seconds:.1f} CPU-s {epoch.validation:.4f}", file=sys.stderr, flush=True)
        return epoch.validation >= REACH

    history = replace(model, epochs=CAP, patience=None).observed(watch=watch).fit(train, validation=test).history
    assert history is not None
    figures = [epoch.validation for epoch in history.epochs]
    return {
        "training CPU-s": sum(epoch.cpu_seconds for epoch in history.epochs),
        "epochs": len(figures),
        "reached": (figures[-1] or 0) >= REACH,
        "NDCG@10 by epoch": figures,
    }


PRODUCTS = ("GFLOP a CPU-second of a chunk of scores, fp32", "the same in bf16")
ASIDE = ("CPU-s to compile, once a process",)


def variants(data: Data, epochs: int) -> dict[str, float]:
    """Training steps on every fifth batch, turn by turn, scaled to an epoch; the loss is compiled in none of them."""
    train = data[0]
    batches = TrainingBatches(train, SHAPE._window(), SHAPE.batch_size, SHAPE.objective())
    some = list(batches.shuffled(np.random.default_rng(0)))[::5]
    as_in_bf16 = list(replace(batches, few_lengths=True).shuffled(np.random.default_rng(0)))[::5]
    steps, inputs = {}, {}
    for name in ("as it is", "loss in bf16", "network and loss in bf16", "network compiled"):
        with isolated_seed(0):
            network = SHAPE._network_for(train).train()
        loss = SHAPE._loss(network, event_counts(train), "bf16" if "bf16" in name else "single")
        if name == "network compiled":
            network.forward = torch.compile(network.forward, dynamic=True)  # type: ignore[method-assign]
        if name == "loss in bf16":
            network.forward = torch.autocast("cpu", enabled=False)(network.forward)  # type: ignore[method-assign]
        steps[name] = GradientStep(network, loss, learning_rate=SHAPE.learning_rate)
        inputs[name] = as_in_bf16 if name.startswith("network and") else some
    compiling = cpu_seconds(lambda: [steps["network compiled"](batch) for batch in some])
    seconds = dict.fromkeys(steps, math.inf)
    for _ in range(epochs):
        for name, step in steps.items():
            seconds[name] = min(seconds[name], cpu_seconds(lambda name=name, step=step: [step(batch) for batch in inputs[name]]))
    epoch = {name: value * len(batches) / len(some) for name, value in seconds.items()}
    rates = [product_rate(256, 64, 1024, dtype) / 1e9 for dtype in (torch.float32, torch.bfloat16)]
    return {**epoch, **dict(zip(PRODUCTS, rates, strict=True)), ASIDE[0]: compiling - seconds["network compiled"]}


def trained_in(data: Data, name: str) -> dict[str, Any]:
    """No test event is looked at."""
    os.environ["FOOTPATH_PRECISION"] = name
    train, validation, _ = data
    history = SASRec(epochs=12, patience=None).fit(train, validation=validation).history
    assert history is not None
    return {
        "epoch CPU-s": statistics.median(epoch.cpu_seconds for epoch in history.epochs),
        "peak MiB": peak_mib(),
        "validation NDCG@10": [epoch.validation for epoch in history.epochs],
    }


MEASURES: dict[str, Callable[[Data, int], dict[str, Any]]] = {
    "softmax": softmax,
    "sampled": lambda data, epochs: softmax(data, epochs, negatives=256),
    "default": default,
    "stopwatch: this shape": lambda data, epochs: stopwatch(data, SHAPE),
    "stopwatch: SASRec()": lambda data, epochs: stopwatch(data, SASRec()),
    "variants": variants,
    "precision: single": lambda data, epochs: trained_in(data, "single"),
    "precision: bf16": lambda data, epochs: trained_in(data, "bf16"),
}

if __name__ == "__main__":
    main()
