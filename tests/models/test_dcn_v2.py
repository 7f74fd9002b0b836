from __future__ import annotations

import pytest
import torch
from copied_weights import batch, by_field, copy, read, vectors

from footpath.models.dcn_v2 import DCNv2
from footpath.models.response_layers import CrossNetwork


@pytest.mark.parametrize(("variant", "structure"), [("dcn_parallel", "parallel"), ("dcn_cross", "cross")])
def test_agrees_with_fuxictr_on_copied_weights(variant: str, structure: str) -> None:
    found = read(variant)
    history, columns = vectors(found)
    network = DCNv2(dim=8, hidden="16,8", crosses=2, structure=structure, dropout=0.0).network(history, columns, 1)  # type: ignore[arg-type]
    order = [1, 2, 0, 3, 4]  # of their fields user, item, history, slot, price in ours
    for number, layer in enumerate(network.cross.layers):
        copy(layer, found, f"crossnet.cross_layers.{number}")
        with torch.no_grad():
            layer.weight.copy_(by_field(by_field(layer.weight, order).T, order).T)
            layer.bias.copy_(by_field(layer.bias[None], order)[0])
    copy(network.last, found, "fc")
    with torch.no_grad():
        network.last.weight[:, :40] = by_field(network.last.weight[:, :40].clone(), order)
        if network.deep is not None:
            copy(network.deep[0], found, "parallel_dnn.mlp.0")
            copy(network.deep[3], found, "parallel_dnn.mlp.2")
            network.deep[0].weight.copy_(by_field(network.deep[0].weight.clone(), order))
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(network(batch(found))[:, 0], found["logit"], atol=1e-5, rtol=0)


def test_a_cross_layer_by_hand() -> None:
    cross = CrossNetwork(2, 1)
    with torch.no_grad():
        cross.layers[0].weight.copy_(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
        cross.layers[0].bias.copy_(torch.tensor([0.5, -1.0]))
        # W x + b = (1 + 6 + .5, 3 - 1) = (7.5, 2); x * that + x = (7.5 + 1, 6 + 3)
        assert cross(torch.tensor([[1.0, 3.0]])).tolist() == [[8.5, 9.0]]
