"""What a language model has to be able to do here: complete under a schema, and weigh letters. Nothing of a back end is imported here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Message = Mapping[str, str]
"""`role` (system, user or assistant) and `content`."""


class UnansweredError(Exception):
    """A back end gave no answer: the gateway catches it, falls back and says why; no caller of the gateway meets it.

    asked: calls that were made all the same. again: whether asking once more may help, as after an answer that is no JSON.
    """

    def __init__(self, why: str, *, asked: int = 0, again: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.asked = asked
        self.again = again


@dataclass(frozen=True)
class Capabilities:
    """What a back end can do. json_schema: it holds to a schema while it writes. context: tokens, None where it does not say.

    weights: SHA-256 of the file of weights, None where another process has it.
    """

    name: str
    version: str
    json_schema: bool
    logprobs: bool
    context: int | None
    weights: str | None


@dataclass(frozen=True)
class Completion:
    """What a model wrote. cut: it ran into `max_tokens`. asked: calls that it took, retries included."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    cut: bool = False
    asked: int = 1


@dataclass(frozen=True)
class Letters:
    """Log-probabilities of letters as the next token, over the whole vocabulary.

    floored: letters that the server did not list; their value is that of the least likely token it listed, an upper bound.
    """

    logprobs: Mapping[str, float]
    prompt_tokens: int
    completion_tokens: int
    floored: tuple[str, ...] = ()
    asked: int = 1


@dataclass(frozen=True)
class Sending:
    """What a call is for and what it carries, as the egress ledger will say; until when it may last (`time.monotonic` seconds)."""

    purpose: str
    deadline: float
    fields: Mapping[str, int] = field(default_factory=dict)
    redactions: Mapping[str, int] = field(default_factory=dict)


class Backend(Protocol):
    """A language model. All but `identity` and `is_remote` raise UnansweredError where there is no answer."""

    @property
    def identity(self) -> str:
        """What tells its answers from those of another model: part of the key of the cache."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether what is asked leaves this machine: allow-list and redaction apply."""
        ...

    def capabilities(self, sending: Sending) -> Capabilities: ...

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        grammar: str | None = None,
        max_tokens: int,
        temperature: float,
        seed: int,
        sending: Sending,
    ) -> Completion: ...

    def choose(self, messages: Sequence[Message], letters: Sequence[str], *, sending: Sending) -> Letters: ...

    def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        """Tokens of the prompt without a call, and whether that is exact."""
        ...


def token_estimate(messages: Sequence[Message]) -> int:
    """Four characters of Latin script a token, one of any other, and four tokens a message: an estimate where no tokenizer is at hand."""
    tokens = 0
    for message in messages:
        wide = sum(ord(character) > 0x2E7F for character in message["content"])
        tokens += 4 + wide + -(-(len(message["content"]) - wide) // 4)
    return tokens
