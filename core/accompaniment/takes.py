"""Stems as an engine makes them, at the rate of the files, kept until their levels are known."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from core.accompaniment.window import Window
from core.audio.loudness import Loudness, LoudnessMeter
from core.audio.spool import Spool
from core.generation.fitting import Fitting

if TYPE_CHECKING:
    from core.ports import Block, Renderer, StemRequest

CHANNELS = 2
"""Of all files: players stand beside each other."""

Remake = Callable[[], "Generator[Block, None, None]"]
"""Makes a stem's samples once more, as the engine gives them."""


class Take:
    """One stem that was played; a context manager. What is too much to be kept is played again, sample for sample."""

    def __init__(
        self, request: StemRequest, renderer: Renderer, sample_rate: int, frames: int, window: Window,
        remake: Remake | None = None,
    ) -> None:  # fmt: skip
        """Outside of ``window`` it is silent; with ``remake`` nothing is kept."""
        self.stem_type = request.stem_type
        self._window = window
        self._remake = remake
        self._new_fitting: Callable[[], Fitting] = partial(
            Fitting, request, renderer, sample_rate=sample_rate, channels=CHANNELS, frames=frames
        )
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
        fitted = self._fitted(self._fitting, block)
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
                yield self._fitted(fitting, block)

    def _fitted(self, fitting: Fitting, block: Block) -> Block:
        start = fitting.frames
        return self._window.applied(fitting.add(block), start)
