"""The FastAPI app behind every HTTP function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline
from starlette.datastructures import Headers
from starlette.types import Scope

from core import __version__
from core.bootstrap import Services
from core.settings import Settings
from functions.http import (
    accompaniments,
    analyses,
    bridges,
    effects,
    errors,
    generations,
    jobs,
    live,
    metrics,
    questions,
    separations,
    sounds,
    system,
    tabs,
    theory,
    uploads,
    web_pubsub,
    webhooks,
)
from functions.http import dead_letters as dead_letters_routes
from functions.http.body_limit import BodyLimit
from functions.http.dependencies import require_key
from functions.http.forms import is_multipart
from functions.http.seeds import bridge as seed_bridge
from functions.http.seeds import generation as seed_generation
from functions.http.seeds import instructions as seed_instructions
from functions.http.seeds import separation as seed_separation

_DESCRIPTION = """
Generates music, and separates songs into stems, as jobs. A request is answered at once with **202** and the job; the
job's events and its callback tell how it goes; its outputs are files with signed, short-lived links.

Every error is an RFC 9457 problem with a stable `type`, a `detail`, a `next_step`, and for fields that do not fit
`errors: [{pointer, detail}]`.
"""


_ROUTERS = (
    generations, separations, sounds, effects, analyses, accompaniments, bridges, theory, tabs, live, web_pubsub,
    uploads, jobs, questions, dead_letters_routes, webhooks, system, metrics, seed_generation, seed_separation,
    seed_instructions, seed_bridge,
)  # fmt: skip
_TAKE_FILES = frozenset(
    {
        "/v1/generations", "/v1/separations", "/v1/effects", "/v1/analyses", "/v1/accompaniments", "/v1/bridges",
        "/api/jobs", "/api/generate",
    }
)  # fmt: skip


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
    app.add_middleware(BodyLimit, max_bytes=partial(_most_bytes, settings))
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After"],
        )
    errors.install(app)
    for module in _ROUTERS:
        app.include_router(module.router)
    return app


def _most_bytes(settings: Settings, scope: Scope) -> int:
    has_file = scope["path"] in _TAKE_FILES and is_multipart(Headers(scope=scope))
    return settings.max_file_bytes if has_file else settings.max_body_bytes
