"""Progress that is published: the newest state, not too often, the last for certain, and never at the job's cost."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from core.bootstrap import build, memory_storage
from core.errors import ChannelUnavailable
from core.generation.request import GenerationRequest
from core.jobs.model import Job, JobStatus
from core.jobs.view import job_view
from core.settings import Settings
from core.web_pubsub.announcer import ChannelAnnouncer
from core.web_pubsub.channel import NoChannel
from tests.clock import Clock


class Group:
    """A channel that hands over what is sent, and can be held up or broken."""

    hub = "test"

    def __init__(self) -> None:
        self.sent: queue.Queue[tuple[str, float]] = queue.Queue()
        self.tried = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()
        self.broken: Exception | None = None

    def send_to_group(self, group: str, message: dict[str, Any]) -> None:
        self.tried.release()
        assert self.open.wait(10)
        if self.broken:
            raise self.broken
        assert message["type"] == "job" and group == f"job-{message['job']['job_id']}"
        self.sent.put((group, message["job"]["progress"]))

    def send_to_connection(self, connection_id: str, message: dict[str, Any]) -> None:
        raise NotImplementedError

    def client_url(self, groups: Sequence[str], *, user_id: str, minutes: int) -> str:
        raise NotImplementedError

    def received(self) -> list[tuple[str, float]]:
        """All that is there by now."""
        return [self.sent.get_nowait() for _ in range(self.sent.qsize())]


class Ticks:
    """Monotonic seconds that go on when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def group() -> Group:
    return Group()


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def announcer(group: Group, ticks: Ticks) -> ChannelAnnouncer:
    return ChannelAnnouncer(group, ticks)


def job_at(progress: float, job_id: str = "job-1", status: JobStatus = JobStatus.PROCESSING) -> Job:
    services = build(Settings.read({}), memory_storage(), clock=Clock())
    job = services.generations.planner.plan(GenerationRequest(target_stems=("bass",)), job_id=job_id)
    return job.evolve(status=status, progress=progress, revision=round(progress * 100) + status.ended)


def ended(job_id: str = "job-1") -> Job:
    return job_at(1.0, job_id, JobStatus.COMPLETED)


def test_the_whole_job_is_sent_to_its_group() -> None:
    sent: list[dict[str, Any]] = []

    class Spy(Group):
        def send_to_group(self, group: str, message: dict[str, Any]) -> None:
            sent.append({"to": group, **message})

    job = ended()
    ChannelAnnouncer(Spy()).announce(job)
    assert sent == [{"to": "job-job-1", "type": "job", "job": job_view(job)}]


def test_progress_is_sent_at_most_once_a_second_and_then_the_newest(
    announcer: ChannelAnnouncer, group: Group, ticks: Ticks
) -> None:
    announcer.announce(job_at(0.1))
    assert group.sent.get(timeout=10) == ("job-job-1", 0.1)
    for progress in (0.2, 0.3, 0.4):
        announcer.announce(job_at(progress))
    announcer.announce(ended("other"))  # waited for: by then the thread has looked at everything
    assert group.received() == [("job-other", 1.0)]
    ticks.now += 1.0
    announcer.announce(job_at(0.1, "third"))
    assert sorted([group.sent.get(timeout=10), group.sent.get(timeout=10)]) == [("job-job-1", 0.4), ("job-third", 0.1)]


def test_the_last_state_is_out_when_announcing_returns_however_soon_it_comes(
    announcer: ChannelAnnouncer, group: Group
) -> None:
    for number in range(20):
        announcer.announce(job_at(0.5, f"job-{number}"))
        announcer.announce(ended(f"job-{number}"))
        assert group.received()[-1] == (f"job-job-{number}", 1.0)


def test_a_state_that_comes_late_does_not_replace_a_newer_one(announcer: ChannelAnnouncer, group: Group) -> None:
    group.open.clear()
    announcer.announce(job_at(0.1, "first"))
    assert group.tried.acquire(timeout=10)
    announcer.announce(job_at(0.7))
    announcer.announce(job_at(0.6))
    group.open.set()
    assert [group.sent.get(timeout=10) for _ in range(2)] == [("job-first", 0.1), ("job-job-1", 0.7)]


def test_a_channel_that_hangs_holds_up_the_end_of_a_job_alone_and_that_not_for_long(group: Group) -> None:
    announcer = ChannelAnnouncer(group, last_wait_seconds=0.2)
    group.open.clear()
    running, over = job_at(0.5), ended()
    started = time.monotonic()
    for number in range(5000):
        announcer.announce(running.evolve(job_id=f"job-{number}"))
    announcer.announce(over)
    waited = time.monotonic() - started
    assert 0.2 <= waited < 10
    group.open.set()
    told = [group.sent.get(timeout=10) for _ in range(1001)]
    assert told[0] == ("job-job-0", 0.5), "this one hung"
    assert ("job-job-1", 1.0) in told and ("job-job-1", 0.5) not in told, "the newest of the many were kept"


def test_a_channel_that_is_down_is_no_job_s_concern_and_said_once_a_minute(
    announcer: ChannelAnnouncer, group: Group, ticks: Ticks, caplog: pytest.LogCaptureFixture
) -> None:
    group.broken = ChannelUnavailable("nobody there")
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            announcer.announce(ended(f"job-{number}"))
            assert group.tried.acquire(timeout=10)
        assert caplog.text.count("nobody there") == 1
        ticks.now += 60
        announcer.announce(ended("later"))
        assert group.tried.acquire(timeout=10)
        group.broken = None
        announcer.announce(ended("last"))
        assert group.sent.get(timeout=10) == ("job-last", 1.0)
    assert caplog.text.count("nobody there") == 2


def test_whatever_breaks_the_next_job_is_told_of(announcer: ChannelAnnouncer, group: Group) -> None:
    group.broken = RuntimeError("a fault of ours")
    announcer.announce(ended("one"))
    group.broken = None
    announcer.announce(ended("other"))
    assert group.sent.get(timeout=10) == ("job-other", 1.0)


def test_without_a_channel_nothing_happens() -> None:
    ChannelAnnouncer(NoChannel("test")).announce(ended())
