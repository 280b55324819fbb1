"""A whole separation, with storage that fails at every single call, in every way that it can.

The song is small, and every call that the worker makes of a table, a queue or the blobs is counted. Then the job runs
again for each of these calls, and that one fails: before it did anything, after it did everything, with the worker's
death, or with an outage that lasts until the attempt is over.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from core.bootstrap import Services, Storage, build, memory_storage
from core.engines.registry import EngineRegistry
from core.engines.spectral.engine import SpectralSeparator
from core.errors import InvalidRequest, StorageUnavailable
from core.jobs.messages import CALLBACKS
from core.jobs.model import AUDIO_FILES, UPLOADS, Job, JobStatus
from core.ports import Mixture
from core.separation.request import SeparationOptions, SeparationRequest
from core.settings import Settings
from functions.http.app import create_app
from tests.clock import Clock
from tests.songs import decoded, encoded, song

if TYPE_CHECKING:
    from core.ports import StemBlock

RATE = 8000
WAV = encoded(song(20.0, RATE, 1), RATE)  # three parts
SETTINGS = Settings.read(
    {
        "JOB_LEASE_SECONDS": "60",
        "JOB_ATTEMPTS": "5",
        "PROGRESS_INTERVAL_SECONDS": "3600",  # no second thread among the calls that are counted
        "ALLOW_PRIVATE_CALLBACKS": "true",
    }
)
WAYS = ("refused", "answer lost", "outage", "death")


class Died(BaseException):
    """What the process would never see: it is gone."""


class Faults:
    """Counts the calls, and breaks one of them; ``way`` is one of ``WAYS``."""

    def __init__(self, at: int = 0, way: str = "refused") -> None:
        self.calls = 0
        self.names: list[str] = []
        self._at = at
        self._way = way
        self._lasting: BaseException | None = None
        self._lock = threading.Lock()

    def over(self) -> None:
        """The attempt is over: the outage ends, another process starts."""
        self._lasting = None

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        with self._lock:
            self.calls += 1
            self.names.append(name)
            hit = self.calls == self._at
            if hit and self._way in ("outage", "death"):
                self._lasting = Died() if self._way == "death" else StorageUnavailable("an outage")
            lasting = self._lasting
        if lasting is not None:
            raise lasting
        if hit and self._way == "refused":
            raise StorageUnavailable("refused")
        answer = call()
        if hit:
            raise StorageUnavailable("the answer got lost")
        return answer


class Faulty:
    """Anything of storage, its calls counted and broken by ``faults``."""

    def __init__(self, real: Any, kind: str, faults: Faults) -> None:
        self._real = real
        self._kind = kind
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name == "url":
            return real
        if name == "read":
            return lambda *args: self._pieces(real, *args)
        return lambda *args, **options: self._faults.around(f"{self._kind}.{name}", lambda: real(*args, **options))

    def _pieces(self, real: Callable[..., Iterator[bytes]], *args: Any) -> Iterator[bytes]:
        pieces = self._faults.around(f"{self._kind}.read", lambda: real(*args))
        return self._rest(pieces)

    def _rest(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield self._faults.around(f"{self._kind}.read piece", partial(bytes, piece))


class Trial:
    """One job over storage of its own; the worker's storage is faulty, the client's is not."""

    def __init__(self, faults: Faults, **fields: Any) -> None:
        self.storage = memory_storage()
        self.clock = Clock()
        self.faults = faults
        self.client = build(SETTINGS, self.storage, clock=self.clock)
        self.worker = self.beside(faults)
        self.job = submitted(self.client, **fields)

    def beside(self, faults: Faults) -> Services:
        """A worker over the same storage, with faults of its own.

        What it counts is written at its own time, whatever becomes of the job: that table has no faults here.
        """
        tables: Any = {name: Faulty(table, f"table {name}", faults) for name, table in self.storage.tables.items()}
        tables["metrics"] = self.storage.tables["metrics"]
        queues: Any = Faulty(self.storage.queues, "queues", faults)
        blobs: Any = Faulty(self.storage.blobs, "blobs", faults)
        return build(SETTINGS, Storage(tables, queues, blobs, lambda: None), clock=self.clock)

    def run(self) -> Job:
        """Do what the Functions host and the timer do, until the job has ended."""
        for _ in range(12):
            if self.stored.status.ended:
                break
            for _ in range(5):  # the host's tries
                try:
                    self.worker.runner.run(self.job.job_id)
                    break
                except (StorageUnavailable, Died):
                    continue
                finally:
                    self.faults.over()
            self.clock.advance(61)
            self.client.housekeeping.recover()
        return self.stored

    @property
    def stored(self) -> Job:
        return self.client.jobs.get(self.job.job_id)

    def files(self) -> dict[str, str]:
        """The job's outputs, and the digests of what is in storage under their names."""
        return {output.name: hashlib.sha256(self.content(output.name)).hexdigest() for output in self.stored.outputs}

    def content(self, name: str) -> bytes:
        return b"".join(self.storage.blobs.read(AUDIO_FILES, self.job.folder + name))

    def others(self) -> set[str]:
        """What else lies there."""
        return {name.removeprefix(self.job.folder) for name in self.names(AUDIO_FILES)} - self.files().keys()

    def names(self, container: str) -> list[str]:
        return [blob.name for blob in self.storage.blobs.list_all(container, "")]


