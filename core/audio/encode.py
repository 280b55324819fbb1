"""From samples to a file, block by block, in every format that stems are delivered in.

What is asked of the file: ``write`` takes everything it is given; ``tell``; ``seek`` to the end (``seek(0, 2)``) and to
any position. It is never read. Bytes are appended, but for the first few kilobytes: at the end MP3's first frame (its
tag says how long the music is), FLAC's ``STREAMINFO`` and the size of M4A's ``mdat`` are written over. M4A's index
comes after the samples. The same samples give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import IO, TYPE_CHECKING, Protocol

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from core.audio.formats import OUTPUT_FORMATS, OutputFormat
from core.audio.libav import WatchedFile
from core.audio.oggpages import SteadySerial
from core.audio.wav import Encoding, interleaved, wav_header, wav_padding, wav_samples, whole_steps
from core.audio.waveform import peak

if TYPE_CHECKING:
    from core.ports import Block

MP3_QUALITY = 0
"""LAME's variable bit rate, 0 (best, about 245 kbit/s of dense stereo at 44.1 kHz) to 9."""
VORBIS_QUALITY = 7
"""libvorbis' scale, 0 to 10; 7 is about 224 kbit/s of stereo at 44.1 kHz."""
AAC_BITS_PER_SECOND = 128_000
"""A channel."""

_FRAMES_A_WRITE = 65_536
"""libsndfile's Vorbis encoder dies of calls much longer, and its bytes depend on how the samples are cut into calls."""


class Encoder(Protocol):
    """Takes a stem and leaves a file."""

    def write(self, block: Block) -> None:
        """Add a block ``[C, T]``.

        Raises:
            ValueError: another number of channels, more frames than promised, or samples that are not finite.
            Exception: what the file raised, unchanged.
        """
        ...

    def close(self) -> None:
        """Finish the file, and leave it open. To be called once, after the last block; never after an error.

        Raises:
            ValueError: fewer frames than promised.
            Exception: what the file raised, unchanged.
        """
        ...


def open_encoder(file: IO[bytes], format: OutputFormat, sample_rate: int, channels: int, frames: int) -> Encoder:
    """An encoder that writes to ``file``, from its present position 0 on.

    Integer formats round to the nearest step; all but ``wav_float`` clip at ±1. Decoded, the file has exactly
    ``frames`` frames.

    Raises:
        ValueError: a sample rate that the format cannot have, or other than 1 or 2 channels.
    """
    if not OUTPUT_FORMATS[format].holds(sample_rate) or channels not in (1, 2):
        raise ValueError(f"{format} at {sample_rate} Hz with {channels} channels cannot be made")
    watched = WatchedFile(file)
    match format:
        case "wav16" | "wav24" | "wav_float":
            return _Checked(_Wav(watched, _WAV_ENCODINGS[format], sample_rate, channels, frames), channels, frames)
        case "m4a":
            return _Checked(_M4a(watched, sample_rate, channels), channels, frames)
        case _:
            return _Checked(_Libsndfile(watched, format, sample_rate, channels), channels, frames)


class _Checked:
    """Holds the blocks against what was promised, before they reach the format's own encoder."""

    def __init__(self, encoder: Encoder, channels: int, frames: int) -> None:
        self._encoder = encoder
        self._channels = channels
        self._missing_frames = frames

    def write(self, block: Block) -> None:
        if block.shape[0] != self._channels or block.shape[1] > self._missing_frames:
            raise ValueError(
                f"a block {block.shape} does not fit {self._channels} channels, {self._missing_frames} frames to come"
            )
        if not math.isfinite(peak(block)):
            raise ValueError("a block with samples that are not finite")
        self._missing_frames -= block.shape[1]
        if block.shape[1]:
            self._encoder.write(block)

    def close(self) -> None:
        if self._missing_frames:
            raise ValueError(f"{self._missing_frames} frames of what was promised did not come")
        self._encoder.close()


_WAV_ENCODINGS: dict[OutputFormat, Encoding] = {"wav16": "pcm16", "wav24": "pcm24", "wav_float": "float32"}


