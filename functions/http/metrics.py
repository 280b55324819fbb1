"""``GET /metrics``: what Prometheus scrapes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import PlainTextResponse

from functions.http.dependencies import ServicesDep

router = APIRouter(tags=["system"])


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(services: ServicesDep, accept: Annotated[str, Header()] = "") -> Response:
    """Counts of all processes, and what waits and is loaded now: Prometheus text, or OpenMetrics if `Accept` names it.

    503 if storage does not answer.
    """
    from core.metrics.exposition import expose  # its library is not worth its time where nobody scrapes

    content, content_type = expose(services.metrics.read(), accept)
    return Response(content, headers={"Content-Type": content_type})
