"""What is written about items, as numbers: weighted words, dense vectors of them, and vectors without a direction that all items share.

TF-IDF as in Salton, Buckley, "Term-weighting approaches in automatic text retrieval", IPM 1988
(https://doi.org/10.1016/0306-4573(88)90021-0); its truncated SVD is the latent semantic analysis of Deerwester et al., JASIS 1990.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32
from scipy.linalg import lu
from scipy.sparse.linalg import norm

from footpath.errors import ConfigError, DataError
from footpath.sequences.dataset import ItemFeatures

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana and Han: written without spaces
_RUNS = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|[^\W_{_UNSPACED}]+")
_SPARE_DIRECTIONS: Final = 32
_POWER_ITERATIONS: Final = 8  # on 12 thousand titles, 128 directions then hold all but 0.2 % of what the best 128 hold
_SMALLEST_SINGULAR: Final = 1e-5  # of the largest: below it, single precision has only noise
_SMALLEST_VARIANCE: Final = 1e-6  # of the largest
_ROUNDING: Final = 1e-12  # variance, as a share of the mean square, that single precision can leave in rows that are all the same
_ANOTHER_TABLE: Final = "or set item_table=id, which reads no text"


def words(text: str) -> Iterator[str]:
    """Lower-case words; of a run of characters that are written without spaces, such as Chinese, all pairs of neighbours."""
    for run in _RUNS.finditer(unicodedata.normalize("NFKC", text).lower()):
        found = run.group()
        if run["unspaced"] and len(found) > 1:
            yield from (found[i : i + 2] for i in range(len(found) - 1))
        else:
            yield found


def tfidf(features: ItemFeatures) -> sp.csr_matrix:
    """(N, words) unit rows of `(1 + log tf) * log(1 + N / df)` over title, text, category and attributes.

    Row 0 and items without words are empty.
    """
    columns: dict[str, int] = {}
    counts: list[int] = []
    indices: list[int] = []
    indptr = [0, 0]
    for i in range(1, len(features.titles)):
        found = Counter(_tokens(features, i))
        counts.extend(found.values())
        indices.extend(columns.setdefault(token, len(columns)) for token in found)
        indptr.append(len(indices))
    shape = (len(indptr) - 1, len(columns))
    frequency = sp.csr_matrix((1 + np.log(np.array(counts, np.float32)), np.array(indices, np.int32), indptr), shape=shape)
    items_with = np.bincount(frequency.indices, minlength=shape[1])
    frequency.data *= np.log1p(shape[0] / items_with, dtype=np.float32)[frequency.indices]
    frequency.sort_indices()
    return unit_rows(frequency)


def unit_rows(rows: np.ndarray | sp.csr_matrix) -> np.ndarray | sp.csr_matrix:
    """Rows of length 1; rows of zeros stay."""
    if isinstance(rows, np.ndarray):
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, lengths, out=np.zeros(rows.shape, np.float32), where=lengths > 0)
    lengths = norm(rows, axis=1)
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0).astype(np.float32)
    return sp.csr_matrix(sp.diags_array(scale) @ rows)


def text_vectors(features: ItemFeatures | None, dim: int = 128, *, seed: int = 0) -> Float32[np.ndarray, "N V"]:
    """The features' own vectors, as wide as they are, where there are any; else TF-IDF projected on its `dim` strongest directions.

    V is smaller than `dim` where the words span fewer directions. Row 0 and items without words are zero. Raises ConfigError where no item
    has a word or a vector, DataError where a vector of the features is not finite.
    """
    if dim < 1:
        raise ConfigError(f"dim of text vectors must be at least 1, got {dim}")
    if features is None:
        raise ConfigError(
            f"item text needs an item table, and this log has none: add one with titles, texts, categories, attributes or vectors, "
            f"{_ANOTHER_TABLE}"
        )
    vectors = projected(tfidf(features), dim, seed) if features.vectors is None else _own(features.vectors)
    if not vectors.any():
        raise ConfigError(
            f"item text needs words or vectors, and the item table is empty for all {len(vectors) - 1} items of the log: "
            f"check its item ids and columns, {_ANOTHER_TABLE}"
        )
    return vectors


def whiten(vectors: Float32[np.ndarray, "N V"], *, shrinkage: float = 0.0) -> Float32[np.ndarray, "N V"]:
    """Zero mean and unit covariance over the items that have a vector, turned as little as possible (ZCA); other rows and row 0 are zero.

    shrinkage: in [0, 1], how far all variances are drawn to their mean before they are divided by: 0 makes every direction equally strong,
    1 only centres and scales. Directions that hardly vary stay small: nothing is divided by less than a millionth of the largest variance.
    Raises ConfigError. Full and relaxed whitening of item texts: Zhang et al., "Are ID embeddings necessary? Whitening pre-trained text
    embeddings for effective sequential recommendation" (WhitenRec), 2024 (https://arxiv.org/abs/2402.10602); it relaxes by whitening
    groups of dimensions instead.
    """
    if not 0 <= shrinkage <= 1:
        raise ConfigError(f"shrinkage must be between 0 and 1, got {shrinkage}")
    filled = 1 + np.flatnonzero(vectors[1:].any(axis=1))
    white = np.zeros(vectors.shape, np.float32)
    rows = vectors[filled].astype(np.float64)
    if not len(rows):
        return white
    rounding = _ROUNDING * np.square(rows).mean()
    rows -= rows.mean(axis=0)
    variances, directions = np.linalg.eigh(rows.T @ rows / len(rows))  # ascending
    variances = (1 - shrinkage) * variances + shrinkage * variances.mean()
    scale = 1 / np.sqrt(np.maximum(variances, max(_SMALLEST_VARIANCE * variances[-1], rounding)))
    white[filled] = rows @ ((directions * scale) @ directions.T)
    return white


def _tokens(features: ItemFeatures, i: int) -> Iterator[str]:
    for text in (features.titles[i], features.texts[i], features.categories[i]):
        yield from words(text)
    if features.categories[i]:
        yield f"category={features.categories[i]}"  # no word holds "="
    yield from (f"attribute={attribute}" for attribute in features.attributes[i])


def _own(vectors: Float32[np.ndarray, "N V"]) -> Float32[np.ndarray, "N V"]:
    vectors = np.array(vectors, np.float32)
    vectors[0] = 0
    if len(broken := np.flatnonzero(~np.isfinite(vectors).all(axis=1))):
        raise DataError(f"{len(broken)} item vectors are not finite, the first is that of item index {broken[0]}: make them again")
    return vectors


def projected(rows: sp.csr_matrix, dim: int, seed: int) -> Float32[np.ndarray, "N V"]:
    """Rows times their strongest right singular vectors, by subspace iteration (Halko, Martinsson, Tropp, SIAM Review 2011)."""
    if not rows.nnz:
        return np.zeros((rows.shape[0], 0), np.float32)
    width = min(dim + _SPARE_DIRECTIONS, *rows.shape)
    basis = np.random.default_rng(seed).standard_normal((rows.shape[1], width), np.float32)
    for _ in range(_POWER_ITERATIONS):
        basis = lu(rows.T @ (rows @ basis), permute_l=True)[0]  # (words, width); as good as QR here, at a fraction of its cost
    basis = np.linalg.qr(basis).Q
    _, singular, turns = np.linalg.svd(np.linalg.qr(rows @ basis).R)
    kept = min(dim, int((singular > _SMALLEST_SINGULAR * singular[0]).sum()))
    return rows @ (basis @ turns[:kept].T)
