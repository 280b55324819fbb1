"""``POST /v1/effects``, from the request to the file, in one process."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from pydantic import TypeAdapter

from core.audio.effects.chain import apply_to
from core.audio.effects.request import EffectChain
from core.bootstrap import Services, build, memory_storage
from core.errors import BlobNotFound, StorageUnavailable
from core.files.writer import BLOCK_BYTES
from core.jobs.model import AUDIO_FILES, Job, JobStatus
from core.jobs.progress import Progress
from core.settings import Settings
from core.soundbank.sample import SAMPLES, Sample, SoundMaker
from tests.in_process import call
from tests.songs import decoded, encoded, song

SAMPLE_RATE = 44100
REVERB = {"type": "reverb", "decay_seconds": 0.5}
LOWPASS = {"type": "lowpass", "frequency_hz": 500, "order": 4}
SAMPLE = Sample(
    sample_id="e4", job_id="a", instrument="guitar", tuning="standard", string=1, fret=0, open_pitch=64, velocity=0.8,
    technique=(), duration_seconds=2, random_seed=1, fingerprint="f",
    made_by=SoundMaker(engine="e", version="1", model="m", licence="MIT"),
    family="g", file_size_bytes=1, sample_rate=SAMPLE_RATE, channels=2, sha256="0" * 64,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture
def services() -> Services:
    settings = Settings.read({"LONGEST_SOURCE_SECONDS": "10", "SOURCE_CONTAINERS": "inbox"})
    built = build(settings, memory_storage())
    built.sounds.store.add(SAMPLE, None)
    return built


def post(services: Services, *effects: dict[str, Any], **fields: Any) -> httpx.Response:
    return call(services, "POST", "/v1/effects", json={"effects": effects} | fields)


def send_file(
    services: Services, content: bytes, *effects: dict[str, Any], name: str = "song.wav", **fields: str
) -> Job:
    parts = [(key, (None, value)) for key, value in ({"effects": json.dumps(effects)} | fields).items()]
    answer = call(services, "POST", "/v1/effects", files=[*parts, ("file", (name, content))])
    assert answer.status_code == 202, answer.text
    return work(services, answer.json()["job_id"])


def work(services: Services, job_id: str) -> Job:
    services.runner.run(job_id)
    return services.jobs.get(job_id)


def chain(*effects: dict[str, Any]) -> Any:
    return TypeAdapter(EffectChain).validate_python(effects)


def put(services: Services, container: str, name: str, content: bytes) -> None:
    services.storage.blobs.write(
        container, name, lambda: iter((content,)), size_bytes=len(content), content_type="audio/wav", metadata={}
    )


def content_of(services: Services, job: Job) -> bytes:
    (output,) = job.outputs
    return b"".join(services.storage.blobs.read(AUDIO_FILES, job.folder + output.name))


def errors(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def test_a_file_goes_in_and_comes_out_with_its_effects(services: Services) -> None:
    samples = song(2.0)
    job = send_file(services, encoded(samples, subtype="FLOAT"), LOWPASS, REVERB, format="wav_float")
    assert (job.status, job.queue, job.folder) == (
        JobStatus.COMPLETED,
        "cpu-requests",
        f"{job.job_id}/effects/{job.job_id}/",
    )
    processed, sample_rate = decoded(content_of(services, job))
    expected = apply_to(chain(LOWPASS, REVERB), samples, SAMPLE_RATE)
    assert sample_rate == SAMPLE_RATE
    np.testing.assert_allclose(processed, expected, atol=1e-6)


def test_a_lowpass_takes_the_treble_out_of_the_files_spectrum_and_leaves_its_bass(services: Services) -> None:
    samples = song(2.0)
    processed, _ = decoded(content_of(services, send_file(services, encoded(samples), LOWPASS)))
    before, after = (np.abs(np.fft.rfft(audio[0] * np.hanning(audio.shape[1]))) for audio in (samples, processed))
    bass, treble = slice(160, 170), slice(8000, 12000)  # half hertz: around 82.4 Hz, and 4 to 6 kHz
    assert after[bass].max() == pytest.approx(before[bass].max(), rel=0.01)
    assert np.linalg.norm(after[treble]) < np.linalg.norm(before[treble]) / 1000


def test_what_is_told_of_the_file_is_true_of_it(services: Services) -> None:
    job = send_file(services, encoded(song(2.0, level=0.05)), LOWPASS, tail_seconds="0.5")
    content = content_of(services, job)
    (output,) = job.outputs
    assert output.name == "processed.wav"
    assert (output.file_size_bytes, output.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (output.sample_rate, output.channels, output.duration_seconds) == (SAMPLE_RATE, 2, 2.5)
    assert output.loudness_lufs is not None
    assert output.true_peak_dbtp is not None
    result = job.result or {}
    assert result["effects"] == [LOWPASS]
    assert (result["frames"], result["gain_db"], result["exceeds_full_scale"]) == (round(2.5 * SAMPLE_RATE), 0.0, False)
    assert 20 * np.log10(np.abs(decoded(content)[0]).max()) == pytest.approx(result["peak_dbfs"], abs=0.01)
    assert result["source"]["filename"] == "song.wav"


def test_what_would_clip_is_brought_below_full_scale_by_one_gain_that_is_told(services: Services) -> None:
    loud = {"type": "equalizer", "bands": [{"type": "low_shelf", "frequency_hz": 500, "gain_db": 18}]}
    samples = song(1.0)
    job = send_file(services, encoded(samples), loud)
    result = job.result or {}
    assert result["exceeds_full_scale"]
    assert result["gain_db"] == pytest.approx(-result["peak_dbfs"], abs=0.001)
    processed, _ = decoded(content_of(services, job))
    expected = apply_to(chain(loud), samples, SAMPLE_RATE) * 10 ** (result["gain_db"] / 20)
    np.testing.assert_allclose(processed, expected, atol=1e-4)  # of the source's and the file's 16 bits


def test_a_file_of_floats_keeps_what_is_beyond_full_scale(services: Services) -> None:
    loud = {"type": "equalizer", "bands": [{"type": "low_shelf", "frequency_hz": 500, "gain_db": 18}]}
    job = send_file(services, encoded(song(1.0)), loud, format="wav_float")
    result = job.result or {}
    assert (result["gain_db"], result["exceeds_full_scale"]) == (0, True)
    assert np.abs(decoded(content_of(services, job))[0]).max() > 1


def test_a_tail_lets_an_echo_sound_beyond_the_end(services: Services) -> None:
    samples = song(0.5, channels=1)
    echo = {"type": "delay", "time_ms": 600, "feedback": 0, "mix": 0.5}
    job = send_file(services, encoded(samples, subtype="FLOAT"), echo, tail_seconds="0.8", format="wav_float")
    processed, _ = decoded(content_of(services, job))
    assert processed.shape == (1, round(1.3 * SAMPLE_RATE))
    start = round(0.6 * SAMPLE_RATE)
    np.testing.assert_allclose(processed[:, start : start + samples.shape[1]], samples / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("format", "name"), [("flac", "processed.flac"), ("mp3", "processed.mp3"), ("ogg", "processed.ogg")]
)
def test_the_file_comes_in_the_format_that_was_asked_for(services: Services, format: str, name: str) -> None:
    job = send_file(services, encoded(song(1.0)), LOWPASS, format=format)
    assert job.outputs[0].name == name
    assert soundfile.info(io.BytesIO(content_of(services, job))).frames == SAMPLE_RATE


# Sources


def test_a_blob_a_jobs_file_and_a_sound_of_the_bank_can_be_sources(services: Services) -> None:
    put(services, "inbox", "song.wav", encoded(song(1.0)))
    first = work(services, post(services, LOWPASS, blob="inbox/song.wav").json()["job_id"])
    assert first.status is JobStatus.COMPLETED
    second = work(services, post(services, REVERB, job_id=first.job_id, file="processed.wav").json()["job_id"])
    assert (second.status, (second.result or {})["source"]["sha256"]) == (JobStatus.COMPLETED, first.outputs[0].sha256)
    put(services, SAMPLES, "e4.wav", encoded(song(2.0)))
    third = work(services, post(services, REVERB, sample_id="e4").json()["job_id"])
    assert (third.status, (third.result or {})["source"]["name"]) == (JobStatus.COMPLETED, "e4.wav")


def test_an_upload_can_be_a_source(services: Services) -> None:
    content = encoded(song(1.0))
    upload = call(services, "POST", "/v1/uploads", json={"filename": "a.wav", "size_bytes": len(content)}).json()
    put(services, "uploads", services.uploads.get(upload["upload_id"]).blob, content)
    call(services, "POST", f"/v1/uploads/{upload['upload_id']}/complete", json={})
    answer = post(services, LOWPASS, upload_id=upload["upload_id"])
    assert answer.status_code == 202, answer.text
    assert work(services, answer.json()["job_id"]).status is JobStatus.COMPLETED


def test_sources_that_are_not_there_are_named(services: Services) -> None:
    def refusal(**source: str) -> tuple[int, str]:
        answer = post(services, LOWPASS, **source)
        return answer.status_code, answer.json()["type"].rpartition(":")[2]

    assert refusal(blob="inbox/nothing.wav") == (404, "source-not-found")
    assert refusal(sample_id="nobody") == (404, "sound-not-found")
    assert refusal(sample_id="e4") == (404, "source-not-found")
    assert refusal(upload_id="nobody") == (404, "upload-not-found")
    assert refusal(job_id="nobody", file="a.wav") == (404, "job-not-found")
    assert list(errors(post(services, LOWPASS, blob="secrets/a.wav"))) == ["/blob"]
    put(services, "inbox", "song.wav", encoded(song(1.0)))
    unfinished = post(services, LOWPASS, blob="inbox/song.wav").json()["job_id"]
    assert refusal(job_id=unfinished, file="processed.wav") == (422, "invalid-request")


def test_a_source_that_was_overwritten_since_fails_the_job(services: Services) -> None:
    put(services, "inbox", "song.wav", encoded(song(1.0)))
    job_id = post(services, LOWPASS, blob="inbox/song.wav").json()["job_id"]
    put(services, "inbox", "song.wav", encoded(song(2.0)))
    job = work(services, job_id)
    assert (job.status, job.error.type if job.error else "") == (JobStatus.FAILED, "source-changed")


# Refusals


@pytest.mark.parametrize(
    ("fields", "pointer", "allowed"),
    [
        ({"effects": [{"type": "compressor", "ratio": 0}]}, "/effects/0/ratio", "1 to 20"),
        ({"effects": [REVERB, {"type": "chorus"}]}, "/effects/1/type", "reverb"),
        ({"effects": [{"type": "lowpass"}]}, "/effects/0/frequency_hz", "required"),
        ({"effects": [{"type": "equalizer", "bands": [{"frequency_hz": 9, "gain_db": 1}]}]},
         "/effects/0/bands/0/frequency_hz", "10 to 90000 Hz"),
        ({"effects": [{"type": "lowpass", "frequency_hz": 30000}]}, "/effects/0/frequency_hz", "below 22050 Hz"),
        ({"effects": []}, "/effects", "at least one"),
        ({"effects": [REVERB] * 17}, "/effects", "at most 16"),
        ({"effects": [REVERB], "tail_seconds": 31}, "/tail_seconds", "0 to 30 seconds"),
        ({"effects": [REVERB], "engine": "synth"}, "/engine", "effects"),
        ({"effects": [REVERB], "reverb": 1}, "/reverb", "not a field"),
        ({"effects": [REVERB], "sample_id": "e4"}, "", "one of upload_id, blob"),
        ({"effects": [REVERB], "file": "a.wav"}, "", "go together"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_pointed_at_with_what_is_allowed(
    services: Services, fields: dict[str, Any], pointer: str, allowed: str
) -> None:
    put(services, "inbox", "song.wav", encoded(song(0.5)))
    found = errors(call(services, "POST", "/v1/effects", json={"blob": "inbox/song.wav"} | fields))
    assert list(found) == [pointer]
    assert allowed in found[pointer]
    assert services.jobs.page(None, None, 10, None).jobs == []


def test_every_error_of_rate_and_format_comes_at_once(services: Services) -> None:
    put(services, "inbox", "dense.wav", encoded(song(0.5, 96_000), 96_000))
    high = {"type": "highpass", "frequency_hz": 60_000}
    assert list(errors(post(services, high, blob="inbox/dense.wav", format="mp3"))) == [
        "/effects/0/frequency_hz", "/format",
    ]  # fmt: skip


def test_a_form_whose_effects_are_no_json_is_told_so(services: Services) -> None:
    parts = [("effects", (None, "reverb")), ("file", ("a.wav", encoded(song(0.5))))]
    assert "as JSON" in errors(call(services, "POST", "/v1/effects", files=parts))["/effects"]


def test_a_key_stands_for_effects_and_file(services: Services) -> None:
    def form(content: bytes, *effects: dict[str, Any]) -> httpx.Response:
        parts = [("effects", (None, json.dumps(effects))), ("file", ("a.wav", content))]
        return call(services, "POST", "/v1/effects", files=parts, headers={"Idempotency-Key": "k"})

    content = encoded(song(0.5))
    first = form(content, REVERB)
    assert form(content, REVERB).json() == first.json()
    assert form(content, LOWPASS).json()["type"].endswith(":idempotency-mismatch")


# Attempts


def test_a_second_attempt_makes_the_same_file(services: Services) -> None:
    job = send_file(services, encoded(song(1.0)), REVERB, {"type": "drive"})
    again = send_file(services, encoded(song(1.0)), REVERB, {"type": "drive"})
    assert content_of(services, again) == content_of(services, job)


def test_what_is_too_long_to_wait_is_made_again_and_comes_out_the_same(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    loud = {"type": "equalizer", "bands": [{"type": "low_shelf", "frequency_hz": 500, "gain_db": 18}]}
    kept = send_file(services, encoded(song(4.0)), loud, REVERB)
    monkeypatch.setattr("core.effects.attempt.MOST_KEPT_BYTES", 2 * SAMPLE_RATE * 8)
    made_again = send_file(services, encoded(song(4.0)), loud, REVERB)
    assert made_again.status is JobStatus.COMPLETED
    assert [(job.result or {})["gain_db"] < -1 for job in (kept, made_again)] == [True, True]
    assert content_of(services, made_again) == content_of(services, kept)


def test_of_an_attempt_that_fails_nothing_can_be_seen_and_the_next_one_succeeds(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = services.storage.blobs
    stage = blobs.stage
    calls: Iterator[int] = iter(range(100))

    def failing_once(container: str, name: str, block_id: str, content: bytes) -> None:
        if next(calls) == 1:
            raise StorageUnavailable
        stage(container, name, block_id, content)

    monkeypatch.setattr(blobs, "stage", failing_once)
    put(services, "inbox", "song.wav", encoded(song(9.5, 96_000), 96_000))
    job = work(services, post(services, LOWPASS, blob="inbox/song.wav", format="wav_float").json()["job_id"])
    assert job.status is JobStatus.QUEUED
    with pytest.raises(BlobNotFound):
        list(blobs.read(AUDIO_FILES, job.folder + "processed.wav"))
    job = work(services, job.job_id)
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 2)
    assert job.outputs[0].file_size_bytes == len(content_of(services, job)) > BLOCK_BYTES


def test_a_job_that_is_canceled_while_it_works_stops_without_a_file(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(services, "inbox", "song.wav", encoded(song(1.0)))
    job_id = post(services, LOWPASS, blob="inbox/song.wav").json()["job_id"]
    blobs = services.storage.blobs
    read = blobs.read_range

    def cancelling(*arguments: Any) -> bytes:
        if services.jobs.get(job_id).status is JobStatus.PROCESSING:
            services.jobs.cancel(job_id)
        return read(*arguments)

    monkeypatch.setattr(blobs, "read_range", cancelling)
    job = work(services, job_id)
    assert (job.status, job.outputs) == (JobStatus.CANCELED, ())
    with pytest.raises(BlobNotFound):
        list(blobs.read(AUDIO_FILES, job.folder + "processed.wav"))


def test_progress_goes_through_both_stages(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, str]] = []
    report = Progress.report

    def noting(self: Progress, progress: float, stage: str, message: str) -> None:
        seen.append((progress, stage))
        report(self, progress, stage, message)

    monkeypatch.setattr(Progress, "report", noting)
    send_file(services, encoded(song(4.0)), LOWPASS)
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert [*dict.fromkeys(stage for _, stage in seen)] == ["processing", "storing"]
    assert shares[0] == 0
    assert 0.7 < shares[-1] <= 1


# Documents and imports


def test_the_document_describes_both_bodies_in_full(services: Services) -> None:
    document = call(services, "GET", "/openapi.json").json()
    content = document["paths"]["/v1/effects"]["post"]["requestBody"]["content"]
    assert "$ref" not in json.dumps(content)
    effects = content["application/json"]["schema"]["properties"]["effects"]
    assert {kind["properties"]["type"]["const"] for kind in effects["items"]["anyOf"]} >= {"reverb", "equalizer"}
    assert content["multipart/form-data"]["schema"]["properties"]["file"]["format"] == "binary"


def test_taking_in_a_request_loads_no_numbers() -> None:
    program = """
import sys
import core.effects.planner, core.effects.request, core.effects.service, core.effects.worker, functions.http.effects
print([name for name in ("numpy", "av", "soxr") if name in sys.modules])
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
