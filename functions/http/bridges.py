"""``POST /v1/bridges``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from core.bridge.request import TRACKS, BridgeOptions, BridgeRequest
from functions.http.dependencies import ServicesDep, idempotency_key, wait_seconds
from functions.http.file_jobs import submitted_named_files_job
from functions.http.schemas import schema_of
from functions.http.submission import JOB_ANSWERS

router = APIRouter(prefix="/v1/bridges", tags=["bridges"])


def _request_body() -> dict[str, Any]:
    """Both ways to send a request; FastAPI knows of one alone."""
    form = schema_of(BridgeOptions)
    form["properties"] = {name: {"type": "string", "format": "binary"} for name in TRACKS} | form["properties"]
    form["required"] = [*TRACKS, *form.get("required", [])]
    content = {"application/json": schema_of(BridgeRequest), "multipart/form-data": form}
    return {"required": True, "content": {name: {"schema": schema} for name, schema in content.items()}}


@router.post("", status_code=202, responses=JOB_ANSWERS, openapi_extra={"requestBody": _request_body()})
async def create_bridge(
    request: Request,
    services: ServicesDep,
    key: Annotated[str | None, Depends(idempotency_key)],
    wait: Annotated[float, Depends(wait_seconds)],
) -> Any:
    """Make tracks that lie between two others: files of a form, uploads, blobs or what jobs made.

    Answers at once with the job; `Prefer: wait=N` waits for its end. Ratio 0 is track 1, 1 is track 2.
    """
    return await submitted_named_files_job(
        request, services, services.bridges, TRACKS, BridgeOptions, BridgeRequest,
        key=f"bridges:{key}" if key else None, wait=wait,
    )  # fmt: skip
