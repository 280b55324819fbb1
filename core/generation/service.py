"""Takes in generations, and the audio that they bring along: as files, uploads, blobs, or what another job made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.files.inputs import Inputs, SentFile, form_fingerprint
from core.generation.inputs import INPUTS
from core.generation.planner import GenerationPlanner
from core.generation.request import GenerationOptions, GenerationRequest
from core.jobs.model import Job
from core.validation import fingerprint


@dataclass(frozen=True)
class Generations:
    """Plans generations. What they bring is looked at first, so that nothing is queued that cannot be worked on."""

    planner: GenerationPlanner
    inputs: Inputs

    def of_stored(self, request: GenerationRequest, *, job_id: str) -> Job:
        """The job for a request whose audio, if it brings any, is in storage.

        Raises ``InvalidRequest``, ``LicenceRefused``, ``SourceNotFound``, ``UploadNotFound``, ``UploadIncomplete``,
        ``JobNotFound``, ``FileNotFound``, ``FilesExpired`` or ``AudioError``.
        """
        options = request.options()
        stored = {name: file for name in INPUTS if (file := getattr(request, name)) is not None}
        self.planner.check(options, stored)
        inputs = self.inputs.of_stored(stored)
        return self.planner.plan(options, job_id=job_id, inputs=inputs, stamp=fingerprint(request))

    def of_files(self, options: GenerationOptions, files: Mapping[str, SentFile], *, job_id: str) -> Job:
        """The job for a request that brings ``files``, by name; they are kept in storage until it is completed.

        Raises ``InvalidRequest``, ``LicenceRefused`` or ``AudioError``.
        """
        self.planner.check(options, files)
        probed = self.inputs.probed(files)
        seconds = self.planner.planner.input_seconds(options)
        inputs = self.inputs.kept(files, probed, job_id=job_id, seconds=seconds)
        job = self.planner.plan(options, job_id=job_id, inputs=inputs, stamp=form_fingerprint(options, files))
        return job.evolve(input_folder=f"{job_id}/" if files else None)
