"""What item text is worth: for items that nobody has met, by how often an item was met, and where data are few.

python benchmarks/item_text.py DATA [--rows WORDS] [--again] [--list]     measure what is not finished yet
python benchmarks/item_text.py --table                                    print what is, and write it into docs/item-text.md

DATA: the folder of the public logs. A finished row stands in benchmarks/item_text.json, each question's figures in the work folder, where
paired differences are taken from once both rows are there; a killed row goes on from its last epoch. WORDS: only rows whose name, such
as `curve 10% sasrec id+text minilm 0`, holds all of these words. CPU-seconds are of whole processes, all threads; one thread unless
OMP_NUM_THREADS says more. Everything is fitted without the validation events, which choose the epoch; test is looked at once a row.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import dataclasses
import fcntl
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from footpath.evaluation.protocol import evaluate
from footpath.evaluation.rankings import judge
from footpath.events.log import EventLog
from footpath.events.store import ingest, open_store
from footpath.experiments.item_text import with_text
from footpath.llm.text.embed import text_encoder
from footpath.models import catalog
from footpath.models.content import ContentBased
from footpath.models.histories import event_counts
from footpath.models.item_text import Whitening, text_vectors, unit_rows
from footpath.models.sequence_model import SequenceModel
from footpath.recommender import Iterative, Recommender, recommend
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout, Split
from footpath.sequences.splits import split
from footpath.statistics import bootstrap_means, paired_difference

RESULTS: Final = Path(__file__).with_name("item_text.json")
PAGE: Final = RESULTS.parents[1] / "docs" / "item-text.md"
MARK: Final = "<!-- what follows is written by `python benchmarks/item_text.py --table` -->\n"
ENCODERS: Final = ("static", "minilm", "e5")
SHARES: Final = (1, 10, 30, 100)
BINS: Final = ((0, 0), (1, 4), (5, 9), (10, 19), (20, None))
"""Training events of the answer."""
AGES: Final = ((0, 365), (365, 500), (500, 540), (540, None))
"""Days since the answer was first met: the log begins 609 days before its last question, and most items were met in the first weeks."""
FEW_USERS: Final = {"max_len": 200, "batch_size": 16, "dropout": 0.3, "min_epochs": 30, "patience": 15}  # as in benchmarks/quality.py
PATIENT: Final[Mapping[int, Mapping[str, int]]] = {
    1: {"min_epochs": 60, "patience": 20},
    10: {"min_epochs": 30, "patience": 10},
    30: {"min_epochs": 15, "patience": 6},
    100: {},
}
"""By the share of the users: an epoch of few has few steps, and with the default patience ids stay on the level of popularity."""
LOGS: Final = {
    "beauty": ("amazon-beauty/interactions.csv.gz", "amazon-beauty/items.csv.gz"),
    "ml-1m-2001-2003": ("ml-1m-2001-2003/interactions.csv.gz", None),
}


@dataclass(frozen=True)
class Row:
    """One model on one task. part: cold, curve or age. share: percent of the users that are fitted on. reads: how content reads vectors."""

    part: str
    model: str
    table: str = ""
    encoder: str = ""
    reads: str = ""
    share: int = 100
    seed: int = 0

    @property
    def name(self) -> str:
        share = f"{self.share}%" if self.part == "curve" else ""
        seed = str(self.seed) if self.model in ("sasrec", "mixture") else ""
        return " ".join(word for word in (self.part, share, self.model, self.table, self.reads, self.encoder, seed) if word)


def rows() -> Iterator[Row]:
    """Most wanted first."""
    yield Row("cold", "popularity")
    yield Row("cold", "content", encoder="tfidf")
    for encoder in ("static", "minilm"):
        for reads in ("raw", "white", "both"):
            yield Row("cold", "content", encoder=encoder, reads=reads)
    for table, encoder in (("id", ""), ("id+text", "minilm"), ("id+text", "tfidf"), ("id+text", "static")):
        yield Row("curve", "sasrec", table, encoder, share=10)
    yield Row("curve", "sasrec", "id+text", "e5", share=10)
    yield Row("curve", "sasrec", "id", share=30)
    yield Row("curve", "sasrec", "id+text", BEST, share=100)
    yield Row("curve", "sasrec", "id", share=100)
    yield Row("cold", "sasrec", "text", "minilm")
    yield Row("curve", "sasrec", "id+text", BEST, share=30)
    yield Row("curve", "sasrec", "id", share=1)
    yield Row("curve", "sasrec", "id+text", BEST, share=1)
    yield Row("cold", "mixture", "text", "minilm")
    for reads in ("raw", "white", "both"):
        yield Row("cold", "content", encoder="e5", reads=reads)
    for encoder in ("tfidf", "static", "e5"):
        yield Row("cold", "sasrec", "text", encoder)
    for table in ("id+text", "text+delta"):
        yield Row("cold", "sasrec", table, "minilm")
    yield Row("cold", "mixture", "text", "minilm")
    for table, encoder in (("id", ""), ("id+text", BEST)):
        yield Row("age", "sasrec", table, encoder)
    yield Row("age", "content", encoder="tfidf")
    for seed in (1, 2):
        for share in (1, 10, 30):
            for table, encoder in (("id", ""), ("id+text", BEST)):
                yield Row("curve", "sasrec", table, encoder, share=share, seed=seed)


BEST: Final = "static"
"""The encoder of the rows beyond a tenth of the users, by NDCG@10 on validation there: 0.0349, minilm 0.0348, e5 0.0334, words 0.0292."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--rows", default="", help="words that a row's name must hold")
    parser.add_argument("--work", type=Path, default=Path("item-text-work"), help="stores, vectors, checkpoints, each question's figures")
    parser.add_argument("--again", action="store_true", help="measure finished rows too")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        print(found := tables(read_results()))
        head, _ = PAGE.read_text(encoding="utf-8").split(MARK)
        PAGE.write_text(f"{head}{MARK}{found}", encoding="utf-8")
        return
    wanted = [row for row in rows() if set(arguments.rows.split()) <= set(row.name.split())]
    if arguments.list or arguments.data is None:
        for row in wanted:
            print(f"{'done' if row.name in read_results() else '    '}  {row.name}")
        return
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    for row in wanted:
        if row.name in read_results() and not arguments.again:
            continue
        if row.encoder in ENCODERS and f"encode {row.encoder}" not in read_results():
            keep(f"encode {row.encoder}", encode(row.encoder, arguments.data, arguments.work))
        measured = measure(row, arguments.data, arguments.work)
        keep(row.name, measured)
        print(row.name, json.dumps({key: measured[key] for key in ("recall@10", "ndcg@10", "cpu_s")}), flush=True)
    keep("paired", pairs(arguments.work))


