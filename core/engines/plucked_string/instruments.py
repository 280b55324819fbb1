"""The instruments: strings, where and with what they are plucked, and what makes them heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.engines.plucked_string.resonators import Body, Mode, Pickup, Resonator
from core.engines.plucked_string.strings import (
    BASS_STEEL,
    NYLON,
    SMALL_NYLON,
    STEEL_ON_PICKUPS,
    STEEL_ON_WOOD,
    Material,
    String,
)


@dataclass(frozen=True)
class Voice:
    """How an instrument is made and usually played.

    Attributes:
        strings: in the order of its tuning as it is written.
        place: where it is plucked, from the bridge, in shares of the open string.
        softest_hz: above it the softest touch excites less and less; ``hardest_hz``: the hardest.
        scrape: the noise of the pick or nail on the string, beside the note's peak.
        amplified: whether an amplifier follows, which can be overdriven.
    """

    strings: tuple[String, ...]
    place: float
    softest_hz: float
    hardest_hz: float
    scrape: float
    resonator: Resonator
    amplified: bool = False


def _set(length_m: float, material: Material, *cores_and_tensions: tuple[float, float]) -> tuple[String, ...]:
    return tuple(String(core, tension, length_m, material) for core, tension in cores_and_tensions)


_DREADNOUGHT = Body(
    modes=(
        Mode(102, 10, 0.96),
        Mode(196, 20, 1.14, left=0.06),
        Mode(282, 22, 0.42, left=-0.3),
        Mode(385, 24, 0.6, left=0.21),
        Mode(512, 25, 0.42, left=-0.18),
        Mode(668, 26, 0.36, left=0.24),
        Mode(905, 24, 0.3, left=-0.24),
        Mode(1310, 20, 0.3, left=0.18),
        Mode(1840, 16, 0.27, left=-0.18),
        Mode(2650, 10, 0.24, left=0.12),
    ),
    direct=2.0,
    small_hz=700,
    stiff_hz=9000,
)
_CLASSICAL = Body(
    modes=(
        Mode(95, 9, 1.02),
        Mode(188, 17, 1.32, left=-0.06),
        Mode(234, 20, 0.6, left=0.24),
        Mode(336, 22, 0.48, left=-0.21),
        Mode(430, 22, 0.54, left=0.18),
        Mode(552, 22, 0.36, left=-0.24),
        Mode(760, 20, 0.3, left=0.21),
        Mode(1080, 16, 0.27, left=-0.15),
        Mode(1570, 12, 0.21, left=0.15),
    ),
    direct=1.4,
    small_hz=600,
    stiff_hz=5000,
)
_UKULELE = Body(
    modes=(
        Mode(205, 9, 0.84),
        Mode(398, 15, 1.38, left=0.06),
        Mode(520, 16, 0.54, left=-0.24),
        Mode(735, 18, 0.6, left=0.21),
        Mode(990, 18, 0.42, left=-0.21),
        Mode(1460, 15, 0.36, left=0.18),
        Mode(2200, 12, 0.3, left=-0.15),
    ),
    direct=1.5,
    small_hz=900,
    stiff_hz=6000,
)

VOICES: Mapping[str, Voice] = {
    "acoustic_guitar": Voice(
        _set(0.648, STEEL_ON_WOOD, (0.43, 110), (0.38, 127), (0.33, 133), (0.27, 134), (0.41, 104), (0.305, 104)),
        place=0.19,
        softest_hz=350,
        hardest_hz=9000,
        scrape=0.05,
        resonator=_DREADNOUGHT,
    ),
    "electric_guitar": Voice(
        _set(0.648, STEEL_ON_PICKUPS, (0.41, 78), (0.36, 87), (0.30, 82), (0.43, 74), (0.33, 69), (0.254, 72)),
        place=0.13,
        softest_hz=350,
        hardest_hz=8000,
        scrape=0.015,
        resonator=Pickup(place=0.16, hz=3600, q=2.0),
        amplified=True,
    ),
    "classical_guitar": Voice(
        _set(0.650, NYLON, (0.50, 63), (0.48, 67), (0.45, 70), (1.02, 55), (0.82, 53), (0.71, 68)),
        place=0.17,
        softest_hz=250,
        hardest_hz=4500,
        scrape=0.03,
        resonator=_CLASSICAL,
    ),
    "bass_guitar": Voice(
        _set(0.864, BASS_STEEL, (0.50, 168), (0.46, 190), (0.42, 205), (0.36, 192)),
        place=0.16,
        softest_hz=150,
        hardest_hz=3500,
        scrape=0.012,
        resonator=Pickup(place=0.11, hz=2600, q=1.2),
        amplified=True,
    ),
    "ukulele": Voice(
        _set(0.348, SMALL_NYLON, (0.66, 38), (0.91, 40), (0.81, 42), (0.60, 43)),
        place=0.21,
        softest_hz=400,
        hardest_hz=6000,
        scrape=0.04,
        resonator=_UKULELE,
    ),
}
"""By the names of ``core.theory.fretboard.INSTRUMENTS``."""
