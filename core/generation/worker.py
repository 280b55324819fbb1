"""Does generation jobs."""

from __future__ import annotations

from dataclasses import dataclass

from core.jobs.model import Job
from core.jobs.progress import Progress
from core.ports import Blobs, Engines


@dataclass(frozen=True)
class GenerationWorker:
    """A ``Worker`` for generation jobs."""

    engines: Engines
    blobs: Blobs

    def run(self, job: Job, progress: Progress) -> None:
        """Make every stem that is not in storage yet."""
        # brings numpy, which a process that only answers HTTP need not load
        from core.generation.attempt import Attempt

        Attempt(self.engines, self.blobs, job, progress).run()
