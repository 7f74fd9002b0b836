"""How much work it is to turn a large log into sequences: Footpath beside pandas and Polars.

    python benchmarks/prepare.py [--rows 20000000] [--engines footpath,pandas,polars] [--ids int|string] [--json]

Three Parquet columns (user, item, ts in seconds; a power law over rows / 20 users and rows / 100 items) become sequences in order of
time, with ids encoded and every user and item left having five events. Each engine runs in a process of its own with two threads at
most; CPU-seconds are user and system time of that whole process, imports included; the peak is its resident memory.
Footpath keeps more than its peers in that time: the times, string ids and a shuffled vocabulary. All must agree on the events that
are left, or the command fails.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CORE = 5
THREADS = 2


def power_law(rng: np.random.Generator, size: int, n: int, exponent: float) -> np.ndarray:
    """Ranks 0 to n - 1 that fall off as rank^-exponent, by the inverse of the continuous distribution."""
    rest = 1 - exponent
    uniform = rng.random(size, np.float32).astype(np.float64)
    return np.minimum(((n**rest - 1) * uniform + 1) ** (1 / rest), n).astype(np.int64) - 1


def write_log(path: Path, rows: int, ids: str) -> None:
    rng = np.random.default_rng(7)
    n_users, n_items = max(rows // 20, 100), max(rows // 100, 50)
    user_of_rank, item_of_rank = rng.permutation(n_users), rng.permutation(n_items)
    columns = {
        "user": pa.array(user_of_rank[power_law(rng, rows, n_users, 0.75)] + 10**9),
        "item": pa.array(item_of_rank[power_law(rng, rows, n_items, 1.0001)] + 10**6),
    }
    if ids == "string":
        columns = {name: column.cast(pa.string()) for name, column in columns.items()}
    pq.write_table(pa.table(columns | {"ts": 1_600_000_000 + rng.integers(0, 10**8, rows)}), path)


def prepare_with_footpath(path: Path) -> tuple[int, int, int]:
    from footpath.sequences.prepare import prepare_parquet

    data = prepare_parquet(path, user="user", item="item", time="ts", unit="s", core=CORE)
    return len(data), data.n_items - 1, data.n_events


def prepare_with_pandas(path: Path) -> tuple[int, int, int]:
    import pandas as pd

    log = pd.read_parquet(path)
    while True:
        enough_events = log["user"].map(log["user"].value_counts()) >= CORE
        enough_users = log["item"].map(log["item"].value_counts()) >= CORE
        stays = enough_events & enough_users
        if stays.all():
            break
        log = log[stays]
    log = log.assign(user=pd.factorize(log["user"])[0], item=pd.factorize(log["item"])[0].astype(np.int32))
    log = log.sort_values(["user", "ts"], kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(log["user"].to_numpy()))])
    items = log["item"].to_numpy()
    return len(offsets) - 1, int(items.max()) + 1, len(items)


def prepare_with_polars(path: Path) -> tuple[int, int, int]:
    import polars as pl

    log = pl.read_parquet(path)
    while True:
        before = len(log)
        log = log.filter((pl.len().over("user") >= CORE) & (pl.len().over("item") >= CORE))
        if len(log) == before:
            break
    codes = ((pl.col(name).rank("dense") - 1).cast(pl.Int32) for name in ("user", "item"))
    log = log.with_columns(*codes).sort("user", "ts", maintain_order=True)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(log["user"].to_numpy()))])
    items = log["item"].to_numpy()
    return len(offsets) - 1, int(items.max()) + 1, len(items)


ENGINES = {"footpath": prepare_with_footpath, "pandas": prepare_with_pandas, "polars": prepare_with_polars}


def measure(engine: str, path: Path) -> dict[str, Any]:
    """One engine in a process of its own, which reports its own use."""
    threads = {name: str(THREADS) for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, __file__, "--run", engine, str(path)],
        env=os.environ | threads | {"OMP_WAIT_POLICY": "passive"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def run(engine: str, path: Path) -> None:
    """Do the work and print what it took."""
    pa.set_cpu_count(THREADS)
    began = time.perf_counter()
    users, items, events = ENGINES[engine](path)
    wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    report = {
        "engine": engine,
        "version": version(engine),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "user_cpu_s": round(used.ru_utime, 2),
        "system_cpu_s": round(used.ru_stime, 2),
        "wall_s": round(wall, 2),
        "peak_mib": used.ru_maxrss >> 10,
        "users": users,
        "items": items,
        "events": events,
    }
    print(json.dumps(report))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--engines", default="footpath,pandas,polars")
    parser.add_argument("--ids", choices=("int", "string"), default="int")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", nargs=2, metavar=("ENGINE", "FILE"), help="measure one engine in this process")
    options = parser.parse_args()
    if options.run:
        run(options.run[0], Path(options.run[1]))
        return
    engines = options.engines.split(",")
    if unknown := [name for name in engines if name not in ENGINES]:
        parser.error(f"no engine {unknown[0]!r}; there are: {', '.join(ENGINES)}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        write_log(path, options.rows, options.ids)
        rows = []
        for engine in engines:
            print(f"{engine} ...", file=sys.stderr, flush=True)
            rows.append(measure(engine, path))
    for row in rows:
        row["cpu_ratio"] = round(row["cpu_s"] / rows[0]["cpu_s"], 2)
    if len({(row["users"], row["items"], row["events"]) for row in rows}) > 1:
        sys.exit(f"the engines disagree: {rows}")
    if options.json:
        print(json.dumps({"rows": options.rows, "ids": options.ids, "core": CORE, "engines": rows}))
        return
    left = rows[0]
    kept = f"{left['events']:,} events of {left['users']:,} users on {left['items']:,} items"
    print(f"{options.rows:,} events with {options.ids} ids; {CORE}-core: {kept}")
    print(f"{'engine':<10}{'version':<10}{'CPU-s':>8}{'ratio':>8}{'wall s':>8}{'peak MiB':>10}")
    for row in rows:
        figures = f"{row['cpu_s']:>8.2f}{row['cpu_ratio']:>8.2f}{row['wall_s']:>8.2f}{row['peak_mib']:>10,}"
        print(f"{row['engine']:<10}{row['version']:<10}{figures}")


if __name__ == "__main__":
    main()
