"""A pad: a tone with its fifth and its octave, 1, 1.5 and 2 times the frequency, and a slow attack."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from core.engines.synth.mixing import Sound
from core.engines.synth.oscillators import cycle, frames_of, shape, steady_phase, tone
from core.theory.notes import frequency_of

LEVEL = 0.07
RELEASE_SECONDS = 0.25
ATTACKS_SECONDS: Mapping[str, float] = {"rock": 0.1, "pop": 0.15, "jazz": 0.08, "electronic": 0.01, "ballad": 0.6}
DETUNE_SEMITONES = 0.07


def amplitudes(brightness: float) -> tuple[float, float, float, float]:
    """Of the harmonics of half the frequency: its second, third and fourth are 1, 1.5 and 2 times the note."""
    return 0.0, 1.0, 0.3 + 0.1 * brightness, 0.45 + 0.15 * brightness


def note(pitch: int, frames: int, attack_seconds: float, brightness: float) -> Sound:
    """``[2, T]``: the note in the middle and a detuned copy that cancels in mono, where it would only beat."""
    length = frames + frames_of(RELEASE_SECONDS)
    table = cycle(amplitudes(brightness))
    mid = tone(table, steady_phase(frequency_of(pitch) / 2, length))
    side = tone(table, steady_phase(frequency_of(pitch + DETUNE_SEMITONES) / 2, length))
    side *= np.float32(0.4)
    sound = np.stack([mid + side, mid - side]) * np.float32(LEVEL)
    return shape(sound, attack_seconds, RELEASE_SECONDS)
