"""A server on loopback that answers as it is told: what real servers do on bad days."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request; `stub` is what it is told."""

    stub: Stub
    body: Any
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.stub.lock:
            self.stub.requests.append(Request(self.path, dict(self.headers), self.body))
            self.stub.now += 1
            self.stub.most = max(self.stub.most, self.stub.now)
            probing = self.stub.probe is not None and self.body["messages"][0]["content"] == "Say hello."
            reply = self.stub.probe if probing else self.stub.replies.pop(0) if len(self.stub.replies) > 1 else self.stub.replies[0]
        try:
            assert reply is not None
            reply(self)
        except (BrokenPipeError, ConnectionResetError):  # the client had enough
            self.close_connection = True
        finally:
            with self.stub.lock:
                self.stub.now -= 1

    def log_message(self, *_: object) -> None: ...

    def send(self, status: int, content: bytes, kind: str = "application/json", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def text(self) -> str:
        return "\n".join(message["content"] for message in self.body["messages"])


@dataclass
class Stub:
    """replies: in turn, the last one for ever. probe: the reply to the question what the server can do, None to take it from replies."""

    url: str
    replies: list[Reply]
    probe: Reply | None
    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    now: int = 0
    most: int = 0

    @property
    def questions(self) -> list[Request]:
        """All requests but the probe."""
        return [request for request in self.requests if request.text != "Say hello."]


def completion(text: str, *, logprobs: Mapping[str, float] | None = None, finish: str = "stop") -> Any:
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    if logprobs is not None:
        top = [{"token": token, "logprob": value} for token, value in logprobs.items()]
        choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    return {"object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}


def says(text: str, **more: Any) -> Reply:
    return lambda handler: handler.send(200, json.dumps(completion(text, **more)).encode())


def answers(status: int, content: bytes = b"{}", kind: str = "application/json", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send(status, content, kind, named)


def sleeps(seconds: float) -> Reply:
    def reply(handler: Handler) -> None:
        time.sleep(seconds)
        says("{}")(handler)

    return reply


def streams(piece: bytes, *, pause: float = 0.0, status: int = 200) -> Reply:
    """An answer without an end."""

    def reply(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while True:
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            time.sleep(pause)

    return reply


def trickles_headers(handler: Handler) -> None:
    """Never comes to the body."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.05)


def hangs_up(handler: Handler) -> None:
    """Promises more than it sends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


BINDS = says('{"word": "footpath"}', logprobs={"{": -0.1})
"""The probe's reply of a server that holds to a schema and gives log-probabilities."""
IGNORES = says("Hello!")
"""That of one that does neither."""


@contextmanager
def serving(*replies: Reply, probe: Reply | None = BINDS) -> Iterator[Stub]:
    stub = Stub("", list(replies), probe)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"stub": stub}))
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
