"""The process in which the app runs under Microsoft's worker code, driven over its standard input and output.

Microsoft's: everything in ``azure_functions_runtime`` (indexing, decoding, invocation, the streaming HTTP server), the
code that Azure runs for Python 3.13 and later. Ours: this loop, which stands where the host and its gRPC channel stand,
and the messages below, which stand for the generated protobuf classes and have only what the runtime touches; one that
is missing here fails the test. They check no types, and nothing goes over gRPC.

A line is one JSON object. Out: first the app as it was loaded, then an answer for each invocation. In: invocations.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime

APP_DIRECTORY = Path(__file__).resolve().parents[2]


class OneOf:
    """A message of which at most one field is set: TypedData, and the data of a ParameterBinding."""

    def __init__(self, **field: Any) -> None:
        self._name = next(iter(field), None)
        self.__dict__.update(field)

    def WhichOneof(self, group: str) -> str | None:
        return self._name


class BindingInfo(SimpleNamespace):
    inout = 2
    out = 1
    undefined = 0


class StatusResult(SimpleNamespace):
    Failure = 0
    Success = 1


PROTOS = SimpleNamespace(
    BindingInfo=BindingInfo,
    StatusResult=StatusResult,
    FunctionMetadataResponse=SimpleNamespace,
    InvocationResponse=SimpleNamespace,
    RpcException=SimpleNamespace,
    RpcFunctionMetadata=SimpleNamespace,
    WorkerInitResponse=SimpleNamespace,
    WorkerMetadata=SimpleNamespace,
)


def typed(kind: str, value: Any) -> OneOf:
    """TypedData as the host makes it: of HTTP the parameters alone (the rest comes to the HTTP server)."""
    if kind == "http":
        value = SimpleNamespace(method="", url="", headers={}, query={}, params=value, body=OneOf())
    elif kind == "model_binding_data":
        content = json.dumps(value).encode()
        value = SimpleNamespace(
            version="1.0", source="AzureStorageBlobs", content_type="application/json", content=content
        )
    return OneOf(**{kind: value})


def metadata(value: Any) -> OneOf:
    """The host sends strings as they are and everything else as JSON."""
    return typed("string", value) if isinstance(value, str) else typed("json", json.dumps(value))


async def load() -> tuple[str, dict[str, Any]]:
    """Load the app: where its HTTP server is, and its functions by name. Ends the process if loading fails."""
    init_request = SimpleNamespace(capabilities={}, function_app_directory=str(APP_DIRECTORY))
    loaded = await runtime.worker_init_request(
        SimpleNamespace(
            properties={"host": "127.0.0.1", "protos": PROTOS},
            request=SimpleNamespace(worker_init_request=init_request),
        )
    )
    if loaded.result.status != StatusResult.Success:
        sys.exit(loaded.result.exception.stack_trace)
    answer = await runtime.functions_metadata_request(None)
    return loaded.capabilities["HttpUri"], {function.name: function for function in answer.function_metadata_results}


async def invoke(function: Any, order: dict[str, Any]) -> str | None:
    """Invoke once; what went wrong, if anything did."""
    [trigger] = [name for name, binding in function.bindings.items() if binding.type.endswith("Trigger")]
    data = OneOf(data=typed(*order["data"]))
    data.name = trigger
    request = SimpleNamespace(
        invocation_id=order["id"],
        function_id=function.function_id,
        input_data=[data],
        trigger_metadata={name: metadata(value) for name, value in order["metadata"].items()},
        trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
        retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
    )
    answer = await runtime.invocation_request(SimpleNamespace(request=SimpleNamespace(invocation_request=request)))
    return None if answer.result.status == StatusResult.Success else answer.result.exception.stack_trace


async def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else the app or the server prints goes to the log

    def say(**answer: Any) -> None:
        answers.write(json.dumps(answer) + "\n")

    async def obey(order: dict[str, Any]) -> None:
        say(id=order["id"], error=await invoke(functions[order["function"]], order))

    runtime.start_threadpool_executor()
    http_uri, functions = await load()
    bindings = {name: [json.loads(raw) for raw in function.raw_bindings] for name, function in functions.items()}
    say(id="loaded", http_uri=http_uri, bindings=bindings, modules=sorted(sys.modules))

    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    running = set()
    async for line in orders:
        running.add(task := asyncio.create_task(obey(json.loads(line))))
        task.add_done_callback(running.discard)


if __name__ == "__main__":
    asyncio.run(main())
