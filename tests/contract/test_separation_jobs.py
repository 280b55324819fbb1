"""Separation jobs, over both storages: what survives an attempt, and what every attempt must notice."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.bootstrap import Services, Storage, build
from core.engines.registry import EngineRegistry
from core.errors import EngineFailed
from core.jobs.messages import CPU_REQUESTS
from core.jobs.model import AUDIO_FILES, UPLOADS, Job, JobStatus
from core.jobs.progress import Progress
from core.ports import Mixture, SeparationSettings
from core.separation.inbox import INBOX
from core.separation.parts import Parts
from core.separation.request import SeparationOptions, SeparationRequest
from core.settings import Settings
from tests.clock import Clock
from tests.contract.conftest import Account
from tests.songs import encoded, song

if TYPE_CHECKING:
    from core.ports import StemBlock


RATE = 8000  # five pieces of a song, at little cost
SONG = song(40.0, RATE, 1)
WAV = encoded(SONG, RATE)
Hook = Callable[[int], None]


class HookedEngines(EngineRegistry):
    """The real engines, with something that happens after each step of a separation."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        super().__init__(settings, storage.blobs)
        self.steps = 0
        self.before_load: Callable[[], None] = lambda: None
        self.after_step: Hook = lambda steps: None
        self.spoil: Callable[[StemBlock], StemBlock] = lambda stems: stems

    def separation(self, name: str) -> Any:
        return _Hooked(self, super().separation(name))


class _Hooked:
    """An engine, or its separator: everything but ``load`` and ``separate`` is the real one's."""

    def __init__(self, engines: HookedEngines, real: Any) -> None:
        self._engines = engines
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @contextmanager
    def load(self, settings: SeparationSettings, wait: Callable[[], None]) -> Iterator[Any]:
        self._engines.before_load()
        with self._real.load(settings, wait) as separator:
            yield _Hooked(self._engines, separator)

    def separate(self, mixture: Mixture, start_frame: int, step: Callable[[], None]) -> Iterator[StemBlock]:
        def counted() -> None:
            self._engines.steps += 1
            step()
            self._engines.after_step(self._engines.steps)

        for stems in self._real.separate(mixture, start_frame, counted):
            yield self._engines.spoil(stems)


SETTINGS = Settings.read({"JOB_LEASE_SECONDS": "60", "JOB_ATTEMPTS": "3", "JOB_DEADLINE_SECONDS": "3000"})


@pytest.fixture
def engines(storage: Storage) -> HookedEngines:
    return HookedEngines(SETTINGS, storage)


@pytest.fixture
def services(storage: Storage, clock: Clock, engines: HookedEngines) -> Services:
    return build(SETTINGS, storage, clock=clock, engines=engines)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in set(threading.enumerate()) - before if "ahead" in thread.name]
    assert not left, left


@pytest.fixture
def submit(services: Services) -> Callable[..., Job]:
    """Submits a job for a file that comes with its request."""

    def submit(content: bytes = WAV, filename: str = "song.wav", **fields: Any) -> Job:
        options = SeparationOptions.model_validate(fields)
        job = services.separations.of_file(options, io.BytesIO(content), filename, "0" * 64, job_id=services.new_id())
        return services.jobs.submit(job)

    return submit


def files(services: Services, job: Job) -> dict[str, bytes]:
    stored = services.jobs.get(job.job_id)
    return {output.name: b"".join(services.jobs.read(stored, output)) for output in stored.outputs}


def names(services: Services, job: Job) -> list[str]:
    return [blob.name.removeprefix(job.folder) for blob in services.storage.blobs.list_all(AUDIO_FILES, job.folder)]


def test_a_job_leaves_its_files_and_nothing_else(services: Services, submit: Callable[..., Job]) -> None:
    job = submit(stems="drums,bass")
    services.runner.run(job.job_id)
    ended = services.jobs.get(job.job_id)
    assert ended.status is JobStatus.COMPLETED, ended.error
    assert {output.name for output in ended.outputs} | {".report.json"} == set(names(services, job))
    assert ended.result is not None
    assert ended.result["frames"] == SONG.shape[1]
    services.jobs.delete(job.job_id)
    assert names(services, job) == []
    assert services.storage.blobs.list_all(UPLOADS, f"{job.job_id}/") == []


