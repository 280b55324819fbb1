"""The strings: what they are made of, how stiff they are, how fast they fall silent.

The figures are typical of the sets that such instruments are sold with: a light steel set on the acoustic guitar,
10–46 on the electric, nylon on the classical guitar and the ukulele, 45–105 on the bass. Stiffness is that of the core,
for windings hardly bend.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.engines.synth.oscillators import SAMPLE_RATE

HIGHEST_HZ = 0.45 * SAMPLE_RATE
"""Above it there is no partial, whatever the pitch does."""


@dataclass(frozen=True)
class Material:
    """What a string loses its energy to.

    Attributes:
        modulus_gpa: Young's modulus.
        air: the loss to the air and the bridge, per second.
        friction: the loss factor of the string's inside.
        bending: the loss factor of its bending.
    """

    modulus_gpa: float
    air: float
    friction: float
    bending: float


STEEL_ON_WOOD = Material(200.0, air=1.5, friction=4e-4, bending=0.02)
STEEL_ON_PICKUPS = Material(200.0, air=0.9, friction=3.5e-4, bending=0.02)
BASS_STEEL = Material(200.0, air=0.7, friction=7e-4, bending=0.03)
NYLON = Material(5.0, air=2.6, friction=9e-4, bending=0.03)
SMALL_NYLON = Material(5.0, air=4.2, friction=1.3e-3, bending=0.03)


@dataclass(frozen=True)
class String:
    """One string of an instrument.

    Attributes:
        core_mm: the diameter of what is stiff in it.
        tension_n: newtons, in standard tuning.
        length_m: of the open string.
    """

    core_mm: float
    tension_n: float
    length_m: float
    material: Material

    def stiffness(self, fret: float, retuned_semitones: float) -> float:
        """The inharmonicity B of the fretted string: π³ E d⁴ / (64 T L²).

        Fletcher and Rossing, The Physics of Musical Instruments. The tension goes with the square of the pitch.
        """
        tension = self.tension_n * 2 ** (retuned_semitones / 6)
        length = self.length_m * 2 ** (-fret / 12)
        core = self.core_mm / 1000
        return math.pi**3 * self.material.modulus_gpa * 1e9 * core**4 / (64 * tension * length**2)


@dataclass(frozen=True)
class Partials:
    """The partials of a string that sounds.

    Attributes:
        number: of each, from 1, ``[N]``.
        hz: their frequencies, ``[N]``.
        decay: how fast each falls silent, per second, ``[N]``; its amplitude is ``exp(−decay · t)``.
    """

    number: NDArray[np.float64]
    hz: NDArray[np.float64]
    decay: NDArray[np.float64]


def partials(
    string: String, stiffness: float, lowest_hz: float, order: int = 1, highest_hz: float = HIGHEST_HZ
) -> Partials:
    """The partials up to ``highest_hz`` of a string that swings in ``order`` parts, the lowest at ``lowest_hz``.

    The n-th of a stiff string lies at n f √(1 + B n²) (Fletcher and Rossing), here scaled to the lowest that sounds, as
    an ear tunes it. The decay, ω / 2Q, is after Woodhouse (2004):
    ``1 / Q = (friction + air / ω + bending · B n²) / (1 + B n²)``.
    """
    number = np.arange(order, order * highest_hz / lowest_hz + 1, order, dtype=np.float64)
    bending = stiffness * number**2
    hz = lowest_hz * number / order * np.sqrt((1 + bending) / (1 + stiffness * order**2))
    omega = 2 * np.pi * hz
    material = string.material
    decay = (omega * (material.friction + material.bending * bending) + material.air) / (2 * (1 + bending))
    audible = hz <= highest_hz
    return Partials(number[audible], hz[audible], decay[audible])
