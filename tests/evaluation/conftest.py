"""Models that list what they are told to, and holdouts written as lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pytest

from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary


@dataclass
class Scripted:
    """Scores by user: the first item of a user's list highest, all items that are not listed equal."""

    lists: dict[str, list[str]] = field(default_factory=dict)
    items: Vocabulary = field(init=False)

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        self.items = train.vocabulary
        return self

    def score(self, histories: SequenceDataset, request_times: np.ndarray | None = None) -> np.ndarray:
        scores = np.zeros((len(histories), len(self.items)), np.float32)
        for b, user in enumerate(histories.users.to_pylist()):
            listed = self.items.encode(self.lists.get(user, []))
            scores[b, listed] = np.arange(len(listed), 0, -1)
        return scores

    def state(self) -> Mapping[str, np.ndarray]:
        return {}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        self.items = items
        return self


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture
def make_holdout() -> Callable[..., Holdout]:
    """A holdout from histories and relevant items, both lists of ids."""

    def make(
        vocabulary: Vocabulary,
        histories: Sequence[Sequence[str]],
        relevant: Sequence[Sequence[str]],
        users: Sequence[str] | None = None,
        **more: object,
    ) -> Holdout:
        answers = SequenceDataset.from_lists(relevant, vocabulary)
        asked = SequenceDataset.from_lists(histories, vocabulary, users)
        return Holdout(asked, answers.offsets, answers.items, **more)  # type: ignore[arg-type]

    return make
