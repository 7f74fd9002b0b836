"""What every neural sequence model shares: hyper-parameters, fitting, scoring, serving one event at a time, saving.

A model is a file with a class that extends `SequenceModel`: its own hyper-parameters, its own defaults, and the block that it is made of.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self, get_args, get_type_hints

import numpy as np
import torch
from jaxtyping import Float32, Int32, Int64
from torch import Tensor, nn

from footpath.errors import ConfigError, NotFittedError, RunError, did_you_mean
from footpath.events.contract import EVENT_TYPES
from footpath.models.histories import check_histories, event_counts, without_known_items
from footpath.models.item_table import ItemTable
from footpath.models.item_text import TextReader
from footpath.models.network import Network, Reading, Recall, SideInput, SideInputs, category_numbers, side_input_names
from footpath.models.retrieval import ExactIndex, Index
from footpath.progress import Progress
from footpath.recommender import RETRIEVE_FROM, Watch, hyperparameters, top_k
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary
from footpath.training.batches import MASK, Events, HistoryBatch, Objective, TrainingBatch, TrainingBatches, history_batches
from footpath.training.device import Precision, device, precision
from footpath.training.fingerprint import fingerprint_of
from footpath.training.loop import EarlyStop, GradientStep, History, isolated_seed
from footpath.training.loop import train as run_epochs
from footpath.training.losses import Popularity, bpr_loss, fast_products, gbce_loss, sampled_softmax_loss, softmax_loss, uniform_negatives
from footpath.training.objectives import all_action, next_item
from footpath.training.validation import VALIDATION_K, ListChunks, ScoreChunks, asks_for_seen, ndcg_of_lists, own_chunks, validation_ndcg

_HISTORIES_AT_ONCE: Final = 256
_EVENTS_AT_ONCE: Final = 2**16  # long windows are scored in smaller batches: attention may need a number for each pair of events
_SCORES_AT_ONCE: Final = 2**24  # 64 MiB: fewer histories at once where the catalogue is large
_SPARSE_FROM: Final = 2**17  # items; above, a step with sampled negatives touches so few rows that only these are updated


@dataclass(frozen=True)
class Act:
    """One act to read while serving: an item, and what else the model takes in. time: microseconds since 1970 UTC."""

    item_id: str
    event_type: str = "other"
    time: int | None = None
    value: float | None = None


@dataclass
class SequenceModel(ABC):
    """The state after the last event, times the item table, which is also the input.

    dim: width of vectors and states. blocks: how many are stacked. max_len: events of a history that are read, the newest.
    windows: of a longer history `fit` learns from its newest events alone, or from all, in windows one before the other.
    epochs: at most so many where validation chooses. patience: epochs without a better validation NDCG@10 before fit stops; None for all.
    schedule: of the learning rate, after `warmup_steps`; it ends after `schedule_epochs`, `epochs` where None. l2: weight decay.
    clip_norm: longest gradient; None for any.
    loss: over all items where `negatives` is 0, else over the target and so many sampled ones, drawn by `sampling`, for the batch or
    `per_position`; gbce (with its `calibration` t) and bpr need some.
    within: the target is one of so many next events; 1 for the next. targets: event types that may be a target, separated by commas; all
    where empty. inputs: of type, value, gap and category, what is read of an event beside its item.
    item_table: what an item's vector is the sum of. recall: how many earlier occasions of an event's item, or of its category, each state
    attends to in the whole history, however long; 0 for none.
    request_time: blocks with a time bias learn when the question is asked, and `score` takes `request_times`.
    history: losses, validation figures and CPU-seconds by epoch, and fitted_with: device, precision and the share of the events that were
    in its windows, where the model was fitted in this process.
    """

    dim: int = 64
    blocks: int = 1
    max_len: int = 50
    windows: Literal["newest", "all"] = "newest"
    dropout: float = 0.4
    epochs: int = 100
    patience: int | None = 4
    min_epochs: int = 5
    batch_size: int = 128
    learning_rate: float = 0.003
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    schedule_epochs: int | None = None
    warmup_steps: int = 0
    l2: float = 0.0
    clip_norm: float | None = None
    loss: Literal["softmax", "gbce", "bpr"] = "softmax"
    negatives: int = 0
    sampling: Literal["uniform", "popularity"] = "uniform"
    per_position: bool = False
    calibration: float = 0.75
    within: int = 1
    targets: str = ""
    inputs: str = ""
    item_table: Literal["id", "text", "id+text", "text+delta", "id+text+delta"] = "id"
    request_time: bool = False
    recall: int = 0
    seed: int = 0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    history: History | None = field(init=False, repr=False, compare=False, default=None)
    fitted_with: Mapping[str, Any] | None = field(init=False, repr=False, compare=False, default=None)
    _best_epoch: int = field(init=False, repr=False, compare=False)
    _network: Network = field(init=False, repr=False, compare=False)
    _popularity: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)
    _reader: TextReader | None = field(init=False, repr=False, compare=False, default=None)
    _index: ExactIndex | None = field(init=False, repr=False, compare=False, default=None)
    _watch: Watch | None = field(init=False, repr=False, compare=False, default=None)
    _checkpoint: Path | None = field(init=False, repr=False, compare=False, default=None)

    positional: ClassVar[bool] = True
    normalise: ClassVar[bool] = True
    causal: ClassVar[bool] = True
    scale_items: ClassVar[bool] = False

    @abstractmethod
    def block(self, index: int) -> nn.Module:
        """The block number `index` of the stack, from 0."""

    def objective(self) -> Objective:
        """What is learned from a window of events."""
        if self.within > 1:
            return partial(all_action, within=self.within, targets=self._target_types())
        return partial(next_item, targets=self._target_types())

    def initialise(self, network: Network) -> None:
        """Starting weights: Xavier's normal distribution for matrices."""
        for weight in network.parameters():
            if weight.dim() > 1:
                nn.init.xavier_normal_(weight)
        network.items.clear_padding()

    def __post_init__(self) -> None:
        name = type(self).__name__
        at_least_1 = ("dim", "blocks", "max_len", "epochs", "min_epochs", "batch_size", "within")
        for f in (*at_least_1, "negatives", "warmup_steps", "recall", "seed"):
            lowest = 1 if f in at_least_1 else 0
            if getattr(self, f) < lowest:
                raise ConfigError(f"{f} must be at least {lowest}, got {getattr(self, f)}")
        heads = getattr(self, "heads", 1)
        if heads < 1 or self.dim % heads:
            raise ConfigError(f"heads must be at least 1 and divide dim, got {heads} heads and dim {self.dim}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        if not 0 < self.learning_rate < float("inf"):
            raise ConfigError(f"learning_rate must be above 0 and finite, got {self.learning_rate}")
        if not 0 <= self.l2 < float("inf"):
            raise ConfigError(f"l2 must be at least 0 and finite, got {self.l2}")
        if self.clip_norm is not None and not 0 < self.clip_norm < float("inf"):
            raise ConfigError(f"clip_norm must be above 0 and finite, or none, got {self.clip_norm}")
        for f in ("windows", "schedule", "loss", "sampling", "item_table"):
            allowed = get_args(get_type_hints(type(self))[f])
            if getattr(self, f) not in allowed:
                raise ConfigError(f"{f} must be one of {', '.join(allowed)}, got {getattr(self, f)!r}")
        if not 0 <= self.calibration <= 1:
            raise ConfigError(f"calibration must be between 0 and 1, got {self.calibration}")
        if self.loss != "softmax" and not self.negatives:
            raise ConfigError(f"loss {self.loss} of {name} needs sampled items: set negatives to 1 or more, got 0")
        if self.schedule_epochs is not None and self.schedule_epochs < 1:
            raise ConfigError(f"schedule_epochs must be at least 1, or none for epochs, got {self.schedule_epochs}")
        if self.recall and not self.causal:
            raise ConfigError(
                f"recall tells a state what came before its event, and {name} reads both ways: set it to 0, got {self.recall}"
            )
        self._early_stop()
        self._target_types()
        self._side_inputs()

    def observed(self, *, watch: Watch | None = None, checkpoint: Path | None = None) -> Self:
        """The same model, whose next `fit` calls `watch` after each epoch and keeps its progress in `checkpoint`."""
        self._watch, self._checkpoint = watch, checkpoint
        return self

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        """Learn from the newest events of every sequence; with validation, keep the epoch with the best NDCG@10 of a full ranking.

        Raises ConfigError where training diverges, the validation histories have another vocabulary, or a setting needs a column that
        the log lacks; DataError where there is nothing to learn.
        """
        if validation is not None and validation.histories.vocabulary != train.vocabulary:
            raise ConfigError(
                f"the validation histories are encoded with a vocabulary of {validation.histories.n_items - 1} items, the training "
                f"sequences with another of {train.n_items - 1}; take both from one split"
            )
        self._check_columns(train)
        on = device(os.environ.get("FOOTPATH_DEVICE", "auto"))
        products = precision(os.environ.get("FOOTPATH_PRECISION", "single"), on)
        batches = TrainingBatches(
            train,
            self._window(),
            self.batch_size,
            self.objective(),
            self._target_types(),
            recall=self.recall,
            categories=self._recall_categories(train),
            newest=self.windows == "newest",
            few_lengths=products == "bf16",  # oneDNN keeps 6 MiB a length for the products of a block
        )
        counts = event_counts(train)
        popularity = np.log1p(counts)
        with isolated_seed(self.seed):
            network = self._network_for(train).to(on)
            loss = self._loss(network, counts, products)
            step = GradientStep(
                network,
                loss,
                learning_rate=self.learning_rate,
                l2=self.l2,
                clip_norm=self.clip_norm,
                schedule=self.schedule,
                warmup_steps=self.warmup_steps,
                total_steps=(self.schedule_epochs or self.epochs) * len(batches),
                generators={"negatives": loss.generator},
            )
            history = run_epochs(
                network,
                batches,
                step,
                epochs=self.epochs,
                seed=self.seed,
                evaluate=None if validation is None else partial(self._validation_figure, network, popularity, validation),
                early_stop=self._early_stop(),
                progress=progress,
                watch=self._watch,
                checkpoint=self._checkpoint,
                fingerprint=fingerprint_of(
                    model=type(self).__name__,
                    hyperparameters=hyperparameters(self),
                    data=_digest(train),
                    validation=None if validation is None else _digest(validation.histories, validation.offsets, validation.items),
                    precision=products,
                ),
            )
        if self.item_table != "id":
            network.items.hide_untrained(counts > 0)
        self.items, self.history, self._best_epoch = train.vocabulary, history, history.best_epoch
        self.fitted_with = {"device": str(on), "precision": products, "share_of_events": round(batches.share, 4)}
        self._network, self._popularity, self._index = network.to("cpu").eval(), popularity, None
        return self

    def settled(self) -> Self:
        """An unfitted model of the same settings that runs as many epochs as validation found best; raises NotFittedError."""
        if not hasattr(self, "_best_epoch"):
            raise NotFittedError(
                f"{type(self).__name__} is not fitted, so no number of epochs is chosen: call fit(train, validation=...) first"
            )
        over = None if self.schedule == "constant" else self.schedule_epochs or self.epochs
        return dataclasses.replace(self, epochs=self._best_epoch, patience=None, schedule_epochs=over)

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        """State times item; the logarithm of popularity where a history holds no known item.

        request_times: microseconds since 1970 UTC; where the model reads them and none are given, the time of the newest event.
        """
        check_histories(self, histories)
        self._check_columns(histories)
        scores = np.empty((len(histories), histories.n_items), np.float32)
        with torch.inference_mode():
            for rows, chunk in self._score_chunks(self._network, histories, self._popularity, request_times):
                scores[rows] = chunk.numpy()
        return scores

    def states(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B D"]:
        """The state after the newest event of each history: what the user looks like to the model; zeros where nothing is known."""
        check_histories(self, histories)
        self._check_columns(histories)
        states = np.zeros((len(histories), self.dim), np.float32)
        with torch.inference_mode():
            for rows, chunk in self._state_chunks(self._network, histories, request_times):
                states[rows] = chunk.numpy()
        return states

    def item_vectors(self) -> Float32[np.ndarray, "N D"]:
        """The table that states are multiplied with; row 0 is zero. Raises NotFittedError."""
        if not hasattr(self, "_network"):
            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit(train) before it gives item vectors")
        with torch.inference_mode():
            return self._network.items.table().numpy().copy()

    def retrieve(
        self,
        histories: SequenceDataset,
        k: int,
        *,
        request_times: Int64[np.ndarray, " B"] | None = None,
        exclude_seen: bool = True,
        index: Index | None = None,
    ) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
        """The k best items by `score`, but for rounding, without all scores in memory; popular ones where nothing is known.

        index: of `item_vectors()`, such as a FaissIndex, whose answers are then as exact as its `recall` says; an ExactIndex where None.
        Raises ConfigError, NotFittedError.
        """
        states = self.states(histories, request_times)
        if index is None:
            if self._index is None:
                with torch.inference_mode():
                    self._index = ExactIndex(self._network.items.table().numpy())
            index = self._index
        elif index.table.shape != (len(self.items), self.dim):
            raise ConfigError(
                f"the index holds {index.table.shape} vectors, {type(self).__name__} has {(len(self.items), self.dim)}: "
                "make it of this model's item_vectors()"
            )
        return _listed(index, states, histories, k, self._popularity, exclude_seen)

    def step(self, reading: Reading | None, act: Act, request_time: int | None = None) -> Reading | None:
        """Read one more act of one user; None begins a history. An item that is unknown leaves the reading as it was.

        request_time: when the next recommendation is asked for; the time of the act where None. Raises ConfigError where the model
        needs a time or a value that the act lacks, NotFittedError.
        """
        if not hasattr(self, "_network"):
            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit(train) before it reads an act")
        if act.event_type not in EVENT_TYPES:
            raise ConfigError(f"no event type {act.event_type!r}{did_you_mean(act.event_type, EVENT_TYPES)}")
        if act.time is None and self._needs_times():
            raise ConfigError(f"{type(self).__name__} reads times, and the act on {act.item_id!r} has none: pass Act(..., time=...)")
        item = int(self.items.encode([act.item_id])[0])
        with torch.inference_mode():
            if item == 0:
                return reading
            times = None if act.time is None else torch.tensor([[act.time]])
            requests = times if request_time is None or times is None else torch.tensor([[request_time]])
            value = np.nan if act.value is None else act.value
            event = Events(
                torch.tensor([[item]]), torch.tensor([[EVENT_TYPES.index(act.event_type)]]), times, torch.tensor([[value]]), requests
            )
            return self._network.step(reading, event)

    def score_reading(self, reading: Reading | None) -> Float32[np.ndarray, " N"]:
        """What `score` gives for the history that was read; None for one in which nothing is known."""
        if reading is None:
            return self._popularity.copy()
        with torch.inference_mode():
            return (reading.output @ self._network.items.table().T)[0].numpy()

    def state(self) -> Mapping[str, np.ndarray]:
        weights = {name: tensor.numpy() for name, tensor in self._network.state_dict().items()}
        reader = {} if self._reader is None else self._reader.state()
        return {**weights, **reader, "popularity": self._popularity, "best_epoch": np.array(self._best_epoch)}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `state`; raises RunError where an array is missing or has another shape than these hyper-parameters give it."""
        text, categories, recall_categories = (
            None if state.get(name) is None else torch.from_numpy(np.array(state[name]))
            for name in ("items.text", "side.categories", "recall.categories")
        )
        needed = {"items.text": "text" in self.item_table, "side.categories": "category" in self._side_inputs()}
        if absent := [name for name, wanted in needed.items() if wanted and name not in state]:
            raise RunError(
                f"weights of {type(self).__name__}: {absent[0]} is missing; restore with the hyper-parameters that it was fitted with"
            )
        with isolated_seed(self.seed):
            network = self._new_network(len(items), text, categories, recall_categories)
        expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        expected |= {"popularity": (len(items),), "best_epoch": ()}
        for name, shape in expected.items():
            found = state[name].shape if name in state else None
            if found != shape:
                raise RunError(
                    f"weights of {type(self).__name__}: {name} must have shape {shape}, got {found}; "
                    "restore with the hyper-parameters and the vocabulary that it was fitted with"
                )
        network.load_state_dict({name: torch.from_numpy(np.array(state[name])) for name in network.state_dict()})
        self.items, self._best_epoch, self._reader = items, int(state["best_epoch"]), TextReader.restored(state)
        self._network, self._popularity, self._index = network.eval(), np.array(state["popularity"]), None
        return self

    def with_items(self, ids: Sequence[str], features: ItemFeatures) -> Self:
        """The same model with further items, each the projection of its text, recommendable at once; nothing is learned.

        Items that were known keep their indexes, vectors and scores. An item of which nothing is written has the zero vector and score 0.
        features: in the order of `ids` after a row 0 of padding, read as the fit read those of its items. Their categories count for
        nothing where `inputs` or `recall` reads categories. Raises NotFittedError, ConfigError (no text in the item table), DataError.
        """
        name = type(self).__name__
        if not hasattr(self, "_network"):
            raise NotFittedError(f"{name} is not fitted: call fit(train) before it takes in new items")
        if "text" not in self.item_table:
            raise ConfigError(f"{name} with item_table={self.item_table} knows items by id alone: fit it with item_table=id+text, or text")
        if self._reader is None:
            raise ConfigError(f"this {name} was saved by a version that did not keep how it reads text: fit and save it again")
        vocabulary, state = self.items.extended(ids), dict(self.state())
        further = {"items.text": self._reader.read(features)[1:]}
        for part in ("items.weight", "items.delta", "side.categories", "recall.categories", "popularity"):
            if part in state:
                further[part] = np.zeros((len(ids), *state[part].shape[1:]), state[part].dtype)
        state |= {part: np.concatenate([state[part], rows]) for part, rows in further.items()}
        extended = type(self)(**hyperparameters(self)).restore(vocabulary, state)
        extended.history, extended.fitted_with = self.history, self.fitted_with
        return extended

    def _window(self) -> int:
        return self.max_len + 1 if self.causal else self.max_len

    def _early_stop(self) -> EarlyStop:
        return EarlyStop(self.patience, self.min_epochs)

    def _target_types(self) -> tuple[int, ...] | None:
        names = [name.strip() for name in self.targets.split(",") if name.strip()]
        for name in names:
            if name not in EVENT_TYPES:
                raise ConfigError(
                    f"targets must be event types, got {name!r}{did_you_mean(name, EVENT_TYPES)}; there are: {', '.join(EVENT_TYPES)}"
                )
        return tuple(EVENT_TYPES.index(name) for name in names) or None

    def _side_inputs(self) -> tuple[SideInput, ...]:
        try:
            return side_input_names(self.inputs)
        except ValueError as error:
            there_are = get_args(SideInput)
            raise ConfigError(
                f"inputs must be of {', '.join(there_are)}, got {str(error)!r}{did_you_mean(str(error), there_are)}"
            ) from error

    def _needs_times(self) -> bool:
        return "gap" in self._side_inputs() or self.request_time

    def _check_columns(self, data: SequenceDataset) -> None:
        """Raises ConfigError where a setting reads what the log does not hold."""
        needed = {"types": "type" in self._side_inputs(), "values": "value" in self._side_inputs(), "times": self._needs_times()}
        for column, wanted in needed.items():
            if wanted and getattr(data, column) is None:
                setting = "request_time" if column == "times" and self.request_time else f"inputs={self.inputs}"
                raise ConfigError(
                    f"{type(self).__name__} with {setting} reads the {column} of events, and these sequences hold none, as a "
                    "history of ids never does: ask about a user of the log, build the sequences with that column, or change the setting"
                )

    def _network_for(self, train: SequenceDataset) -> Network:
        features = train.item_features
        text = categories = None
        if "text" in self.item_table:
            if features is None:
                raise ConfigError(
                    f"item_table={self.item_table} needs titles or other text of the items, and this log has no item table: "
                    "add one, or set item_table=id"
                )
            self._reader, read = TextReader.fitted(features, seed=self.seed)
            text = torch.from_numpy(read)
        if "category" in self._side_inputs():
            if features is None or not any(features.categories):
                raise ConfigError("inputs=category needs an item table with categories, and this log has none: add one, or leave it out")
            categories = torch.from_numpy(category_numbers(features.categories))
        mean = deviation = None
        if "value" in self._side_inputs():
            assert train.values is not None
            present = train.values[~np.isnan(train.values)].astype(np.float64)
            if len(present):
                mean, deviation = float(present.mean()), float(present.std())
        found = self._recall_categories(train)
        recall_categories = None if found is None else torch.from_numpy(found)
        return self._new_network(train.n_items, text, categories, recall_categories, mean or 0.0, deviation or 1.0)

    def _recall_categories(self, data: SequenceDataset) -> Int64[np.ndarray, " N"] | None:
        features = data.item_features
        return category_numbers(features.categories) if self.recall and features is not None and any(features.categories) else None

    def _new_network(
        self,
        n_items: int,
        text: Tensor | None,
        categories: Tensor | None,
        recall_categories: Tensor | None,
        mean: float = 0.0,
        deviation: float = 1.0,
    ) -> Network:
        names = self._side_inputs()
        network = Network(
            ItemTable(n_items, self.dim, parts=self.item_table, text=text),
            [self.block(index) for index in range(self.blocks)],
            max_len=self.max_len,
            dropout=self.dropout,
            positions=self.positional,
            side=SideInputs(names, self.dim, categories=categories, mean=mean, deviation=deviation) if names else None,
            normalise=self.normalise,
            causal=self.causal,
            scale_items=self.scale_items,
            use_requests=self.request_time,
            recall=Recall(self.dim, self.recall, recall_categories) if self.recall else None,
        )
        self.initialise(network)
        return network

    def _loss(self, network: Network, counts: Float32[np.ndarray, " N"], products: Precision = "single") -> _Loss:
        return _Loss(self, network, torch.from_numpy(counts), products)

    def _batches(self, network: Network, histories: SequenceDataset, request_times: np.ndarray | None) -> Iterator[HistoryBatch]:
        categories = None if network.recall is None or network.recall.categories is None else network.recall.categories.cpu().numpy()
        found = history_batches(
            histories,
            max_len=self.max_len if self.causal else self.max_len - 1,
            batch_size=max(1, min(_HISTORIES_AT_ONCE, _EVENTS_AT_ONCE // self.max_len)),
            request_times=request_times,
            recall=self.recall,
            categories=categories,
        )
        return found if self.causal else map(_with_question, found)

    def _score_chunks(
        self,
        network: Network,
        histories: SequenceDataset,
        popularity: Float32[np.ndarray, " N"],
        request_times: Int64[np.ndarray, " B"] | None,
    ) -> ScoreChunks:
        """Rows of the histories and their (rows, N) scores, a few hundred histories at a time; popularity where nothing is known."""
        at_once = max(1, _SCORES_AT_ONCE // histories.n_items)
        unknown = np.flatnonzero(without_known_items(histories))
        for start in range(0, len(unknown), min(at_once, _HISTORIES_AT_ONCE)):
            rows = unknown[start : start + min(at_once, _HISTORIES_AT_ONCE)]
            yield rows, torch.from_numpy(np.tile(popularity, (len(rows), 1)))
        table = network.items.table()
        for rows, states in self._state_chunks(network, histories, request_times):
            for start in range(0, len(rows), at_once):
                some = states[start : start + at_once]
                with fast_products(some.is_cpu and len(some) == min(at_once, _HISTORIES_AT_ONCE)):
                    scores = some @ table.T
                yield rows[start : start + at_once], scores.cpu()

    def _state_chunks(
        self, network: Network, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None
    ) -> Iterator[tuple[Int64[np.ndarray, " C"], Float32[Tensor, "C D"]]]:
        """Rows of the histories in which something is known, and their states."""
        on = network.items.device
        for batch in self._batches(network, histories, request_times):
            recalled = None if batch.recalled is None else batch.recalled.to(on)
            yield batch.rows, network.at(batch.inputs.to(on), batch.last.to(on), recalled)

    def _list_chunks(
        self,
        network: Network,
        histories: SequenceDataset,
        popularity: Float32[np.ndarray, " N"],
        request_times: Int64[np.ndarray, " B"] | None,
        exclude_seen: bool,
    ) -> ListChunks:
        """Rows of the histories and their best items, for catalogues too large to score them all for many histories at once."""
        index = ExactIndex(network.items.table().detach().cpu().numpy())
        states = np.zeros((len(histories), self.dim), np.float32)
        for rows, chunk in self._state_chunks(network, histories, request_times):
            states[rows] = chunk.cpu().numpy()
        yield np.arange(len(histories)), _listed(index, states, histories, VALIDATION_K, popularity, exclude_seen)[0]

    def _validation_figure(self, network: Network, popularity: Float32[np.ndarray, " N"], validation: Holdout) -> float:
        if validation.histories.n_items > RETRIEVE_FROM:
            exclude_seen = not asks_for_seen(validation)

            def lists(histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None) -> ListChunks:
                return self._list_chunks(network, histories, popularity, request_times, exclude_seen)

            return ndcg_of_lists(validation, own_chunks(validation, lists, asked=True))

        def scores(histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None) -> ScoreChunks:
            return self._score_chunks(network, histories, popularity, request_times)

        return validation_ndcg(validation, own_chunks(validation, scores, asked=True))


def _listed(
    index: Index,
    states: Float32[np.ndarray, "B D"],
    histories: SequenceDataset,
    k: int,
    popularity: Float32[np.ndarray, " N"],
    exclude_seen: bool,
) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
    """The k best items of the index for each state, popular ones where nothing is known, and their scores."""
    indexes, scores = index.search(states, k, seen=histories if exclude_seen else None)
    unknown = without_known_items(histories)
    if unknown.any():
        listed = popularity[None].copy()
        listed[0, 0] = -np.inf
        best, values = top_k(listed, k)
        indexes[unknown, : best.shape[1]], scores[unknown, : best.shape[1]] = best, values
    return indexes, scores


class _Loss:
    """The loss of a batch, by the model's settings; `generator` draws negatives.

    products: in bf16, those of the network and of the loss over all items; sampled losses are too cheap for it to pay.
    """

    def __init__(self, model: SequenceModel, network: Network, counts: Float32[Tensor, " N"], products: Precision) -> None:
        self.generator = torch.Generator().manual_seed(model.seed)
        self._model, self._network = model, network
        self._popularity = Popularity.of(counts) if model.sampling == "popularity" else None
        self._n_items, self._in_bf16 = len(counts), products == "bf16"
        self._touched: Tensor | None = None
        self._places = torch.cumsum(counts > 0, 0)
        if network.items.text is not None and not (counts[1:] > 0).all():
            # an item that nobody could have chosen yet is no wrong answer: as a negative, its text would be learned to be one
            self._touched = torch.cat([torch.zeros(1, dtype=torch.int64), torch.nonzero(counts > 0).flatten()])  # padding stays first
            self._n_items = len(self._touched)
        network.items.sparse = bool(model.negatives) and not model.per_position and self._n_items > _SPARSE_FROM

    def __call__(self, batch: TrainingBatch) -> Tensor:
        items = self._network.items
        batch = batch.to(items.device)
        with torch.autocast(items.device.type, torch.bfloat16, enabled=self._in_bf16):
            states = self._network.at(batch.inputs, batch.real, batch.recalled)  # (T, D)
        if not batch.n_real:
            return states.sum()
        if not self._model.negatives:
            if self._touched is None:
                return softmax_loss(states, items.table(), batch.targets, in_bf16=self._in_bf16)
            touched, places = self._touched.to(items.device), self._places.to(items.device)
            return softmax_loss(states, items.rows(touched), places[batch.targets], in_bf16=self._in_bf16)
        negatives, log_q = self._drawn(batch.n_real)
        negatives = negatives.to(batch.targets.device)
        targets, table = batch.targets, None
        if items.sparse:
            used, places = torch.unique(torch.cat([targets, negatives]), return_inverse=True)
            table, targets, negatives = items.rows(used), places[: len(targets)], places[len(targets) :]
            log_q = None if log_q is None else log_q[used.cpu()]
        else:
            table = items.table()
        match self._model.loss:
            case "softmax":
                return sampled_softmax_loss(states, table, targets, negatives, log_q=None if log_q is None else log_q.to(states.device))
            case "gbce":
                return gbce_loss(states, table, targets, negatives, n_items=self._n_items, t=self._model.calibration)
            case "bpr":
                return bpr_loss(states, table, targets, negatives)

    def _drawn(self, n_real: int) -> tuple[Int64[Tensor, "*shape"], Float32[Tensor, " N"] | None]:
        shape = (n_real, self._model.negatives) if self._model.per_position else (self._model.negatives,)
        if self._popularity is not None:
            return self._popularity.draw(shape, self.generator), self._popularity.log_q
        if self._touched is not None:
            return self._touched[uniform_negatives(len(self._touched), shape, self.generator)], None
        return uniform_negatives(self._n_items, shape, self.generator), None


def _with_question(batch: HistoryBatch) -> HistoryBatch:
    """One more place in each row, right after its newest event, whose item is masked."""
    b, length = batch.inputs.items.shape
    newest = batch.last - torch.arange(b) * length
    rows = torch.arange(b)

    def widened(column: Tensor | None, question: Tensor | float) -> Tensor | None:
        if column is None:
            return None
        wide = torch.cat([column, column.new_zeros(b, 1)], 1)
        wide[rows, newest + 1] = question
        return wide

    events = batch.inputs
    asked = None if events.requests is None else events.requests[rows, newest]
    inputs = Events(
        widened(events.items, MASK),  # type: ignore[arg-type]
        widened(events.types, 0),
        None if asked is None else widened(events.times, asked),
        widened(events.values, torch.nan),
    )
    return HistoryBatch(batch.rows, inputs, rows * (length + 1) + newest + 1)


def _digest(data: SequenceDataset, *further: np.ndarray) -> str:
    """Of the events, the vocabulary and the items' features that a model is fitted on, and of further arrays."""
    digest = hashlib.sha256()
    for column in (data.offsets, data.items, data.times, data.types, data.values, *further):
        if column is not None:
            digest.update(np.ascontiguousarray(column).reshape(-1).view(np.uint8).data)  # read where it lies, not copied
    for buffer in data.vocabulary.ids.buffers():
        if buffer is not None:
            digest.update(buffer)
    features = data.item_features
    if features is not None:
        for texts in (features.titles, features.texts, features.categories, map(repr, features.attributes)):
            digest.update("\0".join(texts).encode())
        if features.vectors is not None:
            digest.update(np.ascontiguousarray(features.vectors).tobytes())
    return digest.hexdigest()[:16]
