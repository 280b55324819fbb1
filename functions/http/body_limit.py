"""Refuses bodies that are too large while they arrive, with a problem document like every other error."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware: reading more than ``max_bytes(scope)`` of a body, announced or not, is 413."""

    def __init__(self, app: ASGIApp, max_bytes: Callable[[Scope], int]) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        most = self._max_bytes(scope)
        received = 0

        async def limited() -> Message:
            nonlocal received
            _check(int(announced) if announced.isdecimal() else 0, most)
            message = await receive()
            received += len(message.get("body", b""))
            _check(received, most)
            return message

        await self._app(scope, limited, send)


def _check(size: int, most: int) -> None:
    if size > most:
        raise HTTPException(413, f"the body has more than the {most} bytes that are allowed")
