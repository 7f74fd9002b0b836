"""Generative retrieval by semantic ids: how good the ids are, how well TIGER ranks, what a beam finds, what it costs.

python benchmarks/semantic_ids.py DATA [--rows WORDS] [--again] [--list]     measure what is not finished yet
python benchmarks/semantic_ids.py --table                                    print what is, and write it into the page of the model

DATA: the folder of the public logs. Amazon Beauty, last one out, whole catalogue ranked, seen items masked, held and refit, as in
benchmarks/quality.py. Settings were chosen on validation. A finished row stands in benchmarks/semantic_ids.json, each question's figures
in the work folder, where paired differences are taken from; a killed row goes on from its last epoch. WORDS: only rows whose name holds
all of these words. CPU-seconds are of the whole process, all threads; one thread unless OMP_NUM_THREADS says more.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import dataclasses
import fcntl
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import quality
import torch

from footpath.evaluation.protocol import evaluate
from footpath.events.store import open_store
from footpath.models import catalog
from footpath.models.histories import event_counts
from footpath.models.semantic_ids import IdsFrom, semantic_ids
from footpath.models.storage import load_model, save_model
from footpath.models.tiger import TIGER
from footpath.recommender import recommend
from footpath.sequences.split import Split
from footpath.sequences.splits import split
from footpath.statistics import paired_difference

RESULTS: Final = Path(__file__).with_name("semantic_ids.json")
PAGE: Final = RESULTS.parents[1] / "docs" / "models" / "generative-retrieval.md"
MARK: Final = "<!-- what follows is written by `python benchmarks/semantic_ids.py --table` -->\n"
TASK: Final = "beauty loo"
DENSE: Final = f"{TASK} sasrec 0"
BEAMS: Final = (10, 20, 50, 100, 200)
USERS: Final = 2_000
"""Histories of the test that are asked by beam search, drawn with seed 0."""
SHAPES: Final = ((3, 256), (3, 64), (2, 256))
KINDS: Final[tuple[IdsFrom, ...]] = ("text", "cooccurrence", "text+cooccurrence")
FIT: Final[dict[str, dict[str, Any]]] = {
    "tiger": {},
    "tiger-text": {"ids_from": "text"},
    "tiger-digits": {"own_vectors": False},
    "tiger-digits-text": {"own_vectors": False, "ids_from": "text"},
}
PUBLISHED: Final = 0.0384
"""NDCG@10 of TIGER on this log, held, in its paper."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--rows", default="", help="words that a row's name must hold")
    parser.add_argument("--work", type=Path, default=Path("semantic-ids-work"), help="stores, checkpoints, models and each user's figures")
    parser.add_argument("--again", action="store_true", help="measure finished rows too")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        print(found := table(read_results()))
        head, _ = PAGE.read_text(encoding="utf-8").split(MARK)
        PAGE.write_text(f"{head}{MARK}\n{found}\n", encoding="utf-8")
        return
    wanted = {key: measure for key, measure in rows().items() if all(word in key.split() for word in arguments.rows.split())}
    if arguments.list or arguments.data is None:
        for key in wanted:
            print(f"{'done' if key in read_results() else '    '}  {key}")
        return
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    parts = quality.split_of(quality.TASKS[TASK], arguments.data, arguments.work)
    for key, measure in wanted.items():
        if key in read_results() and not arguments.again:
            continue
        measured = measure(parts, arguments.work)
        if measured is None:
            print(f"{key}: waits for the rows that it reads", flush=True)
            continue
        keep(key, measured, arguments.work)
        print(key, json.dumps(measured)[:300], flush=True)


def rows() -> dict[str, Callable[[Split, Path], dict[str, Any] | None]]:
    """What is measured, by name, in this order."""
    found: dict[str, Callable[[Split, Path], dict[str, Any] | None]] = {}
    for levels, codes in SHAPES:
        for kind in KINDS:
            found[f"ids {kind} {levels}x{codes}"] = partial(ids, kind, levels, codes)
    found["fit sasrec"] = dense
    for label in FIT:
        found[f"fit {label}"] = partial(fit, label)
        found[f"beam {label}"] = partial(beam, label)
        found[f"against {label}"] = partial(against, label)
    found["cold tiger-text"] = partial(cold, {"ids_from": "text"})
    found["cold content"] = partial(cold, None)
    return found


def ids(kind: IdsFrom, levels: int, codes: int, parts: Split, work: Path) -> dict[str, Any]:
    """The report, of the training events of held."""
    clock = time.process_time()
    found = semantic_ids(parts.train, ids_from=kind, levels=levels, codes=codes)
    return {"cpu_s": round(time.process_time() - clock, 2), **dataclasses.asdict(found.report)}


