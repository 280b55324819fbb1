"""A deep string: a fundamental with its second harmonic."""

from __future__ import annotations

import numpy as np

from core.engines.synth.mixing import Sound
from core.engines.synth.oscillators import centred, cycle, decay, frames_of, shape, steady_phase, tone
from core.theory.notes import frequency_of

LEVEL = 0.38
RELEASE_SECONDS = 0.04


def amplitudes(brightness: float) -> tuple[float, float]:
    """The fundamental and the second harmonic, which alone is heard on small speakers."""
    return 1.0, 0.4 + 0.12 * brightness


def note(pitch: int, frames: int, brightness: float) -> Sound:
    """``[1, T]``, held for ``frames`` and released in 40 ms."""
    length = frames + frames_of(RELEASE_SECONDS)
    envelope = shape(decay(length, 2.0) * np.float32(LEVEL), 0.006, RELEASE_SECONDS)
    string = tone(cycle(amplitudes(brightness)), steady_phase(frequency_of(pitch), length))
    return centred(string * envelope, envelope)[np.newaxis]
