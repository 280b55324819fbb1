"""Takes in generations, and the audio that they bring along: as files, uploads, blobs, or what another job made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from core.files.source import Source
from core.files.sources import Sources
from core.files.upload import UploadedAudio
from core.generation.inputs import INPUTS, Input, errors_of
from core.generation.planner import GenerationPlanner
from core.generation.request import GenerationOptions, GenerationRequest, StoredFile
from core.jobs.model import Job
from core.jobs.service import JobService
from core.validation import fingerprint

if TYPE_CHECKING:
    from core.audio.stream import AudioInfo


@dataclass(frozen=True)
class SentFile:
    """A file that came with a request; ``sha256`` in hexadecimal."""

    file: BinaryIO
    filename: str
    sha256: str


@dataclass(frozen=True)
class Generations:
    """Plans generations. What they bring is looked at first, so that nothing is queued that cannot be worked on."""

    planner: GenerationPlanner
    sources: Sources
    jobs: JobService

    def of_stored(self, request: GenerationRequest, *, job_id: str) -> Job:
        """The job for a request whose audio, if it brings any, is in storage.

        Raises ``InvalidRequest``, ``LicenceRefused``, ``SourceNotFound``, ``UploadNotFound``, ``UploadIncomplete``,
        ``JobNotFound``, ``FileNotFound``, ``FilesExpired`` or ``AudioError``.
        """
        options = request.options()
        stored = {name: file for name in INPUTS if (file := getattr(request, name)) is not None}
        self.planner.check(options, stored)
        sources = {name: self._find(name, file) for name, file in stored.items()}
        inputs = {}
        for name, source in sources.items():
            with errors_of(name):
                inputs[name] = self._input(source, self.sources.look_at(source))
        return self.planner.plan(options, job_id=job_id, inputs=inputs, stamp=fingerprint(request))

    def of_files(self, options: GenerationOptions, files: Mapping[str, SentFile], *, job_id: str) -> Job:
        """The job for a request that brings ``files``, by name; they are kept in storage as long as the job's files.

        Raises ``InvalidRequest``, ``LicenceRefused`` or ``AudioError``.
        """
        self.planner.check(options, files)
        found = {}
        for name, sent in files.items():
            with errors_of(name):
                found[name] = self.sources.probe(sent.file, sent.filename)
        seconds = self.planner.planner.input_seconds(options)
        inputs = {
            name: self._input(
                self.sources.keep(sent.file, sent.filename, sent.sha256, job_id=job_id, seconds=seconds, role=name),
                found[name],
            )
            for name, sent in files.items()
        }
        job = self.planner.plan(options, job_id=job_id, inputs=inputs, stamp=stamp(options, files))
        return job.evolve(input_folder=f"{job_id}/" if files else None)

    def _find(self, name: str, stored: StoredFile) -> Source:
        if stored.upload_id is not None:
            return self.sources.upload(stored.upload_id)
        if stored.blob is not None:
            return self.sources.blob(stored.blob, f"/{name}/blob")
        found = self.jobs.completed_output(stored.job_id or "", stored.file or "", f"/{name}/job_id")
        return self.sources.output(*found)

    def _input(self, source: Source, audio: AudioInfo) -> Input:
        return Input(
            source=source,
            audio=UploadedAudio.model_validate(audio),
            longest_seconds=self.sources.settings.longest_source_seconds,
        )


def stamp(options: GenerationOptions, files: Mapping[str, SentFile]) -> str:
    """What tells a form from others: its fields, and what its files hold."""
    return ":".join([fingerprint(options), *(f"{name}={files[name].sha256}" for name in sorted(files))])
