"""The next integers after the largest one seen: a rule that knows nothing, as a check of the numbering of items.

In public files items are numbered in file order, and users early in the file hold neighbouring numbers: such a rule then scores, and so may
any model that can read the numbers. Source: Footpath's own; the row belongs to the audit of every table.

**Differs from the paper:** there is none. The rule acts on the indexes of the vocabulary, since these are all the numbers that a model can
see: on a vocabulary in file order it scores, on one that `Vocabulary.build` has shuffled it must score about what chance does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from jaxtyping import Float32, Int64

from footpath.models.histories import check_histories
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary


@dataclass
class IntegerRule:
    """Scores are 0 at the index after the largest of the history, -1 at the next, and so on around; an empty history starts at index 1."""

    items: Vocabulary = field(init=False, repr=False, compare=False)

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        self.items = train.vocabulary
        return self

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        check_histories(self, histories)
        largest = np.zeros(len(histories), np.int32)
        np.maximum.at(largest, histories.rows, histories.items)
        n_items = len(self.items)
        ahead = np.arange(n_items, dtype=np.int32) - (largest + 1)[:, None]
        ahead[ahead < 0] += n_items
        return -ahead.astype(np.float32)

    def state(self) -> Mapping[str, np.ndarray]:
        return {}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items = items
        return self
