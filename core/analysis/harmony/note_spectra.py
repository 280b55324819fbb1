"""Spectra on a scale of pitch, and the notes that explain them.

Hann's window is long enough to tell semitones apart from G2 on; a bass line's single notes need less. Its bins are laid
onto thirds of a semitone by raised cosines.

Each bin is then compared with its surroundings, an octave wide: what does not rise above their mean is background
(drums, noise), and the rest is divided by their spread, so that the timbre's slope and the equaliser do not matter
(the whitening of Mauch and Dixon 2010). Templates of notes are what these very steps see of partials that fall by
``_PARTIAL_DECAY`` each; they are mixed by multiplicative updates (Lee and Seung 2001, *Algorithms for non-negative
matrix factorization*), which stay non-negative and cost two small matrix products each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BINS_PER_SEMITONE = 3

_LOWEST_MIDI, _HIGHEST_MIDI = 24, 108  # C1, 33 Hz, to B7: the spectrum that is looked at
_HIGHEST_NOTE = 96  # a note above C7 has too few partials within reach
_WINDOW_SECONDS = 0.37  # rounded to a power of two
_PARTIALS = 20
_PARTIAL_DECAY = 0.7  # Mauch and Dixon's choice
_UPDATES = 30  # twice as many change nothing that counts
_FLOOR = 0.1  # of the frame's strongest bin, −20 dB: the whitening raises nothing from below
_SILENCE = 1e-6  # −120 dBFS
_TUNING_HZ = (100.0, 2000.0)  # below, a semitone is too few bins; above, a stiff string's partials are sharp
_WEAKEST_PARTIAL = 0.03  # of the strongest, −30 dB
_BASS_MIDI = (48.0, 60.0)  # all bass below C3, none from C4 on
_TREBLE_MIDI = (36.0, 48.0)  # no treble up to C2, all from C3 on: guitars and pianos reach down into the bass

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class FoundNotes:
    """What explains some frames.

    Attributes:
        notes: ``[B, 216]``, how strongly each sounds, from C1 up in thirds of a semitone.
        flatness: ``[B]``, 0 (pure notes) to 1 (noise): the geometric over the arithmetic mean of the power.
        tuning: ``[B]``, complex: the mean of how far partials lie from A4 = 440 Hz, a semitone being the full turn.
    """

    notes: Matrix
    flatness: Matrix
    tuning: NDArray[np.complex64]


class NoteSpectra:
    """Explains frames of samples as notes."""

    def __init__(self, sample_rate: int) -> None:
        midi = _LOWEST_MIDI + np.arange((_HIGHEST_MIDI - _LOWEST_MIDI) * BINS_PER_SEMITONE) / BINS_PER_SEMITONE
        self.window_length = 1 << round(math.log2(_WINDOW_SECONDS * sample_rate))
        self._window = _Window(self.window_length, sample_rate, midi)
        self._surroundings = _surroundings(midi.size)
        notes = midi[midi < _HIGHEST_NOTE]
        self._templates = np.stack([self._template(note) for note in notes])
        self._gram = self._templates @ self._templates.T
        self.bass_weights = _below(notes, *_BASS_MIDI)
        """``[216]``: how much of each note is bass."""
        self.treble_weights = 1 - _below(notes, *_TREBLE_MIDI)
        """``[216]``: how much of each is treble; some are both."""

    def notes_in(self, frames: Matrix) -> FoundNotes:
        """What explains frames ``[B, T]`` of ``window_length`` samples each."""
        magnitudes = self._window.magnitudes(frames)
        spectra = magnitudes @ self._window.onto_pitch
        return FoundNotes(self._explained(self._whitened(spectra)), _flatness(spectra), self._window.tuning(magnitudes))

    def _whitened(self, spectra: Matrix) -> Matrix:
        strongest = spectra.max(axis=1, keepdims=True)
        away = spectra - spectra @ self._surroundings
        spread = np.sqrt(np.square(away) @ self._surroundings)
        whitened: Matrix = np.maximum(away, 0) / (spread + _FLOOR * strongest + _SILENCE)
        return whitened

    def _explained(self, spectra: Matrix) -> Matrix:
        seen = spectra @ self._templates.T
        notes = seen.copy()
        for _ in range(_UPDATES):
            notes *= seen / (notes @ self._gram + np.float32(1e-9))
        return notes

    def _template(self, note: float) -> Matrix:
        spectrum = np.zeros(self._surroundings.shape[0], np.float32)
        for partial in range(1, _PARTIALS + 1):
            frequency = float(_frequency(note)) * partial
            tone = self._window.lobe(frequency) @ self._window.onto_pitch
            spectrum += np.float32(_PARTIAL_DECAY ** (partial - 1)) * tone
        return spectrum / np.linalg.norm(spectrum)


class _Window:
    """Hann's, of some length, and how its bins ``[F]`` lie on the pitches ``[P]`` that it sees."""

    def __init__(self, length: int, sample_rate: int, midi: NDArray[np.float64]) -> None:
        self._shape = np.hanning(length + 1)[:-1].astype(np.float32) * np.float32(4 / length)
        self._bin_hz = sample_rate / length
        self._bins = min(int(_frequency(_HIGHEST_MIDI + 1) / self._bin_hz) + 1, length // 2 + 1)
        self.onto_pitch = self._onto(midi)
        """``[F, P]``"""

    def magnitudes(self, frames: Matrix) -> Matrix:
        """``[B, F]``, 1 for a sine of full scale."""
        return np.abs(np.fft.rfft(frames * self._shape, axis=1)[:, : self._bins])

    def lobe(self, frequency: float) -> Matrix:
        """What ``magnitudes`` shows of a sine ``[F]``: the transform of Hann's window, without its side lobes."""
        away = np.abs(np.arange(self._bins) - frequency / self._bin_hz)
        pole = np.abs(away - 1) < 1e-6
        lobe = np.where(pole, 0.5, np.sinc(away) / np.where(pole, 1, 1 - away**2))
        return np.where(away < 2, lobe, 0).astype(np.float32)

    def tuning(self, magnitudes: Matrix) -> NDArray[np.complex64]:
        """The mean direction ``[B]`` of the partials' distances from the nearest notes.

        A peak's frequency is that of the parabola through the logarithms of its three bins (Smith and Serra 1987,
        *PARSHL*).
        """
        lowest, highest = (int(frequency / self._bin_hz) for frequency in _TUNING_HZ)
        logs = np.log(magnitudes[:, lowest - 1 : highest + 1] + np.float32(_SILENCE))
        left, middle, right = logs[:, :-2], logs[:, 1:-1], logs[:, 2:]
        least = magnitudes.max(axis=1, keepdims=True) * np.float32(_WEAKEST_PARTIAL) + np.float32(10 * _SILENCE)
        frames, bins = np.nonzero((middle > left) & (middle >= right) & (magnitudes[:, lowest:highest] > least))
        left, middle, right = left[frames, bins], middle[frames, bins], right[frames, bins]
        frequencies = (lowest + bins + 0.5 * (left - right) / (left - 2 * middle + right)) * self._bin_hz
        turns = np.exp(2j * np.pi * 12 * np.log2(frequencies / 440))
        weights = magnitudes[frames, lowest + bins]
        size = len(magnitudes)
        total = np.bincount(frames, weights, size) + 1e-9
        summed = np.bincount(frames, weights * turns.real, size) + 1j * np.bincount(frames, weights * turns.imag, size)
        return np.asarray(summed / total, np.complex64)

    def _onto(self, midi: NDArray[np.float64]) -> Matrix:
        """Raised cosines, of two pitches' width where the bins lie closer than those, else of two bins'."""
        centre = _frequency(midi)
        step = np.maximum(centre * (2 ** (1 / 12 / BINS_PER_SEMITONE) - 1), self._bin_hz)
        away = np.abs(np.arange(self._bins)[:, None] * self._bin_hz - centre) / step
        weights = np.where(away < 1, 0.5 + 0.5 * np.cos(np.pi * away), 0)
        return np.asarray(weights / np.maximum(weights.sum(axis=0), 1e-9), np.float32)


@lru_cache(maxsize=2)
def spectra_at(sample_rate: int) -> NoteSpectra:
    """The tables for a sample rate, made once."""
    return NoteSpectra(sample_rate)


def _frequency(midi: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(440.0 * 2 ** ((np.asarray(midi) - 69) / 12))


def _surroundings(size: int) -> Matrix:
    """Weights ``[P, P]`` of each bin's octave: Hamming, as in Mauch and Dixon."""
    half = 6 * BINS_PER_SEMITONE
    away = np.abs(np.arange(size)[:, None] - np.arange(size))
    weights = np.where(away <= half, 0.54 + 0.46 * np.cos(np.pi * away / half), 0)
    return np.asarray(weights / weights.sum(axis=0), np.float32)


def _below(midi: NDArray[np.float64], lowest: float, highest: float) -> Matrix:
    """1 up to ``lowest``, 0 from ``highest`` on, a cosine between."""
    return (0.5 + 0.5 * np.cos(np.pi * np.clip((midi - lowest) / (highest - lowest), 0, 1))).astype(np.float32)


def _flatness(spectra: Matrix) -> Matrix:
    power = np.square(spectra) + np.float32(_SILENCE**2)
    return np.asarray(np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1), np.float32)
