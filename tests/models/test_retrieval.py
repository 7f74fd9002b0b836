"""An index finds what brute force finds, and a model that retrieves recommends what it would by its scores."""

from __future__ import annotations

import sys
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath import recommender
from footpath.errors import ConfigError, MissingExtraError
from footpath.evaluation.protocol import evaluate
from footpath.models import catalog, retrieval
from footpath.models.gru4rec import GRU4Rec
from footpath.models.retrieval import ExactIndex, FaissIndex
from footpath.recommender import Retriever, recommend
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout, Split
from footpath.sequences.vocabulary import Vocabulary

SEQUENCE_MODELS = [m["name"] for m in catalog.describe() if m["family"] in ("recurrence", "convolution", "attention")]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(2, 200), st.integers(1, 220), st.booleans())
def test_finds_what_brute_force_finds_with_ties_and_without_seen_items(seed: int, n: int, k: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    draw = (lambda *shape: rng.integers(-2, 3, shape).astype(np.float32)) if coarse else (lambda *s: rng.normal(size=s).astype(np.float32))
    table, queries = draw(n, 4), draw(3, 4)
    vocabulary = Vocabulary.build([f"i{i}" for i in range(n - 1)])
    seen = SequenceDataset(
        vocabulary, ["a", "b", "c"], np.array([0, 0, 5, 9]), rng.integers(0, n, 9).astype(np.int32)  # type: ignore[arg-type]
    )  # fmt: skip
    indexes, scores = ExactIndex(table, chunk=32).search(queries, k, seen=seen)
    for b in range(3):
        values = (table.astype(np.float64) * queries[b].astype(np.float64)).sum(1).astype(np.float32)
        allowed = [i for i in range(1, n) if i not in set(seen.items[seen.offsets[b] : seen.offsets[b + 1]].tolist())]
        best = sorted(allowed, key=lambda i: (-values[i], i))[:k]
        assert indexes[b].tolist() == best + [0] * (k - len(best))
        assert np.allclose(scores[b, : len(best)], values[best], rtol=1e-6, atol=1e-7)
        assert np.isneginf(scores[b, len(best) :]).all()


def best_by_hand(table: np.ndarray, query: np.ndarray, k: int, barred: set[int] | None = None) -> tuple[list[int], list[float]]:
    values = (table.astype(np.float64) * query.astype(np.float64)).sum(1).astype(np.float32)
    allowed = [i for i in range(1, len(table)) if i not in (barred or set())]
    best = sorted(allowed, key=lambda i: (-values[i], i))[:k]
    return best + [0] * (k - len(best)), [float(values[i]) for i in best] + [-np.inf] * (k - len(best))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**31),
    st.sampled_from([2, 100, 2048, 2049, 5000]),
    st.sampled_from([1, 10, 300]),
    st.sampled_from(["normal", "coarse", "equal", "near", "wild", "tiny", "huge"]),
)
def test_in_bytes_finds_what_brute_force_finds(seed: int, n: int, k: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    table, queries = rng.normal(size=(n, 5)).astype(np.float32), rng.normal(size=(2, 5)).astype(np.float32)
    match kind:
        case "coarse":
            table, queries = rng.integers(-2, 3, (n, 5)).astype(np.float32), rng.integers(-2, 3, (2, 5)).astype(np.float32)
        case "equal":
            table[:] = table[0]
        case "near":  # apart by less than a byte can tell
            table = (10 + 1e-5 * table).astype(np.float32)
        case "wild":
            table *= 10.0 ** rng.integers(-12, 13, (n, 5))
        case "tiny":
            table *= np.float32(1e-38)
        case "huge":  # sums on the way to a product may be too large for float32
            table, queries = table * np.float32(1e17), queries * np.float32(5e19)
    items = rng.integers(0, n, 12).astype(np.int32)
    vocabulary = Vocabulary.build([f"i{i}" for i in range(n - 1)])
    seen = SequenceDataset(vocabulary, ["a", "b"], np.array([0, 4, 12]), items)  # type: ignore[arg-type]
    with patch.object(retrieval, "_BYTES_FROM", 1), patch.object(ExactIndex, "_maxima", side_effect=AssertionError("a product")) as product:
        if kind == "huge":
            product.side_effect = None
            product.return_value = torch.zeros(2, -(-n // 4096) * 256)  # every group is on the bar
        index = ExactIndex(table)
        indexes, scores = index.search(queries, k, seen=seen)
    for b, barred in enumerate((set(items[:4].tolist()), set(items[4:].tolist()))):
        best, values = best_by_hand(table, queries[b], k, barred)
        assert indexes[b].tolist() == best
        np.testing.assert_array_equal(scores[b], np.array(values, np.float32))


def test_few_and_many_queries_find_the_same_in_a_large_table() -> None:
    rng = np.random.default_rng(3)
    table = rng.normal(size=(retrieval._BYTES_FROM + 37, 12)).astype(np.float32)
    queries = rng.normal(size=(20, 12)).astype(np.float32)
    index = ExactIndex(table)
    many, few = index.search(queries, 10), index.search(queries[:5], 10)
    assert index._bytes is not None
    for of_many, of_few in zip(many, few, strict=True):
        np.testing.assert_array_equal(of_many[:5], of_few)
    assert many[0][7].tolist() == best_by_hand(table, queries[7], 10)[0]


def test_no_product_is_wider_than_a_chunk_of_items() -> None:
    rng = np.random.default_rng(0)
    index = ExactIndex(rng.normal(size=(1000, 8)).astype(np.float32), chunk=64)
    widths: list[int] = []
    from torch import Tensor

    true = Tensor.__matmul__

    def watched(a: Tensor, b: Tensor) -> Tensor:
        widths.append(b.shape[1] * len(a))
        return true(a, b)

    with patch.object(Tensor, "__matmul__", watched):
        index.search(rng.normal(size=(130, 8)).astype(np.float32), 5)
    assert widths
    assert max(widths) == 64 * 64


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_what_is_not_finite(bad: float) -> None:
    table = np.ones((3, 2), np.float32)
    with pytest.raises(ConfigError, match="queries must be finite"):
        ExactIndex(table).search(np.full((1, 2), bad, np.float32), 1)
    table[1, 0] = bad
    with pytest.raises(ConfigError, match="finite vectors"):
        ExactIndex(table)
    with pytest.raises(ConfigError, match="finite vectors"):
        FaissIndex(table, np.ones((1, 2), np.float32))


def test_refuses_an_empty_table_other_numbers_and_queries_of_another_width() -> None:
    with pytest.raises(ConfigError, match=r"table of \(N, D\) vectors, padding included, got shape \(0, 4\)"):
        ExactIndex(np.zeros((0, 4), np.float32))
    with pytest.raises(ConfigError, match=r"vectors of float32, got float64"):
        ExactIndex(np.zeros((3, 4)))
    index = ExactIndex(np.ones((3, 4), np.float32))
    with pytest.raises(ConfigError, match=r"queries must be \(B, 4\) as the table is, got shape \(1, 3\)"):
        index.search(np.ones((1, 3), np.float32), 1)
    with pytest.raises(ConfigError, match="queries must be float32, got float64"):
        index.search(np.ones((1, 4)), 1)
    with pytest.raises(ConfigError, match="k must be at least 1, got 0"):
        index.search(np.ones((1, 4), np.float32), 0)


def test_more_than_the_catalogue_holds_is_the_catalogue() -> None:
    table = np.arange(8, dtype=np.float32).reshape(4, 2)
    for index in (ExactIndex(table), FaissIndex(table, np.ones((1, 2), np.float32), k=9, wanted=1.0)):
        indexes, scores = index.search(np.ones((1, 2), np.float32), 9)
        assert indexes.tolist() == [[3, 2, 1, 0, 0, 0, 0, 0, 0]]
        assert scores[0, :3].tolist() == [13, 9, 5]
        assert np.isneginf(scores[0, 3:]).all()


def clustered(n: int = 4001, dim: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, dim))
    table = (centres[rng.integers(40, size=n)] + 0.3 * rng.normal(size=(n, dim))).astype(np.float32)
    return table, (centres[rng.integers(40, size=200)] + 0.3 * rng.normal(size=(200, dim))).astype(np.float32)


def test_faiss_looks_into_as_many_cells_as_the_wanted_recall_takes_and_says_what_it_found() -> None:
    table, queries = clustered()
    some, most = FaissIndex(table, queries[:100], wanted=0.5), FaissIndex(table, queries[:100], wanted=0.99)
    assert some.probes < most.probes < 64
    assert 0.5 <= some.recall < most.recall
    assert most.recall >= 0.99
    indexes, scores = most.search(queries[100:], 10)
    exact, exact_scores = ExactIndex(table).search(queries[100:], 10)
    shared = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(indexes.tolist(), exact.tolist(), strict=True)])
    assert most.recall_against_exact(queries[100:], 10) == pytest.approx(shared)
    assert shared > 0.95
    same = (indexes == exact).all(1)
    assert same.sum() > 50
    np.testing.assert_array_equal(scores[same], exact_scores[same])
    assert f"recall={most.recall}" in repr(most)


