"""A head on any encoder of sequences: how much of what a user did matches an item, in several learned ways, and where the user stands now.

The states of the encoder and the events themselves are read with target attention (Zhou et al., "Deep interest network", KDD 2018,
https://arxiv.org/abs/1706.06978). Weights are logistic and not normalised over the history, so that their sum counts what matches: how
strong an interest is, which a softmax forgets (Zhai et al., "Actions speak louder than words", ICML 2024, https://arxiv.org/abs/2402.17152).
Of histories longer than the window, events on the item and on its category are looked up first (Pi et al., "Search-based user interest
modeling", CIKM 2020, https://arxiv.org/abs/2006.05639).

**Differs from the paper:** no attention over pairs of columns; the lookup takes the newest events of the item's category, which is SIM's
hard search; the encoder can learn the next item at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor, nn

from footpath.errors import ConfigError
from footpath.events.contract import EVENT_TYPES
from footpath.models import catalog
from footpath.models.histories import check_histories
from footpath.models.network import Network, SideInputs
from footpath.models.neural_click_model import Joined, NeuralClickModel, widths
from footpath.models.response_layers import ColumnVectors, HistoryVectors, TargetAttention, perceptron, same
from footpath.sequences.dataset import SequenceDataset
from footpath.training.batches import Events, history_batches
from footpath.training.impression_batches import ImpressionBatch
from footpath.training.losses import softmax_loss

SEARCH_SPACE: Final = {
    "encoder": ["sasrec", "gru4rec", "hstu", "none"],
    "dim": [16, 32, 64],
    "matches": (2, 8),
    "attention": ["16", "32", "64,16"],
    "hidden": ["32", "64,32", "128,64"],
    "dropout": (0.0, 0.5),
    "learning_rate": (0.0005, 0.01, "log"),
    "l2": (0.001, 3.0, "log"),
}


@dataclass
class ResponseHead(NeuralClickModel):
    """encoder: whose states are read, by its name in the catalog, or none. blocks: of the encoder. matches: H ways of matching.

    attention: widths of the layers that say how much an event matches. lookup: older events of the item's category that are looked up
    beyond the newest `max_len`, for long histories. next_item: weight of the loss of the next item beside those of the
    tasks; with more than 0, `score` ranks items as a Recommender does.
    """

    hidden: str = "128,64"
    learning_rate: float = 0.001
    encoder: Literal["none", "rnn", "lstm", "gru4rec", "lru", "caser", "nextitnet", "sasrec", "hstu", "esasrec"] = "none"
    blocks: int = 1
    heads: int = 1
    matches: int = 4
    attention: str = "32"
    lookup: int = 0
    next_item: float = 0.0

    positive: ClassVar[tuple[str, ...]] = (*NeuralClickModel.positive, "blocks", "matches")

    def __post_init__(self) -> None:
        super().__post_init__()
        widths(self.attention, "attention")
        if self.lookup < 0:
            raise ConfigError(f"lookup must be at least 0, got {self.lookup}")
        if not 0 <= self.next_item < float("inf"):
            raise ConfigError(f"next_item must be at least 0 and finite, got {self.next_item}")
        if self.next_item and self.encoder == "none":
            raise ConfigError(
                f"next_item needs an encoder whose states name the next item, got next_item {self.next_item} and encoder none"
            )

    def network(self, history: HistoryVectors, columns: ColumnVectors, tasks: int) -> Joined:
        encoder = None if self.encoder == "none" else self._encoder(history)
        attention = TargetAttention(self.dim, widths(self.attention, "attention"), active="relu", outputs=self.matches, marks=2)
        return _Network(history, columns, tasks, encoder, attention, self.matches, widths(self.hidden, "hidden"), self.dropout)

    def _encoder(self, history: HistoryVectors) -> Network:
        fields = {"dim": self.dim, "blocks": self.blocks, "max_len": self.max_len, "dropout": self.dropout}
        model = catalog.create(self.encoder, **fields, **({"heads": self.heads} if self.heads != 1 else {}))
        names = tuple(name for name in ("type", "value", "category") if name in history.names)
        side = None
        if names:
            mean, deviation = (0.0, 1.0) if "value" not in names else (float(x) for x in history.scale)
            of_items = history.of_items if "category" in names else None
            side = SideInputs(names, self.dim, categories=of_items, mean=mean, deviation=deviation)
        return Network(
            history.items,
            [model.block(index) for index in range(self.blocks)],  # type: ignore[attr-defined]
            max_len=self.max_len,
            dropout=self.dropout,
            positions=model.positional,  # type: ignore[attr-defined]
            side=side,
            normalise=model.normalise,  # type: ignore[attr-defined]
        )

    def _further_loss(self, network: Joined, batch: ImpressionBatch) -> Tensor | float:
        """That of the next item at every place of the histories but the last."""
        if not self.next_item or batch.events.items.shape[1] < 2:
            return 0.0
        assert isinstance(network, _Network)
        states = network.states(batch)[:, :-1]
        followed = batch.events.items[:, 1:]
        real = batch.real[:, 1:]
        if not bool(real.any()):
            return 0.0
        return self.next_item * softmax_loss(states[real], network.items.table(), followed[real])

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        """State times item, as a sequence model does; zero where nothing is known of a history. Raises ConfigError without `next_item`."""
        if not self.next_item:
            raise ConfigError(
                "ResponseHead ranks all items only where it learned the next item too: set next_item above 0, or use TwoStage"
            )
        check_histories(self, histories)  # type: ignore[arg-type]
        scores = np.zeros((len(histories), histories.n_items), np.float32)
        network = self._network
        assert isinstance(network, _Network)
        assert network.encoder is not None
        with torch.inference_mode():
            table = network.items.table()
            for batch in history_batches(histories, max_len=self.max_len, batch_size=256):
                scores[batch.rows] = (network.encoder.at(batch.inputs, batch.last) @ table.T).numpy()
        return scores


class _Network(Joined):
    def __init__(
        self,
        history: HistoryVectors,
        columns: ColumnVectors,
        tasks: int,
        encoder: Network | None,
        attention: TargetAttention,
        matches: int,
        hidden: tuple[int, ...],
        dropout: float,
    ) -> None:
        super().__init__(history, columns)
        self.encoder, self.attention = encoder, attention
        self.query = nn.Linear(self.dim, self.dim)  # what matches need not be alike: one interest may follow from another
        states = int(encoder is not None)
        fields = 1 + states + matches + columns.n_columns
        counts = 3 * (len(EVENT_TYPES) if "type" in history.names else 1)
        self.deep = perceptron(fields * self.dim + states + 2 * matches + counts, hidden, tasks, dropout=dropout)
        with torch.no_grad():
            self.query.weight.copy_(torch.eye(self.dim))
            self.query.bias.zero_()
            last = attention.rest[-1]
            assert isinstance(last, nn.Linear)
            last.bias.fill_(-1.0)  # little matches before something was learned

    def states(self, batch: ImpressionBatch) -> Float[Tensor, "Q L D"]:
        assert self.encoder is not None
        found: Tensor = self.encoder(batch.events)
        return found

    def forward(self, batch: ImpressionBatch) -> Float[Tensor, "R M"]:
        target, history, columns = self.history.targets(batch.items), self.history(batch), self.columns(batch.columns)
        now = []
        if self.encoder is not None:
            states = self.states(batch)
            newest = (batch.lengths - 1).clamp(min=0)
            last = states[torch.arange(len(states), device=states.device), newest] * (batch.lengths > 0)[:, None]
            now = [last[batch.question], (last[batch.question] * target).sum(1, keepdim=True)]
            history = history + states
        events, real, question, rows = batch.events.items[batch.question], batch.real, batch.question, history
        types = _types(batch.events)[question]
        if batch.found is not None and batch.n_found is not None:
            older = torch.arange(batch.found.items.shape[1], device=real.device) < batch.n_found[:, None]
            rows = torch.cat([history[question], self.history.found(batch)], 1)
            events, real = torch.cat([events, batch.found.items], 1), torch.cat([real[question], older], 1)
            types = torch.cat([types, _types(batch.found)], 1)
            question = torch.arange(len(question), device=question.device)
        marks = same(self.history, events, batch.items)
        scores, shown = self.attention.scores(self.query(target), rows, real, question, marks)
        weights = scores.sigmoid() * shown[:, :, None]  # (R, L, H)
        total = weights.sum(1)  # (R, H): how many events match
        rows = rows if len(question) == len(rows) else rows.index_select(0, question)
        matched = torch.bmm(weights.transpose(1, 2), rows) / (1 + total[:, :, None])  # (R, H, D)
        alike = (matched * target[:, None, :]).sum(2)
        counts = _counts(marks, shown, types if "type" in self.history.names else None).log1p()
        return self.deep(torch.cat([target, *now, matched.flatten(1), alike, total.log1p(), counts, columns.flatten(1)], 1))


def _types(events: Events) -> Int64[Tensor, "B L"]:
    """Of events; `other` where a history of ids alone does not say."""
    return torch.zeros_like(events.items) if events.types is None else events.types


def _counts(marks: Float[Tensor, "R L 2"], shown: Bool[Tensor, "R L"], types: Int64[Tensor, "R L"] | None) -> Float[Tensor, "R C"]:
    """How many events of each type there are in all, on the item, and on its category; types: None for all as of one."""
    every = shown.to(marks.dtype)[:, :, None]
    kinds = every if types is None else F.one_hot(types, len(EVENT_TYPES)).to(marks.dtype) * every  # (R, L, T)
    return torch.bmm(torch.cat([marks, every], 2).transpose(1, 2), kinds).flatten(1)
