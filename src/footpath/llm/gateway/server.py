"""A server that speaks OpenAI's API over HTTP, on this machine or another: how it is asked, how long, and what the ledger says of it.

Requests go by `httpx2` and not by the client of the package `openai`: that one reads the whole body of a refusal however long it is,
sends the versions of this machine along, and takes an organisation from the environment.
"""

from __future__ import annotations

import contextlib
import email.utils
import functools
import importlib.util
import json
import math
import os
import random
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from footpath.errors import ConfigError, MissingExtraError
from footpath.llm.gateway.backends import Sending, UnansweredError
from footpath.llm.gateway.egress import Ledger, is_loopback

_AGAIN: Final = {408, 425, 429, 500, 502, 503, 504, 529}
_REFUSED_REQUEST: Final = {400, 404, 415, 422, 501}
_DOWN_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Patience:
    """How long and how often a server is asked. total_seconds: for an answer with all retries and the repair.

    back_off_seconds: before the second attempt, doubled for each further one, times a random 0.5 to 1; a `Retry-After` goes before it.
    read_seconds: between two pieces of an answer. concurrency: calls at a time.
    """

    attempts: int = 3
    connect_seconds: float = 5.0
    read_seconds: float = 30.0
    total_seconds: float = 60.0
    back_off_seconds: float = 0.5
    answer_bytes: int = 2_000_000
    concurrency: int = 4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 1 if name in ("attempts", "answer_bytes", "concurrency") else 0
            if not (math.isfinite(value) and value >= least):
                raise ConfigError(f"{name} must be at least {least}, got {value}")


@dataclass
class Server:
    """A base URL such as `http://127.0.0.1:8080/v1`. key_variable: the environment variable that holds the key, sent where it is set.

    Raises ConfigError for a URL that cannot be used, MissingExtraError.
    """

    url: str
    ledger: Path
    key_variable: str = "FOOTPATH_LLM_KEY"
    patience: Patience = field(default_factory=Patience)
    _down_until: float = field(default=0.0, init=False, repr=False)
    _slots: threading.BoundedSemaphore = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.url = checked_url(self.url, has_key=bool(os.environ.get(self.key_variable)), key_variable=self.key_variable)
        if importlib.util.find_spec("httpx2") is None:
            raise MissingExtraError("a model behind a URL needs httpx2, which is not installed; run: pip install 'footpath[llm]'")
        self._slots = threading.BoundedSemaphore(self.patience.concurrency)

    @property
    def is_remote(self) -> bool:
        """Whether what is sent leaves this machine."""
        return not is_loopback(self.url)

    @property
    def host(self) -> str:
        """Host and port, as the ledger has them."""
        return urlsplit(self.url).netloc

    def post(self, route: str, body: Mapping[str, Any], sending: Sending) -> tuple[Any, int]:
        """The parsed JSON of the answer, and the attempts it took. What leaves is the caller's to allow and to redact (`egress`).

        body: with the name of the `model`. Raises UnansweredError; RefusedRequestError where the server does not take such a request.
        """
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", errors="replace")
        if time.monotonic() < self._down_until:
            again = f"it is asked again {_DOWN_SECONDS:g} s after that"
            raise UnansweredError(f"{self.host} could not be reached a moment ago; {again}")
        with self._slots:
            wait = self.patience.back_off_seconds
            for attempt in range(1, self.patience.attempts + 1):
                try:
                    return self._once(route, str(body.get("model", "")), content, sending), attempt
                except _FailedError as failed:
                    pause = wait * random.uniform(0.5, 1.0) if failed.retry_after is None else failed.retry_after
                    wait *= 2
                    out_of_time = time.monotonic() + pause >= sending.deadline
                    if failed.final or attempt == self.patience.attempts or out_of_time:
                        raise self._given_up(failed, attempt, out_of_time) from failed
                    time.sleep(pause)
        raise UnansweredError(f"{self.host} was not asked")  # attempts is at least 1

    def _given_up(self, failed: _FailedError, attempts: int, out_of_time: bool) -> UnansweredError:
        if failed.unreachable:
            self._down_until = time.monotonic() + _DOWN_SECONDS
        too_long = failed.retry_after is not None and out_of_time
        waits = f"; it asks to wait {failed.retry_after:g} s, which is too long" if too_long else ""
        said = f"{failed.why}{waits} (asked {'once' if attempts == 1 else f'{attempts} times'})"
        kind = RefusedRequestError if failed.refused_request else UnansweredError
        return kind(said, asked=attempts, again=failed.again)

    def _once(self, route: str, model: str, content: bytes, sending: Sending) -> Any:
        """One request. The ledger's line is on the disk before it leaves, or it does not leave."""
        import httpx2

        left = sending.deadline - time.monotonic()
        if left <= 0:
            raise _FailedError(f"{self.host} was out of time", final=True)
        key = os.environ.get(self.key_variable, "").strip()
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # a bomb stays as small as it was sent
            "User-Agent": "footpath",
        }
        if key:
            headers["Authorization"] = f"Bearer {key}"
        patience = self.patience
        timeout = httpx2.Timeout(min(patience.read_seconds, left), connect=min(patience.connect_seconds, left))
        try:
            call = Ledger(self.ledger).sent(
                host=self.host,
                loopback=not self.is_remote,
                purpose=sending.purpose,
                model=model,
                fields=sending.fields,
                redactions=sending.redactions,
                body=content,
            )
        except OSError as error:
            why = f"the egress ledger {self.ledger} cannot be written ({error.strerror or error}), so nothing left"
            raise _FailedError(why, final=True) from None
        started, cut, raw = time.monotonic(), _Cut(left), bytearray()
        status, tokens = "failed", (0, 0)
        try:
            # redirects would lead past the allow-list; proxies of the environment are for other machines only
            with (
                cut,
                httpx2.Client(verify=_trust(), timeout=timeout, follow_redirects=False, trust_env=self.is_remote) as client,
                client.stream("POST", f"{self.url}{route}", content=content, headers=headers, extensions={"trace": cut.trace}) as response,
            ):
                status = str(response.status_code)
                self._fill(raw, response, sending.deadline)
                answer = self._read(response, _without_key(bytes(raw), key))
                tokens = usage_of(answer)
                return answer
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            status, failed = self._reason(error, cut)
            raise failed from None  # the error carries the request, and its headers the key
        finally:
            Ledger(self.ledger).done(
                call, status, bytes_in=len(raw), prompt_tokens=tokens[0], completion_tokens=tokens[1], seconds=time.monotonic() - started
            )

    def _reason(self, error: Exception, cut: _Cut) -> tuple[str, _FailedError]:
        """The status for the ledger, and what is said."""
        import httpx2

        if cut.has_come:
            return "timeout", _FailedError(f"the answer of {self.host} did not end in time and was cut", final=True)
        if isinstance(error, httpx2.ConnectError):
            why = ": its certificate is not trusted here" if "CERTIFICATE_VERIFY" in str(error) else ""
            return "unreachable", _FailedError(f"{self.host} cannot be reached{why}", unreachable=True)
        kind = type(error).__name__
        if isinstance(error, httpx2.TimeoutException):
            unreachable = isinstance(error, httpx2.ConnectTimeout)
            return "timeout", _FailedError(f"{self.host} did not answer in time ({kind})", unreachable=unreachable)
        return "broken", _FailedError(f"the connection to {self.host} broke ({kind})")

    def _fill(self, raw: bytearray, response: Any, deadline: float) -> None:
        for piece in response.iter_bytes():
            raw += piece
            if len(raw) > self.patience.answer_bytes:
                raise _FailedError(f"the answer of {self.host} is longer than {self.patience.answer_bytes:,} bytes and was cut", final=True)
            if time.monotonic() > deadline:
                raise _FailedError(f"the answer of {self.host} did not end in time and was cut", final=True)

    def _read(self, response: Any, raw: bytes) -> Any:
        code = response.status_code
        if code in _AGAIN:
            raise _FailedError(f"{self.host} answered {code}", retry_after=_retry_after(response.headers.get("retry-after")))
        if code in (401, 403):
            raise _FailedError(f"{self.host} answered {code}: it wants another key than the one in {self.key_variable}", final=True)
        if code in _REFUSED_REQUEST:
            raise _FailedError(f"{self.host} refused the request ({code})", final=True, refused_request=True)
        if not 200 <= code < 300:
            raise _FailedError(f"{self.host} answered {code}", final=True)
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError):
            kind = response.headers.get("content-type", "nothing").partition(";")[0][:40]
            raise _FailedError(f"{self.host} answered no whole JSON ({len(raw):,} bytes of {kind})", final=True, again=True) from None
        return answer


