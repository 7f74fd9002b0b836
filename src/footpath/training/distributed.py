"""Several processes that train one model, started by torchrun: they talk through a few collective operations and nothing else.

Every process prepares the same data and draws the same batches; it learns from its share of the rows of each batch, and the gradients
are summed. So N processes give the model that one gives, but for the order in which floats are added, and for dropout, whose masks
are drawn by each process for its own rows. Outside torchrun there is one process, and nothing here does anything.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol, Self, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from footpath.errors import ConfigError, RunError
from footpath.training.fingerprint import differences

_TIMEOUT: Final = timedelta(minutes=5)
_DENSE, _SPARSE = 1, 2

_joined: World | None = None


@dataclass(frozen=True)
class World:
    """This process among those that train together: its rank, from 0, and how many there are."""

    rank: int = 0
    size: int = 1


@runtime_checkable
class Divisible(Protocol):
    """A batch that splits itself by rows, and counts its real positions (T)."""

    @property
    def n_real(self) -> int: ...

    def rows_of(self, rank: int, size: int) -> Self: ...


def world() -> World:
    """The processes of this training; the first call joins them, by the environment variables that torchrun sets.

    A process that waits five minutes for another gives up. Raises RunError where the others cannot be reached.
    """
    global _joined
    if _joined is None:
        _joined = _join() if int(os.environ.get("WORLD_SIZE", 1)) > 1 and "RANK" in os.environ else World()
    return _joined


def leave() -> None:
    """Take leave of the other processes; from here on this one is alone. It happens by itself when the process ends."""
    global _joined
    if _joined is not None and _joined.size > 1:
        torch.distributed.destroy_process_group()
        _joined = World()


def shard(rows: Int64[np.ndarray, " R"], among: World) -> Int64[np.ndarray, " S"]:
    """The rows that this process looks after; over all processes, each row once."""
    return rows[among.rank :: among.size]


def same_everywhere(fingerprint: str) -> None:
    """Raise ConfigError on every process where one has another fingerprint of its data and settings than process 0."""
    if world().size == 1:
        return
    texts = gathered(fingerprint)
    others = [rank for rank, text in enumerate(texts) if text != texts[0]]
    if others:
        named = ", ".join(map(str, others))
        raise ConfigError(
            f"processes that train one model must have the same data and settings; process {named} of {len(texts)} differs from "
            f"process 0 in {differences(texts[0], texts[others[0]])}; start all with the same files and options"
        )


def gathered(text: str) -> list[str]:
    """The text of every process, by rank."""
    here = world()
    if here.size == 1:
        return [text]
    content = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8) if text else torch.empty(0, dtype=torch.uint8)
    sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(here.size)]
    with _together("comparing notes"):
        torch.distributed.all_gather(sizes, torch.tensor([len(content)]))
        longest = max(int(size) for size in sizes)
        padded = torch.zeros(longest, dtype=torch.uint8)
        padded[: len(content)] = content
        contents = [torch.zeros_like(padded) for _ in sizes]
        torch.distributed.all_gather(contents, padded)
    return [bytes(c[: int(size)].numpy()).decode() for c, size in zip(contents, sizes, strict=True)]


def summed(values: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """The sum over all processes, the same on each."""
    if world().size == 1:
        return values
    total = torch.from_numpy(values.copy())
    with _together("summing figures"):
        torch.distributed.all_reduce(total)
    return total.numpy()


def from_all(tensor: Tensor) -> list[Tensor]:
    """This tensor of every process, by rank; it must have one shape everywhere."""
    if world().size == 1:
        return [tensor]
    found = [torch.empty_like(tensor) for _ in range(world().size)]
    with _together("collecting states"):
        torch.distributed.all_gather(found, tensor)
    return found


def copied_from_first(tensors: Sequence[Tensor]) -> None:
    """Overwrite these tensors with those of process 0."""
    if world().size > 1:
        with torch.no_grad(), _together("copying weights"):
            for tensor in tensors:
                torch.distributed.broadcast(tensor, 0)


class GradientSum:
    """Sums the gradients of these parameters over all processes, in one message a step, and one more where gradients are sparse.

    Which gradients are sparse is agreed upon in the first step. A parameter without a gradient in every process stays without one.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = list(parameters)
        self._is_sparse: list[bool] = []
        self._flat = torch.empty(0)

    @torch.no_grad()
    def __call__(self, value: float) -> float:
        """Leave the sum in `.grad` of each parameter, the same in every process; gives the sum of the values."""
        if not self._is_sparse:
            self._agree()
        dense = [p for p, is_sparse in zip(self._parameters, self._is_sparse, strict=True) if not is_sparse]
        flags = self._flat[: len(dense) + 1]
        flags[0] = value
        start = len(flags)
        for place, parameter in enumerate(dense, 1):
            part = self._flat[start : start + parameter.numel()].view_as(parameter)
            flags[place] = 0.0 if parameter.grad is None else 1.0
            if parameter.grad is None:
                part.zero_()
            else:
                part.copy_(parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad)
            start += parameter.numel()
        with _together("summing gradients"):
            torch.distributed.all_reduce(self._flat)
        total, *present = flags.tolist()
        start = len(flags)
        for parameter, found in zip(dense, present, strict=True):
            if found:
                part = self._flat[start : start + parameter.numel()].view_as(parameter)
                parameter.grad = part.to(parameter.dtype, copy=True)  # a copy: the optimizer may write into it
            start += parameter.numel()
        for parameter, is_sparse in zip(self._parameters, self._is_sparse, strict=True):
            if is_sparse:
                parameter.grad = _sparse_sum(parameter)
        return total

    def _agree(self) -> None:
        kinds = [0 if p.grad is None else _SPARSE if p.grad.is_sparse else _DENSE for p in self._parameters]
        agreed = torch.tensor(kinds)
        with _together("agreeing on gradients"):
            torch.distributed.all_reduce(agreed, torch.distributed.ReduceOp.MAX)
        self._is_sparse = [kind == _SPARSE for kind in agreed.tolist()]
        dense = [p for p, is_sparse in zip(self._parameters, self._is_sparse, strict=True) if not is_sparse]
        self._flat = torch.zeros(1 + len(dense) + sum(p.numel() for p in dense), device=self._parameters[0].device)


