"""The bridge service's own routes, ``/api/generate`` and what follows on it, as its clients know them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from core.audio.formats import OUTPUT_FORMATS
from core.bootstrap import Services
from core.bridge.request import SHORTEST_SECONDS, TRACKS, BridgeOptions, length_fault
from core.errors import AudioError, FieldError, InvalidRequest, JobNotFound, JobStateConflict, StemworksError
from core.jobs.model import Job, JobKind, JobStatus
from core.jobs.view import whole_seconds
from functions.http.dependencies import ServicesDep, ended_within
from functions.http.errors import problem
from functions.http.forms import ReceivedFile, received_files, sent_files, validated

router = APIRouter(prefix="/api", tags=["bridge service"])

_EXTENSIONS = (".mp3", ".m4a", ".wav", ".flac", ".ogg")
_MOST_BYTES = 50 * 2**20
_SAMPLE_RATE = 24000
_RETENTION_SECONDS = 24 * 3600
_STOPPING_SECONDS = 10.0  # a running attempt looks every second whether it should go on

_STATUS = {
    JobStatus.QUEUED: "queued",
    JobStatus.PROCESSING: "processing",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELED: "failed",
}

_FORM = {
    "type": "object",
    "properties": {name: {"type": "string", "format": "binary", "description": "A track"} for name in TRACKS}
    | {
        "start_time": {"type": "number", "default": 0.0, "description": "Where the part of both begins, in seconds"},
        "end_time": {"type": "number", "default": 16.0, "description": "Where it ends"},
    },
    "required": list(TRACKS),
}


class _Times(BaseModel):
    """The form's other fields; what it does not know it passes over, as the older service did."""

    model_config = ConfigDict(extra="ignore")

    start_time: float = Field(0.0, ge=0, le=86400, allow_inf_nan=False)
    end_time: float = Field(16.0, ge=0, le=86400, allow_inf_nan=False)


@router.post(
    "/generate",
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def generate(request: Request, services: ServicesDep) -> Any:
    """Make a third track out of two, 24 kHz mono: it lies halfway between them.

    A track that is shorter than `end_time` is taken all the same, and the job then fails: its status says why.
    """
    async with received_files(request, TRACKS) as (files, fields):
        options = _options(validated(_Times, fields), services)
        try:
            _check_files(files)
            sent = await run_in_threadpool(sent_files, files)
            job = await run_in_threadpool(
                lambda: services.bridges.of_files(
                    options, sent, job_id=services.new_id(), judge_length=False, kept_seconds=_RETENTION_SECONDS
                )
            )
        except _NotTaken as error:
            return _refused(error.detail, error)
        except AudioError as error:
            return _refused(f"Invalid file format: {error.detail}", error)
        stored = await run_in_threadpool(services.jobs.submit, job)
    return {"job_id": stored.job_id, "status": _STATUS[stored.status], "message": "The tracks are waiting for a worker"}


@router.get("/status/{job_id}")
def status(job_id: str, services: ServicesDep) -> dict[str, Any]:
    """Where a job stands; `progress` is 0 to 100."""
    job = _job(job_id, services)
    return {
        "job_id": job.job_id,
        "status": _STATUS[job.status],
        "progress": int(100 * job.progress),
        "message": job.error.detail if job.error and job.status is JobStatus.FAILED else job.status_message,
        "created_at": whole_seconds(job.created_at),
    }


@router.get("/download/{job_id}", response_class=Response)
def download(job_id: str, services: ServicesDep) -> Response:
    """The new track: `generated_music.wav`."""
    job = _job(job_id, services)
    if job.status is not JobStatus.COMPLETED:
        conflict = JobStateConflict(f"Not ready: the job is {_STATUS[job.status]}: {job.status_message}")
        return _refused(conflict.detail, conflict)
    output = job.outputs[0]
    extension = f".{output.format}"
    media_type = next(each.content_type for each in OUTPUT_FORMATS.values() if each.extension == extension)
    headers = {
        "Content-Disposition": f'attachment; filename="generated_music{extension}"',
        "Content-Length": str(output.file_size_bytes),
    }
    return StreamingResponse(services.jobs.read(job, output), headers=headers, media_type=media_type)


@router.delete("/cleanup/{job_id}")
async def cleanup(job_id: str, services: ServicesDep) -> dict[str, str]:
    """Remove the job and all its files; one that runs is stopped first."""
    job = await run_in_threadpool(_job, job_id, services)
    if not job.status.ended:
        with suppress(JobStateConflict):  # it has ended in this moment
            job = await run_in_threadpool(services.jobs.cancel, job_id)
        await ended_within(_STOPPING_SECONDS, job, lambda: services.jobs.get(job_id))
    await run_in_threadpool(services.jobs.delete, job_id)
    await run_in_threadpool(services.deliveries.forget, job_id)
    return {"job_id": job_id, "message": "The job and its files are gone"}


def _options(times: _Times, services: Services) -> BridgeOptions:
    seconds = times.end_time - times.start_time
    fault = length_fault(seconds, ratios=1, channels=1)
    if seconds < SHORTEST_SECONDS:
        fault = f"must be {SHORTEST_SECONDS:g} s or more after start_time, which is {times.start_time:g}"
    if fault:
        raise InvalidRequest([FieldError("/end_time", fault)])
    return BridgeOptions(
        start_seconds=times.start_time,
        end_seconds=times.end_time,
        sample_rate=_SAMPLE_RATE,
        expires_in_seconds=min(_RETENTION_SECONDS, services.settings.longest_retention_seconds),
    )


def _check_files(files: Mapping[str, ReceivedFile]) -> None:
    """Raise ``_NotTaken`` for a file whose name or size the older service refused as well."""
    for name, file in files.items():
        extension = PurePosixPath(file.filename).suffix.lower()
        if extension not in _EXTENSIONS:
            known = ", ".join(_EXTENSIONS)
            raise _NotTaken(f"Invalid file format: {name} ends in {extension or 'nothing'}; it must be one of {known}")
        if file.size_bytes > _MOST_BYTES:
            raise _NotTaken(f"File too large: {name} has {file.size_bytes} bytes, of {_MOST_BYTES} that are allowed")


class _NotTaken(AudioError):
    """The older service would not have taken the file."""

    type = "not-taken"
    next_step = "Send another file; POST /v1/bridges takes more formats and larger files."


def _job(job_id: str, services: Services) -> Job:
    """The bridge of this id. Raises ``JobNotFound``, as for one whose files are past their time."""
    try:
        job = services.jobs.get(job_id)
    except JobNotFound:
        raise JobNotFound("Job not found") from None
    if job.kind is not JobKind.BRIDGE or job.status is JobStatus.EXPIRED:
        raise JobNotFound("Job not found")
    return job


def _refused(detail: str, error: StemworksError) -> Response:
    """The older service's status; its words come first in ``detail``."""
    return problem(400, error.type, error.title, detail, error.next_step)
