"""``GET /metrics``: what Prometheus scrapes."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from functions.http.dependencies import ServicesDep

router = APIRouter(tags=["system"])

_TEXT = {"schema": {"type": "string"}}
_FORMATS = {"description": "The metrics", "content": {"text/plain": _TEXT, "application/openmetrics-text": _TEXT}}


@router.get("/metrics", response_class=Response, responses={200: _FORMATS})
def metrics(request: Request, services: ServicesDep) -> Response:
    """What all processes counted, and what waits and is loaded now, for Prometheus.

    In OpenMetrics if `Accept` names it. 503 if storage does not answer.
    """
    from core.metrics.exposition import expose  # its library is not worth its time where nobody scrapes

    content, content_type = expose(services.metrics.read(), request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": content_type})
