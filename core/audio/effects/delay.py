"""Echoes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.ports import Block


class Echoes:
    """A ``Processor`` that gives the echoes alone: ``y[n] = x[n − delay] + feedback · y[n − delay]``."""

    def __init__(self, delay_frames: int, feedback: float, channels: int) -> None:
        self._ring: Block = np.zeros((channels, max(delay_frames, 1)), np.float32)
        self._position = 0
        self._feedback = np.float32(feedback)

    def add(self, block: Block) -> Block:
        """As ``Processor.add``."""
        echoes = np.empty_like(block)
        start = 0
        while start < block.shape[1]:
            slot = self._ring[:, self._position : self._position + block.shape[1] - start]
            end = start + slot.shape[1]
            echoes[:, start:end] = slot
            slot *= self._feedback
            slot += block[:, start:end]
            self._position = (self._position + slot.shape[1]) % self._ring.shape[1]
            start = end
        return echoes

    def finish(self) -> Block:
        """Nothing: what would still sound lies beyond the end."""
        return self._ring[:, :0]
