"""Lists of items that are good and unlike one another: maximal marginal relevance, and determinantal point processes.

Carbonell, Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing summaries", SIGIR 1998
(https://doi.org/10.1145/290941.291025). Chen, Zhang, Zhou, "Fast greedy MAP inference for determinantal point process to improve
recommendation diversity", NeurIPS 2018 (https://arxiv.org/abs/1709.05135).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from footpath.errors import ConfigError
from footpath.models.histories import incidence
from footpath.models.item_text import projected, text_vectors, unit_rows, whiten
from footpath.sequences.dataset import SequenceDataset

_WIDTH: Final = 32  # of the vectors by which items are alike
_LEAST: Final = np.float32(1e-30)  # probability that is told apart from none
_SINGULAR: Final = 1e-10  # what an item adds to the volume; below it, rounding is all there is


def mmr(relevance: Float64[np.ndarray, " n"], similarity: Float64[np.ndarray, "n n"], k: int, trade_off: float) -> Int64[np.ndarray, " k"]:
    """Places of k items, each the best by trade_off x relevance - (1 - trade_off) x its largest similarity to those before.

    trade_off: in [0, 1]; 1 ranks by relevance alone. The first of equal ones is taken. Raises ConfigError.
    """
    k = _checked(relevance, similarity, k, trade_off)
    chosen = np.zeros(k, np.int64)
    nearest, left = np.zeros(len(relevance)), np.ones(len(relevance), bool)
    for place in range(k):
        best = int(np.argmax(np.where(left, trade_off * relevance - (1 - trade_off) * nearest, -np.inf)))
        chosen[place], left[best] = best, False
        nearest = similarity[best] if place == 0 else np.maximum(nearest, similarity[best])
    return chosen


def dpp(relevance: Float64[np.ndarray, " n"], similarity: Float64[np.ndarray, "n n"], k: int, trade_off: float) -> Int64[np.ndarray, " k"]:
    """Places of k items, each the one that adds most to trade_off x sum of relevance + (1 - trade_off) x log det of similarity.

    similarity: positive semidefinite. Greedy, by a Cholesky factor that grows by a row an item: O(n k^2). Where nothing more adds volume,
    what is left follows by relevance. trade_off: in [0, 1]; 1 ranks by relevance alone. The first of equal ones is taken.
    Raises ConfigError.
    """
    k = _checked(relevance, similarity, k, trade_off)
    chosen: list[int] = []
    left = np.ones(len(relevance), bool)
    volume = np.diag(similarity).astype(np.float64)  # squared: what each item would add
    factor = np.zeros((k, len(relevance)))
    while len(chosen) < k and (able := left & (volume > _SINGULAR)).any():
        gain = np.full(len(relevance), -np.inf)
        gain[able] = trade_off * relevance[able] + (1 - trade_off) * np.log(volume[able])
        best, place = int(np.argmax(gain)), len(chosen)
        factor[place] = (similarity[best] - factor[:place, best] @ factor[:place]) / np.sqrt(volume[best])
        volume -= factor[place] ** 2
        chosen.append(best)
        left[best] = False
    rest = np.flatnonzero(left)
    rest = rest[np.argsort(-relevance[rest], kind="stable")]
    return np.concatenate([np.array(chosen, np.int64), rest[: k - len(chosen)]])


def _checked(relevance: np.ndarray, similarity: np.ndarray, k: int, trade_off: float) -> int:
    """How many can be chosen; raises ConfigError."""
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}")
    if not 0 <= trade_off <= 1:
        raise ConfigError(f"trade_off must be in 0 to 1, got {trade_off}")
    n = len(relevance)
    if similarity.shape != (n, n):
        raise ConfigError(f"similarity of {n} items must have shape {(n, n)}, got {similarity.shape}")
    return min(k, n)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates of each history in the order of the first stage, index 0 behind them."""

    items: Int32[np.ndarray, "B C"]
    scores: Float64[np.ndarray, "B C"]

    @property
    def standard(self) -> Float64[np.ndarray, "B C"]:
        """Scores less their mean, over their standard deviation; 0 where all are equal."""
        real = self.items > 0
        n = np.maximum(real.sum(axis=1, keepdims=True), 1)
        away = np.where(real, self.scores - self.scores.sum(axis=1, keepdims=True) / n, 0)  # scores are 0 where there is no item
        spread = np.sqrt((away**2).sum(axis=1, keepdims=True) / n)
        rounding = 1e-9 * np.abs(self.scores).max(axis=1, keepdims=True, initial=0.0)
        return np.divide(away, spread, out=np.zeros_like(away), where=spread > rounding)