class RefusedRequestError(UnansweredError):
    """The server does not take a request of this form."""


def checked_url(url: str, *, has_key: bool, key_variable: str) -> str:
    """A base URL without its last slash. Raises ConfigError; a key in the URL is refused without repeating it."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"the URL of the language model cannot be read: {error}") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(f"the URL of the language model at {host} holds more than host and path: put its key into {key_variable}")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"{parts.scheme}:// is no web address of a language model; give http://HOST:PORT/v1 or https://HOST/v1")
    if parts.scheme == "http" and has_key and not is_loopback(url):
        raise ConfigError(f"the key in {key_variable} would go to {host} in the clear: use https, or unset {key_variable}")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def usage_of(answer: Any) -> tuple[int, int]:
    """Tokens of the prompt and of the answer, 0 where the server does not say."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    counts = [usage.get(name) if isinstance(usage, dict) else None for name in ("prompt_tokens", "completion_tokens")]
    prompt, completion = (count if isinstance(count, int) and 0 <= count < 1 << 40 else 0 for count in counts)
    return prompt, completion


class _FailedError(Exception):
    """One request that gave no answer. final: asking the same again would not help; again: but asking otherwise may."""

    def __init__(
        self,
        why: str,
        *,
        final: bool = False,
        again: bool = False,
        retry_after: float | None = None,
        unreachable: bool = False,
        refused_request: bool = False,
    ) -> None:
        super().__init__(why)
        self.why = why
        self.final = final
        self.again = again
        self.retry_after = retry_after
        self.unreachable = unreachable
        self.refused_request = refused_request


class _Cut:
    """Shuts a connection down at the deadline, however slowly the server goes on: also between headers, where no body can be measured."""

    def __init__(self, seconds: float) -> None:
        self.has_come = False
        self._stream: Any = None
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, event: str, told: Mapping[str, Any]) -> None:
        """httpcore's hook: the stream of the connection, once there is one and again once it is encrypted."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = told["return_value"]

    def _shut(self) -> None:
        self.has_come = True
        opened = None if self._stream is None else self._stream.get_extra_info("socket")
        if opened is not None:
            with contextlib.suppress(OSError):  # it has just ended by itself
                socket.socket.shutdown(opened, socket.SHUT_RDWR)  # not that of an encrypted socket, which takes its cipher away


def _retry_after(header: str | None) -> float | None:
    """Seconds to wait, from a number or a date; None where there is neither."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _without_key(raw: bytes, key: str) -> bytes:
    """A server may repeat the key, and answers are kept; what is shorter than eight characters is no secret, and may be in any word."""
    return raw.replace(key.encode(), b"***") if len(key) >= 8 else raw


@functools.cache
def _trust() -> Any:
    import httpx2

    return httpx2.create_ssl_context()
