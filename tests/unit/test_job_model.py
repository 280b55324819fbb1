"""A job's states and the steps between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.bootstrap import build, memory_storage
from core.errors import JobNotFound, JobStateConflict
from core.generation.request import GenerationRequest
from core.jobs.housekeeping import lost
from core.jobs.messages import CallbackMessage, JobMessage
from core.jobs.model import Job, JobError, JobStatus
from core.settings import Settings
from tests.clock import Clock

ROW_CHARACTERS = 32_000  # of one document, as the tables take it
ERROR = JobError(type="x", title="x", detail="x", next_step="x")


def new_job(clock: Clock) -> Job:
    services = build(Settings.read({}), memory_storage(), clock=clock)
    request = GenerationRequest(target_stems=("bass",))
    return services.generations.planner.plan(request, job_id="job-1")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def job(clock: Clock) -> Job:
    return new_job(clock)


def test_an_attempt_takes_the_lease_and_raises_the_number(job: Job, clock: Clock) -> None:
    claimed = job.claimed(clock(), 60)
    assert (claimed.status, claimed.attempt, claimed.leased(clock())) == (JobStatus.PROCESSING, 1, True)
    clock.advance(60)
    assert not claimed.leased(clock())
    assert job.status is JobStatus.QUEUED  # a step makes a new job


@given(st.lists(st.floats(allow_nan=False, min_value=-1, max_value=2), max_size=10))
def test_progress_stays_between_0_and_1_and_never_goes_back(values: list[float]) -> None:
    clock = Clock()
    job = new_job(clock).claimed(clock(), 60)
    seen = [job.progress]
    for value in values:
        job = job.advanced(value, "generating", "", clock(), 60)
        seen.append(job.progress)
    assert seen == sorted(seen)
    assert 0 <= seen[0] <= seen[-1] <= 1


@pytest.mark.parametrize("end", ["completed", "failed", "canceled", "expired"])
def test_what_has_ended_cannot_be_canceled(job: Job, clock: Clock, end: str) -> None:
    steps: dict[str, Callable[[], Job]] = {
        "completed": lambda: job.completed(clock()),
        "failed": lambda: job.failed(ERROR, clock()),
        "canceled": lambda: job.canceled(clock()),
        "expired": lambda: job.completed(clock()).expired(clock()),
    }
    with pytest.raises(JobStateConflict):
        steps[end]().cancel(clock())


def test_an_end_keeps_the_files_for_the_jobs_own_time(job: Job, clock: Clock) -> None:
    clock.advance(3600)
    done = job.completed(clock())
    assert (done.expires_at - clock()).total_seconds() == job.retention_seconds


def test_the_history_tells_of_every_change_of_status_or_attempt(job: Job, clock: Clock) -> None:
    held = job.claimed(clock(), 60)
    clock.advance(1)
    advanced = held.advanced(0.5, "generating", "half of it", clock(), 60)
    failed = advanced.failed(ERROR, clock())
    retried = failed.retried(clock(), 2)
    ended = retried.canceled(clock()).expiring(clock()).expired(clock())
    assert [(step.status.value, step.attempt) for step in ended.history] == [
        ("processing", 1), ("failed", 1), ("queued", 1), ("canceled", 1), ("expired", 1),
    ]  # fmt: skip
    assert (ended.history[1].at, ended.history[1].message) == (clock(), ERROR.title)
    assert held.resent(clock()).history == held.history


def test_a_history_leaves_most_of_a_row_to_the_rest(job: Job, clock: Clock) -> None:
    error = JobError(type="x", title="x", detail="a long story " * 100, next_step="x")
    for _ in range(100):
        clock.advance(1)
        job = job.claimed(clock(), 60).released(error, clock())
    assert (job.history[-1].at, job.history[-1].attempt) == (clock(), 100)
    assert len(job.model_dump_json(include={"history"})) < ROW_CHARACTERS / 6


def test_old_and_newer_documents_decode(job: Job) -> None:
    document = job.model_dump(mode="json") | {"a_field_of_a_later_version": 1}
    assert Job.model_validate(document) == job
    del document["history"]
    assert Job.model_validate(document).history == ()
    assert JobMessage.model_validate_json('{"job_id": "a", "v": 2}').job_id == "a"
    old = CallbackMessage.model_validate_json('{"job_id": "a", "event": "job.completed", "sequence": 1}')
    assert (old.try_number, old.replay) == (1, False)


@pytest.mark.parametrize(
    ("sends", "waited", "expected"), [(1, 119, False), (1, 120, True), (2, 239, False), (2, 240, True)]
)
def test_a_queued_job_is_lost_when_patience_runs_out(
    job: Job, clock: Clock, sends: int, waited: float, expected: bool
) -> None:
    clock.advance(waited)
    assert lost(job.evolve(sends=sends), clock(), resend_after_seconds=120) is expected


def test_a_silent_worker_is_noticed_at_once_and_then_with_patience(job: Job, clock: Clock) -> None:
    held = job.claimed(clock(), 60)
    clock.advance(59)
    assert not lost(held, clock(), resend_after_seconds=120)
    clock.advance(1)
    assert lost(held, clock(), resend_after_seconds=120)
    resent = held.resent(clock())
    clock.advance(239)
    assert not lost(resent, clock(), resend_after_seconds=120)
    clock.advance(1)
    assert lost(resent, clock(), resend_after_seconds=120)


class JobLife(RuleBasedStateMachine):
    """Clients, workers and timers do what they like to one job, in any order; what is promised must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.storage = memory_storage()
        settings = Settings.read({"JOB_ATTEMPTS": "2"})
        self.broken = False
        self.services = build(settings, self.storage, clock=self.clock, workers={"generation": self})  # type: ignore[dict-item]
        request = GenerationRequest(target_stems=("bass",))
        self.services.jobs.submit(self.services.generations.planner.plan(request, job_id="j"))
        self.revision = -1
        self.attempt = 0

    def run(self, job: Job, progress: Any) -> None:
        if self.broken:
            raise OSError("disk full")

    @rule(broken=st.booleans())
    def a_message_is_received(self, broken: bool) -> None:
        self.broken = broken
        received = self.queues.receive("cpu-requests")
        if received:
            self.services.runner.run("j")

    @rule()
    def a_worker_dies_after_its_claim(self) -> None:
        if self.queues.receive("cpu-requests"):
            self.services.runner._claim("j")

    @rule()
    def the_client_cancels(self) -> None:
        try:
            self.services.jobs.cancel("j")
        except JobStateConflict:
            assert self.job.status.ended

    @rule()
    def the_client_retries(self) -> None:
        try:
            self.services.jobs.retry("j")
        except JobStateConflict:
            assert self.job.status not in (JobStatus.FAILED, JobStatus.CANCELED)

    @rule(seconds=st.sampled_from([1, 61, 300]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.services.housekeeping.recover()

    @invariant()
    def attempts_and_revisions_only_grow(self) -> None:
        job = self.job
        assert job.revision >= self.revision and job.attempt >= self.attempt
        assert job.attempt <= job.attempts_allowed
        self.revision, self.attempt = job.revision, job.attempt

    @invariant()
    def the_job_is_in_the_list_of_its_status_alone(self) -> None:
        listed = [s for s in JobStatus if self.services.jobs.page(s, None, 5, None).jobs]
        assert listed == [self.job.status]

    def teardown(self) -> None:
        """Whatever happened: given time and a working worker, the job ends."""
        self.broken = False
        for _ in range(12):
            self.clock.advance(3600)
            self.services.housekeeping.recover()
            while self.queues.receive("cpu-requests"):
                self.services.runner.run("j")
        assert self.job.status.ended

    @property
    def job(self) -> Job:
        try:
            return self.services.jobs.get("j")
        except JobNotFound:
            raise AssertionError("the job is lost") from None

    @property
    def queues(self) -> Any:
        return self.storage.queues


TestJobLife = JobLife.TestCase
