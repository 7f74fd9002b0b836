"""A small training with everything in it, run by tests in processes of their own.

python small_training.py slow DIRECTORY            says "EPOCH BATCH" at each batch, so that the test knows when to kill it
python small_training.py together DIRECTORY CASE   one of several processes; the first writes its weights and history to DIRECTORY
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary
from footpath.training import checkpoint as checkpoint_file
from footpath.training import distributed
from footpath.training.loop import EarlyStop, GradientStep, History, isolated_seed, train
from footpath.training.validation import ScoreChunks, own_chunks, validation_ndcg

N = 12


@dataclass(frozen=True)
class Rows:
    """Rows of items, 0 where padded: the next is learned from the one before."""

    items: Tensor

    @property
    def n_real(self) -> int:
        return int((self.items[:, 1:] > 0).sum())

    def rows_of(self, rank: int, size: int) -> Rows:
        return Rows(self.items[rank * len(self.items) // size : (rank + 1) * len(self.items) // size])


@dataclass(frozen=True)
class RaggedBatches:
    """Rows of 2 to 7 events in five batches; the last is of one row, so that a second process has none of it."""

    seed: int = 0

    def __len__(self) -> int:
        return 5

    def shuffled(self, rng: np.random.Generator) -> Iterator[Rows]:
        made = np.random.default_rng(self.seed)
        rows = [(made.integers(1, N) + np.arange(made.integers(2, 8))) % (N - 1) + 1 for _ in range(33)]
        padded = np.array([[*row, *[0] * (7 - len(row))] for row in rows])[rng.permutation(33)]
        for start in range(0, 33, 8):
            yield Rows(torch.from_numpy(padded[start : start + 8]))


class Network(nn.Module):
    """Scores of the next item from the last one; the table is used on both sides."""

    def __init__(self, dropout: float, sparse: bool) -> None:
        super().__init__()
        self.table, self.inner = nn.Embedding(N, 6, sparse=sparse), nn.Linear(6, 6)
        self.out = nn.Linear(6, N)
        self.unused = nn.Parameter(torch.ones(2, 2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, items: Tensor) -> Tensor:
        return self.out(self.dropout(torch.tanh(self.inner(self.table(items)))))


def holdout() -> Holdout:
    rows = 9
    histories = SequenceDataset(
        Vocabulary.build([f"i{i:02}" for i in range(1, N)]),
        SequenceDataset.from_lists([[] for _ in range(rows)]).users,
        np.arange(rows + 1),
        np.arange(1, rows + 1, dtype=np.int32),
    )
    kept = np.arange(rows) != 4  # a row that nothing is asked of
    return Holdout(histories, np.concatenate([[0], np.cumsum(kept)]), (np.arange(2, rows + 2)[kept]).astype(np.int32))


def fit(
    directory: Path | None = None,
    *,
    seed: int = 0,
    dropout: float = 0.0,
    sparse: bool = False,
    epochs: int = 5,
    at_batch: object = None,
    pause: float = 0.0,
) -> tuple[History, dict[str, Tensor]]:
    asked = holdout()
    with isolated_seed(3):
        network = Network(dropout, sparse)
        noise = torch.Generator().manual_seed(5)
        seen = [0]

        def loss(batch: Rows) -> Tensor:
            if callable(at_batch):
                at_batch(seen[0])
            seen[0] += 1
            time.sleep(pause)
            scores = network(batch.items[:, :-1]) + 0.1 * torch.randn(N, generator=noise)
            return F.cross_entropy(scores.flatten(0, 1), batch.items[:, 1:].flatten(), ignore_index=0)

        def chunks(histories: SequenceDataset, times: np.ndarray | None) -> ScoreChunks:
            for start in range(0, len(histories), 4):
                rows = np.arange(start, min(start + 4, len(histories)))
                yield rows, network(torch.from_numpy(histories.items[rows].astype(np.int64)))

        step = GradientStep(
            network, loss, learning_rate=0.05, l2=0.01, clip_norm=0.5, schedule="cosine", warmup_steps=3, total_steps=25,
            generators={"noise": noise},
        )  # fmt: skip
        history = train(
            network,
            RaggedBatches(seed),
            step,
            epochs=epochs,
            seed=1,
            evaluate=lambda: validation_ndcg(asked, own_chunks(asked, chunks)),
            early_stop=EarlyStop(3),
            checkpoint=directory,
            fingerprint=json.dumps({"data": f"rows of seed {seed}"}),
        )
    return history, network.state_dict()


class Stopped(Exception):
    """By the test itself, in every process at the same batch."""


def stop_at(batch: int) -> object:
    def at_batch(number: int) -> None:
        if number == batch:
            raise Stopped

    return at_batch


def _together(directory: Path, case: str) -> None:
    here = distributed.world()
    match case:
        case "all":
            made = {"plain": fit(), "sparse": fit(sparse=True), "dropout": fit(dropout=0.3)}
            try:
                fit(directory / "kept", dropout=0.3, at_batch=stop_at(17))
            except Stopped:
                made["resumed"] = fit(directory / "kept", dropout=0.3)
            for name, (history, weights) in made.items():
                save_file(weights, directory / f"{name}.{here.rank}.safetensors")
                (directory / f"{name}.{here.rank}.json").write_text(json.dumps(dataclasses.asdict(history)))
        case "other data":
            fit(seed=here.rank)
        case "one dies":
            fit(at_batch=lambda number: sys.exit(9) if here.rank == 1 and number == 7 else None)
        case "one hangs":
            fit(at_batch=lambda number: time.sleep(600) if here.rank == 1 and number == 7 else None)


if __name__ == "__main__":
    torch.set_num_threads(1)
    checkpoint_file._SECONDS_BETWEEN = 0.0  # type: ignore[misc]
    checkpoint_file._SHARE_OF_TIME = 1e9  # type: ignore[misc]
    distributed._TIMEOUT = timedelta(seconds=20 if "one hangs" in sys.argv else 60)  # type: ignore[misc]
    if sys.argv[1] == "slow":
        fit(
            Path(sys.argv[2]),
            dropout=0.3,
            pause=0.02,
            at_batch=lambda number: print(number // 5 + 1, number % 5 + 1, flush=True),  # noqa: T201  what the test waits for
        )
    else:
        _together(Path(sys.argv[2]), sys.argv[3])
