"""Whether explanations cite the events that carry a recommendation: deletion tests of SASRec and item-kNN on two public logs.

python benchmarks/explain.py DATA [--data amazon-beauty] [--model sasrec] [--users 500] [--work FOLDER]     fit and measure
python benchmarks/explain.py --table                                           write the tables into docs/explain.md

DATA: the folder of the public logs. Protocol loo, default settings: fitted on all but the last two events of each user, of which the first
chooses the epoch of SASRec; asked after all but the last, seen items left out. The first recommendation of `--users` random users with
enough events is explained (seed 1; the search was settled with other users, drawn with seed 0). Fitted models stay in the work folder,
and rows in benchmarks/explain.json. CPU-seconds are of this process, one thread.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads would spin, and be counted

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from footpath.events.readers import read_events
from footpath.llm.explain.faithfulness import faithfulness
from footpath.models import catalog
from footpath.models.storage import load_model, save_model
from footpath.recommender import Recommender
from footpath.result import Result
from footpath.sequences.split import Split
from footpath.sequences.splits import split

RESULTS: Final = Path(__file__).with_suffix(".json")
PAGE: Final = RESULTS.parents[1] / "docs" / "explain.md"
MARK: Final = "<!-- what follows is written by `python benchmarks/explain.py --table` -->\n"
FILES: Final = {
    "amazon-beauty": ("amazon-beauty/interactions.csv.gz", "amazon-beauty/items.csv.gz"),
    "ml-100k": ("ml-100k/ml-100k.inter.gz", "ml-100k/ml-100k.item.gz"),
}
SEEDS: Final = {"sasrec": (0, 1), "item_knn": (0,)}
MOST: Final = {"amazon-beauty": (3,), "ml-100k": (3, 10)}
USERS_SEED: Final = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DATA", type=Path, nargs="?")
    parser.add_argument("--data", choices=list(FILES), action="append")
    parser.add_argument("--model", choices=list(SEEDS), action="append")
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--work", type=Path, default=Path("explain-work"), help="fitted models")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if arguments.table:
        head, _ = PAGE.read_text(encoding="utf-8").split(MARK)
        PAGE.write_text(f"{head}{MARK}{tables(read_results())}\n", encoding="utf-8")
        return
    if arguments.folder is None:
        parser.error("give DATA, the folder of the public logs, or --table")
    arguments.work.mkdir(parents=True, exist_ok=True)
    for data in arguments.data or FILES:
        events, items = (arguments.folder / name for name in FILES[data])
        parts = split(read_events(events, items=items), "loo", seed=0)
        for name in arguments.model or SEEDS:
            for seed in SEEDS[name]:
                model = fitted(name, seed, parts, arguments.work / f"{data}-{name}-{seed}")
                for most in MOST[data]:
                    write(measured(data, name, seed, most, model, parts, arguments.users))


def fitted(name: str, seed: int, parts: Split, place: Path) -> Recommender:
    """The model of a work folder, fitted there where it is not yet."""
    if not place.is_dir():
        print(f"fitting {place.name}", file=sys.stderr)
        settings = {"seed": seed} if len(SEEDS[name]) > 1 else {}
        save_model(catalog.recommender(name, **settings).fit(parts.train, validation=parts.validation), place)
    return load_model(place)


def measured(data: str, name: str, seed: int, most: int, model: Recommender, parts: Split, users: int) -> dict[str, Any]:
    started = time.process_time()
    found: Result = faithfulness(
        model,
        parts.test.histories,
        users=users,
        most=most,
        seed=USERS_SEED,
        request_times=parts.test.request_times,
        log=parts.train,
        features=parts.train.item_features,
    )
    seconds = (time.process_time() - started) / found.table.num_rows
    cells = {cell.id: {"value": cell.value, "low": cell.low, "high": cell.high, "n": cell.n} for cell in found.cells}
    row = {"data": data, "model": name, "seed": seed, "most": most, "users": found.table.num_rows}
    return row | {"alike_by": str(found.meta["alike_by"]), "cpu_seconds_a_user": round(seconds, 4), "cells": cells}


def read_results() -> list[dict[str, Any]]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else []


def write(row: Mapping[str, Any]) -> None:
    """Add a row to the file, in the place of the one that has its name."""
    rows = {key(found): found for found in [*read_results(), row]}
    RESULTS.write_text(json.dumps([rows[name] for name in sorted(rows)], indent=1) + "\n", encoding="utf-8")
    print(" ".join(map(str, key(row))), share(row, "beyond_random"), file=sys.stderr)


def key(row: Mapping[str, Any]) -> tuple[str, str, int, int]:
    return row["data"], row["model"], row["most"], row["seed"]


def share(row: Mapping[str, Any], name: str) -> str:
    cell = row["cells"][name]
    if cell["value"] is None:
        return "–"
    return f"{100 * cell['value']:.1f} [{100 * cell['low']:.1f}, {100 * cell['high']:.1f}]"


def median(row: Mapping[str, Any], name: str) -> str:
    value = row["cells"][f"median.{name}"]["value"]
    return "–" if value is None else f"{value:,.4g}"


def tables(rows: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(_tables(rows))


def _tables(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield (
        "Shares of users in per cent with 95 % bootstrap intervals. *Further*: the item goes further back without the cited events than "
        "without the others. *As far*: equally far, which counts as not further."
    )
    yield ""
    yield (
        "| log | model, seed | cited at most | users | further than random ones (mean of 50) | than one random set | than the most "
        "alike | as far | than the newest | as far | in the first 20 with only the cited | with only the newest |"
    )
    yield "|" + "---|" * 12
    for row in rows:
        columns = (
            "beyond_random",
            "beyond_one_draw",
            "beyond_alike",
            "level_with_alike",
            "beyond_last",
            "level_with_last",
            "kept",
            "kept_last",
        )
        yield f"{_name(row)} {row['users']} | {' | '.join(share(row, name) for name in columns)} |"
    yield ""
    yield "Medians of the place, which is 1 before, and of the fall of the score; what explanations come to, in per cent; and the price."
    yield ""
    yield (
        "| log | model, seed | cited at most | without the cited | without random ones | without the most alike | without the newest | "
        "with only the cited | score falls by | random ones | events carry it | only all together | nothing | CPU-s a user |"
    )
    yield "|" + "---|" * 14
    for row in rows:
        places = ("rank_without", "rank_random", "rank_without_alike", "rank_without_last", "rank_kept", "drop", "drop_random")
        bases = " | ".join(f"{100 * row['cells'][f'basis_{basis}']['value']:.1f}" for basis in ("events", "history", "nothing"))
        yield f"{_name(row)} {' | '.join(median(row, name) for name in places)} | {bases} | {row['cpu_seconds_a_user']:.3f} |"


def _name(row: Mapping[str, Any]) -> str:
    return f"| {row['data']} | {row['model']}, {row['seed']} | {row['most']} |"


if __name__ == "__main__":
    main()
