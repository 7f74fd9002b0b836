"""A language model whose preferences are known."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from footpath.llm.gateway.backends import Capabilities, Completion, Letters, Message, Sending, UnansweredError

_LINE = re.compile(r"^([A-T])\. <data>(.*)</data>$", re.MULTILINE)
_TOLD = re.compile(r"oldest first: <data>(.*)</data>")


@dataclass
class Planted:
    """weigh: of the history, a candidate and its slot, the log-probability of its letter. write: of the last message, the answer.

    fails_after: calls that are answered before the model goes away.
    """

    weigh: Callable[[list[str], str, int], float] = lambda history, title, slot: -1.0
    write: Callable[[str], str] = lambda prompt: "{}"
    fails_after: int = 1_000_000
    is_remote: bool = False
    identity: str = "planted"
    prompts: list[str] = field(default_factory=list)

    def capabilities(self, sending: Sending) -> Capabilities:
        return Capabilities("planted", "1", True, True, None, None)

    def choose(self, messages: Sequence[Message], letters: Sequence[str], *, sending: Sending) -> Letters:
        prompt = self._heard(messages)
        told = _TOLD.search(prompt)
        history = told[1].split("; ") if told else []
        found = {letter: self.weigh(history, title, slot) for slot, (letter, title) in enumerate(_LINE.findall(prompt))}
        assert set(found) == set(letters), "a line of the prompt for each letter, and no other"
        return Letters(found, 100, 1)

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
    ) -> Completion:
        return Completion(self.write(self._heard(messages)), 50, 10)

    def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        return sum(len(message["content"].split()) for message in messages), True

    def _heard(self, messages: Sequence[Message]) -> str:
        if len(self.prompts) >= self.fails_after:
            raise UnansweredError("the planted model has gone", asked=1)
        self.prompts.append(messages[-1]["content"])
        return messages[-1]["content"]
