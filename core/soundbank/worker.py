"""Does jobs for sounds: one note or many."""

from __future__ import annotations

from dataclasses import dataclass

from core.jobs.model import Job
from core.jobs.progress import Progress
from core.jobs.store import JobStore
from core.ports import Blobs, Clock, Engines, Table
from core.soundbank.store import SoundStore


@dataclass(frozen=True)
class SoundWorker:
    """A ``Worker`` for sounds and batches of them."""

    engines: Engines
    blobs: Blobs
    table: Table
    store: SoundStore
    jobs: JobStore
    clock: Clock

    def run(self, job: Job, progress: Progress) -> None:
        """Come to every sound that the job asks for."""
        # brings numpy, which a process that only answers HTTP need not load
        from core.soundbank.attempt import Attempt

        Attempt(self, job, progress).run()
