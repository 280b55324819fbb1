"""The envelope of a sound in frequency and in time, and the gains that give one sound the envelope of another.

Timbre is here the power in bands about as wide as those that the ear tells apart, and dynamics the course of those
powers over the beats: both so coarse that neither the notes nor the rhythm of a track show in them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Powers = NDArray[np.float32]
"""``[T, B]``: of ``B`` bands at ``T`` times."""

BAND_WIDTH = 1.5
"""From the middle of one band to the next, in equivalent rectangular bandwidths: 30 bands at 44.1 kHz. With bands as
narrow as the ear's own, the chords of one track can be heard in the gains of the other, and with wider ones less of
its timbre; ``test_morph_sound`` measures both."""
MOST_GAIN_DB, LEAST_GAIN_DB = 24.0, -48.0
"""A sound may be lowered further than raised: noise is what comes up. But where track 2 is silent, the bridge is."""
SILENCE_DB = -80.0
"""In a band, and relative to a sine at full scale: what lies lower is left as it is."""
_LEAST_POWER = 1e-6
"""Of silence, so that no ratio is infinite."""


def erb_rate(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many equivalent rectangular bandwidths lie below a frequency.

    Glasberg & Moore, "Derivation of auditory filter shapes from notched-noise data", Hearing Research 47, 1990.
    """
    rate: NDArray[np.float64] = 21.4 * np.log10(1 + 0.00437 * frequency_hz)
    return rate


class Bands:
    """Triangular bands over ``bins`` from 0 Hz to half the sample rate, each overlapping the next by half.

    In every bin their weights add up to 1: so those that gather the bins' powers also draw straight lines, in
    decibels, from the gain of one band to that of the next. Neither is done by a matrix product, which would be shared
    among threads that cost more than they save.
    """

    def __init__(self, bins: int, sample_rate: int) -> None:
        rates = erb_rate(np.linspace(0, sample_rate / 2, bins)) / BAND_WIDTH
        self._below = rates.astype(np.intp)
        self._share_above = (rates - self._below).astype(np.float32)
        self._starts = np.flatnonzero(np.diff(self._below, prepend=-1))

    def powers(self, power: Powers) -> Powers:
        """Those of the bands, ``[T, B]``, of the powers in all bins, ``[T, F]``."""
        above = power * self._share_above
        powers = np.zeros((len(power), len(self._starts) + 1), np.float32)
        powers[:, 1:] = np.add.reduceat(above, self._starts, axis=1)
        powers[:, :-1] += np.add.reduceat(power - above, self._starts, axis=1)
        return powers

    def gains(self, logarithms: Powers) -> NDArray[np.float32]:
        """The gain in every bin, ``[T, F]``, from the natural logarithms of the bands'."""
        slopes = np.diff(logarithms, axis=1)
        lines: NDArray[np.float32] = np.take(slopes, self._below, axis=1)
        lines *= self._share_above
        lines += np.take(logarithms, self._below, axis=1)
        return np.exp(lines, out=lines)


def beat_window(beat_rows: int) -> NDArray[np.float32]:
    """The weights of a running mean, ``[2 · beat_rows − 1]``, adding up to 1: a raised cosine of two beats.

    Shifted by a beat it adds up to a constant, so that what repeats with the beat does not show in the mean.
    """
    places = np.arange(1, 2 * beat_rows)
    weights: NDArray[np.float64] = np.square(np.sin(np.pi * places / (2 * beat_rows))) / beat_rows
    return weights.astype(np.float32)


def transfer(powers1: Powers, powers2: Powers, silence: float) -> Powers:
    """The natural logarithm of the gain that gives the first sound the powers of the second, in every band.

    The gain is the root of their ratio, within bounds, and tends to 1 where the first sinks below ``silence``.
    """
    first, second = powers1.astype(np.float64), powers2.astype(np.float64)
    least = silence * _LEAST_POWER
    logarithms = np.log((second + least) / (first + least)) / 2
    nepers = math.log(10) / 20
    np.clip(logarithms, LEAST_GAIN_DB * nepers, MOST_GAIN_DB * nepers, out=logarithms)
    logarithms *= np.square(first) / (np.square(first) + silence**2)
    return logarithms.astype(np.float32)
