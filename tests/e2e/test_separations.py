"""Songs come in by every way there is, and come out as stems that add up."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
from azure.storage.blob import BlobBlock, BlobClient, BlobServiceClient

from local.azurite import Azurite
from tests.e2e.api import Api, new_id, problem
from tests.e2e.conftest import Installation
from tests.integration.local_host import wait_for
from tests.receiver import Receiver
from tests.songs import SAMPLE_RATE, decoded, encoded, level_db, song

FOUR = ("drums", "bass", "other", "vocals")
SONG = song()
WAV = encoded(SONG)


def separate(api: Api, content: bytes = WAV, filename: str = "song.wav", headers: Any = None, **fields: Any) -> Any:
    files = {"file": (filename, content)}
    return api.http.post("/v1/separations", files=files, data=fields, headers=headers)


def ended(api: Api, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    job = api.wait_for_end(answer.json()["job_id"])
    assert job["status"] == "completed", job["error"]
    return job


def download(api: Api, output: dict[str, Any]) -> bytes:
    answer = api.http.get(output["url"], follow_redirects=True)
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == output["sha256"]
    assert len(answer.content) == output["file_size_bytes"]
    return answer.content


def stems_of(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {output["stem_type"]: output for output in job["outputs"] if output["format"] != "json"}


def test_the_stems_of_a_song_add_up_to_it(api: Api) -> None:
    job = ended(api, separate(api))
    assert job["kind"] == "separation" and job["engine"]["name"] == "spectral"
    stems = {name: decoded(download(api, output)) for name, output in stems_of(job).items()}
    assert tuple(stems) == FOUR
    assert all(rate == SAMPLE_RATE and samples.shape == SONG.shape for samples, rate in stems.values())
    left = SONG - sum(samples for samples, _ in stems.values())
    assert level_db(left) - level_db(SONG) < -60
    assert job["result"]["residual_db"] is None or job["result"]["residual_db"] < -60
    assert job["result"]["gain_db"] == 0
    assert (job["result"]["frames"], job["result"]["sample_rate"]) == (SONG.shape[1], SAMPLE_RATE)


def test_each_stem_has_its_loudness_and_its_waveform(api: Api) -> None:
    job = ended(api, separate(api, stems="bass,vocals"))
    bass, bass_peaks, _, _ = job["outputs"]
    assert [output["name"] for output in job["outputs"]] == [
        "bass.wav", "bass.peaks.json", "vocals.wav", "vocals.peaks.json",
    ]  # fmt: skip
    assert -60 < bass["loudness_lufs"] < 0
    samples, _ = decoded(download(api, bass))
    assert bass["true_peak_dbtp"] >= 20 * np.log10(np.abs(samples).max()) - 0.1
    waveform = json.loads(download(api, bass_peaks))
    assert (waveform["version"], waveform["channels"], waveform["sample_rate"]) == (2, 2, SAMPLE_RATE)
    pixels = -(-SONG.shape[1] // waveform["samples_per_pixel"])
    assert waveform["length"] == pixels
    assert len(waveform["data"]) == pixels * 2 * 2


@pytest.mark.parametrize("output_format", ["wav16", "wav24", "wav_float", "flac", "mp3", "ogg"])
def test_stems_come_in_the_format_that_was_asked_for(api: Api, output_format: str) -> None:
    job = ended(api, separate(api, stems="bass", format=output_format))
    samples, rate = decoded(download(api, stems_of(job)["bass"]))
    assert (samples.shape, rate) == (SONG.shape, SAMPLE_RATE)
    assert stems_of(job)["bass"]["format"] == ("wav" if output_format.startswith("wav") else output_format)


def test_m4a_is_made_and_taken_in_again(api: Api) -> None:
    first = ended(api, separate(api, stems="bass", format="m4a"))
    m4a = download(api, stems_of(first)["bass"])
    again = ended(api, separate(api, m4a, "bass.m4a", stems="bass"))
    samples, _ = decoded(download(api, stems_of(again)["bass"]))
    assert samples.shape == SONG.shape


def test_one_stem_and_the_rest(api: Api) -> None:
    job = ended(api, separate(api, two_stems="vocals", residual="true", format="wav_float", peaks="false"))
    stems = {name: decoded(download(api, output))[0] for name, output in stems_of(job).items()}
    assert tuple(stems) == ("vocals", "no_vocals", "residual")
    assert level_db(decoded(WAV)[0] - stems["vocals"] - stems["no_vocals"]) < -120
    assert len(job["outputs"]) == 3


def test_stems_that_would_clip_are_brought_down_alike(api: Api) -> None:
    loud = song(level=2.0)
    job = ended(api, separate(api, encoded(loud, subtype="FLOAT")))
    stems = [decoded(download(api, output))[0] for output in stems_of(job).values()]
    gain_db = job["result"]["gain_db"]
    assert gain_db < 0
    assert max(float(np.abs(stem).max()) for stem in stems) > 0.999
    left = loud * 10 ** (gain_db / 20) - sum(stems)
    assert level_db(left) < -60


@pytest.mark.parametrize(("sample_rate", "channels"), [(8000, 1), (48000, 2), (96000, 1)])
def test_rate_channels_and_length_stay_as_they_were(api: Api, sample_rate: int, channels: int) -> None:
    mixture = song(1.234, sample_rate, channels)
    job = ended(api, separate(api, encoded(mixture, sample_rate, "FLAC"), "song.flac", format="flac"))
    for output in stems_of(job).values():
        samples, rate = decoded(download(api, output))
        assert (samples.shape, rate) == (mixture.shape, sample_rate)


def test_all_files_come_as_one_zip(api: Api) -> None:
    job = ended(api, separate(api))
    archive = zipfile.ZipFile(io.BytesIO(api.http.get(job["links"]["zip"]).content))
    assert archive.namelist() == [output["name"] for output in job["outputs"]]


def test_a_direct_upload_goes_on_after_a_break(api: Api) -> None:
    upload = api.http.post("/v1/uploads", json={"filename": "song.wav", "size_bytes": len(WAV)}).json()
    client = BlobClient.from_blob_url(upload["url"])
    half = len(WAV) // 2
    client.stage_block(base64.b64encode(b"1").decode(), WAV[:half])
    address = f"/v1/uploads/{upload['upload_id']}"
    problem(api.http.post(f"{address}/complete"), 409, "upload-incomplete")
    arrived = api.http.get(address).json()
    assert arrived["received"]["size_bytes"] == half
    client.stage_block(base64.b64encode(b"2").decode(), WAV[half:])
    client.commit_block_list([BlobBlock(base64.b64encode(number).decode()) for number in (b"1", b"2")])
    problem(api.http.post(f"{address}/complete", json={"sha256": "0" * 64}), 409, "upload-incomplete")
    complete = api.http.post(f"{address}/complete", json={"sha256": hashlib.sha256(WAV).hexdigest()})
    assert complete.status_code == 200, complete.text
    answer = api.http.post("/v1/separations", json={"upload_id": upload["upload_id"], "stems": ["drums"]})
    assert [*stems_of(ended(api, answer))] == ["drums"]


def test_a_stem_of_a_finished_job_is_separated_by_its_blob(api: Api) -> None:
    made = api.wait_for_end(api.generate("drums").json()["job_id"])
    blob = made["outputs"][0]["blob_url"].partition("audio-files/")[2]
    job = ended(api, api.http.post("/v1/separations", json={"blob": f"audio-files/{blob}", "stems": ["drums"]}))
    assert job["result"]["frames"] == 22050


def test_the_callback_tells_of_the_stems(api: Api, installation: Installation) -> None:
    if installation.secret is None:
        pytest.skip("an installation elsewhere cannot call back to this machine")
    with Receiver() as receiver:
        job = ended(api, separate(api, callback_url=receiver.url, two_stems="vocals"))
        (received,) = receiver.wait_for(1)
    told = received.json()
    assert told["type"] == "job.completed"
    assert [output["name"] for output in told["data"]["outputs"]] == [output["name"] for output in job["outputs"]]


def test_the_same_key_and_song_make_one_job(api: Api) -> None:
    headers = {"Idempotency-Key": new_id("key")}
    first = separate(api, headers=headers)
    assert separate(api, headers=headers).json()["job_id"] == first.json()["job_id"]
    problem(separate(api, WAV + b"\0\0", headers=headers), 422, "idempotency-mismatch")


def test_the_song_that_came_with_a_job_goes_once_it_is_used(api: Api, azurite: Azurite) -> None:
    job = ended(api, separate(api, stems="bass"))
    uploads = BlobServiceClient.from_connection_string(azurite.connection_string).get_container_client("uploads")
    deadline = time.monotonic() + 10
    while [*uploads.list_blob_names(name_starts_with=job["job_id"])]:  # right after the job has ended
        assert time.monotonic() < deadline


class TestInbox:
    """Files that are dropped into the container."""

    @pytest.fixture
    def drop(self, api: Api, azurite: Azurite) -> Any:
        service = BlobServiceClient.from_connection_string(azurite.connection_string)

        def drop(name: str, content: bytes, **options: str) -> BlobClient:
            blob = service.get_blob_client("inbox", name)
            blob.upload_blob(content, metadata=options, overwrite=True)
            return blob

        return drop

    @staticmethod
    def note(blob: BlobClient) -> dict[str, str]:
        wait_for(lambda: "stemworks_status" in blob.get_blob_properties().metadata, seconds=60)
        return dict(blob.get_blob_properties().metadata)

    def test_a_dropped_song_is_separated_once_and_names_its_result(self, api: Api, drop: Any) -> None:
        name = f"{new_id('band')}/song one.wav"
        blob = drop(name, WAV, stems="vocals,bass", format="flac")
        note = self.note(blob)
        assert note["stemworks_status"] == "completed"
        assert note["stems"] == "vocals,bass"  # what was there stays
        job = api.http.get(note["stemworks_result_url"]).json()
        assert job["job_id"] == note["stemworks_job_id"]
        assert [output["name"] for output in job["outputs"] if output["format"] == "flac"] == [
            "vocals.flac",
            "bass.flac",
        ]
        again = drop(name, encoded(song(1.0)))  # another song under the same name is another job
        assert self.note(again)["stemworks_job_id"] != job["job_id"]
        jobs = api.http.get("/v1/jobs", params={"kind": "separation", "limit": 100}).json()["jobs"]
        assert len([found for found in jobs if found["request"]["source"]["name"] == name]) == 2

    @pytest.mark.parametrize(
        ("content", "options", "said"),
        [
            (b"words, not music", {}, "song.wav"),
            (WAV, {"engine": "nonsense"}, "there is no separation engine 'nonsense'"),
            (WAV, {"format": "aiff"}, "wav16"),
        ],
    )
    def test_what_cannot_be_separated_says_why(
        self, drop: Any, content: bytes, options: dict[str, str], said: str
    ) -> None:
        note = self.note(drop(f"{new_id('bad')}/song.wav", content, **options))
        assert note["stemworks_status"] == "refused"
        assert said in note["stemworks_error"]


class TestBadInput:
    """What is refused before it is queued."""

    @pytest.mark.parametrize(
        ("content", "filename", "slug"),
        [
            (b"just words\n" * 1000, "song.mp3", "not-audio"),
            (WAV, "song.mp3", "mislabeled-audio"),
            (b"", "song.wav", "empty-audio"),
            (encoded(np.zeros((2, 0), np.float32)), "song.wav", "empty-audio"),
            (encoded(np.zeros((9, 100), np.float32)), "song.wav", "unsupported-audio"),
            (WAV[: len(WAV) // 2], "song.wav", "damaged-audio"),
            (encoded(np.zeros((1, 100), np.float32), 4000), "song.wav", "unsupported-audio"),
        ],
    )
    def test_a_file_that_cannot_be_separated(self, api: Api, content: bytes, filename: str, slug: str) -> None:
        body = problem(separate(api, content, filename), 422, slug)
        assert filename in body["detail"]

    @pytest.mark.parametrize(
        ("fields", "pointer", "said"),
        [
            ({"engine": "nonsense"}, "/engine", "there is demucs, spectral"),
            ({"stems": "guitar"}, "/stems", "it has drums, bass, other, vocals"),
            ({"stems": "drums", "two_stems": "drums"}, "", "exclude each other"),
            ({"format": "aiff"}, "/format", "'flac'"),
            ({"shifts": "many"}, "/shifts", "integer"),
            ({"nonsense": "1"}, "/nonsense", "is not a field of this request"),
            ({"model": "htdemucs"}, "/model", "spectral has no models"),
            ({"expires_in_seconds": "1"}, "/expires_in_seconds", "60"),
        ],
    )
    def test_a_field_that_does_not_fit(self, api: Api, fields: dict[str, str], pointer: str, said: str) -> None:
        (error,) = problem(separate(api, **fields), 422, "invalid-request")["errors"]
        assert error["pointer"] == pointer
        assert said in error["detail"]

    def test_a_format_that_cannot_hold_the_song(self, api: Api) -> None:
        answer = separate(api, encoded(song(0.5, 96000), 96000), format="mp3")
        (error,) = problem(answer, 422, "invalid-request")["errors"]
        assert error["pointer"] == "/format" and "96000 Hz" in error["detail"]

    def test_a_form_without_a_file(self, api: Api) -> None:
        answer = api.http.post("/v1/separations", files={"song": ("a.wav", WAV)})
        (error,) = problem(answer, 422, "invalid-request")["errors"]
        assert error["pointer"] == "/file"

    @pytest.mark.parametrize(
        ("body", "status", "slug"),
        [
            ({}, 422, "invalid-request"),
            ({"upload_id": "u1", "blob": "inbox/a.wav"}, 422, "invalid-request"),
            ({"upload_id": "no-such-upload"}, 404, "upload-not-found"),
            ({"blob": "inbox/no-such-song.wav"}, 404, "source-not-found"),
            ({"blob": "azure-webjobs-hosts/secrets"}, 422, "invalid-request"),
            ({"blob": "inbox"}, 422, "invalid-request"),
        ],
    )
    def test_a_song_that_is_not_there(self, api: Api, body: dict[str, str], status: int, slug: str) -> None:
        problem(api.http.post("/v1/separations", json=body), status, slug)

    def test_a_body_that_is_neither_json_nor_a_form(self, api: Api) -> None:
        problem(api.http.post("/v1/separations", content=WAV, headers={"content-type": "audio/wav"}), 415,
                "unsupported-media-type")  # fmt: skip
        malformed = api.http.post("/v1/separations", content=b"{", headers={"content-type": "application/json"})
        problem(malformed, 400, "malformed-json")
