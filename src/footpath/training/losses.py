"""Losses of next-item models: functions of states, the item table and targets, without a (T, N) tensor.

States are (T, D), of real positions only; the item table is (N, D), and a score is a state times an item's row. Row 0, padding, is in no
sum. Gradients are written by hand and made in the forward pass, chunk by chunk in one reused buffer: a chunk of scores is still in the
cache when its gradient is taken. exp2 instead of exp: on CPU it costs a third.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, Final

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

_CHUNK: Final = 2**20  # numbers in the buffer: 4 MiB in single precision
_MIN_ROWS: Final = 8
_LOG2E: Final = 1 / math.log(2)


def softmax_loss(
    states: Float[Tensor, "T D"], table: Float[Tensor, "N D"], targets: Int64[Tensor, " T"], *, chunk: int = _CHUNK
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the softmax over all items.

    chunk: how many scores are held at once; at least eight rows of N are.
    """
    return _Mean.apply(states, table, partial(_softmax, targets=targets, chunk=chunk))  # type: ignore[no-untyped-call]


def sampled_softmax_loss(
    states: Float[Tensor, "T D"],
    table: Float[Tensor, "N D"],
    targets: Int64[Tensor, " T"],
    negatives: Int64[Tensor, " S"] | Int64[Tensor, "T S"],
    *,
    log_q: Float[Tensor, " N"] | None = None,
    chunk: int = _CHUNK,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the softmax over each target and S sampled items.

    negatives: indexes above 0, shared by all positions, which is many times cheaper, or of each position; where one is the target, it is
    left out. log_q: the log-probability with which each item is drawn; then the sum over negatives estimates the sum over all items
    but the target (Bengio and Senécal, IEEE TNN 2008). chunk: how many scores are held at once.
    """
    shift = None if log_q is None else (log_q + math.log(negatives.shape[-1])) * _LOG2E
    loss = _shared_sampled_softmax if negatives.dim() == 1 else _sampled_softmax
    sums = partial(loss, targets=targets, negatives=negatives, shift=shift, chunk=chunk)
    return _Mean.apply(states, table, sums)  # type: ignore[no-untyped-call]


def uniform_negatives(n_items: int, shape: tuple[int, ...], generator: torch.Generator) -> Int64[Tensor, "*shape"]:
    """Item indexes drawn uniformly with replacement, never 0."""
    return torch.randint(1, n_items, shape, generator=generator)


class _Mean(torch.autograd.Function):
    """A mean over positions whose gradients are made together with it.

    sums: takes states, table and whether gradients are wanted; gives the sum over positions and its gradients by states and by table.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, sums: Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        total, d_states, d_table = sums(states, table, any(ctx.needs_input_grad))
        ctx.save_for_backward(d_states, d_table)
        return total / len(states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        d_states, d_table = ctx.saved_tensors
        scale = gradient / len(d_states)
        return d_states * scale, d_table * scale, None


def _softmax(states: Tensor, table: Tensor, learn: bool, *, targets: Tensor, chunk: int) -> tuple[Tensor, Tensor, Tensor]:
    items, labels = table[1:], targets - 1
    rows = max(_MIN_ROWS, chunk // len(items))
    buffer = states.new_empty(min(rows, len(states)), len(items))
    d_states, d_table = torch.empty_like(states), torch.zeros_like(table)
    total = states.new_zeros(())
    for start in range(0, len(states), rows):
        h, t = states[start : start + rows], labels[start : start + rows]
        with _fast_products(len(h) == rows):
            z = torch.mm(h * _LOG2E, items.T, out=buffer[: len(h)])  # (rows, N - 1), in bits
            chosen = z.gather(1, t[:, None])
            top = z.amax(1, keepdim=True)
            weights = z.sub_(top).exp2_()
            norm = weights.sum(1, keepdim=True)
            total += (norm.log2() + top - chosen).sum()
            if learn:
                torch.sub(torch.mm(weights, items) / norm, items[t], out=d_states[start : start + rows])
                d_table[1:].addmm_(weights.T, h / norm)
    d_table.index_add_(0, targets, states, alpha=-1)
    return total / _LOG2E, d_states, d_table


def _shared_sampled_softmax(
    states: Tensor, table: Tensor, learn: bool, *, targets: Tensor, negatives: Tensor, shift: Tensor | None, chunk: int
) -> tuple[Tensor, Tensor, Tensor]:
    items, positives = table[negatives], table[targets]  # (S, D), (T, D)
    rows = max(_MIN_ROWS, chunk // len(items))
    buffer = states.new_empty(min(rows, len(states)), len(items))
    d_states, d_items, d_positives = torch.empty_like(states), torch.zeros_like(items), torch.empty_like(states)
    total = states.new_zeros(())
    for start in range(0, len(states), rows):
        part = slice(start, start + rows)
        h, p, t = states[part], positives[part], targets[part]
        with _fast_products(len(h) == rows):
            z = torch.mm(h * _LOG2E, items.T, out=buffer[: len(h)])  # (rows, S), in bits
            if shift is not None:
                z -= shift[negatives]
            z.masked_fill_(t[:, None] == negatives, -math.inf)
            chosen = (h * p).sum(1, keepdim=True) * _LOG2E
            top = torch.maximum(z.amax(1, keepdim=True), chosen)
            weights = z.sub_(top).exp2_()
            own = (chosen - top).exp2_()
            norm = weights.sum(1, keepdim=True) + own
            total += (norm.log2() + top - chosen).sum()
            if learn:
                miss = own / norm - 1  # (rows, 1)
                torch.add(torch.mm(weights, items) / norm, p * miss, out=d_states[part])
                d_items.addmm_(weights.T, h / norm)
                torch.mul(h, miss, out=d_positives[part])
    d_table = torch.zeros_like(table).index_add_(0, negatives, d_items).index_add_(0, targets, d_positives)
    return total / _LOG2E, d_states, d_table


def _sampled_softmax(
    states: Tensor, table: Tensor, learn: bool, *, targets: Tensor, negatives: Tensor, shift: Tensor | None, chunk: int
) -> tuple[Tensor, Tensor, Tensor]:
    candidates = torch.cat([targets[:, None], negatives], 1)  # (T, 1 + S)
    rows = max(_MIN_ROWS, chunk // (candidates.shape[1] * states.shape[1]))
    d_states, d_table = torch.empty_like(states), torch.zeros_like(table)
    total = states.new_zeros(())
    for start in range(0, len(states), rows):
        h, c = states[start : start + rows], candidates[start : start + rows]
        items = table[c]  # (rows, 1 + S, D)
        z = torch.bmm(items, h[:, :, None] * _LOG2E)[:, :, 0]
        if shift is not None:
            z[:, 1:] -= shift[c[:, 1:]]
        z[:, 1:].masked_fill_(c[:, 1:] == c[:, :1], -math.inf)
        chosen = z[:, :1].clone()
        top = z.amax(1, keepdim=True)
        weights = z.sub_(top).exp2_()
        norm = weights.sum(1, keepdim=True)
        total += (norm.log2() + top - chosen).sum()
        if learn:
            weights /= norm
            weights[:, 0] -= 1
            d_states[start : start + rows] = torch.bmm(weights[:, None], items)[:, 0]
            torch.mul(weights[:, :, None], h[:, None], out=items)
            d_table.index_add_(0, c.reshape(-1), items.reshape(-1, h.shape[1]))
    return total / _LOG2E, d_states, d_table


@contextmanager
def _fast_products(wanted: bool) -> Iterator[None]:
    """Products on CPU go to oneDNN inside, which takes two thirds of the time; the setting is put back afterwards.

    oneDNN compiles a kernel for each shape and keeps it, so only chunks of the one full size are wanted there: with every shape of a
    training step it holds 250 MiB.
    """
    if not (wanted and _fast_products_are_exact()):
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def _fast_products_are_exact() -> bool:
    """Whether this processor keeps single precision there; with a bf16 matrix unit (AMX) it would not."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(64, 64, generator=generator), torch.randn(64, 1024, generator=generator)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    product = a @ b
    torch.set_float32_matmul_precision(before)
    return (product - a.double() @ b.double()).abs().max().item() < 1e-4  # bf16 is off by 1e-1
