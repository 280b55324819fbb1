"""``POST /v1/generations``."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from core.bootstrap import Services
from core.generation.request import GenerationRequest
from core.jobs.idempotency import StoredAnswer
from core.jobs.model import Job
from core.jobs.view import JobView, job_path, job_view
from core.validation import fingerprint
from functions.http.dependencies import ServicesDep, ended_within, idempotency_key, require_json, wait_seconds

router = APIRouter(prefix="/v1/generations", tags=["generations"])

_RETRY_AFTER_SECONDS = 1


@router.post(
    "",
    status_code=202,
    dependencies=[Depends(require_json)],
    responses={202: {"model": JobView}, 200: {"model": JobView, "description": "With Prefer: wait, a job that ended"}},
)
async def create_generation(
    body: GenerationRequest,
    services: ServicesDep,
    key: Annotated[str | None, Depends(idempotency_key)],
    wait: Annotated[float, Depends(wait_seconds)],
) -> Any:
    """Generate stems. Answers at once with the job; `Prefer: wait=N` waits for its end."""
    answer = await run_in_threadpool(_submit, services, body, key)
    if wait and answer.status == 202:
        read = partial(services.jobs.get, answer.body["job_id"])
        answer = _answer(await ended_within(wait, await run_in_threadpool(read), read))
    return JSONResponse(answer.body, answer.status, answer.headers)


def _submit(services: Services, body: GenerationRequest, key: str | None) -> StoredAnswer:
    def make(job_id: str) -> StoredAnswer:
        return _answer(services.jobs.submit(services.generation.plan(body, job_id=job_id)))

    if key is None:
        return make(services.new_id())
    return services.idempotency.answer(f"generations:{key}", fingerprint(body), make)


def _answer(job: Job) -> StoredAnswer:
    headers = {"Location": job_path(job.job_id)}
    if job.status.ended:
        return StoredAnswer(status=200, headers=headers, body=job_view(job))
    return StoredAnswer(status=202, headers=headers | {"Retry-After": str(_RETRY_AFTER_SECONDS)}, body=job_view(job))
