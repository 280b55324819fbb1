"""``/ws``: the socket around the conversation, and the jobs that are watched over it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from core.bootstrap import Services, build, memory_storage
from core.errors import JobNotFound
from core.generation.request import GenerationRequest
from core.jobs.model import Job
from core.jobs.service import JobService
from core.jobs.view import job_view
from core.settings import Settings
from functions.http import errors
from functions.http.dependencies import require_key
from functions.http.live import MOST_JOBS, Pace, live_router
from tests.music import guitar
from tests.unit.live_client import pcm, pieces, resampled, said, start


def client(pace: Pace | None = None, **settings: str) -> TestClient:
    """The route in an app that asks all of its requests for a key, as the product's does."""
    services = build(Settings.read(settings), memory_storage())
    app = FastAPI(dependencies=[Depends(require_key)])
    app.state.services = lambda: services
    errors.install(app)
    app.include_router(live_router(pace))
    return TestClient(app)


@contextmanager
def connected(test_client: TestClient, path: str = "/ws", **headers: str) -> Iterator[WebSocketTestSession]:
    with test_client.websocket_connect(path, headers=headers) as socket:
        yield socket


def answer(socket: WebSocketTestSession) -> dict[str, Any]:
    """The next answer that is no ping."""
    while True:
        found: dict[str, Any] = socket.receive_json()
        if found != {"type": "ping"}:
            return found


def closing(socket: WebSocketTestSession) -> tuple[int, str]:
    with pytest.raises(WebSocketDisconnect) as raised:
        while True:
            socket.receive_json()
    return raised.value.code, raised.value.reason


# Chords


def test_a_guitar_is_answered_chord_by_chord() -> None:
    music = pcm(resampled(guitar(("C", "G"), tempo_bpm=120, bars=2), 16000))
    found = []
    with connected(client()) as socket:
        socket.send_text(start(format="pcm", sample_rate=16000))
        assert answer(socket)["type"] == "started"
        for number, piece in enumerate(pieces(music, 3200)):
            if number % 2:
                socket.send_bytes(piece)
            else:
                socket.send_text(said(piece))
        socket.send_text('{"type": "stop"}')
        while (last := answer(socket)) != {"type": "stopped"}:
            found.append(last)
    assert found.count({"ack": True}) == len(pieces(music, 3200))
    assert [chord for got in found for chord in got.get("chords", [])] == ["C", "G"]


def test_rubbish_is_answered_and_the_socket_stays_open() -> None:
    with connected(client()) as socket:
        for rubbish in ("", "hello", "[" * 100_000, "{}", '{"data": 5}'):
            socket.send_text(rubbish)
            assert answer(socket)["error"]["type"] == "invalid-request"
        socket.send_bytes(bytes(3_000_000))
        assert "at most 1,048,576 bytes" in answer(socket)["error"]["detail"]
        socket.send_text('{"type": "ping"}')
        assert answer(socket) == {"type": "pong"}


def test_clients_at_the_same_time_are_heard_apart() -> None:
    test_client = client()
    music = pcm(resampled(guitar(("A", "D"), tempo_bpm=120, bars=1), 16000))
    with connected(test_client) as one, connected(test_client) as other:
        one.send_text(said(music, sample_rate=16000))
        other.send_text(said(bytes(len(music)), sample_rate=16000))
        for socket in (one, other):
            socket.send_text('{"type": "stop"}')
        assert [answer(one), answer(one)["chords"]] == [{"ack": True}, ["A"]]
        assert [answer(other), answer(other)] == [{"ack": True}, {"type": "stopped"}]


# The socket


def test_the_server_says_ping_from_time_to_time() -> None:
    with connected(client(Pace(ping_seconds=0.01))) as socket:
        assert [socket.receive_json() for _ in range(3)] == [{"type": "ping"}] * 3


