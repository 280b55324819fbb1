"""HTTP functions over ASGI: routes in the order of function names, bodies streamed both ways."""

import logging
import re
from dataclasses import dataclass
from typing import Self

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from local.functions import FunctionFailed, IndexingError, Invoker, LoadedFunction
from local.settings import HostSettings

MAX_BODY_BYTES = 104_857_600
PARAMETER = re.compile(r"\{(?P<star>\*{0,2})(?P<name>\w+)(?P<optional>\?)?\}")
logger = logging.getLogger("local.http")


class BodyTooLarge(HTTPException):
    """The request body is over the limit; a web framework inside the function answers it with 413 as well."""

    def __init__(self) -> None:
        super().__init__(413)


@dataclass(frozen=True)
class Route:
    """One function's path and methods."""

    function: LoadedFunction
    pattern: re.Pattern[str]
    methods: frozenset[str]

    @classmethod
    def of(cls, function: LoadedFunction, prefix: str) -> Self:
        methods = frozenset(str(method) for method in function.binding.get("methods") or ())
        path = "/".join(part.strip("/") for part in (prefix, str(function.binding["route"])) if part.strip("/"))
        return cls(function, compile_route(path, function.name), methods)

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The path's parameters, or None when this route is not meant."""
        found = self.pattern.fullmatch(path.strip("/"))
        if found is None or (self.methods and method not in self.methods):
            return None
        return {name: value for name, value in found.groupdict().items() if value is not None}


def compile_route(template: str, function: str) -> re.Pattern[str]:
    """`v1/jobs/{job_id}` or `v1/{*rest}` as a pattern; raises IndexingError for constraints and defaults."""
    pattern = ""
    for number, segment in enumerate(part for part in template.split("/") if part):
        slash = "/" if number else ""
        match = PARAMETER.fullmatch(segment)
        if match is None and ("{" in segment or "}" in segment):
            raise IndexingError(f"function {function}: the local host cannot match the route segment {segment!r}")
        if match is None:
            pattern += slash + re.escape(segment)
        elif match["star"]:
            pattern += f"(?:{slash}(?P<{match['name']}>.*))?"
        else:
            pattern += f"(?:{slash}(?P<{match['name']}>[^/]+))" + (match["optional"] or "")
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


class HttpFunctions:
    """An ASGI application: the first route that matches answers, everything else is 404."""

    def __init__(
        self, functions: list[LoadedFunction], settings: HostSettings, invoker: Invoker, max_body: int = MAX_BODY_BYTES
    ) -> None:
        prefix = str(settings.option("extensions.http.routePrefix", "api"))
        wanted = [f for f in functions if f.trigger_type == "httpTrigger" and not f.is_disabled]
        self.routes = [Route.of(function, prefix) for function in sorted(wanted, key=lambda f: f.name.lower())]
        self._invoker = invoker
        self._max_body_bytes = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for route in self.routes:
            parameters = route.match(scope.get("method", "GET"), scope["path"])  # a WebSocket is opened by a GET
            if parameters is not None:
                answer = self._answer if scope["type"] == "http" else self._upgrade
                await answer(route.function, {**scope, "path_params": parameters}, receive, send)
                return
        await Response(status_code=404)(scope, receive, send)

    async def _answer(self, function: LoadedFunction, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def watched_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        request = Request(scope, limited(receive, self._max_body_bytes), watched_send)
        try:
            if int(request.headers.get("content-length", 0)) > self._max_body_bytes:
                raise BodyTooLarge
            response = await self._invoker.invoke(function, lambda: request)
            await response(scope, request.receive, watched_send)
        except (BodyTooLarge, FunctionFailed) as error:
            too_large = isinstance(error, BodyTooLarge) or isinstance(error.__cause__, BodyTooLarge)
            await Response(status_code=413 if too_large else 500)(scope, receive, send)
        except Exception:
            if has_started:
                raise  # the server logs it and cuts the connection: the client must not take this for an end
            logger.exception("%s failed while answering", function.name)
            await Response(status_code=500)(scope, receive, send)

    async def _upgrade(self, function: LoadedFunction, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the function see the GET that asks for the WebSocket, and its response carry the WebSocket on.

        The host of Azure does not do this. A response that is no ASGI app for WebSockets refuses the upgrade.
        """
        request = Request({**scope, "type": "http", "method": "GET"}, no_body)
        try:
            response = await self._invoker.invoke(function, lambda: request)
        except FunctionFailed:
            response = Response(status_code=500)
        await response(scope, receive, send)


async def no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def limited(receive: Receive, max_bytes: int) -> Receive:
    """`receive`, raising BodyTooLarge once more than `max_bytes` of body have come."""
    received = 0

    async def counting() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise BodyTooLarge
        return message

    return counting
