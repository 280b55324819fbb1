"""The blob trigger: a full list every two seconds, receipts by ETag, and a queue between finding and running.

That is the strategy that the Storage Blobs extension has for development storage.
"""

import asyncio
import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceModifiedError, ResourceNotFoundError
from azure.functions import meta
from azure.functions.blob import BlobConverter
from azure.storage.blob import BlobClient, BlobProperties, StorageStreamDownloader
from azurefunctions.extensions.base import Datum as DeferredDatum
from azurefunctions.extensions.base import get_binding_registry as deferred_bindings

from local.functions import Invoker, LoadedFunction, is_deferred
from local.queue_trigger import Lease, QueueListener, QueueOptions
from local.settings import HostSettings
from local.storage import Storage, stopped_within

SCAN_SECONDS = 2.0
POISON_QUEUE = "webjobs-blobtrigger-poison"
logger = logging.getLogger("local.blob_trigger")


class BlobListener:
    """Finds new blobs of one function's path and runs the function once for each ETag."""

    def __init__(
        self,
        function: LoadedFunction,
        settings: HostSettings,
        storage: Storage,
        invoker: Invoker,
        scan_seconds: float,
    ) -> None:
        path = settings.resolve(function.binding["path"])
        self._function = function
        self._storage = storage
        self._invoker = invoker
        self._scan_seconds = scan_seconds
        self._container, self._pattern = parse_path(path)
        self._receipts = f"blobreceipts/{settings.host_id}/Host.Functions.{function.name}"
        self._queue_name = f"azure-webjobs-blobtrigger-{queue_safe(settings.host_id + '-' + function.name)}"
        self._seen: set[str] = set()
        self._is_failing = False
        self._options = replace(blob_queue_options(settings), max_polling_seconds=scan_seconds)

    async def run(self, stopping: asyncio.Event) -> None:
        """Scan until `stopping`, then wait for the blobs in hand."""
        work = QueueListener(self._storage, self._queue_name, self._options, self._handle, POISON_QUEUE)
        await asyncio.gather(work.run(stopping), self._scan_until(stopping))

    async def _scan_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await self._scan()
            await stopped_within(stopping, self._scan_seconds)

    async def _scan(self) -> None:
        try:
            fresh = await self._storage.call(self._list_unseen)
            if fresh:
                await self._enqueue(fresh)
        except ResourceNotFoundError:
            return  # the container is made by someone else, later
        except AzureError as error:
            if not self._is_failing:
                logger.warning("container %s cannot be listed, trying on: %s", self._container, error)
            self._is_failing = True
            return
        self._is_failing = False

    def _list_unseen(self) -> list[BlobProperties]:
        blobs = self._storage.container(self._container).list_blobs()
        return [blob for blob in blobs if self._pattern.fullmatch(blob.name) and self._receipt(blob) not in self._seen]

    async def _enqueue(self, blobs: list[BlobProperties]) -> None:
        """Queue each blob once for each ETag; a crash between message and receipt queues it twice."""
        hosts = await self._storage.hosts_container()
        queue = await self._storage.ensure_queue(self._queue_name)
        for blob in blobs:
            receipt = hosts.get_blob_client(self._receipt(blob))
            if not await self._storage.call(receipt.exists):
                await self._storage.call(queue.send_message, json.dumps(self._message(blob)))
                await self._storage.call(receipt.upload_blob, b"", overwrite=True, metadata={"Completed": "True"})
            self._seen.add(self._receipt(blob))

    def _receipt(self, blob: BlobProperties) -> str:
        return f"{self._receipts}/{quoted_etag(blob)}/{self._container}/{blob.name}"

    def _message(self, blob: BlobProperties) -> dict[str, str]:
        return {
            "Type": "BlobTrigger",
            "FunctionId": f"Host.Functions.{self._function.name}",
            "BlobType": "BlockBlob",
            "ContainerName": self._container,
            "BlobName": blob.name,
            "ETag": quoted_etag(blob),
        }

    async def _handle(self, lease: Lease) -> None:
        """Run for one blob; one that is gone or was replaced since is skipped: its successor has its own message."""
        message = json.loads(lease.body)
        blob = self._storage.container(message["ContainerName"]).get_blob_client(message["BlobName"])
        version = {"etag": message["ETag"], "match_condition": MatchConditions.IfNotModified}
        try:
            argument = await blob_argument(self._function, self._storage, blob, **version)
        except (ResourceNotFoundError, ResourceModifiedError):
            return
        await self._invoker.invoke(self._function, argument)