def row_of(label: str) -> quality.Row:
    return quality.Row(TASK, "tiger", FIT[label], label=label)


def fit(label: str, parts: Split, work: Path) -> dict[str, Any]:
    """As a row of benchmarks/quality.py."""
    return quality.measure(row_of(label), 0, parts, work)


def dense(parts: Split, work: Path) -> dict[str, Any]:
    """SASRec with its defaults, held, or the one that was saved in the work folder."""
    place = work / "models" / "sasrec"
    if not place.is_dir():
        model: Any = catalog.create("sasrec")
        save_model(model.observed(checkpoint=work / "checkpoints" / "sasrec").fit(parts.train, validation=parts.validation), place)
    found = evaluate(load_model(place), parts, metrics=quality.METRICS, fitted_on="train")
    path = quality.users_file(DENSE, work)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **{"held ndcg@10": found.per_list["ndcg@10"]})  # type: ignore[arg-type]
    return {"held": figures(found.metrics)}


def against(label: str, parts: Split, work: Path) -> dict[str, Any] | None:
    """Paired difference from SASRec in held NDCG@10, on the same questions."""
    paths = [quality.users_file(key, work) for key in (quality.name(row_of(label), 0), DENSE)]
    if not all(path.is_file() for path in paths):
        return None
    gap = paired_difference(*(np.load(path)["held ndcg@10"] for path in paths), permutations=1)
    return {"other": "sasrec", "ndcg@10": [round(float(value), 6) for value in (gap.difference, gap.low, gap.high)], "n": gap.n}


def beam(label: str, parts: Split, work: Path) -> dict[str, Any] | None:
    """How many of the exact first ten a beam finds, in how many lists all of them, and what it costs; of the held model."""
    saved = work / "models" / quality.saved_as(row_of(label), 0) / "held"
    if not saved.is_dir():
        return None
    model = load_model(saved)
    assert isinstance(model, TIGER)
    histories = parts.test.histories.take(np.sort(np.random.default_rng(0).choice(len(parts.test), USERS, replace=False)))
    clock = time.process_time()
    exact = recommend(model, histories, 10).indexes
    found: dict[str, Any] = {"users": USERS, "exact_cpu_s_per_1000": round((time.process_time() - clock) / USERS * 1000, 3), "beams": {}}
    met = event_counts(parts.train) > 0
    for width in BEAMS:
        narrow = dataclasses.replace(model, beam=width).restore(model.items, model.state())
        clock = time.process_time()
        listed, _ = narrow.retrieve(histories, 10)
        seconds = time.process_time() - clock
        same = np.array([len(set(a) & set(b)) for a, b in zip(listed.tolist(), exact.tolist(), strict=True)])
        found["beams"][str(width)] = {
            "found": round(float(same.mean() / 10), 4),
            "all_ten": round(float((same == 10).mean()), 4),
            "outside_catalogue": int(((listed < 1) | (listed >= len(model.items))).sum()),
            "not_met_in_training": int((~met[listed]).sum()),
            "cpu_s_per_1000": round(seconds / USERS * 1000, 3),
        }
    return found


def cold(fields: Mapping[str, Any] | None, parts: Split, work: Path) -> dict[str, Any]:
    """Items withheld from training are the only answers: TIGER's ids of them are by text alone; None for content."""
    withheld = split(open_store(work / "stores" / quality.TASKS[TASK].data), "cold")
    model: Any = catalog.create("content") if fields is None else catalog.create("tiger", **fields)
    if fields is not None:
        model.observed(checkpoint=work / "checkpoints" / "cold_tiger")
    found = evaluate(model.fit(withheld.train, validation=withheld.validation), withheld, metrics=quality.METRICS, fitted_on="train")
    return {"held": figures(found.metrics), "n": found.n_histories, "n_items": withheld.train.n_items - 1}


def figures(metrics: Mapping[str, Any]) -> dict[str, list[float]]:
    return {metric: [round(float(value), 6) for value in (found.value, found.low, found.high)] for metric, found in metrics.items()}


