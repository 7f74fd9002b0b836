"""The vector of every item: its own, one made of its text, or both.

An item that nobody has touched is a row of text, and can be recommended as soon as it is listed. Text alone, and text beside ids, as in
Zhang et al., "Are ID embeddings necessary?", 2024 (https://arxiv.org/abs/2402.10602).
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal, Self, TypeAlias, get_args

import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from footpath.errors import ConfigError, did_you_mean

Parts: TypeAlias = Literal["id", "text", "id+text", "text+delta", "id+text+delta"]
"""id: a learned vector. text: a learned projection of the text's vector. delta: a learned vector that starts at zero."""

_NEXT_STEP: Final = "give the log an item table with titles, texts, categories, attributes or vectors, or set item_table=id"


class ItemTable(nn.Module):
    """Rows `id + W text + delta` of those parts that are wanted; row 0, padding, is zero.

    text: a vector for each item where parts name it, such as `whiten(text_vectors(...))`; otherwise not read. It is saved with the weights:
    to load them, build the table with their own `text`. An item without text has the zero vector where there are no ids, and is then ranked
    by score 0. sparse, an attribute: whether the gradients of ids and delta hold only the rows that were used, as sparse tensors.
    Raises ConfigError where text is wanted and there is none.
    """

    weight: nn.Parameter | None  # the ids' vectors, under the name that an embedding gives them
    delta: nn.Parameter | None
    text: Tensor | None
    project: nn.Linear | None

    def __init__(self, n_items: int, dim: int, *, parts: Parts = "id", text: Float32[Tensor, "N V"] | None = None) -> None:
        super().__init__()
        allowed = get_args(Parts)
        if parts not in allowed:
            raise ConfigError(f"parts of an item table must be one of {', '.join(allowed)}, got {parts!r}{did_you_mean(parts, allowed)}")
        wanted = parts.split("+")
        self.n_items, self.dim, self.parts, self.sparse = n_items, dim, parts, False
        self.register_parameter("weight", nn.Parameter(torch.empty(n_items, dim)) if "id" in wanted else None)
        self.register_parameter("delta", nn.Parameter(torch.zeros(n_items, dim)) if "delta" in wanted else None)
        self.register_buffer("text", _checked(text, n_items, parts) if "text" in wanted else None)
        self.project = None if self.text is None else nn.Linear(self.text.shape[1], dim, bias=False)
        self._cached: tuple[tuple[object, ...], Tensor] | None = None
        if self.weight is not None:
            nn.init.xavier_normal_(self.weight)
        self.clear_padding()

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @torch.no_grad()
    def clear_padding(self) -> None:
        """Make a start of whatever an initialiser that ran over all parameters has left; call it afterwards.

        Row 0 and delta become zero, and W is scaled so that the text's part is as large (root mean square) as ids are, or, where there
        are none, as Xavier's normal distribution would make them.
        """
        size = math.sqrt(2 / (self.n_items + self.dim))
        if self.weight is not None:
            self.weight[0] = 0
            size = self.weight[1:].square().mean().sqrt().item()
        if self.delta is not None:
            self.delta.zero_()
        if self.text is not None and self.project is not None:
            described = self.project(self.text[self.text.any(dim=1)])
            self.project.weight *= size / described.square().mean().sqrt()

    def forward(self, items: Int64[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        """The rows of these items; in training, text is projected once for each item that occurs."""
        if self.text is None or self._is_still():
            return self.rows(items)
        used, places = torch.unique(items, return_inverse=True)
        return rows_of(self.rows(used), places)

    def rows(self, indexes: Int64[Tensor, "*R"], *, sparse: bool | None = None) -> Float[Tensor, "*R D"]:
        """These rows of the table, without the others. sparse: as the attribute, which holds where None."""
        if self.text is not None and self._is_still():
            return F.embedding(indexes, self.table())
        sparse = self.sparse if sparse is None else sparse
        learned = [
            F.embedding(indexes, part, padding_idx=0, sparse=True) if sparse else rows_of(part, indexes, padding=True)
            for part in (self.weight, self.delta)
            if part is not None
        ]
        if self.text is None or self.project is None:
            return learned[0]
        return sum(learned, start=self.project(F.embedding(indexes, self.text)))

    def table(self) -> Float[Tensor, "N D"]:
        """The whole table; ids alone are not copied, and no gradient reaches row 0.

        In evaluation mode and without gradients, a table with text is computed once and kept until a weight changes: do not write to it.
        """
        if self._is_still():
            return self._kept()
        table = self._computed()
        if table.requires_grad:
            table = table.view_as(table)  # so that the hook is on this use of the weight, not on the weight for good
            table.register_hook(_without_padding)  # type: ignore[no-untyped-call]
        return table

    @torch.no_grad()
    def hide_untrained(self, trained: Bool[np.ndarray, " N"]) -> None:
        """Call after training with the items that a training event touched: ids and delta of the others become zero.

        What they hold was not learned. Such an item is then its text alone; without text it is the zero vector, which a model ranks by
        score 0, above whatever it scores below zero. Raises ConfigError where there is not one entry an item.
        """
        if trained.shape != (self.n_items,):
            raise ConfigError(f"trained must say yes or no for each of {self.n_items} items, padding included, got shape {trained.shape}")
        hidden = torch.from_numpy(~trained).to(self.device)
        for part in (self.weight, self.delta):
            if part is not None:
                part[hidden] = 0

    def train(self, mode: bool = True) -> Self:
        self._cached = None
        return super().train(mode)

    def _is_still(self) -> bool:
        return not (self.training or torch.is_grad_enabled())

    def _kept(self) -> Tensor:
        parts = [*self.parameters(), *self.buffers()]
        if self.text is None or any(part.is_inference() for part in parts):  # those do not count their changes
            return self._computed()
        stamp = tuple((part.data_ptr(), part._version) for part in parts)
        cached = self._cached
        if cached is None or cached[0] != stamp:
            with torch.inference_mode(False), torch.no_grad():
                cached = self._cached = (stamp, self._computed())
        return cached[1]

    def _computed(self) -> Tensor:
        learned = [part for part in (self.weight, self.delta) if part is not None]
        if self.text is None or self.project is None:
            return learned[0]
        return sum(learned, start=self.project(self.text))


def rows_of(weight: Float[Tensor, "N D"], indexes: Int64[Tensor, "*R"], *, padding: bool = False) -> Float[Tensor, "*R D"]:
    """`F.embedding`, whose gradient takes a tenth of the time on CPU. padding: row 0 gets no gradient."""
    numbers = weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.float64)  # that numpy knows
    if not (numbers and weight.requires_grad and torch.is_grad_enabled()) or torch.compiler.is_compiling():
        return F.embedding(indexes, weight, padding_idx=0 if padding else None)
    return _Rows.apply(weight, indexes, padding)  # type: ignore[no-untyped-call]


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, indexes: Tensor, padding: bool) -> Tensor:
        ctx.save_for_backward(indexes)
        ctx.n, ctx.padding = len(weight), padding
        return F.embedding(indexes, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (indexes,) = ctx.saved_tensors
        gradient, n = gradient.reshape(-1, gradient.shape[-1]), indexes.numel()
        ones = np.ones(n, np.float32)
        named = scipy.sparse.csr_array((ones, indexes.reshape(-1).numpy(), np.arange(n + 1)), shape=(n, ctx.n))
        total = torch.from_numpy(named.T @ gradient.numpy())
        if ctx.padding:
            total[0] = 0
        return total, None, None


def _checked(text: Tensor | None, n_items: int, parts: str) -> Tensor:
    """A copy of the text's vectors that belongs to the table, with a first row of zeros."""
    if text is None:
        raise ConfigError(f"an item table of {parts} needs text vectors of the items, got none: {_NEXT_STEP}")
    if text.dim() != 2 or len(text) != n_items:
        raise ConfigError(f"text vectors of an item table must be {n_items} rows, padding included, got shape {tuple(text.shape)}")
    text = text.to(torch.float32, copy=True)
    text[0] = 0
    if not text.any():
        raise ConfigError(f"an item table of {parts} needs text vectors, and those of all {n_items - 1} items are zero: {_NEXT_STEP}")
    return text


def _without_padding(gradient: Tensor) -> Tensor | None:
    """The gradient with a first row of zeros; None, for as it is, where it has one already."""
    if not gradient[0].any():
        return None
    gradient = gradient.clone()
    gradient[0] = 0
    return gradient
