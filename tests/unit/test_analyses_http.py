"""``POST /v1/analyses``, from the request to the files, in one process."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from core.analysis.result import Analysis
from core.bootstrap import Services, build, memory_storage
from core.jobs.model import AUDIO_FILES, UPLOADS, Job, JobStatus
from core.jobs.progress import Progress
from core.settings import Settings
from tests.in_process import call
from tests.music import SAMPLE_RATE, Samples, band
from tests.songs import encoded

FILES = {"analysis.json", "analysis.jams", "chart.mid", "click.flac"}


@pytest.fixture
def services() -> Services:
    return build(Settings.read({"LONGEST_SOURCE_SECONDS": "60"}), memory_storage())


def send_file(services: Services, samples: Samples, name: str = "song.wav", **fields: str) -> Job:
    parts = [(key, (None, value)) for key, value in fields.items()]
    content = encoded(samples, SAMPLE_RATE)
    answer = call(services, "POST", "/v1/analyses", files=[*parts, ("file", (name, content))])
    assert answer.status_code == 202, answer.text
    return work(services, answer.json()["job_id"])


def work(services: Services, job_id: str) -> Job:
    services.runner.run(job_id)
    job = services.jobs.get(job_id)
    assert job.status is JobStatus.COMPLETED, job.error
    return job


def content_of(services: Services, job: Job, name: str) -> bytes:
    return b"".join(services.storage.blobs.read(AUDIO_FILES, job.folder + name))


def analysis_of(services: Services, job: Job) -> Analysis:
    return Analysis.model_validate_json(content_of(services, job, "analysis.json"))


def errors(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def test_a_song_goes_in_and_its_tempo_key_and_chords_come_out(services: Services) -> None:
    job = send_file(services, band(seconds=20).samples)
    assert {output.name for output in job.outputs} == FILES
    found = analysis_of(services, job)
    assert found.tempo.bpm == pytest.approx(120, rel=0.02)
    assert (found.key.tonic, found.key.mode) in {("C", "major"), ("A", "minor")}
    assert {"C:maj", "G:maj", "A:min", "F:maj"} <= {chord.label for chord in found.chords}
    assert found.duration_seconds == pytest.approx(20)
    assert job.result is not None
    assert len(json.dumps(job.result)) < 4096


def test_the_chords_and_the_sections_cover_the_file_without_a_gap(services: Services) -> None:
    found = analysis_of(services, send_file(services, band(seconds=12).samples))
    for spans in (found.chords, found.sections):
        assert spans[0].start_seconds == 0
        assert spans[-1].end_seconds == pytest.approx(found.duration_seconds, abs=1e-3)
        assert all(one.end_seconds == two.start_seconds for one, two in itertools.pairwise(spans))


def test_the_files_tell_their_own_format_and_only_the_click_track_has_a_rate(services: Services) -> None:
    job = send_file(services, band(seconds=6).samples)
    told = {output.name: (output.format, output.sample_rate, output.channels) for output in job.outputs}
    assert told == {
        "analysis.json": ("json", None, None),
        "analysis.jams": ("jams", None, None),
        "chart.mid": ("mid", None, None),
        "click.flac": ("flac", SAMPLE_RATE, 1),
    }
    shown = call(services, "GET", f"/v1/jobs/{job.job_id}").json()["outputs"]
    assert {output["name"] for output in shown} == FILES


def test_the_click_track_is_as_long_as_the_song_and_clicks_on_its_beats(services: Services) -> None:
    music = band(seconds=10)
    job = send_file(services, music.samples)
    clicks, sample_rate = soundfile.read(io.BytesIO(content_of(services, job, "click.flac")))
    assert len(clicks) == music.samples.shape[1]
    beats = [beat.time_seconds for beat in analysis_of(services, job).beats]
    for beat in beats[1:-1]:
        start = round(beat * sample_rate)
        assert np.abs(clicks[start : start + 400]).max() > 0.1
        assert np.abs(clicks[start - 400 : start - 8]).max() < 0.01


def test_a_click_track_can_have_another_format(services: Services) -> None:
    job = send_file(services, band(seconds=5).samples, click_format="wav16")
    assert "click.wav" in {output.name for output in job.outputs}


def test_the_stems_of_a_job_are_heard_together_and_the_drums_have_no_part_in_the_chords(services: Services) -> None:
    made = call(
        services, "POST", "/v1/generations",
        json={"target_stems": ["drums", "guitar", "bass"], "parameters": {"duration_seconds": 16, "random_seed": 1}},
    ).json()  # fmt: skip
    work(services, made["job_id"])
    answer = call(services, "POST", "/v1/analyses", json={"job_id": made["job_id"]})
    assert answer.status_code == 202, answer.text
    assert [each["stem_type"] for each in answer.json()["request"]["material"]] == ["drums", "guitar", "bass"]
    together = analysis_of(services, work(services, answer.json()["job_id"]))
    assert together.tempo.bpm == pytest.approx(120, rel=0.02)
    assert {"C:maj", "G:maj", "A:min", "F:maj"} <= {chord.label for chord in together.chords}
    one = call(services, "POST", "/v1/analyses", json={"job_id": made["job_id"], "file": "drums.wav"}).json()
    assert one["estimated_seconds"] == answer.json()["estimated_seconds"]
    drums = analysis_of(services, work(services, one["job_id"]))
    assert {chord.label for chord in drums.chords} == {"N"}


def test_a_second_run_writes_the_same_files(services: Services) -> None:
    music = band(seconds=6)
    first = send_file(services, music.samples)
    before = {name: content_of(services, first, name) for name in FILES}
    second = send_file(services, music.samples)
    assert {name: content_of(services, second, name) for name in FILES} == before


def test_a_mono_file_of_another_rate_is_taken_and_its_clicks_have_that_rate(services: Services) -> None:
    time = np.arange(8000 * 4) / 8000
    content = encoded((0.3 * np.sin(2 * np.pi * 440 * time))[None].astype(np.float32), 8000)
    answer = call(services, "POST", "/v1/analyses", files={"file": ("a.wav", content)})
    job = work(services, answer.json()["job_id"])
    assert analysis_of(services, job).sample_rate == 8000
    assert abs(analysis_of(services, job).tuning.offset_cents) < 3


@pytest.mark.parametrize("seconds", [0.3, 5.0])
def test_silence_has_no_beat_no_chord_and_no_key(services: Services, seconds: float) -> None:
    found = analysis_of(services, send_file(services, np.zeros((2, round(seconds * SAMPLE_RATE)), np.float32)))
    assert found.tempo.bpm is None or found.tempo.confidence < 0.3
    assert [chord.label for chord in found.chords] == ["N"]
    assert found.key.tonic is None or found.key.confidence < 0.3
    assert len(found.sections) == 1
    assert (found.loudness.integrated_lufs, found.loudness.true_peak_dbtp) == (None, None)


@pytest.mark.parametrize("seconds", [0.3, 8.0])
def test_noise_is_told_to_be_nothing_rather_than_guessed_at(services: Services, seconds: float) -> None:
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, (2, round(seconds * SAMPLE_RATE))).astype(np.float32)
    found = analysis_of(services, send_file(services, noise))
    assert found.tempo.confidence < 0.3
    assert sum(c.end_seconds - c.start_seconds for c in found.chords if c.label != "N" and c.confidence > 0.5) < 0.5
    assert found.key.confidence < 0.3


def test_a_single_sample_is_analysed(services: Services) -> None:
    found = analysis_of(services, send_file(services, np.full((2, 1), 0.1, np.float32)))
    assert (found.beats, found.tempo.bpm) == ((), None)


def test_what_is_no_audio_is_refused_before_it_is_queued(services: Services) -> None:
    answer = call(services, "POST", "/v1/analyses", files={"file": ("song.wav", b"no music at all" * 100)})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:stemworks:problem:not-audio")
    assert services.storage.blobs.list_all(UPLOADS, "") == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "name one of upload_id, blob or job_id"),
        ({"file": "a.wav"}, "send its job_id as well"),
        ({"upload_id": "a", "blob": "inbox/a.wav"}, "name one of"),
        ({"upload_id": "a", "tempo": 3}, "is not a field of this request"),
    ],
)
def test_a_body_that_names_no_one_source_is_told_what_to_name(
    services: Services, body: dict[str, Any], words: str
) -> None:
    found = errors(call(services, "POST", "/v1/analyses", json=body))
    assert any(words.lower() in detail.lower() for detail in found.values())


def test_an_unknown_engine_is_refused_with_those_there_are(services: Services) -> None:
    answer = call(services, "POST", "/v1/analyses", json={"blob": "inbox/a.wav", "engine": "synth"})
    assert "there is analysis" in errors(answer)["/engine"]


def test_a_job_that_has_not_completed_has_no_stems_to_analyse(services: Services) -> None:
    made = call(services, "POST", "/v1/generations", json={"target_stems": ["drums"]}).json()
    answer = call(services, "POST", "/v1/analyses", json={"job_id": made["job_id"]})
    assert "is queued" in errors(answer)["/job_id"]


def test_the_stems_of_an_analysis_are_its_click_track_alone(services: Services) -> None:
    analysed = send_file(services, band(seconds=4).samples)
    answer = call(services, "POST", "/v1/analyses", json={"job_id": analysed.job_id})
    assert [each["stem_type"] for each in answer.json()["request"]["material"]] == ["click"]


def test_the_mix_of_an_accompaniment_is_none_of_its_stems(services: Services) -> None:
    asked = {"chords": ["C", "G", "Am", "F"], "tempo_bpm": 120, "target_stems": ["drums", "bass"], "mix": True}
    made = work(services, call(services, "POST", "/v1/accompaniments", json=asked).json()["job_id"])
    assert "mix" in {output.stem_type for output in made.outputs}
    answer = call(services, "POST", "/v1/analyses", json={"job_id": made.job_id})
    assert [each["stem_type"] for each in answer.json()["request"]["material"]] == ["drums", "bass"]


@pytest.mark.parametrize("stage", ["listening", "storing"])
def test_an_analysis_that_is_canceled_leaves_no_file_behind(
    services: Services, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encoded(band(seconds=6).samples, SAMPLE_RATE)
    job_id = call(services, "POST", "/v1/analyses", files={"file": ("a.wav", content)}).json()["job_id"]
    report = Progress.report

    def canceled_at(progress: Progress, share: float, at: str, message: str) -> None:
        if at == stage:
            services.jobs.cancel(job_id)
            progress.catch_up()
        report(progress, share, at, message)

    monkeypatch.setattr(Progress, "report", canceled_at)
    services.runner.run(job_id)
    job = services.jobs.get(job_id)
    assert (job.status, job.outputs) == (JobStatus.CANCELED, ())
    assert services.storage.blobs.list_all(AUDIO_FILES, job.folder) == []


def test_the_http_app_can_be_imported_without_numpy() -> None:
    program = "import sys, functions.http.app, core.bootstrap; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
