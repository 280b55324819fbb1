"""``POST /v1/bridges``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from core.bridge.request import TRACKS, BridgeOptions, BridgeRequest
from core.files.inputs import form_fingerprint
from core.validation import fingerprint
from functions.http.dependencies import ServicesDep, idempotency_key, require_json, wait_seconds
from functions.http.forms import is_multipart, json_body, received_files, sent_files, validated
from functions.http.schemas import schema_of
from functions.http.submission import JOB_ANSWERS, submitted

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
    scoped = f"bridges:{key}" if key else None
    if is_multipart(request.headers):
        async with received_files(request, TRACKS) as (files, fields):
            options = validated(BridgeOptions, fields)
            sent = await run_in_threadpool(sent_files, files)
            return await submitted(
                services,
                lambda job_id: services.bridges.of_files(options, sent, job_id=job_id),
                key=scoped,
                fingerprint=form_fingerprint(options, sent),
                wait=wait,
            )
    await require_json(request)
    body = validated(BridgeRequest, await json_body(request))
    return await submitted(
        services,
        lambda job_id: services.bridges.of_stored(body, job_id=job_id),
        key=scoped,
        fingerprint=fingerprint(body),
        wait=wait,
    )
