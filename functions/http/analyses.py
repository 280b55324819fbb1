"""``POST /v1/analyses``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from core.analysis.request import AnalysisOptions, AnalysisRequest
from functions.http.dependencies import ServicesDep, idempotency_key, wait_seconds
from functions.http.file_jobs import request_body, submitted_file_job
from functions.http.submission import JOB_ANSWERS

router = APIRouter(prefix="/v1/analyses", tags=["analysis"])

_BODY = request_body(AnalysisOptions, AnalysisRequest, "What to analyse")


@router.post("", status_code=202, responses=JOB_ANSWERS, openapi_extra={"requestBody": _BODY})
async def create_analysis(
    request: Request,
    services: ServicesDep,
    key: Annotated[str | None, Depends(idempotency_key)],
    wait: Annotated[float, Depends(wait_seconds)],
) -> Any:
    """Find tempo, beats, key, tuning, chords, sections, loudness and spectral features of a recording.

    It is a multipart form's file, an upload, a blob, or a finished job's file or stems. The job's `result` is the
    summary; its files are `analysis.json`, `analysis.jams`, a click track and `chart.mid`.
    """
    return await submitted_file_job(
        request, services, services.analyses, AnalysisOptions, AnalysisRequest,
        key=f"analyses:{key}" if key else None, wait=wait,
    )  # fmt: skip
