"""Sums of decaying sines, quickly.

A string that is plucked and left alone vibrates in modes: each is a sine that decays, ``Re(w · exp(s t))`` with a pole
``s = −decay + i · 2π · hz``. Adding them up is the exact solution of what a waveguide, or the delay line of Karplus and
Strong, computes sample by sample: there is no delay to be rounded to whole samples, and so nothing is out of tune, and
a mode's frequency and decay are numbers, not the outcome of a filter (Woodhouse, "On the synthesis of guitar plucks",
Acta Acustica 90, 2004, compares the methods and finds this one among the best two).

It is quick because ``exp(s (bL + l)) = exp(s bL) · exp(s l)``: two small tables, one of every L-th frame and one of the
L frames between, multiplied as matrices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.engines.plucked_string.products import multiply
from core.engines.synth.oscillators import SAMPLE_RATE

Poles = NDArray[np.complex128]
"""Of each mode, ``[N]``: minus its decay and i times its angular frequency, per second."""
Weights = NDArray[np.complex128]
"""Amplitude and phase of each mode, ``[C, N]``."""
Sound = NDArray[np.float32]
"""``[C, T]``."""

BLOCK_FRAMES = 128
"""Between two rows of the coarser table; it keeps both tables small enough for the processor's cache."""
_INAUDIBLE = 1e-5
"""Of the strongest mode: what has fallen 100 dB below it is left out."""
_LOOKS = (0, 4, 16, 64, 256, 1024, 4096)
"""Blocks at which modes that have died are let go of."""


def ring(poles: Poles, weights: Weights, frames: int) -> Sound:
    """The sum of the modes from the time they are excited, ``[C, frames]``; what is inaudible throughout is left out.

    The error is that of float32: about −130 dB of the loudest sample.
    """
    blocks = -(-frames // BLOCK_FRAMES)
    sound = np.zeros((weights.shape[0], blocks, BLOCK_FRAMES), np.float32)
    order, counts = _survivors(poles, weights)
    poles = poles[order]
    within = _powers(poles, 0, 1, BLOCK_FRAMES)
    # conjugated, the products of real and of imaginary parts add up to the real part of the complex product
    fine = [_as_real(np.conj(within * weight)).T for weight in weights[:, order]]
    for first, last, alive in zip(_LOOKS, (*_LOOKS[1:], blocks), counts, strict=True):
        rows = slice(first, min(last, blocks))
        if alive and rows.start < rows.stop:
            coarse = _as_real(_powers(poles[:alive], first, BLOCK_FRAMES, rows.stop - first))
            for channel, table in enumerate(fine):
                multiply(coarse, table[: 2 * alive], out=sound[channel, rows])
    return sound.reshape(weights.shape[0], -1)[:, :frames]


def _survivors(poles: Poles, weights: Weights) -> tuple[NDArray[np.intp], list[int]]:
    """The audible modes, the longest-lived first, and how many are alive at each look."""
    loudness = np.abs(weights).max(axis=0)
    with np.errstate(divide="ignore"):  # a mode without weight dies before it begins
        lives = np.log(loudness / (loudness.max(initial=0.0) * _INAUDIBLE or 1.0)) / -poles.real
    order = np.argsort(-lives)
    starts = np.array(_LOOKS) * (BLOCK_FRAMES / SAMPLE_RATE)
    counts = np.searchsorted(-lives[order], -starts)
    return order[: counts[0]], counts.tolist()


def _powers(poles: Poles, first: int, stride: int, count: int) -> NDArray[np.complex128]:
    """``exp(s · stride · k)`` in frames, for k from ``first``, ``[count, N]``: each step doubles what is there."""
    table = np.empty((count, poles.size), np.complex128)
    table[0] = np.exp(poles * (stride * first / SAMPLE_RATE))
    filled = 1
    while filled < count:
        more = min(filled, count - filled)
        np.multiply(table[:more], np.exp(poles * (stride * filled / SAMPLE_RATE)), out=table[filled : filled + more])
        filled += more
    return table


def _as_real(table: NDArray[np.complex128]) -> NDArray[np.float32]:
    """Real and imaginary parts by turns, ``[M, 2N]``."""
    return table.astype(np.complex64).view(np.float32)
