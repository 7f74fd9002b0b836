"""The best items for many queries among many vectors, without a queries x items table in memory.

The first pass keeps the maxima of groups of 16 float32 scores. A group whose maximum lies further below the k-th largest maximum than
rounding can explain holds no item of the answer; the others are scored again in float64, so the answer is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int32, Int64
from torch import Tensor

from footpath.errors import ConfigError
from footpath.sequences.dataset import SequenceDataset

_GROUP: Final = 16
_QUERIES: Final = 64  # at once; then scores of one chunk are 2 MiB
_TINY: Final = 2.0**-120  # more than what underflows in a product of any width


@dataclass(eq=False)
class ExactIndex:
    """Inner products with the rows of a table; row 0 is never found. The table is kept, not copied.

    chunk: rows that are scored at once, a multiple of 16. Raises ConfigError where a vector is not finite.
    """

    table: Float32[np.ndarray, "N D"]
    chunk: int = 2**13
    _table: Tensor = field(init=False, repr=False)
    _longest: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.table.ndim != 2 or not len(self.table):
            raise ConfigError(f"an index needs a table of (N, D) vectors, padding included, got shape {self.table.shape}")
        if self.chunk < _GROUP or self.chunk % _GROUP:
            raise ConfigError(f"chunk must be a multiple of {_GROUP}, got {self.chunk}")
        self._table = torch.from_numpy(self.table)
        parts = (self._table[start : start + self.chunk] for start in range(0, len(self._table), self.chunk))
        longest = [torch.linalg.vector_norm(part, dim=1).max() for part in parts]
        self._longest = torch.stack(longest).max().item()  # unlike max() of Python, not a number where any is
        if not np.isfinite(self._longest):
            raise ConfigError("an index needs finite vectors, and some of the table are infinite, not a number, or too long for float32")

    def search(
        self, queries: Float32[np.ndarray, "B D"], k: int, *, seen: SequenceDataset | None = None
    ) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
        """The k best rows of each query, best first, equal scores by index; index 0 and score -inf where there are fewer.

        A score is the float64 inner product, rounded to float32. seen: histories of the queries, whose items are not found.
        Raises ConfigError.
        """
        if k < 1:
            raise ConfigError(f"k must be at least 1, got {k}")
        if queries.ndim != 2 or queries.shape[1] != self.table.shape[1]:
            raise ConfigError(f"queries must be (B, {self.table.shape[1]}) as the table is, got shape {queries.shape}")
        if not np.isfinite(queries).all():
            raise ConfigError("queries must be finite numbers")
        if seen is not None and len(seen) != len(queries):
            raise ConfigError(f"seen must hold a history for each of {len(queries)} queries, got {len(seen)}")
        indexes = np.zeros((len(queries), k), np.int32)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        for start in range(0, len(queries), _QUERIES):
            part = torch.from_numpy(np.ascontiguousarray(queries[start : start + _QUERIES]))
            known = None if seen is None else seen.between(start, start + _QUERIES)
            maxima = self._maxima(part, known)
            n = maxima.shape[1]
            bars = maxima.topk(k, dim=1).values[:, -1] if k <= n else torch.full((len(part),), -torch.inf)
            slack = 2 * ((part.shape[1] + 2) * 2.0**-23 * torch.linalg.vector_norm(part.double(), dim=1) * self._longest + _TINY)
            for b, query in enumerate(part):
                groups = np.flatnonzero((maxima[b].double() >= bars[b].double() - slack[b]).numpy())
                columns = self._members(groups)
                if known is not None:
                    columns = columns[~np.isin(columns, known.history(b))]
                values = self._exact(query, columns)
                best = np.lexsort((columns, -values))[:k]
                indexes[start + b, : len(best)], scores[start + b, : len(best)] = columns[best], values[best]
        return indexes, scores

    def _maxima(self, queries: Float32[Tensor, "B D"], seen: SequenceDataset | None) -> Float32[Tensor, "B G"]:
        """Of each group of 16 scores; group j of a chunk holds its rows j, j + chunk / 16, ..."""
        rows = items = np.zeros(0, np.int64)
        if seen is not None:
            order = np.argsort(seen.items, kind="stable")
            rows, items = seen.rows[order].astype(np.int64), seen.items[order].astype(np.int64)
        maxima = []
        for start in range(0, len(self._table), self.chunk):
            scores = queries @ self._table[start : start + self.chunk].T
            low, high = np.searchsorted(items, [start, start + self.chunk])
            scores[torch.from_numpy(rows[low:high]), torch.from_numpy(items[low:high] - start)] = -torch.inf
            if start == 0:
                scores[:, 0] = -torch.inf
            if scores.shape[1] < self.chunk:
                scores = F.pad(scores, (0, self.chunk - scores.shape[1]), value=-torch.inf)
            maxima.append(scores.view(len(queries), _GROUP, -1).amax(1))
        return torch.cat(maxima, 1)

    def _members(self, groups: Int64[np.ndarray, " G"]) -> Int64[np.ndarray, " C"]:
        """The rows of these groups, without padding."""
        width = self.chunk // _GROUP
        first = groups // width * self.chunk + groups % width
        columns = (first[:, None] + width * np.arange(_GROUP)).reshape(-1)
        return columns[(columns > 0) & (columns < len(self.table))]

    def _exact(self, query: Float32[Tensor, " D"], columns: Int64[np.ndarray, " C"]) -> Float32[np.ndarray, " C"]:
        values = np.empty(len(columns), np.float32)
        wide = query.double()
        for start in range(0, len(columns), self.chunk):
            rows = self._table[torch.from_numpy(columns[start : start + self.chunk])]
            # not a product of matrices, where equal rows may score differently by their place
            values[start : start + self.chunk] = (rows.double() * wide).sum(1).numpy()
        return values + np.float32(0)  # -0 becomes 0
