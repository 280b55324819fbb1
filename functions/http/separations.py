"""``POST /v1/separations``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from core.separation.request import SeparationOptions, SeparationRequest
from functions.http.dependencies import ServicesDep, idempotency_key, wait_seconds
from functions.http.file_jobs import request_body, submitted_file_job
from functions.http.submission import JOB_ANSWERS

router = APIRouter(prefix="/v1/separations", tags=["separations"])

_BODY = request_body(SeparationOptions, SeparationRequest, "The song")


@router.post("", status_code=202, responses=JOB_ANSWERS, openapi_extra={"requestBody": _BODY})
async def create_separation(
    request: Request,
    services: ServicesDep,
    key: Annotated[str | None, Depends(idempotency_key)],
    wait: Annotated[float, Depends(wait_seconds)],
) -> Any:
    """Separate a song into stems: a file of a multipart form, a completed upload, or a blob of the account.

    Answers at once with the job; `Prefer: wait=N` waits for its end.
    """
    return await submitted_file_job(
        request, services, services.separations, SeparationOptions, SeparationRequest,
        key=f"separations:{key}" if key else None, wait=wait,
    )  # fmt: skip
