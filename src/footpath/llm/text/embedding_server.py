"""Text vectors of a server that speaks OpenAI's `/v1/embeddings`, on this machine or another: allow-list, redaction and ledger apply."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from jaxtyping import Float32

from footpath.errors import ConfigError, EncoderError
from footpath.llm.gateway.backends import Message, Sending, UnansweredError
from footpath.llm.gateway.egress import not_allowed, redact
from footpath.llm.gateway.server import Patience, Server
from footpath.llm.text.encoders import cleaned
from footpath.models.item_text import unit_rows

FIELDS: Final = ("item.title", "item.text", "item.category")
"""What the text of an item holds, as the allow-list (FOOTPATH_LLM_ALLOW) names it."""
_TEXTS_AT_ONCE: Final = 64
_ANSWER_BYTES: Final = 32_000_000  # 64 vectors of 4,096 numbers as text, several times over
_SECONDS: Final = 120.0  # for one request with its retries


@dataclass(frozen=True)
class EmbeddingServer:
    """A model by name at a base URL; it is asked for one vector to learn how long they are.

    allow: fields that may leave this machine; raises ConfigError where they would have to and may not.
    """

    server: Server
    model: str
    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.server.is_remote and (kept := not_allowed(FIELDS, self.allow)):
            raise ConfigError(
                f"titles and texts of items would go to {self.server.host}, and {', '.join(kept)} are not on the allow-list: "
                f"set FOOTPATH_LLM_ALLOW={','.join(FIELDS)}, or choose an encoder on this machine"
            )

    @property
    def name(self) -> str:
        return f"{self.server.url}#{self.model}"

    @property
    def identity(self) -> str:
        return f"{self.name} {self.dim}"

    @cached_property
    def dim(self) -> int:
        return self._asked(["text"], {}).shape[1]

    def encode(self, texts: Sequence[str]) -> Float32[np.ndarray, "n D"]:
        """Raises EncoderError where the server gives no vectors."""
        read = [cleaned(text) for text in texts]
        rows = [i for i, text in enumerate(read) if text]
        found = np.zeros((len(read), self.dim), np.float32)
        for start in range(0, len(rows), _TEXTS_AT_ONCE):
            some = rows[start : start + _TEXTS_AT_ONCE]
            found[some] = self._asked([read[i] for i in some], dict.fromkeys(FIELDS, len(some)))
        return unit_rows(found)

    def _asked(self, texts: Sequence[str], fields: dict[str, int]) -> Float32[np.ndarray, "n D"]:
        redactions: dict[str, int] = {}
        if self.server.is_remote:
            messages: list[Message] = [{"role": "user", "content": text} for text in texts]
            redaction = redact(messages, {})
            texts, redactions = [message["content"] for message in redaction.messages], dict(redaction.counts)
        sending = Sending("text vectors", time.monotonic() + _SECONDS, fields, redactions)
        try:
            answer, _ = self.server.post("/embeddings", {"model": self.model, "input": list(texts)}, sending)
        except UnansweredError as error:
            raise EncoderError(f"no text vectors: {error.why}; try again, or choose an encoder on this machine") from error
        return self._read(answer, len(texts))

    def _read(self, answer: Any, n: int) -> Float32[np.ndarray, "n D"]:
        try:
            listed = sorted(answer["data"], key=lambda entry: entry["index"])
            places = [entry["index"] for entry in listed]
            vectors = np.array([entry["embedding"] for entry in listed], np.float32)
        except (KeyError, TypeError, ValueError):
            places, vectors = [], np.zeros((0, 0), np.float32)
        if places != list(range(n)) or vectors.ndim != 2 or not vectors.shape[1] or not np.isfinite(vectors).all():
            raise EncoderError(
                f"{self.server.host} did not give one vector of finite numbers for each of {n} texts: does {self.model} make any?"
            )
        return vectors


def embedding_server(address: str) -> EmbeddingServer:
    """`URL#MODEL`; key from FOOTPATH_LLM_KEY, allow-list from FOOTPATH_LLM_ALLOW. Raises ConfigError, MissingExtraError."""
    from footpath.llm.gateway.gateway import default_ledger

    url, _, model = address.partition("#")
    if not model:
        raise ConfigError(f"--text {address} needs the name of a model behind #, such as {url}#text-embedding-3-small")
    allow = tuple(name.strip() for name in os.environ.get("FOOTPATH_LLM_ALLOW", "").split(",") if name.strip())
    return EmbeddingServer(Server(url, default_ledger(), patience=Patience(answer_bytes=_ANSWER_BYTES)), model, allow)