@cache
def log_of(name: str, data: Path, work: Path) -> EventLog:
    store = work / "stores" / name
    if not store.is_dir():
        store.parent.mkdir(parents=True, exist_ok=True)
        events, items = LOGS[name]
        ingest([data / events], store, name=name, items=None if items is None else [data / items])
    return open_store(store)


def encode(encoder: str, data: Path, work: Path) -> dict[str, Any]:
    """CPU-seconds of a process that does nothing but open the store and encode the titles of amazon-beauty, start and imports included."""
    n = log_of("beauty", data, work).items
    assert n is not None
    code = (
        "import sys; from pathlib import Path; from footpath.events.store import open_store; "
        "from footpath.experiments.item_text import with_text; from footpath.llm.text.embed import text_encoder; "
        "with_text(open_store(sys.argv[1]), text_encoder(sys.argv[2]), cache=Path(sys.argv[3]))"
    )
    with tempfile.TemporaryDirectory(dir=work) as fresh:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code, str(work / "stores" / "beauty"), encoder, fresh], check=True)
        (work / "vectors" / "text-vectors").mkdir(parents=True, exist_ok=True)
        for file in (Path(fresh) / "text-vectors").iterdir():
            file.replace(work / "vectors" / "text-vectors" / file.name)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = text_encoder(encoder)
    assert found is not None
    return {"n": int(n.count().to_pyarrow().as_py()), "cpu_s": round(spent, 1), "dim": found.dim, "identity": found.identity}