def merged(
    every: tuple[Int32[np.ndarray, "B n"], Float32[np.ndarray, "B n"]],
    unseen: tuple[Int32[np.ndarray, "B n"], Float32[np.ndarray, "B n"]],
    histories: SequenceDataset,
) -> Candidates:
    """The best unseen items, and the seen ones among the best of all, in one order."""
    seen = seen_among(every[0], histories)
    items = np.concatenate([unseen[0], np.where(seen, every[0], 0)], axis=1)
    scores = np.concatenate([unseen[1], np.where(seen, every[1], -np.inf)], axis=1).astype(np.float64)
    order = np.lexsort((items, -scores), axis=1)
    width = int((items > 0).sum(axis=1).max(initial=0))
    items, scores = (np.take_along_axis(column, order, axis=1)[:, :width] for column in (items, scores))
    return Candidates(items, np.where(items > 0, scores, 0.0))


def seen_among(items: Int32[np.ndarray, "B C"], histories: SequenceDataset) -> Bool[np.ndarray, "B C"]:
    n_items = histories.n_items
    pairs = histories.rows.astype(np.int64) * n_items + histories.items
    return np.isin(np.arange(len(items))[:, None] * n_items + items, pairs) & (items > 0)


def falling(likely: Float64[np.ndarray, "B C"], order: Int64[np.ndarray, "B C"]) -> Float32[np.ndarray, "B C"]:
    """What is likely, made to fall strictly along the order: each at most what stands before it, less the last bit."""
    values = np.take_along_axis(likely, order, axis=1).astype(np.float32)
    tiny = np.abs(values) < _LEAST
    values[tiny] = _LEAST
    for place in range(1, values.shape[1]):
        values[:, place] = np.minimum(values[:, place], np.nextafter(values[:, place - 1], np.float32(-np.inf)))
    values[np.isneginf(np.take_along_axis(likely, order, axis=1))] = -np.inf
    scores = np.empty_like(values)
    np.put_along_axis(scores, order, values, axis=1)
    return scores


def floor_of(answers: Float32[np.ndarray, "B C"]) -> Float64[np.ndarray, "B 1"]:
    """What all other items are below: 0, or the least answer of the row where that is less, as a rating may be."""
    return np.where(np.isfinite(answers), answers, 0).min(axis=1, initial=0.0)[:, None].astype(np.float64)


def scores_above(table: Float32[np.ndarray, "B N"], found: Candidates, answers: Float32[np.ndarray, "B C"]) -> Float32[np.ndarray, "B N"]:
    """Answers at the candidates; at all other items the floor less the share of them that the first stage puts before, itself included."""
    n_items = table.shape[1]
    rows, columns = np.nonzero(np.isfinite(answers))
    ranked = np.zeros(table.shape, bool)
    ranked[rows, found.items[rows, columns]] = True
    order = np.argsort(-table, axis=1, kind="stable")
    order = np.concatenate([order[order != 0].reshape(len(table), n_items - 1), np.zeros((len(table), 1), order.dtype)], axis=1)
    passed = np.cumsum(~np.take_along_axis(ranked, order, axis=1), axis=1)
    scores = np.empty(table.shape, np.float32)
    np.put_along_axis(scores, order, (floor_of(answers) - passed / n_items).astype(np.float32), axis=1)
    scores[rows, found.items[rows, columns]] = answers[rows, columns]
    return scores


def best_of(items: Int32[np.ndarray, "B C"], scores: np.ndarray, k: int) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
    """The k best items of each row, index 0 and -inf where there are fewer."""
    order = np.lexsort((items, -scores), axis=1)[:, :k]
    values = np.take_along_axis(scores, order, axis=1).astype(np.float32)
    return np.where(np.isneginf(values), 0, np.take_along_axis(items, order, axis=1)).astype(np.int32), values


def likeness_vectors(data: SequenceDataset, seed: int, *, or_takers: bool) -> Float32[np.ndarray, "N V"]:
    """Unit vectors of items, 32 wide at most, whose cosines say how alike they are; zero where nothing is known.

    Of what is written about them beside their category, whitened; where nothing is, and or_takers, of who took them: cosines of the
    users in common, on the strongest directions. No column where neither is to be had.
    """
    if data.item_features is not None:
        features = dataclasses.replace(data.item_features, categories=[""] * data.n_items)
        try:
            vectors = text_vectors(features, _WIDTH, seed=seed)
        except ConfigError:  # no item has a word or a vector
            pass
        else:
            narrow = vectors if vectors.shape[1] <= _WIDTH else projected(sp.csr_matrix(vectors), _WIDTH, seed)
            return unit_rows(whiten(narrow)).astype(np.float32)
    if not or_takers:
        return np.zeros((data.n_items, 0), np.float32)
    return unit_rows(projected(unit_rows(incidence(data).T.tocsr()), _WIDTH, seed)).astype(np.float32)
