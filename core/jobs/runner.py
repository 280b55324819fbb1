"""One attempt at a job: claim it, let the worker of its kind work, store how it ended, tell the client.

A message may come twice, a worker may die at any line, and two workers may hold the same message. What keeps a job
from being lost or finished twice is the claim (a conditional write that raises the attempt's number) and that every
later write of the attempt is conditional too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from core.errors import (
    AttemptsExhausted,
    AttemptStopped,
    AudioError,
    CancelRequested,
    DeadlineExceeded,
    JobGone,
    JobNotFound,
    LeaseLost,
    MadeElsewhere,
    RowChanged,
    RowNotFound,
    StemworksError,
    StorageError,
    TimeUsedUp,
)
from core.jobs.messages import send_job
from core.jobs.model import Job, JobError, JobKind, JobStatus
from core.jobs.progress import Progress
from core.jobs.retry import Decision, decide, delay_seconds, describe, patience_seconds
from core.jobs.store import JobStore
from core.ports import Clock, Queues
from core.settings import Settings

log = logging.getLogger(__name__)


class Worker(Protocol):
    """Does the work of one kind of job."""

    def run(self, job: Job, progress: Progress) -> None:
        """Make, store and ``produce`` every output. May run twice; must then come to the same files."""
        ...


class Announcer(Protocol):
    """Tells the client of what happened to a job."""

    def announce(self, job: Job, *, replay: bool = False) -> None:
        """Queue the event that ``job``'s state stands for, if the client asked for it."""
        ...


@dataclass(frozen=True)
class Announcers:
    """Several announcers as one."""

    announcers: tuple[Announcer, ...]

    def announce(self, job: Job, *, replay: bool = False) -> None:
        """Let each of them announce."""
        for announcer in self.announcers:
            announcer.announce(job, replay=replay)


