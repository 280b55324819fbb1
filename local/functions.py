"""The functions of an app: loading them as the Python worker does, and calling them."""

import asyncio
import importlib
import inspect
import logging
import os
import sys
import threading
import time
import typing
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.functions import FunctionRegister, get_binding_registry
from azure.functions.decorators.function_app import Function
from azurefunctions.extensions.base import RequestTrackerMeta
from azurefunctions.extensions.base import get_binding_registry as deferred_bindings

from local.settings import HostSettings, SettingsError

SUPPORTED_TRIGGERS = ("httpTrigger", "queueTrigger", "blobTrigger", "timerTrigger")
logger = logging.getLogger("local.functions")


class IndexingError(RuntimeError):
    """The app cannot be loaded: one function that fails indexing stops all of them."""


class FunctionFailed(Exception):
    """A function raised; its traceback is logged already."""


@dataclass(frozen=True)
class LoadedFunction:
    """One function with what its trigger's decorator says."""

    name: str
    call: Callable[..., Any]
    parameter: str
    annotation: Any
    binding: dict[str, Any]
    is_disabled: bool
    wants_context: bool

    @property
    def trigger_type(self) -> str:
        return str(self.binding["type"])


@dataclass
class InvocationContext:
    """What a function sees as `context: func.Context`."""

    function_name: str
    function_directory: str
    invocation_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    thread_local_storage: threading.local = field(default_factory=threading.local)
    trace_context: None = None
    retry_context: None = None


def load_functions(settings: HostSettings) -> list[LoadedFunction]:
    """Import function_app.py and index its functions, sorted by name; raises IndexingError."""
    sys.path.insert(0, str(settings.app_dir))
    try:
        module = importlib.import_module("function_app")
        apps = [value for value in vars(module).values() if isinstance(value, FunctionRegister)]
        if len(apps) != 1:
            raise IndexingError(f"function_app.py must define one FunctionApp, it defines {len(apps)}")
        functions = [index(function, settings) for function in apps[0].get_functions()]
    except (IndexingError, SettingsError):
        raise
    except Exception as error:
        logger.exception("function_app.py failed")
        raise IndexingError(f"function_app.py in {settings.app_dir} cannot be loaded: {error}") from error
    return sorted(functions, key=lambda function: function.name.lower())


def index(function: Function, settings: HostSettings) -> LoadedFunction:
    """Check one function against its trigger; raises IndexingError."""
    name, call, trigger = function.get_function_name(), function.get_user_function(), function.get_trigger()
    assert name is not None and trigger is not None, "get_functions() has checked both"
    if trigger.type not in SUPPORTED_TRIGGERS:
        raise IndexingError(f"function {name}: the local host has no {trigger.type}")
    unsupported = [str(b.type) for b in function.get_bindings() if b is not trigger and b.type != "http"]
    if unsupported:
        raise IndexingError(f"function {name}: the local host has no {', '.join(unsupported)} binding")
    if function.get_setting("retry_policy"):
        raise IndexingError(f"function {name}: the local host has no retry policies")
    expected = set(inspect.signature(call).parameters) - {"context"}
    if expected != {trigger.name}:
        raise IndexingError(f"function {name}: declares {sorted(expected)}, its trigger is named {trigger.name!r}")
    connection = getattr(trigger, "connection", None)
    if connection and settings.connection_string(connection) != settings.connection_string():
        raise IndexingError(f"function {name}: the local host serves one storage account, not {connection!r} as well")
    annotation = typing.get_type_hints(call).get(trigger.name)
    if annotation is not None and not accepts(trigger.type, annotation):
        raise IndexingError(f"function {name}: a {trigger.type} cannot be passed as {annotation!r}")
    return LoadedFunction(
        name=name,
        call=call,
        parameter=trigger.name,
        annotation=annotation,
        binding=trigger.get_dict_repr(),
        is_disabled=settings.is_disabled(name),
        wants_context="context" in inspect.signature(call).parameters,
    )


def accepts(trigger_type: str, annotation: Any) -> bool:
    if trigger_type == "httpTrigger":
        return bool(RequestTrackerMeta.check_type(annotation))
    if annotation in (str, bytes):
        return trigger_type != "timerTrigger"
    bindings = deferred_bindings() if is_deferred(annotation) else get_binding_registry()
    converter = bindings.get(trigger_type)
    return bool(converter and isinstance(annotation, type) and converter.check_input_type_annotation(annotation))


def is_deferred(annotation: Any) -> bool:
    """Whether the function wants a client of an SDK, which an extension makes, instead of the content."""
    return bool(deferred_bindings().check_supported_type(annotation))


class Invoker:
    """Calls functions: async ones on the loop, the others in a pool of the worker's size."""

    def __init__(self, app_dir: Path) -> None:
        self._app_dir = str(app_dir)
        self._pool = ThreadPoolExecutor(min(32, (os.cpu_count() or 1) + 4), thread_name_prefix="function")
        self._running: dict[str, str] = {}

    @property
    def running(self) -> list[str]:
        """Names of the functions that run now."""
        return sorted(self._running.values())

    async def invoke(self, function: LoadedFunction, argument: Callable[[], Any]) -> Any:
        """Call once with what `argument` makes; raises FunctionFailed, after logging the traceback."""
        context = InvocationContext(function.name, self._app_dir)
        started = time.monotonic()
        self._running[context.invocation_id] = function.name
        try:
            result = await self._call(function, argument(), context)
        except Exception as error:
            logger.exception("%s failed after %.3f s", function.name, time.monotonic() - started)
            raise FunctionFailed(function.name) from error
        finally:
            del self._running[context.invocation_id]
        logger.log(
            logging.DEBUG if function.trigger_type == "httpTrigger" else logging.INFO,
            "%s succeeded in %.3f s",
            function.name,
            time.monotonic() - started,
        )
        return result

    def _call(self, function: LoadedFunction, argument: Any, context: InvocationContext) -> Awaitable[Any]:
        arguments = {function.parameter: argument} | ({"context": context} if function.wants_context else {})
        if inspect.iscoroutinefunction(function.call):
            return function.call(**arguments)  # type: ignore[no-any-return] # a coroutine function, just checked
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._pool, lambda: function.call(**arguments))
