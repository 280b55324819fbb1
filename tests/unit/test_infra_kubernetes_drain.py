"""The script that lets a host finish before Kubernetes stops it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.error import HTTPError

import pytest

from infra.kubernetes.base import drain as script


class Clock:
    """Sleeps at once, and keeps how long."""

    def __init__(self) -> None:
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


class Host:
    """Answers as a Functions host that needs to be asked a number of times until nothing runs."""

    def __init__(self, running: int) -> None:
        self.running = running
        self.asked: list[tuple[str, str]] = []

    def ask(self, method: str, path: str) -> bytes:
        self.asked.append((method, path))
        if method == "POST":
            return b""
        state = "InProgress" if self.running else "Completed"
        body = {"state": state, "outstandingInvocations": self.running, "outstandingRetries": 0}
        self.running = max(0, self.running - 1)
        return json.dumps(body).encode()


def test_an_idle_host_goes_at_once() -> None:
    host, clock = Host(running=0), Clock()
    script.drain(host.ask, 0, clock.sleep)
    assert host.asked == [("POST", "/admin/host/drain"), ("GET", "/admin/host/drain/status")]
    assert clock.slept == 0


def test_a_host_that_works_is_waited_for() -> None:
    host, clock = Host(running=3), Clock()
    script.drain(host.ask, 0, clock.sleep)
    assert host.running == 0
    assert clock.slept == 3


def test_balancers_get_their_time_although_nothing_runs() -> None:
    host, clock = Host(running=0), Clock()
    script.drain(host.ask, 10, clock.sleep)
    assert clock.slept == 10


def test_a_host_that_does_not_drain_is_not_taken_for_one_that_is_done() -> None:
    states = iter(["Disabled", "Completed"])
    clock = Clock()
    script.drain(lambda _, __: json.dumps({"state": next(states)} if _ == "GET" else {}).encode(), 0, clock.sleep)
    assert clock.slept == 1


KEY = "drawn by the host"


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str | None]]]:
    """A host on a real port, which draws its key when it is first shown one; the paths and keys of its requests."""
    keys = tmp_path / "host.json"
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["x-functions-key"]))
            if not keys.exists():
                keys.write_text(json.dumps({"masterKey": {"name": "master", "value": KEY, "encrypted": False}}))
            self.send_response(200 if asked[-1][1] == KEY else 401)
            self.end_headers()
            self.wfile.write(b'{"state": "Completed"}')

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(script, "HOST", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(script, "KEYS", keys)
    yield asked
    server.shutdown()
    server.server_close()


def test_a_host_that_has_no_key_yet_is_made_to_draw_one(shown: list[tuple[str, str | None]]) -> None:
    script.drain(script.ask_host, 0)
    drain, status = ("/admin/host/drain", KEY), ("/admin/host/drain/status", KEY)
    assert shown == [("/admin/host/status", "none"), drain, status]
    script.drain(script.ask_host, 0)
    assert shown[3:] == [drain, status], "and none more"


def test_a_host_that_refuses_is_told_to_kubernetes(shown: list[tuple[str, str | None]]) -> None:
    script.KEYS.write_text('{"masterKey": {"value": "another pod\'s"}}')
    with pytest.raises(HTTPError):
        script.drain(script.ask_host, 0)
    assert shown == [("/admin/host/drain", "another pod's")]
