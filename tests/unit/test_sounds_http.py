"""``/v1/sounds`` in one process: what its answers look like, and what it refuses."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from core.bootstrap import Services, build, memory_storage
from core.settings import Settings
from tests.clock import Clock
from tests.in_process import call

NOTE: dict[str, Any] = {
    "instrument": "electric_guitar", "string": 3, "fret": 5, "velocity": 0.7, "technique": ["pluck"],
    "duration_seconds": 0.2,
}  # fmt: skip


@pytest.fixture
def services() -> Services:
    return build(Settings.read({}), memory_storage())


def errors(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def made(services: Services, **fields: Any) -> dict[str, Any]:
    job = call(services, "POST", "/v1/sounds/generate", json=NOTE | fields).json()
    services.runner.run(job["job_id"])
    shown = call(services, "GET", f"/v1/sounds/jobs/{job['job_id']}").json()
    assert shown["status"] == "completed", shown
    return dict(shown["sample"])


REFUSED = [
    ({"string": 7}, "/string", "1 to 6"),
    ({"string": 0}, "/string", "1 to 6"),
    ({"instrument": "bass_guitar", "string": 5}, "/string", "bass_guitar has strings 1 to 4"),
    ({"instrument": "banjo"}, "/instrument", "ukulele"),
    ({"instrument": "classical_guitar", "fret": 20}, "/fret", "classical_guitar has frets 0 to 19"),
    ({"fret": -1}, "/fret", "0 to 24"),
    ({"fret": 5.5}, "/fret", "integer"),
    ({"velocity": 1.01}, "/velocity", "0 to 1"),
    ({"velocity": -0.01}, "/velocity", "0 to 1"),
    ({"velocity": "loud"}, "/velocity", "number"),
    ({"technique": ["sweep"]}, "/technique/0", "palm_mute"),
    ({"technique": []}, "/technique", "at least one"),
    ({"technique": ["pluck", "pluck"]}, "/technique", "once"),
    ({"technique": ["palm_mute", "let_ring"]}, "/technique", "let_ring and palm_mute exclude each other"),
    ({"technique": ["dead_note", "vibrato"]}, "/technique", "dead_note and vibrato exclude each other"),
    ({"duration_seconds": 0}, "/duration_seconds", "0.1 to 30 seconds"),
    ({"duration_seconds": 30.1}, "/duration_seconds", "0.1 to 30 seconds"),
    ({"tuning": "nashville"}, "/tuning", "drop_d"),
    ({"tuning": ["E2", "A2"]}, "/tuning", "6 strings"),
    ({"tuning": ["E2", "A2", "D3", "G3", "B3", "H4"]}, "/tuning", "no note"),
    ({"tuning": ["E2", "A2", "D3", "G3", "B3", "E6"]}, "/tuning", "octave"),
    ({"tuning": 5}, "/tuning", "list of the notes"),
    ({"tuning": []}, "/tuning", "list of the notes"),
    ({"tuning": ["E2"] * 13}, "/tuning", "list of the notes"),
    ({"derive": True, "no_cache": True}, "/derive", "no_cache"),
    ({"articulation": {"bend_semitones": 1}}, "/articulation/bend_semitones", "technique bend"),
    ({"technique": ["bend"], "articulation": {"bend_semitones": 9}}, "/articulation/bend_semitones", "0.25 to 4"),
    ({"technique": ["hammer_on"], "fret": 0}, "/articulation", "hammer_on"),
    ({"technique": ["pull_off"], "fret": 23}, "/articulation", "24 frets"),
    ({"technique": ["bend"], "articulation": {"start_seconds": 0.2}}, "/articulation", "lasts 0.2 s"),
    ({"engine": "organ"}, "/engine", "plucked_string"),
    ({"engine": "synth"}, "/engine", "plucked_string"),
    ({"model": "large"}, "/model", "no models"),
    ({"tags": ["Warm"]}, "/tags/0", "pattern"),
    ({"effects": [{"type": "flanger"}]}, "/effects/0/type", "reverb"),
    ({"effects": [{"type": "lowpass", "frequency_hz": 30000}]}, "/effects/0/frequency_hz", "22050"),
    ({"strng": 3}, "/strng", "not a field"),
]


@pytest.mark.parametrize(("fields", "pointer", "hint"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_played_is_refused_with_the_field_and_what_is_allowed(
    services: Services, fields: dict[str, Any], pointer: str, hint: str
) -> None:
    found = errors(call(services, "POST", "/v1/sounds/generate", json=NOTE | fields))
    assert list(found) == [pointer]
    assert hint in found[pointer]
    assert services.jobs.page(None, None, 10, None).jobs == []


def test_a_body_that_is_no_text_is_refused(services: Services) -> None:
    for path in ("generate", "batch", "search"):
        answer = call(
            services, "POST", f"/v1/sounds/{path}", content=b'{"instrument": "\xff\xfe"}',
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        assert answer.status_code == 400, answer.text
        assert answer.json()["type"].endswith(":malformed-json")


def test_what_older_clients_leave_empty_is_the_default(services: Services) -> None:
    body = NOTE | {
        "velocity": None,
        "technique": None,
        "style_prompt": None,
        "duration_seconds": None,
        "derive": None,
        "no_cache": None,
        "tuning": None,
        "tags": None,
        "effects": None,
        "articulation": None,
    }
    answer = call(services, "POST", "/v1/sounds/generate", json=body)
    assert answer.status_code == 202
    request = services.jobs.get(answer.json()["job_id"]).request
    assert (request["velocity"], request["technique"], request["duration_seconds"]) == (0.8, ["pluck"], 2.0)


def test_the_answers_have_the_pages_fields(services: Services) -> None:
    created = call(services, "POST", "/v1/sounds/generate", json=NOTE)
    assert created.headers["location"] == f"/v1/sounds/jobs/{created.json()['job_id']}"
    assert {"job_id", "status", "estimated_seconds", "created_at"} <= created.json().keys()
    sample = made(services)
    fields = {"sample_id", "instrument", "string", "fret", "file_path", "file_size_bytes", "sample_rate", "created_at"}
    assert fields <= sample.keys()


def test_a_file_is_sent_as_it_is_and_not_sent_twice(services: Services) -> None:
    sample = made(services)
    path = f"/v1/sounds/{sample['sample_id']}/download"
    first = call(services, "GET", path)
    assert (first.status_code, len(first.content)) == (200, sample["file_size_bytes"])
    assert first.headers["content-disposition"] == 'attachment; filename="electric_guitar_s3_f05_pluck.wav"'
    assert first.headers["etag"] == f'"{sample["sha256"]}"'
    again = call(services, "GET", path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-99", 206, slice(0, 100)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-44", 206, slice(-44, None)),
        ("bytes=40-999999999", 206, slice(40, None)),
        ("bytes=9-3", 200, slice(None)),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("seconds=0-1", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
    ],
)
def test_players_get_the_part_that_they_ask_for(services: Services, asked: str, status: int, part: slice) -> None:
    path = f"/v1/sounds/{made(services)['sample_id']}/download"
    whole = call(services, "GET", path).content
    answer = call(services, "GET", path, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, whole[part])
    assert answer.headers["content-length"] == str(len(whole[part]))
    if status == 206:
        start, stop, _ = part.indices(len(whole))
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
def test_a_part_beyond_the_end_is_refused(services: Services, asked: str) -> None:
    sample = made(services)
    answer = call(services, "GET", f"/v1/sounds/{sample['sample_id']}/download", headers={"Range": asked})
    assert (answer.status_code, answer.json()["type"]) == (416, "urn:stemworks:problem:range-not-satisfiable")
    assert answer.headers["content-range"] == f"bytes */{sample['file_size_bytes']}"


def test_a_file_that_went_without_its_rows_is_an_error_and_no_broken_answer(services: Services) -> None:
    sample = made(services)
    services.storage.blobs.remove_all("samples", sample["sample_id"])
    answer = call(services, "GET", f"/v1/sounds/{sample['sample_id']}/download")
    assert answer.status_code == 404
    assert "was deleted" in answer.json()["detail"]
    assert call(services, "DELETE", f"/v1/sounds/{sample['sample_id']}").status_code == 204


def test_tags_are_changed_by_a_patch(services: Services) -> None:
    path = f"/v1/sounds/{made(services)['sample_id']}"
    assert call(services, "PATCH", path, json={"tags": ["warm", "solo"]}).json()["tags"] == ["warm", "solo"]
    assert call(services, "GET", path).json()["tags"] == ["warm", "solo"]
    assert "/tags/0" in errors(call(services, "PATCH", path, json={"tags": ["a b"]}))
    assert "/tags" in errors(call(services, "PATCH", path, json={}))
    assert "/fret" in errors(call(services, "PATCH", path, json={"tags": [], "fret": 3}))


def test_a_deleted_sound_is_gone_and_its_job_says_so(services: Services) -> None:
    sample = made(services)
    path = f"/v1/sounds/{sample['sample_id']}"
    assert call(services, "DELETE", path).status_code == 204
    assert call(services, "GET", path).status_code == 404
    job = call(services, "GET", f"/v1/sounds/jobs/{sample['job_id']}").json()
    assert (job["status"], job["sample"], job["status_message"]) == (
        "completed", None, "The sound sample was deleted since",
    )  # fmt: skip


def test_a_job_leads_to_its_sound_for_ever() -> None:
    clock = Clock()
    services = build(Settings.read({}), memory_storage(), clock=clock)
    sample = made(services)
    batch = call(
        services, "POST", "/v1/sounds/batch", json={"instrument": "ukulele", "notes": [{"string": 1, "fret": 0}]}
    )
    services.jobs.cancel(batch.json()["job_id"])
    clock.advance(400 * 86400)
    services.housekeeping.expire()
    shown = call(services, "GET", f"/v1/sounds/jobs/{sample['job_id']}").json()
    assert (shown["status"], shown["sample"]["sample_id"]) == ("completed", sample["sample_id"])
    assert call(services, "GET", batch.headers["location"]).json()["status"] == "canceled"


def test_a_deleted_batch_leaves_its_sounds_and_nothing_else(services: Services) -> None:
    body = {"instrument": "ukulele", "notes": [{"string": 1, "fret": 0}], "duration_seconds": 0.2}
    batch = call(services, "POST", "/v1/sounds/batch", json=body).json()
    services.runner.run(batch["job_id"])
    [(_, sample)] = services.sounds.of_batch(batch["job_id"])
    assert sample is not None
    assert call(services, "DELETE", f"/v1/jobs/{batch['job_id']}").status_code == 204
    assert call(services, "GET", f"/v1/sounds/batch/{batch['job_id']}").status_code == 404
    assert services.sounds.of_batch(batch["job_id"]) == []
    assert services.sounds.get(sample.sample_id) == sample


def test_a_key_gives_the_first_answer_again(services: Services) -> None:
    headers = {"Idempotency-Key": "one"}
    first = call(services, "POST", "/v1/sounds/generate", json=NOTE, headers=headers)
    again = call(services, "POST", "/v1/sounds/generate", json=NOTE, headers=headers)
    assert first.json() == again.json()
    other = call(services, "POST", "/v1/sounds/generate", json=NOTE | {"fret": 6}, headers=headers)
    assert (other.status_code, other.json()["type"].rpartition(":")[2]) == (422, "idempotency-mismatch")


def test_a_search_needs_a_field_and_its_own_cursor(services: Services) -> None:
    for fret in range(4):
        made(services, fret=fret)
    assert call(services, "POST", "/v1/sounds/search", json={"limit": 5}).status_code == 422
    query = {"instrument": "electric_guitar", "string": 3, "limit": 2}
    first = call(services, "POST", "/v1/sounds/search", json=query).json()
    assert [sample["fret"] for sample in first["samples"]] == [0, 1]
    second = call(services, "POST", "/v1/sounds/search", json=query | {"cursor": first["next_cursor"]}).json()
    assert [sample["fret"] for sample in second["samples"]] == [2, 3]
    assert second["next_cursor"] is None
    tampered = first["next_cursor"][:-2] + ("A" if first["next_cursor"][-2] != "A" else "B") + first["next_cursor"][-1]
    for cursor in (tampered, "x", "é", "A" * 400):
        assert "/cursor" in errors(call(services, "POST", "/v1/sounds/search", json=query | {"cursor": cursor}))


def test_batches_refuse_what_no_instrument_has(services: Services) -> None:
    batch = {"instrument": "ukulele", "region": {"strings": [5], "fret_min": 0, "fret_max": 3}}
    answer = call(services, "POST", "/v1/sounds/batch", json=batch)
    assert any(pointer.startswith("/region/strings") for pointer in errors(answer))
    assert errors(call(services, "POST", "/v1/sounds/batch", json={"instrument": "ukulele"}))


def test_instruments_and_techniques_are_listed(services: Services) -> None:
    listed = call(services, "GET", "/v1/sounds/instruments").json()
    assert [each["name"] for each in listed["instruments"]] == [
        "acoustic_guitar", "electric_guitar", "classical_guitar", "bass_guitar", "ukulele",
    ]  # fmt: skip
    assert "drop_d" in listed["instruments"][0]["tunings"]
    assert "harmonic" in listed["techniques"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("sounds/generate", "technique"), ("sounds/generate", "tags"), ("sounds/generate", "tuning"),
        ("sounds/generate", "effects"), ("sounds/generate", "callback_events"), ("sounds/batch", "velocities"),
        ("sounds/batch", "notes"), ("sounds/search", "technique"), ("sounds/search", "tags"),
        ("sounds/search", "tuning"), ("generations", "target_stems"), ("generations", "callback_events"),
        ("separations", "stems"), ("effects", "effects"),
    ],
)  # fmt: skip
def test_a_list_of_a_hundred_thousand_wrong_entries_gets_a_short_answer(
    services: Services, path: str, field: str
) -> None:
    answer = call(services, "POST", f"/v1/{path}", json={field: [3] * 100_000})
    assert answer.status_code == 422
    assert len(answer.content) < 5_000
    assert any(error["pointer"].startswith(f"/{field}") for error in answer.json()["errors"])


def test_of_very_many_wrong_fields_some_are_named(services: Services) -> None:
    answer = call(services, "POST", "/v1/sounds/generate", json={f"field-{number}": 1 for number in range(10_000)})
    assert answer.status_code == 422
    assert len(answer.content) < 20_000
    assert "more do not fit" in answer.json()["errors"][-1]["detail"]
