"""An electric guitar, string by string, into an amplifier that saturates.

Each string is saturated by itself: a whole chord through one tanh would add the sums and differences of its tones,
which are not in the chord.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from core.engines.synth.mixing import Sound
from core.engines.synth.oscillators import cycle, decay, frames_of, shape, steady_phase, tone
from core.theory.notes import frequency_of

LEVEL = 0.11
RELEASE_SECONDS = 0.05
HARMONICS = 12
DRIVES: Mapping[str, float] = {"rock": 4.0, "pop": 1.8, "jazz": 0.7, "electronic": 2.6, "ballad": 1.0}
"""What the string is multiplied by before tanh: below 1 clean, above 3 distorted."""
_PLUCK_POSITION = 0.2
"""Share of the string's length, from the bridge; the fifth harmonic has a node there and is silent."""


def amplitudes(brightness: float) -> list[float]:
    """The harmonics of a plucked string, |sin(kπp)| / k^s, scaled to a sum of 1."""
    slope = 1.4 - 0.25 * brightness
    levels = [abs(math.sin(k * math.pi * _PLUCK_POSITION)) / k**slope for k in range(1, HARMONICS + 1)]
    return [level / sum(levels) for level in levels]


def string(pitch: int, frames: int, drive: float, brightness: float, muted: bool) -> Sound:
    """``[1, T]``, held for ``frames`` and damped in 50 ms; a muted string dies within a tenth of a second."""
    length = frames + frames_of(RELEASE_SECONDS)
    sound = tone(cycle(amplitudes(brightness)), steady_phase(frequency_of(pitch), length))
    sound *= decay(length, 0.05 if muted else 1.1) * np.float32(2 * drive)
    np.tanh(sound, out=sound)
    sound *= np.float32(LEVEL / math.tanh(2 * drive))
    return shape(sound, 0.003, RELEASE_SECONDS)[np.newaxis]
