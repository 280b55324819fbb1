"""What timers and poison queues do: lost jobs are found, files expire, dead letters are kept."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from core.bootstrap import Services
from core.errors import DeadLetterNotFound, JobStateConflict, StorageUnavailable
from core.jobs import housekeeping
from core.jobs.messages import CPU_REQUESTS
from core.jobs.model import AUDIO_FILES, Job, JobStatus
from core.jobs.store import JobStore
from tests.clock import Clock
from tests.contract.conftest import Account

NewJob = Callable[..., Job]


def test_a_job_is_accepted_even_if_its_message_cannot_be_sent(
    services: Services, new_job: NewJob, monkeypatch: pytest.MonkeyPatch, account: Account, clock: Clock
) -> None:
    def refuse(queue: str, body: str, delay_seconds: float = 0) -> None:
        raise StorageUnavailable("queues are down")

    with monkeypatch.context() as patch:
        patch.setattr(services.storage.queues, "send", refuse)
        job = services.jobs.submit(new_job())
    assert account.receive(CPU_REQUESTS) == []
    clock.advance(services.settings.resend_after_seconds)
    assert services.housekeeping.recover() == 1
    assert len(account.receive(CPU_REQUESTS)) == 1
    assert services.jobs.get(job.job_id).status is JobStatus.QUEUED


def test_housekeeping_sends_again_what_a_dead_worker_held(
    services: Services, new_job: NewJob, account: Account, clock: Clock
) -> None:
    job = services.jobs.submit(new_job())
    account.receive(CPU_REQUESTS)
    store = JobStore(services.storage.tables["jobs"])
    store.replace(store.get(job.job_id), store.get(job.job_id).claimed(clock(), 60))
    clock.advance(59)
    assert services.housekeeping.recover() == 0
    clock.advance(2)
    assert services.housekeeping.recover() == 1
    assert len(account.receive(CPU_REQUESTS)) == 1
    services.runner.run(job.job_id)
    assert services.jobs.get(job.job_id).attempt == 2


def test_housekeeping_has_twice_the_patience_each_time(services: Services, new_job: NewJob, clock: Clock) -> None:
    services.jobs.submit(new_job())
    recovered = []
    for _ in range(8):
        clock.advance(services.settings.resend_after_seconds)
        recovered.append(services.housekeeping.recover())
    assert recovered == [1, 0, 1, 0, 0, 0, 1, 0]


def test_housekeeping_removes_files_that_have_expired(services: Services, new_job: NewJob, clock: Clock) -> None:
    short = services.jobs.submit(new_job(expires_in_seconds=60))
    long = services.jobs.submit(new_job())
    for job in (short, long):
        services.runner.run(job.job_id)
    clock.advance(61)
    assert services.housekeeping.expire() == 1
    assert services.jobs.get(short.job_id).status is JobStatus.EXPIRED
    assert services.storage.blobs.properties(AUDIO_FILES, f"{short.folder}bass.wav") is None
    assert services.storage.blobs.properties(AUDIO_FILES, f"{long.folder}bass.wav") is not None
    assert services.housekeeping.expire() == 0


def test_one_run_expires_more_jobs_than_it_looks_up_at_once(
    services: Services, new_job: NewJob, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_PAGE", 2)
    for _ in range(5):
        services.jobs.cancel(services.jobs.submit(new_job(expires_in_seconds=60)).job_id)
    clock.advance(61)
    assert services.housekeeping.expire() == 5


def test_a_job_whose_files_are_being_removed_cannot_be_retried(
    services: Services, new_job: NewJob, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = services.jobs.submit(new_job())
    services.jobs.cancel(job.job_id)
    clock.advance(8 * 86400)

    def die(container: str, prefix: str) -> int:
        with pytest.raises(JobStateConflict):
            services.jobs.retry(job.job_id)
        raise StorageUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(services.storage.blobs, "remove_all", die)
        with pytest.raises(StorageUnavailable):
            services.housekeeping.expire()
    assert services.jobs.get(job.job_id).stage == "expiring"
    assert services.housekeeping.expire() == 1  # the next timer goes on from there
    assert services.jobs.get(job.job_id).stage == "expired"


def test_a_message_that_failed_too_often_fails_its_job_and_is_kept(services: Services, new_job: NewJob) -> None:
    job = services.jobs.submit(new_job())
    body = json.dumps({"job_id": job.job_id})
    letter = services.dead_letters.record("cpu-requests-poison", "m1", body)
    services.dead_letters.record("cpu-requests-poison", "m1", body)
    failed = services.jobs.get(job.job_id)
    assert failed.error is not None
    assert (failed.status, failed.error.type) == (JobStatus.FAILED, "message-failed")
    assert [kept.dead_letter_id for kept in services.dead_letters.page(10)] == [letter.dead_letter_id]


def test_a_dead_letter_can_be_sent_again(services: Services, new_job: NewJob, account: Account) -> None:
    job = services.jobs.submit(new_job())
    account.receive(CPU_REQUESTS)
    letter = services.dead_letters.record(CPU_REQUESTS, "m1", json.dumps({"job_id": job.job_id}))
    services.jobs.retry(job.job_id)
    account.receive(CPU_REQUESTS)
    services.dead_letters.replay(letter.dead_letter_id)
    assert account.receive(CPU_REQUESTS) == [letter.body]


def test_an_undecodable_message_is_kept_until_it_is_removed(services: Services) -> None:
    letter = services.dead_letters.record("cpu-requests-poison", "m1", "\ufffd not json")
    assert (letter.queue, letter.job_id) == (CPU_REQUESTS, None)
    services.dead_letters.remove(letter.dead_letter_id)
    assert services.dead_letters.page(10) == []
    with pytest.raises(DeadLetterNotFound):
        services.dead_letters.remove(letter.dead_letter_id)
