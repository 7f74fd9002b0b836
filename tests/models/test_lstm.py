from __future__ import annotations

import numpy as np
from planted_logs import ring

from footpath.models.lstm import LSTM
from footpath.sequences.dataset import SequenceDataset


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def test_scores_are_those_of_the_gates_and_the_cell_written_out() -> None:
    log = ring()
    model = LSTM(dim=6, epochs=2, batch_size=16).fit(log)
    w = model.state()
    h, cell = np.zeros(6), np.zeros(6)
    row = ["r3", "r0", "r7"]
    for item in log.vocabulary.encode(row):
        gates = w["blocks.0.layer.weight_ih_l0"] @ w["items.weight"][item] + w["blocks.0.layer.bias_ih_l0"]
        gates = gates + w["blocks.0.layer.weight_hh_l0"] @ h + w["blocks.0.layer.bias_hh_l0"]
        write, keep, new, read = np.split(gates, 4)
        cell = sigmoid(keep) * cell + sigmoid(write) * np.tanh(new)
        h = sigmoid(read) * np.tanh(cell)
    state = (h - h.mean()) / np.sqrt(h.var() + 1e-5) * w["norm.weight"] + w["norm.bias"]
    scores = model.score(SequenceDataset.from_lists([row], log.vocabulary))
    np.testing.assert_allclose(scores[0], w["items.weight"] @ state, atol=1e-5)
    assert not [name for name in w if name.startswith("positions")]
