"""Logs whose truth is planted, and splits written out by hand."""

from __future__ import annotations

import numpy as np

from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.vocabulary import Vocabulary

N_CLUSTERS, CLUSTER_SIZE, RING = 4, 8, 12


def _read_only(sequences: SequenceDataset) -> SequenceDataset:
    for name in ("offsets", "items", "times", "types", "values"):
        if getattr(sequences, name) is not None:
            getattr(sequences, name).flags.writeable = False
    return sequences


def clusters(n_users: int = 120, seed: int = 0) -> SequenceDataset:
    """Users who stay within one of four clusters of eight items; `c0-7` alone ends every history of its cluster.

    The item `cold` of each cluster has words and no events.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        cluster = user % N_CLUSTERS
        chosen = [f"c{cluster}-{i}" for i in generator.permutation(CLUSTER_SIZE)[:5]]
        rows.append([*(id for id in chosen if id != "c0-7"), "c0-7"] if cluster == 0 else chosen)
    ids = [f"c{cluster}-{i}" for cluster in range(N_CLUSTERS) for i in (*range(CLUSTER_SIZE), "cold")]
    vocabulary = Vocabulary.build(ids)
    words = ["tea kettle", "garden hose", "desk lamp", "yoga mat"]
    known = [""] + [id or "" for id in vocabulary.decode(np.arange(1, len(vocabulary), dtype=np.int32))]
    titles = ["" if not id else f"{words[int(id[1])]} {id[3:]}" for id in known]
    features = ItemFeatures(titles, [""] * len(known), [""] * len(known), [()] * len(known))
    sequences = SequenceDataset.from_lists(rows, vocabulary, item_features=features)
    return _read_only(sequences)


def ring(n_users: int = 60, length: int = 7) -> SequenceDataset:
    """Users who walk around a ring of twelve items, each from another place."""
    return _read_only(SequenceDataset.from_lists([[f"r{(user + step) % RING}" for step in range(length)] for user in range(n_users)]))


def next_events(sequences: SequenceDataset) -> tuple[SequenceDataset, np.ndarray]:
    """Every known event but the first of each row, and what precedes it."""
    back = np.arange(sequences.n_events) - sequences.offsets[:-1][sequences.rows]
    asked = (back > 0) & (sequences.items > 0)
    return sequences.prefixes(sequences.rows[asked], back[asked]), sequences.items[asked]


def without_last(sequences: SequenceDataset) -> tuple[SequenceDataset, np.ndarray]:
    """All but the last event of each row, and that."""
    rows = np.arange(len(sequences))
    return sequences.prefixes(rows, sequences.lengths - 1), sequences.items[sequences.offsets[1:] - 1]
