"""How well every model ranks, on four public logs: full ranking, intervals over users, paired tests.

python benchmarks/quality.py DATA [--rows WORDS] [--again] [--list]     fit what is not finished yet
python benchmarks/quality.py --table                                    print what is, and write it into docs/quality.md and README

DATA: the folder of the public logs, laid out as TASKS says. A row is one model, its settings, one seed, on one log under one protocol,
and is measured twice: held (fitted without the validation events, which choose the epoch) and refit (fitted again with them, for as many
epochs). Finished rows are kept in benchmarks/quality.json; a killed one goes on from its last epoch. WORDS: only rows whose name, such as
`ml-1m loo sasrec 0`, holds all of these words. Several at once, of different rows, may share a work folder. In a new work folder the best
floor row of a task is measured again, since others are compared with it user by user; --again does so with every row, as for the members
of a mixture, whose fitted models lie there. FOOTPATH_PRECISION=bf16 counts for the rows that are then fitted, and stands with them.
CPU-seconds are of this process, all threads; one thread unless OMP_NUM_THREADS says more.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads would spin, and be counted

import argparse
import fcntl
import json
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from footpath.evaluation.protocol import Evaluation, evaluate
from footpath.events.store import ingest, open_store
from footpath.models import catalog
from footpath.models.mixture import Mixture
from footpath.models.sequence_model import SequenceModel
from footpath.models.storage import load_model, save_model
from footpath.recommender import Iterative, Recommender, Settled, refit
from footpath.sequences.split import Split
from footpath.sequences.splits import split
from footpath.statistics import paired_difference

RESULTS: Final = Path(__file__).with_name("quality.json")
PAGE: Final = RESULTS.parents[1] / "docs" / "quality.md"
READMES: Final = (RESULTS.parents[1] / "README.md", RESULTS.parents[1] / "README.zh.md")
MARK: Final = "<!-- what follows is written by `python benchmarks/quality.py --table` -->\n"
RULES: Final = {"mixture": "weights of the best validation NDCG@10"}
METRICS: Final = ("recall@10", "ndcg@10", "recall@20", "ndcg@20", "mrr@20")


@dataclass(frozen=True)
class Task:
    """A log under a protocol; options are those of `split`."""

    data: str
    protocol: str
    events: str
    items: str | None = None
    test: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    task: str
    model: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    label: str = ""
    members: tuple[str, ...] = ()
    """Of a mixture: labels of rows of the same task, seed 0, whose fitted models are blended."""


TASKS: Final = {
    "beauty loo": Task("amazon-beauty", "loo", "amazon-beauty/interactions.csv.gz", "amazon-beauty/items.csv.gz"),
    "ml-1m loo": Task("ml-1m", "loo", "ml-1m/contiguous.csv.gz", "ml-1m/movies.csv.gz"),
    "ml-1m-2001-2003 time": Task("ml-1m-2001-2003", "time", "ml-1m-2001-2003/interactions.csv.gz", options={"targets": "each"}),
    "yoochoose given": Task(
        "yoochoose-100k", "given", "yoochoose-100k/train_full.tsv.gz", test="yoochoose-100k/test.tsv.gz", options={"repeat": True}
    ),
    **{
        f"yoochoose time {cut}": Task(
            "yoochoose-100k",
            "time",
            "yoochoose-100k/train_full.tsv.gz",
            test="yoochoose-100k/test.tsv.gz",
            options={"repeat": True, "targets": "each", "quantiles": (cut - 0.1, cut)},
        )
        for cut in (0.7, 0.8, 0.9)
    },
}
SEQUENCE: Final = ("rnn", "lstm", "gru4rec", "lru", "caser", "nextitnet", "sasrec", "esasrec", "hstu", "bert4rec")
FLOOR: Final = ("popularity", "recent_popularity", "markov", "item_knn", "ease", "vsknn")


def rows() -> Iterator[Row]:
    """What the tables hold; settings that differ from a model's defaults were chosen on validation alone."""
    for task in TASKS:
        for model in FLOOR:
            yield Row(task, model)
        for model in SEQUENCE:
            yield Row(task, model, SETTINGS.get((task, model), {}), (0, 1, 2) if model in ("sasrec", "esasrec", "hstu") else (0,))
        neural = ("sasrec", "esasrec")
        if task == "beauty loo":
            for model in ("sasrec", "esasrec"):
                settings = SETTINGS.get((task, model), {}) | {"item_table": "id+text"}
                yield Row(task, model, settings, label=f"{model}-text")
            neural = ("sasrec-text", "esasrec-text")
        yield Row(task, "mixture", members=("markov", "item_knn", "ease", "vsknn", "gru4rec", *neural))


