"""The instruments: what a note sounds like. Each gives (sound, pitch, frames held) → ``[1 or 2, T]``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.engines.synth.mixing import Sound, Voice
from core.engines.synth.voices import bass, drums, guitar, mallet, pad, piano, vocals


@dataclass(frozen=True, slots=True)
class Colour:
    """What differs from take to take in the instrument itself.

    Attributes:
        brightness: −1 to 1, how much the overtones stand out.
    """

    brightness: float

    @staticmethod
    def drawn(rng: np.random.Generator) -> Colour:
        return Colour(brightness=float(2 * rng.random() - 1))


def voice_for(stem_type: str, style: str, colour: Colour, rng: np.random.Generator) -> Voice:
    """The instrument of a stem as it is played in a style.

    Noise is drawn from a stream of its own for each sound, so that the order in which sounds are made does not matter.
    """
    noise_seed = int(rng.integers(2**32))

    def voice(sound: str, pitch: int, frames: int) -> Sound:
        match stem_type:
            case "drums":
                return drums.hit(sound, noise_seed)
            case "bass":
                return bass.note(pitch, frames, colour.brightness)
            case "guitar":
                return guitar.string(pitch, frames, guitar.DRIVES[style], colour.brightness, muted=sound == "muted")
            case "vocals":
                return vocals.note(pitch, frames, colour.brightness)
            case "piano":
                return piano.key(pitch, frames, colour.brightness)
            case "synth":
                return pad.note(pitch, frames, pad.ATTACKS_SECONDS[style], colour.brightness)
            case _:
                return mallet.note(pitch, frames, colour.brightness)

    return voice
