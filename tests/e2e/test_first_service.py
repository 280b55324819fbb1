"""The first generation service's page, call by call: its clients must not notice that it was replaced."""

from __future__ import annotations

import re
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.e2e.api import Api, new_id, problem
from tests.e2e.conftest import Installation
from tests.receiver import Receiver

PARAMETERS = {
    "target_bpm": 120.0,
    "duration_seconds": 1.0,
    "style": "rock",
    "chord_progression": ["C", "G", "Am", "F"],
    "prompt": "energetic rock guitar",
    "temperature": 1.0,
    "random_seed": 42,
}


def body(**fields: Any) -> dict[str, Any]:
    return {
        "generation_request_id": new_id("gen"),
        "audio_file_id": new_id("aud"),
        "target_stems": ["guitar", "bass", "drums"],
        "parameters": PARAMETERS,
    } | fields


def test_health_has_the_shape_of_the_page(api: Api) -> None:
    answer = api.http.get("/health")
    assert answer.status_code == 200
    health = answer.json()
    assert list(health) == ["status", "timestamp", "services", "gpu_available"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", health["timestamp"])
    assert health["services"] == {
        "stable_audio": "not_loaded",
        "musicgen": "not_loaded",
        "storage": "connected",
        "mode": "mock",
    }
    assert health["status"] == "healthy"
    assert isinstance(health["gpu_available"], bool)


def test_generate_answers_as_the_page_shows(api: Api) -> None:
    sent = body()
    answer = api.http.post("/generate", json=sent)
    assert answer.status_code == 202
    assert answer.json() == {
        "generation_request_id": sent["generation_request_id"],
        "status": "processing",
        "message": "Generation started. Stems will be available shortly.",
    }
    job = api.wait_for_end(sent["generation_request_id"])
    assert job["status"] == "completed"


def test_the_callback_has_the_pages_payload_and_a_signature(api: Api, installation: Installation) -> None:
    if installation.secret is None:
        pytest.skip("an installation elsewhere cannot call back to this machine")
    with Receiver() as receiver:
        sent = body(callback_url=receiver.url)
        api.http.post("/generate", json=sent)
        (received,) = receiver.wait_for(1)
    Webhook(installation.secret).verify(received.body.encode(), received.headers)
    payload = received.json()
    seconds = payload.pop("processing_time_seconds")
    stems = payload.pop("generated_stems")
    assert payload == {
        "generation_request_id": sent["generation_request_id"],
        "audio_file_id": sent["audio_file_id"],
        "status": "completed",
        "parameters": PARAMETERS,
    }
    assert 0 < seconds < 60
    assert [stem["stem_type"] for stem in stems] == ["guitar", "bass", "drums"]
    for stem in stems:
        folder = f"/audio-files/{sent['audio_file_id']}/generated/{sent['generation_request_id']}/"
        assert stem["blob_url"].endswith(f"{folder}{stem['stem_type']}.wav")
        assert stem["file_size_bytes"] == 44 + 44100 * 2 * 2
        assert (stem["format"], stem["sample_rate"], stem["channels"]) == ("wav", 44100, 2)


def test_the_same_id_and_body_is_the_same_job_and_another_body_is_refused(api: Api) -> None:
    sent = body(target_stems=["bass"])
    assert api.http.post("/generate", json=sent).status_code == 202
    job = api.wait_for_end(sent["generation_request_id"])
    assert api.http.post("/generate", json=sent).status_code == 202
    assert api.job(sent["generation_request_id"]) == job
    problem(api.http.post("/generate", json=body(**sent | {"target_stems": ["drums"]})), 409, "job-conflict")


def test_fields_that_its_clients_leave_out_or_send_as_null_have_defaults(api: Api) -> None:
    nothing = dict.fromkeys(PARAMETERS)
    sent = body(target_stems=["bass"], parameters=nothing | {"duration_seconds": 0.5}, callback_url=None, extra=1)
    assert api.http.post("/generate", json=sent).status_code == 202
    job = api.wait_for_end(sent["generation_request_id"])
    assert job["request"]["parameters"]["random_seed"] is not None
