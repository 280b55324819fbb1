"""The phase vocoder: what the phases of a track's spectra must become where it runs at another speed.

Its spectra are then put down closer together, or further apart, than they were taken, so a partial no longer meets
itself from one to the next; each must be turned to go on from where it was (Flanagan & Golden, "Phase vocoder", 1966),
and the bins that one partial fills must be turned together (Laroche & Dolson, "Improved phase vocoder time-scale
modification of audio", 1999). Both are done here without an angle, by products alone, as Puckette does ("Phase-locked
vocoder", 1995).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.engines.spectral.stft import Spectra

STRUCK_RATIO = 6.0
"""How many times the power of a hop before a bin must have, for the rest to count as struck since then. Less, and the
beating of close partials is taken for attacks, and roughens chords; more, and attacks are smeared."""
_TINY = np.float32(1e-20)


def power(spectra: Spectra) -> NDArray[np.float32]:
    """The squared magnitudes."""
    squares: NDArray[np.float32] = np.square(spectra.real)
    squares += np.square(spectra.imag)
    return squares


class Phases:
    """Turns spectra so that they go on in the bridge as they do in the track; at the track's own speed it does nothing.

    A spectrum is multiplied by one turn, a number of magnitude 1, a bin: the same in all channels, so that their image
    stays. It is found by vote. What sounded a hop before votes for the turn that makes it go on, what was struck since
    then for none, which keeps its attack together; each with the weight of its power, and not in its own bin alone.
    """

    def __init__(self) -> None:
        self._last: Spectra | None = None
        self._turn: NDArray[np.complex64] = np.ones(1, np.complex64)

    def turned(self, before: Spectra, spectra: Spectra) -> Spectra:
        """The spectra as they go on, ``[C, T, F]``; ``before`` are those of the track one hop before each of them."""
        last = before[:, :1] if self._last is None else self._last
        previous = np.concatenate([last, spectra[:, :-1]], axis=1)
        steps = (previous * before.conj()).sum(axis=0)
        struck = np.maximum(power(spectra) - np.float32(STRUCK_RATIO) * power(before), 0).sum(axis=0) + _TINY
        turns = self._turns(steps, struck)
        self._last = spectra[:, -1:].copy()  # a view would keep the whole batch
        return spectra * turns

    def _turns(self, steps: NDArray[np.complex64], struck: NDArray[np.float32]) -> NDArray[np.complex64]:
        """``[T, F]``, each found from the one before. In silence there is none."""
        turns = np.empty_like(steps)
        for index, step in enumerate(steps):
            votes = _around(_around(step * self._turn + struck[index]))
            self._turn = turns[index] = votes * (1 / np.abs(votes))
        return turns


def _around(votes: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Those of a bin and of its two neighbours; taken twice, they reach as far as a partial in a Hann window."""
    total = votes.copy()
    total[1:] += votes[:-1]
    total[:-1] += votes[1:]
    return total
