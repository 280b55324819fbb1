"""One attempt at an effects job: go through the source once to learn length and peak, and once more to write the file.

The file's header says how long it is, and one gain keeps it below full scale; both are known at the end alone. The
source may last hours, so what was made is not kept until then: it is made again, which takes time, but no space.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.audio.decode import decode
from core.audio.effects.chain import apply_effects
from core.audio.formats import OUTPUT_FORMATS
from core.audio.waveform import gain_to_db, peak
from core.effects.file import ProcessedFile
from core.effects.request import EffectsOptions
from core.files.background import ReadAhead, WriteBehind
from core.files.reader import BlobReader
from core.files.source import Source
from core.files.upload import UploadedAudio
from core.jobs.model import Job, Output
from core.jobs.progress import Progress
from core.ports import Blobs
from core.separation.delivering import CEILING

if TYPE_CHECKING:
    from core.ports import Block

_MEASURED = 0.4  # how far the job is after the first time, of 1
_BLOCKS_AHEAD = 4  # of about a second each: enough to decode while the effects compute
_UPLOADS_BEHIND = 4
_UPLOAD_THREADS = 2


@dataclass(frozen=True)
class Measured:
    """What comes of the effects: its length, and its largest sample."""

    frames: int
    peak: float


class Attempt:
    """One attempt; nothing can be seen of it until it has succeeded."""

    def __init__(self, blobs: Blobs, longest_seconds: float, job: Job, progress: Progress) -> None:
        fields = {key: value for key, value in job.request.items() if key in EffectsOptions.model_fields}
        self._options = EffectsOptions.model_validate(fields)
        self._source = Source.model_validate(job.request["source"])
        self._audio = UploadedAudio.model_validate(job.request["audio"])
        self._blobs = blobs
        self._longest_seconds = longest_seconds
        self._job = job
        self._progress = progress

    def run(self) -> None:
        """Make the file. Raises ``AudioError``, ``SourceChanged``, ``SourceNotFound`` or what stops an attempt."""
        measured = self._measure()
        clips = OUTPUT_FORMATS[self._options.format].clips
        gain = min(1.0, CEILING / measured.peak) if clips and measured.peak > 0 else 1.0
        self._progress.produced(self._write(measured.frames, gain))
        self._progress.measured(self._result(measured, gain))

    def _measure(self) -> Measured:
        frames, loudest = 0, 0.0
        expected_seconds = self._audio.duration_seconds or self._longest_seconds
        with closing(self._processed(0, _MEASURED, "measuring", expected_seconds)) as blocks:
            for block in blocks:
                frames += block.shape[1]
                loudest = max(loudest, peak(block))
        return Measured(frames, loudest)

    def _write(self, frames: int, gain: float) -> Output:
        expected_seconds = frames / self._audio.sample_rate - self._options.tail_seconds
        with WriteBehind(_UPLOADS_BEHIND, _UPLOAD_THREADS) as uploads:
            file = ProcessedFile(self._blobs, self._job, self._options.format, self._audio, frames, uploads.submit)
            try:
                with closing(self._processed(_MEASURED, 1, "storing", expected_seconds)) as blocks:
                    for block in blocks:
                        file.write(block * np.float32(gain))
                file.close()
                uploads.wait()
                self._progress.confirm()
            except BaseException:
                file.abandon()
                raise
            return file.commit()

    def _processed(self, start: float, end: float, stage: str, expected_seconds: float) -> Generator[Block, None, None]:
        """The source with its effects; meanwhile the job goes from ``start`` to ``end``."""
        with ReadAhead(self._decoded, _BLOCKS_AHEAD) as decoded:
            heard = self._reported(decoded, start, end, stage, expected_seconds)
            options, audio = self._options, self._audio
            yield from apply_effects(options.effects, heard, audio.sample_rate, audio.channels, options.tail_seconds)

    def _reported(
        self, blocks: Iterable[Block], start: float, end: float, stage: str, expected_seconds: float
    ) -> Iterator[Block]:
        seconds = 0.0
        for block in blocks:
            share = min(seconds / expected_seconds, 1.0)
            self._progress.report(start + (end - start) * share, stage, f"{seconds:.0f} s of the source done")
            yield block
            seconds += block.shape[1] / self._audio.sample_rate

    def _decoded(self) -> Iterator[Block]:
        file = BlobReader(self._blobs, self._source)
        with file, closing(decode(file, self._longest_seconds, self._source.filename)) as blocks:
            yield from blocks

    def _result(self, measured: Measured, gain: float) -> dict[str, Any]:
        """``peak_dbfs`` is that of the samples before the gain; ``None`` for silence."""
        options = self._options.model_dump(mode="json")
        return {
            "effects": options["effects"],
            "tail_seconds": options["tail_seconds"],
            "frames": measured.frames,
            "peak_dbfs": round(gain_to_db(measured.peak), 3) if measured.peak else None,
            "exceeds_full_scale": measured.peak > 1,
            "gain_db": round(gain_to_db(gain), 6),
            "source": self._source.model_dump(include={"container", "name", "filename", "sha256"}),
        }
