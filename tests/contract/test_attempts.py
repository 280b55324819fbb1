"""Attempts at jobs: claimed once, resumed, canceled, retried, given up; never lost, never finished twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from core.bootstrap import Services, build
from core.engines.registry import EngineRegistry
from core.errors import (
    EngineFailed,
    EngineUnavailable,
    JobNotFound,
    JobStateConflict,
    LeaseLost,
    RowChanged,
    StemworksError,
)
from core.jobs.messages import CALLBACKS, CPU_REQUESTS
from core.jobs.model import AUDIO_FILES, Job, JobStatus, Preview
from core.jobs.store import JobStore
from core.ports import Change, Piece, StemRequest
from core.settings import Settings
from core.storage.memory import MemoryBlobs
from tests.clock import Clock
from tests.contract.conftest import Account

NewJob = Callable[..., Job]
Hook = Callable[[StemRequest], None]


class HookedEngines:
    """The real engines, with something that happens before a stem's first block."""

    def __init__(self) -> None:
        self._real = EngineRegistry(Settings.read({}), MemoryBlobs())
        self.before: Hook = lambda request: None
        self.rendered: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def generation(self, name: str) -> Any:
        return _Hooked(self, self._real.generation(name))


class _Hooked:
    """An engine, or its renderer: everything but ``load`` and ``render`` is the real one's."""

    def __init__(self, engines: HookedEngines, real: Any) -> None:
        self._engines = engines
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @contextmanager
    def load(self, model: str | None, wait: Callable[[], None]) -> Iterator[Any]:
        with self._real.load(model, wait) as renderer:
            yield _Hooked(self._engines, renderer)

    def render(self, requests: Sequence[StemRequest], step: Callable[[float], None]) -> Iterator[Piece]:
        begun: set[int] = set()
        for piece in self._real.render(requests, step):
            if piece.stem not in begun:
                begun.add(piece.stem)
                self._engines.before(requests[piece.stem])
                self._engines.rendered.append(requests[piece.stem].stem_type)
            yield piece


@pytest.fixture
def engines() -> HookedEngines:
    return HookedEngines()


@pytest.fixture
def services(services: Services, engines: HookedEngines, clock: Clock) -> Services:
    return build(services.settings, services.storage, clock=clock, engines=engines)


def raising(error: Exception) -> Hook:
    def hook(request: StemRequest) -> None:
        raise error

    return hook


def test_an_attempt_completes_the_job(services: Services, new_job: NewJob, account: Account) -> None:
    job = services.jobs.submit(new_job())
    assert account.receive(CPU_REQUESTS) == [json.dumps({"job_id": job.job_id}, separators=(",", ":"))]
    services.runner.run(job.job_id)
    done = services.jobs.get(job.job_id)
    assert (done.status, done.attempt, done.progress, done.error) == (JobStatus.COMPLETED, 1, 1.0, None)
    (output,) = done.outputs
    assert (output.name, output.sample_rate, output.channels, output.duration_seconds) == ("bass.wav", 44100, 2, 0.5)
    found = services.storage.blobs.properties(AUDIO_FILES, f"{job.job_id}/generated/{job.job_id}/bass.wav")
    assert found is not None
    assert found.size_bytes == output.file_size_bytes


def test_a_message_that_comes_again_after_the_end_changes_nothing(
    services: Services, new_job: NewJob, engines: HookedEngines
) -> None:
    job = services.jobs.submit(new_job())
    services.runner.run(job.job_id)
    done = services.jobs.get(job.job_id)
    services.runner.run(job.job_id)
    assert services.jobs.get(job.job_id) == done
    assert engines.rendered == ["bass"]


def test_a_message_that_comes_while_an_attempt_is_alive_waits(
    services: Services, new_job: NewJob, engines: HookedEngines, account: Account
) -> None:
    job = services.jobs.submit(new_job())
    account.receive(CPU_REQUESTS)
    engines.before = lambda request: services.runner.run(job.job_id)  # the second delivery, in the middle of the first
    services.runner.run(job.job_id)
    assert services.jobs.get(job.job_id).attempt == 1
    assert engines.rendered == ["bass"]
    assert account.receive(CPU_REQUESTS) == []
    assert services.storage.queues.count(CPU_REQUESTS) == 1  # its copy comes back when the lease would have ended


def test_an_attempt_that_lost_its_lease_cannot_overwrite_a_newer_one(
    services: Services, new_job: NewJob, engines: HookedEngines, clock: Clock
) -> None:
    job = services.jobs.submit(new_job())

    def overtake(request: StemRequest) -> None:
        engines.before = lambda request: None
        clock.advance(61)  # the lease ends; the message comes to another worker, which finishes
        services.runner.run(job.job_id)
        assert services.jobs.get(job.job_id).attempt == 2

    engines.before = overtake
    services.runner.run(job.job_id)
    done = services.jobs.get(job.job_id)
    assert (done.status, done.attempt, done.revision) == (JobStatus.COMPLETED, 2, 3)


