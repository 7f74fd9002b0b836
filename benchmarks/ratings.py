"""How well the rating models predict ml-100k: five folds, and the last fifth of each user's ratings; beside Surprise on the same folds.

python benchmarks/ratings.py DATA [--folds 5] [--surprise PYTHON] [--json FILE]

DATA: the folder of the public logs. PYTHON: one that has scikit-surprise, which is given the very folds and asked in this run. kfold: each
fold is predicted by a model of the others; intervals are of Student's t over the folds, which share training rows, so they are a little
too narrow. user-tail: the last 20 % of each user; intervals draw users; AUC and GAUC are of ratings of at least 4, GAUC within users,
without those who have ratings of one side only. Both protocols let a model learn from ratings that came after a question. Settings are the
defaults, chosen on the validation rows of the first fold, but for the row that has those of Surprise's KNNBaseline. CPU-seconds are of
all threads, of fitting and predicting one fold, the mean of them.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads would spin, and be counted

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.stats

from footpath.evaluation.predictions import gauc, mae, rating_intervals, rmse
from footpath.evaluation.references import Reference
from footpath.events.readers import read_events
from footpath.models import catalog
from footpath.recommender import hyperparameters
from footpath.sequences.impression_splits import ImpressionSplit, kfold, split_impressions
from footpath.sequences.impressions import LIKED, VALUE_TASK, Impressions, rated
from footpath.statistics import auc

EVENTS: Final = "ml-100k/ml-100k.inter.gz"
PEER: Final = Path(__file__).parent / "peers" / "surprise_ratings.py"
AS_SURPRISE: Final[dict[str, Any]] = {"weight_shrinkage": 0.0, "user_l2": 15.0, "item_l2": 10.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--surprise", metavar="PYTHON", help="an interpreter that has scikit-surprise")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    arguments = parser.parse_args()
    rows = rated(read_events(arguments.data / EVENTS), threshold=4)
    rows = dataclasses.replace(rows, requests=np.arange(len(rows)))  # which row is which, in every part
    parts = list(kfold(rows, arguments.folds, seed=0))
    report: dict[str, Any] = {"rows": len(rows), "folds": arguments.folds, "kfold": {}, "user-tail": {}}
    tails = split_impressions(rows, "user-tail", seed=0)
    builders: dict[str, Callable[[], Any]] = {"user_mean": partial(Reference, "user_mean")}
    builders |= {name: partial(catalog.click_model, name) for name in catalog.names("ratings")}
    builders["rating_knn as Surprise"] = partial(catalog.click_model, "rating_knn", **AS_SURPRISE)
    for name, build in builders.items():
        folds = [on_fold(build(), part) for part in parts]
        report["kfold"][name] = {"settings": hyperparameters(build()), **{key: [fold[key] for fold in folds] for key in folds[0]}}
        report["user-tail"][name] = on_tails(build(), tails)
        print(f"{name}: RMSE {np.mean(report['kfold'][name]['rmse']):.4f}", file=sys.stderr)
    if arguments.surprise:
        report["surprise"] = surprise(arguments.surprise, rows, parts)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(table(report))


def on_fold(model: Any, part: ImpressionSplit) -> dict[str, float]:
    start = time.process_time()
    model.fit(part.refit)
    fitted = time.process_time()
    predicted = model.predict(part.test)[:, 0]
    done = time.process_time()
    truth = part.test.label(VALUE_TASK)
    return {
        "rmse": rmse(truth, predicted),
        "mae": mae(truth, predicted),
        "cpu_seconds_fit": fitted - start,
        "cpu_seconds_predict": done - fitted,
    }


def on_tails(model: Any, part: ImpressionSplit) -> dict[str, Any]:
    predicted = model.fit(part.refit).predict(part.test)[:, 0]
    test, liked = part.test, part.test.label(LIKED)
    within = gauc(liked, predicted, test.rows)
    intervals = rating_intervals(test.label(VALUE_TASK), predicted, test.rows)
    return {
        **{name: [interval.value, interval.low, interval.high] for name, interval in intervals.items()},
        "auc": auc(liked, predicted),
        "gauc": [within.value, within.low, within.high],
        "users": within.n_groups,
        "users_of_one_class": within.n_one_class,
    }


def surprise(python: str, rows: Impressions, parts: Sequence[ImpressionSplit]) -> dict[str, Any]:
    """What the peer prints of the same folds."""
    fold = np.empty(len(rows), np.int8)
    for number, part in enumerate(parts):
        assert part.test.requests is not None
        fold[part.test.requests] = number
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ratings.npz"
        np.savez(file, user=rows.rows.astype(np.int32), item=rows.items, value=rows.label(VALUE_TASK), fold=fold)
        done = subprocess.run([python, PEER, file], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def table(report: Mapping[str, Any]) -> str:
    figures = dict(report["kfold"])
    peer = report.get("surprise")
    if peer is not None:
        figures |= {f"Surprise {peer['scikit-surprise']} {name}": row for name, row in peer["models"].items()}
    lines = [
        f"| model, {report['folds']} folds | RMSE | MAE | CPU-s fit | CPU-s predict |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {over_folds(row['rmse'])} | {over_folds(row['mae'])} | {np.mean(row['cpu_seconds_fit']):.2f} "
            f"| {np.mean(row['cpu_seconds_predict']):.2f} |"
            for name, row in figures.items()
        ),
        "",
        "| model, user-tail | RMSE | MAE | AUC | GAUC | users, and of one class |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {between(row['rmse'])} | {between(row['mae'])} | {row['auc']:.4f} | {between(row['gauc'])} "
            f"| {row['users']}, {row['users_of_one_class']} |"
            for name, row in report["user-tail"].items()
        ),
    ]
    return "\n".join(lines)


def over_folds(values: Sequence[float]) -> str:
    """The mean and half of its 95 % interval."""
    if len(values) < 2:
        return f"{np.mean(values):.4f}"
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * scipy.stats.sem(values)
    return f"{np.mean(values):.4f} ± {half:.4f}"


def between(interval: Sequence[float]) -> str:
    value, low, high = interval
    return f"{value:.4f} ({low:.4f} to {high:.4f})"


if __name__ == "__main__":
    main()
