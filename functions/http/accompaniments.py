"""``POST /v1/accompaniments``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from core.accompaniment.request import AccompanimentOptions, AccompanimentRequest
from functions.http.dependencies import ServicesDep, idempotency_key, wait_seconds
from functions.http.file_jobs import request_body, submitted_file_job
from functions.http.submission import JOB_ANSWERS

router = APIRouter(prefix="/v1/accompaniments", tags=["accompaniments"])

_BODY = request_body(AccompanimentOptions, AccompanimentRequest, "What is to be accompanied")


@router.post("", status_code=202, responses=JOB_ANSWERS, openapi_extra={"requestBody": _BODY})
async def create_accompaniment(
    request: Request,
    services: ServicesDep,
    key: Annotated[str | None, Depends(idempotency_key)],
    wait: Annotated[float, Depends(wait_seconds)],
) -> Any:
    """Play along: to a file of a multipart form, an upload, a blob or what a job made, or from chords and a tempo.

    Answers at once with the job; `Prefer: wait=N` waits for its end.
    """
    return await submitted_file_job(
        request, services, services.accompaniments, AccompanimentOptions, AccompanimentRequest,
        key=f"accompaniments:{key}" if key else None, wait=wait,
    )  # fmt: skip
