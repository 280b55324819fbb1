"""One attempt at an analysis: the audio is heard once from end to end, and the files are written then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial

from core.analysis.analysing import analyse
from core.analysis.files.chart_midi import chart_midi
from core.analysis.files.click_track import click_blocks
from core.analysis.files.jams import jams_document
from core.analysis.files.summary import summary
from core.analysis.listening import Voice
from core.analysis.material import Material
from core.analysis.request import AnalysisOptions
from core.analysis.result import Analysis
from core.audio.formats import OUTPUT_FORMATS
from core.files.decoded import decoded_ahead
from core.files.output import OutputFiles
from core.jobs.model import AUDIO_FILES, Job, Output
from core.jobs.progress import Progress
from core.ports import Blobs

_HEARD = 0.9  # how far the job is then, of 1
_USUAL_RATE = 44100  # Hz; every format holds it


class Attempt:
    """One attempt; nothing can be seen of it until it has succeeded. A second one writes the same files."""

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
        with OutputFiles(self._blobs, self._job) as files:
            self._write_clicks(analysis, files)
            files.finish()
            self._progress.confirm()  # from here on it takes a moment
            for output in (*self._documents(analysis), *files.commit()):
                self._progress.produced(output)
        self._progress.measured(summary(analysis))

    def _voice(self, material: Material) -> Voice:
        blocks = partial(decoded_ahead, self._blobs, material.source, self._longest_seconds)
        return Voice(blocks, material.audio.sample_rate, material.audio.channels, material.is_harmonic)

    def _report(self, seconds: float) -> None:
        longest = max(each.audio.duration_seconds or self._longest_seconds for each in self._material)
        self._progress.report(_HEARD * min(seconds / longest, 1.0), "listening", f"{seconds:.0f} s heard")

    def _write_clicks(self, analysis: Analysis, files: OutputFiles) -> None:
        """As long as the music, in mono."""
        fits = OUTPUT_FORMATS[self._options.click_format].holds(analysis.sample_rate)
        sample_rate = analysis.sample_rate if fits else _USUAL_RATE
        frames = round(analysis.duration_seconds * sample_rate)
        file = files.open("click", self._options.click_format, sample_rate=sample_rate, channels=1, frames=frames)
        done, found = 0, f"{len(analysis.beats)} beats, {len(analysis.chords)} chords"
        for block in click_blocks(analysis.beats, sample_rate, frames):
            self._progress.report(_HEARD + (1 - _HEARD) * done / frames, "storing", found)
            file.write(block)
            done += block.shape[1]

    def _documents(self, analysis: Analysis) -> Iterator[Output]:
        """All but the click track, written."""
        title = self._material[0].source.filename if len(self._material) == 1 else f"job {self._job.job_id}"
        jams = json.dumps(jams_document(analysis, title), indent=1)
        yield self._written("analysis.json", analysis.model_dump_json(indent=1).encode(), "application/json", analysis)
        yield self._written("analysis.jams", jams.encode(), "application/json", analysis)
        yield self._written("chart.mid", chart_midi(analysis), "audio/midi", analysis)

    def _written(self, name: str, content: bytes, content_type: str, analysis: Analysis) -> Output:
        blob = self._job.folder + name
        self._blobs.write(
            AUDIO_FILES, blob, lambda: iter([content]), size_bytes=len(content), content_type=content_type, metadata={}
        )
        return Output(
            name=name,
            stem_type="analysis",
            blob_url=self._blobs.url(AUDIO_FILES, blob),
            file_size_bytes=len(content),
            format=name.rpartition(".")[2],
            duration_seconds=analysis.duration_seconds,
            sha256=hashlib.sha256(content).hexdigest(),
        )
