"""Ten questions in each language as the command prints the answers, with the embedded language model and with none.

    OMP_NUM_THREADS=1 python benchmarks/questions/transcripts.py /path/to/ml-100k [--work DIR]

Writes `docs/ask-transcripts.md`. The questions are the script's own, not those of the benchmark.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

import make

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "ask-transcripts.md"
QUESTIONS: Final = (
    ("shop", "How many sessions included a purchase in October?"),
    ("shop", "Which five products were viewed most?"),
    ("shop", "What share of loyal customers' purchases were on weekends?"),
    ("shop", "Which category did user u00189 turn away from most?"),
    ("shop", "How often is a view immediately followed by a click?"),
    ("shop", "At what time of day are loyal users most active?"),
    ("shop", "What is the retention after two weeks?"),
    ("shop", "How many cheap products were bought?"),
    ("ml-100k", "What is the average rating of Star Wars by female users?"),
    ("ml-100k", "Why do students like Fargo?"),
    ("shop", "10月第一周有多少人下单？"),
    ("shop", "卖得最好的品牌是哪个？"),
    ("shop", "购买过商品的用户占全部用户的比例是多少？"),
    ("shop", "最近14天的浏览量变化了多少？"),
    ("shop", "用户 u00042 第一次购买是什么时候？"),
    ("shop", "loyal 和 gift 用户谁买得更多？"),
    ("shop", "会话时长的中位数是多少？"),
    ("shop", "昨天有多少次购买？"),
    ("ml-100k", "男性和女性谁的平均评分更高？"),
    ("ml-100k", "哪部电影最好看？"),
)  # fmt: skip


def printed(store: Path, question: str, backend: str, home: Path) -> str:
    """What the command prints; the cache and the ledger of the user are left alone."""
    environment = os.environ | {"XDG_CACHE_HOME": str(home), "XDG_STATE_HOME": str(home), "COLUMNS": "140"}
    command = [sys.executable, "-m", "footpath", "ask", store.name, question, "--llm", backend]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=store.parent, env=environment)
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ml_100k", type=Path, help="the folder with ml-100k.inter.gz")
    parser.add_argument("--work", type=Path, help="where the stores are built and kept; without it a folder that is removed again")
    told = parser.parse_args()
    lines = [
        "# Questions and answers, as printed",
        "",
        "Ten questions in English and ten in Chinese, each asked with no language model and with the embedded one. Written by",
        "`python benchmarks/questions/transcripts.py /path/to/ml-100k`; the shop is simulated (30,000 events, seed 11). How it works:",
        "[ask](ask.md).",
    ]
    with tempfile.TemporaryDirectory() as scratch:
        work = told.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        make.stores(told.ml_100k, work)
        same = 0
        for data, question in QUESTIONS:
            alone, embedded = (printed(work / data, question, backend, Path(scratch)) for backend in ("none", "embedded"))
            lines += ["", f"## {question}", "", "With no model:", "", "```text", alone, "```", ""]
            if embedded == alone:
                same += 1
                lines.append("With the embedded model: the same, to the letter.")
            else:
                lines += ["With the embedded model:", "", "```text", embedded, "```"]
        lines += ["", f"The embedded model changed {len(QUESTIONS) - same} of the {len(QUESTIONS)} answers.", ""]
    PAGE.write_text("\n".join(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
