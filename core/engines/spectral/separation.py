"""A stretch of samples taken apart: spectra, their masks, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.audio.waveform import peak
from core.engines.spectral.grid import Grid
from core.engines.spectral.masks import CONTEXT_HOPS, Masks
from core.engines.spectral.stft import Spectra, analyse, synthesise

if TYPE_CHECKING:
    from core.ports import Block, StemBlock

_SMALLEST_EXPONENT = -100


class ChunkSeparator:
    """Takes chunks of mixtures of one sample rate apart. It keeps nothing between two of them."""

    def __init__(self, grid: Grid, sample_rate: int) -> None:
        self._grid = grid
        self._masks = Masks(grid.frequencies_hz(sample_rate))

    def separate(self, samples: Block) -> StemBlock:
        """Drums, bass, other and vocals, ``[4, C, T]``, of ``[C, margin + T + margin]``, ``T`` a multiple of the hop.

        They add up to the mixture to within float32's rounding, for the third is what the others leave. Scaling the
        mixture by a power of two scales the stems and changes nothing else.
        """
        scale = _power_of_two(peak(samples))
        scaled = samples * np.float32(1 / scale)
        drums, bass, vocals = self._stems(scaled)
        stems = np.empty((4, len(samples), drums.shape[1]), np.float32)
        stems[0], stems[1], stems[3] = drums, bass, vocals
        mixture = scaled[:, self._grid.margin : self._grid.margin + drums.shape[1]]
        np.subtract(mixture, drums, out=stems[2])
        stems[2] -= bass
        stems[2] -= vocals
        stems *= np.float32(scale)
        return stems

    def _stems(self, samples: Block) -> tuple[Block, Block, Block]:
        """Drums ``[C, T]``; bass and vocals ``[1, T]``, which are in the middle, the same in either channel."""
        spectra = analyse(_mid_and_side(samples), self._grid.hop)
        drums_mid, *drums_side, bass, vocals = synthesise(self._masked(spectra), self._grid.hop)
        drums = np.stack([drums_mid, *drums_side])
        return _left_and_right(drums), bass[np.newaxis], vocals[np.newaxis]

    def _masked(self, spectra: Spectra) -> Spectra:
        """The spectra of the drums, mid and perhaps side, of the bass and of the vocals."""
        powers = np.square(np.abs(spectra))
        shares = self._masks.shares(powers[0], powers[1] if len(powers) > 1 else np.zeros_like(powers[0]))
        inner = spectra[:, CONTEXT_HOPS:-CONTEXT_HOPS]
        masked = np.empty((len(inner) + 2, *inner.shape[1:]), np.complex64)
        np.multiply(inner, shares.drums, out=masked[:-2])
        np.multiply(inner[0], shares.bass, out=masked[-2])
        np.multiply(inner[0], shares.vocals, out=masked[-1])
        return masked


def _mid_and_side(samples: Block) -> Block:
    """Half the sum and half the difference; one channel is its own middle."""
    if len(samples) == 1:
        return samples
    left, right = samples * np.float32(0.5)
    return np.stack([left + right, left - right])


def _left_and_right(samples: Block) -> Block:
    if len(samples) == 1:
        return samples
    mid, side = samples
    return np.stack([mid + side, mid - side])


def _power_of_two(level: float) -> float:
    """The largest that is not above a level, but 2⁻¹⁰⁰ for less: multiplying by it is exact."""
    exponent = int(np.frexp(level)[1]) - 1
    return float(2.0 ** max(exponent, _SMALLEST_EXPONENT))
