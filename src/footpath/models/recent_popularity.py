"""The same list for everyone: the items with the most events lately.

Ji, Sun, Zhang, Li, "A re-visit of the popularity baseline in recommender systems", SIGIR 2020
(https://arxiv.org/abs/2005.13829), where it is called RecentPop.

**Differs from the paper:** the window ends with the last training event, not with each request; a log without a clock has no common
"lately", so the last events of each row stand for it; items without an event in the window follow by their events of all time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from jaxtyping import Bool, Float32, Int64

from footpath.errors import ConfigError
from footpath.models.histories import check_histories, event_counts
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary

_MICROSECONDS_A_DAY = 86_400_000_000
SEARCH_SPACE: Final = {"window_days": (0.25, 60.0, "log"), "window_share": (0.01, 0.5, "log")}


@dataclass
class RecentPopularity:
    """Scores are the events of each item in the last days or, without a clock, in the last share of each row.

    window_days: used where the log has times. window_share: in (0, 1], used where it has none; each row gives at least one event.
    """

    window_days: float = 3.0
    window_share: float = 0.1
    items: Vocabulary = field(init=False, repr=False, compare=False)
    _counts: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.window_days > 0:
            raise ConfigError(f"window_days must be above 0, got {self.window_days}")
        if not 0 < self.window_share <= 1:
            raise ConfigError(f"window_share must be above 0 and at most 1, got {self.window_share}")

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        ever = event_counts(train)
        lately = event_counts(train.where(self._in_window(train)))
        self.items, self._counts = train.vocabulary, lately + ever / (ever.max() + 1)
        return self

    def _in_window(self, train: SequenceDataset) -> Bool[np.ndarray, " E"]:
        if train.times is not None:
            end = train.times.max(initial=0)
            return train.times > end - self.window_days * _MICROSECONDS_A_DAY
        from_end = train.offsets[1:][train.rows] - np.arange(train.n_events)  # 1 at the last event of a row
        return from_end <= np.ceil(self.window_share * train.lengths)[train.rows]

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        check_histories(self, histories)
        return np.tile(self._counts, (len(histories), 1))

    def state(self) -> Mapping[str, np.ndarray]:
        return {"counts": self._counts}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items, self._counts = items, state["counts"]
        return self
