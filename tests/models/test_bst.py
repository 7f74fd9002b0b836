from __future__ import annotations

import dataclasses

import pytest
import torch
from copied_weights import batch, read, vectors

from footpath.errors import ConfigError
from footpath.models.bst import BST


def test_the_order_of_the_history_matters_only_through_places() -> None:
    found = read("din_a")
    history, columns = vectors(found)
    network = BST(dim=8, heads=2).network(history, columns, 1).eval()
    rows = batch(found)
    turned = rows.events.items.clone()
    for row, length in enumerate(rows.lengths.tolist()):
        turned[row, :length] = turned[row, :length].flip(0)
    with torch.no_grad():
        torch.testing.assert_close(network(dataclasses.replace(rows, events=dataclasses.replace(rows.events, items=turned))), network(rows))
        history.names = ("place",)
        history.places = torch.nn.Embedding(6, 8)
        with_places = network(rows)
        assert not torch.allclose(
            network(dataclasses.replace(rows, events=dataclasses.replace(rows.events, items=turned))), with_places, atol=1e-4
        )


def test_heads_divide_dim() -> None:
    with pytest.raises(ConfigError, match=r"heads must be at least 1 and divide dim, got 3 heads and dim 16"):
        BST(heads=3)
