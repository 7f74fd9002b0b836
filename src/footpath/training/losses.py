"""Losses of next-item models: functions of states, the item table and targets, without a (T, N) tensor.

States are (T, D), of real positions only; the item table is (N, D), and a score is a state times an item's row. Row 0, padding, is in no
sum of `softmax_loss`; the sampled losses read the rows that targets and negatives name and no other, so a small table of gathered rows
serves them as well, with every item in it once. Gradients are written by hand and made in the forward pass, chunk by chunk in one reused
buffer: a chunk of scores is still in the cache when its gradient is taken. exp2 instead of exp: on CPU it costs half.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final, Self, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from footpath.errors import ConfigError, DataError

_CHUNK: Final = 2**20  # numbers in the buffer: 4 MiB in single precision
_CHUNK_OF_ALL: Final = 2**22  # the same where all items have a score
_MIN_ROWS: Final = 8
_MAX_ROWS: Final = 256
_TILE: Final = 2**18  # scores of one product: 256 x 1,024 run at 90 % of the processor's rate, 86 x 12,100 at 60 %
_ROWS_APART: Final = 32  # in bf16 rows are filled up to a multiple: oneDNN compiles products anew for each number of them
_SAFE: Final = 2.0**64  # between this and its inverse a sum of exponentials has lost nothing, and the highest need not be looked for first
_LOG2E: Final = 1 / math.log(2)


def softmax_loss(
    states: Float[Tensor, "T D"],
    table: Float[Tensor, "N D"],
    targets: Int64[Tensor, " T"],
    *,
    chunk: int = _CHUNK_OF_ALL,
    in_bf16: bool = False,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the softmax over all items.

    chunk: how many scores are held at once, at most; 8 to 256 rows of N are. in_bf16: products of tiles are; their sums are not, nor are
    the target's score, exponentials and gradients.
    """
    sums = partial(_softmax, targets=targets, chunk=chunk, in_bf16=in_bf16)
    return _Mean.apply(states, table, sums)  # type: ignore[no-untyped-call]


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
    return _sampled(states, table, targets, negatives, _cross_entropy, shift=shift, chunk=chunk)


def gbce_loss(
    states: Float[Tensor, "T D"],
    table: Float[Tensor, "N D"],
    targets: Int64[Tensor, " T"],
    negatives: Int64[Tensor, " S"] | Int64[Tensor, "T S"],
    *,
    n_items: int,
    t: float = 0.75,
    chunk: int = _CHUNK,
) -> Float[Tensor, ""]:
    """Mean over positions, the target and its negatives of -log sigmoid(score) ** beta and -log(1 - sigmoid(score)).

    With alpha = S / (n_items - 2), the share of the other items that is sampled, beta is 1 - t (1 - alpha). n_items: of the catalogue with
    padding, also where the table is a part of it. t: in [0, 1]; at 0 this is binary cross-entropy, whose probabilities are too high by
    far where few items are sampled; at 1 probabilities are calibrated. negatives: as in `sampled_softmax_loss`, and drawn uniformly.
    Raises ConfigError. Petrov and Macdonald, RecSys 2023 (https://arxiv.org/abs/2308.07192).
    """
    if not 0 <= t <= 1:
        raise ConfigError(f"t of gBCE must be from 0 (no calibration) to 1 (full), got {t}")
    if n_items < 3:
        raise ConfigError(f"gBCE needs two items beside padding to tell apart, got n_items {n_items}")
    beta = 1 - t * (1 - negatives.shape[-1] / (n_items - 2))
    return _sampled(states, table, targets, negatives, partial(_binary_cross_entropy, beta=beta), chunk=chunk)


def bpr_loss(
    states: Float[Tensor, "T D"],
    table: Float[Tensor, "N D"],
    targets: Int64[Tensor, " T"],
    negatives: Int64[Tensor, " S"] | Int64[Tensor, "T S"],
    *,
    chunk: int = _CHUNK,
) -> Float[Tensor, ""]:
    """Mean over positions and their negatives of -log sigmoid(score of the target - score of the negative).

    negatives: as in `sampled_softmax_loss`; a position whose negatives are all its target counts with 0.
    Rendle et al., UAI 2009 (https://arxiv.org/abs/1205.2618), whose penalty on weights is the optimizer's here.
    """
    return _sampled(states, table, targets, negatives, _pairwise, chunk=chunk)


