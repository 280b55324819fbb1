"""The delay pattern: codebook k of frame t stands at step t + 1 + delay k, so that each may look at those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.engines.musicgen.model import Codes

_UNKNOWN = -1


class DelayedCodes:
    """One row's codes as the model sees them: a step after another, each with one code a codebook.

    Steps that hold no frame for a codebook, the first among them, hold the code that stands for none, V. The steps are
    those of audiocraft's ``DelayedPatternProvider``.

    Attributes:
        count: how many steps there are.
        known: how many of them are known.
    """

    def __init__(self, prompt: Codes, frames: int, delays: Sequence[int], none: int) -> None:
        """Lay out ``frames`` frames, the first of which are ``prompt`` ``[K, P]``, P less than ``frames``.

        Args:
            delays: in steps, ascending from 0.
            none: V.
        """
        self._delays = tuple(delays)
        self.count: int = 1 + frames + max(delays)
        self._steps: NDArray[np.int64] = np.full((len(delays), self.count), none, np.int64)
        for row, codes, delay in zip(self._steps, prompt, delays, strict=True):
            row[1 + delay : 1 + delay + frames] = _UNKNOWN
            row[1 + delay : 1 + delay + len(codes)] = codes
        prompt_frames: int = prompt.shape[1]
        self.known, self._taken = 1 + prompt_frames, prompt_frames

    @property
    def finished(self) -> bool:
        """Whether nothing is left to draw."""
        return self.known == self.count

    def steps(self, start: int, end: int) -> Codes:
        """Steps that are known, ``[K, end - start]``."""
        return self._steps[:, start:end]

    def put(self, drawn: NDArray[np.int64]) -> None:
        """Fill the next step with what was drawn for it, ``[K]``; what is given there stays."""
        step = self._steps[:, self.known]
        np.copyto(step, drawn, where=step == _UNKNOWN)
        self.known += 1

    def take(self) -> Codes:
        """The frames ``[K, n]`` after the prompt that became complete since the last call; n may be 0."""
        start, end = self._taken, max(self._taken, self.known - 1 - max(self._delays))
        self._taken = end
        frames = [
            row[1 + delay + start : 1 + delay + end] for row, delay in zip(self._steps, self._delays, strict=True)
        ]
        return np.stack(frames)
