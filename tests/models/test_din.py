from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from copied_weights import batch, by_field, copy, read, vectors

from footpath.errors import ConfigError
from footpath.models import response_layers
from footpath.models.din import DIN
from footpath.models.response_layers import Dice, TargetAttention


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


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize(("hidden", "outputs"), [((6,), 1), ((6,), 3), ((6, 5), 1)])
def test_pieces_give_the_weights_and_gradients_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, hidden: tuple[int, ...], outputs: int, padded: bool, training: bool
) -> None:
    monkeypatch.setattr(response_layers, "_CHUNK", 2 * 7 * 6)  # two rows a piece
    torch.manual_seed(0)
    attention = TargetAttention(4, hidden, outputs=outputs).double().train(training)
    for layer in attention.modules():
        if isinstance(layer, Dice):
            torch.nn.init.normal_(layer.alpha)
    naive = deepcopy(attention)
    targets = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)
    history = (3 + torch.randn(9, 7, 4, dtype=torch.float64)).requires_grad_()
    real = torch.arange(7) < (torch.arange(9)[:, None] - 1 if padded else torch.full((9, 1), 7))
    q, k = targets[:, None].expand(9, 7, 4), history
    expected = naive.rest(naive.first(torch.cat([q, k, q - k, q * k], 2))[real])
    found = attention.scores(targets, history, real, torch.arange(9))[0][real]
    torch.testing.assert_close(found, expected)
    drawn = torch.randn_like(found)
    ours = torch.autograd.grad((found * drawn).sum(), [targets, history, *attention.parameters()])
    torch.testing.assert_close(ours, torch.autograd.grad((expected * drawn).sum(), [targets, history, *naive.parameters()]))
    torch.testing.assert_close(list(attention.buffers()), list(naive.buffers()))


def test_a_batch_without_an_event_leaves_what_dice_remembers() -> None:
    attention = TargetAttention(4, (6,)).train()
    before = deepcopy(list(attention.buffers()))
    pooled = attention(torch.randn(3, 4), torch.randn(3, 2, 4), torch.zeros(3, 2, dtype=torch.bool), torch.arange(3))
    pooled.sum().backward()
    torch.testing.assert_close(pooled.detach(), torch.zeros(3, 4))
    torch.testing.assert_close(list(attention.buffers()), before)
    assert all(bool(weight.grad.isfinite().all()) for weight in attention.parameters() if weight.grad is not None)


def test_attention_takes_widths() -> None:
    with pytest.raises(ConfigError, match=r"attention must be widths of layers, such as 64,32, got 'wide'"):
        DIN(attention="wide")