def test_faiss_that_looks_into_all_cells_is_exact_and_finds_no_seen_item() -> None:
    table, queries = clustered(n=500)
    rng = np.random.default_rng(1)
    vocabulary = Vocabulary.build([f"i{i}" for i in range(499)])
    users = SequenceDataset.from_lists([[]] * 30).users
    seen = SequenceDataset(vocabulary, users, np.arange(31) * 7, rng.integers(0, 500, 210).astype(np.int32))
    index = FaissIndex(table, queries[:20], wanted=1.0, cells=4)
    index._faiss.nprobe = 4
    for found, exact in zip(index.search(queries[:30], 12, seen=seen), ExactIndex(table).search(queries[:30], 12, seen=seen), strict=True):
        np.testing.assert_array_equal(found, exact)
    assert index.recall_against_exact(queries, 5) == 1.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"wanted": 0.0}, "must be above 0 and at most 1, got 0.0"),
        ({"wanted": 1.5}, "must be above 0 and at most 1, got 1.5"),
        ({"cells": 500}, "cells must be from 1 to the 3 rows of the table, got 500"),
        ({"cells": 0}, "cells must be from 1 to the 3 rows of the table, got 0"),
        ({"sample": np.ones((0, 2), np.float32)}, "a sample of queries to measure its recall on, got none"),
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"table": np.ones((1, 2), np.float32)}, "an item beside padding, got a table of row 0 alone"),
    ],
)
def test_faiss_refuses(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FaissIndex(**{"table": np.ones((4, 2), np.float32), "sample": np.ones((1, 2), np.float32)} | settings)


def test_faiss_that_is_not_installed_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"needs faiss, which is not installed; run: pip install 'footpath\[faiss\]'"):
        FaissIndex(np.ones((4, 2), np.float32), np.ones((1, 2), np.float32))


