"""The ``spectral`` engine: the default one for separation, which needs neither weights nor a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np

from core.engines.catalogue import SPECTRAL
from core.engines.spectral.grid import Grid
from core.engines.spectral.separation import ChunkSeparator
from core.engines.spectral.windows import windows
from core.errors import ModelNotFound
from core.ports import Mixture, SeparationSettings, Separator

if TYPE_CHECKING:
    from core.ports import Block, StemBlock


class SpectralEngine:
    """Divides spectrograms into drums, bass, other and vocals by the rules in ``masks``; nothing in it was trained."""

    info = SPECTRAL

    def load(self, settings: SeparationSettings, wait: Callable[[], None]) -> AbstractContextManager[Separator]:
        """The one separator there is, whatever the settings, as long as they name no model.

        It always makes all four sources, which costs little more than one, and has no use for shifts and overlap.

        Raises:
            ModelNotFound: the settings name one.
        """
        if settings.model is not None:
            raise ModelNotFound(f"the spectral engine works by rules and has no model {settings.model!r}: leave it out")
        return nullcontext(SpectralSeparator())

    def loaded(self) -> dict[str, str | None]:
        return {self.info.default.name: None}


class SpectralSeparator:
    """Works in pieces of 8 s that lie on a grid from the mixture's first frame.

    So a run that begins anywhere computes the same pieces as one from the start, and gives the same samples.
    """

    sources: tuple[str, ...] = SPECTRAL.default.stems
    complete: bool = True
    weights: str | None = None

    def steps(self, mixture: Mixture, start_frame: int = 0) -> int:
        """The number of pieces that hold anything from ``start_frame`` on."""
        return len(Grid.at(mixture.sample_rate).pieces(start_frame, mixture.frames))

    def separate(self, mixture: Mixture, start_frame: int, step: Callable[[], None]) -> Iterator[StemBlock]:
        """Yield ``[4, C, T]``, one block a piece: 8 s, less in the first and the last. ``step`` comes before each.

        The sources add up to the mixture to within float32's rounding.
        """
        grid = Grid.at(mixture.sample_rate)
        chunks = ChunkSeparator(grid, mixture.sample_rate)
        pieces = grid.pieces(start_frame, mixture.frames)
        read = windows(mixture, pieces.start * grid.piece, grid.piece, grid.margin)
        for piece, window in zip(pieces, read, strict=False):
            first_frame = piece * grid.piece
            begin = max(start_frame - first_frame, 0)
            end = min(mixture.frames - first_frame, grid.piece)
            stems = _separated(window, begin, end, grid, chunks)
            step()
            yield stems


def _separated(window: Block, begin: int, end: int, grid: Grid, chunks: ChunkSeparator) -> StemBlock:
    """The frames of a piece from ``begin`` to ``end``, computed in those of its chunks that hold any of them."""
    stems = np.empty((len(SPECTRAL.default.stems), len(window), grid.piece), np.float32)
    for first in range(begin // grid.chunk * grid.chunk, end, grid.chunk):
        heard = window[:, first : first + grid.chunk + 2 * grid.margin]
        stems[:, :, first : first + grid.chunk] = chunks.separate(heard)
    return stems[:, :, begin:end]
