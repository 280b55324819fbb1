"""A job as clients see it: in answers, in events and in callbacks."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from core.jobs.model import Job, JobStatus

_SHOWN = {
    "job_id", "kind", "status", "progress", "stage", "status_message", "attempt", "estimated_seconds", "created_at",
    "updated_at", "started_at", "finished_at", "expires_at", "audio_file_id", "cancel_requested", "request", "engine",
    "error",
}  # fmt: skip


def job_view(job: Job, queue_position: int | None = None) -> dict[str, Any]:
    """The job's public fields, its outputs with their links, and what can be done with it next."""
    view = job.model_dump(mode="json", include=_SHOWN)
    path = job_path(job.job_id)
    view["queue_position"] = queue_position
    view["outputs"] = [
        {**output.model_dump(mode="json"), "url": f"{path}/files/{quote(output.name)}"} for output in job.outputs
    ]
    view["links"] = {"self": path, "events": f"{path}/events"} | _actions(job, path)
    return view


def job_path(job_id: str) -> str:
    """The job's own address, below the host."""
    return f"/v1/jobs/{quote(job_id)}"


def _actions(job: Job, path: str) -> dict[str, str]:
    links = {}
    if not job.status.ended:
        links["cancel"] = f"{path}/cancel"
    if job.status in (JobStatus.FAILED, JobStatus.CANCELED):
        links["retry"] = f"{path}/retry"
    if job.outputs and job.status is not JobStatus.EXPIRED:
        links["zip"] = f"{path}/files.zip"
    if job.callback:
        links["deliveries"] = f"{path}/deliveries"
    return links
