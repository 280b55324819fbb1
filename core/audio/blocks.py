"""Streams of samples, cut into blocks of another length."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.ports import Block


def even(blocks: Iterable[Block], frames: int) -> Generator[Block, None, None]:
    """The samples of ``blocks`` ``[C, T]`` in blocks of ``frames``; the last one may be shorter, none is empty."""
    waiting: list[Block] = []
    held = 0
    for block in blocks:
        waiting.append(block)
        held += block.shape[1]
        if held >= frames:
            joined = np.concatenate(waiting, axis=1)
            whole = held - held % frames
            for start in range(0, whole, frames):
                yield joined[:, start : start + frames]
            waiting, held = [joined[:, whole:]], held - whole
    if held:
        yield np.concatenate(waiting, axis=1)
