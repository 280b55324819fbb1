"""The mean features of the bars, and how far bars lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.analysis.harmony.chroma import Chroma
from core.analysis.spectrum import SILENCE_DBFS, Spectrum

Floats = NDArray[np.float64]

SHORTEST_BARS = 4
"""A part has at least so many."""

_BAR_SECONDS = 2.0  # where no bars were found
_LONGEST_BAR = 1.75  # of the usual ones; a gap between downbeats that is longer holds several

_TIMBRE_SCALE_DB = 4.0
_LEVEL_SCALE_DB = 8.0
_MEL_BANDS = 40
"""Takes of one part by the synth's players differ by a third of these scales, a lone guitar from all by three."""


@dataclass(frozen=True)
class Bars:
    """The bars of a piece.

    Attributes:
        edges: where they begin, and the end, in seconds ``[N + 1]``.
        notes: chroma ``[N, 24]``, treble and bass.
        sound: timbre and level ``[N, 13]``, in scales in which 1 is another sound.
    """

    edges: Floats
    notes: Floats
    sound: Floats

    def __len__(self) -> int:
        return len(self.notes)


def bars_of(chroma: Chroma, spectrum: Spectrum, downbeats: NDArray[np.float64], duration_seconds: float) -> Bars:
    """The bars from 0 to the end; stretches of 2 s where fewer than two downbeats are known."""
    edges = _edges(downbeats, duration_seconds)
    notes = _means(edges, chroma.times, np.concatenate(chroma.semitones(), axis=1))
    timbre = _means(edges, spectrum.times, spectrum.timbre) / (_MEL_BANDS**0.5 * _TIMBRE_SCALE_DB)
    level = _means(edges, spectrum.times, np.maximum(spectrum.level_dbfs, SILENCE_DBFS)[:, np.newaxis])
    return Bars(edges, notes, np.concatenate((timbre, level / _LEVEL_SCALE_DB), axis=1))


def angle_distances(ones: Floats, others: Floats) -> Floats:
    """One less the cosine of the angle between rows ``[N, D]``; 0 where either is silent, and nothing can be said."""
    lengths = np.linalg.norm(ones, axis=1) * np.linalg.norm(others, axis=1)
    heard = lengths > 0
    cosines = np.sum(ones * others, axis=1) / np.where(heard, lengths, 1)
    return np.where(heard, np.maximum(1 - cosines, 0), 0)


def _edges(downbeats: NDArray[np.float64], duration_seconds: float) -> Floats:
    """Where bars begin, from 0 to the end; what lies before the first, after the last and in gaps is divided evenly."""
    inside = downbeats[(downbeats > 0) & (downbeats < duration_seconds)]
    usual = float(np.median(np.diff(downbeats))) if len(downbeats) > 1 else _BAR_SECONDS
    edges = [0.0]
    for start, end in pairwise(np.concatenate(([0.0], inside, [duration_seconds]))):
        pieces = max(1, round((end - start) / usual)) if end - start > _LONGEST_BAR * usual else 1
        edges.extend(np.linspace(start, end, pieces + 1)[1:])
    if len(edges) > 2 and edges[1] < usual / 2:
        del edges[1]  # an upbeat
    if len(edges) > 2 and edges[-1] - edges[-2] < usual / 2:
        del edges[-2]
    return np.array(edges)


def _means(edges: Floats, times: Floats, values: NDArray[np.float32]) -> Floats:
    """The mean of the rows of ``values`` whose times fall into each bar ``[N, D]``; the nearest row where none does."""
    if not len(values):
        return np.zeros((len(edges) - 1, values.shape[1]))
    firsts = np.minimum(np.searchsorted(times, edges[:-1]), len(values) - 1)
    counts = np.maximum(np.diff(firsts, append=len(values)), 1)
    return np.asarray(np.add.reduceat(values, firsts, dtype=np.float64) / counts[:, np.newaxis])
