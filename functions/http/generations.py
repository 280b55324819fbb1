"""``POST /v1/generations``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from core.generation.request import GenerationRequest
from core.jobs.model import Job
from core.validation import fingerprint
from functions.http.dependencies import ServicesDep, idempotency_key, require_json, wait_seconds
from functions.http.submission import JOB_ANSWERS, submitted

router = APIRouter(prefix="/v1/generations", tags=["generations"])


@router.post("", status_code=202, dependencies=[Depends(require_json)], responses=JOB_ANSWERS)
async def create_generation(
    body: GenerationRequest,
    services: ServicesDep,
    key: Annotated[str | None, Depends(idempotency_key)],
    wait: Annotated[float, Depends(wait_seconds)],
) -> Any:
    """Generate stems. Answers at once with the job; `Prefer: wait=N` waits for its end."""

    def plan(job_id: str) -> Job:
        return services.generation.plan(body, job_id=job_id)

    scoped = f"generations:{key}" if key else None
    return await submitted(services, plan, key=scoped, fingerprint=fingerprint(body), wait=wait)
