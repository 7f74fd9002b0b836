"""What profiles add to item text: none, by templates, by the language model, on items that training never saw.

python benchmarks/knowledge.py DATA [--items 300] [--work FOLDER]   DATA: the folder with ml-100k/; a stopped run goes on in FOLDER
python benchmarks/knowledge.py --table                              print what is kept in benchmarks/knowledge.json

MovieLens-100k, events on the `--items` most frequent items only, so that all of them can have a profile of the model. Protocol cold: 10 %
of the items are withheld, and all events on them are asked about, seeds 0 to 4. The model `content` reads titles, attributes and texts, as
words and as static vectors. Intervals are 95 % bootstrap over users, each drawn with the answers of all five splits.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from footpath.evaluation.protocol import Evaluation, evaluate
from footpath.events.log import EventLog
from footpath.events.store import ingest, open_store
from footpath.experiments.item_text import with_text
from footpath.experiments.knowledge import counted, item_facts, with_item_profiles
from footpath.llm.gateway.gateway import Gateway, settings_from_environment
from footpath.llm.knowledge import write_profiles
from footpath.llm.text.embed import text_encoder
from footpath.models import catalog
from footpath.sequences.build import to_sequences
from footpath.sequences.splits import split
from footpath.statistics import bootstrap_means, paired_difference

RESULTS: Final = Path(__file__).with_name("knowledge.json")
SEEDS: Final = range(5)
READERS: Final = ("tfidf", "static")
METRICS: Final = ("recall@10", "ndcg@10")


def measure(data: Path, llm: str, llm_model: str, items: int, work: Path) -> dict[str, Any]:
    ml = data / "ml-100k"
    ingest([ml / "ml-100k.inter.gz"], work / "store", items=ml / "ml-100k.item.gz", name="ml-100k")
    log = most_frequent(open_store(work / "store"), items)
    facts = item_facts(log, to_sequences(log))
    gateway = Gateway(settings_from_environment(llm, llm_model))
    by_model = write_profiles(facts, gateway, work / "by-model.parquet", progress=_said)
    written = pc.equal(by_model["origin"], "model")
    by_template = with_item_profiles(log, write_profiles(facts, Gateway(), work / "by-template.parquet"))
    arms = {
        "no profile": log,
        "template": by_template,
        "template and model": with_item_profiles(by_template, by_model.filter(written)),
        "model, else template": with_item_profiles(log, by_model),
        "model, else none": with_item_profiles(log, by_model.filter(written)),
    }
    rows = {(name, reader): _evaluated(arm, reader) for name, arm in arms.items() for reader in READERS}
    found = []
    for (name, reader), values in rows.items():
        base, users = rows["no profile", reader], values["user"]
        row: dict[str, Any] = {"profiles": name, "reader": reader}
        for metric in METRICS:
            row[metric] = bootstrap_means(values[metric][:, None], groups=users)[0].to_dict()
            row[f"{metric} - no profile"] = paired_difference(values[metric], base[metric], groups=users).to_dict()
        found.append(row)
    return {"items": items, "language_model": gateway.backend.identity if gateway.backend else "none", **counted(by_model), "rows": found}


def most_frequent(log: EventLog, items: int) -> EventLog:
    """The log with events on its most frequent items alone, and these in its item table."""
    events = to_sequences(log)
    counts = np.bincount(events.items, minlength=events.n_items)
    kept = [id for id in events.vocabulary.decode(np.argsort(-counts, kind="stable")[:items].astype(np.int32)) if id is not None]
    assert log.items is not None
    return dataclasses.replace(
        log, table=log.table.filter(log.table.item_id.isin(kept)), items=log.items.filter(log.items.item_id.isin(kept))
    )


def _evaluated(log: EventLog, reader: str) -> dict[str, np.ndarray]:
    text = with_text(log, text_encoder(reader))
    rows: list[Evaluation] = []
    for seed in SEEDS:
        parts = split(text, "cold", seed=seed)
        rows.append(evaluate(catalog.create("content").fit(parts.train), parts, metrics=METRICS))
    users = pa.chunked_array([row.users for row in rows]).combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    return {metric: np.concatenate([row.per_list[metric] for row in rows]) for metric in METRICS} | {"user": users}


def _said(what: str, done: int, total: int) -> None:
    if done % 20 == 0:
        print(f"{what}: {done} of {total}", flush=True)


def table(result: dict[str, Any]) -> str:
    lines = ["| profiles | read as | Recall@10 | NDCG@10 | Recall@10 against none |", "|---|---|---|---|---|"]
    for row in result["rows"]:
        cells = [f"{row[m]['value']:.4f} [{row[m]['low']:.4f}, {row[m]['high']:.4f}]" for m in METRICS]
        gain = row["recall@10 - no profile"]
        against = "" if row["profiles"] == "no profile" else f"{gain['difference']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
        lines.append(f"| {row['profiles']} | {row['reader']} | {' | '.join(cells)} | {against} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--llm", default="embedded")
    parser.add_argument("--llm-model", default="")
    parser.add_argument("--work", type=Path, default=None)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if not arguments.table:
        if arguments.data is None:
            parser.error("DATA is needed: the folder with ml-100k/")
        with tempfile.TemporaryDirectory() as scratch:
            work = arguments.work or Path(scratch)
            found = measure(arguments.data, arguments.llm, arguments.llm_model, arguments.items, work)
        RESULTS.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(table(json.loads(RESULTS.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
