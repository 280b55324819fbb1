"""Requests for a job that works on files: they come along in a form, or lie in storage already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, BinaryIO, Protocol, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from core.bootstrap import Services
from core.files.inputs import SentFile, form_fingerprint
from core.jobs.model import Job
from core.validation import fingerprint
from functions.http.dependencies import require_json
from functions.http.forms import is_multipart, json_body, received_files, received_form, sent_files, validated
from functions.http.schemas import schema_of
from functions.http.submission import submitted

Options = TypeVar("Options", bound=BaseModel, contravariant=True)
Stored = TypeVar("Stored", bound=BaseModel, contravariant=True)


class FileJobs(Protocol[Options, Stored]):
    """Plans the jobs of one kind."""

    def of_file(self, options: Options, file: BinaryIO, filename: str, sha256: str, *, job_id: str) -> Job:
        """The job for a file that came with the request."""
        ...

    def of_stored(self, request: Stored, *, job_id: str) -> Job:
        """The job for a file that is in storage."""
        ...


class NamedFileJobs(Protocol[Options, Stored]):
    """Plans the jobs of one kind, whose files each have a name of their own."""

    def of_files(self, options: Options, files: Mapping[str, SentFile], *, job_id: str) -> Job:
        """The job for files that came with the request."""
        ...

    def of_stored(self, request: Stored, *, job_id: str) -> Job:
        """The job for files that are in storage."""
        ...


def request_body(options: type[BaseModel], stored: type[BaseModel], file: str, **fields: Any) -> dict[str, Any]:
    """Both ways to send a request, for the OpenAPI document: FastAPI knows of one alone.

    ``file`` says what the form's file is; ``fields`` are those whose form in a form is another.
    """
    form = schema_of(options)
    upload = {"type": "string", "format": "binary", "description": file}
    form["properties"] = {"file": upload} | form["properties"] | fields
    form["required"] = ["file", *form.get("required", [])]
    content = {"multipart/form-data": form, "application/json": schema_of(stored)}
    return {"required": True, "content": {name: {"schema": schema} for name, schema in content.items()}}


async def submitted_file_job(
    request: Request, services: Services, jobs: FileJobs[Options, Stored], options: type[Options],
    stored: type[Stored], *, key: str | None, wait: float,
) -> JSONResponse:  # fmt: skip
    """The answer to a form with a file and ``options``, or to a JSON body as ``stored``. As ``submitted`` otherwise."""
    if not is_multipart(request.headers):
        await require_json(request)
        body = validated(stored, await json_body(request))
        return await submitted(
            services, lambda job_id: jobs.of_stored(body, job_id=job_id), key=key, fingerprint=fingerprint(body),
            wait=wait,
        )  # fmt: skip
    async with received_form(request) as (file, fields):
        asked = validated(options, fields)
        sha256 = await run_in_threadpool(file.sha256)
        return await submitted(
            services, lambda job_id: jobs.of_file(asked, file.file, file.filename, sha256, job_id=job_id), key=key,
            fingerprint=f"{fingerprint(asked)}:{sha256}", wait=wait,
        )  # fmt: skip


async def submitted_named_files_job(
    request: Request, services: Services, jobs: NamedFileJobs[Options, Stored], names: Collection[str],
    options: type[Options], stored: type[Stored], *, key: str | None, wait: float,
    nested: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> JSONResponse:  # fmt: skip
    """As ``submitted_file_job``, with files of these ``names``; ``nested`` makes ``options`` of a form's fields."""
    if not is_multipart(request.headers):
        await require_json(request)
        body = validated(stored, await json_body(request))
        return await submitted(
            services, lambda job_id: jobs.of_stored(body, job_id=job_id), key=key, fingerprint=fingerprint(body),
            wait=wait,
        )  # fmt: skip
    async with received_files(request, names) as (files, fields):
        asked = validated(options, nested(fields))
        sent = await run_in_threadpool(sent_files, files)
        return await submitted(
            services, lambda job_id: jobs.of_files(asked, sent, job_id=job_id), key=key,
            fingerprint=form_fingerprint(asked, sent), wait=wait,
        )  # fmt: skip