def submitted(services: Services, content: bytes = WAV, **fields: Any) -> Job:
    options = SeparationOptions.model_validate({"callback_url": "http://127.0.0.1:9/hook"} | fields)
    sha256 = hashlib.sha256(content).hexdigest()
    job = services.separations.of_file(options, io.BytesIO(content), "song.wav", sha256, job_id=services.new_id())
    return services.jobs.submit(job)


FIELDS = {"stems": "drums,bass", "format": "flac", "random_seed": 1}


@pytest.fixture(scope="module")
def undisturbed() -> Trial:
    trial = Trial(Faults(), **FIELDS)
    assert trial.run().status is JobStatus.COMPLETED
    return trial


@dataclass(frozen=True)
class Outcome:
    """What became of a job one of whose calls failed; ``undeleted`` is what was there after it was deleted."""

    call: str
    job: Job
    files: dict[str, str]
    others: set[str]
    callbacks: int
    undeleted: list[str]


@pytest.fixture(scope="module")
def threads_before() -> set[threading.Thread]:
    """Those that other tests of this process left waiting."""
    return set(threading.enumerate())


@pytest.fixture(scope="module", params=WAYS)
def outcomes(
    request: pytest.FixtureRequest, threads_before: set[threading.Thread], undisturbed: Trial
) -> list[Outcome]:
    """One for each call."""
    return [_outcome(at, request.param) for at in range(1, undisturbed.faults.calls + 1)]


def _outcome(at: int, way: str) -> Outcome:
    trial = Trial(Faults(at, way), **FIELDS)
    job, files, others = trial.run(), trial.files(), trial.others()
    callbacks = trial.storage.queues.count(CALLBACKS)
    trial.client.jobs.delete(job.job_id)
    undeleted = [*trial.names(AUDIO_FILES), *trial.names(UPLOADS)]
    return Outcome(f"{at} {trial.faults.names[at - 1]}", job, files, others, callbacks, undeleted)


def test_the_calls_are_those_of_every_stage(undisturbed: Trial) -> None:
    made = set(undisturbed.faults.names)
    assert {"table jobs.get", "table jobs.commit", "queues.send", "blobs.read_range", "blobs.stage"} <= made
    assert {"blobs.properties", "blobs.list_all", "blobs.write", "blobs.commit", "blobs.remove_all"} <= made


def test_whatever_call_fails_the_job_completes_at_its_second_attempt(outcomes: list[Outcome]) -> None:
    odd = [outcome.call for outcome in outcomes if outcome.job.status is not JobStatus.COMPLETED]
    assert odd == []
    assert [outcome.call for outcome in outcomes if outcome.job.attempt > 2] == []
    assert [outcome.call for outcome in outcomes if outcome.callbacks == 0] == []


def test_whatever_call_fails_the_files_are_the_same(outcomes: list[Outcome], undisturbed: Trial) -> None:
    expected = undisturbed.files()
    assert [outcome.call for outcome in outcomes if outcome.files != expected] == []
    digests = {output.name: output.sha256 for output in undisturbed.stored.outputs}
    assert digests == expected
    for outcome in outcomes:
        assert {output.name: output.sha256 for output in outcome.job.outputs} == expected, outcome.call


def test_whatever_call_fails_deleting_the_job_leaves_nothing(outcomes: list[Outcome]) -> None:
    assert [outcome.call for outcome in outcomes if outcome.undeleted] == []


