"""Takes in pairs of tracks: sent along, uploaded, blobs, or what other jobs made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.bridge.planner import BridgePlanner
from core.bridge.request import TRACKS, BridgeOptions, BridgeRequest
from core.errors import FieldError, InvalidRequest
from core.files.inputs import Inputs, SentFile, form_fingerprint
from core.files.upload import UploadedAudio
from core.jobs.model import Job
from core.validation import fingerprint


@dataclass(frozen=True)
class Bridges:
    """Plans such jobs. Both tracks are looked at first, so that nothing is queued that cannot be worked on."""

    planner: BridgePlanner
    inputs: Inputs

    def of_stored(self, request: BridgeRequest, *, job_id: str) -> Job:
        """The job for tracks that are in storage.

        Raises ``InvalidRequest``, ``LicenceRefused``, ``SourceNotFound``, ``UploadNotFound``, ``UploadIncomplete``,
        ``JobNotFound``, ``FileNotFound``, ``FilesExpired`` or ``AudioError``.
        """
        options = request.options()
        self.planner.check(options)
        tracks = self.inputs.of_stored({name: getattr(request, name) for name in TRACKS})
        self.planner.check_fit(options, {name: track.audio for name, track in tracks.items()})
        return self.planner.plan(options, tracks, job_id=job_id, fingerprint=fingerprint(request))

    def of_files(
        self, options: BridgeOptions, files: Mapping[str, SentFile], *, job_id: str, judge_length: bool = True,
        kept_seconds: float | None = None,
    ) -> Job:  # fmt: skip
        """The job for tracks that came with the request; they are kept in storage until it is completed.

        Without ``judge_length`` a track that is too short is left for the worker to find, and the job then fails.
        ``kept_seconds`` is the longest that they are kept, whatever becomes of the job. Raises ``InvalidRequest``,
        ``LicenceRefused`` or ``AudioError``.
        """
        missing = [FieldError(f"/{name}", "is required: a track, as a file") for name in TRACKS if name not in files]
        if missing:
            raise InvalidRequest(missing)
        self.planner.check(options)
        probed = self.inputs.probed(files)
        audio = {name: UploadedAudio.model_validate(probed[name]) for name in TRACKS}
        self.planner.check_format(options, audio)
        if judge_length:
            self.planner.check_fit(options, audio)
        seconds = kept_seconds or self.planner.planner.input_seconds(options)
        tracks = self.inputs.kept(files, probed, job_id=job_id, seconds=seconds)
        job = self.planner.plan(options, tracks, job_id=job_id, fingerprint=form_fingerprint(options, files))
        return job.evolve(input_folder=f"{job_id}/")
