"""What leaves the machine: which fields may, what is hidden before it goes, and the ledger of all that went.

Nothing goes anywhere unless a URL was set. To another machine only fields of the allow-list go, and user ids, search queries, e-mail
addresses and phone numbers never do: placeholders stand for them. Calls to this machine's own loopback address are free of both rules,
and are in the ledger all the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pyarrow as pa

from footpath.errors import ConfigError, DataError, did_you_mean
from footpath.llm.gateway.backends import Message

FIELDS: Final = (
    "item.title", "item.category", "item.text", "item.brand", "item.price", "item.id", "event.type", "event.time", "event.value",
    "event.query", "user.id", "counts", "claims", "question",
)  # fmt: skip
"""The usual names of what a prompt holds; any other column is `item.COLUMN`, `event.COLUMN` or `user.COLUMN`."""
HIDDEN: Final = {"user.id": "user", "event.query": "query"}
"""Fields whose values never go to another machine, allowed or not, and the placeholders that go instead."""

_TOLD: Final = {"enum", "const", "description", "examples", "pattern"}
_FORM: Final = re.compile(r"(?:item|event|user)\.[a-z][a-z0-9_]*|counts|claims|question")
_EMAIL: Final = r"[^\s@<>\"'(),;:\u3000-\u9fff\uff00-\uffef]+@[^\s@<>\"'(),;:\u3000-\u9fff\uff00-\uffef]+\.[A-Za-z\u00c0-\u024f-]{2,}"
_PHONE: Final = (
    r"(?<![\w.,])(?:"
    r"\+\d[\d ().-]{6,18}\d"  # international
    r"|\(?0\d{1,4}\)?[ .-]\d{3,4}[ .-]?\d{3,4}"  # national, with an area code
    r"|\(\d{3}\)[ .-]?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}"
    r"|1[3-9]\d[ -]?\d{4}[ -]?\d{4}|\d{10,12}"
    r")(?![\w]|[.,]\d)"
)
_TEXT: Final = re.compile(f"(?P<email>{_EMAIL})|(?P<phone>{_PHONE})", re.ASCII)


@dataclass(frozen=True)
class Redaction:
    """Messages and a schema fit to leave, how many values of each kind were hidden, and what stands behind each placeholder."""

    messages: tuple[Message, ...]
    counts: Mapping[str, int]
    originals: Mapping[str, str]
    schema: Mapping[str, Any] | None = None

    def restored(self, text: str) -> str:
        """An answer, a JSON text, with the placeholders replaced by what they stand for."""
        for placeholder, original in self.originals.items():
            text = text.replace(placeholder, json.dumps(original, ensure_ascii=False)[1:-1])
        return text


def check_names(names: Iterable[str]) -> None:
    """Raises ConfigError for a name that no field can have."""
    for name in names:
        if not _FORM.fullmatch(name):
            raise ConfigError(
                f"no field {name!r}{did_you_mean(name, FIELDS)}; a field is {', '.join(FIELDS)}, or item., event. or user. and a column"
            )


def not_allowed(fields: Iterable[str], allow: Sequence[str]) -> list[str]:
    """The fields that may not go to another machine; those that go as placeholders only need no leave."""
    return sorted(set(fields) - set(allow) - set(HIDDEN))


def redact(messages: Sequence[Message], fields: Mapping[str, Sequence[str]], schema: Mapping[str, Any] | None = None) -> Redaction:
    """Replace the values of `HIDDEN` fields, e-mail addresses and phone numbers by `<user-1>`, `<query-1>`, `<email-1>`, `<phone-1>`.

    Values are found as whole words in any case, the longest first; equal values have equal placeholders. An id that is also a common
    word or a number is hidden wherever it stands. schema: a JSON schema; its values and descriptions are searched too, for it leaves with
    the prompt.
    """
    kinds = {value.casefold(): kind for name, kind in HIDDEN.items() for value in fields.get(name, ()) if value.strip()}
    known = re.compile("|".join(_whole(value) for value in sorted(kinds, key=lambda value: (-len(value), value))), re.IGNORECASE)
    placeholders: dict[tuple[str, str], str] = {}
    numbers: dict[str, int] = {}
    originals: dict[str, str] = {}

    def placeholder(kind: str, value: str) -> str:
        if (kind, value.casefold()) not in placeholders:
            numbers[kind] = numbers.get(kind, 0) + 1
            placeholders[kind, value.casefold()] = f"<{kind}-{numbers[kind]}>"
            originals[f"<{kind}-{numbers[kind]}>"] = value
        return placeholders[kind, value.casefold()]

    def hide(text: str) -> str:
        parts = []  # what is hidden by name is not searched for addresses again
        end = 0
        for match in known.finditer(text) if kinds else ():
            parts += [of_form(text[end : match.start()]), placeholder(kinds.get(match[0].casefold(), "hidden"), match[0])]
            end = match.end()
        return "".join([*parts, of_form(text[end:])])

    def of_form(text: str) -> str:
        return _TEXT.sub(lambda match: placeholder(match.lastgroup or "", match[0]), text)

    hidden = tuple({**message, "content": hide(message["content"])} for message in messages)
    return Redaction(hidden, numbers, originals, None if schema is None else _hidden_in_schema(schema, hide))


def _hidden_in_schema(node: Any, hide: Callable[[str], str], told: bool = False) -> Any:
    """told: inside of what may hold data, and is no word of the schema language."""
    if isinstance(node, str):
        return hide(node) if told else node
    if isinstance(node, list):
        return [_hidden_in_schema(child, hide, told) for child in node]
    if isinstance(node, dict):
        return {name: _hidden_in_schema(child, hide, told or name in _TOLD) for name, child in node.items()}
    return node


def _whole(value: str) -> str:
    left = r"(?<![A-Za-z0-9_])" if re.match(r"[A-Za-z0-9_]", value) else ""
    right = r"(?![A-Za-z0-9_])" if re.search(r"[A-Za-z0-9_]$", value) else ""
    return left + re.escape(value) + right


def is_loopback(url: str) -> bool:
    """Whether a URL can only lead to this machine: localhost, 127.0.0.0/8 or ::1."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


