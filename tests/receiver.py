"""A client's webhook receiver: a real HTTP server on the loopback that answers as it is told and keeps what came."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self


class Received(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


class Answer(NamedTuple):
    """What the receiver answers; ``wait`` is called first, to be slow."""

    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    wait: Callable[[], object] = lambda: None


class Receiver:
    """Use as a context manager; ``answers`` are given in turn, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers) or [Answer()]
        self.received: list[Received] = []
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, count: int, timeout_seconds: float = 30) -> list[Received]:
        """Everything received, once there are ``count``."""
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.received) >= count, timeout_seconds)
            assert done, f"{len(self.received)} of {count} callbacks came within {timeout_seconds} s"
            return list(self.received)

    def _take(self, received: Received) -> Answer:
        with self._changed:
            answer = self.answers[min(len(self.received), len(self.answers) - 1)]
            self.received.append(received)
            self._changed.notify_all()
            return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = receiver._take(Received(self.path, headers, body))
                answer.wait()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        return Handler
