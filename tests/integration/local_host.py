"""A running local host, its storage and what its sample app wrote down."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient, QueueServiceClient

from local.azurite import Azurite
from local.stack import HostProcess

SAMPLE_APP = Path(__file__).parent / "sample_app"
T = TypeVar("T")


def wait_for(condition: Callable[[], T], seconds: float = 15.0) -> T:
    """The first true value of `condition`; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not true within {seconds} s: {condition}")


class SampleHost:
    """The sample app under `python -m local host`, with queue and container names of its own."""

    def __init__(self, azurite: Azurite, folder: Path, prefix: str, grace_seconds: float = 20.0, **settings: str):
        self.prefix = prefix
        self.folder = folder
        self.record = folder / "record.jsonl"
        self._azurite = azurite
        self.process = HostProcess(
            azurite.connection_string,
            app_dir=SAMPLE_APP,
            grace_seconds=grace_seconds,
            settings={
                "RECORD": str(self.record),
                "PREFIX": prefix,
                "AzureFunctionsWebHost__hostid": prefix,
                "LOCAL_BLOB_SCAN_SECONDS": "0.2",
                "AzureWebJobs.hidden_page.Disabled": "true",
                **settings,
            },
        )

    def __enter__(self) -> "SampleHost":
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.exit_status() is None:
            self.process.kill()

    @property
    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.process.base_url, timeout=20)

    def queue(self, suffix: str, create: bool = True) -> QueueClient:
        service = QueueServiceClient.from_connection_string(self._azurite.connection_string)
        queue = service.get_queue_client(f"{self.prefix}-{suffix}")
        if create and not exists(queue):
            queue.create_queue()
        return queue

    def container(self, name: str) -> ContainerClient:
        service = BlobServiceClient.from_connection_string(self._azurite.connection_string)
        container = service.get_container_client(name)
        if not container.exists():
            container.create_container()
        return container

    def events(self, function: str, **wanted: Any) -> list[dict[str, Any]]:
        """What one function wrote down, filtered."""
        if not self.record.exists():
            return []
        lines = [json.loads(line) for line in self.record.read_text().splitlines()]
        return [
            line
            for line in lines
            if line["function"] == function and all(line.get(key) == value for key, value in wanted.items())
        ]

    def wait_for_events(self, function: str, count: int = 1, **wanted: Any) -> list[dict[str, Any]]:
        return wait_for(lambda: events if len(events := self.events(function, **wanted)) >= count else [])

    def release(self, name: str) -> None:
        """Let a function that waits for this file go on."""
        (self.folder / name).touch()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def exists(queue: QueueClient) -> bool:
    try:
        queue.get_queue_properties()
    except ResourceNotFoundError:
        return False
    return True


def is_empty(queue: QueueClient) -> bool:
    return queue.get_queue_properties().approximate_message_count == 0
