"""The separation service's own routes, ``/api/jobs`` and ``/api/health``, as its clients know them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from core.jobs.model import Job, JobStatus
from core.jobs.view import whole_seconds
from core.separation.request import SeparationOptions
from functions.http.dependencies import ServicesDep
from functions.http.forms import received_form

router = APIRouter(prefix="/api", tags=["separation service"])

_STATUS = {
    JobStatus.QUEUED: "pending",
    JobStatus.PROCESSING: "processing",
    JobStatus.COMPLETED: "completed",
    JobStatus.EXPIRED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELED: "failed",
}

_FORM = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary", "description": "The song"}},
    "required": ["file"],
}


@router.post(
    "/jobs", openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}}
)
async def create_job(request: Request, services: ServicesDep) -> dict[str, Any]:
    """Separate a song into vocals, drums, bass and other."""
    async with received_form(request) as (file, _):
        job = await run_in_threadpool(
            lambda: services.separations.of_file(
                SeparationOptions(), file.file, file.filename, file.sha256(), job_id=services.new_id()
            )
        )
    stored = await run_in_threadpool(services.jobs.submit, job)
    return {"id": stored.job_id, "status": _STATUS[stored.status], "created_at": whole_seconds(stored.created_at)}


@router.get("/jobs/{job_id}")
def get_job(job_id: str, services: ServicesDep) -> dict[str, Any]:
    """Where a job stands. Its stems are at `/v1/jobs/{job_id}`."""
    job = services.jobs.get(job_id)
    return {
        "id": job.job_id,
        "status": _STATUS[job.status],
        "error_message": _error_message(job),
        "created_at": whole_seconds(job.created_at),
        "updated_at": whole_seconds(job.updated_at),
    }


@router.get("/health")
def health(services: ServicesDep) -> dict[str, str]:
    """Whether the service is well."""
    return {"status": "healthy" if services.storage_error() is None else "unhealthy"}


def _error_message(job: Job) -> str | None:
    if job.status is JobStatus.CANCELED:
        return job.status_message
    return job.error.detail if job.error and job.status is JobStatus.FAILED else None
