"""WebSockets that are open, so that the host can close them when it stops."""

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

GOING_AWAY = 1001
"""RFC 6455, 7.4.1: the server goes down; the client may come back."""

CLOSE_SECONDS = 1.0


class OpenSockets:
    """Runs applications over WebSockets, and knows those that are open."""

    def __init__(self) -> None:
        self._open: set[_Socket] = set()

    async def serve(self, application: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        socket = _Socket(send)
        self._open.add(socket)
        try:
            await application(scope, receive, socket.send)
        finally:
            self._open.discard(socket)
            socket.has_ended.set()

    async def close_all(self) -> None:
        """Tell every client that the host goes away, and let what served it end; nothing is waited for any longer."""
        closing = [asyncio.create_task(socket.close()) for socket in self._open]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_SECONDS)


class _Socket:
    """The sending side of one WebSocket."""

    def __init__(self, send: Send) -> None:
        self.has_ended = asyncio.Event()
        self._send = send
        self._is_accepted = False
        self._is_closed = False

    async def send(self, message: Message) -> None:
        if self._is_closed:
            return  # the application will hear of it by what it receives
        self._is_accepted = self._is_accepted or message["type"] == "websocket.accept"
        self._is_closed = message["type"] == "websocket.close"
        await self._send(message)

    async def close(self) -> None:
        if self._is_accepted:
            with contextlib.suppress(OSError, RuntimeError):  # the client went at the same moment
                await self.send({"type": "websocket.close", "code": GOING_AWAY, "reason": "the host stops"})
        await self.has_ended.wait()
