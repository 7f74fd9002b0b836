"""The table of what language models added: its verdicts are read off intervals, and its figures are those of the benchmarks it reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "benchmarks" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def printed(code: str) -> str:
    """In a process of its own, for the benchmark sets threads where it is imported."""
    before = "import sys; sys.path.insert(0, 'benchmarks'); import lift; "
    return subprocess.run([sys.executable, "-c", before + code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def difference_of(row: dict[str, Any]) -> list[float]:
    return [row["difference"], row["low"], row["high"]]


def test_the_table_of_the_page_is_that_of_the_compared_rows() -> None:
    """`python benchmarks/lift.py --table` writes it."""
    page = (ROOT / "docs" / "lift.md").read_text(encoding="utf-8")
    assert page.endswith(printed("print(lift.MARK + lift.table(lift.read('lift')), end='')"))


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((0.001, 0.02), "**helps**"), ((-0.02, -0.001), "**hurts**"), ((-0.001, 0.02), "not shown"), ((0.0, 0.02), "not shown")],
)
def test_a_verdict_says_on_which_side_of_zero_the_interval_lies(interval: tuple[float, float], verdict: str) -> None:
    row = {"what": "reranker", "data": "d", "part": "rerank", "share": 100, "answers": "", "metric": "ndcg@10", "n": 250}
    row |= {"without": 0.1, "with": 0.11, "difference": [0.01, *interval], "cost": "", "tokens": "0"}
    line = next(line for line in printed(f"print(lift.table({{'rows': {{'x': {row!r}}}}}))").splitlines() if "| reranker |" in line)
    assert line.endswith(f"| {verdict} |")
    assert f"| 250 | 0.1000 | 0.1100 | +0.0100 [{interval[0]:+.4f}, {interval[1]:+.4f}] |" in line


def test_what_was_not_compared_is_named_with_the_command() -> None:
    said = printed("print(lift.table({'rows': {}}))")
    assert "**Not measured:** text vectors, `static`, 1 %;" in said
    assert "; semantic ids, 100 %; semantic ids, against another fit of `sasrec`, 100 %. `python benchmarks/lift.py DATA" in said


def test_figures_are_those_of_the_benchmarks_that_measured_them() -> None:
    """A row that is out of date: run `python benchmarks/lift.py` with their work folders once more."""
    rows = read("lift")["rows"]
    expected = {"semantic ids, against another fit of `sasrec` | users 100 % | all": read("semantic_ids")["against tiger"]["ndcg@10"]}
    for row in read("knowledge")["rows"]:
        what = {"template": "profiles by template", "model, else none": "profiles by the model"}.get(row["profiles"])
        if what:
            expected[f"{what}, read as `{row['reader']}`"] = difference_of(row["recall@10 - no profile"])
    rerank = {row["name"]: row["ndcg@10 - first stage"] for row in read("rerank")["rows"]}
    expected["reranker, the model alone"] = difference_of(rerank["model alone"])
    expected[f"reranker as served, weight {read('rerank')['weight']:g}"] = difference_of(rerank["fused"])
    for pair, found in read("item_text")["paired"].items():
        for encoder in ("static", "minilm", "tfidf"):
            for share in (1, 10, 100):
                same = f"curve {share}% sasrec id+text {encoder} 0 | curve {share}% sasrec id 0 | ndcg@10 | all"
                key = f"text vectors, `{encoder}` | curve {share} % | all"
                if pair == same and key in rows:
                    expected[key] = found["difference"]
    assert len(expected) >= 10
    for key, difference in expected.items():
        assert rows[key]["difference"] == pytest.approx(difference, abs=5e-5), key
