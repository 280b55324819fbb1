"""Which moment of either track belongs to a moment of the bridge: beat upon beat, at a tempo between both.

A tracker may miss beats or hear one twice, and of two tracks at 70 and 140 bpm one is counted in halves of the other.
So each track's beats are first made regular, then the faster ones thinned until their tempos are as near as they can
be, and then paired in order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.ports import Track

Seconds = NDArray[np.float64]
"""Ascending times, ``[N]``."""

BEATS_PER_BAR = 4
LONGEST_LOOP_SECONDS = 8.0
"""Two bars at 60 bpm: what is kept of a track in order to repeat its end."""
SHORTEST_BEAT_SECONDS, LONGEST_BEAT_SECONDS = 0.1, 3.0
"""600 and 20 bpm: what comes faster or slower is not counted as beats."""
USUAL_BEAT_SECONDS, LONGEST_SMOOTHED_SECONDS = 0.5, 1.5
"""What is taken for a beat where none was heard; how much of a long one is smoothed over."""
_FAR = 1e6
"""Seconds to either side of the beats over which time runs on; longer than any track."""


@dataclass(frozen=True)
class TimeMap:
    """What moment of a track sounds at a moment of the bridge: piecewise linear, and rising.

    Before the first beat and after the last both run at the same speed.

    Attributes:
        bridge: when the beats fall in the bridge.
        track: when they fall in the track.
    """

    bridge: Seconds
    track: Seconds

    @property
    def identity(self) -> bool:
        """Whether the track runs as it is, to the microsecond."""
        return np.allclose(self.bridge, self.track, rtol=0, atol=1e-6)

    def __call__(self, seconds: NDArray[np.floating[Any]]) -> Seconds:
        moments: Seconds = np.interp(seconds, _outreaching(self.bridge), _outreaching(self.track))
        return moments


@dataclass(frozen=True)
class Repeats:
    """What of a track is heard again where the bridge asks for more than there is.

    Attributes:
        lead_seconds: the length of the beat that also sounds before the start.
        loop_seconds: the length of the bars that are repeated after the end; 0 for silence.
    """

    lead_seconds: float = 0.0
    loop_seconds: float = 0.0


@dataclass(frozen=True)
class Alignment:
    """The beats of two tracks in pairs.

    Attributes:
        beats1, beats2: of the same number, which is 0 if a track has none: then neither is ever stretched.
        repeats1, repeats2: what fills up a track that runs out, or starts too late.
        beat_seconds: about the length of one, at most 1.5.
    """

    beats1: Seconds
    beats2: Seconds
    repeats1: Repeats
    repeats2: Repeats
    beat_seconds: float

    @classmethod
    def of(cls, track1: Track, track2: Track, duration_seconds: float) -> Alignment:
        """Pair the beats of two tracks of this length."""
        first, second = regular(track1.beats), regular(track2.beats)
        if not (len(first) and len(second)):
            return cls(first[:0], second[:0], Repeats(), Repeats(), USUAL_BEAT_SECONDS)
        until_seconds = 4 * max(duration_seconds, first[-1], second[-1])
        beats1, beats2 = paired(_extended(first, until_seconds), _extended(second, until_seconds))
        beat_seconds = (_interval(beats1) + _interval(beats2)) / 2
        return cls(beats1, beats2, _repeats(first), _repeats(second), min(beat_seconds, LONGEST_SMOOTHED_SECONDS))

    def maps(self, crossover: float) -> tuple[TimeMap, TimeMap]:
        """How either track runs in the bridge whose beats fall this far, 0 to 1, on the way from track 1's to 2's."""
        bridge = (1 - crossover) * self.beats1 + crossover * self.beats2
        return TimeMap(bridge, self.beats1), TimeMap(bridge, self.beats2)


def regular(beats: tuple[float, ...]) -> Seconds:
    """The beats, evenly filled in where some were missed, and without those that follow another too soon.

    Every interval counts as the nearest whole number of the median one. A single beat, or beats that come faster or
    slower than anybody counts, are none.
    """
    times = np.unique(np.asarray(beats, np.float64))
    if len(times) < 2 or not SHORTEST_BEAT_SECONDS <= _interval(times) <= LONGEST_BEAT_SECONDS:
        return np.zeros(0)
    counts = np.concatenate([[0], np.cumsum(np.rint(np.diff(times) / _interval(times)))])
    places, first = np.unique(counts, return_index=True)
    return np.interp(np.arange(places[-1] + 1), places, times[first])


def paired(first: Seconds, second: Seconds) -> tuple[Seconds, Seconds]:
    """As many of either, in order, at tempos whose ratio lies between √½ and √2.

    The track whose tempo is the faster leaves out every second beat, or more of them. The first beat of one track
    meets that of the other which is nearest in time.
    """
    halvings = round(math.log2(_interval(first) / _interval(second)))
    first, second = _met(first, second, 2 ** max(-halvings, 0), 2 ** max(halvings, 0))
    count = min(len(first), len(second))
    return first[:count], second[:count]


def _met(first: Seconds, second: Seconds, stride1: int, stride2: int) -> tuple[Seconds, Seconds]:
    """Every ``stride``-th beat of either, from the pair that is nearest, one of them among its track's first."""
    if first[0] > second[0]:
        second, first = _met(second, first, stride2, stride1)
        return first, second
    distances = np.abs(first[:, np.newaxis] - second[np.newaxis, :stride2])
    begin1, begin2 = np.unravel_index(np.argmin(distances), distances.shape)
    return first[begin1::stride1], second[begin2::stride2]


def _extended(beats: Seconds, until_seconds: float) -> Seconds:
    """The beats, and more of them after the last, at the tempo of what is then repeated."""
    interval = _loop(beats)[1]
    count = max(math.ceil((until_seconds - beats[-1]) / interval), 0)
    return np.concatenate([beats, beats[-1] + interval * np.arange(1, count + 1)])


def _repeats(beats: Seconds) -> Repeats:
    return Repeats(lead_seconds=float(beats[1] - beats[0]), loop_seconds=_loop(beats)[0])


def _loop(beats: Seconds) -> tuple[float, float]:
    """How long the last bars are, as many as there are within 8 s, or else beats, and how long a beat of theirs is."""
    beats_within = int(np.count_nonzero(beats[-1] - beats <= LONGEST_LOOP_SECONDS)) - 1
    count = beats_within // BEATS_PER_BAR * BEATS_PER_BAR or beats_within
    seconds = float(beats[-1] - beats[-1 - count])
    return seconds, seconds / count


def _interval(beats: Seconds) -> float:
    return float(np.median(np.diff(beats)))


def _outreaching(beats: Seconds) -> Seconds:
    """The beats between two moments that lie equally far from the first and from the last."""
    if not len(beats):
        return np.array([-_FAR, _FAR])
    return np.concatenate([[beats[0] - _FAR], beats, [beats[-1] + _FAR]])
