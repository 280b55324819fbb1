"""``/ws`` over a real socket: clients that vanish, that flood, that do not read, and many at a time."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.sync import client as sync_client

from core.bootstrap import build, memory_storage
from core.settings import Settings
from functions.http.live import Pace, live_router
from tests.music import guitar
from tests.unit.live_client import pcm, pieces, resampled, start

CHUNK_SECONDS = 0.1
RATE = 16_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server in a thread of its own, and where it listens."""
    services = build(Settings.read({}), memory_storage())
    app = FastAPI()
    app.state.services = lambda: services
    app.include_router(live_router(Pace(idle_seconds=30)))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"ws://127.0.0.1:{listening.getsockname()[1]}/ws"
    server.should_exit = True
    thread.join()


def music() -> list[bytes]:
    played = pcm(resampled(guitar(("C", "G", "Am", "F"), tempo_bpm=120, bars=4), RATE))
    return pieces(played, round(CHUNK_SECONDS * RATE) * 2)


async def chords_of(client: ClientConnection) -> list[str]:
    """What a client hears until the answer to its stop."""
    chords: list[str] = []
    async for text in client:
        answer = json.loads(text)
        chords += answer.get("chords", [])
        if answer == {"type": "stopped"}:
            break
    return chords


async def play(address: str, seconds_between: float = 0.0) -> list[str]:
    async with connect(address) as client:
        await client.send(start(format="pcm", sample_rate=RATE))
        hearing = asyncio.create_task(chords_of(client))
        for piece in music():
            await client.send(piece)
            await asyncio.sleep(seconds_between)
        await client.send('{"type": "stop"}')
        return await hearing


def test_clients_that_vanish_leave_the_server_as_it_was(address: str) -> None:
    async def scenario() -> list[str]:
        for _ in range(5):
            client = await connect(address)
            for piece in music()[:20]:
                await client.send(piece)
            client.transport.abort()
        return await play(address)

    assert asyncio.run(scenario()) == ["C", "G", "Am", "F"]


def test_a_flood_from_a_client_that_does_not_read_disturbs_nobody(address: str) -> None:
    with sync_client.connect(address, max_queue=1) as flooding:
        flood = threading.Thread(target=_flood, args=(flooding,))
        flood.start()
        found = asyncio.run(play(address))
        flooding.socket.shutdown(socket.SHUT_RDWR)
        flood.join()
    assert found == ["C", "G", "Am", "F"]


def test_a_message_beyond_the_servers_own_limit_ends_that_connection_alone(address: str) -> None:
    async def scenario() -> list[str]:
        with pytest.raises(ConnectionClosed):
            async with connect(address) as client:
                await client.send(bytes(50_000_000))
                await chords_of(client)
                await client.recv()
        return await play(address)

    assert asyncio.run(scenario()) == ["C", "G", "Am", "F"]


def test_several_clients_play_at_the_same_time(address: str) -> None:
    """In real time; each gets its own chords, and none falls behind."""
    clients = 6

    async def scenario() -> list[list[str]]:
        return await asyncio.gather(*(play(address, CHUNK_SECONDS / 4) for _ in range(clients)))

    begun = time.monotonic()
    found = asyncio.run(scenario())
    print(f"{clients} clients at 4 times real time: {time.monotonic() - begun:.1f} s for {len(music()) / 40:.1f} s")
    assert found == [["C", "G", "Am", "F"]] * clients


def _flood(client: sync_client.ClientConnection) -> None:
    with suppress(ConnectionClosed, OSError):
        while True:
            client.send(bytes(100_000))
