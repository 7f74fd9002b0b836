"""Interests are extracted by a recurrence, and those that matter for the item evolve in a second one, whose gate attention opens.

Zhou, Mou, Fan, Pi, Bian, Zhou, Zhu, Gai, "Deep interest evolution network for click-through rate prediction", AAAI 2019
(https://arxiv.org/abs/1809.03672).

**Differs from the paper:** negatives of the auxiliary loss are drawn uniformly from all items; events also carry their type, age and place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from footpath.errors import ConfigError
from footpath.models.neural_click_model import Joined, NeuralClickModel, fields_of, widths
from footpath.models.response_layers import ColumnVectors, HistoryVectors, perceptron, softmax_over
from footpath.training.impression_batches import ImpressionBatch

SEARCH_SPACE: Final = {
    "dim": [8, 16, 32],
    "auxiliary": (0.0, 1.0),
    "hidden": ["32", "64,32", "128,64"],
    "dropout": (0.0, 0.5),
    "learning_rate": (0.0005, 0.01, "log"),
    "l2": (0.001, 3.0, "log"),
}


@dataclass
class DIEN(NeuralClickModel):
    """auxiliary: weight of the loss by which each interest tells the event that followed from a drawn one. activation: between layers.

    normalise: whether layers on top are normalised over the batch before their activation.
    """

    auxiliary: float = 0.5
    activation: Literal["dice", "relu"] = "dice"
    normalise: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.auxiliary < float("inf"):
            raise ConfigError(f"auxiliary must be at least 0 and finite, got {self.auxiliary}")

    def network(self, history: HistoryVectors, columns: ColumnVectors, tasks: int) -> Joined:
        return _Network(history, columns, tasks, widths(self.hidden, "hidden"), self.dropout, self.activation, self.normalise)

    def _further_loss(self, network: Joined, batch: ImpressionBatch) -> Tensor | float:
        """Interest t should be near event t + 1, and far from a drawn item with the same type, age and place."""
        if not self.auxiliary or batch.events.items.shape[1] < 2:
            return 0.0
        assert isinstance(network, _Network)
        real = batch.real[:, 1:]
        if not bool(real.any()):
            return 0.0
        history = network.history(batch)
        interests = network.interests(history)[:, :-1][real]
        followed = history[:, 1:][real]
        items = batch.events.items[:, 1:][real]
        drawn = torch.randint(1, network.items.n_items, items.shape, device=items.device)
        instead = followed - network.history.targets(items) + network.history.targets(drawn)
        scores = torch.stack([(interests * followed).sum(1), (interests * instead).sum(1)])
        truth = torch.stack([torch.ones_like(scores[0]), (drawn == items).to(scores.dtype)])
        return self.auxiliary * F.binary_cross_entropy_with_logits(scores, truth)


class _Network(Joined):
    def __init__(
        self,
        history: HistoryVectors,
        columns: ColumnVectors,
        tasks: int,
        hidden: tuple[int, ...],
        dropout: float,
        activation: str,
        normalise: bool,
    ) -> None:
        super().__init__(history, columns)
        dim = self.dim
        self.extraction = nn.GRU(dim, dim, batch_first=True)
        self.kernel = nn.Parameter(torch.eye(dim))
        self.of_input, self.of_state = nn.Linear(dim, 3 * dim), nn.Linear(dim, 3 * dim)
        self.deep = perceptron((2 + columns.n_columns) * dim, hidden, tasks, dropout=dropout, active=activation, normalise=normalise)

    def interests(self, history: Float[Tensor, "Q L D"]) -> Float[Tensor, "Q L D"]:
        found: Tensor = self.extraction(history)[0]
        return found

    def forward(self, batch: ImpressionBatch) -> Float[Tensor, "R M"]:
        target, history, columns = fields_of(self, batch)
        return self.deep(torch.cat([target, self.evolved(target, history, batch), columns.flatten(1)], 1))

    def evolved(self, target: Float[Tensor, "R D"], history: Float[Tensor, "Q L D"], batch: ImpressionBatch) -> Float[Tensor, "R D"]:
        """The last state of the recurrence whose update gate is multiplied by attention (AUGRU); zero where there is no history."""
        interests = self.interests(history)
        weights = self.attention(target, interests, batch)
        inputs = self.of_input(interests)  # (Q, L, 3 D): update, reset and new state
        state = target.new_zeros(target.shape)
        lengths = batch.lengths[batch.question]
        order = torch.argsort(lengths, descending=True, stable=True)  # those that still have events stand in front
        question, lengths, weights, state = batch.question[order], lengths[order], weights[order], state[order]
        busy = [int(n) for n in torch.searchsorted(-lengths, -torch.arange(inputs.shape[1], device=lengths.device), side="left")]
        ended: list[Tensor] = []
        for t, n in enumerate(busy):
            if n < len(state):
                ended.append(state[n:])
                state = state[:n]
            if not n:
                break
            state = self._step(inputs[question[:n], t], weights[:n, t, None], state)
        whole = torch.cat([state, *reversed(ended)])
        return whole[torch.argsort(order)]

    def attention(self, target: Float[Tensor, "R D"], interests: Float[Tensor, "Q L D"], batch: ImpressionBatch) -> Float[Tensor, "R L"]:
        """Softmax over the history of interest times kernel times item; zero at padded places."""
        keys = interests @ self.kernel
        scores = torch.bmm(keys[batch.question], target[:, :, None])[:, :, 0]
        shown = batch.real[batch.question]
        return softmax_over(scores, shown)

    def _step(self, x: Float[Tensor, "n 3D"], weight: Float[Tensor, "n 1"], state: Float[Tensor, "n D"]) -> Float[Tensor, "n D"]:
        update_x, reset_x, new_x = x.chunk(3, 1)
        update_h, reset_h, new_h = self.of_state(state).chunk(3, 1)
        update = weight * (update_x + update_h).sigmoid()
        new = (new_x + (reset_x + reset_h).sigmoid() * new_h).tanh()
        return state + update * (new - state)
