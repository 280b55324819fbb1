"""A reverse proxy in front of Azurite's three services that keeps a list of the transactions that passed.

Signatures survive: neither SharedKey nor SAS covers the host, and everything that they cover passes unchanged.
"""

from __future__ import annotations

import http.client
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

_ENDPOINTS = {"blob": "BlobEndpoint", "queue": "QueueEndpoint", "table": "TableEndpoint"}
_NOT_FORWARDED = frozenset({"connection", "keep-alive", "transfer-encoding", "proxy-connection"})
_IDLE_SECONDS = 3.0  # Azurite closes a connection that is idle for five
_TIMEOUT_SECONDS = 60.0


class Transaction(NamedTuple):
    """One request to storage and how it was answered.

    ``path`` is without the query; ``messages`` is how many messages a queue receive brought, ``None`` for any other.
    """

    service: str
    method: str
    path: str
    query: str
    status: int
    messages: int | None = None

    @property
    def empty_poll(self) -> bool:
        """Whether it asked a queue for messages and none were there."""
        return self.messages == 0

    @property
    def of_host(self) -> bool:
        """Whether the Functions host made it for itself: its locks, timer states and blob receipts."""
        return "/azure-webjobs-hosts" in self.path

    @property
    def of_metrics(self) -> bool:
        """Whether it wrote what a process has counted: at most once in five seconds, however many jobs there are."""
        return self.service == "table" and "/metrics" in self.path

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path} {self.status}"


class CountingProxy:
    """Use as a context manager around clients that take ``connection_string`` instead of the emulator's own."""

    def __init__(self, connection_string: str) -> None:
        self._parts = dict(part.split("=", 1) for part in connection_string.rstrip(";").split(";"))
        self._transactions: list[Transaction] = []
        self._lock = threading.Lock()
        self._servers = {service: self._server(service) for service in _ENDPOINTS}

    @property
    def connection_string(self) -> str:
        """The account as it is reached through the proxy."""
        parts = dict(self._parts)
        for service, server in self._servers.items():
            account = urlsplit(self._parts[_ENDPOINTS[service]]).path
            parts[_ENDPOINTS[service]] = f"http://127.0.0.1:{server.server_address[1]}{account}"
        return "".join(f"{key}={value};" for key, value in parts.items())

    def transactions(self, *, empty_polls: bool = False) -> list[Transaction]:
        """What has passed since the last ``reset``, in the order of the answers; no empty polls unless asked for."""
        with self._lock:
            return [passed for passed in self._transactions if empty_polls or not passed.empty_poll]

    def reset(self) -> None:
        """Forget what has passed."""
        with self._lock:
            self._transactions.clear()

    def __enter__(self) -> Self:
        for server in self._servers.values():
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def _server(self, service: str) -> ThreadingHTTPServer:
        upstream = urlsplit(self._parts[_ENDPOINTS[service]])
        assert upstream.hostname is not None and upstream.port is not None
        handler = type("Handler", (_Handler,), {
            "service": service, "upstream": (upstream.hostname, upstream.port), "record": self._record,
        })  # fmt: skip
        server = _Server(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        return server

    def _record(self, transaction: Transaction) -> None:
        with self._lock:
            self._transactions.append(transaction)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    """One client connection, with one connection to the emulator of its own."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    service: str
    upstream: tuple[str, int]

    def setup(self) -> None:
        super().setup()
        self._connection: http.client.HTTPConnection | None = None
        self._used_at = 0.0

    def finish(self) -> None:
        super().finish()
        self._close()

    def forward(self) -> None:
        """Pass the request on, keep note of it, pass the answer back."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            response = self._exchange(body)
            content = response.read()
        except (OSError, http.client.HTTPException):  # what the client sees is what happened: a broken connection
            self._close()
            self.close_connection = True
            return
        path, _, query = self.path.partition("?")
        messages = self._messages(path, query, content)
        self.record(Transaction(self.service, self.command, path, query, response.status, messages))
        self._answer(response, content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_MERGE = do_PATCH = do_OPTIONS = forward

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def record(self, transaction: Transaction) -> None:
        """Keep note of a transaction; the proxy puts its own in this place."""
        raise NotImplementedError

    def _exchange(self, body: bytes) -> http.client.HTTPResponse:
        connection = self._upstream()
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _NOT_FORWARDED:
                connection.putheader(name, value)
        connection.endheaders(body or None)
        return connection.getresponse()

    def _answer(self, response: http.client.HTTPResponse, content: bytes) -> None:
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in _NOT_FORWARDED | {"content-length"}:
                self.send_header(name, value)
        if self.command == "HEAD":
            self.send_header("content-length", response.getheader("content-length") or "0")
        elif response.status != 204:
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _upstream(self) -> http.client.HTTPConnection:
        if self._connection is None or time.monotonic() - self._used_at > _IDLE_SECONDS:
            self._close()
            self._connection = http.client.HTTPConnection(*self.upstream, timeout=_TIMEOUT_SECONDS)
        self._used_at = time.monotonic()
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _messages(self, path: str, query: str, content: bytes) -> int | None:
        receives = self.service == "queue" and self.command == "GET" and path.endswith("/messages")
        return content.count(b"<QueueMessage>") if receives and "peekonly" not in query else None
