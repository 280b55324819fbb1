"""One attempt at an effects job: what comes of the effects is measured first, and written then.

The file's header says how long it is, and one gain keeps it below full scale; both are known at the end alone. Until
then the samples wait in a temporary file, as long as they are few enough; those of hours are made a second time
instead, which takes time, but no space.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.audio.effects.chain import apply_effects
from core.audio.formats import OUTPUT_FORMATS
from core.audio.spool import Spool
from core.audio.waveform import CEILING, gain_to_db, peak, scale
from core.effects.request import EffectsOptions
from core.files.decoded import decoded_ahead
from core.files.output import OutputFiles
from core.files.source import Source
from core.files.upload import UploadedAudio
from core.jobs.model import Job, Output
from core.jobs.progress import Progress
from core.ports import Blobs

if TYPE_CHECKING:
    from core.ports import Block

MOST_KEPT_BYTES = 256 * 2**20
"""Of samples that wait: about 12 minutes of stereo at 44.1 kHz."""

_NAME = "processed"  # the file, without its extension
_MEASURED = 0.6  # how far the job is then, of 1


@dataclass(frozen=True)
class Measured:
    """What comes of the effects: its length, its largest sample, and whether all of it waits in the spool."""

    frames: int
    peak: float
    kept: bool


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
        with Spool(self._audio.channels) as spool:
            measured = self._measure(spool)
            clips = OUTPUT_FORMATS[self._options.format].clips
            gain = min(1.0, CEILING / measured.peak) if clips and measured.peak > 0 else 1.0
            with closing(self._levelled(spool, measured, gain)) as blocks:
                output = self._write(blocks, measured.frames)
        self._progress.produced(output)
        self._progress.measured(self._result(measured, gain))

    def _measure(self, spool: Spool) -> Measured:
        """Go through all of it once; ``spool`` takes it in as long as it is not too much."""
        frames, loudest, kept = 0, 0.0, True
        seconds = (self._audio.duration_seconds or self._longest_seconds) + self._options.tail_seconds
        expected_frames = seconds * self._audio.sample_rate
        with closing(self._processed()) as blocks:
            for block in blocks:
                share = min(frames / expected_frames, 1.0)
                self._progress.report(_MEASURED * share, "processing", self._done(frames))
                frames += block.shape[1]
                loudest = max(loudest, peak(block))
                if kept and frames * block.shape[0] * block.itemsize > MOST_KEPT_BYTES:
                    kept = False
                    spool.close()
                if kept:
                    spool.append(block)
        return Measured(frames, loudest, kept)

    def _levelled(self, spool: Spool, measured: Measured, gain: float) -> Generator[Block, None, None]:
        if measured.kept:
            yield from spool.blocks(gain)
            return
        with closing(self._processed()) as blocks:
            for block in blocks:
                yield scale(block, gain)

    def _write(self, blocks: Iterable[Block], frames: int) -> Output:
        audio = self._audio
        with OutputFiles(self._blobs, self._job) as files:
            file = files.open(
                _NAME, self._options.format, sample_rate=audio.sample_rate, channels=audio.channels, frames=frames
            )
            done = 0
            for block in blocks:
                self._progress.report(_MEASURED + (1 - _MEASURED) * done / frames, "storing", self._done(done))
                file.write(block)
                done += block.shape[1]
            files.finish()
            self._progress.confirm()
            (output,) = files.commit()
        return output

    def _done(self, frames: int) -> str:
        return f"{frames / self._audio.sample_rate:.0f} s done"

    def _processed(self) -> Generator[Block, None, None]:
        options, audio = self._options, self._audio
        with closing(decoded_ahead(self._blobs, self._source, self._longest_seconds)) as blocks:
            yield from apply_effects(options.effects, blocks, audio.sample_rate, audio.channels, options.tail_seconds)

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
