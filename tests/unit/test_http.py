"""What the HTTP layer does by itself: keys, errors that were not foreseen, zips, streams."""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Iterator

import httpx
import pytest

from core.bootstrap import Services, build, memory_storage
from core.engines.registry import EngineRegistry
from core.generation.request import GenerationRequest
from core.jobs.model import Job
from core.jobs.view import job_view
from core.ports import Remove
from core.settings import Settings
from core.storage.memory import MemoryBlobs
from functions.http.app import create_app
from functions.http.dependencies import watch
from functions.http.functions import ROUTES
from functions.http.zip_stream import zip_stream
from tests.songs import encoded, song


def call(services: Services, method: str, path: str, **options: object) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(lambda: services), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


@pytest.fixture
def services() -> Services:
    return build(Settings.read({"API_KEYS": "first second"}), memory_storage())


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/health", "/openapi.json", "/docs"])
def test_health_and_documentation_need_no_key(services: Services, path: str) -> None:
    assert call(services, "GET", path).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer third"}, {"Authorization": "first"}, {"x-api-key": ""}]
)
def test_callers_without_a_key_are_refused(services: Services, headers: dict[str, str]) -> None:
    answer = call(services, "GET", "/v1/jobs", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:stemworks:problem:unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer first"}, {"x-api-key": "second"}])
def test_callers_with_a_key_are_let_in(services: Services, headers: dict[str, str]) -> None:
    assert call(services, "GET", "/v1/jobs", headers=headers).status_code == 200


def test_pages_of_the_origins_that_are_set_may_call() -> None:
    services = build(Settings.read({"CORS_ORIGINS": "https://app.example.org", "API_KEYS": "first"}), memory_storage())

    def preflight(origin: str) -> httpx.Response:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        return call(services, "OPTIONS", "/v1/generations", headers=headers)

    allowed = preflight("https://app.example.org")
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://app.example.org")
    assert "access-control-allow-origin" not in preflight("https://evil.example").headers


def test_an_error_that_was_not_foreseen_shows_nothing_of_its_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    services = build(Settings.read({}), memory_storage())
    monkeypatch.setattr(type(services.jobs), "get", lambda self, job_id: {}["secret"])
    answer = call(services, "GET", "/v1/jobs/x")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


def test_every_route_of_the_app_has_a_function(services: Services) -> None:
    templates = [route.partition("/{*")[0] for route in ROUTES.values()]
    for path in create_app(lambda: services).openapi()["paths"]:
        assert any(path.strip("/") == one or path.startswith(f"/{one}/") for one in templates), path


def test_the_openapi_document_describes_jobs_and_problems(services: Services) -> None:
    document = create_app(lambda: services).openapi()
    schemas = document["components"]["schemas"]
    job = services.generations.planner.plan(GenerationRequest(target_stems=("bass",)), job_id="a")
    assert set(schemas["JobView"]["properties"]) == set(job_view(job))
    references = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(schemas)
    unfit = document["paths"]["/v1/generations"]["post"]["responses"]["422"]
    answer = call(services, "POST", "/v1/generations", json={}, headers={"Authorization": "Bearer first"})
    assert set(answer.json()) == set(unfit["content"]["application/problem+json"]["schema"]["properties"])


def test_a_silent_stream_says_that_it_is_alive(services: Services) -> None:
    job = services.jobs.submit(services.generations.planner.plan(GenerationRequest(target_stems=("bass",)), job_id="a"))

    async def first(count: int) -> list[Job | None]:
        events = watch(lambda: services.jobs.get("a"), heartbeat_seconds=0.05)
        return [await anext(events) for _ in range(count)]

    assert asyncio.run(first(3)) == [job, None, None]


def test_a_stream_ends_when_its_job_is_deleted(services: Services) -> None:
    services.jobs.submit(services.generations.planner.plan(GenerationRequest(target_stems=("bass",)), job_id="a"))

    async def watched() -> list[str]:
        seen = []
        async for job in watch(lambda: services.jobs.get("a")):
            if job is not None:
                seen.append(job.status.value)
                services.storage.tables["jobs"].commit("jobs", Remove("job:a"))
        return seen

    assert asyncio.run(watched()) == ["queued"]


def test_health_tells_of_what_is_loaded() -> None:
    class Engines(EngineRegistry):
        def loaded(self) -> dict[str, dict[str, str | None]]:
            return {"musicgen": {"small": "0" * 64}}

        def gpu_available(self) -> bool:
            return True

    services = build(Settings.read({}), memory_storage(), engines=Engines(Settings.read({}), MemoryBlobs()))
    health = call(services, "GET", "/health").json()
    assert (health["services"]["musicgen"], health["services"]["stable_audio"]) == ("loaded", "not_loaded")
    assert health["gpu_available"] is True
    listed = {engine["name"]: engine for engine in call(services, "GET", "/v1/engines").json()["engines"]}
    assert listed["musicgen"]["loaded"] is True
    assert {model["name"]: model["sha256"] for model in listed["musicgen"]["models"] if model["loaded"]} == {
        "small": "0" * 64
    }
    assert listed["stable_audio"]["loaded"] is False


def test_an_engine_is_loaded_at_its_first_use() -> None:
    engines = EngineRegistry(Settings.read({}), MemoryBlobs())
    assert engines.loaded() == {}
    assert engines.generation("synth") is engines.generation("synth")
    assert engines.loaded() == {"synth": {"synth": None}}


def test_a_zip_is_written_piece_by_piece() -> None:
    read: list[int] = []

    def content() -> Iterator[bytes]:
        for number in range(50):
            read.append(number)
            yield bytes([number]) * 10_000

    pieces = zip_stream([("a.wav", content()), ("b.wav", iter([b"end"]))])
    first = next(pieces)
    assert len(first) < 20_000 and read == [0]
    with zipfile.ZipFile(io.BytesIO(first + b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.wav", "b.wav"]
        assert len(archive.read("a.wav")) == 500_000


def test_the_separation_service_calls_a_canceled_job_failed_and_says_so() -> None:
    services = build(Settings.read({}), memory_storage())
    created = call(services, "POST", "/api/jobs", files={"file": ("song.wav", encoded(song(0.5)))}).json()
    assert created["status"] == "pending"
    services.jobs.cancel(created["id"])
    shown = call(services, "GET", f"/api/jobs/{created['id']}").json()
    assert (shown["status"], shown["error_message"]) == ("failed", "canceled by the client")
