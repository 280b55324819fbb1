"""Samples brought to another rate and number of channels, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.audio.resample import Resampler

if TYPE_CHECKING:
    from core.ports import Block


def with_channels(block: Block, channels: int) -> Block:
    """The block ``[C, T]`` in mono or stereo: mono stands on both sides, stereo becomes the mean of its sides."""
    if block.shape[0] == channels:
        return block
    if channels == 1:
        mono: Block = block.mean(axis=0, keepdims=True, dtype=np.float32)
        return mono
    return np.repeat(block, channels, axis=0)


class Conversion:
    """Takes blocks ``[C, T]`` of one rate and number of channels, and gives those of another.

    Between two equal rates the samples pass as they are, and the resampler is not even loaded.
    """

    def __init__(self, source_rate: int, source_channels: int, target_rate: int, target_channels: int) -> None:
        self._channels = target_channels
        self._fewest = min(source_channels, target_channels)  # the resampler need not do a thing twice
        self._resampler = Resampler(source_rate, target_rate, self._fewest) if source_rate != target_rate else None

    def add(self, block: Block) -> Block:
        """What comes of the next block: now and then nothing, ``[C, 0]``, for a resampler looks ahead."""
        narrow = with_channels(block, self._fewest)
        return with_channels(self._resampler.add(narrow) if self._resampler else narrow, self._channels)

    def finish(self) -> Block:
        """What is left. To be called once, at the end."""
        rest = self._resampler.finish() if self._resampler else np.zeros((self._fewest, 0), np.float32)
        return with_channels(rest, self._channels)
