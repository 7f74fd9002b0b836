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

HistoryInput = Literal["type", "value", "category", "age", "era", "place"]

_TYPES: Final = 32  # room for event types that the contract will add
_AGES: Final = 162  # quarters of a doubling of a second, 0 below one second, and none
_SECOND: Final = 1_000_000
_ERAS: Final = 10
_FORGOTTEN: Final = 0.02
_START: Final = 0.05  # deviation of vectors before training
_CHUNK: Final = 2**18  # numbers: a MiB, which stays in cache from one operation to the next


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
            mean, variance = self.running()
            gate = ((x - mean) * (variance + self.norm.eps).rsqrt()).sigmoid()
        return x * (self.alpha + gate * (1 - self.alpha))

    def running(self) -> tuple[Float[Tensor, " D"], Float[Tensor, " D"]]:
        """Mean and variance as they were in training."""
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None
        assert variance is not None
        return mean, variance

    @torch.no_grad()
    def follow(self, mean: Float[Tensor, " D"], variance: Float[Tensor, " D"], count: int) -> None:
        """Take a batch of that many into the running figures, as nn.BatchNorm1d does."""
        if not count:
            return
        (running_mean, running_variance), momentum = self.running(), self.norm.momentum
        assert momentum is not None
        assert self.norm.num_batches_tracked is not None
        running_mean.lerp_(mean, momentum)
        running_variance.lerp_(variance * (count / max(1, count - 1)), momentum)
        self.norm.num_batches_tracked += 1


def activation(name: str, dim: int) -> nn.Module:
    return Dice(dim) if name == "dice" else nn.ReLU()


def perceptron(
    inputs: int, hidden: Sequence[int], outputs: int, *, dropout: float = 0.0, active: str = "relu", normalise: bool = False
) -> nn.Sequential:
    """Linear layers with an activation and dropout between them; nothing after the last, which is left out where outputs is 0."""
    layers: list[nn.Module] = []
    for width in hidden:
        normal = [nn.BatchNorm1d(width)] if normalise else []
        layers += [nn.Linear(inputs, width), *normal, activation(active, width), Dropout(dropout)]
        inputs = width
    if outputs:
        layers.append(nn.Linear(inputs, outputs))
    return nn.Sequential(*layers)


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
        of_categories = rows_of(self.categories.weight, codes + self.starts)
        of_amounts = amounts[:, :, None] * self.amounts + missing[:, :, None] * self.missing
        return torch.cat([of_categories, of_amounts], 1)


