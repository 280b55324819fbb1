"""What a worker says of its job while it runs, and how it learns that it should stop.

The worker's own thread only leaves a note; a second thread writes the newest note to storage every
``interval_seconds``, which is at the same time the sign of life that keeps the lease. So slow storage never slows the
work, and a long silent step (loading a model) does not lose the job.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from core.errors import (
    AttemptStopped,
    CancelRequested,
    DeadlineExceeded,
    JobGone,
    JobNotFound,
    LeaseLost,
    RowChanged,
    RowNotFound,
    StorageError,
)
from core.jobs.model import Job, JobStatus, Output, Preview
from core.jobs.store import JobStore
from core.ports import Clock

log = logging.getLogger(__name__)


class Progress:
    """The attempt's line to the job's row; ``job`` is the newest version that this attempt wrote or read."""

    def __init__(
        self, job: Job, jobs: JobStore, clock: Clock, *, lease_seconds: float, deadline_seconds: float,
        interval_seconds: float, announce: Callable[[Job], None],
    ) -> None:  # fmt: skip
        self.job = job
        self._jobs = jobs
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._interval_seconds = interval_seconds
        self._deadline = clock() + timedelta(seconds=deadline_seconds)
        self._announce = announce
        self._outputs = job.outputs
        self._previews = job.previews
        self._result = job.result
        self._note: tuple[float, str, str] | None = None
        self._stop: AttemptStopped | None = None

    def report(self, progress: float, stage: str, message: str) -> None:
        """Note how far the work is (0 to 1). Raises ``AttemptStopped`` if it should go no further."""
        self._note = (progress, stage, message)
        self.check()

    def produced(self, output: Output) -> None:
        """Note a finished file; clients see it with the next sign of life."""
        self._outputs = (*(kept for kept in self._outputs if kept.name != output.name), output)

    def previewed(self, preview: Preview) -> None:
        """Note what can be heard of a stem by now; clients see it with the next sign of life."""
        self._previews = (*(kept for kept in self._previews if kept.stem_type != preview.stem_type), preview)

    def measured(self, result: dict[str, Any]) -> None:
        """Note what was found out of the whole; clients see it with the next sign of life."""
        self._result = result

    @property
    def current(self) -> Job:
        """The job as this attempt knows it, with the files finished so far."""
        return self.job.evolve(outputs=self._outputs, previews=self._previews, result=self._result)

    @property
    def ended_by_itself(self) -> bool:
        """Whether the row says that this attempt is over: nobody but the attempt writes that."""
        return self.job.status is not JobStatus.PROCESSING

    def check(self) -> None:
        """Raise ``CancelRequested``, ``LeaseLost`` or ``DeadlineExceeded`` if the work should stop."""
        if self._stop is None and self._clock() >= self._deadline:
            self._stop = DeadlineExceeded("the attempt ran longer than JOB_DEADLINE_SECONDS allows")
        if self._stop:
            raise self._stop

    def confirm(self) -> None:
        """Read the row, and raise if the work should stop: before what another attempt could not undo."""
        self.catch_up()
        self.check()

    def confirm_lease(self) -> None:
        """As ``confirm``, and free while the lease lasts: until then nobody else can have taken the job over."""
        if not self.job.leased(self._clock()):
            self.catch_up()
        self.check()

    def flush(self) -> None:
        """Write what is new, or renew the lease once a third of it has passed; else look whether to go on.

        Looking is what lets a cancellation be seen at the end of the very step that it falls into.
        """
        now = self._clock()
        note, self._note = self._note, None
        if note is None and self.current == self.job and not self._lease_wanes():
            self.catch_up()
            return
        progress, stage, message = note or (self.job.progress, self.job.stage, self.job.status_message)
        try:
            advanced = self.current.advanced(progress, stage, message, now, self._lease_seconds)
            self.job = self._jobs.replace(self.job, advanced)
            self._announce(self.job)
        except (RowChanged, RowNotFound):
            self.catch_up()
        except StorageError as error:
            log.warning("job %s: progress not written: %s", self.job.job_id, error)

    def catch_up(self) -> None:
        """Read the row again after somebody else wrote it, and find out whether to go on."""
        try:
            job = self._jobs.get(self.job.job_id)
        except JobNotFound:
            self._stop = JobGone()
            return
        if job.attempt != self.job.attempt:
            self._stop = LeaseLost(f"attempt {self.job.attempt} was overtaken")
            return
        self.job = job
        if self.ended_by_itself:
            self._stop = LeaseLost(f"attempt {self.job.attempt} has ended")
        if job.cancel_requested:
            self._stop = CancelRequested()

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """Flush in the background while the block runs."""
        done = threading.Event()
        thread = threading.Thread(target=self._flush_until, args=(done,), name=f"progress-{self.job.job_id}")
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _flush_until(self, done: threading.Event) -> None:
        while not done.wait(self._interval_seconds):
            try:
                self.flush()
            except Exception:
                log.exception("job %s: progress not written", self.job.job_id)

    def _lease_wanes(self) -> bool:
        expires_at = self.job.lease_expires_at
        return expires_at is None or (expires_at - self._clock()).total_seconds() < self._lease_seconds * 2 / 3
