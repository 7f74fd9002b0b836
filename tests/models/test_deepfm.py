from __future__ import annotations

import itertools

import numpy as np
import torch
from copied_weights import batch, read, vectors

from footpath.models.deepfm import DeepFM
from footpath.models.response_layers import factorised_pairs


def test_the_pairs_are_those_of_all_fields() -> None:
    fields = torch.randn(3, 5, 4, dtype=torch.float64)
    naive = sum((fields[:, i] * fields[:, j]).sum(1) for i, j in itertools.combinations(range(5), 2))
    torch.testing.assert_close(factorised_pairs(fields), naive)


def test_the_answer_is_the_sum_of_its_three_parts() -> None:
    found = read("din_a")
    history, columns = vectors(found)
    network = DeepFM(dim=8, hidden="4", dropout=0.0).network(history, columns, 2).eval()
    rows = batch(found)
    with torch.no_grad():
        items = found["inputs.history"]
        vectors_of = history.items.weight
        assert vectors_of is not None
        mean = torch.stack([vectors_of[row[row > 0]].mean(0) for row in items])
        fields = torch.cat([vectors_of[rows.items][:, None], mean[:, None], columns(rows.columns)], 1)
        flat = fields.flatten(1)
        expected = network.linear(flat) + network.deep(flat) + factorised_pairs(fields)[:, None] * network.pairs
        torch.testing.assert_close(network(rows), expected)
        assert network(rows).shape == (16, 2)
    assert np.isfinite(network(rows).detach().numpy()).all()
