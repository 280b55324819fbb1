"""Questions about jobs: ``/v1/jobs/{job_id}/ask``, and ``/api/chat`` as the clients of a chatbot know it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.concurrency import run_in_threadpool

from core.bootstrap import Services
from core.questions.view import JobAnswer
from functions.http.dependencies import ServicesDep, require_json
from functions.http.forms import json_body
from functions.http.schemas import schema_of

router = APIRouter(tags=["questions"])

QuestionText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class JobQuestion(BaseModel):
    """A question about a job."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"question": "What went wrong?"}]})

    question: QuestionText = Field(description="In plain English")
    assistant: bool = Field(
        True,
        description="Let the server's assistant choose among the job's facts, if it has one; false keeps them here",
    )


class ChatQuestion(BaseModel):
    """The body, the form or the query of ``POST /api/chat``."""

    model_config = ConfigDict(extra="ignore")

    job_id: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    question: QuestionText
    assistant: bool = True


@router.post("/v1/jobs/{job_id}/ask", dependencies=[Depends(require_json)])
def ask_job(job_id: str, body: JobQuestion, services: ServicesDep) -> JobAnswer:
    """Ask how it was made, what was found in each track, which parameters were used, what to change, what went wrong.

    The answer is made of facts of the job's record alone, and names the fields that hold them; where none does, it says
    so. Where the server has an assistant, that chooses among these facts, and writes nothing itself.
    """
    return _answer(services, job_id, body.question, body.assistant)


_FIELDS = schema_of(ChatQuestion)
_CONTENT = {kind: {"schema": _FIELDS} for kind in ("application/json", "application/x-www-form-urlencoded")}
_IN_QUERY = [
    {"name": name, "in": "query", "schema": schema, "description": "In place of a body"}
    for name, schema in _FIELDS["properties"].items()
]


@router.post("/api/chat", openapi_extra={"requestBody": {"content": _CONTENT}, "parameters": _IN_QUERY})
async def chat(request: Request, services: ServicesDep) -> JobAnswer:
    """The same, with the job's id beside the question: as JSON, as a form, or in the query."""
    asked = await _chat_question(request)
    return await run_in_threadpool(_answer, services, asked.job_id, asked.question, asked.assistant)


def _answer(services: Services, job_id: str, question: str, assistant: bool) -> JobAnswer:
    job = services.jobs.get(job_id)
    position = services.jobs.position(job)
    return services.questions.ask(job, question, use_assistant=assistant, queue_position=position)


async def _chat_question(request: Request) -> ChatQuestion:
    place, fields = await _sent(request)
    try:
        return ChatQuestion.model_validate(fields, from_attributes=True)
    except ValidationError as error:
        raise RequestValidationError([entry | {"loc": (place, *entry["loc"])} for entry in error.errors()]) from None


async def _sent(request: Request) -> tuple[str, Any]:
    """Where the fields came, and what they are."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        async with request.form(max_files=0, max_fields=10) as form:
            return "body", dict(form)
    if await request.body():
        return "body", await json_body(request)
    return "query", dict(request.query_params)
