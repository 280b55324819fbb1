"""The bridge service's page, call by call: its front end must not notice that it was replaced."""

from __future__ import annotations

import time
from typing import Any

import httpx
import numpy as np
import pytest

from tests.e2e.api import Api, problem
from tests.music import band
from tests.songs import Samples, decoded, encoded, song

RATE = 24000


@pytest.fixture(scope="module")
def tracks() -> tuple[bytes, bytes]:
    """Two songs of a little more than a segment, in two of the formats that the page names."""
    first = band(seconds=17.0, tempo_bpm=120.0).samples
    second = band(("Am", "F", "C", "G"), seconds=17.0, tempo_bpm=108.0, style="rock", seed=2).samples
    return encoded(first, format="MP3"), encoded(second, format="FLAC")


def files(tracks: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"track1": ("one.mp3", tracks[0]), "track2": ("two.flac", tracks[1])}


def generate(api: Api, tracks: tuple[bytes, bytes], **data: str) -> httpx.Response:
    return api.http.post("/api/generate", files=files(tracks), data=data)


def polled(api: Api, job_id: str) -> list[dict[str, Any]]:
    """What the front end's polling sees until the job has ended."""
    seen: list[dict[str, Any]] = []
    deadline = time.monotonic() + 120
    while not seen or seen[-1]["status"] not in ("completed", "failed"):
        assert time.monotonic() < deadline
        answer = api.http.get(f"/api/status/{job_id}")
        assert answer.status_code == 200
        seen.append(answer.json())
    return seen


def mono(content: bytes) -> Samples:
    samples, rate = decoded(content)
    assert (rate, samples.shape[0]) == (RATE, 1)
    return samples[0]


def test_health_answers(api: Api) -> None:
    assert api.http.get("/health").json()["status"] == "healthy"


def test_the_workflow_as_the_page_shows_it(api: Api, tracks: tuple[bytes, bytes]) -> None:
    created = generate(api, tracks, start_time="0.0", end_time="16.0")
    assert created.status_code == 200
    job_id = created.json()["job_id"]

    seen = polled(api, job_id)
    for status in seen:
        assert isinstance(status["progress"], int)
        assert 0 <= status["progress"] <= 100
        assert isinstance(status["message"], str)
    assert (seen[-1]["status"], seen[-1]["progress"]) == ("completed", 100)

    file = api.http.get(f"/api/download/{job_id}")
    assert (file.status_code, file.headers["content-type"]) == (200, "audio/wav")
    assert 'filename="generated_music.wav"' in file.headers["content-disposition"]
    samples = mono(file.content)
    assert samples.size == 16 * RATE
    assert 0.01 < np.abs(samples).max() <= 1

    assert api.http.delete(f"/api/cleanup/{job_id}").status_code == 200
    for gone in (api.http.get(f"/api/status/{job_id}"), api.http.get(f"/api/download/{job_id}")):
        assert problem(gone, 404, "job-not-found")["detail"] == "Job not found"


def test_a_download_before_the_end_is_not_ready(api: Api, tracks: tuple[bytes, bytes]) -> None:
    job_id = generate(api, tracks).json()["job_id"]
    answer = api.http.get(f"/api/download/{job_id}")
    if answer.status_code != 200:  # it is not ready yet, as good as always
        assert problem(answer, 400, "job-state-conflict")["detail"].startswith("Not ready")
    assert polled(api, job_id)[-1]["status"] == "completed"
    assert api.http.get(f"/api/download/{job_id}").status_code == 200


def test_the_pages_own_test_file_is_taken_and_told_to_be_too_short(api: Api) -> None:
    short = encoded(song(5.0), format="MP3")
    created = generate(api, (short, encoded(song(5.0), format="FLAC")), start_time="0.0", end_time="16.0")
    assert created.status_code == 200
    last = polled(api, created.json()["job_id"])[-1]
    assert last["status"] == "failed"
    assert last["message"].startswith("track1: it is over at 5.")
    assert api.http.get(f"/api/download/{created.json()['job_id']}").status_code == 400


def test_the_chatbot_answers_from_the_job(api: Api, tracks: tuple[bytes, bytes]) -> None:
    job_id = generate(api, tracks, end_time="8").json()["job_id"]
    polled(api, job_id)
    record = api.job(job_id)
    asked = {"job_id": job_id, "question": "What is the tempo of track 1?"}
    for answer in (api.http.post("/api/chat", json=asked), api.http.post("/api/chat", params=asked)):
        body = answer.json()
        assert body["answered"]
        assert "/result/tracks/track1/tempo_bpm" in body["fields"]
        assert str(record["result"]["tracks"]["track1"]["tempo_bpm"]) in body["answer"]
    problem(api.http.post("/api/chat", json=asked | {"job_id": "no-such-job"}), 404, "job-not-found")
