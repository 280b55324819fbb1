"""Level and fades, over blocks: float32 ``[C, T]``, full scale ±1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.ports import Block

CEILING = 1 - 2**-15
"""The largest sample that every integer format can hold."""


def peak(block: Block) -> float:
    """The largest absolute sample; 0 for an empty block, NaN if any sample is NaN."""
    if block.size == 0:
        return 0.0
    # two passes that allocate nothing beat abs(), which makes a copy
    return float(np.maximum(block.max(), -block.min()))


def gain_for_peak(current: float, target: float) -> float:
    """The linear gain that brings a peak of ``current`` to ``target``; 1 for silence, which no gain can raise."""
    return target / current if current > 0 else 1.0


def db_to_gain(gain_db: float) -> float:
    """Decibels to a linear factor: −6.02 dB is about 0.5."""
    return float(10 ** (gain_db / 20))


def gain_to_db(gain: float) -> float:
    """A linear factor to decibels; minus infinity for 0."""
    return 20 * math.log10(gain) if gain > 0 else -math.inf


def scale(block: Block, gain: float) -> Block:
    """A scaled copy, still float32."""
    return np.multiply(block, np.float32(gain))


def fade_curve(frames: int) -> NDArray[np.float32]:
    """A raised cosine from 0 up to just under 1, ``[T]``: its slope is zero at both ends, so neither end clicks."""
    return (0.5 - 0.5 * np.cos(np.pi * np.arange(frames) / max(frames, 1))).astype(np.float32)


def fade_edges(blocks: Iterable[Block], total_frames: int, fade_frames: int) -> Iterator[Block]:
    """Fade a stream of blocks in and out, in place: the first sample and the last are exactly 0.

    Either fade takes ``fade_frames``, or a quarter of ``total_frames`` if that is less.
    """
    rise = fade_curve(min(fade_frames, total_frames // 4))
    start = 0
    for block in blocks:
        _fade_in(block, start, rise)
        _fade_in(block[:, ::-1], total_frames - start - block.shape[1], rise)
        start += block.shape[1]
        yield block


def _fade_in(block: Block, start: int, rise: NDArray[np.float32]) -> None:
    """Fade what of the rise falls into a block that begins ``start`` frames after the edge."""
    part = rise[start : start + block.shape[1]]
    block[:, : part.size] *= part
