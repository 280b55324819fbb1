"""The storage account as the host uses it: blocking clients on a few threads, off the event loop."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.blob import LinearRetry as BlobRetry
from azure.storage.queue import LinearRetry as QueueRetry
from azure.storage.queue import QueueClient, QueueServiceClient

HOSTS_CONTAINER = "azure-webjobs-hosts"
THREADS = 8
RETRY_SECONDS = 0.3
T = TypeVar("T")


class Storage:
    """One account. Retries are quick: they bridge the emulator's closing of idle connections."""

    def __init__(self, connection_string: str) -> None:
        timeouts: dict[str, Any] = {"connection_timeout": 5, "read_timeout": 30}
        retries: dict[str, Any] = {"backoff": RETRY_SECONDS, "retry_total": 2, "random_jitter_range": 0}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="storage")
        self._queues = QueueServiceClient.from_connection_string(
            connection_string, retry_policy=QueueRetry(**retries), **timeouts
        )
        self._blobs = BlobServiceClient.from_connection_string(
            connection_string, retry_policy=BlobRetry(**retries), **timeouts
        )

    def queue(self, name: str) -> QueueClient:
        """Queue names are lower-case; messages stay as the wire has them."""
        return self._queues.get_queue_client(name.lower())

    def container(self, name: str) -> ContainerClient:
        return self._blobs.get_container_client(name)

    async def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run one blocking call of the SDK on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *args, **kwargs))

    async def ensure_queue(self, name: str) -> QueueClient:
        queue = self.queue(name)
        with contextlib.suppress(ResourceExistsError):
            await self.call(queue.create_queue)
        return queue

    async def hosts_container(self) -> ContainerClient:
        """Where the host keeps its locks, timer states and blob receipts."""
        container = self.container(HOSTS_CONTAINER)
        with contextlib.suppress(ResourceExistsError):
            await self.call(container.create_container)
        return container


async def stopped_within(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait for `seconds`, or less when the host stops meanwhile."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
    return stopping.is_set()
