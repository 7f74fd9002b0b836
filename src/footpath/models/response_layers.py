"""Blocks of the models of responses: vectors of what is known, layers on top of them, attention of an item to a history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from footpath.models.item_table import ItemTable
from footpath.models.layers import Dropout
from footpath.training.batches import Events
from footpath.training.impression_batches import Columns, ImpressionBatch

HistoryInput = Literal["type", "value", "category", "age", "place"]

_TYPES: Final = 32  # room for event types that the contract will add
_AGES: Final = 42  # doublings of a second, 0 below one, and none
_SECOND: Final = 1_000_000
_FORGOTTEN: Final = 0.02
_START: Final = 0.05  # deviation of vectors before training


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
            mean, variance = self.norm.running_mean, self.norm.running_var
            assert mean is not None
            assert variance is not None
            gate = ((x - mean) * (variance + self.norm.eps).rsqrt()).sigmoid()
        return x * (self.alpha + gate * (1 - self.alpha))


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
    return (seconds.log2() + 1).floor().long().clamp(0, _AGES - 2)


def mean_of_history(history: Float[Tensor, "Q L D"], real: Bool[Tensor, "Q L"]) -> Float[Tensor, "Q D"]:
    """Zero where the history is empty."""
    total = (history * real[:, :, None]).sum(1)
    return total / real.sum(1, keepdim=True).clamp(min=1)


class TargetAttention(nn.Module):
    """Weights of the events of a history for an item that is asked about, by a small network on [q, k, q - k, q * k].

    Zhou et al., KDD 2018, section 4.3: the weights are not normalised, so that a longer history of what is alike weighs more; `softmax`
    normalises them. The first layer is linear in q, k and q * k, so the parts of q and of k are made once for each item and each event.
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
        of_q, of_k, of_gap, of_product = self.first.weight.chunk(4, 1)  # (H, D) each
        keys = F.linear(history, of_k - of_gap)  # (Q, L, H)
        queries = F.linear(targets, of_q + of_gap, self.first.bias)  # (R, H)
        # the weights of q * k differ by row: (q * k) W' = k (W * q)', one small product a row
        own = of_product * targets[:, None, :]  # (R, H, D)
        alone = len(question) == len(history)
        rows = history if alone else history.index_select(0, question)
        z = torch.baddbmm(queries[:, None, :] + (keys if alone else keys.index_select(0, question)), rows, own.transpose(1, 2))
        if self.marks is not None and marks is not None:
            z = z + self.marks(marks)
        shown = real if alone else real.index_select(0, question)
        if not self.training or bool(shown.all()):
            return self.rest(z), shown
        found = self.rest(z[shown])  # padding must not be among what Dice standardises over
        return z.new_zeros(*shown.shape, found.shape[1]).masked_scatter(shown[:, :, None], found), shown

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
