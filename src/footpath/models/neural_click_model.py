"""What every neural model of responses shares: hyper-parameters, fitting, predicting, saving.

A model is a file with a class that extends `NeuralClickModel` and says which network joins an item, a history and columns to one answer a
task. Items have one table of vectors, for what is asked about and for what is in histories; no head has a table of its own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self, get_args, get_type_hints

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor, nn

from footpath.errors import ConfigError, NotFittedError, RunError, did_you_mean
from footpath.models.features import Features, codes_of
from footpath.models.item_table import ItemTable
from footpath.models.item_text import text_vectors, whiten
from footpath.models.network import category_numbers
from footpath.models.response_layers import ColumnVectors, HistoryInput, HistoryVectors
from footpath.models.responses import check_impressions, labelled, named_columns
from footpath.progress import Progress
from footpath.recommender import Watch, hyperparameters
from footpath.sequences.impressions import VALUE_TASK, Impressions
from footpath.sequences.vocabulary import Vocabulary
from footpath.training.device import device
from footpath.training.distributed import world
from footpath.training.fingerprint import fingerprint_of
from footpath.training.impression_batches import Columns, ImpressionBatch, ImpressionBatches
from footpath.training.loop import EarlyStop, GradientStep, History, isolated_seed
from footpath.training.loop import train as run_epochs

_PREDICTED_AT_ONCE: Final = 1024
_SPARSE_FROM: Final = 2**17  # items; above, a step touches so few rows that only these are updated
_EVENTS_AT_ONCE: Final = 2**20
_START: Final = 0.05  # deviation of item vectors before training
_EDGE: Final = 1e-7  # a probability is kept so far from 0 and 1


class Joined(nn.Module):
    """What the networks of all models are made of: the vectors of items, histories and columns."""

    def __init__(self, history: HistoryVectors, columns: ColumnVectors) -> None:
        super().__init__()
        self.history, self.columns = history, columns

    @property
    def items(self) -> ItemTable:
        return self.history.items

    @property
    def dim(self) -> int:
        return self.items.dim


@dataclass
class NeuralClickModel(ABC):
    """An item, a history and columns in; the log odds of an act, or a rating, out: one for each task that the labels have.

    dim: width of vectors. hidden: widths of the layers on top, separated by commas. max_len: events of a history that are read, the newest.
    inputs: of type, value, category, age, era and place, what is read of an event beside its item, separated by commas; none; auto for
    those of them that the log has, values where most events have one. item_table: what an item's vector is the sum of. without: columns
    that are not read.
    dropout: between layers. input_dropout: of the vectors of items and events, without which a history is learned by heart.
    epochs: at most so many where validation chooses. patience: epochs without a better validation figure before fit stops; None for all.
    schedule: of the learning rate; it ends after `schedule_epochs`, `epochs` where None. l2: weight decay a unit of learning rate.
    """

    dim: int = 16
    hidden: str = "64,32"
    max_len: int = 50
    inputs: str = "auto"
    item_table: Literal["id", "text", "id+text", "text+delta", "id+text+delta"] = "id"
    without: str = ""
    dropout: float = 0.1
    input_dropout: float = 0.2
    epochs: int = 8
    patience: int | None = 3
    batch_size: int = 1024
    learning_rate: float = 0.002
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    schedule_epochs: int | None = None
    l2: float = 0.3
    seed: int = 0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    tasks: tuple[str, ...] = field(init=False, repr=False, compare=False)
    history: History | None = field(init=False, repr=False, compare=False, default=None)
    fitted_with: Mapping[str, Any] | None = field(init=False, repr=False, compare=False, default=None)
    _best_epoch: int = field(init=False, repr=False, compare=False)
    _network: Joined = field(init=False, repr=False, compare=False)
    _features: Features = field(init=False, repr=False, compare=False)
    _known: Bool[np.ndarray, " N"] = field(init=False, repr=False, compare=False)
    _names: tuple[HistoryInput, ...] = field(init=False, repr=False, compare=False)
    _span: tuple[int, int] = field(init=False, repr=False, compare=False)
    _of_items: Int64[np.ndarray, " N"] | None = field(init=False, repr=False, compare=False)
    _values: tuple[float, float, float, float] = field(init=False, repr=False, compare=False)
    _watch: Watch | None = field(init=False, repr=False, compare=False, default=None)
    _checkpoint: Path | None = field(init=False, repr=False, compare=False, default=None)

    positive: ClassVar[tuple[str, ...]] = ("dim", "max_len", "epochs", "batch_size")

    @abstractmethod
    def network(self, history: HistoryVectors, columns: ColumnVectors, tasks: int) -> Joined:
        """The network, which takes an ImpressionBatch and gives (R, M) log odds, of a rating its standard score."""

    def __post_init__(self) -> None:
        for f in (*self.positive, "seed"):
            least = 0 if f == "seed" else 1
            if getattr(self, f) < least:
                raise ConfigError(f"{f} must be at least {least}, got {getattr(self, f)}")
        for f in ("dropout", "input_dropout"):
            if not 0 <= getattr(self, f) < 1:
                raise ConfigError(f"{f} must be at least 0 and below 1, got {getattr(self, f)}")
        if not 0 < self.learning_rate < float("inf"):
            raise ConfigError(f"learning_rate must be above 0 and finite, got {self.learning_rate}")
        if not 0 <= self.l2 < float("inf"):
            raise ConfigError(f"l2 must be at least 0 and finite, got {self.l2}")
        if self.schedule_epochs is not None and self.schedule_epochs < 1:
            raise ConfigError(f"schedule_epochs must be at least 1, or none for epochs, got {self.schedule_epochs}")
        heads = getattr(self, "heads", 1)
        if heads < 1 or self.dim % heads:
            raise ConfigError(f"heads must be at least 1 and divide dim, got {heads} heads and dim {self.dim}")
        hints = get_type_hints(type(self))
        for name, value in hyperparameters(self).items():
            allowed = get_args(hints[name])
            if allowed and all(isinstance(one, str) for one in allowed) and value not in allowed:
                raise ConfigError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        EarlyStop(self.patience)
        widths(self.hidden, "hidden")
        self._history_inputs(None)

    def observed(self, *, watch: Watch | None = None, checkpoint: Path | None = None) -> Self:
        """The same model, whose next `fit` calls `watch` after each epoch and keeps its progress in `checkpoint`."""
        self._watch, self._checkpoint = watch, checkpoint
        return self

    def fit(self, train: Impressions, *, validation: Impressions | None = None, progress: Progress | None = None) -> Self:
        """Learn all tasks together; with validation, keep the epoch with the lowest loss there.

        Raises ConfigError where training diverges or a setting needs what the log lacks; DataError where labels have one class, or a column
        alone tells them.
        """
        labels = labelled(train, type(self).__name__, values=True)
        if validation is not None and validation.vocabulary != train.vocabulary:
            raise ConfigError(
                "the validation impressions are encoded with another vocabulary than the training ones; take both from one split"
            )
        self.items, self.tasks = train.vocabulary, tuple(labels)
        self._features = Features.fit(train, without=named_columns(self.without))
        self._names = self._history_inputs(train)
        found = _categories(train) if "category" in self._names else None
        self._of_items = None if found is None else category_numbers(found)
        if getattr(self, "lookup", 0) and self._of_items is None:
            raise ConfigError(
                f"lookup={getattr(self, 'lookup', 0)} finds older events of an item's category, and the items of this log have none, or "
                f"inputs={self.inputs} leaves it out: set lookup=0"
            )
        trained = _known_items(train)
        self._known = trained | _described(train) if "text" in self.item_table else trained
        self._span = _span(train)
        self._values = _values(train, labels.get(VALUE_TASK))
        batches = self._batches(train, np.stack(list(labels.values()), axis=1))
        on = device(os.environ.get("FOOTPATH_DEVICE", "auto"))
        _keep_freed_memory()
        held = None
        if validation is not None and len(validation):
            there = validation.with_tasks([task for task in self.tasks if task in validation.labels])
            held = self._batches(there, np.stack([there.labels.get(task, np.full(len(there), np.nan)) for task in self.tasks], 1))
        with isolated_seed(self.seed):
            network = self._new_network(train).to(on)
            step = GradientStep(
                network,
                partial(self._loss, network),
                learning_rate=self.learning_rate,
                l2=self.l2,
                schedule=self.schedule,
                total_steps=(self.schedule_epochs or self.epochs) * len(batches),
            )
            history = run_epochs(
                network,
                batches,
                step,
                epochs=self.epochs,
                seed=self.seed,
                evaluate=None if held is None else partial(self._validation_figure, network, held),
                early_stop=EarlyStop(self.patience),
                progress=progress,
                watch=self._watch,
                checkpoint=self._checkpoint,
                fingerprint="" if self._checkpoint is None and world().size == 1 else self._fingerprint(train, validation),
            )
        if self.item_table != "id":
            network.items.hide_untrained(trained)
        self.history, self._best_epoch = history, history.best_epoch
        self.fitted_with = {"device": str(on), "questions": batches.n_questions}
        self._network = network.to("cpu").eval()
        return self

    def _fingerprint(self, train: Impressions, validation: Impressions | None) -> str:
        return fingerprint_of(
            model=type(self).__name__,
            hyperparameters=hyperparameters(self),
            data=_digest(train),
            validation=None if validation is None else _digest(validation),
        )

    def settled(self) -> Self:
        """An unfitted model of the same settings that runs as many epochs as validation found best; raises NotFittedError."""
        if not hasattr(self, "_best_epoch"):
            raise NotFittedError(
                f"{type(self).__name__} is not fitted, so no number of epochs is chosen: call fit(train, validation=...) first"
            )
        over = None if self.schedule == "constant" else self.schedule_epochs or self.epochs
        return dataclasses.replace(self, epochs=self._best_epoch, patience=None, schedule_epochs=over)

    def predict(self, rows: Impressions) -> Float64[np.ndarray, "R M"]:
        """Probabilities, and ratings within the range of those in training."""
        check_impressions(self, rows)
        found = np.empty((len(rows), len(self.tasks)))
        if len(rows):
            batches = self._batches(rows, np.zeros((len(rows), 0), np.float32), _PREDICTED_AT_ONCE)
            _keep_freed_memory()
            with torch.inference_mode():
                for places, batch in batches.in_order():
                    found[places] = self._network(batch).double().numpy()
        return self._answers(found)

    def _answers(self, found: Float64[np.ndarray, "R M"]) -> Float64[np.ndarray, "R M"]:
        mean, deviation, low, high = self._values
        for column, task in enumerate(self.tasks):
            if task == VALUE_TASK:
                found[:, column] = np.clip(mean + deviation * found[:, column], low, high)
            else:
                found[:, column] = np.clip(1 / (1 + np.exp(-np.clip(found[:, column], -40, 40))), _EDGE, 1 - _EDGE)
        return found

    def state(self) -> Mapping[str, np.ndarray]:
        weights = {f"network.{name}": tensor.numpy() for name, tensor in self._network.state_dict().items()}
        told = {"tasks": self.tasks, "inputs": self._names, "values": self._values, "best_epoch": self._best_epoch, "span": self._span}
        told |= {"sizes": codes_of(self._features).tolist()}
        found = {"about": np.frombuffer(json.dumps(told).encode(), np.uint8), "known": self._known}
        return {**weights, **found, **self._features.state()}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `state`; raises RunError where an array is missing or has another shape than these hyper-parameters give it."""
        told = json.loads(bytes(np.asarray(state["about"])).decode())
        self.items, self.tasks, self._names = items, tuple(told["tasks"]), tuple(told["inputs"])
        self._values, self._best_epoch, self._span = tuple(told["values"]), told["best_epoch"], tuple(told["span"])
        self._features, self._known = Features.restore(state), np.array(state["known"])

        def kept(name: str) -> Tensor | None:
            return torch.from_numpy(np.array(state[name])) if name in state else None

        text, categories = kept("network.history.items.text"), kept("network.history.of_items")
        for name, wanted, there in (("text", "text" in self.item_table, text), ("categories", "category" in self._names, categories)):
            if wanted and there is None:
                raise RunError(f"weights of {type(self).__name__}: the {name} of items are missing; fit and save the model again")
        self._of_items = None if categories is None else categories.numpy()
        with isolated_seed(self.seed):
            network = self._made(len(items), text, categories)
        for name, tensor in network.state_dict().items():
            found = state.get(f"network.{name}")
            if found is None or found.shape != tuple(tensor.shape):
                raise RunError(
                    f"weights of {type(self).__name__}: {name} must have shape {tuple(tensor.shape)}, got "
                    f"{None if found is None else found.shape}; restore with the hyper-parameters and the vocabulary of its fit"
                )
        network.load_state_dict({name: torch.from_numpy(np.array(state[f"network.{name}"])) for name in network.state_dict()})
        self._network = network.eval()
        return self

    def _history_inputs(self, train: Impressions | None) -> tuple[HistoryInput, ...]:
        """Of `inputs`, those that the log has; without a log the names alone are checked."""
        known = get_args(HistoryInput)
        if self.inputs == "auto":
            if train is None:
                return ()
            data = train.histories
            there = {
                "type": data.types is not None and len(np.unique(data.types)) > 1,
                "value": _most_have_values(data.values),
                "category": _categories(train) is not None,
                "age": data.times is not None and train.times is not None,
                "era": data.times is not None,
                "place": True,
            }
            return tuple(name for name, has in there.items() if has)  # type: ignore[misc]
        names = [name.strip() for name in self.inputs.split(",") if name.strip() and name.strip() != "none"]
        for name in names:
            if name not in known:
                raise ConfigError(f"inputs must be auto, none or of {', '.join(known)}, got {self.inputs!r}{did_you_mean(name, known)}")
        if train is not None:
            data = train.histories
            lacking = {
                "type": data.types is None,
                "value": data.values is None,
                "era": data.times is None,
                "age": data.times is None or train.times is None,
            }
            lacking["category"] = _categories(train) is None
            for name in names:
                if lacking.get(name):
                    raise ConfigError(f"inputs={self.inputs} reads the {name} of events, and these impressions hold none: leave it out")
        return tuple(dict.fromkeys(names))  # type: ignore[arg-type]

    def _batches(self, rows: Impressions, labels: np.ndarray, batch_size: int | None = None) -> ImpressionBatches:
        encoded = self._features.encode(rows)
        columns = Columns(
            torch.from_numpy(encoded.codes.astype(np.int64)), torch.from_numpy(encoded.amounts), torch.from_numpy(encoded.missing)
        )
        scaled = labels.astype(np.float32)
        if VALUE_TASK in self.tasks and labels.shape[1]:
            at = self.tasks.index(VALUE_TASK)
            scaled = scaled.copy()
            scaled[:, at] = (scaled[:, at] - self._values[0]) / self._values[1]
        size = batch_size or self.batch_size
        return ImpressionBatches(rows, columns, scaled, self.max_len, size, self._known, getattr(self, "lookup", 0), self._of_items)

    def _new_network(self, train: Impressions) -> Joined:
        text = categories = None
        if "text" in self.item_table:
            features = train.histories.item_features
            if features is None:
                raise ConfigError(
                    f"item_table={self.item_table} needs titles or other text of the items, and this log has no item table: "
                    "add one, or set item_table=id"
                )
            text = torch.from_numpy(whiten(text_vectors(features, seed=self.seed)))
        if self._of_items is not None:
            categories = torch.from_numpy(self._of_items)
        mean = deviation = None
        if "value" in self._names:
            assert train.histories.values is not None
            present = train.histories.values[~np.isnan(train.histories.values)].astype(np.float64)
            if len(present):
                mean, deviation = float(present.mean()), float(present.std()) or 1.0
        return self._made(train.histories.n_items, text, categories, mean or 0.0, deviation or 1.0)

    def _made(self, n_items: int, text: Tensor | None, categories: Tensor | None, mean: float = 0.0, deviation: float = 1.0) -> Joined:
        table = ItemTable(n_items, self.dim, parts=self.item_table, text=text)
        with torch.no_grad():
            if table.weight is not None:
                nn.init.normal_(table.weight, std=_START)
            table.clear_padding()
        table.sparse = n_items > _SPARSE_FROM
        history = HistoryVectors(
            self._names,
            table,
            self.max_len,
            categories=categories,
            mean=mean,
            deviation=deviation,
            dropout=self.input_dropout,
            began=self._span[0],
            ended=self._span[1],
        )
        columns = ColumnVectors(codes_of(self._features).tolist(), len(self._features.amounts), self.dim)
        return self.network(history, columns, len(self.tasks))

    def _loss(self, network: Joined, batch: ImpressionBatch) -> Tensor:
        batch = batch.to(network.items.device)
        return loss_of_tasks(network(batch), batch.labels, self.tasks) + self._further_loss(network, batch)

    def _further_loss(self, network: Joined, batch: ImpressionBatch) -> Tensor | float:
        """What else is learned from a batch; nothing, unless a model says so."""
        return 0.0

    def _validation_figure(self, network: Joined, held: ImpressionBatches) -> float:
        """Minus the loss, the mean over tasks of the mean over rows."""
        sums, counts = np.zeros(len(self.tasks)), np.zeros(len(self.tasks))
        for _, batch in held.in_order():
            batch = batch.to(network.items.device)
            found = network(batch)
            for column, task in enumerate(self.tasks):
                known = ~batch.labels[:, column].isnan()
                if bool(known.any()):
                    loss = loss_of_tasks(found[known, column : column + 1], batch.labels[known, column : column + 1], (task,))
                    sums[column] += float(loss) * int(known.sum())
                    counts[column] += int(known.sum())
        return float(-(sums[counts > 0] / counts[counts > 0]).mean()) if counts.any() else float("nan")


