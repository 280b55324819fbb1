"""A track without an end: where more of it is asked for than there is, a beat or some bars are heard again."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from core.audio.blocks import closable, even

if TYPE_CHECKING:
    from core.ports import Block

BLOCK_FRAMES = 16384
"""What is read at once: many blocks of a few frames each would take many times as long."""


def endless(blocks: Iterable[Block], lead: int, loop: int, fade: int) -> Generator[Block, None, None]:
    """Yield ``[C, T]`` without end: the first ``lead`` frames, the track, and its last ``loop`` ones again and again.

    At a seam, what went before goes on for ``fade`` frames while what follows is faded in over it. For a track that is
    too short all three are cut to what there is. Without a loop there is silence after the end.
    """
    with closing(closable(blocks)) as source:
        tail = yield from _all_but_last(_led_in(even(source, BLOCK_FRAMES), lead, fade), loop + fade)
    loop = min(loop, tail.shape[1])
    if loop == 0:
        yield tail
        yield from repeat(np.zeros((len(tail), BLOCK_FRAMES), np.float32))
    fade = min(fade, loop, tail.shape[1] - loop)
    yield tail[:, : tail.shape[1] - fade]
    leaving = tail[:, tail.shape[1] - fade :]
    entering = tail[:, tail.shape[1] - fade - loop : tail.shape[1] - loop]
    yield from repeat(_joined(leaving, entering, tail[:, tail.shape[1] - loop : tail.shape[1] - fade]))


def _led_in(blocks: Iterator[Block], lead: int, fade: int) -> Iterator[Block]:
    """The blocks, and before them their first ``lead`` frames."""
    waiting: list[Block] = []
    while lead and sum(block.shape[1] for block in waiting) < lead + fade:
        block = next(blocks, None)
        if block is None:
            break
        waiting.append(block)
    if waiting:
        start = np.concatenate(waiting, axis=1)
        lead = min(lead, start.shape[1])
        fade = min(fade, start.shape[1] - lead)
        yield start[:, :lead]
        yield _joined(start[:, lead : lead + fade], start[:, :fade], start[:, fade:])
    yield from blocks


def _all_but_last(blocks: Iterable[Block], frames: int) -> Generator[Block, None, Block]:
    """Pass on the blocks until only so many frames, or a block more, are left; return those."""
    held: deque[Block] = deque()
    count = 0
    for block in blocks:
        held.append(block)
        count += block.shape[1]
        while len(held) > 1 and count - held[0].shape[1] >= frames:
            count -= held[0].shape[1]
            yield held.popleft()
    return np.concatenate(held, axis=1)


def _joined(leaving: Block, entering: Block, after: Block) -> Block:
    """One faded over into the other, so that neither is exceeded, and what comes after it."""
    share = np.linspace(0, 1, leaving.shape[1], dtype=np.float32)
    return np.concatenate([leaving + (entering - leaving) * share, after], axis=1)
