"""The jobs: one, a list, their events, their files, and what can be done with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import RedirectResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from core.jobs.model import JobKind, JobStatus
from core.jobs.view import JobView, job_view
from core.webhooks.events import event_of
from functions.http.dependencies import ServicesDep, watch
from functions.http.errors import NothingMore
from functions.http.zip_stream import zip_stream

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


class JobList(BaseModel):
    """A page of jobs; the next one is at ``next_cursor``, which is ``null`` at the end."""

    jobs: list[JobView]
    next_cursor: str | None


@router.get("", responses={200: {"model": JobList}})
def list_jobs(
    services: ServicesDep,
    status: JobStatus | None = None,
    kind: JobKind | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=500, description="next_cursor of the page before")] = None,
) -> dict[str, Any]:
    """The jobs, newest first."""
    page = services.jobs.page(status, kind, limit, cursor)
    return {"jobs": [job_view(job) for job in page.jobs], "next_cursor": page.next_cursor}


@router.get("/{job_id}", responses={200: {"model": JobView}})
def get_job(job_id: str, services: ServicesDep) -> dict[str, Any]:
    """One job, with its place in the queue while it waits."""
    job = services.jobs.get(job_id)
    return job_view(job, services.jobs.position(job))


@router.delete("/{job_id}", status_code=204)
def delete_job(job_id: str, services: ServicesDep) -> None:
    """Remove a job that has ended, its files and everything known of it."""
    services.jobs.delete(job_id)
    services.deliveries.forget(job_id)
    services.sounds.forget_batch(job_id)


@router.post("/{job_id}/cancel", status_code=202, responses={202: {"model": JobView}})
def cancel_job(job_id: str, services: ServicesDep) -> dict[str, Any]:
    """Cancel: at once while it waits, within a second or so while it runs."""
    return job_view(services.jobs.cancel(job_id))


@router.post("/{job_id}/retry", status_code=202, responses={202: {"model": JobView}})
def retry_job(job_id: str, services: ServicesDep) -> dict[str, Any]:
    """Queue a failed or canceled job again; files that are finished are not made again."""
    return job_view(services.jobs.retry(job_id))


def newer_than(
    job_id: str,
    services: ServicesDep,
    last_event_id: Annotated[int | None, Header(description="The id of the last event that arrived")] = None,
) -> int:
    """The revision after which events are wanted. Raises ``NothingMore`` if all of them have been sent."""
    job = services.jobs.get(job_id)
    seen = -1 if last_event_id is None else last_event_id
    if job.status.ended and job.revision <= seen:
        raise NothingMore
    return seen


@router.get("/{job_id}/events", response_class=EventSourceResponse, responses={204: {"description": "All was sent"}})
async def job_events(
    job_id: str, services: ServicesDep, seen: Annotated[int, Depends(newer_than)]
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events until the job ends: each carries the whole job, so a missed one is made up by the next.

    A client that comes back with `Last-Event-ID` gets what is newer, and 204 once there is nothing more to come.
    """
    async for job in watch(lambda: services.jobs.get(job_id), seen):
        if job is None:
            yield ServerSentEvent(comment="still here")
        else:
            yield ServerSentEvent(data=job_view(job), event=event_of(job) or f"job.{job.status}", id=str(job.revision))


@router.get("/{job_id}/files/{name}", status_code=302, response_class=RedirectResponse)
def get_file(job_id: str, name: str, services: ServicesDep) -> RedirectResponse:
    """Redirects to a link that reads the file for half an hour."""
    job = services.jobs.get(job_id)
    return RedirectResponse(services.jobs.signed_url(job, name), 302, {"Cache-Control": "no-store"})


@router.get("/{job_id}/files.zip", response_class=StreamingResponse)
def get_zip(job_id: str, services: ServicesDep) -> StreamingResponse:
    """All files of the job that are finished, as one zip."""
    job = services.jobs.get(job_id)
    services.jobs.check_files(job)
    files = [(output.name, services.jobs.read(job, output)) for output in job.outputs]
    headers = {"Content-Disposition": f'attachment; filename="{job_id}.zip"'}
    return StreamingResponse(zip_stream(files), headers=headers, media_type="application/zip")


@router.get("/{job_id}/deliveries")
def list_deliveries(job_id: str, services: ServicesDep) -> dict[str, Any]:
    """The log of the job's callbacks: every event, every try, what the receiver answered."""
    services.jobs.get(job_id)
    return {"deliveries": [delivery.model_dump(mode="json") for delivery in services.deliveries.of_job(job_id)]}


@router.post("/{job_id}/deliveries/{delivery_id}/redeliver", status_code=202)
def redeliver(job_id: str, delivery_id: str, services: ServicesDep) -> dict[str, Any]:
    """Send an event once more, under the same webhook-id."""
    return services.deliveries.redeliver(job_id, delivery_id).model_dump(mode="json")