@cache
def parts_of(part: str, encoder: str, share: int, data: Path, work: Path) -> Split:
    name = "ml-1m-2001-2003" if part == "age" else "beauty"
    log = log_of(name, data, work)
    if encoder in ENCODERS:
        log = with_text(log, text_encoder(encoder), cache=work / "vectors")
    if part == "cold":
        return split(log, "cold")
    if part == "age":
        return split(log, "time", targets="each")
    parts = split(log, "loo")
    return parts if share == 100 else of_some_users(parts, share)


def of_some_users(parts: Split, share: int) -> Split:
    """Fitted on a share of the users, validated on the same ones; all are asked in the test."""
    assert parts.validation is not None
    chosen = np.random.default_rng(0).permutation(len(parts.train))[: round(share / 100 * len(parts.train))]
    train = parts.train.take(np.sort(chosen))
    ids = train.users.to_pylist()
    place = {user: row for row, user in enumerate(parts.validation.histories.users.to_pylist())}
    asked = np.array([place[user] for user in ids if user in place])
    offsets = parts.validation.offsets
    assert (np.diff(offsets) == 1).all()
    validation = Holdout(parts.validation.histories.take(asked), np.arange(len(asked) + 1), parts.validation.items[asked])
    return dataclasses.replace(parts, train=train, validation=validation)


def measure(row: Row, data: Path, work: Path) -> dict[str, Any]:
    parts = parts_of(row.part, row.encoder, row.share, data, work)
    started = time.process_time()
    fitted = fit(row, parts, work)
    history = getattr(fitted, "history", None)
    cpu_s = time.process_time() - started
    if history is not None:
        cpu_s = max(cpu_s, sum(epoch.cpu_seconds for epoch in history.epochs))
    found = evaluate(fitted, parts, metrics=("recall@10", "ndcg@10"), fit_cpu_s=cpu_s)
    arrays = dict(found.per_list)
    measured: dict[str, Any] = {
        **dataclasses.asdict(row),
        "n": len(parts.test),
        "cpu_s": round(cpu_s, 1),
        "epochs": None if history is None else history.best_epoch,
        **({"precision": fitted.fitted_with["precision"]} if isinstance(fitted, SequenceModel) and fitted.fitted_with else {}),
        "validation": None if history is None else history.epochs[history.best_epoch - 1].validation,
        **{metric: [interval.value, interval.low, interval.high] for metric, interval in found.metrics.items()},
    }
    counts = np.bincount(parts.train.items, minlength=parts.train.n_items)
    arrays["met"] = counts[parts.test.items]
    if row.part == "cold":
        withheld = np.flatnonzero(np.bincount(parts.refit.items, minlength=parts.refit.n_items)[1:] == 0) + 1
        asked = np.unique(np.concatenate([withheld, parts.test.items]))
        arrays["withheld"] = among(fitted, parts, asked)
        measured |= {"n_items": parts.train.n_items - 1, "n_withheld": len(asked)}
        measured["recall@10 withheld"] = _interval(arrays["withheld"])
    if row.part == "age":
        arrays["days"] = days_known(parts)
    file = work / "questions" / f"{row.name.replace(' ', '_')}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    users = parts.test.histories.users.dictionary_encode().indices.to_numpy()
    np.savez_compressed(file, users=users, **arrays)  # type: ignore[arg-type]
    return measured


