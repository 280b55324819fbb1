"""A streaming WAV encoder: the length is known beforehand, so the header goes out first and nothing is held back."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.ports import Block

Encoding = Literal["pcm16", "pcm24", "float32"]

BYTES_PER_SAMPLE: dict[Encoding, int] = {"pcm16": 2, "pcm24": 3, "float32": 4}
_PCM, _IEEE_FLOAT = 1, 3  # format tags of Microsoft's "Multimedia Programming Interface and Data Specifications 1.0"
_LARGEST_CHUNK_BYTES = 2**32 - 1


class WavTooLongError(ValueError):
    """The file would not fit a WAV header, whose sizes are 32-bit."""


class WavLengthError(ValueError):
    """The blocks did not add up to the frames that the header had promised."""


def wav_size_bytes(total_frames: int, channels: int, encoding: Encoding = "pcm16") -> int:
    """The size of the whole file, header included."""
    data_bytes = total_frames * channels * BYTES_PER_SAMPLE[encoding]
    return len(_header_before_data(44100, channels, encoding)) + 20 + data_bytes + data_bytes % 2


def wav_header(total_frames: int, sample_rate: int, channels: int, encoding: Encoding = "pcm16") -> bytes:
    """Everything before the samples.

    Raises:
        WavTooLongError: the file would pass 4 GiB.
    """
    data_bytes = total_frames * channels * BYTES_PER_SAMPLE[encoding]
    riff_bytes = wav_size_bytes(total_frames, channels, encoding) - 8
    if riff_bytes > _LARGEST_CHUNK_BYTES:
        raise WavTooLongError(
            f"{total_frames} frames of {channels} channels in {encoding} make {riff_bytes + 8} bytes; "
            "a WAV file holds less than 4 GiB: use a shorter duration or a smaller encoding"
        )
    form = struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE")
    chunks = _header_before_data(sample_rate, channels, encoding, total_frames)
    return form + chunks + struct.pack("<4sI", b"data", data_bytes)


def encode_wav(
    blocks: Iterable[Block], total_frames: int, sample_rate: int, channels: int, encoding: Encoding = "pcm16"
) -> Iterator[bytes]:
    """Yield a WAV file piece by piece: the header, then one piece a block ``[C, T]``.

    Integers are rounded to the nearest step of 1/32768 (or 1/2²³) and clipped; the same blocks give the same bytes.

    Raises:
        WavTooLongError: before the first piece.
        WavLengthError: at the block that has another number of channels or goes beyond ``total_frames``, or at the
            end if frames are missing.
    """
    yield wav_header(total_frames, sample_rate, channels, encoding)
    quantise = _QUANTISERS[encoding]
    frames = 0
    for block in blocks:
        frames += block.shape[1]
        if block.shape[0] != channels or frames > total_frames:
            raise WavLengthError(f"a block {block.shape} does not fit {channels} channels, {total_frames} frames")
        yield quantise(block)
    if frames != total_frames:
        raise WavLengthError(f"{frames} frames came, the header says {total_frames}")
    if (total_frames * channels * BYTES_PER_SAMPLE[encoding]) % 2:
        yield b"\0"  # chunks are padded to an even size


def _header_before_data(sample_rate: int, channels: int, encoding: Encoding, total_frames: int = 0) -> bytes:
    """The ``fmt`` chunk, and for float the ``fact`` chunk that every format but PCM must have."""
    frame_bytes = channels * BYTES_PER_SAMPLE[encoding]
    bits = 8 * BYTES_PER_SAMPLE[encoding]
    tag = _IEEE_FLOAT if encoding == "float32" else _PCM
    layout = struct.pack("<HHIIHH", tag, channels, sample_rate, sample_rate * frame_bytes, frame_bytes, bits)
    if encoding != "float32":
        return struct.pack("<4sI", b"fmt ", len(layout)) + layout
    fact = struct.pack("<4sII", b"fact", 4, total_frames)
    return struct.pack("<4sI", b"fmt ", len(layout) + 2) + layout + struct.pack("<H", 0) + fact


def _steps(block: Block, full_scale: int) -> NDArray[np.float32]:
    """Samples as whole steps ``[C, T]``. float32 holds every integer up to 2²⁴, so 24 bits lose nothing."""
    scaled = np.multiply(block, np.float32(full_scale))
    np.rint(scaled, out=scaled)
    return np.clip(scaled, np.float32(-full_scale), np.float32(full_scale - 1), out=scaled)


def _interleaved(samples: NDArray[np.float32], dtype: str) -> NDArray[np.generic]:
    """``[C, T]`` to ``[T, C]``, one column at a time, which is several times faster than a transposed copy."""
    frames = np.empty(samples.shape[::-1], dtype)
    for channel, column in enumerate(samples):
        frames[:, channel] = column
    return frames


def _pcm16(block: Block) -> bytes:
    return _interleaved(_steps(block, 2**15), "<i2").tobytes()


def _pcm24(block: Block) -> bytes:
    frames = _interleaved(_steps(block, 2**23), "<i4")
    return frames.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def _float32(block: Block) -> bytes:
    return _interleaved(block, "<f4").tobytes()


_QUANTISERS: dict[Encoding, Callable[[Block], bytes]] = {"pcm16": _pcm16, "pcm24": _pcm24, "float32": _float32}