def test_the_next_attempt_goes_on_where_the_last_one_broke(
    services: Services, engines: HookedEngines, submit: Callable[..., Job]
) -> None:
    undisturbed = submit()
    services.runner.run(undisturbed.job_id)
    steps = engines.steps

    def fail(done: int) -> None:
        if done == steps + steps // 2 + 1:
            raise EngineFailed("the device fell off the bus")

    engines.after_step = fail
    job = submit()
    services.runner.run(job.job_id)
    assert services.jobs.get(job.job_id).status is JobStatus.QUEUED
    kept = sum(part.frames for part in Parts(services.storage.blobs, job.folder).finished())
    assert kept > 0

    engines.steps = 0
    engines.after_step = lambda done: None
    services.runner.run(job.job_id)
    assert services.jobs.get(job.job_id).status is JobStatus.COMPLETED
    assert 0 < engines.steps < steps
    assert files(services, job) == files(services, undisturbed)


def test_parts_of_other_weights_or_another_version_are_not_gone_on_with(
    services: Services, engines: HookedEngines, submit: Callable[..., Job]
) -> None:
    def fail(done: int) -> None:
        if done == 3:
            raise EngineFailed("broken")

    engines.after_step = fail
    job = submit()
    services.runner.run(job.job_id)
    parts = Parts(services.storage.blobs, job.folder)
    plan = parts.plan()
    assert plan is not None
    parts.start(plan.evolve(weights="of another model"))
    engines.after_step = lambda done: None
    services.runner.run(job.job_id)
    assert services.jobs.get(job.job_id).status is JobStatus.COMPLETED


def test_an_attempt_that_died_after_its_work_is_not_repeated(
    services: Services, engines: HookedEngines, submit: Callable[..., Job], clock: Clock, monkeypatch: Any
) -> None:
    job = submit(stems="bass")
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "measured", lambda self, result: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            services.runner.run(job.job_id)
    engines.steps = 0
    clock.advance(61)
    services.runner.run(job.job_id)
    ended = services.jobs.get(job.job_id)
    assert (ended.status, ended.attempt, engines.steps) == (JobStatus.COMPLETED, 2, 0)
    assert ended.result is not None and [output.stem_type for output in ended.outputs] == ["bass", "bass"]


def test_an_attempt_that_runs_out_of_time_leaves_the_rest_to_the_next(
    services: Services, engines: HookedEngines, submit: Callable[..., Job], clock: Clock, account: Account
) -> None:
    job = submit()
    account.receive(CPU_REQUESTS)

    def time_flies(done: int) -> None:
        if done == 3:
            clock.advance(3001)

    engines.after_step = time_flies
    services.runner.run(job.job_id)
    waiting = services.jobs.get(job.job_id)
    assert waiting.status is JobStatus.QUEUED
    assert waiting.error is not None and waiting.error.type == "time-used-up"
    services.runner.run(job.job_id)
    assert services.jobs.get(job.job_id).status is JobStatus.COMPLETED


def test_an_attempt_that_gets_nowhere_in_its_time_fails(
    services: Services, engines: HookedEngines, submit: Callable[..., Job], clock: Clock
) -> None:
    engines.before_load = lambda: clock.advance(3001)
    job = submit(encoded(song(1.0)))
    services.runner.run(job.job_id)
    failed = services.jobs.get(job.job_id)
    assert failed.error is not None
    assert (failed.status, failed.error.type) == (JobStatus.FAILED, "deadline-exceeded")


def test_a_canceled_job_stops_within_a_step(
    services: Services, engines: HookedEngines, submit: Callable[..., Job], monkeypatch: Any
) -> None:
    job = submit()
    flushers: list[Progress] = []
    monkeypatch.setattr(Progress, "report", _remembering(Progress.report, flushers))

    def cancel(done: int) -> None:
        if done == 2:
            services.jobs.cancel(job.job_id)
            flushers[-1].flush()  # what the second thread does once a second

    engines.after_step = cancel
    services.runner.run(job.job_id)
    assert services.jobs.get(job.job_id).status is JobStatus.CANCELED
    assert engines.steps == 3  # the step that was running when it was seen ends, and no other begins


def _remembering(report: Any, flushers: list[Progress]) -> Any:
    def remembered(self: Progress, *args: Any) -> None:
        flushers.append(self)
        report(self, *args)

    return remembered


