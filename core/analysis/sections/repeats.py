"""Where what sounded before comes again, bar for bar.

Stretches that repeat are stripes beside the diagonal of the self-similarity matrix; where they begin and end, parts
do (Goto 2006, *A chorus section detection method for musical audio signals and its application to a music listening
station*). The matrix is looked at one stripe at a time, and never held.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.analysis.sections.bars import SHORTEST_BARS, Bars, angle_distances

_SHORTEST_RUN = 8
"""Bars: four chords, and a few more, may come again in any part."""

_FARTHEST_BARS = 1024  # half an hour and more: no song is longer, and hours stay cheap
_NOTES_SCALE = 0.2
_SOUND_SCALE = 3.0
"""Bars that are heard again differ by less than these."""


class Repeats:
    """The runs of bars that are heard again.

    Attributes:
        classes: for each bar the first one that it repeats, itself if none ``[N]``.
        covered: whether a bar is in a run ``[N]``.
        edges: how many bars the runs have that begin or end at each bar ``[N + 1]``.
    """

    def __init__(self, bars: Bars) -> None:
        """Find them."""
        self.classes = np.arange(len(bars))
        self.covered = np.zeros(len(bars), bool)
        self.edges = np.zeros(len(bars) + 1, np.int64)
        runs = [run for lag in range(1, min(len(bars), _FARTHEST_BARS)) for run in _runs(bars, lag)]
        for start, end, lag in runs:
            for shift in (0, lag):
                self.edges[[start + shift, end + shift]] += end - start
                self.covered[start + shift : end + shift] = True
        self._unite(runs)

    def boundaries(self) -> list[int]:
        """Bars at which runs begin or end, those of the longest and most runs first to be kept; four bars apart."""
        kept = [0, len(self.classes)]
        for place in np.argsort(-self.edges, kind="stable"):
            if self.edges[place] and min(abs(place - other) for other in kept) >= SHORTEST_BARS:
                kept.append(int(place))
        return sorted(kept)[1:-1]

    def share(self, one: slice, other: slice) -> float | None:
        """How many of the bars of two parts are heard in both, 0 to 1; ``None`` if either is heard but once."""
        if min(self.covered[one].mean(), self.covered[other].mean()) < 0.5:
            return None
        ones, others = self.classes[one], self.classes[other]
        return float(min(np.isin(ones, others).mean(), np.isin(others, ones).mean()))

    def _unite(self, runs: list[tuple[int, int, int]]) -> None:
        """Give bars that repeat each other one class, until nothing changes."""
        before = None
        while before is None or (before != self.classes).any():
            before = self.classes.copy()
            for start, end, lag in runs:
                one, other = self.classes[start:end], self.classes[start + lag : end + lag]
                least = np.minimum(one, other)
                self.classes[start:end] = least
                self.classes[start + lag : end + lag] = np.minimum(self.classes[start + lag : end + lag], least)


def _runs(bars: Bars, lag: int) -> Iterator[tuple[int, int, int]]:
    """Start, end and lag of the stretches that are heard again so many bars later."""
    notes = angle_distances(bars.notes[:-lag], bars.notes[lag:]) / _NOTES_SCALE
    sound = np.linalg.norm(bars.sound[:-lag] - bars.sound[lag:], axis=1) / _SOUND_SCALE
    alike = np.hypot(notes, sound) < 1
    steps = np.diff(alike.astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(steps > 0), np.flatnonzero(steps < 0)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end - start >= _SHORTEST_RUN:
            yield start, end, lag
