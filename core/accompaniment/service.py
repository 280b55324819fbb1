"""Takes in what is to be accompanied: audio, sent along, uploaded, a blob or what a job made; or chords."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from core.accompaniment.asking import chords_asked
from core.accompaniment.planner import AccompanimentPlanner
from core.accompaniment.request import AccompanimentOptions, AccompanimentRequest
from core.files.inputs import Input
from core.files.source import Source
from core.files.sources import Sources
from core.files.upload import UploadedAudio
from core.jobs.model import Job
from core.jobs.service import JobService
from core.validation import fingerprint

if TYPE_CHECKING:
    from core.audio.stream import AudioInfo


@dataclass(frozen=True)
class Accompaniments:
    """Plans such jobs. Audio is looked at first, so that nothing is queued that cannot be worked on."""

    planner: AccompanimentPlanner
    sources: Sources
    jobs: JobService

    def of_stored(self, request: AccompanimentRequest, *, job_id: str) -> Job:
        """The job for chords, or for audio that is in storage.

        Raises ``InvalidRequest``, ``LicenceRefused``, ``SourceNotFound``, ``UploadNotFound``, ``UploadIncomplete``,
        ``JobNotFound``, ``FileNotFound``, ``FilesExpired`` or ``AudioError``.
        """
        request.check_origin()
        options, stamp = request.options(), fingerprint(request)
        self.planner.check(options, to_audio=request.chords is None)
        if request.chords is not None:
            return self.planner.of_chords(options, chords_asked(request), job_id=job_id, fingerprint=stamp)
        source = self._find(request)
        found = self._input(source, self.sources.look_at(source))
        return self.planner.of_audio(options, found, job_id=job_id, fingerprint=stamp)

    def of_file(self, options: AccompanimentOptions, file: BinaryIO, filename: str, sha256: str, *, job_id: str) -> Job:
        """The job for audio that came with the request; it is kept in storage until it was used.

        Raises ``InvalidRequest``, ``LicenceRefused`` or ``AudioError``.
        """
        self.planner.check(options, to_audio=True)
        audio = self.sources.probe(file, filename)
        self.planner.check_audio(options, UploadedAudio.model_validate(audio))
        source = self.sources.keep(
            file, filename, sha256, job_id=job_id, seconds=self.planner.planner.input_seconds(options)
        )
        stamp = f"{fingerprint(options)}:{sha256}"
        job = self.planner.of_audio(options, self._input(source, audio), job_id=job_id, fingerprint=stamp)
        return job.evolve(input_folder=source.name.rpartition("/")[0] + "/")

    def _find(self, request: AccompanimentRequest) -> Source:
        if request.upload_id is not None:
            return self.sources.upload(request.upload_id)
        if request.blob is not None:
            return self.sources.blob(request.blob)
        return self.sources.output(*self.jobs.completed_output(request.job_id or "", request.file or "", "/job_id"))

    def _input(self, source: Source, audio: AudioInfo) -> Input:
        return Input(
            source=source,
            audio=UploadedAudio.model_validate(audio),
            longest_seconds=self.sources.settings.longest_source_seconds,
        )
