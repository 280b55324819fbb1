"""A marimba bar, the instrument of ``other``: a pure tone, and for a moment its fourth partial."""

from __future__ import annotations

import numpy as np

from core.engines.synth.mixing import Sound
from core.engines.synth.oscillators import decay, frames_of, shape, sine, steady_phase
from core.theory.notes import frequency_of

LEVEL = 0.24
RING_SECONDS = 0.25
OVERTONE = 3.93
"""The second mode of a marimba bar, tuned to two octaves and found a little below (Fletcher and Rossing, 1998)."""


def note(pitch: int, frames: int, brightness: float) -> Sound:
    """``[1, T]``, rings on for a quarter of a second."""
    length = frames + frames_of(RING_SECONDS)
    frequency_hz = frequency_of(pitch)
    bar = sine(steady_phase(frequency_hz, length)) * decay(length, 0.45)
    strike = sine(steady_phase(OVERTONE * frequency_hz, length)) * decay(length, 0.05)
    sound = np.float32(LEVEL) * (bar + np.float32(0.3 + 0.1 * brightness) * strike)
    return shape(sound, 0.002, RING_SECONDS)[np.newaxis]
