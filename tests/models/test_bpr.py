from __future__ import annotations

import numpy as np
from planted_logs import clusters

from footpath.models.bpr import BPR
from footpath.sequences.dataset import SequenceDataset


def test_a_history_is_the_scaled_mean_of_its_items() -> None:
    log = clusters()
    model = BPR(dim=4, epochs=5).fit(log)
    state = model.state()
    history = SequenceDataset.from_lists([["c0-1", "c0-2", "c0-2"]], log.vocabulary)
    mean = state["factors"][[log.vocabulary.index("c0-1"), log.vocabulary.index("c0-2")]].mean(axis=0)
    expected = state["factors"] @ mean * float(state["scale"]) + state["biases"]
    np.testing.assert_allclose(model.score(history)[0], expected, rtol=1e-4, atol=1e-6)


def test_another_seed_starts_elsewhere() -> None:
    log = clusters()
    assert not np.array_equal(BPR(dim=4, epochs=2, seed=0).fit(log).score(log), BPR(dim=4, epochs=2, seed=1).fit(log).score(log))


def test_progress_is_told_epoch_by_epoch() -> None:
    told: list[tuple[str, int, int]] = []
    BPR(dim=4, epochs=2).fit(clusters(), progress=lambda *step: told.append(step))
    assert told == [("fitting bpr", 1, 2), ("fitting bpr", 2, 2)]
