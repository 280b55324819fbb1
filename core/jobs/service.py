"""What a client may do with jobs: submit, look, list, cancel, retry, delete."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from core.errors import (
    FieldError,
    FileNotFound,
    FilesExpired,
    InvalidRequest,
    JobConflict,
    JobNotFound,
    JobStateConflict,
    RowChanged,
    RowExists,
    RowNotFound,
    StorageUnavailable,
)
from core.jobs.messages import send_job
from core.jobs.model import AUDIO_FILES, UPLOADS, Job, JobKind, JobStatus, Output
from core.jobs.runner import Announcer
from core.jobs.store import JobPage, JobStore
from core.ports import Blobs, Clock, Queues
from core.settings import Settings

log = logging.getLogger(__name__)

_LINK_LIFE = timedelta(minutes=30)


@dataclass(frozen=True)
class JobService:
    """Jobs as their clients see them."""

    jobs: JobStore
    queues: Queues
    blobs: Blobs
    announcer: Announcer
    clock: Clock
    settings: Settings

    def submit(self, job: Job) -> Job:
        """Store the job and send its message; a job that is there already with the same body is returned instead.

        One that has ended already, because all it asks for was there, is announced at once.

        Once the row is stored the job is accepted: if the message cannot be sent, housekeeping sends it later.
        Raises ``JobConflict`` if the id is taken by another body, ``StorageUnavailable`` if nothing was stored.
        """
        try:
            stored = self.jobs.insert(job)
        except RowExists:
            existing = self.jobs.get(job.job_id)
            if existing.fingerprint != job.fingerprint:
                raise JobConflict(f"job {job.job_id} was submitted before with another body") from None
            if existing.created_at != job.created_at:
                if existing.status.ended:  # whoever stored it may have died before it could say so
                    self.announcer.announce(existing, replay=True)
                if existing.status is JobStatus.COMPLETED:
                    self.remove_inputs(existing)  # they came once more, with this request
                return existing
            stored = existing  # our own insert, repeated by the SDK after an answer that got lost
        if stored.status.ended:
            self.announcer.announce(stored)
        else:
            self._send(stored)
        return stored

    def get(self, job_id: str) -> Job:
        """Read a job. Raises ``JobNotFound``."""
        return self.jobs.get(job_id)

    def page(self, status: JobStatus | None, kind: JobKind | None, limit: int, cursor: str | None) -> JobPage:
        """One page of a list, newest first."""
        return self.jobs.page(status=status, kind=kind, limit=limit, cursor=cursor)

    def position(self, job: Job) -> int | None:
        """The job's place among the waiting ones of its kind, 1 for the next; ``None`` once it has started."""
        return self.jobs.position(job) if job.status is JobStatus.QUEUED else None

    def cancel(self, job_id: str) -> Job:
        """Cancel a queued job at once, ask a running one to stop. Raises ``JobStateConflict`` for one that ended."""
        canceled = self._change(job_id, lambda job: job.cancel(self.clock()))
        if canceled.status is JobStatus.CANCELED:
            self.announcer.announce(canceled)
        return canceled

    def retry(self, job_id: str) -> Job:
        """Queue a failed or canceled job again; stems that are finished are not made again.

        Raises ``JobStateConflict`` for any other job, and once the files are gone that came with its request.
        """
        job = self._change(job_id, self._retried)
        self._send(job)
        return job

    def delete(self, job_id: str) -> None:
        """Remove an ended job and its files. Raises ``JobStateConflict`` while it may still run."""
        job = self.jobs.get(job_id)
        if not job.status.ended:
            raise JobStateConflict(f"job {job_id} is {job.status}; cancel it first, then delete it")
        self.remove_files(job)
        try:
            self.jobs.remove(job)
        except RowNotFound:
            raise JobNotFound(f"job {job_id} was deleted meanwhile") from None
        except RowChanged:
            raise JobStateConflict(f"job {job_id} changed meanwhile; look at it again") from None

    def remove_files(self, job: Job) -> int:
        """Delete what the job wrote, and what came with its request; returns how many files there were."""
        return self.blobs.remove_all(AUDIO_FILES, job.folder) + self.remove_inputs(job)

    def remove_inputs(self, job: Job) -> int:
        """Delete what came with the job's request, if anything did; returns how many files there were."""
        return self.blobs.remove_all(UPLOADS, job.input_folder) if job.input_folder else 0

    def output(self, job: Job, name: str) -> Output:
        """The job's file of this name. Raises ``FileNotFound`` or ``FilesExpired``."""
        self.check_files(job)
        for output in job.outputs:
            if output.name == name:
                return output
        names = ", ".join(output.name for output in job.outputs) or f"none yet, it is {job.status}"
        raise FileNotFound(f"job {job.job_id} has no file {name!r}; it has {names}")

    def completed_output(self, job_id: str, name: str, pointer: str) -> tuple[Job, Output]:
        """A file of a completed job, for another one; ``pointer`` is the field that names the job.

        Raises ``InvalidRequest``, ``JobNotFound``, ``FileNotFound`` or ``FilesExpired``.
        """
        job = self.completed(job_id, pointer)
        return job, self.output(job, name)

    def completed(self, job_id: str, pointer: str) -> Job:
        """A completed job, for another one; ``pointer`` is the field that names it.

        Raises ``InvalidRequest``, ``JobNotFound`` or ``FilesExpired``.
        """
        job = self.get(job_id)
        self.check_files(job)
        if job.status is not JobStatus.COMPLETED:
            detail = f"job {job_id} is {job.status}; the files of a completed job can be used"
            raise InvalidRequest([FieldError(pointer, detail)])
        return job

    def check_files(self, job: Job) -> None:
        """Raise ``FilesExpired`` if the job's files were removed."""
        if job.status is JobStatus.EXPIRED:
            raise FilesExpired(f"the files of job {job.job_id} expired at {job.expires_at:%Y-%m-%dT%H:%M:%SZ}")

    def signed_url(self, job: Job, name: str) -> str:
        """An address to read an output, or a part of a preview, from, for half an hour.

        Raises ``FileNotFound`` or ``FilesExpired``.
        """
        self.check_files(job)
        if not any(preview.holds(name) for preview in job.previews):
            self.output(job, name)
        expires_at = self.clock() + _LINK_LIFE
        return self.blobs.signed_url(AUDIO_FILES, job.folder + name, expires_at=expires_at, filename=name)

    def read(self, job: Job, output: Output) -> Iterator[bytes]:
        """The file's content."""
        return self.blobs.read(AUDIO_FILES, job.folder + output.name)

    def _change(self, job_id: str, step: Callable[[Job], Job]) -> Job:
        while True:
            job = self.jobs.get(job_id)
            try:
                return self.jobs.replace(job, step(job))
            except (RowChanged, RowNotFound):
                continue  # look again: it changed, or it is gone and the next read says so

    def _retried(self, job: Job) -> Job:
        retried = job.retried(self.clock(), self.settings.job_attempts)
        if job.input_folder and not self.blobs.list_all(UPLOADS, job.input_folder):
            raise JobStateConflict(f"what came with the request of job {job.job_id} is gone; send the request again")
        return retried

    def _send(self, job: Job) -> None:
        try:
            send_job(self.queues, job)
        except StorageUnavailable as error:
            log.warning("job %s is stored, its message could not be sent; housekeeping will: %s", job.job_id, error)
