"""Where notes begin: how much louder each part of the spectrum becomes, 86 times a second.

The novelty is a spectral flux (Bello et al., "A tutorial on onset detection in music signals", 2005) of loudness in
semitone bands, with the maximum filter of SuperFlux (Böck & Widmer, "Maximum filter vibrato suppression for onset
detection", DAFx 2013): a pitch that wavers by less than a semitone is no onset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Envelope = NDArray[np.float32]

ANALYSIS_RATE = 22050
"""Hz, of what is listened to."""
HOP = 256
"""Samples from frame to frame, 11.6 ms; beats are placed between frames by interpolation."""
FRAME_RATE = ANALYSIS_RATE / HOP
"""Hz."""
BAND_EDGES_HZ = (200.0, 2000.0)
"""Between the registers: kick and bass; harmony and snare; cymbals."""
REGISTERS = len(BAND_EDGES_HZ) + 1

_LOWEST_HZ, _HIGHEST_HZ, _BANDS_PER_OCTAVE = 40.0, 10000.0, 12
_LONG_WINDOW = 1024
"""Samples, 46 ms as in SuperFlux: partials that beat against each other in a band would be onsets in a shorter one."""
_SHORT_WINDOW = 512
"""Samples, 23 ms: says when a note begins, within 4 ms; below 200 Hz it holds too few periods to tell."""
_LONG_EARLY, _SHORT_EARLY = 220, 95
"""Samples by which loudness rises before a window's middle reaches the onset: 10 and 4.3 ms, the means measured over
clicks, drums, plucked strings, piano and mallets."""
_LOUDNESS_EXPONENT = 0.3
"""Loudness grows as this power of intensity (Stevens, "The measurement of loudness", 1955). Unlike a logarithm it needs
no floor: the same music played softer has the same onsets, only all of them smaller."""
_JUST_LOUDER = 10 ** (0.05 * _LOUDNESS_EXPONENT)
"""The ratio of loudnesses half a decibel apart: a smaller rise is not heard (Zwicker & Fastl, "Psychoacoustics"), and a
steady tone, whose frames differ a little with its phase, has no onsets."""
_FAINTEST = 10 ** (-6 * _LOUDNESS_EXPONENT)
"""Of the loudest band: 60 dB below it, a band is masked, and what it does is rounding."""
_BATCH_FRAMES = 256  # always as many at once, so that not a bit depends on where the blocks ended
_LOUDEST = 16.0  # full scale is 1; what is beyond is no sample, and its square would not fit float32


@dataclass(frozen=True)
class Onsets:
    """How strongly notes begin; frame ``n`` is at ``n / frame_rate`` seconds.

    Attributes:
        registers: float32 ``[N, 3]``, from 0 up: below 200 Hz, up to 2 kHz, and above.
        instants: float32 ``[N, 2]``, of the upper two registers, blurred less in time and with more chance peaks.
        frame_rate: Hz.
    """

    registers: Envelope
    instants: Envelope
    frame_rate: float = FRAME_RATE

    def __len__(self) -> int:
        return len(self.instants)


class OnsetListener:
    """Hears mono samples at 22,050 Hz in blocks of any length; keeps 1.4 kB for each second of them."""

    def __init__(self) -> None:
        self._long = _Flux(_LONG_WINDOW, _LONG_EARLY)
        self._short = _Flux(_SHORT_WINDOW, _SHORT_EARLY)
        self._samples = 0

    def add(self, block: NDArray[Any]) -> None:
        """Hear the next samples ``[T]``; NaN counts as silence."""
        heard = np.clip(np.nan_to_num(np.asarray(block, np.float32)), -_LOUDEST, _LOUDEST)
        self._samples += heard.size
        self._long.add(heard)
        self._short.add(heard)

    def finish(self) -> Onsets:
        """What was heard, a frame for each hop begun. Nothing may be added afterwards."""
        frames = -(-self._samples // HOP)
        return Onsets(self._long.first(frames), self._short.first(frames)[:, 1:])


class _Flux:
    """The rise of loudness in each register with a window of one length.

    ``early`` is by how many samples the rise precedes the middle of the window: frames are placed as much later.
    """

    def __init__(self, window_length: int, early: int) -> None:
        self._window_length = window_length
        self._bank = _FilterBank(window_length)
        # silence before the music, so that the rise between frames n and n + 1 is the one at sample n * HOP
        self._pending = np.zeros(window_length // 2 + HOP // 2 + early, np.float32)
        self._last = np.zeros((0, self._bank.bands), np.float32)
        self._rises: list[Envelope] = []

    def add(self, samples: Envelope) -> None:
        batch_length = (_BATCH_FRAMES - 1) * HOP + self._window_length
        pending = np.concatenate([self._pending, samples])
        start = 0
        while pending.size - start >= batch_length:
            self._listen(pending[start : start + batch_length])
            start += _BATCH_FRAMES * HOP
        self._pending = pending[start:].copy()

    def first(self, frames: int) -> Envelope:
        """The first so many frames ``[frames, 3]``, as if silence followed."""
        while sum(map(len, self._rises)) < frames:
            self.add(np.zeros(_BATCH_FRAMES * HOP, np.float32))
        nothing = np.zeros((0, REGISTERS), np.float32)
        rises: Envelope = np.concatenate([nothing, *self._rises])
        return rises[:frames].copy()

    def _listen(self, samples: Envelope) -> None:
        frames = np.lib.stride_tricks.sliding_window_view(samples, self._window_length)[::HOP]
        heard = self._bank.loudness(frames)
        audible = np.maximum(heard, np.float32(_FAINTEST) * heard.max(axis=1, keepdims=True))
        loudness = np.concatenate([self._last, audible])
        rise = np.maximum(loudness[1:] - np.float32(_JUST_LOUDER) * _widest(loudness[:-1]), 0)
        self._rises.append(rise @ self._bank.register_of_band)
        self._last = loudness[-1:]


class _FilterBank:
    """Triangles a semitone apart, at least as wide as the window can tell frequencies apart."""

    def __init__(self, window_length: int) -> None:
        octaves = np.log2(_HIGHEST_HZ / _LOWEST_HZ)
        centres = _LOWEST_HZ * 2 ** (np.arange(int(octaves * _BANDS_PER_OCTAVE) + 1) / _BANDS_PER_OCTAVE)
        resolution = ANALYSIS_RATE / window_length
        half_widths = np.maximum(centres * (2 ** (1 / _BANDS_PER_OCTAVE) - 1), resolution)
        frequencies = np.arange(window_length // 2 + 1) * resolution
        away = np.abs(frequencies[:, None] - centres) / half_widths
        self._weights: Envelope = np.maximum(1 - away, 0).astype(np.float32)
        self._window = np.hanning(window_length + 1)[:-1].astype(np.float32)
        register = np.searchsorted(BAND_EDGES_HZ, centres)
        self.register_of_band = np.asarray(register[:, None] == np.arange(REGISTERS), np.float32)
        self.bands = len(centres)

    def loudness(self, frames: Envelope) -> Envelope:
        """Of each band ``[N, bands]``, of frames ``[N, window_length]``."""
        spectrum = np.fft.rfft(frames * self._window)
        intensity = np.square(spectrum.real) + np.square(spectrum.imag)
        loudness: Envelope = (intensity @ self._weights) ** np.float32(_LOUDNESS_EXPONENT)
        return loudness


def _widest(loudness: Envelope) -> Envelope:
    """The maximum over each band and its two neighbours."""
    widest = loudness.copy()
    np.maximum(widest[:, 1:], loudness[:, :-1], out=widest[:, 1:])
    np.maximum(widest[:, :-1], loudness[:, 1:], out=widest[:, :-1])
    return widest
