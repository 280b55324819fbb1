"""A waveform that is bent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from core.audio.resample import Resampler

if TYPE_CHECKING:
    from core.ports import Block

_OVERSAMPLING = 4
_HIGHEST_RATE = 384_000


class Bend:
    """A ``Processor``: ``tanh(gain · x) / tanh(gain)``, so that full scale stays full scale.

    It is computed at four times the sample rate, for the harmonics that lie beyond half of it would come back as tones
    of other pitches; at 192 kHz, at twice.
    """

    def __init__(self, gain: float, sample_rate: int, channels: int) -> None:
        rate = min(_OVERSAMPLING * sample_rate, max(_HIGHEST_RATE, sample_rate))
        rate -= rate % sample_rate
        self._up = Resampler(sample_rate, rate, channels)
        self._down = Resampler(rate, sample_rate, channels)
        self._gain = np.float32(gain)
        self._level = np.float32(1 / math.tanh(gain))
        self._missing_frames = 0

    def add(self, block: Block) -> Block:
        """As ``Processor.add``."""
        self._missing_frames += block.shape[1]
        bent = self._down.add(self._bent(self._up.add(block)))
        self._missing_frames -= bent.shape[1]
        return bent

    def finish(self) -> Block:
        """As ``Processor.finish``."""
        last = self._down.add(self._bent(self._up.finish()))
        rest = np.concatenate((last, self._down.finish()), axis=1)[:, : self._missing_frames]
        return np.pad(rest, ((0, 0), (0, self._missing_frames - rest.shape[1])))

    def _bent(self, block: Block) -> Block:
        bent = block * self._gain
        np.tanh(bent, out=bent)
        bent *= self._level
        return bent
