"""What travels through the queues: ids, never payloads. New code reads old messages; unknown keys are passed over."""

from __future__ import annotations

from core.jobs.model import Job, Model
from core.ports import Queues

CPU_REQUESTS = "cpu-requests"
GENERATION_REQUESTS = "generation-requests"
SEPARATION_REQUESTS = "separation-requests"
CALLBACKS = "callbacks"
WORK_QUEUES = (CPU_REQUESTS, GENERATION_REQUESTS, SEPARATION_REQUESTS)
QUEUES = (*WORK_QUEUES, CALLBACKS)

POISON_SUFFIX = "-poison"
"""The Functions host puts a message that failed too often into the queue of this name."""


class JobMessage(Model):
    """Run this job. (The key is not ``id``: the host would take it for the message's own.)"""

    job_id: str


def send_job(queues: Queues, job: Job, delay_seconds: float = 0) -> None:
    """Send the message that makes a worker run ``job``."""
    queues.send(job.queue, JobMessage(job_id=job.job_id).model_dump_json(), delay_seconds)


class CallbackMessage(Model):
    """Tell the client of this event.

    Attributes:
        sequence: tells two events of one name apart (``core.webhooks.events``).
        try_number: 1-based.
        replay: sent in case the first announcement was lost; dropped if that one left any trace.
    """

    job_id: str
    event: str
    sequence: int
    try_number: int = 1
    replay: bool = False
