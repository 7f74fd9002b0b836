from __future__ import annotations

import numpy as np
from planted_logs import ring

from footpath.models.gru4rec import GRU4Rec
from footpath.sequences.dataset import SequenceDataset


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def test_scores_are_those_of_two_stacked_gated_layers_written_out() -> None:
    log = ring()
    model = GRU4Rec(dim=6, blocks=2, epochs=2, batch_size=16).fit(log)
    w = model.state()
    row = ["r3", "r0", "r7"]
    hidden = [np.zeros(6), np.zeros(6)]
    for item in log.vocabulary.encode(row):
        x = w["items.weight"][item]
        for layer, h in enumerate(hidden):
            name = f"blocks.{layer}.layer"
            reset_x, update_x, new_x = np.split(w[f"{name}.weight_ih_l0"] @ x + w[f"{name}.bias_ih_l0"], 3)
            reset_h, update_h, new_h = np.split(w[f"{name}.weight_hh_l0"] @ h + w[f"{name}.bias_hh_l0"], 3)
            update = sigmoid(update_x + update_h)
            x = hidden[layer] = update * h + (1 - update) * np.tanh(new_x + sigmoid(reset_x + reset_h) * new_h)
    state = (x - x.mean()) / np.sqrt(x.var() + 1e-5) * w["norm.weight"] + w["norm.bias"]
    scores = model.score(SequenceDataset.from_lists([row], log.vocabulary))
    np.testing.assert_allclose(scores[0], w["items.weight"] @ state, atol=1e-5)
    assert not [name for name in w if name.startswith("positions")]
