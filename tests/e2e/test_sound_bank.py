"""The sound bank's page, call by call: its clients must not notice that it was replaced."""

from __future__ import annotations

import io
import re
import uuid
import zipfile

import soundfile

from tests.e2e.api import Api, problem

UTC = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
NOTE = {
    "instrument": "electric_guitar",
    "string": 3,
    "fret": 5,
    "velocity": 0.7,
    "technique": ["pluck", "palm_mute"],
    "style_prompt": "crunchy rock tone",
    "duration_seconds": 2.0,
}


def test_a_sound_is_made_as_the_page_shows(api: Api) -> None:
    created = api.http.post("/v1/sounds/generate", json=NOTE | {"no_cache": True})
    assert created.status_code == 202
    body = created.json()
    assert body["status"] == "queued"
    assert isinstance(body["estimated_seconds"], int)
    assert re.fullmatch(UTC, body["created_at"])

    api.wait_for_end(body["job_id"])
    job = api.http.get(f"/v1/sounds/jobs/{body['job_id']}").json()
    assert (job["job_id"], job["status"], job["progress"]) == (body["job_id"], "completed", 1.0)
    assert job["status_message"] == "Sound sample generated successfully"
    assert job["created_at"] == body["created_at"]
    assert re.fullmatch(UTC, job["updated_at"])

    sample = job["sample"]
    assert (sample["instrument"], sample["string"], sample["fret"]) == ("electric_guitar", 3, 5)
    assert sample["file_path"] == f"/samples/{sample['sample_id']}.wav"
    assert (sample["sample_rate"], sample["file_size_bytes"]) == (44100, 352844)  # the page's 352,800, and the header
    assert re.fullmatch(UTC, sample["created_at"])
    assert api.http.get(f"/v1/sounds/{sample['sample_id']}").json() == sample

    download = api.http.get(f"/v1/sounds/{sample['sample_id']}/download", follow_redirects=False)
    assert (download.status_code, download.headers["content-type"]) == (200, "audio/wav")
    assert len(download.content) == 352844
    samples, rate = soundfile.read(io.BytesIO(download.content))
    assert (samples.shape, rate) == ((88200, 2), 44100)


def test_sounds_are_found_as_the_page_shows(api: Api) -> None:
    api.http.post("/v1/sounds/generate", json=NOTE, headers={"Prefer": "wait=60"}).raise_for_status()
    query = {"instrument": "electric_guitar", "string": 3, "fret": 5, "technique": ["pluck"], "limit": 10}
    found = api.http.post("/v1/sounds/search", json=query).json()["samples"]
    assert found
    assert all((hit["instrument"], hit["string"], hit["fret"]) == ("electric_guitar", 3, 5) for hit in found)


def test_jobs_are_listed_by_status(api: Api) -> None:
    made = api.http.post("/v1/sounds/generate", json=NOTE, headers={"Prefer": "wait=60"}).json()
    listed = api.http.get("/v1/sounds/jobs", params={"status": "completed", "limit": 100}).json()["jobs"]
    assert made["job_id"] in [job["job_id"] for job in listed]
    assert {job["status"] for job in listed} == {"completed"}
    problem(api.http.get("/v1/sounds/jobs", params={"status": "lost"}), 422, "invalid-request")


def test_health_and_metrics_answer(api: Api) -> None:
    assert api.http.get("/healthz").status_code == 200
    metrics = api.http.get("/metrics")
    assert metrics.status_code == 200
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "stemworks_jobs_total" in metrics.text


def test_an_identical_request_is_answered_from_the_bank(api: Api) -> None:
    api.http.post("/v1/sounds/generate", json=NOTE, headers={"Prefer": "wait=60"}).raise_for_status()
    again = api.http.post("/v1/sounds/generate", json=NOTE)
    assert (again.status_code, again.json()["status"], again.json()["cached"]) == (200, "completed", True)
    assert again.json()["sample"]["download_url"]


def test_a_batch_is_made_and_exported(api: Api) -> None:
    scale = {"root": "A", "name": "minor_pentatonic", "fret_min": 5, "fret_max": 8}
    body = {"instrument": "acoustic_guitar", "scale": scale, "velocities": [0.4, 0.8], "duration_seconds": 0.5}
    batch = api.http.post("/v1/sounds/batch", json=body, headers={"Prefer": "wait=60"}).json()
    assert batch["status"] == "completed", batch
    assert batch["total"] == batch["made"] + batch["found"] == 24
    samples = api.http.get(f"/v1/sounds/batch/{batch['batch_id']}/samples", params={"limit": 1000}).json()["samples"]
    assert len(samples) == 24
    assert all(abs(sample["pitch"]["deviation_cents"]) < 2 for sample in samples)
    archive = zipfile.ZipFile(io.BytesIO(api.http.get(batch["links"]["export"]).content))
    assert len([name for name in archive.namelist() if name.endswith(".wav")]) == 24
    assert archive.testzip() is None


def test_what_is_not_there_is_refused(api: Api) -> None:
    nobody = str(uuid.uuid4())
    problem(api.http.get(f"/v1/sounds/{nobody}"), 404, "sound-not-found")
    problem(api.http.get(f"/v1/sounds/{nobody}/download"), 404, "sound-not-found")
    problem(api.http.delete(f"/v1/sounds/{nobody}"), 404, "sound-not-found")
    problem(api.http.get(f"/v1/sounds/jobs/{nobody}"), 404, "job-not-found")
    problem(api.http.get(f"/v1/sounds/batch/{nobody}"), 404, "batch-not-found")
    problem(api.http.post("/v1/sounds/search", json={}), 422, "invalid-request")
