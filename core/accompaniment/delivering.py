"""Writes the files of an accompaniment: every stem at its level, and all of it together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from core.accompaniment.mixing import Blocks, Levels, side_by_side
from core.accompaniment.takes import CHANNELS, Take
from core.audio.formats import OutputFormat
from core.audio.waveform import scale
from core.files.background import WriteBehind
from core.files.output import OutputFile
from core.jobs.model import Job, Output
from core.ports import Blobs

MIX = "mix"
_UPLOADS_BEHIND = 4
_UPLOAD_THREADS = 2


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
        """The finished files. ``report`` is told which share is done, 0 to 1; ``confirm`` runs before they are seen.

        Both may raise to stop; nothing is seen of the files then.
        """
        names = [take.stem_type for take in takes] + [MIX] * mix
        with WriteBehind(_UPLOADS_BEHIND, _UPLOAD_THREADS) as uploads:
            files = [self._file(name, uploads) for name in names]
            try:
                self._write(files, takes, levels, source, report)
                for file in files:
                    file.close()
                uploads.wait()
                confirm()
            except BaseException:
                for file in files:
                    file.abandon()
                raise
            return [file.commit() for file in files]

    def _file(self, name: str, uploads: WriteBehind) -> OutputFile:
        return OutputFile(
            self.blobs, self.job, name, self.format, sample_rate=self.sample_rate, channels=CHANNELS,
            frames=self.frames, stage=uploads.submit,
        )  # fmt: skip

    def _write(
        self, files: Sequence[OutputFile], takes: Sequence[Take], levels: Levels, source: Blocks | None,
        report: Callable[[float], None],
    ) -> None:  # fmt: skip
        """The mix, if there is one, is the last of ``files``, and the source, if it is in the mix, the last stream."""
        has_mix = len(files) > len(takes)
        streams: list[Blocks] = [take.blocks for take in takes]
        gains = [*levels.stems]
        if has_mix and source is not None:
            streams.append(source)
            gains.append(levels.source)
        done = 0
        with closing(side_by_side(streams)) as stretches:
            for blocks in stretches:
                levelled = [scale(block, gain) for block, gain in zip(blocks, gains, strict=True)]
                for file, block in zip(files, levelled, strict=False):
                    file.write(block)
                if has_mix:
                    files[-1].write(sum(levelled[1:], start=levelled[0]))
                done += blocks[0].shape[1]
                report(done / self.frames)
