"""Training, validation, evaluation and retrieval with a million items: CPU-seconds, peak memory, and how good the lists are.

python benchmarks/large_catalogue.py [--items 1000000] [--users 160000] [--epochs 2] [--into benchmarks/large_catalogue.json]

The log is made here: 20 events of each user, who goes from an item to one of its three successors (60, 25 and 5 times of 100) or jumps to
any item; successors and jumps are drawn by a power law of popularity. SASRec of width 64 learns from all but the last two events of each
user, with 1,024 negatives that a batch shares, drawn by popularity (logQ), so a step updates only the rows that it read. Then the next
event of 2,000 users is asked for, over the whole catalogue, and the vectors are searched: exactly, and by faiss where it is installed.
CPU-seconds are of all threads of this process, of which torch has one.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads would spin, and be counted

import argparse
import importlib.metadata
import importlib.util
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from footpath.evaluation.protocol import Evaluation, evaluate
from footpath.models.popularity import Popularity
from footpath.models.retrieval import ExactIndex, FaissIndex, Index
from footpath.models.sasrec import SASRec
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout, Split
from footpath.sequences.vocabulary import Vocabulary

LENGTH, SUCCESSORS, ASKED, QUERIES = 20, (0.60, 0.25, 0.05), 2_000, 256
SETTINGS: dict[str, Any] = {
    "dim": 64,
    "blocks": 1,
    "heads": 1,
    "max_len": LENGTH,
    "batch_size": 128,
    "dropout": 0.1,
    "learning_rate": 0.003,
    "negatives": 1024,
    "sampling": "popularity",
    "patience": None,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=160_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--into", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    report = measure(arguments.items, arguments.users, arguments.epochs)
    if arguments.into is not None:
        arguments.into.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for name, value in report.items():
        print(f"{name:44}{value:12,.4g}" if isinstance(value, float) else f"{name:44}{value!s:>12}")


def measure(n_items: int, n_users: int, epochs: int) -> dict[str, Any]:
    split = made_split(n_items, n_users)
    report: dict[str, Any] = {"items": n_items, "events": n_users * LENGTH, "settings": SETTINGS | {"epochs": epochs}}
    report["peak after making the log, GiB"] = peak_gib()

    fit = time.process_time()
    model = SASRec(**SETTINGS, epochs=epochs).fit(split.train, validation=split.validation)
    fit = time.process_time() - fit
    assert model.history is not None
    epoch_s = statistics.median(epoch.cpu_seconds for epoch in model.history.epochs)
    report |= {
        "epoch, CPU-s": epoch_s,
        "steps per CPU-s": -(-n_users // SETTINGS["batch_size"]) / epoch_s,
        "validation of 2,000 histories, CPU-s": (fit - sum(epoch.cpu_seconds for epoch in model.history.epochs)) / epochs,
        "validation NDCG@10 by epoch": [round(epoch.validation or 0.0, 4) for epoch in model.history.epochs],
        "peak after fit, GiB": peak_gib(),
    }
    for name, fitted in (("sasrec", model), ("popularity", Popularity().fit(split.train))):
        row: Evaluation = evaluate(fitted, split, metrics=["recall", "ndcg"])
        report[f"{name}: Recall@10"] = row.metrics["recall@10"].to_dict()
        report[f"{name}: evaluation of 2,000 histories, CPU-s"] = row.score_cpu_s
    report["peak after evaluate, GiB"] = peak_gib()

    states, vectors = model.states(split.test.histories), model.item_vectors()
    exact = ExactIndex(vectors)
    report["exact: copy in bytes, CPU-s"] = cpu_seconds(lambda: exact.search(states[:1], 10))
    report |= floors(vectors, states) | searched("exact", exact, states)
    one = split.test.histories.between(0, 1)
    model.retrieve(one, 10)
    report["exact: one history to its list, ms"] = 1e3 * statistics.median(cpu_seconds(lambda: model.retrieve(one, 10)) for _ in range(20))
    report["peak after exact retrieval, GiB"] = peak_gib()
    if importlib.util.find_spec("faiss") is not None:
        report["faiss"] = importlib.metadata.version("faiss-cpu")
        for wanted in (0.95, 0.99):
            name, start = f"faiss, {wanted} wanted", time.process_time()
            index = FaissIndex(vectors, states[:QUERIES], wanted=wanted)
            report[f"{name}: build and measure, CPU-s"] = time.process_time() - start
            report[f"{name}: probes"] = index.probes
            report[f"{name}: recall of exact on the sample"] = index.recall
            report[f"{name}: recall of exact on other histories"] = index.recall_against_exact(states[QUERIES : 4 * QUERIES], 10)
            report |= searched(name, index, states)
        report["peak after faiss, GiB"] = peak_gib()
    return report


def made_split(n_items: int, n_users: int) -> Split:
    rng = np.random.default_rng(0)
    shares = np.cumsum(np.arange(10, n_items + 10) ** -0.9)  # the ten most popular would be too popular
    shares /= shares[-1]

    def drawn(*shape: int) -> np.ndarray:
        return np.minimum(np.searchsorted(shares, rng.random(shape)), n_items - 1).astype(np.int32)

    successors = drawn(n_items, len(SUCCESSORS))
    events = np.empty((n_users, LENGTH), np.int32)
    events[:, 0] = drawn(n_users)
    for place in range(1, LENGTH):
        way = np.searchsorted(np.cumsum(SUCCESSORS), rng.random(n_users), side="right")
        jumps = way == len(SUCCESSORS)
        events[:, place] = successors[events[:, place - 1], np.minimum(way, len(SUCCESSORS) - 1)]
        events[jumps, place] = drawn(int(jumps.sum()))
    vocabulary = Vocabulary.build(pa.array(np.arange(n_items)).cast(pa.string()))
    codes = vocabulary.encode(pa.array(np.arange(n_items)).cast(pa.string()))
    users = pa.array(np.arange(n_users)).cast(pa.string())
    log = SequenceDataset(vocabulary, users, np.arange(n_users + 1, dtype=np.int64) * LENGTH, codes[events].reshape(-1))
    rows = np.sort(rng.choice(n_users, 2 * ASKED, replace=False))

    def asked(rows: np.ndarray, place: int) -> Holdout:
        return Holdout(log.prefixes(rows, np.full(len(rows), place)), np.arange(len(rows) + 1), log.items[log.offsets[rows] + place])

    train, refit = (log.prefixes(np.arange(n_users), np.full(n_users, LENGTH - back)) for back in (2, 1))
    return Split("loo", train, asked(rows[::2], LENGTH - 2), asked(rows[1::2], LENGTH - 1), refit, repeat=True)


def floors(vectors: np.ndarray, states: np.ndarray) -> dict[str, float]:
    """What the machine takes to read the table, copy it, and multiply it, without finding anything."""
    table, queries = torch.from_numpy(vectors), torch.from_numpy(states[:64].copy())
    copy, columns = torch.empty_like(table), queries.T.contiguous()
    work: dict[str, Callable[[], object]] = {
        "reading the table, ms": table.sum,
        "copying the table, ms": lambda: copy.copy_(table),
        "table @ query, numpy, ms": lambda: vectors @ states[0],
        "table @ query, torch, ms": lambda: table @ queries[0],
        "table @ 64 queries in chunks, ms": lambda: [table[start : start + 4096] @ columns for start in range(0, len(table), 4096)],
    }
    return {name: 1e3 * statistics.median(cpu_seconds(each) for _ in range(9)) for name, each in work.items()}


def searched(name: str, index: Index, states: np.ndarray) -> dict[str, float]:
    index.search(states[:64], 10)
    single = [cpu_seconds(lambda b=b: index.search(states[b : b + 1], 10)) for b in range(100)]
    batches = [cpu_seconds(lambda b=b: index.search(states[b : b + 64], 10)) for b in range(0, 15 * 64, 64)]
    return {f"{name}: one query, ms": 1e3 * statistics.median(single), f"{name}: batch of 64, ms": 1e3 * statistics.median(batches)}


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
