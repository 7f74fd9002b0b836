"""What is written about items, as numbers: weighted words, dense vectors of them, and vectors without a direction that all items share.

TF-IDF as in Salton, Buckley, "Term-weighting approaches in automatic text retrieval", IPM 1988
(https://doi.org/10.1016/0306-4573(88)90021-0); its truncated SVD is the latent semantic analysis of Deerwester et al., JASIS 1990.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Float64
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


@dataclass(frozen=True, eq=False)
class WordWeights:
    """The words that a fit met, by column, and how much each tells items apart: what it takes to read further items alike."""

    columns: Mapping[str, int]
    idf: Float32[np.ndarray, " W"]

    @classmethod
    def of(cls, features: ItemFeatures) -> WordWeights:
        """Of all words of these items: `log(1 + N / df)`."""
        columns: dict[str, int] = {}
        items_with: Counter[int] = Counter()
        for i in range(1, len(features.titles)):
            items_with.update({columns.setdefault(token, len(columns)) for token in _tokens(features, i)})
        counts = np.array([items_with[column] for column in range(len(columns))], np.int64)
        return cls(columns, np.log1p(len(features.titles) / counts, dtype=np.float32))

    def rows(self, features: ItemFeatures) -> sp.csr_matrix:
        """(N, words) unit rows of `(1 + log tf) * idf` over title, text, category and attributes; other words count for nothing.

        Row 0 and items without words are empty.
        """
        counts: list[int] = []
        indices: list[int] = []
        indptr = [0, 0]
        for i in range(1, len(features.titles)):
            found = Counter(column for token in _tokens(features, i) if (column := self.columns.get(token)) is not None)
            counts.extend(found.values())
            indices.extend(found)
            indptr.append(len(indices))
        shape = (len(indptr) - 1, len(self.columns))
        frequency = sp.csr_matrix((1 + np.log(np.array(counts, np.float32)), np.array(indices, np.int32), indptr), shape=shape)
        frequency.data *= self.idf[frequency.indices]
        frequency.sort_indices()
        return unit_rows(frequency)

    def state(self) -> dict[str, np.ndarray]:
        """As named arrays, the words as JSON."""
        return {"words": np.frombuffer(json.dumps(list(self.columns)).encode(), np.uint8), "idf": self.idf}

    @classmethod
    def restored(cls, state: Mapping[str, np.ndarray]) -> WordWeights:
        """The inverse of `state`."""
        words = json.loads(np.asarray(state["words"]).tobytes())
        return cls({word: column for column, word in enumerate(words)}, np.array(state["idf"]))


def tfidf(features: ItemFeatures) -> sp.csr_matrix:
    """(N, words) unit rows of `(1 + log tf) * log(1 + N / df)` over title, text, category and attributes.

    Row 0 and items without words are empty.
    """
    return WordWeights.of(features).rows(features)


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
    return _vectors_and_words(features, dim, seed)[0]


def _vectors_and_words(
    features: ItemFeatures | None, dim: int, seed: int
) -> tuple[Float32[np.ndarray, "N V"], WordWeights | None, Float32[np.ndarray, "W V"] | None]:
    """Vectors and, where they are of words, the weights and directions that they are made with."""
    if dim < 1:
        raise ConfigError(f"dim of text vectors must be at least 1, got {dim}")
    if features is None:
        raise ConfigError(
            f"item text needs an item table, and this log has none: add one with titles, texts, categories, attributes or vectors, "
            f"{_ANOTHER_TABLE}"
        )
    weights = directions = None
    if features.vectors is None:
        weights = WordWeights.of(features)
        rows = weights.rows(features)
        directions = strongest_directions(rows, dim, seed)
        vectors = rows @ directions
    else:
        vectors = _own(features.vectors)
    if not vectors.any():
        raise ConfigError(
            f"item text needs words or vectors, and the item table is empty for all {len(vectors) - 1} items of the log: "
            f"check its item ids and columns, {_ANOTHER_TABLE}"
        )
    return vectors, weights, directions


@dataclass(frozen=True, eq=False)
class Whitening:
    """What turns vectors into white ones: `(vector - mean) @ matrix`, zero vectors staying zero."""

    mean: Float64[np.ndarray, " V"]
    matrix: Float64[np.ndarray, "V V"]

    @classmethod
    def of(cls, vectors: Float32[np.ndarray, "N V"], *, shrinkage: float = 0.0) -> Whitening:
        """That of `whiten`; raises ConfigError."""
        if not 0 <= shrinkage <= 1:
            raise ConfigError(f"shrinkage must be between 0 and 1, got {shrinkage}")
        rows = vectors[1:][vectors[1:].any(axis=1)].astype(np.float64)
        width = vectors.shape[1]
        if not len(rows):
            return cls(np.zeros(width), np.eye(width))
        rounding = _ROUNDING * np.square(rows).mean()
        mean = rows.mean(axis=0)
        rows -= mean
        variances, directions = np.linalg.eigh(rows.T @ rows / len(rows))  # ascending
        variances = (1 - shrinkage) * variances + shrinkage * variances.mean()
        scale = 1 / np.sqrt(np.maximum(variances, max(_SMALLEST_VARIANCE * variances[-1], rounding)))
        return cls(mean, (directions * scale) @ directions.T)

    @classmethod
    def of_sample(cls, vectors: Float32[np.ndarray, "N V"]) -> Whitening:
        """With shrinkage V / (V + n) for the n items that have a vector.

        Fewer items than directions could all be made equally far from one another, which would leave nothing of what they have in common.
        """
        width, filled = vectors.shape[1], int(vectors[1:].any(axis=1).sum())
        return cls.of(vectors, shrinkage=width / max(1, width + filled))

    def apply(self, vectors: Float32[np.ndarray, "N V"]) -> Float32[np.ndarray, "N V"]:
        """Row 0 and rows of zeros are zero."""
        filled = 1 + np.flatnonzero(vectors[1:].any(axis=1))
        white = np.zeros(vectors.shape, np.float32)
        white[filled] = (vectors[filled].astype(np.float64) - self.mean) @ self.matrix
        return white


def whiten(vectors: Float32[np.ndarray, "N V"], *, shrinkage: float = 0.0) -> Float32[np.ndarray, "N V"]:
    """Zero mean and unit covariance over the items that have a vector, turned as little as possible (ZCA); other rows and row 0 are zero.

    shrinkage: in [0, 1], how far all variances are drawn to their mean before they are divided by: 0 makes every direction equally strong,
    1 only centres and scales. Directions that hardly vary stay small: nothing is divided by less than a millionth of the largest variance.
    Raises ConfigError. Full and relaxed whitening of item texts: Zhang et al., "Are ID embeddings necessary? Whitening pre-trained text
    embeddings for effective sequential recommendation" (WhitenRec), 2024 (https://arxiv.org/abs/2402.10602); it relaxes by whitening
    groups of dimensions instead.
    """
    return Whitening.of(vectors, shrinkage=shrinkage).apply(vectors)


@dataclass(frozen=True, eq=False)
class TextReader:
    """How a fit read what is written about its items, so that items which come later are read alike: same words, same whitening.

    words, directions: None where the features bring vectors of their own; those of later items must then be of the same encoder.
    """

    whitening: Whitening
    words: WordWeights | None = None
    directions: Float32[np.ndarray, "W V"] | None = None

    @classmethod
    def fitted(cls, features: ItemFeatures | None, dim: int = 128, *, seed: int = 0) -> tuple[Self, Float32[np.ndarray, "N V"]]:
        """The reader, and `text_vectors(features, dim)` in white; raises what that raises."""
        vectors, words, directions = _vectors_and_words(features, dim, seed)
        reader = cls(Whitening.of_sample(vectors), words, directions)
        return reader, reader.whitening.apply(vectors)

    def read(self, features: ItemFeatures) -> Float32[np.ndarray, "N V"]:
        """White vectors of further items; zeros where nothing of an item is known. Raises ConfigError, DataError."""
        if self.words is not None and self.directions is not None:
            return self.whitening.apply(self.words.rows(features) @ self.directions)
        width = len(self.whitening.mean)
        if features.vectors is None or features.vectors.shape[1] != width:
            found = "none" if features.vectors is None else f"some of {features.vectors.shape[1]}"
            raise ConfigError(f"the model was fitted with item vectors of {width} numbers, got {found}: encode the items as it was fitted")
        return self.whitening.apply(_own(features.vectors))

    def state(self) -> dict[str, np.ndarray]:
        """As named arrays."""
        found = {"text.mean": self.whitening.mean, "text.matrix": self.whitening.matrix}
        if self.words is not None and self.directions is not None:
            found |= {f"text.{name}": array for name, array in self.words.state().items()} | {"text.directions": self.directions}
        return found

    @classmethod
    def restored(cls, state: Mapping[str, np.ndarray]) -> Self | None:
        """The inverse of `state`; None where a model was saved without, as models without text and by earlier versions are."""
        if "text.matrix" not in state:
            return None
        own = {name.removeprefix("text."): np.array(array) for name, array in state.items() if name.startswith("text.")}
        words = WordWeights.restored(own) if "words" in own else None
        return cls(Whitening(own["mean"], own["matrix"]), words, own.get("directions"))


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
    """Rows times their strongest right singular vectors."""
    return rows @ strongest_directions(rows, dim, seed)


def strongest_directions(rows: sp.csr_matrix, dim: int, seed: int) -> Float32[np.ndarray, "W V"]:
    """At most `dim` right singular vectors, by subspace iteration (Halko, Martinsson, Tropp, SIAM Review 2011)."""
    if not rows.nnz:
        return np.zeros((rows.shape[1], 0), np.float32)
    width = min(dim + _SPARE_DIRECTIONS, *rows.shape)
    basis = np.random.default_rng(seed).standard_normal((rows.shape[1], width), np.float32)
    for _ in range(_POWER_ITERATIONS):
        basis = lu(rows.T @ (rows @ basis), permute_l=True)[0]  # (words, width); as good as QR here, at a fraction of its cost
    basis = np.linalg.qr(basis).Q
    _, singular, turns = np.linalg.svd(np.linalg.qr(rows @ basis).R)
    kept = min(dim, int((singular > _SMALLEST_SINGULAR * singular[0]).sum()))
    return basis @ turns[:kept].T
