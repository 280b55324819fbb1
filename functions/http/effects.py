"""``POST /v1/effects``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from core.effects.request import EffectsOptions, EffectsRequest
from functions.http.dependencies import ServicesDep, idempotency_key, wait_seconds
from functions.http.file_jobs import request_body, submitted_file_job
from functions.http.submission import JOB_ANSWERS

router = APIRouter(prefix="/v1/effects", tags=["effects"])

_EFFECTS = {"type": "string", "contentMediaType": "application/json", "description": "The list, as JSON"}
_BODY = request_body(EffectsOptions, EffectsRequest, "What to apply the effects to", effects=_EFFECTS)


@router.post("", status_code=202, responses=JOB_ANSWERS, openapi_extra={"requestBody": _BODY})
async def create_effects(
    request: Request,
    services: ServicesDep,
    key: Annotated[str | None, Depends(idempotency_key)],
    wait: Annotated[float, Depends(wait_seconds)],
) -> Any:
    """Apply effects to a file: of a multipart form, an upload, a blob, what a job made, or a sound of the bank.

    Answers at once with the job; `Prefer: wait=N` waits for its end.
    """
    return await submitted_file_job(
        request, services, services.effects, EffectsOptions, EffectsRequest,
        key=f"effects:{key}" if key else None, wait=wait,
    )  # fmt: skip
