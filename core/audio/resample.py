"""Another sample rate, block by block, from any frame on.

A run may begin at any whole second: there both rates have a whole frame, so the filter's phases are those of a run from
the start, and one second before it fills the filter, which reaches a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from core.audio.blocks import closable

if TYPE_CHECKING:
    from core.ports import Block, Mixture

_QUALITY = "VHQ"  # linear phase, aliasing below what 28 bits can hold
_RUN_IN_SECONDS = 1


def resampled_frames(frames: int, source_rate: int, target_rate: int) -> int:
    """How many frames ``frames`` become: as long as they last, rounded up."""
    return -(-frames * target_rate // source_rate)


def run_in_second(start_frame: int, sample_rate: int) -> int:
    """The whole second to begin at, in order to have ``start_frame`` right."""
    return max(start_frame // sample_rate - _RUN_IN_SECONDS, 0)


class Resampler:
    """A stream of blocks to another rate, without delay: the first frame stays the first. Raises ``ImportError``."""

    def __init__(self, source_rate: int, target_rate: int, channels: int) -> None:
        import soxr

        self._channels = channels
        self._stream = soxr.ResampleStream(source_rate, target_rate, channels, "float32", _QUALITY)

    def add(self, block: Block) -> Block:
        """What comes of the next block ``[C, T]``; now and then nothing, for the filter looks ahead."""
        resampled: Block = self._stream.resample_chunk(np.ascontiguousarray(block.T)).T
        return resampled

    def finish(self) -> Block:
        """What is left in the filter. To be called once, at the end."""
        rest: Block = self._stream.resample_chunk(np.zeros((0, self._channels), np.float32), last=True).T
        return rest


def resample(blocks: Iterable[Block], source_rate: int, target_rate: int, channels: int) -> Iterator[Block]:
    """Yield blocks ``[C, T]`` at ``target_rate`` Hz, without delay; empty ones are left out."""
    resampler = Resampler(source_rate, target_rate, channels)
    for block in blocks:
        yield from _filled(resampler.add(block))
    yield from _filled(resampler.finish())


def cut(blocks: Iterable[Block], skip: int, frames: int) -> Iterator[Block]:
    """Leave out the first ``skip`` frames and yield ``frames``; zeros are added if there are not enough."""
    shape: tuple[int, ...] = ()
    for block in blocks:
        shape = block.shape[:-1]
        kept = block[..., skip : skip + frames]
        skip = max(skip - block.shape[-1], 0)
        frames -= kept.shape[-1]
        if kept.shape[-1]:
            yield kept
    if frames:
        yield np.zeros((*shape, frames), np.float32)


class ResampledMixture:
    """A ``Mixture`` at another rate. Its mean and deviation are taken to be those of the original."""

    def __init__(self, mixture: Mixture, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.channels = mixture.channels
        self.frames = resampled_frames(mixture.frames, mixture.sample_rate, sample_rate)
        self.mean = mixture.mean
        self.standard_deviation = mixture.standard_deviation
        self._mixture = mixture

    def blocks(self, start_frame: int = 0) -> Iterator[Block]:
        second = run_in_second(start_frame, self.sample_rate)
        source_rate = self._mixture.sample_rate
        with closing(closable(self._mixture.blocks(second * source_rate))) as source:
            resampled = resample(source, source_rate, self.sample_rate, self.channels)
            yield from cut(resampled, start_frame - second * self.sample_rate, self.frames - start_frame)


def _filled(block: Block) -> Iterator[Block]:
    if block.shape[1]:
        yield block
