"""Generation through the API: from the request to the files."""

from __future__ import annotations

import hashlib
import io
import re
import wave
import zipfile

import httpx
import pytest
from standardwebhooks import Webhook

from tests.e2e.api import Api, new_id, problem
from tests.e2e.conftest import Installation
from tests.receiver import Receiver
from tests.songs import encoded, song


def completed(api: Api, *stems: str, **fields: object) -> dict:
    answer = api.generate(*stems, **fields)
    assert answer.status_code == 202, answer.text
    job = api.wait_for_end(answer.json()["job_id"])
    assert job["status"] == "completed", job["error"]
    return job


def test_a_request_is_answered_at_once_and_says_where_to_look(api: Api) -> None:
    answer = api.generate("bass", parameters={"random_seed": None})
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['job_id']}" == job["links"]["self"]
    assert int(answer.headers["retry-after"]) >= 1
    assert (job["status"], job["progress"], job["kind"]) == ("queued", 0.0, "generation")
    assert isinstance(job["request"]["parameters"]["random_seed"], int)  # drawn, and returned
    api.wait_for_end(job["job_id"])


def test_the_files_are_what_the_job_says(api: Api) -> None:
    job = completed(api, "guitar", "drums", parameters={"duration_seconds": 2.5})
    assert [output["name"] for output in job["outputs"]] == ["guitar.wav", "drums.wav"]
    for output in job["outputs"]:
        redirect = api.http.get(output["url"])
        assert redirect.status_code == 302
        content = httpx.get(redirect.headers["location"]).content
        assert len(content) == output["file_size_bytes"]
        assert hashlib.sha256(content).hexdigest() == output["sha256"]
        with wave.open(io.BytesIO(content)) as file:
            assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 44100, 110250)
            loudest = max(abs(sample) for sample in memoryview(file.readframes(110250)).cast("h"))
        assert loudest == pytest.approx(0.8 * 32768, abs=1)


def test_the_same_request_and_seed_give_the_same_bytes_and_another_seed_another_take(api: Api) -> None:
    first, again, other = (
        completed(api, "piano", parameters={"random_seed": seed})["outputs"][0]["sha256"] for seed in (5, 5, 6)
    )
    assert first == again != other


def test_files_come_at_the_rate_the_channels_and_the_loudness_that_were_asked_for(api: Api) -> None:
    wanted = {"duration_seconds": 3, "sample_rate": 48000, "channels": 1, "loudness_lufs": -20}
    job = completed(api, "piano", "bass", parameters=wanted)
    for output in job["outputs"]:
        with wave.open(io.BytesIO(api.http.get(output["url"], follow_redirects=True).content)) as file:
            assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, 48000, 144000)
        assert output["loudness_lufs"] == pytest.approx(-20, abs=0.1)
        assert output["true_peak_dbtp"] <= -1
    receipt = job["result"]
    assert (receipt["engine"], receipt["random_seed"], receipt["weights_sha256"]) == ("synth", 1, None)
    assert (receipt["sample_rate"], receipt["channels"], list(receipt["libraries"])) == (44100, 2, ["numpy"])
    assert receipt["stems"]["bass"]["loudness_lufs"] == job["outputs"][1]["loudness_lufs"]


def test_a_stem_can_be_heard_while_it_is_being_made(api: Api) -> None:
    stems = ("piano", "synth", "guitar", "vocals", "drums", "bass", "other")
    job_id = api.generate(*stems, preview=True, parameters={"duration_seconds": 600}).json()["job_id"]
    job = api.wait_for(job_id, lambda job: bool(job["previews"]))
    assert (job["status"], job["outputs"]) == ("processing", [])
    preview = job["previews"][0]
    assert (preview["stem_type"], preview["part_seconds"]) == ("piano", 2.0)
    assert preview["ready_seconds"] == 2.0 * preview["parts"]
    part = api.http.get(preview["url"].replace("{part}", "0000"), follow_redirects=True)
    with wave.open(io.BytesIO(part.content)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 44100, 88200)
    problem(api.http.get(preview["url"].replace("{part}", "9999")), 404, "file-not-found")
    api.http.post(f"/v1/jobs/{job_id}/cancel")
    ended = api.wait_for_end(job_id)
    assert all("preview" not in output["name"] for output in ended["outputs"])
    assert api.http.delete(f"/v1/jobs/{job_id}").status_code == 204


