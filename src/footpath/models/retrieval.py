"""The best items for many queries among many vectors, without a queries x items table in memory.

`ExactIndex` passes over all scores, roughly, and keeps the maxima of groups of 16. A group whose maximum lies further below the k-th
largest maximum than the roughness can explain holds no item of the answer; the others are scored again in float64, so the answer is exact.
`FaissIndex` looks at a part of the vectors only, and says how much of the exact answer it finds.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int32, Int64, UInt8
from torch import Tensor

from footpath.errors import ConfigError, MissingExtraError
from footpath.sequences.dataset import SequenceDataset

_GROUP: Final = 16
_QUERIES: Final = 64  # at once; then scores of one chunk are 1 MiB
_TINY: Final = 2.0**-120  # more than what underflows in a product of any width
_LANES: Final = 128  # rows of the table that share the scales of their bytes
_BYTES_FROM: Final = 2**16  # rows; with fewer, a product costs little
_EXACT_ROWS: Final = 2**13  # scored at once in float64
_FEW: Final = 8  # queries; for so few, a pass over bytes costs less than a product


class Index(Protocol):
    """Finds the rows of a table that have the largest inner products with queries."""

    table: Float32[np.ndarray, "N D"]

    def search(
        self, queries: Float32[np.ndarray, "B D"], k: int, *, seen: SequenceDataset | None = None
    ) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
        """Rows and scores, best first, never row 0; index 0 and score -inf where there are fewer. seen: items that are not found."""
        ...


@dataclass(eq=False)
class ExactIndex:
    """Inner products with the rows of a table; row 0 is never found. The table is kept, not copied.

    chunk: rows that are scored at once, a multiple of 16. For up to eight queries of a table of 65,536 rows or more, the first such search
    makes a copy of the table in bytes, a quarter of its size. Raises ConfigError where a vector is not finite.
    """

    table: Float32[np.ndarray, "N D"]
    chunk: int = 2**12
    _table: Tensor = field(init=False, repr=False)
    _longest: float = field(init=False, repr=False)
    _bytes: _Bytes | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if self.chunk < _GROUP or self.chunk % _GROUP:
            raise ConfigError(f"chunk must be a multiple of {_GROUP}, got {self.chunk}")
        self._table = torch.from_numpy(_checked_table(self.table))
        self._longest = _longest(self._table, self.chunk)

    def search(
        self, queries: Float32[np.ndarray, "B D"], k: int, *, seen: SequenceDataset | None = None
    ) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
        """The k best rows of each query, best first, equal scores by index; index 0 and score -inf where there are fewer.

        A score is the float64 inner product, rounded to float32. seen: histories of the queries, whose items are not found.
        Raises ConfigError.
        """
        _check_search(self.table, queries, k, seen)
        indexes, scores = np.zeros((len(queries), k), np.int32), np.full((len(queries), k), -np.inf, np.float32)
        for start in range(0, len(queries), _QUERIES):
            part = torch.from_numpy(np.ascontiguousarray(queries[start : start + _QUERIES]))
            known = None if seen is None else seen.between(start, start + _QUERIES)
            for b, columns in enumerate(self._candidates(part, k, known)):
                if known is not None:
                    columns = columns[~np.isin(columns, known.history(b))]
                values = _exact(self._table, part[b], columns)
                best = np.lexsort((columns, -values))[:k]
                indexes[start + b, : len(best)], scores[start + b, : len(best)] = columns[best], values[best]
        return indexes, scores

    def _candidates(self, queries: Float32[Tensor, "B D"], k: int, seen: SequenceDataset | None) -> Iterator[Int64[np.ndarray, " C"]]:
        """For each query, rows among which its answer is."""
        lengths = torch.linalg.vector_norm(queries.double(), dim=1)
        longest = lengths * self._longest  # no score is larger
        rough = self._in_bytes() if len(queries) <= _FEW else None
        if rough is not None and lengths.max() * rough.reach < 2.0**126:
            for b, query in enumerate(queries):
                barred = None if seen is None else torch.from_numpy(seen.history(b).astype(np.int64))
                yield self._members(rough.groups(query, k, longest[b].item(), barred), _GROUP * _LANES)
            return
        maxima = self._maxima(queries, seen)
        n = maxima.shape[1]
        bars = maxima.topk(k, dim=1).values[:, -1] if k <= n else torch.full((len(queries),), -torch.inf)
        slack = 2 * ((queries.shape[1] + 2) * 2.0**-23 * longest + _TINY)
        lowest = torch.nextafter((bars.double() - slack).float(), torch.tensor(-torch.inf))
        for found in (maxima >= lowest[:, None]).numpy():
            yield self._members(np.flatnonzero(found), self.chunk)

    def _maxima(self, queries: Float32[Tensor, "B D"], seen: SequenceDataset | None) -> Float32[Tensor, "B G"]:
        """Of each group of 16 scores; group j of a chunk holds its rows j, j + chunk / 16, ..."""
        rows = items = np.zeros(0, np.int64)
        if seen is not None:
            order = np.argsort(seen.items, kind="stable")
            rows, items = seen.rows[order].astype(np.int64), seen.items[order].astype(np.int64)
        b = len(queries)
        # multiplied by columns, of which 16 cost less than two to fifteen
        columns = F.pad(queries.T, (0, -b % _GROUP if b > 1 else 0)).contiguous()
        width = self.chunk // _GROUP
        maxima = queries.new_empty(b, -(-len(self._table) // self.chunk) * width)
        for start in range(0, len(self._table), self.chunk):
            scores = self._table[start : start + self.chunk] @ columns
            if len(items):
                low, high = np.searchsorted(items, [start, start + self.chunk])
                scores[torch.from_numpy(items[low:high] - start), torch.from_numpy(rows[low:high])] = -torch.inf
            if start == 0:
                scores[0] = -torch.inf
            if len(scores) < self.chunk:
                scores = F.pad(scores, (0, 0, 0, self.chunk - len(scores)), value=-torch.inf)
            first = start // _GROUP
            maxima[:, first : first + width] = scores.view(_GROUP, width, -1).amax(0).T[:b]
        return maxima

    def _members(self, groups: Int64[np.ndarray, " G"], chunk: int) -> Int64[np.ndarray, " C"]:
        """The rows of these groups of chunks, without padding."""
        width = chunk // _GROUP
        first = groups // width * chunk + groups % width
        columns = (first[:, None] + width * np.arange(_GROUP)).reshape(-1)
        return columns[(columns > 0) & (columns < len(self.table))]

    def _in_bytes(self) -> _Bytes | None:
        if self._bytes is None and len(self.table) >= _BYTES_FROM:
            self._bytes = _Bytes.of(self._table)
        return self._bytes


@dataclass(frozen=True, eq=False)
class _Bytes:
    """A table with one byte a number: a quarter of the memory to read, which is what a single query waits for.

    packed: for each 128 rows of the table (a block) and each dimension, their 128 bytes u, and the scale s and offset b of s u + b.
    error: by how much a number may differ from that, with what rounding of its product may add, for a query of ones.
    reach: no sum is larger on the way to the product with a query of length one; infinite where scales are too large for float32.
    """

    n_rows: int
    packed: UInt8[Tensor, "C*D 136"]
    error: Float32[Tensor, "C D"]
    reach: float
    places: Int32[Tensor, " C*D"]
    starts: Int32[Tensor, " C"]

    @classmethod
    def of(cls, table: Float32[Tensor, "N D"]) -> Self:
        n, d = table.shape
        rows = _GROUP * _LANES
        packed, errors, largest = [], [], []
        for start in range(0, n, 16 * rows):
            part = table[start : start + 16 * rows]
            part = F.pad(part, (0, 0, 0, -len(part) % rows))
            blocks = part.view(-1, _LANES, d).transpose(1, 2).contiguous()  # (C, D, lanes)
            packed.append(torch.ops.quantized.embedding_bag_byte_prepack(blocks.view(-1, _LANES)))
            scale, offset = packed[-1][:, _LANES:].contiguous().view(torch.float32).view(-1, d, 2, 1).unbind(2)
            codes = packed[-1][:, :_LANES].view(-1, d, _LANES)
            furthest = (codes * scale).add_(offset).sub_(blocks).abs_().amax(2)
            largest.append((255 * scale + offset.abs()).squeeze(2))
            # by any order of the sums, with multiplication and addition rounded apart or together
            errors.append(furthest * (1 + 2.0**-20) + (2 * d + 8) * 2.0**-24 * largest[-1])
        whole, reach = torch.cat(packed), math.sqrt(d) * torch.cat(largest).max().item()
        places = torch.arange(len(whole), dtype=torch.int32)
        return cls(n, whole, torch.cat(errors), reach, places, places[::d].contiguous())

    def groups(self, query: Float32[Tensor, " D"], k: int, longest: float, barred: Int64[Tensor, " S"] | None) -> Int64[np.ndarray, " G"]:
        """The groups among which the k best rows are; group j of 16 blocks holds their rows j, j + 128, ...

        longest: no score is larger. barred: rows that are not looked for.
        """
        weights = query.repeat(len(self.starts))
        scores = torch.ops.quantized.embedding_bag_byte_rowwise_offsets(
            self.packed, self.places, self.starts, False, 0, False, weights, None, False
        ).view(-1)  # (C * lanes,): of the rows of the table, in their order
        scores[0] = scores[self.n_rows :] = -torch.inf
        if barred is not None:
            scores[barred] = -torch.inf
        maxima = scores.view(-1, _GROUP, _LANES).amax(1)
        # 1.01 and the last term are for the rounding of bounds and of the float32 scores that will be compared
        slack = (self.error @ query.abs()).view(-1, _GROUP).amax(1, keepdim=True) * 1.01 + (2.0**-21 * longest + _TINY)
        low = (maxima - slack).view(-1)
        bar = low.topk(k).values[-1] if k <= len(low) else low.new_tensor(-torch.inf)
        return np.flatnonzero((maxima + slack).view(-1).numpy() >= bar.numpy())


@dataclass(eq=False)
class FaissIndex:
    """Inner products with the rows of a table, of which only those in some cells are looked at: fast, and not exact. Row 0 is never found.

    The rows are put into cells around `cells` centres, about the square root of their number where None; a query looks into as many cells
    as it takes to find `wanted` of the exact k best rows of the sample, on average. sample: queries such as will be asked: states of a
    model for histories, not rows of the table. recall: the share that was found there. probes: cells that a query looks into; all of
    them where no fewer suffice, and then faiss gains nothing. The table is kept, and copied by faiss.
    One more number makes all rows equally long, and then the nearest row is the one with the largest inner product: cells around centres
    of the rows as they are hold hardly any of the long ones, which win (Bachrach et al., RecSys 2014,
    https://doi.org/10.1145/2645710.2645741). Faiss: Douze et al., 2024 (https://arxiv.org/abs/2401.08281).
    Raises ConfigError, MissingExtraError where faiss is not installed.
    """

    table: Float32[np.ndarray, "N D"]
    sample: Float32[np.ndarray, "S D"] = field(repr=False)
    k: int = 10
    wanted: float = 0.95
    cells: int | None = None
    seed: int = 0
    recall: float = field(init=False)
    probes: int = field(init=False)
    _length: float = field(init=False, repr=False)
    _table: Tensor = field(init=False, repr=False)
    _faiss: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            faiss: Any = importlib.import_module("faiss")
        except ModuleNotFoundError as error:
            raise MissingExtraError("a faiss index needs faiss, which is not installed; run: pip install 'footpath[faiss]'") from error
        if not 0 < self.wanted <= 1:
            raise ConfigError(f"wanted, the share of the exact answer to find, must be above 0 and at most 1, got {self.wanted}")
        self._table = torch.from_numpy(_checked_table(self.table))
        _longest(self._table, 2**12)
        n, dim = len(self.table) - 1, self.table.shape[1]
        if not n:
            raise ConfigError("a faiss index needs an item beside padding, got a table of row 0 alone")
        cells = 2 ** round(math.log2(math.sqrt(n))) if self.cells is None else self.cells
        if not 1 <= cells <= n:
            raise ConfigError(f"cells must be from 1 to the {n} rows of the table, got {cells}")
        _check_search(self.table, self.sample, self.k, None)
        if not len(self.sample):
            raise ConfigError("a faiss index needs a sample of queries to measure its recall on, got none")
        self._faiss = faiss.IndexIVFFlat(faiss.IndexFlatL2(dim + 1), dim + 1, cells, faiss.METRIC_L2)
        self._faiss.cp.seed, self._faiss.cp.max_points_per_centroid, self._faiss.cp.min_points_per_centroid = self.seed, 64, 1
        squares = np.square(self.table[1:], dtype=np.float32).sum(axis=1)
        self._length = math.sqrt(squares.max())
        rows = np.concatenate([self.table[1:], np.sqrt(squares.max() - squares)[:, None]], axis=1)
        self._faiss.train(rows)
        self._faiss.add(rows)
        self.probes, self.recall = 1, 0.0
        exact = ExactIndex(self.table).search(self.sample, self.k)
        while True:
            self._faiss.nprobe = self.probes
            self.recall = _recall(self.search(self.sample, self.k), exact)
            if self.recall >= self.wanted or self.probes == cells:
                return
            self.probes = min(2 * self.probes, cells)

    def search(
        self, queries: Float32[np.ndarray, "B D"], k: int, *, seen: SequenceDataset | None = None
    ) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
        """The best rows that are found of each query, best first; index 0 and score -inf where the cells hold fewer than k.

        Scores are those of `ExactIndex`. seen: histories of the queries, whose items are not found. Raises ConfigError.
        """
        _check_search(self.table, queries, k, seen)
        indexes, scores = np.zeros((len(queries), k), np.int32), np.full((len(queries), k), -np.inf, np.float32)
        longest = 0 if seen is None or not len(seen) else int(seen.lengths.max())
        asked = min(k + longest, len(self.table) - 1)
        lengths = np.linalg.norm(queries.astype(np.float64), axis=1, keepdims=True)
        scaled = (queries * (self._length / np.maximum(lengths, _TINY))).astype(np.float32)
        _, found = self._faiss.search(np.pad(scaled, ((0, 0), (0, 1))), asked)  # (B, asked), -1 where there are fewer
        for b, row in enumerate(found):
            columns = row[row >= 0] + 1
            if seen is not None:
                columns = columns[~np.isin(columns, seen.history(b))]
            values = _exact(self._table, torch.from_numpy(queries[b]), columns)
            best = np.lexsort((columns, -values))[:k]
            indexes[b, : len(best)], scores[b, : len(best)] = columns[best], values[best]
        return indexes, scores

    def recall_against_exact(self, queries: Float32[np.ndarray, "B D"], k: int) -> float:
        """The share of the exact k best rows that `search` finds, over all queries; a row that ties with the last of them counts as it."""
        return _recall(self.search(queries, k), ExactIndex(self.table).search(queries, k))


def _recall(
    found: tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]], exact: tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]
) -> float:
    there = exact[0] > 0
    bars = np.where(there, exact[1], np.inf).min(axis=1, keepdims=True)
    hits = ((found[0] > 0) & (found[1] >= bars)).sum()
    return float(hits / max(there.sum(), 1))


def _checked_table(table: np.ndarray) -> np.ndarray:
    if table.ndim != 2 or not table.size:
        raise ConfigError(f"an index needs a table of (N, D) vectors, padding included, got shape {table.shape}")
    if table.dtype != np.float32:
        raise ConfigError(f"an index needs vectors of float32, got {table.dtype}")
    return table


def _longest(table: Float32[Tensor, "N D"], chunk: int) -> float:
    """The length of the longest vector. Raises ConfigError where one is not finite."""
    longest = [torch.linalg.vector_norm(table[start : start + chunk], dim=1).max() for start in range(0, len(table), chunk)]
    value = torch.stack(longest).max().item()  # unlike max() of Python, not a number where any is
    if not math.isfinite(value):
        raise ConfigError("an index needs finite vectors, and some of the table are infinite, not a number, or too long for float32")
    return value


def _check_search(table: np.ndarray, queries: np.ndarray, k: int, seen: SequenceDataset | None) -> None:
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}")
    if queries.ndim != 2 or queries.shape[1] != table.shape[1]:
        raise ConfigError(f"queries must be (B, {table.shape[1]}) as the table is, got shape {queries.shape}")
    if queries.dtype != np.float32:
        raise ConfigError(f"queries must be float32, got {queries.dtype}")
    if not np.isfinite(queries).all():
        raise ConfigError("queries must be finite numbers")
    if seen is not None and len(seen) != len(queries):
        raise ConfigError(f"seen must hold a history for each of {len(queries)} queries, got {len(seen)}")


def _exact(table: Float32[Tensor, "N D"], query: Float32[Tensor, " D"], columns: Int64[np.ndarray, " C"]) -> Float32[np.ndarray, " C"]:
    """Float64 inner products of these rows, rounded to float32."""
    values, wide = np.empty(len(columns), np.float32), query.double()
    for start in range(0, len(columns), _EXACT_ROWS):
        rows = table[torch.from_numpy(columns[start : start + _EXACT_ROWS])]
        # not a product of matrices, where equal rows may score differently by their place
        values[start : start + _EXACT_ROWS] = (rows.double() * wide).sum(1).numpy()
    return values + np.float32(0)  # -0 becomes 0
