"""Which of the metre's levels people would tap: the hardest question about a tempo, as both answers keep time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.analysis.rhythm.beats import Curve, Frames, strength_at
from core.analysis.rhythm.downbeats import harmonic_changes, repeated

if TYPE_CHECKING:
    from core.analysis.harmony.chroma import Chroma

SLOWEST_BPM, FASTEST_BPM = 55.0, 215.0
"""What beats may be, as in the tracker of Böck, Krebs & Widmer (ISMIR 2016)."""

_OFFBEAT_SHARE = 0.45
"""How strong off-beats must be, relative to beats, to be beats themselves: a little less than half."""
_SHARE_OF_BACKBEAT = 0.8
"""How much it counts that off-beats are stronger in some registers though weaker in all, as a snare is after a kick."""
_SHARE_PER_OCTAVE, _INDIFFERENT_BPM = 0.06, 74.0
"""It takes more of them in faster music, for people prefer a beat around 105 bpm (between 74 and 148 they have no
preference): the slope of a log-normal of 0.6 octaves (Moelants, "Preferred tempo reconsidered", 2002)."""
_LEAST_BEATS = 4
"""Fewer say nothing about it."""
_SHARE_OF_HARMONY = 0.25
"""How much of a difference the harmony makes, at most: it tips the scale where accents leave the question open."""


def tapped_level(salient: Curve, beats: Frames, frame_rate: float, chroma: Chroma | None = None) -> float:
    """How many beats people would tap for each of these, in onsets ``[N, 3]``: a power of 2.

    They tap between 55 and 215 a minute, which leaves at most two levels an octave apart. The faster is right where
    what falls between the slower one's beats is about as strong as they are, and the more so where it answers them as
    a backbeat does, and where the harmony then changes once a bar.
    """
    tempo = 60 * frame_rate / float(np.median(np.diff(beats)))
    factor = float(2 ** np.ceil(np.log2(SLOWEST_BPM / tempo)))
    if 2 * factor * tempo > FASTEST_BPM:
        return factor
    total = salient.sum(axis=1)
    fast = _divided(beats, 2 * factor, total)
    slow = _divided(fast, 0.5, total)
    if len(slow) < _LEAST_BEATS:
        return factor
    share = _offbeat_share(strength_at(salient, fast, frame_rate))
    if chroma is not None:
        share += _SHARE_OF_HARMONY * (_bars_of(chroma, fast / frame_rate) - _bars_of(chroma, slow / frame_rate))
    enough = _OFFBEAT_SHARE + _SHARE_PER_OCTAVE * np.log2(factor * tempo / _INDIFFERENT_BPM)
    return factor * 2 if share > enough else factor


def _offbeat_share(accents: Curve) -> float:
    """How strong every other one of the accents ``[pulses, 3]`` is, relative to those between, the stronger ones."""
    weak, strong = sorted((accents[::2].mean(axis=0), accents[1::2].mean(axis=0)), key=np.sum)
    answer = np.maximum(weak - strong, 0) / np.maximum(weak + strong, 1e-12)
    return float(weak.sum() / max(strong.sum(), 1e-12) + _SHARE_OF_BACKBEAT * answer.mean())


def _bars_of(chroma: Chroma, beats: Curve) -> float:
    """How much more of the changes of harmony bars of four beats explain than bars of two: the most if it changes
    with each bar of four, which is the commonest harmonic rhythm; nothing if it changes every other beat."""
    changes = harmonic_changes(chroma, beats)
    return repeated(changes, 4) - repeated(changes, 2)


def _divided(beats: Frames, density: float, salient: Curve) -> Frames:
    """So many pulses for each beat: evenly between them, or the strongest share of them."""
    if density >= 1:
        places = np.arange((len(beats) - 1) * round(density) + 1) / density
        return np.round(np.interp(places, np.arange(len(beats)), beats)).astype(np.intp)
    every = round(1 / density)
    phases = [salient[beats[phase::every]].mean() for phase in range(every)]
    return beats[int(np.argmax(phases)) :: every]
