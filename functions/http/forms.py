"""Multipart forms: files, and fields that become a request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, Headers, UploadFile

from core.errors import FieldError, InvalidRequest
from core.files.inputs import SentFile

M = TypeVar("M", bound=BaseModel)

_MOST_FIELDS = 50
_PIECE_BYTES = 2**20


@dataclass(frozen=True)
class ReceivedFile:
    """A file that came with a request: in memory while it is small, in a temporary file beyond that."""

    file: BinaryIO
    filename: str
    size_bytes: int

    def sha256(self) -> str:
        """Of its content, in hexadecimal."""
        digest = hashlib.sha256()
        self.file.seek(0)
        while piece := self.file.read(_PIECE_BYTES):
            digest.update(piece)
        return digest.hexdigest()


def sent_files(files: Mapping[str, ReceivedFile]) -> dict[str, SentFile]:
    """The files as services take them; each is read once, for its checksum."""
    return {name: SentFile(file.file, file.filename, file.sha256()) for name, file in files.items()}


def is_multipart(headers: Headers) -> bool:
    """Whether the body says that it is a form with files."""
    return headers.get("content-type", "").lower().startswith("multipart/form-data")


@asynccontextmanager
async def received_files(
    request: Request, names: Collection[str]
) -> AsyncIterator[tuple[dict[str, ReceivedFile], dict[str, Any]]]:
    """The form's files of these ``names``, as far as they came, and its other fields; gone after the block.

    Raises ``InvalidRequest`` for one that came as text, ``HTTPException`` for a body that is no form or no multipart at
    all.
    """
    if not is_multipart(request.headers):
        given = request.headers.get("content-type") or "missing"
        raise HTTPException(415, f"Content-Type is {given}; send a multipart form, as curl -F file=@song.mp3 does")
    async with request.form(max_files=len(names), max_fields=_MOST_FIELDS) as form:
        yield {name: _file(form, name) for name in names if _was_sent(form, name)}, _fields(form, names)


@asynccontextmanager
async def received_form(request: Request) -> AsyncIterator[tuple[ReceivedFile, dict[str, Any]]]:
    """The form's ``file`` and its other fields. Raises as ``received_files``, and ``InvalidRequest`` without a file."""
    async with received_files(request, ("file",)) as (files, fields):
        if "file" not in files:
            raise InvalidRequest([FieldError("/file", "is required: the song, as a file")])
        yield files["file"], fields


async def json_body(request: Request) -> Any:
    """The body's JSON. Raises ``RequestValidationError``."""
    body = await request.body()
    if not body:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "no body"}])
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # no JSON, no text, too many digits, too deep
        place = getattr(error, "pos", 0)
        entry = {"type": "json_invalid", "loc": ("body", place), "msg": "not JSON", "ctx": {"error": str(error)}}
        raise RequestValidationError([entry]) from None


def validated(kind: type[M], fields: Any) -> M:
    """The request that ``fields`` make. Raises ``RequestValidationError`` with pointers to them."""
    try:
        return kind.model_validate(fields, from_attributes=True)  # as FastAPI does, which has a word for no object
    except ValidationError as error:
        entries = [entry | {"loc": ("body", *entry["loc"])} for entry in error.errors()]
        raise RequestValidationError(entries) from None


def _was_sent(form: FormData, name: str) -> bool:
    """Whether the form has it; of a file that nobody chose, a browser sends a part without a name or content."""
    return any(not isinstance(part, UploadFile) or part.filename or part.size for part in form.getlist(name))


def _file(form: FormData, name: str) -> ReceivedFile:
    file, *others = form.getlist(name)
    if others:
        raise InvalidRequest([FieldError(f"/{name}", "comes more than once")])
    if not isinstance(file, UploadFile):
        detail = f"it came as text: curl sends a file with {name}=@song.mp3"
        raise InvalidRequest([FieldError(f"/{name}", f"is required: {detail}" if name == "file" else detail)])
    return ReceivedFile(file.file, file.filename or "", file.size or 0)


def _fields(form: FormData, files: Collection[str]) -> dict[str, Any]:
    """The fields by name; one that comes several times is a list."""
    fields: dict[str, Any] = {}
    for name in form:
        values = form.getlist(name)
        if name not in files:
            fields[name] = values[0] if len(values) == 1 else values
    return fields