def test_whatever_call_fails_no_part_stays_beside_the_files(outcomes: list[Outcome]) -> None:
    assert [outcome.call for outcome in outcomes if outcome.others != {".report.json"}] == []


def test_no_thread_is_left(outcomes: list[Outcome], threads_before: set[threading.Thread]) -> None:
    assert [thread.name for thread in set(threading.enumerate()) - threads_before if not thread.daemon] == []


class Happening(Faults):
    """Lets something happen before a call, instead of failing: before the first of its name, or a later one."""

    def __init__(self, name: str, happens: Callable[[], object], occurrence: int = 1) -> None:
        super().__init__()
        self._name = name
        self._happens = happens
        self._occurrence = occurrence

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        self.names.append(name)
        if name == self._name and self.names.count(name) == self._occurrence:
            self._happens()
        return call()


class Pause:
    """Where an attempt stands still until it is told to go on."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._over = threading.Event()

    def __call__(self) -> None:
        self._reached.set()
        self._over.wait()

    @contextmanager
    def within(self, trial: Trial) -> Iterator[Callable[[], None]]:
        """An attempt that stands at the pause; the call that is given lets it run to its end."""
        thread = threading.Thread(target=trial.worker.runner.run, args=(trial.job.job_id,))

        def finish() -> None:
            self._over.set()
            thread.join()

        thread.start()
        try:
            assert self._reached.wait(10)
            yield finish
        finally:
            finish()


def test_a_deadline_while_the_files_are_written_leaves_them_to_the_next_attempt() -> None:
    trial = Trial(Happening("blobs.read piece", lambda: trial.clock.advance(3001)), **FIELDS)
    trial.worker.runner.run(trial.job.job_id)
    assert trial.stored.status is JobStatus.QUEUED, trial.stored.error
    assert trial.run().status is JobStatus.COMPLETED


def test_slow_storage_under_one_job_does_not_stop_another() -> None:
    pause = Pause()
    slow = Trial(Happening("blobs.properties", pause))
    quick = Trial(Faults(), **FIELDS)
    with pause.within(slow):
        other = threading.Thread(target=quick.worker.runner.run, args=(quick.job.job_id,))
        other.start()
        other.join(10)
        status = quick.stored.status
    other.join()
    assert status is JobStatus.COMPLETED


class TestTwoAttempts:
    """The lease of an attempt ran out while it stood still; then it goes on beside the next one."""

    def overtaken(self, stands_at: str, meets_at: str | None, occurrence: int = 1, meets_occurrence: int = 1) -> Trial:
        """The first attempt stands before ``stands_at``, and goes on before the second one's ``meets_at``, or after it.

        Whatever happened to these two, the job is then run until it has ended.
        """
        pause = Pause()
        trial = Trial(Happening(stands_at, pause, occurrence), **FIELDS)
        with pause.within(trial) as finish:
            trial.clock.advance(61)
            second = trial.beside(Happening(meets_at, finish, meets_occurrence) if meets_at else Faults())
            second.runner.run(trial.job.job_id)
        trial.run()
        return trial

    @pytest.mark.parametrize("stands_at", ["blobs.read_range", "blobs.list_all", "blobs.stage", "blobs.commit"])
    def test_the_files_are_those_of_an_undisturbed_job(self, stands_at: str, undisturbed: Trial) -> None:
        trial = self.overtaken(stands_at, None)
        assert trial.stored.status is JobStatus.COMPLETED
        assert trial.files() == undisturbed.files()

    def test_a_late_commit_does_not_fail_the_job(self, undisturbed: Trial) -> None:
        trial = self.overtaken("blobs.commit", "blobs.commit")
        assert trial.stored.status is JobStatus.COMPLETED, trial.stored.error
        assert trial.files() == undisturbed.files()

    @pytest.mark.parametrize("read", [1, 2, 3, 4, 5])  # the report, the plan, the three parts
    def test_parts_that_are_removed_while_they_are_read_do_not_fail_the_job(
        self, read: int, undisturbed: Trial
    ) -> None:
        trial = self.overtaken("blobs.write", "blobs.read", occurrence=7, meets_occurrence=read)  # writing the report
        assert trial.stored.status is JobStatus.COMPLETED, trial.stored.error
        assert trial.files() == undisturbed.files()

    def test_a_late_part_does_not_stay(self) -> None:
        trial = self.overtaken("blobs.list_all", None)
        assert trial.others() == {".report.json"}

    def test_an_attempt_that_outlives_its_job_leaves_nothing(self) -> None:
        pause = Pause()
        trial = Trial(Happening("blobs.list_all", pause), **FIELDS)
        trial.storage.blobs.write(
            "inbox", "song.wav", lambda: iter((WAV,)), size_bytes=len(WAV), content_type="audio/wav", metadata={}
        )
        trial.client.jobs.cancel(trial.job.job_id)
        trial.client.jobs.delete(trial.job.job_id)
        stored = SeparationRequest.model_validate({"blob": "inbox/song.wav"} | FIELDS)
        trial.job = trial.client.jobs.submit(trial.client.separations.of_stored(stored, job_id="stored"))
        with pause.within(trial) as finish:
            trial.clock.advance(61)
            trial.beside(Faults()).runner.run(trial.job.job_id)
            trial.client.jobs.delete(trial.job.job_id)
            finish()
        assert trial.names(AUDIO_FILES) == []


def test_parts_of_another_version_of_the_engine_are_not_gone_on_with() -> None:
    trial = Trial(Faults(at=13, way="death"), **FIELDS)  # two parts are stored
    with pytest.raises(Died):
        trial.worker.runner.run(trial.job.job_id)
    trial.faults.over()
    trial.clock.advance(61)
    updated = build(SETTINGS, trial.storage, clock=trial.clock, engines=_NextVersion(SETTINGS, trial.storage.blobs))
    updated.runner.run(trial.job.job_id)
    assert trial.stored.status is JobStatus.COMPLETED
    heard, _ = decoded(trial.content("drums.flac"))
    assert not np.any(heard)  # the next version makes silence, so whatever is heard is of the one before


class _NextVersion(EngineRegistry):
    """A new release of the spectral engine, which makes silence."""

    def separation(self, name: str) -> Any:
        info = replace(super().separation(name).info, version="9.9")
        return SimpleNamespace(info=info, load=lambda settings, wait: nullcontext(_Silence()))


class _Silence(SpectralSeparator):
    def separate(self, mixture: Mixture, start_frame: int, step: Callable[[], None]) -> Iterator[StemBlock]:
        for stems in super().separate(mixture, start_frame, step):
            yield np.zeros_like(stems)


class TestWhatIsKept:
    """The file that came with a request."""

    def test_it_is_kept_as_long_as_its_job_can_be_retried(self) -> None:
        trial = Trial(Faults(), **FIELDS, expires_in_seconds=30 * 86400)
        trial.client.jobs.cancel(trial.job.job_id)
        trial.clock.advance(8 * 86400)
        trial.client.housekeeping.expire()
        trial.client.jobs.retry(trial.job.job_id)
        assert trial.run().status is JobStatus.COMPLETED, trial.stored.error

    @pytest.mark.parametrize("field", [{"expires_in_seconds": 10**9}, {"callback_url": "ftp://example.org"}])
    def test_nothing_is_kept_of_a_request_that_is_refused(self, field: dict[str, Any]) -> None:
        storage = memory_storage()
        with pytest.raises(InvalidRequest):
            submitted(build(SETTINGS, storage), **field)
        assert storage.blobs.list_all(UPLOADS, "") == []


@pytest.mark.parametrize("name", ["../models/weights.th", "a/../../models/weights.th", "./song.wav", ".."])
def test_a_blob_reference_cannot_leave_its_container(name: str) -> None:
    services = build(SETTINGS, memory_storage())
    with pytest.raises(InvalidRequest):
        services.separations.of_stored(SeparationRequest(blob=f"inbox/{name}"), job_id="a")


def call(services: Services, body: bytes, content_type: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(lambda: services), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/v1/separations", content=body, headers={"Content-Type": content_type})

    return asyncio.run(send())


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x"])
def test_a_broken_form_is_not_told_to_be_json(content_type: str) -> None:
    answer = call(build(SETTINGS, memory_storage()), b"words", content_type)
    assert answer.status_code == 400
    assert "JSON" not in answer.json()["title"] + answer.json()["next_step"]


def test_a_json_body_has_the_limit_of_json_bodies_here_as_well() -> None:
    assert call(build(SETTINGS, memory_storage()), b'"' + b"x" * 2**21 + b'"', "application/json").status_code == 413


def test_json_nested_too_deeply_is_refused() -> None:
    assert call(build(SETTINGS, memory_storage()), b"[" * 100_000, "application/json").status_code == 400
