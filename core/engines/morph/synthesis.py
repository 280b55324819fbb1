"""From spectra back to samples, nowhere far louder than the tracks that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.engines.spectral.stft import HOPS_PER_WINDOW

if TYPE_CHECKING:
    from core.ports import StemBlock

SUM_OF_SQUARES = 1.5
"""What the squares of four Hann windows, each a hop after the other, add up to."""
HEADROOM = 2.0
"""How far a window may rise above the largest sample around, before it is turned down. The samples themselves can
then be 4/3 times higher, 8.5 dB, since the synthesis windows add up to that."""


class Synthesis:
    """Adds up the windows of spectra whose analysis was ``core.engines.spectral.stft.analyse``."""

    def __init__(self, hop: int) -> None:
        self._hop = hop
        self._length = HOPS_PER_WINDOW * hop
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self._length) / self._length)
        self._window = (hann / SUM_OF_SQUARES).astype(np.float32)
        self._unfinished: NDArray[np.float32] | None = None

    def push(self, spectra: NDArray[np.complex64], loudest: NDArray[np.float32]) -> StemBlock:
        """The samples ``[R, C, T · hop]`` from the start of the first window on, of spectra ``[R, C, T, F]``.

        A sharp attack that was given the power of a dense sound would tower over both. So a window is turned down as a
        whole, all channels alike, where it would rise too far above ``loudest``: the largest sample of both tracks
        around it, ``[T]``. One that comes from a track unchanged never does.
        """
        windows = np.fft.irfft(spectra, self._length, norm="ortho").astype(np.float32, copy=False)
        windows *= _turned_down(windows, HEADROOM * loudest)[:, np.newaxis, :, np.newaxis]
        windows *= self._window
        return self._overlapped(windows)

    def _overlapped(self, windows: NDArray[np.float32]) -> StemBlock:
        ratios, channels, count, _ = windows.shape
        parts = windows.reshape(ratios, channels, count, HOPS_PER_WINDOW, self._hop)
        joined: StemBlock = np.zeros((ratios, channels, count + HOPS_PER_WINDOW - 1, self._hop), np.float32)
        if self._unfinished is not None:
            joined[:, :, : HOPS_PER_WINDOW - 1] = self._unfinished
        for part in range(HOPS_PER_WINDOW):
            joined[:, :, part : part + count] += parts[:, :, :, part]
        self._unfinished = joined[:, :, count:].copy()
        samples: StemBlock = joined[:, :, :count].reshape(ratios, channels, -1)
        return samples


def _turned_down(windows: NDArray[np.float32], ceiling: NDArray[np.float32]) -> NDArray[np.float32]:
    """The factors, ``[R, T]``, of 1 or less, that keep the windows ``[R, C, T, N]`` below a ceiling, ``[T]``."""
    peaks: NDArray[np.float32] = np.maximum(windows.max(axis=(1, 3)), -windows.min(axis=(1, 3)))
    factors: NDArray[np.float32] = np.ones_like(peaks)
    np.divide(ceiling, peaks, out=factors, where=peaks > ceiling)
    return factors
