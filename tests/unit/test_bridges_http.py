"""``POST /v1/bridges`` and the older service's routes, from the request to the files, in one process."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from core.bootstrap import Services, build, memory_storage
from core.jobs.messages import CPU_REQUESTS, GENERATION_REQUESTS
from core.jobs.model import AUDIO_FILES, UPLOADS, Job, JobKind, JobStatus
from core.jobs.progress import Progress
from core.jobs.service import JobService
from core.settings import Settings
from tests import in_process
from tests.clock import Clock
from tests.music import band
from tests.songs import SAMPLE_RATE, Samples, decoded, encoded, song
from tests.toy_bridge import ToyBridge, ToyBridges

PATH = "/v1/bridges"
SECONDS = 4.0


@pytest.fixture(scope="module")
def music() -> Samples:
    return band(seconds=SECONDS).samples


@pytest.fixture(scope="module")
def pieces(music: Samples) -> tuple[bytes, bytes]:
    """Two tracks: music, and a swelling tone."""
    return encoded(music), encoded(song(SECONDS))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def toy() -> ToyBridge:
    return ToyBridge()


@pytest.fixture
def services(clock: Clock, toy: ToyBridge) -> Services:
    settings = Settings.read(
        {"DEFAULT_BRIDGE_ENGINE": "toy", "SOURCE_CONTAINERS": "inbox audio-files", "JOB_ATTEMPTS": "2"}
    )
    return build(settings, memory_storage(), clock=clock, engines=ToyBridges(toy))


def form(pieces: tuple[bytes, bytes], **fields: Any) -> dict[str, Any]:
    files = {"track1": ("one.wav", pieces[0]), "track2": ("two.wav", pieces[1])}
    return {"files": files, "data": {name: str(value) for name, value in fields.items()}}


def call(services: Services, **options: Any) -> httpx.Response:
    return in_process.call(services, "POST", PATH, **options)


def work(services: Services, answer: httpx.Response) -> Job:
    assert answer.is_success, answer.text
    job_id = answer.json()["job_id"]
    services.runner.run(job_id)
    return services.jobs.get(job_id)


def read(services: Services, job: Job, name: str) -> tuple[Samples, int]:
    return decoded(b"".join(services.storage.blobs.read(AUDIO_FILES, job.folder + name)))


def blobs(services: Services) -> list[str]:
    """Everything there is in storage."""
    places = services.storage.blobs
    return [blob.name for container in (AUDIO_FILES, UPLOADS) for blob in places.list_all(container, "")]


def faults(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {each["pointer"]: each["detail"] for each in answer.json()["errors"]}


class TestBridging:
    def test_two_files_become_a_third_between_them(
        self, services: Services, pieces: tuple[bytes, bytes], toy: ToyBridge
    ) -> None:
        answer = call(services, **form(pieces))
        assert (answer.status_code, answer.json()["kind"]) == (202, "bridge")
        assert answer.headers["location"] == f"/v1/jobs/{answer.json()['job_id']}"
        job = work(services, answer)
        assert (job.status, job.kind, job.error) == (JobStatus.COMPLETED, JobKind.BRIDGE, None)
        (output,) = job.outputs
        assert (output.name, output.channels, output.sample_rate) == ("bridge-0.5.wav", 1, SAMPLE_RATE)
        samples, rate = read(services, job, output.name)
        assert (samples.shape, rate) == ((1, round(SECONDS * SAMPLE_RATE)), SAMPLE_RATE)
        assert toy.pairs[0].ratios == (0.5,)

    def test_the_ends_are_the_tracks(self, services: Services, pieces: tuple[bytes, bytes], music: Samples) -> None:
        job = work(services, call(services, **form(pieces, ratios="0,1", stereo=True, format="wav_float")))
        assert [output.name for output in job.outputs] == ["bridge-0.wav", "bridge-1.wav"]
        first, _ = read(services, job, "bridge-0.wav")
        second, _ = read(services, job, "bridge-1.wav")
        assert np.abs(first - decoded(pieces[0])[0]).max() < 1e-6
        assert np.abs(second - decoded(pieces[1])[0]).max() < 1e-6

    def test_a_part_begins_and_ends_where_it_is_told_to(self, services: Services, pieces: tuple[bytes, bytes]) -> None:
        asked = form(pieces, ratios="0,1", start_seconds=1, end_seconds=2.5, track2_start_seconds=0.5, format="flac")
        job = work(services, call(services, **asked))
        for name, start, piece in (("bridge-0.flac", 1.0, pieces[0]), ("bridge-1.flac", 0.5, pieces[1])):
            whole = decoded(piece)[0].mean(axis=0)
            part = whole[round(start * SAMPLE_RATE) :][: round(1.5 * SAMPLE_RATE)]
            samples, _ = read(services, job, name)
            assert samples.shape == (1, round(1.5 * SAMPLE_RATE))
            assert np.abs(samples[0] - part).max() < 1e-3

    def test_tracks_of_different_lengths_go_to_the_end_of_the_shorter_one(
        self, services: Services, pieces: tuple[bytes, bytes]
    ) -> None:
        job = work(services, call(services, **form((pieces[0], encoded(song(2.5, 48000), 48000)))))
        assert job.result is not None
        assert job.result["duration_seconds"] == pytest.approx(2.5)

    def test_the_last_frame_sounds_where_the_tracks_own_frames_end_within_it(self, services: Services) -> None:
        track = encoded(0.3 + song(2.0, 8000, level=0.1), 8000, subtype="FLOAT")
        asked = form((track, track), ratios="0", sample_rate=44100, end_seconds=22051 / 44100, format="wav_float")
        samples, _ = read(services, work(services, call(services, **asked)), "bridge-0.wav")
        assert samples.shape == (1, 22051)
        assert abs(samples[0, -1]) > 0.1

    def test_tracks_may_lie_in_storage_and_come_from_other_jobs(
        self, services: Services, pieces: tuple[bytes, bytes]
    ) -> None:
        before = work(services, call(services, **form(pieces, ratios="0")))
        services.storage.blobs.write(
            "inbox", "two.wav", lambda: iter([pieces[1]]), size_bytes=len(pieces[1]), content_type="", metadata={}
        )
        body = {"track1": {"job_id": before.job_id, "file": "bridge-0.wav"}, "track2": {"blob": "inbox/two.wav"}}
        job = work(services, call(services, json=body | {"ratios": [0.25, 0.75]}))
        assert [output.name for output in job.outputs] == ["bridge-0.25.wav", "bridge-0.75.wav"]
        assert job.input_folder is None

    def test_the_result_tells_what_was_heard_and_what_was_made(
        self, services: Services, pieces: tuple[bytes, bytes]
    ) -> None:
        job = work(services, call(services, **form(pieces, ratios="0.5,1", end_seconds=3)))
        result = job.result
        assert result is not None
        assert list(result["tracks"]) == ["track1", "track2"]
        assert result["tracks"]["track1"]["tempo_bpm"] == pytest.approx(120, rel=0.02)
        assert result["tracks"]["track1"]["brightness_hz"] > 100
        assert (result["segments"], result["segment_seconds"], result["crossfade_seconds"]) == (None, None, None)
        assert [each["ratio"] for each in result["bridges"]] == [0.5, 1.0]
        for each, output in zip(result["bridges"], job.outputs, strict=True):
            assert (each["name"], each["loudness_lufs"]) == (output.name, output.loudness_lufs)

    def test_what_is_too_loud_is_turned_down_and_not_clipped(
        self, services: Services, pieces: tuple[bytes, bytes], toy: ToyBridge
    ) -> None:
        toy.spoil = lambda block: 10 * block
        job = work(services, call(services, **form(pieces, ratios="0,0.5")))
        assert job.result is not None
        for each in job.result["bridges"]:
            samples, _ = read(services, job, each["name"])
            assert 0.99 < np.abs(samples).max() <= 1.0
            assert each["gain_db"] < 0

    def test_an_engine_that_makes_no_numbers_fails_its_job_at_once(
        self, services: Services, pieces: tuple[bytes, bytes], toy: ToyBridge
    ) -> None:
        toy.spoil = lambda block: block * np.float32("nan")
        job = work(services, call(services, **form(pieces)))
        assert (job.status, job.error and job.error.type) == (JobStatus.FAILED, "not-finite")

    def test_another_attempt_makes_the_same_files(
        self, services: Services, pieces: tuple[bytes, bytes], toy: ToyBridge
    ) -> None:
        def break_once(blocks: int) -> None:
            toy.after_block = lambda blocks: None
            raise ConnectionError("gone")

        toy.after_block = break_once
        answer = call(services, **form(pieces))
        assert work(services, answer).status is JobStatus.QUEUED
        job = work(services, answer)
        assert (job.status, job.attempt) == (JobStatus.COMPLETED, 2)
        again = work(services, call(services, **form(pieces)))
        assert again.outputs[0].sha256 == job.outputs[0].sha256

    def test_a_canceled_job_stops_and_leaves_no_files(
        self, services: Services, pieces: tuple[bytes, bytes], toy: ToyBridge
    ) -> None:
        answer = call(services, **form(pieces))
        toy.after_block = lambda blocks: services.jobs.cancel(answer.json()["job_id"]) if blocks == 1 else None
        job = work(services, answer)
        assert job.status is JobStatus.CANCELED
        assert services.storage.blobs.list_all(AUDIO_FILES, job.folder) == []

    def test_segments_are_counted(self, services: Services, pieces: tuple[bytes, bytes], toy: ToyBridge) -> None:
        toy.segment_seconds = 1.5
        job = work(services, call(services, **form(pieces, crossfade_seconds=0.5)))
        assert job.result is not None
        assert (job.result["segments"], job.result["crossfade_seconds"]) == (4, 0.5)  # from 0, 1, 2 and 2.5 s

    def test_segments_are_counted_in_whole_frames(
        self, services: Services, pieces: tuple[bytes, bytes], toy: ToyBridge
    ) -> None:
        toy.segment_seconds = 1.0  # and on by 0.6 s each time: five times that is a little less than 3 s in binary
        job = work(services, call(services, **form(pieces, crossfade_seconds=0.4)))
        assert job.result is not None
        assert job.result["segments"] == 6

    def test_progress_tells_of_every_stage(
        self, services: Services, pieces: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[tuple[float, str]] = []
        report = Progress.report

        def listen(progress: Progress, share: float, stage: str, message: str) -> None:
            told.append((share, stage))
            report(progress, share, stage, message)

        monkeypatch.setattr(Progress, "report", listen)
        job = work(services, call(services, **form(pieces, ratios="0,1")))
        assert list(dict.fromkeys(stage for _, stage in told)) == ["analysing", "loading", "bridging", "storing"]
        shares = [round(share, 6) for share, _ in told]
        assert shares == sorted(shares)
        assert 0 < shares[0] < shares[-1] < 1
        assert [step.status for step in job.history] == [JobStatus.PROCESSING, JobStatus.COMPLETED]

    def test_an_engine_with_weights_takes_the_gpu_queue(self, services: Services, pieces: tuple[bytes, bytes]) -> None:
        here = call(services, **form(pieces)).json()["job_id"]
        there = call(services, **form(pieces, engine="encodec")).json()["job_id"]
        assert services.jobs.get(here).queue == CPU_REQUESTS
        assert services.jobs.get(there).queue == GENERATION_REQUESTS
        assert services.jobs.get(there).request["sample_rate"] == 24000

    def test_the_same_key_comes_to_the_same_job(self, services: Services, pieces: tuple[bytes, bytes]) -> None:
        key = {"headers": {"Idempotency-Key": "one"}}
        first, second = (call(services, **form(pieces), **key).json()["job_id"] for _ in range(2))
        assert first == second
        assert call(services, **form(pieces, ratios="0.1"), **key).status_code == 422


class TestWhatCameWithTheRequest:
    def test_it_is_removed_as_soon_as_it_was_used(self, services: Services, pieces: tuple[bytes, bytes]) -> None:
        answer = call(services, **form(pieces))
        folder = f"{answer.json()['job_id']}/"
        assert len(services.storage.blobs.list_all(UPLOADS, folder)) == 2
        job = work(services, answer)
        assert services.storage.blobs.list_all(UPLOADS, folder) == []
        assert blobs(services) == [job.folder + "bridge-0.5.wav"]

    def test_it_stays_for_a_retry_of_a_job_that_others_made_fail(
        self, services: Services, pieces: tuple[bytes, bytes], toy: ToyBridge
    ) -> None:
        toy.spoil = lambda block: block * np.float32("nan")
        job = work(services, call(services, **form(pieces)))
        assert job.status is JobStatus.FAILED
        toy.spoil = lambda block: block
        services.jobs.retry(job.job_id)
        services.runner.run(job.job_id)
        assert services.jobs.get(job.job_id).status is JobStatus.COMPLETED


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "pointer", "words"),
        [
            ({"start_seconds": 3, "end_seconds": 2}, "/end_seconds", "after start_seconds"),
            ({"start_seconds": 2, "end_seconds": 2.1}, "/end_seconds", "0.5 s or longer"),
            ({"start_seconds": 9}, "/start_seconds", "is over at 4.00 s"),
            ({"start_seconds": 9, "end_seconds": 14}, "/start_seconds", "5 s or more are needed"),
            ({"start_seconds": 3.7}, "/start_seconds", "is over at 4.00 s; send 3.50 or less"),
            ({"track2_start_seconds": 3.7}, "/track2_start_seconds", "track2 is over at 4.00 s; send 3.50 or less"),
            ({"track2_start_seconds": 9}, "/track2_start_seconds", "track2 is over at 4.00 s"),
            ({"end_seconds": 16}, "/end_seconds", "send 4.00 or less"),
            ({"end_seconds": 3.5, "track2_start_seconds": 2}, "/end_seconds", "send 2.00 or less"),
            ({"end_seconds": 5000}, "/end_seconds", "3600 s at most"),
            ({"ratios": "0.5,2"}, "/ratios/1", "0 to 1"),
            ({"ratios": "0.5,0.5"}, "/ratios", "named once"),
            ({"ratios": "nan"}, "/ratios/0", "0 to 1"),
            ({"ratios": ",".join(f"0.{n}" for n in range(1, 10))}, "/ratios", "at most 8"),
            ({"crossfade_seconds": 9}, "/crossfade_seconds", "0.05 to 8"),
            ({"sample_rate": 1000}, "/sample_rate", "8000 to 192000"),
            ({"sample_rate": 44100, "engine": "encodec"}, "/sample_rate", "24000"),
            ({"sample_rate": 96000, "format": "mp3"}, "/format", "96000"),
            ({"model": "large"}, "/model", "no models"),
            ({"engine": "synth"}, "/engine", "morph"),
            ({"tempo": 3}, "/tempo", "not a field"),
        ],
    )
    def test_fields_that_do_not_fit_are_named_and_nothing_is_stored(
        self, services: Services, pieces: tuple[bytes, bytes], fields: dict[str, Any], pointer: str, words: str
    ) -> None:
        assert words in faults(call(services, **form(pieces, **fields)))[pointer]
        assert blobs(services) == []
        assert not services.jobs.page(None, None, 10, None).jobs

    def test_a_missing_track_is_named(self, services: Services, pieces: tuple[bytes, bytes]) -> None:
        found = faults(call(services, files={"track1": ("one.wav", pieces[0])}))
        assert list(found) == ["/track2"]
        assert list(faults(call(services, json={"track1": {"blob": "inbox/one.wav"}}))) == ["/track2"]
        assert blobs(services) == []

    @pytest.mark.parametrize(
        ("name", "content", "slug"), [("two.mp3", b"words " * 500, "not-audio"), ("two.mp3", None, "mislabeled-audio")]
    )
    def test_a_file_that_is_no_audio_or_another_one_is_refused(
        self, services: Services, pieces: tuple[bytes, bytes], name: str, content: bytes | None, slug: str
    ) -> None:
        files = {"track1": ("one.wav", pieces[0]), "track2": (name, content or pieces[1])}
        answer = call(services, files=files)
        assert (answer.status_code, answer.json()["type"]) == (422, f"urn:stemworks:problem:{slug}")
        assert answer.json()["detail"].startswith("track2: ")
        assert blobs(services) == []

    def test_too_many_seconds_in_all_are_refused(self, services: Services) -> None:
        body = {"ratios": [0.1, 0.2, 0.3], "stereo": True, "end_seconds": 1500}
        body |= {"track1": {"blob": "inbox/a.wav"}, "track2": {"blob": "inbox/b.wav"}}
        assert "3 ratios in stereo it may last 1200 s" in faults(call(services, json=body))["/end_seconds"]

    @pytest.mark.parametrize("silent", ["track1", "track2"])
    @pytest.mark.parametrize("level", [0.0, 1e-5])
    def test_silence_fails_the_job_and_leaves_nothing_behind(
        self, services: Services, pieces: tuple[bytes, bytes], silent: str, level: float
    ) -> None:
        quiet = encoded(level * song(SECONDS), subtype="FLOAT")
        files = {name: (f"{name}.wav", piece) for name, piece in zip(("track1", "track2"), pieces, strict=True)}
        job = work(services, call(services, files=files | {silent: ("quiet.wav", quiet)}))
        assert job.status is JobStatus.FAILED
        assert job.error is not None
        assert (job.error.type, job.error.detail.partition(":")[0]) == ("silent-audio", silent)
        assert blobs(services) == []

    def test_commercial_use_is_refused_for_weights_that_forbid_it(
        self, services: Services, pieces: tuple[bytes, bytes]
    ) -> None:
        answer = call(services, **form(pieces, engine="encodec", use="commercial"))
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:stemworks:problem:licence-refused")


class TestTheOlderServicesRoutes:
    def generate(self, services: Services, pieces: tuple[bytes, bytes], **fields: Any) -> httpx.Response:
        asked = form(pieces, **({"start_time": 0.0, "end_time": 3.0} | fields))
        return in_process.call(services, "POST", "/api/generate", **asked)

    def get(self, services: Services, path: str) -> httpx.Response:
        return in_process.call(services, "GET", path)

    def test_the_way_from_the_upload_to_the_cleanup(self, services: Services, pieces: tuple[bytes, bytes]) -> None:
        answer = self.generate(services, pieces)
        assert answer.status_code == 200
        job_id = answer.json()["job_id"]
        waiting = self.get(services, f"/api/status/{job_id}").json()
        assert (waiting["status"], waiting["progress"]) == ("queued", 0)
        early = self.get(services, f"/api/download/{job_id}")
        assert (early.status_code, early.json()["detail"].partition(":")[0]) == (400, "Not ready")

        work(services, answer)
        done = self.get(services, f"/api/status/{job_id}").json()
        assert (done["job_id"], done["status"], done["progress"]) == (job_id, "completed", 100)
        file = self.get(services, f"/api/download/{job_id}")
        assert file.headers["content-type"] == "audio/wav"
        assert 'filename="generated_music.wav"' in file.headers["content-disposition"]
        assert int(file.headers["content-length"]) == len(file.content)
        samples, rate = decoded(file.content)
        assert (samples.shape, rate) == ((1, 3 * 24000), 24000)

        assert in_process.call(services, "DELETE", f"/api/cleanup/{job_id}").status_code == 200
        assert blobs(services) == []
        for method, path in (("GET", "status"), ("GET", "download"), ("DELETE", "cleanup")):
            gone = in_process.call(services, method, f"/api/{path}/{job_id}")
            assert (gone.status_code, gone.json()["detail"]) == (404, "Job not found")

    def test_cleanup_of_a_waiting_job_cancels_it(self, services: Services, pieces: tuple[bytes, bytes]) -> None:
        job_id = self.generate(services, pieces).json()["job_id"]
        assert in_process.call(services, "DELETE", f"/api/cleanup/{job_id}").status_code == 200
        assert blobs(services) == []
        services.runner.run(job_id)  # its message is still on the way
        assert self.get(services, f"/api/status/{job_id}").status_code == 404

    def test_cleanup_of_a_job_that_ends_in_that_moment_removes_it(
        self, services: Services, pieces: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = self.generate(services, pieces).json()["job_id"]
        cancel = JobService.cancel

        def ended_before(jobs: JobService, canceled: str) -> Job:
            services.runner.run(canceled)
            return cancel(jobs, canceled)

        monkeypatch.setattr(JobService, "cancel", ended_before)
        assert in_process.call(services, "DELETE", f"/api/cleanup/{job_id}").status_code == 200
        assert blobs(services) == []

    def test_a_track_that_is_too_short_is_taken_and_its_job_says_so(
        self, services: Services, pieces: tuple[bytes, bytes]
    ) -> None:
        answer = self.generate(services, pieces, end_time=16.0)
        assert answer.status_code == 200
        work(services, answer)
        status = self.get(services, f"/api/status/{answer.json()['job_id']}").json()
        assert status["status"] == "failed"
        assert status["message"] == "track1: it is over at 4.00 s, and its part would go from 0 to 16 s"
        assert blobs(services) == []

    def test_files_are_gone_after_a_day(self, services: Services, pieces: tuple[bytes, bytes], clock: Clock) -> None:
        answer = self.generate(services, pieces)
        work(services, answer)
        waiting = self.generate(services, pieces).json()["job_id"]
        clock.advance(timedelta(hours=24, minutes=1).total_seconds())
        services.housekeeping.expire()
        assert blobs(services) == []
        assert self.get(services, f"/api/status/{waiting}").json()["status"] == "queued"
        assert self.get(services, f"/api/status/{answer.json()['job_id']}").status_code == 404

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("two.txt", b"words", "Invalid file format: track2 ends in .txt"),
            ("two", b"words", "Invalid file format: track2 ends in nothing"),
            ("two.mp3", b"words " * 500, "Invalid file format: track2"),
            ("two.mp3", None, "Invalid file format: track2"),
            ("two.wav", bytes(50 * 2**20 + 1), "File too large: track2 has 52428801 bytes"),
        ],
    )
    def test_a_file_that_is_not_taken_is_refused_as_before(
        self, services: Services, pieces: tuple[bytes, bytes], name: str, content: bytes | None, words: str
    ) -> None:
        files = {"track1": ("one.wav", pieces[0]), "track2": (name, content or pieces[1])}
        answer = in_process.call(services, "POST", "/api/generate", files=files)
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith(words)
        assert blobs(services) == []

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [({"start_time": 5, "end_time": 3}, "/end_time"), ({"start_time": -1}, "/start_time"),
         ({"end_time": "soon"}, "/end_time"), ({"end_time": "inf"}, "/end_time"), ({"end_time": 4000}, "/end_time")],
    )  # fmt: skip
    def test_times_that_do_not_fit_are_named(
        self, services: Services, pieces: tuple[bytes, bytes], fields: dict[str, Any], pointer: str
    ) -> None:
        assert list(faults(self.generate(services, pieces, **fields))) == [pointer]
        assert blobs(services) == []

    def test_a_missing_track_is_named(self, services: Services, pieces: tuple[bytes, bytes]) -> None:
        files = {"track1": ("one.wav", pieces[0])}
        assert list(faults(in_process.call(services, "POST", "/api/generate", files=files))) == ["/track2"]

    def test_jobs_of_other_kinds_are_none_of_theirs(self, services: Services) -> None:
        body = {"target_stems": ["bass"], "parameters": {"duration_seconds": 0.5}}
        other = in_process.call(services, "POST", "/v1/generations", json=body).json()["job_id"]
        assert self.get(services, f"/api/status/{other}").status_code == 404
        assert in_process.call(services, "DELETE", f"/api/cleanup/{other}").status_code == 404
        assert services.jobs.get(other).job_id == other