class _Wav:
    def __init__(self, file: WatchedFile, encoding: Encoding, sample_rate: int, channels: int, frames: int) -> None:
        self._file = file
        self._encoding = encoding
        self._padding = wav_padding(frames, channels, encoding)
        self._put(wav_header(frames, sample_rate, channels, encoding))

    def write(self, block: Block) -> None:
        self._put(wav_samples(block, self._encoding))

    def close(self) -> None:
        self._put(self._padding)

    def _put(self, content: bytes) -> None:
        self._file.write(content)
        self._file.check()


class _Libsndfile:
    """FLAC, MP3 and OGG/Vorbis."""

    def __init__(self, file: WatchedFile, format: OutputFormat, sample_rate: int, channels: int) -> None:
        self._file = file
        self._prepared = _PREPARATIONS[format]
        self._waiting = np.empty((channels, 0), np.float32)
        target = SteadySerial(file) if format == "ogg" else file
        self._writer = soundfile.SoundFile(target, "w", sample_rate, channels, **_LIBSNDFILE_OPTIONS[format])
        file.check()

    def write(self, block: Block) -> None:
        self._waiting = np.concatenate((self._waiting, block), axis=1)
        while self._waiting.shape[1] >= _FRAMES_A_WRITE:
            self._put(self._waiting[:, :_FRAMES_A_WRITE])
            self._waiting = self._waiting[:, _FRAMES_A_WRITE:]

    def close(self) -> None:
        self._put(self._waiting)
        self._writer.close()
        self._file.check()

    def _put(self, samples: Block) -> None:
        self._writer.write(self._prepared(samples))
        self._file.check()


_LIBSNDFILE_OPTIONS: dict[OutputFormat, dict[str, object]] = {
    "flac": {"format": "FLAC", "subtype": "PCM_24"},
    "mp3": {
        "format": "MP3", "subtype": "MPEG_LAYER_III",
        "bitrate_mode": "VARIABLE", "compression_level": MP3_QUALITY / 10,
    },
    "ogg": {"format": "OGG", "subtype": "VORBIS", "compression_level": 1 - VORBIS_QUALITY / 10},
}  # fmt: skip


def _as_24_bits(block: Block) -> NDArray[np.generic]:
    """``[T, C]`` in the upper 24 of 32 bits. libsndfile's own scale for FLAC is 2²³ − 1, which loses the last bit."""
    return interleaved(whole_steps(block, 2**23) * np.float32(2**8), "<i4")


def _within_full_scale(block: Block) -> NDArray[np.generic]:
    """``[T, C]``"""
    return interleaved(np.clip(block, -1, 1), "<f4")


_PREPARATIONS: dict[OutputFormat, Callable[[Block], NDArray[np.generic]]] = {
    "flac": _as_24_bits, "mp3": _within_full_scale, "ogg": _within_full_scale,
}  # fmt: skip


class _M4a:
    """AAC, whose edit list says where the encoder's own delay ends and the music does."""

    def __init__(self, file: WatchedFile, sample_rate: int, channels: int) -> None:
        self._file = file
        self._frames = 0
        self._sample_rate = sample_rate
        self._layout = "mono" if channels == 1 else "stereo"
        # edit lists count in the movie's clock: at the sample rate, they are exact
        options = {"movie_timescale": str(sample_rate), "fflags": "bitexact"}
        self._output = av.open(file, "w", format="ipod", container_options=options)
        self._stream = self._output.add_stream("aac", rate=sample_rate, layout=self._layout, format="fltp")
        self._stream.bit_rate = AAC_BITS_PER_SECOND * channels
        self._stream.codec_context.thread_count = 1

    def write(self, block: Block) -> None:
        samples = np.ascontiguousarray(np.clip(block, -1, 1), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._sample_rate, self._frames, Fraction(1, self._sample_rate)
        self._frames += block.shape[1]
        self._output.mux(self._stream.encode(frame))
        self._file.check()

    def close(self) -> None:
        try:
            self._output.mux(self._stream.encode(None))
            self._output.close()
        finally:
            self._file.check()
