"""WAV that arrives in pieces cut anywhere: one header and then samples, or one small file after the other."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from core.audio.formats import HIGHEST_SAMPLE_RATE, LOWEST_SAMPLE_RATE
from core.errors import DamagedAudio, NotAudio, UnsupportedAudio
from core.live.sampling import Mono

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE  # format tags of Microsoft's WAVEFORMATEX and WAVEFORMATEXTENSIBLE
_RIFF_BYTES, _CHUNK_BYTES, _FEWEST_FORMAT_BYTES, _MOST_FORMAT_BYTES = 12, 8, 16, 64
_SUBFORMAT = slice(24, 26)
_UNKNOWN_SIZES = (0, 2**32 - 1)  # what programs write that cannot seek back
_CHUNKS = frozenset({b"LIST", b"fact", b"JUNK", b"bext", b"cue ", b"smpl", b"PEAK", b"id3 ", b"ID3 ", b"ds64"})
_RIFF = (b"RIFF", b"RF64", b"BW64")
_LOUDEST = np.float32(8.0)  # float files may go beyond full scale, but not without end


class Samples:
    """Interleaved samples of one encoding, cut anywhere.

    Args:
        sample_rate: Hz.
        channels: 1 or 2.
        encoding: ``u8``, ``s16``, ``s24``, ``s32``, ``f32`` or ``f64``, little-endian.
    """

    def __init__(self, sample_rate: int, channels: int, encoding: str = "s16") -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self.encoding = encoding
        self._frame_bytes = channels * int(encoding[1:]) // 8
        self._pending = b""

    def blocks(self, content: bytes) -> Iterator[Mono]:
        """The mean of the channels, ``[T]``. Raises ``DamagedAudio`` for samples that are no numbers."""
        content = self._pending + content
        whole = len(content) - len(content) % self._frame_bytes
        self._pending = content[whole:]
        if whole:
            with np.errstate(over="ignore"):  # a double that does not fit is damage, and said to be
                samples = _values(content[:whole], self.encoding)
            if not np.isfinite(samples).all():
                raise DamagedAudio("samples that are not finite numbers (NaN or infinity)")
            loudest = np.clip(samples, -_LOUDEST, _LOUDEST)
            yield loudest.reshape(-1, self.channels).mean(axis=1, dtype=np.float32)

    def state(self) -> dict[str, Any]:
        """What it needs to go on elsewhere."""
        form = [self.sample_rate, self.channels, self.encoding]
        return {"kind": "samples", "form": form, "pending": self._pending}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Samples:
        """The stream whose ``state`` it was."""
        samples = cls(*state["form"])
        samples._pending = bytes(state["pending"])
        return samples


class WavStream:
    """A WAV file of 8, 16, 24 or 32 bits, or float, mono or stereo."""

    def __init__(self) -> None:
        self._samples: Samples | None = None
        self._pending = b""
        self._skip = 0  # bytes of a chunk that is passed over
        self._left: int | None = 0  # bytes of the data chunk; None while its end is not known
        self._ended = False  # the data chunk, once

    @property
    def sample_rate(self) -> int:
        """Hz; to be asked once there are samples."""
        assert self._samples is not None
        return self._samples.sample_rate

    def blocks(self, content: bytes) -> Iterator[Mono]:
        """The mean of the channels, ``[T]``.

        Raises:
            NotAudio, UnsupportedAudio: the header cannot be read, or tells of what is not taken; nothing can follow.
            DamagedAudio: samples that are no numbers; what follows may be sound.
        """
        self._pending += content
        while self._pending:
            if self._skip:
                self._skip -= len(self._taken(self._skip))
            elif self._left is None or self._left > 0:
                yield from self._data()
            elif not self._header():
                return

    def state(self) -> dict[str, Any]:
        """What it needs to go on elsewhere."""
        samples = self._samples.state() if self._samples else None
        place = [self._skip, self._left, self._ended]
        return {"kind": "wav", "samples": samples, "pending": self._pending, "place": place}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> WavStream:
        """The stream whose ``state`` it was."""
        stream = cls()
        stream._samples = Samples.restored(state["samples"]) if state["samples"] else None
        stream._pending = bytes(state["pending"])
        stream._skip, stream._left, stream._ended = state["place"]
        return stream

    def _taken(self, size: int) -> bytes:
        taken, self._pending = self._pending[:size], self._pending[size:]
        return taken

    def _data(self) -> Iterator[Mono]:
        assert self._samples is not None
        content = self._taken(len(self._pending) if self._left is None else self._left)
        if self._left is not None:
            self._left -= len(content)
            self._ended = self._left == 0
        yield from self._samples.blocks(content)

    def _header(self) -> bool:
        """Read one chunk's header, and the whole chunk if it is the format; ``False`` if there is not enough yet."""
        name = self._pending[:4]
        if self._ended and len(name) == 4 and name not in _RIFF and name not in _CHUNKS:
            self._left = None  # the header told only of the first message: the samples go on
            return True
        if len(self._pending) < (_RIFF_BYTES if name in _RIFF else _CHUNK_BYTES):
            return False
        size = int.from_bytes(self._pending[4:8], "little")
        if name in _RIFF:
            self._begin()
        elif name == b"fmt ":
            return self._format(size)
        elif name == b"data":
            self._open_data(size)
        else:
            self._taken(_CHUNK_BYTES)
            self._skip = size + size % 2
        return True

    def _begin(self) -> None:
        if self._taken(_RIFF_BYTES)[8:] != b"WAVE":
            raise NotAudio("it begins like a WAV file, but is none")
        self._samples, self._ended = None, False

    def _open_data(self, size: int) -> None:
        if self._samples is None:
            raise NotAudio("a WAV file needs a fmt chunk before its data chunk")
        self._taken(_CHUNK_BYTES)
        self._left = None if size in _UNKNOWN_SIZES else size + size % 2  # the padding is less than a frame, or a click

    def _format(self, size: int) -> bool:
        if not _FEWEST_FORMAT_BYTES <= size <= _MOST_FORMAT_BYTES:
            raise NotAudio(f"a fmt chunk of {size:,} bytes; it has 16, 18 or 40")
        if len(self._pending) < _CHUNK_BYTES + size:
            return False
        self._samples = _samples_of(self._taken(_CHUNK_BYTES + size)[_CHUNK_BYTES:])
        return True


