"""Did the large model help? Text vectors, semantic ids, profiles and a reranker, each against the same without it, in one table.

python benchmarks/lift.py DATA [--rows WORDS] [--beside DIR ...]     fit what no other benchmark has fitted, then compare
python benchmarks/lift.py [--rows WORDS] [--beside DIR ...]          say what is not fitted, compare what is
python benchmarks/lift.py --table                                    write the table into docs/lift.md

DATA: the folder of the public logs. The results of item_text.py, semantic_ids.py, knowledge.py and rerank.py are read, not measured again;
--beside names the work folders of these, for each question's figures and the written profiles. What is fitted here is fitted as in
item_text.py, on the same users; a killed fit goes on from its last epoch. WORDS: only fits whose name holds all of them. What was compared
stays in lift.json when its sources are gone. CPU-seconds are of this process, one thread unless OMP_NUM_THREADS says more.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import item_text
import knowledge
import numpy as np
import pyarrow.compute as pc
import torch
from item_text import Row

from footpath.events.store import open_store
from footpath.experiments.knowledge import with_item_profiles
from footpath.llm.knowledge import read_profiles
from footpath.models import catalog
from footpath.recommender import Recommender
from footpath.sequences.split import Split
from footpath.statistics import paired_difference

RESULTS: Final = Path(__file__).with_name("lift.json")
PAGE: Final = RESULTS.parents[1] / "docs" / "lift.md"
MARK: Final = "<!-- what follows is written by `python benchmarks/lift.py --table` -->\n"
SHARES: Final = (1, 10, 100)
ENCODERS: Final = ("static", "minilm", "tfidf")
AGES: Final = tuple((low, None if high is None else high - 1) for low, high in item_text.AGES)  # whole days, the last one counts in
DATA: Final = {
    **dict.fromkeys(("curve", "users"), ("amazon-beauty, loo, held", "ndcg@10")),
    "cold": ("amazon-beauty, cold", "recall@10"),
    "age": ("ml-1m-2001-2003, time, held", "recall@10"),
}
HEAD: Final = (
    "| added | data, protocol | fitted on, answers | metric | n | without | with | difference [95 %] "
    "| CPU-s per 1,000 users | tokens per 1,000 users | verdict |"
)
NAMED: Final = ("what", "data", "part", "share", "answers", "metric")
LARGER: Final = {
    "text vectors": "footpath evaluate store --models sasrec --set sasrec.item_table=id+text --protocol loo --text URL#MODEL",
    "semantic ids": "footpath evaluate store --models sasrec,tiger --protocol loo --text URL#MODEL",
    "profiles": "python benchmarks/knowledge.py DATA --llm URL --llm-model NAME",
    "reranker": "footpath rerank store --model ease --protocol loo --llm URL --llm-model NAME",
}


def pairs() -> Iterator[tuple[str, Row, Row]]:
    """What is added, the row with it, and the row without it. Rows of the part `users` are those of semantic_ids.py."""
    ids = {share: Row("curve", "sasrec", "id", share=share) for share in SHARES}
    for share in SHARES:
        for encoder in ENCODERS:
            yield f"text vectors, `{encoder}`", Row("curve", "sasrec", "id+text", encoder, share=share), ids[share]
    for encoder in ENCODERS[:-1]:
        beside = Row("cold", "content", encoder=encoder, reads="both")
        yield f"text vectors, `{encoder}`, beside words in `content`", beside, Row("cold", "content", encoder="tfidf")
    yield "text vectors, `static`", Row("age", "sasrec", "id+text", "static"), Row("age", "sasrec", "id")
    for share in SHARES[:-1]:
        yield "semantic ids", Row("curve", "tiger", share=share), ids[share]
    yield "semantic ids", Row("users", "tiger"), ids[100]
    yield "semantic ids, against another fit of `sasrec`", Row("users", "tiger"), Row("users", "sasrec")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--rows", default="", help="words that the name of a fit must hold")
    parser.add_argument("--work", type=Path, default=Path("lift-work"), help="stores, vectors, checkpoints, each question's figures")
    parser.add_argument("--beside", type=Path, nargs="*", default=[], help="work folders of the other benchmarks")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        print(found := table(read("lift")))
        head, _ = PAGE.read_text(encoding="utf-8").split(MARK)
        PAGE.write_text(f"{head}{MARK}{found}", encoding="utf-8")
        return
    folders = [*arguments.beside, arguments.work]
    wanted = {row.name: row for _, *both in pairs() for row in both if row.part != "users"}
    for name, row in wanted.items():
        if questions(row, folders) is not None or not set(arguments.rows.split()) <= set(name.split()):
            continue
        if arguments.data is None:
            print(f"not measured: {name}")
            continue
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        with patch.object(item_text, "fit", tiger if row.model == "tiger" else item_text.fit):
            measured = item_text.measure(row, arguments.data, arguments.work)
        keep({"fits": {name: measured}})
        print(name, json.dumps({key: measured[key] for key in ("recall@10", "ndcg@10", "cpu_s")}), flush=True)
    keep({"rows": compared(folders) | of_profiles(folders) | of_reranker()})


def tiger(row: Row, parts: Split, work: Path) -> Recommender:
    """What item_text.py fits, with TIGER; epochs and patience, no fields of TIGER, are those of SASRec with as few users."""
    model: Any = catalog.create("tiger")
    model.observed(checkpoint=work / "checkpoints" / row.name.replace(" ", "_"))
    patient = item_text.PATIENT[row.share]
    with patch.multiple("footpath.models.tiger", _PATIENCE=patient["patience"], _MIN_EPOCHS=patient["min_epochs"]):
        return model.fit(parts.train, validation=parts.validation)


def questions(row: Row, folders: Sequence[Path]) -> dict[str, np.ndarray] | None:
    """Figures of each question, as item_text.py and semantic_ids.py leave them."""
    name = f"users/beauty_loo_{row.model}_0" if row.part == "users" else f"questions/{row.name.replace(' ', '_')}"
    file = next((folder / f"{name}.npz" for folder in folders if (folder / f"{name}.npz").is_file()), None)
    return None if file is None else {key.removeprefix("held "): values for key, values in np.load(file).items()}


def compared(folders: Sequence[Path]) -> dict[str, Any]:
    """Differences on the same questions, where all users are fitted on also by how often, and since when, the answer was met."""
    found: dict[str, Any] = {}
    met_by_all = (questions(Row("curve", "sasrec", "id+text", "static"), folders) or {}).get("met")
    for what, row, base in pairs():
        a, b = questions(row, folders), questions(base, folders)
        if a is None or b is None:
            continue
        data, metric = DATA[row.part]
        masks = {"met 0 times" if row.part == "cold" else "": np.ones(len(a[metric]), bool)}
        if row.part == "age":
            masks |= _bins(a["days"], AGES, "known for {} days")
        elif base.part == "curve" and row.share == 100 and met_by_all is not None:
            masks |= _bins(met_by_all, item_text.BINS, "met {} times")
        for answers, mask in masks.items():
            users = np.unique(a["users"][mask], return_inverse=True)[1] if row.part in ("age", "cold") else None
            gap = paired_difference(a[metric][mask], b[metric][mask], groups=users, permutations=1)
            cost = ("", "") if answers else (_cost(row, base), "0")
            named = (what, data, row.part, row.share, answers, metric)
            without = float(b[metric][mask].mean())
            found[f"{what} | {row.part} {row.share} % | {answers or 'all'}"] = _row(named, without, gap.to_dict(), *cost)
    return found


def _bins(values: np.ndarray, bins: Sequence[tuple[int, int | None]], words: str) -> dict[str, np.ndarray]:
    """Of a lowest and a highest whole number each, both counted in."""
    named = {f"{low}+" if high is None else f"{low}" if low == high else f"{low}-{high}": (low, high) for low, high in bins}
    return {words.format(span): (values >= low) & (high is None or values < high + 1) for span, (low, high) in named.items()}


def _row(named: Sequence[Any], without: float, gap: Mapping[str, Any], cost: str, tokens: str) -> dict[str, Any]:
    """named: values of NAMED."""
    row = dict(zip(NAMED, named, strict=True)) | {"n": gap["n"], "without": without, "with": without + gap["difference"]}
    return row | {"difference": [gap["difference"], gap["low"], gap["high"]], "cost": cost, "tokens": tokens}


def _cost(row: Row, base: Row) -> str:
    """CPU-seconds of the fit, and of encoding all titles once, for 1,000 training users."""
    texts, semantic = read("item_text"), read("semantic_ids")["fit tiger"]["held"]
    if row.part not in ("curve", "users"):
        return ""
    spent = {name: fit["cpu_s"] for name, fit in (read("lift").get("fits", {}) | texts).items() if "cpu_s" in fit}
    spent[Row("users", "tiger").name] = semantic["fit_cpu_s"]
    users = semantic["n"] * row.share / 100 / 1000
    without = f" (without {spent[base.name] / users:,.0f})" if base.name in spent else ""
    return f"fit {(spent[row.name] + spent.get(f'encode {row.encoder}', 0)) / users:,.0f}{without}"


def of_profiles(folders: Sequence[Path]) -> dict[str, Any]:
    """Against no profile as in knowledge.json; the model's texts beside templates against templates alone where both were left."""
    kept = read("knowledge")
    rows = {(row["profiles"], row["reader"]): row for row in kept["rows"]}
    tokens = f"{kept['prompt_tokens'] + kept['completion_tokens']:,} once for {kept['asked']} items, 0 to serve"
    written = f"write once {kept['cpu_seconds']:,.0f} for {kept['asked']} items", tokens
    gaps: dict[tuple[str, str], tuple[float, Mapping[str, Any]]] = {
        (what, reader): (rows["no profile", reader]["recall@10"]["value"], rows[name, reader]["recall@10 - no profile"])
        for what, name in (("profiles by template", "template"), ("profiles by the model", "model, else none"))
        for reader in knowledge.READERS
    }
    left = next((folder for folder in folders if (folder / "by-model.parquet").is_file()), None)
    if left is not None:
        template, model = (read_profiles(left / f"by-{kind}.parquet") for kind in ("template", "model"))
        without = with_item_profiles(knowledge.most_frequent(open_store(left / "store"), kept["items"]), template)
        beside = with_item_profiles(without, model.filter(pc.equal(model["origin"], "model")))
        for reader in knowledge.READERS:
            a, b = (knowledge._evaluated(log, reader) for log in (beside, without))
            found_gap = paired_difference(a["recall@10"], b["recall@10"], groups=a["user"], permutations=1).to_dict()
            gaps["profiles by the model, beside templates", reader] = float(b["recall@10"].mean()), found_gap
    found = {}
    for (what, reader), (base, gap) in gaps.items():
        said = f"{what}, read as `{reader}`"
        named = (said, "ml-100k, cold", "cold", 100, "met 0 times", "recall@10")
        found[said] = _row(named, base, gap, *(written if "model" in what else ("", "0")))
    return found


