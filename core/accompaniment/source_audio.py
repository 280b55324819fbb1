"""The audio that an accompaniment goes with: heard, followed as a melody, and mixed in."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.accompaniment.takes import CHANNELS
from core.analysis.listening import Voice
from core.audio.conversion import with_channels
from core.audio.resample import cut
from core.files.decoded import decoded_ahead
from core.files.inputs import Input
from core.generation.inputs import MELODY
from core.generation.recordings import recordings
from core.ports import Blobs, Recording

if TYPE_CHECKING:
    from core.ports import Block


@dataclass(frozen=True)
class SourceAudio:
    """A file in storage, decoded as often as need be."""

    blobs: Blobs
    entry: Input

    def voice(self) -> Voice:
        """What analysis hears."""
        return Voice(self._decoded, self.entry.audio.sample_rate, self.entry.audio.channels)

    def stereo(self, frames: int) -> Generator[Block, None, None]:
        """Exactly ``frames`` of it, ``[2, T]``, at its own rate."""
        with closing(self._decoded()) as blocks:
            yield from cut((with_channels(block, CHANNELS) for block in blocks), 0, frames)

    def melody(self, sample_rate: int, seconds: float, check: Callable[[], None]) -> Recording:
        """Its first ``seconds``, for an engine that follows a melody."""
        return recordings(self.blobs, {MELODY: self.entry}, sample_rate, seconds, lambda name: check())[MELODY]

    def _decoded(self) -> Generator[Block, None, None]:
        return decoded_ahead(self.blobs, self.entry.source, self.entry.longest_seconds)