def test_a_form_takes_the_same_fields_and_files_for_engines_that_use_them(api: Api) -> None:
    fields = {"target_stems": "bass, drums", "duration_seconds": "0.5", "chord_progression": "Am F", "preview": "false"}
    form = {name: (None, value) for name, value in fields.items()}
    answer = api.http.post("/v1/generations", files=form)
    assert answer.status_code == 202, answer.text
    asked = answer.json()["request"]
    assert asked["target_stems"] == ["bass", "drums"]
    assert (asked["parameters"]["duration_seconds"], asked["parameters"]["chord_progression"]) == (0.5, ["Am", "F"])
    assert api.wait_for_end(answer.json()["job_id"])["status"] == "completed"
    melody = ("song.wav", encoded(song(8.0)), "audio/wav")  # larger than any JSON may be
    refused = problem(api.http.post("/v1/generations", files={**form, "melody": melody}), 422, "invalid-request")
    (error,) = refused["errors"]
    assert error["pointer"] == "/melody"
    assert "synth does not use it" in error["detail"]


def test_what_another_job_made_can_be_gone_on_from(api: Api) -> None:
    before = completed(api, "guitar", parameters={"duration_seconds": 1})
    prompt = {"job_id": before["job_id"], "file": "guitar.wav"}
    answer = api.generate("bass", engine="musicgen", model="small", audio_prompt=prompt)
    assert answer.status_code == 202, answer.text
    taken = answer.json()["request"]["audio_prompt"]
    assert taken["source"]["name"].endswith(f"{before['job_id']}/guitar.wav")
    assert (taken["audio"]["sample_rate"], taken["audio"]["duration_seconds"]) == (44100, 1.0)
    api.http.post(f"{answer.json()['links']['self']}/cancel")  # its weights may not be here
    problem(api.generate(engine="musicgen", audio_prompt=prompt | {"file": "bass.wav"}), 404, "file-not-found")
    problem(api.generate(engine="musicgen", audio_prompt={"blob": "inbox/nowhere.wav"}), 404, "source-not-found")


def test_all_seven_stems_can_be_had_as_one_zip(api: Api) -> None:
    stems = ("drums", "bass", "guitar", "vocals", "piano", "synth", "other")
    job = completed(api, *stems)
    answer = api.http.get(job["links"]["zip"])
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [f"{stem}.wav" for stem in stems]
        digests = [hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()]
    assert digests == [output["sha256"] for output in job["outputs"]]


def test_events_tell_of_every_step_to_the_end(api: Api) -> None:
    job_id = api.generate("drums", "bass", parameters={"duration_seconds": 600}).json()["job_id"]
    events = list(api.events(job_id))
    revisions = [int(event["id"]) for event in events]
    progress = [event["data"]["progress"] for event in events]
    assert events[-1]["event"] == "job.completed"
    assert events[-1]["data"]["outputs"][1]["name"] == "bass.wav"
    assert revisions == sorted(set(revisions))
    assert progress == sorted(progress)
    assert any(event["event"] == "job.progress" and 0 < event["data"]["progress"] < 1 for event in events)


def test_events_go_on_from_the_last_one_and_end_with_204(api: Api) -> None:
    job = completed(api)
    first = list(api.events(job["job_id"]))
    assert [event["event"] for event in first] == ["job.completed"]
    last = int(first[0]["id"])
    assert [event["id"] for event in api.events(job["job_id"], last - 1)] == [str(last)]
    answer = api.http.get(f"/v1/jobs/{job['job_id']}/events", headers={"Last-Event-ID": str(last)})
    assert answer.status_code == 204
    problem(api.http.get("/v1/jobs/nobody/events"), 404, "job-not-found")


def test_a_client_may_wait_for_the_end(api: Api) -> None:
    answer = api.generate("bass", headers={"Prefer": "wait=30"})
    assert answer.status_code == 200
    assert answer.json()["status"] == "completed"


def test_a_running_job_can_be_canceled_and_retried(api: Api) -> None:
    stems = ("piano", "synth", "guitar", "vocals", "drums", "bass", "other")
    job_id = api.generate(*stems, parameters={"duration_seconds": 600}).json()["job_id"]
    api.wait_for(job_id, lambda job: job["progress"] > 0)
    problem(api.http.delete(f"/v1/jobs/{job_id}"), 409, "job-state-conflict")
    asked = api.http.post(f"/v1/jobs/{job_id}/cancel")
    assert (asked.status_code, asked.json()["cancel_requested"]) == (202, True)
    job = api.wait_for_end(job_id, 10)
    assert job["status"] == "canceled"
    problem(api.http.post(f"/v1/jobs/{job_id}/cancel"), 409, "job-state-conflict")
    assert api.http.post(job["links"]["retry"]).json()["status"] == "queued"
    assert api.wait_for(job_id, lambda job: job["attempt"] == 2)["status"] in ("processing", "completed")
    api.http.post(f"/v1/jobs/{job_id}/cancel")
    api.wait_for_end(job_id)


