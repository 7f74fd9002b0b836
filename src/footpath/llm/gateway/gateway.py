"""The one door to language models: embedded in this process, behind a URL, or none, and then everything falls back.

A model only proposes. What it writes is validated against a schema, repaired once, and otherwise dropped with the reason; nothing here
raises for what a model or its server did. Answers are kept by the hash of all that they depend on, tokens are counted against a budget,
and every call by HTTP is in the egress ledger before it leaves.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from footpath.errors import ConfigError, did_you_mean
from footpath.llm.gateway.answers import AnswerCache, question_hash
from footpath.llm.gateway.backends import Backend, Capabilities, Completion, Letters, Message, Sending, UnansweredError, token_estimate
from footpath.llm.gateway.egress import Redaction, check_names, not_allowed, redact
from footpath.llm.gateway.embedded import embedded_model
from footpath.llm.gateway.quoting import without_turns
from footpath.llm.gateway.remote import RemoteModel
from footpath.llm.gateway.server import Patience, Server

if TYPE_CHECKING:
    from pydantic import BaseModel

    M = TypeVar("M", bound=BaseModel)
else:
    M = TypeVar("M")

Cost = TypeVar("Cost", Completion, Letters)

Origin = Literal["model", "repaired", "cache", "fallback", "none"]
"""Who gave an answer: the model at once, or when told what was wrong; the cache; nobody (`why` says why); nobody, for no model is set."""

NO_MODEL: Final = "no language model is set"
_FEEDBACK_CHARACTERS: Final = 600


@dataclass(frozen=True)
class GatewaySettings:
    """Which model, what it may see and what it may cost.

    backend: none, embedded, the path of a GGUF file, or a URL such as `http://127.0.0.1:8080/v1`. model: its name at that URL.
    key_variable: the environment variable with the key. allow: fields that may go to another machine, as `egress.FIELDS` names them.
    token_budget: tokens of prompts and answers in all, None for no limit. cache: a directory, None for none. ledger: a file.
    """

    backend: str = "none"
    model: str = ""
    key_variable: str = "FOOTPATH_LLM_KEY"
    allow: tuple[str, ...] = ()
    token_budget: int | None = None
    cache: Path | None = field(default_factory=lambda: default_cache())
    cache_bytes: int = 64 << 20
    ledger: Path = field(default_factory=lambda: default_ledger())
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        check_names(self.allow)
        if self.token_budget is not None and self.token_budget < 0:
            raise ConfigError(f"the token budget must be 0 or more, got {self.token_budget}")


def settings_from_environment(
    backend: str | None = None, model: str | None = None, *, allow: Sequence[str] | None = None, token_budget: int | None = None
) -> GatewaySettings:
    """What was given, else what the environment says, else no model.

    FOOTPATH_LLM, FOOTPATH_LLM_MODEL, FOOTPATH_LLM_ALLOW (names with commas), FOOTPATH_LLM_BUDGET (tokens). Raises ConfigError.
    """
    named = os.environ.get("FOOTPATH_LLM_ALLOW", "")
    budget = os.environ.get("FOOTPATH_LLM_BUDGET", "").strip()
    if token_budget is None and budget:
        if not budget.isdecimal():
            raise ConfigError(f"FOOTPATH_LLM_BUDGET must be a whole number of tokens, got {budget!r}")
        token_budget = int(budget)
    return GatewaySettings(
        backend=(backend or os.environ.get("FOOTPATH_LLM") or "none").strip(),
        model=model or os.environ.get("FOOTPATH_LLM_MODEL") or "",
        allow=tuple(allow) if allow else tuple(name.strip() for name in named.split(",") if name.strip()),
        token_budget=token_budget,
    )


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/footpath/answers`: may be deleted at any time."""
    return _home("XDG_CACHE_HOME", ".cache") / "answers"


def default_ledger() -> Path:
    """`$XDG_STATE_HOME/footpath/egress.jsonl`: not in the cache, which people empty."""
    return _home("XDG_STATE_HOME", ".local/state") / "egress.jsonl"


