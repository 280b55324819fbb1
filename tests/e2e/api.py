"""A client of the API, as a user's program would be: plain HTTP against a base URL."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx

ENDED = ("completed", "failed", "canceled", "expired")


class Api:
    """Calls one installation."""

    def __init__(self, base_url: str, api_key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.http = httpx.Client(base_url=base_url, timeout=30, headers=headers)

    def generate(self, *stems: str, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        """Ask for half a second of some stems."""
        parameters = {"duration_seconds": 0.5, "random_seed": 1} | fields.pop("parameters", {})
        body = {"target_stems": list(stems or ["bass"]), "parameters": parameters} | fields
        return self.http.post("/v1/generations", json=body, headers=headers)

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/v1/jobs/{job_id}")
        answer.raise_for_status()
        return dict(answer.json())

    def wait_for(self, job_id: str, ready: Callable[[dict[str, Any]], bool], seconds: float = 120) -> dict[str, Any]:
        """The job once it is as wanted."""
        deadline = time.monotonic() + seconds
        while not ready(job := self.job(job_id)):
            assert time.monotonic() < deadline, f"still {job}"
            time.sleep(0.05)
        return job

    def wait_for_end(self, job_id: str, seconds: float = 120) -> dict[str, Any]:
        return self.wait_for(job_id, lambda job: job["status"] in ENDED, seconds)

    def events(self, job_id: str, last_event_id: int | None = None) -> Iterator[dict[str, Any]]:
        """The job's server-sent events: id, event and decoded data of each."""
        headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
        with self.http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as stream:
            fields: dict[str, Any] = {}
            for line in stream.iter_lines():
                name, _, value = line.partition(":")
                if line == "" and fields:
                    yield {**fields, "data": json.loads(fields["data"])}
                    fields = {}
                elif name:
                    fields[name] = value.strip()


def new_id(prefix: str) -> str:
    """An id of the caller's own."""
    return f"{prefix}-{uuid.uuid4()}"


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem document, once it is what was expected."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = dict(answer.json())
    assert body["type"] == f"urn:stemworks:problem:{slug}"
    assert body["status"] == status
    assert body["title"] and body["detail"] and body["next_step"]
    return body
