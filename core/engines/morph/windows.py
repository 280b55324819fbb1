"""The windows of a track through which its spectra are seen, wherever they are wanted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.ports import Block

HOP_SECONDS = 512 / 44100
"""A window is four of these, 46 ms: long enough to tell most partials apart, short enough to keep a drum sharp."""


def hop_at(sample_rate: int) -> int:
    """From one spectrum to the next, in frames: the nearest that makes for fast Fourier transforms, within 16 %."""
    candidates = [odd << power for odd in (1, 3, 5) for power in range(14)]
    return min(candidates, key=lambda hop: abs(math.log(hop / (HOP_SECONDS * sample_rate))))


class Reader:
    """Reads a stream of samples from ever further on, and holds no more of it than the next windows need."""

    def __init__(self, blocks: Iterator[Block], start_frame: int, channels: int) -> None:
        """The first block begins at ``start_frame``; before it there is silence. The blocks never end."""
        self._blocks = blocks
        self._start = start_frame
        self._samples: Block = np.zeros((channels, 0), np.float32)

    def read(self, starts: NDArray[np.int64], length: int) -> Block:
        """The ``length`` frames from each start on, ``[C, T, length]``.

        No start may lie before another that was read earlier.
        """
        self._begin_at(int(starts[0]))
        self._reach(int(starts[-1]) + length)
        return sliding_window_view(self._samples, length, axis=1)[:, starts - self._start]

    def _begin_at(self, start: int) -> None:
        """Forget what lies before, or put silence there."""
        missing = max(self._start - start, 0)
        self._reach(start)
        self._samples = np.pad(self._samples[:, max(start - self._start, 0) :], ((0, 0), (missing, 0)))
        self._start = start

    def _reach(self, end: int) -> None:
        parts = [self._samples]
        held = self._start + self._samples.shape[1]
        while held < end:
            parts.append(next(self._blocks))
            held += parts[-1].shape[1]
        if len(parts) > 1:
            self._samples = np.concatenate(parts, axis=1)