def test_an_end_whose_answer_got_lost_is_an_end(
    services: Services, new_job: NewJob, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = services.jobs.submit(new_job(callback_url="http://127.0.0.1:9/hook"))
    table: Any = services.storage.tables["jobs"]
    commit = table.commit

    def lose_the_answer(partition: str, *changes: Change) -> tuple[str, ...]:
        etags = commit(partition, *changes)
        if any('"status":"completed"' in getattr(change, "document", "") for change in changes):
            raise RowChanged  # what the SDK's own repeat of the request comes to
        return tuple(etags)

    monkeypatch.setattr(table, "commit", lose_the_answer)
    services.runner.run(job.job_id)
    done = services.jobs.get(job.job_id)
    assert (done.status, done.attempt, done.revision) == (JobStatus.COMPLETED, 1, 2)
    assert len(account.receive(CALLBACKS)) == 1


def test_finished_stems_are_not_made_again(services: Services, new_job: NewJob, engines: HookedEngines) -> None:
    job = services.jobs.submit(new_job(target_stems=["bass", "drums", "guitar"]))

    def die_at_guitar(request: StemRequest) -> None:
        if request.stem_type == "guitar" and engines.rendered.count("drums") == 1:
            engines.before = lambda request: None
            raise EngineFailed("out of tune")

    engines.before = die_at_guitar
    services.runner.run(job.job_id)
    waiting = services.jobs.get(job.job_id)
    assert (waiting.status, [o.name for o in waiting.outputs]) == (JobStatus.QUEUED, ["bass.wav", "drums.wav"])
    assert waiting.error is not None and "out of tune" in waiting.error.detail
    services.runner.run(job.job_id)
    done = services.jobs.get(job.job_id)
    assert (done.status, done.attempt) == (JobStatus.COMPLETED, 2)
    assert engines.rendered == ["bass", "drums", "guitar"]
    assert [o.name for o in done.outputs] == ["bass.wav", "drums.wav", "guitar.wav"]


def test_a_failure_that_another_attempt_may_mend_is_tried_again_until_no_attempt_is_left(
    services: Services, new_job: NewJob, engines: HookedEngines
) -> None:
    job = services.jobs.submit(new_job())
    engines.before = raising(RuntimeError("secret path /home/x"))
    for _ in range(3):
        services.runner.run(job.job_id)
    failed = services.jobs.get(job.job_id)
    assert (failed.status, failed.attempt) == (JobStatus.FAILED, 3)
    assert failed.error is not None
    assert "RuntimeError" in failed.error.detail and "secret" not in failed.error.detail


def test_a_hopeless_failure_is_not_tried_again(services: Services, new_job: NewJob, engines: HookedEngines) -> None:
    job = services.jobs.submit(new_job())
    engines.before = raising(EngineUnavailable("no weights: put them into MODEL_DIR"))
    services.runner.run(job.job_id)
    failed = services.jobs.get(job.job_id)
    assert (failed.status, failed.attempt) == (JobStatus.FAILED, 1)
    assert failed.error is not None and failed.error.type == "engine-unavailable"


def test_a_worker_that_dies_every_time_does_not_loop_for_ever(
    services: Services, new_job: NewJob, clock: Clock
) -> None:
    job = services.jobs.submit(new_job())
    store = JobStore(services.storage.tables["jobs"])
    for _ in range(3):  # three attempts that end without a word
        held = store.get(job.job_id)
        store.replace(held, held.claimed(clock(), 60))
        clock.advance(61)
    services.runner.run(job.job_id)
    failed = services.jobs.get(job.job_id)
    assert (failed.status, failed.attempt) == (JobStatus.FAILED, 3)
    assert failed.error is not None and failed.error.type == "attempts-exhausted"


def test_a_queued_job_is_canceled_at_once_and_its_message_dropped(
    services: Services, new_job: NewJob, engines: HookedEngines
) -> None:
    job = services.jobs.submit(new_job())
    assert services.jobs.cancel(job.job_id).status is JobStatus.CANCELED
    services.runner.run(job.job_id)
    assert services.jobs.get(job.job_id).status is JobStatus.CANCELED
    assert engines.rendered == []
    with pytest.raises(JobStateConflict):
        services.jobs.cancel(job.job_id)


def test_a_running_job_stops_when_it_is_canceled(services: Services, new_job: NewJob, engines: HookedEngines) -> None:
    job = services.jobs.submit(new_job(target_stems=["bass", "drums"]))

    def cancel_at_drums(request: StemRequest) -> None:
        if request.stem_type == "drums":
            asked = services.jobs.cancel(job.job_id)
            assert (asked.status, asked.cancel_requested) == (JobStatus.PROCESSING, True)

    engines.before = cancel_at_drums
    services.runner.run(job.job_id)
    canceled = services.jobs.get(job.job_id)
    assert canceled.status is JobStatus.CANCELED
    assert canceled.outputs[0].name == "bass.wav"


def test_a_canceled_job_can_be_retried(services: Services, new_job: NewJob, account: Account) -> None:
    job = services.jobs.submit(new_job())
    services.jobs.cancel(job.job_id)
    account.receive(CPU_REQUESTS)
    assert services.jobs.retry(job.job_id).status is JobStatus.QUEUED
    assert len(account.receive(CPU_REQUESTS)) == 1
    services.runner.run(job.job_id)
    assert services.jobs.get(job.job_id).status is JobStatus.COMPLETED
    with pytest.raises(JobStateConflict):
        services.jobs.retry(job.job_id)


def test_a_job_deleted_while_it_waits_is_passed_over(services: Services, new_job: NewJob) -> None:
    job = services.jobs.submit(new_job())
    with pytest.raises(JobStateConflict):
        services.jobs.delete(job.job_id)
    services.jobs.cancel(job.job_id)
    services.jobs.delete(job.job_id)
    services.runner.run(job.job_id)  # no error: the message is done with


def test_deleting_removes_the_files(services: Services, new_job: NewJob) -> None:
    job = services.jobs.submit(new_job())
    services.runner.run(job.job_id)
    services.jobs.delete(job.job_id)
    assert services.storage.blobs.remove_all(AUDIO_FILES, job.folder) == 0


def test_a_job_takes_no_longer_than_it_may(
    services: Services, new_job: NewJob, engines: HookedEngines, clock: Clock
) -> None:
    job = services.jobs.submit(new_job(target_stems=["bass", "drums"]))
    engines.before = lambda request: clock.advance(2000)
    services.runner.run(job.job_id)
    failed = services.jobs.get(job.job_id)
    assert failed.error is not None
    assert (failed.status, failed.error.type) == (JobStatus.FAILED, "deadline-exceeded")


def test_a_job_that_two_delete_at_once_is_gone(
    services: Services, new_job: NewJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = services.jobs.submit(new_job())
    services.jobs.cancel(job.job_id)
    remove_all = services.storage.blobs.remove_all

    def second(container: str, prefix: str) -> int:
        monkeypatch.setattr(services.storage.blobs, "remove_all", remove_all)
        services.jobs.delete(job.job_id)
        return 0

    monkeypatch.setattr(services.storage.blobs, "remove_all", second)
    with pytest.raises(JobNotFound):
        services.jobs.delete(job.job_id)


def test_an_attempt_reports_progress_and_renews_its_lease(services: Services, new_job: NewJob, clock: Clock) -> None:
    job = services.jobs.submit(new_job())
    held = services.runner._claim(job.job_id)
    assert held is not None
    progress = services.runner._progress(held)
    progress.flush()
    assert services.jobs.get(job.job_id).revision == 1  # nothing to say yet, so nothing is written
    progress.report(0.4, "generating", "bass: 0.2 of 0.5 s")
    progress.flush()
    seen = services.jobs.get(job.job_id)
    assert (seen.progress, seen.stage, seen.status_message) == (0.4, "generating", "bass: 0.2 of 0.5 s")
    clock.advance(21)
    progress.flush()
    renewed = services.jobs.get(job.job_id)
    assert renewed.lease_expires_at is not None and renewed.lease_expires_at > clock()
    assert renewed.revision == 3


def test_what_is_finished_or_can_be_heard_is_told_without_a_report(services: Services, new_job: NewJob) -> None:
    job = services.jobs.submit(new_job())
    held = services.runner._claim(job.job_id)
    assert held is not None
    progress = services.runner._progress(held)
    for parts in (1, 2):
        progress.previewed(Preview(stem_type="bass", part_seconds=2.0, parts=parts, ready_seconds=2.0 * parts))
        progress.flush()
        assert [preview.parts for preview in services.jobs.get(job.job_id).previews] == [parts]
    progress.measured({"random_seed": 1})
    progress.flush()
    assert services.jobs.get(job.job_id).result == {"random_seed": 1}
    revision = services.jobs.get(job.job_id).revision
    progress.flush()
    assert services.jobs.get(job.job_id).revision == revision  # all is told


def test_an_attempt_learns_that_it_was_overtaken(services: Services, new_job: NewJob, clock: Clock) -> None:
    job = services.jobs.submit(new_job())
    held = services.runner._claim(job.job_id)
    assert held is not None
    progress = services.runner._progress(held)
    clock.advance(61)
    assert services.runner._claim(job.job_id) is not None
    progress.report(0.1, "generating", "")
    progress.flush()
    with pytest.raises(LeaseLost):
        progress.report(0.2, "generating", "")


def test_no_callback_is_queued_for_a_job_without_one(services: Services, new_job: NewJob, account: Account) -> None:
    job = services.jobs.submit(new_job())
    services.runner.run(job.job_id)
    assert account.receive(CALLBACKS) == []


def test_errors_have_a_type_a_title_and_a_next_step() -> None:
    def tree(kind: type[StemworksError]) -> Iterator[type[StemworksError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from tree(child)

    for kind in tree(StemworksError):
        assert kind.type and kind.next_step and (kind.__doc__ or "").strip()
