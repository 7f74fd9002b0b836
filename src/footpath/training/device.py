"""Where tensors live and how they are multiplied: a GPU where there is one, bf16 where it is asked for, and neither ever required."""

from __future__ import annotations

import os
from typing import Literal, get_args

import torch

from footpath.errors import ConfigError

Precision = Literal["single", "bf16"]


def device(name: str = "auto") -> torch.device:
    """The device of this process: `auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:INDEX`.

    Under torchrun, `auto` and `cuda` give each process of a machine a GPU of its own.
    Raises ConfigError where the name is none of these, a GPU is asked for and absent, or a machine has more processes than GPUs.
    """
    kind, _, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (":" in name and (kind != "cuda" or not index.isdigit())):
        raise ConfigError(f"device must be auto, cpu, cuda or cuda:INDEX, got {name!r}")
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cpu" or (kind == "auto" and not present):
        return torch.device("cpu")
    if not present:
        raise ConfigError(f"device {name!r} asks for a GPU, and torch {torch.__version__} finds none here: use device='auto' or 'cpu'")
    if index:
        chosen = int(index)
        if chosen >= present:
            raise ConfigError(f"device {name!r} is not there: torch finds {present}, counted from cuda:0")
        return torch.device("cuda", chosen)
    chosen = int(os.environ.get("LOCAL_RANK", 0))
    if chosen >= present:
        raise ConfigError(
            f"process {chosen} of this machine has no GPU of its own, there are {present}: use --nproc-per-node {present}, or cpu"
        )
    return torch.device("cuda", chosen)


def precision(name: str, on: torch.device) -> Precision:
    """Of the products of training on this device; weights, their moments and sums of products are in single precision either way.

    Raises ConfigError where the name is neither `single` nor `bf16`, or a GPU has no bf16.
    """
    if name not in get_args(Precision):
        raise ConfigError(
            f"precision must be {' or '.join(get_args(Precision))}, got {name!r}: set FOOTPATH_PRECISION to one, or not at all"
        )
    if name == "bf16" and on.type == "cuda":
        with torch.cuda.device(on):
            if not torch.cuda.is_bf16_supported(including_emulation=False):
                raise ConfigError(f"precision {name!r} needs a GPU that has it, and {on} has not: set FOOTPATH_PRECISION=single")
    return name  # type: ignore[return-value]
