"""Stems as an engine makes them, at the rate of the files, kept until their levels are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from core.accompaniment.window import Window
from core.audio.conversion import Conversion
from core.audio.loudness import Loudness, LoudnessMeter
from core.audio.spool import Spool
from core.audio.waveform import peak
from core.errors import EngineFailed, NotFinite

if TYPE_CHECKING:
    from core.ports import Block, Renderer, StemRequest

CHANNELS = 2
"""Of all files: players stand beside each other."""

Remake = Callable[[], "Generator[Block, None, None]"]
"""Makes a stem's samples once more, as the engine gives them."""


class Fitting:
    """Brings one stem's samples to the rate of the files, to stereo, and to their very length."""

    def __init__(self, request: StemRequest, renderer: Renderer, sample_rate: int, frames: int, window: Window) -> None:
        self._stem_type = request.stem_type
        self._window = window
        self._frames = frames
        self._channels = renderer.channels
        self._missing_frames = round(request.duration_seconds * renderer.sample_rate)
        self._room = frames
        self._conversion = Conversion(renderer.sample_rate, renderer.channels, sample_rate, CHANNELS)

    @property
    def complete(self) -> bool:
        """Whether the last sample has come."""
        return self._missing_frames == 0

    def add(self, block: Block) -> Block:
        """What comes of the engine's next samples, ``[2, T]``.

        Raises ``NotFinite``, or ``EngineFailed`` for samples that are not of the engine's shape, or too many.
        """
        self._check(block)
        self._missing_frames -= block.shape[1]
        fitted = self._conversion.add(block)
        if self.complete:
            fitted = np.concatenate((fitted, self._conversion.finish()), axis=1)
            fitted = np.pad(fitted, ((0, 0), (0, max(self._room - fitted.shape[1], 0))))
        fitted = fitted[:, : self._room]
        start = self._frames - self._room
        self._room -= fitted.shape[1]
        return self._window.applied(fitted, start)

    def _check(self, block: Block) -> None:
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise EngineFailed(f"{self._stem_type}: samples must be [{self._channels}, T], not {block.shape}")
        if not math.isfinite(peak(block)):
            raise NotFinite(f"{self._stem_type}: the engine made samples that are not finite")
        if block.shape[1] > self._missing_frames:
            raise EngineFailed(f"{self._stem_type}: the engine made more samples than were asked for")


class Take:
    """One stem that was played; a context manager. What is too much to be kept is played again, sample for sample."""

    def __init__(
        self, request: StemRequest, renderer: Renderer, sample_rate: int, frames: int, window: Window,
        remake: Remake | None = None,
    ) -> None:  # fmt: skip
        """Outside of ``window`` it is silent; with ``remake`` nothing is kept."""
        self.stem_type = request.stem_type
        self._remake = remake
        self._new_fitting: Callable[[], Fitting] = partial(Fitting, request, renderer, sample_rate, frames, window)
        self._fitting = self._new_fitting()
        self._meter = LoudnessMeter(sample_rate, CHANNELS)
        self._spool = Spool(CHANNELS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._spool.close()

    @property
    def complete(self) -> bool:
        """Whether the last sample has come."""
        return self._fitting.complete

    def add(self, block: Block) -> None:
        """Take the engine's next samples. Raises as ``Fitting.add``."""
        fitted = self._fitting.add(block)
        self._meter.add(fitted)
        if self._remake is None:
            self._spool.append(fitted)

    def loudness(self) -> Loudness:
        """Of the whole stem. To be called once, when it is complete."""
        return self._meter.result()

    def blocks(self) -> Generator[Block, None, None]:
        """The stem from its beginning, ``[2, T]``; one pass at a time."""
        if self._remake is None:
            yield from self._spool.blocks()
            return
        fitting = self._new_fitting()
        with closing(self._remake()) as made:
            for block in made:
                yield fitting.add(block)
