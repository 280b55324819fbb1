"""Where WebSocket clients are told to connect, and what Azure Web PubSub calls when they send something."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from core.validation import Identifier
from core.web_pubsub.announcer import job_group
from core.web_pubsub.event import Event
from functions.http.dependencies import ServicesDep

router = APIRouter(prefix="/v1/live", tags=["live"])

_MINUTES = 60
_SUBPROTOCOL = "json.webpubsub.azure.v1"

_threads = anyio.CapacityLimiter(8)
"""Of their own: while storage hangs, the events of many clients would hold all that other requests wait for."""

JobIds = Annotated[list[Identifier], Query(max_length=16, description="Jobs whose progress is wanted, also to come")]


class Negotiated(BaseModel):
    """Where to open a WebSocket."""

    url: str = Field(description="Holds a token of its own: whoever has the address may connect")
    hub: str
    groups: list[str] = Field(description="What the client hears without asking: job-{job_id}, for each job")
    expires_at: datetime = Field(description="Until when a connection can be opened; one that is open stays open")
    subprotocol: str = Field(description="What to ask for when opening it; without one, messages come bare")


@router.get("/negotiate", operation_id="negotiate")
@router.post("/negotiate", include_in_schema=False)
def negotiate(services: ServicesDep, job_id: JobIds = []) -> Negotiated:  # noqa: B006 - FastAPI copies it
    """An address for live chords and for the progress of jobs, where the host itself carries no WebSockets.

    Audio is sent as the event `message`, with the JSON that `/ws` takes; answers and progress come as JSON messages.
    """
    groups = [job_group(one) for one in dict.fromkeys(job_id)]
    expires_at = services.clock() + timedelta(minutes=_MINUTES)
    url = services.channel.client_url(groups, user_id=services.new_id(), minutes=_MINUTES)
    return Negotiated(url=url, hub=services.channel.hub, groups=groups, expires_at=expires_at, subprotocol=_SUBPROTOCOL)


@router.options("/events", include_in_schema=False)
async def greet(request: Request, services: ServicesDep) -> Response:
    """CloudEvents' abuse protection: the service asks whether its events are welcome before it sends any."""
    asked = request.headers.get("webhook-request-origin", "")
    if not services.live_events.allows(asked):
        return Response(status_code=403)
    return Response(headers={"WebHook-Allowed-Origin": services.live_events.origin})


@router.post("/events", include_in_schema=False)
async def receive_event(request: Request, services: ServicesDep) -> Response:
    """One event of a client; the answer's body is handed on to it."""
    event = Event.of(request.headers, await request.body())
    answer = await anyio.to_thread.run_sync(services.live_events.handle, event, limiter=_threads)
    if answer is None:
        return Response(status_code=204)
    # To a client without a subprotocol the service hands on text and bytes alone.
    return JSONResponse(answer, media_type="application/json" if event.subprotocol else "text/plain")
