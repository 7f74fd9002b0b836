"""Surprise's predictors of ratings on given folds, in Surprise's own environment: one JSON line.

    PYTHON benchmarks/peers/surprise_ratings.py RATINGS.npz [--models BaselineOnly SVD SVDpp KNNBaseline] [--seed 0]

PYTHON: one that has scikit-surprise 1.1.5. RATINGS.npz: user and item int32, value float32, fold int8 from 0. Each fold is predicted by a
model of the others. Default settings, but for the k=40 neighbours among items of KNNBaseline, by pearson_baseline. Surprise clips
predictions to the scale, which is from the lowest to the highest value in the file. CPU-seconds are of all threads, and of fitting (from
a list of tuples, so with Surprise's own indexing) and predicting apart.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads would spin, and be counted

import numpy as np
import surprise
from surprise import SVD, BaselineOnly, Dataset, KNNBaseline, Reader, SVDpp

Rating = tuple[int, int, float, None]


def models(seed: int) -> dict[str, surprise.AlgoBase]:
    by_item = {"name": "pearson_baseline", "user_based": False}
    return {
        "BaselineOnly": BaselineOnly(verbose=False),
        "SVD": SVD(random_state=seed),
        "SVDpp": SVDpp(random_state=seed),
        "KNNBaseline": KNNBaseline(k=40, sim_options=by_item, verbose=False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ratings", type=Path)
    parser.add_argument("--models", nargs="+", choices=list(models(0)), default=list(models(0)), metavar="MODEL")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with np.load(arguments.ratings) as file:
        columns = [file[name].tolist() for name in ("user", "item", "value")]
        fold = file["fold"]
    ratings: list[Rating] = [(*rating, None) for rating in zip(*columns, strict=True)]
    data = Dataset(Reader(rating_scale=(min(columns[2]), max(columns[2]))))
    figures: dict[str, dict[str, object]] = {}
    for name in arguments.models:
        folds: dict[str, list[float]] = {"rmse": [], "mae": [], "cpu_seconds_fit": [], "cpu_seconds_predict": []}
        for held in np.unique(fold):
            train = [ratings[row] for row in np.flatnonzero(fold != held)]
            test = [ratings[row] for row in np.flatnonzero(fold == held)]
            for figure, value in measured(models(arguments.seed)[name], data, train, test).items():
                folds[figure].append(value)
            print(f"{name}, fold {held}: RMSE {folds['rmse'][-1]:.4f}", file=sys.stderr)
        means = {f"{figure}_mean": statistics.mean(values) for figure, values in folds.items()}
        figures[name] = {**folds, **means}
    versions = {"scikit-surprise": surprise.__version__, "numpy": np.__version__}
    print(json.dumps({**versions, "rows": len(ratings), "seed": arguments.seed, "models": figures}))


def measured(model: surprise.AlgoBase, data: Dataset, train: list[Rating], test: list[Rating]) -> dict[str, float]:
    start = time.process_time()
    model.fit(data.construct_trainset(train))
    fitted = time.process_time()
    predictions = model.test(data.construct_testset(test))
    predicted = time.process_time()
    return {
        "rmse": float(surprise.accuracy.rmse(predictions, verbose=False)),
        "mae": float(surprise.accuracy.mae(predictions, verbose=False)),
        "cpu_seconds_fit": fitted - start,
        "cpu_seconds_predict": predicted - fitted,
    }


if __name__ == "__main__":
    main()
