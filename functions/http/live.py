"""``/ws``: live chords, and the progress of jobs, over one WebSocket.

The route is a plain one of starlette's: what the app asks of every HTTP request, a key in a header, does not fit a
WebSocket, which browsers open without headers of their own. So the key is checked here.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from core.bootstrap import Services
from core.errors import ChannelUnavailable, StemworksError, Unauthorized, UpgradeRequired
from core.jobs.view import job_view
from core.live.messages import Answer, error_answer, refuse, watched_job
from core.settings import Settings
from functions.http.dependencies import watch

if TYPE_CHECKING:  # numpy is not worth its import time in a process where nobody plays
    from core.live.connection import LiveConnection

MOST_CONNECTIONS = 32
"""Of a process, about as many as one core hears at the same time (``python -m bench live``)."""
MOST_JOBS = 16
"""That a connection watches at a time."""
_GOING_AWAY, _POLICY_VIOLATION, _TRY_AGAIN_LATER = 1001, 1008, 1013  # RFC 6455 §7.4.1, IANA's WebSocket registry
_CLOSING_SECONDS = 5.0
_THREADS = 4

T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """How patient the server is, and with how many.

    Attributes:
        ping_seconds: from one ``{"type": "ping"}`` of the server's to the next.
        idle_seconds: without a word from a client that watches no job, until it is let go.
        spare_seconds: the same where all places are taken, and another client comes.
        most_connections: of this process.
    """

    ping_seconds: float = 15.0
    idle_seconds: float = 300.0
    spare_seconds: float = 30.0
    most_connections: int = MOST_CONNECTIONS


@dataclass
class Sockets:
    """The connections of a process, and the few threads in which they are heard.

    The threads are their own, so that HTTP requests never wait for one because somebody plays.
    """

    pace: Pace
    taken: set[_Socket] = field(default_factory=set)
    threads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_THREADS))

    async def serve(self, websocket: WebSocket) -> None:
        """One connection, from its handshake to its end."""
        services: Services = websocket.app.state.services()
        await websocket.accept()
        with suppress(WebSocketDisconnect):
            if refusal := _refusal(websocket, services.settings):
                await _turn_away(websocket, Unauthorized(refusal), _POLICY_VIOLATION)
            elif len(self.taken) >= self.pace.most_connections and not self._make_room():
                full = ChannelUnavailable(f"{len(self.taken)} live connections are open, the most this process takes")
                await _turn_away(websocket, full, _TRY_AGAIN_LATER)
            else:
                await self._serve(_Socket(websocket, services, self))

    async def _serve(self, socket: _Socket) -> None:
        self.taken.add(socket)
        try:
            await socket.serve()
        finally:
            self.taken.discard(socket)

    def _make_room(self) -> bool:
        """Let the client go that has been silent longest, if for long enough: silence must not keep players out."""
        longest = max(self.taken, key=lambda socket: socket.silent_seconds)
        if longest.silent_seconds < self.pace.spare_seconds:
            return False
        self.taken.discard(longest)
        longest.give_way()
        return True


class _Socket:
    """One client: a message is read once the answers to the one before are sent, so nothing piles up here."""

    _tasks: TaskGroup

    def __init__(self, websocket: WebSocket, services: Services, sockets: Sockets) -> None:
        self._websocket = websocket
        self._services = services
        self._pace = sockets.pace
        self._threads = sockets.threads
        self._watched: set[str] = set()
        self._sending = anyio.Lock()
        self._heard_at = anyio.current_time()

    @property
    def silent_seconds(self) -> float:
        """Since its client said something; none while it watches a job."""
        return 0.0 if self._watched else anyio.current_time() - self._heard_at

    async def serve(self) -> None:
        """Until the client leaves, or is let go."""
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self._ping)
            self._tasks.start_soon(self._let_go_when_idle)
            await self._converse()
            self._tasks.cancel_scope.cancel()

    def give_way(self) -> None:
        """Let the client go soon."""
        self._tasks.start_soon(self._let_go, "others wait, and nothing was heard for long")

    async def _converse(self) -> None:
        connection = await self._in_thread(_new_connection)
        while (message := await self._received()) is not None:
            job_id, answers = await self._in_thread(partial(_answered, connection, message))
            for answer in answers:
                await self._send(answer)
            if job_id is not None:
                await self._begin_watching(job_id)

    async def _received(self) -> str | bytes | None:
        """The next message, or ``None`` when the client has left."""
        event = await self._websocket.receive()
        self._heard_at = anyio.current_time()
        if event["type"] != "websocket.receive":
            return None
        text = event.get("text")
        return text if text is not None else event.get("bytes") or b""

    async def _send(self, answer: Answer) -> None:
        async with self._sending:
            if self._websocket.application_state is WebSocketState.CONNECTED:
                with suppress(WebSocketDisconnect):  # the client has left: the next read says so
                    await self._websocket.send_text(json.dumps(answer))

    async def _ping(self) -> None:
        while True:
            await anyio.sleep(self._pace.ping_seconds)
            await self._send({"type": "ping"})

    async def _let_go_when_idle(self) -> None:
        while (silence := self.silent_seconds) < self._pace.idle_seconds:
            await anyio.sleep(self._pace.idle_seconds - silence)
        await self._let_go(f"nothing was heard for {self._pace.idle_seconds:g} seconds")

    async def _let_go(self, reason: str) -> None:
        with anyio.move_on_after(_CLOSING_SECONDS), suppress(WebSocketDisconnect):
            async with self._sending:
                await self._websocket.close(_GOING_AWAY, reason)
        self._tasks.cancel_scope.cancel()

    async def _begin_watching(self, job_id: str) -> None:
        if job_id in self._watched:
            return
        try:
            if len(self._watched) >= MOST_JOBS:
                refuse("/job_id", f"a connection watches at most {MOST_JOBS} jobs at a time")
            await run_in_threadpool(self._services.jobs.get, job_id)  # not in our threads: storage may hang
        except StemworksError as error:
            await self._send(error_answer(error))
            return
        self._watched.add(job_id)
        self._tasks.start_soon(self._watch, job_id)

    async def _watch(self, job_id: str) -> None:
        try:
            async for job in watch(lambda: self._services.jobs.get(job_id)):
                if job is not None:
                    await self._send({"type": "job", "job": job_view(job)})
        except StemworksError as error:
            await self._send(error_answer(error))
        finally:
            self._watched.discard(job_id)
            self._heard_at = anyio.current_time()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._threads)


def live_router(pace: Pace | None = None) -> APIRouter:
    """The routes at ``/ws``, with a count of connections of their own."""
    router = APIRouter(tags=["live"])
    router.add_websocket_route("/ws", Sockets(pace or Pace()).serve)

    @router.get("/ws", status_code=426)
    def upgrade_required() -> None:
        """A WebSocket: JSON messages with audio in `data`, answered with the chords as they sound; see docs."""
        raise UpgradeRequired

    return router


router = live_router()


def _new_connection() -> LiveConnection:
    from core.live.connection import LiveConnection

    return LiveConnection()


def _answered(connection: LiveConnection, message: str | bytes) -> tuple[str | None, list[Answer]]:
    """The job that a message asks to watch, or else the answers to it."""
    job_id = watched_job(message)
    return (None, connection.receive(message)) if job_id is None else (job_id, [])


def _refusal(websocket: WebSocket, settings: Settings) -> str | None:
    """Why the caller may not connect: without one of the API keys, or where there are none, from a stranger's page."""
    if settings.api_keys:
        return None if _has_key(websocket, settings) else "one of API_KEYS is needed: ?api_key=…, or in a header"
    if _is_page_allowed(websocket, settings):
        return None
    return "pages of this origin may not connect; CORS_ORIGINS names those that may"


def _has_key(websocket: WebSocket, settings: Settings) -> bool:
    scheme, _, credentials = websocket.headers.get("authorization", "").partition(" ")
    bearer = credentials.strip() if scheme.lower() == "bearer" else ""
    given = bearer or websocket.headers.get("x-api-key") or websocket.query_params.get("api_key", "")
    return any(hmac.compare_digest(given.encode(), key.encode()) for key in settings.api_keys)


def _is_page_allowed(websocket: WebSocket, settings: Settings) -> bool:
    """Browsers do not hold WebSockets to CORS: any page could use a server on the machine of who reads it."""
    origin = websocket.headers.get("origin")
    if origin is None or urlsplit(origin).netloc == websocket.headers.get("host"):
        return True
    return bool({"*", origin} & set(settings.cors_origins))


async def _turn_away(websocket: WebSocket, error: StemworksError, code: int) -> None:
    await websocket.send_text(json.dumps(error_answer(error)))
    await websocket.close(code, error.title)
