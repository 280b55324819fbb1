"""A blob read as a file: the right bytes, few transactions, and a plain word when it changed underneath."""

from __future__ import annotations

import hashlib
import io
import random
import threading
from collections.abc import Callable

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SourceChanged, SourceNotFound, StorageUnavailable
from core.files.reader import PIECE_BYTES, BlobReader
from core.files.source import Source
from core.storage.memory import MemoryBlobs

SEVEN_PIECES = random.Random(1).randbytes(6 * PIECE_BYTES + 12345)


class CountingBlobs(MemoryBlobs):
    """Writes down which pieces are read; ``broken`` makes the next reads fail."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[int] = []
        self.broken = False

    def read_range(self, container: str, name: str, offset: int, size_bytes: int, etag: str) -> bytes:
        self.pieces.append(offset // PIECE_BYTES)
        if self.broken:
            raise StorageUnavailable
        return super().read_range(container, name, offset, size_bytes, etag)


def put(blobs: MemoryBlobs, content: bytes) -> Source:
    blobs.write(
        "uploads", "u/song", lambda: iter((content,)), size_bytes=len(content), content_type="audio/wav", metadata={}
    )
    properties = blobs.properties("uploads", "u/song")
    assert properties is not None
    return Source(
        container="uploads", name="u/song", etag=properties.etag, size_bytes=len(content), filename="song.wav"
    )


@pytest.fixture
def blobs() -> CountingBlobs:
    return CountingBlobs()


@pytest.fixture
def big(blobs: CountingBlobs) -> Source:
    return put(blobs, SEVEN_PIECES)


def test_reading_from_end_to_end_fetches_every_piece_once(blobs: CountingBlobs, big: Source) -> None:
    with BlobReader(blobs, big) as file:
        digest = hashlib.file_digest(file, "sha256")
    assert digest.digest() == hashlib.sha256(SEVEN_PIECES).digest()
    assert sorted(blobs.pieces) == list(range(7))


def test_small_reads_fetch_no_more_than_large_ones(blobs: CountingBlobs, big: Source) -> None:
    with BlobReader(blobs, big) as file:
        while file.read(32768):
            pass
    assert sorted(blobs.pieces) == list(range(7))


def test_looking_at_the_beginning_fetches_one_piece(blobs: CountingBlobs, big: Source) -> None:
    with BlobReader(blobs, big) as file:
        assert file.read(12) == SEVEN_PIECES[:12]
        assert file.size_bytes == len(SEVEN_PIECES)
    assert blobs.pieces == [0]


def test_nothing_is_fetched_before_the_first_read(blobs: CountingBlobs, big: Source) -> None:
    with BlobReader(blobs, big) as file:
        assert file.seek(0, io.SEEK_END) == file.tell() == len(SEVEN_PIECES)
        assert file.read(1) == b""
    assert blobs.pieces == []


def test_going_back_and_forth_fetches_nothing_twice(blobs: CountingBlobs, big: Source) -> None:
    with BlobReader(blobs, big) as file:
        for turn in range(50):
            for position in (100_000 * turn, len(SEVEN_PIECES) - 10_000 + turn):
                file.seek(position)
                assert file.read(1000) == SEVEN_PIECES[position : position + 1000]
    assert sorted(blobs.pieces) == [0, 1, 6]


def test_what_was_read_long_ago_is_given_up(blobs: CountingBlobs, big: Source) -> None:
    with BlobReader(blobs, big) as file:
        file.read()
        blobs.pieces.clear()
        file.seek(2 * PIECE_BYTES)
        file.read(1)
        assert blobs.pieces == []
        file.seek(0)
        file.read(1)
        assert blobs.pieces == [0]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(-3, 3), st.integers(0, 2 * PIECE_BYTES)), max_size=20)
)
def test_it_reads_like_a_file_on_disk(steps: list[tuple[int, int, int]]) -> None:
    blobs, plain = MemoryBlobs(), io.BytesIO(SEVEN_PIECES)
    with BlobReader(blobs, put(blobs, SEVEN_PIECES)) as file:
        for whence, pieces, size in steps:
            base = (0, plain.tell(), len(SEVEN_PIECES))[whence]
            offset = max(pieces * PIECE_BYTES + size % 1000, -base)
            assert file.seek(offset, whence) == plain.seek(offset, whence)
            assert file.read(size) == plain.read(size)
            assert file.tell() == plain.tell()


def test_an_empty_file_has_nothing_to_read(blobs: CountingBlobs) -> None:
    with BlobReader(blobs, put(blobs, b"")) as file:
        assert file.read() == b""


def test_a_blob_that_was_overwritten_is_not_read_on(blobs: CountingBlobs, big: Source) -> None:
    with BlobReader(blobs, big) as file:
        file.read(10)
        put(blobs, SEVEN_PIECES[::-1])
        file.seek(5 * PIECE_BYTES)
        with pytest.raises(SourceChanged, match="uploads/u/song was overwritten after it was accepted"):
            file.read(10)


def test_a_blob_that_was_overwritten_while_the_next_piece_was_fetched_is_not_read_on(
    blobs: CountingBlobs, big: Source
) -> None:
    with BlobReader(blobs, big) as file:
        file.read(PIECE_BYTES)
        put(blobs, SEVEN_PIECES[::-1])
        with pytest.raises(SourceChanged):
            file.read()


def test_a_blob_that_was_removed_is_not_found(blobs: CountingBlobs, big: Source) -> None:
    blobs.remove_all("uploads", "u/")
    with BlobReader(blobs, big) as file, pytest.raises(SourceNotFound, match="was removed"):
        file.read(10)


def test_after_an_outage_reading_goes_on_where_it_stopped(blobs: CountingBlobs, big: Source) -> None:
    with BlobReader(blobs, big) as file:
        file.seek(3 * PIECE_BYTES)
        blobs.broken = True
        with pytest.raises(StorageUnavailable):
            file.read(10)
        blobs.broken = False
        assert file.read(10) == SEVEN_PIECES[3 * PIECE_BYTES :][:10]


def test_closing_ends_its_thread(blobs: CountingBlobs, big: Source) -> None:
    def threads() -> int:
        return sum(thread.name.startswith("blob-reader") for thread in threading.enumerate())

    file = BlobReader(blobs, big)
    file.read(2 * PIECE_BYTES)
    assert threads() == 1
    file.close()
    assert threads() == 0
    with pytest.raises(ValueError, match="closed"):
        file.read(1)


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.5, 0.5, (int(seconds * 44100), 2)).astype(np.float32)


def wav(seconds: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, noise(seconds), 44100, format="WAV", subtype="PCM_16")
    return file.getvalue()


def m4a_with_its_index_at_the_end(seconds: float) -> bytes:
    """The index of an mp4 is written last, where it stays unless a second pass moves it."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100, layout="stereo", bit_rate=320_000)
        samples = np.ascontiguousarray(noise(seconds).T)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def decoded(file: io.BufferedIOBase) -> bytes:
    with av.open(file) as container:
        return b"".join(frame.to_ndarray().tobytes() for frame in container.decode(audio=0))


@pytest.mark.parametrize(("encoded", "seconds"), [(wav, 60), (m4a_with_its_index_at_the_end, 115)])
def test_pyav_decodes_it_as_it_does_a_file_and_fetches_no_piece_twice(
    blobs: CountingBlobs, encoded: Callable[[float], bytes], seconds: float
) -> None:
    content = encoded(seconds)
    assert len(content) > PIECE_BYTES
    with BlobReader(blobs, put(blobs, content)) as file:
        assert decoded(file) == decoded(io.BytesIO(content))
    assert sorted(blobs.pieces) == list(range(-(-len(content) // PIECE_BYTES)))


def test_soundfile_reads_it_as_it_does_a_file(blobs: CountingBlobs) -> None:
    content = wav(30)
    with BlobReader(blobs, put(blobs, content)) as file:
        samples, _ = soundfile.read(file)
    assert np.array_equal(samples, soundfile.read(io.BytesIO(content))[0])
    assert sorted(blobs.pieces) == [0, 1]
