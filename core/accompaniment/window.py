"""When an accompaniment is heard at all: not in the silence before its source begins, nor after its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.ports import Block


@dataclass(frozen=True)
class Window:
    """A gain over time, in frames: 0, then a rise to 1, and a fall back to 0. Both are raised cosines."""

    rise_start: int
    rise_stop: int
    fall_start: int
    fall_stop: int

    def applied(self, block: Block, start: int) -> Block:
        """The block ``[C, T]`` that begins at the frame ``start``."""
        stop = start + block.shape[1]
        if start >= self.rise_stop and stop <= self.fall_start:
            return block
        frames = np.arange(start, stop)
        risen = np.clip((frames - self.rise_start) / (self.rise_stop - self.rise_start), 0, 1)
        fallen = np.clip((self.fall_stop - frames) / (self.fall_stop - self.fall_start), 0, 1)
        gain = np.sin(np.pi / 2 * risen) ** 2 * np.sin(np.pi / 2 * fallen) ** 2
        windowed: Block = block * gain.astype(np.float32)
        return windowed