def fit(row: Row, parts: Split, work: Path) -> Recommender:
    if row.model == "content":
        return vectors_alone(parts.train, white=row.reads == "white") if row.reads in ("raw", "white") else ContentBased().fit(parts.train)
    if row.model == "popularity":
        return catalog.create("popularity").fit(parts.train)
    fields: dict[str, Any] = {"seed": row.seed, **(FEW_USERS if row.part == "age" else {})}
    if row.part == "curve":
        fields |= PATIENT[row.share]
    if row.model == "mixture":
        model = catalog.create("mixture", models="content,sasrec", fields=f"sasrec.item_table={row.table}", **fields)
    else:
        model = catalog.create("sasrec", item_table=row.table, **fields)
    if isinstance(model, Iterative):
        model.observed(checkpoint=work / "checkpoints" / row.name.replace(" ", "_"))
    return model.fit(parts.train, validation=parts.validation)


def vectors_alone(train: SequenceDataset, *, white: bool) -> ContentBased:
    """Content that reads no words, only the vectors of the items, as they are or whitened."""
    vectors = text_vectors(train.item_features)
    read = unit_rows(Whitening.of_sample(vectors).apply(vectors) if white else vectors)
    return ContentBased().restore(train.vocabulary, {"popularity": event_counts(train), "vectors": read})


def among(model: Recommender, parts: Split, items: np.ndarray) -> np.ndarray:
    """Recall@10 of each question where only these items are ranked."""
    ids = [id for id in parts.test.histories.vocabulary.decode(items) if id is not None]
    lists = recommend(model, parts.test.histories, 10, candidates=ids, request_times=parts.test.request_times)
    found = judge(lists.indexes, parts.test, parts.train)
    return found.hits.sum(axis=1) / found.n_relevant


def days_known(parts: Split) -> np.ndarray:
    """Days from the first event on each answer, before the second cut, to the question."""
    assert parts.refit.times is not None
    assert parts.test.request_times is not None
    first = np.full(parts.refit.n_items, np.iinfo(np.int64).max)
    np.minimum.at(first, parts.refit.items, parts.refit.times)
    return (parts.test.request_times - first[parts.test.items]) / 86_400e6


def pairs(work: Path) -> dict[str, Any]:
    """Differences between rows on the same questions, of those that are there, users drawn with all of their questions."""
    found: dict[str, Any] = {}
    shares = ((1, 1), (10, 10), (30, 30), (100, 100), (1, 10), (10, 30), (30, 100))
    wanted = [
        (f"curve {share}% sasrec id+text {encoder} {seed}", f"curve {other}% sasrec id {seed}")
        for encoder in ("tfidf", *ENCODERS)
        for seed in (0, 1, 2)
        for share, other in shares
    ]
    cold = [row.name for row in rows() if row.part == "cold" and row.name != "cold content tfidf"]
    wanted += [(name, "cold content tfidf") for name in cold]
    wanted += [(row.name, "age sasrec id 0") for row in rows() if row.part == "age" and row.name != "age sasrec id 0"]
    for one, other in wanted:
        files = [work / "questions" / f"{name.replace(' ', '_')}.npz" for name in (one, other)]
        if not all(file.is_file() for file in files):
            continue
        a, b = (np.load(file) for file in files)
        groups = None if len(np.unique(a["users"])) == len(a["users"]) else a["users"]
        everything = np.ones(len(a["met"]), bool)
        masks = {"all": everything}
        if one.startswith("curve 100%") and "100%" in other:
            masks |= {f"met {low}-{high or ''}": (a["met"] >= low) & (a["met"] <= (high or np.inf)) for low, high in BINS}
            masks["met 0-4"] = a["met"] < 5
        if one.startswith("age"):
            masks |= {f"days {low}-{high or ''}": (a["days"] >= low) & (a["days"] < (high or np.inf)) for low, high in AGES}
        for metric in ("recall@10", "ndcg@10"):
            for label, mask in masks.items():
                if not mask.any():
                    continue
                own = None if groups is None else np.unique(groups[mask], return_inverse=True)[1]
                gap = paired_difference(a[metric][mask], b[metric][mask], groups=own, permutations=1)
                means = [float(a[metric][mask].mean()), float(b[metric][mask].mean())]
                found[f"{one} | {other} | {metric} | {label}"] = {
                    "n": int(mask.sum()),
                    "means": means,
                    "difference": [gap.difference, gap.low, gap.high],
                }
    return found


