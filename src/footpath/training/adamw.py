"""The optimizer: Adam with decoupled weight decay, for dense gradients and for those of a few rows; and clipping for both.

Written out because building any `torch.optim` optimizer imports the compiler: 4 CPU-seconds and 80 MiB in every process that trains.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from footpath.errors import ConfigError, RunError


class AdamW:
    """Moments of the gradients of these parameters; decay is on matrices only, not on biases and scales.

    A sparse gradient, such as `F.embedding(..., sparse=True)` leaves, moves the rows it names and reads no other ("lazy Adam"): a step
    takes memory and time for those rows alone, whatever the length of the table. The rows it does not name neither decay nor coast on
    their momentum, and their moments stay; as the bias correction counts all steps, a row that is first touched late moves by up to
    (1 - first beta) / sqrt(1 - second beta), 3.2 with these betas, times the learning rate. Where every row is touched in every step it
    is the dense rule.

    l2: weight decay a unit of learning rate. Loshchilov and Hutter, ICLR 2019 (https://arxiv.org/abs/1711.05101).
    """

    def __init__(
        self, parameters: Iterable[Tensor], *, l2: float, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8
    ) -> None:
        self._l2, self._betas, self._epsilon, self._steps = l2, betas, epsilon, 0
        self._moments = [(parameter, torch.zeros_like(parameter), torch.zeros_like(parameter)) for parameter in parameters]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move by the gradients and drop them; raises ConfigError where one is sparse in more than its rows."""
        self._steps += 1
        dense: dict[float, list[_Moved]] = {}  # by decay
        for place, (parameter, mean, square) in enumerate(self._moments):
            gradient = parameter.grad
            if gradient is None:
                continue
            decay = self._l2 if parameter.dim() > 1 else 0.0
            if not gradient.is_sparse:
                dense.setdefault(decay, []).append((parameter, gradient, mean, square))
            elif gradient.sparse_dim() != 1:
                raise ConfigError(
                    f"the gradient of parameter {place} is sparse in {gradient.sparse_dim()} dimensions; only one, its rows, can be: "
                    "use F.embedding(..., sparse=True), or dense gradients"
                )
            else:
                gradient = gradient.coalesce()
                rows = gradient.indices()[0]
                weights, means, squares = (tensor.index_select(0, rows) for tensor in (parameter, mean, square))
                self._move([(weights, gradient.values(), means, squares)], learning_rate, decay)
                parameter.index_copy_(0, rows, weights)
                mean.index_copy_(0, rows, means)
                square.index_copy_(0, rows, squares)
            parameter.grad = None
        for decay, moved in dense.items():
            self._move(moved, learning_rate, decay)

    def state(self) -> dict[str, Tensor]:
        """Moments by the place of their parameter, "0.mean", "0.square", "1.mean", ..., and "steps": the tensors themselves, no copies."""
        moments = {name: tensor for place in range(len(self._moments)) for name, tensor in self._named(place).items()}
        return {**moments, "steps": torch.tensor(self._steps)}

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state`, copied; raises RunError, and changes nothing, where a name or shape is not that of these parameters."""
        own = self.state()
        if wrong := sorted(own.keys() ^ state.keys()):
            kind = "lacks" if wrong[0] in own else "has an unknown"
            raise RunError(f"the optimizer's state {kind} {wrong[0]!r}: go on with the model and settings it was saved with")
        for name, tensor in own.items():
            if state[name].shape != tensor.shape:
                raise RunError(
                    f"the optimizer's state: {name} must have shape {tuple(tensor.shape)}, got {tuple(state[name].shape)}; "
                    "go on with the model and settings it was saved with"
                )
        steps = state["steps"].item()
        if steps < 0 or steps != int(steps):
            raise RunError(f"the optimizer's state: steps must be a whole number of at least 0, got {steps}; the file is damaged")
        for name, tensor in own.items():
            tensor.copy_(state[name])
        self._steps = int(steps)

    def _named(self, place: int) -> dict[str, Tensor]:
        _, mean, square = self._moments[place]
        return {f"{place}.mean": mean, f"{place}.square": square}

    def _move(self, moved: Sequence[_Moved], learning_rate: float, decay: float) -> None:
        """In one pass over the four, and one call for all; written as seven operations it takes three times as long on CPU."""
        parameters, gradients, means, squares = (list(column) for column in zip(*moved, strict=True))
        for place, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            if gradient.stride() != parameter.stride():
                gradients[place] = torch.empty_like(parameter).copy_(gradient)  # the pass reads all four in the order of memory
        torch._fused_adamw_(
            parameters,
            gradients,
            means,
            squares,
            [],
            [torch.tensor(float(self._steps), device=parameters[0].device)] * len(parameters),
            lr=learning_rate,
            beta1=self._betas[0],
            beta2=self._betas[1],
            weight_decay=decay,
            eps=self._epsilon,
            amsgrad=False,
            maximize=False,
        )


_Moved: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor]  # parameter, gradient, mean, square


@torch.no_grad()
def clip_gradients(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients, dense or sparse, so that their common length is at most `max_norm`; gives the length before.

    A length that is not finite is given and nothing is scaled. Raises ConfigError where max_norm is not above 0.
    """
    if not max_norm > 0:
        raise ConfigError(f"the longest gradient (clip_norm) must be above 0, got {max_norm}")
    values = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()  # a row that is named twice has one length
        values.append(parameter.grad.values() if parameter.grad.is_sparse else parameter.grad)
    if not values:
        return 0.0
    norm = torch.stack([torch.linalg.vector_norm(value).double() for value in values]).norm().item()
    if math.isfinite(norm) and norm > max_norm:
        for value in values:
            value.mul_(max_norm / norm)
    return norm
