"""The short-time Fourier transform and its inverse, for many spectra at once.

A periodic Hann window on both sides and four spectra a window: the squared window then adds up to 3/2 everywhere, so
that spectra that nobody changed give the samples back (Allen & Rabiner, "A unified approach to short-time Fourier
analysis and synthesis", 1977).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.ports import Block

Spectra = NDArray[np.complex64]
"""``[C, T, F]``: ``T`` spectra, one a hop, of ``2 · hop + 1`` bins from 0 Hz to half the sample rate."""

HOPS_PER_WINDOW = 4
_SUM_OF_SQUARES = 1.5

# "ortho" scales both ways. The default scales one way alone, and numpy 2 computes the other in float64: half the speed.
_NORM: Literal["ortho"] = "ortho"


def analyse(samples: Block, hop: int) -> Spectra:
    """The spectra of every whole window in ``[C, frames]``, which must be a multiple of ``hop``.

    The spectrum ``t`` covers the frames from ``t · hop`` on, so there are ``frames / hop − 3`` of them.
    """
    window = _hann(HOPS_PER_WINDOW * hop)
    windows = sliding_window_view(samples, len(window), axis=1)[:, ::hop]
    return np.fft.rfft(windows * window, norm=_NORM).astype(np.complex64, copy=False)


def synthesise(spectra: Spectra, hop: int) -> Block:
    """The frames ``[C, (T − 3) · hop]`` that all four of their windows are there for.

    The first of them is frame ``3 · hop`` of what was analysed.
    """
    window = _hann(HOPS_PER_WINDOW * hop) / np.float32(_SUM_OF_SQUARES)
    windows = np.fft.irfft(spectra, len(window), norm=_NORM).astype(np.float32, copy=False)
    windows *= window
    channels, count, _ = windows.shape
    quarters = windows.reshape(channels, count, HOPS_PER_WINDOW, hop)
    whole = count - HOPS_PER_WINDOW + 1
    samples = quarters[:, :whole, 3] + quarters[:, 1 : 1 + whole, 2]
    samples += quarters[:, 2 : 2 + whole, 1]
    samples += quarters[:, 3 : 3 + whole, 0]
    return samples.reshape(channels, whole * hop)


@cache
def _hann(length: int) -> NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)