def _interval(values: np.ndarray, users: np.ndarray | None = None) -> list[float]:
    found = bootstrap_means(values[:, None], groups=users)[0]
    return [found.value, found.low, found.high]


def read_results() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


def keep(name: str, measured: Mapping[str, Any]) -> None:
    with RESULTS.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = read_results() | {name: measured}
        fresh = RESULTS.with_suffix(".new")
        fresh.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        fresh.replace(RESULTS)
    RESULTS.with_suffix(".lock").unlink(missing_ok=True)


def tables(found: Mapping[str, Any]) -> str:
    """All tables of the page, of the rows that are there."""
    made = [_encoders(found), _cold(found), _curves(found), _met(found), _ages(found)]
    missing = [row.name for row in rows() if row.name not in found]
    left = f"Not measured yet: {', '.join(missing)}.\n" if missing else ""
    return "\n" + "\n".join([part for part in made if part] + ([left] if left else []))


def _encoders(found: Mapping[str, Any]) -> str:
    there = [(name, found[f"encode {name}"]) for name in ENCODERS if f"encode {name}" in found]
    if not there:
        return ""
    lines = [f"| `{name}` | {row['dim']} | {row['cpu_s']:.1f} | {1000 * row['cpu_s'] / row['n']:.2f} |" for name, row in there]
    return _section(
        "Cost",
        f"CPU-seconds of a whole process that opens the store and encodes the titles of {there[0][1]['n']:,} items on one "
        "thread, without a cache.",
        ["encoder", "numbers", "CPU-s", "ms a title"],
        lines,
    )


def _cold(found: Mapping[str, Any]) -> str:
    there = [row for row in rows() if row.part == "cold" and row.name in found]
    if not there:
        return ""
    first = found[there[0].name]
    n_items, n_withheld = first["n_items"], first["n_withheld"]
    lines = [f"| random order | | {10 / n_items:.4f} | {10 / n_withheld:.4f} | | |"]
    for row in there:
        measured = found[row.name]
        against = found.get("paired", {}).get(f"{row.name} | cold content tfidf | recall@10 | all")
        what = " ".join(part for part in (f"`{row.model}`", row.table and f"`{row.table}`") if part)
        read = row.encoder + {"raw": ", alone", "white": ", alone, whitened", "both": " beside words", "": ""}[row.reads]
        shown = [_figure(measured["recall@10"]), _figure(measured["recall@10 withheld"]), _gap(against), f"{measured['cpu_s']:.0f}"]
        lines.append(f"| {what} | {read} | {' | '.join(shown)} |")
    return _section(
        "Items that nobody has met",
        f"Protocol cold on amazon-beauty: {n_withheld:,} of {n_items:,} items withheld from training, and as many more that chose the "
        f"epoch; {first['n']:,} questions, whose answers are withheld items. Recall@10 among all items, and among the withheld ones "
        "alone. The mixture is of `content` on words and vectors and of `sasrec`.",
        ["model", "reads", "all items", "withheld items alone", "above content on words, all items", "CPU-s"],
        lines,
    )


