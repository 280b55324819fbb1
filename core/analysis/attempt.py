"""One attempt at an analysis: the audio is heard once from end to end, and the files are written then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from core.analysis.analysing import analyse
from core.analysis.files.chart_midi import chart_midi
from core.analysis.files.click_track import click_blocks
from core.analysis.files.jams import jams_document
from core.analysis.files.summary import summary
from core.analysis.listening import Voice
from core.analysis.material import Material
from core.analysis.request import AnalysisOptions
from core.analysis.result import Analysis
from core.audio.decode import decode
from core.audio.formats import OUTPUT_FORMATS
from core.files.background import ReadAhead, WriteBehind
from core.files.output import OutputFile
from core.files.reader import BlobReader
from core.jobs.model import AUDIO_FILES, Job, Output
from core.jobs.progress import Progress
from core.ports import Blobs

if TYPE_CHECKING:
    from core.ports import Block

_HEARD = 0.9  # how far the job is then, of 1
_BLOCKS_AHEAD = 4  # of about a second each: enough to decode while the listeners compute
_UPLOADS_BEHIND = 4
_UPLOAD_THREADS = 2


class Attempt:
    """One attempt; its files are seen as each is finished, and a second attempt writes the same ones."""

    def __init__(self, blobs: Blobs, longest_seconds: float, job: Job, progress: Progress) -> None:
        fields = {key: value for key, value in job.request.items() if key in AnalysisOptions.model_fields}
        self._options = AnalysisOptions.model_validate(fields)
        self._material = [Material.model_validate(each) for each in job.request["material"]]
        self._blobs = blobs
        self._longest_seconds = longest_seconds
        self._job = job
        self._progress = progress

    def run(self) -> None:
        """Make the files. Raises ``AudioError``, ``SourceChanged``, ``SourceNotFound`` or what stops an attempt."""
        analysis = analyse([self._voice(each) for each in self._material], self._report)
        self._progress.report(_HEARD, "storing", f"{len(analysis.beats)} beats, {len(analysis.chords)} chords")
        self._progress.confirm()
        self._write("analysis.json", "json", analysis.model_dump_json(indent=1).encode(), "application/json", analysis)
        self._write("analysis.jams", "jams", self._jams(analysis), "application/json", analysis)
        self._write("chart.mid", "mid", chart_midi(analysis), "audio/midi", analysis)
        self._progress.produced(self._click_track(analysis))
        self._progress.measured(summary(analysis))

    def _voice(self, material: Material) -> Voice:
        return Voice(
            partial(self._decoded, material), material.audio.sample_rate, material.audio.channels, material.is_harmonic
        )

    def _decoded(self, material: Material) -> Generator[Block, None, None]:
        with ReadAhead(partial(self._blocks, material), _BLOCKS_AHEAD) as blocks:
            yield from blocks

    def _blocks(self, material: Material) -> Iterator[Block]:
        file = BlobReader(self._blobs, material.source)
        with file, closing(decode(file, self._longest_seconds, material.source.filename)) as blocks:
            yield from blocks

    def _report(self, seconds: float) -> None:
        longest = max(each.audio.duration_seconds or self._longest_seconds for each in self._material)
        self._progress.report(_HEARD * min(seconds / longest, 1.0), "listening", f"{seconds:.0f} s heard")

    def _jams(self, analysis: Analysis) -> bytes:
        title = self._material[0].source.filename if len(self._material) == 1 else f"job {self._job.job_id}"
        return json.dumps(jams_document(analysis, title), indent=1).encode()

    def _write(self, name: str, file_format: str, content: bytes, content_type: str, analysis: Analysis) -> None:
        blob = self._job.folder + name
        self._blobs.write(
            AUDIO_FILES, blob, lambda: iter([content]), size_bytes=len(content), content_type=content_type, metadata={}
        )
        self._progress.produced(
            Output(
                name=name,
                stem_type="analysis",
                blob_url=self._blobs.url(AUDIO_FILES, blob),
                file_size_bytes=len(content),
                format=file_format,
                duration_seconds=analysis.duration_seconds,
                sha256=hashlib.sha256(content).hexdigest(),
            )
        )

    def _click_track(self, analysis: Analysis) -> Output:
        """As long as the music, in mono."""
        fits = OUTPUT_FORMATS[self._options.click_format].holds(analysis.sample_rate)
        sample_rate = analysis.sample_rate if fits else 44100
        frames = round(analysis.duration_seconds * sample_rate)
        with WriteBehind(_UPLOADS_BEHIND, _UPLOAD_THREADS) as uploads:
            file = OutputFile(
                self._blobs, self._job, "click", self._options.click_format, sample_rate=sample_rate, channels=1,
                frames=frames, stage=uploads.submit,
            )  # fmt: skip
            try:
                done = 0
                for block in click_blocks(analysis.beats, sample_rate, frames):
                    file.write(block)
                    done += block.shape[1]
                    self._progress.report(_HEARD + (1 - _HEARD) * done / frames, "storing", "click track")
                file.close()
                uploads.wait()
                self._progress.confirm()
            except BaseException:
                file.abandon()
                raise
            return file.commit()
