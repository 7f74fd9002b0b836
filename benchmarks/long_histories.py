"""What long histories tell, with and without recall: planted dependencies, and histories of 10,000 events.

python benchmarks/long_histories.py [--rows WORDS] [--list]   fit what is not finished yet
python benchmarks/long_histories.py --table                   print what is

planted: users have pairs of items of their own; the second of a pair follows the first, and does so again exactly `lag` events later, with
items at random between. Other users are asked, right after the first of a pair has come again: Recall@1 in a ranking of all items. Neither
popularity nor what others do says anything.
lifelong: users of 10,000 events have habits of their own: half of the time the event after item x is the user's own successor of x.
The same model reads the last 200 events, with and without recall; the same users are asked, five times each, and compared in pairs.

Everything is simulated from fixed seeds. Finished rows are kept in benchmarks/long_histories.json. WORDS: only rows whose name, such as
`planted 1000 gru4rec 50 recall`, holds all of these words. CPU-seconds are of this process; one thread unless OMP_NUM_THREADS says more.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads would spin, and be counted

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import torch

from footpath.models import catalog
from footpath.recommender import recommend
from footpath.sequences import storage
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.vocabulary import Vocabulary
from footpath.statistics import paired_difference, wilson

RESULTS: Final = Path(__file__).with_name("long_histories.json")
MODELS: Final = ("rnn", "lstm", "gru4rec", "lru", "caser", "nextitnet", "sasrec", "esasrec", "hstu")
LAGS: Final = (10, 100, 1000)
RECALLED: Final = 8
SETTINGS: Final[dict[str, Any]] = {"dim": 32, "dropout": 0.1, "batch_size": 32, "learning_rate": 0.005, "epochs": 15}
LONGER: Final = 60  # epochs, where the pair is inside the window and 15 were too few for most models
LIFELONG: Final = {"batch_size": 8}  # there are 256 users: 32 steps an epoch
OF_MODEL: Final[dict[str, dict[str, Any]]] = {"sasrec": {"blocks": 2}, "esasrec": {"blocks": 2}}  # one block cannot look up what followed


@dataclass(frozen=True)
class Row:
    """window: events that are read. recall: earlier occasions in the whole history beside them."""

    kind: str
    model: str
    window: int
    recall: int
    lag: int | None = None
    epochs: int = SETTINGS["epochs"]

    def __str__(self) -> str:
        longer = None if self.epochs == SETTINGS["epochs"] else f"{self.epochs}-epochs"
        parts = (self.kind, self.lag, self.model, self.window, "recall" if self.recall else None, longer)
        return " ".join(str(part) for part in parts if part is not None)


def rows() -> Iterator[Row]:
    for lag in LAGS:
        for model in MODELS:
            yield Row("planted", model, 50, RECALLED, lag)
            yield Row("planted", model, 50, 0, lag)
    for model in ("gru4rec", "sasrec"):
        for recall in (RECALLED, 0):
            yield Row("lifelong", model, 200, recall)
    for model in MODELS:
        yield Row("planted", model, 50, 0, 10, LONGER)
    for lag in (100, 1000):
        for model in MODELS:
            yield Row("planted", model, 200, 0, lag)


def planted(n_users: int, lag: int, seed: int, *, n_items: int = 500, events: int = 200) -> SequenceDataset:
    """At least so many events of each user, in blocks of twice the lag: the pairs of the first half come again in the second.

    Half of the last 200 events of a half, or of all of it, are pairs. Items of pairs occur nowhere else in their block. The last two
    events are a pair that comes again.
    """
    rng = np.random.default_rng(seed)
    slots = min(lag, 200) // 2
    n_pairs = round(slots / 2)
    trails = np.empty((n_users, -(-events // (2 * lag)), 2, lag), np.int32)
    for block in trails.reshape(-1, 2, lag):
        ids = rng.permutation(np.arange(1, n_items + 1))
        pairs, others = ids[: 2 * n_pairs].reshape(-1, 2), ids[2 * n_pairs :]
        block[:] = rng.choice(others, block.shape)
        places = lag - 2 - 2 * np.concatenate([[0], 1 + rng.choice(slots - 1, n_pairs - 1, replace=False)])
        block[:, places], block[:, places + 1] = pairs[:, 0], pairs[:, 1]
    return _as_sequences(trails.reshape(n_users, -1), n_items)


def lifelong(n_users: int, seed: int, *, n_items: int = 2000, events: int = 10_000) -> SequenceDataset:
    """Items are drawn by Zipf's law, or, half of the time, are the user's own successor of the item before."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, n_items + 1)
    drawn = rng.choice(np.arange(1, n_items + 1), (events, n_users), p=weights / weights.sum())
    habits = rng.choice(np.arange(1, n_items + 1), (n_users, n_items + 1), p=weights / weights.sum()).astype(np.int32)
    followed = rng.random((events, n_users)) < 0.5
    users = np.arange(n_users)
    trails = np.empty((events, n_users), np.int32)
    trails[0] = drawn[0]
    for t in range(1, events):
        trails[t] = np.where(followed[t], habits[users, trails[t - 1]], drawn[t])
    return _as_sequences(np.ascontiguousarray(trails.T), n_items)


