"""Jobs by id and in lists."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta

import pytest

from core.bootstrap import Services, Storage
from core.errors import InvalidRequest, JobConflict, JobNotFound, RowChanged
from core.jobs.model import Job, JobKind, JobStatus
from core.jobs.store import JobStore
from core.ports import Change, Row, Table
from tests.clock import Clock

NewJob = Callable[..., Job]


@pytest.fixture
def store(storage: Storage) -> JobStore:
    return JobStore(storage.tables["jobs"])


def submit(services: Services, new_job: NewJob, clock: Clock, count: int) -> list[str]:
    ids = []
    for _ in range(count):
        clock.advance(1)
        ids.append(services.jobs.submit(new_job()).job_id)
    return ids


def test_a_stored_job_reads_back_whole(store: JobStore, new_job: NewJob) -> None:
    job = new_job(callback_url="http://127.0.0.1:9/x")
    stored = store.insert(job)
    assert store.get(job.job_id) == stored
    assert store.get(job.job_id).evolve(etag="") == job


def test_the_list_shows_the_newest_first_page_by_page(services: Services, new_job: NewJob, clock: Clock) -> None:
    ids = submit(services, new_job, clock, 7)
    seen, cursor = [], None
    while True:
        page = services.jobs.page(None, None, 3, cursor)
        seen += [job.job_id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_jobs_that_arrive_while_paging_do_not_shift_the_pages(
    services: Services, new_job: NewJob, clock: Clock
) -> None:
    ids = submit(services, new_job, clock, 4)
    first = services.jobs.page(None, None, 2, None)
    submit(services, new_job, clock, 2)
    second = services.jobs.page(None, None, 2, first.next_cursor)
    assert [job.job_id for job in second.jobs] == [ids[1], ids[0]]


def test_lists_follow_status_and_kind(services: Services, new_job: NewJob, clock: Clock) -> None:
    ids = submit(services, new_job, clock, 3)
    services.jobs.cancel(ids[1])

    def listed(status: JobStatus | None, kind: JobKind | None) -> list[str]:
        return [job.job_id for job in services.jobs.page(status, kind, 10, None).jobs]

    assert listed(JobStatus.QUEUED, None) == [ids[2], ids[0]]
    assert listed(JobStatus.CANCELED, JobKind.GENERATION) == [ids[1]]
    assert listed(None, JobKind.GENERATION) == ids[::-1]
    assert listed(JobStatus.FAILED, None) == []


@pytest.mark.parametrize("cursor", ["rubbish", "####", base64.urlsafe_b64encode(b"job:secret").decode(), "ÿ"])
def test_a_cursor_that_was_tampered_with_is_refused(services: Services, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        services.jobs.page(None, None, 3, cursor)


def test_a_cursor_of_another_list_is_refused(services: Services, new_job: NewJob, clock: Clock) -> None:
    submit(services, new_job, clock, 3)
    cursor = services.jobs.page(None, None, 1, None).next_cursor
    with pytest.raises(InvalidRequest, match="same status and kind"):
        services.jobs.page(JobStatus.QUEUED, None, 1, cursor)


def test_a_page_reads_a_page_however_many_jobs_there_are(services: Services, new_job: NewJob, clock: Clock) -> None:
    counted = CountingTable(services.storage.tables["jobs"])
    store = JobStore(counted)
    for number in range(40):
        clock.advance(1)
        job = store.insert(new_job())
        if number == 0:
            store.replace(job, job.canceled(clock()))
    counted.rows_read = 0
    page = store.page(status=JobStatus.CANCELED, limit=5)
    assert len(page.jobs) == 1
    assert counted.rows_read == 2  # its place in the list, and the job
    counted.rows_read = 0
    assert len(store.page(limit=5).jobs) == 5
    assert counted.rows_read == 6 + 5


def test_the_position_counts_the_older_waiting_jobs(services: Services, new_job: NewJob, clock: Clock) -> None:
    ids = submit(services, new_job, clock, 3)
    assert [services.jobs.position(services.jobs.get(job_id)) for job_id in ids] == [1, 2, 3]
    services.jobs.cancel(ids[0])
    assert services.jobs.position(services.jobs.get(ids[2])) == 2
    assert services.jobs.position(services.jobs.get(ids[0])) is None


def test_writes_are_conditional(store: JobStore, new_job: NewJob, clock: Clock) -> None:
    job = store.insert(new_job())
    store.replace(job, job.claimed(clock(), 60))
    with pytest.raises(RowChanged):
        store.replace(job, job.canceled(clock()))
    assert store.get(job.job_id).status is JobStatus.PROCESSING


def test_the_same_id_and_body_is_the_same_job(services: Services, new_job: NewJob, clock: Clock) -> None:
    first = services.jobs.submit(new_job("gen-123e4567..."))
    clock.advance(5)
    assert services.jobs.submit(new_job("gen-123e4567...")) == first
    with pytest.raises(JobConflict):
        services.jobs.submit(new_job("gen-123e4567...", target_stems=["guitar"]))


def test_waiting_jobs_are_found_by_age(store: JobStore, new_job: NewJob, clock: Clock) -> None:
    old = store.insert(new_job())
    clock.advance(100)
    store.insert(new_job())
    found = list(store.waiting(JobStatus.QUEUED, clock() - timedelta(seconds=50)))
    assert [job.job_id for job in found] == [old.job_id]


def test_a_deleted_job_is_in_no_list(services: Services, new_job: NewJob) -> None:
    job = services.jobs.submit(new_job())
    services.jobs.cancel(job.job_id)
    services.jobs.delete(job.job_id)
    assert services.jobs.page(None, None, 5, None).jobs == []
    with pytest.raises(JobNotFound):
        services.jobs.get(job.job_id)


class CountingTable:
    """A table that counts the rows that are read."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.rows_read = 0

    def get(self, partition: str, key: str) -> Row:
        self.rows_read += 1
        return self._table.get(partition, key)

    def commit(self, partition: str, *changes: Change) -> tuple[str, ...]:
        return self._table.commit(partition, *changes)

    def scan(self, partition: str, start: str, stop: str, limit: int) -> list[Row]:
        rows = self._table.scan(partition, start, stop, limit)
        self.rows_read += len(rows)
        return rows
