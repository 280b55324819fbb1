"""What sounds cost in storage transactions."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from core.bootstrap import Services, Storage, build, memory_storage
from core.jobs.model import Job, JobStatus
from core.settings import Settings
from core.soundbank.request import SoundBatchRequest, SoundRequest
from tests.toy_notes import ToyNoteEngines, ToyNotes

NOTE: dict[str, Any] = {
    "instrument": "ukulele", "string": 1, "fret": 3, "duration_seconds": 0.1, "engine": "toy_notes",
}  # fmt: skip
BATCH: dict[str, Any] = {
    "instrument": "ukulele", "region": {"fret_min": 0, "fret_max": 4}, "duration_seconds": 0.1, "engine": "toy_notes",
}  # fmt: skip
NOTES = 20


class Counted:
    """An adapter whose calls are counted."""

    def __init__(self, inner: Any, name: str, calls: Counter[str]) -> None:
        self._inner = inner
        self._name = name
        self._calls = calls
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        def call(*args: Any, **options: Any) -> Any:
            with self._lock:
                self._calls[f"{self._name}.{name}"] += 1
            return method(*args, **options)

        return call


@pytest.fixture
def calls() -> Counter[str]:
    return Counter()


@pytest.fixture
def toy() -> ToyNotes:
    return ToyNotes()


@pytest.fixture
def services(calls: Counter[str], toy: ToyNotes) -> Services:
    storage = memory_storage()
    tables = {**storage.tables} | {name: Counted(storage.tables[name], name, calls) for name in ("jobs", "sounds")}
    counted: Any = Storage(
        tables, Counted(storage.queues, "queues", calls), Counted(storage.blobs, "blobs", calls), lambda: None
    )
    settings = Settings.read({"PROGRESS_INTERVAL_SECONDS": "60"})
    return build(settings, counted, engines=ToyNoteEngines(toy))


def ask(services: Services, **fields: Any) -> Job:
    request = SoundRequest.model_validate(NOTE | fields)
    return services.jobs.submit(services.sounds.of_one(request, job_id=services.new_id()))


def ask_many(services: Services, **fields: Any) -> Job:
    request = SoundBatchRequest.model_validate(BATCH | fields)
    return services.jobs.submit(services.sounds.of_many(request, job_id=services.new_id()))


def run(services: Services, job: Job) -> None:
    services.runner.run(job.job_id)
    assert services.jobs.jobs.get(job.job_id).status is JobStatus.COMPLETED


def cost(calls: Counter[str], action: Callable[[], object]) -> dict[str, int]:
    calls.clear()
    action()
    return dict(calls)


def test_a_note_is_found_by_four_transactions_and_made_by_twelve(services: Services, calls: Counter[str]) -> None:
    run(services, ask(services, fret=0))  # the weights are known from here on
    asking = cost(calls, lambda: ask(services))
    assert asking == {"sounds.get": 2, "sounds.scan": 1, "jobs.commit": 1, "queues.send": 1}
    [job] = services.jobs.page(JobStatus.QUEUED, None, 10, None).jobs
    making = cost(calls, lambda: services.runner.run(job.job_id))
    assert making == {
        "jobs.get": 1, "jobs.commit": 2, "sounds.get": 1, "sounds.commit": 2, "blobs.write": 1,
    }  # fmt: skip
    assert cost(calls, lambda: ask(services)) == {"sounds.get": 3, "jobs.commit": 1}


def test_a_new_batch_claims_its_notes_at_once_and_stores_each_in_two_transactions(
    services: Services, calls: Counter[str]
) -> None:
    run(services, ask(services, fret=11))
    job = ask_many(services)
    making = cost(calls, lambda: services.runner.run(job.job_id))
    assert making == {
        "jobs.get": 1, "jobs.commit": 2, "sounds.get": 1, "sounds.commit": 1 + NOTES, "blobs.write": NOTES,
    }  # fmt: skip


def test_a_batch_that_waits_for_another_looks_at_what_it_waits_for_alone(
    services: Services, toy: ToyNotes, calls: Counter[str]
) -> None:
    first, second = ask_many(services), ask_many(services, region={"fret_min": 4, "fret_max": 8})
    waiting: list[dict[str, int]] = []

    def meanwhile(notes: int) -> None:
        toy.before_note = lambda notes: None
        services.runner.run(second.job_id)  # makes what is its own
        waiting.append(cost(calls, lambda: services.runner.run(second.job_id)))

    toy.before_note = meanwhile
    run(services, first)
    [looking] = waiting
    held = 4  # fret 4 of each string
    assert looking.pop("jobs.get") <= 1 + held
    assert looking == {
        "jobs.commit": 2, "queues.send": 1, "sounds.scan": 1, "sounds.get": 1 + held, "sounds.commit": 1,
    }  # fmt: skip
    run(services, second)
    assert services.jobs.get(second.job_id).result == {"total": NOTES, "made": NOTES - held, "found": held}


def test_a_batch_finds_each_note_by_two_reads(services: Services, calls: Counter[str]) -> None:
    run(services, ask_many(services))
    again = ask_many(services)
    finding = cost(calls, lambda: services.runner.run(again.job_id))
    assert finding == {
        "jobs.get": 1, "jobs.commit": 2, "sounds.get": 1 + 2 * NOTES, "sounds.commit": 2,
    }  # fmt: skip