def test_pings_come_while_audio_flows_as_well() -> None:
    found: list[Any] = []
    with connected(client(Pace(ping_seconds=0.01))) as socket:
        while {"type": "ping"} not in found:
            socket.send_text(said(bytes(64), sample_rate=16000))
            while found[-1:] != [{"ack": True}]:
                found.append(socket.receive_json())
            found.append(None)


def test_a_silent_client_is_let_go() -> None:
    with connected(client(Pace(ping_seconds=0.01, idle_seconds=0.05))) as socket:
        assert closing(socket) == (1001, "nothing was heard for 0.05 seconds")


def test_a_process_takes_so_many_connections_and_then_says_so() -> None:
    test_client = client(Pace(most_connections=2))
    with connected(test_client) as one, connected(test_client):
        with connected(test_client) as third:
            assert third.receive_json()["error"]["type"] == "channel-unavailable"
            assert closing(third)[0] == 1013
        one.close()
        with connected(test_client) as third:
            third.send_text('{"type": "ping"}')
            assert answer(third) == {"type": "pong"}


def test_who_is_silent_makes_room_for_another_but_who_watches_a_job_stays() -> None:
    test_client = client(Pace(most_connections=2, spare_seconds=0.0))
    submitted(test_client, "a")
    with test_client, connected(test_client) as watcher:
        watcher.send_text(watching("a"))
        assert answer(watcher)["job"]["job_id"] == "a"
        with connected(test_client) as silent, connected(test_client) as player:
            player.send_text(said(bytes(1000)))
            assert answer(player) == {"ack": True}
            code, reason = closing(silent)
            assert code == 1001 and reason.startswith("others wait")
            watcher.send_text('{"type": "ping"}')
            assert answer(watcher) == {"type": "pong"}


def test_a_plain_request_is_told_that_a_websocket_is_opened_here() -> None:
    answered = client().get("/ws")
    assert answered.status_code == 426
    assert answered.json()["type"] == "urn:stemworks:problem:upgrade-required"


# Who may


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/ws", {"authorization": "Bearer right"}),
        ("/ws", {"x-api-key": "other"}),
        ("/ws?api_key=right", {}),
    ],
)
def test_a_key_comes_in_a_header_or_in_the_address(path: str, headers: dict[str, str]) -> None:
    with connected(client(API_KEYS="right other"), path, **headers) as socket:
        socket.send_text('{"type": "ping"}')
        assert answer(socket) == {"type": "pong"}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/ws", {}),
        ("/ws", {"authorization": "Bearer wrong"}),
        ("/ws", {"authorization": "Basic right"}),
        ("/ws?api_key=", {}),
        ("/ws?api_key=r%C3%AFght", {}),
    ],
)
def test_without_a_right_key_the_socket_closes_after_saying_why(path: str, headers: dict[str, str]) -> None:
    with connected(client(API_KEYS="right other"), path, **headers) as socket:
        assert socket.receive_json()["error"]["type"] == "unauthorized"
        assert closing(socket)[0] == 1008


@pytest.mark.parametrize(
    ("origin", "allowed", "welcome"),
    [
        ("http://testserver", "", True),
        ("https://band.example.org", "", False),
        ("null", "", False),
        ("https://band.example.org", "https://band.example.org", True),
        ("https://other.example.org", "https://band.example.org", False),
        ("https://other.example.org", "*", True),
    ],
)
def test_without_keys_pages_of_others_are_let_in_as_far_as_cors_does(origin: str, allowed: str, welcome: bool) -> None:
    with connected(client(CORS_ORIGINS=allowed), origin=origin) as socket:
        if welcome:
            socket.send_text('{"type": "ping"}')
            assert answer(socket) == {"type": "pong"}
        else:
            assert "CORS_ORIGINS" in socket.receive_json()["error"]["detail"]
            assert closing(socket)[0] == 1008


# Jobs