@dataclass(frozen=True)
class Answer(Generic[M]):
    """A validated object, or None and why. calls: to the model, retries included; tokens, seconds: of all of them."""

    value: M | None
    origin: Origin
    why: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Choice:
    """Log-probabilities of letters as the next token, or None and why. floored: letters for which the value is an upper bound."""

    logprobs: Mapping[str, float] | None
    origin: Origin
    why: str = ""
    floored: tuple[str, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """What a call would take. prompt_tokens: exact where a tokenizer is at hand. most_tokens: with the longest answer and no repair."""

    prompt_tokens: int
    most_tokens: int
    exact: bool
    cached: bool
    within_budget: bool


@dataclass(frozen=True)
class Spent:
    """What a gateway has used. budget: None without a limit."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    from_cache: int
    fell_back: int
    budget: int | None

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class Gateway:
    """A language model with its guards; safe to use from several threads. Weights are loaded when first needed, once in a process.

    Raises ConfigError or MissingExtraError for settings that cannot work, and afterwards nothing for what a model does.
    backend: instead of the one that the settings name.
    """

    def __init__(self, settings: GatewaySettings | None = None, *, backend: Backend | None = None) -> None:
        self.settings = settings or GatewaySettings()
        self.backend = backend or _backend(self.settings)
        self.cache = None if self.settings.cache is None else AnswerCache(self.settings.cache, self.settings.cache_bytes)
        self._lock = threading.Lock()
        self._spent = Spent(0, 0, 0, 0, 0, self.settings.token_budget)
        self._reserved = 0

    @property
    def has_model(self) -> bool:
        return self.backend is not None

    @property
    def spent(self) -> Spent:
        return self._spent

    def capabilities(self) -> Capabilities | str:
        """What the model can do, or why that is not known. A URL is asked, which is a call; weights are loaded by none."""
        if self.backend is None:
            return NO_MODEL
        try:
            return self.backend.capabilities(self._sending("probe", {}))
        except UnansweredError as error:
            return error.why

    def ask(
        self,
        prompt: str | Sequence[Message],
        schema: type[M],
        *,
        purpose: str,
        fields: Mapping[str, Sequence[str]],
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Answer[M]:
        """An object of a pydantic schema, validated; one repair, in which the model is told what was wrong; else None and why.

        fields: what data the prompt holds, by the names of `egress.FIELDS`, with the values; nothing else of the log may be in the prompt.
        Texts of the log go in by `quoting.quoted`. A schema bounds its texts (`max_length`), or a small model writes until `max_tokens`.
        """
        check_names(fields)
        if self.backend is None:
            return Answer(None, "none", NO_MODEL)
        watch = _Watch()
        original, bound = _messages(prompt), schema_of(schema)
        redaction, why = self._fit_to_leave(original, fields, bound)
        if why:
            return self._nothing(why, watch)
        key = self._key("ask", redaction, {"max_tokens": max_tokens, "temperature": temperature, "seed": seed})
        kept = self.cache.get(key) if self.cache else None
        if kept is not None:
            value, _ = _validated(redaction.restored(str(kept.get("text"))), schema)
            if value is not None:
                self._count(from_cache=1)
                return Answer(value, "cache", seconds=watch.seconds, cpu_seconds=watch.cpu_seconds)
        sending = self._sending(purpose, fields, redaction)
        problem = ""
        for repair in (False, True):
            text = ""
            try:
                completion = self._completed(redaction, max_tokens, temperature, seed + repair, sending, watch)
                text = _printable(completion.text)
                value, problem = _validated(redaction.restored(text), schema)
                if value is not None:
                    if self.cache:
                        self.cache.put(key, {"text": text})
                    return Answer(value, "repaired" if repair else "model", **watch.figures())
                if completion.cut:
                    problem = f"the answer was cut at {max_tokens} tokens: {problem}"
            except UnansweredError as error:
                problem = error.why
                if not error.again:
                    return self._nothing(problem, watch)
            # hidden anew: what was wrong may name values that stay here
            redaction, _ = self._fit_to_leave([*original, *_repair(text, problem)], fields, bound)
            sending = replace(sending, redactions=dict(redaction.counts))
        return self._nothing(f"not usable, nor after one repair: {problem}", watch)

    def choose(
        self, prompt: str | Sequence[Message], letters: Sequence[str], *, purpose: str, fields: Mapping[str, Sequence[str]]
    ) -> Choice:
        """How likely each letter is as the very next token; not of each other: they need not sum to 1. fields: as in `ask`.

        Raises ConfigError for letters that are empty or twice there.
        """
        check_names(fields)
        if len(letters) < 2 or len(set(letters)) != len(letters) or any(not letter or letter != letter.strip() for letter in letters):
            raise ConfigError(f"letters must be two or more, all different and without blanks, got {list(letters)}")
        if self.backend is None:
            return Choice(None, "none", NO_MODEL)
        watch = _Watch()
        redaction, why = self._fit_to_leave(_messages(prompt), fields)
        if why:
            return self._no_choice(why, watch)
        key = self._key("choose", redaction, {"letters": list(letters)})
        kept = self.cache.get(key) if self.cache else None
        if kept is not None and isinstance(kept.get("logprobs"), dict) and set(letters) <= set(kept["logprobs"]):
            self._count(from_cache=1)
            found = {letter: float(kept["logprobs"][letter]) for letter in letters}
            return Choice(found, "cache", "", tuple(kept.get("floored", ())), seconds=watch.seconds, cpu_seconds=watch.cpu_seconds)
        sending = self._sending(purpose, fields, redaction)
        model = self.backend
        try:
            needed = self._needed(redaction, 1)
            weighed = self._paid(needed, watch, lambda: model.choose(redaction.messages, letters, sending=sending))
        except UnansweredError as error:
            return self._no_choice(error.why, watch)
        if self.cache:
            self.cache.put(key, {"logprobs": dict(weighed.logprobs), "floored": list(weighed.floored)})
        return Choice(weighed.logprobs, "model", "", weighed.floored, **watch.figures())

    def estimate(
        self,
        prompt: str | Sequence[Message],
        schema: type[BaseModel] | None = None,
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
        fields: Mapping[str, Sequence[str]] | None = None,
    ) -> Estimate:
        """What `ask` (with a schema) or `choose` (without one) would take, without asking. Nothing leaves; an embedded model is loaded."""
        messages, written = _messages(prompt), max_tokens if schema is not None else 1
        if self.backend is None:
            tokens = token_estimate(messages)
            return Estimate(tokens, tokens + written, False, False, True)
        redaction, _ = self._fit_to_leave(messages, fields or {}, None if schema is None else schema_of(schema))
        cached = False
        if schema is not None and self.cache:
            parameters = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
            cached = self.cache.get(self._key("ask", redaction, parameters)) is not None
        tokens, exact = self._tokens(redaction)
        budget = self._spent.budget
        within = cached or budget is None or self._spent.tokens + self._reserved + tokens + written <= budget
        return Estimate(tokens, tokens + written, exact, cached, within)

    def _fit_to_leave(
        self, messages: Sequence[Message], fields: Mapping[str, Sequence[str]], schema: Mapping[str, Any] | None = None
    ) -> tuple[Redaction, str]:
        """Messages and schema as the back end may see them, or why it may not."""
        if self.backend is None or not self.backend.is_remote:
            return Redaction(tuple(messages), {}, {}, schema), ""
        refused = not_allowed(fields, self.settings.allow)
        if refused:
            allowed = ", ".join(self.settings.allow) or "nothing"
            return Redaction((), {}, {}), f"{', '.join(refused)} may not leave this machine (allowed: {allowed}), so nothing was sent"
        return redact(messages, fields, schema), ""

    def _sending(self, purpose: str, fields: Mapping[str, Sequence[str]], redaction: Redaction | None = None) -> Sending:
        deadline = time.monotonic() + self.settings.patience.total_seconds
        hidden = {} if redaction is None else dict(redaction.counts)
        return Sending(purpose, deadline, {name: len(values) for name, values in fields.items()}, hidden)

    def _completed(
        self, redaction: Redaction, max_tokens: int, temperature: float, seed: int, sending: Sending, watch: _Watch
    ) -> Completion:
        """One attempt; where the back end cannot bind a model to a schema, that stands in the prompt. Raises UnansweredError."""
        model, schema, messages = self.backend, redaction.schema, list(redaction.messages)
        if model is None:
            raise UnansweredError(NO_MODEL)
        try:
            binds = model.capabilities(sending).json_schema
        except UnansweredError as error:
            self._settle(0, error.asked, 0, 0)
            watch.add(error.asked)
            raise
        if not binds:
            told = f"Answer with one JSON object of this JSON schema, and nothing else:\n{json.dumps(schema, ensure_ascii=False)}"
            messages[-1] = {**messages[-1], "content": f"{messages[-1]['content']}\n\n{told}"}
        return self._paid(
            self._needed(redaction, max_tokens),
            watch,
            lambda: model.complete(messages, schema=schema, max_tokens=max_tokens, temperature=temperature, seed=seed, sending=sending),
        )

    def _key(self, kind: str, redaction: Redaction, parameters: Mapping[str, Any]) -> str:
        identity = "" if self.backend is None else self.backend.identity
        return question_hash(
            {"kind": kind, "model": identity, "prompt": [dict(m) for m in redaction.messages], "schema": redaction.schema, **parameters}
        )

    def _tokens(self, redaction: Redaction) -> tuple[int, bool]:
        """Tokens of a prompt; those of the schema too where a server may put it into the prompt."""
        if self.backend is not None:
            try:
                tokens, exact = self.backend.count_tokens(redaction.messages)
            except OSError:
                tokens, exact = token_estimate(redaction.messages), False
        else:
            tokens, exact = token_estimate(redaction.messages), False
        if not exact and redaction.schema is not None:
            tokens += token_estimate([{"content": json.dumps(redaction.schema, ensure_ascii=False)}])
        return tokens, exact

    def _needed(self, redaction: Redaction, max_tokens: int) -> int:
        return 0 if self._spent.budget is None else self._tokens(redaction)[0] + max_tokens

    def _paid(self, needed: int, watch: _Watch, call: Callable[[], Cost]) -> Cost:
        """Make a call for which tokens are set aside until it is known what it took. Raises UnansweredError where they are not there."""
        with self._lock:
            spent = self._spent
            if spent.budget is not None and spent.tokens + self._reserved + needed > spent.budget:
                raise UnansweredError(f"the token budget of {spent.budget:,} does not last for this call: {spent.tokens:,} are spent")
            self._reserved += needed
        cost = (0, 0, 0)
        try:
            done = call()
            cost = (done.asked, done.prompt_tokens, done.completion_tokens)
            return done
        except UnansweredError as error:
            cost = (error.asked, 0, 0)
            raise
        finally:
            watch.add(*cost)
            self._settle(needed, *cost)

    def _settle(self, reserved: int, calls: int, prompt_tokens: int, completion_tokens: int) -> None:
        """What a call took, in place of what was set aside for it."""
        with self._lock:
            self._reserved -= reserved
            self._spent = replace(
                self._spent,
                calls=self._spent.calls + calls,
                prompt_tokens=self._spent.prompt_tokens + prompt_tokens,
                completion_tokens=self._spent.completion_tokens + completion_tokens,
            )

    def _count(self, *, from_cache: int = 0, fell_back: int = 0) -> None:
        with self._lock:
            before = self._spent
            self._spent = replace(before, from_cache=before.from_cache + from_cache, fell_back=before.fell_back + fell_back)

    def _nothing(self, why: str, watch: _Watch) -> Answer[Any]:
        self._count(fell_back=1)
        return Answer(None, "fallback", why, **watch.figures())

    def _no_choice(self, why: str, watch: _Watch) -> Choice:
        self._count(fell_back=1)
        return Choice(None, "fallback", why, **watch.figures())


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a pydantic model as back ends bind it: every property required, no other allowed, no titles."""
    return _bound_schema(model.model_json_schema())


def _bound_schema(node: Any) -> Any:
    if isinstance(node, list):
        return [_bound_schema(child) for child in node]
    if not isinstance(node, dict):
        return node
    bound = {
        name: {key: _bound_schema(child) for key, child in value.items()} if name in ("properties", "$defs") else _bound_schema(value)
        for name, value in node.items()
        if not (name == "title" and isinstance(value, str)) and name != "default"
    }
    if "properties" in bound:
        bound |= {"required": list(bound["properties"]), "additionalProperties": False}
    return bound


class _Watch:
    """What one question has cost so far. CPU-seconds are of the whole process: the embedded model computes in a thread of its own."""

    def __init__(self) -> None:
        self.calls = self.prompt_tokens = self.completion_tokens = 0
        self._started, self._cpu_started = time.monotonic(), time.process_time()

    def add(self, calls: int, prompt_tokens: int = 0, completion_tokens: int = 0) -> None:
        self.calls += calls
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def cpu_seconds(self) -> float:
        return time.process_time() - self._cpu_started

    def figures(self) -> dict[str, Any]:
        tokens = {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}
        return {"calls": self.calls, **tokens, "seconds": self.seconds, "cpu_seconds": self.cpu_seconds}


def _backend(settings: GatewaySettings) -> Backend | None:
    name = settings.backend
    if name in ("", "none"):
        return None
    if name == "embedded":
        return embedded_model()
    if "://" in name:
        return RemoteModel(Server(name, settings.ledger, settings.key_variable, settings.patience), settings.model)
    if name.endswith(".gguf"):
        return embedded_model(name)
    raise ConfigError(
        f"no language model {name!r}{did_you_mean(name, ('none', 'embedded'))}; it is none, embedded, the path of a GGUF file, or a URL "
        "such as http://127.0.0.1:8080/v1"
    )


def _home(variable: str, otherwise: str) -> Path:
    named = Path(os.environ.get(variable, ""))
    return (named if named.is_absolute() else Path.home() / otherwise) / "footpath"


def _messages(prompt: str | Sequence[Message]) -> list[Message]:
    """The prompt as messages in which no token of a chat format can be spelled. Raises ConfigError for what is no prompt."""
    messages: Sequence[Message] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    if not messages or any(message.get("role") not in ("system", "user", "assistant") or "content" not in message for message in messages):
        raise ConfigError("a prompt is a text, or messages with a role (system, user, assistant) and a content")
    return [{"role": message["role"], "content": _printable(without_turns(message["content"]))} for message in messages]


def _printable(text: str) -> str:
    """Without lone surrogates, which JSON can hold and no file or terminal can."""
    return text.encode("utf-8", errors="replace").decode()


def _validated(text: str, schema: type[M]) -> tuple[M | None, str]:
    """The first JSON object in a text as the schema wants it, or None and what is wrong with it, fit to be told to the model."""
    from pydantic import ValidationError

    start = text.find("{")
    if start < 0:
        return None, "it holds no JSON object"
    try:
        found, _ = json.JSONDecoder(parse_constant=_no_constant).raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        return None, f"its JSON cannot be read: {str(error)[:120] or type(error).__name__}"
    try:
        return schema.model_validate(found), ""
    except (ValidationError, RecursionError) as error:
        if isinstance(error, RecursionError):
            return None, "its JSON is nested too deep"
        found_wrong = error.errors(include_url=False, include_input=False)[:5]
        said = "; ".join(f"{'.'.join(map(str, wrong['loc'])) or 'the object'}: {wrong['msg']}" for wrong in found_wrong)
        return None, said[:_FEEDBACK_CHARACTERS]


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _repair(text: str, problem: str) -> list[Message]:
    told = f"That answer cannot be used: {problem}. Answer again with one JSON object of the schema, and nothing else."
    before = without_turns(text[:_FEEDBACK_CHARACTERS])
    return [*([{"role": "assistant", "content": before}] if before.strip() else []), {"role": "user", "content": without_turns(told)}]
