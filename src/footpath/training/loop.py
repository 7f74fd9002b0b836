"""One training loop. What happens with a batch is a function that is passed in, so that one loss, two players or a policy all fit it."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, Literal, Protocol, TypeVar, get_args

import numpy as np
import torch
from torch import Tensor, nn

from footpath.errors import ConfigError, RunError, did_you_mean
from footpath.progress import Progress
from footpath.training.adamw import AdamW, clip_gradients
from footpath.training.checkpoint import Checkpoint, Resumable, Saved
from footpath.training.distributed import Divisible, GradientSum, copied_from_first, from_all, same_everywhere, summed, world
from footpath.training.fingerprint import fingerprint_of

Batch = TypeVar("Batch")
BatchOut = TypeVar("BatchOut", covariant=True)
Schedule = Literal["constant", "linear", "cosine"]


class Batches(Protocol[BatchOut]):
    """An epoch of batches, in a new order each time."""

    def __len__(self) -> int: ...

    def shuffled(self, rng: np.random.Generator) -> Iterator[BatchOut]: ...


@dataclass(frozen=True)
class Epoch:
    """loss: mean over batches. validation: what `evaluate` gave, None without it. cpu_seconds: of all threads and
    processes, evaluation left out."""

    number: int
    loss: float
    validation: float | None
    cpu_seconds: float


@dataclass(frozen=True)
class History:
    """Every epoch that was run, and the number of the one whose weights were kept; epochs count from 1."""

    epochs: tuple[Epoch, ...]
    best_epoch: int


@dataclass(frozen=True)
class EarlyStop:
    """Stop after `patience` epochs without a better validation figure (None: never), but not before `min_epochs` were run."""

    patience: int | None = None
    min_epochs: int = 1

    def __post_init__(self) -> None:
        if self.patience is not None and self.patience < 1:
            raise ConfigError(f"patience must be at least 1 epoch, or None for all epochs, got {self.patience}")

    def is_due(self, epoch: int, best_epoch: int) -> bool:
        return self.patience is not None and epoch >= self.min_epochs and epoch - best_epoch >= self.patience


class GradientStep(Generic[Batch]):
    """The ordinary step: a loss, its gradient, clipped where asked, and AdamW on a learning-rate schedule.

    loss: the mean over the real positions of a batch. l2: weight decay a unit of learning rate. clip_norm: longest gradient.
    warmup_steps: the rate rises linearly over these; then it stays (constant), or falls to 0 at step `total_steps`, in a straight line
    or along half a cosine (Loshchilov and Hutter, ICLR 2017, https://arxiv.org/abs/1608.03983, without restarts).
    generators: what the loss draws from besides torch's global generator, so that a training can be resumed exactly.
    Under torchrun each process learns from its rows of a batch, which must be `Divisible`, and gradients are summed.
    Raises ConfigError where the loss or the clipped gradient is not finite.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Callable[[Batch], Tensor],
        *,
        learning_rate: float,
        l2: float = 0.0,
        clip_norm: float | None = None,
        schedule: Schedule = "constant",
        warmup_steps: int = 0,
        total_steps: int | None = None,
        generators: Mapping[str, torch.Generator] | None = None,
    ) -> None:
        if schedule not in get_args(Schedule):
            known = get_args(Schedule)
            raise ConfigError(f"schedule must be one of {', '.join(known)}, got {schedule!r}{did_you_mean(schedule, known)}")
        if schedule != "constant" and (total_steps is None or total_steps <= warmup_steps):
            raise ConfigError(f"a {schedule} schedule needs total_steps above the {warmup_steps} steps of warm-up, got {total_steps}")
        self._parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._optimizer = AdamW(self._parameters, l2=l2)
        self._loss, self._clip_norm, self._learning_rate = loss, clip_norm, learning_rate
        self._schedule, self._warmup_steps, self._total_steps, self._steps = schedule, warmup_steps, total_steps, 0
        self._generators = dict(generators or {})
        self._sum = GradientSum(self._parameters) if world().size > 1 else None

    def __call__(self, batch: Batch) -> float:
        value = self._gradient(batch) if self._sum is None else self._gradient_with_others(batch, self._sum)
        if self._clip_norm is not None:
            norm = clip_gradients(self._parameters, self._clip_norm)
            if not math.isfinite(norm):
                raise ConfigError(f"the gradient became {norm} at learning_rate {self._learning_rate:g}: {_REMEDY}")
        self._optimizer.step(self._learning_rate * self._share_of_rate())
        self._steps += 1
        return value

    def state(self) -> dict[str, Tensor]:
        """Moments, the number of steps and the state of the generators: all that the next step depends on besides weights."""
        moments = {f"optimizer.{name}": tensor for name, tensor in self._optimizer.state().items()}
        drawn = {f"generator.{name}": generator.get_state() for name, generator in self._generators.items()}
        return {**moments, **drawn, "steps": torch.tensor(self._steps)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state`, on a step that was built alike; raises KeyError or RunError where something is missing."""
        self._optimizer.load(_under("optimizer.", state))
        for name, generator in self._generators.items():
            generator.set_state(state[f"generator.{name}"])
        self._steps = int(state["steps"])

    def _gradient(self, batch: Batch) -> float:
        loss = self._loss(batch)
        value = self._checked(loss.item())
        torch.autograd.backward(loss)
        return value

    def _gradient_with_others(self, batch: Batch, sum_up: GradientSum) -> float:
        if not isinstance(batch, Divisible):
            raise ConfigError(f"several processes cannot share a batch of type {type(batch).__name__}: it has no rows_of and n_real")
        here = world()
        part = batch.rows_of(here.rank, here.size)
        weight = part.n_real / batch.n_real
        # without a position of its own a process goes through the whole batch for nothing: what it draws stays in step with the others
        loss = self._loss(part if weight else batch) * weight
        torch.autograd.backward(loss)
        return self._checked(sum_up(loss.item()))

    def _checked(self, value: float) -> float:
        if not math.isfinite(value):
            raise ConfigError(f"the loss became {value} at learning_rate {self._learning_rate:g}: {_REMEDY}")
        return value

    def _share_of_rate(self) -> float:
        if self._steps < self._warmup_steps:
            return (self._steps + 1) / self._warmup_steps
        if self._schedule == "constant" or self._total_steps is None:
            return 1.0
        gone = min(1.0, (self._steps - self._warmup_steps) / (self._total_steps - self._warmup_steps))
        return 1 - gone if self._schedule == "linear" else (1 + math.cos(math.pi * gone)) / 2


_REMEDY: Final = "lower learning_rate, for instance by ten, and look for extreme values in what is fitted"


def train(
    module: nn.Module,
    batches: Batches[Batch],
    step: Callable[[Batch], float],
    *,
    epochs: int,
    seed: int,
    evaluate: Callable[[], float] | None = None,
    early_stop: EarlyStop | None = None,
    progress: Progress | None = None,
    watch: Callable[[Epoch], bool] | None = None,
    checkpoint: Path | None = None,
    fingerprint: str = "",
) -> History:
    """Run epochs of `step` over batches; with `evaluate`, the module ends with the weights of the epoch where that was highest.

    step: takes a batch, changes weights, gives the loss. evaluate: higher is better; it runs with the module in evaluation mode and
    without gradients. seed: of the order of batches; call inside `isolated_seed` for the module's own randomness.
    watch: called after each epoch, ends training where it gives True.
    checkpoint: a directory in which progress is kept, every few seconds at the end of an epoch, and from which the same call goes on after
    a kill, to the same losses, figures and weights; epochs that it holds are not watched again, and a finished training returns at once.
    The step must be `Resumable`. fingerprint: of data and settings, for a checkpoint and for several processes, which must agree on it.
    Under torchrun every process calls this alike; the first one decides, watches and writes, all end with the same weights.
    Raises ConfigError where a weight or the validation figure is not finite or processes differ, RunError for a checkpoint that is
    damaged or of another training, or where another process ended.
    """
    if epochs < 1:
        raise ConfigError(f"epochs must be at least 1, got {epochs}")
    if checkpoint is not None and not isinstance(step, Resumable):
        raise ConfigError(f"a step without state() and load() cannot go on from {checkpoint}: train without a checkpoint")
    early_stop = EarlyStop() if early_stop is None else early_stop
    here = world()
    settings = fingerprint_of(
        fingerprint=fingerprint,
        epochs=epochs,
        seed=seed,
        validation=evaluate is not None,
        **dataclasses.asdict(early_stop),
        batches=len(batches),
        weights={name: list(tensor.shape) for name, tensor in module.state_dict().items()},
    )
    same_everywhere(settings)
    copied_from_first(list(module.state_dict().values()))
    if here.rank:
        torch.manual_seed(torch.initial_seed() + here.rank)  # other rows, other dropout
    run = _Run(module, step, np.random.default_rng(seed))
    kept = None if checkpoint is None else Checkpoint(checkpoint, settings)
    if kept is not None:
        run.resume(kept)
    while not run.finished:
        number = len(run.done) + 1
        module.train()
        clock, losses = time.process_time(), []
        for batch in batches.shuffled(run.rng):
            losses.append(step(batch))
            if progress is not None and here.rank == 0:
                progress("training", (number - 1) * len(batches) + len(losses), epochs * len(batches))
        seconds = time.process_time() - clock
        module.eval()
        _check_finite(module, number)
        value = None
        if evaluate is not None:
            with torch.no_grad():
                value = evaluate()
        seconds, value = _agreed(seconds, value)
        if value is not None and not math.isfinite(value):
            raise ConfigError(f"the validation figure of epoch {number} is {value}: is the validation set empty? {_REMEDY}")
        run.note(Epoch(number, math.fsum(losses) / len(losses), value, seconds))
        stops = watch is not None and here.rank == 0 and watch(run.done[-1])
        writes = kept is not None and here.rank == 0 and kept.is_due()
        stops, writes = _decided(stops, writes)
        run.finished = stops or number == epochs or (value is not None and early_stop.is_due(number, run.best_epoch))
        if run.finished:
            run.restore_best()
        if kept is not None and (writes or run.finished):
            run.write(kept)
    module.eval()
    return History(tuple(run.done), run.best_epoch)


class _Run:
    """How far a training is: all that its next epoch depends on."""

    def __init__(self, module: nn.Module, step: object, rng: np.random.Generator) -> None:
        self.module, self.step, self.rng = module, step, rng
        self.done: list[Epoch] = []
        self.best_epoch, self.finished = 0, False
        self._weights = _once_each(module.state_dict())
        self._best: dict[str, Tensor] = {}

    def note(self, epoch: Epoch) -> None:
        """An epoch is the best where its figure is the highest, and without figures where it is the last."""
        best = self.done[self.best_epoch - 1].validation if self.best_epoch else None
        self.done.append(epoch)
        if epoch.validation is None:
            self.best_epoch = epoch.number
        elif best is None or epoch.validation > best:
            self.best_epoch = epoch.number
            if not self._best:
                self._best = {name: torch.empty_like(tensor) for name, tensor in self._weights.items()}
            _copy(self._weights, self._best)

    def restore_best(self) -> None:
        if self.best_epoch != len(self.done):
            _copy(self._best, self._weights)

    def write(self, checkpoint: Checkpoint) -> None:
        """By the first process; the others tell it where their generators are."""
        assert isinstance(self.step, Resumable)
        tensors = {f"weights.{name}": tensor for name, tensor in self._weights.items()}
        if not self.finished:
            state = self.step.state()
            own = {name: tensor for name, tensor in state.items() if name.startswith("generator.")}
            for name, tensor in sorted({"global": _global_generators(self.module), **own}.items()):
                tensors |= {f"process.{rank}.{name}": drawn for rank, drawn in enumerate(from_all(tensor))}
            tensors |= {f"step.{name}": tensor for name, tensor in state.items() if name not in own}
            if self._best and self.best_epoch != len(self.done):
                tensors |= {f"best.{name}": tensor for name, tensor in self._best.items()}
        if world().rank:
            return
        record = {
            "epochs": [dataclasses.asdict(epoch) for epoch in self.done],
            "best_epoch": self.best_epoch,
            "finished": self.finished,
            "order": self.rng.bit_generator.state,
        }
        checkpoint.write(tensors, record)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Take over what the checkpoint holds, if it is there; raises RunError where it lacks something."""
        saved = checkpoint.read()
        same_everywhere(fingerprint_of(epochs_in_checkpoint=0 if saved is None else len(saved.record.get("epochs", ()))))
        if saved is None:
            return
        try:
            self._load(saved)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RunError(
                f"{checkpoint.path} does not hold what this training needs ({error!r}): delete it to train from the beginning"
            ) from error

    def _load(self, saved: Saved) -> None:
        _copy(_under("weights.", saved.tensors), self._weights)
        self.done = [Epoch(**epoch) for epoch in saved.record["epochs"]]
        self.best_epoch, self.finished = saved.record["best_epoch"], saved.record["finished"]
        if self.finished:
            return
        assert isinstance(self.step, Resumable)
        drawn = _under(f"process.{world().rank}.", saved.tensors)
        if drawn:
            _set_global_generators(self.module, drawn.pop("global"))
        else:  # there were fewer processes before
            drawn = {name: tensor for name, tensor in _under("process.0.", saved.tensors).items() if name != "global"}
        self.step.load(_under("step.", saved.tensors) | drawn)
        self.rng.bit_generator.state = saved.record["order"]
        if self.done[self.best_epoch - 1].validation is not None:
            best = _under("best.", saved.tensors) or self._weights
            self._best = {name: best[name].to(tensor, copy=True) for name, tensor in self._weights.items()}


def _agreed(seconds: float, value: float | None) -> tuple[float, float | None]:
    """CPU-seconds of all processes, and the figure of the first one."""
    if world().size == 1:
        return seconds, value
    figure = value if value is not None and world().rank == 0 else 0.0
    total = summed(np.array([seconds, figure]))
    return float(total[0]), None if value is None else float(total[1])


def _decided(*answers: bool) -> tuple[bool, ...]:
    """What the first process decided; the others answer False."""
    return tuple(bool(answer) for answer in summed(np.array(answers, np.float64)))


def _once_each(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the second names of weights that a module uses twice."""
    first: dict[tuple[int, torch.Size], str] = {}
    return {name: tensor for name, tensor in state.items() if first.setdefault((tensor.data_ptr(), tensor.shape), name) == name}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, tensor in target.items():
        tensor.copy_(source[name])


def _global_generators(module: nn.Module) -> Tensor:
    """The states of torch's own generators that the module draws from: the CPU's, then its GPU's."""
    place = next(module.parameters()).device
    return torch.cat([torch.get_rng_state()] + ([torch.cuda.get_rng_state(place)] if place.type == "cuda" else []))


def _set_global_generators(module: nn.Module, states: Tensor) -> None:
    place, n_cpu = next(module.parameters()).device, len(torch.get_rng_state())
    torch.set_rng_state(states[:n_cpu].clone())
    if place.type == "cuda":
        torch.cuda.set_rng_state(states[n_cpu:].clone(), place)


@contextmanager
def isolated_seed(seed: int) -> Iterator[None]:
    """Torch's global generator starts from this seed inside, and outside goes on as if nothing had happened."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def _check_finite(module: nn.Module, epoch: int) -> None:
    for name, parameter in module.named_parameters():
        if not parameter.isfinite().all():
            raise ConfigError(f"weight {name} is no longer finite after epoch {epoch}: {_REMEDY}")