class HistoryVectors(nn.Module):
    """A vector for every event of a history: its item's, and of what `names` says is read beside it.

    type: of the event. value: standardised by `mean` and `deviation`, and whether there is one. category: of the item, by `categories`,
    also added to the item that is asked about. age: time from the event to the question, in quarters of a doubling of a second. era: which
    tenth of the time from `began` to `ended`, of the training events, it happened in; the last for what came later. place: counted from
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
        began: int = 0,
        ended: int = 1,
    ) -> None:
        super().__init__()
        self.names, self.items = tuple(names), items
        self.dropout = Dropout(dropout)
        self.of_items: Tensor
        self.scale: Tensor
        self.span: Tensor
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
        if "era" in names:
            self.register_buffer("span", torch.tensor([began, max(ended, began + 1)]))
            self.eras = nn.Embedding(_ERAS, dim)
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
        return self.dropout(x + rows_of(self.category.weight, self.of_items[items]) if "category" in self.names else x)

    def forward(self, batch: ImpressionBatch) -> Float[Tensor, "Q L D"]:
        """What stands at padded places is of no meaning."""
        x = self._of(batch.events, batch.requests)
        if "place" in self.names:
            back = batch.lengths[:, None] - 1 - torch.arange(x.shape[1], device=x.device)
            x = x + rows_of(self.places.weight, back.clamp(0, self.places.num_embeddings - 1))
        return self.dropout(x)

    def found(self, batch: ImpressionBatch) -> Float[Tensor, "R K D"]:
        """Of what was looked up for each impression; without places, for it lies beyond the window."""
        assert batch.found is not None
        return self.dropout(self._of(batch.found, None if batch.requests is None else batch.requests[batch.question]))

    def _of(self, events: Events, requests: Int64[Tensor, " B"] | None) -> Float[Tensor, "B L D"]:
        x: Tensor = self.items(events.items)
        if "category" in self.names:
            x = x + rows_of(self.category.weight, self.of_items[events.items])
        if "type" in self.names and events.types is not None:
            x = x + rows_of(self.types.weight, events.types)
        if "value" in self.names and events.values is not None:
            present = ~events.values.isnan()
            standard = torch.where(present, (events.values - self.scale[0]) / self.scale[1], 0)
            x = x + self.value(torch.stack([standard, present.to(standard.dtype)], 2))
        if "age" in self.names:
            x = x + rows_of(self.ages.weight, ages(events, requests))
        if "era" in self.names and events.times is not None:
            since = (events.times - self.span[0]) / (self.span[1] - self.span[0])
            x = x + rows_of(self.eras.weight, (since * _ERAS).long().clamp(0, _ERAS - 1))
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
    """From each event to the question, in quarters of a doubling of a second: 0 below one; the last number where nobody knows."""
    if events.times is None or requests is None:
        return torch.full_like(events.items, _AGES - 1)
    seconds = ((requests[:, None] - events.times) / _SECOND).clamp(min=0.5)
    return (4 * seconds.log2() + 1).floor().long().clamp(0, _AGES - 2)


def mean_of_history(history: Float[Tensor, "Q L D"], real: Bool[Tensor, "Q L"]) -> Float[Tensor, "Q D"]:
    """Zero where the history is empty."""
    total = (history * real[:, :, None]).sum(1)
    return total / real.sum(1, keepdim=True).clamp(min=1)


class _DiceAttention(torch.autograd.Function):
    """Linear, Dice and linear again on [q, k, q - k, q * k], a piece at a time that stays in cache: (R, L, O), and what Dice saw.

    The first layer is z = first [q, k, q - k, q * k] + first_bias, then y = z (alpha + gate (1 - alpha)) with gate = logistic(scale z +
    offset), and weight y + bias is given. mean, variance: of z, where they are fixed; None to take them over the places that are real
    (None for all), through which the gradient then goes as in batch normalisation. A place that is not real gets no gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        targets: Tensor,
        rows: Tensor,
        first: Tensor,
        first_bias: Tensor,
        alpha: Tensor,
        weight: Tensor,
        bias: Tensor,
        real: Tensor | None,
        mean: Tensor | None,
        variance: Tensor | None,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor, int]:
        (r, length, _), width = rows.shape, len(first)
        step = max(1, _CHUNK // (length * width))
        of_q, of_k, of_gap, of_product = first.chunk(4, 1)  # (H, D) each
        queries, base = torch.addmm(first_bias, targets, (of_q + of_gap).T), of_k - of_gap
        gated, plain = (weight * (1 - alpha)).T, (weight * alpha).T  # (H, O)
        kept, fixed = any(ctx.needs_input_grad), mean is not None
        shown = None if real is None else real.to(rows.dtype)
        found = rows.new_empty(r, length, len(weight))
        buffer = rows.new_empty(min(step, r) * length, width)
        places = rows.new_empty(min(step, r) if fixed and not kept else r, length, width)
        gates = torch.empty_like(places) if kept else rows.new_empty(min(step, r), length, width)
        parts = list(zip(_split(targets, step), _split(rows, step), _split(queries, step), _split(found, step), strict=True))
        of_places = _split(places, step) if kept or not fixed else [places[: len(k)] for _, k, _, _ in parts]
        of_gates = _split(gates, step) if kept else [gates[: len(k)] for _, k, _, _ in parts]

        def product(q: Tensor, k: Tensor, of_q: Tensor, out: Tensor) -> Tensor:
            own = torch.addcmul(base, of_product, q[:, None])  # (R, H, D): the weights of k differ by q
            return torch.baddbmm(of_q[:, None], k, own.transpose(1, 2), out=out).view(-1, width)

        count = 0
        if mean is None or variance is None:
            moments = _Moments(width, rows, buffer)
            of_shown = [None] * len(parts) if shown is None else [part.reshape(1, -1) for part in _split(shown, step)]
            for (q, k, of_query, _), z, there in zip(parts, of_places, of_shown, strict=True):
                moments.add(product(q, k, of_query, z), there)
            mean, variance, count = moments.result()
        scale = (variance + eps).rsqrt()
        offset = -mean * scale
        for (q, k, of_query, out), z, gate in zip(parts, of_places, of_gates, strict=True):
            z = product(q, k, of_query, z) if fixed else z.view(-1, width)
            gate = torch.addcmul(offset, z, scale, out=gate.view(-1, width)).sigmoid_()
            torch.addmm(bias, z, plain, out=out.view(-1, len(weight)))
            out.view(-1, len(weight)).addmm_(torch.mul(z, gate, out=buffer[: len(z)]), gated)
        ctx.save_for_backward(targets, rows, first, alpha, weight, places, gates, scale, offset, shown)
        ctx.count, ctx.step = count, step
        ctx.mark_non_differentiable(mean, variance)
        return found, mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_found: Tensor, *_: object) -> tuple[Tensor | None, ...]:
        targets, rows, first, alpha, weight, places, gates, scale, offset, shown = ctx.saved_tensors
        width, outputs, step = len(first), len(weight), ctx.step
        gated, plain = weight * (1 - alpha), weight * alpha  # (O, H)
        d_found = d_found if shown is None else d_found * shown[:, :, None]
        flat = [_split(x.reshape(-1, x.shape[2]), step * rows.shape[1]) for x in (places, gates, d_found)]
        one, two = rows.new_empty(2, len(flat[0][0]), width)
        # sums over places of the gradient times z, z gate, and, with slope = z gate (1 - gate), slope and slope z
        with_z, with_gated, with_slope, with_both = rows.new_zeros(4, outputs, width)
        steep = gated * scale
        for z, gate, d in zip(*flat, strict=True):
            product = torch.mul(z, gate, out=one[: len(z)])
            slope = torch.addcmul(product, product, gate, value=-1, out=two[: len(z)])
            with_z.addmm_(d.T, z)
            with_gated.addmm_(d.T, product)
            # y' without what mean and variance pass on, in place of the gate; where there is one output, times the weight of y
            if outputs == 1:
                torch.addcmul(plain, gate, gated, out=gate).addcmul_(slope, steep)
            else:
                gate.addcmul_(slope, scale)
            if ctx.count:
                with_slope.addmm_(d.T, slope)
                with_both.addmm_(d.T, slope.mul_(z))
        constant, linear = torch.zeros_like(scale), torch.zeros_like(scale)  # what mean and variance pass on: constant + linear z
        if ctx.count:
            of_mean = (gated * with_slope).sum(0) / ctx.count
            of_variance = (gated * (scale * with_both + offset * with_slope)).sum(0) / ctx.count
            constant, linear = -scale * (of_mean + offset * of_variance), -scale.square() * of_variance
        of_q, of_k, of_gap, of_product = first.chunk(4, 1)
        base = of_k - of_gap
        d_rows, d_targets, d_queries = torch.empty_like(rows), torch.empty_like(targets), targets.new_empty(len(targets), width)
        d_base, d_product = torch.zeros_like(base), torch.zeros_like(base)
        by_row = [_split(x, step) for x in (targets, rows, d_targets, d_rows, d_queries)]
        of_shown = [None] * len(by_row[0]) if shown is None else _split(shown[:, :, None], step)
        for z, inner, d, q, k, d_q, d_k, d_query, there in zip(*flat, *by_row, of_shown, strict=True):
            d_z = one[: len(z)]
            if outputs == 1:
                torch.addcmul(constant, inner, d, out=d_z)
            else:
                torch.addmm(constant, d, plain, out=d_z).addcmul_(torch.mm(d, gated, out=two[: len(z)]), inner)
            if ctx.count:
                d_z.addcmul_(z, linear)
            d_z = d_z.view(len(k), -1, width)
            if there is not None:
                d_z.mul_(there)
            q = q[:, None]
            torch.sum(d_z, 1, out=d_query)
            torch.bmm(d_z, torch.addcmul(base, of_product, q), out=d_k)
            d_own = torch.bmm(d_z.transpose(1, 2), k)  # (R, H, D)
            d_base += d_own.sum(0)
            torch.sum(d_own * of_product, 1, out=d_q)
            d_product += d_own.mul_(q).sum(0)
        d_targets.addmm_(d_queries, of_q + of_gap)
        of_queries = d_queries.T @ targets
        return (
            d_targets,
            d_rows,
            torch.cat([of_queries, d_base, of_queries - d_base, d_product], 1),
            d_queries.sum(0),
            (weight * (with_z - with_gated)).sum(0),
            with_z * alpha + with_gated * (1 - alpha),
            d_found.sum((0, 1)),
            None,
            None,
            None,
            None,
        )


