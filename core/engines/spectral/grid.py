"""Where the spectra and the pieces of a mixture lie: on a grid from its first frame, wherever a run begins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.engines.spectral.masks import CONTEXT_HOPS
from core.engines.spectral.stft import HOPS_PER_WINDOW

HOP_SECONDS = 1024 / 44100
"""A window is four of these, 93 ms: long enough to tell the partials of a chord apart, short enough for a drum."""
CHUNK_SECONDS, CHUNKS_PER_PIECE = 2.0, 4
"""What is computed at once, so that its arrays stay small; and how many chunks are handed over together."""
MARGIN_HOPS = CONTEXT_HOPS + HOPS_PER_WINDOW - 1
"""What a chunk hears of its neighbours."""


@dataclass(frozen=True)
class Grid:
    """The lengths, in frames, that go with a sample rate.

    Attributes:
        hop: from one spectrum to the next.
        chunk: what is computed at once, a multiple of ``hop``.
    """

    hop: int
    chunk: int

    @classmethod
    def at(cls, sample_rate: int) -> Grid:
        """The grid of 23 ms, or as near to it as a fast Fourier transform comes: within 16 %."""
        hop = _fast_length(HOP_SECONDS * sample_rate)
        return cls(hop, hop * round(CHUNK_SECONDS * sample_rate / hop))

    @property
    def piece(self) -> int:
        """What is handed over at once."""
        return CHUNKS_PER_PIECE * self.chunk

    @property
    def margin(self) -> int:
        """What must be read before and after a chunk, or a piece."""
        return MARGIN_HOPS * self.hop

    def pieces(self, start_frame: int, stop_frame: int) -> range:
        """The numbers of the pieces that hold any of these frames; the first begins at or before ``start_frame``."""
        return range(start_frame // self.piece, math.ceil(stop_frame / self.piece) if stop_frame > start_frame else 0)

    def frequencies_hz(self, sample_rate: int) -> NDArray[np.float32]:
        """The middle of every bin, ``[F]``."""
        return np.fft.rfftfreq(HOPS_PER_WINDOW * self.hop, 1 / sample_rate).astype(np.float32)


def _fast_length(wanted: float) -> int:
    """The nearest, in ratio, of the numbers 2ⁿ, 3 · 2ⁿ and 5 · 2ⁿ."""
    candidates: list[int] = [odd << n for odd in (1, 3, 5) for n in range(14)]
    return min(candidates, key=lambda length: abs(math.log(length / wanted)))
