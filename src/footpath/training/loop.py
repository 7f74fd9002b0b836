"""One training loop. What happens with a batch is a function that is passed in, so that one loss, two players or a policy all fit it."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from footpath.errors import ConfigError
from footpath.progress import Progress
from footpath.training.adamw import AdamW

Batch = TypeVar("Batch")
BatchOut = TypeVar("BatchOut", covariant=True)


class Batches(Protocol[BatchOut]):
    """An epoch of batches, in a new order each time."""

    def __len__(self) -> int: ...

    def shuffled(self, rng: np.random.Generator) -> Iterator[BatchOut]: ...


@dataclass(frozen=True)
class Epoch:
    """loss: mean over batches. validation: what `evaluate` gave, None without it. cpu_seconds: of all threads, evaluation left out."""

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

    l2: weight decay a unit of learning rate. clip_norm: longest gradient. warmup_steps: the rate rises linearly over these. decay_until:
    then it falls linearly, to 0 at this step; None: it stays. Raises ConfigError where the loss or the clipped gradient is not finite.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Callable[[Batch], Tensor],
        *,
        learning_rate: float,
        l2: float = 0.0,
        clip_norm: float | None = None,
        warmup_steps: int = 0,
        decay_until: int | None = None,
    ) -> None:
        if decay_until is not None and decay_until <= warmup_steps:
            raise ConfigError(f"decay_until must be above the {warmup_steps} steps of warm-up, got {decay_until}")
        self._parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._optimizer = AdamW(self._parameters, l2=l2)
        self._loss, self._clip_norm, self._learning_rate = loss, clip_norm, learning_rate
        self._warmup_steps, self._decay_until, self._steps = warmup_steps, decay_until, 0

    def __call__(self, batch: Batch) -> float:
        loss = self._loss(batch)
        value = loss.item()
        if not math.isfinite(value):
            raise ConfigError(f"the loss became {value} at learning_rate {self._learning_rate:g}: {_REMEDY}")
        torch.autograd.backward(loss)
        if self._clip_norm is not None:
            norm = nn.utils.clip_grad_norm_(self._parameters, self._clip_norm).item()
            if not math.isfinite(norm):
                raise ConfigError(f"the gradient became {norm} at learning_rate {self._learning_rate:g}: {_REMEDY}")
        self._optimizer.step(self._learning_rate * self._share_of_rate())
        self._steps += 1
        return value

    def _share_of_rate(self) -> float:
        if self._steps < self._warmup_steps:
            return (self._steps + 1) / self._warmup_steps
        if self._decay_until is None:
            return 1.0
        return max(0.0, (self._decay_until - self._steps) / (self._decay_until - self._warmup_steps))


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
) -> History:
    """Run epochs of `step` over batches; with `evaluate`, the module ends with the weights of the epoch where that was highest.

    step: takes a batch, changes weights, gives the loss. evaluate: higher is better; it runs with the module in evaluation mode and
    without gradients. seed: of the order of batches; call inside `isolated_seed` for the module's own randomness.
    Raises ConfigError where a weight or the validation figure is not finite.
    """
    if epochs < 1:
        raise ConfigError(f"epochs must be at least 1, got {epochs}")
    early_stop = EarlyStop() if early_stop is None else early_stop
    rng = np.random.default_rng(seed)
    done: list[Epoch] = []
    best_epoch, best_value, best_weights = 0, -math.inf, None
    for number in range(1, epochs + 1):
        module.train()
        clock, losses = time.process_time(), []
        for batch in batches.shuffled(rng):
            losses.append(step(batch))
            if progress is not None:
                progress("training", (number - 1) * len(batches) + len(losses), epochs * len(batches))
        seconds = time.process_time() - clock
        module.eval()
        _check_finite(module, number)
        value = None
        if evaluate is not None:
            with torch.no_grad():
                value = evaluate()
            if not math.isfinite(value):
                raise ConfigError(f"the validation figure of epoch {number} is {value}: is the validation set empty? {_REMEDY}")
        done.append(Epoch(number, math.fsum(losses) / len(losses), value, seconds))
        if value is None:
            best_epoch = number
            continue
        if value > best_value:
            best_epoch, best_value, best_weights = number, value, copy.deepcopy(module.state_dict())
        if early_stop.is_due(number, best_epoch):
            break
    if best_weights is not None:
        module.load_state_dict(best_weights)
    return History(tuple(done), best_epoch)


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
