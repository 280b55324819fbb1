"""From onsets to beats and bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.analysis.rhythm.beats import Curve, Frames, placed, strength_at
from core.analysis.rhythm.downbeats import find_bars
from core.analysis.rhythm.harmonic_rhythm import harmonic_changes
from core.analysis.rhythm.onsets import Onsets
from core.analysis.rhythm.pulses import tapped_pulse
from core.analysis.rhythm.tempo import levelled, salience, tempo_curves

if TYPE_CHECKING:
    from core.analysis.harmony.chroma import Chroma

LEAST_BEATS = 4
"""Fewer are no rhythm."""
_SPAN_BEATS = 4
"""Over which the slowest and the fastest tempo are taken."""
_AUDIBLE = 0.5
"""Of the beats' root mean square: weaker beats before the first and after the last that is not are no beats."""
_NOISE_CLARITY, _CHANCE, _SURE = 0.06, 0.36, 0.2
"""The clarity of a tempo in noise: 0.05 at most in 30 s, and in a few seconds more by chance, as the root of the time;
and how much more gives full confidence: bands and guitars have it, irregular syllables come to 0.06 more."""


@dataclass(frozen=True)
class Rhythm:
    """The beats, and what follows from them.

    Attributes:
        tempo_bpm: the median over the beats; None without beats.
        confidence: 0 to 1.
        beats: float64 ``[N]``, seconds, rising.
        positions: ``[N]``, of each beat in its bar, from 1; all 0 where no bars were found.
        beats_per_bar: 3 or 4, or None.
        slowest_bpm, fastest_bpm: over four beats in a row.
    """

    tempo_bpm: float | None
    confidence: float
    beats: Curve
    positions: NDArray[np.intp]
    beats_per_bar: int | None
    slowest_bpm: float | None
    fastest_bpm: float | None


def track_rhythm(onsets: Onsets, chroma: Chroma | None = None) -> Rhythm:
    """The beats of music, from 55 to 215 a minute, and its bars; the harmony, if known, helps to find those.

    Nothing periodic, or fewer than four beats, gives no beats and no confidence.
    """
    rate = onsets.frame_rate
    salient = salience(onsets.registers, rate)
    frames, confidence = _beats(salient, rate, chroma)
    if len(frames) < LEAST_BEATS:
        return Rhythm(None, 0.0, np.zeros(0), np.zeros(0, np.intp), None, None, None)
    instants = levelled(salience(onsets.instants, rate), rate).mean(axis=1)
    beats = placed(frames, instants) / rate
    changes = None if chroma is None else harmonic_changes(chroma, beats)
    positions, beats_per_bar = find_bars(strength_at(salient, frames, rate), changes)
    span = min(_SPAN_BEATS, len(beats) - 1)
    spans = 60 * span / (beats[span:] - beats[:-span])
    tempo = 60 / float(np.median(np.diff(beats)))
    return Rhythm(tempo, confidence, beats, positions, beats_per_bar, float(spans.min()), float(spans.max()))


def _beats(salient: Curve, frame_rate: float, chroma: Chroma | None) -> tuple[Frames, float]:
    """The frames of the beats, and how sure they are; none where nothing is periodic."""
    none = np.zeros(0, np.intp), 0.0
    if not salient.any():
        return none
    # the root, so that one heavy beat in a bar does not outweigh the others
    novel = levelled(np.sqrt(salient.sum(axis=1)), frame_rate)
    curves = tempo_curves(novel, frame_rate)
    confidence = _confidence(curves[0].clarity, len(novel) / frame_rate)
    beats = tapped_pulse(salient, novel, curves, frame_rate, chroma)
    if confidence <= 0 or len(beats) < LEAST_BEATS:
        return none
    return _audible(beats, novel, frame_rate), confidence


def _confidence(clarity: float, seconds: float) -> float:
    noise = max(_NOISE_CLARITY, _CHANCE / np.sqrt(seconds))
    return float(min(max((clarity - noise) / _SURE, 0.0), 1.0))


def _audible(beats: Frames, novel: Curve, frame_rate: float) -> Frames:
    """Without the beats in the silence before and after the music."""
    strength = strength_at(novel, beats, frame_rate)
    loud = np.flatnonzero(strength > _AUDIBLE * np.sqrt(np.mean(strength**2)))
    return beats[loud[0] : loud[-1] + 1] if loud.size else beats[:0]
