"""Cost of SASRec beside a plain padded implementation: CPU-seconds an epoch, full-rank evaluation, peak memory, one user.

python benchmarks/sasrec.py DATA [--json]     DATA: a CSV (or .csv.gz) with columns user_id, item_id, position

Width 64, 2 blocks, 2 heads, length 50, batches of 128, softmax over all items, on all but the last two events of each user. The plain
implementation is what a first version looks like: every batch 50 wide, F.cross_entropy over scores of every position, torch's AdamW.
Each side runs in its own process; CPU-seconds are of all threads, and memory is the process's peak.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads would spin, and be counted

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import torch
import torch.nn.functional as F
from torch import nn

from footpath.models.sasrec import SASRec
from footpath.recommender import recommend
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary
from footpath.training.validation import ScoreChunks, validation_ndcg

DIM, BLOCKS, HEADS, MAX_LEN, BATCH_SIZE = 64, 2, 2, 50, 128
PLAIN_BATCHES = 20  # of an epoch, then scaled up: the plain epoch takes minutes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", action="store_true", help="print one object instead of a table")
    parser.add_argument("--epochs", type=int, default=3, help="timed epochs of SASRec; the middle one counts")
    parser.add_argument("--side", choices=["footpath", "plain"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side is not None:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        measure = measure_footpath if arguments.side == "footpath" else measure_plain
        print(json.dumps(measure(read(arguments.data), arguments.epochs)))
        return
    sides = {}
    for side in ("footpath", "plain"):
        command = [sys.executable, __file__, str(arguments.data), "--side", side, "--epochs", str(arguments.epochs)]
        sides[side] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    measured = list(sides["plain"])
    report = {**sides, "ratio": {name: sides["plain"][name] / sides["footpath"][name] for name in measured}}
    if arguments.json:
        print(json.dumps(report))
        return
    print(f"{'':28}{'footpath':>10}{'plain':>10}{'plain / footpath':>18}")
    for name, value in sides["footpath"].items():
        other = f"{sides['plain'][name]:10.2f}{report['ratio'][name]:18.1f}" if name in measured else ""
        print(f"{name:28}{value:10.2f}{other}")


def read(path: Path) -> tuple[SequenceDataset, Holdout]:
    """All but the last two events of every user, and the question for the last one."""
    types = pa.csv.ConvertOptions(column_types={"user_id": pa.string(), "item_id": pa.string()})
    table = pa.csv.read_csv(path, convert_options=types)
    users = table["user_id"].combine_chunks().dictionary_encode()
    codes, ids = users.indices.to_numpy(), table["item_id"].combine_chunks()
    order = np.lexsort((table["position"].to_numpy(), codes))
    vocabulary = Vocabulary.build(ids)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(codes))]).astype(np.int64)
    log = SequenceDataset(vocabulary, users.dictionary, offsets, vocabulary.encode(ids)[order])
    rows = np.flatnonzero(log.lengths >= 3)
    histories = log.prefixes(rows, log.lengths[rows] - 1)
    test = Holdout(histories, np.arange(len(rows) + 1), log.items[log.offsets[rows + 1] - 1])
    return log.prefixes(rows, log.lengths[rows] - 2), test


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_footpath(data: tuple[SequenceDataset, Holdout], epochs: int) -> dict[str, Any]:
    train, test = data
    model = SASRec(dim=DIM, blocks=BLOCKS, heads=HEADS, max_len=MAX_LEN, batch_size=BATCH_SIZE, epochs=epochs).fit(train)
    assert model.history is not None
    popularity = np.zeros(train.n_items, np.float32)

    def chunks() -> ScoreChunks:
        return model._score_chunks(model._network, test.histories, popularity, None)

    with torch.inference_mode():
        evaluation = min(cpu_seconds(lambda: validation_ndcg(test, chunks())) for _ in range(2))
    peak = peak_mib()
    users = [test.histories.between(b, b + 1) for b in range(300)]
    one = [cpu_seconds(lambda user=user: model.score(user)) for user in users]
    listed = [cpu_seconds(lambda user=user: recommend(model, user, 10)) for user in users]
    return {
        "epoch, CPU-s": statistics.median(epoch.cpu_seconds for epoch in model.history.epochs),
        "full-rank evaluation, CPU-s": evaluation,
        "peak memory, MiB": peak,
        "one user: scores, ms": 1e3 * statistics.median(one),
        "one user: top 10, ms": 1e3 * statistics.median(listed),
    }


class PlainBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(DIM, HEADS, batch_first=True)
        self.first, self.second = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.feed_forward = nn.Sequential(nn.Linear(DIM, DIM), nn.ReLU(), nn.Dropout(0.2), nn.Linear(DIM, DIM))
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        x = x + self.dropout(self.attention(y, y, y, attn_mask=mask, need_weights=False, is_causal=True)[0])
        return x + self.dropout(self.feed_forward(self.second(x)))


class Plain(nn.Module):
    def __init__(self, n_items: int) -> None:
        super().__init__()
        self.items, self.positions = nn.Embedding(n_items, DIM, padding_idx=0), nn.Embedding(MAX_LEN, DIM)
        self.blocks, self.norm = nn.ModuleList(PlainBlock() for _ in range(BLOCKS)), nn.LayerNorm(DIM)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        mask = torch.ones(MAX_LEN, MAX_LEN, dtype=torch.bool).triu(1)
        x = self.items(items) + self.positions.weight
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)


def padded(log: SequenceDataset, rows: np.ndarray, length: int) -> torch.Tensor:
    table = np.zeros((len(rows), length), np.int64)
    for row, b in zip(table, rows, strict=True):
        history = log.history(b)[-length:]
        row[: len(history)] = history
    return torch.from_numpy(table)


def measure_plain(data: tuple[SequenceDataset, Holdout], epochs: int) -> dict[str, float]:
    train, test = data
    model = Plain(train.n_items)
    optimizer = torch.optim.AdamW(model.parameters())
    order = np.random.default_rng(0).permutation(len(train))

    def steps(first: int, last: int) -> None:
        for batch in range(first, last):
            events = padded(train, order[batch * BATCH_SIZE : (batch + 1) * BATCH_SIZE], MAX_LEN + 1)
            scores = model(events[:, :-1].contiguous()) @ model.items.weight.T  # (B, 50, N)
            loss = F.cross_entropy(scores.flatten(0, 1), events[:, 1:].flatten(), ignore_index=0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def evaluate() -> None:
        for start in range(0, len(test), 512):
            rows = np.arange(start, min(start + 512, len(test)))
            last = torch.from_numpy(np.minimum(test.histories.lengths[rows], MAX_LEN) - 1)
            states = model(padded(test.histories, rows, MAX_LEN))[torch.arange(len(rows)), last]
            scores = states @ model.items.weight.T
            for row, b in enumerate(rows):
                scores[row, test.histories.history(b)] = -torch.inf
            scores.topk(10)

    steps(0, 2)
    share = PLAIN_BATCHES / (len(train) / BATCH_SIZE)
    epoch = cpu_seconds(lambda: steps(2, 2 + PLAIN_BATCHES)) / share
    model.eval()
    with torch.inference_mode():
        return {"epoch, CPU-s": epoch, "full-rank evaluation, CPU-s": cpu_seconds(evaluate), "peak memory, MiB": peak_mib()}


if __name__ == "__main__":
    main()
