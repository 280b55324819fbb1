"""The HTTP functions: one for each resource, so that Azure shows, disables and meters them apart.

All of them hand their request to the same FastAPI app. The host takes the first function in the order of their names
whose route matches, so routes never overlap.
"""

from functools import cache

import azure.functions as func
from starlette.types import ASGIApp

from functions.http.asgi import AsgiResponse, Request, Response

ROUTES = {
    "accompaniments_api": "v1/accompaniments",
    "analyses_api": "v1/analyses",
    "bridges_api": "v1/bridges",
    "dead_letters_api": "v1/dead-letters/{*rest}",
    "docs": "docs/{*rest}",
    "effects_api": "v1/effects",
    "engines_api": "v1/engines",
    "generations_api": "v1/generations",
    "healthz": "healthz",
    "jobs_api": "v1/jobs/{*rest}",
    "live_api": "v1/live/{*rest}",
    "live_chords": "ws",
    "metrics": "metrics",
    "openapi": "openapi.json",
    "readyz": "readyz",
    "seed_bridge_cleanup": "api/cleanup/{*rest}",
    "seed_bridge_download": "api/download/{*rest}",
    "seed_bridge_generate": "api/generate",
    "seed_bridge_status": "api/status/{*rest}",
    "seed_chat": "api/chat",
    "seed_generate": "generate",
    "seed_health": "health",
    "seed_instructions": "instructions",
    "seed_separation_health": "api/health",
    "seed_separation_jobs": "api/jobs/{*rest}",
    "separations_api": "v1/separations",
    "sounds_api": "v1/sounds/{*rest}",
    "seed_tabs": "tabs",
    "theory_api": "v1/theory/{*rest}",
    "uploads_api": "v1/uploads/{*rest}",
    "webhooks_api": "v1/webhooks/{*rest}",
}
"""Function name → route."""

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

blueprint = func.Blueprint()


@cache
def application() -> ASGIApp:
    """The FastAPI app, made at the first request."""
    from core.bootstrap import bootstrap
    from functions.http.app import create_app

    return create_app(bootstrap)


async def answer(req: Request) -> Response:
    """Let the FastAPI app answer."""
    return AsgiResponse(application())


def _register(name: str, route: str) -> None:
    async def function(req: Request) -> Response:
        return await answer(req)

    function.__name__ = name
    blueprint.route(route=route, methods=METHODS)(function)


for _name, _route in ROUTES.items():
    _register(_name, _route)
