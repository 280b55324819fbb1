"""Errors as clients see them: RFC 9457 problem details, each with a stable type and a next step."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from core import errors
from functions.http.forms import is_multipart

log = logging.getLogger(__name__)


class FieldProblem(BaseModel):
    """One field that does not fit: ``pointer`` is a JSON pointer into the body, or a parameter's name."""

    pointer: str
    detail: str
    location: Literal["body", "query", "path", "header"] = Field(alias="in")


class Problem(BaseModel):
    """An error, after RFC 9457."""

    type: str = Field(description="Stable; what a program may look at")
    title: str
    status: int
    detail: str = Field(description="What a person can act on")
    next_step: str
    errors: list[FieldProblem] = Field(default=[], description="The fields that do not fit")


PROBLEM = "application/problem+json"
TYPE_PREFIX = "urn:stemworks:problem:"
_RETRY_AFTER_SECONDS = 5
_MOST_ERRORS = 50  # an answer must not be a hundred times as long as its request

_STATUS: dict[type[errors.StemworksError], int] = {
    errors.InvalidRequest: 422,
    errors.Unauthorized: 401,
    errors.EventNotVerified: 401,
    errors.JobNotFound: 404,
    errors.FileNotFound: 404,
    errors.DeliveryNotFound: 404,
    errors.DeadLetterNotFound: 404,
    errors.SourceNotFound: 404,
    errors.UploadNotFound: 404,
    errors.SoundNotFound: 404,
    errors.BatchNotFound: 404,
    errors.FilesExpired: 410,
    errors.JobConflict: 409,
    errors.JobStateConflict: 409,
    errors.SourceChanged: 409,
    errors.UploadIncomplete: 409,
    errors.IdempotencyInFlight: 409,
    errors.IdempotencyMismatch: 422,
    errors.LicenceRefused: 403,
    errors.NotAudio: 422,
    errors.MislabeledAudio: 422,
    errors.UnsupportedAudio: 422,
    errors.EmptyAudio: 422,
    errors.SilentAudio: 422,
    errors.AudioTooShort: 422,
    errors.NoBeatFound: 422,
    errors.AudioTooLong: 422,
    errors.DamagedAudio: 422,
    errors.StorageUnavailable: 503,
    errors.EngineUnavailable: 503,
    errors.ChannelUnavailable: 503,
    errors.UpgradeRequired: 426,
}


def _problem_schema() -> dict[str, Any]:
    """FastAPI knows models as application/json alone, so this one is written out, in one piece."""
    schema = Problem.model_json_schema()
    schema["properties"]["errors"]["items"] = schema.pop("$defs")["FieldProblem"]
    return schema


_DOCUMENTED = {
    "description": "What went wrong, and what to do about it",
    "content": {PROBLEM: {"schema": _problem_schema()}},
}
RESPONSES: dict[int | str, dict[str, Any]] = {422: _DOCUMENTED, "default": _DOCUMENTED}
"""For the OpenAPI document: every error has this shape."""

_HTTP_PROBLEMS = {
    400: ("malformed-json", "The body is not JSON", "Send one JSON object."),
    404: ("not-found", "There is nothing at this address", "GET /docs lists the addresses there are."),
    405: ("method-not-allowed", "This address does not take this method", "The Allow header names those it takes."),
    413: ("too-large", "The body is too large", "Send a smaller body."),
    416: ("range-not-satisfiable", "The file has no such part", "Ask for a part within the file, or all of it."),
    415: ("unsupported-media-type", "The body's content type does not fit", "Send it as the detail says."),
}

_MALFORMED_FORM = ("malformed-form", "The form cannot be read", "Let a library or curl -F make the form.")

# pydantic's error types whose own words are meant for programmers
_PLAIN_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "model_attributes_type": "must be a JSON object",
}


class NothingMore(Exception):
    """Every event was sent: the answer is 204, which tells an EventSource not to come back."""


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error as problem+json."""
    app.add_exception_handler(errors.StemworksError, _on_stemworks_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, lambda request, error: Response(status_code=400))  # read by nobody
    app.add_exception_handler(NothingMore, lambda request, error: Response(status_code=204))
    app.add_exception_handler(Exception, _on_anything)


def problem(
    status: int, slug: str, title: str, detail: str, next_step: str, *, headers: dict[str, str] | None = None,
    **members: Any,
) -> JSONResponse:  # fmt: skip
    """One problem document."""
    body = {"type": TYPE_PREFIX + slug, "title": title, "status": status, "detail": detail, "next_step": next_step}
    return JSONResponse(body | members, status, headers, media_type=PROBLEM)


async def _on_stemworks_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.StemworksError)
    status = _STATUS.get(type(error), 500)
    headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)} if error.retryable else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 426:
        headers |= {"Upgrade": "websocket", "Connection": "Upgrade"}
    if status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error)
    members = {"errors": [_field(e) for e in error.errors]} if isinstance(error, errors.InvalidRequest) else {}
    return problem(status, error.type, error.title, error.detail, error.next_step, headers=headers, **members)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if malformed := [entry for entry in found if entry["type"] == "json_invalid"]:
        place = malformed[0]["loc"][-1]
        detail = f"the body is not JSON: {malformed[0]['ctx']['error']} at character {place}"
        return problem(400, "malformed-json", "The body is not JSON", detail, "Send one JSON object.")
    fields = [_field_error(entry["loc"], entry) for entry in found[:_MOST_ERRORS]]
    if len(found) > _MOST_ERRORS:
        fields.append(errors.FieldError("", f"and {len(found) - _MOST_ERRORS} more do not fit"))
    invalid = errors.InvalidRequest(fields)
    return await _on_stemworks_error(request, invalid)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    default = ("http-error", str(error.detail), "Look at the detail.")
    slug, title, next_step = _HTTP_PROBLEMS.get(error.status_code, default)
    if error.status_code == 400 and is_multipart(request.headers):
        slug, title, next_step = _MALFORMED_FORM
    headers = dict(error.headers or {})
    return problem(error.status_code, slug, title, str(error.detail), next_step, headers=headers)


async def _on_anything(request: Request, error: Exception) -> JSONResponse:
    unknown = errors.StemworksError("the server failed in a way that was not foreseen")
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, unknown.type, "Something went wrong", unknown.detail, unknown.next_step)


def _field(error: errors.FieldError) -> dict[str, str]:
    return {"pointer": error.pointer, "detail": error.detail, "in": error.location}


def _field_error(location: Sequence[str | int], entry: Any) -> errors.FieldError:
    source, *path = location
    pointer = "".join(f"/{_escaped(str(part))}" for part in path)
    if source != "body":
        pointer = pointer.removeprefix("/")
    detail = _PLAIN_WORDS.get(entry["type"], entry["msg"].removeprefix("Value error, "))
    return errors.FieldError(pointer, detail, str(source))


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
