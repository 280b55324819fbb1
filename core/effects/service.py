"""Takes in files to apply effects to: sent along, uploaded, a blob, what another job made, or a sound of the bank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from core.effects.planner import EffectsPlanner, check_against
from core.effects.request import EffectsOptions, EffectsRequest
from core.errors import SourceNotFound
from core.files.source import Source
from core.files.sources import Sources
from core.jobs.model import Job
from core.jobs.service import JobService
from core.soundbank.sample import SAMPLES, Sample
from core.validation import fingerprint


@dataclass(frozen=True)
class EffectsService:
    """Plans such jobs. The source is looked at first, so that nothing is queued that cannot be worked on.

    Attributes:
        sound: the sound of this id in the bank; raises ``SoundNotFound``.
    """

    planner: EffectsPlanner
    sources: Sources
    jobs: JobService
    sound: Callable[[str], Sample]

    def of_stored(self, request: EffectsRequest, *, job_id: str) -> Job:
        """The job for a source that is in storage.

        Raises ``InvalidRequest``, ``LicenceRefused``, ``SourceNotFound``, ``SoundNotFound``, ``UploadNotFound``,
        ``UploadIncomplete``, ``JobNotFound``, ``FileNotFound``, ``FilesExpired`` or ``AudioError``.
        """
        options = request.options()
        self.planner.check(options)
        source = self._find(request)
        audio = self.sources.look_at(source)
        return self.planner.plan(options, source, audio, job_id=job_id, fingerprint=fingerprint(request))

    def of_file(self, options: EffectsOptions, file: BinaryIO, filename: str, sha256: str, *, job_id: str) -> Job:
        """The job for a source that came with the request; it is kept in storage until it was used.

        Raises ``InvalidRequest``, ``LicenceRefused`` or ``AudioError``.
        """
        self.planner.check(options)
        audio = self.sources.probe(file, filename)
        check_against(options, audio)
        source = self.sources.keep(
            file, filename, sha256, job_id=job_id, seconds=self.planner.planner.input_seconds(options)
        )
        job = self.planner.plan(options, source, audio, job_id=job_id, fingerprint=f"{fingerprint(options)}:{sha256}")
        return job.evolve(input_folder=source.name.rpartition("/")[0] + "/")

    def _find(self, request: EffectsRequest) -> Source:
        if request.upload_id is not None:
            return self.sources.upload(request.upload_id)
        if request.blob is not None:
            return self.sources.blob(request.blob)
        if request.sample_id is not None:
            return self._sound(request.sample_id)
        return self.sources.output(*self.jobs.completed_output(request.job_id or "", request.file or "", "/job_id"))

    def _sound(self, sample_id: str) -> Source:
        sample = self.sound(sample_id)
        found = self.sources.blobs.properties(SAMPLES, sample.blob)
        if found is None:
            raise SourceNotFound(f"the file of sound {sample_id} was removed")
        return Source.of(SAMPLES, found, sha256=sample.sha256)
