"""What makes a string's vibration heard: a wooden body, or a pickup.

Both answer two questions: what becomes of each partial, and what of their own rings when the partials set in at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.engines.plucked_string.modes import Poles, Weights
from core.engines.plucked_string.strings import Partials

_WIDTH = 0.01
"""What is left of a partial at its node."""


@dataclass(frozen=True)
class Mode:
    """A resonance of a body: where, how sharp, how strong beside what is heard without it, and how far to the left."""

    hz: float
    q: float
    gain: float
    left: float = 0.0


@dataclass(frozen=True)
class Body:
    """A soundboard and the air in it: band-passes side by side, over what the whole board radiates at any frequency.

    Attributes:
        modes: the resonances.
        direct: what is heard without them, of partials between the two frequencies that follow.
        small_hz: below it the board is too small to radiate by itself.
        stiff_hz: above it the bridge moves less and less.
    """

    modes: Sequence[Mode]
    direct: float
    small_hz: float
    stiff_hz: float
    channels: int = 2

    def gains(self, poles: Poles, partials: Partials, length: float) -> Weights:
        """The transfer function at the partials' own complex frequencies."""
        own, residues = self._own()
        resonant = residues / (poles - own) + residues.conj() / (poles - own.conj())
        small, stiff = 2 * np.pi * self.small_hz, 2 * np.pi * self.stiff_hz
        return self._sides() @ resonant + self.direct * poles / (poles + small) * stiff / (poles + stiff)

    def knock(self, poles: Poles, weights: Weights) -> tuple[Poles, Weights]:
        """How the resonances answer the onset: what a forced vibration needs beside it to begin at rest."""
        own, residues = self._own()
        onset = (weights / (own - poles) + weights.conj() / (own - poles.conj())).sum(axis=1)
        return own[:, 0], self._sides() * (residues[:, 0] * onset)

    def _own(self) -> tuple[Poles, Poles]:
        """The poles of ``s ω/Q / (s² + s ω/Q + ω²)``, which is 1 at its resonance, and residues there, ``[M, 1]``."""
        omega = 2 * np.pi * np.array([[mode.hz] for mode in self.modes])
        damping = 1 / (2 * np.array([[mode.q] for mode in self.modes]))
        poles = omega * (1j * np.sqrt(1 - damping**2) - damping)
        return poles, poles.real * poles * 1j / poles.imag

    def _sides(self) -> NDArray[np.float64]:
        """What each channel hears of each mode, ``[2, M]``; their mean is the mode's gain."""
        gain = np.array([mode.gain for mode in self.modes])
        left = np.array([mode.left for mode in self.modes])
        return np.stack([gain * (1 + left), gain * (1 - left)])


@dataclass(frozen=True)
class Pickup:
    """A magnet under the string, and the coil's resonance with its cable.

    Attributes:
        place: from the bridge, in shares of the open string: partials with a node there are not heard.
        hz: the resonance; ``q``: how sharp.
    """

    place: float
    hz: float
    q: float
    channels: int = 1

    def gains(self, poles: Poles, partials: Partials, length: float) -> Weights:
        """A comb, for the coil hears the string in one place, and a low-pass of the second order."""
        comb = comb_at(partials, self.place / length)
        s = poles / (2 * np.pi * self.hz)
        return (comb / (1 + s / self.q + s**2))[np.newaxis]

    def knock(self, poles: Poles, weights: Weights) -> tuple[Poles, Weights]:
        """None: solid wood does not ring."""
        return np.zeros(0, np.complex128), np.zeros((1, 0), np.complex128)


def comb_at(partials: Partials, share: float) -> NDArray[np.float64]:
    """How far, and to which side, each partial swings at ``share`` of the string: sin(nπ · share), but never quite 0.

    A finger, a pick and a magnet are no points: they reach a little beyond a node.
    """
    swing = np.sin(np.pi * partials.number * share)
    rounded: NDArray[np.float64] = np.copysign(np.hypot(swing, _WIDTH), swing)
    return rounded


Resonator = Body | Pickup
