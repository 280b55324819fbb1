"""One pass of one model over a mixture; a separation is the sum of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.audio.overlap_add import OverlapAdd, triangle

if TYPE_CHECKING:
    from core.engines.demucs.windows import Grid, SlidingInput
    from core.ports import StemBlock

Batch = NDArray[np.float32]
"""Windows ``[B, C, T]`` of a mixture, or ``[B, S, C, T]`` of its sources."""


class Lane:
    """One pass of one model over the mixture: a shift, if any, and the windows that follow from it.

    Attributes:
        frontier: the frame up to which no later window reaches.
    """

    def __init__(self, grid: Grid, model: Any, gains: list[float], start_frame: int) -> None:
        """Set out to make what follows ``start_frame``.

        Args:
            gains: of every source that is made, this lane's share in the sum of all lanes.
        """
        self.grid = grid
        self.model = model
        self._gains = np.array(gains, np.float32)[:, None, None]
        self._next = grid.first(start_frame)
        self._made = OverlapAdd((len(model.sources), 2), triangle(grid.segment_length), start_frame)

    @property
    def frontier(self) -> int:
        return self.grid.start(self._next)

    @property
    def remaining(self) -> int:
        """How many windows are still to be made."""
        return self.grid.count - self._next

    @property
    def input_start(self) -> int:
        """The first frame of the mixture that is still needed."""
        return self.grid.window(self._next).input_start if self.remaining else self.grid.frames

    def advance(self, mixture: SlidingInput, run: Callable[[Any, Batch], Batch], most: int) -> int:
        """Make the next windows, at most ``most``, in one call of the model; returns how many."""
        windows = [self.grid.window(number) for number in range(self._next, min(self._next + most, self.grid.count))]
        windows = [window for window in windows if window.input_length == windows[0].input_length]
        inputs = np.stack([mixture.read(window.input_start, window.input_length) for window in windows])
        for window, made in zip(windows, run(self.model, inputs), strict=True):
            margin = (window.input_length - window.length) // 2
            self._made.add(window.start, made[..., margin : margin + window.length])
        self._next += len(windows)
        return len(windows)

    def take(self, end: int, sources: list[int]) -> StemBlock:
        """This lane's share of the frames up to ``end``, of these sources."""
        return self._made.take(end)[sources] * self._gains
