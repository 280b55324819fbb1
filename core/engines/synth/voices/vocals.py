"""A voice on an open vowel: a buzz shaped by two formants, with vibrato."""

from __future__ import annotations

import math

import numpy as np

from core.engines.synth.mixing import Sound
from core.engines.synth.oscillators import Mono, cycle, frames_of, shape, tone, vibrato_phase
from core.theory.notes import frequency_of

LEVEL = 0.4
RELEASE_SECONDS = 0.08
FORMANTS = ((500.0, 110.0, 1.0), (1500.0, 170.0, 0.55))
"""Centre in Hz, width in Hz (of a bell curve, to one standard deviation), height."""
VIBRATO_HZ, VIBRATO_CENTS, VIBRATO_DELAY_SECONDS = 5.0, 30.0, 0.12
HIGHEST_HARMONIC_HZ = 3500.0


def amplitudes(frequency_hz: float, brightness: float) -> list[float]:
    """The harmonics up to 3.5 kHz, scaled to a sum of 1. A little of the bare buzz keeps the fundamental heard."""
    levels = [
        _vowel(k * frequency_hz, brightness) + 0.12 / k for k in range(1, int(HIGHEST_HARMONIC_HZ / frequency_hz))
    ]
    return [level / sum(levels) for level in levels]


def note(pitch: int, frames: int, brightness: float) -> Sound:
    """``[2, T]``: the voice in the middle, and a second, slightly higher take of it that only makes it wide."""
    length = frames + frames_of(RELEASE_SECONDS)
    frequency_hz = frequency_of(pitch)
    table = cycle(amplitudes(frequency_hz, brightness))
    mid = _sung(table, frequency_hz, length, VIBRATO_DELAY_SECONDS)
    side = _sung(table, frequency_of(pitch + 0.09), length, VIBRATO_DELAY_SECONDS + 0.03)
    side *= np.float32(0.3)
    sound = np.stack([mid + side, mid - side]) * np.float32(LEVEL)
    return shape(sound, 0.04, RELEASE_SECONDS)


def _sung(table: Mono, frequency_hz: float, frames: int, delay_seconds: float) -> Mono:
    return tone(table, vibrato_phase(frequency_hz, frames, VIBRATO_HZ, VIBRATO_CENTS, delay_seconds))


def _vowel(frequency_hz: float, brightness: float) -> float:
    first, second = (height * math.exp(-(((frequency_hz - hz) / width) ** 2) / 2) for hz, width, height in FORMANTS)
    return first + second * (1 + 0.3 * brightness)
