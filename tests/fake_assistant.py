"""An assistant for tests: a real HTTP server on the loopback that speaks as much of OpenAI's API as is asked of it.

It answers with what the test wrote, in turn, the last answer for ever; and it can misbehave in every way that a server
can, which is what most of these answers are for.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self


class Asked(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def material(self) -> Any:
        """What the user's message holds."""
        return json.loads(self.body["messages"][-1]["content"])


Reply = Callable[[BaseHTTPRequestHandler], None]


class FakeAssistant:
    """Use as a context manager; ``url`` is what ``ASSISTANT_ENDPOINT`` names."""

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self._replies = list(replies)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with fake._lock:
                    reply = fake._replies[min(len(fake.asked), len(fake._replies) - 1)]
                    fake.asked.append(Asked(self.path, headers, body))
                self.close_connection = True
                with suppress(OSError):  # whoever asked has heard enough
                    reply(self)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        return Handler


def says(answer: object, **members: object) -> Reply:
    """A chat completion whose text is ``answer``, as JSON unless it is text already."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return sends(json.dumps({"id": "1", "object": "chat.completion", "choices": [choice], "usage": {}} | members))


def sends(body: str | bytes, status: int = 200, **headers: str) -> Reply:
    """A body with its length."""
    content = body.encode() if isinstance(body, str) else body

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return reply


def writes(chunks: Iterable[bytes]) -> Reply:
    """Bytes as they are, for as long as they are taken."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        for chunk in chunks:
            handler.wfile.write(chunk)

    return reply


def waits(released: threading.Event) -> Reply:
    """Nothing, until the test is over."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        released.wait(30)

    return reply


def drips(released: threading.Event) -> Reply:
    """A body that never ends, a byte every now and then."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while not released.wait(0.01):
            handler.wfile.write(b" ")

    return reply


def resets() -> Reply:
    """The connection, closed with a reset."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return reply


def gzip_bomb() -> Reply:
    """A small body that would unpack to a large one."""
    return sends(gzip.compress(b" " * 10_000_000), content_encoding="gzip")
