"""What every queue and blob store promises."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable

import pytest

from core.bootstrap import Storage
from core.errors import BlobChanged, BlobNotFound, StorageError
from core.jobs.messages import CALLBACKS, CPU_REQUESTS
from tests.contract.conftest import Account

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


def etag_of(storage: Storage, name: str) -> str:
    properties = storage.blobs.properties(CONTAINER, name)
    assert properties is not None
    return properties.etag


def commit(storage: Storage, name: str, *block_ids: str) -> None:
    storage.blobs.commit(CONTAINER, name, list(block_ids), content_type="audio/wav", metadata={"made": "of parts"})


def content_of(storage: Storage, name: str) -> bytes:
    return b"".join(storage.blobs.read(CONTAINER, name))


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


def test_a_range_gives_these_bytes_and_no_more_than_there_are(storage: Storage) -> None:
    content = random.Random(1).randbytes(6 * 2**20)  # more than the SDK fetches at once
    write(storage, "r/a.wav", content)
    etag = etag_of(storage, "r/a.wav")

    def read(offset: int, size_bytes: int) -> bytes:
        return storage.blobs.read_range(CONTAINER, "r/a.wav", offset, size_bytes, etag)

    assert read(0, 4) == content[:4]
    assert read(1000, 5 * 2**20) == content[1000 : 1000 + 5 * 2**20]
    assert read(len(content) - 3, 100) == content[-3:]
    assert read(len(content), 100) == b""
    assert read(len(content) + 1, 1) == b""


def test_an_empty_blob_has_an_empty_range(storage: Storage) -> None:
    write(storage, "r/empty.wav", b"")
    assert storage.blobs.read_range(CONTAINER, "r/empty.wav", 0, 10, etag_of(storage, "r/empty.wav")) == b""


def test_a_range_of_another_version_is_refused(storage: Storage) -> None:
    write(storage, "r/b.wav", b"first")
    etag = etag_of(storage, "r/b.wav")
    write(storage, "r/b.wav", b"other")
    with pytest.raises(BlobChanged):
        storage.blobs.read_range(CONTAINER, "r/b.wav", 0, 5, etag)
    storage.blobs.remove_all(CONTAINER, "r/b.wav")
    with pytest.raises(BlobNotFound):
        storage.blobs.read_range(CONTAINER, "r/b.wav", 0, 5, etag)


def test_a_list_has_sizes_metadata_and_the_versions_that_properties_has(storage: Storage) -> None:
    for name in ("l/2.wav", "l/10.wav", "l/1.wav", "k/1.wav"):
        write(storage, name, name.encode())
    found = storage.blobs.list_all(CONTAINER, "l/")
    assert [blob.name for blob in found] == ["l/1.wav", "l/10.wav", "l/2.wav"]
    assert [blob.size_bytes for blob in found] == [7, 8, 7]
    assert found == [storage.blobs.properties(CONTAINER, blob.name) for blob in found]
    assert found[0].metadata == {"output": '{"a": 1}'}
    assert storage.blobs.list_all("no-such-container", "") == []


def test_metadata_is_replaced_in_the_version_that_was_seen(storage: Storage) -> None:
    write(storage, "m/a.wav")
    etag = etag_of(storage, "m/a.wav")
    storage.blobs.set_metadata(CONTAINER, "m/a.wav", {"peaks": "done"}, etag)
    properties = storage.blobs.properties(CONTAINER, "m/a.wav")
    assert properties is not None
    assert (properties.metadata, properties.size_bytes) == ({"peaks": "done"}, 5)
    assert properties.etag != etag
    with pytest.raises(BlobChanged):
        storage.blobs.set_metadata(CONTAINER, "m/a.wav", {}, etag)
    with pytest.raises(BlobNotFound):
        storage.blobs.set_metadata(CONTAINER, "m/none.wav", {}, etag)


def test_staged_parts_are_no_blob_until_they_are_committed(storage: Storage) -> None:
    name = "s/a.wav"
    assert storage.blobs.staged(CONTAINER, name) == []
    for block_id, part in (("2", b"two"), ("1", b"one?"), ("1", b"one"), ("ü" * 32, b"never wanted")):
        storage.blobs.stage(CONTAINER, name, block_id, part)
    staged = {block.block_id: block.size_bytes for block in storage.blobs.staged(CONTAINER, name)}
    assert staged == {"1": 3, "2": 3, "ü" * 32: 12}
    assert storage.blobs.properties(CONTAINER, name) is None
    assert storage.blobs.list_all(CONTAINER, "s/") == []
    commit(storage, name, "1", "2")
    assert content_of(storage, name) == b"onetwo"
    assert storage.blobs.staged(CONTAINER, name) == []
    properties = storage.blobs.properties(CONTAINER, name)
    assert properties is not None
    assert (properties.size_bytes, properties.metadata) == (6, {"made": "of parts"})


def test_a_commit_can_be_repeated_and_can_use_parts_of_the_blob_that_is_there(storage: Storage) -> None:
    name = "s/b.wav"
    storage.blobs.stage(CONTAINER, name, "1", b"one")
    commit(storage, name, "1")
    commit(storage, name, "1")
    storage.blobs.stage(CONTAINER, name, "2", b"two")
    commit(storage, name, "1", "2")
    assert content_of(storage, name) == b"onetwo"


def test_a_commit_of_a_part_that_was_never_staged_changes_nothing(storage: Storage) -> None:
    write(storage, "s/c.wav", b"before")
    with pytest.raises(StorageError):
        commit(storage, "s/c.wav", "1")
    assert content_of(storage, "s/c.wav") == b"before"


def test_staging_makes_the_container(storage: Storage, unique_name: Callable[[str], str]) -> None:
    container = unique_name("c")
    storage.blobs.stage(container, "a.wav", "1", b"one")
    assert [block.size_bytes for block in storage.blobs.staged(container, "a.wav")] == [3]


def test_parts_can_be_staged_from_several_threads(storage: Storage) -> None:
    def stage(number: int) -> None:
        storage.blobs.stage(CONTAINER, "s/e.wav", f"{number:02}", bytes([number]))

    threads = [threading.Thread(target=stage, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    commit(storage, "s/e.wav", *(f"{number:02}" for number in range(8)))
    assert content_of(storage, "s/e.wav") == bytes(range(8))
