"""Semantic ids: a short code for every item, digit by digit, whose first digits alike items share.

Vectors of items, of what is written about them and of what occurs near them in training, are cut to their strongest directions; k-means
gives the first digit, k-means of what its centroids leave over the second, and so on. A last digit tells items apart that share the others.

Residual quantization as in Rajput et al., "Recommender systems with generative retrieval", NeurIPS 2023 (https://arxiv.org/abs/2305.05065),
with k-means in the place of RQ-VAE, whose codebooks collapse; seeds of k-means as in Arthur and Vassilvitskii, "k-means++", SODA 2007
(https://dl.acm.org/doi/10.5555/1283383.1283494).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float32, Float64, Int64

from footpath.errors import ConfigError
from footpath.models.histories import event_counts
from footpath.models.item_text import WordWeights, projected, strongest_directions, text_vectors, unit_rows
from footpath.sequences.dataset import ItemFeatures, SequenceDataset

IdsFrom: TypeAlias = Literal["text", "cooccurrence", "text+cooccurrence"]

DIRECTIONS: Final = 64  # of each kind of vectors that are kept
_WORD_DIRECTIONS: Final = 128
NEAR: Final = 5  # events apart, at most, at which two items of a history occur together
PERPLEXITY_FLOOR: Final = 0.1  # of a level, as a share of the digits that it could use
LARGEST_BUCKET: Final = 256
"""So many items may share all digits but the last."""
_FITTED_ON: Final = 2**16  # items, at most
_ROUNDS: Final = 30  # of k-means
_STARTS: Final = 8  # of k-means, where vectors are few: it is not to depend on the luck of one
_FEW: Final = 2**12
_ROWS_AT_ONCE: Final = 2**13
_SAME: Final = 1e-5  # of the root mean square: vectors that differ by less are one


@dataclass(frozen=True)
class Level:
    """How evenly one digit is used, over items that have a vector.

    size: digits that there are. used: those that some item has. perplexity: two to the power of the entropy of their shares, which is
    `size` where all are equally frequent. largest: share of the items with the most frequent digit. left: share of the variance of the
    vectors that the digits up to this one do not say, in [0, 1].
    """

    size: int
    used: int
    perplexity: float
    largest: float
    left: float


@dataclass(frozen=True)
class IdReport:
    """described: items that had a vector; the others got digits at random. levels: the digits before the last.

    buckets: distinct codes without the last digit. collided: share of the items that share theirs. largest_bucket: items of the fullest.
    """

    items: int
    described: int
    levels: tuple[Level, ...]
    buckets: int
    collided: float
    largest_bucket: int


@dataclass(frozen=True, eq=False)
class IdReader:
    """How items that come after the fit get their digits, by what is written about them alone.

    Their vectors, of the words and directions that the fit knew or of the encoder that it was given, are `(unit vector - mean) @ turn`, and
    are compared with the first columns of the centroids: the others are of co-occurrence. words, directions: None with an encoder.
    """

    mean: Float64[np.ndarray, " V"]
    turn: Float64[np.ndarray, "V D"]
    centroids: tuple[Float32[np.ndarray, "C W"], ...]
    words: WordWeights | None = None
    directions: Float32[np.ndarray, "U V"] | None = None

    def digits(self, features: ItemFeatures, rng: np.random.Generator) -> Int64[np.ndarray, "N L"]:
        """Of each item after row 0; at random for one of which nothing is known. Raises ConfigError, DataError."""
        width = len(self.mean)
        if self.words is not None and self.directions is not None:
            vectors = self.words.rows(features) @ self.directions
        elif features.vectors is not None and features.vectors.shape[1] == width:
            vectors = text_vectors(features) if features.vectors[1:].any() else np.zeros_like(features.vectors)
        else:
            found = "none" if features.vectors is None else f"some of {features.vectors.shape[1]}"
            raise ConfigError(f"the model was fitted with item vectors of {width} numbers, got {found}: encode the items as it was fitted")
        turned, known = _turned(unit_rows(vectors), self.mean, self.turn), vectors.any(axis=1)
        digits = encode(turned, [table[:, : turned.shape[1]] for table in self.centroids])
        for level, table in enumerate(self.centroids):
            digits[~known, level] = rng.integers(0, len(table), int((~known).sum()))
        digits[0] = 0
        return digits

    def state(self) -> dict[str, np.ndarray]:
        """As named arrays."""
        found = {"ids.mean": self.mean, "ids.turn": self.turn}
        found |= {f"ids.centroids.{level}": table for level, table in enumerate(self.centroids)}
        if self.words is not None and self.directions is not None:
            found |= {f"ids.{name}": array for name, array in self.words.state().items()} | {"ids.directions": self.directions}
        return found

    @classmethod
    def restored(cls, state: Mapping[str, np.ndarray]) -> Self | None:
        """The inverse of `state`; None where ids are of co-occurrence alone."""
        if "ids.mean" not in state:
            return None
        own = {name.removeprefix("ids."): np.array(array) for name, array in state.items() if name.startswith("ids.")}
        tables = tuple(own[f"centroids.{level}"] for level in range(sum(name.startswith("centroids.") for name in own)))
        words = WordWeights.restored(own) if "words" in own else None
        return cls(own["mean"], own["turn"], tables, words, own.get("directions"))


@dataclass(frozen=True, eq=False)
class SemanticIds:
    """codes: a row for each item, the last digit telling apart those that share the others; row 0, padding, is zero.

    sizes: how many values each digit has. reader: for items that come later; None without text.
    """

    codes: Int64[np.ndarray, "N L"]
    sizes: tuple[int, ...]
    report: IdReport
    reader: IdReader | None

    def __len__(self) -> int:
        """N: items and padding."""
        return len(self.codes)


def semantic_ids(train: SequenceDataset, *, ids_from: IdsFrom, levels: int = 3, codes: int = 256, seed: int = 0) -> SemanticIds:
    """Of all items of the vocabulary; centroids and co-occurrence are those of items with training events.

    An item without training events is given the nearest centroids by its text alone, one without a vector digits at random.
    Raises ConfigError where no item has what `ids_from` names, where a digit's perplexity is below `PERPLEXITY_FLOOR`, or where more than
    `LARGEST_BUCKET` items share all digits.
    """
    counts = event_counts(train)
    text, cooccurrence = _vectors_of(train, ids_from, seed)
    parts = [part for part in (text, cooccurrence) if part is not None]
    vectors = np.concatenate([part.vectors for part in parts], axis=1)
    present = np.concatenate([np.repeat(part.known[:, None], part.vectors.shape[1], axis=1) for part in parts], axis=1)
    rng = np.random.default_rng(seed)
    described = np.asarray(present.any(axis=1))
    learned = described & (counts > 0) if (described & (counts > 0)).any() else described
    centroids = residual_kmeans(vectors[learned], levels, codes, rng)
    digits = encode(vectors, centroids, present)
    absent = np.flatnonzero(~described)
    for level, table in enumerate(centroids):
        digits[absent, level] = rng.integers(0, len(table), len(absent))
    digits[0] = 0
    last = last_digits(digits, counts)
    report = _report(vectors, digits, described, centroids, last)
    _check(report, ids_from)
    sizes = (*(len(table) for table in centroids), int(last.max(initial=0)) + 1)
    reader = None
    if text is not None:
        reader = IdReader(text.mean, text.turn, tuple(centroids), text.words, text.directions)
    return SemanticIds(np.concatenate([digits, last[:, None]], axis=1), sizes, report, reader)


@dataclass(frozen=True, eq=False)
class _Part:
    """Vectors of one kind, their mean square length 1 over the items that have some, and how they were made."""

    vectors: Float32[np.ndarray, "N D"]
    known: Bool[np.ndarray, " N"]
    mean: Float64[np.ndarray, " V"]
    turn: Float64[np.ndarray, "V D"]
    words: WordWeights | None = None
    directions: Float32[np.ndarray, "U V"] | None = None


def _vectors_of(train: SequenceDataset, ids_from: IdsFrom, seed: int) -> tuple[_Part | None, _Part | None]:
    """Of text and of co-occurrence, as far as they are wanted; with both, a log whose items have no text has the second alone."""
    kinds = ids_from.split("+")
    features = train.item_features
    words = directions = text = None
    if "text" in kinds:
        if features is not None and features.vectors is not None:
            text = text_vectors(features)
        elif features is not None:
            words = WordWeights.of(features)
            rows = words.rows(features)
            directions = strongest_directions(rows, _WORD_DIRECTIONS, seed)
            text = rows @ directions
        if text is None or not text.any():
            text = None
            if len(kinds) == 1:
                raise ConfigError(
                    "ids_from=text needs titles, texts, categories, attributes or vectors of items, and this log has none: add an item "
                    "table, or set ids_from=cooccurrence"
                )
    near = cooccurrence_vectors(train, seed=seed) if "cooccurrence" in kinds else None
    return (
        None if text is None else _strongest(unit_rows(text), words, directions),
        None if near is None else _strongest(near),
    )


def cooccurrence_vectors(train: SequenceDataset, dim: int = DIRECTIONS, *, seed: int = 0) -> Float32[np.ndarray, "N V"]:
    """Unit rows of the strongest directions of how much more often than by chance items occur near one another.

    Positive pointwise mutual information of pairs at most `NEAR` events apart, a pair j apart counting 1 / j, projected by its truncated
    SVD (Levy and Goldberg, "Neural word embedding as implicit matrix factorization", NIPS 2014). Zeros for items without company.
    """
    rows, items, n = train.rows, train.items, train.n_items
    pairs = sp.csr_matrix((n, n), dtype=np.float64)
    for apart in range(1, NEAR + 1):
        near = (rows[apart:] == rows[:-apart]) & (items[apart:] > 0) & (items[:-apart] > 0)
        left, right = items[:-apart][near], items[apart:][near]
        pairs += sp.csr_matrix((np.full(len(left), 1 / apart), (left, right)), shape=(n, n))
    pairs = sp.coo_matrix(pairs + pairs.T)
    other = pairs.row != pairs.col
    left, right, weight = pairs.row[other], pairs.col[other], pairs.data[other]
    if not len(weight):
        return np.zeros((n, 1), np.float32)
    sums = np.bincount(left, weight, n)
    information = np.log(weight * weight.sum() / (sums[left] * sums[right]))
    above = information > 0
    table = sp.csr_matrix((information[above].astype(np.float32), (left[above], right[above])), shape=(n, n))
    return unit_rows(projected(table, dim, seed)) if table.nnz else np.zeros((n, 1), np.float32)


def residual_kmeans(
    vectors: Float32[np.ndarray, "M V"], levels: int, codes: int, rng: np.random.Generator
) -> list[Float32[np.ndarray, "C V"]]:
    """The centroids of each level; fewer than `codes` where fewer vectors are distinct."""
    if len(vectors) > _FITTED_ON:
        vectors = vectors[np.sort(rng.choice(len(vectors), _FITTED_ON, replace=False))]
    rest = vectors.astype(np.float32)
    size = np.sqrt(np.square(rest).mean()) if rest.size else 0.0
    centroids = []
    for _ in range(levels):
        table = _kmeans(rest, codes, size, rng)
        rest = rest - table[nearest(rest, table)]
        centroids.append(table)
    return centroids


def encode(
    vectors: Float32[np.ndarray, "M V"], centroids: Sequence[Float32[np.ndarray, "C V"]], present: Bool[np.ndarray, "M V"] | None = None
) -> Int64[np.ndarray, "M L"]:
    """The nearest centroid of each level, of what those before it leave over.

    present: which numbers of a vector are known; the others are not compared. None for all.
    """
    digits = np.zeros((len(vectors), len(centroids)), np.int64)
    if present is None:
        present = np.ones(vectors.shape, bool)
    kinds, kind_of = np.unique(present, axis=0, return_inverse=True)
    for kind, known in enumerate(kinds):
        some = np.flatnonzero(kind_of.reshape(-1) == kind)
        rest = vectors[some][:, known]
        for level, table in enumerate(centroids):
            digits[some, level] = nearest(rest, table[:, known])
            rest = rest - table[digits[some, level]][:, known]
    return digits


def nearest(vectors: Float32[np.ndarray, "M V"], table: Float32[np.ndarray, "C V"]) -> Int64[np.ndarray, " M"]:
    """The row of the table at the smallest distance; the first of equal ones."""
    found = np.empty(len(vectors), np.int64)
    half = np.square(table).sum(axis=1) / 2
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        found[start : start + _ROWS_AT_ONCE] = (half - vectors[start : start + _ROWS_AT_ONCE] @ table.T).argmin(axis=1)
    return found


def last_digits(digits: Int64[np.ndarray, "N L"], counts: Float32[np.ndarray, " N"]) -> Int64[np.ndarray, " N"]:
    """0, 1, ... among the items that share all digits, by falling number of events, then by index; 0 for padding."""
    order = np.lexsort((np.arange(len(digits)), -counts, *digits.T[::-1]))
    order = order[order > 0]
    last = np.zeros(len(digits), np.int64)
    if len(order):
        begins = np.concatenate([[True], (digits[order[1:]] != digits[order[:-1]]).any(axis=1)])
        starts = np.flatnonzero(begins)
        last[order] = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    return last


@dataclass(frozen=True, eq=False)
class Trie:
    """The codes that exist, as a tree: the nodes of depth l are the distinct first l + 1 digits, in lexicographic order.

    parents[l], digits[l]: of each node of depth l, the node that it hangs from (0, the root, at depth 0) and its digit. firsts[l]: for each
    node above depth l, its first child there, and the end: node p's children are firsts[l][p] to firsts[l][p + 1].
    items: of each leaf; paths: of each item of the vocabulary, its node at every depth, -1 where it is not in the tree.
    """

    parents: tuple[Int64[np.ndarray, " n"], ...]
    digits: tuple[Int64[np.ndarray, " n"], ...]
    firsts: tuple[Int64[np.ndarray, " p"], ...]
    items: Int64[np.ndarray, " M"]
    paths: Int64[np.ndarray, "N L"]

    @classmethod
    def of(cls, codes: Int64[np.ndarray, "N L"], items: Int64[np.ndarray, " M"]) -> Self:
        """Of these items, whose codes must differ."""
        depths = codes.shape[1]
        items = items[np.lexsort(codes[items].T[::-1])]
        rows = codes[items]
        paths = np.full(codes.shape, -1, np.int64)
        parents, digits, firsts = [], [], []
        above, n_above = np.zeros(len(items), np.int64), 1
        new = np.zeros(len(items), bool)
        if len(items):
            new[0] = True
        for depth in range(depths):
            new[1:] |= rows[1:, depth] != rows[:-1, depth]
            nodes = np.cumsum(new) - 1
            first = np.flatnonzero(new)
            parents.append(above[first])
            digits.append(rows[first, depth])
            firsts.append(np.searchsorted(above[first], np.arange(n_above + 1)))
            paths[items, depth] = nodes
            above, n_above = nodes, len(first)
        if n_above != len(items):
            raise ValueError(f"{len(items)} items have {n_above} codes: codes must differ")
        return cls(tuple(parents), tuple(digits), tuple(firsts), items, paths)

    @property
    def depths(self) -> int:
        return len(self.digits)


def report_arrays(report: IdReport) -> Mapping[str, np.ndarray]:
    """The report as arrays, to be kept with a model."""
    levels = [[level.size, level.used, level.perplexity, level.largest, level.left] for level in report.levels]
    whole = [report.items, report.described, report.buckets, report.collided, report.largest_bucket]
    return {"report.levels": np.array(levels, np.float64).reshape(-1, 5), "report": np.array(whole, np.float64)}


def report_of(arrays: Mapping[str, np.ndarray]) -> IdReport:
    """The inverse of `report_arrays`."""
    items, described, buckets, collided, largest = arrays["report"].tolist()
    levels = tuple(Level(int(a), int(b), *rest) for a, b, *rest in arrays["report.levels"].tolist())
    return IdReport(int(items), int(described), levels, int(buckets), collided, int(largest))


def _strongest(
    vectors: Float32[np.ndarray, "N V"], words: WordWeights | None = None, directions: Float32[np.ndarray, "U V"] | None = None
) -> _Part:
    """The principal directions of the rows that are filled, at most `DIRECTIONS`, around their mean."""
    known = np.asarray(vectors.any(axis=1))
    known[0] = False
    width, kept = vectors.shape[1], max(1, min(DIRECTIONS, vectors.shape[1]))
    if not known.any():
        return _Part(np.zeros((len(vectors), kept), np.float32), known, np.zeros(width), np.zeros((width, kept)), words, directions)
    rows = vectors[known].astype(np.float64)
    mean = rows.mean(axis=0)
    rows -= mean
    _, turn = np.linalg.eigh(rows.T @ rows)
    turn = turn[:, ::-1][:, :kept]
    length = np.sqrt(np.square(rows @ turn).sum(axis=1).mean())
    turn = turn / length if length > _SAME else np.zeros_like(turn)
    return _Part(_turned(vectors, mean, turn), known, mean, turn, words, directions)


def _turned(
    vectors: Float32[np.ndarray, "N V"], mean: Float64[np.ndarray, " V"], turn: Float64[np.ndarray, "V D"]
) -> Float32[np.ndarray, "N D"]:
    """Rows of zeros, of which nothing is known, stay."""
    known = np.asarray(vectors.any(axis=1))
    found = np.zeros((len(vectors), turn.shape[1]), np.float32)
    found[known] = (vectors[known].astype(np.float64) - mean) @ turn
    return found


def _kmeans(vectors: Float32[np.ndarray, "M V"], k: int, size: float, rng: np.random.Generator) -> Float32[np.ndarray, "C V"]:
    """Lloyd's iterations from k-means++; a cluster that becomes empty starts again at the vector that is farthest from its centroid.

    size: root mean square of the numbers that were there before the first level.
    """
    if not size or not len(vectors):
        return np.zeros((1, vectors.shape[1]), np.float32)
    distinct = np.unique(np.round(vectors / (size * _SAME)), axis=0, return_index=True)[1]
    if len(distinct) <= k:
        return vectors[np.sort(distinct)]
    squares = np.square(vectors).sum(axis=1)
    found = [_lloyd(vectors, squares, _seeds(vectors, k, rng)) for _ in range(_STARTS if len(vectors) <= _FEW else 1)]
    return min(found, key=lambda table: float(_away(vectors, squares, table, nearest(vectors, table)).sum(dtype=np.float64)))


def _lloyd(
    vectors: Float32[np.ndarray, "M V"], squares: Float32[np.ndarray, " M"], table: Float32[np.ndarray, "C V"]
) -> Float32[np.ndarray, "C V"]:
    k, chosen = len(table), np.full(len(vectors), -1)
    for _ in range(_ROUNDS):
        before, chosen = chosen, nearest(vectors, table)
        if (before == chosen).all():
            break
        counts = np.bincount(chosen, minlength=k)
        sums = sp.csr_matrix((np.ones(len(chosen), np.float32), (chosen, np.arange(len(chosen)))), shape=(k, len(chosen))) @ vectors
        table = np.divide(sums, counts[:, None], out=table.copy(), where=counts[:, None] > 0).astype(np.float32)
        empty = np.flatnonzero(counts == 0)
        if len(empty):
            table[empty] = vectors[np.argsort(-_away(vectors, squares, table, chosen), kind="stable")[: len(empty)]]
    return table


def _away(
    vectors: Float32[np.ndarray, "M V"],
    squares: Float32[np.ndarray, " M"],
    table: Float32[np.ndarray, "C V"],
    chosen: Int64[np.ndarray, " M"],
) -> Float32[np.ndarray, " M"]:
    """Squared distance of each vector from its centroid."""
    own = table[chosen]
    return squares - 2 * (vectors * own).sum(axis=1) + np.square(own).sum(axis=1)


def _seeds(vectors: Float32[np.ndarray, "M V"], k: int, rng: np.random.Generator) -> Float32[np.ndarray, "C V"]:
    """Each drawn with a probability in proportion to its squared distance from those before."""
    squares = np.square(vectors, dtype=np.float64).sum(axis=1)
    chosen = [int(rng.integers(len(vectors)))]
    away = np.full(len(vectors), np.inf)
    while True:
        newest = vectors[chosen[-1]]
        away = np.minimum(away, np.maximum(0, squares - 2 * (vectors @ newest) + np.square(newest, dtype=np.float64).sum()))
        if len(chosen) == k:
            return vectors[chosen]
        sums = np.cumsum(away)
        chosen.append(min(int(np.searchsorted(sums, rng.random() * sums[-1], side="right")), len(vectors) - 1))


def _report(
    vectors: Float32[np.ndarray, "N V"],
    digits: Int64[np.ndarray, "N L"],
    described: Bool[np.ndarray, " N"],
    centroids: Sequence[Float32[np.ndarray, "C V"]],
    last: Int64[np.ndarray, " N"],
) -> IdReport:
    some = np.flatnonzero(described)
    rest = vectors[some].astype(np.float32)
    whole = float(np.square(rest, dtype=np.float64).sum())
    levels = []
    for level, table in enumerate(centroids):
        rest = rest - table[digits[some, level]]
        counts = np.bincount(digits[some, level], minlength=len(table))
        shares = counts[counts > 0] / max(1, len(some))
        left = float(np.square(rest, dtype=np.float64).sum()) / whole if whole else 0.0
        perplexity = float(2 ** -(shares * np.log2(shares)).sum())
        levels.append(Level(len(table), int((counts > 0).sum()), perplexity, float(shares.max(initial=0)), min(1.0, left)))
    n = len(digits) - 1
    buckets, sizes = np.unique(digits[1:], axis=0, return_counts=True)
    collided = float(sizes[sizes > 1].sum() / n) if n else 0.0
    return IdReport(n, len(some), tuple(levels), len(buckets), collided, int(last[1:].max(initial=0)) + 1)


def _check(report: IdReport, ids_from: IdsFrom) -> None:
    other = "ids_from=text+cooccurrence" if ids_from == "text" else "vectors of another encoder"
    for number, level in enumerate(report.levels, 1):
        if level.perplexity < PERPLEXITY_FLOOR * level.size:
            raise ConfigError(
                f"digit {number} of the semantic ids has collapsed: its perplexity is {level.perplexity:.1f} of {level.size}, the floor is "
                f"{PERPLEXITY_FLOOR:g} of these, and {level.largest:.0%} of {report.described} items share one value: "
                f"set codes lower, or give items more to tell them apart ({other})"
            )
    if report.largest_bucket > LARGEST_BUCKET:
        raise ConfigError(
            f"{report.largest_bucket} items share all {len(report.levels)} digits of their semantic ids, and the last digit tells "
            f"{LARGEST_BUCKET} apart at most: give them different texts, set levels or codes higher, or try {other}"
        )
