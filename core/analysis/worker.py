"""Does analyses."""

from __future__ import annotations

from dataclasses import dataclass

from core.jobs.model import Job
from core.jobs.progress import Progress
from core.ports import Blobs


@dataclass(frozen=True)
class AnalysisWorker:
    """A ``Worker`` for analyses."""

    blobs: Blobs
    longest_seconds: float

    def run(self, job: Job, progress: Progress) -> None:
        """Make the files. A second run makes the same ones in their place."""
        # brings numpy, which a process that only answers HTTP need not load
        from core.analysis.attempt import Attempt

        Attempt(self.blobs, self.longest_seconds, job, progress).run()
