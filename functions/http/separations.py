"""``POST /v1/separations``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from core.jobs.model import Job
from core.separation.request import SeparationOptions, SeparationRequest
from core.validation import fingerprint
from functions.http.dependencies import ServicesDep, idempotency_key, require_json, wait_seconds
from functions.http.forms import is_multipart, json_body, received_form, validated
from functions.http.submission import JOB_ANSWERS, submitted

router = APIRouter(prefix="/v1/separations", tags=["separations"])


def _request_body() -> dict[str, Any]:
    """Both ways to send a request; FastAPI knows of one alone."""
    form = SeparationOptions.model_json_schema()
    form["properties"] = {"file": {"type": "string", "format": "binary", "description": "The song"}} | form[
        "properties"
    ]
    form["required"] = ["file"]
    content = {"multipart/form-data": form, "application/json": SeparationRequest.model_json_schema()}
    return {"required": True, "content": {name: {"schema": schema} for name, schema in content.items()}}


@router.post("", status_code=202, responses=JOB_ANSWERS, openapi_extra={"requestBody": _request_body()})
async def create_separation(
    request: Request,
    services: ServicesDep,
    key: Annotated[str | None, Depends(idempotency_key)],
    wait: Annotated[float, Depends(wait_seconds)],
) -> Any:
    """Separate a song into stems: a file of a multipart form, a completed upload, or a blob of the account.

    Answers at once with the job; `Prefer: wait=N` waits for its end.
    """
    scoped = f"separations:{key}" if key else None
    if is_multipart(request.headers):
        async with received_form(request) as (file, fields):
            options = validated(SeparationOptions, fields)
            sha256 = await run_in_threadpool(file.sha256)

            def plan(job_id: str) -> Job:
                return services.separations.of_file(options, file.file, file.filename, sha256, job_id=job_id)

            stamp = f"{fingerprint(options)}:{sha256}"
            return await submitted(services, plan, key=scoped, fingerprint=stamp, wait=wait)
    await require_json(request)
    body = validated(SeparationRequest, await json_body(request))
    return await submitted(
        services,
        lambda job_id: services.separations.of_stored(body, job_id=job_id),
        key=scoped,
        fingerprint=fingerprint(body),
        wait=wait,
    )
