"""A job as clients see it: in answers, in events and in callbacks."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import Field

from core.jobs.model import EngineStamp, Job, JobError, JobKind, JobStatus, JobStep, Model, Output, Preview


class OutputView(Output):
    """A file of a job, with the address that redirects to it."""

    url: str


class PreviewView(Preview):
    """What can be heard of a stem before it is finished."""

    url: str = Field(description="Of each part: {part} stands for its number in four digits, from 0000 on")


class JobView(Model):
    """A job's public fields."""

    job_id: str
    kind: JobKind
    status: JobStatus
    progress: float = Field(description="0 to 1")
    stage: str
    status_message: str
    attempt: int = Field(description="The number of the newest attempt, 0 before the first")
    queue_position: int | None = Field(description="1 for the next; only in answers about a job that waits")
    estimated_seconds: float = Field(description="Roughly how long the work takes once it has started")
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime = Field(description="When the files are removed")
    audio_file_id: str
    cancel_requested: bool
    request: dict[str, Any] = Field(description="What was asked, with everything that was left open filled in")
    engine: EngineStamp
    outputs: list[OutputView] = Field(description="The files that are finished, while the job runs as well")
    previews: list[PreviewView] = Field(description="What can be heard before it is finished, if it was asked for")
    history: list[JobStep] = Field(description="The newest steps it took since it was stored, the oldest first")
    result: dict[str, Any] | None = Field(description="What was measured of the whole, once it is known")
    error: JobError | None
    links: dict[str, str] = Field(description="self, events, and what can be done with the job now")


_COPIED = set(JobView.model_fields) & set(Job.model_fields)


def job_view(job: Job, queue_position: int | None = None) -> dict[str, Any]:
    """The job's public fields, its outputs with their links, and what can be done with it next, as JSON."""
    path = job_path(job.job_id)
    view = JobView(
        **job.model_dump(include=_COPIED - {"outputs", "previews"}),
        queue_position=queue_position,
        outputs=[OutputView(**output.model_dump(), url=f"{path}/files/{quote(output.name)}") for output in job.outputs],
        previews=[_preview_view(preview, path) for preview in job.previews],
        links={"self": path, "events": f"{path}/events"} | _actions(job, path),
    )
    return view.model_dump(mode="json")


def _preview_view(preview: Preview, path: str) -> PreviewView:
    return PreviewView(**preview.model_dump(), url=f"{path}/files/{preview.file_name('{part}')}")


def whole_seconds(moment: datetime) -> str:
    """A UTC time as the older services' clients know it: to the second, with a Z."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


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
