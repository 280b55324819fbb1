"""Takes in audio to be analysed: sent along, uploaded, a blob, or what another job made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from core.analysis.material import MIX, Material
from core.analysis.planner import AnalysisPlanner
from core.analysis.request import AnalysisOptions, AnalysisRequest
from core.audio.formats import OUTPUT_FORMATS
from core.errors import FieldError, InvalidRequest
from core.files.sources import Sources
from core.jobs.model import Job
from core.jobs.service import JobService
from core.validation import fingerprint

_AUDIO = frozenset(each.extension.removeprefix(".") for each in OUTPUT_FORMATS.values())


@dataclass(frozen=True)
class Analyses:
    """Plans such jobs. The audio is looked at first, so that nothing is queued that cannot be worked on."""

    planner: AnalysisPlanner
    sources: Sources
    jobs: JobService

    def of_stored(self, request: AnalysisRequest, *, job_id: str) -> Job:
        """The job for audio that is in storage.

        Raises ``InvalidRequest``, ``LicenceRefused``, ``SourceNotFound``, ``UploadNotFound``, ``UploadIncomplete``,
        ``JobNotFound``, ``FileNotFound``, ``FilesExpired`` or ``AudioError``.
        """
        options = request.options()
        self.planner.check(options)
        return self.planner.plan(options, self._find(request), job_id=job_id, fingerprint=fingerprint(request))

    def of_file(self, options: AnalysisOptions, file: BinaryIO, filename: str, sha256: str, *, job_id: str) -> Job:
        """The job for a file that came with the request; it is kept in storage until it was used.

        Raises ``InvalidRequest``, ``LicenceRefused`` or ``AudioError``.
        """
        self.planner.check(options)
        audio = self.sources.probe(file, filename)
        source = self.sources.keep(
            file, filename, sha256, job_id=job_id, seconds=self.planner.planner.input_seconds(options)
        )
        stamp = f"{fingerprint(options)}:{sha256}"
        job = self.planner.plan(options, [Material.of(source, audio)], job_id=job_id, fingerprint=stamp)
        return job.evolve(input_folder=source.name.rpartition("/")[0] + "/")

    def _find(self, request: AnalysisRequest) -> list[Material]:
        if request.upload_id is not None:
            source = self.sources.upload(request.upload_id)
        elif request.blob is not None:
            source = self.sources.blob(request.blob)
        elif request.file is not None:
            source = self.sources.output(*self.jobs.completed_output(request.job_id or "", request.file, "/job_id"))
        else:
            return self._stems(request.job_id or "")
        return [Material.of(source, self.sources.look_at(source))]

    def _stems(self, job_id: str) -> list[Material]:
        """Everything audible that the job made, so that it adds up to the whole: a mix would double its stems."""
        job = self.jobs.completed(job_id, "/job_id")
        stems = []
        for output in job.outputs:
            if output.format in _AUDIO and output.stem_type != MIX:
                source = self.sources.output(job, output)
                stems.append(Material.of(source, self.sources.look_at(source), output.stem_type))
        if not stems:
            raise InvalidRequest([FieldError("/job_id", f"job {job_id} has no audio files")])
        return stems
