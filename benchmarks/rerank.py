"""Does a language model help behind a first stage? The table of `footpath rerank` on MovieLens-100k, kept in benchmarks/rerank.json.

python benchmarks/rerank.py DATA [--users 250]   DATA: the folder with ml-100k/; answers are cached, so that a stopped run goes on
python benchmarks/rerank.py --table                  print what is kept

Protocol loo, first stage EASE, 20 candidates, 4 orders of them, at most 10 events of the user. Seed 0. The weight is learned on
validation users, drawn until `VALIDATION` of them have an answer among the candidates; `--users` of the test users, drawn, are all in the
figures, whether or not their answer is among the candidates.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any, Final

from footpath.events.store import ingest, open_store
from footpath.experiments.rerank import rerank_report
from footpath.llm.gateway.gateway import Gateway, settings_from_environment

RESULTS: Final = Path(__file__).with_name("rerank.json")
VALIDATION: Final = 30


def measure(data: Path, llm: str, llm_model: str, users: int | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        ml = data / "ml-100k"
        ingest([ml / "ml-100k.inter.gz"], store, items=ml / "ml-100k.item.gz", name="ml-100k")
        gateway = Gateway(settings_from_environment(llm, llm_model))
        log = open_store(store)
        report = rerank_report(log, "ease", gateway, protocol="loo", validation_users=VALIDATION, users=users, progress=_said).to_dict()
    return report | _cost(report)


def _cost(report: dict[str, Any]) -> dict[str, Any]:
    """That of before, where all answers came from the cache: a run that makes the same table again measures none."""
    if report["cost_per_1000_users"]["n_users"] or not RESULTS.is_file():
        return {}
    before = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {"cost_per_1000_users": before["cost_per_1000_users"]} if before["language_model"] == report["language_model"] else {}


def _said(what: str, done: int, total: int) -> None:
    if done % 10 == 0:
        print(f"{what}: {done} of {total}", flush=True)


def table(result: dict[str, Any]) -> str:
    lines = ["| order of the candidates | NDCG@10 | Recall@10 | NDCG@10 against the first stage |", "|---|---|---|---|"]
    for row in result["rows"]:
        cells = [_figure(row[name], "value", "") for name in ("ndcg@10", "recall@10")]
        against = "" if row["name"] == "first stage" else _figure(row["ndcg@10 - first stage"], "difference", "+")
        lines.append(f"| {row['name']} | {' | '.join(cells)} | {against} |")
    return "\n".join(lines)


def _figure(figure: dict[str, Any], name: str, sign: str) -> str:
    return f"{figure[name]:{sign}.4f} [{figure['low']:{sign}.4f}, {figure['high']:{sign}.4f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--llm", default="embedded")
    parser.add_argument("--llm-model", default="")
    parser.add_argument("--users", type=int, default=250)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if not arguments.table:
        if arguments.data is None:
            parser.error("DATA is needed: the folder with ml-100k/")
        found = measure(arguments.data, arguments.llm, arguments.llm_model, arguments.users)
        RESULTS.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(table(json.loads(RESULTS.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
