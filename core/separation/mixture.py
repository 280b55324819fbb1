"""The song as engines see it: a ``Mixture`` that is decoded anew whenever it is read.

It is decoded once from end to end before an engine sees it. That pass finds damage before a GPU is kept busy, and
gives the exact length and the statistics that models normalise by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from core.audio.decode import decode
from core.jobs.model import Model

if TYPE_CHECKING:
    from core.ports import Block


class Measurements(Model):
    """What the first pass found: of the whole song (``frames``, ``sample_rate`` in Hz) and of its downmix."""

    sample_rate: int
    channels: int
    frames: int
    mean: float
    standard_deviation: float


@dataclass(frozen=True)
class DecodedMixture:
    """A ``Mixture`` over an encoded file; ``open_file`` opens it at its beginning."""

    open_file: Callable[[], BinaryIO]
    longest_seconds: float
    filename: str
    sample_rate: int
    channels: int
    frames: int
    mean: float
    standard_deviation: float

    def blocks(self, start_frame: int = 0) -> Iterator[Block]:
        """Yield the samples ``[C, T]`` from ``start_frame`` on.

        What comes before is decoded and dropped: to seek to an exact sample is not possible in every format, and
        decoding costs little beside separating.
        """
        with closing(self.open_file()) as file, closing(decode(file, self.longest_seconds, self.filename)) as blocks:
            passed = 0
            for block in blocks:
                passed += block.shape[1]
                if passed > start_frame:
                    yield block[:, max(0, block.shape[1] - (passed - start_frame)) :]


def measure(sample_rate: int, blocks: Iterator[Block], report: Callable[[float], None]) -> Measurements:
    """Go through the whole song. ``report`` is told after each block how many seconds there are."""
    frames = channels = 0
    total = total_of_squares = 0.0
    for block in blocks:
        channels = block.shape[0]
        frames += block.shape[1]
        downmix = block.mean(axis=0, dtype=np.float64)
        total += float(downmix.sum())
        total_of_squares += float(downmix @ downmix)
        report(frames / sample_rate)
    mean = total / frames
    variance = (total_of_squares - frames * mean**2) / max(frames - 1, 1)
    return Measurements(
        sample_rate=sample_rate, channels=channels, frames=frames, mean=mean,
        standard_deviation=math.sqrt(max(variance, 0.0)),
    )  # fmt: skip
