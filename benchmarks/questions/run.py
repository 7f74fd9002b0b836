"""Ask the questions and count what is answered, what of it is right, and what is refused.

    OMP_NUM_THREADS=1 python benchmarks/questions/run.py /path/to/ml-100k [--work DIR] [--write] [--misses]

The argument is the folder with `ml-100k.inter.gz`; both logs are built as `make.py` does. Every question is asked with rules alone and
with the embedded language model. Of `held.jsonl` and the half b of `fresh.jsonl` only totals are printed; `--misses` shows the misses of
the other two. `--write` writes `benchmarks/questions.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import make

from footpath.events.log import EventLog
from footpath.llm.ask.analyst import Analyst, Answer
from footpath.llm.gateway.gateway import Gateway, GatewaySettings

WRITTEN: Final = Path(__file__).resolve().parents[1] / "questions.json"
BACKENDS: Final = ("none", "embedded")
SETS: Final = {"tuned": ("tuned.jsonl", ""), "held": ("held.jsonl", ""), "fresh a": (make.FRESH, "a"), "fresh b": (make.FRESH, "b")}
"""File and half of each set."""
SEEN: Final = ("tuned", "fresh a")
"""Those whose single questions may be looked at when the planner is changed."""


@dataclass
class Totals:
    """Of some questions. answered, right, wrong: of those that can be answered; refused, shown (wrongly): of those that need not be."""

    answerable: int = 0
    answered: int = 0
    right: int = 0
    wrong: int = 0
    unanswerable: int = 0
    refused: int = 0
    shown: int = 0
    model: Counter[str] = field(default_factory=Counter)
    model_cpu_seconds: float = 0.0

    def add(self, row: Mapping[str, Any], answer: Answer) -> bool:
        """Count an answer; whether it is as it should be."""
        given = not answer.refused
        self.model[answer.proposal.outcome] += 1
        self.model_cpu_seconds += answer.proposal.cpu_seconds
        if not row["answerable"]:
            fine = not given or (row.get("answer") is not None and is_right(row, answer))
            self.unanswerable += 1
            self.refused += not given
            self.shown += not fine
            return fine
        good = given and is_right(row, answer)
        self.answerable += 1
        self.answered += given
        self.right += good
        self.wrong += given and not good
        return good

    def to_dict(self) -> dict[str, Any]:
        told = {name: value for name, value in vars(self).items() if name not in ("model", "model_cpu_seconds")}
        return told | {"model": dict(self.model), "model_cpu_seconds": round(self.model_cpu_seconds, 2)}


def is_right(row: Mapping[str, Any], answer: Answer) -> bool:
    """Whether an answer is the stored one: numbers within the tolerance, days where the day is right, names and lists exactly.

    A name may be written another way that means the same (`Answer.also`): the id of an item, `2024-10` for October. Where a wording has
    several right answers, any of them.
    """
    if row.get("answers") is not None:
        return any(is_right({**row, "answer": gold, "answers": None}, answer) for gold in row["answers"])
    gold, value = row["answer"], answer.value
    if isinstance(gold, list):
        return isinstance(value, list) and [str(name) for name in value] == [str(name) for name in gold]
    names = {str(name).casefold() for name in (value, *answer.also)}
    if isinstance(gold, str):
        if isinstance(value, datetime):
            return value.isoformat().startswith(gold) or gold.startswith(value.isoformat(timespec="seconds"))
        return gold.casefold() in names
    if isinstance(value, str):
        return str(gold) in names
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    tolerance = row.get("tolerance", {"abs": 0})
    return math.isclose(value, gold, rel_tol=tolerance.get("rel", 0.0), abs_tol=max(tolerance.get("abs", 0.0), 1e-9))


def asked(logs: Mapping[str, EventLog], name: str, gateway: Gateway | None) -> Iterator[tuple[dict[str, Any], Answer]]:
    """Every question of a set with its answer."""
    analysts = {data: Analyst(log) for data, log in logs.items()}
    file, half = SETS[name]
    for row in make.read(file):
        if row["data"] in analysts and (not half or row["half"] == half):
            yield row, analysts[row["data"]].answer(row["question"], gateway=gateway)


def totals(logs: Mapping[str, EventLog], name: str, gateway: Gateway | None = None) -> dict[str, Totals]:
    """Of a set, in all and in each language. Nothing of a single question is kept."""
    found = {part: Totals() for part in ("all", "en", "zh")}
    for row, answer in asked(logs, name, gateway):
        for part in ("all", row["lang"]):
            found[part].add(row, answer)
    return found


def _misses(logs: Mapping[str, EventLog], name: str) -> Iterator[str]:
    for row, answer in asked(logs, name, None):
        if not Totals().add(row, answer):
            yield f"{row['id']} {row['question']}\n    {answer.text}\n    wanted {row.get('answers') or row.get('answer')!r}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ml_100k", type=Path, help="the folder with ml-100k.inter.gz")
    parser.add_argument("--work", type=Path, help="where the stores are built and kept; without it a folder that is removed again")
    parser.add_argument("--llm", choices=BACKENDS, action="append", help="only this one; both, unless said")
    parser.add_argument("--write", action="store_true", help=f"write {WRITTEN.name}")
    parser.add_argument("--misses", action="store_true", help=f"show the misses of {' and '.join(SEEN)}, never of the others")
    told = parser.parse_args()
    written: dict[str, Any] = {"command": "python benchmarks/questions/run.py /path/to/ml-100k --write", "results": {}}
    with tempfile.TemporaryDirectory() as scratch:
        work = told.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        logs = make.stores(told.ml_100k, work)
        for backend in told.llm or BACKENDS:
            gateway = None if backend == "none" else Gateway(GatewaySettings(backend, cache=None, ledger=work / "egress.jsonl"))
            for name in SETS:
                started = time.process_time()
                found = totals(logs, name, gateway)
                seconds = time.process_time() - started
                written["results"].setdefault(backend, {})[name] = {part: total.to_dict() for part, total in found.items()} | {
                    "cpu_seconds": round(seconds, 1)
                }
                for part, total in found.items():
                    sys.stdout.write(f"{backend:9} {name:7} {part:4} {line(total)}\n")
                sys.stdout.write(f"{'':18} {seconds:.1f} CPU-s; model: {dict(found['all'].model)}\n")
        if told.misses:
            for name in SEEN:
                sys.stdout.write("".join(f"{text}\n" for text in _misses(logs, name)))
    if told.write:
        WRITTEN.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return 0


def line(t: Totals) -> str:
    return (
        f"answered {t.answered} of {t.answerable}, right {t.right}, wrong {t.wrong}; "
        f"refused {t.refused} of {t.unanswerable} that have no answer, {t.shown} shown"
    )


if __name__ == "__main__":
    sys.exit(main())