LEDGER_SCHEMA: Final = pa.schema(
    {
        "id": pa.string(), "time": pa.string(), "host": pa.string(), "loopback": pa.bool_(), "purpose": pa.string(), "model": pa.string(),
        "fields": pa.string(), "values": pa.int64(), "redactions": pa.string(), "bytes_out": pa.int64(), "body_sha256": pa.string(),
        "status": pa.string(), "bytes_in": pa.int64(), "prompt_tokens": pa.int64(), "completion_tokens": pa.int64(),
        "seconds": pa.float64(),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Ledger:
    """A file of JSON lines to which each HTTP call adds one before it leaves and one after: never a key, never a text, only its hash."""

    path: Path

    def sent(
        self,
        *,
        host: str,
        loopback: bool,
        purpose: str,
        model: str,
        fields: Mapping[str, int],
        redactions: Mapping[str, int],
        body: bytes,
    ) -> str:
        """The line before; it is on the disk when this returns the id of the call. Raises OSError, and then nothing may leave."""
        call = secrets.token_hex(8)
        self._add(
            {
                "id": call,
                "state": "sent",
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "host": host,
                "loopback": loopback,
                "purpose": purpose,
                "model": model,
                "fields": dict(fields),
                "redactions": dict(redactions),
                "bytes_out": len(body),
                "body_sha256": hashlib.sha256(body).hexdigest(),
            }
        )
        return call

    def done(self, call: str, status: str, *, bytes_in: int, prompt_tokens: int, completion_tokens: int, seconds: float) -> None:
        """The line after. What has left cannot be called back: a disk that is full by now is no reason to lose the answer."""
        counts = {"bytes_in": bytes_in, "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
        with contextlib.suppress(OSError):
            self._add({"id": call, "state": "done", "status": status, **counts, "seconds": round(seconds, 3)})

    def _add(self, line: Mapping[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"  # by a kill or a full disk
            content = (b"\n" if torn else b"") + json.dumps(line).encode() + b"\n"
            if os.write(handle, content) != len(content):
                raise OSError(f"{self.path}: the line was written in part; is the disk full?")
            os.fsync(handle)
        finally:
            os.close(handle)


def read_ledger(path: Path | str) -> tuple[pa.Table, int]:
    """The calls of a ledger, one row each in order of leaving, and how many lines cannot be read.

    fields, redactions: as `name × count`, the names in order. values: of all fields. status: `unfinished` where the line after is
    missing, as after a kill: the call may have left. An absent file is an empty table. Raises DataError for a file that cannot be read.
    """
    calls: dict[str, dict[str, Any]] = {}
    damaged = 0
    for line in _lines(Path(path)):
        try:
            entry = json.loads(line)
            call, state = str(entry["id"]), entry["state"]
            if state == "sent":
                fields, redactions = dict(entry.pop("fields")), dict(entry.pop("redactions"))
                entry |= {"fields": _counted(fields), "values": sum(fields.values()), "redactions": _counted(redactions)}
                row = {name: entry.get(name) for name in LEDGER_SCHEMA.names} | {"status": "unfinished"}
                pa.Table.from_pylist([row], LEDGER_SCHEMA)  # of the right kinds
                calls[call] = row
            elif call in calls:
                update = {name: entry[name] for name in ("status", "bytes_in", "prompt_tokens", "completion_tokens", "seconds")}
                pa.Table.from_pylist([calls[call] | update], LEDGER_SCHEMA)
                calls[call] |= update
            else:
                damaged += 1
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, pa.ArrowException):
            damaged += 1
    return pa.Table.from_pylist(list(calls.values()), LEDGER_SCHEMA), damaged


def summarise(calls: pa.Table) -> pa.Table:
    """Calls, values, bytes and tokens by host, purpose, model and what went with them."""
    totals = [("id", "count"), *((name, "sum") for name in ("values", "bytes_out", "bytes_in", "prompt_tokens", "completion_tokens"))]
    keys = ["host", "loopback", "purpose", "model", "fields", "redactions", "status"]
    found = calls.group_by(keys, use_threads=False).aggregate(totals)
    return found.rename_columns([name.removesuffix("_sum").replace("id_count", "calls") for name in found.column_names])


def _lines(path: Path) -> Iterator[str]:
    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from (line for line in file if line.strip())
    except OSError as error:
        raise DataError(f"the egress ledger {path} cannot be read: {error.strerror}; give its file by --ledger") from error


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} × {numbers[name]}" for name in sorted(numbers))
