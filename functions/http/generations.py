"""``POST /v1/generations``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from core.files.inputs import form_fingerprint
from core.generation.inputs import INPUTS
from core.generation.request import GenerationOptions, GenerationParameters, GenerationRequest
from core.validation import fingerprint
from functions.http.dependencies import ServicesDep, idempotency_key, require_json, wait_seconds
from functions.http.forms import is_multipart, json_body, received_files, sent_files, validated
from functions.http.schemas import schema_of
from functions.http.submission import JOB_ANSWERS, submitted

router = APIRouter(prefix="/v1/generations", tags=["generations"])


def _request_body() -> dict[str, Any]:
    """Both ways to send a request; FastAPI knows of one alone."""
    form = schema_of(GenerationOptions)
    parameters = form["properties"].pop("parameters")["properties"]
    files = {name: {"type": "string", "format": "binary"} for name in INPUTS}
    form["properties"] = files | form["properties"] | parameters
    content = {"application/json": schema_of(GenerationRequest), "multipart/form-data": form}
    return {"required": True, "content": {name: {"schema": schema} for name, schema in content.items()}}


@router.post("", status_code=202, responses=JOB_ANSWERS, openapi_extra={"requestBody": _request_body()})
async def create_generation(
    request: Request,
    services: ServicesDep,
    key: Annotated[str | None, Depends(idempotency_key)],
    wait: Annotated[float, Depends(wait_seconds)],
) -> Any:
    """Generate stems. Answers at once with the job; `Prefer: wait=N` waits for its end.

    `audio_prompt` and `melody` may be files of a form, in which the parameters stand beside the other fields.
    """
    scoped = f"generations:{key}" if key else None
    if is_multipart(request.headers):
        async with received_files(request, INPUTS) as (files, fields):
            options = validated(GenerationOptions, _nested(fields))
            sent = await run_in_threadpool(sent_files, files)
            return await submitted(
                services,
                lambda job_id: services.generations.of_files(options, sent, job_id=job_id),
                key=scoped,
                fingerprint=form_fingerprint(options, sent),
                wait=wait,
            )
    await require_json(request)
    body = validated(GenerationRequest, await json_body(request))
    return await submitted(
        services,
        lambda job_id: services.generations.of_stored(body, job_id=job_id),
        key=scoped,
        fingerprint=fingerprint(body),
        wait=wait,
    )


def _nested(fields: dict[str, Any]) -> dict[str, Any]:
    """A form's fields as JSON has them: the parameters in an object of their own."""
    parameters = {name: value for name, value in fields.items() if name in GenerationParameters.model_fields}
    return {"parameters": parameters} | {name: value for name, value in fields.items() if name not in parameters}
