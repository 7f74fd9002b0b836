from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from footpath.training.losses import sampled_softmax_loss, softmax_loss, uniform_negatives

T, N, D = 23, 41, 8


def _inputs(dtype: torch.dtype = torch.float32, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(0)
    states = (scale * torch.randn(T, D, generator=generator)).to(dtype).requires_grad_()
    table = torch.randn(N, D, generator=generator).to(dtype).requires_grad_()
    return states, table, torch.randint(1, N, (T,), generator=generator), generator


def _with_gradients(loss: Tensor, states: Tensor, table: Tensor) -> list[Tensor]:
    return [loss.detach(), *torch.autograd.grad(3 * loss, [states, table])]


def _assert_equal(found: list[Tensor], expected: list[Tensor]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def _naive_sampled(states: Tensor, table: Tensor, targets: Tensor, negatives: Tensor, log_q: Tensor | None) -> Tensor:
    losses = []
    for t in range(len(states)):
        drawn = negatives if negatives.dim() == 1 else negatives[t]
        logits = [states[t] @ table[targets[t]]]
        for item in drawn.tolist():
            if item != targets[t]:
                shift = 0.0 if log_q is None else log_q[item] + math.log(len(drawn))
                logits.append(states[t] @ table[item] - shift)
        losses.append(F.cross_entropy(torch.stack(logits)[None], torch.tensor([0])))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("chunk", [1, 3 * N, 10**6])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_the_full_softmax_equals_cross_entropy_without_padding(chunk: int, scale: float) -> None:
    states, table, targets, _ = _inputs(scale=scale)
    expected = F.cross_entropy(states @ table[1:].T, targets - 1)
    _assert_equal(
        _with_gradients(softmax_loss(states, table, targets, chunk=chunk), states, table), _with_gradients(expected, states, table)
    )


@pytest.mark.parametrize("chunk", [1, 3 * N, 10**6])
@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("shape", [(11,), (T, 11)], ids=["shared", "per position"])
def test_the_sampled_softmax_equals_cross_entropy_over_target_and_negatives(chunk: int, corrected: bool, shape: tuple[int, ...]) -> None:
    states, table, targets, generator = _inputs()
    negatives = uniform_negatives(N, shape, generator)
    negatives[..., 0] = targets[0]  # a negative that is the target of the first position
    log_q = torch.randn(N, generator=generator) if corrected else None
    expected = _naive_sampled(states, table, targets, negatives, log_q)
    found = sampled_softmax_loss(states, table, targets, negatives, log_q=log_q, chunk=chunk)
    _assert_equal(_with_gradients(found, states, table), _with_gradients(expected, states, table))


@pytest.mark.parametrize("shape", [None, (6,), (5, 6)], ids=["full", "shared", "per position"])
def test_gradients_are_those_of_the_loss_in_double_precision(shape: tuple[int, ...] | None) -> None:
    states, table, targets, generator = _inputs(torch.float64)
    states, targets = states.detach()[:5].requires_grad_(), targets[:5]

    def loss(h: Tensor, w: Tensor) -> Tensor:
        if shape is None:
            return softmax_loss(h, w, targets, chunk=4 * N)
        return sampled_softmax_loss(h, w, targets, negatives, chunk=60)

    negatives = uniform_negatives(N, shape or (1,), generator)
    assert torch.autograd.gradcheck(loss, (states, table))


@pytest.mark.parametrize("shape", [(N - 1,), (T, N - 1)], ids=["shared", "per position"])
def test_negatives_that_are_every_item_once_give_the_full_softmax(shape: tuple[int, ...]) -> None:
    states, table, targets, _ = _inputs()
    every = torch.arange(1, N).expand(shape)
    log_q = torch.full((N,), -math.log(N - 1))  # uniform: the correction vanishes
    _assert_equal(
        _with_gradients(sampled_softmax_loss(states, table, targets, every, log_q=log_q), states, table),
        _with_gradients(softmax_loss(states, table, targets), states, table),
    )


def test_the_corrected_sum_over_negatives_estimates_the_sum_over_all_items() -> None:
    states, table, targets, generator = _inputs(scale=0.5)
    popularity = torch.rand(N, generator=generator) + 0.2
    popularity[0] = 0
    log_q = (popularity / popularity.sum()).log()
    negatives = torch.multinomial(popularity, 200_000, replacement=True, generator=generator)
    estimate = sampled_softmax_loss(states, table, targets, negatives, log_q=log_q)
    assert estimate.item() == pytest.approx(softmax_loss(states, table, targets).item(), abs=0.01)


def test_padding_takes_no_probability_and_no_gradient() -> None:
    states, table, targets, generator = _inputs()
    with torch.no_grad():
        table[0] = 1e4  # would swallow everything if it took part
    negatives = uniform_negatives(N, (500,), generator)
    assert 0 not in negatives
    for loss in (softmax_loss(states, table, targets), sampled_softmax_loss(states, table, targets, negatives)):
        assert loss.item() < 20
        assert not torch.autograd.grad(loss, table)[0][0].any()


def test_no_gradient_is_made_where_none_is_asked_for() -> None:
    states, table, targets, _ = _inputs()
    with torch.no_grad():
        loss = softmax_loss(states, table, targets)
    assert not loss.requires_grad
    torch.testing.assert_close(loss, F.cross_entropy(states @ table[1:].T, targets - 1).detach())


def test_full_chunks_keep_single_precision_and_the_setting_of_the_caller() -> None:
    generator = torch.Generator().manual_seed(0)
    states, table = torch.randn(200, 64, generator=generator), torch.randn(1001, 64, generator=generator)
    targets = torch.randint(1, 1001, (200,), generator=generator)
    states.requires_grad_()
    table.requires_grad_()
    before = torch.get_float32_matmul_precision()
    found = _with_gradients(softmax_loss(states, table, targets, chunk=64 * 1000), states, table)
    assert torch.get_float32_matmul_precision() == before
    exact_states, exact_table = states.detach().double().requires_grad_(), table.detach().double().requires_grad_()
    exact = _with_gradients(F.cross_entropy(exact_states @ exact_table[1:].T, targets - 1), exact_states, exact_table)
    for ours, theirs in zip(found, exact, strict=True):
        assert ((ours - theirs).abs().max() / theirs.abs().max()).item() < 3e-6
