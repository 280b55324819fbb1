"""Where the beats are, given how fast the music goes.

Dynamic programming after Ellis ("Beat tracking by dynamic programming", 2007), with a period that may change all the
time; then the beats' exact times.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]
Frames = NDArray[np.intp]

_TIGHTNESS = 100.0
"""How much a beat's strength weighs less than its being in time, in Ellis's units (of his range, 100 is usual)."""
_SHORTEST, _LONGEST = 0.5, 2.0
"""Of the steps from beat to beat, relative to the period."""

_NEAR_FRAMES = 3
"""35 ms, within which an onset says when a beat is."""
_CLEAR = 0.7
"""Of the onsets' level over some seconds, which the onset must have for that."""
_FIRST = 0.5
"""Of the strongest onset near a beat, what the first needs to be the beat."""
_NEAR_SECONDS = 0.035
"""Within which an onset belongs to a beat: half the tolerance of beat evaluation (Davies et al. 2009)."""


def follow(onsets: Curve, periods: Curve) -> Frames:
    """The frames of the beats: where the onsets ``[N]`` are strong, and about a period ``[N]`` (frames) apart."""
    shortest, longest = max(int(periods.min() * _SHORTEST), 1), int(np.ceil(periods.max() * _LONGEST))
    steps = np.arange(longest, shortest - 1, -1)
    score = np.zeros(longest + len(onsets))  # of the best beats up to each frame, after a stretch without any
    came_from = np.zeros(len(onsets), np.intp)
    before = np.lib.stride_tricks.sliding_window_view(score, len(steps))
    # frames closer together than the shortest step do not depend on each other
    for start in range(0, len(onsets), shortest):
        frames = np.arange(start, min(start + shortest, len(onsets)))
        out_of_time = np.log(steps / periods[frames, None]) ** 2
        rated = before[frames] - _TIGHTNESS * out_of_time
        best = rated.argmax(axis=1)
        came_from[frames] = frames - steps[best]
        score[longest + frames] = onsets[frames] + rated[np.arange(len(frames)), best]
    return _traced(score[longest:], came_from, int(periods[-1]))


def _traced(score: Curve, came_from: Frames, last_period: int) -> Frames:
    """Back from the best end within the last period."""
    tail = max(len(score) - max(last_period, 1), 0)
    frame = tail + int(score[tail:].argmax())
    beats = []
    while frame >= 0:
        beats.append(frame)
        frame = int(came_from[frame])
    return np.array(beats[::-1], np.intp)


def strength_at(salient: Curve, frames: Frames, frame_rate: float) -> Curve:
    """The strongest near each of the frames, of ``[N]`` or of each column of ``[N, K]``."""
    near = round(_NEAR_SECONDS * frame_rate)
    around = np.clip(frames[:, None] + np.arange(-near, near + 1), 0, len(salient) - 1)
    strongest: Curve = salient[around].max(axis=1)
    return strongest


def placed(beats: Frames, instants: Curve) -> Curve:
    """The beats to fractions of a frame: at the onset near each, its peak interpolated by a parabola.

    A strum is many onsets: the first that is at least half as strong as any near counts. A beat without a clear onset
    is off by as much as its neighbours. Last, a beat far from where its neighbours would have it, two on each side, is
    moved there. ``instants`` are levelled onsets ``[N]``, N at least 3.
    """
    near = np.arange(-_NEAR_FRAMES, _NEAR_FRAMES + 1)
    around = np.clip(beats[:, None] + near, 1, len(instants) - 2)
    left, top, right = instants[around - 1], instants[around], instants[around + 1]
    enough = np.maximum(_CLEAR, _FIRST * top.max(axis=1, keepdims=True))
    peaks = (top > enough) & (top >= left) & (top > right)
    clear = peaks.any(axis=1)
    if not clear.any():
        return beats.astype(np.float64)
    first = np.arange(len(beats)), peaks.argmax(axis=1)
    bend = np.where(clear, 2 * top[first] - left[first] - right[first], 1)
    away = around[first] - beats + 0.5 * (right[first] - left[first]) / bend
    indices = np.arange(len(beats))
    return _evened(np.maximum(beats + np.interp(indices, indices[clear], away[clear]), 0))


def _evened(beats: Curve) -> Curve:
    """Each the median of itself and of the middles of the beats next to it and next but one."""
    middles = [(beats[2 - k : len(beats) - 2 - k] + beats[2 + k : len(beats) - 2 + k]) / 2 for k in range(3)]
    return np.concatenate([beats[:2], np.median(middles, axis=0), beats[-2:]])
