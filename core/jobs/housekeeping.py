"""What timers do: send again what nobody holds, remove what has expired."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import RowChanged, RowNotFound
from core.jobs.messages import send_job
from core.jobs.model import Job, JobStatus
from core.jobs.service import JobService
from core.jobs.store import JobStore
from core.ports import Clock, Queues
from core.settings import Settings

log = logging.getLogger(__name__)

MOST_EXPIRED = 20_000
"""Jobs that one run of the timer expires at most: what is left waits for the next one, ten minutes later."""

_PAGE = 1000  # jobs that are looked up at once


def lost(job: Job, now: datetime, resend_after_seconds: float) -> bool:
    """Whether nobody seems to hold the job: its worker fell silent, or its message was never picked up.

    A job may wait long in a long queue, and a second message does no harm but costs one; so the patience doubles each
    time that it is sent.
    """
    if job.status.ended or job.leased(now):
        return False
    if job.lease_expires_at and job.sent_at < job.lease_expires_at:
        return True  # fell silent, and nothing was sent since
    patience = timedelta(seconds=resend_after_seconds * 2 ** (job.sends - 1))
    return now - job.sent_at >= patience


@dataclass(frozen=True)
class Housekeeping:
    """Keeps jobs from being lost and files from being kept too long; ``expire_others`` remove what is not a job's."""

    jobs: JobStore
    service: JobService
    expire_others: tuple[Callable[[], int], ...]
    queues: Queues
    clock: Clock
    settings: Settings

    def recover(self) -> int:
        """Send a new message for every job that is lost; returns how many."""
        now = self.clock()
        recovered = 0
        for job in self._unfinished(now):
            if lost(job, now, self.settings.resend_after_seconds) and self._resend(job):
                recovered += 1
        return recovered

    def expire(self) -> int:
        """Remove what is past its time: files of ended jobs, uploads, idempotency keys; returns how many jobs."""
        expired = 0
        while expired < MOST_EXPIRED:
            due = list(self.jobs.due(self.clock(), _PAGE))
            done = sum(map(self._has_expired, due))
            expired += done
            if len(due) < _PAGE or not done:
                break
        for expire in self.expire_others:
            expire()
        return expired

    def _has_expired(self, job: Job) -> bool:
        try:
            self._expire(job)
        except (RowChanged, RowNotFound):
            log.info("job %s changed while it expired", job.job_id)
            return False
        return True

    def _expire(self, job: Job) -> None:
        """First the row, so that nobody retries the job meanwhile; a timer that dies in between goes on from there."""
        if job.status is not JobStatus.EXPIRED:
            job = self.jobs.replace(job, job.expiring(self.clock()))
        self.service.remove_files(job)
        self.jobs.replace(job, job.expired(self.clock()))

    def _unfinished(self, now: datetime) -> Iterator[Job]:
        shortest = timedelta(seconds=self.settings.resend_after_seconds)
        yield from self.jobs.waiting(JobStatus.QUEUED, now - shortest)
        yield from self.jobs.waiting(JobStatus.PROCESSING, now)

    def _resend(self, job: Job) -> bool:
        try:
            self.jobs.replace(job, job.resent(self.clock()))
        except (RowChanged, RowNotFound):
            return False  # somebody holds it after all
        send_job(self.queues, job)
        log.warning("job %s (%s): nobody held it, sent again", job.job_id, job.status)
        return True
