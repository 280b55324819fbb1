"""A streaming WAV encoder: the length is known beforehand, so the header goes out first and nothing is held back.

A file that would pass the 4 GiB of a RIFF header becomes RF64 (EBU Tech 3306), the same file with 64-bit sizes in a
``ds64`` chunk.
"""

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
_LARGEST_SIZE = 2**32 - 1  # in RF64 it means: see the ds64 chunk
_DS64_BYTES = 36


class WavLengthError(ValueError):
    """The blocks did not add up to the frames that the header had promised."""


def wav_size_bytes(total_frames: int, channels: int, encoding: Encoding = "pcm16") -> int:
    """The size of the whole file, header included."""
    size = _riff_size_bytes(total_frames, channels, encoding)
    return size if size - 8 <= _LARGEST_SIZE else size + _DS64_BYTES


def wav_header(total_frames: int, sample_rate: int, channels: int, encoding: Encoding = "pcm16") -> bytes:
    """Everything before the samples."""
    data_bytes = total_frames * channels * BYTES_PER_SAMPLE[encoding]
    form_bytes = wav_size_bytes(total_frames, channels, encoding) - 8
    chunks = _header_before_data(sample_rate, channels, encoding, total_frames)
    if form_bytes <= _LARGEST_SIZE:
        form = struct.pack("<4sI4s", b"RIFF", form_bytes, b"WAVE")
        return form + chunks + struct.pack("<4sI", b"data", data_bytes)
    form = struct.pack("<4sI4s", b"RF64", _LARGEST_SIZE, b"WAVE")
    sizes = struct.pack("<4sIQQQI", b"ds64", _DS64_BYTES - 8, form_bytes, data_bytes, total_frames, 0)
    return form + sizes + chunks + struct.pack("<4sI", b"data", _LARGEST_SIZE)


def wav_samples(block: Block, encoding: Encoding) -> bytes:
    """The samples of a block ``[C, T]`` as they stand in the file.

    Integers are rounded to the nearest step of 1/32768 (or 1/2²³) and clipped.
    """
    return _QUANTISERS[encoding](block)


def wav_padding(total_frames: int, channels: int, encoding: Encoding) -> bytes:
    """What follows the samples: a chunk is padded to an even size."""
    return b"\0" * (total_frames * channels * BYTES_PER_SAMPLE[encoding] % 2)


def encode_wav(
    blocks: Iterable[Block], total_frames: int, sample_rate: int, channels: int, encoding: Encoding = "pcm16"
) -> Iterator[bytes]:
    """Yield a WAV file piece by piece: the header, then one piece a block ``[C, T]``.

    The same blocks give the same bytes.

    Raises:
        WavLengthError: at the block that has another number of channels or goes beyond ``total_frames``, or at the
            end if frames are missing.
    """
    yield wav_header(total_frames, sample_rate, channels, encoding)
    frames = 0
    for block in blocks:
        frames += block.shape[1]
        if block.shape[0] != channels or frames > total_frames:
            raise WavLengthError(f"a block {block.shape} does not fit {channels} channels, {total_frames} frames")
        yield wav_samples(block, encoding)
    if frames != total_frames:
        raise WavLengthError(f"{frames} frames came, the header says {total_frames}")
    padding = wav_padding(total_frames, channels, encoding)
    if padding:
        yield padding


def _riff_size_bytes(total_frames: int, channels: int, encoding: Encoding) -> int:
    data_bytes = total_frames * channels * BYTES_PER_SAMPLE[encoding]
    return len(_header_before_data(44100, channels, encoding)) + 20 + data_bytes + data_bytes % 2


def _header_before_data(sample_rate: int, channels: int, encoding: Encoding, total_frames: int = 0) -> bytes:
    """The ``fmt`` chunk, and for float the ``fact`` chunk that every format but PCM must have."""
    frame_bytes = channels * BYTES_PER_SAMPLE[encoding]
    bits = 8 * BYTES_PER_SAMPLE[encoding]
    tag = _IEEE_FLOAT if encoding == "float32" else _PCM
    layout = struct.pack("<HHIIHH", tag, channels, sample_rate, sample_rate * frame_bytes, frame_bytes, bits)
    if encoding != "float32":
        return struct.pack("<4sI", b"fmt ", len(layout)) + layout
    fact = struct.pack("<4sII", b"fact", 4, min(total_frames, _LARGEST_SIZE))
    return struct.pack("<4sI", b"fmt ", len(layout) + 2) + layout + struct.pack("<H", 0) + fact


def whole_steps(block: Block, full_scale: int) -> NDArray[np.float32]:
    """Samples as whole steps ``[C, T]``, rounded and clipped: −``full_scale`` to ``full_scale`` − 1.

    float32 holds every integer up to 2²⁴, so 24 bits lose nothing.
    """
    scaled = np.multiply(block, np.float32(full_scale))
    np.rint(scaled, out=scaled)
    return np.clip(scaled, np.float32(-full_scale), np.float32(full_scale - 1), out=scaled)


def interleaved(samples: NDArray[np.float32], dtype: str) -> NDArray[np.generic]:
    """``[C, T]`` to ``[T, C]``, one column at a time, which is several times faster than a transposed copy."""
    frames = np.empty(samples.shape[::-1], dtype)
    for channel, column in enumerate(samples):
        frames[:, channel] = column
    return frames


def _pcm16(block: Block) -> bytes:
    return interleaved(whole_steps(block, 2**15), "<i2").tobytes()


def _pcm24(block: Block) -> bytes:
    frames = interleaved(whole_steps(block, 2**23), "<i4")
    return frames.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def _float32(block: Block) -> bytes:
    return interleaved(block, "<f4").tobytes()


_QUANTISERS: dict[Encoding, Callable[[Block], bytes]] = {"pcm16": _pcm16, "pcm24": _pcm24, "float32": _float32}
