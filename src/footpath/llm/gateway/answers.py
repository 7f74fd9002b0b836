"""Answers of language models on disk, by the hash of all that they depend on.

One file an answer, written beside its place and renamed, so that a kill leaves the old one or none and two processes may share a
directory. A file that is damaged or of another question is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from footpath.errors import ConfigError

_FORMAT: Final = 1
_KEPT_OF_FULL: Final = 0.8


def question_hash(parts: Mapping[str, Any]) -> str:
    """SHA-256 of a question: model, weights, parameters, prompt, schema; equal for equal parts in any order of keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True, allow_nan=False).encode()).hexdigest()


@dataclass
class AnswerCache:
    """A directory of answers of at most `limit_bytes`; where it is full the answers that were longest not asked for go first."""

    directory: Path
    limit_bytes: int = 64 << 20
    _bytes: int | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.limit_bytes < 0:
            raise ConfigError(f"the limit of the cache must be 0 bytes or more, got {self.limit_bytes}")
        if self.directory.exists() and not self.directory.is_dir():
            raise ConfigError(f"{self.directory} is a file: the cache of answers needs a directory")

    def get(self, key: str) -> dict[str, Any] | None:
        """The answer, or None; what cannot be read is no answer."""
        path = self._path(key)
        try:
            stored = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        if not (isinstance(stored, dict) and stored.get("format") == _FORMAT and stored.get("key") == key):
            return None
        answer = stored.get("answer")
        if not isinstance(answer, dict) or stored.get("sha256") != question_hash(answer):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return answer

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        """Keep an answer, a plain JSON object. A disk that is full or read-only keeps nothing, and nobody is troubled."""
        content = json.dumps({"format": _FORMAT, "key": key, "sha256": question_hash(answer), "answer": answer}).encode()
        if len(content) > self.limit_bytes:
            return
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(prefix=".", suffix=".writing", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(name).replace(path)
            except OSError:
                Path(name).unlink(missing_ok=True)
                return
        except OSError:
            return
        self._bytes = self.size()[1] if self._bytes is None else self._bytes + len(content)
        if self._bytes > self.limit_bytes:
            self._shrink()

    def size(self) -> tuple[int, int]:
        """How many answers there are, and their bytes."""
        sizes = [size for _, size, _ in self._files()]
        return len(sizes), sum(sizes)

    def clear(self) -> int:
        """Forget all answers; how many there were."""
        files = self._files()
        for path, _, _ in files:
            path.unlink(missing_ok=True)
        self._bytes = None
        return len(files)

    def _path(self, key: str) -> Path:
        return self.directory / key[:2] / f"{key}.json"

    def _files(self) -> list[tuple[Path, int, float]]:
        found = []
        for path in self.directory.glob("??/*"):
            with contextlib.suppress(OSError):  # another process may have taken it away
                stat = path.stat()
                found.append((path, stat.st_size, stat.st_mtime))
        return found

    def _shrink(self) -> None:
        files = sorted(self._files(), key=lambda file: file[2])
        left = sum(size for _, size, _ in files)
        for path, size, _ in files:
            if left <= self.limit_bytes * _KEPT_OF_FULL:
                break
            path.unlink(missing_ok=True)
            left -= size
        self._bytes = left
