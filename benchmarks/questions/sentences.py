"""Whether `check_claims` judges the sentences of this folder rightly, and how fast.

    python benchmarks/questions/sentences.py /path/to/ml-100k [--work DIR] [--tuned]

The argument is the folder with the files of ml-100k, as for `make.py`, which builds the stores. Written to `benchmarks/sentences.json`:
counts for the tuned and the held half of each file. Of the held half nothing else is printed; `--tuned` prints the tuned sentences that
were not judged as they are marked.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from make import SENTENCES, read, stores

from footpath.llm.claims.checker import Checker
from footpath.llm.statements.statements import Judged, Reader

OUT: Final = Path(__file__).resolve().parents[1] / "sentences.json"
WANTED: Final = {True: "true", False: "false", None: "not checkable"}
HALVES: Final = ("tuned", "held")


def outcome(judged: Judged, marked: bool | None) -> str:
    """`right`, `not judged`, `wrongly true` or `wrongly false`: of what cannot be checked, any verdict is wrong."""
    if judged.verdict == WANTED[marked]:
        return "right" if marked is not None else "rightly not judged"
    return "not judged" if judged.verdict == "not checkable" else f"wrongly {judged.verdict}"


def measured(readers: dict[str, Reader], name: str, show: bool) -> dict[str, Any]:
    """Outcomes of one file, by half and language, with the CPU-seconds of each half."""
    counts: dict[str, Counter[str]] = {half: Counter() for half in HALVES}
    by_language: dict[str, Counter[str]] = {}
    seconds = Counter[str]()
    for row in read(name):
        begin = time.process_time()
        judged = readers[row["data"]].judge(row["text"])
        seconds[row["half"]] += time.process_time() - begin
        told = outcome(judged, row["true"])
        counts[row["half"]][told] += 1
        by_language.setdefault(f"{row['half']} {row['lang']}", Counter())[told] += 1
        if show and row["half"] == "tuned" and not told.startswith("right"):
            sys.stdout.write(f"{told}: {row['id']} {row['text']} {judged.why}\n")
    return {
        half: {
            "sentences": sum(counts[half].values()), **dict(sorted(counts[half].items())), "cpu_seconds": round(seconds[half], 1),
            "by_language": {lang: dict(sorted(by_language.get(f"{half} {lang}", Counter()).items())) for lang in ("en", "zh")},
        }
        for half in HALVES
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ml_100k", type=Path, help="the folder with ml-100k.inter.gz")
    parser.add_argument("--work", type=Path, help="where the stores are built and kept; without it a folder that is removed again")
    parser.add_argument("--tuned", action="store_true", help="print the tuned sentences that were not judged as marked")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = told.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        readers = {name: Reader.of(Checker(log)) for name, log in stores(told.ml_100k, work).items()}
        found = {name.removesuffix(".jsonl"): measured(readers, name, told.tuned) for name in SENTENCES}
    OUT.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, halves in found.items():
        for half, counts in halves.items():
            shown = ", ".join(f"{n} {what}" for what, n in counts.items() if what not in ("sentences", "cpu_seconds", "by_language"))
            sys.stdout.write(f"{name}, {half}: {counts['sentences']} sentences: {shown}; {counts['cpu_seconds']} CPU-s\n")


if __name__ == "__main__":
    main()
