"""Bridge jobs over both storages: what is left behind, and when."""

from __future__ import annotations

import io
from hashlib import sha256
from typing import Any

import pytest

from core.bootstrap import Services, Storage, build
from core.bridge.request import TRACKS, BridgeOptions, BridgeRequest
from core.errors import JobStateConflict, StorageUnavailable
from core.files.inputs import SentFile, StoredFile
from core.jobs.model import AUDIO_FILES, UPLOADS, Job, JobStatus
from core.jobs.runner import JobRunner
from core.settings import Settings
from tests.clock import Clock
from tests.songs import decoded, encoded, song
from tests.toy_bridge import ToyBridge, ToyBridges

SETTINGS = Settings.read({"DEFAULT_BRIDGE_ENGINE": "toy", "JOB_ATTEMPTS": "2", "PROGRESS_INTERVAL_SECONDS": "60"})


@pytest.fixture
def toy() -> ToyBridge:
    return ToyBridge()


@pytest.fixture
def services(storage: Storage, clock: Clock, toy: ToyBridge) -> Services:
    return build(SETTINGS, storage, clock=clock, engines=ToyBridges(toy))


def sent(*levels: float) -> dict[str, SentFile]:
    files = [encoded(song(2.0, level=level)) for level in levels]
    return {
        name: SentFile(io.BytesIO(file), "song.wav", sha256(file).hexdigest())
        for name, file in zip(TRACKS, files, strict=True)
    }


def submit(services: Services, files: dict[str, SentFile], **fields: Any) -> Job:
    options = BridgeOptions(**fields)
    return services.jobs.submit(services.bridges.of_files(options, files, job_id=services.new_id()))


def run(services: Services, job: Job) -> Job:
    services.runner.run(job.job_id)
    return services.jobs.get(job.job_id)


def left(services: Services, job: Job) -> list[str]:
    """What there is of the job in storage."""
    blobs = services.storage.blobs
    found = [*blobs.list_all(UPLOADS, f"{job.job_id}/"), *blobs.list_all(AUDIO_FILES, job.folder)]
    return sorted(blob.name.rpartition("/")[2] for blob in found)


def test_the_tracks_are_there_until_they_are_used_and_the_files_until_they_expire(
    services: Services, clock: Clock
) -> None:
    job = submit(services, sent(0.2, 0.1), ratios=(0.0, 0.5), expires_in_seconds=3600)
    assert left(services, job) == ["track1", "track2"]
    assert run(services, job).status is JobStatus.COMPLETED
    assert left(services, job) == ["bridge-0.5.wav", "bridge-0.wav"]
    clock.advance(3601)
    services.housekeeping.expire()
    assert left(services, job) == []


def test_a_job_that_cannot_come_to_anything_keeps_nothing(services: Services) -> None:
    job = submit(services, sent(0.2, 0.0))
    ended = run(services, job)
    assert (ended.status, ended.error and ended.error.type) == (JobStatus.FAILED, "silent-audio")
    assert left(services, job) == []


