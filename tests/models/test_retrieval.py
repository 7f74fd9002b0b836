"""An index finds what brute force finds, and a model that retrieves recommends what it would by its scores."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footpath import recommender
from footpath.errors import ConfigError
from footpath.models import catalog
from footpath.models.retrieval import ExactIndex
from footpath.recommender import Retriever, recommend
from footpath.sequences.dataset import SequenceDataset
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
