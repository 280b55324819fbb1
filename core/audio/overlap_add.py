"""Windows that overlap, weighted, summed and divided by the sum of their weights, without holding the whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def triangle(length: int) -> Samples:
    """Weights of a window, float32 ``[length]``: rising by equal steps to 1 in the middle, and falling; never 0."""
    rising = np.arange(1, length // 2 + 1, dtype=np.float32)
    falling = np.arange(length - length // 2, 0, -1, dtype=np.float32)
    weights = np.concatenate([rising, falling])
    weights /= weights.max()
    return weights


class OverlapAdd:
    """A weighted mean of overlapping windows, finished from left to right.

    Attributes:
        position: the first frame that ``take`` has not handed out.
    """

    def __init__(self, shape: tuple[int, ...], weights: Samples, position: int = 0) -> None:
        """Start at frame ``position``.

        Args:
            shape: the axes before time.
            weights: of a whole window, all positive; a shorter window has the first of them.
        """
        self.position = position
        self._weights = weights
        self._sum = np.zeros((*shape, 0), np.float32)
        self._total = np.zeros(0, np.float32)

    def add(self, start: int, window: Samples) -> None:
        """Add a window ``[..., T]`` whose first frame is ``start``; its part before ``position`` is dropped."""
        skipped = max(self.position - start, 0)
        end = start + window.shape[-1]
        if end <= self.position:
            return
        self._reserve(end - self.position)
        place = slice(start + skipped - self.position, end - self.position)
        weights = self._weights[skipped : window.shape[-1]]
        self._sum[..., place] += weights * window[..., skipped:]
        self._total[place] += weights

    def take(self, end: int) -> Samples:
        """The frames from ``position`` to ``end``, which no later window may touch, ``[..., T]``.

        Raises:
            ValueError: a frame that no window covered.
        """
        count = end - self.position
        if count > self._total.size or not self._total[:count].all():
            raise ValueError(f"no window covered all of {self.position} to {end}")
        taken = self._sum[..., :count] / self._total[:count]
        self._sum = self._sum[..., count:].copy()  # a view would keep all that was ever added
        self._total = self._total[count:].copy()
        self.position = end
        return taken

    def _reserve(self, length: int) -> None:
        missing = length - self._total.size
        if missing > 0:
            self._sum = np.concatenate([self._sum, np.zeros((*self._sum.shape[:-1], missing), np.float32)], axis=-1)
            self._total = np.concatenate([self._total, np.zeros(missing, np.float32)])
