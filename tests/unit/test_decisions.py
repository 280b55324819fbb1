"""The pure decisions: whether to try again, when, and whether a job is lost."""

from __future__ import annotations

import pytest

from core.errors import (
    DeadlineExceeded,
    EngineFailed,
    EngineUnavailable,
    InvalidRequest,
    RowChanged,
    StorageError,
    StorageUnavailable,
)
from core.jobs import retry as attempts
from core.jobs.retry import Decision
from core.webhooks.retry import DeliveryStatus, judge
from core.webhooks.sender import Outcome

SCHEDULE = (5.0, 300.0, 1800.0)


@pytest.mark.parametrize(
    ("error", "attempt", "expected"),
    [
        (StorageUnavailable(), 1, Decision.RETRY),
        (StorageUnavailable(), 4, Decision.RETRY),
        (StorageUnavailable(), 5, Decision.GIVE_UP),
        (RowChanged(), 1, Decision.RETRY),
        (EngineFailed(), 1, Decision.RETRY),
        (EngineFailed(), 5, Decision.GIVE_UP),
        (RuntimeError(), 1, Decision.RETRY),
        (MemoryError(), 1, Decision.RETRY),
        (RuntimeError(), 6, Decision.GIVE_UP),
        (EngineUnavailable(), 1, Decision.GIVE_UP),
        (StorageError(), 1, Decision.GIVE_UP),
        (InvalidRequest([]), 1, Decision.GIVE_UP),
        (DeadlineExceeded(), 1, Decision.GIVE_UP),
    ],
)
def test_whether_a_failed_attempt_is_worth_another(error: Exception, attempt: int, expected: Decision) -> None:
    assert attempts.decide(error, attempt, attempts_allowed=5) is expected


def test_attempts_wait_longer_each_time_up_to_a_minute() -> None:
    assert [attempts.delay_seconds(attempt) for attempt in (1, 2, 3, 6, 50)] == [2, 4, 8, 60, 60]


@pytest.mark.parametrize(
    ("outcome", "event", "try_number", "status", "delay"),
    [
        (Outcome(200), "job.completed", 1, "delivered", None),
        (Outcome(204), "job.completed", 9, "delivered", None),
        (Outcome(500), "job.completed", 1, "retrying", 5),
        (Outcome(500), "job.completed", 2, "retrying", 300),
        (Outcome(500), "job.completed", 3, "retrying", 1800),
        (Outcome(500), "job.completed", 4, "failed", None),
        (Outcome(301), "job.failed", 1, "retrying", 5),
        (Outcome(404), "job.failed", 1, "retrying", 5),
        (Outcome(None, "refused"), "job.canceled", 1, "retrying", 5),
        (Outcome(503, retry_after_seconds=60), "job.completed", 1, "retrying", 60),
        (Outcome(503, retry_after_seconds=60), "job.completed", 2, "retrying", 300),
        (Outcome(503, retry_after_seconds=1e9), "job.completed", 1, "retrying", 7 * 86400),
        (Outcome(410), "job.completed", 1, "disabled", None),
        (Outcome(500), "job.progress", 1, "failed", None),
        (Outcome(200), "job.progress", 1, "delivered", None),
    ],
)
def test_what_follows_a_try_to_deliver(
    outcome: Outcome, event: str, try_number: int, status: str, delay: float | None
) -> None:
    verdict = judge(outcome, event, try_number, SCHEDULE, chance=0.0)
    assert (verdict.status, verdict.delay_seconds) == (DeliveryStatus(status), delay)


def test_tries_are_spread_by_at_most_a_tenth() -> None:
    delays = [judge(Outcome(500), "job.completed", 2, SCHEDULE, chance).delay_seconds for chance in (0.0, 0.5, 0.999)]
    assert delays == pytest.approx([300, 315, 329.97])
