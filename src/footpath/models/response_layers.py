"""Blocks of the models of responses: vectors of what is known, layers on top of them, attention of an item to a history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from footpath.models.item_table import ItemTable, rows_of
from footpath.models.layers import Dropout
from footpath.training.batches import Events
from footpath.training.impression_batches import Columns, ImpressionBatch

HistoryInput = Literal["type", "value", "category", "age", "place"]

_TYPES: Final = 32  # room for event types that the contract will add
_AGES: Final = 162  # quarters of a doubling of a second, 0 below one second, and none
_SECOND: Final = 1_000_000
_FORGOTTEN: Final = 0.02
_START: Final = 0.05  # deviation of vectors before training
_CHUNK: Final = 2**17  # numbers: half a MiB, which stays in cache from one operation to the next


class Dice(nn.Module):
    """x where a gate is open and alpha x where it is closed; the gate is a logistic of x standardised over the batch.

    Zhou et al., KDD 2018 (https://arxiv.org/abs/1706.06978), equation 3.
    """

    def __init__(self, dim: int, eps: float = 1e-9) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim, eps=eps, momentum=0.01, affine=False)
        self.alpha = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        if self.training:
            gate = self.norm(x.reshape(-1, x.shape[-1])).view(x.shape).sigmoid()
        else:
            mean, variance = self._running()
            gate = ((x - mean) * (variance + self.norm.eps).rsqrt()).sigmoid()
        return x * (self.alpha + gate * (1 - self.alpha))

    def then(self, linear: nn.Linear, x: Float[Tensor, "*B D"], real: Bool[Tensor, "*B"] | None = None) -> Float[Tensor, "*B O"]:
        """`linear(self(x))`, a piece at a time that stays in cache. real: what is standardised over; None for all."""
        flat = x.reshape(-1, x.shape[-1])
        shown = None if real is None else real.reshape(-1, 1).to(x.dtype)
        if not self.training:
            mean, variance = self._running()
            count = 0
        else:
            count = len(flat) if shown is None else int(shown.sum())
            mean, variance = _moments(flat.detach(), shown, count)
            self._follow(mean, variance, count)
        scale = (variance + self.norm.eps).rsqrt()
        found = _DiceThenLinear.apply(flat, self.alpha, linear.weight, linear.bias, scale, -mean * scale, shown, count)  # type: ignore[no-untyped-call]
        return found.view(*x.shape[:-1], -1)

    def _running(self) -> tuple[Tensor, Tensor]:
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None
        assert variance is not None
        return mean, variance

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Running figures as nn.BatchNorm1d keeps them."""
        if not count:
            return
        (running_mean, running_variance), momentum = self._running(), self.norm.momentum
        assert momentum is not None
        assert self.norm.num_batches_tracked is not None
        running_mean.lerp_(mean, momentum)
        running_variance.lerp_(variance * (count / max(1, count - 1)), momentum)
        self.norm.num_batches_tracked += 1


def _moments(x: Float[Tensor, "T D"], real: Float[Tensor, "T 1"] | None, count: int) -> tuple[Float[Tensor, " D"], Float[Tensor, " D"]]:
    """Mean and variance of each column over the real rows; 0 and 0 where none is."""
    if not count:
        return x.new_zeros(x.shape[1]), x.new_zeros(x.shape[1])
    step = max(1, _CHUNK // x.shape[1])
    real = x.new_ones(len(x), 1) if real is None else real
    shift = (real[:step].T @ x[:step])[0] / real[:step].sum().clamp(min=1)  # squares of what is far from zero lose the variance
    sums = torch.zeros(2, x.shape[1], dtype=torch.float64, device=x.device)
    buffer = x.new_empty(min(step, len(x)), x.shape[1])
    for start in range(0, len(x), step):
        part, weight = x[start : start + step], real[start : start + step].T
        apart = torch.sub(part, shift, out=buffer[: len(part)])
        sums[0] += (weight @ apart)[0]
        sums[1] += (weight @ apart.square_())[0]
    mean, square = sums / count
    return (shift + mean).to(x.dtype), (square - mean.square()).clamp(min=0).to(x.dtype)


class _DiceThenLinear(torch.autograd.Function):
    """s = W (x * (alpha + gate (1 - alpha))) + b with gate = logistic(scale x + offset), for (T, D) x and (O, D) W.

    count: of the rows that scale and offset were made from, whose part in the gradient is that of batch normalisation; 0 where they are
    given. real: (T, 1), 0 where a row was not among them; such a row gets no gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        alpha: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        scale: Tensor,
        offset: Tensor,
        real: Tensor | None,
        count: int,
    ) -> Tensor:
        gated, plain = (weight * (1 - alpha)).T, (weight * alpha).T  # (D, O)
        step = max(1, _CHUNK // x.shape[1])
        learn = any(ctx.needs_input_grad)
        gates = x.new_empty(len(x) if learn else min(step, len(x)), x.shape[1])
        buffer, found = x.new_empty(min(step, len(x)), x.shape[1]), x.new_empty(len(x), len(weight))
        for start in range(0, len(x), step):
            part = x[start : start + step]
            gate = gates[start : start + step] if learn else gates[: len(part)]
            torch.addcmul(offset, part, scale, out=gate).sigmoid_()
            out = found[start : start + step]
            torch.mm(part, plain, out=out)
            out.addmm_(torch.mul(part, gate, out=buffer[: len(part)]), gated)
        if bias is not None:
            found += bias
        ctx.save_for_backward(x, gates, alpha, weight, scale, offset, real)
        ctx.count, ctx.has_bias = count, bias is not None
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_found: Tensor) -> tuple[Tensor | None, ...]:
        x, gates, alpha, weight, scale, offset, real = ctx.saved_tensors
        d_found = d_found.contiguous() if real is None else d_found * real
        gated, plain = weight * (1 - alpha), weight * alpha
        step = max(1, _CHUNK // x.shape[1])
        first, second = x.new_empty(2, min(step, len(x)), x.shape[1])
        # sums over rows of the gradient times x, x gate, and, with slope = x gate (1 - gate), times slope and slope x
        with_x, with_gated, with_slope, with_both = x.new_zeros(4, *weight.shape)
        for start in range(0, len(x), step):
            part, gate, d = x[start : start + step], gates[start : start + step], d_found[start : start + step].T
            n = len(part)
            with_x.addmm_(d, part)
            product = torch.mul(part, gate, out=first[:n])
            with_gated.addmm_(d, product)
            if ctx.count:
                slope = torch.addcmul(product, product, gate, value=-1, out=second[:n])
                with_slope.addmm_(d, slope)
                with_both.addmm_(d, slope.mul_(part))
        constant, linear = torch.zeros_like(scale), torch.zeros_like(scale)  # what the mean and the variance pass on
        if ctx.count:
            of_mean = (gated * with_slope).sum(0) / ctx.count
            of_variance = (gated * (scale * with_both + offset * with_slope)).sum(0) / ctx.count
            constant, linear = -scale * (of_mean + offset * of_variance), -scale.square() * of_variance
        d_x = torch.empty_like(x)
        with_one, plain = torch.cat([d_found, torch.ones_like(d_found[:, :1])], 1), torch.cat([plain, constant[None]])
        for start in range(0, len(x), step):
            part, gate, d, out = (of[start : start + step] for of in (x, gates, with_one, d_x))
            n = len(part)
            product = torch.mul(part, gate, out=first[:n])
            slope = torch.addcmul(product, product, gate, value=-1, out=second[:n])
            inner = torch.addcmul(gate, slope, scale, out=slope)
            torch.mm(d[:, :-1], gated, out=product)
            torch.mm(d, plain, out=out).addcmul_(product, inner).addcmul_(part, linear)
            if real is not None:
                out.mul_(real[start : start + step])
        return (
            d_x,
            (weight * (with_x - with_gated)).sum(0),
            with_x * alpha + with_gated * (1 - alpha),
            d_found.sum(0) if ctx.has_bias else None,
            None,
            None,
            None,
            None,
        )


class Layers(nn.Sequential):
    """Layers one after another; Dice and a linear layer after it are computed together."""

    def forward(self, x: Float[Tensor, "*B D"], real: Bool[Tensor, "*B"] | None = None) -> Float[Tensor, "*B O"]:
        """real: what Dice standardises over; None for all."""
        layers = [layer for layer in self if not (isinstance(layer, Dropout) and (layer.share == 0 or not self.training))]
        while layers:
            layer = layers.pop(0)
            if isinstance(layer, Dice) and layers and isinstance(layers[0], nn.Linear):
                x = layer.then(layers.pop(0), x, real)
            else:
                x = layer(x)
        return x


def activation(name: str, dim: int) -> nn.Module:
    return Dice(dim) if name == "dice" else nn.ReLU()


def perceptron(
    inputs: int, hidden: Sequence[int], outputs: int, *, dropout: float = 0.0, active: str = "relu", normalise: bool = False
) -> Layers:
    """Linear layers with an activation and dropout between them; nothing after the last, which is left out where outputs is 0."""
    layers: list[nn.Module] = []
    for width in hidden:
        normal = [nn.BatchNorm1d(width)] if normalise else []
        layers += [nn.Linear(inputs, width), *normal, activation(active, width), Dropout(dropout)]
        inputs = width
    if outputs:
        layers.append(nn.Linear(inputs, outputs))
    return Layers(*layers)


class ColumnVectors(nn.Module):
    """A vector for every column: that of its category, or of an amount its standard score times a learned vector.

    A missing amount is a learned vector of its own. sizes: codes of each category column; code 0, unknown, has a vector too. In training
    one entry in fifty is taken for unknown, so that what is missing later has been met.
    """

    def __init__(self, sizes: Sequence[int], amounts: int, dim: int) -> None:
        super().__init__()
        starts = torch.tensor([sum(sizes[:i]) for i in range(len(sizes))], dtype=torch.int64)
        self.starts: Tensor
        self.register_buffer("starts", starts, persistent=False)
        self.categories = nn.Embedding(max(1, sum(sizes)), dim)
        self.amounts = nn.Parameter(torch.empty(amounts, dim))
        self.missing = nn.Parameter(torch.zeros(amounts, dim))
        self.n_columns = len(sizes) + amounts
        nn.init.normal_(self.categories.weight, std=_START)
        nn.init.normal_(self.amounts, std=_START)

    def forward(self, columns: Columns) -> Float[Tensor, "R K D"]:
        codes, amounts, missing = columns.codes, columns.amounts, columns.missing
        if self.training:
            forgotten = torch.rand(codes.shape[0], self.n_columns, device=codes.device) < _FORGOTTEN
            of_codes, of_amounts_too = (forgotten[:, : codes.shape[1]], forgotten[:, codes.shape[1] :])
            codes, missing = codes.masked_fill(of_codes, 0), missing | of_amounts_too
            amounts = amounts.masked_fill(of_amounts_too, 0.0)
        of_categories = self.categories(codes + self.starts)
        of_amounts = amounts[:, :, None] * self.amounts + missing[:, :, None] * self.missing
        return torch.cat([of_categories, of_amounts], 1)


class HistoryVectors(nn.Module):
    """A vector for every event of a history: its item's, and of what `names` says is read beside it.

    type: of the event. value: standardised by `mean` and `deviation`, and whether there is one. category: of the item, by `categories`,
    also added to the item that is asked about. age: time from the event to the question, in doublings of a second. place: counted from
    the newest.
    """

    def __init__(
        self,
        names: Sequence[HistoryInput],
        items: ItemTable,
        max_len: int,
        *,
        categories: Int64[Tensor, " N"] | None = None,
        mean: float = 0.0,
        deviation: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.names, self.items = tuple(names), items
        self.dropout = Dropout(dropout)
        self.of_items: Tensor
        self.scale: Tensor
        dim = items.dim
        if "type" in names:
            self.types = nn.Embedding(_TYPES, dim)
        if "value" in names:
            self.value = nn.Linear(2, dim)
            self.register_buffer("scale", torch.tensor([mean, deviation]))
        if "category" in names:
            assert categories is not None
            self.register_buffer("of_items", categories)
            self.category = nn.Embedding(int(categories.max()) + 1, dim)
        if "age" in names:
            self.ages = nn.Embedding(_AGES, dim)
        if "place" in names:
            self.places = nn.Embedding(max_len, dim)
        for module in self.children():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=_START)
        if "age" in names:
            with torch.no_grad():
                self.ages.weight[-1] = 0  # where nobody knows; seldom met in training

    def targets(self, items: Int64[Tensor, " R"]) -> Float[Tensor, "R D"]:
        """The vector of the item that is asked about."""
        x: Tensor = self.items(items)
        return self.dropout(x + self.category(self.of_items[items]) if "category" in self.names else x)

    def forward(self, batch: ImpressionBatch) -> Float[Tensor, "Q L D"]:
        """What stands at padded places is of no meaning."""
        x = self._of(batch.events, batch.requests)
        if "place" in self.names:
            back = batch.lengths[:, None] - 1 - torch.arange(x.shape[1], device=x.device)
            x = x + self.places(back.clamp(0, self.places.num_embeddings - 1))
        return self.dropout(x)

    def found(self, batch: ImpressionBatch) -> Float[Tensor, "R K D"]:
        """Of what was looked up for each impression; without places, for it lies beyond the window."""
        assert batch.found is not None
        return self.dropout(self._of(batch.found, None if batch.requests is None else batch.requests[batch.question]))

    def _of(self, events: Events, requests: Int64[Tensor, " B"] | None) -> Float[Tensor, "B L D"]:
        x: Tensor = self.items(events.items)
        if "category" in self.names:
            x = x + self.category(self.of_items[events.items])
        if "type" in self.names and events.types is not None:
            x = x + self.types(events.types)
        if "value" in self.names and events.values is not None:
            present = ~events.values.isnan()
            standard = torch.where(present, (events.values - self.scale[0]) / self.scale[1], 0)
            x = x + self.value(torch.stack([standard, present.to(standard.dtype)], 2))
        if "age" in self.names:
            x = x + self.ages(ages(events, requests))
        return x


def same(history: HistoryVectors, events: Int64[Tensor, "R L"], items: Int64[Tensor, " R"]) -> Float[Tensor, "R L 2"]:
    """Whether each event, by its item, is on the item that is asked about, and on one of its category."""
    marks = [(events == items[:, None]) & (events > 0)]
    if "category" in history.names:
        of_items = history.of_items
        category = of_items[items]
        marks.append((of_items[events] == category[:, None]) & (category > 0)[:, None])
    else:
        marks.append(torch.zeros_like(marks[0]))
    return torch.stack(marks, 2).to(torch.float32)


def ages(events: Events, requests: Int64[Tensor, " B"] | None) -> Int64[Tensor, "B L"]:
    """How often a second has to be doubled to reach from each event to the question: 0 below one; the last number where nobody knows."""
    if events.times is None or requests is None:
        return torch.full_like(events.items, _AGES - 1)
    seconds = ((requests[:, None] - events.times) / _SECOND).clamp(min=0.5)
    return (4 * seconds.log2() + 1).floor().long().clamp(0, _AGES - 2)


def mean_of_history(history: Float[Tensor, "Q L D"], real: Bool[Tensor, "Q L"]) -> Float[Tensor, "Q D"]:
    """Zero where the history is empty."""
    total = (history * real[:, :, None]).sum(1)
    return total / real.sum(1, keepdim=True).clamp(min=1)


class TargetAttention(nn.Module):
    """Weights of the events of a history for an item that is asked about, by a small network on [q, k, q - k, q * k].

    Zhou et al., KDD 2018, section 4.3: the weights are not normalised, so that a longer history of what is alike weighs more; `softmax`
    normalises them. The first layer is linear in q, k and q * k, so for each q it is one matrix that is multiplied by k.
    outputs: O numbers for each event; the weight is the first. marks: P further numbers that are known of each pair of q and k.
    """

    def __init__(
        self, dim: int, hidden: Sequence[int], *, active: str = "dice", softmax: bool = False, outputs: int = 1, marks: int = 0
    ) -> None:
        super().__init__()
        self.first = nn.Linear(4 * dim, hidden[0])
        self.marks = nn.Linear(marks, hidden[0], bias=False) if marks else None
        self.rest = Layers(activation(active, hidden[0]), *perceptron(hidden[0], hidden[1:], outputs, active=active))
        self.softmax = softmax

    def scores(
        self,
        targets: Float[Tensor, "R D"],
        history: Float[Tensor, "Q L D"],
        real: Bool[Tensor, "Q L"],
        question: Int64[Tensor, " R"],
        marks: Float[Tensor, "R L P"] | None = None,
    ) -> tuple[Float[Tensor, "R L O"], Bool[Tensor, "R L"]]:
        """Numbers for each event, of no meaning at padded places, and which places are not padded."""
        of_q, of_k, of_gap, of_product = self.first.weight.chunk(4, 1)  # (H, D) each
        queries = F.linear(targets, of_q + of_gap, self.first.bias)  # (R, H)
        own = torch.addcmul(of_k - of_gap, of_product, targets[:, None, :])  # (R, H, D)
        alone = len(question) == len(history)
        rows = history if alone else history.index_select(0, question)
        z = torch.baddbmm(queries[:, None, :], rows, own.transpose(1, 2))
        if self.marks is not None and marks is not None:
            z = z + self.marks(marks)
        shown = real if alone else real.index_select(0, question)
        full = not self.training or bool(shown.all())
        return self.rest(z, None if full else shown), shown  # padding must not be among what Dice standardises over

    def weights(
        self, targets: Float[Tensor, "R D"], history: Float[Tensor, "Q L D"], real: Bool[Tensor, "Q L"], question: Int64[Tensor, " R"]
    ) -> Float[Tensor, "R L"]:
        """0 at padded places."""
        found, shown = self.scores(targets, history, real, question)
        scores = found[:, :, 0]
        if not self.softmax:
            return scores.masked_fill(~shown, 0.0)
        return softmax_over(scores, shown)

    def forward(
        self, targets: Float[Tensor, "R D"], history: Float[Tensor, "Q L D"], real: Bool[Tensor, "Q L"], question: Int64[Tensor, " R"]
    ) -> Float[Tensor, "R D"]:
        """The weighted sum of the history for each impression."""
        weights = self.weights(targets, history, real, question)
        rows = history if len(question) == len(history) else history.index_select(0, question)
        return torch.bmm(weights[:, None, :], rows)[:, 0]


def softmax_over(scores: Float[Tensor, "R L"], shown: Bool[Tensor, "R L"]) -> Float[Tensor, "R L"]:
    """Weights that sum to 1 over the places shown, and are 0 elsewhere; all 0 where none is."""
    empty = ~shown.any(1, keepdim=True)
    return scores.masked_fill(~shown, -torch.inf).masked_fill(empty, 0.0).softmax(1).masked_fill(~shown, 0.0)


class CrossNetwork(nn.Module):
    """x_{l+1} = x_0 * (W_l x_l + b_l) + x_l: after l layers, products of up to l + 1 features.

    Wang et al., "DCN V2", WWW 2021 (https://arxiv.org/abs/2008.13535), equation 1.
    """

    def __init__(self, dim: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(dim, dim) for _ in range(layers)])

    def forward(self, x: Float[Tensor, "R D"]) -> Float[Tensor, "R D"]:
        first = x
        for layer in self.layers:
            x = first * layer(x) + x
        return x


def factorised_pairs(fields: Float[Tensor, "R K D"]) -> Float[Tensor, " R"]:
    """The sum of the dot products of all pairs of fields. Rendle, "Factorization machines", ICDM 2010."""
    return 0.5 * (fields.sum(1).square() - fields.square().sum(1)).sum(1)
