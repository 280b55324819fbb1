"""The host: loads one app, listens for its triggers, and drains when told to stop."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from local.admin import Admin
from local.blob_trigger import SCAN_SECONDS, BlobListener
from local.functions import Invoker, LoadedFunction, load_functions
from local.http import HttpFunctions
from local.queue_trigger import QueueOptions, queue_listener
from local.settings import HostSettings, load_settings
from local.storage import Storage
from local.timer_trigger import TimerListener
from local.web_pubsub import WebPubSub
from local.web_pubsub_tokens import EmulatorAddress
from local.web_sockets import OpenSockets

logger = logging.getLogger("local.host")

STREAM_GRACE_SECONDS = 3.0
"""How long open connections may hold up the end: a stream of events could stay for ever, and its client comes back."""

MAX_WEB_SOCKET_BYTES = 1_048_576
"""The largest message, as Azure Web PubSub has it."""

PING_SECONDS = 20.0
"""How often a WebSocket's client is asked whether it is still there, and how long it may take to say so."""


class Listener(Protocol):
    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping`; returns once nothing is in hand."""


class Server(uvicorn.Server):
    """uvicorn, telling when it listens and leaving the signals to the host."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_ready()


class Host:
    """One app on one port."""

    def __init__(
        self,
        settings: HostSettings,
        functions: list[LoadedFunction],
        grace_seconds: float,
        web_pubsub: WebPubSub | None = None,
    ) -> None:
        self._grace_seconds = grace_seconds
        self._web_pubsub = web_pubsub
        self._open_sockets = OpenSockets()
        self._storage = Storage(settings.connection_string())
        self._invoker = Invoker(settings.app_dir)
        self._http = HttpFunctions(functions, settings, self._invoker)
        self._admin = Admin(functions, settings, self._storage, self._invoker)
        self._listeners = [self._listener(f, settings) for f in functions if is_listened_for(f)]
        self._stopping = asyncio.Event()
        for function in functions:
            logger.info("%s: %s%s", function.name, function.trigger_type, " (off)" if function.is_disabled else "")

    async def serve(self, listening: socket.socket) -> None:
        """Run until SIGINT or SIGTERM, and to the end of the grace period at most."""
        server = Server(self._server_config(), lambda: print_ready(listening))
        self._handle_signals()
        web = asyncio.create_task(server.serve(sockets=[listening]), name="http")
        tasks = [web, *(asyncio.create_task(listener.run(self._stopping)) for listener in self._listeners)]
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        self._stopping.set()
        await self._open_sockets.close_all()
        server.handle_exit(signal.SIGTERM, None)
        _, unfinished = await asyncio.wait(tasks, timeout=self._grace_seconds)
        await self._drain_manual_runs()
        for task in set(tasks) - unfinished:
            task.result()
        if unfinished or self._invoker.running:
            logger.warning("gave up after %s s on: %s", self._grace_seconds, ", ".join(self._invoker.running) or "http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        application = self._application(scope["path"])
        if scope["type"] == "websocket":
            await self._open_sockets.serve(application, scope, receive, send)
        elif scope["type"] == "http":
            await application(scope, receive, send)

    def _application(self, path: str) -> ASGIApp:
        if path.lower().startswith("/admin/"):
            return self._admin.app
        if self._web_pubsub is not None and self._web_pubsub.serves(path):
            return self._web_pubsub
        return self._http

    async def _drain_manual_runs(self) -> None:
        if self._admin.manual_runs:
            await asyncio.wait(self._admin.manual_runs, timeout=self._grace_seconds)

    def _listener(self, function: LoadedFunction, settings: HostSettings) -> Listener:
        if function.trigger_type == "queueTrigger":
            options = QueueOptions.from_settings(settings)
            return queue_listener(function, settings, self._storage, self._invoker, options)
        if function.trigger_type == "blobTrigger":
            scan_seconds = float(settings.values.get("LOCAL_BLOB_SCAN_SECONDS", SCAN_SECONDS))
            return BlobListener(function, settings, self._storage, self._invoker, scan_seconds)
        return TimerListener(function, settings, self._storage, self._invoker)

    def _server_config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws_max_size=MAX_WEB_SOCKET_BYTES,
            ws_per_message_deflate=False,  # a read of a few KiB could unpack into hundreds of messages
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
            timeout_graceful_shutdown=max(1, int(min(self._grace_seconds, STREAM_GRACE_SECONDS))),
        )

    def _handle_signals(self) -> None:
        def stop(number: int) -> None:
            if self._stopping.is_set():
                os._exit(130)  # the second Ctrl-C
            logger.info("draining: waiting up to %s s for %s", self._grace_seconds, self._invoker.running or "nothing")
            self._stopping.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)


def is_listened_for(function: LoadedFunction) -> bool:
    return not function.is_disabled and function.trigger_type != "httpTrigger"


def print_ready(listening: socket.socket) -> None:
    print("listening on http://{}:{}".format(*listening.getsockname()[:2]), flush=True)


def run_host(app_dir: Path, port: int, grace_seconds: float, until_stdin_ends: bool = False) -> None:
    """Serve the app in `app_dir` on 127.0.0.1; port 0 takes a free one. Ends the process.

    Raises SettingsError, IndexingError, or OSError when the port is taken.
    """
    configure_logging()
    with listening_socket(port) as listening:
        settings = load_settings(app_dir.resolve(), os.environ)
        os.environ.update(settings.values)
        web_pubsub = emulated_web_pubsub(listening)
        functions = load_functions(settings)
        if until_stdin_ends:
            threading.Thread(target=terminate_at_end_of_stdin, daemon=True).start()
        host = Host(settings, functions, grace_seconds, web_pubsub)
        asyncio.run(serve_and_exit(host, listening))


def emulated_web_pubsub(listening: socket.socket) -> WebPubSub | None:
    """An emulator behind the host's own port, which the app is told of; none where the settings name a service."""
    if os.environ.get("WEB_PUBSUB_CONNECTION") or os.environ.get("WEB_PUBSUB_ENDPOINT"):
        return None
    address = EmulatorAddress("http://{}:{}".format(*listening.getsockname()[:2]))
    os.environ["WEB_PUBSUB_CONNECTION"] = address.connection_string
    return WebPubSub(address)


def listening_socket(port: int) -> socket.socket:
    """Not `socket.create_server`: asyncio switches Nagle's delay off only where the protocol is named, and with it
    every answer on a connection that is kept open would take 40 ms."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError:
        listening.close()
        raise
    listening.listen(100)
    return listening


async def serve_and_exit(host: Host, listening: socket.socket) -> None:
    """End the process at once: a function that outlived the grace period must not hold it."""
    status = 0
    try:
        await host.serve(listening)
    except Exception:
        logger.exception("the host failed")
        status = 1
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


def terminate_at_end_of_stdin() -> None:
    while os.read(0, 4096):  # not sys.stdin, whose lock a daemon thread would hold when the interpreter ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def configure_logging() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    for chatty in ("azure", "httpx", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # uvicorn takes it for a fault when a WebSocket is refused by an HTTP answer.
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: "without completing handshake" not in record.getMessage()
    )
