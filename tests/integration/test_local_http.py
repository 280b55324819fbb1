"""The local host's HTTP functions and its admin API."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from azurefunctions.extensions.http.fastapi import PlainTextResponse, Request, Response

from local.functions import IndexingError, Invoker, LoadedFunction
from local.http import HttpFunctions, compile_route
from local.settings import HostSettings
from tests.integration.local_host import SampleHost


def test_a_function_gets_its_parameters_query_and_body_without_a_key(sample_host: SampleHost) -> None:
    answer = sample_host.http.post("/echo/h%C3%A9?loud=1", content=b"12345")
    assert answer.status_code == 200
    assert answer.json() == {"word": "hé", "bytes": 5, "query": {"loud": "1"}, "path": "/echo/hé"}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/order/first", "first"),
        ("/order/exact", "catch-all:exact"),
        ("/order/a/b/c", "catch-all:a/b/c"),
        ("/order/", "catch-all:"),
        ("/order", "catch-all:"),
        ("/ORDER/First", "first"),
    ],
)
def test_the_first_function_by_name_wins_however_specific_the_others(
    sample_host: SampleHost, path: str, text: str
) -> None:
    assert sample_host.http.get(path).text == text


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/echo/a"), ("HEAD", "/settings"), ("GET", "/nowhere"), ("GET", "/off")]
)
def test_a_wrong_method_an_unknown_path_and_a_disabled_function_are_404(
    sample_host: SampleHost, method: str, path: str
) -> None:
    assert sample_host.http.request(method, path).status_code == 404


def test_an_exception_is_500_with_an_empty_body_and_logged_once(sample_host: SampleHost) -> None:
    before = sample_host.process.log().count("ValueError: the page is broken")
    answer = sample_host.http.get("/boom")
    assert (answer.status_code, answer.content) == (500, b"")
    assert sample_host.process.log().count("ValueError: the page is broken") == before + 1


def test_server_sent_events_arrive_one_by_one(sample_host: SampleHost) -> None:
    with sample_host.http.stream("GET", "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        chunks = answer.iter_text()
        assert next(chunks) == "data: one\n\n"
        sample_host.release("release-events")
        assert next(chunks) == "data: two\n\n"


def test_a_request_body_streams_into_the_function(sample_host: SampleHost) -> None:
    with connected(sample_host) as connection:
        connection.sendall(b"POST /first-bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        assert b"hello" in answer_of(connection), "answered before the body has ended"


def test_a_body_over_the_limit_is_413_before_it_is_sent(sample_host: SampleHost) -> None:
    with connected(sample_host) as connection:
        connection.sendall(b"POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 104857601\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_body_without_a_length_is_413_once_it_is_over_the_limit(tmp_path: Path) -> None:
    async def count(req: Request) -> Response:
        return PlainTextResponse(str(len(await req.body())))

    binding = {"type": "httpTrigger", "route": "count", "methods": ["POST"]}
    function = LoadedFunction("count", count, "req", Request, binding, False, False)
    app = HttpFunctions([function], HostSettings(tmp_path, {}, {}), Invoker(tmp_path), max_body=10)

    async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    async def post(*parts: bytes) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host") as client:
            return await client.post("/api/count", content=chunks(*parts))

    assert asyncio.run(post(b"12345", b"67890")).text == "10"
    assert asyncio.run(post(b"123456", b"789012")).status_code == 413


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("v1/jobs/{job_id}", "v1/jobs/7", {"job_id": "7"}),
        ("v1/jobs/{job_id}", "v1/jobs/7/files", None),
        ("v1/jobs/{job_id}", "v1/jobs", None),
        ("v1/jobs/{job_id?}", "v1/jobs", {"job_id": None}),
        ("{*rest}", "", {"rest": ""}),
        ("{*rest}", "any/thing", {"rest": "any/thing"}),
        ("v1/jobs/{*rest}", "v1/jobsters", None),
    ],
)
def test_route_templates(template: str, path: str, parameters: dict[str, str | None] | None) -> None:
    match = compile_route(template, "f").fullmatch(path)
    assert (match and match.groupdict()) == parameters


@pytest.mark.parametrize("template", ["jobs/{id:int}", "jobs/{id=1}", "jobs/a{id}"])
def test_a_route_that_the_local_host_cannot_match_is_refused(template: str) -> None:
    with pytest.raises(IndexingError, match="cannot match"):
        compile_route(template, "f")


def test_admin_tells_the_state_and_lists_the_functions(sample_host: SampleHost) -> None:
    assert sample_host.http.get("/admin/host/status").json()["state"] == "Running"
    functions = {function["name"]: function for function in sample_host.http.get("/admin/functions").json()}
    assert functions["hidden_page"]["isDisabled"] is True
    assert functions["echo"]["config"]["bindings"][0]["route"] == "echo/{word}"


def test_admin_runs_a_queue_function_by_hand_with_the_input_as_its_message(sample_host: SampleHost) -> None:
    body = json.dumps({"by": "hand"})
    assert sample_host.http.post("/admin/functions/jobs", json={"input": body}).status_code == 202
    (event,) = sample_host.wait_for_events("jobs", body=body)
    assert event["dequeue_count"] == 1


def test_admin_can_be_waited_for_and_tells_success_from_failure(sample_host: SampleHost) -> None:
    before = len(sample_host.events("tick", event="finished"))
    assert sample_host.http.post("/admin/functions/tick?wait=true", json={"input": ""}).status_code == 200
    assert len(sample_host.events("tick", event="finished")) == before + 1
    assert sample_host.http.post("/admin/functions/failing_timer?wait=true", json={}).status_code == 500


def test_admin_runs_a_blob_function_for_a_blob_by_its_path(sample_host: SampleHost) -> None:
    sample_host.container(f"{sample_host.prefix}-elsewhere").upload_blob("x.wav", b"by hand")
    path = f"{sample_host.prefix}-elsewhere/x.wav"
    assert sample_host.http.post("/admin/functions/inbox?wait=true", json={"input": path}).status_code == 200
    assert len(sample_host.events("inbox", content="by hand")) == 1


@pytest.mark.parametrize(("name", "status"), [("nothing", 404), ("echo", 400)])
def test_admin_refuses_unknown_and_http_functions(sample_host: SampleHost, name: str, status: int) -> None:
    assert sample_host.http.post(f"/admin/functions/{name}", json={}).status_code == status


def connected(host: SampleHost) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(host.process.base_url).port or 0), timeout=10)


def answer_of(connection: socket.socket) -> bytes:
    """What the server sends until head and the awaited part of the body are there."""
    answer = b""
    while b"\r\n\r\n" not in answer or answer.endswith(b"\r\n\r\n"):
        if not (more := connection.recv(65536)):
            break
        answer += more
    return answer
