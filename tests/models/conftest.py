"""The real logs that models are tested on, read without the package's own readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.vocabulary import Vocabulary


@pytest.fixture(scope="session")
def read_real(real_data: Path) -> Callable[..., SequenceDataset]:
    """Reads a log of shared data as sequences in order, without the package's own readers."""

    def read(file: str, user: str, item: str, order: str, *, clock: bool = False, vocabulary: Vocabulary | None = None) -> SequenceDataset:
        frame = pd.read_csv(real_data / file, sep="," if file.endswith(".csv.gz") else "\t")
        frame = frame.sort_values([user, order], kind="stable")
        ids = pa.array(frame[item].astype(str).to_numpy(), pa.string())
        vocabulary = Vocabulary.build(ids) if vocabulary is None else vocabulary
        users, counts = np.unique(frame[user].to_numpy(), return_counts=True)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        times = (frame[order].to_numpy() * 1e6).astype(np.int64) if clock else None
        return SequenceDataset(vocabulary, pa.array([str(u) for u in users]), offsets, vocabulary.encode(ids), times=times)

    return read


@pytest.fixture(scope="session")
def beauty(read_real: Callable[..., SequenceDataset]) -> SequenceDataset:
    return read_real("amazon-beauty/interactions.csv.gz", "user_id", "item_id", "position")


@pytest.fixture(scope="session")
def ml_100k(read_real: Callable[..., SequenceDataset]) -> SequenceDataset:
    return read_real("ml-100k/ml-100k.inter.gz", "user_id:token", "item_id:token", "timestamp:float", clock=True)


@pytest.fixture(scope="session")
def yoochoose(read_real: Callable[..., SequenceDataset]) -> tuple[SequenceDataset, SequenceDataset]:
    """Training and test sessions of the file's own split."""
    train = read_real("yoochoose-100k/train_full.tsv.gz", "SessionId", "ItemId", "Time", clock=True)
    return train, read_real("yoochoose-100k/test.tsv.gz", "SessionId", "ItemId", "Time", clock=True, vocabulary=train.vocabulary)
