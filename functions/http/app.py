"""The FastAPI app behind every HTTP function."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from core import __version__
from core.bootstrap import Services
from functions.http import dead_letters as dead_letters_routes
from functions.http import errors, generations, jobs, system, webhooks
from functions.http.body_limit import BodyLimit
from functions.http.dependencies import require_key
from functions.http.seeds import generation as seed_generation

_DESCRIPTION = """
Generates music, as jobs. A request is answered at once with **202** and the job; the job's events and
its callback tell how it goes; its outputs are files with signed, short-lived links.

Every error is an RFC 9457 problem with a stable `type`, a `detail`, a `next_step`, and for fields that do not fit
`errors: [{pointer, detail}]`.
"""


def create_app(services: Callable[[], Services]) -> FastAPI:
    """The app over ``services``."""
    settings = services().settings
    app = FastAPIOffline(  # serves the documentation's scripts itself: it works without the internet, and tells nobody
        docs_url="/docs",
        static_url="/docs/assets",
        title="Stemworks",
        version=__version__,
        description=_DESCRIPTION,
        dependencies=[Depends(require_key)],
        redoc_url=None,
        responses=errors.RESPONSES,
    )
    app.state.services = services
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After"],
        )
    errors.install(app)
    for module in (generations, jobs, dead_letters_routes, webhooks, system, seed_generation):
        app.include_router(module.router)
    return app
