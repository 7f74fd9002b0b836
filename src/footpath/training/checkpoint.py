"""The progress of a training as one file, from which it goes on after a kill as if nothing had happened.

DIRECTORY/checkpoint.safetensors   tensors, and in its header a JSON record, the fingerprint of data and settings, and a checksum a tensor

The file is written beside, brought to disk and renamed, so a kill at any moment leaves the one before or the new one.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from footpath.errors import RunError
from footpath.training.fingerprint import differences

FORMAT: Final = 1
_FILE: Final = "checkpoint.safetensors"
_SECONDS_BETWEEN: Final = 2.0
_SHARE_OF_TIME: Final = 0.1


@runtime_checkable
class Resumable(Protocol):
    """A training step that can give away what it has gathered (moments, counters, its own generators) and take it back.

    The states of generators are under names that begin with `generator.`: each of several processes has its own.
    """

    def state(self) -> Mapping[str, Tensor]: ...

    def load(self, state: Mapping[str, Tensor]) -> None: ...


@dataclass(frozen=True)
class Saved:
    """What one checkpoint holds; record: JSON values."""

    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]


@dataclass
class Checkpoint:
    """The checkpoint of one training in a directory, which is made where it is missing.

    fingerprint: of everything that must be the same for the training to go on, data and settings.
    """

    directory: Path
    fingerprint: str
    _written: float = field(init=False, repr=False, default=-float("inf"))
    _took: float = field(init=False, repr=False, default=0.0)

    @property
    def path(self) -> Path:
        return Path(self.directory) / _FILE

    def is_due(self) -> bool:
        """Whether the last one is two seconds old, and writing takes at most a tenth of the time."""
        return time.monotonic() - self._written >= max(_SECONDS_BETWEEN, self._took / _SHARE_OF_TIME)

    def read(self) -> Saved | None:
        """What `write` wrote, None where there is nothing yet.

        Raises RunError where the file is damaged, foreign, newer, or of a training with another fingerprint.
        """
        if not self.path.is_file():
            return None
        again = f"delete {self.path} to train from the beginning, or choose another directory"
        try:
            with safe_open(self.path, framework="pt") as file:
                header = json.loads((file.metadata() or {})["footpath"])
                written_by, of_format, fingerprint = header["footpath"], header["format"], header["fingerprint"]
                if of_format > FORMAT:
                    raise RunError(f"{self.path} was written by footpath {written_by}, which is newer: upgrade footpath, or {again}")
                if fingerprint != self.fingerprint:
                    raise RunError(
                        f"{self.path} is the progress of another training, with {differences(fingerprint, self.fingerprint)}: "
                        f"go on with its data and settings, {again}"
                    )
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
            damaged = [name for name, tensor in tensors.items() if header["crc32"][name] != _crc32(tensor)]
            if damaged:
                raise RunError(f"{self.path} is damaged: the checksum of {damaged[0]} is not the one it was written with; {again}")
            return Saved(tensors, dict(header["record"]))
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{self.path} is damaged or foreign ({error!r}): {again}") from error

    def write(self, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
        """Replace the checkpoint in one step. Raises RunError where the directory cannot be written to."""
        start = time.monotonic()
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        header = {
            "footpath": version("footpath"),
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "record": record,
            "crc32": {name: _crc32(tensor) for name, tensor in plain.items()},
        }
        partial = self.path.with_suffix(".partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_file(plain, partial, {"footpath": json.dumps(header)})
            _to_disk(partial)
            partial.replace(self.path)
            _to_disk(self.path.parent)
        except (OSError, SafetensorError) as error:
            raise RunError(
                f"the progress of training cannot be written to {self.path} ({error}): make room, or choose another directory"
            ) from error
        self._written = time.monotonic()
        self._took = self._written - start


def _crc32(tensor: Tensor) -> int:
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