@dataclass(frozen=True)
class JobRunner:
    """Runs the jobs whose messages a queue function receives."""

    jobs: JobStore
    queues: Queues
    announcer: Announcer
    remove_files: Callable[[Job], object]
    remove_inputs: Callable[[Job], object]
    workers: Mapping[JobKind, Worker]
    clock: Clock
    settings: Settings

    def run(self, job_id: str) -> None:
        """Make one attempt. Returns when the message is done with; raises when it should come again."""
        job = self._claim(job_id)
        if job is None:
            return
        progress = self._progress(job)
        try:
            with progress.flushing():
                self.workers[job.kind].run(job, progress)
                with suppress(DeadlineExceeded):  # the work is done
                    progress.check()
        except CancelRequested:
            self._finish(progress, lambda held: held.canceled(self.clock()))
        except LeaseLost as error:
            self._leave(job, error)
        except MadeElsewhere as error:
            self._wait(progress, str(error))
        except Exception as error:  # noqa: BLE001 - whatever broke, the job must say so
            self._fail(progress, error)
        else:
            self._discard_inputs(self._finish(progress, lambda held: held.completed(self.clock())))

    def give_up(self, job_id: str, error: StemworksError) -> None:
        """Fail a job whose message went to the poison queue, unless an attempt is alive or it has ended."""
        try:
            job = self.jobs.get(job_id)
        except JobNotFound:
            return
        if not job.status.ended and not job.leased(self.clock()):
            self._end(job, job.failed(JobError.of(error), self.clock()))

    # Claiming

    def _claim(self, job_id: str) -> Job | None:
        while True:
            try:
                job = self.jobs.get(job_id)
                return self._claim_once(job)
            except JobNotFound:
                log.info("job %s was deleted before it started", job_id)
                return None
            except (RowChanged, RowNotFound):
                continue  # somebody wrote or deleted it between the two lines above: look again

    def _claim_once(self, job: Job) -> Job | None:
        now = self.clock()
        if job.status.ended:
            self.announcer.announce(job, replay=True)  # the attempt that ended it may have died before it could
            if job.status is JobStatus.COMPLETED:
                self._discard_inputs(job)
            return None
        if job.leased(now):
            self._come_back_later(job)
            return None
        if job.cancel_requested:
            self._end(job, job.canceled(now))
            return None
        if job.attempt >= job.attempts_allowed:
            error = AttemptsExhausted(f"{job.attempt} attempts ended without a result, the last one without a word")
            self._end(job, job.failed(JobError.of(error), now))
            return None
        return self.jobs.replace(job, job.claimed(now, self.settings.job_lease_seconds))

    def _come_back_later(self, job: Job) -> None:
        """Another attempt is alive. A copy of the message returns when its lease would end, should it die."""
        assert job.lease_expires_at is not None
        wait = (job.lease_expires_at - self.clock()).total_seconds()
        send_job(self.queues, job, wait + 1)

    # Ending

    def _wait(self, progress: Progress, message: str) -> None:
        job = progress.job
        log.info("job %s waits: %s", job.job_id, message)
        self._finish(progress, lambda held: held.waiting(message, self.clock()), patience_seconds(job.attempt))

    def _fail(self, progress: Progress, error: Exception) -> None:
        job = progress.job
        log.warning("job %s: attempt %s failed", job.job_id, job.attempt, exc_info=error)
        described = describe(error)
        if isinstance(error, TimeUsedUp):  # it got further, and so does not count
            self._finish(progress, lambda held: held.released(described, self.clock()).with_another_attempt())
        elif decide(error, job.attempt, job.attempts_allowed) is Decision.GIVE_UP:
            ended = self._finish(progress, lambda held: held.failed(described, self.clock()))
            if isinstance(error, AudioError):  # no retry would come to anything else
                self._discard_inputs(ended)
        else:
            self._finish(progress, lambda held: held.released(described, self.clock()))

    def _finish(self, progress: Progress, step: Callable[[Job], Job], pause_seconds: float | None = None) -> Job | None:
        """Store how the attempt ended, then tell the client, or send the message of the next attempt.

        ``None`` if the job is no longer this attempt's.
        """
        job = self._write(progress, step)
        if job is None:
            return None
        if job.status.ended:
            self.announcer.announce(job)
        else:
            send_job(self.queues, job, pause_seconds or delay_seconds(job.attempt))
        return job

    def _discard_inputs(self, job: Job | None) -> None:
        """Remove what came with the request, now that it is of no more use; housekeeping does what is not done here."""
        if job and job.status in (JobStatus.COMPLETED, JobStatus.FAILED):
            try:
                self.remove_inputs(job)
            except StorageError as error:
                log.warning("job %s: what came with it is still there: %s", job.job_id, error)

    def _write(self, progress: Progress, step: Callable[[Job], Job]) -> Job | None:
        """Store the attempt's last word; ``None`` if the job is no longer this attempt's."""
        while True:
            held = progress.job
            try:
                return self.jobs.replace(held, step(progress.current))
            except (RowChanged, RowNotFound):
                progress.catch_up()
            if progress.ended_by_itself:
                return progress.job  # the write went through after all; only the answer to it got lost
            try:
                progress.check()
            except CancelRequested:
                step = _cancel_at(self.clock)
            except DeadlineExceeded:
                pass  # it is over anyway; the result stands
            except AttemptStopped as stop:
                self._leave(held, stop)
                return None

    def _leave(self, job: Job, stop: AttemptStopped) -> None:
        """The job is no longer this attempt's."""
        log.warning("job %s: attempt %s stops, its result is dropped: %s", job.job_id, job.attempt, stop)
        if isinstance(stop, JobGone):
            self.remove_files(job)  # what it wrote after the deletion, nobody else would ever find

    def _end(self, before: Job, after: Job) -> None:
        self.announcer.announce(self.jobs.replace(before, after))

    def _progress(self, job: Job) -> Progress:
        return Progress(
            job,
            self.jobs,
            self.clock,
            lease_seconds=self.settings.job_lease_seconds,
            deadline_seconds=self.settings.job_deadline_seconds,
            interval_seconds=self.settings.progress_interval_seconds,
            announce=self.announcer.announce,
        )


def _cancel_at(clock: Clock) -> Callable[[Job], Job]:
    return lambda held: held.canceled(clock())
