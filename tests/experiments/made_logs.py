"""Small logs with a planted truth, as stores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from footpath.events.simulate import simulate
from footpath.events.store import ingest


def store(folder: Path, rows: Sequence[tuple[str, str, int]], name: str = "made") -> Path:
    """A store of (user, item, seconds)."""
    file = folder / f"{name}.csv"
    file.write_text("user_id,item_id,timestamp\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows), encoding="utf-8")
    ingest([file], folder / f"{name}-store")
    return folder / f"{name}-store"


def shop(folder: Path, rows: int = 20_000, seed: int = 3) -> Path:
    """A store of a simulated shop, which says what was shown, clicked, bought and rated."""
    files = simulate(rows, seed=seed, into=folder / "shop").paths
    ingest(list(files["events"]), folder / "shop-store", items=list(files["items"]), users=list(files["users"]))
    return folder / "shop-store"


def ring(users: int = 80, items: int = 12, length: int = 8, seed: int = 1) -> list[tuple[str, str, int]]:
    """Users who walk around a ring of items, one step an hour, from different places; the next item is certain."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        start, first = int(rng.integers(items)), int(rng.integers(0, 20))
        rows += [(f"u{user}", f"i{(start + step) % items}", 1_700_000_000 + 3600 * (first + step)) for step in range(length)]
    return rows


def clusters(users: int, n_clusters: int, size: int, length: int, seed: int = 0) -> list[tuple[str, str, int]]:
    """Users who stay within one of several sets of items, in random order: what they take tells the set, and nothing tells more."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        chosen = rng.permutation(size)[:length]
        rows += [(f"u{user}", f"c{user % n_clusters}-{item}", 1_700_000_000 + 60 * (100 * user + step)) for step, item in enumerate(chosen)]
    return rows
