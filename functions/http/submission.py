"""How every request for a job is answered: 202 with the job, the stored answer of its key, or the job that ended."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from core.bootstrap import Services
from core.jobs.idempotency import StoredAnswer
from core.jobs.model import Job
from core.jobs.view import JobView, job_path, job_view
from functions.http.dependencies import ended_within

JOB_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"model": JobView},
    200: {"model": JobView, "description": "With Prefer: wait, a job that ended"},
}
"""For the OpenAPI document."""

_RETRY_AFTER_SECONDS = 1

View = Callable[[Job], dict[str, Any]]


async def submitted(
    services: Services, plan: Callable[[str], Job], *, key: str | None, fingerprint: str, wait: float,
    view: View = job_view, path: Callable[[str], str] = job_path,
) -> JSONResponse:  # fmt: skip
    """The answer to a request whose job ``plan(job_id)`` makes.

    ``key`` is its Idempotency-Key with the name of the resource before it, ``fingerprint`` what the key stands for, and
    ``wait`` how many seconds to wait for the job's end. The answer shows the job as ``view`` does, and its address is
    ``path`` of its id.
    """
    shown = partial(_answer, view, path)
    answer = await run_in_threadpool(_submit, services, plan, key, fingerprint, shown)
    if wait and answer.status == 202:
        read = partial(services.jobs.get, answer.body["job_id"])
        job = await ended_within(wait, await run_in_threadpool(read), read)
        answer = await run_in_threadpool(shown, job)
    return JSONResponse(answer.body, answer.status, answer.headers)


def _submit(
    services: Services, plan: Callable[[str], Job], key: str | None, fingerprint: str,
    shown: Callable[[Job], StoredAnswer],
) -> StoredAnswer:  # fmt: skip
    def make(job_id: str) -> StoredAnswer:
        return shown(services.jobs.submit(plan(job_id)))

    if key is None:
        return make(services.new_id())
    return services.idempotency.answer(key, fingerprint, make)


def _answer(view: View, path: Callable[[str], str], job: Job) -> StoredAnswer:
    headers = {"Location": path(job.job_id)}
    if job.status.ended:
        return StoredAnswer(status=200, headers=headers, body=view(job))
    return StoredAnswer(status=202, headers=headers | {"Retry-After": str(_RETRY_AFTER_SECONDS)}, body=view(job))
