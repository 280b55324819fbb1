"""Lets one FastAPI app answer for many HTTP functions, streaming included.

The worker hands an HTTP function a request whose body is unread, and sends the response by calling it as an ASGI app.
So the response is a thin one that runs our app on the same scope; chunks of server-sent events pass one by one, which
``azure.functions.AsgiMiddleware`` would collect into one body.
"""

from functools import partial

import fastapi
import starlette.responses
from azurefunctions.extensions.http.fastapi import Request, Response, web
from starlette.types import ASGIApp, Receive, Scope, Send

# The worker's own web app would document itself at /docs, /redoc and /openapi.json, before any function is asked, and
# the host's invocation of our function would then wait for ever. Without a document it leaves the paths to us.
web.FastAPI = partial(fastapi.FastAPI, openapi_url=None)

# What the worker's own router left in the scope; ours would take it for its own.
_OUTER_ROUTING = frozenset({"path_params", "endpoint", "route", "router", "app"})


class AsgiResponse(starlette.responses.Response):
    """A response that another ASGI app writes."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = {key: value for key, value in scope.items() if key not in _OUTER_ROUTING}
        await self._app(inner, receive, send)


__all__ = ["AsgiResponse", "Request", "Response"]