def keep(key: str, found: dict[str, Any], work: Path) -> None:
    """Add a row to the finished ones; one process at a time."""
    with (work / "semantic_ids.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        results = read_results() | {key: found}
        RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n", encoding="utf-8")


def read_results() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


def table(results: Mapping[str, Any]) -> str:
    return "\n\n".join(part for part in (of_ids(results), of_quality(results), of_beams(results), of_cold(results)) if part)


def of_ids(results: Mapping[str, Any]) -> str:
    rows = {key: row for key, row in results.items() if key.startswith("ids ")}
    lines = []
    for key, row in rows.items():
        _, kind, shape = key.split()
        perplexity = ", ".join(f"{level['perplexity']:.0f}" for level in row["levels"])
        left = f"{row['levels'][-1]['left']:.2f}"
        lines.append([kind, shape, perplexity, left, f"{row['buckets']:,}", f"{row['collided']:.1%}", row["largest_bucket"], row["cpu_s"]])
    if not lines:
        return ""
    n = next(iter(rows.values()))["items"]
    head = [
        "ids_from",
        "levels x codes",
        "perplexity by level",
        "variance left",
        "codes",
        "items that share theirs",
        "most in one",
        "CPU-s",
    ]
    return f"**Ids** of {n:,} items, before the last digit:\n\n{_markdown(head, lines)}"


def of_quality(results: Mapping[str, Any]) -> str:
    lines, n = [], 0
    for label in FIT:
        row, gap = results.get(f"fit {label}"), results.get(f"against {label}")
        if row is None:
            continue
        epochs, n = row["epochs"], row["held"]["n"]
        best = max(value for value in epochs["validation"] if value is not None)
        held = [_interval(row["held"][metric]) for metric in ("recall@10", "ndcg@10")]
        above = "" if gap is None else _gap(gap["ndcg@10"])
        cost = f"{epochs['cpu_s'] / epochs['run']:.1f}"
        lines.append([_said(label), f"{best:.4f}", *held, _interval(row["refit"]["ndcg@10"]), above, epochs["best"], cost])
    if not lines:
        return ""
    head = [
        "settings",
        "validation ndcg@10",
        "held recall@10",
        "held ndcg@10",
        "refit ndcg@10",
        "held, above SASRec",
        "epochs",
        "CPU-s an epoch",
    ]
    dense = results.get("fit sasrec")
    beside = ""
    if dense is not None:
        own, known = (_interval(row["held"]["ndcg@10"]) for row in (dense, json.loads(quality.RESULTS.read_text(encoding="utf-8"))[DENSE]))
        fitted = f"{own}, held, where it was fitted to be compared user by user"
        beside = f" SASRec with its defaults has {fitted}, and {known} on the page on quality."
    told = f"{n:,} questions, seen items masked, one seed, 95 % bootstrap intervals over users. TIGER's paper has {PUBLISHED}, held."
    missing = "; ".join(_said(label) for label in FIT if f"fit {label}" not in results)
    left = f"\n\nNot measured yet: {missing}." if missing else ""
    return f"**Ranking.** {told}{beside}\n\n{_markdown(head, lines)}{left}"


def of_beams(results: Mapping[str, Any]) -> str:
    found = []
    for label in FIT:
        row = results.get(f"beam {label}")
        if row is None:
            continue
        lines = [
            [width, f"{one['found']:.1%}", f"{one['all_ten']:.1%}", one["outside_catalogue"], one["cpu_s_per_1000"]]
            for width, one in row["beams"].items()
        ]
        outside = f"ids outside the catalogue, of {10 * row['users']:,}"
        head = ["beam", "of the exact first ten", "lists with all ten", outside, "CPU-s per 1,000 users"]
        exact = f"exact scores of all items cost {row['exact_cpu_s_per_1000']} CPU-s per 1,000 users"
        found.append(f"**Beams**, {_said(label)}, {row['users']:,} test histories drawn with seed 0; {exact}:\n\n{_markdown(head, lines)}")
    return "\n\n".join(found)


def of_cold(results: Mapping[str, Any]) -> str:
    told_of = (("cold tiger-text", "`tiger`, ids_from=text"), ("cold content", "`content`"))
    rows = {said: results[key] for key, said in told_of if key in results}
    if not rows:
        return ""
    lines = [[said, _interval(row["held"]["recall@10"]), _interval(row["held"]["ndcg@10"])] for said, row in rows.items()]
    row = next(iter(rows.values()))
    told = f"{row['n']:,} questions whose answer was withheld from training, all {row['n_items']:,} items ranked"
    return f"**Items that nobody has met** (protocol cold): {told}:\n\n{_markdown(['model', 'recall@10', 'ndcg@10'], lines)}"


def _said(label: str) -> str:
    return ", ".join(f"{field}={value}" for field, value in FIT[label].items()) or "the defaults"


def _interval(values: Sequence[float]) -> str:
    value, low, high = values
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def _gap(values: Sequence[float]) -> str:
    value, low, high = values
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"


def _markdown(head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in (head, ["---"] * len(head), *lines))


if __name__ == "__main__":
    main()
