"""RecBole's SASRec on the task of benchmarks/train.py, in RecBole's own environment: one JSON line an epoch, then one of the whole.

    PYTHON benchmarks/peers/recbole_sasrec.py DATA [--epochs 25] [--until 0.040] [--precision highest] [--log FILE]

PYTHON: one that has recbole 1.2.1, torch, numpy < 2, pandas < 3 and setuptools < 80. DATA: a CSV (or .csv.gz) with columns user_id,
item_id, position. Width 64, inner width 64, 2 blocks, 2 heads, length 50, batches of 128, softmax over all items; everything else is
RecBole's default. Training is on all but the last two events of each user. NDCG@10 is of the last event among all items but those in
the history, which is measured here and not by RecBole, whose own full-sort evaluation is timed once. CPU-seconds are of all threads.
"""

import argparse
import json
import logging
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads would spin, and be counted

import numpy as np
import pandas as pd
import recbole
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

K = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=1, help="at most so many")
    parser.add_argument("--until", type=float, help="stop once NDCG@10 is so high, measured after each epoch; not measured without this")
    parser.add_argument("--precision", default="highest", help="of torch.set_float32_matmul_precision")
    parser.add_argument("--log", type=Path, help="a file to which the lines are appended as well")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_float32_matmul_precision(arguments.precision)
    logging.disable(logging.WARNING)
    written = None if arguments.log is None else arguments.log.resolve()
    log = pd.read_csv(arguments.data, dtype={"user_id": str, "item_id": str}).sort_values(["user_id", "position"], kind="stable")

    def tell(line: dict[str, object]) -> None:
        print(json.dumps(line), flush=True)
        if written is not None:
            with written.open("a") as file:
                file.write(json.dumps(line) + "\n")

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # RecBole writes log/ and log_tensorboard/ where it stands
        config = configured(Path(folder), log, arguments.epochs, arguments.seed)
        init_seed(arguments.seed, False)
        train, _, test = data_preparation(config, create_dataset(config))
        model = get_model(config["model"])(config, train._dataset).to("cpu")
        trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
        seen, target = held(log, train._dataset)
        epochs: list[float] = []
        reached = None
        for number in range(1, arguments.epochs + 1):
            start = time.process_time()
            loss = trainer._train_epoch(train, number - 1)
            epochs.append(time.process_time() - start)
            line = {"epoch": number, "loss": loss / len(train), "epoch CPU-s": epochs[-1], "training CPU-s": sum(epochs)}
            if arguments.until is not None:
                start = time.process_time()
                line["NDCG@10"] = figure = ndcg(model, test, seen, target)
                line["measuring CPU-s"] = time.process_time() - start
                reached = sum(epochs) if figure >= arguments.until else None
            tell(line)
            if reached is not None:
                break
        start = time.process_time()
        trainer.evaluate(test, load_best_model=False)
        evaluation = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        one = next(iter(test))[0][:1]
        with torch.no_grad():
            times = [spent(lambda: model.full_sort_predict(one).topk(K)) for _ in range(300)]
        tell(
            {
                "recbole": recbole.__version__,
                "torch": torch.__version__,
                "precision": arguments.precision,
                "updates an epoch": len(train),
                "rows": len(train._dataset),
                "epoch CPU-s": statistics.median(epochs),
                "evaluation CPU-s": evaluation,
                "peak MiB": peak,
                "one user ms": 1e3 * statistics.median(times),
                "epochs": len(epochs),
                "training CPU-s": sum(epochs),
                "until": arguments.until,
                "reached": reached is not None,
            }
        )


def configured(folder: Path, log: pd.DataFrame, epochs: int, seed: int) -> Config:
    (folder / "log").mkdir()
    columns = {"user_id": "user_id:token", "item_id": "item_id:token", "position": "position:float"}
    (folder / "data").mkdir()
    log[list(columns)].rename(columns=columns).to_csv(folder / "data" / "data.inter", sep="\t", index=False)
    settings = {
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
        "TIME_FIELD": "position",
        "load_col": {"inter": ["user_id", "item_id", "position"]},
        "MAX_ITEM_LIST_LENGTH": 50,
        "hidden_size": 64,
        "inner_size": 64,
        "n_layers": 2,
        "n_heads": 2,
        "loss_type": "CE",
        "train_neg_sample_args": None,
        "train_batch_size": 128,
        "eval_batch_size": 256,
        "epochs": epochs,
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "metrics": ["NDCG"],
        "topk": [K],
        "valid_metric": f"NDCG@{K}",
        "seed": seed,
        "reproducibility": False,
        "use_gpu": False,
        "show_progress": False,
        "state": "ERROR",
    }
    return Config(model="SASRec", dataset="data", config_dict=settings)


def held(log: pd.DataFrame, dataset: object) -> tuple[list[np.ndarray], np.ndarray]:
    """Items before the last one, and the last one, by RecBole's number of the user."""
    users = dataset.token2id("user_id", log["user_id"].to_numpy())
    items = dataset.token2id("item_id", log["item_id"].to_numpy())
    seen: list[np.ndarray] = [np.zeros(0, np.int64) for _ in range(dataset.user_num)]
    target = np.zeros(dataset.user_num, np.int64)
    starts = np.flatnonzero(np.diff(users, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(users)], strict=True):
        seen[users[start]], target[users[start]] = items[start : stop - 1], items[stop - 1]
    return seen, target


def ndcg(model: torch.nn.Module, test: object, seen: list[np.ndarray], target: np.ndarray) -> float:
    """Mean over users of 1 / log2(1 + rank of the last item), 0 below the tenth."""
    model.eval()
    gains = []
    with torch.no_grad():
        for interaction, *_ in test:
            scores = model.full_sort_predict(interaction)
            users = interaction["user_id"].numpy()
            scores[:, 0] = -torch.inf
            for row, user in enumerate(users):
                scores[row, seen[user]] = -torch.inf
            hit = scores.topk(K).indices.numpy() == target[users][:, None]
            gains.append(hit @ (1 / np.log2(np.arange(2, K + 2))))
    return float(np.concatenate(gains).mean())


def spent(work: object) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
