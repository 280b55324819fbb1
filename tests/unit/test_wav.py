import io
import itertools
import struct
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from core.audio.decode import probe
from core.audio.wav import Encoding, WavLengthError, encode_wav, wav_header, wav_size_bytes

ENCODINGS: tuple[Encoding, ...] = ("pcm16", "pcm24", "float32")
SUBTYPES = {"pcm16": "PCM_16", "pcm24": "PCM_24", "float32": "FLOAT"}
HALF_STEP = {"pcm16": 2**-16, "pcm24": 2**-24, "float32": 0.0}


def some_audio(channels: int, frames: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-0.99, 0.99, (channels, frames)).astype(np.float32)


def encoded(audio: NDArray[np.float32], encoding: Encoding, block_frames: int = 1000) -> bytes:
    channels, frames = audio.shape
    blocks = (audio[:, start : start + block_frames] for start in range(0, frames, block_frames))
    return b"".join(encode_wav(blocks, frames, 44100, channels, encoding))


@pytest.mark.parametrize(("encoding", "channels", "frames"), [*itertools.product(ENCODINGS, (1, 2, 3), (0, 1, 4321))])
def test_another_reader_gets_back_what_went_in(encoding: Encoding, channels: int, frames: int) -> None:
    audio = some_audio(channels, frames)
    file = encoded(audio, encoding)
    assert len(file) == wav_size_bytes(frames, channels, encoding)
    assert len(file) % 2 == 0

    with soundfile.SoundFile(io.BytesIO(file)) as reader:
        assert (reader.samplerate, reader.channels, reader.subtype) == (44100, channels, SUBTYPES[encoding])
        assert reader.frames == frames
        read = reader.read(dtype="float64", always_2d=True).T
    assert np.max(np.abs(read - audio), initial=0) <= HALF_STEP[encoding]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_bytes_do_not_depend_on_the_blocks(encoding: Encoding) -> None:
    audio = some_audio(2, 5000)
    assert encoded(audio, encoding, 7) == encoded(audio, encoding, 5000)


def test_integers_are_rounded_and_clipped() -> None:
    steps = np.array([[0.4, 0.6, -0.6, 1.5, 2.5, 32767.4]]) / 32768
    audio = np.concatenate([steps, [[1.0, 7.0, -1.0, -7.0]]], axis=1).astype(np.float32)
    samples = np.frombuffer(encoded(audio, "pcm16")[44:], "<i2")
    assert samples.tolist() == [0, 1, -1, 2, 2, 32767, 32767, 32767, -32768, -32768]


def test_24_bits_keep_what_float32_can_say() -> None:
    file = encoded(np.array([[1.0, -1.0, 2**-23, -(2**-23)]], np.float32), "pcm24")
    assert file[-12:] == bytes.fromhex("ffff7f 000080 010000 ffffff")


@pytest.mark.parametrize(("frames", "channels"), [(999, 2), (1001, 2), (1000, 1)])
def test_refuses_blocks_that_the_header_did_not_promise(frames: int, channels: int) -> None:
    with pytest.raises(WavLengthError):
        list(encode_wav([some_audio(2, 1000)], frames, 44100, channels))


def most_frames_of_riff(encoding: Encoding) -> int:
    """The longest stereo file whose sizes fit 32 bits."""
    frame_bytes = wav_size_bytes(1, 2, encoding) - wav_size_bytes(0, 2, encoding)
    return (2**32 - 1 + 8 - wav_size_bytes(0, 2, encoding)) // frame_bytes


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_beyond_4_gib_the_header_becomes_rf64(encoding: Encoding) -> None:
    most = most_frames_of_riff(encoding)
    last_riff, first_rf64 = (wav_header(frames, 44100, 2, encoding) for frames in (most, most + 1))
    assert last_riff[:4] == b"RIFF"
    assert first_rf64[:8] == b"RF64\xff\xff\xff\xff"
    assert first_rf64[-8:] == b"data\xff\xff\xff\xff"

    assert first_rf64[12:20] == b"ds64" + struct.pack("<I", 28)
    riff_bytes, data_bytes, frames, table_length = struct.unpack("<QQQI", first_rf64[20:48])
    assert riff_bytes == wav_size_bytes(most + 1, 2, encoding) - 8
    assert data_bytes == (most + 1) * 2 * {"pcm16": 2, "pcm24": 3, "float32": 4}[encoding]
    assert len(first_rf64) + data_bytes == wav_size_bytes(most + 1, 2, encoding)
    assert (frames, table_length) == (most + 1, 0)


class SparseFile(io.RawIOBase):
    """A head, and then zeros up to its size, which take no memory."""

    def __init__(self, head: bytes, size_bytes: int) -> None:
        super().__init__()
        self._head, self._size_bytes, self._position = head, size_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + {0: 0, 1: self._position, 2: self._size_bytes}[whence]
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] - io's own signature takes any buffer
        size = max(0, min(len(buffer), self._size_bytes - self._position))
        buffer[:size] = self._head[self._position : self._position + size].ljust(size, b"\0")
        self._position += size
        return size


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_other_readers_see_the_whole_length_of_an_rf64(encoding: Encoding) -> None:
    frames = most_frames_of_riff(encoding) + 1000
    file = SparseFile(wav_header(frames, 44100, 2, encoding), wav_size_bytes(frames, 2, encoding))
    with soundfile.SoundFile(file) as reader:
        assert (reader.format, reader.frames, reader.subtype) == ("RF64", frames, SUBTYPES[encoding])
    assert probe(file, "long.wav", longest_seconds=10**6).duration_seconds == frames / 44100


def test_the_first_piece_comes_before_the_second_block_is_asked_for() -> None:
    def blocks() -> Iterator[NDArray[np.float32]]:
        yield some_audio(2, 10)
        raise AssertionError("asked too early")

    pieces = encode_wav(blocks(), 20, 44100, 2)
    assert len(next(pieces)) == 44
    assert len(next(pieces)) == 40