def _as_sequences(trails: np.ndarray, n_items: int) -> SequenceDataset:
    n_users, events = trails.shape
    vocabulary = Vocabulary.build([str(item) for item in range(n_items)])
    users = pa.array([str(user) for user in range(n_users)], pa.string())
    return SequenceDataset(vocabulary, users, np.arange(n_users + 1, dtype=np.int64) * events, trails.ravel())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", help="words that a row's name must hold")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        print(table(read_results()))
        return
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    for row in rows():
        if not set(arguments.rows.split()) <= set(str(row).split()):
            continue
        done = str(row) in read_results()
        if arguments.list:
            print(f"{'done' if done else '    '}  {row}")
        elif not done:
            found = measure_planted(row) if row.kind == "planted" else measure_lifelong(row)
            write_results(read_results() | {str(row): found})
            print(f"{row}: Recall@1 {np.mean(found['hits']):.3f}, {found['fit_cpu_s']} CPU-s to fit", flush=True)


def measure_planted(row: Row) -> dict[str, Any]:
    assert row.lag is not None
    train, asked = planted(512, row.lag, 0), planted(256, row.lag, 1)
    users = np.arange(len(asked))
    hits, seconds = measure(row, train, asked, users, asked.lengths - 1)
    return {"hits": [int(hit) for hit in hits], "fit_cpu_s": seconds}


def measure_lifelong(row: Row) -> dict[str, Any]:
    """hits: the share of five questions that a user's answers were right at; the training log is memory-mapped."""
    asked = lifelong(200, 1)
    users = np.repeat(np.arange(len(asked)), 5)
    with tempfile.TemporaryDirectory() as folder:
        storage.save(lifelong(256, 0), Path(folder) / "train")
        train = storage.load(Path(folder) / "train")
        hits, seconds = measure(row, train, asked, users, asked.lengths[users] - 1 - np.tile(np.arange(5) * 20, len(asked)))
    return {"hits": hits.reshape(-1, 5).mean(axis=1).round(3).tolist(), "fit_cpu_s": seconds}


def measure(row: Row, train: SequenceDataset, asked: SequenceDataset, users: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, float]:
    """Whether the first of a ranking of all items is what came, after the first `lengths` events of these users; CPU-seconds to fit."""
    started = time.process_time()
    of_kind = LIFELONG if row.kind == "lifelong" else {}
    settings = SETTINGS | of_kind | OF_MODEL.get(row.model, {}) | {"max_len": row.window, "recall": row.recall, "epochs": row.epochs}
    model = catalog.create(row.model, **settings).fit(train)
    seconds = round(time.process_time() - started, 1)
    found = recommend(model, asked.prefixes(users, lengths), 1, repeat=True)
    return found.indexes[:, 0] == asked.items[asked.offsets[users] + lengths], seconds


def read_results() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


def write_results(results: Mapping[str, Any]) -> None:
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(results[key], separators=(',', ':'))}" for key in sorted(results))
    beside = RESULTS.with_suffix(".tmp")
    beside.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    beside.replace(RESULTS)


def table(results: Mapping[str, Any]) -> str:
    """Markdown: Recall@1 with a 95 % interval over users, by Wilson's formula; then the paired differences over users."""
    columns: list[tuple[str, dict[str, Any]]] = []
    for lag in LAGS:
        columns.append((f"lag {lag:,}: 50 events", {"lag": lag, "window": 50, "recall": 0}))
        if lag == 10:
            columns.append((f"the same, {LONGER} epochs", {"lag": lag, "window": 50, "recall": 0, "epochs": LONGER}))
        else:
            columns.append(("200 events", {"lag": lag, "window": 200, "recall": 0}))
        columns.append(("50 and recall", {"lag": lag, "window": 50, "recall": RECALLED}))
    lines = [f"| model | {' | '.join(head for head, _ in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for model in MODELS:
        cells = [_planted_cell(results.get(str(Row("planted", model, **column)))) for _, column in columns]
        lines.append(f"| `{model}` | {' | '.join(cells)} |")
    lines += ["", "| model | last 200 events | and recall | difference, paired over users | p | CPU-s to fit |", "|---" * 6 + "|"]
    for model in ("gru4rec", "sasrec"):
        pair = [results.get(str(Row("lifelong", model, 200, recall))) for recall in (RECALLED, 0)]
        if pair[0] is None or pair[1] is None:
            continue
        test = paired_difference(*(np.array(found["hits"]) for found in pair))
        without, using = (f"{np.mean(found['hits']):.3f}" for found in (pair[1], pair[0]))
        difference = f"{test.difference:+.3f} [{test.low:+.3f}, {test.high:+.3f}]"
        seconds = f"{pair[1]['fit_cpu_s']:.0f}, {pair[0]['fit_cpu_s']:.0f}"
        lines.append(f"| `{model}` | {without} | {using} | {difference} | {test.p_value:.4f} | {seconds} |")
    return "\n".join(lines)


def _planted_cell(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    hits, n = sum(found["hits"]), len(found["hits"])
    low, high = wilson(hits, n)
    return f"{hits / n:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