def test_tracks_that_a_worker_left_when_it_died_go_with_the_message_that_comes_again(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(runner: JobRunner, job: Job | None) -> None:
        raise SystemExit

    job = submit(services, sent(0.2, 0.1))
    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(JobRunner, "_discard_inputs", die)
        services.runner.run(job.job_id)
    assert left(services, job) == ["bridge-0.5.wav", "track1", "track2"]
    assert run(services, job).status is JobStatus.COMPLETED
    assert left(services, job) == ["bridge-0.5.wav"]


@pytest.mark.parametrize("overtaken", ["before it reads the tracks again", "before it stores its files"])
def test_a_worker_that_was_overtaken_neither_fails_the_job_nor_leaves_anything(
    services: Services, clock: Clock, toy: ToyBridge, overtaken: str
) -> None:
    def overtake(*unused: object) -> None:
        toy.before_load = lambda: None
        toy.after_block = lambda blocks: None
        clock.advance(services.settings.job_lease_seconds + 1)
        services.runner.run(job.job_id)  # completes it, and removes the tracks

    if overtaken == "before it reads the tracks again":
        toy.before_load = overtake
    else:
        toy.after_block = overtake
    job = submit(services, sent(0.2, 0.1))
    services.runner.run(job.job_id)
    ended = services.jobs.get(job.job_id)
    assert (ended.status, ended.attempt) == (JobStatus.COMPLETED, 2)
    assert left(services, job) == ["bridge-0.5.wav"]


def test_a_job_whose_tracks_are_gone_is_not_tried_again(services: Services) -> None:
    silent = run(services, submit(services, sent(0.2, 0.0)))
    expired = submit(services, sent(0.2, 0.1))
    services.jobs.cancel(expired.job_id)
    services.storage.blobs.remove_all(UPLOADS, f"{expired.job_id}/")
    for job in (silent, expired):
        with pytest.raises(JobStateConflict, match="send the request again"):
            services.jobs.retry(job.job_id)
        assert services.jobs.get(job.job_id).status.ended


def test_a_worker_whose_job_is_deleted_meanwhile_leaves_nothing(services: Services, toy: ToyBridge) -> None:
    def delete(blocks: int) -> None:
        services.jobs.jobs.remove(services.jobs.get(job.job_id))
        services.jobs.remove_files(job)

    toy.after_block = delete
    job = submit(services, sent(0.2, 0.1))
    services.runner.run(job.job_id)
    assert left(services, job) == []


def test_a_request_that_comes_again_after_its_job_is_completed_leaves_no_tracks(
    services: Services, clock: Clock
) -> None:
    job = submit(services, sent(0.2, 0.1))
    run(services, job)
    clock.advance(1)
    again = services.jobs.submit(services.bridges.of_files(BridgeOptions(), sent(0.2, 0.1), job_id=job.job_id))
    assert (again.status, again.created_at) == (JobStatus.COMPLETED, job.created_at)
    assert left(services, job) == ["bridge-0.5.wav"]


def test_tracks_that_cannot_be_removed_do_not_undo_the_job(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*unused: object) -> int:
        raise StorageUnavailable("no answer")

    job = submit(services, sent(0.2, 0.1))
    with monkeypatch.context() as patched:
        patched.setattr(services.storage.blobs.__class__, "remove_all", refuse)
        assert run(services, job).status is JobStatus.COMPLETED
    clock.advance(services.settings.retention_seconds + 1)
    services.housekeeping.expire()
    assert left(services, job) == []


def test_a_job_that_may_be_tried_again_keeps_its_tracks(services: Services, toy: ToyBridge) -> None:
    def fail(blocks: int) -> None:
        raise ConnectionError("gone")

    toy.after_block = fail
    job = submit(services, sent(0.2, 0.1))
    run(services, job)
    assert run(services, job).status is JobStatus.FAILED
    assert left(services, job) == ["track1", "track2"]
    toy.after_block = lambda blocks: None
    services.jobs.retry(job.job_id)
    ended = run(services, job)
    assert ended.status is JobStatus.COMPLETED
    assert [(step.status.value, step.attempt) for step in ended.history] == [
        ("processing", 1), ("queued", 1), ("processing", 2), ("failed", 2), ("queued", 2), ("processing", 3),
        ("completed", 3),
    ]  # fmt: skip


def test_deleting_a_job_removes_all_there_is_of_it(services: Services) -> None:
    job = submit(services, sent(0.2, 0.1))
    run(services, job)
    services.jobs.delete(job.job_id)
    assert left(services, job) == []


def test_a_stem_of_another_job_can_be_bridged(services: Services) -> None:
    before = run(services, submit(services, sent(0.2, 0.1), ratios=(0.0, 1.0)))
    tracks = {
        name: StoredFile(job_id=before.job_id, file=output.name)
        for name, output in zip(TRACKS, before.outputs, strict=True)
    }
    request = BridgeRequest(**tracks, ratios=(0.25,))
    job = run(services, services.jobs.submit(services.bridges.of_stored(request, job_id=services.new_id())))
    assert job.status is JobStatus.COMPLETED
    samples, _ = decoded(b"".join(services.jobs.read(job, job.outputs[0])))
    assert samples.shape == (1, 2 * 44100)
    assert left(services, before) == ["bridge-0.wav", "bridge-1.wav"]
