"""Where beats fall on the ticks of a MIDI file whose tempo follows the music."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from core.analysis.result import Beat
from core.audio.midi import SLOWEST_QUARTER_SECONDS

TICKS_PER_QUARTER = 960
"""A tick is at most 1 ms from 62.5 beats a minute on."""

_USUAL_SECONDS = 0.5
_SHORTEST_SECONDS = 1 / 16
"""960 beats a minute: sequencers end at 990 to 1,000."""

_BEATS_PER_BAR = 4


class BeatGrid:
    """Every beat is a quarter note; between two beats, before the first and after the last the tempo is steady."""

    def __init__(self, beats: Sequence[Beat], beats_per_bar: int | None = None) -> None:
        """Lay the grid: 4 quarters a bar where no bars were found."""
        self._beats_per_bar = beats_per_bar or _BEATS_PER_BAR
        self._seconds, self._quarters, self._downbeats = _lines(beats)
        self._lengths = [
            (end - start) / (after - before)
            for (start, end), (before, after) in zip(pairwise(self._seconds), pairwise(self._quarters), strict=True)
        ]
        self._lengths.append(self._lengths[-1] if self._lengths else _USUAL_SECONDS)

    def ticks(self, seconds: float) -> int:
        """The tick nearest to a time from the start of the file, at least 0."""
        line = max(bisect_right(self._seconds, seconds) - 1, 0)
        quarters = self._quarters[line] + (seconds - self._seconds[line]) / self._lengths[line]
        return max(round(quarters * TICKS_PER_QUARTER), 0)

    def tempos(self) -> Iterator[tuple[int, float]]:
        """The ticks at which the tempo changes, and the seconds that a quarter note takes from there on.

        They are whole microseconds such that the lines come at theirs: nothing adds up.
        """
        starts = [round(time * 1e6) for time in self._seconds]
        before = 0.0
        for line, quarter in enumerate(self._quarters):
            if line + 1 < len(starts):
                length = (starts[line + 1] - starts[line]) / (self._quarters[line + 1] - quarter) / 1e6
            else:
                length = self._lengths[line]
            if length != before:
                yield quarter * TICKS_PER_QUARTER, length
            before = length

    def bars(self) -> Iterator[tuple[int, int]]:
        """The ticks at which the length of the bars changes, and the quarters that they have from there on."""
        before = 0
        for quarter, length in self._bar_lengths():
            if length != before:
                yield quarter * TICKS_PER_QUARTER, length
            before = length

    def _bar_lengths(self) -> Iterator[tuple[int, int]]:
        """Bars between downbeats; what is more or less than whole bars stands before them, as an upbeat does."""
        usual = self._beats_per_bar
        edges = [0, *(quarter for quarter in self._downbeats if quarter > 0)]
        for start, end in pairwise(edges):
            odd = (end - start) % usual
            if odd:
                yield start, odd
            if end - start >= usual:
                yield start + odd, usual
        yield edges[-1], usual


def _lines(beats: Sequence[Beat]) -> tuple[list[float], list[int], list[int]]:
    """The times at which the tempo may change, the quarters that these are, and those that are downbeats.

    A first beat that comes so soon that no tempo could lead to it counts as the start.
    """
    times = [beat.time_seconds for beat in beats]
    usual = median(end - start for start, end in pairwise(times)) if len(times) > 1 else _USUAL_SECONDS
    seconds, quarters, downbeats = [0.0], [0], []
    for beat in beats:
        gap = beat.time_seconds - seconds[-1]
        if gap >= _SHORTEST_SECONDS:
            lead = round(gap / max(usual, _SHORTEST_SECONDS)) if len(seconds) == 1 else 1
            quarters.append(quarters[-1] + max(lead, 1, -int(-gap // SLOWEST_QUARTER_SECONDS)))
            seconds.append(beat.time_seconds)
        if beat.position == 1:
            downbeats.append(quarters[-1])
    return seconds, quarters, downbeats
