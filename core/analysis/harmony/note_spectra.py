"""Spectra on a scale of pitch, and the notes that explain them.

Two windows look at the same moment: a long one tells low notes apart, whose semitones lie 2.5 Hz from each other at
E1; a short one follows the higher ones faster. Both are Hann's, laid onto thirds of a semitone by raised cosines.

Each bin is then compared with its surroundings, an octave wide: what does not rise above their mean is background
(drums, noise), and the rest is divided by their spread, so that the timbre's slope and the equaliser do not matter
(the whitening of Mauch and Dixon 2010). Templates of notes are what these very steps see of partials that fall by
``_PARTIAL_DECAY`` each; they are mixed by multiplicative updates (Lee and Seung 2001, *Algorithms for non-negative
matrix factorization*), which stay non-negative and cost two small matrix products each.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BINS_PER_SEMITONE = 3

_LOWEST_MIDI, _HIGHEST_MIDI = 24, 108  # C1, 33 Hz, to B7: the spectrum that is looked at
_HIGHEST_NOTE = 96  # a note above C7 has too few partials within reach
_SPLIT_MIDI = 60.0  # below C4 the long window counts: the short one's lobe would be wider than a semitone
_WINDOW_SECONDS = 0.743
_PARTIALS = 20
_PARTIAL_DECAY = 0.7  # Mauch and Dixon's choice
_UPDATES = 30
_FLOOR = 0.01  # of the frame's strongest bin, −40 dB: the whitening raises nothing from below
_SILENCE = 1e-5  # −100 dBFS
_BASS_MIDI = (48.0, 60.0)  # all bass below C3, none from C4 on
_TREBLE_MIDI = (42.0, 54.0)

Matrix = NDArray[np.float32]


class NoteSpectra:
    """Explains frames of samples as notes."""

    def __init__(self, sample_rate: int) -> None:
        self.window_length = 1 << round(math.log2(_WINDOW_SECONDS * sample_rate))
        self._long = _Window(self.window_length, sample_rate)
        self._short = _Window(self.window_length // 2, sample_rate)
        midi = _LOWEST_MIDI + np.arange((_HIGHEST_MIDI - _LOWEST_MIDI) * BINS_PER_SEMITONE) / BINS_PER_SEMITONE
        self._low = midi < _SPLIT_MIDI
        self._mean = _surroundings(midi.size)
        self._midi = midi
        notes = midi[midi < _HIGHEST_NOTE]
        self._templates = np.stack([self._template(note) for note in notes])
        self._gram = self._templates @ self._templates.T
        self.bass_weights, self.treble_weights = _bass_of(notes), 1 - _bass_of(notes, _TREBLE_MIDI)

    def notes_in(self, frames: Matrix) -> tuple[Matrix, Matrix]:
        """How strongly each note sounds in frames ``[B, T]`` of ``window_length`` samples, and how flat they are.

        Notes ``[B, 216]`` from C1 up in thirds of a semitone; flatness ``[B]``, 0 to 1.
        """
        spectra = self._spectra(frames)
        return self._explained(self._whitened(spectra)), _flatness(spectra)

    def _spectra(self, frames: Matrix) -> Matrix:
        quarter = frames.shape[1] // 4
        low, high = self._long.magnitudes(frames), self._short.magnitudes(frames[:, quarter:-quarter])
        low, high = low @ self._long.onto(self._midi[self._low]), high @ self._short.onto(self._midi[~self._low])
        return np.concatenate([low, high], axis=1)

    def _whitened(self, spectra: Matrix) -> Matrix:
        strongest = spectra.max(axis=1, keepdims=True)
        mean = spectra @ self._mean
        above = np.maximum(spectra - mean, 0)
        spread = np.sqrt(np.maximum(np.square(spectra - mean) @ self._mean, 0))
        whitened = above / (spread + _FLOOR * strongest + _SILENCE)
        return np.asarray(whitened, np.float32)

    def _explained(self, spectra: Matrix) -> Matrix:
        seen = spectra @ self._templates.T
        notes = seen.copy()
        for _ in range(_UPDATES):
            notes *= seen / (notes @ self._gram + 1e-9)
        return notes

    def _template(self, note: float) -> Matrix:
        partials = np.arange(1, _PARTIALS + 1)
        frequencies = _frequency(note) * partials
        spectrum = sum(
            _PARTIAL_DECAY ** (partial - 1) * self._tone(frequency)
            for partial, frequency in zip(partials, frequencies, strict=True)
        )
        return np.asarray(spectrum / np.linalg.norm(spectrum), np.float32)

    def _tone(self, frequency: float) -> Matrix:
        low = self._long.lobe(frequency) @ self._long.onto(self._midi[self._low])
        high = self._short.lobe(frequency) @ self._short.onto(self._midi[~self._low])
        return np.concatenate([low, high])


class _Window:
    def __init__(self, length: int, sample_rate: int) -> None:
        self._shape = np.hanning(length + 1)[:-1].astype(np.float32) * np.float32(4 / length)
        self._bin_hz = sample_rate / length
        self._bins = min(int(_frequency(_HIGHEST_MIDI + 1) / self._bin_hz) + 1, length // 2 + 1)
        self._maps: dict[tuple[float, int], Matrix] = {}

    def magnitudes(self, frames: Matrix) -> Matrix:
        """1 for a sine of full scale."""
        return np.abs(np.fft.rfft(frames * self._shape, axis=1)[:, : self._bins])

    def lobe(self, frequency: float) -> Matrix:
        """What ``magnitudes`` shows of a sine."""
        away = np.abs(np.arange(self._bins) - frequency / self._bin_hz)
        lobe = np.abs(np.sinc(away) / np.where(np.abs(away - 1) < 1e-6, 1, 1 - away**2))
        return np.where(away < 2, np.where(np.abs(away - 1) < 1e-6, 0.5, lobe), 0).astype(np.float32)

    def onto(self, midi: NDArray[np.float64]) -> Matrix:
        """Weights ``[bins, P]``: raised cosines, two bins wide where those are wide enough to be seen."""
        key = (float(midi[0]), midi.size)
        if key not in self._maps:
            frequencies = np.arange(self._bins) * self._bin_hz
            centre = _frequency(midi)
            step = np.maximum(centre * (2 ** (1 / 12 / BINS_PER_SEMITONE) - 1), self._bin_hz)
            away = np.abs(frequencies[:, None] - centre) / step
            weights = np.where(away < 1, 0.5 + 0.5 * np.cos(np.pi * away), 0)
            self._maps[key] = (weights / np.maximum(weights.sum(axis=0), 1e-9)).astype(np.float32)
        return self._maps[key]


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


def _bass_of(midi: NDArray[np.float64], between: tuple[float, float] = _BASS_MIDI) -> Matrix:
    lowest, highest = between
    return (0.5 + 0.5 * np.cos(np.pi * np.clip((midi - lowest) / (highest - lowest), 0, 1))).astype(np.float32)


def _flatness(spectra: Matrix) -> Matrix:
    power = np.square(spectra) + np.float32(_SILENCE**2)
    return np.asarray(np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1), np.float32)
