"""Does separation jobs: an attempt at each, unless an earlier one had done all the work."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import BlobNotFound, LeaseLost
from core.jobs.model import AUDIO_FILES, Job
from core.jobs.progress import Progress
from core.ports import Blobs, Engines
from core.separation.report import Report


@dataclass(frozen=True)
class SeparationWorker:
    """A ``Worker`` for separation jobs."""

    engines: Engines
    blobs: Blobs
    longest_seconds: float

    def run(self, job: Job, progress: Progress) -> None:
        """Separate. A second run goes on after the last part that is in storage."""
        from core.separation.parts import Parts  # brings numpy, which a process that only answers HTTP need not load

        report = self._finished(job) if job.attempt > 1 else None
        if report is not None:
            Parts(self.blobs, job.folder).remove()  # which that attempt may not have come to
        else:
            report = self._attempt(job, progress)
        for output in report.outputs:
            progress.produced(output)
        progress.measured(report.result)

    def _attempt(self, job: Job, progress: Progress) -> Report:
        from core.separation.attempt import Attempt
        from core.separation.parts import Parts

        try:
            return Attempt(self.engines, self.blobs, self.longest_seconds, job, progress).run()
        except LeaseLost:
            if self._finished(job) is not None:  # another attempt did it all; what came after its end is of no use
                Parts(self.blobs, job.folder).remove()
            raise

    def _finished(self, job: Job) -> Report | None:
        try:
            return Report.model_validate_json(b"".join(self.blobs.read(AUDIO_FILES, job.folder + Report.NAME)))
        except BlobNotFound:
            return None
