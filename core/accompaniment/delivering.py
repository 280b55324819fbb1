"""Writes the files of an accompaniment: every stem at its level, and all of it together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.accompaniment.mixing import Blocks, Levels, side_by_side
from core.accompaniment.takes import CHANNELS, Take
from core.analysis.material import MIX
from core.audio.formats import OutputFormat
from core.audio.waveform import scale
from core.files.output import OutputFile, OutputFiles
from core.jobs.model import Job, Output
from core.ports import Blobs

if TYPE_CHECKING:
    from core.ports import Block


@dataclass(frozen=True)
class Delivery:
    """Where the files go, and what they are like. All of them are written in one pass over the takes."""

    blobs: Blobs
    job: Job
    format: OutputFormat
    sample_rate: int
    frames: int

    def deliver(
        self, takes: Sequence[Take], levels: Levels, source: Blocks | None, mix: bool, report: Callable[[float], None],
        confirm: Callable[[], None],
    ) -> list[Output]:  # fmt: skip
        """The finished files; ``source`` is part of the ``mix``.

        ``report`` is told which share is done, 0 to 1, and ``confirm`` runs before any file is seen; both may raise to
        stop.
        """
        with OutputFiles(self.blobs, self.job) as files:
            stems = [self._file(take.stem_type, files) for take in takes]
            whole = [self._file(MIX, files)] if mix else []
            with closing(self._levelled(takes, levels, source, report)) as stretches:
                for blocks in stretches:
                    _write(stems, whole, blocks)
            files.finish()
            confirm()
            return files.commit()

    def _file(self, name: str, files: OutputFiles) -> OutputFile:
        return files.open(name, self.format, sample_rate=self.sample_rate, channels=CHANNELS, frames=self.frames)

    def _levelled(
        self, takes: Sequence[Take], levels: Levels, source: Blocks | None, report: Callable[[float], None]
    ) -> Generator[list[Block], None, None]:
        """The same stretch of each take, and of the source if there is one, at its level."""
        streams: list[Blocks] = [take.blocks for take in takes]
        gains = list(levels.stems)
        if source is not None:
            streams.append(source)
            gains.append(levels.source)
        done = 0
        with closing(side_by_side(streams)) as stretches:
            for blocks in stretches:
                yield [scale(block, gain) for block, gain in zip(blocks, gains, strict=True)]
                done += blocks[0].shape[1]
                report(done / self.frames)


def _write(stems: Sequence[OutputFile], whole: Sequence[OutputFile], blocks: Sequence[Block]) -> None:
    """The stems' blocks come first; all of them together are the mix."""
    for file, block in zip(stems, blocks[: len(stems)], strict=True):
        file.write(block)
    for file in whole:
        file.write(sum(blocks[1:], start=blocks[0]))
