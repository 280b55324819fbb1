"""What a touch makes of a string: its modes and their weights, and the noise of the touch itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.engines.plucked_string.modes import Poles, Weights
from core.engines.plucked_string.resonators import comb_at
from core.engines.plucked_string.strings import Partials
from core.engines.synth.oscillators import Mono, decay, frames_of

if TYPE_CHECKING:
    from core.engines.plucked_string.instruments import Voice
    from core.engines.plucked_string.strokes import Touch
    from core.engines.plucked_string.tone import Tone

_PLANES = ((0.7, 1.35, -0.2), (0.3, 0.6, 0.2))
"""A string swings across the soundboard and along it. Of each plane: its share, its decay beside the string's, its
detuning in cents. The first is louder and gives its energy away sooner, so that a note decays fast and then slowly."""

_PALM_PER_SECOND, _PALM_PER_KHZ = 6.0, 30.0
_DEAD_PER_SECOND, _DEAD_PER_KHZ = 70.0, 30.0
_DEAD_PIECES, _DEAD_SPAN = 64, 32.0
_HELD_BODY = 0.35
_PIVOT_HZ = 500.0
_SCRAPE_SECONDS = 0.012


class Modes(NamedTuple):
    """A vibration: poles ``[N]`` and weights ``[C, N]``."""

    poles: Poles
    weights: Weights


def held(partials: Partials, touch: Touch, tone: Tone, rng: np.random.Generator) -> Partials:
    """The partials as the hands let them be: free, under a palm, which takes the high ones first, or broken up."""
    if touch.dead:
        return _broken(partials, rng)
    khz = partials.hz / 1000
    decay = partials.decay + tone.damping * (1 + khz)
    if touch.palm:
        decay = decay + _PALM_PER_SECOND + _PALM_PER_KHZ * khz
    return replace(partials, decay=decay)


def _broken(partials: Partials, rng: np.random.Generator) -> Partials:
    """What fingers that rest on a string leave of it: pieces of any length, none of which lasts."""
    lowest = partials.hz[0]
    highest = min(_DEAD_SPAN * lowest, partials.hz[-1])
    hz = np.sort(lowest * (highest / lowest) ** rng.random(_DEAD_PIECES))
    # as if of the square root: pieces do not favour the low as a whole string does
    return Partials(np.sqrt(hz / lowest), hz, _DEAD_PER_SECOND + _DEAD_PER_KHZ * hz / 1000)


def planes(partials: Partials) -> Iterator[tuple[Poles, float]]:
    """The poles of each plane that the string swings in, and its share."""
    for share, haste, cents in _PLANES:
        omega = 2 * np.pi * partials.hz * 2 ** (cents / 1200)
        yield (1j * omega - haste * partials.decay).astype(np.complex128), share


def amplitudes(partials: Partials, touch: Touch, voice: Voice, tone: Tone, velocity: float) -> NDArray[np.float64]:
    """How strongly each partial is excited, ``[N]``: an ideal pluck, rounded by what plucks, and coloured.

    A string that is drawn aside at a place and let go pulls at the bridge, and moves over a pickup, with partials of
    sin(nπ · place) / n (Fletcher and Rossing). A hard touch has sharper corners than a soft one.
    """
    corner_hz = touch.softness * voice.softest_hz * (voice.hardest_hz / voice.softest_hz) ** velocity
    rounded = 1 / (1 + (partials.hz / corner_hz) ** 2)
    octaves = np.log2(np.maximum(partials.hz / _PIVOT_HZ, 1))
    coloured = 10 ** (tone.tilt_db * octaves / 20)
    amplitude: NDArray[np.float64] = touch.level * comb_at(partials, touch.place) / partials.number * rounded * coloured
    return amplitude


def excited(partials: Partials, amplitude: NDArray[np.float64], touch: Touch, voice: Voice) -> tuple[Modes, Modes]:
    """The string's modes as they are heard, and those of the body that its onset sets ringing.

    Every partial is a sine, which begins at 0. A hand that lies on the strings keeps the board from ringing, too.
    """
    length = 2 ** (-touch.fret / 12)
    poles, shares = zip(*planes(partials), strict=True)
    weights = np.concatenate([-1j * share * amplitude for share in shares])
    gains = np.concatenate([voice.resonator.gains(plane, partials, length) for plane in poles], axis=1)
    together = np.concatenate(poles)
    free = _HELD_BODY if touch.palm or touch.dead else 1.0
    return Modes(together, weights * gains), Modes(*voice.resonator.knock(together, free * weights))


def scrape(rng: np.random.Generator) -> Mono:
    """The noise of a pick or a nail that leaves the string: bright and short, at most about 1, ``[T]``."""
    frames = frames_of(_SCRAPE_SECONDS)
    white = rng.standard_normal(frames + 1, np.float32) * np.float32(0.4)
    return np.diff(white) * decay(frames, _SCRAPE_SECONDS / 6)