def test_samples_that_are_not_finite_fail_the_job(
    services: Services, engines: HookedEngines, submit: Callable[..., Job]
) -> None:
    engines.spoil = lambda stems: stems * np.float32("nan")
    job = submit(encoded(song(1.0)))
    services.runner.run(job.job_id)
    failed = services.jobs.get(job.job_id)
    assert failed.error is not None
    assert (failed.status, failed.error.type) == (JobStatus.FAILED, "not-finite")
    assert "not finite" in failed.error.detail


def test_a_song_that_changes_under_us_fails_the_job(services: Services, storage: Storage) -> None:
    def put(content: bytes) -> None:
        storage.blobs.write(
            INBOX,
            "change.wav",
            lambda: iter((content,)),
            size_bytes=len(content),
            content_type="audio/wav",
            metadata={},
        )

    put(WAV)
    request = SeparationRequest(blob=f"{INBOX}/change.wav")
    job = services.jobs.submit(services.separations.of_stored(request, job_id=services.new_id()))
    put(encoded(song(1.0)))
    services.runner.run(job.job_id)
    failed = services.jobs.get(job.job_id)
    assert failed.error is not None
    assert (failed.status, failed.error.type) == (JobStatus.FAILED, "source-changed")


def test_damage_in_the_middle_fails_the_job_before_the_engine_is_asked(
    services: Services, engines: HookedEngines, submit: Callable[..., Job]
) -> None:
    flac = bytearray(encoded(SONG, RATE, "FLAC"))
    middle = len(flac) // 2
    flac[middle : middle + 4000] = bytes(4000)
    job = submit(bytes(flac), "song.flac")
    services.runner.run(job.job_id)
    failed = services.jobs.get(job.job_id)
    assert failed.error is not None
    assert (failed.status, failed.error.type, engines.steps) == (JobStatus.FAILED, "damaged-audio", 0)


class TestInbox:
    """Files that are dropped into the container, and what is written into their metadata."""

    @pytest.fixture
    def drop(self, storage: Storage) -> Callable[..., None]:
        def drop(name: str, content: bytes = WAV, **options: str) -> None:
            storage.blobs.write(
                INBOX,
                name,
                lambda: iter((content,)),
                size_bytes=len(content),
                content_type="audio/wav",
                metadata=options,
            )

        return drop

    def note(self, storage: Storage, name: str) -> dict[str, str]:
        found = storage.blobs.properties(INBOX, name)
        assert found is not None
        return found.metadata

    def test_one_event_twice_makes_one_job(self, services: Services, drop: Any, account: Account) -> None:
        drop("twice.wav")
        first, second = services.inbox.receive("twice.wav"), services.inbox.receive("twice.wav")
        assert first is not None and second is not None
        assert first.job_id == second.job_id
        services.runner.run(first.job_id)
        assert services.inbox.receive("twice.wav") is None  # the event of what we wrote into its metadata
        note = self.note(services.storage, "twice.wav")
        assert (note["stemworks_status"], note["stemworks_job_id"]) == ("completed", first.job_id)
        assert note["stemworks_result_url"] == f"/v1/jobs/{first.job_id}"

    def test_a_failed_job_can_be_retried_though_its_file_has_a_note(
        self, services: Services, engines: HookedEngines, drop: Any
    ) -> None:
        drop("retry.wav")
        job = services.inbox.receive("retry.wav")
        assert job is not None

        def fail(done: int) -> None:
            raise EngineFailed("broken")

        engines.after_step = fail
        for _ in range(3):
            services.runner.run(job.job_id)
        assert self.note(services.storage, "retry.wav")["stemworks_status"] == "failed"
        engines.after_step = lambda done: None
        services.jobs.retry(job.job_id)
        services.runner.run(job.job_id)
        note = self.note(services.storage, "retry.wav")
        assert note["stemworks_status"] == "completed"
        assert "stemworks_error" not in note

    def test_a_refused_file_says_why_and_a_new_one_of_its_name_is_taken(self, services: Services, drop: Any) -> None:
        drop("later.wav", b"words", stems="vocals")
        assert services.inbox.receive("later.wav") is None
        note = self.note(services.storage, "later.wav")
        assert (note["stemworks_status"], note["stems"]) == ("refused", "vocals")
        assert "later.wav" in note["stemworks_error"]
        drop("later.wav", stems="vocals")
        job = services.inbox.receive("later.wav")
        assert job is not None and job.request["stems"] == ["vocals"]

    def test_a_file_that_is_gone_makes_no_job(self, services: Services) -> None:
        assert services.inbox.receive("gone.wav") is None