def loss_of_tasks(found: Float[Tensor, "R M"], labels: Float[Tensor, "R M"], tasks: Sequence[str]) -> Tensor:
    """The mean over tasks of the mean over rows with a label: cross-entropy, and half the squared error of a rating."""
    parts = []
    for column, task in enumerate(tasks):
        known = ~labels[:, column].isnan()
        of, truth = found[:, column], labels[:, column]
        if not bool(known.all()):
            of, truth = of[known], truth[known]
        if not len(truth):
            parts.append(found[:, column].sum() * 0.0)
        elif task == VALUE_TASK:
            parts.append(0.5 * F.mse_loss(of, truth))
        else:
            parts.append(F.binary_cross_entropy_with_logits(of, truth))
    return torch.stack(parts).mean()


def widths(text: str, name: str) -> tuple[int, ...]:
    """The numbers in a comma-separated list; raises ConfigError where one is no whole number of at least 1."""
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise ConfigError(f"{name} must be widths of layers, such as 64,32, got {text!r}")
    return found


def _keep_freed_memory() -> None:
    """Let the allocator of glibc keep what tensors of a few MiB leave for the next ones, whose pages would else be made anew.

    New pages cost more than most of what is computed in them. glibc holds on to blocks as large as the largest that was ever freed, up to
    32 MiB (mallopt(3), M_MMAP_THRESHOLD), so one is freed that nothing was written to.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


def _known_items(train: Impressions) -> Bool[np.ndarray, " N"]:
    """Items that were shown in training, or that are in a history which training sees."""
    known = np.zeros(train.histories.n_items, bool)
    known[train.items] = True
    trails = train.histories
    longest = np.zeros(len(trails), np.int64)
    np.maximum.at(longest, train.rows, train.lengths)
    edges = np.zeros(trails.n_events + 1, np.int8)
    starts = trails.offsets[:-1][longest > 0]
    edges[starts] += 1
    edges[starts + longest[longest > 0]] -= 1
    seen = edges[:-1].cumsum(dtype=np.int8).view(bool)
    for start in range(0, trails.n_events, _EVENTS_AT_ONCE):
        part = slice(start, start + _EVENTS_AT_ONCE)
        known[trails.items[part][seen[part]]] = True
    known[0] = False
    return known


def _described(train: Impressions) -> Bool[np.ndarray, " N"]:
    """Items of which something is said, so that their text can be read before anybody has met them."""
    features = train.histories.item_features
    if features is None:
        return np.zeros(train.histories.n_items, bool)
    columns = (features.titles, features.texts, features.categories, features.attributes)
    told = np.array([any(parts) for parts in zip(*columns, strict=True)], bool)
    return told if features.vectors is None else told | features.vectors.any(axis=1)


def _categories(rows: Impressions) -> list[str] | None:
    """Of each item; None where items have none."""
    features = rows.histories.item_features
    if features is not None and any(features.categories):
        return list(features.categories)
    if "category" not in rows.item_columns.column_names:
        return None
    return [str(name) if name is not None else "" for name in rows.item_columns["category"].to_pylist()]


def _span(train: Impressions) -> tuple[int, int]:
    """From the first event that training sees to the last; whatever where there is no clock."""
    times = train.histories.times
    seen = train.lengths > 0
    if times is None or not seen.any():
        return 0, 1
    starts = train.histories.offsets[train.rows[seen]]
    return int(times[starts].min()), int(times[starts + train.lengths[seen] - 1].max())


def _most_have_values(values: Float32[np.ndarray, " E"] | None) -> bool:
    """More than half of them, and not all the same."""
    if values is None or not len(values):
        return False
    known = values[~np.isnan(values)]
    return bool(len(known) > len(values) / 2 and (known != known[0]).any())


def _values(train: Impressions, rating: Float32[np.ndarray, " R"] | None) -> tuple[float, float, float, float]:
    """Mean, deviation, least and greatest of the training ratings."""
    if rating is None:
        return 0.0, 1.0, 0.0, 1.0
    known = rating[~np.isnan(rating)].astype(np.float64)
    return float(known.mean()), float(known.std()) or 1.0, float(known.min()), float(known.max())


def _digest(rows: Impressions) -> str:
    digest = hashlib.sha256()
    columns: list[np.ndarray | None] = [rows.rows, rows.lengths, rows.items, rows.times, *rows.labels.values()]
    columns += [rows.histories.offsets, rows.histories.items, rows.histories.types, rows.histories.times, rows.histories.values]
    for column in columns:
        if column is not None:
            digest.update(np.ascontiguousarray(column).reshape(-1).view(np.uint8).data)
    for table in (rows.context, rows.item_columns, rows.user_columns):
        digest.update(repr([(name, table[name].to_pylist()) for name in table.column_names]).encode())
    for buffer in rows.vocabulary.ids.buffers():
        if buffer is not None:
            digest.update(buffer)
    return digest.hexdigest()[:16]


def fields_of(network: Joined, batch: ImpressionBatch) -> tuple[Float[Tensor, "R D"], Float[Tensor, "Q L D"], Float[Tensor, "R K D"]]:
    """The vectors of the items asked about, of the histories and of the columns."""
    return network.history.targets(batch.items), network.history(batch), network.columns(batch.columns)
