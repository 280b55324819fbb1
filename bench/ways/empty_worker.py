"""A job's work, left out."""

from __future__ import annotations

from core.jobs.model import Job
from core.jobs.progress import Progress


class EmptyWorker:
    """A ``Worker`` that makes nothing."""

    def run(self, job: Job, progress: Progress) -> None:
        """Nothing."""
