"""Blocks that must wait for their peak to be known, kept off the heap.

A stem is brought to its level only when its last block has been made. ``Spool`` holds it until then: in memory while
it is small, in an unnamed temporary file beyond that, so a stem of ten minutes takes no more memory than one of thirty
seconds.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from core.audio.waveform import peak

if TYPE_CHECKING:
    from core.ports import Block

MEMORY_LIMIT_BYTES = 4 * 2**20


class Spool:
    """A first-in, first-out store of blocks ``[C, T]`` that knows their peak. Use as a context manager.

    Attributes:
        peak: the largest absolute sample so far.
        frames: how many frames it holds.
    """

    def __init__(self, channels: int, memory_limit_bytes: int = MEMORY_LIMIT_BYTES) -> None:
        self.peak = 0.0
        self.frames = 0
        self._channels = channels
        self._lengths: list[int] = []
        # closed by __exit__ or close(); the file has no name, so even a killed process leaves nothing behind
        self._file = tempfile.SpooledTemporaryFile(memory_limit_bytes)  # noqa: SIM115 - its life is the spool's

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the memory or the disk space back. Harmless when repeated."""
        self._file.close()

    def append(self, block: Block) -> None:
        """Add a block at the end.

        Raises:
            ValueError: another number of channels, or a sample that is not finite.
        """
        block_peak = peak(block)
        if block.shape[0] != self._channels or not math.isfinite(block_peak):
            raise ValueError(f"a block must be finite and [{self._channels}, T], this is {block.shape}: {block_peak}")
        if block.size == 0:
            return
        self._file.seek(0, os.SEEK_END)
        self._file.write(np.ascontiguousarray(block, np.float32).data)
        self._lengths.append(block.shape[1])
        self.frames += block.shape[1]
        self.peak = max(self.peak, block_peak)

    def blocks(self, gain: float = 1.0) -> Iterator[Block]:
        """Yield the blocks as they came, each multiplied by ``gain``.

        May be called again for another pass, one pass at a time: they share the file's position.
        """
        self._file.seek(0)
        for length in self._lengths:
            block = np.empty((self._channels, length), np.float32)
            self._file.readinto(block.data.cast("B"))
            yield np.multiply(block, np.float32(gain), out=block)
