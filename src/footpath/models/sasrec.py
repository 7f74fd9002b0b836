"""Causal self-attention over the history: the state after the last event scores every item.

Kang and McAuley, "Self-attentive sequential recommendation", ICDM 2018 (https://arxiv.org/abs/1808.09781).

**Differs from the paper:**

- the loss is the softmax over all items, or over sampled ones, instead of binary cross-entropy with one negative, which overrates
  popular items (Klenitskiy and Vasilev, RecSys 2023, https://arxiv.org/abs/2309.07602; Petrov and Macdonald, RecSys 2023,
  https://arxiv.org/abs/2308.07192);
- layers are normalised before, on keys and values as well as on queries; weights start from Xavier's normal distribution;
- dropout is on inputs and on what blocks add, not on attention weights;
- sequences are padded on the right, so position 0 is the oldest event of the window;
- weight decay is AdamW's; validation chooses the epoch;
- a history without known items is answered by popularity.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Self

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from footpath.errors import ConfigError, NotFittedError, RunError
from footpath.models.histories import check_histories, event_counts, without_known_items
from footpath.models.layers import AttentionBlock
from footpath.progress import Progress
from footpath.sequences.dataset import SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary
from footpath.training.batches import NextItemBatches, TrainingBatch, history_batches
from footpath.training.loop import EarlyStop, GradientStep, History, isolated_seed
from footpath.training.loop import train as run_epochs
from footpath.training.losses import sampled_softmax_loss, softmax_loss, uniform_negatives
from footpath.training.validation import ScoreChunks, validation_ndcg

_HISTORIES_AT_ONCE: Final = 256
_MIN_EPOCHS: Final = 5


@dataclass
class SASRec:
    """Scores are the last state times the item table, which is also the input.

    epochs: at most so many where validation chooses. negatives: items sampled for each batch; 0 for the softmax over all items, which is
    the best where it is affordable. l2: weight decay. patience: epochs without a better validation NDCG@10 before fit stops; None for all.
    history: losses, validation figures and CPU-seconds by epoch, where the model was fitted in this process.
    """

    dim: int = 64
    heads: int = 1
    blocks: int = 1
    max_len: int = 50
    dropout: float = 0.4
    epochs: int = 100
    batch_size: int = 128
    learning_rate: float = 0.003
    l2: float = 0.0
    negatives: int = 0
    patience: int | None = 4
    seed: int = 0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    history: History | None = field(init=False, repr=False, compare=False, default=None)
    _best_epoch: int = field(init=False, repr=False, compare=False)
    _network: Network = field(init=False, repr=False, compare=False)
    _popularity: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("dim", "heads", "blocks", "max_len", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.dim % self.heads:
            raise ConfigError(f"heads must divide dim, got {self.heads} heads and dim {self.dim}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        if not 0 < self.learning_rate < float("inf"):
            raise ConfigError(f"learning_rate must be above 0, got {self.learning_rate}")
        if not 0 <= self.l2 < float("inf"):
            raise ConfigError(f"l2 must be at least 0 and finite, got {self.l2}")
        for name in ("negatives", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be at least 0, got {getattr(self, name)}")
        self._early_stop()

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        """Learn the next item at every position; with validation, keep the epoch with the best NDCG@10 of a full ranking.

        Raises ConfigError where training diverges or the validation histories have another vocabulary, DataError where there is
        no next item to learn.
        """
        if validation is not None and validation.histories.vocabulary != train.vocabulary:
            raise ConfigError(
                f"the validation histories are encoded with a vocabulary of {validation.histories.n_items - 1} items, the training "
                f"sequences with another of {train.n_items - 1}; take both from one split"
            )
        batches = NextItemBatches(train, self.max_len, self.batch_size)
        popularity = np.log1p(event_counts(train))
        with isolated_seed(self.seed):
            network = self._new_network(train.n_items)
            evaluate = None if validation is None else partial(_validation_figure, network, popularity, validation)
            history = run_epochs(
                network,
                batches,
                GradientStep(network, self._loss(network), learning_rate=self.learning_rate, l2=self.l2),
                epochs=self.epochs,
                seed=self.seed,
                evaluate=evaluate,
                early_stop=self._early_stop(),
                progress=progress,
            )
        self.items, self.history, self._best_epoch = train.vocabulary, history, history.best_epoch
        self._network, self._popularity = network, popularity
        return self

    def settled(self) -> Self:
        """An unfitted SASRec that runs as many epochs as validation found best; raises NotFittedError."""
        if not hasattr(self, "_best_epoch"):
            raise NotFittedError("SASRec is not fitted, so no number of epochs is chosen: call fit(train, validation=...) first")
        return dataclasses.replace(self, epochs=self._best_epoch, patience=None)

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        """State times item; the logarithm of popularity where a history holds no known item."""
        check_histories(self, histories)
        scores = np.empty((len(histories), histories.n_items), np.float32)
        with torch.inference_mode():
            for rows, chunk in self._network.score_chunks(histories, self._popularity):
                scores[rows] = chunk.numpy()
        return scores

    def state(self) -> Mapping[str, np.ndarray]:
        weights = {name: tensor.numpy() for name, tensor in self._network.state_dict().items()}
        return {**weights, "popularity": self._popularity, "best_epoch": np.array(self._best_epoch)}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `state`; raises RunError where an array is missing or has another shape than these hyper-parameters give it."""
        with isolated_seed(self.seed):
            network = self._new_network(len(items))
        expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        expected |= {"popularity": (len(items),), "best_epoch": ()}
        for name, shape in expected.items():
            found = state[name].shape if name in state else None
            if found != shape:
                raise RunError(
                    f"weights of SASRec: {name} must have shape {shape}, got {found}; "
                    "restore with the hyper-parameters and the vocabulary that it was fitted with"
                )
        network.load_state_dict({name: torch.from_numpy(np.array(state[name])) for name in network.state_dict()})
        self.items, self._best_epoch = items, int(state["best_epoch"])
        self._network, self._popularity = network.eval(), np.array(state["popularity"])
        return self

    def _early_stop(self) -> EarlyStop:
        return EarlyStop(self.patience, _MIN_EPOCHS)

    def _new_network(self, n_items: int) -> Network:
        return Network(n_items, self.dim, self.heads, self.blocks, self.max_len, self.dropout)

    def _loss(self, network: Network) -> Callable[[TrainingBatch], Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        table = network.items.weight

        def loss(batch: TrainingBatch) -> Tensor:
            states = network(batch.inputs).flatten(0, 1)[batch.real]  # (T, D)
            if self.negatives == 0:
                return softmax_loss(states, table, batch.targets)
            negatives = uniform_negatives(len(table), (self.negatives,), generator)
            return sampled_softmax_loss(states, table, batch.targets, negatives)

        return loss


class Network(nn.Module):
    """Item and position embeddings, blocks, a last normalisation; state t depends on items 0..t."""

    def __init__(self, n_items: int, dim: int, heads: int, blocks: int, max_len: int, dropout: float) -> None:
        super().__init__()
        self.max_len = max_len
        self.items = nn.Embedding(n_items, dim, padding_idx=0)
        self.positions = nn.Embedding(max_len, dim)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(AttentionBlock(dim, heads, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        for weight in self.parameters():
            if weight.dim() > 1:
                nn.init.xavier_normal_(weight)
        with torch.no_grad():
            self.items.weight[0] = 0

    def forward(self, items: Int64[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        x = self.dropout(self.items(items) + self.positions.weight[: items.shape[1]])
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def score_chunks(self, histories: SequenceDataset, popularity: Float32[np.ndarray, " N"]) -> ScoreChunks:
        """Rows of the histories and their (rows, N) scores, a few hundred histories at a time; popularity where nothing is known."""
        unknown = np.flatnonzero(without_known_items(histories))
        for start in range(0, len(unknown), _HISTORIES_AT_ONCE):
            rows = unknown[start : start + _HISTORIES_AT_ONCE]
            yield rows, torch.from_numpy(np.tile(popularity, (len(rows), 1)))
        for batch in history_batches(histories, max_len=self.max_len, batch_size=_HISTORIES_AT_ONCE):
            states = self(batch.inputs).flatten(0, 1)[batch.last]  # (rows, D)
            yield batch.rows, states @ self.items.weight.T


def _validation_figure(network: Network, popularity: Float32[np.ndarray, " N"], validation: Holdout) -> float:
    return validation_ndcg(validation, network.score_chunks(validation.histories, popularity))
