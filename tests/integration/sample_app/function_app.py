"""A function app that writes down what happens to it, for the tests of the local host."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import azure.functions as func
import azurefunctions.extensions.bindings.blob as blobs
from azurefunctions.extensions.http.fastapi import JSONResponse, PlainTextResponse, Request, Response, StreamingResponse

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
_lock = threading.Lock()


def record(function: str, **what: Any) -> None:
    """One line of JSON per event, in the file that RECORD names."""
    with _lock, Path(os.environ["RECORD"]).open("a") as file:
        file.write(json.dumps({"function": function, "at": time.monotonic(), **what}) + "\n")


def wait_for_file(name: str, seconds: float = 20.0) -> None:
    """Hold a function until the test makes a file beside the record."""
    path, deadline = Path(os.environ["RECORD"]).parent / name, time.monotonic() + seconds
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def message_fields(message: func.QueueMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "body": message.get_body().decode(),
        "dequeue_count": message.dequeue_count,
        "pop_receipt": message.pop_receipt,
        "inserted": str(message.insertion_time),
        "expires": str(message.expiration_time),
    }


@app.queue_trigger(arg_name="message", queue_name="%PREFIX%-Jobs", connection="AzureWebJobsStorage")
async def jobs(message: func.QueueMessage, context: func.Context) -> None:
    record("jobs", invocation=context.invocation_id, thread=threading.current_thread().name, **message_fields(message))
    if message.get_body() == b"fail":
        raise ValueError("the job cannot be done")


@app.queue_trigger(arg_name="message", queue_name="%PREFIX%-slow", connection="AzureWebJobsStorage")
def slow(message: func.QueueMessage) -> None:
    record("slow", event="started", body=message.get_body().decode(), thread=threading.current_thread().name)
    wait_for_file("release-" + message.get_body().decode())
    record("slow", event="finished", body=message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name="%PREFIX%-jobs-poison", connection="AzureWebJobsStorage")
def dead_letters(message: func.QueueMessage) -> None:
    record("dead_letters", **message_fields(message))


@app.queue_trigger(arg_name="message", queue_name="%PREFIX%-sour-poison", connection="AzureWebJobsStorage")
def failing_dead_letters(message: func.QueueMessage) -> None:
    record("failing_dead_letters", **message_fields(message))
    raise ValueError("even the dead letter fails")


@app.queue_trigger(arg_name="message", queue_name="%PREFIX%-off", connection="AzureWebJobsStorage")
def switched_off(message: func.QueueMessage) -> None:
    record("switched_off", body=message.get_body().decode())


@app.blob_trigger(arg_name="blob", path="%PREFIX%-inbox/{name}.wav", connection="AzureWebJobsStorage")
def inbox(blob: func.InputStream) -> None:
    content = blob.read()
    record("inbox", name=blob.name, uri=blob.uri, length=blob.length, content=content.decode(), metadata=blob.metadata)
    if content == b"fail":
        raise ValueError("the file cannot be read")


@app.blob_trigger(
    arg_name="client",
    path="%PREFIX%-large/{name}",
    connection="AzureWebJobsStorage",
    source=func.BlobSource.EVENT_GRID,
)
def large(client: blobs.BlobClient) -> None:
    properties = client.get_blob_properties()
    record("large", container=client.container_name, name=client.blob_name, size=properties.size, url=client.url)


@app.timer_trigger(arg_name="timer", schedule="%TIMER_SCHEDULE%")
def tick(timer: func.TimerRequest) -> None:
    record("tick", past_due=timer.past_due, event="started")
    wait_for_file("release-tick", float(os.environ.get("TICK_SECONDS", "0")))
    record("tick", event="finished")


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
def at_startup(timer: func.TimerRequest) -> None:
    record("at_startup", past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def failing_timer(timer: func.TimerRequest) -> None:
    raise ValueError("the timer failed")


@app.route(route="echo/{word}", methods=["POST"])
async def echo(req: Request) -> Response:
    body = await req.body()
    return JSONResponse(
        {"word": req.path_params["word"], "bytes": len(body), "query": dict(req.query_params), "path": req.url.path}
    )


@app.route(route="order/{*rest}", methods=["GET"])
async def b_catches_all(req: Request) -> Response:
    return PlainTextResponse("catch-all:" + req.path_params.get("rest", ""))


@app.route(route="order/exact", methods=["GET"])
async def c_is_exact(req: Request) -> Response:
    return PlainTextResponse("exact")


@app.route(route="order/first", methods=["GET"])
async def a_comes_first(req: Request) -> Response:
    return PlainTextResponse("first")


@app.route(route="settings", methods=["GET"])
async def settings(req: Request) -> Response:
    return JSONResponse({name: os.environ.get(name) for name in ("COLOUR", "SHAPE")})


@app.route(route="events", methods=["GET"])
async def events(req: Request) -> Response:
    """Two server-sent events; the second waits for the test to have seen the first."""

    async def stream() -> AsyncIterator[str]:
        yield "data: one\n\n"
        await asyncio.get_running_loop().run_in_executor(None, wait_for_file, "release-events")
        yield "data: two\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.route(route="first-bytes", methods=["POST"])
async def first_bytes(req: Request) -> Response:
    """Answers from the beginning of a body of which the rest has not come."""
    async for chunk in req.stream():
        return PlainTextResponse(chunk.decode())
    return PlainTextResponse("")


@app.route(route="boom", methods=["GET"])
def boom(req: Request) -> Response:
    raise ValueError("the page is broken")


@app.route(route="off", methods=["GET"])
async def hidden_page(req: Request) -> Response:
    return PlainTextResponse("never seen")


@app.route(route="hold", methods=["GET"])
def hold(req: Request) -> Response:
    record("hold", event="started")
    wait_for_file("release-hold")
    return PlainTextResponse("held")