def _sparse_sum(parameter: Tensor) -> Tensor | None:
    """The sum of the processes' gradients by rows: their lengths, then rows and values, padded to the longest."""
    size, width = world().size, parameter[0].numel()
    rows = torch.empty(0, dtype=torch.int64, device=parameter.device)
    values = torch.empty(0, width, dtype=parameter.dtype, device=parameter.device)
    if parameter.grad is not None:
        gradient = (parameter.grad if parameter.grad.is_sparse else parameter.grad.to_sparse(1)).coalesce()
        rows, values = gradient.indices()[0], gradient.values().view(-1, width)
    counts = [torch.zeros(1, dtype=torch.int64, device=parameter.device) for _ in range(size)]
    with _together("summing gradients"):
        torch.distributed.all_gather(counts, torch.tensor([len(rows)], device=parameter.device))
        longest = max(int(count) for count in counts)
        if longest == 0:
            return parameter.grad
        all_rows = [rows.new_zeros(longest) for _ in counts]
        all_values = [values.new_zeros(longest, width) for _ in counts]
        torch.distributed.all_gather(all_rows, torch.cat([rows, rows.new_zeros(longest - len(rows))]))
        torch.distributed.all_gather(all_values, torch.cat([values, values.new_zeros(longest - len(values), width)]))
    places = torch.cat([r[: int(count)] for r, count in zip(all_rows, counts, strict=True)])
    summands = torch.cat([v[: int(count)] for v, count in zip(all_values, counts, strict=True)]).view(-1, *parameter.shape[1:])
    return torch.sparse_coo_tensor(places[None], summands, parameter.shape, check_invariants=False).coalesce()


def _join() -> World:
    """With both backends where there is a GPU: figures go by gloo, gradients on a GPU by nccl."""
    if not torch.distributed.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        with _together("meeting the others"):
            torch.distributed.init_process_group(backend, timeout=_TIMEOUT)
        atexit.register(leave)
    return World(torch.distributed.get_rank(), torch.distributed.get_world_size())


@contextmanager
def _together(what: str) -> Iterator[None]:
    """Say what a failed collective operation means: another process has ended, or hangs."""
    try:
        yield
    except RuntimeError as error:
        raise RunError(
            f"process {os.environ.get('RANK')} of {os.environ.get('WORLD_SIZE')} lost the others while {what} ({error}): look for the "
            "error of another process, mend it and start all of them again; with a checkpoint they go on from there"
        ) from error