LONG: Final = {"max_len": 200, "blocks": 2, "dropout": 0.2, "learning_rate": 0.002, "patience": 6, "windows": "all"}
FEW_USERS: Final = {"max_len": 200, "batch_size": 16, "dropout": 0.3, "min_epochs": 30, "patience": 15}  # 786 of them: 7 steps of 128
SETTINGS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    **{("ml-1m loo", model): {"windows": "all"} for model in SEQUENCE},
    **{("ml-1m-2001-2003 time", model): FEW_USERS for model in SEQUENCE},
    ("ml-1m loo", "sasrec"): LONG,
    ("ml-1m loo", "esasrec"): LONG,
    ("ml-1m loo", "hstu"): LONG,
    **{(task, "hstu"): {"dropout": 0.5, "patience": 10} for task in TASKS if task.startswith("yoochoose")},
    ("ml-1m loo", "bert4rec"): {"max_len": 100, "learning_rate": 0.003, "batch_size": 64, "patience": 8, "windows": "all"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--rows", default="", help="words that a row's name must hold")
    parser.add_argument("--work", type=Path, default=Path("quality-work"), help="stores, checkpoints and each user's figures")
    parser.add_argument("--again", action="store_true", help="measure finished rows too")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        print(found := table(read_results()))
        head, _ = PAGE.read_text(encoding="utf-8").split(MARK)
        PAGE.write_text(f"{head}{MARK}{found}\n", encoding="utf-8")
        for page in READMES:
            page.write_text(with_figures(page.read_text(encoding="utf-8"), read_results()), encoding="utf-8")
        return
    wanted = [
        (row, seed) for row in rows() for seed in row.seeds if all(word in name(row, seed).split() for word in arguments.rows.split())
    ]
    if arguments.list or arguments.data is None:
        done = read_results()
        for row, seed in wanted:
            print(f"{'done' if is_finished(row, seed, done) else '    '}  {name(row, seed)}")
        return
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    parts: dict[str, Split] = {}
    floors = [(row, 0) for row in rows() if row.model == best_floor(read_results(), row.task)]
    alone = {name(*pair) for pair in floors if not users_file(name(*pair), arguments.work).is_file()}
    tasks = {row.task for row, _ in wanted}
    for row, seed in [*(pair for pair in floors if name(*pair) in alone and pair[0].task in tasks), *wanted]:
        key = name(row, seed)
        if is_finished(row, seed, read_results()) and not arguments.again and key not in alone:
            continue
        if missing := [label for label in row.members if f"{row.task} {label} 0" not in read_results()]:
            print(f"{key}: waits for {', '.join(missing)}", flush=True)
            continue
        if row.task not in parts:
            parts[row.task] = split_of(TASKS[row.task], arguments.data, arguments.work)
        measured = measure(row, seed, parts[row.task], arguments.work)
        alone.discard(key)
        keep(key, measured, arguments.work)
        print(line(key, measured), flush=True)


def name(row: Row, seed: int) -> str:
    return " ".join(part for part in (row.task, row.label or row.model, str(seed)) if part)


def settings_of(row: Row, seed: int) -> dict[str, Any]:
    """What differs from the model's defaults, as it is kept with the row."""
    seeded = {"seed": seed} if "seed" in catalog_fields(row.model) else {}
    return dict(row.fields) | seeded | ({"models": ",".join(row.members)} if row.members else {})


def is_finished(row: Row, seed: int, results: Mapping[str, Any]) -> bool:
    """Whether it was measured, with the settings that it has now."""
    measured = results.get(name(row, seed))
    return measured is not None and measured["settings"] == settings_of(row, seed)


def split_of(task: Task, data: Path, work: Path) -> Split:
    store = work / "stores" / task.data
    if not store.is_dir():
        store.parent.mkdir(parents=True, exist_ok=True)
        beside = {name: None if file is None else [data / file] for name, file in (("items", task.items), ("test", task.test))}
        ingest([data / task.events], store, name=task.data, **beside)
    return split(open_store(store), task.protocol, **task.options)  # type: ignore[arg-type]


def saved_as(row: Row, seed: int) -> str:
    """The folder of a row's checkpoints and models; one of its own for other settings."""
    digest = zlib.crc32(json.dumps(settings_of(row, seed), sort_keys=True).encode())
    return f"{name(row, seed).replace(' ', '_')}_{digest:08x}"


def users_file(key: str, work: Path) -> Path:
    """Each user's figures of a row."""
    return work / "users" / f"{key.replace(' ', '_')}.npz"


def best_floor(results: Mapping[str, Any], task: str) -> str | None:
    """The model of the finished floor row with the best held NDCG@10."""
    found = {model: results[f"{task} {model} 0"]["held"]["ndcg@10"][0] for model in FLOOR if f"{task} {model} 0" in results}
    return max(found, key=lambda model: found[model]) if found else None


def measure(row: Row, seed: int, parts: Split, work: Path) -> dict[str, Any]:
    """Held and refit figures of one row, with each user's NDCG@10 and recall@20 left in the work folder."""
    key = saved_as(row, seed)
    fields = settings_of(row, seed)
    started = time.process_time()
    if row.members:
        found = blended(row, parts, work)
    else:
        model = catalog.create(row.model, **fields)
        if isinstance(model, Iterative):
            model.observed(checkpoint=work / "checkpoints" / key)
        found = {"held": model.fit(parts.train, validation=parts.validation)}
    cpu = {"held": time.process_time() - started}
    history = getattr(found["held"], "history", None)
    epochs = None
    if history is not None:
        epochs = {
            "best": history.best_epoch,
            "run": len(history.epochs),
            "validation": [None if epoch.validation is None else round(epoch.validation, 5) for epoch in history.epochs],
            "cpu_s": round(sum(epoch.cpu_seconds for epoch in history.epochs), 1),
        }
        cpu["held"] = max(cpu["held"], epochs["cpu_s"])  # of a row that went on after a kill, this process saw only the rest
    if not row.members:
        started = time.process_time()
        found["refit"] = fitted_again(found["held"], parts, work / "checkpoints" / f"{key}_refit")
        cpu["refit"] = time.process_time() - started
    if epochs:
        for variant, fitted in found.items():
            save_model(fitted, work / "models" / key / variant)
    figures = {
        variant: evaluate(fitted, parts, metrics=METRICS, fitted_on="train" if variant == "held" else "refit", fit_cpu_s=cpu.get(variant))
        for variant, fitted in found.items()
    }
    users_file(name(row, seed), work).parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{variant} {metric}": found.per_list[metric] for variant, found in figures.items() for metric in ("ndcg@10", "recall@20")}
    users = parts.test.histories.users.dictionary_encode().indices.to_numpy()
    np.savez_compressed(users_file(name(row, seed), work), users=users, **arrays)  # type: ignore[arg-type]
    return {
        "data": TASKS[row.task].data,
        "protocol": parts.protocol,
        "details": {key: value for key, value in parts.details.items() if key in ("cuts", "targets", "repeat", "fingerprint")},
        "model": row.model,
        "settings": fields,
        "seed": seed,
        "epochs": epochs,
        **({"precision": found["held"].fitted_with["precision"]} if isinstance(found["held"], SequenceModel) else {}),
        "rule": "epoch of the best validation NDCG@10" if epochs else RULES.get(row.model, "nothing was chosen on validation"),
        **({"shares": {label: round(float(share), 4) for label, share in shares_of(row, found["held"], parts)}} if row.members else {}),
        **{variant: _figures(found) for variant, found in figures.items()},
    }


def fitted_again(held: Recommender, parts: Split, checkpoint: Path) -> Recommender:
    """With the validation events and the settings that they chose."""
    if isinstance(held, Iterative) and isinstance(held, Settled):
        return held.settled().observed(checkpoint=checkpoint).fit(parts.refit)
    return refit(held, parts.refit)


def blended(row: Row, parts: Split, work: Path) -> dict[str, Recommender]:
    """The mixture of the held members, weights learned on validation, and that of the refit ones with the same weights."""
    assert parts.validation is not None
    by_label = {other.label or other.model: other for other in rows() if other.task == row.task}
    members: dict[str, list[Recommender]] = {"held": [], "refit": []}
    for label in row.members:
        saved = work / "models" / saved_as(by_label[label], 0)
        if saved.is_dir():
            for variant, models in members.items():
                models.append(load_model(saved / variant))
        else:
            model = catalog.create(by_label[label].model, **by_label[label].fields)
            if isinstance(model, Iterative):
                model.observed(checkpoint=work / "checkpoints" / saved.name)
            held = model.fit(parts.train, validation=parts.validation)
            members["held"].append(held)
            members["refit"].append(fitted_again(held, parts, work / "checkpoints" / f"{saved.name}_refit"))
    mixture = Mixture(models=",".join(by_label[label].model for label in row.members))
    held = mixture.blend(members["held"], parts.validation)
    return {"held": held, "refit": held.settled().blend(members["refit"], parts.validation)}


def shares_of(row: Row, fitted: Recommender, parts: Split) -> Iterator[tuple[str, float]]:
    assert isinstance(fitted, Mixture)
    assert parts.validation is not None
    yield from zip(row.members, fitted.shares(parts.validation.histories).values(), strict=True)


def catalog_fields(model: str) -> Mapping[str, Any]:
    return next(entry for entry in catalog.describe() if entry["name"] == model)["hyperparameters"]


def _figures(found: Evaluation) -> dict[str, Any]:
    return {
        **{metric: [_round(interval.value), _round(interval.low), _round(interval.high)] for metric, interval in found.metrics.items()},
        "n": found.n_histories,
        "fit_cpu_s": None if found.fit_cpu_s is None else round(found.fit_cpu_s, 1),
        "score_cpu_s": round(found.score_cpu_s, 2),
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 6)  # tables round to four digits, and should do so once


def keep(key: str, measured: dict[str, Any], work: Path) -> None:
    """Add a row to the finished ones, its comparisons too; one process at a time."""
    with (work / "results.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        results = read_results()
        results[key] = measured
        for other, row in results.items():  # what was compared with figures of before
            if users_file(other, work).is_file():
                row.get("against", {}).pop(key, None)
        compare(results, work)
        write_results(results)


def compare(results: dict[str, Any], work: Path) -> None:
    """Each row against the best floor row of its task, and what is no floor row against SASRec of the same seed: on the same users.

    A model of several seeds is compared with SASRec once more, by the means of each user's figures over the seeds.
    """
    for key, row in results.items():
        own = users_file(key, work)
        if not own.is_file():
            continue
        task, seed = key[: key.rindex(" ")].rsplit(" ", 1)[0], row["seed"]
        others = [] if row["model"] in FLOOR else [f"{task} sasrec {seed}"]
        if floor := best_floor(results, task):
            others.append(f"{task} {floor} 0")
        for other in others:
            theirs = users_file(other, work)
            if other == key or not theirs.is_file() or other in row.get("against", {}):
                continue
            row.setdefault("against", {})[other] = paired([own], [theirs])
    for row in rows():
        keys, others = ([f"{row.task} {label} {seed}" for seed in row.seeds] for label in (row.label or row.model, "sasrec"))
        files = [[users_file(key, work) for key in of] for of in (keys, others)]
        if len(keys) > 1 and keys != others and all(key in results for key in keys) and all(file.is_file() for of in files for file in of):
            results[keys[0]]["against, mean of seeds"] = {f"{row.task} sasrec": paired(*files)}


def paired(own: Sequence[Path], theirs: Sequence[Path]) -> dict[str, list[float]]:
    """Differences of each user's figures, means over seeds, and intervals that draw users with all of their questions."""
    ours, others = ([dict(np.load(file)) for file in of] for of in (own, theirs))
    groups = ours[0]["users"].astype(np.int64)
    apart = None if len(np.unique(groups)) == len(groups) else groups  # a user's lists stay together
    found = {}
    for measure in ours[0]:
        if measure != "users":
            a, b = (np.mean([seed[measure] for seed in of], axis=0) for of in (ours, others))
            test = paired_difference(a, b, groups=apart)
            found[measure] = [round(test.difference, 5), round(test.low, 5), round(test.high, 5), round(test.p_value, 4)]
    return found


def read_results() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


def write_results(results: Mapping[str, Any]) -> None:
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(results[key])}" for key in sorted(results))
    beside = RESULTS.with_suffix(".tmp")
    beside.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    beside.replace(RESULTS)


def line(key: str, row: Mapping[str, Any]) -> str:
    best = "" if row["epochs"] is None else f", epoch {row['epochs']['best']} of {row['epochs']['run']}"
    variants = "; ".join(
        f"{variant} R@10 {row[variant]['recall@10'][0]:.4f} N@10 {row[variant]['ndcg@10'][0]:.4f}" for variant in ("held", "refit")
    )
    return f"{key}: {variants}; {row['held']['fit_cpu_s']} + {row['refit']['fit_cpu_s']} CPU-s{best}"


def table(results: Mapping[str, Any]) -> str:
    """Markdown: for each log and protocol what was measured, best refit NDCG first, and what was not; then each row against others."""
    parts = []
    for task, how in TASKS.items():
        found: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows():
            of_seeds = [results[key] for seed in row.seeds if row.task == task and (key := name(row, seed)) in results]
            if of_seeds:
                found[row.label or row.model] = of_seeds
        if not found:
            continue
        k = 20 if task.startswith("yoochoose") else 10
        first = next(iter(found.values()))[0]
        repeat = "repeats allowed" if how.options.get("repeat") else "seen items masked"
        floor = best_floor(results, task)
        parts += [
            f"\n## {task}\n",
            f"{first['held']['n']:,} questions, {repeat}. The best of the floor rows is `{floor}`.\n" if floor else "",
            f"| model | seeds | {' | '.join(f'{variant} {metric}@{k}' for variant in ('held', 'refit') for metric in ('recall', 'ndcg'))} "
            "| above the best floor | epochs | CPU-s |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for model, of_seeds in sorted(found.items(), key=lambda pair: -_mean(pair[1], "refit", f"ndcg@{k}")):
            cells = [_cell(of_seeds, variant, f"{metric}@{k}") for variant in ("held", "refit") for metric in ("recall", "ndcg")]
            epochs = ", ".join(str(row["epochs"]["best"]) for row in of_seeds if row["epochs"])
            cpu = _mean_of([row["held"]["fit_cpu_s"] for row in of_seeds])
            above = _against(of_seeds[0], f"{task} {floor} 0") if floor else ""
            parts.append(f"| {model} | {len(of_seeds)} | {' | '.join(cells)} | {above} | {epochs} | {cpu:,.0f} |")
        same = [(key[len(task) + 1 :], row) for key, row in results.items() if key.startswith(f"{task} ")]
        if pairs := [f"{label}: {said}" for label, row in same if (said := _against(row, f"{task} sasrec {row['seed']}"))]:
            parts.append(f"\nAgainst `sasrec` of the same seed, refit ndcg@10: {'; '.join(pairs)}.")
        if pairs := [f"{label[:-2]}: {said}" for label, row in same if (said := _against(row, f"{task} sasrec", "against, mean of seeds"))]:
            parts.append(f"\nAgainst `sasrec`, means over three seeds, refit ndcg@10: {'; '.join(pairs)}.")
        for kind, of in [(kind, row[kind]) for _, row in same for kind in ("shares", "weights") if kind in row]:
            said = ", ".join(f"{member} {part:.2g}" for member, part in of.items() if part)
            parts.append(f"\n{kind.capitalize()} of the mixture's members: {said}.")
        if mixed := [label for label, row in same if row.get("precision") == "bf16"]:
            parts.append(f"\nTrained with `FOOTPATH_PRECISION=bf16`: {', '.join(mixed)}.")
        missing = [
            name(row, seed)[len(task) + 1 :] for row in rows() for seed in row.seeds if row.task == task and name(row, seed) not in results
        ]
        if missing:
            parts.append(f"\nNot measured yet: {', '.join(missing)}.")
        if older := [
            f"{name(row, seed)[len(task) + 1 :]} ({_in_words(results[name(row, seed)]['settings'])})"
            for row in rows()
            for seed in row.seeds
            if row.task == task and name(row, seed) in results and not is_finished(row, seed, results)
        ]:
            parts.append(f"\nMeasured with other settings than those above, and to be measured again: {'; '.join(older)}.")
    return "\n".join(parts)


def with_figures(page: str, results: Mapping[str, Any]) -> str:
    """A README whose table of models holds the refit figures of the measured rows; what was measured elsewhere stays as it is."""
    lines = page.splitlines(keepends=True)
    for place, line in enumerate(lines):
        if not line.startswith("| [`") or len(cells := line.strip().strip("|").split("|")) != 6:
            continue
        model = cells[0].split("`")[1]
        label = f"{model}-text" if "item-text" in cells[0] else model
        for task, first in (("beauty loo", 2), ("ml-1m loo", 4)):
            keys = [name(row, seed) for row in rows() if row.task == task and (row.label or row.model) == label for seed in row.seeds]
            if of_seeds := [results[key] for key in keys if key in results]:
                cells[first : first + 2] = [f" {_cell(of_seeds, 'refit', metric)} " for metric in ("recall@10", "ndcg@10")]
        lines[place] = f"|{'|'.join(cells)}|\n"
    return "".join(lines)


def _against(row: Mapping[str, Any], other: str, kind: str = "against") -> str:
    """The paired difference of refit NDCG@10 with its interval; empty where it was not taken."""
    found = row.get(kind, {}).get(other)
    if found is None:
        return ""
    difference, low, high, _ = found["refit ndcg@10"]
    return f"{difference:+.4f} [{low:+.4f}, {high:+.4f}]"


def _in_words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{field}={value}" for field, value in settings.items() if field != "seed") or "the defaults"


def _mean(of_seeds: list[Mapping[str, Any]], variant: str, metric: str) -> float:
    return _mean_of([row[variant][metric][0] for row in of_seeds])


def _mean_of(values: list[float]) -> float:
    return sum(values) / len(values)


def _cell(of_seeds: list[Mapping[str, Any]], variant: str, metric: str) -> str:
    low, high = (_mean_of([row[variant][metric][place] for row in of_seeds]) for place in (1, 2))
    return f"{_mean(of_seeds, variant, metric):.4f} [{low:.4f}, {high:.4f}]"


if __name__ == "__main__":
    main()
