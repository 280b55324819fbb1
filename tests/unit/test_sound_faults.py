"""Storage fails, or the process dies, at each of the calls that a job makes: it ends well, and the bank is whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args

import pytest

from core.bootstrap import Services, Storage, build, memory_storage
from core.errors import JobStateConflict, SoundNotFound, StorageUnavailable
from core.jobs.model import Job, JobStatus
from core.settings import Settings
from core.soundbank.request import SoundBatchRequest, SoundRequest
from core.soundbank.sample import SAMPLES, Sample
from tests.clock import Clock
from tests.toy_notes import ToyNoteEngines, ToyNotes

NOTE: dict[str, Any] = {
    "instrument": "ukulele", "string": 1, "fret": 3, "velocity": 0.7, "duration_seconds": 0.1, "engine": "toy_notes",
}  # fmt: skip
THREE_NOTES: dict[str, Any] = {
    "instrument": "ukulele", "region": {"strings": [1], "fret_min": 1, "fret_max": 3}, "velocities": [0.7],
    "duration_seconds": 0.1, "engine": "toy_notes",
}  # fmt: skip
Way = Literal["request lost", "answer lost", "outage", "death"]
WAYS: tuple[Way, ...] = get_args(Way)
_LEASE_SECONDS = 60
_MOST_CALLS = 100  # of a job; more than any makes


@dataclass
class Fault:
    """What happens at the call of this number, counted from 1; an outage lasts until ``over`` is set."""

    at: int
    way: Way
    calls: int = 0
    over: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    @property
    def happened(self) -> bool:
        return self.calls >= self.at

    def of(self, inner: Any) -> Any:
        """``inner``, whose calls are counted and may fail."""
        return _Failing(inner, self)

    def around(self, call: Callable[[], Any]) -> Any:
        with self._lock:
            self.calls += 1
            now, since = self.calls == self.at, self.calls >= self.at and not self.over
        if since and self.way == "death":
            raise SystemExit
        if (now and self.way == "request lost") or (since and self.way == "outage"):
            raise StorageUnavailable("the request was lost")
        answer = call()
        if now and self.way == "answer lost":
            raise StorageUnavailable("the answer was lost")
        return answer


class _Failing:
    def __init__(self, inner: Any, fault: Fault) -> None:
        self._inner = inner
        self._fault = fault

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)
        return lambda *args, **options: self._fault.around(lambda: method(*args, **options))


class Bank:
    """Services over storage that can be made to fail."""

    def __init__(self) -> None:
        self.storage = memory_storage()
        self.clock = Clock()
        self.toy = ToyNotes()
        self.services = self.over(self.storage)

    def over(self, storage: Storage) -> Services:
        settings = Settings.read({"JOB_LEASE_SECONDS": str(_LEASE_SECONDS), "PROGRESS_INTERVAL_SECONDS": "60"})
        return build(settings, storage, clock=self.clock, engines=ToyNoteEngines(self.toy))

    def broken(self, fault: Fault) -> Services:
        tables = {
            **self.storage.tables,
            "jobs": fault.of(self.storage.tables["jobs"]),
            "sounds": fault.of(self.storage.tables["sounds"]),
        }
        return self.over(Storage(tables, fault.of(self.storage.queues), fault.of(self.storage.blobs), lambda: None))

    def submitted(self, body: dict[str, Any]) -> Job:
        services = self.services
        if "region" in body:
            job = services.sounds.of_many(SoundBatchRequest.model_validate(body), job_id=services.new_id())
        else:
            job = services.sounds.of_one(SoundRequest.model_validate(body), job_id=services.new_id())
        return services.jobs.submit(job)

    def ended(self, job: Job, fault: Fault | None = None) -> Job:
        """The job after as many attempts as it takes, the first of which meets the fault; each lease runs out."""
        services = self.broken(fault) if fault else self.services
        for _ in range(5):
            attempt(services, job)
            if fault:
                fault.over = True
            self.clock.advance(_LEASE_SECONDS + 1)
            now = self.services.jobs.get(job.job_id)
            if now.status.ended:
                return now
        raise AssertionError(f"the job never ends: {now.status_message}")

    def sounds_of(self, job: Job) -> list[Sample]:
        """What a job came to, each checked against its file."""
        found = self.services.sounds.made_by(job) if job.kind == "sound" else [
            sample for _, sample in self.services.sounds.of_batch(job.job_id)
        ]  # fmt: skip
        for sample in found:
            assert sample is not None
            properties = self.storage.blobs.properties(SAMPLES, sample.blob)
            assert properties is not None
            assert properties.metadata["sha256"] == sample.sha256
        return [sample for sample in found if sample]

    def check(self, *expected: Sample) -> None:
        """Every sound is one that is expected, and so is every file; no claim is left open."""
        rows = self.storage.tables["sounds"].scan("sounds", "", "~", 1000)
        ids = {sample.sample_id for sample in expected}
        assert {row.key.partition(":")[2] for row in rows if row.key.startswith("sound:")} == ids
        assert {blob.name for blob in self.storage.blobs.list_all(SAMPLES, "")} == {f"{one}.wav" for one in ids}
        assert all('"sample_id":null' not in row.document for row in rows if row.key.startswith("made:"))
        fingerprints = [sample.fingerprint for sample in expected]
        assert len(set(fingerprints)) == len(fingerprints)


def attempt(services: Services, job: Job) -> None:
    """One that may fail or die: the host brings the message again."""
    with suppress(StorageUnavailable, SystemExit):
        services.runner.run(job.job_id)


def faults(way: Way, play: Callable[[Bank, Fault], None]) -> Iterator[int]:
    """Let ``play`` happen with a fault at each of its calls in turn; yields their numbers."""
    for at in range(1, _MOST_CALLS):
        fault = Fault(at, way)
        play(Bank(), fault)
        if not fault.happened:
            return
        yield at
    raise AssertionError("it makes more calls than expected")


in_every_way = pytest.mark.parametrize("way", WAYS)


@in_every_way
@pytest.mark.parametrize("body", [NOTE, THREE_NOTES], ids=["note", "batch"])
def test_a_job_comes_to_its_sounds_whichever_call_fails(body: dict[str, Any], way: Way) -> None:
    def play(bank: Bank, fault: Fault) -> None:
        job = bank.submitted(body)
        done = bank.ended(job, fault)
        assert done.status is JobStatus.COMPLETED, (fault.at, done.error)
        sounds = bank.sounds_of(done)
        assert len(sounds) == (1 if body is NOTE else 3)
        bank.check(*sounds)
        again = bank.ended(bank.submitted(body))
        assert again.status is JobStatus.COMPLETED
        assert bank.sounds_of(again) == sounds

    assert len(list(faults(way, play))) > 5


@in_every_way
def test_a_derived_sound_is_made_whichever_call_fails(way: Way) -> None:
    def play(bank: Bank, fault: Fault) -> None:
        [parent] = bank.sounds_of(bank.ended(bank.submitted(NOTE)))
        job = bank.submitted(NOTE | {"fret": 4, "derive": True})
        done = bank.ended(job, fault)
        assert done.status is JobStatus.COMPLETED, (fault.at, done.error)
        [sound] = bank.sounds_of(done)
        assert sound.derived_from is not None
        bank.check(parent, sound)

    assert len(list(faults(way, play))) > 5


@in_every_way
def test_two_jobs_for_the_same_note_make_it_once_whichever_call_fails(way: Way) -> None:
    def play(bank: Bank, fault: Fault) -> None:
        first, second = bank.submitted(NOTE), bank.submitted(NOTE)
        broken = bank.broken(fault)

        def meanwhile(notes: int) -> None:
            bank.toy.before_note = lambda notes: None
            attempt(broken, second)

        bank.toy.before_note = meanwhile
        done = [bank.ended(job, fault) for job in (first, second)]
        assert [job.status for job in done] == [JobStatus.COMPLETED] * 2, (fault.at, [job.error for job in done])
        one, other = map(bank.sounds_of, done)
        assert one == other
        bank.check(*one)

    assert len(list(faults(way, play))) > 5


@in_every_way
def test_what_one_job_had_begun_another_finishes_after_it_was_canceled(way: Way) -> None:
    def play(bank: Bank, fault: Fault) -> None:
        first = bank.submitted(NOTE)
        attempt(bank.broken(fault), first)
        fault.over = True
        with suppress(JobStateConflict):
            bank.services.jobs.cancel(first.job_id)
        second = bank.submitted(NOTE)
        attempt(bank.services, second)
        bank.ended(first)
        done = bank.ended(second)
        assert done.status is JobStatus.COMPLETED, (fault.at, done.error)
        [sample] = bank.sounds_of(done)
        assert bank.services.sounds.store.find(sample.fingerprint) == sample

    assert len(list(faults(way, play))) > 5


@in_every_way
def test_a_sound_is_deleted_by_asking_once_more_whichever_call_fails(way: Way) -> None:
    def play(bank: Bank, fault: Fault) -> None:
        [sample] = bank.sounds_of(bank.ended(bank.submitted(NOTE)))
        try:
            bank.broken(fault).sounds.delete(sample.sample_id)
        except (StorageUnavailable, SystemExit):
            with suppress(SoundNotFound):  # it was the last answer that got lost
                bank.services.sounds.delete(sample.sample_id)
        bank.check()

    assert len(list(faults(way, play))) > 3
