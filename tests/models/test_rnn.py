from __future__ import annotations

import numpy as np
import pytest
from planted_logs import ring

from footpath.errors import ConfigError
from footpath.models.rnn import RNN
from footpath.sequences.dataset import SequenceDataset


def test_scores_are_those_of_the_recurrence_written_out() -> None:
    log = ring()
    model = RNN(dim=6, epochs=2, batch_size=16).fit(log)
    w = model.state()
    h = np.zeros(6)
    row = ["r3", "r0", "r7"]
    for item in log.vocabulary.encode(row):
        x = w["items.weight"][item]
        h = np.tanh(
            w["blocks.0.layer.weight_ih_l0"] @ x
            + w["blocks.0.layer.bias_ih_l0"]
            + w["blocks.0.layer.weight_hh_l0"] @ h
            + w["blocks.0.layer.bias_hh_l0"]
        )
    state = (h - h.mean()) / np.sqrt(h.var() + 1e-5) * w["norm.weight"] + w["norm.bias"]
    scores = model.score(SequenceDataset.from_lists([row], log.vocabulary))
    np.testing.assert_allclose(scores[0], w["items.weight"] @ state, atol=1e-5)


def test_there_are_no_positions_to_learn() -> None:
    model = RNN(dim=4, epochs=1).fit(ring())
    assert not [name for name in model.state() if name.startswith("positions")]


def test_clip_norm_must_leave_something_of_the_gradient() -> None:
    with pytest.raises(ConfigError, match=r"clip_norm must be above 0 and finite, or none, got 0\.0"):
        RNN(clip_norm=0.0)