def check_form(sample_rate: int, channels: int) -> None:
    """Raise ``UnsupportedAudio`` for a rate or number of channels that is not taken."""
    if channels not in (1, 2):
        raise UnsupportedAudio(f"{channels} channels; mono and stereo are taken")
    if not LOWEST_SAMPLE_RATE <= sample_rate <= HIGHEST_SAMPLE_RATE:
        raise UnsupportedAudio(f"{sample_rate:,} Hz; {LOWEST_SAMPLE_RATE:,} to {HIGHEST_SAMPLE_RATE:,} Hz are taken")


def _samples_of(layout: bytes) -> Samples:
    tag, channels, sample_rate, _, _, bits = struct.unpack_from("<HHIIHH", layout)
    if tag == _EXTENSIBLE and len(layout) >= _SUBFORMAT.stop:
        (tag,) = struct.unpack("<H", layout[_SUBFORMAT])
    check_form(sample_rate, channels)
    encoding = {_PCM: "u8" if bits == 8 else f"s{bits}", _FLOAT: f"f{bits}"}.get(tag, "")
    if encoding not in ("u8", "s16", "s24", "s32", "f32", "f64"):
        raise UnsupportedAudio(f"WAV of kind {tag} with {bits} bits; PCM of 8, 16, 24, 32 bits and float are taken")
    return Samples(sample_rate, channels, encoding)


def _values(content: bytes, encoding: str) -> Mono:
    match encoding:
        case "u8":
            return (np.frombuffer(content, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
        case "s24":
            padded = np.zeros((len(content) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
            return padded.view("<i4").ravel().astype(np.float32) / np.float32(2**31)
        case "f32" | "f64":
            return np.frombuffer(content, f"<f{int(encoding[1:]) // 8}").astype(np.float32)
        case _:
            bits = int(encoding[1:])
            return np.frombuffer(content, f"<i{bits // 8}").astype(np.float32) / np.float32(2 ** (bits - 1))
