"""Sounds, their jobs and batches as clients see them; the field names are those of the first sound bank."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field

from core.jobs.model import Job, JobError, JobStatus, Model
from core.jobs.view import job_path, whole_seconds
from core.soundbank.sample import SAMPLES, Sample

PREFIX = "/v1/sounds"


class SampleView(Sample):
    """A sound, and where its file is."""

    file_path: str = Field(description="/container/name of the file, in the storage account")
    download_url: str


class SoundJobView(Model):
    """A job for one note."""

    job_id: str
    status: JobStatus
    progress: float = Field(description="0 to 1")
    status_message: str
    estimated_seconds: int = Field(description="Roughly how long the work takes once it has started")
    cached: bool = Field(description="Whether the bank had the sound already")
    nearest: dict[str, Any] | None = Field(
        description="A sound of the same kind that derive would have been made from, and by which shift"
    )
    sample: SampleView | None = Field(description="The sound, once it is there")
    error: JobError | None
    created_at: str
    updated_at: str
    links: dict[str, str]


class BatchView(Model):
    """A job for many notes."""

    batch_id: str
    job_id: str = Field(description="The same id: /v1/jobs/{job_id} has events, cancel and retry")
    status: JobStatus
    progress: float = Field(description="0 to 1")
    status_message: str
    estimated_seconds: int
    total: int = Field(description="How many notes it has")
    made: int = Field(description="How many were made")
    found: int = Field(description="How many the bank had already")
    error: JobError | None
    created_at: str
    updated_at: str
    links: dict[str, str]


def sample_view(sample: Sample) -> dict[str, Any]:
    """The sound's public fields, as JSON."""
    view = SampleView(
        **dict(sample), file_path=f"/{SAMPLES}/{sample.blob}", download_url=f"{PREFIX}/{sample.sample_id}/download"
    )
    return view.model_dump(mode="json") | {"created_at": whole_seconds(sample.created_at)}


def sound_result(sample: Sample, *, cached: bool) -> dict[str, Any]:
    """The result of a job for one note."""
    return {
        "sample_id": sample.sample_id,
        "cached": cached,
        "derived": sample.derived_from is not None,
        "download_url": f"{PREFIX}/{sample.sample_id}/download",
    }


def sound_job_path(job_id: str) -> str:
    """The address of a job for one note."""
    return f"{PREFIX}/jobs/{job_id}"


def batch_path(batch_id: str) -> str:
    """The address of a batch."""
    return f"{PREFIX}/batch/{batch_id}"


def sound_job_view(job: Job, sample: Sample | None) -> dict[str, Any]:
    """The job's public fields, as JSON; a completed job's row outlives its sound's deletion, and says so."""
    result = job.result or {}
    links = {"self": sound_job_path(job.job_id), "job": job_path(job.job_id)}
    view = SoundJobView(
        **_progress(job),
        status_message=_message(job, sample, bool(result.get("cached"))),
        cached=bool(result.get("cached")),
        nearest=result.get("nearest"),
        sample=None,  # put in below, as it is shown everywhere
        links=links if sample is None else links | {"download": f"{PREFIX}/{sample.sample_id}/download"},
    )
    return view.model_dump(mode="json") | {"sample": None if sample is None else sample_view(sample)}


def batch_view(job: Job) -> dict[str, Any]:
    """The batch's public fields, as JSON."""
    path = batch_path(job.job_id)
    links = {"self": path, "job": job_path(job.job_id), "samples": f"{path}/samples", "export": f"{path}/export.zip"}
    result = {"total": 0, "made": 0, "found": 0} | (job.result or {})
    message = job.status_message
    if job.status is JobStatus.COMPLETED:
        message = f"{result['total']} notes: {result['made']} made, {result['found']} found in the bank"
    view = BatchView(batch_id=job.job_id, **_progress(job), **result, status_message=message, links=links)
    return view.model_dump(mode="json")


def _progress(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "status": job.status,
        "progress": job.progress,
        "estimated_seconds": math.ceil(job.estimated_seconds),
        "error": job.error,
        "created_at": whole_seconds(job.created_at),
        "updated_at": whole_seconds(job.updated_at),
    }


def _message(job: Job, sample: Sample | None, cached: bool) -> str:
    if job.status is not JobStatus.COMPLETED:
        return job.status_message
    if sample is None:
        return "The sound sample was deleted since"
    return "Sound sample found in the bank" if cached else "Sound sample generated successfully"
