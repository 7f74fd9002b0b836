from __future__ import annotations

import pytest
import torch
from copied_weights import batch, by_field, copy, read, vectors

from footpath.errors import ConfigError
from footpath.models.din import DIN
from footpath.models.response_layers import TargetAttention


@pytest.mark.parametrize(("variant", "activation", "softmax"), [("din_a", "relu", False), ("din_b", "dice", True)])
def test_agrees_with_fuxictr_on_copied_weights(variant: str, activation: str, softmax: bool) -> None:
    found = read(variant)
    history, columns = vectors(found)
    model = DIN(dim=8, hidden="16,8", attention="12", activation=activation, softmax=softmax, dropout=0.0)  # type: ignore[arg-type]
    network = model.network(history, columns, 1)
    attention = TargetAttention(8, (12,), active="dice", softmax=softmax)
    network.attention = attention
    name = "attention_layers.0.attention_layer.mlp"
    copy(attention.first, found, f"{name}.0")
    copy(attention.rest[0], found, f"{name}.1")
    copy(attention.rest[-1], found, f"{name}.2")
    for own, theirs in ((0, 0), (1, 1), (3, 2), (4, 3), (6, 4)):  # without the layers of dropout
        copy(network.deep[own], found, f"dnn.mlp.{theirs}")
    with torch.no_grad():
        network.deep[0].weight.copy_(by_field(network.deep[0].weight, [1, 2, 0, 3, 4]))  # theirs: user, item, pooled, slot, price
    network.eval()
    rows = batch(found)
    with torch.no_grad():
        pooled = attention(history.targets(rows.items), history(rows), rows.real, rows.question)
        torch.testing.assert_close(pooled, found["pooled"], atol=1e-5, rtol=0)
        torch.testing.assert_close(network(rows)[:, 0], found["logit"], atol=1e-5, rtol=0)


def test_the_parts_of_the_first_layer_are_that_layer() -> None:
    torch.manual_seed(0)
    attention = TargetAttention(4, (6, 3), active="relu")
    targets, history = torch.randn(5, 4), torch.randn(3, 7, 4)
    real, question = torch.arange(7) < torch.tensor([[7], [3], [0]]), torch.tensor([0, 0, 1, 2, 1])
    q, k = targets[:, None].expand(5, 7, 4), history[question]
    expected = attention.rest(attention.first(torch.cat([q, k, q - k, q * k], 2)))[:, :, 0] * real[question]
    torch.testing.assert_close(attention.weights(targets, history, real, question), expected)


def test_padding_is_not_among_what_dice_standardises_over() -> None:
    torch.manual_seed(0)
    attention = TargetAttention(4, (6,), active="dice").train()
    targets, history = torch.randn(2, 4), torch.randn(2, 3, 4)
    short = torch.tensor([[True, True, False], [True, False, False]])
    before = attention.weights(targets, history, short, torch.arange(2))
    history[~short] = 100.0
    attention.rest[0].norm.reset_running_stats()
    torch.testing.assert_close(attention.weights(targets, history, short, torch.arange(2)), before)


def test_attention_takes_widths() -> None:
    with pytest.raises(ConfigError, match=r"attention must be widths of layers, such as 64,32, got 'wide'"):
        DIN(attention="wide")
