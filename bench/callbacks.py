"""A receiver of callbacks in a process of its own: it answers 200 and says when which callback came.

It costs every way of running jobs the same, and little. The token of a callback is the last part of its URL.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class CallbackReceiver:
    """The receiver as its parent sees it: use as a context manager."""

    def __init__(self) -> None:
        self._arrivals: dict[str, float] = {}
        self._changed = threading.Condition()
        self._base_url = ""

    def url(self, token: str) -> str:
        """Where to send the callback that shall be known as ``token``."""
        return f"{self._base_url}/hook/{token}"

    def wait_for(self, tokens: Iterable[str], timeout_seconds: float) -> float:
        """When the last of ``tokens`` came (``time.monotonic``). Raises ``TimeoutError``."""
        missing = set(tokens)
        newest = 0.0
        with self._changed:
            deadline = time.monotonic() + timeout_seconds
            while missing:
                for token in [token for token in missing if token in self._arrivals]:
                    missing.remove(token)
                    newest = max(newest, self._arrivals[token])
                if missing and not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{len(missing)} callbacks did not come within {timeout_seconds:g} s")
        return newest

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "bench.callbacks"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._base_url = self._process.stdout.readline().strip()
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            token, _, moment = line.strip().partition(" ")
            with self._changed:
                self._arrivals.setdefault(token, float(moment))
                self._changed.notify_all()


class _Connection(asyncio.Protocol):
    """Enough HTTP/1.1 for clients that send a Content-Length, which all the measured ones do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            size_bytes = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._buffer) < end + 4 + size_bytes:
                return
            token = self._buffer.split(b" ", 2)[1].rpartition(b"/")[2].decode()
            self._buffer = self._buffer[end + 4 + size_bytes :]
            print(token, time.monotonic(), flush=True)
            self._transport.write(_ANSWER)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # ends with the parent
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