def test_a_job_can_be_deleted_with_its_files(api: Api) -> None:
    job = completed(api)
    link = api.http.get(job["outputs"][0]["url"]).headers["location"]
    assert api.http.delete(job["links"]["self"]).status_code == 204
    assert httpx.get(link).status_code == 404
    problem(api.http.get(job["links"]["self"]), 404, "job-not-found")
    problem(api.http.get(job["outputs"][0]["url"]), 404, "job-not-found")


def test_jobs_are_listed_newest_first_page_by_page(api: Api) -> None:
    ids = [completed(api)["job_id"] for _ in range(3)]
    page = api.http.get("/v1/jobs", params={"status": "completed", "kind": "generation", "limit": 2}).json()
    assert [job["job_id"] for job in page["jobs"]] == ids[:0:-1]
    query = {"status": "completed", "kind": "generation", "limit": 1, "cursor": page["next_cursor"]}
    assert api.http.get("/v1/jobs", params=query).json()["jobs"][0]["job_id"] == ids[0]


def test_an_idempotency_key_makes_one_job(api: Api) -> None:
    key = {"Idempotency-Key": new_id("key")}
    first = api.generate("bass", headers=key)
    again = api.generate("bass", headers=key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["location"] == first.headers["location"]
    problem(api.generate("drums", headers=key), 422, "idempotency-mismatch")


def test_callbacks_follow_the_standard(api: Api, installation: Installation) -> None:
    if installation.secret is None:
        pytest.skip("an installation elsewhere cannot call back to this machine")
    with Receiver() as receiver:
        job = completed(api, "bass", callback_url=receiver.url)
        (received,) = receiver.wait_for(1)
    Webhook(installation.secret).verify(received.body.encode(), received.headers)
    assert received.json()["type"] == "job.completed"
    assert received.json()["data"]["job_id"] == job["job_id"]
    log = api.http.get(job["links"]["deliveries"]).json()["deliveries"]
    assert log[0]["delivery_id"] == received.headers["webhook-id"]


def test_a_receiver_can_be_tried_before_any_job(api: Api, installation: Installation) -> None:
    if installation.secret is None:
        pytest.skip("an installation elsewhere cannot call back to this machine")
    with Receiver() as receiver:
        result = api.http.post("/v1/webhooks/test", json={"url": receiver.url}).json()
        (received,) = receiver.wait_for(1)
    Webhook(installation.secret).verify(received.body.encode(), received.headers)
    assert (result["delivered"], result["status_code"]) == (True, 200)
    assert result["webhook_id"] == received.headers["webhook-id"]
    assert received.json()["type"] == "webhook.test"
    body = problem(api.http.post("/v1/webhooks/test", json={"url": "ftp://x"}), 422, "invalid-request")
    assert body["errors"][0]["pointer"] == "/url"


def test_the_service_describes_itself(api: Api) -> None:
    assert api.http.get("/healthz").json() == {"status": "ok"}
    assert api.http.get("/readyz").json()["status"] == "ready"
    assert api.http.get("/v1/engines").json()["engines"][0]["name"] == "synth"
    assert "/v1/generations" in api.http.get("/openapi.json").json()["paths"]
    page = api.http.get("/docs").text
    assert "openapi.json" in page
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert assets and all(asset.startswith("/docs/assets/") for asset in assets)  # nothing from elsewhere
    assert [api.http.get(asset).status_code for asset in assets] == [200] * len(assets)


BAD_FIELDS = {
    "unknown stem": ({"target_stems": ["bass", "kazoo"]}, "/target_stems/1", "drums"),
    "no stems": ({"target_stems": []}, "/target_stems", "at least one"),
    "duplicate stem": ({"target_stems": ["bass", "bass"]}, "/target_stems", "once"),
    "missing stems": ({"target_stems": None}, "/target_stems", ""),
    "slow": ({"parameters": {"target_bpm": 29.9}}, "/parameters/target_bpm", "30 to 300"),
    "fast": ({"parameters": {"target_bpm": 301}}, "/parameters/target_bpm", "30 to 300"),
    "short": ({"parameters": {"duration_seconds": 0.4}}, "/parameters/duration_seconds", "0.5 to 600"),
    "long": ({"parameters": {"duration_seconds": 601}}, "/parameters/duration_seconds", "0.5 to 600"),
    "rate": ({"parameters": {"sample_rate": 44000}}, "/parameters/sample_rate", "one of 16000, 22050"),
    "channels": ({"parameters": {"channels": 6}}, "/parameters/channels", "1 to 2"),
    "loud": ({"parameters": {"loudness_lufs": -4}}, "/parameters/loudness_lufs", "-40 to -5 LUFS"),
    "tokens": ({"parameters": {"top_k": 250}}, "/parameters/top_k", "synth does not use it; musicgen does"),
    "steps": ({"parameters": {"steps": 100}}, "/parameters/steps", "synth does not use it; stable_audio does"),
    "melody": ({"melody": {"blob": "inbox/song.wav"}}, "/melody", "musicgen stereo-melody do"),
    "no place": ({"audio_prompt": {"file": "bass.wav"}}, "/audio_prompt", "job_id and file go together"),
    "model": ({"model": "large"}, "/model", "synth has no models"),
    "hot": ({"parameters": {"temperature": 2.1}}, "/parameters/temperature", "0 to 2"),
    "not a number": ({"parameters": {"temperature": "warm"}}, "/parameters/temperature", "number"),
    "chord": ({"parameters": {"chord_progression": ["C", "H7"]}}, "/parameters/chord_progression/1", "Am7"),
    "no chords": ({"parameters": {"chord_progression": []}}, "/parameters/chord_progression", "at least one"),
    "callback scheme": ({"callback_url": "ftp://example.org/x"}, "/callback_url", "https"),
    "callback host": ({"callback_url": "https:///x"}, "/callback_url", "host"),
    "callback event": ({"callback_events": ["job.done"]}, "/callback_events/0", "job.completed"),
    "engine": ({"engine": "kazoo"}, "/engine", "synth"),
    "folder": ({"audio_file_id": "../other"}, "/audio_file_id", ""),
    "unknown field": ({"stems": ["bass"]}, "/stems", "not a field"),
}


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_a_field_that_does_not_fit_is_named_with_what_is_allowed(api: Api, name: str) -> None:
    fields, pointer, allowed = BAD_FIELDS[name]
    body = problem(api.generate(**{"target_stems": ["bass"], **fields}), 422, "invalid-request")
    (error,) = body["errors"]
    assert error["pointer"] == pointer
    assert allowed in error["detail"]


def test_bodies_that_are_no_requests_are_refused(api: Api) -> None:
    def post(content: bytes, content_type: str = "application/json") -> httpx.Response:
        return api.http.post("/v1/generations", content=content, headers={"content-type": content_type})

    problem(post(b'{"target_stems": ['), 400, "malformed-json")
    problem(post(b"\xff\xfe"), 400, "malformed-json")
    problem(post(b"[]"), 422, "invalid-request")
    problem(post(b""), 422, "invalid-request")
    problem(post(b"target_stems=bass", "application/x-www-form-urlencoded"), 415, "unsupported-media-type")
    problem(post(b'{"a": "' + b"x" * 1_100_000 + b'"}'), 413, "too-large")
    problem(post(b"[" * 100_000), 400, "malformed-json")


def test_addresses_and_queries_that_do_not_fit_are_refused(api: Api) -> None:
    problem(api.http.get("/v1/jobs/nobody"), 404, "job-not-found")
    problem(api.http.get("/v1/jobs/nobody/files/%2e%2e%2fx"), 404, "not-found")
    problem(api.http.get("/v1/jobs/a%23b%3fc%00"), 404, "job-not-found")
    problem(api.http.get("/v1/jobs", params={"limit": 0}), 422, "invalid-request")
    problem(api.http.get("/v1/jobs", params={"status": "sleeping"}), 422, "invalid-request")
    problem(api.http.get("/v1/jobs", params={"cursor": "rubbish"}), 422, "invalid-request")
    problem(api.http.put("/v1/jobs/nobody"), 405, "method-not-allowed")
    problem(api.http.post("/v1/dead-letters/nobody/replay"), 404, "dead-letter-not-found")
    job = completed(api)
    problem(api.http.get(f"{job['links']['self']}/files/kazoo.wav"), 404, "file-not-found")
