"""From an engine's samples to those of a file: checked, and of its rate, its channels and its very length."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from core.audio.conversion import Conversion
from core.audio.waveform import peak
from core.errors import EngineFailed, NotFinite

if TYPE_CHECKING:
    from core.ports import Block, Renderer, StemRequest


class Fitting:
    """Takes the samples of one stem, as ``renderer`` makes them, and gives those of a file of ``frames`` frames.

    Attributes:
        frames: how many were given so far.
    """

    def __init__(
        self, request: StemRequest, renderer: Renderer, *, sample_rate: int, channels: int, frames: int
    ) -> None:
        self.frames = 0
        self._all_frames = frames
        self._stem_type = request.stem_type
        self._channels = renderer.channels
        self._missing_frames = round(request.duration_seconds * renderer.sample_rate)
        self._conversion = Conversion(renderer.sample_rate, renderer.channels, sample_rate, channels)

    @property
    def complete(self) -> bool:
        """Whether the last sample has come."""
        return self._missing_frames == 0

    def add(self, block: Block) -> Block:
        """What comes of the engine's next samples, ``[C, T]``.

        Raises ``NotFinite``, or ``EngineFailed`` for samples that are not of the engine's shape, or too many.
        """
        self._check(block)
        self._missing_frames -= block.shape[1]
        fitted = self._conversion.add(block)
        room = self._all_frames - self.frames
        if self.complete:  # at the file's very length: rates have no common end
            fitted = np.concatenate((fitted, self._conversion.finish()), axis=1)
            fitted = np.pad(fitted, ((0, 0), (0, max(room - fitted.shape[1], 0))))
        fitted = fitted[:, :room]
        self.frames += fitted.shape[1]
        return fitted

    def _check(self, block: Block) -> None:
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise EngineFailed(f"{self._stem_type}: samples must be [{self._channels}, T], not {block.shape}")
        if not math.isfinite(peak(block)):
            raise NotFinite(f"{self._stem_type}: the engine made samples that are not finite")
        if block.shape[1] > self._missing_frames:
            raise EngineFailed(f"{self._stem_type}: the engine made more samples than were asked for")
