"""Takes songs in for separation: by a file, an upload, or a blob of the account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from core.files.source import Source
from core.files.sources import Sources
from core.jobs.model import Job
from core.separation.planner import SeparationPlanner, check_format
from core.separation.request import SeparationOptions, SeparationRequest
from core.validation import fingerprint


@dataclass(frozen=True)
class Separations:
    """Plans separations. The song is looked at first, so that nothing is queued that cannot be worked on."""

    planner: SeparationPlanner
    sources: Sources

    def of_stored(self, request: SeparationRequest, *, job_id: str) -> Job:
        """The job for a song that is in storage.

        Raises ``InvalidRequest``, ``LicenceRefused``, ``SourceNotFound``, ``UploadNotFound``, ``UploadIncomplete`` or
        ``AudioError``.
        """
        options = request.options()
        self.planner.check(options)
        if request.upload_id is not None:
            source = self.sources.upload(request.upload_id)
        else:
            source = self.sources.blob(request.blob or "")
        audio = self.sources.look_at(source)
        return self.planner.plan(options, source, audio, job_id=job_id, fingerprint=fingerprint(request))

    def of_file(self, options: SeparationOptions, file: BinaryIO, filename: str, sha256: str, *, job_id: str) -> Job:
        """The job for a song that came with the request; it is kept in storage until it was used.

        Raises ``InvalidRequest``, ``LicenceRefused`` or ``AudioError``.
        """
        self.planner.check(options)
        audio = self.sources.probe(file, filename)
        check_format(options, audio)
        source = self.sources.keep(
            file, filename, sha256, job_id=job_id, seconds=self.planner.planner.input_seconds(options)
        )
        stamp = f"{fingerprint(options)}:{sha256}"
        job = self.planner.plan(options, source, audio, job_id=job_id, fingerprint=stamp)
        return job.evolve(input_folder=source.name.rpartition("/")[0] + "/")

    def of_inbox(self, options: SeparationOptions, source: Source, *, job_id: str) -> Job:
        """The job for a file that was dropped into the inbox. Raises as ``of_stored``."""
        self.planner.check(options)
        audio = self.sources.look_at(source)
        return self.planner.plan(options, source, audio, job_id=job_id, fingerprint=fingerprint(options))
