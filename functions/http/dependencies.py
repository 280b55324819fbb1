"""What the routes share: services, API keys, the content type, waiting.

The dependencies are async because they only look at the request: a plain function would cost a trip to a thread.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import anyio
from fastapi import Depends, Header, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from core.bootstrap import Services
from core.errors import FieldError, InvalidRequest, JobNotFound, Unauthorized
from core.jobs.model import Job

_FIRST_LOOK_SECONDS = 0.1
_LONGEST_LOOK_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60
_OPEN_PATHS = frozenset({"/healthz", "/readyz", "/health", "/api/health", "/docs", "/openapi.json"})
_SIGNED_PATHS = frozenset({"/v1/live/events"})  # whoever calls these proves it otherwise


async def services(request: Request) -> Services:
    """The services of this process."""
    found: Services = request.app.state.services()
    return found


ServicesDep = Annotated[Services, Depends(services)]


_bearer = HTTPBearer(auto_error=False, description="One of the server's API_KEYS, if it has any")


async def require_key(
    request: Request,
    services: ServicesDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    """Refuse a caller without one of the API keys, if there are any; health and documentation are open."""
    keys = services.settings.api_keys
    if not keys or request.url.path in _OPEN_PATHS | _SIGNED_PATHS:
        return
    given = bearer.credentials if bearer else request.headers.get("x-api-key", "")
    if not any(hmac.compare_digest(given.encode(), key.encode()) for key in keys):
        raise Unauthorized


async def require_json(request: Request) -> None:
    """Refuse a body that does not say it is JSON."""
    given = request.headers.get("content-type", "")
    essence = given.partition(";")[0].strip().lower()
    if essence != "application/json" and not re.fullmatch(r"application/.+\+json", essence):
        raise HTTPException(415, f"Content-Type is {given or 'missing'}; it must be application/json")


async def idempotency_key(
    key: Annotated[
        str | None, Header(alias="Idempotency-Key", description="Repeats of a request get the first one's answer")
    ] = None,
) -> str | None:
    """The Idempotency-Key, if it is one."""
    if key is not None and not 1 <= len(key) <= 255:
        raise InvalidRequest([FieldError("Idempotency-Key", "must have 1 to 255 characters", "header")])
    return key


async def wait_seconds(
    prefer: Annotated[
        str | None, Header(description="wait=N answers with the finished job if it ends within N seconds (at most 60)")
    ] = None,
) -> float:
    """How long the client wants to wait for the job's end (RFC 7240)."""
    match = re.search(r"\bwait\s*=\s*\"?(\d{1,6})", prefer or "")
    return float(min(int(match[1]), _LONGEST_WAIT_SECONDS)) if match else 0.0


async def watch(
    read: Callable[[], Job], revision: int = -1, heartbeat_seconds: float = 10.0
) -> AsyncIterator[Job | None]:
    """Yield the job whenever it is newer than ``revision``, until it has ended or is gone.

    ``None`` comes when there was nothing to say for long: the load balancer in front cuts connections that are idle for
    230 s, and proxies are less patient.
    """
    pause = _FIRST_LOOK_SECONDS
    silence = 0.0
    while True:
        try:
            job = await run_in_threadpool(read)
        except JobNotFound:
            return  # deleted meanwhile
        if job.revision > revision:
            revision, pause, silence = job.revision, _FIRST_LOOK_SECONDS, 0.0
            yield job
        if job.status.ended:
            return
        if silence >= heartbeat_seconds:
            silence = 0.0
            yield None
        await anyio.sleep(pause)
        silence += pause
        pause = min(pause * 1.5, _LONGEST_LOOK_SECONDS)


async def ended_within(seconds: float, job: Job, read: Callable[[], Job]) -> Job:
    """The job as soon as it has ended, or as it is after ``seconds``."""
    with anyio.move_on_after(seconds):
        async for newer in watch(read, job.revision):
            job = newer or job
    return job
