"""Does bridges."""

from __future__ import annotations

from dataclasses import dataclass

from core.jobs.model import Job
from core.jobs.progress import Progress
from core.ports import Blobs, Engines


@dataclass(frozen=True)
class BridgeWorker:
    """A ``Worker`` for bridges."""

    engines: Engines
    blobs: Blobs

    def run(self, job: Job, progress: Progress) -> None:
        """Make the files. A second run makes the same ones in their place."""
        # brings numpy, which a process that only answers HTTP need not load
        from core.analysis.analysing import analyse
        from core.bridge.attempt import Attempt

        Attempt(self.engines, self.blobs, analyse, job, progress).run()
