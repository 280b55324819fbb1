"""``Blobs`` on Azure Blob storage."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import IO, Any, cast

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContentSettings,
    UserDelegationKey,
    generate_blob_sas,
)

from core.errors import BlobChanged, BlobNotFound, StorageError, WorkLost
from core.ports import BlobProperties, StagedBlock
from core.settings import Settings
from core.storage.azure_account import RETRY_OPTIONS, service_client, translated_errors

_SINGLE_WRITE_BYTES = 8 * 2**20  # a file up to this size is one transaction
_BLOCK_BYTES = 4 * 2**20
_BLOCK_ID_BYTES = 64  # the most that the service allows, and one length for all, which it demands
_CLOCK_SKEW = timedelta(minutes=5)
_DELEGATION_SPARE = timedelta(hours=6)  # how much longer than the first address a key lasts, for those that follow
_LONGEST_DELEGATION = timedelta(days=7)  # the service's limit


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
        self._made: set[str] = set()

    def ensure(self, *containers: str) -> None:
        """Make the containers that are missing."""
        for container in containers:
            with translated_errors(), suppress(ResourceExistsError):
                self._service.create_container(container)

    def write(
        self, container: str, name: str, chunks: Callable[[], Iterator[bytes]], *, size_bytes: int,
        content_type: str, metadata: dict[str, str],
    ) -> None:  # fmt: skip
        client = self._blob(container, name)
        settings = ContentSettings(content_type=content_type)
        self._make(
            container,
            lambda: client.upload_blob(
                _reader(chunks), length=size_bytes, overwrite=True, metadata=metadata, content_settings=settings
            ),
        )

    def read(self, container: str, name: str) -> Iterator[bytes]:
        with translated_errors({404: BlobNotFound}):
            chunks = self._blob(container, name).download_blob().chunks()
        return _translated(iter(chunks))

    def read_range(self, container: str, name: str, offset: int, size_bytes: int, etag: str) -> bytes:
        client = self._blob(container, name)
        try:
            with self._this_version(container, name):
                content: bytes = client.download_blob(offset, size_bytes, **_only(etag)).readall()
        except _PastTheEnd:
            return b""
        return content

    def properties(self, container: str, name: str) -> BlobProperties | None:
        try:
            with translated_errors({404: BlobNotFound}):
                return _properties(self._blob(container, name).get_blob_properties())
        except BlobNotFound:
            return None

    def set_metadata(self, container: str, name: str, metadata: dict[str, str], etag: str) -> None:
        with self._this_version(container, name):
            self._blob(container, name).set_blob_metadata(metadata, **_only(etag))

    def stage(self, container: str, name: str, block_id: str, content: bytes) -> None:
        client = self._blob(container, name)
        self._make(container, lambda: client.stage_block(_padded(block_id), content, len(content)))

    def staged(self, container: str, name: str) -> list[StagedBlock]:
        blocks: list[StagedBlock] = []

        def keep(_response: Any, found: Any, _headers: Any) -> Any:
            """Take the ids as the service sends them: the SDK decodes those that it can, and does not say which."""
            blocks.extend(StagedBlock(_unpadded(block.name), block.size) for block in found.uncommitted_blocks or ())
            return found

        try:
            with translated_errors({404: BlobNotFound}):
                self._blob(container, name).get_block_list("uncommitted", cls=keep)
        except BlobNotFound:
            return []
        return blocks

    def commit(
        self, container: str, name: str, block_ids: list[str], *, content_type: str, metadata: dict[str, str]
    ) -> None:
        client = self._blob(container, name)
        # "Latest", the default, also takes blocks that are committed already: so a commit can be tried again
        blocks = [BlobBlock(_padded(block_id)) for block_id in block_ids]
        settings = ContentSettings(content_type=content_type)
        self._make(
            container,
            lambda: client.commit_block_list(blocks, content_settings=settings, metadata=metadata),
            {400: WorkLost},  # InvalidBlockList
        )

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
        return str(self._blob(container, name).url)

    def signed_url(self, container: str, name: str, *, expires_at: datetime, filename: str) -> str:
        disposition = f'attachment; filename="{filename}"'
        permission = BlobSasPermissions(read=True)
        return self._signed(container, name, permission, expires_at, content_disposition=disposition)

    def signed_upload_url(self, container: str, name: str, *, expires_at: datetime) -> str:
        if container not in self._made:  # whoever has nothing but the address cannot make it
            self.ensure(container)
            self._made.add(container)
        return self._signed(container, name, BlobSasPermissions(create=True, write=True), expires_at)

    def list_all(self, container: str, prefix: str) -> list[BlobProperties]:
        client = self._service.get_container_client(container)
        try:
            with translated_errors({404: BlobNotFound}):
                return [_properties(found) for found in client.list_blobs(prefix, include=["metadata"])]
        except BlobNotFound:  # no container
            return []

    def _blob(self, container: str, name: str) -> BlobClient:
        return self._service.get_blob_client(container, name)

    @contextmanager
    def _this_version(self, container: str, name: str) -> Iterator[None]:
        """Translate the errors of a call that has an etag as its condition."""
        try:
            with translated_errors({404: BlobNotFound, 412: BlobChanged, 416: _PastTheEnd}):
                yield
        except BlobChanged as error:  # Azurite says this of a blob that is gone, too
            if self.properties(container, name) is None:
                raise BlobNotFound(f"there is no blob {container}/{name}") from error
            raise

    def _make(
        self, container: str, write: Callable[[], object], known: dict[int, type[StorageError]] | None = None
    ) -> None:
        """Write, after making the container if it is missing."""
        with translated_errors(known):
            try:
                write()
            except ResourceNotFoundError:
                self.ensure(container)
                write()

    def _signed(
        self, container: str, name: str, permission: BlobSasPermissions, expires_at: datetime, **headers: Any
    ) -> str:
        sas = generate_blob_sas(
            account_name=str(self._service.account_name),
            container_name=container,
            blob_name=name,
            permission=permission,
            expiry=expires_at,
            **headers,
            **self._signing_key(expires_at),
        )
        return f"{self.url(container, name)}?{sas}"

    def _signing_key(self, expires_at: datetime) -> dict[str, Any]:
        account_key = getattr(self._service.credential, "account_key", None)
        if account_key:
            return {"account_key": account_key}
        return {"user_delegation_key": self._delegation_key(expires_at)}

    def _delegation_key(self, needed_until: datetime) -> UserDelegationKey:
        """A key that lasts as long as the address: with its key's time, an address's time is over as well."""
        now = datetime.now(UTC)
        with self._lock:
            if self._delegation is None or self._delegation[0] < needed_until:
                expiry = min(needed_until + _DELEGATION_SPARE, now + _LONGEST_DELEGATION - _CLOCK_SKEW)
                with translated_errors():
                    key = self._service.get_user_delegation_key(now - _CLOCK_SKEW, expiry)
                self._delegation = (expiry, key)
            return self._delegation[1]


class _PastTheEnd(StorageError):
    """The range begins where the blob has ended."""


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


def _only(etag: str) -> dict[str, Any]:
    """The condition that the blob is still this version."""
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _properties(found: Any) -> BlobProperties:
    etag = found.etag.strip('"')  # a list has it bare, as everything else has it quoted
    return BlobProperties(found.name, found.size, dict(found.metadata or {}), f'"{etag}"')


def _padded(block_id: str) -> str:
    """The id at the one length that all ids of a blob must have; the SDK turns it into base64."""
    missing = _BLOCK_ID_BYTES - len(block_id.encode())
    if missing < 0:
        raise ValueError(f"the block id {block_id!r} has more than {_BLOCK_ID_BYTES} bytes")
    return block_id + "\0" * missing


def _unpadded(encoded: str) -> str:
    """The id before ``_padded``. Of another length it is somebody else's: then base64, as that client wrote it."""
    try:
        decoded = base64.b64decode(encoded)
        return decoded.decode().rstrip("\0") if len(decoded) == _BLOCK_ID_BYTES else encoded
    except ValueError:  # neither base64 nor text: not one of ours
        return encoded


def _delete(client: Any) -> None:
    try:
        client.delete_blob()
    except ResourceNotFoundError:
        return


def _translated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    with translated_errors():
        yield from chunks