def test_a_model_retrieves_by_an_index_of_its_own_vectors_only() -> None:
    rng = np.random.default_rng(2)
    rows = [[f"i{i}" for i in rng.integers(0, 300, 8)] for _ in range(60)]
    train = SequenceDataset.from_lists([*rows, [], ["unknown"]])
    model = GRU4Rec(dim=8, epochs=1, max_len=8).fit(train)
    index = FaissIndex(model.item_vectors(), model.states(train), wanted=1.0)
    for found, exact in zip(model.retrieve(train, 7, index=index), model.retrieve(train, 7), strict=True):
        np.testing.assert_allclose(found, exact)
    with pytest.raises(ConfigError, match=r"the index holds \(4, 2\) vectors, GRU4Rec has \(\d+, 8\)"):
        model.retrieve(train, 7, index=ExactIndex(np.ones((4, 2), np.float32)))


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("name", SEQUENCE_MODELS)
def test_retrieving_recommends_what_scoring_does(name: str, repeat: bool) -> None:
    rng = np.random.default_rng(1)
    rows = [[f"i{i}" for i in rng.integers(0, 40, rng.integers(3, 12))] for _ in range(30)]
    train = SequenceDataset.from_lists(rows, times=np.arange(sum(map(len, rows))) * 1_000_000)
    model = catalog.create(name, dim=8, epochs=1, max_len=8).fit(train)
    assert isinstance(model, Retriever)
    asked = [*rows[:6], [], ["unknown"], ["unknown", "i1"]]
    histories = SequenceDataset.from_lists(asked, train.vocabulary, times=np.arange(sum(map(len, asked))) * 1_000_000)
    by_score = recommend(model, histories, 7, repeat=repeat)
    with patch.object(recommender, "RETRIEVE_FROM", 1), patch.object(type(model), "score", side_effect=AssertionError("scored all")):
        retrieved = recommend(model, histories, 7, repeat=repeat)
    np.testing.assert_allclose(retrieved.scores, by_score.scores, rtol=1e-5, atol=1e-5)
    table = model.score(histories)
    np.testing.assert_allclose(np.take_along_axis(table, retrieved.indexes, 1), by_score.scores, rtol=1e-5, atol=1e-5)
    assert all(len(set(row.tolist())) == 7 for row in retrieved.indexes)


@pytest.mark.parametrize("repeat", [False, True])
def test_a_model_that_retrieves_is_evaluated_as_one_that_scores(repeat: bool) -> None:
    rng = np.random.default_rng(4)
    rows = [[f"i{i}" for i in rng.integers(0, 40, rng.integers(4, 12))] for _ in range(120)]
    log = SequenceDataset.from_lists(rows)
    histories = log.prefixes(np.arange(120), log.lengths - 1)
    last = log.items[log.offsets[1:] - 1]
    split = Split("loo", histories, None, Holdout(histories, np.arange(121), last), log, repeat=repeat)
    model = GRU4Rec(dim=8, epochs=2, max_len=8).fit(histories)
    by_score = evaluate(model, split, metrics=["recall", "ndcg", "coverage"])
    with patch.object(recommender, "RETRIEVE_FROM", 1), patch.object(type(model), "score", side_effect=AssertionError("scored all")):
        retrieved = evaluate(model, split, metrics=["recall", "ndcg", "coverage"])
    assert retrieved.metrics == by_score.metrics
    assert 0 < by_score.metrics["recall@10"].value < 1
