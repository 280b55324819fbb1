"""Metrics over processes that come and go: every process answers the same, and no count is lost or counted twice."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.bootstrap import Services
from core.errors import StorageUnavailable
from core.jobs.messages import CALLBACKS, CPU_REQUESTS, CallbackMessage
from core.jobs.model import Job
from core.jobs.runner import Announcers
from core.metrics.rows import MetricRows
from core.ports import Replace, Table
from core.storage.azure_tables import AzureTable
from core.storage.memory import MemoryTable
from tests.clock import Clock
from tests.contract.conftest import Account
from tests.metrics_processes import Interrupted, Process, ended_job, stored
from tests.receiver import Answer, Receiver

NewProcess = Callable[[], Process]
DAY = 86400.0


@pytest.fixture
def table(account: Account) -> Interrupted:
    jobs: Any = account.storage.tables["jobs"]
    fresh: Table = MemoryTable()
    if isinstance(jobs, AzureTable):
        fresh = AzureTable(jobs._service, f"metrics{uuid.uuid4().hex}")
    return Interrupted(fresh)


@pytest.fixture
def new_process(services: Services, table: Interrupted, clock: Clock) -> NewProcess:
    return lambda: Process(services, table, clock)


def count_jobs(process: Process, clock: Clock, number: int) -> None:
    for _ in range(number):
        process.counters.announce(ended_job(clock))
    process.timers.fire()


def refuse() -> None:
    raise StorageUnavailable("tables are down")


def test_a_scrape_before_anything_happened_shows_zeros_and_writes_nothing(
    new_process: NewProcess, table: Interrupted
) -> None:
    assert new_process().ended_jobs() == 0
    assert stored(table) == {}


def test_whichever_process_is_asked_the_counts_are_those_of_all(new_process: NewProcess, clock: Clock) -> None:
    first, second, third = new_process(), new_process(), new_process()
    count_jobs(first, clock, 2)
    count_jobs(second, clock, 3)
    assert [process.ended_jobs() for process in (first, second, third)] == [5, 5, 5]


def test_what_one_scrape_shows_the_next_one_shows_too_though_no_timer_has_fired(
    new_process: NewProcess, clock: Clock
) -> None:
    first, second = new_process(), new_process()
    first.counters.announce(ended_job(clock))
    assert (first.ended_jobs(), second.ended_jobs()) == (1, 1)


def test_a_process_that_ends_takes_no_count_with_it(new_process: NewProcess, clock: Clock) -> None:
    count_jobs(new_process(), clock, 2)
    restarted = new_process()
    assert restarted.ended_jobs() == 2
    count_jobs(restarted, clock, 1)
    assert restarted.ended_jobs() == 3


def test_rows_of_silent_processes_are_folded_into_one_and_the_totals_stay(
    new_process: NewProcess, table: Interrupted, clock: Clock
) -> None:
    for number in (1, 2, 3):
        count_jobs(new_process(), clock, number)
    clock.advance(DAY)
    awake = new_process()
    count_jobs(awake, clock, 4)
    assert awake.metrics.fold() == 0  # silent for a day, and not for longer
    clock.advance(1)
    assert awake.metrics.fold() == 3
    assert list(stored(table)) == [f"process:{awake.counters.process_id}", "retired"]
    assert awake.ended_jobs() == 10
    assert awake.metrics.fold() == 0
    clock.advance(DAY + 1)
    assert awake.metrics.fold() == 1  # into a row that is there already
    assert new_process().ended_jobs() == 10


def test_more_rows_than_one_transaction_holds_are_folded_too(
    new_process: NewProcess, table: Interrupted, clock: Clock
) -> None:
    for _ in range(120):
        count_jobs(new_process(), clock, 1)
    clock.advance(DAY + 1)
    process = new_process()
    assert process.metrics.fold() == 120
    assert list(stored(table)) == ["retired"]
    assert process.ended_jobs() == 120


def test_two_housekeepers_at_once_fold_each_row_once(new_process: NewProcess, table: Interrupted, clock: Clock) -> None:
    for _ in range(3):
        count_jobs(new_process(), clock, 1)
    clock.advance(DAY + 1)
    first, second = new_process(), new_process()
    folded_by_second: list[int] = []
    table.before = lambda: folded_by_second.append(second.metrics.fold())
    assert first.metrics.fold() == 0
    assert folded_by_second == [3]
    assert first.ended_jobs() == 3


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_fold_writes_over_nothing_that_another_one_has_retired(
    new_process: NewProcess, table: Interrupted, clock: Clock, earlier: int
) -> None:
    process = new_process()
    for _ in range(earlier):
        count_jobs(new_process(), clock, 1)
        clock.advance(DAY + 1)
        process.metrics.fold()
    count_jobs(new_process(), clock, 2)
    clock.advance(DAY + 1)
    document = (
        '{"counts": {"jobs/generation/completed/synth": 100}, "loaded": {}, "updated_at": "2026-01-01T00:00:00Z"}'
    )
    table.before = lambda: table.table.commit("metrics", Replace("retired", document))
    assert process.metrics.fold() == 0
    assert process.ended_jobs() == 102
    assert process.metrics.fold() == 1
    assert process.ended_jobs() == 102


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_housekeeper_that_dies_around_its_write_loses_and_doubles_nothing(
    new_process: NewProcess, table: Interrupted, clock: Clock, when: str
) -> None:
    for _ in range(3):
        count_jobs(new_process(), clock, 1)
    clock.advance(DAY + 1)
    process = new_process()
    setattr(table, when, refuse)
    with pytest.raises(StorageUnavailable):
        process.metrics.fold()
    assert process.ended_jobs() == 3
    process.metrics.fold()
    assert process.ended_jobs() == 3
    assert list(stored(table)) == ["retired"]


def test_a_process_that_was_only_asleep_goes_on_from_zero_once_its_row_was_folded(
    new_process: NewProcess, table: Interrupted, clock: Clock
) -> None:
    sleeper, other = new_process(), new_process()
    count_jobs(sleeper, clock, 5)
    clock.advance(DAY + 1)
    assert other.metrics.fold() == 1
    assert (sleeper.ended_jobs(), other.ended_jobs()) == (5, 5)
    for awake in range(1, 4):
        count_jobs(sleeper, clock, 1)
        assert (sleeper.ended_jobs(), other.ended_jobs()) == (5 + awake, 5 + awake)
    assert sorted(row["counts"].get("jobs/generation/completed/synth") for row in stored(table).values()) == [3, 5]


def test_a_process_that_writes_while_its_row_is_folded_is_counted_once(
    new_process: NewProcess, table: Interrupted, clock: Clock
) -> None:
    sleeper, other = new_process(), new_process()
    count_jobs(sleeper, clock, 5)
    clock.advance(DAY + 1)
    table.before = lambda: count_jobs(sleeper, clock, 1)
    assert other.metrics.fold() == 0
    assert other.ended_jobs() == 6


def test_a_scrape_that_a_fold_overtakes_looks_again(
    new_process: NewProcess, table: Interrupted, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_jobs(new_process(), clock, 5)
    count_jobs(new_process(), clock, 3)
    monkeypatch.setattr("core.metrics.rows._PAGE", 1)
    housekeeper = MetricRows(table.table)
    table.after_a_page = lambda: housekeeper.fold(clock() + timedelta(seconds=1), clock())
    assert new_process().ended_jobs() == 8
    assert list(stored(table)) == ["retired"]


def test_more_rows_than_a_page_holds_are_all_counted(
    new_process: NewProcess, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.metrics.rows._PAGE", 2)
    for processes in range(1, 6):
        count_jobs(new_process(), clock, 1)
        assert new_process().ended_jobs() == processes


def test_a_write_that_failed_is_made_up_for(new_process: NewProcess, table: Interrupted, clock: Clock) -> None:
    process, other = new_process(), new_process()
    for _ in range(2):
        table.before = refuse
        count_jobs(process, clock, 1)
    assert other.ended_jobs() == 0
    process.timers.fire()  # a write that failed is tried again though nothing more happens
    assert other.ended_jobs() == 2


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_write_whose_answer_got_lost_counts_once(
    new_process: NewProcess, table: Interrupted, clock: Clock, earlier: int
) -> None:
    process = new_process()
    count_jobs(process, clock, earlier)
    table.after = refuse
    count_jobs(process, clock, 1)
    count_jobs(process, clock, 1)
    assert new_process().ended_jobs() == earlier + 2
    assert len(stored(table)) == 1


def test_what_waits_is_seen_at_the_moment(
    services: Services, new_job: Callable[..., Job], new_process: NewProcess
) -> None:
    process = new_process()
    waiting = {"kind": "generation", "status": "queued"}
    assert process.value("stemworks_unfinished_jobs", **waiting) == 0
    first, second = services.jobs.submit(new_job()), services.jobs.submit(new_job())
    assert process.value("stemworks_unfinished_jobs", **waiting) == 2
    assert process.value("stemworks_queue_messages", queue=CPU_REQUESTS) == 2
    services.runner._claim(first.job_id)
    services.jobs.cancel(second.job_id)
    assert process.value("stemworks_unfinished_jobs", **waiting) == 0
    assert process.value("stemworks_unfinished_jobs", kind="generation", status="processing") == 1
    assert process.value("stemworks_queue_messages", queue=f"{CPU_REQUESTS}-poison") == 0


def test_jobs_count_as_their_runner_ends_them_and_deliveries_as_they_go(
    services: Services, new_job: Callable[..., Job], new_process: NewProcess, account: Account
) -> None:
    process = new_process()
    runner = replace(services.runner, announcer=Announcers((services.runner.announcer, process.counters)))
    deliveries = replace(services.deliveries, count=process.counters.count_delivery)
    with Receiver(Answer(500), Answer(200)) as receiver:
        for _ in range(2):
            job = services.jobs.submit(new_job(callback_url=receiver.url))
            runner.run(job.job_id)
            runner.run(job.job_id)  # the message a second time
        for body in account.receive(CALLBACKS):
            deliveries.deliver(CallbackMessage.model_validate_json(body))
    assert process.ended_jobs() == 2
    assert process.value("stemworks_job_duration_seconds_count", kind="generation") == 2
    assert process.value("stemworks_deliveries_total", outcome="retrying") == 1
    assert process.value("stemworks_deliveries_total", outcome="delivered") == 1
    assert process.value("stemworks_deliveries_total", outcome="failed") == 0
