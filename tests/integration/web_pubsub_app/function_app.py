"""A function app with the live routes over a toy state, and WebSockets of its own, for the tests of the local host."""

import json
import os
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import PlainTextResponse, Request, Response
from fastapi import FastAPI, WebSocket

from core.settings import Settings
from core.storage.memory import MemoryTable
from core.web_pubsub.address import service_address
from core.web_pubsub.channel import open_channel
from core.web_pubsub.live_events import LiveEvents
from core.web_pubsub.sessions import LiveSessions, live_connection
from core.web_pubsub.signature import SignatureCheck
from functions.http import errors, web_pubsub
from functions.http.asgi import AsgiResponse

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


class Counting:
    """Acknowledges each message with how many there were; names two chords for one with audio."""

    def __init__(self, data: bytes | None) -> None:
        self._messages = int(data or 0)

    def receive(self, message: str | bytes) -> list[dict[str, Any]]:
        try:
            said = json.loads(message)
        except ValueError:
            return [{"error": f"{len(message)} of {type(message).__name__} are not JSON"}]
        self._messages += 1
        acknowledged = {"ack": True, "messages": self._messages}
        return [acknowledged, {"chords": ["C", "G"]}] if "data" in said else [acknowledged]

    def dump(self) -> bytes:
        return str(self._messages).encode()


def now() -> datetime:
    return datetime.now(UTC)


def services() -> Any:
    settings = Settings.read(os.environ)
    address = service_address(settings)
    assert address is not None and address.access_key is not None
    channel = open_channel(settings)
    sessions = LiveSessions(MemoryTable(), live_connection if os.environ.get("LIVE_STATE") else Counting, now)
    events = LiveEvents(channel, address.host, SignatureCheck((address.access_key,)), sessions)
    return SimpleNamespace(channel=channel, live_events=events, clock=now, new_id=lambda: uuid.uuid4().hex)


fastapi = FastAPI()
made = services()
fastapi.state.services = lambda: made
errors.install(fastapi)
fastapi.include_router(web_pubsub.router)


@fastapi.websocket("/ws")
async def ws(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())


@app.route(route="v1/live/{*rest}")
async def live(req: Request) -> Response:
    return AsgiResponse(fastapi)


@app.route(route="ws")
async def web_socket(req: Request) -> Response:
    return AsgiResponse(fastapi)


@app.route(route="page")
async def page(req: Request) -> Response:
    return PlainTextResponse("a page")


@app.route(route="broken")
async def broken(req: Request) -> Response:
    raise ValueError("the page is broken")


@app.route(route="connection")
async def connection(req: Request) -> Response:
    return PlainTextResponse(os.environ["WEB_PUBSUB_CONNECTION"])
