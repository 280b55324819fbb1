"""Which pieces of the mixture a model sees, and the mixture held just long enough to cut them out."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from core.errors import EngineFailed

if TYPE_CHECKING:
    from core.ports import Block, Mixture


@dataclass(frozen=True)
class Window:
    """A segment, and what the model is given in order to make it, in frames of the mixture.

    Attributes:
        start: the segment's first frame; negative if a shift put it before the mixture.
        length: the segment's frames.
        input_start: the first frame that the model is given; the segment lies in the middle of them.
        input_length: how many it is given.
    """

    start: int
    length: int
    input_start: int
    input_length: int


@dataclass(frozen=True)
class Grid:
    """The windows of one pass of a model, those of ``demucs.apply.apply_model`` with ``split``.

    Attributes:
        origin: the frame at which the first window starts; at most 0.
        frames: the mixture's length.
        segment_length: frames of a whole window.
        stride: frames from one window to the next.
        valid_length: how many frames the model must be given for a segment of this length, at least as many.
    """

    origin: int
    frames: int
    segment_length: int
    stride: int
    valid_length: Callable[[int], int]

    @property
    def count(self) -> int:
        """How many windows there are."""
        return -(-(self.frames - self.origin) // self.stride)

    def first(self, frame: int) -> int:
        """The number of the first window that reaches beyond ``frame``."""
        return max((frame - self.origin - self.segment_length) // self.stride + 1, 0)

    def start(self, number: int) -> int:
        """Where the window of this number starts; the mixture's end if there is none."""
        return self.origin + number * self.stride if number < self.count else self.frames

    def window(self, number: int) -> Window:
        """The window of this number, below ``count``. The last ones are short and get more before and after them."""
        start = self.start(number)
        length = min(self.segment_length, self.frames - start)
        input_length = self.valid_length(length)
        return Window(start, length, start - (input_length - length) // 2, input_length)


class SlidingInput:
    """The part of a mixture that is still needed; zeros lie before its start and after its end. A context manager."""

    def __init__(self, mixture: Mixture, start_frame: int) -> None:
        """Begin to read at ``start_frame`` of the mixture; nothing before it can be asked for."""
        self._frames = mixture.frames
        self._position = min(max(start_frame, 0), mixture.frames)
        self._end = self._position
        self._held = [np.zeros((mixture.channels, 0), np.float32)]
        self._blocks = _blocks(mixture, self._position)

    def __enter__(self) -> SlidingInput:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._blocks.close()

    def read(self, start: int, length: int) -> Block:
        """Frames ``[C, length]`` from ``start`` on. Raises ``EngineFailed`` if the mixture is shorter than it says."""
        first, end = max(start, 0), min(start + length, self._frames)
        if first < self._position and first < end:
            raise ValueError(f"frame {first} was forgotten: what is held begins at {self._position}")
        while self._end < end:
            self._pull()
        frames = np.zeros((self._held[0].shape[0], length), np.float32)
        if first < end:
            self._held = [np.concatenate(self._held, axis=1)]
            frames[:, first - start : end - start] = self._held[0][:, first - self._position : end - self._position]
        return frames

    def forget(self, before: int) -> None:
        """Let go of the frames before ``before``."""
        held = self._held[0]
        dropped = min(max(before - self._position, 0), held.shape[1])
        self._held[0] = held[:, dropped:].copy()  # a view would keep the whole block
        self._position += dropped

    def _pull(self) -> None:
        block = next(self._blocks, None)
        if block is None:
            raise EngineFailed(f"the mixture ended at frame {self._end} of {self._frames}")
        self._held.append(block)
        self._end += block.shape[1]


def _blocks(mixture: Mixture, start_frame: int) -> Generator[Block, None, None]:
    if start_frame < mixture.frames:
        yield from mixture.blocks(start_frame)
