"""Impressions whose truth is planted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.impressions import VALUE_TASK, Impressions
from footpath.sequences.vocabulary import Vocabulary

N_TASTES, PER_TASTE = 3, 6
SECOND = 1_000_000


def tastes(n_users: int = 160, shown: int = 24, seed: int = 0, *, rating: bool = False) -> Impressions:
    """Users of one of three tastes, each shown items of all tastes, one after another: those of the user's own are mostly clicked.

    A click is an event of the trail, by which the taste can be told. `favourite` in the context is a user's taste in a third of the
    rows and empty in the others; `noise` is a number without a meaning. cart: half of the clicks. The last item of each taste is better
    than others. rating: the task is instead a rating of 1 to 5 of every item shown, which is the event: own taste 4, others 2, better
    ones 1 more, and a user's own mood.
    """
    rng = np.random.default_rng(seed)
    ids = [f"t{taste}-{i}" for taste in range(N_TASTES) for i in range(PER_TASTE)]
    vocabulary = Vocabulary.build(ids)
    trails: list[list[str]] = []
    times: list[int] = []
    values: list[float] = []
    rows: dict[str, list] = {
        name: [] for name in ("row", "length", "item", "time", "click", "cart", "rating", "favourite", "noise", "event")
    }
    for user in range(n_users):
        taste, trail, mood = user % N_TASTES, [], float(rng.choice([-0.5, 0.0, 0.5]))
        for step in range(shown):
            kind, number = int(rng.integers(N_TASTES)), int(rng.integers(PER_TASTE))
            better = number == PER_TASTE - 1
            clicked = rng.random() < (0.75 if kind == taste else 0.04) + 0.25 * better
            value = (4.0 if kind == taste else 2.0) + better + mood + 0.3 * rng.standard_normal()
            time = (user % 60 + step * 100) * SECOND
            rows["row"].append(user)
            rows["length"].append(len(trail))
            rows["item"].append(f"t{kind}-{number}")
            rows["time"].append(time)
            rows["click"].append(float(clicked))
            rows["cart"].append(float(clicked and rng.random() < 0.5))
            rows["rating"].append(float(np.clip(value, 1, 5)))
            rows["favourite"].append(f"taste {taste}" if rng.random() < 1 / 3 else None)
            rows["noise"].append(float(rng.standard_normal()))
            rows["event"].append(len(times) if clicked or rating else -1)
            if clicked or rating:
                trail.append(f"t{kind}-{number}")
                times.append(time + SECOND // 2 if not rating else time)
                values.append(rows["rating"][-1] if rating else np.nan)
        trails.append(trail)
    categories = ["", *(str(id).split("-")[0] for id in vocabulary.decode(np.arange(1, len(vocabulary), dtype=np.int32)))]
    n = len(categories)
    histories = SequenceDataset.from_lists(
        trails,
        vocabulary,
        [f"u{user:03}" for user in range(n_users)],
        times=np.array(times, np.int64),
        types=np.full(len(times), 6 if rating else 2, np.int8),
        values=np.array(values, np.float32),
        item_features=ItemFeatures([""] * n, [""] * n, categories, [()] * n),
    )
    tasks = (VALUE_TASK,) if rating else ("click", "cart")
    return Impressions(
        histories,
        np.array(rows["row"], np.int64),
        np.array(rows["length"], np.int64),
        vocabulary.encode(rows["item"]),
        {task: np.array(rows[task], np.float32) for task in tasks},
        pa.table({"favourite": pa.array(rows["favourite"], pa.string()), "noise": pa.array(rows["noise"])}),
        pa.table({"price": pa.array([None, *(float(i) for i in range(1, n))])}),
        pa.table({"age": pa.array([20.0 + user % 5 for user in range(n_users)])}),
        np.array(rows["time"], np.int64),
        np.arange(len(rows["row"])),
        None,
        np.array(rows["event"], np.int64) if rating else None,
    )
