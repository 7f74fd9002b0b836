"""On a real log: the integer rule scores in file order and not when shuffled; ranking all items costs what it should."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pyarrow as pa
import pytest

from footpath.evaluation.audit import audit
from footpath.evaluation.protocol import compare_paired, evaluate
from footpath.models.integer_rule import IntegerRule
from footpath.models.popularity import Popularity
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Split
from footpath.sequences.splits import split_last_out
from footpath.sequences.vocabulary import Vocabulary

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def histories(real_data: Path) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    with gzip.open(real_data / "amazon-beauty" / "interactions.csv.gz", "rt") as lines:
        next(lines)
        for line in lines:
            user, item, _ = line.split(",")
            rows.setdefault(user, []).append(item)
    return rows


def beauty(histories: dict[str, list[str]], *, shuffled: bool) -> Split:
    ids = sorted({item for row in histories.values() for item in row}, key=int)
    vocabulary = Vocabulary.build(ids) if shuffled else Vocabulary(pa.array(ids))
    return split_last_out(SequenceDataset.from_lists(histories.values(), vocabulary, list(histories)))


def test_the_integer_rule_reads_the_order_of_the_file(histories: dict[str, list[str]]) -> None:
    parts = beauty(histories, shuffled=False)
    row = evaluate(IntegerRule().fit(parts.refit), parts, name="integer_rule", fitted_on="refit", metrics=["recall"])
    assert row.metrics["recall@10"].value == pytest.approx(0.0463, abs=5e-5)  # what the rule gets on the file as published
    assert audit([row], parts)["id_order"]["verdict"] == "above chance"


def test_a_shuffle_ends_that_and_ranking_is_cheap(histories: dict[str, list[str]]) -> None:
    parts = beauty(histories, shuffled=True)
    started = time.process_time()
    popularity = evaluate(Popularity().fit(parts.refit), parts, name="popularity", fitted_on="refit")
    spent = time.process_time() - started
    assert spent < 4, "22,363 histories by 12,101 items took 0.7 CPU-seconds when this was written"
    rule = evaluate(IntegerRule().fit(parts.refit), parts, name="integer_rule", fitted_on="refit")
    stamp = audit([popularity, rule], parts)
    assert stamp["id_order"]["verdict"] == "near chance"
    assert rule.metrics["recall@10"].value < 0.003
    assert stamp["n_targets"] == 22_363
    assert stamp["cold_target_share"]["refit"] == pytest.approx(52 / 22_363)
    worse = compare_paired([popularity, rule], "popularity", "ndcg@10")[0]
    assert worse.test.high < 0
    assert worse.p_adjusted < 0.001
