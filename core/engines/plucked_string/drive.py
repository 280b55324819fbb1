"""An amplifier that saturates: a soft clipper at four times the rate, so that what it adds does not fold back."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from core.audio.waveform import db_to_gain
from core.engines.plucked_string.modes import Sound
from core.engines.plucked_string.products import multiply
from core.engines.synth.oscillators import SAMPLE_RATE

FACTOR = 4
_REACH = 24
"""Frames to either side that a filter looks at."""
_BLOCK = 64
_BEFORE_HZ, _AFTER_HZ = 9000.0, 6000.0
"""Where the filters reach half: an amplifier lets little through above the first, its loudspeaker above the second."""


def overdrive(sound: Sound, drive_db: float) -> Sound:
    """tanh of the sound ``[C, T]``, whose peak is 1 or less, raised by ``drive_db``; scaled to at most 1."""
    gain = np.float32(db_to_gain(drive_db))
    fast = _filtered(sound, _up_matrix(), _BLOCK, _REACH)
    fast *= gain
    np.tanh(fast, out=fast)
    return _filtered(fast, _down_matrix(), FACTOR * _BLOCK, FACTOR * _REACH)[:, : sound.shape[1]]


def _filtered(sound: Sound, matrix: NDArray[np.float32], block: int, reach: int) -> Sound:
    """Each block of frames, with ``reach`` of its neighbours' to either side, times a matrix of filters."""
    blocks = -(-sound.shape[1] // block)
    padded = np.pad(sound, ((0, 0), (reach, blocks * block - sound.shape[1] + reach)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, block + 2 * reach, axis=1)[:, ::block]
    filtered = np.empty((sound.shape[0], blocks, matrix.shape[1]), np.float32)
    for channel, rows in enumerate(windows):
        multiply(rows, matrix, out=filtered[channel])
    return filtered.reshape(sound.shape[0], -1)


@cache
def _up_matrix() -> NDArray[np.float32]:
    """From a block of frames and its surroundings to four times the frames."""
    to = np.arange(FACTOR * _BLOCK) / FACTOR
    at = np.arange(_BLOCK + 2 * _REACH) - _REACH
    return _low_pass(to[np.newaxis] - at[:, np.newaxis], _BEFORE_HZ)


@cache
def _down_matrix() -> NDArray[np.float32]:
    """And back."""
    to = np.arange(_BLOCK)
    at = np.arange(FACTOR * (_BLOCK + 2 * _REACH)) / FACTOR - _REACH
    return _low_pass(to[np.newaxis] - at[:, np.newaxis], _AFTER_HZ) / np.float32(FACTOR)


def _low_pass(distance: NDArray[np.float64], cutoff_hz: float) -> NDArray[np.float32]:
    """A windowed sinc (Blackman) at a distance in frames; its gain at 0 Hz is 1 for one tap a frame."""
    share = 2 * cutoff_hz / SAMPLE_RATE
    inside = np.clip(distance / _REACH, -1, 1)
    window = 0.42 + 0.5 * np.cos(np.pi * inside) + 0.08 * np.cos(2 * np.pi * inside)
    return (share * np.sinc(share * distance) * window).astype(np.float32)
