"""The part of a track that is bridged: decoded from where it begins, as often as need be."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from core.analysis.listening import Voice
from core.audio.conversion import Conversion
from core.audio.resample import cut, resampled_frames
from core.errors import AudioTooShort
from core.files.decoded import decoded_ahead
from core.files.inputs import Input
from core.ports import Blobs

if TYPE_CHECKING:
    from core.ports import Block


@dataclass(frozen=True)
class TrackPart:
    """A part of a file in storage.

    Attributes:
        start_seconds: where it begins.
        seconds: its length; ``None`` for all there is from there on.
    """

    blobs: Blobs
    entry: Input
    start_seconds: float
    seconds: float | None

    def voice(self) -> Voice:
        """What analysis hears: as much of it as there is."""
        audio = self.entry.audio
        frames = None if self.seconds is None else round(self.seconds * audio.sample_rate)
        return Voice(partial(self._own, frames), audio.sample_rate, audio.channels)

    def blocks(self, sample_rate: int, channels: int, frames: int) -> Generator[Block, None, None]:
        """Exactly ``frames`` of it ``[C, T]`` at another rate and number of channels; zeros if there are not enough."""
        audio = self.entry.audio
        conversion = Conversion(audio.sample_rate, audio.channels, sample_rate, channels)

        def converted() -> Generator[Block, None, None]:
            with closing(self._own(resampled_frames(frames, sample_rate, audio.sample_rate))) as blocks:
                for block in blocks:
                    yield conversion.add(block)
            yield conversion.finish()

        with closing(converted()) as blocks:
            yield from cut(blocks, 0, frames)

    def _own(self, frames: int | None) -> Generator[Block, None, None]:
        """Its first ``frames`` as they are in the file. Raises ``AudioTooShort`` if the file ends before it."""
        rate = self.entry.audio.sample_rate
        position, start = 0, round(self.start_seconds * rate)
        stop = None if frames is None else start + frames
        with closing(decoded_ahead(self.blobs, self.entry.source, self.entry.longest_seconds)) as blocks:
            for block in blocks:
                kept = block[:, max(start - position, 0) : None if stop is None else max(stop - position, 0)]
                position += block.shape[1]
                if kept.shape[1]:
                    yield kept
                if stop is not None and position >= stop:
                    return
        if position <= start:
            raise AudioTooShort(f"it is over at {position / rate:.2f} s, and its part begins at {start / rate:g} s")