def _split(x: Tensor, size: int) -> tuple[Tensor, ...]:
    return x.split(size)  # type: ignore[no-untyped-call]


class _Moments:
    """Mean and variance of columns whose rows come in parts."""

    def __init__(self, width: int, like: Tensor, buffer: Tensor) -> None:
        self._sums: list[Tensor] = []
        self._buffer, self._ones, self._count = buffer, like.new_ones(1, len(buffer)), 0.0
        self._shift = like.new_zeros(width)  # near the mean: squares of what is far from zero would lose the variance

    def add(self, x: Tensor, real: Tensor | None) -> None:
        """real: (1, T), 0 for rows that do not count; None for all."""
        weight = self._ones[:, : len(x)] if real is None else real
        count = float(len(x)) if real is None else float(real.sum())
        if not self._sums:
            self._shift = (weight @ x)[0] / max(1.0, count)
        self._count += count
        apart = torch.sub(x, self._shift, out=self._buffer[: len(x)])
        self._sums += [weight @ apart, weight @ apart.square_()]

    def result(self) -> tuple[Tensor, Tensor, int]:
        """Mean, variance and the number of rows; 0 and 0 without any."""
        if not self._count:
            return torch.zeros_like(self._shift), torch.zeros_like(self._shift), 0
        mean, square = torch.cat(self._sums).double().view(-1, 2, len(self._shift)).sum(0) / self._count
        kind = self._shift.dtype
        return (self._shift + mean).to(kind), (square - mean.square()).clamp(min=0).to(kind), int(self._count)


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
        self.rest = nn.Sequential(activation(active, hidden[0]), *perceptron(hidden[0], hidden[1:], outputs, active=active))
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
        alone = len(question) == len(history)
        rows = history if alone else history.index_select(0, question)
        shown = real if alone else real.index_select(0, question)
        full = not self.training or bool(shown.all())
        if isinstance(self.rest[0], Dice) and self.marks is None:
            return self._upper(self._through_dice(targets, rows, None if full else shown), shown, 2, full), shown
        of_q, of_k, of_gap, of_product = self.first.weight.chunk(4, 1)  # (H, D) each
        own = torch.addcmul(of_k - of_gap, of_product, targets[:, None, :])  # (R, H, D)
        z = torch.baddbmm(F.linear(targets, of_q + of_gap, self.first.bias)[:, None, :], rows, own.transpose(1, 2))
        if self.marks is not None and marks is not None:
            z = z + self.marks(marks)
        return self._upper(z, shown, 0, full), shown

    def _through_dice(
        self, targets: Float[Tensor, "R D"], rows: Float[Tensor, "R L D"], shown: Bool[Tensor, "R L"] | None
    ) -> Float[Tensor, "R L O"]:
        """What comes out of the linear layer after the first Dice."""
        dice, linear = self.rest[0], self.rest[1]
        assert isinstance(dice, Dice)
        known = (None, None) if self.training else dice.running()
        weights = (self.first.weight, self.first.bias, dice.alpha, linear.weight, linear.bias)
        found, mean, variance, count = _DiceAttention.apply(targets, rows, *weights, shown, *known, dice.norm.eps)  # type: ignore[no-untyped-call]
        if self.training:
            dice.follow(mean, variance, count)
        return found

    def _upper(self, x: Float[Tensor, "R L H"], shown: Bool[Tensor, "R L"], start: int, full: bool) -> Float[Tensor, "R L O"]:
        """The layers from `start` on; padding must not be among what Dice standardises over."""
        layers = nn.Sequential(*list(self.rest)[start:])
        if full or not any(isinstance(layer, Dice) for layer in layers):
            return layers(x)
        found = layers(x[shown])
        return x.new_zeros(*shown.shape, found.shape[1]).masked_scatter(shown[:, :, None], found)

    def weights(
        self, targets: Float[Tensor, "R D"], history: Float[Tensor, "Q L D"], real: Bool[Tensor, "Q L"], question: Int64[Tensor, " R"]
    ) -> Float[Tensor, "R L"]:
        """0 at padded places."""
        found, shown = self.scores(targets, history, real, question)
        scores = found[:, :, 0]
        if not self.softmax:
            return scores if bool(shown.all()) else scores.masked_fill(~shown, 0.0)
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
