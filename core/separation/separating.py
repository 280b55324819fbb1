"""The long stretch: an engine's pieces become parts in storage, while the song is decoded ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from core.audio.waveform import peak
from core.errors import EngineFailed, NotFinite
from core.files.background import ReadAhead, WriteBehind
from core.ports import Mixture, Separator
from core.separation.parts import Part, Parts
from core.separation.selection import Selection

if TYPE_CHECKING:
    from core.ports import Block, StemBlock

_BLOCKS_AHEAD = 4  # of about a second each: enough to decode while a model computes
_PARTS_BEHIND = 2


class Overheard:
    """A mixture that is decoded ahead, and that keeps what was read of it until somebody else takes it as well.

    A context manager: an engine that breaks leaves its reading unfinished, and would keep the file open.
    """

    def __init__(self, mixture: Mixture, start_frame: int) -> None:
        self.sample_rate = mixture.sample_rate
        self.channels = mixture.channels
        self.frames = mixture.frames
        self.mean = mixture.mean
        self.standard_deviation = mixture.standard_deviation
        self._mixture = mixture
        self._kept: deque[Block] = deque()
        self._heard = start_frame
        self._readings = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._readings.close()

    def blocks(self, start_frame: int = 0) -> Iterator[Block]:
        """As ``Mixture.blocks``."""
        position = start_frame
        for block in self._readings.enter_context(ReadAhead(lambda: self._mixture.blocks(start_frame), _BLOCKS_AHEAD)):
            position += block.shape[1]
            self._keep(block, position)
            yield block

    def take(self, frames: int) -> Block:
        """The next ``frames`` that were read, ``[C, T]``."""
        taken = []
        while frames > 0:
            block = self._kept.popleft()
            if block.shape[1] > frames:
                self._kept.appendleft(block[:, frames:])
            taken.append(block[:, :frames])
            frames -= taken[-1].shape[1]
        return np.concatenate(taken, axis=1)

    def _keep(self, block: Block, position: int) -> None:
        """Keep what of a block that ends at ``position`` was not heard before."""
        if position > self._heard:
            self._kept.append(block[:, max(0, block.shape[1] - (position - self._heard)) :])
            self._heard = position


def separate(
    separator: Separator, mixture: Mixture, selection: Selection, parts: Parts, start_frame: int,
    report: Callable[[int, int], None],
) -> None:  # fmt: skip
    """Store the parts from ``start_frame`` on. ``report(steps done, steps in all)`` may raise to stop.

    Raises ``NotFinite`` if the engine makes such samples, ``EngineFailed`` if it makes too few.
    """
    steps = separator.steps(mixture, start_frame)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        report(done, steps)

    position = start_frame
    with Overheard(mixture, start_frame) as overheard, WriteBehind(_PARTS_BEHIND, threads=_PARTS_BEHIND) as uploads:
        for stems in separator.separate(overheard, start_frame, step):
            part, samples = _part(selection, stems, overheard.take(stems.shape[-1]), position)
            uploads.submit(partial(parts.write, part, samples))
            position += part.frames
    if position != mixture.frames:
        raise EngineFailed(f"the engine made {position} frames of {mixture.frames}")


def _part(selection: Selection, stems: StemBlock, mixture: Block, start_frame: int) -> tuple[Part, StemBlock]:
    samples, residual = selection.pick(stems, mixture)
    loudest = peak(samples)
    if not np.isfinite(loudest):
        raise NotFinite(f"the engine made samples that are not finite, after {start_frame} frames")
    part = Part(
        start_frame=start_frame,
        frames=samples.shape[-1],
        peak=loudest,
        mixture_energy=_energy(mixture),
        residual_energy=None if residual is None else _energy(residual),
    )
    return part, samples


def _energy(block: Block) -> float:
    return float(np.sum(np.square(block, dtype=np.float64)))
