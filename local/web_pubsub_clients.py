"""The emulator's clients and their groups."""

import asyncio
import contextlib
import json
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from local.web_pubsub_protocol import RELIABLE_PROTOCOL, Payload

RECOVERY_SECONDS = 30.0
"""How long a reliable client may be away; the client package tries for as long."""

SEND_SECONDS = 5.0
"""How long a client may leave what it is sent unread before it is let go."""

MOST_UNREAD = 1000
MOST_ACKS = 1000


@dataclass(eq=False)
class Client:
    """One connection, which for the reliable subprotocol may outlive its socket."""

    hub: str
    user_id: str | None
    roles: set[str]
    groups: set[str]
    subprotocol: str | None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    reconnection_token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    acks: deque[int] = field(default_factory=lambda: deque(maxlen=MOST_ACKS))
    _socket: WebSocket | None = None
    _sequence: int = 0
    _unread: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MOST_UNREAD))
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_reliable(self) -> bool:
        return self.subprotocol == RELIABLE_PROTOCOL

    def may(self, what: str, group: str) -> bool:
        """Whether its roles let it `joinLeaveGroup` or `sendToGroup`."""
        return not self.roles.isdisjoint({f"webpubsub.{what}", f"webpubsub.{what}.{group}"})

    async def attach(self, socket: WebSocket) -> None:
        """Say hello over a new socket; a client that comes back gets what it has not acknowledged."""
        async with self._sending:  # nothing goes before the hello
            self._socket = socket
            if self.subprotocol is not None:
                for frame in [self._hello(), *self._unread]:
                    await socket.send_text(json.dumps(frame))

    def detach(self) -> None:
        self._socket = None

    def has_moved_from(self, socket: WebSocket) -> bool:
        """Whether the client came back over another socket before this one was found broken."""
        return self._socket is not None and self._socket is not socket

    def _hello(self) -> dict[str, Any]:
        hello = {"type": "system", "event": "connected", "userId": self.user_id, "connectionId": self.id}
        return hello | ({"reconnectionToken": self.reconnection_token} if self.is_reliable else {})

    async def deliver(self, payload: Payload, **source: str) -> None:
        """Send a message from the server or from a group."""
        if self.subprotocol is None:
            await self._write(payload.bare())
            return
        frame = {"type": "message", **source, **payload.members()}
        if self.is_reliable:
            self._sequence += 1
            frame["sequenceId"] = self._sequence
            self._unread.append(frame)
        await self.send(frame)

    def has_read(self, sequence_id: int) -> None:
        while self._unread and self._unread[0]["sequenceId"] <= sequence_id:
            self._unread.popleft()

    async def send(self, frame: dict[str, Any]) -> None:
        """Send a frame of the subprotocol."""
        await self._write(json.dumps(frame))

    async def close(self, code: int, reason: str = "") -> None:
        """End the connection for good."""
        socket, self._socket = self._socket, None
        if socket is not None:
            with contextlib.suppress(OSError, RuntimeError, WebSocketDisconnect):
                await socket.close(code, reason[:120])

    async def _write(self, frame: str | bytes) -> None:
        """One frame after another; a client that has gone, or does not read, is let go."""
        async with self._sending:
            if self._socket is None:
                return
            sending = self._socket.send_bytes(frame) if isinstance(frame, bytes) else self._socket.send_text(frame)
            try:
                await asyncio.wait_for(sending, SEND_SECONDS)
            except TimeoutError:
                await self.close(1008, "messages are not read")
            except (OSError, RuntimeError, WebSocketDisconnect):
                self.detach()


class Clients:
    """Everybody who is connected, hub by hub."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], Client] = {}

    def add(self, client: Client) -> None:
        self._clients[client.hub, client.id] = client

    def discard(self, client: Client) -> None:
        self._clients.pop((client.hub, client.id), None)

    def get(self, hub: str, connection_id: str) -> Client | None:
        return self._clients.get((hub, connection_id))

    def all(self, hub: str) -> list[Client]:
        return [client for client in self._clients.values() if client.hub == hub]

    def group(self, hub: str, group: str) -> list[Client]:
        return [client for client in self.all(hub) if group in client.groups]
