"""Idempotency-Key: one key, one body, one answer."""

from __future__ import annotations

import pytest

from core.bootstrap import Services
from core.errors import IdempotencyInFlight, IdempotencyMismatch, StorageUnavailable
from core.jobs.idempotency import StoredAnswer
from tests.clock import Clock


def answer_with(job_id: str) -> StoredAnswer:
    return StoredAnswer(status=202, headers={"Location": f"/v1/jobs/{job_id}"}, body={"job_id": job_id})


def test_a_repeat_gets_the_first_answer(services: Services) -> None:
    first = services.idempotency.answer("k", "body", answer_with)
    assert services.idempotency.answer("k", "body", lambda job_id: pytest.fail("made twice")) == first
    assert services.idempotency.answer("other", "body", answer_with) != first


def test_a_key_with_another_body_is_refused(services: Services) -> None:
    services.idempotency.answer("k", "body", answer_with)
    with pytest.raises(IdempotencyMismatch):
        services.idempotency.answer("k", "another body", answer_with)


def test_a_repeat_while_the_first_runs_is_refused(services: Services) -> None:
    def repeat(job_id: str) -> StoredAnswer:
        with pytest.raises(IdempotencyInFlight):
            services.idempotency.answer("k", "body", answer_with)
        return answer_with(job_id)

    services.idempotency.answer("k", "body", repeat)


def test_a_request_that_failed_leaves_the_key_free(services: Services) -> None:
    def fail(job_id: str) -> StoredAnswer:
        raise StorageUnavailable

    with pytest.raises(StorageUnavailable):
        services.idempotency.answer("k", "body", fail)
    assert services.idempotency.answer("k", "another body", answer_with).status == 202


def test_a_repeat_after_the_first_died_comes_to_the_same_job(services: Services, clock: Clock) -> None:
    drawn = []

    def die(job_id: str) -> StoredAnswer:
        drawn.append(job_id)
        raise SystemExit  # not an error that is handled: the process is gone

    with pytest.raises(SystemExit):
        services.idempotency.answer("k", "body", die)
    clock.advance(61)
    assert services.idempotency.answer("k", "body", answer_with).body == {"job_id": drawn[0]}


def test_only_one_repeat_takes_over_from_a_first_that_died(services: Services, clock: Clock) -> None:
    def die(job_id: str) -> StoredAnswer:
        raise SystemExit

    def third(job_id: str) -> StoredAnswer:
        with pytest.raises(IdempotencyInFlight):
            services.idempotency.answer("k", "body", answer_with)
        return answer_with(job_id)

    with pytest.raises(SystemExit):
        services.idempotency.answer("k", "body", die)
    clock.advance(61)
    assert services.idempotency.answer("k", "body", third).status == 202


def test_keys_are_forgotten_after_a_day(services: Services, clock: Clock) -> None:
    services.idempotency.answer("k", "body", answer_with)
    assert services.idempotency.expire() == 0
    clock.advance(25 * 3600)
    assert services.idempotency.expire() == 1
    assert services.idempotency.answer("k", "another body", answer_with).status == 202