def submitted(test_client: TestClient, job_id: str) -> Services:
    services: Services = test_client.app.state.services()  # type: ignore[attr-defined]  # a FastAPI app's
    request = GenerationRequest.model_validate({"target_stems": ["bass"], "parameters": {"duration_seconds": 0.5}})
    services.jobs.submit(services.generations.planner.plan(request, job_id=job_id))
    return services


def watching(job_id: object) -> str:
    return json.dumps({"type": "watch", "job_id": job_id})


def test_a_job_is_told_on_every_change_until_it_has_ended() -> None:
    test_client = client()
    services = submitted(test_client, "a")
    with connected(test_client) as socket:
        socket.send_text(watching("a"))
        told = [answer(socket)]
        services.runner.run("a")
        while not told[-1]["job"]["finished_at"]:
            told.append(answer(socket))
        assert {got["type"] for got in told} == {"job"}
        assert (told[0]["job"]["status"], told[-1]["job"]["status"]) == ("queued", "completed")
        assert told[-1]["job"] == job_view(services.jobs.get("a"))
        socket.send_text(watching("a"))
        assert answer(socket) == told[-1]


def test_a_client_that_watches_is_not_idle() -> None:
    test_client = client(Pace(ping_seconds=0.01, idle_seconds=0.03))
    services = submitted(test_client, "a")
    with connected(test_client) as socket:
        socket.send_text(watching("a"))
        assert answer(socket)["job"]["status"] == "queued"
        for _ in range(10):  # three times as long as idle clients are kept
            assert socket.receive_json() == {"type": "ping"}
        services.jobs.cancel("a")
        assert answer(socket)["job"]["status"] == "canceled"
        assert closing(socket)[0] == 1001


def test_chords_are_heard_while_storage_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, going_on = threading.Semaphore(0), threading.Event()
    in_time: list[bool] = []

    def hang(service: JobService, job_id: str) -> Job:
        hanging.release()
        in_time.append(going_on.wait(5))
        raise JobNotFound

    monkeypatch.setattr(JobService, "get", hang)
    with client() as test_client, ExitStack() as sockets:
        for _ in range(4):  # as many as there are threads in which clients are heard
            sockets.enter_context(connected(test_client)).send_text(watching("a"))
            assert hanging.acquire(timeout=10)
        player = sockets.enter_context(connected(test_client))
        player.send_text(said(bytes(1000)))
        assert answer(player) == {"ack": True}
        going_on.set()
    assert in_time == [True] * 4


def test_a_job_that_is_not_there_is_an_error() -> None:
    with connected(client()) as socket:
        socket.send_text(watching("nothing"))
        assert answer(socket)["error"]["type"] == "job-not-found"
        socket.send_text(watching("../a"))
        assert answer(socket)["error"]["detail"] == "/job_id: must be the id of a job"


def test_a_connection_watches_so_many_jobs_at_a_time() -> None:
    test_client = client()
    with connected(test_client) as socket:
        for number in range(MOST_JOBS):
            submitted(test_client, f"job-{number}")
            socket.send_text(watching(f"job-{number}"))
            assert answer(socket)["job"]["job_id"] == f"job-{number}"
        services = submitted(test_client, "one-more")
        socket.send_text(watching("one-more"))
        assert f"at most {MOST_JOBS} jobs" in answer(socket)["error"]["detail"]
        services.jobs.cancel("job-0")
        assert answer(socket)["job"]["status"] == "canceled"
        _until_watched(socket, "one-more")


def _until_watched(socket: WebSocketTestSession, job_id: str) -> None:
    """The watch of a job that has ended is over a moment after its last word."""
    for _ in range(100):
        socket.send_text(watching(job_id))
        if answer(socket).get("job", {}).get("job_id") == job_id:
            return
    raise AssertionError(f"{job_id} is not watched")


# The process


def test_numpy_is_loaded_only_when_somebody_plays() -> None:
    code = "import sys, functions.http.live; print(*{'numpy', 'av'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
