from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from copied_weights import batch, by_field, copy, read, vectors
from planted_impressions import tastes

from footpath.errors import ConfigError
from footpath.models.dien import DIEN


def test_agrees_with_fuxictr_on_copied_weights() -> None:
    found = read("dien")
    history, columns = vectors(found)
    network = DIEN(dim=8, hidden="16,8", activation="relu", normalise=True, dropout=0.0).network(history, columns, 1)
    copy(network.extraction, found, "extraction_modules.0")
    copy(network.of_input, found, "evolving_modules.0.gru_cell.x2h")
    copy(network.of_state, found, "evolving_modules.0.gru_cell.h2h")
    with torch.no_grad():
        network.kernel.copy_(found["weights.attention_modules.0.W_kernel"])
    layers = [network.deep[i] for i in (0, 1, 4, 5, 8)]  # without activations and dropout
    for layer, theirs in zip(layers, (0, 1, 3, 4, 6), strict=True):
        with torch.no_grad():
            for own, tensor in (*layer.named_parameters(), *layer.named_buffers()):
                if "num_batches" not in own:
                    tensor.copy_(found[f"weights.dnn.mlp.{theirs}.{own}"])
        if theirs == 0:
            with torch.no_grad():
                layer.weight.copy_(by_field(layer.weight, [2, 0, 1, 3, 4]))  # theirs: interest, user, item, slot, price
    network.eval()
    rows = batch(found)
    with torch.no_grad():
        interest = network.evolved(history.targets(rows.items), history(rows), rows)
        torch.testing.assert_close(interest, found["interest"], atol=1e-5, rtol=0)
        torch.testing.assert_close(network(rows)[:, 0], found["logit"], atol=1e-5, rtol=0)


def test_an_empty_history_evolves_to_nothing() -> None:
    found = read("dien")
    history, columns = vectors(found)
    network = DIEN(dim=8).network(history, columns, 1).eval()
    rows = batch(found)
    lengths = rows.lengths.clone()
    lengths[3] = 0
    empty = dataclasses.replace(rows, lengths=lengths)
    with torch.no_grad():
        after = network.evolved(history.targets(rows.items), history(rows), empty)
        before = network.evolved(history.targets(rows.items), history(rows), rows)
    assert (after[3] == 0).all()
    others = np.arange(len(lengths)) != 3
    torch.testing.assert_close(after[others], before[others])


def test_the_auxiliary_loss_is_learned() -> None:
    train = tastes(60)
    with_it = DIEN(dim=8, epochs=3, batch_size=64, auxiliary=1.0).fit(train)
    without = DIEN(dim=8, epochs=3, batch_size=64, auxiliary=0.0).fit(train)
    assert with_it.history is not None
    assert without.history is not None
    assert with_it.history.epochs[0].loss > without.history.epochs[0].loss + 0.3  # log 2 at the start
    with pytest.raises(ConfigError, match=r"auxiliary must be at least 0 and finite, got -1"):
        DIEN(auxiliary=-1)
