"""Another sample rate for a conversation that may go on in another process at any sample.

``soxr`` cannot be stopped and taken up again, so this is a windowed-sinc filter of our own, after Smith, *Digital Audio
Resampling* (https://ccrma.stanford.edu/~jos/resample/), written as one matrix a ratio: so many samples in, so many out.
All it remembers is the samples that the next frame needs.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.analysis.harmony.chroma import ANALYSIS_RATE

Mono = NDArray[np.float32]
"""Samples ``[T]``, full scale ±1."""

_LARGEST_DENOMINATOR = 640
"""Exact for 8, 11.025, 12, 16, 22.05, 24, 32, 44.1, 48, 88.2 and 96 kHz; at worst 0.08 % (1.4 cents) off."""
_SHORTEST_FRAME = 128  # samples: a matrix product should be worth its call
_ZERO_CROSSINGS = 16
_ROLL_OFF = 0.9  # of half the lower rate; chords are told by what lies below 8 kHz
_KAISER_BETA = 8.0


class ToAnalysisRate:
    """Brings mono samples to ``ANALYSIS_RATE``, without delay: the first sample stays the first."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        ratio = Fraction(ANALYSIS_RATE, sample_rate).limit_denominator(_LARGEST_DENOMINATOR)
        self._plain = ratio == 1
        self._hop, self._kernel = (1, np.zeros((1, 1), np.float32)) if self._plain else _kernel(ratio)
        self._width = len(self._kernel)
        self._pending = np.zeros((self._width - self._hop) // 2, np.float32)

    def add(self, samples: Mono) -> Mono:
        """What comes of the next samples ``[T]``; now and then nothing, for the filter looks ahead."""
        if self._plain:
            return samples
        pending = np.concatenate([self._pending, samples])
        frames = max((pending.size - self._width) // self._hop + 1, 0)
        self._pending = pending[frames * self._hop :].copy()
        if not frames:
            return np.zeros(0, np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(pending, self._width)[:: self._hop][:frames]
        resampled: Mono = (windows @ self._kernel).ravel()
        return resampled

    def state(self) -> Mono:
        """The samples that wait, at most a frame of them."""
        return self._pending

    def restore(self, pending: NDArray[Any]) -> None:
        """Go on where ``state`` was asked for. Raises ``ValueError`` for what cannot have been its state."""
        if pending.ndim != 1 or pending.size > self._width:
            raise ValueError("more samples wait than the filter looks ahead")
        self._pending = np.array(pending, np.float32)


@lru_cache(maxsize=8)
def _kernel(ratio: Fraction) -> tuple[int, Mono]:
    """How many samples a frame goes on, and the matrix ``[window, frames out]`` that makes its new samples."""
    repeats = -(-_SHORTEST_FRAME // ratio.denominator)
    hop, made = ratio.denominator * repeats, ratio.numerator * repeats
    cutoff = _ROLL_OFF * min(1.0, float(ratio))  # of half the source's rate
    reach = int(np.ceil(_ZERO_CROSSINGS / cutoff))
    places = np.arange(made) / float(ratio) + reach
    away = np.arange(hop + 2 * reach)[:, None] - places
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - np.square(away / reach), 0, None))) / np.i0(_KAISER_BETA)
    kernel = cutoff * np.sinc(cutoff * away) * np.where(np.abs(away) <= reach, window, 0)
    return hop, np.asarray(kernel / kernel.sum(axis=0), np.float32)