def blob_queue_options(settings: HostSettings) -> QueueOptions:
    """Tries at once, `extensions.blobs.poisonBlobThreshold` times (5)."""
    parallel = max(2, int(settings.option("extensions.blobs.maxDegreeOfParallelism", 8)))
    return replace(
        QueueOptions.from_settings(settings),
        batch_size=min(32, parallel // 2),
        new_batch_threshold=parallel // 2,
        max_dequeue_count=int(settings.option("extensions.blobs.poisonBlobThreshold", 5)),
        visibility_timeout_seconds=0.0,
        is_base64=False,
    )


def parse_path(path: str) -> tuple[str, re.Pattern[str]]:
    """`inbox/{name}.wav` → the container and what its blobs must match; a bare container matches all."""
    container, _, template = path.partition("/")
    parts = re.split(r"\{[^}]*\}", template) if template else ["", ""]
    return container, re.compile(".+".join(re.escape(part) for part in parts), re.DOTALL)


def quoted_etag(blob: BlobProperties) -> str:
    """The ETag as HTTP writes it: a list of blobs gives it bare in Azure and quoted in Azurite."""
    etag = blob.etag.strip('"')
    return f'"{etag}"'


def queue_safe(name: str) -> str:
    """The end of a name, fit for a queue of at most 63 characters."""
    return re.sub("[^a-z0-9]+", "-", name.lower())[-36:].strip("-")


async def blob_argument(
    function: LoadedFunction, storage: Storage, blob: BlobClient, **version: Any
) -> Callable[[], Any]:
    """Makes what the function receives; raises ResourceNotFoundError or ResourceModifiedError.

    Only a function that asks for the content has it downloaded: the others get a client, however large the blob is.
    """
    if is_deferred(function.annotation):
        await storage.call(blob.get_blob_properties, **version)
        return lambda: client_argument(function, blob)
    download = await storage.call(blob.download_blob, **version)
    content = await storage.call(download.readall)
    return lambda: content_argument(function, blob.url, download, content)


def client_argument(function: LoadedFunction, blob: BlobClient) -> Any:
    """A client of the SDK, made by the extension out of what the host sends instead of the content."""
    names = {
        "Connection": function.binding.get("connection") or "AzureWebJobsStorage",
        "ContainerName": blob.container_name,
        "BlobName": blob.blob_name,
    }
    data = SimpleNamespace(
        version="1.0", source="AzureStorageBlobs", content_type="application/json", content=json.dumps(names).encode()
    )
    datum = DeferredDatum(data, "model_binding_data")
    return deferred_bindings().get("blobTrigger").decode(datum, trigger_metadata={}, pytype=function.annotation)


def content_argument(function: LoadedFunction, url: str, download: StorageStreamDownloader[Any], content: Any) -> Any:
    """A func.InputStream, or the content as bytes or str."""
    if function.annotation in (str, bytes):
        return content if function.annotation is bytes else content.decode()
    fields = {
        "Uri": url,
        "Properties": {"ContentLength": len(content), "ETag": download.properties.etag},
        "Metadata": download.properties.metadata or {},
    }
    metadata = {name: meta.Datum(json.dumps(value), "json") for name, value in fields.items()}
    metadata["BlobTrigger"] = meta.Datum(f"{download.properties.container}/{download.properties.name}", "string")
    return BlobConverter.decode(meta.Datum(content, "bytes"), trigger_metadata=metadata)


async def manual_blob_argument(function: LoadedFunction, storage: Storage, path: str) -> Any:
    """The argument for a run by hand, from `container/name`; raises ResourceNotFoundError."""
    container, _, name = path.partition("/")
    argument = await blob_argument(function, storage, storage.container(container).get_blob_client(name))
    return argument()
