"""How fast time passes for the string: what bends, slides and vibrato do to it.

A string whose tension or length is changed goes on with the vibration it has, faster or slower. So it is computed at
the pitch where it rests, and then read along a time that runs as fast as the pitch is high.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.engines.synth.oscillators import SAMPLE_RATE, Mono, frames_of
from core.theory.techniques import cents_at

if TYPE_CHECKING:
    from core.engines.plucked_string.modes import Sound
    from core.ports import NoteRequest

_MOVING = frozenset({"bend", "slide", "vibrato"})
_CONTROL_FRAMES = 128
"""Between two points at which the curve is asked for; in between it is straight."""

Clock = NDArray[np.float64]
"""The string's own time at each frame, in frames, from 0."""


def ratios(note: NoteRequest) -> NDArray[np.float64] | None:
    """How high the pitch is beside the one where it rests, every 128 frames and at the end; ``None`` if it is steady.

    What a hammer-on and a pull-off do to the pitch is not in it: they stop the string elsewhere.
    """
    moving = _MOVING & set(note.techniques)
    if not moving:
        return None
    points = -(-frames_of(note.duration_seconds) // _CONTROL_FRAMES) + 1
    seconds = np.arange(points) * (_CONTROL_FRAMES / SAMPLE_RATE)
    cents = np.array([cents_at(note.articulation, moving, note.fret, time) for time in seconds.tolist()])
    rest = 100 * (note.articulation.bend_semitones or 0.0) if "bend" in moving else 0.0
    return np.exp2((cents - rest) / 1200)


def clock(ratio: NDArray[np.float64], frames: int) -> Clock:
    """The string's time: the integral of the ratio, whose points are joined by straight lines."""
    share = np.arange(_CONTROL_FRAMES) / _CONTROL_FRAMES
    speed = (ratio[:-1, np.newaxis] + np.diff(ratio)[:, np.newaxis] * share).ravel()[:frames]
    time = np.empty(frames)
    time[0] = 0.0
    np.cumsum(0.5 * (speed[1:] + speed[:-1]), out=time[1:])
    return time


def read(sound: Sound, slope: Sound, time: Clock) -> Sound:
    """The sound at other times than its frames, ``[C, len(time)]``; ``slope`` is its derivative by the frame.

    A cubic through the values and the slopes of two neighbours (Hermite): where slopes are known exactly, it is off by
    (ω / rate)⁴ / 384 of a partial at most: −63 dB of it at 5 kHz, where it is far below the loudest by itself.
    """
    index = time.astype(np.intp)
    share = (time - index).astype(np.float32)
    moved = np.empty((sound.shape[0], time.size), np.float32)
    for channel, (value, steepness) in enumerate(zip(sound, slope, strict=True)):
        moved[channel] = _cubic(value, steepness, index, share)
    return moved


def _cubic(value: Mono, slope: Mono, index: NDArray[np.intp], share: Mono) -> Mono:
    rise = np.diff(value)
    curvature = 3 * rise - 2 * slope[:-1] - slope[1:]
    twist = slope[:-1] + slope[1:] - 2 * rise
    between: Mono = twist.take(index)
    for coefficient in (curvature, slope, value):
        between *= share
        between += coefficient.take(index)
    return between