def uniform_negatives(n_items: int, shape: tuple[int, ...], generator: torch.Generator) -> Int64[Tensor, "*shape"]:
    """Item indexes drawn uniformly with replacement, never 0."""
    return torch.randint(1, n_items, shape, generator=generator)


@dataclass(frozen=True, eq=False)
class Popularity:
    """Items drawn in proportion to count ** power with replacement; never 0, and never an item without a count.

    shares: cumulative, up to 1. log_q: the log-probability with which `draw` gives each item, -inf where it never does.
    """

    shares: Float64[Tensor, " N"]
    log_q: Float32[Tensor, " N"]

    @classmethod
    def of(cls, counts: Float[Tensor, " N"] | Int64[Tensor, " N"], *, power: float = 1.0) -> Self:
        """The count of index 0 is not read; power 0 draws uniformly from items with a count. Raises ConfigError, DataError."""
        if not 0 <= power < math.inf:
            raise ConfigError(f"power of popularity must be at least 0 and finite, got {power}")
        known = counts[1:].double()
        if not bool((known.isfinite() & (known >= 0)).all()):
            worst = int((~known.isfinite() | (known < 0)).nonzero()[0, 0])
            raise DataError(f"counts must be finite and at least 0, got {known[worst].item()} for item {worst + 1}")
        weights = torch.zeros(len(counts), dtype=torch.float64, device=counts.device)
        if len(known):
            weights[1:] = torch.where(known > 0, (known / known.max()) ** power, 0)
        shares = weights.cumsum(0)
        if not shares[-1] > 0:
            raise DataError(f"none of {len(known)} items has a count above 0: there is nothing to draw negatives from")
        shares /= shares[-1].clone()
        return cls(shares, shares.diff(prepend=shares.new_zeros(1)).log().float())

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Int64[Tensor, "*shape"]:
        places = torch.rand(shape, dtype=torch.float64, generator=generator, device=self.shares.device)
        return torch.searchsorted(self.shares, places, right=True)


class _Mean(torch.autograd.Function):
    """A mean over positions whose gradients are made together with it.

    sums: takes states, table and whether gradients are wanted; gives the sum over positions, its gradient by states, and that by table:
    of all rows, or parts of it and the rows to which they add; a whole table is then filled only once, by `backward`.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, sums: Callable[[Tensor, Tensor, bool], _Sums]) -> Tensor:
        total, *gradients = sums(states, table, any(ctx.needs_input_grad))
        ctx.save_for_backward(*gradients)
        ctx.n_items = len(table)
        return total / len(states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        d_states, d_rows, rows = ctx.saved_tensors
        scale = gradient / len(d_states)
        d_rows = d_rows * scale
        d_table = d_rows if rows is None else d_rows.new_zeros(ctx.n_items, d_rows.shape[1]).index_add_(0, rows, d_rows)
        return d_states * scale, d_table, None


_Sums: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor | None]


def _softmax(states: Tensor, table: Tensor, learn: bool, *, targets: Tensor, chunk: int, in_bf16: bool) -> _Sums:
    items, own = table[1:], table.index_select(0, targets)
    n_items, n_real = len(items), len(states)
    rows = min(_MAX_ROWS, max(_MIN_ROWS, chunk // n_items))
    width = (2 * _TILE if in_bf16 else _TILE) // rows
    places = None
    if in_bf16:
        spare = -n_real % _ROWS_APART
        items, states, own = items.bfloat16(), F.pad(states, (0, 0, 0, spare)), F.pad(own, (0, 0, 0, spare))
        places = F.pad(targets - 1, (0, spare), value=-1)[:, None]
    buffer = items.new_empty(min(rows, len(states)) * n_items)
    d_states, d_table = torch.zeros_like(states), torch.zeros_like(table)
    pull = states.new_empty(len(states), 1)  # of the target: 1, or what is left of it by its own exponential where the tiles lack that
    total = states.new_zeros(())
    for start in range(0, len(states), rows):
        part = slice(start, start + rows)
        h, p = states[part], own[part]
        spans = [slice(first, min(first + width, n_items)) for first in range(0, n_items, width)]
        tiles = [(items[s], buffer[s.start * len(h) : s.stop * len(h)].view(len(h), -1)) for s in spans]
        hidden = None if places is None else places[part]
        with fast_products(h.is_cpu and len(h) == rows):
            bits = h * _LOG2E
            chosen = (bits * p).sum(1, keepdim=True)
            norm, in_tiles = _exponentials(bits, chosen, tiles, hidden)
            if not bool(((norm > 1 / _SAFE) & (norm < _SAFE)).all()):
                top = _highest(bits, tiles)
                chosen = chosen - top
                norm, in_tiles = _exponentials(bits, chosen, tiles, hidden, top)
            pull[part] = in_tiles / norm
            total += (norm.log2() - chosen)[: max(0, n_real - start)].sum()
            if learn:
                d, weighted = d_states[part], (h / norm).to(items.dtype)
                for s, (part_of_table, weights) in zip(spans, tiles, strict=True):
                    _add_product(d, weights, part_of_table)
                    _add_product(d_table[1:][s], weights.T, weighted)
                d.div_(norm).sub_(p * pull[part])
    d_table.index_add_(0, targets, (states * pull)[:n_real], alpha=-1)
    return total / _LOG2E, d_states[:n_real], d_table, None


_Tiles: TypeAlias = list[tuple[Tensor, Tensor]]  # some items (n, D), and room for scores of a few positions (rows, n)


def _exponentials(bits: Tensor, chosen: Tensor, tiles: _Tiles, hidden: Tensor | None, top: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """2 ** (score - top) into the tiles; the sum over all items and that over the tiles, (rows, 1) each.

    hidden: a place of each row where the tiles get 0, because bf16 is too coarse for it; its score, less top, is `chosen`.
    """
    in_tiles = bits.new_zeros(len(bits), 1)
    factor, first = bits.to(tiles[0][0].dtype), 0
    for items, z in tiles:
        scores = torch.mm(factor, items.T, out=z).to(bits.dtype)  # a copy only of bf16
        if top is not None:
            scores -= top
        if hidden is not None:
            place = (hidden - first).clamp(0, len(items) - 1)
            scores.scatter_(1, place, scores.gather(1, place).masked_fill_(place + first == hidden, -math.inf))
            first += len(items)
        in_tiles += scores.exp2_().sum(1, keepdim=True)
        z.copy_(scores)
    return (in_tiles if hidden is None else in_tiles + chosen.exp2()), in_tiles


def _highest(bits: Tensor, tiles: _Tiles) -> Tensor:
    factor = bits.to(tiles[0][0].dtype)
    return torch.stack([torch.mm(factor, items.T, out=z).amax(1, keepdim=True) for items, z in tiles]).amax(0).to(bits.dtype)


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Of bf16, torch on CPU gives a product in bf16 only; the sum over tiles is that of `total`."""
    if a.dtype == total.dtype:
        total.addmm_(a, b)
    else:
        total += torch.mm(a, b)


