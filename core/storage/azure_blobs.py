"""``Blobs`` on Azure Blob storage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import IO, Any, cast

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import (
    BlobSasPermissions,
    BlobServiceClient,
    ContentSettings,
    UserDelegationKey,
    generate_blob_sas,
)

from core.errors import BlobNotFound
from core.ports import BlobProperties
from core.settings import Settings
from core.storage.azure_account import RETRY_OPTIONS, service_client, translated_errors

_SINGLE_WRITE_BYTES = 8 * 2**20  # a file up to this size is one transaction
_BLOCK_BYTES = 4 * 2**20
_CLOCK_SKEW = timedelta(minutes=5)
_DELEGATION_LIFE = timedelta(hours=6)


def blob_service(settings: Settings) -> BlobServiceClient:
    """A client for the account's blobs."""
    sizes = {"max_single_put_size": _SINGLE_WRITE_BYTES, "max_block_size": _BLOCK_BYTES}
    sizes |= {"max_single_get_size": _BLOCK_BYTES, "max_chunk_get_size": _BLOCK_BYTES}
    return service_client(BlobServiceClient, "blob", settings, **RETRY_OPTIONS, **sizes)


class AzureBlobs:
    """``Blobs`` of the storage account; a container is made when the first blob is written to it."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service
        self._delegation: tuple[datetime, UserDelegationKey] | None = None
        self._lock = threading.Lock()

    def ensure(self, *containers: str) -> None:
        """Make the containers that are missing."""
        for container in containers:
            with translated_errors(), suppress(ResourceExistsError):
                self._service.create_container(container)

    def write(
        self, container: str, name: str, chunks: Callable[[], Iterator[bytes]], *, size_bytes: int,
        content_type: str, metadata: dict[str, str],
    ) -> None:  # fmt: skip
        client = self._service.get_blob_client(container, name)
        options: dict[str, Any] = {
            "length": size_bytes,
            "overwrite": True,
            "metadata": metadata,
            "content_settings": ContentSettings(content_type=content_type),
        }
        with translated_errors():
            try:
                client.upload_blob(_reader(chunks), **options)
            except ResourceNotFoundError:
                self.ensure(container)
                client.upload_blob(_reader(chunks), **options)

    def read(self, container: str, name: str) -> Iterator[bytes]:
        with translated_errors({404: BlobNotFound}):
            chunks = self._service.get_blob_client(container, name).download_blob().chunks()
        return _translated(iter(chunks))

    def properties(self, container: str, name: str) -> BlobProperties | None:
        try:
            with translated_errors({404: BlobNotFound}):
                found = self._service.get_blob_client(container, name).get_blob_properties()
        except BlobNotFound:
            return None
        return BlobProperties(name, found.size, dict(found.metadata or {}))

    def remove_all(self, container: str, prefix: str) -> int:
        client = self._service.get_container_client(container)
        try:
            with translated_errors({404: BlobNotFound}):
                names = list(client.list_blob_names(name_starts_with=prefix))
                for name in names:
                    _delete(client.get_blob_client(name))
        except BlobNotFound:  # no container
            return 0
        return len(names)

    def url(self, container: str, name: str) -> str:
        return str(self._service.get_blob_client(container, name).url)

    def signed_url(self, container: str, name: str, *, expires_at: datetime, filename: str) -> str:
        sas = generate_blob_sas(
            account_name=str(self._service.account_name),
            container_name=container,
            blob_name=name,
            permission=BlobSasPermissions(read=True),
            expiry=expires_at,
            content_disposition=f'attachment; filename="{filename}"',
            **self._signing_key(),
        )
        return f"{self.url(container, name)}?{sas}"

    def _signing_key(self) -> dict[str, Any]:
        account_key = getattr(self._service.credential, "account_key", None)
        return {"account_key": account_key} if account_key else {"user_delegation_key": self._delegation_key()}

    def _delegation_key(self) -> UserDelegationKey:
        now = datetime.now(UTC)
        with self._lock:
            if self._delegation is None or self._delegation[0] < now + timedelta(hours=1):
                expiry = now + _DELEGATION_LIFE
                with translated_errors():
                    key = self._service.get_user_delegation_key(now - _CLOCK_SKEW, expiry)
                self._delegation = (expiry, key)
            return self._delegation[1]


class _Reader:
    """Pieces of bytes as the file that the SDK reads from; it holds no more than was asked for and one piece."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = bytearray()

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._held) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._held += chunk
        end = len(self._held) if size < 0 else size
        piece = bytes(self._held[:end])
        del self._held[:end]
        return piece


def _reader(chunks: Callable[[], Iterator[bytes]]) -> IO[bytes]:
    return cast("IO[bytes]", _Reader(chunks()))  # read() is all that the SDK calls when the length is given


def _delete(client: Any) -> None:
    try:
        client.delete_blob()
    except ResourceNotFoundError:
        return


def _translated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    with translated_errors():
        yield from chunks
