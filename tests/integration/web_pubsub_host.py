"""A running local host with the live routes, and clients of its Web PubSub emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubclient.models import CallbackType, WebPubSubProtocolType

from core.settings import Settings
from core.web_pubsub.address import ServiceAddress, service_address
from core.web_pubsub.azure import AzureChannel
from local.azurite import Azurite
from local.stack import HostProcess
from tests.integration.local_host import wait_for

APP = Path(__file__).parent / "web_pubsub_app"


class LiveHost:
    """The app in ``web_pubsub_app`` under ``python -m local host``; it needs no storage."""

    def __init__(self, **settings: str) -> None:
        storage = Azurite(first_port=10000).connection_string
        self.process = HostProcess(storage, app_dir=APP, grace_seconds=5, settings=settings)

    def __enter__(self) -> Self:
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.exit_status() is None:
            self.process.kill()

    @property
    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.process.base_url, timeout=20)

    @property
    def ws_url(self) -> str:
        return self.process.base_url.replace("http", "ws", 1)

    @property
    def settings(self) -> Settings:
        return Settings.read({"WEB_PUBSUB_CONNECTION": self.http.get("/connection").text})

    @property
    def address(self) -> ServiceAddress:
        address = service_address(self.settings)
        assert address is not None
        return address

    @property
    def channel(self) -> AzureChannel:
        return AzureChannel(self.address, self.settings)

    def negotiate(self, *job_ids: str) -> dict[str, Any]:
        answer = self.http.get("/v1/live/negotiate", params={"job_id": list(job_ids)})
        assert answer.status_code == 200, answer.text
        negotiated: dict[str, Any] = answer.json()
        return negotiated


class LiveClient:
    """The official client, remembering what it is told."""

    def __init__(self, url: str, protocol: WebPubSubProtocolType = WebPubSubProtocolType.JSON_RELIABLE) -> None:
        # The client sleeps through an answer that comes before it has begun to wait, up to its time limits.
        self.client = WebPubSubClient(
            url,
            protocol_type=protocol,
            reconnect_retry_total=0,
            message_retry_total=0,
            ack_timeout=3,
            start_timeout=3,
        )
        self.connection_id = ""
        self.from_server: list[Any] = []
        self.from_groups: list[tuple[str, Any]] = []
        self.client.subscribe(CallbackType.CONNECTED, lambda e: setattr(self, "connection_id", e.connection_id))
        self.client.subscribe(CallbackType.SERVER_MESSAGE, lambda e: self.from_server.append(e.data))
        self.client.subscribe(CallbackType.GROUP_MESSAGE, lambda e: self.from_groups.append((e.group, e.data)))

    def __enter__(self) -> Self:
        self.client.open()
        wait_for(lambda: self.connection_id)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def wait_for_answers(self, count: int) -> list[Any]:
        return wait_for(lambda: self.from_server if len(self.from_server) >= count else [])


@pytest.fixture(scope="session")
def live_host() -> Iterator[LiveHost]:
    """One for each test process."""
    with LiveHost() as host:
        yield host
