"""A mixture read in windows that overlap, from blocks of any length."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import chain, repeat
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.ports import Block, Mixture


def windows(mixture: Mixture, first_frame: int, length: int, margin: int) -> Iterator[Block]:
    """Yield ``[C, margin + length + margin]`` without end, each ``length`` further on.

    What lies between the margins of the first begins at ``first_frame``. Before and after the mixture there is
    silence. A window is valid until the next one is asked for.
    """
    window = np.zeros((mixture.channels, margin + length + margin), np.float32)
    start_frame = first_frame - margin
    filled = max(-start_frame, 0)
    blocks = mixture.blocks(max(start_frame, 0))
    silence = np.zeros((mixture.channels, length), np.float32)
    try:
        for block in chain(blocks, repeat(silence)):
            taken = 0
            while taken < block.shape[1]:
                part = block[:, taken : taken + window.shape[1] - filled]
                window[:, filled : filled + part.shape[1]] = part
                taken += part.shape[1]
                filled += part.shape[1]
                if filled == window.shape[1]:
                    yield window
                    filled = 2 * margin
                    window[:, :filled] = window[:, length:]
    finally:
        if isinstance(blocks, Generator):
            blocks.close()
