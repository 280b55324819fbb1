"""The separation service's page, call by call: its clients must not notice that it was replaced."""

from __future__ import annotations

import re
import time

from tests.e2e.api import Api, problem
from tests.songs import encoded, song

UTC = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def test_health_answers(api: Api) -> None:
    answer = api.http.get("/api/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


def test_a_song_is_separated_as_the_page_shows(api: Api) -> None:
    created = api.http.post("/api/jobs", files={"file": ("song.mp3", encoded(song(), format="MP3"))})
    assert created.status_code == 200
    body = created.json()
    assert list(body) == ["id", "status", "created_at"]
    assert body["status"] == "pending"
    assert re.fullmatch(UTC, body["created_at"])

    seen = []
    deadline = time.monotonic() + 60
    while not seen or seen[-1]["status"] in ("pending", "processing"):
        assert time.monotonic() < deadline
        seen.append(api.http.get(f"/api/jobs/{body['id']}").json())
    assert list(seen[-1]) == ["id", "status", "error_message", "created_at", "updated_at"]
    assert (seen[-1]["id"], seen[-1]["status"], seen[-1]["error_message"]) == (body["id"], "completed", None)
    assert seen[-1]["created_at"] == body["created_at"]
    assert re.fullmatch(UTC, seen[-1]["updated_at"])
    stems = {output["stem_type"] for output in api.job(body["id"])["outputs"]}
    assert stems == {"vocals", "drums", "bass", "other"}


def test_a_job_that_ended_badly_says_why(api: Api) -> None:
    flac = bytearray(encoded(song(5.0), format="FLAC"))
    middle = len(flac) // 2
    flac[middle : middle + 4000] = bytes(4000)  # where only the worker comes upon it
    created = api.http.post("/api/jobs", files={"file": ("song.flac", bytes(flac))}).json()
    api.wait_for_end(created["id"])
    shown = api.http.get(f"/api/jobs/{created['id']}").json()
    assert shown["status"] == "failed"
    assert shown["error_message"].startswith("song.flac: ")


def test_what_is_not_there_or_not_audio_is_refused(api: Api) -> None:
    problem(api.http.get("/api/jobs/no-such-job"), 404, "job-not-found")
    problem(api.http.post("/api/jobs", files={"file": ("song.mp3", b"words " * 500)}), 422, "not-audio")
    problem(api.http.post("/api/jobs", json={"file": "song.mp3"}), 415, "unsupported-media-type")
