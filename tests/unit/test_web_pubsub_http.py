"""The live routes over HTTP, with a channel in memory or none."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from core.ports import Channel
from core.storage.memory import MemoryTable
from core.web_pubsub.channel import NoChannel
from core.web_pubsub.event import Event
from core.web_pubsub.event_check import open_event_check
from core.web_pubsub.live_events import LiveEvents
from core.web_pubsub.memory import MemoryChannel
from core.web_pubsub.sessions import LiveSessions, live_connection
from core.web_pubsub.signature import EventCheck, SignatureCheck, signature
from functions.http import errors, web_pubsub
from tests.clock import Clock

ORIGIN = "music.webpubsub.azure.com"


def client_of(channel: Channel, check: EventCheck) -> TestClient:
    clock = Clock()
    events = LiveEvents(channel, ORIGIN, check, LiveSessions(MemoryTable(), live_connection, clock))
    services = SimpleNamespace(channel=channel, live_events=events, clock=clock, new_id=lambda: "user-1")
    app = FastAPI()
    app.state.services = lambda: services
    errors.install(app)
    app.include_router(web_pubsub.router)
    return TestClient(app)


@pytest.fixture
def client() -> TestClient:
    return client_of(MemoryChannel(), SignatureCheck(("key",)))


def event_headers(**fields: str) -> dict[str, str]:
    headers = {
        "ce-type": "azure.webpubsub.user.message",
        "ce-hub": "stemworks",
        "ce-connectionId": "c1",
        "ce-signature": signature("c1", "key"),
        "content-type": "application/json",
    }
    return headers | fields


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_negotiating_answers_with_an_address_that_lasts_an_hour(client: TestClient, method: str) -> None:
    answer = client.request(method, "/v1/live/negotiate", params={"job_id": ["a", "b"]})
    assert answer.json() == {
        "url": "memory://stemworks?user=user-1&minutes=60&group=job-a&group=job-b",
        "hub": "stemworks",
        "groups": ["job-a", "job-b"],
        "expires_at": "2026-01-01T13:00:00Z",
        "subprotocol": "json.webpubsub.azure.v1",
    }


def test_sixteen_jobs_can_be_watched(client: TestClient) -> None:
    ids = [f"job-{number}" for number in range(17)]
    assert len(client.get("/v1/live/negotiate", params={"job_id": ids[:16]}).json()["groups"]) == 16
    assert client.get("/v1/live/negotiate", params={"job_id": ids}).status_code == 422


def test_without_a_service_negotiating_is_503_and_events_are_401() -> None:
    client = client_of(NoChannel("stemworks"), open_event_check(None))
    answer = client.get("/v1/live/negotiate")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:stemworks:problem:channel-unavailable")
    assert client.post("/v1/live/events", headers=event_headers(), json={}).status_code == 401


@pytest.mark.parametrize(
    ("subprotocol", "content_type"), [({}, "text/plain"), ({"ce-subprotocol": "json"}, "application/json")]
)
def test_an_answer_has_the_type_that_the_service_hands_on(
    client: TestClient, subprotocol: dict[str, Any], content_type: str
) -> None:
    answer = client.post("/v1/live/events", headers=event_headers(**subprotocol), json={"type": "ping"})
    assert (answer.status_code, answer.json()) == (200, {"type": "pong"})
    assert answer.headers["content-type"].partition(";")[0] == content_type


def test_what_needs_no_answer_is_204(client: TestClient) -> None:
    answer = client.post("/v1/live/events", headers=event_headers(), json={"type": "pong"})
    assert (answer.status_code, answer.content) == (204, b"")


def test_rubbish_is_answered_and_not_the_service_s_concern(client: TestClient) -> None:
    for rubbish in (b"", b"\xff\xfe", b"not JSON", b"[" * 10_000):
        answer = client.post("/v1/live/events", headers=event_headers(), content=rubbish)
        assert answer.status_code in (200, 204), answer.text


def test_the_greeting_names_the_service_that_is_welcome(client: TestClient) -> None:
    answer = client.options("/v1/live/events", headers={"WebHook-Request-Origin": ORIGIN})
    assert (answer.status_code, answer.headers["WebHook-Allowed-Origin"]) == (200, ORIGIN)
    assert client.options("/v1/live/events").status_code == 403


def test_events_that_hang_do_not_hold_up_other_requests() -> None:
    clients = 50  # more than the threads that requests share
    going_on = threading.Event()

    class Hanging:
        def verify(self, event: Event) -> None:
            assert going_on.wait(30)

    async def scenario() -> set[int]:
        transport = httpx.ASGITransport(client_of(MemoryChannel(), Hanging()).app)
        headers = event_headers(**{"ce-type": "azure.webpubsub.sys.connected"})
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
            posts = [asyncio.create_task(http.post("/v1/live/events", headers=headers)) for _ in range(clients)]
            try:
                async with asyncio.timeout(10):
                    assert (await http.get("/v1/live/negotiate")).status_code == 200
            finally:
                going_on.set()
            return {(await post).status_code for post in posts}

    assert asyncio.run(scenario()) == {204}
