"""Streams of samples: cut into blocks of another length, and closed in time."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from core.ports import Block

Item = TypeVar("Item")


def closable(items: Iterable[Item]) -> Generator[Item, None, None]:
    """The items, closed with this generator whatever kind of iterator they come from."""
    yield from items


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
