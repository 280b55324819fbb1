"""Bridges through the API: several ratios, other jobs' stems, and what is asked about them."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from tests.e2e.api import Api, problem
from tests.music import band
from tests.songs import SAMPLE_RATE, Samples, decoded, encoded

SECONDS = 8.0


@pytest.fixture(scope="module")
def tracks() -> tuple[Samples, Samples]:
    first = band(seconds=SECONDS, tempo_bpm=120.0).samples
    return first, band(("Dm", "G", "C", "C"), seconds=SECONDS, tempo_bpm=112.0, style="jazz", seed=3).samples


def residual_db(made: Samples, wanted: Samples) -> float:
    return float(10 * np.log10(np.mean((made - wanted) ** 2) / np.mean(wanted**2)))


def test_three_ratios_in_stereo_whose_ends_are_the_tracks(api: Api, tracks: tuple[Samples, Samples]) -> None:
    files = {f"track{index}": (f"{index}.wav", encoded(track)) for index, track in enumerate(tracks, 1)}
    data = {"ratios": "0, 0.5, 1", "stereo": "true", "format": "wav_float"}
    created = api.http.post("/v1/bridges", files=files, data=data, headers={"Prefer": "wait=60"})
    assert created.status_code in (200, 202), created.text
    job = api.wait_for_end(created.json()["job_id"])
    assert job["status"] == "completed", job
    assert [output["name"] for output in job["outputs"]] == ["bridge-0.wav", "bridge-0.5.wav", "bridge-1.wav"]

    archive = zipfile.ZipFile(io.BytesIO(api.http.get(job["links"]["zip"]).content))
    made = {name: decoded(archive.read(name)) for name in archive.namelist()}
    for name, track in (("bridge-0.wav", tracks[0]), ("bridge-1.wav", tracks[1])):
        samples, rate = made[name]
        assert rate == SAMPLE_RATE
        assert residual_db(samples, track) < -40
    middle = made["bridge-0.5.wav"][0]
    assert middle.shape == tracks[0].shape
    assert min(residual_db(middle, track) for track in tracks) > -20  # a third one


def test_a_stem_of_a_job_meets_another(api: Api) -> None:
    stems = api.wait_for_end(api.generate("bass", "guitar", parameters={"duration_seconds": 4}).json()["job_id"])
    places = {
        name: {"job_id": stems["job_id"], "file": output["name"]}
        for name, output in zip(("track1", "track2"), stems["outputs"], strict=True)
    }
    created = api.http.post("/v1/bridges", json=places | {"start_seconds": 0.5, "end_seconds": 3.5, "ratios": [0.3]})
    job = api.wait_for_end(created.json()["job_id"])
    assert (job["status"], job["outputs"][0]["name"]) == ("completed", "bridge-0.3.wav")
    assert job["outputs"][0]["duration_seconds"] == pytest.approx(3.0)

    asked = api.http.post(f"/v1/jobs/{job['job_id']}/ask", json={"question": "Which parameters were used?"}).json()
    assert asked["answered"]
    assert "/request/ratios" in asked["fields"]
    assert "0.3" in asked["answer"]
    unknown = api.http.post(f"/v1/jobs/{job['job_id']}/ask", json={"question": "Who won the match?"}).json()
    assert (unknown["answered"], unknown["fields"]) == (False, [])


def test_what_does_not_fit_is_refused_with_the_field(api: Api, tracks: tuple[Samples, Samples]) -> None:
    content = encoded(tracks[0])
    both = {"track1": ("1.wav", content), "track2": ("2.wav", content)}
    answer = api.http.post("/v1/bridges", files=both, data={"end_seconds": "16"})
    assert problem(answer, 422, "invalid-request")["errors"][0]["pointer"] == "/end_seconds"
    answer = api.http.post("/v1/bridges", files={"track1": both["track1"]})
    assert problem(answer, 422, "invalid-request")["errors"][0]["pointer"] == "/track2"
    problem(api.http.post("/v1/bridges", files=both | {"track2": ("2.mp3", content)}), 422, "mislabeled-audio")


def test_an_engine_without_its_weights_fails_its_job_with_what_to_do(api: Api, tracks: tuple[Samples, Samples]) -> None:
    files = {f"track{index}": (f"{index}.wav", encoded(track)) for index, track in enumerate(tracks, 1)}
    created = api.http.post("/v1/bridges", files=files, data={"engine": "encodec"})
    job = api.wait_for_end(created.json()["job_id"])
    assert (job["status"], job["error"]["type"]) == ("failed", "model-not-found")
    assert "make train-bridge" in job["error"]["detail"]
