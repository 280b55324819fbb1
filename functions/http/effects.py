"""``POST /v1/effects``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from core.effects.request import EffectsOptions, EffectsRequest
from core.jobs.model import Job
from core.validation import fingerprint
from functions.http.dependencies import ServicesDep, idempotency_key, require_json, wait_seconds
from functions.http.forms import is_multipart, json_body, received_form, validated
from functions.http.schemas import schema_of
from functions.http.submission import JOB_ANSWERS, submitted

router = APIRouter(prefix="/v1/effects", tags=["effects"])


def _request_body() -> dict[str, Any]:
    """Both ways to send a request; FastAPI knows of one alone."""
    form = schema_of(EffectsOptions)
    file = {"type": "string", "format": "binary", "description": "What to apply the effects to"}
    effects = {"type": "string", "contentMediaType": "application/json", "description": "The list, as JSON"}
    form["properties"] |= {"file": file, "effects": effects}
    form["required"] = ["file", "effects"]
    content = {"application/json": schema_of(EffectsRequest), "multipart/form-data": form}
    return {"required": True, "content": {name: {"schema": schema} for name, schema in content.items()}}


@router.post("", status_code=202, responses=JOB_ANSWERS, openapi_extra={"requestBody": _request_body()})
async def create_effects(
    request: Request,
    services: ServicesDep,
    key: Annotated[str | None, Depends(idempotency_key)],
    wait: Annotated[float, Depends(wait_seconds)],
) -> Any:
    """Apply effects to a file: of a multipart form, an upload, a blob, what a job made, or a sound of the bank.

    Answers at once with the job; `Prefer: wait=N` waits for its end.
    """
    scoped = f"effects:{key}" if key else None
    if is_multipart(request.headers):
        async with received_form(request) as (file, fields):
            options = validated(EffectsOptions, fields)
            sha256 = await run_in_threadpool(file.sha256)

            def plan(job_id: str) -> Job:
                return services.effects.of_file(options, file.file, file.filename, sha256, job_id=job_id)

            stamp = f"{fingerprint(options)}:{sha256}"
            return await submitted(services, plan, key=scoped, fingerprint=stamp, wait=wait)
    await require_json(request)
    body = validated(EffectsRequest, await json_body(request))
    return await submitted(
        services,
        lambda job_id: services.effects.of_stored(body, job_id=job_id),
        key=scoped,
        fingerprint=fingerprint(body),
        wait=wait,
    )
