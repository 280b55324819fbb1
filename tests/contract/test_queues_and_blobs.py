"""What every queue and blob store promises."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from core.bootstrap import Storage
from core.errors import BlobNotFound
from core.jobs.messages import CALLBACKS, CPU_REQUESTS
from local.azurite import Azurite
from tests.contract.conftest import Account, azure_account

CONTAINER = "audio-files"


def write(storage: Storage, name: str, content: bytes = b"music", pieces: int = 1) -> None:
    size = max(1, len(content) // pieces)
    storage.blobs.write(
        CONTAINER,
        name,
        lambda: (content[start : start + size] for start in range(0, len(content), size)),
        size_bytes=len(content),
        content_type="audio/wav",
        metadata={"output": '{"a": 1}'},
    )


def test_messages_come_out_as_they_went_in(account: Account) -> None:
    account.storage.queues.send(CPU_REQUESTS, '{"job_id": "ü"}')
    account.storage.queues.send(CALLBACKS, "other")
    assert account.receive(CPU_REQUESTS) == ['{"job_id": "ü"}']


def test_a_delayed_message_is_counted_but_not_seen(account: Account) -> None:
    account.storage.queues.send(CPU_REQUESTS, "later", delay_seconds=600)
    assert account.receive(CPU_REQUESTS) == []
    assert account.storage.queues.count(CPU_REQUESTS) == 1


def test_a_queue_that_does_not_exist_is_empty_and_made_by_the_first_message(
    account: Account, unique_name: Callable[[str], str]
) -> None:
    name = unique_name("q")
    assert account.storage.queues.count(name) == 0
    account.storage.queues.send(name, "first")
    assert account.receive(name) == ["first"]


@pytest.mark.parametrize("size", [0, 5, 9 * 2**20])  # the last one takes several blocks
def test_a_blob_reads_back_as_it_was_written(storage: Storage, size: int) -> None:
    content = hashlib.sha256(b"x").digest() * (size // 32) + b"x" * (size % 32)
    write(storage, "f/a.wav", content, pieces=7)
    assert b"".join(storage.blobs.read(CONTAINER, "f/a.wav")) == content
    properties = storage.blobs.properties(CONTAINER, "f/a.wav")
    assert properties is not None
    assert (properties.size_bytes, properties.metadata) == (size, {"output": '{"a": 1}'})


def test_writing_again_replaces(storage: Storage) -> None:
    write(storage, "f/again.wav", b"first")
    write(storage, "f/again.wav", b"second")
    assert b"".join(storage.blobs.read(CONTAINER, "f/again.wav")) == b"second"


def test_a_missing_blob_says_so(storage: Storage) -> None:
    assert storage.blobs.properties(CONTAINER, "f/none.wav") is None
    with pytest.raises(BlobNotFound):
        storage.blobs.read(CONTAINER, "f/none.wav")


def test_removing_a_folder_leaves_its_neighbours(storage: Storage) -> None:
    for name in ("g/1/a.wav", "g/1/b.wav", "g/10/a.wav"):
        write(storage, name)
    assert storage.blobs.remove_all(CONTAINER, "g/1/") == 2
    assert storage.blobs.remove_all(CONTAINER, "g/1/") == 0
    assert storage.blobs.properties(CONTAINER, "g/10/a.wav") is not None
    assert storage.blobs.remove_all("no-such-container", "g/") == 0


def test_a_signed_url_names_the_blob(storage: Storage) -> None:
    write(storage, "h/a.wav")
    expires_at = datetime.now(UTC) + timedelta(minutes=5)
    url = storage.blobs.signed_url(CONTAINER, "h/a.wav", expires_at=expires_at, filename="a.wav")
    assert url.startswith(storage.blobs.url(CONTAINER, "h/a.wav") + "?")


def test_on_azure_a_signed_url_reads_and_only_reads(azurite: Azurite) -> None:
    storage = azure_account(azurite).storage
    write(storage, "aud-123e4567.../generated/gen-123e4567.../a.wav")  # an id as the first service's page shows it
    name = "aud-123e4567.../generated/gen-123e4567.../a.wav"
    expires_at = datetime.now(UTC) + timedelta(minutes=5)
    url = storage.blobs.signed_url(CONTAINER, name, expires_at=expires_at, filename="a.wav")
    got = httpx.get(url)
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, b"music", "audio/wav")
    assert got.headers["content-disposition"] == 'attachment; filename="a.wav"'
    assert httpx.put(url, content=b"x", headers={"x-ms-blob-type": "BlockBlob"}).status_code == 403
    assert httpx.get(storage.blobs.url(CONTAINER, name)).status_code in (403, 404, 409)
