"""The host's admin API: its state, its functions, and running one of them by hand."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.blob_trigger import manual_blob_argument
from local.functions import FunctionFailed, Invoker, LoadedFunction
from local.queue_trigger import manual_queue_argument
from local.settings import HostSettings
from local.storage import Storage
from local.timer_trigger import timer_argument


class Admin:
    """`/admin/…`: as the real host's, without its master key."""

    def __init__(
        self, functions: list[LoadedFunction], settings: HostSettings, storage: Storage, invoker: Invoker
    ) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._settings = settings
        self._storage = storage
        self._invoker = invoker
        self._started = time.monotonic()
        self.manual_runs: set[asyncio.Task[bool]] = set()
        self.app = Starlette(
            routes=[
                Route("/admin/host/status", self.status),
                Route("/admin/functions", self.list),
                Route("/admin/functions/{name}", self.run, methods=["POST"]),
            ]
        )

    async def status(self, request: Request) -> Response:
        uptime_ms = int((time.monotonic() - self._started) * 1000)
        return JSONResponse(
            {"id": self._settings.host_id, "state": "Running", "version": "local", "processUptime": uptime_ms}
        )

    async def list(self, request: Request) -> Response:
        return JSONResponse([self._describe(function) for function in self._functions.values()])

    async def run(self, request: Request) -> Response:
        """202 at once; with `?wait=true`, which the real host lacks, 200 or 500 once the function has ended."""
        function = self._functions.get(request.path_params["name"].lower())
        if function is None:
            return JSONResponse({"error": "no such function"}, 404)
        if function.trigger_type == "httpTrigger":
            return JSONResponse({"error": "call an HTTP function by its route"}, 400)
        body = await request.json() if await request.body() else {}
        try:
            argument = await self._argument(function, str(body.get("input") or ""))
        except ResourceNotFoundError:
            return JSONResponse({"error": "no such blob: `input` is container/name"}, 400)
        task = asyncio.create_task(self._succeeds(function, argument))
        self.manual_runs.add(task)
        task.add_done_callback(self.manual_runs.discard)
        if request.query_params.get("wait") != "true":
            return Response(status_code=202)
        return Response(status_code=200 if await task else 500)

    async def _argument(self, function: LoadedFunction, text: str) -> Callable[[], Any]:
        if function.trigger_type == "queueTrigger":
            return lambda: manual_queue_argument(function, text)
        if function.trigger_type == "timerTrigger":
            return lambda: timer_argument(past_due=False, status={})
        argument = await manual_blob_argument(function, self._storage, text)
        return lambda: argument

    async def _succeeds(self, function: LoadedFunction, argument: Callable[[], Any]) -> bool:
        try:
            await self._invoker.invoke(function, argument)
        except FunctionFailed:
            return False
        return True

    def _describe(self, function: LoadedFunction) -> dict[str, Any]:
        binding = {key: value for key, value in function.binding.items() if value is not None}
        return {
            "name": function.name,
            "language": "python",
            "isDisabled": function.is_disabled,
            "config": {"bindings": [{key: jsonable(value) for key, value in binding.items()}]},
        }


def jsonable(value: Any) -> Any:
    if isinstance(value, list | tuple | set):
        return [jsonable(item) for item in value]
    return value if isinstance(value, str | int | float | bool) else str(value)