def _curves(found: Mapping[str, Any]) -> str:
    there = [row for row in rows() if row.part == "curve" and row.name in found]
    if not there:
        return ""
    lines = []
    for row in sorted(there, key=lambda row: (row.share, row.seed, row.table != "id")):
        measured = found[row.name]
        paired = found.get("paired", {})
        same, more = f"curve {row.share}% sasrec id {row.seed}", {1: 10, 10: 30, 30: 100}.get(row.share)
        gaps = [
            _gap(paired.get(f"{row.name} | {other} | ndcg@10 | all"))
            for other in (same, f"curve {more}% sasrec id {row.seed}" if more else "")
        ]
        shown = [
            _figure(measured["recall@10"]), _figure(measured["ndcg@10"]), *gaps, str(measured["epochs"]), f"{measured['cpu_s']:.0f}"
        ]  # fmt: skip
        lines.append(f"| {row.share} % | `{row.table}` | {row.encoder} | {row.seed} | {' | '.join(shown)} |")
    patient = "; ".join(
        f"{share} %: {s['min_epochs']} epochs or more and a patience of {s['patience']}" for share, s in PATIENT.items() if s
    )
    precisions = sorted({found[row.name].get("precision", "single") for row in there})
    return _section(
        "Where data are few",
        f"Protocol loo on amazon-beauty, held: `sasrec` fitted and validated on a share of the users, the same for all rows, "
        f"asked about all {found[there[0].name]['n']:,}. "
        f"An epoch of fewer users has fewer steps, so they get more epochs, with and without text ({patient}; the defaults at 100 %). "
        f"Training multiplied in {' and '.join(precisions)}.",
        [
            "users",
            "`item_table`",
            "reads",
            "seed",
            "Recall@10",
            "NDCG@10",
            "NDCG@10 above ids of as many users",
            "above ids of the next share",
            "epochs",
            "CPU-s",
        ],
        lines,
    )


def _met(found: Mapping[str, Any]) -> str:
    paired, lines = found.get("paired", {}), []
    one, other = f"curve 100% sasrec id+text {BEST} 0", "curve 100% sasrec id 0"
    labels = [f"met {low}-{high or ''}" for low, high in BINS] + ["met 0-4", "all"]
    for label in labels:
        gaps = {metric: paired.get(f"{one} | {other} | {metric} | {label}") for metric in ("recall@10", "ndcg@10")}
        if gaps["ndcg@10"] is None or gaps["recall@10"] is None:
            continue
        means = [f"{m:.4f}" for m in gaps["recall@10"]["means"]]
        times = label.removeprefix("met ").removesuffix("-") + ("+" if label.endswith("-") else "")
        lines.append(
            f"| {times} | {gaps['ndcg@10']['n']:,} | {means[1]} | {means[0]} | {_gap(gaps['recall@10'])} | {_gap(gaps['ndcg@10'])} |"
        )
    return "" if not lines else _section(
        "By how often the answer was met in training",
        f"The two rows of all users above, `id` and `id+text` ({BEST}), by the number of training events on the answer.",
        ["events on the answer", "questions", "Recall@10, `id`", "Recall@10, `id+text`", "difference", "difference in NDCG@10"],
        lines,
    )  # fmt: skip


def _ages(found: Mapping[str, Any]) -> str:
    paired, lines = found.get("paired", {}), []
    for row in rows():
        if row.part != "age" or row.name == "age sasrec id 0":
            continue
        for label in [f"days {low}-{high or ''}" for low, high in AGES] + ["all"]:
            gap = paired.get(f"{row.name} | age sasrec id 0 | recall@10 | {label}")
            if gap is not None:
                days = label.removeprefix("days ").removesuffix("-") + ("+" if label.endswith("-") else "")
                name = " ".join(part for part in (f"`{row.model}`", row.table and f"`{row.table}`", row.encoder) if part)
                lines.append(f"| {name} | {days} | {gap['n']:,} | {gap['means'][1]:.4f} | {gap['means'][0]:.4f} | {_gap(gap)} |")
    return "" if not lines else _section(
        "By the age of the answer",
        "Protocol time on ml-1m-2001-2003, each event after the cut asked: days from the first event on the answer to the question, "
        "against `sasrec` with ids alone. Settings as for that log in [how well the models rank](quality.md).",
        ["model", "days", "questions", "Recall@10, ids", "Recall@10", "difference"],
        lines,
    )  # fmt: skip


def _section(title: str, text: str, columns: list[str], lines: list[str]) -> str:
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return f"### {title}\n\n{text}\n\n" + "\n".join(head + lines) + "\n"


def _figure(interval: list[float]) -> str:
    return f"{interval[0]:.4f} [{interval[1]:.4f}, {interval[2]:.4f}]"


def _gap(paired: Mapping[str, Any] | None) -> str:
    if paired is None:
        return ""
    value, low, high = paired["difference"]
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"


if __name__ == "__main__":
    main()
