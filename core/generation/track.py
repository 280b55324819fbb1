"""A stem on its way from a model's samples to a WAV file of 16 bits, in flat memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from core.audio.levels import gain_db_for_loudness
from core.audio.loudness import Loudness, LoudnessMeter
from core.audio.spool import Spool
from core.audio.wav import encode_wav
from core.audio.waveform import db_to_gain, gain_for_peak, gain_to_db
from core.generation.fitting import Fitting

if TYPE_CHECKING:
    from core.generation.previews import PreviewTrack
    from core.ports import Block, Renderer, StemRequest

PEAK = 0.8
"""The largest sample of a stem that no loudness was asked for."""


@dataclass(frozen=True)
class Delivery:
    """How files are wanted; ``sample_rate`` in Hz. Without a loudness, the largest sample becomes ``PEAK``."""

    sample_rate: int
    channels: int
    loudness_lufs: float | None


@dataclass(frozen=True)
class Levelled:
    """A file that is ready to be written.

    Attributes:
        gain_db: what all of the model's samples were raised by.
        loudness: of the file.
    """

    gain_db: float
    loudness: Loudness
    sha256: str
    size_bytes: int


class StemTrack:
    """Takes the samples of one stem, as ``renderer`` makes them; a context manager.

    Attributes:
        frames: how many its file will have.
    """

    def __init__(
        self, request: StemRequest, renderer: Renderer, delivery: Delivery, preview: PreviewTrack | None = None
    ) -> None:
        """``preview`` hears what comes of it."""
        self.stem_type = request.stem_type
        self.delivery = delivery
        self.frames = round(request.duration_seconds * delivery.sample_rate)
        self._fitting = Fitting(
            request, renderer, sample_rate=delivery.sample_rate, channels=delivery.channels, frames=self.frames
        )
        self._preview = preview
        self._spool = Spool(delivery.channels)
        self._gain = 1.0
        self._meter = self._new_meter() if delivery.loudness_lufs is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the space of the samples back. Harmless when repeated."""
        self._spool.close()

    @property
    def complete(self) -> bool:
        """Whether the last sample has come."""
        return self._fitting.complete

    def add(self, block: Block) -> bool:
        """Take the next samples; returns whether the stem is complete now. Raises as ``Fitting.add``."""
        fitted = self._fitting.add(block)
        self._spool.append(fitted)
        if self._meter:
            self._meter.add(fitted)
        if self._preview:
            self._preview.add(fitted)
            if self.complete:
                self._preview.finish()
        return self.complete

    def level(self) -> Levelled:
        """Choose the gain, and go through the file once. To be called once, when the stem is complete."""
        self._gain = self._choose_gain()
        meter, digest, size_bytes = self._new_meter(self._gain * self._spool.peak), hashlib.sha256(), 0
        for piece in self._encoded(_overheard(self._spool.blocks(self._gain), meter)):
            digest.update(piece)
            size_bytes += len(piece)
        return Levelled(gain_to_db(self._gain), meter.result(), digest.hexdigest(), size_bytes)

    def pieces(self) -> Iterator[bytes]:
        """The file from its beginning, once its gain was chosen."""
        return self._encoded(self._spool.blocks(self._gain))

    def _choose_gain(self) -> float:
        target = self.delivery.loudness_lufs
        if self._meter is None or target is None:
            return gain_for_peak(self._spool.peak, PEAK)
        return db_to_gain(gain_db_for_loudness(self._meter.result(), target))

    def _encoded(self, blocks: Iterator[Block]) -> Iterator[bytes]:
        return encode_wav(blocks, self.frames, self.delivery.sample_rate, self.delivery.channels)

    def _new_meter(self, sample_peak: float = 0.0) -> LoudnessMeter:
        return LoudnessMeter(self.delivery.sample_rate, self.delivery.channels, sample_peak)


def _overheard(blocks: Iterator[Block], meter: LoudnessMeter) -> Iterator[Block]:
    for block in blocks:
        meter.add(block)
        yield block
