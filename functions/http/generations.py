"""``POST /v1/generations``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from core.generation.inputs import INPUTS
from core.generation.request import GenerationOptions, GenerationParameters, GenerationRequest
from functions.http.dependencies import ServicesDep, idempotency_key, wait_seconds
from functions.http.file_jobs import submitted_named_files_job
from functions.http.schemas import schema_of
from functions.http.submission import JOB_ANSWERS

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
    return await submitted_named_files_job(
        request, services, services.generations, INPUTS, GenerationOptions, GenerationRequest,
        key=f"generations:{key}" if key else None, wait=wait, nested=_nested,
    )  # fmt: skip


def _nested(fields: dict[str, Any]) -> dict[str, Any]:
    """A form's fields as JSON has them: the parameters in an object of their own."""
    parameters = {name: value for name, value in fields.items() if name in GenerationParameters.model_fields}
    return {"parameters": parameters} | {name: value for name, value in fields.items() if name not in parameters}
