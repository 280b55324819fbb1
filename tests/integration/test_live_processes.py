"""A client of Web PubSub whose events reach now one process and now another."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from core.web_pubsub.signature import signature
from local.azurite import Azurite
from local.stack import HostProcess, prepare_storage
from tests.integration.local_host import wait_for
from tests.integration.web_pubsub_host import LiveClient, LiveHost
from tests.music import guitar
from tests.unit.live_client import pcm, pieces, resampled, said

RATE = 16_000
PIECE_BYTES = 6400


@pytest.fixture(scope="module")
def service() -> Iterator[LiveHost]:
    """The host whose emulator is everybody's Web PubSub."""
    with LiveHost() as host:
        yield host


@pytest.fixture(scope="module")
def processes(service: LiveHost) -> Iterator[list[httpx.Client]]:
    """Two hosts of the project over one storage."""
    with Azurite() as storage:
        prepare_storage(storage.connection_string)
        settings = {"WEB_PUBSUB_CONNECTION": service.settings.web_pubsub_connection}
        with (
            HostProcess(storage.connection_string, settings=settings) as one,
            HostProcess(storage.connection_string, settings=settings) as other,
        ):
            yield [httpx.Client(base_url=host.base_url, timeout=30) for host in (one, other)]


def test_two_processes_in_turn_hear_what_one_would(service: LiveHost, processes: list[httpx.Client]) -> None:
    music = guitar(("C", "G", "Am", "F"), tempo_bpm=100, bars=4)
    content = pieces(pcm(resampled(music, RATE)), PIECE_BYTES)
    answered = 0
    with LiveClient(service.negotiate()["url"]) as live:
        headers = {
            "ce-type": "azure.webpubsub.user.message",
            "ce-hub": "stemworks",
            "ce-connectionId": live.connection_id,
            "ce-subprotocol": "json.reliable.webpubsub.azure.v1",
            "ce-signature": signature(live.connection_id, service.address.access_key or ""),
            "content-type": "application/json",
        }
        for number, piece in enumerate(content):
            process = processes[number % len(processes)]
            event = said(piece, format="pcm", sample_rate=RATE)
            answer = process.post("/v1/live/events", headers=headers, content=event)
            assert answer.status_code in (200, 204), answer.text
            answered += answer.status_code == 200 and answer.json() == {"ack": True}
        final = processes[0].post("/v1/live/events", headers=headers, content=json.dumps({"type": "stop"}))
        assert final.json() == {"type": "stopped"}
        wait_for(lambda: answered + live.from_server.count({"ack": True}) == len(content))
        chords = [chord for message in live.from_server for chord in message.get("chords", ())]
    assert chords == ["C", "G", "Am", "F"]
