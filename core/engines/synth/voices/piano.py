"""A struck string: slightly stretched partials, the higher the sooner gone."""

from __future__ import annotations

import numpy as np

from core.engines.synth.mixing import Sound
from core.engines.synth.oscillators import decay, frames_of, shape, sine, steady_phase
from core.theory.notes import frequency_of

LEVEL = 0.09
RELEASE_SECONDS = 0.12
PARTIALS = 6
HEARD_DECAYS = 8.0
"""A partial is left out once it has fallen by e⁸, 70 dB: under the others that is nothing, and long notes cost half."""
INHARMONICITY = 4e-4
"""B of f_k = k · f · √(1 + B k²) (Fletcher 1964), in the middle of a piano."""


def partial(frequency_hz: float, k: int, brightness: float) -> tuple[float, float, float]:
    """Hz, amplitude and decay in seconds of the k-th partial."""
    hz = k * frequency_hz * (1 + INHARMONICITY * k * k) ** 0.5
    return hz, k ** (-1.3 + 0.25 * brightness), 1.5 * (220 / frequency_hz) ** 0.5 / k**0.8


def key(pitch: int, frames: int, brightness: float) -> Sound:
    """``[1, T]``, held for ``frames``, then damped in 120 ms."""
    length = frames + frames_of(RELEASE_SECONDS)
    sound = np.zeros(length, np.float32)
    for k in range(1, PARTIALS + 1):
        hz, amplitude, decay_seconds = partial(frequency_of(pitch), k, brightness)
        heard = min(length, frames_of(decay_seconds * HEARD_DECAYS))
        wave = sine(steady_phase(hz, heard))
        wave *= decay(heard, decay_seconds)
        wave *= np.float32(LEVEL * amplitude)
        sound[:heard] += wave
    return shape(sound, 0.003, RELEASE_SECONDS)[np.newaxis]