def of_reranker() -> dict[str, Any]:
    kept, found = read("rerank"), {}
    rows = {row["name"].partition(",")[0]: row for row in kept["rows"]}
    asked = f"serve {kept['cost_per_1000_users']['cpu_seconds']:,.0f}", f"{kept['cost_per_1000_users']['tokens']:,.0f}"
    told = {
        "fused": f"reranker as served, weight {kept['weight']:g}",
        "unguarded": f"reranker, weight {kept['learned']['best']:g}, which the rule did not take",
        "model alone": "reranker, the model alone",
    }
    for name, what in told.items():
        if name in rows:
            cost = ("serve 0: no call", "0") if name == "fused" and kept["weight"] == 0 else asked
            named = (what, f"{kept['data']}, {kept['protocol']}, behind {kept['first_stage']}", "rerank", 100, "", "ndcg@10")
            found[what] = _row(named, rows["first stage"]["ndcg@10"]["value"], rows[name]["ndcg@10 - first stage"], *cost)
    return found


def table(results: Mapping[str, Any]) -> str:
    """What was compared, what was not, and how a larger model is asked."""
    lines = [HEAD, "|---" * (HEAD.count("|") - 1) + "|"]
    for row in (rows := results["rows"].values()):
        of = f"{row['share']} % of the users" + (f", {row['answers']}" if row["answers"] else "")
        cells = [row["what"], row["data"], of, row["metric"], f"{row['n']:,}", f"{row['without']:.4f}", f"{row['with']:.4f}"]
        value, low, high = row["difference"]
        verdict = "**helps**" if low > 0 else "**hurts**" if high < 0 else "not shown"
        cells += [f"{value:+.4f} [{low:+.4f}, {high:+.4f}]", row["cost"], row["tokens"], verdict]
        lines.append(f"| {' | '.join(cells)} |")
    there = {(row["what"], row["part"], row["share"]) for row in rows}
    absent = [(what, row) for what, row, _ in pairs() if (what, row.part, row.share) not in there]
    names = "; ".join(f"{what}, {row.share} %{', by age' if row.part == 'age' else ''}" for what, row in absent)
    left = ["", f"**Not measured:** {names}. `python benchmarks/lift.py DATA --beside DIR ...` fits and compares them."] if names else []
    larger = ["", "**Not shown** with the models that are packaged; a larger one is asked by:", ""]
    return "\n".join(["", *lines, *left, *larger, *(f"- {kind}: `{command}`" for kind, command in LARGER.items())]) + "\n"


def read(name: str) -> dict[str, Any]:
    file = RESULTS.with_name(f"{name}.json")
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def keep(found: Mapping[str, Mapping[str, Any]]) -> None:
    """In the place of what has the same kind and name, behind the rest."""
    results = read("lift")
    for kind, rows in found.items():
        results[kind] = {name: row for name, row in results.get(kind, {}).items() if name not in rows} | dict(rows)
    fresh = RESULTS.with_suffix(".new")
    fresh.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    fresh.replace(RESULTS)


if __name__ == "__main__":
    main()
