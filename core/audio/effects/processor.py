"""What effects are made of: processors, through which a stream of blocks passes without changing its length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from core.ports import Block

LOUDEST = 1e6
"""120 dB above full scale, where samples are cut off between any two effects. Ten shelves of the highest Q, which rise
by 53 dB at their edge, are the most that one can raise them by: float32, which ends at 770 dB, holds that as well."""


class Processor(Protocol):
    """A stream of blocks ``[C, T]`` to another one of the same length, without delay: frame n becomes frame n.

    What it makes of a stream does not depend on how it is cut into blocks.
    """

    def add(self, block: Block) -> Block:
        """What comes of the next block; now and then less, ``[C, 0]``, or more, where it looks ahead."""
        ...

    def finish(self) -> Block:
        """What is left. To be called once, at the end."""
        ...


class Series:
    """Processors one after the other."""

    def __init__(self, stages: Sequence[Processor]) -> None:
        self._stages = stages

    def add(self, block: Block) -> Block:
        """As ``Processor.add``."""
        for stage in self._stages:
            block = stage.add(_held(block))
        return _held(block)

    def finish(self) -> Block:
        """As ``Processor.finish``; of no stages at all, nothing is left."""
        rest: Block = np.zeros((0, 0), np.float32)
        for stage in self._stages:
            last = stage.add(_held(rest)) if rest.size else rest
            end = stage.finish()
            rest = np.concatenate((last, end), axis=1) if last.size else end
        return _held(rest)


class Mixed:
    """A processor's output beside what went in: ``(1 − mix) · dry + mix · wet``."""

    def __init__(self, wet: Processor, mix: float, channels: int) -> None:
        self._wet = wet
        self._mix = mix
        self._dry: Block = np.zeros((channels, 0), np.float32)

    def add(self, block: Block) -> Block:
        """As ``Processor.add``."""
        self._dry = np.concatenate((self._dry, block), axis=1)
        return self._mixed(self._wet.add(block))

    def finish(self) -> Block:
        """As ``Processor.finish``."""
        return self._mixed(self._wet.finish())

    def _mixed(self, wet: Block) -> Block:
        frames = wet.shape[1]
        dry, self._dry = self._dry[:, :frames], self._dry[:, frames:]
        return dry * np.float32(1 - self._mix) + wet * np.float32(self._mix)


def _held(block: Block) -> Block:
    return np.clip(block, np.float32(-LOUDEST), np.float32(LOUDEST))
