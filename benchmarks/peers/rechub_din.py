"""torch-rechub's DIN on rows of clicks and no clicks, in torch-rechub's own environment: trains, predicts, prints one JSON line.

    PYTHON benchmarks/peers/rechub_din.py ROWS.npz [--epochs 1] [--batches own] [--seed 1] [--scores FILE.npy]

PYTHON: one that has torch-rechub 0.9.0, torch and scikit-learn. ROWS.npz: history (R, L) int32, 0 is padding, on the right; item (R,)
int32; slot (R,) int32; label (R,) uint8; n_train (). The first n_train rows train in random order, the rest are predicted. Width 16 of
every embedding, history and target of one table, attention through [36], then [64, 32], Adam at 1e-3 without weight decay, batches of
1024; everything else is torch-rechub's default (Dice over the units of a row and not over the batch, batch normalisation in both
networks, no softmax, padding out of the pooled history only because its embedding is zero). Training and prediction are those of its
CTRTrainer, but an epoch at a time, since its fit also writes a file. `--batches own`: torch-rechub's DataLoader, which collates rows
one by one, with num_workers=0. `--batches slices`: the same batches cut from whole tensors, so that the figure is of the model alone.
CPU-seconds are of all threads, here one, from data in memory to scores, without imports. `--scores`: a file for what was predicted.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads would spin, and be counted

import numpy as np
import sklearn
import torch
import torch_rechub
from sklearn.metrics import roc_auc_score
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.models.ranking import DIN
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

FIELDS = ("history", "item", "slot")
DIM = 16
BATCH = 1024


class Slices:
    """Batches as torch-rechub's DataLoader gives them, in a new random order each time where shuffled."""

    def __init__(self, x: dict[str, np.ndarray], y: np.ndarray, shuffle: bool) -> None:
        self.x = {field: torch.from_numpy(values) for field, values in x.items()}
        self.y = torch.from_numpy(y)
        self.shuffle = shuffle

    def __len__(self) -> int:
        return -(-len(self.y) // BATCH)

    def __iter__(self) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
        order = torch.randperm(len(self.y)) if self.shuffle else torch.arange(len(self.y))
        for chosen in order.split(BATCH):
            yield {field: values[chosen] for field, values in self.x.items()}, self.y[chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batches", choices=["own", "slices"], default="own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scores", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    with np.load(arguments.rows) as file:
        x = {field: file[field] for field in FIELDS}
        y = file["label"].astype(np.float32)
        n_train = int(file["n_train"])
    model = built(x)
    trainer = CTRTrainer(model, optimizer_params={"lr": 1e-3, "weight_decay": 0}, device="cpu")
    start = time.process_time()
    train, test = batches(x, y, n_train, arguments.batches)
    loss = [trainer.train_one_epoch(train) for _ in range(arguments.epochs)]
    trained = time.process_time()
    scores = trainer.predict(model, test)
    predicted = time.process_time()
    if arguments.scores is not None:
        np.save(arguments.scores, np.asarray(scores, np.float64))
    print(
        json.dumps(
            {
                "torch-rechub": torch_rechub.__version__,
                "torch": torch.__version__,
                "scikit-learn": sklearn.__version__,
                "batches": arguments.batches,
                "epochs": arguments.epochs,
                "rows": {"train": n_train, "predict": len(scores)},
                "parameters": sum(parameter.numel() for parameter in model.parameters()),
                "loss": loss,
                "cpu_seconds_train": trained - start,
                "cpu_seconds_predict": predicted - trained,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "auc": float(roc_auc_score(y[n_train:], scores)),
            }
        )
    )


def built(x: dict[str, np.ndarray]) -> DIN:
    n_items = 1 + max(int(x["item"].max()), int(x["history"].max()))
    target = SparseFeature("item", n_items, embed_dim=DIM, padding_idx=0)
    history = SequenceFeature("history", n_items, embed_dim=DIM, pooling="concat", shared_with="item", padding_idx=0)
    slot = SparseFeature("slot", 1 + int(x["slot"].max()), embed_dim=DIM)
    return DIN([slot], [history], [target], mlp_params={"dims": [64, 32]}, attention_mlp_params={"dims": [36]})


def batches(x: dict[str, np.ndarray], y: np.ndarray, n_train: int, kind: str) -> tuple[object, object]:
    """Batches to train on, shuffled, and to predict, in order."""
    first = {field: values[:n_train] for field, values in x.items()}, y[:n_train]
    rest = {field: values[n_train:] for field, values in x.items()}, y[n_train:]
    if kind == "slices":
        return Slices(*first, shuffle=True), Slices(*rest, shuffle=False)
    train, _, test = DataGenerator(*first).generate_dataloader(*rest, *rest, batch_size=BATCH)
    return train, test


if __name__ == "__main__":
    main()
