"""From an engine's blocks to a finished WAV file, in flat memory."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from core.audio.spool import Spool
from core.audio.wav import encode_wav
from core.audio.waveform import gain_for_peak
from core.errors import EngineFailed
from core.ports import GenerationEngine, StemRequest

PEAK = 0.8  # every stem's largest sample
_IN_MEMORY_BYTES = 4 * 2**20
_PIECE_BYTES = 2**20


def sample_rate_of(engine: GenerationEngine) -> int:
    """Hz. Whoever makes sound out of nothing has a rate of its own; ``EngineFailed`` if it says that it has none."""
    if engine.info.sample_rate is None:
        raise EngineFailed(f"{engine.info.name} does not say which sample rate it makes")
    return engine.info.sample_rate


class RenderedFile:
    """A stem as a WAV file, in memory while it is small and in a temporary file beyond that; a context manager.

    Attributes:
        frames: its length.
        sample_rate: Hz.
        size_bytes: of the file.
        sha256: of the file, in hexadecimal.
    """

    def __init__(self, engine: GenerationEngine, request: StemRequest, report: Callable[[float], None]) -> None:
        """Render. ``report`` is told after each block how many seconds there are, and may raise to stop it.

        Raises ``EngineFailed`` if the engine makes samples that are not finite, or not of its own shape.
        """
        self.frames = 0
        self.sample_rate = sample_rate_of(engine)
        self.size_bytes = 0
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by __exit__
        try:
            with Spool(engine.info.channels) as spool:
                self._render(spool, engine, request, report)
                self.sha256 = self._encode(spool, engine)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()

    def pieces(self) -> Iterator[bytes]:
        """The file from its beginning, a piece at a time."""
        self._file.seek(0)
        while piece := self._file.read(_PIECE_BYTES):
            yield piece

    def _render(
        self, spool: Spool, engine: GenerationEngine, request: StemRequest, report: Callable[[float], None]
    ) -> None:
        for block in engine.render(request):
            try:
                spool.append(block)
            except ValueError as error:
                raise EngineFailed(f"{engine.info.name} made samples that cannot be written: {error}") from None
            report(spool.frames / sample_rate_of(engine))
        self.frames = spool.frames

    def _encode(self, spool: Spool, engine: GenerationEngine) -> str:
        digest = hashlib.sha256()
        levelled = spool.blocks(gain_for_peak(spool.peak, PEAK))
        for piece in encode_wav(levelled, spool.frames, sample_rate_of(engine), engine.info.channels):
            digest.update(piece)
            self.size_bytes += self._file.write(piece)
        return digest.hexdigest()