# Takes scores of negatives (rows, S), overwritten, -inf where left out, of targets (rows, 1), both in bits, and how many negatives are not
# left out (rows, 1). Gives the sum of the loss in bits and its gradient by the scores: that by a negative's is what is left in its place
# times the second result (rows, 1), that by a target's is the third (rows, 1).
_Kernel: TypeAlias = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def _cross_entropy(z: Tensor, chosen: Tensor, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    top = torch.maximum(z.amax(1, keepdim=True), chosen)
    others = z.sub_(top).exp2_().sum(1, keepdim=True)
    norm = others + (chosen - top).exp2_()
    return (norm.log2() + top - chosen).sum(), 1 / norm, -others / norm


def _binary_cross_entropy(z: Tensor, chosen: Tensor, kept: Tensor, *, beta: float) -> tuple[Tensor, Tensor, Tensor]:
    share = 1 / (kept + 1)
    loss = _softplus(z).sum(1, keepdim=True) + beta * _softplus(-chosen)
    _sigmoid_(z)
    return (loss * share).sum(), share, _sigmoid_(-chosen) * share * -beta


def _pairwise(z: Tensor, chosen: Tensor, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    share = 1 / kept.clamp(min=1)
    loss = _softplus(z.sub_(chosen)).sum(1, keepdim=True)
    return (loss * share).sum(), share, -_sigmoid_(z).sum(1, keepdim=True) * share


def _softplus(bits: Tensor) -> Tensor:
    return F.softplus(bits, beta=1 / _LOG2E)


def _sigmoid_(bits: Tensor) -> Tensor:
    return bits.mul_(1 / _LOG2E).sigmoid_()


def _sampled(
    states: Tensor, table: Tensor, targets: Tensor, negatives: Tensor, kernel: _Kernel, *, shift: Tensor | None = None, chunk: int
) -> Tensor:
    loss = _shared if negatives.dim() == 1 else _per_position
    sums = partial(loss, targets=targets, negatives=negatives, kernel=kernel, shift=shift, chunk=chunk)
    return _Mean.apply(states, table, sums)  # type: ignore[no-untyped-call]


def _shared(
    states: Tensor,
    table: Tensor,
    learn: bool,
    *,
    targets: Tensor,
    negatives: Tensor,
    kernel: _Kernel,
    shift: Tensor | None,
    chunk: int,
) -> _Sums:
    items, positives = table.index_select(0, negatives), table.index_select(0, targets)  # (S, D), (T, D)
    drawn = torch.zeros(len(table), dtype=torch.bool, device=table.device).index_fill_(0, negatives, True)[targets]
    shifts = None if shift is None else shift[negatives]
    rows = max(_MIN_ROWS, chunk // len(items))
    buffer = states.new_empty(min(rows, len(states)), len(items))
    d_states, d_rows = torch.empty_like(states), table.new_empty(len(items) + len(states), table.shape[1])
    d_items, d_positives = d_rows[: len(items)].zero_(), d_rows[len(items) :]
    total = states.new_zeros(())
    for start in range(0, len(states), rows):
        part = slice(start, start + rows)
        h, p = states[part], positives[part]
        bits = h * _LOG2E
        z = torch.mm(bits, items.T, out=buffer[: len(h)])  # (rows, S)
        if shifts is not None:
            z -= shifts
        kept = z.new_full((len(h), 1), len(items))
        hit = drawn[part].nonzero()[:, 0]  # few rows: comparing all would cost as much as two products
        same = targets[part][hit, None] == negatives
        z[hit] = z[hit].masked_fill_(same, -math.inf)
        kept[hit] -= same.sum(1, keepdim=True)
        loss, unit, d_chosen = kernel(z, (bits * p).sum(1, keepdim=True), kept)
        total += loss
        if learn:
            torch.addcmul(torch.mm(z, items).mul_(unit), p, d_chosen, out=d_states[part])
            d_items.addmm_(z.T, h * unit)
            torch.mul(h, d_chosen, out=d_positives[part])
    return total / _LOG2E, d_states, d_rows, torch.cat([negatives, targets])


def _per_position(
    states: Tensor,
    table: Tensor,
    learn: bool,
    *,
    targets: Tensor,
    negatives: Tensor,
    kernel: _Kernel,
    shift: Tensor | None,
    chunk: int,
) -> _Sums:
    candidates = torch.cat([targets[:, None], negatives], 1)  # (T, 1 + S)
    weights = states.new_empty(candidates.shape)  # first scores, then the gradient by scores
    rows = max(_MIN_ROWS, chunk // (candidates.shape[1] * states.shape[1]))
    buffer = table.new_empty(min(rows, len(states)) * candidates.shape[1], states.shape[1])
    total = states.new_zeros(())
    for start in range(0, len(states), rows):
        h, c = states[start : start + rows], candidates[start : start + rows]
        items = torch.index_select(table, 0, c.reshape(-1), out=buffer[: c.numel()]).view(*c.shape, -1)  # (rows, 1 + S, D)
        scores = torch.sum(items.mul_(h[:, None] * _LOG2E), 2, out=weights[start : start + rows])
        chosen, z = scores[:, :1], scores[:, 1:]
        if shift is not None:
            z -= shift[c[:, 1:]]
        same = c[:, 1:] == c[:, :1]
        z.masked_fill_(same, -math.inf)
        loss, unit, d_chosen = kernel(z, chosen, z.shape[1] - same.sum(1, keepdim=True, dtype=z.dtype))
        total += loss
        z *= unit
        chosen.copy_(d_chosen)
    if not learn:
        return total / _LOG2E, weights, weights, candidates
    d_states = F.embedding_bag(candidates, table, mode="sum", per_sample_weights=weights)  # (T, D)
    ordered, order = candidates.reshape(-1).sort()
    read, sizes = torch.unique_consecutive(ordered, return_counts=True)
    d_rows = F.embedding_bag(
        order // candidates.shape[1], states, sizes.cumsum(0) - sizes, mode="sum", per_sample_weights=weights.reshape(-1)[order]
    )
    return total / _LOG2E, d_states, d_rows, read


@contextmanager
def fast_products(wanted: bool) -> Iterator[None]:
    """Products on CPU go to oneDNN inside, which takes two thirds of the time; the setting is put back afterwards.

    Not wanted on a GPU, where the setting would let products be less than single precision.

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
