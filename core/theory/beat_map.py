"""Between seconds and beats, in music whose tempo may drift."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence

_EDGE_INTERVALS = 4
"""The tempo at either end is the mean over so many intervals: a single one is as inexact as its two beats."""


class BeatMap:
    """The beats of a piece, counted from 0 for the first, and everything between and around them.

    Between two beats time runs evenly; before the first and after the last the tempo goes on as it is there.
    """

    def __init__(self, beats: Sequence[float]) -> None:
        """``beats`` are seconds, ascending. Raises ``ValueError`` for fewer than two, or others."""
        if len(beats) < 2 or any(after <= before for before, after in itertools.pairwise(beats)):
            raise ValueError("beats must be at least two, each later than the one before")
        self._beats = tuple(beats)
        self._last = len(self._beats) - 1
        edge = min(_EDGE_INTERVALS, self._last)
        self._first_interval = (self._beats[edge] - self._beats[0]) / edge
        self._last_interval = (self._beats[-1] - self._beats[-1 - edge]) / edge

    def seconds_at(self, beat: float) -> float:
        """When a beat falls, whole or not, negative ones before the first."""
        if beat < 0:
            return self._beats[0] + beat * self._first_interval
        if beat >= self._last:
            return self._beats[-1] + (beat - self._last) * self._last_interval
        index = int(beat)
        here, there = self._beats[index : index + 2]
        return here + (beat - index) * (there - here)

    def beat_at(self, seconds: float) -> float:
        """The inverse of ``seconds_at``."""
        if seconds < self._beats[0]:
            return (seconds - self._beats[0]) / self._first_interval
        if seconds >= self._beats[-1]:
            return self._last + (seconds - self._beats[-1]) / self._last_interval
        index = bisect_right(self._beats, seconds) - 1
        here, there = self._beats[index : index + 2]
        return index + (seconds - here) / (there - here)
