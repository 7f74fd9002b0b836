"""A language model behind a URL: what it can do is found by asking, and how it answers is read with suspicion."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from footpath.errors import ConfigError
from footpath.llm.gateway.backends import Capabilities, Completion, Letters, Message, Sending, UnansweredError, token_estimate
from footpath.llm.gateway.embedded import letter_logprobs
from footpath.llm.gateway.server import RefusedRequestError, Server, usage_of

_LISTED: Final = 200
"""Log-probabilities of a token that are asked for, and 20 where a server refuses so many, as OpenAI's does."""
_PROBE_SCHEMA: Final = {
    "type": "object",
    "properties": {"word": {"type": "string", "enum": ["footpath"]}},
    "required": ["word"],
    "additionalProperties": False,
}


@dataclass
class RemoteModel:
    """A model by its name at a server."""

    server: Server
    model: str
    _probed: Capabilities | None = field(default=None, init=False, repr=False)
    _listed: int = field(default=_LISTED, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError(f"{self.server.host} needs the name of a model: give --llm-model NAME or set FOOTPATH_LLM_MODEL")

    @property
    def identity(self) -> str:
        return f"{self.server.url} {self.model}"

    @property
    def is_remote(self) -> bool:
        return self.server.is_remote

    def capabilities(self, sending: Sending) -> Capabilities:
        """Found by asking: does a schema bind a model that was told to say something else, and do log-probabilities come with it?

        One call, or two or three where the server refuses to be asked so; once for each object.
        """
        with self._lock:
            if self._probed is None:
                self._probed = self._probe(replace(sending, purpose="probe", fields={}, redactions={}))
            return self._probed

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
        body = self._body(messages, max_tokens, temperature, seed)
        binds = schema is not None and self.capabilities(sending).json_schema
        if binds:
            body |= _bound(schema)
        elif grammar is not None:
            body["grammar"] = grammar  # of llama.cpp's server; others ignore it, and the answer is checked all the same
        try:
            answer, asked = self._asked(body, sending)
        except RefusedRequestError as refused:
            if not binds:
                raise
            with self._lock:  # it binds the schema of the probe and not this one: from now on schemas are asked for in words
                if self._probed is not None:
                    self._probed = replace(self._probed, json_schema=False)
            raise UnansweredError(refused.why, asked=refused.asked, again=True) from refused
        text, cut, prompt_tokens, completion_tokens = _completion(answer, asked)
        return Completion(text, prompt_tokens, completion_tokens, cut, asked)

    def choose(self, messages: Sequence[Message], letters: Sequence[str], *, sending: Sending) -> Letters:
        if not self.capabilities(sending).logprobs:
            raise UnansweredError(f"{self.server.host} gives no log-probabilities for {self.model}")
        body = self._body(messages, 1, 0.0, 0) | {"logprobs": True}
        try:
            answer, asked = self._asked(body | {"top_logprobs": self._listed}, sending)
        except RefusedRequestError:
            if self._listed <= 20:
                raise
            self._listed = 20
            answer, asked = self._asked(body | {"top_logprobs": self._listed}, sending)
            asked += 1
        top = _top_logprobs(answer)
        if not top:
            raise UnansweredError(f"{self.server.host} gave no log-probabilities this time", asked=asked, again=True)
        found, floored = letter_logprobs(top, letters)
        if len(floored) == len(letters):
            raise UnansweredError(f"none of the letters is among the {len(top)} likeliest tokens of {self.server.host}", asked=asked)
        usage = usage_of(answer)
        return Letters(found, *usage, floored, asked)

    def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        return token_estimate(messages), False

    def _body(self, messages: Sequence[Message], max_tokens: int, temperature: float, seed: int) -> dict[str, Any]:
        plain = [dict(message) for message in messages]
        return {"model": self.model, "messages": plain, "max_tokens": max_tokens, "temperature": temperature, "seed": seed}

    def _probe(self, sending: Sending) -> Capabilities:
        say_hello = self._body([{"role": "user", "content": "Say hello."}], 64, 0.0, 0)
        logprobs = {"logprobs": True, "top_logprobs": 5}
        bound = _bound(_PROBE_SCHEMA)
        answer: Any = {}
        for extras in (bound | logprobs, bound, logprobs, {}):
            try:
                answer, _ = self._asked(say_hello | extras, sending)
                break
            except RefusedRequestError:
                if not extras:
                    raise
        text = ""
        if "response_format" in extras:
            try:
                text = _completion(answer, 1)[0]
            except UnansweredError:
                text = ""
        try:
            binds = json.loads(text) == {"word": "footpath"}
        except (ValueError, RecursionError):
            binds = False
        version = str(answer.get("system_fingerprint") or "") if isinstance(answer, dict) else ""
        return Capabilities(self.model, version, binds, bool(_top_logprobs(answer)), None, None)

    def _asked(self, body: Mapping[str, Any], sending: Sending) -> tuple[Any, int]:
        return self.server.post("/chat/completions", body, sending)


def _bound(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}}


def _completion(answer: Any, asked: int) -> tuple[str, bool, int, int]:
    """Text, whether it was cut, and tokens; raises UnansweredError for JSON that is no chat completion."""
    try:
        choice = answer["choices"][0]
        text, reason = choice["message"]["content"], choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise UnansweredError("the server's JSON is no chat completion", asked=asked, again=True) from None
    if not isinstance(text, str):
        raise UnansweredError("the server's completion holds no text", asked=asked, again=True)
    return text, reason == "length", *usage_of(answer)


def _top_logprobs(answer: Any) -> list[tuple[str, float]]:
    try:
        listed = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        return [(str(token["token"]), float(token["logprob"])) for token in listed]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return []
