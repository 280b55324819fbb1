"""The events of a job that a client can be told of."""

from __future__ import annotations

from typing import Literal

from core.jobs.model import Job, JobStatus

COMPLETED = "job.completed"
FAILED = "job.failed"
CANCELED = "job.canceled"
PROGRESS = "job.progress"

EventName = Literal["job.completed", "job.failed", "job.canceled", "job.progress"]
ENDINGS: tuple[EventName, ...] = ("job.completed", "job.failed", "job.canceled")
"""What a client is told of unless it chooses: the events that end a job."""

_BY_STATUS: dict[JobStatus, EventName] = {
    JobStatus.PROCESSING: "job.progress",
    JobStatus.COMPLETED: "job.completed",
    JobStatus.FAILED: "job.failed",
    JobStatus.CANCELED: "job.canceled",
}


def event_of(job: Job) -> EventName | None:
    """The event that the job's present state stands for, if any."""
    return _BY_STATUS.get(job.status)


def sequence_of(job: Job, event: str) -> int:
    """What tells two events of one name and job apart: the millisecond of its end, and for progress the revision."""
    if event == PROGRESS or job.finished_at is None:
        return job.revision
    return int(job.finished_at.timestamp() * 1000)
