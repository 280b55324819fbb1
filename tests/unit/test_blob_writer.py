"""A blob is written as a file whose beginning may still change."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import pytest

from core.files.writer import BlobWriter
from core.storage.memory import MemoryBlobs


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


@pytest.fixture
def file(blobs: MemoryBlobs) -> BlobWriter:
    return BlobWriter(blobs, "files", "a", lambda call: call(), block_bytes=10)


def committed(blobs: MemoryBlobs, file: BlobWriter) -> bytes:
    file.stage_rest()
    digest = file.commit("audio/wav")
    content = b"".join(blobs.read("files", "a"))
    assert digest == hashlib.sha256(content).hexdigest()
    assert file.size_bytes == len(content)
    return content


@pytest.mark.parametrize(
    "pieces", [[b"short"], [b"exactly ten"[:10]], [b"x" * 35], [b"abc"] * 11, [b"", b"a" * 20, b""]]
)
def test_what_was_written_comes_out(blobs: MemoryBlobs, file: BlobWriter, pieces: list[bytes]) -> None:
    for piece in pieces:
        assert file.write(piece) == len(piece)
    assert committed(blobs, file) == b"".join(pieces)


def test_the_head_can_be_patched_and_writing_goes_on_at_the_end(blobs: MemoryBlobs, file: BlobWriter) -> None:
    file.write(b"????" + b"a" * 30)
    file.seek(0)
    file.write(b"HEAD")
    assert file.tell() == 4
    assert file.seek(0, io.SEEK_END) == 34
    file.write(b"end")
    assert committed(blobs, file) == b"HEAD" + b"a" * 30 + b"end"


def test_a_patch_may_run_over_the_end_of_a_short_file(blobs: MemoryBlobs, file: BlobWriter) -> None:
    file.write(b"abc")
    file.seek(1)
    file.write(b"BCDE")
    assert committed(blobs, file) == b"aBCDE"


def test_what_is_uploaded_can_no_longer_be_changed(file: BlobWriter) -> None:
    file.write(b"a" * 35)
    with pytest.raises(io.UnsupportedOperation):
        file.seek(20)
    file.seek(8)
    with pytest.raises(io.UnsupportedOperation):
        file.write(b"beyond")
    with pytest.raises(io.UnsupportedOperation):
        file.read()


def test_full_blocks_leave_at_once_and_nobody_sees_them_before_the_end(blobs: MemoryBlobs) -> None:
    calls: list[Callable[[], None]] = []
    file = BlobWriter(blobs, "files", "a", calls.append, block_bytes=10)
    file.write(b"a" * 35)
    assert len(calls) == 2  # the head waits, and the last five bytes
    for call in calls:
        call()
    assert [block.size_bytes for block in blobs.staged("files", "a")] == [10, 10]
    assert blobs.properties("files", "a") is None


def test_an_abandoned_file_uploads_nothing_more(blobs: MemoryBlobs, file: BlobWriter) -> None:
    file.write(b"a" * 20)
    file.abandon()
    file.write(b"a" * 35)
    file.stage_rest()
    assert len(blobs.staged("files", "a")) == 1
