"""A track in segments that overlap: where they begin, read from a stream, and faded into each other again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from core.errors import EngineFailed

if TYPE_CHECKING:
    from core.ports import Block, StemBlock


def segment_starts(frames: int, length: int, fade: int) -> list[int]:
    """Where the segments of a track begin: each ``fade`` frames before the end of the one before.

    The last one ends with the track, and so may begin earlier. A track no longer than ``length`` is one segment.
    """
    last = max(frames - length, 0)
    return [*range(0, last, length - fade), last]


class SegmentReader:
    """Segments of a stream of samples, from ever further on, without holding more than one."""

    def __init__(self, blocks: Iterator[Block], channels: int) -> None:
        self._blocks = blocks
        self._position = 0
        self._held: Block = np.zeros((channels, 0), np.float32)

    def read(self, start: int, length: int) -> Block:
        """Frames ``[C, length]`` from ``start``, which may not fall. Raises ``EngineFailed`` if the stream ends."""
        waiting, end = [self._held], self._position + self._held.shape[1]
        while end < start + length:
            block = next(self._blocks, None)
            if block is None:
                raise EngineFailed(f"the track ended at frame {end}, before {start + length}")
            waiting.append(block)
            end += block.shape[1]
        self._held = np.concatenate(waiting, axis=1)[:, start - self._position :]
        self._position = start
        return self._held[:, :length]


class Crossfade:
    """Joins segments ``[..., T]`` to one stream, handed out as soon as no later one can change it."""

    def __init__(self, fade: int) -> None:
        """Fade over so many frames, at least 1.

        Both shares sum to one at every frame, along a raised cosine: what sounds on both sides is much alike, and
        shares that keep the power would make it louder.
        """
        self._fade = fade
        self._rising = np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / fade, dtype=np.float32) ** 2
        self._end = 0
        self._tail: StemBlock | None = None

    def add(self, start: int, segment: StemBlock) -> StemBlock:
        """What is final once the segment from frame ``start`` on is there; it may be empty.

        Of a segment that begins before the last fade of what was there, the part up to it is dropped.
        """
        fresh = segment
        if self._tail is not None:
            fresh = segment[..., self._end - self._fade - start :].copy()
            head = fresh[..., : self._fade]
            head[...] = self._tail + (head - self._tail) * self._rising
        self._end = start + segment.shape[-1]
        self._tail = fresh[..., -self._fade :].copy()
        return fresh[..., : -self._fade]

    def rest(self) -> StemBlock:
        """What comes after everything that ``add`` gave."""
        assert self._tail is not None
        return self._tail
